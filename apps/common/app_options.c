/** @file app_options.c  The table of options, its parser and its help. */
#include "common/app_options.h"

#include "common/exit_code.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELP_COLUMN   24
#define NAME_BYTES    64
#define THREADS_MAX   256
#define BATCH_MAX     (1 << 20)
#define NEAREST_BYTES 40

typedef enum option_kind { FLAG, TEXT, COUNT, CHOICE, PARAMETER, PLUGIN_DIR } option_kind;

typedef struct option_row {
  uint32_t id;
  const char *name, *argument;
  option_kind kind;
  size_t offset;       /* FLAG, TEXT, CHOICE, COUNT: of the member */
  int64_t max;         /* COUNT */
  const char *choices; /* CHOICE: separated by '|', the first is the default */
  const char *help;    /* lines separated by '\n' */
} option_row;

static const option_row rows[] = {
    {APP_CONFIG, "config", "FILE", TEXT, offsetof(app_options, config), 0, NULL,
     "the topology (default: the one that is installed with the\n"
     "program, else configs/<program>.yaml)"},
    {APP_LAKE, "lake", "ROOT", TEXT, offsetof(app_options, lake), 0, NULL,
     "directory, file:///directory or s3://bucket/prefix"},
    {APP_DATE, "date", "DATE", TEXT, offsetof(app_options, date), 0, NULL,
     "YYYY-MM-DD, a range YYYY-MM-DD..YYYY-MM-DD, or latest:\n"
     "the newest date that all inputs have"},
    {APP_THREADS, "threads", "N", COUNT, offsetof(app_options, n_threads), THREADS_MAX, NULL,
     "workers (default: one per core)"},
    {APP_BATCH_ROWS, "batch-rows", "N", COUNT, offsetof(app_options, batch_rows), BATCH_MAX, NULL,
     "rows of a batch (default 4096); never changes a result"},
    {APP_AS_OF, "as-of", "TIME", TEXT, offsetof(app_options, as_of), 0, NULL,
     "start of the run as 2026-03-01T06:00:00Z (default: now);\n"
     "give it to get the same files again"},
    {APP_SET, "set", "NAME=VALUE", PARAMETER, 0, 0, NULL, "a parameter of the topology; may be given several times"},
    {APP_PLUGINS, "plugins", "DIR", PLUGIN_DIR, 0, 0, NULL,
     "where plugins are looked for first; may be given several\n"
     "times"},
    {APP_WORK_DIR, "work-dir", "DIR", TEXT, offsetof(app_options, work_dir), 0, NULL,
     "for spill files and state (default: $TMPDIR, else /tmp)"},
    {APP_DRY_RUN, "dry-run", NULL, FLAG, offsetof(app_options, dry_run), 0, NULL,
     "find the inputs, say what would be done, write nothing"},
    {APP_OUTPUT_FORMAT, "output-format", "FORMAT", CHOICE, offsetof(app_options, output_format), 0, "text|json",
     "summary on stdout: text (default), or json: one line per run"},
    {APP_FORMAT, "format", "FORMAT", CHOICE, offsetof(app_options, format), 0, "text|dot|svg",
     "text (default), dot, or svg, which wants graphviz"},
    {APP_QUIET, "quiet", NULL, FLAG, offsetof(app_options, quiet), 0, NULL, "no progress on stderr"},
    {APP_LIVE, "live", NULL, FLAG, offsetof(app_options, live), 0, NULL, "run on Kafka, until SIGTERM or SIGINT"},
    {APP_UNTIL_END, "until-end", NULL, FLAG, offsetof(app_options, until_end), 0, NULL,
     "live: stop when what the topics hold is processed"},
    {APP_STATE_DIR, "state-dir", "DIR", TEXT, offsetof(app_options, state_dir), 0, NULL,
     "live: where the state on RocksDB stays"},
    {APP_AGAINST, "against", "FILE", TEXT, offsetof(app_options, against), 0, NULL, "the topology that runs now"},
    {APP_KEEP, "keep", "DIR", TEXT, offsetof(app_options, keep), 0, NULL,
     "keep the recorded topics there: the records of a partition\n"
     "as they are, JSON one a line"},
    {APP_SOURCE, "source", "NAME", TEXT, offsetof(app_options, source), 0, NULL, "of this source only (default: all)"},
    {APP_SHOWN, "limit", "N", COUNT, offsetof(app_options, limit), 1000000, NULL,
     "letters, differences that are shown one by one (default 20)"},
    {APP_PRINCIPAL, "principal", "KIND:NAME", TEXT, offsetof(app_options, principal), 0, NULL,
     "who runs it, as the brokers name it: User:streaming-index"},
    {UINT32_MAX, "help", NULL, FLAG, 0, 0, NULL, "this text"},
    {UINT32_MAX, "version", NULL, FLAG, 0, 0, NULL, "the version"},
};
#define N_ROWS (sizeof rows / sizeof *rows)

