/** @file build_sinks.c  `sinks`: bindings, path templates, and that nothing sensitive gets there. */
#include <stdlib.h>

#include "base/buf.h"
#include "data/datetime.h"
#include "topology/build.h"
#include "topology/options.h"

#define PATH_EXPRS_MAX 16

/* ---- path templates ---- */

typedef struct path_parts {
  const char *literals[PATH_EXPRS_MAX + 1];
  ls_expr *exprs[PATH_EXPRS_MAX];
  uint32_t n;
} path_parts;

static bool add_path_expr(ls_build *b, const ls_yaml *path, size_t from, size_t len, const ls_rel *rel,
                          path_parts *out) {
  ls_mark mark = ls__yaml_locate(b->doc, path, from);
  if (out->n == PATH_EXPRS_MAX) {
    ls__diag_add(b->diag, mark, "more than 16 expressions in a path");
    return false;
  }
  ls_expr *expr = ls__build_expr_part(b, path, from, len, rel);
  if (expr == NULL) return false;
  ls_kind kind = ls__expr_type(expr)->kind;
  if (kind != LS_STRING && kind != LS_DATE) {
    if (!path->poisoned) {
      ls__diag_add(b->diag, mark,
                   "this is %s; a part of a path is a string or a date: use date() "
                   "or CAST",
                   kind == LS_NONE ? "NULL" : ls__a_type(b, ls__expr_type(expr)));
    }
    return false;
  }
  const char *origin = rel->broken ? NULL : ls__build_sensitive_expr(b, rel->at, expr);
  if (origin != NULL) {
    ls__diag_add(b->diag, mark,
                 "the path shows %s, which is sensitive; %s, or leave it "
                 "out",
                 origin, ls__build_mask_advice(b));
    return false;
  }
  out->exprs[out->n++] = expr;
  return true;
}

static bool parse_path(ls_build *b, const ls_yaml *path, const ls_rel *rel, path_parts *out) {
  const char *text = path->text;
  size_t from = 0;
  bool ok = true;
  for (size_t at = 0; at < path->len; at++) {
    if (text[at] == '}') {
      ls__diag_add(b->diag, ls__yaml_locate(b->doc, path, at),
                   "a } without {; expressions in a path "
                   "stand between { and }");
      return false;
    }
    if (text[at] != '{') continue;
    size_t close = ls__build_path_close(text, path->len, at);
    if (close == path->len) {
      ls__diag_add(b->diag, ls__yaml_locate(b->doc, path, at), "a { without }; close the expression");
      return false;
    }
    out->literals[out->n] = ls__arena_strndup(b->arena, text + from, at - from);
    ok = add_path_expr(b, path, at + 1, close - at - 1, rel, out) && ok;
    at = close;
    from = close + 1;
  }
  out->literals[out->n] = ls__arena_strndup(b->arena, text + from, path->len - from);
  return ok;
}

static bool is_segment_end(char c) {
  return c == '/' || c == 0;
}

/* Segments that are empty, hidden from readers, or lead elsewhere. */
static bool check_segments(ls_build *b, const ls_yaml *path) {
  const char *at = path->text;
  const char *why = at[0] == '/' ? "begins with /" : NULL;
  for (; why == NULL; at++) {
    if (is_segment_end(at[0])) {
      why = "has an empty part";
    } else if (at[0] == '.' && (is_segment_end(at[1]) || (at[1] == '.' && is_segment_end(at[2])))) {
      why = "has . or .. in it";
    } else if (at[0] == '_' || at[0] == '.') {
      why = "has a part that begins with _ or ., which readers of a lake skip";
    }
    while (!is_segment_end(*at)) at++;
    if (*at == 0) break;
  }
  if (why == NULL) return true;
  if (!path->poisoned) {
    ls__diag_add(b->diag, path->mark, "path '%.80s' %s; give a directory below the lake's root", path->text, why);
  }
  return false;
}

/* ---- bindings ---- */

