/** @file live_files.c  See live_files.h. */
#include "edge/live_files.h"

#include "base/alloc.h"
#include "base/fault.h"

#include <sys/random.h>

#define OPEN_MAX   64
#define OPEN_BYTES ((size_t)1 << 20) /* of an open file, whatever it holds */
#define TEXT_BYTES ((size_t)1 << 16) /* of lines, before they are written */

typedef struct open_file {
  char *path; /* partition path; NULL: free */
  ls_parquet_writer *parquet;
  ls_text_writer *text;
  ls_buf lines;
  int64_t n_rows, text_bytes;
  uint64_t used; /* number of the last write to it */
} open_file;

struct ls_live_files {
  ls_live_files_opts opts;
  open_file *open;
  size_t n_open_max;
  uint64_t n_writes, n_completed;
  uint64_t nonce; /* in the names: no two attempts have the same */
  ls_live_file_list completed;
};

void ls__live_file_list_add(ls_live_file_list *list, ls_slice staged, ls_slice path, int64_t n_rows) {
  ls__grow(&list->files, &list->capacity, list->n + 1, sizeof *list->files);
  list->files[list->n++] = (ls_live_file){ls__strndup(staged.ptr, staged.len), ls__strndup(path.ptr, path.len), n_rows};
}

void ls__live_file_list_clear(ls_live_file_list *list) {
  for (size_t i = 0; i < list->n; i++) {
    ls__free(list->files[i].staged);
    ls__free(list->files[i].path);
  }
  list->n = 0;
}

void ls__live_file_list_fini(ls_live_file_list *list) {
  ls__live_file_list_clear(list);
  ls__free(list->files);
  *list = (ls_live_file_list){0};
}

void ls__live_files_new(ls_live_files **out, const ls_live_files_opts *opts) {
  ls_live_files *files = LS_NEW(ls_live_files);
  files->opts = *opts;
  size_t n = opts->memory_bytes / (2 * OPEN_BYTES);
  files->n_open_max = n < 1 ? 1 : n > OPEN_MAX ? OPEN_MAX : n;
  files->open = ls__calloc(files->n_open_max, sizeof *files->open);
  if (getrandom(&files->nonce, sizeof files->nonce, 0) != sizeof files->nonce)
    files->nonce = (uint64_t)(uintptr_t)files;
  *out = files;
}

/** Of a slot, which is used again: the stage knows no more names than there are slots. */
static void growing_name(ls_buf *out, const ls_live_files *files, const open_file *file) {
  ls__buf_printf(out, "%s-%d-%016llx-%zu", files->opts.name, files->opts.partition, (unsigned long long)files->nonce,
                 (size_t)(file - files->open));
}

static const char *extension(ls_format format) {
  return format == LS_FORMAT_PARQUET ? "parquet" : format == LS_FORMAT_CSV ? "csv" : "jsonl";
}

/* ---- open files ---- */

static void forget(open_file *file) {
  ls__free(file->path);
  ls__buf_fini(&file->lines);
  *file = (open_file){0};
}

static void abandon(ls_live_files *files, open_file *file) {
  if (file->path == NULL) return;
  ls_buf growing = LS_BUF_INIT;
  growing_name(&growing, files, file);
  if (file->parquet != NULL) ls__parquet_writer_abandon(file->parquet);
  ls__text_writer_abandon(file->text);
  ls__lake_stage_drop(files->opts.stage, growing.ptr);
  ls__buf_fini(&growing);
  forget(file);
}

static int finish_writer(open_file *file, ls_error *err) {
  ls_parquet_writer *parquet = file->parquet;
  file->parquet = NULL;
  if (parquet != NULL) return ls__parquet_writer_finish(parquet, err);
  LS_TRY(ls__text_write(file->text, ls__buf_slice(&file->lines), err));
  ls_text_writer *text = file->text;
  file->text = NULL;
  return ls__text_writer_finish(text, err);
}

static int complete(ls_live_files *files, open_file *file, ls_error *err) {
  ls_buf growing = LS_BUF_INIT, staged = LS_BUF_INIT, path = LS_BUF_INIT, name = LS_BUF_INIT;
  ls__buf_printf(&name, "live-%05d-%016llx-%06llu.%s", files->opts.partition, (unsigned long long)files->nonce,
                 (unsigned long long)files->n_completed++, extension(files->opts.format));
  growing_name(&growing, files, file);
  ls__buf_printf(&staged, "%s/%s", files->opts.directory, name.ptr);
  ls__buf_printf(&path, "%s/%s", file->path, name.ptr);
  int rc = finish_writer(file, err);
  if (rc >= 0) rc = ls__lake_stage_publish_as(files->opts.stage, growing.ptr, staged.ptr, err);
  if (rc >= 0) {
    ls__live_file_list_add(&files->completed, ls__buf_slice(&staged), ls__buf_slice(&path), file->n_rows);
    forget(file);
    ls__fault(LS_FAULT_STREAM_LAKE_STAGED_ONE);
  }
  ls__buf_fini(&growing);
  ls__buf_fini(&staged);
  ls__buf_fini(&path);
  ls__buf_fini(&name);
  return rc;
}

