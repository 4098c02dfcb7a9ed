/** @file build_aggregates.c  aggregate: groups, windows, and the calls under `values`. */
#include <stdio.h>
#include <strings.h>

#include "base/buf.h"
#include "data/datetime.h"
#include "topology/build.h"

#define ARGS_MAX 16 /* of one aggregate call */

static const struct {
  const char *name;
  ls_agg_kind kind;
} builtins[] = {{"count", LS_AGG_COUNT}, {"sum", LS_AGG_SUM},     {"min", LS_AGG_MIN},   {"max", LS_AGG_MAX},
                {"avg", LS_AGG_AVG},     {"first", LS_AGG_FIRST}, {"last", LS_AGG_LAST}, {"collect", LS_AGG_COLLECT}};
#define N_BUILTINS (sizeof builtins / sizeof *builtins)

/* A call as written: parts of the scalar's text. */
typedef struct part {
  size_t at, len;
} part;
typedef struct call {
  const ls_yaml *scalar;
  part name;
  part args[ARGS_MAX];
  uint32_t n_args;
} call;

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static part trim(const char *text, size_t from, size_t to) {
  while (from < to && is_space(text[from])) from++;
  while (to > from && is_space(text[to - 1])) to--;
  return (part){from, to - from};
}

static void report_at(ls_build *b, const ls_yaml *scalar, size_t offset, const char *what) {
  if (scalar->poisoned) return;
  ls__diag_add(b->diag, ls__yaml_locate(b->doc, scalar, offset), "%s", what);
}

static const char not_a_call[] = "not an aggregate call; one call as sum(amount): calculate with its "
                                 "result in a later step";

/* Splits name(arg, arg) at the commas outside of quotes and brackets. */
static bool split_call(ls_build *b, const ls_yaml *scalar, call *out) {
  const char *text = scalar->text;
  part all = trim(text, 0, scalar->len);
  size_t end = all.at + all.len, at = all.at, depth = 0, from;
  *out = (call){.scalar = scalar};
  size_t n = all.len > 0 ? ls__build_token(text, end, at) : 0;
  size_t open = trim(text, at + n, end).at;
  bool name = all.len > 0 && text[at] != '\'' && text[at] != '"' && (n > 1 || (text[at] >= 'A' && text[at] <= 'z'));
  if (!name || open >= end || text[open] != '(') {
    report_at(b, scalar, all.at, not_a_call);
    return false;
  }
  out->name = (part){at, n};
  from = at = open + 1;
  for (; at < end; at += ls__build_token(text, end, at)) {
    char c = text[at];
    bool closes = (c == ')' || c == ']') && depth == 0;
    if (c == '(' || c == '[') depth++;
    if ((c == ')' || c == ']') && depth > 0) depth--;
    if (!closes && (c != ',' || depth > 0)) continue;
    if (out->n_args == ARGS_MAX) {
      report_at(b, scalar, at, "more than 16 arguments");
      return false;
    }
    out->args[out->n_args++] = trim(text, from, at);
    from = at + 1;
    if (closes) break;
  }
  if (at >= end || text[at] != ')') {
    report_at(b, scalar, open, "the closing ) is missing");
    return false;
  }
  if (at + 1 != end) {
    report_at(b, scalar, trim(text, at + 1, end).at, not_a_call);
    return false;
  }
  if (out->n_args == 1 && out->args[0].len == 0) out->n_args = 0;
  return true;
}

/* ---- built-in aggregates ---- */

static bool is_number(const ls_type *type) {
  return type->kind == LS_INT64 || type->kind == LS_FLOAT64 || type->kind == LS_DECIMAL;
}

static const ls_type *avg_type(ls_build *b, const ls_type *arg) {
  if (arg->kind == LS_FLOAT64) return arg;
  int scale = arg->kind == LS_DECIMAL ? arg->scale : 0;
  scale = scale + 6 > LS_DECIMAL_DIGITS_MAX ? LS_DECIMAL_DIGITS_MAX : scale + 6;
  return ls__type_decimal(b->arena, LS_DECIMAL_DIGITS_MAX, scale);
}

