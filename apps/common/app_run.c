/**
 * @file app_run.c
 * app_run: dates -> per run: load the topology, run it, print its summary. The first run that fails
 * is the last; what the runs before it published stays.
 */
#include "common/app_run.h"

#include "common/dates.h"
#include "common/exit_code.h"
#include "common/paths.h"
#include "common/progress.h"

#include <libstream/runtime.h>

#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Any date will do for a topology that is only asked which dates its lake has. */
#define SOME_DATE "2000-01-01"

/* The signal handler sees no more than these. */
static _Atomic(ls_runtime *) running;
static volatile sig_atomic_t stop_signal;

static void on_stop_signal(int signal_number) {
  stop_signal = signal_number;
  ls_runtime *runtime = atomic_load(&running);
  if (runtime != NULL) ls_runtime_stop(runtime);
}

/* Records are handed from the client's threads to ours and back for weeks. Left to itself glibc gives each thread a heap,
 * and keeps large blocks in them once one was freed: a quarter of the budget in holes (docs/BENCHMARKS.md). */
#define HEAPS_MAX   2
#define BLOCK_BYTES (1 << 20) /* and larger: given back to the system when freed */

static void keep_heap_small(void) {
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, HEAPS_MAX);
  mallopt(M_MMAP_THRESHOLD, BLOCK_BYTES);
#endif
}

/** A second signal of the same kind ends the process at once, should stopping take too long. */
static void catch_signals(void) {
  struct sigaction stop = {.sa_handler = on_stop_signal};
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  stop.sa_flags = (int)(SA_RESTART | SA_RESETHAND);
  sigemptyset(&stop.sa_mask);
  sigemptyset(&ignore.sa_mask);
  sigaction(SIGINT, &stop, NULL);
  sigaction(SIGTERM, &stop, NULL);
  /* a reader of stdout or an S3 connection that goes away is an error to tell, not a death */
  sigaction(SIGPIPE, &ignore, NULL);
}

int app_print(const char *command, char *text) {
  size_t len = strlen(text);
  bool ends = len > 0 && text[len - 1] == '\n';
  bool written = fputs(text, stdout) >= 0 && (ends || putchar('\n') != EOF) && fflush(stdout) == 0;
  ls_text_free(text);
  if (written) return APP_DONE;
  fprintf(stderr, "%s: stdout can't be written\n", command);
  return APP_TRANSIENT;
}

/* ---- topology ---- */

static void on_diagnostic(void *payload, const char *text, bool is_error) {
  *(int *)payload += is_error;
  fprintf(stderr, "%s\n", text);
}

static int load(ls_topology **out, const app_command *command, const app_options *options, const char *config,
                bool any_parameters) {
  ls_error err = LS_ERROR_INIT;
  ls_topology_opts opts = LS_TOPOLOGY_OPTS_INIT;
  opts.parameters = options->parameters;
  opts.any_parameters = any_parameters;
  opts.n_parameters = options->n_parameters;
  opts.plugin_dirs = options->plugin_dirs;
  opts.n_plugin_dirs = options->n_plugin_dirs;
  int n_errors = 0;
  opts.on_diagnostic = on_diagnostic;
  opts.payload = &n_errors;
  app_add_plugin_path();
  int rc = ls_topology_load(out, config, &opts, &err);
  if (rc >= 0) return APP_DONE;
  if (n_errors > 0) {
    fprintf(stderr, "%s: %d error%s in %s\n", command->name, n_errors, n_errors == 1 ? "" : "s", config);
  } else {
    fprintf(stderr, "%s: %s\n", command->name, err.message);
  }
  /* a topology that can't be read is a wrong path, not a disk that may be back later */
  return rc == LS_EIO ? APP_USAGE : app_exit_code(rc);
}

int app_load(ls_topology **out, const app_command *command, const app_options *options, const char *config) {
  return load(out, command, options, config, false);
}

int app_load_other(ls_topology **out, const app_command *command, const app_options *options, const char *config) {
  return load(out, command, options, config, true);
}

