/** @file test_decimal.c  Decimals: known values, and random ones against long hand. */
#include "data/decimal.h"

#include "longhand.h"

#define ROUNDS    (20000 / LS_TEST_SHARE)
#define UNTOUCHED ((ls_int128)-777)

/* 128-bit constants from text that is checked digit by digit. */
static ls_int128 number(const char *text) {
  ls_int128 value = 0;
  bool negative = *text == '-';
  for (const char *p = text + negative; *p; p++) value = value * 10 + (*p - '0');
  return negative ? -value : value;
}
#define NINES "99999999999999999999999999999999999999" /* 38 */

START_TEST(powers_of_ten) {
  ls_int128 power = 1;
  for (int i = 0; i <= 38; i++, power *= i <= 38 ? 10 : 1) ck_assert(ls__pow10[i] == power);
}
END_TEST

START_TEST(parses_known_texts) {
  static const struct {
    const char *text;
    int precision, scale;
    bool exponent;
    int rc;
    const char *value;
  } want[] = {{"0", 18, 4, false, 0, "0"},
              {"-0", 18, 4, false, 0, "0"},
              {"+7", 18, 4, false, 0, "70000"},
              {"12.5", 18, 4, false, 0, "125000"},
              {"-12.5", 18, 4, false, 0, "-125000"},
              {"000012.50000000", 18, 4, false, 0, "125000"},
              {"0.0001", 18, 4, false, 0, "1"},
              {"-0.0001", 18, 4, false, 0, "-1"},
              {"0.00001", 18, 4, false, LS_EDATA, ""},
              {"1.23456", 18, 4, false, LS_EDATA, ""},
              {"99999999999999.9999", 18, 4, false, 0, "999999999999999999"},
              {"100000000000000", 18, 4, false, LS_EOVERFLOW, ""},
              {"-100000000000000", 18, 4, false, LS_EOVERFLOW, ""},
              {"100000000000000.00001", 18, 4, false, LS_EDATA, ""},
              {"999", 3, 0, false, 0, "999"},
              {"1000", 3, 0, false, LS_EOVERFLOW, ""},
              {"9.99", 3, 2, false, 0, "999"},
              {"10", 3, 2, false, LS_EOVERFLOW, ""},
              {"0.99", 2, 2, false, 0, "99"},
              {"1.00", 2, 2, false, LS_EOVERFLOW, ""},
              {NINES, 38, 0, false, 0, NINES},
              {"-" NINES, 38, 0, false, 0, "-" NINES},
              {"1" NINES, 38, 0, false, LS_EOVERFLOW, ""},
              {NINES, 37, 0, false, LS_EOVERFLOW, ""},
              {"0." NINES, 38, 38, false, 0, NINES},
              {"0." NINES "0000", 38, 38, false, 0, NINES},
              {"0." NINES "1", 38, 38, false, LS_EDATA, ""},
              {"1", 38, 38, false, LS_EOVERFLOW, ""},
              {"340282366920938463463374607431768211456", 38, 0, false, LS_EOVERFLOW, ""}, /* 2^128 */
              {"000000000000000000000000000000000000000000000000000001.5", 2, 1, false, 0, "15"},
              {"", 18, 4, false, LS_EDATA, ""},
              {"-", 18, 4, false, LS_EDATA, ""},
              {".", 18, 4, false, LS_EDATA, ""},
              {".5", 18, 4, false, LS_EDATA, ""},
              {"5.", 18, 4, false, LS_EDATA, ""},
              {"1.2.3", 18, 4, false, LS_EDATA, ""},
              {"1 ", 18, 4, false, LS_EDATA, ""},
              {" 1", 18, 4, false, LS_EDATA, ""},
              {"--1", 18, 4, false, LS_EDATA, ""},
              {"+-1", 18, 4, false, LS_EDATA, ""},
              {"1,5", 18, 4, false, LS_EDATA, ""},
              {"0x10", 18, 4, false, LS_EDATA, ""},
              {"NaN", 18, 4, false, LS_EDATA, ""},
              {"1-2", 18, 4, false, LS_EDATA, ""},
              {"1e2", 18, 4, false, LS_EDATA, ""},
              {"1e2", 18, 4, true, 0, "1000000"},
              {"1E+2", 18, 4, true, 0, "1000000"},
              {"1.5e-3", 18, 4, true, 0, "15"},
              {"1.5e-4", 18, 4, true, LS_EDATA, ""},
              {"15e-5", 18, 4, true, LS_EDATA, ""},
              {"10e-5", 18, 4, true, 0, "1"},
              {"0e99999999999999999999", 18, 4, true, 0, "0"},
              {"1e99999999999999999999", 18, 4, true, LS_EOVERFLOW, ""},
              {"1e-99999999999999999999", 18, 4, true, LS_EDATA, ""},
              {"0.00000000000000000000000000000000000000000000000001e50", 18, 4, true, 0, "10000"},
              {"100000000000000000000000000000000000000000000000000e-50", 18, 4, true, 0, "10000"},
              {"1e", 18, 4, true, LS_EDATA, ""},
              {"1e+", 18, 4, true, LS_EDATA, ""},
              {"e5", 18, 4, true, LS_EDATA, ""},
              {"1e5.0", 18, 4, true, LS_EDATA, ""}};
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    ls_int128 value = UNTOUCHED;
    int rc = ls__decimal_parse(&value, ls__slice_of(want[i].text), want[i].precision, want[i].scale, want[i].exponent);
    ck_assert_msg(rc == want[i].rc, "'%s': rc %d, not %d", want[i].text, rc, want[i].rc);
    ls_int128 expected = rc == LS_OK ? number(want[i].value) : UNTOUCHED;
    ck_assert_msg(value == expected, "'%s' scale %d", want[i].text, want[i].scale);
  }
  ls_int128 value = UNTOUCHED;
  ck_assert_int_eq(ls__decimal_parse(&value, (ls_slice){NULL, 0}, 18, 4, true), LS_EDATA);
  ck_assert_int_eq(ls__decimal_parse(&value, (ls_slice){"12345", 3}, 18, 0, true), LS_OK);
  ck_assert(value == 123);
}
END_TEST

