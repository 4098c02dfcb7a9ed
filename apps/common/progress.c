/** @file progress.c  Drawing a run's progress. */
#include "common/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_BYTES    256
#define BAR_CELLS     24
#define LOG_EVERY_S   10.0
#define COLUMNS_GUESS 80

void app_progress_init(app_progress *progress, const char *fmt, ...) {
  va_list args;
  *progress = (app_progress){.terminal = isatty(STDERR_FILENO) != 0, .busy = ATOMIC_FLAG_INIT};
  va_start(args, fmt);
  vsnprintf(progress->label, sizeof progress->label, fmt, args);
  va_end(args);
}

static void put_count(char *out, size_t size, double n) {
  if (n < 10e3) {
    snprintf(out, size, "%.0f", n);
  } else if (n < 10e6) {
    snprintf(out, size, "%.0fk", n / 1e3);
  } else {
    snprintf(out, size, "%.1fM", n / 1e6);
  }
}

static void put_clock(char *out, size_t size, double seconds) {
  long s = (long)(seconds + 0.5);
  if (s < 3600) {
    snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
  } else {
    snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  }
}

/** "1.2M records, 410k/s, 0:12 left": the time of the phase, the only one that can be told. */
static void put_numbers(char *out, size_t size, const app_progress *progress, const ls_progress *at) {
  char records[24], rate[24], left[24];
  put_count(records, sizeof records, (double)at->records);
  put_count(rate, sizeof rate, at->seconds > 0 ? (double)at->records / at->seconds : 0);
  int n = snprintf(out, size, "%s records, %s/s", records, rate);
  if (at->total <= 0 || at->done <= 0 || n < 0 || (size_t)n >= size) return;
  double share = (double)at->done / (double)at->total;
  put_clock(left, sizeof left, (at->seconds - progress->phase_began) * (1 - share) / share);
  snprintf(out + n, size - (size_t)n, ", %s left", left);
}

static int percent(const ls_progress *at) {
  if (at->total <= 0) return -1;
  return at->done >= at->total ? 100 : (int)(at->done * 100 / at->total);
}

static void draw(app_progress *progress, const ls_progress *at) {
  char line[LINE_BYTES], numbers[96], bar[BAR_CELLS + 1];
  struct winsize window = {0};
  int n_columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : COLUMNS_GUESS;
  int share = percent(at), cells = share < 0 ? 0 : share * BAR_CELLS / 100;
  memset(bar, '.', BAR_CELLS);
  memset(bar, '#', (size_t)cells);
  bar[BAR_CELLS] = 0;
  put_numbers(numbers, sizeof numbers, progress, at);
  if (share < 0) {
    snprintf(line, sizeof line, "%-13s %s", at->phase, numbers);
  } else {
    snprintf(line, sizeof line, "%-13s [%s] %3d%%  %s", at->phase, bar, share, numbers);
  }
  /* one column is left free: a full line would wrap, and the next one be drawn below it */
  fprintf(stderr, "\r%.*s\033[K", n_columns - 1, line);
  fflush(stderr);
  progress->drawn = true;
}

static void log_line(app_progress *progress, const ls_progress *at) {
  char numbers[96];
  if (at->seconds - progress->last_line < LOG_EVERY_S) return;
  progress->last_line = at->seconds;
  put_numbers(numbers, sizeof numbers, progress, at);
  int share = percent(at);
  if (share < 0) {
    fprintf(stderr, "%s: %s, %s\n", progress->label, at->phase, numbers);
  } else {
    fprintf(stderr, "%s: %s %d%%, %s\n", progress->label, at->phase, share, numbers);
  }
}

void app_progress_show(void *payload, const ls_progress *at) {
  app_progress *progress = payload;
  if (atomic_flag_test_and_set(&progress->busy)) return; /* another worker is drawing */
  if (strncmp(progress->phase, at->phase, sizeof progress->phase - 1) != 0) {
    snprintf(progress->phase, sizeof progress->phase, "%s", at->phase);
    progress->phase_began = at->seconds;
  }
  if (progress->terminal) {
    draw(progress, at);
  } else {
    log_line(progress, at);
  }
  atomic_flag_clear(&progress->busy);
}

void app_progress_clear(app_progress *progress) {
  if (progress->drawn) fprintf(stderr, "\r\033[K");
  progress->drawn = false;
}
