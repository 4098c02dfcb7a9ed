/**
 * @file build_retract.c
 * Live running of what replay does at the end of the input (docs/adr/0007). A table with emit: final gives each change
 * instead; where what is downstream depends on rows that are no more (an aggregate, a table, a sink by key), the old row of
 * a change goes ahead of the new one with its retract bit set. Here is decided where, and what can't be done so.
 */
#include "base/buf.h"
#include "node/agg_state.h"
#include "topology/build.h"

#define COUNTED_STATE UINT64_C(0x9E3779B97F4A7C15) /* into the fingerprint of an aggregate that takes rows back */

/** What the rows of an output are in a replay. */
typedef enum row_class {
  ROWS_STREAM, /* the same rows live */
  ROWS_FINAL,  /* final rows of a table: one per key */
  ROWS_CHANGES /* changes of a table over final rows: the last of a key is the same live */
} row_class;

typedef struct retract {
  ls_build *b;
  row_class *classes; /* of a node's main output */
  bool *vanishes;     /* live, a row of its main output may go without another of its key in its place */
  bool *wanted;       /* some reader needs rows that take back */
} retract;

static bool is_side_output(const ls_plan_node *node, uint32_t output) {
  return output > 0 && node->verb != LS_VERB_BRANCH;
}

static row_class class_of(const retract *r, ls_plan_input in) {
  return is_side_output(&r->b->nodes[in.node], in.output) ? ROWS_STREAM : r->classes[in.node];
}

static row_class class_in(const retract *r, const ls_plan_node *node) {
  row_class worst = ROWS_STREAM;
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    row_class each = class_of(r, node->inputs[i]);
    if (each > worst) worst = each;
  }
  return worst;
}

static bool vanishes_in(const retract *r, const ls_plan_node *node) {
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    if (class_of(r, node->inputs[i]) != ROWS_STREAM && r->vanishes[node->inputs[i].node]) return true;
  }
  return false;
}

/* ---- what can't be done ---- */

static void problem(retract *r, const ls_plan_node *node, const char *what) {
  ls_build *b = r->b;
  if (b->plan->live_problem != NULL) return;
  const ls_yaml *step = ls__yaml_get(ls__yaml_get(b->doc->root, "steps"), node->name);
  ls_mark mark = step != NULL ? step->key->mark : (ls_mark){1, 1};
  b->plan->live_problem = ls__arena_printf(b->arena, "%s:%u:%u: error: live: step %s %s", b->plan->file,
                                           (unsigned)mark.line, (unsigned)mark.column, node->name, what);
}

static void check_aggregate(retract *r, const ls_plan_node *node, row_class in) {
  if (in == ROWS_CHANGES) {
    problem(r, node,
            "counts every change of a table that itself reads the final rows of one, and live there are more of "
            "them; give that table emit: final");
  }
  for (uint32_t i = 0; i < node->u.aggregate.n_aggs; i++) {
    const ls_plan_agg *agg = &node->u.aggregate.aggs[i];
    if (ls__agg_takes_back(agg)) continue;
    problem(r, node,
            ls__arena_printf(r->b->arena,
                             "aggregates rows of a table that change, and %s can't take the old row "
                             "back; use count, sum or avg (not of float64), or a plugin's aggregate with retract",
                             agg->name));
  }
}

static void check_reader(retract *r, const ls_plan_node *node) {
  row_class in = class_in(r, node);
  if (in == ROWS_STREAM) return;
  switch (node->verb) {
  case LS_VERB_AGGREGATE:
    if (node->u.aggregate.window_us == 0)
      check_aggregate(r, node, in);
    else
      problem(r, node, "puts final rows of a table into windows, and live there are only changes");
    break;
  case LS_VERB_LATEST:
    if (node->u.latest.order_by < 0) break;
    problem(r, node,
            "takes the latest of final rows of a table by a column, and live a row that changes can't be replaced "
            "by an older one; leave by out, or aggregate");
    break;
  case LS_VERB_STREAM_JOIN:
  case LS_VERB_TABLE_LOOKUP:
  case LS_VERB_DEDUPLICATE:
  case LS_VERB_CHANGES:
    problem(r, node,
            ls__arena_printf(r->b->arena,
                             "(%s) reads final rows of a table, and live there are only changes; read "
                             "the table's input instead, or join two tables",
                             ls__verb_name(node->verb)));
    break;
  default:
    break;
  }
}

