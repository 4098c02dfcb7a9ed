/**
 * @file kafka_producer.c  Sending, delivery reports, transactions.
 *
 *     ready ──begin──▶ open ──commit──▶ ready
 *                        └──abort───▶ ready      (any error of the transaction but LS_ERETRY and LS_EFENCED: abort)
 */
#include "edge/kafka_internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DELETIONS_MS           1000 /* at the end, for answers that are under way */
#define TRANSACTION_MS_DEFAULT 60000
#define CALL_MS                5000 /* of one try of a call that is tried again */
#define TRY_AGAIN_MS           100  /* a broker that is away is away for a while */
#define SENDS_A_POLL           256  /* sends between two looks at the delivery reports */
#define BYTES_A_RECORD         256  /* least share of the budget a record is counted with */

struct ls_kafka_producer {
  ls_kafka_client client;
  ls_kafka_producer_opts opts;
  rd_kafka_topic_t **topics; /* one for each of opts.topics */
  int transaction_ms;
  size_t record_bytes_max;
  bool is_aborting;           /* what is not delivered now was thrown away on purpose */
  rd_kafka_resp_err_t failed; /* of the first record that was not delivered since begin or flush */
  char failed_topic[256];
  int32_t failed_partition;
  uint32_t n_unpolled;
  rd_kafka_queue_t *deletions; /* answers to delete_before; NULL: none was asked for */
  uint32_t n_deletions;        /* under way */
};

/* ---- delivery ---- */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
  (void)rk;
  ls_kafka_producer *p = opaque; /* the opaque is its client, the first member */
  if (!message->err) {
    int64_t *offset = message->_private;
    if (offset && *offset < message->offset) *offset = message->offset;
    return;
  }
  if (p->is_aborting || p->failed) return;
  p->failed = message->err;
  p->failed_partition = message->partition;
  snprintf(p->failed_topic, sizeof p->failed_topic, "%s", message->rkt ? rd_kafka_topic_name(message->rkt) : "");
}

/* A record that is thrown away with its transaction does not say why; if it was for want of an ACL, the log did. */
static rd_kafka_resp_err_t find_denied(ls_kafka_producer *p, rd_kafka_resp_err_t code) {
  bool purged = code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
  return purged && ls__kafka_denied_topic(&p->client) ? RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED : code;
}

/* What a record that was not delivered means: the transaction is lost, whatever the record's own reason. */
static int delivery_failed(ls_kafka_producer *p, ls_error *err) {
  rd_kafka_resp_err_t code = find_denied(p, ls__kafka_root_cause(&p->client, p->failed));
  const char *topic = ls__kafka_is_denied(code) ? ls__kafka_denied_topic(&p->client) : NULL;
  int ours = ls__kafka_code(code);
  if (p->opts.transactional_id && ours != LS_EFENCED && ours != LS_ECONFIG && ours != LS_ELIMIT) ours = LS_EABORT;
  if (!p->opts.transactional_id && ours == LS_EIO) ours = LS_ERETRY;
  return ls__kafka_fail(&p->client, err, ours, code, NULL,
                        "a record for topic %s partition %" PRId32 " was not delivered",
                        topic ? topic : p->failed_topic, p->failed_partition);
}

/* ---- opening ---- */

static int make_conf(ls_kafka_producer *p, rd_kafka_conf_t **out, ls_error *err) {
  const ls_kafka_producer_opts *opts = &p->opts;
  rd_kafka_conf_t *conf;
  LS_TRY(ls__kafka_conf_new(&conf, opts->cluster, LS_KAFKA_PRODUCER, err));
  if (opts->transactional_id) {
    ls__kafka_conf_put(conf, "transactional.id", opts->transactional_id);
    ls__kafka_conf_put_int(conf, "transaction.timeout.ms", p->transaction_ms);
    ls__kafka_conf_suggest(conf, opts->cluster, "message.timeout.ms", "0"); /* the transaction's */
  }
  ls__kafka_conf_put(conf, "enable.idempotence", "true");
  ls__kafka_conf_put(conf, "partitioner", "murmur2_random");
  int64_t kbytes = (int64_t)(opts->queue_bytes >> 10);
  int64_t n_msgs = (int64_t)(opts->queue_bytes / BYTES_A_RECORD);
  ls__kafka_conf_put_int(conf, "queue.buffering.max.kbytes", kbytes < 1024 ? 1024 : kbytes);
  ls__kafka_conf_put_int(conf, "queue.buffering.max.messages", n_msgs < 1000 ? 1000 : n_msgs);
  ls__kafka_conf_suggest(conf, opts->cluster, "linger.ms", "5");
  ls__kafka_conf_suggest(conf, opts->cluster, "compression.type", "lz4");
  ls__kafka_conf_suggest(conf, opts->cluster, "retry.backoff.ms", "50");
  char max[32] = "0";
  size_t n = sizeof max;
  (void)rd_kafka_conf_get(conf, "message.max.bytes", max, &n);
  p->record_bytes_max = (size_t)strtoull(max, NULL, 10);
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  *out = conf;
  return LS_OK;
}

