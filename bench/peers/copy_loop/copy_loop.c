/**
 * @file copy_loop.c
 * The floor: librdkafka alone copies a topic to another one exactly once, and does nothing else. What a stream
 * processor costs beyond this is its own. run.py starts a broker, loads the topic and runs this beside our edges.
 *
 *     copy_loop load BROKERS TOPIC N_PARTITIONS N_RECORDS N_BYTES     makes records of N_BYTES and about 24 bytes of key
 *     copy_loop copy BROKERS FROM TO N_PARTITIONS COMMIT_MS QUEUE_MB  QUEUE_MB 0: librdkafka's own queue sizes
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define BATCH 1024

static _Noreturn void die(const char *what, const char *why) {
  fprintf(stderr, "copy_loop: %s: %s\n", what, why);
  exit(1);
}

static void check(rd_kafka_error_t *error, const char *what) {
  if (error) die(what, rd_kafka_error_string(error));
}

static void put(rd_kafka_conf_t *conf, const char *name, const char *value) {
  char text[256];
  if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK) die(name, text);
}

static void put_int(rd_kafka_conf_t *conf, const char *name, int64_t value) {
  char text[32];
  snprintf(text, sizeof text, "%" PRId64, value);
  put(conf, name, text);
}

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static rd_kafka_t *new_client(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
  char text[256];
  rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
  if (!rk) die("client", text);
  return rk;
}

static int64_t n_undelivered;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
  (void)rk;
  (void)opaque;
  n_undelivered += message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_t *new_producer(const char *brokers, const char *id) {
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  put(conf, "bootstrap.servers", brokers);
  put(conf, "transactional.id", id);
  put(conf, "compression.type", "lz4");
  put(conf, "linger.ms", "5");
  put(conf, "queue.buffering.max.messages", "1000000");
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_t *rk = new_client(RD_KAFKA_PRODUCER, conf);
  check(rd_kafka_init_transactions(rk, 30000), "init_transactions");
  return rk;
}

static void produce(rd_kafka_t *rk, rd_kafka_topic_t *topic, int32_t partition, void *value, size_t value_len,
                    const void *key, size_t key_len) {
  while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, value, value_len, key, key_len, NULL) != 0) {
    if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) die("produce", rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_poll(rk, 10);
  }
}

/* ---- load ---- */

static void load(const char *brokers, const char *name, int n_partitions, int64_t n, size_t n_bytes) {
  rd_kafka_t *rk = new_producer(brokers, "load");
  rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
  char *value = malloc(n_bytes + 1);
  uint64_t seed = 1;
  check(rd_kafka_begin_transaction(rk), "begin");
  for (int64_t i = 0; i < n; i++) {
    /* half of it digits that do not compress, half of it text that does: as records of payments are */
    for (size_t b = 0; b < n_bytes; b++) {
      seed = seed * UINT64_C(6364136223846793005) + 1;
      value[b] = (char)(b < n_bytes / 2 ? '0' + (seed >> 33) % 10 : 'a' + b % 26);
    }
    char key[32];
    int key_len = snprintf(key, sizeof key, "txn-%020" PRId64, i);
    produce(rk, topic, (int32_t)(i % n_partitions), value, n_bytes, key, (size_t)key_len);
    if (i % 1000 == 0) rd_kafka_poll(rk, 0);
  }
  check(rd_kafka_commit_transaction(rk, -1), "commit");
  free(value);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(rk);
}

/* ---- copy ---- */

typedef struct copying {
  rd_kafka_t *consumer, *producer;
  rd_kafka_topic_t *to;
  rd_kafka_topic_partition_list_t *next; /* offsets of the next records to read */
  int n_partitions, n_at_end;
  bool is_at_end[1024];
  int64_t n_copied, n_commits;
} copying;

