/** @file buf.h  Growable byte buffer on the heap; always NUL-terminated after a text append. */
#ifndef LS_BASE_BUF_H
#define LS_BASE_BUF_H
#include <libstream/common.h>
#include <string.h>

typedef struct ls_buf {
  char *ptr;
  size_t len, capacity;
} ls_buf;
#define LS_BUF_INIT                                                                                                    \
  { NULL, 0, 0 }

void ls__buf_fini(ls_buf *buf);
void ls__buf_reserve(ls_buf *buf, size_t n_more);
void ls__buf_append(ls_buf *buf, const void *data, size_t len);
void ls__buf_puts(ls_buf *buf, const char *text);
void ls__buf_putc(ls_buf *buf, char c);
void ls__buf_printf(ls_buf *buf, const char *fmt, ...) LS_PRINTF(2, 3);
/** Appends text as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD. */
void ls__buf_json_string(ls_buf *buf, ls_slice text);
static inline void ls__buf_clear(ls_buf *buf) {
  buf->len = 0;
}
static inline ls_slice ls__buf_slice(const ls_buf *buf) {
  return (ls_slice){buf->ptr, buf->len};
}

static inline ls_slice ls__slice_of(const char *text) {
  return (ls_slice){text, strlen(text)};
}
/** Whether the 8 bytes at both places are the same. */
static inline bool ls__eight_eq(const char *a, const char *b) {
  uint64_t x, y;
  memcpy(&x, a, 8);
  memcpy(&y, b, 8);
  return x == y;
}
static inline bool ls__slice_eq(ls_slice a, ls_slice b) {
  size_t len = a.len;
  if (len != b.len) return false;
  if (len < 8 || len > 32) return len == 0 || memcmp(a.ptr, b.ptr, len) == 0;
  for (size_t at = 0; at + 8 < len; at += 8) { /* keys and names: no call */
    if (!ls__eight_eq(a.ptr + at, b.ptr + at)) return false;
  }
  return ls__eight_eq(a.ptr + len - 8, b.ptr + len - 8);
}
static inline bool ls__slice_is(ls_slice a, const char *text) {
  return ls__slice_eq(a, ls__slice_of(text));
}
/** memcpy for texts that are mostly short: two moves that overlap instead of a call. Does nothing when len is 0. */
static inline void ls__copy_short(char *dst, const char *src, size_t len) {
  if (len > 32) {
    memcpy(dst, src, len);
  } else if (len >= 16) {
    char head[16], tail[16];
    memcpy(head, src, 16);
    memcpy(tail, src + len - 16, 16);
    memcpy(dst, head, 16);
    memcpy(dst + len - 16, tail, 16);
  } else if (len >= 8) {
    uint64_t head, tail;
    memcpy(&head, src, 8);
    memcpy(&tail, src + len - 8, 8);
    memcpy(dst, &head, 8);
    memcpy(dst + len - 8, &tail, 8);
  } else if (len >= 4) {
    uint32_t head, tail;
    memcpy(&head, src, 4);
    memcpy(&tail, src + len - 4, 4);
    memcpy(dst, &head, 4);
    memcpy(dst + len - 4, &tail, 4);
  } else {
    for (size_t i = 0; i < len; i++) dst[i] = src[i];
  }
}
/** memcmp order, shorter first. */
int ls__slice_cmp(ls_slice a, ls_slice b);
/** Whether all bytes are valid UTF-8. */
bool ls__utf8_valid(ls_slice text);
#endif
