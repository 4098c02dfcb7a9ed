/**
 * @file progress.h
 * Where a run is, on stderr: one line that is drawn again on a terminal, a plain line every ten
 * seconds in a log.
 */
#ifndef APPS_PROGRESS_H
#define APPS_PROGRESS_H
#include <libstream/runtime.h>

#include <stdatomic.h>

typedef struct app_progress {
  char label[128]; /* topology and dates */
  bool terminal;
  bool drawn; /* a line stands on the terminal */
  char phase[32];
  double phase_began, last_line; /* seconds of the run */
  atomic_flag busy;
} app_progress;

/** fmt gives the label. */
void app_progress_init(app_progress *progress, const char *fmt, ...) LS_PRINTF(2, 3);
/** For ls_runtime_opts.on_progress; payload is the app_progress. @thread any */
void app_progress_show(void *payload, const ls_progress *at);
/** Takes the line off the terminal. Call before anything else is printed. */
void app_progress_clear(app_progress *progress);
#endif
