/** @file parity.c  THE order of a parity check: look, outputs, record, replay, compare. See parity.h. */
#include "runtime/parity.h"

#include "base/alloc.h"
#include "base/thread.h"
#include "runtime/replay.h"

#include <stdio.h>
#include <sys/mman.h>

#define DIFFERENCES_DEFAULT 20
#define PARTITIONS_MAX      256
#define STALLED_US          ((int64_t)60000000)

/* ---- look ---- */

void ls__parity_new_sorter(ls_parity *parity, ls_sorter **out) {
  ls_sorter_opts opts = {.schema = &parity->schema,
                         .n_partitions = 1,
                         .keyed = true,
                         .pool = &parity->run->pool,
                         .spill_directory = parity->run->work_directory};
  ls__sorter_new(out, &opts);
}

static bool is_table_at_end(const ls_plan_node *node) {
  switch (node->verb) {
  case LS_VERB_LATEST:
    return node->u.latest.emit == LS_EMIT_FINAL;
  case LS_VERB_TABLE_JOIN:
    return node->u.table_join.emit == LS_EMIT_FINAL;
  case LS_VERB_AGGREGATE:
    return node->u.aggregate.window_us == 0 && node->u.aggregate.emit == LS_EMIT_FINAL;
  default:
    return false;
  }
}

/** Why not all rows of a sink's keys can be compared: what is upstream of the node. NULL: they can. */
static const char *why_last_only(const ls_plan *plan, const ls_plan_node *node) {
  if (is_table_at_end(node)) return "the rows of a table with emit: final; live each change goes out";
  if (node->verb == LS_VERB_SOURCE && plan->sources[node->u.source.source].repartition) {
    return "behind a repartition, where rows of several partitions meet in the order in which they come";
  }
  const char *why = NULL;
  for (uint32_t i = 0; i < node->n_inputs && why == NULL; i++)
    why = why_last_only(plan, &plan->nodes[node->inputs[i].node]);
  return why;
}

static int add_output(ls_parity *parity, uint32_t *index, const char *topic, const char *name, const ls_schema *schema,
                      ls_error *err) {
  for (*index = 0; *index < parity->n_outputs; ++*index) {
    if (strcmp(parity->outputs[*index].topic, topic) != 0) continue;
    if (schema == NULL && parity->outputs[*index].schema == NULL) return LS_OK; /* dead letters of several sources */
    return ls_error_set(err, LS_ECONFIG, "topic %s is written by %s and by %s: their rows can't be told apart", topic,
                        parity->outputs[*index].name, name);
  }
  ls_parity_output *output = &parity->outputs[parity->n_outputs++];
  *output = (ls_parity_output){.topic = topic, .name = name, .schema = schema};
  pthread_mutex_init(&output->lock, NULL);
  LS_TRY(ls__kafka_admin_partitions(parity->admin, topic, &output->n_partitions, err));
  if (output->n_partitions == 0)
    return ls_error_set(err, LS_ENOINPUT, "there is no topic %s: has the application run?", topic);
  output->ends = LS_ARENA_ARRAY(&parity->run->arena, int64_t, output->n_partitions);
  ls_buf policy = LS_BUF_INIT;
  int rc = ls__kafka_admin_topic_setting(parity->admin, topic, "cleanup.policy", &policy, err);
  output->compacted = rc >= 0 && strstr(policy.ptr, "compact") != NULL;
  ls__buf_fini(&policy);
  return rc;
}

