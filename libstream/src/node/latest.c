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
  ls_arena arena;    /* layout and the compared value */
  ls_buf row;
  bool emits_rows;
  ls_emit emit;
  bool retracts;     /* a row that is replaced goes out before the new one, as one that takes back */
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
  return ls__table_open(&self->base.table, env->stores, plan_node->store.name, plan_node->store.backend,
                        plan_node->store.fingerprint, plan_node->table_has_readers, err);
}

/** Compares order_by of a batch row with that of a stored row: <0 older, 0 equal, >0 newer. */
static int latest_compare(latest_node *self, const ls_batch *batch, int64_t row, ls_slice stored, ls_arena *scratch, int *out,
                          ls_error *err) {
  uint32_t field = (uint32_t)self->base.plan->u.latest.order_by;
  const ls_column *column = &batch->columns[field];
  bool null_new = ls__is_null(column, row), null_old = ls__row_is_null(&self->layout, stored, field);
  if (null_new || null_old) {
    *out = (int)null_old - (int)null_new; /* null is older than anything */
    return LS_OK;
  }
  if (column->type->kind == LS_INT64 || column->type->kind == LS_TIMESTAMP) {
    int64_t a = ls__column_i64(column)[row], b = ls__row_i64(&self->layout, stored, field);
    *out = a < b ? -1 : a > b;
    return LS_OK;
  }
  ls_column old;
  ls__column_init(&old, column->type, scratch, 1);
  LS_TRY(ls__row_decode_field(&old, &self->layout, stored, field, err));
  ls_buf a = LS_BUF_INIT, b = LS_BUF_INIT;
  ls__key_encode_value(&a, column, row);
  ls__key_encode_value(&b, &old, 0);
  *out = ls__slice_cmp(ls__buf_slice(&a), ls__buf_slice(&b));
  ls__buf_fini(&a);
  ls__buf_fini(&b);
  return LS_OK;
}

/** What one call has taken so far. */
typedef struct latest_rows {
  int32_t *newer, *late;  /* rows of the input */
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
static int latest_take_back(latest_node *self, ls_node_call *call, int64_t row, ls_slice key, uint64_t hash, ls_error *err) {
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

static int latest_row(latest_node *self, ls_node_call *call, int64_t row, ls_slice key, uint64_t hash, latest_rows *rows, ls_error *err) {
  const ls_batch *in = call->inputs[0];
  ls_slice stored;
  int found = ls__table_get(&stored, self->base.table, key, hash, err);
  if (found < 0) return found;
  int order = 1;
  if (found == 1 && self->base.plan->u.latest.order_by >= 0) {
    LS_TRY(latest_compare(self, in, row, stored, call->arena, &order, err));
  }
  if (order < 0) {
    rows->late[rows->n_late++] = (int32_t)row;
    return LS_OK;
  }
  if (self->retracts && found == 1) LS_TRY(latest_retract(self, call, row, stored, err));
  if (self->retracts) ls__batch_gather(call->outputs[0], in, &(int32_t){(int32_t)row}, 1);
  rows->newer[rows->n_newer++] = (int32_t)row;
  ls__row_encode(&self->row, &self->layout, in, row);
  return ls__table_put(self->base.table, key, hash, ls__buf_slice(&self->row), in->stamps[row], err);
}

static int latest_process(ls_node *node, ls_node_call *call, ls_error *err) {
  latest_node *self = (latest_node *)node;
  const ls_batch *in = call->inputs[0];
  ls_row_faults faults;
  ls__row_faults_init(&faults, node, call, in);
  ls_row_keys keys;
  ls__row_keys_of(&keys, in, in->schema->key, in->schema->n_key, call->arena);
  latest_rows rows = {LS_ARENA_ARRAY(call->arena, int32_t, in->n_rows + 1), LS_ARENA_ARRAY(call->arena, int32_t, in->n_rows + 1), 0, 0};
  ls__node_fresh_outputs(call, 0);
  for (int64_t row = 0; row < in->n_rows; row++) {
    if (row + LS_PREFETCH_ROWS < in->n_rows) ls__table_prefetch(node->table, keys.hashes[row + LS_PREFETCH_ROWS]);
    if (keys.keys[row].ptr == NULL) {
      ls__row_faults_report(&faults, row, "the key is null");
    } else if (ls__is_retract(in, row)) {
      LS_TRY(latest_take_back(self, call, row, keys.keys[row], keys.hashes[row], err));
    } else {
      LS_TRY(latest_row(self, call, row, keys.keys[row], keys.hashes[row], &rows, err));
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

static void latest_end_slice(ls_node *node) { ls__table_end_slice(node->table); }

const ls_node_vtable ls__latest_vtable = {latest_open, latest_process, latest_end, latest_end_slice, latest_close, NULL};
