/**
 * @file stream_lane.h
 * A lane: the records of one partition of a source on their way to their task. Bytes wait until the rows before them are
 * used up, then they are decoded as one block: a unit. Bounded: a full lane is paused at the consumer.
 */
#ifndef LS_RUNTIME_STREAM_LANE_H
#define LS_RUNTIME_STREAM_LANE_H
#include "data/row.h"
#include "edge/kafka_consumer.h"
#include "edge/wire_reader.h"
#include "node/plan.h"
#include "port/sink.h"

typedef struct ls_lane_record {
  int64_t offset, timestamp_us;
  size_t end;          /* of its bytes in the block */
  ls_wire_fault fault; /* other than OK: it has no bytes there, and makes no row */
  int32_t schema_id;   /* of the fault */
} ls_lane_record;

/** A record that made no row. Texts are in the unit's arena. */
typedef struct ls_lane_bad {
  size_t record;
  const char *reason, *error, *field;
  ls_slice payload;
} ls_lane_bad;

/** A block of records, waiting or decoded. */
typedef struct ls_lane_block {
  ls_buf bytes;
  ls_lane_record *records;
  size_t n_records, records_capacity;
} ls_lane_block;

typedef struct ls_lane {
  const ls_plan_source *source;
  uint32_t index; /* of the source in the plan, and of its topic */
  int32_t partition;
  size_t bytes_max;
  ls_wire_reader *wire; /* NULL: values are not in wire format */
  ls_decoder *decoder;  /* NULL: rows of our own (repartition topic) */
  ls_arena layout_arena;
  ls_row_layout layout;
  ls_lane_block waiting, block;
  ls_arena arena; /* of the unit */
  ls_batch *unit;
  int32_t *record_of_row;
  ls_lane_bad *bad;
  size_t n_bad, bad_capacity, bad_at;
  int64_t at, from;    /* next row of the unit, first of the slice */
  int64_t next_offset; /* of the first record that is not processed; -1: nothing was read */
  int64_t committed_offset;
  int64_t purged_offset; /* repartition topics: records before it were deleted by this task */
  int64_t last_data_us;  /* monotonic: when it last had a row to give */
  int64_t end_seen_us;   /* monotonic: when the broker last said that there is no more; 0: not since the last record */
  bool end_asked;        /* the broker is asked again */
  int64_t read_offset;   /* everything before is here or past */
  int64_t end_offset;    /* stop_at_end: where the run ends; -1: no end */
  bool paused;
  int64_t n_bad_records;
  /** A record that can't be judged while the schema registry is away: read_offset stays at it, the lane counts as full. */
  struct {
    bool there;
    ls_buf value;
    int64_t timestamp_us, since_us, until_us; /* monotonic: when it came, when the registry is asked again */
  } held;
} ls_lane;

/** registry: for sources with live_registry; borrowed. */
int ls__lane_new(ls_lane **out, const ls_plan *plan, uint32_t source, int32_t partition, size_t bytes_max,
                 ls_schema_registry *registry, ls_error *err);
void ls__lane_free(ls_lane *lane);
/** Copies the record's bytes. @errors LS_ERETRY: the schema registry is away, and the record is held: no other may be added until
 *  ls__lane_retry has judged it; LS_ECONFIG of the registry */
int ls__lane_add(ls_lane *lane, const ls_kafka_record *record, ls_error *err);
/** Asks the registry again for a held record, when it is time. @errors LS_EIO: it has been away for minutes; LS_ECONFIG */
int ls__lane_retry(ls_lane *lane, int64_t now_us, ls_error *err);
/** There is nothing to read from offset on, for now. */
void ls__lane_end(ls_lane *lane, int64_t offset);
static inline bool ls__lane_full(const ls_lane *lane) {
  return lane->held.there ||
         lane->waiting.bytes.len + lane->waiting.n_records * sizeof(ls_lane_record) >= lane->bytes_max;
}
/** Decodes what waits when the unit is used up. */
int ls__lane_fill(ls_lane *lane, ls_error *err);
static inline bool ls__lane_peek(const ls_lane *lane, int64_t *ts_us) {
  if (lane->unit == NULL || lane->at == lane->unit->n_rows) return false;
  *ts_us = lane->unit->ts_us[lane->at];
  return true;
}
/** The rows since the last call are in a slice: next_offset moves past them, and past bad records before the next row,
 *  which go to the letters. */
int ls__lane_pass(ls_lane *lane, ls_dead_letter_port *letters, ls_error *err);
/** Everything is dropped; reading goes on at offset. */
void ls__lane_reset(ls_lane *lane, int64_t offset);
#endif
