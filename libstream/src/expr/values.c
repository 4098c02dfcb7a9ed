/** @file values.c  The order of values: one for comparisons, GREATEST and list_sort. */
#include "expr/ex.h"

#include <math.h>

bool ls__ex_orderable(const ls_type *type) {
  return type->kind != LS_LIST && type->kind != LS_STRUCT;
}

static int cmp_f64(double a, double b) {
  if (isnan(a) || isnan(b)) return isnan(a) - isnan(b);
  return a < b ? -1 : a > b;
}

int ls__ex_value_cmp(const ls_column *a, int64_t row_a, const ls_column *b, int64_t row_b) {
  switch (a->type->kind) {
  case LS_BOOL:
    return (int)LS_BIT_GET(a->values, row_a) - (int)LS_BIT_GET(b->values, row_b);
  case LS_FLOAT64:
    return cmp_f64(ls__column_f64(a)[row_a], ls__column_f64(b)[row_b]);
  case LS_DECIMAL:
    return ls__decimal_cmp(ls__i128_get(ls__column_i128(a)[row_a]), a->type->scale,
                           ls__i128_get(ls__column_i128(b)[row_b]), b->type->scale);
  case LS_STRING:
  case LS_BYTES:
    return ls__slice_cmp(ls__column_slice(a, row_a), ls__column_slice(b, row_b));
  case LS_DATE: {
    int32_t x = ls__column_i32(a)[row_a], y = ls__column_i32(b)[row_b];
    return x < y ? -1 : x > y;
  }
  default: {
    int64_t x = ls__column_i64(a)[row_a], y = ls__column_i64(b)[row_b];
    return x < y ? -1 : x > y;
  }
  }
}
