/**
 * @file test_json_reference.c
 * What is JSON and what is not: 1400 lines with the verdict of another implementation
 * (json_reference.py), and flipped bytes, where the fast way through a line must say what the slow
 * way says.
 */
#include <string.h>

#include "base/alloc.h"
#include "helper_codec.h"

static const test_field fields[] = {
    {"a", "int64", NULL, NULL, NULL, NULL, NULL},
    {"s", "string", NULL, NULL, NULL, NULL, NULL},
    {"d", "decimal(18,4)", NULL, NULL, NULL, NULL, NULL},
    {"l", "list<string>", NULL, NULL, NULL, NULL, NULL},
    {"t", "timestamp", NULL, NULL, NULL, NULL, NULL},
    {"b", "bool", NULL, NULL, NULL, NULL, NULL},
    {"f", "float64", NULL, NULL, NULL, NULL, NULL},
    {"m", "struct<k: list<float64>>", NULL, NULL, NULL, NULL, NULL},
};

/* The test's own folder, wherever the test is started. */
static char *read_reference(size_t *len) {
  const char *root = getenv("SOURCE_DIR");
  char path[1024];
  snprintf(path, sizeof path, "%s/tests/unit/codec/json_reference.dat", root ? root : ".");
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "%s can't be read", path);
  char *text = ls__alloc(1 << 20);
  *len = fread(text, 1, 1 << 20, file);
  fclose(file);
  ck_assert_uint_lt(*len, 1 << 20);
  return text;
}

static bool is_json(const test_decoded *result) {
  return result->n_rows == 1 ||
         (strcmp(result->bads[0].reason, "not_json") != 0 && strcmp(result->bads[0].reason, "bad_utf8") != 0);
}

START_TEST(agrees_with_another_parser) {
  test_codec codec;
  CODEC_OPEN(&codec, fields, LS_FORMAT_JSON);
  size_t len, n = 0, n_json = 0;
  char *text = read_reference(&len);
  for (const char *p = text, *end = text + len; p < end; n++) {
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    test_decoded *result = decode_lines(&codec, p + 2, (size_t)(newline - p) - 2, 1);
    ck_assert_uint_eq(result->n_rows + result->n_bads, 1);
    ck_assert_msg(is_json(result) == (*p == 'V'), "%.*s: %s", (int)(newline - p), p,
                  result->n_bads ? result->bads[0].error : "a row");
    n_json += is_json(result);
    result_free(result);
    p = newline + 1;
  }
  ck_assert_uint_ge(n, 1400);
  ck_assert_uint_ge(n_json, 500);
  ls__free(text);
  codec_close(&codec);
}
END_TEST

/* -- flipped bytes ----------------------------------------------------------------------------- */

static const test_field txn[] = {
    {"transaction_id", "string", "!k", NULL, NULL, NULL, NULL},
    {"user_id", "string", "!*", NULL, NULL, NULL, NULL},
    {"amount", "decimal(18,4)", "!", NULL, NULL, NULL, NULL},
    {"currency", "string", "!", NULL, "[A-Z]{3}", NULL, NULL},
    {"status", "string", "!", "PENDING,APPROVED,DECLINED,REFUNDED", NULL, NULL, NULL},
    {"timestamp", "timestamp", "!", NULL, NULL, NULL, NULL},
    {"score", "float64", NULL, NULL, NULL, "0", "1"},
    {"tags", "list<string>", NULL, NULL, NULL, NULL, NULL},
};
static const char *const lines[] = {
    "{\"transaction_id\":\"txn_01\",\"user_id\":\"usr_0042\",\"amount\":\"12.50\",\"currency\":"
    "\"USD\","
    "\"status\":\"APPROVED\",\"timestamp\":\"2026-03-01T09:15:02.125Z\",\"score\":0.25,\"tags\":["
    "\"a\",\"b\"]}",
    "{\"transaction_id\": \"t\\u00e9\\n\", \"user_id\": \"usr_\xC3\xA9\", \"amount\": -7, "
    "\"currency\": \"EUR\", "
    "\"status\": \"PENDING\", \"timestamp\": \"2026-03-01T09:15:02Z\", \"extra\": {\"a\": [1, "
    "null]}}",
};
static const char neighbour[] = "{\"transaction_id\":\"n\",\"user_id\":\"v\",\"amount\":1,"
                                "\"currency\":\"USD\",\"status\":\"PENDING\","
                                "\"timestamp\":\"2026-03-01T09:15:02Z\"}\n";

/* The decoder with its short cuts taken away: no expected names, and each record alone. */
static void open_slow(test_codec *slow) {
  CODEC_OPEN(slow, txn, LS_FORMAT_JSON);
  for (uint32_t i = 0; i < slow->decoder->n_fields; i++) slow->decoder->plans[i].quoted_len = 0;
}

static void check_between_neighbours(test_codec *fast, test_codec *slow, const char *line, size_t len) {
  char block[1024];
  size_t n = sizeof neighbour - 1;
  memcpy(block, neighbour, n);
  memcpy(block + n, line, len);
  block[n + len] = '\n';
  memcpy(block + n + len + 1, neighbour, n);
  test_decoded *many = decode_lines(fast, block, n + len + 1 + n, 1), *one = decode_record(slow, line, len);
  ck_assert_msg(many->n_rows == 2 + one->n_rows && many->n_bads == one->n_bads, "%.*s: %zu rows, %zu rows alone (%s)",
                (int)len, line, many->n_rows, one->n_rows, one->n_bads ? one->bads[0].error : many->bads[0].error);
  if (one->n_rows) {
    ck_assert_str_eq(result_row(many, 1), result_row(one, 0));
    ck_assert_int_eq(many->lines[1], 2);
  } else {
    ck_assert_int_eq(many->bads[0].line, 2);
    ck_assert_str_eq(many->bads[0].reason, one->bads[0].reason);
    ck_assert_str_eq(many->bads[0].error, one->bads[0].error);
    ck_assert_str_eq(many->bads[0].payload, one->bads[0].payload);
  }
  ck_assert_str_eq(result_row(many, 0), result_row(many, many->n_rows - 1));
  result_free(many);
  result_free(one);
}

START_TEST(flipped_bytes_read_the_same_both_ways) {
  static const char other[] = "\"\\{}[]:, 0-.e\x01\x80\xFFZ";
  test_codec fast, slow;
  CODEC_OPEN(&fast, txn, LS_FORMAT_JSON);
  open_slow(&slow);
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    size_t len = strlen(lines[i]);
    char line[512];
    check_between_neighbours(&fast, &slow, lines[i], len);
    for (size_t at = 0; at < len; at++) {
      for (size_t k = 0; k < sizeof other - 1; k++) { /* replaced */
        memcpy(line, lines[i], len);
        line[at] = other[k];
        check_between_neighbours(&fast, &slow, line, len);
      }
      memcpy(line, lines[i], at); /* left out */
      memcpy(line + at, lines[i] + at + 1, len - at - 1);
      check_between_neighbours(&fast, &slow, line, len - 1);
      if (at > 0) check_between_neighbours(&fast, &slow, lines[i], at); /* cut */
    }
  }
  codec_close(&fast);
  codec_close(&slow);
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(agrees_with_another_parser), TEST_CASE(flipped_bytes_read_the_same_both_ways)};
  return RUN_TESTS("json_reference", cases);
}
