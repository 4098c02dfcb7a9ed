/** @file test_json_decode.c  JSON lines and records: values of all types, each reason code, lines,
 * blocks. */
#include <string.h>

#include "base/alloc.h"
#include "helper_codec.h"

/* Every type, nothing required but the key. */
static const test_field rich[] = {
    {"id", "string", "!k", NULL, NULL, NULL, NULL},
    {"b", "bool", NULL, NULL, NULL, NULL, NULL},
    {"i", "int64", NULL, NULL, NULL, "-5", "5000000000000000000"},
    {"f", "float64", NULL, NULL, NULL, "0", "1"},
    {"d", "decimal(18,4)", NULL, NULL, NULL, NULL, NULL},
    {"dd", "decimal(38,10)", NULL, NULL, NULL, "-10.5", NULL},
    {"s", "string", NULL, "PENDING,APPROVED", NULL, NULL, NULL},
    {"c", "string", NULL, NULL, "[A-Z]{3}", NULL, NULL},
    {"t", "timestamp", NULL, NULL, NULL, "2000-01-01T00:00:00Z", NULL},
    {"day", "date", NULL, NULL, NULL, NULL, "2030-12-31"},
    {"x", "bytes", NULL, NULL, NULL, NULL, NULL},
    {"l", "list<string>", NULL, NULL, NULL, NULL, NULL},
    {"st", "struct<a: int64, m: list<decimal(6,2)>>", NULL, NULL, NULL, NULL, NULL},
    {"user_id", "string", "*", NULL, NULL, NULL, NULL},
};
#define REST(id, fields) "{\"id\":\"" id "\"," fields "}"

static char *row_of(const char *changes);

/* A row in schema order, null but for the named fields: "id=..,b=.." is easier to read than
 * fourteen columns. */
static char *row_of(const char *changes) {
  static char text[1024];
  size_t n = 0;
  for (size_t i = 0; i < sizeof rich / sizeof *rich; i++) {
    char key[32];
    int key_len = snprintf(key, sizeof key, "\"%s\":", rich[i].name);
    const char *at = changes, *value = "null";
    size_t len = 4;
    while ((at = strstr(at, key)) != NULL && at > changes && at[-1] != '\n') at++;
    if (at) value = at + key_len, len = strcspn(value, "\n");
    n += (size_t)snprintf(text + n, sizeof text - n, "%s%s%.*s", i ? "," : "{", key, (int)len, value);
  }
  snprintf(text + n, sizeof text - n, "}");
  return text;
}