/* ---- help ---- */

static void print_option(const option_row *row, bool required) {
  char left[NAME_BYTES];
  int n = snprintf(left, sizeof left, "  --%s%s%s", row->name, row->argument ? " " : "",
                   row->argument ? row->argument : "");
  printf("%-*s%s", HELP_COLUMN, left, n >= HELP_COLUMN ? "  " : "");
  for (const char *c = row->help; *c != 0; c++) {
    putchar(*c);
    if (*c == '\n') printf("%*s", HELP_COLUMN, "");
  }
  printf("%s\n", required ? " (required)" : "");
}

static void print_help(const app_command *command) {
  printf("usage: %s", command->name);
  for (size_t i = 0; i < N_ROWS; i++) {
    if (rows[i].id != UINT32_MAX && (rows[i].id & command->required & command->options)) {
      printf(" --%s %s", rows[i].name, rows[i].argument);
    }
  }
  printf(" [options]%s%s\n\n%s\n\nOptions:\n", command->arguments ? " " : "",
         command->arguments ? command->arguments : "", command->about);
  for (size_t i = 0; i < N_ROWS; i++) {
    bool common = rows[i].id == UINT32_MAX;
    if (common || (rows[i].id & command->options)) {
      print_option(&rows[i], !common && (rows[i].id & command->required) != 0);
    }
  }
  if (command->notes != NULL) printf("\n%s", command->notes);
  printf("\n%s", app_exit_code_help);
}

/* ---- messages ---- */

int app_usage_error(const char *name, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fprintf(stderr, "%s: ", name);
  vfprintf(stderr, fmt, args);
  fprintf(stderr, "\n%s --help tells how it is used\n", name);
  va_end(args);
  return APP_USAGE;
}

static size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

/** Edit distance; texts longer than NEAREST_BYTES are far from everything. */
static size_t distance(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b), row[NEAREST_BYTES + 1];
  if (n > NEAREST_BYTES || m > NEAREST_BYTES) return SIZE_MAX;
  for (size_t j = 0; j <= m; j++) row[j] = j;
  for (size_t i = 1; i <= n; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= m; j++) {
      size_t above = row[j];
      size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      row[j] = smaller(replaced, smaller(above, row[j - 1]) + 1);
      diagonal = above;
    }
  }
  return row[m];
}

const char *app_nearest(const char *typed, const char *const *names, size_t n_names) {
  const char *best = NULL;
  size_t best_distance = strlen(typed) / 3 + 2; /* a typing error or two, not another word */
  for (size_t i = 0; i < n_names; i++) {
    size_t d = distance(typed, names[i]);
    if (d < best_distance) {
      best_distance = d;
      best = names[i];
    }
  }
  return best;
}

static int unknown_option(const app_command *command, const char *typed) {
  const char *names[N_ROWS];
  size_t n = 0;
  for (size_t i = 0; i < N_ROWS; i++) {
    if (rows[i].id == UINT32_MAX || (rows[i].id & command->options)) names[n++] = rows[i].name;
  }
  const char *nearest = app_nearest(typed, names, n);
  if (nearest == NULL) return app_usage_error(command->name, "unknown option --%s", typed);
  return app_usage_error(command->name, "unknown option --%s; did you mean --%s?", typed, nearest);
}

/* ---- values ---- */

bool app_options_set(app_options *options, const char *name, const char *value) {
  size_t i = 0;
  while (i < options->n_parameters && strcmp(options->parameters[i].name, name) != 0) i++;
  if (i == APP_PARAMETERS_MAX) {
    fprintf(stderr, "more than %d parameters are set\n", APP_PARAMETERS_MAX);
    return false;
  }
  if (i == options->n_parameters) options->n_parameters++;
  options->parameters[i] = (ls_parameter){name, value};
  return true;
}

static int set_parameter(app_options *out, const app_command *command, char *text) {
  char *equals = strchr(text, '=');
  if (equals == NULL || equals == text) {
    return app_usage_error(command->name, "--set wants NAME=VALUE, not '%s'", text);
  }
  *equals = 0;
  if (command->set_by_date != NULL && strcmp(text, command->set_by_date) == 0) {
    return app_usage_error(command->name, "--set %s=...: --date sets it", text);
  }
  return app_options_set(out, text, equals + 1) ? APP_GO_ON : APP_USAGE;
}

static int set_count(int64_t *out, const app_command *command, const option_row *row, const char *text) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != 0 || value < 1 || value > row->max) {
    return app_usage_error(command->name, "--%s wants a whole number from 1 to %lld, not '%s'", row->name,
                           (long long)row->max, text);
  }
  *out = value;
  return APP_GO_ON;
}

