/** @file error.c  The error struct, and the library's version. Nothing here allocates. */
#include <libstream/error.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static ls_error_class class_of(int code) {
  switch (code) {
  case LS_OK:
    return LS_CLASS_NONE;
  case LS_EDATA:
  case LS_EOVERFLOW:
    return LS_CLASS_SKIP_RECORD;
  case LS_ERETRY:
    return LS_CLASS_RETRY;
  case LS_EABORT:
    return LS_CLASS_ABORT_TXN;
  case LS_EFENCED:
    return LS_CLASS_REBUILD_TASK;
  default:
    return LS_CLASS_FATAL;
  }
}

/* Copies text that may be cut: never in the middle of a UTF-8 sequence. */
static void message_put(ls_error *err, size_t at, const char *text) {
  size_t room = sizeof err->message - 1 - at;
  size_t len = strlen(text);
  if (len > room) {
    len = room;
    while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80) len--;
  }
  memmove(err->message + at, text, len);
  err->message[at + len] = '\0';
}

int ls_error_set_at(ls_error *err, int code, const char *src_file, int src_line, const char *fmt, ...) {
  if (!err) return code;
  /* formatted apart first: an argument may be err->message itself */
  char text[sizeof err->message + 4];
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  if (n < 0) text[0] = '\0';
  err->code = code;
  err->cls = class_of(code);
  err->src_file = src_file;
  err->src_line = src_line;
  message_put(err, 0, text);
  return code;
}

void ls_error_prefix(ls_error *err, const char *fmt, ...) {
  if (!err || err->code == LS_OK) return;
  char text[sizeof err->message], old[sizeof err->message];
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  if (n < 0) return;
  memcpy(old, err->message, sizeof old);
  old[sizeof old - 1] = '\0';
  message_put(err, 0, text);
  message_put(err, strlen(err->message), old);
}

const char *ls_error_name(int code) {
  switch (code) {
  case LS_OK:
    return "LS_OK";
#define LS_ERROR_ROW(name, value, text)                                                                                \
  case name:                                                                                                           \
    return #name;
#include <libstream/error.def>
#undef LS_ERROR_ROW
  default:
    return "LS_EUNKNOWN";
  }
}

int ls_version_number(void) {
  return LS_VERSION_MAJOR * 10000 + LS_VERSION_MINOR * 100 + LS_VERSION_PATCH;
}

const char *ls_version(void) {
  return LS_VERSION_STRING;
}
