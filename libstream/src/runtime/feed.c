/** @file feed.c  See feed.h. */
#include "runtime/feed.h"

int ls__feed_open(feed *at, ls_runtime *run, uint32_t sub_topology, uint32_t partition, ls_error *err) {
  at->run = run;
  at->n_sources = run->plan->n_sources;
  at->lanes = ls__calloc(at->n_sources + 1, sizeof *at->lanes);
  at->batches = ls__calloc(at->n_sources + 1, sizeof *at->batches);
  for (uint32_t i = 0; i < at->n_sources; i++) {
    if (run->plan->sources[i].sub_topology != sub_topology) continue;
    LS_TRY(ls__sort_reader_open(&at->lanes[i].reader, run->sorters[i], partition, err));
  }
  return LS_OK;
}

void ls__feed_close(feed *at) {
  for (uint32_t i = 0; i < at->n_sources; i++) ls__sort_reader_close(at->lanes[i].reader);
  ls__free(at->lanes);
  ls__free(at->batches);
}

void ls__feed_unit(feed *at, uint32_t source, const ls_batch *unit, const int32_t *rows, int64_t n_rows) {
  lane *to = &at->lanes[source];
  to->unit = unit;
  to->rows = rows;
  to->at = to->from = 0;
  to->n = n_rows;
}

static bool lane_peek(const lane *from, ls_stamp *stamp) {
  if (from->unit != NULL) {
    if (from->at == from->n) return false;
    *stamp = from->unit->stamps[from->rows[from->at]];
    return true;
  }
  return from->reader != NULL && ls__sort_reader_peek(from->reader, stamp);
}

static int lane_take(lane *from, ls_batch *out, ls_error *err) {
  if (from->unit == NULL) return ls__sort_reader_take(from->reader, out, err);
  from->at++; /* gathered when the slice is complete */
  return LS_OK;
}

static int lane_flush(lane *from, ls_batch *out, ls_error *err) {
  if (from->unit == NULL) return ls__sort_reader_flush(from->reader, out, err);
  ls__batch_gather(out, from->unit, from->rows + from->from, from->at - from->from);
  from->from = from->at;
  return LS_OK;
}

/** Source with the next row, n_sources at the end. */
static uint32_t feed_next(const feed *at, ls_stamp *stamp) {
  uint32_t best = at->n_sources;
  for (uint32_t i = 0; i < at->n_sources; i++) {
    ls_stamp mine;
    if (!lane_peek(&at->lanes[i], &mine)) continue;
    if (best == at->n_sources || ls__stamp_cmp(mine, *stamp) < 0) {
      best = i;
      *stamp = mine;
    }
  }
  return best;
}

static bool lane_has_rows(const lane *from) {
  ls_stamp stamp;
  return lane_peek(from, &stamp);
}

/** The only source with rows left, n_sources: none or several. */
static uint32_t feed_only(const feed *at) {
  uint32_t only = at->n_sources;
  for (uint32_t i = 0; i < at->n_sources; i++) {
    if (!lane_has_rows(&at->lanes[i])) continue;
    if (only < at->n_sources) return at->n_sources;
    only = i;
  }
  return only;
}

/** Takes a slice of one source's rows: there is nothing to merge them with. */
static int take_run(feed *at, uint32_t source, int64_t n_rows_min, int64_t *n_taken, ls_stamp *last, ls_error *err) {
  ls_stamp stamp;
  while (lane_peek(&at->lanes[source], &stamp) && (*n_taken < n_rows_min || ls__stamp_cmp(stamp, *last) == 0)) {
    LS_TRY(lane_take(&at->lanes[source], at->batches[source], err));
    *last = stamp;
    ++*n_taken;
  }
  return LS_OK;
}

/** Takes a slice of the rows of several sources. */
static int take_merged(feed *at, ls_arena *arena, int64_t n_rows_min, uint32_t of_unit, int64_t *n_taken,
                       ls_stamp *last, ls_error *err) {
  ls_stamp stamp;
  for (uint32_t i = feed_next(at, &stamp); i < at->n_sources; i = feed_next(at, &stamp)) {
    if (*n_taken >= n_rows_min && ls__stamp_cmp(stamp, *last) != 0) break;
    if (of_unit < at->n_sources && at->lanes[of_unit].at == at->lanes[of_unit].n) break;
    if (at->batches[i] == NULL) at->batches[i] = ls__batch_new(at->run->plan->sources[i].schema, arena, n_rows_min);
    LS_TRY(lane_take(&at->lanes[i], at->batches[i], err));
    *last = stamp;
    ++*n_taken;
  }
  return LS_OK;
}

int ls__feed_slice(feed *at, ls_arena *arena, int64_t n_rows_min, uint32_t of_unit, int64_t *n_taken,
                   int64_t *stream_time_us, ls_error *err) {
  memset(at->batches, 0, at->n_sources * sizeof *at->batches);
  *n_taken = 0;
  ls_stamp last = {0, 0};
  uint32_t only = feed_only(at);
  if (only < at->n_sources && (of_unit == only || of_unit >= at->n_sources)) {
    at->batches[only] = ls__batch_new(at->run->plan->sources[only].schema, arena, n_rows_min);
    LS_TRY(take_run(at, only, n_rows_min, n_taken, &last, err));
  } else {
    LS_TRY(take_merged(at, arena, n_rows_min, of_unit, n_taken, &last, err));
  }
  *stream_time_us = last.ts_us;
  for (uint32_t i = 0; i < at->n_sources; i++) {
    if (at->batches[i] != NULL) LS_TRY(lane_flush(&at->lanes[i], at->batches[i], err));
  }
  return LS_OK;
}
