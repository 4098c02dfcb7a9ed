/** @file kafka_transactions.c  What a transaction makes visible, whom it fences, whose offsets it takes. */
#include "kafka_helper.h"

#include "base/thread.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

TCase *kafka_transactions(void);

static ls_error err;

static void sleep_ms(int ms) {
  usleep((useconds_t)ms * 1000);
}

START_TEST(what_is_committed_is_read_and_what_is_aborted_is_not) {
  const char *topic = test_topic("visible", 1);
  ls_kafka_producer *producer = test_producer(topic, &topic, 1);
  static test_log log;
  ls_kafka_reader *reader = test_reader(&topic, 1, &log);
  TEST_OK(ls__kafka_reader_add(reader, 0, 0, 0, &err));
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  int64_t offset = -1;
  ls_kafka_send send = {.value = {"a", 1}, .timestamp_us = 1772000000123000, .offset = &offset};
  TEST_OK(ls__kafka_producer_send(producer, &send, &err));
  send.value.ptr = "b";
  TEST_OK(ls__kafka_producer_send(producer, &send, &err));
  TEST_OK(ls__kafka_producer_flush(producer, &err));
  ck_assert_int_eq(offset, 1);
  test_read_to(reader, &log, 0, 0, 0);
  size_t n;
  TEST_OK(ls__kafka_reader_poll(reader, 300, 10, &n, &err));
  ck_assert_uint_eq(log.n, 0); /* delivered, not committed */
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  test_read_to(reader, &log, 0, 0, 3); /* the commit has an offset of its own */
  ck_assert_str_eq(test_values(&log), "a b");
  ck_assert_int_eq(log.rows[1].timestamp_us, 1772000000123000);
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  test_send(producer, 0, 0, "-", "c");
  TEST_OK(ls__kafka_producer_flush(producer, &err));
  TEST_OK(ls__kafka_producer_abort(producer, &err));
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  test_send(producer, 0, 0, "-", "d");
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  test_read_to(reader, &log, 0, 0, 7);
  ck_assert_str_eq(test_values(&log), "a b d");
  ck_assert_int_eq(log.rows[2].offset, 5);
  int64_t low, high;
  TEST_OK(ls__kafka_reader_watermarks(reader, 0, 0, &low, &high, &err));
  ck_assert_int_eq(low, 0);
  ck_assert_int_eq(high, 7);
  ls__kafka_reader_free(reader);
  ls__kafka_producer_free(producer);
}
END_TEST

START_TEST(an_abort_takes_back_what_is_still_queued) {
  const char *topic = test_topic("queued", 2);
  ls_kafka_producer *producer = test_producer(topic, &topic, 1);
  for (int i = 0; i < 3; i++) {
    TEST_OK(ls__kafka_producer_begin(producer, &err));
    for (int j = 0; j < 2000; j++) test_send(producer, 0, j % 2, "-", "gone");
    TEST_OK(ls__kafka_producer_abort(producer, &err));
  }
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  test_send(producer, 0, 0, "-", "kept");
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  static test_log log;
  ls_kafka_reader *reader = test_reader(&topic, 1, &log);
  int64_t low, high;
  TEST_OK(ls__kafka_reader_watermarks(reader, 0, 0, &low, &high, &err));
  TEST_OK(ls__kafka_reader_add(reader, 0, 0, 0, &err));
  test_read_to(reader, &log, 0, 0, high);
  ck_assert_str_eq(test_values(&log), "kept");
  ls__kafka_reader_free(reader);
  ls__kafka_producer_free(producer);
}
END_TEST

static void send_offset(ls_kafka_producer *producer, ls_kafka_consumer *consumer, int64_t offset,
                        const char *metadata) {
  ls_kafka_offset o = {.offset = offset, .metadata = ls__slice_of(metadata)};
  TEST_OK(ls__kafka_producer_send_offsets(producer, consumer, &o, 1, &err));
}

static int64_t committed(ls_kafka_consumer *consumer, ls_buf *metadata) {
  int64_t offset = -2;
  ls__buf_clear(metadata);
  TEST_OK(ls__kafka_consumer_committed(consumer, 0, 0, &offset, metadata, &err));
  ls__buf_putc(metadata, '\0');
  return offset;
}

