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
    {"tags", "list<string>", NULL, NULL, NULL, NULL, NULL},
    {"order", "struct<id: string, userid: string, lines: list<struct<sku: string>>>", NULL, NULL, NULL, NULL, NULL},
};

/* Each record is bad; payload is what may be shown. */
static const test_line masked[] = {
    {"{\"transaction_id\":\"t\",\"user_id\":\"usr_1\",\"amount\":\"x\"}", NULL, "bad_decimal", "amount",
     "{\"transaction_id\":\"t\",\"user_id\":\"***\",\"amount\":\"x\"}"},
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
    {"{\"transaction_id\":\"t\",\"card\":{\"number\":\"SECRET\",\"cvc\":\"SECRET\"}}", NULL, "wrong_type", "card",
     "{\"transaction_id\":\"t\",\"card\":\"***\"}"},
    /* what the schema doesn't know is dropped, at every depth: it may be the value under any name */
    {"{\"usr_id\":\"SECRET\",\"uid\":\"SECRET\",\"customer\":\"SECRET\",\"user\":{\"id\":"
     "\"SECRET\"},\"amount\":\"1.00\"}",
     NULL, "missing_field", "transaction_id", "{\"amount\":\"1.00\"}"},
    {"{\"a\":{\"user_id\":\"SECRET\",\"b\":[{\"USER_ID\":\"SECRET\"},1]},\"c\":true}", NULL, "missing_field",
     "transaction_id", "{}"},
    {"{ \"x\" : 1 , \"note\" : \"ok\" , \"y\" : [ ] , \"tags\" : [ \"a\" , \"b\" ] , \"z\" : { } }", NULL,
     "missing_field", "transaction_id", "{\"note\":\"ok\",\"tags\":[\"a\",\"b\"]}"},
    {"{\"order\":{\"id\":\"o\",\"owner\":\"SECRET\",\"userid\":\"SECRET\",\"lines\":[{\"sku\":"
     "\"s\","
     "\"for\":\"SECRET\"},{}]}}",
     NULL, "missing_field", "transaction_id",
     "{\"order\":{\"id\":\"o\",\"userid\":\"***\",\"lines\":[{\"sku\":\"s\"},{}]}}"},
    {"{\"u\\u0073er_id\":\"SECRET\",\"transaction_id\":\"t\"}", NULL, "not_allowed", "user_id",
     "{\"user_id\":\"***\",\"transaction_id\":\"t\"}"},
    /* values of another kind than the field's were not meant for it */
    {"{\"transaction_id\":{\"user_id\":\"SECRET\",\"x\":\"SECRET\"},\"note\":[\"SECRET\"]}", NULL, "wrong_type",
     "transaction_id", "{\"transaction_id\":\"***\",\"note\":\"***\"}"},
    {"{\"transaction_id\":77777777,\"amount\":{\"x\":\"SECRET\"},\"tags\":\"SECRET\",\"order\":["
     "\"SECRET\"]"
     "}",
     NULL, "wrong_type", "transaction_id",
     "{\"transaction_id\":\"***\",\"amount\":\"***\",\"tags\":\"***\",\"order\":\"***\"}"},
    {"{\"tags\":[\"a\",{\"x\":\"SECRET\"},null,77777777],\"order\":{\"id\":[\"SECRET\"],\"lines\":["
     "1,"
     "null]},\"amount\":true}",
     NULL, "wrong_type", "tags",
     "{\"tags\":[\"a\",\"***\",null,\"***\"],\"order\":{\"id\":\"***\",\"lines\":[\"***\",null]},"
     "\"amount\":\"***\"}"},
    /* twice */
    {"{\"user_id\":\"SECRET\",\"user_id\":\"SECRET2\",\"transaction_id\":\"t\"}", NULL, "not_allowed", "user_id",
     "{\"user_id\":\"***\",\"user_id\":\"***\",\"transaction_id\":\"t\"}"},
    {"{\"user_id\":\"usr_1\",\"user_id\":\"SECRET2\",\"transaction_id\":\"t\"}", NULL, "duplicate_field", "user_id",
     "{\"user_id\":\"***\",\"user_id\":\"***\",\"transaction_id\":\"t\"}"},
    /* its value elsewhere: as a whole, in a text, escaped, under a name like its own */
    {"{\"user_id\":\"usr_7777\",\"note\":\"of usr_7777, "
     "late\",\"tags\":[\"usr_7777\",\"usr\"],\"usr_7777\":1}",
     NULL, "not_allowed", "note", "{\"user_id\":\"***\",\"note\":\"***\",\"tags\":[\"***\",\"usr\"]}"},
    {"{\"user_id\":\"usr_7777\",\"tags\":[\"usr_\\u00377\\u0037\\u0037\"]}", NULL, "missing_field", "transaction_id",
     "{\"user_id\":\"***\",\"tags\":[\"***\"]}"},
    {"{\"pin\":1234,\"tags\":[\"12\",\"99123499\"],\"amount\":991234}", NULL, "missing_field", "transaction_id",
     "{\"pin\":\"***\",\"tags\":[\"12\",\"***\"],\"amount\":\"***\"}"},
    {"{\"tags\":[\"usr_7777\"],\"x\":{\"old-user.id\":\"usr_7777\"}}", NULL, "missing_field", "transaction_id",
     "{\"tags\":[\"***\"]}"},
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
  ck_assert_str_eq(result->bads[0].error,
                   "field s: \"0000000000000000000000000000000000000000000000000000000000000000...\" is not one "
                   "of a");
  result_free(result);
  len = snprintf(text, sizeof text, "{\"s\":\"%063d\xC3\xA9z\\n\"}", 7); /* not cut inside a character */
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

/* A schema without sensitive fields: its records may hold another's. */
START_TEST(unknown_text_is_never_shown) {
  static const test_field open_fields[] = {{"s", "string", "!", "ok", NULL, NULL, NULL}};
  test_codec codec;
  CODEC_OPEN(&codec, open_fields, LS_FORMAT_JSON);
  static const char text[] = "oops SECRET \"\xFF\"\n[\"SECRET\"]\n{\"s\":\"SECRET\"\n"
                             "{\"user_id\":\"SECRET\",\"s\":\"no\"}\n{\"user_id\":\"SECRET\"}";
  static const char *const payloads[] = {"", "", "", "{\"s\":\"no\"}", "{}"};
  test_decoded *result = decode_lines(&codec, text, sizeof text - 1, 1);
  ck_assert_uint_eq(result->n_bads, 5);
  for (size_t i = 0; i < 5; i++) ck_assert_str_eq(result->bads[i].payload, payloads[i]);
  result_free(result);
  codec_close(&codec);
}
END_TEST

/* Cells are texts; those of lists and structs hold JSON, which is looked into. */
START_TEST(csv_shows_known_columns_only) {
  static const test_line lines[] = {
      {"t,x,usr_1,SECRET,\"[\"\"a\"\"]\",", NULL, "bad_decimal", "amount",
       "{\"transaction_id\":\"t\",\"amount\":\"x\",\"user_id\":\"***\",\"tags\":[\"a\"],"
       "\"order\":null}"},
      {"t,x,,,\"[\n\"\"a\"\",{\"\"x\"\":\"\"SECRET\"\"}]\",\"{\"\"id\"\":\"\"o\"\",\"\"user\"\":"
       "\"\"SECRET\"\"}\"",
       NULL, "bad_decimal", "amount",
       "{\"transaction_id\":\"t\",\"amount\":\"x\",\"user_id\":\"***\",\"tags\":[\"a\",\"***\"],"
       "\"order\":{\"id\":\"o\"}}"},
      {"t,1,,,SECRET,\"{\"\"user\"\":\"\"SECRET\"\"\"", NULL, "wrong_type", "tags",
       "{\"transaction_id\":\"t\",\"amount\":\"1\",\"user_id\":\"***\",\"tags\":\"***\",\"order\":"
       "\"***\"}"},
      {"t,1", NULL, "csv_columns", NULL, ""},
      {"t,x,SECRET\"", NULL, "csv_quotes", NULL, ""},
      {"t,x,\"SECRET", NULL, "csv_quotes", NULL, ""},
      {"t,x,SECRET\xFF,,,", NULL, "bad_utf8", NULL, ""},
  };
  test_codec codec;
  CODEC_OPEN(&codec, fields, LS_FORMAT_CSV);
  ls_error err = LS_ERROR_INIT;
  ls_slice header = ls__slice_of("transaction_id,amount,user_id,customer,tags,order\n");
  ck_assert_int_eq(ls__decoder_csv_header(codec.decoder, header, &err), LS_OK);
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    test_decoded *result = decode_csv(&codec, lines[i].text, strlen(lines[i].text), 2);
    check_line(result, &lines[i]);
    ck_assert_ptr_null(strstr(result->bads[0].error, "SECRET"));
    result_free(result);
  }
  header = ls__slice_of("t-1,SECRET,SECRET\n"); /* a record: the file has no header */
  ck_assert_int_eq(ls__decoder_csv_header(codec.decoder, header, &err), LS_EDATA);
  ck_assert_ptr_null(strstr(err.message, "SECRET"));
  codec_close(&codec);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(sensitive_values_are_in_no_payload_and_no_error),
      TEST_CASE(no_part_of_a_sensitive_value_is_shown),
      TEST_CASE(masking_starts_afresh_with_each_record),
      TEST_CASE(errors_show_values_cut_and_printable),
      TEST_CASE(unknown_text_is_never_shown),
      TEST_CASE(csv_shows_known_columns_only),
  };
  return RUN_TESTS("codec_mask", cases);
}
