/**
 * @file decimal.h
 * Exact decimals on 128-bit integers. No binary float anywhere. All functions return LS_OK or
 * LS_EOVERFLOW (result needs more than 38 digits or than `precision`) / LS_EDATA (text is not a
 * number, division by zero) and leave *out alone on failure. They set no message: callers know the
 * context.
 */
#ifndef LS_DATA_DECIMAL_H
#define LS_DATA_DECIMAL_H
#include <libstream/error.h>

typedef __int128 ls_int128; /* arithmetic form; ls_i128 is the memory form */
static inline ls_int128 ls__i128_get(ls_i128 v) {
  return (ls_int128)(((unsigned __int128)(uint64_t)v.hi << 64) | v.lo);
}
static inline ls_i128 ls__i128_make(ls_int128 v) {
  return (ls_i128){(uint64_t)v, (int64_t)(v >> 64)};
}

typedef enum ls_rounding {
  LS_ROUND_EXACT /* inexact: LS_EDATA */,
  LS_ROUND_HALF_EVEN,
  LS_ROUND_HALF_UP,
  LS_ROUND_DOWN
} ls_rounding;
#define LS_DECIMAL_DIGITS_MAX 38
#define LS_DECIMAL_TEXT_MAX   48 /* buffer for ls__decimal_format */

extern const ls_int128 ls__pow10[39];
/** Parses [+-]digits[.digits]; no exponent unless allow_exponent. Exactly representable at `scale`
 * and within `precision`, else LS_EDATA (too many decimals: LS_EDATA; too many digits:
 * LS_EOVERFLOW). */
int ls__decimal_parse(ls_int128 *out, ls_slice text, int precision, int scale, bool allow_exponent);
/** Writes the canonical text with exactly `scale` decimals; returns its length. */
size_t ls__decimal_format(char out[LS_DECIMAL_TEXT_MAX], ls_int128 value, int scale);
bool ls__decimal_fits(ls_int128 value, int precision);
int ls__decimal_rescale(ls_int128 *out, ls_int128 value, int scale_from, int scale_to, int precision_to,
                        ls_rounding rounding);
int ls__decimal_add(ls_int128 *out, ls_int128 a, ls_int128 b); /* same scale */
int ls__decimal_sub(ls_int128 *out, ls_int128 a, ls_int128 b);
int ls__decimal_mul(ls_int128 *out, ls_int128 a, ls_int128 b); /* scales add */
/** a / b at scale_out, rounded half up (SQL); a has scale sa, b scale sb. */
int ls__decimal_div(ls_int128 *out, ls_int128 a, int sa, ls_int128 b, int sb, int scale_out);
/** Compares values of different scales exactly: <0, 0, >0. */
int ls__decimal_cmp(ls_int128 a, int sa, ls_int128 b, int sb);
/** For CAST AS float64 alone. */
double ls__decimal_to_double(ls_int128 value, int scale);
int ls__decimal_from_double(ls_int128 *out, double value, int precision, int scale);
#endif
