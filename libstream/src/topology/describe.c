/** @file describe.c  The plan as canonical text: the same plan gives the same bytes. */
#include "topology/describe.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "data/datetime.h"
#include "topology/load.h"

void ls__describe_duration(ls_buf *out, int64_t us) {
  char text[LS_TIMESTAMP_TEXT_MAX];
  size_t n = ls__duration_format(text, us);
  ls__buf_append(out, text, n);
}

static void put_quoted(ls_buf *out, const char *text) {
  ls__buf_json_string(out, ls__slice_of(text));
}

static void put_names(ls_buf *out, const ls_schema *schema, const uint32_t *fields, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    ls__buf_printf(out, "%s%s", i == 0 ? "" : ", ", schema->fields[fields[i]].name);
  }
}

static void put_schema(ls_buf *out, const char *indent, const ls_schema *schema) {
  ls__buf_printf(out, "%skey: ", indent);
  if (schema->n_key == 0) ls__buf_puts(out, "none");
  put_names(out, schema, schema->key, schema->n_key);
  ls__buf_printf(out, "\n%scolumns:\n", indent);
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    const ls_field *field = &schema->fields[i];
    ls__buf_printf(out, "%s  %s: ", indent, field->name);
    ls__type_format(out, field->type);
    ls__buf_puts(out, field->nullable ? " nullable" : "");
    ls__buf_puts(out, field->sensitive ? " sensitive" : "");
    ls__buf_puts(out, (int32_t)i == schema->time_field ? " time" : "");
    ls__buf_putc(out, '\n');
  }
}

static void put_wanted(ls_buf *out, const ls_schema *schema, const uint64_t *wanted) {
  ls__buf_puts(out, "    reads:");
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    if (LS_BIT_GET(wanted, i)) ls__buf_printf(out, " %s", schema->fields[i].name);
  }
  ls__buf_putc(out, '\n');
}

static const char *format_name(ls_format format) {
  switch (format) {
  case LS_FORMAT_JSON:
    return "json";
  case LS_FORMAT_CSV:
    return "csv";
  case LS_FORMAT_PROTOBUF:
    return "protobuf";
  case LS_FORMAT_PARQUET:
    return "parquet";
  }
  return "";
}

static void put_topic(ls_buf *out, const char *kafka, ls_format format, bool compacted) {
  ls__buf_puts(out, "    live: kafka ");
  put_quoted(out, kafka);
  ls__buf_printf(out, " %s%s", format_name(format), compacted ? " compacted" : "");
}

static void put_binding(ls_buf *out, const char *files, ls_format format, const char *dead_letters,
                        const char *dead_letter_topic) {
  if (files != NULL) {
    ls__buf_puts(out, "    replay: ");
    put_quoted(out, files);
    ls__buf_printf(out, " %s\n", format_name(format));
  }
  ls__buf_puts(out, "    dead letters: ");
  put_quoted(out, dead_letters);
  if (dead_letter_topic != NULL) {
    ls__buf_puts(out, ", kafka ");
    put_quoted(out, dead_letter_topic);
  }
  ls__buf_putc(out, '\n');
}

static void put_source_topic(ls_buf *out, const ls_plan_source *source) {
  if (source->live_kafka == NULL) return;
  put_topic(out, source->live_kafka, source->live_format, source->live_compacted);
  ls__buf_printf(out, "%s, idle after ", source->live_from_latest ? " from latest" : "");
  if (source->idle_after_us >= 0) {
    ls__describe_duration(out, source->idle_after_us);
  } else {
    ls__buf_puts(out, "never");
  }
  ls__buf_putc(out, '\n');
}

