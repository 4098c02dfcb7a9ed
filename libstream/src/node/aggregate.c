/**
 * @file aggregate.c
 * aggregate: per key (and per tumbling window [start, start + size), aligned to the epoch).
 *
 * Unwindowed: a table; emit: changes gives the new row for each input row, emit: final one row per key at the end of input.
 * Windowed: a row is taken while window end > stream time - grace, else it is late (Kafka Streams' rule); emit: final gives
 * one row per key and window when stream time reaches end + grace, emit: changes an update per input row. A result's time is
 * the largest of its inputs'.
 * Live: unwindowed, emit: final gives each change; rows that take back are subtracted, and a group without rows is gone.
 */
#include "node/agg_state.h"

typedef struct aggregate_node {
  ls_node base;
  ls_agg_set *aggs;
  ls_window *windows; /* windowed: one entry per key and window start, stamp 0 */
  ls_buf state;
  ls_arena finish_arena;
  bool emits_rows;
  ls_emit emit;
  bool
      takes_back; /* rows of the input may take back: results go out once per run of rows with the same stamp and group */
  bool retracts; /* a result that is replaced goes out before the new one, as one that takes back */
  ls_buf before; /* takes_back: the group's state before the run; len 0: there was none */
} aggregate_node;

static int aggregate_table_decode(ls_node *node, ls_slice value, ls_column *columns, ls_error *err) {
  aggregate_node *self = (aggregate_node *)node;
  ls__arena_reset(&self->finish_arena);
  return ls__agg_set_finish(columns, 0, self->aggs, value, &self->finish_arena, err);
}

static void aggregate_close(ls_node *node) {
  aggregate_node *self = (aggregate_node *)node;
  ls__agg_set_close(self->aggs);
  ls__buf_fini(&self->state);
  ls__buf_fini(&self->before);
  ls__arena_fini(&self->finish_arena);
  ls__free(self);
}

static int aggregate_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  aggregate_node *self = LS_NEW(aggregate_node);
  *out = &self->base;
  ls__arena_init(&self->finish_arena, 0);
  self->base.table_decode = aggregate_table_decode;
  self->emits_rows = ls__node_has_row_consumers(env->plan, plan_node);
  bool windowed = plan_node->u.aggregate.window_us > 0;
  self->emit = windowed ? plan_node->u.aggregate.emit : ls__plan_table_emit(env->plan, plan_node->u.aggregate.emit);
  self->takes_back = env->plan->live && plan_node->live_takes_back;
  self->retracts = env->plan->live && plan_node->live_retracts;
  LS_TRY(ls__agg_set_open(&self->aggs, plan_node, ls__node_input_schema(env->plan, plan_node, 0), env->plan, err));
  const ls_plan_store *store = &plan_node->store;
  if (windowed) {
    return ls__window_open(&self->windows, env->stores, store->name, store->backend, store->fingerprint, err);
  }
  return ls__table_open(&self->base.table, env->stores, store->name, store->backend, store->fingerprint,
                        ls__node_table_is_read_as_of(env->plan, plan_node), err);
}

/** Appends the result row of a state to the main output; on failure the row is begun and not ended. */
static int aggregate_put(aggregate_node *self, ls_node_call *call, ls_slice state, int64_t window_start_us,
                         ls_stamp stamp, ls_error *err) {
  ls_batch *out = call->outputs[0];
  uint32_t n_by = self->base.plan->u.aggregate.n_by;
  bool windowed = self->windows != NULL;
  if (windowed) {
    ls__column_append_i64(&out->columns[n_by], window_start_us);
    ls__column_append_i64(&out->columns[n_by + 1], window_start_us + self->base.plan->u.aggregate.window_us);
  }
  LS_TRY(ls__agg_set_finish(out->columns, windowed ? 2 : 0, self->aggs, state, call->arena, err));
  ls__batch_append_meta(out, ls__agg_state_ts(state), stamp);
  return LS_OK;
}

/** The same for a row of the input that is at fault when there is no result: on failure the output stays as it was. */
static int aggregate_emit(aggregate_node *self, ls_node_call *call, ls_slice state, int64_t window_start_us,
                          ls_stamp stamp, ls_error *err) {
  int rc = aggregate_put(self, call, state, window_start_us, stamp, err);
  if (rc < 0) ls__batch_truncate(call->outputs[0], call->outputs[0]->n_rows);
  return rc;
}

