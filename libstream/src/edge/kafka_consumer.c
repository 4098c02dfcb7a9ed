/**
 * @file kafka_consumer.c  A member of a group: rebalances, batches by partition, positions.
 *
 * Each assigned partition keeps a queue of its own, taken out of librdkafka's common one. So pausing is not taking
 * from it, and librdkafka stops fetching for it alone once it is full; its own pause throws away what it holds, and
 * with batches skips some of it (librdkafka 2.1.0, "consume batch API").
 */
#include "edge/kafka_internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define NO_OFFSET        INT64_MIN /* nothing asked for; not known */
#define CLOSE_MS         15000
#define ABANDON_MS       2000
#define COMMITTED_MS     60000
#define HEARTBEAT_MS     3000 /* at most; a third of the session when that is short */
#define POLLS_AT_ONCE    64   /* events of the group served before records are */
#define PARTITIONS_GUESS 16

typedef struct member_partition {
  uint32_t topic;
  int32_t partition;
  rd_kafka_queue_t *queue;
  rd_kafka_message_t *taken[LS_KAFKA_BATCH]; /* [next, n): out of the queue, not yet handed on */
  size_t next, n;
  int64_t begins_at; /* where librdkafka was told to begin; NO_OFFSET: as committed */
  int64_t seek_to;   /* NO_OFFSET: none wanted */
  bool is_started, is_paused;
  ls_kafka_refill refill;
} member_partition;

struct ls_kafka_consumer {
  ls_kafka_client client;
  ls_kafka_consumer_opts opts;
  rd_kafka_queue_t *events; /* the group's: rebalances, errors */
  ls_kafka_bell bell;
  ls_kafka_limits limits;
  member_partition *partitions;
  size_t n_partitions, turn; /* whose turn it is first */
  /* As it was when the partitions were assigned: whoever has lost them since must not commit in the name of a later
   * membership, nor in nobody's, which the group takes inside a transaction (generation -1, no member). */
  rd_kafka_consumer_group_metadata_t *membership;
  char *member_id;
  bool is_assigning; /* in on_assigned: librdkafka has not been told yet where to begin */
  bool is_closed;
  int rc; /* of the callbacks that librdkafka called, with error */
  ls_error error;
};

static const char *topic_of(const ls_kafka_consumer *c, uint32_t topic) {
  return c->opts.topics[topic];
}

static member_partition *find(ls_kafka_consumer *c, uint32_t topic, int32_t partition) {
  for (size_t i = 0; i < c->n_partitions; i++)
    if (c->partitions[i].topic == topic && c->partitions[i].partition == partition) return &c->partitions[i];
  return NULL;
}

static int not_assigned(const ls_kafka_consumer *c, uint32_t topic, int32_t partition, ls_error *err) {
  return ls_error_set(err, LS_EINVAL, "kafka: topic %s partition %" PRId32 " is not assigned",
                      topic < c->opts.n_topics ? topic_of(c, topic) : "?", partition);
}

static void drop_taken(member_partition *p) {
  for (; p->next < p->n; p->next++) rd_kafka_message_destroy(p->taken[p->next]);
  p->next = p->n = 0;
}

/* ---- rebalances; called by librdkafka from our polls ---- */

static bool topic_index(const ls_kafka_consumer *c, const char *name, uint32_t *out) {
  for (uint32_t i = 0; i < c->opts.n_topics; i++) {
    if (strcmp(c->opts.topics[i], name) != 0) continue;
    *out = i;
    return true;
  }
  return false;
}

/* The queue is taken out of the common one before fetching begins, so that no record gets into that. */
static void adopt(ls_kafka_consumer *c, const rd_kafka_topic_partition_t *from, uint32_t topic) {
  member_partition *p = &c->partitions[c->n_partitions];
  *p = (member_partition){.topic = topic, .partition = from->partition};
  p->begins_at = p->seek_to = NO_OFFSET;
  p->queue = rd_kafka_queue_get_partition(c->client.rk, from->topic, from->partition);
  if (!p->queue) return;
  rd_kafka_queue_forward(p->queue, NULL);
  ls__kafka_bell_watch(&c->bell, p->queue);
  c->n_partitions++;
}

