/** @file file_source.c  See file_source.h. */
#include "edge/file_source.h"

#include "base/alloc.h"
#include "data/datetime.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define BLOCK_BYTES      ((size_t)1 << 20)
#define RECORD_BYTES_MAX ((size_t)16 << 20) /* a longer record ends the run: it is no record of ours */
#define PADDING_BYTES    64
#define LS_LINE_DROPPED  INT64_MIN

struct ls_file_source {
  ls_file_source_opts opts;
  ls_lake_files files;
  pthread_mutex_t lock; /* guards all below */
  size_t next_file;     /* being read or to be opened */
  ls_lake_reader *reader;
  ls_parquet_reader *probe; /* Parquet: group counts of next_file */
  ls_buf carry;             /* bytes read past the last whole record */
  bool at_end;              /* the reader gave its last byte */
  bool damaged;             /* and there is more that can't be decompressed: */
  ls_error damage;
  bool written_off; /* the damage was told */
  int64_t next_line;
  ls_buf header; /* CSV: header record of next_file */
  bool header_taken;
  int32_t next_group;
  atomic_llong bytes_read, records;
  atomic_llong *file_records; /* per file */
};

typedef struct unit {
  size_t file;
  int64_t first_line;
  int32_t group;
  int64_t n_rows_max;
} unit;

struct ls_file_worker {
  ls_file_source *source;
  ls_decoder *decoder;
  unit unit;
  ls_buf block; /* whole records, with padding behind */
  ls_buf header;
  size_t header_file; /* file the decoder's CSV header is of, SIZE_MAX: none */
  ls_parquet_reader *parquet;
  ls_value_fault *faults; /* Parquet: of the group */
  size_t n_faults, faults_capacity;
  size_t parquet_file;
  int64_t *lines;
  size_t lines_capacity;
  uint64_t *good; /* Parquet: rows that passed the schema's checks */
  size_t good_capacity;
  ls_error *error; /* of the dead-letter port, during a decode */
  int error_code;
};

int ls__file_source_new(ls_file_source **out, const ls_file_source_opts *opts, ls_error *err) {
  ls_file_source *source = LS_NEW(ls_file_source);
  *out = source;
  source->opts = *opts;
  pthread_mutex_init(&source->lock, NULL);
  int rc = ls__lake_list(&source->files, opts->lake, opts->pattern, opts->from_days, opts->to_days, err);
  source->file_records = ls__calloc(source->files.n + 1, sizeof *source->file_records);
  return rc;
}

void ls__file_source_free(ls_file_source *source) {
  if (source == NULL) return;
  ls__lake_reader_close(source->reader);
  ls__parquet_reader_close(source->probe);
  ls__lake_files_free(&source->files);
  ls__free(source->file_records);
  ls__buf_fini(&source->carry);
  ls__buf_fini(&source->header);
  pthread_mutex_destroy(&source->lock);
  ls__free(source);
}

const ls_lake_files *ls__file_source_files(const ls_file_source *source) {
  return &source->files;
}

size_t ls__file_source_n_files(const ls_file_source *source) {
  return source->files.n;
}

int64_t ls__file_source_bytes(const ls_file_source *source) {
  int64_t bytes = 0;
  for (size_t i = 0; i < source->files.n; i++) bytes += source->files.files[i].size_bytes;
  return bytes;
}

int64_t ls__file_source_bytes_read(const ls_file_source *source) {
  return atomic_load(&((ls_file_source *)(uintptr_t)source)->bytes_read);
}
int64_t ls__file_source_records(const ls_file_source *source) {
  return atomic_load(&((ls_file_source *)(uintptr_t)source)->records);
}

int64_t ls__file_source_records_of(const ls_file_source *source, int32_t from_days, int32_t to_days) {
  int64_t n = 0;
  for (size_t i = 0; i < source->files.n; i++) {
    int32_t days = source->files.files[i].date_days;
    if (days == INT32_MIN || (days >= from_days && days <= to_days)) n += atomic_load(&source->file_records[i]);
  }
  return n;
}

