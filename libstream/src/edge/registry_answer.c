/** @file registry_answer.c  See registry_answer.h. */
#include "edge/registry_answer.h"

#include "base/alloc.h"

enum { ID, ERROR_CODE, SCHEMA, SCHEMA_TYPE, MESSAGE, N_FIELDS };

struct ls_registry_reader {
  ls_arena arena, answer;
  ls_schema schema;
  ls_decoder *decoder;
};

int ls__registry_reader_new(ls_registry_reader **out, ls_error *err) {
  static const char *const names[N_FIELDS] = {"id", "error_code", "schema", "schemaType", "message"};
  ls_registry_reader *reader = LS_NEW(ls_registry_reader);
  *out = NULL;
  ls__arena_init(&reader->arena, 0);
  ls__arena_init(&reader->answer, 0);
  ls_field *fields = LS_ARENA_ARRAY(&reader->arena, ls_field, N_FIELDS);
  for (int i = 0; i < N_FIELDS; i++)
    fields[i] =
        (ls_field){.name = names[i], .type = i <= ERROR_CODE ? &ls__type_int64 : &ls__type_string, .nullable = true};
  reader->schema = (ls_schema){.name = "answer", .fields = fields, .n_fields = N_FIELDS, .time_field = -1};
  int rc = ls__decoder_new(&reader->decoder, &reader->schema, &(ls_decoder_opts){.format = LS_FORMAT_JSON}, err);
  if (rc < 0) {
    ls__registry_reader_free(reader);
    return rc;
  }
  *out = reader;
  return LS_OK;
}

void ls__registry_reader_free(ls_registry_reader *reader) {
  if (reader == NULL) return;
  ls__decoder_free(reader->decoder);
  ls__arena_fini(&reader->answer);
  ls__arena_fini(&reader->arena);
  ls__free(reader);
}

static void on_bad(void *payload, const ls_bad_record *bad) {
  (void)payload, (void)bad; /* no row says it */
}

static int64_t number(const ls_batch *batch, int field) {
  const ls_column *column = &batch->columns[field];
  return ls__is_null(column, 0) ? -1 : ls__column_i64(column)[0];
}

static ls_slice text(const ls_batch *batch, int field) {
  const ls_column *column = &batch->columns[field];
  return ls__is_null(column, 0) ? (ls_slice){NULL, 0} : ls__column_slice(column, 0);
}

bool ls__registry_read(ls_registry_answer *out, ls_registry_reader *reader, ls_slice body) {
  *out = (ls_registry_answer){.id = -1, .error_code = -1};
  ls__arena_reset(&reader->answer);
  ls_batch *batch = ls__batch_new(&reader->schema, &reader->answer, 1);
  ls_error ignored = LS_ERROR_INIT;
  int rc = ls__decode_json_record(batch, reader->decoder, body, 1, on_bad, NULL, &ignored);
  if (rc < 0 || batch->n_rows != 1) return false;
  *out = (ls_registry_answer){.id = number(batch, ID),
                              .error_code = number(batch, ERROR_CODE),
                              .schema = text(batch, SCHEMA),
                              .schema_type = text(batch, SCHEMA_TYPE),
                              .message = text(batch, MESSAGE)};
  return true;
}
