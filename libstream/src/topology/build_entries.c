/** @file build_entries.c  Names: who is declared, who reads whom, in what order steps can be built, what is unused. */
#include <stdio.h>

#include "topology/build.h"
#include "topology/options.h"

static void note_expressions(ls_build *b, const ls_yaml *node) {
  if (node->kind == LS_YAML_SCALAR) {
    bool prose = node->key != NULL && strcmp(node->key->text, "about") == 0;
    if (!prose) ls__build_note_calls(b, node->text);
    return;
  }
  for (const ls_yaml *child = node->first; child != NULL; child = child->next) {
    note_expressions(b, child);
  }
}

static void declare(ls_build *b, ls_entry_kind kind, ls_yaml *map) {
  ls_entry *entry = LS_ARENA_NEW(b->arena, ls_entry);
  entry->kind = kind;
  entry->name = map->key->text;
  entry->map = map;
  if (map->bad || map->kind != LS_YAML_MAP) {
    entry->state = LS_ENTRY_FAILED;
    b->refs_unknown = true;
  }
  if (ls__strmap_put(&b->entries, entry->name, entry)) return;
  const ls_entry *first = ls__strmap_get(&b->entries, entry->name);
  ls__diag_add(b->diag, map->key->mark,
               "%s is already declared in line %u; sources, tables and steps have different names", entry->name,
               (unsigned)first->map->key->mark.line);
}

static bool is_there(const ls_build *b, const char *key) {
  for (const ls_yaml *value = b->doc->root->first; value != NULL; value = value->next) {
    if (strcmp(value->key->text, key) == 0) return true;
  }
  return false;
}

static void declare_section(ls_build *b, ls_entry_kind kind, const char *section) {
  const ls_yaml *entries = ls__yaml_get(b->doc->root, section);
  if (entries == NULL || entries->kind != LS_YAML_MAP) {
    b->refs_unknown |= kind == LS_ENTRY_STEP && is_there(b, section);
    return;
  }
  if (kind == LS_ENTRY_STEP && entries->n_children > LS_STEPS_MAX) {
    ls__diag_add(b->diag, entries->key->mark, "%u steps; at most %d", (unsigned)entries->n_children, LS_STEPS_MAX);
    return;
  }
  for (ls_yaml *map = entries->first; map != NULL; map = map->next) declare(b, kind, map);
}

/* ---- references ---- */

static void report_unknown(ls_build *b, const ls_yaml *scalar, const char *name) {
  const char **names = LS_ARENA_ARRAY(b->arena, const char *, b->entries.n + 1);
  for (size_t i = 0; i < b->entries.n; i++) names[i] = b->entries.entries[i].key;
  const char *near = ls__nearest_name(name, names, b->entries.n);
  b->refs_unknown = true;
  ls__diag_add(b->diag, scalar->mark, "there is no source, table or step %.80s%s%s", name,
               near != NULL ? "; did you mean " : "", near != NULL ? near : "");
}

ls_ref ls__build_ref(ls_build *b, const ls_yaml *scalar) {
  ls_ref ref = {.at = scalar};
  char *name = ls__arena_strdup(b->arena, scalar->text);
  char *dot = strchr(name, '.');
  if (dot != NULL) {
    *dot = 0;
    ref.output = dot + 1;
    ls__strmap_put(&b->outputs_used, scalar->text, b);
  }
  ref.entry = ls__strmap_get(&b->entries, name);
  if (ref.entry != NULL) {
    ref.entry->used = true;
  } else if (!scalar->poisoned) {
    report_unknown(b, scalar, name);
  }
  return ref;
}