static int set_choice(const char **out, const app_command *command, const option_row *row, const char *text) {
  size_t len = strlen(text);
  for (const char *c = row->choices; *c != 0; c += *c == '|') {
    size_t n = strcspn(c, "|");
    *out = text;
    if (n == len && memcmp(c, text, n) == 0) return APP_GO_ON;
    c += n;
  }
  return app_usage_error(command->name, "--%s wants %s, not '%s'", row->name, row->choices, text);
}

static int set_value(app_options *out, const app_command *command, const option_row *row, char *text) {
  char *member = (char *)out + row->offset;
  if (text[0] == 0) return app_usage_error(command->name, "--%s is empty", row->name);
  switch (row->kind) {
  case COUNT:
    return set_count((int64_t *)(void *)member, command, row, text);
  case CHOICE:
    return set_choice((const char **)(void *)member, command, row, text);
  case PARAMETER:
    return set_parameter(out, command, text);
  case PLUGIN_DIR:
    if (out->n_plugin_dirs == APP_PLUGIN_DIRS_MAX) {
      return app_usage_error(command->name, "more than %d --plugins", APP_PLUGIN_DIRS_MAX);
    }
    out->plugin_dirs[out->n_plugin_dirs++] = text;
    return APP_GO_ON;
  default:
    *(const char **)(void *)member = text;
    return APP_GO_ON;
  }
}

/* ---- the parser ---- */

static const option_row *find_row(const app_command *command, const char *name, size_t len) {
  for (size_t i = 0; i < N_ROWS; i++) {
    bool taken = rows[i].id == UINT32_MAX || (rows[i].id & command->options);
    if (taken && strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0) {
      return &rows[i];
    }
  }
  return NULL;
}

/** One option that has no argument. */
static int set_flag(app_options *out, const app_command *command, const option_row *row) {
  if (row->id != UINT32_MAX) {
    *(bool *)((char *)out + row->offset) = true;
    return APP_GO_ON;
  }
  if (strcmp(row->name, "help") == 0) {
    print_help(command);
  } else {
    printf("%s %s (library %s)\n", command->name, LS_VERSION_STRING, ls_version());
  }
  return APP_DONE;
}

/** One option at argv[*at]; moves *at past its argument. */
static int parse_option(app_options *out, const app_command *command, int argc, char **argv, int *at) {
  char *text = strcmp(argv[*at], "-h") == 0 ? "--help" : argv[*at];
  char *name = text + 2, *equals = strchr(name, '=');
  size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
  const option_row *row = find_row(command, name, len);
  if (row == NULL) {
    if (equals != NULL) *equals = 0;
    return unknown_option(command, name);
  }
  if (row->kind == FLAG) {
    if (equals == NULL) return set_flag(out, command, row);
    return app_usage_error(command->name, "--%s takes no value", row->name);
  }
  if (equals != NULL) return set_value(out, command, row, equals + 1);
  if (*at + 1 >= argc) {
    return app_usage_error(command->name, "--%s wants %s after it", row->name, row->argument);
  }
  return set_value(out, command, row, argv[++*at]);
}

static bool is_given(const app_options *options, const option_row *row) {
  return *(const char *const *)(const void *)((const char *)options + row->offset) != NULL;
}

static int check_complete(const app_options *options, const app_command *command) {
  for (size_t i = 0; i < N_ROWS; i++) {
    if (rows[i].id == UINT32_MAX || !(rows[i].id & command->required) || options->live) continue;
    if (is_given(options, &rows[i])) continue;
    return app_usage_error(command->name, "--%s %s is missing", rows[i].name, rows[i].argument);
  }
  if (options->n_arguments < command->n_arguments_min) {
    return app_usage_error(command->name, "%s is missing", command->arguments);
  }
  if (options->n_arguments > command->n_arguments_max) {
    return app_usage_error(command->name, "'%s' is one argument too many",
                           options->arguments[command->n_arguments_max]);
  }
  return APP_GO_ON;
}

int app_options_parse(app_options *out, const app_command *command, int argc, char **argv) {
  *out = (app_options){.output_format = "text", .format = "text"};
  bool only_arguments = false;
  int n = 1;
  for (int i = 1; i < argc; i++) {
    bool dashes = strncmp(argv[i], "--", 2) == 0 || strcmp(argv[i], "-h") == 0;
    if (only_arguments || argv[i][0] != '-' || argv[i][1] == 0) {
      argv[n++] = argv[i];
    } else if (!dashes) {
      return app_usage_error(command->name, "unknown option %s; options begin with --", argv[i]);
    } else if (argv[i][2] == 0 && argv[i][1] == '-') {
      only_arguments = true;
    } else {
      int rc = parse_option(out, command, argc, argv, &i);
      if (rc != APP_GO_ON) return rc;
    }
  }
  out->arguments = (const char *const *)(argv + 1);
  out->n_arguments = n - 1;
  return check_complete(out, command);
}
