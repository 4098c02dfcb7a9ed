/** @file test_changes.c  changes: rows that differ from their key's previous one in a column that is not ignored, numbered from 1. */
#include "driver.h"

#define NUMBERED(k, s, v, n) "{\"k\":\"" k "\",\"t\":\"" AT(s) "\",\"v\":" #v ",\"n\":" #n "}\n"

START_TEST(numbers_what_differs) {
  EXPECT_RUN(ONE("  c: { from: s, changes: { ignore: t, version: n, store: c } }\n", "c"),
             NUMBERED("a", "01", 1, 1) NUMBERED("b", "02", 1, 1) NUMBERED("a", "04", null, 2) NUMBERED("a", "06", 1, 3),
             "c", "in=6 taken=4 filtered=2 late=0 dead=0 out=4", NULL, S("a", "01", 1), S("b", "02", 1),
             S("a", "03", 1), S("a", "04", null), S("a", "05", null), S("a", "06", 1));
}
END_TEST

START_TEST(without_ignore_every_column_counts) {
  EXPECT(ONE("  c: { from: s, changes: { store: c } }\n", "c"), SHOWN("a", "01", 1) SHOWN("a", "02", 1),
         S("a", "01", 1), S("a", "01", 1), S("a", "02", 1));
}
END_TEST

START_TEST(a_null_and_an_empty_string_differ) {
  EXPECT(
      ONE("  e: { from: s, select: { k: k, x: \"CASE WHEN v = 1 THEN '' END\", y: \"CASE WHEN v = 2 THEN '' END\" } }\n"
          "  c: { from: e, changes: { version: n, store: c } }\n",
          "c"),
      "{\"k\":\"a\",\"x\":\"\",\"y\":null,\"n\":1}\n{\"k\":\"a\",\"x\":null,\"y\":\"\",\"n\":2}\n{\"k\":\"a\",\"x\":"
      "null,\"y\":null,\"n\":3}\n",
      S("a", "01", 1), S("a", "02", 2), S("a", "03", 3), S("a", "04", 4));
}
END_TEST

RULES("changes", numbers_what_differs, without_ignore_every_column_counts, a_null_and_an_empty_string_differ)
