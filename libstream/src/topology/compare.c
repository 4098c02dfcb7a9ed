/** @file compare.c  What of the state of a running topology another one takes over: by names, keys and fingerprints. */
#include "base/alloc.h"
#include "base/buf.h"
#include "topology/build.h"
#include "topology/load.h"

typedef enum outcome { SURVIVES, NEW, ORPHANED, INCOMPATIBLE } outcome;
static const char *const outcome_names[] = {"survives", "new", "orphaned", "incompatible"};

typedef struct kept_item {
  const char *kind; /* group, store, topic */
  const char *name;
  const char *topic; /* NULL: none */
  outcome outcome;
  const char *reason; /* NULL: none needed */
} kept_item;

typedef struct comparison {
  const ls_plan *now, *before;
  ls_arena arena;
  kept_item *items;
  size_t n, capacity;
  size_t n_lost;
} comparison;

/** A store of a plan, with what it is keyed by. */
typedef struct kept_store {
  const ls_plan_store *store;
  const ls_plan_node *node;
} kept_store;

static void add(comparison *c, kept_item item) {
  ls__grow(&c->items, &c->capacity, c->n + 1, sizeof *c->items);
  c->items[c->n++] = item;
  c->n_lost += item.outcome == ORPHANED || item.outcome == INCOMPATIBLE;
}

static kept_store store_at(const ls_plan *plan, uint32_t i) {
  const ls_plan_node *node = &plan->nodes[i / 2];
  return (kept_store){i % 2 == 0 ? &node->store : &node->store2, node};
}

static bool find_store(const ls_plan *plan, const char *changelog, kept_store *out) {
  for (uint32_t i = 0; i < 2 * plan->n_nodes; i++) {
    *out = store_at(plan, i);
    if (out->store->name != NULL && strcmp(out->store->changelog, changelog) == 0) return true;
  }
  return false;
}

static const ls_plan_source *find_repartition(const ls_plan *plan, const char *topic) {
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    const char *own = plan->sources[i].repartition_topic;
    if (own != NULL && strcmp(own, topic) == 0) return &plan->sources[i];
  }
  return NULL;
}

/* ---- why ---- */

static const char *names_of(comparison *c, const ls_schema *schema, const uint32_t *fields, uint32_t n) {
  const char *text = "";
  for (uint32_t i = 0; i < n; i++) {
    text = ls__arena_printf(&c->arena, "%s%s%s", text, i == 0 ? "" : ", ", schema->fields[fields[i]].name);
  }
  return text;
}

static const char *key_of(comparison *c, const ls_plan *plan, const ls_plan_node *node) {
  const ls_schema *in = plan->nodes[node->inputs[0].node].outputs[node->inputs[0].output].schema;
  if (node->verb == LS_VERB_AGGREGATE) return names_of(c, in, node->u.aggregate.by, node->u.aggregate.n_by);
  if (node->verb == LS_VERB_DEDUPLICATE) return names_of(c, in, node->u.deduplicate.on, node->u.deduplicate.n_on);
  return names_of(c, in, in->key, in->n_key);
}

static const char *key_reason(comparison *c, const char *before, const char *now, const char *otherwise) {
  if (strcmp(before, now) == 0) return otherwise;
  return ls__arena_printf(&c->arena, "its key was (%s) and is (%s)", before, now);
}

static const char *store_reason(comparison *c, const kept_store *before, const kept_store *now) {
  if (before->node->verb != now->node->verb) {
    return ls__arena_printf(&c->arena, "it was of a step with %s and is of one with %s",
                            ls__verb_name(before->node->verb), ls__verb_name(now->node->verb));
  }
  return key_reason(c, key_of(c, c->before, before->node), key_of(c, c->now, now->node),
                    "what it holds for a key has other columns or is computed otherwise");
}

/* ---- what ---- */

static void compare_groups(comparison *c) {
  const char *now = c->now->kafka.application_id, *before = c->before->kafka.application_id;
  if (strcmp(now, before) == 0) {
    add(c, (kept_item){"group", now, NULL, SURVIVES, NULL});
    return;
  }
  add(c, (kept_item){"group", now, NULL, NEW, "it begins where each source's from says"});
  add(c, (kept_item){"group", before, NULL, ORPHANED, "the application id is another one: so are all internal topics"});
}

static void compare_stores(comparison *c) {
  kept_store other;
  for (uint32_t i = 0; i < 2 * c->now->n_nodes; i++) {
    kept_store own = store_at(c->now, i);
    if (own.store->name == NULL) continue;
    kept_item item = {"store", own.store->name, own.store->changelog, NEW, NULL};
    if (find_store(c->before, own.store->changelog, &other)) {
      bool same = other.store->fingerprint == own.store->fingerprint;
      item.outcome = same ? SURVIVES : INCOMPATIBLE;
      item.reason = same ? NULL : store_reason(c, &other, &own);
    }
    add(c, item);
  }
  for (uint32_t i = 0; i < 2 * c->before->n_nodes; i++) {
    kept_store own = store_at(c->before, i);
    if (own.store->name == NULL || find_store(c->now, own.store->changelog, &other)) continue;
    add(c, (kept_item){"store", own.store->name, own.store->changelog, ORPHANED, "no step has a store of this name"});
  }
}

static bool same_rows(const ls_schema *a, const ls_schema *b) {
  return ls__build_fingerprint("", a, a->key, a->n_key, a, "") == ls__build_fingerprint("", b, b->key, b->n_key, b, "");
}

