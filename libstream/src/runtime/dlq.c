/**
 * @file dlq.c
 * Dead letters of live runs, looked at and replayed. A letter tells by its headers where its record came from; the payload in it
 * is masked, so replaying fetches the record itself. Sending it and moving past its letter are one transaction.
 */
#include "base/alloc.h"
#include "base/fault.h"
#include "base/thread.h"
#include "runtime/stream.h"

#include <libstream/dlq.h>

#include <stdio.h>
#include <stdlib.h>

#define QUEUE_BYTES   ((size_t)16 << 20)
#define HEADERS_MAX   64
#define BATCH_LETTERS 200
#define SKIP_MAX      2000 /* records that are read over rather than sought over */
#define PATIENCE_US   ((int64_t)60000000)
#define REPLAYED_FROM "ls.replayed_from"

/** A letter, its texts in an arena. */
typedef struct letter {
  ls_dead_letter_note note;
  uint32_t letter_topic, topic; /* indices; topic UINT32_MAX: there is no record */
} letter;

typedef struct end_of {
  uint32_t topic;
  int32_t partition;
  int64_t end;
  bool reached;
} end_of;

typedef struct session {
  ls_stream stream; /* of it only the cluster, the plan and the arena */
  const ls_letters_opts *opts;
  ls_letters_counts *counts;
  const char **letter_topics, **source_topics; /* each once */
  uint32_t n_letter_topics, n_source_topics;
  end_of *ends;
  size_t n_ends, ends_capacity;
  ls_arena batch_arena;
  letter *letters; /* of the batch */
  size_t n_letters, letters_capacity;
  /* replay */
  ls_kafka_consumer *consumer;
  ls_kafka_producer *producer;
  ls_kafka_reader *fetcher;
  bool revoked, assigned;
  const letter *wanted;
  bool found, passed;
  bool reading; /* the fetcher has a partition */
  uint32_t at_topic;
  int32_t at_partition;
  int64_t at_next;
} session;

/* ---- topics ---- */

static uint32_t find_topic(const char *const *topics, uint32_t n, const char *name) {
  for (uint32_t i = 0; i < n; i++) {
    if (strcmp(topics[i], name) == 0) return i;
  }
  return UINT32_MAX;
}

static void add_topic(const char **topics, uint32_t *n, const char *name) {
  if (find_topic(topics, *n, name) == UINT32_MAX) topics[(*n)++] = name;
}

static int check_source(const session *s, ls_error *err) {
  const ls_plan *plan = s->stream.plan;
  const char *names[64];
  size_t n = 0;
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (plan->sources[i].repartition) continue;
    if (s->opts->source == NULL || strcmp(plan->sources[i].name, s->opts->source) == 0) return LS_OK;
    if (n < 64) names[n++] = plan->sources[i].name;
  }
  const char *nearest = s->opts->source != NULL ? ls__nearest_name(s->opts->source, names, n) : NULL;
  if (nearest == NULL)
    return ls_error_set(err, LS_ECONFIG, "the topology has no source %s",
                        s->opts->source != NULL ? s->opts->source : "with a live binding");
  return ls_error_set(err, LS_ECONFIG, "the topology has no source %s; is %s meant?", s->opts->source, nearest);
}

/** Topics of letters that are there, and of the sources. */
static int name_topics(session *s, ls_error *err) {
  const ls_plan *plan = s->stream.plan;
  LS_TRY(check_source(s, err));
  s->letter_topics = LS_ARENA_ARRAY(&s->stream.arena, const char *, plan->n_sources + 1);
  s->source_topics = LS_ARENA_ARRAY(&s->stream.arena, const char *, plan->n_sources + 1);
  ls_kafka_admin *admin;
  LS_TRY(ls__kafka_admin_new(&admin, &s->stream.cluster, err));
  int rc = LS_OK;
  for (uint32_t i = 0; i < plan->n_sources && rc >= 0; i++) {
    const ls_plan_source *source = &plan->sources[i];
    if (source->repartition || source->live_kafka == NULL) continue;
    add_topic(s->source_topics, &s->n_source_topics, source->live_kafka);
    if (s->opts->source != NULL && strcmp(source->name, s->opts->source) != 0) continue;
    int32_t n_partitions;
    rc = ls__kafka_admin_partitions(admin, source->dead_letter_topic, &n_partitions, err);
    if (rc >= 0 && n_partitions > 0) add_topic(s->letter_topics, &s->n_letter_topics, source->dead_letter_topic);
  }
  ls__kafka_admin_free(admin);
  return rc;
}

