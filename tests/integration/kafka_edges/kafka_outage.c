/**
 * @file kafka_outage.c  A copy loop that does what the headers say on each error, while the broker is killed and
 * started again: each record is there once. LS_TEST_OUTAGE is a topic of 2 partitions the script has made.
 */
#include "kafka_helper.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TCase *kafka_outage(void);

#define N_RECORDS 1500 /* of each partition; 20 of both in a transaction */

static ls_error err;

typedef struct copying {
  ls_kafka_consumer *consumer;
  ls_kafka_producer *producer;
  const char *topics[2];    /* from, to */
  int64_t read[2], done[2]; /* next offsets: of this transaction, and committed */
  bool is_open;
  int n_commits, n_aborts, n_retries, n_fenced;
} copying;

static int on_assigned(void *payload, const ls_kafka_partition *partitions, size_t n, ls_error *e) {
  copying *c = payload;
  for (size_t i = 0; i < n; i++) {
    int32_t p = partitions[i].partition;
    int64_t offset;
    LS_TRY(ls__kafka_consumer_committed(c->consumer, 0, p, &offset, NULL, e));
    c->read[p] = c->done[p] = offset < 0 ? 0 : offset;
    LS_TRY(ls__kafka_consumer_start(c->consumer, 0, p, c->read[p], e));
  }
  return LS_OK;
}

static int on_record(void *payload, const ls_kafka_record *record, ls_error *e) {
  copying *c = payload;
  ck_assert_int_le(c->read[record->partition], record->offset);
  ls_kafka_send send = {.topic = 0, .partition = record->partition, .timestamp_us = -1};
  send.value = record->value;
  LS_TRY(ls__kafka_producer_send(c->producer, &send, e));
  c->read[record->partition] = record->offset + 1;
  return LS_OK;
}

static void close_clients(copying *c) {
  ls_error ignored;
  if (c->consumer) {
    ls__kafka_consumer_close(c->consumer, &ignored);
    ls__kafka_consumer_free(c->consumer);
  }
  ls__kafka_producer_free(c->producer);
  c->consumer = NULL;
  c->producer = NULL;
  c->is_open = false;
}

static int open_clients(copying *c) {
  static ls_kafka_cluster cluster;
  static const char *const patient[] = {"session.timeout.ms", "6000", NULL};
  cluster = test_cluster(patient);
  ls_kafka_producer_opts out = {.cluster = &cluster, .transactional_id = c->topics[1]};
  out.topics = &c->topics[1];
  out.n_topics = 1;
  out.transaction_timeout_ms = 10000;
  out.queue_bytes = 4 << 20;
  LS_TRY(ls__kafka_producer_new(&c->producer, &out, &err));
  ls_kafka_consumer_opts in = {.cluster = &cluster, .group_id = c->topics[1]};
  in.topics = c->topics;
  in.n_topics = 1;
  in.queue_bytes = 4 << 20;
  in.on_assigned = on_assigned;
  in.on_record = on_record;
  in.payload = c;
  return ls__kafka_consumer_new(&c->consumer, &in, &err);
}

static int commit(copying *c) {
  ls_kafka_offset offsets[2];
  size_t n = 0;
  for (int32_t p = 0; p < 2; p++)
    if (c->read[p] > c->done[p]) offsets[n++] = (ls_kafka_offset){.partition = p, .offset = c->read[p]};
  LS_TRY(ls__kafka_producer_send_offsets(c->producer, c->consumer, offsets, n, &err));
  int rc = ls__kafka_producer_commit(c->producer, &err);
  for (int i = 0; rc == LS_ERETRY && i < 5; i++, c->n_retries++) rc = ls__kafka_producer_commit(c->producer, &err);
  if (rc < 0) return rc;
  c->is_open = false;
  memcpy(c->done, c->read, sizeof c->done);
  if (++c->n_commits % 20 == 0) {
    printf("commits: %d\n", c->n_commits); /* by these the script knows when to strike */
    fflush(stdout);
  }
  return LS_OK;
}

