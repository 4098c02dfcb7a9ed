/** @file kafka_letters.c  See kafka_letters.h. */
#include "edge/kafka_letters.h"

#include "base/alloc.h"

#include <stdio.h>

#define HEADERS_MAX       8
#define PAYLOAD_BYTES_MAX ((size_t)256 << 10) /* a letter must fit into a record of any topic */

struct ls_kafka_letters {
  ls_dead_letter_port port;
  ls_kafka_letters_opts opts;
  ls_kafka_producer *producer;
  ls_buf key, value;
};

static void put_text(ls_buf *out, const char *name, const char *value) {
  if (value == NULL) return;
  ls__buf_printf(out, "%s\"%s\":", out->ptr[out->len - 1] != '{' ? "," : "", name);
  ls__buf_json_string(out, ls__slice_of(value));
}

static void put_value(ls_buf *out, const ls_dead_letter *letter) {
  ls__buf_putc(out, '{');
  put_text(out, "source", letter->source);
  put_text(out, "topic", letter->topic);
  if (letter->topic != NULL)
    ls__buf_printf(out, ",\"partition\":%d,\"offset\":%lld", letter->partition, (long long)letter->offset);
  put_text(out, "node", letter->node);
  put_text(out, "reason", letter->reason);
  put_text(out, "error", letter->error);
  put_text(out, "field", letter->field);
  if (letter->payload.len > PAYLOAD_BYTES_MAX) {
    ls__buf_printf(out, ",\"payload_bytes\":%zu", letter->payload.len);
  } else if (letter->payload.len > 0) {
    ls__buf_puts(out, ",\"payload\":");
    ls__buf_append(out, letter->payload.ptr, letter->payload.len);
  }
  ls__buf_putc(out, '}');
}

void ls__kafka_letter_format(ls_buf *key, bool *has_key, ls_buf *value, const ls_dead_letter *letter) {
  *has_key = letter->topic != NULL;
  if (*has_key) ls__buf_printf(key, "%s-%d-%lld", letter->topic, letter->partition, (long long)letter->offset);
  put_value(value, letter);
}

static size_t put_headers(ls_kafka_header *headers, const ls_dead_letter *letter, const char *partition,
                          const char *offset) {
  const struct {
    const char *name, *value;
  } all[HEADERS_MAX] = {{"ls.source", letter->source},
                        {"ls.topic", letter->topic},
                        {"ls.partition", letter->topic != NULL ? partition : NULL},
                        {"ls.offset", letter->topic != NULL ? offset : NULL},
                        {"ls.node", letter->node},
                        {"ls.reason", letter->reason},
                        {"ls.error", letter->error},
                        {"ls.field", letter->field}};
  size_t n = 0;
  for (size_t i = 0; i < HEADERS_MAX; i++) {
    if (all[i].value != NULL) headers[n++] = (ls_kafka_header){all[i].name, ls__slice_of(all[i].value)};
  }
  return n;
}

static int letters_write(ls_dead_letter_port *port, uint32_t source, const ls_dead_letter *letter, ls_error *err) {
  ls_kafka_letters *letters = (ls_kafka_letters *)port;
  char partition[16], offset[24];
  snprintf(partition, sizeof partition, "%d", letter->partition);
  snprintf(offset, sizeof offset, "%lld", (long long)letter->offset);
  ls_kafka_header headers[HEADERS_MAX];
  bool has_key;
  ls__buf_clear(&letters->key);
  ls__buf_clear(&letters->value);
  ls__kafka_letter_format(&letters->key, &has_key, &letters->value, letter);
  ls_kafka_send send = {.topic = letters->opts.topics[source],
                        .partition = -1,
                        .value = ls__buf_slice(&letters->value),
                        .timestamp_us = -1,
                        .headers = headers,
                        .n_headers = put_headers(headers, letter, partition, offset)};
  if (has_key) send.key = ls__buf_slice(&letters->key);
  LS_TRY(ls__kafka_producer_send(letters->producer, &send, err));
  int64_t n = atomic_fetch_add(letters->opts.n_bad, 1) + 1;
  if (letters->opts.records_max < 0 || n <= letters->opts.records_max) return LS_OK;
  return ls_error_set(err, LS_EBADRECORDS,
                      "%lld bad records are more than max_bad_records allows (%lld); the last: source %s, %s",
                      (long long)n, (long long)letters->opts.records_max, letter->source, letter->reason);
}

void ls__kafka_letters_new(ls_kafka_letters **out, const ls_kafka_letters_opts *opts) {
  *out = LS_NEW(ls_kafka_letters);
  (*out)->port.write = letters_write;
  (*out)->opts = *opts;
}

void ls__kafka_letters_free(ls_kafka_letters *letters) {
  if (letters == NULL) return;
  ls__buf_fini(&letters->key);
  ls__buf_fini(&letters->value);
  ls__free(letters);
}

ls_dead_letter_port *ls__kafka_letters_port(ls_kafka_letters *letters) {
  return &letters->port;
}

void ls__kafka_letters_bind(ls_kafka_letters *letters, ls_kafka_producer *producer) {
  letters->producer = producer;
}
