/**
 * @file fuzz_csv.c
 * Any bytes through the CSV decoder. Records are counted a second time, byte by byte; a file read
 * in two blocks gives what it gives in one; no report shows a planted sensitive value. The first
 * line is tried as a header too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/codec.h"
#include "codec/decoder.h"

#define SECRET "S3CR3T-0123456789"
#define HEADER "user_id,id,d,s,l,t,other\n"

typedef struct seen {
  ls_buf reports; /* line, reason, field, error and payload of each */
  int64_t n_bads;
} seen;

static void fail(const char *what) {
  fprintf(stderr, "fuzz_csv: %s\n", what);
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
  if (!ls__utf8_valid(bad->payload)) fail("a payload is not UTF-8");
  ls__buf_printf(&s->reports, "%lld %s %s %s ", (long long)bad->line, bad->reason, bad->field ? bad->field : "-",
                 bad->error);
  ls__buf_append(&s->reports, bad->payload.ptr, bad->payload.len);
}

static const ls_schema *schema_of(ls_arena *arena) {
  static const char *const types[][2] = {{"id", "string"}, {"user_id", "string"}, {"d", "decimal(18,4)"},
                                         {"s", "string"},  {"l", "list<int64>"},  {"t", "timestamp"}};
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
  schema->fields[3].pattern = "[a-z]+";
  return schema;
}

/* Records that are not blank, by the rule alone: a quote opens a cell only at its start. */
static int64_t count_records(const char *p, size_t len) {
  enum { START, PLAIN, QUOTED, CLOSED } state = START;
  int64_t n = 0;
  size_t first = 0;
  for (size_t i = 0; i < len; i++) {
    char c = p[i];
    if (state == QUOTED) {
      if (c == '"') state = CLOSED;
    } else if (state == CLOSED && c == '"') {
      state = QUOTED;
    } else if (c == '\n') {
      bool blank = i == first || (i == first + 1 && p[first] == '\r');
      n += !blank;
      first = i + 1;
      state = START;
    } else if (c == ',') {
      state = START;
    } else {
      state = state == START && c == '"' ? QUOTED : PLAIN;
    }
  }
  return n + (first < len);
}

/* Decodes a copy of exactly size bytes. */
static int64_t decode(ls_batch *batch, ls_decoder *decoder, ls_arena *arena, const char *data, size_t size,
                      int64_t line, seen *s) {
  int64_t before = batch->n_rows;
  char *block = ls__alloc(size + !size);
  memcpy(block, data, size);
  int64_t *lines = LS_ARENA_ARRAY(arena, int64_t, size + 2);
  if (ls__decode_csv(batch, lines, decoder, (ls_slice){block, size}, line, on_bad, s, NULL) < 0) fail("it gave up");
  ls__free(block);
  return batch->n_rows - before;
}

static void check_same(const ls_batch *a, const ls_batch *b, const seen *seen_a, const seen *seen_b) {
  if (a->n_rows != b->n_rows || !ls__slice_eq(ls__buf_slice(&seen_a->reports), ls__buf_slice(&seen_b->reports))) {
    fail("two blocks differ from one");
  }
  for (uint32_t i = 0; i < a->schema->n_fields; i++) {
    for (int64_t row = 0; row < a->n_rows; row++) {
      if (!ls__column_value_eq(&a->columns[i], row, &b->columns[i], row)) fail("a row of two blocks differs");
    }
  }
}

static void check_blocks(ls_decoder *decoder, ls_arena *arena, const char *data, size_t size) {
  seen whole = {LS_BUF_INIT, 0}, parts = {LS_BUF_INIT, 0};
  ls_batch *one = ls__batch_new(decoder->schema, arena, 0), *two = ls__batch_new(decoder->schema, arena, 0);
  int64_t n_rows = decode(one, decoder, arena, data, size, 2, &whole);
  if (n_rows + whole.n_bads != count_records(data, size)) fail("rows and reports are not the records");
  int64_t n_lines, n_rest;
  size_t cut = ls__csv_block_end((ls_slice){data, size / 2}, false, &n_lines);
  if (cut > size / 2) fail("the cut is outside");
  if (size > cut && ls__csv_block_end((ls_slice){data + cut, size - cut}, true, &n_rest) != size - cut) {
    fail("the end of the file is no end");
  }
  decode(two, decoder, arena, data, cut, 2, &parts);
  decode(two, decoder, arena, data + cut, size - cut, 2 + n_lines, &parts);
  check_same(one, two, &whole, &parts);
  ls__buf_fini(&whole.reports);
  ls__buf_fini(&parts.reports);
}

static void check_planted(ls_decoder *decoder, ls_arena *arena, const char *data, size_t size) {
  if (holds((ls_slice){data, size}, SECRET)) return;
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, SECRET ",");
  ls__buf_append(&text, data, size);
  seen s = {LS_BUF_INIT, 0};
  decode(ls__batch_new(decoder->schema, arena, 0), decoder, arena, text.ptr, text.len, 2, &s);
  if (holds(ls__buf_slice(&s.reports), SECRET)) fail("a report shows the secret");
  ls__buf_fini(&s.reports);
  ls__buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls_decoder *decoder;
  ls_decoder_opts opts = {.format = LS_FORMAT_CSV};
  if (ls__decoder_new(&decoder, schema_of(&arena), &opts, NULL) < 0) fail("no decoder");
  const char *text = size ? (const char *)data : "";
  int64_t n_lines;
  size_t header = ls__csv_block_end((ls_slice){text, size}, false, &n_lines);
  ls_error err = LS_ERROR_INIT;
  if (ls__decoder_csv_header(decoder, (ls_slice){text, header}, &err) == LS_OK) {
    check_blocks(decoder, &arena, text, size);
  }
  if (ls__decoder_csv_header(decoder, ls__slice_of(HEADER), &err) < 0) fail("no header");
  check_blocks(decoder, &arena, text, size);
  check_planted(decoder, &arena, text, size);
  ls__decoder_free(decoder);
  ls__arena_fini(&arena);
  return 0;
}
