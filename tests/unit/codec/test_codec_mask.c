/** @file test_codec_mask.c  What a bad record's payload and error show, and what they must not. */
#include <string.h>

#include "helper_codec.h"

static const test_field fields[] = {
    {"transaction_id", "string", "!k", NULL, NULL, NULL, NULL},
    {"user_id", "string", "*", NULL, "usr_[0-9]+", NULL, NULL},
    {"amount", "decimal(18,4)", NULL, NULL, NULL, NULL, NULL},
    {"note", "string", NULL, "ok,fine", NULL, NULL, NULL},
    {"pin", "int64", "*", NULL, NULL, "1000", "9999"},
    {"card", "struct<number: string, cvc: int64>", "*", NULL, NULL, NULL, NULL},
};

/* Each record is bad; payload is what may be shown. */
static const test_line masked[] = {
    {"{\"transaction_id\":\"t\",\"user_id\":\"usr_1\",\"amount\":\"x\"}", NULL, "bad_decimal",
     "amount", "{\"transaction_id\":\"t\",\"user_id\":\"***\",\"amount\":\"x\"}"},
    {"{\"transaction_id\":\"t\",\"user_id\":null,\"amount\":\"x\"}", NULL, "bad_decimal", "amount",
     "{\"transaction_id\":\"t\",\"user_id\":\"***\",\"amount\":\"x\"}"},
    /* the sensitive field is at fault itself */
    {"{\"transaction_id\":\"t\",\"user_id\":\"SECRET\"}", NULL, "not_allowed", "user_id",
     "{\"transaction_id\":\"t\",\"user_id\":\"***\"}"},
    {"{\"transaction_id\":\"t\",\"user_id\":77777777}", NULL, "wrong_type", "user_id",
     "{\"transaction_id\":\"t\",\"user_id\":\"***\"}"},
    {"{\"transaction_id\":\"t\",\"pin\":77777777}", NULL, "out_of_range", "pin",
     "{\"transaction_id\":\"t\",\"pin\":\"***\"}"},
    {"{\"transaction_id\":\"t\",\"pin\":\"SECRET\"}", NULL, "wrong_type", "pin",
     "{\"transaction_id\":\"t\",\"pin\":\"***\"}"},
    {"{\"transaction_id\":\"t\",\"card\":{\"number\":\"SECRET\",\"cvc\":\"SECRET\"}}", NULL,
     "wrong_type", "card", "{\"transaction_id\":\"t\",\"card\":\"***\"}"},
    /* its name at other levels, in other case, with other signs, as a part of a longer name */
    {"{\"a\":{\"user_id\":\"SECRET\",\"b\":[{\"USER_ID\":\"SECRET\"},1]},\"c\":true}", NULL,
     "missing_field", "transaction_id",
     "{\"a\":{\"user_id\":\"***\",\"b\":[{\"USER_ID\":\"***\"},1]},\"c\":true}"},
    {"{\"userId\":\"SECRET\",\"old-user.id\":{\"x\":\"SECRET\"},\"user\":\"bob\"}", NULL,
     "missing_field", "transaction_id",
     "{\"userId\":\"***\",\"old-user.id\":\"***\",\"user\":\"bob\"}"},
    {"{\"u\\u0073er_id\":\"SECRET\",\"transaction_id\":1}", NULL, "not_allowed", "user_id",
     "{\"u\\u0073er_id\":\"***\",\"transaction_id\":1}"},
    {"{\"pins\":\"many\",\"PIN\":\"SECRET\"}", NULL, "missing_field", "transaction_id",
     "{\"pins\":\"many\",\"PIN\":\"***\"}"},
    {"{\"user_id\":\"SECRET\",\"user_id\":\"SECRET2\",\"transaction_id\":\"t\"}", NULL,
     "not_allowed", "user_id",
     "{\"user_id\":\"***\",\"user_id\":\"***\",\"transaction_id\":\"t\"}"},
    {"{\"user_id\":\"usr_1\",\"user_id\":\"SECRET2\",\"transaction_id\":\"t\"}", NULL,
     "duplicate_field", "user_id",
     "{\"user_id\":\"***\",\"user_id\":\"***\",\"transaction_id\":\"t\"}"},
    /* its value elsewhere: as a whole, in a text, as a name, escaped */
    {"{\"user_id\":\"usr_7777\",\"note\":\"of usr_7777, "
     "late\",\"x\":[\"usr_7777\"],\"usr_7777\":1,\"y\":\"usr\"}",
     NULL, "not_allowed", "note",
     "{\"user_id\":\"***\",\"note\":\"***\",\"x\":[\"***\"],\"***\":1,\"y\":\"usr\"}"},
    {"{\"user_id\":\"usr_7777\",\"x\":\"usr_\\u00377\\u0037\\u0037\"}", NULL, "missing_field",
     "transaction_id", "{\"user_id\":\"***\",\"x\":\"***\"}"},
    {"{\"pin\":1234,\"x\":99123499,\"y\":\"12\",\"z\":false}", NULL, "missing_field",
     "transaction_id", "{\"pin\":\"***\",\"x\":\"***\",\"y\":\"12\",\"z\":false}"},
    {"{\"x\":\"usr_7777\",\"user_id\":\"usr_7777\"}", NULL, "missing_field", "transaction_id",
     "{\"x\":\"***\",\"user_id\":\"***\"}"},
    /* nothing can be told apart */
    {"{\"user_id\":\"SECRET\",\"transaction_id\":\"t\"", NULL, "not_json", NULL, ""},
    {"user_id=SECRET", NULL, "not_json", NULL, ""},
    {"[\"SECRET\"]", NULL, "wrong_type", NULL, ""},
    {"\"SECRET\"", NULL, "wrong_type", NULL, ""},
    {"{\"user_id\":\"SECRET\xFF\",\"transaction_id\":\"t\"}", NULL, "bad_utf8", NULL, ""},
};

