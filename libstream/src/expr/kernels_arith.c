/**
 * @file kernels_arith.c
 * Arithmetic. Fixed loops without branches compute all rows; only when an overflow flag came out,
 * the rows are gone through one by one to find and report the live ones at fault.
 */
#include "expr/ex.h"

#include <math.h>

#include "data/datetime.h"
#include "data/decimal_wide.h"

static const char overflow_int[] = "int64 overflow";
static const char overflow_decimal[] = "decimal overflow: the result needs more than 38 digits";
static const char division_by_zero[] = "division by zero";

/* -- int64 ------------------------------------------------------------------------------------- */

#define I64_LOOP(EXPR, FLAG)                                                                                           \
  for (int64_t i = 0; i < n; i++) {                                                                                    \
    uint64_t x = (uint64_t)a[i & am], y = (uint64_t)b[i & bm];                                                         \
    uint64_t r = (EXPR);                                                                                               \
    flags |= (FLAG);                                                                                                   \
    out_values[i] = (int64_t)r;                                                                                        \
  }

static void find_i64_overflow(ls_column *out, const ls_ex_call *call, char op) {
  for (int64_t i = 0; i < call->n; i++) {
    int64_t x = ls__vec_i64(&call->args[0], i), y = ls__vec_i64(&call->args[1], i), r;
    if (!ls__ex_live(call, i)) continue;
    bool bad = op == '+' ? __builtin_add_overflow(x, y, &r) : __builtin_sub_overflow(x, y, &r);
    if (bad) ls__ex_fail_fixed(out, call, i, overflow_int);
  }
}

static void add_sub_i64(ls_column *out, const ls_ex_call *call, char op) {
  const int64_t *a = ls__column_i64(call->args[0].col), *b = ls__column_i64(call->args[1].col);
  int64_t *out_values = out->values, n = call->n, am = call->args[0].mask, bm = call->args[1].mask;
  uint64_t flags = 0;
  if (op == '+' && am && bm) {
    am = bm = -1;
    I64_LOOP(x + y, (x ^ r) & (y ^ r))
  } else if (op == '+') {
    I64_LOOP(x + y, (x ^ r) & (y ^ r))
  } else {
    I64_LOOP(x - y, (x ^ y) & (x ^ r))
  }
  if (flags >> 63) find_i64_overflow(out, call, op);
}

void ls__ex_kernel_add_i64(ls_column *out, const ls_ex_call *call) {
  add_sub_i64(out, call, '+');
}
void ls__ex_kernel_sub_i64(ls_column *out, const ls_ex_call *call) {
  add_sub_i64(out, call, '-');
}

void ls__ex_kernel_mul_i64(ls_column *out, const ls_ex_call *call) {
  int64_t *values = out->values;
  for (int64_t i = 0; i < call->n; i++) {
    int64_t x = ls__vec_i64(&call->args[0], i), y = ls__vec_i64(&call->args[1], i);
    if (__builtin_mul_overflow(x, y, &values[i]) && ls__ex_live(call, i)) ls__ex_fail_fixed(out, call, i, overflow_int);
  }
}

static void div_mod_i64(ls_column *out, const ls_ex_call *call, char op) {
  int64_t *values = out->values;
  for (int64_t i = 0; i < call->n; i++) {
    int64_t x = ls__vec_i64(&call->args[0], i), y = ls__vec_i64(&call->args[1], i);
    if (!ls__ex_live(call, i)) continue;
    if (y == 0) {
      ls__ex_fail_fixed(out, call, i, division_by_zero);
    } else if (y == -1) { /* INT64_MIN / -1 traps */
      if (op == '/' && x == INT64_MIN) ls__ex_fail_fixed(out, call, i, overflow_int);
      if (op == '/' && x != INT64_MIN) values[i] = -x;
    } else {
      values[i] = op == '/' ? x / y : x % y;
    }
  }
}

void ls__ex_kernel_div_i64(ls_column *out, const ls_ex_call *call) {
  div_mod_i64(out, call, '/');
}
void ls__ex_kernel_mod_i64(ls_column *out, const ls_ex_call *call) {
  div_mod_i64(out, call, '%');
}

