/** @file kafka_sink.c  See kafka_sink.h. */
#include "edge/kafka_sink.h"

#include "base/alloc.h"
#include "base/thread.h"
#include "data/row.h"

struct ls_kafka_sink {
  ls_sink_port port;
  const ls_schema *schema;
  uint32_t topic;
  const ls_protobuf_writer *protobuf;
  bool internal;
  ls_slice head; /* of a value; empty: not in wire format */
  ls_kafka_producer *producer;
  ls_arena arena;
  ls_row_layout layout; /* of internal rows */
  ls_buf key, value, row;
  int32_t *refused;
  size_t refused_capacity;
};

/** Layout, event time and row, for a task of our own. */
static void put_internal(ls_kafka_sink *sink, const ls_batch *batch, int64_t row) {
  ls__row_encode(&sink->row, &sink->layout, batch, row);
  ls__buf_append(&sink->value, &sink->layout.id, sizeof sink->layout.id);
  ls__buf_append(&sink->value, &batch->ts_us[row], sizeof batch->ts_us[row]);
  ls__buf_append(&sink->value, sink->row.ptr, sink->row.len);
}

int ls__kafka_sink_format(ls_buf *key, ls_buf *value, const ls_protobuf_writer *protobuf, const ls_batch *batch,
                          int64_t row, ls_error *err) {
  if (batch->schema->n_key > 0) ls__batch_format_key(key, batch, row);
  if (ls__is_retract(batch, row)) return LS_OK;
  if (protobuf != NULL) return ls__encode_protobuf(value, protobuf, batch, row, err);
  ls__encode_json(value, batch, row);
  return LS_OK;
}

/** A message may have no bytes, which is not the same as no value. */
static ls_slice bytes_of(const ls_buf *buf) {
  return (ls_slice){buf->ptr != NULL ? buf->ptr : "", buf->len};
}

/** A row's event time, or now when that is in the future: brokers refuse records of more than an hour ahead. */
static int64_t timestamp_of(int64_t ts_us, int64_t now_us) {
  return ts_us < 0 || ts_us > now_us ? -1 : ts_us;
}

static void refuse(ls_kafka_sink *sink, int64_t row) {
  ls__grow(&sink->refused, &sink->refused_capacity, (size_t)sink->port.n_refused + 1, sizeof *sink->refused);
  sink->refused[sink->port.n_refused++] = (int32_t)row;
  sink->port.refused = sink->refused;
}

static int sink_write(ls_sink_port *port, int worker, const ls_batch *batch, const ls_column *partition,
                      ls_error *err) {
  (void)worker, (void)partition;
  ls_kafka_sink *sink = (ls_kafka_sink *)port;
  bool keyed = sink->schema->n_key > 0;
  size_t bytes_max = ls__kafka_producer_record_bytes_max(sink->producer);
  int64_t now_us = ls__wall_us();
  port->n_refused = 0;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    bool gone = !sink->internal && ls__is_retract(batch, row);
    ls__buf_clear(&sink->value);
    ls__buf_clear(&sink->key);
    if (sink->internal) {
      if (keyed) ls__batch_format_key(&sink->key, batch, row);
      put_internal(sink, batch, row);
    } else {
      ls__buf_append(&sink->value, sink->head.ptr, sink->head.len);
      LS_TRY(ls__kafka_sink_format(&sink->key, &sink->value, sink->protobuf, batch, row, err));
    }
    if (sink->key.len + sink->value.len > bytes_max) {
      refuse(sink, row);
      continue;
    }
    ls_kafka_send send = {.topic = sink->topic,
                          .partition = -1,
                          .value = gone ? (ls_slice){NULL, 0} : bytes_of(&sink->value),
                          .timestamp_us = timestamp_of(batch->ts_us[row], now_us)};
    if (keyed) send.key = bytes_of(&sink->key);
    LS_TRY(ls__kafka_producer_send(sink->producer, &send, err));
  }
  return LS_OK;
}

void ls__kafka_sink_new(ls_kafka_sink **out, const ls_schema *schema, uint32_t topic, bool internal) {
  ls_kafka_sink *sink = LS_NEW(ls_kafka_sink);
  sink->port.write = sink_write;
  sink->schema = schema;
  sink->topic = topic;
  sink->internal = internal;
  ls__arena_init(&sink->arena, 1024);
  if (internal) ls__row_layout_init(&sink->layout, schema, &sink->arena);
  *out = sink;
}

void ls__kafka_sink_set_protobuf(ls_kafka_sink *sink, const ls_protobuf_writer *protobuf) {
  sink->protobuf = protobuf;
}

void ls__kafka_sink_set_head(ls_kafka_sink *sink, ls_slice head) {
  sink->head = head;
}

void ls__kafka_sink_free(ls_kafka_sink *sink) {
  if (sink == NULL) return;
  ls__buf_fini(&sink->key);
  ls__buf_fini(&sink->value);
  ls__buf_fini(&sink->row);
  ls__free(sink->refused);
  ls__arena_fini(&sink->arena);
  ls__free(sink);
}

ls_sink_port *ls__kafka_sink_port(ls_kafka_sink *sink) {
  return &sink->port;
}

void ls__kafka_sink_bind(ls_kafka_sink *sink, ls_kafka_producer *producer) {
  sink->producer = producer;
}
