/**
 * @file stream.c
 * Live running from start to stop: what is checked before any record is read (topics, equal numbers of partitions), what is
 * made (changelogs, repartition topics), what is shared by the threads, and the threads.
 */
#include "runtime/stream.h"

#include "base/log.h"
#include "base/thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define START_PATIENCE_US ((int64_t)60000000)

/* ---- topics ---- */

static uint32_t add_topic(ls_stream *stream, const char *name) {
  for (uint32_t i = stream->plan->n_sources; i < stream->n_topics; i++) {
    if (strcmp(stream->topics[i], name) == 0) return i;
  }
  stream->topics[stream->n_topics] = name;
  return stream->n_topics++;
}

static void add_store(ls_stream *stream, const ls_plan_node *node, const ls_plan_store *store) {
  if (store->name == NULL) return;
  stream->stores[stream->n_stores++] = (struct ls_stream_store){store->name, add_topic(stream, store->changelog),
                                                                node->sub_topology, store->fingerprint};
}

static int name_sink_topics(ls_stream *stream, uint32_t i, ls_error *err) {
  const ls_plan_sink *sink = &stream->plan->sinks[i];
  if (stream->run->opts.mode == LS_MODE_PARITY) { /* nothing is written: what has no topic is told at the end */
    if (sink->live_kafka != NULL) stream->sink_topic[i] = add_topic(stream, sink->live_kafka);
    return LS_OK;
  }
  if (sink->live_kafka == NULL && sink->lake_topic == NULL) {
    return ls_error_set(
        err, LS_ECONFIG,
        "sink %s has no live binding, its rows would be lost: give it `live: { kafka: TOPIC }`, or its lake `roll: {}`",
        sink->name);
  }
  bool lake = ls__stream_is_lake(stream, sink);
  if (sink->live_kafka == NULL && !lake)
    return ls_error_set(err, LS_ECONFIG, "sink %s writes to a lake: say which one (--lake ROOT)", sink->name);
  if (sink->lake_topic != NULL && !lake)
    ls__log(LS_LOG_WARN, "runtime", "lake_left_out", "sink=%s reason=\"the run was given no lake\"", sink->name);
  if (sink->live_kafka != NULL) stream->sink_topic[i] = add_topic(stream, sink->live_kafka);
  if (lake) stream->lake_topic[i] = add_topic(stream, sink->lake_topic);
  stream->writes_lake = stream->writes_lake || lake;
  return LS_OK;
}

/** The one list of all topics. */
static int name_topics(ls_stream *stream, ls_error *err) {
  const ls_plan *plan = stream->plan;
  size_t n_max = (size_t)plan->n_sources * 2 + plan->n_globals + (size_t)plan->n_sinks * 2 + (size_t)plan->n_nodes * 2;
  stream->topics = LS_ARENA_ARRAY(&stream->arena, const char *, n_max + 1);
  stream->from_latest = LS_ARENA_ARRAY(&stream->arena, bool, plan->n_sources + 1);
  stream->sink_topic = LS_ARENA_ARRAY(&stream->arena, uint32_t, plan->n_sinks + 1);
  stream->lake_topic = LS_ARENA_ARRAY(&stream->arena, uint32_t, plan->n_sinks + 1);
  stream->letter_topic = LS_ARENA_ARRAY(&stream->arena, uint32_t, plan->n_sources + 1);
  stream->stores = LS_ARENA_ARRAY(&stream->arena, struct ls_stream_store, (size_t)plan->n_nodes * 2 + 1);
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    const ls_plan_source *source = &plan->sources[i];
    const char *topic = source->repartition ? source->repartition_topic : source->live_kafka;
    if (topic == NULL)
      return ls_error_set(err, LS_ECONFIG, "source %s has no live binding: give it `live: { kafka: TOPIC }`",
                          source->name);
    stream->from_latest[i] = source->live_from_latest;
    stream->topics[stream->n_topics++] = topic;
  }
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    const ls_plan_sink *sink = &plan->sinks[i];
    if (sink->live_kafka == NULL && sink->path_pattern == NULL) continue; /* its rows are only counted */
    LS_TRY(name_sink_topics(stream, i, err));
  }
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    bool has_letters = !plan->sources[i].repartition; /* the letters of others go to the source's that is upstream */
    stream->letter_topic[i] = has_letters ? add_topic(stream, plan->sources[i].dead_letter_topic) : UINT32_MAX;
  }
  for (uint32_t i = 0; i < plan->n_globals; i++) {
    if (plan->globals[i].live_kafka == NULL)
      return ls_error_set(err, LS_ECONFIG, "table %s has no live binding: give it `live: { kafka: TOPIC }`",
                          plan->globals[i].name);
  }
  for (uint32_t i = 0; i < plan->n_nodes; i++) {
    add_store(stream, &plan->nodes[i], &plan->nodes[i].store);
    add_store(stream, &plan->nodes[i], &plan->nodes[i].store2);
  }
  return LS_OK;
}

