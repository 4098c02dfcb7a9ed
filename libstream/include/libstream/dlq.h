/**
 * @file dlq.h
 * @brief Dead letters of live runs: what is in the topics of a topology's sources, and sending the records they came from
 * again, exactly once.
 */
#ifndef LIBSTREAM_DLQ_H
#define LIBSTREAM_DLQ_H

#include <libstream/error.h>
#include <libstream/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A dead letter, without its payload. Texts are borrowed for the call; "" when the letter does not say. */
typedef struct ls_dead_letter_note {
  const char *letter_topic; /* where it lies */
  int32_t letter_partition;
  int64_t letter_offset;
  const char *source, *node, *reason, *error, *field;
  const char *topic; /* where its record came from; "" of a row that no record of a topic caused */
  int32_t partition;
  int64_t offset;
  int64_t written_us; /* Kafka's timestamp of the letter, microseconds UTC */
} ls_dead_letter_note;

typedef struct ls_letters_opts {
  size_t struct_size;
  const char *source; /* of this source only; NULL: all */
  bool dry_run;       /* replay: finds the records, sends nothing */
  /** Called for each letter: when listing, in the order of partitions and offsets; when replaying, as each is dealt with,
   *  sent false: its record is gone from the topic. Returns 0 to go on. NULL: not wanted. */
  int (*on_letter)(void *payload, const ls_dead_letter_note *letter, bool sent);
  void *payload;
} ls_letters_opts;
#define LS_LETTERS_OPTS_INIT                                                                                           \
  { sizeof(ls_letters_opts), NULL, false, NULL, NULL }

typedef struct ls_letters_counts {
  int64_t letters; /* seen */
  int64_t sent;    /* records sent again */
  int64_t gone;    /* whose record is no longer in its topic, or that had none */
} ls_letters_counts;

/** Reads the dead-letter topics from their beginning to their end. A topic that is not there has no letters.
 *  @thread app @errors LS_ECONFIG no such source, the cluster refuses; LS_ERETRY it can't be reached */
LS_API int ls_dead_letters_list(ls_letters_counts *out, ls_topology *topology, const ls_letters_opts *opts,
                                ls_error *err);
/**
 * Sends the record of each dead letter that was not replayed yet to its topic and partition again: key, value, headers and
 * timestamp as they were, and a header `ls.replayed_from`, "topic/partition/offset" of the letter. Records and the place up to
 * which letters are dealt with (consumer group "<application_id>-dlq") are one transaction per batch, so a letter is replayed
 * once, also when this is killed. Letters written meanwhile, by what fails again, are left for the next call.
 * @thread app @errors as ls_dead_letters_list; LS_EFENCED another replay has taken over
 */
LS_API int ls_dead_letters_replay(ls_letters_counts *out, ls_topology *topology, const ls_letters_opts *opts,
                                  ls_error *err);

#ifdef __cplusplus
}
#endif
#endif
