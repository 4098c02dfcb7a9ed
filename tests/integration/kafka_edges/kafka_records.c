/** @file kafka_records.c  Records there and back, keys and their partitions, reading ranges, topics. */
#include "kafka_helper.h"

#include "base/alloc.h"
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>

TCase *kafka_records(void);

static ls_error err;

START_TEST(null_and_empty_are_kept_apart_and_headers_come_along) {
  const char *topic = test_topic("nulls", 1);
  ls_kafka_producer *producer = test_producer(topic, &topic, 1);
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  test_send(producer, 0, 0, "k", "-");
  test_send(producer, 0, 0, "-", "v");
  test_send(producer, 0, 0, "", "");
  ls_kafka_header headers[] = {{"source", ls__slice_of("t-1")}, {"none", {NULL, 0}}, {"n", ls__slice_of("7")}};
  ls_kafka_send send = {.key = {"h", 1}, .timestamp_us = 1772000000999999, .headers = headers};
  send.n_headers = 3;
  TEST_OK(ls__kafka_producer_send(producer, &send, &err));
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  static test_log log;
  ls_kafka_reader *reader = test_reader(&topic, 1, &log);
  TEST_OK(ls__kafka_reader_add(reader, 0, 0, 0, &err));
  test_read_to(reader, &log, 0, 0, 5);
  ck_assert_uint_eq(log.n, 4);
  const test_row *rows = log.rows;
  ck_assert(rows[0].has_key && !rows[0].has_value);
  ck_assert(!rows[1].has_key && rows[1].has_value);
  ck_assert(rows[2].has_key && rows[2].has_value);
  ck_assert_str_eq(rows[2].key, "");
  ck_assert_str_eq(rows[0].headers, "");
  ck_assert_str_eq(rows[3].headers, "source=t-1;none=;n=7;");
  ck_assert_int_eq(rows[3].timestamp_us, 1772000000999000); /* Kafka has milliseconds */
  ck_assert_int_gt(rows[0].timestamp_us, 1700000000000000);
  ls__kafka_reader_free(reader);
  ls__kafka_producer_free(producer);
}
END_TEST

/* The script has sent these keys with Kafka's own console producer: key and value are equal. */
START_TEST(keys_go_to_the_partitions_java_chooses) {
  const char *topic = getenv("LS_TEST_JAVA_TOPIC");
  if (!topic) return;
  enum { N_KEYS = 60, N_PARTITIONS = 7 };
  static test_log log;
  ls_kafka_reader *reader = test_reader(&topic, 1, &log);
  ls_kafka_producer *producer = test_producer(topic, &topic, 1);
  for (int32_t p = 0; p < N_PARTITIONS; p++) TEST_OK(ls__kafka_reader_add(reader, 0, p, 0, &err));
  while (log.n < N_KEYS) {
    size_t n;
    TEST_OK(ls__kafka_reader_poll(reader, 100, 1000, &n, &err));
  }
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  for (size_t i = 0; i < N_KEYS; i++) {
    ls_slice key = ls__slice_of(log.rows[i].key);
    ck_assert_int_eq(ls__kafka_murmur2_partition(key, N_PARTITIONS), log.rows[i].partition);
    test_send(producer, 0, -1, log.rows[i].key, "ours");
  }
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  while (log.n < 2 * (size_t)N_KEYS) {
    size_t n;
    TEST_OK(ls__kafka_reader_poll(reader, 100, 1000, &n, &err));
  }
  for (size_t i = N_KEYS; i < log.n; i++) {
    ls_slice key = ls__slice_of(log.rows[i].key);
    ck_assert_str_eq(log.rows[i].value, "ours");
    ck_assert_int_eq(ls__kafka_murmur2_partition(key, N_PARTITIONS), log.rows[i].partition);
  }
  ls__kafka_reader_free(reader);
  ls__kafka_producer_free(producer);
}
END_TEST