/* row: "name":value, one a line. */
static const test_line good[] = {
    {"{\"id\":\"a\"}", "\"id\":\"a\"", NULL, NULL, NULL},
    {" \t{ \"id\" : \"a\" , \"b\" : true } \r", "\"id\":\"a\"\n\"b\":true", NULL, NULL, NULL},
    {"{\"b\":false,\"id\":\"a\"}", "\"id\":\"a\"\n\"b\":false", NULL, NULL, NULL},
    {REST("a", "\"b\":null,\"i\":null,\"l\":null,\"st\":null"), "\"id\":\"a\"", NULL, NULL, NULL},
    {REST("a", "\"i\":-5"), "\"id\":\"a\"\n\"i\":-5", NULL, NULL, NULL},
    {REST("a", "\"i\":-0"), "\"id\":\"a\"\n\"i\":0", NULL, NULL, NULL},
    {REST("a", "\"i\":5000000000000000000"), "\"id\":\"a\"\n\"i\":5000000000000000000", NULL, NULL, NULL},
    {REST("a", "\"f\":0.5"), "\"id\":\"a\"\n\"f\":0.5", NULL, NULL, NULL},
    {REST("a", "\"f\":1"), "\"id\":\"a\"\n\"f\":1.0", NULL, NULL, NULL},
    {REST("a", "\"f\":5e-324"), "\"id\":\"a\"\n\"f\":4.94065645841247e-324", NULL, NULL, NULL},
    {REST("a", "\"f\":123456789012345678901234567890e-30"), "\"id\":\"a\"\n\"f\":0.12345678901234568", NULL, NULL,
     NULL},
    {REST("a", "\"d\":\"12.50\""), "\"id\":\"a\"\n\"d\":\"12.5000\"", NULL, NULL, NULL},
    {REST("a", "\"d\":12.5"), "\"id\":\"a\"\n\"d\":\"12.5000\"", NULL, NULL, NULL},
    {REST("a", "\"d\":-0.0001"), "\"id\":\"a\"\n\"d\":\"-0.0001\"", NULL, NULL, NULL},
    {REST("a", "\"d\":\"-0\""), "\"id\":\"a\"\n\"d\":\"0.0000\"", NULL, NULL, NULL},
    {REST("a", "\"d\":99999999999999.9999"), "\"id\":\"a\"\n\"d\":\"99999999999999.9999\"", NULL, NULL, NULL},
    {REST("a", "\"d\":\"-99999999999999.9999\""), "\"id\":\"a\"\n\"d\":\"-99999999999999.9999\"", NULL, NULL, NULL},
    {REST("a", "\"d\":\"00000000000000000007.25\""), "\"id\":\"a\"\n\"d\":\"7.2500\"", NULL, NULL, NULL},
    {REST("a", "\"d\":\"\\u0031.5\""), "\"id\":\"a\"\n\"d\":\"1.5000\"", NULL, NULL, NULL},
    {REST("a", "\"d\":0.1"), "\"id\":\"a\"\n\"d\":\"0.1000\"", NULL, NULL, NULL},
    /* with an exponent: what the value is counts, not how it is written */
    {REST("a", "\"d\":1e2"), "\"id\":\"a\"\n\"d\":\"100.0000\"", NULL, NULL, NULL},
    {REST("a", "\"d\":1.5E-2"), "\"id\":\"a\"\n\"d\":\"0.0150\"", NULL, NULL, NULL},
    {REST("a", "\"d\":\"-12.5e+3\""), "\"id\":\"a\"\n\"d\":\"-12500.0000\"", NULL, NULL, NULL},
    {REST("a", "\"d\":10000e-4"), "\"id\":\"a\"\n\"d\":\"1.0000\"", NULL, NULL, NULL},
    {REST("a", "\"d\":0.00000000000000000000000000000000000000000000000001e50"), "\"id\":\"a\"\n\"d\":\"1.0000\"", NULL,
     NULL, NULL},
    {REST("a", "\"d\":0e999999999999"), "\"id\":\"a\"\n\"d\":\"0.0000\"", NULL, NULL, NULL},
    {REST("a", "\"d\":99999999999999.9999e0"), "\"id\":\"a\"\n\"d\":\"99999999999999.9999\"", NULL, NULL, NULL},
    {REST("a", "\"dd\":9999999999999999999999999999.9999999999"),
     "\"id\":\"a\"\n\"dd\":\"9999999999999999999999999999.9999999999\"", NULL, NULL, NULL},
    {REST("a", "\"dd\":\"-10.5\""), "\"id\":\"a\"\n\"dd\":\"-10.5000000000\"", NULL, NULL, NULL},
    {REST("a", "\"s\":\"APPROVED\""), "\"id\":\"a\"\n\"s\":\"APPROVED\"", NULL, NULL, NULL},
    {REST("a", "\"s\":\"\\u0041PPROVED\""), "\"id\":\"a\"\n\"s\":\"APPROVED\"", NULL, NULL, NULL},
    {REST("a", "\"c\":\"EUR\""), "\"id\":\"a\"\n\"c\":\"EUR\"", NULL, NULL, NULL},
    {REST("a", "\"t\":\"2026-03-01T09:15:02.125Z\""), "\"id\":\"a\"\n\"t\":\"2026-03-01T09:15:02.125Z\"", NULL, NULL,
     NULL},
    {REST("a", "\"t\":\"2000-01-01T00:00:00+00:00\""), "\"id\":\"a\"\n\"t\":\"2000-01-01T00:00:00Z\"", NULL, NULL,
     NULL},
    {REST("a", "\"day\":\"2024-02-29\""), "\"id\":\"a\"\n\"day\":\"2024-02-29\"", NULL, NULL, NULL},
    {REST("a", "\"x\":\"AAEC/w==\""), "\"id\":\"a\"\n\"x\":\"AAEC/w==\"", NULL, NULL, NULL},
    {REST("a", "\"x\":\"\""), "\"id\":\"a\"\n\"x\":\"\"", NULL, NULL, NULL},
    {REST("a", "\"l\":[]"), "\"id\":\"a\"\n\"l\":[]", NULL, NULL, NULL},
    {REST("a", "\"l\":[ \"p\" , null,\"\", \"\\n\"]"), "\"id\":\"a\"\n\"l\":[\"p\",null,\"\",\"\\n\"]", NULL, NULL,
     NULL},
    {REST("a", "\"l\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]"),
     "\"id\":\"a\"\n\"l\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]", NULL, NULL, NULL},
    {REST("a", "\"st\":{}"), "\"id\":\"a\"\n\"st\":{\"a\":null,\"m\":null}", NULL, NULL, NULL},
    {REST("a", "\"st\":{\"m\":[1,\"2.25\"],\"q\":[{}],\"a\":3}"),
     "\"id\":\"a\"\n\"st\":{\"a\":3,\"m\":[\"1.00\",\"2.25\"]}", NULL, NULL, NULL},
    {REST("a", "\"zz\":{\"y\":[1,2.5e3,true,null,\"\\u00e9\"]},\"b\":true"), "\"id\":\"a\"\n\"b\":true", NULL, NULL,
     NULL},
    {REST("\\u00e9\\ud83d\\ude00\\/\\\"\\\\\\b\\f\\n\\r\\t", "\"b\":true"),
     "\"id\":\"\xC3\xA9\xF0\x9F\x98\x80/\\\"\\\\\\b\\f\\n\\r\\t\"\n\"b\":true", NULL, NULL, NULL},
    {"{\"\\u0069d\":\"a\"}", "\"id\":\"a\"", NULL, NULL, NULL},
    {"{\"id\":\"a\",\"\":1,\"zz\":1,\"zz\":2}", "\"id\":\"a\"", NULL, NULL, NULL}, /* unknown ones may repeat */
    {REST("0123456789abcdef0123456789abcdef0123456789", "\"user_id\":\"u\""),
     "\"id\":\"0123456789abcdef0123456789abcdef0123456789\"\n\"user_id\":\"u\"", NULL, NULL, NULL},
};

