/** @file build_common.c  What the verbs share: nodes, outputs, partitions, sub-topologies, stores. */
#include "base/assert.h"
#include "base/buf.h"
#include "topology/build.h"

ls_plan_node *ls__build_node(ls_build *b, const char *name, ls_verb verb, const ls_rel *inputs, uint32_t n_inputs) {
  ls_assert(b->plan->n_nodes < b->nodes_capacity);
  uint32_t id = b->plan->n_nodes++;
  ls_plan_node *node = &b->nodes[id];
  *node = (ls_plan_node){.id = id, .name = name, .verb = verb, .n_inputs = n_inputs};
  node->reads_table[0] = node->reads_table[1] = LS_NO_NODE;
  ls_plan_input *copies = LS_ARENA_ARRAY(b->arena, ls_plan_input, n_inputs + 1);
  b->component[id] = id;
  for (uint32_t i = 0; i < n_inputs; i++) {
    copies[i] = inputs[i].at;
    ls__build_union(b, id, inputs[i].at.node);
  }
  node->inputs = copies;
  return node;
}

void ls__build_outputs(ls_build *b, ls_plan_node *node, const char *const *names, const ls_schema *const *schemas,
                       uint32_t n) {
  ls_plan_output *outputs = LS_ARENA_ARRAY(b->arena, ls_plan_output, n);
  for (uint32_t i = 0; i < n; i++) outputs[i] = (ls_plan_output){names[i], schemas[i], NULL};
  node->outputs = outputs;
  node->n_outputs = n;
}

void ls__build_add_output(ls_entry *entry, uint32_t index, const char *name, ls_rel rel) {
  rel.at = (ls_plan_input){entry->outputs[0].rel.at.node, index};
  rel.table = LS_NO_NODE;
  rel.global = LS_NO_GLOBAL;
  entry->outputs[entry->n_outputs++] = (ls_entry_output){name, rel};
}

void ls__build_done(ls_entry *entry, const ls_plan_node *node, ls_rel rel) {
  rel.name = entry->name;
  rel.at = (ls_plan_input){node->id, 0};
  rel.global = LS_NO_GLOBAL;
  rel.schema = node->outputs[0].schema;
  entry->outputs[0] = (ls_entry_output){"", rel};
  entry->n_outputs = 1;
}

bool ls__build_guess(ls_entry *entry, ls_rel like, const ls_schema *schema, ls_known known) {
  like.name = entry->name;
  like.at = (ls_plan_input){LS_NO_NODE, 0};
  like.schema = schema;
  like.known = known < LS_KNOWN_SOME ? known : LS_KNOWN_SOME;
  like.broken = true;
  entry->outputs[0] = (ls_entry_output){"", like};
  entry->n_outputs = 1;
  return false;
}

/* ---- sub-topologies ---- */

uint32_t ls__build_component(const ls_build *b, uint32_t node) {
  while (b->component[node] != node) {
    b->component[node] = b->component[b->component[node]];
    node = b->component[node];
  }
  return node;
}

void ls__build_union(ls_build *b, uint32_t node_a, uint32_t node_b) {
  uint32_t a = ls__build_component(b, node_a), z = ls__build_component(b, node_b);
  if (a < z) {
    b->component[z] = a;
  } else {
    b->component[a] = z;
  }
}

/* Whether rows go from one sub-topology to another, directly or through others. */
static bool reaches(const ls_build *b, uint32_t from, uint32_t to) {
  uint64_t *seen = LS_ARENA_ARRAY(b->arena, uint64_t, b->plan->n_nodes / 64 + 1);
  seen[from / 64] |= UINT64_C(1) << (from % 64);
  for (bool grown = true; grown;) {
    grown = false;
    for (uint32_t i = b->n_file_sources; i < b->plan->n_sources; i++) {
      uint32_t target = ls__build_component(b, b->sources[i].node);
      /* the REPARTITION node is made right before the SOURCE that reads it */
      uint32_t origin = ls__build_component(b, b->sources[i].node - 1);
      bool from_seen = (seen[origin / 64] >> (origin % 64)) & 1;
      if (!from_seen || ((seen[target / 64] >> (target % 64)) & 1)) continue;
      seen[target / 64] |= UINT64_C(1) << (target % 64);
      grown = true;
    }
  }
  return (seen[to / 64] >> (to % 64)) & 1;
}

