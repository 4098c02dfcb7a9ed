/**
 * @file datetime.c
 * UTC only, no leap seconds (":60" is refused), no time zone tables, no locale: text and numbers
 * map one to one.
 */
#include "data/datetime.h"

#include <stdio.h>
#include <string.h>

#define US_PER_SECOND INT64_C(1000000)
#define YEAR_MAX      9999

/* -- calendar: eras of 400 years that start on 1 March, so that leap days come last ------------ */

int32_t ls__days_from_civil(int year, int month, int day) {
  int64_t y = (int64_t)year - (month <= 2);
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t year_of_era = y - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return (int32_t)(era * 146097 + day_of_era - 719468);
}

void ls__civil_from_days(int32_t days, int *year, int *month, int *day) {
  int64_t z = (int64_t)days + 719468;
  int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  int64_t day_of_era = z - era * 146097;
  int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t shifted_month = (5 * day_of_year + 2) / 153;
  *day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  *month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

int32_t ls__date_of_us(int64_t us) {
  int64_t days = us / LS_US_PER_DAY;
  return (int32_t)(us % LS_US_PER_DAY < 0 ? days - 1 : days);
}

static int days_in_month(int year, int month) {
  static const uint8_t days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : days[month];
}

/* -- parsing ----------------------------------------------------------------------------------- */

/* Two digits as a number; anything else sets a bit above 7 of *bad. */
static unsigned two_digits(const char *p, unsigned *bad) {
  unsigned tens = (unsigned)(unsigned char)p[0] - '0', ones = (unsigned)(unsigned char)p[1] - '0';
  *bad |= (tens > 9) | (ones > 9);
  return tens * 10 + ones;
}

/* YYYY-MM-DD at p, ten readable bytes. */
static int parse_civil(int32_t *out_days, const char *p) {
  unsigned bad = (p[4] != '-') | (p[7] != '-');
  int year = (int)(two_digits(p, &bad) * 100 + two_digits(p + 2, &bad));
  int month = (int)two_digits(p + 5, &bad), day = (int)two_digits(p + 8, &bad);
  if (bad || year < 1 || month < 1 || month > 12 || day < 1) return LS_EDATA;
  if (day > 28 && day > days_in_month(year, month)) return LS_EDATA;
  *out_days = ls__days_from_civil(year, month, day);
  return LS_OK;
}

int ls__date_parse(int32_t *out_days, ls_slice text) {
  return text.len == 10 ? parse_civil(out_days, text.ptr) : LS_EDATA;
}

/* 1 to 6 digits up to the zone; returns where they end, NULL when they are wrong. */
static const char *parse_fraction(int64_t *out_us, const char *p, const char *end) {
  static const int32_t unit[7] = {0, 100000, 10000, 1000, 100, 10, 1};
  int n = 0;
  int64_t value = 0;
  for (; p < end && *p >= '0' && *p <= '9'; p++) {
    if (++n > 6) return NULL;
    value = value * 10 + (*p - '0');
  }
  *out_us = value * unit[n];
  return n ? p : NULL;
}

int ls__timestamp_parse(int64_t *out_us, ls_slice text) {
  if (text.len < 20) return LS_EDATA;
  const char *p = text.ptr, *end = text.ptr + text.len;
  int32_t days;
  LS_TRY(parse_civil(&days, p));
  unsigned bad = (p[10] != 'T') | (p[13] != ':') | (p[16] != ':');
  unsigned hour = two_digits(p + 11, &bad), minute = two_digits(p + 14, &bad);
  unsigned second = two_digits(p + 17, &bad);
  if (bad || hour > 23 || minute > 59 || second > 59) return LS_EDATA;
  int64_t fraction_us = 0;
  p += 19;
  if (*p == '.') p = parse_fraction(&fraction_us, p + 1, end);
  if (!p) return LS_EDATA;
  bool zulu = end - p == 1 && *p == 'Z';
  if (!zulu && !(end - p == 6 && memcmp(p, "+00:00", 6) == 0)) return LS_EDATA;
  int64_t seconds = (int64_t)(hour * 3600 + minute * 60 + second);
  *out_us = days * LS_US_PER_DAY + seconds * US_PER_SECOND + fraction_us;
  return LS_OK;
}

/* -- formatting -------------------------------------------------------------------------------- */

static char *put_digits(char *p, uint32_t value, int n) {
  for (int i = n - 1; i >= 0; i--) {
    p[i] = (char)('0' + value % 10);
    value /= 10;
  }
  return p + n;
}

/* Years outside 0000..9999 can't be parsed back, but must not overrun the buffer either. */
static char *put_civil(char *p, int32_t days) {
  int year, month, day;
  ls__civil_from_days(days, &year, &month, &day);
  if (year >= 0 && year <= YEAR_MAX) {
    p = put_digits(p, (uint32_t)year, 4);
  } else {
    p += snprintf(p, 12, "%05d", year);
  }
  *p++ = '-';
  p = put_digits(p, (uint32_t)month, 2);
  *p++ = '-';
  return put_digits(p, (uint32_t)day, 2);
}

size_t ls__date_format(char out[LS_TIMESTAMP_TEXT_MAX], int32_t days) {
  char *p = put_civil(out, days);
  *p = '\0';
  return (size_t)(p - out);
}

size_t ls__timestamp_format(char out[LS_TIMESTAMP_TEXT_MAX], int64_t us) {
  int32_t days = ls__date_of_us(us);
  int64_t rest = us % LS_US_PER_DAY;
  if (rest < 0) rest += LS_US_PER_DAY;
  uint32_t fraction_us = (uint32_t)(rest % US_PER_SECOND);
  uint32_t second = (uint32_t)(rest / US_PER_SECOND);
  char *p = put_civil(out, days);
  *p++ = 'T';
  p = put_digits(p, second / 3600, 2);
  *p++ = ':';
  p = put_digits(p, second / 60 % 60, 2);
  *p++ = ':';
  p = put_digits(p, second % 60, 2);
  if (fraction_us) {
    *p++ = '.';
    p = fraction_us % 1000 ? put_digits(p, fraction_us, 6) : put_digits(p, fraction_us / 1000, 3);
  }
  *p++ = 'Z';
  *p = '\0';
  return (size_t)(p - out);
}

/* -- durations --------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  int64_t us;
} duration_units[] = {{"d", LS_US_PER_DAY},
                      {"h", 3600 * US_PER_SECOND},
                      {"m", 60 * US_PER_SECOND},
                      {"s", US_PER_SECOND},
                      {"ms", 1000},
                      {"us", 1}};
#define N_DURATION_UNITS (sizeof duration_units / sizeof duration_units[0])

static bool is_letter(char c) {
  return c >= 'a' && c <= 'z';
}

int ls__duration_parse(int64_t *out_us, ls_slice text) {
  const char *p = text.ptr, *end = text.len ? text.ptr + text.len : text.ptr;
  int64_t sum = 0;
  size_t unit_min = 0; /* units go from large to small, each once */
  if (text.len == 0) return LS_EDATA;
  while (p < end) {
    int64_t count = 0, part;
    const char *start = p;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
      if (__builtin_mul_overflow(count, 10, &count) || __builtin_add_overflow(count, (int64_t)(*p - '0'), &count))
        return LS_EDATA;
    if (p == start) return LS_EDATA;
    const char *name = p;
    while (p < end && is_letter(*p)) p++;
    size_t len = (size_t)(p - name), unit = unit_min;
    while (unit < N_DURATION_UNITS &&
           (strlen(duration_units[unit].name) != len || memcmp(duration_units[unit].name, name, len) != 0))
      unit++;
    if (unit == N_DURATION_UNITS) return LS_EDATA;
    if (__builtin_mul_overflow(count, duration_units[unit].us, &part) || __builtin_add_overflow(sum, part, &sum))
      return LS_EDATA;
    unit_min = unit + 1;
  }
  *out_us = sum;
  return LS_OK;
}

size_t ls__duration_format(char out[LS_TIMESTAMP_TEXT_MAX], int64_t us) {
  size_t len = 0;
  uint64_t rest = us < 0 ? -(uint64_t)us : (uint64_t)us;
  out[0] = '\0';
  if (us < 0) out[len++] = '-';
  if (us == 0) len += (size_t)snprintf(out, LS_TIMESTAMP_TEXT_MAX, "0s");
  for (size_t i = 0; i < N_DURATION_UNITS; i++) {
    uint64_t unit_us = (uint64_t)duration_units[i].us, count = rest / unit_us;
    rest %= unit_us;
    if (count)
      len += (size_t)snprintf(out + len, LS_TIMESTAMP_TEXT_MAX - len, "%llu%s", (unsigned long long)count,
                              duration_units[i].name);
  }
  return len;
}
