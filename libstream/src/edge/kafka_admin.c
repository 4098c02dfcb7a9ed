/**
 * @file kafka_admin.c  Topics: looking, making, deleting. Waits until all brokers asked know of it. Groups: looking.
 */
#include "edge/kafka_admin.h"
#include "edge/kafka_internal.h"

#include "base/alloc.h"
#include "base/thread.h"

#include <inttypes.h>
#include <time.h>

#define TOPIC_READY_MS 30000

struct ls_kafka_admin {
  ls_kafka_client client;
  rd_kafka_queue_t *replies;
};

int ls__kafka_admin_new(ls_kafka_admin **out, const ls_kafka_cluster *cluster, ls_error *err) {
  ls_kafka_admin *a = LS_NEW(ls_kafka_admin);
  rd_kafka_conf_t *conf;
  int rc = ls__kafka_conf_new(&conf, cluster, LS_KAFKA_ADMIN, err);
  if (rc >= 0) {
    /* looking at a topic must not make it */
    ls__kafka_conf_put(conf, "allow.auto.create.topics", "false");
    rc = ls__kafka_client_open(&a->client, cluster, LS_KAFKA_ADMIN, conf, err);
  }
  if (rc >= 0) rc = ls__kafka_client_reach(&a->client, err);
  if (rc < 0) {
    ls__kafka_admin_free(a);
    return rc;
  }
  a->replies = rd_kafka_queue_new(a->client.rk);
  *out = a;
  return LS_OK;
}

void ls__kafka_admin_free(ls_kafka_admin *a) {
  if (!a) return;
  if (a->replies) rd_kafka_queue_destroy(a->replies);
  if (a->client.rk && !ls__kafka_client_destroy(&a->client, 0)) return;
  ls__free(a);
}

/* Partitions of the one topic in metadata, and whether each has a leader. */
static rd_kafka_resp_err_t read_topic(const struct rd_kafka_metadata *metadata, int32_t *n_partitions, bool *is_ready) {
  if (metadata->topic_cnt != 1) return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
  const struct rd_kafka_metadata_topic *topic = &metadata->topics[0];
  *is_ready = topic->partition_cnt > 0;
  for (int i = 0; i < topic->partition_cnt; i++)
    if (topic->partitions[i].err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE || topic->partitions[i].leader < 0)
      *is_ready = false;
  *n_partitions = topic->partition_cnt;
  return topic->err;
}

static int look(ls_kafka_admin *a, const char *name, int32_t *n_partitions, bool *is_ready, ls_error *err) {
  *n_partitions = 0;
  *is_ready = false;
  rd_kafka_topic_t *topic = rd_kafka_topic_new(a->client.rk, name, NULL);
  if (!topic) {
    rd_kafka_resp_err_t bad = rd_kafka_last_error();
    return ls__kafka_fail(&a->client, err, LS_ECONFIG, bad, NULL, "topic %s", name);
  }
  const struct rd_kafka_metadata *metadata = NULL;
  rd_kafka_resp_err_t code = rd_kafka_metadata(a->client.rk, 0, topic, &metadata, LS_KAFKA_REACH_MS);
  if (!code) {
    code = read_topic(metadata, n_partitions, is_ready);
    rd_kafka_metadata_destroy(metadata);
  }
  rd_kafka_topic_destroy(topic);
  if (!code || code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) return LS_OK;
  if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
    *n_partitions = 0;
    return LS_OK;
  }
  rd_kafka_poll(a->client.rk, 0);
  return ls__kafka_fail(&a->client, err, ls__kafka_code(code), code, NULL, "topic %s", name);
}

int ls__kafka_admin_partitions(ls_kafka_admin *a, const char *topic, int32_t *n_partitions, ls_error *err) {
  bool is_ready;
  return look(a, topic, n_partitions, &is_ready, err);
}

/* ---- making ---- */

static int wrong_count(const ls_kafka_topic_spec *spec, int32_t found, ls_error *err) {
  return ls_error_set(err, LS_ECONFIG, "kafka: topic %s has %" PRId32 " partitions, and must have %" PRId32, spec->name,
                      found, spec->n_partitions);
}

static int new_topic(ls_kafka_admin *a, const ls_kafka_topic_spec *spec, rd_kafka_NewTopic_t **out, ls_error *err) {
  char text[256] = "";
  rd_kafka_NewTopic_t *topic =
      rd_kafka_NewTopic_new(spec->name, spec->n_partitions, spec->replication, text, sizeof text);
  if (!topic)
    return ls__kafka_fail(&a->client, err, LS_ECONFIG, RD_KAFKA_RESP_ERR__INVALID_ARG, text, "topic %s", spec->name);
  for (size_t i = 0; i < spec->n_config; i++)
    rd_kafka_NewTopic_set_config(topic, spec->config[i].name, spec->config[i].value);
  *out = topic;
  return LS_OK;
}

