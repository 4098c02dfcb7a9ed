/** @file test_proto_text.c  The .proto text of a message type, and the message's place in it. */
#include <string.h>

#include "codec/proto_text.h"
#include "helper_codec.h"
#include "helper_order.pb-c.h"
#include "helper_payment.pb-c.h"
#include "helper_presence.pb-c.h"
#include "helper_timestamp.pb-c.h"

static const char instant[] = "syntax = \"proto3\";\n"
                              "package test;\n"
                              "message Instant {\n"
                              "  int64 seconds = 1;\n"
                              "  int32 nanos = 2;\n"
                              "}\n";

/* Own messages come first, all others by name; the place is that of the wanted one. */
static const char order[] = "syntax = \"proto2\";\n"
                            "package test;\n"
                            "import \"google/protobuf/timestamp.proto\";\n"
                            "message Order {\n"
                            "  required string id = 1;\n"
                            "  optional string memo = 2 [default = \"none\\012\"];\n"
                            "  optional test.Order.State state = 3 [default = STATE_PAID];\n"
                            "  repeated test.Order.Item items = 4;\n"
                            "  optional google.protobuf.Timestamp at = 5;\n"
                            "  optional int64 due_us = 6;\n"
                            "  optional string amount = 7;\n"
                            "  repeated int32 counts = 8 [packed = true];\n"
                            "  oneof oneof_9 {\n"
                            "    string card = 9;\n"
                            "    int64 cash = 10;\n"
                            "  }\n"
                            "  optional bool done = 11;\n"
                            "  optional test.Order.Item.Part part = 12;\n"
                            "  optional fixed64 big = 13;\n"
                            "  optional test.Shop shop = 14;\n"
                            "  optional float share = 15;\n"
                            "  optional int32 small = 16 [default = -7];\n"
                            "  message Item {\n"
                            "    required string sku = 1;\n"
                            "    optional sint32 n = 2;\n"
                            "    optional bytes raw = 3;\n"
                            "    repeated test.Order.Item.Part parts = 4;\n"
                            "    message Part {\n"
                            "      optional double weight = 1;\n"
                            "    }\n"
                            "  }\n"
                            "  enum State {\n"
                            "    STATE_NEW = 0;\n"
                            "    STATE_LATE = -1;\n"
                            "    STATE_PAID = 1;\n"
                            "  }\n"
                            "}\n"
                            "message Shop {\n"
                            "  required string name = 1;\n"
                            "}\n";

/* What is around a message that is nested is empty. */
static const char item[] = "syntax = \"proto2\";\n"
                           "package test;\n"
                           "message Order {\n"
                           "  message Item {\n"
                           "    required string sku = 1;\n"
                           "    optional sint32 n = 2;\n"
                           "    optional bytes raw = 3;\n"
                           "    repeated test.Order.Item.Part parts = 4;\n"
                           "    message Part {\n"
                           "      optional double weight = 1;\n"
                           "    }\n"
                           "  }\n"
                           "}\n";

static void check_text(const ProtobufCMessageDescriptor *message, const char *wanted, uint32_t n_path) {
  ls_buf text = LS_BUF_INIT;
  ls_proto_place place;
  ls_error err = LS_ERROR_INIT;
  ck_assert_msg(ls__proto_text(&text, &place, message, &err) == LS_OK, "%s", err.message);
  if (wanted != NULL) ck_assert_str_eq(text.ptr, wanted);
  ck_assert_uint_eq(place.n_path, n_path);
  ck_assert(ls__proto_names(ls__buf_slice(&text), place.path, place.n_path, message->name));
  ls__buf_fini(&text);
}

START_TEST(a_text_holds_all_types) {
  check_text(&test__instant__descriptor, instant, 1);
  check_text(&test__order__descriptor, order, 1);
  check_text(&test__order__item__descriptor, item, 2);
  check_text(&test__payment__descriptor, NULL, 1);
  check_text(&test__presence__descriptor, NULL, 1);
  check_text(&test__recursive__descriptor, NULL, 1);
}
END_TEST

static void check_refused(const ProtobufCMessageDescriptor *message, const char *said) {
  ls_buf text = LS_BUF_INIT;
  ls_proto_place place;
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls__proto_text(&text, &place, message, &err), LS_ECONFIG);
  ck_assert_str_eq(err.message, said);
  ck_assert_uint_eq(text.len, 0);
  ls__buf_fini(&text);
}

