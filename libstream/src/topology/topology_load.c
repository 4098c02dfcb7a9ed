/** @file topology_load.c  From a file to a plan: the order of the passes, plugins, runtime settings. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "topology/build.h"
#include "topology/load.h"
#include "topology/options.h"
#include "topology/params.h"

#ifndef LS_PLUGIN_DIR /* where plugins are installed */
#define LS_PLUGIN_DIR "/usr/local/lib/libstream/udf"
#endif

/* ---- runtime ---- */

static void set_runtime(ls_build *b) {
  ls_plan *plan = b->plan;
  const ls_yaml *runtime = ls__yaml_get(b->doc->root, "runtime");
  const ls_yaml *state = ls__yaml_get(runtime, "state");
  const char *memory = ls__yaml_text(runtime, "memory"), *parity = ls__yaml_text(runtime, "parity");
  const char *backend = ls__yaml_text(state, "backend");
  const char *bad = ls__yaml_text(runtime, "max_bad_records");
  plan->memory_bytes = INT64_C(512) << 20;
  if (memory != NULL) ls__size_parse(&plan->memory_bytes, memory);
  plan->parity = parity == NULL || strcmp(parity, "on") == 0;
  plan->state_backend = backend != NULL && strcmp(backend, "rocksdb") == 0 ? LS_STORE_ROCKSDB : LS_STORE_MEMORY;
  plan->state_directory = ls__yaml_text(state, "directory");
  plan->max_bad_records = -1;
  plan->max_bad_share_ppm = -1;
  if (bad != NULL) ls__bad_records_parse(&plan->max_bad_records, &plan->max_bad_share_ppm, bad);
}

static bool topology_name_ok(const char *text) {
  size_t len = strlen(text);
  if (len == 0 || len > 64) return false;
  for (const char *c = text; *c != 0; c++) {
    bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
    if (!plain && *c != '-' && *c != '_') return false;
  }
  return text[0] != '-' && text[0] != '_';
}

static void set_name(ls_build *b) {
  const ls_yaml *name = ls__yaml_get(b->doc->root, "name");
  b->plan->about = ls__yaml_text(b->doc->root, "about");
  b->plan->name = name != NULL ? name->text : "";
  if (name == NULL || name->poisoned || topology_name_ok(name->text)) return;
  ls__diag_add(b->diag, name->mark,
               "name: '%.80s' is not valid; letters, digits, _ and -, beginning "
               "with a letter or digit, at most 64",
               name->text);
}

/* ---- plugins ---- */

size_t ls__plugin_dirs(const char *out[LS_PLUGIN_DIRS_MAX], const ls_topology_opts *opts, ls_arena *arena) {
  size_t n = 0;
  for (size_t i = 0; i < opts->n_plugin_dirs && n < LS_PLUGIN_DIRS_MAX - 1; i++) {
    out[n++] = opts->plugin_dirs[i];
  }
  /* tidy: allow ambient because the plugin path is part of the public contract of ls_topology_load */
  const char *path = getenv("LIBSTREAM_PLUGIN_PATH");
  while (path != NULL && *path != 0 && n < LS_PLUGIN_DIRS_MAX - 1) {
    const char *colon = strchr(path, ':');
    size_t len = colon != NULL ? (size_t)(colon - path) : strlen(path);
    if (len > 0) out[n++] = ls__arena_strndup(arena, path, len);
    path = colon != NULL ? colon + 1 : NULL;
  }
  out[n++] = LS_PLUGIN_DIR;
  return n;
}

/* A path is meant from where the YAML file is. */
static const char *plugin_path(ls_build *b, const char *path) {
  const char *file = b->plan->file, *slash = strrchr(file, '/');
  if (path[0] == '/') return path;
  if (slash == NULL) return ls__arena_printf(b->arena, "./%s", path);
  return ls__arena_printf(b->arena, "%.*s/%s", (int)(slash - file), file, path);
}

static bool check_digest(ls_build *b, const ls_yaml *sha256) {
  size_t n = strspn(sha256->text, "0123456789abcdefABCDEF");
  if (n == 64 && sha256->text[64] == 0) return true;
  if (!sha256->poisoned) {
    ls__diag_add(b->diag, sha256->mark,
                 "sha256 is not a digest; 64 hexadecimal digits, as sha256sum "
                 "prints them");
  }
  return false;
}

