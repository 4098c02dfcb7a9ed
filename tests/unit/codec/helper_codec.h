/** @file helper_codec.h  Helpers of this room's tests: schemas in one line, decoding into texts
 * that can be compared. */
#ifndef TESTS_HELPER_CODEC_H
#define TESTS_HELPER_CODEC_H
#include "../data/helper_data.h"
#include "codec/codec.h"
#include "codec/decoder.h"

/* One field of a test schema: flags are ! required, * sensitive, k key. */
typedef struct test_field {
  const char *name, *type, *flags;
  const char *one_of; /* comma-separated */
  const char *pattern, *min, *max;
} test_field;

typedef struct test_bad {
  int64_t line;
  char *reason, *field, *error, *payload; /* field and payload: "" for none */
} test_bad;

/** What one decoding gave: rows as JSON, with their lines; bad records. */
typedef struct test_decoded {
  ls_arena arena;
  const ls_batch *batch;
  int64_t lines[4096];
  size_t n_rows;
  test_bad bads[4096];
  size_t n_bads;
} test_decoded;

typedef struct test_codec {
  ls_arena arena;
  ls_schema *schema;
  ls_decoder *decoder;
} test_codec;

ls_schema *test_schema(ls_arena *arena, const test_field *fields, size_t n);
/** Decoder of a schema; the test fails when it can't be made. */
void codec_open(test_codec *codec, const test_field *fields, size_t n, ls_format format, const void *descriptor);
void codec_close(test_codec *codec);
#define CODEC_OPEN(codec, fields, format)                                                                              \
  codec_open((codec), (fields), sizeof(fields) / sizeof(*(fields)), (format), NULL)

/** Decodes len bytes copied to a heap block of exactly len + padding, the padding full of traps. */
test_decoded *decode_lines(test_codec *codec, const char *text, size_t len, int64_t first_line);
test_decoded *decode_record(test_codec *codec, const char *text, size_t len);
/** Block of exactly len bytes, without padding. */
test_decoded *decode_csv(test_codec *codec, const char *text, size_t len, int64_t first_line);
test_decoded *decode_protobuf(test_codec *codec, const void *bytes, size_t len);
/** Writer of a schema's rows; NULL: what is wrong, a line each, is in *faults (in arena). */
const ls_protobuf_writer *test_writer(ls_arena *arena, const ls_schema *schema, const void *descriptor,
                                      const char **faults);
void result_free(test_decoded *result);
/** Row as JSON; text lives in the result. */
const char *result_row(test_decoded *result, size_t row);
/** Fails unless both hold the same rows, lines and bad records. */
void check_same(test_decoded *a, test_decoded *b, const char *about);

/** One line and what it must give: row JSON, or reason and field. payload NULL: not looked at. */
typedef struct test_line {
  const char *text;
  const char *row;
  const char *reason, *field, *payload;
} test_line;
/** Fails unless result is what the line asks for. */
void check_line(test_decoded *result, const test_line *line);
#endif
