/**
 * @file stream_standby.c
 * Standbys: copies of the state of tasks that other processes have, kept by following their changelogs, so that a process that
 * takes over has little to restore. One thread of its own. Who keeps what is worked out from the group's list of members
 * (standby_plan.h), anew after each rebalance. A standby that fails is a copy less, never an error of the run.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "runtime/standby_plan.h"
#include "runtime/stream.h"

#include <stdio.h>
#include <time.h>

#define POLL_RECORDS 5000 /* a task that is wanted waits for no more than these */
#define IDLE_MS      50
#define SAVE_US      ((int64_t)10000000) /* how often a position goes to disk */
#define REPLAN_US    ((int64_t)60000000) /* at the latest, whatever was missed */
#define RETRY_US     ((int64_t)1000000)

struct ls_stream_standby {
  ls_stream *stream;
  pthread_mutex_t lock; /* the tasks and the reader; held by the thread but for its waits */
  pthread_cond_t wake;
  atomic_int n_takers;    /* threads that want the lock: they go first */
  ls_stream_task **tasks; /* STANDBY */
  size_t n_tasks, capacity;
  ls_kafka_admin *admin;
  ls_kafka_reader *reader;
  bool *wanted;    /* by ls__stream_task_index */
  atomic_bool due; /* a plan is to be made */
  int64_t planned_us, saved_us, retry_us;
  pthread_t thread;
  bool started;
  atomic_bool stop;
};

/* ---- following ---- */

static ls_stream_changelog *find_changelog(ls_stream_standby *standby, uint32_t topic, int32_t partition,
                                           ls_stream_task **task, uint32_t *store) {
  for (size_t i = 0; i < standby->n_tasks; i++) {
    *task = standby->tasks[i];
    for (uint32_t k = 0; k < (*task)->n_stores && (*task)->partition == partition; k++) {
      *store = k;
      if ((*task)->changelogs[k].topic == topic) return &(*task)->changelogs[k];
    }
  }
  return NULL;
}

static int on_record(void *payload, const ls_kafka_record *record, ls_error *err) {
  ls_stream_standby *standby = payload;
  ls_stream_task *task;
  uint32_t store;
  ls_stream_changelog *log = find_changelog(standby, record->topic, record->partition, &task, &store);
  if (log == NULL || record->offset < log->next) return LS_OK;
  LS_TRY(ls__stream_restore_record(task, store, record, err));
  task->changed = true;
  atomic_fetch_add(&standby->stream->n_standby, 1);
  return LS_OK;
}

static void on_end(void *payload, uint32_t topic, int32_t partition, int64_t offset) {
  ls_stream_task *task;
  uint32_t store;
  ls_stream_changelog *log = find_changelog(payload, topic, partition, &task, &store);
  if (log == NULL) return;
  if (offset > log->next) log->next = offset;
  if (log->restored) return;
  log->restored = true;
  if (--task->n_to_restore > 0) return;
  ls__log(LS_LOG_INFO, "runtime", "standby_ready", "task=%s records=%lld", task->name,
          (long long)task->restored_records);
}

/** What was applied is on disk, with how far it is. */
static int save(ls_stream_task *task, ls_error *err) {
  if (!task->changed) return LS_OK;
  ls_buf position = LS_BUF_INIT;
  ls__stream_position(&position, task);
  int rc = ls__store_set_restored(task->stores, ls__buf_slice(&position), err);
  ls__buf_fini(&position);
  task->changed = false;
  return rc;
}

static int save_all(ls_stream_standby *standby, ls_error *err) {
  for (size_t i = 0; i < standby->n_tasks; i++) LS_TRY(save(standby->tasks[i], err));
  standby->saved_us = ls__monotonic_us();
  return LS_OK;
}

