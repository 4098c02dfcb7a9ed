/**
 * @file protobuf_encode.c
 * A row -> one protobuf message, written to the wire directly: the descriptor gives numbers and
 * types, and no message struct has to be built. Nulls are left out; a null in a proto2 required
 * field or in a list is an error.
 */
#include <string.h>

#include "codec/protobuf_map.h"
#include "data/datetime.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static void put_varint(ls_buf *out, uint64_t value) {
  char bytes[10];
  size_t n = 0;
  for (; value >= 0x80; value >>= 7) bytes[n++] = (char)(value | 0x80);
  bytes[n++] = (char)value;
  ls__buf_append(out, bytes, n);
}

static void put_tag(ls_buf *out, uint32_t id, unsigned wire) {
  put_varint(out, (uint64_t)id << 3 | wire);
}

static void put_bytes(ls_buf *out, uint32_t id, ls_slice bytes) {
  put_tag(out, id, WIRE_BYTES);
  put_varint(out, bytes.len);
  ls__buf_append(out, bytes.ptr, bytes.len);
}

/* Low n bytes, little-endian. */
static void put_fixed(ls_buf *out, uint64_t value, size_t n) {
  char bytes[8];
  for (size_t i = 0; i < n; i++) bytes[i] = (char)(value >> (8 * i));
  ls__buf_append(out, bytes, n);
}

