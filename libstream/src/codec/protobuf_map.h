/**
 * @file protobuf_map.h
 * How fields of a protobuf message become fields of a schema, by name. What has no mapping is
 * refused when the decoder is made. A schema field f of type timestamp is also found as f_us (an
 * integer, microseconds).
 */
#ifndef LS_CODEC_PROTOBUF_MAP_H
#define LS_CODEC_PROTOBUF_MAP_H
#include <protobuf-c/protobuf-c.h>

#include "codec/decoder.h"

typedef enum ls_protobuf_how {
  LS_PB_TEXT, /* string -> string; decimal, timestamp, date by their text */
  LS_PB_BYTES,
  LS_PB_INTEGER, /* any integer -> int64, or timestamp as microseconds */
  LS_PB_FLOAT,   /* float, double -> float64, never decimal */
  LS_PB_BOOL,
  LS_PB_ENUM,    /* name of the value, without the enum's own prefix */
  LS_PB_INSTANT, /* message {seconds, nanos} -> timestamp */
  LS_PB_MESSAGE  /* message -> struct */
} ls_protobuf_how;

typedef struct ls_protobuf_node ls_protobuf_node;
struct ls_protobuf_node {
  const ProtobufCFieldDescriptor *field; /* NULL: the message has none, the value is null */
  const ls_type *type;                   /* of the value, or of the elements of a repeated field */
  ls_protobuf_how how;
  size_t enum_prefix;                       /* bytes to leave out */
  const ProtobufCFieldDescriptor *parts[2]; /* INSTANT: seconds, nanos */
  ls_protobuf_node *children;               /* MESSAGE: one per field of the struct */
};

struct ls_protobuf_map {
  const ProtobufCMessageDescriptor *descriptor;
  ls_protobuf_node *nodes;     /* one per field of the schema */
  size_t n_bytes, n_bytes_max; /* of the message being unpacked */
};

/** Field of the message for a schema field, NULL when there is none. */
const ProtobufCFieldDescriptor *ls__protobuf_find(const ProtobufCMessageDescriptor *message, const char *name,
                                                  const ls_type *type);
/** Whether the message has int64 seconds and int32 nanos; sets parts. */
bool ls__protobuf_is_instant(const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *parts[2]);
/** Length of the prefix "<ENUM_NAME>_" that all values of the enum share; 0: they don't. */
size_t ls__protobuf_enum_prefix(const ProtobufCEnumDescriptor *descriptor);
/** How a value of the protobuf field becomes type (of an element, if it is repeated). False: it
 * can't. */
bool ls__protobuf_how(ls_protobuf_how *out, const ProtobufCFieldDescriptor *field, const ls_type *type);
/** Whether a message does not contain itself, and is not nested too deep to be unpacked. */
bool ls__protobuf_is_bounded(const ProtobufCMessageDescriptor *message);
bool ls__protobuf_is_integer(ProtobufCType type);
const char *ls__protobuf_type_name(const ProtobufCFieldDescriptor *field);
/** The field's type as a .proto file has it, messages and enums by their full names. In proto_text.c. */
const char *ls__proto_type_name(const ProtobufCFieldDescriptor *field);
#endif
