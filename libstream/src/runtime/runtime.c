/** @file runtime.c  The public runtime: options, one run, its summary. */
#include "runtime/parity.h"
#include "runtime/replay.h"
#include "runtime/stream.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/thread.h"
#include "data/datetime.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCH_ROWS_DEFAULT 4096
#define WORKERS_MAX        256
#define PROGRESS_EVERY_US  100000
enum { STOP_NOT, STOP_FAILED, STOP_ASKED };

static const char *copy(ls_runtime *run, const char *text) {
  return text == NULL ? NULL : ls__arena_strdup(&run->arena, text);
}

static int set_dates(ls_runtime *run, ls_error *err) {
  run->from_days = INT32_MIN;
  run->to_days = INT32_MAX;
  const char *from = run->opts.date_from, *to = run->opts.date_to;
  if ((from == NULL) != (to == NULL)) return ls_error_set(err, LS_EINVAL, "date_from and date_to go together");
  if (from == NULL) return LS_OK;
  if (ls__date_parse(&run->from_days, ls__slice_of(from)) < 0)
    return ls_error_set(err, LS_EINVAL, "not a date (YYYY-MM-DD): %s", from);
  if (ls__date_parse(&run->to_days, ls__slice_of(to)) < 0)
    return ls_error_set(err, LS_EINVAL, "not a date (YYYY-MM-DD): %s", to);
  if (run->from_days > run->to_days)
    return ls_error_set(err, LS_EINVAL, "the first date (%s) is after the last (%s)", from, to);
  return LS_OK;
}

/** as_of, or now: only a label of the run. */
static int set_as_of(ls_runtime *run, ls_error *err) {
  int64_t us;
  if (run->opts.as_of != NULL) {
    if (ls__timestamp_parse(&us, ls__slice_of(run->opts.as_of)) < 0) {
      return ls_error_set(err, LS_EINVAL, "as_of is not a timestamp (2026-03-01T06:00:00Z): %s", run->opts.as_of);
    }
    run->as_of = run->opts.as_of;
    return LS_OK;
  }
  char text[LS_TIMESTAMP_TEXT_MAX];
  int64_t now_s = time(NULL); /* the start of a run is its label */
  size_t len = ls__timestamp_format(text, now_s * 1000000);
  run->as_of = ls__arena_strndup(&run->arena, text, len);
  return LS_OK;
}

static int make_work_directory(ls_runtime *run, ls_error *err) {
  const char *base = run->opts.work_directory;
  if (base == NULL) base = getenv("TMPDIR");
  if (base == NULL || base[0] == '\0') base = "/tmp";
  if (mkdir(base, 0700) != 0 && errno != EEXIST)
    return ls_error_set(err, LS_EIO, "%s: can't be made: %s", base, strerror(errno));
  char *path = ls__arena_printf(&run->arena, "%s/libstream-XXXXXX", base);
  if (mkdtemp(path) == NULL)
    return ls_error_set(err, LS_EIO, "%s: no work directory can be made there: %s", base, strerror(errno));
  run->work_directory = path;
  return LS_OK;
}

static void remove_tree(const char *path) {
  DIR *directory = opendir(path);
  if (directory == NULL) return;
  ls_buf child = LS_BUF_INIT;
  for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    ls__buf_clear(&child);
    ls__buf_printf(&child, "%s/%s", path, entry->d_name);
    if (unlink(child.ptr) != 0) remove_tree(child.ptr);
  }
  ls__buf_fini(&child);
  closedir(directory);
  rmdir(path);
}

static void copy_options(ls_runtime *run, const ls_runtime_opts *opts) {
  size_t known = opts->struct_size < sizeof *opts ? opts->struct_size : sizeof *opts;
  memcpy(&run->opts, opts, known);
  run->opts.lake = copy(run, run->opts.lake);
  run->opts.work_directory = copy(run, run->opts.work_directory);
  run->opts.date_from = copy(run, run->opts.date_from);
  run->opts.date_to = copy(run, run->opts.date_to);
  run->opts.as_of = copy(run, run->opts.as_of);
  run->opts.state_directory = copy(run, run->opts.state_directory);
  run->opts.recording_directory = copy(run, run->opts.recording_directory);
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  int wanted = run->opts.n_threads > 0 || run->opts.mode == LS_MODE_REPLAY ? run->opts.n_threads : run->plan->n_threads;
  int n = wanted > 0 ? wanted : cores > 0 ? (int)cores : 1;
  run->n_workers = (uint32_t)(n < WORKERS_MAX ? n : WORKERS_MAX);
  run->batch_rows = run->opts.batch_rows > 0 ? run->opts.batch_rows : BATCH_ROWS_DEFAULT;
}

