/**
 * @file schema_registry.h
 * A schema registry with Confluent's interface, over HTTP: schemas by id, looked up once each, and subjects. The only place
 * that knows libcurl. TLS is verified. Bounded: answers, the number of schemas kept and their bytes, the time of a request.
 *
 * Errors: LS_ERETRY (can't be reached, or can't answer now), LS_ECONFIG (its address, credentials, certificate; a schema that
 * it refuses). Messages show the address, never credentials.
 */
#ifndef LS_EDGE_SCHEMA_REGISTRY_H
#define LS_EDGE_SCHEMA_REGISTRY_H
#include "base/buf.h"

#include <libstream/error.h>

typedef struct ls_schema_registry ls_schema_registry; /* any thread */

/** Texts are copied. */
typedef struct ls_schema_registry_opts {
  const char *url;                 /* http:// or https://, with a path where it has one; no user in it */
  const char *username, *password; /* basic authentication; NULL: none */
  const char *token;               /* bearer; NULL: none */
  const char *ca_file;             /* PEM; NULL: the system's */
  int64_t timeout_us;              /* of one request */
} ls_schema_registry_opts;

/** Connects to nobody yet. @errors LS_ECONFIG */
int ls__schema_registry_new(ls_schema_registry **out, const ls_schema_registry_opts *opts, ls_error *err);
void ls__schema_registry_free(ls_schema_registry *registry);
/** Asks something harmless: whether it is there and lets us in. */
int ls__schema_registry_probe(ls_schema_registry *registry, ls_error *err);

typedef enum ls_wire_fault {
  LS_WIRE_OK,
  LS_WIRE_NO_VALUE,
  LS_WIRE_NOT_FRAMED,    /* the value is not in wire format */
  LS_WIRE_UNKNOWN,       /* the registry does not know the id */
  LS_WIRE_OTHER_TYPE,    /* it is no JSON Schema; no protobuf schema */
  LS_WIRE_OTHER_MESSAGE, /* the message at that place of it is another one */
  LS_WIRE_FAULTS
} ls_wire_fault;

/** Judges an id: JSON Schema (message NULL), or a protobuf schema with the message at path. An unknown id is asked for again
 *  after some seconds. */
int ls__schema_registry_judge(ls_schema_registry *registry, int32_t id, const char *message, const int32_t *path,
                              uint32_t n_path, ls_wire_fault *out, ls_error *err);
typedef struct ls_schema_put {
  const char *subject, *type; /* type: JSON, PROTOBUF */
  ls_slice schema;
  bool add; /* register it where it is not there */
} ls_schema_put;
/** Id of a schema under a subject. @errors LS_ECONFIG also when it is not compatible with those that are there */
int ls__schema_registry_put(ls_schema_registry *registry, int32_t *id, const ls_schema_put *put, ls_error *err);
/** The newest protobuf schema of a subject: its id, and its text appended. @errors LS_ECONFIG also when there is none */
int ls__schema_registry_newest(ls_schema_registry *registry, int32_t *id, ls_buf *text, const char *subject,
                               ls_error *err);
#endif
