/**
 * @file stream_slice.c
 * Which record is next: the one with the lowest time among the lanes of a task, ties by the order of the sources. A lane
 * without a row holds the others back, since its next one may be older; unless its source has been silent for idle_after, or
 * the run ends there. Only a broker can say that a source is silent: records that the network holds back, or that were not read
 * while the process was restoring or frozen, are not silence. Stream time is the largest time processed; a row behind it is out
 * of order, and its step decides.
 */
#include "base/fault.h"
#include "base/thread.h"
#include "runtime/stream.h"

#define END_FRESH_US ((int64_t)1000000) /* how long an answer holds at least */

static int64_t end_fresh_us(const ls_lane *lane) {
  return lane->source->idle_after_us > END_FRESH_US ? lane->source->idle_after_us : END_FRESH_US;
}

/** Whether the lane will give no row for now. */
static bool lane_is_silent(const ls_lane *lane, int64_t now_us) {
  if (lane->end_offset >= 0 && lane->read_offset >= lane->end_offset) return true;
  if (lane->source->idle_after_us < 0) return false;
  int64_t idle_us = lane->last_data_us + lane->source->idle_after_us;
  return now_us >= idle_us && lane->end_seen_us >= idle_us && now_us - lane->end_seen_us <= end_fresh_us(lane);
}

/** Asks the broker again whether the lane is at its end, by a seek to where it is: an answer comes even if nothing changed. The
 *  first answer comes by itself; one that is late is not asked for again, since a seek throws away what is on its way. */
static int ask_for_end(const ls_stream_task *task, ls_lane *lane, int64_t now_us, ls_error *err) {
  if (lane->held.there || lane->end_asked || lane->read_offset < 0 || lane->source->idle_after_us < 0) return LS_OK;
  int64_t idle_us = lane->last_data_us + lane->source->idle_after_us;
  if (now_us < idle_us || (lane->end_seen_us >= idle_us && now_us - lane->end_seen_us <= end_fresh_us(lane) / 2))
    return LS_OK;
  lane->end_asked = true;
  return ls__kafka_consumer_seek(task->thread->consumer, lane->index, lane->partition, lane->read_offset, err);
}

static bool has_row(const ls_lane *lane) {
  int64_t ts_us;
  return ls__lane_peek(lane, &ts_us);
}

/** Rows wait for lanes without one: which of these are silent? */
static int ask_for_ends(const ls_stream_task *task, int64_t now_us, ls_error *err) {
  for (uint32_t i = 0; i < task->stream->plan->n_sources; i++) {
    ls_lane *lane = task->lanes[i];
    if (lane != NULL && lane->waiting.n_records == 0 && !has_row(lane)) LS_TRY(ask_for_end(task, lane, now_us, err));
  }
  return LS_OK;
}

/** Decodes what waits. *rows: there are some, and no lane can still get an older one. *letters: a block has bad records alone. */
static int lanes_ready(ls_stream_task *task, int64_t now_us, bool *rows, bool *letters, ls_error *err) {
  bool any = false, waiting = false;
  *letters = false;
  for (uint32_t i = 0; i < task->stream->plan->n_sources; i++) {
    ls_lane *lane = task->lanes[i];
    if (lane == NULL) continue;
    LS_TRY(ls__lane_fill(lane, err));
    if (has_row(lane)) {
      lane->last_data_us = now_us;
      any = true;
    } else if (lane->unit != NULL && lane->bad_at < lane->n_bad) {
      *letters = waiting = true; /* nothing but bad records: they pass at once, the next block may have rows */
    } else if (!lane_is_silent(lane, now_us)) {
      waiting = true;
    }
  }
  *rows = any && !waiting;
  return any ? ask_for_ends(task, now_us, err) : LS_OK;
}

/** Lane with the lowest time, NULL: none has a row. */
static ls_lane *next_lane(const ls_stream_task *task, int64_t *ts_us) {
  ls_lane *best = NULL;
  for (uint32_t i = 0; i < task->stream->plan->n_sources; i++) {
    int64_t mine;
    if (task->lanes[i] == NULL || !ls__lane_peek(task->lanes[i], &mine)) continue;
    if (best == NULL || mine < *ts_us) {
      best = task->lanes[i];
      *ts_us = mine;
    }
  }
  return best;
}

