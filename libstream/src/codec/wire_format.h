/**
 * @file wire_format.h
 * The Confluent wire format: byte 0, the schema's id (4 bytes, big endian), for protobuf the place of the message in its
 * file (numbers as zigzag varints, their count first; a single 0: the first message), then the payload.
 */
#ifndef LS_CODEC_WIRE_FORMAT_H
#define LS_CODEC_WIRE_FORMAT_H
#include "base/buf.h"

#define LS_WIRE_HEAD     5  /* bytes in front of a JSON payload */
#define LS_WIRE_PATH_MAX 16 /* numbers of a place: messages within messages */

typedef struct ls_wire {
  int32_t id;
  int32_t path[LS_WIRE_PATH_MAX]; /* of the message: index in the file, then within each message */
  uint32_t n_path;                /* 0: not protobuf */
  ls_slice head, payload;         /* borrowed from the value */
} ls_wire;

/** A message's place in its file: index among the file's messages, then within each message. */
typedef struct ls_proto_place {
  int32_t path[LS_WIRE_PATH_MAX];
  uint32_t n_path;
} ls_proto_place;

/** Takes a value apart. False: it is not in this format. */
bool ls__wire_split(ls_wire *out, ls_slice value, bool protobuf);
/** Appends what goes in front of a payload. path: the message's place in its file; n_path 0: JSON. */
void ls__wire_head(ls_buf *out, int32_t id, const int32_t *path, uint32_t n_path);

/**
 * Whether the message at a place of a protobuf schema, as registries have it, has the full name (package.Outer.Inner). Entries of map fields count as
 * messages in some writers' numbering and not in others': either is taken. False also for a text that can't be followed.
 * The text is that of a .proto file, or base64 of a FileDescriptorProto: so Python's serializer writes it.
 */
bool ls__proto_names(ls_slice text, const int32_t *path, uint32_t n_path, const char *full_name);
/** A field of a message in a schema. Texts are borrowed for the call. */
typedef struct ls_proto_field {
  ls_slice message;    /* full name */
  ls_slice type, name; /* type as written: int32, Inner, .package.Outer.Inner */
  uint32_t number;
  bool repeated, required;
} ls_proto_field;
typedef void (*ls_proto_field_fn)(void *payload, const ls_proto_field *field);
/** Place of the message with a full name in a schema, in either form. Entries of map fields are counted in the binary form alone. on_field
 *  (may be NULL) gets the fields of all messages, but maps and groups. False: there is none, or it can't be followed. */
bool ls__proto_find(ls_proto_place *out, ls_slice text, const char *full_name, ls_proto_field_fn on_field,
                    void *payload);
/** The same of a FileDescriptorProto in its binary form, where entries of map fields are messages. */
bool ls__proto_file_names(ls_slice file, const int32_t *path, uint32_t n_path, const char *full_name);
#endif
