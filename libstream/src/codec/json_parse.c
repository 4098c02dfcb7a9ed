/**
 * @file json_parse.c
 * One line of JSON -> scratch values, in one strict pass led by the schema (docs/adr/0031-json-
 * decoder.md).
 *
 * Fields mostly come in the same order in every line, so the decoder remembers which field followed
 * which, and compares the name it expects with one masked comparison; only a surprise costs a hash
 * lookup. The first fault ends the pass: json_decode.c then reads the record again, slowly, to tell
 * broken JSON from a broken value.
 */
#include <string.h>

#include "codec/decoder.h"
#include "codec/json_parse.h"
#include "codec/json_scan.h"

typedef struct parser {
  ls_decoder *decoder;
  const ls_field_plan *plan;
  const char *line; /* start, for columns in messages */
} parser;

static const char *parse_value(const parser *in, const ls_type *type, const char *p, ls_value *out, int depth);

static const char *not_json(const parser *in, const char *at, const char *why) {
  ls__bad_set(in->decoder, "not_json", NULL, "not JSON: %s (column %lld)", why, (long long)(at - in->line) + 1);
  return NULL;
}

static const char *not_json_fault(const parser *in, const ls_json_fault *fault) {
  return not_json(in, fault->at, fault->why);
}

static const char *type_word(const char *p) {
  switch (*p) {
  case '"':
    return "a string";
  case '{':
    return "an object";
  case '[':
    return "a list";
  case 't':
  case 'f':
    return "a bool";
  case 'n':
    return "null";
  default:
    return "a number";
  }
}

static const char *wrong_type(const parser *in, const char *p, const char *expected) {
  ls__bad_set(in->decoder, "wrong_type", in->plan, "%s is expected, not %s", expected, type_word(p));
  return NULL;
}

/* -- scalars ----------------------------------------------------------------------------------- */

static const char *parse_escaped(const parser *in, const char *p, ls_slice *out) {
  ls_json_fault fault;
  const char *end = ls__json_string_end(p, &fault);
  if (!end) return not_json_fault(in, &fault);
  char *text = ls__arena_alloc(&in->decoder->scratch, (size_t)(end - p) + 1);
  *out = (ls_slice){text, ls__json_unescape(text, p, end)};
  return end + 1;
}

/* p: after the opening quote. Returns after the closing one. */
static inline const char *parse_string(const parser *in, const char *p, ls_slice *out) {
  const char *end = ls__json_plain_end(p);
  if (__builtin_expect(*end == '"', 1)) {
    *out = (ls_slice){p, (size_t)(end - p)};
    return end + 1;
  }
  return parse_escaped(in, p, out);
}

static const char *parse_decimal_slow(const parser *in, const ls_type *type, const char *p, ls_value *out) {
  ls_slice text;
  ls_json_fault fault;
  const char *end;
  if (*p == '"') {
    end = parse_string(in, p + 1, &text);
    if (!end) return NULL;
  } else {
    end = ls__json_number_end(p, &fault);
    if (!end) return not_json_fault(in, &fault);
    text = (ls_slice){p, (size_t)(end - p)};
  }
  return ls__scalar_decimal(in->decoder, in->plan, type, text, out) < 0 ? NULL : end;
}

static inline const char *take_digits(const char *p, uint64_t *value) {
  uint64_t v = *value;
  for (unsigned digit; (digit = (unsigned)(unsigned char)*p - '0') <= 9; p++) v = v * 10 + digit;
  *value = v;
  return p;
}

/* The common form, at most 18 digits in all, straight into an integer; everything else the slow
 * way. */
static inline const char *parse_decimal(const parser *in, const ls_type *type, const char *start, ls_value *out) {
  bool quoted = *start == '"';
  const char *p = start + quoted;
  bool negative = *p == '-';
  p += negative;
  uint64_t value = 0;
  const char *first = p;
  p = take_digits(p, &value);
  int64_t n_whole = p - first, n_decimals = 0;
  if (*p == '.') {
    const char *dot = p;
    p = take_digits(p + 1, &value);
    n_decimals = p - dot - 1;
    if (n_decimals == 0) n_whole = 0;
  }
  int64_t n_missing = type->scale - n_decimals;
  bool plain = n_whole > 0 && n_whole + n_decimals <= 18 && n_missing >= 0 && n_whole + type->scale <= type->precision;
  plain &= quoted ? *p == '"' : (*first != '0' || n_whole == 1) && *p != 'e' && *p != 'E';
  if (__builtin_expect(!plain, 0)) return parse_decimal_slow(in, type, start, out);
  ls_int128 scaled = (ls_int128)value * ls__pow10[n_missing];
  out->as.decimal = ls__i128_make(negative ? -scaled : scaled);
  return p + quoted;
}

static const char *parse_number(const parser *in, const ls_type *type, const char *p, ls_value *out) {
  if (*p != '-' && (*p < '0' || *p > '9')) return wrong_type(in, p, type->kind == LS_INT64 ? "an integer" : "a number");
  ls_json_fault fault;
  const char *end = ls__json_number_end(p, &fault);
  if (!end) return not_json_fault(in, &fault);
  ls_slice text = {p, (size_t)(end - p)};
  int rc = type->kind == LS_INT64 ? ls__scalar_int64(in->decoder, in->plan, text, out)
                                  : ls__scalar_float64(in->decoder, in->plan, text, out);
  return rc < 0 ? NULL : end;
}

