/** @file node_util.c  See node_util.h. */
#include "node/verbs.h"

#include <stdio.h>

void ls__row_faults_init(ls_row_faults *faults, ls_node *node, ls_node_call *call, const ls_batch *batch) {
  *faults = (ls_row_faults){node, call, batch, NULL};
}

void ls__row_faults_report(void *payload, int64_t row, const char *message) {
  ls_row_faults *faults = payload;
  if (faults->bits == NULL) {
    faults->bits = LS_ARENA_ARRAY(faults->call->arena, uint64_t, LS_BIT_WORDS(faults->batch->n_rows));
  }
  if (LS_BIT_GET(faults->bits, row)) return;
  LS_BIT_SET(faults->bits, row);
  if (ls__is_retract(faults->batch, row)) { /* a dead letter when it came the first time */
    faults->node->counters.taken++;
    return;
  }
  faults->node->counters.dead++;
  faults->call->on_error(faults->call->error_payload, faults->node->plan, faults->batch, row, message);
}

void ls__result_fault_report(ls_node *node, ls_node_call *call, const uint32_t *fields, uint32_t n_fields,
                             ls_stamp stamp, const char *message) {
  ls_batch *out = call->outputs[0];
  ls_schema *schema = LS_ARENA_NEW(call->arena, ls_schema);
  *schema = (ls_schema){.name = "key", .fields = LS_ARENA_ARRAY(call->arena, ls_field, n_fields + 1), .time_field = -1};
  for (uint32_t i = 0; i < n_fields; i++) schema->fields[schema->n_fields++] = out->schema->fields[fields[i]];
  ls_batch *key = ls__batch_new(schema, call->arena, 1);
  for (uint32_t i = 0; i < n_fields; i++) {
    const ls_column *column = &out->columns[fields[i]];
    if (column->n_rows > out->n_rows) {
      ls__column_append_from(&key->columns[i], column, out->n_rows);
    } else {
      ls__column_append_null(&key->columns[i]);
    }
  }
  ls__batch_append_meta(key, stamp.ts_us, stamp);
  ls__batch_truncate(out, out->n_rows);
  call->on_error(call->error_payload, node->plan, key, 0, message);
}

ls_expr_env ls__node_expr_env(const ls_plan *plan, const ls_schema *input) {
  return (ls_expr_env){.schema = input,
                       .tables = plan->tables,
                       .n_tables = plan->n_globals,
                       .udfs = plan->udfs,
                       .volatile_allowed = !plan->parity};
}

int ls__expr_set_open(ls_expr_set *set, ls_expr *const *exprs, uint32_t n, const ls_schema *input, const ls_plan *plan,
                      ls_error *err) {
  set->states = ls__calloc(n + 1, sizeof *set->states);
  set->n = n;
  ls_expr_env env = ls__node_expr_env(plan, input);
  for (uint32_t i = 0; i < n; i++) {
    if (exprs[i] != NULL) LS_TRY(ls__expr_state_new(&set->states[i], exprs[i], &env, err));
  }
  return LS_OK;
}

void ls__expr_set_close(ls_expr_set *set) {
  for (uint32_t i = 0; i < set->n; i++) ls__expr_state_free(set->states[i]);
  ls__free(set->states);
  *set = (ls_expr_set){NULL, 0};
}

const ls_schema *ls__node_input_schema(const ls_plan *plan, const ls_plan_node *node, uint32_t i) {
  return plan->nodes[node->inputs[i].node].outputs[node->inputs[i].output].schema;
}

int64_t ls__select_rows(int32_t *rows, const ls_batch *batch, const uint64_t *bits, const ls_row_faults *faults) {
  int64_t n = 0;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    if ((bits == NULL || LS_BIT_GET(bits, row)) && !ls__row_faulty(faults, row)) rows[n++] = (int32_t)row;
  }
  return n;
}

void ls__node_fresh_outputs(ls_node_call *call, int64_t capacity_rows) {
  for (uint32_t i = 0; i < call->plan_node->n_outputs; i++) {
    call->outputs[i] = ls__batch_new(call->plan_node->outputs[i].schema, call->arena, i == 0 ? capacity_rows : 0);
  }
}

void ls__batch_truncate(ls_batch *batch, int64_t n_rows) {
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) ls__column_resize(&batch->columns[i], n_rows);
  batch->n_rows = n_rows;
}

