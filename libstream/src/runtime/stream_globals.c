/**
 * @file stream_globals.c
 * Global tables of a live run: read whole before the first record is processed, then kept up to date by a thread of their own.
 * A change waits until the slices at work are done; a slice sees one state of all tables.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "runtime/stream.h"

#include <stdlib.h>
#include <time.h>

#define POLL_MS      100
#define POLL_RECORDS 10000

/** Of a record without a value: the key's rows before it go. */
typedef struct deletion {
  ls_slice key;   /* in the table's arena */
  int64_t before; /* rows that were there */
} deletion;

/** One table: the rows of all its records, of which the last of each key counts. */
typedef struct live_global {
  const ls_plan_global *plan;
  ls_decoder *decoder;
  ls_wire_reader *wire; /* NULL: values are not in wire format */
  ls_arena arena;
  ls_batch *rows;
  int32_t n_partitions;
  int64_t *ends; /* by partition: what must be read before the start */
  deletion *deletions;
  size_t n_deletions, deletions_capacity;
  bool changed;
} live_global;

struct ls_stream_globals {
  ls_stream *stream;
  live_global *tables;
  const char **topics;
  ls_kafka_reader *reader;
  int32_t n_behind; /* partitions that have not come to their end yet */
  ls_buf text;
  pthread_t thread;
  bool started;
  bool following; /* after the load: a record that is handed on is not handed on again */
  atomic_bool stop;
};

static void on_bad(void *payload, const ls_bad_record *bad) {
  ls_stream_globals *globals = payload;
  atomic_fetch_add(&globals->stream->n_bad, 1);
  ls__log(LS_LOG_WARN, "runtime", "bad_table_record", "reason=%s error=\"%s\"", bad->reason, bad->error);
}

/** A record without a value deletes: the rows before it of its key go when the rows are published. */
static void delete_key(live_global *table, ls_slice key) {
  ls__grow(&table->deletions, &table->deletions_capacity, table->n_deletions + 1, sizeof *table->deletions);
  char *copy = LS_ARENA_ARRAY(&table->arena, char, key.len + 1);
  if (key.len > 0) memcpy(copy, key.ptr, key.len);
  table->deletions[table->n_deletions++] = (deletion){{copy, key.len}, table->rows->n_rows};
}

static int by_key(const void *a, const void *b) {
  return ls__slice_cmp(((const deletion *)a)->key, ((const deletion *)b)->key);
}

/** The last deletion of each key is the one that counts. */
static void sort_deletions(live_global *table) {
  qsort(table->deletions, table->n_deletions, sizeof *table->deletions, by_key);
  size_t n = 0;
  for (size_t i = 0; i < table->n_deletions; i++) {
    deletion *last = n > 0 ? &table->deletions[n - 1] : NULL;
    if (last == NULL || !ls__slice_eq(last->key, table->deletions[i].key))
      table->deletions[n++] = table->deletions[i];
    else if (last->before < table->deletions[i].before)
      last->before = table->deletions[i].before;
  }
  table->n_deletions = n;
}

static void drop_deleted(ls_stream_globals *globals, live_global *table) {
  if (table->n_deletions == 0) return;
  sort_deletions(table);
  int32_t *keep = LS_ARENA_ARRAY(&table->arena, int32_t, table->rows->n_rows + 1);
  int64_t n = 0;
  for (int64_t row = 0; row < table->rows->n_rows; row++) {
    ls__buf_clear(&globals->text);
    ls__batch_format_key(&globals->text, table->rows, row);
    deletion wanted = {ls__buf_slice(&globals->text), 0};
    const deletion *found = bsearch(&wanted, table->deletions, table->n_deletions, sizeof wanted, by_key);
    if (found == NULL || row >= found->before) keep[n++] = (int32_t)row;
  }
  table->n_deletions = 0;
  ls_batch *rows = ls__batch_new(table->plan->schema, &table->arena, n);
  ls__batch_gather(rows, table->rows, keep, n);
  table->rows = rows;
}

