/* What becomes of right files: nodes, keys, stores, sub-topologies, what is read of the sources. */
#include <check.h>

#include "helper_topology.h"
#include "node/node_util.h"

static const ls_parameter batch_parameters[] = {{"run_date", "2026-03-01"}, {"as_of", "2026-03-02T04:00:00Z"}};

static void assert_in_order(const ls_plan *plan) {
  for (uint32_t i = 0; i < plan->n_nodes; i++) {
    const ls_plan_node *node = &plan->nodes[i];
    ck_assert_uint_eq(node->id, i);
    for (uint32_t k = 0; k < node->n_inputs; k++) {
      ck_assert_uint_lt(node->inputs[k].node, i);
      ck_assert_uint_lt(node->inputs[k].output, plan->nodes[node->inputs[k].node].n_outputs);
      ck_assert_uint_eq(plan->nodes[node->inputs[k].node].sub_topology, node->sub_topology);
    }
    for (int k = 0; k < 2; k++) {
      if (node->reads_table[k] == LS_NO_NODE) continue;
      ck_assert_uint_lt(node->reads_table[k], i);
      ck_assert(ls__node_table_is_read_as_of(plan, &plan->nodes[node->reads_table[k]]) ||
                node->verb == LS_VERB_TABLE_JOIN);
      ck_assert_uint_eq(plan->nodes[node->reads_table[k]].sub_topology, node->sub_topology);
    }
    if (node->verb == LS_VERB_REPARTITION) {
      const ls_plan_source *next = &plan->sources[node->u.repartition.repartition_source];
      ck_assert(next->repartition);
      ck_assert_uint_lt(node->sub_topology, next->sub_topology);
      ck_assert_uint_eq(plan->nodes[next->node].sub_topology, next->sub_topology);
    }
  }
}

static void assert_key(const ls_schema *schema, const char *names) {
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, "");
  for (uint32_t i = 0; i < schema->n_key; i++) {
    ls__buf_printf(&text, "%s%s", i > 0 ? " " : "", schema->fields[schema->key[i]].name);
  }
  ck_assert_str_eq(text.ptr, names);
  ls__buf_fini(&text);
}

static void assert_wanted(const ls_schema *schema, const uint64_t *wanted, const char *names) {
  ls_buf text = LS_BUF_INIT;
  wanted_text(&text, schema, wanted);
  ck_assert_str_eq(text.ptr, names);
  ls__buf_fini(&text);
}

static const ls_field *field(const ls_plan_node *node, const char *name) {
  int32_t i = ls__schema_find(node->outputs[0].schema, ls__slice_of(name));
  ck_assert_int_ge(i, 0);
  return &node->outputs[0].schema->fields[i];
}

static void assert_type(const ls_field *f, const char *type, bool nullable) {
  ls_buf text = LS_BUF_INIT;
  ls__type_format(&text, f->type);
  ck_assert_str_eq(text.ptr, type);
  ck_assert_int_eq(f->nullable, nullable);
  ls__buf_fini(&text);
}

