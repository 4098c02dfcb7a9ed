/** @file lake_live.c  See lake_live.h. */
#include "edge/lake_live.h"

#include "base/alloc.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/thread.h"
#include "data/row.h"
#include "edge/live_log.h"

#define BLOCK_BYTES ((size_t)256 << 10) /* of a record of rows: brokers take 1 MB */

struct ls_lake_live {
  ls_sink_port port;
  ls_lake_live_opts opts;
  ls_arena arena;               /* schemas, names */
  ls_arena scratch;             /* of one call */
  const ls_schema *file_schema; /* the sink's; keep_last: with two more columns */
  const char *directory;        /* stage directory in the lake */
  ls_row_layout layout;
  uint64_t fingerprint;
  ls_kafka_producer *producer;
  int64_t *offset; /* of the last record delivered to the log */
  /* rows behind the last cut */
  ls_live_files *files;
  int64_t n_waiting, first_us; /* wall clock: when the first of them came */
  int64_t next_row;
  /* of them, those that are not sent */
  ls_buf block, block_path;
  int64_t block_row;
  ls_buf row, value;
  /* files */
  ls_live_file_list ready;       /* in the stage, not named */
  ls_live_file_list unpublished; /* named by committed transactions */
  bool naming, telling;          /* in the open transaction */
  bool tell;                     /* all is published, the log does not say so */
  int64_t cut_offset, told_offset, trim_offset;
  uint64_t epoch, epoch_seen;
  int64_t n_files, n_rows; /* published */
};

/* ---- rows to files ---- */

/** The rows as files have them. */
static const ls_batch *with_order(ls_lake_live *live, const ls_batch *batch, int64_t first_row) {
  if (!live->opts.keep_last) return batch;
  uint32_t n = batch->schema->n_fields;
  ls_batch *out = LS_ARENA_NEW(&live->scratch, ls_batch);
  *out = *batch;
  out->schema = live->file_schema;
  out->capacity_rows = 0; /* a view never grows */
  out->columns = LS_ARENA_ARRAY(&live->scratch, ls_column, n + 2);
  memcpy(out->columns, batch->columns, n * sizeof *out->columns);
  ls__column_init(&out->columns[n], &ls__type_int64, &live->scratch, batch->n_rows);
  ls__column_init(&out->columns[n + 1], &ls__type_bool, &live->scratch, batch->n_rows);
  for (int64_t row = 0; row < batch->n_rows; row++) {
    ls__column_append_i64(&out->columns[n], first_row + row);
    ls__column_append_bool(&out->columns[n + 1], ls__is_retract(batch, row));
  }
  return out;
}

static ls_slice path_of(const ls_lake_live *live, const ls_column *partition, int64_t row) {
  if (partition != NULL) return ls__column_slice(partition, row);
  return live->opts.fixed_partition != NULL ? ls__slice_of(live->opts.fixed_partition) : (ls_slice){NULL, 0};
}

/** Rows of one path after another, each path's in their order. */
static int grow(ls_lake_live *live, const ls_batch *batch, const ls_column *partition, ls_error *err) {
  int64_t n = batch->n_rows, n_done = 0;
  int32_t *rows = LS_ARENA_ARRAY(&live->scratch, int32_t, n + 1);
  bool *done = LS_ARENA_ARRAY(&live->scratch, bool, n + 1);
  for (int64_t first = 0; n_done < n; first++) {
    if (done[first]) continue;
    ls_slice path = path_of(live, partition, first);
    int64_t n_same = 0;
    for (int64_t row = first; row < n; row++) {
      if (done[row] || (partition != NULL && !ls__slice_eq(path, ls__column_slice(partition, row)))) continue;
      done[row] = true;
      rows[n_same++] = (int32_t)row;
    }
    n_done += n_same;
    if (n_same == n) return ls__live_files_write(live->files, path, batch, err);
    ls_batch *part = ls__batch_new(batch->schema, &live->scratch, n_same);
    ls__batch_gather(part, batch, rows, n_same);
    LS_TRY(ls__live_files_write(live->files, path, part, err));
  }
  return LS_OK;
}

/* ---- rows to the log ---- */

static int send_value(ls_lake_live *live, const ls_live_record *record, ls_error *err) {
  ls__buf_clear(&live->value);
  ls__live_log_encode(&live->value, record);
  ls_kafka_send send = {.topic = live->opts.topic,
                        .partition = live->opts.partition,
                        .value = ls__buf_slice(&live->value),
                        .timestamp_us = -1,
                        .offset = live->offset};
  return ls__kafka_producer_send(live->producer, &send, err);
}

