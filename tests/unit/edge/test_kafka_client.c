/** @file test_kafka_client.c  What needs no broker: properties, secrets, where the Java client sends a key. */
#include "edge/kafka_admin.h"

#include "base/log.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static ls_error err;

/* Kafka's own table (UtilsTest.testMurmur2), as partitions of 2^31 - 1: the hash without its sign. */
START_TEST(keys_hash_as_in_java) {
  static const struct {
    const char *key;
    int32_t hash;
  } known[] = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    int32_t positive = (int32_t)((uint32_t)known[i].hash & 0x7FFFFFFFu);
    ls_slice key = ls__slice_of(known[i].key);
    ck_assert_int_eq(ls__kafka_murmur2_partition(key, INT32_MAX), positive % INT32_MAX);
    ck_assert_int_eq(ls__kafka_murmur2_partition(key, 7), positive % 7);
  }
  ck_assert_int_eq(ls__kafka_murmur2_partition((ls_slice){"", 0}, 100), 275646681 % 100);
}
END_TEST

START_TEST(secrets_are_known_by_name) {
  static const char *const secret[] = {"sasl.password",
                                       "ssl.key.password",
                                       "ssl.keystore.password",
                                       "ssl.key.pem",
                                       "sasl.oauthbearer.client.secret",
                                       "sasl.oauthbearer.config"};
  static const char *const open[] = {"bootstrap.servers", "sasl.username", "sasl.mechanism", "ssl.ca.location",
                                     "linger.ms"};
  for (size_t i = 0; i < sizeof secret / sizeof secret[0]; i++)
    ck_assert_msg(ls__kafka_is_secret(secret[i]), "%s", secret[i]);
  for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) ck_assert_msg(!ls__kafka_is_secret(open[i]), "%s", open[i]);
}
END_TEST

static int check(const char *name, const char *value, size_t *at) {
  static ls_kafka_property p[2] = {{"bootstrap.servers", "127.0.0.1:9092"}, {0}};
  p[1] = (ls_kafka_property){name, value};
  ls_kafka_cluster cluster = {p, 2, "test"};
  return ls__kafka_check_properties(&cluster, at, &err);
}

START_TEST(properties_of_librdkafka_are_taken) {
  size_t at = 9;
  ck_assert_int_eq(check("security.protocol", "SASL_SSL", &at), LS_OK);
  ck_assert_int_eq(check("sasl.mechanism", "SCRAM-SHA-512", &at), LS_OK);
  ck_assert_int_eq(check("linger.ms", "20", &at), LS_OK);
  ck_assert_int_eq(check("session.timeout.ms", "10000", &at), LS_OK);
}
END_TEST

START_TEST(an_unknown_property_is_refused_with_the_nearest_name) {
  size_t at = 9;
  ck_assert_int_eq(check("sesion.timeout.ms", "10000", &at), LS_ECONFIG);
  ck_assert_uint_eq(at, 1);
  ck_assert_msg(strstr(err.message, "'sesion.timeout.ms'") && strstr(err.message, "'session.timeout.ms'"), "%s",
                err.message);
}
END_TEST

START_TEST(what_libstream_owns_is_refused_with_the_reason) {
  static const char *const owned[] = {
      "enable.auto.commit", "isolation.level",     "group.id", "transactional.id", "partition.assignment.strategy",
      "enable.idempotence", "queued.min.messages", "acks"};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
    ck_assert_int_eq(check(owned[i], "1", NULL), LS_ECONFIG);
    ck_assert_msg(strstr(err.message, "libstream sets it itself"), "%s", err.message);
  }
}
END_TEST

START_TEST(a_bad_value_is_refused_and_a_secret_one_is_not_shown) {
  ck_assert_int_eq(check("linger.ms", "soon", NULL), LS_ECONFIG);
  ck_assert_msg(strstr(err.message, "linger.ms"), "%s", err.message);
}
END_TEST

static char logged[65536];

static void keep_log(ls_log_level level, const char *line, void *payload) {
  (void)level;
  (void)payload;
  size_t at = strlen(logged); /* under the log's lock */
  snprintf(logged + at, sizeof logged - at, "%s\n", line);
}

/* librdkafka quotes what it can't read, in its error and, asked to, in its log. */
START_TEST(a_secret_is_in_no_message) {
  static const ls_kafka_property p[] = {
      {"bootstrap.servers", "127.0.0.1:1"},  {"security.protocol", "sasl_ssl"},
      {"sasl.mechanism", "PLAIN"},           {"sasl.username", "somebody"},
      {"sasl.password", "open-sesame-4711"}, {"ssl.key.pem", "no key\nopen-sesame-4711"},
      {"client.rack", "open-sesame-4711"},   {"debug", "all"}};
  ls__log_set(LS_LOG_DEBUG, keep_log, NULL);
  ls_kafka_cluster cluster = {p, sizeof p / sizeof p[0], "test"};
  ls_kafka_admin *admin;
  ck_assert_int_eq(ls__kafka_admin_new(&admin, &cluster, &err), LS_ECONFIG);
  ls__log_set(LS_LOG_INFO, NULL, NULL);
  ck_assert_msg(strstr(err.message, "ssl.key.pem") && !strstr(err.message, "4711"), "%s", err.message);
  ck_assert_msg(logged[0] && !strstr(logged, "4711"), "%s", logged);
}
END_TEST

START_TEST(brokers_must_be_named) {
  ls_kafka_property p = {"linger.ms", "5"};
  ls_kafka_cluster cluster = {&p, 1, "test"};
  size_t at;
  ck_assert_int_eq(ls__kafka_check_properties(&cluster, &at, &err), LS_ECONFIG);
  ck_assert_msg(strstr(err.message, "bootstrap.servers"), "%s", err.message);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kafka_client");
  TCase *tc = tcase_create("kafka_client");
  tcase_add_test(tc, keys_hash_as_in_java);
  tcase_add_test(tc, secrets_are_known_by_name);
  tcase_add_test(tc, properties_of_librdkafka_are_taken);
  tcase_add_test(tc, an_unknown_property_is_refused_with_the_nearest_name);
  tcase_add_test(tc, what_libstream_owns_is_refused_with_the_reason);
  tcase_add_test(tc, a_bad_value_is_refused_and_a_secret_one_is_not_shown);
  tcase_add_test(tc, a_secret_is_in_no_message);
  tcase_add_test(tc, brokers_must_be_named);
  suite_add_tcase(suite, tc);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int n_failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
