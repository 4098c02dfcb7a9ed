/** @file test_latest.c  latest: the row, when its `by` is not older than the current one's; final: one row per key at the end. */
#include "driver.h"

START_TEST(of_equals_the_later_in_order_wins) {
  EXPECT_RUN(ONE("  l: { from: s, latest: { by: t, store: l, emit: final } }\n", "l"), SHOWN("a", "05", 2), "l",
             "in=3 taken=2 filtered=0 late=1 dead=0 out=1", NULL, S("a", "05", 1), S("a", "05", 2), S("a", "04", 3));
}
END_TEST

START_TEST(passes_newer_rows_and_puts_older_ones_aside) {
  const char *yaml = ONE("  l: { from: s, latest: { by: t, store: l } }\n", "l") SINK_TO("late", "l.late");
  const piped rows[] = {S("a", "05", 1), S("b", "04", 2), S("a", "04", 3), S("a", "05", 4), S("b", "06", 5)};
  for (int size = 1; size < 9; size += 3) {
    ls_testdriver *driver = run_on(yaml, size, 1, rows, 5);
    ck_assert_str_eq(ls__testdriver_output(driver, "out"),
                     SHOWN("a", "05", 1) SHOWN("b", "04", 2) SHOWN("a", "05", 4) SHOWN("b", "06", 5));
    ck_assert_str_eq(ls__testdriver_output(driver, "late"), SHOWN("a", "04", 3));
    ck_assert_str_eq(ls__testdriver_counters(driver, "l"), "in=5 taken=4 filtered=0 late=1 dead=0 out=4");
    ls__testdriver_free(driver);
  }
}
END_TEST

START_TEST(rows_of_a_key_in_one_slice_count_as_if_alone) {
  const char *yaml = ONE("  l: { from: s, latest: { by: t, store: l, emit: final } }\n", "l") SINK_TO("late", "l.late");
  const piped rows[] = {S("a", "05", 1), S("a", "04", 2), S("a", "06", 3),
                        S("a", "06", 4), S("a", "05", 5), S("b", "01", 6)};
  for (int size = 1; size < 8; size++) {
    ls_testdriver *driver = run_on(yaml, size, 1, rows, 6);
    ck_assert_str_eq(ls__testdriver_output(driver, "out"), SHOWN("a", "06", 4) SHOWN("b", "01", 6));
    ck_assert_str_eq(ls__testdriver_output(driver, "late"), SHOWN("a", "04", 2) SHOWN("a", "05", 5));
    ck_assert_str_eq(ls__testdriver_counters(driver, "l"), "in=6 taken=4 filtered=0 late=2 dead=0 out=2");
    ls__testdriver_free(driver);
  }
}
END_TEST

START_TEST(goes_by_an_int64) {
  EXPECT(ONE("  f: { from: s, extend: { w: \"COALESCE(v, -1)\" } }\n  l: { from: f, latest: { by: w, store: l, emit: "
             "final } }\n"
             "  o: { from: l, select: { k: k, v: v } }\n",
             "o"),
         "{\"k\":\"a\",\"v\":7}\n", S("a", "05", 7), S("a", "06", null), S("a", "07", 3));
}
END_TEST

START_TEST(goes_by_a_date) {
  EXPECT(ONE("  f: { from: s, extend: { d: \"CASE WHEN v = 1 THEN DATE '2026-01-02' ELSE DATE '1969-12-31' END\" } }\n"
             "  l: { from: f, latest: { by: d, store: l, emit: final } }\n  o: { from: l, select: { k: k, v: v, d: d } "
             "}\n",
             "o"),
         "{\"k\":\"a\",\"v\":1,\"d\":\"2026-01-02\"}\n{\"k\":\"b\",\"v\":3,\"d\":\"1969-12-31\"}\n", S("a", "05", 1),
         S("a", "06", 2), S("b", "07", 2), S("b", "08", 3));
}
END_TEST

START_TEST(without_by_the_last_in_order_counts) {
  EXPECT_RUN(ONE("  l: { from: s, latest: { store: l, emit: final } }\n", "l"), SHOWN("a", "04", 3), "l",
             "in=3 taken=3 filtered=0 late=0 dead=0 out=1", NULL, S("a", "05", 1), S("a", "05", 2), S("a", "04", 3));
}
END_TEST

RULES("latest", of_equals_the_later_in_order_wins, passes_newer_rows_and_puts_older_ones_aside,
      rows_of_a_key_in_one_slice_count_as_if_alone, goes_by_an_int64, goes_by_a_date,
      without_by_the_last_in_order_counts)
