/**
 * @file lake_live.h
 * A live sink over the lake, one per task: committed rows become files, each row in exactly one published file.
 *
 * Its log, a partition of an internal topic, is what counts. All of it is written in the transactions of the task's thread:
 *
 *   rows        what nodes wrote, in blocks; they go to files that grow on the side (live_files.h)
 *   file, cut   the rows before the cut are in these files, which lie complete in the stage directory of the lake
 *   published   the files of the last cut are where readers find them
 *
 * Order: rows are committed; stage: files are completed and put in the stage directory; send + commit: their names are in the
 * log; publish: each is moved to its place; send + commit: the log says so; then what is before the cut may be deleted from the
 * log. Whoever takes the task over reads the log: rows behind the last cut grow into new files, files that are named and not
 * published are published, whatever else is in the stage directory was never committed and is removed. Publishing may be
 * repeated, also by two at once: the name is in the log.
 *
 * keep_last: files have two more columns: _seq (int64, order of the rows of a task) and _deleted; of each key the row with the
 * largest _seq counts, unless it is deleted.
 */
#ifndef LS_EDGE_LAKE_LIVE_H
#define LS_EDGE_LAKE_LIVE_H
#include "edge/kafka_producer.h"
#include "edge/live_files.h"
#include "port/sink.h"

#define LS_LIVE_SEQ     "_seq"
#define LS_LIVE_DELETED "_deleted"

typedef struct ls_lake_live ls_lake_live; /* one thread at a time */
typedef struct ls_lake_live_opts {
  const char *name; /* of the sink */
  const ls_schema *schema;
  ls_format format;
  bool keep_last;
  const char *fixed_partition; /* path without expressions; else NULL */
  const char *application_id;
  int32_t partition; /* of the task, and of the log */
  uint32_t topic;    /* of the log, in the producer's topics */
  const char *topic_name;
  ls_lake *lake;
  ls_lake_stage *stage;        /* where files grow */
  int64_t roll_bytes, roll_us; /* a file of this size, or a row that has waited so long, ends the files */
  size_t memory_bytes;         /* what growing files may hold */
} ls_lake_live_opts;

int ls__lake_live_new(ls_lake_live **out, const ls_lake_live_opts *opts, ls_error *err);
void ls__lake_live_free(ls_lake_live *live);
ls_sink_port *ls__lake_live_port(ls_lake_live *live);
/** The producer of the thread that has the task now; offset: raised to that of the last record delivered to the log. */
void ls__lake_live_bind(ls_lake_live *live, ls_kafka_producer *producer, int64_t *offset);

/* taking over */
/** Forgets everything: the log is read from its beginning. */
void ls__lake_live_reset(ls_lake_live *live);
/** Whether files of rows that wait lie in the stage directory, where another owner would have removed them. */
bool ls__lake_live_has_staged(const ls_lake_live *live);
/** A record of the log, in its order. @errors LS_ECONFIG: rows of other columns; LS_EDATA: no record of ours */
int ls__lake_live_restore(ls_lake_live *live, const ls_kafka_record *record, ls_error *err);
/** The log is read, the task is ours: publishes what was left, removes what was never committed. @errors LS_EIO, LS_ERETRY */
int ls__lake_live_own(ls_lake_live *live, ls_error *err);

/* running */
bool ls__lake_live_has_rows(const ls_lake_live *live);
/** Whether its files are due. */
bool ls__lake_live_is_due(const ls_lake_live *live);
/** Whether the log is to be told something: names of files, or that they are published. */
bool ls__lake_live_has_news(const ls_lake_live *live);
/** Of it, names of files. */
bool ls__lake_live_has_names(const ls_lake_live *live);
/** Completes the files and puts them in the stage directory. No transaction is open: all rows are committed. */
int ls__lake_live_stage(ls_lake_live *live, ls_error *err);
/** Within a transaction, before its commit: rows and news go to the log. *sent: there was something. */
int ls__lake_live_send(ls_lake_live *live, bool *sent, ls_error *err);
/** The transaction is committed. */
void ls__lake_live_committed(ls_lake_live *live);
/** Moves the files that a committed transaction names to their places. @errors LS_EIO, LS_ERETRY */
int ls__lake_live_publish(ls_lake_live *live, ls_error *err);
/** Offset before which the log is no longer needed, -1: as before. */
int64_t ls__lake_live_trim(ls_lake_live *live);
/** Since it was made: files published, rows in them. */
void ls__lake_live_counts(const ls_lake_live *live, int64_t *files, int64_t *rows);
#endif