/* ---- letters ---- */

static const char *text_of(session *s, const ls_kafka_header *headers, size_t n, const char *name) {
  ls_slice value = ls__kafka_header_of(headers, n, name);
  return value.ptr != NULL ? ls__arena_strndup(&s->batch_arena, value.ptr, value.len) : "";
}

static void add_letter(session *s, const ls_kafka_record *record) {
  ls_kafka_header headers[HEADERS_MAX];
  size_t n = ls__kafka_record_headers(record, headers, HEADERS_MAX);
  if (n > HEADERS_MAX) n = HEADERS_MAX;
  ls__grow(&s->letters, &s->letters_capacity, s->n_letters + 1, sizeof *s->letters);
  letter *l = &s->letters[s->n_letters++];
  l->letter_topic = record->topic;
  l->note = (ls_dead_letter_note){.letter_topic = s->letter_topics[record->topic],
                                  .letter_partition = record->partition,
                                  .letter_offset = record->offset,
                                  .source = text_of(s, headers, n, "ls.source"),
                                  .node = text_of(s, headers, n, "ls.node"),
                                  .reason = text_of(s, headers, n, "ls.reason"),
                                  .error = text_of(s, headers, n, "ls.error"),
                                  .field = text_of(s, headers, n, "ls.field"),
                                  .topic = text_of(s, headers, n, "ls.topic"),
                                  .written_us = record->timestamp_us};
  const char *partition = text_of(s, headers, n, "ls.partition"), *offset = text_of(s, headers, n, "ls.offset");
  l->note.partition = partition[0] != 0 ? (int32_t)strtol(partition, NULL, 10) : -1;
  l->note.offset = offset[0] != 0 ? strtoll(offset, NULL, 10) : -1;
  bool whole = l->note.partition >= 0 && l->note.offset >= 0;
  l->topic = whole ? find_topic(s->source_topics, s->n_source_topics, l->note.topic) : UINT32_MAX;
}

static int tell(session *s, const letter *l, bool sent) {
  return s->opts->on_letter != NULL ? s->opts->on_letter(s->opts->payload, &l->note, sent) : 0;
}

static void clear_letters(session *s) {
  s->n_letters = 0;
  ls__arena_reset(&s->batch_arena);
}

static void on_end(void *payload, uint32_t topic, int32_t partition, int64_t offset) {
  session *s = payload;
  for (size_t i = 0; i < s->n_ends; i++) {
    end_of *end = &s->ends[i];
    if (end->topic == topic && end->partition == partition && offset >= end->end) end->reached = true;
  }
}

static void add_end(session *s, uint32_t topic, int32_t partition, int64_t end) {
  ls__grow(&s->ends, &s->ends_capacity, s->n_ends + 1, sizeof *s->ends);
  s->ends[s->n_ends++] = (end_of){topic, partition, end, end == 0};
}

static bool all_reached(const session *s) {
  for (size_t i = 0; i < s->n_ends; i++) {
    if (!s->ends[i].reached) return false;
  }
  return true;
}

/** Whether a letter was there when this began. */
static bool is_before_end(const session *s, const ls_kafka_record *record) {
  for (size_t i = 0; i < s->n_ends; i++) {
    if (s->ends[i].topic == record->topic && s->ends[i].partition == record->partition)
      return record->offset < s->ends[i].end;
  }
  return false;
}

static int on_letter(void *payload, const ls_kafka_record *record, ls_error *err) {
  (void)err;
  session *s = payload;
  if (is_before_end(s, record))
    add_letter(s, record);
  else
    on_end(s, record->topic, record->partition, record->offset);
  return LS_OK;
}

/* ---- listing ---- */

