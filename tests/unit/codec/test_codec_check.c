/** @file test_codec_check.c  Constraints: patterns, bounds of the schema, typed batches. */
#include <regex.h>
#include <string.h>

#include "helper_codec.h"

static ls_value_pattern *pattern_of(const char *text) {
  ls_value_pattern *pattern;
  ls_error err = LS_ERROR_INIT;
  ck_assert_msg(ls__value_pattern_new(&pattern, text, &err) == LS_OK, "%s", err.message);
  return pattern;
}

START_TEST(simple_patterns_go_the_fast_way) {
  static const char *const simple[] = {"[A-Z]{3}", "txn_[0-9]{1,12}", "^[a-zA-Z0-9]+$",     "[^,]*",
                                       "a.c",      "[0-9]+-[0-9]+",   "\\.[a-z]?[0-9]{2,}", "",
                                       "x{0}y"};
  static const char *const other[] = {"a|b", "(ab)+", "[a-z]*z", ".*x", "[[:alpha:]]+",
                                      "a?a", "[]a]",  "a{2}{3}", "\\w", "[a-z]?[0-9]*[a-z]"};
  for (size_t i = 0; i < sizeof simple / sizeof *simple; i++) {
    ls_value_pattern *pattern = pattern_of(simple[i]);
    ck_assert_msg(ls__value_pattern_is_simple(pattern), "%s", simple[i]);
    ls__value_pattern_free(pattern);
  }
  for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
    ls_value_pattern *pattern = pattern_of(other[i]);
    ck_assert_msg(!ls__value_pattern_is_simple(pattern), "%s", other[i]);
    ls__value_pattern_free(pattern);
  }
}
END_TEST

/* Random patterns, random values: both ways say what regexec says of ^(pattern)$. */
START_TEST(patterns_agree_with_the_regex_library) {
  static const char *const atoms[] = {"a", "b", "[ab]", "[a-c]", "[^a]", ".", "\\.", "[c.]"};
  static const char *const counts[] = {"", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}", "{2,}"};
  test_rng rng = rng_new();
  size_t n_simple = 0, n_matches = 0;
  for (int round = 0; round < 3000; round++) {
    char text[128] = "", whole[160], value[12];
    for (uint64_t n = 1 + rng_below(&rng, 4); n > 0; n--) {
      size_t len = strlen(text);
      snprintf(text + len, sizeof text - len, "%s%s", atoms[rng_below(&rng, 8)], counts[rng_below(&rng, 10)]);
    }
    snprintf(whole, sizeof whole, "^(%s)$", text);
    regex_t regex;
    ck_assert_int_eq(regcomp(&regex, whole, REG_EXTENDED | REG_NOSUB), 0);
    ls_value_pattern *pattern = pattern_of(text);
    n_simple += ls__value_pattern_is_simple(pattern);
    for (int k = 0; k < 30; k++) {
      size_t len = rng_below(&rng, 8);
      for (size_t i = 0; i < len; i++) value[i] = "aabc.\xC3"[rng_below(&rng, 6)];
      value[len] = 0;
      bool expected = regexec(&regex, value, 0, NULL, 0) == 0;
      n_matches += expected;
      ck_assert_msg(ls__value_pattern_matches(pattern, (ls_slice){value, len}) == expected, "seed %llu: %s on '%s'",
                    (unsigned long long)rng.seed, text, value);
    }
    regfree(&regex);
    ls__value_pattern_free(pattern);
  }
  ck_assert_uint_gt(n_simple, 500);
  ck_assert_uint_gt(n_matches, 5000);
}
END_TEST

START_TEST(values_with_nul_match_no_pattern) {
  static const char *const texts[] = {"[^x]*", ".{3}", "a|[^x]*", "a.b"};
  for (size_t i = 0; i < 4; i++) {
    ls_value_pattern *pattern = pattern_of(texts[i]);
    ck_assert_msg(!ls__value_pattern_matches(pattern, (ls_slice){"a\0b", 3}), "%s", texts[i]);
    ls__value_pattern_free(pattern);
  }
}
END_TEST

static void check_refused(test_field field, const char *part) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls_decoder *decoder;
  ls_decoder_opts opts = {.format = LS_FORMAT_JSON};
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls__decoder_new(&decoder, test_schema(&arena, &field, 1), &opts, &err), LS_ECONFIG);
  ck_assert_msg(strstr(err.message, part) && strstr(err.message, field.name), "%s", err.message);
  ls__arena_fini(&arena);
}

