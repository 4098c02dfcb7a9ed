/** @file topology.h (room)  What the runtime needs of a loaded topology. */
#ifndef LS_TOPOLOGY_TOPOLOGY_H
#define LS_TOPOLOGY_TOPOLOGY_H
#include "node/plan.h"
#include <libstream/topology.h>

/** The plan, owned by the topology. */
const ls_plan *ls__topology_plan(const ls_topology *topology);
/** Binds the rows of a global table for EXISTS (once, before the run; not thread-safe). */
void ls__topology_bind_global(ls_topology *topology, uint32_t global,
                              const ls_batch *(*rows)(void *payload, uint64_t *version), void *payload);
/** Makes the plan one of a live run, or of a replay again. Before tasks are made.
 *  @errors LS_ECONFIG a source or table without a live binding; a step that has no meaning without an end of the input */
int ls__topology_set_live(ls_topology *topology, bool live, ls_error *err);
#endif
