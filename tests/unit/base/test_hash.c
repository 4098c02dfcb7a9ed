/** @file test_hash.c  Fixed hashes, the string map, the nearest name. */
#include "base/hash.h"

#include <string.h>

#include "helper_base.h"

#define HASH_EMPTY     UINT64_C(0x3e34981e1762cde7)
#define HASH_PAYMENT   UINT64_C(0xfa6d7d324dc31a87)
#define HASH_WIDE_LOW  UINT64_C(0xe4e445ad6350a7ab)
#define HASH_WIDE_HIGH UINT64_C(0x0011ebbec2cea4a2)

/* Stored data and partitioning depend on these: a change is a change of format. */
START_TEST(hashes_never_change) {
  uint64_t wide[2];
  ck_assert_uint_eq(ls__hash64((ls_slice){NULL, 0}), ls__hash64(ls__slice_of("")));
  ck_assert_uint_eq(ls__hash64(ls__slice_of("")), HASH_EMPTY);
  ck_assert_uint_eq(ls__hash64(ls__slice_of("payment-0001")), HASH_PAYMENT);
  ls__hash128(ls__slice_of("payment-0001"), wide);
  ck_assert_uint_eq(wide[0], HASH_WIDE_LOW);
  ck_assert_uint_eq(wide[1], HASH_WIDE_HIGH);
}
END_TEST

START_TEST(map_keeps_insertion_order) {
  ls_strmap map = {0};
  char key[32];
  int values[2000];
  ck_assert_ptr_null(ls__strmap_get(&map, "absent"));
  for (int i = 0; i < 2000; i++) {
    snprintf(key, sizeof key, "k%d", i * 7919 % 2000);
    ck_assert(ls__strmap_put(&map, key, &values[i]));
    ck_assert(!ls__strmap_put(&map, key, NULL));
  }
  ck_assert_uint_eq(map.n, 2000);
  for (int i = 0; i < 2000; i++) {
    snprintf(key, sizeof key, "k%d", i * 7919 % 2000);
    ck_assert_str_eq(map.entries[i].key, key);
    ck_assert_ptr_eq(map.entries[i].value, &values[i]);
    ck_assert_ptr_eq(ls__strmap_get(&map, key), &values[i]);
  }
  ck_assert_ptr_null(ls__strmap_get(&map, "k2000"));
  ls__strmap_fini(&map);
  ck_assert_ptr_null(ls__strmap_get(&map, "k1"));
}
END_TEST

START_TEST(nearest_name_is_what_was_meant) {
  static const char *const names[] = {"filter",   "map",      "join",      "select_key",
                                      "amount",   "branch",   "aggregate", "merchants.risk_level",
                                      "currency", "window_us"};
  static const struct {
    const char *word, *meant;
  } want[] = {{"fliter", "filter"},
              {"filtr", "filter"},
              {"Filter", "filter"},
              {"mpa", "map"},
              {"jion", "join"},
              {"selectkey", "select_key"},
              {"ammount", "amount"},
              {"agregate", "aggregate"},
              {"aggr", "aggregate"},
              {"curency", "currency"},
              {"risk_level", "merchants.risk_level"},
              {"payments.amount", "amount"},
              {"amount_minor", "amount"},
              {"window", "window_us"},
              {"zebra", NULL},
              {"x", NULL},
              {"", NULL},
              {"completely_else", NULL}};
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    const char *got = ls__nearest_name(want[i].word, names, sizeof names / sizeof names[0]);
    ck_assert_msg(got == want[i].meant || (got && want[i].meant && !strcmp(got, want[i].meant)), "%s: %s, not %s",
                  want[i].word, got ? got : "none", want[i].meant ? want[i].meant : "none");
  }
  ck_assert_ptr_null(ls__nearest_name("x", NULL, 0));
}
END_TEST

START_TEST(nearest_name_stands_long_words) {
  char word[4000];
  memset(word, 'a', sizeof word - 1);
  word[sizeof word - 1] = '\0';
  const char *names[] = {word, "abc"};
  ck_assert_ptr_null(ls__nearest_name(word, names + 1, 1));
  ck_assert_ptr_eq(ls__nearest_name("aaaa", names, 2), names[0]);
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(hashes_never_change), TEST_CASE(map_keeps_insertion_order),
                             TEST_CASE(nearest_name_is_what_was_meant), TEST_CASE(nearest_name_stands_long_words)};
  return RUN_TESTS("base.hash", cases);
}
