/**
 * @file merger.h
 * Rows of several producers, each of which brings its own in key order, become one sequence in key order while they come: what
 * a sorter does when nothing needs sorting, without holding the rows.
 *
 * Rows go on as far as every producer is known to be past them. Who brings rows merges, if he is ahead of the others: those
 * behind had better catch up. A producer far ahead writes its chunks to an unlinked temporary file when memory is short; nobody
 * waits for anybody. The sequence does not depend on who merges, nor on how rows were cut into chunks.
 */
#ifndef LS_STORE_MERGER_H
#define LS_STORE_MERGER_H
#include "store/sorter.h"

typedef struct ls_merger ls_merger;

/** Takes the next rows: batch_rows of them, fewer only in the last batch. One call at a time, on any producer's thread. */
typedef int (*ls_merger_fn)(void *payload, const ls_batch *batch, ls_error *err);

typedef struct ls_merger_opts {
  const ls_schema *schema;
  uint32_t n_producers;
  int64_t batch_rows;
  ls_merger_fn take;
  void *payload;
  ls_sort_pool *pool; /* NULL: no limit */
  const char *spill_directory;
} ls_merger_opts;

void ls__merger_new(ls_merger **out, const ls_merger_opts *opts);
void ls__merger_free(ls_merger *merger);
/** Hands a chunk over (it is gone afterwards), with the keys of all rows, ascending, above those of the producer's earlier
 *  chunks; no two producers have a key in common. @thread one per producer @errors LS_EIO when a spill fails; those of take */
int ls__merger_add(ls_merger *merger, uint32_t producer, ls_sort_chunk *chunk, ls_error *err);
/** The producer brings no more. When all have said so, all rows were taken. As ls__merger_add. */
int ls__merger_end(ls_merger *merger, uint32_t producer, ls_error *err);
#endif
