/**
 * @file exit_code.h
 * What the applications tell the shell, the same in all of them: a scheduler decides by it whether
 * to wait, to try again or to call somebody. docs/OPERATIONS.md says what to do for each.
 */
#ifndef APPS_EXIT_CODE_H
#define APPS_EXIT_CODE_H
#include <libstream/error.h>

enum {
  APP_DONE = 0,
  APP_INTERNAL = 1,    /* a fault of the program */
  APP_USAGE = 2,       /* options, topology or plugin: nothing was read */
  APP_NO_INPUT = 3,    /* an input is not there yet */
  APP_BAD_RECORDS = 4, /* more than max_bad_records, or a broken file */
  APP_TRANSIENT = 5,   /* reading or writing failed: the same call may succeed later */
  APP_LIMIT = 6,       /* memory or another limit */
  APP_STOPPED = 7,     /* by a signal */
  APP_CHECK_FAILED = 8 /* streamctl plan: not all state survives; streamctl parity: live and replay differ */
};

/** Exit code of an error code of the library. */
int app_exit_code(int ls_code);
/** The list of exit codes, for --help. */
extern const char app_exit_code_help[];
#endif