static rd_kafka_AdminOptions_t *make_options(ls_kafka_admin *a, rd_kafka_admin_op_t op) {
  char text[256];
  rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(a->client.rk, op);
  rd_kafka_AdminOptions_set_request_timeout(options, LS_KAFKA_REACH_MS, text, sizeof text);
  rd_kafka_AdminOptions_set_operation_timeout(options, LS_KAFKA_REACH_MS, text, sizeof text);
  return options;
}

/* The answer to the request just sent; NULL and err when none came. */
static rd_kafka_event_t *await_reply(ls_kafka_admin *a, const char *what, int *rc, ls_error *err) {
  rd_kafka_event_t *event = rd_kafka_queue_poll(a->replies, LS_KAFKA_REACH_MS + 5000);
  rd_kafka_poll(a->client.rk, 0);
  rd_kafka_resp_err_t code = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
  *rc = LS_OK;
  if (!code) return event;
  *rc = ls__kafka_fail(&a->client, err, ls__kafka_code(code), code, event ? rd_kafka_event_error_string(event) : NULL,
                       "%s", what);
  if (event) rd_kafka_event_destroy(event);
  return NULL;
}

/* Failures of single topics; one that somebody else has made or deleted meanwhile is none. */
static int check_results(ls_kafka_admin *a, const rd_kafka_topic_result_t *const *results, size_t n,
                         rd_kafka_resp_err_t fine, const char *what, ls_error *err) {
  for (size_t i = 0; i < n; i++) {
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
    if (!code || code == fine) continue;
    return ls__kafka_fail(&a->client, err, ls__kafka_code(code), code, rd_kafka_topic_result_error_string(results[i]),
                          "%s %s", what, rd_kafka_topic_result_name(results[i]));
  }
  return LS_OK;
}

static int request_topics(ls_kafka_admin *a, rd_kafka_NewTopic_t **topics, size_t n, ls_error *err) {
  rd_kafka_AdminOptions_t *options = make_options(a, RD_KAFKA_ADMIN_OP_CREATETOPICS);
  rd_kafka_CreateTopics(a->client.rk, topics, n, options, a->replies);
  rd_kafka_AdminOptions_destroy(options);
  int rc;
  rd_kafka_event_t *event = await_reply(a, "making topics", &rc, err);
  if (!event) return rc;
  size_t n_results = 0;
  const rd_kafka_topic_result_t **results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n_results);
  rc = check_results(a, results, n_results, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, "making topic", err);
  rd_kafka_event_destroy(event);
  return rc;
}

static void sleep_ms(int ms) {
  nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

static int await_topic(ls_kafka_admin *a, const ls_kafka_topic_spec *spec, ls_error *err) {
  int64_t until_us = ls__monotonic_us() + TOPIC_READY_MS * INT64_C(1000);
  for (;;) {
    int32_t n_partitions;
    bool is_ready;
    LS_TRY(look(a, spec->name, &n_partitions, &is_ready, err));
    if (is_ready && n_partitions != spec->n_partitions) return wrong_count(spec, n_partitions, err);
    if (is_ready) return LS_OK;
    if (ls__monotonic_us() > until_us)
      return ls_error_set(err, LS_ERETRY, "kafka: topic %s has no leaders after %d s", spec->name,
                          TOPIC_READY_MS / 1000);
    sleep_ms(20);
  }
}

int ls__kafka_admin_create(ls_kafka_admin *a, const ls_kafka_topic_spec *topics, size_t n, ls_error *err) {
  rd_kafka_NewTopic_t **missing = ls__calloc(n + 1, sizeof(rd_kafka_NewTopic_t *));
  size_t n_missing = 0;
  int rc = LS_OK;
  for (size_t i = 0; i < n && rc >= 0; i++) {
    int32_t found;
    bool is_ready;
    rc = look(a, topics[i].name, &found, &is_ready, err);
    if (rc < 0) break;
    if (found > 0 && found != topics[i].n_partitions) rc = wrong_count(&topics[i], found, err);
    if (found == 0) rc = new_topic(a, &topics[i], &missing[n_missing], err);
    if (found == 0 && rc >= 0) n_missing++;
  }
  if (rc >= 0 && n_missing > 0) rc = request_topics(a, missing, n_missing, err);
  rd_kafka_NewTopic_destroy_array(missing, n_missing);
  ls__free(missing);
  for (size_t i = 0; i < n && rc >= 0; i++) rc = await_topic(a, &topics[i], err);
  return rc;
}

/* ---- deleting ---- */

static int await_gone(ls_kafka_admin *a, const char *topic, ls_error *err) {
  int64_t until_us = ls__monotonic_us() + TOPIC_READY_MS * INT64_C(1000);
  for (;;) {
    int32_t n_partitions;
    LS_TRY(ls__kafka_admin_partitions(a, topic, &n_partitions, err));
    if (n_partitions == 0) return LS_OK;
    if (ls__monotonic_us() > until_us) return ls_error_set(err, LS_ERETRY, "kafka: topic %s is still there", topic);
    sleep_ms(20);
  }
}

int ls__kafka_admin_delete(ls_kafka_admin *a, const char *const *topics, size_t n, ls_error *err) {
  if (n == 0) return LS_OK;
  rd_kafka_DeleteTopic_t **list = ls__calloc(n, sizeof(rd_kafka_DeleteTopic_t *));
  for (size_t i = 0; i < n; i++) list[i] = rd_kafka_DeleteTopic_new(topics[i]);
  rd_kafka_AdminOptions_t *options = make_options(a, RD_KAFKA_ADMIN_OP_DELETETOPICS);
  rd_kafka_DeleteTopics(a->client.rk, list, n, options, a->replies);
  rd_kafka_AdminOptions_destroy(options);
  rd_kafka_DeleteTopic_destroy_array(list, n);
  ls__free(list);
  int rc;
  rd_kafka_event_t *event = await_reply(a, "deleting topics", &rc, err);
  if (!event) return rc;
  size_t n_results = 0;
  const rd_kafka_topic_result_t **results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &n_results);
  rc = check_results(a, results, n_results, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "deleting topic", err);
  rd_kafka_event_destroy(event);
  for (size_t i = 0; i < n && rc >= 0; i++) rc = await_gone(a, topics[i], err);
  return rc;
}

