/** @file lake_local.c  The lake on a local disk: POSIX calls with errors that name the file. */
#include "edge/lake_internal.h"

#include "base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int ls__local_fail(ls_error *err, int error_number, const char *doing, const char *path) {
  char text[128];
  if (strerror_r(error_number, text, sizeof text) != 0) text[0] = '\0';
  int code = error_number == ENOENT || error_number == ENOTDIR ? LS_ENOTFOUND : LS_EIO;
  return ls_error_set(err, code, "cannot %s %s: %s", doing, path, text);
}

void ls__lake_entries_add(ls_lake_entries *entries, char *name, bool is_dir, int64_t size_bytes) {
  ls__grow(&entries->entries, &entries->capacity, entries->n + 1, sizeof *entries->entries);
  entries->entries[entries->n++] = (ls_lake_entry){name, size_bytes, is_dir};
}

void ls__lake_entries_free(ls_lake_entries *entries) {
  for (size_t i = 0; i < entries->n; i++) ls__free(entries->entries[i].name);
  ls__free(entries->entries);
  *entries = (ls_lake_entries){NULL, 0, 0};
}

static bool is_gone(int error_number) {
  return error_number == ENOENT || error_number == ENOTDIR;
}

/* A name that vanishes between readdir and stat was replaced or removed by another run: not an
 * entry. */
static int list_one(ls_lake_entries *out, int dir_fd, const char *dir, const char *name, ls_error *err) {
  struct stat info;
  if (fstatat(dir_fd, name, &info, 0) != 0) {
    return is_gone(errno) ? LS_OK : ls__local_fail(err, errno, "look at a file in", dir);
  }
  if (S_ISDIR(info.st_mode)) {
    ls__lake_entries_add(out, ls__strdup(name), true, 0);
  } else if (S_ISREG(info.st_mode)) {
    ls__lake_entries_add(out, ls__strdup(name), false, (int64_t)info.st_size);
  }
  return LS_OK;
}

int ls__local_list(ls_lake_entries *out, const char *dir, ls_error *err) {
  DIR *handle = opendir(dir);
  if (!handle) return is_gone(errno) ? LS_OK : ls__local_fail(err, errno, "list", dir);
  int rc = LS_OK;
  for (;;) {
    errno = 0;
    struct dirent *entry = readdir(handle);
    if (!entry) {
      if (errno) rc = ls__local_fail(err, errno, "list", dir);
      break;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    rc = list_one(out, dirfd(handle), dir, entry->d_name, err);
    if (rc < 0) break;
  }
  closedir(handle);
  return rc;
}

int ls__local_stat(bool *is_file, int64_t *size_bytes, const char *path, ls_error *err) {
  struct stat info;
  *is_file = false;
  *size_bytes = 0;
  if (stat(path, &info) != 0) return is_gone(errno) ? LS_OK : ls__local_fail(err, errno, "look at", path);
  *is_file = S_ISREG(info.st_mode);
  *size_bytes = (int64_t)info.st_size;
  return LS_OK;
}

int ls__local_fsync(const char *path, ls_error *err) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ls__local_fail(err, errno, "open", path);
  int rc = fsync(fd) == 0 ? LS_OK : ls__local_fail(err, errno, "sync", path);
  close(fd);
  return rc;
}

/* mkdir, then the parent is synced so that the new name survives a power cut. */
static int make_dir(const char *dir, const char *parent, ls_error *err) {
  if (mkdir(dir, 0777) != 0) {
    if (errno == EEXIST) return LS_OK; /* a file of that name fails at its first use, with a better message */
    return ls__local_fail(err, errno, "make directory", dir);
  }
  return ls__local_fsync(parent, err);
}

int ls__local_mkdirs(const char *dir, ls_error *err) {
  struct stat info;
  if (stat(dir, &info) == 0 && S_ISDIR(info.st_mode)) return LS_OK;
  char *path = ls__strdup(dir);
  ls_buf parent = LS_BUF_INIT;
  ls__buf_puts(&parent, dir[0] == '/' ? "/" : ".");
  int rc = LS_OK;
  for (char *at = path + (path[0] == '/'); rc == LS_OK;) {
    at += strcspn(at, "/");
    bool last = *at == '\0';
    *at = '\0';
    if (stat(path, &info) != 0) rc = make_dir(path, parent.ptr, err);
    if (last) break;
    ls__buf_clear(&parent);
    ls__buf_puts(&parent, path);
    *at++ = '/';
  }
  ls__free(path);
  ls__buf_fini(&parent);
  return rc;
}

int ls__local_make_parent(const char *file, ls_error *err) {
  char *dir = ls__strndup(file, (size_t)(strrchr(file, '/') - file));
  int rc = ls__local_mkdirs(dir[0] ? dir : "/", err);
  ls__free(dir);
  return rc;
}

int ls__local_rename(const char *file, const char *final, ls_error *err) {
  LS_TRY(ls__local_make_parent(final, err));
  if (rename(file, final) != 0) return ls__local_fail(err, errno, "publish", final);
  char *dir = ls__strndup(final, (size_t)(strrchr(final, '/') - final));
  int rc = ls__local_fsync(dir[0] ? dir : "/", err);
  ls__free(dir);
  return rc;
}

/* Without following symbolic links: the tree may only lose what is really inside it. */
static int remove_at(int parent_fd, const char *name, const char *shown, ls_error *err) {
  if (unlinkat(parent_fd, name, 0) == 0 || is_gone(errno)) return LS_OK;
  if (errno != EISDIR && errno != EPERM) return ls__local_fail(err, errno, "remove", shown);
  int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return is_gone(errno) ? LS_OK : ls__local_fail(err, errno, "open", shown);
  DIR *handle = fdopendir(fd);
  if (!handle) {
    close(fd);
    return ls__local_fail(err, errno, "list", shown);
  }
  int rc = LS_OK;
  for (struct dirent *entry; rc == LS_OK && (entry = readdir(handle));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    rc = remove_at(fd, entry->d_name, shown, err);
  }
  closedir(handle);
  if (rc == LS_OK && unlinkat(parent_fd, name, AT_REMOVEDIR) != 0 && !is_gone(errno)) {
    rc = ls__local_fail(err, errno, "remove", shown);
  }
  return rc;
}

int ls__local_remove_tree(const char *dir, ls_error *err) {
  return remove_at(AT_FDCWD, dir, dir, err);
}