/* item: an entry of a map, or a name of a list. */
static bool load_plugin(ls_build *b, const ls_yaml *item, const char *const *dirs, size_t n_dirs) {
  const ls_yaml *at = item->key != NULL ? item->key : item;
  const ls_yaml *map = item->kind == LS_YAML_MAP ? item : NULL;
  const ls_yaml *path = ls__yaml_get(map, "path"), *sha256 = ls__yaml_get(map, "sha256");
  const ls_yaml *config = ls__yaml_get(map, "config");
  uint32_t n = config != NULL ? config->n_children : 0, k = 0;
  ls_udf_config_entry *entries = LS_ARENA_ARRAY(b->arena, ls_udf_config_entry, n + 1);
  for (const ls_yaml *value = config != NULL ? config->first : NULL; value != NULL; value = value->next) {
    if (!value->bad) entries[k++] = (ls_udf_config_entry){value->key->text, value->text};
  }
  if (sha256 != NULL && !check_digest(b, sha256)) return false;
  const char *name = path != NULL ? plugin_path(b, path->text) : at->text;
  ls_error err = LS_ERROR_INIT;
  int rc = ls__udf_load(b->udfs, name, dirs, n_dirs, sha256 != NULL ? sha256->text : NULL, entries, k, &err);
  if (rc == LS_OK) return true;
  bool of_config = rc == LS_ECONFIG && config != NULL;
  if (!(path != NULL && path->poisoned)) {
    ls__diag_add_code(b->diag, rc == LS_ECONFIG ? LS_ECONFIG : LS_EPLUGIN, of_config ? config->key->mark : at->mark,
                      "%s", err.message);
  }
  return false;
}

static void load_plugins(ls_build *b, const ls_topology_opts *opts, bool load) {
  const ls_yaml *plugins = ls__yaml_get(b->doc->root, "plugins");
  const char *dirs[LS_PLUGIN_DIRS_MAX];
  ls__udf_registry_new(&b->udfs);
  if (plugins == NULL) return;
  if (!load) {
    b->plugins_failed = true;
    ls__diag_add_code(b->diag, LS_EPLUGIN, plugins->key->mark, "plugins are not loaded here");
  }
  size_t n_dirs = ls__plugin_dirs(dirs, opts, b->arena);
  for (const ls_yaml *item = plugins->first; item != NULL; item = item->next) {
    if (item->bad) {
      b->plugins_failed = true;
    } else if (load && !load_plugin(b, item, dirs, n_dirs)) {
      b->plugins_failed = true;
    }
  }
}

/* ---- the passes ---- */

static uint32_t count(const ls_build *b, const char *section) {
  const ls_yaml *map = ls__yaml_get(b->doc->root, section);
  return map != NULL ? map->n_children : 0;
}

/* Room for all nodes and sources that the file can make: merges and joins may add two repartitions per input. */
static void reserve(ls_build *b) {
  uint32_t n = count(b, "sources") + 2 * count(b, "tables") + count(b, "steps") + count(b, "sinks");
  b->nodes_capacity = n + 2 * LS_SOURCES_MAX + 8;
  b->nodes = LS_ARENA_ARRAY(b->arena, ls_plan_node, b->nodes_capacity);
  b->component = LS_ARENA_ARRAY(b->arena, uint32_t, b->nodes_capacity);
  uint32_t n_sources = count(b, "sources") + count(b, "tables") + LS_SOURCES_MAX;
  b->sources = LS_ARENA_ARRAY(b->arena, ls_plan_source, n_sources);
}

/* A step that failed was reported; should that ever be missed, no half a plan gets out. */
static void check_complete(ls_build *b) {
  for (size_t i = 0; i < b->entries.n; i++) {
    const ls_entry *entry = b->entries.entries[i].value;
    if (entry->state == LS_ENTRY_DONE) continue;
    ls__diag_add_code(b->diag, LS_EINTERNAL, entry->map->key->mark, "%s could not be built, and no reason was given",
                      entry->name);
  }
}

static void build_plan(ls_build *b) {
  reserve(b);
  ls__build_schemas(b);
  ls__build_entries(b);
  ls__build_sources(b);
  ls__build_steps(b);
  ls__build_sinks(b);
  ls__build_check_used(b);
  ls__build_check_topics(b);
  ls__build_registry(b);
  ls__build_check_paths(b);
  if (b->plan->n_sources > LS_SOURCES_MAX || b->too_many_sources) {
    ls__diag_add(b->diag, (ls_mark){1, 1},
                 "more than %d sources, with those between partitions; "
                 "split the topology",
                 LS_SOURCES_MAX);
  }
  if (b->diag->n_errors == 0) check_complete(b);
  if (b->diag->n_errors == 0) ls__build_finish(b);
}

static void build_fini(ls_build *b) {
  ls_strmap *maps[] = {&b->schemas, &b->schemas_used, &b->entries,  &b->stores,    &b->calls,
                       &b->exists,  &b->outputs_used, &b->messages, &b->node_names};
  for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) ls__strmap_fini(maps[i]);
}

