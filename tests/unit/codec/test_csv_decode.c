/** @file test_csv_decode.c  CSV: headers, quotes, line ends, cutting of blocks, bad records. */
#include <string.h>

#include "helper_codec.h"

static const test_field fields[] = {
    {"statement_id", "string", "!k", NULL, NULL, NULL, NULL},
    {"posting_date", "date", "!", NULL, NULL, NULL, NULL},
    {"amount_posted", "decimal(18,4)", "!", NULL, NULL, NULL, NULL},
    {"fee_charged", "decimal(18,4)", NULL, NULL, NULL, "0", NULL},
    {"memo", "string", NULL, NULL, NULL, NULL, NULL},
    {"iban", "string", "*", NULL, "[A-Z]{2}[0-9]+", NULL, NULL},
    {"flags", "list<string>", NULL, NULL, NULL, NULL, NULL},
};
static const char header[] = "statement_id,posting_date,amount_posted,fee_charged,memo,iban,flags,other\r\n";

static void open_with(test_codec *codec, const char *text) {
  CODEC_OPEN(codec, fields, LS_FORMAT_CSV);
  ls_error err = LS_ERROR_INIT;
  ck_assert_msg(ls__decoder_csv_header(codec->decoder, ls__slice_of(text), &err) == LS_OK, "%s", err.message);
}

#define ROW(id, amount, fee, memo, iban, flags)                                                                        \
  "{\"statement_id\":\"" id "\",\"posting_date\":\"2026-03-01\",\"amount_posted\":\"" amount "\",\"fee_charged\":" fee \
  ",\"memo\":" memo ",\"iban\":" iban ",\"flags\":" flags "}"

static const test_line table[] = {
    {"s1,2026-03-01,12.5,0.10,hello,DE1,[],x\r\n", ROW("s1", "12.5000", "\"0.1000\"", "\"hello\"", "\"DE1\"", "[]"),
     NULL, NULL, NULL},
    {"s1,2026-03-01,-7,,,,,\n", ROW("s1", "-7.0000", "null", "null", "null", "null"), NULL, NULL, NULL},
    {"s1,2026-03-01,-7,,,,,", ROW("s1", "-7.0000", "null", "null", "null", "null"), NULL, NULL, NULL},
    {"s1,2026-03-01,-7,,,,,\r", ROW("s1", "-7.0000", "null", "null", "null", "null"), NULL, NULL, NULL},
    {"\"s1\",\"2026-03-01\",\"-7\",,\"\",\"DE1\",\"[\"\"a\"\",null]\",\"\"\r\n",
     ROW("s1", "-7.0000", "null", "\"\"", "\"DE1\"", "[\"a\",null]"), NULL, NULL, NULL},
    {"s1,2026-03-01,1,,\"a,\"\"b\"\"\r\nc\",,,\"x\r\ny\"\r\n",
     ROW("s1", "1.0000", "null", "\"a,\\\"b\\\"\\r\\nc\"", "null", "null"), NULL, NULL, NULL},
    {"s1,2026-03-01,1,, a\rb ,,,\n", ROW("s1", "1.0000", "null", "\" a\\rb \"", "null", "null"), NULL, NULL, NULL},
    {"s1,2026-03-01,1,,\"\"\"\",,,\n", ROW("s1", "1.0000", "null", "\"\\\"\"", "null", "null"), NULL, NULL, NULL},
    {"0123456789abcdefghij,2026-03-01,1,,0123456789abcdefghijklmnopqrstuvwxyz,,,\n",
     ROW("0123456789abcdefghij", "1.0000", "null", "\"0123456789abcdefghijklmnopqrstuvwxyz\"", "null", "null"), NULL,
     NULL, NULL},
    /* values */
    {",2026-03-01,1,,,,,\n", NULL, "missing_field", "statement_id", NULL},
    {"\"\",2026-03-01,1,,,,,\n", NULL, "missing_field", "statement_id", NULL},
    {"s1,,1,,,,,\n", NULL, "missing_field", "posting_date",
     "{\"statement_id\":\"s1\",\"posting_date\":null,\"amount_posted\":\"1\",\"fee_charged\":null,"
     "\"memo\":null,"
     "\"iban\":\"***\",\"flags\":null}"},
    {"s1,\"\",1,,,,,\n", NULL, "missing_field", "posting_date", NULL},
    {"s1,2026-02-30,1,,,,,\n", NULL, "bad_date", "posting_date", NULL},
    {"s1,2026-03-01,1.00000,,,,,\n", NULL, "too_many_decimals", "amount_posted", NULL},
    {"s1,2026-03-01,123456789012345,,,,,\n", NULL, "too_many_digits", "amount_posted", NULL},
    {"s1,2026-03-01, 1,,,,,\n", NULL, "bad_decimal", "amount_posted", NULL},
    {"s1,2026-03-01,1e-5,,,,,\n", NULL, "too_many_decimals", "amount_posted", NULL},
    {"s1,2026-03-01,1,-0.01,,,,\n", NULL, "out_of_range", "fee_charged", NULL},
    {"s1,2026-03-01,1,,,,[1],\n", NULL, "wrong_type", "flags", NULL},
    {"s1,2026-03-01,1,,,,\"[\"\"a\"\"]x\",\n", NULL, "wrong_type", "flags", NULL},
    {"s1,2026-03-01,1,,of DE77-SECRET,DE77-SECRET,,\"a\"\"b\"\n", NULL, "not_allowed", "iban",
     "{\"statement_id\":\"s1\",\"posting_date\":\"2026-03-01\",\"amount_posted\":\"1\",\"fee_"
     "charged\":null,"
     "\"memo\":\"***\",\"iban\":\"***\",\"flags\":null}"},
    /* form */
    {"s1,2026-03-01,1,,,,\n", NULL, "csv_columns", NULL, ""},
    {"s1,2026-03-01,1,,,,,,\n", NULL, "csv_columns", NULL, ""},
    {"s1\n", NULL, "csv_columns", NULL, ""},
    {"s\"1,2026-03-01,1,,,,,\n", NULL, "csv_quotes", NULL, ""},
    {"\"s1\"x,2026-03-01,1,,,,,\n", NULL, "csv_quotes", NULL, ""},
    {"\"s1\" ,2026-03-01,1,,,,,\n", NULL, "csv_quotes", NULL, ""},
    {"s1,2026-03-01,1,,,,,\"\n", NULL, "csv_quotes", NULL, ""},
    {"s1,2026-03-01,1,,,,,\"a\"\"\n", NULL, "csv_quotes", NULL, ""},
    {"s1,2026-03-01,1,,\xC3(,,,\n", NULL, "bad_utf8", NULL, ""},
};