START_TEST(plans_the_streaming_index) {
  ls_topology *topology = topology_must_load_file("configs/streaming_index.yaml", NULL, 0);
  const ls_plan *plan = ls__topology_plan(topology);
  assert_in_order(plan);
  ck_assert_str_eq(ls_topology_name(topology), "streaming-index");
  ck_assert_uint_eq(plan->n_sub_topologies, 1);
  ck_assert_uint_eq(plan->n_sources, 2);
  ck_assert_int_eq(plan->max_bad_share_ppm, 50000);
  ck_assert_int_eq(plan->max_bad_records, -1);
  ck_assert_int_eq(plan->memory_bytes, INT64_C(512) << 20);
  ck_assert(plan->parity);
  const ls_plan_node *join = plan_node(plan, "matched_signals", LS_VERB_STREAM_JOIN);
  ck_assert_int_eq(join->u.stream_join.before_us, INT64_C(600000000));
  ck_assert_int_eq(join->u.stream_join.after_us, INT64_C(600000000));
  ck_assert_int_eq(join->u.stream_join.grace_us, INT64_C(60000000));
  ck_assert_int_eq(join->u.stream_join.emit, LS_EMIT_CHANGES);
  ck_assert_uint_eq(join->u.stream_join.n_left, plan->nodes[join->inputs[0].node].outputs[0].schema->n_fields);
  ck_assert_uint_eq(join->n_outputs, 4);
  ck_assert_str_eq(join->outputs[2].name, "unmatched");
  ck_assert_str_eq(join->store.name, "signal_window");
  ck_assert_str_eq(join->store2.name, "signal_window-right");
  ck_assert(join->store.fingerprint != join->store2.fingerprint);
  const ls_plan_node *scored = plan_node(plan, "scored", LS_VERB_TABLE_JOIN);
  ck_assert_int_eq(scored->u.table_join.type, LS_JOIN_LEFT);
  assert_key(scored->outputs[0].schema, "transaction_id");
  const ls_plan_node *enriched = plan_node(plan, "enriched", LS_VERB_GLOBAL_LOOKUP);
  ck_assert_str_eq(plan->globals[enriched->u.global_lookup.table].name, "merchants");
  const ls_plan_node *versions = plan_node(plan, "versions", LS_VERB_CHANGES);
  ck_assert_uint_eq(versions->u.changes.n_compare, 9);
  ck_assert_int_eq(versions->u.changes.version_field, 10);
  ck_assert(!field(versions, "user_token")->sensitive);
  assert_wanted(plan->globals[0].schema, plan->globals[0].wanted, "merchant_id risk_level");
  const ls_plan_sink *sink = &plan->sinks[0];
  ck_assert_uint_eq(sink->n_path_exprs, 1);
  ck_assert_str_eq(sink->path_literals[0], "curated/streaming_index/dt=");
  ck_assert_str_eq(sink->path_literals[1], "");
  ck_assert(sink->live_compacted);
  ck_assert_str_eq(plan->sources[0].dead_letter_dir, "dlq/transactions");
  ck_assert_int_eq(plan->sources[0].idle_after_us, INT64_C(5000000));
  ls_topology_free(topology);
}
END_TEST

START_TEST(plans_the_batch) {
  ls_topology *topology = topology_must_load_file("configs/batch_recon.yaml", batch_parameters, 2);
  const ls_plan *plan = ls__topology_plan(topology);
  assert_in_order(plan);
  ck_assert_uint_eq(plan->n_sub_topologies, 3);
  ck_assert_uint_eq(plan->n_sources, 4);
  ck_assert_str_eq(plan->sources[0].name, "streaming_index");
  ck_assert_str_eq(plan->sources[2].name, "by_transaction-repartition");
  ck_assert_str_eq(plan->sources[3].name, "by_merchant-repartition");
  assert_key(plan->sources[2].schema, "transaction_id");
  assert_key(plan->sources[3].schema, "merchant_id currency");
  ck_assert_int_eq(plan->sources[0].lookback_us, INT64_C(3) * 86400 * 1000000);
  const ls_plan_node *both = plan_node(plan, "both_sides", LS_VERB_TABLE_JOIN);
  ck_assert_int_eq(both->u.table_join.type, LS_JOIN_OUTER);
  ck_assert_int_eq(both->u.table_join.emit, LS_EMIT_FINAL);
  assert_type(field(both, "transaction_id"), "string", false);
  assert_type(field(both, "merchant_id"), "string", true);
  assert_type(field(both, "posted.posted"), "decimal(38,4)", true);
  const ls_plan_node *kpis = plan_node(plan, "merchant_kpis", LS_VERB_AGGREGATE);
  ck_assert_uint_eq(kpis->u.aggregate.n_aggs, 1);
  ck_assert_int_eq(kpis->u.aggregate.aggs[0].kind, LS_AGG_PLUGIN);
  ck_assert(!ls__node_table_is_read_as_of(plan, kpis));
  ck_assert_str_eq(plan->sinks[1].path_pattern, "final/aggregate_index/month=2026-03/day=2026-03-01");
  ck_assert(plan->sinks[1].success_marker && plan->sinks[1].keep_last);
  ck_assert_uint_eq(plan->sinks[1].n_path_exprs, 0);
  assert_wanted(plan->sources[0].schema, plan->sources[0].wanted,
                "transaction_id merchant_id amount currency status fraud_score enriched_flags "
                "version");
  ls_topology_free(topology);
}
END_TEST

