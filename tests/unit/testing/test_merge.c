/** @file test_merge.c  merge: all rows, by (stamp, input). */
#include "driver.h"

START_TEST(goes_by_stamp_then_input) {
  EXPECT_RUN(TWO("  x: { from: l, filter: v > 0 }\n  y: { from: l, filter: v > 1 }\n  m: { merge: [y, r, x] }\n", "m"),
             SHOWN("a", "01", 2) SHOWN("a", "01", 2) SHOWN("b", "01", 9) SHOWN("c", "03", 1) SHOWN("d", "04", 8), "m",
             "in=5 taken=5 filtered=0 late=0 dead=0 out=5", NULL, R("b", "01", 9), L("a", "01", 2), L("c", "03", 1),
             R("d", "04", 8));
}
END_TEST

#define ONE_STEP "  one: { from: l, join: { with: r, within: 1s, grace: 12s, emit: final, store: one } }\n"
#define TWO_STEP "  two: { from: r, join: { with: l, before: 2s, after: 1s, grace: 1s, emit: final, store: two } }\n"
#define X_OF_BOTH                                                                                                      \
  "  a: { from: one.unmatched, filter: \"k = 'x'\" }\n  b: { from: two.unmatched, filter: \"k = 'x'\" }\n  m: { "      \
  "merge: [a, b] }\n"

START_TEST(timers_meet_in_the_order_of_their_time) {
  /* x's rows wait for 08.000001 and 13.000001, which the records of other keys reach or not,
   * in one partition or in many, and at the end of input */
  const piped rows[] = {R("x", "00", 1), L("x", "05", 2), L("y", "10", 3),
                        L("z", "10", 4), L("w", "10", 5), L("q", "10", 6)};
  const char *const yaml[] = {TWO(ONE_STEP TWO_STEP X_OF_BOTH, "m"), TWO(TWO_STEP ONE_STEP X_OF_BOTH, "m")};
  for (int n_workers = 1; n_workers < 8; n_workers++) {
    for (int size = 1; size < 12; size += 5) {
      ls_testdriver *driver = run_on(yaml[n_workers % 2], size, n_workers, rows, size == 6 ? 2 : 6);
      ck_assert_str_eq(ls__testdriver_output(driver, "out"), SHOWN("x", "05", 2) SHOWN("x", "00", 1));
      ls__testdriver_free(driver);
    }
  }
}
END_TEST

RULES("merge", goes_by_stamp_then_input, timers_meet_in_the_order_of_their_time)
