/**
 * @file build_joins.c
 * join, left_join, outer_join: what the two sides are decides which of four nodes it becomes.
 *
 *                 with a stream      with a table       with a global table
 *   from a stream STREAM_JOIN        TABLE_LOOKUP       GLOBAL_LOOKUP
 *   from a table  refused            TABLE_JOIN         GLOBAL_LOOKUP of its changes
 */
#include "base/buf.h"
#include "data/datetime.h"
#include "topology/build.h"

/* One join while it is built. */
typedef struct join {
  ls_build *b;
  ls_entry *entry;
  const ls_yaml *verb;
  const ls_yaml *with;
  ls_join_type type;
  ls_rel left, right;
  bool broken;       /* one of them is: only for the errors */
  ls_schema *schema; /* of the output */
} join;

static bool is_table(const ls_rel *rel) {
  return rel->table != LS_NO_NODE;
}

/* ---- schema of the output ---- */

static bool is_key(const ls_schema *schema, uint32_t field) {
  for (uint32_t i = 0; i < schema->n_key; i++) {
    if (schema->key[i] == field) return true;
  }
  return false;
}

/* Left columns, then right ones as <with>.<column>. Nullable where the other side may be missing; the left key never
 * is: it is filled from either side. */
static bool join_columns(join *j) {
  ls_build *b = j->b;
  bool ok = true;
  const ls_schema *l = j->left.schema, *r = j->right.schema;
  j->schema = ls__schema_new(b->arena, j->entry->name, l->n_fields + r->n_fields);
  memcpy(j->schema->fields, l->fields, l->n_fields * sizeof *l->fields);
  for (uint32_t i = 0; i < l->n_fields && j->type == LS_JOIN_OUTER; i++) {
    if (!is_key(l, i)) j->schema->fields[i].nullable = true;
  }
  for (uint32_t i = 0; i < r->n_fields; i++) {
    ls_field *field = &j->schema->fields[l->n_fields + i];
    *field = r->fields[i];
    field->name = ls__arena_printf(b->arena, "%s.%s", j->right.name, r->fields[i].name);
    if (j->type != LS_JOIN_INNER) field->nullable = true;
    if (!ok || ls__schema_find(l, ls__slice_of(field->name)) < 0) continue; /* the first tells it all */
    ls__diag_add(b->diag, j->with->mark,
                 "column %s is there already from an earlier join with %s; "
                 "give one of them another name with select",
                 field->name, j->right.name);
    ok = false;
  }
  ls__schema_set_key(j->schema, b->arena, l->key, l->n_key);
  if (j->type != LS_JOIN_OUTER) j->schema->time_field = l->time_field;
  return ok;
}

/* The columns of both sides, where there is an error in the join or before it. */
static bool guess_join(join *j) {
  ls_rel rel = j->left;
  rel.table = LS_NO_NODE;
  (void)join_columns(j);
  return ls__build_guess(j->entry, rel, j->schema, j->left.known > j->right.known ? j->left.known : j->right.known);
}

/* ---- checks shared by several kinds ---- */

/* Reports the first of these keys that the join has; a list that ends in NULL. */
static bool refuse_keys(const join *j, const char *const *keys, const char *kind) {
  bool ok = true;
  for (; *keys != NULL; keys++) {
    const ls_yaml *value = ls__yaml_get(j->verb, *keys);
    if (value == NULL) continue;
    ls__diag_add(j->b->diag, value->key->mark, "%s has no meaning in a join of %s; leave it out", *keys, kind);
    ok = false;
  }
  return ok;
}

static bool refuse_emit(const join *j, const char *value, const char *kind, const char *right) {
  const ls_yaml *emit = ls__yaml_get(j->verb, "emit");
  if (emit == NULL || strcmp(emit->text, value) != 0 || emit->poisoned) return true;
  ls__diag_add(j->b->diag, emit->mark, "emit: %s has no meaning in a join of %s; it is %s", value, kind, right);
  return false;
}