static int open_reader(ls_stream_standby *standby, ls_error *err) {
  if (standby->reader != NULL) return LS_OK;
  const ls_stream *stream = standby->stream;
  ls_kafka_reader_opts opts = {.cluster = &stream->cluster,
                               .topics = stream->topics,
                               .n_topics = stream->n_topics,
                               .queue_bytes = stream->queue_bytes,
                               .on_record = on_record,
                               .on_end = on_end,
                               .payload = standby};
  LS_TRY(ls__kafka_reader_new(&standby->reader, &opts, err));
  for (size_t i = 0; i < standby->n_tasks; i++) {
    const ls_stream_task *task = standby->tasks[i];
    for (uint32_t k = 0; k < task->n_stores; k++) {
      LS_TRY(ls__kafka_reader_add(standby->reader, task->changelogs[k].topic, task->partition, task->changelogs[k].next,
                                  err));
    }
  }
  return LS_OK;
}

/* ---- tasks come and go ---- */

static void forget(ls_stream_standby *standby, size_t at) {
  const ls_stream_task *task = standby->tasks[at];
  ls_error ignored = LS_ERROR_INIT;
  for (uint32_t k = 0; k < task->n_stores && standby->reader != NULL; k++) {
    (void)ls__kafka_reader_remove(standby->reader, task->changelogs[k].topic, task->partition, &ignored);
  }
  standby->tasks[at] = standby->tasks[--standby->n_tasks];
}

static size_t find_task(const ls_stream_standby *standby, uint32_t sub_topology, int32_t partition) {
  size_t i = 0;
  while (i < standby->n_tasks &&
         (standby->tasks[i]->sub_topology != sub_topology || standby->tasks[i]->partition != partition))
    i++;
  return i;
}

static int follow_task(ls_stream_standby *standby, uint32_t sub_topology, int32_t partition, ls_error *err) {
  ls_stream_task *task = ls__stream_task_unpark(standby->stream, sub_topology, partition);
  if (task == NULL) LS_TRY(ls__stream_task_new(&task, standby->stream, sub_topology, partition, err));
  task->state = LS_STREAM_STANDBY;
  task->restored_records = 0;
  task->changed = false;
  task->n_to_restore = task->n_stores;
  ls__grow(&standby->tasks, &standby->capacity, standby->n_tasks + 1, sizeof(ls_stream_task *));
  standby->tasks[standby->n_tasks++] = task;
  for (uint32_t k = 0; k < task->n_stores; k++) {
    ls_stream_changelog *log = &task->changelogs[k];
    log->restored = false;
    if (standby->reader != NULL) LS_TRY(ls__kafka_reader_add(standby->reader, log->topic, partition, log->next, err));
  }
  return LS_OK;
}

static bool has_stores(const ls_stream *stream, uint32_t sub_topology) {
  for (uint32_t i = 0; i < stream->n_stores; i++) {
    if (stream->stores[i].sub_topology == sub_topology) return true;
  }
  return false;
}

/** Makes the standbys those that are wanted and that no thread of this process has. */
static int apply_plan(ls_stream_standby *standby, ls_error *err) {
  ls_stream *stream = standby->stream;
  size_t before = standby->n_tasks;
  for (uint32_t sub = 0; sub < stream->plan->n_sub_topologies; sub++) {
    for (int32_t p = 0; p < stream->n_partitions[sub] && has_stores(stream, sub); p++) {
      uint32_t index = ls__stream_task_index(stream, sub, p);
      size_t at = find_task(standby, sub, p);
      bool wanted = standby->wanted[index] && !atomic_load(&stream->owned[index]);
      if (wanted && at == standby->n_tasks) LS_TRY(follow_task(standby, sub, p, err));
      if (wanted || at == standby->n_tasks) continue;
      ls_stream_task *task = standby->tasks[at];
      forget(standby, at);
      int rc = save(task, err);
      ls__stream_task_free(task);
      LS_TRY(rc);
    }
  }
  if (standby->n_tasks != before)
    ls__log(LS_LOG_INFO, "runtime", "standbys", "tasks=%zu before=%zu", standby->n_tasks, before);
  return LS_OK;
}

