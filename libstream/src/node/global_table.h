/**
 * @file global_table.h
 * A global table: loaded whole before the first record, held once per process, read by every task. Of several rows with
 * one key the last counts.
 */
#ifndef LS_NODE_GLOBAL_TABLE_H
#define LS_NODE_GLOBAL_TABLE_H
#include "node/node.h"

/** Builds from rows in load order. Rows are copied; null keys are skipped. */
void ls__global_new(ls_global **out, const ls_plan_global *plan, const ls_batch *rows);
void ls__global_free(ls_global *global);
/** Other rows in place of those that are there. Nobody may be reading. */
void ls__global_replace(ls_global *global, const ls_batch *rows);
/** Current rows, one per key. @thread any */
const ls_batch *ls__global_rows(const ls_global *global);
/** Row of a key, -1: absent. @thread any */
int32_t ls__global_find(const ls_global *global, ls_slice key, uint64_t hash);
/** For ls_expr_table.rows; payload is the ls_global. */
const ls_batch *ls__global_rows_of(void *payload, uint64_t *version);
#endif
