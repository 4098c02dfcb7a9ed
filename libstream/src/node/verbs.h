/** @file verbs.h  The verbs' function tables, one file each, listed in registry.c. */
#ifndef LS_NODE_VERBS_H
#define LS_NODE_VERBS_H
#include "node/node_util.h"

/** A batch that shares the rows of `in` under another schema of the same shape. In arena; its columns are borrowed. */
ls_batch *ls__batch_view(const ls_batch *in, const ls_schema *schema, ls_arena *arena);
/** True rows of a BOOL column as bits (value and validity together). */
const uint64_t *ls__true_bits(const ls_column *column, ls_arena *arena);

extern const ls_node_vtable ls__filter_vtable, ls__select_vtable, ls__flat_map_vtable, ls__branch_vtable,
    ls__merge_vtable, ls__select_key_vtable, ls__stream_join_vtable, ls__table_lookup_vtable, ls__global_lookup_vtable,
    ls__table_join_vtable, ls__latest_vtable, ls__deduplicate_vtable, ls__aggregate_vtable, ls__changes_vtable;
#endif
