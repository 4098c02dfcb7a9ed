/** @file registry.c  One row per verb. To add a verb: its file, its row here, its keys in topology/options.c. */
#include "base/assert.h"
#include "node/verbs.h"

static const ls_node_vtable *const registry[] = {
    [LS_VERB_FILTER] = &ls__filter_vtable,
    [LS_VERB_SELECT] = &ls__select_vtable,
    [LS_VERB_FLAT_MAP] = &ls__flat_map_vtable,
    [LS_VERB_BRANCH] = &ls__branch_vtable,
    [LS_VERB_MERGE] = &ls__merge_vtable,
    [LS_VERB_SELECT_KEY] = &ls__select_key_vtable,
    [LS_VERB_STREAM_JOIN] = &ls__stream_join_vtable,
    [LS_VERB_TABLE_LOOKUP] = &ls__table_lookup_vtable,
    [LS_VERB_GLOBAL_LOOKUP] = &ls__global_lookup_vtable,
    [LS_VERB_TABLE_JOIN] = &ls__table_join_vtable,
    [LS_VERB_LATEST] = &ls__latest_vtable,
    [LS_VERB_DEDUPLICATE] = &ls__deduplicate_vtable,
    [LS_VERB_AGGREGATE] = &ls__aggregate_vtable,
    [LS_VERB_CHANGES] = &ls__changes_vtable,
};

int ls__node_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  ls_assert((size_t)plan_node->verb < sizeof registry / sizeof *registry && registry[plan_node->verb] != NULL);
  const ls_node_vtable *vtable = registry[plan_node->verb];
  *out = NULL;
  int rc = vtable->open(out, plan_node, env, err);
  if (*out != NULL) {
    (*out)->vtable = vtable;
    (*out)->plan = plan_node;
  }
  return rc; /* on failure the caller closes what open left */
}

void ls__node_close(ls_node *node) {
  if (node != NULL) node->vtable->close(node);
}
