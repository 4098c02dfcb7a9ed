/**
 * @file kafka_conf.c  Properties: the user's, checked; ours, which the user may not set; secrets.
 */
#include "edge/kafka_internal.h"

#include "base/assert.h"
#include "base/hash.h"
#include "port/kafka_names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

void ls__kafka_scrub(char *text, const ls_kafka_cluster *cluster) {
  for (size_t i = 0; i < cluster->n_properties; i++) {
    const ls_kafka_property *p = &cluster->properties[i];
    if (!p->value || !ls__kafka_is_secret(p->name)) continue;
    size_t n = strlen(p->value);
    if (n == 0) continue;
    for (char *at = text; (at = strstr(at, p->value)); at += n) memset(at, '*', n);
    /* a message may hold the first line of a key only, or be cut within it */
    size_t n_line = strcspn(p->value, "\r\n");
    if (n > 40 || n_line < n) {
      char head[24];
      snprintf(head, sizeof head, "%.20s", p->value);
      char *at = strstr(text, head);
      if (at) memset(at, '*', strlen(at));
    }
  }
}

/* The name librdkafka knows that is nearest to name. */
static const char *nearest_name(rd_kafka_conf_t *conf, const char *name, ls_buf *found) {
  size_t n = 0;
  const char **dump = rd_kafka_conf_dump(conf, &n);
  const char *names[512];
  size_t n_names = 0;
  for (size_t i = 0; i + 1 < n && n_names < sizeof names / sizeof names[0]; i += 2) names[n_names++] = dump[i];
  const char *near = ls__nearest_name(name, names, n_names);
  if (near) ls__buf_puts(found, near);
  rd_kafka_conf_dump_free(dump, n);
  return near ? found->ptr : NULL;
}

static int unknown_property(rd_kafka_conf_t *conf, const char *name, ls_error *err) {
  ls_buf found = LS_BUF_INIT;
  const char *near = nearest_name(conf, name, &found);
  int rc = near ? ls_error_set(err, LS_ECONFIG, "kafka property '%s': librdkafka has none of this name; is '%s' meant?",
                               name, near)
                : ls_error_set(err, LS_ECONFIG, "kafka property '%s': librdkafka has none of this name", name);
  ls__buf_fini(&found);
  return rc;
}

/* librdkafka does not name a file that it can't read, and only looks when a client is made. */
static int check_file(const ls_kafka_property *p, ls_error *err) {
  bool is_file = strncmp(p->name, "ssl.", 4) == 0 && ls__kafka_name_ends(p->name, ".location");
  if (!is_file || strcmp(p->value, "probe") == 0 || access(p->value, R_OK) == 0) return LS_OK;
  return ls_error_set(err, LS_ECONFIG, "kafka property '%s': the file %s can't be read: %s", p->name, p->value,
                      strerror(errno));
}

static int set_property(rd_kafka_conf_t *conf, const ls_kafka_cluster *cluster, const ls_kafka_property *p,
                        ls_error *err) {
  const char *instead = ls__kafka_owned(p->name);
  if (instead)
    return ls_error_set(err, LS_ECONFIG, "kafka property '%s': libstream sets it itself: %s", p->name, instead);
  char text[512] = "";
  rd_kafka_conf_res_t res = rd_kafka_conf_set(conf, p->name, p->value, text, sizeof text);
  if (res == RD_KAFKA_CONF_OK) return check_file(p, err);
  if (res == RD_KAFKA_CONF_UNKNOWN) return unknown_property(conf, p->name, err);
  if (ls__kafka_is_secret(p->name))
    return ls_error_set(err, LS_ECONFIG, "kafka property '%s': librdkafka refuses its value, which is not shown",
                        p->name);
  ls__kafka_scrub(text, cluster);
  return ls_error_set(err, LS_ECONFIG, "kafka property '%s': %s", p->name, text);
}

