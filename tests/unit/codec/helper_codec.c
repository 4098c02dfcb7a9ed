/** @file helper_codec.c  See helper_codec.h. */
#include "helper_codec.h"

#include <string.h>

#include "base/alloc.h"

static void read_one_of(ls_arena *arena, ls_field *field, const char *text) {
  const char **values = LS_ARENA_ARRAY(arena, const char *, 16);
  for (const char *p = text; *p;) {
    size_t len = strcspn(p, ",");
    values[field->n_one_of++] = ls__arena_strndup(arena, p, len);
    p += len + (p[len] == ',');
  }
  field->one_of = values;
}

ls_schema *test_schema(ls_arena *arena, const test_field *fields, size_t n) {
  ls_schema *schema = LS_ARENA_NEW(arena, ls_schema);
  schema->name = "test";
  schema->n_fields = (uint32_t)n;
  schema->fields = LS_ARENA_ARRAY(arena, ls_field, n);
  schema->key = LS_ARENA_ARRAY(arena, uint32_t, n);
  schema->time_field = -1;
  for (size_t i = 0; i < n; i++) {
    ls_field *field = &schema->fields[i];
    const char *flags = fields[i].flags ? fields[i].flags : "";
    field->name = fields[i].name;
    field->type = type_of(arena, fields[i].type);
    field->nullable = !strchr(flags, '!');
    field->sensitive = strchr(flags, '*') != NULL;
    if (strchr(flags, 'k')) schema->key[schema->n_key++] = (uint32_t)i;
    if (fields[i].one_of) read_one_of(arena, field, fields[i].one_of);
    field->pattern = fields[i].pattern;
    field->min = fields[i].min;
    field->max = fields[i].max;
  }
  return schema;
}

void codec_open(test_codec *codec, const test_field *fields, size_t n, ls_format format, const void *descriptor) {
  ls__arena_init(&codec->arena, 0);
  codec->schema = test_schema(&codec->arena, fields, n);
  ls_decoder_opts opts = {.format = format, .protobuf_descriptor = descriptor};
  ls_error err = LS_ERROR_INIT;
  int rc = ls__decoder_new(&codec->decoder, codec->schema, &opts, &err);
  ck_assert_msg(rc == LS_OK, "%s", err.message);
}

void codec_close(test_codec *codec) {
  ls__decoder_free(codec->decoder);
  ls__arena_fini(&codec->arena);
}

static void on_bad(void *payload, const ls_bad_record *bad) {
  test_decoded *result = payload;
  ck_assert_uint_lt(result->n_bads, sizeof result->bads / sizeof *result->bads);
  test_bad *kept = &result->bads[result->n_bads++];
  kept->line = bad->line;
  kept->reason = ls__arena_strdup(&result->arena, bad->reason);
  kept->field = ls__arena_strdup(&result->arena, bad->field ? bad->field : "");
  kept->error = ls__arena_strdup(&result->arena, bad->error);
  kept->payload = ls__arena_strndup(&result->arena, bad->payload.ptr ? bad->payload.ptr : "", bad->payload.len);
  ck_assert_uint_lt(strlen(bad->error), LS_BAD_TEXT_MAX);
}

static test_decoded *result_new(const test_codec *codec) {
  test_decoded *result = LS_NEW(test_decoded);
  ls__arena_init(&result->arena, 0);
  result->batch = ls__batch_new(codec->schema, &result->arena, 0);
  return result;
}

static test_decoded *finish(test_decoded *result, int rc, const ls_error *err) {
  ck_assert_msg(rc == LS_OK, "%s", err->message);
  result->n_rows = (size_t)result->batch->n_rows;
  for (uint32_t i = 0; i < result->batch->schema->n_fields; i++) {
    ck_assert_int_eq(result->batch->columns[i].n_rows, result->batch->n_rows);
  }
  return result;
}

test_decoded *decode_lines(test_codec *codec, const char *text, size_t len, int64_t first_line) {
  static const char traps[] = "\"}\n{\"";
  test_decoded *result = result_new(codec);
  char *block = ls__alloc(len + LS_JSON_PADDING);
  memcpy(block, text, len);
  for (size_t i = 0; i < LS_JSON_PADDING; i++) block[len + i] = traps[i % 5];
  ls_error err = LS_ERROR_INIT;
  int rc = ls__decode_json_lines((ls_batch *)result->batch, result->lines, codec->decoder, (ls_slice){block, len},
                                 first_line, on_bad, result, &err);
  ls__free(block);
  return finish(result, rc, &err);
}

