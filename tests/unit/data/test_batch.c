/** @file test_batch.c  Batches: meta columns, gathering, JSON text and masking, stamps. */
#include "data/batch.h"

#include <math.h>
#include <string.h>

#include "helper_data.h"

static void expect_json(const ls_batch *batch, int64_t row, bool mask, const char *want) {
  ls_buf out = LS_BUF_INIT;
  if (mask)
    ls__batch_format_masked(&out, batch, row, NULL);
  else
    ls__batch_format_json(&out, batch, row);
  ck_assert_str_eq(out.ptr, want);
  ls__buf_fini(&out);
}

START_TEST(rows_carry_times_and_stamps) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  static const char *const types[] = {"int64", "list<string>"};
  ls_schema *schema = schema_of(&arena, types, 2);
  ls_batch *src = ls__batch_new(schema, &arena, 0), *batch = ls__batch_new(schema, &arena, 3);
  for (int i = 0; i < 100; i++) {
    ls__column_append_i64(&src->columns[0], i);
    ls__column_append_list_end(&src->columns[1]);
    ls__batch_append_meta(src, i * 10, (ls_stamp){i, (uint64_t)i * 3});
  }
  int32_t rows[] = {99, 0, 50, -1, 50};
  for (int round = 0; round < 10; round++) ls__batch_gather(batch, src, rows, 5);
  ck_assert_int_eq(batch->n_rows, 50);
  for (int i = 0; i < 50; i++) {
    int32_t r = rows[i % 5];
    ck_assert_int_eq(ls__is_null(&batch->columns[0], i), r < 0);
    ck_assert_int_eq(ls__column_i64(&batch->columns[0])[i], r < 0 ? 0 : r);
    ck_assert_int_eq(batch->ts_us[i], r < 0 ? 0 : r * 10);
    ck_assert_uint_eq(batch->stamps[i].seq, r < 0 ? 0 : (uint64_t)r * 3);
  }
  ck_assert_uint_ge(ls__batch_bytes(batch), 50 * (8 + 8 + 16 + 4));
  ls__batch_clear(batch);
  ck_assert_int_eq(batch->n_rows, 0);
  ls__batch_gather(batch, src, rows, 1);
  ck_assert_int_eq(ls__column_i64(&batch->columns[0])[0], 99);
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(json_is_a_golden_line) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  static const char *const types[] = {
      "bool",  "int64",     "float64", "decimal(18,4)", "string",
      "bytes", "timestamp", "date",    "list<string>",  "struct<a: int64, b: list<date>>"};
  ls_schema *schema = schema_of(&arena, types, 10);
  ls_batch *batch = ls__batch_new(schema, &arena, 0);
  ls_column *c = batch->columns;
  ls__column_append_bool(&c[0], true);
  ls__column_append_i64(&c[1], INT64_MIN);
  ls__column_append_f64(&c[2], 0.1);
  ls__column_append_decimal(&c[3], 125000);
  ls__column_append_slice(&c[4], ls__slice_of("a\"b"));
  ls__column_append_slice(&c[5], (ls_slice){"\0\xFF"
                                            "ab",
                                            4});
  ls__column_append_i64(&c[6], INT64_C(1709251199500000));
  ls__column_append_i32(&c[7], 11016);
  ls__column_append_slice(&c[8].children[0], ls__slice_of("x"));
  ls__column_append_null(&c[8].children[0]);
  ls__column_append_list_end(&c[8]);
  ls__column_append_i64(&c[9].children[0], 7);
  ls__column_append_list_end(&c[9].children[1]);
  ls__column_append_struct_end(&c[9]);
  ls__batch_append_meta(batch, 0, (ls_stamp){0, 0});
  expect_json(batch, 0, false,
              "{\"f0\":true,\"f1\":-9223372036854775808,\"f2\":0.1,\"f3\":\"12.5000\",\"f4\":\"a\\\"b\","
              "\"f5\":\"AP9hYg==\",\"f6\":\"2024-02-29T23:59:59.500Z\",\"f7\":\"2000-02-29\","
              "\"f8\":[\"x\",null],\"f9\":{\"a\":7,\"b\":[]}}");
  for (int i = 0; i < 10; i++) ls__column_append_null(&c[i]);
  ls__batch_append_meta(batch, 0, (ls_stamp){0, 0});
  expect_json(batch, 1, true,
              "{\"f0\":null,\"f1\":null,\"f2\":null,\"f3\":null,\"f4\":null,\"f5\":null,\"f6\":null,"
              "\"f7\":null,\"f8\":null,\"f9\":null}");
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(sensitive_fields_are_masked) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  static const char *const types[] = {"string", "string"};
  ls_schema *schema = schema_of(&arena, types, 2);
  schema->fields[1].sensitive = true;
  ls_batch *batch = ls__batch_new(schema, &arena, 0);
  ls__column_append_slice(&batch->columns[0], ls__slice_of("open"));
  ls__column_append_slice(&batch->columns[1], ls__slice_of("4111"));
  ls__batch_append_meta(batch, 0, (ls_stamp){0, 0});
  expect_json(batch, 0, true, "{\"f0\":\"open\",\"f1\":\"***\"}");
  expect_json(batch, 0, false, "{\"f0\":\"open\",\"f1\":\"4111\"}");
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(doubles_are_written_short_and_exact) {
  static const struct {
    double value;
    const char *text;
  } want[] = {{0.0, "0.0"},
              {-0.0, "-0.0"},
              {1.0, "1.0"},
              {0.1, "0.1"},
              {1e21, "1e+21"},
              {1e15, "1e+15"},
              {123456.0, "123456.0"},
              {1.0 / 3, "0.3333333333333333"},
              {0.1 + 0.2, "0.30000000000000004"},
              {5e-324, "4.94065645841247e-324"}};
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls_column column;
  ls__column_init(&column, &ls__type_float64, &arena, 0);
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    ls_buf out = LS_BUF_INIT;
    ls__column_append_f64(&column, want[i].value);
    ls__column_format_json(&out, &column, (int64_t)i);
    ck_assert_str_eq(out.ptr, want[i].text);
    ck_assert(strtod(out.ptr, NULL) == want[i].value);
    ls__buf_fini(&out);
  }
  ls_buf out = LS_BUF_INIT;
  ls__column_clear(&column);
  ls__column_append_f64(&column, (double)NAN);
  ls__column_append_f64(&column, -(double)INFINITY);
  ls__column_format_json(&out, &column, 0);
  ls__column_format_json(&out, &column, 1);
  ck_assert_str_eq(out.ptr, "\"NaN\"\"-Infinity\"");
  ls__buf_fini(&out);
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(stamps_order_timers_before_records) {
  uint64_t seq = LS_SEQ_MAKE(63, 0xFFFFF, (UINT64_C(1) << 37) - 1);
  ck_assert_uint_eq(seq, UINT64_MAX);
  ck_assert_uint_eq(LS_SEQ_SOURCE(seq), 63);
  ck_assert_uint_eq(LS_SEQ_FILE(seq), 0xFFFFF);
  ck_assert_uint_eq(LS_SEQ_ROW(seq), (UINT64_C(1) << 37) - 1);
  const ls_stamp sorted[] = {{-5, 9},
                             {0, 0},
                             {0, 5},
                             {0, LS_SEQ_MAKE(0, 0, 0)},
                             {0, LS_SEQ_MAKE(0, 0, 1)},
                             {0, LS_SEQ_MAKE(0, 1, 0)},
                             {0, LS_SEQ_MAKE(1, 0, 0)},
                             {1, 0}};
  for (int i = 0; i < 8; i++)
    for (int k = 0; k < 8; k++) ck_assert_int_eq(ls__stamp_cmp(sorted[i], sorted[k]), (i > k) - (i < k));
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(rows_carry_times_and_stamps), TEST_CASE(json_is_a_golden_line),
                             TEST_CASE(sensitive_fields_are_masked), TEST_CASE(doubles_are_written_short_and_exact),
                             TEST_CASE(stamps_order_timers_before_records)};
  return RUN_TESTS("data.batch", cases);
}
