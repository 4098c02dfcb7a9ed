/** @file build_sources.c  `sources` and `tables`: schema, bindings, dead letters, SOURCE nodes. */
#include "base/buf.h"
#include "data/datetime.h"
#include "topology/build.h"

typedef struct binding {
  const char *files, *live_kafka, *dead_letter_dir, *dead_letter_topic;
  ls_format format, live_format;
  int64_t lookback_us, lookahead_us, idle_after_us;
  bool from_latest, compacted, registry;
  const void *descriptor;
} binding;

/* What the entry's schema is as far as it is known; of an unknown one no column. */
static ls_schema_cell find_schema(ls_build *b, const ls_yaml *map) {
  const ls_yaml *name = ls__yaml_get(map, "schema");
  const ls_schema_cell none = {ls__schema_new(b->arena, map->key->text, 0), LS_KNOWN_SOME};
  if (name == NULL) b->schemas_unknown = true;
  if (name == NULL) return none;
  ls__strmap_put(&b->schemas_used, name->text, b);
  const ls_schema_cell *cell = ls__strmap_get(&b->schemas, name->text);
  if (cell != NULL || name->poisoned) return cell != NULL ? *cell : none;
  b->schemas_unknown = true;
  const char **names = LS_ARENA_ARRAY(b->arena, const char *, b->schemas.n + 1);
  for (size_t i = 0; i < b->schemas.n; i++) names[i] = b->schemas.entries[i].key;
  const char *near = ls__nearest_name(name->text, names, b->schemas.n);
  ls__diag_add(b->diag, name->mark, "there is no schema %.80s%s%s", name->text, near != NULL ? "; did you mean " : "",
               near != NULL ? near : "");
  return none;
}

static bool has_key(const ls_yaml *map, const char *key) {
  for (const ls_yaml *value = map->first; value != NULL; value = value->next) {
    if (strcmp(value->key->text, key) == 0) return true;
  }
  return false;
}

static bool ends_in(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

/** The first {a,b} of a pattern, which stands for one of several texts; NULL: none. *end: behind it. */
static const char *find_alternatives(const char *files, const char **end) {
  for (const char *open = files; (open = strchr(open, '{')) != NULL; open++) {
    const char *close = strchr(open, '}');
    if (close == NULL || memchr(open, ',', (size_t)(close - open)) == NULL) continue;
    *end = close + 1;
    return open;
  }
  return NULL;
}

/* By the file name without compression suffix; a trailing * stands for it as well. */
static bool format_of_name(const char *files, ls_format *out) {
  static const char *const suffixes[] = {".gz", ".zst", ".lz4", "*"};
  static const struct {
    const char *end;
    ls_format format;
  } ends[] = {
      {".jsonl", LS_FORMAT_JSON}, {".json", LS_FORMAT_JSON}, {".csv", LS_FORMAT_CSV}, {".parquet", LS_FORMAT_PARQUET}};
  char name[512];
  size_t len = strlen(files);
  if (len >= sizeof name) return false;
  memcpy(name, files, len + 1);
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
    if (ends_in(name, suffixes[i])) name[strlen(name) - strlen(suffixes[i])] = 0;
  }
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    if (!ends_in(name, ends[i].end)) continue;
    *out = ends[i].format;
    return true;
  }
  return false;
}

/** Of all alternatives, which have to agree. */
static bool format_of_files(const char *files, ls_format *out) {
  const char *end, *open = find_alternatives(files, &end);
  if (open == NULL) return format_of_name(files, out);
  bool ok = true, first = true;
  for (const char *at = open + 1; ok && at < end;) {
    size_t len = strcspn(at, ",}");
    ls_buf one = LS_BUF_INIT;
    ls_format format = LS_FORMAT_JSON;
    ls__buf_printf(&one, "%.*s%.*s%s", (int)(open - files), files, (int)len, at, end);
    ok = format_of_files(one.ptr, &format) && (first || format == *out);
    *out = format;
    first = false;
    ls__buf_fini(&one);
    at += len + 1;
  }
  return ok;
}

static ls_format format_of(const char *text) {
  return text[0] == 'c'                 ? LS_FORMAT_CSV
         : strcmp(text, "parquet") == 0 ? LS_FORMAT_PARQUET
         : text[0] == 'p'               ? LS_FORMAT_PROTOBUF
                                        : LS_FORMAT_JSON;
}

