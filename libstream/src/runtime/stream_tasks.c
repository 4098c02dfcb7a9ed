/** @file stream_tasks.c  Tasks of a live run: built, parked when their partitions go, taken again by whichever thread gets them. */
#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/thread.h"
#include "runtime/stream.h"

#include <stdio.h>
#include <stdlib.h>

#define PARKED_US ((int64_t)10000000) /* how long a task stays open after its partitions went */

/** ls_task_opts.origin_of: rows of the slice that is being processed. */
static bool origin_of(void *payload, uint64_t seq, uint32_t *source, ls_dead_letter *letter) {
  const ls_stream_task *task = payload;
  uint64_t at = (seq & ~LS_SEQ_RECORD) - task->slice_seq - 1;
  if (at >= (uint64_t)task->n_slice) return false; /* a timer's row: its record went by before */
  *source = task->slice_source[at];
  const ls_lane *lane = task->lanes[*source];
  letter->topic = task->stream->topics[*source];
  letter->partition = task->partition;
  letter->offset = lane->block.records[lane->record_of_row[task->slice_row[at]]].offset;
  return true;
}

static int open_lanes(ls_stream_task *task, ls_error *err) {
  const ls_plan *plan = task->stream->plan;
  task->lanes = ls__calloc(plan->n_sources + 1, sizeof *task->lanes);
  task->batches = ls__calloc(plan->n_sources + 1, sizeof *task->batches);
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (plan->sources[i].sub_topology != task->sub_topology) continue;
    LS_TRY(
        ls__lane_new(&task->lanes[i], plan, i, task->partition, task->stream->lane_bytes, task->stream->registry, err));
  }
  return LS_OK;
}

static void open_ports(ls_stream_task *task) {
  const ls_stream *stream = task->stream;
  const ls_plan *plan = stream->plan;
  task->sinks = ls__calloc(plan->n_sinks + 1, sizeof *task->sinks);
  task->sink_ports = ls__calloc(plan->n_sinks + 1, sizeof *task->sink_ports);
  task->tees = ls__calloc(plan->n_sinks + 1, sizeof *task->tees);
  task->repartitions = ls__calloc(plan->n_sources + 1, sizeof *task->repartitions);
  task->repartition_ports = ls__calloc(plan->n_sources + 1, sizeof *task->repartition_ports);
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    bool lake = task->lakes[i] != NULL;
    if (plan->sinks[i].live_kafka == NULL && lake) task->sink_ports[i] = ls__lake_live_port(task->lakes[i]);
    if (plan->sinks[i].live_kafka == NULL || plan->nodes[plan->sinks[i].node].sub_topology != task->sub_topology)
      continue;
    ls__kafka_sink_new(&task->sinks[i], plan->sinks[i].schema, stream->sink_topic[i], false);
    ls__kafka_sink_set_protobuf(task->sinks[i], plan->sinks[i].protobuf);
    if (plan->sinks[i].live_registry) ls__kafka_sink_set_head(task->sinks[i], stream->sink_head[i]);
    task->sink_ports[i] = ls__kafka_sink_port(task->sinks[i]);
    task->sink_ports[i]->takes_deletes = plan->sinks[i].live_compacted;
    if (!lake) continue;
    ls__sink_tee_new(&task->tees[i], task->sink_ports[i], ls__lake_live_port(task->lakes[i]));
    task->sink_ports[i] = ls__sink_tee_port(task->tees[i]);
  }
  for (uint32_t i = 0; i < plan->n_nodes; i++) {
    const ls_plan_node *node = &plan->nodes[i];
    if (node->verb != LS_VERB_REPARTITION || node->sub_topology != task->sub_topology) continue;
    uint32_t source = node->u.repartition.repartition_source;
    ls__kafka_sink_new(&task->repartitions[source], plan->sources[source].schema, source, true);
    task->repartition_ports[source] = ls__kafka_sink_port(task->repartitions[source]);
  }
  ls_kafka_letters_opts opts = {
      .topics = stream->letter_topic, .n_bad = &task->stream->n_bad, .records_max = plan->max_bad_records};
  ls__kafka_letters_new(&task->letters, &opts);
}

