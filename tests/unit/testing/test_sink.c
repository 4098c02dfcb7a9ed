/** @file test_sink.c  Sinks: a row whose partition is null is a dead letter. */
#include "driver.h"

#include <stdio.h>

#define PARTED(path)                                                                                                   \
  SCHEMA "sources:\n" SOURCE("s") "steps:\n  e: { from: s, extend: { p: \"CASE WHEN v = 1 THEN 'x' END\" } }\n"        \
                                  "sinks:\n  out: { from: e, lake: { path: \"" path "\", format: jsonl } }\n"

START_TEST(null_partition_is_a_dead_letter) {
  EXPECT_RUN(PARTED("out/p={p}"), "{\"k\":\"a\",\"t\":\"" AT("01") "\",\"v\":1,\"p\":\"x\"}\n", "out",
             "in=2 taken=1 filtered=0 late=0 dead=1 out=0",
             "s: step_failed: the partition of the sink's path is null\n", S("a", "01", 1), S("b", "02", 2));
}
END_TEST

START_TEST(partition_that_fails_is_a_dead_letter) {
  EXPECT_RUN(PARTED("out/p={CAST(10 / v AS string)}"), "{\"k\":\"a\",\"t\":\"" AT("01") "\",\"v\":1,\"p\":\"x\"}\n",
             "out", "in=2 taken=1 filtered=0 late=0 dead=1 out=0", "s: step_failed: division by zero\n",
             S("a", "01", 1), S("b", "02", 0));
}
END_TEST

START_TEST(partition_that_is_no_name_is_a_dead_letter) {
  const char *const bad[] = {"", ".", "..", "../../etc", "a/b", "/", "a\\n"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char yaml[1024];
    snprintf(yaml, sizeof yaml,
             SCHEMA
             "sources:\n" SOURCE("s") "steps:\n  e: { from: s, select: { k: k, p: \"substr(k, 2)\" } }\n"
                                      "sinks:\n  out: { from: e, lake: { path: \"out/{p}\", format: jsonl } }\n");
    char json[256];
    snprintf(json, sizeof json, "{\"k\":\"x%s\",\"t\":\"" AT("01") "\",\"v\":1}", bad[i]);
    const piped rows[] = {{"s", json}, S("xa \\\"b'c", "02", 1)};
    ls_testdriver *driver = run_on(yaml, 2, 1, rows, 2);
    ck_assert_str_eq(ls__testdriver_output(driver, "out"), "{\"k\":\"xa \\\"b'c\",\"p\":\"a \\\"b'c\"}\n");
    ck_assert_msg(strstr(ls__testdriver_dead_letters(driver), "s: step_failed: the partition of the sink's path ") !=
                      NULL,
                  "%s: %s", bad[i], ls__testdriver_dead_letters(driver));
    ck_assert_str_eq(ls__testdriver_counters(driver, "out"), "in=2 taken=1 filtered=0 late=0 dead=1 out=0");
    ls__testdriver_free(driver);
  }
}
END_TEST

RULES("sink", null_partition_is_a_dead_letter, partition_that_is_no_name_is_a_dead_letter,
      partition_that_fails_is_a_dead_letter)