/* ---- groups ---- */

static void list_members(const rd_kafka_ConsumerGroupDescription_t *group, ls_kafka_member_fn fn, void *payload) {
  size_t n = rd_kafka_ConsumerGroupDescription_member_count(group);
  for (size_t i = 0; i < n; i++) {
    const rd_kafka_MemberDescription_t *m = rd_kafka_ConsumerGroupDescription_member(group, i);
    ls_kafka_group_member member = {rd_kafka_MemberDescription_consumer_id(m), rd_kafka_MemberDescription_client_id(m),
                                    rd_kafka_MemberDescription_group_instance_id(m)};
    if (member.instance_id && member.instance_id[0] == '\0') member.instance_id = NULL;
    fn(payload, &member);
  }
}

static int read_group(ls_kafka_admin *a, const rd_kafka_event_t *event, const char *group_id, ls_kafka_member_fn fn,
                      void *payload, bool *is_stable, ls_error *err) {
  size_t n = 0;
  const rd_kafka_ConsumerGroupDescription_t **groups = rd_kafka_DescribeConsumerGroups_result_groups(
      rd_kafka_event_DescribeConsumerGroups_result((rd_kafka_event_t *)event), &n);
  if (n != 1) return LS_OK;
  const rd_kafka_error_t *bad = rd_kafka_ConsumerGroupDescription_error(groups[0]);
  if (bad) {
    rd_kafka_resp_err_t code = rd_kafka_error_code(bad);
    return ls__kafka_fail(&a->client, err, ls__kafka_code(code), code, rd_kafka_error_string(bad),
                          "members of group %s", group_id);
  }
  *is_stable = rd_kafka_ConsumerGroupDescription_state(groups[0]) == RD_KAFKA_CONSUMER_GROUP_STATE_STABLE;
  if (*is_stable) list_members(groups[0], fn, payload);
  return LS_OK;
}

int ls__kafka_admin_members(ls_kafka_admin *a, const char *group_id, ls_kafka_member_fn fn, void *payload,
                            bool *is_stable, ls_error *err) {
  *is_stable = false;
  rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(a->client.rk, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
  char text[256];
  rd_kafka_AdminOptions_set_request_timeout(options, LS_KAFKA_REACH_MS, text, sizeof text);
  rd_kafka_DescribeConsumerGroups(a->client.rk, &group_id, 1, options, a->replies);
  rd_kafka_AdminOptions_destroy(options);
  int rc;
  rd_kafka_event_t *event = await_reply(a, "members of the group", &rc, err);
  if (!event) return rc;
  rc = read_group(a, event, group_id, fn, payload, is_stable, err);
  rd_kafka_event_destroy(event);
  return rc;
}

/* ---- what a group has committed ---- */

/* Offsets of one answer. *rc LS_ERETRY: one of them is about to change. */
static int read_offsets(ls_kafka_admin *a, const rd_kafka_event_t *event, const char *group_id, int32_t n_partitions,
                        int64_t *offsets, ls_error *err) {
  size_t n = 0;
  const rd_kafka_group_result_t **groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result((rd_kafka_event_t *)event), &n);
  if (n != 1) return ls_error_set(err, LS_ERETRY, "kafka: no offsets of group %s came", group_id);
  const rd_kafka_error_t *bad = rd_kafka_group_result_error(groups[0]);
  rd_kafka_resp_err_t code = bad ? rd_kafka_error_code(bad) : RD_KAFKA_RESP_ERR_NO_ERROR;
  const rd_kafka_topic_partition_list_t *list = rd_kafka_group_result_partitions(groups[0]);
  for (int i = 0; !code && list && i < list->cnt; i++) {
    const rd_kafka_topic_partition_t *at = &list->elems[i];
    code = at->err;
    if (at->partition < n_partitions) offsets[at->partition] = at->offset >= 0 ? at->offset : -1;
  }
  if (!code) return LS_OK;
  return ls__kafka_fail(&a->client, err, ls__kafka_code(code), code, NULL, "committed offsets of group %s", group_id);
}

