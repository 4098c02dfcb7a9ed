/** @file protobuf_map.c  See protobuf_map.h. */
#include "codec/protobuf_map.h"

#include <stdio.h>
#include <string.h>

#define NESTED_MAX    32 /* messages in messages; also what tells a recursive message type */
#define ENUM_NAME_MAX 256

bool ls__protobuf_is_integer(ProtobufCType type) {
  switch (type) {
  case PROTOBUF_C_TYPE_INT32:
  case PROTOBUF_C_TYPE_SINT32:
  case PROTOBUF_C_TYPE_SFIXED32:
  case PROTOBUF_C_TYPE_INT64:
  case PROTOBUF_C_TYPE_SINT64:
  case PROTOBUF_C_TYPE_SFIXED64:
  case PROTOBUF_C_TYPE_UINT32:
  case PROTOBUF_C_TYPE_FIXED32:
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64:
    return true;
  default:
    return false;
  }
}

const char *ls__protobuf_type_name(const ProtobufCFieldDescriptor *field) {
  switch (field->type) {
  case PROTOBUF_C_TYPE_FLOAT:
    return "float";
  case PROTOBUF_C_TYPE_DOUBLE:
    return "double";
  case PROTOBUF_C_TYPE_BOOL:
    return "bool";
  case PROTOBUF_C_TYPE_ENUM:
    return "enum";
  case PROTOBUF_C_TYPE_STRING:
    return "string";
  case PROTOBUF_C_TYPE_BYTES:
    return "bytes";
  case PROTOBUF_C_TYPE_MESSAGE:
    return "message";
  default:
    return "integer";
  }
}

static bool ends_in_us(const char *name) {
  size_t len = strlen(name);
  return len > 3 && memcmp(name + len - 3, "_us", 3) == 0;
}

const ProtobufCFieldDescriptor *ls__protobuf_find(const ProtobufCMessageDescriptor *message, const char *name,
                                                  const ls_type *type) {
  const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(message, name);
  if (field || type->kind != LS_TIMESTAMP) return field;
  char longer[ENUM_NAME_MAX];
  if ((size_t)snprintf(longer, sizeof longer, "%s_us", name) >= sizeof longer) return NULL;
  return protobuf_c_message_descriptor_get_field_by_name(message, longer);
}

bool ls__protobuf_is_instant(const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *parts[2]) {
  parts[0] = protobuf_c_message_descriptor_get_field_by_name(message, "seconds");
  parts[1] = protobuf_c_message_descriptor_get_field_by_name(message, "nanos");
  return parts[0] && parts[1] && parts[0]->type == PROTOBUF_C_TYPE_INT64 && parts[1]->type == PROTOBUF_C_TYPE_INT32 &&
         parts[0]->label != PROTOBUF_C_LABEL_REPEATED && parts[1]->label != PROTOBUF_C_LABEL_REPEATED;
}

/* TransactionStatus -> TRANSACTION_STATUS_ */
static size_t prefix_of_enum(char out[ENUM_NAME_MAX], const char *name) {
  size_t n = 0;
  for (const char *p = name; *p && n + 3 < ENUM_NAME_MAX; p++) {
    bool upper = *p >= 'A' && *p <= 'Z', after_lower = p > name && p[-1] >= 'a' && p[-1] <= 'z';
    if (upper && after_lower) out[n++] = '_';
    out[n++] = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
  }
  out[n++] = '_';
  return n;
}

size_t ls__protobuf_enum_prefix(const ProtobufCEnumDescriptor *descriptor) {
  char prefix[ENUM_NAME_MAX];
  size_t len = prefix_of_enum(prefix, descriptor->short_name);
  for (unsigned i = 0; i < descriptor->n_values; i++) {
    if (strncmp(descriptor->values[i].name, prefix, len) != 0 || !descriptor->values[i].name[len]) return 0;
  }
  return descriptor->n_values ? len : 0;
}

bool ls__protobuf_how(ls_protobuf_how *out, const ProtobufCFieldDescriptor *field, const ls_type *type) {
  ls_kind kind = type->kind;
  const ProtobufCFieldDescriptor *parts[2];
  switch (field->type) {
  case PROTOBUF_C_TYPE_STRING:
    *out = LS_PB_TEXT;
    return kind == LS_STRING || kind == LS_DECIMAL || kind == LS_TIMESTAMP || kind == LS_DATE;
  case PROTOBUF_C_TYPE_BYTES:
    *out = LS_PB_BYTES;
    return kind == LS_BYTES;
  case PROTOBUF_C_TYPE_BOOL:
    *out = LS_PB_BOOL;
    return kind == LS_BOOL;
  case PROTOBUF_C_TYPE_FLOAT:
  case PROTOBUF_C_TYPE_DOUBLE:
    *out = LS_PB_FLOAT;
    return kind == LS_FLOAT64;
  case PROTOBUF_C_TYPE_ENUM:
    *out = LS_PB_ENUM;
    return kind == LS_STRING;
  case PROTOBUF_C_TYPE_MESSAGE:
    *out = kind == LS_STRUCT ? LS_PB_MESSAGE : LS_PB_INSTANT;
    return kind == LS_STRUCT || (kind == LS_TIMESTAMP && ls__protobuf_is_instant(field->descriptor, parts));
  default: /* integers */
    *out = LS_PB_INTEGER;
    return kind == LS_INT64 || (kind == LS_TIMESTAMP && ends_in_us(field->name));
  }
}

