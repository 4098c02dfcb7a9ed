/** @file build_rows.c  Verbs that look at one row at a time: filter, select, flat_map, branch, merge, select_key. */
#include "base/buf.h"
#include "topology/build.h"

/* One output of the given schema; the rows stay where they are. */
static ls_plan_node *add_row_node(ls_build *b, ls_entry *entry, ls_verb verb, ls_rel in, const ls_schema *schema,
                                  bool partitioned) {
  ls_plan_node *node = ls__build_node(b, entry->name, verb, &in, 1);
  const ls_schema *schemas[] = {schema};
  ls__build_outputs(b, node, (const char *const[]){""}, schemas, 1);
  ls__build_done(entry, node, (ls_rel){.table = LS_NO_NODE, .partitioned = partitioned, .has_time = in.has_time});
  return node;
}

/* The rows of a stream, where there is an error in the step or before it. */
static bool guess_rows(ls_entry *entry, ls_rel in, const ls_schema *schema, ls_known known) {
  in.table = LS_NO_NODE;
  in.global = LS_NO_GLOBAL;
  return ls__build_guess(entry, in, schema, known);
}

static ls_known less_known(ls_known a, ls_known b) {
  return a > b ? a : b;
}

bool ls__build_filter(ls_build *b, ls_entry *entry, ls_rel in) {
  ls_expr *predicate = ls__build_predicate(b, entry->verb, &in);
  ls_schema *schema = ls__schema_copy(b->arena, in.schema, entry->name);
  if (predicate == NULL || in.broken) return guess_rows(entry, in, schema, in.known);
  ls_plan_node *node = add_row_node(b, entry, LS_VERB_FILTER, in, schema, in.partitioned);
  node->u.filter.predicate = predicate;
  return true;
}

/* ---- select, extend ---- */

/* A column carried over keeps all that is known of it. */
static bool set_field(ls_build *b, const ls_yaml *scalar, const ls_schema *in, const ls_expr *expr, ls_field *field) {
  int32_t column = ls__expr_is_column(expr);
  if (column >= 0) *field = in->fields[column];
  field->name = scalar->key->text;
  if (column >= 0) return true;
  field->type = ls__expr_type(expr);
  field->nullable = ls__expr_nullable(expr);
  field->sensitive = ls__expr_sensitive(expr);
  if (field->type->kind != LS_NONE) return true;
  ls__diag_add(b->diag, ls__yaml_locate(b->doc, scalar, 0),
               "%s is always NULL and has no type; write CAST(NULL AS string) or another type", field->name);
  return false;
}

/* There, with nothing known but its name. */
static void guess_field(const char *name, ls_field *field) {
  static const ls_type unknown = {.kind = LS_NONE};
  *field = (ls_field){.name = name, .type = &unknown, .nullable = true};
}

/* Output field that carries an input column, the one of the same name first. */
static int32_t carrier(const ls_schema *in, ls_expr *const *exprs, const ls_schema *out, uint32_t column) {
  int32_t found = -1;
  for (uint32_t i = 0; i < out->n_fields; i++) {
    if (exprs[i] == NULL || ls__expr_is_column(exprs[i]) != (int32_t)column) continue;
    if (strcmp(out->fields[i].name, in->fields[column].name) == 0) return (int32_t)i;
    if (found < 0) found = (int32_t)i;
  }
  return found;
}

/* The key goes on while all of its columns do. */
static void carry_key(ls_build *b, const ls_schema *in, ls_expr *const *exprs, ls_schema *out) {
  uint32_t *key = LS_ARENA_ARRAY(b->arena, uint32_t, in->n_key + 1);
  bool whole = true;
  for (uint32_t i = 0; i < in->n_key; i++) {
    int32_t field = carrier(in, exprs, out, in->key[i]);
    whole = whole && field >= 0;
    key[i] = field >= 0 ? (uint32_t)field : 0;
  }
  ls__schema_set_key(out, b->arena, key, whole ? in->n_key : 0);
  if (in->time_field >= 0) out->time_field = carrier(in, exprs, out, (uint32_t)in->time_field);
}

