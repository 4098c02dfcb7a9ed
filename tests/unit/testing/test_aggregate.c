/** @file test_aggregate.c  aggregate without a window: every function, nulls, the limits of decimals, plugin aggregates. */
#include "driver.h"

#define RICH(steps, from)                                                                                              \
  "libstream: 1\nname: test\nplugins: [recon]\n"                                                                       \
  "schemas:\n  row:\n    key: k\n    time: t\n    fields:\n"                                                           \
  "      k: string\n      t: timestamp\n      i: { type: int64, nullable: true }\n"                                    \
  "      d: { type: \"decimal(38,2)\", nullable: true }\n      f: { type: float64, nullable: true }\n"                 \
  "      s: { type: string, nullable: true }\n"                                                                        \
  "sources:\n" SOURCE("s") "steps:\n" steps                                                                            \
  SINK(from)
#define RICH_PLAIN(steps, from)                                                                                        \
  "libstream: 1\nname: test\n"                                                                                         \
  "schemas:\n  row:\n    key: k\n    time: t\n    fields:\n"                                                           \
  "      k: string\n      t: timestamp\n      i: { type: int64, nullable: true }\n"                                    \
  "      d: { type: \"decimal(38,2)\", nullable: true }\n      f: { type: float64, nullable: true }\n"                 \
  "      s: { type: string, nullable: true }\n"                                                                        \
  "sources:\n" SOURCE("s") "steps:\n" steps                                                                            \
  SINK(from)
