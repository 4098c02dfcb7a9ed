/**
 * @file fuzz_yaml.c
 * Any text as a topology, without plugins. What is refused is refused with errors in file order, at places that are in
 * the file; what is taken makes a plan whose nodes come after what they read, and is described the same twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "topology/load.h"

typedef struct seen {
  unsigned long line, column; /* of the error before */
  unsigned long n_lines;
  size_t n;
} seen;

static void fail(const char *what, const char *text) {
  fprintf(stderr, "fuzz_yaml: %s: %s\n", what, text);
  abort();
}

static void on_diagnostic(void *payload, const char *text, bool is_error) {
  seen *s = payload;
  char *end;
  if (!is_error || strncmp(text, "f:", 2) != 0) fail("not an error of the file", text);
  unsigned long line = strtoul(text + 2, &end, 10);
  if (*end != ':') fail("no line", text);
  unsigned long column = strtoul(end + 1, &end, 10);
  if (strncmp(end, ": error: ", 9) != 0 || end[9] == 0) fail("no message", text);
  if (line < 1 || line > s->n_lines + 1 || column < 1) fail("a place outside the file", text);
  if (line < s->line || (line == s->line && column < s->column)) fail("not in order", text);
  for (const unsigned char *c = (const unsigned char *)text; *c != 0; c++) {
    if (*c < 0x20) fail("a control character", text);
  }
  s->line = line;
  s->column = column;
  s->n++;
}

static void check_node(const ls_plan *plan, const ls_plan_node *node) {
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    ls_plan_input in = node->inputs[i];
    if (in.node >= node->id || in.output >= plan->nodes[in.node].n_outputs) {
      fail("input out of order", node->name);
    }
    if (plan->nodes[in.node].sub_topology != node->sub_topology) fail("edge between", node->name);
  }
  for (int i = 0; i < 2; i++) {
    uint32_t table = node->reads_table[i];
    if (table != LS_NO_NODE && table >= node->id) fail("table out of order", node->name);
  }
  if (node->verb != LS_VERB_REPARTITION) return;
  const ls_plan_source *source = &plan->sources[node->u.repartition.repartition_source];
  if (source->sub_topology <= node->sub_topology) fail("sub-topology out of order", node->name);
}

static void check_plan(const ls_topology *topology) {
  const ls_plan *plan = ls__topology_plan(topology);
  if (plan->n_sinks == 0) fail("no sink", plan->name);
  for (uint32_t i = 0; i < plan->n_nodes; i++) check_node(plan, &plan->nodes[i]);
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    for (uint32_t k = 0; k < plan->sinks[i].schema->n_fields; k++) {
      if (plan->sinks[i].schema->fields[k].sensitive) fail("a sensitive field", plan->sinks[i].name);
    }
  }
}

static void describe(const ls_topology *topology, ls_buf *out) {
  ls_error err = LS_ERROR_INIT;
  for (int format = 0; format < 2; format++) {
    char *text;
    if (ls_topology_describe(&text, topology, (ls_describe_format)format, &err) != LS_OK) {
      fail("no description", err.message);
    }
    ls__buf_puts(out, text);
    ls_text_free(text);
  }
}

static int load(ls_topology **out, const uint8_t *data, size_t size, seen *s) {
  ls_topology_opts opts = LS_TOPOLOGY_OPTS_INIT;
  ls_error err = LS_ERROR_INIT;
  opts.on_diagnostic = on_diagnostic;
  opts.payload = s;
  *s = (seen){1, 1, 1, 0};
  for (size_t i = 0; i < size; i++) {
    /* NEL, LS and PS end lines as well; counting their last byte can only make the bound wider */
    s->n_lines += data[i] == '\n' || data[i] == '\r' || data[i] == 0x85 || data[i] >= 0xA8;
  }
  int rc = ls__topology_load(out, "f", (const char *)data, size, &opts, false, &err);
  if ((rc == LS_OK) != (s->n == 0) || (rc == LS_OK) != (*out != NULL)) fail("no reason", err.message);
  if (err.code == LS_EINTERNAL) fail("internal", err.message);
  return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ls_topology *topology;
  ls_buf first = LS_BUF_INIT, second = LS_BUF_INIT;
  seen s;
  if (load(&topology, data, size, &s) != LS_OK) return 0;
  check_plan(topology);
  describe(topology, &first);
  ls_topology_free(topology);
  load(&topology, data, size, &s);
  describe(topology, &second);
  if (strcmp(first.ptr, second.ptr) != 0) fail("described otherwise", first.ptr);
  ls_topology_free(topology);
  ls__buf_fini(&first);
  ls__buf_fini(&second);
  return 0;
}
