/** @file test_stream_join.c  Windowed joins on records out of order: the rules of docs/OPERATORS.md, and Kafka Streams' holes closed. */
#include "driver.h"

#define JOIN(verb, window, emit)                                                                                       \
  SCHEMA "sources:\n" SOURCE("l") SOURCE(                                                                              \
      "r") "steps:\n"                                                                                                  \
           "  j: { from: l, " verb ": { with: r, " window ", grace: 5s, emit: " emit ", store: j } }\n"                \
           "  o: { from: j, select: { k: k, lv: v, rv: r.v, at: event_time(), now: stream_time() } }\n" SINK("o")
#define OUT(k, lv, rv, at, now)                                                                                        \
  "{\"k\":" k ",\"lv\":" #lv ",\"rv\":" #rv ",\"at\":\"" AT(at) "\",\"now\":\"" AT(now) "\"}\n"
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
  EXPECT(
      JOIN("left_join", SYMMETRIC, "final"),
      "{\"k\":\"a\",\"lv\":1,\"rv\":null,\"at\":\"" AT("10") "\",\"now\":\"" AT(
          "25.000001") "\"}\n"
                       "{\"k\":\"b\",\"lv\":2,\"rv\":null,\"at\":\"" AT("25") "\",\"now\":\"" AT("40.000001") "\"}\n",
      L("a", "10", 1), L("b", "25", 2));
}
END_TEST

START_TEST(out_of_order_left_inside_grace_waits_and_joins_once) {
  /* KAFKA-19536: there the late left emits a null at once and joins as well */
  EXPECT(JOIN("left_join", SYMMETRIC, "final"),
         OUT("\"a\"", 1, 2, "20",
             "24") "{\"k\":\"z\",\"lv\":9,\"rv\":null,\"at\":\"" AT("24") "\",\"now\":\"" AT("39.000001") "\"}\n",
         R("a", "20", 2), L("z", "24", 9), L("a", "12", 1));
}
END_TEST

START_TEST(row_past_its_close_neither_joins_nor_emits_null) {
  /* KAFKA-16123: there the row 1 s past close still emits a null */
  const piped rows[] = {L("z", "40", 9), L("a", "10", 1), R("a", "12", 2)};
  ls_testdriver *driver = run_on(JOIN("left_join", SYMMETRIC, "final"), 2, 1, rows, 3);
  ck_assert_str_eq(ls__testdriver_output(driver, "out"),
                   "{\"k\":\"z\",\"lv\":9,\"rv\":null,\"at\":\"" AT("40") "\",\"now\":\"" AT("55.000001") "\"}\n");
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
  /* a right row alone gives the left side its key */
  EXPECT(
      JOIN("outer_join", SYMMETRIC, "final"),
      "{\"k\":\"a\",\"lv\":null,\"rv\":1,\"at\":\"" AT("10") "\",\"now\":\"" AT(
          "25.000001") "\"}\n"
                       "{\"k\":\"b\",\"lv\":2,\"rv\":null,\"at\":\"" AT("11") "\",\"now\":\"" AT("26.000001") "\"}\n",
      R("a", "10", 1), L("b", "11", 2));
}
END_TEST

#define SIDES(type, window, emit, fanout)                                                                              \
  JOIN(type, window, emit fanout)                                                                                      \
  SINK_TO("late", "j.late") SINK_TO("unmatched", "j.unmatched") SINK_TO("late_left", "j.late_left")

static void expect_sides(const char *yaml, const piped *rows, size_t n, const char *out, const char *late,
                         const char *late_left, const char *unmatched, const char *letters, const char *counters) {
  for (int size = 1; size < 1000; size = size * 3 + 4) {
    ls_testdriver *driver = run_on(yaml, size, 1, rows, n);
    ck_assert_str_eq(ls__testdriver_output(driver, "out"), out);
    ck_assert_str_eq(ls__testdriver_output(driver, "late"), late);
    ck_assert_str_eq(ls__testdriver_output(driver, "late_left"), late_left);
    ck_assert_str_eq(ls__testdriver_output(driver, "unmatched"), unmatched);
    ck_assert_str_eq(ls__testdriver_dead_letters(driver), letters);
    ck_assert_str_eq(ls__testdriver_counters(driver, "j"), counters);
    ls__testdriver_free(driver);
  }
}

