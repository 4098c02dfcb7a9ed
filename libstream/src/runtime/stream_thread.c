/**
 * @file stream_thread.c
 * A stream thread: poll, restore, process, commit, over and over. What goes wrong has one of three answers:
 *
 *   LS_EABORT    the transaction is aborted; all tasks are built anew from what is committed, and go on
 *   LS_EFENCED,  others have the partitions, or the cluster can't be reached: clients and tasks are closed, and the thread
 *   LS_ERETRY    joins again, later each time, until FAILURES_US have gone by without a commit
 *   others       end the run
 */
#include "base/alloc.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/thread.h"
#include "runtime/stream.h"

#include <stdio.h>
#include <time.h>

#define POLL_RECORDS    8192
#define POLL_MS         50
#define RESTORE_WAIT_MS 10
#define PURGE_US        ((int64_t)30000000)
#define FAILURES_US     ((int64_t)300000000)
#define LEFT_US         ((int64_t)60000000)   /* how old a position on disk may be when a task is let go */
#define RESTING_US      ((int64_t)3600000000) /* and while it has nothing to commit */
#define BACKOFF_MS_MIN  20
#define BACKOFF_MS_MAX  5000
#define REST_US         ((int64_t)10000000) /* nothing to do for so long: what failed before is over */

/* ---- callbacks of the consumer ---- */

static ls_stream_task *find_task(const ls_stream_thread *thread, uint32_t sub_topology, int32_t partition) {
  for (size_t i = 0; i < thread->n_tasks; i++) {
    if (thread->tasks[i]->sub_topology == sub_topology && thread->tasks[i]->partition == partition)
      return thread->tasks[i];
  }
  return NULL;
}

static int on_record(void *payload, const ls_kafka_record *record, ls_error *err) {
  ls_stream_thread *thread = payload;
  const ls_plan_source *source = &thread->stream->plan->sources[record->topic];
  ls_stream_task *task = find_task(thread, source->sub_topology, record->partition);
  if (task == NULL || task->state != LS_STREAM_RUNNING) return LS_OK; /* it has just gone */
  ls_lane *lane = task->lanes[record->topic];
  if (record->offset < lane->read_offset) return LS_OK; /* fetched before a seek */
  int rc = ls__lane_add(lane, record, err);
  if (rc < 0 && !lane->held.there) return rc;
  if (rc < 0)
    ls__log(LS_LOG_WARN, "runtime", "waits_for_registry", "source=%s partition=%d error=\"%s\"", source->name,
            (int)record->partition, err->message);
  if (lane->paused || !ls__lane_full(lane)) return LS_OK;
  lane->paused = true;
  return ls__kafka_consumer_pause(thread->consumer, record->topic, record->partition, true, err);
}

static void on_end(void *payload, uint32_t topic, int32_t partition, int64_t offset) {
  ls_stream_thread *thread = payload;
  ls_stream_task *task = find_task(thread, thread->stream->plan->sources[topic].sub_topology, partition);
  if (task == NULL || task->state != LS_STREAM_RUNNING) return; /* read before the seek that follows an abort */
  ls__lane_end(task->lanes[topic], offset);
}

static uint32_t source_of_topic(const ls_stream *stream, const char *topic) {
  uint32_t i = 0;
  while (i < stream->plan->n_sources && strcmp(stream->topics[i], topic) != 0) i++;
  return i;
}

/** Keys lie elsewhere in a topic that has got more partitions, and the state of their tasks does not come along. */
static int check_count(const ls_stream *stream, const ls_kafka_partition *at, uint32_t sub_topology, ls_error *err) {
  int32_t n = stream->n_partitions[sub_topology];
  if (at->partition < n) return LS_OK;
  return ls_error_set(
      err, LS_ECONFIG,
      "topic %s had %d partitions at the start and has partition %d now, so its keys lie elsewhere: start "
      "again, and if there are stores with a new kafka: application_id, which reads all of it anew",
      at->topic, n, at->partition);
}