/* ---- the plan ---- */

typedef struct member_list {
  ls_arena arena;
  ls_standby_member *members;
  size_t n, capacity;
} member_list;

/** "<process>-<thread>-consumer" is the client's name. */
static void add_member(void *payload, const ls_kafka_group_member *member) {
  member_list *list = payload;
  size_t len = strlen(member->client_id);
  char *process = ls__arena_printf(&list->arena, "%s", member->client_id);
  for (int dashes = 2; len > 0 && dashes > 0; len--) dashes -= process[len - 1] == '-';
  process[len] = '\0';
  ls__grow(&list->members, &list->capacity, list->n + 1, sizeof *list->members);
  const char *order = member->instance_id != NULL ? member->instance_id : member->member_id;
  list->members[list->n++] = (ls_standby_member){ls__arena_printf(&list->arena, "%s", order), process};
}

static void compute_plan(ls_stream_standby *standby, member_list *list) {
  ls_stream *stream = standby->stream;
  char me[LS_STREAM_PROCESS_BYTES];
  ls__stream_process_id(me, sizeof me, stream);
  ls__standby_sort(list->members, list->n);
  memset(standby->wanted, 0, stream->n_tasks * sizeof *standby->wanted);
  for (uint32_t sub = 0; sub < stream->plan->n_sub_topologies; sub++) {
    bool *wanted = &standby->wanted[ls__stream_task_index(stream, sub, 0)];
    ls__standby_plan(wanted, stream->n_partitions[sub], list->members, list->n, me, stream->plan->n_standby);
  }
}

/** Asks who is in the group. Without the lock: the answer may take its time. */
static int make_plan(ls_stream_standby *standby, bool *is_stable, ls_error *err) {
  ls_stream *stream = standby->stream;
  if (standby->admin == NULL) LS_TRY(ls__kafka_admin_new(&standby->admin, &stream->cluster, err));
  member_list list = {.members = NULL};
  ls__arena_init(&list.arena, 0);
  int rc =
      ls__kafka_admin_members(standby->admin, stream->plan->kafka.application_id, add_member, &list, is_stable, err);
  if (rc >= 0 && *is_stable) compute_plan(standby, &list);
  ls__free(list.members);
  ls__arena_fini(&list.arena);
  return rc;
}

/* ---- the thread ---- */

/** One turn, with the lock. *n: records applied. */
static int turn(ls_stream_standby *standby, size_t *n, ls_error *err) {
  int64_t now_us = ls__monotonic_us();
  *n = 0;
  if (now_us < standby->retry_us) return LS_OK;
  if (atomic_exchange(&standby->due, false) || now_us - standby->planned_us > REPLAN_US) {
    bool is_stable;
    pthread_mutex_unlock(&standby->lock);
    int rc = make_plan(standby, &is_stable, err);
    pthread_mutex_lock(&standby->lock);
    LS_TRY(rc);
    if (!is_stable) { /* asked again soon */
      atomic_store(&standby->due, true);
      standby->retry_us = now_us + RETRY_US / 10;
    } else {
      standby->planned_us = now_us;
      LS_TRY(apply_plan(standby, err));
    }
  }
  if (standby->n_tasks == 0) return LS_OK;
  LS_TRY(open_reader(standby, err));
  LS_TRY(ls__kafka_reader_poll(standby->reader, 0, POLL_RECORDS, n, err));
  return now_us - standby->saved_us > SAVE_US ? save_all(standby, err) : LS_OK;
}

/** Everything is let go, and begun again later. */
static void give_up(ls_stream_standby *standby, const ls_error *err) {
  ls__log(LS_LOG_WARN, "runtime", "standbys_dropped", "tasks=%zu error=\"%s\"", standby->n_tasks, err->message);
  ls__kafka_reader_free(standby->reader);
  standby->reader = NULL;
  ls__kafka_admin_free(standby->admin);
  standby->admin = NULL;
  while (standby->n_tasks > 0) ls__stream_task_free(standby->tasks[--standby->n_tasks]);
  standby->retry_us = ls__monotonic_us() + RETRY_US;
  atomic_store(&standby->due, true);
}

