/** @file test_flat_map.c  flat_map: one row per element, in order; a null or empty list is filtered. */
#include "driver.h"

#define SPLIT                                                                                                          \
  ONE("  f: { from: s, flat_map: { as: e, each: \"CASE WHEN v IS NULL THEN NULL"                                       \
      " WHEN v = 0 THEN list_compact([CAST(NULL AS int64)]) ELSE [v, v + 1, v + 1] END\" } }\n",                       \
      "f")
#define MADE(k, s, v, e) "{\"k\":\"" k "\",\"t\":\"" AT(s) "\",\"v\":" #v ",\"e\":" #e "}\n"

START_TEST(one_row_per_element) {
  EXPECT_RUN(SPLIT,
             MADE("a", "01", 5, 5) MADE("a", "01", 5, 6) MADE("a", "01", 5, 6) MADE("b", "04", 8, 8)
                 MADE("b", "04", 8, 9) MADE("b", "04", 8, 9),
             "f", "in=4 taken=2 filtered=2 late=0 dead=0 out=6", NULL, S("a", "01", 5), S("a", "02", null),
             S("a", "03", 0), S("b", "04", 8));
}
END_TEST

START_TEST(row_that_fails_is_a_dead_letter) {
  EXPECT_RUN(ONE("  f: { from: s, flat_map: { as: e, each: \"[v, 12 / v]\" } }\n", "f"),
             MADE("a", "02", 4, 4) MADE("a", "02", 4, 3), "f", "in=2 taken=1 filtered=0 late=0 dead=1 out=2",
             "s: step_failed: division by zero\n", S("a", "01", 0), S("a", "02", 4));
}
END_TEST

RULES("flat_map", one_row_per_element, row_that_fails_is_a_dead_letter)
