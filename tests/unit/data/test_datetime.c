/** @file test_datetime.c  Timestamps, dates, durations: every day, limits, bad text. */
#include "data/datetime.h"

#include <string.h>

#include "helper_data.h"

#define DAY_MIN (-719162) /* 0001-01-01 */
#define DAY_MAX 2932896   /* 9999-12-31 */

static bool is_leap(int year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* The calendar counted day by day, against the formula. */
START_TEST(every_day_of_the_range_round_trips) {
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int year = 1, month = 1, day = 1;
  char text[LS_TIMESTAMP_TEXT_MAX], want[64];
  for (int32_t days = DAY_MIN; days <= DAY_MAX; days++) {
    int y, m, d;
    int32_t back = 0;
    ls__civil_from_days(days, &y, &m, &d);
    if (y != year || m != month || d != day) ck_abort_msg("day %d: %d-%d-%d", days, y, m, d);
    if (ls__days_from_civil(year, month, day) != days) ck_abort_msg("%d-%d-%d", y, m, d);
    size_t len = ls__date_format(text, days);
    if (ls__date_parse(&back, (ls_slice){text, len}) != LS_OK || back != days) ck_abort_msg("%s", text);
    if (days % 97 == 0) {
      snprintf(want, sizeof want, "%04d-%02d-%02d", year, month, day);
      ck_assert_str_eq(text, want);
    }
    int length = lengths[month - 1] + (month == 2 && is_leap(year));
    if (++day > length) day = 1, month++;
    if (month > 12) month = 1, year++;
  }
  ck_assert_int_eq(year, 10000);
}
END_TEST

START_TEST(days_out_of_the_range_do_not_overrun) {
  static const int32_t days[] = {INT32_MIN, DAY_MIN - 400, DAY_MAX + 1, INT32_MAX};
  for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
    char text[LS_TIMESTAMP_TEXT_MAX];
    int y, m, d;
    ls__civil_from_days(days[i], &y, &m, &d);
    ck_assert_int_eq(ls__days_from_civil(y, m, d), days[i]);
    ck_assert_uint_lt(ls__date_format(text, days[i]), sizeof text);
  }
  char text[LS_TIMESTAMP_TEXT_MAX];
  ck_assert_uint_eq(ls__timestamp_format(text, INT64_MIN), strlen(text));
  ck_assert_str_eq(text, "-290308-12-21T19:59:05.224192Z");
  ck_assert_uint_eq(ls__timestamp_format(text, INT64_MAX), strlen(text));
  ck_assert_str_eq(text, "294247-01-10T04:00:54.775807Z");
}
END_TEST

START_TEST(parses_known_timestamps) {
  static const struct {
    const char *text;
    int64_t us;
  } want[] = {{"1970-01-01T00:00:00Z", 0},
              {"1970-01-01T00:00:00.000001Z", 1},
              {"1969-12-31T23:59:59.999999Z", -1},
              {"2000-02-29T12:00:00Z", INT64_C(951825600000000)},
              {"2024-02-29T23:59:59.5Z", INT64_C(1709251199500000)},
              {"2024-03-01T00:00:00+00:00", INT64_C(1709251200000000)},
              {"2038-01-19T03:14:08Z", INT64_C(2147483648000000)},
              {"2024-05-06T07:08:09.12Z", INT64_C(1714979289120000)},
              {"2024-05-06T07:08:09.1234+00:00", INT64_C(1714979289123400)},
              {"2024-05-06T07:08:09.123456Z", INT64_C(1714979289123456)},
              {"0001-01-01T00:00:00Z", DAY_MIN * LS_US_PER_DAY},
              {"9999-12-31T23:59:59.999999Z", (DAY_MAX + 1) * LS_US_PER_DAY - 1}};
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    int64_t us = -777;
    ck_assert_msg(ls__timestamp_parse(&us, ls__slice_of(want[i].text)) == LS_OK, "%s", want[i].text);
    ck_assert_msg(us == want[i].us, "%s: %lld", want[i].text, (long long)us);
  }
}
END_TEST

