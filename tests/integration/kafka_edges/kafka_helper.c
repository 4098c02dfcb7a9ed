/** @file kafka_helper.c  Clients, topics and records of the checks on a real broker. */
#include "kafka_helper.h"

#include "base/alloc.h"
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static ls_error err;

/* For the life of the check, and no leak: the array knows of it. */
static void *for_good(void *ptr) {
  static void *kept[256];
  static size_t n_kept;
  ck_assert_uint_lt(n_kept, sizeof kept / sizeof kept[0]);
  return kept[n_kept++] = ptr;
}

ls_kafka_cluster test_cluster(const char *const *more) {
  static ls_kafka_property properties[16];
  size_t n = 0;
  const char *servers = getenv("LS_TEST_KAFKA");
  properties[n++] = (ls_kafka_property){"bootstrap.servers", servers ? servers : "127.0.0.1:1"};
  for (; more && *more; more += 2) properties[n++] = (ls_kafka_property){more[0], more[1]};
  ls_kafka_property *own = for_good(ls__calloc(n, sizeof *own));
  memcpy(own, properties, n * sizeof *own);
  return (ls_kafka_cluster){own, n, "test"};
}

static const ls_kafka_cluster *keep(ls_kafka_cluster cluster) {
  ls_kafka_cluster *own = for_good(LS_NEW(ls_kafka_cluster));
  *own = cluster;
  return own;
}

const char *test_topic(const char *name, int32_t n_partitions) {
  char text[128];
  snprintf(text, sizeof text, "%s-%d", name, (int)getpid());
  ls_kafka_cluster cluster = test_cluster(NULL);
  ls_kafka_admin *admin;
  TEST_OK(ls__kafka_admin_new(&admin, &cluster, &err));
  ls_kafka_topic_spec spec = {.name = text, .n_partitions = n_partitions, .replication = -1};
  TEST_OK(ls__kafka_admin_create(admin, &spec, 1, &err));
  ls__kafka_admin_free(admin);
  return for_good(ls__strdup(text));
}

/* ---- what was read ---- */

void test_log_init(test_log *log) {
  memset(log, 0, sizeof *log);
  for (size_t i = 0; i < 4; i++)
    for (size_t j = 0; j < 16; j++) log->end[i][j] = -1;
}

static void copy_slice(char *to, size_t size, ls_slice from) {
  snprintf(to, size, "%.*s", (int)from.len, from.ptr ? from.ptr : "");
}

static int log_record(test_log *log, const ls_kafka_record *record, ls_error *e) {
  if (log->fail_at > 0 && log->n + 1 == log->fail_at) {
    log->fail_at = 0;
    return ls_error_set(e, LS_EDATA, "as the check wants it");
  }
  ck_assert_uint_lt(log->n, sizeof log->rows / sizeof log->rows[0]);
  test_row *row = &log->rows[log->n++];
  *row = (test_row){.topic = record->topic, .partition = record->partition, .offset = record->offset};
  row->timestamp_us = record->timestamp_us;
  row->has_key = record->key.ptr != NULL;
  row->has_value = record->value.ptr != NULL;
  copy_slice(row->key, sizeof row->key, record->key);
  copy_slice(row->value, sizeof row->value, record->value);
  ls_kafka_header headers[8];
  size_t n = ls__kafka_record_headers(record, headers, 8);
  for (size_t i = 0, at = 0; i < n; i++)
    at += (size_t)snprintf(row->headers + at, sizeof row->headers - at, "%s=%.*s;", headers[i].name,
                           (int)headers[i].value.len, headers[i].value.ptr);
  return LS_OK;
}

const char *test_values(const test_log *log) {
  static char text[16384];
  size_t at = 0;
  text[0] = '\0';
  for (size_t i = 0; i < log->n && at < sizeof text - 70; i++)
    at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? " " : "", log->rows[i].value);
  return text;
}

static int on_record(void *payload, const ls_kafka_record *record, ls_error *e) {
  return log_record(payload, record, e);
}

static void on_end(void *payload, uint32_t topic, int32_t partition, int64_t offset) {
  test_log *log = payload;
  log->end[topic][partition] = offset;
}

/* ---- clients ---- */

ls_kafka_reader *test_reader(const char *const *topics, uint32_t n_topics, test_log *log) {
  test_log_init(log);
  ls_kafka_reader_opts opts = {.cluster = keep(test_cluster(NULL)), .topics = topics};
  opts.n_topics = n_topics;
  opts.queue_bytes = 4 << 20;
  opts.on_record = on_record;
  opts.on_end = on_end;
  opts.payload = log;
  ls_kafka_reader *reader;
  TEST_OK(ls__kafka_reader_new(&reader, &opts, &err));
  return reader;
}

void test_read_to(ls_kafka_reader *reader, test_log *log, uint32_t topic, int32_t partition, int64_t end) {
  int64_t until_us = ls__monotonic_us() + 10000000;
  while (log->end[topic][partition] < end) {
    size_t n;
    TEST_OK(ls__kafka_reader_poll(reader, 100, 1000, &n, &err));
    ck_assert_msg(ls__monotonic_us() < until_us, "the end is %" PRId64 ", want %" PRId64, log->end[topic][partition],
                  end);
  }
}

