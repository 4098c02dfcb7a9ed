/**
 * @file lake_stage.c
 * Staged output. A run's files grow below <base>/_staging/<run>/, where no pattern looks (names
 * starting with '_' are skipped), and are published one by one: renamed over the old file (local)
 * or sent as one object (S3).
 *
 * <base>/_staging/<run>.lock is locked as long as the run lives and always before its directory is
 * made, so a directory whose lock is free was left by a dead run: whoever comes next removes it.
 * base is the lake root, on S3 the work directory.
 */
#include "edge/lake_internal.h"

#include "base/alloc.h"
#include "base/fault.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_ID_MAX 200
static const char lock_suffix[] = ".lock";

typedef struct staged_file {
  bool published;
} staged_file;

struct ls_lake_stage {
  ls_lake *lake;
  char *area; /* <base>/_staging */
  char *dir;  /* <area>/<run> */
  char *lock; /* <area>/<run>.lock */
  int lock_fd;
  pthread_mutex_t mutex; /* files: writers of one stage may finish on several threads */
  ls_strmap files;       /* path -> staged_file, complete ones */
};

static int check_run_id(const char *run_id, ls_error *err) {
  size_t len = strlen(run_id);
  size_t suffix = strlen(lock_suffix);
  bool is_lock = len >= suffix && strcmp(run_id + len - suffix, lock_suffix) == 0;
  if (len == 0 || len > RUN_ID_MAX || run_id[0] == '.' || is_lock || strchr(run_id, '/')) {
    return ls_error_set(err, LS_EINVAL, "run id '%s': want 1 to %d characters without '/', no leading '.', no '.lock'",
                        run_id, RUN_ID_MAX);
  }
  return LS_OK;
}

static char *join(const char *dir, const char *name, const char *suffix) {
  ls_buf path = LS_BUF_INIT;
  ls__buf_puts(&path, dir);
  ls__buf_putc(&path, '/');
  ls__buf_puts(&path, name);
  ls__buf_puts(&path, suffix);
  return path.ptr;
}

static bool is_same_file(int fd, const char *path) {
  struct stat open_info, path_info;
  return fstat(fd, &open_info) == 0 && stat(path, &path_info) == 0 && open_info.st_ino == path_info.st_ino &&
         open_info.st_dev == path_info.st_dev;
}

/**
 * Takes a lock file, creating it. A lock that another process has unlinked meanwhile locks nothing:
 * tried again. *out_fd -1: a live run holds it.
 */
static int take_lock(int *out_fd, const char *area, const char *lock, ls_error *err) {
  *out_fd = -1;
  for (int attempt = 0; attempt < 100; attempt++) {
    LS_TRY(ls__local_mkdirs(area, err)); /* inside the loop: the last run to end removes the empty area */
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
      if (errno == ENOENT) continue;
      return ls__local_fail(err, errno, "create", lock);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      int error_number = errno;
      close(fd);
      return error_number == EWOULDBLOCK ? LS_OK : ls__local_fail(err, error_number, "lock", lock);
    }
    if (is_same_file(fd, lock)) {
      *out_fd = fd;
      return LS_OK;
    }
    close(fd);
  }
  return ls_error_set(err, LS_ERETRY, "cannot lock %s: other runs keep removing it", lock);
}

/* The directory goes before its lock: nobody else may see one without the other. */
static int drop_run(const char *dir, const char *lock, int lock_fd, ls_error *err) {
  int rc = ls__local_remove_tree(dir, err);
  if (rc == LS_OK && unlink(lock) != 0 && errno != ENOENT) rc = ls__local_fail(err, errno, "remove", lock);
  close(lock_fd);
  return rc;
}

/* Removes what a dead run left. A run that lives, or that another process is removing just now,
 * is passed over. */
