/** @file test_wire_format.c  Confluent wire format, the messages of a protobuf schema, the JSON Schema of rows. */
#include "helper_codec.h"

#include "base/arena.h"
#include "codec/json_schema_rows.h"
#include "codec/wire_format.h"

#define BYTES(text) ((ls_slice){text, sizeof(text) - 1})

START_TEST(json_has_the_id_in_front) {
  ls_wire wire;
  ck_assert(ls__wire_split(&wire, BYTES("\0\0\0\1\2{}"), false));
  ck_assert_int_eq(wire.id, 258);
  ck_assert_uint_eq(wire.n_path, 0);
  ck_assert(ls__slice_is(wire.payload, "{}"));
  ls_buf head = LS_BUF_INIT;
  ls__wire_head(&head, 258, NULL, 0);
  ck_assert(ls__slice_eq(ls__buf_slice(&head), wire.head));
  ls__buf_fini(&head);
}
END_TEST

static void check_head(const int32_t *path, uint32_t n, ls_slice wanted) {
  ls_buf head = LS_BUF_INIT;
  ls__wire_head(&head, 258, path, n);
  ck_assert(ls__slice_eq(ls__buf_slice(&head), wanted));
  ls_wire wire;
  ck_assert(ls__wire_split(&wire, ls__buf_slice(&head), true));
  ck_assert_int_eq(wire.id, 258);
  ck_assert_uint_eq(wire.n_path, n);
  ck_assert_mem_eq(wire.path, path, n * sizeof *path);
  ls__buf_fini(&head);
}

START_TEST(protobuf_has_the_place_behind_the_id) {
  check_head((int32_t[]){0}, 1, BYTES("\0\0\0\1\2\0")); /* the short form */
  check_head((int32_t[]){1}, 1, BYTES("\0\0\0\1\2\2\2"));
  check_head((int32_t[]){0, 0}, 2, BYTES("\0\0\0\1\2\4\0\0"));
  check_head((int32_t[]){1, 128}, 2, BYTES("\0\0\0\1\2\4\2\x80\2"));
  check_head((int32_t[]){INT32_MAX}, 1, BYTES("\0\0\0\1\2\2\xfe\xff\xff\xff\x0f"));
}
END_TEST

START_TEST(other_values_are_refused) {
  ls_wire wire;
  ck_assert(!ls__wire_split(&wire, BYTES(""), false));
  ck_assert(!ls__wire_split(&wire, BYTES("{\"a\":1}"), false));
  ck_assert(!ls__wire_split(&wire, BYTES("\0\0\0\1"), false));
  ck_assert(!ls__wire_split(&wire, BYTES("\0\xff\xff\xff\xff{}"), false)); /* no id is below 0 */
  ck_assert(!ls__wire_split(&wire, BYTES("\1\0\0\0\1{}"), false));
  ck_assert(!ls__wire_split(&wire, BYTES("\0\0\0\0\1"), true)); /* no place */
}
END_TEST

START_TEST(protobuf_names_its_message) {
  ls_wire wire;
  ck_assert(ls__wire_split(&wire, BYTES("\0\0\0\0\1\0x"), true)); /* the short form of [0] */
  ck_assert_uint_eq(wire.n_path, 1);
  ck_assert_int_eq(wire.path[0], 0);
  ck_assert(ls__slice_is(wire.payload, "x"));
  ck_assert(ls__wire_split(&wire, BYTES("\0\0\0\0\1\4\2\x80\2x"), true)); /* [1, 128] */
  ck_assert_uint_eq(wire.n_path, 2);
  ck_assert_int_eq(wire.path[0], 1);
  ck_assert_int_eq(wire.path[1], 128);
  ck_assert(ls__slice_is(wire.payload, "x"));
  ck_assert(!ls__wire_split(&wire, BYTES("\0\0\0\0\1\4\2"), true));                     /* cut */
  ck_assert(!ls__wire_split(&wire, BYTES("\0\0\0\0\1\2\1x"), true));                    /* index -1 */
  ck_assert(!ls__wire_split(&wire, BYTES("\0\0\0\0\1\x7e"), true));                     /* 63 deep */
  ck_assert(!ls__wire_split(&wire, BYTES("\0\0\0\0\1\xff\xff\xff\xff\xff\xff"), true)); /* no end */
}
END_TEST

static const char text[] = "syntax = \"proto3\"; // package no;\n"
                           "/* message No { */ package shop.v1;\n"
                           "import \"google/type/date.proto\";\n"
                           "option java_package = \"message X {\";\n"
                           "enum Kind { message_kind = 0; }\n"
                           "message First { string a = 1 [json_name = \"}\", (x) = { y: 1 }]; }\n"
                           "message Outer {\n"
                           "  option (my) = { message: 1 };\n"
                           "  enum E { Z = 0; }\n"
                           "  map<string, int32> m = 1;\n"
                           "  message A { message Deep {} }\n"
                           "  oneof o { string s = 2; int32 i = 3; }\n"
                           "  message B { }\n"
                           "}\n"
                           "service S { rpc R (First) returns (Outer) { option x = 1; } }\n"
                           "message Last {}\n";

