/**
 * @file row.c
 * Rows as bytes. Null bits, then slots grouped by size (16, 8, 4, 1) so that each is aligned in an
 * aligned row; readers copy them out and do not rely on it. Lists and structs are written into the
 * tail value by value, each with a byte that says whether it is there.
 */
#include "data/row.h"

#include <string.h>

#include "base/assert.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "rows are written as the host holds numbers: little-endian"
#endif

typedef struct row_ref { /* place of a variable value, from the start of the row */
  uint32_t offset, len;
} row_ref;

static uint32_t slot_bytes(const ls_type *type) {
  if (type->kind == LS_BOOL) return 1;
  size_t width = ls__type_width(type);
  return width ? (uint32_t)width : (uint32_t)sizeof(row_ref);
}

void ls__row_layout_init(ls_row_layout *layout, const ls_schema *schema, ls_arena *arena) {
  static const uint32_t sizes[] = {16, 8, 4, 1};
  uint32_t at = (schema->n_fields + 63) / 64 * 8;
  layout->schema = schema;
  layout->slot_offsets = LS_ARENA_ARRAY(arena, uint32_t, schema->n_fields + 1);
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    for (uint32_t i = 0; i < schema->n_fields; i++) {
      if (slot_bytes(schema->fields[i].type) != sizes[s]) continue;
      layout->slot_offsets[i] = at;
      at += sizes[s];
    }
  }
  layout->fixed_bytes = (at + 7) / 8 * 8;
}

/* -- encoding ---------------------------------------------------------------------------------- */

static void put_u32(ls_buf *out, size_t value) {
  ls_assert(value <= UINT32_MAX);
  uint32_t v = (uint32_t)value;
  ls__buf_append(out, &v, sizeof v);
}

/* A nested value, or an element of one: a byte 0 (null) or 1, then the value. */
static void put_nested(ls_buf *out, const ls_column *column, int64_t row) {
  if (ls__is_null(column, row)) {
    ls__buf_putc(out, 0);
    return;
  }
  ls__buf_putc(out, 1);
  size_t width = ls__type_width(column->type);
  switch (column->type->kind) {
  case LS_BOOL:
    ls__buf_putc(out, (char)LS_BIT_GET(column->values, row));
    break;
  case LS_STRING:
  case LS_BYTES: {
    ls_slice value = ls__column_slice(column, row);
    put_u32(out, value.len);
    ls__buf_append(out, value.ptr, value.len);
    break;
  }
  case LS_LIST:
    put_u32(out, (size_t)(column->offsets[row + 1] - column->offsets[row]));
    for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++)
      put_nested(out, &column->children[0], i);
    break;
  case LS_STRUCT:
    for (uint32_t i = 0; i < column->type->n_fields; i++)
      put_nested(out, &column->children[i], row);
    break;
  default:
    ls__buf_append(out, (const char *)column->values + (size_t)row * width, width);
  }
}

static void put_tail(ls_buf *out, uint32_t slot, const ls_column *column, int64_t row) {
  size_t start = out->len;
  if (column->type->kind == LS_STRING || column->type->kind == LS_BYTES) {
    ls_slice value = ls__column_slice(column, row);
    ls__buf_append(out, value.ptr, value.len);
  } else {
    put_nested(out, column, row);
  }
  ls_assert(out->len <= UINT32_MAX);
  row_ref ref = {(uint32_t)start, (uint32_t)(out->len - start)};
  memcpy(out->ptr + slot, &ref, sizeof ref);
}

void ls__row_encode(ls_buf *out, const ls_row_layout *layout, const ls_batch *batch, int64_t row) {
  ls__buf_clear(out);
  ls__buf_reserve(out, layout->fixed_bytes);
  memset(out->ptr, 0, layout->fixed_bytes); /* nulls and padding: the same row, the same bytes */
  out->len = layout->fixed_bytes;
  for (uint32_t i = 0; i < layout->schema->n_fields; i++) {
    const ls_column *column = &batch->columns[i];
    uint32_t slot = layout->slot_offsets[i];
    if (ls__is_null(column, row)) {
      out->ptr[i >> 3] = (char)(out->ptr[i >> 3] | 1 << (i & 7));
      continue;
    }
    switch (column->type->kind) {
    case LS_BOOL:
      out->ptr[slot] = (char)LS_BIT_GET(column->values, row);
      break;
    case LS_INT64:
    case LS_FLOAT64:
    case LS_TIMESTAMP:
      memcpy(out->ptr + slot, (const char *)column->values + row * 8, 8);
      break;
    case LS_DATE:
      memcpy(out->ptr + slot, (const char *)column->values + row * 4, 4);
      break;
    case LS_DECIMAL:
      memcpy(out->ptr + slot, (const char *)column->values + row * 16, 16);
      break;
    default:
      put_tail(out, slot, column, row);
    }
  }
}

/* -- decoding ---------------------------------------------------------------------------------- */

typedef struct reader {
  const char *p, *end;
} reader;

static int malformed(ls_error *err, const char *what) {
  return ls_error_set(err, LS_EINTERNAL, "a stored row is malformed: %s", what);
}