static const ls_yaml *find_verb(ls_build *b, const ls_entry *entry) {
  const ls_yaml *verb = NULL;
  bool any = false;
  for (const ls_yaml *value = entry->map->first; value != NULL; value = value->next) {
    const char *key = value->key->text;
    if (strcmp(key, "about") == 0 || strcmp(key, "from") == 0) continue;
    if (any && verb != NULL) {
      ls__diag_add(b->diag, value->key->mark, "step %s has %s beside %s; one verb per step: make two steps",
                   entry->name, key, verb->key->text);
      return NULL;
    }
    any = true;
    if (!value->bad) verb = value;
  }
  if (!any) {
    ls__diag_add(b->diag, entry->map->key->mark,
                 "step %s has no verb; give one of filter, select, extend, flat_map, branch, merge, "
                 "select_key, join, left_join, outer_join, latest, deduplicate, aggregate, changes",
                 entry->name);
  }
  return verb;
}

static bool is_merge(const ls_entry *entry) {
  return entry->verb != NULL && strcmp(entry->verb->key->text, "merge") == 0;
}

static bool is_join(const ls_entry *entry) {
  return entry->verb != NULL && strstr(entry->verb->key->text, "join") != NULL;
}

static bool has_from(const ls_entry *entry) {
  for (const ls_yaml *value = entry->map->first; value != NULL; value = value->next) {
    if (strcmp(value->key->text, "from") == 0) return true;
  }
  return false;
}

static void collect_inputs(ls_build *b, ls_entry *entry) {
  const ls_yaml *from = ls__yaml_get(entry->map, "from");
  if (is_merge(entry)) {
    if (has_from(entry)) {
      ls__diag_add(b->diag, entry->map->key->mark, "step %s has from beside merge; merge names its inputs itself",
                   entry->name);
    }
    for (const ls_yaml *item = entry->verb->first; item != NULL; item = item->next) {
      entry->refs[entry->n_refs++] = ls__build_ref(b, item);
    }
  } else if (from != NULL) {
    entry->refs[entry->n_refs++] = ls__build_ref(b, from);
  } else if (!has_from(entry)) {
    ls__diag_add(b->diag, entry->map->key->mark, "step %s has no from; name what it reads", entry->name);
  }
  entry->n_inputs = entry->n_refs;
}

static void collect_refs(ls_build *b, ls_entry *entry) {
  entry->verb = find_verb(b, entry);
  uint32_t n = 2 + (is_merge(entry) ? entry->verb->n_children : 0);
  entry->refs = LS_ARENA_ARRAY(b->arena, ls_ref, n);
  collect_inputs(b, entry);
  const ls_yaml *with = entry->verb != NULL ? ls__yaml_get(entry->verb, "with") : NULL;
  if (with != NULL && with->kind == LS_YAML_SCALAR) {
    entry->refs[entry->n_refs++] = ls__build_ref(b, with);
  }
  bool no_right = is_join(entry) && entry->n_refs == entry->n_inputs;
  if (entry->verb == NULL || entry->n_inputs == 0 || no_right) {
    entry->state = LS_ENTRY_FAILED;
    b->refs_unknown = true;
  }
}

/* ---- order ---- */

static void report_cycle(ls_build *b, ls_entry *const *path, uint32_t n, const ls_entry *back, const ls_ref *ref) {
  uint32_t from = 0;
  while (from < n && path[from] != back) from++;
  char text[400] = "";
  size_t used = 0;
  for (uint32_t i = from; i < n && used < sizeof text - 80; i++) {
    used += (size_t)snprintf(text + used, sizeof text - used, "%s -> ", path[i]->name);
    path[i]->state = LS_ENTRY_FAILED;
  }
  ls__diag_add(b->diag, ref->at->mark, "steps read each other in a circle: %s%s; break it up", text, back->name);
}