static int open_topics(ls_kafka_producer *p, ls_error *err) {
  p->topics = ls__calloc(p->opts.n_topics + 1, sizeof(rd_kafka_topic_t *));
  for (uint32_t i = 0; i < p->opts.n_topics; i++) {
    p->topics[i] = rd_kafka_topic_new(p->client.rk, p->opts.topics[i], NULL);
    if (p->topics[i]) continue;
    rd_kafka_resp_err_t code = rd_kafka_last_error();
    return ls__kafka_fail(&p->client, err, LS_ECONFIG, code, NULL, "topic %s", p->opts.topics[i]);
  }
  return LS_OK;
}

/* ---- transactions ---- */

/*
 * Ours for librdkafka's error, which it takes. What is fatal to the producer without another having taken over is
 * LS_EFENCED as well: the way out is the same, close and start anew.
 */
static int transaction_failed(ls_kafka_producer *p, rd_kafka_error_t *error, ls_error *err, const char *what) {
  rd_kafka_resp_err_t code = ls__kafka_root_cause(&p->client, rd_kafka_error_code(error));
  int ours = ls__kafka_code(code);
  if (rd_kafka_error_is_fatal(error)) {
    if (ours != LS_ECONFIG) ours = LS_EFENCED;
  } else if (rd_kafka_error_txn_requires_abort(error)) {
    if (ours != LS_EFENCED && ours != LS_ECONFIG && ours != LS_ELIMIT) ours = LS_EABORT;
  } else if (rd_kafka_error_is_retriable(error) && ours == LS_EIO) {
    ours = LS_ERETRY;
  }
  int rc = ls__kafka_fail(&p->client, err, ours, code, rd_kafka_error_string(error), "%s", what);
  rd_kafka_error_destroy(error);
  return rc;
}

static bool may_try_again(const rd_kafka_error_t *error) {
  if (rd_kafka_error_is_fatal(error) || rd_kafka_error_txn_requires_abort(error)) return false;
  return rd_kafka_error_is_retriable(error) || rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__TIMED_OUT;
}

/* Tries call again while that can help, up to wait_ms. librdkafka goes on where the last try ended. */
static int try_call(ls_kafka_producer *p, rd_kafka_error_t *(*call)(rd_kafka_t *, int), int wait_ms, const char *what,
                    ls_error *err) {
  int64_t until_us = ls__monotonic_us() + wait_ms * INT64_C(1000);
  for (;;) {
    rd_kafka_error_t *error = call(p->client.rk, wait_ms < CALL_MS ? wait_ms : CALL_MS);
    rd_kafka_poll(p->client.rk, 0);
    if (!error) return LS_OK;
    if (p->client.refused || !may_try_again(error) || ls__monotonic_us() >= until_us) {
      int rc = transaction_failed(p, error, err, what);
      if (p->client.refused && rc == LS_ERETRY) {
        rc = LS_ECONFIG;
        ls_error_set(err, rc, "kafka: %s: %s", what, p->client.trouble);
      }
      return rc;
    }
    ls__log(LS_LOG_INFO, "edge", "kafka_try_again", "client=%s call=\"%s\" error=%s", rd_kafka_name(p->client.rk), what,
            rd_kafka_error_name(error));
    rd_kafka_error_destroy(error);
    rd_kafka_poll(p->client.rk, TRY_AGAIN_MS);
  }
}