static bool check_csv(ls_build *b, const ls_yaml *format, const ls_schema *schema) {
  if (format->text[0] != 'c') return true;
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    ls_kind kind = schema->fields[i].type->kind;
    if (kind != LS_LIST && kind != LS_STRUCT) continue;
    ls__diag_add(b->diag, format->mark, "csv has no place for column %s, %s; use parquet or jsonl",
                 schema->fields[i].name, ls__a_type(b, schema->fields[i].type));
    return false;
  }
  return true;
}

static bool check_kind(ls_build *b, const ls_yaml *names, const ls_schema *schema, const uint32_t *fields, uint32_t n,
                       ls_kind kind, const char *wanted) {
  for (uint32_t i = 0; i < n; i++) {
    const ls_field *field = &schema->fields[fields[i]];
    if (field->type->kind == kind || field->type->kind == LS_NONE) continue;
    ls__diag_add(b->diag, names->mark, "column %s is %s; this wants %s columns", field->name,
                 ls__a_type(b, field->type), wanted);
    return false;
  }
  return true;
}

/** What a sink's balance compares is summed by a sink of its own, without a binding, on the other step. */
static bool add_balance(ls_build *b, const ls_yaml *summary, uint32_t index) {
  ls_plan_sink *sink = &b->sinks[index];
  const ls_yaml *balance = ls__yaml_get(summary, "balance"), *sum = ls__yaml_get(balance, "sum"),
                *from = ls__yaml_get(balance, "from");
  if (balance == NULL || sum == NULL || from == NULL) return balance == NULL;
  const ls_rel own = {.schema = sink->schema};
  int32_t column = ls__build_column(b, sum, &own);
  for (uint32_t i = 0; i < sink->n_sum && column >= 0; i++) {
    if (sink->sum[i] == (uint32_t)column) sink->balance_sum = (int32_t)i;
  }
  if (column >= 0 && sink->balance_sum < 0)
    ls__diag_add(b->diag, sum->mark, "%s is not among the sums of this summary", sum->text);
  if (sink->balance_sum < 0) return false;
  const ls_ref ref = ls__build_ref(b, from);
  const ls_rel rel = ls__build_resolve(b, &ref);
  uint32_t *field = LS_ARENA_NEW(b->arena, uint32_t);
  int32_t other = ls__build_column(b, sum, &rel), per = -1;
  if (other >= 0 && sink->sum_per >= 0) per = ls__build_column(b, ls__yaml_get(summary, "per"), &rel);
  if (rel.broken || rel.global != LS_NO_GLOBAL || other < 0 || (sink->sum_per >= 0 && per < 0)) return false;
  *field = (uint32_t)other;
  const ls_type *a = rel.schema->fields[other].type, *c = sink->schema->fields[column].type;
  if (a->kind != LS_DECIMAL || a->scale != c->scale || (per >= 0 && rel.schema->fields[per].type->kind != LS_STRING)) {
    ls__diag_add(b->diag, from->mark, "the columns of %s have other types than those of the sink", from->text);
    return false;
  }
  sink->balance_with = b->plan->n_sinks;
  ls_plan_sink *tap = &b->sinks[b->plan->n_sinks];
  *tap = (ls_plan_sink){.name = ls__arena_printf(b->arena, "%s_balance", sink->name),
                        .schema = rel.schema,
                        .sum = field,
                        .n_sum = 1,
                        .sum_per = per,
                        .sum_split = -1,
                        .balance_sum = -1,
                        .totals_only = true};
  ls_plan_node *node = ls__build_node(b, tap->name, LS_VERB_SINK, &rel, 1);
  node->u.sink.sink = b->plan->n_sinks;
  tap->node = node->id;
  b->plan->n_sinks++;
  return true;
}

