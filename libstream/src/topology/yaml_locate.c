/**
 * @file yaml_locate.c
 * From a byte of a scalar's value back to line and column of the file: undoes parameters, quotes,
 * escapes, line folding and block indentation, so that an error inside an expression points at it.
 */
#include "base/buf.h"
#include "topology/yaml_tree.h"

size_t ls__yaml_break_len(ls_slice text, size_t at) {
  const unsigned char *s = (const unsigned char *)text.ptr + at;
  size_t left = text.len - at;
  if (left == 0) return 0;
  if (s[0] == '\r') return left > 1 && s[1] == '\n' ? 2 : 1;
  if (s[0] == '\n') return 1;
  if (left > 1 && s[0] == 0xC2 && s[1] == 0x85) return 2;
  if (left > 2 && s[0] == 0xE2 && s[1] == 0x80 && (s[2] == 0xA8 || s[2] == 0xA9)) return 3;
  return 0;
}

static ls_slice slice_of(const ls_yaml_doc *doc) {
  return (ls_slice){doc->text, doc->len};
}
static bool is_continuation(char c) {
  return ((unsigned char)c & 0xC0u) == 0x80;
}
static bool has_bom(const ls_yaml_doc *doc) {
  return doc->len >= 3 && memcmp(doc->text, "\xEF\xBB\xBF", 3) == 0;
}

ls_mark ls__yaml_mark_of_byte(const ls_yaml_doc *doc, size_t byte) {
  ls_mark mark = {1, 1};
  size_t at = has_bom(doc) ? 3 : 0;
  while (at < byte && at < doc->len) {
    size_t n = ls__yaml_break_len(slice_of(doc), at);
    if (n > 0) {
      mark.line++;
      mark.column = 1;
      at += n;
      continue;
    }
    if (!is_continuation(doc->text[at])) mark.column++;
    at++;
  }
  return mark;
}

size_t ls__yaml_byte_of_mark(const ls_yaml_doc *doc, ls_mark mark) {
  size_t at = has_bom(doc) ? 3 : 0;
  for (uint32_t line = 1; line < mark.line && at < doc->len;) {
    size_t n = ls__yaml_break_len(slice_of(doc), at);
    if (n > 0) line++;
    at += n > 0 ? n : 1;
  }
  for (uint32_t column = 1; column < mark.column && at < doc->len; column++) {
    if (ls__yaml_break_len(slice_of(doc), at) > 0) break;
    at++;
    while (at < doc->len && is_continuation(doc->text[at])) at++;
  }
  return at;
}

