/**
 * @file codec.h
 * Bytes <-> batches. A decoder turns one block of input (lines, a message) into rows of a batch and
 * checks each against its schema: types, nullability, allowed values, patterns, ranges. A bad
 * record makes no row: it is reported.
 */
#ifndef LS_CODEC_CODEC_H
#define LS_CODEC_CODEC_H
#include "data/batch.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ls_format { LS_FORMAT_JSON, LS_FORMAT_CSV, LS_FORMAT_PROTOBUF, LS_FORMAT_PARQUET } ls_format;

typedef struct ls_decoder ls_decoder; /* one thread */
typedef struct ls_decoder_opts {
  ls_format format;                /* JSON, CSV or PROTOBUF */
  const void *protobuf_descriptor; /* ProtobufCMessageDescriptor */
  /** Fields of the schema that are needed (bit set); others are validated and masked, but may be
   * left null. NULL: all. */
  const uint64_t *wanted;
} ls_decoder_opts;

/** One bad record. payload: as JSON, the record's fields that the schema knows, with sensitive ones
 * masked; len 0 where it could not be parsed far enough to tell them. field: name of the field at fault or NULL. error has no values
 * of sensitive fields. Valid for the call. */
typedef struct ls_bad_record {
  int64_t line;      /* 1-based in the file; records of other formats: 1-based record number */
  const char *error; /* what is wrong and what would be right */
  /** Short stable code: not_json, missing_field, wrong_type, duplicate_field, not_allowed,
   * out_of_range, bad_timestamp, bad_date, bad_decimal, too_many_decimals, too_many_digits,
   * bad_utf8, csv_columns, csv_quotes, bad_protobuf. */
  const char *reason;
  const char *field;
  ls_slice payload;
} ls_bad_record;
typedef void (*ls_bad_record_fn)(void *payload, const ls_bad_record *bad);

#define LS_JSON_PADDING                                                                                                \
  64 /* bytes past the end of JSON text that must be readable: strings are scanned many at a time */
/** Appends the padding; returns the text that was there without it. */
ls_slice ls__json_padded(ls_buf *text);

int ls__decoder_new(ls_decoder **out, const ls_schema *schema, const ls_decoder_opts *opts, ls_error *err);
void ls__decoder_free(ls_decoder *decoder);

/**
 * JSON lines: decodes every line of block (whole lines; the last may lack its newline). Empty and
 * blank lines are no records. Rows are appended to out; lines[i] gets the line of the i-th row that
 * this call appends: it must have room for one entry per newline in the block + 1. block must be
 * readable for LS_JSON_PADDING bytes past its end. ts_us and stamps of
 * the rows are set by the caller: only columns are appended here, and out->n_rows is raised. Types
 * are strict: string fields need JSON strings, decimal a string or number token (its text, never
 * through a double; with an exponent where the value fits exactly),
 * int64 an integer token, float64 a number, bool a bool, timestamp/date strings.
 * Unknown fields are ignored.
 */
int ls__decode_json_lines(ls_batch *out, int64_t *lines, ls_decoder *decoder, ls_slice block, int64_t first_line,
                          ls_bad_record_fn on_bad, void *payload, ls_error *err);

/** CSV (RFC 4180): header is the file's first record, given once by ls__decoder_csv_header (columns
 * by name, any order; a missing column of a required field: LS_EDATA for the whole file, naming
 * it). A block holds whole records (ls__csv_block_end cuts them). Empty unquoted field = null;
 * quoted "" = empty string, null where the type has no empty value. A record with too few or many
 * columns is bad. CR LF and LF. An unterminated quote at the end of the file makes that last record
 * bad. */
int ls__decoder_csv_header(ls_decoder *decoder, ls_slice header_record, ls_error *err);
int ls__decode_csv(ls_batch *out, int64_t *lines, ls_decoder *decoder, ls_slice block, int64_t first_line,
                   ls_bad_record_fn on_bad, void *payload, ls_error *err);
/** Length of the longest prefix of block that ends at a record's end (quotes respected); 0: none.
 * *n_lines: newlines in it. */
size_t ls__csv_block_end(ls_slice block, bool end_of_file, int64_t *n_lines);

/** One protobuf message -> one row. */
int ls__decode_protobuf(ls_batch *out, ls_decoder *decoder, ls_slice message, int64_t record_number,
                        ls_bad_record_fn on_bad, void *payload, ls_error *err);

/** One JSON object as one row (tests, Kafka values); text is copied and needs no padding. Reports through on_bad with line =
 * record_number. */
int ls__decode_json_record(ls_batch *out, ls_decoder *decoder, ls_slice text, int64_t record_number,
                           ls_bad_record_fn on_bad, void *payload, ls_error *err);

/** A row of a typed batch whose value in a field was none that the field's type can hold. */
typedef struct ls_value_fault {
  int64_t row;
  uint32_t field;
  const char *reason; /* of ls_bad_record */
} ls_value_fault;
/** Checks rows of an already typed batch (Parquet input) against nullability, one_of, pattern,
 * ranges. Rows with a fault are bad by that; faults are ordered by row. */
int ls__check_batch(const ls_batch *batch, ls_decoder *decoder, int64_t first_row, const ls_value_fault *faults,
                    size_t n_faults, ls_bad_record_fn on_bad, void *payload, uint64_t *good_rows /* bit set */,
                    ls_error *err);

/* encoders */
void ls__encode_json(ls_buf *out, const ls_batch *batch, int64_t row); /* no newline */
void ls__encode_csv_header(ls_buf *out, const ls_schema *schema);
void ls__encode_csv(ls_buf *out, const ls_batch *batch, int64_t row); /* with CRLF */
/** Full name of the message that a descriptor describes: package.Message. */
const char *ls__protobuf_message_name(const void *descriptor);
typedef struct ls_protobuf_writer ls_protobuf_writer; /* does not change: any thread */
typedef void (*ls_text_fn)(void *payload, const char *text);
/** How rows of a schema are written as messages of a type (ProtobufCMessageDescriptor). Lives in arena. What a source of the same
 *  schema would not read back equal is refused: each column that does not fit is told to on_fault (text in arena).
 *  @errors LS_ECONFIG when one was told */
int ls__protobuf_writer_new(ls_protobuf_writer **out, ls_arena *arena, const ls_schema *schema, const void *descriptor,
                            ls_text_fn on_fault, void *payload);
/** The message type: ProtobufCMessageDescriptor. */
const void *ls__protobuf_writer_message(const ls_protobuf_writer *writer);
/** Whether there are rows that it can't write. */
bool ls__protobuf_may_refuse(const ls_protobuf_writer *writer);
/** Appends a row of the writer's schema as a message. @errors LS_EDATA: the row has a value that the message can't hold; nothing is
 *  appended, and no value is shown */
int ls__encode_protobuf(ls_buf *out, const ls_protobuf_writer *writer, const ls_batch *batch, int64_t row,
                        ls_error *err);

#ifdef __cplusplus
}
#endif
#endif