static const test_line bad[] = {
    /* not_json */
    {"{", NULL, "not_json", NULL, ""},
    {"x", NULL, "not_json", NULL, ""},
    {"{\"id\":\"a\"", NULL, "not_json", NULL, ""},
    {"{\"id\":\"a\",}", NULL, "not_json", NULL, ""},
    {"{\"id\":\"a\"}}", NULL, "not_json", NULL, ""},
    {"{\"id\":\"a\"} {}", NULL, "not_json", NULL, ""},
    {"{\"id\":\"a\" \"b\":true}", NULL, "not_json", NULL, ""},
    {"{\"id\"\"a\"}", NULL, "not_json", NULL, ""},
    {"{id:\"a\"}", NULL, "not_json", NULL, ""},
    {"{'id':'a'}", NULL, "not_json", NULL, ""},
    {"{\"id\":\"a}", NULL, "not_json", NULL, ""},
    {"{\"id\":\"a\\x\"}", NULL, "not_json", NULL, ""},
    {"{\"id\":\"a\tb\"}", NULL, "not_json", NULL, ""},
    {"{\"id\":\"\\ud800\"}", NULL, "not_json", NULL, ""},
    {"{\"id\":\"\\udc00\\ud800\"}", NULL, "not_json", NULL, ""},
    {REST("a", "\"b\":tru"), NULL, "not_json", NULL, ""},
    {REST("a", "\"b\":truee"), NULL, "not_json", NULL, ""},
    {REST("a", "\"i\":01"), NULL, "not_json", NULL, ""},
    {REST("a", "\"i\":+1"), NULL, "not_json", NULL, ""},
    {REST("a", "\"i\":-"), NULL, "not_json", NULL, ""},
    {REST("a", "\"d\":.5"), NULL, "not_json", NULL, ""},
    {REST("a", "\"d\":5."), NULL, "not_json", NULL, ""},
    {REST("a", "\"d\":1e"), NULL, "not_json", NULL, ""},
    {REST("a", "\"d\":1 2"), NULL, "not_json", NULL, ""},
    {REST("a", "\"d\":00"), NULL, "not_json", NULL, ""},
    {REST("a", "\"d\":\"1"), NULL, "not_json", NULL, ""},
    {REST("a", "\"f\":NaN"), NULL, "not_json", NULL, ""},
    {REST("a", "\"l\":[\"p\",]"), NULL, "not_json", NULL, ""},
    {REST("a", "\"l\":[\"p\""), NULL, "not_json", NULL, ""},
    {REST("a", "\"zz\":[1 2]"), NULL, "not_json", NULL, ""},
    {REST("a", "\"zz\":{\"a\":}"), NULL, "not_json", NULL, ""},
    {REST("a", "\"zz\":\"\\u12g4\""), NULL, "not_json", NULL, ""},
    {REST("a", "\"i\":\"wrong\",\"b\":tru"), NULL, "not_json", NULL, ""}, /* a wrong value before broken text */
    /* bad_utf8 */
    {"{\"id\":\"a\xFF\"}", NULL, "bad_utf8", NULL, ""},
    {"{\"id\":\"\xC0\xAF\"}", NULL, "bad_utf8", NULL, ""},
    {"{\"id\":\"\xED\xA0\x80\"}", NULL, "bad_utf8", NULL, ""},
    {"\xFF", NULL, "bad_utf8", NULL, ""},
    /* missing_field */
    {"{}", NULL, "missing_field", "id", "{}"},
    {"{\"id\":null}", NULL, "missing_field", "id", "{\"id\":null}"},
    {"{\"id\":\"\"}", NULL, "missing_field", "id", "{\"id\":\"\"}"},
    {"{\"Id\":\"a\"}", NULL, "missing_field", "id", "{}"},
    /* wrong_type */
    {"[]", NULL, "wrong_type", NULL, ""},
    {"\"u-secret\"", NULL, "wrong_type", NULL, ""},
    {"12", NULL, "wrong_type", NULL, ""},
    {"null", NULL, "wrong_type", NULL, ""},
    {"{\"id\":1}", NULL, "wrong_type", "id", "{\"id\":\"***\"}"},
    {"{\"id\":[\"a\"]}", NULL, "wrong_type", "id", "{\"id\":\"***\"}"},
    {REST("a", "\"b\":\"true\""), NULL, "wrong_type", "b", NULL},
    {REST("a", "\"b\":1"), NULL, "wrong_type", "b", NULL},
    {REST("a", "\"i\":\"1\""), NULL, "wrong_type", "i", NULL},
    {REST("a", "\"i\":1.0"), NULL, "wrong_type", "i", NULL},
    {REST("a", "\"i\":1e2"), NULL, "wrong_type", "i", NULL},
    {REST("a", "\"f\":\"0.5\""), NULL, "wrong_type", "f", NULL},
    {REST("a", "\"d\":true"), NULL, "wrong_type", "d", NULL},
    {REST("a", "\"d\":[1]"), NULL, "wrong_type", "d", NULL},
    {REST("a", "\"s\":1"), NULL, "wrong_type", "s", NULL},
    {REST("a", "\"t\":1772356502"), NULL, "wrong_type", "t", NULL},
    {REST("a", "\"day\":20240229"), NULL, "wrong_type", "day", NULL},
    {REST("a", "\"x\":\"AAE\""), NULL, "wrong_type", "x", NULL},
    {REST("a", "\"x\":\"AAF=\""), NULL, "wrong_type", "x", NULL}, /* bits left over */
    {REST("a", "\"x\":\"A=E=\""), NULL, "wrong_type", "x", NULL},
    {REST("a", "\"l\":\"p\""), NULL, "wrong_type", "l", NULL},
    {REST("a", "\"l\":[\"p\",1]"), NULL, "wrong_type", "l", NULL},
    {REST("a", "\"st\":[]"), NULL, "wrong_type", "st", NULL},
    {REST("a", "\"st\":{\"a\":\"1\"}"), NULL, "wrong_type", "st", NULL},
    /* constraints */
    {REST("a", "\"s\":\"APPROVE\""), NULL, "not_allowed", "s", NULL},
    {REST("a", "\"s\":\"\""), NULL, "not_allowed", "s", NULL},
    {REST("a", "\"c\":\"EURO\""), NULL, "not_allowed", "c", NULL},
    {REST("a", "\"c\":\"eur\""), NULL, "not_allowed", "c", NULL},
    {REST("a", "\"i\":-6"), NULL, "out_of_range", "i", NULL},
    {REST("a", "\"i\":5000000000000000001"), NULL, "out_of_range", "i", NULL},
    {REST("a", "\"i\":9223372036854775808"), NULL, "out_of_range", "i", NULL},
    {REST("a", "\"i\":-99999999999999999999999"), NULL, "out_of_range", "i", NULL},
    {REST("a", "\"f\":1.0000001"), NULL, "out_of_range", "f", NULL},
    {REST("a", "\"f\":-0.1"), NULL, "out_of_range", "f", NULL},
    {REST("a", "\"f\":1e999"), NULL, "out_of_range", "f", NULL},
    {REST("a", "\"dd\":\"-10.5000000001\""), NULL, "out_of_range", "dd", NULL},
    {REST("a", "\"t\":\"1999-12-31T23:59:59.999999Z\""), NULL, "out_of_range", "t", NULL},
    {REST("a", "\"day\":\"2031-01-01\""), NULL, "out_of_range", "day", NULL},
    /* texts */
    {REST("a", "\"t\":\"2026-03-01 09:15:02Z\""), NULL, "bad_timestamp", "t", NULL},
    {REST("a", "\"t\":\"2026-03-01T09:15:02+01:00\""), NULL, "bad_timestamp", "t", NULL},
    {REST("a", "\"t\":\"2026-03-01T09:15:02.1234567Z\""), NULL, "bad_timestamp", "t", NULL},
    {REST("a", "\"t\":\"\""), NULL, "bad_timestamp", "t", NULL},
    {REST("a", "\"day\":\"2023-02-29\""), NULL, "bad_date", "day", NULL},
    {REST("a", "\"day\":\"2024-2-29\""), NULL, "bad_date", "day", NULL},
    {REST("a", "\"d\":1e-5"), NULL, "too_many_decimals", "d", NULL},
    {REST("a", "\"d\":\"1.23456E0\""), NULL, "too_many_decimals", "d", NULL},
    {REST("a", "\"d\":1e14"), NULL, "too_many_digits", "d", NULL},
    {REST("a", "\"d\":-1e999999999"), NULL, "too_many_digits", "d", NULL},
    {REST("a", "\"d\":1e99999999999999999999999999"), NULL, "too_many_digits", "d", NULL},
    {REST("a", "\"d\":\"1e-999999999\""), NULL, "too_many_decimals", "d", NULL},
    {REST("a", "\"d\":\"1e\""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\"1e+\""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\"1e2x\""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\"1.e2\""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\".1e2\""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\"+1e2\""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\"e2\""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\"+1\""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\"\""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\"-\""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\".5\""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\"5.\""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\"1 \""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\"1,5\""), NULL, "bad_decimal", "d", NULL},
    {REST("a", "\"d\":\"12.50000\""), NULL, "too_many_decimals", "d", NULL},
    {REST("a", "\"d\":0.00001"), NULL, "too_many_decimals", "d", NULL},
    {REST("a", "\"d\":100000000000000"), NULL, "too_many_digits", "d", NULL},
    {REST("a", "\"d\":\"-999999999999999999999999999999999999999999\""), NULL, "too_many_digits", "d", NULL},
    {REST("a", "\"st\":{\"m\":[1.005]}"), NULL, "too_many_decimals", "st", NULL},
    /* duplicate_field */
    {"{\"id\":\"a\",\"id\":\"b\"}", NULL, "duplicate_field", "id", "{\"id\":\"a\",\"id\":\"b\"}"},
    {"{\"id\":\"a\",\"b\":null,\"b\":null}", NULL, "duplicate_field", "b", NULL},
    {REST("a", "\"st\":{\"a\":1,\"a\":1}"), NULL, "duplicate_field", "st", NULL},
};

