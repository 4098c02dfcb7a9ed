/**
 * @file kafka_letters.h
 * Dead letters as records of the source's dead-letter topic, inside the transaction. Headers tell where the record was:
 * ls.source, ls.topic, ls.partition, ls.offset, ls.node, ls.reason, ls.error, ls.field. The value is a JSON object with the
 * same and the payload, sensitive fields masked. The key is "<topic>-<partition>-<offset>" of the bad record.
 */
#ifndef LS_EDGE_KAFKA_LETTERS_H
#define LS_EDGE_KAFKA_LETTERS_H
#include "edge/kafka_producer.h"
#include "port/sink.h"

#include <stdatomic.h>

typedef struct ls_kafka_letters ls_kafka_letters;
typedef struct ls_kafka_letters_opts {
  const uint32_t *topics; /* of the producer, by source */
  atomic_llong *n_bad;    /* of the process, counted here */
  int64_t records_max;    /* of them before LS_EBADRECORDS; -1: no limit */
} ls_kafka_letters_opts;
/** Key and value of a letter's record, appended. *has_key false: it has none. */
void ls__kafka_letter_format(ls_buf *key, bool *has_key, ls_buf *value, const ls_dead_letter *letter);
void ls__kafka_letters_new(ls_kafka_letters **out, const ls_kafka_letters_opts *opts);
void ls__kafka_letters_free(ls_kafka_letters *letters);
ls_dead_letter_port *ls__kafka_letters_port(ls_kafka_letters *letters);
void ls__kafka_letters_bind(ls_kafka_letters *letters, ls_kafka_producer *producer);
#endif
