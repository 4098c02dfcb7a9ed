/** @file sorter.c  See sorter.h: chunks, their sorted indexes, spilling. Reading is in sort_reader.c. */
#include "store/sorter_internal.h"

#include "base/assert.h"
#include "base/fault.h"

#include <unistd.h>

void ls__sorter_new(ls_sorter **out, const ls_sorter_opts *opts) {
  ls_sorter *sorter = LS_NEW(ls_sorter);
  sorter->opts = *opts;
  sorter->n_rows = ls__calloc(opts->n_partitions, sizeof *sorter->n_rows);
  sorter->opened = ls__calloc(opts->n_partitions, sizeof *sorter->opened);
  pthread_mutex_init(&sorter->lock, NULL);
  pthread_cond_init(&sorter->spilled, NULL);
  *out = sorter;
}

static void chunk_free(ls_sort_chunk *chunk) {
  for (uint32_t p = 0; chunk->parts != NULL && p < chunk->n_parts; p++) ls__free(chunk->parts[p].entries);
  ls__free(chunk->parts);
  if (chunk->pool != NULL) atomic_fetch_sub(&chunk->pool->bytes, chunk->pooled_bytes);
  ls__free(chunk->key_ends);
  ls__buf_fini(&chunk->keys);
  ls__arena_fini(&chunk->arena);
  ls__free(chunk);
}

void ls__sort_chunk_release(ls_sort_chunk *chunk) {
  if (atomic_fetch_sub(&chunk->n_users, 1) == 1) chunk_free(chunk);
}

void ls__sorter_free(ls_sorter *sorter) {
  if (sorter == NULL) return;
  for (size_t i = 0; i < sorter->n_chunks && !sorter->sealed; i++) ls__sort_chunk_release(sorter->chunks[i]);
  for (uint32_t p = 0; p < sorter->opts.n_partitions && sorter->sealed; p++) {
    for (size_t i = 0; i < sorter->n_chunks && !sorter->opened[p]; i++) ls__sort_chunk_release(sorter->chunks[i]);
  }
  for (size_t i = 0; i < sorter->n_runs; i++) {
    if (sorter->runs[i].fd >= 0) close(sorter->runs[i].fd);
    ls__free(sorter->runs[i].starts);
  }
  ls__free(sorter->chunks);
  ls__free(sorter->runs);
  ls__free(sorter->n_rows);
  ls__free(sorter->opened);
  pthread_cond_destroy(&sorter->spilled);
  pthread_mutex_destroy(&sorter->lock);
  ls__free(sorter);
}

ls_sort_chunk *ls__sort_chunk_of(const ls_schema *schema, int64_t capacity_rows) {
  ls_sort_chunk *chunk = LS_NEW(ls_sort_chunk);
  ls__arena_init(&chunk->arena, 256 * 1024);
  chunk->batch = ls__batch_new(schema, &chunk->arena, capacity_rows);
  return chunk;
}

ls_sort_chunk *ls__sort_chunk_new(ls_sorter *sorter, int64_t capacity_rows) {
  return ls__sort_chunk_of(sorter->opts.schema, capacity_rows);
}

ls_batch *ls__sort_chunk_batch(ls_sort_chunk *chunk) {
  return chunk->batch;
}

void ls__sort_chunk_add_key(ls_sort_chunk *chunk, ls_slice key) {
  ls__grow(&chunk->key_ends, &chunk->key_ends_capacity, chunk->n_keys + 1, sizeof *chunk->key_ends);
  ls__buf_append(&chunk->keys, key.ptr, key.len);
  chunk->key_ends[chunk->n_keys++] = (uint32_t)chunk->keys.len;
}

size_t ls__sort_chunk_bytes(const ls_sort_chunk *chunk) {
  return chunk->arena.reserved_bytes + chunk->keys.capacity + chunk->key_ends_capacity * sizeof *chunk->key_ends +
         chunk->index_bytes;
}

void ls__sort_chunk_abandon(ls_sort_chunk *chunk) {
  if (chunk != NULL) chunk_free(chunk);
}

/** First 16 bytes of a key as two big-endian numbers: compares like the bytes. */
static void key_prefix(ls_slice key, ls_sort_entry *entry) {
  unsigned char head[16] = {0};
  if (key.len > 0) memcpy(head, key.ptr, key.len < sizeof head ? key.len : sizeof head);
  uint64_t a, b;
  memcpy(&a, head, 8);
  memcpy(&b, head + 8, 8);
  entry->a = __builtin_bswap64(a);
  entry->b = __builtin_bswap64(b);
}