/** Merges the sorted runs from[first..middle) and from[middle..last) into to. */
static void merge_runs(int32_t *to, const int32_t *from, const ls_stamp *stamps, int64_t first, int64_t middle,
                       int64_t last) {
  int64_t a = first, b = middle;
  for (int64_t i = first; i < last; i++) {
    bool take_a = a < middle && (b >= last || ls__stamp_cmp(stamps[from[a]], stamps[from[b]]) <= 0);
    to[i] = take_a ? from[a++] : from[b++];
  }
}

void ls__batch_sort(ls_batch **batch, ls_arena *arena) {
  const ls_batch *in = *batch;
  int64_t n = in->n_rows, sorted = 1;
  while (sorted < n && ls__stamp_cmp(in->stamps[sorted - 1], in->stamps[sorted]) <= 0) sorted++;
  if (sorted >= n) return;
  int32_t *rows = LS_ARENA_ARRAY(arena, int32_t, n), *other = LS_ARENA_ARRAY(arena, int32_t, n);
  for (int64_t i = 0; i < n; i++) rows[i] = (int32_t)i;
  for (int64_t width = 1; width < n; width *= 2) {
    for (int64_t first = 0; first < n; first += 2 * width) {
      int64_t middle = first + width < n ? first + width : n, last = first + 2 * width < n ? first + 2 * width : n;
      merge_runs(other, rows, in->stamps, first, middle, last);
    }
    int32_t *swap = rows;
    rows = other;
    other = swap;
  }
  *batch = ls__batch_new(in->schema, arena, n);
  ls__batch_gather(*batch, in, rows, n);
}

ls_batch *ls__batch_view(const ls_batch *in, const ls_schema *schema, ls_arena *arena) {
  ls_batch *view = LS_ARENA_NEW(arena, ls_batch);
  *view = *in;
  view->schema = schema;
  view->arena = arena;
  view->capacity_rows = 0; /* a view never grows */
  return view;
}

void ls__row_keys_of(ls_row_keys *out, const ls_batch *batch, const uint32_t *fields, uint32_t n_fields,
                     ls_arena *arena) {
  out->keys = LS_ARENA_ARRAY(arena, ls_slice, batch->n_rows + 1);
  out->hashes = LS_ARENA_ARRAY(arena, uint64_t, batch->n_rows + 1);
  ls_buf key = LS_BUF_INIT;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    if (row > 0 && ls__key_same(batch, fields, n_fields, row, row - 1)) { /* rows of a key often come together */
      out->keys[row] = out->keys[row - 1];
      out->hashes[row] = out->hashes[row - 1];
      continue;
    }
    if (ls__key_has_null(batch, fields, n_fields, row)) continue;
    ls__buf_clear(&key);
    ls__key_encode(&key, batch, fields, n_fields, row);
    char *copy = ls__arena_alloc(arena, key.len);
    memcpy(copy, key.ptr, key.len);
    out->keys[row] = (ls_slice){copy, key.len};
    out->hashes[row] = ls__hash64(out->keys[row]);
  }
  ls__buf_fini(&key);
}

void ls__row_key_report(ls_row_faults *faults, const ls_row_keys *keys, int64_t row, const char *if_null) {
  char message[96];
  snprintf(message, sizeof message, "the key has %zu bytes, at most %u are stored", keys->keys[row].len,
           LS_STORE_KEY_BYTES_MAX);
  ls__row_faults_report(faults, row, keys->keys[row].ptr == NULL ? if_null : message);
}

/** A table join that looks at its tables at the end of input only. */
static bool reads_at_end(const ls_plan *plan, const ls_plan_node *reader) {
  return reader->verb == LS_VERB_TABLE_JOIN && ls__plan_table_emit(plan, reader->u.table_join.emit) == LS_EMIT_FINAL;
}

bool ls__node_table_is_read_as_of(const ls_plan *plan, const ls_plan_node *node) {
  for (uint32_t i = 0; i < plan->n_nodes; i++) {
    const ls_plan_node *reader = &plan->nodes[i];
    bool reads = reader->reads_table[0] == node->id || reader->reads_table[1] == node->id;
    if (reads && !reads_at_end(plan, reader)) return true;
  }
  return false;
}

bool ls__node_has_row_consumers(const ls_plan *plan, const ls_plan_node *node) {
  for (uint32_t i = node->id + 1; i < plan->n_nodes; i++) {
    const ls_plan_node *reader = &plan->nodes[i];
    if (reads_at_end(plan, reader)) continue;
    for (uint32_t k = 0; k < reader->n_inputs; k++) {
      if (reader->inputs[k].node == node->id) return true;
    }
  }
  return false;
}