START_TEST(a_reader_takes_partitions_on_and_leaves_them) {
  const char *topics[2] = {test_filled_topic("one", 2, 1000), test_filled_topic("two", 1, 10)};
  static test_log log;
  ls_kafka_reader *reader = test_reader(topics, 2, &log);
  TEST_OK(ls__kafka_reader_add(reader, 0, 1, 990, &err));
  test_read_to(reader, &log, 0, 1, 1001);
  ck_assert_uint_eq(log.n, 10);
  ck_assert_int_eq(log.rows[0].offset, 990);
  TEST_OK(ls__kafka_reader_add(reader, 1, 0, 0, &err));
  test_read_to(reader, &log, 1, 0, 11);
  ck_assert_uint_eq(log.n, 20);
  ck_assert_uint_eq(log.rows[19].topic, 1);
  size_t n;
  log.n = 0;
  TEST_OK(ls__kafka_reader_add(reader, 0, 0, 0, &err));
  while (log.n < 5) TEST_OK(ls__kafka_reader_poll(reader, 100, 5, &n, &err));
  TEST_OK(ls__kafka_reader_remove(reader, 0, 0, &err)); /* with a batch of it in hand */
  TEST_OK(ls__kafka_reader_poll(reader, 200, 5, &n, &err));
  ck_assert_uint_eq(log.n, 5);
  TEST_FAILS(LS_EINVAL, ls__kafka_reader_remove(reader, 0, 0, &err));
  TEST_OK(ls__kafka_reader_add(reader, 0, 0, 998, &err));
  test_read_to(reader, &log, 0, 0, 1001);
  ck_assert_uint_eq(log.n, 7);
  ls__kafka_reader_free(reader);
}
END_TEST

START_TEST(the_end_moves) {
  const char *topic = test_topic("moves", 1);
  static test_log log;
  ls_kafka_reader *reader = test_reader(&topic, 1, &log);
  ls_kafka_producer *producer = test_producer(topic, &topic, 1);
  TEST_OK(ls__kafka_reader_add(reader, 0, 0, 0, &err));
  test_read_to(reader, &log, 0, 0, 0);
  for (int64_t i = 1; i <= 3; i++) {
    TEST_OK(ls__kafka_producer_begin(producer, &err));
    test_send(producer, 0, 0, "-", "x");
    TEST_OK(i == 2 ? ls__kafka_producer_flush(producer, &err) : LS_OK);
    TEST_OK(i == 2 ? ls__kafka_producer_abort(producer, &err) : ls__kafka_producer_commit(producer, &err));
    test_read_to(reader, &log, 0, 0, 2 * i);
    ck_assert_uint_eq(log.n, i == 1 ? 1 : (size_t)i - 1);
  }
  ls__kafka_reader_free(reader);
  ls__kafka_producer_free(producer);
}
END_TEST

/* A queue much smaller than the topic: librdkafka stops fetching again and again, and is woken each time. */
START_TEST(a_small_queue_is_refilled_at_once) {
  const char *topic = test_topic("small", 1);
  ls_kafka_producer *producer = test_producer(topic, &topic, 1);
  char value[1001];
  uint64_t seed = 1;
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  for (int i = 0; i < 20000; i++) {
    for (size_t at = 0; at < 1000; at++) {
      /* does not compress: limits of what is fetched are of compressed bytes */
      seed = seed * UINT64_C(6364136223846793005) + 1;
      value[at] = (char)('0' + (seed >> 33) % 64);
    }
    value[1000] = '\0';
    test_send(producer, 0, 0, "-", value);
  }
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  ls__kafka_producer_free(producer);
  test_member *m = test_join(topic, NULL, &topic, 1, NULL);
  size_t n_read = 0;
  test_poll_until_assigned(m, 1);
  int64_t begin_us = ls__monotonic_us();
  while (n_read < 20000) {
    n_read += test_poll(m, 100);
    m->log.n = 0;
    /* left to itself librdkafka takes 20 s, a second for each time the queue was full */
    ck_assert_msg(ls__monotonic_us() - begin_us < 10000000, "%zu records in 10 s", n_read);
  }
  test_leave(m);
}
END_TEST

