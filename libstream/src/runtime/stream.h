/**
 * @file stream.h
 * Live running on Kafka: shared state of the driver. Read top to bottom in stream.c (start and stop), stream_thread.c (the
 * loop: poll, restore, process, commit), stream_commit.c (THE commit order).
 *
 *   process     one ls_stream: topics, global tables, one RocksDB database, the tasks that no thread has at the moment
 *   thread      one consumer, one transactional producer, the tasks of the partitions it was assigned
 *   task        one sub-topology over one partition number: a lane per source, stores with their changelogs, the nodes
 *
 * Rows of a lake sink go to its log in the transaction, and to files on the side: edge/lake_live.h, stream_lake.c.
 *
 * A record's way: consumer -> lane (bytes, decoded in blocks) -> slice in time order -> task -> sink ports -> producer.
 */
#ifndef LS_RUNTIME_STREAM_H
#define LS_RUNTIME_STREAM_H
#include "edge/kafka_admin.h"
#include "edge/kafka_letters.h"
#include "edge/kafka_producer.h"
#include "edge/kafka_sink.h"
#include "edge/lake_live.h"
#include "edge/sink_tee.h"
#include "runtime/run.h"
#include "runtime/stream_lane.h"

#include <pthread.h>

#define LS_STREAM_PROCESS_BYTES 360 /* of a name of a process, NUL included */
#define LS_STREAM_ID_BYTES      (LS_STREAM_PROCESS_BYTES + 16)

typedef struct ls_stream ls_stream;
typedef struct ls_stream_thread ls_stream_thread;
typedef struct ls_stream_globals ls_stream_globals;
typedef struct ls_stream_standby ls_stream_standby;

/**
 *   RESTORING --changelogs read to their end--> RUNNING --revoked--> PARKED --assigned again, to any thread--> RESTORING
 *        '------------------- lost, aborted, fenced: closed; built anew from store and changelog -------------------'
 *   A PARKED task that may come back when others leave becomes a STANDBY: its stores follow the changelogs until it is assigned.
 */
typedef enum ls_stream_state {
  LS_STREAM_PARKED,
  LS_STREAM_STANDBY,
  LS_STREAM_RESTORING,
  LS_STREAM_RUNNING
} ls_stream_state;

/** A store's changelog, or the log of a live lake sink. Offsets are those of the task's partition of it. */
typedef struct ls_stream_changelog {
  uint32_t topic; /* index in stream->topics */
  int64_t next;   /* where restoring goes on: everything before is in the store */
  int64_t sent;   /* largest offset delivered, -1: none */
  int64_t end;    /* where restoring ends */
  int64_t known;  /* the group's offsets were committed with everything before; 0: with nothing */
  bool restored;
  ls_lake_live *lake;   /* whose log it is; NULL: of a store */
  bool identified;      /* it begins with what its store holds: that record is there, or sent in the open transaction */
  uint64_t fingerprint; /* of what the store holds */
} ls_stream_changelog;

/** Key of a changelog partition's first record, whose value is the fingerprint. Compaction keeps it. No store has such a key. */
#define LS_STREAM_IDENTITY                                                                                             \
  "\xFF\xFF"                                                                                                           \
  "fingerprint"

/** Of the metadata of committed offsets: "ls1", stream time, sequence, then of each store the name's hash and where its changelog
 *  went on. Kafka takes 4096 bytes: stores beyond are left out. */
#define LS_STREAM_METADATA_BYTES 4000

typedef struct ls_stream_task {
  ls_stream *stream;
  ls_stream_thread *thread; /* NULL: parked, standby */
  uint32_t sub_topology;
  int32_t partition;
  char name[32]; /* "<sub-topology>_<partition>" */
  ls_stream_state state;
  ls_store_set *stores;
  ls_task *task;
  ls_lane **lanes;                       /* by plan source; NULL: of another sub-topology */
  const ls_batch **batches;              /* of the slice, by plan source */
  ls_kafka_sink **sinks, **repartitions; /* by plan sink, by plan source */
  ls_lake_live **lakes;                  /* by plan sink; NULL: it writes no lake */
  ls_sink_tee **tees;                    /* by plan sink; NULL: it writes to one place */
  ls_sink_port **sink_ports, **repartition_ports;
  ls_kafka_letters *letters;
  ls_stream_changelog *changelogs; /* by store, in the order of opening; then by lake sink */
  uint32_t n_stores, n_changelogs, n_to_restore;
  int64_t restored_records;
  /* operator time, committed with the offsets */
  int64_t stream_time_us;
  uint64_t seq; /* of the last record processed */
  /* where the rows of the slice came from */
  uint64_t slice_seq; /* seq before its first row */
  uint32_t *slice_source;
  int32_t *slice_row;
  int64_t *slice_ingest_us; /* Kafka timestamps, for ingest_time() */
  int64_t n_slice;
  bool changed;      /* since the last commit */
  bool lake_sent;    /* the open transaction has records of its lake sinks */
  bool reading;      /* its partitions were started at the consumer of this membership */
  bool is_known;     /* the group has an offset of one of its sources */
  bool is_checked;   /* its sources have what the group has read of them */
  int64_t parked_us; /* monotonic */
  int64_t saved_us;  /* wall clock: when the position went to disk */
} ls_stream_task;

