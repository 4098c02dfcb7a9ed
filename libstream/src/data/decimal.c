/**
 * @file decimal.c
 * Decimal arithmetic on magnitudes: sign and size apart, so that rounding is symmetrical and no
 * step can leave the 128 bits unseen. A quotient's dividend may need 256 bits; it gets them.
 */
#include "data/decimal.h"

#include <string.h>

#include "base/assert.h"
#include "data/decimal_wide.h"

#define P(a, b) ((ls_int128)UINT64_C(a) * (ls_int128)UINT64_C(b))
const ls_int128 ls__pow10[39] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
    P(10000000000000000000, 1),
    P(10000000000000000000, 10),
    P(10000000000000000000, 100),
    P(10000000000000000000, 1000),
    P(10000000000000000000, 10000),
    P(10000000000000000000, 100000),
    P(10000000000000000000, 1000000),
    P(10000000000000000000, 10000000),
    P(10000000000000000000, 100000000),
    P(10000000000000000000, 1000000000),
    P(10000000000000000000, 10000000000),
    P(10000000000000000000, 100000000000),
    P(10000000000000000000, 1000000000000),
    P(10000000000000000000, 10000000000000),
    P(10000000000000000000, 100000000000000),
    P(10000000000000000000, 1000000000000000),
    P(10000000000000000000, 10000000000000000),
    P(10000000000000000000, 100000000000000000),
    P(10000000000000000000, 1000000000000000000),
    P(10000000000000000000, 10000000000000000000),
};
#undef P

/* 10^n, n 0..38, without a sign. */
static ls_uint128 pow10_of(int n) {
  return (ls_uint128)ls__pow10[n];
}

bool ls__decimal_fits(ls_int128 value, int precision) {
  return ls__magnitude(value) < pow10_of(precision);
}

/* out = +-magnitude when it has at most `precision` digits. */
static int store(ls_int128 *out, ls_uint128 magnitude, bool negative, int precision) {
  if (magnitude >= pow10_of(precision)) return LS_EOVERFLOW;
  *out = negative ? -(ls_int128)magnitude : (ls_int128)magnitude;
  return LS_OK;
}

/* -- text -------------------------------------------------------------------------------------- */

/* A number taken apart: digits (no zeros at either end) times 10^exponent. */
typedef struct digits {
  ls_uint128 value; /* valid when n <= 38 */
  int64_t n;        /* count of digits; 0: the number is zero */
  int64_t exponent;
  bool negative;
} digits;

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* [eE][+-]digits up to the end of the text. Saturates: no text is long enough to bring it back. */
static bool parse_exponent(int64_t *out, const char *p, const char *end) {
  bool negative = false;
  int64_t value = 0;
  if (p < end && (*p == '+' || *p == '-')) negative = *p++ == '-';
  if (p == end) return false;
  for (; p < end; p++) {
    if (!is_digit(*p)) return false;
    if (value < INT64_C(1000000000000000)) value = value * 10 + (*p - '0');
  }
  *out = negative ? -value : value;
  return true;
}

static bool parse_digits(digits *out, ls_slice text, bool allow_exponent) {
  const char *p = text.ptr, *end = text.ptr + text.len;
  int64_t n_seen = 0, n_integer = -1, last_nonzero = 0, n_zeros = 0;
  *out = (digits){0};
  if (*p == '+' || *p == '-') out->negative = *p++ == '-';
  for (; p < end; p++) {
    if (*p == '.') {
      if (n_integer >= 0 || n_seen == 0) return false;
      n_integer = n_seen;
      continue;
    }
    if (!is_digit(*p)) break;
    n_seen++;
    if (*p == '0') {
      n_zeros++;
      continue;
    }
    /* zeros count only when they are between digits */
    int64_t n_added = out->n == 0 ? 1 : n_zeros + 1;
    out->n += n_added;
    if (out->n <= LS_DECIMAL_DIGITS_MAX) out->value = out->value * pow10_of((int)n_added) + (ls_uint128)(*p - '0');
    n_zeros = 0;
    last_nonzero = n_seen;
  }
  if (n_seen == 0 || n_integer == n_seen) return false; /* no digits, or none after the point */
  if (n_integer < 0) n_integer = n_seen;
  out->exponent = n_integer - last_nonzero;
  if (p == end) return true;
  int64_t exponent = 0;
  if (!allow_exponent || (*p != 'e' && *p != 'E')) return false;
  if (!parse_exponent(&exponent, p + 1, end)) return false;
  out->exponent += exponent;
  return true;
}

