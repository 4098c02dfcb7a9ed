/** @file branch.c  branch: each row goes to the first output whose predicate is true; without `otherwise`, the rest is filtered. */
#include "node/verbs.h"

typedef struct branch_node {
  ls_node base;
  ls_expr_set exprs;
} branch_node;

static void branch_close(ls_node *node) {
  branch_node *self = (branch_node *)node;
  ls__expr_set_close(&self->exprs);
  ls__free(self);
}

static int branch_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  branch_node *self = LS_NEW(branch_node);
  *out = &self->base;
  return ls__expr_set_open(&self->exprs, plan_node->u.branch.predicates, plan_node->u.branch.n,
                           ls__node_input_schema(env->plan, plan_node, 0), env->plan, err);
}

static int branch_process(ls_node *node, ls_node_call *call, ls_error *err) {
  branch_node *self = (branch_node *)node;
  const ls_batch *in = call->inputs[0];
  ls_row_faults faults;
  ls__row_faults_init(&faults, node, call, in);
  int64_t n_words = LS_BIT_WORDS(in->n_rows);
  uint64_t *left_over = LS_ARENA_ARRAY(call->arena, uint64_t, n_words + 1);
  for (int64_t row = 0; row < in->n_rows; row++) LS_BIT_SET(left_over, row);
  int32_t *rows = LS_ARENA_ARRAY(call->arena, int32_t, in->n_rows + 1);
  for (uint32_t i = 0; i < self->exprs.n; i++) {
    uint64_t *chosen = LS_ARENA_ARRAY(call->arena, uint64_t, n_words + 1);
    memcpy(chosen, left_over, sizeof(uint64_t) * (size_t)n_words);
    if (self->exprs.states[i] != NULL) {
      ls_column verdict;
      LS_TRY(ls__expr_eval(&verdict, self->exprs.states[i], in, left_over, call->arena, ls__row_faults_report, &faults,
                           err));
      const uint64_t *truths = ls__true_bits(&verdict, call->arena);
      for (int64_t w = 0; w < n_words; w++) chosen[w] &= truths[w];
    }
    int64_t n = ls__select_rows(rows, in, chosen, &faults);
    node->counters.taken += n;
    for (int64_t w = 0; w < n_words; w++) {
      left_over[w] &= ~(chosen[w] | (faults.bits != NULL ? faults.bits[w] : 0));
    }
    call->outputs[i] = ls__batch_new(call->plan_node->outputs[i].schema, call->arena, n);
    ls__batch_gather(call->outputs[i], in, rows, n);
  }
  for (int64_t row = 0; row < in->n_rows; row++) node->counters.filtered += LS_BIT_GET(left_over, row);
  return LS_OK;
}

const ls_node_vtable ls__branch_vtable = {branch_open, branch_process, NULL, NULL, branch_close, NULL};
