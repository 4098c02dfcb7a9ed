/**
 * @file lake_internal.h
 * What the files of the lake share. Plain C on both sides: lake_arrow.cc and parquet_arrow.cc are
 * the only C++, and no Arrow type crosses this header. Local file systems are served by POSIX calls
 * alone.
 */
#ifndef LS_EDGE_LAKE_INTERNAL_H
#define LS_EDGE_LAKE_INTERNAL_H
#ifdef __cplusplus
extern "C" {
#endif
#include "base/hash.h"
#include "port/lake.h"

typedef struct ls_s3 ls_s3;
struct ls_lake {
  bool local;
  char *root; /* as messages show it, without a trailing slash */
  char *base; /* local: the directory; S3: bucket[/prefix] */
  ls_s3 *s3;  /* NULL when local */
};

/** Refuses an absolute path, empty segments, "." and "..". @errors LS_EINVAL */
int ls__lake_check_path(const char *path, ls_error *err);
/** base + "/" + path, on the heap. */
char *ls__lake_full_path(const ls_lake *lake, const char *path);

/* One directory level: file and directory names, unsorted. */
typedef struct ls_lake_entry {
  char *name;
  int64_t size_bytes; /* files */
  bool is_dir;
} ls_lake_entry;
typedef struct ls_lake_entries {
  ls_lake_entry *entries;
  size_t n, capacity;
} ls_lake_entries;
/** Takes over name. */
void ls__lake_entries_add(ls_lake_entries *entries, char *name, bool is_dir, int64_t size_bytes);
void ls__lake_entries_free(ls_lake_entries *entries);

/* Local disk (lake_local.c); paths are whole. */
/** Fills err from errno. @errors LS_ENOTFOUND, LS_EIO */
int ls__local_fail(ls_error *err, int error_number, const char *doing, const char *path);
/** A directory that is not there has no entries. */
int ls__local_list(ls_lake_entries *out, const char *dir, ls_error *err);
/** *is_file false when there is no such file. */
int ls__local_stat(bool *is_file, int64_t *size_bytes, const char *path, ls_error *err);
/** Creates dir and what is missing above it; each new name is made durable. */
int ls__local_mkdirs(const char *dir, ls_error *err);
int ls__local_fsync(const char *path, ls_error *err);
/** Creates the directory of a file. */
int ls__local_make_parent(const char *file, ls_error *err);
/** Renames over what is there, the directory made if need be; the new name is durable. @errors LS_ENOTFOUND */
int ls__local_rename(const char *file, const char *final, ls_error *err);
/** Removes a directory and all in it; what is not there is no error. */
int ls__local_remove_tree(const char *dir, ls_error *err);

/* S3 (lake_arrow.cc); keys are bucket/key. */
int ls__s3_open(ls_s3 **out, const char *bucket, ls_error *err);
void ls__s3_close(ls_s3 *s3);
int ls__s3_list(ls_lake_entries *out, ls_s3 *s3, const char *key, ls_error *err);
int ls__s3_stat(bool *is_file, int64_t *size_bytes, ls_s3 *s3, const char *key, ls_error *err);
int ls__s3_remove(ls_s3 *s3, const char *key, ls_error *err);
/** Copies an object within the bucket's server. @errors LS_ENOTFOUND */
int ls__s3_copy(ls_s3 *s3, const char *from, const char *to, ls_error *err);
/** Sends a local file as one object that appears whole at the end. */
int ls__s3_upload(ls_s3 *s3, const char *file, const char *key, ls_error *err);

typedef struct ls_s3_reader ls_s3_reader;
int ls__s3_reader_open(ls_s3_reader **out, ls_s3 *s3, const char *key, ls_error *err);
int ls__s3_reader_read(ls_s3_reader *reader, void *buffer, size_t n_bytes, size_t *n_read, ls_error *err);
void ls__s3_reader_close(ls_s3_reader *reader);

/* Streaming decompression (lake_arrow.cc). */
typedef struct ls_inflater ls_inflater;
/** *out NULL when the name says the file is not compressed. */
int ls__inflater_new(ls_inflater **out, const char *name, ls_error *err);
/**
 * Decodes from in to out. *finished: a frame or member ended, and the decoder is ready for the
 * next one. @errors LS_EDATA
 */
int ls__inflater_step(ls_inflater *decoder, ls_slice in, size_t *n_used, void *out, size_t out_bytes, size_t *n_made,
                      bool *finished, ls_error *err);
void ls__inflater_free(ls_inflater *decoder);

/* Staged files (lake_stage.c); different files of a stage may come from different threads. */
/** Whole path of the staging file, its directories made; on the heap. */
int ls__stage_begin(char **out_file, ls_lake_stage *stage, const char *path, ls_error *err);
/** The file is complete: fsync, and publish will take it. Passes the fault point. */
int ls__stage_complete(ls_lake_stage *stage, const char *path, const char *file, ls_error *err);
const ls_lake *ls__stage_lake(const ls_lake_stage *stage);

#ifdef __cplusplus
}
#endif
#endif
