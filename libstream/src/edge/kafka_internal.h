/**
 * @file kafka_internal.h
 * What the Kafka edges share among themselves: a librdkafka client with its logs and errors, waiting on queues,
 * and getting librdkafka to fetch again.
 */
#ifndef LS_EDGE_KAFKA_INTERNAL_H
#define LS_EDGE_KAFKA_INTERNAL_H
#include "edge/kafka_producer.h"

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include <pthread.h>

/* How long opening, metadata and administration wait for the cluster before they give up with LS_ERETRY. */
#define LS_KAFKA_REACH_MS 10000
/* Records taken from a queue at once. */
#define LS_KAFKA_BATCH 256

typedef enum ls_kafka_kind { LS_KAFKA_CONSUMER, LS_KAFKA_READER, LS_KAFKA_PRODUCER, LS_KAFKA_ADMIN } ls_kafka_kind;

/** One librdkafka handle. error_cb runs in the owner's thread, from its polls; logs in any. */
typedef struct ls_kafka_client {
  rd_kafka_t *rk;
  const ls_kafka_cluster *cluster;
  ls_kafka_kind kind;
  rd_kafka_resp_err_t refused;  /* authentication or TLS failed: what to say when a wait ends */
  atomic_int certificate_error; /* of X509, of the last broker's certificate that was refused; 0: none */
  char trouble[256];            /* the last error librdkafka reported, without secrets */
  atomic_ullong last_log;  /* hash of the last line of the log, with its second: the same is not said again in it */
  atomic_int named;        /* of refused_topic: 0 empty, 1 being written, 2 there */
  char refused_topic[256]; /* the first that a transaction may not write to */
} ls_kafka_client;

/** Properties of the user checked and set, and those we own that are the same for every client. */
int ls__kafka_conf_new(rd_kafka_conf_t **out, const ls_kafka_cluster *cluster, ls_kafka_kind kind, ls_error *err);
/** Sets a property of ours; one librdkafka refuses is a programming error. */
void ls__kafka_conf_put(rd_kafka_conf_t *conf, const char *name, const char *value);
void ls__kafka_conf_put_int(rd_kafka_conf_t *conf, const char *name, int64_t value);
/** Sets name to value unless the user has set it. */
void ls__kafka_conf_suggest(rd_kafka_conf_t *conf, const ls_kafka_cluster *cluster, const char *name,
                            const char *value);
/** Overwrites every secret of the cluster that is in text. */
void ls__kafka_scrub(char *text, const ls_kafka_cluster *cluster);

/** Makes the handle; takes conf in any case. */
int ls__kafka_client_open(ls_kafka_client *client, const ls_kafka_cluster *cluster, ls_kafka_kind kind,
                          rd_kafka_conf_t *conf, ls_error *err);
/**
 * Destroys the handle. False: librdkafka did not come to an end in time, as 2.0.2 does not when a topic that was read has been
 * deleted; the handle is left behind, and what it was made in must not be freed.
 */
bool ls__kafka_client_destroy(ls_kafka_client *client, int flags);
/** Asks the cluster for its metadata. @errors LS_ERETRY not reachable; LS_ECONFIG refused, and not only for a moment */
int ls__kafka_client_reach(ls_kafka_client *client, ls_error *err);
/** Keeps why certificates of brokers are refused; before the handle is made. */
void ls__kafka_watch_certificates(rd_kafka_conf_t *conf);
/** What librdkafka's error says if the cluster does not want us, or we do not trust it; 0 when it may just be away. */
rd_kafka_resp_err_t ls__kafka_refusal(rd_kafka_resp_err_t code, const char *reason);
/** What the user gave, "" where nothing. Not for secrets. */
const char *ls__kafka_property_of(const ls_kafka_cluster *cluster, const char *name);
/** Whether an ACL is missing. */
bool ls__kafka_is_denied(rd_kafka_resp_err_t code);
/** Keeps the topic that a line of librdkafka's log names as refused: a failed transaction does not say which. */
void ls__kafka_note_denied(ls_kafka_client *client, const char *line);
/** That topic; NULL: none was named. */
const char *ls__kafka_denied_topic(ls_kafka_client *client);
/** What would be right, for errors that a user can mend: "; ..." into text, or nothing. */
void ls__kafka_advise(char *text, size_t n_bytes, const ls_kafka_client *client, rd_kafka_resp_err_t code);
/** Code of ours for one of librdkafka's. */
int ls__kafka_code(rd_kafka_resp_err_t code);
/** Fills err from librdkafka's code and words (NULL: the code's own); fmt says what failed. */
int ls__kafka_fail(ls_kafka_client *client, ls_error *err, int ours, rd_kafka_resp_err_t code, const char *words,
                   const char *fmt, ...) LS_PRINTF(6, 7);