static void let_go(ls_kafka_consumer *c) {
  for (size_t i = 0; i < c->n_partitions; i++) {
    member_partition *p = &c->partitions[i];
    drop_taken(p);
    ls__kafka_bell_unwatch(p->queue);
    rd_kafka_queue_destroy(p->queue);
  }
  ls__free(c->partitions);
  c->partitions = NULL;
  if (c->membership) rd_kafka_consumer_group_metadata_destroy(c->membership);
  c->membership = NULL;
  c->n_partitions = c->turn = 0;
}

/* Names and numbers of what is assigned, in the order of topics and partitions. */
static ls_kafka_partition *list_partitions(const ls_kafka_consumer *c) {
  ls_kafka_partition *list = ls__calloc(c->n_partitions + 1, sizeof *list);
  for (size_t i = 0; i < c->n_partitions; i++)
    list[i] = (ls_kafka_partition){topic_of(c, c->partitions[i].topic), c->partitions[i].partition};
  return list;
}

static void keep_first_error(ls_kafka_consumer *c, int rc, const ls_error *err) {
  if (rc >= 0 || c->rc < 0) return;
  c->rc = rc;
  c->error = *err;
}

static int compare_partitions(const void *a, const void *b) {
  const member_partition *left = a, *right = b;
  if (left->topic != right->topic) return left->topic < right->topic ? -1 : 1;
  return left->partition < right->partition ? -1 : left->partition > right->partition;
}

static void assigned(ls_kafka_consumer *c, rd_kafka_topic_partition_list_t *list) {
  let_go(c);
  c->membership = rd_kafka_consumer_group_metadata(c->client.rk);
  c->member_id = rd_kafka_memberid(c->client.rk);
  c->partitions = ls__calloc((size_t)list->cnt + 1, sizeof *c->partitions);
  for (int i = 0; i < list->cnt; i++) {
    uint32_t topic;
    if (topic_index(c, list->elems[i].topic, &topic)) adopt(c, &list->elems[i], topic);
  }
  qsort(c->partitions, c->n_partitions, sizeof *c->partitions, compare_partitions);
  ls_kafka_partition *names = list_partitions(c);
  ls_error err = LS_ERROR_INIT;
  c->is_assigning = true;
  int rc = c->opts.on_assigned ? c->opts.on_assigned(c->opts.payload, names, c->n_partitions, &err) : LS_OK;
  c->is_assigning = false;
  keep_first_error(c, rc, &err);
  ls__free(names);
  for (int i = 0; i < list->cnt; i++) {
    rd_kafka_topic_partition_t *to = &list->elems[i];
    uint32_t topic = 0;
    member_partition *p = topic_index(c, to->topic, &topic) ? find(c, topic, to->partition) : NULL;
    to->offset = p && p->begins_at != NO_OFFSET ? p->begins_at : RD_KAFKA_OFFSET_INVALID;
  }
  rd_kafka_resp_err_t code = rd_kafka_assign(c->client.rk, list);
  if (!code) return;
  rc = ls__kafka_fail(&c->client, &err, ls__kafka_code(code), code, NULL, "assigning partitions");
  keep_first_error(c, rc, &err);
}

static void revoked(ls_kafka_consumer *c, bool lost) {
  if (c->n_partitions > 0 && c->opts.on_revoked) {
    ls_kafka_partition *names = list_partitions(c);
    ls_error err = LS_ERROR_INIT;
    int rc = c->opts.on_revoked(c->opts.payload, names, c->n_partitions, lost, &err);
    keep_first_error(c, rc, &err);
    ls__free(names);
  }
  let_go(c);
}