static bool take(reader *in, void *out, size_t n_bytes) {
  if ((size_t)(in->end - in->p) < n_bytes) return false;
  memcpy(out, in->p, n_bytes);
  in->p += n_bytes;
  return true;
}

static void append_fixed(ls_column *column, const char *value) {
  switch (column->type->kind) {
  case LS_BOOL:
    ls__column_append_bool(column, *value != 0);
    break;
  case LS_DATE: {
    int32_t days;
    memcpy(&days, value, sizeof days);
    ls__column_append_i32(column, days);
    break;
  }
  case LS_FLOAT64: {
    double number;
    memcpy(&number, value, sizeof number);
    ls__column_append_f64(column, number);
    break;
  }
  case LS_DECIMAL: {
    ls_i128 number;
    memcpy(&number, value, sizeof number);
    ls__column_append_decimal(column, ls__i128_get(number));
    break;
  }
  default: {
    int64_t number;
    memcpy(&number, value, sizeof number);
    ls__column_append_i64(column, number);
  }
  }
}

static int take_nested(ls_column *column, reader *in, ls_error *err) {
  uint8_t there;
  uint32_t n;
  if (!take(in, &there, 1) || there > 1) return malformed(err, "presence byte");
  if (!there) {
    ls__column_append_null(column);
    return LS_OK;
  }
  switch (column->type->kind) {
  case LS_STRING:
  case LS_BYTES:
    if (!take(in, &n, sizeof n) || (size_t)(in->end - in->p) < n)
      return malformed(err, "length of text");
    ls__column_append_slice(column, (ls_slice){in->p, n});
    in->p += n;
    return LS_OK;
  case LS_LIST:
    if (!take(in, &n, sizeof n) || (size_t)(in->end - in->p) < n)
      return malformed(err, "length of a list");
    for (uint32_t i = 0; i < n; i++)
      LS_TRY(take_nested(&column->children[0], in, err));
    ls__column_append_list_end(column);
    return LS_OK;
  case LS_STRUCT:
    for (uint32_t i = 0; i < column->type->n_fields; i++)
      LS_TRY(take_nested(&column->children[i], in, err));
    ls__column_append_struct_end(column);
    return LS_OK;
  default: {
    char value[16];
    if (!take(in, value, slot_bytes(column->type))) return malformed(err, "short value");
    append_fixed(column, value);
    return LS_OK;
  }
  }
}

/* The row is at least fixed_bytes long. */
static int decode_field(ls_column *column, const ls_row_layout *layout, ls_slice row,
                        uint32_t field, ls_error *err) {
  if (ls__row_is_null(layout, row, field)) {
    ls__column_append_null(column);
    return LS_OK;
  }
  const char *slot = row.ptr + layout->slot_offsets[field];
  ls_kind kind = column->type->kind;
  bool text = kind == LS_STRING || kind == LS_BYTES;
  if (!text && kind != LS_LIST && kind != LS_STRUCT) {
    append_fixed(column, slot);
    return LS_OK;
  }
  row_ref ref;
  memcpy(&ref, slot, sizeof ref);
  if ((uint64_t)ref.offset + ref.len > row.len) return malformed(err, "value outside of the row");
  if (text) {
    ls__column_append_slice(column, (ls_slice){row.ptr + ref.offset, ref.len});
    return LS_OK;
  }
  reader in = {row.ptr + ref.offset, row.ptr + ref.offset + ref.len};
  LS_TRY(take_nested(column, &in, err));
  return in.p == in.end ? LS_OK : malformed(err, "bytes after a value");
}

int ls__row_decode_field(ls_column *column, const ls_row_layout *layout, ls_slice row,
                         uint32_t field, ls_error *err) {
  if (row.len < layout->fixed_bytes) return malformed(err, "too short");
  return decode_field(column, layout, row, field, err);
}

int ls__row_decode(ls_column *columns, const ls_row_layout *layout, ls_slice row, ls_error *err) {
  if (row.len < layout->fixed_bytes) return malformed(err, "too short");
  for (uint32_t i = 0; i < layout->schema->n_fields; i++)
    LS_TRY(decode_field(&columns[i], layout, row, i, err));
  return LS_OK;
}

bool ls__row_is_null(const ls_row_layout *layout, ls_slice row, uint32_t field) {
  (void)layout;
  return (unsigned char)row.ptr[field >> 3] >> (field & 7) & 1;
}

int64_t ls__row_i64(const ls_row_layout *layout, ls_slice row, uint32_t field) {
  const char *slot = row.ptr + layout->slot_offsets[field];
  if (layout->schema->fields[field].type->kind == LS_DATE) {
    int32_t days;
    memcpy(&days, slot, sizeof days);
    return days;
  }
  int64_t value;
  memcpy(&value, slot, sizeof value);
  return value;
}

ls_slice ls__row_bytes(const ls_row_layout *layout, ls_slice row, uint32_t field) {
  row_ref ref;
  memcpy(&ref, row.ptr + layout->slot_offsets[field], sizeof ref);
  ls_assert((uint64_t)ref.offset + ref.len <= row.len);
  return (ls_slice){row.ptr + ref.offset, ref.len};
}