static int send_block(ls_lake_live *live, ls_error *err) {
  if (live->block.len == 0) return LS_OK;
  ls_live_record record = {.kind = LS_LIVE_ROWS,
                           .epoch = live->epoch,
                           .fingerprint = live->fingerprint,
                           .first_row = live->block_row,
                           .entries = ls__buf_slice(&live->block)};
  LS_TRY(send_value(live, &record, err));
  ls__buf_clear(&live->block);
  ls__buf_clear(&live->block_path);
  return LS_OK;
}

static int log_rows(ls_lake_live *live, const ls_batch *batch, const ls_column *partition, ls_error *err) {
  for (int64_t row = 0; row < batch->n_rows; row++) {
    if (live->block.len == 0) live->block_row = live->next_row + row;
    ls_slice path = partition != NULL ? ls__column_slice(partition, row) : (ls_slice){NULL, 0};
    if (partition != NULL && (live->block.len == 0 || !ls__slice_eq(path, ls__buf_slice(&live->block_path)))) {
      ls__live_log_add_entry(&live->block, 'p', path);
      ls__buf_clear(&live->block_path);
      ls__buf_append(&live->block_path, path.ptr, path.len);
    }
    ls__row_encode(&live->row, &live->layout, batch, row);
    ls__live_log_add_entry(&live->block, ls__is_retract(batch, row) ? 'd' : 'r', ls__buf_slice(&live->row));
    if (live->block.len >= BLOCK_BYTES) LS_TRY(send_block(live, err));
  }
  return LS_OK;
}

static int live_write(ls_sink_port *port, int worker, const ls_batch *batch, const ls_column *partition,
                      ls_error *err) {
  (void)worker;
  ls_lake_live *live = (ls_lake_live *)port;
  if (batch->n_rows == 0) return LS_OK;
  ls__arena_reset(&live->scratch);
  LS_TRY(log_rows(live, batch, partition, err));
  if (live->n_waiting == 0) live->first_us = ls__wall_us();
  live->n_waiting += batch->n_rows;
  int rc = grow(live, with_order(live, batch, live->next_row), partition, err);
  live->next_row += batch->n_rows;
  return rc;
}

/* ---- making ---- */

static const ls_schema *add_columns(ls_lake_live *live) {
  const ls_schema *schema = live->opts.schema;
  ls_schema *out = LS_ARENA_NEW(&live->arena, ls_schema);
  *out = *schema;
  out->fields = LS_ARENA_ARRAY(&live->arena, ls_field, schema->n_fields + 2);
  memcpy(out->fields, schema->fields, schema->n_fields * sizeof *out->fields);
  out->fields[out->n_fields++] = (ls_field){.name = LS_LIVE_SEQ, .type = &ls__type_int64};
  out->fields[out->n_fields++] = (ls_field){.name = LS_LIVE_DELETED, .type = &ls__type_bool};
  return out;
}

int ls__lake_live_new(ls_lake_live **out, const ls_lake_live_opts *opts, ls_error *err) {
  (void)err;
  ls_lake_live *live = LS_NEW(ls_lake_live);
  live->port.write = live_write;
  live->port.takes_deletes = opts->keep_last;
  live->opts = *opts;
  ls__arena_init(&live->arena, 1024);
  ls__arena_init(&live->scratch, (size_t)1 << 16);
  live->file_schema = opts->keep_last ? add_columns(live) : opts->schema;
  live->directory =
      ls__arena_printf(&live->arena, "_live/%s/%s-%05d", opts->application_id, opts->name, opts->partition);
  ls__row_layout_init(&live->layout, opts->schema, &live->arena);
  live->fingerprint = (uint64_t)live->layout.id << 1 | opts->keep_last;
  ls_live_files_opts files = {.stage = opts->stage,
                              .name = opts->name,
                              .directory = live->directory,
                              .partition = opts->partition,
                              .schema = live->file_schema,
                              .format = opts->format,
                              .memory_bytes = opts->memory_bytes};
  ls__live_files_new(&live->files, &files);
  ls__lake_live_reset(live);
  *out = live;
  return LS_OK;
}

void ls__lake_live_free(ls_lake_live *live) {
  if (live == NULL) return;
  ls__live_files_free(live->files);
  ls__live_file_list_fini(&live->ready);
  ls__live_file_list_fini(&live->unpublished);
  ls__buf_fini(&live->block);
  ls__buf_fini(&live->block_path);
  ls__buf_fini(&live->row);
  ls__buf_fini(&live->value);
  ls__arena_fini(&live->scratch);
  ls__arena_fini(&live->arena);
  ls__free(live);
}

ls_sink_port *ls__lake_live_port(ls_lake_live *live) {
  return &live->port;
}

void ls__lake_live_bind(ls_lake_live *live, ls_kafka_producer *producer, int64_t *offset) {
  live->producer = producer;
  live->offset = offset;
}

