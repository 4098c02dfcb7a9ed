/** @file test_protobuf_writer.c  Rows -> protobuf messages: what is refused when the writer is made, what is refused row by row, and
 * that the rest is read back equal. */
#include <math.h>
#include <string.h>

#include "data/datetime.h"
#include "helper_codec.h"
#include "helper_order.pb-c.h"
#include "helper_payment.pb-c.h"
#include "helper_timestamp.pb-c.h"

#define N(array)      (sizeof(array) / sizeof(*(array)))
#define RANDOM_ROUNDS 200
#define RANDOM_ROWS   50

/* -- columns ------------------------------------------------------------------------------------ */

static void check_faults(const char *name, const char *type, const char *flags, const void *descriptor,
                         const char *wanted) {
  ls_arena arena;
  const char *faults;
  ls__arena_init(&arena, 0);
  test_field field = {name, type, flags, NULL, NULL, NULL, NULL};
  test_writer(&arena, test_schema(&arena, &field, 1), descriptor, &faults);
  ck_assert_str_eq(faults, wanted);
  ls__arena_fini(&arena);
}

START_TEST(columns_that_do_not_fit_are_told) {
  const void *payment = &test__payment__descriptor, *item = &test__order__item__descriptor;
  check_faults("id", "string", "", payment, "");
  check_faults("fee", "string", "", &test__line__descriptor,
               "column fee: message test.Line has no such field; it has sku, price, counts\n");
  check_faults("fee", "string", "", payment,
               "column fee: message test.Payment has no such field; it has id, user_id, amount, status, created, "
               "settled_us, booked, day, active, score, ratio, i32, ...\n");
  check_faults(
      "score", "decimal(18,4)", "!", payment,
      "column score: decimal(18,4) can't be written as field score of message test.Payment (double); it wants a "
      "string\n");
  check_faults(
      "i32", "timestamp", "!", payment,
      "column i32: timestamp can't be written as field i32 of message test.Payment (integer); it wants a string, "
      "a message of int64 seconds and int32 nanos, or an integer whose name ends in _us (microseconds)\n");
  check_faults(
      "tags", "string", "!", payment,
      "column tags: string can't be written as field tags of message test.Payment (repeated string); it wants a "
      "string or an enum\n");
  check_faults("id", "list<string>", "!", payment,
               "column id: list<string> can't be written as field id of message test.Payment (string); it wants a "
               "repeated field, its elements being no lists\n");
  check_faults("lines", "list<struct<sku: int64, no: bool>>", "!", payment,
               "column lines.sku: int64 can't be written as field sku of message test.Line (string); it wants an "
               "integer\ncolumn lines.no: message test.Line has no such field; it has sku, price, counts\n");
  check_faults("n", "int64", "", item,
               "message test.Order.Item requires its field sku, but no column is written to it\n");
  check_faults("sku", "string", "", item,
               "column sku is nullable, but message test.Order.Item requires its field sku; use COALESCE\n");
  check_faults("id", "string", "", &test__recursive__descriptor,
               "message test.Recursive contains itself, or is nested too deep\n");
}
END_TEST

START_TEST(nulls_that_can_not_be_told_are_refused) {
  const void *payment = &test__payment__descriptor;
  check_faults(
      "i32", "int64", "", payment,
      "column i32 is nullable, but field i32 of message test.Payment can't be null: it would be read as 0, false "
      "or the first value; make it optional, or put it in a oneof, or use COALESCE\n");
  check_faults(
      "status", "string", "", payment,
      "column status is nullable, but field status of message test.Payment can't be null: it would be read as 0, "
      "false or the first value; make it optional, or put it in a oneof, or use COALESCE\n");
  check_faults("tags", "list<string>", "", payment,
               "column tags is nullable, but field tags of message test.Payment can't be null: it would be read as an "
               "empty list; use COALESCE\n");
  check_faults("i32", "int64", "!", payment, "");
  check_faults("right", "int64", "", payment, "");          /* in a oneof */
  check_faults("created", "timestamp", "", payment, "");    /* a message */
  check_faults("amount", "decimal(18,4)", "", payment, ""); /* no decimal is an empty text */
  check_faults("done", "bool", "", &test__order__descriptor,
               "message test.Order requires its field id, but no column is written to it\n");
}
END_TEST

