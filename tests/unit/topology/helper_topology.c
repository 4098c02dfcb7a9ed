#include "helper_topology.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define T_FIELDS                                                                                                       \
  "{ id: string, code: string, amount: \"decimal(18,4)\", n: int64, f: { type: float64, "                              \
  "nullable: true }, tags: list<string>, at: timestamp }"
#define HEAD     "libstream: 1\nname: t\n"
#define SINK     "sinks:\n  out: { from: out, lake: { path: out, format: parquet } }\n"
#define T_SCHEMA "  t: { key: id, time: at, fields: " T_FIELDS " }\n"
#define TX       "  tx: { schema: t, replay: { files: \"raw/tx/dt={date}/*.jsonl\" } }\n"

static const struct {
  const char *name, *text;
} suffixes[] = {
    {"none", ""},
    {"one", HEAD "schemas:\n" T_SCHEMA "sources:\n" TX SINK},
    {"two", HEAD "schemas:\n" T_SCHEMA "  sig: { key: id, time: at, fields: { id: string, score: "
                 "float64, at: timestamp } }\nsources:\n" TX
                 "  sig: { schema: sig, replay: { files: \"raw/sig/dt={date}/*.jsonl\" } }\n" SINK},
    {"tables", HEAD "schemas:\n" T_SCHEMA "  acc: { key: id, fields: { id: string, owner: string } }\n"
                    "  ref: { key: code, fields: { code: string, rate: float64, note: string } }\n"
                    "sources:\n" TX "tables:\n"
                    "  acc: { schema: acc, store: acc, replay: { files: \"ref/acc/*.jsonl\" } }\n"
                    "  ref: { schema: ref, global: true, replay: { files: \"ref/ref/*.jsonl\" } }\n" SINK},
    {"secret", HEAD "plugins: [topo]\nschemas:\n  t: { key: id, time: at, fields: { id: string, n: "
                    "int64, who: { type: string, sensitive: true }, at: timestamp } }\nsources:\n" TX
                    "  tx2: { schema: t, replay: { files: \"raw/tx2/dt={date}/*.jsonl\" } }\n"},
    {"udf", HEAD "plugins: [topo]\nschemas: { t: { key: id, fields: { id: string } } }\nsources:\n"
                 "  tx: { schema: t, protobuf: test.v1.Row, live: { kafka: tx, format: protobuf } }\n"
                 "  a: { schema: t, live: { kafka: a, format: protobuf } }\n"
                 "  b: { schema: t, protobuf: test.v1.Roww, live: { kafka: b, format: protobuf } }\n"
                 "  c: { schema: t, protobuf: test.v1.Row, live: { kafka: c } }\n"
                 "  d: { schema: t, protobuf: test.v1.Row, replay: { files: \"d/*.pb\", format: protobuf } }\n"
                 "tables:\n"
                 "  g: { schema: t, global: true, protobuf: test.v1.Row, live: { kafka: g, format: protobuf } }\n"
                 "sinks:\n  out: { from: out, lake: { path: out, format: parquet } }\n"
                 "  p: { from: p, lake: { path: p, format: parquet } }\n"},
};

const char *topology_suffix(const char *name) {
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
    if (strcmp(suffixes[i].name, name) == 0) return suffixes[i].text;
  }
  ck_abort_msg("no such suffix: %s", name);
  return NULL;
}

/* "t.yaml:3:1: error: ..." without the file: positions are what differs. */
static void collect(void *payload, const char *text, bool is_error) {
  ck_assert(is_error);
  const char *colon = strchr(text, ':');
  ck_assert(strncmp(text, "t.yaml:", 7) == 0);
  ls__buf_printf(payload, "%s\n", colon + 1);
}

static const char *env(const char *name) {
  const char *value = getenv(name);
  return value != NULL ? value : ".";
}

int topology_load(ls_topology **out, const char *text, const ls_parameter *parameters, size_t n_parameters,
                  ls_buf *messages) {
  const char *dirs[] = {env("LS_TEST_PLUGIN_DIR")};
  ls_topology_opts opts = LS_TOPOLOGY_OPTS_INIT;
  ls_error err = LS_ERROR_INIT;
  opts.parameters = parameters;
  opts.n_parameters = n_parameters;
  opts.plugin_dirs = dirs;
  opts.n_plugin_dirs = 1;
  opts.on_diagnostic = collect;
  opts.payload = messages;
  int rc = ls_topology_load_text(out, "t.yaml", text, strlen(text), &opts, &err);
  ck_assert_int_eq(rc, err.code);
  ck_assert_int_eq(rc<0, messages->len> 0);
  ck_assert_int_eq(rc < 0, *out == NULL);
  return rc;
}

