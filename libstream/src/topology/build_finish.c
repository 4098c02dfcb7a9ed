/** @file build_finish.c  The last touches: numbers of sub-topologies, the plan's arrays. */
#include "base/assert.h"
#include "topology/build.h"

/* A component may be numbered when all that it reads through repartition sources is. */
static bool is_ready(const ls_build *b, const uint32_t *numbers, uint32_t component) {
  for (uint32_t i = b->n_file_sources; i < b->plan->n_sources; i++) {
    uint32_t node = b->sources[i].node;
    if (ls__build_component(b, node) != component) continue;
    if (numbers[ls__build_component(b, node - 1)] == LS_NO_NODE) return false;
  }
  return true;
}

static void number_components(ls_build *b, uint32_t *numbers) {
  uint32_t n = b->plan->n_nodes, next = 0;
  for (uint32_t i = 0; i < n; i++) numbers[i] = LS_NO_NODE;
  for (bool grown = true; grown;) {
    grown = false;
    for (uint32_t i = 0; i < n; i++) {
      if (ls__build_component(b, i) != i || numbers[i] != LS_NO_NODE) continue;
      if (!is_ready(b, numbers, i)) continue;
      numbers[i] = next++;
      grown = true;
    }
  }
  b->plan->n_sub_topologies = next;
}

void ls__build_finish(ls_build *b) {
  uint32_t *numbers = LS_ARENA_ARRAY(b->arena, uint32_t, b->plan->n_nodes + 1);
  number_components(b, numbers);
  for (uint32_t i = 0; i < b->plan->n_nodes; i++) {
    b->nodes[i].sub_topology = numbers[ls__build_component(b, i)];
    ls_assert(b->nodes[i].sub_topology != LS_NO_NODE); /* joins keep the graph without circles */
  }
  for (uint32_t i = 0; i < b->plan->n_sources; i++) {
    b->sources[i].sub_topology = b->nodes[b->sources[i].node].sub_topology;
  }
  ls__build_liveness(b);
  ls__build_filled(b);
  ls__build_retractions(b);
  b->plan->nodes = b->nodes;
  b->plan->sources = b->sources;
  b->plan->globals = b->globals;
  b->plan->sinks = b->sinks;
}
