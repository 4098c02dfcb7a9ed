/** @file test_branch.c  branch: each row to the first branch whose condition is true; the rest to otherwise, or filtered. */
#include "driver.h"

#define BRANCHED(branches, sinks)                                                                                      \
  SCHEMA "sources:\n" SOURCE("s") "steps:\n  b: { from: s, branch: { " branches " } }\nsinks:\n" sinks

START_TEST(first_condition_takes_the_row) {
  const char *yaml = BRANCHED("one: v < 10, two: 1000 / v < 30, rest: otherwise",
                              SINK_TO("out", "b.one") SINK_TO("two", "b.two") SINK_TO("rest", "b.rest"));
  const piped rows[] = {S("a", "01", 5), S("b", "02", 50), S("c", "03", 10), S("d", "04", null), S("e", "05", 0)};
  for (int size = 1; size < 9; size += 3) {
    ls_testdriver *driver = run_on(yaml, size, 1, rows, 5);
    ck_assert_str_eq(ls__testdriver_output(driver, "out"),
                     SHOWN("a", "01", 5) SHOWN("e", "05", 0)); /* 1000 / 0 is not evaluated */
    ck_assert_str_eq(ls__testdriver_output(driver, "two"), SHOWN("b", "02", 50));
    ck_assert_str_eq(ls__testdriver_output(driver, "rest"), SHOWN("c", "03", 10) SHOWN("d", "04", null));
    ck_assert_str_eq(ls__testdriver_counters(driver, "b"), "in=5 taken=5 filtered=0 late=0 dead=0 out=5");
    ls__testdriver_free(driver);
  }
}
END_TEST

START_TEST(without_otherwise_the_rest_is_filtered) {
  EXPECT_RUN(BRANCHED("one: v < 10, two: v > 90", SINK_TO("out", "b.one") SINK_TO("two", "b.two")), SHOWN("a", "01", 5),
             "b", "in=3 taken=1 filtered=2 late=0 dead=0 out=1", NULL, S("a", "01", 5), S("c", "03", 10),
             S("d", "04", null));
}
END_TEST

START_TEST(row_that_fails_goes_nowhere) {
  EXPECT_RUN(BRANCHED("one: 10 / v > 2, rest: otherwise", SINK_TO("out", "b.rest") SINK_TO("one", "b.one")),
             SHOWN("b", "02", 9), "b", "in=3 taken=2 filtered=0 late=0 dead=1 out=2",
             "s: step_failed: division by zero\n", S("a", "01", 0), S("b", "02", 9), S("c", "03", 1));
}
END_TEST

RULES("branch", first_condition_takes_the_row, without_otherwise_the_rest_is_filtered, row_that_fails_goes_nowhere)
