/** @file test_table_join.c  table-table joins: the joined row per change, or one per key at the end. */
#include "random_input.h"

#define TABLES(verb, emit, makers)                                                                                     \
  TWO("  a: { from: l, latest: { by: t, store: a" makers " } }\n  b: { from: r, latest: { by: t, store: b" makers      \
      " } }\n"                                                                                                         \
      "  j: { from: a, " verb ": { with: b, emit: " emit " } }\n"                                                      \
      "  o: { from: j, select: { k: k, av: v, bv: b.v } }\n",                                                          \
      "o")
#define JOINED(k, av, bv) "{\"k\":\"" k "\",\"av\":" #av ",\"bv\":" #bv "}\n"

static const piped rows[] = {L("x", "01", 1), R("x", "02", 2), R("y", "03", 3), L("x", "04", 4),
                             L("z", "05", 5), R("x", "01", 9), R("x", "06", 6)};
#define N_ROWS (sizeof rows / sizeof *rows)

START_TEST(join_by_changes) {
  expect_run(TABLES("join", "changes", ""), rows, N_ROWS, JOINED("x", 1, 2) JOINED("x", 4, 2) JOINED("x", 4, 6), "j",
             "in=6 taken=3 filtered=3 late=0 dead=0 out=3", NULL);
}
END_TEST

START_TEST(left_join_by_changes) {
  expect_run(TABLES("left_join", "changes", ""), rows, N_ROWS,
             JOINED("x", 1, null) JOINED("x", 1, 2) JOINED("x", 4, 2) JOINED("z", 5, null) JOINED("x", 4, 6), "j",
             "in=6 taken=5 filtered=1 late=0 dead=0 out=5", NULL);
}
END_TEST

START_TEST(outer_join_by_changes_fills_the_key_from_the_right) {
  expect_run(TABLES("outer_join", "changes", ""), rows, N_ROWS,
             JOINED("x", 1, null) JOINED("x", 1, 2) JOINED("y", null, 3) JOINED("x", 4, 2) JOINED("z", 5, null)
                 JOINED("x", 4, 6),
             "j", "in=6 taken=6 filtered=0 late=0 dead=0 out=6", NULL);
}
END_TEST

static void expect_final(const char *yaml, const char *expected) {
  for (int n_workers = 1; n_workers <= 7; n_workers += 3) {
    for (int size = 1; size < 20; size += 5) {
      ls_testdriver *driver = run_on(yaml, size, n_workers, rows, N_ROWS);
      expect_lines(0, "table join", size, n_workers, yaml, ls__testdriver_output(driver, "out"), expected, false);
      ls__testdriver_free(driver);
    }
  }
}

START_TEST(final_gives_one_row_per_key) {
  expect_final(TABLES("join", "final", ""), JOINED("x", 4, 6));
  expect_final(TABLES("left_join", "final", ""), JOINED("x", 4, 6) JOINED("z", 5, null));
  expect_final(TABLES("outer_join", "final", ""), JOINED("x", 4, 6) JOINED("z", 5, null) JOINED("y", null, 3));
  expect_final(TABLES("outer_join", "final", ", emit: final"),
               JOINED("x", 4, 6) JOINED("z", 5, null) JOINED("y", null, 3));
}
END_TEST

START_TEST(one_record_that_changes_both_sides_makes_one_row) {
  EXPECT_RUN(ONE("  a: { from: s, latest: { by: t, store: a } }\n  b: { from: s, aggregate: { emit: changes, store: b, "
                 "values: { n: count(*) } } }\n"
                 "  j: { from: a, outer_join: { with: b, emit: changes } }\n  o: { from: j, select: { k: k, v: v, n: "
                 "b.n, at: event_time() } }\n",
                 "o"),
             "{\"k\":\"x\",\"v\":1,\"n\":1,\"at\":\"" AT("05") "\"}\n{\"k\":\"y\",\"v\":2,\"n\":1,\"at\":\"" AT(
                 "05") "\"}\n"
                       "{\"k\":\"x\",\"v\":1,\"n\":2,\"at\":\"" AT("05") "\"}\n" /* older: the left side stays */
                                                                         "{\"k\":\"x\",\"v\":4,\"n\":3,\"at\":\"" AT(
                                                                             "06") "\"}\n",
             "j", "in=7 taken=7 filtered=0 late=0 dead=0 out=4", NULL, S("x", "05", 1), S("y", "05", 2),
             S("x", "03", 3), S("x", "06", 4));
}
END_TEST

RULES("table_join", join_by_changes, left_join_by_changes, outer_join_by_changes_fills_the_key_from_the_right,
      final_gives_one_row_per_key, one_record_that_changes_both_sides_makes_one_row)