static void check_both_ways(test_codec *codec, const test_line *line) {
  size_t len = strlen(line->text);
  test_decoded *as_block = decode_lines(codec, line->text, len, 1), *as_record = decode_record(codec, line->text, len);
  check_line(as_block, line);
  check_line(as_record, line);
  check_same(as_block, as_record, line->text);
  result_free(as_block);
  result_free(as_record);
}

START_TEST(reads_every_type) {
  test_codec codec;
  CODEC_OPEN(&codec, rich, LS_FORMAT_JSON);
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    test_line line = good[i];
    line.row = row_of(line.row);
    check_both_ways(&codec, &line);
  }
  codec_close(&codec);
}
END_TEST

START_TEST(refuses_with_reason_and_field) {
  test_codec codec;
  CODEC_OPEN(&codec, rich, LS_FORMAT_JSON);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) check_both_ways(&codec, &bad[i]);
  codec_close(&codec);
}
END_TEST

/* All lines of both tables in one block, cut at every place where a block may end. */
START_TEST(bad_lines_leave_their_neighbours_alone) {
  test_codec codec;
  CODEC_OPEN(&codec, rich, LS_FORMAT_JSON);
  ls_buf text = LS_BUF_INIT;
  size_t n_good = sizeof good / sizeof *good, n_bad = sizeof bad / sizeof *bad, n_lines = 0;
  for (size_t i = 0; i < n_good + n_bad; i++) {
    ls__buf_printf(&text, "%s\n", i % 2 == 0 && i / 2 < n_good ? good[i / 2].text : "");
    ls__buf_printf(&text, "%s\n%s", i < n_bad ? bad[i].text : "", i % 5 == 0 ? " \t\r\n" : "");
    n_lines += 2 + (i % 5 == 0);
  }
  test_decoded *whole = decode_lines(&codec, text.ptr, text.len, 100);
  ck_assert_uint_eq(whole->n_rows, n_good);
  ck_assert_uint_eq(whole->n_bads, n_bad);
  size_t row = 0, bad_row = 0;
  int64_t line = 100;
  for (const char *p = text.ptr, *end = p + text.len; p < end; line++) {
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    test_decoded *single = decode_lines(&codec, p, (size_t)(newline - p) + (line & 1), line);
    for (size_t i = 0; i < single->n_rows; i++, row++) {
      ck_assert_int_eq(whole->lines[row], line);
      ck_assert_str_eq(result_row(whole, row), result_row(single, i));
    }
    for (size_t i = 0; i < single->n_bads; i++, bad_row++) {
      ck_assert_int_eq(whole->bads[bad_row].line, line);
      ck_assert_str_eq(whole->bads[bad_row].error, single->bads[i].error);
      ck_assert_str_eq(whole->bads[bad_row].payload, single->bads[i].payload);
    }
    result_free(single);
    p = newline + 1;
  }
  ck_assert_int_eq(line, 100 + (int64_t)n_lines);
  ck_assert_uint_eq(row, n_good);
  ck_assert_uint_eq(bad_row, n_bad);
  result_free(whole);
  ls__buf_fini(&text);
  codec_close(&codec);
}
END_TEST

