/**
 * @file kafka_refusal.c  Clusters that refuse us, or that we do not trust: why, and what would be right.
 */
#include "edge/kafka_internal.h"

#include <stdio.h>

#define SCRAM_WORKS_FROM 0x020601ff /* librdkafka's pull request 4895 */

/* OpenSSL's numbers, X509_V_ERR_*, which do not change. */
static const char *certificate_fault(int x509_error) {
  switch (x509_error) {
  case 2:  /* UNABLE_TO_GET_ISSUER_CERT */
  case 18: /* DEPTH_ZERO_SELF_SIGNED_CERT */
  case 19: /* SELF_SIGNED_CERT_IN_CHAIN */
  case 20: /* UNABLE_TO_GET_ISSUER_CERT_LOCALLY */
  case 21: /* UNABLE_TO_VERIFY_LEAF_SIGNATURE */
    return "is not signed by an authority we trust; ssl.ca.location names the file of that one";
  case 7: /* CERT_SIGNATURE_FAILURE */
    return "is not signed by the authority it names; ssl.ca.location names the file of the right one";
  case 9:
    return "is not valid yet; look at the clocks";
  case 10:
    return "has expired; it has to be renewed";
  case 62: /* HOSTNAME_MISMATCH */
  case 64: /* IP_ADDRESS_MISMATCH */
    return "is for another host; bootstrap.servers and the brokers' advertised.listeners have to be names that it "
           "holds";
  default:
    return "can't be verified";
  }
}

/* @thread librdkafka's */
static int on_certificate(rd_kafka_t *rk, const char *broker, int32_t broker_id, int *x509_error, int depth,
                          const char *certificate, size_t n_bytes, char *text, size_t n_text, void *opaque) {
  (void)rk, (void)broker, (void)broker_id, (void)depth, (void)certificate, (void)n_bytes;
  ls_kafka_client *client = opaque;
  if (*x509_error == 0) return 1;
  atomic_store(&client->certificate_error, *x509_error);
  snprintf(text, n_text, "it %s", certificate_fault(*x509_error));
  return 0;
}

void ls__kafka_watch_certificates(rd_kafka_conf_t *conf) {
  (void)rd_kafka_conf_set_ssl_cert_verify_cb(conf, on_certificate); /* fails where librdkafka has no TLS */
}

rd_kafka_resp_err_t ls__kafka_refusal(rd_kafka_resp_err_t code, const char *reason) {
  if (strstr(reason, "SSL alert number")) return RD_KAFKA_RESP_ERR__SSL; /* the broker's, on our certificate */
  if (code != RD_KAFKA_RESP_ERR__AUTHENTICATION && code != RD_KAFKA_RESP_ERR__SSL) return RD_KAFKA_RESP_ERR_NO_ERROR;
  /* a broker that goes ends a handshake as well */
  bool gone = strstr(reason, "Disconnected") || strstr(reason, "transport error") || strstr(reason, "unexpected eof");
  return gone ? RD_KAFKA_RESP_ERR_NO_ERROR : code;
}

bool ls__kafka_is_denied(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

/* @thread librdkafka's. Failed to add partition "TOPIC" [0] to transaction: Broker: Topic authorization failed */
void ls__kafka_note_denied(ls_kafka_client *client, const char *line) {
  const char *begin = strchr(line, '"'), *end = begin ? strchr(begin + 1, '"') : NULL;
  int empty = 0;
  if (!end || !strstr(end, "authorization failed") || !atomic_compare_exchange_strong(&client->named, &empty, 1))
    return;
  snprintf(client->refused_topic, sizeof client->refused_topic, "%.*s", (int)(end - begin - 1), begin + 1);
  atomic_store(&client->named, 2);
}

const char *ls__kafka_denied_topic(ls_kafka_client *client) {
  return atomic_load(&client->named) == 2 ? client->refused_topic : NULL;
}

const char *ls__kafka_property_of(const ls_kafka_cluster *cluster, const char *name) {
  for (size_t i = 0; i < cluster->n_properties; i++)
    if (strcmp(cluster->properties[i].name, name) == 0) return cluster->properties[i].value;
  return "";
}

static void advise_credentials(char *text, size_t n_bytes, const ls_kafka_cluster *cluster) {
  bool scram = strncmp(ls__kafka_property_of(cluster, "sasl.mechanism"), "SCRAM", 5) == 0 ||
               strncmp(ls__kafka_property_of(cluster, "sasl.mechanisms"), "SCRAM", 5) == 0;
  bool old = rd_kafka_version() < SCRAM_WORKS_FROM;
  snprintf(text, n_bytes, "; look at sasl.username, sasl.password and sasl.mechanism%s%s%s",
           scram && old ? "; brokers from Kafka 4.0 on take no SCRAM from librdkafka before 2.6.1, and this is " : "",
           scram && old ? rd_kafka_version_str() : "",
           scram && old ? ": take a newer one, a client certificate, or PLAIN over TLS" : "");
}

void ls__kafka_advise(char *text, size_t n_bytes, const ls_kafka_client *client, rd_kafka_resp_err_t code) {
  int x509_error = atomic_load(&client->certificate_error);
  text[0] = '\0';
  if (ls__kafka_is_denied(code))
    snprintf(text, n_bytes, "; an ACL has to allow it: `streamctl acls` prints those that the topology needs");
  switch ((int)code) {
  case RD_KAFKA_RESP_ERR__AUTHENTICATION:
  case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    advise_credentials(text, n_bytes, client->cluster);
    return;
  case RD_KAFKA_RESP_ERR__SSL:
    if (x509_error != 0)
      snprintf(text, n_bytes, "; the broker's certificate %s", certificate_fault(x509_error));
    else
      snprintf(text, n_bytes,
               "; look at security.protocol and the ssl properties: a broker that asks for a client "
               "certificate takes one of ssl.certificate.location and ssl.key.location");
    return;
  case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
    snprintf(text, n_bytes,
             "; session.timeout.ms has to be within the brokers' group.min and group.max.session.timeout.ms");
    return;
  case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    snprintf(text, n_bytes,
             "; set the topic's max.message.bytes, and kafka: properties: message.max.bytes, to what its records need");
    return;
  case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    snprintf(text, n_bytes, "; set the topic's message.timestamp.before.max.ms to what its records need");
    return;
  case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    snprintf(text, n_bytes, "; a compacted topic takes records with a key only");
    return;
  case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
    snprintf(text, n_bytes, "; runtime: transaction_timeout may be at most the brokers' transaction.max.timeout.ms");
    return;
  default:
    return;
  }
}
