/** @file test_long_keys.c  A key longer than a store takes costs its row, which is a dead letter, and no state, output or run. */
#include "driver.h"

#include <stdio.h>

#define KEY_BYTES  70000
#define ONE_OF_TWO "in=2 taken=1 filtered=0 late=0 dead=1 out=1"

/** The rows `a` and a long key in source `s`, or in `l` and `r`. */
static void check(const char *yaml, const char *step, const char *sources, const char *expected, const char *counters) {
  static char key[KEY_BYTES + 1], json[4][KEY_BYTES + 200];
  memset(key, 'x', KEY_BYTES);
  piped rows[4];
  size_t n = 0;
  for (const char *source = sources; *source != 0; source++) {
    const char *name = *source == 's' ? "s" : *source == 'l' ? "l" : "r";
    for (int is_long = 0; is_long < 2; is_long++, n++) {
      snprintf(json[n], sizeof *json, "{\"k\":\"%s\",\"t\":\"" AT("01") "\",\"v\":1}", is_long ? key : "a");
      rows[n] = (piped){name, json[n]};
    }
  }
  int64_t sizes[] = {1, 1024};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    ls_testdriver *driver = run_on(yaml, sizes[i], 1, rows, n);
    ck_assert_str_eq(ls__testdriver_output(driver, "out"), expected);
    ck_assert_str_eq(ls__testdriver_counters(driver, step), counters);
    const char *letters = ls__testdriver_dead_letters(driver);
    size_t n_letters = 0;
    for (; (letters = strstr(letters, "the key has 7000")) != NULL; letters++) n_letters++;
    ck_assert_uint_eq(n_letters, n / 2);
    ls__testdriver_free(driver);
  }
}

START_TEST(of_an_aggregate) {
  check(ONE("  o: { from: s, aggregate: { by: k, store: o, values: { n: \"count(*)\" } } }\n", "o"), "o", "s",
        "{\"k\":\"a\",\"n\":1}\n", ONE_OF_TWO);
}
END_TEST

START_TEST(of_a_window) {
  check(ONE("  o: { from: s, aggregate: { by: k, window: { tumbling: 1m, grace: 0s }, emit: changes, store: o, values: "
            "{ n: \"count(*)\" } } }\n",
            "o"),
        "o", "s", "{\"k\":\"a\",\"window_start\":\"" AT("00") "\",\"window_end\":\"2026-01-01T00:01:00Z\",\"n\":1}\n",
        ONE_OF_TWO);
}
END_TEST

START_TEST(of_latest) {
  check(ONE("  o: { from: s, latest: { store: o } }\n", "o"), "o", "s", SHOWN("a", "01", 1), ONE_OF_TWO);
}
END_TEST

START_TEST(of_deduplicate) {
  check(ONE("  o: { from: s, deduplicate: { on: k, retention: forever, store: o } }\n", "o"), "o", "s",
        SHOWN("a", "01", 1), ONE_OF_TWO);
}
END_TEST

START_TEST(of_deduplicate_with_retention) {
  check(ONE("  o: { from: s, deduplicate: { on: k, retention: 1m, store: o } }\n", "o"), "o", "s", SHOWN("a", "01", 1),
        ONE_OF_TWO);
}
END_TEST

START_TEST(of_changes) {
  check(ONE("  o: { from: s, changes: { store: o } }\n", "o"), "o", "s", SHOWN("a", "01", 1), ONE_OF_TWO);
}
END_TEST

START_TEST(of_a_join) {
  check(
      TWO("  j: { from: l, join: { with: r, within: 1m, grace: 1m, store: j } }\n  o: { from: j, select: { k: k } }\n",
          "o"),
      "j", "lr", "{\"k\":\"a\"}\n", "in=4 taken=2 filtered=0 late=0 dead=2 out=1");
}
END_TEST

RULES("long_keys", of_an_aggregate, of_a_window, of_latest, of_deduplicate, of_deduplicate_with_retention, of_changes,
      of_a_join)
