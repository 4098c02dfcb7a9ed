/** @file decimal_wide.h  Unsigned 128 and 256-bit steps behind decimal.c and decimal_cast.c. */
#ifndef LS_DATA_DECIMAL_WIDE_H
#define LS_DATA_DECIMAL_WIDE_H
#include "data/decimal.h"

typedef unsigned __int128 ls_uint128;
typedef struct ls_uint256 {
  ls_uint128 hi, lo;
} ls_uint256;

/** |value|, also of the least value, which has no positive counterpart. */
static inline ls_uint128 ls__magnitude(ls_int128 value) {
  return value < 0 ? -(ls_uint128)value : (ls_uint128)value;
}

static inline ls_uint256 ls__u128_mul(ls_uint128 a, ls_uint128 b) {
  const ls_uint128 mask = UINT64_MAX;
  ls_uint128 low = (a & mask) * (b & mask);
  ls_uint128 cross = (a >> 64) * (b & mask) + (low >> 64);
  ls_uint128 other = (a & mask) * (b >> 64) + (cross & mask);
  return (ls_uint256){(a >> 64) * (b >> 64) + (cross >> 64) + (other >> 64), (other << 64) | (low & mask)};
}

/** *value *= factor. False when the product does not fit 256 bits; *value is then of no use. */
static inline bool ls__u256_mul(ls_uint256 *value, ls_uint128 factor) {
  ls_uint256 low = ls__u128_mul(value->lo, factor), high = ls__u128_mul(value->hi, factor);
  ls_uint128 hi = high.lo + low.hi;
  *value = (ls_uint256){hi, low.lo};
  return high.hi == 0 && hi >= low.hi;
}

/** Long division, bit by bit; divisor 1..2^127. False when the quotient does not fit 128 bits. */
static inline bool ls__u256_divide(ls_uint128 *quotient, ls_uint128 *rest, ls_uint256 dividend, ls_uint128 divisor) {
  if (dividend.hi >= divisor) return false;
  ls_uint128 r = dividend.hi, q = 0;
  for (int bit = 127; bit >= 0; bit--) {
    r = (r << 1) | ((dividend.lo >> bit) & 1); /* r < divisor <= 2^127: nothing is shifted out */
    q <<= 1;
    if (r >= divisor) {
      r -= divisor;
      q |= 1;
    }
  }
  *quotient = q;
  *rest = r;
  return true;
}
#endif
