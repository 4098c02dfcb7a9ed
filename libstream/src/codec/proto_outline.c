/**
 * @file proto_outline.c
 * The messages of a protobuf schema, by their places. In a .proto text only what nests is followed: `package`, `message`,
 * groups, map fields and braces; all else is passed over as statements.
 */
#include "codec/decoder.h"
#include "codec/wire_format.h"

#include <stdlib.h>

#define DEPTH_MAX     64
#define FULL_NAME_MAX 512

/** One open brace. */
typedef struct level {
  bool is_message, is_oneof;
  int32_t index;                 /* among the messages around it; map entries left out */
  bool on_path, on_path_entries; /* all numbers down to here are the wanted ones: map entries left out, counted */
  int32_t n, n_entries;          /* messages in it so far, the same two ways */
  size_t name_len;               /* of the full name up to here */
} level;

typedef struct outline {
  ls_slice text;
  size_t at;
  const int32_t *path;
  uint32_t n_path;
  const char *wanted;
  level levels[DEPTH_MAX];
  uint32_t depth; /* of the innermost open level; 0: the file */
  char name[FULL_NAME_MAX];
  bool found;
  ls_proto_place *place; /* of the wanted one; NULL: the path is what is wanted */
  ls_proto_field_fn on_field;
  void *payload;
} outline;

/** What a statement says, up to its ; or brace. */
typedef struct statement {
  ls_slice first, second, third, fourth, group; /* words; group: the one after the word `group` */
  bool is_map;
  char end; /* ; { } or 0 */
} statement;

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/** Past a comment; false: there is none. One that does not end takes the rest. */
static bool skip_comment(outline *o) {
  const char *text = o->text.ptr;
  size_t left = o->text.len - o->at;
  if (left < 2 || text[o->at] != '/' || (text[o->at + 1] != '/' && text[o->at + 1] != '*')) return false;
  bool line = text[o->at + 1] == '/';
  o->at += 2;
  while (o->at < o->text.len) {
    char c = text[o->at++];
    if (line && c == '\n') return true;
    if (!line && c == '*' && o->at < o->text.len && text[o->at] == '/') {
      o->at++;
      return true;
    }
  }
  return true;
}

static void skip_string(outline *o) {
  char quote = o->text.ptr[o->at++];
  while (o->at < o->text.len && o->text.ptr[o->at] != quote) {
    o->at += o->text.ptr[o->at] == '\\' ? 2 : 1;
  }
  if (o->at < o->text.len) o->at++;
}

static ls_slice take_word(outline *o) {
  size_t start = o->at;
  while (o->at < o->text.len && is_word(o->text.ptr[o->at])) o->at++;
  return (ls_slice){o->text.ptr + start, o->at - start};
}

static void add_word(statement *s, ls_slice word, ls_slice before) {
  if (before.len > 0 && ls__slice_is(before, "group") && s->group.len == 0) s->group = word;
  if (s->first.len == 0) {
    s->first = word;
  } else if (s->second.len == 0) {
    s->second = word;
  } else if (s->third.len == 0) {
    s->third = word;
  } else if (s->fourth.len == 0) {
    s->fourth = word;
  }
}

/** The next statement: words before its end. Lists in brackets (options of a field) may hold braces. */
static statement next_statement(outline *o) {
  statement s = {.end = 0};
  ls_slice before = {NULL, 0};
  int brackets = 0;
  while (o->at < o->text.len && s.end == 0) {
    char c = o->text.ptr[o->at];
    if (skip_comment(o)) continue;
    if (c == '"' || c == '\'') {
      skip_string(o);
    } else if (is_word(c)) {
      ls_slice word = take_word(o);
      if (brackets == 0) add_word(&s, word, before);
      before = word;
    } else {
      o->at++;
      brackets += c == '[' ? 1 : c == ']' && brackets > 0 ? -1 : 0;
      s.is_map = s.is_map || (c == '<' && brackets == 0 && ls__slice_is(before, "map"));
      if (brackets == 0 && (c == ';' || c == '{' || c == '}')) s.end = c;
    }
  }
  return s;
}

static bool append_name(outline *o, size_t *len, ls_slice name) {
  size_t dot = *len > 0 ? 1 : 0;
  if (name.len == 0 || *len + dot + name.len >= FULL_NAME_MAX) return false;
  if (dot) o->name[*len] = '.';
  memcpy(o->name + *len + dot, name.ptr, name.len);
  *len += dot + name.len;
  return true;
}

