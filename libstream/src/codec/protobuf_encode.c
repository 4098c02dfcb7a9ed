/**
 * @file protobuf_encode.c
 * A row -> one protobuf message, written to the wire directly: the descriptor gives numbers and
 * types, and no message struct has to be built. Nulls are left out. A value that would not be read
 * back equal refuses the row: a null where none can be told, an empty text where it is read as null, numbers
 * that do not fit, texts that an enum does not have, two values of a oneof.
 */
#include <string.h>

#include "codec/protobuf_writer.h"
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

static int refuse(const ls_protobuf_part *part, const char *why, ls_error *err) {
  return ls_error_set(err, LS_EDATA, "column %s: %s field %s of message %s", part->column, why, part->field->name,
                      part->message);
}

static bool fits(ProtobufCType type, int64_t value) {
  switch (type) {
  case PROTOBUF_C_TYPE_INT32:
  case PROTOBUF_C_TYPE_SINT32:
  case PROTOBUF_C_TYPE_SFIXED32:
    return value >= INT32_MIN && value <= INT32_MAX;
  case PROTOBUF_C_TYPE_UINT32:
  case PROTOBUF_C_TYPE_FIXED32:
    return value >= 0 && value <= UINT32_MAX;
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64:
    return value >= 0;
  default:
    return true;
  }
}

static void put_integer(ls_buf *out, const ProtobufCFieldDescriptor *field, int64_t value) {
  uint32_t id = field->id;
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
}

static int put_float(ls_buf *out, const ls_protobuf_part *part, double value, ls_error *err) {
  uint64_t bits = 0;
  if (value - value != 0) return refuse(part, "no finite number for", err);
  if (part->field->type == PROTOBUF_C_TYPE_FLOAT) {
    float narrow = (float)value;
    if ((double)narrow != value) return refuse(part, "the value has more digits than a float, the type of", err);
    memcpy(&bits, &narrow, sizeof narrow);
    put_tag(out, part->field->id, WIRE_32);
    put_fixed(out, bits, 4);
  } else {
    memcpy(&bits, &value, sizeof value);
    put_tag(out, part->field->id, WIRE_64);
    put_fixed(out, bits, 8);
  }
  return LS_OK;
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

/* A number that has two names is read as the first of them. */
static int put_enum(ls_buf *out, const ls_protobuf_part *part, ls_slice name, ls_error *err) {
  const ProtobufCEnumDescriptor *type = part->field->descriptor;
  for (unsigned i = 0; i < type->n_values; i++) {
    if (!ls__slice_is(name, type->values[i].name + part->enum_prefix)) continue;
    put_tag(out, part->field->id, WIRE_VARINT);
    put_varint(out, (uint64_t)(int64_t)type->values[i].value);
    return LS_OK;
  }
  return refuse(part, "the text is no value of the enum of", err);
}

static void put_instant(ls_buf *out, const ls_protobuf_part *part, int64_t us) {
  int64_t micros = us % 1000000;
  if (micros < 0) micros += 1000000;
  ls_buf body = LS_BUF_INIT;
  put_integer(&body, part->parts[0], (us - micros) / 1000000);
  put_integer(&body, part->parts[1], micros * 1000);
  put_bytes(out, part->field->id, ls__buf_slice(&body));
  ls__buf_fini(&body);
}

static int put_message(ls_buf *out, const ls_protobuf_part *parts, uint32_t n, const ls_column *columns, int64_t row,
                       ls_error *err);

static int put_struct(ls_buf *out, const ls_protobuf_part *part, const ls_column *column, int64_t row, ls_error *err) {
  ls_buf body = LS_BUF_INIT;
  int rc = put_message(&body, part->children, part->n_children, column->children, row, err);
  if (rc == LS_OK) put_bytes(out, part->field->id, ls__buf_slice(&body));
  ls__buf_fini(&body);
  return rc;
}

static bool is_empty(const ls_column *column, int64_t row) {
  bool text = column->type->kind == LS_STRING || column->type->kind == LS_BYTES;
  return text && column->offsets[row] == column->offsets[row + 1];
}

static int put_value(ls_buf *out, const ls_protobuf_part *part, const ls_column *column, int64_t row, ls_error *err) {
  const ProtobufCFieldDescriptor *field = part->field;
  switch (part->how) {
  case LS_PB_TEXT:
    put_text(out, field->id, column, row);
    break;
  case LS_PB_BYTES:
    put_bytes(out, field->id, ls__column_slice(column, row));
    break;
  case LS_PB_INTEGER:
    if (!fits(field->type, ls__column_i64(column)[row])) return refuse(part, "the value does not fit", err);
    put_integer(out, field, ls__column_i64(column)[row]);
    break;
  case LS_PB_FLOAT:
    return put_float(out, part, ls__column_f64(column)[row], err);
  case LS_PB_ENUM:
    return put_enum(out, part, ls__column_slice(column, row), err);
  case LS_PB_INSTANT:
    put_instant(out, part, ls__column_i64(column)[row]);
    break;
  case LS_PB_MESSAGE:
    return put_struct(out, part, column, row, err);
  case LS_PB_BOOL:
    put_tag(out, field->id, WIRE_VARINT);
    put_varint(out, LS_BIT_GET(column->values, row));
    break;
  }
  return LS_OK;
}

/* Elements one by one: readers must accept that also for fields declared packed. */
static int put_list(ls_buf *out, const ls_protobuf_part *part, const ls_column *column, int64_t row, ls_error *err) {
  for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
    if (ls__is_null(&column->children[0], i)) return refuse(part, "a list with a null in it can't be written to", err);
    LS_TRY(put_value(out, part, &column->children[0], i, err));
  }
  return LS_OK;
}

static int put_part(ls_buf *out, const ls_protobuf_part *part, const ls_column *column, int64_t row, ls_error *err) {
  ls_protobuf_null null = ls__protobuf_null_of(part->field);
  if (ls__is_null(column, row)) {
    return null != LS_PB_NULL_NEVER ? LS_OK : refuse(part, "null, which can't be told by", err);
  }
  if (null == LS_PB_NULL_EMPTY && part->nullable && is_empty(column, row)) {
    return refuse(part, "it is empty, which would be read as null from", err);
  }
  return column->type->kind == LS_LIST ? put_list(out, part, column, row, err) : put_value(out, part, column, row, err);
}

static int put_message(ls_buf *out, const ls_protobuf_part *parts, uint32_t n, const ls_column *columns, int64_t row,
                       ls_error *err) {
  for (uint32_t i = 0; i < n; i++) {
    const ls_protobuf_part *part = &parts[i];
    for (uint32_t k = part->rival; k > 0; k = parts[k - 1].rival) {
      if (!ls__is_null(&columns[i], row) && !ls__is_null(&columns[k - 1], row))
        return refuse(part, "another column has a value for the same oneof, of", err);
    }
    LS_TRY(put_part(out, part, &columns[i], row, err));
  }
  return LS_OK;
}

int ls__encode_protobuf(ls_buf *out, const ls_protobuf_writer *writer, const ls_batch *batch, int64_t row,
                        ls_error *err) {
  size_t start = out->len;
  int rc = put_message(out, writer->parts, writer->n_parts, batch->columns, row, err);
  if (rc < 0) out->len = start; /* nothing half written */
  return rc;
}
