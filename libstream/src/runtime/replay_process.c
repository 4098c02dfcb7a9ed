/** @file replay_process.c  Processing a sub-topology: one task per worker, fed from the sorters or from files in their order. */
#include "base/fault.h"
#include "base/thread.h"
#include "runtime/parity.h"
#include "runtime/rounds.h"

#include <stdio.h>

typedef struct stage {
  ls_runtime *run;
  uint32_t sub_topology;
  char phase[64];
  int64_t n_rows;    /* to process, for the progress; 0: unknown */
  ls_rounds *rounds; /* files are read in order; NULL: they are sorted already */
} stage;

/** What one worker works with. */
typedef struct worker_state {
  stage *at;
  feed from;
  ls_task *task;
  ls_store_set *stores;
} worker_state;

bool ls__run_in_order(const ls_runtime *run, uint32_t sub_topology) {
  bool any = false;
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    const ls_plan_source *source = &run->plan->sources[i];
    if (source->sub_topology != sub_topology || run->files[i] == NULL) continue;
    if (source->schema->time_field >= 0) return false;
    any = true;
  }
  return any;
}

/** Runs slices until the feed is empty, or until the unit of a source is used up. */
static int run_slices(worker_state *state, uint32_t of_unit, ls_error *err) {
  stage *at = state->at;
  ls_runtime *run = at->run;
  for (;;) {
    int64_t n_taken, stream_time_us;
    LS_TRY(ls__feed_slice(&state->from, ls__task_arena(state->task), run->batch_rows, of_unit, &n_taken,
                          &stream_time_us, err));
    if (n_taken == 0) return LS_OK;
    LS_TRY(ls__task_process(state->task, (const ls_batch *const *)state->from.batches, stream_time_us, err));
    if (ls__store_set_pressure(state->stores)) LS_TRY(ls__store_set_commit(state->stores, (ls_slice){NULL, 0}, err));
    int64_t done = atomic_fetch_add(&run->rows_processed, n_taken) + n_taken;
    ls__fault(LS_FAULT_REPLAY_PROCESS);
    ls__run_progress(run, at->phase, done, at->n_rows);
    LS_TRY(ls__run_check_stop(run, err));
  }
}

static int on_unit(void *payload, uint32_t source, ls_error *err) {
  return run_slices(payload, source, err);
}

static void add_counters(ls_runtime *run, const ls_task *task, uint32_t sub_topology) {
  static _Atomic int lock; /* workers end one after the other */
  while (atomic_exchange(&lock, 1)) {
  }
  for (uint32_t i = 0; i < run->plan->n_nodes; i++) {
    if (run->plan->nodes[i].sub_topology != sub_topology) continue;
    ls__run_add_counters(run, i, ls__task_counters(task, i));
  }
  atomic_store(&lock, 0);
}

static int open_worker(worker_state *state, uint32_t partition, ls_error *err) {
  stage *at = state->at;
  ls_runtime *run = at->run;
  ls_task_opts opts = {.plan = run->plan,
                       .sub_topology = at->sub_topology,
                       .worker = (int)partition,
                       .stores = state->stores,
                       .globals = run->globals,
                       .sinks = run->sink_ports,
                       .repartitions = run->parity != NULL ? NULL : run->sorters,
                       .repartition_ports = run->parity != NULL ? run->parity->repartition_ports : NULL,
                       .n_partitions = run->n_workers,
                       .dead_letters = run->letter_port,
                       .origin_of = run->parity != NULL ? ls__parity_origin_of : ls__run_origin_of,
                       .origin_payload = run,
                       .goes_on = run->parity != NULL};
  LS_TRY(ls__task_new(&state->task, &opts, err));
  return ls__feed_open(&state->from, run, at->sub_topology, partition, err);
}

