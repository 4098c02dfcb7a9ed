/**
 * @file proto_text.c
 * See proto_text.h. Descriptors of protobuf-c know full names, fields and types, but not the file: names tell what nests in what,
 * labels tell the syntax. Messages around that are not part of the type are empty. Oneofs have no names there: they get some.
 */
#include "codec/proto_text.h"

#include "base/alloc.h"
#include "codec/protobuf_map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TYPES_MAX 500

/** A type of the file, or one only around others. */
typedef struct named {
  const char *name; /* full */
  const ProtobufCMessageDescriptor *message;
  const ProtobufCEnumDescriptor *enumeration;
  bool is_own; /* the outermost message of the wanted one */
} named;

typedef struct file {
  const ProtobufCMessageDescriptor *wanted;
  const char *package;
  named *types; /* TYPES_MAX */
  size_t n_types;
  const char *imports[8]; /* names of files of google/protobuf */
  size_t n_imports;
  ls_buf shells; /* names of messages around others, each with its NUL */
  bool proto3;
  ls_buf *out;
  ls_error *err;
} file;

/* ---- what there is ---- */

static int add_message(file *f, const ProtobufCMessageDescriptor *message);

static bool has(const file *f, const char *name) {
  for (size_t i = 0; i < f->n_types; i++) {
    if (strcmp(f->types[i].name, name) == 0) return true;
  }
  return false;
}

static int add_type(file *f, named type, const char *package) {
  if (strcmp(package, f->package) != 0)
    return ls_error_set(
        f->err, LS_ECONFIG,
        "message %s has fields of type %s, which is of another package: schemas that refer to others can't "
        "be registered; use types of its own package or of google.protobuf",
        f->wanted->name, type.name);
  if (f->n_types == TYPES_MAX)
    return ls_error_set(f->err, LS_ECONFIG, "message %s is made of more than %d types", f->wanted->name, TYPES_MAX);
  f->types[f->n_types++] = type;
  return LS_OK;
}

/** The file of a type that registries have built in; NULL: it is none. */
static const char *built_in(const char *name) {
  static const char *const files[][2] = {
      {"Timestamp", "timestamp"},  {"Duration", "duration"},    {"Empty", "empty"},          {"Any", "any"},
      {"FieldMask", "field_mask"}, {"Struct", "struct"},        {"Value", "struct"},         {"ListValue", "struct"},
      {"NullValue", "struct"},     {"DoubleValue", "wrappers"}, {"FloatValue", "wrappers"},  {"Int64Value", "wrappers"},
      {"UInt64Value", "wrappers"}, {"Int32Value", "wrappers"},  {"UInt32Value", "wrappers"}, {"BoolValue", "wrappers"},
      {"StringValue", "wrappers"}, {"BytesValue", "wrappers"}};
  static const char package[] = "google.protobuf.";
  if (strncmp(name, package, sizeof package - 1) != 0) return NULL;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    if (strcmp(name + sizeof package - 1, files[i][0]) == 0) return files[i][1];
  }
  return NULL;
}

static bool import(file *f, const char *name) {
  const char *from = built_in(name);
  for (size_t i = 0; from != NULL && i < f->n_imports; i++) {
    if (f->imports[i] == from || strcmp(f->imports[i], from) == 0) return true;
  }
  if (from != NULL) f->imports[f->n_imports++] = from;
  return from != NULL;
}

static int add_field(file *f, const ProtobufCFieldDescriptor *field) {
  if (field->type == PROTOBUF_C_TYPE_ENUM) {
    const ProtobufCEnumDescriptor *type = field->descriptor;
    if (has(f, type->name) || import(f, type->name)) return LS_OK;
    return add_type(f, (named){.name = type->name, .enumeration = type}, type->package_name);
  }
  const ProtobufCMessageDescriptor *type = field->descriptor;
  if (field->type != PROTOBUF_C_TYPE_MESSAGE || has(f, type->name) || import(f, type->name)) return LS_OK;
  return add_message(f, type);
}

static int add_message(file *f, const ProtobufCMessageDescriptor *message) {
  LS_TRY(add_type(f, (named){.name = message->name, .message = message}, message->package_name));
  for (unsigned i = 0; i < message->n_fields; i++) LS_TRY(add_field(f, &message->fields[i]));
  return LS_OK;
}