static bool is_wanted(const outline *o, uint32_t depth, int32_t index) {
  return depth < o->n_path && o->path[depth] == index;
}

static void note_place(outline *o) {
  if (o->place == NULL || o->found || o->depth > LS_WIRE_PATH_MAX) return;
  if (!ls__slice_is((ls_slice){o->name, o->levels[o->depth].name_len}, o->wanted)) return;
  for (uint32_t i = 1; i <= o->depth; i++) o->place->path[i - 1] = o->levels[i].index;
  o->place->n_path = o->depth;
  o->found = true;
}

/** A message begins in the innermost level. */
static bool open_message(outline *o, ls_slice name) {
  level *in = &o->levels[o->depth];
  level next = {.is_message = true,
                .index = in->n,
                .on_path = in->on_path && is_wanted(o, o->depth, in->n),
                .on_path_entries = in->on_path_entries && is_wanted(o, o->depth, in->n_entries),
                .name_len = in->name_len};
  in->n++;
  in->n_entries++;
  if (o->depth + 1 == DEPTH_MAX || !append_name(o, &next.name_len, name)) return false;
  o->levels[++o->depth] = next;
  bool here = o->depth == o->n_path && (next.on_path || next.on_path_entries);
  if (here && ls__slice_is((ls_slice){o->name, next.name_len}, o->wanted)) o->found = true;
  note_place(o);
  return true;
}

/** Braces that are no message: what is in them has no place. */
static bool open_other(outline *o, bool oneof) {
  if (o->depth + 1 == DEPTH_MAX) return false;
  level next = {.name_len = o->levels[o->depth].name_len, .is_oneof = oneof};
  o->levels[++o->depth] = next;
  return true;
}

/** Fields in a oneof belong to the message around it: so does the message of a group. */
static level *message_around(outline *o) {
  uint32_t depth = o->depth;
  while (depth > 0 && !o->levels[depth].is_message) depth--;
  return &o->levels[depth];
}

static bool parse_number(ls_slice text, uint32_t *out) {
  char digits[16], *end;
  if (text.len == 0 || text.len >= sizeof digits) return false;
  memcpy(digits, text.ptr, text.len);
  digits[text.len] = 0;
  unsigned long number = strtoul(digits, &end, 0); /* octal and hex as well */
  *out = (uint32_t)number;
  return *end == 0 && number > 0 && number <= UINT32_MAX;
}

/** What may be a field: [label] type name = number. */
static void tell_field(outline *o, const statement *s) {
  const level *in = &o->levels[o->depth];
  if (o->on_field == NULL || s->is_map || o->depth == 0 || !(in->is_message || in->is_oneof)) return;
  bool repeated = ls__slice_is(s->first, "repeated");
  bool required = ls__slice_is(s->first, "required");
  bool label = repeated || required || ls__slice_is(s->first, "optional");
  ls_proto_field field = {.message = {o->name, in->name_len},
                          .type = label ? s->second : s->first,
                          .name = label ? s->third : s->second,
                          .repeated = repeated,
                          .required = required};
  if (field.name.len == 0 || (field.name.ptr[0] >= '0' && field.name.ptr[0] <= '9')) return; /* reserved 3, 4; */
  if (!parse_number(label ? s->fourth : s->third, &field.number)) return;
  o->on_field(o->payload, &field);
}

static bool take(outline *o, const statement *s) {
  level *in = &o->levels[o->depth];
  bool holds_messages = o->depth == 0 || in->is_message;
  if (s->is_map && in->is_message) in->n_entries++;
  switch (s->end) {
  case ';':
    if (o->depth == 0 && ls__slice_is(s->first, "package")) return append_name(o, &in->name_len, s->second);
    tell_field(o, s);
    return true;
  case '{':
    if (holds_messages && ls__slice_is(s->first, "message")) return open_message(o, s->second);
    if (holds_messages && s->group.len > 0) return open_message(o, s->group);
    if (s->group.len > 0) { /* in a oneof */
      message_around(o)->n++;
      message_around(o)->n_entries++;
    }
    return open_other(o, in->is_message && ls__slice_is(s->first, "oneof"));
  default:
    if (o->depth == 0) return false;
    o->depth--;
    return true;
  }
}