ls_kafka_producer *test_producer(const char *id, const char *const *topics, uint32_t n_topics) {
  ls_kafka_producer_opts opts = {.cluster = keep(test_cluster(NULL)), .transactional_id = id};
  opts.transaction_timeout_ms = 10000;
  opts.topics = topics;
  opts.n_topics = n_topics;
  opts.queue_bytes = 4 << 20;
  ls_kafka_producer *producer;
  TEST_OK(ls__kafka_producer_new(&producer, &opts, &err));
  return producer;
}

static ls_slice slice_of(const char *text) {
  return strcmp(text, "-") == 0 ? (ls_slice){NULL, 0} : ls__slice_of(text);
}

void test_send(ls_kafka_producer *producer, uint32_t topic, int32_t partition, const char *key, const char *value) {
  ls_kafka_send send = {.topic = topic, .partition = partition, .timestamp_us = -1};
  send.key = slice_of(key);
  send.value = slice_of(value);
  TEST_OK(ls__kafka_producer_send(producer, &send, &err));
}

const char *test_filled_topic(const char *name, int32_t n_partitions, int n) {
  const char *topic = test_topic(name, n_partitions);
  ls_kafka_producer *producer = test_producer(topic, &topic, 1);
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  for (int32_t p = 0; p < n_partitions; p++)
    for (int i = 0; i < n; i++) {
      char text[16];
      snprintf(text, sizeof text, "%d", i);
      test_send(producer, 0, p, "-", text);
    }
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  ls__kafka_producer_free(producer);
  return topic;
}

/* ---- a member of a group ---- */

static uint32_t topic_number(const test_member *m, const char *name, const char *const *topics) {
  (void)m;
  uint32_t i = 0;
  while (strcmp(topics[i], name) != 0) i++;
  return i;
}

static const char *const *member_topics; /* of all members of a check */

static int on_assigned(void *payload, const ls_kafka_partition *partitions, size_t n, ls_error *e) {
  test_member *m = payload;
  m->n_assignments++;
  m->n_assigned = n;
  for (size_t i = 0; i < n; i++) {
    snprintf(m->names[i], sizeof m->names[i], "%s", partitions[i].topic);
    m->assigned[i] = (ls_kafka_partition){m->names[i], partitions[i].partition};
    if (!m->starts_at_once) continue;
    uint32_t topic = topic_number(m, m->names[i], member_topics);
    LS_TRY(ls__kafka_consumer_start(m->consumer, topic, partitions[i].partition, -1, e));
  }
  return LS_OK;
}

static int on_revoked(void *payload, const ls_kafka_partition *partitions, size_t n, bool lost, ls_error *e) {
  (void)partitions;
  (void)e;
  test_member *m = payload;
  ck_assert_uint_eq(n, m->n_assigned);
  m->n_revocations++;
  m->n_assigned = 0;
  m->was_lost = lost;
  return LS_OK;
}

static int member_record(void *payload, const ls_kafka_record *record, ls_error *e) {
  test_member *m = payload;
  LS_TRY(log_record(&m->log, record, e));
  if (record->offset != m->pause_at) return LS_OK;
  return ls__kafka_consumer_pause(m->consumer, record->topic, record->partition, true, e);
}

static void member_end(void *payload, uint32_t topic, int32_t partition, int64_t offset) {
  test_member *m = payload;
  on_end(&m->log, topic, partition, offset);
}

static test_member *join(const char *group, const char *instance, const char *const *topics, uint32_t n_topics,
                         const char *const *extra, bool starts_at_once) {
  test_member *m = LS_NEW(test_member);
  test_log_init(&m->log);
  m->pause_at = -1;
  m->starts_at_once = starts_at_once;
  member_topics = topics;
  ls_kafka_consumer_opts opts = {.cluster = keep(test_cluster(extra)), .group_id = group};
  opts.instance_id = instance;
  opts.topics = topics;
  opts.n_topics = n_topics;
  opts.queue_bytes = 4 << 20;
  opts.on_assigned = on_assigned;
  opts.on_revoked = on_revoked;
  opts.on_record = member_record;
  opts.on_end = member_end;
  opts.payload = m;
  TEST_OK(ls__kafka_consumer_new(&m->consumer, &opts, &err));
  return m;
}

test_member *test_join(const char *group, const char *instance, const char *const *topics, uint32_t n_topics,
                       const char *const *extra) {
  return join(group, instance, topics, n_topics, extra, true);
}

test_member *test_join_lazily(const char *group, const char *const *topics, uint32_t n_topics) {
  return join(group, NULL, topics, n_topics, NULL, false);
}

size_t test_poll(test_member *m, int timeout_ms) {
  size_t n;
  TEST_OK(ls__kafka_consumer_poll(m->consumer, timeout_ms, 1000, &n, &err));
  return n;
}

void test_poll_until_assigned(test_member *m, size_t n_partitions) {
  int64_t until_us = ls__monotonic_us() + 15000000;
  while (m->n_assigned != n_partitions) {
    test_poll(m, 20);
    ck_assert_msg(ls__monotonic_us() < until_us, "%zu partitions, want %zu", m->n_assigned, n_partitions);
  }
}

void test_poll_until_read(test_member *m, size_t n) {
  int64_t until_us = ls__monotonic_us() + 15000000;
  while (m->log.n < n) {
    test_poll(m, 50);
    ck_assert_msg(ls__monotonic_us() < until_us, "%zu records, want %zu", m->log.n, n);
  }
}

void test_leave(test_member *m) {
  TEST_OK(ls__kafka_consumer_close(m->consumer, &err));
  ls__kafka_consumer_free(m->consumer);
  ls__free(m);
}
