/** @file test_repartition.c
 * select_key: all rows with another key; before the next keyed step they move to their new partition, in order. */
#include "random_input.h"

#define BY_VALUE                                                                                                       \
  ONE("  g: { from: s, extend: { w: \"COALESCE(v, 0)\" } }\n  x: { from: g, select_key: w }\n"                         \
      "  q: { from: x, aggregate: { values: { c: count(*), ks: collect(k), last: last(t) }, emit: changes, store: q "  \
      "} }\n",                                                                                                         \
      "q")
#define GROUP(w, c, ks, s) "{\"w\":" #w ",\"c\":" #c ",\"ks\":[" ks "],\"last\":\"" AT(s) "\"}\n"

static const piped rows[] = {S("a", "01", 1), S("b", "02", 1),    S("c", "02", 2), S("a", "05", 2),
                             S("d", "04", 1), S("b", "06", null), S("c", "06", 1)};
#define N_ROWS (sizeof rows / sizeof *rows)

START_TEST(rows_keep_their_order_after_the_move) {
  expect_output(BY_VALUE, rows, N_ROWS,
                GROUP(1, 1, "\"a\"", "01") GROUP(1, 2, "\"a\",\"b\"", "02") GROUP(2, 1, "\"c\"", "02")
                    GROUP(2, 2, "\"c\",\"a\"", "05") GROUP(1, 3, "\"a\",\"b\",\"d\"", "04") GROUP(0, 1, "\"b\"", "06")
                        GROUP(1, 4, "\"a\",\"b\",\"d\",\"c\"", "06"));
}
END_TEST

START_TEST(any_number_of_workers_gives_the_same_rows) {
  ls_testdriver *one = run_on(BY_VALUE, 1, 1, rows, N_ROWS);
  for (int n_workers = 2; n_workers <= 7; n_workers++) {
    ls_testdriver *many = run_on(BY_VALUE, 2, n_workers, rows, N_ROWS);
    expect_lines(0, "select_key", 2, n_workers, BY_VALUE, ls__testdriver_output(many, "out"),
                 ls__testdriver_output(one, "out"), true);
    ck_assert_str_eq(ls__testdriver_counters(many, "q"), "in=7 taken=7 filtered=0 late=0 dead=0 out=7");
    ls__testdriver_free(many);
  }
  ls__testdriver_free(one);
}
END_TEST

START_TEST(rows_of_timers_and_of_the_end_move_as_well) {
  const char *yaml =
      ONE("  w: { from: s, aggregate: { window: { tumbling: 2s, grace: 0s }, values: { c: count(*) }, store: w } }\n"
          "  x: { from: w, select_key: c }\n"
          "  q: { from: x, aggregate: { values: { ks: collect(k) }, emit: final, store: q } }\n"
          "  y: { from: q, extend: { one: 1 } }\n  z: { from: y, select_key: one }\n"
          "  r: { from: z, aggregate: { values: { cs: sum(c) }, emit: final, store: r } }\n",
          "r");
  for (int n_workers = 1; n_workers <= 5; n_workers++) {
    ls_testdriver *driver = run_on(yaml, 2, n_workers, rows, N_ROWS);
    ck_assert_str_eq(ls__testdriver_output(driver, "out"), "{\"one\":1,\"cs\":1}\n");
    ls__testdriver_free(driver);
  }
}
END_TEST

START_TEST(null_key_is_a_dead_letter_of_its_source) {
  EXPECT_RUN(ONE("  x: { from: s, select_key: v }\n  q: { from: x, aggregate: { values: { c: count(*) }, emit: "
                 "changes, store: q } }\n",
                 "q"),
             "{\"v\":1,\"c\":1}\n", "q", "in=1 taken=1 filtered=0 late=0 dead=0 out=1",
             "s: step_failed: the key to repartition by is null\n", S("a", "01", null), S("b", "02", 1));
}
END_TEST

RULES("repartition", rows_keep_their_order_after_the_move, any_number_of_workers_gives_the_same_rows,
      rows_of_timers_and_of_the_end_move_as_well, null_key_is_a_dead_letter_of_its_source)
