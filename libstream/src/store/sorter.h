/**
 * @file sorter.h
 * External sort of batches: rows come in from several threads in any order and go out per partition in one total order.
 * Sources use it to bring files into stamp order, repartitioning to regroup rows by key, sinks to write rows sorted by key.
 *
 * Rows are held as they came (columnar chunks with a sorted index per partition); above the memory budget all chunks are
 * merged into one sorted run per partition in an unlinked temporary file, which vanishes with the process.
 *
 * Order: keyed sorters by key bytes, then stamp, then arrival; unkeyed ones by stamp, then arrival. Rows that tie in key
 * and stamp must come from one thread, so that the order does not depend on the number of threads.
 */
#ifndef LS_STORE_SORTER_H
#define LS_STORE_SORTER_H
#include "data/row.h"

typedef struct ls_sorter ls_sorter;
typedef struct ls_sort_chunk ls_sort_chunk;
typedef struct ls_sort_reader ls_sort_reader;

/** Memory that several sorters share: who is large spills when the sum is above the limit. Zero-initialised but for limit_bytes. */
typedef struct ls_sort_pool {
  _Atomic size_t bytes;
  size_t limit_bytes;
} ls_sort_pool;

typedef struct ls_sorter_opts {
  const ls_schema *schema;
  uint32_t n_partitions;
  bool keyed;
  bool keep_last;      /* keyed: of rows with equal keys only the last is read */
  size_t memory_bytes; /* chunks above this are spilled; 0: no limit of its own */
  ls_sort_pool *pool;  /* NULL: none */
  const char *spill_directory;
  size_t spill_block_bytes; /* a block in a spill file ends with the row that reaches this; 0: LS_SPILL_ROW_BYTES */
} ls_sorter_opts;

void ls__sorter_new(ls_sorter **out, const ls_sorter_opts *opts);
void ls__sorter_free(ls_sorter *sorter);

/** A chunk to fill: rows are appended to ls__sort_chunk_batch, memory is the chunk's arena. One thread. */
ls_sort_chunk *ls__sort_chunk_new(ls_sorter *sorter, int64_t capacity_rows);
/** The same without a sorter (merger.h). */
ls_sort_chunk *ls__sort_chunk_of(const ls_schema *schema, int64_t capacity_rows);
ls_batch *ls__sort_chunk_batch(ls_sort_chunk *chunk);
/** Keyed sorters: appends the key of the next row; once per row, in row order. */
void ls__sort_chunk_add_key(ls_sort_chunk *chunk, ls_slice key);
size_t ls__sort_chunk_bytes(const ls_sort_chunk *chunk);
void ls__sort_chunk_abandon(ls_sort_chunk *chunk);
/** Hands a full chunk over (it is gone afterwards). partitions: one per row, NULL: all 0; UINT32_MAX: the row is dropped.
 *  @thread any @errors LS_EIO when a spill fails */
int ls__sorter_add(ls_sorter *sorter, ls_sort_chunk *chunk, const uint32_t *partitions, ls_error *err);

/** Nothing is added any more: reading may begin. */
void ls__sorter_seal(ls_sorter *sorter);
int64_t ls__sorter_rows(const ls_sorter *sorter, uint32_t partition);
/** One reader per partition; chunks are freed as all partitions have passed them. One thread per reader. */
int ls__sort_reader_open(ls_sort_reader **out, ls_sorter *sorter, uint32_t partition, ls_error *err);
void ls__sort_reader_close(ls_sort_reader *reader);
/** Stamp of the next row; false at the end. */
bool ls__sort_reader_peek(const ls_sort_reader *reader, ls_stamp *stamp);
/** Key of the next row (keyed); valid until the next take. */
ls_slice ls__sort_reader_peek_key(const ls_sort_reader *reader);
/** Takes the next row into the pending batch `out` (the same one until ls__sort_reader_flush). */
int ls__sort_reader_take(ls_sort_reader *reader, ls_batch *out, ls_error *err);
/** Completes `out`: all taken rows are in it. */
int ls__sort_reader_flush(ls_sort_reader *reader, ls_batch *out, ls_error *err);
#endif
