/**
 * @file run.h
 * One replay run: shared state of the driver's phases. Read top to bottom in replay.c: globals, then per sub-topology read
 * and process, then publish. A record's way: edge/file_source -> store/sorter -> task -> port/sink -> edge/lake_sink.
 */
#ifndef LS_RUNTIME_RUN_H
#define LS_RUNTIME_RUN_H
#include "base/alloc.h"
#include "edge/dead_letters.h"
#include "edge/file_source.h"
#include "edge/lake_sink.h"
#include "node/global_table.h"
#include "task/task.h"
#include "topology/topology.h"
#include <libstream/runtime.h>

#include <stdatomic.h>

/** What a live run has done. */
typedef struct ls_live_counts {
  int64_t records, bad_records, restored, standby, commits, aborts, rejoins, lake_files, lake_rows;
} ls_live_counts;

struct ls_runtime {
  ls_topology *topology;
  const ls_plan *plan;
  ls_arena arena;
  ls_runtime_opts opts;       /* strings copied into arena */
  const char *as_of;          /* RFC 3339 */
  int32_t from_days, to_days; /* INT32_MIN / INT32_MAX: all dates */
  uint32_t n_workers;
  int64_t batch_rows;
  char *work_directory; /* of this run, removed at its end */

  ls_lake *lake;
  ls_file_source **files;        /* per plan source; NULL for repartition sources */
  ls_file_source **global_files; /* per global */
  ls_global **globals;
  ls_sort_pool pool;    /* memory of all sorters, sinks included */
  ls_sorter **sorters;  /* per plan source */
  ls_lake_stage *stage; /* where output grows until it is published */
  ls_lake_sink **sinks; /* per plan sink; NULL: no lake binding */
  ls_sink_port **sink_ports;
  ls_sink_totals **came_in;         /* of the sinks that are totals_only; else NULL */
  ls_dead_letters *letters;         /* sources first, then globals */
  ls_dead_letter_port *letter_port; /* of letters; a test may put its own */
  ls_store_db *db;

  atomic_int stop; /* asked to stop, or a worker failed */
  atomic_llong rows_processed;
  _Atomic int64_t end_us; /* largest event time of all records */
  int64_t started_us;     /* monotonic */
  int64_t finished_us;
  _Atomic int64_t last_progress_us;
  ls_node_counters *counters; /* per node, summed over workers */
  const char *status;         /* done, failed, dry_run */
  char error_text[1024];
  int64_t store_bytes_peak;
  ls_live_counts live;
  struct ls_parity *parity; /* of a parity check: where the input comes from and the output goes; else NULL */
};

/* replay.c */
void ls__run_open_sorters(ls_runtime *run);
/** RocksDB in the work directory when some store is to be on disk. */
int ls__run_open_state(ls_runtime *run, ls_error *err);
/** Where output grows, below the lake's root; on S3 in the work directory. */
int ls__run_open_stage(ls_runtime *run, ls_error *err);
/* replay_inputs.c */
int ls__run_open_inputs(ls_runtime *run, ls_error *err);
int ls__run_load_globals(ls_runtime *run, ls_error *err);
/** ls_task_opts.origin_of: what the seq of a record from a file says. */
bool ls__run_origin_of(void *payload, uint64_t seq, uint32_t *source, ls_dead_letter *letter);
int64_t ls__run_records(const ls_runtime *run);
/** Days of a source's files whose bad records are this run's: it limits, publishes and counts them. Of other files that it reads
 *  (all history, the days after), they are those of the runs of their dates. */
void ls__run_own_days(const ls_runtime *run, uint32_t source, int32_t *from, int32_t *to);
int64_t ls__run_own_records(const ls_runtime *run);
/* replay_days.c */
#define LS_MISSING_DAYS_SHOWN 5
typedef struct ls_missing_days {
  int64_t n;                           /* days without a file */
  int32_t days[LS_MISSING_DAYS_SHOWN]; /* the first of them */
  int32_t begins_at; /* first day of the source where the run looks further back; INT32_MIN: it doesn't */
} ls_missing_days;
/** Of a run of given dates: days that it reads (lookahead apart) and that a source with {date} has no file of. */
void ls__run_missing_days(const ls_runtime *run, uint32_t source, ls_missing_days *out);
/** "2026-03-01,2026-03-02": the first of them. */
void ls__run_put_days(ls_buf *out, const ls_missing_days *missing, const char *quote);
/** Logs them, and names that look like a day. */
void ls__run_warn_days(const ls_runtime *run);
int64_t ls__run_bad_records(const ls_runtime *run);
/* replay_stage.c */
int ls__run_read(ls_runtime *run, uint32_t sub_topology, ls_error *err);
/** Partition of each row by its key (unkeyed: by its place); rows marked bad (seq 0) get UINT32_MAX. */
void ls__run_assign_partitions(const ls_runtime *run, const ls_batch *batch, uint32_t *partitions);
/** Whether the files of a sub-topology are read in their own order while they are processed: none of its sources has an event
 *  time, so the total order is (source, file, line) and nothing needs sorting. */
bool ls__run_in_order(const ls_runtime *run, uint32_t sub_topology);
/** Opens and closes all steps once, so that what can't be opened (a function without its secret) ends the run before it reads. */
int ls__run_preflight(ls_runtime *run, ls_error *err);
int ls__run_process(ls_runtime *run, uint32_t sub_topology, ls_error *err);
/* replay_publish.c */
int ls__run_publish(ls_runtime *run, ls_error *err);
/* replay_stale.c */
int ls__run_remove_stale(ls_runtime *run, ls_error *err);
/* run_balance.c */
/** Whether what came in came out, of all sinks that say what to compare; what rows took along that became dead letters is
 *  told, and no fault. @errors LS_EINTERNAL */
int ls__run_check_balance(const ls_runtime *run, ls_error *err);
void ls__run_balance_json(ls_buf *out, const ls_runtime *run, uint32_t sink);
/** "12.5000 in = 10.0000 MATCHED + 2.5000 PARTIAL" for each value of per. */
void ls__run_balance_text(ls_buf *out, const ls_runtime *run, uint32_t sink,
                          void (*begin)(ls_buf *out, const char *per, bool first));
/* run_summary.c */
/** Adds a task's counters of a node to the run's. */
void ls__run_add_counters(ls_runtime *run, uint32_t node, const ls_node_counters *from);
void ls__run_summary(ls_buf *out, const ls_runtime *run);
/** Conservation: what came into a step is what it took, filtered, found late or refused. */
bool ls__run_adds_up(const ls_node_counters *counters);
/* runtime.c */
void ls__run_progress(ls_runtime *run, const char *phase, int64_t done, int64_t total);
int ls__run_check_stop(ls_runtime *run, ls_error *err);
/** Stops the other workers; the code to return: LS_OK for a worker that stopped only because another failed. */
int ls__run_worker_failed(ls_runtime *run, int rc);
#endif