/** Messages that types nest in, as far as they are not there. Texts of f->shells stay where they are: there is room for all. */
static int add_shells(file *f) {
  size_t from = strlen(f->package) + (f->package[0] != 0), n = f->n_types, n_bytes = 0;
  for (size_t i = 0; i < n; i++) n_bytes += strlen(f->types[i].name) * 33;
  ls__buf_reserve(&f->shells, n_bytes + 1);
  for (size_t i = 0; i < n; i++) {
    const char *name = f->types[i].name;
    for (const char *dot = strchr(name + from, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
      const char *shell = f->shells.ptr + f->shells.len;
      size_t len = (size_t)(dot - name);
      if (f->shells.len + len + 1 > n_bytes)
        return ls_error_set(f->err, LS_ECONFIG, "type %s is nested too deep", name);
      ls__buf_append(&f->shells, name, len);
      ls__buf_putc(&f->shells, 0);
      if (has(f, shell)) {
        f->shells.len -= len + 1;
      } else {
        LS_TRY(add_type(f, (named){.name = shell}, f->package));
      }
    }
  }
  return LS_OK;
}

static bool is_within(const char *name, const char *outer) {
  size_t len = strlen(outer);
  return strncmp(name, outer, len) == 0 && (name[len] == 0 || name[len] == '.');
}

static int compare(const void *a, const void *b) {
  const named *x = a, *y = b;
  return x->is_own != y->is_own ? (x->is_own ? -1 : 1) : strcmp(x->name, y->name);
}

/* ---- syntax ---- */

/** proto3's texts have the empty one. */
static bool has_default(const ProtobufCFieldDescriptor *field) {
  if (field->default_value == NULL || field->label != PROTOBUF_C_LABEL_OPTIONAL) return false;
  if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) return false;
  return field->type != PROTOBUF_C_TYPE_STRING || *(const char *)field->default_value != 0;
}

/** Labels as protobuf-c gives them: NONE is of proto3 alone, REQUIRED and defaults of proto2 alone. */
static int find_syntax(file *f) {
  bool none = false, present = false;
  const char *only2 = NULL;
  for (size_t i = 0; i < f->n_types; i++) {
    const ProtobufCMessageDescriptor *message = f->types[i].message;
    for (unsigned k = 0; message != NULL && k < message->n_fields; k++) {
      const ProtobufCFieldDescriptor *field = &message->fields[k];
      none = none || field->label == PROTOBUF_C_LABEL_NONE;
      present = present || field->label == PROTOBUF_C_LABEL_OPTIONAL;
      if (field->label == PROTOBUF_C_LABEL_REQUIRED || has_default(field)) only2 = message->name;
    }
  }
  f->proto3 = none || (!present && only2 == NULL);
  if (!f->proto3 || only2 == NULL) return LS_OK;
  return ls_error_set(
      f->err, LS_ECONFIG,
      "message %s is made of messages of proto2 (%s) and of proto3, which can't stand in one file: schemas "
      "that refer to others can't be registered",
      f->wanted->name, only2);
}

/* ---- text ---- */

static void indent(file *f, int depth) {
  for (int i = 0; i < depth; i++) ls__buf_puts(f->out, "  ");
}

const char *ls__proto_type_name(const ProtobufCFieldDescriptor *field) {
  static const char *const names[] = {[PROTOBUF_C_TYPE_INT32] = "int32",       [PROTOBUF_C_TYPE_SINT32] = "sint32",
                                      [PROTOBUF_C_TYPE_SFIXED32] = "sfixed32", [PROTOBUF_C_TYPE_INT64] = "int64",
                                      [PROTOBUF_C_TYPE_SINT64] = "sint64",     [PROTOBUF_C_TYPE_SFIXED64] = "sfixed64",
                                      [PROTOBUF_C_TYPE_UINT32] = "uint32",     [PROTOBUF_C_TYPE_FIXED32] = "fixed32",
                                      [PROTOBUF_C_TYPE_UINT64] = "uint64",     [PROTOBUF_C_TYPE_FIXED64] = "fixed64",
                                      [PROTOBUF_C_TYPE_FLOAT] = "float",       [PROTOBUF_C_TYPE_DOUBLE] = "double",
                                      [PROTOBUF_C_TYPE_BOOL] = "bool",         [PROTOBUF_C_TYPE_STRING] = "string",
                                      [PROTOBUF_C_TYPE_BYTES] = "bytes"};
  if (field->type == PROTOBUF_C_TYPE_ENUM) return ((const ProtobufCEnumDescriptor *)field->descriptor)->name;
  if (field->type == PROTOBUF_C_TYPE_MESSAGE) return ((const ProtobufCMessageDescriptor *)field->descriptor)->name;
  return names[field->type];
}

/** A text or bytes in quotes. */
static void put_quoted(ls_buf *out, ls_slice bytes) {
  ls__buf_putc(out, '"');
  for (size_t i = 0; i < bytes.len; i++) {
    unsigned char c = (unsigned char)bytes.ptr[i];
    if (c >= ' ' && c < 127 && c != '"' && c != '\\')
      ls__buf_putc(out, (char)c);
    else
      ls__buf_printf(out, "\\%03o", c);
  }
  ls__buf_putc(out, '"');
}