/* ---- taking over ---- */

void ls__lake_live_reset(ls_lake_live *live) {
  ls__live_files_abandon(live->files);
  ls__live_file_list_clear(&live->ready);
  ls__live_file_list_clear(&live->unpublished);
  ls__buf_clear(&live->block);
  ls__buf_clear(&live->block_path);
  live->n_waiting = live->next_row = 0;
  live->naming = live->telling = live->tell = false;
  live->cut_offset = live->told_offset = live->trim_offset = -1;
  live->epoch = live->epoch_seen = 0;
}

bool ls__lake_live_has_staged(const ls_lake_live *live) {
  return live->ready.n > 0 || ls__live_files_n_completed(live->files) > 0;
}

/** A run of restored rows of one path goes to its file. */
static int restore_run(ls_lake_live *live, ls_batch *run, ls_slice path, int64_t *row, ls_error *err) {
  if (run->n_rows == 0) return LS_OK;
  int rc = ls__live_files_write(live->files, path, with_order(live, run, *row), err);
  *row += run->n_rows;
  live->n_waiting += run->n_rows;
  ls__batch_clear(run);
  return rc;
}

static int restore_rows(ls_lake_live *live, const ls_live_record *rows, int64_t timestamp_us, ls_error *err) {
  if (rows->fingerprint != live->fingerprint) {
    return ls_error_set(
        err, LS_ECONFIG,
        "sink %s: rows of another form wait in topic %s; stop the former topology in order, which writes them to the "
        "lake, or delete the topic, and they are lost",
        live->opts.name, live->opts.topic_name);
  }
  if (live->n_waiting == 0) live->first_us = timestamp_us >= 0 ? timestamp_us : ls__wall_us();
  ls__arena_reset(&live->scratch);
  ls_batch *run = ls__batch_new(live->opts.schema, &live->scratch, 256);
  ls_slice entries = rows->entries, path = path_of(live, NULL, 0);
  int64_t row = rows->first_row;
  ls_live_entry entry;
  bool found;
  for (;;) { /* of paths with expressions each run of rows has its own in front */
    LS_TRY(ls__live_log_next_entry(&entry, &found, &entries, err));
    if (!found || entry.kind == 'p') LS_TRY(restore_run(live, run, path, &row, err));
    if (!found) break;
    if (entry.kind == 'p') {
      path = entry.bytes;
      continue;
    }
    LS_TRY(ls__row_decode(run->columns, &live->layout, entry.bytes, err));
    ls__batch_append_meta(run, 0, (ls_stamp){0, 0});
    if (entry.kind == 'd') ls__batch_set_retract(run, run->n_rows - 1);
  }
  live->next_row = row;
  return LS_OK;
}

static int apply(ls_lake_live *live, const ls_live_record *record, const ls_kafka_record *from, ls_error *err) {
  if (record->kind == LS_LIVE_ROWS) return restore_rows(live, record, from->timestamp_us, err);
  if (record->epoch < live->epoch_seen) return LS_OK; /* without transactions: of an owner that was one no more */
  switch (record->kind) {
  case LS_LIVE_FILE:
    ls__live_file_list_add(&live->ready, record->staged, record->path, record->n_rows);
    break;
  case LS_LIVE_CUT:
    ls__live_files_abandon(live->files);
    for (size_t i = 0; i < live->ready.n; i++) {
      const ls_live_file *file = &live->ready.files[i];
      ls__live_file_list_add(&live->unpublished, ls__slice_of(file->staged), ls__slice_of(file->path), file->n_rows);
    }
    ls__live_file_list_clear(&live->ready);
    live->n_waiting = 0;
    live->next_row = record->next_row;
    live->cut_offset = from->offset;
    break;
  case LS_LIVE_PUBLISHED:
    ls__live_file_list_clear(&live->unpublished);
    live->tell = false;
    break;
  default:
    break;
  }
  return LS_OK;
}

int ls__lake_live_restore(ls_lake_live *live, const ls_kafka_record *from, ls_error *err) {
  ls_live_record record;
  int rc = ls__live_log_decode(&record, from->value, err);
  if (rc >= 0) rc = apply(live, &record, from, err);
  if (rc >= 0 && record.epoch > live->epoch_seen) live->epoch_seen = record.epoch;
  if (rc != LS_EDATA && rc != LS_EINTERNAL) return rc;
  ls_error cause = *err;
  return ls_error_set(err, LS_EDATA, "topic %s, partition %d, offset %lld: %s", live->opts.topic_name, from->partition,
                      (long long)from->offset, cause.message);
}