/*
 * Whether others may own the partitions already. librdkafka does not say so of a member that was put out of the group
 * while a rebalance waited for its poll; then its id is another by now. (Not asked while closing: it may not answer.)
 */
static bool is_lost(ls_kafka_consumer *c) {
  if (rd_kafka_assignment_lost(c->client.rk)) return true;
  if (c->is_closed || !c->member_id) return false;
  char *now = rd_kafka_memberid(c->client.rk);
  bool lost = !now || strcmp(now, c->member_id) != 0;
  if (now) rd_kafka_mem_free(c->client.rk, now);
  return lost;
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
                         void *opaque) {
  ls_kafka_consumer *c = opaque; /* the opaque is its client, the first member */
  bool is_assign = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
  bool lost = !is_assign && is_lost(c);
  ls__log(LS_LOG_INFO, "edge", is_assign ? "kafka_assigned" : "kafka_revoked",
          "client=%s group=%s partitions=%d lost=%d", rd_kafka_name(rk), c->opts.group_id, list->cnt, lost);
  if (is_assign) {
    assigned(c, list);
    return;
  }
  revoked(c, lost);
  rd_kafka_assign(rk, NULL);
}

/* ---- opening and closing ---- */

/* librdkafka's own interval is 3 s whatever the session: with a short one a member would be put out between two. */
static void suggest_heartbeat(rd_kafka_conf_t *conf, const ls_kafka_cluster *cluster) {
  char session[32], heartbeat[32];
  size_t n = sizeof session;
  if (rd_kafka_conf_get(conf, "session.timeout.ms", session, &n) != RD_KAFKA_CONF_OK) return;
  int64_t ms = strtoll(session, NULL, 10) / 3;
  snprintf(heartbeat, sizeof heartbeat, "%" PRId64, ms < 1 ? 1 : ms < HEARTBEAT_MS ? ms : HEARTBEAT_MS);
  ls__kafka_conf_suggest(conf, cluster, "heartbeat.interval.ms", heartbeat);
}

static int make_conf(ls_kafka_consumer *c, rd_kafka_conf_t **out, ls_error *err) {
  const ls_kafka_consumer_opts *opts = &c->opts;
  rd_kafka_conf_t *conf;
  LS_TRY(ls__kafka_conf_new(&conf, opts->cluster, LS_KAFKA_CONSUMER, err));
  ls__kafka_conf_put(conf, "group.id", opts->group_id);
  if (opts->instance_id) ls__kafka_conf_put(conf, "group.instance.id", opts->instance_id);
  ls__kafka_conf_put(conf, "partition.assignment.strategy", "range");
  ls__kafka_conf_put(conf, "enable.auto.commit", "false");
  ls__kafka_conf_put(conf, "enable.auto.offset.store", "false");
  ls__kafka_conf_put(conf, "enable.partition.eof", "true");
  ls__kafka_conf_put(conf, "isolation.level", "read_committed");
  /* also where what was committed has been deleted: nothing that is there is left out */
  ls__kafka_conf_put(conf, "auto.offset.reset", "earliest");
  /* a seek or an assignment waits behind the fetch that is under way */
  ls__kafka_conf_suggest(conf, opts->cluster, "fetch.wait.max.ms", "100");
  ls__kafka_conf_suggest(conf, opts->cluster, "fetch.error.backoff.ms", "100");
  suggest_heartbeat(conf, opts->cluster);
  c->limits = ls__kafka_size_queues(conf, opts->queue_bytes,
                                    opts->n_partitions_max ? opts->n_partitions_max : PARTITIONS_GUESS);
  rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
  *out = conf;
  return LS_OK;
}

static int subscribe(ls_kafka_consumer *c, ls_error *err) {
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->opts.n_topics);
  for (uint32_t i = 0; i < c->opts.n_topics; i++)
    rd_kafka_topic_partition_list_add(list, topic_of(c, i), RD_KAFKA_PARTITION_UA);
  rd_kafka_resp_err_t code = rd_kafka_subscribe(c->client.rk, list);
  rd_kafka_topic_partition_list_destroy(list);
  if (!code) return LS_OK;
  return ls__kafka_fail(&c->client, err, ls__kafka_code(code), code, NULL, "subscribing");
}