static void remove_if_dead(const char *area, const char *run) {
  char *dir = join(area, run, "");
  char *lock = join(area, run, lock_suffix);
  int fd = -1;
  ls_error err = LS_ERROR_INIT;
  int rc = take_lock(&fd, area, lock, &err);
  if (rc == LS_OK && fd >= 0) {
    rc = drop_run(dir, lock, fd, &err);
    if (rc == LS_OK) ls__log(LS_LOG_INFO, "edge", "stage_leftover_removed", "run=%s", run);
  }
  /* the leftover does no harm where it lies, so a failure to remove it does not stop this run */
  if (rc < 0) ls__log(LS_LOG_WARN, "edge", "stage_leftover_kept", "run=%s error=\"%s\"", run, err.message);
  ls__free(dir);
  ls__free(lock);
}

static int remove_leftovers(const ls_lake_stage *stage, ls_error *err) {
  ls_lake_entries entries = {NULL, 0, 0};
  int rc = ls__local_list(&entries, stage->area, err);
  const char *own = strrchr(stage->dir, '/') + 1;
  for (size_t i = 0; i < entries.n && rc == LS_OK; i++) {
    char *name = entries.entries[i].name;
    size_t len = strlen(name), suffix = strlen(lock_suffix);
    if (!entries.entries[i].is_dir) {
      if (len <= suffix || strcmp(name + len - suffix, lock_suffix) != 0) continue;
      name[len - suffix] = '\0';
    }
    if (strcmp(name, own) != 0) remove_if_dead(stage->area, name);
  }
  ls__lake_entries_free(&entries);
  return rc;
}

static int stage_open(ls_lake_stage *stage, const char *run_id, ls_error *err) {
  LS_TRY(take_lock(&stage->lock_fd, stage->area, stage->lock, err));
  if (stage->lock_fd < 0) {
    return ls_error_set(err, LS_EIO, "run '%s' is being staged by another live process (%s)", run_id, stage->lock);
  }
  LS_TRY(ls__local_remove_tree(stage->dir, err)); /* an earlier, dead attempt of this very run */
  LS_TRY(remove_leftovers(stage, err));
  return ls__local_mkdirs(stage->dir, err);
}

int ls__lake_stage_new(ls_lake_stage **out, ls_lake *lake, const char *run_id, const char *work_dir, ls_error *err) {
  LS_TRY(check_run_id(run_id, err));
  if (!lake->local && (!work_dir || !work_dir[0])) {
    return ls_error_set(err, LS_EINVAL, "staging for %s needs a local work directory", lake->root);
  }
  ls_lake_stage *stage = LS_NEW(ls_lake_stage);
  stage->lake = lake;
  stage->lock_fd = -1;
  stage->area = join(lake->local ? lake->base : work_dir, "_staging", "");
  stage->dir = join(stage->area, run_id, "");
  stage->lock = join(stage->area, run_id, lock_suffix);
  pthread_mutex_init(&stage->mutex, NULL);
  int rc = stage_open(stage, run_id, err);
  if (rc < 0) {
    ls__lake_stage_free(stage);
    return rc;
  }
  *out = stage;
  return LS_OK;
}

const ls_lake *ls__stage_lake(const ls_lake_stage *stage) {
  return stage->lake;
}

int ls__stage_begin(char **out_file, ls_lake_stage *stage, const char *path, ls_error *err) {
  LS_TRY(ls__lake_check_path(path, err));
  char *file = join(stage->dir, path, "");
  int rc = ls__local_make_parent(file, err);
  if (rc < 0) {
    ls__free(file);
    return rc;
  }
  *out_file = file;
  return LS_OK;
}

int ls__stage_complete(ls_lake_stage *stage, const char *path, const char *file, ls_error *err) {
  LS_TRY(ls__local_fsync(file, err));
  pthread_mutex_lock(&stage->mutex);
  staged_file *known = ls__strmap_get(&stage->files, path);
  if (known) {
    known->published = false;
  } else {
    ls__strmap_put(&stage->files, path, LS_NEW(staged_file));
  }
  pthread_mutex_unlock(&stage->mutex);
  ls__fault(LS_FAULT_SINK_STAGE_FILE);
  return LS_OK;
}

struct ls_text_writer {
  ls_lake_stage *stage;
  char *path, *file;
  int fd;
};

