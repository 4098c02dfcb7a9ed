/**
 * @file app_options.h
 * Command lines. One table has every option with its argument and its help; a command names those
 * it takes, and the parser and --help are made from both.
 */
#ifndef APPS_APP_OPTIONS_H
#define APPS_APP_OPTIONS_H
#include <libstream/topology.h>

#define APP_PARAMETERS_MAX  64
#define APP_PLUGIN_DIRS_MAX 16
#define APP_GO_ON           (-1)

/** Options a command takes; the order is that of the table and of --help. */
enum {
  APP_CONFIG = 1 << 0,
  APP_LAKE = 1 << 1,
  APP_DATE = 1 << 2,
  APP_THREADS = 1 << 3,
  APP_BATCH_ROWS = 1 << 4,
  APP_AS_OF = 1 << 5,
  APP_SET = 1 << 6,
  APP_PLUGINS = 1 << 7,
  APP_WORK_DIR = 1 << 8,
  APP_DRY_RUN = 1 << 9,
  APP_OUTPUT_FORMAT = 1 << 10,
  APP_FORMAT = 1 << 11,
  APP_QUIET = 1 << 12,
  APP_LIVE = 1 << 13,
  APP_UNTIL_END = 1 << 14,
  APP_STATE_DIR = 1 << 15,
  APP_AGAINST = 1 << 16,
  APP_KEEP = 1 << 17,
  APP_SOURCE = 1 << 18,
  APP_SHOWN = 1 << 19,
  APP_PRINCIPAL = 1 << 20,
  APP_OF_A_RUN = APP_LAKE | APP_DATE | APP_THREADS | APP_BATCH_ROWS | APP_AS_OF | APP_SET | APP_PLUGINS | APP_WORK_DIR |
                 APP_DRY_RUN | APP_OUTPUT_FORMAT | APP_QUIET,
  APP_OF_A_LIVE_RUN = APP_LIVE | APP_UNTIL_END | APP_STATE_DIR
};

typedef struct app_options {
  const char *config, *lake, *date, *as_of, *work_dir;
  const char *output_format, *format, *state_dir, *against, *keep;
  const char *source, *principal;
  int64_t n_threads, batch_rows, limit;
  bool dry_run, quiet, live, until_end;
  ls_parameter parameters[APP_PARAMETERS_MAX];
  size_t n_parameters;
  const char *plugin_dirs[APP_PLUGIN_DIRS_MAX];
  size_t n_plugin_dirs;
  const char *const *arguments; /* what is not an option, in order */
  int n_arguments;
} app_options;

typedef struct app_command {
  const char *name;      /* as the user calls it: "streamctl validate" */
  const char *arguments; /* of the usage line: "FILE"; NULL: none */
  const char *about;
  const char *notes;          /* after the options; NULL: none */
  uint32_t options, required; /* sets of APP_*; a live run requires none */
  int n_arguments_min, n_arguments_max;
  const char *set_by_date; /* parameter that --date sets, so --set may not; NULL: none */
} app_command;

/**
 * Reads argv[1..argc). argv is reordered: arguments first.
 * @return APP_GO_ON, or the exit code: after --help and --version, or after an error was told
 */
int app_options_parse(app_options *out, const app_command *command, int argc, char **argv);
/** Sets a parameter, also one that was set before. False: too many, told on stderr. */
bool app_options_set(app_options *options, const char *name, const char *value);
/** The name nearest to what was typed; NULL: none is near. */
const char *app_nearest(const char *typed, const char *const *names, size_t n_names);
/** Prints "name: message" and where help is, on stderr. @return APP_USAGE */
int app_usage_error(const char *name, const char *fmt, ...) LS_PRINTF(2, 3);
#endif
