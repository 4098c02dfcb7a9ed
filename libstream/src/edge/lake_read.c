/**
 * @file lake_read.c
 * Sequential reading of one file: raw bytes from disk or S3, through a decoder when the name says
 * so. Files of several gzip members or zstd/lz4 frames are read to their end; a stream that stops
 * inside one is LS_EDATA, after all bytes before it.
 */
#include "edge/lake_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define IN_BYTES   ((size_t)1 << 20)
#define SKIP_BYTES ((size_t)64 << 10)
#define NO_TEXT    '\xff' /* a byte that no text in UTF-8 has */

struct ls_lake_reader {
  int fd; /* -1: S3 */
  ls_s3_reader *remote;
  ls_lake *lake;
  char *path, *name;    /* in the lake; for messages */
  ls_inflater *decoder; /* NULL: not compressed */
  char *in;             /* IN_BYTES of raw input for the decoder */
  size_t in_pos, in_len;
  bool raw_end;  /* the raw input is exhausted */
  bool in_frame; /* a frame has begun and not ended */
  bool any;      /* some raw byte was read */
  bool damaged;  /* the decoder refused what it was given */
  bool careful;  /* from here on byte by byte */
  bool at_damage;
  ls_error damage;  /* at_damage: what every further read tells */
  uint64_t n_given; /* bytes the decoder gave to the caller */
};

