/**
 * @file runtime.h
 * @brief Running a topology. Replay: over the files of a lake, in event-time order, to the end of the input.
 */
#ifndef LIBSTREAM_RUNTIME_H
#define LIBSTREAM_RUNTIME_H

#include <libstream/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ls_runtime ls_runtime;

typedef enum ls_mode {
  LS_MODE_REPLAY = 1, /* over the files of a lake, to the end of the input */
  LS_MODE_STREAM = 2, /* live on Kafka, until it is stopped */
  LS_MODE_PARITY = 3  /* replays what a live run has read, and compares with what it has written */
} ls_mode;

/** Where a run is; given to on_progress about ten times a second at most. */
typedef struct ls_progress {
  const char *phase;   /* "read", "process", "write" with the sub-topology's number, e.g. "read 1/2" */
  int64_t done, total; /* bytes or rows; total 0: unknown */
  int64_t records;     /* records read so far in the run */
  double seconds;      /* since the run began */
} ls_progress;

typedef struct ls_runtime_opts {
  uint32_t struct_size;
  ls_mode mode;
  const char *lake;                /* directory, file://, s3://bucket/prefix */
  const char *work_directory;      /* scratch: spill files, RocksDB, S3 staging; NULL: $TMPDIR or /tmp */
  const char *date_from, *date_to; /* YYYY-MM-DD, inclusive; NULL: every date there is */
  const char *as_of;               /* start of the run, RFC 3339; NULL: now. Only labels, never results */
  int n_threads;                   /* 0: one per core */
  int64_t batch_rows;              /* rows of a slice; 0: 4096. Never observable in the output */
  bool dry_run;                    /* find the inputs, say what would be done, write nothing */
  void (*on_progress)(void *payload, const ls_progress *progress);
  void *payload;
  const char *state_directory; /* live: where the RocksDB database stays; NULL: as the topology says */
  bool stop_at_end;            /* live: stop when all that the topics held at the start is processed and committed */
  const char
      *recording_directory; /* parity: where the recorded topics stay; NULL: in work_directory, removed at the end */
  int64_t n_differences;    /* parity: how many are told; 0: 20 */
} ls_runtime_opts;
#define LS_RUNTIME_OPTS_INIT                                                                                           \
  {                                                                                                                    \
    sizeof(ls_runtime_opts), LS_MODE_REPLAY, NULL, NULL, NULL, NULL, NULL, 0, 0, false, NULL, NULL, NULL, false, NULL, \
        0                                                                                                              \
  }

/** @errors LS_EINVAL (options), LS_EIO, LS_ECONFIG */
LS_API int ls_runtime_new(ls_runtime **out, ls_topology *topology, const ls_runtime_opts *opts, ls_error *err);
/**
 * Runs to the end of the input and publishes; blocks. On failure nothing that was published before is half replaced:
 * each partition file is old or new.
 * @errors LS_ENOINPUT (an input is not there yet), LS_EBADRECORDS, LS_ELIMIT (memory), LS_ERETRY, LS_EIO, LS_ESTOPPED, LS_EINTERNAL
 */
LS_API int ls_runtime_run(ls_runtime *runtime, ls_error *err);
/** Asks a run to stop: nothing is published. Async-signal-safe, idempotent. */
LS_API void ls_runtime_stop(ls_runtime *runtime);
/** LS_MODE_PARITY, after a run that returned LS_OK: whether the live run's output equals the replay's. */
LS_API bool ls_runtime_is_equal(const ls_runtime *runtime);
/** JSON summary of the last run (also of one that failed); *out is freed with ls_text_free. */
LS_API int ls_runtime_summary(char **out, const ls_runtime *runtime, ls_error *err);
/** The same for people: a few lines that say what came in, went out and was left out. Freed with ls_text_free. */
LS_API int ls_runtime_summary_text(char **out, const ls_runtime *runtime, ls_error *err);
LS_API void ls_runtime_free(ls_runtime *runtime);

/** Dates (YYYY-MM-DD) for which some source with {date} has files, ascending; freed with ls_text_free. One per line: the date,
 *  then, each after a blank, the names of the sources with {date} that have no file of it. For --date latest. */
LS_API int ls_runtime_dates(char **out, const ls_topology *topology, const char *lake, ls_error *err);

/** Name of the i-th fault point (where LS_FAULT=name[:n] in the environment kills the process with SIGKILL at the n-th passing,
 *  for crash tests); NULL past the end. */
LS_API const char *ls_runtime_fault_point(size_t i);

#ifdef __cplusplus
}
#endif
#endif
