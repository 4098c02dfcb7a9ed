/**
 * @file kafka_consumer.h
 * Two ways to read: as a member of a group (sources), and given partitions from given offsets (changelogs, global tables).
 * Both read only what is committed, in batches, and hand records on one by one without copying.
 */
#ifndef LS_EDGE_KAFKA_CONSUMER_H
#define LS_EDGE_KAFKA_CONSUMER_H
#include "edge/kafka_client.h"

/* ---- member of a group ---- */
typedef struct ls_kafka_consumer ls_kafka_consumer; /* one thread */

typedef struct ls_kafka_consumer_opts {
  const ls_kafka_cluster *cluster;
  const char *group_id;
  const char *instance_id;   /* static membership; NULL: none */
  const char *const *topics; /* all of the same group member: assigned by range, so that equal numbers go together */
  uint32_t n_topics;
  size_t queue_bytes;        /* what librdkafka may hold for this consumer, all partitions together */
  uint32_t n_partitions_max; /* how many partitions it may be assigned, which share queue_bytes; 0: 16 */
  /** Called from ls__kafka_consumer_poll. Assigned: the task side restores, then calls ls__kafka_consumer_start for each partition.
   *  Until then nothing of it is read. Revoked: commit and let go before returning; lost: others own them already, drop. */
  int (*on_assigned)(void *payload, const ls_kafka_partition *partitions, size_t n, ls_error *err);
  int (*on_revoked)(void *payload, const ls_kafka_partition *partitions, size_t n, bool lost, ls_error *err);
  int (*on_record)(void *payload, const ls_kafka_record *record, ls_error *err);
  void (*on_end)(void *payload, uint32_t topic, int32_t partition,
                 int64_t offset); /* all that is committed now has been read */
  void *payload;
} ls_kafka_consumer_opts;

int ls__kafka_consumer_new(ls_kafka_consumer **out, const ls_kafka_consumer_opts *opts, ls_error *err);
/** Leaves the group (a static member stays in it until its session ends). on_revoked is called. */
int ls__kafka_consumer_close(ls_kafka_consumer *consumer, ls_error *err);
/** The same after a failure: nothing is committed and no callback is called; the others need not wait until the session ends. */
void ls__kafka_consumer_abandon(ls_kafka_consumer *consumer);
/** One that has not left yet stays a member until its session ends. NULL: nothing. */
void ls__kafka_consumer_free(ls_kafka_consumer *consumer);
/**
 * Waits up to timeout_ms for the first record, then takes what is there, at most n_max. *n: how many were handed on.
 * @errors of the callbacks; LS_EFENCED, LS_ERETRY, LS_ECONFIG, LS_EIO
 */
int ls__kafka_consumer_poll(ls_kafka_consumer *consumer, int timeout_ms, size_t n_max, size_t *n, ls_error *err);
/** Begins to read an assigned partition at offset (-1: the committed one, or the first). */
int ls__kafka_consumer_start(ls_kafka_consumer *consumer, uint32_t topic, int32_t partition, int64_t offset,
                             ls_error *err);
/** Backpressure: nothing more of the partition is handed on until it is resumed; what librdkafka holds of it is kept. */
int ls__kafka_consumer_pause(ls_kafka_consumer *consumer, uint32_t topic, int32_t partition, bool paused,
                             ls_error *err);
/** Goes back (or forward) to offset, after an aborted transaction; -1: nothing was committed, so to the first. */
int ls__kafka_consumer_seek(ls_kafka_consumer *consumer, uint32_t topic, int32_t partition, int64_t offset,
                            ls_error *err);
/** Committed offset (-1: none) and the metadata given with it (appended to metadata). Waits while a transaction that will
 *  change it is open. */
int ls__kafka_consumer_committed(ls_kafka_consumer *consumer, uint32_t topic, int32_t partition, int64_t *offset,
                                 ls_buf *metadata, ls_error *err);
/** At-least-once: commits offsets without a transaction. As ls__kafka_producer_send_offsets otherwise. */
typedef struct ls_kafka_offset {
  uint32_t topic;
  int32_t partition;
  int64_t offset;    /* of the next record to read */
  ls_slice metadata; /* text, at most 4096 bytes */
} ls_kafka_offset;
int ls__kafka_consumer_commit(ls_kafka_consumer *consumer, const ls_kafka_offset *offsets, size_t n, ls_error *err);

/* ---- given partitions ---- */
typedef struct ls_kafka_reader ls_kafka_reader; /* one thread */
typedef struct ls_kafka_reader_opts {
  const ls_kafka_cluster *cluster;
  const char *const *topics;
  uint32_t n_topics;
  size_t queue_bytes;
  int (*on_record)(void *payload, const ls_kafka_record *record, ls_error *err);
  /** Everything before offset has been handed on, or is not for readers of committed records. Called again as the end moves. */
  void (*on_end)(void *payload, uint32_t topic, int32_t partition, int64_t offset);
  void *payload;
} ls_kafka_reader_opts;
int ls__kafka_reader_new(ls_kafka_reader **out, const ls_kafka_reader_opts *opts, ls_error *err);
void ls__kafka_reader_free(ls_kafka_reader *reader);
/** Adds a partition, from offset on (0: from the beginning; one that was deleted: from the first that is there). */
int ls__kafka_reader_add(ls_kafka_reader *reader, uint32_t topic, int32_t partition, int64_t offset, ls_error *err);
int ls__kafka_reader_remove(ls_kafka_reader *reader, uint32_t topic, int32_t partition, ls_error *err);
int ls__kafka_reader_poll(ls_kafka_reader *reader, int timeout_ms, size_t n_max, size_t *n, ls_error *err);
/** First offset, and the one after the last record, open transactions included. Waits for the broker. */
int ls__kafka_reader_watermarks(ls_kafka_reader *reader, uint32_t topic, int32_t partition, int64_t *low, int64_t *high,
                                ls_error *err);
#endif
