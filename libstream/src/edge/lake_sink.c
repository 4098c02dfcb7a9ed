/** @file lake_sink.c  See lake_sink.h. */
#include "edge/lake_sink.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define N_SHARES          16 /* partitions are dealt to this many sorter partitions, for staging side by side */
#define CHUNK_ROWS        32768
#define CHUNK_BYTES       ((size_t)8 << 20)
#define SLICE_ROWS        16384 /* a chunk of the Parquet writer: it need not be put together */
#define MERGED_CHUNK_ROWS 4096  /* few: the others wait for a worker's next chunk */
#define PARTITION_BYTES   3     /* of a partition's number, before each row's key: rows of a partition stay together */

typedef struct sink_worker {
  ls_sort_chunk *chunk;
  uint32_t *shares; /* per row of the chunk: partition number % N_SHARES, UINT32_MAX outside the run */
  size_t shares_capacity;
  ls_buf key;
  char last_partition[512]; /* number of the last seen partition: rows come in runs */
  size_t last_len;
  uint32_t last_number;
} sink_worker;

/** A file that grows. */
typedef struct part_writer {
  ls_lake_sink *sink;
  ls_lake_partition *partition; /* being written, NULL: none */
  ls_parquet_writer *parquet;
  ls_buf text; /* JSON, CSV */
} part_writer;

struct ls_lake_sink {
  ls_sink_port port;
  ls_lake_sink_opts opts;
  ls_sorter *sorter;
  ls_merger *merger;  /* in_key_order: instead of the sorter */
  part_writer merged; /* the file that it writes */
  sink_worker *workers;
  pthread_mutex_t lock;    /* guards partitions */
  ls_strmap partitions;    /* path -> ls_lake_partition */
  ls_lake_partition *list; /* sorted, after staging */
  ls_sink_totals *totals;  /* NULL: none asked for */
  atomic_llong rows, outside;
  atomic_uint next_share;
};

const char *ls__lake_sink_extension(ls_format format) {
  return format == LS_FORMAT_PARQUET ? "parquet" : format == LS_FORMAT_CSV ? "csv" : "jsonl";
}

/** Number of a partition, given when new; UINT32_MAX when it is outside the run. */
static uint32_t partition_number(ls_lake_sink *sink, ls_slice path) {
  char *name = ls__strndup(path.ptr, path.len);
  pthread_mutex_lock(&sink->lock);
  ls_lake_partition *partition = ls__strmap_get(&sink->partitions, name);
  if (partition == NULL) {
    partition = LS_NEW(ls_lake_partition);
    partition->path = ls__strdup(name);
    ls_buf file = LS_BUF_INIT;
    ls__buf_printf(&file, "%s/part-00000.%s", name, ls__lake_sink_extension(sink->opts.format));
    partition->file = file.ptr;
    partition->published_by_run = sink->opts.in_run == NULL || sink->opts.in_run(sink->opts.in_run_payload, path);
    ls__strmap_put(&sink->partitions, name, partition);
  }
  uint32_t number = UINT32_MAX;
  for (size_t i = 0; i < sink->partitions.n && partition->published_by_run; i++) {
    if (sink->partitions.entries[i].value == partition) number = (uint32_t)i;
  }
  pthread_mutex_unlock(&sink->lock);
  ls__free(name);
  return number;
}

static uint32_t worker_number(ls_lake_sink *sink, sink_worker *worker, ls_slice path) {
  if (worker->last_len == path.len && path.len > 0 && memcmp(worker->last_partition, path.ptr, path.len) == 0)
    return worker->last_number;
  uint32_t number = partition_number(sink, path);
  if (path.len <= sizeof worker->last_partition) {
    memcpy(worker->last_partition, path.ptr, path.len);
    worker->last_len = path.len;
    worker->last_number = number;
  }
  return number;
}

static int hand_over(ls_lake_sink *sink, sink_worker *worker, ls_error *err) {
  ls_sort_chunk *chunk = worker->chunk;
  worker->chunk = NULL;
  if (chunk == NULL) return LS_OK;
  if (sink->merger != NULL) return ls__merger_add(sink->merger, (uint32_t)(worker - sink->workers), chunk, err);
  return ls__sorter_add(sink->sorter, chunk, worker->shares, err);
}