START_TEST(offsets_and_metadata_go_with_the_transaction) {
  const char *topic = test_filled_topic("offsets", 1, 5);
  ls_kafka_producer *producer = test_producer(topic, &topic, 1);
  test_member *member = test_join(topic, NULL, &topic, 1, NULL);
  ls_buf metadata = LS_BUF_INIT;
  test_poll_until_read(member, 5);
  ck_assert_int_eq(committed(member->consumer, &metadata), -1);
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  send_offset(producer, member->consumer, 3, "never");
  TEST_OK(ls__kafka_producer_abort(producer, &err));
  ck_assert_int_eq(committed(member->consumer, &metadata), -1);
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  send_offset(producer, member->consumer, 4, "v1 t=1772000000 \xc3\xa9 +/=");
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  ck_assert_int_eq(committed(member->consumer, &metadata), 4);
  ck_assert_str_eq(metadata.ptr, "v1 t=1772000000 \xc3\xa9 +/=");
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  send_offset(producer, member->consumer, 5, "");
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  ck_assert_int_eq(committed(member->consumer, &metadata), 5);
  ck_assert_str_eq(metadata.ptr, "");
  ls__buf_fini(&metadata);
  test_leave(member);
  ls__kafka_producer_free(producer);
}
END_TEST

static void *commit_later(void *payload) {
  ls_error e = LS_ERROR_INIT;
  sleep_ms(700);
  return ls__kafka_producer_commit(payload, &e) < 0 ? payload : NULL;
}

START_TEST(committed_offsets_are_waited_for_while_a_transaction_is_open) {
  const char *topic = test_filled_topic("pending", 1, 5);
  ls_kafka_producer *producer = test_producer(topic, &topic, 1);
  test_member *member = test_join(topic, NULL, &topic, 1, NULL);
  test_poll_until_read(member, 5);
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  send_offset(producer, member->consumer, 2, "");
  pthread_t thread;
  pthread_create(&thread, NULL, commit_later, producer);
  ls_buf metadata = LS_BUF_INIT;
  ck_assert_int_eq(committed(member->consumer, &metadata), 2);
  ls__buf_fini(&metadata);
  void *failed;
  pthread_join(thread, &failed);
  ck_assert_ptr_null(failed);
  test_leave(member);
  ls__kafka_producer_free(producer);
}
END_TEST

START_TEST(a_second_producer_of_the_id_fences_the_first) {
  const char *topic = test_topic("fenced", 1);
  ls_kafka_producer *first = test_producer(topic, &topic, 1);
  TEST_OK(ls__kafka_producer_begin(first, &err));
  test_send(first, 0, 0, "-", "zombie");
  TEST_OK(ls__kafka_producer_flush(first, &err));
  ls_kafka_producer *second = test_producer(topic, &topic, 1);
  TEST_OK(ls__kafka_producer_begin(second, &err));
  test_send(second, 0, 0, "-", "alive");
  TEST_OK(ls__kafka_producer_commit(second, &err));
  TEST_FAILS(LS_EFENCED, ls__kafka_producer_commit(first, &err));
  TEST_FAILS(LS_EFENCED, ls__kafka_producer_begin(first, &err));
  TEST_FAILS(LS_EFENCED, ls__kafka_producer_abort(first, &err));
  static test_log log;
  ls_kafka_reader *reader = test_reader(&topic, 1, &log);
  TEST_OK(ls__kafka_reader_add(reader, 0, 0, 0, &err));
  test_read_to(reader, &log, 0, 0, 4);
  ck_assert_str_eq(test_values(&log), "alive");
  ls__kafka_reader_free(reader);
  ls__kafka_producer_free(second);
  ls__kafka_producer_free(first);
}
END_TEST

START_TEST(a_transaction_that_took_too_long_is_fenced) {
  const char *topic = test_topic("late", 1);
  ls_kafka_cluster cluster = test_cluster(NULL);
  ls_kafka_producer_opts opts = {.cluster = &cluster, .transactional_id = topic, .topics = &topic};
  opts.n_topics = 1;
  opts.transaction_timeout_ms = 1000;
  opts.queue_bytes = 1 << 20;
  ls_kafka_producer *producer;
  TEST_OK(ls__kafka_producer_new(&producer, &opts, &err));
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  test_send(producer, 0, 0, "-", "late");
  TEST_OK(ls__kafka_producer_flush(producer, &err));
  sleep_ms(3000); /* the broker looks for such transactions every second here */
  int rc = ls__kafka_producer_commit(producer, &err);
  ck_assert_msg(rc == LS_EFENCED || rc == LS_EABORT, "%s: %s", ls_error_name(rc), err.message);
  ls__kafka_producer_free(producer);
}
END_TEST