START_TEST(reads_and_refuses) {
  test_codec codec;
  open_with(&codec, header);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    test_decoded *result = decode_csv(&codec, table[i].text, strlen(table[i].text), 1);
    check_line(result, &table[i]);
    if (result->n_bads) ck_assert_ptr_null(strstr(result->bads[0].error, "SECRET"));
    result_free(result);
  }
  codec_close(&codec);
}
END_TEST

/* The table as one file, read in pieces of every small size: the same rows, reports and lines. */
START_TEST(blocks_may_end_anywhere) {
  test_codec codec;
  open_with(&codec, header);
  ls_buf file = LS_BUF_INIT;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const char *text = table[i].text;
    size_t len = strlen(text);
    if (text[len - 1] != '\n' || strchr("\"", text[len - 2])) continue; /* those at the end of a file */
    ls__buf_append(&file, text, len);
    if (i % 3 == 0) ls__buf_puts(&file, i % 2 ? "\r\n" : "\n");
  }
  ls__buf_puts(&file, "s9,2026-03-01,1,,\"open\n,,,\n");
  test_decoded *whole = decode_csv(&codec, file.ptr, file.len, 2);
  ck_assert_uint_eq(whole->n_rows, 7);
  ck_assert_str_eq(whole->bads[whole->n_bads - 1].reason, "csv_quotes");
  for (size_t step = 1; step < 200; step++) {
    size_t start = 0, have = 0, row = 0, bad = 0;
    int64_t line = 2;
    while (start < file.len) {
      have = start + have + step > file.len ? file.len - start : have + step;
      bool eof = start + have == file.len;
      int64_t n_lines;
      size_t cut = ls__csv_block_end((ls_slice){file.ptr + start, have}, eof, &n_lines);
      ck_assert_uint_le(cut, have);
      if (cut == 0) continue;
      test_decoded *part = decode_csv(&codec, file.ptr + start, cut, line);
      for (size_t i = 0; i < part->n_rows; i++, row++) {
        ck_assert_int_eq(part->lines[i], whole->lines[row]);
        ck_assert_str_eq(result_row(part, i), result_row(whole, row));
      }
      for (size_t i = 0; i < part->n_bads; i++, bad++) {
        ck_assert_int_eq(part->bads[i].line, whole->bads[bad].line);
        ck_assert_str_eq(part->bads[i].error, whole->bads[bad].error);
      }
      result_free(part);
      line += n_lines;
      start += cut;
      have -= cut;
    }
    ck_assert_uint_eq(row, whole->n_rows);
    ck_assert_uint_eq(bad, whole->n_bads);
  }
  result_free(whole);
  ls__buf_fini(&file);
  codec_close(&codec);
}
END_TEST