START_TEST(wrong_constraints_are_refused) {
  check_refused((test_field){"[A", "string", NULL, NULL, "[A", NULL, NULL}, "pattern");
  check_refused((test_field){"n", "int64", NULL, NULL, "[A]", NULL, NULL}, "strings only");
  check_refused((test_field){"n", "int64", NULL, "1,2", NULL, NULL, NULL}, "strings only");
  check_refused((test_field){"n", "int64", NULL, NULL, NULL, "1.5", NULL}, "min '1.5'");
  check_refused((test_field){"n", "decimal(4,2)", NULL, NULL, NULL, NULL, "1.005"}, "max '1.005'");
  check_refused((test_field){"n", "timestamp", NULL, NULL, NULL, "2026", NULL}, "min '2026'");
  check_refused((test_field){"n", "string", NULL, NULL, NULL, "a", NULL}, "min");
  check_refused((test_field){"n", "bool", NULL, NULL, NULL, NULL, "true"}, "max");
}
END_TEST

static void on_bad(void *payload, const ls_bad_record *bad) {
  ls_buf *text = payload;
  ls__buf_printf(text, "%lld %s %s %.*s\n", (long long)bad->line, bad->reason, bad->field, (int)bad->payload.len,
                 bad->payload.ptr);
}

START_TEST(typed_batches_are_checked_row_by_row) {
  static const test_field fields[] = {
      {"id", "string", "!k", NULL, NULL, NULL, NULL},     {"user_id", "string", "*", NULL, NULL, NULL, NULL},
      {"s", "string", NULL, "A,B", NULL, NULL, NULL},     {"f", "float64", NULL, NULL, NULL, "0", "1"},
      {"d", "decimal(18,4)", "!", NULL, NULL, NULL, "5"}, {"l", "list<string>", "!", NULL, NULL, NULL, NULL}};
  static const char text[] = "{\"id\":\"a\",\"user_id\":\"u-123\",\"s\":\"A\",\"f\":0.5,\"d\":5,\"l\":[]}\n"
                             "{\"id\":\"\",\"d\":1,\"l\":[]}\n"
                             "{\"id\":\"a\",\"user_id\":\"u-123\",\"s\":\"see u-123\",\"d\":1,\"l\":[]}\n"
                             "{\"id\":\"a\",\"f\":1.5,\"d\":1,\"l\":[]}\n"
                             "{\"id\":\"a\",\"l\":[]}\n"
                             "{\"id\":\"a\",\"d\":5.0001,\"l\":[]}\n"
                             "{\"id\":\"a\",\"d\":1}\n"
                             "{\"id\":\"a\",\"d\":1,\"l\":[null]}\n";
  test_field open_fields[6];
  for (size_t i = 0; i < 6; i++)
    open_fields[i] = (test_field){fields[i].name, fields[i].type, NULL, NULL, NULL, NULL, NULL};
  test_codec open, strict;
  CODEC_OPEN(&open, open_fields, LS_FORMAT_JSON);
  CODEC_OPEN(&strict, fields, LS_FORMAT_JSON);
  test_decoded *result = decode_lines(&open, text, sizeof text - 1, 1);
  ck_assert_uint_eq(result->n_rows, 8);
  uint64_t good = ~UINT64_C(0);
  ls_buf seen = LS_BUF_INIT;
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls__check_batch(result->batch, strict.decoder, 100, NULL, 0, on_bad, &seen, &good, &err), LS_OK);
  ck_assert_uint_eq(good, 0x81);
  ck_assert_str_eq(seen.ptr, "101 missing_field id "
                             "{\"id\":\"\",\"user_id\":\"***\",\"s\":null,\"f\":null,\"d\":\"1.0000\",\"l\":[]}\n"
                             "102 not_allowed s "
                             "{\"id\":\"a\",\"user_id\":\"***\",\"s\":\"***\",\"f\":null,\"d\":\"1.0000\",\"l\":[]}\n"
                             "103 out_of_range f "
                             "{\"id\":\"a\",\"user_id\":\"***\",\"s\":null,\"f\":1.5,\"d\":\"1.0000\",\"l\":[]}\n"
                             "104 missing_field d "
                             "{\"id\":\"a\",\"user_id\":\"***\",\"s\":null,\"f\":null,\"d\":null,\"l\":[]}\n"
                             "105 out_of_range d "
                             "{\"id\":\"a\",\"user_id\":\"***\",\"s\":null,\"f\":null,\"d\":\"5.0001\",\"l\":[]}\n"
                             "106 missing_field l "
                             "{\"id\":\"a\",\"user_id\":\"***\",\"s\":null,\"f\":null,\"d\":\"1.0000\",\"l\":null}\n");
  ls__buf_fini(&seen);
  result_free(result);
  codec_close(&open);
  codec_close(&strict);
}
END_TEST