START_TEST(two_columns_of_one_field_are_refused) {
  static const test_field both[] = {{"id", "string", "!", NULL, NULL, NULL, NULL},
                                    {"due", "timestamp", NULL, NULL, NULL, NULL, NULL},
                                    {"due_us", "int64", NULL, NULL, NULL, NULL, NULL}};
  ls_arena arena;
  const char *faults;
  ls__arena_init(&arena, 0);
  test_writer(&arena, test_schema(&arena, both, 3), &test__order__descriptor, &faults);
  ck_assert_str_eq(faults, "column due_us: another column is written to field due_us of message test.Order as well\n");
  ls__arena_fini(&arena);
}
END_TEST

/* -- rows --------------------------------------------------------------------------------------- */

/* One value as JSON, written to a message: what is said of it, NULL when it is taken. */
static void check_value(const test_field *field, const void *descriptor, const char *json, const char *said) {
  test_codec codec;
  codec_open(&codec, field, 1, LS_FORMAT_JSON, NULL);
  const char *faults;
  const ls_protobuf_writer *writer = test_writer(&codec.arena, codec.schema, descriptor, &faults);
  ck_assert_msg(writer != NULL, "%s", faults);
  test_decoded *row = decode_record(&codec, json, strlen(json));
  ck_assert_msg(row->n_rows == 1, "%s: %s", json, row->n_bads > 0 ? row->bads[0].error : "");
  ls_buf bytes = LS_BUF_INIT;
  ls_error err = LS_ERROR_INIT;
  ls__buf_puts(&bytes, "before");
  int rc = ls__encode_protobuf(&bytes, writer, row->batch, 0, &err);
  ck_assert_int_eq(rc, said != NULL ? LS_EDATA : LS_OK);
  if (said != NULL) {
    ck_assert(ls__protobuf_may_refuse(writer));
    ck_assert_str_eq(err.message, said);
    ck_assert_uint_eq(bytes.len, 6);
  }
  ls__buf_fini(&bytes);
  result_free(row);
  codec_close(&codec);
}
#define FIELD(name, type, flags)                                                                                       \
  &(const test_field) {                                                                                                \
    name, type, flags, NULL, NULL, NULL, NULL                                                                          \
  }

START_TEST(values_that_do_not_fit_are_told) {
  const void *payment = &test__payment__descriptor;
  check_value(FIELD("i32", "int64", "!"), payment, "{\"i32\":2147483647}", NULL);
  check_value(FIELD("i32", "int64", "!"), payment, "{\"i32\":2147483648}",
              "column i32: the value does not fit field i32 of message test.Payment");
  check_value(FIELD("u32", "int64", "!"), payment, "{\"u32\":4294967295}", NULL);
  check_value(FIELD("u32", "int64", "!"), payment, "{\"u32\":-1}",
              "column u32: the value does not fit field u32 of message test.Payment");
  check_value(FIELD("u64", "int64", "!"), payment, "{\"u64\":-1}",
              "column u64: the value does not fit field u64 of message test.Payment");
  check_value(FIELD("ratio", "float64", "!"), payment, "{\"ratio\":0.5}", NULL);
  check_value(FIELD("ratio", "float64", "!"), payment, "{\"ratio\":0.1}",
              "column ratio: the value has more digits than a float, the type of field ratio of message test.Payment");
  check_value(FIELD("status", "string", "!"), payment, "{\"status\":\"APPROVED\"}", NULL);
  check_value(FIELD("status", "string", "!"), payment, "{\"status\":\"LOST\"}",
              "column status: the text is no value of the enum of field status of message test.Payment");
  check_value(FIELD("status", "string", "!"), payment, "{\"status\":\"PAYMENT_STATUS_APPROVED\"}",
              "column status: the text is no value of the enum of field status of message test.Payment");
}
END_TEST

