/** @file helper_store.h  What the unit tests of the store room share: a seeded generator, a runner, a state directory. */
#ifndef TESTS_HELPER_STORE_H
#define TESTS_HELPER_STORE_H
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "store/store.h"

/* splitmix64; LS_SEED gives another seed than the fixed one. */
typedef struct test_rng {
  uint64_t seed, state;
} test_rng;

static inline test_rng rng_new(void) {
  const char *text = getenv("LS_SEED");
  uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20240311;
  return (test_rng){seed, seed};
}
static inline uint64_t rng_next(test_rng *rng) {
  uint64_t z = rng->state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}
static inline uint64_t rng_below(test_rng *rng, uint64_t n) {
  return rng_next(rng) % n;
}

#define ck_ok(expr)                                                                                                    \
  do {                                                                                                                 \
    int ck_rc_ = (expr);                                                                                               \
    ck_assert_msg(ck_rc_ >= 0, "%s: %d: %s", #expr, ck_rc_, err.message);                                              \
  } while (0)

/* A directory of this process's own for RocksDB, in the build tree or in TMPDIR. */
static inline void test_directory(char *path, size_t size, const char *name) {
  const char *base = getenv("TMPDIR");
  snprintf(path, size, "%s/ls-store-%s-XXXXXX", base != NULL ? base : "/tmp", name);
  ck_assert_ptr_nonnull(mkdtemp(path));
}
static inline void test_directory_remove(const char *path) {
  char command[4200];
  snprintf(command, sizeof command, "rm -rf '%s'", path);
  ck_assert_int_eq(system(command), 0);
}

typedef struct test_case {
  const char *name;
  const TTest *test;
} test_case;

/* One Check case per test, so that a report names it. */
static inline int run_tests(const char *suite_name, const test_case *cases, size_t n) {
  Suite *suite = suite_create(suite_name);
  for (size_t i = 0; i < n; i++) {
    TCase *tcase = tcase_create(cases[i].name);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, cases[i].test);
    suite_add_tcase(suite, tcase);
  }
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int n_failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return n_failed != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
#define TEST_CASE(name)                                                                                                \
  { #name, name }
#define RUN_TESTS(suite, cases) run_tests((suite), (cases), sizeof(cases) / sizeof((cases)[0]))
#endif
