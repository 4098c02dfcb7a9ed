/** @file merge.c  merge: rows of all inputs in stamp order (ties by input); and select_key: same rows, other key. */
#include "node/verbs.h"

static int plain_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  (void)plan_node, (void)env, (void)err;
  *out = LS_NEW(ls_node);
  return LS_OK;
}

static void plain_close(ls_node *node) {
  ls__free(node);
}

/** Input with the smallest next stamp, or n_inputs when all are used up. */
static uint32_t merge_next(const ls_node_call *call, const int64_t *at) {
  uint32_t best = call->plan_node->n_inputs;
  for (uint32_t i = 0; i < call->plan_node->n_inputs; i++) {
    if (at[i] == call->inputs[i]->n_rows) continue;
    if (best == call->plan_node->n_inputs ||
        ls__stamp_cmp(call->inputs[i]->stamps[at[i]], call->inputs[best]->stamps[at[best]]) < 0) {
      best = i;
    }
  }
  return best;
}

static int merge_process(ls_node *node, ls_node_call *call, ls_error *err) {
  (void)err;
  const ls_schema *schema = call->plan_node->outputs[0].schema;
  uint32_t n_inputs = call->plan_node->n_inputs, n_filled = 0, filled = 0;
  int64_t n_rows = 0;
  for (uint32_t i = 0; i < n_inputs; i++) {
    n_rows += call->inputs[i]->n_rows;
    if (call->inputs[i]->n_rows > 0) n_filled++, filled = i;
  }
  node->counters.taken += n_rows;
  if (n_filled <= 1) {
    call->outputs[0] = ls__batch_view(call->inputs[filled], schema, call->arena);
    return LS_OK;
  }
  int64_t *at = LS_ARENA_ARRAY(call->arena, int64_t, n_inputs);
  int32_t *run = LS_ARENA_ARRAY(call->arena, int32_t, n_rows);
  ls_batch *out = ls__batch_new(schema, call->arena, n_rows);
  uint32_t from = merge_next(call, at);
  while (from < n_inputs) { /* gathers runs of one input at a time */
    int64_t n = 0;
    uint32_t next = from;
    while (next == from) {
      run[n++] = (int32_t)at[from]++;
      next = merge_next(call, at);
    }
    ls__batch_gather(out, call->inputs[from], run, n);
    from = next;
  }
  call->outputs[0] = out;
  return LS_OK;
}

static int select_key_process(ls_node *node, ls_node_call *call, ls_error *err) {
  (void)err;
  node->counters.taken += call->inputs[0]->n_rows;
  call->outputs[0] = ls__batch_view(call->inputs[0], call->plan_node->outputs[0].schema, call->arena);
  return LS_OK;
}

const ls_node_vtable ls__merge_vtable = {plain_open, merge_process, NULL, NULL, plain_close, NULL};
const ls_node_vtable ls__select_key_vtable = {plain_open, select_key_process, NULL, NULL, plain_close, NULL};
