/** @file test_protobuf.c  Protobuf messages -> rows and back, by descriptors; mappings that are
 * refused. */
#include <math.h>
#include <string.h>

#include "helper_codec.h"
#include "helper_payment.pb-c.h"
#include "helper_presence.pb-c.h"

static const test_field fields[] = {
    {"id", "string", "!k", NULL, NULL, NULL, NULL},
    {"user_id", "string", "*", NULL, NULL, NULL, NULL},
    {"amount", "decimal(18,4)", NULL, NULL, NULL, NULL, NULL},
    {"status", "string", NULL, "PENDING,APPROVED", NULL, NULL, NULL},
    {"created", "timestamp", NULL, NULL, NULL, NULL, NULL},
    {"settled", "timestamp", NULL, NULL, NULL, NULL, NULL}, /* settled_us */
    {"booked", "timestamp", NULL, NULL, NULL, NULL, NULL},
    {"day", "date", NULL, NULL, NULL, NULL, NULL},
    {"active", "bool", NULL, NULL, NULL, NULL, NULL},
    {"score", "float64", NULL, NULL, NULL, NULL, "1"},
    {"ratio", "float64", NULL, NULL, NULL, NULL, NULL},
    {"i32", "int64", NULL, NULL, NULL, NULL, NULL},
    {"u64", "int64", NULL, NULL, NULL, NULL, NULL},
    {"s64", "int64", NULL, NULL, NULL, NULL, NULL},
    {"f32", "int64", NULL, NULL, NULL, NULL, NULL},
    {"sf64", "int64", NULL, NULL, NULL, NULL, NULL},
    {"raw", "bytes", NULL, NULL, NULL, NULL, NULL},
    {"tags", "list<string>", NULL, NULL, NULL, NULL, NULL},
    {"lines", "list<struct<sku: string, price: decimal(6,2), counts: list<int64>>>", NULL, NULL, NULL, NULL, NULL},
    {"first", "struct<sku: string, nothing: int64>", NULL, NULL, NULL, NULL, NULL},
    {"left", "string", NULL, NULL, NULL, NULL, NULL},
    {"right", "int64", NULL, NULL, NULL, NULL, NULL},
    {"mixed", "string", NULL, NULL, NULL, NULL, NULL},
    {"packed", "list<int64>", NULL, NULL, NULL, NULL, NULL},
    {"u32", "int64", NULL, NULL, NULL, NULL, NULL},
};

static test_decoded *decode(test_codec *codec, const Test__Payment *payment) {
  uint8_t bytes[2048];
  ck_assert_uint_le(test__payment__get_packed_size(payment), sizeof bytes);
  return decode_protobuf(codec, bytes, test__payment__pack(payment, bytes));
}

static Test__Payment small_payment(void) {
  Test__Payment payment = TEST__PAYMENT__INIT;
  payment.id = "p1";
  payment.user_id = "SECRET";
  payment.status = TEST__PAYMENT_STATUS__PAYMENT_STATUS_APPROVED;
  return payment;
}

/* A message with something in each field. */
static test_decoded *decode_full(test_codec *codec) {
  Test__Payment payment = small_payment();
  Test__Instant created = TEST__INSTANT__INIT;
  Test__Line lines[2] = {TEST__LINE__INIT, TEST__LINE__INIT}, *line_pointers[2] = {&lines[0], &lines[1]};
  char *tags[] = {"a", "", "\xC3\xA9"};
  int32_t counts[] = {-1, 0, 2147483647};
  int64_t packed[] = {1, -1, INT64_MIN};
  payment.amount = "12.50";
  created.seconds = 1772356502;
  created.nanos = 125000000;
  payment.created = &created;
  payment.settled_us = -1;
  payment.booked = "2026-03-01T09:15:02Z";
  payment.day = "2024-02-29";
  payment.active = 1;
  payment.score = 0.25;
  payment.ratio = 0.5f;
  payment.i32 = -2147483647 - 1;
  payment.u64 = INT64_MAX;
  payment.s64 = INT64_MIN;
  payment.f32 = UINT32_MAX;
  payment.sf64 = -2;
  payment.u32 = UINT32_MAX;
  payment.raw = (ProtobufCBinaryData){3, (uint8_t *)"\0\xFF\x01"};
  payment.n_tags = 3;
  payment.tags = tags;
  lines[0].sku = "x";
  lines[0].price = "1.50";
  lines[0].n_counts = 3;
  lines[0].counts = counts;
  payment.n_lines = 2;
  payment.lines = line_pointers;
  payment.first = &lines[0];
  payment.choice_case = TEST__PAYMENT__CHOICE_RIGHT;
  payment.right = 0;
  payment.mixed = TEST__MIXED__MIXED_ONE;
  payment.n_packed = 3;
  payment.packed = packed;
  return decode(codec, &payment);
}