/** The same when all rows are in: a result that can't be made is a dead letter of its own, with the key and the window. */
static int aggregate_emit_result(aggregate_node *self, ls_node_call *call, ls_slice state, int64_t window_start_us,
                                 ls_stamp stamp, ls_error *err) {
  int rc = aggregate_put(self, call, state, window_start_us, stamp, err);
  if (!ls__is_row_fault(rc)) return rc;
  uint32_t n = self->base.plan->u.aggregate.n_by + (self->windows != NULL ? 2 : 0);
  uint32_t *fields = LS_ARENA_ARRAY(call->arena, uint32_t, n + 1);
  for (uint32_t i = 0; i < n; i++) fields[i] = i;
  ls__result_fault_report(&self->base, call, fields, n, stamp, err->message);
  return LS_OK;
}

typedef struct window_close {
  aggregate_node *self;
  ls_node_call *call;
} window_close;

static int64_t window_due_us(const aggregate_node *self, int64_t start_us) {
  int64_t due;
  if (__builtin_add_overflow(start_us, self->base.plan->u.aggregate.window_us + self->base.plan->u.aggregate.grace_us,
                             &due))
    return INT64_MAX;
  return due;
}

static int on_window_closed(void *payload, const ls_window_entry *entry, ls_error *err) {
  window_close *at = payload;
  if (at->self->emit != LS_EMIT_FINAL) return LS_OK;
  ls_stamp stamp = ls__key_timer_stamp(window_due_us(at->self, entry->ts_us), ls__hash64(entry->key));
  return aggregate_emit_result(at->self, at->call, entry->value, entry->ts_us, stamp, err);
}

static int aggregate_fire(aggregate_node *self, ls_node_call *call, int64_t stream_time_us, ls_error *err) {
  for (;;) {
    int64_t start_us = ls__window_min_ts(self->windows);
    if (start_us == INT64_MAX || window_due_us(self, start_us) > stream_time_us) return LS_OK;
    window_close at = {self, call};
    LS_TRY(ls__window_expire(self->windows, start_us + 1, on_window_closed, &at, err));
    if (call->flush != NULL && call->outputs[0]->n_rows >= LS_END_BATCH_ROWS) LS_TRY(call->flush(call, err));
  }
}

static int take_state(void *payload, const ls_window_entry *entry, ls_error *err) {
  (void)err;
  *(ls_slice *)payload = entry->value;
  return 1;
}

static int64_t window_start_of(int64_t ts_us, int64_t size_us) {
  int64_t offset = ts_us % size_us;
  return ts_us - (offset < 0 ? offset + size_us : offset);
}

static int aggregate_windowed_row(aggregate_node *self, ls_node_call *call, int64_t row, ls_slice key, uint64_t hash,
                                  ls_error *err) {
  const ls_batch *in = call->inputs[0];
  int64_t start_us = window_start_of(in->ts_us[row], self->base.plan->u.aggregate.window_us);
  LS_TRY(aggregate_fire(self, call, in->stamps[row].ts_us, err));
  if (window_due_us(self, start_us) <= in->stamps[row].ts_us) {
    self->base.counters.late++;
    if (call->plan_node->n_outputs > 1) ls__batch_gather(call->outputs[1], in, &(int32_t){(int32_t)row}, 1);
    return LS_OK;
  }
  ls_slice old = {NULL, 0};
  int rc = ls__window_fetch(self->windows, key, hash, start_us, start_us, take_state, &old, err);
  if (rc < 0) return rc;
  LS_TRY(ls__agg_set_add(&self->state, self->aggs, old, in, row, call->arena, err));
  ls_window_entry entry = {.key = key, .ts_us = start_us, .stamp = {0, 0}, .value = ls__buf_slice(&self->state)};
  if (self->emit != LS_EMIT_FINAL) { /* first: a row that fails changes no state */
    LS_TRY(aggregate_emit(self, call, entry.value, start_us, in->stamps[row], err));
  }
  self->base.counters.taken++;
  return ls__window_put(self->windows, &entry, hash, err);
}

/** The result that a change replaces, as a row that takes back. One that can't be made never went out. */
static int aggregate_retract(aggregate_node *self, ls_node_call *call, ls_slice state, ls_stamp stamp, ls_error *err) {
  int rc = aggregate_emit(self, call, state, 0, stamp, err);
  if (rc == LS_OK) ls__batch_set_retract(call->outputs[0], call->outputs[0]->n_rows - 1);
  return ls__is_row_fault(rc) ? LS_OK : rc;
}