static void put_sources(ls_buf *out, const ls_plan *plan) {
  ls__buf_puts(out, "\nsources:\n");
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    const ls_plan_source *source = &plan->sources[i];
    if (source->repartition) continue;
    ls__buf_printf(out, "  %s:\n", source->name);
    put_source_topic(out, source);
    put_binding(out, source->files, source->format, source->dead_letter_dir, source->dead_letter_topic);
    if (source->lookback_us > 0) {
      ls__buf_puts(out, "    lookback: ");
      if (source->lookback_us == INT64_MAX) ls__buf_puts(out, "forever");
      if (source->lookback_us < INT64_MAX) ls__describe_duration(out, source->lookback_us);
      ls__buf_putc(out, '\n');
    }
    if (source->lookahead_us > 0) {
      ls__buf_puts(out, "    lookahead: ");
      ls__describe_duration(out, source->lookahead_us);
      ls__buf_putc(out, '\n');
    }
    put_schema(out, "    ", source->schema);
    put_wanted(out, source->schema, source->wanted);
  }
  if (plan->n_globals > 0) ls__buf_puts(out, "\nglobal tables:\n");
  for (uint32_t i = 0; i < plan->n_globals; i++) {
    const ls_plan_global *global = &plan->globals[i];
    ls__buf_printf(out, "  %s:\n", global->name);
    if (global->live_kafka != NULL) {
      put_topic(out, global->live_kafka, global->live_format, global->live_compacted);
      ls__buf_putc(out, '\n');
    }
    put_binding(out, global->files, global->format, global->dead_letter_dir, global->dead_letter_topic);
    put_schema(out, "    ", global->schema);
    put_wanted(out, global->schema, global->wanted);
  }
}

/* ---- verbs ---- */

static void put_expr(ls_buf *out, const char *label, const ls_expr *expr) {
  ls__buf_printf(out, "      %s: ", label);
  ls__expr_format(out, expr);
  ls__buf_putc(out, '\n');
}

const char *ls__describe_join_kind(const ls_plan_node *node) {
  ls_join_type type = LS_JOIN_INNER;
  switch (node->verb) {
  case LS_VERB_STREAM_JOIN:
    type = node->u.stream_join.type;
    break;
  case LS_VERB_TABLE_LOOKUP:
    type = node->u.table_lookup.type;
    break;
  case LS_VERB_GLOBAL_LOOKUP:
    type = node->u.global_lookup.type;
    break;
  case LS_VERB_TABLE_JOIN:
    type = node->u.table_join.type;
    break;
  default:
    return ls__verb_name(node->verb);
  }
  return type == LS_JOIN_LEFT ? "left_join" : type == LS_JOIN_OUTER ? "outer_join" : "join";
}

static void put_select(ls_buf *out, const ls_plan_node *node) {
  const ls_schema *schema = node->outputs[0].schema;
  for (uint32_t i = 0; i < node->u.select.n; i++) {
    put_expr(out, schema->fields[i].name, node->u.select.exprs[i]);
  }
}

static void put_branch(ls_buf *out, const ls_plan_node *node) {
  for (uint32_t i = 0; i < node->u.branch.n; i++) {
    if (node->u.branch.predicates[i] != NULL) {
      put_expr(out, node->outputs[i].name, node->u.branch.predicates[i]);
    } else {
      ls__buf_printf(out, "      %s: otherwise\n", node->outputs[i].name);
    }
  }
}

static const char *emit_name(ls_emit emit) {
  return emit == LS_EMIT_FINAL ? "final" : "changes";
}

/* Of a table: without an end of the input, nothing is final. */
static void put_table_emit(ls_buf *out, const ls_plan *plan, ls_emit emit) {
  bool differs = emit == LS_EMIT_FINAL && ls__plan_has_topics(plan);
  ls__buf_printf(out, "      emit: %s%s\n", emit_name(emit), differs ? " (live: changes)" : "");
}

static void put_stream_join(ls_buf *out, const ls_plan_node *node) {
  ls__buf_puts(out, "      window: before ");
  ls__describe_duration(out, node->u.stream_join.before_us);
  ls__buf_puts(out, ", after ");
  ls__describe_duration(out, node->u.stream_join.after_us);
  ls__buf_puts(out, ", grace ");
  ls__describe_duration(out, node->u.stream_join.grace_us);
  ls__buf_printf(out, "\n      emit: %s\n", node->u.stream_join.emit == LS_EMIT_FINAL ? "final" : "early");
}

static void put_global_lookup(ls_buf *out, const ls_plan *plan, const ls_plan_node *node) {
  ls__buf_printf(out, "      table: %s (global)\n", plan->globals[node->u.global_lookup.table].name);
  for (uint32_t i = 0; i < node->u.global_lookup.n_on; i++) {
    put_expr(out, "on", node->u.global_lookup.on[i]);
  }
}

