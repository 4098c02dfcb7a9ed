/**
 * @file row.c
 * Rows as bytes, small first: millions of them are a store's memory. Null bits, then the fixed-size
 * values without padding, then the variable ones in field order, each behind its length. Lists and
 * structs are written value by value, each with a byte that says whether it is there.
 */
#include "data/row.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "rows are written as the host holds numbers: little-endian"
#endif

#define LEN_LONG     255 /* a length byte of this value: the length follows in 4 bytes */
#define INT64_DIGITS 18  /* decimals of so many digits fit 8 bytes */

static bool is_variable(const ls_type *type) {
  return type->kind == LS_STRING || type->kind == LS_BYTES || type->kind == LS_LIST || type->kind == LS_STRUCT;
}

static uint32_t slot_bytes(const ls_type *type) {
  if (type->kind == LS_BOOL) return 1;
  if (type->kind == LS_DECIMAL && type->precision <= INT64_DIGITS) return 8;
  return is_variable(type) ? 0 : (uint32_t)ls__type_width(type);
}

static uint32_t id_of(const ls_schema *schema) {
  ls_buf text = LS_BUF_INIT;
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    ls__buf_printf(&text, "%s ", schema->fields[i].name);
    ls__type_format(&text, schema->fields[i].type);
    ls__buf_putc(&text, ',');
  }
  uint32_t id = (uint32_t)ls__hash64(ls__buf_slice(&text));
  ls__buf_fini(&text);
  return id;
}

void ls__row_layout_init(ls_row_layout *layout, const ls_schema *schema, ls_arena *arena) {
  uint32_t at = (schema->n_fields + 7) / 8;
  layout->schema = schema;
  layout->slot_offsets = LS_ARENA_ARRAY(arena, uint32_t, schema->n_fields + 1);
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    layout->slot_offsets[i] = at;
    at += slot_bytes(schema->fields[i].type);
  }
  layout->fixed_bytes = at;
  layout->id = id_of(schema);
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
    for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) put_nested(out, &column->children[0], i);
    break;
  case LS_STRUCT:
    for (uint32_t i = 0; i < column->type->n_fields; i++) put_nested(out, &column->children[i], row);
    break;
  default:
    ls__buf_append(out, (const char *)column->values + (size_t)row * width, width);
  }
}

/* A variable value of the row itself: its length, then its bytes. */
static void put_variable(ls_buf *out, const ls_column *column, int64_t row) {
  ls_slice value = {NULL, 0};
  size_t start = out->len;
  bool text = column->type->kind == LS_STRING || column->type->kind == LS_BYTES;
  if (text) {
    value = ls__column_slice(column, row);
  } else {
    put_nested(out, column, row); /* only now its length is known: it moves up behind it */
    value.len = out->len - start;
  }
  char head[5] = {(char)(value.len < LEN_LONG ? value.len : LEN_LONG)};
  uint32_t len = (uint32_t)value.len;
  ls_assert(value.len <= UINT32_MAX);
  memcpy(head + 1, &len, sizeof len);
  size_t n_head = value.len < LEN_LONG ? 1 : sizeof head;
  if (text) {
    ls__buf_append(out, head, n_head);
    ls__buf_append(out, value.ptr, value.len);
    return;
  }
  ls__buf_append(out, head, n_head);
  memmove(out->ptr + start + n_head, out->ptr + start, value.len);
  memcpy(out->ptr + start, head, n_head);
}

static void put_fixed(char *slot, const ls_column *column, int64_t row) {
  switch (column->type->kind) {
  case LS_BOOL:
    *slot = (char)LS_BIT_GET(column->values, row);
    break;
  case LS_DATE:
    memcpy(slot, (const char *)column->values + row * 4, 4);
    break;
  case LS_DECIMAL: /* little-endian: the low half is the value where it fits */
    memcpy(slot, (const char *)column->values + row * 16, slot_bytes(column->type));
    break;
  default:
    memcpy(slot, (const char *)column->values + row * 8, 8);
  }
}