START_TEST(names_columns_of_joins_by_their_way) {
  ls_topology *topology = topology_must_load(
      "steps:\n"
      "  m: { from: tx, join: { with: sig, within: 10m, grace: 1m, store: m } }\n"
      "  scores: { from: m, latest: { by: sig.at, store: scores } }\n"
      "  current: { from: tx, latest: { by: at, store: current } }\n"
      "  scored: { from: current, left_join: { with: scores } }\n"
      "  out: { from: scored, select: { id: id, score: scores.sig.score, late: scores.sig.at > at } }\n",
      "two");
  const ls_plan *plan = ls__topology_plan(topology);
  assert_in_order(plan);
  const ls_plan_node *scored = plan_node(plan, "scored", LS_VERB_TABLE_JOIN);
  assert_type(field(scored, "scores.sig.score"), "float64", true);
  assert_type(field(scored, "scores.id"), "string", true);
  ck_assert_int_eq(scored->u.table_join.emit, LS_EMIT_CHANGES);
  assert_wanted(plan->sources[0].schema, plan->sources[0].wanted, "id at");
  ls_topology_free(topology);
}
END_TEST

START_TEST(reads_only_what_is_read) {
  ls_topology *topology = topology_must_load("steps:\n"
                                             "  a: { from: tx, filter: n > 0 }\n"
                                             "  b: { from: a, extend: { double_f: f * 2.0 } }\n"
                                             "  c: { from: b, select: { key: id, again: amount } }\n"
                                             "  out: { from: c, select: { key: key } }\n",
                                             "one");
  const ls_plan *plan = ls__topology_plan(topology);
  assert_wanted(plan->sources[0].schema, plan->sources[0].wanted, "id n f at");
  assert_key(plan->sinks[0].schema, "key");
  ls_topology_free(topology);
}
END_TEST

START_TEST(reads_what_a_repartition_carries) {
  ls_topology *topology =
      topology_must_load("steps:\n"
                         "  byn: { from: tx, aggregate: { by: n, values: { total: sum(amount) }, store: byn } }\n"
                         "  out: { from: byn, select: { n: n, total: total } }\n",
                         "one");
  const ls_plan *plan = ls__topology_plan(topology);
  assert_in_order(plan);
  ck_assert_uint_eq(plan->n_sub_topologies, 2);
  ck_assert_str_eq(plan->sources[1].name, "byn-repartition");
  assert_wanted(plan->sources[0].schema, plan->sources[0].wanted, "id amount n at");
  assert_wanted(plan->sources[1].schema, plan->sources[1].wanted, "amount n at");
  ls_topology_free(topology);
}
END_TEST

START_TEST(sends_rows_once_for_all_that_need_them) {
  ls_topology *topology =
      topology_must_load("steps:\n"
                         "  keyed: { from: tx, select_key: n }\n"
                         "  last: { from: keyed, latest: { store: last } }\n"
                         "  sums: { from: keyed, aggregate: { values: { c: count(*) }, store: sums } }\n"
                         "  out: { from: last, join: { with: sums } }\n",
                         "one");
  const ls_plan *plan = ls__topology_plan(topology);
  assert_in_order(plan);
  ck_assert_uint_eq(plan->n_sources, 2);
  ck_assert_uint_eq(plan->n_sub_topologies, 2);
  const ls_plan_node *join = plan_node(plan, "out", LS_VERB_TABLE_JOIN);
  ck_assert_uint_eq(join->reads_table[0], plan_node(plan, "last", LS_VERB_LATEST)->id);
  ck_assert_uint_eq(join->reads_table[1], plan_node(plan, "sums", LS_VERB_AGGREGATE)->id);
  ls_topology_free(topology);
}
END_TEST