static int open_raw(ls_lake_reader *reader, ls_lake *lake, const char *path, ls_error *err) {
  char *full = ls__lake_full_path(lake, path);
  int rc = LS_OK;
  if (lake->local) {
    reader->fd = open(full, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0) {
      rc = ls__local_fail(err, errno, "open", full);
    } else {
      (void)posix_fadvise(reader->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
  } else {
    rc = ls__s3_reader_open(&reader->remote, lake->s3, full, err);
  }
  ls__free(full);
  return rc;
}

int ls__lake_reader_open(ls_lake_reader **out, ls_lake *lake, const char *path, ls_error *err) {
  LS_TRY(ls__lake_check_path(path, err));
  ls_lake_reader *reader = LS_NEW(ls_lake_reader);
  reader->fd = -1;
  reader->lake = lake;
  reader->path = ls__strdup(path);
  ls_buf name = LS_BUF_INIT;
  ls__lake_describe(&name, lake, path);
  reader->name = name.ptr;
  int rc = open_raw(reader, lake, path, err);
  if (rc == LS_OK) rc = ls__inflater_new(&reader->decoder, path, err);
  if (rc < 0) {
    ls__lake_reader_close(reader);
    return rc;
  }
  if (reader->decoder) reader->in = ls__alloc(IN_BYTES);
  *out = reader;
  return LS_OK;
}

static int read_raw(ls_lake_reader *reader, void *buffer, size_t n_bytes, size_t *n_read, ls_error *err) {
  if (reader->fd < 0) return ls__s3_reader_read(reader->remote, buffer, n_bytes, n_read, err);
  for (;;) {
    ssize_t n = read(reader->fd, buffer, n_bytes);
    if (n >= 0) {
      *n_read = (size_t)n;
      return LS_OK;
    }
    if (errno != EINTR) return ls__local_fail(err, errno, "read", reader->name);
  }
}

static int fill(ls_lake_reader *reader, ls_error *err) {
  reader->in_pos = 0;
  LS_TRY(read_raw(reader, reader->in, IN_BYTES, &reader->in_len, err));
  reader->raw_end = reader->in_len == 0;
  reader->any |= reader->in_len > 0;
  return LS_OK;
}

/* One call of the decoder on what is buffered; nothing buffered drains what the decoder still
 * holds. */
static int step(ls_lake_reader *reader, void *buffer, size_t n_bytes, size_t *n_made, ls_error *err) {
  ls_slice in = {reader->in + reader->in_pos, reader->in_len - reader->in_pos};
  size_t n_used = 0;
  bool finished = false;
  int rc = ls__inflater_step(reader->decoder, in, &n_used, buffer, n_bytes, n_made, &finished, err);
  if (rc < 0) {
    reader->damaged = true;
    ls_error_prefix(err, "%s: ", reader->name);
    return rc;
  }
  reader->in_pos += n_used;
  if (finished) {
    reader->in_frame = false;
  } else if (n_used > 0) {
    reader->in_frame = true;
  }
  if (in.len > 0 && n_used == 0 && *n_made == 0 && !finished) {
    reader->damaged = true;
    return ls_error_set(err, LS_EDATA, "%s: the compressed data is corrupt", reader->name);
  }
  return LS_OK;
}

static int read_decoded(ls_lake_reader *reader, void *buffer, size_t n_bytes, size_t *n_read, ls_error *err) {
  for (;;) {
    if (reader->in_pos < reader->in_len || reader->in_frame) {
      size_t n_made = 0;
      LS_TRY(step(reader, buffer, n_bytes, &n_made, err));
      if (n_made > 0) {
        *n_read = n_made;
        return LS_OK;
      }
      if (reader->in_pos < reader->in_len) continue;
    }
    if (reader->raw_end) {
      if (!reader->in_frame && reader->any) return LS_OK;
      return ls_error_set(err, LS_EDATA, "%s: the compressed data is truncated", reader->name);
    }
    LS_TRY(fill(reader, err));
  }
}

static void close_raw(ls_lake_reader *reader) {
  if (reader->fd >= 0) close(reader->fd);
  if (reader->remote) ls__s3_reader_close(reader->remote);
  reader->fd = -1;
  reader->remote = NULL;
}

/* Decodes and drops what the caller has. */
static int skip_given(ls_lake_reader *reader, ls_error *err) {
  char *dropped = ls__alloc(SKIP_BYTES);
  uint64_t left = reader->n_given;
  int rc = LS_OK;
  while (rc == LS_OK && left > 0) {
    size_t n = 0;
    rc = read_decoded(reader, dropped, left < SKIP_BYTES ? (size_t)left : SKIP_BYTES, &n, err);
    if (rc == LS_EDATA || (rc == LS_OK && n == 0)) {
      rc = ls_error_set(err, LS_ERETRY, "%s: the file was replaced while it was read", reader->name);
    }
    left -= n;
  }
  ls__free(dropped);
  return rc;
}

/**
 * The call in which the decoder meets damage does not tell what it gave before. So the file is read
 * anew up to where the caller is, and from there a byte at a time: what can be had of a damaged
 * file is then the same however it was cut into pieces.
 */
static int begin_again(ls_lake_reader *reader, ls_error *err) {
  close_raw(reader);
  ls__inflater_free(reader->decoder);
  reader->decoder = NULL;
  LS_TRY(open_raw(reader, reader->lake, reader->path, err));
  LS_TRY(ls__inflater_new(&reader->decoder, reader->path, err));
  reader->in_pos = reader->in_len = 0;
  reader->raw_end = reader->in_frame = reader->any = reader->damaged = false;
  reader->careful = true;
  return skip_given(reader, err);
}

/* One byte; it may have come in the call that met the damage. */
static int read_carefully(ls_lake_reader *reader, char *byte, size_t *n_read, ls_error *err) {
  if (reader->at_damage) return ls_error_set(err, LS_EDATA, "%s", reader->damage.message);
  *byte = NO_TEXT;
  int rc = read_decoded(reader, byte, 1, n_read, err);
  if (rc != LS_EDATA || !reader->damaged) return rc;
  reader->at_damage = true;
  reader->damage = *err;
  if (*byte == NO_TEXT) return rc;
  *n_read = 1;
  return LS_OK;
}

int ls__lake_read(ls_lake_reader *reader, void *buffer, size_t n_bytes, size_t *n_read, ls_error *err) {
  *n_read = 0;
  if (n_bytes == 0) return LS_OK;
  if (!reader->decoder) return read_raw(reader, buffer, n_bytes, n_read, err);
  if (!reader->careful) {
    int rc = read_decoded(reader, buffer, n_bytes, n_read, err);
    reader->n_given += *n_read;
    if (rc != LS_EDATA || !reader->damaged) return rc;
    LS_TRY(begin_again(reader, err));
  }
  return read_carefully(reader, buffer, n_read, err);
}

void ls__lake_reader_close(ls_lake_reader *reader) {
  if (!reader) return;
  close_raw(reader);
  if (reader->decoder) ls__inflater_free(reader->decoder);
  ls__free(reader->path);
  ls__free(reader->name);
  ls__free(reader->in);
  ls__free(reader);
}