int ls__kafka_consumer_new(ls_kafka_consumer **out, const ls_kafka_consumer_opts *opts, ls_error *err) {
  ls_kafka_consumer *c = LS_NEW(ls_kafka_consumer);
  c->opts = *opts;
  ls__kafka_bell_init(&c->bell);
  rd_kafka_conf_t *conf;
  int rc = make_conf(c, &conf, err);
  if (rc >= 0) rc = ls__kafka_client_open(&c->client, opts->cluster, LS_KAFKA_CONSUMER, conf, err);
  if (rc >= 0) {
    rd_kafka_poll_set_consumer(c->client.rk);
    c->events = rd_kafka_queue_get_consumer(c->client.rk);
    ls__kafka_bell_watch(&c->bell, c->events);
    rc = ls__kafka_client_reach(&c->client, err);
  }
  if (rc >= 0) rc = subscribe(c, err);
  if (rc < 0) {
    ls__kafka_consumer_free(c);
    return rc;
  }
  *out = c;
  return LS_OK;
}

static void leave_group(ls_kafka_consumer *c, int wait_ms) {
  c->is_closed = true;
  rd_kafka_t *rk = c->client.rk;
  int64_t until_us = ls__monotonic_us() + wait_ms * INT64_C(1000);
  rd_kafka_error_t *refused = rd_kafka_consumer_close_queue(rk, c->events);
  if (refused) {
    /* a fenced member, most often: nothing is to be left any more */
    rd_kafka_error_destroy(refused);
  } else {
    while (!rd_kafka_consumer_closed(rk) && ls__monotonic_us() < until_us) {
      rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 50);
      if (message) rd_kafka_message_destroy(message);
    }
  }
}

int ls__kafka_consumer_close(ls_kafka_consumer *c, ls_error *err) {
  if (c->is_closed) return LS_OK;
  leave_group(c, CLOSE_MS);
  revoked(c, true); /* nothing is left to do unless the group's answer did not come */
  if (c->rc >= 0) return LS_OK;
  int rc = c->rc;
  if (err) *err = c->error;
  c->rc = LS_OK;
  return rc;
}

void ls__kafka_consumer_abandon(ls_kafka_consumer *c) {
  if (c->is_closed) return;
  c->opts.on_assigned = NULL;
  c->opts.on_revoked = NULL;
  leave_group(c, ABANDON_MS);
}

void ls__kafka_consumer_free(ls_kafka_consumer *c) {
  if (!c) return;
  let_go(c);
  if (c->events) {
    ls__kafka_bell_unwatch(c->events);
    rd_kafka_queue_destroy(c->events);
  }
  /* whoever wants a proper leave calls close; without it the session runs out, as after a crash */
  if (c->client.rk && !ls__kafka_client_destroy(&c->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)) return;
  ls__kafka_bell_fini(&c->bell);
  ls__free(c);
}

/* ---- reading ---- */

static int group_failed(ls_kafka_consumer *c, const rd_kafka_message_t *message, ls_error *err) {
  rd_kafka_resp_err_t code = ls__kafka_root_cause(&c->client, message->err);
  const char *topic = message->rkt ? rd_kafka_topic_name(message->rkt) : "";
  if (code == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED) {
    /* the partitions are lost, which on_revoked says; the member joins again by itself */
    ls__log(LS_LOG_WARN, "edge", "kafka_poll_too_late", "client=%s", rd_kafka_name(c->client.rk));
    return LS_OK;
  }
  int ours = ls__kafka_code(code);
  return ls__kafka_fail(&c->client, err, ours, code, rd_kafka_message_errstr(message), "group %s%s%s", c->opts.group_id,
                        *topic ? ", topic " : "", topic);
}

