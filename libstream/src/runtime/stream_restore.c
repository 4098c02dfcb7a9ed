/**
 * @file stream_restore.c
 * Bringing stores up to their changelogs: from the offset that the store has, to the end the changelog had when the task came.
 * A thread restores a little at a time, so that its other tasks go on. The end counts open transactions: a task waits for what
 * its former owner has left open to be committed or aborted, and misses nothing of it.
 */
#include "base/log.h"
#include "runtime/stream.h"

#define RESTORE_RECORDS 20000 /* of one step */

static ls_stream_changelog *find_changelog(ls_stream_thread *thread, uint32_t topic, int32_t partition,
                                           ls_stream_task **task, uint32_t *store) {
  for (size_t i = 0; i < thread->n_tasks; i++) {
    *task = thread->tasks[i];
    if ((*task)->partition != partition || (*task)->state != LS_STREAM_RESTORING) continue;
    for (uint32_t k = 0; k < (*task)->n_changelogs; k++) {
      *store = k;
      if ((*task)->changelogs[k].topic == topic) return &(*task)->changelogs[k];
    }
  }
  return NULL;
}

static int other_version(const ls_stream_task *task, uint32_t store, ls_error *err) {
  const char *name = ls__store_set_store_name(task->stores, store),
             *topic = task->stream->topics[task->changelogs[store].topic];
  return ls_error_set(err, LS_ECONFIG,
                      "store %s: its changelog %s was written by another version of the topology, with other keys or "
                      "columns or another "
                      "computation; `streamctl plan FILE --against OLD.yaml` says which: go back to it, rename the "
                      "store, or give a new kafka: application_id",
                      name, topic);
}

int ls__stream_restore_record(ls_stream_task *task, uint32_t store, const ls_kafka_record *record, ls_error *err) {
  ls_stream_changelog *log = &task->changelogs[store];
  static const ls_slice identity = {LS_STREAM_IDENTITY, sizeof LS_STREAM_IDENTITY - 1};
  if (ls__slice_eq(record->key, identity)) {
    bool same = record->value.len == sizeof log->fingerprint &&
                memcmp(record->value.ptr, &log->fingerprint, sizeof log->fingerprint) == 0;
    if (!same) return other_version(task, store, err);
    log->identified = true;
  } else {
    if (!log->identified) return other_version(task, store, err);
    LS_TRY(ls__store_set_restore(task->stores, store, record->key, record->value, err));
    task->restored_records++;
  }
  log->next = record->offset + 1;
  return LS_OK;
}

static int on_record(void *payload, const ls_kafka_record *record, ls_error *err) {
  ls_stream_thread *thread = payload;
  ls_stream_task *task;
  uint32_t store;
  ls_stream_changelog *log = find_changelog(thread, record->topic, record->partition, &task, &store);
  if (log == NULL || log->restored || record->offset < log->next) return LS_OK; /* read ahead of a removal */
  if (log->lake != NULL) {
    LS_TRY(ls__lake_live_restore(log->lake, record, err));
    log->next = record->offset + 1;
    return LS_OK;
  }
  return ls__stream_restore_record(task, store, record, err);
}

static void mark_restored(ls_stream_task *task, ls_stream_changelog *log) {
  if (log->restored) return;
  log->restored = true;
  task->n_to_restore--;
}

static void on_end(void *payload, uint32_t topic, int32_t partition, int64_t offset) {
  ls_stream_task *task;
  uint32_t store;
  ls_stream_changelog *log = find_changelog(payload, topic, partition, &task, &store);
  if (log == NULL || offset < log->end) return;
  if (offset > log->next) log->next = offset; /* what is between is not for readers of committed records */
  mark_restored(task, log);
}

static int open_restorer(ls_stream_thread *thread, ls_error *err) {
  if (thread->restorer != NULL) return LS_OK;
  const ls_stream *stream = thread->stream;
  ls_kafka_reader_opts opts = {.cluster = &stream->cluster,
                               .topics = stream->topics,
                               .n_topics = stream->n_topics,
                               .queue_bytes = stream->queue_bytes,
                               .on_record = on_record,
                               .on_end = on_end,
                               .payload = thread};
  return ls__kafka_reader_new(&thread->restorer, &opts, err);
}

/** A lake sink begins its log anew: its log was deleted, or files of its waiting rows may have been removed by another owner. */
static void forget_lake(ls_stream_changelog *log) {
  ls__lake_live_reset(log->lake);
  log->next = 0;
}