/* Both sides have keys of the same types. */
static bool check_keys(join *j) {
  const ls_schema *l = j->left.schema, *r = j->right.schema;
  if (j->left.known != LS_KNOWN || j->right.known != LS_KNOWN) return true;
  const ls_rel *unkeyed = l->n_key == 0 ? &j->left : r->n_key == 0 ? &j->right : NULL;
  ls_mark mark = unkeyed == &j->left ? j->entry->refs[0].at->mark : j->with->mark;
  if (unkeyed != NULL) {
    ls__diag_add(j->b->diag, mark,
                 "unkeyed join: the rows of %s have no key; put a step with "
                 "select_key before the join",
                 unkeyed->name);
    return false;
  }
  bool same = l->n_key == r->n_key;
  for (uint32_t i = 0; i < l->n_key && same; i++) {
    same = ls__type_eq(l->fields[l->key[i]].type, r->fields[r->key[i]].type);
    if (same) continue;
    const ls_field *a = &l->fields[l->key[i]], *z = &r->fields[r->key[i]];
    ls__diag_add(j->b->diag, j->with->mark,
                 "unkeyed join: key %s of %s is %s and key %s of %s is "
                 "%s; keys have the same types: bring them together with select and select_key",
                 a->name, j->left.name, ls__a_type(j->b, a->type), z->name, j->right.name, ls__a_type(j->b, z->type));
    return false;
  }
  if (same) return true;
  ls__diag_add(j->b->diag, j->with->mark,
               "unkeyed join: the key of %s is (%s) and of %s (%s); keys "
               "have the same number of columns: use select_key",
               j->left.name, ls__schema_names(j->b, l, l->key, l->n_key), j->right.name,
               ls__schema_names(j->b, r, r->key, r->n_key));
  return false;
}

/* Both sides by key in one sub-topology. */
static bool bring_together(join *j) {
  return ls__build_keyed(j->b, j->entry->refs[0].at, j->verb->key->text, &j->left) &&
         ls__build_keyed(j->b, j->with, j->verb->key->text, &j->right) &&
         ls__build_join_components(j->b, j->with, j->entry->name, &j->left, &j->right);
}

static ls_plan_node *add_join_node(join *j, ls_verb verb, uint32_t n_inputs) {
  ls_rel inputs[2] = {j->left, j->right};
  ls_plan_node *node = ls__build_node(j->b, j->entry->name, verb, inputs, n_inputs);
  const ls_schema *schemas[] = {j->schema};
  ls__build_outputs(j->b, node, (const char *const[]){""}, schemas, 1);
  return node;
}

static void join_done(join *j, const ls_plan_node *node) {
  ls__build_done(j->entry, node,
                 (ls_rel){.table = LS_NO_NODE, .partitioned = j->left.partitioned, .has_time = j->left.has_time});
}

/* ---- stream x stream ---- */

typedef struct window {
  int64_t before_us, after_us, grace_us;
} window;

static int64_t duration_of(const ls_yaml *value) {
  int64_t us = 0;
  ls__duration_parse(&us, (ls_slice){value->text, value->len});
  return us;
}

static bool require(const join *j, const char *key, const char *why) {
  for (const ls_yaml *value = j->verb->first; value != NULL; value = value->next) {
    if (strcmp(value->key->text, key) == 0) return !value->bad;
  }
  ls__diag_add(j->b->diag, j->verb->key->mark, "a join of two streams has no %s; %s", key, why);
  return false;
}

static bool parse_window(const join *j, window *out) {
  const ls_yaml *within = ls__yaml_get(j->verb, "within"), *grace = ls__yaml_get(j->verb, "grace");
  const ls_yaml *before = ls__yaml_get(j->verb, "before"), *after = ls__yaml_get(j->verb, "after");
  bool ok = require(j, "grace", "say how long after its window a late row is still taken: grace: 1m");
  ok = require(j, "store", "name one for the rows in the window") && ok;
  if (within == NULL && before == NULL && after == NULL) {
    ok = require(j, "within", "say how far apart the rows may be: within: 10m, or before and after") && ok;
    return false;
  }
  if (within != NULL && (before != NULL || after != NULL)) {
    ls__diag_add(j->b->diag, within->key->mark,
                 "within beside before or after; within: 10m is "
                 "before: 10m and after: 10m: keep one form");
    return false;
  }
  if (within == NULL && (before == NULL || after == NULL)) {
    const ls_yaml *one = before != NULL ? before : after;
    ls__diag_add(j->b->diag, one->key->mark, "%s without %s; give both, 0s for none", one->key->text,
                 before != NULL ? "after" : "before");
    return false;
  }
  if (!ok) return false;
  out->before_us = duration_of(within != NULL ? within : before);
  out->after_us = duration_of(within != NULL ? within : after);
  out->grace_us = duration_of(grace);
  return true;
}

static bool check_times(const join *j) {
  const ls_rel *timeless = !j->left.has_time && j->left.known == LS_KNOWN     ? &j->left
                           : !j->right.has_time && j->right.known == LS_KNOWN ? &j->right
                                                                              : NULL;
  if (timeless == NULL) return true;
  ls__diag_add(j->b->diag, timeless == &j->left ? j->entry->refs[0].at->mark : j->with->mark,
               "the rows of %s have no event time, which a window needs; give their schema a time", timeless->name);
  return false;
}

static void other_outputs(join *j, bool broken) {
  j->left.broken = j->right.broken = broken;
  ls__build_add_output(j->entry, 1, "late", j->right);
  ls__build_add_output(j->entry, 2, "unmatched", j->right);
  ls__build_add_output(j->entry, 3, "late_left", j->left);
}