/** Rows that come in key order. */
static int write_in_order(ls_lake_sink *sink, sink_worker *worker, const ls_batch *batch, ls_error *err) {
  if (worker->chunk == NULL)
    worker->chunk =
        ls__sort_chunk_of(sink->opts.schema, batch->n_rows > MERGED_CHUNK_ROWS ? batch->n_rows : MERGED_CHUNK_ROWS);
  ls_batch *chunk = ls__sort_chunk_batch(worker->chunk);
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) ls__column_append_all(&chunk->columns[i], &batch->columns[i]);
  for (int64_t row = 0; row < batch->n_rows; row++) {
    ls__buf_clear(&worker->key);
    ls__key_encode(&worker->key, batch, batch->schema->key, batch->schema->n_key, row);
    ls__sort_chunk_add_key(worker->chunk, ls__buf_slice(&worker->key));
    ls__batch_append_meta(chunk, batch->ts_us[row], batch->stamps[row]);
  }
  atomic_fetch_add(&sink->rows, (long long)batch->n_rows);
  bool full = chunk->n_rows >= MERGED_CHUNK_ROWS || ls__sort_chunk_bytes(worker->chunk) > CHUNK_BYTES;
  return full ? hand_over(sink, worker, err) : LS_OK;
}

int ls__lake_sink_end(ls_lake_sink *sink, int worker, ls_error *err) {
  if (sink->merger == NULL) return LS_OK;
  LS_TRY(hand_over(sink, &sink->workers[worker], err));
  return ls__merger_end(sink->merger, (uint32_t)worker, err);
}

static int lake_sink_write(ls_sink_port *port, int worker_index, const ls_batch *batch, const ls_column *partition,
                           ls_error *err) {
  ls_lake_sink *sink = (ls_lake_sink *)port;
  sink_worker *worker = &sink->workers[worker_index];
  if (batch->n_rows == 0) return LS_OK;
  if (sink->merger != NULL) return write_in_order(sink, worker, batch, err);
  if (worker->chunk == NULL) worker->chunk = ls__sort_chunk_new(sink->sorter, CHUNK_ROWS);
  ls_batch *chunk = ls__sort_chunk_batch(worker->chunk);
  int64_t start = chunk->n_rows;
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) ls__column_append_all(&chunk->columns[i], &batch->columns[i]);
  ls__grow(&worker->shares, &worker->shares_capacity, (size_t)(start + batch->n_rows), sizeof *worker->shares);
  ls_slice fixed = partition == NULL ? ls__slice_of(sink->opts.fixed_partition) : (ls_slice){NULL, 0};
  for (int64_t row = 0; row < batch->n_rows; row++) {
    ls_slice path = partition == NULL ? fixed : ls__column_slice(partition, row);
    uint32_t number = worker_number(sink, worker, path);
    if (number == UINT32_MAX) atomic_fetch_add(&sink->outside, 1);
    worker->shares[start + row] = number == UINT32_MAX ? UINT32_MAX : number % N_SHARES;
    ls__buf_clear(&worker->key);
    for (int shift = (PARTITION_BYTES - 1) * 8; shift >= 0; shift -= 8)
      ls__buf_putc(&worker->key, (char)(number >> shift));
    ls__key_encode(&worker->key, batch, batch->schema->key, batch->schema->n_key, row);
    ls__sort_chunk_add_key(worker->chunk, ls__buf_slice(&worker->key));
    ls__batch_append_meta(chunk, batch->ts_us[row], batch->stamps[row]);
  }
  atomic_fetch_add(&sink->rows, (long long)batch->n_rows);
  bool full = chunk->n_rows >= CHUNK_ROWS || ls__sort_chunk_bytes(worker->chunk) > CHUNK_BYTES;
  return full ? hand_over(sink, worker, err) : LS_OK;
}

void ls__lake_sink_free(ls_lake_sink *sink) {
  if (sink == NULL) return;
  for (int i = 0; i < sink->opts.n_workers; i++) {
    ls__sort_chunk_abandon(sink->workers[i].chunk);
    ls__free(sink->workers[i].shares);
    ls__buf_fini(&sink->workers[i].key);
  }
  ls__free(sink->workers);
  ls__merger_free(sink->merger);
  if (sink->merged.parquet != NULL) ls__parquet_writer_abandon(sink->merged.parquet);
  ls__sorter_free(sink->sorter);
  for (size_t i = 0; i < sink->partitions.n; i++) {
    ls_lake_partition *partition = sink->partitions.entries[i].value;
    ls__free(partition->path);
    ls__free(partition->file);
    ls__free(partition);
  }
  ls__sink_totals_free(sink->totals);
  ls__free(sink->list);
  ls__strmap_fini(&sink->partitions);
  pthread_mutex_destroy(&sink->lock);
  ls__free(sink);
}