/* A path below the lake's root can't lead out of it. */
static bool check_path(ls_build *b, const ls_yaml *path) {
  const char *text = path->text;
  bool climbs = false;
  for (const char *at = text; at != NULL; at = strchr(at, '/')) {
    if (*at == '/') at++;
    climbs |= strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == 0);
  }
  if (text[0] != '/' && !climbs) return true;
  ls__diag_add(b->diag, path->mark,
               "%s: '%.80s' leads out of the lake; give a path below its root, "
               "without / in front and ..",
               path->key->text, text);
  return false;
}

/** lookback, lookahead: whole days, of files that have a day. */
static bool parse_days(ls_build *b, const ls_yaml *replay, const char *key, const char *files, int64_t *out_us) {
  const ls_yaml *days = ls__yaml_get(replay, key);
  if (days == NULL) return true;
  if (strcmp(days->text, "forever") == 0) {
    *out_us = INT64_MAX;
  } else {
    ls__duration_parse(out_us, (ls_slice){days->text, days->len});
  }
  if (*out_us != INT64_MAX && *out_us % LS_US_PER_DAY != 0 && !days->poisoned) {
    ls__diag_add(b->diag, days->mark, "%s %s is not in whole days; files are by day: give 3d", key, days->text);
    return false;
  }
  if (*out_us > 0 && strstr(files, "{date}") == NULL) {
    ls__diag_add(b->diag, days->key->mark, "%s needs {date} in files, as raw/x/dt={date}/*.jsonl", key);
    return false;
  }
  return true;
}

/** What of a file pattern is none of ours at text[at]: NULL when it is; *next: where to go on. */
static const char *pattern_fault(const char *text, size_t at, size_t *next) {
  static const char date[] = "{date}";
  *next = at + 1;
  if (text[at] == '*' && text[at + 1] == '*') return "**";
  if (text[at] == '}') return "a } without {";
  if (strchr("?[]\\", text[at]) != NULL) return text[at] == '?' ? "?" : text[at] == '\\' ? "\\" : "[...]";
  if (text[at] != '{') return NULL;
  *next = at + strlen(date);
  if (strncmp(text + at, date, strlen(date)) == 0) return NULL;
  size_t len = strcspn(text + at + 1, "{}/*?[]\\");
  if (text[at + 1 + len] != '}' || memchr(text + at, ',', len + 1) == NULL) return "this {";
  *next = at + len + 2;
  return NULL;
}

static bool check_pattern(ls_build *b, const ls_yaml *files) {
  for (size_t at = 0, next; at < files->len; at = next) {
    const char *fault = pattern_fault(files->text, at, &next);
    if (fault == NULL) continue;
    ls__diag_add(b->diag, ls__yaml_locate(b->doc, files, at),
                 "files: %s is not understood; a pattern has * within a part of "
                 "the path, {date}, and alternatives as .jsonl{,.gz,.zst}",
                 fault);
    return false;
  }
  return true;
}

static bool parse_replay(ls_build *b, const ls_yaml *replay, binding *out) {
  const ls_yaml *files = ls__yaml_get(replay, "files");
  if (files == NULL) return false;
  if (!check_path(b, files) || !check_pattern(b, files)) return false;
  out->files = files->text;
  const char *format = ls__yaml_text(replay, "format");
  if (format != NULL) {
    out->format = format_of(format);
  } else if (!has_key(replay, "format") && !format_of_files(out->files, &out->format)) {
    ls__diag_add(b->diag, files->mark,
                 "files: '%.80s' does not tell the format; give format: json, "
                 "csv, parquet or protobuf",
                 out->files);
    return false;
  }
  bool ok = parse_days(b, replay, "lookback", out->files, &out->lookback_us);
  return parse_days(b, replay, "lookahead", out->files, &out->lookahead_us) && ok;
}

static bool parse_live(ls_build *b, const ls_yaml *live, ls_schema_cell of, binding *out) {
  const ls_yaml *topic = ls__yaml_get(live, "kafka");
  if (topic == NULL) return false;
  if (!ls__build_topic(b, topic)) return false;
  out->live_kafka = topic->text;
  const char *idle = ls__yaml_text(live, "idle_after"), *from = ls__yaml_text(live, "from");
  const char *format = ls__yaml_text(live, "format");
  if (idle != NULL && strcmp(idle, "never") == 0) {
    out->idle_after_us = -1;
  } else if (idle != NULL) {
    ls__duration_parse(&out->idle_after_us, ls__slice_of(idle));
  }
  if (format != NULL) out->live_format = format_of(format);
  out->from_latest = from != NULL && strcmp(from, "latest") == 0;
  out->registry = ls__is_true(ls__yaml_text(live, "registry"));
  const ls_yaml *compacted = ls__yaml_get(live, "compacted");
  out->compacted = compacted != NULL && ls__is_true(compacted->text);
  if (out->compacted && of.known == LS_KNOWN && of.schema->n_key == 0) {
    ls__diag_add(b->diag, compacted->mark,
                 "a compacted topic has records with a key; give schema "
                 "%s a key",
                 of.schema->name);
    return false;
  }
  return true;
}

