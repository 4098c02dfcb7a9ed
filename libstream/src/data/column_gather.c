/**
 * @file column_gather.c
 * Copying rows between columns of one type: by row number, by range, by the single row. Sizes are
 * summed first, memory is grown once, then bytes move. Sources may be views with anything under
 * their nulls; targets get zeros there.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "data/batch.h"

static inline bool source_valid(const ls_column *src, int64_t row) {
  return row >= 0 && !ls__is_null(src, row);
}

/* Whether some row number is -1: the sign bit of their union. */
static bool any_missing(const int32_t *rows, int64_t n) {
  uint32_t all = 0;
  for (int64_t i = 0; i < n; i++) all |= (uint32_t)rows[i];
  return all >> 31;
}

/* Writes validity of n new rows; false, and no bitmap made, when none of them is null. */
static bool gather_validity(ls_column *column, const ls_column *src, const int32_t *rows, int64_t n) {
  int64_t first = column->n_rows;
  uint64_t *had = column->validity;
  if (!had) {
    int64_t i = 0;
    while (i < n && source_valid(src, rows[i])) i++;
    if (i == n) return false;
    size_t n_words = (size_t)LS_BIT_WORDS(column->capacity_rows);
    column->validity = ls__arena_zalloc(column->arena, n_words * 8);
    ls__bits_fill(column->validity, 0, first, true);
  }
  uint64_t word = first & 63 ? column->validity[first >> 6] : 0, n_nulls = 0;
  if (first & 63) word &= (UINT64_C(1) << (first & 63)) - 1;
  for (int64_t i = 0; i < n; i++) {
    uint64_t valid = source_valid(src, rows[i]);
    int64_t at = first + i;
    word |= valid << (at & 63);
    n_nulls += 1 - valid;
    if ((at & 63) == 63) {
      column->validity[at >> 6] = word;
      word = 0;
    }
  }
  if ((first + n) & 63) column->validity[(first + n) >> 6] = word;
  return n_nulls > 0;
}

static void mark_valid(ls_column *column, int64_t n) {
  if (column->validity) ls__bits_fill(column->validity, column->n_rows, n, true);
}

/* -- fixed widths: `width` is a constant where this is inlined --------------------------------- */

static inline void copy_fixed(char *dst, const char *src, const int32_t *rows, int64_t n, size_t width) {
  for (int64_t i = 0; i < n; i++) memcpy(dst + (size_t)i * width, src + (size_t)rows[i] * width, width);
}

static inline void copy_fixed_or_zero(char *dst, const ls_column *src, const int32_t *rows, int64_t n, size_t width) {
  const char *from = src->values;
  for (int64_t i = 0; i < n; i++) {
    if (source_valid(src, rows[i])) {
      memcpy(dst + (size_t)i * width, from + (size_t)rows[i] * width, width);
    } else {
      memset(dst + (size_t)i * width, 0, width);
    }
  }
}

static void gather_fixed(ls_column *column, const ls_column *src, const int32_t *rows, int64_t n, bool nulls) {
  size_t width = ls__type_width(column->type);
  char *dst = (char *)column->values + (size_t)column->n_rows * width;
  switch (width) {
  case 4:
    if (nulls) {
      copy_fixed_or_zero(dst, src, rows, n, 4);
    } else {
      copy_fixed(dst, src->values, rows, n, 4);
    }
    break;
  case 8:
    if (nulls) {
      copy_fixed_or_zero(dst, src, rows, n, 8);
    } else {
      copy_fixed(dst, src->values, rows, n, 8);
    }
    break;
  default:
    if (nulls) {
      copy_fixed_or_zero(dst, src, rows, n, 16);
    } else {
      copy_fixed(dst, src->values, rows, n, 16);
    }
  }
}

static void gather_bool(ls_column *column, const ls_column *src, const int32_t *rows, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    int64_t at = column->n_rows + i;
    if (source_valid(src, rows[i]) && LS_BIT_GET(src->values, rows[i])) {
      LS_BIT_SET(column->values, at);
    } else {
      LS_BIT_CLEAR(column->values, at);
    }
  }
}

/* -- variable widths --------------------------------------------------------------------------- */

