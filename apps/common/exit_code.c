/** @file exit_code.c  Error codes of the library -> exit codes. */
#include "common/exit_code.h"

const char app_exit_code_help[] =
    "Exit codes:\n"
    "  0  done\n"
    "  1  internal error, or a function of a plugin failed as a whole\n"
    "  2  configuration or usage\n"
    "  3  an input is not there yet\n"
    "  4  too many bad records, or an input file that is broken as a whole\n"
    "  5  reading or writing failed; try again\n"
    "  6  a limit is reached (memory)\n"
    "  7  stopped by a signal\n"
    "  8  streamctl plan: not all state survives; streamctl parity: live and replay differ\n";

int app_exit_code(int ls_code) {
  switch (ls_code) {
  case LS_OK:
    return APP_DONE;
  case LS_ECONFIG:
  case LS_EINVAL:
  case LS_EPLUGIN:
    return APP_USAGE;
  case LS_ENOINPUT:
    return APP_NO_INPUT;
  case LS_EBADRECORDS:
  case LS_EDATA: /* an input file that is broken as a whole: no line to leave out */
    return APP_BAD_RECORDS;
  case LS_ERETRY:
  case LS_EABORT:
  case LS_EFENCED:
  case LS_EIO:
  case LS_ENOTFOUND: /* what was there when the run began is gone */
    return APP_TRANSIENT;
  case LS_ELIMIT:
    return APP_LIMIT;
  case LS_ESTOPPED:
    return APP_STOPPED;
  case LS_EFUNCTION: /* not configuration: the plugin was loaded, and failed while it ran */
  default:
    return APP_INTERNAL;
  }
}
