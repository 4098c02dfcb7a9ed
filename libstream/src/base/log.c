/** @file log.c  One line per event to one sink; lines of several threads never mix. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define LOG_LINE_BYTES 4096

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int log_min_level = LS_LOG_INFO;
static ls_log_fn log_sink; /* under log_lock, as is log_payload */
static void *log_payload;

void ls__log_set(ls_log_level min_level, ls_log_fn sink, void *payload) {
  pthread_mutex_lock(&log_lock);
  log_sink = sink;
  log_payload = payload;
  atomic_store(&log_min_level, (int)min_level);
  pthread_mutex_unlock(&log_lock);
}

static const char *level_name(ls_log_level level) {
  switch (level) {
  case LS_LOG_DEBUG:
    return "debug";
  case LS_LOG_INFO:
    return "info";
  case LS_LOG_WARN:
    return "warn";
  default:
    return "error";
  }
}

void ls__log(ls_log_level level, const char *room, const char *event, const char *fmt, ...) {
  if ((int)level < atomic_load_explicit(&log_min_level, memory_order_relaxed)) return;
  char line[LOG_LINE_BYTES];
  int n = snprintf(line, sizeof line, "level=%s room=%s event=%s", level_name(level), room, event);
  if (n < 0) return;
  if (fmt && *fmt && (size_t)n + 2 < sizeof line) {
    line[n++] = ' ';
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(line + n, sizeof line - (size_t)n, fmt, args) < 0) line[n] = '\0';
    va_end(args);
  }
  /* an event is one line, whatever a file name or a message of a plugin holds */
  for (char *p = line; *p; p++)
    if ((unsigned char)*p < 0x20 || *p == 0x7F) *p = ' ';
  pthread_mutex_lock(&log_lock);
  if (log_sink) {
    log_sink(level, line, log_payload);
  } else {
    fprintf(stderr, "%s\n", line);
  }
  pthread_mutex_unlock(&log_lock);
}