const ls_lake_file *ls__file_source_file(const ls_file_source *source, size_t i) {
  return &source->files.files[i];
}

int ls__file_worker_new(ls_file_worker **out, ls_file_source *source, ls_error *err) {
  ls_file_worker *worker = LS_NEW(ls_file_worker);
  *out = worker;
  worker->source = source;
  worker->header_file = worker->parquet_file = SIZE_MAX;
  ls_decoder_opts opts = {source->opts.format, source->opts.protobuf_descriptor, source->opts.wanted};
  return ls__decoder_new(&worker->decoder, source->opts.schema, &opts, err);
}

void ls__file_worker_free(ls_file_worker *worker) {
  if (worker == NULL) return;
  ls__decoder_free(worker->decoder);
  ls__parquet_reader_close(worker->parquet);
  ls__buf_fini(&worker->block);
  ls__buf_fini(&worker->header);
  ls__free(worker->lines);
  ls__free(worker->good);
  ls__free(worker->faults);
  ls__free(worker);
}

/** Length of the prefix that ends at a record's end. */
static size_t whole_records(const ls_file_source *source, ls_slice bytes, int64_t *n_lines) {
  bool last = source->at_end && !source->damaged; /* what stands before damage may be half a record */
  if (source->opts.format == LS_FORMAT_CSV) return ls__csv_block_end(bytes, last, n_lines);
  size_t len = bytes.len;
  if (!last) {
    while (len > 0 && bytes.ptr[len - 1] != '\n') len--;
  }
  *n_lines = 0;
  for (const char *at = bytes.ptr; (at = memchr(at, '\n', len - (size_t)(at - bytes.ptr))) != NULL; at++) ++*n_lines;
  return len;
}

/** Moves on to the next file. Called with the lock held. */
static void finish_file(ls_file_source *source) {
  ls__lake_reader_close(source->reader);
  source->reader = NULL;
  ls__parquet_reader_close(source->probe);
  source->probe = NULL;
  ls__buf_clear(&source->carry);
  source->at_end = source->damaged = source->written_off = source->header_taken = false;
  source->next_line = 1;
  source->next_group = 0;
  source->next_file++;
}

/** First record of a CSV file; the file is done when it has none. */
static void take_header(ls_file_source *source, ls_file_worker *worker, size_t *start) {
  ls_slice rest = ls__buf_slice(&worker->block);
  size_t end = 0;
  bool quoted = false;
  while (end < rest.len && (quoted || rest.ptr[end] != '\n')) quoted ^= rest.ptr[end++] == '"';
  end = end < rest.len ? end + 1 : end;
  ls__buf_clear(&source->header);
  ls__buf_append(&source->header, rest.ptr, end);
  source->header_taken = true;
  *start = end;
}

static void count_records(ls_file_source *source, size_t file, int64_t n) {
  atomic_fetch_add(&source->records, (long long)n);
  atomic_fetch_add(&source->file_records[file], (long long)n);
}

static int write_letter(ls_file_source *source, size_t file, const ls_dead_letter *letter, ls_error *err) {
  count_records(source, file, 1);
  return source->opts.dead_letters->write(source->opts.dead_letters, source->opts.index, letter, err);
}

/** Reads on. A compressed file that is cut or corrupt ends there. */
static int read_some(ls_file_source *source, ls_buf *block, size_t target, ls_error *err) {
  size_t n_read = 0;
  ls__buf_reserve(block, target - block->len + PADDING_BYTES);
  int rc = ls__lake_read(source->reader, block->ptr + block->len, target - block->len, &n_read, err);
  block->len += n_read;
  source->at_end = n_read == 0;
  if (rc != LS_EDATA) return rc;
  source->damaged = true;
  source->damage = *err;
  return LS_OK;
}

