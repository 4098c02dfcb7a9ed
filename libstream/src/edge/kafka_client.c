/**
 * @file kafka_client.c  A librdkafka handle: its logs and errors as ours, records, waiting, waking it.
 */
#define _GNU_SOURCE 1 /* pthread_timedjoin_np */
#include "edge/kafka_internal.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/thread.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>

#define REFUSED_MS 3000 /* so long brokers may refuse that come up or go */
#define DESTROY_S  10   /* so long a handle may take to end */

/* @thread any. Secrets are scrubbed: librdkafka quotes values in some of its lines. */
static void on_log(const rd_kafka_t *rk, int level, const char *fac, const char *text) {
  /* properties go to all clients: that one of them has no use for some is no news */
  if (strcmp(fac, "CONFWARN") == 0) return;
  ls_kafka_client *client = rk ? rd_kafka_opaque(rk) : NULL;
  if (client && strcmp(fac, "ADDPARTS") == 0) ls__kafka_note_denied(client, text);
  char line[1024];
  snprintf(line, sizeof line, "%s", text);
  uint64_t said = ls__hash64(ls__slice_of(line)) + (uint64_t)(ls__monotonic_us() / 1000000);
  if (client && atomic_exchange(&client->last_log, said) == said) return;
  if (client) ls__kafka_scrub(line, client->cluster);
  ls_log_level ours = level <= LOG_ERR       ? LS_LOG_ERROR
                      : level <= LOG_WARNING ? LS_LOG_WARN
                      : level <= LOG_INFO    ? LS_LOG_INFO
                                             : LS_LOG_DEBUG;
  ls__log(ours, "edge", "kafka", "client=%s about=%s text=\"%s\"", rk ? rd_kafka_name(rk) : "", fac, line);
}

/* @thread the owner's, from its polls */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque) {
  (void)rk;
  ls_kafka_client *client = opaque;
  /* that all brokers are down comes behind what says why */
  if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !client->trouble[0])
    snprintf(client->trouble, sizeof client->trouble, "%s", reason);
  ls__kafka_scrub(client->trouble, client->cluster);
  rd_kafka_resp_err_t refusal = ls__kafka_refusal((rd_kafka_resp_err_t)code, reason);
  if (refusal) client->refused = refusal;
  ls__log(LS_LOG_WARN, "edge", "kafka_error", "client=%s error=%s text=\"%s\"", rd_kafka_name(rk),
          rd_kafka_err2name((rd_kafka_resp_err_t)code), client->trouble);
}

int ls__kafka_client_open(ls_kafka_client *client, const ls_kafka_cluster *cluster, ls_kafka_kind kind,
                          rd_kafka_conf_t *conf, ls_error *err) {
  *client = (ls_kafka_client){.cluster = cluster, .kind = kind};
  rd_kafka_conf_set_opaque(conf, client);
  rd_kafka_conf_set_log_cb(conf, on_log);
  rd_kafka_conf_set_error_cb(conf, on_error);
  ls__kafka_watch_certificates(conf);
  char text[512] = "";
  rd_kafka_type_t type = kind == LS_KAFKA_PRODUCER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER;
  client->rk = rd_kafka_new(type, conf, text, sizeof text);
  if (client->rk) return LS_OK;
  rd_kafka_conf_destroy(conf);
  ls__kafka_scrub(text, cluster);
  return ls_error_set(err, LS_ECONFIG, "kafka properties: %s", text);
}

typedef struct destruction {
  rd_kafka_t *rk;
  int flags;
} destruction;

static void *destroy_main(void *payload) {
  destruction todo = *(destruction *)payload;
  ls__free(payload);
  rd_kafka_destroy_flags(todo.rk, todo.flags);
  return NULL;
}

bool ls__kafka_client_destroy(ls_kafka_client *client, int flags) {
  static const ls_kafka_cluster nothing_known = {.client_id = ""};
  destruction *todo = LS_NEW(destruction);
  *todo = (destruction){client->rk, flags};
  pthread_t thread;
  if (pthread_create(&thread, NULL, destroy_main, todo) != 0) {
    destroy_main(todo);
    return true;
  }
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += DESTROY_S;
  if (pthread_timedjoin_np(thread, NULL, &until) == 0) return true;
  pthread_detach(thread);
  client->cluster = &nothing_known; /* the caller's may go now */
  ls__log(LS_LOG_WARN, "edge", "kafka_client_left", "reason=\"librdkafka's client does not end within %d s\"",
          DESTROY_S);
  return false;
}