START_TEST(empty_and_null_are_kept_apart) {
  const void *payment = &test__payment__descriptor;
  check_value(FIELD("id", "string", NULL), payment, "{\"id\":null}", NULL);
  check_value(FIELD("id", "string", "!"), payment, "{\"id\":\"\"}", NULL);
  check_value(FIELD("id", "string", NULL), payment, "{\"id\":\"\"}",
              "column id: it is empty, which would be read as null from field id of message test.Payment");
  check_value(FIELD("raw", "bytes", NULL), payment, "{\"raw\":\"\"}",
              "column raw: it is empty, which would be read as null from field raw of message test.Payment");
  check_value(FIELD("left", "string", NULL), payment, "{\"left\":\"\"}", NULL);
  check_value(FIELD("tags", "list<string>", "!"), payment, "{\"tags\":[\"\"]}", NULL);
  check_value(FIELD("tags", "list<string>", "!"), payment, "{\"tags\":[null]}",
              "column tags: a list with a null in it can't be written to field tags of message test.Payment");
  check_value(FIELD("first", "struct<counts: list<int64>>", NULL), payment, "{\"first\":{\"counts\":null}}",
              "column first.counts: null, which can't be told by field counts of message test.Line");
  check_value(FIELD("lines", "list<struct<sku: string>>", "!"), payment, "{\"lines\":[{\"sku\":null},{\"sku\":\"\"}]}",
              "column lines.sku: it is empty, which would be read as null from field sku of message test.Line");
}
END_TEST

START_TEST(a_oneof_has_one_value) {
  static const test_field both[] = {{"left", "string", NULL, NULL, NULL, NULL, NULL},
                                    {"right", "int64", NULL, NULL, NULL, NULL, NULL}};
  test_codec codec;
  codec_open(&codec, both, 2, LS_FORMAT_JSON, NULL);
  const char *faults, *json = "{\"left\":\"a\",\"right\":1}";
  const ls_protobuf_writer *writer = test_writer(&codec.arena, codec.schema, &test__payment__descriptor, &faults);
  ck_assert_msg(writer != NULL, "%s", faults);
  test_decoded *row = decode_record(&codec, json, strlen(json));
  ls_buf bytes = LS_BUF_INIT;
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls__encode_protobuf(&bytes, writer, row->batch, 0, &err), LS_EDATA);
  ck_assert_str_eq(err.message, "column left: another column has a value for the same oneof, of field left of message "
                                "test.Payment");
  ls__buf_fini(&bytes);
  result_free(row);
  codec_close(&codec);
}
END_TEST

/* -- random rows -------------------------------------------------------------------------------- */

