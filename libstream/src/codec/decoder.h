/**
 * @file decoder.h
 * Inside of the decoders, shared by the three formats. A record is first read into scratch values
 * (one per field of the schema), checked, and only then appended to the columns: a bad record
 * leaves no trace in them.
 *
 * Scratch memory (unescaped strings, items of lists) lives in ls_decoder.scratch until the next
 * record begins.
 */
#ifndef LS_CODEC_DECODER_H
#define LS_CODEC_DECODER_H
#include "base/arena.h"
#include "codec/codec.h"
#include "codec/value_pattern.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LS_JSON_DEPTH_MAX 64 /* nested lists and objects in one record */
#define LS_KEY_PADDED     32 /* bytes of a field's quoted name that are compared at once */
#define LS_BAD_TEXT_MAX   512

enum { LS_VALUE_ABSENT = 0, LS_VALUE_NULL, LS_VALUE_SET };

/** One value of a record before it goes to a column. */
typedef struct ls_value ls_value;
struct ls_value {
  uint8_t state;
  uint32_t n; /* LIST: items; STRUCT: fields */
  union {
    bool boolean;
    int64_t i64; /* INT64, TIMESTAMP */
    double f64;
    int32_t i32; /* DATE */
    ls_i128 decimal;
    ls_slice slice; /* STRING, BYTES */
    ls_value *items;
  } as;
};

/** What the decoder knows of a field: the schema's constraints in the form in which they are
 * tested. */
typedef struct ls_field_plan {
  const ls_field *field;
  const ls_type *type;
  bool required; /* not nullable, or part of the key */
  bool key;
  bool sensitive;
  bool wanted;
  bool constrained; /* one_of, pattern, min or max is set */
  bool has_min, has_max;
  ls_slice name;
  size_t quoted_len;    /* of "name" with its quotes; 0: longer than LS_KEY_PADDED */
  uint32_t quoted_mask; /* one bit per compared byte */
  char quoted[LS_KEY_PADDED];
  ls_slice *one_of; /* field->n_one_of */
  ls_value_pattern *pattern;
  ls_value min, max;
} ls_field_plan;

/** The fault of the record being decoded. */
typedef struct ls_bad {
  const char *reason;
  const ls_field_plan *plan; /* NULL: the record as a whole */
  ls_slice value;            /* shown in text, perhaps cut there; valid as long as the record */
  char text[LS_BAD_TEXT_MAX];
} ls_bad;

typedef struct ls_protobuf_map ls_protobuf_map;
typedef struct ls_csv_cell ls_csv_cell;

/** Name -> field index, open addressing; 0 is free, else index + 1. */
typedef struct ls_name_table {
  uint32_t *slots;
  uint32_t mask;
} ls_name_table;

struct ls_decoder {
  const ls_schema *schema;
  ls_format format;
  uint32_t n_fields;
  uint32_t n_sensitive;
  ls_field_plan *plans; /* n_fields */
  ls_value *values;     /* n_fields, scratch of the record */
  uint32_t *follows;    /* n_fields + 1: index of the field that came after field i-1 last time; JSON */
  ls_name_table names;
  ls_arena arena;   /* lifetime of the decoder */
  ls_arena scratch; /* one record */
  ls_buf line;      /* padded copy of a record; a bad record as JSON */
  ls_buf payload;   /* of a bad record */
  ls_buf secrets;   /* sensitive values of a bad record, each with a uint32 length before it */
  ls_bad bad;
  /* CSV */
  ls_arena csv_arena;     /* lifetime of a header */
  int32_t *csv_fields;    /* per column: field index or -1; NULL: no header yet */
  ls_slice *csv_names;    /* per column */
  ls_csv_cell *csv_cells; /* per column: the record being read */
  uint32_t n_csv;
  ls_protobuf_map *protobuf;
};

/** Where a bad record goes: the caller's function and what it is told about the record. */
typedef struct ls_bad_sink {
  ls_bad_record_fn fn;
  void *payload;
} ls_bad_sink;

/* codec_fault.c */
/** Sets the fault of the record: "field <name>: " + text. Returns LS_EDATA. */
int ls__bad_set(ls_decoder *decoder, const char *reason, const ls_field_plan *plan, const char *fmt, ...)
    LS_PRINTF(4, 5);
