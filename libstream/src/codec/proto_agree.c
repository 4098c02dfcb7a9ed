/** @file proto_agree.c  Whether what a writer writes can be read by a protobuf schema of others. See proto_text.h. */
#include "base/alloc.h"
#include "codec/proto_text.h"
#include "codec/protobuf_writer.h"

/** The fields of a schema's messages. */
typedef struct fields {
  ls_proto_field *all; /* texts in arena */
  size_t n, capacity;
  ls_arena arena;
} fields;

static ls_slice kept(fields *to, ls_slice text) {
  return (ls_slice){ls__arena_strndup(&to->arena, text.ptr, text.len), text.len};
}

static void on_field(void *payload, const ls_proto_field *field) {
  fields *to = payload;
  ls__grow(&to->all, &to->capacity, to->n + 1, sizeof *to->all);
  ls_proto_field *out = &to->all[to->n++];
  *out = *field;
  out->message = kept(to, field->message);
  out->type = kept(to, field->type);
  out->name = kept(to, field->name);
}

static const ls_proto_field *find(const fields *in, const ls_protobuf_part *part) {
  for (size_t i = 0; i < in->n; i++) {
    if (ls__slice_is(in->all[i].name, part->field->name) && ls__slice_is(in->all[i].message, part->message))
      return &in->all[i];
  }
  return NULL;
}

/** A name as it is written in some scope: the full one, or its last parts. */
static bool is_name_of(ls_slice written, const char *full) {
  ls_slice name = ls__slice_of(full);
  if (written.len > 0 && written.ptr[0] == '.') return ls__slice_is((ls_slice){written.ptr + 1, written.len - 1}, full);
  if (written.len == 0 || written.len > name.len) return false;
  const char *rest = name.ptr + name.len - written.len;
  return memcmp(rest, written.ptr, written.len) == 0 && (rest == name.ptr || rest[-1] == '.');
}

static bool is_type_of(ls_slice written, const ProtobufCFieldDescriptor *field) {
  const char *type = ls__proto_type_name(field);
  bool named = field->type == PROTOBUF_C_TYPE_ENUM || field->type == PROTOBUF_C_TYPE_MESSAGE;
  return named ? is_name_of(written, type) : ls__slice_is(written, type);
}

static int check_message(const fields *in, const ls_protobuf_part *parts, uint32_t n, const char *message,
                         ls_error *err);

static int check_part(const fields *in, const ls_protobuf_part *part, ls_error *err) {
  const ProtobufCFieldDescriptor *field = part->field;
  const ls_proto_field *there = find(in, part);
  bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
  if (there == NULL)
    return ls_error_set(err, LS_ECONFIG, "its message %s has no field %s (schemas that it refers to are not looked at)",
                        part->message, field->name);
  if (there->number != field->id || there->repeated != repeated || !is_type_of(there->type, field))
    return ls_error_set(
        err, LS_ECONFIG,
        "field %s of its message %s is %s%.*s with the number %u, and should be %s%s with the number %u", field->name,
        part->message, there->repeated ? "repeated " : "", (int)(there->type.len < 100 ? there->type.len : 100),
        there->type.ptr, (unsigned)there->number, repeated ? "repeated " : "", ls__proto_type_name(field),
        (unsigned)field->id);
  if (part->how != LS_PB_MESSAGE) return LS_OK;
  return check_message(in, part->children, part->n_children, ls__proto_type_name(field), err);
}

static bool is_written(const ls_protobuf_part *parts, uint32_t n, ls_slice name) {
  for (uint32_t i = 0; i < n; i++) {
    if (ls__slice_is(name, parts[i].field->name)) return true;
  }
  return false;
}

static int check_message(const fields *in, const ls_protobuf_part *parts, uint32_t n, const char *message,
                         ls_error *err) {
  for (uint32_t i = 0; i < n; i++) LS_TRY(check_part(in, &parts[i], err));
  for (size_t i = 0; i < in->n; i++) {
    const ls_proto_field *field = &in->all[i];
    if (!field->required || !ls__slice_is(field->message, message) || is_written(parts, n, field->name)) continue;
    return ls_error_set(err, LS_ECONFIG, "its message %s requires a field %.*s, which is not written", message,
                        (int)(field->name.len < 100 ? field->name.len : 100), field->name.ptr);
  }
  return LS_OK;
}

int ls__proto_agrees(ls_proto_place *place, const ls_protobuf_writer *writer, ls_slice text, ls_error *err) {
  fields in = {.n = 0};
  int rc = LS_OK;
  ls__arena_init(&in.arena, 4096);
  if (!ls__proto_find(place, text, writer->descriptor->name, on_field, &in))
    rc = ls_error_set(err, LS_ECONFIG, "it has no message %s", writer->descriptor->name);
  if (rc == LS_OK) rc = check_message(&in, writer->parts, writer->n_parts, writer->descriptor->name, err);
  ls__arena_fini(&in.arena);
  ls__free(in.all);
  return rc;
}