static void allocate_tables(ls_runtime *run) {
  const ls_plan *plan = run->plan;
  run->files = LS_ARENA_ARRAY(&run->arena, ls_file_source *, plan->n_sources + 1);
  run->sorters = LS_ARENA_ARRAY(&run->arena, ls_sorter *, plan->n_sources + 1);
  run->global_files = LS_ARENA_ARRAY(&run->arena, ls_file_source *, plan->n_globals + 1);
  run->globals = LS_ARENA_ARRAY(&run->arena, ls_global *, plan->n_globals + 1);
  run->sinks = LS_ARENA_ARRAY(&run->arena, ls_lake_sink *, plan->n_sinks + 1);
  run->came_in = LS_ARENA_ARRAY(&run->arena, ls_sink_totals *, plan->n_sinks + 1);
  run->sink_ports = LS_ARENA_ARRAY(&run->arena, ls_sink_port *, plan->n_sinks + 1);
  run->counters = LS_ARENA_ARRAY(&run->arena, ls_node_counters, plan->n_nodes + 1);
}

int ls_runtime_new(ls_runtime **out, ls_topology *topology, const ls_runtime_opts *opts, ls_error *err) {
  ls_error scratch = LS_ERROR_INIT;
  if (err == NULL) err = &scratch;
  *out = NULL;
  if (opts == NULL || (opts->lake == NULL && opts->mode == LS_MODE_REPLAY))
    return ls_error_set(err, LS_EINVAL, "a run needs a lake");
  ls_runtime *run = LS_NEW(ls_runtime);
  ls__arena_init(&run->arena, 0);
  run->topology = topology;
  run->plan = ls__topology_plan(topology);
  run->status = "failed";
  atomic_store(&run->end_us, 0);
  copy_options(run, opts);
  allocate_tables(run);
  int rc = set_dates(run, err);
  if (rc >= 0) rc = set_as_of(run, err);
  if (rc >= 0) rc = make_work_directory(run, err);
  if (rc < 0) {
    ls_runtime_free(run);
    return rc;
  }
  *out = run;
  return LS_OK;
}

int ls_runtime_run(ls_runtime *run, ls_error *err) {
  ls_error scratch = LS_ERROR_INIT;
  if (err == NULL) err = &scratch;
  run->started_us = ls__monotonic_us();
  int rc = run->opts.mode == LS_MODE_STREAM   ? ls__stream_run(run, err)
           : run->opts.mode == LS_MODE_PARITY ? ls__parity_run(run, err)
                                              : ls__replay_run(run, err);
  run->finished_us = ls__monotonic_us();
  if (rc >= 0 && run->opts.dry_run) run->status = "dry_run";
  if (rc < 0) {
    run->status = rc == LS_ESTOPPED ? "stopped" : "failed";
    snprintf(run->error_text, sizeof run->error_text, "%s", err->message);
  }
  return rc;
}

bool ls_runtime_is_equal(const ls_runtime *run) {
  return run->parity != NULL && strcmp(run->status, "equal") == 0;
}

void ls_runtime_stop(ls_runtime *run) {
  atomic_store(&run->stop, STOP_ASKED);
}

int ls_runtime_summary(char **out, const ls_runtime *run, ls_error *err) {
  (void)err;
  ls_buf text = LS_BUF_INIT;
  if (run->parity != NULL) {
    ls__parity_summary(&text, run);
  } else {
    ls__run_summary(&text, run);
  }
  ls__buf_putc(&text, 0);
  *out = text.ptr;
  return LS_OK;
}

const char *ls_runtime_fault_point(size_t i) {
  return ls__fault_name(i);
}

void ls_runtime_free(ls_runtime *run) {
  if (run == NULL) return;
  ls__parity_free(run->parity);
  ls__replay_close(run);
  if (run->work_directory != NULL) remove_tree(run->work_directory);
  ls__arena_fini(&run->arena);
  ls__free(run);
}

void ls__run_progress(ls_runtime *run, const char *phase, int64_t done, int64_t total) {
  if (run->opts.on_progress == NULL) return;
  int64_t now = ls__monotonic_us(), last = atomic_load(&run->last_progress_us);
  if (now - last < PROGRESS_EVERY_US || !atomic_compare_exchange_strong(&run->last_progress_us, &last, now)) return;
  ls_progress progress = {phase, done, total, run->opts.mode == LS_MODE_STREAM ? done : ls__run_records(run),
                          (double)(now - run->started_us) / 1e6};
  run->opts.on_progress(run->opts.payload, &progress);
}

int ls__run_check_stop(ls_runtime *run, ls_error *err) {
  if (atomic_load(&run->stop) == 0) return LS_OK;
  return ls_error_set(err, LS_ESTOPPED, "stopped before the end of the input; nothing was published");
}

int ls__run_worker_failed(ls_runtime *run, int rc) {
  int none = 0;
  if (atomic_compare_exchange_strong(&run->stop, &none, STOP_FAILED)) return rc;
  return rc == LS_ESTOPPED && none == STOP_FAILED ? LS_OK : rc;
}