START_TEST(sensitive_values_are_in_no_payload_and_no_error) {
  test_codec codec;
  CODEC_OPEN(&codec, fields, LS_FORMAT_JSON);
  for (size_t i = 0; i < sizeof masked / sizeof *masked; i++) {
    test_decoded *result = decode_lines(&codec, masked[i].text, strlen(masked[i].text), 1);
    check_line(result, &masked[i]);
    static const char *const secrets[] = {"SECRET", "7777"};
    for (size_t k = 0; k < 2; k++) {
      ck_assert_msg(!strstr(result->bads[0].error, secrets[k]), "%s", result->bads[0].error);
      ck_assert_msg(!strstr(result->bads[0].payload, secrets[k]), "%s", result->bads[0].payload);
    }
    result_free(result);
  }
  codec_close(&codec);
}
END_TEST

/* Too short to be looked for elsewhere, too long to be shown whole, inside a masked object. */
START_TEST(no_part_of_a_sensitive_value_is_shown) {
  test_codec codec;
  CODEC_OPEN(&codec, fields, LS_FORMAT_JSON);
  static const char *const texts[] = {
      "{\"transaction_id\":\"t\",\"user_id\":\"QX\"}",
      "{\"transaction_id\":\"t\",\"user_id\":"
      "\"QXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQX\"}",
      "{\"transaction_id\":\"t\",\"note\":"
      "\"QXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQX\","
      "\"pin\":null,\"userid\":"
      "\"QXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQX\"}",
      "{\"transaction_id\":\"t\",\"note\":\"QX\\n77\",\"userid\":\"QX\\n77\"}",
      "{\"transaction_id\":\"t\",\"card\":{\"number\":\"QX-77\"},\"note\":\"see QX-77\"}",
      "{\"transaction_id\":\"t\",\"note\":\"see QX-77\",\"x\":{\"Card\":[{\"y\":[\"QX-77\"]}]}}",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    test_decoded *result = decode_lines(&codec, texts[i], strlen(texts[i]), 1);
    ck_assert_uint_eq(result->n_bads, 1);
    ck_assert_str_eq(result->bads[0].reason, "not_allowed");
    ck_assert_msg(!strstr(result->bads[0].error, "QX"), "%s", result->bads[0].error);
    ck_assert_msg(!strstr(result->bads[0].payload, "QX"), "%s", result->bads[0].payload);
    result_free(result);
  }
  codec_close(&codec);
}
END_TEST

