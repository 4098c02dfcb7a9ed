/**
 * @file json_mask.c
 * A bad record, written again as a dead letter may show it: fields that the schema knows and no
 * others, at every depth, without what is sensitive. Two passes: the first notes the sensitive
 * values and proves that the text is JSON, the second writes. Numbers and strings keep their own
 * text. CSV, protobuf and typed rows are put into JSON first and take the same way.
 */
#include <string.h>

#include "codec/decoder.h"
#include "codec/json_scan.h"

typedef struct masker {
  ls_decoder *decoder;
  ls_json_fault fault;
} masker;

static const char *note_value(masker *in, const char *p, int depth, bool hidden);
static const char *show_value(masker *in, const ls_type *type, const char *p, bool hidden);

static const char *fail(masker *in, const char *at, const char *why) {
  in->fault = (ls_json_fault){at, why};
  return NULL;
}

/* The string between p and end without escapes; in scratch when it has some. */
static ls_slice plain_text(masker *in, const char *p, const char *end) {
  size_t len = (size_t)(end - p);
  if (!memchr(p, '\\', len)) return (ls_slice){p, len};
  char *text = ls__arena_alloc(&in->decoder->scratch, len + 1);
  return (ls_slice){text, ls__json_unescape(text, p, end)};
}

/* -- first pass: what is secret, and is it JSON ------------------------------------------------ */

static const char *note_field(masker *in, const char *p, int depth, bool hidden) {
  if (*p != '"') return fail(in, p, "a field name in quotes is expected");
  const char *end = ls__json_string_end(p + 1, &in->fault);
  if (!end) return NULL;
  ls_slice name = plain_text(in, p + 1, end);
  p = ls__json_space(end + 1);
  if (*p != ':') return fail(in, p, "':' is expected after the field name");
  return note_value(in, ls__json_space(p + 1), depth, hidden || ls__mask_name(in->decoder, name));
}

static const char *note_container(masker *in, const char *p, int depth, bool hidden) {
  bool object = *p == '{';
  char close = object ? '}' : ']';
  if (depth >= LS_JSON_DEPTH_MAX) return fail(in, p, "values are nested too deep");
  p = ls__json_space(p + 1);
  bool more = *p != close;
  while (more) {
    p = object ? note_field(in, p, depth + 1, hidden) : note_value(in, p, depth + 1, hidden);
    if (!p) return NULL;
    p = ls__json_space(p);
    more = *p == ',';
    if (!more && *p != close) return fail(in, p, object ? "',' or '}' is expected" : "',' or ']' is expected");
    if (more) p = ls__json_space(p + 1);
  }
  return p + 1;
}

static const char *note_value(masker *in, const char *p, int depth, bool hidden) {
  const char *end;
  switch (*p) {
  case '{':
  case '[':
    return note_container(in, p, depth, hidden);
  case '"':
    end = ls__json_string_end(p + 1, &in->fault);
    if (!end) return NULL;
    if (hidden) ls__mask_note(in->decoder, plain_text(in, p + 1, end));
    return end + 1;
  case 't':
  case 'f':
  case 'n':
    return ls__json_literal_end(p, &in->fault);
  default:
    end = ls__json_number_end(p, &in->fault);
    if (end && hidden) ls__mask_note(in->decoder, (ls_slice){p, (size_t)(end - p)});
    return end;
  }
}

static const char *note_text(masker *in, const char *text) {
  const char *end = note_value(in, ls__json_space(text), 0, false);
  if (!end) return NULL;
  end = ls__json_space(end);
  return *end == '\n' ? end : fail(in, end, "the end of the record is expected");
}

/* -- second pass: text is known to be JSON ----------------------------------------------------- */

static void put(masker *in, const char *text, size_t len) {
  ls__buf_append(&in->decoder->payload, text, len);
}

/* Whether the value at p is of the kind that JSON gives the type in. What is of another kind was
 * not meant for the field: nothing tells what it holds. The other formats have only texts. */
