/** @file build_keyed.c  latest, deduplicate, changes: verbs that keep a row or a mark of each key. */
#include "base/buf.h"
#include "data/datetime.h"
#include "topology/build.h"

static void one_output(ls_build *b, ls_plan_node *node, const ls_schema *schema) {
  const ls_schema *schemas[] = {schema};
  ls__build_outputs(b, node, (const char *const[]){""}, schemas, 1);
}

/* ---- latest ---- */

ls_plan_node *ls__build_latest_node(ls_build *b, const char *name, ls_rel in, int32_t order_by, ls_emit emit,
                                    ls_plan_store store) {
  ls_plan_node *node = ls__build_node(b, name, LS_VERB_LATEST, &in, 1);
  const char *names[] = {"", "late"};
  const ls_schema *schemas[] = {ls__schema_copy(b->arena, in.schema, name), in.schema};
  ls__build_outputs(b, node, names, schemas, order_by >= 0 ? 2 : 1);
  node->store = store;
  node->u.latest.order_by = order_by;
  node->u.latest.emit = emit;
  return node;
}

static bool order_column(ls_build *b, const ls_yaml *verb, const ls_rel *in, int32_t *out) {
  const ls_yaml *by = ls__yaml_get(verb, "by");
  *out = -1;
  if (by == NULL) {
    for (const ls_yaml *value = verb->first; value != NULL; value = value->next) {
      if (strcmp(value->key->text, "by") == 0) return false; /* there, but bad */
    }
    return true;
  }
  if (by->kind == LS_YAML_LIST && by->n_children > 1) {
    ls__diag_add(b->diag, by->mark, "latest goes by one column; name one");
    return false;
  }
  const ls_yaml *name = by->kind == LS_YAML_LIST ? by->first : by;
  int32_t field = ls__build_column(b, name, in);
  if (field < 0) return false;
  const ls_field *column = &in->schema->fields[field];
  ls_kind kind = column->type->kind;
  if (kind == LS_NONE) return true;
  if (kind != LS_INT64 && kind != LS_TIMESTAMP && kind != LS_DATE) {
    ls__diag_add(b->diag, name->mark, "%s is %s; latest goes by an int64, a timestamp or a date", column->name,
                 ls__a_type(b, column->type));
    return false;
  }
  if (column->nullable) {
    ls__diag_add(b->diag, name->mark,
                 "%s may be null; latest needs an order for every row: fill it "
                 "with COALESCE in a step before",
                 column->name);
    return false;
  }
  *out = field;
  return true;
}

bool ls__build_latest(ls_build *b, ls_entry *entry, ls_rel in) {
  int32_t order_by;
  ls_plan_store store;
  bool ok = order_column(b, entry->verb, &in, &order_by);
  const ls_schema *s = in.schema;
  uint64_t fp = ls__build_fingerprint("latest", s, s->key, s->n_key, s, order_by >= 0 ? s->fields[order_by].name : "");
  ok = ls__build_store(b, entry->verb, "", fp, &store) && ok;
  ok = ls__build_check_key(b, entry->refs[0].at, "latest", &in) && ok;
  if (!ok || in.broken) {
    in.table = 0;
    (void)ls__build_guess(entry, in, s, in.known);
    if (ls__yaml_get(entry->verb, "by") != NULL) ls__build_add_output(entry, 1, "late", in);
    return false;
  }
  if (!ls__build_keyed(b, entry->refs[0].at, "latest", &in)) return false;
  ls_emit emit = ls__emit_of(ls__yaml_text(entry->verb, "emit"), LS_EMIT_CHANGES);
  ls_plan_node *node = ls__build_latest_node(b, entry->name, in, order_by, emit, store);
  ls__build_done(entry, node, (ls_rel){.table = node->id, .partitioned = true, .has_time = in.has_time});
  if (order_by >= 0) ls__build_add_output(entry, 1, "late", in);
  return true;
}

/* ---- deduplicate ---- */

/* Rows of the same `on` are in one partition when the key's columns are among them. */
static bool key_is_among(const ls_schema *schema, const uint32_t *on, uint32_t n_on) {
  for (uint32_t i = 0; i < schema->n_key; i++) {
    bool found = false;
    for (uint32_t k = 0; k < n_on; k++) found |= on[k] == schema->key[i];
    if (!found) return false;
  }
  return schema->n_key > 0;
}

static bool check_key_columns(ls_build *b, const ls_yaml *names, const ls_schema *schema, const uint32_t *fields,
                              uint32_t n) {
  const ls_yaml *item = names->kind == LS_YAML_LIST ? names->first : names;
  for (uint32_t i = 0; i < n; i++, item = item->next) {
    ls_kind kind = schema->fields[fields[i]].type->kind;
    if (kind != LS_LIST && kind != LS_STRUCT && kind != LS_FLOAT64) continue;
    ls__diag_add(b->diag, item->mark,
                 "%s can't be compared for being the same: lists, structs and "
                 "float64 can't",
                 schema->fields[fields[i]].name);
    return false;
  }
  return true;
}

