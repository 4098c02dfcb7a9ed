/** @file type.c  Types: the fixed ones, equality, and their text form. Schemas: finding a field. */
#include "data/type.h"

#include "base/assert.h"
#include "base/hash.h"

#define TYPE_DEPTH_MAX        16
#define DECIMAL_PRECISION_MAX 38

const ls_type ls__type_bool = {.kind = LS_BOOL}, ls__type_int64 = {.kind = LS_INT64},
              ls__type_float64 = {.kind = LS_FLOAT64}, ls__type_string = {.kind = LS_STRING},
              ls__type_bytes = {.kind = LS_BYTES}, ls__type_timestamp = {.kind = LS_TIMESTAMP},
              ls__type_date = {.kind = LS_DATE};

/* The types without arguments, then the words that people type instead of them. */
static const struct {
  const char *name;
  const ls_type *type;
} plain_types[] = {{"bool", &ls__type_bool},     {"int64", &ls__type_int64}, {"float64", &ls__type_float64},
                   {"string", &ls__type_string}, {"bytes", &ls__type_bytes}, {"timestamp", &ls__type_timestamp},
                   {"date", &ls__type_date}};
static const char *const other_words[][2] = {
    {"int", "int64"},         {"integer", "int64"},        {"long", "int64"},         {"bigint", "int64"},
    {"int32", "int64"},       {"double", "float64"},       {"float", "float64"},      {"real", "float64"},
    {"boolean", "bool"},      {"text", "string"},          {"varchar", "string"},     {"str", "string"},
    {"utf8", "string"},       {"binary", "bytes"},         {"blob", "bytes"},         {"datetime", "timestamp"},
    {"time", "timestamp"},    {"numeric", "decimal(p,s)"}, {"money", "decimal(p,s)"}, {"array", "list<...>"},
    {"record", "struct<...>"}};
#define N_OF(array) (sizeof(array) / sizeof((array)[0]))
#define ALLOWED_TYPES                                                                                                  \
  "bool, int64, float64, string, bytes, timestamp, date, decimal(precision,scale), list<type>, "                       \
  "struct<name: type, ...>"

const ls_type *ls__type_decimal(ls_arena *arena, int precision, int scale) {
  ls_assert(precision >= 1 && precision <= DECIMAL_PRECISION_MAX);
  ls_assert(scale >= 0 && scale <= precision);
  ls_type *type = LS_ARENA_NEW(arena, ls_type);
  type->kind = LS_DECIMAL;
  type->precision = (uint8_t)precision;
  type->scale = (int8_t)scale;
  return type;
}

const ls_type *ls__type_list(ls_arena *arena, const ls_type *element) {
  ls_type *type = LS_ARENA_NEW(arena, ls_type);
  type->kind = LS_LIST;
  type->element = element;
  return type;
}

bool ls__type_eq(const ls_type *a, const ls_type *b) {
  if (a == b) return true;
  if (!a || !b || a->kind != b->kind) return false;
  switch (a->kind) {
  case LS_DECIMAL:
    return a->precision == b->precision && a->scale == b->scale;
  case LS_LIST:
    return ls__type_eq(a->element, b->element);
  case LS_STRUCT:
    if (a->n_fields != b->n_fields) return false;
    for (uint32_t i = 0; i < a->n_fields; i++)
      if (strcmp(a->fields[i].name, b->fields[i].name) != 0 || !ls__type_eq(a->fields[i].type, b->fields[i].type))
        return false;
    return true;
  default:
    return true;
  }
}

size_t ls__type_width(const ls_type *type) {
  switch (type->kind) {
  case LS_INT64:
  case LS_FLOAT64:
  case LS_TIMESTAMP:
    return 8;
  case LS_DATE:
    return 4;
  case LS_DECIMAL:
    return 16;
  default:
    return 0;
  }
}

/* -- text -------------------------------------------------------------------------------------- */

typedef struct parser {
  const char *start, *p, *end;
  ls_arena *arena;
  ls_error *err;
  int depth;
} parser;

static int column_of(const parser *in, const char *at) {
  return (int)(at - in->start) + 1;
}