START_TEST(formats_known_values) {
  static const struct {
    const char *value;
    int scale;
    const char *text;
  } want[] = {{"0", 0, "0"},
              {"0", 4, "0.0000"},
              {"1", 4, "0.0001"},
              {"-1", 4, "-0.0001"},
              {"125000", 4, "12.5000"},
              {"-125000", 4, "-12.5000"},
              {"10", 1, "1.0"},
              {NINES, 0, NINES},
              {"-" NINES, 38, "-0." NINES},
              {"1", 38, "0.00000000000000000000000000000000000001"},
              {"10000000000000000000", 0, "10000000000000000000"},
              {"100000000000000000000000000000000000", 2, "1000000000000000000000000000000000.00"}};
  char text[LS_DECIMAL_TEXT_MAX];
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    size_t len = ls__decimal_format(text, number(want[i].value), want[i].scale);
    ck_assert_str_eq(text, want[i].text);
    ck_assert_uint_eq(len, strlen(want[i].text));
  }
  /* no decimal, but it must not overrun: the least 128-bit value */
  ls_int128 least = (ls_int128)((unsigned __int128)1 << 127);
  ck_assert_uint_eq(ls__decimal_format(text, least, 38), 41);
  ck_assert_str_eq(text, "-1.70141183460469231731687303715884105728");
}
END_TEST

START_TEST(text_and_value_round_trip) {
  test_rng rng = rng_new();
  for (int i = 0; i < ROUNDS; i++) {
    ls_int128 value = random_decimal(&rng), back = UNTOUCHED;
    int scale = (int)rng_below(&rng, 39);
    char text[LS_DECIMAL_TEXT_MAX], longer[128], *p = longer;
    size_t len = ls__decimal_format(text, value, scale);
    ck_assert_int_eq(ls__decimal_parse(&back, (ls_slice){text, len}, 38, scale, false), LS_OK);
    ck_assert_msg(back == value, "seed %llu: %s", (unsigned long long)rng.seed, text);
    /* the same number written longer takes the other path through the parser */
    const char *digits = text + (*text == '-');
    if (*text == '-') *p++ = '-';
    p += snprintf(p, 100, "%.*s%s%s", (int)rng_below(&rng, 20), "00000000000000000000", digits, scale ? "000000" : "");
    back = UNTOUCHED;
    ck_assert_int_eq(ls__decimal_parse(&back, (ls_slice){longer, (size_t)(p - longer)}, 38, scale, true), LS_OK);
    ck_assert_msg(back == value, "seed %llu: %s", (unsigned long long)rng.seed, longer);
  }
}
END_TEST

