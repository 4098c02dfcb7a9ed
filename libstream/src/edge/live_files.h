/**
 * @file live_files.h
 * The files of a live lake sink that grow: one per partition path, in the run's stage. How many are open and what they hold in
 * memory is bounded: the fullest ends its row group early, and for one path too many the longest unused file is completed.
 * Completed files lie in the stage directory of the lake until their transaction is committed.
 */
#ifndef LS_EDGE_LIVE_FILES_H
#define LS_EDGE_LIVE_FILES_H
#include "codec/codec.h"
#include "port/lake.h"

/** A completed file. */
typedef struct ls_live_file {
  char *staged; /* where it lies in the lake, hidden from readers */
  char *path;   /* where it belongs */
  int64_t n_rows;
} ls_live_file;
typedef struct ls_live_file_list {
  ls_live_file *files;
  size_t n, capacity;
} ls_live_file_list;
/** Copies both paths. */
void ls__live_file_list_add(ls_live_file_list *list, ls_slice staged, ls_slice path, int64_t n_rows);
void ls__live_file_list_clear(ls_live_file_list *list);
void ls__live_file_list_fini(ls_live_file_list *list);

typedef struct ls_live_files ls_live_files; /* one thread at a time */
typedef struct ls_live_files_opts {
  ls_lake_stage *stage;
  const char *name;      /* of the sink: begins the names of files that grow */
  const char *directory; /* stage directory in the lake: names of files that are complete */
  int32_t partition;     /* of the task, part of the file names */
  const ls_schema *schema;
  ls_format format;
  size_t memory_bytes; /* what all of them may hold, about */
} ls_live_files_opts;

void ls__live_files_new(ls_live_files **out, const ls_live_files_opts *opts); /* borrows the texts */
/** What is open and not complete is given up. */
void ls__live_files_free(ls_live_files *files);
int ls__live_files_write(ls_live_files *files, ls_slice path, const ls_batch *batch, ls_error *err);
/** Bytes of the largest open file, on disk and in memory. */
int64_t ls__live_files_largest(const ls_live_files *files);
size_t ls__live_files_n_completed(const ls_live_files *files);
/** Completes all that are open. */
int ls__live_files_complete(ls_live_files *files, ls_error *err);
/** Moves the completed files to out. Those that are open stay. */
void ls__live_files_take(ls_live_file_list *out, ls_live_files *files);
/** Gives up all files: others have written these rows. Completed ones stay where they are until the stage directory is cleared. */
void ls__live_files_abandon(ls_live_files *files);
#endif