struct ls_stream_thread {
  ls_stream *stream;
  int index;
  char id[LS_STREAM_ID_BYTES]; /* member and transactional id */
  ls_kafka_cluster named;      /* the stream's, for clients that bear the thread's name */
  ls_kafka_consumer *consumer;
  ls_kafka_producer *producer;
  ls_kafka_reader *restorer; /* opened when there is something to restore */
  ls_stream_task **tasks;
  size_t n_tasks, tasks_capacity;
  bool in_transaction;
  bool assigned;                         /* by this membership, if only of nothing */
  int64_t last_commit_us, last_purge_us; /* monotonic */
  int64_t n_commits, n_aborts, n_restarts;
  bool drained; /* it is among the stream's n_drained */
};

struct ls_stream {
  ls_runtime *run;
  const ls_plan *plan;
  ls_arena arena;
  ls_kafka_cluster cluster;
  /** All topics by one index: sources' first (index = plan source), then sinks', dead letters', changelogs. */
  const char **topics;
  uint32_t n_topics;
  bool *from_latest;      /* by plan source */
  uint32_t *sink_topic;   /* by plan sink */
  uint32_t *letter_topic; /* by source; UINT32_MAX: a repartition */
  uint32_t *lake_topic;   /* by plan sink: log of a live lake sink */
  bool writes_lake;       /* some sink does, and the run has a lake */
  struct ls_stream_store {
    const char *name;
    uint32_t topic, sub_topology;
    uint64_t fingerprint;
  } * stores;
  uint32_t n_stores;
  int32_t *n_partitions;     /* by sub-topology */
  uint32_t n_tasks, n_lanes; /* of the whole topology */
  ls_store_db *db;
  /* of the memory budget: stores of one task; one lane; one client's queues; growing files of one lake sink of one task */
  size_t store_bytes, lane_bytes, queue_bytes, lake_bytes;
  ls_schema_registry *registry; /* NULL: nothing is in wire format */
  ls_slice *sink_head;          /* by plan sink: what is in front of its values, for its schema there */
  ls_stream_globals *globals;
  pthread_rwlock_t globals_lock; /* read: a slice is processed; write: the tables change */
  pthread_mutex_t lock;          /* parked tasks, counters */
  ls_stream_task **parked;
  size_t n_parked, parked_capacity;
  ls_stream_standby *standby; /* NULL: none asked for */
  atomic_bool *owned;         /* by ls__stream_task_index: a thread of this process has it */
  atomic_llong n_records, n_bad, n_restored, n_standby, n_lake_files, n_lake_rows;
  atomic_int n_drained; /* threads that have come to the end (stop_at_end) */
};

/* stream.c */
/** A stream that is not run, of a run in another mode. */
void ls__stream_init(ls_stream *stream, ls_runtime *run);
void ls__stream_fini(ls_stream *stream);
/** Checks that the topology can run live; finds its cluster, the names of its topics, how many partitions they have. Makes nothing. */
int ls__stream_look(ls_stream *stream, ls_error *err);
/** Runs until it is asked to stop (or, stop_at_end, until all that was there at the start is processed). @thread app */
int ls__stream_run(ls_runtime *run, ls_error *err);
/** Values of the Kafka properties, from the environment and files: stream->cluster. Needs the plan and the arena alone. */
int ls__stream_resolve_properties(ls_stream *stream, ls_error *err);
/** One value from the environment, a file or the plan, in the stream's arena; what: whose it is, for messages. */
int ls__stream_resolve(ls_stream *stream, const char **out, const char *what, const ls_plan_property *property,
                       ls_error *err);
/** Name of the process: the same after a restart when the YAML gives an instance_id. */
void ls__stream_process_id(char *out, size_t n_bytes, const ls_stream *stream);
/** Name of a thread as a member and as a transactional id: the same after a restart when the YAML gives an instance_id. */
void ls__stream_thread_id(char *out, size_t n_bytes, const ls_stream *stream, int worker);
/** Adds a thread's counts to those of the run. */
void ls__stream_thread_done(ls_stream *stream, const ls_stream_thread *thread);
const struct ls_stream_store *ls__stream_find_store(const ls_stream *stream, const char *store);

/* stream_registry.c */
/** stream->registry, when the plan uses one; asks whether it is there. @errors LS_ECONFIG, LS_ERETRY */
int ls__stream_registry_open(ls_stream *stream, ls_error *err);
/** The same, and the schemas of sinks are there: stream->sink_head. May be called again after LS_ERETRY. */
int ls__stream_registry_prepare(ls_stream *stream, ls_error *err);