void ls__sort_entry_of(ls_sort_entry *entry, bool keyed, const ls_sort_chunk *chunk, int64_t row) {
  entry->row = (uint32_t)row;
  if (keyed) {
    key_prefix(ls__sort_chunk_key(chunk, row), entry);
  } else {
    entry->a = (uint64_t)chunk->batch->stamps[row].ts_us ^ (UINT64_C(1) << 63);
    entry->b = chunk->batch->stamps[row].seq;
  }
}

void ls__sort_chunk_as_sorted(ls_sort_chunk *chunk, bool keyed) {
  size_t n = (size_t)chunk->batch->n_rows;
  chunk->n_parts = 1;
  chunk->parts = ls__calloc(1, sizeof *chunk->parts);
  chunk->parts[0] = (ls_sort_part){ls__alloc((n + 1) * sizeof(ls_sort_entry)), n};
  chunk->index_bytes = n * sizeof(ls_sort_entry);
  for (size_t row = 0; row < n; row++) ls__sort_entry_of(&chunk->parts[0].entries[row], keyed, chunk, (int64_t)row);
}

/** Whether x goes before or equals y; full comparison within one chunk. */
static bool entry_before(const ls_sorter *sorter, const ls_sort_chunk *chunk, const ls_sort_entry *x,
                         const ls_sort_entry *y) {
  if (x->a != y->a) return x->a < y->a;
  if (x->b != y->b) return x->b < y->b;
  if (!sorter->opts.keyed) return true;
  int order = ls__slice_cmp(ls__sort_chunk_key(chunk, x->row), ls__sort_chunk_key(chunk, y->row));
  if (order != 0) return order < 0;
  return ls__stamp_cmp(chunk->batch->stamps[x->row], chunk->batch->stamps[y->row]) <= 0;
}

/** Stable bottom-up merge sort that starts from the runs it finds: sorted input costs one pass. */
static void sort_entries(const ls_sorter *sorter, const ls_sort_chunk *chunk, ls_sort_entry *entries, size_t n) {
  if (n < 2) return;
  ls_sort_entry *spare = ls__alloc(n * sizeof *entries), *from = entries, *to = spare;
  size_t *bounds = ls__alloc((n + 2) * sizeof *bounds), n_runs = 0;
  bounds[n_runs++] = 0;
  for (size_t i = 1; i < n; i++) {
    if (!entry_before(sorter, chunk, &entries[i - 1], &entries[i])) bounds[n_runs++] = i;
  }
  bounds[n_runs] = n;
  while (n_runs > 1) {
    size_t n_merged = 0;
    for (size_t r = 0; r < n_runs; r += 2) {
      size_t low = bounds[r], mid = r + 1 < n_runs ? bounds[r + 1] : n, high = r + 2 <= n_runs ? bounds[r + 2] : n;
      if (r + 1 >= n_runs) mid = high = n;
      size_t i = low, k = mid, at = low;
      while (i < mid && k < high) to[at++] = entry_before(sorter, chunk, &from[i], &from[k]) ? from[i++] : from[k++];
      while (i < mid) to[at++] = from[i++];
      while (k < high) to[at++] = from[k++];
      bounds[n_merged++] = low;
    }
    bounds[n_merged] = n;
    n_runs = n_merged;
    ls_sort_entry *swap = from;
    from = to;
    to = swap;
  }
  if (from != entries) memcpy(entries, from, n * sizeof *entries);
  ls__free(bounds);
  ls__free(spare);
}

/** Builds the sorted index of each partition. */
static void chunk_index(ls_sorter *sorter, ls_sort_chunk *chunk, const uint32_t *partitions) {
  uint32_t n_parts = sorter->opts.n_partitions;
  int64_t n_rows = chunk->batch->n_rows;
  ls_assert(!sorter->opts.keyed || chunk->n_keys == (size_t)n_rows);
  chunk->n_parts = n_parts;
  chunk->parts = ls__calloc(n_parts, sizeof *chunk->parts);
  for (int64_t row = 0; row < n_rows; row++) {
    uint32_t p = partitions == NULL ? 0 : partitions[row];
    if (p == UINT32_MAX) continue;
    ls_assert(p < n_parts);
    chunk->parts[p].n++;
  }
  for (uint32_t p = 0; p < n_parts; p++) {
    chunk->parts[p].entries = ls__alloc((chunk->parts[p].n + 1) * sizeof(ls_sort_entry));
    chunk->index_bytes += chunk->parts[p].n * sizeof(ls_sort_entry);
    chunk->parts[p].n = 0;
  }
  for (int64_t row = 0; row < n_rows; row++) {
    uint32_t p = partitions == NULL ? 0 : partitions[row];
    if (p != UINT32_MAX)
      ls__sort_entry_of(&chunk->parts[p].entries[chunk->parts[p].n++], sorter->opts.keyed, chunk, row);
  }
  for (uint32_t p = 0; p < n_parts; p++) sort_entries(sorter, chunk, chunk->parts[p].entries, chunk->parts[p].n);
}