static void wait_on_lock(ls_stream_standby *standby) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += IDLE_MS * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_cond_timedwait(&standby->wake, &standby->lock, &until);
}

static void *follow(void *payload) {
  ls_stream_standby *standby = payload;
  pthread_mutex_lock(&standby->lock);
  while (!atomic_load(&standby->stop)) {
    ls_error err = LS_ERROR_INIT;
    size_t n;
    if (turn(standby, &n, &err) < 0) give_up(standby, &err);
    if (n == 0 || atomic_load(&standby->n_takers) > 0) wait_on_lock(standby);
  }
  pthread_mutex_unlock(&standby->lock);
  return NULL;
}

/* ---- from the stream's threads ---- */

void ls__stream_standby_lock(ls_stream *stream) {
  ls_stream_standby *standby = stream->standby;
  if (standby == NULL) return;
  atomic_fetch_add(&standby->n_takers, 1);
  pthread_mutex_lock(&standby->lock);
  atomic_fetch_sub(&standby->n_takers, 1);
}

void ls__stream_standby_unlock(ls_stream *stream) {
  ls_stream_standby *standby = stream->standby;
  if (standby == NULL) return;
  pthread_cond_signal(&standby->wake);
  pthread_mutex_unlock(&standby->lock);
}

int ls__stream_standby_take(ls_stream_task **out, ls_stream *stream, uint32_t sub_topology, int32_t partition,
                            ls_error *err) {
  ls_stream_standby *standby = stream->standby;
  *out = NULL;
  if (standby == NULL) return LS_OK;
  size_t at = find_task(standby, sub_topology, partition);
  if (at == standby->n_tasks) return LS_OK;
  ls_stream_task *task = standby->tasks[at];
  forget(standby, at);
  int rc = save(task, err);
  if (rc < 0)
    ls__stream_task_free(task);
  else
    *out = task;
  return rc;
}

void ls__stream_standby_replan(ls_stream *stream) {
  if (stream->standby != NULL) atomic_store(&stream->standby->due, true);
}

int ls__stream_standby_open(ls_stream *stream, ls_error *err) {
  if (stream->plan->n_standby == 0 || stream->n_stores == 0) return LS_OK;
  ls_stream_standby *standby = LS_NEW(ls_stream_standby);
  stream->standby = standby;
  standby->stream = stream;
  standby->wanted = LS_ARENA_ARRAY(&stream->arena, bool, stream->n_tasks + 1);
  standby->planned_us = ls__monotonic_us();
  pthread_mutex_init(&standby->lock, NULL);
  pthread_cond_init(&standby->wake, NULL);
  if (pthread_create(&standby->thread, NULL, follow, standby) != 0)
    return ls_error_set(err, LS_ELIMIT, "a thread for the standby replicas can't be started");
  standby->started = true;
  return LS_OK;
}

void ls__stream_standby_close(ls_stream *stream) {
  ls_stream_standby *standby = stream->standby;
  if (standby == NULL) return;
  atomic_store(&standby->stop, true);
  if (standby->started) pthread_join(standby->thread, NULL);
  ls_error err = LS_ERROR_INIT;
  if (save_all(standby, &err) < 0) ls__log(LS_LOG_WARN, "runtime", "standbys_not_saved", "error=\"%s\"", err.message);
  ls__kafka_reader_free(standby->reader);
  ls__kafka_admin_free(standby->admin);
  while (standby->n_tasks > 0) ls__stream_task_free(standby->tasks[--standby->n_tasks]);
  pthread_mutex_destroy(&standby->lock);
  pthread_cond_destroy(&standby->wake);
  ls__free(standby->tasks);
  ls__free(standby);
  stream->standby = NULL;
}