START_TEST(refuses_bad_timestamps) {
  static const char *const bad[] = {"",
                                    "2024-01-01",
                                    "2024-01-01T00:00:00",
                                    "2024-01-01 00:00:00Z",
                                    "2024-01-01t00:00:00Z",
                                    "2024-01-01T00:00:00z",
                                    "2024-01-01T00:00:00.Z",
                                    "2024-01-01T00:00:00.1234567Z",
                                    "2024-01-01T00:00:00+01:00",
                                    "2024-01-01T00:00:00-00:00",
                                    "2024-01-01T24:00:00Z",
                                    "2024-01-01T00:60:00Z",
                                    "2024-01-01T00:00:60Z",
                                    "2024-02-30T00:00:00Z",
                                    "2023-02-29T00:00:00Z",
                                    "1900-02-29T00:00:00Z",
                                    "2024-13-01T00:00:00Z",
                                    "2024-00-01T00:00:00Z",
                                    "2024-01-00T00:00:00Z",
                                    "2024-01-32T00:00:00Z",
                                    "2024-04-31T00:00:00Z",
                                    "0000-01-01T00:00:00Z",
                                    "20240-1-01T00:00:00Z",
                                    "2024-01-01T00:00:00Z ",
                                    " 2024-01-01T00:00:00Z",
                                    "2024-01-01T00:00:00ZZ",
                                    "2024/01/01T00:00:00Z",
                                    "2024-01-01T00-00:00Z",
                                    "2024-01-01T00:00-00Z",
                                    "+024-01-01T00:00:00Z",
                                    "2024-01-01T0a:00:00Z",
                                    "2024-01-01T00:00:00.5",
                                    "2024-1-01T00:00:000Z",
                                    "2024-01-01T00:00:00.12a4Z",
                                    "2024-01-01T00:00:00.5+00:0",
                                    "\xB2"
                                    "024-01-01T00:00:00Z"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int64_t us = -777;
    ck_assert_msg(ls__timestamp_parse(&us, ls__slice_of(bad[i])) == LS_EDATA, "%s", bad[i]);
    ck_assert_msg(us == -777, "%s", bad[i]);
  }
  ck_assert_int_eq(ls__timestamp_parse(&(int64_t){0}, (ls_slice){NULL, 0}), LS_EDATA);
}
END_TEST

START_TEST(refuses_bad_dates) {
  static const char *const bad[] = {"",           "2024-1-1",   "2024-01-1",  "2024-01-011", "2024-02-30", "2100-02-29",
                                    "0000-01-01", "2024-01-00", "2024-13-01", "2024-aa-01",  "24-01-0001"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int32_t days = -777;
    ck_assert_msg(ls__date_parse(&days, ls__slice_of(bad[i])) == LS_EDATA && days == -777, "%s", bad[i]);
  }
  int32_t days;
  ck_assert_int_eq(ls__date_parse(&days, ls__slice_of("2000-02-29")), LS_OK);
  ck_assert_int_eq(days, 11016);
}
END_TEST

START_TEST(timestamps_round_trip) {
  test_rng rng = rng_new();
  static const int64_t steps[] = {1, 1000, 1000000, 60000000, LS_US_PER_DAY};
  char text[LS_TIMESTAMP_TEXT_MAX];
  for (int i = 0; i < 200000; i++) {
    int64_t step = steps[rng_below(&rng, 5)], back = 0;
    uint64_t span = (uint64_t)((DAY_MAX - DAY_MIN + 1) * LS_US_PER_DAY / step);
    int64_t us = DAY_MIN * LS_US_PER_DAY + (int64_t)rng_below(&rng, span) * step;
    size_t len = ls__timestamp_format(text, us);
    ck_assert_uint_eq(len, us % 1000000 == 0 ? 20 : us % 1000 == 0 ? 24 : 27);
    if (ls__timestamp_parse(&back, (ls_slice){text, len}) != LS_OK || back != us)
      ck_abort_msg("%s seed %llu", text, (unsigned long long)rng.seed);
  }
}
END_TEST

