/**
 * @file stream_commit.c
 * THE commit order, and nothing else. All tasks of a thread commit together, since they share its producer:
 *
 *   0 what lake sinks have to say goes to their logs: rows, names of staged files
 *   1 the stores' pending writes go to the changelogs
 *   2 everything that was sent is delivered: the changelogs' offsets are known
 *   3 the offsets of what was read, with the operator time, go into the transaction
 *   4 the transaction commits
 *   5 the pending writes, with the changelogs' offsets, go into the database, one atomic write per task
 *   6 the files whose names were committed are published
 *
 * A crash before 4 leaves nothing. Between 4 and 5 it leaves a store behind its changelog, never ahead: restoring reads the
 * rest. Between 4 and 6 it leaves files that the next owner publishes.
 * At least once: the same without the transaction, offsets after delivery.
 */
#include "base/fault.h"
#include "base/thread.h"
#include "runtime/stream.h"

#include <stdio.h>

bool ls__stream_commit_due(const ls_stream_thread *thread, int64_t now_us) {
  if (!thread->in_transaction) return false;
  if (now_us - thread->last_commit_us >= thread->stream->plan->commit_interval_us) return true;
  for (size_t i = 0; i < thread->n_tasks; i++) {
    if (ls__store_set_pressure(thread->tasks[i]->stores)) return true;
  }
  return false;
}

int ls__stream_begin(ls_stream_thread *thread, ls_error *err) {
  if (thread->in_transaction) return LS_OK;
  LS_TRY(ls__kafka_producer_begin(thread->producer, err));
  thread->in_transaction = true;
  if (thread->last_commit_us == 0) thread->last_commit_us = ls__monotonic_us();
  return LS_OK;
}

/** What a store holds goes in front of the first of its changes. */
static int send_identity(ls_stream_task *task, ls_stream_changelog *log, ls_error *err) {
  ls_kafka_send send = {.topic = log->topic,
                        .partition = task->partition,
                        .key = {LS_STREAM_IDENTITY, sizeof LS_STREAM_IDENTITY - 1},
                        .value = {(const char *)&log->fingerprint, sizeof log->fingerprint},
                        .timestamp_us = -1,
                        .offset = &log->sent};
  log->identified = true;
  return ls__kafka_producer_send(task->thread->producer, &send, err);
}

static int send_change(void *payload, uint32_t store, ls_slice key, ls_slice value, ls_error *err) {
  ls_stream_task *task = payload;
  ls_stream_changelog *log = &task->changelogs[store];
  if (!log->identified) LS_TRY(send_identity(task, log, err));
  ls_kafka_send send = {.topic = log->topic,
                        .partition = task->partition,
                        .key = key,
                        .value = value,
                        .timestamp_us = -1,
                        .offset = &log->sent};
  return ls__kafka_producer_send(task->thread->producer, &send, err);
}

static int send_changelogs(ls_stream_thread *thread, ls_error *err) {
  for (size_t i = 0; i < thread->n_tasks; i++) {
    ls_stream_task *task = thread->tasks[i];
    if (!task->changed) continue;
    LS_TRY(ls__store_set_changes(task->stores, send_change, task, err));
  }
  return LS_OK;
}

static ls_slice metadata_of(const ls_stream_task *task, ls_arena *arena) {
  ls_buf text = LS_BUF_INIT;
  ls__buf_printf(&text, "ls1 %lld %llu", (long long)task->stream_time_us, (unsigned long long)task->seq);
  for (uint32_t i = 0; i < task->n_stores && text.len < LS_STREAM_METADATA_BYTES; i++) {
    const ls_stream_changelog *log = &task->changelogs[i];
    if (!log->identified) continue;
    int64_t next = log->sent >= log->next ? log->sent + 1 : log->next;
    ls__buf_printf(&text, " %08x:%lld", ls__stream_store_hash(task, i), (long long)next);
  }
  ls_slice metadata = {ls__arena_strndup(arena, text.ptr, text.len), text.len};
  ls__buf_fini(&text);
  return metadata;
}

/** What a task has read since its last commit. With records of lake sinks, all it has read: no transaction of a member that is one no
 *  more may pass for lack of offsets to check. */
static size_t offsets_of(const ls_stream_task *task, ls_kafka_offset *out, ls_slice metadata) {
  size_t n = 0;
  for (uint32_t i = 0; i < task->stream->plan->n_sources; i++) {
    const ls_lane *lane = task->lanes[i];
    if (lane == NULL || lane->next_offset < 0 || (!task->lake_sent && lane->next_offset <= lane->committed_offset))
      continue;
    out[n++] = (ls_kafka_offset){i, lane->partition, lane->next_offset, metadata};
  }
  return n;
}

