/**
 * @file fuzz_decimal.c
 * Text to decimal and back, and arithmetic on what was read. Input: a byte of precision, one of
 * scale (its top bit allows exponents), then one or two numbers apart by a blank. Anything that
 * does not hold ends the process.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "data/decimal.h"

static void check_text(ls_int128 value, int precision, int scale) {
  char text[LS_DECIMAL_TEXT_MAX];
  ls_int128 back = -1;
  size_t len = ls__decimal_format(text, value, scale);
  ls_assert(len < sizeof text && text[len] == '\0');
  ls_assert(ls__decimal_parse(&back, (ls_slice){text, len}, precision, scale, false) == LS_OK);
  ls_assert(back == value);
}

static void check_rescale(ls_int128 value, int scale) {
  ls_int128 up, down, rounded;
  for (int to = 0; to <= LS_DECIMAL_DIGITS_MAX; to++) {
    if (to >= scale && ls__decimal_rescale(&up, value, scale, to, 38, LS_ROUND_EXACT) == LS_OK) {
      ls_assert(ls__decimal_cmp(up, to, value, scale) == 0);
      ls_assert(ls__decimal_rescale(&down, up, to, scale, 38, LS_ROUND_EXACT) == LS_OK);
      ls_assert(down == value);
    }
    if (ls__decimal_rescale(&rounded, value, scale, to, 38, LS_ROUND_DOWN) == LS_OK) {
      int order = ls__decimal_cmp(rounded, to, value, scale);
      ls_assert(value >= 0 ? order <= 0 : order >= 0);
    }
  }
}

static void check_pair(ls_int128 a, ls_int128 b, int scale) {
  ls_int128 sum, product, quotient, back;
  int order = ls__decimal_cmp(a, scale, b, scale);
  ls_assert(order == -ls__decimal_cmp(b, scale, a, scale) && (order == 0) == (a == b));
  if (ls__decimal_add(&sum, a, b) == LS_OK) {
    ls_assert(ls__decimal_sub(&back, sum, b) == LS_OK && back == a);
  }
  if (ls__decimal_mul(&product, a, b) == LS_OK && b != 0) {
    ls_assert(ls__decimal_div(&back, product, 0, b, 0, 0) == LS_OK && back == a);
  }
  ls_assert((ls__decimal_div(&quotient, a, scale, b, scale, 0) == LS_EDATA) == (b == 0));
  if (b != 0 && ls__decimal_div(&quotient, a, 0, b, 0, 0) == LS_OK && ls__decimal_mul(&product, quotient, b) == LS_OK) {
    /* half up: |a - quotient * b| <= |b| / 2 */
    ls_int128 rest = a - product, size = b < 0 ? -b : b;
    if (rest < 0) rest = -rest;
    ls_assert(rest <= size - rest);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  int precision = 1 + data[0] % LS_DECIMAL_DIGITS_MAX;
  int scale = (data[1] & 0x7F) % (precision + 1);
  bool allow_exponent = data[1] >> 7;
  ls_slice first = {(const char *)data + 2, size - 2}, second = {NULL, 0};
  const char *blank = first.len ? memchr(first.ptr, ' ', first.len) : NULL;
  if (blank) {
    second = (ls_slice){blank + 1, first.len - (size_t)(blank + 1 - first.ptr)};
    first.len = (size_t)(blank - first.ptr);
  }
  ls_int128 a = 0, b = 0;
  if (ls__decimal_parse(&a, first, precision, scale, allow_exponent) != LS_OK) return 0;
  ls_assert(ls__decimal_fits(a, precision));
  check_text(a, precision, scale);
  check_rescale(a, scale);
  if (ls__decimal_parse(&b, second, precision, scale, allow_exponent) == LS_OK) check_pair(a, b, scale);
  return 0;
}
