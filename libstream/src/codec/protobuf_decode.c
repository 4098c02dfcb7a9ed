/**
 * @file protobuf_decode.c
 * One protobuf message -> one row, by protobuf-c's descriptors.
 *
 * proto3 fields without presence can't say that they are absent: an empty string or empty bytes
 * there are read as null when the field is nullable or its type has no empty value; numbers, bools
 * and enums are read as they are.
 */
#include <string.h>

#include "codec/protobuf_map.h"

#define BYTES_FREE     (1u << 20) /* a message may take this much and */
#define BYTES_PER_BYTE 256u       /* this much for each of its bytes, when unpacked */
#define HEADER         16         /* keeps the size of an allocation, and its alignment */

static int read_value(ls_decoder *decoder, const ls_field_plan *plan, const ls_protobuf_node *node, const void *member,
                      ls_value *out);

/* -- memory ------------------------------------------------------------------------------------ */

static void *message_alloc(void *context, size_t n_bytes) {
  ls_decoder *decoder = context;
  ls_protobuf_map *map = decoder->protobuf;
  if (n_bytes > map->n_bytes_max - map->n_bytes) return NULL;
  map->n_bytes += n_bytes;
  char *block = ls__arena_alloc(&decoder->scratch, n_bytes + HEADER);
  memcpy(block, &n_bytes, sizeof n_bytes);
  return block + HEADER;
}

static void message_free(void *context, void *pointer) {
  (void)context;
  (void)pointer; /* goes with the record */
}

/* protobuf-c keeps no length of strings, and they may hold NUL bytes: it is taken from the
 * allocation (length + 1). */
static ls_slice text_of(const ProtobufCFieldDescriptor *field, const char *text) {
  if (!text || text == field->default_value || text == (const char *)protobuf_c_empty_string) {
    return ls__slice_of(text ? text : "");
  }
  size_t n_bytes;
  memcpy(&n_bytes, text - HEADER, sizeof n_bytes);
  return (ls_slice){text, n_bytes - 1};
}

/* -- presence ---------------------------------------------------------------------------------- */

static const void *member_of(const void *message, const ProtobufCFieldDescriptor *field) {
  return (const char *)message + field->offset;
}

static bool is_present(const void *message, const ProtobufCFieldDescriptor *field) {
  const char *quantifier = (const char *)message + field->quantifier_offset;
  const void *pointer;
  if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
    uint32_t which;
    memcpy(&which, quantifier, sizeof which);
    return which == field->id;
  }
  switch (field->type) {
  case PROTOBUF_C_TYPE_STRING:
  case PROTOBUF_C_TYPE_MESSAGE:
    memcpy(&pointer, member_of(message, field), sizeof pointer);
    return pointer && (field->label != PROTOBUF_C_LABEL_OPTIONAL || pointer != field->default_value);
  default:
    break;
  }
  if (field->label != PROTOBUF_C_LABEL_OPTIONAL) return true;
  protobuf_c_boolean has;
  memcpy(&has, quantifier, sizeof has);
  return has != 0;
}

