/**
 * @file kafka_client.h
 * What the Kafka edges share: how to reach the cluster, records, errors. The only room that knows librdkafka.
 *
 * Errors: LS_ERETRY (transient: try again), LS_EFENCED (another member has taken over: close all tasks and start anew),
 * LS_EABORT (the transaction must be aborted), LS_ECONFIG (a property, a topic, authentication, authorisation), LS_EIO.
 * Messages name topic, partition and broker's words; never values of properties that hold secrets, never payloads.
 */
#ifndef LS_EDGE_KAFKA_CLIENT_H
#define LS_EDGE_KAFKA_CLIENT_H
#include "base/buf.h"
#include "port/kafka_names.h"

#include <libstream/error.h>

typedef struct ls_kafka_property {
  const char *name, *value; /* as librdkafka names them */
} ls_kafka_property;

/** How to reach the cluster; borrowed until the last client made from it is freed. */
typedef struct ls_kafka_cluster {
  const ls_kafka_property *properties; /* bootstrap.servers is among them */
  size_t n_properties;
  const char *client_id; /* prefix of the clients' names */
} ls_kafka_cluster;

typedef struct ls_kafka_partition {
  const char *topic;
  int32_t partition;
} ls_kafka_partition;

typedef struct ls_kafka_header {
  const char *name;
  ls_slice value;
} ls_kafka_header;

/** A record on its way in; borrowed for the call. */
typedef struct ls_kafka_record {
  uint32_t topic; /* index in the topics given at opening */
  int32_t partition;
  int64_t offset;
  int64_t timestamp_us; /* -1: none; Kafka has milliseconds */
  ls_slice key, value;  /* ptr NULL: null (value: a tombstone) */
  const void *source;   /* for ls__kafka_record_headers */
} ls_kafka_record;

/** Headers of a record, in its order, at most n_max; borrowed as the record is. Returns how many there are. */
size_t ls__kafka_record_headers(const ls_kafka_record *record, ls_kafka_header *headers, size_t n_max);

/** Value of the first header of that name; ptr NULL: there is none. */
ls_slice ls__kafka_header_of(const ls_kafka_header *headers, size_t n, const char *name);

/** Checks names and values of the properties against librdkafka, without connecting. @errors LS_ECONFIG, naming the property and
 *  its index in *at */
int ls__kafka_check_properties(const ls_kafka_cluster *cluster, size_t *at, ls_error *err);
/** Partition of a key as the Java client's default partitioner has it (murmur2). */
int32_t ls__kafka_murmur2_partition(ls_slice key, int32_t n_partitions);
#endif