bool ls__build_message(ls_build *b, const ls_yaml *map, bool wanted, const char *unwanted, const void **descriptor) {
  const ls_yaml *message = ls__yaml_get(map, "protobuf");
  if (message == NULL) {
    if (!wanted || has_key(map, "protobuf")) return !wanted;
    ls__diag_add(b->diag, map->key->mark,
                 "%s has the format protobuf but no message type; give "
                 "protobuf: package.Message",
                 map->key->text);
    return false;
  }
  if (!wanted) {
    ls__diag_add(b->diag, message->key->mark, "protobuf is of no use here; %s format: protobuf", unwanted);
    return false;
  }
  ls__strmap_put(&b->messages, message->text, b);
  const ls_udf_message *found = ls__udf_find_message(b->udfs, message->text);
  if (found == NULL) {
    if (!b->plugins_failed && !message->poisoned) {
      ls__diag_add(b->diag, message->mark,
                   "no plugin has a message type %.80s; name its plugin "
                   "under plugins",
                   message->text);
    }
    return false;
  }
  *descriptor = found->descriptor;
  return true;
}

static bool parse_dead_letter_topic(ls_build *b, const ls_yaml *map, const ls_yaml *topic, binding *out) {
  if (topic != NULL && !ls__build_topic(b, topic)) return false;
  if (topic != NULL && out->live_kafka == NULL) {
    if (has_key(map, "live")) return false;
    ls__diag_add(b->diag, topic->key->mark,
                 "dead_letters: kafka is of no use here: %s has no live binding; give "
                 "lake, or live",
                 map->key->text);
    return false;
  }
  if (out->live_kafka == NULL) return true;
  out->dead_letter_topic = topic != NULL ? topic->text : ls__arena_printf(b->arena, "%s.dlq", out->live_kafka);
  if (strlen(out->dead_letter_topic) <= 249) return true;
  ls__diag_add(b->diag, map->key->mark,
               "the dead letters of %s have no topic: %.40s... with .dlq has more than 249 "
               "characters; give dead_letters: kafka",
               map->key->text, out->live_kafka);
  return false;
}

static bool parse_dead_letters(ls_build *b, const ls_yaml *map, const char *name, binding *out) {
  const ls_yaml *dead = ls__yaml_get(map, "dead_letters");
  const ls_yaml *lake = ls__yaml_get(dead, "lake");
  out->dead_letter_dir = ls__arena_printf(b->arena, "dlq/%s", name);
  if (!parse_dead_letter_topic(b, map, ls__yaml_get(dead, "kafka"), out)) return false;
  if (lake == NULL) return true;
  if (!check_path(b, lake)) return false;
  out->dead_letter_dir = lake->text;
  return true;
}

static bool parse_bindings(ls_build *b, const ls_yaml *map, ls_schema_cell of, binding *out) {
  const ls_yaml *live = ls__yaml_get(map, "live"), *replay = ls__yaml_get(map, "replay");
  *out = (binding){.format = LS_FORMAT_JSON, .live_format = LS_FORMAT_JSON, .idle_after_us = LS_IDLE_AFTER_DEFAULT_US};
  bool ok = true;
  if (live == NULL && replay == NULL) {
    if (has_key(map, "live") || has_key(map, "replay")) return false;
    ls__diag_add(b->diag, map->key->mark, "%s has neither live nor replay; give one, or both", map->key->text);
    ok = false;
  }
  if (replay != NULL) ok &= parse_replay(b, replay, out);
  if (live != NULL) ok &= parse_live(b, live, of, out);
  bool protobuf = out->live_format == LS_FORMAT_PROTOBUF || (out->files != NULL && out->format == LS_FORMAT_PROTOBUF);
  ok &= ls__build_message(b, map, protobuf, "neither live nor replay has", &out->descriptor);
  return parse_dead_letters(b, map, map->key->text, out) && ok;
}

