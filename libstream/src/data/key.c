/**
 * @file key.c
 * Key bytes. Each value: 0x00 for null, else 0x01 and
 *   numbers, dates   big-endian with the sign bit turned over
 *   float64          the same on its bits, all turned over when negative; -0.0 as 0.0; NaN last
 *   string, bytes    the bytes, NUL as 00 01, then 00 00 as the end
 *   list             each element after a byte 0x01, then 0x00 as the end
 *   struct           its fields
 * No value's bytes are the start of another's, so values can be put one after the other.
 */
#include <string.h>

#include "data/row.h"

#define SIGN64  (UINT64_C(1) << 63)
#define KEY_NAN UINT64_C(0x7FF8000000000000)

static char *put_be64(char *p, uint64_t value) {
  value = __builtin_bswap64(value);
  memcpy(p, &value, 8);
  return p + 8;
}

static uint64_t float_bits(double value) {
  uint64_t bits;
  if (value == 0) value = 0; /* -0.0 */
  memcpy(&bits, &value, sizeof bits);
  if (value != value) bits = KEY_NAN;
  return bits & SIGN64 ? ~bits : bits | SIGN64;
}

/* Text with its end mark; out has room for twice the length and 2. */
static char *put_text(char *p, ls_slice text) {
  const char *from = text.ptr, *end = text.len ? from + text.len : from;
  while (from < end) {
    const char *nul = memchr(from, 0, (size_t)(end - from));
    size_t n = (size_t)((nul ? nul : end) - from);
    memcpy(p, from, n);
    p += n;
    from += n;
    if (nul) {
      *p++ = 0;
      *p++ = 1;
      from++;
    }
  }
  *p++ = 0;
  *p++ = 0;
  return p;
}

static void put_list(ls_buf *out, const ls_column *column, int64_t row) {
  for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
    ls__buf_putc(out, 1);
    ls__key_encode_value(out, &column->children[0], i);
  }
  ls__buf_putc(out, 0);
}

void ls__key_encode_value(ls_buf *out, const ls_column *column, int64_t row) {
  if (ls__is_null(column, row)) {
    ls__buf_putc(out, 0);
    return;
  }
  ls_kind kind = column->type->kind;
  ls_slice text = {NULL, 0};
  if (kind == LS_STRING || kind == LS_BYTES) text = ls__column_slice(column, row);
  ls__buf_reserve(out, 1 + 16 + 2 + 2 * text.len);
  char *p = out->ptr + out->len;
  *p++ = 1;
  switch (kind) {
  case LS_BOOL:
    *p++ = (char)LS_BIT_GET(column->values, row);
    break;
  case LS_INT64:
  case LS_TIMESTAMP:
    p = put_be64(p, (uint64_t)ls__column_i64(column)[row] ^ SIGN64);
    break;
  case LS_FLOAT64:
    p = put_be64(p, float_bits(ls__column_f64(column)[row]));
    break;
  case LS_DATE: {
    uint32_t days = __builtin_bswap32((uint32_t)ls__column_i32(column)[row] ^ UINT32_C(1) << 31);
    memcpy(p, &days, 4);
    p += 4;
    break;
  }
  case LS_DECIMAL: {
    ls_i128 value = ls__column_i128(column)[row];
    p = put_be64(p, (uint64_t)value.hi ^ SIGN64);
    p = put_be64(p, value.lo);
    break;
  }
  case LS_STRING:
  case LS_BYTES:
    p = put_text(p, text);
    break;
  default:
    break;
  }
  out->len = (size_t)(p - out->ptr);
  if (kind == LS_LIST) put_list(out, column, row);
  if (kind == LS_STRUCT)
    for (uint32_t i = 0; i < column->type->n_fields; i++) ls__key_encode_value(out, &column->children[i], row);
}

void ls__key_encode(ls_buf *out, const ls_batch *batch, const uint32_t *fields, uint32_t n_fields, int64_t row) {
  for (uint32_t i = 0; i < n_fields; i++) ls__key_encode_value(out, &batch->columns[fields[i]], row);
}

bool ls__key_same(const ls_batch *batch, const uint32_t *fields, uint32_t n_fields, int64_t row, int64_t other) {
  for (uint32_t i = 0; i < n_fields; i++) {
    const ls_column *column = &batch->columns[fields[i]];
    if (!ls__column_value_eq(column, row, column, other)) return false;
  }
  return true;
}

bool ls__key_has_null(const ls_batch *batch, const uint32_t *fields, uint32_t n_fields, int64_t row) {
  for (uint32_t i = 0; i < n_fields; i++)
    if (ls__is_null(&batch->columns[fields[i]], row)) return true;
  return false;
}
