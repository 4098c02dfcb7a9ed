/**
 * @file node.h
 * A node is one step of a sub-topology, opened once per task: batches of a slice in, batches out. Nodes see no file,
 * clock or thread.
 *
 * Meaning is record at a time, in stamp order: a node with several inputs walks the rows of all of them by (stamp, input
 * index). A slice holds all rows of a record, so that how the input is cut into slices can't be observed. Timers (window
 * closes) fire at their own time, before any record of the same or a later stream time.
 */
#ifndef LS_NODE_NODE_H
#define LS_NODE_NODE_H
#include "node/plan.h"

typedef struct ls_node ls_node;
typedef struct ls_global ls_global; /* a loaded global table: global_table.h */

/**
 * Counted per node. Conservation, checked at the end of a run: rows_in = taken + filtered + late + dead. taken: passed on, or
 * taken into state; rows_out may differ from it (fan-out, joins, aggregates).
 */
typedef struct ls_node_counters {
  int64_t rows_in, rows_out, taken, filtered, late, dead;
  int64_t unmatched; /* rows of a windowed join whose window closed without a partner; they were taken */
} ls_node_counters;

/** Reports a row that a node could not process (expression or plugin error). @thread the task's */
typedef void (*ls_node_error_fn)(void *payload, const ls_plan_node *node, const ls_batch *batch, int64_t row,
                                 const char *message);

typedef struct ls_node_env {
  const ls_plan *plan;
  ls_store_set *stores;
  ls_node *const *nodes;     /* by id; those with smaller ids are open */
  ls_global *const *globals; /* by plan->globals index */
} ls_node_env;

/** One call: a slice, or the end of input. */
typedef struct ls_node_call {
  const ls_batch *const *inputs; /* n_inputs; an empty batch when an input has no rows */
  ls_batch **outputs;            /* n_outputs; the node sets them: new ones in arena, or an input passed on */
  int64_t stream_time_us;        /* timers due up to here fire after the rows */
  ls_arena *arena;               /* until the slice is done */
  ls_node_error_fn on_error;
  void *error_payload;
  /** End of input only: hands the outputs filled so far downstream; outputs are fresh empty batches after it. */
  int (*flush)(struct ls_node_call *call, ls_error *err);
  void *flush_payload;
  const ls_plan_node *plan_node;
} ls_node_call;

typedef struct ls_node_vtable {
  int (*open)(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err);
  int (*process)(ls_node *node, ls_node_call *call, ls_error *err);
  /** All input is seen: fire all timers, emit final rows. NULL: nothing to do. */
  int (*end)(ls_node *node, ls_node_call *call, ls_error *err);
  void (*end_slice)(ls_node *node); /* NULL: nothing to do */
  void (*close)(ls_node *node);
  /** When the next timer is due, INT64_MAX: none is set. NULL: the node has no timers. */
  int64_t (*next_due_us)(const ls_node *node);
} ls_node_vtable;

/** First member of every node's struct. */
struct ls_node {
  const ls_node_vtable *vtable;
  const ls_plan_node *plan;
  ls_node_counters counters;
  /** Nodes that make a table: the table, and how a stored value becomes one row of the node's output schema. */
  ls_table *table;
  int (*table_decode)(ls_node *node, ls_slice value, ls_column *columns, ls_error *err);
};

/** Opens the node of a plan node: registry.c has one row per verb. SOURCE, SINK and REPARTITION are the task's. */
int ls__node_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err);
void ls__node_close(ls_node *node);
#endif