static ls_rel add_source(ls_build *b, const char *name, const ls_schema *schema, uint32_t index, const binding *bound) {
  ls_plan_node *node = ls__build_node(b, name, LS_VERB_SOURCE, NULL, 0);
  const ls_schema *schemas[] = {schema};
  ls__build_outputs(b, node, (const char *const[]){""}, schemas, 1);
  node->u.source.source = index;
  b->sources[index] = (ls_plan_source){.name = name,
                                       .schema = schema,
                                       .node = node->id,
                                       .files = bound->files,
                                       .format = bound->format,
                                       .lookback_us = bound->lookback_us,
                                       .lookahead_us = bound->lookahead_us,
                                       .protobuf_descriptor = bound->descriptor,
                                       .live_kafka = bound->live_kafka,
                                       .live_format = bound->live_format,
                                       .live_registry = bound->registry,
                                       .live_from_latest = bound->from_latest,
                                       .live_compacted = bound->compacted,
                                       .idle_after_us = bound->idle_after_us,
                                       .dead_letter_dir = bound->dead_letter_dir,
                                       .dead_letter_topic = bound->dead_letter_topic};
  if (bound->live_format == LS_FORMAT_PROTOBUF) b->sources[index].live_protobuf_descriptor = bound->descriptor;
  return (ls_rel){.name = name,
                  .schema = schema,
                  .at = {node->id, 0},
                  .table = LS_NO_NODE,
                  .global = LS_NO_GLOBAL,
                  .partitioned = schema->n_key > 0,
                  .has_time = schema->time_field >= 0};
}

static bool check_table(ls_build *b, const ls_entry *entry, ls_schema_cell of, bool global) {
  const ls_yaml *store = ls__yaml_get(entry->map, "store");
  if (of.known == LS_KNOWN && of.schema->n_key == 0) {
    ls__diag_add(b->diag, entry->map->key->mark,
                 "table %s has a schema without a key; give schema "
                 "%s a key",
                 entry->name, of.schema->name);
    return false;
  }
  if (global && store != NULL) {
    ls__diag_add(b->diag, store->key->mark, "a global table has no store; leave store or global out");
    return false;
  }
  if (!global && store == NULL && !has_key(entry->map, "store")) {
    ls__diag_add(b->diag, entry->map->key->mark,
                 "table %s has no store; name one, or make it "
                 "global: true",
                 entry->name);
    return false;
  }
  return true;
}

/* What a table holds would depend on when the group first ran. */
static bool check_from(ls_build *b, const ls_entry *entry, const binding *bound) {
  if (!bound->from_latest) return true;
  const ls_yaml *from = ls__yaml_get(ls__yaml_get(entry->map, "live"), "from");
  ls__diag_add(b->diag, from->mark, "from: latest is for sources; a table is read from the beginning: leave it out");
  return false;
}

static bool build_table(ls_build *b, ls_entry *entry, const ls_schema *schema, uint32_t index, const binding *bound) {
  ls_plan_store store;
  uint64_t fp = ls__build_fingerprint("latest", schema, schema->key, schema->n_key, schema, "");
  if (!ls__build_store(b, entry->map, "", fp, &store)) return false;
  ls_rel rows = add_source(b, entry->name, schema, index, bound);
  ls_plan_node *node = ls__build_latest_node(b, entry->name, rows, -1, LS_EMIT_CHANGES, store);
  rows.table = node->id;
  ls__build_done(entry, node, rows);
  return true;
}

static bool build_global(ls_build *b, ls_entry *entry, uint32_t index, const binding *bound) {
  if (bound->descriptor != NULL) {
    const ls_yaml *message = ls__yaml_get(entry->map, "protobuf");
    ls__diag_add(b->diag, message->key->mark,
                 "a global table can't be protobuf; give json, csv or "
                 "parquet");
    return false;
  }
  ls_plan_global *global = &b->globals[index];
  global->files = bound->files;
  global->format = bound->format;
  global->live_kafka = bound->live_kafka;
  global->live_format = bound->live_format;
  global->live_registry = bound->registry;
  global->live_compacted = bound->compacted;
  global->dead_letter_dir = bound->dead_letter_dir;
  global->dead_letter_topic = bound->dead_letter_topic;
  ls_rel rel = {
      .name = entry->name, .schema = global->schema, .at = {LS_NO_NODE, 0}, .table = LS_NO_NODE, .global = index};
  entry->outputs[0] = (ls_entry_output){"", rel};
  entry->n_outputs = 1;
  return true;
}

