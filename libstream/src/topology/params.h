/**
 * @file params.h
 * Parameters: values from outside, checked against their types and put into the scalars of the tree
 * before anything else looks at it.
 */
#ifndef LS_TOPOLOGY_PARAMS_H
#define LS_TOPOLOGY_PARAMS_H
#include "topology/yaml_tree.h"

/** Reads `parameters`, takes values from opts, environment and defaults, and replaces ${...} in all
 *  other scalars. Scalars that depend on a value that is missing or wrong get a stand-in of its type
 *  and are marked poisoned, so that the rest of the file is still checked. */
void ls__params_apply(ls_yaml_doc *doc, const ls_topology_opts *opts, ls_arena *arena, ls_diag *diag);
/** Whether a value of kafka: properties is read when a run starts: ${env:...} or ${file:...}. */
bool ls__later_value(const char *text);
#endif