START_TEST(precision_is_a_sharp_limit) {
  for (int precision = 1; precision <= 38; precision++) {
    ls_int128 most = ls__pow10[precision] - 1, value;
    ck_assert(ls__decimal_fits(most, precision) && ls__decimal_fits(-most, precision));
    ck_assert(!ls__decimal_fits(most + 1, precision) && !ls__decimal_fits(-most - 1, precision));
    for (int scale = 0; scale <= precision; scale++) {
      char text[LS_DECIMAL_TEXT_MAX];
      size_t len = ls__decimal_format(text, most, scale);
      ck_assert_int_eq(ls__decimal_parse(&value, (ls_slice){text, len}, precision, scale, false), LS_OK);
      ck_assert(value == most);
      if (scale < 38) len = ls__decimal_format(text, most + 1, scale);
      if (scale < 38)
        ck_assert_int_eq(ls__decimal_parse(&value, (ls_slice){text, len}, precision, scale, false), LS_EOVERFLOW);
    }
  }
}
END_TEST

START_TEST(adds_and_subtracts_exactly) {
  test_rng rng = rng_new();
  int n_overflows = 0;
  for (int i = 0; i < ROUNDS; i++) {
    ls_int128 a = random_decimal(&rng), b = random_decimal(&rng), sum = UNTOUCHED, back;
    nat na = nat_of(a), nb = nat_of(b), want;
    bool negative = a < 0;
    if ((a < 0) == (b < 0)) {
      want = nat_add(na, nb);
    } else if (nat_cmp(&na, &nb) >= 0) {
      want = nat_sub(na, nb);
    } else {
      want = nat_sub(nb, na);
      negative = b < 0;
    }
    int rc = ls__decimal_add(&sum, a, b);
    ck_assert_int_eq(rc, want.n > 38 ? LS_EOVERFLOW : LS_OK);
    n_overflows += rc != LS_OK;
    if (rc != LS_OK) {
      ck_assert(sum == UNTOUCHED);
      continue;
    }
    ck_assert_msg(nat_is(want, negative, sum), "seed %llu", (unsigned long long)rng.seed);
    ck_assert_int_eq(ls__decimal_sub(&back, sum, b), LS_OK);
    ck_assert(back == a);
  }
  ck_assert_int_gt(n_overflows, 10);
  ls_int128 most = ls__pow10[38] - 1, out = UNTOUCHED;
  ck_assert_int_eq(ls__decimal_add(&out, most, 1), LS_EOVERFLOW);
  ck_assert_int_eq(ls__decimal_sub(&out, -most, 1), LS_EOVERFLOW);
  ck_assert_int_eq(ls__decimal_sub(&out, -most, most), LS_EOVERFLOW);
  ck_assert(out == UNTOUCHED);
}
END_TEST

START_TEST(multiplies_exactly) {
  test_rng rng = rng_new();
  int n_overflows = 0;
  for (int i = 0; i < ROUNDS; i++) {
    ls_int128 a = random_decimal(&rng), b = random_decimal(&rng), product = UNTOUCHED;
    if (i % 3) b /= ls__pow10[rng_below(&rng, 38)];
    nat want = nat_mul(nat_of(a), nat_of(b));
    int rc = ls__decimal_mul(&product, a, b);
    ck_assert_int_eq(rc, want.n > 38 ? LS_EOVERFLOW : LS_OK);
    n_overflows += rc != LS_OK;
    ck_assert_msg(rc ? product == UNTOUCHED : nat_is(want, (a < 0) != (b < 0), product), "seed %llu",
                  (unsigned long long)rng.seed);
  }
  ck_assert_int_gt(n_overflows, 100);
  ck_assert_int_lt(n_overflows, ROUNDS - 100);
}
END_TEST

