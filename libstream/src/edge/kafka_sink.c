/** @file kafka_sink.c  See kafka_sink.h. */
#include "edge/kafka_sink.h"

#include "base/alloc.h"
#include "codec/codec.h"
#include "codec/wire_format.h"
#include "data/row.h"

struct ls_kafka_sink {
  ls_sink_port port;
  const ls_schema *schema;
  uint32_t topic;
  bool internal;
  bool framed;
  char head[LS_WIRE_HEAD]; /* of a value; framed */
  ls_kafka_producer *producer;
  ls_arena arena;
  ls_row_layout layout; /* of internal rows */
  ls_buf key, value, row;
};

/** Layout, event time and row, for a task of our own. */
static void put_internal(ls_kafka_sink *sink, const ls_batch *batch, int64_t row) {
  ls__row_encode(&sink->row, &sink->layout, batch, row);
  ls__buf_append(&sink->value, &sink->layout.id, sizeof sink->layout.id);
  ls__buf_append(&sink->value, &batch->ts_us[row], sizeof batch->ts_us[row]);
  ls__buf_append(&sink->value, sink->row.ptr, sink->row.len);
}

void ls__kafka_sink_format(ls_buf *key, ls_buf *value, const ls_batch *batch, int64_t row) {
  if (batch->schema->n_key > 0) ls__batch_format_key(key, batch, row);
  if (!ls__is_retract(batch, row)) ls__encode_json(value, batch, row);
}

static int sink_write(ls_sink_port *port, int worker, const ls_batch *batch, const ls_column *partition,
                      ls_error *err) {
  (void)worker, (void)partition;
  ls_kafka_sink *sink = (ls_kafka_sink *)port;
  bool keyed = sink->schema->n_key > 0;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    bool gone = !sink->internal && ls__is_retract(batch, row);
    ls__buf_clear(&sink->value);
    ls__buf_clear(&sink->key);
    if (sink->internal) {
      if (keyed) ls__batch_format_key(&sink->key, batch, row);
      put_internal(sink, batch, row);
    } else {
      if (sink->framed) ls__buf_append(&sink->value, sink->head, sizeof sink->head);
      ls__kafka_sink_format(&sink->key, &sink->value, batch, row);
    }
    ls_kafka_send send = {.topic = sink->topic,
                          .partition = -1,
                          .value = gone ? (ls_slice){NULL, 0} : ls__buf_slice(&sink->value),
                          .timestamp_us = batch->ts_us[row] >= 0 ? batch->ts_us[row] : -1};
    if (keyed) send.key = (ls_slice){sink->key.ptr != NULL ? sink->key.ptr : "", sink->key.len};
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

void ls__kafka_sink_set_schema(ls_kafka_sink *sink, int32_t id) {
  ls__wire_head(sink->head, id);
  sink->framed = true;
}

void ls__kafka_sink_free(ls_kafka_sink *sink) {
  if (sink == NULL) return;
  ls__buf_fini(&sink->key);
  ls__buf_fini(&sink->value);
  ls__buf_fini(&sink->row);
  ls__arena_fini(&sink->arena);
  ls__free(sink);
}

ls_sink_port *ls__kafka_sink_port(ls_kafka_sink *sink) {
  return &sink->port;
}

void ls__kafka_sink_bind(ls_kafka_sink *sink, ls_kafka_producer *producer) {
  sink->producer = producer;
}