static int parse_any(ls_int128 *out, ls_slice text, int precision, int scale, bool allow_exponent) {
  digits number;
  if (text.len == 0 || !parse_digits(&number, text, allow_exponent)) return LS_EDATA;
  if (number.n == 0) {
    *out = 0;
    return LS_OK;
  }
  int64_t shift = number.exponent + scale;
  if (shift < 0) return LS_EDATA;
  if (number.n + shift > precision) return LS_EOVERFLOW;
  return store(out, number.value * pow10_of((int)shift), number.negative, precision);
}

int ls__decimal_parse(ls_int128 *out, ls_slice text, int precision, int scale, bool allow_exponent) {
  /* plain numbers of up to 18 digits stay in 64 bits; all that is unusual goes the long way */
  if (text.len == 0 || text.len > 19) return parse_any(out, text, precision, scale, allow_exponent);
  const char *p = text.ptr, *end = p + text.len, *point = NULL;
  bool negative = *p == '-';
  if (negative || *p == '+') p++;
  const char *first = p;
  uint64_t value = 0;
  for (; p < end; p++) {
    unsigned digit = (unsigned)(unsigned char)*p - '0';
    if (digit <= 9) {
      value = value * 10 + digit;
    } else if (*p == '.' && !point) {
      point = p;
    } else {
      break;
    }
  }
  ptrdiff_t n_decimals = point ? end - point - 1 : 0, n_digits = end - first - (point ? 1 : 0);
  ptrdiff_t shift = scale - n_decimals;
  bool plain = p == end && first < end && point != first && (!point || n_decimals > 0);
  if (!plain || shift < 0 || n_digits + shift > 18) return parse_any(out, text, precision, scale, allow_exponent);
  value *= (uint64_t)ls__pow10[shift];
  if (precision < 18 && value >= (uint64_t)ls__pow10[precision]) return LS_EOVERFLOW;
  int64_t unscaled = (int64_t)value;
  *out = negative ? -unscaled : unscaled;
  return LS_OK;
}

/* Writes the digits of value right-aligned before end, at least n_min; returns the start. */
static char *write_digits(char *end, uint64_t value, int n_min) {
  char *p = end;
  while (value) {
    *--p = (char)('0' + value % 10);
    value /= 10;
  }
  while (end - p < n_min) *--p = '0';
  return p;
}

size_t ls__decimal_format(char out[LS_DECIMAL_TEXT_MAX], ls_int128 value, int scale) {
  ls_assert(scale >= 0 && scale <= LS_DECIMAL_DIGITS_MAX);
  char digit_buf[48], *end = digit_buf + sizeof digit_buf, *p = end;
  ls_uint128 rest = ls__magnitude(value);
  const uint64_t chunk = UINT64_C(10000000000000000000);
  while (rest >> 64) {
    p = write_digits(p, (uint64_t)(rest % chunk), 19);
    rest /= chunk;
  }
  p = write_digits(p, (uint64_t)rest, 0);
  while (end - p < scale + 1) *--p = '0';
  size_t n_integer = (size_t)(end - p) - (size_t)scale, len = 0;
  if (value < 0) out[len++] = '-';
  memcpy(out + len, p, n_integer);
  len += n_integer;
  if (scale > 0) {
    out[len++] = '.';
    memcpy(out + len, p + n_integer, (size_t)scale);
    len += (size_t)scale;
  }
  out[len] = '\0';
  return len;
}

