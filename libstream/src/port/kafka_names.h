/**
 * @file kafka_names.h
 * Which properties of librdkafka hold secrets, and which are libstream's own: the same when a file is checked and when
 * a client is made.
 */
#ifndef LS_PORT_KAFKA_NAMES_H
#define LS_PORT_KAFKA_NAMES_H
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool ls__kafka_name_ends(const char *name, const char *end) {
  size_t n = strlen(name), n_end = strlen(end);
  return n >= n_end && strcmp(name + n - n_end, end) == 0;
}

/** Whether a property holds a secret: its value is in no message, log, description or topology file. */
static inline bool ls__kafka_is_secret(const char *property) {
  return strstr(property, "password") != NULL || strstr(property, "secret") != NULL ||
         ls__kafka_name_ends(property, ".pem") || ls__kafka_name_ends(property, "oauthbearer.config") ||
         ls__kafka_name_ends(property, "kinit.cmd");
}

/** Why a property is not open to the user: libstream sets it, since its guarantees rest on it. NULL: it is open. */
static inline const char *ls__kafka_owned(const char *property) {
  static const char *const owned[][2] = {
      {"acks", "every record is acknowledged by all in-sync replicas"},
      {"allow.auto.create.topics", "topics are checked before the start"},
      {"auto.offset.reset", "live: from of a source says where it begins"},
      {"background_event_cb", "it is no text"},
      {"client.id", "it is made from kafka: application_id"},
      {"delivery.report.only.error", "offsets of what is delivered are needed"},
      {"enable.auto.commit", "offsets are committed with the results"},
      {"enable.auto.offset.store", "offsets are committed with the results"},
      {"enable.gapless.guarantee", "it is implied by the transactions"},
      {"enable.idempotence", "it is always on"},
      {"enable.partition.eof", "it is always on"},
      {"group.id", "it is kafka: application_id"},
      {"group.instance.id", "it comes from kafka: instance_id"},
      {"isolation.level", "only what is committed is read"},
      {"max.in.flight", "order within a partition must be kept"},
      {"max.in.flight.requests.per.connection", "order within a partition must be kept"},
      {"partition.assignment.strategy", "partitions of equal number must go together"},
      {"partitioner", "keys go where the Java client sends them"},
      {"queue.buffering.max.kbytes", "it comes from runtime: memory"},
      {"queue.buffering.max.messages", "it comes from runtime: memory"},
      {"queued.max.messages.kbytes", "it comes from runtime: memory"},
      {"queued.min.messages", "it comes from runtime: memory"},
      {"request.required.acks", "every record is acknowledged by all in-sync replicas"},
      {"transaction.timeout.ms", "it is runtime: transaction_timeout"},
      {"transactional.id", "it is made from kafka: application_id"},
  };
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
    if (strcmp(owned[i][0], property) == 0) return owned[i][1];
  }
  return NULL;
}
#endif
