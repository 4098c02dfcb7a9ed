/**
 * @file kafka_sink.h
 * A sink port over a topic: rows as JSON with their key, for others to read; or rows in our own form, for repartition topics.
 * Key: one STRING field as it is, so that the partition is the one the Java client would choose; several or other fields as a
 * JSON array. Internal rows have the same keys: they meet rows of others' topics in the same partition. The record's timestamp
 * is the row's event time. A row that takes back is a record without a value; only ports that take deletes get one.
 */
#ifndef LS_EDGE_KAFKA_SINK_H
#define LS_EDGE_KAFKA_SINK_H
#include "edge/kafka_producer.h"
#include "port/sink.h"

typedef struct ls_kafka_sink ls_kafka_sink;
/** Key and value of a row's record for others to read, appended. A schema without a key has none. */
void ls__kafka_sink_format(ls_buf *key, ls_buf *value, const ls_batch *batch, int64_t row);
void ls__kafka_sink_new(ls_kafka_sink **out, const ls_schema *schema, uint32_t topic, bool internal);
/** Values go out in Confluent wire format, under the schema of this id. */
void ls__kafka_sink_set_schema(ls_kafka_sink *sink, int32_t id);
void ls__kafka_sink_free(ls_kafka_sink *sink);
ls_sink_port *ls__kafka_sink_port(ls_kafka_sink *sink);
/** The producer of the thread that has the task now. */
void ls__kafka_sink_bind(ls_kafka_sink *sink, ls_kafka_producer *producer);
#endif