static const test_field payment[] = {
    {"id", "string", "!", NULL, NULL, NULL, NULL},
    {"user_id", "string", NULL, NULL, NULL, NULL, NULL},
    {"amount", "decimal(18,4)", NULL, NULL, NULL, NULL, NULL},
    {"status", "string", "!", NULL, NULL, NULL, NULL},
    {"created", "timestamp", NULL, NULL, NULL, NULL, NULL},
    {"settled", "timestamp", "!", NULL, NULL, NULL, NULL},
    {"booked", "timestamp", NULL, NULL, NULL, NULL, NULL},
    {"day", "date", NULL, NULL, NULL, NULL, NULL},
    {"active", "bool", "!", NULL, NULL, NULL, NULL},
    {"score", "float64", "!", NULL, NULL, NULL, NULL},
    {"ratio", "float64", "!", NULL, NULL, NULL, NULL},
    {"i32", "int64", "!", NULL, NULL, NULL, NULL},
    {"u64", "int64", "!", NULL, NULL, NULL, NULL},
    {"s64", "int64", "!", NULL, NULL, NULL, NULL},
    {"f32", "int64", "!", NULL, NULL, NULL, NULL},
    {"sf64", "int64", "!", NULL, NULL, NULL, NULL},
    {"raw", "bytes", NULL, NULL, NULL, NULL, NULL},
    {"tags", "list<string>", "!", NULL, NULL, NULL, NULL},
    {"lines", "list<struct<sku: string, price: decimal(6,2), counts: list<int64>>>", "!", NULL, NULL, NULL, NULL},
    {"first", "struct<sku: string, price: decimal(6,2)>", NULL, NULL, NULL, NULL, NULL},
    {"left", "string", NULL, NULL, NULL, NULL, NULL},
    {"right", "int64", NULL, NULL, NULL, NULL, NULL},
    {"packed", "list<int64>", "!", NULL, NULL, NULL, NULL},
};
static const test_field order[] = {
    {"id", "string", "!", NULL, NULL, NULL, NULL},
    {"memo", "string", NULL, NULL, NULL, NULL, NULL},
    {"state", "string", NULL, NULL, NULL, NULL, NULL},
    {"items", "list<struct<sku: string, n: int64, raw: bytes, parts: list<struct<weight: float64>>>>", "!", NULL, NULL,
     NULL, NULL},
    {"at", "timestamp", NULL, NULL, NULL, NULL, NULL},
    {"due", "timestamp", NULL, NULL, NULL, NULL, NULL},
    {"amount", "decimal(38,9)", NULL, NULL, NULL, NULL, NULL},
    {"counts", "list<int64>", "!", NULL, NULL, NULL, NULL},
    {"card", "string", NULL, NULL, NULL, NULL, NULL},
    {"cash", "int64", NULL, NULL, NULL, NULL, NULL},
    {"done", "bool", NULL, NULL, NULL, NULL, NULL},
    {"part", "struct<weight: float64>", NULL, NULL, NULL, NULL, NULL},
    {"big", "int64", NULL, NULL, NULL, NULL, NULL},
    {"shop", "struct<name: string>", NULL, NULL, NULL, NULL, NULL},
    {"share", "float64", NULL, NULL, NULL, NULL, NULL},
    {"small", "int64", NULL, NULL, NULL, NULL, NULL},
};

static void put_text(ls_column *column, test_rng *rng) {
  static const char *const texts[] = {"",     "NEW",      "PAID", "LATE",  "APPROVED", "PENDING", "UNSPECIFIED",
                                      "none", "\xC3\xA9", "a",    "none\n"};
  ls__column_append_slice(column, ls__slice_of(texts[rng_below(rng, N(texts))]));
}

static int64_t some_integer(test_rng *rng) {
  static const int64_t special[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN, UINT32_MAX};
  return rng_next(rng) & 1 ? special[rng_below(rng, N(special))] : (int64_t)rng_below(rng, 1000);
}

static void put_random(ls_column *column, test_rng *rng, bool nullable);

static void put_nested(ls_column *column, test_rng *rng) {
  const ls_type *type = column->type;
  if (type->kind == LS_LIST) {
    for (uint64_t n = rng_below(rng, 4); n > 0; n--) put_random(&column->children[0], rng, rng_below(rng, 20) == 0);
    ls__column_append_list_end(column);
    return;
  }
  for (uint32_t i = 0; i < type->n_fields; i++) {
    put_random(&column->children[i], rng, type->fields[i].type->kind != LS_LIST);
  }
  ls__column_append_struct_end(column);
}

