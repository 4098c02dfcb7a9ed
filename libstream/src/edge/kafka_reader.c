/**
 * @file kafka_reader.c  Reads given partitions from given offsets, without a group.
 *
 * All partitions share one queue, so that its limit bounds them together: whoever restores wants all of it anyway.
 */
#include "edge/kafka_internal.h"

#include "base/alloc.h"
#include "base/thread.h"

#include <inttypes.h>

struct ls_kafka_reader {
  ls_kafka_client client;
  ls_kafka_client
      ends; /* sees what is not committed, too: a reader of committed records is told of no end behind an open transaction */
  ls_kafka_reader_opts opts;
  rd_kafka_topic_t **topics; /* one for each of opts.topics */
  rd_kafka_queue_t *queue;
  rd_kafka_message_t *taken[LS_KAFKA_BATCH]; /* [next, n): out of the queue, not yet handed on; NULL: removed */
  size_t next, n;
  rd_kafka_topic_partition_list_t *partitions; /* those added */
  ls_kafka_limits limits;
  ls_kafka_refill refill;
  uint32_t last_topic; /* of the last record: most often of the next as well */
};

static int open_ends(ls_kafka_reader *r, ls_error *err) {
  if (r->ends.rk) return LS_OK;
  rd_kafka_conf_t *conf;
  LS_TRY(ls__kafka_conf_new(&conf, r->opts.cluster, LS_KAFKA_READER, err));
  ls__kafka_conf_put(conf, "isolation.level", "read_uncommitted");
  return ls__kafka_client_open(&r->ends, r->opts.cluster, LS_KAFKA_READER, conf, err);
}

static int make_conf(ls_kafka_reader *r, rd_kafka_conf_t **out, ls_error *err) {
  rd_kafka_conf_t *conf;
  LS_TRY(ls__kafka_conf_new(&conf, r->opts.cluster, LS_KAFKA_READER, err));
  ls__kafka_conf_put(conf, "enable.auto.commit", "false");
  ls__kafka_conf_put(conf, "enable.auto.offset.store", "false");
  ls__kafka_conf_put(conf, "enable.partition.eof", "true");
  ls__kafka_conf_put(conf, "isolation.level", "read_committed");
  ls__kafka_conf_put(conf, "auto.offset.reset", "earliest");
  ls__kafka_conf_suggest(conf, r->opts.cluster, "fetch.wait.max.ms", "100");
  ls__kafka_conf_suggest(conf, r->opts.cluster, "fetch.error.backoff.ms", "100");
  r->limits = ls__kafka_size_queues(conf, r->opts.queue_bytes, 1);
  *out = conf;
  return LS_OK;
}

static int open_topics(ls_kafka_reader *r, ls_error *err) {
  r->topics = ls__calloc(r->opts.n_topics + 1, sizeof(rd_kafka_topic_t *));
  for (uint32_t i = 0; i < r->opts.n_topics; i++) {
    r->topics[i] = rd_kafka_topic_new(r->client.rk, r->opts.topics[i], NULL);
    if (r->topics[i]) continue;
    rd_kafka_resp_err_t code = rd_kafka_last_error();
    return ls__kafka_fail(&r->client, err, LS_ECONFIG, code, NULL, "topic %s", r->opts.topics[i]);
  }
  return LS_OK;
}

int ls__kafka_reader_new(ls_kafka_reader **out, const ls_kafka_reader_opts *opts, ls_error *err) {
  ls_kafka_reader *r = LS_NEW(ls_kafka_reader);
  r->opts = *opts;
  rd_kafka_conf_t *conf;
  int rc = make_conf(r, &conf, err);
  if (rc >= 0) rc = ls__kafka_client_open(&r->client, opts->cluster, LS_KAFKA_READER, conf, err);
  if (rc >= 0) rc = ls__kafka_client_reach(&r->client, err);
  if (rc >= 0) {
    r->queue = rd_kafka_queue_new(r->client.rk);
    r->partitions = rd_kafka_topic_partition_list_new(8);
    rc = open_topics(r, err);
  }
  if (rc < 0) {
    ls__kafka_reader_free(r);
    return rc;
  }
  *out = r;
  return LS_OK;
}

