/** @file driver.h  Runs one topology in several slice sizes and worker counts and compares outputs as text. */
#ifndef LS_TESTS_DRIVER_H
#define LS_TESTS_DRIVER_H
#include "testing/testdriver.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef struct piped {
  const char *source, *json;
} piped;

/** A topology with one input `s` (k string key, t timestamp, v int64) or two (`l`, `r`), then the given steps and sinks. */
#define SCHEMA                                                                                                         \
  "libstream: 1\nname: test\n"                                                                                         \
  "schemas:\n"                                                                                                         \
  "  row:\n    key: k\n    time: t\n    fields:\n"                                                                     \
  "      k: string\n      t: timestamp\n      v: { type: int64, nullable: true }\n"
#define SOURCE(name) "  " name ": { schema: row, replay: { files: \"" name "/*.jsonl\", format: json } }\n"
#define SINK(from)   "sinks:\n  out: { from: " from ", lake: { path: out, format: jsonl } }\n"

static inline ls_testdriver *driver_of(const char *yaml, int64_t batch_rows, int n_workers) {
  ls_testdriver *driver = NULL;
  ls_error err = LS_ERROR_INIT;
  ls_testdriver_opts opts = {.yaml = yaml, .batch_rows = batch_rows, .n_workers = n_workers};
  int rc = ls__testdriver_new(&driver, &opts, &err);
  ck_assert_msg(rc == LS_OK, "%s", err.message);
  return driver;
}

static inline ls_testdriver *run_on(const char *yaml, int64_t batch_rows, int n_workers, const piped *rows, size_t n) {
  ls_error err = LS_ERROR_INIT;
  ls_testdriver *driver = driver_of(yaml, batch_rows, n_workers);
  for (size_t i = 0; i < n; i++)
    ck_assert_msg(ls__testdriver_pipe(driver, rows[i].source, rows[i].json, &err) == LS_OK, "%s", err.message);
  ck_assert_msg(ls__testdriver_run(driver, &err) == LS_OK, "%s", err.message);
  return driver;
}

/** The same output, row for row, whatever the slice size. */
static inline void expect_output(const char *yaml, const piped *rows, size_t n, const char *expected) {
  int64_t sizes[] = {1, 2, 7, 1024};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    ls_testdriver *driver = run_on(yaml, sizes[i], 1, rows, n);
    const char *out = ls__testdriver_output(driver, "out");
    ck_assert_msg(strcmp(out, expected) == 0, "slices of %d rows:\n%s\nexpected:\n%s\ndead letters:\n%s", (int)sizes[i],
                  out, expected, ls__testdriver_dead_letters(driver));
    ls__testdriver_free(driver);
  }
}
#define EXPECT(yaml, expected, ...)                                                                                    \
  do {                                                                                                                 \
    const piped rows_[] = {__VA_ARGS__};                                                                               \
    expect_output(yaml, rows_, sizeof rows_ / sizeof *rows_, expected);                                                \
  } while (0)

/** Output, counters of a step and dead letters, at all slice sizes. letters NULL: none expected. */
static inline void expect_run(const char *yaml, const piped *rows, size_t n, const char *expected, const char *step,
                              const char *counters, const char *letters) {
  int64_t sizes[] = {1, 2, 7, 1024};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    ls_testdriver *driver = run_on(yaml, sizes[i], 1, rows, n);
    ck_assert_str_eq(ls__testdriver_output(driver, "out"), expected);
    ck_assert_str_eq(ls__testdriver_counters(driver, step), counters);
    ck_assert_str_eq(ls__testdriver_dead_letters(driver), letters == NULL ? "" : letters);
    ls__testdriver_free(driver);
  }
}
#define EXPECT_RUN(yaml, expected, step, counters, letters, ...)                                                       \
  do {                                                                                                                 \
    const piped rows_[] = {__VA_ARGS__};                                                                               \
    expect_run(yaml, rows_, sizeof rows_ / sizeof *rows_, expected, step, counters, letters);                          \
  } while (0)

/** Records: key, second of 2026-01-01T00:00, value as JSON. */
#define AT(s) "2026-01-01T00:00:" s "Z"
#define ROW_OF(source, k, s, v)                                                                                        \
  { source, "{\"k\":\"" k "\",\"t\":\"" AT(s) "\",\"v\":" #v "}" }
#define S(k, s, v) ROW_OF("s", k, s, v)
#define L(k, s, v) ROW_OF("l", k, s, v)
#define R(k, s, v) ROW_OF("r", k, s, v)
/** The row as a sink shows it. */
#define SHOWN(k, s, v)      "{\"k\":\"" k "\",\"t\":\"" AT(s) "\",\"v\":" #v "}\n"
#define ONE(steps, from)    SCHEMA "sources:\n" SOURCE("s") "steps:\n" steps SINK(from)
#define TWO(steps, from)    SCHEMA "sources:\n" SOURCE("l") SOURCE("r") "steps:\n" steps SINK(from)
#define SINK_TO(sink, from) "  " sink ": { from: " from ", lake: { path: " sink ", format: jsonl } }\n"

static inline int run_suite(Suite *suite) {
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int n_failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/** main() of a test file. */
#define RULES(name, ...)                                                                                               \
  int main(void) {                                                                                                     \
    const TTest *const tests[] = {__VA_ARGS__};                                                                        \
    Suite *suite = suite_create(name);                                                                                 \
    TCase *tcase = tcase_create("rules");                                                                              \
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_test(tcase, tests[i]);                         \
    suite_add_tcase(suite, tcase);                                                                                     \
    return run_suite(suite);                                                                                           \
  }
#endif
