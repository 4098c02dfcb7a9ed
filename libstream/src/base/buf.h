/** @file buf.h  Growable byte buffer on the heap; always NUL-terminated after a text append. */
#ifndef LS_BASE_BUF_H
#define LS_BASE_BUF_H
#include <libstream/common.h>
#include <string.h>

typedef struct ls_buf {
  char *ptr;
  size_t len, capacity;
} ls_buf;
#define LS_BUF_INIT                                                                                \
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
static inline bool ls__slice_eq(ls_slice a, ls_slice b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool ls__slice_is(ls_slice a, const char *text) {
  return ls__slice_eq(a, ls__slice_of(text));
}
/** memcmp order, shorter first. */
int ls__slice_cmp(ls_slice a, ls_slice b);
/** Whether all bytes are valid UTF-8. */
bool ls__utf8_valid(ls_slice text);
#endif