/** Takes a value out of its wire format; *good false: it is bad. */
static int unwrap(ls_stream_globals *globals, live_global *table, ls_slice *value, bool *good, ls_error *err) {
  int32_t id;
  ls_wire_fault fault;
  ls_slice framed = *value;
  int rc = ls__wire_read(table->wire, framed, value, &id, &fault, err);
  while (rc < 0 && globals->following) { /* the tables wait as they are */
    ls__log(LS_LOG_WARN, "runtime", "table_waits_for_registry", "table=%s error=\"%s\"", table->plan->name,
            err->message);
    nanosleep(&(struct timespec){1, 0}, NULL);
    if (atomic_load(&globals->stop)) return rc;
    rc = ls__wire_read(table->wire, framed, value, &id, &fault, err);
  }
  LS_TRY(rc);
  *good = fault == LS_WIRE_OK;
  if (*good) return LS_OK;
  char text[LS_WIRE_TEXT_MAX];
  ls__wire_explain(table->wire, fault, id, text);
  on_bad(globals, &(ls_bad_record){.reason = ls__wire_reason(fault), .error = text});
  return LS_OK;
}

static int on_record(void *payload, const ls_kafka_record *record, ls_error *err) {
  ls_stream_globals *globals = payload;
  live_global *table = &globals->tables[record->topic];
  table->changed = true;
  if (record->value.ptr == NULL) {
    delete_key(table, record->key);
    return LS_OK;
  }
  ls_slice value = record->value;
  if (table->wire != NULL) {
    bool good;
    LS_TRY(unwrap(globals, table, &value, &good, err));
    if (!good) return LS_OK;
  }
  int64_t before = table->rows->n_rows;
  if (table->plan->live_format == LS_FORMAT_PROTOBUF) {
    LS_TRY(ls__decode_protobuf(table->rows, table->decoder, value, record->offset, on_bad, globals, err));
  } else {
    LS_TRY(ls__decode_json_record(table->rows, table->decoder, value, record->offset, on_bad, globals, err));
  }
  if (table->rows->n_rows == before) return LS_OK;
  table->rows->n_rows = before;
  ls__batch_append_meta(table->rows, 0, (ls_stamp){0, 0});
  return LS_OK;
}

static void on_end(void *payload, uint32_t topic, int32_t partition, int64_t offset) {
  ls_stream_globals *globals = payload;
  live_global *table = &globals->tables[topic];
  if (table->ends[partition] < 0 || offset < table->ends[partition]) return;
  table->ends[partition] = -1;
  globals->n_behind--;
}

/** Puts what was read in place of what the steps see; rows that later ones replace are dropped. */
static void publish(ls_stream_globals *globals, uint32_t index) {
  live_global *table = &globals->tables[index];
  ls_runtime *run = globals->stream->run;
  drop_deleted(globals, table);
  pthread_rwlock_wrlock(&globals->stream->globals_lock);
  if (run->globals[index] == NULL) {
    ls__global_new(&run->globals[index], table->plan, table->rows);
    ls__topology_bind_global(run->topology, index, ls__global_rows_of, run->globals[index]);
  } else {
    ls__global_replace(run->globals[index], table->rows);
  }
  const ls_batch *current = ls__global_rows(run->globals[index]);
  ls_arena old = table->arena;
  ls__arena_init(&table->arena, 0);
  table->rows = ls__batch_new(table->plan->schema, &table->arena, current->n_rows);
  ls__batch_append_range(table->rows, current, 0, current->n_rows);
  pthread_rwlock_unlock(&globals->stream->globals_lock);
  ls__arena_fini(&old);
  table->changed = false;
}

static int poll_once(ls_stream_globals *globals, ls_error *err) {
  size_t n;
  LS_TRY(ls__kafka_reader_poll(globals->reader, POLL_MS, POLL_RECORDS, &n, err));
  if (globals->n_behind > 0) return LS_OK;
  for (uint32_t i = 0; i < globals->stream->plan->n_globals; i++) {
    if (globals->tables[i].changed || globals->stream->run->globals[i] == NULL) publish(globals, i);
  }
  return LS_OK;
}

static void *follow(void *payload) {
  ls_stream_globals *globals = payload;
  while (!atomic_load(&globals->stop)) {
    ls_error err = LS_ERROR_INIT;
    int rc = poll_once(globals, &err);
    if (rc < 0) ls__log(LS_LOG_WARN, "runtime", "tables_not_read", "error=\"%s\"", err.message);
  }
  return NULL;
}