/** The logs of lake sinks are read from their beginning: what is done is deleted from them. */
static void add_lake_logs(ls_stream_task *task) {
  for (uint32_t i = 0; i < task->stream->plan->n_sinks; i++) {
    if (task->lakes[i] == NULL) continue;
    task->changelogs[task->n_changelogs++] =
        (ls_stream_changelog){.topic = task->stream->lake_topic[i], .sent = -1, .lake = task->lakes[i]};
  }
}

/** What the directory holds is forgotten when it is too old; text is the position, each line after a line feed. */
static int forget_old(ls_stream_task *task, const char *text, ls_error *err) {
  bool holds = false;
  for (uint32_t i = 0; i < task->n_stores; i++) holds = holds || task->changelogs[i].next > 0;
  const char *at = strstr(text, "\n@ ");
  int64_t age_us = ls__wall_us() - (at != NULL ? strtoll(at + 3, NULL, 10) : 0);
  if (!holds || (age_us < LS_STREAM_STATE_AGE_US && age_us > -LS_STREAM_STATE_AGE_US)) return LS_OK;
  ls__log(LS_LOG_WARN, "runtime", "state_forgotten", "task=%s reason=too_old", task->name);
  for (uint32_t i = 0; i < task->n_stores; i++) {
    task->changelogs[i].next = 0;
    task->changelogs[i].identified = false;
  }
  return ls__store_set_wipe(task->stores, err);
}

/** Where each store is in its changelog: from the position of its last commit. Memory stores begin anew. */
static int open_changelogs(ls_stream_task *task, ls_error *err) {
  task->n_stores = task->n_changelogs = ls__store_set_n_stores(task->stores);
  task->changelogs = ls__calloc((size_t)task->n_stores + task->stream->plan->n_sinks + 1, sizeof *task->changelogs);
  ls_slice position;
  LS_TRY(ls__store_set_position(&position, task->stores, err));
  ls_buf text = LS_BUF_INIT, line = LS_BUF_INIT;
  ls__buf_putc(&text, '\n');
  ls__buf_append(&text, position.ptr, position.len);
  ls__buf_putc(&text, 0);
  for (uint32_t i = 0; i < task->n_changelogs; i++) {
    const char *name = ls__store_set_store_name(task->stores, i);
    ls_stream_changelog *log = &task->changelogs[i];
    const struct ls_stream_store *store = ls__stream_find_store(task->stream, name);
    log->topic = store->topic;
    log->fingerprint = store->fingerprint;
    log->sent = -1;
    ls__buf_clear(&line);
    ls__buf_printf(&line, "\n%s ", name);
    const char *at = strstr(text.ptr, line.ptr);
    if (at != NULL && ls__store_set_store_backend(task->stores, i) == LS_STORE_ROCKSDB)
      log->next = strtoll(at + line.len, NULL, 10);
    log->identified = log->next > 0; /* the database knows what the store holds */
  }
  int rc = forget_old(task, text.ptr, err);
  add_lake_logs(task);
  ls__buf_fini(&text);
  ls__buf_fini(&line);
  return rc;
}

static int open_task(ls_stream_task *task, ls_error *err) {
  ls_stream *stream = task->stream;
  LS_TRY(ls__store_set_new_logged(&task->stores, stream->db, task->name, stream->store_bytes, err));
  LS_TRY(open_lanes(task, err));
  LS_TRY(ls__stream_lakes_new(task, err));
  open_ports(task);
  ls_task_opts opts = {.plan = stream->plan,
                       .sub_topology = task->sub_topology,
                       .stores = task->stores,
                       .globals = stream->run->globals,
                       .sinks = task->sink_ports,
                       .repartition_ports = task->repartition_ports,
                       .dead_letters = ls__kafka_letters_port(task->letters),
                       .origin_of = origin_of,
                       .origin_payload = task};
  LS_TRY(ls__task_new(&task->task, &opts, err));
  return open_changelogs(task, err);
}

uint32_t ls__stream_task_index(const ls_stream *stream, uint32_t sub_topology, int32_t partition) {
  uint32_t index = (uint32_t)partition;
  for (uint32_t i = 0; i < sub_topology; i++) index += (uint32_t)stream->n_partitions[i];
  return index;
}