static void skip_blanks(parser *in) {
  while (in->p < in->end && (*in->p == ' ' || *in->p == '\t')) in->p++;
}

static bool is_name_char(char c) {
  return (unsigned char)c > ' ' && c != 0x7F && !strchr(":,<>()", c);
}

/* Letters up to a blank or a mark; empty when there are none. */
static ls_slice take_name(parser *in) {
  skip_blanks(in);
  const char *start = in->p;
  while (in->p < in->end && is_name_char(*in->p)) in->p++;
  return (ls_slice){start, (size_t)(in->p - start)};
}

static int expect(parser *in, char mark, const char *where) {
  skip_blanks(in);
  if (in->p < in->end && *in->p == mark) {
    in->p++;
    return LS_OK;
  }
  if (in->p == in->end)
    return ls_error_set(in->err, LS_ECONFIG, "column %d: the type ends where '%c' must follow (%s)",
                        column_of(in, in->p), mark, where);
  return ls_error_set(in->err, LS_ECONFIG, "column %d: '%c' where '%c' must follow (%s)", column_of(in, in->p), *in->p,
                      mark, where);
}

static int parse_number(parser *in, int *out, int min, int max, const char *what) {
  skip_blanks(in);
  const char *start = in->p;
  int value = 0;
  for (; in->p < in->end && *in->p >= '0' && *in->p <= '9'; in->p++)
    if (value <= max) value = value * 10 + (*in->p - '0');
  if (in->p == start || value < min || value > max)
    return ls_error_set(in->err, LS_ECONFIG, "column %d: decimal %s must be a number from %d to %d",
                        column_of(in, start), what, min, max);
  *out = value;
  return LS_OK;
}

static int parse_type(const ls_type **out, parser *in);

static int parse_decimal(const ls_type **out, parser *in) {
  const char *form = "decimal(precision,scale)";
  int precision, scale;
  LS_TRY(expect(in, '(', form));
  LS_TRY(parse_number(in, &precision, 1, DECIMAL_PRECISION_MAX, "precision"));
  LS_TRY(expect(in, ',', form));
  LS_TRY(parse_number(in, &scale, 0, precision, "scale"));
  LS_TRY(expect(in, ')', form));
  *out = ls__type_decimal(in->arena, precision, scale);
  return LS_OK;
}

static int parse_list(const ls_type **out, parser *in) {
  const ls_type *element;
  LS_TRY(expect(in, '<', "list<type>"));
  LS_TRY(parse_type(&element, in));
  LS_TRY(expect(in, '>', "list<type>"));
  *out = ls__type_list(in->arena, element);
  return LS_OK;
}

static int parse_struct_field(ls_type_field *out, parser *in, const ls_type_field *fields, uint32_t n) {
  ls_slice name = take_name(in);
  if (name.len == 0)
    return ls_error_set(in->err, LS_ECONFIG, "column %d: a field name must follow (struct<name: type, ...>)",
                        column_of(in, in->p));
  for (uint32_t i = 0; i < n; i++)
    if (ls__slice_is(name, fields[i].name))
      return ls_error_set(in->err, LS_ECONFIG, "column %d: struct has the field '%s' twice", column_of(in, name.ptr),
                          fields[i].name);
  out->name = ls__arena_strndup(in->arena, name.ptr, name.len);
  LS_TRY(expect(in, ':', "struct<name: type, ...>"));
  return parse_type(&out->type, in);
}

static int parse_struct(const ls_type **out, parser *in) {
  ls_type_field *fields = NULL;
  size_t n = 0, capacity = 0;
  LS_TRY(expect(in, '<', "struct<name: type, ...>"));
  do {
    if (n == capacity) {
      size_t grown = capacity ? capacity * 2 : 4;
      fields = ls__arena_regrow(in->arena, fields, capacity * sizeof *fields, grown * sizeof *fields);
      capacity = grown;
    }
    LS_TRY(parse_struct_field(&fields[n], in, fields, (uint32_t)n));
    n++;
    skip_blanks(in);
  } while (in->p < in->end && *in->p == ',' && in->p++);
  LS_TRY(expect(in, '>', "struct<name: type, ...>"));
  ls_type *type = LS_ARENA_NEW(in->arena, ls_type);
  type->kind = LS_STRUCT;
  type->fields = fields;
  type->n_fields = (uint32_t)n;
  *out = type;
  return LS_OK;
}