static int open_reader(session *s, ls_kafka_reader **out, const char *const *topics, uint32_t n,
                       int (*on_record)(void *, const ls_kafka_record *, ls_error *),
                       void (*at_end)(void *, uint32_t, int32_t, int64_t), ls_error *err) {
  ls_kafka_reader_opts opts = {.cluster = &s->stream.cluster,
                               .topics = topics,
                               .n_topics = n,
                               .queue_bytes = QUEUE_BYTES,
                               .on_record = on_record,
                               .on_end = at_end,
                               .payload = s};
  return ls__kafka_reader_new(out, &opts, err);
}

static int find_ends(session *s, ls_kafka_reader *reader, bool read, ls_error *err) {
  ls_kafka_admin *admin;
  LS_TRY(ls__kafka_admin_new(&admin, &s->stream.cluster, err));
  int rc = LS_OK;
  for (uint32_t t = 0; t < s->n_letter_topics && rc >= 0; t++) {
    int32_t n_partitions = 0;
    rc = ls__kafka_admin_partitions(admin, s->letter_topics[t], &n_partitions, err);
    for (int32_t p = 0; p < n_partitions && rc >= 0; p++) {
      int64_t low, high = 0;
      rc = ls__kafka_reader_watermarks(reader, t, p, &low, &high, err);
      add_end(s, t, p, high);
      if (rc >= 0 && read) rc = ls__kafka_reader_add(reader, t, p, 0, err);
    }
  }
  ls__kafka_admin_free(admin);
  return rc;
}

static int list(session *s, ls_error *err) {
  ls_kafka_reader *reader;
  LS_TRY(open_reader(s, &reader, s->letter_topics, s->n_letter_topics, on_letter, on_end, err));
  int rc = find_ends(s, reader, true, err);
  int64_t until_us = ls__monotonic_us() + PATIENCE_US;
  while (rc >= 0 && !all_reached(s)) {
    size_t n;
    rc = ls__kafka_reader_poll(reader, 100, BATCH_LETTERS, &n, err);
    for (size_t i = 0; i < s->n_letters && rc >= 0; i++) {
      s->counts->letters++;
      rc = tell(s, &s->letters[i], false);
    }
    if (s->n_letters > 0) until_us = ls__monotonic_us() + PATIENCE_US;
    clear_letters(s);
    if (rc >= 0 && ls__monotonic_us() > until_us)
      rc = ls_error_set(err, LS_ERETRY,
                        "the dead letters were not read to their end: is a transaction open on their topics?");
  }
  ls__kafka_reader_free(reader);
  return rc;
}

/* ---- replaying: fetching the records ---- */

static int send_again(session *s, const ls_kafka_record *record, ls_error *err) {
  const letter *l = s->wanted;
  ls_kafka_header headers[HEADERS_MAX + 1];
  size_t n_all = ls__kafka_record_headers(record, headers, HEADERS_MAX), n = 0;
  if (n_all > HEADERS_MAX)
    return ls_error_set(err, LS_ELIMIT, "topic %s partition %d offset %lld has more than %d headers", l->note.topic,
                        l->note.partition, (long long)l->note.offset, HEADERS_MAX);
  for (size_t i = 0; i < n_all; i++) {
    if (strcmp(headers[i].name, REPLAYED_FROM) != 0) headers[n++] = headers[i];
  }
  const char *from = ls__arena_printf(&s->batch_arena, "%s/%d/%lld", l->note.letter_topic, l->note.letter_partition,
                                      (long long)l->note.letter_offset);
  headers[n++] = (ls_kafka_header){REPLAYED_FROM, ls__slice_of(from)};
  ls_kafka_send send = {.topic = record->topic,
                        .partition = record->partition,
                        .key = record->key,
                        .value = record->value,
                        .timestamp_us = record->timestamp_us,
                        .headers = headers,
                        .n_headers = n};
  return ls__kafka_producer_send(s->producer, &send, err);
}

static int on_fetched(void *payload, const ls_kafka_record *record, ls_error *err) {
  session *s = payload;
  s->at_next = record->offset + 1;
  if (record->offset < s->wanted->note.offset) return LS_OK;
  s->found = record->offset == s->wanted->note.offset;
  s->passed = !s->found;
  return s->found && !s->opts->dry_run ? send_again(s, record, err) : LS_OK;
}

static void on_fetched_end(void *payload, uint32_t topic, int32_t partition, int64_t offset) {
  session *s = payload;
  if (topic == s->wanted->topic && partition == s->wanted->note.partition && offset > s->wanted->note.offset &&
      !s->found)
    s->passed = true;
}