/* Rebalances, errors and logs of the group. */
static int serve_group(ls_kafka_consumer *c, ls_error *err) {
  int rc = LS_OK;
  for (int i = 0; i < POLLS_AT_ONCE && rc >= 0; i++) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll(c->client.rk, 0);
    if (!message) break;
    if (message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) rc = group_failed(c, message, err);
    rd_kafka_message_destroy(message);
  }
  if (c->rc < 0) {
    rc = c->rc;
    *err = c->error;
    c->rc = LS_OK;
  }
  if (rc >= 0 && c->client.refused && c->n_partitions == 0) {
    rd_kafka_resp_err_t code = c->client.refused;
    c->client.refused = RD_KAFKA_RESP_ERR_NO_ERROR;
    rc = ls__kafka_fail(&c->client, err, LS_ECONFIG, code, NULL, "group %s", c->opts.group_id);
  }
  return rc;
}

/*
 * Carries out the seeks that are wanted. One that librdkafka can't carry out yet, since it still asks where the
 * partition begins, is tried again by the next poll; until then nothing of the partition is handed on.
 */
static void serve_seeks(ls_kafka_consumer *c) {
  rd_kafka_topic_partition_list_t *list = NULL;
  for (size_t i = 0; i < c->n_partitions; i++) {
    member_partition *p = &c->partitions[i];
    if (p->seek_to == NO_OFFSET) continue;
    if (!list) list = rd_kafka_topic_partition_list_new(4);
    rd_kafka_topic_partition_list_add(list, topic_of(c, p->topic), p->partition)->offset = p->seek_to;
  }
  if (!list) return;
  /* librdkafka 2.0.2 takes these milliseconds for microseconds: 200 ms */
  rd_kafka_error_t *late = rd_kafka_seek_partitions(c->client.rk, list, 200000);
  if (late) rd_kafka_error_destroy(late);
  for (int i = 0; i < list->cnt; i++) {
    uint32_t topic = 0;
    if (list->elems[i].err || !topic_index(c, list->elems[i].topic, &topic)) continue;
    member_partition *p = find(c, topic, list->elems[i].partition);
    p->seek_to = NO_OFFSET;
    p->refill = (ls_kafka_refill){0};
  }
  rd_kafka_topic_partition_list_destroy(list);
}

static int partition_failed(ls_kafka_consumer *c, const member_partition *p, const rd_kafka_message_t *message,
                            ls_error *err) {
  rd_kafka_resp_err_t code = ls__kafka_root_cause(&c->client, message->err);
  return ls__kafka_fail(&c->client, err, ls__kafka_code(code), code, rd_kafka_message_errstr(message),
                        "topic %s partition %" PRId32, topic_of(c, p->topic), p->partition);
}

static int hand_on(ls_kafka_consumer *c, member_partition *p, rd_kafka_message_t *message, size_t *n, ls_error *err) {
  ls__kafka_refill_saw(&p->refill, message);
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    if (c->opts.on_end) c->opts.on_end(c->opts.payload, p->topic, p->partition, message->offset);
    return LS_OK;
  }
  if (message->err) return partition_failed(c, p, message, err);
  (*n)++;
  ls_kafka_record record = ls__kafka_record_of(message, p->topic);
  return c->opts.on_record(c->opts.payload, &record, err);
}

/* Takes a batch if the last one is used up. Its number is asked for: a batch call that finds less waits for more. */
static void take_batch(ls_kafka_consumer *c, member_partition *p) {
  if (p->next < p->n) return;
  p->next = p->n = 0;
  size_t n = rd_kafka_queue_length(p->queue);
  if (n > 0) {
    ssize_t got = rd_kafka_consume_batch_queue(p->queue, 0, p->taken, n < LS_KAFKA_BATCH ? n : LS_KAFKA_BATCH);
    p->n = got > 0 ? (size_t)got : 0;
    n = rd_kafka_queue_length(p->queue);
  }
  if (p->n == 0 && n > 0) return; /* events of the partition only */
  if (!ls__kafka_refill_due(&p->refill, &c->limits, n)) return;
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic_of(c, p->topic), p->partition);
  ls__kafka_wake_fetchers(&c->client, list);
  rd_kafka_topic_partition_list_destroy(list);
}