START_TEST(one_stray_quote_costs_one_record) {
  test_codec codec;
  open_with(&codec, "statement_id,posting_date,amount_posted\n");
  static const char text[] = "s1,2026-03-01,1\n12\" pipe,2026-03-01,1\ns3,2026-03-01,\"1\ns4,2026-03-01,1\"\n\n"
                             "s6,2026-03-01,1\n";
  test_decoded *result = decode_csv(&codec, text, sizeof text - 1, 10);
  ck_assert_uint_eq(result->n_rows, 2);
  ck_assert_uint_eq(result->n_bads, 2);
  ck_assert_int_eq(result->bads[0].line, 11);
  ck_assert_int_eq(result->bads[1].line, 12); /* where the record begins */
  ck_assert_int_eq(result->lines[1], 15);
  result_free(result);
  codec_close(&codec);
}
END_TEST

static void check_header(const char *text, const char *part) {
  test_codec codec;
  CODEC_OPEN(&codec, fields, LS_FORMAT_CSV);
  ls_error err = LS_ERROR_INIT;
  int rc = ls__decoder_csv_header(codec.decoder, ls__slice_of(text), &err);
  ck_assert_int_eq(rc, part ? LS_EDATA : LS_OK);
  if (part) ck_assert_msg(strstr(err.message, part) != NULL, "%s: %s", text, err.message);
  codec_close(&codec);
}

START_TEST(headers_name_the_columns) {
  check_header("amount_posted,posting_date,statement_id", NULL);
  check_header("\xEF\xBB\xBFstatement_id,posting_date,amount_posted\n", NULL);
  check_header("\"statement_id\",\"a,\"\"b\"\"\",posting_date,amount_posted\r\n", NULL);
  check_header("statement_id,amount_posted\r\n", "'posting_date'");
  check_header("Statement_Id,posting_date,amount_posted\n", "'statement_id'");
  check_header("statement_id,posting_date,amount_posted,x,x\n", "twice (columns 4 and 5)");
  check_header("statement_id,posting_date,amount_posted,statement_id\n", "'statement_id' twice");
  check_header("STATEMENT_ID,posting_date,amount_posted\n", "upper and lower case");
  check_header("statement_id, posting_date,amount_posted\n", "without blanks");
  check_header("statement_id;posting_date;amount_posted\n", "separated by ',', not ';'");
  check_header("s1,2026-03-01,12.50\n", "no column 'statement_id'");
  check_header("\xFF\xFEs\0t\0", "UTF-16");
  check_header("statement_id,posting_date,\"amount_posted\n", "quote");
  check_header("statement_id,posting_date,amount_posted,\xFF\n", "UTF-8");
  check_header("\r\n", "missing");
  check_header("", "missing");
}
END_TEST

START_TEST(columns_go_by_name_in_any_order) {
  test_codec codec;
  open_with(&codec, "memo,amount_posted,x,statement_id,posting_date\n");
  static const char text[] = "m,1,y,s1,2026-03-01\n";
  test_decoded *result = decode_csv(&codec, text, sizeof text - 1, 2);
  ck_assert_uint_eq(result->n_rows, 1);
  ck_assert_str_eq(result_row(result, 0), ROW("s1", "1.0000", "null", "\"m\"", "null", "null"));
  result_free(result);
  /* a second file with another header */
  ck_assert_int_eq(ls__decoder_csv_header(codec.decoder, ls__slice_of("posting_date,amount_posted,statement_id"), NULL),
                   LS_OK);
  result = decode_csv(&codec, "2026-03-01,2,s2", 15, 2);
  ck_assert_uint_eq(result->n_rows, 1);
  result_free(result);
  codec_close(&codec);
}
END_TEST

START_TEST(records_before_a_header_are_a_mistake_of_the_caller) {
  test_codec codec;
  CODEC_OPEN(&codec, fields, LS_FORMAT_CSV);
  ls_batch *batch = ls__batch_new(codec.schema, &codec.arena, 0);
  int64_t lines[2];
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls__decode_csv(batch, lines, codec.decoder, ls__slice_of("a\n"), 1, NULL, NULL, &err), LS_EINVAL);
  codec_close(&codec);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(reads_and_refuses),
      TEST_CASE(blocks_may_end_anywhere),
      TEST_CASE(one_stray_quote_costs_one_record),
      TEST_CASE(headers_name_the_columns),
      TEST_CASE(columns_go_by_name_in_any_order),
      TEST_CASE(records_before_a_header_are_a_mistake_of_the_caller),
  };
  return RUN_TESTS("csv_decode", cases);
}