static bool kind_fits(const masker *in, const ls_type *type, char p) {
  bool is_text = p == '"', is_number = p == '-' || (p >= '0' && p <= '9');
  if (type->kind == LS_LIST) return p == '[';
  if (type->kind == LS_STRUCT) return p == '{';
  if (is_text && in->decoder->format != LS_FORMAT_JSON) return true;
  switch (type->kind) {
  case LS_DECIMAL:
    return is_text || is_number;
  case LS_INT64:
  case LS_FLOAT64:
    return is_number;
  case LS_BOOL:
    return p == 't' || p == 'f';
  default:
    return is_text;
  }
}

/* Type of a field of the record (type NULL) or of a struct; NULL: the schema doesn't know it. */
static const ls_type *type_of(const masker *in, const ls_type *type, ls_slice name) {
  if (!type) {
    int32_t i = ls__decoder_find(in->decoder, name);
    return i < 0 ? NULL : in->decoder->plans[i].type;
  }
  for (uint32_t i = 0; i < type->n_fields; i++) {
    if (ls__slice_is(name, type->fields[i].name)) return type->fields[i].type;
  }
  return NULL;
}

/* type NULL: the record. */
static const char *show_object(masker *in, const ls_type *type, const char *p) {
  bool first = true;
  put(in, "{", 1);
  p = ls__json_space(p + 1);
  while (*p != '}') {
    const char *end = ls__json_string_end(p + 1, &in->fault);
    ls_slice name = plain_text(in, p + 1, end);
    p = ls__json_space(ls__json_space(end + 1) + 1);
    const ls_type *of = type_of(in, type, name);
    if (of) {
      if (!first) put(in, ",", 1);
      first = false;
      ls__buf_json_string(&in->decoder->payload, name);
      put(in, ":", 1);
      p = show_value(in, of, p, ls__mask_name(in->decoder, name));
    } else {
      p = ls__json_skip(p, 0, &in->fault);
    }
    p = ls__json_space(p);
    if (*p == ',') p = ls__json_space(p + 1);
  }
  put(in, "}", 1);
  return p + 1;
}

static const char *show_list(masker *in, const ls_type *type, const char *p) {
  put(in, "[", 1);
  p = ls__json_space(p + 1);
  while (*p != ']') {
    p = ls__json_space(show_value(in, type->element, p, false));
    if (*p != ',') continue;
    put(in, ",", 1);
    p = ls__json_space(p + 1);
  }
  put(in, "]", 1);
  return p + 1;
}

/* A value inside a hidden one is not looked at: "***" stands for the whole. */
static const char *show_value(masker *in, const ls_type *type, const char *p, bool hidden) {
  const char *end;
  if (!hidden && *p == '{' && type->kind == LS_STRUCT) return show_object(in, type, p);
  if (!hidden && *p == '[' && type->kind == LS_LIST) return show_list(in, type, p);
  end = ls__json_skip(p, 0, &in->fault);
  ls_slice value = {p, (size_t)(end - p)};
  if (*p == '"') value = plain_text(in, p + 1, end - 1);
  bool fits = *p == 'n' || kind_fits(in, type, *p);
  if (hidden || !fits || ls__mask_hides(in->decoder, value))
    put(in, "\"***\"", 5);
  else
    put(in, p, (size_t)(end - p));
  return end;
}

int ls__json_mask(ls_decoder *decoder, const char *text, const char **at, const char **why) {
  masker in = {decoder, {NULL, NULL}};
  ls__buf_clear(&decoder->payload);
  if (!note_text(&in, text)) {
    *at = in.fault.at;
    *why = in.fault.why;
    return LS_EDATA;
  }
  text = ls__json_space(text);
  if (*text == '{') show_object(&in, NULL, text); /* else no names to tell what it is */
  return LS_OK;
}

void ls__json_mask_line(ls_decoder *decoder) {
  static const char end[LS_JSON_PADDING + 1] = "\n";
  const char *at, *why;
  ls__buf_append(&decoder->line, end, sizeof end);
  if (ls__json_mask(decoder, decoder->line.ptr, &at, &why) < 0) ls__buf_clear(&decoder->payload);
}
