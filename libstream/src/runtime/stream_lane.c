/** @file stream_lane.c  See stream_lane.h. */
#include "runtime/stream_lane.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "data/datetime.h"

#include <stdio.h>
#include <stdlib.h>

#define HELD_US     ((int64_t)1000000)
#define HELD_US_MAX ((int64_t)300000000)

int ls__lane_new(ls_lane **out, const ls_plan *plan, uint32_t source, int32_t partition, size_t bytes_max,
                 ls_schema_registry *registry, ls_error *err) {
  ls_lane *lane = LS_NEW(ls_lane);
  *out = lane;
  lane->source = &plan->sources[source];
  lane->index = source;
  lane->partition = partition;
  lane->bytes_max = bytes_max;
  lane->next_offset = lane->committed_offset = lane->end_offset = -1;
  ls__arena_init(&lane->layout_arena, 1024);
  ls__arena_init(&lane->arena, (size_t)1 << 18);
  if (lane->source->repartition) {
    ls__row_layout_init(&lane->layout, lane->source->schema, &lane->layout_arena);
    return LS_OK;
  }
  if (lane->source->live_registry) {
    bool protobuf = lane->source->live_format == LS_FORMAT_PROTOBUF;
    ls__wire_reader_new(&lane->wire, registry,
                        protobuf ? ls__protobuf_message_name(lane->source->live_protobuf_descriptor) : NULL);
  }
  ls_decoder_opts opts = {.format = lane->source->live_format,
                          .protobuf_descriptor = lane->source->live_protobuf_descriptor,
                          .wanted = lane->source->wanted};
  return ls__decoder_new(&lane->decoder, lane->source->schema, &opts, err);
}

static void block_fini(ls_lane_block *block) {
  ls__buf_fini(&block->bytes);
  ls__free(block->records);
}

void ls__lane_free(ls_lane *lane) {
  if (lane == NULL) return;
  block_fini(&lane->waiting);
  block_fini(&lane->block);
  ls__free(lane->bad);
  ls__decoder_free(lane->decoder);
  ls__wire_reader_free(lane->wire);
  ls__buf_fini(&lane->held.value);
  ls__arena_fini(&lane->arena);
  ls__arena_fini(&lane->layout_arena);
  ls__free(lane);
}

/** JSON goes in as a line: a newline between its tokens means nothing, inside of one it is not allowed anyway. */
static void add_line(ls_buf *bytes, ls_slice value) {
  size_t start = bytes->len;
  ls__buf_append(bytes, value.ptr, value.len);
  for (char *at = bytes->ptr + start;
       value.len > 0 && (at = memchr(at, '\n', (size_t)(bytes->ptr + bytes->len - at))) != NULL; at++)
    *at = ' ';
  ls__buf_putc(bytes, '\n');
}

static int take(ls_lane *lane, int64_t offset, int64_t timestamp_us, ls_slice value, ls_error *err) {
  ls_lane_block *to = &lane->waiting;
  ls_wire_fault fault = LS_WIRE_OK;
  int32_t schema_id = -1;
  if (lane->wire != NULL) LS_TRY(ls__wire_read(lane->wire, value, &value, &schema_id, &fault, err));
  if (lane->decoder != NULL && lane->source->live_format == LS_FORMAT_JSON) {
    add_line(&to->bytes, value);
  } else {
    ls__buf_append(&to->bytes, value.ptr, value.len);
  }
  ls__grow(&to->records, &to->records_capacity, to->n_records + 1, sizeof *to->records);
  to->records[to->n_records++] = (ls_lane_record){offset, timestamp_us, to->bytes.len, fault, schema_id};
  lane->read_offset = offset + 1;
  return LS_OK;
}

int ls__lane_add(ls_lane *lane, const ls_kafka_record *record, ls_error *err) {
  lane->end_seen_us = 0;
  lane->end_asked = false;
  int rc = take(lane, record->offset, record->timestamp_us, record->value, err);
  if (rc != LS_ERETRY) return rc;
  ls__buf_clear(&lane->held.value);
  ls__buf_append(&lane->held.value, record->value.ptr, record->value.len);
  lane->held.there = true;
  lane->held.timestamp_us = record->timestamp_us;
  lane->held.since_us = ls__monotonic_us();
  lane->held.until_us = lane->held.since_us + HELD_US;
  lane->read_offset = record->offset;
  return rc;
}

int ls__lane_retry(ls_lane *lane, int64_t now_us, ls_error *err) {
  if (!lane->held.there || now_us < lane->held.until_us) return LS_OK;
  int rc = take(lane, lane->read_offset, lane->held.timestamp_us, ls__buf_slice(&lane->held.value), err);
  lane->held.there = rc < 0;
  lane->held.until_us = now_us + HELD_US;
  if (rc != LS_ERETRY) return rc;
  if (now_us - lane->held.since_us < HELD_US_MAX) {
    ls__log(LS_LOG_WARN, "runtime", "waits_for_registry", "source=%s partition=%d error=\"%s\"", lane->source->name,
            (int)lane->partition, err->message);
    return LS_OK;
  }
  char why[sizeof err->message];
  snprintf(why, sizeof why, "%s", err->message);
  return ls_error_set(err, LS_EIO, "source %s has waited for 5 minutes: %s", lane->source->name, why);
}

