/** @file test_table_lookup.c  stream-table join: the row with the table's row as of its stamp. */
#include "driver.h"

#define LOOKUP(verb)                                                                                                   \
  TWO("  t: { from: r, latest: { by: t, store: t } }\n  j: { from: l, " verb ": { with: t } }\n"                       \
      "  o: { from: j, select: { k: k, v: v, tv: t.v, at: event_time() } }\n",                                         \
      "o")
#define FOUND(k, v, tv, s) "{\"k\":\"" k "\",\"v\":" #v ",\"tv\":" #tv ",\"at\":\"" AT(s) "\"}\n"

START_TEST(sees_the_table_as_of_its_stamp) {
  /* the table changes at 05 and 07, in one slice or in several: each row sees what was there, and nothing later */
  EXPECT_RUN(LOOKUP("join"), FOUND("a", 2, 1, "04") FOUND("a", 4, 3, "06") FOUND("a", 6, 5, "08"), "j",
             "in=5 taken=3 filtered=2 late=0 dead=0 out=3", NULL, L("a", "01", 0), R("a", "03", 1), L("a", "04", 2),
             R("a", "05", 3), L("a", "06", 4), R("a", "07", 5), L("a", "08", 6), L("b", "09", 7));
}
END_TEST

START_TEST(left_join_keeps_rows_without_match) {
  EXPECT_RUN(LOOKUP("left_join"), FOUND("a", 0, null, "01") FOUND("a", 2, 1, "04") FOUND("b", 7, null, "09"), "j",
             "in=3 taken=3 filtered=0 late=0 dead=0 out=3", NULL, L("a", "01", 0), R("a", "03", 1), L("a", "04", 2),
             L("b", "09", 7));
}
END_TEST

START_TEST(changes_by_the_same_record_are_seen) {
  EXPECT(ONE("  t: { from: s, aggregate: { emit: changes, store: t, values: { n: count(*), v: sum(v) } } }\n"
             "  j: { from: s, join: { with: t } }\n  o: { from: j, select: { k: k, v: v, n: t.n, sum: t.v } }\n",
             "o"),
         "{\"k\":\"a\",\"v\":1,\"n\":1,\"sum\":1}\n{\"k\":\"a\",\"v\":2,\"n\":2,\"sum\":3}\n{\"k\":\"b\",\"v\":9,\"n\":"
         "1,\"sum\":9}\n{\"k\":\"a\",\"v\":3,\"n\":3,\"sum\":6}\n",
         S("a", "01", 1), S("a", "01", 2), S("b", "02", 9), S("a", "03", 3));
}
END_TEST

START_TEST(records_of_one_time_go_by_source) {
  /* of the same second: the order is l before r, whichever came in first */
  EXPECT(LOOKUP("left_join"), FOUND("b", 2, null, "04") FOUND("a", 3, 1, "04"), R("a", "03", 1), L("b", "04", 2),
         L("a", "04", 3));
}
END_TEST

RULES("table_lookup", sees_the_table_as_of_its_stamp, left_join_keeps_rows_without_match,
      changes_by_the_same_record_are_seen, records_of_one_time_go_by_source)