/* A column that nobody wants was not read: a payload must not say that it is null. */
START_TEST(payloads_leave_out_what_was_not_read) {
  static const test_field fields[] = {{"id", "string", "!k", NULL, NULL, NULL, NULL},
                                      {"memo", "string", NULL, NULL, NULL, NULL, NULL},
                                      {"user_id", "string", "*", NULL, NULL, NULL, NULL},
                                      {"s", "string", NULL, "A", NULL, NULL, NULL},
                                      {"card", "struct<user_id: string, brand: string>", NULL, NULL, NULL, NULL, NULL}};
  test_field open_fields[5];
  for (size_t i = 0; i < 5; i++)
    open_fields[i] = (test_field){fields[i].name, fields[i].type, NULL, NULL, NULL, NULL, NULL};
  test_codec open;
  CODEC_OPEN(&open, open_fields, LS_FORMAT_JSON);
  static const char text[] = "{\"id\":\"a\",\"s\":\"B\",\"card\":{\"user_id\":\"SECRET\",\"brand\":\"b\"}}\n";
  test_decoded *result = decode_lines(&open, text, sizeof text - 1, 1);
  ls_arena arena;
  ls__arena_init(&arena, 0);
  const uint64_t wanted = 0x19; /* id, s, card */
  ls_decoder_opts opts = {.format = LS_FORMAT_PARQUET, .wanted = &wanted};
  ls_decoder *decoder;
  uint64_t good = ~UINT64_C(0);
  ls_buf seen = LS_BUF_INIT;
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls__decoder_new(&decoder, test_schema(&arena, fields, 5), &opts, &err), LS_OK);
  ck_assert_int_eq(ls__check_batch(result->batch, decoder, 1, NULL, 0, on_bad, &seen, &good, &err), LS_OK);
  ck_assert_str_eq(seen.ptr, "1 not_allowed s {\"id\":\"a\",\"s\":\"B\",\"card\":{\"user_id\":"
                             "\"***\",\"brand\":\"b\"}}\n");
  ls__decoder_free(decoder);
  ls__arena_fini(&arena);
  ls__buf_fini(&seen);
  result_free(result);
  codec_close(&open);
}
END_TEST

/* A batch that is clean column by column is not looked at row by row: the same verdict. */
START_TEST(clean_batches_are_good_up_to_their_last_row) {
  static const test_field fields[] = {{"id", "string", "!k", NULL, NULL, NULL, NULL},
                                      {"s", "string", NULL, NULL, NULL, NULL, NULL},
                                      {"n", "int64", "!", NULL, NULL, NULL, NULL}};
  test_field open_fields[3] = {
      {"id", "string", NULL, NULL, NULL, NULL, NULL}, fields[1], {"n", "int64", NULL, NULL, NULL, NULL, NULL}};
  static const char *const spoilers[] = {"{\"id\":\"\",\"n\":1}\n", "{\"n\":1}\n", "{\"id\":\"a\"}\n"};
  test_codec open, strict;
  CODEC_OPEN(&open, open_fields, LS_FORMAT_JSON);
  CODEC_OPEN(&strict, fields, LS_FORMAT_JSON);
  for (int64_t n = 0; n < 131; n++) {
    for (int spoiled = -1; spoiled < 3; spoiled++) {
      ls_buf text = LS_BUF_INIT, seen = LS_BUF_INIT;
      for (int64_t i = 0; i < n; i++) {
        ls__buf_puts(&text, i == n / 2 && spoiled >= 0 ? spoilers[spoiled]
                            : n & 1                    ? "{\"id\":\"a\",\"s\":\"\xC3\xA9\",\"n\":1}\n"
                                                       : "{\"id\":\"a\",\"s\":\"e\",\"n\":1}\n");
      }
      test_decoded *result = decode_lines(&open, text.ptr ? text.ptr : "", text.len, 1);
      uint64_t good[4] = {~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), 0};
      ck_assert_int_eq(ls__check_batch(result->batch, strict.decoder, 0, NULL, 0, on_bad, &seen, good, NULL), LS_OK);
      for (int64_t i = 0; i < LS_BIT_WORDS(n) * 64; i++) {
        bool expected = i < n && !(i == n / 2 && spoiled >= 0);
        ck_assert_msg((bool)LS_BIT_GET(good, i) == expected, "%lld rows, row %lld", (long long)n, (long long)i);
      }
      ck_assert_int_eq(seen.len > 0, n > 0 && spoiled >= 0);
      result_free(result);
      ls__buf_fini(&text);
      ls__buf_fini(&seen);
    }
  }
  codec_close(&open);
  codec_close(&strict);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(simple_patterns_go_the_fast_way),
      TEST_CASE(patterns_agree_with_the_regex_library),
      TEST_CASE(values_with_nul_match_no_pattern),
      TEST_CASE(wrong_constraints_are_refused),
      TEST_CASE(typed_batches_are_checked_row_by_row),
      TEST_CASE(payloads_leave_out_what_was_not_read),
      TEST_CASE(clean_batches_are_good_up_to_their_last_row),
  };
  return RUN_TESTS("codec_check", cases);
}