void ls__lane_end(ls_lane *lane, int64_t offset) {
  if (lane->read_offset < offset) lane->read_offset = offset;
  lane->end_seen_us = ls__monotonic_us();
  lane->end_asked = false;
}

/* ---- decoding a block ---- */

static ls_slice copy_text(ls_lane *lane, ls_slice text) {
  return (ls_slice){ls__arena_strndup(&lane->arena, text.ptr, text.len), text.len};
}

static void on_bad(void *payload, const ls_bad_record *bad) {
  ls_lane *lane = payload;
  ls__grow(&lane->bad, &lane->bad_capacity, lane->n_bad + 1, sizeof *lane->bad);
  ls_lane_bad *to = &lane->bad[lane->n_bad++];
  to->record = (size_t)bad->line - 1;
  to->reason = ls__arena_strdup(&lane->arena, bad->reason);
  to->error = ls__arena_strdup(&lane->arena, bad->error);
  to->field = bad->field != NULL ? ls__arena_strdup(&lane->arena, bad->field) : NULL;
  to->payload = bad->payload.len > 0 ? copy_text(lane, bad->payload) : (ls_slice){NULL, 0};
}

static ls_slice record_bytes(const ls_lane_block *block, size_t record) {
  size_t start = record == 0 ? 0 : block->records[record - 1].end;
  return (ls_slice){block->bytes.ptr + start, block->records[record].end - start};
}

static bool is_blank(ls_slice text) {
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] != ' ' && text.ptr[i] != '\t' && text.ptr[i] != '\r' && text.ptr[i] != '\n') return false;
  }
  return true;
}

/** A record whose schema is not ours. */
static void add_fault(ls_lane *lane, size_t i) {
  const ls_lane_record *record = &lane->block.records[i];
  char text[LS_WIRE_TEXT_MAX];
  ls__wire_explain(lane->wire, record->fault, record->schema_id, text);
  on_bad(lane, &(ls_bad_record){.line = (int64_t)i + 1, .reason = ls__wire_reason(record->fault), .error = text});
}

static int decode_json(ls_lane *lane, ls_error *err) {
  int64_t *lines = LS_ARENA_ARRAY(&lane->arena, int64_t, lane->block.n_records + 1);
  ls_slice block = ls__json_padded(&lane->block.bytes);
  LS_TRY(ls__decode_json_lines(lane->unit, lines, lane->decoder, block, 1, on_bad, lane, err));
  for (int64_t row = 0; row < lane->unit->n_rows; row++) lane->record_of_row[row] = (int32_t)(lines[row] - 1);
  for (size_t i = 0; i < lane->block.n_records; i++) { /* no line to the decoder, but a record all the same */
    if (lane->block.records[i].fault != LS_WIRE_OK) {
      add_fault(lane, i);
    } else if (is_blank(record_bytes(&lane->block, i))) {
      on_bad(lane, &(ls_bad_record){.line = (int64_t)i + 1, .reason = "no_value", .error = "the record has no value"});
    }
  }
  return LS_OK;
}

static int decode_protobuf(ls_lane *lane, ls_error *err) {
  for (size_t i = 0; i < lane->block.n_records; i++) {
    int64_t row = lane->unit->n_rows;
    if (lane->block.records[i].fault != LS_WIRE_OK) {
      add_fault(lane, i);
      continue;
    }
    LS_TRY(ls__decode_protobuf(lane->unit, lane->decoder, record_bytes(&lane->block, i), (int64_t)i + 1, on_bad, lane,
                               err));
    if (lane->unit->n_rows > row) lane->record_of_row[row] = (int32_t)i;
  }
  return LS_OK;
}

/** The layout in front of a row of our own, and the row's event time. */
static int read_head(const ls_lane *lane, ls_slice *bytes, int64_t *ts_us, ls_error *err) {
  uint32_t id;
  if (bytes->len < sizeof id + sizeof *ts_us)
    return ls_error_set(err, LS_EDATA, "topic %s: what is there is no row of ours", lane->source->repartition_topic);
  memcpy(&id, bytes->ptr, sizeof id);
  memcpy(ts_us, bytes->ptr + sizeof id, sizeof *ts_us);
  bytes->ptr += sizeof id + sizeof *ts_us;
  bytes->len -= sizeof id + sizeof *ts_us;
  if (id == lane->layout.id) return LS_OK;
  return ls_error_set(err, LS_ECONFIG,
                      "topic %s holds rows with other columns, of another version of the topology, that nobody has "
                      "processed yet: let that version "
                      "run until they are (--until-end), or give a new kafka: application_id",
                      lane->source->repartition_topic);
}

