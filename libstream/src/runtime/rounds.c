/** @file rounds.c  See rounds.h. */
#include "runtime/rounds.h"

#include "base/fault.h"

#include <pthread.h>

/** A decoded unit, dealt to the partitions. */
typedef struct slot {
  ls_arena arena;
  ls_batch *batch;
  int32_t **rows; /* per partition, row numbers */
  int64_t *n_rows;
} slot;

struct ls_rounds {
  ls_runtime *run;
  uint32_t sub_topology;
  slot *slots;          /* one per worker, filled in unit order */
  pthread_mutex_t lock; /* ties a unit to its slot */
  uint32_t n_filled;
  pthread_barrier_t barrier;
  atomic_int failed; /* some worker can't go on: all leave at the next barrier */
};

void ls__rounds_new(ls_rounds **out, ls_runtime *run, uint32_t sub_topology) {
  ls_rounds *rounds = LS_NEW(ls_rounds);
  *out = rounds;
  rounds->run = run;
  rounds->sub_topology = sub_topology;
  rounds->slots = ls__calloc(run->n_workers, sizeof *rounds->slots);
  for (uint32_t i = 0; i < run->n_workers; i++) ls__arena_init(&rounds->slots[i].arena, (size_t)1 << 20);
  pthread_mutex_init(&rounds->lock, NULL);
  pthread_barrier_init(&rounds->barrier, NULL, run->n_workers);
}

void ls__rounds_free(ls_rounds *rounds) {
  if (rounds == NULL) return;
  for (uint32_t i = 0; i < rounds->run->n_workers; i++) ls__arena_fini(&rounds->slots[i].arena);
  ls__free(rounds->slots);
  pthread_mutex_destroy(&rounds->lock);
  pthread_barrier_destroy(&rounds->barrier);
  ls__free(rounds);
}

/** Deals the rows of a slot's batch: per partition the row numbers, in order. */
static void deal(const ls_runtime *run, slot *to) {
  uint32_t n_parts = run->n_workers;
  int64_t n = to->batch->n_rows;
  uint32_t *partitions = LS_ARENA_ARRAY(&to->arena, uint32_t, n + 1);
  ls__run_assign_partitions(run, to->batch, partitions);
  to->rows = LS_ARENA_ARRAY(&to->arena, int32_t *, n_parts);
  to->n_rows = LS_ARENA_ARRAY(&to->arena, int64_t, n_parts);
  for (int64_t row = 0; row < n; row++) {
    if (partitions[row] != UINT32_MAX) to->n_rows[partitions[row]]++;
  }
  for (uint32_t p = 0; p < n_parts; p++) {
    to->rows[p] = LS_ARENA_ARRAY(&to->arena, int32_t, to->n_rows[p] + 1);
    to->n_rows[p] = 0;
  }
  for (int64_t row = 0; row < n; row++) {
    uint32_t p = partitions[row];
    if (p != UINT32_MAX) to->rows[p][to->n_rows[p]++] = (int32_t)row;
  }
}

/** Takes the next unit and its slot, decodes and deals it. Nothing is left: no slot is filled. */
static int fill_slot(ls_rounds *rounds, uint32_t source, ls_file_worker *files, ls_error *err) {
  int64_t n_rows_max;
  slot *to = NULL;
  pthread_mutex_lock(&rounds->lock);
  int rc = ls__file_worker_next(files, &n_rows_max, err);
  if (rc >= 0 && n_rows_max > 0) to = &rounds->slots[rounds->n_filled++];
  pthread_mutex_unlock(&rounds->lock);
  if (to == NULL) return rc;
  ls__arena_reset(&to->arena);
  to->batch = ls__batch_new(rounds->run->plan->sources[source].schema, &to->arena, n_rows_max);
  LS_TRY(ls__file_worker_decode(files, to->batch, err));
  deal(rounds->run, to);
  ls__fault(LS_FAULT_REPLAY_READ);
  return LS_OK;
}

static int process_slots(ls_rounds *rounds, uint32_t partition, uint32_t source, feed *to, ls_round_fn fn,
                         void *payload, ls_error *err) {
  for (uint32_t i = 0; i < rounds->n_filled; i++) {
    const slot *from = &rounds->slots[i];
    if (from->n_rows[partition] == 0) continue;
    ls__feed_unit(to, source, from->batch, from->rows[partition], from->n_rows[partition]);
    LS_TRY(fn(payload, source, err));
  }
  return LS_OK;
}

/** One round of one worker. *done: the source has no more units, or some worker failed. */
static int one_round(ls_rounds *rounds, int worker, uint32_t source, ls_file_worker *files, feed *to, int rc,
                     ls_round_fn fn, void *payload, bool *done, ls_error *err) {
  if (rc >= 0) rc = fill_slot(rounds, source, files, err);
  if (rc < 0) atomic_store(&rounds->failed, 1);
  pthread_barrier_wait(&rounds->barrier);
  *done = rounds->n_filled == 0 ||
          atomic_load(&rounds->failed) != 0; /* the same for all: none changes until the next barrier */
  int processed = rc;
  pthread_barrier_wait(&rounds->barrier);
  if (!*done) processed = process_slots(rounds, (uint32_t)worker, source, to, fn, payload, err);
  if (processed < 0) atomic_store(&rounds->failed, 1);
  pthread_barrier_wait(&rounds->barrier);
  if (worker == 0) rounds->n_filled = 0;
  pthread_barrier_wait(&rounds->barrier);
  return processed;
}

int ls__rounds_run(ls_rounds *rounds, int worker, feed *to, bool failed, ls_round_fn fn, void *payload, ls_error *err) {
  ls_runtime *run = rounds->run;
  int rc = failed ? LS_ESTOPPED : LS_OK;
  for (uint32_t source = 0; source < run->plan->n_sources; source++) {
    if (run->plan->sources[source].sub_topology != rounds->sub_topology || run->files[source] == NULL) continue;
    ls_file_worker *files = NULL;
    if (rc >= 0) rc = ls__file_worker_new(&files, run->files[source], err);
    for (bool done = false; !done;) rc = one_round(rounds, worker, source, files, to, rc, fn, payload, &done, err);
    ls__file_worker_free(files);
    if (!failed && to->lanes != NULL) ls__feed_unit(to, source, NULL, NULL, 0);
  }
  ls__arena_fini(&rounds->slots[worker]
                      .arena); /* nobody reads a slot behind the last barrier, and the end of input wants the memory */
  if (failed || rc < 0) return failed ? LS_OK : rc;
  return atomic_load(&rounds->failed) != 0 ? LS_ROUNDS_LEFT : LS_OK;
}
