/** @file test_buf.c  Buffers, slices, UTF-8, JSON strings, and the heap wrappers below them. */
#include "base/buf.h"

#include "base/alloc.h"
#include "helper_base.h"

START_TEST(grows_and_terminates) {
  ls_buf buf = LS_BUF_INIT;
  ls__buf_puts(&buf, "");
  ck_assert_str_eq(buf.ptr, "");
  for (int i = 0; i < 1000; i++) {
    ls__buf_putc(&buf, (char)('a' + i % 26));
    ck_assert_uint_eq(strlen(buf.ptr), (size_t)i + 1);
  }
  ls__buf_clear(&buf);
  for (int i = 0; i < 100; i++) ls__buf_printf(&buf, "%d,%s;", i, "text of some length");
  ck_assert(strncmp(buf.ptr, "0,text of some length;1,text", 28) == 0);
  ck_assert_uint_eq(strlen(buf.ptr), buf.len);
  ls__buf_fini(&buf);
  ck_assert_ptr_null(buf.ptr);
}
END_TEST

START_TEST(printf_fits_at_every_distance_from_the_end) {
  for (size_t n = 0; n < 200; n++) {
    ls_buf buf = LS_BUF_INIT;
    for (size_t i = 0; i < n; i++) ls__buf_putc(&buf, 'x');
    ls__buf_printf(&buf, "%s", "0123456789");
    ck_assert_uint_eq(buf.len, n + 10);
    ck_assert_str_eq(buf.ptr + n, "0123456789");
    ls__buf_fini(&buf);
  }
}
END_TEST

START_TEST(slices_compare_bytewise_shorter_first) {
  static const char *const sorted[] = {"", "a", "ab", "b", "ba", "\xC3\xA4", "\xFF"};
  for (int i = 0; i < 7; i++)
    for (int k = 0; k < 7; k++) {
      int order = ls__slice_cmp(ls__slice_of(sorted[i]), ls__slice_of(sorted[k]));
      ck_assert_int_eq((order > 0) - (order < 0), (i > k) - (i < k));
      ck_assert_int_eq(ls__slice_eq(ls__slice_of(sorted[i]), ls__slice_of(sorted[k])), i == k);
    }
  ck_assert(ls__slice_eq((ls_slice){NULL, 0}, ls__slice_of("")));
  ck_assert_int_eq(ls__slice_cmp((ls_slice){NULL, 0}, ls__slice_of("")), 0);
}
END_TEST

/* The definition: code points without surrogates, shortest form. */
static size_t encode_utf8(unsigned char *out, uint32_t c) {
  if (c < 0x80) return out[0] = (unsigned char)c, 1;
  if (c < 0x800) return out[0] = (unsigned char)(0xC0 | c >> 6), out[1] = 0x80 | (c & 63), 2;
  if (c < 0x10000) {
    out[0] = (unsigned char)(0xE0 | c >> 12), out[1] = 0x80 | (c >> 6 & 63), out[2] = 0x80 | (c & 63);
    return 3;
  }
  out[0] = (unsigned char)(0xF0 | c >> 18), out[1] = 0x80 | (c >> 12 & 63);
  out[2] = 0x80 | (c >> 6 & 63), out[3] = 0x80 | (c & 63);
  return 4;
}

START_TEST(utf8_takes_every_code_point_and_no_surrogate) {
  char text[24];
  for (uint32_t c = 0; c < 0x110000; c++) {
    size_t shift = c % 9, n;
    memset(text, 'a', sizeof text);
    n = encode_utf8((unsigned char *)text + shift, c);
    bool valid = ls__utf8_valid((ls_slice){text, shift + n + c % 7});
    if (valid != (c < 0xD800 || c > 0xDFFF)) ck_abort_msg("U+%04X at %zu", c, shift);
  }
}
END_TEST