/* Offsets of n new rows after those of the column; returns how many bytes or elements they hold. */
static int64_t gather_offsets(ls_column *column, const ls_column *src, const int32_t *rows, int64_t n, bool nulls) {
  int32_t *offsets = column->offsets + column->n_rows;
  const int32_t *from = src->offsets;
  int64_t end = offsets[0];
  for (int64_t i = 0; i < n; i++) {
    int64_t r = rows[i];
    if (!nulls || source_valid(src, r)) end += from[r + 1] - from[r];
    ls_assert(end <= INT32_MAX);
    offsets[i + 1] = (int32_t)end;
  }
  return end - offsets[0];
}

static void gather_strings(ls_column *column, const ls_column *src, const int32_t *rows, int64_t n, bool nulls) {
  ls__column_reserve_bytes(column, gather_offsets(column, src, rows, n, nulls));
  const int32_t *offsets = column->offsets + column->n_rows;
  char *dst = column->values;
  const char *from = src->values;
  for (int64_t i = 0; i < n; i++) {
    size_t len = (size_t)(offsets[i + 1] - offsets[i]);
    if (len) ls__copy_short(dst + offsets[i], from + src->offsets[rows[i]], len); /* a null may be row -1 */
  }
}

static void gather_lists(ls_column *column, const ls_column *src, const int32_t *rows, int64_t n, bool nulls) {
  int64_t n_elements = gather_offsets(column, src, rows, n, nulls), at = 0;
  const int32_t *offsets = column->offsets + column->n_rows;
  ls_column *child = &column->children[0];
  ls_assert(child->n_rows == offsets[0]);
  int32_t *elements = ls__alloc((size_t)n_elements * sizeof *elements);
  for (int64_t i = 0; i < n; i++)
    for (int32_t k = 0, len = offsets[i + 1] - offsets[i]; k < len; k++) elements[at++] = src->offsets[rows[i]] + k;
  ls__column_gather(child, &src->children[0], elements, n_elements);
  ls__free(elements);
}

/* Fields of a null struct are null: such rows are gathered as -1. */
static void gather_structs(ls_column *column, const ls_column *src, const int32_t *rows, int64_t n, bool nulls) {
  int32_t *own = NULL;
  if (nulls) {
    own = ls__alloc((size_t)n * sizeof *own);
    for (int64_t i = 0; i < n; i++) own[i] = source_valid(src, rows[i]) ? rows[i] : -1;
  }
  for (uint32_t i = 0; i < column->type->n_fields; i++)
    ls__column_gather(&column->children[i], &src->children[i], own ? own : rows, n);
  ls__free(own);
}

void ls__column_gather(ls_column *column, const ls_column *src, const int32_t *rows, int64_t n) {
  if (n <= 0) return;
  ls_assert(column != src && column->type->kind == src->type->kind);
  ls__column_reserve(column, n);
  bool nulls = false;
  if (src->validity || any_missing(rows, n)) {
    nulls = gather_validity(column, src, rows, n);
  } else {
    mark_valid(column, n);
  }
  switch (column->type->kind) {
  case LS_BOOL:
    gather_bool(column, src, rows, n);
    break;
  case LS_STRING:
  case LS_BYTES:
    gather_strings(column, src, rows, n, nulls);
    break;
  case LS_LIST:
    gather_lists(column, src, rows, n, nulls);
    break;
  case LS_STRUCT:
    gather_structs(column, src, rows, n, nulls);
    break;
  default:
    gather_fixed(column, src, rows, n, nulls);
  }
  column->n_rows += n;
}

/* -- ranges ------------------------------------------------------------------------------------ */

static bool range_has_null(const ls_column *src, int64_t first, int64_t n) {
  if (!src->validity) return false;
  for (int64_t i = first, end = first + n; i < end;) {
    uint64_t rest = ~src->validity[i >> 6] >> (i & 63);
    int64_t in_word = 64 - (i & 63);
    if (in_word > end - i) rest &= (UINT64_C(1) << (end - i)) - 1;
    if (rest) return true;
    i += in_word;
  }
  return false;
}

/* Whether the nulls of a range hold nothing, as those of columns built here: then it can be copied. */
static bool nulls_are_empty(const ls_column *src, int64_t first, int64_t n) {
  static const char zeros[16] = {0};
  size_t width = ls__type_width(src->type);
  ls_kind kind = src->type->kind;
  if (!width && kind != LS_STRING && kind != LS_BYTES) return false;
  for (int64_t row = first; row < first + n; row++) {
    if (LS_BIT_GET(src->validity, row)) continue;
    if (width ? memcmp((const char *)src->values + (size_t)row * width, zeros, width) != 0
              : src->offsets[row] != src->offsets[row + 1])
      return false;
  }
  return true;
}

