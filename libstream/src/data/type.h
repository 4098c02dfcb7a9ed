/** @file type.h  Column types: value type, schema of a record. Types are immutable and arena- or
 * static-owned. */
#ifndef LS_DATA_TYPE_H
#define LS_DATA_TYPE_H
#include "base/arena.h"
#include "base/buf.h"
#include <libstream/error.h>

typedef struct ls_type ls_type;
typedef struct ls_type_field {
  const char *name;
  const ls_type *type;
} ls_type_field;
struct ls_type {
  ls_kind kind;
  uint8_t precision;           /* DECIMAL 1..38 */
  int8_t scale;                /* DECIMAL 0..precision */
  const ls_type *element;      /* LIST */
  const ls_type_field *fields; /* STRUCT */
  uint32_t n_fields;
};

extern const ls_type ls__type_bool, ls__type_int64, ls__type_float64, ls__type_string, ls__type_bytes,
    ls__type_timestamp, ls__type_date;
const ls_type *ls__type_decimal(ls_arena *arena, int precision, int scale);
const ls_type *ls__type_list(ls_arena *arena, const ls_type *element);
bool ls__type_eq(const ls_type *a, const ls_type *b);
/** Parses "decimal(18,4)", "list<string>", "struct<a: int64, b: date>", ... err tells column
 * (1-based) and what is allowed. */
int ls__type_parse(const ls_type **out, ls_arena *arena, ls_slice text, ls_error *err);
/** Appends the text that ls__type_parse reads back. */
void ls__type_format(ls_buf *out, const ls_type *type);
/** Bytes of one value in `values`; 0 for BOOL (bits), STRING, BYTES, LIST, STRUCT. */
size_t ls__type_width(const ls_type *type);

/** Allowed values and ranges are checked by the decoder (codec), not by nodes. */
typedef struct ls_field {
  const char *name; /* may hold dots after a join: "merchants.risk_level" */
  const ls_type *type;
  bool nullable;
  bool sensitive;            /* never in logs, errors, metrics, dead letters */
  const char *const *one_of; /* STRING: allowed values, n_one_of of them; NULL: any */
  uint32_t n_one_of;
  const char *pattern;   /* STRING: POSIX extended regex the whole value must match; NULL: any */
  const char *min, *max; /* inclusive bounds as text in the type's literal form; NULL: none */
  const char *about;
} ls_field;

typedef struct ls_schema {
  const char *name;
  ls_field *fields;
  uint32_t n_fields;
  uint32_t *key; /* field indexes of the key, n_key; none: unkeyed */
  uint32_t n_key;
  int32_t time_field; /* event time: TIMESTAMP or DATE field, -1: none */
} ls_schema;
int32_t ls__schema_find(const ls_schema *schema, ls_slice name); /* -1: absent */
#endif
