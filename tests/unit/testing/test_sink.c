/** @file test_sink.c  Sinks: a row whose partition is null is a dead letter. */
#include "driver.h"

#define PARTED(path) SCHEMA "sources:\n" SOURCE("s") "steps:\n  e: { from: s, extend: { p: \"CASE WHEN v = 1 THEN 'x' END\" } }\n" \
                     "sinks:\n  out: { from: e, lake: { path: \"" path "\", format: jsonl } }\n"

START_TEST(null_partition_is_a_dead_letter) {
  EXPECT_RUN(PARTED("out/p={p}"), "{\"k\":\"a\",\"t\":\"" AT("01") "\",\"v\":1,\"p\":\"x\"}\n", "out", "in=2 taken=1 filtered=0 late=0 dead=1 out=0",
             "s: step_failed: the partition of the sink's path is null\n", S("a", "01", 1), S("b", "02", 2));
}
END_TEST

START_TEST(partition_that_fails_is_a_dead_letter) {
  EXPECT_RUN(PARTED("out/p={CAST(10 / v AS string)}"), "{\"k\":\"a\",\"t\":\"" AT("01") "\",\"v\":1,\"p\":\"x\"}\n", "out",
             "in=2 taken=1 filtered=0 late=0 dead=1 out=0", "s: step_failed: division by zero\n", S("a", "01", 1), S("b", "02", 0));
}
END_TEST

RULES("sink", null_partition_is_a_dead_letter, partition_that_fails_is_a_dead_letter)
