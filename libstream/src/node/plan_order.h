/** @file plan_order.h  What a plan tells about the order of rows. */
#ifndef LS_NODE_PLAN_ORDER_H
#define LS_NODE_PLAN_ORDER_H
#include "node/plan.h"

/**
 * Whether each task gives all rows of a sink at the end of input, ordered by the sink's key, one of each key: those of a table
 * that is given out at the end, through steps that keep the order and the key.
 */
bool ls__plan_sink_in_key_order(const ls_plan *plan, const ls_plan_sink *sink);
#endif