static int on_assigned(void *payload, const ls_kafka_partition *partitions, size_t n, ls_error *err) {
  ls_stream_thread *thread = payload;
  for (size_t i = 0; i < n; i++) {
    uint32_t source = source_of_topic(thread->stream, partitions[i].topic);
    uint32_t sub_topology = thread->stream->plan->sources[source].sub_topology;
    if (find_task(thread, sub_topology, partitions[i].partition) != NULL) continue;
    LS_TRY(check_count(thread->stream, &partitions[i], sub_topology, err));
    ls_stream_task *task;
    LS_TRY(ls__stream_task_take(&task, thread, sub_topology, partitions[i].partition, err));
    ls__grow(&thread->tasks, &thread->tasks_capacity, thread->n_tasks + 1, sizeof *thread->tasks);
    thread->tasks[thread->n_tasks++] = task;
    LS_TRY(ls__stream_task_prepare(task, err));
  }
  thread->assigned = true;
  ls__stream_standby_replan(thread->stream);
  ls__log(LS_LOG_INFO, "runtime", "assigned", "thread=%s partitions=%zu tasks=%zu", thread->id, n, thread->n_tasks);
  return LS_OK;
}

static void free_tasks(ls_stream_thread *thread) {
  for (size_t i = 0; i < thread->n_tasks; i++) ls__stream_task_free(thread->tasks[i]);
  thread->n_tasks = 0;
}

static int abort_open(ls_stream_thread *thread, const ls_error *why, ls_error *err) {
  ls__log(LS_LOG_WARN, "runtime", "aborted", "thread=%s error=\"%s\"", thread->id, why->message);
  thread->n_aborts++;
  LS_TRY(ls__kafka_producer_abort(thread->producer, err));
  thread->in_transaction = false;
  ls__kafka_reader_free(thread->restorer);
  thread->restorer = NULL;
  return LS_OK;
}

/** What is done is committed; what can't be is aborted, and done again by whoever gets the partitions. */
static int let_go(ls_stream_thread *thread, ls_error *err) {
  int rc = ls__stream_commit(thread, err);
  if (rc == LS_EABORT) {
    ls_error why = *err;
    LS_TRY(abort_open(thread, &why, err));
    free_tasks(thread);
    return LS_OK;
  }
  for (size_t i = 0; i < thread->n_tasks && rc >= 0; i++) rc = ls__stream_touch(thread->tasks[i], LEFT_US, err);
  for (size_t i = 0; i < thread->n_tasks && rc >= 0; i++) ls__stream_task_park(thread->tasks[i]);
  if (rc >= 0) thread->n_tasks = 0;
  return rc;
}

/** All partitions go at once (range). */
static int on_revoked(void *payload, const ls_kafka_partition *partitions, size_t n, bool lost, ls_error *err) {
  ls_stream_thread *thread = payload;
  (void)partitions;
  int rc = lost ? LS_EFENCED : let_go(thread, err);
  if (lost) /* the tasks are closed with the clients: what they have sent may still be reported to them */
    ls_error_set(err, LS_EFENCED, "thread %s has lost its partitions", thread->id);
  ls__kafka_reader_free(thread->restorer);
  thread->restorer = NULL;
  thread->assigned = false;
  ls__log(LS_LOG_INFO, "runtime", "revoked", "thread=%s partitions=%zu lost=%d", thread->id, n, lost);
  return rc;
}

/* ---- clients ---- */

static int open_clients(ls_stream_thread *thread, ls_error *err) {
  ls_stream *stream = thread->stream;
  const ls_plan *plan = stream->plan;
  ls_kafka_producer_opts producer = {.cluster = &stream->cluster,
                                     .transactional_id = plan->exactly_once ? thread->id : NULL,
                                     .transaction_timeout_ms = (int)(plan->transaction_timeout_us / 1000),
                                     .topics = stream->topics,
                                     .n_topics = stream->n_topics,
                                     .queue_bytes = stream->queue_bytes};
  LS_TRY(ls__kafka_producer_new(&thread->producer, &producer, err));
  thread->named = stream->cluster; /* others tell by the clients' names which members are of one process */
  thread->named.client_id = thread->id;
  ls_kafka_consumer_opts consumer = {.cluster = &thread->named,
                                     .group_id = plan->kafka.application_id,
                                     .instance_id = plan->kafka.instance_id != NULL ? thread->id : NULL,
                                     .topics = stream->topics,
                                     .n_topics = plan->n_sources,
                                     .queue_bytes = stream->queue_bytes,
                                     .n_partitions_max = stream->n_lanes,
                                     .on_assigned = on_assigned,
                                     .on_revoked = on_revoked,
                                     .on_record = on_record,
                                     .on_end = on_end,
                                     .payload = thread};
  return ls__kafka_consumer_new(&thread->consumer, &consumer, err);
}

