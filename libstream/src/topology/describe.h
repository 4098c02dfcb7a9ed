/** @file describe.h  Shared by the two forms of a description. */
#ifndef LS_TOPOLOGY_DESCRIBE_H
#define LS_TOPOLOGY_DESCRIBE_H
#include "node/plan.h"

/** The plan as Graphviz text: a cluster per sub-topology, stores as cylinders. */
void ls__describe_dot(ls_buf *out, const ls_plan *plan);
/** Verb as in the file: "left_join". */
const char *ls__describe_join_kind(const ls_plan_node *node);
void ls__describe_duration(ls_buf *out, int64_t us);
/** Whether a source, table or sink has a topic. */
bool ls__plan_has_topics(const ls_plan *plan);
/** How a live run goes: cluster, transactions, internal topics. Nothing when no source, table or sink has a topic. */
void ls__describe_live(ls_buf *out, const ls_plan *plan);
#endif
