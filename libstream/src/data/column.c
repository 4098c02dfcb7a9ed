/**
 * @file column.c
 * Building columns row by row. Capacity doubles; what is grown stays in the arena (see arena.h).
 * Bits are written one way or the other for each row, so that a cleared column can be refilled.
 */
#include <string.h>

#include "base/assert.h"
#include "data/batch.h"

#define COLUMN_ROWS_MIN  16
#define COLUMN_BYTES_MIN 64

static bool has_offsets(ls_kind kind) {
  return kind == LS_STRING || kind == LS_BYTES || kind == LS_LIST;
}

static size_t bit_bytes(int64_t n_rows) {
  return (size_t)LS_BIT_WORDS(n_rows) * 8;
}

void ls__bits_fill(uint64_t *bits, int64_t first, int64_t n, bool value) {
  for (int64_t i = first, end = first + n; i < end;) {
    int64_t bit = i & 63, in_word = 64 - bit < end - i ? 64 - bit : end - i;
    uint64_t mask = (in_word == 64 ? ~UINT64_C(0) : (UINT64_C(1) << in_word) - 1) << bit;
    if (value) {
      bits[i >> 6] |= mask;
    } else {
      bits[i >> 6] &= ~mask;
    }
    i += in_word;
  }
}

static void *grow_bits(ls_column *column, void *bits, int64_t capacity) {
  size_t old_bytes = bit_bytes(column->capacity_rows), new_bytes = bit_bytes(capacity);
  char *grown = ls__arena_regrow(column->arena, bits, bits ? old_bytes : 0, new_bytes);
  if (new_bytes > old_bytes) memset(grown + old_bytes, 0, new_bytes - old_bytes);
  return grown;
}

static void grow_rows(ls_column *column, int64_t capacity) {
  ls_assert(column->arena); /* a view can't grow */
  ls_kind kind = column->type->kind;
  size_t width = ls__type_width(column->type), n_old = (size_t)column->capacity_rows;
  size_t n_new = (size_t)capacity;
  if (kind == LS_BOOL) column->values = grow_bits(column, column->values, capacity);
  if (width) column->values = ls__arena_regrow(column->arena, column->values, n_old * width, n_new * width);
  if (has_offsets(kind))
    column->offsets =
        ls__arena_regrow(column->arena, column->offsets, column->offsets ? (n_old + 1) * sizeof(int32_t) : 0,
                         (n_new + 1) * sizeof(int32_t));
  if (column->validity) column->validity = grow_bits(column, column->validity, capacity);
  column->capacity_rows = capacity;
}

void ls__column_reserve(ls_column *column, int64_t n_more) {
  int64_t needed = column->n_rows + n_more;
  if (needed <= column->capacity_rows) return;
  int64_t capacity = column->capacity_rows * 2;
  if (capacity < COLUMN_ROWS_MIN) capacity = COLUMN_ROWS_MIN;
  grow_rows(column, capacity < needed ? needed : capacity);
}

void ls__column_reserve_bytes(ls_column *column, int64_t n_more) {
  int64_t needed = column->offsets[column->n_rows] + n_more;
  if (needed <= column->capacity_bytes) return;
  ls_assert(column->arena && needed <= INT32_MAX); /* batches are bounded far below 2 GiB */
  int64_t capacity = column->capacity_bytes * 2;
  if (capacity < COLUMN_BYTES_MIN) capacity = COLUMN_BYTES_MIN;
  if (capacity < needed) capacity = needed;
  column->values = ls__arena_regrow(column->arena, column->values, (size_t)column->capacity_bytes, (size_t)capacity);
  column->capacity_bytes = capacity;
}

void ls__column_init(ls_column *column, const ls_type *type, ls_arena *arena, int64_t capacity_rows) {
  memset(column, 0, sizeof *column);
  column->type = type;
  column->arena = arena;
  grow_rows(column, capacity_rows > 0 ? capacity_rows : 0);
  if (has_offsets(type->kind)) column->offsets[0] = 0;
  if (type->kind == LS_LIST) {
    column->children = LS_ARENA_ARRAY(arena, ls_column, 1);
    ls__column_init(&column->children[0], type->element, arena, capacity_rows);
  } else if (type->kind == LS_STRUCT) {
    column->children = LS_ARENA_ARRAY(arena, ls_column, type->n_fields);
    for (uint32_t i = 0; i < type->n_fields; i++)
      ls__column_init(&column->children[i], type->fields[i].type, arena, capacity_rows);
  }
}

static uint32_t n_children(const ls_column *column) {
  if (column->type->kind == LS_LIST) return 1;
  return column->type->kind == LS_STRUCT ? column->type->n_fields : 0;
}

void ls__column_clear(ls_column *column) {
  /* the bitmap is kept: a batch that is refilled for ever must not take a new one each time */
  if (column->validity) ls__bits_fill(column->validity, 0, column->n_rows, false);
  if (column->type->kind == LS_BOOL) ls__bits_fill(column->values, 0, column->n_rows, false);
  column->n_rows = 0;
  for (uint32_t i = 0; i < n_children(column); i++) ls__column_clear(&column->children[i]);
}

static void ensure_validity(ls_column *column) {
  if (column->validity) return;
  ls_assert(column->arena);
  column->validity = ls__arena_zalloc(column->arena, bit_bytes(column->capacity_rows));
  ls__bits_fill(column->validity, 0, column->n_rows, true);
}

/* Rows under a null and rows that were dropped hold zeros: see the invariants in batch.h. */
static void zero_rows(ls_column *column, int64_t first, int64_t n) {
  size_t width = ls__type_width(column->type);
  if (n == 0) return;
  if (width) memset((char *)column->values + (size_t)first * width, 0, (size_t)n * width);
  if (column->type->kind == LS_BOOL) ls__bits_fill(column->values, first, n, false);
}