/** The producer first: delivery reports go to the tasks. What is left open is aborted, if that may be done, lest readers wait; and
 *  the others of the group get the partitions at once, if it can be told (leaves). */
static void close_clients(ls_stream_thread *thread, bool leaves) {
  ls_error err = LS_ERROR_INIT;
  if (thread->in_transaction && thread->producer != NULL) (void)ls__kafka_producer_abort(thread->producer, &err);
  ls__kafka_producer_free(thread->producer);
  free_tasks(thread);
  if (leaves && thread->consumer != NULL) ls__kafka_consumer_abandon(thread->consumer);
  ls__kafka_consumer_free(thread->consumer);
  ls__kafka_reader_free(thread->restorer);
  thread->consumer = NULL;
  thread->restorer = NULL;
  thread->producer = NULL;
  thread->in_transaction = thread->assigned = false;
}

/* ---- the loop ---- */

/** Processes what the tasks have; lanes that were full are read again. *n: rows. */
static int process_tasks(ls_stream_thread *thread, int64_t *n, ls_error *err) {
  *n = 0;
  int64_t now_us = ls__monotonic_us();
  for (size_t i = 0; i < thread->n_tasks; i++) {
    ls_stream_task *task = thread->tasks[i];
    if (task->state != LS_STREAM_RUNNING) continue;
    int64_t taken;
    LS_TRY(ls__stream_slice(task, now_us, &taken, err));
    *n += taken;
    for (uint32_t k = 0; k < thread->stream->plan->n_sources; k++) {
      ls_lane *lane = task->lanes[k];
      if (lane == NULL || !lane->paused || ls__lane_full(lane)) continue;
      lane->paused = false;
      LS_TRY(ls__kafka_consumer_pause(thread->consumer, k, task->partition, false, err));
    }
  }
  return LS_OK;
}

static int lane_drained(ls_stream_task *task, ls_lane *lane, bool *drained, ls_error *err) {
  if (lane->end_offset < 0 || lane->source->repartition) { /* the end of a repartition topic moves while others write */
    int64_t low;
    LS_TRY(ls__kafka_reader_watermarks(task->thread->restorer, lane->index, task->partition, &low, &lane->end_offset,
                                       err));
  }
  int64_t ts_us;
  if (lane->read_offset < lane->end_offset || lane->waiting.n_records > 0 || ls__lane_peek(lane, &ts_us))
    *drained = false;
  return LS_OK;
}

/** Whether nothing is left to do for a run that stops at the end. Finds the ends when it is called first. */
static int is_drained(ls_stream_thread *thread, bool *drained, ls_error *err) {
  *drained = thread->assigned;
  for (size_t i = 0; i < thread->n_tasks; i++) {
    ls_stream_task *task = thread->tasks[i];
    if (task->state != LS_STREAM_RUNNING) *drained = false;
    for (uint32_t k = 0; k < thread->stream->plan->n_sources && task->state == LS_STREAM_RUNNING; k++) {
      if (task->lanes[k] != NULL) LS_TRY(lane_drained(task, task->lanes[k], drained, err));
    }
  }
  return LS_OK;
}

/** How long a turn may wait for records: not past the next commit, not at all while there is something to do. */
static int wait_ms(const ls_stream_thread *thread, bool idle, bool restoring) {
  if (!idle || restoring) return 0;
  if (!thread->in_transaction) return POLL_MS;
  int64_t left_us = thread->last_commit_us + thread->stream->plan->commit_interval_us - ls__monotonic_us();
  return left_us <= 0 ? 0 : left_us / 1000 < POLL_MS ? (int)(left_us / 1000) + 1 : POLL_MS;
}