static bool names(const char *of, uint32_t n, const int32_t *path, const char *name) {
  return ls__proto_names(ls__slice_of(of), path, n, name);
}
#define PATH(...)                                                                                                      \
  sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t), (const int32_t[]) {                                              \
    __VA_ARGS__                                                                                                        \
  }

START_TEST(messages_of_a_text_have_places) {
  ck_assert(names(text, PATH(0), "shop.v1.First"));
  ck_assert(names(text, PATH(1), "shop.v1.Outer"));
  ck_assert(names(text, PATH(2), "shop.v1.Last"));
  ck_assert(!names(text, PATH(1), "shop.v1.First"));
  ck_assert(!names(text, PATH(0), "First"));
  ck_assert(!names(text, PATH(3), "shop.v1.Last"));
  ck_assert(names(text, PATH(1, 0), "shop.v1.Outer.A")); /* entries of maps are not counted */
  ck_assert(names(text, PATH(1, 1), "shop.v1.Outer.A")); /* or they are */
  ck_assert(names(text, PATH(1, 0, 0), "shop.v1.Outer.A.Deep"));
  ck_assert(names(text, PATH(1, 1, 0), "shop.v1.Outer.A.Deep"));
  ck_assert(names(text, PATH(1, 2), "shop.v1.Outer.B"));
  ck_assert(!names(text, PATH(1, 2), "shop.v1.Outer.A"));
}
END_TEST

START_TEST(broken_texts_name_nothing) {
  ck_assert(names("message M {}", PATH(0), "M"));
  ck_assert(!names("message M {", PATH(0), "M"));
  ck_assert(!names("message M {}}", PATH(0), "M"));
  ck_assert(!names("", PATH(0), "M"));
  ck_assert(!names("/* message M {}", PATH(0), "M"));
  ck_assert(names("message G { optional group In = 1 { } message After {} }", PATH(0, 0), "G.In"));
  ck_assert(names("message G { optional group In = 1 { } message After {} }", PATH(0, 1), "G.After"));
  ck_assert(names("message G { oneof o { group In = 1 { } } message After {} }", PATH(0, 1), "G.After"));
  ls_buf deep = LS_BUF_INIT;
  for (int i = 0; i < 1000; i++) ls__buf_puts(&deep, "message M {");
  ck_assert(!names(deep.ptr, PATH(0), "M"));
  ls__buf_fini(&deep);
}
END_TEST

/* package p; message A { message N {} } message B {} */
static const char file[] = "\n\7x.proto\22\1p\"\10\n\1A\032\3\n\1N\"\3\n\1B";

START_TEST(messages_of_a_file_descriptor_have_places) {
  ls_slice bytes = BYTES(file);
  ck_assert(ls__proto_file_names(bytes, (int32_t[]){0}, 1, "p.A"));
  ck_assert(ls__proto_file_names(bytes, (int32_t[]){1}, 1, "p.B"));
  ck_assert(ls__proto_file_names(bytes, (int32_t[]){0, 0}, 2, "p.A.N"));
  ck_assert(!ls__proto_file_names(bytes, (int32_t[]){0, 1}, 2, "p.A.N"));
  ck_assert(!ls__proto_file_names(bytes, (int32_t[]){0}, 1, "p.A.N"));
  ck_assert(!ls__proto_file_names(bytes, (int32_t[]){0, 0}, 2, "p.A"));
  ck_assert(!ls__proto_file_names(bytes, (int32_t[]){2}, 1, "p.B"));
  for (size_t len = 0; len + 1 < sizeof file; len++)
    ck_assert(!ls__proto_file_names((ls_slice){file, len}, (int32_t[]){1}, 1, "p.B"));
  /* the same in base64, as registries hand it out */
  ck_assert(names("Cgd4LnByb3RvEgFwIggKAUEaAwoBTiIDCgFC", PATH(1), "p.B"));
  ck_assert(!names("Cgd4LnByb3RvEgFwIggKAUEaAwoBTiIDCgFC", PATH(0), "p.B"));
}
END_TEST

static void put_field(void *payload, const ls_proto_field *field) {
  ls__buf_printf(payload, "%.*s %s%.*s %.*s %u\n", (int)field->message.len, field->message.ptr,
                 field->repeated   ? "repeated "
                 : field->required ? "required "
                                   : "",
                 (int)field->type.len, field->type.ptr, (int)field->name.len, field->name.ptr, (unsigned)field->number);
}

