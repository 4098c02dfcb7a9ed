/** @file helper_base.h  What the unit tests share: a seeded generator, a runner. */
#ifndef TESTS_HELPER_BASE_H
#define TESTS_HELPER_BASE_H
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

/* splitmix64: the seed is printed by the tests that fail, and is fixed unless LS_SEED says else. */
typedef struct test_rng {
  uint64_t seed, state;
} test_rng;

static inline test_rng rng_new(void) {
  const char *text = getenv("LS_SEED");
  uint64_t seed = text ? strtoull(text, NULL, 0) : 20240229;
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

#define ck_assert_slice_eq(slice, text)                                                                                \
  do {                                                                                                                 \
    ls_slice ck_slice_ = (slice);                                                                                      \
    ck_assert_msg(ls__slice_is(ck_slice_, (text)), "'%.*s' is not '%s'", (int)ck_slice_.len,                           \
                  ck_slice_.len ? ck_slice_.ptr : "", (text));                                                         \
  } while (0)

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
  return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
#define TEST_CASE(name)                                                                                                \
  { #name, name }
#define RUN_TESTS(suite, cases) run_tests((suite), (cases), sizeof(cases) / sizeof((cases)[0]))
#endif