static void compare_repartitions(comparison *c) {
  for (uint32_t i = 0; i < c->now->n_sources; i++) {
    const ls_plan_source *own = &c->now->sources[i];
    if (own->repartition_topic == NULL) continue;
    const ls_plan_source *other = find_repartition(c->before, own->repartition_topic);
    kept_item item = {"topic", own->name, own->repartition_topic, NEW, NULL};
    if (other != NULL && same_rows(own->schema, other->schema)) {
      item.outcome = SURVIVES;
    } else if (other != NULL) {
      item.outcome = INCOMPATIBLE;
      item.reason =
          key_reason(c, names_of(c, other->schema, other->schema->key, other->schema->n_key),
                     names_of(c, own->schema, own->schema->key, own->schema->n_key), "its rows have other columns");
    }
    add(c, item);
  }
  for (uint32_t i = 0; i < c->before->n_sources; i++) {
    const ls_plan_source *own = &c->before->sources[i];
    if (own->repartition_topic == NULL || find_repartition(c->now, own->repartition_topic) != NULL) continue;
    add(c, (kept_item){"topic", own->name, own->repartition_topic, ORPHANED, "no step sends rows through it"});
  }
}

static const ls_plan_sink *find_lake_sink(const ls_plan *plan, const char *topic) {
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    const char *own = plan->sinks[i].lake_topic;
    if (own != NULL && strcmp(own, topic) == 0) return &plan->sinks[i];
  }
  return NULL;
}

/** Rows that wait for their file. */
static void compare_lake_sinks(comparison *c) {
  for (uint32_t i = 0; i < c->now->n_sinks; i++) {
    const ls_plan_sink *own = &c->now->sinks[i];
    if (own->lake_topic == NULL) continue;
    const ls_plan_sink *other = find_lake_sink(c->before, own->lake_topic);
    kept_item item = {"topic", own->name, own->lake_topic, NEW, NULL};
    if (other != NULL) {
      bool same = same_rows(own->schema, other->schema) && own->keep_last == other->keep_last;
      item.outcome = same ? SURVIVES : INCOMPATIBLE;
      item.reason = same ? NULL : "its rows have another form: an orderly stop leaves none";
    }
    add(c, item);
  }
  for (uint32_t i = 0; i < c->before->n_sinks; i++) {
    const ls_plan_sink *own = &c->before->sinks[i];
    if (own->lake_topic == NULL || find_lake_sink(c->now, own->lake_topic) != NULL) continue;
    add(c, (kept_item){"topic", own->name, own->lake_topic, ORPHANED,
                       "no sink rolls files by it: an orderly stop leaves no rows in it"});
  }
}

/* ---- as text ---- */

static void put_text(ls_buf *out, const comparison *c) {
  int width = 1;
  for (size_t i = 0; i < c->n; i++) {
    int len = (int)strlen(c->items[i].name);
    if (len > width) width = len;
  }
  for (size_t i = 0; i < c->n; i++) {
    const kept_item *item = &c->items[i];
    ls__buf_printf(out, "%-5s  %-*s  %s%s%s\n", item->kind, width, item->name, outcome_names[item->outcome],
                   item->reason != NULL ? ": " : "", item->reason != NULL ? item->reason : "");
  }
  if (c->n_lost == 0) {
    ls__buf_puts(out, "nothing is lost\n");
  } else {
    ls__buf_printf(out, "%zu of %zu lost\n", c->n_lost, c->n);
  }
}

static void put_string(ls_buf *out, const char *name, const char *text) {
  ls__buf_printf(out, "\"%s\":", name);
  if (text == NULL)
    ls__buf_puts(out, "null");
  else
    ls__buf_json_string(out, ls__slice_of(text));
}

static void put_json(ls_buf *out, const comparison *c) {
  ls__buf_putc(out, '{');
  put_string(out, "topology", c->now->file);
  ls__buf_putc(out, ',');
  put_string(out, "against", c->before->file);
  ls__buf_printf(out, ",\"lost\":%zu,\"items\":[", c->n_lost);
  for (size_t i = 0; i < c->n; i++) {
    const kept_item *item = &c->items[i];
    ls__buf_puts(out, i == 0 ? "{" : ",{");
    put_string(out, "kind", item->kind);
    ls__buf_putc(out, ',');
    put_string(out, "name", item->name);
    ls__buf_putc(out, ',');
    put_string(out, "topic", item->topic);
    ls__buf_putc(out, ',');
    put_string(out, "state", outcome_names[item->outcome]);
    ls__buf_putc(out, ',');
    put_string(out, "reason", item->reason);
    ls__buf_putc(out, '}');
  }
  ls__buf_puts(out, "]}\n");
}

int ls_topology_compare(char **out, size_t *n_lost, const ls_topology *now, const ls_topology *before,
                        ls_compare_format format, ls_error *err) {
  (void)err;
  comparison c = {.now = &now->plan, .before = &before->plan};
  ls_buf text = LS_BUF_INIT;
  ls__arena_init(&c.arena, 0);
  compare_groups(&c);
  compare_stores(&c);
  compare_repartitions(&c);
  compare_lake_sinks(&c);
  if (format == LS_COMPARE_JSON)
    put_json(&text, &c);
  else
    put_text(&text, &c);
  *out = text.ptr;
  *n_lost = c.n_lost;
  ls__free(c.items);
  ls__arena_fini(&c.arena);
  return LS_OK;
}