/* NULL: the aggregate is not for that type; *wanted says for which. */
static const ls_type *builtin_type(ls_build *b, ls_agg_kind kind, const ls_type *arg, const char **wanted) {
  switch (kind) {
  case LS_AGG_COUNT_ALL:
  case LS_AGG_COUNT:
    return &ls__type_int64;
  case LS_AGG_SUM:
    *wanted = "numbers";
    if (arg->kind == LS_DECIMAL) {
      return ls__type_decimal(b->arena, LS_DECIMAL_DIGITS_MAX, arg->scale);
    }
    return is_number(arg) ? arg : NULL;
  case LS_AGG_AVG:
    *wanted = "numbers";
    return is_number(arg) ? avg_type(b, arg) : NULL;
  case LS_AGG_MIN:
  case LS_AGG_MAX:
    *wanted = "values with an order, not for lists and structs";
    return arg->kind == LS_LIST || arg->kind == LS_STRUCT ? NULL : arg;
  case LS_AGG_COLLECT:
    return ls__type_list(b->arena, arg);
  default:
    return arg;
  }
}

static bool builtin_call(ls_build *b, const call *c, ls_agg_kind kind, const char *name, const ls_rel *in,
                         ls_plan_agg *out) {
  const char *text = c->scalar->text;
  out->kind = kind;
  if (c->n_args == 1 && c->args[0].len == 1 && text[c->args[0].at] == '*') {
    if (kind == LS_AGG_COUNT) {
      out->kind = LS_AGG_COUNT_ALL;
      out->type = &ls__type_int64;
      return true;
    }
    report_at(b, c->scalar, c->args[0].at, "only count takes *; name a column");
    return false;
  }
  if (c->n_args != 1) {
    report_at(b, c->scalar, c->name.at,
              ls__arena_printf(b->arena, "%s takes one argument, not %u%s", name, (unsigned)c->n_args,
                               kind == LS_AGG_COUNT ? "; or count(*)" : ""));
    return false;
  }
  ls_expr **args = LS_ARENA_ARRAY(b->arena, ls_expr *, 1);
  args[0] = ls__build_expr_part(b, c->scalar, c->args[0].at, c->args[0].len, in);
  if (args[0] == NULL) return false;
  const char *wanted = "";
  const ls_type *type = ls__expr_type(args[0]);
  out->type = type->kind == LS_NONE ? NULL : builtin_type(b, kind, type, &wanted);
  out->args = args;
  out->n_args = 1;
  if (out->type != NULL) return true;
  report_at(b, c->scalar, c->args[0].at,
            ls__arena_printf(b->arena, "%s is for %s; this is %s", name, wanted[0] != 0 ? wanted : "values with a type",
                             type->kind == LS_NONE ? "NULL" : ls__a_type(b, type)));
  return false;
}

/* ---- aggregates of plugins ---- */

static bool widens(const ls_type *from, const ls_type *to) {
  if (from->kind == LS_INT64) return to->kind == LS_DECIMAL || to->kind == LS_FLOAT64;
  if (from->kind != LS_DECIMAL || to->kind != LS_DECIMAL) return false;
  return to->scale >= from->scale && to->precision - to->scale >= from->precision - from->scale;
}

/* The argument in the type that the signature names, where nothing is lost by that. */
static ls_expr *fit_arg(ls_build *b, const call *c, uint32_t i, const ls_udf_agg *agg, ls_expr *expr,
                        const ls_schema *in) {
  const ls_type *want;
  ls_error err = LS_ERROR_INIT;
  if (i >= agg->n_args || (agg->args[i].kind == LS_DECIMAL && agg->args[i].precision == 0)) {
    return expr;
  }
  if (ls__udf_type_from(&want, &agg->args[i], b->arena, &err) != LS_OK) return expr;
  const ls_type *have = ls__expr_type(expr);
  bool untyped = have->kind == LS_NONE;
  if (!untyped && (ls__type_eq(have, want) || !widens(have, want))) return expr;
  const part *arg = &c->args[i];
  const char *text =
      ls__arena_printf(b->arena, "CAST(%.*s AS %s)", (int)arg->len, c->scalar->text + arg->at, ls__type_text(b, want));
  ls_expr *cast = ls__build_expr_text(b, text, in);
  return cast != NULL ? cast : expr;
}

