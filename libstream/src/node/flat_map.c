/** @file flat_map.c  flat_map: one row per element of a list; a null or empty list makes none (filtered). */
#include "node/verbs.h"

typedef struct flat_map_node {
  ls_node base;
  ls_expr_set exprs;
} flat_map_node;

static void flat_map_close(ls_node *node) {
  flat_map_node *self = (flat_map_node *)node;
  ls__expr_set_close(&self->exprs);
  ls__free(self);
}

static int flat_map_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  flat_map_node *self = LS_NEW(flat_map_node);
  *out = &self->base;
  return ls__expr_set_open(&self->exprs, &plan_node->u.flat_map.list, 1, ls__node_input_schema(env->plan, plan_node, 0),
                           env->plan, err);
}

static int flat_map_process(ls_node *node, ls_node_call *call, ls_error *err) {
  flat_map_node *self = (flat_map_node *)node;
  const ls_batch *in = call->inputs[0];
  ls_row_faults faults;
  ls__row_faults_init(&faults, node, call, in);
  ls_column lists;
  LS_TRY(ls__expr_eval(&lists, self->exprs.states[0], in, NULL, call->arena, ls__row_faults_report, &faults, err));
  int64_t n_elements = in->n_rows > 0 ? lists.offsets[in->n_rows] - lists.offsets[0] : 0;
  int32_t *rows = LS_ARENA_ARRAY(call->arena, int32_t, n_elements + 1);
  int32_t *elements = LS_ARENA_ARRAY(call->arena, int32_t, n_elements + 1);
  int64_t n = 0;
  for (int64_t row = 0; row < in->n_rows; row++) {
    if (ls__row_faulty(&faults, row)) continue;
    if (ls__is_null(&lists, row) || lists.offsets[row] == lists.offsets[row + 1]) {
      node->counters.filtered++;
      continue;
    }
    node->counters.taken++;
    for (int32_t e = lists.offsets[row]; e < lists.offsets[row + 1]; e++, n++) {
      rows[n] = (int32_t)row;
      elements[n] = e;
    }
  }
  ls_batch *out = ls__batch_new(call->plan_node->outputs[0].schema, call->arena, n);
  uint32_t n_keep = call->plan_node->u.flat_map.n_keep;
  for (uint32_t i = 0; i < n_keep; i++) ls__column_gather(&out->columns[i], &in->columns[i], rows, n);
  ls__column_gather(&out->columns[n_keep], &lists.children[0], elements, n);
  for (int64_t i = 0; i < n; i++) {
    ls__batch_append_meta(out, in->ts_us[rows[i]], in->stamps[rows[i]]);
    if (ls__is_retract(in, rows[i])) ls__batch_set_retract(out, i);
  }
  call->outputs[0] = out;
  return LS_OK;
}

const ls_node_vtable ls__flat_map_vtable = {flat_map_open, flat_map_process, NULL, NULL, flat_map_close, NULL};
