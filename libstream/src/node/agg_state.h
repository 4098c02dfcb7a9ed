/**
 * @file agg_state.h
 * State of a set of aggregates as bytes, for stores: by-row, largest record time, then one segment per aggregate. Plain
 * bytes, no pointers. COUNT, SUM and AVG are fixed size; MIN, MAX, FIRST and LAST hold one encoded value; COLLECT a list of
 * them; PLUGIN its accumulator. A set that takes rows back also counts the rows that are in.
 */
#ifndef LS_NODE_AGG_STATE_H
#define LS_NODE_AGG_STATE_H
#include "node/verbs.h"

typedef struct ls_agg_set ls_agg_set;

int ls__agg_set_open(ls_agg_set **out, const ls_plan_node *plan_node, const ls_schema *input, const ls_plan *plan,
                     ls_error *err);
void ls__agg_set_close(ls_agg_set *set);

/** Evaluates the arguments for all rows of a batch; ls__agg_set_add refers to them. */
int ls__agg_set_eval(ls_agg_set *set, const ls_batch *in, ls_arena *arena, ls_row_error_fn on_error, void *payload,
                     ls_error *err);
/**
 * New state = old state (len 0: none yet) plus row. out is replaced.
 * @errors LS_EDATA, LS_EOVERFLOW: the row is at fault, the old state stands; others are fatal
 */
int ls__agg_set_add(ls_buf *out, ls_agg_set *set, ls_slice old, const ls_batch *in, int64_t row, ls_arena *arena,
                    ls_error *err);
/** The same less a row that went in before; only a set that takes rows back, and old is a state. */
int ls__agg_set_take_back(ls_buf *out, ls_agg_set *set, ls_slice old, const ls_batch *in, int64_t row, ls_arena *arena,
                          ls_error *err);
/** Whether all rows that went in were taken back. */
bool ls__agg_state_empty(const ls_agg_set *set, ls_slice state);
/** Whether an aggregate can take rows back: min, max, first, last, collect and sums of float64 can't. */
bool ls__agg_takes_back(const ls_plan_agg *agg);
/** Largest record time that went in. */
int64_t ls__agg_state_ts(ls_slice state);
/** Appends by-columns to columns[0..n_by) and results to columns[n_by + skip ...]. */
int ls__agg_set_finish(ls_column *columns, uint32_t skip, ls_agg_set *set, ls_slice state, ls_arena *arena,
                       ls_error *err);
#endif