static const char *parse_bool(const parser *in, const char *p, ls_value *out) {
  ls_json_fault fault;
  if (*p != 't' && *p != 'f') return wrong_type(in, p, "true or false");
  const char *end = ls__json_literal_end(p, &fault);
  if (!end) return not_json_fault(in, &fault);
  out->as.boolean = *p == 't';
  return end;
}

static const char *expected_word(ls_kind kind) {
  switch (kind) {
  case LS_TIMESTAMP:
    return "a timestamp in a string";
  case LS_DATE:
    return "a date in a string";
  case LS_BYTES:
    return "base64 in a string";
  default:
    return "a string";
  }
}

/* Types that JSON gives as strings. */
static inline const char *parse_text(const parser *in, const ls_type *type, const char *p, ls_value *out) {
  ls_slice text;
  if (*p != '"') return wrong_type(in, p, expected_word(type->kind));
  const char *end = parse_string(in, p + 1, &text);
  if (!end) return NULL;
  int rc = LS_OK;
  switch (type->kind) {
  case LS_TIMESTAMP:
    rc = ls__scalar_timestamp(in->decoder, in->plan, text, out);
    break;
  case LS_DATE:
    rc = ls__scalar_date(in->decoder, in->plan, text, out);
    break;
  case LS_BYTES:
    rc = ls__scalar_bytes(in->decoder, in->plan, text, out);
    break;
  default:
    out->as.slice = text;
    break;
  }
  return rc < 0 ? NULL : end;
}

/* -- lists and structs ------------------------------------------------------------------------- */

static const char *parse_list(const parser *in, const ls_type *type, const char *p, ls_value *out, int depth) {
  if (*p != '[') return wrong_type(in, p, "a list");
  if (depth >= LS_JSON_DEPTH_MAX) return not_json(in, p, "values are nested too deep");
  uint32_t n = 0, capacity = 0;
  ls_value *items = NULL;
  p = ls__json_space(p + 1);
  bool more = *p != ']';
  while (more) {
    if (n == capacity) {
      capacity = capacity ? capacity * 2 : 8;
      ls_value *grown = ls__arena_alloc(&in->decoder->scratch, capacity * sizeof *grown);
      if (n) memcpy(grown, items, n * sizeof *grown);
      items = grown;
    }
    p = parse_value(in, type->element, p, &items[n++], depth + 1);
    if (!p) return NULL;
    p = ls__json_space(p);
    more = *p == ',';
    if (!more && *p != ']') return not_json(in, p, "',' or ']' is expected");
    if (more) p = ls__json_space(p + 1);
  }
  out->as.items = items;
  out->n = n;
  return p + 1;
}

/* p: at a field's name. Returns where its value begins. */
static const char *parse_name(const parser *in, const char *p, ls_slice *name) {
  if (*p != '"') return not_json(in, p, "a field name in quotes is expected");
  p = parse_string(in, p + 1, name);
  if (!p) return NULL;
  p = ls__json_space(p);
  if (*p != ':') return not_json(in, p, "':' is expected after the field name");
  return ls__json_space(p + 1);
}

static const char *skip_value(const parser *in, const char *p, int depth) {
  ls_json_fault fault;
  const char *end = ls__json_skip(p, depth, &fault);
  return end ? end : not_json_fault(in, &fault);
}

static const char *parse_struct_field(const parser *in, const ls_type *type, const char *p, ls_value *items,
                                      int depth) {
  ls_slice name;
  p = parse_name(in, p, &name);
  if (!p) return NULL;
  for (uint32_t i = 0; i < type->n_fields; i++) {
    if (!ls__slice_is(name, type->fields[i].name)) continue;
    if (items[i].state != LS_VALUE_ABSENT) {
      ls__bad_set(in->decoder, "duplicate_field", in->plan, "it has %s twice", type->fields[i].name);
      return NULL;
    }
    return parse_value(in, type->fields[i].type, p, &items[i], depth);
  }
  return skip_value(in, p, depth);
}

static const char *parse_struct(const parser *in, const ls_type *type, const char *p, ls_value *out, int depth) {
  if (*p != '{') return wrong_type(in, p, "an object");
  if (depth >= LS_JSON_DEPTH_MAX) return not_json(in, p, "values are nested too deep");
  ls_value *items = LS_ARENA_ARRAY(&in->decoder->scratch, ls_value, type->n_fields + 1);
  p = ls__json_space(p + 1);
  bool more = *p != '}';
  while (more) {
    p = parse_struct_field(in, type, p, items, depth + 1);
    if (!p) return NULL;
    p = ls__json_space(p);
    more = *p == ',';
    if (!more && *p != '}') return not_json(in, p, "',' or '}' is expected");
    if (more) p = ls__json_space(p + 1);
  }
  out->as.items = items;
  out->n = type->n_fields;
  return p + 1;
}

