/**
 * @file proto_text.h
 * The text of a .proto file for a message type: what a registry gets for the messages of a sink. And whether what is there already
 * will do.
 */
#ifndef LS_CODEC_PROTO_TEXT_H
#define LS_CODEC_PROTO_TEXT_H
#include "codec/codec.h"
#include "codec/wire_format.h"

/**
 * Appends a file with the message type (ProtobufCMessageDescriptor) and all types that it is made of; the same for the same type, and
 * its outermost message is the file's first. google.protobuf's own types are imported: registries have them.
 * @errors LS_ECONFIG: they can't stand in one file, which the message explains
 */
int ls__proto_text(ls_buf *out, ls_proto_place *place, const void *descriptor, ls_error *err);

/** Whether a schema of others, as registries have it, has the writer's message with each field that is written, under the same number
 *  and of the same type; its place. @errors LS_ECONFIG: the first thing that it has not */
int ls__proto_agrees(ls_proto_place *place, const ls_protobuf_writer *writer, ls_slice text, ls_error *err);
#endif