/* ---- spilling ---- */

typedef struct spill_file {
  int fd;
  ls_buf pending;
  int64_t written;
} spill_file;

static int spill_flush(spill_file *file, ls_error *err) {
  LS_TRY(ls__spill_write(file->fd, ls__buf_slice(&file->pending), file->written, err));
  file->written += (int64_t)file->pending.len;
  ls__buf_clear(&file->pending);
  return LS_OK;
}

/** Writes rows as one block, gathered into a scratch chunk. */
static int spill_rows(ls_sorter *sorter, spill_file *file, const ls_taken_row *rows, size_t n_rows, ls_error *err) {
  if (n_rows == 0) return LS_OK;
  ls_sort_chunk *scratch = ls__sort_chunk_new(sorter, (int64_t)n_rows);
  ls__sort_gather(scratch->batch, rows, n_rows);
  for (size_t i = 0; sorter->opts.keyed && i < n_rows; i++)
    ls__sort_chunk_add_key(scratch, ls__sort_chunk_key(rows[i].chunk, rows[i].row));
  ls__spill_block_put(&file->pending, scratch);
  ls__sort_chunk_abandon(scratch);
  return file->pending.len > LS_SPILL_BLOCK ? spill_flush(file, err) : LS_OK;
}

/** Merges one partition of all chunks, none of whose rows has more than row_bytes_max, into the file. */
static int spill_partition(ls_sorter *sorter, spill_file *file, ls_sort_chunk **chunks, size_t n_chunks,
                           size_t row_bytes_max, uint32_t p, ls_error *err) {
  ls_sort_heap heap;
  ls_taken_row rows[LS_SPILL_ROWS];
  size_t n_rows = 0, n_bytes = 0;
  size_t limit = sorter->opts.spill_block_bytes > 0 ? sorter->opts.spill_block_bytes : LS_SPILL_ROW_BYTES;
  bool measures = row_bytes_max > limit / LS_SPILL_ROWS; /* else a block is full of rows before it is of bytes */
  int rc = LS_OK;
  ls__sort_heap_init(&heap, sorter->opts.keyed, n_chunks);
  for (size_t i = 0; i < n_chunks; i++) ls__sort_heap_push_chunk(&heap, chunks[i], p, i);
  for (ls_sort_cursor *top = ls__sort_heap_top(&heap); top != NULL && rc >= 0; top = ls__sort_heap_top(&heap)) {
    rows[n_rows++] = (ls_taken_row){top->chunk, top->chunk->batch->columns, top->entries[top->at].row};
    if (measures) n_bytes += ls__spill_row_bytes(top->chunk, top->entries[top->at].row);
    top->at++;
    ls__sort_heap_settle(&heap);
    if (n_rows < LS_SPILL_ROWS && n_bytes < limit) continue;
    rc = spill_rows(sorter, file, rows, n_rows, err);
    n_rows = n_bytes = 0;
  }
  if (rc >= 0) rc = spill_rows(sorter, file, rows, n_rows, err);
  ls__sort_heap_fini(&heap);
  return rc;
}

/** Writes all chunks taken from the sorter as one run. */
static int spill_chunks(ls_sorter *sorter, ls_sort_chunk **chunks, size_t n_chunks, ls_sort_run *run, ls_error *err) {
  spill_file file = {-1, LS_BUF_INIT, 0};
  LS_TRY(ls__spill_open(&file.fd, sorter->opts.spill_directory, err));
  run->fd = file.fd;
  run->starts = ls__calloc(sorter->opts.n_partitions + 1, sizeof *run->starts);
  size_t row_bytes_max = 0;
  for (size_t i = 0; i < n_chunks; i++) {
    size_t bytes_max = ls__spill_row_bytes_max(chunks[i]);
    if (bytes_max > row_bytes_max) row_bytes_max = bytes_max;
  }
  int rc = LS_OK;
  for (uint32_t p = 0; p < sorter->opts.n_partitions && rc >= 0; p++) {
    run->starts[p] = file.written + (int64_t)file.pending.len;
    rc = spill_partition(sorter, &file, chunks, n_chunks, row_bytes_max, p, err);
  }
  run->starts[sorter->opts.n_partitions] = file.written + (int64_t)file.pending.len;
  if (rc >= 0) rc = spill_flush(&file, err);
  ls__buf_fini(&file.pending);
  ls__fault(LS_FAULT_SHUFFLE_SPILL);
  return rc;
}

/** Chunks on their way to disk. */
typedef struct spill_share {
  ls_sort_chunk **chunks;
  size_t n, bytes, run_index;
} spill_share;

