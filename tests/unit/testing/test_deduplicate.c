/** @file test_deduplicate.c  deduplicate: the first row of each value in order; with a retention again once the first is older than it. */
#include "driver.h"

#define SEEN(keep) ONE("  d: { from: s, deduplicate: { on: [k, v], retention: " keep ", store: d } }\n", "d")

START_TEST(forever) {
  EXPECT_RUN(SEEN("forever"), SHOWN("a", "01", 1) SHOWN("a", "02", 2) SHOWN("b", "03", 1), "d",
             "in=5 taken=3 filtered=2 late=0 dead=0 out=3", NULL, S("a", "01", 1), S("a", "02", 2), S("b", "03", 1),
             S("a", "50", 1), S("b", "51", 1));
}
END_TEST

START_TEST(again_once_the_first_is_older_than_the_retention) {
  /* at 11 it is 10 s old, not older; the repeat at 11 does not renew it */
  EXPECT_RUN(SEEN("10s"), SHOWN("a", "01", 1) SHOWN("a", "12", 1) SHOWN("a", "23", 1), "d",
             "in=5 taken=3 filtered=2 late=0 dead=0 out=3", NULL, S("a", "01", 1), S("a", "11", 1), S("a", "12", 1),
             S("a", "22", 1), S("a", "23", 1));
}
END_TEST

START_TEST(goes_by_stream_time) {
  /* the second a is of 02, but comes at 30 */
  EXPECT(SEEN("10s"), SHOWN("a", "01", 1) SHOWN("z", "30", 9) SHOWN("a", "02", 1), S("a", "01", 1), S("z", "30", 9),
         S("a", "02", 1), S("a", "33", 1));
}
END_TEST

START_TEST(null_is_a_dead_letter) {
  EXPECT_RUN(SEEN("forever"), SHOWN("a", "01", 1), "d", "in=2 taken=1 filtered=0 late=0 dead=1 out=1",
             "s: step_failed: the deduplication key is null\n", S("a", "01", 1), S("a", "02", null));
}
END_TEST

RULES("deduplicate", forever, again_once_the_first_is_older_than_the_retention, goes_by_stream_time,
      null_is_a_dead_letter)