static int aggregate_table_row(aggregate_node *self, ls_node_call *call, int64_t row, ls_slice key, uint64_t hash,
                               ls_error *err) {
  const ls_batch *in = call->inputs[0];
  ls_slice old = {NULL, 0};
  int found = ls__table_get(&old, self->base.table, key, hash, err);
  if (found < 0) return found;
  if (found == 0) old = (ls_slice){NULL, 0};
  LS_TRY(ls__agg_set_add(&self->state, self->aggs, old, in, row, call->arena, err));
  if (self->emit != LS_EMIT_FINAL && self->emits_rows) { /* first: a row that fails changes no state */
    int64_t n_rows = call->outputs[0]->n_rows;
    if (self->retracts && found == 1) LS_TRY(aggregate_retract(self, call, old, in->stamps[row], err));
    int rc = aggregate_emit(self, call, ls__buf_slice(&self->state), 0, in->stamps[row], err);
    if (rc < 0) ls__batch_truncate(call->outputs[0], n_rows); /* nothing has changed */
    LS_TRY(rc);
  }
  self->base.counters.taken++;
  return ls__table_put(self->base.table, key, hash, ls__buf_slice(&self->state), in->stamps[row], err);
}

/** One row of a run: added or taken back. A row to take back that is in no group was at fault when it came. */
static int aggregate_change(aggregate_node *self, ls_node_call *call, int64_t row, ls_slice key, uint64_t hash,
                            bool begins, ls_error *err) {
  const ls_batch *in = call->inputs[0];
  bool back = ls__is_retract(in, row);
  ls_slice old = {NULL, 0};
  int found = ls__table_get(&old, self->base.table, key, hash, err);
  if (found < 0) return found;
  if (found == 0) old = (ls_slice){NULL, 0};
  if (begins) {
    ls__buf_clear(&self->before);
    ls__buf_append(&self->before, old.ptr, old.len);
  }
  if (back && found == 1) {
    LS_TRY(ls__agg_set_take_back(&self->state, self->aggs, old, in, row, call->arena, err));
  } else if (!back) {
    LS_TRY(ls__agg_set_add(&self->state, self->aggs, old, in, row, call->arena, err));
  }
  self->base.counters.taken++;
  if (back && found == 0) return LS_OK;
  if (ls__agg_state_empty(self->aggs, ls__buf_slice(&self->state))) {
    return ls__table_delete(self->base.table, key, hash, in->stamps[row], err);
  }
  return ls__table_put(self->base.table, key, hash, ls__buf_slice(&self->state), in->stamps[row], err);
}

/** What the run that ends with this row has made of its group. */
static int aggregate_emit_run(aggregate_node *self, ls_node_call *call, int64_t row, ls_slice key, uint64_t hash,
                              ls_error *err) {
  ls_stamp stamp = call->inputs[0]->stamps[row];
  if (!self->emits_rows) return LS_OK;
  ls_slice now;
  int found = ls__table_get(&now, self->base.table, key, hash, err);
  if (found < 0) return found;
  if (self->retracts && self->before.len > 0)
    LS_TRY(aggregate_retract(self, call, ls__buf_slice(&self->before), stamp, err));
  return found == 1 ? aggregate_emit_result(self, call, now, 0, stamp, err) : LS_OK;
}

/** Whether two rows belong together: of one stamp, or the new row right after the old one, which come through an internal topic
 *  as two records. When a slice ends between those, a result without the row is seen for a moment. */
static bool aggregate_goes_on(const ls_batch *in, int64_t last, int64_t row) {
  if (ls__stamp_cmp(in->stamps[last], in->stamps[row]) == 0) return true;
  return row == last + 1 && ls__is_retract(in, last) && !ls__is_retract(in, row);
}