void ls__ex_kernel_neg_i64(ls_column *out, const ls_ex_call *call) {
  const int64_t *a = ls__column_i64(call->args[0].col);
  int64_t *values = out->values, am = call->args[0].mask;
  for (int64_t i = 0; i < call->n; i++) {
    values[i] = (int64_t)(0 - (uint64_t)a[i & am]);
    if (a[i & am] == INT64_MIN && ls__ex_live(call, i)) ls__ex_fail_fixed(out, call, i, overflow_int);
  }
}

/* -- float64 ----------------------------------------------------------------------------------- */

void ls__ex_kernel_arith_f64(ls_column *out, const ls_ex_call *call) {
  const double *a = ls__column_f64(call->args[0].col), *b = ls__column_f64(call->args[1].col);
  double *values = out->values;
  int64_t am = call->args[0].mask, bm = call->args[1].mask;
  char op = (char)call->node->variant;
  for (int64_t i = 0; i < call->n; i++) {
    double x = a[i & am], y = b[i & bm], r = 0;
    if (!ls__ex_live(call, i)) continue;
    if ((op == '/' || op == '%') && y == 0) {
      ls__ex_fail_fixed(out, call, i, division_by_zero);
      continue;
    }
    r = op == '+' ? x + y : op == '-' ? x - y : op == '*' ? x * y : op == '/' ? x / y : fmod(x, y);
    values[i] = r;
    if (!isfinite(r) && isfinite(x) && isfinite(y)) ls__ex_fail_fixed(out, call, i, "float64 overflow");
  }
}

void ls__ex_kernel_neg_f64(ls_column *out, const ls_ex_call *call) {
  const double *a = ls__column_f64(call->args[0].col);
  double *values = out->values;
  for (int64_t i = 0; i < call->n; i++) values[i] = -a[i & call->args[0].mask];
}

/* -- decimal ----------------------------------------------------------------------------------- */

static ls_uint128 raw_get(ls_i128 v) {
  return ((ls_uint128)(uint64_t)v.hi << 64) | v.lo;
}

/* The result type has room for every sum (precision below 38): plain 128-bit sums of aligned values
 * can't overflow. */
static void add_decimal_roomy(ls_column *out, const ls_ex_call *call, ls_uint128 fa, ls_uint128 fb) {
  const ls_i128 *a = ls__column_i128(call->args[0].col), *b = ls__column_i128(call->args[1].col);
  ls_i128 *values = out->values;
  int64_t am = call->args[0].mask, bm = call->args[1].mask;
  if (fa == 1 && (fb == 1 || fb == (ls_uint128)-1)) {
    bool minus = fb != 1;
    for (int64_t i = 0; i < call->n; i++) {
      ls_uint128 y = raw_get(b[i & bm]);
      values[i] = ls__i128_make((ls_int128)(raw_get(a[i & am]) + (minus ? 0 - y : y)));
    }
    return;
  }
  for (int64_t i = 0; i < call->n; i++) {
    values[i] = ls__i128_make((ls_int128)(raw_get(a[i & am]) * fa + raw_get(b[i & bm]) * fb));
  }
}

/* x * fx + y * fy, where the terms may need more than 128 bits though their sum does not. */
static int add_wide(ls_int128 *out, ls_int128 x, ls_int128 fx, ls_int128 y, ls_int128 fy) {
  ls_uint256 a = ls__u128_mul(ls__magnitude(x), (ls_uint128)fx);
  ls_uint256 b = ls__u128_mul(ls__magnitude(y), (ls_uint128)fy), r;
  bool negative = x < 0;
  if ((x < 0) == (y < 0)) {
    r.lo = a.lo + b.lo;
    r.hi = a.hi + b.hi + (r.lo < a.lo);
  } else {
    bool swap = a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo);
    ls_uint256 large = swap ? b : a, small = swap ? a : b;
    negative = swap ? y < 0 : x < 0;
    r.lo = large.lo - small.lo;
    r.hi = large.hi - small.hi - (large.lo < small.lo);
  }
  if (r.hi != 0 || r.lo >= (ls_uint128)ls__pow10[LS_DECIMAL_DIGITS_MAX]) return LS_EOVERFLOW;
  *out = negative ? -(ls_int128)r.lo : (ls_int128)r.lo;
  return LS_OK;
}