static bool walk_text(outline *o) {
  o->levels[0] = (level){.is_message = false, .on_path = true, .on_path_entries = true};
  for (;;) {
    statement s = next_statement(o);
    if (s.end == 0) return o->found && o->depth == 0;
    if (!take(o, &s)) return false;
  }
}

static bool text_names(ls_slice text, const int32_t *path, uint32_t n_path, const char *full_name) {
  outline o = {.text = text, .path = path, .n_path = n_path, .wanted = full_name};
  return walk_text(&o);
}

/* ---- FileDescriptorProto ---- */

enum {
  FILE_PACKAGE = 2,
  FILE_MESSAGE = 4,
  MESSAGE_NAME = 1,
  MESSAGE_FIELD = 2,
  MESSAGE_NESTED = 3,
  FIELD_NAME = 1,
  FIELD_NUMBER = 3,
  FIELD_LABEL = 4,
  FIELD_TYPE = 5,
  FIELD_TYPE_NAME = 6,
  LABEL_REQUIRED = 2,
  LABEL_REPEATED = 3,
  BYTES = 2
};

static bool get_varint(ls_slice *from, uint64_t *out) {
  *out = 0;
  for (unsigned shift = 0; shift < 64 && from->len > 0; shift += 7) {
    uint8_t byte = (uint8_t)from->ptr[0];
    *from = (ls_slice){from->ptr + 1, from->len - 1};
    *out |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

/** One field of a message on the wire. */
typedef struct wire_field {
  uint64_t id, number; /* number: of a varint */
  bool holds_bytes;
  ls_slice bytes;
} wire_field;

/** False: there is none, or it is broken. */
static bool next_field(ls_slice *from, wire_field *out) {
  uint64_t tag, len;
  if (!get_varint(from, &tag)) return false;
  *out = (wire_field){.id = tag >> 3, .holds_bytes = (tag & 7) == BYTES};
  switch (tag & 7) {
  case 0:
    return get_varint(from, &out->number);
  case 1:
    len = 8;
    break;
  case 5:
    len = 4;
    break;
  case BYTES:
    if (!get_varint(from, &len)) return false;
    break;
  default:
    return false;
  }
  if (len > from->len) return false;
  out->bytes = (ls_slice){from->ptr, (size_t)len};
  *from = (ls_slice){from->ptr + len, from->len - (size_t)len};
  return true;
}

/** The index-th field of a number (-1: the last one). False: there is none. */
static bool find_field(ls_slice in, uint64_t wanted, int32_t index, ls_slice *out) {
  wire_field field;
  bool found = false;
  for (int32_t n = 0; in.len > 0;) {
    if (!next_field(&in, &field)) return false;
    if (field.id != wanted || !field.holds_bytes) continue;
    if (index < 0 || n == index) {
      *out = field.bytes;
      found = true;
    }
    n++;
  }
  return found;
}

/** Takes a part off the front of a full name. */
static bool take_part(ls_slice *name, ls_slice part) {
  if (part.len == 0 || part.len > name->len || memcmp(name->ptr, part.ptr, part.len) != 0) return false;
  *name = (ls_slice){name->ptr + part.len, name->len - part.len};
  if (name->len == 0) return true;
  if (name->ptr[0] != '.') return false;
  *name = (ls_slice){name->ptr + 1, name->len - 1};
  return true;
}

bool ls__proto_file_names(ls_slice file, const int32_t *path, uint32_t n_path, const char *full_name) {
  ls_slice left = ls__slice_of(full_name), part, in = file;
  if (find_field(file, FILE_PACKAGE, -1, &part) && part.len > 0 && !take_part(&left, part)) return false;
  for (uint32_t i = 0; i < n_path; i++) {
    if (path[i] < 0 || !find_field(in, i == 0 ? FILE_MESSAGE : MESSAGE_NESTED, path[i], &in)) return false;
    if (!find_field(in, MESSAGE_NAME, -1, &part) || !take_part(&left, part)) return false;
  }
  return n_path > 0 && left.len == 0;
}

/** A FieldDescriptorProto. Groups have no type. */
static bool tell_binary_field(outline *o, ls_slice message, ls_slice bytes) {
  static const char *const types[] = {NULL,      "double",   "float",    "int64",  "uint64", "int32", "fixed64",
                                      "fixed32", "bool",     "string",   NULL,     NULL,     "bytes", "uint32",
                                      NULL,      "sfixed32", "sfixed64", "sint32", "sint64"};
  ls_proto_field out = {.message = message};
  wire_field field;
  while (bytes.len > 0) {
    if (!next_field(&bytes, &field)) return false;
    if (field.id == FIELD_NAME && field.holds_bytes) out.name = field.bytes;
    if (field.id == FIELD_TYPE_NAME && field.holds_bytes) out.type = field.bytes;
    if (field.id == FIELD_NUMBER) out.number = (uint32_t)field.number;
    if (field.id == FIELD_LABEL) out.repeated = field.number == LABEL_REPEATED;
    if (field.id == FIELD_LABEL) out.required = field.number == LABEL_REQUIRED;
    bool scalar = field.id == FIELD_TYPE && field.number < sizeof types / sizeof *types && types[field.number] != NULL;
    if (scalar) out.type = ls__slice_of(types[field.number]);
  }
  if (o->on_field != NULL && out.name.len > 0) o->on_field(o->payload, &out);
  return true;
}

/** The messages in a file (FILE_MESSAGE) or in a message (MESSAGE_NESTED), the name of what is around being there. */
static bool walk_binary(outline *o, ls_slice in, uint64_t wanted) {
  wire_field field;
  size_t around = o->levels[o->depth].name_len;
  for (int32_t n = 0; in.len > 0;) {
    if (!next_field(&in, &field)) return false;
    if (field.id == MESSAGE_FIELD && wanted == MESSAGE_NESTED && field.holds_bytes &&
        !tell_binary_field(o, (ls_slice){o->name, around}, field.bytes))
      return false;
    if (field.id != wanted || !field.holds_bytes) continue;
    ls_slice name;
    level next = {.index = n++, .name_len = around};
    if (o->depth + 1 == DEPTH_MAX || !find_field(field.bytes, MESSAGE_NAME, -1, &name)) return false;
    if (!append_name(o, &next.name_len, name)) return false;
    o->levels[++o->depth] = next;
    note_place(o);
    if (!walk_binary(o, field.bytes, MESSAGE_NESTED)) return false;
    o->depth--;
  }
  return true;
}

static bool find_binary(outline *o) {
  ls_slice package;
  bool named = find_field(o->text, FILE_PACKAGE, -1, &package) && package.len > 0;
  if (named && !append_name(o, &o->levels[0].name_len, package)) return false;
  return walk_binary(o, o->text, FILE_MESSAGE) && o->found;
}

/* ---- either ---- */

/** False: text is not base64. No .proto text is: it has blanks or braces. */
static bool put_decoded(ls_buf *out, ls_slice text) {
  uint32_t bits = 0;
  unsigned n_bits = 0;
  while (text.len > 0 && text.ptr[text.len - 1] == '=') text.len--;
  for (size_t i = 0; i < text.len; i++) {
    int digit = ls__base64_digit(text.ptr[i]);
    if (digit < 0) return false;
    bits = bits << 6 | (uint32_t)digit;
    n_bits += 6;
    if (n_bits < 8) continue;
    n_bits -= 8;
    ls__buf_putc(out, (char)(bits >> n_bits));
  }
  return text.len > 0;
}

bool ls__proto_find(ls_proto_place *out, ls_slice text, const char *full_name, ls_proto_field_fn on_field,
                    void *payload) {
  ls_buf file = LS_BUF_INIT;
  outline o = {.text = text, .wanted = full_name, .place = out, .on_field = on_field, .payload = payload};
  *out = (ls_proto_place){.n_path = 0};
  bool binary = put_decoded(&file, text);
  if (binary) o.text = ls__buf_slice(&file);
  bool found = binary ? find_binary(&o) : walk_text(&o);
  ls__buf_fini(&file);
  return found;
}

bool ls__proto_names(ls_slice text, const int32_t *path, uint32_t n_path, const char *full_name) {
  ls_buf file = LS_BUF_INIT;
  bool names = put_decoded(&file, text) ? ls__proto_file_names(ls__buf_slice(&file), path, n_path, full_name)
                                        : text_names(text, path, n_path, full_name);
  ls__buf_fini(&file);
  return names;
}