static bool plugin_call(ls_build *b, const call *c, const ls_udf_agg *agg, const ls_rel *in, ls_plan_agg *out) {
  ls_expr **args = LS_ARENA_ARRAY(b->arena, ls_expr *, c->n_args + 1);
  const ls_type **types = LS_ARENA_ARRAY(b->arena, const ls_type *, c->n_args + 1);
  bool ok = true;
  for (uint32_t i = 0; i < c->n_args; i++) {
    args[i] = ls__build_expr_part(b, c->scalar, c->args[i].at, c->args[i].len, in);
    if (args[i] != NULL) {
      args[i] = fit_arg(b, c, i, agg, args[i], in->schema);
      types[i] = ls__expr_type(args[i]);
    }
    ok = ok && args[i] != NULL;
  }
  if (!ok) return false;
  ls_error err = LS_ERROR_INIT;
  *out = (ls_plan_agg){.kind = LS_AGG_PLUGIN, .name = out->name, .args = args, .n_args = c->n_args, .udf = agg};
  if ((agg->flags & LS_UDF_VOLATILE) != 0 && b->plan->parity) {
    report_at(b, c->scalar, c->name.at,
              "a volatile aggregate: its result is not a function of its "
              "rows, so replay differs from live; say parity: off under runtime to allow it");
    return false;
  }
  if (ls__udf_bind_agg(&out->type, agg, types, c->n_args, b->arena, &err) == LS_OK) return true;
  report_at(b, c->scalar, c->name.at, err.message);
  return false;
}

static void report_unknown(ls_build *b, const call *c, const char *name) {
  size_t n_udfs = 0, n = 0;
  const char *const *udfs = ls__udf_names(b->udfs, &n_udfs);
  const char **names = LS_ARENA_ARRAY(b->arena, const char *, N_BUILTINS + n_udfs);
  for (size_t i = 0; i < N_BUILTINS; i++) names[n++] = builtins[i].name;
  for (size_t i = 0; i < n_udfs; i++) {
    if (ls__udf_find_agg(b->udfs, udfs[i]) != NULL) names[n++] = udfs[i];
  }
  const char *near = ls__nearest_name(name, names, n);
  report_at(b, c->scalar, c->name.at,
            ls__arena_printf(b->arena, "there is no aggregate %.80s; %s%s", name,
                             near != NULL ? "did you mean "
                                          : "there are count, sum, min, max, avg, "
                                            "first, last, collect and those of plugins",
                             near != NULL ? near : ""));
}

static bool parse_value(ls_build *b, const ls_yaml *scalar, const ls_rel *in, ls_plan_agg *out) {
  call c;
  out->name = scalar->key->text;
  if (scalar->bad || !split_call(b, scalar, &c)) return false;
  const char *name = ls__arena_strndup(b->arena, scalar->text + c.name.at, c.name.len);
  for (size_t i = 0; i < N_BUILTINS; i++) {
    if (strcasecmp(builtins[i].name, name) == 0) {
      return builtin_call(b, &c, builtins[i].kind, builtins[i].name, in, out);
    }
  }
  const ls_udf_agg *agg = ls__udf_find_agg(b->udfs, name);
  if (agg != NULL) return plugin_call(b, &c, agg, in, out);
  if (!b->plugins_failed) report_unknown(b, &c, name);
  return false;
}

/* ---- the step ---- */

typedef struct group {
  ls_plan_agg *aggs;
  uint32_t n_aggs;
  uint32_t *by;
  uint32_t n_by;
  int64_t window_us, grace_us;
  ls_known known; /* of the output's columns */
} group;

/* Null when there are no rows with a value; counts and lists never are. */
static bool agg_nullable(const ls_plan_agg *agg) {
  if (agg->type->kind == LS_NONE) return true;
  switch (agg->kind) {
  case LS_AGG_COUNT_ALL:
  case LS_AGG_COUNT:
  case LS_AGG_COLLECT:
    return false;
  case LS_AGG_PLUGIN:
    return true;
  default:
    return ls__expr_nullable(agg->args[0]);
  }
}

/* A count tells nothing of the values; a plugin's aggregate is trusted where it says that it may be. */
static bool agg_sensitive(const ls_plan_agg *agg) {
  bool hides = agg->kind == LS_AGG_COUNT_ALL || agg->kind == LS_AGG_COUNT ||
               (agg->kind == LS_AGG_PLUGIN && (agg->udf->flags & LS_UDF_DECLASSIFIES) != 0);
  for (uint32_t i = 0; i < agg->n_args && !hides && agg->type->kind != LS_NONE; i++) {
    if (ls__expr_sensitive(agg->args[i])) return true;
  }
  return false;
}

static bool check_taken(ls_build *b, const ls_yaml *values, const ls_schema *schema, uint32_t n) {
  bool ok = true;
  for (const ls_yaml *value = values != NULL ? values->first : NULL; value != NULL; value = value->next) {
    for (uint32_t i = 0; i < n; i++) {
      if (strcmp(schema->fields[i].name, value->key->text) != 0) continue;
      ls__diag_add(b->diag, value->key->mark,
                   "column %s is there already, from the group; take "
                   "another name",
                   value->key->text);
      ok = false;
    }
  }
  return ok;
}

