/**
 * @file parity.h
 * Parity: what a live run has written is what a replay of its input gives. Read top to bottom in parity.c:
 *
 *   look     what the topology reads and writes, how far the group has committed
 *   outputs  committed records of the output topics, into a sorter each                          parity_live.c
 *   record   the source topics up to what is committed, partition by partition, into files       recording.c
 *   replay   the recording through the replay runtime, its rows and letters into sorters too     parity_read.c, parity_ports.c
 *   compare  two sorters per output, key by key                                                  parity_compare.c, parity_summary.c
 *
 * A replay sorts its input by stamps. Those of a recording are what the live tasks gave its records, worked out anew: of the heads of
 * a task's partitions the lowest event time is next, ties by the order of the sources, and stream time never goes back (ADR 8). One
 * worker is one task's partition, and windows that are open at the end stay open, as they do live.
 */
#ifndef LS_RUNTIME_PARITY_H
#define LS_RUNTIME_PARITY_H
#include "base/hash.h"
#include "runtime/recording.h"
#include "runtime/stream.h"

/** Records of one task in their order, by number from 1: where each came from. Mapped files, which the system may write out. */
typedef struct ls_parity_places {
  int64_t n, n_max;
  int64_t *ingest_us;    /* Kafka timestamps */
  uint64_t *origins;     /* source << 57 | offset */
  ls_ingest_times times; /* of ingest_us */
} ls_parity_places;

typedef enum ls_parity_kind {
  LS_PARITY_VALUE,   /* another row */
  LS_PARITY_ORDER,   /* the same rows of the key, in another order */
  LS_PARITY_MISSING, /* the replay has a row that the topic lacks */
  LS_PARITY_TWICE,   /* the topic has a row twice */
  LS_PARITY_EXTRA,   /* the topic has a row that the replay lacks */
  LS_PARITY_KINDS
} ls_parity_kind;

/** One key whose rows differ; strings in the run's arena. */
typedef struct ls_parity_difference {
  const struct ls_parity_output *output;
  ls_parity_kind kind;
  const char *key;             /* as in the topic; "***": of a sensitive field; "": no key */
  int64_t row;                 /* of the key's rows the first that differs, from 1 */
  const char *column;          /* NULL: not one column */
  const char *live, *replayed; /* values as JSON; of a whole row when column is NULL; NULL: there is none */
} ls_parity_difference;

/** What is written to one topic, twice: as it is there, and by the replay. */
typedef struct ls_parity_output {
  const char *topic, *name;           /* name: of the sink, of the source whose dead letters it has */
  const ls_schema *schema;            /* of the sink; NULL: dead letters */
  const ls_protobuf_writer *protobuf; /* its values are messages; NULL: JSON */
  bool wire;                          /* its values are in Confluent wire format: payloads are compared */
  const char *last_only;              /* why the last row of each key is compared, not all of them; NULL: all are */
  bool compacted;                     /* the broker may have dropped older rows of a key */
  int32_t n_partitions;
  int64_t *ends;    /* by partition: what is compared */
  int32_t n_behind; /* partitions not read to there yet */
  ls_sorter *live, *replayed;
  ls_sort_chunk *chunk; /* of live */
  pthread_mutex_t lock; /* of what workers count */
  ls_strmap reasons[2]; /* dead letters: "reason" -> int64_t, live and replayed */
  /* the result */
  int64_t n_live, n_replayed, n_keys, n_compacted, n_different[LS_PARITY_KINDS];
  uint64_t digest_live[2], digest_replayed[2]; /* of the rows by key; equal when these are, in order */
} ls_parity_output;

typedef struct ls_parity {
  ls_runtime *run;
  const ls_plan *plan;
  ls_stream stream; /* for its topics, cluster and tables: nothing is run */
  ls_kafka_admin *admin;
  int64_t **committed; /* by plan source, by partition; -1: nothing */
  int64_t n_records;   /* recorded */
  ls_parity_output *outputs;
  uint32_t n_outputs;
  uint32_t *output_of_sink, *output_of_source; /* UINT32_MAX: none */
  ls_schema schema;                            /* of the sorters: key, whether there is one, value (null: a deletion) */
  const char *recording;                       /* directory */
  int32_t n_partitions;                        /* largest of any task's */
  ls_parity_places *places;                    /* by sub-topology * n_partitions + partition */
  struct ls_parity_port *ports;                /* by sink */
  ls_sink_port **repartition_ports;            /* by plan source */
  ls_parity_difference *differences;           /* the first ones */
  size_t n_differences, n_differences_max;
  const char **not_compared; /* sinks without a topic */
  size_t n_not_compared;
} ls_parity;

/** Records, replays and compares. LS_OK also when there are differences: ls__parity_equal. */
int ls__parity_run(ls_runtime *run, ls_error *err);
void ls__parity_free(ls_parity *parity);
bool ls__parity_equal(const ls_parity *parity);
/** Of an output's records: key, whether it has one, value. */
void ls__parity_new_sorter(ls_parity *parity, ls_sorter **out);

/* parity_live.c */
/** Rows of the output topics up to their ends now; what is in open transactions is waited for. */
int ls__parity_read_outputs(ls_parity *parity, ls_error *err);
/** Committed offsets of all sources into *committed (arrays of the run's arena). */
int ls__parity_committed(ls_parity *parity, int64_t **committed, ls_error *err);
/** Appends a record to a sorter's chunk. key.ptr NULL: it has none, the value stands for it. value.ptr NULL: a deletion. */
int ls__parity_add(ls_sorter *sorter, ls_sort_chunk **chunk, ls_slice key, ls_slice value, ls_stamp stamp,
                   ls_error *err);
/** The value of a dead letter without the place of its record: of one that came over a repartition topic. */
void ls__parity_without_place(ls_buf *value);
void ls__parity_count_reason(ls_parity_output *output, int side, const char *reason);

/* parity_read.c */
/** The recording of a sub-topology's sources into the run's sorters, with the stamps of the live run. */
int ls__parity_read(ls_parity *parity, uint32_t sub_topology, ls_error *err);
/** As ls__run_origin_of; payload: the run. */
bool ls__parity_origin_of(void *run, uint64_t seq, uint32_t *source, ls_dead_letter *letter);
/** Kafka timestamps of a task's records, for ingest_time(); NULL: it reads no topic. */
const ls_ingest_times *ls__parity_ingest_times(const ls_parity *parity, uint32_t sub_topology, int32_t partition);

/* parity_ports.c */
/** Puts ports over the outputs in place of the run's sinks and dead letters, and makes those of repartition topics. */
void ls__parity_ports_open(ls_parity *parity);
/** Hands over what they still hold. */
int ls__parity_ports_end(ls_parity *parity, ls_error *err);
void ls__parity_ports_close(ls_parity *parity);

/* parity_compare.c */
int ls__parity_compare(ls_parity *parity, ls_parity_output *output, ls_error *err);

/* parity_summary.c */
void ls__parity_summary(ls_buf *out, const ls_runtime *run);
void ls__parity_summary_text(ls_buf *out, const ls_runtime *run);
#endif