static int open_table(ls_stream_globals *globals, ls_kafka_admin *admin, uint32_t index, ls_error *err) {
  live_global *table = &globals->tables[index];
  table->plan = &globals->stream->plan->globals[index];
  globals->topics[index] = table->plan->live_kafka;
  ls__arena_init(&table->arena, 0);
  table->rows = ls__batch_new(table->plan->schema, &table->arena, 16);
  ls_decoder_opts opts = {.format = table->plan->live_format, .wanted = table->plan->wanted};
  LS_TRY(ls__decoder_new(&table->decoder, table->plan->schema, &opts, err));
  if (table->plan->live_registry) ls__wire_reader_new(&table->wire, globals->stream->registry, NULL);
  LS_TRY(ls__kafka_admin_partitions(admin, table->plan->live_kafka, &table->n_partitions, err));
  if (table->n_partitions == 0)
    return ls_error_set(err, LS_ENOINPUT, "table %s: there is no topic %s", table->plan->name, table->plan->live_kafka);
  table->ends = LS_ARENA_ARRAY(&globals->stream->arena, int64_t, (size_t)table->n_partitions);
  return LS_OK;
}

static int add_partitions(ls_stream_globals *globals, uint32_t index, ls_error *err) {
  live_global *table = &globals->tables[index];
  for (int32_t p = 0; p < table->n_partitions; p++) {
    int64_t low;
    LS_TRY(ls__kafka_reader_watermarks(globals->reader, index, p, &low, &table->ends[p], err));
    LS_TRY(ls__kafka_reader_add(globals->reader, index, p, 0, err));
    globals->n_behind++;
  }
  return LS_OK;
}

static int load(ls_stream_globals *globals, ls_kafka_admin *admin, ls_error *err) {
  ls_stream *stream = globals->stream;
  uint32_t n = stream->plan->n_globals;
  for (uint32_t i = 0; i < n; i++) LS_TRY(open_table(globals, admin, i, err));
  ls_kafka_reader_opts opts = {.cluster = &stream->cluster,
                               .topics = globals->topics,
                               .n_topics = n,
                               .queue_bytes = stream->queue_bytes,
                               .on_record = on_record,
                               .on_end = on_end,
                               .payload = globals};
  LS_TRY(ls__kafka_reader_new(&globals->reader, &opts, err));
  for (uint32_t i = 0; i < n; i++) LS_TRY(add_partitions(globals, i, err));
  while (globals->n_behind > 0) {
    LS_TRY(poll_once(globals, err));
    LS_TRY(ls__run_check_stop(stream->run, err));
  }
  return poll_once(globals, err);
}

int ls__stream_globals_load(ls_stream *stream, ls_error *err) {
  uint32_t n = stream->plan->n_globals;
  if (n == 0) return LS_OK;
  ls_stream_globals *globals = LS_NEW(ls_stream_globals);
  stream->globals = globals;
  globals->stream = stream;
  globals->tables = LS_ARENA_ARRAY(&stream->arena, live_global, n);
  globals->topics = LS_ARENA_ARRAY(&stream->arena, const char *, n);
  ls_kafka_admin *admin;
  LS_TRY(ls__kafka_admin_new(&admin, &stream->cluster, err));
  int rc = load(globals, admin, err);
  ls__kafka_admin_free(admin);
  return rc;
}

int ls__stream_globals_open(ls_stream *stream, ls_error *err) {
  LS_TRY(ls__stream_globals_load(stream, err));
  ls_stream_globals *globals = stream->globals;
  if (globals == NULL) return LS_OK; /* there are no tables */
  globals->following = true;
  if (pthread_create(&globals->thread, NULL, follow, globals) != 0)
    return ls_error_set(err, LS_ELIMIT, "a thread for the tables can't be started");
  globals->started = true;
  return LS_OK;
}

void ls__stream_globals_close(ls_stream *stream) {
  ls_stream_globals *globals = stream->globals;
  if (globals == NULL) return;
  atomic_store(&globals->stop, true);
  if (globals->started) pthread_join(globals->thread, NULL);
  ls__kafka_reader_free(globals->reader);
  for (uint32_t i = 0; i < stream->plan->n_globals; i++) {
    ls__decoder_free(globals->tables[i].decoder);
    ls__wire_reader_free(globals->tables[i].wire);
    ls__free(globals->tables[i].deletions);
    if (globals->tables[i].rows != NULL) ls__arena_fini(&globals->tables[i].arena);
  }
  ls__buf_fini(&globals->text);
  ls__free(globals);
  stream->globals = NULL;
}