static ls_schema *group_schema(ls_build *b, const ls_entry *entry, const ls_schema *in, const group *g) {
  uint32_t n_window = g->window_us > 0 ? 2 : 0, n = g->n_by + n_window;
  ls_schema *schema = ls__schema_new(b->arena, entry->name, n + g->n_aggs);
  uint32_t *key = LS_ARENA_ARRAY(b->arena, uint32_t, g->n_by + 1);
  for (uint32_t i = 0; i < g->n_by; i++) {
    schema->fields[i] = in->fields[g->by[i]];
    key[i] = i;
  }
  static const char *const window_names[] = {"window_start", "window_end"};
  for (uint32_t i = 0; i < n_window; i++) {
    schema->fields[g->n_by + i] = (ls_field){.name = window_names[i], .type = &ls__type_timestamp};
  }
  for (uint32_t i = 0; i < g->n_aggs; i++) {
    schema->fields[n + i] = (ls_field){.name = g->aggs[i].name,
                                       .type = g->aggs[i].type,
                                       .nullable = agg_nullable(&g->aggs[i]),
                                       .sensitive = agg_sensitive(&g->aggs[i])};
  }
  ls__schema_set_key(schema, b->arena, key, g->n_by);
  if (n_window > 0) schema->time_field = (int32_t)g->n_by;
  return schema;
}

static bool parse_values(ls_build *b, const ls_yaml *verb, const ls_rel *in, group *g) {
  static const ls_type unknown = {.kind = LS_NONE};
  const ls_yaml *values = ls__yaml_get(verb, "values");
  if (values == NULL) g->known = LS_KNOWN_SOME;
  if (values == NULL) return false;
  g->aggs = LS_ARENA_ARRAY(b->arena, ls_plan_agg, values->n_children);
  bool ok = true;
  for (const ls_yaml *value = values->first; value != NULL; value = value->next) {
    ls_plan_agg *agg = &g->aggs[g->n_aggs++];
    if (parse_value(b, value, in, agg)) continue;
    agg->type = &unknown;
    if (g->known == LS_KNOWN) g->known = LS_KNOWN_NAMES;
    ok = false;
  }
  return ok;
}

static bool has_key(const ls_yaml *map, const char *key) {
  for (const ls_yaml *value = map->first; value != NULL; value = value->next) {
    if (strcmp(value->key->text, key) == 0) return true;
  }
  return false;
}

static bool has_bad(const ls_yaml *map, const char *key) {
  for (const ls_yaml *value = map->first; value != NULL; value = value->next) {
    if (strcmp(value->key->text, key) == 0) return value->bad;
  }
  return false;
}

static bool parse_group_window(ls_build *b, const ls_entry *entry, const ls_rel *in, group *g) {
  const ls_yaml *window = ls__yaml_get(entry->verb, "window");
  if (window == NULL) return !has_bad(entry->verb, "window");
  const char *tumbling = ls__yaml_text(window, "tumbling"), *grace = ls__yaml_text(window, "grace");
  if (tumbling == NULL || grace == NULL) return false;
  ls__duration_parse(&g->window_us, ls__slice_of(tumbling));
  ls__duration_parse(&g->grace_us, ls__slice_of(grace));
  if (in->has_time || in->known != LS_KNOWN) return true;
  ls__diag_add(b->diag, window->key->mark,
               "the rows of %s have no event time, which a window needs; "
               "give their schema a time",
               in->name);
  return false;
}

static bool parse_by(ls_build *b, const ls_entry *entry, const ls_rel *rows, group *g) {
  const ls_schema *in = rows->schema;
  const ls_yaml *by = ls__yaml_get(entry->verb, "by");
  if (by == NULL) {
    if (has_bad(entry->verb, "by")) return false;
    g->by = in->key;
    g->n_by = in->n_key;
    if (g->n_by > 0 || rows->known != LS_KNOWN) return rows->known == LS_KNOWN;
    ls__diag_add(b->diag, entry->verb->key->mark,
                 "aggregate goes by key, but the rows of %s have "
                 "none; name the columns of a group with by",
                 entry->refs[0].at->text);
    return false;
  }
  if (!ls__build_columns(b, by, rows, &g->by, &g->n_by)) return false;
  const ls_yaml *item = by->kind == LS_YAML_LIST ? by->first : by;
  for (uint32_t i = 0; i < g->n_by; i++, item = item->next) {
    ls_kind kind = in->fields[g->by[i]].type->kind;
    if (kind != LS_LIST && kind != LS_STRUCT && kind != LS_FLOAT64) continue;
    ls__diag_add(b->diag, item->mark, "%s can't make a group: lists, structs and float64 can't",
                 in->fields[g->by[i]].name);
    return false;
  }
  return true;
}