static int seek(session *s, const letter *l, ls_error *err) {
  bool here = s->reading && s->at_topic == l->topic && s->at_partition == l->note.partition;
  if (here && l->note.offset >= s->at_next && l->note.offset - s->at_next < SKIP_MAX) return LS_OK;
  if (s->reading) LS_TRY(ls__kafka_reader_remove(s->fetcher, s->at_topic, s->at_partition, err));
  s->reading = false;
  LS_TRY(ls__kafka_reader_add(s->fetcher, l->topic, l->note.partition, l->note.offset, err));
  s->reading = true;
  s->at_topic = l->topic;
  s->at_partition = l->note.partition;
  s->at_next = l->note.offset;
  return LS_OK;
}

/** Fetches and sends the record of a letter; s->found: it was there. */
static int replay_one(session *s, const letter *l, ls_error *err) {
  s->found = s->passed = false;
  if (l->topic == UINT32_MAX) return LS_OK;
  s->wanted = l;
  LS_TRY(seek(s, l, err));
  int64_t until_us = ls__monotonic_us() + PATIENCE_US;
  while (!s->found && !s->passed) {
    size_t n;
    LS_TRY(ls__kafka_reader_poll(s->fetcher, 100, 1, &n, err));
    if (ls__monotonic_us() > until_us) {
      return ls_error_set(err, LS_ERETRY, "topic %s partition %d offset %lld could not be read", l->note.topic,
                          l->note.partition, (long long)l->note.offset);
    }
  }
  return LS_OK;
}

/* ---- replaying: the transaction ---- */

/** The place after the last letter of each partition of the batch. */
static size_t offsets_of(session *s, ls_kafka_offset *offsets) {
  size_t n = 0;
  for (size_t i = 0; i < s->n_letters; i++) {
    const letter *l = &s->letters[i];
    size_t k = 0;
    while (k < n && (offsets[k].topic != l->letter_topic || offsets[k].partition != l->note.letter_partition)) k++;
    if (k == n) offsets[n++] = (ls_kafka_offset){l->letter_topic, l->note.letter_partition, 0, {NULL, 0}};
    if (l->note.letter_offset + 1 > offsets[k].offset) offsets[k].offset = l->note.letter_offset + 1;
  }
  return n;
}

static int commit_batch(session *s, ls_error *err) {
  ls_kafka_offset *offsets = LS_ARENA_ARRAY(&s->batch_arena, ls_kafka_offset, s->n_letters + 1);
  LS_TRY(ls__kafka_producer_flush(s->producer, err));
  ls__fault(LS_FAULT_DLQ_SENT);
  LS_TRY(ls__kafka_producer_send_offsets(s->producer, s->consumer, offsets, offsets_of(s, offsets), err));
  LS_TRY(ls__kafka_producer_commit(s->producer, err));
  ls__fault(LS_FAULT_DLQ_COMMITTED);
  return LS_OK;
}

static int replay_batch(session *s, ls_error *err) {
  if (!s->opts->dry_run) LS_TRY(ls__kafka_producer_begin(s->producer, err));
  bool *sent = LS_ARENA_ARRAY(&s->batch_arena, bool, s->n_letters + 1);
  for (size_t i = 0; i < s->n_letters; i++) {
    LS_TRY(replay_one(s, &s->letters[i], err));
    sent[i] = s->found;
  }
  if (!s->opts->dry_run) LS_TRY(commit_batch(s, err));
  for (size_t i = 0; i < s->n_letters; i++) {
    s->counts->letters++;
    s->counts->sent += sent[i];
    s->counts->gone += !sent[i];
    int rc = tell(s, &s->letters[i], sent[i]);
    if (rc != 0) return rc;
  }
  clear_letters(s);
  return LS_OK;
}

static int on_assigned(void *payload, const ls_kafka_partition *partitions, size_t n, ls_error *err) {
  session *s = payload;
  s->assigned = true;
  for (size_t i = 0; i < n; i++) {
    LS_TRY(ls__kafka_consumer_start(s->consumer, find_topic(s->letter_topics, s->n_letter_topics, partitions[i].topic),
                                    partitions[i].partition, -1, err));
  }
  return LS_OK;
}

