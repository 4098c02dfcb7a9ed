/** @file kafka_groups.c  Members of a group: who gets what, where reading begins, holding it up, going back. */
#include "kafka_helper.h"

#include "base/thread.h"

#include <stdio.h>

TCase *kafka_groups(void);

static ls_error err;

static bool has(const test_member *m, const char *topic, int32_t partition) {
  for (size_t i = 0; i < m->n_assigned; i++)
    if (strcmp(m->assigned[i].topic, topic) == 0 && m->assigned[i].partition == partition) return true;
  return false;
}

/* Polls both until they share n partitions. Which of them gets more goes by their ids, which are random. */
static void poll_both(test_member *a, test_member *b, size_t n) {
  int64_t until_us = ls__monotonic_us() + 20000000;
  while (a->n_assigned == 0 || b->n_assigned == 0 || a->n_assigned + b->n_assigned != n) {
    test_poll(a, 20);
    test_poll(b, 20);
    ck_assert_msg(ls__monotonic_us() < until_us, "%zu and %zu partitions", a->n_assigned, b->n_assigned);
  }
}

START_TEST(equal_partitions_of_two_topics_go_to_one_member) {
  const char *topics[2] = {test_topic("left", 5), test_topic("right", 5)};
  test_member *a = test_join(topics[0], NULL, topics, 2, NULL);
  test_poll_until_assigned(a, 10);
  test_member *b = test_join(topics[0], NULL, topics, 2, NULL);
  poll_both(a, b, 10);
  for (int32_t p = 0; p < 5; p++) {
    ck_assert_int_eq(has(a, topics[0], p), has(a, topics[1], p));
    ck_assert_int_eq(has(b, topics[0], p), has(b, topics[1], p));
    ck_assert_int_ne(has(a, topics[0], p), has(b, topics[0], p));
  }
  ck_assert_int_eq(a->n_revocations, 1);
  ck_assert(!a->was_lost);
  test_leave(a);
  int64_t until_us = ls__monotonic_us() + 5000000; /* it left properly: no session has to run out */
  while (b->n_assigned != 10) {
    test_poll(b, 20);
    ck_assert(ls__monotonic_us() < until_us);
  }
  test_leave(b);
}
END_TEST

START_TEST(a_paused_partition_waits_and_loses_nothing) {
  const char *topic = test_filled_topic("paused", 2, 1000);
  test_member *m = test_join(topic, NULL, &topic, 1, NULL);
  m->pause_at = 9;
  test_poll_until_read(m, 20);
  for (int i = 0; i < 5; i++) ck_assert_uint_eq(test_poll(m, 20), 0); /* both paused themselves after offset 9 */
  m->pause_at = 499;
  TEST_OK(ls__kafka_consumer_pause(m->consumer, 0, 1, false, &err));
  test_poll_until_read(m, 510);
  ck_assert_uint_eq(test_poll(m, 100), 0);
  for (size_t i = 20; i < 510; i++) ck_assert_int_eq(m->log.rows[i].partition, 1);
  m->pause_at = -1;
  TEST_OK(ls__kafka_consumer_pause(m->consumer, 0, 0, false, &err));
  TEST_OK(ls__kafka_consumer_pause(m->consumer, 0, 1, false, &err));
  test_poll_until_read(m, 2000);
  int64_t next[2] = {0, 0};
  for (size_t i = 0; i < m->log.n; i++) {
    const test_row *row = &m->log.rows[i];
    ck_assert_int_eq(row->offset, next[row->partition]++);
  }
  while (m->log.end[0][0] < 1001 || m->log.end[0][1] < 1001) test_poll(m, 50);
  test_leave(m);
}
END_TEST

START_TEST(a_poll_hands_on_no_more_than_it_was_asked_for) {
  const char *topic = test_filled_topic("few", 1, 100);
  test_member *m = test_join(topic, NULL, &topic, 1, NULL);
  test_poll_until_assigned(m, 1);
  size_t n = 0;
  while (m->log.n < 100) {
    TEST_OK(ls__kafka_consumer_poll(m->consumer, 100, 7, &n, &err));
    ck_assert_uint_le(n, 7);
  }
  for (size_t i = 0; i < 100; i++) ck_assert_int_eq(m->log.rows[i].offset, (int64_t)i);
  test_leave(m);
}
END_TEST

START_TEST(after_an_error_of_the_callback_the_rest_is_still_there) {
  const char *topic = test_filled_topic("error", 1, 20);
  test_member *m = test_join(topic, NULL, &topic, 1, NULL);
  m->log.fail_at = 5;
  size_t n;
  int rc = LS_OK;
  while (rc == LS_OK) rc = ls__kafka_consumer_poll(m->consumer, 50, 1000, &n, &err);
  ck_assert_int_eq(rc, LS_EDATA);
  ck_assert_uint_eq(m->log.n, 4);
  test_poll_until_read(m, 19);
  ck_assert_int_eq(m->log.rows[4].offset, 5);
  test_leave(m);
}
END_TEST

