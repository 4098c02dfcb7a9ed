/** @file replay_stage.c  One sub-topology of a replay: read (decode, sort, partition by key), then process (one task per worker). */
#include "base/fault.h"
#include "base/hash.h"
#include "base/thread.h"
#include "node/node_util.h"
#include "runtime/run.h"

#include <stdio.h>

typedef struct stage {
  ls_runtime *run;
  uint32_t sub_topology;
  char phase[64];
  int64_t n_rows; /* to process, for the progress */
} stage;

static bool reads_files(const stage *at, uint32_t source) {
  return at->run->plan->sources[source].sub_topology == at->sub_topology && at->run->files[source] != NULL;
}

/* ---- read ---- */

/** Raises run->end_us to the batch's largest event time. */
static void note_end(ls_runtime *run, const ls_batch *batch) {
  int64_t end = INT64_MIN;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    if (batch->ts_us[row] > end) end = batch->ts_us[row];
  }
  int64_t seen = atomic_load(&run->end_us);
  while (end > seen && !atomic_compare_exchange_weak(&run->end_us, &seen, end)) {}
}

void ls__run_assign_partitions(const ls_runtime *run, const ls_batch *batch, uint32_t *partitions) {
  const ls_schema *schema = batch->schema;
  ls_buf key = LS_BUF_INIT;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    uint64_t hash;
    if (schema->n_key == 0) {
      hash = ls__hash64((ls_slice){(const char *)&batch->stamps[row].seq, sizeof batch->stamps[row].seq});
    } else {
      ls__buf_clear(&key);
      ls__key_encode(&key, batch, schema->key, schema->n_key, row);
      hash = ls__hash64(ls__buf_slice(&key));
    }
    partitions[row] = batch->stamps[row].seq == 0 ? UINT32_MAX : ls__partition_of(hash, run->n_workers);
  }
  ls__buf_fini(&key);
}

static void read_progress(stage *at) {
  int64_t done = 0, total = 0;
  for (uint32_t i = 0; i < at->run->plan->n_sources; i++) {
    if (!reads_files(at, i)) continue;
    done += ls__file_source_bytes_read(at->run->files[i]);
    total += ls__file_source_bytes(at->run->files[i]);
  }
  ls__run_progress(at->run, at->phase, done < total ? done : total, total);
}

static int read_units(stage *at, uint32_t source, ls_file_worker *files, ls_error *err) {
  ls_runtime *run = at->run;
  ls_sorter *sorter = run->sorters[source];
  ls_arena scratch;
  ls__arena_init(&scratch, (size_t)1 << 18);
  int64_t n_rows_max;
  int rc = ls__file_worker_next(files, &n_rows_max, err);
  while (rc >= 0 && n_rows_max > 0) {
    ls_sort_chunk *chunk = ls__sort_chunk_new(sorter, n_rows_max);
    ls_batch *batch = ls__sort_chunk_batch(chunk);
    rc = ls__file_worker_decode(files, batch, err);
    if (rc < 0) {
      ls__sort_chunk_abandon(chunk);
      break;
    }
    note_end(run, batch);
    ls__arena_reset(&scratch);
    uint32_t *partitions = LS_ARENA_ARRAY(&scratch, uint32_t, batch->n_rows + 1);
    ls__run_assign_partitions(run, batch, partitions);
    rc = ls__sorter_add(sorter, chunk, partitions, err);
    if (rc < 0) break;
    ls__fault(LS_FAULT_REPLAY_READ);
    read_progress(at);
    rc = ls__run_check_stop(run, err);
    if (rc >= 0) rc = ls__file_worker_next(files, &n_rows_max, err);
  }
  ls__arena_fini(&scratch);
  return rc;
}

