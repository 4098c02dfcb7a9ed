/**
 * @file fuzz_json.c
 * Any bytes through the JSON decoder. Each line that is not blank gives one row or one report; a
 * line alone gives the same; no report shows a planted sensitive value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/codec.h"
#include "codec/decoder.h"

#define SECRET "S3CR3T-0123456789"

typedef struct seen {
  int64_t n_bads;
  int64_t last_line;
} seen;

static void fail(const char *what) {
  fprintf(stderr, "fuzz_json: %s\n", what);
  abort();
}

static bool holds(ls_slice text, const char *part) {
  size_t len = strlen(part);
  for (size_t i = 0; i + len <= text.len; i++) {
    if (memcmp(text.ptr + i, part, len) == 0) return true;
  }
  return false;
}

static void on_bad(void *payload, const ls_bad_record *bad) {
  seen *s = payload;
  s->n_bads++;
  if (bad->line <= s->last_line) fail("reports are not in the order of the lines");
  s->last_line = bad->line;
  if (!bad->reason || !bad->error[0]) fail("a report says nothing");
  if (!ls__utf8_valid(bad->payload) || !ls__utf8_valid(ls__slice_of(bad->error))) fail("a report is not UTF-8");
}

static void on_bad_planted(void *payload, const ls_bad_record *bad) {
  on_bad(payload, bad);
  if (holds(bad->payload, SECRET) || holds(ls__slice_of(bad->error), SECRET)) fail("a report shows the secret");
}

static const ls_schema *rich_schema(ls_arena *arena) {
  static const char *const types[][2] = {{"id", "string"},
                                         {"user_id", "string"},
                                         {"d", "decimal(18,4)"},
                                         {"i", "int64"},
                                         {"f", "float64"},
                                         {"b", "bool"},
                                         {"t", "timestamp"},
                                         {"day", "date"},
                                         {"x", "bytes"},
                                         {"l", "list<string>"},
                                         {"s", "string"},
                                         {"c", "string"},
                                         {"st", "struct<a: int64, m: list<decimal(6,2)>>"}};
  static const char *const one_of[] = {"PENDING", "APPROVED"};
  static uint32_t key = 0;
  uint32_t n = sizeof types / sizeof *types;
  ls_schema *schema = LS_ARENA_NEW(arena, ls_schema);
  *schema = (ls_schema){"fuzz", LS_ARENA_ARRAY(arena, ls_field, n), n, &key, 1, -1};
  for (uint32_t i = 0; i < n; i++) {
    ls_field *field = &schema->fields[i];
    field->name = types[i][0];
    field->nullable = i != 0;
    if (ls__type_parse(&field->type, arena, ls__slice_of(types[i][1]), NULL) < 0) fail("a type is wrong");
  }
  schema->fields[1].sensitive = true;
  schema->fields[4].min = "0";
  schema->fields[10].one_of = one_of;
  schema->fields[10].n_one_of = 2;
  schema->fields[11].pattern = "[A-Z]{3}";
  return schema;
}

static bool is_blank(const char *p, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r') return false;
  }
  return true;
}

/* Decodes size bytes in a block of exactly that much and its padding. */
static ls_batch *decode(ls_decoder *decoder, ls_arena *arena, const char *data, size_t size, ls_bad_record_fn fn,
                        seen *s) {
  char *block = ls__alloc(size + LS_JSON_PADDING);
  memcpy(block, data, size);
  memset(block + size, '"', LS_JSON_PADDING);
  ls_batch *batch = ls__batch_new(decoder->schema, arena, 0);
  int64_t *lines = LS_ARENA_ARRAY(arena, int64_t, size + 2);
  if (ls__decode_json_lines(batch, lines, decoder, (ls_slice){block, size}, 2, fn, s, NULL) < 0) fail("it gave up");
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) {
    if (batch->columns[i].n_rows != batch->n_rows) fail("columns have different lengths");
  }
  ls__free(block);
  return batch;
}

/* Lines one by one, against the rows of the whole block. */
static void check_lines(ls_decoder *decoder, ls_arena *arena, const ls_batch *batch, const char *data, size_t size,
                        int64_t n_bads) {
  int64_t n_records = 0, n_rows = 0;
  for (size_t at = 0; at < size;) {
    const char *newline = memchr(data + at, '\n', size - at);
    size_t len = newline ? (size_t)(newline - data) - at : size - at;
    if (!is_blank(data + at, len)) {
      seen alone = {0, 0};
      ls_batch *one = ls__batch_new(decoder->schema, arena, 0);
      ls__decode_json_record(one, decoder, (ls_slice){data + at, len}, 1, on_bad, &alone, NULL);
      if (one->n_rows + alone.n_bads != 1) fail("a record gave not one result");
      for (uint32_t i = 0; one->n_rows && i < one->schema->n_fields; i++) {
        if (n_rows >= batch->n_rows || !ls__column_value_eq(&one->columns[i], 0, &batch->columns[i], n_rows)) {
          fail("a line alone differs from the line in its block");
        }
      }
      n_rows += one->n_rows;
      n_records++;
    }
    at += len + 1;
  }
  if (n_rows != batch->n_rows || n_rows + n_bads != n_records) fail("rows and reports are not the lines");
}

static void check_planted(ls_decoder *decoder, ls_arena *arena, const char *data, size_t size) {
  if (holds((ls_slice){data, size}, SECRET)) return;
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, "{\"user_id\":\"" SECRET "\",");
  ls__buf_append(&text, data, size);
  ls__buf_puts(&text, "}\n{");
  ls__buf_append(&text, data, size);
  ls__buf_puts(&text, ",\"user_id\":\"" SECRET "\"}");
  seen s = {0, 0};
  decode(decoder, arena, text.ptr, text.len, on_bad_planted, &s);
  ls__buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls_decoder *decoder;
  ls_decoder_opts opts = {.format = LS_FORMAT_JSON};
  if (ls__decoder_new(&decoder, rich_schema(&arena), &opts, NULL) < 0) fail("no decoder");
  const char *text = size ? (const char *)data : "";
  seen s = {0, 0};
  ls_batch *batch = decode(decoder, &arena, text, size, on_bad, &s);
  check_lines(decoder, &arena, batch, text, size, s.n_bads);
  check_planted(decoder, &arena, text, size);
  ls__decoder_free(decoder);
  ls__arena_fini(&arena);
  return 0;
}