const ls_sink_totals *ls__lake_sink_totals(const ls_lake_sink *sink) {
  return sink->totals;
}

ls_sink_port *ls__lake_sink_port(ls_lake_sink *sink) {
  return &sink->port;
}

int ls__lake_sink_seal(ls_lake_sink *sink, ls_error *err) {
  for (int i = 0; i < sink->opts.n_workers; i++) LS_TRY(hand_over(sink, &sink->workers[i], err));
  ls__sorter_seal(sink->sorter);
  return LS_OK;
}

/* ---- staging ---- */

static int writer_finish(part_writer *writer, ls_error *err) {
  if (writer->partition == NULL) return LS_OK;
  ls_lake_partition *partition = writer->partition;
  writer->partition = NULL;
  if (writer->sink->opts.format == LS_FORMAT_PARQUET) {
    ls_parquet_writer *parquet = writer->parquet;
    writer->parquet = NULL;
    return ls__parquet_writer_finish(parquet, err);
  }
  return ls__lake_stage_bytes(writer->sink->opts.stage, partition->file, ls__buf_slice(&writer->text), err);
}

static int writer_start(part_writer *writer, ls_lake_partition *partition, ls_error *err) {
  LS_TRY(writer_finish(writer, err));
  writer->partition = partition;
  if (writer->sink->opts.format == LS_FORMAT_PARQUET) {
    return ls__parquet_writer_open(&writer->parquet, writer->sink->opts.stage, partition->file,
                                   writer->sink->opts.schema, err);
  }
  ls__buf_clear(&writer->text);
  if (writer->sink->opts.format == LS_FORMAT_CSV) ls__encode_csv_header(&writer->text, writer->sink->opts.schema);
  return LS_OK;
}

static int writer_rows(part_writer *writer, const ls_batch *batch, ls_error *err) {
  writer->partition->n_rows += batch->n_rows;
  if (writer->sink->totals != NULL) LS_TRY(ls__sink_totals_add(writer->sink->totals, batch, err));
  if (writer->sink->opts.format == LS_FORMAT_PARQUET) return ls__parquet_write(writer->parquet, batch, err);
  for (int64_t row = 0; row < batch->n_rows; row++) {
    if (writer->sink->opts.format == LS_FORMAT_CSV) {
      ls__encode_csv(&writer->text, batch, row);
    } else {
      ls__encode_json(&writer->text, batch, row);
      ls__buf_putc(&writer->text, '\n');
    }
  }
  return LS_OK;
}

/** ls_merger_fn */
static int take_merged(void *payload, const ls_batch *batch, ls_error *err) {
  ls_lake_sink *sink = payload;
  if (sink->merged.partition == NULL) LS_TRY(writer_start(&sink->merged, sink->partitions.entries[0].value, err));
  return writer_rows(&sink->merged, batch, err);
}

/** Reads rows of one partition up to SLICE_ROWS into out. *number is the partition's. */
static int read_slice(ls_sort_reader *reader, uint32_t *number, ls_batch *out, ls_error *err) {
  ls_stamp stamp;
  for (int64_t n = 0; n < SLICE_ROWS && ls__sort_reader_peek(reader, &stamp); n++) {
    ls_slice key = ls__sort_reader_peek_key(reader);
    uint32_t of = 0;
    for (int i = 0; i < PARTITION_BYTES; i++) of = of << 8 | (unsigned char)key.ptr[i];
    if (n == 0) *number = of;
    if (of != *number) break;
    LS_TRY(ls__sort_reader_take(reader, out, err));
  }
  return ls__sort_reader_flush(reader, out, err);
}

static int stage_rows(ls_sort_reader *reader, part_writer *writer, ls_error *err) {
  ls_arena arena;
  ls__arena_init(&arena, (size_t)1 << 20);
  uint32_t number = 0;
  ls_stamp stamp;
  int rc = LS_OK;
  while (rc >= 0 && ls__sort_reader_peek(reader, &stamp)) {
    ls__arena_reset(&arena);
    ls_batch *batch = ls__batch_new(writer->sink->opts.schema, &arena, SLICE_ROWS);
    rc = read_slice(reader, &number, batch, err);
    if (rc < 0) break;
    ls_lake_partition *partition = writer->sink->partitions.entries[number].value;
    if (partition != writer->partition) rc = writer_start(writer, partition, err);
    if (rc >= 0) rc = writer_rows(writer, batch, err);
  }
  ls__arena_fini(&arena);
  return rc;
}