static void stream_join_outputs(join *j, ls_plan_node *node) {
  const char *names[] = {"", "late", "unmatched", "late_left"};
  const ls_schema *schemas[] = {j->schema, j->right.schema, j->right.schema, j->left.schema};
  ls__build_outputs(j->b, node, names, schemas, 4);
  join_done(j, node);
  other_outputs(j, false);
}

static bool guess_stream_join(join *j) {
  (void)guess_join(j);
  other_outputs(j, true);
  return false;
}

static bool stream_join_stores(join *j, ls_plan_store *left, ls_plan_store *right) {
  const ls_schema *l = j->left.schema, *r = j->right.schema;
  uint64_t fp_left = ls__build_fingerprint("join", l, l->key, l->n_key, l, "left");
  uint64_t fp_right = ls__build_fingerprint("join", r, r->key, r->n_key, r, "right");
  bool ok = ls__build_store(j->b, j->verb, "", fp_left, left);
  return ls__build_store(j->b, j->verb, "-right", fp_right, right) && ok;
}

static bool stream_join(join *j) {
  static const char *const refused[] = {"on", NULL};
  window w = {0};
  ls_plan_store left_store, right_store;
  bool ok = refuse_keys(j, refused, "two streams, which goes by their keys");
  ok = refuse_emit(j, "changes", "two streams", "early or final") && ok;
  ok = parse_window(j, &w) && ok;
  ok = check_keys(j) && check_times(j) && ok;
  ok = stream_join_stores(j, &left_store, &right_store) && ok;
  if (!ok || j->broken || !bring_together(j) || !join_columns(j)) return guess_stream_join(j);
  ls_plan_node *node = add_join_node(j, LS_VERB_STREAM_JOIN, 2);
  node->store = left_store;
  node->store2 = right_store;
  stream_join_outputs(j, node);
  const ls_yaml *fanout = ls__yaml_get(j->verb, "fanout_max");
  uint32_t fanout_max = fanout != NULL ? 0 : 1000;
  for (const char *c = fanout != NULL ? fanout->text : ""; *c >= '0' && *c <= '9'; c++) {
    fanout_max = fanout_max * 10 + (uint32_t)(*c - '0');
  }
  node->u.stream_join.type = j->type;
  node->u.stream_join.before_us = w.before_us;
  node->u.stream_join.after_us = w.after_us;
  node->u.stream_join.grace_us = w.grace_us;
  node->u.stream_join.emit = ls__emit_of(ls__yaml_text(j->verb, "emit"), LS_EMIT_CHANGES);
  node->u.stream_join.fanout_max = fanout_max;
  node->u.stream_join.n_left = j->left.schema->n_fields;
  return true;
}

/* ---- stream x table ---- */

static const char *const window_keys[] = {"within", "before", "after", "grace", "store", "fanout_max", NULL};

static bool refuse_on(const join *j) {
  static const char *const refused[] = {"on", NULL};
  return refuse_keys(j, refused, "streams or tables, which goes by their keys (select_key)");
}

static bool table_lookup(join *j) {
  static const char *const emit[] = {"emit", NULL};
  bool ok = refuse_keys(j, window_keys, "a stream with a table");
  ok = refuse_keys(j, emit, "a stream with a table") && ok;
  ok = refuse_on(j) && ok;
  if (j->type == LS_JOIN_OUTER) {
    ls__diag_add(j->b->diag, j->verb->key->mark,
                 "outer_join of a stream with a table; rows of the "
                 "table have no time of their own: use left_join");
    ok = false;
  }
  ok = check_keys(j) && ok;
  if (!ok || j->broken || !bring_together(j) || !join_columns(j)) return guess_join(j);
  ls_plan_node *node = add_join_node(j, LS_VERB_TABLE_LOOKUP, 1);
  ls__build_union(j->b, node->id, j->right.table);
  node->reads_table[0] = j->right.table;
  node->u.table_lookup.type = j->type;
  node->u.table_lookup.n_left = j->left.schema->n_fields;
  join_done(j, node);
  return true;
}

/* ---- stream x global table ---- */

