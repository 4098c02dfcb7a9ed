/**
 * @file lake.h
 * The lake port: file systems (local, S3), input files as blocks or batches, Parquet output. Implemented in edge/ over
 * Arrow; nodes and tasks never see it. All functions @thread any unless said; handles are one thread at a time.
 */
#ifndef LS_PORT_LAKE_H
#define LS_PORT_LAKE_H
#include "data/batch.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ls_lake ls_lake;

/** root: a directory, file://..., or s3://bucket/prefix. S3: endpoint, region and credentials from the usual AWS variables
 *  (AWS_ENDPOINT_URL[_S3], AWS_REGION/AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID..., AWS_PROFILE, AWS_WEB_IDENTITY_TOKEN_FILE +
 *  AWS_ROLE_ARN). The root need not exist for writing. @errors LS_EIO, LS_ERETRY (network), LS_ECONFIG (bad URI) */
int ls__lake_open(ls_lake **out, const char *root, ls_error *err);
void ls__lake_close(ls_lake *lake);
bool ls__lake_is_local(const ls_lake *lake);
/** For messages: root + "/" + path. */
void ls__lake_describe(ls_buf *out, const ls_lake *lake, const char *path);

typedef struct ls_lake_file {
  char *path; /* relative to the root, '/' separated */
  int64_t size_bytes;
  int32_t date_days; /* of dt=YYYY-MM-DD in the path, INT32_MIN when none */
} ls_lake_file;
typedef struct ls_lake_files {
  ls_lake_file *files;
  size_t n, capacity;
  int32_t date_first; /* least date of any name that stands at {date}, also before from_days; INT32_MAX: none */
  char *unread; /* path of the first name there that is like a date of these days and is none (2026-3-3); NULL: none */
  size_t n_unread;
} ls_lake_files;
void ls__lake_files_free(ls_lake_files *files);
/** Files that match a pattern relative to the root: '*' within a path segment, '{date}' for YYYY-MM-DD in
 *  [from_days, to_days] (both INT32_MIN/INT32_MAX: any), '{a,b}' for one of several texts. Sorted by path bytewise.
 *  Names starting with '.' or '_' are
 *  skipped. No match is no error (n = 0). */
int ls__lake_list(ls_lake_files *out, ls_lake *lake, const char *pattern, int32_t from_days, int32_t to_days,
                  ls_error *err);
int ls__lake_exists(bool *out, ls_lake *lake, const char *path, ls_error *err);

/** Sequential bytes of one file, decompressed by name (.gz, .zst, .lz4) */
typedef struct ls_lake_reader ls_lake_reader;
int ls__lake_reader_open(ls_lake_reader **out, ls_lake *lake, const char *path, ls_error *err);
/** Reads up to n_bytes; *n_read 0 at the end. A corrupt or cut compressed stream: LS_EDATA, once all bytes before it are read. */
int ls__lake_read(ls_lake_reader *reader, void *buffer, size_t n_bytes, size_t *n_read, ls_error *err);
void ls__lake_reader_close(ls_lake_reader *reader);

/** Parquet input: row groups as batches of the given schema (columns by name; extra columns ignored; a missing or
 *  mistyped column: LS_EDATA naming it; exact decimal widening allowed). wanted: fields to read (bit set; NULL all),
 *  others are all null. */
typedef struct ls_parquet_reader ls_parquet_reader;
int ls__parquet_reader_open(ls_parquet_reader **out, ls_lake *lake, const char *path, const ls_schema *schema,
                            const uint64_t *wanted, ls_error *err);
int32_t ls__parquet_reader_n_groups(const ls_parquet_reader *reader);
int64_t ls__parquet_reader_group_rows(const ls_parquet_reader *reader, int32_t group);
/** A row of the group whose value in a field the field's type can't hold; reason: a code of ls_bad_record. */
typedef void (*ls_value_fault_fn)(void *payload, int64_t row, uint32_t field, const char *reason);
/** Appends the rows of one row group to out (columns only; ts and stamps are the caller's; n_rows raised). Rows with a value
 *  at fault are among them, and told. */
