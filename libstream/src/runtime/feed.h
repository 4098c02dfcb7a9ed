/**
 * @file feed.h
 * The next slice of one worker: rows of all sources of a sub-topology merged by stamp. A source's rows come from its sorter, or
 * from a unit (decoded block) at a time when files are read in their own order.
 */
#ifndef LS_RUNTIME_FEED_H
#define LS_RUNTIME_FEED_H
#include "runtime/run.h"

typedef struct lane {
  ls_sort_reader *reader; /* sorted source */
  const ls_batch *unit;   /* in-order source: the current unit, NULL: none */
  const int32_t *rows;    /* of the unit, those of this worker */
  int64_t at, n, from;    /* next row, end, first row of the slice */
} lane;

typedef struct feed {
  ls_runtime *run;
  uint32_t n_sources;
  lane *lanes;        /* per plan source; all empty: not of this sub-topology */
  ls_batch **batches; /* of the slice being built */
} feed;

int ls__feed_open(feed *at, ls_runtime *run, uint32_t sub_topology, uint32_t partition, ls_error *err);
void ls__feed_close(feed *at);
/** Gives an in-order source its next unit. */
void ls__feed_unit(feed *at, uint32_t source, const ls_batch *unit, const int32_t *rows, int64_t n_rows);
/**
 * Takes the next rows in stamp order into at->batches: at least n_rows_min if there are, and all rows of the last stamp.
 * of_unit: stops when that source's unit is used up, since rows of its next one may come before those of others; UINT32_MAX: none.
 */
int ls__feed_slice(feed *at, ls_arena *arena, int64_t n_rows_min, uint32_t of_unit, int64_t *n_taken,
                   int64_t *stream_time_us, ls_error *err);
#endif