/** With what was in it, rows would be counted that never come again: their input is committed. */
static int changelog_cut(const ls_stream_task *task, uint32_t store, int64_t low, ls_error *err) {
  const ls_stream_changelog *log = &task->changelogs[store];
  return ls_error_set(
      err, LS_ECONFIG,
      "store %s: its changelog %s, partition %d, goes from %lld to %lld, but is needed from %lld to %lld: it was "
      "deleted or cut; put it back, or give a new kafka: application_id, which reads all input anew, or the store "
      "another name, with which it begins empty",
      ls__store_set_store_name(task->stores, store), task->stream->topics[log->topic], task->partition, (long long)low,
      (long long)log->end, (long long)log->next, (long long)(log->known > log->next ? log->known : log->next));
}

/** Finds the ends. A store that is ahead of its changelog, with nothing committed that tells of it, belongs to another one: forgotten,
 *  and built from the beginning. */
static int find_ends(ls_stream_task *task, bool *ahead, ls_error *err) {
  for (uint32_t i = 0; i < task->n_changelogs; i++) {
    ls_stream_changelog *log = &task->changelogs[i];
    int64_t low;
    LS_TRY(ls__kafka_reader_watermarks(task->thread->restorer, log->topic, task->partition, &low, &log->end, err));
    if (log->end < log->known || (log->lake == NULL && low > log->next)) return changelog_cut(task, i, low, err);
    if (log->lake != NULL && (log->next > log->end || ls__lake_live_has_staged(log->lake))) forget_lake(log);
    if (log->next > log->end) *ahead = true;
  }
  return LS_OK;
}

/** Whether sources still have what the group has read of them: behind an end that was lost, what comes next would be left out. */
static int check_sources(ls_stream_task *task, ls_error *err) {
  for (uint32_t i = 0; i < task->stream->plan->n_sources && !task->is_checked; i++) {
    const ls_lane *lane = task->lanes[i];
    if (lane == NULL || lane->committed_offset < 0) continue;
    int64_t low, high;
    LS_TRY(ls__kafka_reader_watermarks(task->thread->restorer, i, task->partition, &low, &high, err));
    if (lane->committed_offset > high) {
      return ls_error_set(
          err, LS_ECONFIG,
          "source %s: topic %s, partition %d, ends at %lld, but the group has read it to %lld: it has lost its end, "
          "or offsets were set; set them right, or give a new kafka: application_id, which reads all of it",
          lane->source->name, task->stream->topics[i], task->partition, (long long)high,
          (long long)lane->committed_offset);
    }
    if (lane->committed_offset < low)
      ls__log(LS_LOG_ERROR, "runtime", "records_lost",
              "source=%s topic=%s partition=%d offsets=%lld reason=\"deleted before they were read\"",
              lane->source->name, task->stream->topics[i], task->partition, (long long)(low - lane->committed_offset));
  }
  task->is_checked = true;
  return LS_OK;
}

/** State, and no offsets of the input it was made of: all input would go into it once more. Those that somebody sets are meant. */
static int check_known(const ls_stream_task *task, ls_error *err) {
  for (uint32_t i = 0; i < task->n_stores && task->stream->plan->exactly_once && !task->is_known; i++) {
    if (!task->changelogs[i].identified) continue;
    return ls_error_set(
        err, LS_ECONFIG,
        "store %s: its changelog %s has what was made of the input, but group %s has no offsets of any source that say "
        "where to go on: they have expired (offsets.retention.minutes) or were deleted; set the group's offsets "
        "(kafka-consumer-groups.sh --reset-offsets), or give a new kafka: application_id, which reads all input anew",
        ls__store_set_store_name(task->stores, i), task->stream->topics[task->changelogs[i].topic],
        task->stream->plan->kafka.application_id);
  }
  return LS_OK;
}