int ls__kafka_producer_new(ls_kafka_producer **out, const ls_kafka_producer_opts *opts, ls_error *err) {
  ls_kafka_producer *p = LS_NEW(ls_kafka_producer);
  p->opts = *opts;
  p->transaction_ms = opts->transaction_timeout_ms > 0 ? opts->transaction_timeout_ms : TRANSACTION_MS_DEFAULT;
  rd_kafka_conf_t *conf;
  int rc = make_conf(p, &conf, err);
  if (rc >= 0) rc = ls__kafka_client_open(&p->client, opts->cluster, LS_KAFKA_PRODUCER, conf, err);
  if (rc >= 0) rc = ls__kafka_client_reach(&p->client, err);
  if (rc >= 0) rc = open_topics(p, err);
  if (rc >= 0 && opts->transactional_id) {
    char what[512];
    snprintf(what, sizeof what, "taking over the transactional id %s", opts->transactional_id);
    rc = try_call(p, rd_kafka_init_transactions, LS_KAFKA_REACH_MS, what, err);
  }
  if (rc < 0) {
    ls__kafka_producer_free(p);
    return rc;
  }
  *out = p;
  return LS_OK;
}

/* ---- deleting ---- */

static void log_deletion(rd_kafka_event_t *event) {
  const char *why = rd_kafka_event_error(event) ? rd_kafka_event_error_string(event) : NULL;
  const rd_kafka_DeleteRecords_result_t *result = rd_kafka_event_DeleteRecords_result(event);
  const rd_kafka_topic_partition_list_t *list = result ? rd_kafka_DeleteRecords_result_offsets(result) : NULL;
  for (int i = 0; !why && list && i < list->cnt; i++)
    if (list->elems[i].err) why = rd_kafka_err2str(list->elems[i].err);
  if (why) ls__log(LS_LOG_WARN, "edge", "records_not_deleted", "error=\"%s\"", why);
}

/** Takes the answers that are there; all of them, if they come in time. */
static void take_deletions(ls_kafka_producer *p, int wait_ms) {
  int64_t until_us = ls__monotonic_us() + wait_ms * INT64_C(1000);
  while (p->n_deletions > 0) {
    int64_t left_ms = (until_us - ls__monotonic_us()) / 1000;
    rd_kafka_event_t *event = rd_kafka_queue_poll(p->deletions, left_ms > 0 ? (int)left_ms : 0);
    if (!event) return;
    log_deletion(event);
    rd_kafka_event_destroy(event);
    p->n_deletions--;
  }
}