static int list_outputs(ls_parity *parity, ls_error *err) {
  const ls_plan *plan = parity->plan;
  ls_arena *arena = &parity->run->arena;
  parity->outputs = LS_ARENA_ARRAY(arena, ls_parity_output, (size_t)plan->n_sinks + plan->n_sources + 1);
  parity->output_of_sink = LS_ARENA_ARRAY(arena, uint32_t, plan->n_sinks + 1);
  parity->output_of_source = LS_ARENA_ARRAY(arena, uint32_t, plan->n_sources + plan->n_globals + 1);
  parity->not_compared = LS_ARENA_ARRAY(arena, const char *, plan->n_sinks + 1);
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    const ls_plan_sink *sink = &plan->sinks[i];
    parity->output_of_sink[i] = UINT32_MAX;
    if (sink->live_kafka == NULL && !sink->totals_only) parity->not_compared[parity->n_not_compared++] = sink->name;
    if (sink->live_kafka == NULL) continue;
    LS_TRY(add_output(parity, &parity->output_of_sink[i], sink->live_kafka, sink->name, sink->schema, err));
    parity->outputs[parity->output_of_sink[i]].wire = sink->live_registry;
    parity->outputs[parity->output_of_sink[i]].protobuf = sink->protobuf;
    parity->outputs[parity->output_of_sink[i]].last_only = why_last_only(plan, &plan->nodes[sink->node]);
  }
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (plan->sources[i].repartition) continue;
    LS_TRY(add_output(parity, &parity->output_of_source[i], plan->sources[i].dead_letter_topic, plan->sources[i].name,
                      NULL, err));
  }
  return LS_OK;
}

static void set_schema(ls_parity *parity) {
  static ls_field fields[] = {{.name = "key", .type = &ls__type_bytes},
                              {.name = "keyed", .type = &ls__type_bool},
                              {.name = "value", .type = &ls__type_bytes, .nullable = true}};
  parity->schema = (ls_schema){.name = "record", .fields = fields, .n_fields = 3, .time_field = -1};
}

static int look(ls_parity *parity, ls_error *err) {
  ls_stream *stream = &parity->stream;
  LS_TRY(ls__stream_look(stream, err));
  LS_TRY(ls__stream_registry_open(stream, err));
  stream->queue_bytes = (size_t)parity->plan->memory_bytes / 8;
  for (uint32_t i = 0; i < parity->plan->n_sub_topologies; i++) {
    if (stream->n_partitions[i] > parity->n_partitions) parity->n_partitions = stream->n_partitions[i];
  }
  if (parity->n_partitions > PARTITIONS_MAX)
    return ls_error_set(err, LS_ELIMIT, "%d partitions are more than a replay can have workers (%d)",
                        parity->n_partitions, PARTITIONS_MAX);
  parity->committed = LS_ARENA_ARRAY(&parity->run->arena, int64_t *, parity->plan->n_sources + 1);
  LS_TRY(ls__kafka_admin_new(&parity->admin, &stream->cluster, err));
  return list_outputs(parity, err);
}

/* ---- record ---- */

typedef struct recorder {
  ls_parity *parity;
  const int64_t *ends; /* by partition */
  bool *done;
  int32_t n_partitions, n_behind;
  ls_recording *files;
} recorder;

static int on_record(void *payload, const ls_kafka_record *record, ls_error *err) {
  recorder *at = payload;
  if (record->offset >= at->ends[record->partition]) return LS_OK;
  at->parity->n_records++;
  return ls__recording_add(&at->files[record->partition], record, err);
}

static void on_end(void *payload, uint32_t topic, int32_t partition, int64_t offset) {
  recorder *at = payload;
  (void)topic;
  if (offset >= at->ends[partition]) at->done[partition] = true;
}

/** What was deleted can't be replayed. */
static int check_kept(ls_kafka_reader *reader, const ls_plan_source *source, int32_t partition, int64_t end,
                      ls_error *err) {
  int64_t low, high;
  LS_TRY(ls__kafka_reader_watermarks(reader, 0, partition, &low, &high, err));
  if (high < end) {
    return ls_error_set(
        err, LS_ENOINPUT,
        "topic %s partition %d ends at %lld, before what the group has committed (%lld): it was made anew",
        source->live_kafka, partition, (long long)high, (long long)end);
  }
  if (low == 0) return LS_OK;
  return ls_error_set(err, LS_ENOINPUT,
                      "topic %s partition %d begins at offset %lld: what was before it is deleted and can't be "
                      "replayed (retention.ms, retention.bytes)",
                      source->live_kafka, partition, (long long)low);
}

