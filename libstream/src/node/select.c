/** @file select.c  select and extend: one expression per output column. Rows whose evaluation fails are dead letters. */
#include "node/verbs.h"

typedef struct select_node {
  ls_node base;
  ls_expr_set exprs;
} select_node;

static void select_close(ls_node *node) {
  select_node *self = (select_node *)node;
  ls__expr_set_close(&self->exprs);
  ls__free(self);
}

static int select_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  select_node *self = LS_NEW(select_node);
  *out = &self->base;
  return ls__expr_set_open(&self->exprs, plan_node->u.select.exprs, plan_node->u.select.n,
                           ls__node_input_schema(env->plan, plan_node, 0), env->plan, err);
}

static int select_process(ls_node *node, ls_node_call *call, ls_error *err) {
  select_node *self = (select_node *)node;
  const ls_batch *in = call->inputs[0];
  ls_row_faults faults;
  ls__row_faults_init(&faults, node, call, in);
  ls_batch *made = ls__batch_view(in, call->plan_node->outputs[0].schema, call->arena);
  made->columns = LS_ARENA_ARRAY(call->arena, ls_column, self->exprs.n);
  for (uint32_t i = 0; i < self->exprs.n; i++) {
    LS_TRY(ls__expr_eval(&made->columns[i], self->exprs.states[i], in, NULL, call->arena, ls__row_faults_report,
                         &faults, err));
  }
  call->outputs[0] = made;
  if (faults.bits == NULL) {
    node->counters.taken += in->n_rows;
    return LS_OK;
  }
  int32_t *rows = LS_ARENA_ARRAY(call->arena, int32_t, in->n_rows + 1);
  int64_t n = ls__select_rows(rows, in, NULL, &faults);
  node->counters.taken += n;
  call->outputs[0] = ls__batch_new(made->schema, call->arena, n);
  ls__batch_gather(call->outputs[0], made, rows, n);
  return LS_OK;
}

const ls_node_vtable ls__select_vtable = {select_open, select_process, NULL, NULL, select_close, NULL};
