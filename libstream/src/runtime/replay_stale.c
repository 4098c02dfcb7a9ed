/**
 * @file replay_stale.c
 * What an earlier run left and this one no longer makes: partitions of the run's dates, and dead letters of days that were read.
 * A removal is one call and may be repeated, so a run that is killed here is mended by the next one.
 */
#include "base/fault.h"
#include "runtime/run.h"

static int remove_file(ls_runtime *run, const char *path, ls_error *err) {
  LS_TRY(ls__lake_remove(run->lake, path, err));
  ls__fault(LS_FAULT_SINK_REMOVE_FILE);
  return LS_OK;
}

/* ---- partitions ---- */

static bool has_input_of(const ls_runtime *run, int32_t days) {
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    for (size_t k = 0; run->files[i] != NULL && k < ls__file_source_n_files(run->files[i]); k++) {
      if (ls__file_source_file(run->files[i], k)->date_days == days) return true;
    }
  }
  return false;
}

/** Whether a partition of this date is this run's to remove. Without dates: only where it read something, since input that is
 *  no longer kept says nothing about the rows that were made of it. */
static bool is_ours(const ls_runtime *run, int32_t days) {
  if (days == INT32_MIN) return false;
  return run->from_days == INT32_MIN ? has_input_of(run, days) : days >= run->from_days && days <= run->to_days;
}

static bool is_segment_end(const char *text) {
  return text[0] == '\0' || text[0] == '/';
}

/** Pattern of all data files of a sink: an expression is anything, one that is a whole dt is a date. */
static void files_of_sink(ls_buf *out, const ls_plan_sink *sink, const char *extension) {
  ls__buf_puts(out, sink->path_literals[0]);
  for (uint32_t i = 0; i < sink->n_path_exprs; i++) {
    const char *next = sink->path_literals[i + 1];
    bool date = out->len >= 3 && memcmp(out->ptr + out->len - 3, "dt=", 3) == 0 && is_segment_end(next) &&
                (out->len == 3 || out->ptr[out->len - 4] == '/');
    ls__buf_puts(out, date ? "{date}" : "*");
    ls__buf_puts(out, next);
  }
  ls__buf_printf(out, "/part-00000.%s", extension);
}

static bool was_published(ls_lake_sink *sink, const char *file) {
  size_t n;
  const ls_lake_partition *partitions = ls__lake_sink_partitions(sink, &n);
  for (size_t i = 0; i < n; i++) {
    if (partitions[i].published_by_run && strcmp(partitions[i].file, file) == 0) return true;
  }
  return false;
}

static int remove_partitions(ls_runtime *run, uint32_t index, ls_error *err) {
  const ls_plan_sink *sink = &run->plan->sinks[index];
  if (run->sinks[index] == NULL || sink->n_path_exprs == 0) return LS_OK;
  ls_buf pattern = LS_BUF_INIT;
  ls_lake_files files = {0};
  files_of_sink(&pattern, sink, ls__lake_sink_extension(sink->format));
  int rc = ls__lake_list(&files, run->lake, pattern.ptr, run->from_days, run->to_days, err);
  for (size_t i = 0; i < files.n && rc >= 0; i++) {
    if (!is_ours(run, files.files[i].date_days) || was_published(run->sinks[index], files.files[i].path)) continue;
    rc = remove_file(run, files.files[i].path, err);
  }
  ls__lake_files_free(&files);
  ls__buf_fini(&pattern);
  return rc;
}

/* ---- dead letters ---- */

/** A day that was read and has no bad record any more loses the dead letters of an earlier run. */
static int remove_letters(ls_runtime *run, uint32_t index, const ls_file_source *files, ls_error *err) {
  int32_t last = INT32_MIN, from, to;
  ls__run_own_days(run, index, &from, &to);
  for (size_t i = 0; files != NULL && i < ls__file_source_n_files(files); i++) {
    int32_t days = ls__file_source_file(files, i)->date_days;
    if (days == INT32_MIN || days == last || days < from || days > to ||
        ls__dead_letters_has(run->letters, index, days))
      continue;
    last = days;
    ls_buf path = LS_BUF_INIT;
    ls__dead_letters_path(&path, run->letters, index, days);
    int rc = remove_file(run, path.ptr, err);
    ls__buf_fini(&path);
    LS_TRY(rc);
  }
  return LS_OK;
}

int ls__run_remove_stale(ls_runtime *run, ls_error *err) {
  for (uint32_t i = 0; i < run->plan->n_sinks; i++) LS_TRY(remove_partitions(run, i, err));
  for (uint32_t i = 0; i < run->plan->n_sources; i++) LS_TRY(remove_letters(run, i, run->files[i], err));
  return LS_OK;
}
