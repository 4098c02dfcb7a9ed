/** @file test_result_faults.c  Results that a plugin refuses to finish: a dead letter with the key, and the run goes on. */
#include "driver.h"

#define BRITTLE(schema_and_sources, steps, from) "plugins: [brittle]\n" schema_and_sources "steps:\n" steps SINK(from)
#define ONE_SOURCE                               SCHEMA "sources:\n" SOURCE("s")
#define TWO_SOURCES                              SCHEMA "sources:\n" SOURCE("l") SOURCE("r")
#define UNLUCKY                                  "s: step_failed: brittle: an unlucky sum\n"

static int run_brittle(ls_testdriver **driver, const char *yaml, int64_t batch_rows, const piped *rows, size_t n,
                       ls_error *err) {
  ls_testdriver_opts opts = {
      .yaml = yaml, .plugin_dir = getenv("LS_TEST_PLUGIN_DIR"), .batch_rows = batch_rows, .n_workers = 1};
  ck_assert_msg(ls__testdriver_new(driver, &opts, err) == LS_OK, "%s", err->message);
  for (size_t i = 0; i < n; i++)
    ck_assert_int_eq(ls__testdriver_pipe(*driver, rows[i].source, rows[i].json, err), LS_OK);
  return ls__testdriver_run(*driver, err);
}

/** Output, counters of step g, letters and what they show, at all slice sizes. */
static void expect_brittle(const char *yaml, const piped *rows, size_t n, const char *expected, const char *counters,
                           const char *letters, const char *payloads) {
  for (int64_t size = 1; size < 9; size += 3) {
    ls_testdriver *driver = NULL;
    ls_error err = LS_ERROR_INIT;
    ck_assert_msg(run_brittle(&driver, yaml, size, rows, n, &err) == LS_OK, "%s", err.message);
    ck_assert_str_eq(ls__testdriver_output(driver, "out"), expected);
    ck_assert_str_eq(ls__testdriver_counters(driver, "g"), counters);
    ck_assert_str_eq(ls__testdriver_dead_letters(driver), letters);
    ck_assert_str_eq(ls__testdriver_dead_payloads(driver), payloads);
    ls__testdriver_free(driver);
  }
}
#define EXPECT_BRITTLE(yaml, expected, counters, letters, payloads, ...)                                               \
  do {                                                                                                                 \
    const piped rows_[] = {__VA_ARGS__};                                                                               \
    expect_brittle(yaml, rows_, sizeof rows_ / sizeof *rows_, expected, counters, letters, payloads);                  \
  } while (0)

START_TEST(a_final_result_is_a_dead_letter_with_its_key) {
  EXPECT_BRITTLE(
      BRITTLE(ONE_SOURCE,
              "  g: { from: s, aggregate: { emit: final, store: g, values: { n: count(*), v: brittle(v) } } }\n", "g"),
      "{\"k\":\"a\",\"n\":1,\"v\":4}\n{\"k\":\"c\",\"n\":1,\"v\":1}\n", "in=4 taken=4 filtered=0 late=0 dead=0 out=2",
      UNLUCKY, "{\"k\":\"b\"}\n", S("a", "01", 4), S("b", "02", 6), S("b", "03", 7), S("c", "04", 1));
}
END_TEST

START_TEST(a_window_is_a_dead_letter_with_its_key_and_bounds) {
  EXPECT_BRITTLE(BRITTLE(ONE_SOURCE,
                         "  g: { from: s, aggregate: { window: { tumbling: 10s, grace: 0s }, emit: final, store: g, "
                         "values: { v: brittle(v) } } }\n"
                         "  o: { from: g, select: { k: k, v: v } }\n",
                         "o"),
                 "{\"k\":\"a\",\"v\":5}\n", "in=3 taken=3 filtered=0 late=0 dead=0 out=1", UNLUCKY UNLUCKY,
                 "{\"k\":\"a\",\"window_start\":\"" AT("00") "\",\"window_end\":\"" AT(
                     "10") "\"}\n"
                           "{\"k\":\"a\",\"window_start\":\"" AT("20") "\",\"window_end\":\"" AT("30") "\"}\n",
                 S("a", "01", 13), S("a", "12", 5), S("a", "21", 13));
}
END_TEST

START_TEST(a_change_is_a_dead_letter_of_its_row_and_the_state_stands) {
  EXPECT_BRITTLE(
      BRITTLE(ONE_SOURCE, "  g: { from: s, aggregate: { emit: changes, store: g, values: { v: brittle(v) } } }\n", "g"),
      "{\"k\":\"a\",\"v\":6}\n{\"k\":\"a\",\"v\":8}\n", "in=3 taken=2 filtered=0 late=0 dead=1 out=2", UNLUCKY,
      SHOWN("a", "02", 7), S("a", "01", 6), S("a", "02", 7), S("a", "03", 2));
}
END_TEST

START_TEST(a_final_join_leaves_out_the_key) {
  EXPECT_BRITTLE(BRITTLE(TWO_SOURCES,
                         "  a: { from: l, aggregate: { emit: final, store: a, values: { v: brittle(v) } } }\n"
                         "  b: { from: r, latest: { store: b } }\n"
                         "  g: { from: a, outer_join: { with: b, emit: final } }\n"
                         "  o: { from: g, select: { k: k, v: v } }\n",
                         "o"),
                 "{\"k\":\"b\",\"v\":4}\n{\"k\":\"c\",\"v\":null}\n", "in=5 taken=4 filtered=0 late=0 dead=1 out=2",
                 "l: step_failed: brittle: an unlucky sum\n", "{\"k\":\"a\"}\n", L("a", "01", 13), L("b", "02", 4),
                 R("a", "03", 1), R("c", "04", 1));
}
END_TEST

START_TEST(a_row_that_looks_it_up_is_at_fault) {
  EXPECT_BRITTLE(BRITTLE(TWO_SOURCES,
                         "  a: { from: l, aggregate: { emit: final, store: a, values: { sum: brittle(v) } } }\n"
                         "  g: { from: r, left_join: { with: a } }\n"
                         "  o: { from: g, select: { k: k, v: v, sum: a.sum } }\n",
                         "o"),
                 "{\"k\":\"b\",\"v\":2,\"sum\":4}\n{\"k\":\"c\",\"v\":4,\"sum\":null}\n",
                 "in=3 taken=2 filtered=0 late=0 dead=1 out=2", "r: step_failed: brittle: an unlucky sum\n",
                 SHOWN("a", "03", 1), L("a", "01", 13), L("b", "01", 4), R("b", "02", 2), R("a", "03", 1),
                 R("c", "04", 4));
}
END_TEST

START_TEST(a_plugin_that_is_out_of_order_ends_the_run) {
  const piped rows[] = {S("a", "01", 99)};
  ls_testdriver *driver = NULL;
  ls_error err = LS_ERROR_INIT;
  const char *yaml =
      BRITTLE(ONE_SOURCE, "  g: { from: s, aggregate: { emit: final, store: g, values: { v: brittle(v) } } }\n", "g");
  ck_assert_int_eq(run_brittle(&driver, yaml, 1, rows, 1, &err), LS_EFUNCTION);
  ck_assert_str_eq(err.message, "brittle: out of order");
  ls__testdriver_free(driver);
}
END_TEST

RULES("result_faults", a_final_result_is_a_dead_letter_with_its_key, a_window_is_a_dead_letter_with_its_key_and_bounds,
      a_change_is_a_dead_letter_of_its_row_and_the_state_stands, a_final_join_leaves_out_the_key,
      a_row_that_looks_it_up_is_at_fault, a_plugin_that_is_out_of_order_ends_the_run)