static const char *parse_null(const parser *in, const char *p, ls_value *out) {
  ls_json_fault fault;
  const char *end = ls__json_literal_end(p, &fault);
  if (!end) return not_json_fault(in, &fault);
  out->state = LS_VALUE_NULL;
  return end;
}

/* Value of any type at p; returns its end, NULL with the fault set. */
static inline const char *parse_any(const parser *in, const ls_type *type, const char *p, ls_value *out, int depth) {
  if (*p == 'n') return parse_null(in, p, out);
  out->state = LS_VALUE_SET;
  switch (type->kind) {
  case LS_STRING:
  case LS_TIMESTAMP:
  case LS_DATE:
  case LS_BYTES:
    return parse_text(in, type, p, out);
  case LS_DECIMAL:
    if (*p != '"' && *p != '-' && (*p < '0' || *p > '9')) {
      return wrong_type(in, p, "a decimal (a string or a number)");
    }
    return parse_decimal(in, type, p, out);
  case LS_INT64:
  case LS_FLOAT64:
    return parse_number(in, type, p, out);
  case LS_BOOL:
    return parse_bool(in, p, out);
  case LS_LIST:
    return parse_list(in, type, p, out, depth);
  default:
    return parse_struct(in, type, p, out, depth);
  }
}

static const char *parse_value(const parser *in, const ls_type *type, const char *p, ls_value *out, int depth) {
  return parse_any(in, type, p, out, depth);
}

/* -- records ----------------------------------------------------------------------------------- */

/* A name that was not expected: *field is its index or -1, and the expectation follows. */
static const char *find_name(parser *in, const char *p, uint32_t *expected, int32_t *field) {
  ls_slice name;
  p = parse_name(in, p, &name);
  if (!p) return NULL;
  *field = ls__decoder_find(in->decoder, name);
  if (*field >= 0) *expected = (uint32_t)*field;
  return p;
}

/* p: at a name. Returns the end of the value; *slot: what follows. */
static inline const char *parse_field(parser *in, const char *p, uint32_t *slot) {
  ls_decoder *decoder = in->decoder;
  int32_t i = (int32_t)decoder->follows[*slot];
  const ls_field_plan *plan = &decoder->plans[i];
  if (__builtin_expect(plan->quoted_len && ls__json_same_key(p, plan->quoted, plan->quoted_mask, plan->quoted_len),
                       1)) {
    p = ls__json_space(p + plan->quoted_len);
    if (*p != ':') return not_json(in, p, "':' is expected after the field name");
    p = ls__json_space(p + 1);
  } else {
    p = find_name(in, p, &decoder->follows[*slot], &i);
    if (!p) return NULL;
    if (i < 0) return skip_value(in, p, 1);
    plan = &decoder->plans[i];
  }
  in->plan = plan;
  ls_value *value = &decoder->values[i];
  if (value->state != LS_VALUE_ABSENT) {
    ls__bad_set(decoder, "duplicate_field", plan, "it is there twice");
    return NULL;
  }
  p = parse_any(in, plan->type, p, value, 1);
  if (!p) return NULL;
  *slot = (uint32_t)i + 1;
  if (plan->constrained && value->state == LS_VALUE_SET && ls__plan_check(decoder, plan, value) < 0) return NULL;
  return p;
}

const char *ls__json_parse_record(ls_decoder *decoder, const char *line) {
  parser in = {decoder, NULL, line};
  uint32_t slot = 0;
  const char *p = ls__json_space(line);
  if (*p != '{') {
    ls_json_fault fault;
    if (!ls__json_skip(p, 0, &fault)) return not_json_fault(&in, &fault);
    ls__bad_set(decoder, "wrong_type", NULL, "a record must be a JSON object, not %s", type_word(p));
    return NULL;
  }
  p = ls__json_space(p + 1);
  bool more = *p != '}';
  while (more) {
    p = parse_field(&in, p, &slot);
    if (!p) return NULL;
    p = ls__json_space(p);
    more = *p == ',';
    if (!more && *p != '}') return not_json(&in, p, "',' or '}' is expected");
    if (more) p = ls__json_space(p + 1);
  }
  p = ls__json_space(p + 1);
  if (*p != '\n') return not_json(&in, p, "the end of the record is expected after its object");
  return p;
}

int ls__json_cell(ls_decoder *decoder, const ls_field_plan *plan, const ls_type *type, ls_slice text, ls_value *out) {
  char *copy = ls__arena_zalloc(&decoder->scratch, text.len + 1 + LS_JSON_PADDING);
  memcpy(copy, text.ptr, text.len);
  for (char *p = copy; (p = memchr(p, '\n', (size_t)(copy + text.len - p))) != NULL;) *p = '\r';
  copy[text.len] = '\n';
  parser in = {decoder, plan, copy};
  const char *p = parse_any(&in, type, ls__json_space(copy), out, 0);
  if (p && *(p = ls__json_space(p)) != '\n') p = NULL;
  if (p) return LS_OK;
  return ls__bad_set(decoder, "wrong_type", plan, "the text is not a JSON value of the field's type");
}
