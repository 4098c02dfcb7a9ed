/**
 * @file build_filled.c
 * Which columns of each output hold what the records said: forwards from the fields of the sources that are read (see
 * build_liveness.c). The others are null in every row, whatever the record had: a dead letter must not show them.
 */
#include "topology/build.h"

static const uint64_t *filled_of(const ls_build *b, ls_plan_input at) {
  return b->nodes[at.node].outputs[at.output].filled;
}

static uint32_t fields_of(const ls_build *b, ls_plan_input at) {
  return b->nodes[at.node].outputs[at.output].schema->n_fields;
}

/* Sets out[at + i] where in[i] is set; in NULL: all. */
static void put(uint64_t *out, uint32_t at, const uint64_t *in, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (in == NULL || LS_BIT_GET(in, i)) LS_BIT_SET(out, at + i);
  }
}

static void put_input(const ls_build *b, uint64_t *out, uint32_t at, ls_plan_input in) {
  put(out, at, filled_of(b, in), fields_of(b, in));
}

static void put_source(const ls_build *b, const ls_plan_node *node, uint64_t *out) {
  const ls_plan_source *source = &b->sources[node->u.source.source];
  if (source->repartition) {
    put_input(b, out, 0, b->nodes[node->id - 1].inputs[0]);
  } else {
    put(out, 0, source->wanted, source->schema->n_fields);
  }
}

static void put_select(const ls_build *b, const ls_plan_node *node, uint64_t *out) {
  const uint64_t *in = filled_of(b, node->inputs[0]);
  for (uint32_t i = 0; i < node->u.select.n; i++) {
    int32_t column = ls__expr_is_column(node->u.select.exprs[i]);
    if (column < 0 || LS_BIT_GET(in, (uint32_t)column)) LS_BIT_SET(out, i);
  }
}

static void put_merge(const ls_build *b, const ls_plan_node *node, uint64_t *out) {
  put_input(b, out, 0, node->inputs[0]);
  for (uint32_t k = 1; k < node->n_inputs; k++) {
    const uint64_t *in = filled_of(b, node->inputs[k]);
    for (uint32_t i = 0; i < fields_of(b, node->inputs[k]); i++) {
      if (!LS_BIT_GET(in, i)) LS_BIT_CLEAR(out, i);
    }
  }
}

static void put_join(const ls_build *b, const ls_plan_node *node, uint32_t n_left, uint64_t *out) {
  put_input(b, out, 0, node->inputs[0]);
  if (node->verb == LS_VERB_GLOBAL_LOOKUP) {
    const ls_plan_global *table = &b->globals[node->u.global_lookup.table];
    put(out, n_left, table->wanted, table->schema->n_fields);
  } else if (node->verb == LS_VERB_TABLE_LOOKUP) {
    put_input(b, out, n_left, (ls_plan_input){node->reads_table[0], 0});
  } else {
    put_input(b, out, n_left, node->inputs[1]);
  }
}

/* The late and unmatched rows of a stream join are those of one side. */
static void put_stream_join(const ls_build *b, const ls_plan_node *node, uint32_t output, uint64_t *out) {
  if (output == 0)
    put_join(b, node, node->u.stream_join.n_left, out);
  else
    put_input(b, out, 0, node->inputs[output == 3 ? 0 : 1]);
}

/* What a verb adds behind the columns of its input (an element, a version) is its own. */
static void put_passed(const ls_build *b, const ls_plan_node *node, uint32_t output, uint64_t *out) {
  uint32_t n = node->outputs[output].schema->n_fields, n_in = fields_of(b, node->inputs[0]);
  if (node->verb == LS_VERB_FLAT_MAP) n_in = node->u.flat_map.n_keep;
  put(out, 0, filled_of(b, node->inputs[0]), n < n_in ? n : n_in);
  if (n > n_in) put(out, n_in, NULL, n - n_in);
}

static void put_output(const ls_build *b, const ls_plan_node *node, uint32_t output, uint64_t *out) {
  switch (node->verb) {
  case LS_VERB_SOURCE:
    put_source(b, node, out);
    break;
  case LS_VERB_SELECT:
    put_select(b, node, out);
    break;
  case LS_VERB_MERGE:
    put_merge(b, node, out);
    break;
  case LS_VERB_STREAM_JOIN:
    put_stream_join(b, node, output, out);
    break;
  case LS_VERB_TABLE_LOOKUP:
    put_join(b, node, node->u.table_lookup.n_left, out);
    break;
  case LS_VERB_TABLE_JOIN:
    put_join(b, node, node->u.table_join.n_left, out);
    break;
  case LS_VERB_GLOBAL_LOOKUP:
    put_join(b, node, node->u.global_lookup.n_left, out);
    break;
  case LS_VERB_AGGREGATE:
    if (output == 0)
      put(out, 0, NULL, node->outputs[0].schema->n_fields);
    else
      put_input(b, out, 0, node->inputs[0]);
    break;
  default:
    put_passed(b, node, output, out);
    break;
  }
}

void ls__build_filled(ls_build *b) {
  for (uint32_t i = 0; i < b->plan->n_nodes; i++) { /* inputs and tables have smaller ids */
    const ls_plan_node *node = &b->nodes[i];
    ls_plan_output *outputs = (ls_plan_output *)(uintptr_t)node->outputs;
    for (uint32_t k = 0; k < node->n_outputs; k++) {
      uint64_t *out = LS_ARENA_ARRAY(b->arena, uint64_t, LS_BIT_WORDS((size_t)outputs[k].schema->n_fields) + 1);
      put_output(b, node, k, out);
      outputs[k].filled = out;
    }
  }
}