const struct ls_stream_store *ls__stream_find_store(const ls_stream *stream, const char *store) {
  uint32_t i = 0;
  while (strcmp(stream->stores[i].name, store) != 0) i++; /* nodes open the stores of the plan */
  return &stream->stores[i];
}

/** Partitions of a sub-topology: those of its source topics, which must be equal. Only repartitioned: the most of its origins. */
static int count_partitions(ls_stream *stream, ls_kafka_admin *admin, ls_error *err) {
  const ls_plan *plan = stream->plan;
  stream->n_partitions = LS_ARENA_ARRAY(&stream->arena, int32_t, plan->n_sub_topologies + 1);
  const char **first = LS_ARENA_ARRAY(&stream->arena, const char *, plan->n_sub_topologies + 1);
  int32_t most = 1;
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    const ls_plan_source *source = &plan->sources[i];
    if (source->repartition) continue;
    int32_t n;
    LS_TRY(ls__kafka_admin_partitions(admin, source->live_kafka, &n, err));
    if (n == 0)
      return ls_error_set(err, LS_ENOINPUT, "source %s: there is no topic %s", source->name, source->live_kafka);
    int32_t *of = &stream->n_partitions[source->sub_topology];
    if (*of != 0 && *of != n) {
      return ls_error_set(
          err, LS_ECONFIG,
          "topics %s (%d partitions) and %s (%d) are joined: they must have equal numbers of partitions",
          first[source->sub_topology], *of, source->live_kafka, n);
    }
    *of = n;
    first[source->sub_topology] = source->live_kafka;
    if (n > most) most = n;
  }
  for (uint32_t i = 0; i < plan->n_sub_topologies; i++) {
    if (stream->n_partitions[i] == 0) stream->n_partitions[i] = most;
    stream->n_tasks += (uint32_t)stream->n_partitions[i];
  }
  return LS_OK;
}

static const ls_kafka_property compacted[] = {{"cleanup.policy", "compact"}};
/* Deletions stay for twice as long as a state directory is used without having seen them (LS_STREAM_STATE_AGE_US). */
static const ls_kafka_property changelog[] = {{"cleanup.policy", "compact"}, {"delete.retention.ms", "86400000"}};
/* Old event times are data: nothing is deleted by time. */
static const ls_kafka_property kept[] = {
    {"cleanup.policy", "delete"}, {"retention.ms", "-1"}, {"retention.bytes", "-1"}};

/** A sink's topic that is not there: made only where the file says so. */
static int specify_sink(const ls_stream *stream, uint32_t topic, ls_kafka_topic_spec *spec, ls_error *err) {
  for (uint32_t i = 0; i < stream->plan->n_sinks; i++) {
    const ls_plan_sink *sink = &stream->plan->sinks[i];
    if (sink->live_kafka == NULL || stream->sink_topic[i] != topic) continue;
    if (sink->create_partitions == 0) {
      return ls_error_set(err, LS_ENOINPUT,
                          "sink %s: there is no topic %s; make it, or give `create: { partitions: N }`", sink->name,
                          spec->name);
    }
    spec->n_partitions = sink->create_partitions;
    if (!sink->live_compacted) continue;
    spec->config = compacted;
    spec->n_config = 1;
  }
  return LS_OK;
}

