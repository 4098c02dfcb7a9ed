/**
 * @file wire_reader.h
 * Values in Confluent wire format (codec/wire_format.h) on their way in: their schemas are judged, their payloads handed on.
 */
#ifndef LS_EDGE_WIRE_READER_H
#define LS_EDGE_WIRE_READER_H
#include "edge/schema_registry.h"

typedef struct ls_wire_reader ls_wire_reader; /* one thread */

/** message: full name of the protobuf message that is decoded; NULL: JSON. Both are borrowed. */
void ls__wire_reader_new(ls_wire_reader **out, ls_schema_registry *registry, const char *message);
void ls__wire_reader_free(ls_wire_reader *reader);
/** *fault OK: *payload is to be decoded. *id: of the schema, -1: not known. @errors LS_ERETRY, LS_ECONFIG of the registry: the
 *  value is not judged */
int ls__wire_read(ls_wire_reader *reader, ls_slice value, ls_slice *payload, int32_t *id, ls_wire_fault *fault,
                  ls_error *err);
/** Reason and text for a dead letter. */
const char *ls__wire_reason(ls_wire_fault fault);
#define LS_WIRE_TEXT_MAX 512
void ls__wire_explain(const ls_wire_reader *reader, ls_wire_fault fault, int32_t id, char out[LS_WIRE_TEXT_MAX]);
#endif