static bool finish_select(ls_build *b, ls_entry *entry, ls_rel in, ls_schema *schema, ls_expr **exprs) {
  carry_key(b, in.schema, exprs, schema);
  bool partitioned = in.partitioned && schema->n_key > 0;
  ls_plan_node *node = add_row_node(b, entry, LS_VERB_SELECT, in, schema, partitioned);
  node->u.select.exprs = exprs;
  node->u.select.n = schema->n_fields;
  return true;
}

/* Compiles the map's expressions into exprs[from...) and the fields beside them. */
static bool compile_columns(ls_build *b, const ls_yaml *map, const ls_rel *in, uint32_t from, ls_schema *schema,
                            ls_expr **exprs) {
  bool ok = true;
  uint32_t at = from;
  for (const ls_yaml *value = map->first; value != NULL; value = value->next, at++) {
    exprs[at] = value->bad ? NULL : ls__build_expr(b, value, in);
    if (exprs[at] != NULL && set_field(b, value, in->schema, exprs[at], &schema->fields[at])) continue;
    guess_field(value->key->text, &schema->fields[at]);
    ok = false;
  }
  return ok;
}

bool ls__build_select(ls_build *b, ls_entry *entry, ls_rel in) {
  uint32_t n = entry->verb->n_children;
  ls_schema *schema = ls__schema_new(b->arena, entry->name, n);
  ls_expr **exprs = LS_ARENA_ARRAY(b->arena, ls_expr *, n);
  bool ok = compile_columns(b, entry->verb, &in, 0, schema, exprs);
  if (ok && !in.broken) return finish_select(b, entry, in, schema, exprs);
  carry_key(b, in.schema, exprs, schema);
  return guess_rows(entry, in, schema, ok && in.known == LS_KNOWN ? LS_KNOWN : LS_KNOWN_NAMES);
}

/* merchants.end -> "merchants"."end", so that words of SQL stay names. */
static const char *quote_parts(ls_build *b, const char *name) {
  ls_buf text = LS_BUF_INIT;
  ls__buf_putc(&text, '"');
  for (const char *c = name; *c != 0; c++) {
    if (*c == '.') {
      ls__buf_puts(&text, "\".\"");
    } else {
      ls__buf_putc(&text, *c);
    }
  }
  ls__buf_putc(&text, '"');
  char *out = ls__arena_strndup(b->arena, text.ptr, text.len);
  ls__buf_fini(&text);
  return out;
}

/* A column of the input as an expression. */
static ls_expr *column_expr(ls_build *b, const ls_schema *in, uint32_t field) {
  const char *name = in->fields[field].name;
  ls_expr *expr = ls__build_expr_text(b, name, in);
  if (expr != NULL && ls__expr_is_column(expr) == (int32_t)field) return expr;
  expr = ls__build_expr_text(b, quote_parts(b, name), in);
  return expr != NULL && ls__expr_is_column(expr) == (int32_t)field ? expr : NULL;
}

static bool check_new_names(ls_build *b, const ls_yaml *map, const ls_schema *in) {
  bool ok = true;
  for (const ls_yaml *value = map->first; value != NULL; value = value->next) {
    if (ls__schema_find(in, ls__slice_of(value->key->text)) < 0) continue;
    ls__diag_add(b->diag, value->key->mark,
                 "column %s is there already; extend adds columns: take "
                 "another name, or select",
                 value->key->text);
    ok = false;
  }
  return ok;
}

