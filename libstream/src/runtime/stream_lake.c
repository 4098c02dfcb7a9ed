/**
 * @file stream_lake.c
 * Live lake sinks of a thread. Files are completed between two transactions, so that none stays open while a large file goes to
 * its stage; a transaction of its own then names them. edge/lake_live.h has what a log holds and why a row is in one file.
 */
#include "base/fault.h"
#include "runtime/stream.h"

bool ls__stream_is_lake(const ls_stream *stream, const ls_plan_sink *sink) {
  return sink->lake_topic != NULL && stream->run->opts.lake != NULL;
}

int ls__stream_lakes_open(ls_stream *stream, ls_error *err) {
  if (!stream->writes_lake) return LS_OK;
  ls_runtime *run = stream->run;
  LS_TRY(ls__lake_open(&run->lake, run->opts.lake, err));
  return ls__run_open_stage(run, err);
}

/* ---- of a task ---- */

static int new_lake(ls_stream_task *task, uint32_t i, ls_error *err) {
  const ls_stream *stream = task->stream;
  const ls_plan_sink *sink = &stream->plan->sinks[i];
  ls_lake_live_opts opts = {.name = sink->name,
                            .schema = sink->schema,
                            .format = sink->format,
                            .keep_last = sink->keep_last,
                            .fixed_partition = sink->n_path_exprs == 0 ? sink->path_literals[0] : NULL,
                            .application_id = stream->plan->kafka.application_id,
                            .partition = task->partition,
                            .topic = stream->lake_topic[i],
                            .topic_name = sink->lake_topic,
                            .lake = stream->run->lake,
                            .stage = stream->run->stage,
                            .roll_bytes = sink->roll_bytes,
                            .roll_us = sink->roll_us,
                            .memory_bytes = stream->lake_bytes};
  return ls__lake_live_new(&task->lakes[i], &opts, err);
}

int ls__stream_lakes_new(ls_stream_task *task, ls_error *err) {
  const ls_plan *plan = task->stream->plan;
  task->lakes = ls__calloc(plan->n_sinks + 1, sizeof *task->lakes);
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    const ls_plan_sink *sink = &plan->sinks[i];
    if (!ls__stream_is_lake(task->stream, sink) || plan->nodes[sink->node].sub_topology != task->sub_topology) continue;
    LS_TRY(new_lake(task, i, err));
  }
  return LS_OK;
}

void ls__stream_lakes_free(ls_stream_task *task) {
  for (uint32_t i = 0; task->lakes != NULL && i < task->stream->plan->n_sinks; i++) {
    if (task->lakes[i] == NULL) continue;
    int64_t files, rows;
    ls__lake_live_counts(task->lakes[i], &files, &rows);
    atomic_fetch_add(&task->stream->n_lake_files, files);
    atomic_fetch_add(&task->stream->n_lake_rows, rows);
    ls__lake_live_free(task->lakes[i]);
  }
  ls__free(task->lakes);
}

/* ---- of a thread ---- */

/** Calls fn for each lake sink of the tasks that run. */
static int for_each(ls_stream_thread *thread,
                    int (*fn)(ls_stream_task *task, ls_stream_changelog *log, void *payload, ls_error *err),
                    void *payload, ls_error *err) {
  for (size_t i = 0; i < thread->n_tasks; i++) {
    ls_stream_task *task = thread->tasks[i];
    if (task->state != LS_STREAM_RUNNING) continue;
    for (uint32_t k = task->n_stores; k < task->n_changelogs; k++) LS_TRY(fn(task, &task->changelogs[k], payload, err));
  }
  return LS_OK;
}

typedef struct turn {
  bool all; /* whatever waits is due */
  bool staged, news;
} turn;

static int stage_due(ls_stream_task *task, ls_stream_changelog *log, void *payload, ls_error *err) {
  (void)task;
  turn *at = payload;
  if (at->all ? ls__lake_live_has_rows(log->lake) : ls__lake_live_is_due(log->lake)) {
    LS_TRY(ls__lake_live_stage(log->lake, err));
    at->staged = true;
  }
  at->news = at->news || ls__lake_live_has_news(log->lake);
  return LS_OK;
}

int ls__stream_lakes_turn(ls_stream_thread *thread, bool all, ls_error *err) {
  turn at = {.all = all};
  if (thread->in_transaction || !thread->stream->writes_lake) return LS_OK;
  LS_TRY(for_each(thread, stage_due, &at, err));
  if (at.staged) ls__fault(LS_FAULT_STREAM_LAKE_STAGED_ALL);
  if (!at.news) return LS_OK;
  LS_TRY(ls__stream_begin(thread, err));
  return ls__stream_commit(thread, err);
}

static int send_news(ls_stream_task *task, ls_stream_changelog *log, void *payload, ls_error *err) {
  bool *named = payload, names = ls__lake_live_has_names(log->lake), sent;
  LS_TRY(ls__lake_live_send(log->lake, &sent, err));
  *named = *named || names;
  if (sent) task->changed = task->lake_sent = true;
  return LS_OK;
}

int ls__stream_lakes_send(ls_stream_thread *thread, ls_error *err) {
  bool named = false;
  LS_TRY(for_each(thread, send_news, &named, err));
  if (named) ls__fault(LS_FAULT_STREAM_LAKE_NAMED);
  return LS_OK;
}

static int publish(ls_stream_task *task, ls_stream_changelog *log, void *payload, ls_error *err) {
  (void)payload;
  LS_TRY(ls__lake_live_publish(log->lake, err));
  int64_t before = ls__lake_live_trim(log->lake);
  if (before < 0) return LS_OK;
  ls__fault(LS_FAULT_STREAM_LAKE_TOLD);
  ls__kafka_producer_delete_before(task->thread->producer, log->topic, task->partition, before);
  return LS_OK;
}

int ls__stream_lakes_publish(ls_stream_thread *thread, ls_error *err) {
  return for_each(thread, publish, NULL, err);
}