void ls__ex_kernel_addsub_decimal(ls_column *out, const ls_ex_call *call) {
  const ls_type *type = call->node->type;
  ls_int128 fa = ls__pow10[type->scale - call->args[0].col->type->scale];
  ls_int128 fb = ls__pow10[type->scale - call->args[1].col->type->scale];
  bool minus = call->node->variant == '-';
  ls_i128 *values = out->values;
  if (type->precision < LS_DECIMAL_DIGITS_MAX) {
    add_decimal_roomy(out, call, (ls_uint128)fa, minus ? 0 - (ls_uint128)fb : (ls_uint128)fb);
    return;
  }
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) continue;
    ls_int128 x = ls__vec_dec(&call->args[0], i), y = ls__vec_dec(&call->args[1], i), r = 0;
    int rc = add_wide(&r, x, fa, minus ? -y : y, fb);
    values[i] = ls__i128_make(r);
    if (rc != LS_OK) ls__ex_fail_fixed(out, call, i, overflow_decimal);
  }
}

/* x * y at a scale lower by `drop`, rounded half up; the product may need 256 bits. */
static int mul_wide(ls_int128 *out, ls_int128 x, ls_int128 y, int drop) {
  ls_uint256 product = ls__u128_mul(ls__magnitude(x), ls__magnitude(y));
  ls_uint128 divisor = (ls_uint128)ls__pow10[drop], quotient = 0, rest = 0;
  if (product.hi == 0) {
    quotient = product.lo / divisor;
    rest = product.lo % divisor;
  } else if (!ls__u256_divide(&quotient, &rest, product, divisor)) {
    return LS_EOVERFLOW;
  }
  if (drop > 0 && rest >= divisor - rest) quotient++;
  if (quotient >= (ls_uint128)ls__pow10[LS_DECIMAL_DIGITS_MAX]) return LS_EOVERFLOW;
  *out = (x < 0) != (y < 0) ? -(ls_int128)quotient : (ls_int128)quotient;
  return LS_OK;
}

static bool fits_64(ls_i128 v) {
  return v.hi == (int64_t)v.lo >> 63;
}

void ls__ex_kernel_mul_decimal(ls_column *out, const ls_ex_call *call) {
  const ls_type *type = call->node->type;
  const ls_i128 *a = ls__column_i128(call->args[0].col), *b = ls__column_i128(call->args[1].col);
  int64_t am = call->args[0].mask, bm = call->args[1].mask;
  int drop = call->args[0].col->type->scale + call->args[1].col->type->scale - type->scale;
  bool roomy = drop == 0 && type->precision < LS_DECIMAL_DIGITS_MAX;
  ls_i128 *values = out->values;
  for (int64_t i = 0; i < call->n; i++) {
    ls_i128 x = a[i & am], y = b[i & bm];
    if (roomy) {
      /* two values of 64 bits make one multiplication of 64 by 64 */
      if (fits_64(x) && fits_64(y)) {
        values[i] = ls__i128_make((ls_int128)(int64_t)x.lo * (int64_t)y.lo);
      } else {
        values[i] = ls__i128_make((ls_int128)(raw_get(x) * raw_get(y)));
      }
      continue;
    }
    ls_int128 r = 0;
    if (!ls__ex_live(call, i)) continue;
    int rc = mul_wide(&r, ls__i128_get(x), ls__i128_get(y), drop);
    values[i] = ls__i128_make(r);
    if (rc != LS_OK) ls__ex_fail_fixed(out, call, i, overflow_decimal);
  }
}

