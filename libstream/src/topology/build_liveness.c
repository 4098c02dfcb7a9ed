/**
 * @file build_liveness.c
 * Which fields of the sources and globals are read at all: backwards over the nodes, from what is read of each output
 * to what that takes of its inputs. A column that is only passed along counts once something reads it.
 */
#include "topology/build.h"

typedef struct live {
  ls_build *b;
  uint64_t ***bits; /* [node][output]: fields that are read */
} live;

static void mark(uint64_t *bits, uint32_t field) {
  LS_BIT_SET(bits, field);
}

static uint64_t *bits_of(const live *l, ls_plan_input at) {
  return l->bits[at.node][at.output];
}

static const ls_schema *schema_of(const live *l, ls_plan_input at) {
  return l->b->nodes[at.node].outputs[at.output].schema;
}

static void mark_fields(uint64_t *bits, const uint32_t *fields, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) mark(bits, fields[i]);
}

static void mark_key(const live *l, ls_plan_input at) {
  mark_fields(bits_of(l, at), schema_of(l, at)->key, schema_of(l, at)->n_key);
}

static void mark_expr(const live *l, ls_plan_input at, const ls_expr *expr) {
  ls__expr_columns(expr, bits_of(l, at), LS_BIT_WORDS((size_t)schema_of(l, at)->n_fields));
}

/* Adds the fields [from, from + n) of `out` to the input, which has them as [0, n). */
static void pass(const live *l, ls_plan_input at, const uint64_t *out, uint32_t from, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (LS_BIT_GET(out, from + i)) mark(bits_of(l, at), i);
  }
}

static void pass_all(const live *l, ls_plan_input at, const uint64_t *out) {
  pass(l, at, out, 0, schema_of(l, at)->n_fields);
}

static void visit_select(const live *l, const ls_plan_node *node) {
  const uint64_t *out = l->bits[node->id][0];
  for (uint32_t i = 0; i < node->u.select.n; i++) {
    const ls_expr *expr = node->u.select.exprs[i];
    /* what is computed is computed for every row; only what is passed along can be left out */
    if (ls__expr_is_column(expr) < 0 || LS_BIT_GET(out, i)) mark_expr(l, node->inputs[0], expr);
  }
}

static void visit_stream_join(const live *l, const ls_plan_node *node) {
  ls_plan_input left = node->inputs[0], right = node->inputs[1];
  uint32_t n_left = node->u.stream_join.n_left;
  pass(l, left, l->bits[node->id][0], 0, n_left);
  pass(l, right, l->bits[node->id][0], n_left, schema_of(l, right)->n_fields);
  pass_all(l, right, l->bits[node->id][1]);
  pass_all(l, right, l->bits[node->id][2]);
  pass_all(l, left, l->bits[node->id][3]);
  mark_key(l, left);
  mark_key(l, right);
}

static void visit_table_join(const live *l, const ls_plan_node *node, uint32_t n_left) {
  bool lookup = node->verb == LS_VERB_TABLE_LOOKUP;
  ls_plan_input left = node->inputs[0];
  ls_plan_input right = {lookup ? node->reads_table[0] : node->reads_table[1], 0};
  pass(l, left, l->bits[node->id][0], 0, n_left);
  pass(l, right, l->bits[node->id][0], n_left, schema_of(l, right)->n_fields);
  mark_key(l, left);
  mark_key(l, right);
}

static void mark_global(const live *l, uint32_t global, uint32_t field) {
  mark((uint64_t *)(uintptr_t)l->b->globals[global].wanted, field);
}

static void visit_global_lookup(const live *l, const ls_plan_node *node) {
  const uint64_t *out = l->bits[node->id][0];
  uint32_t table = node->u.global_lookup.table, n_left = node->u.global_lookup.n_left;
  pass(l, node->inputs[0], out, 0, n_left);
  for (uint32_t i = 0; i < node->u.global_lookup.n_on; i++) {
    mark_expr(l, node->inputs[0], node->u.global_lookup.on[i]);
  }
  for (uint32_t i = 0; i < l->b->globals[table].schema->n_fields; i++) {
    if (LS_BIT_GET(out, n_left + i)) mark_global(l, table, i);
  }
}

static void visit_aggregate(const live *l, const ls_plan_node *node) {
  ls_plan_input in = node->inputs[0];
  mark_fields(bits_of(l, in), node->u.aggregate.by, node->u.aggregate.n_by);
  for (uint32_t i = 0; i < node->u.aggregate.n_aggs; i++) {
    const ls_plan_agg *agg = &node->u.aggregate.aggs[i];
    for (uint32_t k = 0; k < agg->n_args; k++) mark_expr(l, in, agg->args[k]);
  }
  if (node->n_outputs > 1) pass_all(l, in, l->bits[node->id][1]);
}

static void visit_sink(const live *l, const ls_plan_node *node) {
  const ls_plan_sink *sink = &l->b->sinks[node->u.sink.sink];
  for (uint32_t i = 0; i < sink->schema->n_fields; i++) mark(bits_of(l, node->inputs[0]), i);
}