/** summary: {count_by, sum, per, split}. */
static bool parse_summary(ls_build *b, const ls_yaml *summary, const ls_rel *rel, ls_plan_sink *out) {
  const ls_schema *schema = rel->schema;
  const ls_yaml *count_by = ls__yaml_get(summary, "count_by"), *sum = ls__yaml_get(summary, "sum");
  const ls_yaml *per = ls__yaml_get(summary, "per"), *split = ls__yaml_get(summary, "split");
  uint32_t *fields = NULL, n = 0;
  bool ok = true;
  out->summary = true;
  if (count_by != NULL && ls__build_columns(b, count_by, rel, &fields, &n)) {
    ok = check_kind(b, count_by, schema, fields, n, LS_STRING, "string") && ok;
    out->count_by = fields;
    out->n_count_by = n;
  }
  if (sum != NULL && ls__build_columns(b, sum, rel, &fields, &n)) {
    ok = check_kind(b, sum, schema, fields, n, LS_DECIMAL, "decimal") && ok;
    out->sum = fields;
    out->n_sum = n;
  }
  if (split != NULL) {
    out->sum_split = ls__build_column(b, split, rel);
    ok = out->sum_split >= 0 &&
         check_kind(b, split, schema, &(uint32_t){(uint32_t)out->sum_split}, 1, LS_STRING, "string") && ok;
  }
  if (per == NULL) return ok;
  out->sum_per = ls__build_column(b, per, rel);
  if (out->sum_per < 0) return false;
  return check_kind(b, per, schema, &(uint32_t){(uint32_t)out->sum_per}, 1, LS_STRING, "string") && ok;
}

#define ROLL_BYTES_MAX (INT64_C(4) << 30) /* S3 copies no more in one request */

static bool check_roll_columns(ls_build *b, const ls_yaml *roll, const ls_schema *schema) {
  static const char *const added[] = {"_seq", "_deleted"};
  for (size_t i = 0; i < sizeof added / sizeof *added; i++) {
    if (ls__schema_find(schema, ls__slice_of(added[i])) < 0) continue;
    ls__diag_add(b->diag, roll->key->mark,
                 "with keep: last, live files have a column %s; the rows have one of that name already: rename it",
                 added[i]);
    return false;
  }
  return true;
}

/** roll: {every, size}: live running writes the lake, too. */
static bool parse_roll(ls_build *b, const ls_yaml *roll, const ls_rel *rel, ls_plan_sink *out) {
  const ls_yaml *every = ls__yaml_get(roll, "every"), *size = ls__yaml_get(roll, "size");
  out->roll_us = INT64_C(300000000);
  out->roll_bytes = INT64_C(128) << 20;
  if (every != NULL) ls__duration_parse(&out->roll_us, ls__slice_of(every->text));
  if (size != NULL) ls__size_parse(&out->roll_bytes, size->text);
  out->lake_topic = ls__build_internal_topic(b, out->name, "-lake");
  bool ok = true;
  if (out->success_marker) {
    ls__diag_add(b->diag, roll->key->mark,
                 "success says that a run is complete, and a live run never is; leave out roll, or success");
    ok = false;
  }
  if (out->roll_bytes > ROLL_BYTES_MAX && !size->poisoned) {
    ls__diag_add(b->diag, size->mark, "size %s is above 4GiB", size->text);
    ok = false;
  }
  return (!out->keep_last || check_roll_columns(b, roll, rel->schema)) && ok;
}