/** Loads the topology of one run; run_date NULL: it has no such parameter. */
static int load_for(ls_topology **out, const app_job *job, const char *run_date) {
  *out = NULL;
  if (job->per_day) {
    bool set = app_options_set(job->options, "run_date", run_date) &&
               app_options_set(job->options, "as_of", job->options->as_of);
    if (!set) return APP_USAGE;
  }
  return app_load(out, job->command, job->options, job->config);
}

/* ---- dates ---- */

/** The lines of ls_runtime_dates that matter: the newest date, and the newest that no source lacks. */
typedef struct latest_dates {
  char newest[APP_DATE_BYTES], whole[APP_DATE_BYTES]; /* empty: there is none */
  const char *lacking;                                /* names of the sources without the newest */
  int lacking_len;
} latest_dates;

static latest_dates find_dates(const char *text) {
  latest_dates found = {.lacking = ""};
  for (const char *line = text; strlen(line) > APP_DATE_BYTES - 1; line = strchr(line, '\n') + 1) {
    memcpy(found.newest, line, APP_DATE_BYTES - 1);
    found.lacking = line + APP_DATE_BYTES - 1;
    found.lacking_len = (int)strcspn(found.lacking, "\n");
    if (found.lacking_len == 0) memcpy(found.whole, found.newest, APP_DATE_BYTES);
  }
  return found;
}

/** Sets the newest date that all sources have; says which source lacks a newer one. */
static int choose_latest(const app_job *job, app_dates *dates, const char *text) {
  const char *name = job->command->name;
  latest_dates found = find_dates(text);
  if (found.newest[0] == 0) {
    fprintf(stderr, "%s: --date latest: the lake %s has no input of any date yet\n", name, job->options->lake);
    return APP_NO_INPUT;
  }
  if (found.whole[0] == 0) {
    fprintf(stderr, "%s: --date latest: no date has input of all sources; %s lacks%.*s\n", name, found.newest,
            found.lacking_len, found.lacking);
    return APP_NO_INPUT;
  }
  if (found.lacking_len > 0 && !job->options->quiet) {
    fprintf(stderr, "%s: --date latest is %s: %s lacks%.*s\n", name, found.whole, found.newest, found.lacking_len,
            found.lacking);
  }
  memcpy(dates->from, found.whole, APP_DATE_BYTES);
  memcpy(dates->to, found.whole, APP_DATE_BYTES);
  return APP_DONE;
}

static int find_latest(const app_job *job, app_dates *dates) {
  ls_topology *topology;
  ls_error err = LS_ERROR_INIT;
  char *text = NULL;
  int code = load_for(&topology, job, SOME_DATE);
  if (code != APP_DONE) return code;
  int rc = ls_runtime_dates(&text, topology, job->options->lake, &err);
  if (rc < 0) {
    fprintf(stderr, "%s: %s\n", job->command->name, err.message);
    code = app_exit_code(rc);
  } else {
    code = choose_latest(job, dates, text);
  }
  if (text != NULL) ls_text_free(text);
  ls_topology_free(topology);
  return code;
}

/* ---- one run ---- */

static int print_summary(const app_job *job, const ls_runtime *runtime) {
  ls_error err = LS_ERROR_INIT;
  char *text = NULL;
  int rc = strcmp(job->options->output_format, "json") == 0 ? ls_runtime_summary(&text, runtime, &err)
                                                            : ls_runtime_summary_text(&text, runtime, &err);
  if (rc >= 0) return app_print(job->command->name, text);
  fprintf(stderr, "%s: no summary: %s\n", job->command->name, err.message);
  return app_exit_code(rc);
}

static ls_runtime_opts runtime_options(const app_job *job, const app_dates *dates, app_progress *progress) {
  const app_options *options = job->options;
  ls_runtime_opts opts = LS_RUNTIME_OPTS_INIT;
  opts.lake = options->lake;
  opts.work_directory = options->work_dir;
  opts.date_from = dates->all ? NULL : dates->from;
  opts.date_to = dates->all ? NULL : dates->to;
  opts.as_of = options->as_of;
  opts.n_threads = (int)options->n_threads;
  opts.batch_rows = options->batch_rows;
  opts.dry_run = options->dry_run;
  if (options->live) opts.mode = LS_MODE_STREAM;
  if (job->parity) opts.mode = LS_MODE_PARITY;
  opts.recording_directory = options->keep;
  opts.n_differences = options->limit;
  opts.stop_at_end = options->until_end;
  opts.state_directory = options->state_dir;
  opts.on_progress = options->quiet ? NULL : app_progress_show;
  opts.payload = progress;
  return opts;
}