START_TEST(a_static_member_that_was_replaced_can_not_commit) {
  const char *topic = test_filled_topic("replaced", 1, 5);
  ls_kafka_producer *producer = test_producer(topic, &topic, 1);
  test_member *first = test_join(topic, "one", &topic, 1, NULL);
  test_poll_until_read(first, 5);
  test_member *second = test_join(topic, "one", &topic, 1, NULL);
  test_poll_until_read(second, 5);
  ls_kafka_offset o = {.offset = 3};
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  TEST_FAILS(LS_EFENCED, ls__kafka_producer_send_offsets(producer, first->consumer, &o, 1, &err));
  TEST_OK(ls__kafka_producer_abort(producer, &err));
  TEST_FAILS(LS_EFENCED, ls__kafka_consumer_commit(first->consumer, &o, 1, &err));
  int rc = LS_OK;
  for (int i = 0; i < 100 && rc == LS_OK; i++) {
    size_t n;
    rc = ls__kafka_consumer_poll(first->consumer, 100, 10, &n, &err);
  }
  ck_assert_msg(rc == LS_EFENCED, "the poll says so: %s: %s", ls_error_name(rc), err.message);
  ck_assert_int_eq(ls__kafka_consumer_close(first->consumer, &err), LS_OK);
  ck_assert_int_eq(first->n_revocations, 1);
  ck_assert(first->was_lost);
  test_leave(first);
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  send_offset(producer, second->consumer, 5, "");
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  test_leave(second);
  ls__kafka_producer_free(producer);
}
END_TEST

START_TEST(a_member_that_slept_too_long_can_not_commit) {
  static const char *const impatient[] = {
      "max.poll.interval.ms", "1500", "session.timeout.ms", "1500", "heartbeat.interval.ms", "300", NULL};
  const char *topic = test_filled_topic("slept", 1, 5);
  ls_kafka_producer *producer = test_producer(topic, &topic, 1);
  test_member *zombie = test_join(topic, NULL, &topic, 1, impatient);
  test_poll_until_read(zombie, 5);
  test_member *heir = test_join(topic, NULL, &topic, 1, NULL);
  test_poll_until_read(heir, 5); /* meanwhile the other does not poll, and is put out of the group */
  ls_kafka_offset o = {.offset = 2};
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  test_send(producer, 0, 0, "-", "zombie");
  TEST_FAILS(LS_EFENCED, ls__kafka_producer_send_offsets(producer, zombie->consumer, &o, 1, &err));
  TEST_OK(ls__kafka_producer_abort(producer, &err));
  ls_buf metadata = LS_BUF_INIT;
  ck_assert_int_eq(committed(heir->consumer, &metadata), -1);
  ls__buf_fini(&metadata);
  while (zombie->n_revocations == 0) test_poll(zombie, 50);
  ck_assert(zombie->was_lost);
  test_leave(zombie);
  test_leave(heir);
  ls__kafka_producer_free(producer);
}
END_TEST

START_TEST(at_least_once_commits_after_delivery) {
  const char *topic = test_filled_topic("once", 1, 5);
  ls_kafka_producer *producer = test_producer(NULL, &topic, 1);
  test_member *member = test_join(topic, NULL, &topic, 1, NULL);
  test_poll_until_read(member, 5);
  TEST_OK(ls__kafka_producer_begin(producer, &err));
  int64_t offset = -1;
  ls_kafka_send send = {.value = {"x", 1}, .timestamp_us = -1, .offset = &offset};
  TEST_OK(ls__kafka_producer_send(producer, &send, &err));
  send_offset(producer, member->consumer, 5, "m");
  ck_assert_int_eq(offset, 6);
  TEST_OK(ls__kafka_producer_commit(producer, &err));
  ls_buf metadata = LS_BUF_INIT;
  ck_assert_int_eq(committed(member->consumer, &metadata), 5);
  ck_assert_str_eq(metadata.ptr, "m");
  ls__buf_fini(&metadata);
  test_leave(member);
  ls__kafka_producer_free(producer);
}
END_TEST

TCase *kafka_transactions(void) {
  TCase *tc = tcase_create("transactions");
  tcase_set_timeout(tc, 45);
  tcase_add_test(tc, what_is_committed_is_read_and_what_is_aborted_is_not);
  tcase_add_test(tc, an_abort_takes_back_what_is_still_queued);
  tcase_add_test(tc, offsets_and_metadata_go_with_the_transaction);
  tcase_add_test(tc, committed_offsets_are_waited_for_while_a_transaction_is_open);
  tcase_add_test(tc, a_second_producer_of_the_id_fences_the_first);
  tcase_add_test(tc, a_transaction_that_took_too_long_is_fenced);
  tcase_add_test(tc, a_static_member_that_was_replaced_can_not_commit);
  tcase_add_test(tc, a_member_that_slept_too_long_can_not_commit);
  tcase_add_test(tc, at_least_once_commits_after_delivery);
  return tc;
}