START_TEST(blank_lines_and_bom_are_no_records) {
  test_codec codec;
  CODEC_OPEN(&codec, rich, LS_FORMAT_JSON);
  static const char text[] = "\xEF\xBB\xBF\n\r\n  \t \n{\"id\":\"a\"}\r\n\n{\"id\":\"b\"}";
  test_decoded *result = decode_lines(&codec, text, sizeof text - 1, 1);
  ck_assert_uint_eq(result->n_rows, 2);
  ck_assert_uint_eq(result->n_bads, 0);
  ck_assert_int_eq(result->lines[0], 4);
  ck_assert_int_eq(result->lines[1], 6);
  result_free(result);
  result = decode_lines(&codec, text, sizeof text - 1, 2); /* a mark is one at the file's start only */
  ck_assert_uint_eq(result->n_bads, 1);
  result_free(result);
  result = decode_lines(&codec, "", 0, 1);
  ck_assert_uint_eq(result->n_rows + result->n_bads, 0);
  result_free(result);
  result = decode_record(&codec, "", 0); /* but an empty message is one */
  ck_assert_uint_eq(result->n_bads, 1);
  result_free(result);
  codec_close(&codec);
}
END_TEST

START_TEST(a_record_may_span_lines) {
  test_codec codec;
  CODEC_OPEN(&codec, rich, LS_FORMAT_JSON);
  static const char text[] = "\n{\n \"id\": \"a\",\n \"l\": [\n\"p\"\n]}\n";
  test_decoded *result = decode_record(&codec, text, sizeof text - 1);
  ck_assert_uint_eq(result->n_rows, 1);
  result_free(result);
  static const char broken[] = "{\"id\":\"a\nb\"}";
  result = decode_record(&codec, broken, sizeof broken - 1);
  ck_assert_uint_eq(result->n_bads, 1);
  ck_assert_str_eq(result->bads[0].reason, "not_json");
  result_free(result);
  codec_close(&codec);
}
END_TEST