/* Values noted for one record must not mask the next. */
START_TEST(masking_starts_afresh_with_each_record) {
  test_codec codec;
  CODEC_OPEN(&codec, fields, LS_FORMAT_JSON);
  static const char text[] = "{\"user_id\":\"usr_1234\"}\n{\"note\":\"usr_1234\"}\n";
  test_decoded *result = decode_lines(&codec, text, sizeof text - 1, 1);
  ck_assert_uint_eq(result->n_bads, 2);
  ck_assert_str_eq(result->bads[1].payload, "{\"note\":\"usr_1234\"}");
  result_free(result);
  codec_close(&codec);
}
END_TEST

START_TEST(errors_show_values_cut_and_printable) {
  static const test_field open_fields[] = {{"s", "string", "!", "a", NULL, NULL, NULL}};
  test_codec codec;
  CODEC_OPEN(&codec, open_fields, LS_FORMAT_JSON);
  char text[400];
  int len = snprintf(text, sizeof text, "{\"s\":\"%0100d\"}", 7);
  test_decoded *result = decode_lines(&codec, text, (size_t)len, 1);
  ck_assert_str_eq(
      result->bads[0].error,
      "field s: \"0000000000000000000000000000000000000000000000000000000000000000...\" is not one "
      "of a");
  result_free(result);
  len = snprintf(text, sizeof text, "{\"s\":\"%063d\xC3\xA9z\\n\"}",
                 7); /* not cut inside a character */
  result = decode_lines(&codec, text, (size_t)len, 1);
  ck_assert_ptr_nonnull(strstr(result->bads[0].error, "7...\""));
  result_free(result);
  static const char odd[] = "{\"s\":\"b\\n\\u0000\xC3\xA9\"}";
  result = decode_lines(&codec, odd, sizeof odd - 1, 1);
  ck_assert_str_eq(result->bads[0].error, "field s: \"b??\xC3\xA9\" is not one of a");
  result_free(result);
  codec_close(&codec);
}
END_TEST

/* Without sensitive fields broken text may be shown: as a JSON string, valid UTF-8, at most 4 KiB
 * of it. */
START_TEST(broken_text_is_shown_where_nothing_is_sensitive) {
  static const test_field open_fields[] = {{"s", "string", "!", NULL, NULL, NULL, NULL}};
  test_codec codec;
  CODEC_OPEN(&codec, open_fields, LS_FORMAT_JSON);
  test_decoded *result = decode_lines(&codec, "oops \"\xFF\"\n[1]", 12, 1);
  ck_assert_uint_eq(result->n_bads, 2);
  ck_assert_str_eq(result->bads[0].payload, "{\"raw\":\"oops \\\"\xEF\xBF\xBD\\\"\"}");
  ck_assert_str_eq(result->bads[1].payload, "[1]");
  result_free(result);
  ls_buf text = LS_BUF_INIT;
  for (int i = 0; i < 9000; i++)
    ls__buf_putc(&text, 'x');
  result = decode_lines(&codec, text.ptr, text.len, 1);
  ck_assert_uint_eq(strlen(result->bads[0].payload), LS_RAW_PAYLOAD_MAX + strlen("{\"raw\":\"\"}"));
  result_free(result);
  ls__buf_fini(&text);
  codec_close(&codec);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(sensitive_values_are_in_no_payload_and_no_error),
      TEST_CASE(no_part_of_a_sensitive_value_is_shown),
      TEST_CASE(masking_starts_afresh_with_each_record),
      TEST_CASE(errors_show_values_cut_and_printable),
      TEST_CASE(broken_text_is_shown_where_nothing_is_sensitive),
  };
  return RUN_TESTS("codec_mask", cases);
}
