/** @file test_global_table.c  Global tables: joins by `on` expressions, and EXISTS. */
#include "driver.h"

#define WITH_GLOBAL(steps)                                                                                             \
  SCHEMA "  name:\n    key: id\n    fields: { id: int64, name: string, live: bool }\n"                                 \
         "sources:\n" SOURCE("s") "tables:\n  names: { schema: name, global: true, replay: { files: "                  \
                                  "\"names/*.jsonl\" } }\nsteps:\n" steps                                              \
                                  "  o: { from: j, select: { k: k, v: v, name: names.name } }\n" SINK("o")
#define G(id, name, live)                                                                                              \
  { "names", "{\"id\":" #id ",\"name\":\"" name "\",\"live\":" #live "}" }
#define NAMED(k, v, name) "{\"k\":\"" k "\",\"v\":" #v ",\"name\":" name "}\n"

START_TEST(join_looks_up_by_expression) {
  /* of several rows with one key the last counts, wherever the records come in */
  EXPECT_RUN(WITH_GLOBAL("  j: { from: s, join: { with: names, on: v + 1 } }\n"),
             NAMED("a", 1, "\"two\"") NAMED("d", 4, "\"five\""), "j", "in=4 taken=2 filtered=2 late=0 dead=0 out=2",
             NULL, G(2, "old", true), S("a", "01", 1), S("b", "02", null), S("c", "03", 7), S("d", "04", 4),
             G(2, "two", true), G(5, "five", true));
}
END_TEST

START_TEST(left_join_keeps_all) {
  EXPECT_RUN(WITH_GLOBAL("  j: { from: s, left_join: { with: names, on: v } }\n"),
             NAMED("a", 1, "\"one\"") NAMED("b", null, "null") NAMED("c", 7, "null"), "j",
             "in=3 taken=3 filtered=0 late=0 dead=0 out=3", NULL, G(1, "one", true), S("a", "01", 1),
             S("b", "02", null), S("c", "03", 7));
}
END_TEST

START_TEST(expression_that_fails_is_a_dead_letter) {
  EXPECT_RUN(WITH_GLOBAL("  j: { from: s, left_join: { with: names, on: 6 / v } }\n"), NAMED("a", 1, "null"), "j",
             "in=2 taken=1 filtered=0 late=0 dead=1 out=1", "s: step_failed: division by zero\n", S("a", "01", 1),
             S("b", "02", 0));
}
END_TEST

START_TEST(exists_asks_the_whole_table) {
  const char *yaml = WITH_GLOBAL("  f: { from: s, filter: \"EXISTS(names, live AND id > 1)\" }\n  j: { from: f, "
                                 "left_join: { with: names, on: v } }\n");
  EXPECT(yaml, NAMED("a", 1, "\"one\""), G(1, "one", true), G(2, "two", false), G(2, "two", true), S("a", "01", 1));
  EXPECT(yaml, "", G(1, "one", true), G(2, "two", true), G(2, "two", false), S("a", "01", 1));
}
END_TEST

RULES("global_table", join_looks_up_by_expression, left_join_keeps_all, expression_that_fails_is_a_dead_letter,
      exists_asks_the_whole_table)