/** Rows of our own. */
static int decode_internal(ls_lane *lane, ls_error *err) {
  ls_batch *unit = lane->unit;
  for (size_t i = 0; i < lane->block.n_records; i++) {
    ls_slice bytes = record_bytes(&lane->block, i);
    int64_t ts_us = 0;
    LS_TRY(read_head(lane, &bytes, &ts_us, err));
    LS_TRY(ls__row_decode(unit->columns, &lane->layout, bytes, err));
    lane->block.records[i].timestamp_us = ts_us; /* the record's own may be earlier */
    lane->record_of_row[unit->n_rows] = (int32_t)i;
    ls__batch_append_meta(unit, ts_us, (ls_stamp){0, 0});
  }
  return LS_OK;
}

/** Event time of each row; of a source without one, the record's timestamp. */
static void set_times(ls_lane *lane) {
  ls_batch *unit = lane->unit;
  int64_t n = unit->n_rows;
  int32_t field = lane->source->schema->time_field;
  const ls_column *column = field >= 0 ? &unit->columns[field] : NULL;
  unit->n_rows = 0;
  for (int64_t row = 0; row < n; row++) {
    int64_t ts_us = lane->block.records[lane->record_of_row[row]].timestamp_us;
    if (column != NULL)
      ts_us = column->type->kind == LS_DATE ? ls__column_i32(column)[row] * LS_US_PER_DAY : ls__column_i64(column)[row];
    ls__batch_append_meta(unit, ts_us, (ls_stamp){0, 0});
  }
}

static int bad_before(const void *a, const void *b) {
  size_t x = ((const ls_lane_bad *)a)->record, y = ((const ls_lane_bad *)b)->record;
  return x < y ? -1 : x > y;
}

static void next_block(ls_lane *lane) {
  ls_lane_block swap = lane->block;
  lane->block = lane->waiting;
  lane->waiting = swap;
  ls__buf_clear(&lane->waiting.bytes);
  lane->waiting.n_records = 0;
  lane->n_bad = lane->bad_at = 0;
  lane->at = lane->from = 0;
  ls__arena_reset(&lane->arena);
  lane->unit = ls__batch_new(lane->source->schema, &lane->arena, (int64_t)lane->block.n_records);
  lane->record_of_row = LS_ARENA_ARRAY(&lane->arena, int32_t, lane->block.n_records + 1);
}

int ls__lane_fill(ls_lane *lane, ls_error *err) {
  if ((lane->unit != NULL && lane->from < lane->unit->n_rows) || lane->waiting.n_records == 0) return LS_OK;
  next_block(lane);
  if (lane->decoder == NULL) return decode_internal(lane, err);
  LS_TRY(lane->source->live_format == LS_FORMAT_JSON ? decode_json(lane, err) : decode_protobuf(lane, err));
  set_times(lane);
  lane->n_bad_records += (int64_t)lane->n_bad;
  if (lane->n_bad > 1) qsort(lane->bad, lane->n_bad, sizeof *lane->bad, bad_before);
  return LS_OK;
}

int ls__lane_pass(ls_lane *lane, ls_dead_letter_port *letters, ls_error *err) {
  if (lane->unit == NULL) return LS_OK;
  lane->from = lane->at;
  bool done = lane->at == lane->unit->n_rows;
  size_t n_passed = done ? lane->block.n_records : (size_t)lane->record_of_row[lane->at];
  for (; lane->bad_at < lane->n_bad && lane->bad[lane->bad_at].record < n_passed; lane->bad_at++) {
    const ls_lane_bad *bad = &lane->bad[lane->bad_at];
    ls_dead_letter letter = {.source = lane->source->name,
                             .date_days = INT32_MIN,
                             .topic = lane->source->live_kafka,
                             .partition = lane->partition,
                             .offset = lane->block.records[bad->record].offset,
                             .reason = bad->reason,
                             .error = bad->error,
                             .field = bad->field,
                             .payload = bad->payload};
    LS_TRY(letters->write(letters, lane->index, &letter, err));
  }
  if (n_passed > 0) lane->next_offset = lane->block.records[n_passed - 1].offset + 1;
  return LS_OK;
}

void ls__lane_reset(ls_lane *lane, int64_t offset) {
  ls__buf_clear(&lane->waiting.bytes);
  lane->waiting.n_records = lane->block.n_records = 0;
  lane->n_bad = lane->bad_at = 0;
  lane->unit = NULL;
  lane->at = lane->from = 0;
  lane->next_offset = lane->committed_offset = lane->read_offset = offset;
  lane->end_seen_us = 0;
  lane->paused = lane->end_asked = lane->held.there = false;
}