/** Changelogs, repartition topics; and the topics of dead letters, and of sinks that say so, when nobody has made them. */
static int create_topics(ls_stream *stream, ls_kafka_admin *admin, ls_error *err) {
  const ls_plan *plan = stream->plan;
  ls_kafka_topic_spec *specs = LS_ARENA_ARRAY(&stream->arena, ls_kafka_topic_spec, stream->n_topics + 1);
  int16_t replication = plan->kafka.replication > 0 ? (int16_t)plan->kafka.replication : -1;
  size_t n = 0;
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (!plan->sources[i].repartition) continue;
    specs[n++] = (ls_kafka_topic_spec){stream->topics[i], stream->n_partitions[plan->sources[i].sub_topology],
                                       replication, kept, 3};
  }
  for (uint32_t i = 0; i < stream->n_stores; i++) {
    const struct ls_stream_store *store = &stream->stores[i];
    specs[n++] = (ls_kafka_topic_spec){stream->topics[store->topic], stream->n_partitions[store->sub_topology],
                                       replication, changelog, 2};
  }
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    if (!ls__stream_is_lake(stream, &plan->sinks[i])) continue;
    int32_t n_partitions = stream->n_partitions[plan->nodes[plan->sinks[i].node].sub_topology];
    specs[n++] = (ls_kafka_topic_spec){plan->sinks[i].lake_topic, n_partitions, replication, kept, 3};
  }
  LS_TRY(ls__kafka_admin_create(admin, specs, n, err));
  for (uint32_t i = plan->n_sources; i < stream->n_topics; i++) { /* others': as they are, when they are there */
    int32_t n_partitions;
    LS_TRY(ls__kafka_admin_partitions(admin, stream->topics[i], &n_partitions, err));
    if (n_partitions > 0) continue;
    ls_kafka_topic_spec spec = {stream->topics[i], 1, replication, kept, 3};
    LS_TRY(specify_sink(stream, i, &spec, err));
    LS_TRY(ls__kafka_admin_create(admin, &spec, 1, err));
    ls__log(LS_LOG_INFO, "runtime", "topic_created", "topic=%s partitions=%d", spec.name, spec.n_partitions);
  }
  return LS_OK;
}

static int prepare_topics(ls_stream *stream, ls_error *err) {
  stream->n_tasks = 0;
  ls_kafka_admin *admin;
  LS_TRY(ls__kafka_admin_new(&admin, &stream->cluster, err));
  int rc = count_partitions(stream, admin, err);
  if (rc >= 0) rc = create_topics(stream, admin, err);
  ls__kafka_admin_free(admin);
  return rc;
}

/* ---- cluster, memory, state ---- */

#define PROPERTY_BYTES_MAX 65536

static int read_property_file(ls_stream *stream, const char **out, const char *what, const ls_plan_property *property,
                              ls_error *err) {
  FILE *file = fopen(property->value, "re");
  if (file == NULL)
    return ls_error_set(err, LS_ECONFIG, "%s %s: the file %s can't be read: %s", what, property->name, property->value,
                        strerror(errno));
  char *text = LS_ARENA_ARRAY(&stream->arena, char, PROPERTY_BYTES_MAX + 1);
  size_t len = fread(text, 1, PROPERTY_BYTES_MAX, file);
  bool whole = feof(file) != 0;
  fclose(file);
  if (!whole)
    return ls_error_set(err, LS_ECONFIG, "%s %s: the file %s has more than %d bytes", what, property->name,
                        property->value, PROPERTY_BYTES_MAX);
  while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) len--;
  text[len] = 0;
  *out = text;
  return LS_OK;
}

int ls__stream_resolve(ls_stream *stream, const char **out, const char *what, const ls_plan_property *property,
                       ls_error *err) {
  *out = property->value;
  if (property->kind == LS_PROPERTY_FILE) return read_property_file(stream, out, what, property, err);
  if (property->kind == LS_PROPERTY_LITERAL) return LS_OK;
  *out = getenv(property->value);
  if (*out == NULL) *out = property->fallback;
  if (*out == NULL)
    return ls_error_set(err, LS_ECONFIG, "%s %s: the environment has no %s", what, property->name, property->value);
  return LS_OK;
}

/** An error of a property, with its place. */
static int at_property(const ls_stream *stream, const ls_plan_property *property, int rc, ls_error *err) {
  ls_error why = *err;
  if (rc >= 0 || property->line == 0) return rc;
  return ls_error_set(err, rc, "%s:%u:%u: error: %s", stream->plan->file, property->line, property->column,
                      why.message);
}