int ls__stream_task_new(ls_stream_task **out, ls_stream *stream, uint32_t sub_topology, int32_t partition,
                        ls_error *err) {
  ls_stream_task *task = LS_NEW(ls_stream_task);
  task->stream = stream;
  task->sub_topology = sub_topology;
  task->partition = partition;
  snprintf(task->name, sizeof task->name, "%u_%d", sub_topology, partition);
  int rc = open_task(task, err);
  if (rc < 0)
    ls__stream_task_free(task);
  else
    *out = task;
  return rc;
}

static void set_owned(ls_stream_task *task, bool owned) {
  atomic_store(&task->stream->owned[ls__stream_task_index(task->stream, task->sub_topology, task->partition)], owned);
}

static void add_counters(ls_stream_task *task) {
  ls_stream *stream = task->stream;
  pthread_mutex_lock(&stream->lock);
  for (uint32_t i = 0; i < stream->plan->n_nodes; i++) {
    if (stream->plan->nodes[i].sub_topology == task->sub_topology)
      ls__run_add_counters(stream->run, i, ls__task_counters(task->task, i));
  }
  pthread_mutex_unlock(&stream->lock);
}

void ls__stream_task_free(ls_stream_task *task) {
  if (task == NULL) return;
  const ls_plan *plan = task->stream->plan;
  if (task->task != NULL) add_counters(task);
  ls__task_free(task->task);
  for (uint32_t i = 0; task->lanes != NULL && i < plan->n_sources; i++) ls__lane_free(task->lanes[i]);
  for (uint32_t i = 0; task->sinks != NULL && i < plan->n_sinks; i++) ls__kafka_sink_free(task->sinks[i]);
  for (uint32_t i = 0; task->repartitions != NULL && i < plan->n_sources; i++)
    ls__kafka_sink_free(task->repartitions[i]);
  for (uint32_t i = 0; task->tees != NULL && i < plan->n_sinks; i++) ls__sink_tee_free(task->tees[i]);
  ls__stream_lakes_free(task);
  ls__kafka_letters_free(task->letters);
  ls__store_set_free(task->stores);
  ls__free(task->lanes);
  ls__free(task->batches);
  ls__free(task->sinks);
  ls__free(task->sink_ports);
  ls__free(task->tees);
  ls__free(task->repartitions);
  ls__free(task->repartition_ports);
  ls__free(task->changelogs);
  if (task->thread != NULL) set_owned(task, false);
  ls__free(task);
}

/* ---- parked tasks ---- */

ls_stream_task *ls__stream_task_unpark(ls_stream *stream, uint32_t sub_topology, int32_t partition) {
  ls_stream_task *found = NULL;
  pthread_mutex_lock(&stream->lock);
  for (size_t i = 0; i < stream->n_parked && found == NULL; i++) {
    if (stream->parked[i]->sub_topology != sub_topology || stream->parked[i]->partition != partition) continue;
    found = stream->parked[i];
    stream->parked[i] = stream->parked[--stream->n_parked];
  }
  pthread_mutex_unlock(&stream->lock);
  return found;
}

void ls__stream_task_park(ls_stream_task *task) {
  ls_stream *stream = task->stream;
  task->state = LS_STREAM_PARKED;
  task->thread = NULL;
  task->reading = false;
  task->parked_us = ls__monotonic_us();
  pthread_mutex_lock(&stream->lock);
  ls__grow(&stream->parked, &stream->parked_capacity, stream->n_parked + 1, sizeof(ls_stream_task *));
  stream->parked[stream->n_parked++] = task;
  pthread_mutex_unlock(&stream->lock);
  set_owned(task, false);
}

void ls__stream_free_parked(ls_stream *stream, bool all) {
  int64_t now_us = ls__monotonic_us();
  for (;;) {
    ls_stream_task *old = NULL;
    pthread_mutex_lock(&stream->lock);
    for (size_t i = 0; i < stream->n_parked && old == NULL; i++) {
      if (!all && now_us - stream->parked[i]->parked_us < PARKED_US) continue;
      old = stream->parked[i];
      stream->parked[i] = stream->parked[--stream->n_parked];
    }
    pthread_mutex_unlock(&stream->lock);
    if (old == NULL) return;
    ls__stream_task_free(old);
  }
}