static void put_aggregate(ls_buf *out, const ls_plan *plan, const ls_schema *in, const ls_plan_node *node) {
  static const char *const names[] = {"count", "count", "sum", "min", "max", "avg", "first", "last", "collect"};
  ls__buf_puts(out, "      by: ");
  put_names(out, in, node->u.aggregate.by, node->u.aggregate.n_by);
  if (node->u.aggregate.window_us > 0) {
    ls__buf_puts(out, "\n      window: tumbling ");
    ls__describe_duration(out, node->u.aggregate.window_us);
    ls__buf_puts(out, ", grace ");
    ls__describe_duration(out, node->u.aggregate.grace_us);
  }
  ls__buf_putc(out, '\n');
  if (node->u.aggregate.window_us > 0) {
    ls__buf_printf(out, "      emit: %s\n", emit_name(node->u.aggregate.emit));
  } else {
    put_table_emit(out, plan, node->u.aggregate.emit);
  }
  for (uint32_t i = 0; i < node->u.aggregate.n_aggs; i++) {
    const ls_plan_agg *agg = &node->u.aggregate.aggs[i];
    ls__buf_printf(out, "      %s: %s(", agg->name, agg->udf != NULL ? agg->udf->name : names[agg->kind]);
    if (agg->kind == LS_AGG_COUNT_ALL) ls__buf_putc(out, '*');
    for (uint32_t k = 0; k < agg->n_args; k++) {
      if (k > 0) ls__buf_puts(out, ", ");
      ls__expr_format(out, agg->args[k]);
    }
    ls__buf_puts(out, ")\n");
  }
}

static void put_latest(ls_buf *out, const ls_plan *plan, const ls_schema *in, const ls_plan_node *node) {
  int32_t by = node->u.latest.order_by;
  ls__buf_printf(out, "      by: %s\n", by >= 0 ? in->fields[by].name : "order of arrival");
  put_table_emit(out, plan, node->u.latest.emit);
}

static void put_deduplicate(ls_buf *out, const ls_schema *in, const ls_plan_node *node) {
  ls__buf_puts(out, "      on: ");
  put_names(out, in, node->u.deduplicate.on, node->u.deduplicate.n_on);
  ls__buf_puts(out, "\n      retention: ");
  if (node->u.deduplicate.retention_us == INT64_MAX) {
    ls__buf_puts(out, "forever");
  } else {
    ls__describe_duration(out, node->u.deduplicate.retention_us);
  }
  ls__buf_putc(out, '\n');
}

static void put_changes(ls_buf *out, const ls_schema *in, const ls_plan_node *node) {
  ls__buf_puts(out, "      compares: ");
  put_names(out, in, node->u.changes.compare, node->u.changes.n_compare);
  ls__buf_putc(out, '\n');
  int32_t version = node->u.changes.version_field;
  if (version < 0) return;
  ls__buf_printf(out, "      version: %s\n", node->outputs[0].schema->fields[version].name);
}

static void put_verb(ls_buf *out, const ls_plan *plan, const ls_plan_node *node) {
  const ls_schema *in = NULL;
  if (node->n_inputs > 0) {
    in = plan->nodes[node->inputs[0].node].outputs[node->inputs[0].output].schema;
  }
  switch (node->verb) {
  case LS_VERB_FILTER:
    put_expr(out, "keeps", node->u.filter.predicate);
    break;
  case LS_VERB_SELECT:
    put_select(out, node);
    break;
  case LS_VERB_FLAT_MAP:
    put_expr(out, "each", node->u.flat_map.list);
    break;
  case LS_VERB_BRANCH:
    put_branch(out, node);
    break;
  case LS_VERB_STREAM_JOIN:
    put_stream_join(out, node);
    break;
  case LS_VERB_GLOBAL_LOOKUP:
    put_global_lookup(out, plan, node);
    break;
  case LS_VERB_TABLE_JOIN:
    put_table_emit(out, plan, node->u.table_join.emit);
    break;
  case LS_VERB_LATEST:
    put_latest(out, plan, in, node);
    break;
  case LS_VERB_DEDUPLICATE:
    put_deduplicate(out, in, node);
    break;
  case LS_VERB_AGGREGATE:
    put_aggregate(out, plan, in, node);
    break;
  case LS_VERB_CHANGES:
    put_changes(out, in, node);
    break;
  default:
    break;
  }
}