/** Values from the environment and from files are read now, and shown nowhere. */
int ls__stream_resolve_properties(ls_stream *stream, ls_error *err) {
  const ls_plan_kafka *kafka = &stream->plan->kafka;
  ls_kafka_property *properties = LS_ARENA_ARRAY(&stream->arena, ls_kafka_property, kafka->n_properties + 1);
  for (uint32_t i = 0; i < kafka->n_properties; i++) {
    properties[i].name = kafka->properties[i].name;
    int rc = ls__stream_resolve(stream, &properties[i].value, "kafka property", &kafka->properties[i], err);
    LS_TRY(at_property(stream, &kafka->properties[i], rc, err));
  }
  stream->cluster = (ls_kafka_cluster){properties, kafka->n_properties, kafka->application_id};
  size_t at;
  int rc = ls__kafka_check_properties(&stream->cluster, &at, err);
  return at < kafka->n_properties ? at_property(stream, &kafka->properties[at], rc, err) : rc;
}

/** Half of the budget is for stores (with lake sinks, three eighths, and an eighth for their files), a quarter for what clients
 *  hold, an eighth for lanes; the rest for slices and code. */
static void share_memory(ls_stream *stream) {
  size_t memory = (size_t)stream->plan->memory_bytes, n_threads = stream->run->n_workers;
  for (uint32_t i = 0; i < stream->plan->n_sources; i++)
    stream->n_lanes += (uint32_t)stream->n_partitions[stream->plan->sources[i].sub_topology];
  stream->owned = LS_ARENA_ARRAY(&stream->arena, atomic_bool, stream->n_tasks + 1);
  size_t n_lakes = 0;
  for (uint32_t i = 0; i < stream->plan->n_sinks; i++) {
    const ls_plan_sink *sink = &stream->plan->sinks[i];
    if (ls__stream_is_lake(stream, sink))
      n_lakes += (size_t)stream->n_partitions[stream->plan->nodes[sink->node].sub_topology];
  }
  if (n_lakes > 0) stream->lake_bytes = memory / 8 / n_lakes;
  stream->store_bytes = (n_lakes > 0 ? memory / 8 * 3 : memory / 2) / stream->n_tasks;
  stream->queue_bytes = memory / 4 / (n_threads * 2 + (stream->plan->n_standby > 0 ? 1 : 0));
  stream->lane_bytes = memory / 8 / stream->n_lanes;
  if (stream->lane_bytes > (size_t)1 << 20) stream->lane_bytes = (size_t)1 << 20;
}

static int open_state(ls_stream *stream, ls_error *err) {
  const ls_plan *plan = stream->plan;
  bool rocksdb = false;
  for (uint32_t i = 0; i < plan->n_nodes; i++)
    rocksdb = rocksdb || (plan->nodes[i].store.name != NULL && plan->nodes[i].store.backend == LS_STORE_ROCKSDB);
  if (!rocksdb) return LS_OK;
  const char *base = stream->run->opts.state_directory;
  if (base == NULL) base = plan->state_directory;
  if (base == NULL)
    return ls_error_set(err, LS_ECONFIG,
                        "state on RocksDB needs a directory that stays: give runtime.state.directory, or --state-dir");
  if (mkdir(base, 0700) != 0 && access(base, W_OK) != 0)
    return ls_error_set(err, LS_EIO, "%s: can't be made or written", base);
  const char *directory = ls__arena_printf(&stream->arena, "%s/%s", base, plan->kafka.application_id);
  size_t share = (size_t)plan->memory_bytes / 16;
  ls_store_db_opts opts = {.block_cache_bytes = share, .write_buffer_bytes = share};
  return ls__store_db_open(&stream->db, directory, &opts, err);
}

void ls__stream_process_id(char *out, size_t n_bytes, const ls_stream *stream) {
  const ls_plan_kafka *kafka = &stream->plan->kafka;
  if (kafka->instance_id != NULL) {
    snprintf(out, n_bytes, "%s-%s", kafka->application_id, kafka->instance_id);
    return;
  }
  char host[33] = "host";
  (void)gethostname(host, sizeof host - 1);
  snprintf(out, n_bytes, "%s-%s-%ld", kafka->application_id, host, (long)getpid());
}

void ls__stream_thread_id(char *out, size_t n_bytes, const ls_stream *stream, int worker) {
  char process[LS_STREAM_PROCESS_BYTES];
  ls__stream_process_id(process, sizeof process, stream);
  snprintf(out, n_bytes, "%s-%d", process, worker);
}

