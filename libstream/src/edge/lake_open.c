/**
 * @file lake_open.c  The lake handle: which file system a root means, paths, and calls that go
 * to one or the other.
 */
#include "edge/lake_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Heap copy of text without trailing slashes; "/" stays. */
static char *trim_slashes(const char *text) {
  size_t len = strlen(text);
  while (len > 1 && text[len - 1] == '/') len--;
  return ls__strndup(text, len);
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* file:///directory, with %XX as in every URI. */
static int parse_file_uri(char **out_dir, const char *uri, ls_error *err) {
  const char *path = uri + strlen("file:");
  if (strncmp(path, "//", 2) == 0) path += 2;
  if (strncmp(path, "localhost/", 10) == 0) path += 9;
  if (path[0] != '/') {
    return ls_error_set(err, LS_ECONFIG, "lake root %s: want file:///directory (an absolute path, no host)", uri);
  }
  char *dir = trim_slashes(path);
  char *to = dir;
  for (const char *from = dir; *from; from++) {
    if (*from != '%') {
      *to++ = *from;
      continue;
    }
    int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);
    if (low < 0 || (high == 0 && low == 0)) {
      ls__free(dir);
      return ls_error_set(err, LS_ECONFIG, "lake root %s: %% must be followed by two hexadecimal digits", uri);
    }
    *to++ = (char)(high * 16 + low);
    from += 2;
  }
  *to = '\0';
  *out_dir = dir;
  return LS_OK;
}

/* s3://bucket/prefix. The URI is not shown when it holds credentials. */
static int parse_s3_uri(ls_lake *lake, const char *uri, ls_error *err) {
  const char *path = uri + strlen("s3://");
  size_t bucket_len = strcspn(path, "/");
  if (memchr(path, '@', bucket_len)) {
    return ls_error_set(err, LS_ECONFIG,
                        "lake root: an s3:// root must not hold credentials; they come from the AWS variables");
  }
  if (bucket_len == 0) return ls_error_set(err, LS_ECONFIG, "lake root %s: want s3://bucket/prefix", uri);
  if (strchr(path, '?') || strchr(path, '#')) {
    return ls_error_set(err, LS_ECONFIG,
                        "lake root %s: options in the URI are not known; set AWS_REGION, AWS_ENDPOINT_URL", uri);
  }
  lake->base = trim_slashes(path);
  char *bucket = ls__strndup(path, bucket_len);
  int rc = ls__s3_open(&lake->s3, bucket, err);
  ls__free(bucket);
  return rc;
}

static int open_root(ls_lake *lake, const char *root, ls_error *err) {
  if (strncmp(root, "s3://", 5) == 0) return parse_s3_uri(lake, root, err);
  lake->local = true;
  if (strncmp(root, "file:", 5) == 0) return parse_file_uri(&lake->base, root, err);
  const char *scheme = strstr(root, "://");
  if (scheme) {
    return ls_error_set(err, LS_ECONFIG, "lake root: scheme '%.*s' is not known; use a directory, file:// or s3://",
                        (int)(scheme - root), root);
  }
  lake->base = trim_slashes(root);
  return LS_OK;
}

int ls__lake_open(ls_lake **out, const char *root, ls_error *err) {
  if (!root || !root[0]) return ls_error_set(err, LS_ECONFIG, "lake root: is empty; use a directory, file:// or s3://");
  ls_lake *lake = LS_NEW(ls_lake);
  int rc = open_root(lake, root, err);
  if (rc < 0) {
    ls__lake_close(lake);
    return rc;
  }
  lake->root = trim_slashes(root);
  *out = lake;
  return LS_OK;
}

void ls__lake_close(ls_lake *lake) {
  if (!lake) return;
  if (lake->s3) ls__s3_close(lake->s3);
  ls__free(lake->root);
  ls__free(lake->base);
  ls__free(lake);
}

bool ls__lake_is_local(const ls_lake *lake) {
  return lake->local;
}

void ls__lake_describe(ls_buf *out, const ls_lake *lake, const char *path) {
  ls__buf_puts(out, lake->root);
  if (strcmp(lake->root, "/") != 0) ls__buf_putc(out, '/');
  ls__buf_puts(out, path);
}

