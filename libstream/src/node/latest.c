/**
 * @file latest.c
 * latest: a table of the newest row of each key by the order_by column; among equals the later in stamp order. A row older
 * than the current one changes nothing and goes to the `late` output. Without order_by the last row in stamp order counts.
 * Live: emit: final gives each change; a row that takes back the current one deletes it.
 */
#include "node/verbs.h"

typedef struct latest_node {
  ls_node base;
  ls_row_layout layout;
  ls_arena arena; /* layout and the compared value */
  ls_buf row;
  bool emits_rows;
  ls_emit emit;
  bool retracts;    /* a row that is replaced goes out before the new one, as one that takes back */
  bool each_change; /* somebody sees what lies between two rows of a run */
} latest_node;

static int latest_table_decode(ls_node *node, ls_slice value, ls_column *columns, ls_error *err) {
  return ls__row_decode(columns, &((latest_node *)node)->layout, value, err);
}

static void latest_close(ls_node *node) {
  latest_node *self = (latest_node *)node;
  ls__buf_fini(&self->row);
  ls__arena_fini(&self->arena);
  ls__free(self);
}

static int latest_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  latest_node *self = LS_NEW(latest_node);
  *out = &self->base;
  ls__arena_init(&self->arena, 1024);
  ls__row_layout_init(&self->layout, plan_node->outputs[0].schema, &self->arena);
  self->base.table_decode = latest_table_decode;
  self->emits_rows = ls__node_has_row_consumers(env->plan, plan_node);
  self->emit = ls__plan_table_emit(env->plan, plan_node->u.latest.emit);
  self->retracts = env->plan->live && plan_node->live_retracts;
  bool read_as_of = ls__node_table_is_read_as_of(env->plan, plan_node);
  self->each_change = self->retracts || read_as_of;
  return ls__table_open(&self->base.table, env->stores, plan_node->store.name, plan_node->store.backend,
                        plan_node->store.fingerprint, read_as_of, err);
}

static int order_of(int64_t a, int64_t b) {
  return a < b ? -1 : a > b;
}

/** Compares order_by of two rows of the batch: <0 older, 0 equal, >0 newer; null is older than anything. */
static int latest_compare_rows(const ls_column *column, int64_t row, const ls_column *with, int64_t with_row) {
  bool null_row = ls__is_null(column, row), null_with = ls__is_null(with, with_row);
  if (null_row || null_with) return (int)null_with - (int)null_row;
  if (column->type->kind == LS_INT64 || column->type->kind == LS_TIMESTAMP) {
    return order_of(ls__column_i64(column)[row], ls__column_i64(with)[with_row]);
  }
  ls_buf a = LS_BUF_INIT, b = LS_BUF_INIT;
  ls__key_encode_value(&a, column, row);
  ls__key_encode_value(&b, with, with_row);
  int order = ls__slice_cmp(ls__buf_slice(&a), ls__buf_slice(&b));
  ls__buf_fini(&a);
  ls__buf_fini(&b);
  return order;
}

/** The same of a row of the batch and a stored one. */
static int latest_compare(latest_node *self, const ls_batch *batch, int64_t row, ls_slice stored, ls_arena *scratch,
                          int *out, ls_error *err) {
  uint32_t field = (uint32_t)self->base.plan->u.latest.order_by;
  const ls_column *column = &batch->columns[field];
  bool is_number = column->type->kind == LS_INT64 || column->type->kind == LS_TIMESTAMP;
  if (is_number && !ls__is_null(column, row) && !ls__row_is_null(&self->layout, stored, field)) {
    *out = order_of(ls__column_i64(column)[row], ls__row_i64(&self->layout, stored, field));
    return LS_OK;
  }
  ls_column old;
  ls__column_init(&old, column->type, scratch, 1);
  LS_TRY(ls__row_decode_field(&old, &self->layout, stored, field, err));
  *out = latest_compare_rows(column, row, &old, 0);
  return LS_OK;
}

/** What one call has taken so far. */
typedef struct latest_rows {
  int32_t *newer, *late; /* rows of the input */
  int64_t n_newer, n_late;
} latest_rows;

/** The row that is about to be replaced goes out as one that takes back. */
static int latest_retract(latest_node *self, ls_node_call *call, int64_t row, ls_slice stored, ls_error *err) {
  const ls_batch *in = call->inputs[0];
  ls_batch *out = call->outputs[0];
  LS_TRY(ls__row_decode(out->columns, &self->layout, stored, err));
  ls__batch_append_meta(out, in->ts_us[row], in->stamps[row]);
  ls__batch_set_retract(out, out->n_rows - 1);
  return LS_OK;
}

/** A row that takes back: the current row, if it is that, is gone. */
static int latest_take_back(latest_node *self, ls_node_call *call, int64_t row, ls_slice key, uint64_t hash,
                            ls_error *err) {
  const ls_batch *in = call->inputs[0];
  ls_slice stored;
  int found = ls__table_get(&stored, self->base.table, key, hash, err);
  if (found < 0) return found;
  self->base.counters.taken++;
  ls__row_encode(&self->row, &self->layout, in, row);
  if (found == 0 || !ls__slice_eq(stored, ls__buf_slice(&self->row))) return LS_OK;
  if (self->retracts) LS_TRY(latest_retract(self, call, row, stored, err));
  return ls__table_delete(self->base.table, key, hash, in->stamps[row], err);
}