static const char full_row[] =
    "{\"id\":\"p1\",\"user_id\":\"SECRET\",\"amount\":\"12.5000\",\"status\":\"APPROVED\","
    "\"created\":\"2026-03-01T09:15:02.125Z\",\"settled\":\"1969-12-31T23:59:59.999999Z\","
    "\"booked\":\"2026-03-01T09:15:02Z\",\"day\":\"2024-02-29\",\"active\":true,\"score\":0.25,"
    "\"ratio\":0.5,"
    "\"i32\":-2147483648,\"u64\":9223372036854775807,\"s64\":-9223372036854775808,\"f32\":"
    "4294967295,\"sf64\":-2,"
    "\"raw\":\"AP8B\",\"tags\":[\"a\",\"\",\"\xC3\xA9\"],"
    "\"lines\":[{\"sku\":\"x\",\"price\":\"1.50\",\"counts\":[-1,0,2147483647]},"
    "{\"sku\":null,\"price\":null,\"counts\":[]}],\"first\":{\"sku\":\"x\",\"nothing\":null},"
    "\"left\":null,\"right\":0,"
    "\"mixed\":\"MIXED_ONE\",\"packed\":[1,-1,-9223372036854775808],\"u32\":4294967295}";

static void open_payment(test_codec *codec) {
  codec_open(codec, fields, sizeof fields / sizeof *fields, LS_FORMAT_PROTOBUF, &test__payment__descriptor);
}

START_TEST(reads_every_kind_of_field) {
  test_codec codec;
  open_payment(&codec);
  test_decoded *result = decode_full(&codec);
  ck_assert_uint_eq(result->n_rows, 1);
  ck_assert_str_eq(result_row(result, 0), full_row);
  result_free(result);
  codec_close(&codec);
}
END_TEST

/* Absent texts are null, absent numbers are 0: proto3 can't tell more. */
START_TEST(reads_an_almost_empty_message) {
  test_codec codec;
  open_payment(&codec);
  Test__Payment payment = small_payment();
  test_decoded *result = decode(&codec, &payment);
  ck_assert_uint_eq(result->n_rows, 1);
  ck_assert_str_eq(result_row(result, 0),
                   "{\"id\":\"p1\",\"user_id\":\"SECRET\",\"amount\":null,\"status\":\"APPROVED\",\"created\":"
                   "null,"
                   "\"settled\":\"1970-01-01T00:00:00Z\",\"booked\":null,\"day\":null,\"active\":false,"
                   "\"score\":0.0,"
                   "\"ratio\":0.0,\"i32\":0,\"u64\":0,\"s64\":0,\"f32\":0,\"sf64\":0,\"raw\":null,\"tags\":[],"
                   "\"lines\":[],"
                   "\"first\":null,\"left\":null,\"right\":null,\"mixed\":\"ZERO\",\"packed\":[],\"u32\":0}");
  result_free(result);
  codec_close(&codec);
}
END_TEST

static void check_bad(test_codec *codec, const Test__Payment *payment, const char *reason, const char *field) {
  test_decoded *result = decode(codec, payment);
  check_line(result, &(test_line){"payment", NULL, reason, field, NULL});
  ck_assert_int_eq(result->bads[0].line, 7);
  ck_assert_ptr_null(strstr(result->bads[0].payload, "SECRET"));
  ck_assert_ptr_null(strstr(result->bads[0].error, "SECRET"));
  ck_assert_ptr_nonnull(strstr(result->bads[0].payload, "\"user_id\":\"***\""));
  result_free(result);
}

#define CHECK_BAD(change, reason, field)                                                                               \
  do {                                                                                                                 \
    Test__Payment payment = small_payment();                                                                           \
    Test__Instant created = TEST__INSTANT__INIT;                                                                       \
    (void)created;                                                                                                     \
    change;                                                                                                            \
    check_bad(&codec, &payment, reason, field);                                                                        \
  } while (0)

