/**
 * @file protobuf_writer.h
 * How rows of a schema are written as messages: worked out once, with what can't be read back equal refused.
 */
#ifndef LS_CODEC_PROTOBUF_WRITER_H
#define LS_CODEC_PROTOBUF_WRITER_H
#include "codec/protobuf_map.h"

typedef struct ls_protobuf_part ls_protobuf_part;
/** One column, or a field of a struct in it. */
struct ls_protobuf_part {
  const ProtobufCFieldDescriptor *field;
  const char *message; /* that has the field */
  const char *column;  /* with the names around it: lines.price */
  const ls_type *type; /* of the value, or of the elements of a repeated field */
  ls_protobuf_how how;
  bool nullable;
  size_t enum_prefix;
  const ProtobufCFieldDescriptor *parts[2]; /* INSTANT: seconds, nanos */
  ls_protobuf_part *children;               /* MESSAGE: one per field of the struct */
  uint32_t n_children;
  uint32_t rival; /* next one that is in the same oneof: its index + 1; 0: none */
};

struct ls_protobuf_writer {
  const ProtobufCMessageDescriptor *descriptor;
  ls_protobuf_part *parts; /* one per field of the schema */
  uint32_t n_parts;
  bool may_refuse; /* there are rows that it can't write */
};

/** How a field says that there is no value. */
typedef enum ls_protobuf_null {
  LS_PB_NULL_ABSENT, /* it is absent */
  LS_PB_NULL_EMPTY,  /* it is absent, which is the same as empty */
  LS_PB_NULL_NEVER   /* it can't: what is absent is read as 0 or as an empty list, or is no message */
} ls_protobuf_null;
ls_protobuf_null ls__protobuf_null_of(const ProtobufCFieldDescriptor *field);
#endif