bool ls__build_extend(ls_build *b, ls_entry *entry, ls_rel in) {
  uint32_t n_in = in.schema->n_fields, n = n_in + entry->verb->n_children;
  ls_schema *schema = ls__schema_new(b->arena, entry->name, n);
  ls_expr **exprs = LS_ARENA_ARRAY(b->arena, ls_expr *, n);
  bool ok = check_new_names(b, entry->verb, in.schema);
  for (uint32_t i = 0; i < n_in; i++) {
    schema->fields[i] = in.schema->fields[i];
    exprs[i] = column_expr(b, in.schema, i);
    if (exprs[i] != NULL || schema->fields[i].type->kind == LS_NONE) continue;
    ls__diag_add(b->diag, entry->map->key->mark,
                 "column %s can't be carried over by extend; rename "
                 "it with select",
                 in.schema->fields[i].name);
    ok = false;
  }
  ok = compile_columns(b, entry->verb, &in, n_in, schema, exprs) && ok;
  if (ok && !in.broken) return finish_select(b, entry, in, schema, exprs);
  ls__schema_set_key(schema, b->arena, in.schema->key, in.schema->n_key);
  schema->time_field = in.schema->time_field;
  return guess_rows(entry, in, schema, less_known(in.known, ok ? LS_KNOWN : LS_KNOWN_NAMES));
}

/* ---- flat_map ---- */

bool ls__build_flat_map(ls_build *b, ls_entry *entry, ls_rel in) {
  const ls_yaml *each = ls__yaml_get(entry->verb, "each"), *as = ls__yaml_get(entry->verb, "as");
  ls_expr *list = each != NULL ? ls__build_expr(b, each, &in) : NULL;
  if (list != NULL && ls__expr_type(list)->kind != LS_LIST) {
    ls__diag_add(b->diag, ls__yaml_locate(b->doc, each, 0), "each is %s; it should be a list",
                 ls__a_type(b, ls__expr_type(list)));
    list = NULL;
  }
  bool taken = as != NULL && ls__schema_find(in.schema, ls__slice_of(as->text)) >= 0;
  if (taken) ls__diag_add(b->diag, as->mark, "column %s is there already; take another name", as->text);
  if (as == NULL || taken) return guess_rows(entry, in, in.schema, LS_KNOWN_SOME);
  uint32_t n = in.schema->n_fields;
  ls_schema *schema = ls__schema_new(b->arena, entry->name, n + 1);
  memcpy(schema->fields, in.schema->fields, n * sizeof *schema->fields);
  ls__schema_set_key(schema, b->arena, in.schema->key, in.schema->n_key);
  schema->time_field = in.schema->time_field;
  if (list == NULL) {
    guess_field(as->text, &schema->fields[n]);
    return guess_rows(entry, in, schema, less_known(in.known, LS_KNOWN_NAMES));
  }
  schema->fields[n] = (ls_field){
      .name = as->text, .type = ls__expr_type(list)->element, .nullable = true, .sensitive = ls__expr_sensitive(list)};
  if (in.broken) return guess_rows(entry, in, schema, in.known);
  ls_plan_node *node = add_row_node(b, entry, LS_VERB_FLAT_MAP, in, schema, in.partitioned);
  node->u.flat_map.list = list;
  node->u.flat_map.n_keep = n;
  return true;
}

/* ---- branch ---- */

static bool is_otherwise(const ls_yaml *value) {
  return strcmp(value->text, "otherwise") == 0;
}

static bool compile_branches(ls_build *b, const ls_entry *entry, const ls_rel *in, ls_expr **predicates) {
  bool ok = true;
  uint32_t i = 0;
  for (const ls_yaml *value = entry->verb->first; value != NULL; value = value->next, i++) {
    if (value->bad) {
      ok = false;
    } else if (is_otherwise(value)) {
      if (value->next == NULL) continue;
      ls__diag_add(b->diag, value->mark, "otherwise takes all rows that are left; put %s last", value->key->text);
      ok = false;
    } else {
      predicates[i] = ls__build_predicate(b, value, in);
      ok = ok && predicates[i] != NULL;
    }
  }
  return ok;
}

