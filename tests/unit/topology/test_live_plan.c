/* What a live run reads of a plan: cluster, transactions, bindings, names of internal topics, where rows are taken back. */
#include <check.h>
#include <stdlib.h>

#include "helper_topology.h"

static const char live_yaml[] =
    "runtime: { processing: at_least_once, commit_interval: 20ms, transaction_timeout: 1m, threads: 3, "
    "standby_replicas: 1 }\n"
    "kafka:\n  application_id: pay.1\n  instance_id: a\n  replication: 3\n"
    "  properties: { sasl.password: \"${env:PW}\", ssl.ca.location: \"${file:/ca.pem}\", linger.ms: 5, "
    "bootstrap.servers: \"${env:B:-x:1,y:2}\" }\n"
    "libstream: 1\nname: t\n"
    "schemas: { t: { key: id, fields: { id: string, g: string } } }\n"
    "sources:\n"
    "  a: { schema: t, live: { kafka: a, from: latest, idle_after: never }, dead_letters: { kafka: bad } }\n"
    "  b: { schema: t, live: { kafka: b, compacted: true } }\n"
    "steps:\n"
    "  m: { merge: [a, b] }\n"
    "  l: { from: m, latest: { store: s, emit: final } }\n"
    "  n: { from: l, aggregate: { by: g, store: c, emit: final, values: { n: count(*) } } }\n"
    "sinks: { out: { from: n, live: { kafka: out, compacted: true, create: { partitions: 7 } } } }\n";

static void check_property(const ls_plan *plan, uint32_t i, const char *name, ls_property_kind kind, const char *value,
                           const char *fallback) {
  const ls_plan_property *property = &plan->kafka.properties[i];
  ck_assert_str_eq(property->name, name);
  ck_assert_int_eq(property->kind, kind);
  ck_assert_str_eq(property->value, value);
  ck_assert_pstr_eq(property->fallback, fallback);
}

START_TEST(settings_of_a_live_run) {
  ls_topology *topology = topology_must_load(live_yaml, "none");
  const ls_plan *plan = ls__topology_plan(topology);
  ck_assert(!plan->exactly_once);
  ck_assert_int_eq(plan->commit_interval_us, 20000);
  ck_assert_int_eq(plan->transaction_timeout_us, 60000000);
  ck_assert_int_eq(plan->n_threads, 3);
  ck_assert_int_eq(plan->n_standby, 1);
  ck_assert_str_eq(plan->kafka.application_id, "pay.1");
  ck_assert_str_eq(plan->kafka.instance_id, "a");
  ck_assert_int_eq(plan->kafka.replication, 3);
  ck_assert_uint_eq(plan->kafka.n_properties, 4);
  check_property(plan, 0, "sasl.password", LS_PROPERTY_ENV, "PW", NULL);
  check_property(plan, 1, "ssl.ca.location", LS_PROPERTY_FILE, "/ca.pem", NULL);
  check_property(plan, 2, "linger.ms", LS_PROPERTY_LITERAL, "5", NULL);
  check_property(plan, 3, "bootstrap.servers", LS_PROPERTY_ENV, "B", "x:1,y:2");
  ls_topology_free(topology);
}
END_TEST

START_TEST(lakes_of_a_live_run) {
  ls_topology *topology =
      topology_must_load("libstream: 1\nname: t\nschemas: { t: { key: id, fields: { id: string } } }\n"
                         "sources: { a: { schema: t, live: { kafka: a } } }\nsinks:\n"
                         "  a: { from: a, lake: { path: a, format: parquet } }\n"
                         "  b: { from: a, lake: { path: b, format: parquet, roll: {} } }\n"
                         "  c: { from: a, lake: { path: c, format: csv, roll: { every: 2s, size: 1MiB } } }\n",
                         "none");
  const ls_plan *plan = ls__topology_plan(topology);
  ck_assert_ptr_null(plan->sinks[0].lake_topic);
  ck_assert_str_eq(plan->sinks[1].lake_topic, "t-b-lake");
  ck_assert_int_eq(plan->sinks[1].roll_us, 300000000);
  ck_assert_int_eq(plan->sinks[1].roll_bytes, 128 << 20);
  ck_assert_int_eq(plan->sinks[2].roll_us, 2000000);
  ck_assert_int_eq(plan->sinks[2].roll_bytes, 1 << 20);
  ls_topology_free(topology);
}
END_TEST

