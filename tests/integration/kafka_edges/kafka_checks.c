/**
 * @file kafka_checks.c  The Kafka edges on a real broker, LS_TEST_KAFKA=host:port; it_kafka_edges.py starts one.
 * CK_RUN_CASE=transactions|groups|records|outage|no_admin|no_producer|no_consumer runs one part.
 */
#include "kafka_helper.h"

#include "base/log.h"
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>

TCase *kafka_transactions(void);
TCase *kafka_groups(void);
TCase *kafka_records(void);
TCase *kafka_outage(void);

static ls_error err;

/* ---- nobody there ---- */

static char logged[65536];

static void keep_log(ls_log_level level, const char *line, void *payload) {
  (void)level;
  (void)payload;
  size_t at = strlen(logged); /* under the log's lock */
  snprintf(logged + at, sizeof logged - at, "%s\n", line);
}

START_TEST(a_cluster_that_is_not_there_is_tried_again_later) {
  static const ls_kafka_property properties[] = {
      {"bootstrap.servers", "127.0.0.1:1"}, {"security.protocol", "SASL_PLAINTEXT"}, {"sasl.mechanism", "PLAIN"},
      {"sasl.username", "somebody"},        {"sasl.password", "open-sesame-4711"},   {"debug", "all"},
  };
  ls__log_set(LS_LOG_DEBUG, keep_log, NULL);
  ls_kafka_cluster cluster = {properties, 6, "test"};
  int64_t begin_us = ls__monotonic_us();
  if (_i == 0) {
    ls_kafka_admin *admin;
    TEST_FAILS(LS_ERETRY, ls__kafka_admin_new(&admin, &cluster, &err));
  } else if (_i == 1) {
    ls_kafka_producer_opts opts = {.cluster = &cluster, .transactional_id = "t"};
    opts.queue_bytes = 1 << 20;
    ls_kafka_producer *producer;
    TEST_FAILS(LS_ERETRY, ls__kafka_producer_new(&producer, &opts, &err));
  } else {
    const char *topic = "t";
    ls_kafka_consumer_opts opts = {.cluster = &cluster, .group_id = "g", .topics = &topic};
    opts.n_topics = 1;
    opts.queue_bytes = 1 << 20;
    ls_kafka_consumer *consumer;
    TEST_FAILS(LS_ERETRY, ls__kafka_consumer_new(&consumer, &opts, &err));
  }
  ck_assert_int_lt(ls__monotonic_us() - begin_us, 15000000);
  ck_assert_msg(strstr(err.message, "127.0.0.1:1"), "%s", err.message);
  ls__log_set(LS_LOG_INFO, NULL, NULL);
  ck_assert_ptr_nonnull(strstr(logged, "event=kafka"));
  ck_assert_msg(!strstr(logged, "4711") && !strstr(err.message, "4711"), "%s", err.message);
}
END_TEST

static TCase *kafka_unreachable(const char *name, int kind) {
  TCase *tc = tcase_create(name);
  tcase_set_timeout(tc, 45);
  tcase_add_loop_test(tc, a_cluster_that_is_not_there_is_tried_again_later, kind, kind + 1);
  return tc;
}

int main(void) {
  if (!getenv("LS_TEST_KAFKA")) {
    printf("skipped: LS_TEST_KAFKA is not set\n");
    return 77;
  }
  Suite *suite = suite_create("kafka_edges");
  suite_add_tcase(suite, kafka_transactions());
  suite_add_tcase(suite, kafka_groups());
  suite_add_tcase(suite, kafka_records());
  suite_add_tcase(suite, kafka_outage());
  suite_add_tcase(suite, kafka_unreachable("no_admin", 0));
  suite_add_tcase(suite, kafka_unreachable("no_producer", 1));
  suite_add_tcase(suite, kafka_unreachable("no_consumer", 2));
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int n_failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