/** The rest of a damaged file is one dead letter, at the first line that could not be read whole. Called with the lock held. */
static int write_off_rest(ls_file_source *source, ls_error *err) {
  const ls_lake_file *file = &source->files.files[source->next_file];
  ls_buf where = LS_BUF_INIT;
  ls__lake_describe(&where, source->opts.lake, file->path);
  const char *why = source->damage.message;
  if (strncmp(why, where.ptr, where.len) == 0 && why[where.len] == ':')
    why += where.len + 2; /* the letter names the file */
  ls_dead_letter letter = {.source = source->opts.name,
                           .file = file->path,
                           .line = source->next_line,
                           .date_days = file->date_days,
                           .reason = "damaged_file",
                           .error = why,
                           .seq = LS_SEQ_MAKE(source->opts.index, source->next_file, source->next_line)};
  int rc = write_letter(source, source->next_file, &letter, err);
  ls__buf_fini(&where);
  return rc;
}

/** Fills worker->block with whole records of the current file. Sets *got to false when the file has no more. */
static int read_block(ls_file_source *source, ls_file_worker *worker, bool *got, ls_error *err) {
  const char *path = source->files.files[source->next_file].path;
  if (source->reader == NULL) {
    LS_TRY(ls__lake_reader_open(&source->reader, source->opts.lake, path, err));
    source->next_line = 1;
  }
  ls_buf *block = &worker->block;
  ls__buf_clear(block);
  ls__buf_append(block, source->carry.ptr, source->carry.len);
  ls__buf_clear(&source->carry);
  size_t whole = 0, target = block->len + BLOCK_BYTES;
  int64_t n_lines = 0;
  while (whole == 0 && !source->at_end) {
    if (block->len > RECORD_BYTES_MAX) {
      return ls_error_set(err, LS_EDATA, "%s:%lld: a record is longer than 16 MiB", path, (long long)source->next_line);
    }
    while (block->len < target && !source->at_end) LS_TRY(read_some(source, block, target, err));
    whole = whole_records(source, ls__buf_slice(block), &n_lines);
    target += BLOCK_BYTES;
  }
  if (whole == 0 && source->at_end && !source->damaged) whole = block->len; /* CSV: what is left is one broken record */
  if (!source->damaged) ls__buf_append(&source->carry, block->ptr + whole, block->len - whole);
  block->len = whole;
  *got = whole > 0;
  worker->unit = (unit){source->next_file, source->next_line, 0, n_lines + 1};
  source->next_line += n_lines;
  if (!source->damaged) return LS_OK;
  source->damaged = false; /* told once; at_end stays */
  source->written_off = true;
  return write_off_rest(source, err);
}

/** Takes the header off the first block of a CSV file, and gives the worker the file's header. */
static void csv_header_of_block(ls_file_source *source, ls_file_worker *worker) {
  if (!source->header_taken) {
    size_t start;
    take_header(source, worker, &start);
    for (size_t i = 0; i < start; i++) worker->unit.first_line += worker->block.ptr[i] == '\n';
    memmove(worker->block.ptr, worker->block.ptr + start, worker->block.len - start);
    worker->block.len -= start;
  }
  if (worker->header_file != worker->unit.file) {
    ls__buf_clear(&worker->header);
    ls__buf_append(&worker->header, source->header.ptr, source->header.len);
  }
}

/** A file that is empty has a header too, an empty one: its decoder says what is wrong. One that is damaged has had its letter. */
static bool csv_header_is_due(const ls_file_source *source, bool got) {
  return got || (!source->header_taken && !source->written_off);
}

static int next_group(ls_file_source *source, ls_file_worker *worker, bool *got, ls_error *err) {
  const char *path = source->files.files[source->next_file].path;
  if (source->probe == NULL) {
    LS_TRY(ls__parquet_reader_open(&source->probe, source->opts.lake, path, source->opts.schema, source->opts.wanted,
                                   err));
  }
  *got = source->next_group < ls__parquet_reader_n_groups(source->probe);
  if (!*got) return LS_OK;
  int64_t n_rows = ls__parquet_reader_group_rows(source->probe, source->next_group);
  worker->unit = (unit){source->next_file, source->next_line, source->next_group++, n_rows};
  source->next_line += n_rows;
  return LS_OK;
}