/* Depth first without recursion: a chain may have as many steps as a file. */
static void order_from(ls_build *b, ls_entry *start, ls_entry **path, uint32_t *at) {
  uint32_t n = 0;
  path[n] = start;
  at[n++] = 0;
  start->state = LS_ENTRY_OPEN;
  while (n > 0) {
    ls_entry *entry = path[n - 1];
    if (at[n - 1] == entry->n_refs) {
      if (entry->state == LS_ENTRY_OPEN) entry->state = LS_ENTRY_ORDERED;
      b->order[b->n_order++] = entry;
      n--;
      continue;
    }
    const ls_ref *ref = &entry->refs[at[n - 1]++];
    if (ref->entry == NULL || ref->entry->kind != LS_ENTRY_STEP) continue;
    if (ref->entry->state == LS_ENTRY_OPEN) {
      report_cycle(b, path, n, ref->entry, ref);
    } else if (ref->entry->state == LS_ENTRY_NEW) {
      ref->entry->state = LS_ENTRY_OPEN;
      path[n] = ref->entry;
      at[n++] = 0;
    }
  }
}

static void order_steps(ls_build *b) {
  size_t n = b->entries.n + 1;
  b->order = LS_ARENA_ARRAY(b->arena, ls_entry *, n);
  ls_entry **path = LS_ARENA_ARRAY(b->arena, ls_entry *, n);
  uint32_t *at = LS_ARENA_ARRAY(b->arena, uint32_t, n);
  for (size_t i = 0; i < b->entries.n; i++) {
    ls_entry *entry = b->entries.entries[i].value;
    if (entry->kind == LS_ENTRY_STEP && entry->state == LS_ENTRY_NEW) order_from(b, entry, path, at);
  }
}

void ls__build_entries(ls_build *b) {
  declare_section(b, LS_ENTRY_SOURCE, "sources");
  declare_section(b, LS_ENTRY_TABLE, "tables");
  declare_section(b, LS_ENTRY_STEP, "steps");
  for (size_t i = 0; i < b->entries.n; i++) {
    ls_entry *entry = b->entries.entries[i].value;
    if (entry->kind != LS_ENTRY_STEP) continue;
    note_expressions(b, entry->map);
    if (entry->state == LS_ENTRY_NEW) collect_refs(b, entry);
  }
  const ls_yaml *sinks = ls__yaml_get(b->doc->root, "sinks");
  if (sinks != NULL) note_expressions(b, sinks);
  order_steps(b);
}

/* ---- what a reference means ---- */

static const char *output_names(const ls_build *b, const ls_entry_output *outputs, uint32_t n) {
  char text[300] = "";
  size_t used = 0;
  for (uint32_t i = 0; i < n && used < sizeof text - 70; i++) {
    if (outputs[i].name[0] == 0) continue;
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? ", " : "", outputs[i].name);
  }
  return ls__arena_strdup(b->arena, text);
}

static void report_output(ls_build *b, const ls_ref *ref, const ls_entry_output *outputs, uint32_t n) {
  const char *names = output_names(b, outputs, n);
  b->refs_unknown = true; /* it may be the one that seems unused */
  if (ref->output == NULL) {
    ls__diag_add(b->diag, ref->at->mark, "%s has several outputs: name one of %s, as %s.%s", ref->entry->name, names,
                 ref->entry->name, outputs[0].name);
  } else if (names[0] == 0) {
    ls__diag_add(b->diag, ref->at->mark, "%s has no output %.60s; it has only one, called %s", ref->entry->name,
                 ref->output, ref->entry->name);
  } else {
    ls__diag_add(b->diag, ref->at->mark, "%s has no output %.60s; it has %s", ref->entry->name, ref->output, names);
  }
}

ls_rel ls__build_resolve(ls_build *b, const ls_ref *ref) {
  ls_rel unknown = {.name = ref->at->text,
                    .schema = ls__schema_new(b->arena, ref->at->text, 0),
                    .at = {LS_NO_NODE, 0},
                    .table = LS_NO_NODE,
                    .global = LS_NO_GLOBAL,
                    .partitioned = true,
                    .has_time = true,
                    .broken = true,
                    .known = LS_KNOWN_NOTHING};
  if (ref->entry == NULL || ref->entry->n_outputs == 0) return unknown;
  ls_entry_output *outputs = ref->entry->branches != NULL ? ref->entry->branches : ref->entry->outputs;
  const char *wanted = ref->output != NULL ? ref->output : "";
  for (uint32_t i = 0; i < ref->entry->n_outputs; i++) {
    if (strcmp(outputs[i].name, wanted) != 0) continue;
    ls_rel rel = outputs[i].rel;
    rel.name = ref->at->text;
    return rel;
  }
  if (!ref->at->poisoned && !ref->entry->outputs_open) report_output(b, ref, outputs, ref->entry->n_outputs);
  return unknown;
}