START_TEST(keeps_rows_in_place_when_the_key_stays) {
  ls_topology *topology =
      topology_must_load("steps:\n"
                         "  same: { from: tx, select_key: id }\n"
                         "  once: { from: same, deduplicate: { on: [id, n], retention: 1d, store: once } }\n"
                         "  renamed: { from: once, select: { key: id, n: n } }\n"
                         "  out: { from: renamed, latest: { store: out } }\n",
                         "one");
  const ls_plan *plan = ls__topology_plan(topology);
  ck_assert_uint_eq(plan->n_sources, 1);
  const ls_plan_node *once = plan_node(plan, "once", LS_VERB_DEDUPLICATE);
  ck_assert_int_eq(once->u.deduplicate.retention_us, INT64_C(86400) * 1000000);
  assert_key(plan->sinks[0].schema, "key");
  ls_topology_free(topology);
}
END_TEST

START_TEST(deduplicate_elsewhere_keeps_the_key) {
  ls_topology *topology =
      topology_must_load("steps:\n"
                         "  once: { from: tx, deduplicate: { on: n, retention: forever, store: once } }\n"
                         "  out: { from: once, latest: { store: out } }\n",
                         "one");
  const ls_plan *plan = ls__topology_plan(topology);
  assert_in_order(plan);
  ck_assert_uint_eq(plan->n_sources, 3);
  ck_assert_uint_eq(plan->n_sub_topologies, 3);
  assert_key(plan->sources[1].schema, "n");
  assert_key(plan->sources[2].schema, "id");
  ck_assert_str_eq(plan->sources[1].name, "once-repartition");
  ck_assert_str_eq(plan->sources[2].name, "once-repartition-2");
  ck_assert_int_eq(plan_node(plan, "once", LS_VERB_DEDUPLICATE)->u.deduplicate.retention_us, INT64_MAX);
  ls_topology_free(topology);
}
END_TEST

/* Rows joined with what was computed of them elsewhere: they are sent on, so that no sub-topology waits for itself. */
START_TEST(cuts_a_circle_of_sub_topologies) {
  ls_topology *topology =
      topology_must_load("steps:\n"
                         "  byn: { from: tx, aggregate: { by: n, values: { id: first(id) }, store: byn } }\n"
                         "  back: { from: byn, select_key: id }\n"
                         "  slim: { from: back, filter: id IS NOT NULL }\n"
                         "  out: { from: tx, join: { with: slim, within: 1h, grace: 0s, store: out } }\n",
                         "one");
  const ls_plan *plan = ls__topology_plan(topology);
  assert_in_order(plan);
  ck_assert_uint_eq(plan->n_sub_topologies, 3);
  ck_assert_uint_eq(plan->n_sources, 4);
  ls_topology_free(topology);
}
END_TEST