/* -- arithmetic -------------------------------------------------------------------------------- */

/* Rounds quotient + rest/divisor. EDATA when it must be exact and is not. */
static int round_quotient(ls_uint128 *quotient, ls_uint128 rest, ls_uint128 divisor, ls_rounding rounding) {
  if (rest == 0) return LS_OK;
  ls_uint128 other = divisor - rest; /* rest against divisor/2 without doubling */
  bool up = false;
  switch (rounding) {
  case LS_ROUND_EXACT:
    return LS_EDATA;
  case LS_ROUND_DOWN:
    break;
  case LS_ROUND_HALF_UP:
    up = rest >= other;
    break;
  case LS_ROUND_HALF_EVEN:
    up = rest > other || (rest == other && (*quotient & 1));
    break;
  }
  *quotient += up;
  return LS_OK;
}

int ls__decimal_rescale(ls_int128 *out, ls_int128 value, int scale_from, int scale_to, int precision_to,
                        ls_rounding rounding) {
  ls_uint128 magnitude = ls__magnitude(value);
  int up = scale_to - scale_from;
  if (magnitude == 0) return store(out, 0, false, precision_to);
  if (up >= 0) {
    /* above 38 places even 1 has too many digits */
    if (up > LS_DECIMAL_DIGITS_MAX || magnitude > (pow10_of(38) - 1) / pow10_of(up)) return LS_EOVERFLOW;
    return store(out, magnitude * pow10_of(up), value < 0, precision_to);
  }
  ls_uint128 quotient = 0;
  if (-up > LS_DECIMAL_DIGITS_MAX) {
    /* 10^39 is more than twice any 128-bit value: rounds to zero */
    if (rounding == LS_ROUND_EXACT) return LS_EDATA;
    return store(out, 0, false, precision_to);
  }
  ls_uint128 divisor = pow10_of(-up), rest;
  if (!(magnitude >> 64) && !(divisor >> 64)) {
    quotient = (uint64_t)magnitude / (uint64_t)divisor;
    rest = (uint64_t)magnitude % (uint64_t)divisor;
  } else {
    quotient = magnitude / divisor;
    rest = magnitude - quotient * divisor;
  }
  LS_TRY(round_quotient(&quotient, rest, divisor, rounding));
  return store(out, quotient, value < 0, precision_to);
}

int ls__decimal_add(ls_int128 *out, ls_int128 a, ls_int128 b) {
  ls_int128 sum;
  if (__builtin_add_overflow(a, b, &sum) || !ls__decimal_fits(sum, LS_DECIMAL_DIGITS_MAX)) return LS_EOVERFLOW;
  *out = sum;
  return LS_OK;
}

int ls__decimal_sub(ls_int128 *out, ls_int128 a, ls_int128 b) {
  ls_int128 difference;
  if (__builtin_sub_overflow(a, b, &difference) || !ls__decimal_fits(difference, LS_DECIMAL_DIGITS_MAX))
    return LS_EOVERFLOW;
  *out = difference;
  return LS_OK;
}

int ls__decimal_mul(ls_int128 *out, ls_int128 a, ls_int128 b) {
  ls_uint128 x = ls__magnitude(a), y = ls__magnitude(b);
  /* both below 2^63: the product is below 2^126, no division needed to know that it fits */
  if (((x | y) >> 63) && x != 0 && y > (pow10_of(38) - 1) / x) return LS_EOVERFLOW;
  return store(out, x * y, (a < 0) != (b < 0), LS_DECIMAL_DIGITS_MAX);
}

