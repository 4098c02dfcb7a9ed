/**
 * @file kafka_helper.h
 * A real broker for the checks: topics of their own, clients that fail the check on an error, what was read.
 */
#ifndef TEST_KAFKA_HELPER_H
#define TEST_KAFKA_HELPER_H
#include "edge/kafka_admin.h"
#include "edge/kafka_producer.h"

#include <check.h>
#include <inttypes.h>

/* The broker of LS_TEST_KAFKA, with more properties: pairs of name and value, NULL at the end. */
ls_kafka_cluster test_cluster(const char *const *more);
#define TEST_OK(call)                                                                                                  \
  do {                                                                                                                 \
    int test_rc_ = (call);                                                                                             \
    ck_assert_msg(test_rc_ >= 0, "%s: %s", #call, err.message);                                                        \
  } while (0)
#define TEST_FAILS(code, call)                                                                                         \
  do {                                                                                                                 \
    int test_rc_ = (call);                                                                                             \
    ck_assert_msg(test_rc_ == (code), "%s: %s instead of %s: %s", #call, ls_error_name(test_rc_), ls_error_name(code), \
                  err.message);                                                                                        \
  } while (0)

/** Makes a topic; the name is the check's alone. */
const char *test_topic(const char *name, int32_t n_partitions);

/* ---- what was read ---- */
typedef struct test_row {
  uint32_t topic;
  int32_t partition;
  int64_t offset, timestamp_us;
  bool has_key, has_value;
  char key[64], value[64];
  char headers[128]; /* name=value, ... */
} test_row;

typedef struct test_log {
  test_row rows[4096];
  size_t n;
  int64_t end[4][16]; /* offset of the last end seen, by topic and partition; -1: none */
  size_t fail_at;     /* on_record fails at this row; 0: never */
} test_log;

void test_log_init(test_log *log);
/** Values joined by blanks, in the order they were read. */
const char *test_values(const test_log *log);

/* ---- clients ---- */
ls_kafka_reader *test_reader(const char *const *topics, uint32_t n_topics, test_log *log);
/** Reads until partition 0 of topic 0 is at end, or fails. */
void test_read_to(ls_kafka_reader *reader, test_log *log, uint32_t topic, int32_t partition, int64_t end);
/** A transactional producer for topics; id NULL: at least once. */
ls_kafka_producer *test_producer(const char *id, const char *const *topics, uint32_t n_topics);
/** Sends texts ("-": null) to a partition. */
void test_send(ls_kafka_producer *producer, uint32_t topic, int32_t partition, const char *key, const char *value);
/** Makes a topic of one partition with n values "0" .. in one transaction. */
const char *test_filled_topic(const char *name, int32_t n_partitions, int n);

/* ---- a member of a group ---- */
typedef struct test_member {
  ls_kafka_consumer *consumer;
  test_log log;
  ls_kafka_partition assigned[32];
  char names[32][64];
  size_t n_assigned;
  int n_assignments, n_revocations;
  bool was_lost, starts_at_once;
  int64_t pause_at; /* pauses a partition within on_record when this offset was read; -1: never */
} test_member;

/** extra: more properties, as test_cluster. */
test_member *test_join(const char *group, const char *instance, const char *const *topics, uint32_t n_topics,
                       const char *const *extra);
test_member *test_join_lazily(const char *group, const char *const *topics, uint32_t n_topics);
/** Polls once, up to timeout_ms; fails the check on an error. */
size_t test_poll(test_member *member, int timeout_ms);
void test_poll_until_assigned(test_member *member, size_t n_partitions);
void test_poll_until_read(test_member *member, size_t n);
void test_leave(test_member *member);
#endif