/* stream_globals.c */
/** Reads the global tables as they are now. */
int ls__stream_globals_load(ls_stream *stream, ls_error *err);
/** The same, and keeps them up to date. */
int ls__stream_globals_open(ls_stream *stream, ls_error *err);
void ls__stream_globals_close(ls_stream *stream);

/* stream_standby.c: copies of other processes' state */
int ls__stream_standby_open(ls_stream *stream, ls_error *err);
void ls__stream_standby_close(ls_stream *stream);
/** Partitions came or went: others may need copies now. @thread any */
void ls__stream_standby_replan(ls_stream *stream);
/** Between the two no task becomes a standby or stops being one. @thread stream */
void ls__stream_standby_lock(ls_stream *stream);
void ls__stream_standby_unlock(ls_stream *stream);
/** The copy of a task, taken out; *out NULL: there is none. Between lock and unlock. */
int ls__stream_standby_take(ls_stream_task **out, ls_stream *stream, uint32_t sub_topology, int32_t partition,
                            ls_error *err);

/* stream_thread.c: one thread from start to stop */
int ls__stream_thread_run(int worker, void *stream, ls_error *err);

/* stream_tasks.c: tasks come and go */
uint32_t ls__stream_task_index(const ls_stream *stream, uint32_t sub_topology, int32_t partition);
int ls__stream_task_new(ls_stream_task **out, ls_stream *stream, uint32_t sub_topology, int32_t partition,
                        ls_error *err);
/** Out of the parked ones; NULL: it is not among them. */
ls_stream_task *ls__stream_task_unpark(ls_stream *stream, uint32_t sub_topology, int32_t partition);
/** The task, from the parked ones, the standbys, or new; it is RESTORING. */
int ls__stream_task_take(ls_stream_task **out, ls_stream_thread *thread, uint32_t sub_topology, int32_t partition,
                         ls_error *err);
void ls__stream_task_park(ls_stream_task *task);
/** Of a store's name, as it stands in the metadata of committed offsets. */
uint32_t ls__stream_store_hash(const ls_stream_task *task, uint32_t store);
void ls__stream_task_free(ls_stream_task *task);
void ls__stream_free_parked(ls_stream *stream, bool all);
/** Reads committed offsets and operator time, finds what the stores lack. */
int ls__stream_task_prepare(ls_stream_task *task, ls_error *err);

/* stream_restore.c */
int ls__stream_restore_begin(ls_stream_task *task, ls_error *err);
/** Applies some changelog records, waiting for the first ones up to wait_ms; tasks that have all of theirs become RUNNING. */
int ls__stream_restore_step(ls_stream_thread *thread, int wait_ms, ls_error *err);

/** Applies a record of a task's changelog that is not in its store yet. @errors LS_ECONFIG another version wrote it */
int ls__stream_restore_record(ls_stream_task *task, uint32_t store, const ls_kafka_record *record, ls_error *err);

/* stream_slice.c */
/** Processes one slice of the task. *n: rows taken; 0: it waits for input. */
int ls__stream_slice(ls_stream_task *task, int64_t now_us, int64_t *n, ls_error *err);

/* stream_lake.c: live lake sinks */
/** Whether the sink writes to the lake in this run. */
bool ls__stream_is_lake(const ls_stream *stream, const ls_plan_sink *sink);
int ls__stream_lakes_open(ls_stream *stream, ls_error *err);
/** Makes those of a task. */
int ls__stream_lakes_new(ls_stream_task *task, ls_error *err);
void ls__stream_lakes_free(ls_stream_task *task);
/** Between transactions: stages what is due (all: everything that waits), and commits what the logs are to be told. */
int ls__stream_lakes_turn(ls_stream_thread *thread, bool all, ls_error *err);
/** Parts of the commit. */
int ls__stream_lakes_send(ls_stream_thread *thread, ls_error *err);
int ls__stream_lakes_publish(ls_stream_thread *thread, ls_error *err);

/* stream_commit.c */
bool ls__stream_commit_due(const ls_stream_thread *thread, int64_t now_us);
int ls__stream_commit(ls_stream_thread *thread, ls_error *err);
/** Before anything is sent. */
int ls__stream_begin(ls_stream_thread *thread, ls_error *err);
/** What a database keeps with a task's stores: how far each is in its changelog. */
void ls__stream_position(ls_buf *out, ls_stream_task *task);
/** Writes the position of a task with nothing pending anew when the one on disk is so old: its state is still that of its changelogs. */
int ls__stream_touch(ls_stream_task *task, int64_t age_us, ls_error *err);
/** What a state directory holds after so long may be older than the deletions that its changelog still has: it is not used. Half of
 *  delete.retention.ms. */
#define LS_STREAM_STATE_AGE_US INT64_C(43200000000)
#endif