static bool is_global(const ls_entry *entry) {
  return entry->kind == LS_ENTRY_TABLE && ls__is_true(ls__yaml_text(entry->map, "global"));
}

static void guess_entry(ls_entry *entry, ls_schema_cell of, uint32_t index) {
  bool global = is_global(entry), table = entry->kind == LS_ENTRY_TABLE && !global;
  (void)ls__build_guess(entry,
                        (ls_rel){.table = table ? 0 : LS_NO_NODE,
                                 .global = global ? index : LS_NO_GLOBAL,
                                 .partitioned = true,
                                 .has_time = of.schema->time_field >= 0},
                        of.schema, of.known);
}

static void build_entry(ls_build *b, ls_entry *entry, uint32_t index) {
  const ls_schema_cell of = find_schema(b, entry->map);
  const ls_schema *schema = of.schema;
  binding bound;
  bool ok = of.known == LS_KNOWN, table = entry->kind == LS_ENTRY_TABLE;
  if (table) ok = check_table(b, entry, of, is_global(entry)) && ok;
  ok = parse_bindings(b, entry->map, of, &bound) && ok;
  ok = !(table && !check_from(b, entry, &bound)) && ok;
  if (!ok) {
    guess_entry(entry, of, index);
  } else if (entry->kind == LS_ENTRY_SOURCE) {
    ls_rel rel = add_source(b, entry->name, schema, index, &bound);
    ls__build_done(entry, &b->nodes[rel.at.node], rel);
  } else if (is_global(entry)) {
    ok = build_global(b, entry, index, &bound);
  } else {
    ok = build_table(b, entry, schema, index, &bound);
  }
  if (!ok && entry->n_outputs == 0) guess_entry(entry, of, index);
  entry->state = ok ? LS_ENTRY_DONE : LS_ENTRY_FAILED;
}

static void reject_source_keys(ls_build *b, const ls_yaml *map) {
  const ls_yaml *live = ls__yaml_get(map, "live"), *idle = ls__yaml_get(live, "idle_after");
  const ls_yaml *replay = ls__yaml_get(map, "replay"), *lookback = ls__yaml_get(replay, "lookback");
  const ls_yaml *lookahead = ls__yaml_get(replay, "lookahead");
  const ls_yaml *wrong = idle != NULL ? idle : lookback != NULL ? lookback : lookahead;
  if (wrong == NULL) return;
  ls__diag_add(b->diag, wrong->key->mark, "%s is not for global tables, which are loaded whole", wrong->key->text);
}

void ls__build_sources(ls_build *b) {
  uint32_t n_sources = 0, n_globals = 0;
  size_t n = b->entries.n;
  b->globals = LS_ARENA_ARRAY(b->arena, ls_plan_global, n + 1);
  b->plan->tables = LS_ARENA_ARRAY(b->arena, ls_expr_table, n + 1);
  for (size_t i = 0; i < n; i++) {
    ls_entry *entry = b->entries.entries[i].value;
    if (entry->kind == LS_ENTRY_STEP) continue;
    if (!is_global(entry)) {
      n_sources++;
      continue;
    }
    /* known before expressions are compiled, so that EXISTS finds it */
    reject_source_keys(b, entry->map);
    const ls_yaml *name = ls__yaml_get(entry->map, "schema");
    const ls_schema_cell *cell = name != NULL ? ls__strmap_get(&b->schemas, name->text) : NULL;
    const ls_schema *schema = cell != NULL ? cell->schema : ls__schema_new(b->arena, entry->name, 0);
    if (cell == NULL || cell->known >= LS_KNOWN_SOME) b->globals_failed = true;
    b->globals[n_globals] = (ls_plan_global){.name = entry->name, .schema = schema};
    b->plan->tables[n_globals++] = (ls_expr_table){.name = entry->name, .schema = schema};
  }
  b->schemas_unknown |= n_sources + n_globals == 0;
  b->n_file_sources = n_sources;
  b->plan->n_sources = n_sources;
  b->plan->n_globals = n_globals;
  uint32_t source = 0, global = 0;
  for (size_t i = 0; i < n; i++) {
    ls_entry *entry = b->entries.entries[i].value;
    if (entry->kind == LS_ENTRY_STEP) continue;
    uint32_t index = is_global(entry) ? global++ : source++;
    if (entry->state == LS_ENTRY_FAILED) {
      b->schemas_unknown = true;
    } else {
      build_entry(b, entry, index);
    }
  }
}