static int on_revoked(void *payload, const ls_kafka_partition *partitions, size_t n, bool lost, ls_error *err) {
  (void)partitions, (void)n, (void)lost, (void)err;
  ((session *)payload)->revoked = true;
  return LS_OK;
}

static int open_clients(session *s, ls_error *err) {
  const char *application = s->stream.plan->kafka.application_id;
  const char *group = ls__arena_printf(&s->stream.arena, "%s-dlq", application);
  ls_kafka_producer_opts producer = {.cluster = &s->stream.cluster,
                                     .transactional_id = group,
                                     .transaction_timeout_ms = 30000,
                                     .topics = s->source_topics,
                                     .n_topics = s->n_source_topics,
                                     .queue_bytes = QUEUE_BYTES};
  if (!s->opts->dry_run) LS_TRY(ls__kafka_producer_new(&s->producer, &producer, err));
  LS_TRY(open_reader(s, &s->fetcher, s->source_topics, s->n_source_topics, on_fetched, on_fetched_end, err));
  ls_kafka_reader *ends;
  LS_TRY(open_reader(s, &ends, s->letter_topics, s->n_letter_topics, on_letter, NULL, err));
  int rc = find_ends(s, ends, false, err);
  ls__kafka_reader_free(ends);
  LS_TRY(rc);
  ls_kafka_consumer_opts consumer = {.cluster = &s->stream.cluster,
                                     .group_id = group,
                                     .topics = s->letter_topics,
                                     .n_topics = s->n_letter_topics,
                                     .queue_bytes = QUEUE_BYTES,
                                     .on_assigned = on_assigned,
                                     .on_revoked = on_revoked,
                                     .on_record = on_letter,
                                     .on_end = on_end,
                                     .payload = s};
  return ls__kafka_consumer_new(&s->consumer, &consumer, err);
}

static int replay(session *s, ls_error *err) {
  LS_TRY(open_clients(s, err));
  int64_t until_us = ls__monotonic_us() + PATIENCE_US;
  while (!(s->assigned && all_reached(s))) {
    size_t n;
    LS_TRY(ls__kafka_consumer_poll(s->consumer, 100, BATCH_LETTERS, &n, err));
    if (s->revoked)
      return ls_error_set(err, LS_ERETRY, "another replay of this application's dead letters is under way");
    if (s->n_letters > 0) {
      LS_TRY(replay_batch(s, err));
      until_us = ls__monotonic_us() + PATIENCE_US;
    }
    if (ls__monotonic_us() > until_us)
      return ls_error_set(
          err, LS_ERETRY,
          "the dead letters were not read to their end: is another replay under way, or a transaction open?");
  }
  ls_error ignored = LS_ERROR_INIT;
  (void)ls__kafka_consumer_close(s->consumer, &ignored); /* what is done is committed */
  return LS_OK;
}

/* ---- public ---- */

static int run(ls_letters_counts *out, ls_topology *topology, const ls_letters_opts *opts,
               int (*what)(session *, ls_error *), ls_error *err) {
  session s = {.stream = {.plan = ls__topology_plan(topology)}, .opts = opts, .counts = out};
  *out = (ls_letters_counts){0, 0, 0};
  ls__arena_init(&s.stream.arena, 0);
  ls__arena_init(&s.batch_arena, 0);
  int rc = ls__stream_resolve_properties(&s.stream, err);
  if (rc >= 0) rc = name_topics(&s, err);
  if (rc >= 0 && s.n_letter_topics > 0) rc = what(&s, err);
  ls__kafka_producer_free(s.producer);
  ls__kafka_consumer_free(s.consumer);
  ls__kafka_reader_free(s.fetcher);
  ls__free(s.ends);
  ls__free(s.letters);
  ls__arena_fini(&s.batch_arena);
  ls__arena_fini(&s.stream.arena);
  return rc;
}

int ls_dead_letters_list(ls_letters_counts *out, ls_topology *topology, const ls_letters_opts *opts, ls_error *err) {
  return run(out, topology, opts, list, err);
}

int ls_dead_letters_replay(ls_letters_counts *out, ls_topology *topology, const ls_letters_opts *opts, ls_error *err) {
  return run(out, topology, opts, replay, err);
}