int ls__stream_restore_begin(ls_stream_task *task, ls_error *err) {
  task->restored_records = 0;
  task->n_to_restore = task->n_changelogs;
  LS_TRY(open_restorer(task->thread, err));
  LS_TRY(check_sources(task, err));
  bool ahead = false;
  LS_TRY(find_ends(task, &ahead, err));
  if (ahead) {
    ls__log(LS_LOG_WARN, "runtime", "state_forgotten", "task=%s reason=ahead_of_changelog", task->name);
    LS_TRY(ls__store_set_wipe(task->stores, err));
  }
  int64_t n_offsets = 0; /* an upper bound of the records: compaction and control records leave gaps */
  for (uint32_t i = 0; i < task->n_changelogs; i++) {
    ls_stream_changelog *log = &task->changelogs[i];
    if (ahead && log->lake == NULL) {
      log->next = 0;
      log->identified = false;
    }
    log->restored = false;
    log->sent = -1;
    if (log->next >= log->end) {
      mark_restored(task, log);
    } else {
      n_offsets += log->end - log->next;
      LS_TRY(ls__kafka_reader_add(task->thread->restorer, log->topic, task->partition, log->next, err));
    }
  }
  if (n_offsets > 0)
    ls__log(LS_LOG_INFO, "runtime", "restoring", "task=%s thread=%s offsets=%lld", task->name, task->thread->id,
            (long long)n_offsets);
  return LS_OK;
}

static int start_lanes(ls_stream_task *task, ls_error *err) {
  for (uint32_t i = 0; i < task->stream->plan->n_sources; i++) {
    ls_lane *lane = task->lanes[i];
    if (lane == NULL) continue;
    ls__lane_reset(lane, lane->committed_offset);
    if (task->reading) {
      LS_TRY(ls__kafka_consumer_seek(task->thread->consumer, i, task->partition, lane->committed_offset, err));
      LS_TRY(ls__kafka_consumer_pause(task->thread->consumer, i, task->partition, false, err));
    } else {
      LS_TRY(ls__kafka_consumer_start(task->thread->consumer, i, task->partition, lane->committed_offset, err));
    }
  }
  task->reading = true;
  return LS_OK;
}

/**
 * Where the group has no offset yet, a source with `from: latest` begins at the end that it has now. That is committed before a record
 * is read: a task that is built anew must begin there, and not at a later end.
 */
static int begin_latest(ls_stream_task *task, ls_error *err) {
  bool any = false;
  for (uint32_t i = 0; i < task->stream->plan->n_sources; i++) {
    ls_lane *lane = task->lanes[i];
    if (lane == NULL || lane->committed_offset >= 0 || !task->stream->from_latest[i]) continue;
    int64_t low;
    LS_TRY(ls__kafka_reader_watermarks(task->thread->restorer, i, task->partition, &low, &lane->next_offset, err));
    any = true;
  }
  if (!any) return LS_OK;
  task->changed = true;
  LS_TRY(ls__stream_begin(task->thread, err));
  return ls__stream_commit(task->thread, err);
}

static int finish(ls_stream_task *task, ls_error *err) {
  LS_TRY(check_known(task, err));
  for (uint32_t i = 0; i < task->n_changelogs; i++) {
    (void)ls__kafka_reader_remove(task->thread->restorer, task->changelogs[i].topic, task->partition, err);
  }
  ls_buf position = LS_BUF_INIT;
  ls__stream_position(&position, task);
  int rc = task->n_stores > 0 ? ls__store_set_restored(task->stores, ls__buf_slice(&position), err) : LS_OK;
  ls__buf_fini(&position);
  LS_TRY(rc);
  for (uint32_t i = task->n_stores; i < task->n_changelogs; i++)
    LS_TRY(ls__lake_live_own(task->changelogs[i].lake, err));
  task->state = LS_STREAM_RUNNING;
  atomic_fetch_add(&task->stream->n_restored, task->restored_records);
  ls__log(LS_LOG_INFO, "runtime", "task_running", "task=%s thread=%s restored_records=%lld", task->name,
          task->thread->id, (long long)task->restored_records);
  LS_TRY(begin_latest(task, err));
  return start_lanes(task, err);
}

int ls__stream_restore_step(ls_stream_thread *thread, int wait_ms, ls_error *err) {
  bool any = false;
  for (size_t i = 0; i < thread->n_tasks; i++) {
    any = any || (thread->tasks[i]->state == LS_STREAM_RESTORING && thread->tasks[i]->n_to_restore > 0);
  }
  size_t n;
  if (any) LS_TRY(ls__kafka_reader_poll(thread->restorer, wait_ms, RESTORE_RECORDS, &n, err));
  for (size_t i = 0; i < thread->n_tasks; i++) {
    ls_stream_task *task = thread->tasks[i];
    if (task->state == LS_STREAM_RESTORING && task->n_to_restore == 0) LS_TRY(finish(task, err));
  }
  return LS_OK;
}
