/** @file driver.h  Runs one topology in several slice sizes and worker counts and compares outputs as text. */
#ifndef LS_TESTS_DRIVER_H
#define LS_TESTS_DRIVER_H
#include "testing/testdriver.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef struct piped { const char *source, *json; } piped;

/** A topology with one input `s` (k string key, t timestamp, v int64) or two (`l`, `r`), then the given steps and sinks. */
#define SCHEMA                                                        \
  "libstream: 1\nname: test\n"                                        \
  "schemas:\n"                                                        \
  "  row:\n    key: k\n    time: t\n    fields:\n"                    \
  "      k: string\n      t: timestamp\n      v: { type: int64, nullable: true }\n"
#define SOURCE(name) "  " name ": { schema: row, replay: { files: \"" name "/*.jsonl\", format: json } }\n"
#define SINK(from) "sinks:\n  out: { from: " from ", lake: { path: out, format: jsonl } }\n"

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
  for (size_t i = 0; i < n; i++) ck_assert_msg(ls__testdriver_pipe(driver, rows[i].source, rows[i].json, &err) == LS_OK, "%s", err.message);
  ck_assert_msg(ls__testdriver_run(driver, &err) == LS_OK, "%s", err.message);
  return driver;
}

/** The same output, row for row, whatever the slice size. */
static inline void expect_output(const char *yaml, const piped *rows, size_t n, const char *expected) {
  int64_t sizes[] = {1, 2, 7, 1024};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    ls_testdriver *driver = run_on(yaml, sizes[i], 1, rows, n);
    const char *out = ls__testdriver_output(driver, "out");
    ck_assert_msg(strcmp(out, expected) == 0, "slices of %d rows:\n%s\nexpected:\n%s\ndead letters:\n%s", (int)sizes[i], out, expected,
                  ls__testdriver_dead_letters(driver));
    ls__testdriver_free(driver);
  }
}
#define EXPECT(yaml, expected, ...)                                                    \
  do {                                                                                 \
    const piped rows_[] = {__VA_ARGS__};                                               \
    expect_output(yaml, rows_, sizeof rows_ / sizeof *rows_, expected);                \
  } while (0)

static inline int run_suite(Suite *suite) {
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int n_failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
#endif