/* Offset in the value as written, before parameters were put in. */
static size_t raw_offset(const ls_yaml *scalar, size_t offset) {
  size_t shift_out = 0, shift_in = 0;
  for (uint32_t i = 0; i < scalar->n_splices; i++) {
    const ls_yaml_splice *splice = &scalar->splices[i];
    if (offset < splice->at) break;
    if (offset < splice->at + splice->len) return splice->raw_at;
    shift_out = splice->at + splice->len;
    shift_in = splice->raw_at + splice->raw_len;
  }
  return offset - shift_out + shift_in;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/* Whether a run of blanks that ends in a line break begins here. */
static bool is_fold(ls_slice text, size_t at) {
  while (at < text.len && is_blank(text.ptr[at])) at++;
  return ls__yaml_break_len(text, at) > 0;
}

/* Skips blanks and line breaks. */
static size_t skip_fold(ls_slice text, size_t at) {
  while (at < text.len) {
    size_t n = ls__yaml_break_len(text, at);
    if (n == 0 && !is_blank(text.ptr[at])) break;
    at += n > 0 ? n : 1;
  }
  return at;
}

/* What a folded line break became in the value: one space, or line feeds. */
static size_t skip_folded_value(const char *raw, size_t i) {
  if (raw[i] == ' ') return i + 1;
  while (raw[i] == '\n') i++;
  return i;
}

/* Length of a double-quoted escape in the file; *value_len: bytes it became. */
static size_t escape_len(ls_slice text, size_t at, const char *raw, size_t i, size_t *value_len) {
  char c = at + 1 < text.len ? text.ptr[at + 1] : 0;
  size_t n = 1;
  while (is_continuation(raw[i + n]) && n < 4) n++;
  *value_len = n;
  return c == 'x' ? 4 : c == 'u' ? 6 : c == 'U' ? 10 : 2;
}

/* File offset of raw[offset] for plain and quoted scalars; begins at the first character. */
static size_t flow_byte(const ls_yaml_doc *doc, const ls_yaml *scalar, size_t offset) {
  ls_slice text = slice_of(doc);
  size_t at = ls__yaml_byte_of_mark(doc, scalar->mark);
  bool is_single = scalar->style == LS_YAML_SINGLE_QUOTED;
  bool is_double = scalar->style == LS_YAML_DOUBLE_QUOTED;
  if (is_single || is_double) at++;
  for (size_t i = 0; i < offset && at < text.len;) {
    if (is_double && text.ptr[at] == '\\') {
      if (at + 1 < text.len && ls__yaml_break_len(text, at + 1) > 0) {
        at = skip_fold(text, at + 1); /* an escaped line break leaves nothing in the value */
        continue;
      }
      size_t value_len;
      at += escape_len(text, at, scalar->raw, i, &value_len);
      i += value_len;
    } else if (is_fold(text, at)) {
      at = skip_fold(text, at);
      i = skip_folded_value(scalar->raw, i);
    } else {
      at += is_single && text.ptr[at] == '\'' ? 2 : 1;
      i++;
    }
  }
  return at < text.len ? at : text.len;
}

static size_t skip_line(ls_slice text, size_t at) {
  while (at < text.len) {
    size_t n = ls__yaml_break_len(text, at);
    if (n > 0) return at + n;
    at++;
  }
  return at;
}

static size_t count_spaces(ls_slice text, size_t at) {
  size_t n = 0;
  while (at + n < text.len && text.ptr[at + n] == ' ') n++;
  return n;
}

/* Spaces that each line of a block scalar begins with in the file but not in the value. */
static size_t block_indent(ls_slice text, size_t at, ls_slice value) {
  while (at < text.len && is_fold(text, at)) at = skip_line(text, at);
  size_t i = 0;
  while (i < value.len && is_fold(value, i)) i = skip_line(value, i);
  size_t in_file = count_spaces(text, at), in_value = count_spaces(value, i);
  return in_file > in_value ? in_file - in_value : 0;
}

static size_t skip_indent(ls_slice text, size_t at, size_t indent) {
  size_t n = count_spaces(text, at);
  return at + (n < indent ? n : indent);
}

/* File offset of raw[offset] for | and > scalars. */
static size_t block_byte(const ls_yaml_doc *doc, const ls_yaml *scalar, size_t offset) {
  ls_slice text = slice_of(doc);
  size_t at = skip_line(text, ls__yaml_byte_of_mark(doc, scalar->mark));
  size_t indent = block_indent(text, at, ls__slice_of(scalar->raw));
  at = skip_indent(text, at, indent);
  for (size_t i = 0; i < offset && at < text.len;) {
    size_t n = ls__yaml_break_len(text, at);
    if (n == 0) {
      at++;
      i++;
    } else if (scalar->style == LS_YAML_LITERAL) {
      at = skip_indent(text, at + n, indent);
      i++;
    } else {
      while (at < text.len && ls__yaml_break_len(text, at) > 0) {
        at = skip_indent(text, at + ls__yaml_break_len(text, at), indent);
      }
      size_t after = skip_folded_value(scalar->raw, i);
      i = after > i ? after : i + 1;
    }
  }
  return at < text.len ? at : text.len;
}

ls_mark ls__yaml_locate(const ls_yaml_doc *doc, const ls_yaml *scalar, size_t offset) {
  if (scalar->kind != LS_YAML_SCALAR) return scalar->mark;
  size_t raw = raw_offset(scalar, offset), raw_len = strlen(scalar->raw);
  if (raw > raw_len) raw = raw_len;
  bool is_block = scalar->style == LS_YAML_LITERAL || scalar->style == LS_YAML_FOLDED;
  size_t byte = is_block ? block_byte(doc, scalar, raw) : flow_byte(doc, scalar, raw);
  return ls__yaml_mark_of_byte(doc, byte);
}
