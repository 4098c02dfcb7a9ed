/** @file codec_encode.c  Rows -> JSON objects and CSV records. What is written is what the decoders
 * read back. */
#include <string.h>

#include "codec/codec.h"

void ls__encode_json(ls_buf *out, const ls_batch *batch, int64_t row) {
  ls__batch_format_json(out, batch, row);
}

/* -- CSV --------------------------------------------------------------------------------------- */

/* A cell is quoted where it must be, and where it would read back as null. */
static void put_cell(ls_buf *out, ls_slice text) {
  bool quote = text.len == 0;
  for (size_t i = 0; i < text.len && !quote; i++) {
    char c = text.ptr[i];
    quote = c == ',' || c == '"' || c == '\n' || c == '\r';
  }
  if (!quote) {
    ls__buf_append(out, text.ptr, text.len);
    return;
  }
  ls__buf_putc(out, '"');
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] == '"') ls__buf_putc(out, '"');
    ls__buf_putc(out, text.ptr[i]);
  }
  ls__buf_putc(out, '"');
}

void ls__encode_csv_header(ls_buf *out, const ls_schema *schema) {
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    if (i) ls__buf_putc(out, ',');
    put_cell(out, ls__slice_of(schema->fields[i].name));
  }
  ls__buf_append(out, "\r\n", 2);
}

/* The value's JSON text; of JSON strings what is between the quotes (no type but STRING has
 * escapes there). */
static void put_value(ls_buf *out, const ls_column *column, int64_t row) {
  if (column->type->kind == LS_STRING) {
    put_cell(out, ls__column_slice(column, row));
    return;
  }
  size_t start = out->len;
  ls__column_format_json(out, column, row);
  ls_kind kind = column->type->kind;
  if (kind == LS_LIST || kind == LS_STRUCT) {
    ls_buf text = LS_BUF_INIT;
    ls__buf_append(&text, out->ptr + start, out->len - start);
    out->len = start;
    put_cell(out, ls__buf_slice(&text));
    ls__buf_fini(&text);
  } else if (out->ptr[start] == '"') {
    size_t len = out->len - start - 2;
    memmove(out->ptr + start, out->ptr + start + 1, len);
    out->len = start + len;
    if (len == 0) ls__buf_append(out, "\"\"", 2);
  }
}

void ls__encode_csv(ls_buf *out, const ls_batch *batch, int64_t row) {
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) {
    if (i) ls__buf_putc(out, ',');
    if (!ls__is_null(&batch->columns[i], row)) put_value(out, &batch->columns[i], row);
  }
  ls__buf_append(out, "\r\n", 2);
}