START_TEST(refuses_with_reason_and_field) {
  test_codec codec;
  open_payment(&codec);
  CHECK_BAD(payment.id = "", "missing_field", "id");
  CHECK_BAD(payment.id = "\xFF", "bad_utf8", "id");
  CHECK_BAD(payment.amount = "1.00000", "too_many_decimals", "amount");
  CHECK_BAD(payment.amount = "of SECRET", "bad_decimal", "amount");
  CHECK_BAD(payment.status = 0, "not_allowed", "status");
  CHECK_BAD(payment.status = 99, "not_allowed", "status");
  CHECK_BAD(created.nanos = 1; payment.created = &created, "bad_timestamp", "created");
  CHECK_BAD(created.nanos = -1000; payment.created = &created, "bad_timestamp", "created");
  CHECK_BAD(created.nanos = 1000000000; payment.created = &created, "bad_timestamp", "created");
  CHECK_BAD(created.seconds = INT64_MAX; payment.created = &created, "bad_timestamp", "created");
  CHECK_BAD(payment.settled_us = INT64_MIN, "bad_timestamp", "settled");
  CHECK_BAD(payment.booked = "yesterday", "bad_timestamp", "booked");
  CHECK_BAD(payment.day = "2023-02-29", "bad_date", "day");
  CHECK_BAD(payment.score = 1.5, "out_of_range", "score");
  CHECK_BAD(payment.score = (double)NAN, "out_of_range", "score");
  CHECK_BAD(payment.ratio = (float)INFINITY, "out_of_range", "ratio");
  CHECK_BAD(payment.u64 = UINT64_MAX, "out_of_range", "u64");
  codec_close(&codec);
}
END_TEST

/* Of the message what the schema knows, by the schema's names. */
START_TEST(payloads_show_fields_of_the_schema) {
  static const test_field few[] = {
      {"id", "string", "!k", NULL, NULL, NULL, NULL},
      {"status", "string", NULL, "PENDING", NULL, NULL, NULL},
      {"created", "timestamp", NULL, NULL, NULL, NULL, NULL},
      {"settled", "timestamp", NULL, NULL, NULL, NULL, NULL},
      {"ratio", "float64", NULL, NULL, NULL, NULL, NULL},
      {"u64", "int64", NULL, NULL, NULL, NULL, NULL},
      {"active", "bool", NULL, NULL, NULL, NULL, NULL},
      {"lines", "list<struct<sku: string, other: int64>>", NULL, NULL, NULL, NULL, NULL},
      {"no_such", "string", NULL, NULL, NULL, NULL, NULL},
  };
  test_codec codec;
  codec_open(&codec, few, sizeof few / sizeof *few, LS_FORMAT_PROTOBUF, &test__payment__descriptor);
  Test__Payment payment = small_payment();
  Test__Instant created = {PROTOBUF_C_MESSAGE_INIT(&test__instant__descriptor), -5, 7};
  Test__Line line = TEST__LINE__INIT, *lines[] = {&line};
  line.sku = "s";
  line.price = "SECRET";
  payment.created = &created;
  payment.settled_us = 12;
  payment.ratio = 0.5f;
  payment.u64 = UINT64_MAX;
  payment.amount = "SECRET";
  payment.lines = lines;
  payment.n_lines = 1;
  test_decoded *result = decode(&codec, &payment);
  check_line(result, &(test_line){"payment", NULL, "not_allowed", "status",
                                  "{\"id\":\"p1\",\"status\":\"APPROVED\",\"created\":\"-5 s, 7 ns\","
                                  "\"settled\":\"12\",\"ratio\":0.5,\"u64\":18446744073709551615,"
                                  "\"active\":false,\"lines\":[{\"sku\":\"s\",\"other\":null}]}"});
  result_free(result);
  codec_close(&codec);
}
END_TEST

START_TEST(broken_bytes_give_no_payload) {
  test_codec codec;
  open_payment(&codec);
  static const uint8_t broken[] = {0x0A, 0x7F, 'S', 'E', 'C', 'R', 'E', 'T'};
  test_decoded *result = decode_protobuf(&codec, broken, sizeof broken);
  check_line(result, &(test_line){"broken", NULL, "bad_protobuf", NULL, ""});
  result_free(result);
  /* no bytes are a message too: one whose fields all have their defaults */
  result = decode_protobuf(&codec, "", 0);
  check_line(result, &(test_line){"empty", NULL, "not_allowed", "status", NULL});
  result_free(result);
  codec_close(&codec);
}
END_TEST

/* protobuf-c keeps C strings; a NUL inside must neither cut the text nor hide what follows. */
START_TEST(nul_bytes_cut_no_text) {
  test_codec codec;
  open_payment(&codec);
  static const uint8_t bytes[] = {0x0A, 0x03, 'a', 0, 'b', 0x20, 0x01};
  test_decoded *result = decode_protobuf(&codec, bytes, sizeof bytes);
  ck_assert_uint_eq(result->n_rows, 1);
  ls_slice id = ls__column_slice(&result->batch->columns[0], 0);
  ck_assert_uint_eq(id.len, 3);
  ck_assert_mem_eq(id.ptr, "a\0b", 3);
  result_free(result);
  codec_close(&codec);
}
END_TEST