bool ls__build_branch(ls_build *b, ls_entry *entry, ls_rel in) {
  uint32_t n = entry->verb->n_children, i = 0;
  ls_expr **predicates = LS_ARENA_ARRAY(b->arena, ls_expr *, n);
  bool ok = compile_branches(b, entry, &in, predicates) && !in.broken;
  ls_schema *schema = ls__schema_copy(b->arena, in.schema, entry->name);
  const char **names = LS_ARENA_ARRAY(b->arena, const char *, n);
  const ls_schema **schemas = LS_ARENA_ARRAY(b->arena, const ls_schema *, n);
  ls_plan_node *node = ok ? ls__build_node(b, entry->name, LS_VERB_BRANCH, &in, 1) : NULL;
  entry->branches = LS_ARENA_ARRAY(b->arena, ls_entry_output, n);
  entry->n_outputs = n;
  for (const ls_yaml *value = entry->verb->first; value != NULL; value = value->next, i++) {
    names[i] = value->key->text;
    schemas[i] = schema;
    ls_rel rel = {.schema = schema,
                  .at = {ok ? node->id : LS_NO_NODE, i},
                  .table = LS_NO_NODE,
                  .global = LS_NO_GLOBAL,
                  .partitioned = in.partitioned,
                  .has_time = in.has_time,
                  .broken = !ok,
                  .known = in.known};
    entry->branches[i] = (ls_entry_output){names[i], rel};
  }
  if (!ok) return false;
  ls__build_outputs(b, node, names, schemas, n);
  node->u.branch.predicates = predicates;
  node->u.branch.n = n;
  return true;
}

/* ---- merge ---- */

static bool check_merge(ls_build *b, const ls_ref *ref, const ls_rel *first, const ls_rel *rel) {
  uint32_t different;
  if (rel->global != LS_NO_GLOBAL) {
    ls__diag_add(b->diag, ref->at->mark, "%s is a global table; streams are merged", rel->name);
    return false;
  }
  if (first->known != LS_KNOWN || rel->known != LS_KNOWN) return true;
  if (ls__build_same_columns(first->schema, rel->schema, &different)) return true;
  const ls_schema *a = first->schema, *z = rel->schema;
  if (different >= a->n_fields || different >= z->n_fields) {
    ls__diag_add(b->diag, ref->at->mark,
                 "%s has %u columns and %s has %u; merged streams have the "
                 "same columns: bring them together with select",
                 rel->name, (unsigned)z->n_fields, first->name, (unsigned)a->n_fields);
    return false;
  }
  const ls_field *x = &a->fields[different], *y = &z->fields[different];
  ls__diag_add(b->diag, ref->at->mark,
               "column %u of %s is %s %s, of %s it is %s %s; merged streams "
               "have the same columns: bring them together with select",
               (unsigned)different + 1, rel->name, y->name, ls__type_text(b, y->type), first->name, x->name,
               ls__type_text(b, x->type));
  return false;
}

static ls_schema *merge_schemas(ls_build *b, const char *name, const ls_rel *rels, uint32_t n, bool *partitioned) {
  ls_schema *schema = ls__schema_copy(b->arena, rels[0].schema, name);
  *partitioned = rels[0].partitioned;
  for (uint32_t i = 1; i < n; i++) {
    const ls_schema *other = rels[i].schema;
    for (uint32_t k = 0; k < schema->n_fields; k++) {
      schema->fields[k].nullable |= other->fields[k].nullable;
      schema->fields[k].sensitive |= other->fields[k].sensitive;
    }
    bool same = other->n_key == schema->n_key &&
                (other->n_key == 0 || memcmp(other->key, schema->key, other->n_key * sizeof *other->key) == 0);
    if (!same) ls__schema_set_key(schema, b->arena, NULL, 0);
    if (other->time_field != schema->time_field) schema->time_field = -1;
    *partitioned = *partitioned && rels[i].partitioned;
  }
  *partitioned = *partitioned && schema->n_key > 0;
  return schema;
}

static bool same_output(const ls_ref *a, const ls_ref *b) {
  const char *x = a->output != NULL ? a->output : "", *y = b->output != NULL ? b->output : "";
  return a->entry == b->entry && strcmp(x, y) == 0;
}

