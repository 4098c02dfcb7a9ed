/**
 * @file proto_text.h
 * The text of a .proto file for a message type: what a registry gets for the messages of a sink.
 */
#ifndef LS_CODEC_PROTO_TEXT_H
#define LS_CODEC_PROTO_TEXT_H
#include "codec/codec.h"
#include "codec/wire_format.h"

/** A message's place in its file: index among the file's messages, then within each message. */
typedef struct ls_proto_place {
  int32_t path[LS_WIRE_PATH_MAX];
  uint32_t n_path;
} ls_proto_place;

/**
 * Appends a file with the message type (ProtobufCMessageDescriptor) and all types that it is made of; the same for the same type, and
 * its outermost message is the file's first. google.protobuf's own types are imported: registries have them.
 * @errors LS_ECONFIG: they can't stand in one file, which the message explains
 */
int ls__proto_text(ls_buf *out, ls_proto_place *place, const void *descriptor, ls_error *err);
#endif