START_TEST(date_of_a_time_rounds_down) {
  ck_assert_int_eq(ls__date_of_us(0), 0);
  ck_assert_int_eq(ls__date_of_us(-1), -1);
  ck_assert_int_eq(ls__date_of_us(-LS_US_PER_DAY), -1);
  ck_assert_int_eq(ls__date_of_us(-LS_US_PER_DAY - 1), -2);
  ck_assert_int_eq(ls__date_of_us(LS_US_PER_DAY - 1), 0);
  ck_assert_int_eq(ls__date_of_us(LS_US_PER_DAY), 1);
}
END_TEST

START_TEST(parses_durations) {
  static const struct {
    const char *text;
    int rc;
    int64_t us;
  } want[] = {{"250ms", 0, 250000},
              {"5s", 0, 5000000},
              {"10m", 0, 600000000},
              {"1h", 0, INT64_C(3600000000)},
              {"2d", 0, 2 * LS_US_PER_DAY},
              {"1h30m", 0, INT64_C(5400000000)},
              {"0s", 0, 0},
              {"7us", 0, 7},
              {"1d2h3m4s5ms6us", 0, INT64_C(93784005006)},
              {"90s", 0, 90000000},
              {"106751991d", 0, 106751991 * LS_US_PER_DAY},
              {"106751992d", LS_EDATA, 0},
              {"99999999999999999999s", LS_EDATA, 0},
              {"", LS_EDATA, 0},
              {"5", LS_EDATA, 0},
              {"s", LS_EDATA, 0},
              {"5 s", LS_EDATA, 0},
              {"-5s", LS_EDATA, 0},
              {"5S", LS_EDATA, 0},
              {"5sec", LS_EDATA, 0},
              {"1m1h", LS_EDATA, 0},
              {"1h1h", LS_EDATA, 0},
              {"1.5h", LS_EDATA, 0},
              {"1h30", LS_EDATA, 0},
              {"1w", LS_EDATA, 0}};
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    int64_t us = -777;
    ck_assert_msg(ls__duration_parse(&us, ls__slice_of(want[i].text)) == want[i].rc, "%s", want[i].text);
    ck_assert_msg(us == (want[i].rc ? -777 : want[i].us), "%s: %lld", want[i].text, (long long)us);
  }
}
END_TEST

START_TEST(durations_round_trip) {
  test_rng rng = rng_new();
  char text[LS_TIMESTAMP_TEXT_MAX];
  for (int i = 0; i < 100000; i++) {
    int64_t us = (int64_t)(rng_next(&rng) >> (1 + rng_below(&rng, 63))), back = -1;
    size_t len = ls__duration_format(text, us);
    ck_assert_int_eq(ls__duration_parse(&back, (ls_slice){text, len}), LS_OK);
    ck_assert_msg(back == us, "%s", text);
  }
  ls__duration_format(text, INT64_C(5400000000));
  ck_assert_str_eq(text, "1h30m");
  ls__duration_format(text, -1500000);
  ck_assert_str_eq(text, "-1s500ms");
  ck_assert_uint_eq(ls__duration_format(text, INT64_MIN), strlen(text));
  ck_assert_str_eq(text, "-106751991d4h54s775ms808us");
  ck_assert_uint_eq(ls__duration_format(text, -INT64_C(9223372022399999999)), strlen(text));
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(every_day_of_the_range_round_trips),
                             TEST_CASE(days_out_of_the_range_do_not_overrun),
                             TEST_CASE(parses_known_timestamps),
                             TEST_CASE(refuses_bad_timestamps),
                             TEST_CASE(refuses_bad_dates),
                             TEST_CASE(timestamps_round_trip),
                             TEST_CASE(date_of_a_time_rounds_down),
                             TEST_CASE(parses_durations),
                             TEST_CASE(durations_round_trip)};
  return RUN_TESTS("data.datetime", cases);
}