/* A few bytes that unpack to much: 100 000 empty lines take two bytes each. */
START_TEST(memory_of_a_message_is_bounded) {
  test_codec codec;
  open_payment(&codec);
  ls_buf text = LS_BUF_INIT;
  ls__buf_append(&text, "\x0A\x01p\x20\x01", 5);
  for (int i = 0; i < 100000; i++) ls__buf_append(&text, "\x9A\x01\x00", 3);
  test_decoded *result = decode_protobuf(&codec, text.ptr, text.len);
  ck_assert_uint_eq(result->n_rows + result->n_bads, 1);
  result_free(result);
  ls__buf_fini(&text);
  codec_close(&codec);
}
END_TEST

START_TEST(writes_what_it_reads) {
  /* proto3 fields without presence can't tell null from 0: their columns are not nullable */
  static const char *const absent[] = {"amount", "created", "booked", "day", "raw", "first", "left", "right"};
  test_codec codec;
  test_field written[sizeof fields / sizeof *fields];
  memcpy(written, fields, sizeof fields);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    bool nullable = i < 2;
    for (size_t k = 0; k < sizeof absent / sizeof *absent; k++) nullable |= strcmp(written[i].name, absent[k]) == 0;
    if (!nullable) written[i].flags = "!";
    if (strcmp(written[i].name, "first") == 0) written[i].type = "struct<sku: string>";
  }
  codec_open(&codec, written, sizeof fields / sizeof *fields, LS_FORMAT_PROTOBUF, &test__payment__descriptor);
  test_decoded *result = decode_full(&codec);
  ls_buf bytes = LS_BUF_INIT;
  ls_error err = LS_ERROR_INIT;
  const char *faults;
  const ls_protobuf_writer *writer = test_writer(&codec.arena, codec.schema, &test__payment__descriptor, &faults);
  ck_assert_msg(writer != NULL, "%s", faults);
  ck_assert_msg(ls__encode_protobuf(&bytes, writer, result->batch, 0, &err) == LS_OK, "%s", err.message);
  test_decoded *back = decode_protobuf(&codec, bytes.ptr, bytes.len);
  ck_assert_uint_eq(back->n_rows, 1);
  ck_assert_str_eq(result_row(back, 0), result_row(result, 0));
  result_free(back);
  /* and protobuf-c's own reader agrees */
  Test__Payment *payment = test__payment__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
  ck_assert_ptr_nonnull(payment);
  ck_assert_str_eq(payment->amount, "12.5000");
  ck_assert_int_eq(payment->status, TEST__PAYMENT_STATUS__PAYMENT_STATUS_APPROVED);
  ck_assert_int_eq(payment->created->nanos, 125000000);
  ck_assert_int_eq(payment->s64, INT64_MIN);
  ck_assert_int_eq(payment->lines[0]->counts[0], -1);
  ck_assert_int_eq(payment->choice_case, TEST__PAYMENT__CHOICE_RIGHT);
  test__payment__free_unpacked(payment, NULL);
  result_free(result);
  ls__buf_fini(&bytes);
  codec_close(&codec);
}
END_TEST

static const test_field presence[] = {
    {"id", "string", "!k", NULL, NULL, NULL, NULL},   {"memo", "string", NULL, NULL, NULL, NULL, NULL},
    {"kind", "string", NULL, NULL, NULL, NULL, NULL}, {"count", "int64", NULL, NULL, NULL, NULL, NULL},
    {"raw", "bytes", NULL, NULL, NULL, NULL, NULL},
};

static void check_presence(test_codec *codec, const Test__Presence *message, const char *row) {
  uint8_t bytes[256];
  size_t len = test__presence__pack(message, bytes);
  test_decoded *result = decode_protobuf(codec, bytes, len);
  ck_assert_uint_eq(result->n_rows, 1);
  ck_assert_str_eq(result_row(result, 0), row);
  ls_buf again = LS_BUF_INIT;
  const char *faults;
  const ls_protobuf_writer *writer = test_writer(&codec->arena, codec->schema, &test__presence__descriptor, &faults);
  ck_assert_msg(writer != NULL, "%s", faults);
  ck_assert(!ls__protobuf_may_refuse(writer));
  ck_assert_int_eq(ls__encode_protobuf(&again, writer, result->batch, 0, NULL), LS_OK);
  ck_assert_uint_eq(again.len, len);
  ck_assert_mem_eq(again.ptr, bytes, len);
  ls__buf_fini(&again);
  result_free(result);
}