START_TEST(defaults_of_a_live_run) {
  ls_topology *topology = topology_must_load("steps: { out: { from: tx, filter: \"n > 0\" } }\n", "one");
  const ls_plan *plan = ls__topology_plan(topology);
  ck_assert(plan->exactly_once);
  ck_assert(!plan->live);
  ck_assert_int_eq(plan->commit_interval_us, 100000);
  ck_assert_int_eq(plan->transaction_timeout_us, 10000000);
  ck_assert_int_eq(plan->n_threads, 0);
  ck_assert_str_eq(plan->kafka.application_id, "t");
  ck_assert_ptr_null(plan->kafka.instance_id);
  ck_assert_int_eq(plan->kafka.replication, -1);
  check_property(plan, 0, "bootstrap.servers", LS_PROPERTY_ENV, "KAFKA_BROKERS", "localhost:9092");
  ls_topology_free(topology);
}
END_TEST

START_TEST(bindings_and_names) {
  ls_topology *topology = topology_must_load(live_yaml, "none");
  const ls_plan *plan = ls__topology_plan(topology);
  const ls_plan_source *a = plan_source(plan, "a"), *b = plan_source(plan, "b");
  ck_assert(a->live_from_latest && !a->live_compacted && !b->live_from_latest && b->live_compacted);
  ck_assert_int_eq(a->idle_after_us, -1);
  ck_assert_int_eq(b->idle_after_us, LS_IDLE_AFTER_DEFAULT_US);
  ck_assert_str_eq(a->dead_letter_topic, "bad");
  ck_assert_str_eq(b->dead_letter_topic, "b.dlq");
  ck_assert_int_eq(plan->sinks[0].create_partitions, 7);
  ck_assert_str_eq(plan_node(plan, "l", LS_VERB_LATEST)->store.changelog, "pay.1-s-changelog");
  ck_assert_str_eq(plan->sources[plan->n_sources - 1].repartition_topic, "pay.1-n-repartition");
  ls_topology_free(topology);
}
END_TEST

START_TEST(rows_are_taken_back_between_table_and_aggregate) {
  ls_topology *topology = topology_must_load(live_yaml, "none");
  const ls_plan *plan = ls__topology_plan(topology);
  const ls_plan_node *latest = plan_node(plan, "l", LS_VERB_LATEST), *count = plan_node(plan, "n", LS_VERB_AGGREGATE);
  const ls_plan_source *between = &plan->sources[plan->n_sources - 1];
  ck_assert(latest->live_retracts && !latest->live_takes_back);
  ck_assert(count->live_takes_back && count->live_retracts); /* a group may be gone: the sink is by key */
  ck_assert(plan_node(plan, "out", LS_VERB_SINK)->live_takes_back);
  ck_assert(between->live_retracts);
  ck_assert_uint_eq(between->schema->n_fields, plan->nodes[between->node].outputs[0].schema->n_fields + 1);
  ck_assert_ptr_null(plan->live_problem);
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls__topology_set_live(topology, true, &err), LS_OK);
  ck_assert(plan->live);
  ls_topology_free(topology);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("topology.live_plan");
  TCase *tcase = tcase_create("live");
  tcase_add_test(tcase, settings_of_a_live_run);
  tcase_add_test(tcase, defaults_of_a_live_run);
  tcase_add_test(tcase, lakes_of_a_live_run);
  tcase_add_test(tcase, bindings_and_names);
  tcase_add_test(tcase, rows_are_taken_back_between_table_and_aggregate);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int n_failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return n_failed == 0 ? 0 : 1;
}
