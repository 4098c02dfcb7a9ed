/** @file recording.c  See recording.h. */
#include "runtime/recording.h"

#include "base/alloc.h"

#include <errno.h>
#include <sys/stat.h>

#define BUFFER_BYTES ((size_t)1 << 18)

/** One record in the index. Host byte order: a recording is read where it was written. */
typedef struct entry {
  int64_t offset, timestamp_us, end;
} entry;

static int failed(const char *path, ls_error *err) {
  return ls_error_set(err, LS_EIO, "%s: %s", path, strerror(errno));
}

static int open_pair(ls_recording *out, const char *directory, const char *source, int32_t partition, ls_format format,
                     const char *mode, ls_error *err) {
  *out = (ls_recording){.format = format};
  ls_buf path = LS_BUF_INIT;
  ls__buf_printf(&path, "%s/%s/partition-%d.%s", directory, source, partition,
                 format == LS_FORMAT_JSON ? "jsonl" : "bin");
  out->bytes = fopen(path.ptr, mode);
  int rc = out->bytes != NULL ? LS_OK : failed(path.ptr, err);
  ls__buf_clear(&path);
  ls__buf_printf(&path, "%s/%s/partition-%d.index", directory, source, partition);
  if (rc >= 0) out->index = fopen(path.ptr, mode);
  if (rc >= 0 && out->index == NULL) rc = failed(path.ptr, err);
  ls__buf_fini(&path);
  if (rc >= 0) setvbuf(out->bytes, NULL, _IOFBF, BUFFER_BYTES);
  return rc;
}

int ls__recording_create(ls_recording *out, const char *directory, const char *source, int32_t partition,
                         ls_format format, ls_error *err) {
  ls_buf path = LS_BUF_INIT;
  ls__buf_printf(&path, "%s/%s", directory, source);
  int rc = mkdir(directory, 0700) == 0 || errno == EEXIST ? LS_OK : failed(directory, err);
  if (rc >= 0 && mkdir(path.ptr, 0700) != 0 && errno != EEXIST) rc = failed(path.ptr, err);
  ls__buf_fini(&path);
  return rc < 0 ? rc : open_pair(out, directory, source, partition, format, "we", err);
}

/** A newline between tokens of JSON means nothing, inside of one it is not allowed; so is a blank. */
static void put_line(ls_buf *out, ls_slice value) {
  ls__buf_clear(out);
  ls__buf_append(out, value.ptr, value.len);
  for (size_t i = 0; i < out->len; i++) {
    if (out->ptr[i] == '\n') out->ptr[i] = ' ';
  }
  ls__buf_putc(out, '\n');
}

int ls__recording_add(ls_recording *recording, const ls_kafka_record *record, ls_error *err) {
  ls_slice value = record->value;
  if (recording->format == LS_FORMAT_JSON) {
    put_line(&recording->value, value);
    value = ls__buf_slice(&recording->value);
  }
  recording->end += (int64_t)value.len;
  recording->n++;
  entry at = {record->offset, record->timestamp_us, recording->end};
  bool written = (value.len == 0 || fwrite(value.ptr, value.len, 1, recording->bytes) == 1) &&
                 fwrite(&at, sizeof at, 1, recording->index) == 1;
  return written ? LS_OK : failed("the recording can't be written", err);
}

int ls__recording_open(ls_recording *out, const char *directory, const char *source, int32_t partition,
                       ls_format format, ls_error *err) {
  LS_TRY(open_pair(out, directory, source, partition, format, "re", err));
  struct stat status;
  if (fstat(fileno(out->index), &status) != 0) return failed("the recording can't be read", err);
  out->n = (int64_t)status.st_size / (int64_t)sizeof(entry);
  return LS_OK;
}

int ls__recording_next(ls_recording *recording, ls_kafka_record *record, bool *got, ls_error *err) {
  *got = recording->at < recording->n;
  if (!*got) return LS_OK;
  entry at;
  if (fread(&at, sizeof at, 1, recording->index) != 1 || at.end < recording->end)
    return ls_error_set(err, LS_EIO, "the recording is broken");
  size_t len = (size_t)(at.end - recording->end);
  ls__buf_clear(&recording->value);
  ls__buf_reserve(&recording->value, len + 1);
  if (len > 0 && fread(recording->value.ptr, len, 1, recording->bytes) != 1)
    return ls_error_set(err, LS_EIO, "the recording is broken");
  recording->end = at.end;
  recording->at++;
  if (recording->format == LS_FORMAT_JSON && len > 0) len--; /* the line's end */
  *record =
      (ls_kafka_record){.offset = at.offset, .timestamp_us = at.timestamp_us, .value = {recording->value.ptr, len}};
  return LS_OK;
}

int ls__recording_close(ls_recording *recording, ls_error *err) {
  int rc = LS_OK;
  if (recording->bytes != NULL && fclose(recording->bytes) != 0) rc = failed("the recording can't be written", err);
  if (recording->index != NULL && fclose(recording->index) != 0 && rc >= 0)
    rc = failed("the recording can't be written", err);
  ls__buf_fini(&recording->value);
  *recording = (ls_recording){0};
  return rc;
}