/* The rest always fits the result's type; x at the common scale may need 256 bits on the way. */
static int mod_decimal(ls_int128 *out, ls_int128 x, int sx, ls_int128 y, int sy, int scale) {
  ls_int128 aligned = 0;
  ls_uint128 quotient = 0, rest = 0;
  if (y == 0) return LS_EDATA;
  /* y too large to be written at the common scale: it is larger than x, which has that scale */
  if (ls__decimal_rescale(&aligned, y, sy, scale, LS_DECIMAL_DIGITS_MAX, LS_ROUND_EXACT) != LS_OK) {
    *out = x;
    return LS_OK;
  }
  ls_uint128 divisor = ls__magnitude(aligned);
  ls_uint256 dividend = ls__u128_mul(ls__magnitude(x), (ls_uint128)ls__pow10[scale - sx]);
  if (dividend.hi == 0) {
    rest = dividend.lo % divisor;
  } else {
    dividend.hi %= divisor; /* makes room for the quotient, and leaves the rest as it is */
    if (!ls__u256_divide(&quotient, &rest, dividend, divisor)) return LS_EOVERFLOW;
  }
  *out = x < 0 ? -(ls_int128)rest : (ls_int128)rest;
  return LS_OK;
}

void ls__ex_kernel_divmod_decimal(ls_column *out, const ls_ex_call *call) {
  const ls_type *type = call->node->type;
  int sa = call->args[0].col->type->scale, sb = call->args[1].col->type->scale;
  ls_i128 *values = out->values;
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) continue;
    ls_int128 x = ls__vec_dec(&call->args[0], i), y = ls__vec_dec(&call->args[1], i), r = 0;
    int rc = call->node->variant == '/' ? ls__decimal_div(&r, x, sa, y, sb, type->scale)
                                        : mod_decimal(&r, x, sa, y, sb, type->scale);
    values[i] = ls__i128_make(r);
    if (rc != LS_OK) ls__ex_fail_fixed(out, call, i, y == 0 ? division_by_zero : overflow_decimal);
  }
}

void ls__ex_kernel_neg_decimal(ls_column *out, const ls_ex_call *call) {
  const ls_i128 *a = ls__column_i128(call->args[0].col);
  ls_i128 *values = out->values;
  for (int64_t i = 0; i < call->n; i++) values[i] = ls__i128_make((ls_int128)(0 - raw_get(a[i & call->args[0].mask])));
}

/* -- times ------------------------------------------------------------------------------------- */

bool ls__ex_timestamp_in_range(int64_t us) {
  return us >= LS_TIMESTAMP_US_MIN && us <= LS_TIMESTAMP_US_MAX;
}

static void add_to_date(ls_column *out, const ls_ex_call *call, int64_t row, int64_t shift) {
  int64_t days = ls__column_i32(call->args[0].col)[row & call->args[0].mask];
  if (shift % LS_US_PER_DAY != 0) {
    ls__ex_fail_fixed(out, call, row, "a date moves by whole days: CAST it AS timestamp to add less");
    return;
  }
  if (__builtin_add_overflow(days, shift / LS_US_PER_DAY, &days) ||
      !ls__ex_timestamp_in_range(days < -800000 || days > 3000000 ? INT64_MAX : days * LS_US_PER_DAY)) {
    ls__ex_fail_fixed(out, call, row, "the date leaves the years 0001 to 9999");
    return;
  }
  ((int32_t *)out->values)[row] = (int32_t)days;
}

void ls__ex_kernel_date_add(ls_column *out, const ls_ex_call *call) {
  int64_t *values = out->values;
  bool is_date = call->node->type->kind == LS_DATE;
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) continue;
    int64_t shift = ls__vec_i64(&call->args[1], i), r = 0;
    if (call->node->variant == '-' && __builtin_sub_overflow((int64_t)0, shift, &shift)) {
      ls__ex_fail_fixed(out, call, i, overflow_int);
    } else if (is_date) {
      add_to_date(out, call, i, shift);
    } else if (__builtin_add_overflow(ls__vec_i64(&call->args[0], i), shift, &r) || !ls__ex_timestamp_in_range(r)) {
      ls__ex_fail_fixed(out, call, i, "the timestamp leaves the years 0001 to 9999");
    } else {
      values[i] = r;
    }
  }
}
