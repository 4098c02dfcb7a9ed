/** @file test_decimal_cast.c  CAST between decimal and float64. */
#include <math.h>
#include <string.h>

#include "helper_data.h"

START_TEST(to_double_gives_the_nearest) {
  test_rng rng = rng_new();
  for (int i = 0; i < 20000; i++) {
    ls_int128 value = random_decimal(&rng);
    int scale = (int)rng_below(&rng, 39);
    char text[LS_DECIMAL_TEXT_MAX];
    ls__decimal_format(text, value, scale);
    double want = strtod(text, NULL);
    ck_assert_msg(ls__decimal_to_double(value, scale) == want, "%s seed %llu", text, (unsigned long long)rng.seed);
  }
  ck_assert(ls__decimal_to_double(1, 1) == 0.1);
  ck_assert(ls__decimal_to_double(-125, 1) == -12.5);
}
END_TEST

START_TEST(from_double_rounds_the_exact_value) {
  static const struct {
    double value;
    int precision, scale, rc;
    int64_t want;
  } want[] = {{0.0, 18, 4, 0, 0},
              {-0.0, 18, 4, 0, 0},
              {1.0, 18, 4, 0, 10000},
              {0.1, 18, 4, 0, 1000},
              {0.5, 18, 0, 0, 1},
              {-0.5, 18, 0, 0, -1},
              {1.5, 18, 0, 0, 2},
              {2.5, 18, 0, 0, 3},
              {0.49999999999999994, 18, 0, 0, 0},
              {0.1, 18, 18, 0, INT64_C(100000000000000006)},
              {1e17, 18, 0, 0, INT64_C(100000000000000000)},
              {1e18, 18, 0, LS_EOVERFLOW, 0},
              {9007199254740993.0, 18, 0, 0, INT64_C(9007199254740992)},
              {99.99, 4, 2, 0, 9999},
              {99.996, 4, 2, LS_EOVERFLOW, 0},
              {1e300, 38, 0, LS_EOVERFLOW, 0},
              {1e-300, 38, 38, 0, 0},
              {5e-324, 38, 38, 0, 0},
              {2.675, 18, 2, 0, 267},
              {1e-38, 38, 38, 0, 1},
              {4e-39, 38, 38, 0, 0},
              {6e-39, 38, 38, 0, 1}};
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    ls_int128 out = -777;
    int rc = ls__decimal_from_double(&out, want[i].value, want[i].precision, want[i].scale);
    ck_assert_msg(rc == want[i].rc, "%g: rc %d", want[i].value, rc);
    ck_assert_msg(out == (rc ? -777 : want[i].want), "%g", want[i].value);
  }
  ls_int128 out;
  ck_assert_int_eq(ls__decimal_from_double(&out, (double)NAN, 38, 0), LS_EDATA);
  ck_assert_int_eq(ls__decimal_from_double(&out, (double)INFINITY, 38, 0), LS_EDATA);
  ck_assert_int_eq(ls__decimal_from_double(&out, ldexp(1, 126), 38, 0), LS_OK);
  ck_assert(out == (ls_int128)1 << 126);
  /* the double written 1e38 is a little less than 10^38 */
  ck_assert_int_eq(ls__decimal_from_double(&out, 1e38, 38, 0), LS_OK);
  ck_assert(ls__pow10[38] - out == (ls_int128)2251190176543965 * 1000000 + 970432);
  ck_assert_int_eq(ls__decimal_from_double(&out, nextafter(1e38, 2e38), 38, 0), LS_EOVERFLOW);
}
END_TEST

/* printf writes a double's exact value; ties, which it rounds to even, are rare. */
START_TEST(from_double_agrees_with_exact_digits) {
  test_rng rng = rng_new();
  for (int i = 0; i < 20000; i++) {
    double value;
    uint64_t bits = rng_next(&rng);
    int exponent = 1023 - 130 + (int)rng_below(&rng, 256);
    bits = (bits & ~(UINT64_C(0x7FF) << 52)) | (uint64_t)exponent << 52;
    memcpy(&value, &bits, sizeof value);
    int scale = (int)rng_below(&rng, 39);
    char text[512], tie[1200];
    snprintf(text, sizeof text, "%.*f", scale, value);
    int len = snprintf(tie, sizeof tie, "%.1100f", value);
    const char *rest = strchr(tie, '.') + 1 + scale;
    bool is_tie = *rest == '5' && strspn(rest + 1, "0") == (size_t)(tie + len - rest - 1);
    ls_int128 want = -777, got = -777;
    int rc = ls__decimal_parse(&want, ls__slice_of(text), 38, scale, false);
    int rc_got = ls__decimal_from_double(&got, value, 38, scale);
    ck_assert_msg(rc == rc_got, "%s scale %d: %d and %d", text, scale, rc, rc_got);
    if (!is_tie) ck_assert_msg(want == got, "%a scale %d seed %llu", value, scale, (unsigned long long)rng.seed);
  }
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(to_double_gives_the_nearest), TEST_CASE(from_double_rounds_the_exact_value),
                             TEST_CASE(from_double_agrees_with_exact_digits)};
  return RUN_TESTS("data.decimal_cast", cases);
}