void ls__stream_thread_done(ls_stream *stream, const ls_stream_thread *thread) {
  ls_live_counts *counts = &stream->run->live;
  pthread_mutex_lock(&stream->lock);
  counts->commits += thread->n_commits;
  counts->aborts += thread->n_aborts;
  counts->rejoins += thread->n_restarts;
  pthread_mutex_unlock(&stream->lock);
}

/* ---- start and stop ---- */

/** A cluster that can't be reached at the start may be starting itself: it is waited for, for a while. */
static int with_patience(ls_stream *stream, int (*fn)(ls_stream *stream, ls_error *err), ls_error *err) {
  int64_t until_us = ls__monotonic_us() + START_PATIENCE_US;
  for (;;) {
    int rc = fn(stream, err);
    if (rc != LS_ERETRY || ls__monotonic_us() > until_us) return rc;
    ls__log(LS_LOG_WARN, "runtime", "waits_for_cluster", "error=\"%s\"", err->message);
    LS_TRY(ls__run_check_stop(stream->run, err));
    nanosleep(&(struct timespec){1, 0}, NULL);
  }
}

void ls__stream_init(ls_stream *stream, ls_runtime *run) {
  *stream = (ls_stream){.run = run, .plan = run->plan};
  ls__arena_init(&stream->arena, 0);
  pthread_rwlock_init(&stream->globals_lock, NULL);
  pthread_mutex_init(&stream->lock, NULL);
}

void ls__stream_fini(ls_stream *stream) {
  ls__stream_globals_close(stream);
  ls__schema_registry_free(stream->registry);
  ls__free(stream->parked);
  pthread_rwlock_destroy(&stream->globals_lock);
  pthread_mutex_destroy(&stream->lock);
  ls__arena_fini(&stream->arena);
}

static int count_topics(ls_stream *stream, ls_error *err) {
  ls_kafka_admin *admin;
  stream->n_tasks = 0;
  LS_TRY(ls__kafka_admin_new(&admin, &stream->cluster, err));
  int rc = count_partitions(stream, admin, err);
  ls__kafka_admin_free(admin);
  return rc;
}

int ls__stream_look(ls_stream *stream, ls_error *err) {
  LS_TRY(ls__topology_set_live(stream->run->topology, true, err));
  LS_TRY(ls__stream_resolve_properties(stream, err));
  LS_TRY(name_topics(stream, err));
  return count_topics(stream, err);
}

static int open_globals(ls_stream *stream, ls_error *err) {
  ls__stream_globals_close(stream);
  return ls__stream_globals_open(stream, err);
}

static int run_threads(ls_stream *stream, ls_error *err) {
  LS_TRY(ls__topology_set_live(stream->run->topology, true, err));
  LS_TRY(ls__stream_resolve_properties(stream, err));
  LS_TRY(name_topics(stream, err));
  LS_TRY(with_patience(stream, prepare_topics, err));
  share_memory(stream);
  LS_TRY(open_state(stream, err));
  stream->run->db = stream->db;
  LS_TRY(ls__run_preflight(stream->run, err));
  if (stream->run->opts.dry_run) return LS_OK;
  LS_TRY(with_patience(stream, ls__stream_registry_prepare, err));
  LS_TRY(ls__stream_lakes_open(stream, err));
  LS_TRY(with_patience(stream, open_globals, err));
  LS_TRY(ls__stream_standby_open(stream, err));
  LS_TRY(ls__workers_run((int)stream->run->n_workers, ls__stream_thread_run, stream, err));
  stream->run->status = "stopped";
  return LS_OK;
}

int ls__stream_run(ls_runtime *run, ls_error *err) {
  ls_stream stream;
  ls__stream_init(&stream, run);
  int rc = run_threads(&stream, err);
  if (rc == LS_ESTOPPED) { /* before it had begun */
    run->status = "stopped";
    rc = LS_OK;
  }
  ls__stream_standby_close(&stream);
  ls__stream_free_parked(&stream, true);
  ls__stream_globals_close(&stream);
  if (stream.db != NULL) ls__store_db_close(stream.db);
  run->db = NULL;
  run->live.records = atomic_load(&stream.n_records);
  run->live.bad_records = atomic_load(&stream.n_bad);
  run->live.restored = atomic_load(&stream.n_restored);
  run->live.standby = atomic_load(&stream.n_standby);
  run->live.lake_files = atomic_load(&stream.n_lake_files);
  run->live.lake_rows = atomic_load(&stream.n_lake_rows);
  ls__stream_fini(&stream);
  return rc;
}