static bool parse_lake(ls_build *b, const ls_yaml *lake, const ls_rel *rel, ls_plan_sink *out) {
  const ls_yaml *path = ls__yaml_get(lake, "path"), *format = ls__yaml_get(lake, "format");
  const ls_yaml *keep = ls__yaml_get(lake, "keep"), *success = ls__yaml_get(lake, "success");
  path_parts parts = {.n = 0};
  if (path == NULL || format == NULL) return false;
  bool ok = check_segments(b, path);
  ok = parse_path(b, path, rel, &parts) && ok;
  ok = check_csv(b, format, rel->schema) && ok;
  out->path_pattern = path->text;
  out->n_path_exprs = parts.n;
  const char **literals = LS_ARENA_ARRAY(b->arena, const char *, parts.n + 1);
  ls_expr **exprs = LS_ARENA_ARRAY(b->arena, ls_expr *, parts.n + 1);
  memcpy(literals, parts.literals, (parts.n + 1) * sizeof *literals);
  memcpy(exprs, parts.exprs, parts.n * sizeof *exprs);
  out->path_literals = literals;
  out->path_exprs = exprs;
  out->format = format->text[0] == 'p' ? LS_FORMAT_PARQUET : format->text[0] == 'c' ? LS_FORMAT_CSV : LS_FORMAT_JSON;
  const ls_yaml *summary = ls__yaml_get(lake, "summary");
  if (summary != NULL) ok = parse_summary(b, summary, rel, out) && ok;
  out->keep_last = keep != NULL && strcmp(keep->text, "last") == 0;
  out->success_marker = success != NULL && ls__is_true(success->text);
  if (out->keep_last && rel->known == LS_KNOWN && rel->schema->n_key == 0) {
    ls__diag_add(b->diag, keep->mark,
                 "keep: last is by key, but the rows of %s have none; use "
                 "select_key, or keep: all",
                 rel->name);
    ok = false;
  }
  if (out->success_marker && parts.n > 0) {
    ls__diag_add(b->diag, success->key->mark,
                 "success is for one directory; this path has an "
                 "expression and makes many");
    ok = false;
  }
  const ls_yaml *roll = ls__yaml_get(lake, "roll");
  if (roll != NULL && !roll->bad) ok = parse_roll(b, roll, rel, out) && ok;
  return ok;
}

static bool parse_live(ls_build *b, const ls_yaml *live, const ls_rel *rel, ls_plan_sink *out) {
  const ls_yaml *topic = ls__yaml_get(live, "kafka"), *compacted = ls__yaml_get(live, "compacted");
  if (topic == NULL || !ls__build_topic(b, topic)) return false;
  out->live_kafka = topic->text;
  out->live_registry = ls__is_true(ls__yaml_text(live, "registry"));
  out->live_compacted = compacted != NULL && ls__is_true(compacted->text);
  const char *partitions = ls__yaml_text(ls__yaml_get(live, "create"), "partitions");
  if (partitions != NULL) out->create_partitions = (int32_t)strtol(partitions, NULL, 10);
  if (!out->live_compacted || rel->known != LS_KNOWN || rel->schema->n_key > 0) return true;
  ls__diag_add(b->diag, compacted->mark,
               "a compacted topic has rows with a key, but those of %s have "
               "none; use select_key",
               rel->name);
  return false;
}

/** Where what is wrong with columns is told. */
typedef struct column_faults {
  ls_build *b;
  ls_mark mark;
} column_faults;

static void on_column_fault(void *payload, const char *text) {
  const column_faults *at = payload;
  ls__diag_add(at->b->diag, at->mark, "%s", text);
}

/** The schema that is registered. */
static bool set_proto_text(ls_build *b, const ls_mark *mark, const void *descriptor, ls_plan_sink *out) {
  ls_buf text = LS_BUF_INIT;
  ls_error why = LS_ERROR_INIT;
  int rc = ls__proto_text(&text, &out->proto_place, descriptor, &why);
  if (rc < 0) ls__diag_add(b->diag, *mark, "%s", why.message);
  out->proto_text = ls__arena_strndup(b->arena, text.ptr != NULL ? text.ptr : "", text.len);
  ls__buf_fini(&text);
  return rc >= 0;
}

/** `protobuf`, and that each row can be written as that message. */
static bool parse_protobuf(ls_build *b, const ls_yaml *map, const ls_yaml *live, const ls_rel *rel, ls_plan_sink *out) {
  const char *format = ls__yaml_text(live, "format");
  bool wanted = format != NULL && strcmp(format, "protobuf") == 0;
  const void *descriptor = NULL;
  if (!ls__build_message(b, map, wanted, "live does not have", &descriptor)) return false;
  if (!wanted || rel->broken || rel->known != LS_KNOWN) return true;
  column_faults faults = {b, ls__yaml_get(map, "protobuf")->mark};
  bool ok = ls__protobuf_writer_new(&out->protobuf, b->arena, rel->schema, descriptor, on_column_fault, &faults) >= 0;
  return (!out->live_registry || set_proto_text(b, &faults.mark, descriptor, out)) && ok;
}