static void put_default(ls_buf *out, const ProtobufCFieldDescriptor *field) {
  const void *value = field->default_value;
  switch (field->type) {
  case PROTOBUF_C_TYPE_STRING:
    put_quoted(out, ls__slice_of(value));
    break;
  case PROTOBUF_C_TYPE_BYTES: {
    const ProtobufCBinaryData *bytes = value;
    put_quoted(out, (ls_slice){(const char *)bytes->data, bytes->len});
    break;
  }
  case PROTOBUF_C_TYPE_ENUM: {
    const ProtobufCEnumValue *of =
        protobuf_c_enum_descriptor_get_value(field->descriptor, (int)*(const uint32_t *)value);
    ls__buf_puts(out, of != NULL ? of->name : "0");
    break;
  }
  case PROTOBUF_C_TYPE_BOOL:
    ls__buf_puts(out, *(const protobuf_c_boolean *)value ? "true" : "false");
    break;
  case PROTOBUF_C_TYPE_FLOAT:
    ls__buf_printf(out, "%.9g", (double)*(const float *)value);
    break;
  case PROTOBUF_C_TYPE_DOUBLE:
    ls__buf_printf(out, "%.17g", *(const double *)value);
    break;
  case PROTOBUF_C_TYPE_INT32:
  case PROTOBUF_C_TYPE_SINT32:
  case PROTOBUF_C_TYPE_SFIXED32:
    ls__buf_printf(out, "%" PRId32, *(const int32_t *)value);
    break;
  case PROTOBUF_C_TYPE_UINT32:
  case PROTOBUF_C_TYPE_FIXED32:
    ls__buf_printf(out, "%" PRIu32, *(const uint32_t *)value);
    break;
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64:
    ls__buf_printf(out, "%" PRIu64, *(const uint64_t *)value);
    break;
  default:
    ls__buf_printf(out, "%" PRId64, *(const int64_t *)value);
  }
}

static bool is_packable(const ProtobufCFieldDescriptor *field) {
  return field->label == PROTOBUF_C_LABEL_REPEATED && field->type != PROTOBUF_C_TYPE_STRING &&
         field->type != PROTOBUF_C_TYPE_BYTES && field->type != PROTOBUF_C_TYPE_MESSAGE;
}