void ls__column_resize(ls_column *column, int64_t n_rows) {
  int64_t old = column->n_rows, n_new = n_rows - old;
  if (n_new <= 0) {
    if (column->type->kind == LS_BOOL) ls__bits_fill(column->values, n_rows, -n_new, false);
    if (column->validity) ls__bits_fill(column->validity, n_rows, -n_new, false);
  } else {
    if (n_rows > column->capacity_rows) ls__column_reserve(column, n_new);
    zero_rows(column, old, n_new);
    if (column->validity) ls__bits_fill(column->validity, old, n_new, true);
    if (column->offsets)
      for (int64_t i = old; i < n_rows; i++) column->offsets[i + 1] = column->offsets[old];
  }
  column->n_rows = n_rows;
  if (column->type->kind == LS_STRUCT)
    for (uint32_t i = 0; i < n_children(column); i++) ls__column_resize(&column->children[i], n_rows);
  if (column->type->kind == LS_LIST && n_new < 0) ls__column_resize(&column->children[0], column->offsets[n_rows]);
}

/* -- appending one row ------------------------------------------------------------------------- */

/* Room for a row, and its validity bit; the caller writes the value and counts the row. */
static inline void begin_row(ls_column *column) {
  if (column->n_rows == column->capacity_rows) ls__column_reserve(column, 1);
  if (column->validity) LS_BIT_SET(column->validity, column->n_rows);
}

void ls__column_append_null(ls_column *column) {
  if (column->n_rows == column->capacity_rows) ls__column_reserve(column, 1);
  ensure_validity(column);
  LS_BIT_CLEAR(column->validity, column->n_rows);
  zero_rows(column, column->n_rows, 1);
  if (column->offsets) column->offsets[column->n_rows + 1] = column->offsets[column->n_rows];
  if (column->type->kind == LS_STRUCT)
    for (uint32_t i = 0; i < n_children(column); i++) ls__column_append_null(&column->children[i]);
  column->n_rows++;
}

static void mark_null(ls_column *column, int64_t first, int64_t n) {
  ensure_validity(column);
  ls__bits_fill(column->validity, first, n, false);
  if (column->type->kind == LS_STRUCT)
    for (uint32_t i = 0; i < n_children(column); i++) mark_null(&column->children[i], first, n);
}

void ls__column_append_nulls(ls_column *column, int64_t n) {
  if (n <= 0) return;
  ls__column_resize(column, column->n_rows + n);
  mark_null(column, column->n_rows - n, n);
}

void ls__column_append_bool(ls_column *column, bool value) {
  begin_row(column);
  if (value) {
    LS_BIT_SET(column->values, column->n_rows);
  } else {
    LS_BIT_CLEAR(column->values, column->n_rows);
  }
  column->n_rows++;
}

void ls__column_append_i64(ls_column *column, int64_t value) {
  begin_row(column);
  ((int64_t *)column->values)[column->n_rows++] = value;
}

void ls__column_append_f64(ls_column *column, double value) {
  begin_row(column);
  ((double *)column->values)[column->n_rows++] = value;
}

void ls__column_append_i32(ls_column *column, int32_t value) {
  begin_row(column);
  ((int32_t *)column->values)[column->n_rows++] = value;
}

void ls__column_append_decimal(ls_column *column, ls_int128 value) {
  begin_row(column);
  ((ls_i128 *)column->values)[column->n_rows++] = ls__i128_make(value);
}

void ls__column_append_slice(ls_column *column, ls_slice value) {
  begin_row(column);
  int32_t offset = column->offsets[column->n_rows];
  if ((int64_t)value.len > column->capacity_bytes - offset) ls__column_reserve_bytes(column, (int64_t)value.len);
  if (value.len > 0)
    ls__copy_short((char *)column->values + offset, value.ptr, value.len); /* NULL + 0 is not defined */
  column->n_rows++;
  column->offsets[column->n_rows] = offset + (int32_t)value.len;
}

void ls__column_append_list_end(ls_column *column) {
  begin_row(column);
  ls_assert(column->children[0].n_rows <= INT32_MAX);
  column->n_rows++;
  column->offsets[column->n_rows] = (int32_t)column->children[0].n_rows;
}

void ls__column_append_struct_end(ls_column *column) {
  begin_row(column);
  column->n_rows++;
  for (uint32_t i = 0; i < n_children(column); i++) ls_assert(column->children[i].n_rows == column->n_rows);
}

/* Takes the bytes of one row out of the middle of a STRING or BYTES column. */
static void drop_bytes(ls_column *column, int64_t row) {
  int32_t *offsets = column->offsets, gap = offsets[row + 1] - offsets[row];
  char *bytes = column->values;
  if (gap == 0) return;
  memmove(bytes + offsets[row], bytes + offsets[row + 1], (size_t)(offsets[column->n_rows] - offsets[row + 1]));
  for (int64_t i = row + 1; i <= column->n_rows; i++) offsets[i] -= gap;
}

void ls__column_set_null(ls_column *column, int64_t row) {
  ls_kind kind = column->type->kind;
  ensure_validity(column);
  LS_BIT_CLEAR(column->validity, row);
  zero_rows(column, row, 1);
  if (kind == LS_STRING || kind == LS_BYTES) drop_bytes(column, row);
  if (kind == LS_STRUCT)
    for (uint32_t i = 0; i < n_children(column); i++) ls__column_set_null(&column->children[i], row);
  if (kind == LS_LIST && row + 1 == column->n_rows) {
    /* elements of an earlier row stay behind the null, unseen */
    ls__column_resize(&column->children[0], column->offsets[row]);
    column->offsets[row + 1] = column->offsets[row];
  }
}