static void put_node(ls_buf *out, const ls_plan *plan, const ls_plan_node *node) {
  ls__buf_printf(out, "  #%u %s %s", (unsigned)node->id, ls__describe_join_kind(node), node->name);
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    const ls_plan_node *from = &plan->nodes[node->inputs[i].node];
    const char *output = from->outputs[node->inputs[i].output].name;
    ls__buf_printf(out, "%s#%u%s%s", i == 0 ? " <- " : ", ", (unsigned)from->id, output[0] != 0 ? "." : "", output);
  }
  ls__buf_putc(out, '\n');
  for (int i = 0; i < 2 && node->reads_table[i] != LS_NO_NODE; i++) {
    const ls_plan_node *table = &plan->nodes[node->reads_table[i]];
    ls__buf_printf(out, "      table: %s #%u\n", table->name, (unsigned)table->id);
  }
  put_verb(out, plan, node);
  if (node->live_retracts && ls__plan_has_topics(plan))
    ls__buf_puts(out, "      live: changes go out with the old row, to be taken back\n");
  if (node->store.name != NULL) {
    ls__buf_printf(out, "      store: %s%s%s\n", node->store.name, node->store2.name != NULL ? ", " : "",
                   node->store2.name != NULL ? node->store2.name : "");
  }
  bool shown = node->verb == LS_VERB_SOURCE && !plan->sources[node->u.source.source].repartition;
  if (node->n_outputs > 0 && !shown) put_schema(out, "      ", node->outputs[0].schema);
}

static void put_sinks(ls_buf *out, const ls_plan *plan) {
  ls__buf_puts(out, "\nsinks:\n");
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    const ls_plan_sink *sink = &plan->sinks[i];
    if (sink->totals_only) continue;
    ls__buf_printf(out, "  %s <- #%u\n", sink->name, (unsigned)plan->nodes[sink->node].inputs[0].node);
    if (sink->live_kafka != NULL) {
      put_topic(out, sink->live_kafka, sink->protobuf != NULL ? LS_FORMAT_PROTOBUF : LS_FORMAT_JSON,
                sink->live_compacted);
      if (sink->create_partitions > 0) ls__buf_printf(out, ", made with %d partitions", (int)sink->create_partitions);
      ls__buf_putc(out, '\n');
    }
    if (sink->path_pattern == NULL) continue;
    ls__buf_puts(out, "    lake: ");
    put_quoted(out, sink->path_pattern);
    ls__buf_printf(out, " %s%s%s%s\n", format_name(sink->format), sink->keep_last ? " keep last" : "",
                   sink->summary ? " summary" : "", sink->success_marker ? " success" : "");
    if (sink->lake_topic == NULL) continue;
    ls__buf_puts(out, "      live: a file each ");
    ls__describe_duration(out, sink->roll_us);
    ls__buf_printf(out, " or %lld bytes\n", (long long)sink->roll_bytes);
  }
}

static void describe_text(ls_buf *out, const ls_plan *plan) {
  ls__buf_printf(out, "topology %s\n", plan->name);
  if (plan->about != NULL) {
    ls__buf_puts(out, "about: ");
    put_quoted(out, plan->about);
    ls__buf_putc(out, '\n');
  }
  put_sources(out, plan);
  for (uint32_t sub = 0; sub < plan->n_sub_topologies; sub++) {
    ls__buf_printf(out, "\nsub-topology %u:\n", (unsigned)sub);
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
      if (plan->nodes[i].sub_topology == sub) put_node(out, plan, &plan->nodes[i]);
    }
  }
  put_sinks(out, plan);
  ls__describe_live(out, plan);
}

int ls_topology_describe(char **out, const ls_topology *topology, ls_describe_format format, ls_error *err) {
  ls_buf text = LS_BUF_INIT;
  *out = NULL;
  if (format == LS_DESCRIBE_TEXT) {
    describe_text(&text, &topology->plan);
  } else if (format == LS_DESCRIBE_DOT) {
    ls__describe_dot(&text, &topology->plan);
  } else {
    return ls_error_set(err, LS_EINVAL, "no such format of a description");
  }
  *out = text.ptr;
  return LS_OK;
}