static int start(ls_live_files *files, open_file *file, ls_slice path, ls_error *err) {
  ls_buf name = LS_BUF_INIT;
  growing_name(&name, files, file);
  int rc;
  if (files->opts.format == LS_FORMAT_PARQUET) {
    rc = ls__parquet_writer_open(&file->parquet, files->opts.stage, name.ptr, files->opts.schema, err);
  } else {
    rc = ls__text_writer_open(&file->text, files->opts.stage, name.ptr, err);
    if (rc >= 0 && files->opts.format == LS_FORMAT_CSV) ls__encode_csv_header(&file->lines, files->opts.schema);
  }
  ls__buf_fini(&name);
  if (rc >= 0) file->path = ls__strndup(path.ptr, path.len);
  return rc;
}

/** The file of the path; opened, another one completed for it, when there is none. */
static int find_open(open_file **out, ls_live_files *files, ls_slice path, ls_error *err) {
  open_file *best = &files->open[0];
  for (size_t i = 0; i < files->n_open_max; i++) {
    open_file *file = &files->open[i];
    if (file->path != NULL && ls__slice_is(path, file->path)) {
      *out = file;
      return LS_OK;
    }
    if (best->path != NULL && (file->path == NULL || file->used < best->used)) best = file;
  }
  *out = best;
  if (best->path != NULL) LS_TRY(complete(files, best, err));
  return start(files, best, path, err);
}

/* ---- sizes ---- */

static void size_of(const open_file *file, int64_t *bytes, size_t *held) {
  *bytes = 0;
  *held = 0;
  if (file->path == NULL) return;
  if (file->parquet != NULL)
    ls__parquet_writer_size(file->parquet, bytes, held);
  else
    *held = file->lines.len;
  *bytes += file->text_bytes + (int64_t)*held;
}

int64_t ls__live_files_largest(const ls_live_files *files) {
  int64_t largest = 0;
  for (size_t i = 0; i < files->n_open_max; i++) {
    int64_t bytes;
    size_t held;
    size_of(&files->open[i], &bytes, &held);
    if (bytes > largest) largest = bytes;
  }
  return largest;
}

/** What is held in memory goes to disk, the fullest file first, until it is little enough. */
static int bound_memory(ls_live_files *files, ls_error *err) {
  for (;;) {
    open_file *fullest = NULL;
    size_t most = 0, all = 0;
    for (size_t i = 0; i < files->n_open_max; i++) {
      int64_t bytes;
      size_t held;
      size_of(&files->open[i], &bytes, &held);
      all += held + (files->open[i].path != NULL ? OPEN_BYTES : 0);
      if (files->open[i].parquet == NULL || held <= most) continue;
      most = held;
      fullest = &files->open[i];
    }
    if (fullest == NULL || all <= files->opts.memory_bytes) return LS_OK;
    LS_TRY(ls__parquet_writer_flush(fullest->parquet, err));
  }
}

/* ---- writing ---- */

static int write_lines(ls_live_files *files, open_file *file, const ls_batch *batch, ls_error *err) {
  for (int64_t row = 0; row < batch->n_rows; row++) {
    if (files->opts.format == LS_FORMAT_CSV) {
      ls__encode_csv(&file->lines, batch, row);
    } else {
      ls__encode_json(&file->lines, batch, row);
      ls__buf_putc(&file->lines, '\n');
    }
    if (file->lines.len < TEXT_BYTES) continue;
    LS_TRY(ls__text_write(file->text, ls__buf_slice(&file->lines), err));
    file->text_bytes += (int64_t)file->lines.len;
    ls__buf_clear(&file->lines);
  }
  return LS_OK;
}

int ls__live_files_write(ls_live_files *files, ls_slice path, const ls_batch *batch, ls_error *err) {
  open_file *file;
  LS_TRY(find_open(&file, files, path, err));
  file->used = ++files->n_writes;
  file->n_rows += batch->n_rows;
  if (file->text != NULL) return write_lines(files, file, batch, err);
  LS_TRY(ls__parquet_write(file->parquet, batch, err));
  return bound_memory(files, err);
}

int ls__live_files_complete(ls_live_files *files, ls_error *err) {
  for (size_t i = 0; i < files->n_open_max; i++) {
    if (files->open[i].path != NULL) LS_TRY(complete(files, &files->open[i], err));
  }
  return LS_OK;
}

size_t ls__live_files_n_completed(const ls_live_files *files) {
  return files->completed.n;
}

void ls__live_files_take(ls_live_file_list *out, ls_live_files *files) {
  *out = files->completed;
  files->completed = (ls_live_file_list){0};
}

void ls__live_files_abandon(ls_live_files *files) {
  for (size_t i = 0; i < files->n_open_max; i++) abandon(files, &files->open[i]);
  ls__live_file_list_clear(&files->completed);
}

void ls__live_files_free(ls_live_files *files) {
  if (files == NULL) return;
  ls__live_files_abandon(files);
  ls__live_file_list_fini(&files->completed);
  ls__free(files->open);
  ls__free(files);
}
