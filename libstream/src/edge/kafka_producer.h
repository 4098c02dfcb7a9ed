/**
 * @file kafka_producer.h
 * One producer per stream thread. Exactly once: everything sent between begin and commit, and the offsets of what was
 * read, become visible together or not at all. At least once: the same calls, without a transaction; commit flushes.
 */
#ifndef LS_EDGE_KAFKA_PRODUCER_H
#define LS_EDGE_KAFKA_PRODUCER_H
#include "edge/kafka_consumer.h"

typedef struct ls_kafka_producer ls_kafka_producer; /* one thread */
typedef struct ls_kafka_producer_opts {
  const ls_kafka_cluster *cluster;
  const char *transactional_id; /* NULL: at least once (idempotent) */
  int transaction_timeout_ms;
  const char *const *topics;
  uint32_t n_topics;
  size_t queue_bytes; /* what may wait for the broker; when it is full, send waits */
} ls_kafka_producer_opts;

/** Connects; with a transactional id ends what an earlier owner of it left open, and fences that. @errors LS_ERETRY, LS_ECONFIG */
int ls__kafka_producer_new(ls_kafka_producer **out, const ls_kafka_producer_opts *opts, ls_error *err);
void ls__kafka_producer_free(ls_kafka_producer *producer);
int ls__kafka_producer_begin(ls_kafka_producer *producer, ls_error *err);

typedef struct ls_kafka_send {
  uint32_t topic;       /* index in topics */
  int32_t partition;    /* -1: by key, as the Java client does; without a key any */
  ls_slice key, value;  /* ptr NULL: null; copied */
  int64_t timestamp_us; /* -1: now */
  const ls_kafka_header *headers;
  size_t n_headers;
  /** Raised to the record's offset when it is delivered, at the latest when flush returns. NULL: not wanted. */
  int64_t *offset;
} ls_kafka_send;
/** Key and value together may have so many bytes (message.max.bytes): a larger record is LS_ELIMIT. */
size_t ls__kafka_producer_record_bytes_max(const ls_kafka_producer *producer);
int ls__kafka_producer_send(ls_kafka_producer *producer, const ls_kafka_send *send, ls_error *err);
/** Waits until all is delivered. @errors LS_EABORT, LS_EFENCED, LS_ERETRY (at least once: some record was not delivered) */
int ls__kafka_producer_flush(ls_kafka_producer *producer, ls_error *err);
/** Puts the offsets of what was read into the transaction, under the membership with which the consumer's partitions were
 *  assigned: a member that is no longer one is refused (LS_EFENCED; LS_EABORT when the group was rebalanced: abort, the next poll
 *  calls on_revoked). At least once: flushes, then commits the offsets at once. */
int ls__kafka_producer_send_offsets(ls_kafka_producer *producer, ls_kafka_consumer *consumer,
                                    const ls_kafka_offset *offsets, size_t n, ls_error *err);
/** Flushes and commits. @errors LS_ERETRY: it is not known whether it is committed: call commit again until it is, or free the
 *  producer and open it anew, which decides it; LS_EABORT; LS_EFENCED (also when librdkafka can't go on: close, start anew) */
int ls__kafka_producer_commit(ls_kafka_producer *producer, ls_error *err);
/** Asks the broker to delete a partition's records before offset, and does not wait: what fails is logged at the next call.
 *  topic: index in topics. */
void ls__kafka_producer_delete_before(ls_kafka_producer *producer, uint32_t topic, int32_t partition, int64_t offset);
/** Takes back what was sent since begin. @errors LS_ERETRY: call it again; LS_EFENCED */
int ls__kafka_producer_abort(ls_kafka_producer *producer, ls_error *err);
#endif