/* |a| * 10^up / |b|, where the dividend does not fit 128 bits. */
static int divide_wide(ls_int128 *out, ls_uint128 a, int up, ls_uint128 b, bool negative) {
  ls_uint256 dividend = {0, a};
  while (up > 0) {
    int step = up > LS_DECIMAL_DIGITS_MAX ? LS_DECIMAL_DIGITS_MAX : up;
    /* 2^256 / 2^127 is more than 10^38: the quotient can't fit either */
    if (!ls__u256_mul(&dividend, pow10_of(step))) return LS_EOVERFLOW;
    up -= step;
  }
  ls_uint128 quotient, rest;
  if (!ls__u256_divide(&quotient, &rest, dividend, b)) return LS_EOVERFLOW;
  if (quotient >= pow10_of(38)) return LS_EOVERFLOW;
  LS_TRY(round_quotient(&quotient, rest, b, LS_ROUND_HALF_UP));
  return store(out, quotient, negative, LS_DECIMAL_DIGITS_MAX);
}

int ls__decimal_div(ls_int128 *out, ls_int128 a, int sa, ls_int128 b, int sb, int scale_out) {
  if (b == 0) return LS_EDATA;
  ls_uint128 x = ls__magnitude(a), y = ls__magnitude(b);
  bool negative = (a < 0) != (b < 0);
  int up = scale_out + sb - sa;
  if (x == 0) return store(out, 0, false, LS_DECIMAL_DIGITS_MAX);
  if (up >= 0) {
    if (up > LS_DECIMAL_DIGITS_MAX || x > ~(ls_uint128)0 / pow10_of(up)) return divide_wide(out, x, up, y, negative);
    x *= pow10_of(up);
  } else {
    /* divisor of more than 128 bits: more than twice any dividend, rounds to zero */
    if (-up > LS_DECIMAL_DIGITS_MAX || y > ~(ls_uint128)0 / pow10_of(-up))
      return store(out, 0, false, LS_DECIMAL_DIGITS_MAX);
    y *= pow10_of(-up);
  }
  ls_uint128 quotient, rest;
  if (!(x >> 64) && !(y >> 64)) {
    quotient = (uint64_t)x / (uint64_t)y;
    rest = (uint64_t)x % (uint64_t)y;
  } else {
    quotient = x / y;
    rest = x - quotient * y;
  }
  LS_TRY(round_quotient(&quotient, rest, y, LS_ROUND_HALF_UP));
  return store(out, quotient, negative, LS_DECIMAL_DIGITS_MAX);
}

static int cmp_u128(ls_uint128 a, ls_uint128 b) {
  return a < b ? -1 : a > b;
}

/* Integer parts first, then fractions brought to the longer scale: no step leaves 128 bits. */
static int cmp_magnitudes(ls_uint128 a, int sa, ls_uint128 b, int sb) {
  ls_uint128 ia = a / pow10_of(sa), ib = b / pow10_of(sb);
  if (ia != ib) return cmp_u128(ia, ib);
  ls_uint128 fa = a - ia * pow10_of(sa), fb = b - ib * pow10_of(sb);
  if (sa < sb) {
    fa *= pow10_of(sb - sa);
  } else {
    fb *= pow10_of(sa - sb);
  }
  return cmp_u128(fa, fb);
}

int ls__decimal_cmp(ls_int128 a, int sa, ls_int128 b, int sb) {
  if (sa == sb || a == 0 || b == 0 || (a < 0) != (b < 0)) return a < b ? -1 : a > b;
  ls_assert(sa >= 0 && sa <= LS_DECIMAL_DIGITS_MAX && sb >= 0 && sb <= LS_DECIMAL_DIGITS_MAX);
  /* money: 64 bits times at most 10^18 stays below 2^124 */
  if (a == (int64_t)a && b == (int64_t)b && sa - sb <= 18 && sb - sa <= 18) {
    if (sa < sb) a *= ls__pow10[sb - sa];
    if (sb < sa) b *= ls__pow10[sa - sb];
    return a < b ? -1 : a > b;
  }
  int order = cmp_magnitudes(ls__magnitude(a), sa, ls__magnitude(b), sb);
  return a < 0 ? -order : order;
}