START_TEST(divides_known_values) {
  static const struct {
    const char *a;
    int sa;
    const char *b;
    int sb, scale, rc;
    const char *want;
  } want[] = {{"1", 0, "3", 0, 4, 0, "3333"},
              {"2", 0, "3", 0, 4, 0, "6667"},
              {"-2", 0, "3", 0, 4, 0, "-6667"},
              {"2", 0, "-3", 0, 4, 0, "-6667"},
              {"-2", 0, "-3", 0, 4, 0, "6667"},
              {"1", 0, "2", 0, 0, 0, "1"},
              {"-1", 0, "2", 0, 0, 0, "-1"},
              {"5", 0, "10", 0, 0, 0, "1"},
              {"49", 1, "10", 0, 0, 0, "0"},
              {"1", 0, "0", 0, 4, LS_EDATA, ""},
              {"0", 0, "7", 0, 4, 0, "0"},
              {"125000", 4, "25", 1, 6, 0, "5000000"},    /* 12.5 / 2.5 */
              {NINES, 0, NINES, 38, 0, LS_EOVERFLOW, ""}, /* 10^38 */
              {NINES, 38, NINES, 38, 37, 0, "10000000000000000000000000000000000000"},
              {"1", 0, "3", 0, 38, 0, "33333333333333333333333333333333333333"},
              {"1", 38, NINES, 0, 38, 0, "0"},
              {NINES, 38, "2", 0, 0, 0, "0"},
              {NINES, 38, "1", 0, 0, 0, "1"},
              /* dividend of 76 digits: (10^38-1)*10^38 / (10^38-1) */
              {NINES, 0, NINES, 0, 37, 0, "10000000000000000000000000000000000000"},
              {NINES, 0, NINES, 0, 38, LS_EOVERFLOW, ""},
              {NINES, 0, "1", 38, 38, LS_EOVERFLOW, ""},
              {"12345678901234567890123456789012345678", 0, "98765432109876543210987654321098765432", 0, 38, 0,
               "12499999886093750001423828124982202148"}};
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    ls_int128 out = UNTOUCHED;
    int rc = ls__decimal_div(&out, number(want[i].a), want[i].sa, number(want[i].b), want[i].sb, want[i].scale);
    ck_assert_msg(rc == want[i].rc, "sample %zu: rc %d", i, rc);
    char text[LS_DECIMAL_TEXT_MAX];
    ls__decimal_format(text, out, 0);
    ck_assert_msg(out == (rc ? UNTOUCHED : number(want[i].want)), "sample %zu: %s", i, text);
  }
}
END_TEST

START_TEST(divides_as_by_long_hand) {
  test_rng rng = rng_new();
  int n_overflows = 0, n_wide = 0;
  for (int i = 0; i < ROUNDS; i++) {
    ls_int128 a = random_decimal(&rng), b = random_decimal(&rng), out = UNTOUCHED;
    int sa = (int)rng_below(&rng, 39), sb = (int)rng_below(&rng, 39), scale = (int)rng_below(&rng, 39);
    if (b == 0) b = 1;
    int up = scale + sb - sa;
    nat dividend = nat_shift(nat_of(a), up > 0 ? up : 0), divisor = nat_shift(nat_of(b), up < 0 ? -up : 0);
    bool exact;
    nat want = nat_round(dividend, divisor, LS_ROUND_HALF_UP, &exact);
    n_wide += dividend.n > 39 && want.n <= 38;
    int rc = ls__decimal_div(&out, a, sa, b, sb, scale);
    n_overflows += rc != LS_OK;
    ck_assert_int_eq(rc, want.n > 38 ? LS_EOVERFLOW : LS_OK);
    ck_assert_msg(rc ? out == UNTOUCHED : nat_is(want, (a < 0) != (b < 0), out), "seed %llu round %d",
                  (unsigned long long)rng.seed, i);
  }
  ck_assert_int_gt(n_wide, 100);
  ck_assert_int_gt(n_overflows, 100);
}
END_TEST

