/** @file replay_read.c  Reading a sub-topology's files: decoded side by side, sorted by stamp, partitioned by key. */
#include "base/fault.h"
#include "base/hash.h"
#include "base/thread.h"
#include "runtime/run.h"

#include <stdio.h>

typedef struct stage {
  ls_runtime *run;
  uint32_t sub_topology;
  char phase[64];
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
  while (end > seen && !atomic_compare_exchange_weak(&run->end_us, &seen, end)) {
  }
}

void ls__run_assign_partitions(const ls_runtime *run, const ls_batch *batch, uint32_t *partitions) {
  const ls_schema *schema = batch->schema;
  ls_buf key = LS_BUF_INIT;
  uint64_t hash = 0; /* of the row before: rows of a key often come together */
  for (int64_t row = 0; row < batch->n_rows; row++) {
    if (schema->n_key == 0) {
      hash = ls__hash64((ls_slice){(const char *)&batch->stamps[row].seq, sizeof batch->stamps[row].seq});
    } else if (row == 0 || !ls__key_same(batch, schema->key, schema->n_key, row, row - 1)) {
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