START_TEST(late_rows_and_rows_without_partner_have_their_outputs) {
  const piped rows[] = {R("a", "10", 1), L("b", "12", 2), R("b", "14", 3), L("z", "40", 4),
                        L("a", "24", 5), R("a", "24", 6), L("c", "27", 7), R("c", "26", 8)};
  expect_sides(SIDES("join", SYMMETRIC, "final", ""), rows, sizeof rows / sizeof *rows,
               OUT("\"b\"", 2, 3, "14", "14") OUT("\"c\"", 7, 8, "27", "40"), SHOWN("a", "24", 6), SHOWN("a", "24", 5),
               SHOWN("a", "10", 1), "", "in=8 taken=6 filtered=0 late=2 dead=0 out=2");
}
END_TEST

START_TEST(more_than_fanout_max_partners_is_a_dead_letter_without_trace) {
  /* the third left row would have two partners; the first right row is still without one */
  const piped rows[] = {R("a", "10", 1), R("a", "11", 2), L("a", "12", 3), L("b", "30", 4)};
  expect_sides(SIDES("left_join", SYMMETRIC, "final", ", fanout_max: 1"), rows, 4,
               "{\"k\":\"b\",\"lv\":4,\"rv\":null,\"at\":\"" AT("30") "\",\"now\":\"" AT("45.000001") "\"}\n", "", "",
               SHOWN("a", "10", 1) SHOWN("a", "11", 2), "l: step_failed: more than fanout_max (1) rows match\n",
               "in=4 taken=3 filtered=0 late=0 dead=1 out=1");
}
END_TEST

START_TEST(asymmetric_bounds) {
  /* the right row may be up to 2 s before and 6 s after the left one */
  EXPECT(JOIN("join", "before: 2s, after: 6s", "early"), OUT("\"a\"", 5, 2, "10", "10") OUT("\"a\"", 5, 3, "16", "16"),
         R("a", "07", 1), R("a", "08", 2), L("a", "10", 5), R("a", "16", 3), R("a", "17", 4));
}
END_TEST

START_TEST(early_outer_join_updates_either_side) {
  EXPECT(JOIN("outer_join", SYMMETRIC, "early"),
         OUT("\"a\"", null, 1, "10", "10") OUT("\"a\"", 2, 1, "11", "11") OUT("\"a\"", 2, 3, "12", "12")
             OUT("\"b\"", 4, null, "13", "13"),
         R("a", "10", 1), L("a", "11", 2), R("a", "12", 3), L("b", "13", 4));
}
END_TEST

START_TEST(a_stream_joined_with_itself_has_one_pair_per_record_and_partner) {
  EXPECT(ONE("  x: { from: s, filter: v > 0 }\n  j: { from: s, join: { with: x, within: 0s, grace: 0s, store: j } }\n"
             "  o: { from: j, select: { k: k, lv: v, rv: x.v } }\n",
             "o"),
         "{\"k\":\"a\",\"lv\":1,\"rv\":1}\n{\"k\":\"a\",\"lv\":2,\"rv\":1}\n{\"k\":\"a\",\"lv\":1,\"rv\":2}\n{\"k\":"
         "\"a\",\"lv\":2,\"rv\":2}\n",
         S("a", "01", 1), S("a", "01", 2));
}
END_TEST

RULES("stream_join", matches_at_both_ends_and_not_beyond, keeps_duplicate_pairs,
      null_result_comes_strictly_after_grace_at_its_own_time, out_of_order_left_inside_grace_waits_and_joins_once,
      row_past_its_close_neither_joins_nor_emits_null, left_expires_while_only_the_right_side_moves_time,
      early_sends_the_null_at_once_and_the_pair_as_an_update, outer_join_emits_both_sides_in_order_of_their_close,
      late_rows_and_rows_without_partner_have_their_outputs,
      more_than_fanout_max_partners_is_a_dead_letter_without_trace, asymmetric_bounds,
      early_outer_join_updates_either_side, a_stream_joined_with_itself_has_one_pair_per_record_and_partner)