static uint64_t zigzag(int64_t value) {
  return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static int put_integer(ls_buf *out, const ProtobufCFieldDescriptor *field, int64_t value, ls_error *err) {
  bool fits = true;
  uint32_t id = field->id;
  switch (field->type) {
  case PROTOBUF_C_TYPE_INT32:
  case PROTOBUF_C_TYPE_SINT32:
  case PROTOBUF_C_TYPE_SFIXED32:
    fits = value >= INT32_MIN && value <= INT32_MAX;
    break;
  case PROTOBUF_C_TYPE_UINT32:
  case PROTOBUF_C_TYPE_FIXED32:
    fits = value >= 0 && value <= UINT32_MAX;
    break;
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64:
    fits = value >= 0;
    break;
  default:
    break;
  }
  if (!fits) return ls_error_set(err, LS_EOVERFLOW, "field %s: the value does not fit its protobuf type", field->name);
  switch (field->type) {
  case PROTOBUF_C_TYPE_SFIXED32:
  case PROTOBUF_C_TYPE_FIXED32:
    put_tag(out, id, WIRE_32);
    put_fixed(out, (uint64_t)value, 4);
    break;
  case PROTOBUF_C_TYPE_SFIXED64:
  case PROTOBUF_C_TYPE_FIXED64:
    put_tag(out, id, WIRE_64);
    put_fixed(out, (uint64_t)value, 8);
    break;
  case PROTOBUF_C_TYPE_SINT32:
  case PROTOBUF_C_TYPE_SINT64:
    put_tag(out, id, WIRE_VARINT);
    put_varint(out, zigzag(value));
    break;
  default:
    put_tag(out, id, WIRE_VARINT);
    put_varint(out, (uint64_t)value);
  }
  return LS_OK;
}

static void put_float(ls_buf *out, const ProtobufCFieldDescriptor *field, double value) {
  uint64_t bits = 0;
  if (field->type == PROTOBUF_C_TYPE_FLOAT) {
    float narrow = (float)value;
    memcpy(&bits, &narrow, sizeof narrow);
    put_tag(out, field->id, WIRE_32);
    put_fixed(out, bits, 4);
  } else {
    memcpy(&bits, &value, sizeof value);
    put_tag(out, field->id, WIRE_64);
    put_fixed(out, bits, 8);
  }
}

static void put_text(ls_buf *out, uint32_t id, const ls_column *column, int64_t row) {
  char text[LS_DECIMAL_TEXT_MAX];
  size_t len;
  switch (column->type->kind) {
  case LS_DECIMAL:
    len = ls__decimal_format(text, ls__i128_get(ls__column_i128(column)[row]), column->type->scale);
    break;
  case LS_TIMESTAMP:
    len = ls__timestamp_format(text, ls__column_i64(column)[row]);
    break;
  case LS_DATE:
    len = ls__date_format(text, ls__column_i32(column)[row]);
    break;
  default:
    put_bytes(out, id, ls__column_slice(column, row));
    return;
  }
  put_bytes(out, id, (ls_slice){text, len});
}

static int put_enum(ls_buf *out, const ProtobufCFieldDescriptor *field, ls_slice name, ls_error *err) {
  const ProtobufCEnumDescriptor *type = field->descriptor;
  size_t prefix = ls__protobuf_enum_prefix(type);
  for (unsigned i = 0; i < type->n_values; i++) {
    if (!ls__slice_is(name, type->values[i].name + prefix)) continue;
    put_tag(out, field->id, WIRE_VARINT);
    put_varint(out, (uint64_t)(int64_t)type->values[i].value);
    return LS_OK;
  }
  return ls_error_set(err, LS_EDATA, "field %s: the text is no value of enum %s", field->name, type->name);
}

static int put_instant(ls_buf *out, const ProtobufCFieldDescriptor *field, int64_t us, ls_error *err) {
  const ProtobufCFieldDescriptor *parts[2];
  ls__protobuf_is_instant(field->descriptor, parts);
  int64_t micros = us % 1000000;
  if (micros < 0) micros += 1000000;
  ls_buf body = LS_BUF_INIT;
  int rc = put_integer(&body, parts[0], (us - micros) / 1000000, err);
  if (rc == LS_OK) rc = put_integer(&body, parts[1], micros * 1000, err);
  put_bytes(out, field->id, ls__buf_slice(&body));
  ls__buf_fini(&body);
  return rc;
}

static int put_column(ls_buf *out, const ProtobufCMessageDescriptor *message, const char *name, const ls_column *column,
                      int64_t row, ls_error *err);

static int put_struct(ls_buf *out, const ProtobufCFieldDescriptor *field, const ls_column *column, int64_t row,
                      ls_error *err) {
  ls_buf body = LS_BUF_INIT;
  int rc = LS_OK;
  for (uint32_t i = 0; i < column->type->n_fields && rc == LS_OK; i++) {
    rc = put_column(&body, field->descriptor, column->type->fields[i].name, &column->children[i], row, err);
  }
  put_bytes(out, field->id, ls__buf_slice(&body));
  ls__buf_fini(&body);
  return rc;
}

static int put_value(ls_buf *out, const ProtobufCFieldDescriptor *field, const ls_column *column, int64_t row,
                     ls_error *err) {
  ls_protobuf_how how;
  if (!ls__protobuf_how(&how, field, column->type)) {
    return ls_error_set(err, LS_ECONFIG, "field %s can't be written as protobuf %s", field->name,
                        ls__protobuf_type_name(field));
  }
  switch (how) {
  case LS_PB_TEXT:
    put_text(out, field->id, column, row);
    break;
  case LS_PB_BYTES:
    put_bytes(out, field->id, ls__column_slice(column, row));
    break;
  case LS_PB_INTEGER:
    return put_integer(out, field, ls__column_i64(column)[row], err);
  case LS_PB_FLOAT:
    put_float(out, field, ls__column_f64(column)[row]);
    break;
  case LS_PB_ENUM:
    return put_enum(out, field, ls__column_slice(column, row), err);
  case LS_PB_INSTANT:
    return put_instant(out, field, ls__column_i64(column)[row], err);
  case LS_PB_MESSAGE:
    return put_struct(out, field, column, row, err);
  case LS_PB_BOOL:
    put_tag(out, field->id, WIRE_VARINT);
    put_varint(out, LS_BIT_GET(column->values, row));
    break;
  }
  return LS_OK;
}

/* Elements one by one: readers must accept that also for fields declared packed. */
static int put_list(ls_buf *out, const ProtobufCFieldDescriptor *field, const ls_column *column, int64_t row,
                    ls_error *err) {
  for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
    if (ls__is_null(&column->children[0], i)) {
      return ls_error_set(err, LS_EDATA, "field %s: a protobuf list can't hold null", field->name);
    }
    LS_TRY(put_value(out, field, &column->children[0], i, err));
  }
  return LS_OK;
}

static int put_column(ls_buf *out, const ProtobufCMessageDescriptor *message, const char *name, const ls_column *column,
                      int64_t row, ls_error *err) {
  const ProtobufCFieldDescriptor *field = ls__protobuf_find(message, name, column->type);
  if (!field) return ls_error_set(err, LS_ECONFIG, "protobuf message %s has no field %s", message->name, name);
  bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
  if (ls__is_null(column, row)) {
    if (field->label != PROTOBUF_C_LABEL_REQUIRED) return LS_OK;
    return ls_error_set(err, LS_EDATA, "field %s is null, but message %s requires it", name, message->name);
  }
  if (repeated != (column->type->kind == LS_LIST)) {
    return ls_error_set(err, LS_ECONFIG, "field %s: one side is a list, the other is not", name);
  }
  return repeated ? put_list(out, field, column, row, err) : put_value(out, field, column, row, err);
}

int ls__encode_protobuf(ls_buf *out, const void *descriptor, const ls_batch *batch, int64_t row, ls_error *err) {
  size_t start = out->len;
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) {
    int rc = put_column(out, descriptor, batch->schema->fields[i].name, &batch->columns[i], row, err);
    if (rc == LS_OK) continue;
    out->len = start; /* nothing half written */
    return rc;
  }
  return LS_OK;
}