/* Dividends of more than 256 bits: what is left of them after a wrap must not pass for a result. */
START_TEST(division_knows_overflow_beyond_256_bits) {
  test_rng rng = rng_new();
  for (int i = 0; i < 2000; i++) {
    ls_int128 a = ls__pow10[37] + rng_next(&rng), b = ls__pow10[37] * 9 + rng_next(&rng);
    ls_int128 out = UNTOUCHED;
    a += (ls_int128)rng_next(&rng) << 55;
    b += (ls_int128)rng_next(&rng) << 55;
    ck_assert_int_eq(ls__decimal_div(&out, a, 0, b, 38, 38), LS_EOVERFLOW);
    ck_assert_int_eq(ls__decimal_div(&out, a, 0, b, 2, 38), LS_EOVERFLOW);
    ck_assert(out == UNTOUCHED);
  }
}
END_TEST

START_TEST(rescales_known_values) {
  static const struct {
    const char *value;
    int from, to;
    ls_rounding rounding;
    int rc;
    const char *want;
  } want[] = {{"15", 1, 0, LS_ROUND_HALF_EVEN, 0, "2"},
              {"25", 1, 0, LS_ROUND_HALF_EVEN, 0, "2"},
              {"-15", 1, 0, LS_ROUND_HALF_EVEN, 0, "-2"},
              {"-25", 1, 0, LS_ROUND_HALF_EVEN, 0, "-2"},
              {"25", 1, 0, LS_ROUND_HALF_UP, 0, "3"},
              {"-25", 1, 0, LS_ROUND_HALF_UP, 0, "-3"},
              {"24", 1, 0, LS_ROUND_HALF_UP, 0, "2"},
              {"-29", 1, 0, LS_ROUND_DOWN, 0, "-2"},
              {"29", 1, 0, LS_ROUND_DOWN, 0, "2"},
              {"25", 1, 0, LS_ROUND_EXACT, LS_EDATA, ""},
              {"20", 1, 0, LS_ROUND_EXACT, 0, "2"},
              {"2", 0, 3, LS_ROUND_EXACT, 0, "2000"},
              {"5", 1, 0, LS_ROUND_HALF_EVEN, 0, "0"},
              {"5", 1, 0, LS_ROUND_HALF_UP, 0, "1"},
              {NINES, 0, 1, LS_ROUND_HALF_UP, LS_EOVERFLOW, ""},
              {"0", 0, 76, LS_ROUND_EXACT, 0, "0"},
              {"1", 0, 39, LS_ROUND_DOWN, LS_EOVERFLOW, ""},
              {NINES, 76, 0, LS_ROUND_HALF_UP, 0, "0"},
              {NINES, 39, 0, LS_ROUND_HALF_UP, 0, "0"},
              {NINES, 38, 0, LS_ROUND_HALF_UP, 0, "1"},
              {"1", 76, 0, LS_ROUND_EXACT, LS_EDATA, ""},
              {NINES, 1, 0, LS_ROUND_HALF_UP, 0, "10000000000000000000000000000000000000"}};
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    ls_int128 out = UNTOUCHED;
    int rc = ls__decimal_rescale(&out, number(want[i].value), want[i].from, want[i].to, 38, want[i].rounding);
    ck_assert_msg(rc == want[i].rc, "sample %zu: rc %d", i, rc);
    ck_assert_msg(out == (rc ? UNTOUCHED : number(want[i].want)), "sample %zu", i);
  }
  ls_int128 out = UNTOUCHED;
  ck_assert_int_eq(ls__decimal_rescale(&out, 995, 2, 1, 2, LS_ROUND_HALF_UP), LS_EOVERFLOW); /* 10.0 */
  ck_assert_int_eq(ls__decimal_rescale(&out, 994, 2, 1, 2, LS_ROUND_HALF_UP), LS_OK);
  ck_assert(out == 99);
}
END_TEST

