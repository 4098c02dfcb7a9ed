/** @file protobuf_writer.c  See protobuf_writer.h. */
#include "codec/protobuf_writer.h"

#include <string.h>

#define NAMES_SHOWN 12

typedef struct planning {
  ls_arena *arena;
  ls_text_fn on_fault;
  void *payload;
  bool failed;
  bool may_refuse;
} planning;

static void fault(planning *at, const char *text) {
  at->failed = true;
  at->on_fault(at->payload, text);
}

static const char *type_text(planning *at, const ls_type *type) {
  ls_buf text = LS_BUF_INIT;
  ls__type_format(&text, type);
  const char *copy = ls__arena_strndup(at->arena, text.ptr, text.len);
  ls__buf_fini(&text);
  return copy;
}

ls_protobuf_null ls__protobuf_null_of(const ProtobufCFieldDescriptor *field) {
  if (field->label == PROTOBUF_C_LABEL_REPEATED || field->label == PROTOBUF_C_LABEL_REQUIRED) return LS_PB_NULL_NEVER;
  if (field->label == PROTOBUF_C_LABEL_OPTIONAL || (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
      field->type == PROTOBUF_C_TYPE_MESSAGE)
    return LS_PB_NULL_ABSENT;
  bool text = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_BYTES;
  return text ? LS_PB_NULL_EMPTY : LS_PB_NULL_NEVER;
}

/* -- what is wrong ------------------------------------------------------------------------------ */

static void no_field(planning *at, const ls_protobuf_part *part, const ProtobufCMessageDescriptor *message) {
  ls_buf names = LS_BUF_INIT;
  for (unsigned i = 0; i < message->n_fields && i < NAMES_SHOWN; i++)
    ls__buf_printf(&names, "%s%s", i > 0 ? ", " : "", message->fields[i].name);
  if (message->n_fields > NAMES_SHOWN) ls__buf_puts(&names, ", ...");
  fault(at, ls__arena_printf(at->arena, "column %s: message %s has no such field; it has %s", part->column,
                             message->name, names.len > 0 ? names.ptr : "none"));
  ls__buf_fini(&names);
}

static const char *fields_for(const ls_type *type) {
  switch (type->kind) {
  case LS_STRING:
    return "a string or an enum";
  case LS_DECIMAL:
  case LS_DATE:
    return "a string";
  case LS_TIMESTAMP:
    return "a string, a message of int64 seconds and int32 nanos, or an integer whose name ends in _us (microseconds)";
  case LS_BYTES:
    return "bytes";
  case LS_BOOL:
    return "a bool";
  case LS_INT64:
    return "an integer";
  case LS_FLOAT64:
    return "a double";
  case LS_STRUCT:
    return "a message";
  default:
    return "a repeated field, its elements being no lists";
  }
}

static void wrong_type(planning *at, const ls_protobuf_part *part, const ls_type *type) {
  bool repeated = part->field->label == PROTOBUF_C_LABEL_REPEATED;
  fault(at, ls__arena_printf(at->arena, "column %s: %s can't be written as field %s of message %s (%s%s); it wants %s",
                             part->column, type_text(at, type), part->field->name, part->message,
                             repeated ? "repeated " : "", ls__protobuf_type_name(part->field), fields_for(type)));
}

static void null_is_lost(planning *at, const ls_protobuf_part *part) {
  const char *read_as = "as 0, false or the first value", *other = "make it optional, or put it in a oneof, or ";
  if (part->field->label == PROTOBUF_C_LABEL_REPEATED) {
    read_as = "as an empty list";
    other = "";
  } else if (part->field->label == PROTOBUF_C_LABEL_REQUIRED) {
    fault(at, ls__arena_printf(at->arena, "column %s is nullable, but message %s requires its field %s; use COALESCE",
                               part->column, part->message, part->field->name));
    return;
  }
  fault(at, ls__arena_printf(at->arena,
                             "column %s is nullable, but field %s of message %s can't be null: it would be read %s; "
                             "%suse COALESCE",
                             part->column, part->field->name, part->message, read_as, other));
}

/* -- parts -------------------------------------------------------------------------------------- */

static void plan_part(planning *at, ls_protobuf_part *part, const ProtobufCMessageDescriptor *message, const char *name,
                      const ls_type *type);

static bool is_written(const ls_protobuf_part *parts, uint32_t n, const ProtobufCFieldDescriptor *field) {
  for (uint32_t i = 0; i < n; i++) {
    if (parts[i].field == field) return true;
  }
  return false;
}

/** Fields that every message must have, and those that only one column may be written to. */
static void check_message(planning *at, const ls_protobuf_part *parts, uint32_t n,
                          const ProtobufCMessageDescriptor *message) {
  for (unsigned i = 0; i < message->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->fields[i];
    if (field->label != PROTOBUF_C_LABEL_REQUIRED || is_written(parts, n, field)) continue;
    fault(at, ls__arena_printf(at->arena, "message %s requires its field %s, but no column is written to it",
                               message->name, field->name));
  }
  for (uint32_t i = 0; i < n; i++) {
    if (parts[i].field == NULL || !is_written(parts, i, parts[i].field)) continue;
    fault(at, ls__arena_printf(at->arena, "column %s: another column is written to field %s of message %s as well",
                               parts[i].column, parts[i].field->name, message->name));
  }
}

static void find_rivals(planning *at, ls_protobuf_part *parts, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    const ProtobufCFieldDescriptor *field = parts[i].field;
    if (field == NULL || !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) continue;
    for (uint32_t k = i + 1; k < n && parts[i].rival == 0; k++) {
      const ProtobufCFieldDescriptor *other = parts[k].field;
      if (other == NULL || !(other->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) continue;
      if (other->quantifier_offset == field->quantifier_offset) parts[i].rival = k + 1;
    }
    at->may_refuse = at->may_refuse || parts[i].rival > 0;
  }
}

static void plan_struct(planning *at, ls_protobuf_part *part) {
  const ls_type *type = part->type;
  const ProtobufCMessageDescriptor *message = part->field->descriptor;
  part->n_children = type->n_fields;
  part->children = LS_ARENA_ARRAY(at->arena, ls_protobuf_part, type->n_fields + 1);
  for (uint32_t i = 0; i < type->n_fields; i++) {
    ls_protobuf_part *child = &part->children[i];
    child->nullable = true;
    child->column = ls__arena_printf(at->arena, "%s.%s", part->column, type->fields[i].name);
    plan_part(at, child, message, type->fields[i].name, type->fields[i].type);
    at->may_refuse = at->may_refuse || (child->field != NULL && ls__protobuf_null_of(child->field) == LS_PB_NULL_NEVER);
  }
  check_message(at, part->children, part->n_children, message);
  find_rivals(at, part->children, part->n_children);
}

/** Whether each value of the type can be written. */
static bool takes_all(const ls_protobuf_part *part) {
  bool may_be_empty = part->type->kind == LS_STRING || part->type->kind == LS_BYTES;
  if (part->field->label == PROTOBUF_C_LABEL_REPEATED) return false; /* elements may be null */
  if (part->nullable && may_be_empty && ls__protobuf_null_of(part->field) == LS_PB_NULL_EMPTY) return false;
  switch (part->how) {
  case LS_PB_INTEGER:
    return part->field->type == PROTOBUF_C_TYPE_INT64 || part->field->type == PROTOBUF_C_TYPE_SINT64 ||
           part->field->type == PROTOBUF_C_TYPE_SFIXED64;
  case LS_PB_FLOAT:
  case LS_PB_ENUM:
    return false;
  default:
    return true;
  }
}

static void plan_instant(planning *at, ls_protobuf_part *part) {
  const ProtobufCMessageDescriptor *message = part->field->descriptor;
  ls__protobuf_is_instant(message, part->parts);
  for (unsigned i = 0; i < message->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->fields[i];
    if (field->label != PROTOBUF_C_LABEL_REQUIRED || field == part->parts[0] || field == part->parts[1]) continue;
    fault(at, ls__arena_printf(at->arena, "column %s: message %s requires a field %s, which a timestamp does not have",
                               part->column, message->name, field->name));
  }
}

static void plan_part(planning *at, ls_protobuf_part *part, const ProtobufCMessageDescriptor *message, const char *name,
                      const ls_type *type) {
  part->field = ls__protobuf_find(message, name, type);
  part->message = message->name;
  part->type = type;
  if (part->field == NULL) {
    no_field(at, part, message);
    return;
  }
  bool repeated = part->field->label == PROTOBUF_C_LABEL_REPEATED, fits = repeated == (type->kind == LS_LIST);
  if (fits && repeated) part->type = type->element;
  if (!fits || !ls__protobuf_how(&part->how, part->field, part->type)) {
    wrong_type(at, part, type);
    return;
  }
  if (part->how == LS_PB_ENUM) part->enum_prefix = ls__protobuf_enum_prefix(part->field->descriptor);
  if (part->how == LS_PB_INSTANT) plan_instant(at, part);
  if (part->how == LS_PB_MESSAGE) plan_struct(at, part);
  at->may_refuse = at->may_refuse || !takes_all(part);
}

int ls__protobuf_writer_new(ls_protobuf_writer **out, ls_arena *arena, const ls_schema *schema, const void *descriptor,
                            ls_text_fn on_fault, void *payload) {
  planning at = {.arena = arena, .on_fault = on_fault, .payload = payload};
  ls_protobuf_writer *writer = LS_ARENA_NEW(arena, ls_protobuf_writer);
  *out = NULL;
  writer->descriptor = descriptor;
  writer->n_parts = schema->n_fields;
  writer->parts = LS_ARENA_ARRAY(arena, ls_protobuf_part, schema->n_fields + 1);
  if (!ls__protobuf_is_bounded(descriptor)) {
    fault(&at, ls__arena_printf(arena, "message %s contains itself, or is nested too deep",
                                ls__protobuf_message_name(descriptor)));
    return LS_ECONFIG;
  }
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    ls_protobuf_part *part = &writer->parts[i];
    const ls_field *field = &schema->fields[i];
    if (field->type->kind == LS_NONE) continue; /* an error before */
    part->nullable = field->nullable;
    part->column = field->name;
    plan_part(&at, part, descriptor, field->name, field->type);
    if (part->field != NULL && part->nullable && ls__protobuf_null_of(part->field) == LS_PB_NULL_NEVER)
      null_is_lost(&at, part);
  }
  check_message(&at, writer->parts, writer->n_parts, descriptor);
  find_rivals(&at, writer->parts, writer->n_parts);
  if (at.failed) return LS_ECONFIG;
  writer->may_refuse = at.may_refuse;
  *out = writer;
  return LS_OK;
}

bool ls__protobuf_may_refuse(const ls_protobuf_writer *writer) {
  return writer->may_refuse;
}

const void *ls__protobuf_writer_message(const ls_protobuf_writer *writer) {
  return writer->descriptor;
}