static int take_unit(ls_file_source *source, ls_file_worker *worker, bool *got, ls_error *err) {
  *got = false;
  while (!*got && source->next_file < source->files.n) {
    if (source->next_line == 0) source->next_line = 1;
    if (source->opts.format == LS_FORMAT_PARQUET) {
      LS_TRY(next_group(source, worker, got, err));
    } else {
      LS_TRY(read_block(source, worker, got, err));
      if (source->opts.format == LS_FORMAT_CSV && csv_header_is_due(source, *got)) {
        csv_header_of_block(source, worker);
        *got = true;
      }
      atomic_fetch_add(&source->bytes_read, (long long)worker->block.len);
    }
    if (!*got) finish_file(source);
  }
  return LS_OK;
}

int ls__file_worker_next(ls_file_worker *worker, int64_t *n_rows_max, ls_error *err) {
  ls_file_source *source = worker->source;
  bool got;
  pthread_mutex_lock(&source->lock);
  int rc = take_unit(source, worker, &got, err);
  if (rc < 0) source->next_file = source->files.n; /* the run ends: nobody goes on */
  pthread_mutex_unlock(&source->lock);
  *n_rows_max = rc >= 0 && got ? worker->unit.n_rows_max : 0;
  return rc;
}

static void report_letter(ls_file_worker *worker, const ls_bad_record *bad) {
  const ls_file_source *source = worker->source;
  const ls_lake_file *file = &source->files.files[worker->unit.file];
  ls_dead_letter letter = {.source = source->opts.name,
                           .file = file->path,
                           .line = bad->line,
                           .date_days = file->date_days,
                           .reason = bad->reason,
                           .error = bad->error,
                           .field = bad->field,
                           .payload = bad->payload,
                           .seq = LS_SEQ_MAKE(source->opts.index, worker->unit.file, bad->line)};
  if (worker->error_code >= 0)
    worker->error_code = write_letter(worker->source, worker->unit.file, &letter, worker->error);
}

static void on_bad_record(void *payload, const ls_bad_record *bad) {
  report_letter(payload, bad);
}

/** CSV: the decoder learns a new file's header. One that does not fit breaks the file as a whole: nothing in it can be told. */
static int learn_header(ls_file_worker *worker, ls_error *err) {
  if (worker->header_file == worker->unit.file) return LS_OK;
  worker->header_file = worker->unit.file;
  ls_error why = LS_ERROR_INIT;
  int rc = ls__decoder_csv_header(worker->decoder, ls__buf_slice(&worker->header), &why);
  if (rc >= 0) return rc;
  ls_buf where = LS_BUF_INIT;
  ls__lake_describe(&where, worker->source->opts.lake, worker->source->files.files[worker->unit.file].path);
  rc = ls_error_set(err, rc, "%s:1: %s", where.ptr, why.message);
  ls__buf_fini(&where);
  return rc;
}

static int decode_block(ls_file_worker *worker, ls_batch *out, ls_error *err) {
  ls_file_source *source = worker->source;
  ls__buf_reserve(&worker->block, PADDING_BYTES);
  memset(worker->block.ptr + worker->block.len, 0, PADDING_BYTES);
  ls_slice block = ls__buf_slice(&worker->block);
  if (source->opts.format == LS_FORMAT_JSON) {
    return ls__decode_json_lines(out, worker->lines, worker->decoder, block, worker->unit.first_line, on_bad_record,
                                 worker, err);
  }
  if (source->opts.format == LS_FORMAT_CSV) {
    LS_TRY(learn_header(worker, err));
    return ls__decode_csv(out, worker->lines, worker->decoder, block, worker->unit.first_line, on_bad_record, worker,
                          err);
  }
  return ls_error_set(err, LS_ECONFIG, "source %s: files of this format can't be read line by line", source->opts.name);
}