static bool compile_on(join *j, ls_expr ***out, uint32_t *n_out) {
  const ls_schema *r = j->right.schema;
  const ls_yaml *on = ls__yaml_get(j->verb, "on");
  if (on == NULL) {
    ls__diag_add(j->b->diag, j->verb->key->mark,
                 "a join with the global table %s has no on; give "
                 "what its key (%s) is equal to",
                 j->right.name, ls__schema_names(j->b, r, r->key, r->n_key));
    return false;
  }
  uint32_t n = on->kind == LS_YAML_LIST ? on->n_children : 1, i = 0;
  if (n != r->n_key && j->right.known == LS_KNOWN) {
    ls__diag_add(j->b->diag, on->mark,
                 "on has %u expressions and the key of %s %u (%s); give one "
                 "for each",
                 (unsigned)n, j->right.name, (unsigned)r->n_key, ls__schema_names(j->b, r, r->key, r->n_key));
    return false;
  }
  ls_expr **exprs = LS_ARENA_ARRAY(j->b->arena, ls_expr *, n);
  bool ok = true;
  for (const ls_yaml *item = on->kind == LS_YAML_LIST ? on->first : on; i < n; item = item->next, i++) {
    exprs[i] = ls__build_expr(j->b, item, &j->left);
    if (exprs[i] == NULL || j->right.known != LS_KNOWN) {
      ok = false;
      continue;
    }
    const ls_field *key = &r->fields[r->key[i]];
    if (!ls__type_eq(ls__expr_type(exprs[i]), key->type)) {
      ls__diag_add(j->b->diag, ls__yaml_locate(j->b->doc, item, 0),
                   "unkeyed join: this is %s and "
                   "key %s of %s %s; use CAST",
                   ls__a_type(j->b, ls__expr_type(exprs[i])), key->name, j->right.name, ls__a_type(j->b, key->type));
      ok = false;
    }
  }
  *out = exprs;
  *n_out = n;
  return ok;
}

static bool global_lookup(join *j) {
  static const char *const emit[] = {"emit", NULL};
  bool ok = refuse_keys(j, window_keys, "a stream with a global table");
  ok = refuse_keys(j, emit, "a stream with a global table") && ok;
  if (j->type == LS_JOIN_OUTER) {
    ls__diag_add(j->b->diag, j->verb->key->mark,
                 "outer_join with a global table; every task has "
                 "the whole of it, so its rows can't be emitted once: use left_join");
    ok = false;
  }
  ls_expr **on;
  uint32_t n_on;
  ok = compile_on(j, &on, &n_on) && ok;
  if (!ok || j->broken || !join_columns(j)) return guess_join(j);
  ls_plan_node *node = add_join_node(j, LS_VERB_GLOBAL_LOOKUP, 1);
  node->u.global_lookup.type = j->type;
  node->u.global_lookup.table = j->right.global;
  node->u.global_lookup.on = on;
  node->u.global_lookup.n_on = n_on;
  node->u.global_lookup.n_left = j->left.schema->n_fields;
  join_done(j, node);
  return true;
}

/* ---- table x table ---- */

static bool table_join(join *j) {
  bool ok = refuse_keys(j, window_keys, "two tables");
  ok = refuse_emit(j, "early", "two tables", "changes or final") && ok;
  ok = refuse_on(j) && ok;
  if (j->left.table == j->right.table) {
    ls__diag_add(j->b->diag, j->with->mark, "%s is joined with itself; its columns are there already", j->right.name);
    ok = false;
  }
  ok = check_keys(j) && ok;
  if (!ok || j->broken || !bring_together(j) || !join_columns(j)) return guess_join(j);
  ls_plan_node *node = add_join_node(j, LS_VERB_TABLE_JOIN, 2);
  node->reads_table[0] = j->left.table;
  node->reads_table[1] = j->right.table;
  node->u.table_join.type = j->type;
  node->u.table_join.emit = ls__emit_of(ls__yaml_text(j->verb, "emit"), LS_EMIT_CHANGES);
  node->u.table_join.n_left = j->left.schema->n_fields;
  join_done(j, node);
  return true;
}

bool ls__build_join(ls_build *b, ls_entry *entry, ls_rel in) {
  join j = {.b = b, .entry = entry, .verb = entry->verb, .left = in};
  if (entry->n_refs <= entry->n_inputs) return false;
  const ls_ref *with = &entry->refs[entry->n_inputs];
  j.with = with->at;
  j.type = entry->verb->key->text[0] == 'l'   ? LS_JOIN_LEFT
           : entry->verb->key->text[0] == 'o' ? LS_JOIN_OUTER
                                              : LS_JOIN_INNER;
  j.right = ls__build_resolve(b, with);
  j.broken = in.broken || j.right.broken;
  if (in.known == LS_KNOWN_NOTHING || j.right.known == LS_KNOWN_NOTHING) {
    entry->outputs_open = true;
    return guess_join(&j);
  }
  if (j.right.global != LS_NO_GLOBAL) return global_lookup(&j);
  if (is_table(&j.right)) return is_table(&j.left) ? table_join(&j) : table_lookup(&j);
  if (!is_table(&j.left)) return stream_join(&j);
  ls__diag_add(b->diag, j.with->mark,
               "%s is a table and %s a stream; begin from the stream and join "
               "with the table, or make the stream a table with latest",
               j.left.name, j.right.name);
  entry->outputs_open = true;
  return guess_join(&j);
}