static int read_worker(int worker, void *payload, ls_error *err) {
  stage *at = payload;
  ls_runtime *run = at->run;
  (void)worker;
  for (uint32_t source = 0; source < run->plan->n_sources; source++) {
    if (!reads_files(at, source)) continue;
    ls_file_worker *files = NULL;
    int rc = ls__file_worker_new(&files, run->files[source], err);
    if (rc >= 0) rc = read_units(at, source, files, err);
    ls__file_worker_free(files);
    if (rc < 0) return ls__run_worker_failed(run, rc);
  }
  return LS_OK;
}

int ls__run_read(ls_runtime *run, uint32_t sub_topology, ls_error *err) {
  stage at = {.run = run, .sub_topology = sub_topology};
  snprintf(at.phase, sizeof at.phase, "read %u/%u", sub_topology + 1, run->plan->n_sub_topologies);
  return ls__workers_run((int)run->n_workers, read_worker, &at, err);
}

/* ---- process ---- */

typedef struct feed {
  uint32_t n_sources;
  ls_sort_reader **readers;   /* per plan source, NULL: not of this sub-topology */
  ls_batch **batches;         /* of the slice being built */
} feed;

static int feed_open(feed *at, ls_runtime *run, uint32_t sub_topology, uint32_t partition, ls_error *err) {
  at->n_sources = run->plan->n_sources;
  at->readers = ls__calloc(at->n_sources, sizeof *at->readers);
  at->batches = ls__calloc(at->n_sources, sizeof *at->batches);
  for (uint32_t i = 0; i < at->n_sources; i++) {
    if (run->plan->sources[i].sub_topology != sub_topology) continue;
    LS_TRY(ls__sort_reader_open(&at->readers[i], run->sorters[i], partition, err));
  }
  return LS_OK;
}

static void feed_close(feed *at) {
  for (uint32_t i = 0; i < at->n_sources; i++) ls__sort_reader_close(at->readers[i]);
  ls__free(at->readers);
  ls__free(at->batches);
}

/** Source with the next row, n_sources at the end. */
static uint32_t feed_next(const feed *at, ls_stamp *stamp) {
  uint32_t best = at->n_sources;
  for (uint32_t i = 0; i < at->n_sources; i++) {
    ls_stamp mine;
    if (at->readers[i] == NULL || !ls__sort_reader_peek(at->readers[i], &mine)) continue;
    if (best == at->n_sources || ls__stamp_cmp(mine, *stamp) < 0) {
      best = i;
      *stamp = mine;
    }
  }
  return best;
}

/** Takes the next rows in stamp order, at least n_rows_min of them if there are, and all rows of the last stamp. */
static int feed_slice(feed *at, ls_runtime *run, ls_arena *arena, int64_t n_rows_min, int64_t *n_taken, int64_t *stream_time_us, ls_error *err) {
  memset(at->batches, 0, at->n_sources * sizeof *at->batches);
  *n_taken = 0;
  ls_stamp stamp, last = {0, 0};
  for (uint32_t i = feed_next(at, &stamp); i < at->n_sources; i = feed_next(at, &stamp)) {
    if (*n_taken >= n_rows_min && ls__stamp_cmp(stamp, last) != 0) break;
    if (at->batches[i] == NULL) at->batches[i] = ls__batch_new(run->plan->sources[i].schema, arena, n_rows_min);
    LS_TRY(ls__sort_reader_take(at->readers[i], at->batches[i], err));
    last = stamp;
    ++*n_taken;
  }
  *stream_time_us = last.ts_us;
  for (uint32_t i = 0; i < at->n_sources; i++) {
    if (at->batches[i] != NULL) LS_TRY(ls__sort_reader_flush(at->readers[i], at->batches[i], err));
  }
  return LS_OK;
}

static int run_slices(stage *at, feed *from, ls_task *task, ls_store_set *stores, ls_error *err) {
  ls_runtime *run = at->run;
  for (;;) {
    int64_t n_taken, stream_time_us;
    LS_TRY(feed_slice(from, run, ls__task_arena(task), run->batch_rows, &n_taken, &stream_time_us, err));
    if (n_taken == 0) return LS_OK;
    LS_TRY(ls__task_process(task, (const ls_batch *const *)from->batches, stream_time_us, err));
    if (ls__store_set_pressure(stores)) LS_TRY(ls__store_set_commit(stores, (ls_slice){NULL, 0}, err));
    int64_t done = atomic_fetch_add(&run->rows_processed, n_taken) + n_taken;
    ls__fault(LS_FAULT_REPLAY_PROCESS);
    ls__run_progress(run, at->phase, done, at->n_rows);
    LS_TRY(ls__run_check_stop(run, err));
  }
}

