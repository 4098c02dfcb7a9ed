/** @file buf.c  Byte buffer, slices, UTF-8 and JSON text. One byte is always kept for the NUL. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"

void ls__buf_fini(ls_buf *buf) {
  ls__free(buf->ptr);
  *buf = (ls_buf)LS_BUF_INIT;
}

void ls__buf_reserve(ls_buf *buf, size_t n_more) {
  size_t needed = buf->len + n_more + 1;
  ls_assert(needed > n_more);
  if (needed > buf->capacity) ls__grow(&buf->ptr, &buf->capacity, needed < 64 ? 64 : needed, 1);
}

void ls__buf_append(ls_buf *buf, const void *data, size_t len) {
  ls__buf_reserve(buf, len);
  ls__copy_short(buf->ptr + buf->len, data, len);
  buf->len += len;
  buf->ptr[buf->len] = '\0';
}

void ls__buf_puts(ls_buf *buf, const char *text) {
  ls__buf_append(buf, text, strlen(text));
}

void ls__buf_putc(ls_buf *buf, char c) {
  ls__buf_reserve(buf, 1);
  buf->ptr[buf->len++] = c;
  buf->ptr[buf->len] = '\0';
}

void ls__buf_printf(ls_buf *buf, const char *fmt, ...) {
  va_list args, again;
  va_start(args, fmt);
  va_copy(again, args);
  ls__buf_reserve(buf, 0);
  size_t room = buf->capacity - buf->len;
  int n = vsnprintf(buf->ptr + buf->len, room, fmt, args);
  va_end(args);
  ls_assert(n >= 0);
  if ((size_t)n >= room) {
    ls__buf_reserve(buf, (size_t)n);
    vsnprintf(buf->ptr + buf->len, (size_t)n + 1, fmt, again);
  }
  va_end(again);
  buf->len += (size_t)n;
}

int ls__slice_cmp(ls_slice a, ls_slice b) {
  size_t n = a.len < b.len ? a.len : b.len;
  int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
  if (order) return order;
  return a.len < b.len ? -1 : a.len > b.len;
}

static bool is_tail(unsigned char c) {
  return (c & 0xC0) == 0x80;
}

/* Length of the valid UTF-8 sequence at p (limit: end), 0 when there is none. */
static size_t utf8_sequence(const unsigned char *p, const unsigned char *end) {
  size_t left = (size_t)(end - p);
  unsigned char c = p[0];
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return left >= 2 && is_tail(p[1]) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    if (left < 3 || !is_tail(p[1]) || !is_tail(p[2])) return 0;
    if (c == 0xE0 && p[1] < 0xA0) return 0;  /* overlong */
    if (c == 0xED && p[1] >= 0xA0) return 0; /* surrogates */
    return 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (left < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3])) return 0;
    if (c == 0xF0 && p[1] < 0x90) return 0;  /* overlong */
    if (c == 0xF4 && p[1] >= 0x90) return 0; /* above U+10FFFF */
    return 4;
  }
  return 0;
}

bool ls__utf8_valid(ls_slice text) {
  if (text.len == 0) return true;
  const unsigned char *p = (const unsigned char *)text.ptr, *end = p + text.len;
  while (p < end) {
    while (end - p >= 8) { /* ASCII, eight bytes a step */
      uint64_t word;
      memcpy(&word, p, 8);
      if (word & UINT64_C(0x8080808080808080)) break;
      p += 8;
    }
    if (p == end) break;
    size_t n = utf8_sequence(p, end);
    if (n == 0) return false;
    p += n;
  }
  return true;
}

static bool json_plain(unsigned char c) {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void json_escape(ls_buf *buf, unsigned char c) {
  switch (c) {
  case '"':
    ls__buf_append(buf, "\\\"", 2);
    break;
  case '\\':
    ls__buf_append(buf, "\\\\", 2);
    break;
  case '\b':
    ls__buf_append(buf, "\\b", 2);
    break;
  case '\f':
    ls__buf_append(buf, "\\f", 2);
    break;
  case '\n':
    ls__buf_append(buf, "\\n", 2);
    break;
  case '\r':
    ls__buf_append(buf, "\\r", 2);
    break;
  case '\t':
    ls__buf_append(buf, "\\t", 2);
    break;
  default:
    ls__buf_printf(buf, "\\u%04x", c);
  }
}

void ls__buf_json_string(ls_buf *buf, ls_slice text) {
  ls__buf_reserve(buf, text.len + 2);
  ls__buf_putc(buf, '"');
  const unsigned char *p = (const unsigned char *)text.ptr;
  const unsigned char *end = text.len ? p + text.len : p;
  while (p < end) {
    const unsigned char *start = p;
    while (p < end && json_plain(*p)) p++;
    if (p > start) ls__buf_append(buf, start, (size_t)(p - start));
    if (p == end) break;
    size_t n = utf8_sequence(p, end);
    if (n == 0) {
      ls__buf_append(buf, "\xEF\xBF\xBD", 3);
      p++;
    } else if (n == 1) {
      json_escape(buf, *p++);
    } else {
      ls__buf_append(buf, p, n);
      p += n;
    }
  }
  ls__buf_putc(buf, '"');
}