static bool is_readable(const member_partition *p) {
  return p->is_started && !p->is_paused && p->seek_to == NO_OFFSET;
}

static int read_partition(ls_kafka_consumer *c, member_partition *p, size_t n_max, size_t *n, ls_error *err) {
  if (!is_readable(p)) return LS_OK;
  take_batch(c, p);
  int rc = LS_OK;
  /* a callback may pause the partition or go back in it */
  while (rc >= 0 && p->next < p->n && *n < n_max && is_readable(p)) {
    rd_kafka_message_t *message = p->taken[p->next++];
    rc = hand_on(c, p, message, n, err);
    rd_kafka_message_destroy(message);
  }
  return rc;
}

static int read_all(ls_kafka_consumer *c, size_t n_max, size_t *n, ls_error *err) {
  size_t n_before;
  do {
    n_before = *n;
    for (size_t i = 0; i < c->n_partitions && *n < n_max; i++) {
      size_t at = (c->turn + i) % c->n_partitions;
      LS_TRY(read_partition(c, &c->partitions[at], n_max, n, err));
    }
    if (c->n_partitions > 0) c->turn = (c->turn + 1) % c->n_partitions;
  } while (*n<n_max && * n> n_before);
  return LS_OK;
}

static bool has_seeks(const ls_kafka_consumer *c) {
  for (size_t i = 0; i < c->n_partitions; i++)
    if (c->partitions[i].seek_to != NO_OFFSET) return true;
  return false;
}

int ls__kafka_consumer_poll(ls_kafka_consumer *c, int timeout_ms, size_t n_max, size_t *n, ls_error *err) {
  *n = 0;
  int64_t until_us = ls__monotonic_us() + timeout_ms * INT64_C(1000);
  for (;;) {
    ls__kafka_bell_clear(&c->bell);
    LS_TRY(serve_group(c, err));
    serve_seeks(c);
    LS_TRY(read_all(c, n_max, n, err));
    int64_t left_us = until_us - ls__monotonic_us();
    if (*n > 0 || left_us <= 0) return LS_OK;
    int wait_ms = (int)((left_us + 999) / 1000);
    int longest_ms = has_seeks(c) ? 5 : 100; /* seeks and fetchers may need another try */
    ls__kafka_bell_wait(&c->bell, wait_ms < longest_ms ? wait_ms : longest_ms);
  }
}

/* ---- positions ---- */

int ls__kafka_consumer_start(ls_kafka_consumer *c, uint32_t topic, int32_t partition, int64_t offset, ls_error *err) {
  member_partition *p = find(c, topic, partition);
  if (!p) return not_assigned(c, topic, partition, err);
  p->is_started = true;
  if (offset < 0) return LS_OK; /* librdkafka begins as committed by itself */
  if (c->is_assigning) {
    p->begins_at = offset;
  } else if (p->begins_at != offset) {
    p->seek_to = offset;
  }
  return LS_OK;
}

int ls__kafka_consumer_pause(ls_kafka_consumer *c, uint32_t topic, int32_t partition, bool paused, ls_error *err) {
  member_partition *p = find(c, topic, partition);
  if (!p) return not_assigned(c, topic, partition, err);
  p->is_paused = paused;
  return LS_OK;
}

int ls__kafka_consumer_seek(ls_kafka_consumer *c, uint32_t topic, int32_t partition, int64_t offset, ls_error *err) {
  member_partition *p = find(c, topic, partition);
  if (!p) return not_assigned(c, topic, partition, err);
  drop_taken(p);
  p->seek_to = offset >= 0 ? offset : RD_KAFKA_OFFSET_BEGINNING;
  return LS_OK;
}