/* What the accumulators look like: two plans with the same text can read each other's state. */
static uint64_t group_fingerprint(const group *g, const ls_schema *in, const ls_schema *out) {
  ls_buf text = LS_BUF_INIT;
  ls__buf_printf(&text, "window %lld ", (long long)g->window_us);
  for (uint32_t i = 0; i < g->n_aggs; i++) {
    const ls_plan_agg *agg = &g->aggs[i];
    ls__buf_printf(&text, "%d(", (int)agg->kind);
    for (uint32_t k = 0; k < agg->n_args; k++) {
      const ls_type *type = ls__expr_type(agg->args[k]);
      if (type->kind != LS_NONE) ls__type_format(&text, type);
      ls__buf_putc(&text, ',');
    }
    if (agg->udf != NULL) {
      ls__buf_printf(&text, "%s %u %u", agg->udf->name, (unsigned)agg->udf->acc_bytes, (unsigned)agg->udf->acc_version);
    }
    ls__buf_puts(&text, ") ");
  }
  uint64_t hash = ls__build_fingerprint("aggregate", in, g->by, g->n_by, out, text.ptr);
  ls__buf_fini(&text);
  return hash;
}

static bool guess_aggregate(ls_entry *entry, ls_rel in, const ls_schema *schema, const group *g) {
  ls_rel rel = in;
  bool window = has_key(entry->verb, "window");
  rel.table = window ? LS_NO_NODE : 0;
  rel.has_time = in.has_time || window;
  (void)ls__build_guess(entry, rel, schema, g->known);
  in.broken = true;
  if (window) ls__build_add_output(entry, 1, "late", in);
  return false;
}

bool ls__build_aggregate(ls_build *b, ls_entry *entry, ls_rel in) {
  group g = {0};
  ls_plan_store store;
  bool ok = parse_values(b, entry->verb, &in, &g);
  bool window = parse_group_window(b, entry, &in, &g), by = parse_by(b, entry, &in, &g);
  if (!window || !by) g.known = LS_KNOWN_SOME;
  ls_schema *schema = group_schema(b, entry, in.schema, &g);
  ok = check_taken(b, ls__yaml_get(entry->verb, "values"), schema, schema->n_fields - g.n_aggs) && ok && window && by;
  uint64_t fingerprint = ok ? group_fingerprint(&g, in.schema, schema) : 0;
  ok = ls__build_store(b, entry->verb, "", fingerprint, &store) && ok;
  if (!ok || in.broken) return guess_aggregate(entry, in, schema, &g);
  bool own_key = in.schema->n_key == g.n_by && memcmp(in.schema->key, g.by, g.n_by * sizeof *g.by) == 0;
  const char *step = own_key ? b->nodes[in.at.node].name : entry->name;
  ls_rel rows = ls__build_partition(b, step, in, g.by, g.n_by);
  ls_plan_node *node = ls__build_node(b, entry->name, LS_VERB_AGGREGATE, &rows, 1);
  const char *names[] = {"", "late"};
  const ls_schema *schemas[] = {schema, rows.schema};
  bool windowed = g.window_us > 0;
  ls__build_outputs(b, node, names, schemas, windowed ? 2 : 1);
  node->store = store;
  node->u.aggregate.aggs = g.aggs;
  node->u.aggregate.n_aggs = g.n_aggs;
  node->u.aggregate.by = g.by;
  node->u.aggregate.n_by = g.n_by;
  node->u.aggregate.window_us = g.window_us;
  node->u.aggregate.grace_us = g.grace_us;
  node->u.aggregate.emit = ls__emit_of(ls__yaml_text(entry->verb, "emit"), windowed ? LS_EMIT_FINAL : LS_EMIT_CHANGES);
  ls__build_done(
      entry, node,
      (ls_rel){.table = windowed ? LS_NO_NODE : node->id, .partitioned = true, .has_time = in.has_time || windowed});
  if (windowed) ls__build_add_output(entry, 1, "late", rows);
  return true;
}