/** Rows of one stamp and group, the old and the new row of a change above all, give one result: nobody sees what is between. */
static int aggregate_runs(aggregate_node *self, ls_node_call *call, const ls_row_keys *keys, ls_row_faults *faults,
                          ls_error *err) {
  const ls_batch *in = call->inputs[0];
  int64_t last = -1; /* row of the open run */
  for (int64_t row = 0; row < in->n_rows; row++) {
    if (ls__row_faulty(faults, row)) continue;
    if (!ls__row_key_fits(keys, row)) {
      ls__row_key_report(faults, keys, row, "the key to aggregate by is null");
      continue;
    }
    bool begins = last < 0 || !aggregate_goes_on(in, last, row) || !ls__slice_eq(keys->keys[last], keys->keys[row]);
    if (begins && last >= 0) LS_TRY(aggregate_emit_run(self, call, last, keys->keys[last], keys->hashes[last], err));
    int rc = aggregate_change(self, call, row, keys->keys[row], keys->hashes[row], begins, err);
    if (ls__is_row_fault(rc)) {
      ls__row_faults_report(faults, row, err->message);
    } else if (rc < 0) {
      return rc;
    }
    last = row;
  }
  return last < 0 ? LS_OK : aggregate_emit_run(self, call, last, keys->keys[last], keys->hashes[last], err);
}

static int aggregate_process(ls_node *node, ls_node_call *call, ls_error *err) {
  aggregate_node *self = (aggregate_node *)node;
  const ls_batch *in = call->inputs[0];
  ls_row_faults faults;
  ls__row_faults_init(&faults, node, call, in);
  LS_TRY(ls__agg_set_eval(self->aggs, in, call->arena, ls__row_faults_report, &faults, err));
  ls_row_keys keys;
  ls__row_keys_of(&keys, in, node->plan->u.aggregate.by, node->plan->u.aggregate.n_by, call->arena);
  ls__node_fresh_outputs(call, 0);
  if (self->takes_back) return aggregate_runs(self, call, &keys, &faults, err);
  for (int64_t row = 0; row < in->n_rows; row++) {
    if (node->table != NULL && row + LS_PREFETCH_ROWS < in->n_rows)
      ls__table_prefetch(node->table, keys.hashes[row + LS_PREFETCH_ROWS]);
    if (ls__row_faulty(&faults, row)) continue;
    if (!ls__row_key_fits(&keys, row)) {
      ls__row_key_report(&faults, &keys, row, "the key to aggregate by is null");
      continue;
    }
    int rc = self->windows != NULL ? aggregate_windowed_row(self, call, row, keys.keys[row], keys.hashes[row], err)
                                   : aggregate_table_row(self, call, row, keys.keys[row], keys.hashes[row], err);
    if (ls__is_row_fault(rc)) {
      ls__row_faults_report(&faults, row, err->message);
    } else if (rc < 0) {
      return rc;
    }
  }
  return self->windows != NULL ? aggregate_fire(self, call, call->stream_time_us, err) : LS_OK;
}

typedef struct aggregate_scan {
  aggregate_node *self;
  ls_node_call *call;
} aggregate_scan;

static int aggregate_emit_final(void *payload, ls_slice key, ls_slice value, ls_error *err) {
  aggregate_scan *scan = payload;
  ls_stamp stamp = ls__end_stamp(scan->call->stream_time_us, ls__hash64(key));
  LS_TRY(aggregate_emit_result(scan->self, scan->call, value, 0, stamp, err));
  return scan->call->outputs[0]->n_rows >= LS_END_BATCH_ROWS ? scan->call->flush(scan->call, err) : LS_OK;
}

static int aggregate_end(ls_node *node, ls_node_call *call, ls_error *err) {
  aggregate_node *self = (aggregate_node *)node;
  ls__node_fresh_outputs(call, LS_END_BATCH_ROWS);
  if (self->windows != NULL) return aggregate_fire(self, call, INT64_MAX, err);
  if (self->emit != LS_EMIT_FINAL || !self->emits_rows) return LS_OK;
  return ls__table_scan(node->table, true, aggregate_emit_final, &(aggregate_scan){self, call}, err);
}

static int64_t aggregate_next_due_us(const ls_node *node) {
  const aggregate_node *self = (const aggregate_node *)node;
  int64_t start_us = self->windows != NULL ? ls__window_min_ts(self->windows) : INT64_MAX;
  return start_us == INT64_MAX ? INT64_MAX : window_due_us(self, start_us);
}

static void aggregate_end_slice(ls_node *node) {
  if (node->table != NULL) ls__table_end_slice(node->table);
}

const ls_node_vtable ls__aggregate_vtable = {aggregate_open,      aggregate_process, aggregate_end,
                                             aggregate_end_slice, aggregate_close,   aggregate_next_due_us};