/* All have the same columns, so the best known says which; where they differ, there is no telling. */
static bool guess_merge(ls_build *b, ls_entry *entry, const ls_rel *rels, uint32_t n, bool same) {
  uint32_t best = 0;
  bool all_known = same;
  for (uint32_t i = 0; i < n; i++) {
    if (rels[i].known < rels[best].known) best = i;
    all_known = all_known && rels[i].known == LS_KNOWN;
  }
  ls_known known = less_known(rels[best].known, same ? LS_KNOWN_NAMES : LS_KNOWN_SOME);
  bool partitioned;
  const ls_schema *schema = all_known ? merge_schemas(b, entry->name, rels, n, &partitioned) : rels[best].schema;
  return guess_rows(entry, rels[best], schema, all_known ? LS_KNOWN : known);
}

bool ls__build_merge(ls_build *b, ls_entry *entry, ls_rel in) {
  uint32_t n = entry->n_inputs;
  ls_rel *rels = LS_ARENA_ARRAY(b->arena, ls_rel, n);
  rels[0] = in;
  bool ok = !in.broken, same = true, has_time = in.has_time, partitioned;
  for (uint32_t i = 1; i < n; i++) {
    rels[i] = ls__build_resolve(b, &entry->refs[i]);
    same = check_merge(b, &entry->refs[i], &rels[0], &rels[i]) && same;
    ok = ok && !rels[i].broken;
    has_time = has_time && rels[i].has_time;
    for (uint32_t k = 0; k < i && entry->refs[i].entry != NULL; k++) {
      if (!same_output(&entry->refs[i], &entry->refs[k])) continue;
      ls__diag_add(b->diag, entry->refs[i].at->mark, "%s is merged twice; name it once", rels[i].name);
      ok = false;
    }
  }
  if (!ok || !same) return guess_merge(b, entry, rels, n, same);
  for (uint32_t i = 1; i < n; i++) {
    for (uint32_t k = 0; k < i; k++) {
      if (!ls__build_join_components(b, entry->refs[i].at, entry->name, &rels[k], &rels[i])) {
        return guess_merge(b, entry, rels, n, true);
      }
    }
  }
  ls_schema *schema = merge_schemas(b, entry->name, rels, n, &partitioned);
  ls_plan_node *node = ls__build_node(b, entry->name, LS_VERB_MERGE, rels, n);
  const ls_schema *schemas[] = {schema};
  ls__build_outputs(b, node, (const char *const[]){""}, schemas, 1);
  ls__build_done(entry, node, (ls_rel){.table = LS_NO_NODE, .partitioned = partitioned, .has_time = has_time});
  return true;
}

/* ---- select_key ---- */

static bool check_key_types(ls_build *b, const ls_entry *entry, const ls_schema *schema, const uint32_t *key,
                            uint32_t n_key) {
  const ls_yaml *item = entry->verb->kind == LS_YAML_LIST ? entry->verb->first : entry->verb;
  for (uint32_t i = 0; i < n_key; i++, item = item->next) {
    ls_kind kind = schema->fields[key[i]].type->kind;
    if (kind != LS_LIST && kind != LS_STRUCT && kind != LS_FLOAT64) continue;
    ls__diag_add(b->diag, item->mark, "%s can't be a key: lists, structs and float64 can't",
                 schema->fields[key[i]].name);
    return false;
  }
  return true;
}

bool ls__build_select_key(ls_build *b, ls_entry *entry, ls_rel in) {
  uint32_t *key, n_key;
  ls_schema *schema = ls__schema_copy(b->arena, in.schema, entry->name);
  bool ok = ls__build_columns(b, entry->verb, &in, &key, &n_key);
  ok = ok && check_key_types(b, entry, in.schema, key, n_key);
  if (!ok || in.broken) {
    ls__schema_set_key(schema, b->arena, key, n_key);
    return guess_rows(entry, in, schema, ok ? in.known : less_known(in.known, LS_KNOWN_NAMES));
  }
  bool same = in.schema->n_key == n_key && memcmp(in.schema->key, key, n_key * sizeof *key) == 0;
  ls__schema_set_key(schema, b->arena, key, n_key);
  add_row_node(b, entry, LS_VERB_SELECT_KEY, in, schema, same && in.partitioned);
  return true;
}