/** The fatal error of the handle behind code, or code itself. */
rd_kafka_resp_err_t ls__kafka_root_cause(ls_kafka_client *client, rd_kafka_resp_err_t code);
ls_kafka_record ls__kafka_record_of(const rd_kafka_message_t *message, uint32_t topic);

/** What librdkafka may queue for one consumer, and what follows for its properties. */
typedef struct ls_kafka_limits {
  int64_t queue_msgs, queue_bytes; /* a queue at one of these is not fetched for */
} ls_kafka_limits;
/** Sizes the fetch properties for n_queues queues that hold budget bytes together. */
ls_kafka_limits ls__kafka_size_queues(rd_kafka_conf_t *conf, size_t budget, uint32_t n_queues);

/** Decides when librdkafka has to be woken to fetch again; one per queue. */
typedef struct ls_kafka_refill {
  int64_t bytes_avg; /* of a record; 0: none seen */
  int64_t asked_us;  /* when it was last woken */
  bool full;         /* was near its limit: librdkafka may have stopped fetching */
  bool at_end;       /* the last thing seen was the end of the partition */
} ls_kafka_refill;
void ls__kafka_refill_saw(ls_kafka_refill *refill, const rd_kafka_message_t *message);
/** Whether to wake librdkafka now that n_left are left in the queue. */
bool ls__kafka_refill_due(ls_kafka_refill *refill, const ls_kafka_limits *limits, size_t n_left);
/**
 * Wakes the brokers' threads that serve partitions. librdkafka 2.0.2 stops fetching for a full queue and looks at it
 * again when something happens on the connection, at the latest after a second: a queue that is emptied faster stands
 * empty. A request whose answer nobody waits for is something happening.
 */
void ls__kafka_wake_fetchers(ls_kafka_client *client, rd_kafka_topic_partition_list_t *partitions);

/** Waiting for any of several queues. */
typedef struct ls_kafka_bell {
  pthread_mutex_t lock;
  pthread_cond_t rung;
  bool is_rung;
} ls_kafka_bell;
void ls__kafka_bell_init(ls_kafka_bell *bell);
void ls__kafka_bell_fini(ls_kafka_bell *bell);
/** Rings the bell whenever the queue was empty and is no longer. */
void ls__kafka_bell_watch(ls_kafka_bell *bell, rd_kafka_queue_t *queue);
void ls__kafka_bell_unwatch(rd_kafka_queue_t *queue);
void ls__kafka_bell_clear(ls_kafka_bell *bell);
void ls__kafka_bell_wait(ls_kafka_bell *bell, int timeout_ms);

/** For ls__kafka_producer_send_offsets: the offsets as librdkafka wants them; to be destroyed. */
int ls__kafka_offset_list(rd_kafka_topic_partition_list_t **out, const char *const *topics, uint32_t n_topics,
                          const ls_kafka_offset *offsets, size_t n, ls_error *err);
int ls__kafka_consumer_offset_list(const ls_kafka_consumer *consumer, rd_kafka_topic_partition_list_t **out,
                                   const ls_kafka_offset *offsets, size_t n, ls_error *err);
/** Membership under which the partitions were assigned, borrowed. NULL: nothing is assigned. */
const rd_kafka_consumer_group_metadata_t *ls__kafka_consumer_membership(const ls_kafka_consumer *consumer);
#endif
