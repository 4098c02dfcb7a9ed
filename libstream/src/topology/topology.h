/** @file topology.h (room)  What the runtime needs of a loaded topology. */
#ifndef LS_TOPOLOGY_TOPOLOGY_H
#define LS_TOPOLOGY_TOPOLOGY_H
#include <libstream/topology.h>
#include "node/plan.h"

/** The plan, owned by the topology. */
const ls_plan *ls__topology_plan(const ls_topology *topology);
/** Binds the rows of a global table for EXISTS (once, before the run; not thread-safe). */
void ls__topology_bind_global(ls_topology *topology, uint32_t global,
                              const ls_batch *(*rows)(void *payload, uint64_t *version), void *payload);
#endif
