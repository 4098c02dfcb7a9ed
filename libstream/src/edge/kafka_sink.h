/**
 * @file kafka_sink.h
 * A sink port over a topic: rows as JSON or protobuf with their key, for others to read; or rows in our own form, for repartition topics.
 * Key: one STRING field as it is, so that the partition is the one the Java client would choose; several or other fields as a
 * JSON array. Internal rows have the same keys: they meet rows of others' topics in the same partition. The record's timestamp
 * is the row's event time. A row that takes back is a record without a value; only ports that take deletes get one.
 */
#ifndef LS_EDGE_KAFKA_SINK_H
#define LS_EDGE_KAFKA_SINK_H
#include "codec/codec.h"
#include "edge/kafka_producer.h"
#include "port/sink.h"

typedef struct ls_kafka_sink ls_kafka_sink;
/** Key and value of a row's record for others to read, appended: as messages; JSON where protobuf is NULL. A schema without a key
 *  has none. @errors LS_EDATA: the message can't hold the row */
int ls__kafka_sink_format(ls_buf *key, ls_buf *value, const ls_protobuf_writer *protobuf, const ls_batch *batch,
                          int64_t row, ls_error *err);
void ls__kafka_sink_new(ls_kafka_sink **out, const ls_schema *schema, uint32_t topic, bool internal);
/** Values are messages; borrowed. Rows that it can't write must not come. */
void ls__kafka_sink_set_protobuf(ls_kafka_sink *sink, const ls_protobuf_writer *protobuf);
/** Values go out in Confluent wire format, with this in front of each (ls__wire_head); borrowed. */
void ls__kafka_sink_set_head(ls_kafka_sink *sink, ls_slice head);
void ls__kafka_sink_free(ls_kafka_sink *sink);
ls_sink_port *ls__kafka_sink_port(ls_kafka_sink *sink);
/** The producer of the thread that has the task now. */
void ls__kafka_sink_bind(ls_kafka_sink *sink, ls_kafka_producer *producer);
#endif