START_TEST(absent_and_empty_differ_where_the_message_knows) {
  test_codec codec;
  codec_open(&codec, presence, 5, LS_FORMAT_PROTOBUF, &test__presence__descriptor);
  Test__Presence message = TEST__PRESENCE__INIT;
  message.id = "a";
  check_presence(&codec, &message, "{\"id\":\"a\",\"memo\":null,\"kind\":null,\"count\":null,\"raw\":null}");
  message.memo = "";
  message.kind = "";
  message.has_count = 1;
  message.has_raw = 1;
  check_presence(&codec, &message, "{\"id\":\"a\",\"memo\":\"\",\"kind\":\"\",\"count\":0,\"raw\":\"\"}");
  static const uint8_t no_id[] = {0x12, 0x01, 'x'};
  test_decoded *result = decode_protobuf(&codec, no_id, sizeof no_id);
  check_line(result, &(test_line){"no id", NULL, "bad_protobuf", NULL, NULL});
  result_free(result);
  codec_close(&codec);
}
END_TEST

static void check_refused(const char *name, const char *type, const char *flags, const void *descriptor,
                          const char *part) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  test_field field = {name, type, flags, NULL, NULL, NULL, NULL};
  ls_decoder_opts opts = {.format = LS_FORMAT_PROTOBUF, .protobuf_descriptor = descriptor};
  ls_decoder *decoder;
  ls_error err = LS_ERROR_INIT;
  int rc = ls__decoder_new(&decoder, test_schema(&arena, &field, 1), &opts, &err);
  ck_assert_msg(rc == LS_ECONFIG, "%s %s: %d", name, type, rc);
  ck_assert_ptr_null(decoder);
  ck_assert_msg(strstr(err.message, part) != NULL, "%s", err.message);
  ls__arena_fini(&arena);
}

START_TEST(mappings_that_lose_or_guess_are_refused) {
  const void *payment = &test__payment__descriptor;
  check_refused("score", "decimal(18,4)", NULL, payment, "Payment.score of type double");
  check_refused("i32", "decimal(18,4)", NULL, payment, "integer");
  check_refused("i32", "timestamp", NULL, payment, "_us");
  check_refused("i32", "string", NULL, payment, "i32");
  check_refused("amount", "float64", NULL, payment, "string");
  check_refused("created", "int64", NULL, payment, "message");
  check_refused("first", "timestamp", NULL, payment, "message");
  check_refused("tags", "string", NULL, payment, "repeated string");
  check_refused("id", "list<string>", NULL, payment, "list<string>");
  check_refused("lines", "list<struct<sku: int64>>", NULL, payment, "Line.sku");
  check_refused("no_such", "string", "!", payment, "no such field");
  check_refused("id", "string", NULL, &test__recursive__descriptor, "contains itself");
  check_refused("id", "string", NULL, NULL, "descriptor");
}
END_TEST

/* Any cut and any flipped byte of a good message: a row or a report, never both, never neither. */
START_TEST(damaged_messages_are_rows_or_reports) {
  test_codec codec;
  open_payment(&codec);
  Test__Payment payment = small_payment();
  payment.amount = "12.50";
  char *tags[] = {"a", "b"};
  payment.tags = tags;
  payment.n_tags = 2;
  uint8_t bytes[512];
  size_t len = test__payment__pack(&payment, bytes);
  for (size_t at = 0; at <= len; at++) {
    test_decoded *result = decode_protobuf(&codec, bytes, at);
    ck_assert_uint_eq(result->n_rows + result->n_bads, 1);
    result_free(result);
  }
  for (size_t at = 0; at < len; at++) {
    for (unsigned flip = 1; flip < 256; flip++) {
      bytes[at] ^= (uint8_t)flip;
      test_decoded *result = decode_protobuf(&codec, bytes, len);
      ck_assert_uint_eq(result->n_rows + result->n_bads, 1);
      result_free(result);
      bytes[at] ^= (uint8_t)flip;
    }
  }
  codec_close(&codec);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(reads_every_kind_of_field),
      TEST_CASE(reads_an_almost_empty_message),
      TEST_CASE(refuses_with_reason_and_field),
      TEST_CASE(payloads_show_fields_of_the_schema),
      TEST_CASE(broken_bytes_give_no_payload),
      TEST_CASE(nul_bytes_cut_no_text),
      TEST_CASE(memory_of_a_message_is_bounded),
      TEST_CASE(writes_what_it_reads),
      TEST_CASE(absent_and_empty_differ_where_the_message_knows),
      TEST_CASE(mappings_that_lose_or_guess_are_refused),
      TEST_CASE(damaged_messages_are_rows_or_reports),
  };
  return RUN_TESTS("protobuf", cases);
}