/** Rows on repartition topics are nobody's any more once they are processed and committed; kept, they would fill the disks. */
static void purge_repartitions(ls_stream_thread *thread) {
  thread->last_purge_us = ls__monotonic_us();
  for (size_t i = 0; i < thread->n_tasks; i++) {
    ls_stream_task *task = thread->tasks[i];
    for (uint32_t k = 0; k < thread->stream->plan->n_sources; k++) {
      ls_lane *lane = task->lanes[k];
      if (lane == NULL || !lane->source->repartition || lane->committed_offset <= lane->purged_offset) continue;
      ls__kafka_producer_delete_before(thread->producer, k, task->partition, lane->committed_offset);
      lane->purged_offset = lane->committed_offset;
    }
  }
}

/** Between transactions, since it may take a while: records that wait for the schema registry. */
static int retry_held(ls_stream_thread *thread, ls_error *err) {
  if (thread->in_transaction || thread->stream->registry == NULL) return LS_OK;
  for (size_t i = 0; i < thread->n_tasks; i++) {
    for (uint32_t k = 0; k < thread->stream->plan->n_sources; k++) {
      ls_lane *lane = thread->tasks[i]->lanes[k];
      if (lane != NULL) LS_TRY(ls__lane_retry(lane, ls__monotonic_us(), err));
    }
  }
  return LS_OK;
}

/** One turn. *idle: there was nothing to do. */
static int run_once(ls_stream_thread *thread, bool *idle, ls_error *err) {
  bool restoring = false;
  for (size_t i = 0; i < thread->n_tasks; i++) restoring = restoring || thread->tasks[i]->state == LS_STREAM_RESTORING;
  size_t n_polled;
  int64_t n_rows;
  LS_TRY(ls__kafka_consumer_poll(thread->consumer, wait_ms(thread, *idle, restoring), POLL_RECORDS, &n_polled, err));
  if (restoring) LS_TRY(ls__stream_restore_step(thread, *idle ? RESTORE_WAIT_MS : 0, err));
  LS_TRY(process_tasks(thread, &n_rows, err));
  if (ls__stream_commit_due(thread, ls__monotonic_us())) LS_TRY(ls__stream_commit(thread, err));
  LS_TRY(retry_held(thread, err));
  LS_TRY(ls__stream_lakes_turn(thread, false, err));
  if (ls__monotonic_us() - thread->last_purge_us > PURGE_US) {
    purge_repartitions(thread);
    for (size_t i = 0; i < thread->n_tasks && !thread->in_transaction; i++)
      LS_TRY(ls__stream_touch(thread->tasks[i], RESTING_US, err));
  }
  *idle = n_polled == 0 && n_rows == 0;
  return LS_OK;
}