/** Takes the rows [first, end) of one key. Only the newest of them reaches the table: of the others nobody sees more than
 *  that they were taken. */
static int latest_run(latest_node *self, ls_node_call *call, int64_t first, int64_t end, ls_slice key, uint64_t hash,
                      latest_rows *rows, ls_error *err) {
  const ls_batch *in = call->inputs[0];
  int32_t order_by = self->base.plan->u.latest.order_by;
  ls_slice stored;
  int64_t newest = -1;
  int found = ls__table_get(&stored, self->base.table, key, hash, err);
  if (found < 0) return found;
  for (int64_t row = first; row < end; row++) {
    int order = 1;
    if (newest >= 0 && order_by >= 0) {
      order = latest_compare_rows(&in->columns[order_by], row, &in->columns[order_by], newest);
    } else if (found == 1 && order_by >= 0) {
      LS_TRY(latest_compare(self, in, row, stored, call->arena, &order, err));
    }
    if (order < 0) {
      rows->late[rows->n_late++] = (int32_t)row;
      continue;
    }
    newest = row;
    rows->newer[rows->n_newer++] = (int32_t)row;
  }
  if (newest < 0) return LS_OK;
  if (self->retracts && found == 1) LS_TRY(latest_retract(self, call, newest, stored, err));
  if (self->retracts) ls__batch_gather(call->outputs[0], in, &(int32_t){(int32_t)newest}, 1);
  ls__row_encode(&self->row, &self->layout, in, newest);
  return ls__table_put(self->base.table, key, hash, ls__buf_slice(&self->row), in->stamps[newest], err);
}

/** Where the run of rows of one key ends that begins with row. */
static int64_t latest_run_end(const latest_node *self, const ls_batch *in, const ls_row_keys *keys, int64_t row) {
  int64_t end = row + 1;
  bool alone = self->each_change || !ls__row_key_fits(keys, row) || ls__is_retract(in, row);
  while (!alone && end < in->n_rows && keys->hashes[end] == keys->hashes[row] && keys->keys[end].ptr != NULL &&
         !ls__is_retract(in, end) && ls__slice_eq(keys->keys[end], keys->keys[row]))
    end++;
  return end;
}

static int latest_process(ls_node *node, ls_node_call *call, ls_error *err) {
  latest_node *self = (latest_node *)node;
  const ls_batch *in = call->inputs[0];
  ls_row_faults faults;
  ls__row_faults_init(&faults, node, call, in);
  ls_row_keys keys;
  ls__row_keys_of(&keys, in, in->schema->key, in->schema->n_key, call->arena);
  latest_rows rows = {LS_ARENA_ARRAY(call->arena, int32_t, in->n_rows + 1),
                      LS_ARENA_ARRAY(call->arena, int32_t, in->n_rows + 1), 0, 0};
  ls__node_fresh_outputs(call, 0);
  for (int64_t row = 0, end; row < in->n_rows; row = end) {
    end = latest_run_end(self, in, &keys, row);
    for (int64_t at = row + LS_PREFETCH_ROWS; at < end + LS_PREFETCH_ROWS && at < in->n_rows; at++)
      ls__table_prefetch(node->table, keys.hashes[at]);
    if (!ls__row_key_fits(&keys, row)) {
      ls__row_key_report(&faults, &keys, row, "the key is null");
    } else if (ls__is_retract(in, row)) {
      LS_TRY(latest_take_back(self, call, row, keys.keys[row], keys.hashes[row], err));
    } else {
      LS_TRY(latest_run(self, call, row, end, keys.keys[row], keys.hashes[row], &rows, err));
    }
  }
  node->counters.late += rows.n_late;
  node->counters.taken += rows.n_newer;
  if (call->plan_node->n_outputs > 1 && rows.n_late > 0) ls__batch_gather(call->outputs[1], in, rows.late, rows.n_late);
  if (self->emit == LS_EMIT_FINAL || self->retracts) return LS_OK;
  if (rows.n_newer == in->n_rows) {
    call->outputs[0] = ls__batch_view(in, call->plan_node->outputs[0].schema, call->arena);
  } else {
    ls__batch_gather(call->outputs[0], in, rows.newer, rows.n_newer);
  }
  return LS_OK;
}

typedef struct latest_scan {
  ls_node *node;
  ls_node_call *call;
} latest_scan;

static int latest_emit(void *payload, ls_slice key, ls_slice value, ls_error *err) {
  latest_scan *scan = payload;
  ls_batch *out = scan->call->outputs[0];
  LS_TRY(latest_table_decode(scan->node, value, out->columns, err));
  ls__batch_append_meta(out, scan->call->stream_time_us, ls__end_stamp(scan->call->stream_time_us, ls__hash64(key)));
  return out->n_rows >= LS_END_BATCH_ROWS ? scan->call->flush(scan->call, err) : LS_OK;
}

static int latest_end(ls_node *node, ls_node_call *call, ls_error *err) {
  ls__node_fresh_outputs(call, LS_END_BATCH_ROWS);
  latest_node *self = (latest_node *)node;
  if (self->emit != LS_EMIT_FINAL || !self->emits_rows) return LS_OK;
  return ls__table_scan(node->table, true, latest_emit, &(latest_scan){node, call}, err);
}

static void latest_end_slice(ls_node *node) {
  ls__table_end_slice(node->table);
}

const ls_node_vtable ls__latest_vtable = {latest_open,      latest_process, latest_end,
                                          latest_end_slice, latest_close,   NULL};