static void visit_keyed(const live *l, const ls_plan_node *node) {
  ls_plan_input in = node->inputs[0];
  for (uint32_t i = 0; i < node->n_outputs; i++) pass_all(l, in, l->bits[node->id][i]);
  mark_key(l, in);
  if (node->verb == LS_VERB_LATEST && node->u.latest.order_by >= 0) {
    mark(bits_of(l, in), (uint32_t)node->u.latest.order_by);
  }
  if (node->verb == LS_VERB_DEDUPLICATE) {
    mark_fields(bits_of(l, in), node->u.deduplicate.on, node->u.deduplicate.n_on);
  }
  if (node->verb == LS_VERB_CHANGES) {
    mark_fields(bits_of(l, in), node->u.changes.compare, node->u.changes.n_compare);
  }
}

static void visit_rows(const live *l, const ls_plan_node *node) {
  ls_plan_input in = node->inputs[0];
  for (uint32_t i = 0; i < node->n_outputs; i++) pass_all(l, in, l->bits[node->id][i]);
  if (node->verb == LS_VERB_FILTER) mark_expr(l, in, node->u.filter.predicate);
  if (node->verb == LS_VERB_FLAT_MAP) mark_expr(l, in, node->u.flat_map.list);
  if (node->verb == LS_VERB_SELECT_KEY) {
    const ls_schema *schema = node->outputs[0].schema;
    mark_fields(bits_of(l, in), schema->key, schema->n_key);
  }
  for (uint32_t i = 0; node->verb == LS_VERB_BRANCH && i < node->u.branch.n; i++) {
    if (node->u.branch.predicates[i] != NULL) mark_expr(l, in, node->u.branch.predicates[i]);
  }
}

static void visit_repartition(const live *l, const ls_plan_node *node) {
  const ls_plan_source *source = &l->b->sources[node->u.repartition.repartition_source];
  pass_all(l, node->inputs[0], l->bits[source->node][0]);
  mark_fields(bits_of(l, node->inputs[0]), source->schema->key, source->schema->n_key);
}

static void visit(const live *l, const ls_plan_node *node) {
  switch (node->verb) {
  case LS_VERB_SOURCE:
    break;
  case LS_VERB_SELECT:
    visit_select(l, node);
    break;
  case LS_VERB_MERGE:
    for (uint32_t i = 0; i < node->n_inputs; i++) {
      pass_all(l, node->inputs[i], l->bits[node->id][0]);
    }
    break;
  case LS_VERB_REPARTITION:
    visit_repartition(l, node);
    break;
  case LS_VERB_STREAM_JOIN:
    visit_stream_join(l, node);
    break;
  case LS_VERB_TABLE_LOOKUP:
    visit_table_join(l, node, node->u.table_lookup.n_left);
    break;
  case LS_VERB_TABLE_JOIN:
    visit_table_join(l, node, node->u.table_join.n_left);
    break;
  case LS_VERB_GLOBAL_LOOKUP:
    visit_global_lookup(l, node);
    break;
  case LS_VERB_AGGREGATE:
    visit_aggregate(l, node);
    break;
  case LS_VERB_LATEST:
  case LS_VERB_DEDUPLICATE:
  case LS_VERB_CHANGES:
    visit_keyed(l, node);
    break;
  case LS_VERB_SINK:
    visit_sink(l, node);
    break;
  default:
    visit_rows(l, node);
    break;
  }
}

static void init_globals(ls_build *b) {
  for (uint32_t i = 0; i < b->plan->n_globals; i++) {
    ls_plan_global *global = &b->globals[i];
    uint32_t n = global->schema->n_fields;
    uint64_t *wanted = LS_ARENA_ARRAY(b->arena, uint64_t, LS_BIT_WORDS((size_t)n) + 1);
    mark_fields(wanted, global->schema->key, global->schema->n_key);
    /* what a predicate inside EXISTS reads is not told by the expression */
    bool exists = ls__strmap_get(&b->exists, global->name) != NULL;
    for (uint32_t k = 0; k < n && exists; k++) mark(wanted, k);
    global->wanted = wanted;
  }
}

void ls__build_liveness(ls_build *b) {
  live l = {b, LS_ARENA_ARRAY(b->arena, uint64_t **, b->plan->n_nodes + 1)};
  for (uint32_t i = 0; i < b->plan->n_nodes; i++) {
    const ls_plan_node *node = &b->nodes[i];
    l.bits[i] = LS_ARENA_ARRAY(b->arena, uint64_t *, node->n_outputs + 1);
    for (uint32_t k = 0; k < node->n_outputs; k++) {
      size_t n = node->outputs[k].schema->n_fields;
      l.bits[i][k] = LS_ARENA_ARRAY(b->arena, uint64_t, LS_BIT_WORDS(n) + 1);
    }
  }
  init_globals(b);
  for (uint32_t i = b->plan->n_nodes; i-- > 0;) visit(&l, &b->nodes[i]);
  for (uint32_t i = 0; i < b->plan->n_sources; i++) {
    ls_plan_source *source = &b->sources[i];
    uint64_t *wanted = l.bits[source->node][0];
    mark_fields(wanted, source->schema->key, source->schema->n_key);
    if (source->schema->time_field >= 0) mark(wanted, (uint32_t)source->schema->time_field);
    source->wanted = wanted;
  }
}