void ls__kafka_producer_free(ls_kafka_producer *p) {
  if (!p) return;
  for (uint32_t i = 0; p->topics && i < p->opts.n_topics; i++)
    if (p->topics[i]) rd_kafka_topic_destroy(p->topics[i]);
  ls__free(p->topics);
  if (p->deletions) {
    take_deletions(p, DELETIONS_MS);
    rd_kafka_queue_destroy(p->deletions);
  }
  if (p->client.rk) {
    /* what is still queued belongs to no transaction that can be committed any more */
    p->is_aborting = true;
    rd_kafka_purge(p->client.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(p->client.rk, 1000);
    if (!ls__kafka_client_destroy(&p->client, 0)) return;
  }
  ls__free(p);
}

int ls__kafka_producer_begin(ls_kafka_producer *p, ls_error *err) {
  /* librdkafka may wait for ever in begin after a fatal error (its issue 4420) */
  rd_kafka_resp_err_t fatal = ls__kafka_root_cause(&p->client, RD_KAFKA_RESP_ERR_NO_ERROR);
  if (fatal) {
    int ours = ls__kafka_code(fatal) == LS_ECONFIG ? LS_ECONFIG : LS_EFENCED;
    return ls__kafka_fail(&p->client, err, ours, fatal, NULL, "beginning a transaction");
  }
  p->is_aborting = false;
  p->failed = RD_KAFKA_RESP_ERR_NO_ERROR;
  if (!p->opts.transactional_id) return LS_OK;
  rd_kafka_error_t *error = rd_kafka_begin_transaction(p->client.rk);
  return error ? transaction_failed(p, error, err, "beginning a transaction") : LS_OK;
}

/* ---- sending ---- */

static rd_kafka_headers_t *make_headers(const ls_kafka_send *send) {
  rd_kafka_headers_t *headers = rd_kafka_headers_new(send->n_headers);
  for (size_t i = 0; i < send->n_headers; i++) {
    const ls_kafka_header *h = &send->headers[i];
    rd_kafka_header_add(headers, h->name, -1, h->value.ptr, (ssize_t)h->value.len);
  }
  return headers;
}

/* One try; NULL: queued, and the headers are librdkafka's. */
static rd_kafka_error_t *try_send(ls_kafka_producer *p, const ls_kafka_send *send, rd_kafka_headers_t *headers) {
  rd_kafka_vu_t vus[8];
  size_t n = 0;
  vus[n].vtype = RD_KAFKA_VTYPE_RKT;
  vus[n++].u.rkt = p->topics[send->topic];
  vus[n].vtype = RD_KAFKA_VTYPE_PARTITION;
  vus[n++].u.i32 = send->partition >= 0 ? send->partition : RD_KAFKA_PARTITION_UA;
  vus[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  vus[n++].u.i = RD_KAFKA_MSG_F_COPY;
  vus[n].vtype = RD_KAFKA_VTYPE_VALUE;
  vus[n].u.mem.ptr = (void *)(uintptr_t)send->value.ptr; /* copied, not changed */
  vus[n++].u.mem.size = send->value.len;
  vus[n].vtype = RD_KAFKA_VTYPE_KEY;
  vus[n].u.mem.ptr = (void *)(uintptr_t)send->key.ptr;
  vus[n++].u.mem.size = send->key.len;
  vus[n].vtype = RD_KAFKA_VTYPE_OPAQUE;
  vus[n++].u.ptr = send->offset;
  if (send->timestamp_us >= 0) {
    vus[n].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
    vus[n++].u.i64 = send->timestamp_us / 1000;
  }
  if (headers) {
    vus[n].vtype = RD_KAFKA_VTYPE_HEADERS;
    vus[n++].u.headers = headers;
  }
  return rd_kafka_produceva(p->client.rk, vus, n);
}

static int send_failed(ls_kafka_producer *p, const ls_kafka_send *send, rd_kafka_resp_err_t code, ls_error *err) {
  rd_kafka_poll(p->client.rk, 0);
  if (p->failed) return delivery_failed(p, err);
  code = ls__kafka_root_cause(&p->client, code);
  int ours = ls__kafka_code(code);
  if (p->opts.transactional_id && (ours == LS_EIO || ours == LS_ERETRY)) ours = LS_EABORT;
  return ls__kafka_fail(&p->client, err, ours, code, NULL, "a record of %zu bytes for topic %s partition %" PRId32,
                        send->key.len + send->value.len, p->opts.topics[send->topic], send->partition);
}

size_t ls__kafka_producer_record_bytes_max(const ls_kafka_producer *p) {
  return p->record_bytes_max;
}

int ls__kafka_producer_send(ls_kafka_producer *p, const ls_kafka_send *send, ls_error *err) {
  if (send->topic >= p->opts.n_topics)
    return ls_error_set(err, LS_EINVAL, "kafka: topic %u of %u", send->topic, p->opts.n_topics);
  if (++p->n_unpolled >= SENDS_A_POLL) {
    p->n_unpolled = 0;
    rd_kafka_poll(p->client.rk, 0);
  }
  if (p->failed) return delivery_failed(p, err);
  rd_kafka_headers_t *headers = send->n_headers > 0 ? make_headers(send) : NULL;
  rd_kafka_resp_err_t code;
  for (;;) {
    rd_kafka_error_t *error = try_send(p, send, headers);
    if (!error) return LS_OK;
    code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    /* A full queue empties, or its records time out and are reported: it is waited for, nothing is dropped. */
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || p->failed) break;
    rd_kafka_poll(p->client.rk, 10);
  }
  if (headers) rd_kafka_headers_destroy(headers);
  return send_failed(p, send, code, err);
}

int ls__kafka_producer_flush(ls_kafka_producer *p, ls_error *err) {
  int64_t until_us = ls__monotonic_us() + (p->transaction_ms + CALL_MS) * INT64_C(1000);
  rd_kafka_resp_err_t code;
  do {
    code = rd_kafka_flush(p->client.rk, CALL_MS);
  } while (code == RD_KAFKA_RESP_ERR__TIMED_OUT && !p->failed && ls__monotonic_us() < until_us);
  if (p->failed) {
    int rc = delivery_failed(p, err);
    /* at least once, the next flush speaks of what is sent from here on */
    if (!p->opts.transactional_id) p->failed = RD_KAFKA_RESP_ERR_NO_ERROR;
    return rc;
  }
  if (!code) return LS_OK;
  int ours = p->opts.transactional_id ? LS_EABORT : LS_ERETRY;
  return ls__kafka_fail(&p->client, err, ours, code, NULL, "%d records are not delivered",
                        rd_kafka_outq_len(p->client.rk));
}

/* What was tried for as long as a transaction may take will not come right within it. */
static int retry_by_abort(ls_error *err) {
  err->code = LS_EABORT;
  err->cls = LS_CLASS_ABORT_TXN;
  return LS_EABORT;
}

int ls__kafka_producer_send_offsets(ls_kafka_producer *p, ls_kafka_consumer *consumer, const ls_kafka_offset *offsets,
                                    size_t n, ls_error *err) {
  if (n == 0) return LS_OK;
  if (!p->opts.transactional_id) {
    /* offsets never run ahead of the results */
    LS_TRY(ls__kafka_producer_flush(p, err));
    return ls__kafka_consumer_commit(consumer, offsets, n, err);
  }
  rd_kafka_topic_partition_list_t *list;
  LS_TRY(ls__kafka_consumer_offset_list(consumer, &list, offsets, n, err));
  const rd_kafka_consumer_group_metadata_t *membership = ls__kafka_consumer_membership(consumer);
  if (!membership) {
    rd_kafka_topic_partition_list_destroy(list);
    return ls_error_set(err, LS_EFENCED, "kafka: the consumer has no partitions assigned");
  }
  int64_t until_us = ls__monotonic_us() + p->transaction_ms * INT64_C(1000);
  rd_kafka_error_t *error;
  while ((error = rd_kafka_send_offsets_to_transaction(p->client.rk, list, membership, CALL_MS))) {
    rd_kafka_poll(p->client.rk, 0);
    if (!may_try_again(error) || ls__monotonic_us() >= until_us) break;
    rd_kafka_error_destroy(error);
    rd_kafka_poll(p->client.rk, TRY_AGAIN_MS);
  }
  rd_kafka_topic_partition_list_destroy(list);
  rd_kafka_poll(p->client.rk, 0);
  if (!error) return LS_OK;
  int rc = transaction_failed(p, error, err, "offsets into the transaction");
  return rc == LS_ERETRY ? retry_by_abort(err) : rc;
}

int ls__kafka_producer_commit(ls_kafka_producer *p, ls_error *err) {
  if (!p->opts.transactional_id) return ls__kafka_producer_flush(p, err);
  LS_TRY(ls__kafka_producer_flush(p, err));
  return try_call(p, rd_kafka_commit_transaction, p->transaction_ms, "committing a transaction", err);
}

int ls__kafka_producer_abort(ls_kafka_producer *p, ls_error *err) {
  p->is_aborting = true;
  if (p->opts.transactional_id)
    return try_call(p, rd_kafka_abort_transaction, p->transaction_ms, "aborting a transaction", err);
  /* what is sent without a transaction can't be taken back */
  rd_kafka_flush(p->client.rk, CALL_MS);
  return LS_OK;
}

void ls__kafka_producer_delete_before(ls_kafka_producer *p, uint32_t topic, int32_t partition, int64_t offset) {
  if (!p->deletions) p->deletions = rd_kafka_queue_new(p->client.rk);
  take_deletions(p, 0);
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, p->opts.topics[topic], partition)->offset = offset;
  rd_kafka_DeleteRecords_t *request = rd_kafka_DeleteRecords_new(list);
  rd_kafka_DeleteRecords(p->client.rk, &request, 1, NULL, p->deletions);
  p->n_deletions++;
  rd_kafka_DeleteRecords_destroy(request);
  rd_kafka_topic_partition_list_destroy(list);
}