static int send_offsets(ls_stream_thread *thread, ls_arena *arena, ls_error *err) {
  uint32_t n_sources = thread->stream->plan->n_sources;
  ls_kafka_offset *offsets = LS_ARENA_ARRAY(arena, ls_kafka_offset, thread->n_tasks * n_sources + 1);
  size_t n = 0;
  for (size_t i = 0; i < thread->n_tasks; i++) {
    if (!thread->tasks[i]->changed) continue;
    n += offsets_of(thread->tasks[i], offsets + n, metadata_of(thread->tasks[i], arena));
  }
  if (n == 0) return LS_OK;
  if (thread->stream->plan->exactly_once)
    return ls__kafka_producer_send_offsets(thread->producer, thread->consumer, offsets, n, err);
  return ls__kafka_consumer_commit(thread->consumer, offsets, n, err);
}

void ls__stream_position(ls_buf *out, ls_stream_task *task) {
  ls__buf_clear(out);
  task->saved_us = ls__wall_us();
  ls__buf_printf(out, "@ %lld\n", (long long)task->saved_us); /* no name of a store */
  for (uint32_t i = 0; i < task->n_stores; i++) {
    const ls_stream_changelog *log =
        &task->changelogs[i]; /* one that does not say yet what it holds is read again from its beginning */
    ls__buf_printf(out, "%s %lld\n", ls__store_set_store_name(task->stores, i),
                   log->identified ? (long long)log->next : 0);
  }
}

int ls__stream_touch(ls_stream_task *task, int64_t age_us, ls_error *err) {
  if (task->n_stores == 0 || task->stream->db == NULL || task->state != LS_STREAM_RUNNING) return LS_OK;
  if (ls__wall_us() - task->saved_us < age_us) return LS_OK;
  ls_buf position = LS_BUF_INIT;
  ls__stream_position(&position, task);
  int rc = ls__store_set_restored(task->stores, ls__buf_slice(&position), err);
  ls__buf_fini(&position);
  return rc;
}

/** The transaction is committed: the database follows. */
static int commit_stores(ls_stream_thread *thread, ls_error *err) {
  ls_buf position = LS_BUF_INIT;
  int rc = LS_OK;
  for (size_t i = 0; i < thread->n_tasks && rc >= 0; i++) {
    ls_stream_task *task = thread->tasks[i];
    if (!task->changed) continue;
    for (uint32_t k = 0; k < task->n_changelogs; k++) {
      ls_stream_changelog *log = &task->changelogs[k];
      if (log->sent >= log->next) log->next = log->sent + 1;
      if (log->lake != NULL) ls__lake_live_committed(log->lake);
    }
    for (uint32_t k = 0; k < thread->stream->plan->n_sources; k++) {
      if (task->lanes[k] != NULL && task->lanes[k]->next_offset > task->lanes[k]->committed_offset)
        task->lanes[k]->committed_offset = task->lanes[k]->next_offset;
    }
    ls__stream_position(&position, task);
    rc = ls__store_set_commit(task->stores, ls__buf_slice(&position), err);
    task->changed = task->lake_sent = false;
    ls__fault(LS_FAULT_STREAM_STORED_ONE);
  }
  ls__buf_fini(&position);
  return rc;
}

static int fault(int point, ls_error *err) {
  return ls__fault_fails(point) ? ls_error_set(err, LS_EABORT, "fault point %s", ls__fault_name((size_t)point)) : LS_OK;
}

static int commit_in_order(ls_stream_thread *thread, ls_arena *arena, ls_error *err) {
  LS_TRY(fault(LS_FAULT_STREAM_COMMIT_BEGIN, err));
  LS_TRY(ls__stream_lakes_send(thread, err));
  LS_TRY(send_changelogs(thread, err));
  LS_TRY(fault(LS_FAULT_STREAM_CHANGELOGS, err));
  LS_TRY(ls__kafka_producer_flush(thread->producer, err));
  LS_TRY(fault(LS_FAULT_STREAM_FLUSHED, err));
  LS_TRY(send_offsets(thread, arena, err));
  LS_TRY(fault(LS_FAULT_STREAM_OFFSETS, err));
  LS_TRY(ls__kafka_producer_commit(thread->producer, err));
  thread->in_transaction = false;
  ls__fault(LS_FAULT_STREAM_COMMITTED);
  LS_TRY(commit_stores(thread, err));
  ls__fault(LS_FAULT_STREAM_STORED_ALL);
  return ls__stream_lakes_publish(thread, err);
}

int ls__stream_commit(ls_stream_thread *thread, ls_error *err) {
  if (!thread->in_transaction) return LS_OK;
  ls_arena arena;
  ls__arena_init(&arena, 4096);
  int rc = commit_in_order(thread, &arena, err);
  ls__arena_fini(&arena);
  if (thread->in_transaction) return rc;
  thread->n_commits++;
  thread->last_commit_us = ls__monotonic_us();
  return rc;
}
