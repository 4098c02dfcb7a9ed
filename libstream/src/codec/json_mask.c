/**
 * @file json_mask.c
 * A bad record, written again without what is sensitive. Two passes: the first notes the sensitive
 * values and proves that the text is JSON, the second writes. Numbers and strings keep their own
 * text.
 */
#include <string.h>

#include "codec/decoder.h"
#include "codec/json_scan.h"

typedef struct masker {
  ls_decoder *decoder;
  ls_buf *out; /* NULL: first pass */
  ls_json_fault fault;
} masker;

static const char *mask_value(masker *in, const char *p, int depth, bool hidden);

static const char *fail(masker *in, const char *at, const char *why) {
  in->fault = (ls_json_fault){at, why};
  return NULL;
}

static void put(masker *in, const char *text, size_t len) {
  if (in->out) ls__buf_append(in->out, text, len);
}

/* The string between p and end without escapes; in scratch when it has some. */
static ls_slice plain_text(masker *in, const char *p, const char *end) {
  size_t len = (size_t)(end - p);
  if (!memchr(p, '\\', len)) return (ls_slice){p, len};
  char *text = ls__arena_alloc(&in->decoder->scratch, len + 1);
  return (ls_slice){text, ls__json_unescape(text, p, end)};
}

/* Token from p to end, value its meaning. */
static void mask_scalar(masker *in, const char *p, const char *end, ls_slice value, bool hidden) {
  if (!in->out) {
    if (hidden) ls__mask_note(in->decoder, value);
  } else if (ls__mask_hides(in->decoder, value)) {
    put(in, "\"***\"", 5);
  } else {
    put(in, p, (size_t)(end - p));
  }
}

static const char *mask_object_field(masker *in, const char *p, int depth, bool hidden) {
  if (*p != '"') return fail(in, p, "a field name in quotes is expected");
  const char *end = ls__json_string_end(p + 1, &in->fault);
  if (!end) return NULL;
  ls_slice name = plain_text(in, p + 1, end);
  mask_scalar(in, p, end + 1, name, false);
  p = ls__json_space(end + 1);
  if (*p != ':') return fail(in, p, "':' is expected after the field name");
  put(in, ":", 1);
  return mask_value(in, ls__json_space(p + 1), depth, hidden || ls__mask_name(in->decoder, name));
}

static const char *mask_container(masker *in, const char *p, int depth, bool hidden) {
  bool object = *p == '{';
  char close = object ? '}' : ']';
  if (depth >= LS_JSON_DEPTH_MAX) return fail(in, p, "values are nested too deep");
  put(in, p, 1);
  p = ls__json_space(p + 1);
  bool more = *p != close;
  while (more) {
    p = object ? mask_object_field(in, p, depth + 1, hidden) : mask_value(in, p, depth + 1, hidden);
    if (!p) return NULL;
    p = ls__json_space(p);
    more = *p == ',';
    if (!more && *p != close)
      return fail(in, p, object ? "',' or '}' is expected" : "',' or ']' is expected");
    if (more) put(in, p, 1), p = ls__json_space(p + 1);
  }
  put(in, &close, 1);
  return p + 1;
}

static const char *mask_value(masker *in, const char *p, int depth, bool hidden) {
  const char *end;
  if (hidden && in->out) { /* known to be JSON from the first pass */
    put(in, "\"***\"", 5);
    return ls__json_skip(p, depth, &in->fault);
  }
  switch (*p) {
  case '{':
  case '[':
    return mask_container(in, p, depth, hidden);
  case '"':
    end = ls__json_string_end(p + 1, &in->fault);
    if (!end) return NULL;
    mask_scalar(in, p, end + 1, plain_text(in, p + 1, end), hidden);
    return end + 1;
  case 't':
  case 'f':
  case 'n':
    end = ls__json_literal_end(p, &in->fault);
    if (end) put(in, p, (size_t)(end - p));
    return end;
  default:
    end = ls__json_number_end(p, &in->fault);
    if (end) mask_scalar(in, p, end, (ls_slice){p, (size_t)(end - p)}, hidden);
    return end;
  }
}

static const char *mask_text(masker *in, const char *text) {
  const char *end = mask_value(in, ls__json_space(text), 0, false);
  if (!end) return NULL;
  end = ls__json_space(end);
  return *end == '\n' ? end : fail(in, end, "the end of the record is expected");
}

int ls__json_mask(ls_decoder *decoder, const char *text, const char **at, const char **why) {
  masker in = {decoder, NULL, {NULL, NULL}};
  ls__buf_clear(&decoder->payload);
  if (!mask_text(&in, text)) {
    *at = in.fault.at;
    *why = in.fault.why;
    return LS_EDATA;
  }
  if (decoder->n_sensitive && *ls__json_space(text) != '{')
    return LS_OK; /* no names to tell what is sensitive */
  in.out = &decoder->payload;
  mask_text(&in, text);
  return LS_OK;
}
