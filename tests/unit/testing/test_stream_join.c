/** @file test_stream_join.c  Windowed joins on records out of order: the rules of docs/OPERATORS.md, and Kafka Streams' holes closed. */
#include "driver.h"

#define AT(s) "2026-01-01T00:00:" s "Z"
#define L(k, s, v) {"l", "{\"k\":\"" k "\",\"t\":\"" AT(s) "\",\"v\":" #v "}"}
#define R(k, s, v) {"r", "{\"k\":\"" k "\",\"t\":\"" AT(s) "\",\"v\":" #v "}"}
#define JOIN(verb, window, emit)                                                                                              \
  SCHEMA "sources:\n" SOURCE("l") SOURCE("r") "steps:\n"                                                                      \
         "  j: { from: l, " verb ": { with: r, " window ", grace: 5s, emit: " emit ", store: j } }\n"                         \
         "  o: { from: j, select: { k: k, lv: v, rv: r.v, at: event_time(), now: stream_time() } }\n" SINK("o")
#define OUT(k, lv, rv, at, now) "{\"k\":" k ",\"lv\":" #lv ",\"rv\":" #rv ",\"at\":\"" AT(at) "\",\"now\":\"" AT(now) "\"}\n"
#define SYMMETRIC "within: 10s"

START_TEST(matches_at_both_ends_and_not_beyond) {
  EXPECT(JOIN("join", SYMMETRIC, "early"), OUT("\"a\"", 1, 2, "20", "20") OUT("\"a\"", 3, 2, "30", "30"),
         L("a", "10", 1), R("a", "20", 2), L("a", "30", 3), L("a", "31", 4), R("b", "31", 5));
}
END_TEST

START_TEST(keeps_duplicate_pairs) {
  EXPECT(JOIN("join", SYMMETRIC, "early"), OUT("\"a\"", 1, 2, "11", "11") OUT("\"a\"", 1, 2, "11", "11"),
         L("a", "10", 1), R("a", "11", 2), R("a", "11", 2));
}
END_TEST

START_TEST(null_result_comes_strictly_after_grace_at_its_own_time) {
  /* closes when stream time passes 10+10+5 = 25: at 25 nothing yet, at 26 the timer of 25.000001 has fired */
  EXPECT(JOIN("left_join", SYMMETRIC, "final"),
         "{\"k\":\"a\",\"lv\":1,\"rv\":null,\"at\":\"" AT("10") "\",\"now\":\"" AT("25.000001") "\"}\n"
         "{\"k\":\"b\",\"lv\":2,\"rv\":null,\"at\":\"" AT("25") "\",\"now\":\"" AT("40.000001") "\"}\n",
         L("a", "10", 1), L("b", "25", 2));
}
END_TEST

START_TEST(out_of_order_left_inside_grace_waits_and_joins_once) {
  /* KAFKA-19536: there the late left emits a null at once and joins as well */
  EXPECT(JOIN("left_join", SYMMETRIC, "final"),
         OUT("\"a\"", 1, 2, "20", "24") "{\"k\":\"z\",\"lv\":9,\"rv\":null,\"at\":\"" AT("24") "\",\"now\":\"" AT("39.000001") "\"}\n",
         R("a", "20", 2), L("z", "24", 9), L("a", "12", 1));
}
END_TEST

START_TEST(row_past_its_close_neither_joins_nor_emits_null) {
  /* KAFKA-16123: there the row 1 s past close still emits a null */
  const piped rows[] = {L("z", "40", 9), L("a", "10", 1), R("a", "12", 2)};
  ls_testdriver *driver = run_on(JOIN("left_join", SYMMETRIC, "final"), 2, 1, rows, 3);
  ck_assert_str_eq(ls__testdriver_output(driver, "out"), "{\"k\":\"z\",\"lv\":9,\"rv\":null,\"at\":\"" AT("40") "\",\"now\":\"" AT("55.000001") "\"}\n");
  ck_assert_str_eq(ls__testdriver_counters(driver, "j"), "in=3 taken=1 filtered=0 late=2 dead=0 out=1");
  ls__testdriver_free(driver);
}
END_TEST

START_TEST(left_expires_while_only_the_right_side_moves_time) {
  EXPECT(JOIN("left_join", "before: 10s, after: 0s", "final"),
         "{\"k\":\"a\",\"lv\":1,\"rv\":null,\"at\":\"" AT("10") "\",\"now\":\"" AT("15.000001") "\"}\n",
         L("a", "10", 1), R("b", "30", 2), R("b", "31", 3));
}
END_TEST

START_TEST(early_sends_the_null_at_once_and_the_pair_as_an_update) {
  EXPECT(JOIN("left_join", SYMMETRIC, "early"), OUT("\"a\"", 1, null, "10", "10") OUT("\"a\"", 1, 2, "12", "12"),
         L("a", "10", 1), R("a", "12", 2));
}
END_TEST

START_TEST(outer_join_emits_both_sides_in_order_of_their_close) {
  EXPECT(JOIN("outer_join", SYMMETRIC, "final"),
         "{\"k\":null,\"lv\":null,\"rv\":1,\"at\":\"" AT("10") "\",\"now\":\"" AT("25.000001") "\"}\n"
         "{\"k\":\"b\",\"lv\":2,\"rv\":null,\"at\":\"" AT("11") "\",\"now\":\"" AT("26.000001") "\"}\n",
         R("a", "10", 1), L("b", "11", 2));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("stream_join");
  TCase *tcase = tcase_create("rules");
  tcase_add_test(tcase, matches_at_both_ends_and_not_beyond);
  tcase_add_test(tcase, keeps_duplicate_pairs);
  tcase_add_test(tcase, null_result_comes_strictly_after_grace_at_its_own_time);
  tcase_add_test(tcase, out_of_order_left_inside_grace_waits_and_joins_once);
  tcase_add_test(tcase, row_past_its_close_neither_joins_nor_emits_null);
  tcase_add_test(tcase, left_expires_while_only_the_right_side_moves_time);
  tcase_add_test(tcase, early_sends_the_null_at_once_and_the_pair_as_an_update);
  tcase_add_test(tcase, outer_join_emits_both_sides_in_order_of_their_close);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}
