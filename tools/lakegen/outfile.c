/** Writes a finished text as a plain, gzip or zstd file, by the ending of its name. */
#include "lakegen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

static int complain(const char *what, const char *path) {
  fprintf(stderr, "lakegen: cannot %s %s: %s\n", what, path, strerror(errno));
  return -1;
}

int lg_make_dirs(const char *path) {
  char part[4096];
  size_t size = strlen(path);
  if (size >= sizeof part) return complain("make", path);
  for (size_t i = 1; i <= size; i++) {
    if (path[i] != '/' && path[i] != '\0') continue;
    memcpy(part, path, i);
    part[i] = '\0';
    if (mkdir(part, 0777) != 0 && errno != EEXIST) return complain("make", part);
  }
  return 0;
}

static int write_plain(FILE *file, const char *data, size_t size) {
  return size == 0 || fwrite(data, 1, size, file) == size ? 0 : -1;
}

static int write_zstd(FILE *file, const char *data, size_t size) {
  size_t bound = ZSTD_compressBound(size);
  void *packed = malloc(bound);
  if (!packed) return -1;
  size_t n = ZSTD_compress(packed, bound, data, size, 1);
  int rc = ZSTD_isError(n) ? -1 : write_plain(file, packed, n);
  free(packed);
  return rc;
}

static int write_gzip(FILE *file, const char *data, size_t size) {
  z_stream stream = {0};
  if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return -1;
  uLong bound = deflateBound(&stream, (uLong)size);
  unsigned char *packed = malloc(bound);
  int rc = -1;
  if (packed) {
    stream.next_in = (z_const Bytef *)data;
    stream.avail_in = (uInt)size;
    stream.next_out = packed;
    stream.avail_out = (uInt)bound;
    if (deflate(&stream, Z_FINISH) == Z_STREAM_END) rc = write_plain(file, (char *)packed, stream.total_out);
  }
  deflateEnd(&stream);
  free(packed);
  return rc;
}

static bool ends_with(const char *path, const char *ending) {
  size_t n = strlen(path), m = strlen(ending);
  return n >= m && strcmp(path + n - m, ending) == 0;
}

int lg_file_write(const char *path, const lg_text *text, bool two_members) {
  FILE *file = fopen(path, "wb");
  if (!file) return complain("create", path);
  int (*write)(FILE *, const char *, size_t) = ends_with(path, ".gz")    ? write_gzip
                                               : ends_with(path, ".zst") ? write_zstd
                                                                         : write_plain;
  size_t cut = two_members ? text->size / 2 : 0; /* in the middle of a line: a reader must not care */
  int rc = cut ? write(file, text->data, cut) : 0;
  if (rc == 0) rc = write(file, text->data + cut, text->size - cut);
  if (fclose(file) != 0) rc = -1;
  return rc == 0 ? 0 : complain("write", path);
}