int ls__kafka_code(rd_kafka_resp_err_t code) {
  switch ((int)code) {
  case RD_KAFKA_RESP_ERR__FENCED:
  case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
  case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
  case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
  case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
  case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    return LS_EFENCED;
  case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
  case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
  case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
    return LS_EABORT;
  case RD_KAFKA_RESP_ERR__AUTHENTICATION:
  case RD_KAFKA_RESP_ERR__SSL:
  case RD_KAFKA_RESP_ERR__INVALID_ARG:
  case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
  case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
  case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
  case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
  case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
  case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
  case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
  case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
  case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
  case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
  case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
  case RD_KAFKA_RESP_ERR_SECURITY_DISABLED:
  case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
  case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
  case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
  case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
  case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
  case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
  case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
  case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
  case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
  case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
  case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    return LS_ECONFIG;
  case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
  case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
    return LS_ELIMIT;
  case RD_KAFKA_RESP_ERR__TRANSPORT:
  case RD_KAFKA_RESP_ERR__RESOLVE:
  case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
  case RD_KAFKA_RESP_ERR__TIMED_OUT:
  case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
  case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
  case RD_KAFKA_RESP_ERR__WAIT_COORD:
  case RD_KAFKA_RESP_ERR__WAIT_CACHE:
  case RD_KAFKA_RESP_ERR__QUEUE_FULL:
  case RD_KAFKA_RESP_ERR__RETRY:
  case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
  case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
  case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
  case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
  case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
  case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
  case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
  case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
  case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
  case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
  case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
  case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
  case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
  case RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS:
  case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
  case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
  case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
  case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
  case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED:
    return LS_ERETRY;
  default:
    return LS_EIO;
  }
}

rd_kafka_resp_err_t ls__kafka_root_cause(ls_kafka_client *client, rd_kafka_resp_err_t code) {
  char text[256];
  rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(client->rk, text, sizeof text);
  return fatal ? fatal : code;
}

int ls__kafka_fail(ls_kafka_client *client, ls_error *err, int ours, rd_kafka_resp_err_t code, const char *words,
                   const char *fmt, ...) {
  char what[256], text[512], advice[256];
  va_list args;
  va_start(args, fmt);
  vsnprintf(what, sizeof what, fmt, args);
  va_end(args);
  snprintf(text, sizeof text, "%s", words && *words ? words : rd_kafka_err2str(code));
  ls__kafka_scrub(text, client->cluster);
  const char *trouble = "";
  if (ours == LS_ERETRY || ours == LS_ECONFIG) trouble = client->trouble;
  ls__kafka_advise(advice, sizeof advice, client, code);
  return ls_error_set(err, ours, "kafka: %s: %s (%s)%s%s%s", what, text, rd_kafka_err2name(code), advice,
                      *trouble ? "; last trouble: " : "", trouble);
}

static const char *protocol_of(const ls_kafka_cluster *cluster) {
  const char *protocol = ls__kafka_property_of(cluster, "security.protocol");
  return *protocol ? protocol : "PLAINTEXT";
}

int ls__kafka_client_reach(ls_kafka_client *client, ls_error *err) {
  const struct rd_kafka_metadata *metadata = NULL;
  int waited_ms = 0;
  rd_kafka_resp_err_t code;
  for (int wait_ms = REFUSED_MS; waited_ms < LS_KAFKA_REACH_MS; wait_ms = LS_KAFKA_REACH_MS - waited_ms) {
    code = rd_kafka_metadata(client->rk, 0, NULL, &metadata, wait_ms);
    waited_ms += wait_ms;
    if (!code) {
      rd_kafka_metadata_destroy(metadata);
      return LS_OK;
    }
    /* why not is told by the error callback, which a poll serves */
    for (int i = 0; i < 20 && rd_kafka_poll(client->rk, 0) > 0; i++) {
    }
    if (client->refused) return ls__kafka_fail(client, err, LS_ECONFIG, client->refused, NULL, "the cluster refuses");
  }
  return ls__kafka_fail(client, err, ls__kafka_code(code), code, NULL,
                        "bootstrap.servers '%.100s' do not answer within %d s over %s",
                        ls__kafka_property_of(client->cluster, "bootstrap.servers"), LS_KAFKA_REACH_MS / 1000,
                        protocol_of(client->cluster));
}

ls_kafka_record ls__kafka_record_of(const rd_kafka_message_t *message, uint32_t topic) {
  rd_kafka_timestamp_type_t type;
  int64_t ms = rd_kafka_message_timestamp(message, &type);
  return (ls_kafka_record){
      .topic = topic,
      .partition = message->partition,
      .offset = message->offset,
      .timestamp_us = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || ms < 0 ? -1 : ms * 1000,
      .key = {message->key, message->key ? message->key_len : 0},
      .value = {message->payload, message->payload ? message->len : 0},
      .source = message,
  };
}