/** The same with the value at fault shown (hidden when the field is sensitive, cut at 64 bytes). */
int ls__bad_value(ls_decoder *decoder, const char *reason, const ls_field_plan *plan, ls_slice value, const char *fmt,
                  ...) LS_PRINTF(5, 6);
/** Tells the sink about the record: decoder->bad and decoder->payload (none: it is left out). */
void ls__bad_report(ls_decoder *decoder, ls_bad_sink sink, int64_t line);

/* codec_mask.c */
/** Notes a sensitive value, so that ls__mask_hides finds it inside other values of the record. */
void ls__mask_note(ls_decoder *decoder, ls_slice value);
/** Whether text holds a noted sensitive value. */
bool ls__mask_hides(const ls_decoder *decoder, ls_slice text);
/** Whether a field of this name is masked: it is a sensitive field, or its name contains the name
 * of one when letter case and everything but letters and digits is left out (userId, old_user-id).
 */
bool ls__mask_name(const ls_decoder *decoder, ls_slice name);

/* codec_scalar.c: text -> value. Each sets the fault and returns LS_EDATA when text is not a value
 * of type. */
int ls__scalar_decimal(ls_decoder *decoder, const ls_field_plan *plan, const ls_type *type, ls_slice text,
                       ls_value *out);
int ls__scalar_int64(ls_decoder *decoder, const ls_field_plan *plan, ls_slice text, ls_value *out);
int ls__scalar_float64(ls_decoder *decoder, const ls_field_plan *plan, ls_slice text, ls_value *out);
int ls__scalar_timestamp(ls_decoder *decoder, const ls_field_plan *plan, ls_slice text, ls_value *out);
int ls__scalar_date(ls_decoder *decoder, const ls_field_plan *plan, ls_slice text, ls_value *out);
int ls__scalar_bytes(ls_decoder *decoder, const ls_field_plan *plan, ls_slice text, ls_value *out);
/** A text of any type but LIST and STRUCT (CSV cells, protobuf strings, bounds of the schema). */
int ls__scalar_text(ls_decoder *decoder, const ls_field_plan *plan, const ls_type *type, ls_slice text, ls_value *out);
void ls__base64_encode(ls_buf *out, ls_slice bytes);
int ls__base64_digit(char c); /* its value, -1: it is none */

/* codec_check.c */
int ls__plan_init(ls_decoder *decoder, uint32_t field, const uint64_t *wanted, ls_error *err);
void ls__plan_fini(ls_field_plan *plan);
/** one_of, pattern, min and max of one set value. */
int ls__plan_check(ls_decoder *decoder, const ls_field_plan *plan, const ls_value *value);
/** Required fields of the whole record, keys not empty. Constraints have been checked value by
 * value. */
int ls__record_check(ls_decoder *decoder);

/* codec_append.c */
/** Appends the record's values to the columns, sets them absent again and raises out->n_rows. */
void ls__record_append(ls_batch *out, ls_decoder *decoder);
/** Forgets the record's values and scratch memory. */
void ls__record_reset(ls_decoder *decoder);
void ls__value_append(ls_column *column, const ls_value *value);

/* json_parse.c */
/** Field index of a name, or -1. */
int32_t ls__decoder_find(const ls_decoder *decoder, ls_slice name);
/** Parses one JSON value of type from text (padded, ends with a newline). For CSV cells with lists
 * and structs. */
int ls__json_cell(ls_decoder *decoder, const ls_field_plan *plan, const ls_type *type, ls_slice text, ls_value *out);
/* json_mask.c */
/** Checks that text (padded, ends with a newline) is one JSON value, and sets payload to what a dead
 * letter may show of it: of an object the fields that the schema knows, at every depth, sensitive
 * ones and values of another kind than the field's type as "***"; of anything else nothing.
 * LS_EDATA: it is not JSON; *at and *why say where and what was expected. */
int ls__json_mask(ls_decoder *decoder, const char *text, const char **at, const char **why);
/** The same of a record of another format, which the caller has put into decoder->line as a JSON
 * object. There a text fits each scalar type. */
void ls__json_mask_line(ls_decoder *decoder);

/* protobuf_map.c */
int ls__protobuf_map_new(ls_decoder *decoder, const void *descriptor, ls_error *err);

/* simdjson_shim.cc */
/** Whether all bytes are UTF-8, by the widest instructions the machine has. */
bool ls__utf8_valid_wide(const char *text, size_t len);

#ifdef __cplusplus
}
#endif
#endif
