/**
 * @file lake_sink.h
 * A sink over the lake: rows are collected from all workers, sorted by key and stamp within their partition with a bounded memory, and
 * staged as one file per partition: part-00000.<format>. One file with a fixed name is replaced by one rename or one upload,
 * so a reader sees the old rows or the new ones, never both, never neither.
 *
 * Rows that each worker brings in key order (in_key_order, one Parquet file) are merged and staged while they come; all others
 * are collected first.
 */
#ifndef LS_EDGE_LAKE_SINK_H
#define LS_EDGE_LAKE_SINK_H
#include "codec/codec.h"
#include "edge/sink_totals.h"
#include "port/lake.h"
#include "port/sink.h"
#include "store/merger.h"

typedef struct ls_lake_sink ls_lake_sink;
typedef struct ls_lake_sink_opts {
  const char *name;
  const ls_schema *schema;
  ls_format format;
  bool keep_last;
  bool in_key_order;           /* each worker brings its rows ordered by key, one of each key, and says when it ends */
  const char *fixed_partition; /* sinks whose path has no expressions: written even when there are no rows; else NULL */
  /** Partition paths that this run replaces; a row of another partition is not published but counted. NULL: all. */
  bool (*in_run)(void *payload, ls_slice partition);
  void *in_run_payload;
  const ls_sink_totals_spec *totals; /* NULL: none */
  int n_workers;
  ls_lake_stage *stage; /* where the files grow */
  ls_sort_pool *pool;
  const char *spill_directory;
} ls_lake_sink_opts;

typedef struct ls_lake_partition {
  char *path; /* partition directory in the lake */
  char *file; /* path of the data file */
  int64_t n_rows;
  bool published_by_run;
} ls_lake_partition;

int ls__lake_sink_new(ls_lake_sink **out, const ls_lake_sink_opts *opts, ls_error *err);
void ls__lake_sink_free(ls_lake_sink *sink);
ls_sink_port *ls__lake_sink_port(ls_lake_sink *sink);
/** The worker writes no more rows. */
int ls__lake_sink_end(ls_lake_sink *sink, int worker, ls_error *err);
/** All rows are written: no write may follow. */
int ls__lake_sink_seal(ls_lake_sink *sink, ls_error *err);
/** Stages the files, worker of n_workers calling at once, each doing its share. */
int ls__lake_sink_stage(ls_lake_sink *sink, int worker, ls_error *err);
/** After staging: the partitions in path order. */
const ls_lake_partition *ls__lake_sink_partitions(ls_lake_sink *sink, size_t *n);
/** Of the data files: part-00000.<extension>. */
const char *ls__lake_sink_extension(ls_format format);
/** Totals of the rows written, NULL when the sink has none. */
const ls_sink_totals *ls__lake_sink_totals(const ls_lake_sink *sink);
int64_t ls__lake_sink_rows(const ls_lake_sink *sink);    /* written by nodes */
int64_t ls__lake_sink_outside(const ls_lake_sink *sink); /* of partitions outside the run */
#endif