START_TEST(utf8_takes_exactly_the_valid_pairs_and_triples) {
  unsigned char text[3], *p = text;
  size_t n_pairs = 0, n_triples = 0;
  for (unsigned i = 0; i < 0x10000; i++) {
    p[0] = (unsigned char)(i >> 8), p[1] = (unsigned char)i;
    n_pairs += ls__utf8_valid((ls_slice){(char *)p, 2});
  }
  for (unsigned i = 0x800000; i < 0x1000000; i++) {
    p[0] = (unsigned char)(i >> 16), p[1] = (unsigned char)(i >> 8), p[2] = (unsigned char)i;
    n_triples += ls__utf8_valid((ls_slice){(char *)p, 3});
  }
  ck_assert_uint_eq(n_pairs, 128 * 128 + 0x780);
  /* not ASCII first: a pair and an ASCII byte, or one of the code points of three bytes */
  ck_assert_uint_eq(n_triples, 0x780 * 128 + (0xF800 - 0x800));
}
END_TEST

START_TEST(utf8_refuses_bad_and_cut_sequences) {
  static const char *const bad[] = {
      "\x80", "\xC0\x80", "\xC1\xBF",     "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
      "\xFE", "\xE2\x82", "\xF0\x9F\x92", "\xC3",         "12345678\xFF",     "1234567\xC3",      "1234567\xE2\x82"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    ck_assert_msg(!ls__utf8_valid(ls__slice_of(bad[i])), "sample %zu", i);
  ck_assert(ls__utf8_valid((ls_slice){NULL, 0}));
  ck_assert(ls__utf8_valid((ls_slice){"a\0b", 3}));
  ck_assert(!ls__utf8_valid((ls_slice){"\xF0\x9F\x92\xA9", 3}));
}
END_TEST

START_TEST(json_string_escapes) {
  static const struct {
    ls_slice text;
    const char *json;
  } want[] = {{{NULL, 0}, "\"\""},
              {{"plain", 5}, "\"plain\""},
              {{"a\"b\\c/", 6}, "\"a\\\"b\\\\c/\""},
              {{"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
              {{"\0\x01\x1F\x7F", 4}, "\"\\u0000\\u0001\\u001f\x7F\""},
              {{"\xC3\xA4\xF0\x9F\x92\xA9", 6}, "\"\xC3\xA4\xF0\x9F\x92\xA9\""},
              {{"x\xFFy", 3}, "\"x\xEF\xBF\xBDy\""},
              {{"\xE2\x82", 2}, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""}};
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    ls_buf buf = LS_BUF_INIT;
    ls__buf_json_string(&buf, want[i].text);
    ck_assert_str_eq(buf.ptr, want[i].json);
    ls__buf_fini(&buf);
  }
}
END_TEST

START_TEST(heap_wrappers_never_return_null) {
  void *p = ls__alloc(0);
  ck_assert_ptr_nonnull(p);
  p = ls__realloc(p, 0);
  ck_assert_ptr_nonnull(p);
  ls__free(p);
  ls__free(NULL);
  char *text = ls__strndup("abcdef", 3);
  ck_assert_str_eq(text, "abc");
  ls__free(text);
  int *numbers = NULL;
  size_t capacity = 0;
  for (size_t n = 1; n < 1000; n++) {
    ls__grow(&numbers, &capacity, n, sizeof *numbers);
    ck_assert_uint_ge(capacity, n);
    numbers[n - 1] = (int)n;
  }
  for (int i = 0; i < 999; i++) ck_assert_int_eq(numbers[i], i + 1);
  ls__free(numbers);
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(grows_and_terminates),
                             TEST_CASE(printf_fits_at_every_distance_from_the_end),
                             TEST_CASE(slices_compare_bytewise_shorter_first),
                             TEST_CASE(utf8_takes_every_code_point_and_no_surrogate),
                             TEST_CASE(utf8_takes_exactly_the_valid_pairs_and_triples),
                             TEST_CASE(utf8_refuses_bad_and_cut_sequences),
                             TEST_CASE(json_string_escapes),
                             TEST_CASE(heap_wrappers_never_return_null)};
  return RUN_TESTS("base.buf", cases);
}
