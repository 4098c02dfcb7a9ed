/** @file merger.c  See merger.h. */
#include "store/merger.h"

#include "base/assert.h"
#include "base/fault.h"
#include "store/sorter_internal.h"

#include <unistd.h>

#define IN_MEMORY_MIN 2 /* chunks of a producer that stay in memory however short it is */

/** A chunk on its way: in memory, or a block of the file. */
typedef struct queued {
  ls_sort_chunk *chunk; /* NULL: in the file */
  int64_t at, end;
} queued;

typedef struct producer {
  queued *queue; /* ring */
  size_t first, n, capacity;
  bool ended;
  ls_sort_cursor *cursor; /* what is being merged; chunk NULL: nothing */
} producer;

struct ls_merger {
  ls_merger_opts opts;
  producer *producers;
  pthread_mutex_t lock; /* guards queues, ended, merging, written, fd */
  bool merging; /* some thread merges: what is below is its alone. Stays set after the last row, and after a failure */
  int fd;       /* -1: nothing was spilled */
  int64_t written;
  ls_sort_heap heap;   /* cursors with rows left */
  ls_taken_row *taken; /* fewer than batch_rows */
  size_t n_taken;
  ls_sort_chunk **done; /* passed, but for taken rows */
  size_t n_done, done_capacity;
  ls_arena arena; /* of one batch */
};

void ls__merger_new(ls_merger **out, const ls_merger_opts *opts) {
  ls_merger *merger = LS_NEW(ls_merger);
  *out = merger;
  merger->opts = *opts;
  merger->fd = -1;
  merger->producers = ls__calloc(opts->n_producers, sizeof *merger->producers);
  merger->taken = ls__calloc((size_t)opts->batch_rows, sizeof *merger->taken);
  pthread_mutex_init(&merger->lock, NULL);
  ls__arena_init(&merger->arena, (size_t)1 << 20);
  ls__sort_heap_init(&merger->heap, true, opts->n_producers);
  for (uint32_t i = 0; i < opts->n_producers; i++) merger->producers[i].cursor = &merger->heap.storage[i];
}

static void release_done(ls_merger *merger) {
  for (size_t i = 0; i < merger->n_done; i++) ls__sort_chunk_release(merger->done[i]);
  merger->n_done = 0;
}

void ls__merger_free(ls_merger *merger) {
  if (merger == NULL) return;
  release_done(merger);
  for (uint32_t i = 0; i < merger->opts.n_producers; i++) {
    producer *from = &merger->producers[i];
    if (from->cursor->chunk != NULL) ls__sort_chunk_release(from->cursor->chunk);
    for (size_t k = 0; k < from->n; k++) {
      ls_sort_chunk *chunk = from->queue[(from->first + k) % from->capacity].chunk;
      if (chunk != NULL) ls__sort_chunk_release(chunk);
    }
    ls__free(from->queue);
  }
  if (merger->fd >= 0) close(merger->fd);
  ls__sort_heap_fini(&merger->heap);
  ls__arena_fini(&merger->arena);
  ls__free(merger->taken);
  ls__free(merger->done);
  ls__free(merger->producers);
  pthread_mutex_destroy(&merger->lock);
  ls__free(merger);
}

/* ---- queues: all under the lock ---- */

static void queue_put(producer *to, queued entry) {
  if (to->n == to->capacity) {
    size_t capacity = to->capacity == 0 ? 8 : to->capacity * 2;
    queued *queue = ls__calloc(capacity, sizeof *queue);
    for (size_t i = 0; i < to->n; i++) queue[i] = to->queue[(to->first + i) % to->capacity];
    ls__free(to->queue);
    to->queue = queue;
    to->capacity = capacity;
    to->first = 0;
  }
  to->queue[(to->first + to->n++) % to->capacity] = entry;
}

static queued queue_take(producer *from) {
  queued entry = from->queue[from->first];
  from->first = (from->first + 1) % from->capacity;
  from->n--;
  return entry;
}

/** Whether the caller is to merge: nobody does, everybody has rows or has ended, and no one else had better do it. */
static bool may_merge(ls_merger *merger, const producer *mine) {
  bool leads = mine->ended || mine->n > 1, any_ended = false;
  if (merger->merging) return false;
  for (uint32_t i = 0; i < merger->opts.n_producers; i++) {
    const producer *at = &merger->producers[i];
    if (at->n == 0 && at->cursor->chunk == NULL && !at->ended) return false;
    if (at->n > mine->n)
      leads = false; /* that one is further ahead: with several mergers, both would work and the distance stay */
    any_ended = any_ended || at->ended;
  }
  leads = leads || any_ended;
  merger->merging = leads;
  return leads;
}

/** The next chunk of a producer. 0: none yet, and somebody else merges when it comes. */
static int next_chunk(queued *out, ls_merger *merger, producer *from) {
  pthread_mutex_lock(&merger->lock);
  int rc = from->n > 0 || from->ended;
  *out = from->n > 0 ? queue_take(from) : (queued){0};
  if (rc == 0) merger->merging = false;
  pthread_mutex_unlock(&merger->lock);
  return rc;
}

/* ---- merging: one thread at a time ---- */

/** Hands the taken rows on. */
static int flush(ls_merger *merger, ls_error *err) {
  if (merger->n_taken == 0) return LS_OK;
  ls_batch *batch = ls__batch_new(merger->opts.schema, &merger->arena, (int64_t)merger->n_taken);
  ls__sort_gather(batch, merger->taken, merger->n_taken);
  merger->n_taken = 0;
  release_done(merger);
  int rc = merger->opts.take(merger->opts.payload, batch, err);
  ls__arena_reset(&merger->arena);
  return rc;
}