/* ---- partitions ---- */

static bool same_key(const ls_schema *schema, const uint32_t *key, uint32_t n_key) {
  return schema->n_key == n_key && (n_key == 0 || memcmp(schema->key, key, n_key * sizeof *key) == 0);
}

static const char *unique_name(ls_build *b, const char *step) {
  const char *name = ls__arena_printf(b->arena, "%s-repartition", step);
  for (int i = 2; !ls__strmap_put(&b->node_names, name, b); i++) {
    name = ls__arena_printf(b->arena, "%s-repartition-%d", step, i);
  }
  return name;
}

static ls_rel source_rel(const ls_build *b, uint32_t source, ls_rel rel) {
  rel.at = (ls_plan_input){b->sources[source].node, 0};
  rel.schema = b->sources[source].schema;
  rel.table = LS_NO_NODE;
  rel.global = LS_NO_GLOBAL;
  rel.partitioned = true;
  return rel;
}

static ls_rel add_repartition(ls_build *b, const char *step, ls_rel rel, const uint32_t *key, uint32_t n_key) {
  if (b->plan->n_sources >= LS_SOURCES_MAX) {
    b->too_many_sources = true; /* an error of the file as a whole: go on with the rest */
    rel.partitioned = true;
    return rel;
  }
  const char *name = unique_name(b, step);
  uint32_t index = b->plan->n_sources++;
  ls_schema *schema = ls__schema_copy(b->arena, rel.schema, name);
  ls__schema_set_key(schema, b->arena, key, n_key);
  ls_plan_node *end = ls__build_node(b, name, LS_VERB_REPARTITION, &rel, 1);
  end->u.repartition.repartition_source = index;
  ls_plan_node *begin = ls__build_node(b, name, LS_VERB_SOURCE, NULL, 0);
  begin->u.source.source = index;
  const ls_schema *schemas[] = {schema};
  ls__build_outputs(b, begin, (const char *const[]){""}, schemas, 1);
  b->sources[index] = (ls_plan_source){.name = name,
                                       .schema = schema,
                                       .node = begin->id,
                                       .repartition = true,
                                       .repartition_topic = ls__build_internal_topic(b, name, ""),
                                       .idle_after_us = LS_IDLE_AFTER_DEFAULT_US};
  return source_rel(b, index, rel);
}

ls_rel ls__build_partition(ls_build *b, const char *step, ls_rel rel, const uint32_t *key, uint32_t n_key) {
  if (rel.partitioned && same_key(rel.schema, key, n_key)) return rel;
  for (uint32_t i = b->n_file_sources; i < b->plan->n_sources; i++) {
    const ls_plan_input *from = &b->nodes[b->sources[i].node - 1].inputs[0];
    if (from->node == rel.at.node && from->output == rel.at.output && same_key(b->sources[i].schema, key, n_key)) {
      return source_rel(b, i, rel);
    }
  }
  return add_repartition(b, step, rel, key, n_key);
}

bool ls__build_check_key(ls_build *b, const ls_yaml *at, const char *verb, const ls_rel *rel) {
  if (rel->schema->n_key > 0 || rel->known != LS_KNOWN) return true;
  ls__diag_add(b->diag, at->mark,
               "%s works by key, but the rows of %s have none; put a step with "
               "select_key before it",
               verb, rel->name);
  return false;
}

bool ls__build_keyed(ls_build *b, const ls_yaml *at, const char *verb, ls_rel *rel) {
  if (!ls__build_check_key(b, at, verb, rel)) return false;
  /* named after the step whose rows they are: all that need them so share them */
  const char *step = b->nodes[rel->at.node].name;
  *rel = ls__build_partition(b, step, *rel, rel->schema->key, rel->schema->n_key);
  return true;
}

