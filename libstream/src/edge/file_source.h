/**
 * @file file_source.h
 * Records of one source's lake files as typed batches. Several workers pull units (a block of lines, a Parquet row group)
 * and decode them side by side; stamps make the total order: (event time, source, file in path order, line).
 */
#ifndef LS_EDGE_FILE_SOURCE_H
#define LS_EDGE_FILE_SOURCE_H
#include "codec/codec.h"
#include "port/lake.h"
#include "port/sink.h"

typedef struct ls_file_source ls_file_source;
typedef struct ls_file_worker ls_file_worker; /* one thread's decoder and buffers */

typedef struct ls_file_source_opts {
  ls_lake *lake;
  const char *name;
  uint32_t index; /* of the source in the plan: part of the stamp */
  const ls_schema *schema;
  ls_format format;
  const void *protobuf_descriptor;
  const uint64_t *wanted;
  const char *pattern;
  int32_t from_days, to_days; /* of {date} in the pattern */
  ls_dead_letter_port *dead_letters;
} ls_file_source_opts;

/** Lists the files. @errors LS_EIO, LS_ERETRY */
int ls__file_source_new(ls_file_source **out, const ls_file_source_opts *opts, ls_error *err);
void ls__file_source_free(ls_file_source *source);
size_t ls__file_source_n_files(const ls_file_source *source);
int64_t ls__file_source_bytes(const ls_file_source *source);      /* of all files, as stored */
int64_t ls__file_source_bytes_read(const ls_file_source *source); /* so far; @thread any */
int64_t ls__file_source_records(const ls_file_source *source);    /* good and bad, so far; @thread any */
/** Same, of the files of these days and of those without a date. */
int64_t ls__file_source_records_of(const ls_file_source *source, int32_t from_days, int32_t to_days);
/** What the pattern matched. */
const ls_lake_files *ls__file_source_files(const ls_file_source *source);
/** Path and date of file i. */
const ls_lake_file *ls__file_source_file(const ls_file_source *source, size_t i);

int ls__file_worker_new(ls_file_worker **out, ls_file_source *source, ls_error *err);
void ls__file_worker_free(ls_file_worker *worker);
/** Rows that the next unit may hold at most; 0: no unit is left. Takes the unit. */
int ls__file_worker_next(ls_file_worker *worker, int64_t *n_rows_max, ls_error *err);
/** Decodes the taken unit into out (empty, schema of the source), with ts and stamps. Bad records go to the dead letters; a
 *  bad row that is in out all the same (Parquet) has a stamp with seq 0 and is to be dropped. */
int ls__file_worker_decode(ls_file_worker *worker, ls_batch *out, ls_error *err);
#endif
