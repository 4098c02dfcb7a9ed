/** @file describe_dot.c  The plan for Graphviz. */
#include "base/buf.h"
#include "topology/describe.h"

/* A quoted DOT text: only " and \ mean something in it; names are plain, topics and paths may hold anything. */
static void put_text(ls_buf *out, const char *text) {
  for (const unsigned char *c = (const unsigned char *)text; *c != 0; c++) {
    if (*c == '"' || *c == '\\') ls__buf_putc(out, '\\');
    ls__buf_putc(out, *c < 0x20 ? ' ' : (char)*c);
  }
}

static void put_node(ls_buf *out, const ls_plan_node *node) {
  const char *shape = node->verb == LS_VERB_SOURCE || node->verb == LS_VERB_REPARTITION ? "cds"
                      : node->verb == LS_VERB_SINK                                      ? "note"
                                                                                        : "box";
  ls__buf_printf(out, "    n%u [shape=%s, label=\"%s\\n%s\"];\n", (unsigned)node->id, shape, node->name,
                 ls__describe_join_kind(node));
  const ls_plan_store *stores[] = {&node->store, &node->store2};
  for (int i = 0; i < 2; i++) {
    if (stores[i]->name == NULL) continue;
    ls__buf_printf(out, "    s%u_%d [shape=cylinder, label=\"", (unsigned)node->id, i);
    put_text(out, stores[i]->name);
    ls__buf_printf(out, "\"];\n    n%u -> s%u_%d [dir=both, style=dotted];\n", (unsigned)node->id, (unsigned)node->id,
                   i);
  }
}

static void put_edges(ls_buf *out, const ls_plan *plan, const ls_plan_node *node) {
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    const ls_plan_node *from = &plan->nodes[node->inputs[i].node];
    ls__buf_printf(out, "  n%u -> n%u", (unsigned)from->id, (unsigned)node->id);
    const char *output = from->outputs[node->inputs[i].output].name;
    if (output[0] != 0) ls__buf_printf(out, " [label=\"%s\"]", output);
    ls__buf_puts(out, ";\n");
  }
  for (int i = 0; i < 2; i++) {
    if (node->reads_table[i] == LS_NO_NODE) continue;
    ls__buf_printf(out, "  s%u_0 -> n%u [style=dashed];\n", (unsigned)node->reads_table[i], (unsigned)node->id);
  }
  if (node->verb == LS_VERB_REPARTITION) {
    uint32_t source = node->u.repartition.repartition_source;
    ls__buf_printf(out, "  n%u -> n%u [style=bold];\n", (unsigned)node->id, (unsigned)plan->sources[source].node);
  }
  if (node->verb == LS_VERB_GLOBAL_LOOKUP) {
    ls__buf_printf(out, "  g%u -> n%u [style=dashed];\n", (unsigned)node->u.global_lookup.table, (unsigned)node->id);
  }
}

static void put_places(ls_buf *out, const ls_plan *plan) {
  for (uint32_t i = 0; i < plan->n_globals; i++) {
    ls__buf_printf(out, "  g%u [shape=cylinder, label=\"%s\\nglobal table\"];\n", (unsigned)i, plan->globals[i].name);
  }
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    const ls_plan_source *source = &plan->sources[i];
    if (source->files == NULL) continue;
    ls__buf_printf(out, "  f%u [shape=folder, label=\"", (unsigned)i);
    put_text(out, source->files);
    ls__buf_printf(out, "\"];\n  f%u -> n%u;\n", (unsigned)i, (unsigned)source->node);
  }
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    const ls_plan_sink *sink = &plan->sinks[i];
    if (sink->path_pattern == NULL) continue;
    ls__buf_printf(out, "  o%u [shape=folder, label=\"", (unsigned)i);
    put_text(out, sink->path_pattern);
    ls__buf_printf(out, "\"];\n  n%u -> o%u;\n", (unsigned)sink->node, (unsigned)i);
  }
}

void ls__describe_dot(ls_buf *out, const ls_plan *plan) {
  ls__buf_puts(out, "digraph \"");
  put_text(out, plan->name);
  ls__buf_puts(out, "\" {\n  rankdir=LR;\n");
  for (uint32_t sub = 0; sub < plan->n_sub_topologies; sub++) {
    ls__buf_printf(out, "  subgraph cluster_%u {\n    label=\"sub-topology %u\";\n", (unsigned)sub, (unsigned)sub);
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
      if (plan->nodes[i].sub_topology == sub) put_node(out, &plan->nodes[i]);
    }
    ls__buf_puts(out, "  }\n");
  }
  for (uint32_t i = 0; i < plan->n_nodes; i++) put_edges(out, plan, &plan->nodes[i]);
  put_places(out, plan);
  ls__buf_puts(out, "}\n");
}