size_t ls__kafka_record_headers(const ls_kafka_record *record, ls_kafka_header *headers, size_t n_max) {
  rd_kafka_headers_t *found = NULL;
  if (rd_kafka_message_headers(record->source, &found) != RD_KAFKA_RESP_ERR_NO_ERROR) return 0;
  size_t n = rd_kafka_header_cnt(found);
  for (size_t i = 0; i < n && i < n_max; i++) {
    const char *name;
    const void *value;
    size_t len;
    if (rd_kafka_header_get_all(found, i, &name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR) break;
    headers[i] = (ls_kafka_header){name, {value, value ? len : 0}};
  }
  return n;
}

ls_slice ls__kafka_header_of(const ls_kafka_header *headers, size_t n, const char *name) {
  for (size_t i = 0; i < n; i++) {
    if (strcmp(headers[i].name, name) == 0) return headers[i].value;
  }
  return (ls_slice){NULL, 0};
}

/* ---- keys ---- */

static uint32_t murmur2(ls_slice key) {
  const uint32_t m = 0x5bd1e995u;
  uint32_t h = 0x9747b28cu ^ (uint32_t)key.len;
  const unsigned char *p = (const unsigned char *)key.ptr;
  size_t len = key.len;
  for (; len >= 4; p += 4, len -= 4) {
    uint32_t k = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    k *= m;
    k ^= k >> 24;
    k *= m;
    h = (h * m) ^ k;
  }
  for (size_t i = len; i > 0; i--) h ^= (uint32_t)p[i - 1] << (8 * (i - 1));
  if (len > 0) h *= m;
  h ^= h >> 13;
  h *= m;
  return h ^ (h >> 15);
}

int32_t ls__kafka_murmur2_partition(ls_slice key, int32_t n_partitions) {
  return (int32_t)(murmur2(key) & 0x7FFFFFFFu) % n_partitions;
}

/* ---- keeping the queues filled ---- */

void ls__kafka_refill_saw(ls_kafka_refill *refill, const rd_kafka_message_t *message) {
  refill->at_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
  if (message->err) return;
  int64_t bytes = (int64_t)(message->len + message->key_len) + 64;
  refill->bytes_avg += refill->bytes_avg ? (bytes - refill->bytes_avg) / 16 : bytes;
}

bool ls__kafka_refill_due(ls_kafka_refill *refill, const ls_kafka_limits *limits, size_t n_left) {
  int64_t n = (int64_t)n_left, bytes = n * refill->bytes_avg;
  if (n > limits->queue_msgs / 4 * 3 || bytes > limits->queue_bytes / 4 * 3) {
    refill->full = true;
    return false;
  }
  bool low = n < limits->queue_msgs / 2 && bytes < limits->queue_bytes / 2;
  if (!(refill->full && low) && (n > 0 || refill->at_end)) return false;
  /* An empty queue whose end was not seen is most often waiting for an answer that is under way. */
  int64_t now_us = ls__monotonic_us();
  if (now_us - refill->asked_us < (refill->full ? 1000 : 100000)) return false;
  refill->asked_us = now_us;
  refill->full = false;
  return true;
}

void ls__kafka_wake_fetchers(ls_kafka_client *client, rd_kafka_topic_partition_list_t *partitions) {
  for (int i = 0; i < partitions->cnt; i++) partitions->elems[i].offset = RD_KAFKA_OFFSET_END;
  (void)rd_kafka_offsets_for_times(client->rk, partitions, 0); /* times out, on purpose */
}

/* ---- waiting ---- */

void ls__kafka_bell_init(ls_kafka_bell *bell) {
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_mutex_init(&bell->lock, NULL);
  pthread_cond_init(&bell->rung, &attr);
  pthread_condattr_destroy(&attr);
  bell->is_rung = false;
}

void ls__kafka_bell_fini(ls_kafka_bell *bell) {
  pthread_cond_destroy(&bell->rung);
  pthread_mutex_destroy(&bell->lock);
}

/* @thread librdkafka's, with the queue's lock held */
static void on_filled(rd_kafka_t *rk, void *opaque) {
  (void)rk;
  ls_kafka_bell *bell = opaque;
  pthread_mutex_lock(&bell->lock);
  bell->is_rung = true;
  pthread_cond_signal(&bell->rung);
  pthread_mutex_unlock(&bell->lock);
}

void ls__kafka_bell_watch(ls_kafka_bell *bell, rd_kafka_queue_t *queue) {
  rd_kafka_queue_cb_event_enable(queue, on_filled, bell);
}

void ls__kafka_bell_unwatch(rd_kafka_queue_t *queue) {
  rd_kafka_queue_cb_event_enable(queue, NULL, NULL);
}

void ls__kafka_bell_clear(ls_kafka_bell *bell) {
  pthread_mutex_lock(&bell->lock);
  bell->is_rung = false;
  pthread_mutex_unlock(&bell->lock);
}

void ls__kafka_bell_wait(ls_kafka_bell *bell, int timeout_ms) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += timeout_ms / 1000;
  until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000;
  }
  pthread_mutex_lock(&bell->lock);
  while (!bell->is_rung)
    if (pthread_cond_timedwait(&bell->rung, &bell->lock, &until) != 0) break;
  pthread_mutex_unlock(&bell->lock);
}