static void sleep_ms(int64_t ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

/** All threads have come to the end, and stayed there for a while: what they wrote to repartition topics is read too. */
static bool all_drained(ls_stream_thread *thread, bool drained, int64_t *since_us) {
  ls_stream *stream = thread->stream;
  if (drained != thread->drained) atomic_fetch_add(&stream->n_drained, drained ? 1 : -1);
  thread->drained = drained;
  int64_t now_us = ls__monotonic_us();
  if (atomic_load(&stream->n_drained) < (int)stream->run->n_workers) *since_us = now_us;
  return now_us - *since_us > 500000;
}

/** Tasks are built anew from what is committed. */
static int abort_transaction(ls_stream_thread *thread, const ls_error *why, ls_error *err) {
  LS_TRY(abort_open(thread, why, err));
  for (size_t i = 0; i < thread->n_tasks; i++) {
    ls_stream_task *old = thread->tasks[i];
    uint32_t sub_topology = old->sub_topology;
    int32_t partition = old->partition;
    bool reading = old->reading;
    ls__stream_task_free(old);
    thread->tasks[i] = NULL;
    int rc = ls__stream_task_take(&thread->tasks[i], thread, sub_topology, partition, err);
    if (rc < 0) {
      thread->tasks[i] = thread->tasks[--thread->n_tasks];
      return rc;
    }
    thread->tasks[i]->reading = reading;
    LS_TRY(ls__stream_task_prepare(thread->tasks[i], err));
  }
  return LS_OK;
}

/** How things go. Commits are good, and so is a while in which there was nothing to do; restoring counts as no time. */
typedef struct health {
  int64_t last_good_us, resting_since_us;
  int64_t observed_us, n_commits; /* when it was looked at last */
  int64_t backoff_ms;             /* before the next try */
} health;

static void observe(health *h, const ls_stream_thread *thread, bool idle) {
  int64_t now_us = ls__monotonic_us();
  bool restores = false;
  for (size_t i = 0; i < thread->n_tasks; i++) restores = restores || thread->tasks[i]->state != LS_STREAM_RUNNING;
  if (restores) h->last_good_us += now_us - h->observed_us;
  if (!idle || restores || !thread->assigned || thread->in_transaction) h->resting_since_us = now_us;
  bool is_good = thread->n_commits > h->n_commits || now_us - h->resting_since_us > REST_US;
  h->observed_us = now_us;
  h->n_commits = thread->n_commits;
  if (!is_good) return;
  h->last_good_us = now_us;
  h->backoff_ms = BACKOFF_MS_MIN;
}

/** Waits after a failure, longer each time. False: it has gone on for too long. */
static bool wait_after(health *h) {
  if (ls__monotonic_us() - h->last_good_us > FAILURES_US) return false;
  sleep_ms(h->backoff_ms);
  h->backoff_ms = h->backoff_ms * 2 < BACKOFF_MS_MAX ? h->backoff_ms * 2 : BACKOFF_MS_MAX;
  return true;
}

/** One membership: from opening the clients to an error or the stop. */
static int run_member(ls_stream_thread *thread, health *h, ls_error *err) {
  ls_stream *stream = thread->stream;
  ls_runtime *run = stream->run;
  LS_TRY(open_clients(thread, err));
  bool idle = false;
  int64_t since_us = h->resting_since_us = h->observed_us = ls__monotonic_us();
  while (atomic_load(&run->stop) == 0) {
    int rc = run_once(thread, &idle, err);
    if (rc == LS_EABORT) {
      ls_error why = *err;
      rc = abort_transaction(thread, &why, err);
      if (rc >= 0 && !wait_after(h)) {
        *err = why;
        return LS_EABORT;
      }
    }
    LS_TRY(rc);
    observe(h, thread, idle);
    if (thread->index == 0) {
      ls__stream_free_parked(stream, false);
      ls__run_progress(run, "live", atomic_load(&stream->n_records), 0);
    }
    if (!run->opts.stop_at_end || !idle) continue;
    if (thread->in_transaction) LS_TRY(ls__stream_commit(thread, err));
    bool drained;
    LS_TRY(is_drained(thread, &drained, err));
    if (all_drained(thread, drained, &since_us)) break;
  }
  LS_TRY(ls__stream_commit(thread, err));
  LS_TRY(ls__stream_lakes_turn(thread, true, err));
  LS_TRY(ls__stream_lakes_turn(thread, true, err)); /* it tells that the files are published */
  purge_repartitions(thread);
  return ls__kafka_consumer_close(thread->consumer, err);
}

static bool joins_again(int rc) {
  return rc == LS_EFENCED || rc == LS_ERETRY || rc == LS_EABORT;
}

int ls__stream_thread_run(int worker, void *payload, ls_error *err) {
  ls_stream *stream = payload;
  ls_stream_thread *thread = LS_NEW(ls_stream_thread);
  thread->stream = stream;
  thread->index = worker;
  ls__stream_thread_id(thread->id, sizeof thread->id, stream, worker);
  health h = {.last_good_us = ls__monotonic_us(), .backoff_ms = BACKOFF_MS_MIN};
  int rc;
  for (;;) {
    rc = run_member(thread, &h, err);
    if (rc < 0 && thread->drained) atomic_fetch_sub(&stream->n_drained, 1);
    thread->drained = thread->drained && rc >= 0;
    close_clients(thread, rc != LS_ERETRY);
    if (!joins_again(rc) || atomic_load(&stream->run->stop) != 0) break;
    ls__log(LS_LOG_WARN, "runtime", "joins_again", "thread=%s error=\"%s\"", thread->id, err->message);
    if (!wait_after(&h)) break;
    thread->n_restarts++;
  }
  if (rc < 0 && joins_again(rc) && atomic_load(&stream->run->stop) != 0)
    rc = LS_OK; /* what was not committed is done again by the next */
  ls__stream_thread_done(stream, thread);
  ls__free(thread->tasks);
  ls__free(thread);
  return rc < 0 ? ls__run_worker_failed(stream->run, rc) : LS_OK;
}