#define X(k, s, i, d, f, str)                                                                                          \
  { "s", "{\"k\":\"" k "\",\"t\":\"" AT(s) "\",\"i\":" #i ",\"d\":" d ",\"f\":" #f ",\"s\":" str "}" }
#define D36 "999999999999999999999999999999999999.99" /* the largest decimal(38,2) */
#define D32 "9999999999999999999999999999999.99"

START_TEST(functions_skip_nulls_but_for_first_last_and_collect) {
  EXPECT_RUN(RICH_PLAIN("  g: { from: s, aggregate: { emit: final, store: g, values: { n: count(*), ni: count(i), si: "
                        "sum(i), sd: sum(d), sf: sum(f), a: min(i),"
                        " z: max(i), ad: min(d), zd: max(d), as: min(s), zs: max(s), af: min(f), avi: avg(i), avd: "
                        "avg(d), avf: avg(f), fi: first(i), li: last(i), c: collect(i) } } }\n",
                        "g"),
             "{\"k\":\"a\",\"n\":4,\"ni\":2,\"si\":5,\"sd\":\"-0.75\",\"sf\":2.5,\"a\":-2,\"z\":7,\"ad\":\"-1.00\","
             "\"zd\":\"0.25\",\"as\":\"B\",\"zs\":\"\xc3\xa9\","
             "\"af\":0.5,\"avi\":\"2.500000\",\"avd\":\"-0.37500000\",\"avf\":1.25,\"fi\":null,\"li\":null,\"c\":[null,"
             "7,-2,null]}\n",
             "g", "in=4 taken=4 filtered=0 late=0 dead=0 out=1", NULL, X("a", "01", null, "null", null, "null"),
             X("a", "02", 7, "\"0.25\"", 2, "\"a\""), X("a", "03", -2, "\"-1.00\"", 0.5, "\"B\""),
             X("a", "04", null, "null", null, "\"\xc3\xa9\""));
}
END_TEST

START_TEST(of_nulls_alone_there_is_no_value) {
  EXPECT(RICH_PLAIN("  g: { from: s, aggregate: { emit: final, store: g, values: { n: count(*), ni: count(i), si: "
                    "sum(i), sd: sum(d), a: min(s), av: avg(d), f: first(s), c: collect(s) } } }\n",
                    "g"),
         "{\"k\":\"a\",\"n\":1,\"ni\":0,\"si\":null,\"sd\":null,\"a\":null,\"av\":null,\"f\":null,\"c\":[null]}\n",
         X("a", "01", null, "null", null, "null"));
}
END_TEST

START_TEST(average_is_rounded_half_up) {
  EXPECT(RICH_PLAIN("  g: { from: s, aggregate: { emit: final, store: g, values: { av: avg(d) } } }\n", "g"),
         "{\"k\":\"a\",\"av\":\"0.33333333\"}\n"
         "{\"k\":\"b\",\"av\":\"-0.66666667\"}\n",
         X("a", "01", 1, "\"0.33\"", null, "null"), X("a", "02", 1, "\"0.33\"", null, "null"),
         X("a", "03", 1, "\"0.34\"", null, "null"), X("b", "01", 1, "\"-0.66\"", null, "null"),
         X("b", "02", 1, "\"-0.67\"", null, "null"), X("b", "03", 1, "\"-0.67\"", null, "null"));
}
END_TEST

#define R28(x)       x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x
#define ZERO(k)      X(k, "01", 1, "\"0.00\"", null, "null")
#define ZEROS_31(k)  R28(ZERO(k)), ZERO(k), ZERO(k), ZERO(k)
#define ZEROS_127(k) ZEROS_31(k), ZEROS_31(k), ZEROS_31(k), ZEROS_31(k), ZERO(k), ZERO(k), ZERO(k)

/* 0.01 / 128 = 0.000078125 */
START_TEST(average_of_a_tie_is_rounded_away_from_zero) {
  EXPECT(RICH_PLAIN("  g: { from: s, aggregate: { emit: final, store: g, values: { av: avg(d) } } }\n", "g"),
         "{\"k\":\"a\",\"av\":\"0.00007813\"}\n{\"k\":\"b\",\"av\":\"-0.00007813\"}\n", ZEROS_127("a"),
         X("a", "02", 1, "\"0.01\"", null, "null"), ZEROS_127("b"), X("b", "02", 1, "\"-0.01\"", null, "null"));
}
END_TEST

START_TEST(changes_gives_the_new_result_per_row) {
  EXPECT_RUN(ONE("  g: { from: s, aggregate: { emit: changes, store: g, values: { n: count(*), v: sum(v) } } }\n"
                 "  o: { from: g, select: { k: k, n: n, v: v, at: event_time() } }\n",
                 "o"),
             "{\"k\":\"a\",\"n\":1,\"v\":5,\"at\":\"" AT("09") "\"}\n{\"k\":\"b\",\"n\":1,\"v\":null,\"at\":\"" AT(
                 "09") "\"}\n"
                       "{\"k\":\"a\",\"n\":2,\"v\":7,\"at\":\"" AT("09") "\"}\n", /* the largest of its rows' */
             "g", "in=3 taken=3 filtered=0 late=0 dead=0 out=3", NULL, S("a", "09", 5), S("b", "09", null),
             S("a", "02", 2));
}
END_TEST

START_TEST(sum_past_38_digits_is_a_dead_letter_and_the_sum_stands) {
  EXPECT_RUN(
      RICH_PLAIN("  g: { from: s, aggregate: { emit: changes, store: g, values: { n: count(*), v: sum(d) } } }\n", "g"),
      "{\"k\":\"a\",\"n\":1,\"v\":\"" D36 "\"}\n{\"k\":\"a\",\"n\":2,\"v\":\"" D36
      "\"}\n{\"k\":\"a\",\"n\":3,\"v\":\"999999999999999999999999999999999999.98\"}\n",
      "g", "in=4 taken=3 filtered=0 late=0 dead=1 out=3", "s: step_failed: v: the sum needs more than 38 digits\n",
      X("a", "01", 1, "\"" D36 "\"", null, "null"), X("a", "02", 1, "\"0.01\"", null, "null"),
      X("a", "03", 1, "\"0.00\"", null, "null"), X("a", "04", 1, "\"-0.01\"", null, "null"));
}
END_TEST

START_TEST(sum_past_int64_is_a_dead_letter) {
  EXPECT_RUN(ONE("  g: { from: s, aggregate: { emit: final, store: g, values: { v: sum(v) } } }\n", "g"),
             "{\"k\":\"a\",\"v\":9223372036854775806}\n", "g", "in=3 taken=2 filtered=0 late=0 dead=1 out=1",
             "s: step_failed: v: the sum does not fit int64\n", S("a", "01", 9223372036854775807), S("a", "02", 1),
             S("a", "03", -1));
}
END_TEST

START_TEST(average_past_38_digits_is_a_dead_letter_and_the_state_stands) {
  /* avg has eight decimals: 30 digits before the point, so D32 does not fit, whether rows go out or not */
  EXPECT_RUN(
      RICH_PLAIN("  g: { from: s, aggregate: { emit: final, store: g, values: { n: count(*), v: avg(d) } } }\n", "g"),
      "{\"k\":\"a\",\"n\":2,\"v\":\"2.00000000\"}\n", "g", "in=3 taken=2 filtered=0 late=0 dead=1 out=1",
      "s: step_failed: v: the average needs more than 38 digits\n", X("a", "01", 1, "\"1.00\"", null, "null"),
      X("a", "02", 1, "\"" D32 "\"", null, "null"), X("a", "03", 1, "\"3.00\"", null, "null"));
}
END_TEST

START_TEST(argument_that_fails_changes_no_state) {
  EXPECT_RUN(
      ONE("  g: { from: s, aggregate: { emit: changes, store: g, values: { n: count(*), v: sum(12 / v) } } }\n", "g"),
      "{\"k\":\"a\",\"n\":1,\"v\":4}\n{\"k\":\"a\",\"n\":2,\"v\":6}\n", "g",
      "in=3 taken=2 filtered=0 late=0 dead=1 out=2", "s: step_failed: division by zero\n", S("a", "01", 3),
      S("a", "02", 0), S("a", "03", 6));
}
END_TEST

START_TEST(null_key_is_a_dead_letter) {
  EXPECT_RUN(ONE("  g: { from: s, aggregate: { by: [k, v], emit: final, store: g, values: { n: count(*) } } }\n", "g"),
             "{\"k\":\"a\",\"v\":1,\"n\":2}\n", "g", "in=2 taken=2 filtered=0 late=0 dead=0 out=1",
             "s: step_failed: the key to repartition by is null\n", S("a", "01", 1), S("a", "02", null),
             S("a", "03", 1));
}
END_TEST

START_TEST(plugin_aggregate) {
  const char *yaml = RICH("  e: { from: s, extend: { a: \"CAST(d AS decimal(18,4))\" } }\n"
                          "  g: { from: e, aggregate: { emit: final, store: g, values: { kpi: \"udf_kpi_calculation(s, "
                          "s, 'POSTED', 'MATCHED', a, a)\" } } }\n"
                          "  o: { from: g, select: { k: k, n: kpi.transaction_count, volume: kpi.total_volume } }\n",
                          "o");
  ls_error err = LS_ERROR_INIT;
  for (int size = 1; size < 9; size += 3) {
    ls_testdriver *driver = NULL;
    ls_testdriver_opts opts = {.yaml = yaml, .plugin_dir = getenv("LS_UDF_DIR"), .batch_rows = size, .n_workers = 1};
    ck_assert_msg(ls__testdriver_new(&driver, &opts, &err) == LS_OK, "%s", err.message);
    const piped rows[] = {X("a", "01", 1, "\"2.50\"", null, "\"APPROVED\""),
                          X("a", "02", 1, "\"4.00\"", null, "\"APPROVED\"")};
    for (int i = 0; i < 2; i++) ck_assert_int_eq(ls__testdriver_pipe(driver, "s", rows[i].json, &err), LS_OK);
    ck_assert_msg(ls__testdriver_run(driver, &err) == LS_OK, "%s", err.message);
    ck_assert_str_eq(ls__testdriver_output(driver, "out"), "{\"k\":\"a\",\"n\":2,\"volume\":\"6.5000\"}\n");
    ls__testdriver_free(driver);
  }
}
END_TEST

RULES("aggregate", functions_skip_nulls_but_for_first_last_and_collect, of_nulls_alone_there_is_no_value,
      average_is_rounded_half_up, average_of_a_tie_is_rounded_away_from_zero, changes_gives_the_new_result_per_row,
      sum_past_38_digits_is_a_dead_letter_and_the_sum_stands, sum_past_int64_is_a_dead_letter,
      average_past_38_digits_is_a_dead_letter_and_the_state_stands, argument_that_fails_changes_no_state,
      null_key_is_a_dead_letter, plugin_aggregate)
