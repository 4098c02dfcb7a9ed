/**
 * @file task.h
 * A task runs one sub-topology over one partition: slices of source rows through the nodes in topological order, rows out to
 * sinks, repartitioning and dead letters. One thread. The driver builds slices and decides when the input ends.
 */
#ifndef LS_TASK_TASK_H
#define LS_TASK_TASK_H
#include "node/node.h"
#include "port/sink.h"
#include "store/sorter.h"

typedef struct ls_task ls_task;
typedef struct ls_task_opts {
  const ls_plan *plan;
  uint32_t sub_topology;
  int worker; /* index given to ports */
  ls_store_set *stores;
  ls_global *const *globals;
  ls_sink_port *const *sinks;     /* by plan->sinks index; NULL entries: rows are only counted */
  ls_sorter *const *repartitions; /* by plan->sources index; set for repartition sources. NULL: to repartition_ports */
  uint32_t n_partitions;          /* of the repartition sorters */
  ls_sink_port *const *repartition_ports; /* by plan->sources index; get rows whose key is not null */
  ls_dead_letter_port *dead_letters;
  /** Source and coordinates of the record with this seq (record bit set), into a dead letter. False: not known any more, or not
   *  the row of one record. */
  bool (*origin_of)(void *payload, uint64_t seq, uint32_t *source, ls_dead_letter *letter);
  void *origin_payload;
  bool goes_on; /* the input goes on after its end here: windows stay open */
} ls_task_opts;

int ls__task_new(ls_task **out, const ls_task_opts *opts, ls_error *err);
void ls__task_free(ls_task *task);
/** Arena for the batches of the next slice; reset by ls__task_process. */
ls_arena *ls__task_arena(ls_task *task);
/** Runs one slice. batches: by plan->sources index (NULL: none), rows in stamp order. stream_time_us: of its last row. */
int ls__task_process(ls_task *task, const ls_batch *const *batches, int64_t stream_time_us, ls_error *err);
/** No row will come any more. end_us: stream time of the whole input's end. Hands all repartition rows over. */
int ls__task_end(ls_task *task, int64_t end_us, ls_error *err);
/** Counters of a node of this sub-topology. */
const ls_node_counters *ls__task_counters(const ls_task *task, uint32_t node);
/** Partition of a key among n. */
static inline uint32_t ls__partition_of(uint64_t key_hash, uint32_t n) {
  return (uint32_t)((key_hash >> 32) % n);
}
#endif
