/**
 * @file decimal_cast.c
 * The two places where a decimal meets binary floating point: CAST(... AS float64) and back. Apart
 * from decimal.c so that no other line of decimal code can touch a double.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/decimal_wide.h"

#define DOUBLE_EXACT_MAX (UINT64_C(1) << 53)
#define POW10_EXACT_MAX  22 /* 10^22 is the last power of ten that a double holds exactly */

/** Nearest double. */
double ls__decimal_to_double(ls_int128 value, int scale) {
  if (ls__magnitude(value) <= DOUBLE_EXACT_MAX && scale <= POW10_EXACT_MAX) {
    /* both exact, one rounding */
    return (double)(int64_t)value / (double)ls__pow10[scale];
  }
  /* digits and exponent, no decimal point: correct to the last bit and the same in any locale */
  char text[LS_DECIMAL_TEXT_MAX + 16];
  size_t len = ls__decimal_format(text, value, 0);
  snprintf(text + len, sizeof text - len, "e-%d", scale);
  return strtod(text, NULL);
}

/* A finite double is fraction * 2^exponent exactly. */
static bool double_parts(double value, uint64_t *fraction, int *exponent, bool *negative) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  *negative = bits >> 63;
  int biased = (int)((bits >> 52) & 0x7FF);
  uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
  if (biased == 0x7FF) return false;
  *fraction = biased ? mantissa | (UINT64_C(1) << 52) : mantissa;
  *exponent = (biased ? biased : 1) - 1075;
  return true;
}

/** The double's exact value rounded half up. */
int ls__decimal_from_double(ls_int128 *out, double value, int precision, int scale) {
  uint64_t fraction;
  int exponent;
  bool negative;
  if (!double_parts(value, &fraction, &exponent, &negative)) return LS_EDATA;
  ls_uint128 limit = (ls_uint128)ls__pow10[precision], magnitude = 0;
  ls_uint256 product = ls__u128_mul(fraction, (ls_uint128)ls__pow10[scale]); /* below 2^180 */
  if (exponent >= 0) {
    if (product.hi || product.lo >= limit) return LS_EOVERFLOW;
    magnitude = product.lo;
    for (; exponent > 0 && magnitude; exponent--) {
      magnitude <<= 1; /* below 2 * 10^38, which fits 128 bits */
      if (magnitude >= limit) return LS_EOVERFLOW;
    }
  } else if (exponent > -256) {
    int down = -exponent - 1; /* the bit below the result decides the rounding */
    ls_uint128 hi = down >= 128 ? 0 : product.hi >> down;
    ls_uint128 lo = down >= 128 ? product.hi >> (down - 128)
                    : down == 0 ? product.lo
                                : (product.lo >> down) | (product.hi << (128 - down));
    ls_uint128 round = lo & 1;
    if (hi >> 1) return LS_EOVERFLOW;
    magnitude = (lo >> 1) | (hi << 127);
    if (magnitude >= limit) return LS_EOVERFLOW;
    magnitude += round;
  }
  if (magnitude >= limit) return LS_EOVERFLOW;
  *out = negative ? -(ls_int128)magnitude : (ls_int128)magnitude;
  return LS_OK;
}