static int ask_offsets(ls_kafka_admin *a, const char *group_id, const char *topic, int32_t n_partitions,
                       int64_t *offsets, ls_error *err) {
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n_partitions);
  for (int32_t p = 0; p < n_partitions; p++) {
    rd_kafka_topic_partition_list_add(list, topic, p);
    offsets[p] = -1;
  }
  rd_kafka_ListConsumerGroupOffsets_t *request = rd_kafka_ListConsumerGroupOffsets_new(group_id, list);
  rd_kafka_topic_partition_list_destroy(list);
  rd_kafka_AdminOptions_t *options =
      rd_kafka_AdminOptions_new(a->client.rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
  char text[256];
  rd_kafka_AdminOptions_set_request_timeout(options, LS_KAFKA_REACH_MS, text, sizeof text);
  rd_kafka_error_t *bad = rd_kafka_AdminOptions_set_require_stable_offsets(options, 1);
  if (bad) rd_kafka_error_destroy(bad);
  rd_kafka_ListConsumerGroupOffsets(a->client.rk, &request, 1, options, a->replies);
  rd_kafka_AdminOptions_destroy(options);
  rd_kafka_ListConsumerGroupOffsets_destroy(request);
  int rc;
  rd_kafka_event_t *event = await_reply(a, "committed offsets", &rc, err);
  if (!event) return rc;
  rc = read_offsets(a, event, group_id, n_partitions, offsets, err);
  rd_kafka_event_destroy(event);
  return rc;
}

int ls__kafka_admin_committed(ls_kafka_admin *a, const char *group_id, const char *topic, int32_t n_partitions,
                              int64_t *offsets, ls_error *err) {
  int64_t until_us = ls__monotonic_us() + TOPIC_READY_MS * INT64_C(1000);
  for (;;) {
    int rc = ask_offsets(a, group_id, topic, n_partitions, offsets, err);
    if (rc != LS_ERETRY || ls__monotonic_us() > until_us) return rc;
    sleep_ms(100);
  }
}

/* ---- settings of a topic ---- */

static int read_setting(ls_kafka_admin *a, const rd_kafka_event_t *event, const char *topic, const char *setting,
                        ls_buf *value, ls_error *err) {
  size_t n = 0, n_entries = 0;
  const rd_kafka_ConfigResource_t **resources =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result((rd_kafka_event_t *)event), &n);
  rd_kafka_resp_err_t code =
      n == 1 ? rd_kafka_ConfigResource_error(resources[0]) : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
  if (code) {
    return ls__kafka_fail(&a->client, err, ls__kafka_code(code), code, NULL, "settings of topic %s", topic);
  }
  const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resources[0], &n_entries);
  for (size_t i = 0; i < n_entries; i++) {
    const char *text = rd_kafka_ConfigEntry_value(entries[i]);
    if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), setting) != 0 || !text) continue;
    ls__buf_puts(value, text);
    return LS_OK;
  }
  return ls_error_set(err, LS_ENOTFOUND, "kafka: topic %s has no setting %s", topic, setting);
}

int ls__kafka_admin_topic_setting(ls_kafka_admin *a, const char *topic, const char *setting, ls_buf *value,
                                  ls_error *err) {
  rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
  rd_kafka_AdminOptions_t *options = make_options(a, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
  rd_kafka_DescribeConfigs(a->client.rk, &resource, 1, options, a->replies);
  rd_kafka_AdminOptions_destroy(options);
  rd_kafka_ConfigResource_destroy(resource);
  int rc;
  rd_kafka_event_t *event = await_reply(a, "settings of a topic", &rc, err);
  if (!event) return rc;
  rc = read_setting(a, event, topic, setting, value, err);
  rd_kafka_event_destroy(event);
  return rc;
}