static int map_field(ls_decoder *decoder, ls_protobuf_node *node, const ProtobufCMessageDescriptor *message,
                     const char *name, const ls_type *type, int depth, ls_error *err);

static int map_struct(ls_decoder *decoder, ls_protobuf_node *node, int depth, ls_error *err) {
  const ls_type *type = node->type;
  node->children = LS_ARENA_ARRAY(&decoder->arena, ls_protobuf_node, type->n_fields + 1);
  for (uint32_t i = 0; i < type->n_fields; i++) {
    LS_TRY(map_field(decoder, &node->children[i], node->field->descriptor, type->fields[i].name, type->fields[i].type,
                     depth + 1, err));
  }
  return LS_OK;
}

static int map_field(ls_decoder *decoder, ls_protobuf_node *node, const ProtobufCMessageDescriptor *message,
                     const char *name, const ls_type *type, int depth, ls_error *err) {
  if (depth > NESTED_MAX) return ls_error_set(err, LS_ECONFIG, "message %s is nested too deep", message->name);
  const ProtobufCFieldDescriptor *field = ls__protobuf_find(message, name, type);
  node->field = field;
  node->type = type;
  if (!field) return LS_OK;
  bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
  bool fits = repeated == (type->kind == LS_LIST);
  if (fits && repeated) node->type = type->element;
  if (!fits || !ls__protobuf_how(&node->how, field, node->type)) {
    ls_buf text = LS_BUF_INIT;
    ls__type_format(&text, type);
    ls_error_set(err, LS_ECONFIG,
                 "field %s of %s: protobuf field %s.%s of type %s%s can't be read as %s (integers "
                 "are read as a timestamp "
                 "only when their name ends in _us, decimals only from strings)",
                 name, decoder->schema->name, message->name, field->name, repeated ? "repeated " : "",
                 ls__protobuf_type_name(field), text.ptr);
    ls__buf_fini(&text);
    return LS_ECONFIG;
  }
  if (node->how == LS_PB_ENUM) node->enum_prefix = ls__protobuf_enum_prefix(field->descriptor);
  if (node->how == LS_PB_INSTANT) ls__protobuf_is_instant(field->descriptor, node->parts);
  return node->how == LS_PB_MESSAGE ? map_struct(decoder, node, depth, err) : LS_OK;
}

/* protobuf-c unpacks nested messages by recursion without a limit, so a type must not contain
 * itself. */
static bool is_bounded(const ProtobufCMessageDescriptor *message, int depth) {
  if (depth > NESTED_MAX) return false;
  for (unsigned i = 0; i < message->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->fields[i];
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && !is_bounded(field->descriptor, depth + 1)) return false;
  }
  return true;
}

bool ls__protobuf_is_bounded(const ProtobufCMessageDescriptor *message) {
  return is_bounded(message, 0);
}

int ls__protobuf_map_new(ls_decoder *decoder, const void *descriptor, ls_error *err) {
  ls_protobuf_map *map = LS_ARENA_NEW(&decoder->arena, ls_protobuf_map);
  map->descriptor = descriptor;
  map->nodes = LS_ARENA_ARRAY(&decoder->arena, ls_protobuf_node, decoder->n_fields + 1);
  decoder->protobuf = map;
  if (!ls__protobuf_is_bounded(map->descriptor)) {
    return ls_error_set(err, LS_ECONFIG, "protobuf message %s contains itself, or is nested deeper than %d levels",
                        map->descriptor->name, NESTED_MAX);
  }
  for (uint32_t i = 0; i < decoder->n_fields; i++) {
    const ls_field_plan *plan = &decoder->plans[i];
    LS_TRY(map_field(decoder, &map->nodes[i], map->descriptor, plan->field->name, plan->type, 0, err));
    if (map->nodes[i].field || !plan->required) continue;
    return ls_error_set(err, LS_ECONFIG, "field %s of %s: protobuf message %s has no such field", plan->field->name,
                        decoder->schema->name, map->descriptor->name);
  }
  return LS_OK;
}

const char *ls__protobuf_message_name(const void *descriptor) {
  return ((const ProtobufCMessageDescriptor *)descriptor)->name;
}