static int set_properties(rd_kafka_conf_t *conf, const ls_kafka_cluster *cluster, size_t *at, ls_error *err) {
  bool has_servers = false;
  for (*at = 0; *at < cluster->n_properties; (*at)++) {
    const ls_kafka_property *p = &cluster->properties[*at];
    LS_TRY(set_property(conf, cluster, p, err));
    if (strcmp(p->name, "bootstrap.servers") == 0 || strcmp(p->name, "metadata.broker.list") == 0)
      has_servers = p->value && p->value[0] != '\0';
  }
  if (has_servers) return LS_OK;
  *at = 0;
  return ls_error_set(err, LS_ECONFIG, "kafka property 'bootstrap.servers' is missing: host:port of some brokers");
}

int ls__kafka_check_properties(const ls_kafka_cluster *cluster, size_t *at, ls_error *err) {
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  size_t local = 0;
  int rc = set_properties(conf, cluster, at ? at : &local, err);
  rd_kafka_conf_destroy(conf);
  return rc;
}

void ls__kafka_conf_put(rd_kafka_conf_t *conf, const char *name, const char *value) {
  char text[256];
  ls_assert(rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK);
}

void ls__kafka_conf_put_int(rd_kafka_conf_t *conf, const char *name, int64_t value) {
  char text[32];
  snprintf(text, sizeof text, "%" PRId64, value);
  ls__kafka_conf_put(conf, name, text);
}

void ls__kafka_conf_suggest(rd_kafka_conf_t *conf, const ls_kafka_cluster *cluster, const char *name,
                            const char *value) {
  for (size_t i = 0; i < cluster->n_properties; i++)
    if (strcmp(cluster->properties[i].name, name) == 0) return;
  ls__kafka_conf_put(conf, name, value);
}

int ls__kafka_conf_new(rd_kafka_conf_t **out, const ls_kafka_cluster *cluster, ls_kafka_kind kind, ls_error *err) {
  static const char *const kinds[] = {"consumer", "reader", "producer", "admin"};
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  size_t at = 0;
  int rc = set_properties(conf, cluster, &at, err);
  if (rc < 0) {
    rd_kafka_conf_destroy(conf);
    return rc;
  }
  char name[512];
  snprintf(name, sizeof name, "%s-%s", cluster->client_id ? cluster->client_id : "libstream", kinds[kind]);
  ls__kafka_conf_put(conf, "client.id", name);
  ls__kafka_conf_suggest(conf, cluster, "log.connection.close", "false");
  /* a broker that was restarted is found again soon */
  ls__kafka_conf_suggest(conf, cluster, "reconnect.backoff.max.ms", "2000");
  ls__kafka_conf_suggest(conf, cluster, "socket.keepalive.enable", "true");
  *out = conf;
  return LS_OK;
}

/* x within [low, high] */
static int64_t clamp(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

ls_kafka_limits ls__kafka_size_queues(rd_kafka_conf_t *conf, size_t budget, uint32_t n_queues) {
  /* Of a queue's share one half is the limit at which fetching stops, a quarter the response that may still come in
   * then; the rest, and what is left of the messages' bound, is for librdkafka's ~300 bytes a message. */
  int64_t share = (int64_t)(budget / (n_queues ? n_queues : 1));
  ls_kafka_limits limits;
  limits.queue_bytes = clamp(share / 2, 64 << 10, INT64_C(1) << 30);
  limits.queue_msgs = clamp(share / 512, 500, 10000000);
  int64_t response = clamp(share / 4, 32 << 10, 1 << 20);
  int64_t responses = clamp((int64_t)budget / 4, 1 << 20, 50 << 20);
  ls__kafka_conf_put_int(conf, "queued.max.messages.kbytes", limits.queue_bytes >> 10);
  ls__kafka_conf_put_int(conf, "queued.min.messages", limits.queue_msgs);
  ls__kafka_conf_put_int(conf, "fetch.message.max.bytes", response);
  ls__kafka_conf_put_int(conf, "fetch.max.bytes", responses > response ? responses : response);
  return limits;
}
