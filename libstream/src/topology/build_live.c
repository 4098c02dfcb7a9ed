/** @file build_live.c  Live running: `kafka`, the live keys of `runtime`, names of internal topics. */
#include "data/datetime.h"
#include "port/kafka_names.h"
#include "topology/build.h"
#include "topology/params.h"

/* With "-<step>-repartition-<n>" or "-<store>-right-changelog" behind it, a name of a topic has at most 249. */
#define APPLICATION_ID_MAX 150
#define INSTANCE_ID_MAX    200

static bool id_ok(const char *text, size_t most) {
  size_t len = strlen(text), n = 0;
  for (const char *c = text; *c != 0; c++) {
    bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
    n += plain || strchr("._-", *c) != NULL;
  }
  return len > 0 && len <= most && n == len && text[0] != '.' && text[0] != '-' && text[0] != '_';
}

static const char *parse_id(ls_build *b, const ls_yaml *kafka, const char *key, size_t most, const char *why) {
  const ls_yaml *id = ls__yaml_get(kafka, key);
  if (id == NULL || (strcmp(id->text, "none") == 0 && strcmp(key, "instance_id") == 0)) return NULL;
  if (!id->poisoned && !id_ok(id->text, most)) {
    ls__diag_add(b->diag, id->mark,
                 "%s: '%.80s' is not valid; letters, digits, . _ -, beginning with a letter or "
                 "digit, at most %zu%s",
                 key, id->text, most, why);
  }
  return id->text;
}

/* ---- properties ---- */

bool ls__build_is_secret(const char *name) {
  return ls__kafka_is_secret(name) || strcmp(name, "token") == 0;
}