static void check_find(const char *of, const char *name, uint32_t n, const int32_t *path, const char *fields) {
  ls_buf found = LS_BUF_INIT;
  ls_proto_place place;
  ls__buf_puts(&found, "");
  ck_assert(ls__proto_find(&place, ls__slice_of(of), name, put_field, &found) == (path != NULL));
  if (path != NULL) {
    ck_assert_uint_eq(place.n_path, n);
    ck_assert_mem_eq(place.path, path, n * sizeof *path);
    ck_assert_str_eq(found.len > 0 ? found.ptr : "", fields);
  }
  ls__buf_fini(&found);
}

START_TEST(messages_are_found_by_name) {
  static const char fields[] = "shop.v1.First string a 1\nshop.v1.Outer string s 2\nshop.v1.Outer int32 i 3\n";
  check_find(text, "shop.v1.First", 1, (int32_t[]){0}, fields);
  check_find(text, "shop.v1.Last", 1, (int32_t[]){2}, fields);
  check_find(text, "shop.v1.Outer.B", 2, (int32_t[]){1, 1}, fields); /* entries of maps are not counted */
  check_find(text, "shop.v1.Outer.A.Deep", 3, (int32_t[]){1, 0, 0}, fields);
  check_find(text, "Outer", 0, NULL, NULL);
  check_find(
      "message M { required .p.X x = 0x10; repeated Y y=2 [deprecated = true]; reserved 3, 4; extensions 5 to 9; "
      "enum E { A = 1; } extend M { optional int32 no = 6; } }",
      "M", 1, (int32_t[]){0}, "M required .p.X x 16\nM repeated Y y 2\n");
  check_find("message M {", "M", 0, NULL, NULL);
  check_find("Cgd4LnByb3RvEgFwIggKAUEaAwoBTiIDCgFC", "p.B", 1, (int32_t[]){1}, "");
  check_find("Cgd4LnByb3RvEgFwIggKAUEaAwoBTiIDCgFC", "p.A.N", 2, (int32_t[]){0, 0}, "");
  /* message M { required .p.X x = 3; repeated int32 n = 4; } */
  check_find("Ih8KAU0SDwoBeBgDIAIoCzIELnAuWBIJCgFuGAQgAygF", "M", 1, (int32_t[]){0},
             "M required .p.X x 3\nM repeated int32 n 4\n");
}
END_TEST

START_TEST(rows_have_a_json_schema) {
  static const char *const types[][2] = {{"id", "string"},        {"n", "int64"},           {"amount", "decimal(18,4)"},
                                         {"at", "timestamp"},     {"tags", "list<string>"}, {"f", "float64"},
                                         {"s", "struct<a: bool>"}};
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls_field fields[7] = {0};
  for (int i = 0; i < 7; i++) {
    fields[i].name = types[i][0];
    fields[i].nullable = i > 2;
    ck_assert_int_eq(ls__type_parse(&fields[i].type, &arena, ls__slice_of(types[i][1]), NULL), LS_OK);
  }
  ls_schema schema = {.name = "t", .fields = fields, .n_fields = 7, .time_field = -1};
  ls_buf out = LS_BUF_INIT;
  ls__rows_json_schema(&out, &schema, "sink");
  ck_assert_str_eq(out.ptr,
                   "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"title\":\"sink\",\"type\":\"object\","
                   "\"additionalProperties\":false,\"required\":[\"id\",\"n\",\"amount\"],\"properties\":{"
                   "\"id\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"},"
                   "\"amount\":{\"type\":\"string\",\"description\":\"decimal(18,4)\"},"
                   "\"at\":{\"type\":[\"null\",\"string\"],\"format\":\"date-time\"},"
                   "\"tags\":{\"type\":[\"null\",\"array\"],\"items\":{\"type\":[\"null\",\"string\"]}},"
                   "\"f\":{\"type\":[\"null\",\"number\",\"string\"]},"
                   "\"s\":{\"type\":[\"null\",\"object\"],\"additionalProperties\":false,\"properties\":{"
                   "\"a\":{\"type\":[\"null\",\"boolean\"]}}}}}");
  ls__buf_fini(&out);
  ls__arena_fini(&arena);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(json_has_the_id_in_front),
      TEST_CASE(other_values_are_refused),
      TEST_CASE(protobuf_has_the_place_behind_the_id),
      TEST_CASE(protobuf_names_its_message),
      TEST_CASE(broken_texts_name_nothing),
      TEST_CASE(messages_of_a_text_have_places),
      TEST_CASE(messages_of_a_file_descriptor_have_places),
      TEST_CASE(messages_are_found_by_name),
      TEST_CASE(rows_have_a_json_schema),
  };
  return RUN_TESTS("wire_format", cases);
}
