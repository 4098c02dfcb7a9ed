/** @file plan_order.c  See plan_order.h. */
#include "node/plan_order.h"

static const ls_schema *schema_of(const ls_plan *plan, ls_plan_input at) {
  return plan->nodes[at.node].outputs[at.output].schema;
}

static bool same_key(const ls_schema *x, const ls_schema *y) {
  return x->n_key > 0 && x->n_key == y->n_key && memcmp(x->key, y->key, x->n_key * sizeof *x->key) == 0;
}

/** Whether the key of a select's rows is that of its input. */
static bool carries_key(const ls_plan_node *node, const ls_schema *in) {
  const ls_schema *out = node->outputs[0].schema;
  if (in->n_key == 0 || out->n_key != in->n_key) return false;
  for (uint32_t i = 0; i < in->n_key; i++) {
    if (ls__expr_is_column(node->u.select.exprs[out->key[i]]) != (int32_t)in->key[i]) return false;
  }
  return true;
}

static bool in_key_order(const ls_plan *plan, ls_plan_input at) {
  const ls_plan_node *node = &plan->nodes[at.node];
  if (at.output != 0 || node->n_inputs == 0) return false;
  const ls_schema *out = node->outputs[0].schema, *in = schema_of(plan, node->inputs[0]);
  switch (node->verb) {
  case LS_VERB_FILTER:
    return same_key(out, in) && in_key_order(plan, node->inputs[0]);
  case LS_VERB_SELECT:
    return carries_key(node, in) && in_key_order(plan, node->inputs[0]);
  case LS_VERB_LATEST:
    return node->u.latest.emit == LS_EMIT_FINAL && same_key(out, in);
  case LS_VERB_TABLE_JOIN:
    return node->u.table_join.emit == LS_EMIT_FINAL && same_key(out, in);
  case LS_VERB_AGGREGATE:
    return node->u.aggregate.emit == LS_EMIT_FINAL && node->u.aggregate.window_us == 0 && out->n_key > 0;
  default:
    return false;
  }
}

bool ls__plan_sink_in_key_order(const ls_plan *plan, const ls_plan_sink *sink) {
  ls_plan_input from = plan->nodes[sink->node].inputs[0];
  return same_key(sink->schema, schema_of(plan, from)) && in_key_order(plan, from);
}