START_TEST(it_goes_back_to_where_it_is_told) {
  const char *topic = test_filled_topic("seek", 2, 500);
  test_member *m = test_join(topic, NULL, &topic, 1, NULL);
  test_poll_until_read(m, 1000);
  for (int round = 0; round < 5; round++) {
    m->log.n = 0;
    int64_t to = 100 * round + 3;
    TEST_OK(ls__kafka_consumer_seek(m->consumer, 0, 0, to, &err));
    TEST_OK(ls__kafka_consumer_seek(m->consumer, 0, 1, to + 1, &err));
    test_poll_until_read(m, (size_t)(2 * (500 - to) - 1));
    int64_t next[2] = {to, to + 1};
    for (size_t i = 0; i < m->log.n; i++) ck_assert_int_eq(m->log.rows[i].offset, next[m->log.rows[i].partition]++);
  }
  m->log.n = 0; /* in the middle of a batch, again and again */
  for (int i = 0; i < 20; i++) {
    size_t n;
    TEST_OK(ls__kafka_consumer_seek(m->consumer, 0, 0, 10, &err));
    TEST_OK(ls__kafka_consumer_poll(m->consumer, 1000, 3, &n, &err));
    ck_assert_uint_ge(n, 1);
    ck_assert_int_eq(m->log.rows[m->log.n - n].offset, 10);
  }
  test_leave(m);
}
END_TEST

START_TEST(nothing_is_read_before_the_start_and_then_from_where_it_says) {
  const char *topic = test_filled_topic("start", 3, 50);
  test_member *m = test_join_lazily(topic, &topic, 1);
  test_poll_until_assigned(m, 3);
  for (int i = 0; i < 10; i++) ck_assert_uint_eq(test_poll(m, 30), 0);
  TEST_OK(ls__kafka_consumer_start(m->consumer, 0, 1, 40, &err));
  test_poll_until_read(m, 10);
  ck_assert_int_eq(m->log.rows[0].offset, 40);
  TEST_OK(ls__kafka_consumer_start(m->consumer, 0, 2, -1, &err));
  test_poll_until_read(m, 60);
  ck_assert_int_eq(m->log.rows[10].partition, 2);
  ck_assert_int_eq(m->log.rows[10].offset, 0);
  ck_assert_uint_eq(test_poll(m, 200), 0);
  TEST_FAILS(LS_EINVAL, ls__kafka_consumer_start(m->consumer, 0, 3, 0, &err));
  test_leave(m);
}
END_TEST

START_TEST(the_next_member_begins_where_the_last_one_committed) {
  const char *topic = test_filled_topic("resume", 1, 50);
  test_member *m = test_join(topic, NULL, &topic, 1, NULL);
  test_poll_until_read(m, 50);
  ls_kafka_offset o = {.offset = 30, .metadata = ls__slice_of("time=5")};
  TEST_OK(ls__kafka_consumer_commit(m->consumer, &o, 1, &err));
  test_leave(m);
  m = test_join(topic, NULL, &topic, 1, NULL);
  test_poll_until_read(m, 20);
  ck_assert_int_eq(m->log.rows[0].offset, 30);
  test_leave(m);
}
END_TEST

START_TEST(a_static_member_keeps_its_partitions_over_a_restart) {
  const char *topic = test_filled_topic("static", 4, 5);
  test_member *a = test_join(topic, "a", &topic, 1, NULL);
  test_poll_until_assigned(a, 4);
  test_member *b = test_join(topic, "b", &topic, 1, NULL);
  poll_both(a, b, 4);
  int n_assignments = b->n_assignments;
  int32_t first = a->assigned[0].partition;
  test_leave(a);
  for (int i = 0; i < 10; i++) test_poll(b, 30);
  a = test_join(topic, "a", &topic, 1, NULL);
  poll_both(a, b, 4);
  ck_assert_int_eq(a->assigned[0].partition, first);
  ck_assert_int_eq(b->n_assignments, n_assignments);
  test_leave(a);
  test_leave(b);
}
END_TEST

TCase *kafka_groups(void) {
  TCase *tc = tcase_create("groups");
  tcase_set_timeout(tc, 45);
  tcase_add_test(tc, equal_partitions_of_two_topics_go_to_one_member);
  tcase_add_test(tc, a_paused_partition_waits_and_loses_nothing);
  tcase_add_test(tc, a_poll_hands_on_no_more_than_it_was_asked_for);
  tcase_add_test(tc, after_an_error_of_the_callback_the_rest_is_still_there);
  tcase_add_test(tc, it_goes_back_to_where_it_is_told);
  tcase_add_test(tc, nothing_is_read_before_the_start_and_then_from_where_it_says);
  tcase_add_test(tc, the_next_member_begins_where_the_last_one_committed);
  tcase_add_test(tc, a_static_member_keeps_its_partitions_over_a_restart);
  return tc;
}