static int stage_share(ls_lake_sink *sink, uint32_t share, ls_error *err) {
  part_writer writer = {.sink = sink};
  ls_sort_reader *reader = NULL;
  int rc = ls__sort_reader_open(&reader, sink->sorter, share, err);
  if (rc >= 0) rc = stage_rows(reader, &writer, err);
  if (rc >= 0) rc = writer_finish(&writer, err);
  if (writer.parquet != NULL) ls__parquet_writer_abandon(writer.parquet);
  ls__sort_reader_close(reader);
  ls__buf_fini(&writer.text);
  return rc;
}

/** A fixed partition without rows is an empty file all the same: the run has been there. */
static int stage_empty(ls_lake_sink *sink, ls_error *err) {
  part_writer writer = {.sink = sink};
  LS_TRY(writer_start(&writer, sink->partitions.entries[0].value, err));
  int rc = writer_finish(&writer, err);
  ls__buf_fini(&writer.text);
  return rc;
}

int ls__lake_sink_stage(ls_lake_sink *sink, int worker, ls_error *err) {
  if (worker == 0 && sink->merged.partition != NULL) LS_TRY(writer_finish(&sink->merged, err));
  if (worker == 0 && sink->opts.fixed_partition != NULL && atomic_load(&sink->rows) == atomic_load(&sink->outside))
    LS_TRY(stage_empty(sink, err));
  for (;;) {
    uint32_t share = atomic_fetch_add(&sink->next_share, 1);
    if (share >= N_SHARES) return LS_OK;
    if (ls__sorter_rows(sink->sorter, share) > 0) LS_TRY(stage_share(sink, share, err));
  }
}

static void open_merger(ls_lake_sink *sink) {
  const ls_lake_sink_opts *opts = &sink->opts;
  sink->merged.sink = sink;
  ls_merger_opts merger_opts = {.schema = opts->schema,
                                .n_producers = (uint32_t)opts->n_workers,
                                .batch_rows = SLICE_ROWS,
                                .take = take_merged,
                                .payload = sink,
                                .pool = opts->pool,
                                .spill_directory = opts->spill_directory};
  ls__merger_new(&sink->merger, &merger_opts);
}

int ls__lake_sink_new(ls_lake_sink **out, const ls_lake_sink_opts *opts, ls_error *err) {
  (void)err;
  ls_lake_sink *sink = LS_NEW(ls_lake_sink);
  *out = sink;
  sink->opts = *opts;
  sink->port.write = lake_sink_write;
  pthread_mutex_init(&sink->lock, NULL);
  sink->workers = ls__calloc((size_t)opts->n_workers, sizeof *sink->workers);
  ls_sorter_opts sorter_opts = {.schema = opts->schema,
                                .n_partitions = N_SHARES,
                                .keyed = true,
                                .keep_last = opts->keep_last,
                                .pool = opts->pool,
                                .spill_directory = opts->spill_directory};
  ls__sorter_new(&sink->sorter, &sorter_opts);
  if (opts->totals != NULL) ls__sink_totals_new(&sink->totals, opts->totals, opts->schema);
  bool in_run =
      opts->fixed_partition != NULL && partition_number(sink, ls__slice_of(opts->fixed_partition)) != UINT32_MAX;
  if (in_run && opts->in_key_order && opts->format == LS_FORMAT_PARQUET)
    open_merger(sink); /* text is held as a whole: not so early */
  return LS_OK;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const ls_lake_partition *)a)->path, ((const ls_lake_partition *)b)->path);
}

const ls_lake_partition *ls__lake_sink_partitions(ls_lake_sink *sink, size_t *n) {
  *n = sink->partitions.n;
  if (sink->list == NULL) {
    sink->list = ls__calloc(*n + 1, sizeof *sink->list);
    for (size_t i = 0; i < *n; i++) sink->list[i] = *(ls_lake_partition *)sink->partitions.entries[i].value;
    qsort(sink->list, *n, sizeof *sink->list, by_path);
  }
  return sink->list;
}

int64_t ls__lake_sink_rows(const ls_lake_sink *sink) {
  return atomic_load(&((ls_lake_sink *)(uintptr_t)sink)->rows);
}
int64_t ls__lake_sink_outside(const ls_lake_sink *sink) {
  return atomic_load(&((ls_lake_sink *)(uintptr_t)sink)->outside);
}
