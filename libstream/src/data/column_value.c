/** @file column_value.c  Single values of a column: equality, size, text. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/batch.h"
#include "data/datetime.h"

static bool lists_eq(const ls_column *a, int64_t row_a, const ls_column *b, int64_t row_b) {
  int32_t start_a = a->offsets[row_a], start_b = b->offsets[row_b];
  int32_t n = a->offsets[row_a + 1] - start_a;
  if (b->offsets[row_b + 1] - start_b != n) return false;
  for (int32_t i = 0; i < n; i++)
    if (!ls__column_value_eq(&a->children[0], start_a + i, &b->children[0], start_b + i)) return false;
  return true;
}

bool ls__column_value_eq(const ls_column *a, int64_t row_a, const ls_column *b, int64_t row_b) {
  bool null = ls__is_null(a, row_a);
  if (null || ls__is_null(b, row_b)) return null && ls__is_null(b, row_b);
  switch (a->type->kind) {
  case LS_BOOL:
    return LS_BIT_GET(a->values, row_a) == LS_BIT_GET(b->values, row_b);
  case LS_INT64:
  case LS_TIMESTAMP:
    return ls__column_i64(a)[row_a] == ls__column_i64(b)[row_b];
  case LS_DATE:
    return ls__column_i32(a)[row_a] == ls__column_i32(b)[row_b];
  case LS_FLOAT64: {
    double x = ls__column_f64(a)[row_a], y = ls__column_f64(b)[row_b];
    return x == y || (isnan(x) && isnan(y)); /* as in key bytes: one NaN, one zero */
  }
  case LS_DECIMAL: {
    ls_i128 x = ls__column_i128(a)[row_a], y = ls__column_i128(b)[row_b];
    return x.lo == y.lo && x.hi == y.hi;
  }
  case LS_STRING:
  case LS_BYTES:
    return ls__slice_eq(ls__column_slice(a, row_a), ls__column_slice(b, row_b));
  case LS_LIST:
    return lists_eq(a, row_a, b, row_b);
  case LS_STRUCT:
    for (uint32_t i = 0; i < a->type->n_fields; i++)
      if (!ls__column_value_eq(&a->children[i], row_a, &b->children[i], row_b)) return false;
    return true;
  default:
    return true;
  }
}

size_t ls__column_bytes(const ls_column *column) {
  size_t n = (size_t)column->n_rows, bytes = n * ls__type_width(column->type);
  if (column->validity) bytes += (n + 7) / 8;
  if (column->offsets) bytes += (n + 1) * sizeof(int32_t);
  switch (column->type->kind) {
  case LS_BOOL:
    bytes += (n + 7) / 8;
    break;
  case LS_STRING:
  case LS_BYTES:
    bytes += (size_t)(column->offsets[n] - column->offsets[0]);
    break;
  case LS_LIST:
    bytes += ls__column_bytes(&column->children[0]);
    break;
  case LS_STRUCT:
    for (uint32_t i = 0; i < column->type->n_fields; i++) bytes += ls__column_bytes(&column->children[i]);
    break;
  default:
    break;
  }
  return bytes;
}

/* -- text -------------------------------------------------------------------------------------- */

/* Fewest digits that read back as the same double. */
static void format_double(ls_buf *out, double value) {
  char text[40];
  if (isnan(value) || isinf(value)) { /* JSON has no literal for them */
    ls__buf_puts(out, isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    return;
  }
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  bool whole = true;
  for (char *p = text; *p; p++) {
    if (*p == 'e') whole = false;
    if (strchr("+-0123456789e", *p)) continue;
    *p = '.'; /* also where the host program's locale has a comma */
    whole = false;
  }
  ls__buf_puts(out, text);
  if (whole) ls__buf_puts(out, ".0");
}

static void format_base64(ls_buf *out, ls_slice bytes) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  ls__buf_reserve(out, bytes.len / 3 * 4 + 8);
  ls__buf_putc(out, '"');
  for (size_t i = 0; i < bytes.len; i += 3) {
    size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
    uint32_t group = 0;
    for (size_t k = 0; k < 3; k++) group = group << 8 | (k < n ? (uint32_t)(unsigned char)bytes.ptr[i + k] : 0);
    for (size_t k = 0; k < 4; k++) ls__buf_putc(out, k <= n ? digits[(group >> (18 - 6 * k)) & 63] : '=');
  }
  ls__buf_putc(out, '"');
}

static void format_list(ls_buf *out, const ls_column *column, int64_t row) {
  ls__buf_putc(out, '[');
  for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
    if (i > column->offsets[row]) ls__buf_putc(out, ',');
    ls__column_format_json(out, &column->children[0], i);
  }
  ls__buf_putc(out, ']');
}

static void format_struct(ls_buf *out, const ls_column *column, int64_t row) {
  ls__buf_putc(out, '{');
  for (uint32_t i = 0; i < column->type->n_fields; i++) {
    if (i) ls__buf_putc(out, ',');
    ls__buf_json_string(out, ls__slice_of(column->type->fields[i].name));
    ls__buf_putc(out, ':');
    ls__column_format_json(out, &column->children[i], row);
  }
  ls__buf_putc(out, '}');
}

static void put_quoted(ls_buf *out, const char *text, size_t len) {
  ls__buf_putc(out, '"');
  ls__buf_append(out, text, len);
  ls__buf_putc(out, '"');
}

void ls__column_format_json(ls_buf *out, const ls_column *column, int64_t row) {
  char text[LS_DECIMAL_TEXT_MAX];
  if (ls__is_null(column, row)) {
    ls__buf_append(out, "null", 4);
    return;
  }
  switch (column->type->kind) {
  case LS_BOOL:
    ls__buf_puts(out, LS_BIT_GET(column->values, row) ? "true" : "false");
    break;
  case LS_INT64:
    ls__buf_append(out, text, ls__decimal_format(text, ls__column_i64(column)[row], 0));
    break;
  case LS_FLOAT64:
    format_double(out, ls__column_f64(column)[row]);
    break;
  case LS_DECIMAL:
    put_quoted(out, text, ls__decimal_format(text, ls__i128_get(ls__column_i128(column)[row]), column->type->scale));
    break;
  case LS_STRING:
    ls__buf_json_string(out, ls__column_slice(column, row));
    break;
  case LS_BYTES:
    format_base64(out, ls__column_slice(column, row));
    break;
  case LS_TIMESTAMP:
    put_quoted(out, text, ls__timestamp_format(text, ls__column_i64(column)[row]));
    break;
  case LS_DATE:
    put_quoted(out, text, ls__date_format(text, ls__column_i32(column)[row]));
    break;
  case LS_LIST:
    format_list(out, column, row);
    break;
  case LS_STRUCT:
    format_struct(out, column, row);
    break;
  default:
    ls__buf_append(out, "null", 4);
  }
}
