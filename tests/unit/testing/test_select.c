/** @file test_select.c  select and extend: one row each, at the time of the input row. */
#include "driver.h"

START_TEST(select_makes_the_columns) {
  EXPECT_RUN(ONE("  o: { from: s, select: { k: k, w: v + 1, at: event_time(), now: stream_time() } }\n", "o"),
             "{\"k\":\"a\",\"w\":3,\"at\":\"" AT("05") "\",\"now\":\"" AT(
                 "05") "\"}\n"
                       "{\"k\":\"b\",\"w\":null,\"at\":\"" AT("02") "\",\"now\":\"" AT("05") "\"}\n",
             "o", "in=2 taken=2 filtered=0 late=0 dead=0 out=2", NULL, S("a", "05", 2), S("b", "02", null));
}
END_TEST

START_TEST(extend_adds_columns) {
  EXPECT(ONE("  o: { from: s, extend: { w: v * v } }\n", "o"), "{\"k\":\"a\",\"t\":\"" AT("05") "\",\"v\":3,\"w\":9}\n",
         S("a", "05", 3));
}
END_TEST

START_TEST(row_that_fails_in_two_columns_is_one_dead_letter) {
  EXPECT_RUN(ONE("  o: { from: s, extend: { w: 6 / v, x: 8 / v } }\n", "o"),
             "{\"k\":\"a\",\"t\":\"" AT("01") "\",\"v\":2,\"w\":3,\"x\":4}\n", "o",
             "in=3 taken=1 filtered=0 late=0 dead=2 out=1",
             "s: step_failed: division by zero\ns: step_failed: division by zero\n", S("a", "01", 2), S("b", "02", 0),
             S("c", "03", 0));
}
END_TEST

RULES("select", select_makes_the_columns, extend_adds_columns, row_that_fails_in_two_columns_is_one_dead_letter)