/* A NUL ends no text: it is a byte like others, and wrong outside an escape. */
START_TEST(nul_bytes_hide_nothing) {
  test_codec codec;
  CODEC_OPEN(&codec, rich, LS_FORMAT_JSON);
  static const char text[] = "{\"id\":\"a\0b\"}\n{\"id\":\"a\"}\0\n{\"id\":\"a\\u0000b\"}\n";
  test_decoded *result = decode_lines(&codec, text, sizeof text - 1, 1);
  ck_assert_uint_eq(result->n_bads, 2);
  ck_assert_uint_eq(result->n_rows, 1);
  ls_slice id = ls__column_slice(&result->batch->columns[0], 0);
  ck_assert_uint_eq(id.len, 3);
  ck_assert_mem_eq(id.ptr, "a\0b", 3);
  result_free(result);
  codec_close(&codec);
}
END_TEST

/* Fields of any order, changing from line to line, and many of them. */
START_TEST(field_order_is_free) {
  test_field fields[40];
  char names[40][48];
  for (size_t i = 0; i < 40; i++) {
    snprintf(names[i], sizeof names[i], i % 3 ? "f%zu" : "a_rather_long_field_name_%zu" + (i % 2) * 7, i);
    fields[i] = (test_field){names[i], "int64", "!", NULL, NULL, NULL, NULL};
  }
  test_codec codec;
  CODEC_OPEN(&codec, fields, LS_FORMAT_JSON);
  test_rng rng = rng_new();
  ls_buf text = LS_BUF_INIT;
  for (int line = 0; line < 200; line++) {
    size_t order[40];
    for (size_t i = 0; i < 40; i++) order[i] = i;
    for (size_t i = 39; i > 0 && line % 4; i--) {
      size_t k = rng_below(&rng, i + 1), swap = order[i];
      order[i] = order[k];
      order[k] = swap;
    }
    for (size_t i = 0; i < 40; i++) {
      ls__buf_printf(&text, "%s\"%s\":%d", i ? "," : "{", names[order[i]], line * 100 + (int)order[i]);
      if (rng_below(&rng, 10) == 0) ls__buf_printf(&text, ",\"unknown%zu\":[%zu]", i, i);
    }
    ls__buf_puts(&text, "}\n");
  }
  test_decoded *result = decode_lines(&codec, text.ptr, text.len, 1);
  ck_assert_uint_eq(result->n_rows, 200);
  for (int64_t row = 0; row < 200; row++) {
    for (size_t i = 0; i < 40; i++) {
      ck_assert_int_eq(ls__column_i64(&result->batch->columns[i])[row], row * 100 + (int64_t)i);
    }
  }
  result_free(result);
  ls__buf_fini(&text);
  codec_close(&codec);
}
END_TEST