/** The worker has no more rows for the sinks of the sub-topology. */
static int end_sinks(const worker_state *state, int worker, ls_error *err) {
  const ls_runtime *run = state->at->run;
  for (uint32_t i = 0; i < run->plan->n_sinks && run->sinks != NULL;
       i++) { /* tests have ports of their own, and no sinks */
    if (run->sinks[i] == NULL || run->plan->nodes[run->plan->sinks[i].node].sub_topology != state->at->sub_topology)
      continue;
    LS_TRY(ls__lake_sink_end(run->sinks[i], worker, err));
  }
  return LS_OK;
}

static int process_partition(worker_state *state, uint32_t partition, ls_error *err) {
  stage *at = state->at;
  ls_runtime *run = at->run;
  int rc = open_worker(state, partition, err);
  if (at->rounds != NULL) {
    int rounds_rc = ls__rounds_run(at->rounds, (int)partition, &state->from, rc < 0, on_unit, state, err);
    if (rc >= 0) rc = rounds_rc;
  }
  if (rc == LS_OK) rc = run_slices(state, UINT32_MAX, err);
  ls__feed_close(&state->from); /* frees what the sorters still hold before the final rows are made */
  if (rc == LS_OK) rc = ls__task_end(state->task, atomic_load(&run->end_us), err);
  if (rc == LS_OK) rc = end_sinks(state, (int)partition, err);
  if (rc == LS_OK) add_counters(run, state->task, at->sub_topology);
  ls__task_free(state->task);
  return rc;
}

static int process_worker(int worker, void *payload, ls_error *err) {
  worker_state state = {.at = payload};
  ls_runtime *run = state.at->run;
  char name[64];
  snprintf(name, sizeof name, "%u_%d", state.at->sub_topology, worker);
  size_t budget = (size_t)run->plan->memory_bytes / 8 * 5 / run->n_workers;
  int rc = ls__store_set_new(&state.stores, run->db, name, budget, err);
  if (run->parity != NULL)
    ls__expr_set_ingest_times(ls__parity_ingest_times(run->parity, state.at->sub_topology, worker));
  if (rc >= 0) rc = process_partition(&state, (uint32_t)worker, err);
  ls__expr_set_ingest_times(NULL);
  if (rc < 0) rc = ls__run_worker_failed(run, rc);
  if (state.stores != NULL) ls__store_set_free(state.stores);
  return rc;
}

int ls__run_preflight(ls_runtime *run, ls_error *err) {
  for (uint32_t i = 0; i < run->plan->n_sub_topologies; i++) {
    stage at = {.run = run, .sub_topology = i};
    worker_state state = {.at = &at};
    int rc = ls__store_set_new(&state.stores, run->db, "preflight", (size_t)run->plan->memory_bytes, err);
    ls_task_opts opts = {.plan = run->plan, .sub_topology = i, .stores = state.stores, .globals = run->globals};
    if (rc >= 0) rc = ls__task_new(&state.task, &opts, err);
    ls__task_free(state.task);
    if (state.stores != NULL) ls__store_set_free(state.stores);
    LS_TRY(rc);
  }
  return LS_OK;
}

int ls__run_process(ls_runtime *run, uint32_t sub_topology, ls_error *err) {
  stage at = {.run = run, .sub_topology = sub_topology};
  snprintf(at.phase, sizeof at.phase, "process %u/%u", sub_topology + 1, run->plan->n_sub_topologies);
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    if (run->plan->sources[i].sub_topology != sub_topology) continue;
    ls__sorter_seal(run->sorters[i]);
    for (uint32_t k = 0; k < run->n_workers; k++) at.n_rows += ls__sorter_rows(run->sorters[i], k);
  }
  if (ls__run_in_order(run, sub_topology)) {
    ls__rounds_new(&at.rounds, run, sub_topology);
    at.n_rows = 0;
  }
  atomic_store(&run->rows_processed, 0);
  int rc = ls__workers_run((int)run->n_workers, process_worker, &at, err);
  ls__rounds_free(at.rounds);
  for (uint32_t i = 0; i < run->plan->n_sources && rc >= 0; i++) {
    if (run->plan->sources[i].sub_topology != sub_topology) continue;
    ls__sorter_free(run->sorters[i]);
    run->sorters[i] = NULL;
  }
  return rc;
}
