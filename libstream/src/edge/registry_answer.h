/**
 * @file registry_answer.h
 * What a schema registry answers, as JSON. Members that are not known are passed over.
 */
#ifndef LS_EDGE_REGISTRY_ANSWER_H
#define LS_EDGE_REGISTRY_ANSWER_H
#include "codec/codec.h"

typedef struct ls_registry_reader ls_registry_reader; /* one thread */

/** Texts are valid until the next answer is read. */
typedef struct ls_registry_answer {
  int64_t id, error_code;                /* -1: not there */
  ls_slice schema, schema_type, message; /* ptr NULL: not there */
} ls_registry_answer;

int ls__registry_reader_new(ls_registry_reader **out, ls_error *err);
void ls__registry_reader_free(ls_registry_reader *reader);
/** False: body is not an answer. */
bool ls__registry_read(ls_registry_answer *out, ls_registry_reader *reader, ls_slice body);
#endif
