/** @file sorter_internal.h  Structures shared by sorter.c (writing) and sort_reader.c (reading). */
#ifndef LS_STORE_SORTER_INTERNAL_H
#define LS_STORE_SORTER_INTERNAL_H
#include "base/alloc.h"
#include "store/sorter.h"

#include <pthread.h>
#include <stdatomic.h>

#define LS_SPILL_BLOCK ((size_t)1 << 20) /* bytes collected before a write */
#define LS_SPILL_ROWS  1024              /* of a block: what a reader holds of each run */
#define LS_SPILL_ROW_BYTES                                                                                             \
  ((size_t)8 << 20) /* of a block's texts, lists and keys: whatever the rows, no offset overflows */

/** Row of a chunk with the head of its sort key: (first 16 key bytes) or (stream time, seq). */
typedef struct ls_sort_entry {
  uint64_t a, b;
  uint32_t row;
} ls_sort_entry;

typedef struct ls_sort_part {
  ls_sort_entry *entries;
  size_t n;
} ls_sort_part;

struct ls_sort_chunk {
  ls_arena arena;
  ls_batch *batch;
  ls_buf keys; /* keyed: key bytes of all rows */
  uint32_t *key_ends;
  size_t n_keys, key_ends_capacity;
  ls_sort_part *parts; /* per partition */
  uint32_t n_parts;
  size_t index_bytes;
  ls_sort_pool *pool; /* what the chunk counts in, NULL: none */
  size_t pooled_bytes;
  atomic_int n_users; /* readers (one per partition) that have not passed it yet */
};

typedef struct ls_sort_run {
  int fd;
  int64_t *starts; /* per partition, n_partitions + 1 */
} ls_sort_run;

struct ls_sorter {
  ls_sorter_opts opts;
  pthread_mutex_t lock; /* guards all below while rows are added */
  ls_sort_chunk **chunks;
  size_t n_chunks, chunks_capacity;
  size_t bytes;          /* of chunks in memory, those being spilled included */
  size_t spilling_bytes; /* taken off the list, not yet freed */
  pthread_cond_t spilled;
  ls_sort_run *runs;
  size_t n_runs, runs_capacity;
  int64_t *n_rows; /* per partition */
  bool sealed;
  bool *opened; /* per partition: a reader took over its share of the chunks */
};

/** A sorted sequence: a partition of a chunk in memory, or a block at a time of a spilled run. */
typedef struct ls_sort_cursor {
  ls_sort_chunk *chunk;
  const ls_sort_entry *entries;
  size_t at, n;
  uint64_t arrival;       /* breaks ties: spilled runs first, then chunks in order */
  const ls_sort_run *run; /* spilled */
  int64_t file_at, file_end;
} ls_sort_cursor;

/** Binary heap of cursors by their current entry. */
typedef struct ls_sort_heap {
  bool keyed;
  ls_sort_cursor **cursors;
  size_t n;
  ls_sort_cursor *storage;
  size_t n_storage;
} ls_sort_heap;

/** A row on its way out of a chunk. */
typedef struct ls_taken_row {
  const ls_sort_chunk *chunk;
  const ls_column *columns; /* the chunk's */
  uint32_t row;
} ls_taken_row;
/** Appends rows of several chunks, column by column. */
void ls__sort_gather(ls_batch *out, const ls_taken_row *rows, size_t n_rows);

/* spill_block.c */
/** Bytes of a row that are not of a fixed width: texts, list elements, the key. */
size_t ls__spill_row_bytes(const ls_sort_chunk *chunk, int64_t row);
/** No row of the chunk has more. */
size_t ls__spill_row_bytes_max(const ls_sort_chunk *chunk);
/** Appends the rows (and keys) of a chunk to out as one block. */
void ls__spill_block_put(ls_buf *out, const ls_sort_chunk *rows);
size_t ls__spill_block_head_bytes(void);
/** Length of the block that starts with these head bytes. */
size_t ls__spill_block_bytes(const char *head_bytes);
/** Reads the block at *at of a file as a chunk in the hands of one user, and moves *at behind it. end: of what is written. */
int ls__spill_block_read(ls_sort_chunk **out, const ls_schema *schema, int fd, int64_t *at, int64_t end, ls_error *err);
/** A new file without a name: it vanishes with the process, however that ends. */
int ls__spill_open(int *fd, const char *directory, ls_error *err);
int ls__spill_write(int fd, ls_slice bytes, int64_t at, ls_error *err);

static inline ls_slice ls__sort_chunk_key(const ls_sort_chunk *chunk, int64_t row) {
  uint32_t start = row == 0 ? 0 : chunk->key_ends[row - 1];
  return (ls_slice){chunk->keys.ptr + start, chunk->key_ends[row] - start};
}

void ls__sort_chunk_release(ls_sort_chunk *chunk);
/** Fills the sort head of a row. */
void ls__sort_entry_of(ls_sort_entry *entry, bool keyed, const ls_sort_chunk *chunk, int64_t row);
/** Gives a chunk whose rows are in order the index of one partition. */
void ls__sort_chunk_as_sorted(ls_sort_chunk *chunk, bool keyed);
/** Counts the chunk in a pool (NULL: none) until it is freed. */
void ls__sort_chunk_join_pool(ls_sort_chunk *chunk, ls_sort_pool *pool);
void ls__sort_heap_init(ls_sort_heap *heap, bool keyed, size_t n_cursors_max);
void ls__sort_heap_fini(ls_sort_heap *heap);
void ls__sort_heap_push_chunk(ls_sort_heap *heap, ls_sort_chunk *chunk, uint32_t partition, uint64_t arrival);
/** Adds a cursor of storage that has a current entry. */
void ls__sort_heap_push(ls_sort_heap *heap, ls_sort_cursor *cursor);
ls_sort_cursor *ls__sort_heap_top(const ls_sort_heap *heap); /* NULL: empty */
/** Restores order after the top cursor moved on; takes it out when it is at its end. */
void ls__sort_heap_settle(ls_sort_heap *heap);
#endif