static void add_counters(ls_runtime *run, const ls_task *task, uint32_t sub_topology) {
  static _Atomic int lock; /* workers end one after the other */
  while (atomic_exchange(&lock, 1)) {}
  for (uint32_t i = 0; i < run->plan->n_nodes; i++) {
    if (run->plan->nodes[i].sub_topology != sub_topology) continue;
    const ls_node_counters *from = ls__task_counters(task, i);
    ls_node_counters *to = &run->counters[i];
    to->rows_in += from->rows_in;
    to->rows_out += from->rows_out;
    to->taken += from->taken;
    to->filtered += from->filtered;
    to->late += from->late;
    to->dead += from->dead;
    to->unmatched += from->unmatched;
  }
  atomic_store(&lock, 0);
}

static int process_partition(stage *at, uint32_t partition, ls_store_set *stores, ls_error *err) {
  ls_runtime *run = at->run;
  ls_task_opts opts = {.plan = run->plan, .sub_topology = at->sub_topology, .worker = (int)partition, .stores = stores,
                       .globals = run->globals, .sinks = run->sink_ports, .repartitions = run->sorters,
                       .n_partitions = run->n_workers, .dead_letters = run->letter_port,
                       .file_of = ls__run_file_of, .file_payload = run};
  ls_task *task = NULL;
  feed from = {0};
  int rc = ls__task_new(&task, &opts, err);
  if (rc >= 0) rc = feed_open(&from, run, at->sub_topology, partition, err);
  if (rc >= 0) rc = run_slices(at, &from, task, stores, err);
  feed_close(&from); /* frees what the sorters still hold before the final rows are made */
  if (rc >= 0) rc = ls__task_end(task, atomic_load(&run->end_us), err);
  if (rc >= 0) add_counters(run, task, at->sub_topology);
  ls__task_free(task);
  return rc;
}

static int process_worker(int worker, void *payload, ls_error *err) {
  stage *at = payload;
  ls_runtime *run = at->run;
  char name[64];
  snprintf(name, sizeof name, "%u_%d", at->sub_topology, worker);
  size_t budget = (size_t)run->plan->memory_bytes / 8 * 5 / run->n_workers;
  ls_store_set *stores = NULL;
  int rc = ls__store_set_new(&stores, run->db, name, budget, err);
  if (rc >= 0) rc = process_partition(at, (uint32_t)worker, stores, err);
  if (rc < 0) rc = ls__run_worker_failed(run, rc);
  if (stores != NULL) ls__store_set_free(stores);
  return rc;
}

int ls__run_process(ls_runtime *run, uint32_t sub_topology, ls_error *err) {
  stage at = {.run = run, .sub_topology = sub_topology};
  snprintf(at.phase, sizeof at.phase, "process %u/%u", sub_topology + 1, run->plan->n_sub_topologies);
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    if (run->plan->sources[i].sub_topology != sub_topology) continue;
    ls__sorter_seal(run->sorters[i]);
    for (uint32_t k = 0; k < run->n_workers; k++) at.n_rows += ls__sorter_rows(run->sorters[i], k);
  }
  atomic_store(&run->rows_processed, 0);
  int rc = ls__workers_run((int)run->n_workers, process_worker, &at, err);
  for (uint32_t i = 0; i < run->plan->n_sources && rc >= 0; i++) {
    if (run->plan->sources[i].sub_topology != sub_topology) continue;
    ls__sorter_free(run->sorters[i]);
    run->sorters[i] = NULL;
  }
  return rc;
}
