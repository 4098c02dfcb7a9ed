/** @file json_scan.c  See json_scan.h. */
#include "codec/json_scan.h"

#include <string.h>

#include "codec/decoder.h"

static const char *fail(ls_json_fault *fault, const char *at, const char *why) {
  *fault = (ls_json_fault){at, why};
  return NULL;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hex digits as a number, -1 when they are not. Stops at the first that is none. */
static int32_t hex4(const char *p) {
  int32_t value = 0;
  for (int i = 0; i < 4; i++) {
    int digit = hex_digit(p[i]);
    if (digit < 0) return -1;
    value = value << 4 | digit;
  }
  return value;
}

/* p: at a backslash. End of the escape, NULL with the fault. */
static const char *escape_end(const char *p, ls_json_fault *fault) {
  char c = p[1];
  if (c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' || c == 'n' || c == 'r' || c == 't') return p + 2;
  if (c != 'u') return fail(fault, p, "an escape as \\n or \\u00e9 is expected after the backslash");
  int32_t unit = hex4(p + 2);
  if (unit < 0) return fail(fault, p, "four hex digits are expected after \\u");
  if (unit < 0xD800 || unit > 0xDFFF) return p + 6;
  int32_t low = unit < 0xDC00 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8) : -1;
  if (low < 0xDC00 || low > 0xDFFF) return fail(fault, p, "half a surrogate pair is not a character");
  return p + 12;
}

const char *ls__json_string_end(const char *p, ls_json_fault *fault) {
  for (;;) {
    p = ls__json_plain_end(p);
    if (*p == '"') return p;
    if (*p != '\\') return fail(fault, p, "the string has a control character or no closing quote");
    p = escape_end(p, fault);
    if (!p) return NULL;
  }
}

static size_t put_utf8(char *out, uint32_t c) {
  if (c < 0x80) {
    out[0] = (char)c;
    return 1;
  }
  if (c < 0x800) {
    out[0] = (char)(0xC0 | c >> 6);
    out[1] = (char)(0x80 | (c & 63));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = (char)(0xE0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 63));
    out[2] = (char)(0x80 | (c & 63));
    return 3;
  }
  out[0] = (char)(0xF0 | c >> 18);
  out[1] = (char)(0x80 | (c >> 12 & 63));
  out[2] = (char)(0x80 | (c >> 6 & 63));
  out[3] = (char)(0x80 | (c & 63));
  return 4;
}

size_t ls__json_unescape(char *out, const char *p, const char *end) {
  static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
  char *o = out;
  while (p < end) {
    if (*p != '\\') {
      *o++ = *p++;
      continue;
    }
    char c = p[1];
    if (c != 'u') {
      const char *at = strchr(from, c);
      *o++ = at ? to[at - from] : c;
      p += 2;
      continue;
    }
    uint32_t unit = (uint32_t)hex4(p + 2);
    p += 6;
    if (unit >= 0xD800 && unit <= 0xDFFF) {
      unit = 0x10000 + ((unit - 0xD800) << 10) + ((uint32_t)hex4(p + 2) - 0xDC00);
      p += 6;
    }
    o += put_utf8(o, unit);
  }
  return (size_t)(o - out);
}

static const char *digits_end(const char *p) {
  while (*p >= '0' && *p <= '9') p++;
  return p;
}

const char *ls__json_number_end(const char *p, ls_json_fault *fault) {
  if (*p == '-') p++;
  const char *end = digits_end(p);
  if (end == p) return fail(fault, p, "a value is expected");
  if (*p == '0' && end > p + 1) return fail(fault, p, "a number must not begin with 0");
  p = end;
  if (*p == '.') {
    end = digits_end(p + 1);
    if (end == p + 1) return fail(fault, end, "a digit is expected after the point");
    p = end;
  }
  if (*p == 'e' || *p == 'E') {
    p++;
    if (*p == '+' || *p == '-') p++;
    end = digits_end(p);
    if (end == p) return fail(fault, p, "a digit is expected in the exponent");
    p = end;
  }
  return p;
}

const char *ls__json_literal_end(const char *p, ls_json_fault *fault) {
  if (strncmp(p, "true", 4) == 0 || strncmp(p, "null", 4) == 0) return p + 4;
  if (strncmp(p, "false", 5) == 0) return p + 5;
  return fail(fault, p, "a value is expected");
}

/* p: at an opening brace or bracket. */
static const char *skip_container(const char *p, int depth, ls_json_fault *fault) {
  bool object = *p == '{';
  char close = object ? '}' : ']';
  if (depth >= LS_JSON_DEPTH_MAX) return fail(fault, p, "values are nested too deep");
  p = ls__json_space(p + 1);
  if (*p == close) return p + 1;
  for (;;) {
    if (object) {
      if (*p != '"') return fail(fault, p, "a field name in quotes is expected");
      p = ls__json_string_end(p + 1, fault);
      if (!p) return NULL;
      p = ls__json_space(p + 1);
      if (*p != ':') return fail(fault, p, "':' is expected after the field name");
      p = ls__json_space(p + 1);
    }
    p = ls__json_skip(p, depth + 1, fault);
    if (!p) return NULL;
    p = ls__json_space(p);
    if (*p == close) return p + 1;
    if (*p != ',') return fail(fault, p, object ? "',' or '}' is expected" : "',' or ']' is expected");
    p = ls__json_space(p + 1);
  }
}

const char *ls__json_skip(const char *p, int depth, ls_json_fault *fault) {
  switch (*p) {
  case '{':
  case '[':
    return skip_container(p, depth, fault);
  case '"':
    p = ls__json_string_end(p + 1, fault);
    return p ? p + 1 : NULL;
  case 't':
  case 'f':
  case 'n':
    return ls__json_literal_end(p, fault);
  default:
    return ls__json_number_end(p, fault);
  }
}