/* NAME or NAME:-text. */
static bool parse_env(ls_build *b, const ls_yaml *value, char *inner, ls_plan_property *out) {
  char *colon = strchr(inner, ':');
  if (colon != NULL) *colon = 0;
  out->kind = LS_PROPERTY_ENV;
  out->value = inner;
  bool ok = colon == NULL || colon[1] == '-';
  if (ok && colon != NULL) out->fallback = colon + 2;
  size_t n = strspn(inner, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
  ok = ok && n > 0 && inner[n] == 0 && (inner[0] < '0' || inner[0] > '9');
  if (!ok) {
    ls__diag_add(b->diag, value->mark,
                 "%s: not an environment variable; write ${env:NAME} or "
                 "${env:NAME:-text}",
                 out->name);
  }
  if (ok && out->fallback != NULL && ls__build_is_secret(out->name)) {
    ls__diag_add(b->diag, value->mark, "%s is a secret and has no text to fall back to; write ${env:NAME}", out->name);
    ok = false;
  }
  return ok;
}

/* A path is meant from where the YAML file is. */
static bool parse_file(ls_build *b, const ls_yaml *value, const char *path, ls_plan_property *out) {
  const char *file = b->plan->file, *slash = strrchr(file, '/');
  out->kind = LS_PROPERTY_FILE;
  out->value = path;
  if (path[0] == 0) {
    ls__diag_add(b->diag, value->mark, "%s: no path; write ${file:PATH}", out->name);
    return false;
  }
  if (path[0] != '/' && slash != NULL) {
    out->value = ls__arena_printf(b->arena, "%.*s/%s", (int)(slash - file), file, path);
  }
  return true;
}

bool ls__build_later(ls_build *b, const ls_yaml *value, ls_plan_property *out) {
  const char *end = strchr(value->text, '}');
  if (end == NULL || end[1] != 0) {
    ls__diag_add(b->diag, value->mark,
                 "%s: ${env:...} and ${file:...} are the whole value or no part of it; put "
                 "all of it into the variable or file",
                 out->name);
    return false;
  }
  const char *begin = strchr(value->text, ':') + 1;
  char *inner = ls__arena_strndup(b->arena, begin, (size_t)(end - begin));
  return value->text[2] == 'e' ? parse_env(b, value, inner, out) : parse_file(b, value, inner, out);
}

static bool parse_property(ls_build *b, const ls_yaml *value, ls_plan_property *out) {
  const char *name = value->key->text, *owned = ls__kafka_owned(name);
  *out = (ls_plan_property){
      .name = name, .value = value->text, .line = value->key->mark.line, .column = value->key->mark.column};
  if (owned != NULL) {
    ls__diag_add(b->diag, value->key->mark, "%s is libstream's own: %s; leave it out", name, owned);
    return false;
  }
  if (ls__later_value(value->text)) return ls__build_later(b, value, out);
  if (!ls__build_is_secret(name)) return true;
  ls__diag_add(b->diag, value->mark,
               "%s is a secret and does not stand in a topology; write ${env:NAME} or "
               "${file:PATH}",
               name);
  return false;
}

static void set_properties(ls_build *b, const ls_yaml *properties) {
  uint32_t n = properties != NULL ? properties->n_children : 0;
  ls_plan_property *list = LS_ARENA_ARRAY(b->arena, ls_plan_property, n + 1);
  ls_plan_kafka *kafka = &b->plan->kafka;
  bool servers = false;
  for (const ls_yaml *value = n > 0 ? properties->first : NULL; value != NULL; value = value->next) {
    if (value->bad || value->kind != LS_YAML_SCALAR) continue;
    servers |=
        strcmp(value->key->text, "bootstrap.servers") == 0 || strcmp(value->key->text, "metadata.broker.list") == 0;
    if (parse_property(b, value, &list[kafka->n_properties])) kafka->n_properties++;
  }
  if (!servers) {
    list[kafka->n_properties++] = (ls_plan_property){
        .name = "bootstrap.servers", .value = "KAFKA_BROKERS", .kind = LS_PROPERTY_ENV, .fallback = "localhost:9092"};
  }
  kafka->properties = list;
}

/* ---- kafka, runtime ---- */

static int32_t number_of(const ls_yaml *map, const char *key, int32_t otherwise) {
  const char *text = ls__yaml_text(map, key);
  int32_t number = 0;
  for (const char *c = text; c != NULL && *c >= '0' && *c <= '9'; c++) number = number * 10 + (*c - '0');
  return text != NULL ? number : otherwise; /* in range: checked by the table */
}

static void set_duration(int64_t *out, const ls_yaml *map, const char *key, int64_t otherwise) {
  const char *text = ls__yaml_text(map, key);
  *out = otherwise;
  if (text != NULL) ls__duration_parse(out, ls__slice_of(text));
}

static void check_timeout(ls_build *b, const ls_yaml *runtime) {
  const ls_yaml *timeout = ls__yaml_get(runtime, "transaction_timeout");
  const ls_yaml *interval = ls__yaml_get(runtime, "commit_interval");
  if (b->plan->transaction_timeout_us > b->plan->commit_interval_us) return;
  const ls_yaml *at = timeout != NULL ? timeout : interval;
  if (at == NULL || (timeout != NULL && timeout->poisoned) || (interval != NULL && interval->poisoned)) return;
  ls__diag_add(b->diag, at->mark,
               "transaction_timeout (%s) is not above commit_interval (%s): the broker would abort "
               "transactions before their commit; give a longer timeout or a shorter interval",
               timeout != NULL ? timeout->text : "10s", interval != NULL ? interval->text : "100ms");
}

void ls__build_live_settings(ls_build *b) {
  ls_plan *plan = b->plan;
  const ls_yaml *kafka = ls__yaml_get(b->doc->root, "kafka"), *runtime = ls__yaml_get(b->doc->root, "runtime");
  const char *processing = ls__yaml_text(runtime, "processing");
  plan->exactly_once = processing == NULL || strcmp(processing, "exactly_once") == 0;
  set_duration(&plan->commit_interval_us, runtime, "commit_interval", 100 * INT64_C(1000));
  set_duration(&plan->transaction_timeout_us, runtime, "transaction_timeout", 10 * INT64_C(1000000));
  check_timeout(b, runtime);
  plan->n_threads = number_of(runtime, "threads", 0);
  plan->n_standby = number_of(runtime, "standby_replicas", 0);
  plan->kafka.replication = number_of(kafka, "replication", -1);
  plan->kafka.instance_id = parse_id(b, kafka, "instance_id", INSTANCE_ID_MAX, "");
  plan->kafka.application_id =
      parse_id(b, kafka, "application_id", APPLICATION_ID_MAX, ", since names of internal topics begin with it");
  if (plan->kafka.application_id == NULL) plan->kafka.application_id = plan->name;
  set_properties(b, ls__yaml_get(kafka, "properties"));
}

/* ---- names of topics ---- */

const char *ls__build_internal_topic(ls_build *b, const char *name, const char *suffix) {
  return ls__arena_printf(b->arena, "%s-%s%s", b->plan->kafka.application_id, name, suffix);
}

/* The broker refuses names that differ in . and _ alone: they are one in its metrics. */
static bool same_topic(const char *a, const char *z) {
  for (; *a != 0 && *z != 0; a++, z++) {
    if ((*a == '.' ? '_' : *a) != (*z == '.' ? '_' : *z)) return false;
  }
  return *a == *z;
}

static const char *internal_like(const ls_build *b, const char *topic) {
  for (uint32_t i = 0; i < b->plan->n_sources; i++) {
    const char *own = b->sources[i].repartition_topic;
    if (own != NULL && same_topic(own, topic)) return own;
  }
  for (uint32_t i = 0; i < b->plan->n_sinks; i++) {
    const char *own = b->sinks[i].lake_topic;
    if (own != NULL && same_topic(own, topic)) return own;
  }
  for (uint32_t i = 0; i < b->plan->n_nodes; i++) {
    const ls_plan_store *stores[] = {&b->nodes[i].store, &b->nodes[i].store2};
    for (int k = 0; k < 2; k++) {
      const char *own = stores[k]->name != NULL ? stores[k]->changelog : NULL;
      if (own != NULL && same_topic(own, topic)) return own;
    }
  }
  return NULL;
}

/* Topics that are read: of each only one source, and nothing writes there. Global tables have a reader of their own. */
typedef struct topic_use {
  const char *topic, *reader;
} topic_use;
typedef struct topic_uses {
  topic_use *list;
  uint32_t n;
} topic_uses;

static const char *reader_of(const topic_uses *uses, const char *topic) {
  for (uint32_t i = 0; i < uses->n; i++) {
    if (same_topic(uses->list[i].topic, topic)) return uses->list[i].reader;
  }
  return NULL;
}

static void check_internal(ls_build *b, const ls_yaml *topic) {
  if (topic == NULL || topic->poisoned) return;
  const char *own = internal_like(b, topic->text);
  if (own == NULL) return;
  ls__diag_add(b->diag, topic->mark,
               "kafka: '%.80s' is the name of an internal topic, %s; take another, or another "
               "kafka: application_id",
               topic->text, own);
}

static void check_read(ls_build *b, const ls_yaml *map, topic_uses *uses) {
  const ls_yaml *topic = ls__yaml_get(ls__yaml_get(map, "live"), "kafka");
  check_internal(b, topic);
  if (topic == NULL || topic->poisoned || ls__is_true(ls__yaml_text(map, "global"))) return;
  const char *reader = reader_of(uses, topic->text);
  if (reader != NULL) {
    ls__diag_add(b->diag, topic->mark, "kafka: '%.80s' is read by %s already; let both steps read that", topic->text,
                 reader);
    return;
  }
  uses->list[uses->n++] = (topic_use){topic->text, map->key->text};
}

static void check_written(ls_build *b, const ls_yaml *topic, const char *what, const topic_uses *uses) {
  check_internal(b, topic);
  if (topic == NULL || topic->poisoned) return;
  const char *reader = reader_of(uses, topic->text);
  if (reader == NULL) return;
  ls__diag_add(b->diag, topic->mark, "kafka: '%.80s' is what %s reads: %s would come in again; give another topic",
               topic->text, reader, what);
}

/* Where a source's bad records go. */
static void note_letters(ls_build *b, const ls_yaml *map, topic_uses *letters) {
  const ls_yaml *topic = ls__yaml_get(ls__yaml_get(map, "live"), "kafka");
  const ls_yaml *given = ls__yaml_get(ls__yaml_get(map, "dead_letters"), "kafka");
  const ls_yaml *from = given != NULL ? given : topic;
  if (from == NULL || from->poisoned) return;
  const char *name = given != NULL ? given->text : ls__arena_printf(b->arena, "%s.dlq", topic->text);
  letters->list[letters->n++] = (topic_use){name, map->key->text};
}

static void check_result(ls_build *b, const ls_yaml *topic, const topic_uses *uses, const topic_uses *letters) {
  check_written(b, topic, "results", uses);
  const char *source = topic != NULL && !topic->poisoned ? reader_of(letters, topic->text) : NULL;
  if (source == NULL) return;
  ls__diag_add(b->diag, topic->mark, "kafka: '%.80s' is where the bad records of %s go; give results another topic",
               topic->text, source);
}

void ls__build_check_topics(ls_build *b) {
  static const char *const sections[] = {"sources", "tables", "sinks"};
  topic_uses uses = {LS_ARENA_ARRAY(b->arena, topic_use, b->entries.n + 1), 0};
  topic_uses letters = {LS_ARENA_ARRAY(b->arena, topic_use, b->entries.n + 1), 0};
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < 3; i++) {
      const ls_yaml *section = ls__yaml_get(b->doc->root, sections[i]);
      for (const ls_yaml *map = section != NULL ? section->first : NULL; map != NULL; map = map->next) {
        if (map->bad) continue;
        if (i < 2 && pass == 0) check_read(b, map, &uses);
        if (i < 2 && pass == 0) note_letters(b, map, &letters);
        if (i < 2 && pass == 1)
          check_written(b, ls__yaml_get(ls__yaml_get(map, "dead_letters"), "kafka"), "bad records", &uses);
        if (i == 2 && pass == 1) check_result(b, ls__yaml_get(ls__yaml_get(map, "live"), "kafka"), &uses, &letters);
      }
    }
  }
}
