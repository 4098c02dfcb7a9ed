/**
 * @file kernels_compare.c
 * Comparisons: 64 rows make one word of the result. A constant stands on the right side, if
 * anywhere.
 */
#include "expr/ex.h"

#include "data/decimal_wide.h"

/* Fills out's bits from TEST over rows i. */
#define WORD_LOOP(TEST)                                                                                                \
  for (int64_t w = 0; w < LS_BIT_WORDS(n); w++) {                                                                      \
    uint64_t word = 0;                                                                                                 \
    int64_t first = w * 64, count = n - first < 64 ? n - first : 64;                                                   \
    for (int64_t j = 0; j < count; j++) {                                                                              \
      int64_t i = first + j;                                                                                           \
      word |= (uint64_t)(TEST) << j;                                                                                   \
    }                                                                                                                  \
    bits[w] = word;                                                                                                    \
  }

#define CASES(X, Y)                                                                                                    \
  switch (op) {                                                                                                        \
  case LS_CMP_EQ:                                                                                                      \
    WORD_LOOP((X) == (Y)) break;                                                                                       \
  case LS_CMP_NE:                                                                                                      \
    WORD_LOOP((X) != (Y)) break;                                                                                       \
  case LS_CMP_LT:                                                                                                      \
    WORD_LOOP((X) < (Y)) break;                                                                                        \
  case LS_CMP_LE:                                                                                                      \
    WORD_LOOP((X) <= (Y)) break;                                                                                       \
  case LS_CMP_GT:                                                                                                      \
    WORD_LOOP((X) > (Y)) break;                                                                                        \
  case LS_CMP_GE:                                                                                                      \
    WORD_LOOP((X) >= (Y)) break;                                                                                       \
  }

#define COMPARE_FIXED(NAME, TYPE)                                                                                      \
  static void NAME(uint64_t *bits, const TYPE *a, const TYPE *b, int64_t bm, int64_t n, ls_compare op) {               \
    if (bm) {                                                                                                          \
      CASES(a[i], b[i])                                                                                                \
    } else {                                                                                                           \
      const TYPE y = b[0];                                                                                             \
      CASES(a[i], y)                                                                                                   \
    }                                                                                                                  \
  }

COMPARE_FIXED(compare_i64, int64_t)
COMPARE_FIXED(compare_i32, int32_t)
COMPARE_FIXED(compare_f64, double)

static void compare_i128(uint64_t *bits, const ls_i128 *a, const ls_i128 *b, int64_t bm, int64_t n, ls_compare op) {
  if (bm) {
    CASES(ls__i128_get(a[i]), ls__i128_get(b[i]))
  } else {
    const ls_int128 y = ls__i128_get(b[0]);
    CASES(ls__i128_get(a[i]), y)
  }
}

static void compare_scales(uint64_t *bits, const ls_vec *a, const ls_vec *b, int64_t n, ls_compare op) {
  int sa = a->col->type->scale, sb = b->col->type->scale;
  CASES(ls__decimal_cmp(ls__vec_dec(a, i), sa, ls__vec_dec(b, i), sb), 0)
}

static bool slices_equal(ls_slice a, ls_slice b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static void compare_text(uint64_t *bits, const ls_vec *a, const ls_vec *b, int64_t n, ls_compare op) {
  if (op == LS_CMP_EQ || op == LS_CMP_NE) {
    bool want = op == LS_CMP_EQ;
    if (b->mask == 0) {
      ls_slice y = ls__column_slice(b->col, 0);
      WORD_LOOP(slices_equal(ls__vec_slice(a, i), y) == want)
    } else {
      WORD_LOOP(slices_equal(ls__vec_slice(a, i), ls__vec_slice(b, i)) == want)
    }
    return;
  }
  CASES(ls__slice_cmp(ls__vec_slice(a, i), ls__vec_slice(b, i)), 0)
}

static void compare_nested(uint64_t *bits, const ls_vec *a, const ls_vec *b, int64_t n, ls_compare op) {
  bool want = op == LS_CMP_EQ;
  WORD_LOOP(ls__column_value_eq(a->col, i & a->mask, b->col, i & b->mask) == want)
}

void ls__ex_kernel_compare(ls_column *out, const ls_ex_call *call) {
  const ls_vec *a = &call->args[0], *b = &call->args[1];
  ls_compare op = (ls_compare)call->node->variant;
  uint64_t *bits = out->values;
  int64_t n = call->n;
  if (n == 0) return;
  switch (a->col->type->kind) {
  case LS_INT64:
  case LS_TIMESTAMP:
    compare_i64(bits, ls__column_i64(a->col), ls__column_i64(b->col), b->mask, n, op);
    break;
  case LS_DATE:
    compare_i32(bits, ls__column_i32(a->col), ls__column_i32(b->col), b->mask, n, op);
    break;
  case LS_FLOAT64:
    compare_f64(bits, ls__column_f64(a->col), ls__column_f64(b->col), b->mask, n, op);
    break;
  case LS_DECIMAL:
    if (a->col->type->scale == b->col->type->scale) {
      compare_i128(bits, ls__column_i128(a->col), ls__column_i128(b->col), b->mask, n, op);
    } else {
      compare_scales(bits, a, b, n, op);
    }
    break;
  case LS_STRING:
  case LS_BYTES:
    compare_text(bits, a, b, n, op);
    break;
  case LS_BOOL:
    CASES(LS_BIT_GET(a->col->values, i), LS_BIT_GET(b->col->values, i & b->mask)) break;
  default:
    compare_nested(bits, a, b, n, op);
  }
}