static void load_tree(ls_topology *topology, ls_slice text, const ls_topology_opts *opts, bool plugins, ls_diag *diag) {
  ls_yaml_doc doc;
  ls_build b = {.diag = diag, .doc = &doc, .arena = &topology->arena, .plan = &topology->plan};
  ls__yaml_parse(&doc, text, b.arena, diag);
  if (doc.root == NULL) {
    if (diag->n_errors == 0) {
      ls__diag_add(diag, (ls_mark){1, 1}, "the file is empty; it begins with libstream: 1");
    }
    return;
  }
  ls__params_apply(&doc, opts, b.arena, diag);
  ls__options_check(doc.root, diag);
  if (doc.root->bad) return;
  set_name(&b);
  set_runtime(&b);
  ls__build_live_settings(&b);
  load_plugins(&b, opts, plugins);
  b.plan->udfs = topology->udfs = b.udfs;
  build_plan(&b);
  topology->counts =
      (ls_topology_counts){count(&b, "sources"), count(&b, "tables"), count(&b, "steps"), count(&b, "sinks")};
  build_fini(&b);
}

int ls__topology_load(ls_topology **out, const char *file_name, const char *text, size_t len,
                      const ls_topology_opts *opts, bool plugins, ls_error *err) {
  ls_topology_opts given = LS_TOPOLOGY_OPTS_INIT;
  ls_topology *topology = LS_NEW(ls_topology);
  ls_diag diag;
  *out = NULL;
  if (opts != NULL) { /* of a caller that knows fewer options */
    size_t known = opts->struct_size < sizeof given ? opts->struct_size : sizeof given;
    memcpy(&given, opts, known);
  }
  ls__arena_init(&topology->arena, 0);
  ls__diag_init(&diag, file_name);
  topology->plan.arena = &topology->arena;
  topology->plan.file = ls__arena_strdup(&topology->arena, file_name);
  load_tree(topology, (ls_slice){text, len}, &given, plugins, &diag);
  int rc = ls__diag_report(&diag, &given, err);
  ls__diag_fini(&diag);
  if (rc < 0) {
    ls_topology_free(topology);
    return rc;
  }
  *out = topology;
  return LS_OK;
}

int ls_topology_load_text(ls_topology **out, const char *file_name, const char *text, size_t len,
                          const ls_topology_opts *opts, ls_error *err) {
  return ls__topology_load(out, file_name, text, len, opts, true, err);
}

static int read_file(ls_buf *out, const char *path, ls_error *err) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return ls_error_set(err, LS_EIO, "%s: can't be opened", path);
  for (;;) {
    ls__buf_reserve(out, 65536);
    size_t n = fread(out->ptr + out->len, 1, 65536, file);
    out->len += n;
    if (n < 65536 || out->len > LS_YAML_BYTES_MAX) break;
  }
  bool failed = ferror(file) != 0;
  fclose(file);
  return failed ? ls_error_set(err, LS_EIO, "%s: can't be read", path) : LS_OK;
}

int ls_topology_load(ls_topology **out, const char *yaml_path, const ls_topology_opts *opts, ls_error *err) {
  ls_buf text = LS_BUF_INIT;
  *out = NULL;
  int rc = read_file(&text, yaml_path, err);
  if (rc == LS_OK) rc = ls_topology_load_text(out, yaml_path, text.ptr, text.len, opts, err);
  ls__buf_fini(&text);
  return rc;
}

void ls_topology_free(ls_topology *topology) {
  if (topology == NULL) return;
  /* expressions refer to functions, so the registry goes last but for the memory that holds both */
  if (topology->udfs != NULL) ls__udf_registry_free(topology->udfs);
  ls__arena_fini(&topology->arena);
  ls__free(topology);
}

const char *ls_topology_name(const ls_topology *topology) {
  return topology->plan.name;
}

const ls_plan *ls__topology_plan(const ls_topology *topology) {
  return &topology->plan;
}

void ls__topology_bind_global(ls_topology *topology, uint32_t global,
                              const ls_batch *(*rows)(void *payload, uint64_t *version), void *payload) {
  topology->plan.tables[global].rows = rows;
  topology->plan.tables[global].payload = payload;
}

int ls__topology_set_live(ls_topology *topology, bool live, ls_error *err) {
  ls_plan *plan = &topology->plan;
  plan->live = false;
  if (!live) return LS_OK;
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (plan->sources[i].repartition || plan->sources[i].live_kafka != NULL) continue;
    return ls_error_set(err, LS_ECONFIG, "%s: source %s has no live binding; give live: { kafka: <topic> }", plan->file,
                        plan->sources[i].name);
  }
  for (uint32_t i = 0; i < plan->n_globals; i++) {
    if (plan->globals[i].live_kafka != NULL) continue;
    return ls_error_set(err, LS_ECONFIG, "%s: table %s has no live binding; give live: { kafka: <topic> }", plan->file,
                        plan->globals[i].name);
  }
  if (plan->live_problem != NULL) return ls_error_set(err, LS_ECONFIG, "%s", plan->live_problem);
  plan->live = true;
  return LS_OK;
}

void ls_text_free(char *text) {
  ls__free(text);
}