/** Chooses the rows of a slice in order. It ends when a lane's unit does: the next unit may begin with an older row. */
static void choose_rows(ls_stream_task *task, ls_arena *arena, int64_t n_max) {
  task->slice_source = LS_ARENA_ARRAY(arena, uint32_t, n_max + 1);
  task->slice_row = LS_ARENA_ARRAY(arena, int32_t, n_max + 1);
  task->slice_ingest_us = LS_ARENA_ARRAY(arena, int64_t, n_max + 1);
  task->n_slice = 0;
  int64_t ts_us;
  for (ls_lane *lane = next_lane(task, &ts_us); lane != NULL && task->n_slice < n_max; lane = next_lane(task, &ts_us)) {
    task->slice_source[task->n_slice] = lane->index;
    task->slice_row[task->n_slice++] = (int32_t)lane->at++;
    if (lane->at == lane->unit->n_rows) return;
  }
}

/** Rows [from, at) of each lane as a batch. */
static void build_batches(ls_stream_task *task, ls_arena *arena) {
  for (uint32_t i = 0; i < task->stream->plan->n_sources; i++) {
    const ls_lane *lane = task->lanes[i];
    task->batches[i] = NULL;
    if (lane == NULL || lane->unit == NULL || lane->from == lane->at) continue;
    if (lane->from == 0 && lane->at == lane->unit->n_rows) {
      task->batches[i] = lane->unit;
      continue;
    }
    ls_batch *batch = ls__batch_new(lane->source->schema, arena, lane->at - lane->from);
    ls__batch_append_range(batch, lane->unit, lane->from, lane->at - lane->from);
    task->batches[i] = batch;
  }
}

/** Stamps: stream time when the row is processed, and its number in the life of the task. */
static void stamp_rows(ls_stream_task *task) {
  task->slice_seq = task->seq;
  for (int64_t i = 0; i < task->n_slice; i++) {
    uint32_t source = task->slice_source[i];
    const ls_lane *lane = task->lanes[source];
    int64_t row = task->slice_row[i] - lane->from;
    ls_batch *batch = (ls_batch *)(uintptr_t)task->batches[source];
    if (batch->ts_us[row] > task->stream_time_us) task->stream_time_us = batch->ts_us[row];
    task->slice_ingest_us[i] = lane->block.records[lane->record_of_row[task->slice_row[i]]].timestamp_us;
    batch->stamps[row] = (ls_stamp){task->stream_time_us, LS_SEQ_RECORD | ++task->seq};
  }
}

static int pass_lanes(ls_stream_task *task, ls_error *err) {
  for (uint32_t i = 0; i < task->stream->plan->n_sources; i++) {
    if (task->lanes[i] != NULL) LS_TRY(ls__lane_pass(task->lanes[i], ls__kafka_letters_port(task->letters), err));
  }
  return LS_OK;
}

static int process_rows(ls_stream_task *task, ls_error *err) {
  ls_ingest_times times = {task->slice_seq + 1, task->slice_ingest_us, task->n_slice};
  ls__expr_set_ingest_times(&times);
  pthread_rwlock_rdlock(&task->stream->globals_lock);
  int rc = ls__task_process(task->task, task->batches, task->stream_time_us, err);
  pthread_rwlock_unlock(&task->stream->globals_lock);
  ls__expr_set_ingest_times(NULL);
  return rc;
}

int ls__stream_slice(ls_stream_task *task, int64_t now_us, int64_t *n, ls_error *err) {
  *n = 0;
  bool rows, letters;
  LS_TRY(lanes_ready(task, now_us, &rows, &letters, err));
  if (!rows && !letters) return LS_OK;
  LS_TRY(ls__stream_begin(task->thread, err));
  task->changed = true;
  ls_arena *arena = ls__task_arena(task->task);
  if (rows) {
    choose_rows(task, arena, task->stream->run->batch_rows);
    build_batches(task, arena);
    stamp_rows(task);
    LS_TRY(process_rows(task, err));
  }
  *n = task->n_slice > 0 ? task->n_slice : 1;
  task->n_slice = 0;
  atomic_fetch_add(&task->stream->n_records, *n);
  ls__fault(LS_FAULT_STREAM_PROCESS);
  return pass_lanes(task, err);
}
