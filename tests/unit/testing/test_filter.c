/** @file test_filter.c  filter: rows where it is true; false and null are counted as filtered; a row that fails is a dead letter. */
#include "driver.h"

START_TEST(passes_true_only) {
  EXPECT_RUN(ONE("  f: { from: s, filter: v > 1 }\n", "f"), SHOWN("a", "01", 2) SHOWN("c", "04", 3), "f",
             "in=4 taken=2 filtered=2 late=0 dead=0 out=2", NULL, S("a", "01", 2), S("b", "02", 1), S("b", "03", null),
             S("c", "04", 3));
}
END_TEST

START_TEST(keeps_the_order_of_stamps) {
  /* b is older than a and arrives later: its place is after a */
  EXPECT(ONE("  f: { from: s, filter: v > 0 }\n", "f"), SHOWN("a", "09", 1) SHOWN("b", "02", 2), S("a", "09", 1),
         S("b", "02", 2));
}
END_TEST

START_TEST(row_that_fails_is_a_dead_letter) {
  EXPECT_RUN(ONE("  f: { from: s, filter: 10 / v > 1 }\n", "f"), SHOWN("a", "01", 2) SHOWN("c", "04", 3), "f",
             "in=4 taken=2 filtered=1 late=0 dead=1 out=2", "s: step_failed: division by zero\n", S("a", "01", 2),
             S("b", "02", 0), S("b", "03", 50), S("c", "04", 3));
}
END_TEST

RULES("filter", passes_true_only, keeps_the_order_of_stamps, row_that_fails_is_a_dead_letter)
