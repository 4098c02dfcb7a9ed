/** @file text_out.c  Texts written in place. */
#include "expr/text_out.h"

#include <stdio.h>

#include "data/datetime.h"

void ls__text_add(ls_text_out *text, ls_slice piece) {
  ls_column *out = text->out;
  int64_t at = out->offsets[out->n_rows] + (int64_t)text->len;
  if (text->too_long || piece.len > LS_EX_TEXT_MAX - text->len || at + (int64_t)piece.len > INT32_MAX) {
    text->too_long = true;
    return;
  }
  if (piece.len == 0) return;
  ls__column_reserve_bytes(out, (int64_t)(text->len + piece.len));
  memcpy((char *)out->values + at, piece.ptr, piece.len);
  text->len += piece.len;
}

void ls__text_end(ls_text_out *text) {
  ls_column *out = text->out;
  if (text->too_long) {
    ls__ex_row_error(text->call->ctx, text->row, "the text would be longer than 1 MiB");
    ls__column_append_null(out);
    return;
  }
  int32_t end = out->offsets[out->n_rows] + (int32_t)text->len;
  ls__column_append_slice(out, (ls_slice){NULL, 0});
  out->offsets[out->n_rows] = end;
}

void ls__text_put(ls_column *out, const ls_ex_call *call, int64_t row, ls_slice piece) {
  ls_text_out text = ls__text_begin(out, call, row);
  ls__text_add(&text, piece);
  ls__text_end(&text);
}

void ls__text_add_value(ls_text_out *text, const ls_column *column, int64_t row) {
  char buf[64];
  size_t len = 0;
  switch (column->type->kind) {
  case LS_STRING:
  case LS_BYTES:
    ls__text_add(text, ls__column_slice(column, row));
    return;
  case LS_BOOL:
    ls__text_add(text, ls__slice_of(LS_BIT_GET(column->values, row) ? "true" : "false"));
    return;
  case LS_FLOAT64:
    len = ls__ex_float_format(buf, ls__column_f64(column)[row]);
    break;
  case LS_DECIMAL:
    len = ls__decimal_format(buf, ls__i128_get(ls__column_i128(column)[row]), column->type->scale);
    break;
  case LS_TIMESTAMP:
    len = ls__timestamp_format(buf, ls__column_i64(column)[row]);
    break;
  case LS_DATE:
    len = ls__date_format(buf, ls__column_i32(column)[row]);
    break;
  default:
    len = (size_t)snprintf(buf, sizeof buf, "%lld", (long long)ls__column_i64(column)[row]);
  }
  ls__text_add(text, (ls_slice){buf, len});
}