/* ---- unused ---- */

static void check_plugin_used(ls_build *b, const ls_yaml *at, const ls_udf_manifest *manifest) {
  bool used = false;
  for (uint32_t i = 0; i < manifest->n_fns && !used; i++) {
    used = ls__strmap_get(&b->calls, manifest->fns[i]->name) != NULL;
  }
  for (uint32_t i = 0; i < manifest->n_aggs && !used; i++) {
    used = ls__strmap_get(&b->calls, manifest->aggs[i]->name) != NULL;
  }
  for (uint32_t i = 0; i < manifest->n_messages && !used; i++) {
    used = ls__strmap_get(&b->messages, manifest->messages[i]->name) != NULL;
  }
  if (used) return;
  ls__diag_add(b->diag, at->mark,
               "plugin %.80s is not used; none of its functions is called: "
               "remove it",
               at->text);
}

static void check_plugins_used(ls_build *b) {
  const ls_yaml *plugins = ls__yaml_get(b->doc->root, "plugins");
  const ls_udf_manifest *manifest;
  const char *path;
  if (plugins == NULL || b->plugins_failed) return;
  const ls_yaml *item = plugins->first;
  for (size_t i = 0; item != NULL; i++, item = item->next) {
    manifest = ls__udf_plugin_at(b->udfs, i, &path);
    if (manifest == NULL) return;
    check_plugin_used(b, item->key != NULL ? item->key : item, manifest);
  }
}

static const char *kind_text(ls_entry_kind kind) {
  return kind == LS_ENTRY_SOURCE ? "source" : kind == LS_ENTRY_TABLE ? "table" : "step";
}

static void check_branches_used(ls_build *b, const ls_entry *entry) {
  for (uint32_t i = 0; entry->branches != NULL && i < entry->n_outputs; i++) {
    const char *full = ls__arena_printf(b->arena, "%s.%s", entry->name, entry->branches[i].name);
    if (ls__strmap_get(&b->outputs_used, full) != NULL) continue;
    const ls_yaml *branch = ls__yaml_get(entry->verb, entry->branches[i].name);
    ls__diag_add(b->diag, branch->key->mark, "branch %s.%s is not used; read it or leave it out", entry->name,
                 branch->key->text);
  }
}

void ls__build_check_used(ls_build *b) {
  for (size_t i = 0; i < b->entries.n && !b->refs_unknown; i++) {
    const ls_entry *entry = b->entries.entries[i].value;
    bool exists = ls__strmap_get(&b->exists, entry->name) != NULL;
    if (entry->used || (exists && entry->kind == LS_ENTRY_TABLE)) {
      check_branches_used(b, entry);
      continue;
    }
    ls__diag_add(b->diag, entry->map->key->mark,
                 "%s %s is not used; read it in a step or sink, or "
                 "remove it",
                 kind_text(entry->kind), entry->name);
  }
  check_plugins_used(b);
  if (b->schemas_unknown) return;
  const ls_yaml *schemas = ls__yaml_get(b->doc->root, "schemas");
  for (const ls_yaml *map = schemas != NULL ? schemas->first : NULL; map != NULL; map = map->next) {
    if (ls__strmap_get(&b->schemas_used, map->key->text) != NULL) continue;
    ls__diag_add(b->diag, map->key->mark, "schema %s is not used; remove it", map->key->text);
  }
}