bool ls__build_deduplicate(ls_build *b, ls_entry *entry, ls_rel in) {
  const ls_yaml *names = ls__yaml_get(entry->verb, "on");
  const char *retention = ls__yaml_text(entry->verb, "retention");
  uint32_t *on = NULL, n_on = 0;
  ls_plan_store store;
  bool ok = names != NULL && ls__build_columns(b, names, &in, &on, &n_on);
  ok = ok && check_key_columns(b, names, in.schema, on, n_on);
  int64_t retention_us = INT64_MAX;
  bool forever = retention == NULL || strcmp(retention, "forever") == 0;
  if (!forever) ls__duration_parse(&retention_us, ls__slice_of(retention));
  if (!forever && !in.has_time && in.known == LS_KNOWN) {
    ls__diag_add(b->diag, ls__yaml_get(entry->verb, "retention")->mark,
                 "the rows of %s have no event "
                 "time, by which retention is counted; give their schema a time, or say forever",
                 in.name);
    ok = false;
  }
  uint64_t fp = ls__build_fingerprint("deduplicate", in.schema, on, n_on, NULL, forever ? "forever" : "window");
  ok = ls__build_store(b, entry->verb, "", fp, &store) && ok && retention != NULL;
  ls_rel rows = in;
  rows.table = LS_NO_NODE;
  if (!ok || in.broken) return ls__build_guess(entry, rows, in.schema, in.known);
  rows.table = in.table;
  bool in_place = in.partitioned && key_is_among(in.schema, on, n_on);
  if (!in_place) rows = ls__build_partition(b, entry->name, in, on, n_on);
  ls_schema *schema = ls__schema_copy(b->arena, in.schema, entry->name);
  ls_plan_node *node = ls__build_node(b, entry->name, LS_VERB_DEDUPLICATE, &rows, 1);
  one_output(b, node, schema);
  node->store = store;
  node->u.deduplicate.on = on;
  node->u.deduplicate.n_on = n_on;
  node->u.deduplicate.retention_us = retention_us;
  /* the rows keep their key; what needs it after a detour sends them to its partitions again */
  bool same = rows.schema->n_key == schema->n_key &&
              (schema->n_key == 0 || memcmp(rows.schema->key, schema->key, schema->n_key * sizeof *schema->key) == 0);
  ls__build_done(entry, node,
                 (ls_rel){.table = LS_NO_NODE,
                          .partitioned = rows.partitioned && same && schema->n_key > 0,
                          .has_time = in.has_time});
  return true;
}

/* ---- changes ---- */

static bool is_among(uint32_t field, const uint32_t *fields, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (fields[i] == field) return true;
  }
  return false;
}

static bool compared_columns(ls_build *b, const ls_yaml *verb, const ls_rel *in, uint32_t **out, uint32_t *n_out) {
  const ls_yaml *names = ls__yaml_get(verb, "ignore");
  uint32_t *ignored = NULL, n_ignored = 0, n = 0;
  const ls_schema *schema = in->schema;
  if (names != NULL && !ls__build_columns(b, names, in, &ignored, &n_ignored)) return false;
  uint32_t *compared = LS_ARENA_ARRAY(b->arena, uint32_t, schema->n_fields + 1);
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    if (!is_among(i, ignored, n_ignored)) compared[n++] = i;
  }
  *out = compared;
  *n_out = n;
  return true;
}

/* The columns of the input, and the version behind them. */
static ls_schema *versioned(ls_build *b, const ls_entry *entry, const ls_schema *in, const ls_yaml *version) {
  if (version == NULL) return ls__schema_copy(b->arena, in, entry->name);
  if (ls__schema_find(in, ls__slice_of(version->text)) >= 0) {
    ls__diag_add(b->diag, version->mark, "column %s is there already; take another name", version->text);
    return NULL;
  }
  ls_schema *schema = ls__schema_new(b->arena, entry->name, in->n_fields + 1);
  memcpy(schema->fields, in->fields, in->n_fields * sizeof *in->fields);
  schema->fields[in->n_fields] = (ls_field){.name = version->text, .type = &ls__type_int64};
  ls__schema_set_key(schema, b->arena, in->key, in->n_key);
  schema->time_field = in->time_field;
  return schema;
}

bool ls__build_changes(ls_build *b, ls_entry *entry, ls_rel in) {
  const ls_yaml *version = ls__yaml_get(entry->verb, "version");
  uint32_t *compare = NULL, n_compare = 0;
  ls_plan_store store;
  bool ok = compared_columns(b, entry->verb, &in, &compare, &n_compare);
  ls_schema *schema = versioned(b, entry, in.schema, version);
  ls_buf columns = LS_BUF_INIT;
  for (uint32_t i = 0; i < n_compare; i++) ls__buf_printf(&columns, "%u,", (unsigned)compare[i]);
  uint64_t fp = ls__build_fingerprint("changes", in.schema, in.schema->key, in.schema->n_key, in.schema,
                                      columns.ptr != NULL ? columns.ptr : "");
  ls__buf_fini(&columns);
  ok = ls__build_store(b, entry->verb, "", fp, &store) && ok;
  ok = ls__build_check_key(b, entry->refs[0].at, "changes", &in) && ok;
  if (!ok || schema == NULL || in.broken) {
    in.table = LS_NO_NODE;
    return ls__build_guess(entry, in, schema != NULL ? schema : in.schema, in.known);
  }
  if (!ls__build_keyed(b, entry->refs[0].at, "changes", &in)) return false;
  ls_plan_node *node = ls__build_node(b, entry->name, LS_VERB_CHANGES, &in, 1);
  one_output(b, node, schema);
  node->store = store;
  node->u.changes.compare = compare;
  node->u.changes.n_compare = n_compare;
  node->u.changes.version_field = version != NULL ? (int32_t)in.schema->n_fields : -1;
  ls__build_done(entry, node, (ls_rel){.table = LS_NO_NODE, .partitioned = true, .has_time = in.has_time});
  return true;
}