/**
 * Takes the older half of the chunks out, under the lock: another thread that finds too much memory in use can then
 * spill the other half at the same time. Older chunks get the earlier run, so arrival order is kept.
 */
static void take_share(spill_share *share, ls_sorter *sorter) {
  size_t listed = sorter->bytes - sorter->spilling_bytes;
  *share = (spill_share){.chunks = ls__alloc((sorter->n_chunks + 1) * sizeof *share->chunks)};
  while (share->n < sorter->n_chunks && share->bytes * 2 < listed) {
    share->chunks[share->n] = sorter->chunks[share->n];
    share->bytes += ls__sort_chunk_bytes(sorter->chunks[share->n++]);
  }
  sorter->n_chunks -= share->n;
  memmove(sorter->chunks, sorter->chunks + share->n, sorter->n_chunks * sizeof *sorter->chunks);
  sorter->spilling_bytes += share->bytes;
  ls__grow(&sorter->runs, &sorter->runs_capacity, sorter->n_runs + 1, sizeof *sorter->runs);
  share->run_index = sorter->n_runs++;
  sorter->runs[share->run_index] = (ls_sort_run){.fd = -1};
}

/** Whether a sorter should spill for the pool's sake: the pool is over its limit, and this one holds a good part of it. */
static bool pool_short(const ls_sorter *sorter) {
  const ls_sort_pool *pool = sorter->opts.pool;
  if (pool == NULL || atomic_load(&((ls_sort_pool *)(uintptr_t)pool)->bytes) <= pool->limit_bytes) return false;
  return sorter->bytes - sorter->spilling_bytes > pool->limit_bytes / 8;
}

void ls__sort_chunk_join_pool(ls_sort_chunk *chunk, ls_sort_pool *pool) {
  if (pool == NULL) return;
  chunk->pool = pool;
  chunk->pooled_bytes = ls__sort_chunk_bytes(chunk);
  atomic_fetch_add(&chunk->pool->bytes, chunk->pooled_bytes);
}

/** Puts a chunk on the list. When memory is short, a share to spill; while others are at it, waits for them. */
static void enlist(spill_share *share, ls_sorter *sorter, ls_sort_chunk *chunk) {
  pthread_mutex_lock(&sorter->lock);
  ls__grow(&sorter->chunks, &sorter->chunks_capacity, sorter->n_chunks + 1, sizeof *sorter->chunks);
  sorter->chunks[sorter->n_chunks++] = chunk;
  sorter->bytes += ls__sort_chunk_bytes(chunk);
  ls__sort_chunk_join_pool(chunk, sorter->opts.pool);
  for (uint32_t p = 0; p < sorter->opts.n_partitions; p++) sorter->n_rows[p] += (int64_t)chunk->parts[p].n;
  size_t limit = sorter->opts.memory_bytes > 0 ? sorter->opts.memory_bytes : SIZE_MAX;
  while (sorter->bytes > limit && sorter->spilling_bytes > 0 && sorter->bytes - sorter->spilling_bytes < limit / 2) {
    pthread_cond_wait(&sorter->spilled, &sorter->lock);
  }
  if ((sorter->bytes > limit || pool_short(sorter)) && sorter->n_chunks > 0) take_share(share, sorter);
  pthread_mutex_unlock(&sorter->lock);
}

int ls__sorter_add(ls_sorter *sorter, ls_sort_chunk *chunk, const uint32_t *partitions, ls_error *err) {
  chunk_index(sorter, chunk, partitions);
  atomic_store(&chunk->n_users, 1);
  spill_share share = {0};
  enlist(&share, sorter, chunk);
  if (share.n == 0) return LS_OK;
  ls_sort_run run = {.fd = -1};
  int rc = spill_chunks(sorter, share.chunks, share.n, &run, err);
  for (size_t i = 0; i < share.n; i++) ls__sort_chunk_release(share.chunks[i]);
  ls__free(share.chunks);
  pthread_mutex_lock(&sorter->lock);
  sorter->runs[share.run_index] = run;
  sorter->bytes -= share.bytes;
  sorter->spilling_bytes -= share.bytes;
  pthread_cond_broadcast(&sorter->spilled);
  pthread_mutex_unlock(&sorter->lock);
  return rc;
}

void ls__sorter_seal(ls_sorter *sorter) {
  for (size_t i = 0; i < sorter->n_chunks; i++) {
    atomic_fetch_add(&sorter->chunks[i]->n_users, (int)sorter->opts.n_partitions);
    ls__sort_chunk_release(sorter->chunks[i]); /* from here on the readers of the partitions hold it */
  }
  sorter->sealed = true;
}

int64_t ls__sorter_rows(const ls_sorter *sorter, uint32_t partition) {
  return sorter->n_rows[partition];
}