static rd_kafka_t *new_consumer(const char *brokers, const char *from, int queue_mb) {
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  put(conf, "bootstrap.servers", brokers);
  put(conf, "group.id", "copy");
  put(conf, "enable.auto.commit", "false");
  put(conf, "enable.auto.offset.store", "false");
  put(conf, "enable.partition.eof", "true");
  put(conf, "isolation.level", "read_committed");
  put(conf, "auto.offset.reset", "earliest");
  if (queue_mb > 0) {
    put_int(conf, "queued.max.messages.kbytes", (int64_t)queue_mb << 10);
    put(conf, "queued.min.messages", "10000000");
  }
  rd_kafka_t *rk = new_client(RD_KAFKA_CONSUMER, conf);
  rd_kafka_poll_set_consumer(rk);
  rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, from, RD_KAFKA_PARTITION_UA);
  if (rd_kafka_subscribe(rk, topics)) die("subscribe", from);
  rd_kafka_topic_partition_list_destroy(topics);
  return rk;
}

static void commit(copying *c) {
  rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(c->consumer);
  check(rd_kafka_send_offsets_to_transaction(c->producer, c->next, group, -1), "send_offsets");
  rd_kafka_consumer_group_metadata_destroy(group);
  check(rd_kafka_commit_transaction(c->producer, -1), "commit");
  check(rd_kafka_begin_transaction(c->producer), "begin");
  c->n_commits++;
}

static void take(copying *c, rd_kafka_message_t *message) {
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    if (!c->is_at_end[message->partition]) c->n_at_end++;
    c->is_at_end[message->partition] = true;
    return;
  }
  if (message->err) die("consume", rd_kafka_message_errstr(message));
  produce(c->producer, c->to, message->partition, message->payload, message->len, message->key, message->key_len);
  c->next->elems[message->partition].offset = message->offset + 1;
  c->n_copied++;
}

static void run(copying *c, double commit_s) {
  rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(c->consumer);
  static rd_kafka_message_t *messages[BATCH];
  check(rd_kafka_begin_transaction(c->producer), "begin");
  double committed = now_s();
  while (c->n_at_end < c->n_partitions) {
    ssize_t n = rd_kafka_consume_batch_queue(queue, 10, messages, BATCH);
    for (ssize_t i = 0; i < n; i++) {
      take(c, messages[i]);
      rd_kafka_message_destroy(messages[i]);
    }
    rd_kafka_poll(c->producer, 0);
    if (now_s() - committed < commit_s) continue;
    commit(c);
    committed = now_s();
  }
  commit(c);
  rd_kafka_queue_destroy(queue);
}

static void copy(const char *brokers, const char *from, const char *to, int n_partitions, int commit_ms, int queue_mb) {
  copying c = {.n_partitions = n_partitions};
  c.producer = new_producer(brokers, "copy");
  c.consumer = new_consumer(brokers, from, queue_mb);
  c.to = rd_kafka_topic_new(c.producer, to, NULL);
  c.next = rd_kafka_topic_partition_list_new(n_partitions);
  for (int p = 0; p < n_partitions; p++)
    rd_kafka_topic_partition_list_add(c.next, from, p)->offset = RD_KAFKA_OFFSET_INVALID;
  double begin = now_s();
  run(&c, commit_ms / 1000.0);
  double seconds = now_s() - begin;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  printf("{\"records\": %" PRId64 ", \"seconds\": %.3f, \"cpu_seconds\": %.3f, "
         "\"peak_bytes\": %ld, \"commits\": %" PRId64 ", \"undelivered\": %" PRId64 "}\n",
         c.n_copied, seconds, cpu, used.ru_maxrss * 1024, c.n_commits, n_undelivered);
  rd_kafka_topic_destroy(c.to);
  rd_kafka_topic_partition_list_destroy(c.next);
  rd_kafka_consumer_close(c.consumer);
  rd_kafka_destroy(c.consumer);
  rd_kafka_destroy(c.producer);
}

static long number(const char *text) {
  return strtol(text, NULL, 10);
}

int main(int argc, char **argv) {
  if (argc == 7 && strcmp(argv[1], "load") == 0) {
    load(argv[2], argv[3], (int)number(argv[4]), number(argv[5]), (size_t)number(argv[6]));
  } else if (argc == 8 && strcmp(argv[1], "copy") == 0) {
    copy(argv[2], argv[3], argv[4], (int)number(argv[5]), (int)number(argv[6]), (int)number(argv[7]));
  } else {
    die("usage", "load BROKERS TOPIC N_PARTITIONS N_RECORDS N_BYTES | "
                 "copy BROKERS FROM TO N_PARTITIONS COMMIT_MS QUEUE_MB");
  }
  return 0;
}