/* ---- coming to a thread ---- */

static void bind_ports(ls_stream_task *task, ls_kafka_producer *producer) {
  const ls_plan *plan = task->stream->plan;
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    if (task->sinks[i] != NULL) ls__kafka_sink_bind(task->sinks[i], producer);
  }
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (task->repartitions[i] != NULL) ls__kafka_sink_bind(task->repartitions[i], producer);
  }
  for (uint32_t i = task->n_stores; i < task->n_changelogs; i++)
    ls__lake_live_bind(task->changelogs[i].lake, producer, &task->changelogs[i].sent);
  ls__kafka_letters_bind(task->letters, producer);
}

uint32_t ls__stream_store_hash(const ls_stream_task *task, uint32_t store) {
  const char *name = ls__store_set_store_name(task->stores, store);
  return (uint32_t)(ls__hash64(ls__slice_of(name)) >> 32);
}

/** How far the changelogs went when offsets were committed: text is " hash:offset hash:offset". */
static void read_known(ls_stream_task *task, const char *text) {
  unsigned hash;
  long long next;
  for (int len = 0; sscanf(text, " %8x:%lld%n", &hash, &next, &len) == 2; text += len) {
    for (uint32_t i = 0; i < task->n_stores; i++) {
      ls_stream_changelog *log = &task->changelogs[i];
      if (ls__stream_store_hash(task, i) == hash && next > log->known) log->known = next;
    }
  }
}

/** Committed offsets and, with them, operator time. */
static int read_committed(ls_stream_task *task, ls_error *err) {
  ls_buf metadata = LS_BUF_INIT;
  int rc = LS_OK;
  task->stream_time_us = INT64_MIN;
  task->seq = 0;
  task->is_known = false;
  for (uint32_t i = 0; i < task->n_changelogs; i++) task->changelogs[i].known = 0;
  for (uint32_t i = 0; i < task->stream->plan->n_sources && rc >= 0; i++) {
    if (task->lanes[i] == NULL) continue;
    int64_t offset = -1;
    ls__buf_clear(&metadata);
    rc = ls__kafka_consumer_committed(task->thread->consumer, i, task->partition, &offset, &metadata, err);
    ls__lane_reset(task->lanes[i], offset);
    if (offset >= 0) task->is_known = true;
    task->lanes[i]->last_data_us = ls__monotonic_us();
    ls__buf_putc(&metadata, 0);
    long long time_us;
    unsigned long long seq;
    int len = 0;
    if (sscanf(metadata.ptr, "ls1 %lld %llu%n", &time_us, &seq, &len) != 2) continue;
    read_known(task, metadata.ptr + len);
    if (time_us > task->stream_time_us) task->stream_time_us = time_us;
    if (seq > task->seq) task->seq = seq;
  }
  ls__buf_fini(&metadata);
  return rc;
}

int ls__stream_task_prepare(ls_stream_task *task, ls_error *err) {
  task->state = LS_STREAM_RESTORING;
  task->changed = task->lake_sent = false;
  LS_TRY(read_committed(task, err));
  return ls__stream_restore_begin(task, err);
}

int ls__stream_task_take(ls_stream_task **out, ls_stream_thread *thread, uint32_t sub_topology, int32_t partition,
                         ls_error *err) {
  ls_stream *stream = thread->stream;
  ls__stream_standby_lock(stream);
  int rc = LS_OK;
  ls_stream_task *task = ls__stream_task_unpark(stream, sub_topology, partition);
  if (task == NULL) rc = ls__stream_standby_take(&task, stream, sub_topology, partition, err);
  if (task == NULL && rc >= 0) rc = ls__stream_task_new(&task, stream, sub_topology, partition, err);
  if (rc >= 0) set_owned(task, true);
  ls__stream_standby_unlock(stream);
  LS_TRY(rc);
  task->thread = thread;
  bind_ports(task, thread->producer);
  *out = task;
  return LS_OK;
}