static int begin_partitions(recorder *at, ls_kafka_reader *reader, const ls_plan_source *source, ls_error *err) {
  for (int32_t p = 0; p < at->n_partitions; p++) {
    LS_TRY(
        ls__recording_create(&at->files[p], at->parity->recording, source->name, p, ls__recording_format(source), err));
    if (at->ends[p] <= 0) continue;
    LS_TRY(check_kept(reader, source, p, at->ends[p], err));
    LS_TRY(ls__kafka_reader_add(reader, 0, p, 0, err));
    at->n_behind++;
  }
  return LS_OK;
}

/** A partition that is done is read no further. */
static int drop_done(recorder *at, ls_kafka_reader *reader, ls_error *err) {
  for (int32_t p = 0; p < at->n_partitions; p++) {
    if (!at->done[p]) continue;
    at->done[p] = false;
    at->n_behind--;
    LS_TRY(ls__kafka_reader_remove(reader, 0, p, err));
  }
  return LS_OK;
}

static int record_partitions(recorder *at, ls_kafka_reader *reader, const ls_plan_source *source, ls_error *err) {
  LS_TRY(begin_partitions(at, reader, source, err));
  int64_t since_us = ls__monotonic_us();
  while (at->n_behind > 0) {
    size_t n;
    LS_TRY(ls__kafka_reader_poll(reader, 100, 10000, &n, err));
    LS_TRY(drop_done(at, reader, err));
    LS_TRY(ls__run_check_stop(at->parity->run, err));
    ls__run_progress(at->parity->run, "record", at->parity->n_records, 0);
    if (n > 0) since_us = ls__monotonic_us();
    if (ls__monotonic_us() - since_us > STALLED_US)
      return ls_error_set(err, LS_ERETRY, "topic %s: nothing comes any more", source->live_kafka);
  }
  return LS_OK;
}

static int record_source(ls_parity *parity, uint32_t index, ls_error *err) {
  const ls_plan_source *source = &parity->plan->sources[index];
  int32_t n = parity->stream.n_partitions[source->sub_topology];
  recorder at = {.parity = parity,
                 .ends = parity->committed[index],
                 .n_partitions = n,
                 .done = ls__calloc((size_t)n, sizeof(bool)),
                 .files = ls__calloc((size_t)n, sizeof(ls_recording))};
  ls_kafka_reader_opts opts = {.cluster = &parity->stream.cluster,
                               .topics = &source->live_kafka,
                               .n_topics = 1,
                               .queue_bytes = parity->stream.queue_bytes,
                               .on_record = on_record,
                               .on_end = on_end,
                               .payload = &at};
  ls_kafka_reader *reader = NULL;
  int rc = ls__kafka_reader_new(&reader, &opts, err);
  if (rc >= 0) rc = record_partitions(&at, reader, source, err);
  if (reader != NULL) ls__kafka_reader_free(reader);
  for (int32_t p = 0; p < n; p++) {
    int close_rc = ls__recording_close(&at.files[p], rc < 0 ? NULL : err);
    if (rc >= 0) rc = close_rc;
  }
  ls__free(at.done);
  ls__free(at.files);
  return rc;
}

static int record(ls_parity *parity, ls_error *err) {
  const ls_plan *plan = parity->plan;
  bool any = false;
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    for (int32_t p = 0; p < parity->stream.n_partitions[plan->sources[i].sub_topology]; p++)
      any = any || parity->committed[i][p] > 0;
    if (plan->sources[i].live_from_latest) {
      return ls_error_set(err, LS_ECONFIG,
                          "source %s begins with what is newest when the group is new: where that was is not known, so "
                          "it can't be replayed",
                          plan->sources[i].name);
    }
  }
  if (!any) return ls_error_set(err, LS_ENOINPUT, "group %s has committed nothing yet", plan->kafka.application_id);
  parity->recording = parity->run->opts.recording_directory;
  if (parity->recording == NULL)
    parity->recording = ls__arena_printf(&parity->run->arena, "%s/recording", parity->run->work_directory);
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (!plan->sources[i].repartition) LS_TRY(record_source(parity, i, err));
  }
  return LS_OK;
}

