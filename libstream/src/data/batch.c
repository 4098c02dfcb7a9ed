/** @file batch.c  Batches: columns of one schema and, for each row, its time and its stamp. */
#include "data/batch.h"

#include <string.h>

void ls__batch_init(ls_batch *batch, const ls_schema *schema, ls_arena *arena, int64_t capacity_rows) {
  memset(batch, 0, sizeof *batch);
  batch->schema = schema;
  batch->arena = arena;
  batch->columns = LS_ARENA_ARRAY(arena, ls_column, schema->n_fields);
  for (uint32_t i = 0; i < schema->n_fields; i++)
    ls__column_init(&batch->columns[i], schema->fields[i].type, arena, capacity_rows);
  if (capacity_rows > 0) {
    batch->ts_us = ls__arena_alloc(arena, (size_t)capacity_rows * sizeof *batch->ts_us);
    batch->stamps = ls__arena_alloc(arena, (size_t)capacity_rows * sizeof *batch->stamps);
    batch->capacity_rows = capacity_rows;
  }
}

ls_batch *ls__batch_new(const ls_schema *schema, ls_arena *arena, int64_t capacity_rows) {
  ls_batch *batch = LS_ARENA_NEW(arena, ls_batch);
  ls__batch_init(batch, schema, arena, capacity_rows);
  return batch;
}

void ls__batch_clear(ls_batch *batch) {
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) ls__column_clear(&batch->columns[i]);
  batch->n_rows = 0;
  batch->retracts = NULL;
}

static void reserve_meta(ls_batch *batch, int64_t n_more) {
  int64_t needed = batch->n_rows + n_more;
  if (needed <= batch->capacity_rows) return;
  int64_t capacity = batch->capacity_rows * 2 < 16 ? 16 : batch->capacity_rows * 2;
  if (capacity < needed) capacity = needed;
  size_t n_old = (size_t)batch->capacity_rows, n_new = (size_t)capacity;
  batch->ts_us =
      ls__arena_regrow(batch->arena, batch->ts_us, n_old * sizeof *batch->ts_us, n_new * sizeof *batch->ts_us);
  batch->stamps =
      ls__arena_regrow(batch->arena, batch->stamps, n_old * sizeof *batch->stamps, n_new * sizeof *batch->stamps);
  if (batch->retracts != NULL) {
    size_t words_old = (size_t)LS_BIT_WORDS(batch->capacity_rows) + 1, words = (size_t)LS_BIT_WORDS(capacity) + 1;
    batch->retracts = ls__arena_regrow(batch->arena, batch->retracts, words_old * sizeof *batch->retracts,
                                       words * sizeof *batch->retracts);
  }
  batch->capacity_rows = capacity;
}

void ls__batch_set_retract(ls_batch *batch, int64_t row) {
  int64_t n = batch->capacity_rows > batch->n_rows ? batch->capacity_rows : batch->n_rows;
  if (batch->retracts == NULL) batch->retracts = LS_ARENA_ARRAY(batch->arena, uint64_t, LS_BIT_WORDS(n) + 1);
  LS_BIT_SET(batch->retracts, row);
}

void ls__batch_append_meta(ls_batch *batch, int64_t ts_us, ls_stamp stamp) {
  if (batch->n_rows == batch->capacity_rows) reserve_meta(batch, 1);
  batch->ts_us[batch->n_rows] = ts_us;
  batch->stamps[batch->n_rows] = stamp;
  if (batch->retracts != NULL) LS_BIT_CLEAR(batch->retracts, batch->n_rows);
  batch->n_rows++;
}

static void gather_retracts(ls_batch *batch, int64_t first, const ls_batch *src, const int32_t *rows, int64_t n) {
  if (src->retracts == NULL && batch->retracts == NULL) return;
  for (int64_t i = 0; i < n; i++) {
    if (rows[i] >= 0 && ls__is_retract(src, rows[i])) {
      ls__batch_set_retract(batch, first + i);
    } else if (batch->retracts != NULL) {
      LS_BIT_CLEAR(batch->retracts, first + i);
    }
  }
}

void ls__batch_gather(ls_batch *batch, const ls_batch *src, const int32_t *rows, int64_t n) {
  for (uint32_t i = 0; i < batch->schema->n_fields; i++)
    ls__column_gather(&batch->columns[i], &src->columns[i], rows, n);
  reserve_meta(batch, n);
  for (int64_t i = 0; i < n; i++) {
    int64_t at = batch->n_rows + i;
    batch->ts_us[at] = rows[i] < 0 ? 0 : src->ts_us[rows[i]];
    batch->stamps[at] = rows[i] < 0 ? (ls_stamp){0, 0} : src->stamps[rows[i]];
  }
  batch->n_rows += n;
  gather_retracts(batch, batch->n_rows - n, src, rows, n);
}

void ls__batch_append_range(ls_batch *batch, const ls_batch *src, int64_t first, int64_t n) {
  for (uint32_t i = 0; i < batch->schema->n_fields; i++)
    ls__column_append_range(&batch->columns[i], &src->columns[i], first, n);
  for (int64_t row = first; row < first + n; row++) {
    ls__batch_append_meta(batch, src->ts_us[row], src->stamps[row]);
    if (ls__is_retract(src, row)) ls__batch_set_retract(batch, batch->n_rows - 1);
  }
}

size_t ls__batch_bytes(const ls_batch *batch) {
  size_t bytes = (size_t)batch->n_rows * (sizeof *batch->ts_us + sizeof *batch->stamps);
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) bytes += ls__column_bytes(&batch->columns[i]);
  return bytes;
}

void ls__batch_format_key(ls_buf *out, const ls_batch *batch, int64_t row) {
  const ls_schema *schema = batch->schema;
  if (schema->n_key == 1 && schema->fields[schema->key[0]].type->kind == LS_STRING) {
    ls_slice text = ls__column_slice(&batch->columns[schema->key[0]], row);
    ls__buf_append(out, text.ptr, text.len);
    return;
  }
  ls__buf_putc(out, '[');
  for (uint32_t i = 0; i < schema->n_key; i++) {
    if (i > 0) ls__buf_putc(out, ',');
    ls__column_format_json(out, &batch->columns[schema->key[i]], row);
  }
  ls__buf_putc(out, ']');
}

static void format_row(ls_buf *out, const ls_batch *batch, int64_t row, bool mask, const uint64_t *shown) {
  bool first = true;
  ls__buf_putc(out, '{');
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) {
    const ls_field *field = &batch->schema->fields[i];
    if (shown && !LS_BIT_GET(shown, i)) continue;
    if (!first) ls__buf_putc(out, ',');
    first = false;
    ls__buf_json_string(out, ls__slice_of(field->name));
    ls__buf_putc(out, ':');
    if (mask && field->sensitive) {
      ls__buf_append(out, "\"***\"", 5);
    } else {
      ls__column_format_json(out, &batch->columns[i], row);
    }
  }
  ls__buf_putc(out, '}');
}

void ls__batch_format_json(ls_buf *out, const ls_batch *batch, int64_t row) {
  format_row(out, batch, row, false, NULL);
}

void ls__batch_format_masked(ls_buf *out, const ls_batch *batch, int64_t row, const uint64_t *shown) {
  format_row(out, batch, row, true, shown);
}
