/**
 * @file fuzz_protobuf.c
 * Any bytes through the protobuf decoder: one row or one report; a row is written and read back the
 * same; no report shows a planted sensitive value.
 */
#include "../unit/codec/helper_payment.pb-c.c"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/codec.h"
#include "codec/decoder.h"

#define SECRET "S3CR3T-0123456789"

static void fail(const char *what) {
  fprintf(stderr, "fuzz_protobuf: %s\n", what);
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
  ++*(int *)payload;
  if (!ls__utf8_valid(bad->payload)) fail("a payload is not UTF-8");
}

static void on_bad_planted(void *payload, const ls_bad_record *bad) {
  on_bad(payload, bad);
  if (holds(bad->payload, SECRET) || holds(ls__slice_of(bad->error), SECRET)) fail("a report shows the secret");
}

static const ls_schema *schema_of(ls_arena *arena) {
  static const char *const types[][2] = {
      {"id", "string"},
      {"user_id", "string"},
      {"amount", "decimal(18,4)"},
      {"status", "string"},
      {"created", "timestamp"},
      {"settled", "timestamp"},
      {"booked", "timestamp"},
      {"day", "date"},
      {"active", "bool"},
      {"score", "float64"},
      {"ratio", "float64"},
      {"i32", "int64"},
      {"u64", "int64"},
      {"s64", "int64"},
      {"f32", "int64"},
      {"sf64", "int64"},
      {"raw", "bytes"},
      {"tags", "list<string>"},
      {"lines", "list<struct<sku: string, price: decimal(6,2), counts: list<int64>>>"},
      {"first", "struct<sku: string, counts: list<int64>>"},
      {"left", "string"},
      {"right", "int64"},
      {"mixed", "string"},
      {"packed", "list<int64>"},
      {"u32", "int64"}};
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
  return schema;
}

static void on_fault(void *payload, const char *text) {
  (void)payload;
  fail(text);
}

/** Fields that can't be null in the message are not in the schema of its rows; the decoder never gives null for them. */
static const ls_protobuf_writer *writer_of(ls_arena *arena, const ls_schema *schema) {
  static const char *const never[] = {"status", "settled", "active", "score", "ratio", "i32",    "u64", "s64",
                                      "f32",    "sf64",    "tags",   "lines", "mixed", "packed", "u32"};
  ls_schema *rows = LS_ARENA_NEW(arena, ls_schema);
  ls_protobuf_writer *writer;
  *rows = *schema;
  rows->fields = LS_ARENA_ARRAY(arena, ls_field, schema->n_fields);
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    rows->fields[i] = schema->fields[i];
    for (size_t k = 0; k < sizeof never / sizeof *never; k++) {
      if (strcmp(never[k], schema->fields[i].name) == 0) rows->fields[i].nullable = false;
    }
  }
  if (ls__protobuf_writer_new(&writer, arena, rows, &test__payment__descriptor, on_fault, NULL) < 0) fail("no writer");
  return writer;
}

static void check_read_back(ls_decoder *decoder, ls_arena *arena, const ls_batch *batch) {
  ls_buf bytes = LS_BUF_INIT;
  ls_error err = LS_ERROR_INIT;
  int n_bads = 0;
  if (ls__encode_protobuf(&bytes, writer_of(arena, batch->schema), batch, 0, &err) < 0) {
    /* a list may hold a decimal that was an empty text and became null: there is no way to write it */
    if (!strstr(err.message, "null")) fail(err.message);
  } else {
    ls_batch *back = ls__batch_new(batch->schema, arena, 0);
    ls__decode_protobuf(back, decoder, ls__buf_slice(&bytes), 1, on_bad, &n_bads, NULL);
    if (n_bads || back->n_rows != 1) fail("what was written can't be read");
    for (uint32_t i = 0; i < batch->schema->n_fields; i++) {
      if (!ls__column_value_eq(&batch->columns[i], 0, &back->columns[i], 0)) fail(batch->schema->fields[i].name);
    }
  }
  ls__buf_fini(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls_decoder *decoder;
  ls_decoder_opts opts = {.format = LS_FORMAT_PROTOBUF, .protobuf_descriptor = &test__payment__descriptor};
  if (ls__decoder_new(&decoder, schema_of(&arena), &opts, NULL) < 0) fail("no decoder");
  ls_batch *batch = ls__batch_new(decoder->schema, &arena, 0);
  int n_bads = 0;
  ls_slice message = {size ? (const char *)data : "", size};
  ls__decode_protobuf(batch, decoder, message, 1, on_bad, &n_bads, NULL);
  if (batch->n_rows + n_bads != 1) fail("a message gave not one result");
  if (batch->n_rows) check_read_back(decoder, &arena, batch);

  if (!holds(message, SECRET)) {
    ls_buf planted = LS_BUF_INIT;
    ls__buf_append(&planted, "\x12\x11" SECRET, 2 + strlen(SECRET));
    ls__buf_append(&planted, message.ptr, message.len);
    ls_batch *other = ls__batch_new(decoder->schema, &arena, 0);
    ls__decode_protobuf(other, decoder, ls__buf_slice(&planted), 1, on_bad_planted, &n_bads, NULL);
    ls__buf_fini(&planted);
  }
  ls__decoder_free(decoder);
  ls__arena_fini(&arena);
  return 0;
}