/* ---- replay ---- */

static int replay(ls_parity *parity, ls_error *err) {
  ls_runtime *run = parity->run;
  LS_TRY(ls__topology_set_live(run->topology, false, err));
  LS_TRY(ls__stream_globals_load(&parity->stream, err));
  run->n_workers = (uint32_t)parity->n_partitions;
  parity->places = ls__calloc((size_t)parity->plan->n_sub_topologies * run->n_workers, sizeof *parity->places);
  LS_TRY(ls__run_open_state(run, err));
  ls__run_open_sorters(run);
  for (uint32_t i = 0; i < parity->n_outputs; i++) ls__parity_new_sorter(parity, &parity->outputs[i].replayed);
  ls__parity_ports_open(parity);
  LS_TRY(ls__run_preflight(run, err));
  for (uint32_t i = 0; i < parity->plan->n_sub_topologies; i++) {
    LS_TRY(ls__parity_read(parity, i, err));
    LS_TRY(ls__run_process(run, i, err));
  }
  return ls__parity_ports_end(parity, err);
}

/* ---- all of it ---- */

bool ls__parity_equal(const ls_parity *parity) {
  for (uint32_t i = 0; i < parity->n_outputs; i++) {
    for (int kind = 0; kind < LS_PARITY_KINDS; kind++) {
      if (parity->outputs[i].n_different[kind] > 0) return false;
    }
  }
  return true;
}

static int check(ls_parity *parity, ls_error *err) {
  LS_TRY(look(parity, err));
  LS_TRY(ls__parity_read_outputs(parity, err));
  LS_TRY(record(parity, err));
  LS_TRY(replay(parity, err));
  for (uint32_t i = 0; i < parity->n_outputs; i++) LS_TRY(ls__parity_compare(parity, &parity->outputs[i], err));
  parity->run->status = ls__parity_equal(parity) ? "equal" : "different";
  return LS_OK;
}

int ls__parity_run(ls_runtime *run, ls_error *err) {
  ls_parity *parity = LS_NEW(ls_parity);
  run->parity = parity;
  parity->run = run;
  parity->plan = run->plan;
  set_schema(parity);
  run->pool.limit_bytes = (size_t)run->plan->memory_bytes / 8;
  parity->n_differences_max = run->opts.n_differences > 0 ? (size_t)run->opts.n_differences : DIFFERENCES_DEFAULT;
  parity->differences = LS_ARENA_ARRAY(&run->arena, ls_parity_difference, parity->n_differences_max);
  ls__stream_init(&parity->stream, run);
  return check(parity, err);
}

static void free_output(ls_parity_output *output) {
  ls__sort_chunk_abandon(output->chunk);
  ls__sorter_free(output->live);
  ls__sorter_free(output->replayed);
  for (int side = 0; side < 2; side++) {
    for (size_t i = 0; i < output->reasons[side].n; i++) ls__free(output->reasons[side].entries[i].value);
    ls__strmap_fini(&output->reasons[side]);
  }
  pthread_mutex_destroy(&output->lock);
}

void ls__parity_free(ls_parity *parity) {
  if (parity == NULL) return;
  ls__parity_ports_close(parity);
  for (uint32_t i = 0; i < parity->n_outputs; i++) free_output(&parity->outputs[i]);
  for (size_t i = 0;
       parity->places != NULL && i < (size_t)parity->plan->n_sub_topologies * (size_t)parity->n_partitions; i++) {
    size_t n_bytes = (size_t)(parity->places[i].n_max > 0 ? parity->places[i].n_max : 1) * 8;
    if (parity->places[i].ingest_us != NULL) munmap(parity->places[i].ingest_us, n_bytes);
    if (parity->places[i].origins != NULL) munmap(parity->places[i].origins, n_bytes);
  }
  ls__free(parity->places);
  ls__kafka_admin_free(parity->admin);
  ls__stream_fini(&parity->stream);
  ls__free(parity);
}
