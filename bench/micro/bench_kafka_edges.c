/**
 * @file bench_kafka_edges.c
 * The copy loop of bench/peers/copy_loop over our Kafka edges: what they cost beyond librdkafka. Not a test: prints
 * figures. Usage: bench_kafka_edges BROKERS FROM TO N_PARTITIONS COMMIT_MS QUEUE_MB
 */
#include "base/thread.h"
#include "edge/kafka_producer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

typedef struct copying {
  ls_kafka_consumer *consumer;
  ls_kafka_producer *producer;
  ls_kafka_offset next[1024];
  bool is_at_end[1024];
  int n_at_end;
  int64_t n_copied, n_commits, last_offset;
  int64_t flush_us, offsets_us, commit_us; /* spent in them, all together */
} copying;

static ls_error err;

static void check(int rc) {
  if (rc >= 0) return;
  fprintf(stderr, "bench_kafka_edges: %s\n", err.message);
  exit(1);
}

static int on_assigned(void *payload, const ls_kafka_partition *partitions, size_t n, ls_error *e) {
  copying *c = payload;
  for (size_t i = 0; i < n; i++) LS_TRY(ls__kafka_consumer_start(c->consumer, 0, partitions[i].partition, -1, e));
  return LS_OK;
}

static int on_record(void *payload, const ls_kafka_record *record, ls_error *e) {
  copying *c = payload;
  ls_kafka_send send = {.partition = record->partition,
                        .key = record->key,
                        .value = record->value,
                        .timestamp_us = record->timestamp_us,
                        .offset = &c->last_offset};
  c->next[record->partition].offset = record->offset + 1;
  c->n_copied++;
  return ls__kafka_producer_send(c->producer, &send, e);
}

static void on_end(void *payload, uint32_t topic, int32_t partition, int64_t offset) {
  (void)topic;
  (void)offset;
  copying *c = payload;
  if (!c->is_at_end[partition]) c->n_at_end++;
  c->is_at_end[partition] = true;
}

static void commit(copying *c, size_t n_partitions) {
  ls_kafka_offset offsets[1024];
  size_t n = 0;
  for (size_t p = 0; p < n_partitions; p++)
    if (c->next[p].offset > 0) offsets[n++] = c->next[p];
  int64_t begin_us = ls__monotonic_us();
  check(ls__kafka_producer_flush(c->producer, &err));
  int64_t flushed_us = ls__monotonic_us();
  check(ls__kafka_producer_send_offsets(c->producer, c->consumer, offsets, n, &err));
  int64_t sent_us = ls__monotonic_us();
  check(ls__kafka_producer_commit(c->producer, &err));
  c->flush_us += flushed_us - begin_us;
  c->offsets_us += sent_us - flushed_us;
  c->commit_us += ls__monotonic_us() - sent_us;
  check(ls__kafka_producer_begin(c->producer, &err));
  c->n_commits++;
}

static void open_clients(copying *c, const ls_kafka_cluster *cluster, char **argv) {
  static const char *from, *to;
  from = argv[2];
  to = argv[3];
  ls_kafka_producer_opts out = {.cluster = cluster, .transactional_id = "edges", .topics = &to};
  out.n_topics = 1;
  out.transaction_timeout_ms = 30000;
  out.queue_bytes = 64 << 20;
  check(ls__kafka_producer_new(&c->producer, &out, &err));
  ls_kafka_consumer_opts in = {.cluster = cluster, .group_id = "edges", .topics = &from};
  in.n_topics = 1;
  in.n_partitions_max = (uint32_t)strtol(argv[4], NULL, 10);
  in.queue_bytes = (size_t)strtol(argv[6], NULL, 10) << 20;
  in.on_assigned = on_assigned;
  in.on_record = on_record;
  in.on_end = on_end;
  in.payload = c;
  check(ls__kafka_consumer_new(&c->consumer, &in, &err));
}

int main(int argc, char **argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: bench_kafka_edges BROKERS FROM TO N_PARTITIONS COMMIT_MS QUEUE_MB\n");
    return 2;
  }
  ls_kafka_property servers = {"bootstrap.servers", argv[1]};
  ls_kafka_cluster cluster = {&servers, 1, "bench"};
  static copying c;
  int n_partitions = (int)strtol(argv[4], NULL, 10);
  int64_t commit_us = strtol(argv[5], NULL, 10) * INT64_C(1000);
  for (int p = 0; p < n_partitions; p++) c.next[p].partition = p;
  open_clients(&c, &cluster, argv);
  int64_t begin_us = ls__monotonic_us(), committed_us = begin_us;
  check(ls__kafka_producer_begin(c.producer, &err));
  while (c.n_at_end < n_partitions) {
    size_t n;
    check(ls__kafka_consumer_poll(c.consumer, 10, 4096, &n, &err));
    if (ls__monotonic_us() - committed_us < commit_us) continue;
    commit(&c, (size_t)n_partitions);
    committed_us = ls__monotonic_us();
  }
  commit(&c, (size_t)n_partitions);
  double seconds = (double)(ls__monotonic_us() - begin_us) / 1e6;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  printf("{\"records\": %" PRId64 ", \"seconds\": %.3f, \"cpu_seconds\": %.3f, "
         "\"peak_bytes\": %ld, \"commits\": %" PRId64 ", \"flush_ms\": %.1f, \"offsets_ms\": %.1f, "
         "\"commit_ms\": %.1f}\n",
         c.n_copied, seconds, cpu, used.ru_maxrss * 1024, c.n_commits, (double)c.flush_us / 1e3 / (double)c.n_commits,
         (double)c.offsets_us / 1e3 / (double)c.n_commits, (double)c.commit_us / 1e3 / (double)c.n_commits);
  check(ls__kafka_producer_abort(c.producer, &err));
  check(ls__kafka_consumer_close(c.consumer, &err));
  ls__kafka_consumer_free(c.consumer);
  ls__kafka_producer_free(c.producer);
  return 0;
}