static void drop_taken(ls_kafka_reader *r) {
  for (; r->next < r->n; r->next++)
    if (r->taken[r->next]) rd_kafka_message_destroy(r->taken[r->next]);
  r->next = r->n = 0;
}

void ls__kafka_reader_free(ls_kafka_reader *r) {
  if (!r) return;
  drop_taken(r);
  for (int i = 0; r->partitions && i < r->partitions->cnt; i++) {
    const rd_kafka_topic_partition_t *p = &r->partitions->elems[i];
    for (uint32_t t = 0; t < r->opts.n_topics; t++)
      if (strcmp(r->opts.topics[t], p->topic) == 0) rd_kafka_consume_stop(r->topics[t], p->partition);
  }
  if (r->partitions) rd_kafka_topic_partition_list_destroy(r->partitions);
  for (uint32_t t = 0; r->topics && t < r->opts.n_topics; t++)
    if (r->topics[t]) rd_kafka_topic_destroy(r->topics[t]);
  ls__free(r->topics);
  if (r->queue) rd_kafka_queue_destroy(r->queue);
  bool ended = !r->client.rk || ls__kafka_client_destroy(&r->client, 0);
  ended = (!r->ends.rk || ls__kafka_client_destroy(&r->ends, 0)) && ended;
  if (ended) ls__free(r);
}

static int bad_topic(const ls_kafka_reader *r, uint32_t topic, ls_error *err) {
  return ls_error_set(err, LS_EINVAL, "kafka: topic %u of %u", topic, r->opts.n_topics);
}

int ls__kafka_reader_add(ls_kafka_reader *r, uint32_t topic, int32_t partition, int64_t offset, ls_error *err) {
  if (topic >= r->opts.n_topics) return bad_topic(r, topic, err);
  int64_t from = offset > 0 ? offset : RD_KAFKA_OFFSET_BEGINNING;
  if (rd_kafka_consume_start_queue(r->topics[topic], partition, from, r->queue) != 0) {
    rd_kafka_resp_err_t code = rd_kafka_last_error();
    return ls__kafka_fail(&r->client, err, ls__kafka_code(code), code, NULL, "reading topic %s partition %" PRId32,
                          r->opts.topics[topic], partition);
  }
  rd_kafka_topic_partition_list_add(r->partitions, r->opts.topics[topic], partition);
  r->refill.at_end = false;
  return LS_OK;
}

int ls__kafka_reader_remove(ls_kafka_reader *r, uint32_t topic, int32_t partition, ls_error *err) {
  if (topic >= r->opts.n_topics) return bad_topic(r, topic, err);
  const char *name = r->opts.topics[topic];
  if (!rd_kafka_topic_partition_list_del(r->partitions, name, partition))
    return ls_error_set(err, LS_EINVAL, "kafka: topic %s partition %" PRId32 " is not read", name, partition);
  rd_kafka_consume_stop(r->topics[topic], partition);
  for (size_t i = r->next; i < r->n; i++) {
    rd_kafka_message_t *message = r->taken[i];
    if (!message || message->partition != partition || !message->rkt ||
        strcmp(rd_kafka_topic_name(message->rkt), name) != 0)
      continue;
    rd_kafka_message_destroy(message);
    r->taken[i] = NULL;
  }
  return LS_OK;
}

static uint32_t topic_of(ls_kafka_reader *r, const rd_kafka_message_t *message) {
  const char *name = rd_kafka_topic_name(message->rkt);
  for (uint32_t i = 0; i < r->opts.n_topics; i++) {
    uint32_t topic = (r->last_topic + i) % r->opts.n_topics;
    if (strcmp(r->opts.topics[topic], name) == 0) return r->last_topic = topic;
  }
  return 0; /* it reads no other topics */
}

