/**
 * @file bench_codec.c
 * Nanoseconds of CPU per record of the decoders and encoders, on one core. Not a test: prints
 * figures. Usage: bench_codec [records per round, default 20000] [rounds, default 40]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "codec/codec.h"
#include "codec/decoder.h"

static ls_type amount_type = {.kind = LS_DECIMAL, .precision = 18, .scale = 4};
static const char *const statuses[] = {"PENDING", "APPROVED", "DECLINED", "REFUNDED"};

static ls_field txn_fields[] = {
    {.name = "transaction_id", .type = &ls__type_string},
    {.name = "merchant_id", .type = &ls__type_string},
    {.name = "user_id", .type = &ls__type_string, .sensitive = true},
    {.name = "amount", .type = &amount_type},
    {.name = "currency", .type = &ls__type_string, .pattern = "[A-Z]{3}"},
    {.name = "status", .type = &ls__type_string, .one_of = statuses, .n_one_of = 4},
    {.name = "timestamp", .type = &ls__type_timestamp},
};
static uint32_t first_key[] = {0};
static const ls_schema txn_schema = {"transactions", txn_fields, 7, first_key, 1, 6};

static ls_field statement_fields[] = {
    {.name = "statement_id", .type = &ls__type_string}, {.name = "transaction_id", .type = &ls__type_string},
    {.name = "posting_date", .type = &ls__type_date},   {.name = "amount_posted", .type = &amount_type},
    {.name = "fee_charged", .type = &amount_type},
};
static const ls_schema statement_schema = {"statements", statement_fields, 5, first_key, 1, 2};

static ls_field signal_fields[] = {
    {.name = "fraud_signal_id", .type = &ls__type_string},
    {.name = "transaction_id", .type = &ls__type_string},
    {.name = "fraud_score", .type = &ls__type_float64, .min = "0", .max = "1"},
    {.name = "model_version", .type = &ls__type_string},
    {.name = "inference_time", .type = &ls__type_timestamp},
};
static const ls_schema signal_schema = {"fraud_signals", signal_fields, 5, first_key, 1, 4};

static void put_transaction(ls_buf *out, int i) {
  ls__buf_printf(out,
                 "{\"transaction_id\":\"txn_%012d\",\"merchant_id\":\"mer_%06d\",\"user_id\":\"usr_%010d\","
                 "\"amount\":\"%d.%02d\",\"currency\":\"USD\",\"status\":\"%s\","
                 "\"timestamp\":\"2026-03-01T09:%02d:%02d.%06dZ\"}\n",
                 i, i % 9973, i * 31 % 1000003, i % 9999, i % 100, statuses[i & 3], i % 60, i % 59, i * 7919 % 1000000);
}

static void put_spaced(ls_buf *out, int i) {
  ls__buf_printf(out,
                 "{\"transaction_id\": \"txn_%012d\", \"merchant_id\": \"mer_%06d\", \"user_id\": "
                 "\"usr_%010d\", "
                 "\"amount\": %d.%02d, \"currency\": \"EUR\", \"status\": \"%s\", "
                 "\"timestamp\": \"2026-03-01T09:%02d:%02dZ\", \"channel\": \"web\"}\n",
                 i, i % 9973, i * 31 % 1000003, i % 9999, i % 100, statuses[i & 3], i % 60, i % 59);
}

static void put_signal(ls_buf *out, int i) {
  ls__buf_printf(out,
                 "{\"fraud_signal_id\":\"sig_%012d\",\"transaction_id\":\"txn_%012d\",\"fraud_score\":0.%04d,"
                 "\"model_version\":\"v3.2.1\",\"inference_time\":\"2026-03-01T09:%02d:%02d.%03dZ\"}\n",
                 i, i, i % 10000, i % 60, i % 59, i % 1000);
}

static void put_statement(ls_buf *out, int i) {
  ls__buf_printf(out, "st_%012d,txn_%012d,2026-03-%02d,%d.%02d,0.%02d\r\n", i, i, i % 28 + 1, i % 9999, i % 100,
                 i % 99);
}

static void put_quoted(ls_buf *out, int i) {
  ls__buf_printf(out, "\"st_%012d\",\"txn_%012d\",\"2026-03-%02d\",\"%d.%02d\",\"0.%02d\"\r\n", i, i, i % 28 + 1,
                 i % 9999, i % 100, i % 99);
}

static int64_t cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void on_bad(void *payload, const ls_bad_record *bad) {
  (void)payload;
  fprintf(stderr, "bench_codec: line %lld: %s\n", (long long)bad->line, bad->error);
  exit(1);
}

static void bench_decode(const char *name, const ls_schema *schema, ls_format format, void (*put)(ls_buf *, int),
                         const char *header, int n, int rounds) {
  ls_buf text = LS_BUF_INIT;
  for (int i = 0; i < n; i++) put(&text, i);
  size_t len = text.len;
  ls__buf_reserve(&text, LS_JSON_PADDING);
  memset(text.ptr + len, 0, LS_JSON_PADDING);
  ls_decoder *decoder;
  ls_error err = LS_ERROR_INIT;
  ls_decoder_opts opts = {.format = format};
  if (ls__decoder_new(&decoder, schema, &opts, &err) < 0) exit(1);
  if (header && ls__decoder_csv_header(decoder, ls__slice_of(header), &err) < 0) exit(1);
  int64_t *lines = ls__calloc((size_t)n + 2, sizeof *lines), best = INT64_MAX;
  ls_arena arena;
  ls__arena_init(&arena, 1 << 20);
  for (int round = 0; round < rounds; round++) {
    ls__arena_reset(&arena);
    ls_batch *batch = ls__batch_new(schema, &arena, n + 1);
    int64_t start = cpu_ns();
    ls_slice block = {text.ptr, len};
    if (format == LS_FORMAT_CSV) {
      ls__decode_csv(batch, lines, decoder, block, 2, on_bad, NULL, &err);
    } else {
      ls__decode_json_lines(batch, lines, decoder, block, 1, on_bad, NULL, &err);
    }
    int64_t took = cpu_ns() - start;
    if (took < best) best = took;
    if (batch->n_rows != n) exit(1);
  }
  printf("%-34s %4zu bytes %7.1f ns per record %6.0f MB/s\n", name, len / (size_t)n, (double)best / n,
         (double)len * 1e3 / (double)best);
  ls__arena_fini(&arena);
  ls__free(lines);
  ls__decoder_free(decoder);
  ls__buf_fini(&text);
}

static void bench_encode(int n, int rounds) {
  ls_buf text = LS_BUF_INIT, out = LS_BUF_INIT;
  for (int i = 0; i < n; i++) put_transaction(&text, i);
  size_t len = text.len;
  ls__buf_reserve(&text, LS_JSON_PADDING);
  ls_decoder *decoder;
  ls_decoder_opts opts = {.format = LS_FORMAT_JSON};
  if (ls__decoder_new(&decoder, &txn_schema, &opts, NULL) < 0) exit(1);
  int64_t *lines = ls__calloc((size_t)n + 2, sizeof *lines), best[2] = {INT64_MAX, INT64_MAX};
  ls_arena arena;
  ls__arena_init(&arena, 1 << 20);
  ls_batch *batch = ls__batch_new(&txn_schema, &arena, n + 1);
  ls__decode_json_lines(batch, lines, decoder, (ls_slice){text.ptr, len}, 1, on_bad, NULL, NULL);
  for (int round = 0; round < rounds * 2; round++) {
    ls__buf_clear(&out);
    int64_t start = cpu_ns();
    for (int64_t i = 0; i < batch->n_rows; i++) {
      if (round & 1)
        ls__encode_csv(&out, batch, i);
      else
        ls__encode_json(&out, batch, i);
    }
    int64_t took = cpu_ns() - start;
    if (took < best[round & 1]) best[round & 1] = took;
  }
  printf("%-34s            %7.1f ns per record\n", "encode JSON, transactions", (double)best[0] / n);
  printf("%-34s            %7.1f ns per record\n", "encode CSV, transactions", (double)best[1] / n);
  ls__arena_fini(&arena);
  ls__free(lines);
  ls__decoder_free(decoder);
  ls__buf_fini(&text);
  ls__buf_fini(&out);
}

int main(int argc, char **argv) {
  int n = argc > 1 ? atoi(argv[1]) : 20000, rounds = argc > 2 ? atoi(argv[2]) : 40;
  static const char header[] = "statement_id,transaction_id,posting_date,amount_posted,fee_charged\r\n";
  bench_decode("JSON lines, transactions", &txn_schema, LS_FORMAT_JSON, put_transaction, NULL, n, rounds);
  bench_decode("JSON lines, spaced, extra field", &txn_schema, LS_FORMAT_JSON, put_spaced, NULL, n, rounds);
  bench_decode("JSON lines, fraud signals", &signal_schema, LS_FORMAT_JSON, put_signal, NULL, n, rounds);
  bench_decode("CSV, statements", &statement_schema, LS_FORMAT_CSV, put_statement, header, n, rounds);
  bench_decode("CSV, statements, all quoted", &statement_schema, LS_FORMAT_CSV, put_quoted, header, n, rounds);
  bench_encode(n, rounds);
  return 0;
}