/* Whether the member is empty in a way that may as well mean absent. */
static bool is_unset(const ProtobufCFieldDescriptor *field, const void *member, bool nullable, const ls_type *type) {
  if (field->label != PROTOBUF_C_LABEL_NONE || (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) return false;
  if (field->type == PROTOBUF_C_TYPE_STRING) {
    return text_of(field, *(char *const *)member).len == 0 && (nullable || type->kind != LS_STRING);
  }
  return field->type == PROTOBUF_C_TYPE_BYTES && nullable && ((const ProtobufCBinaryData *)member)->len == 0;
}

/* -- values ------------------------------------------------------------------------------------ */

/* False: does not fit. */
static bool integer_of(ProtobufCType type, const void *member, int64_t *out) {
  switch (type) {
  case PROTOBUF_C_TYPE_INT32:
  case PROTOBUF_C_TYPE_SINT32:
  case PROTOBUF_C_TYPE_SFIXED32:
    *out = *(const int32_t *)member;
    return true;
  case PROTOBUF_C_TYPE_UINT32:
  case PROTOBUF_C_TYPE_FIXED32:
    *out = *(const uint32_t *)member;
    return true;
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64:
    *out = (int64_t) * (const uint64_t *)member;
    return *(const uint64_t *)member <= INT64_MAX;
  default:
    *out = *(const int64_t *)member;
    return true;
  }
}

static int read_text(ls_decoder *decoder, const ls_field_plan *plan, const ls_protobuf_node *node, const void *member,
                     ls_value *out) {
  ls_slice text = text_of(node->field, *(char *const *)member);
  if (!ls__utf8_valid(text)) return ls__bad_set(decoder, "bad_utf8", plan, "the text is not valid UTF-8");
  return ls__scalar_text(decoder, plan, node->type, text, out);
}

static int read_integer(ls_decoder *decoder, const ls_field_plan *plan, const ls_protobuf_node *node,
                        const void *member, ls_value *out) {
  static const int64_t us_min = INT64_C(-62135596800000000), us_max = INT64_C(253402300799999999); /* years 1..9999 */
  if (!integer_of(node->field->type, member, &out->as.i64)) {
    return ls__bad_set(decoder, "out_of_range", plan, "the value does not fit a signed 64-bit integer");
  }
  if (node->type->kind == LS_TIMESTAMP && (out->as.i64 < us_min || out->as.i64 > us_max)) {
    return ls__bad_set(decoder, "bad_timestamp", plan, "the microseconds are outside the years 1 to 9999");
  }
  return LS_OK;
}

static int read_instant(ls_decoder *decoder, const ls_field_plan *plan, const ls_protobuf_node *node,
                        const void *member, ls_value *out) {
  const void *message = *(void *const *)member;
  int64_t seconds = *(const int64_t *)member_of(message, node->parts[0]);
  int32_t nanos = *(const int32_t *)member_of(message, node->parts[1]);
  if (seconds < INT64_C(-62135596800) || seconds > INT64_C(253402300799) || nanos < 0 || nanos > 999999999) {
    return ls__bad_set(decoder, "bad_timestamp", plan, "seconds or nanos are out of range");
  }
  if (nanos % 1000) {
    return ls__bad_set(decoder, "bad_timestamp", plan, "the nanoseconds are not whole microseconds");
  }
  out->as.i64 = seconds * 1000000 + nanos / 1000;
  return LS_OK;
}

static int read_enum(ls_decoder *decoder, const ls_field_plan *plan, const ls_protobuf_node *node, const void *member,
                     ls_value *out) {
  const ProtobufCEnumValue *value =
      protobuf_c_enum_descriptor_get_value(node->field->descriptor, *(const int32_t *)member);
  if (!value) return ls__bad_set(decoder, "not_allowed", plan, "the number is no value of the enum");
  out->as.slice = ls__slice_of(value->name + node->enum_prefix);
  return LS_OK;
}

static size_t member_size(ProtobufCType type) {
  switch (type) {
  case PROTOBUF_C_TYPE_INT64:
  case PROTOBUF_C_TYPE_SINT64:
  case PROTOBUF_C_TYPE_SFIXED64:
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64:
  case PROTOBUF_C_TYPE_DOUBLE:
    return 8;
  case PROTOBUF_C_TYPE_STRING:
  case PROTOBUF_C_TYPE_MESSAGE:
    return sizeof(void *);
  case PROTOBUF_C_TYPE_BYTES:
    return sizeof(ProtobufCBinaryData);
  case PROTOBUF_C_TYPE_BOOL:
    return sizeof(protobuf_c_boolean);
  default:
    return 4;
  }
}

static int read_list(ls_decoder *decoder, const ls_field_plan *plan, const ls_protobuf_node *node, const void *message,
                     ls_value *out) {
  size_t n, size = member_size(node->field->type);
  memcpy(&n, (const char *)message + node->field->quantifier_offset, sizeof n);
  const char *members = *(char *const *)member_of(message, node->field);
  out->as.items = LS_ARENA_ARRAY(&decoder->scratch, ls_value, n + 1);
  out->n = (uint32_t)n;
  out->state = LS_VALUE_SET;
  for (size_t i = 0; i < n; i++) LS_TRY(read_value(decoder, plan, node, members + i * size, &out->as.items[i]));
  return LS_OK;
}

/* The field of a message, whatever its label; ABSENT when it is not there. */
static int read_field(ls_decoder *decoder, const ls_field_plan *plan, const ls_protobuf_node *node, const void *message,
                      bool nullable, ls_value *out) {
  const ProtobufCFieldDescriptor *field = node->field;
  out->state = LS_VALUE_ABSENT;
  if (!field) return LS_OK;
  if (field->label == PROTOBUF_C_LABEL_REPEATED) return read_list(decoder, plan, node, message, out);
  const void *member = member_of(message, field);
  if (!is_present(message, field) || is_unset(field, member, nullable, node->type)) return LS_OK;
  return read_value(decoder, plan, node, member, out);
}

static int read_struct(ls_decoder *decoder, const ls_field_plan *plan, const ls_protobuf_node *node,
                       const void *message, ls_value *out) {
  uint32_t n = node->type->n_fields;
  out->as.items = LS_ARENA_ARRAY(&decoder->scratch, ls_value, n + 1);
  out->n = n;
  for (uint32_t i = 0; i < n; i++) {
    LS_TRY(read_field(decoder, plan, &node->children[i], message, true, &out->as.items[i]));
  }
  return LS_OK;
}

static int read_value(ls_decoder *decoder, const ls_field_plan *plan, const ls_protobuf_node *node, const void *member,
                      ls_value *out) {
  out->state = LS_VALUE_SET;
  switch (node->how) {
  case LS_PB_TEXT:
    return read_text(decoder, plan, node, member, out);
  case LS_PB_INTEGER:
    return read_integer(decoder, plan, node, member, out);
  case LS_PB_ENUM:
    return read_enum(decoder, plan, node, member, out);
  case LS_PB_INSTANT:
    return read_instant(decoder, plan, node, member, out);
  case LS_PB_MESSAGE:
    return read_struct(decoder, plan, node, *(void *const *)member, out);
  case LS_PB_BOOL:
    out->as.boolean = *(const protobuf_c_boolean *)member != 0;
    return LS_OK;
  case LS_PB_BYTES: {
    const ProtobufCBinaryData *bytes = member;
    out->as.slice = (ls_slice){(const char *)bytes->data, bytes->len};
    return LS_OK;
  }
  case LS_PB_FLOAT:
    out->as.f64 = node->field->type == PROTOBUF_C_TYPE_FLOAT ? (double)*(const float *)member : *(const double *)member;
    if (out->as.f64 - out->as.f64 == 0) return LS_OK; /* not NaN, not infinite: as in the other formats */
    return ls__bad_set(decoder, "out_of_range", plan, "the value is not a finite number");
  }
  return LS_OK;
}

static int read_message(ls_decoder *decoder, const ProtobufCMessage *message) {
  for (uint32_t i = 0; i < decoder->n_fields; i++) {
    const ls_field_plan *plan = &decoder->plans[i];
    ls_value *value = &decoder->values[i];
    LS_TRY(read_field(decoder, plan, &decoder->protobuf->nodes[i], message, plan->field->nullable, value));
    if (plan->constrained && value->state == LS_VALUE_SET) LS_TRY(ls__plan_check(decoder, plan, value));
  }
  return ls__record_check(decoder);
}

/* -- payload ----------------------------------------------------------------------------------- */

static void put_node(ls_buf *out, const ls_protobuf_node *node, const void *message);

/* Numbers that stand for a timestamp stay numbers, but in quotes: nothing vouches for them. */
static void put_integer(ls_buf *out, const ls_protobuf_node *node, const void *member) {
  int64_t integer;
  bool fits = integer_of(node->field->type, member, &integer);
  const char *quote = node->type->kind == LS_TIMESTAMP ? "\"" : "";
  if (fits)
    ls__buf_printf(out, "%s%lld%s", quote, (long long)integer, quote);
  else
    ls__buf_printf(out, "%s%llu%s", quote, (unsigned long long)(uint64_t)integer, quote);
}

static void put_instant(ls_buf *out, const ls_protobuf_node *node, const void *message) {
  ls__buf_printf(out, "\"%lld s, %d ns\"", (long long)*(const int64_t *)member_of(message, node->parts[0]),
                 (int)*(const int32_t *)member_of(message, node->parts[1]));
}

static void put_enum(ls_buf *out, const ls_protobuf_node *node, int32_t number) {
  const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(node->field->descriptor, number);
  if (value)
    ls__buf_json_string(out, ls__slice_of(value->name + node->enum_prefix));
  else
    ls__buf_printf(out, "\"%d\"", (int)number);
}

static void put_float(ls_buf *out, double value) {
  bool finite = value - value == 0;
  ls__buf_printf(out, finite ? "%.17g" : "\"%.17g\"", value);
}

static void put_struct(ls_buf *out, const ls_protobuf_node *node, const void *message) {
  ls__buf_putc(out, '{');
  for (uint32_t i = 0; i < node->type->n_fields; i++) {
    if (i) ls__buf_putc(out, ',');
    ls__buf_json_string(out, ls__slice_of(node->type->fields[i].name));
    ls__buf_putc(out, ':');
    put_node(out, &node->children[i], message);
  }
  ls__buf_putc(out, '}');
}

static void put_member(ls_buf *out, const ls_protobuf_node *node, const void *member) {
  switch (node->how) {
  case LS_PB_TEXT:
    ls__buf_json_string(out, text_of(node->field, *(char *const *)member));
    break;
  case LS_PB_INTEGER:
    put_integer(out, node, member);
    break;
  case LS_PB_ENUM:
    put_enum(out, node, *(const int32_t *)member);
    break;
  case LS_PB_INSTANT:
    put_instant(out, node, *(const void *const *)member);
    break;
  case LS_PB_MESSAGE:
    put_struct(out, node, *(const void *const *)member);
    break;
  case LS_PB_BOOL:
    ls__buf_puts(out, *(const protobuf_c_boolean *)member ? "true" : "false");
    break;
  case LS_PB_FLOAT:
    put_float(out,
              node->field->type == PROTOBUF_C_TYPE_FLOAT ? (double)*(const float *)member : *(const double *)member);
    break;
  case LS_PB_BYTES: {
    const ProtobufCBinaryData *bytes = member;
    ls__buf_putc(out, '"');
    ls__base64_encode(out, (ls_slice){(const char *)bytes->data, bytes->len});
    ls__buf_putc(out, '"');
    break;
  }
  }
}

/* The field of a message, whatever its label; null when it is not there. */
static void put_node(ls_buf *out, const ls_protobuf_node *node, const void *message) {
  const ProtobufCFieldDescriptor *field = node->field;
  if (!field || (field->label != PROTOBUF_C_LABEL_REPEATED && !is_present(message, field))) {
    ls__buf_puts(out, "null");
    return;
  }
  if (field->label != PROTOBUF_C_LABEL_REPEATED) {
    put_member(out, node, member_of(message, field));
    return;
  }
  size_t n, size = member_size(field->type);
  memcpy(&n, (const char *)message + field->quantifier_offset, sizeof n);
  const char *members = *(char *const *)member_of(message, field);
  ls__buf_putc(out, '[');
  for (size_t i = 0; i < n; i++) {
    if (i) ls__buf_putc(out, ',');
    put_member(out, node, members + i * size);
  }
  ls__buf_putc(out, ']');
}

/* The fields that the schema knows, by its names; what else the message has is not looked at. */
static void payload_of_message(ls_decoder *decoder, const ProtobufCMessage *message) {
  ls_buf *out = &decoder->line;
  ls__buf_clear(out);
  for (uint32_t i = 0; i < decoder->n_fields; i++) {
    if (!decoder->protobuf->nodes[i].field) continue;
    ls__buf_putc(out, out->len ? ',' : '{');
    ls__buf_json_string(out, decoder->plans[i].name);
    ls__buf_putc(out, ':');
    put_node(out, &decoder->protobuf->nodes[i], message);
  }
  ls__buf_puts(out, out->len ? "}" : "{}");
  ls__json_mask_line(decoder);
}

int ls__decode_protobuf(ls_batch *out, ls_decoder *decoder, ls_slice message, int64_t record_number,
                        ls_bad_record_fn on_bad, void *payload, ls_error *err) {
  ls_protobuf_map *map = decoder->protobuf;
  if (!map) return ls_error_set(err, LS_EINVAL, "the decoder of %s is not one for protobuf", decoder->schema->name);
  ProtobufCAllocator allocator = {message_alloc, message_free, decoder};
  map->n_bytes = 0;
  map->n_bytes_max = BYTES_FREE + message.len * BYTES_PER_BYTE;
  ProtobufCMessage *unpacked =
      protobuf_c_message_unpack(map->descriptor, &allocator, message.len, (const uint8_t *)message.ptr);
  if (unpacked && read_message(decoder, unpacked) == LS_OK) {
    ls__record_append(out, decoder);
    return LS_OK;
  }
  if (unpacked) {
    payload_of_message(decoder, unpacked);
  } else {
    ls__bad_set(decoder, "bad_protobuf", NULL, "the bytes are not a message of type %s", map->descriptor->name);
  }
  ls__bad_report(decoder, (ls_bad_sink){on_bad, payload}, record_number);
  return LS_OK;
}
