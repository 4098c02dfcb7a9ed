/** @file protobuf_map.c  Fields of a protobuf message -> fields of the schema. */
#include "codec/decoder.h"

int ls__protobuf_map_new(ls_decoder *decoder, const void *descriptor, ls_error *err) {
  (void)descriptor;
  return ls_error_set(err, LS_ECONFIG, "schema %s: protobuf is not there yet", decoder->schema->name);
}