static int hand_on(ls_kafka_reader *r, const rd_kafka_message_t *message, size_t *n, ls_error *err) {
  ls__kafka_refill_saw(&r->refill, message);
  uint32_t topic = message->rkt ? topic_of(r, message) : 0;
  if (!message->err) {
    (*n)++;
    ls_kafka_record record = ls__kafka_record_of(message, topic);
    return r->opts.on_record(r->opts.payload, &record, err);
  }
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    if (r->opts.on_end) r->opts.on_end(r->opts.payload, topic, message->partition, message->offset);
    return LS_OK;
  }
  int ours = ls__kafka_code(message->err);
  return ls__kafka_fail(&r->client, err, ours, message->err, rd_kafka_message_errstr(message),
                        "topic %s partition %" PRId32, r->opts.topics[topic], message->partition);
}

static void keep_filled(ls_kafka_reader *r) {
  size_t n_left = rd_kafka_queue_length(r->queue);
  if (r->partitions->cnt > 0 && ls__kafka_refill_due(&r->refill, &r->limits, n_left))
    ls__kafka_wake_fetchers(&r->client, r->partitions);
}

static void take_batch(ls_kafka_reader *r, int timeout_ms) {
  r->next = r->n = 0;
  size_t n = rd_kafka_queue_length(r->queue);
  /* with an empty queue only the first record is waited for: one that comes alone must not wait for a second */
  size_t want = n == 0 ? 1 : n < LS_KAFKA_BATCH ? n : LS_KAFKA_BATCH;
  if (n == 0 && timeout_ms == 0) return;
  ssize_t got = rd_kafka_consume_batch_queue(r->queue, n ? 0 : timeout_ms, r->taken, want);
  r->n = got > 0 ? (size_t)got : 0;
}

int ls__kafka_reader_poll(ls_kafka_reader *r, int timeout_ms, size_t n_max, size_t *n, ls_error *err) {
  *n = 0;
  int64_t until_us = ls__monotonic_us() + timeout_ms * INT64_C(1000);
  rd_kafka_poll(r->client.rk, 0); /* errors */
  if (r->client.refused) {
    rd_kafka_resp_err_t code = r->client.refused;
    r->client.refused = RD_KAFKA_RESP_ERR_NO_ERROR;
    return ls__kafka_fail(&r->client, err, LS_ECONFIG, code, NULL, "reading");
  }
  for (;;) {
    while (r->next < r->n && *n < n_max) {
      rd_kafka_message_t *message = r->taken[r->next++];
      if (!message) continue;
      int rc = hand_on(r, message, n, err);
      rd_kafka_message_destroy(message);
      LS_TRY(rc);
    }
    keep_filled(r);
    if (*n >= n_max) return LS_OK;
    int64_t left_us = until_us - ls__monotonic_us();
    int wait_ms = *n > 0 || left_us <= 0 ? 0 : (int)((left_us + 999) / 1000);
    take_batch(r, wait_ms < 100 ? wait_ms : 100);
    if (r->n == 0 && (*n > 0 || wait_ms == 0)) return LS_OK;
  }
}

int ls__kafka_reader_watermarks(ls_kafka_reader *r, uint32_t topic, int32_t partition, int64_t *low, int64_t *high,
                                ls_error *err) {
  if (topic >= r->opts.n_topics) return bad_topic(r, topic, err);
  LS_TRY(open_ends(r, err));
  rd_kafka_resp_err_t code =
      rd_kafka_query_watermark_offsets(r->ends.rk, r->opts.topics[topic], partition, low, high, LS_KAFKA_REACH_MS);
  if (!code) return LS_OK;
  return ls__kafka_fail(&r->ends, err, ls__kafka_code(code), code, NULL, "ends of topic %s partition %" PRId32,
                        r->opts.topics[topic], partition);
}