int ls__lake_check_path(const char *path, ls_error *err) {
  const char *segment = path;
  for (;;) {
    size_t len = strcspn(segment, "/");
    bool dots = (len == 1 && segment[0] == '.') || (len == 2 && segment[0] == '.' && segment[1] == '.');
    if (len == 0 || dots) {
      return ls_error_set(err, LS_EINVAL, "lake path '%s': want a relative path without empty, '.' or '..' parts",
                          path);
    }
    if (!segment[len]) return LS_OK;
    segment += len + 1;
  }
}

char *ls__lake_full_path(const ls_lake *lake, const char *path) {
  ls_buf full = LS_BUF_INIT;
  ls__buf_puts(&full, lake->base);
  if (strcmp(lake->base, "/") != 0) ls__buf_putc(&full, '/');
  ls__buf_puts(&full, path);
  return full.ptr; /* the buffer's bytes come from the same heap */
}

int ls__lake_exists(bool *out, ls_lake *lake, const char *path, ls_error *err) {
  LS_TRY(ls__lake_check_path(path, err));
  char *full = ls__lake_full_path(lake, path);
  int64_t size_bytes = 0;
  int rc =
      lake->local ? ls__local_stat(out, &size_bytes, full, err) : ls__s3_stat(out, &size_bytes, lake->s3, full, err);
  ls__free(full);
  return rc;
}

static int local_remove(const char *file, ls_error *err) {
  if (unlink(file) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return LS_OK;
    return ls__local_fail(err, errno, "remove", file);
  }
  const char *slash = strrchr(file, '/');
  char *dir = slash && slash > file ? ls__strndup(file, (size_t)(slash - file)) : ls__strdup(slash ? "/" : ".");
  int rc = ls__local_fsync(dir, err);
  ls__free(dir);
  return rc;
}

int ls__lake_remove(ls_lake *lake, const char *path, ls_error *err) {
  LS_TRY(ls__lake_check_path(path, err));
  char *full = ls__lake_full_path(lake, path);
  int rc = lake->local ? local_remove(full, err) : ls__s3_remove(lake->s3, full, err);
  ls__free(full);
  return rc;
}

static int move_s3(ls_s3 *s3, const char *from, const char *to, ls_error *err) {
  LS_TRY(ls__s3_copy(s3, from, to, err));
  return ls__s3_remove(s3, from, err);
}

int ls__lake_move(ls_lake *lake, const char *from, const char *to, ls_error *err) {
  LS_TRY(ls__lake_check_path(from, err));
  LS_TRY(ls__lake_check_path(to, err));
  char *from_full = ls__lake_full_path(lake, from), *to_full = ls__lake_full_path(lake, to);
  int rc = lake->local ? ls__local_rename(from_full, to_full, err) : move_s3(lake->s3, from_full, to_full, err);
  ls__free(from_full);
  ls__free(to_full);
  if (rc != LS_ENOTFOUND) return rc;
  bool is_there = false;
  LS_TRY(ls__lake_exists(&is_there, lake, to, err)); /* someone else was faster */
  return is_there ? LS_OK : ls_error_set(err, LS_ENOTFOUND, "%s: neither %s nor %s is there", lake->root, from, to);
}

int ls__lake_clear(ls_lake *lake, const char *directory, size_t *n, ls_error *err) {
  *n = 0;
  LS_TRY(ls__lake_check_path(directory, err));
  ls_lake_entries entries = {NULL, 0, 0};
  char *full = ls__lake_full_path(lake, directory);
  int rc = lake->local ? ls__local_list(&entries, full, err) : ls__s3_list(&entries, lake->s3, full, err);
  ls__free(full);
  for (size_t i = 0; i < entries.n && rc == LS_OK; i++) {
    if (entries.entries[i].is_dir) continue;
    ls_buf path = LS_BUF_INIT;
    ls__buf_printf(&path, "%s/%s", directory, entries.entries[i].name);
    rc = ls__lake_remove(lake, path.ptr, err);
    ls__buf_fini(&path);
    ++*n;
  }
  ls__lake_entries_free(&entries);
  return rc;
}
