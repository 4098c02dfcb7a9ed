/** @file test_aggregate_window.c
 * aggregate over tumbling windows: taken while end > stream time - grace; final at end + grace; aligned to 1970. */
#include "driver.h"

#define TUMBLING(window, emit)                                                                                         \
  ONE("  g: { from: s, aggregate: { window: { " window " }, emit: " emit                                               \
      ", store: g, values: { n: count(*), v: sum(v) } } }\n"                                                           \
      "  o: { from: g, select: { k: k, from: window_start, until: window_end, n: n, v: v, at: event_time(), now: "     \
      "stream_time() } }\n",                                                                                           \
      "o")
#define WINDOW(k, from, until, n, v, at, now)                                                                          \
  "{\"k\":\"" k "\",\"from\":\"" from "\",\"until\":\"" until "\",\"n\":" #n ",\"v\":" #v ",\"at\":\"" at              \
  "\",\"now\":\"" now "\"}\n"

START_TEST(final_when_stream_time_reaches_end_and_grace) {
  /* windows of 10 s, grace 5: at 15 the first is out before the record of 15 comes */
  EXPECT_RUN(TUMBLING("tumbling: 10s, grace: 5s", "final"),
             WINDOW("a", AT("00"), AT("10"), 3, 6, AT("09"), AT("15"))
                 WINDOW("a", AT("10"), AT("20"), 2, 9, AT("15"), AT("25")),
             "g", "in=6 taken=5 filtered=0 late=1 dead=0 out=2", NULL, S("a", "00", 1), S("a", "09", 2),
             S("a", "14", 4), S("a", "03", 3), S("a", "15", 5), S("a", "09", 9));
}
END_TEST

START_TEST(late_is_end_not_after_stream_time_less_grace) {
  const char *yaml = TUMBLING("tumbling: 10s, grace: 5s", "final") SINK_TO("late", "g.late");
  const piped rows[] = {S("a", "08", 1), S("b", "14", 2), S("a", "09", 3), S("b", "15", 4), S("a", "09", 5)};
  for (int size = 1; size < 9; size += 3) {
    ls_testdriver *driver = run_on(yaml, size, 1, rows, 5);
    ck_assert_str_eq(ls__testdriver_output(driver, "late"), SHOWN("a", "09", 5));
    ck_assert_str_eq(ls__testdriver_output(driver, "out"),
                     WINDOW("a", AT("00"), AT("10"), 2, 4, AT("09"), AT("15"))
                         WINDOW("b", AT("10"), AT("20"), 2, 6, AT("15"), AT("25")));
    ls__testdriver_free(driver);
  }
}
END_TEST

START_TEST(changes_gives_the_new_result_per_row) {
  EXPECT(TUMBLING("tumbling: 10s, grace: 0s", "changes"),
         WINDOW("a", AT("00"), AT("10"), 1, 1, AT("08"), AT("08"))
             WINDOW("a", AT("00"), AT("10"), 2, 3, AT("08"), AT("08"))
                 WINDOW("a", AT("10"), AT("20"), 1, 4, AT("10"), AT("10")),
         S("a", "08", 1), S("a", "02", 2), S("a", "10", 4));
}
END_TEST

START_TEST(windows_begin_at_multiples_since_1970_before_it_too) {
  EXPECT(TUMBLING("tumbling: 7s, grace: 0s", "final"),
         WINDOW("a", "1969-12-31T23:59:46Z", "1969-12-31T23:59:53Z", 1, 1, "1969-12-31T23:59:52.999999Z",
                "1969-12-31T23:59:53Z") WINDOW("a", "1969-12-31T23:59:53Z", "1970-01-01T00:00:00Z", 2, 5,
                                               "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z")
             WINDOW("a", "1970-01-01T00:00:00Z", "1970-01-01T00:00:07Z", 1, 4, "1970-01-01T00:00:00Z",
                    "1970-01-01T00:00:07Z"),
         {"s", "{\"k\":\"a\",\"t\":\"1969-12-31T23:59:52.999999Z\",\"v\":1}"},
         {"s", "{\"k\":\"a\",\"t\":\"1969-12-31T23:59:53Z\",\"v\":2}"},
         {"s", "{\"k\":\"a\",\"t\":\"1969-12-31T23:59:59.999999Z\",\"v\":3}"},
         {"s", "{\"k\":\"a\",\"t\":\"1970-01-01T00:00:00Z\",\"v\":4}"});
}
END_TEST

RULES("aggregate_window", final_when_stream_time_reaches_end_and_grace, late_is_end_not_after_stream_time_less_grace,
      changes_gives_the_new_result_per_row, windows_begin_at_multiples_since_1970_before_it_too)