/* The old row goes through the same steps again and must come out as it did. */
static void check_repeatable(retract *r, const ls_plan_node *node) {
  bool ok = node->verb != LS_VERB_GLOBAL_LOOKUP;
  if (node->verb == LS_VERB_FILTER) ok = ls__expr_repeatable(node->u.filter.predicate);
  if (node->verb == LS_VERB_FLAT_MAP) ok = ls__expr_repeatable(node->u.flat_map.list);
  for (uint32_t i = 0; node->verb == LS_VERB_SELECT && i < node->u.select.n; i++) {
    ok = ok && ls__expr_repeatable(node->u.select.exprs[i]);
  }
  for (uint32_t i = 0; node->verb == LS_VERB_BRANCH && i < node->u.branch.n; i++) {
    ok = ok && (node->u.branch.predicates[i] == NULL || ls__expr_repeatable(node->u.branch.predicates[i]));
  }
  for (uint32_t i = 0; node->verb == LS_VERB_AGGREGATE && i < node->u.aggregate.n_aggs; i++) {
    const ls_plan_agg *agg = &node->u.aggregate.aggs[i];
    for (uint32_t k = 0; k < agg->n_args; k++) ok = ok && ls__expr_repeatable(agg->args[k]);
  }
  if (ok) return;
  problem(r, node,
          "is between a table that changes and what takes its old rows back, but it may give another result for the "
          "same row later (a global table, a time, a volatile function); do that before the table");
}

/* ---- forwards: classes ---- */

/* A select that makes the key anew, or another key. */
static bool changes_key(const ls_plan_node *node) {
  if (node->verb == LS_VERB_SELECT_KEY) return true;
  const ls_schema *schema = node->outputs[0].schema;
  for (uint32_t i = 0; node->verb == LS_VERB_SELECT && i < schema->n_key; i++) {
    if (ls__expr_is_column(node->u.select.exprs[schema->key[i]]) < 0) return true;
  }
  return false;
}

static bool drops_rows(const ls_plan_node *node) {
  switch (node->verb) {
  case LS_VERB_FILTER:
  case LS_VERB_BRANCH:
  case LS_VERB_FLAT_MAP:
    return true;
  case LS_VERB_GLOBAL_LOOKUP:
    return node->u.global_lookup.type == LS_JOIN_INNER;
  default:
    return changes_key(node);
  }
}

static void classify_table(retract *r, const ls_plan_node *node, ls_emit emit, row_class in) {
  r->classes[node->id] = emit == LS_EMIT_FINAL ? ROWS_FINAL : in == ROWS_STREAM ? ROWS_STREAM : ROWS_CHANGES;
  bool empties = node->verb == LS_VERB_AGGREGATE && in != ROWS_STREAM;
  r->vanishes[node->id] = empties || vanishes_in(r, node);
}

static void classify(retract *r, const ls_plan_node *node) {
  row_class in = class_in(r, node);
  switch (node->verb) {
  case LS_VERB_SOURCE: {
    const ls_plan_source *source = &r->b->sources[node->u.source.source];
    if (!source->repartition) return;
    /* the REPARTITION node is made right before the SOURCE that reads it */
    r->classes[node->id] = r->classes[node->id - 1];
    r->vanishes[node->id] = r->vanishes[node->id - 1];
    return;
  }
  case LS_VERB_LATEST:
    classify_table(r, node, node->u.latest.emit, in);
    return;
  case LS_VERB_TABLE_JOIN:
    classify_table(r, node, node->u.table_join.emit, in);
    return;
  case LS_VERB_AGGREGATE:
    if (node->u.aggregate.window_us == 0) classify_table(r, node, node->u.aggregate.emit, in);
    return;
  case LS_VERB_STREAM_JOIN:
  case LS_VERB_DEDUPLICATE:
  case LS_VERB_CHANGES:
    return;
  default:
    r->classes[node->id] = in;
    r->vanishes[node->id] = in != ROWS_STREAM && (vanishes_in(r, node) || (node->n_outputs > 0 && drops_rows(node)));
    return;
  }
}

