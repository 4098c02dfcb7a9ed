/** @file test_dead_payloads.c  What dead letters of steps show: columns that were read, no nulls in the place of others. */
#include "driver.h"

#define WIDE                                                                                                           \
  "libstream: 1\nname: test\nschemas:\n"                                                                               \
  "  row: { key: k, time: t, fields: { k: string, t: timestamp, v: { type: int64, nullable: true }"                    \
  ", note: string, who: { type: string, sensitive: true } } }\n"
#define WIDE_ROW(source, k, s, v)                                                                                      \
  { source, "{\"k\":\"" k "\",\"t\":\"" AT(s) "\",\"v\":" #v ",\"note\":\"n\",\"who\":\"bob\"}" }

static void expect_payloads(const char *yaml, const piped *rows, size_t n, const char *payloads) {
  for (int64_t size = 1; size < 9; size += 3) {
    ls_testdriver *driver = run_on(yaml, size, 1, rows, n);
    ck_assert_str_eq(ls__testdriver_dead_payloads(driver), payloads);
    ls__testdriver_free(driver);
  }
}
#define EXPECT_PAYLOADS(yaml, payloads, ...)                                                                           \
  do {                                                                                                                 \
    const piped rows_[] = {__VA_ARGS__};                                                                               \
    expect_payloads(yaml, rows_, sizeof rows_ / sizeof *rows_, payloads);                                              \
  } while (0)
#define FROM_S   WIDE "sources:\n" SOURCE("s") "steps:\n"
#define FROM_L_R WIDE "sources:\n" SOURCE("l") SOURCE("r") "steps:\n"

START_TEST(columns_that_nobody_reads_are_left_out) {
  EXPECT_PAYLOADS(
      FROM_S "  a: { from: s, filter: \"1 / v > 0\" }\n  o: { from: a, select: { k: k, v: v } }\n" SINK("o"),
      "{\"k\":\"a\",\"t\":\"" AT("01") "\",\"v\":0}\n", WIDE_ROW("s", "a", "01", 0), WIDE_ROW("s", "b", "02", 1));
}
END_TEST

START_TEST(nulls_of_columns_that_are_read_are_shown) {
  EXPECT_PAYLOADS(FROM_S "  a: { from: s, extend: { w: \"1 / (coalesce(v, 0))\", u: \"who = 'bob'\" } }\n"
                         "  o: { from: a, select: { k: k, w: w, u: u } }\n" SINK("o"),
                  "{\"k\":\"a\",\"t\":\"" AT("01") "\",\"v\":null,\"who\":\"***\"}\n", WIDE_ROW("s", "a", "01", null));
}
END_TEST

/* Through select (renamed), a branch of no use, and behind a repartition. */
START_TEST(pruned_columns_stay_out_in_later_steps) {
  EXPECT_PAYLOADS(
      FROM_S "  a: { from: s, select: { k: k, t: t, text: note, number: v, made: v + 1 } }\n"
             "  b: { from: a, select_key: number }\n"
             "  c: { from: b, aggregate: { by: number, emit: final, store: c, values: { m: \"sum(1 / number)\" } } }\n"
             "  o: { from: c, select: { m: m } }\n" SINK("o"),
      "{\"k\":\"a\",\"t\":\"" AT("01") "\",\"number\":0,\"made\":1}\n", WIDE_ROW("s", "a", "01", 0),
      WIDE_ROW("s", "b", "02", 1));
}
END_TEST

START_TEST(a_join_shows_what_either_side_read) {
  EXPECT_PAYLOADS(FROM_L_R "  j: { from: l, join: { with: r, within: 1m, grace: 1m, store: j } }\n"
                           "  o: { from: j, select: { k: k, x: \"1 / (v + r.v)\", note: r.note } }\n" SINK("o"),
                  "{\"k\":\"a\",\"t\":\"" AT("01") "\",\"v\":1,\"r.k\":\"a\",\"r.t\":\"" AT(
                      "02") "\",\"r.v\":-1,\"r.note\":\"n\"}\n",
                  WIDE_ROW("l", "a", "01", 1), WIDE_ROW("r", "a", "02", -1));
}
END_TEST

/* Of two inputs one was pruned by its step: a row does not tell from which it is. */
START_TEST(a_merge_shows_what_all_inputs_have) {
  EXPECT_PAYLOADS(FROM_L_R "  m: { merge: [l, r] }\n  o: { from: m, select: { k: k, x: 1 / v } }\n" SINK("o"),
                  "{\"k\":\"a\",\"t\":\"" AT("01") "\",\"v\":0}\n{\"k\":\"b\",\"t\":\"" AT("02") "\",\"v\":0}\n",
                  WIDE_ROW("l", "a", "01", 0), WIDE_ROW("r", "b", "02", 0));
}
END_TEST

RULES("dead_payloads", columns_that_nobody_reads_are_left_out, nulls_of_columns_that_are_read_are_shown,
      pruned_columns_stay_out_in_later_steps, a_join_shows_what_either_side_read, a_merge_shows_what_all_inputs_have)