int ls__text_writer_open(ls_text_writer **out, ls_lake_stage *stage, const char *path, ls_error *err) {
  char *file = NULL;
  LS_TRY(ls__stage_begin(&file, stage, path, err));
  int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) {
    int rc = ls__local_fail(err, errno, "create", file);
    ls__free(file);
    return rc;
  }
  ls_text_writer *writer = LS_NEW(ls_text_writer);
  *writer = (ls_text_writer){stage, ls__strdup(path), file, fd};
  *out = writer;
  return LS_OK;
}

int ls__text_write(ls_text_writer *writer, ls_slice bytes, ls_error *err) {
  for (size_t done = 0; done < bytes.len;) {
    ssize_t n = write(writer->fd, bytes.ptr + done, bytes.len - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ls__local_fail(err, errno, "write", writer->file);
    done += (size_t)n;
  }
  return LS_OK;
}

int ls__text_writer_finish(ls_text_writer *writer, ls_error *err) {
  int rc = close(writer->fd) == 0 ? LS_OK : ls__local_fail(err, errno, "write", writer->file);
  writer->fd = -1;
  if (rc == LS_OK) rc = ls__stage_complete(writer->stage, writer->path, writer->file, err);
  ls__text_writer_abandon(writer);
  return rc;
}

void ls__text_writer_abandon(ls_text_writer *writer) {
  if (!writer) return;
  if (writer->fd >= 0) close(writer->fd);
  ls__free(writer->path);
  ls__free(writer->file);
  ls__free(writer);
}

int ls__lake_stage_bytes(ls_lake_stage *stage, const char *path, ls_slice bytes, ls_error *err) {
  ls_text_writer *writer = NULL;
  LS_TRY(ls__text_writer_open(&writer, stage, path, err));
  int rc = ls__text_write(writer, bytes, err);
  if (rc == LS_OK) return ls__text_writer_finish(writer, err);
  ls__text_writer_abandon(writer);
  return rc;
}

void ls__lake_stage_drop(ls_lake_stage *stage, const char *path) {
  char *file = join(stage->dir, path, "");
  (void)unlink(file);
  ls__free(file);
}

static staged_file *find_staged(ls_lake_stage *stage, const char *path) {
  pthread_mutex_lock(&stage->mutex);
  staged_file *found = ls__strmap_get(&stage->files, path);
  pthread_mutex_unlock(&stage->mutex);
  return found;
}

int ls__lake_stage_publish(ls_lake_stage *stage, const char *path, ls_error *err) {
  return ls__lake_stage_publish_as(stage, path, path, err);
}

int ls__lake_stage_publish_as(ls_lake_stage *stage, const char *path, const char *to, ls_error *err) {
  staged_file *staged = find_staged(stage, path);
  if (!staged) return ls_error_set(err, LS_EINVAL, "publish %s: the file was not staged by this run", path);
  if (staged->published) return LS_OK;
  char *file = join(stage->dir, path, "");
  char *final = ls__lake_full_path(stage->lake, to);
  int rc = stage->lake->local ? ls__local_rename(file, final, err) : ls__s3_upload(stage->lake->s3, file, final, err);
  ls__free(file);
  ls__free(final);
  if (rc < 0) return rc;
  staged->published = true;
  ls__fault(LS_FAULT_SINK_PUBLISH_FILE);
  return LS_OK;
}

void ls__lake_stage_free(ls_lake_stage *stage) {
  if (!stage) return;
  if (stage->lock_fd >= 0) {
    ls_error err = LS_ERROR_INIT;
    if (drop_run(stage->dir, stage->lock, stage->lock_fd, &err) < 0) {
      ls__log(LS_LOG_WARN, "edge", "stage_not_removed", "dir=%s error=\"%s\"", stage->dir, err.message);
    }
    (void)rmdir(stage->area); /* only when no other run is in it */
  }
  for (size_t i = 0; i < stage->files.n; i++) ls__free(stage->files.entries[i].value);
  ls__strmap_fini(&stage->files);
  pthread_mutex_destroy(&stage->mutex);
  ls__free(stage->area);
  ls__free(stage->dir);
  ls__free(stage->lock);
  ls__free(stage);
}