START_TEST(rescales_as_by_long_hand) {
  static const ls_rounding roundings[] = {LS_ROUND_EXACT, LS_ROUND_HALF_EVEN, LS_ROUND_HALF_UP, LS_ROUND_DOWN};
  test_rng rng = rng_new();
  for (int i = 0; i < ROUNDS; i++) {
    ls_int128 value = random_decimal(&rng), out = UNTOUCHED;
    int from = (int)rng_below(&rng, 39), to = (int)rng_below(&rng, 39), precision = 1 + (int)rng_below(&rng, 38);
    if (i % 4 == 0) value = value / 10 * 10 + (value < 0 ? -5 : 5); /* ties */
    if (i % 4 == 0) to = from > 0 ? from - 1 : 0;
    if (!ls__decimal_fits(value, 38)) continue;
    ls_rounding rounding = roundings[rng_below(&rng, 4)];
    bool exact;
    nat want = nat_round(nat_shift(nat_of(value), to > from ? to - from : 0),
                         nat_shift(nat_of(1), from > to ? from - to : 0), rounding, &exact);
    int rc = ls__decimal_rescale(&out, value, from, to, precision, rounding);
    int expected = rounding == LS_ROUND_EXACT && !exact ? LS_EDATA : want.n > precision ? LS_EOVERFLOW : LS_OK;
    ck_assert_msg(rc == expected, "seed %llu: rc %d", (unsigned long long)rng.seed, rc);
    ck_assert(rc ? out == UNTOUCHED : nat_is(want, value < 0, out));
  }
}
END_TEST

START_TEST(compares_across_scales) {
  test_rng rng = rng_new();
  int n_equal = 0;
  for (int i = 0; i < ROUNDS; i++) {
    ls_int128 a = random_decimal(&rng), b = i % 2 ? random_decimal(&rng) : a;
    int sa = (int)rng_below(&rng, 39), sb = (int)rng_below(&rng, 39);
    if (i % 2 == 0 && sb > sa && ls__decimal_fits(a, 38 - (sb - sa))) b = a * ls__pow10[sb - sa];
    if (i % 8 == 0 && ls__decimal_fits(b + 1, 38)) b++;
    nat na = nat_shift(nat_of(a), 38 - sa), nb = nat_shift(nat_of(b), 38 - sb);
    int want = nat_cmp(&na, &nb);
    if (a < 0 || b < 0) want = a < 0 && b < 0 ? -want : a < 0 ? (na.n || nb.n ? -1 : 0) : 1;
    int got = ls__decimal_cmp(a, sa, b, sb), mirrored = ls__decimal_cmp(b, sb, a, sa);
    n_equal += got == 0;
    ck_assert_msg((got > 0) - (got < 0) == want, "seed %llu round %d", (unsigned long long)rng.seed, i);
    ck_assert_int_eq((mirrored > 0) - (mirrored < 0), -want);
  }
  ck_assert_int_gt(n_equal, 100);
}
END_TEST

START_TEST(memory_form_round_trips) {
  test_rng rng = rng_new();
  for (int i = 0; i < 1000; i++) {
    ls_int128 value = random_decimal(&rng);
    ck_assert(ls__i128_get(ls__i128_make(value)) == value);
  }
  ls_i128 minus_one = ls__i128_make(-1);
  ck_assert(minus_one.lo == UINT64_MAX && minus_one.hi == -1);
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(powers_of_ten),
                             TEST_CASE(parses_known_texts),
                             TEST_CASE(formats_known_values),
                             TEST_CASE(text_and_value_round_trip),
                             TEST_CASE(precision_is_a_sharp_limit),
                             TEST_CASE(adds_and_subtracts_exactly),
                             TEST_CASE(multiplies_exactly),
                             TEST_CASE(divides_known_values),
                             TEST_CASE(divides_as_by_long_hand),
                             TEST_CASE(division_knows_overflow_beyond_256_bits),
                             TEST_CASE(rescales_known_values),
                             TEST_CASE(rescales_as_by_long_hand),
                             TEST_CASE(compares_across_scales),
                             TEST_CASE(memory_form_round_trips)};
  return RUN_TESTS("data.decimal", cases);
}
