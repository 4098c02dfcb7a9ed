/**
 * @file sink.h
 * Where a task's rows go: a sink port takes batches from several workers. Implemented over the lake (edge/lake_sink.h), and
 * in memory by tests. Nothing is visible outside before the driver publishes.
 */
#ifndef LS_PORT_SINK_H
#define LS_PORT_SINK_H
#include "data/batch.h"

typedef struct ls_sink_port ls_sink_port;
struct ls_sink_port {
  /** Takes the rows of a batch (copied). partition: STRING column, the rows' partition path; NULL: the sink has one fixed
   *  partition. worker: 0..n_workers-1, one call at a time per worker. */
  int (*write)(ls_sink_port *port, int worker, const ls_batch *batch, const ls_column *partition, ls_error *err);
  /** Live: write also gets rows with the retract bit: the row of this key is gone and none follows it (Kafka: a record without
   *  a value; a lake that keeps the last row per key: the key goes). False: such rows are left out. */
  bool takes_deletes;
  /** Rows of the last write, by number, that no record of the sink's topic can hold: they were left out. Borrowed until the next
   *  write; none for sinks of several workers. */
  const int32_t *refused;
  int64_t n_refused;
};

/** A bad record on its way to the dead letters of a source. Strings are borrowed for the call. */
typedef struct ls_dead_letter {
  const char *source;
  const char *file;  /* path in the lake, NULL: unknown */
  int64_t line;      /* line or record number in it, 0: unknown */
  int32_t date_days; /* dt of the file, INT32_MIN: none */
  const char *topic; /* live: NULL: unknown */
  int32_t partition;
  int64_t offset;
  const char *node;   /* step that refused it; NULL: the decoder */
  const char *reason; /* short stable code */
  const char *error;
  const char *field; /* NULL: not one field */
  ls_slice payload;  /* JSON, masked; len 0: left out */
  uint64_t seq;      /* orders the letters of a source */
} ls_dead_letter;
typedef struct ls_dead_letter_port ls_dead_letter_port;
struct ls_dead_letter_port {
  /** @thread any. @errors LS_EBADRECORDS when the run's limit is passed */
  int (*write)(ls_dead_letter_port *port, uint32_t source, const ls_dead_letter *letter, ls_error *err);
};
#endif