void ls__row_encode(ls_buf *out, const ls_row_layout *layout, const ls_batch *batch, int64_t row) {
  ls__buf_clear(out);
  ls__buf_reserve(out, layout->fixed_bytes + 64);
  memset(out->ptr, 0, layout->fixed_bytes); /* nulls: the same row, the same bytes */
  out->len = layout->fixed_bytes;
  for (uint32_t i = 0; i < layout->schema->n_fields; i++) {
    const ls_column *column = &batch->columns[i];
    if (ls__is_null(column, row)) {
      out->ptr[i >> 3] = (char)(out->ptr[i >> 3] | 1 << (i & 7));
    } else if (is_variable(column->type)) {
      put_variable(out, column, row);
    } else {
      put_fixed(out->ptr + layout->slot_offsets[i], column, row);
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
    if (slot_bytes(column->type) == 8) {
      memcpy(&number.hi, value, sizeof number.hi);
      ls__column_append_decimal(column, number.hi);
      break;
    }
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

/* Nested decimals keep their full width. */
static void append_nested_fixed(ls_column *column, const char *value) {
  if (column->type->kind != LS_DECIMAL) {
    append_fixed(column, value);
    return;
  }
  ls_i128 number;
  memcpy(&number, value, sizeof number);
  ls__column_append_decimal(column, ls__i128_get(number));
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
    if (!take(in, &n, sizeof n) || (size_t)(in->end - in->p) < n) return malformed(err, "length of text");
    ls__column_append_slice(column, (ls_slice){in->p, n});
    in->p += n;
    return LS_OK;
  case LS_LIST:
    if (!take(in, &n, sizeof n) || (size_t)(in->end - in->p) < n) return malformed(err, "length of a list");
    for (uint32_t i = 0; i < n; i++) LS_TRY(take_nested(&column->children[0], in, err));
    ls__column_append_list_end(column);
    return LS_OK;
  case LS_STRUCT:
    for (uint32_t i = 0; i < column->type->n_fields; i++) LS_TRY(take_nested(&column->children[i], in, err));
    ls__column_append_struct_end(column);
    return LS_OK;
  default: {
    char value[16];
    size_t width = column->type->kind == LS_BOOL ? 1 : ls__type_width(column->type);
    if (!take(in, value, width)) return malformed(err, "short value");
    append_nested_fixed(column, value);
    return LS_OK;
  }
  }
}

/* Takes the length of a variable value and checks that its bytes are there. */
static bool take_len(reader *in, size_t *len) {
  uint8_t small;
  uint32_t large;
  if (!take(in, &small, 1)) return false;
  *len = small;
  if (small == LEN_LONG) {
    if (!take(in, &large, sizeof large)) return false;
    *len = large;
  }
  return (size_t)(in->end - in->p) >= *len;
}

/* The next variable value of a row. */
static int take_variable(ls_column *column, reader *in, ls_error *err) {
  size_t len;
  if (!take_len(in, &len)) return malformed(err, "length of a value");
  reader value = {in->p, in->p + len};
  in->p += len;
  if (column->type->kind == LS_STRING || column->type->kind == LS_BYTES) {
    ls__column_append_slice(column, (ls_slice){value.p, len});
    return LS_OK;
  }
  LS_TRY(take_nested(column, &value, err));
  return value.p == value.end ? LS_OK : malformed(err, "bytes after a value");
}

/* Moves to the variable value of a field that is there. The row is at least fixed_bytes long. */
static bool find_variable(reader *in, const ls_row_layout *layout, ls_slice row, uint32_t field) {
  *in = (reader){row.ptr + layout->fixed_bytes, row.ptr + row.len};
  for (uint32_t i = 0; i < field; i++) {
    size_t len;
    if (!is_variable(layout->schema->fields[i].type) || ls__row_is_null(layout, row, i)) continue;
    if (!take_len(in, &len)) return false;
    in->p += len;
  }
  return true;
}

int ls__row_decode_field(ls_column *column, const ls_row_layout *layout, ls_slice row, uint32_t field, ls_error *err) {
  reader in;
  if (row.len < layout->fixed_bytes) return malformed(err, "too short");
  if (ls__row_is_null(layout, row, field)) {
    ls__column_append_null(column);
    return LS_OK;
  }
  if (!is_variable(column->type)) {
    append_fixed(column, row.ptr + layout->slot_offsets[field]);
    return LS_OK;
  }
  if (!find_variable(&in, layout, row, field)) return malformed(err, "length of a value");
  return take_variable(column, &in, err);
}

int ls__row_decode(ls_column *columns, const ls_row_layout *layout, ls_slice row, ls_error *err) {
  if (row.len < layout->fixed_bytes) return malformed(err, "too short");
  reader in = {row.ptr + layout->fixed_bytes, row.ptr + row.len};
  for (uint32_t i = 0; i < layout->schema->n_fields; i++) {
    if (ls__row_is_null(layout, row, i)) {
      ls__column_append_null(&columns[i]);
    } else if (is_variable(columns[i].type)) {
      LS_TRY(take_variable(&columns[i], &in, err));
    } else {
      append_fixed(&columns[i], row.ptr + layout->slot_offsets[i]);
    }
  }
  return in.p == in.end ? LS_OK : malformed(err, "bytes after the last value");
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
  reader in;
  size_t len = 0;
  bool there = !ls__row_is_null(layout, row, field) && find_variable(&in, layout, row, field) && take_len(&in, &len);
  return there ? (ls_slice){in.p, len} : (ls_slice){NULL, 0};
}