static bool send_on(ls_build *b, const ls_yaml *at, const char *step, ls_rel *rel, const ls_rel *later) {
  if (rel->table != LS_NO_NODE || rel->schema->n_key == 0) {
    ls__diag_add(b->diag, at->mark,
                 "%s is computed from the rows of %s after these were sent to "
                 "other partitions, so the two are never in one place; send the rows of %s on as well: "
                 "select_key with another column, select_key back, then latest",
                 later->name, rel->name, rel->name);
    return false;
  }
  *rel = add_repartition(b, step, *rel, rel->schema->key, rel->schema->n_key);
  return true;
}

bool ls__build_join_components(ls_build *b, const ls_yaml *at, const char *step, ls_rel *left, ls_rel *right) {
  uint32_t l = ls__build_component(b, left->at.node), r = ls__build_component(b, right->at.node);
  if (l == r) return true;
  if (reaches(b, l, r)) return send_on(b, at, step, left, right);
  if (reaches(b, r, l)) return send_on(b, at, step, right, left);
  return true;
}

/* ---- topics and stores ---- */

static bool topic_ok(const char *text) {
  size_t len = strlen(text);
  if (len == 0 || len > 249 || strcmp(text, ".") == 0 || strcmp(text, "..") == 0) return false;
  for (const char *c = text; *c != 0; c++) {
    bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
    if (!plain && strchr("._-", *c) == NULL) return false;
  }
  return true;
}

bool ls__build_topic(ls_build *b, const ls_yaml *topic) {
  if (topic->poisoned || topic_ok(topic->text)) return true;
  ls__diag_add(b->diag, topic->mark,
               "kafka: '%.80s' is not a topic; letters, digits, . _ -, at "
               "most 249",
               topic->text);
  return false;
}

bool ls__build_store(ls_build *b, const ls_yaml *map, const char *suffix, uint64_t fingerprint, ls_plan_store *out) {
  const ls_yaml *store = ls__yaml_get(map, "store");
  if (store == NULL) return false;
  const ls_yaml *first = ls__strmap_get(&b->stores, store->text);
  if (first != NULL && first != store && !store->poisoned) {
    ls__diag_add(b->diag, store->mark, "store %s is already taken in line %u; each step has its own", store->text,
                 (unsigned)first->mark.line);
    return false;
  }
  ls__strmap_put(&b->stores, store->text, (void *)(uintptr_t)store);
  *out = (ls_plan_store){.name = suffix[0] == 0 ? store->text : ls__arena_printf(b->arena, "%s%s", store->text, suffix),
                         .backend = b->plan->state_backend,
                         .fingerprint = fingerprint};
  out->changelog = ls__build_internal_topic(b, out->name, "-changelog");
  return true;
}

uint64_t ls__build_fingerprint(const char *verb, const ls_schema *schema, const uint32_t *key, uint32_t n_key,
                               const ls_schema *value, const char *extra) {
  ls_buf text = LS_BUF_INIT;
  ls__buf_printf(&text, "%s key(", verb);
  for (uint32_t i = 0; i < n_key; i++) {
    ls__buf_printf(&text, "%s ", schema->fields[key[i]].name);
    ls__type_format(&text, schema->fields[key[i]].type);
    ls__buf_putc(&text, ',');
  }
  ls__buf_puts(&text, ") value(");
  for (uint32_t i = 0; value != NULL && i < value->n_fields; i++) {
    ls__buf_printf(&text, "%s ", value->fields[i].name);
    ls__type_format(&text, value->fields[i].type);
    ls__buf_putc(&text, ',');
  }
  ls__buf_printf(&text, ") %s", extra);
  uint64_t hash = ls__hash64(ls__buf_slice(&text));
  ls__buf_fini(&text);
  return hash;
}

bool ls__build_same_columns(const ls_schema *a, const ls_schema *b, uint32_t *different) {
  uint32_t n = a->n_fields < b->n_fields ? a->n_fields : b->n_fields;
  for (*different = 0; *different < n; (*different)++) {
    const ls_field *x = &a->fields[*different], *y = &b->fields[*different];
    if (strcmp(x->name, y->name) != 0 || !ls__type_eq(x->type, y->type)) return false;
  }
  return a->n_fields == b->n_fields;
}