/* Validity of n new rows, some of which are null; room is there. */
static void range_validity(ls_column *column, const ls_column *src, int64_t first, int64_t n) {
  if (!column->validity) {
    column->validity = ls__arena_zalloc(column->arena, (size_t)LS_BIT_WORDS(column->capacity_rows) * 8);
    ls__bits_fill(column->validity, 0, column->n_rows, true);
  }
  ls__bits_fill(column->validity, column->n_rows, n, true);
  for (int64_t i = 0; i < n; i++) {
    if (!LS_BIT_GET(src->validity, first + i)) LS_BIT_CLEAR(column->validity, column->n_rows + i);
  }
}

static void gather_range(ls_column *column, const ls_column *src, int64_t first, int64_t n) {
  int32_t *rows = ls__alloc((size_t)n * sizeof *rows);
  for (int64_t i = 0; i < n; i++) rows[i] = (int32_t)(first + i);
  ls__column_gather(column, src, rows, n);
  ls__free(rows);
}

static void range_offsets(ls_column *column, const ls_column *src, int64_t first, int64_t n) {
  int32_t *offsets = column->offsets + column->n_rows;
  const int32_t *from = src->offsets + first;
  int64_t shift = (int64_t)offsets[0] - from[0];
  ls_assert(from[n] + shift <= INT32_MAX);
  for (int64_t i = 1; i <= n; i++) offsets[i] = (int32_t)(from[i] + shift);
}

void ls__column_append_range(ls_column *column, const ls_column *src, int64_t first, int64_t n) {
  if (n <= 0) return;
  ls_kind kind = column->type->kind;
  ls_assert(column != src && kind == src->type->kind);
  bool nulls = range_has_null(src, first, n);
  if (kind == LS_BOOL || (nulls && !nulls_are_empty(src, first, n))) {
    gather_range(column, src, first, n);
    return;
  }
  size_t width = ls__type_width(column->type);
  ls__column_reserve(column, n);
  if (nulls) {
    range_validity(column, src, first, n);
  } else {
    mark_valid(column, n);
  }
  if (width)
    memcpy((char *)column->values + (size_t)column->n_rows * width, (const char *)src->values + (size_t)first * width,
           (size_t)n * width);
  if (kind == LS_STRING || kind == LS_BYTES) {
    int32_t start = src->offsets[first];
    size_t n_bytes = (size_t)(src->offsets[first + n] - start);
    ls__column_reserve_bytes(column, (int64_t)n_bytes);
    if (n_bytes)
      memcpy((char *)column->values + column->offsets[column->n_rows], (const char *)src->values + start, n_bytes);
    range_offsets(column, src, first, n);
  }
  if (kind == LS_LIST) {
    int32_t start = src->offsets[first];
    ls_assert(column->children[0].n_rows == column->offsets[column->n_rows]);
    range_offsets(column, src, first, n);
    ls__column_append_range(&column->children[0], &src->children[0], start, src->offsets[first + n] - start);
  }
  if (kind == LS_STRUCT)
    for (uint32_t i = 0; i < column->type->n_fields; i++)
      ls__column_append_range(&column->children[i], &src->children[i], first, n);
  column->n_rows += n;
}

void ls__column_append_all(ls_column *column, const ls_column *src) {
  ls__column_append_range(column, src, 0, src->n_rows);
}

void ls__column_append_from(ls_column *column, const ls_column *src, int64_t row) {
  if (ls__is_null(src, row)) {
    ls__column_append_null(column);
    return;
  }
  switch (column->type->kind) {
  case LS_BOOL:
    ls__column_append_bool(column, LS_BIT_GET(src->values, row));
    break;
  case LS_INT64:
  case LS_TIMESTAMP:
    ls__column_append_i64(column, ls__column_i64(src)[row]);
    break;
  case LS_FLOAT64:
    ls__column_append_f64(column, ls__column_f64(src)[row]);
    break;
  case LS_DATE:
    ls__column_append_i32(column, ls__column_i32(src)[row]);
    break;
  case LS_DECIMAL:
    ls__column_append_decimal(column, ls__i128_get(ls__column_i128(src)[row]));
    break;
  case LS_STRING:
  case LS_BYTES:
    ls__column_append_slice(column, ls__column_slice(src, row));
    break;
  default:
    ls__column_append_range(column, src, row, 1);
  }
}