START_TEST(types_of_aggregates) {
  ls_topology *topology =
      topology_must_load("steps:\n"
                         "  out:\n    from: tx\n    aggregate:\n      store: out\n"
                         "      window: { tumbling: 1h, grace: 5m }\n      values:\n"
                         "        all: COUNT(*)\n        some: count(f)\n        si: sum(n)\n        sd: sum(amount)\n"
                         "        sf: sum(f)\n        ai: avg(n)\n        ad: avg(amount)\n        least: min(amount)\n"
                         "        f1: first(code)\n        l1: last(f)\n"
                         "        list: 'collect(CASE WHEN n > 0 THEN '','' ELSE ''('' END)'\n",
                         "one");
  const ls_plan *plan = ls__topology_plan(topology);
  const ls_plan_node *node = plan_node(plan, "out", LS_VERB_AGGREGATE);
  assert_type(field(node, "all"), "int64", false);
  assert_type(field(node, "some"), "int64", false);
  assert_type(field(node, "si"), "int64", false);
  assert_type(field(node, "sd"), "decimal(38,4)", false);
  assert_type(field(node, "sf"), "float64", true);
  assert_type(field(node, "ai"), "decimal(38,6)", false);
  assert_type(field(node, "ad"), "decimal(38,10)", false);
  assert_type(field(node, "least"), "decimal(18,4)", false);
  assert_type(field(node, "f1"), "string", false);
  assert_type(field(node, "l1"), "float64", true);
  assert_type(field(node, "list"), "list<string>", false);
  ck_assert_str_eq(node->outputs[0].schema->fields[0].name, "id");
  ck_assert_str_eq(node->outputs[0].schema->fields[1].name, "window_start");
  ck_assert_str_eq(node->outputs[0].schema->fields[2].name, "window_end");
  ck_assert_int_eq(node->u.aggregate.emit, LS_EMIT_FINAL);
  ck_assert_int_eq(node->u.aggregate.window_us, INT64_C(3600000000));
  ck_assert_uint_eq(node->n_outputs, 2);
  ls_topology_free(topology);
}
END_TEST

START_TEST(widens_arguments_of_plugin_aggregates) {
  ls_topology *topology = topology_must_load(
      "plugins: [topo]\n"
      "steps:\n"
      "  out: { from: tx, aggregate: { store: o, values: { a: udf_total(n), b: udf_total(amount) } } }\n",
      "one");
  const ls_plan_node *node = plan_node(ls__topology_plan(topology), "out", LS_VERB_AGGREGATE);
  for (int i = 0; i < 2; i++) {
    const ls_type *type = ls__expr_type(node->u.aggregate.aggs[i].args[0]);
    ck_assert_int_eq(type->kind, LS_DECIMAL);
    ck_assert_int_eq(type->precision, 38);
    ck_assert_int_eq(type->scale, 4);
  }
  ls_topology_free(topology);
}
END_TEST

START_TEST(joins_nullable_columns) {
  ls_topology *topology = topology_must_load(
      "steps:\n"
      "  a: { from: tx, outer_join: { with: sig, before: 1m, after: 0s, grace: 0s, emit: final, store: a } }\n"
      "  out: { from: a, filter: sig.id IS NULL }\n",
      "two");
  const ls_plan_node *node = plan_node(ls__topology_plan(topology), "a", LS_VERB_STREAM_JOIN);
  ck_assert_int_eq(node->u.stream_join.type, LS_JOIN_OUTER);
  ck_assert_int_eq(node->u.stream_join.before_us, 60000000);
  ck_assert_int_eq(node->u.stream_join.after_us, 0);
  ck_assert_int_eq(node->u.stream_join.emit, LS_EMIT_FINAL);
  ck_assert_uint_eq(node->u.stream_join.fanout_max, 1000);
  assert_type(field(node, "id"), "string", false);
  assert_type(field(node, "n"), "int64", true);
  assert_type(field(node, "sig.id"), "string", true);
  assert_type(field(node, "sig.score"), "float64", true);
  ls_topology_free(topology);
}
END_TEST