/* A value of the column's type: small ones often, as others would hardly ever fit a message. */
static void put_random(ls_column *column, test_rng *rng, bool nullable) {
  static const double floats[] = {0.0, -0.0, 1.5, 0.1, 1e300, 5e-324, -2.25, (double)INFINITY};
  if (nullable && rng_below(rng, 4) == 0) {
    ls__column_append_null(column);
    return;
  }
  switch (column->type->kind) {
  case LS_BOOL:
    ls__column_append_bool(column, rng_next(rng) & 1);
    break;
  case LS_INT64:
    ls__column_append_i64(column, some_integer(rng));
    break;
  case LS_TIMESTAMP:
    ls__column_append_i64(column, rng_below(rng, 4) == 0 ? LS_TIMESTAMP_US_MIN
                                                         : LS_TIMESTAMP_US_MAX - (int64_t)(rng_next(rng) >> 7));
    break;
  case LS_DATE:
    ls__column_append_i32(column, LS_DATE_DAYS_MIN + (int32_t)rng_below(rng, 3652059));
    break;
  case LS_DECIMAL:
    ls__column_append_decimal(column, (ls_int128)(int64_t)rng_below(rng, 1999999) - 999999);
    break;
  case LS_FLOAT64:
    ls__column_append_f64(column, floats[rng_below(rng, N(floats))]);
    break;
  case LS_STRING:
  case LS_BYTES:
    put_text(column, rng);
    break;
  default:
    put_nested(column, rng);
  }
}

/* Whatever the rows are: each is refused, or read back equal by a decoder of the same schema. */
static void check_random(const test_field *fields, uint32_t n, const void *descriptor, test_rng *rng, int counts[2]) {
  test_codec codec;
  const char *faults;
  codec_open(&codec, fields, n, LS_FORMAT_PROTOBUF, descriptor);
  const ls_protobuf_writer *writer = test_writer(&codec.arena, codec.schema, descriptor, &faults);
  ck_assert_msg(writer != NULL, "%s", faults);
  ls_batch *batch = ls__batch_new(codec.schema, &codec.arena, RANDOM_ROWS);
  for (int row = 0; row < RANDOM_ROWS; row++) {
    for (uint32_t i = 0; i < n; i++) put_random(&batch->columns[i], rng, codec.schema->fields[i].nullable);
    ls__batch_append_meta(batch, 0, (ls_stamp){0, 0});
  }
  ls_buf bytes = LS_BUF_INIT;
  for (int64_t row = 0; row < RANDOM_ROWS; row++) {
    ls_error err = LS_ERROR_INIT;
    ls__buf_clear(&bytes);
    int rc = ls__encode_protobuf(&bytes, writer, batch, row, &err);
    ck_assert(rc == LS_OK || (rc == LS_EDATA && strncmp(err.message, "column ", 7) == 0));
    counts[rc == LS_OK]++;
    if (rc != LS_OK) continue;
    test_decoded *back = decode_protobuf(&codec, bytes.ptr, bytes.len);
    ck_assert_msg(back->n_rows == 1, "%s", back->n_bads > 0 ? back->bads[0].error : "");
    for (uint32_t i = 0; i < n; i++)
      ck_assert_msg(ls__column_value_eq(&batch->columns[i], row, &back->batch->columns[i], 0), "%s", fields[i].name);
    result_free(back);
  }
  ls__buf_fini(&bytes);
  codec_close(&codec);
}

START_TEST(random_rows_are_refused_or_read_back_equal) {
  test_rng rng = rng_new();
  int payments[2] = {0}, orders[2] = {0};
  for (int i = 0; i < RANDOM_ROUNDS; i++) {
    check_random(payment, N(payment), &test__payment__descriptor, &rng, payments);
    check_random(order, N(order), &test__order__descriptor, &rng, orders);
  }
  ck_assert_int_gt(payments[0], 0);
  ck_assert_int_gt(payments[1], 100);
  ck_assert_int_gt(orders[0], 0);
  ck_assert_int_gt(orders[1], 100);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(columns_that_do_not_fit_are_told),
      TEST_CASE(nulls_that_can_not_be_told_are_refused),
      TEST_CASE(two_columns_of_one_field_are_refused),
      TEST_CASE(values_that_do_not_fit_are_told),
      TEST_CASE(empty_and_null_are_kept_apart),
      TEST_CASE(a_oneof_has_one_value),
      TEST_CASE(random_rows_are_refused_or_read_back_equal),
  };
  return RUN_TESTS("protobuf_writer", cases);
}