static int unknown_type(parser *in, ls_slice name) {
  int column = column_of(in, name.ptr);
  if (name.len == 0)
    return ls_error_set(in->err, LS_ECONFIG, "column %d: a type must follow. Types: " ALLOWED_TYPES, column);
  char word[64];
  size_t len = name.len < sizeof word - 1 ? name.len : sizeof word - 1;
  memcpy(word, name.ptr, len);
  word[len] = '\0';
  const char *meant = NULL;
  for (size_t i = 0; i < N_OF(other_words); i++)
    if (strcmp(other_words[i][0], word) == 0) meant = other_words[i][1];
  if (!meant) {
    static const char *const names[] = {"bool",      "int64", "float64", "string", "bytes",
                                        "timestamp", "date",  "decimal", "list",   "struct"};
    meant = ls__nearest_name(word, names, N_OF(names));
  }
  return ls_error_set(in->err, LS_ECONFIG, "column %d: unknown type '%s'%s%s%s Types: " ALLOWED_TYPES, column, word,
                      meant ? "; did you mean " : "", meant ? meant : "", meant ? "?" : ".");
}

static int parse_type(const ls_type **out, parser *in) {
  ls_slice name = take_name(in);
  for (size_t i = 0; i < N_OF(plain_types); i++) {
    if (!ls__slice_is(name, plain_types[i].name)) continue;
    *out = plain_types[i].type;
    return LS_OK;
  }
  if (++in->depth > TYPE_DEPTH_MAX)
    return ls_error_set(in->err, LS_ECONFIG, "column %d: types nest at most %d deep", column_of(in, name.ptr),
                        TYPE_DEPTH_MAX);
  int rc;
  if (ls__slice_is(name, "decimal")) {
    rc = parse_decimal(out, in);
  } else if (ls__slice_is(name, "list")) {
    rc = parse_list(out, in);
  } else if (ls__slice_is(name, "struct")) {
    rc = parse_struct(out, in);
  } else {
    rc = unknown_type(in, name);
  }
  in->depth--;
  return rc;
}

int ls__type_parse(const ls_type **out, ls_arena *arena, ls_slice text, ls_error *err) {
  const char *start = text.len ? text.ptr : "";
  parser in = {.start = start, .p = start, .end = start + text.len, .arena = arena, .err = err};
  const ls_type *type;
  LS_TRY(parse_type(&type, &in));
  skip_blanks(&in);
  if (in.p < in.end)
    return ls_error_set(err, LS_ECONFIG, "column %d: '%c' after the end of the type", column_of(&in, in.p), *in.p);
  *out = type;
  return LS_OK;
}

void ls__type_format(ls_buf *out, const ls_type *type) {
  for (size_t i = 0; i < N_OF(plain_types); i++)
    if (plain_types[i].type->kind == type->kind) {
      ls__buf_puts(out, plain_types[i].name);
      return;
    }
  switch (type->kind) {
  case LS_DECIMAL:
    ls__buf_printf(out, "decimal(%u,%d)", (unsigned)type->precision, (int)type->scale);
    break;
  case LS_LIST:
    ls__buf_puts(out, "list<");
    ls__type_format(out, type->element);
    ls__buf_putc(out, '>');
    break;
  case LS_STRUCT:
    ls__buf_puts(out, "struct<");
    for (uint32_t i = 0; i < type->n_fields; i++) {
      ls__buf_printf(out, "%s%s: ", i ? ", " : "", type->fields[i].name);
      ls__type_format(out, type->fields[i].type);
    }
    ls__buf_putc(out, '>');
    break;
  default:
    ls__buf_puts(out, "none");
  }
}

int32_t ls__schema_find(const ls_schema *schema, ls_slice name) {
  for (uint32_t i = 0; i < schema->n_fields; i++)
    if (ls__slice_is(name, schema->fields[i].name)) return (int32_t)i;
  return -1;
}