static bool check_sensitive(ls_build *b, const ls_yaml *from, const char *name, const ls_rel *rel) {
  bool ok = true;
  for (uint32_t i = 0; i < rel->schema->n_fields; i++) {
    if (!rel->schema->fields[i].sensitive) continue;
    const char *origin = rel->broken ? NULL : ls__build_sensitive_origin(b, rel->at, i);
    ls__diag_add(b->diag, from->mark,
                 "column %s of sink %s shows %s, which is sensitive; %s (select), "
                 "or leave it out",
                 rel->schema->fields[i].name, name, origin != NULL ? origin : "a field", ls__build_mask_advice(b));
    ok = false;
  }
  return ok;
}

static bool has_binding(const ls_yaml *map) {
  for (const ls_yaml *value = map->first; value != NULL; value = value->next) {
    const char *key = value->key->text;
    if (strcmp(key, "live") == 0 || strcmp(key, "lake") == 0) return true;
  }
  return false;
}

static void build_sink(ls_build *b, const ls_yaml *map) {
  const ls_yaml *from = ls__yaml_get(map, "from"), *live = ls__yaml_get(map, "live");
  const ls_yaml *lake = ls__yaml_get(map, "lake");
  const char *name = map->key->text;
  ls_plan_sink *sink = &b->sinks[b->plan->n_sinks];
  bool ok = true;
  *sink = (ls_plan_sink){.name = name, .sum_per = -1, .sum_split = -1, .balance_sum = -1};
  if (!has_binding(map)) {
    ls__diag_add(b->diag, map->key->mark, "sink %s has neither live nor lake; give one, or both", name);
    ok = false;
  }
  if (from == NULL) b->refs_unknown = true;
  if (from == NULL) return;
  const ls_ref ref = ls__build_ref(b, from);
  const ls_rel rel = ls__build_resolve(b, &ref);
  if (rel.global != LS_NO_GLOBAL) {
    ls__diag_add(b->diag, from->mark, "%s is a global table: it has no rows to write", rel.name);
    return;
  }
  ok = check_sensitive(b, from, name, &rel) && ok;
  if (live != NULL) ok = parse_live(b, live, &rel, sink) && ok;
  ok = parse_protobuf(b, map, live, &rel, sink) && ok;
  if (lake != NULL) ok = parse_lake(b, lake, &rel, sink) && ok;
  if (!ok || rel.broken) {
    const ls_yaml *other = ls__yaml_get(ls__yaml_get(ls__yaml_get(lake, "summary"), "balance"), "from");
    if (other != NULL) (void)ls__build_ref(b, other); /* it is in use all the same */
    return;
  }
  ls_plan_node *node = ls__build_node(b, name, LS_VERB_SINK, &rel, 1);
  node->u.sink.sink = b->plan->n_sinks;
  sink->schema = rel.schema;
  sink->node = node->id;
  b->plan->n_sinks++;
  (void)add_balance(b, ls__yaml_get(lake, "summary"), b->plan->n_sinks - 1);
}

void ls__build_sinks(ls_build *b) {
  const ls_yaml *sinks = ls__yaml_get(b->doc->root, "sinks");
  uint32_t n = sinks != NULL ? sinks->n_children : 0;
  b->sinks = LS_ARENA_ARRAY(b->arena, ls_plan_sink, 2 * (size_t)n + 1); /* each with one for its balance */
  b->refs_unknown |= n == 0;
  for (const ls_yaml *map = sinks != NULL ? sinks->first : NULL; map != NULL; map = map->next) {
    if (map->bad || map->kind != LS_YAML_MAP) {
      b->refs_unknown = true;
    } else {
      build_sink(b, map);
    }
  }
}