/* ---- backwards: who needs rows that take back ---- */

static bool needs(const retract *r, const ls_plan_node *node) {
  row_class in = class_in(r, node);
  switch (node->verb) {
  case LS_VERB_SINK: {
    const ls_plan_sink *sink = &r->b->sinks[node->u.sink.sink];
    return in != ROWS_STREAM && vanishes_in(r, node) && (sink->live_compacted || sink->keep_last);
  }
  case LS_VERB_AGGREGATE:
    return in != ROWS_STREAM && node->u.aggregate.window_us == 0;
  case LS_VERB_LATEST:
    return in != ROWS_STREAM;
  case LS_VERB_TABLE_JOIN:
    return in != ROWS_STREAM && r->wanted[node->id] && vanishes_in(r, node);
  case LS_VERB_REPARTITION:
    return r->wanted[node->id + 1];
  case LS_VERB_SOURCE:
  case LS_VERB_STREAM_JOIN:
  case LS_VERB_TABLE_LOOKUP:
  case LS_VERB_DEDUPLICATE:
  case LS_VERB_CHANGES:
    return false;
  default:
    return in != ROWS_STREAM && r->wanted[node->id];
  }
}

static void add_retract_field(ls_build *b, ls_plan_source *source) {
  const ls_schema *from = source->schema;
  ls_schema *schema = ls__schema_new(b->arena, from->name, from->n_fields + 1);
  memcpy(schema->fields, from->fields, from->n_fields * sizeof *from->fields);
  schema->fields[from->n_fields] = (ls_field){.name = "-", .type = &ls__type_bool};
  schema->n_fields = from->n_fields + 1;
  schema->time_field = from->time_field;
  ls__schema_set_key(schema, b->arena, from->key, from->n_key);
  uint64_t *wanted = LS_ARENA_ARRAY(b->arena, uint64_t, LS_BIT_WORDS((size_t)schema->n_fields) + 1);
  memcpy(wanted, source->wanted, LS_BIT_WORDS((size_t)from->n_fields) * sizeof *wanted);
  LS_BIT_SET(wanted, from->n_fields);
  source->schema = schema;
  source->wanted = wanted;
  source->live_retracts = true;
}

static void place(retract *r, ls_plan_node *node) {
  bool wanted = r->wanted[node->id] && r->classes[node->id] != ROWS_STREAM;
  node->live_takes_back = needs(r, node);
  node->live_retracts = wanted;
  if (node->live_takes_back) check_repeatable(r, node);
  /* the states then begin with a count of rows: agg_state.h */
  if (node->live_takes_back && node->verb == LS_VERB_AGGREGATE) node->store.fingerprint ^= COUNTED_STATE;
  for (uint32_t i = 0; node->live_takes_back && i < node->n_inputs; i++) {
    if (class_of(r, node->inputs[i]) != ROWS_STREAM) r->wanted[node->inputs[i].node] = true;
  }
  if (node->verb == LS_VERB_SOURCE && wanted) add_retract_field(r->b, &r->b->sources[node->u.source.source]);
}

void ls__build_retractions(ls_build *b) {
  uint32_t n = b->plan->n_nodes;
  retract r = {b, LS_ARENA_ARRAY(b->arena, row_class, n + 1), LS_ARENA_ARRAY(b->arena, bool, n + 1),
               LS_ARENA_ARRAY(b->arena, bool, n + 1)};
  for (uint32_t i = 0; i < n; i++) {
    classify(&r, &b->nodes[i]);
    check_reader(&r, &b->nodes[i]);
  }
  for (uint32_t i = n; i-- > 0;) place(&r, &b->nodes[i]);
}
