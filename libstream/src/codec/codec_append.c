/** @file codec_append.c  Checked values of a record -> columns. Nothing here can fail. */
#include <string.h>

#include "codec/decoder.h"

static void append_list(ls_column *column, const ls_value *value) {
  for (uint32_t i = 0; i < value->n; i++) ls__value_append(&column->children[0], &value->as.items[i]);
  ls__column_append_list_end(column);
}

static void append_struct(ls_column *column, const ls_value *value) {
  for (uint32_t i = 0; i < value->n; i++) ls__value_append(&column->children[i], &value->as.items[i]);
  ls__column_append_struct_end(column);
}

void ls__value_append(ls_column *column, const ls_value *value) {
  if (value->state != LS_VALUE_SET) {
    ls__column_append_null(column);
    return;
  }
  switch (column->type->kind) {
  case LS_BOOL:
    ls__column_append_bool(column, value->as.boolean);
    break;
  case LS_INT64:
  case LS_TIMESTAMP:
    ls__column_append_i64(column, value->as.i64);
    break;
  case LS_FLOAT64:
    ls__column_append_f64(column, value->as.f64);
    break;
  case LS_DATE:
    ls__column_append_i32(column, value->as.i32);
    break;
  case LS_DECIMAL:
    ls__column_append_decimal(column, ls__i128_get(value->as.decimal));
    break;
  case LS_STRING:
  case LS_BYTES:
    ls__column_append_slice(column, value->as.slice);
    break;
  case LS_LIST:
    append_list(column, value);
    break;
  case LS_STRUCT:
    append_struct(column, value);
    break;
  default:
    ls__column_append_null(column);
    break;
  }
}

void ls__record_append(ls_batch *out, ls_decoder *decoder) {
  for (uint32_t i = 0; i < decoder->n_fields; i++) {
    ls_value *value = &decoder->values[i];
    if (!decoder->plans[i].wanted) value->state = LS_VALUE_NULL;
    ls__value_append(&out->columns[i], value);
    value->state = LS_VALUE_ABSENT;
  }
  if (decoder->scratch.used_bytes) ls__arena_reset(&decoder->scratch);
  out->n_rows++;
}

void ls__record_reset(ls_decoder *decoder) {
  for (uint32_t i = 0; i < decoder->n_fields; i++) decoder->values[i].state = LS_VALUE_ABSENT;
  if (decoder->scratch.used_bytes) ls__arena_reset(&decoder->scratch);
}