/** 1: every producer that has not ended has a row in the heap; 0: not yet. */
static int refill(ls_merger *merger, ls_error *err) {
  for (uint32_t i = 0; i < merger->opts.n_producers; i++) {
    producer *from = &merger->producers[i];
    if (from->cursor->chunk != NULL) continue;
    queued next;
    if (next_chunk(&next, merger, from) == 0) return 0;
    if (next.chunk == NULL && next.end == 0) continue; /* ended */
    if (next.chunk == NULL) {
      LS_TRY(ls__spill_block_read(&next.chunk, merger->opts.schema, merger->fd, &next.at, next.end, err));
      ls__sort_chunk_as_sorted(next.chunk, true);
    }
    *from->cursor = (ls_sort_cursor){
        .chunk = next.chunk, .entries = next.chunk->parts[0].entries, .n = next.chunk->parts[0].n, .arrival = i};
    ls__sort_heap_push(&merger->heap, from->cursor);
  }
  return 1;
}

/** Takes rows until some cursor is used up. */
static int take_rows(ls_merger *merger, ls_error *err) {
  for (ls_sort_cursor *top = ls__sort_heap_top(&merger->heap); top != NULL; top = ls__sort_heap_top(&merger->heap)) {
    merger->taken[merger->n_taken++] =
        (ls_taken_row){top->chunk, top->chunk->batch->columns, top->entries[top->at].row};
    bool used_up = ++top->at == top->n;
    ls__sort_heap_settle(&merger->heap);
    if (used_up) {
      ls__grow(&merger->done, &merger->done_capacity, merger->n_done + 1, sizeof *merger->done);
      merger->done[merger->n_done++] = top->chunk;
      top->chunk = NULL;
    }
    if (merger->n_taken == (size_t)merger->opts.batch_rows) LS_TRY(flush(merger, err));
    if (used_up) return LS_OK;
  }
  return LS_OK;
}

/** Merges what can be merged. */
static int merge(ls_merger *merger, ls_error *err) {
  for (;;) {
    int rc = refill(merger, err);
    if (rc <= 0) return rc;
    if (ls__sort_heap_top(&merger->heap) == NULL) return flush(merger, err); /* all have ended */
    LS_TRY(take_rows(merger, err));
  }
}

/* ---- producers ---- */

/** Whether a producer so far ahead should write its chunk to the file. */
static bool is_short(ls_merger *merger, const producer *mine) {
  ls_sort_pool *pool = merger->opts.pool;
  if (pool == NULL || atomic_load(&pool->bytes) <= pool->limit_bytes) return false;
  pthread_mutex_lock(&merger->lock);
  bool ahead = mine->n >= IN_MEMORY_MIN;
  pthread_mutex_unlock(&merger->lock);
  return ahead;
}

static int spill(queued *out, ls_merger *merger, ls_sort_chunk *chunk, ls_error *err) {
  ls_buf block = LS_BUF_INIT;
  ls__spill_block_put(&block, chunk);
  pthread_mutex_lock(&merger->lock);
  int rc = merger->fd >= 0 ? LS_OK : ls__spill_open(&merger->fd, merger->opts.spill_directory, err);
  *out = (queued){NULL, merger->written, merger->written + (int64_t)block.len};
  merger->written = out->end;
  pthread_mutex_unlock(&merger->lock);
  if (rc >= 0) rc = ls__spill_write(merger->fd, ls__buf_slice(&block), out->at, err);
  ls__buf_fini(&block);
  ls__sort_chunk_release(chunk);
  ls__fault(LS_FAULT_SHUFFLE_SPILL);
  return rc;
}

static void check_order(const ls_sort_chunk *chunk) {
  ls_assert(chunk->n_keys == (size_t)chunk->batch->n_rows);
  for (int64_t row = 1; row < chunk->batch->n_rows; row++) {
    ls_assert(ls__slice_cmp(ls__sort_chunk_key(chunk, row - 1), ls__sort_chunk_key(chunk, row)) < 0);
  }
}

int ls__merger_add(ls_merger *merger, uint32_t producer_index, ls_sort_chunk *chunk, ls_error *err) {
  producer *mine = &merger->producers[producer_index];
  check_order(chunk);
  atomic_store(&chunk->n_users, 1);
  queued entry = {.chunk = chunk};
  if (is_short(merger, mine)) {
    LS_TRY(spill(&entry, merger, chunk, err));
  } else {
    ls__sort_chunk_as_sorted(chunk, true);
    ls__sort_chunk_join_pool(chunk, merger->opts.pool);
  }
  pthread_mutex_lock(&merger->lock);
  queue_put(mine, entry);
  bool mine_to_merge = may_merge(merger, mine);
  pthread_mutex_unlock(&merger->lock);
  return mine_to_merge ? merge(merger, err) : LS_OK;
}

int ls__merger_end(ls_merger *merger, uint32_t producer_index, ls_error *err) {
  producer *mine = &merger->producers[producer_index];
  pthread_mutex_lock(&merger->lock);
  mine->ended = true;
  bool mine_to_merge = may_merge(merger, mine);
  pthread_mutex_unlock(&merger->lock);
  return mine_to_merge ? merge(merger, err) : LS_OK;
}