static void add_fault(void *payload, int64_t row, uint32_t field, const char *reason) {
  ls_file_worker *worker = payload;
  ls__grow(&worker->faults, &worker->faults_capacity, worker->n_faults + 1, sizeof *worker->faults);
  worker->faults[worker->n_faults++] = (ls_value_fault){row, field, reason};
}

static int by_row(const void *a, const void *b) {
  const ls_value_fault *x = a, *y = b;
  if (x->row != y->row) return x->row < y->row ? -1 : 1;
  return x->field < y->field ? -1 : x->field > y->field;
}

static int decode_group(ls_file_worker *worker, ls_batch *out, ls_error *err) {
  ls_file_source *source = worker->source;
  if (worker->parquet_file != worker->unit.file) {
    ls__parquet_reader_close(worker->parquet);
    worker->parquet = NULL;
    worker->parquet_file = worker->unit.file;
    LS_TRY(ls__parquet_reader_open(&worker->parquet, source->opts.lake, source->files.files[worker->unit.file].path,
                                   source->opts.schema, source->opts.wanted, err));
  }
  int64_t start = out->n_rows;
  worker->n_faults = 0;
  LS_TRY(ls__parquet_read_group(out, worker->parquet, worker->unit.group, add_fault, worker, err));
  if (worker->n_faults > 1) qsort(worker->faults, worker->n_faults, sizeof *worker->faults, by_row);
  for (int64_t row = start; row < out->n_rows; row++) worker->lines[row] = worker->unit.first_line + row - start;
  ls__grow(&worker->good, &worker->good_capacity, (size_t)LS_BIT_WORDS(out->n_rows) + 1, sizeof *worker->good);
  memset(worker->good, 0xff, (size_t)LS_BIT_WORDS(out->n_rows) * sizeof *worker->good);
  LS_TRY(ls__check_batch(out, worker->decoder, worker->unit.first_line, worker->faults, worker->n_faults, on_bad_record,
                         worker, worker->good, err));
  for (int64_t row = start; row < out->n_rows; row++) {
    if (!LS_BIT_GET(worker->good, row)) worker->lines[row] = LS_LINE_DROPPED;
  }
  return LS_OK;
}

/** Event time of a row: the schema's time field, 0 without one. */
static int64_t event_time_us(const ls_batch *batch, int64_t row) {
  int32_t field = batch->schema->time_field;
  if (field < 0 || ls__is_null(&batch->columns[field], row)) return 0;
  const ls_column *column = &batch->columns[field];
  return column->type->kind == LS_DATE ? ls__column_i32(column)[row] * LS_US_PER_DAY : ls__column_i64(column)[row];
}

int ls__file_worker_decode(ls_file_worker *worker, ls_batch *out, ls_error *err) {
  ls_file_source *source = worker->source;
  ls__grow(&worker->lines, &worker->lines_capacity, (size_t)worker->unit.n_rows_max + 2, sizeof *worker->lines);
  worker->error = err;
  worker->error_code = LS_OK;
  LS_TRY(source->opts.format == LS_FORMAT_PARQUET ? decode_group(worker, out, err) : decode_block(worker, out, err));
  LS_TRY(worker->error_code);
  int64_t n_rows = out->n_rows;
  int64_t n_good = 0;
  out->n_rows = 0; /* ls__batch_append_meta counts the rows again */
  for (int64_t row = 0; row < n_rows; row++) {
    int64_t ts_us = event_time_us(out, row);
    uint64_t seq = LS_SEQ_MAKE(source->opts.index, worker->unit.file, worker->lines[row]);
    bool dropped = worker->lines[row] == LS_LINE_DROPPED; /* counted with the bad ones */
    ls__batch_append_meta(out, ts_us, dropped ? (ls_stamp){ts_us, 0} : (ls_stamp){ts_us, seq});
    n_good += !dropped;
  }
  count_records(source, worker->unit.file, n_good);
  return LS_OK;
}