START_TEST(what_is_not_of_one_file_is_refused) {
  ProtobufCFieldDescriptor shop = {.name = "shop", .id = 1, .type = PROTOBUF_C_TYPE_MESSAGE};
  ProtobufCMessageDescriptor other = {.name = "shops.Other", .package_name = "shops", .n_fields = 1, .fields = &shop};
  shop.descriptor = &test__shop__descriptor;
  check_refused(&other,
                "message shops.Other has fields of type test.Shop, which is of another package: schemas that refer "
                "to others can't be registered; use types of its own package or of google.protobuf");
  other.name = "test.Other";
  other.package_name = "test";
  shop.label = PROTOBUF_C_LABEL_NONE;
  check_refused(&other,
                "message test.Other is made of messages of proto2 (test.Shop) and of proto3, which can't stand in one "
                "file: schemas that refer to others can't be registered");
  check_refused(&google__protobuf__timestamp__descriptor,
                "message google.protobuf.Timestamp is one of protobuf's own, which is not registered");
}
END_TEST

/* -- schemas of others --------------------------------------------------------------------------- */

static const test_field columns[] = {
    {"id", "string", "!", NULL, NULL, NULL, NULL},
    {"state", "string", NULL, NULL, NULL, NULL, NULL},
    {"items", "list<struct<sku: string, raw: bytes>>", "!", NULL, NULL, NULL, NULL},
    {"at", "timestamp", NULL, NULL, NULL, NULL, NULL},
};

/* What is said of a schema for these columns as test.Order; path: of the message where nothing is. */
static void check_agrees(const char *text, const char *said, uint32_t n, const int32_t *path) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  const char *faults;
  const ls_protobuf_writer *writer =
      test_writer(&arena, test_schema(&arena, columns, 4), &test__order__descriptor, &faults);
  ck_assert_msg(writer != NULL, "%s", faults);
  ls_proto_place place;
  ls_error err = LS_ERROR_INIT;
  int rc = ls__proto_agrees(&place, writer, ls__slice_of(text), &err);
  ck_assert_str_eq(rc < 0 ? err.message : "", said);
  ck_assert_int_eq(rc, path != NULL ? LS_OK : LS_ECONFIG);
  if (path != NULL) {
    ck_assert_uint_eq(place.n_path, n);
    ck_assert_mem_eq(place.path, path, n * sizeof *path);
  }
  ls__arena_fini(&arena);
}

#define OTHERS(order_id, item) /* comments, others' messages, more fields, names from inside */                        \
  "syntax = 'proto2'; package test; // ours\n"                                                                         \
  "message First { required string id = 9; }\n"                                                                        \
  "message Order { " order_id " optional State state = 3; repeated Item items = 4; optional bool more = 99;\n"         \
  "  optional .google.protobuf.Timestamp at = 5; enum State { STATE_NEW = 0; } message Item { " item " } }\n"

START_TEST(a_schema_of_others_has_to_hold_what_is_written) {
  check_agrees(OTHERS("required string id = 1;", "required string sku = 1; optional bytes raw = 3;"), "", 1,
               (int32_t[]){1});
  check_agrees(order, "", 1, (int32_t[]){0});
  check_agrees("message Order {}", "it has no message test.Order", 0, NULL);
  check_agrees(OTHERS("required string id = 2;", "required string sku = 1; optional bytes raw = 3;"),
               "field id of its message test.Order is string with the number 2, and should be string with the number 1",
               0, NULL);
  check_agrees(OTHERS("required bytes id = 1;", "required string sku = 1; optional bytes raw = 3;"),
               "field id of its message test.Order is bytes with the number 1, and should be string with the number 1",
               0, NULL);
  check_agrees(OTHERS("repeated string id = 1;", "required string sku = 1; optional bytes raw = 3;"),
               "field id of its message test.Order is repeated string with the number 1, and should be string with the "
               "number 1",
               0, NULL);
  check_agrees(OTHERS("required string id = 1;", "required string sku = 1;"),
               "its message test.Order.Item has no field raw (schemas that it refers to are not looked at)", 0, NULL);
  check_agrees(
      OTHERS("required string id = 1; required int32 way = 50;", "required string sku = 1; optional bytes raw = 3;"),
      "its message test.Order requires a field way, which is not written", 0, NULL);
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(a_text_holds_all_types), TEST_CASE(what_is_not_of_one_file_is_refused),
                             TEST_CASE(a_schema_of_others_has_to_hold_what_is_written)};
  return RUN_TESTS("proto_text", cases);
}