int ls__kafka_consumer_committed(ls_kafka_consumer *c, uint32_t topic, int32_t partition, int64_t *offset,
                                 ls_buf *metadata, ls_error *err) {
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_t *asked = rd_kafka_topic_partition_list_add(list, topic_of(c, topic), partition);
  int64_t until_us = ls__monotonic_us() + COMMITTED_MS * INT64_C(1000);
  rd_kafka_resp_err_t code;
  do {
    asked->err = RD_KAFKA_RESP_ERR_NO_ERROR;
    code = rd_kafka_committed(c->client.rk, list, 5000);
    if (!code) code = asked->err;
  } while (code && ls__kafka_code(code) == LS_ERETRY && ls__monotonic_us() < until_us);
  int rc = LS_OK;
  if (code) {
    rc = ls__kafka_fail(&c->client, err, ls__kafka_code(code), code, NULL,
                        "committed offset of group %s, topic %s partition %" PRId32, c->opts.group_id,
                        topic_of(c, topic), partition);
  } else {
    *offset = asked->offset >= 0 ? asked->offset : -1;
    if (metadata && asked->metadata_size > 0) ls__buf_append(metadata, asked->metadata, asked->metadata_size);
    member_partition *p = find(c, topic, partition);
    if (p && c->is_assigning && !p->is_started && *offset >= 0) p->begins_at = *offset;
  }
  rd_kafka_topic_partition_list_destroy(list);
  return rc;
}

int ls__kafka_offset_list(rd_kafka_topic_partition_list_t **out, const char *const *topics, uint32_t n_topics,
                          const ls_kafka_offset *offsets, size_t n, ls_error *err) {
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
  for (size_t i = 0; i < n; i++) {
    const ls_kafka_offset *o = &offsets[i];
    if (o->topic >= n_topics || o->metadata.len > 4096) {
      rd_kafka_topic_partition_list_destroy(list);
      return ls_error_set(err, LS_EINVAL, "kafka: offset %zu: topic %u of %u, %zu bytes of metadata", i, o->topic,
                          n_topics, o->metadata.len);
    }
    rd_kafka_topic_partition_t *to = rd_kafka_topic_partition_list_add(list, topics[o->topic], o->partition);
    to->offset = o->offset;
    if (o->metadata.len == 0) continue;
    to->metadata = rd_kafka_mem_malloc(NULL, o->metadata.len + 1); /* the list frees it */
    memcpy(to->metadata, o->metadata.ptr, o->metadata.len);
    ((char *)to->metadata)[o->metadata.len] = '\0';
    to->metadata_size = o->metadata.len;
  }
  *out = list;
  return LS_OK;
}

int ls__kafka_consumer_offset_list(const ls_kafka_consumer *c, rd_kafka_topic_partition_list_t **out,
                                   const ls_kafka_offset *offsets, size_t n, ls_error *err) {
  return ls__kafka_offset_list(out, c->opts.topics, c->opts.n_topics, offsets, n, err);
}

const rd_kafka_consumer_group_metadata_t *ls__kafka_consumer_membership(const ls_kafka_consumer *c) {
  return c->membership;
}

int ls__kafka_consumer_commit(ls_kafka_consumer *c, const ls_kafka_offset *offsets, size_t n, ls_error *err) {
  if (n == 0) return LS_OK;
  rd_kafka_topic_partition_list_t *list;
  LS_TRY(ls__kafka_consumer_offset_list(c, &list, offsets, n, err));
  rd_kafka_resp_err_t code = rd_kafka_commit(c->client.rk, list, 0);
  for (int i = 0; i < list->cnt && !code; i++) code = list->elems[i].err;
  rd_kafka_topic_partition_list_destroy(list);
  if (!code) return LS_OK;
  code = ls__kafka_root_cause(&c->client, code);
  return ls__kafka_fail(&c->client, err, ls__kafka_code(code), code, NULL, "committing offsets of group %s",
                        c->opts.group_id);
}