static void put_field(file *f, const ProtobufCFieldDescriptor *field, int depth) {
  bool in_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
  bool packed = (field->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0;
  const char *label = "";
  if (field->label == PROTOBUF_C_LABEL_REPEATED) label = "repeated ";
  if (field->label == PROTOBUF_C_LABEL_REQUIRED) label = "required ";
  if (field->label == PROTOBUF_C_LABEL_OPTIONAL && !in_oneof) label = "optional ";
  indent(f, depth);
  ls__buf_printf(f->out, "%s%s %s = %u", label, ls__proto_type_name(field), field->name, (unsigned)field->id);
  if (has_default(field)) {
    ls__buf_puts(f->out, " [default = ");
    put_default(f->out, field);
    ls__buf_putc(f->out, ']');
  } else if (is_packable(field) && packed != f->proto3) {
    ls__buf_printf(f->out, " [packed = %s]", packed ? "true" : "false");
  }
  ls__buf_puts(f->out, ";\n");
}

static bool same_oneof(const ProtobufCFieldDescriptor *a, const ProtobufCFieldDescriptor *b) {
  return (a->flags & b->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 && a->quantifier_offset == b->quantifier_offset;
}

/** A field, or with the first of a oneof all of its. */
static void put_fields(file *f, const ProtobufCMessageDescriptor *message, int depth) {
  for (unsigned i = 0; i < message->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->fields[i];
    if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) {
      put_field(f, field, depth);
      continue;
    }
    bool first = true;
    for (unsigned k = 0; k < i; k++) first = first && !same_oneof(field, &message->fields[k]);
    if (!first) continue;
    indent(f, depth);
    ls__buf_printf(f->out, "oneof oneof_%u {\n", (unsigned)field->id);
    for (unsigned k = i; k < message->n_fields; k++) {
      if (same_oneof(field, &message->fields[k])) put_field(f, &message->fields[k], depth + 1);
    }
    indent(f, depth);
    ls__buf_puts(f->out, "}\n");
  }
}

static void put_value(file *f, const char *name, int value, int depth) {
  indent(f, depth);
  ls__buf_printf(f->out, "%s = %d;\n", name, value);
}

/** 0 comes first, as proto3 wants it; names of the same number after the one that counts. */
static void put_enum(file *f, const ProtobufCEnumDescriptor *type, int depth) {
  if (type->n_value_names > type->n_values) {
    indent(f, depth);
    ls__buf_puts(f->out, "option allow_alias = true;\n");
  }
  for (int zero = 1; zero >= 0; zero--) {
    for (unsigned i = 0; i < type->n_values; i++) {
      const ProtobufCEnumValue *value = &type->values[i];
      if ((value->value == 0) != (zero == 1)) continue;
      put_value(f, value->name, value->value, depth);
      for (unsigned k = 0; k < type->n_value_names; k++) {
        const ProtobufCEnumValueIndex *other = &type->values_by_name[k];
        if (other->index == i && strcmp(other->name, value->name) != 0) put_value(f, other->name, value->value, depth);
      }
    }
  }
}

/** The types right within a scope (a message's name; the package), messages with their place. */
static void put_scope(file *f, const char *scope, int depth, ls_proto_place *place) {
  size_t from = strlen(scope) + (scope[0] != 0);
  int32_t index = 0;
  for (size_t i = 0; i < f->n_types; i++) {
    const named *type = &f->types[i];
    if ((scope[0] != 0 && (!is_within(type->name, scope) || type->name[from - 1] == 0)) ||
        strchr(type->name + from, '.') != NULL)
      continue;
    bool on_path = type->enumeration == NULL && is_within(f->wanted->name, type->name);
    indent(f, depth);
    ls__buf_printf(f->out, "%s %s {\n", type->enumeration != NULL ? "enum" : "message", type->name + from);
    if (on_path) place->path[place->n_path++] = index;
    if (type->enumeration != NULL) {
      put_enum(f, type->enumeration, depth + 1);
    } else {
      index++;
      if (type->message != NULL) put_fields(f, type->message, depth + 1);
      put_scope(f, type->name, depth + 1, place);
    }
    indent(f, depth);
    ls__buf_puts(f->out, "}\n");
  }
}

static void put_file(file *f, ls_proto_place *place) {
  ls__buf_printf(f->out, "syntax = \"proto%d\";\n", f->proto3 ? 3 : 2);
  if (f->package[0] != 0) ls__buf_printf(f->out, "package %s;\n", f->package);
  for (size_t i = 0; i < f->n_imports; i++)
    ls__buf_printf(f->out, "import \"google/protobuf/%s.proto\";\n", f->imports[i]);
  put_scope(f, f->package, 0, place);
}

static int check_enums(const file *f) {
  for (size_t i = 0; f->proto3 && i < f->n_types; i++) {
    const ProtobufCEnumDescriptor *type = f->types[i].enumeration;
    if (type == NULL || protobuf_c_enum_descriptor_get_value(type, 0) != NULL) continue;
    return ls_error_set(f->err, LS_ECONFIG, "enum %s has no value 0, which a file of proto3 asks for", type->name);
  }
  return LS_OK;
}

static uint32_t depth_of(const file *f) {
  uint32_t depth = 1;
  const char *name = f->wanted->name + strlen(f->package) + (f->package[0] != 0);
  for (; (name = strchr(name, '.')) != NULL; name++) depth++;
  return depth;
}

static int collect(file *f) {
  if (depth_of(f) > LS_WIRE_PATH_MAX)
    return ls_error_set(f->err, LS_ECONFIG, "message %s is nested deeper than %d messages", f->wanted->name,
                        LS_WIRE_PATH_MAX);
  if (built_in(f->wanted->name) != NULL)
    return ls_error_set(f->err, LS_ECONFIG, "message %s is one of protobuf's own, which is not registered",
                        f->wanted->name);
  LS_TRY(add_message(f, f->wanted));
  LS_TRY(add_shells(f));
  size_t from = strlen(f->package) + (f->package[0] != 0);
  for (size_t i = 0; i < f->n_types; i++) {
    named *type = &f->types[i];
    type->is_own = strchr(type->name + from, '.') == NULL && is_within(f->wanted->name, type->name);
  }
  qsort(f->types, f->n_types, sizeof *f->types, compare);
  LS_TRY(find_syntax(f));
  return check_enums(f);
}

int ls__proto_text(ls_buf *out, ls_proto_place *place, const void *descriptor, ls_error *err) {
  const ProtobufCMessageDescriptor *wanted = descriptor;
  file f = {.wanted = wanted, .package = wanted->package_name, .out = out, .err = err};
  f.types = ls__calloc(TYPES_MAX, sizeof *f.types);
  *place = (ls_proto_place){.n_path = 0};
  int rc = collect(&f);
  if (rc >= 0) put_file(&f, place);
  ls__free(f.types);
  ls__buf_fini(&f.shells);
  return rc;
}