static int run_topology(const app_job *job, ls_topology *topology, const app_dates *dates) {
  const char *name = job->command->name;
  ls_error err = LS_ERROR_INIT;
  ls_runtime *runtime = NULL;
  app_progress progress;
  app_progress_init(&progress, "%s%s%s", name, dates->all ? "" : " ", dates->all ? "" : dates->to);
  ls_runtime_opts opts = runtime_options(job, dates, &progress);
  if (opts.mode == LS_MODE_STREAM) keep_heap_small();
  int rc = ls_runtime_new(&runtime, topology, &opts, &err);
  if (rc < 0) {
    fprintf(stderr, "%s: %s\n", name, err.message);
    return app_exit_code(rc);
  }
  atomic_store(&running, runtime);
  if (stop_signal != 0) ls_runtime_stop(runtime); /* it came before there was anything to stop */
  rc = ls_runtime_run(runtime, &err);
  atomic_store(&running, NULL);
  app_progress_clear(&progress);
  if (rc < 0) fprintf(stderr, "%s: %s\n", progress.label, err.message);
  int printed = print_summary(job, runtime);
  bool differs = job->parity && rc >= 0 && !ls_runtime_is_equal(runtime);
  ls_runtime_free(runtime);
  if (rc < 0) return app_exit_code(rc);
  return printed == APP_DONE && differs ? APP_CHECK_FAILED : printed;
}

static int run_once(const app_job *job, const app_dates *dates) {
  ls_topology *topology;
  int code = load_for(&topology, job, dates->to);
  if (code == APP_DONE) code = run_topology(job, topology, dates);
  ls_topology_free(topology);
  return code;
}

/** Each day in order: a later one may read what an earlier one published. */
static int run_days(const app_job *job, const app_dates *dates) {
  app_dates day = {0};
  memcpy(day.from, dates->from, APP_DATE_BYTES);
  for (;;) {
    memcpy(day.to, day.from, APP_DATE_BYTES);
    bool last = strcmp(day.to, dates->to) == 0;
    int code = run_once(job, &day);
    if (last) return code;
    if (code == APP_DONE && stop_signal != 0) code = APP_STOPPED;
    if (code != APP_DONE) {
      app_date_next(day.from);
      fprintf(stderr, "%s: not run: %s..%s\n", job->command->name, day.from, dates->to);
      return code;
    }
    app_date_next(day.from);
  }
}

int app_run(const app_job *job) {
  app_dates dates;
  char why[160], now[APP_TIME_BYTES];
  if (!app_dates_parse(&dates, job->options->date, why, sizeof why)) {
    return app_usage_error(job->command->name, "%s", why);
  }
  if (job->options->as_of == NULL) {
    app_time_now(now);
    job->options->as_of = now; /* one value for the runtime and the topology, and for all days */
  }
  catch_signals();
  if (dates.latest) {
    int code = find_latest(job, &dates);
    if (code != APP_DONE) return code;
  }
  return job->per_day ? run_days(job, &dates) : run_once(job, &dates);
}

int app_main(const app_command *command, const char *topology, bool per_day, int argc, char **argv) {
  app_options options;
  char config[PATH_MAX];
  int code = app_options_parse(&options, command, argc, argv);
  if (code != APP_GO_ON) return code;
  if (options.config != NULL) {
    snprintf(config, sizeof config, "%s", options.config);
  } else if (!app_find_config(config, sizeof config, topology)) {
    return app_usage_error(command->name, "no topology is installed, nor is there a %s here; name one with --config",
                           config);
  }
  app_job job = {.command = command, .options = &options, .config = config, .per_day = per_day};
  return app_run(&job);
}