START_TEST(a_record_that_is_too_large_is_refused_and_the_rest_goes) {
  const char *topic = test_topic("large", 1);
  ls_kafka_producer *producer = test_producer(topic, &topic, 1);
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  size_t size = 2 << 20;
  char *value = ls__calloc(1, size);
  ls_kafka_send send = {.value = {value, size}, .timestamp_us = -1};
  TEST_FAILS(LS_ELIMIT, ls__kafka_producer_send(producer, &send, &err));
  ck_assert_msg(strstr(err.message, topic), "%s", err.message);
  test_send(producer, 0, 0, "-", "small");
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  ls__free(value);
  ls__kafka_producer_free(producer);
}
END_TEST

/* More than the queue holds: send waits, nothing is dropped. */
START_TEST(a_full_queue_is_waited_for) {
  const char *topic = test_topic("full", 1);
  ls_kafka_cluster cluster = test_cluster(NULL);
  ls_kafka_producer_opts opts = {.cluster = &cluster, .transactional_id = topic, .topics = &topic};
  opts.n_topics = 1;
  opts.transaction_timeout_ms = 20000;
  opts.queue_bytes = 1 << 18;
  ls_kafka_producer *producer;
  TEST_OK(ls__kafka_producer_new(&producer, &opts, &err));
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  int64_t offset = -1;
  ls_kafka_send send = {.value = {"0123456789", 10}, .timestamp_us = -1, .offset = &offset};
  for (int i = 0; i < 30000; i++) TEST_OK(ls__kafka_producer_send(producer, &send, &err));
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  ck_assert_int_eq(offset, 29999);
  ls__kafka_producer_free(producer);
}
END_TEST

START_TEST(topics_are_made_looked_at_and_deleted) {
  const char *topic = test_topic("admin", 3);
  ls_kafka_cluster cluster = test_cluster(NULL);
  ls_kafka_admin *admin;
  TEST_OK(ls__kafka_admin_new(&admin, &cluster, &err));
  int32_t n = -1;
  TEST_OK(ls__kafka_admin_partitions(admin, topic, &n, &err));
  ck_assert_int_eq(n, 3);
  TEST_OK(ls__kafka_admin_partitions(admin, "there-is-none", &n, &err));
  ck_assert_int_eq(n, 0);
  ls_kafka_topic_spec spec = {.name = topic, .n_partitions = 3, .replication = 1};
  TEST_OK(ls__kafka_admin_create(admin, &spec, 1, &err));
  spec.n_partitions = 5;
  TEST_FAILS(LS_ECONFIG, ls__kafka_admin_create(admin, &spec, 1, &err));
  ck_assert_msg(strstr(err.message, "3") && strstr(err.message, "5") && strstr(err.message, topic), "%s", err.message);
  ls_kafka_property bad = {"cleanup.policy", "sometimes"};
  ls_kafka_topic_spec wrong = {.name = "with-bad-config", .n_partitions = 1, .replication = -1};
  wrong.config = &bad;
  wrong.n_config = 1;
  TEST_FAILS(LS_ECONFIG, ls__kafka_admin_create(admin, &wrong, 1, &err));
  TEST_OK(ls__kafka_admin_partitions(admin, "with-bad-config", &n, &err));
  ck_assert_int_eq(n, 0);
  TEST_OK(ls__kafka_admin_delete(admin, &topic, 1, &err));
  TEST_OK(ls__kafka_admin_delete(admin, &topic, 1, &err)); /* it is gone already */
  TEST_OK(ls__kafka_admin_partitions(admin, topic, &n, &err));
  ck_assert_int_eq(n, 0);
  ls__kafka_admin_free(admin);
}
END_TEST

TCase *kafka_records(void) {
  TCase *tc = tcase_create("records");
  tcase_set_timeout(tc, 45);
  tcase_add_test(tc, null_and_empty_are_kept_apart_and_headers_come_along);
  tcase_add_test(tc, keys_go_to_the_partitions_java_chooses);
  tcase_add_test(tc, a_reader_takes_partitions_on_and_leaves_them);
  tcase_add_test(tc, the_end_moves);
  tcase_add_test(tc, a_small_queue_is_refilled_at_once);
  tcase_add_test(tc, a_record_that_is_too_large_is_refused_and_the_rest_goes);
  tcase_add_test(tc, a_full_queue_is_waited_for);
  tcase_add_test(tc, topics_are_made_looked_at_and_deleted);
  return tc;
}
