/**
 * @file replay_publish.c
 * The end of a run: everything is staged complete before anything is published; each file is then replaced atomically. After a
 * kill at any point a re-run gives the same files again. Order: data, dead letters, removals, summary, success marker.
 */
#include "base/fault.h"
#include "base/thread.h"
#include "data/datetime.h"
#include "runtime/run.h"

typedef struct publication {
  ls_runtime *run;
  ls_lake_stage *stage;
  ls_buf letter_paths; /* NUL-separated */
} publication;

static int stage_worker(int worker, void *payload, ls_error *err) {
  publication *at = payload;
  for (uint32_t i = 0; i < at->run->plan->n_sinks; i++) {
    if (at->run->sinks[i] != NULL) LS_TRY(ls__lake_sink_stage(at->run->sinks[i], worker, err));
  }
  return LS_OK;
}

static int stage_all(publication *at, ls_error *err) {
  ls_runtime *run = at->run;
  for (uint32_t i = 0; i < run->plan->n_sinks; i++) {
    if (run->sinks[i] != NULL) LS_TRY(ls__lake_sink_seal(run->sinks[i], err));
  }
  LS_TRY(ls__workers_run((int)run->n_workers, stage_worker, at, err));
  LS_TRY(ls__dead_letters_stage(run->letters, at->stage, &at->letter_paths, err));
  ls__fault(LS_FAULT_SINK_STAGED_ALL);
  return ls__run_check_stop(run, err);
}

static int publish_sinks(publication *at, ls_error *err) {
  for (uint32_t i = 0; i < at->run->plan->n_sinks; i++) {
    if (at->run->sinks[i] == NULL) continue;
    size_t n;
    const ls_lake_partition *partitions = ls__lake_sink_partitions(at->run->sinks[i], &n);
    for (size_t k = 0; k < n; k++) {
      if (partitions[k].published_by_run) LS_TRY(ls__lake_stage_publish(at->stage, partitions[k].file, err));
    }
  }
  return LS_OK;
}

static int publish_letters(publication *at, ls_error *err) {
  const char *path = at->letter_paths.ptr, *end = path + at->letter_paths.len;
  for (; path != NULL && path < end; path += strlen(path) + 1) LS_TRY(ls__lake_stage_publish(at->stage, path, err));
  return LS_OK;
}

/** Directory part of a partition path whose last segment is a dt: the place of a sink's own summary. */
static void marker_directory(ls_buf *out, const ls_plan_sink *sink) {
  ls__buf_puts(out, sink->path_literals[0]);
  if (sink->n_path_exprs == 0) return;
  while (out->len > 0 && out->ptr[out->len - 1] != '/') out->len--;
  if (out->len > 0) out->len--;
  ls__buf_putc(out, 0);
  out->len--;
}

static int publish_bytes(publication *at, const char *directory, const char *name, ls_slice bytes, ls_error *err) {
  ls_buf path = LS_BUF_INIT;
  ls__buf_printf(&path, "%s/%s", directory, name);
  int rc = ls__lake_stage_bytes(at->stage, path.ptr, bytes, err);
  if (rc >= 0) rc = ls__lake_stage_publish(at->stage, path.ptr, err);
  ls__buf_fini(&path);
  return rc;
}

static int publish_markers(publication *at, ls_error *err) {
  ls_buf summary = LS_BUF_INIT, directory = LS_BUF_INIT;
  at->run->finished_us = ls__monotonic_us();
  ls__run_summary(&summary, at->run);
  ls__buf_putc(&summary, '\n');
  int rc = LS_OK;
  for (uint32_t i = 0; i < at->run->plan->n_sinks && rc >= 0; i++) {
    const ls_plan_sink *sink = &at->run->plan->sinks[i];
    if (at->run->sinks[i] == NULL) continue;
    ls__buf_clear(&directory);
    marker_directory(&directory, sink);
    if (sink->summary) rc = publish_bytes(at, directory.ptr, "_summary.json", ls__buf_slice(&summary), err);
    if (sink->summary) ls__fault(LS_FAULT_SINK_SUMMARY);
    if (rc >= 0 && sink->success_marker) rc = publish_bytes(at, directory.ptr, "_SUCCESS", (ls_slice){"", 0}, err);
  }
  ls__buf_fini(&summary);
  ls__buf_fini(&directory);
  return rc;
}

static int publish_all(publication *at, ls_error *err) {
  ls_runtime *run = at->run;
  LS_TRY(stage_all(at, err));
  LS_TRY(ls__run_check_balance(run, err));
  LS_TRY(publish_sinks(at, err));
  LS_TRY(publish_letters(at, err));
  LS_TRY(ls__run_remove_stale(run, err));
  ls__fault(LS_FAULT_SINK_PUBLISHED_ALL);
  return publish_markers(at, err);
}

int ls__run_publish(ls_runtime *run, ls_error *err) {
  publication at = {.run = run, .stage = run->stage};
  ls__run_progress(run, "write", 0, 0);
  int rc = publish_all(&at, err);
  ls__fault(LS_FAULT_RUN_END);
  ls__buf_fini(&at.letter_paths);
  return rc;
}