ls_topology *topology_must_load(const char *text, const char *suffix) {
  ls_topology *topology;
  ls_buf all = LS_BUF_INIT, messages = LS_BUF_INIT;
  ls__buf_puts(&all, text);
  ls__buf_puts(&all, topology_suffix(suffix));
  if (topology_load(&topology, all.ptr, NULL, 0, &messages) != LS_OK) {
    ck_abort_msg("%s", messages.ptr);
  }
  ls__buf_fini(&all);
  ls__buf_fini(&messages);
  return topology;
}

static void print(void *payload, const char *text, bool is_error) {
  (void)payload, (void)is_error;
  fprintf(stderr, "%s\n", text);
}

ls_topology *topology_must_load_file(const char *path, const ls_parameter *parameters, size_t n_parameters) {
  char full[4096];
  const char *dirs[] = {env("LS_UDF_DIR")};
  ls_topology_opts opts = LS_TOPOLOGY_OPTS_INIT;
  ls_error err = LS_ERROR_INIT;
  ls_topology *topology;
  opts.parameters = parameters;
  opts.n_parameters = n_parameters;
  opts.plugin_dirs = dirs;
  opts.n_plugin_dirs = 1;
  opts.on_diagnostic = print;
  snprintf(full, sizeof full, "%s/%s", env("SOURCE_DIR"), path);
  if (ls_topology_load(&topology, full, &opts, &err) != LS_OK) ck_abort_msg("%s", err.message);
  return topology;
}

const ls_plan_node *plan_node(const ls_plan *plan, const char *name, ls_verb verb) {
  for (uint32_t i = 0; i < plan->n_nodes; i++) {
    if (plan->nodes[i].verb == verb && strcmp(plan->nodes[i].name, name) == 0) {
      return &plan->nodes[i];
    }
  }
  ck_abort_msg("no node %s of verb %s", name, ls__verb_name(verb));
  return NULL;
}

const ls_plan_source *plan_source(const ls_plan *plan, const char *name) {
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (strcmp(plan->sources[i].name, name) == 0) return &plan->sources[i];
  }
  ck_abort_msg("no source %s", name);
  return NULL;
}

void wanted_text(ls_buf *out, const ls_schema *schema, const uint64_t *wanted) {
  ls__buf_clear(out);
  ls__buf_puts(out, "");
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    if (!LS_BIT_GET(wanted, i)) continue;
    ls__buf_printf(out, "%s%s", out->len > 0 ? " " : "", schema->fields[i].name);
  }
}

void source_file_read(ls_buf *out, const char *path) {
  char full[4096];
  snprintf(full, sizeof full, "%s/%s", env("SOURCE_DIR"), path);
  FILE *file = fopen(full, "rb");
  if (file == NULL) ck_abort_msg("%s is not there", full);
  ls__buf_clear(out);
  ls__buf_puts(out, "");
  char block[4096];
  size_t n;
  while ((n = fread(block, 1, sizeof block, file)) > 0) ls__buf_append(out, block, n);
  fclose(file);
  ls__buf_putc(out, 0);
  out->len--;
}

void check_golden(const char *path, const char *text) {
  if (getenv("LS_UPDATE") != NULL) {
    char full[4096];
    snprintf(full, sizeof full, "%s/%s", env("SOURCE_DIR"), path);
    FILE *file = fopen(full, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    return;
  }
  ls_buf stored = LS_BUF_INIT;
  source_file_read(&stored, path);
  if (strcmp(stored.ptr, text) != 0) {
    size_t at = 0, line = 1;
    while (stored.ptr[at] == text[at]) line += text[at++] == '\n';
    ck_abort_msg("%s differs in line %zu; LS_UPDATE=1 writes it anew\nstored: %.80s\nnow:    %.80s", path, line,
                 stored.ptr + at, text + at);
  }
  ls__buf_fini(&stored);
}