int ls__parquet_read_group(ls_batch *out, ls_parquet_reader *reader, int32_t group, ls_value_fault_fn on_fault,
                           void *payload, ls_error *err);
void ls__parquet_reader_close(ls_parquet_reader *reader);

/**
 * Staged output: files are written complete into a staging area that no reader's pattern matches (local lake:
 * <root>/_staging/<run>/, S3: a local directory), then published one by one, each atomically (rename over the old file;
 * one PUT or one multipart completion), replacing what was there.
 */
typedef struct ls_lake_stage ls_lake_stage;
int ls__lake_stage_new(ls_lake_stage **out, ls_lake *lake, const char *run_id, const char *work_dir /* for S3 */,
                       ls_error *err);
/** Parquet writer into the stage; path is the final path. zstd, statistics, decimals as FIXED_LEN_BYTE_ARRAY/INT types by Arrow's
 *  defaults, timestamps as microseconds UTC. Byte-for-byte deterministic for the same rows. */
typedef struct ls_parquet_writer ls_parquet_writer;
int ls__parquet_writer_open(ls_parquet_writer **out, ls_lake_stage *stage, const char *path, const ls_schema *schema,
                            ls_error *err);
int ls__parquet_write(ls_parquet_writer *writer, const ls_batch *batch, ls_error *err);
/** *file_bytes: what is in the file by now; *held_bytes: of rows that are still in memory, about. */
void ls__parquet_writer_size(const ls_parquet_writer *writer, int64_t *file_bytes, size_t *held_bytes);
/** Ends the row group: what is held in memory goes to the file. */
int ls__parquet_writer_flush(ls_parquet_writer *writer, ls_error *err);
/** Completes and fsyncs the staged file. Frees the writer in any case. */
int ls__parquet_writer_finish(ls_parquet_writer *writer, ls_error *err);
/** Gives up: frees the writer, the staged file stays unpublished and is removed with the stage. */
void ls__parquet_writer_abandon(ls_parquet_writer *writer);
/** A staged file that bytes are appended to (JSON lines, CSV); the same life as that of a Parquet writer. */
typedef struct ls_text_writer ls_text_writer;
int ls__text_writer_open(ls_text_writer **out, ls_lake_stage *stage, const char *path, ls_error *err);
int ls__text_write(ls_text_writer *writer, ls_slice bytes, ls_error *err);
int ls__text_writer_finish(ls_text_writer *writer, ls_error *err);
void ls__text_writer_abandon(ls_text_writer *writer);
/** Stages a whole file of bytes (dead letters, summaries, _SUCCESS). */
int ls__lake_stage_bytes(ls_lake_stage *stage, const char *path, ls_slice bytes, ls_error *err);
/** Publishes one staged file. After a crash, publishing again is harmless. */
int ls__lake_stage_publish(ls_lake_stage *stage, const char *path, ls_error *err);
/** Same, to another path than the one it was staged for; path may then be staged anew. */
int ls__lake_stage_publish_as(ls_lake_stage *stage, const char *path, const char *final, ls_error *err);
/** Removes a file that is not complete, after its writer gave up; without it, it stays until the stage is freed. */
void ls__lake_stage_drop(ls_lake_stage *stage, const char *path);
/** Removes a published file if it is there (a partition that a re-run leaves empty). */
int ls__lake_remove(ls_lake *lake, const char *path, ls_error *err);
/** Moves a file within the lake (rename; S3: copied by the server, then deleted). May be repeated, also by several at once: when
 *  from is gone and to is there, it is done. @errors LS_ENOTFOUND: neither is there */
int ls__lake_move(ls_lake *lake, const char *from, const char *to, ls_error *err);
/** Removes all files of a directory, not those of directories in it; none is no error. *n: how many they were. */
int ls__lake_clear(ls_lake *lake, const char *directory, size_t *n, ls_error *err);
/** Removes the staging area; also leftovers of dead runs (their lock file is free). */
void ls__lake_stage_free(ls_lake_stage *stage);

#ifdef __cplusplus
}
#endif
#endif