test_decoded *decode_record(test_codec *codec, const char *text, size_t len) {
  test_decoded *result = result_new(codec);
  char *block = ls__alloc(len + !len);
  memcpy(block, text, len);
  ls_error err = LS_ERROR_INIT;
  int rc = ls__decode_json_record((ls_batch *)result->batch, codec->decoder, (ls_slice){block, len}, 1, on_bad, result,
                                  &err);
  result->lines[0] = 1;
  ls__free(block);
  return finish(result, rc, &err);
}

test_decoded *decode_csv(test_codec *codec, const char *text, size_t len, int64_t first_line) {
  test_decoded *result = result_new(codec);
  char *block = ls__alloc(len + !len);
  memcpy(block, text, len);
  ls_error err = LS_ERROR_INIT;
  int rc = ls__decode_csv((ls_batch *)result->batch, result->lines, codec->decoder, (ls_slice){block, len}, first_line,
                          on_bad, result, &err);
  ls__free(block);
  return finish(result, rc, &err);
}

test_decoded *decode_protobuf(test_codec *codec, const void *bytes, size_t len) {
  test_decoded *result = result_new(codec);
  char *block = ls__alloc(len + !len);
  memcpy(block, bytes, len);
  ls_error err = LS_ERROR_INIT;
  int rc =
      ls__decode_protobuf((ls_batch *)result->batch, codec->decoder, (ls_slice){block, len}, 7, on_bad, result, &err);
  ls__free(block);
  return finish(result, rc, &err);
}

static void add_line(void *payload, const char *text) {
  ls__buf_printf(payload, "%s\n", text);
}

const ls_protobuf_writer *test_writer(ls_arena *arena, const ls_schema *schema, const void *descriptor,
                                      const char **faults) {
  ls_protobuf_writer *writer;
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, "");
  int rc = ls__protobuf_writer_new(&writer, arena, schema, descriptor, add_line, &text);
  ck_assert_int_eq(rc, writer != NULL ? LS_OK : LS_ECONFIG);
  ck_assert((text.len == 0) == (writer != NULL));
  *faults = ls__arena_strndup(arena, text.ptr, text.len);
  ls__buf_fini(&text);
  return writer;
}

void result_free(test_decoded *result) {
  ls__arena_fini(&result->arena);
  ls__free(result);
}

const char *result_row(test_decoded *result, size_t row) {
  ls_buf text = LS_BUF_INIT;
  ls__encode_json(&text, result->batch, (int64_t)row);
  char *copy = ls__arena_strndup(&result->arena, text.ptr, text.len);
  ls__buf_fini(&text);
  return copy;
}

void check_same(test_decoded *a, test_decoded *b, const char *about) {
  ck_assert_msg(a->n_rows == b->n_rows && a->n_bads == b->n_bads, "%s: %zu and %zu rows, %zu and %zu bad", about,
                a->n_rows, b->n_rows, a->n_bads, b->n_bads);
  for (size_t i = 0; i < a->n_rows; i++) {
    ck_assert_msg(a->lines[i] == b->lines[i], "%s: row %zu is of line %lld and %lld", about, i, (long long)a->lines[i],
                  (long long)b->lines[i]);
    ck_assert_str_eq(result_row(a, i), result_row(b, i));
  }
  for (size_t i = 0; i < a->n_bads; i++) {
    ck_assert_int_eq(a->bads[i].line, b->bads[i].line);
    ck_assert_str_eq(a->bads[i].reason, b->bads[i].reason);
    ck_assert_str_eq(a->bads[i].error, b->bads[i].error);
    ck_assert_str_eq(a->bads[i].payload, b->bads[i].payload);
  }
}

void check_line(test_decoded *result, const test_line *line) {
  if (line->row) {
    ck_assert_msg(result->n_rows == 1 && result->n_bads == 0, "%s: %zu rows, error %s", line->text, result->n_rows,
                  result->n_bads ? result->bads[0].error : "none");
    ck_assert_str_eq(result_row(result, 0), line->row);
    return;
  }
  ck_assert_msg(result->n_rows == 0 && result->n_bads == 1, "%s: %zu rows, %zu bad", line->text, result->n_rows,
                result->n_bads);
  const test_bad *bad = &result->bads[0];
  ck_assert_msg(strcmp(bad->reason, line->reason) == 0, "%s: reason %s (%s), not %s", line->text, bad->reason,
                bad->error, line->reason);
  ck_assert_msg(strcmp(bad->field, line->field ? line->field : "") == 0, "%s: field '%s'", line->text, bad->field);
  if (line->payload) ck_assert_str_eq(bad->payload, line->payload);
}
