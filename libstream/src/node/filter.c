/** @file filter.c  filter: passes the rows whose predicate is true (not false, not null). */
#include "node/verbs.h"

typedef struct filter_node {
  ls_node base;
  ls_expr_set exprs;
} filter_node;

static void filter_close(ls_node *node) {
  filter_node *self = (filter_node *)node;
  ls__expr_set_close(&self->exprs);
  ls__free(self);
}

static int filter_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  filter_node *self = LS_NEW(filter_node);
  *out = &self->base;
  return ls__expr_set_open(&self->exprs, &plan_node->u.filter.predicate, 1,
                           ls__node_input_schema(env->plan, plan_node, 0), env->plan, err);
}

/** True rows of a BOOL column as bits: value and validity together. */
const uint64_t *ls__true_bits(const ls_column *column, ls_arena *arena) {
  if (column->validity == NULL) return column->values;
  int64_t n_words = LS_BIT_WORDS(column->n_rows);
  uint64_t *bits = LS_ARENA_ARRAY(arena, uint64_t, n_words + 1);
  for (int64_t w = 0; w < n_words; w++) bits[w] = ((const uint64_t *)column->values)[w] & column->validity[w];
  return bits;
}

static int filter_process(ls_node *node, ls_node_call *call, ls_error *err) {
  filter_node *self = (filter_node *)node;
  const ls_batch *in = call->inputs[0];
  ls_row_faults faults;
  ls__row_faults_init(&faults, node, call, in);
  ls_column keep;
  LS_TRY(ls__expr_eval(&keep, self->exprs.states[0], in, NULL, call->arena, ls__row_faults_report, &faults, err));
  int32_t *rows = LS_ARENA_ARRAY(call->arena, int32_t, in->n_rows + 1);
  int64_t n = ls__select_rows(rows, in, ls__true_bits(&keep, call->arena), &faults);
  int64_t n_faulty = 0;
  for (int64_t row = 0; faults.bits != NULL && row < in->n_rows; row++) n_faulty += ls__row_faulty(&faults, row);
  node->counters.filtered += in->n_rows - n - n_faulty;
  node->counters.taken += n;
  if (n == in->n_rows) {
    call->outputs[0] = ls__batch_view(in, call->plan_node->outputs[0].schema, call->arena);
    return LS_OK;
  }
  call->outputs[0] = ls__batch_new(call->plan_node->outputs[0].schema, call->arena, n);
  ls__batch_gather(call->outputs[0], in, rows, n);
  return LS_OK;
}

const ls_node_vtable ls__filter_vtable = {filter_open, filter_process, NULL, NULL, filter_close, NULL};