int ls__lake_live_own(ls_lake_live *live, ls_error *err) {
  live->epoch = ++live->epoch_seen;
  ls__live_file_list_clear(&live->ready); /* without transactions: named, and never cut */
  if (live->unpublished.n > 0) {
    ls__log(LS_LOG_INFO, "edge", "lake_finishes", "sink=%s partition=%d files=%zu", live->opts.name,
            live->opts.partition, live->unpublished.n);
    LS_TRY(ls__lake_live_publish(live, err));
  }
  size_t n;
  LS_TRY(ls__lake_clear(live->opts.lake, live->directory, &n, err));
  if (n > 0)
    ls__log(LS_LOG_INFO, "edge", "lake_leftovers_removed", "sink=%s partition=%d files=%zu", live->opts.name,
            live->opts.partition, n);
  return LS_OK;
}

/* ---- running ---- */

bool ls__lake_live_has_rows(const ls_lake_live *live) {
  return live->n_waiting > 0;
}

bool ls__lake_live_is_due(const ls_lake_live *live) {
  if (live->n_waiting == 0) return false;
  return ls__wall_us() - live->first_us >= live->opts.roll_us ||
         ls__live_files_largest(live->files) >= live->opts.roll_bytes;
}

bool ls__lake_live_has_news(const ls_lake_live *live) {
  return live->tell || live->ready.n > 0;
}

bool ls__lake_live_has_names(const ls_lake_live *live) {
  return live->ready.n > 0;
}

int ls__lake_live_stage(ls_lake_live *live, ls_error *err) {
  if (live->n_waiting == 0 || live->ready.n > 0) return LS_OK;
  LS_TRY(ls__live_files_complete(live->files, err));
  ls__live_file_list_fini(&live->ready);
  ls__live_files_take(&live->ready, live->files);
  return LS_OK;
}

static int send_names(ls_lake_live *live, ls_error *err) {
  for (size_t i = 0; i < live->ready.n; i++) {
    const ls_live_file *file = &live->ready.files[i];
    ls_live_record record = {.kind = LS_LIVE_FILE,
                             .epoch = live->epoch,
                             .staged = ls__slice_of(file->staged),
                             .path = ls__slice_of(file->path),
                             .n_rows = file->n_rows};
    LS_TRY(send_value(live, &record, err));
  }
  live->naming = true;
  return send_value(live, &(ls_live_record){.kind = LS_LIVE_CUT, .epoch = live->epoch, .next_row = live->next_row},
                    err);
}

int ls__lake_live_send(ls_lake_live *live, bool *sent, ls_error *err) {
  *sent = live->block.len > 0 || ls__lake_live_has_news(live);
  LS_TRY(send_block(live, err));
  if (live->tell) {
    live->telling = true;
    LS_TRY(send_value(live, &(ls_live_record){.kind = LS_LIVE_PUBLISHED, .epoch = live->epoch}, err));
  }
  return live->ready.n > 0 ? send_names(live, err) : LS_OK; /* the cut is the last record: *offset is its own */
}

void ls__lake_live_committed(ls_lake_live *live) {
  if (live->telling) {
    live->tell = live->telling = false;
    live->trim_offset = live->told_offset;
  }
  if (!live->naming) return;
  live->naming = false;
  ls__live_file_list_fini(&live->unpublished);
  live->unpublished = live->ready;
  live->ready = (ls_live_file_list){0};
  live->n_waiting = 0;
  live->cut_offset = *live->offset;
}

int ls__lake_live_publish(ls_lake_live *live, ls_error *err) {
  if (live->unpublished.n == 0) return LS_OK;
  for (size_t i = 0; i < live->unpublished.n; i++) {
    const ls_live_file *file = &live->unpublished.files[i];
    int rc = ls__lake_move(live->opts.lake, file->staged, file->path, err);
    if (rc == LS_ENOTFOUND) {
      return ls_error_set(
          err, LS_EIO,
          "sink %s: file %s is neither in the stage (%s) nor published: put it back; or, when another job has taken "
          "its rows over, an empty file of that name until this has started",
          live->opts.name, file->path, file->staged);
    }
    LS_TRY(rc);
    live->n_files++;
    live->n_rows += file->n_rows;
    ls__fault(LS_FAULT_STREAM_LAKE_PUBLISHED_ONE);
  }
  ls__live_file_list_clear(&live->unpublished);
  live->tell = true;
  live->told_offset = live->cut_offset;
  ls__fault(LS_FAULT_STREAM_LAKE_PUBLISHED_ALL);
  return LS_OK;
}

int64_t ls__lake_live_trim(ls_lake_live *live) {
  int64_t offset = live->trim_offset;
  live->trim_offset = -1;
  return offset;
}

void ls__lake_live_counts(const ls_lake_live *live, int64_t *files, int64_t *rows) {
  *files = live->n_files;
  *rows = live->n_rows;
}
