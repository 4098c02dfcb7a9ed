/**
 * @file kafka_admin.h
 * Topics: how many partitions they have, making those that are ours. Groups: who is in them.
 */
#ifndef LS_EDGE_KAFKA_ADMIN_H
#define LS_EDGE_KAFKA_ADMIN_H
#include "edge/kafka_client.h"

typedef struct ls_kafka_admin ls_kafka_admin; /* one thread */
int ls__kafka_admin_new(ls_kafka_admin **out, const ls_kafka_cluster *cluster, ls_error *err);
void ls__kafka_admin_free(ls_kafka_admin *admin);
/** *n_partitions 0: there is no such topic. @errors LS_ERETRY the cluster can't be reached; LS_ECONFIG not allowed */
int ls__kafka_admin_partitions(ls_kafka_admin *admin, const char *topic, int32_t *n_partitions, ls_error *err);

typedef struct ls_kafka_topic_spec {
  const char *name;
  int32_t n_partitions;
  int16_t replication; /* -1: the broker's default */
  const ls_kafka_property *config;
  size_t n_config;
} ls_kafka_topic_spec;
/** Makes the topics that are not there, and waits until they can be written. One that is there must have as many partitions:
 *  else LS_ECONFIG with both numbers. */
int ls__kafka_admin_create(ls_kafka_admin *admin, const ls_kafka_topic_spec *topics, size_t n, ls_error *err);
/** Deletes topics; those that are not there count as deleted. For tests and resets. */
int ls__kafka_admin_delete(ls_kafka_admin *admin, const char *const *topics, size_t n, ls_error *err);

/** A member of a group; borrowed for the call. */
typedef struct ls_kafka_group_member {
  const char *member_id, *client_id;
  const char *instance_id; /* NULL: not static */
} ls_kafka_group_member;
typedef void (*ls_kafka_member_fn)(void *payload, const ls_kafka_group_member *member);
/** Calls fn for each member. *is_stable false: the group is being rebalanced, or not there; nothing was called.
 *  @errors LS_ERETRY the cluster can't be reached; LS_ECONFIG not allowed */
int ls__kafka_admin_members(ls_kafka_admin *admin, const char *group_id, ls_kafka_member_fn fn, void *payload,
                            bool *is_stable, ls_error *err);

/** Committed offsets of a group by partition of a topic, -1 where there is none. Waits while a transaction that will change one is
 *  open. @errors LS_ERETRY the cluster can't be reached, or a transaction stays open; LS_ECONFIG not allowed */
int ls__kafka_admin_committed(ls_kafka_admin *admin, const char *group_id, const char *topic, int32_t n_partitions,
                              int64_t *offsets, ls_error *err);
/** Appends the value that a setting of a topic has ("cleanup.policy"). @errors as above; LS_ENOTFOUND there is none of that name */
int ls__kafka_admin_topic_setting(ls_kafka_admin *admin, const char *topic, const char *setting, ls_buf *value,
                                  ls_error *err);
#endif
