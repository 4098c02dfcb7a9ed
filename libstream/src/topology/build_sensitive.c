/** @file build_sensitive.c  Where a sensitive value comes from: back through the nodes to a field of a source. */
#include "topology/build.h"

#include "udf/udf.h"

/* One step back: the input column that makes field f of an output sensitive. */
typedef struct place {
  ls_plan_input at;
  uint32_t field;
  bool global; /* at.node is an index in globals */
} place;

static bool is_sensitive(const ls_schema *schema, uint32_t field) {
  return field < schema->n_fields && schema->fields[field].sensitive;
}

static bool place_of_expr(const ls_build *b, ls_plan_input at, const ls_expr *expr, place *out) {
  const ls_schema *schema = b->nodes[at.node].outputs[at.output].schema;
  size_t n_words = LS_BIT_WORDS((size_t)schema->n_fields + 1);
  uint64_t *bits = LS_ARENA_ARRAY(b->arena, uint64_t, n_words);
  ls__expr_columns(expr, bits, n_words);
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    if (!is_sensitive(schema, i) || !LS_BIT_GET(bits, i)) continue;
    *out = (place){at, i, false};
    return true;
  }
  return false;
}

static bool place_of_join(const ls_plan_node *node, uint32_t output, uint32_t field, uint32_t n_left, place *out) {
  if (node->verb == LS_VERB_STREAM_JOIN && output > 0) {
    *out = (place){node->inputs[output == 3 ? 0 : 1], field, false};
  } else if (field < n_left) {
    *out = (place){node->inputs[0], field, false};
  } else if (node->verb == LS_VERB_TABLE_LOOKUP) {
    *out = (place){{node->reads_table[0], 0}, field - n_left, false};
  } else {
    *out = (place){node->inputs[1], field - n_left, false};
  }
  return true;
}

static bool place_of_aggregate(const ls_build *b, const ls_plan_node *node, uint32_t output, uint32_t field,
                               place *out) {
  uint32_t n_window = node->u.aggregate.window_us > 0 ? 2 : 0, n_by = node->u.aggregate.n_by;
  if (output == 1) {
    *out = (place){node->inputs[0], field, false};
    return true;
  }
  if (field < n_by) {
    *out = (place){node->inputs[0], node->u.aggregate.by[field], false};
    return true;
  }
  if (field < n_by + n_window) return false;
  const ls_plan_agg *agg = &node->u.aggregate.aggs[field - n_by - n_window];
  for (uint32_t i = 0; i < agg->n_args; i++) {
    if (place_of_expr(b, node->inputs[0], agg->args[i], out)) return true;
  }
  return false;
}

static bool step_back(const ls_build *b, const ls_plan_node *node, uint32_t output, uint32_t field, place *out) {
  switch (node->verb) {
  case LS_VERB_SELECT:
    return place_of_expr(b, node->inputs[0], node->u.select.exprs[field], out);
  case LS_VERB_FLAT_MAP:
    if (field >= node->u.flat_map.n_keep) {
      return place_of_expr(b, node->inputs[0], node->u.flat_map.list, out);
    }
    break;
  case LS_VERB_MERGE:
    for (uint32_t i = 0; i < node->n_inputs; i++) {
      ls_plan_input at = node->inputs[i];
      if (!is_sensitive(b->nodes[at.node].outputs[at.output].schema, field)) continue;
      *out = (place){at, field, false};
      return true;
    }
    return false;
  case LS_VERB_STREAM_JOIN:
    return place_of_join(node, output, field, node->u.stream_join.n_left, out);
  case LS_VERB_TABLE_LOOKUP:
    return place_of_join(node, output, field, node->u.table_lookup.n_left, out);
  case LS_VERB_TABLE_JOIN:
    return place_of_join(node, output, field, node->u.table_join.n_left, out);
  case LS_VERB_GLOBAL_LOOKUP:
    if (field >= node->u.global_lookup.n_left) {
      *out = (place){{node->u.global_lookup.table, 0}, field - node->u.global_lookup.n_left, true};
      return true;
    }
    break;
  case LS_VERB_AGGREGATE:
    return place_of_aggregate(b, node, output, field, out);
  default:
    break;
  }
  *out = (place){node->inputs[0], field, false};
  return true;
}

const char *ls__build_sensitive_origin(const ls_build *b, ls_plan_input at, uint32_t field) {
  /* ends: each step leads to a node with a smaller id */
  for (;;) {
    const ls_plan_node *node = &b->nodes[at.node];
    if (!is_sensitive(node->outputs[at.output].schema, field)) return NULL;
    place before;
    if (node->verb == LS_VERB_SOURCE) {
      const ls_plan_source *source = &b->sources[node->u.source.source];
      if (!source->repartition) {
        return ls__arena_printf(b->arena, "%s.%s", source->name, source->schema->fields[field].name);
      }
      before = (place){b->nodes[source->node - 1].inputs[0], field, false};
    } else if (!step_back(b, node, at.output, field, &before)) {
      return NULL;
    }
    if (before.global) {
      const ls_plan_global *global = &b->globals[before.at.node];
      return ls__arena_printf(b->arena, "%s.%s", global->name, global->schema->fields[before.field].name);
    }
    at = before.at;
    field = before.field;
  }
}

static void put_name(ls_buf *out, const char *name, uint32_t flags) {
  if ((flags & LS_UDF_DECLASSIFIES) == 0) return;
  ls__buf_printf(out, "%s%s", out->len > 0 ? " or " : "", name);
}

const char *ls__build_mask_advice(const ls_build *b) {
  const ls_udf_manifest *manifest;
  ls_buf names = LS_BUF_INIT;
  for (size_t i = 0; (manifest = ls__udf_plugin_at(b->udfs, i, NULL)) != NULL; i++) {
    for (uint32_t k = 0; k < manifest->n_fns; k++) put_name(&names, manifest->fns[k]->name, manifest->fns[k]->flags);
    for (uint32_t k = 0; k < manifest->n_aggs; k++) put_name(&names, manifest->aggs[k]->name, manifest->aggs[k]->flags);
  }
  const char *advice = names.len > 0 ? ls__arena_printf(b->arena, "mask it with %s", names.ptr)
                                     : "mask it with a function that declassifies (no loaded plugin has one)";
  ls__buf_fini(&names);
  return advice;
}

const char *ls__build_sensitive_expr(const ls_build *b, ls_plan_input at, const ls_expr *expr) {
  place where;
  if (!ls__expr_sensitive(expr) || !place_of_expr(b, at, expr, &where)) return NULL;
  return ls__build_sensitive_origin(b, where.at, where.field);
}