START_TEST(nesting_is_bounded) {
  test_codec codec;
  CODEC_OPEN(&codec, rich, LS_FORMAT_JSON);
  for (int depth = 60; depth < 70; depth++) {
    ls_buf text = LS_BUF_INIT;
    ls__buf_puts(&text, "{\"id\":\"a\",\"zz\":");
    for (int i = 0; i < depth; i++) ls__buf_putc(&text, '[');
    for (int i = 0; i < depth; i++) ls__buf_putc(&text, ']');
    ls__buf_putc(&text, '}');
    test_decoded *result = decode_lines(&codec, text.ptr, text.len, 1);
    ck_assert_uint_eq(result->n_rows, depth < LS_JSON_DEPTH_MAX);
    result_free(result);
    ls__buf_fini(&text);
  }
  ls_buf deep = LS_BUF_INIT;
  for (int i = 0; i < 1000000; i++) ls__buf_putc(&deep, i & 1 ? '[' : '[');
  test_decoded *result = decode_lines(&codec, deep.ptr, deep.len, 1);
  ck_assert_uint_eq(result->n_bads, 1);
  result_free(result);
  ls__buf_fini(&deep);
  codec_close(&codec);
}
END_TEST

START_TEST(fields_not_wanted_are_checked_but_null) {
  static const test_field fields[] = {{"id", "string", "!k", NULL, NULL, NULL, NULL},
                                      {"d", "decimal(18,4)", "!", NULL, NULL, NULL, NULL},
                                      {"s", "string", "!", "A,B", NULL, NULL, NULL}};
  ls_arena arena;
  ls__arena_init(&arena, 0);
  uint64_t wanted = 1;
  ls_decoder_opts opts = {.format = LS_FORMAT_JSON, .wanted = &wanted};
  test_codec codec = {.schema = test_schema(&arena, fields, 3)};
  ck_assert_int_eq(ls__decoder_new(&codec.decoder, codec.schema, &opts, NULL), LS_OK);
  static const char text[] = "{\"id\":\"a\",\"d\":1,\"s\":\"A\"}\n{\"id\":\"a\",\"d\":\"x\",\"s\":\"A\"}\n"
                             "{\"id\":\"a\",\"d\":1}\n{\"id\":\"a\",\"d\":1,\"s\":\"C\"}\n";
  test_decoded *result = decode_lines(&codec, text, sizeof text - 1, 1);
  ck_assert_uint_eq(result->n_rows, 1);
  ck_assert_uint_eq(result->n_bads, 3);
  ck_assert_str_eq(result_row(result, 0), "{\"id\":\"a\",\"d\":null,\"s\":null}");
  result_free(result);
  ls__decoder_free(codec.decoder);
  ls__arena_fini(&arena);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(reads_every_type),
      TEST_CASE(refuses_with_reason_and_field),
      TEST_CASE(bad_lines_leave_their_neighbours_alone),
      TEST_CASE(blank_lines_and_bom_are_no_records),
      TEST_CASE(a_record_may_span_lines),
      TEST_CASE(nul_bytes_hide_nothing),
      TEST_CASE(field_order_is_free),
      TEST_CASE(nesting_is_bounded),
      TEST_CASE(fields_not_wanted_are_checked_but_null),
  };
  return RUN_TESTS("json_decode", cases);
}