static int step(copying *c) {
  if (!c->consumer) LS_TRY(open_clients(c));
  if (!c->is_open) LS_TRY(ls__kafka_producer_begin(c->producer, &err));
  c->is_open = true;
  size_t n;
  LS_TRY(ls__kafka_consumer_poll(c->consumer, 100, 20, &n, &err));
  return n > 0 ? commit(c) : LS_OK;
}

static int go_back(copying *c) {
  c->n_aborts++;
  LS_TRY(ls__kafka_producer_abort(c->producer, &err));
  c->is_open = false;
  memcpy(c->read, c->done, sizeof c->read);
  for (int32_t p = 0; p < 2; p++) LS_TRY(ls__kafka_consumer_seek(c->consumer, 0, p, c->done[p], &err));
  return LS_OK;
}

static void recover(copying *c, int rc) {
  ls__log(LS_LOG_WARN, "test", "recover", "rc=%s text=\"%s\"", ls_error_name(rc), err.message);
  ck_assert_msg(rc == LS_EABORT || rc == LS_ERETRY || rc == LS_EFENCED, "%s: %s", ls_error_name(rc), err.message);
  if (rc == LS_EABORT && go_back(c) >= 0) return;
  c->n_fenced += rc == LS_EFENCED;
  c->n_retries += rc == LS_ERETRY;
  close_clients(c); /* whatever is not settled by an abort is settled by opening anew */
}

static void read_back(const char *topic, test_log *log, int32_t partition) {
  ls_kafka_reader *reader = test_reader(&topic, 1, log);
  int64_t low, high;
  TEST_OK(ls__kafka_reader_watermarks(reader, 0, partition, &low, &high, &err));
  TEST_OK(ls__kafka_reader_add(reader, 0, partition, 0, &err));
  char seen[N_RECORDS] = {0};
  size_t n_seen = 0;
  while (log->end[0][partition] < high) {
    size_t n;
    log->n = 0;
    TEST_OK(ls__kafka_reader_poll(reader, 100, 1000, &n, &err));
    for (size_t i = 0; i < log->n; i++) {
      long number = strtol(log->rows[i].value, NULL, 10);
      ck_assert_int_eq(number, (long)n_seen); /* once, and in order */
      n_seen++;
      seen[number] = 1;
    }
  }
  ck_assert_uint_eq(n_seen, N_RECORDS);
  ck_assert_ptr_null(memchr(seen, 0, sizeof seen));
  ls__kafka_reader_free(reader);
}

START_TEST(each_record_is_there_once_whatever_the_broker_does) {
  const char *from = getenv("LS_TEST_OUTAGE");
  if (!from) return;
  ls_kafka_producer *producer = test_producer("fill", &from, 1);
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  for (int i = 0; i < 2 * N_RECORDS; i++) {
    char text[16];
    snprintf(text, sizeof text, "%d", i / 2);
    test_send(producer, 0, i % 2, "-", text);
  }
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  ls__kafka_producer_free(producer);
  copying c = {.topics = {from, test_topic("outage", 2)}};
  int64_t until_us = ls__monotonic_us() + 60000000;
  while (c.done[0] + c.done[1] < 2 * N_RECORDS) {
    int rc = step(&c);
    if (rc < 0) recover(&c, rc);
    ck_assert_msg(ls__monotonic_us() < until_us, "%" PRId64 " and %" PRId64, c.done[0], c.done[1]);
  }
  close_clients(&c);
  static test_log log;
  for (int32_t p = 0; p < 2; p++) read_back(c.topics[1], &log, p);
  printf("outage: %d commits, %d aborts, %d retries, %d times fenced\n", c.n_commits, c.n_aborts, c.n_retries,
         c.n_fenced);
}
END_TEST

TCase *kafka_outage(void) {
  TCase *tc = tcase_create("outage");
  tcase_set_timeout(tc, 90);
  tcase_add_test(tc, each_record_is_there_once_whatever_the_broker_does);
  return tc;
}