START_TEST(tables_are_kept_or_global) {
  ls_topology *topology =
      topology_must_load("steps:\n"
                         "  a: { from: tx, left_join: { with: acc } }\n"
                         "  b: { from: a, filter: \"exists -- of them\\n ( \\\"ref\\\", note = 'x')\" }\n"
                         "  out: { from: b, join: { with: ref, on: code } }\n",
                         "tables");
  const ls_plan *plan = ls__topology_plan(topology);
  assert_in_order(plan);
  ck_assert_uint_eq(plan->n_sources, 2);
  ck_assert_uint_eq(plan->n_globals, 1);
  const ls_plan_node *acc = plan_node(plan, "acc", LS_VERB_LATEST);
  ck_assert_int_eq(acc->u.latest.order_by, -1);
  ck_assert_str_eq(acc->store.name, "acc");
  ck_assert(ls__node_table_is_read_as_of(plan, acc));
  ck_assert_uint_eq(plan_node(plan, "a", LS_VERB_TABLE_LOOKUP)->reads_table[0], acc->id);
  assert_wanted(plan->globals[0].schema, plan->globals[0].wanted, "code rate note");
  ck_assert_str_eq(plan->tables[0].name, "ref");
  ls_topology_free(topology);
}
END_TEST

START_TEST(branches_and_merges) {
  ls_topology *topology = topology_must_load("steps:\n"
                                             "  b: { from: tx, branch: { big: n > 10, bad: n < 0, rest: otherwise } }\n"
                                             "  out: { merge: [b.rest, b.big, b.bad] }\n",
                                             "one");
  const ls_plan *plan = ls__topology_plan(topology);
  const ls_plan_node *b = plan_node(plan, "b", LS_VERB_BRANCH);
  ck_assert_uint_eq(b->n_outputs, 3);
  ck_assert_str_eq(b->outputs[0].name, "big");
  ck_assert_ptr_nonnull(b->u.branch.predicates[1]);
  ck_assert_ptr_null(b->u.branch.predicates[2]);
  const ls_plan_node *out = plan_node(plan, "out", LS_VERB_MERGE);
  ck_assert_uint_eq(out->n_inputs, 3);
  ck_assert_uint_eq(out->inputs[0].output, 2);
  assert_key(out->outputs[0].schema, "id");
  ls_topology_free(topology);
}
END_TEST

START_TEST(fingerprints_follow_the_schema) {
  uint64_t prints[3];
  static const char *const texts[] = {
      "steps:\n  out: { from: tx, latest: { store: a } }\n", "steps:\n  out: { from: tx, latest: { store: b } }\n",
      "steps:\n  x: { from: tx, extend: { m: n + 1 } }\n  out: { from: x, latest: { store: a } }\n"};
  for (int i = 0; i < 3; i++) {
    ls_topology *topology = topology_must_load(texts[i], "one");
    prints[i] = plan_node(ls__topology_plan(topology), "out", LS_VERB_LATEST)->store.fingerprint;
    ls_topology_free(topology);
  }
  ck_assert(prints[0] == prints[1]);
  ck_assert(prints[0] != prints[2]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("topology.plan");
  TCase *tcase = tcase_create("plan");
  tcase_add_test(tcase, plans_the_streaming_index);
  tcase_add_test(tcase, plans_the_batch);
  tcase_add_test(tcase, names_columns_of_joins_by_their_way);
  tcase_add_test(tcase, reads_only_what_is_read);
  tcase_add_test(tcase, reads_what_a_repartition_carries);
  tcase_add_test(tcase, sends_rows_once_for_all_that_need_them);
  tcase_add_test(tcase, keeps_rows_in_place_when_the_key_stays);
  tcase_add_test(tcase, deduplicate_elsewhere_keeps_the_key);
  tcase_add_test(tcase, cuts_a_circle_of_sub_topologies);
  tcase_add_test(tcase, types_of_aggregates);
  tcase_add_test(tcase, widens_arguments_of_plugin_aggregates);
  tcase_add_test(tcase, joins_nullable_columns);
  tcase_add_test(tcase, tables_are_kept_or_global);
  tcase_add_test(tcase, branches_and_merges);
  tcase_add_test(tcase, fingerprints_follow_the_schema);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int n_failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return n_failed == 0 ? 0 : 1;
}
