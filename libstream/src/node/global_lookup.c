/** @file global_lookup.c  stream-global table join: each stream row looks up the table by the values of its `on` expressions. */
#include "node/global_table.h"
#include "node/verbs.h"

typedef struct global_lookup_node {
  ls_node base;
  ls_expr_set on;
  ls_global *global;
  ls_buf key;
} global_lookup_node;

static void global_lookup_close(ls_node *node) {
  global_lookup_node *self = (global_lookup_node *)node;
  ls__expr_set_close(&self->on);
  ls__buf_fini(&self->key);
  ls__free(self);
}

static int global_lookup_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  global_lookup_node *self = LS_NEW(global_lookup_node);
  *out = &self->base;
  self->global = env->globals[plan_node->u.global_lookup.table];
  return ls__expr_set_open(&self->on, plan_node->u.global_lookup.on, plan_node->u.global_lookup.n_on,
                           ls__node_input_schema(env->plan, plan_node, 0), env->plan, err);
}

/** Row of the table for one input row, -1: none (also for a null key). */
static int32_t global_lookup_row(global_lookup_node *self, const ls_column *keys, int64_t row) {
  ls__buf_clear(&self->key);
  for (uint32_t i = 0; i < self->on.n; i++) {
    if (ls__is_null(&keys[i], row)) return -1;
    ls__key_encode_value(&self->key, &keys[i], row);
  }
  ls_slice key = ls__buf_slice(&self->key);
  return ls__global_find(self->global, key, ls__hash64(key));
}

static int global_lookup_process(ls_node *node, ls_node_call *call, ls_error *err) {
  global_lookup_node *self = (global_lookup_node *)node;
  const ls_batch *in = call->inputs[0];
  ls_row_faults faults;
  ls__row_faults_init(&faults, node, call, in);
  ls_column *keys = LS_ARENA_ARRAY(call->arena, ls_column, self->on.n + 1);
  for (uint32_t i = 0; i < self->on.n; i++) {
    LS_TRY(ls__expr_eval(&keys[i], self->on.states[i], in, NULL, call->arena, ls__row_faults_report, &faults, err));
  }
  bool left_join = node->plan->u.global_lookup.type == LS_JOIN_LEFT;
  int32_t *kept = LS_ARENA_ARRAY(call->arena, int32_t, in->n_rows + 1);
  int32_t *found = LS_ARENA_ARRAY(call->arena, int32_t, in->n_rows + 1);
  int64_t n = 0;
  for (int64_t row = 0; row < in->n_rows; row++) {
    if (ls__row_faulty(&faults, row)) continue;
    found[n] = global_lookup_row(self, keys, row);
    if (found[n] < 0 && !left_join) {
      node->counters.filtered++;
      continue;
    }
    kept[n++] = (int32_t)row;
  }
  node->counters.taken += n;
  ls_batch *out = ls__batch_new(call->plan_node->outputs[0].schema, call->arena, 0);
  uint32_t n_left = node->plan->u.global_lookup.n_left;
  const ls_batch *rows = ls__global_rows(self->global);
  for (uint32_t i = 0; i < n_left; i++) {
    if (n == in->n_rows) {
      out->columns[i] = in->columns[i];
    } else {
      ls__column_gather(&out->columns[i], &in->columns[i], kept, n);
    }
  }
  for (uint32_t i = n_left; i < out->schema->n_fields; i++) {
    ls__column_gather(&out->columns[i], &rows->columns[i - n_left], found, n);
  }
  for (int64_t i = 0; i < n; i++) ls__batch_append_meta(out, in->ts_us[kept[i]], in->stamps[kept[i]]);
  call->outputs[0] = out;
  return LS_OK;
}

const ls_node_vtable ls__global_lookup_vtable = {
    global_lookup_open, global_lookup_process, NULL, NULL, global_lookup_close, NULL};
