/** @file test_error.c  Errors: classes, aliasing arguments, prefixes, cutting of long text. */
#include <libstream/error.h>
#include <string.h>

#include "helper_base.h"

START_TEST(class_follows_from_the_code) {
  static const struct {
    int code;
    ls_error_class cls;
  } want[] = {{LS_EDATA, LS_CLASS_SKIP_RECORD}, {LS_EOVERFLOW, LS_CLASS_SKIP_RECORD}, {LS_ERETRY, LS_CLASS_RETRY},
              {LS_EIO, LS_CLASS_FATAL},         {LS_EINVAL, LS_CLASS_FATAL},          {LS_EINTERNAL, LS_CLASS_FATAL}};
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    ls_error err = LS_ERROR_INIT;
    ck_assert_int_eq(ls_error_set(&err, want[i].code, "x"), want[i].code);
    ck_assert_int_eq(err.code, want[i].code);
    ck_assert_int_eq(err.cls, want[i].cls);
    ck_assert_ptr_nonnull(strstr(err.src_file, "test_error.c"));
    ck_assert_int_gt(err.src_line, 0);
  }
}
END_TEST

START_TEST(accepts_no_struct) {
  ck_assert_int_eq(ls_error_set(NULL, LS_EIO, "x %d", 1), LS_EIO);
  ls_error_prefix(NULL, "x");
}
END_TEST

START_TEST(message_may_hold_the_old_message) {
  ls_error err = LS_ERROR_INIT;
  ls_error_set(&err, LS_EIO, "disk full");
  ls_error_set(&err, LS_ERETRY, "write: %s", err.message);
  ck_assert_str_eq(err.message, "write: disk full");
  ls_error_prefix(&err, "[%s] line %d: ", err.message, 3);
  ck_assert_str_eq(err.message, "[write: disk full] line 3: write: disk full");
}
END_TEST

START_TEST(prefix_leaves_success_alone) {
  ls_error err = LS_ERROR_INIT;
  ls_error_prefix(&err, "line 3: ");
  ck_assert_str_eq(err.message, "");
}
END_TEST

START_TEST(long_text_is_cut_between_characters) {
  ls_error err = LS_ERROR_INIT;
  char text[3000];
  for (size_t shift = 0; shift < 4; shift++) {
    memset(text, 'a', shift);
    for (size_t i = shift; i + 3 < sizeof text; i += 3) memcpy(text + i, "\xE2\x82\xAC", 4);
    ls_error_set(&err, LS_EDATA, "%s", text);
    size_t len = strlen(err.message);
    ck_assert_uint_ge(len, sizeof err.message - 4);
    ck_assert(ls__utf8_valid((ls_slice){err.message, len}));
    ls_error_prefix(&err, "row %d: ", 7);
    ck_assert(strncmp(err.message, "row 7: ", 7) == 0);
    ck_assert(ls__utf8_valid(ls__slice_of(err.message)));
    ck_assert_uint_lt(strlen(err.message), sizeof err.message);
  }
}
END_TEST

START_TEST(codes_have_names) {
  ck_assert_str_eq(ls_error_name(LS_OK), "LS_OK");
  ck_assert_str_eq(ls_error_name(LS_EIO), "LS_EIO");
  ck_assert_str_eq(ls_error_name(-13), "LS_EINTERNAL");
  ck_assert_str_eq(ls_error_name(-9999), "LS_EUNKNOWN");
}
END_TEST

START_TEST(version_number_and_text_agree) {
  char text[32];
  int v = ls_version_number();
  snprintf(text, sizeof text, "%d.%d.%d", v / 10000, v / 100 % 100, v % 100);
  ck_assert_str_eq(text, ls_version());
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(class_follows_from_the_code),         TEST_CASE(accepts_no_struct),
                             TEST_CASE(message_may_hold_the_old_message),    TEST_CASE(prefix_leaves_success_alone),
                             TEST_CASE(long_text_is_cut_between_characters), TEST_CASE(codes_have_names),
                             TEST_CASE(version_number_and_text_agree)};
  return RUN_TESTS("base.error", cases);
}
