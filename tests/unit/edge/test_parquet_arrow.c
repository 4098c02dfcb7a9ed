/**
 * @file test_parquet_arrow.c  Parquet: round trips of all types, bytes that depend on rows
 * only, errors with names.
 */
#include "helper_lake.h"

static void round_trip(const char *types, int64_t n_rows, int64_t cut, uint64_t seed) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  test_lake_open(&t);
  ls_schema *schema = test_schema(&t.arena, types);
  ls_batch *rows = test_rows(&t.arena, schema, n_rows, seed);
  test_write_parquet(&t, "out/part.parquet", rows, cut);
  ls_batch *back = ls__batch_new(schema, &t.arena, 0);
  ck_ok(test_read_parquet(back, &t, "out/part.parquet", schema, NULL, &err));
  ck_assert_int_eq(back->n_rows, n_rows);
  for (uint32_t i = 0; i < schema->n_fields; i++) ck_assert_int_eq(back->columns[i].n_rows, n_rows);
  test_same_rows(rows, 0, back, 0, n_rows);
  test_lake_close(&t);
}

START_TEST(all_types_come_back) {
  round_trip(test_all_types, 5000, 5000, 1);
}
END_TEST
START_TEST(several_row_groups_come_back) {
  /* under sanitizers one column of each kind: rows can't be fewer, or there is one group */
  const char *few = "id: string not null, amount: decimal(18,4), flag: bool, parts: list<string>, pair: struct<left: "
                    "int64, right: string>";
  round_trip(LS_TEST_SHARE > 1 ? few : test_all_types, 140000, 30016, 2);
}
END_TEST
START_TEST(one_row_comes_back) {
  round_trip(test_all_types, 1, 1, 3);
}
END_TEST
START_TEST(no_rows_come_back) {
  round_trip(test_all_types, 0, 1, 4);
}
END_TEST

START_TEST(values_under_nulls_are_zero) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  test_lake_open(&t);
  ls_schema *schema = test_schema(&t.arena, "id: string not null, n: int64, s: string, l: list<string>");
  test_write_parquet(&t, "p.parquet", test_rows(&t.arena, schema, 1000, 5), 1000);
  ls_batch *back = ls__batch_new(schema, &t.arena, 0);
  ck_ok(test_read_parquet(back, &t, "p.parquet", schema, NULL, &err));
  for (int64_t row = 0; row < 1000; row++) {
    const ls_column *c = back->columns;
    if (ls__is_null(&c[1], row)) ck_assert_int_eq(ls__column_i64(&c[1])[row], 0);
    if (ls__is_null(&c[2], row)) ck_assert_uint_eq(ls__column_slice(&c[2], row).len, 0);
    if (ls__is_null(&c[3], row)) ck_assert_int_eq(c[3].offsets[row], c[3].offsets[row + 1]);
  }
  test_lake_close(&t);
}
END_TEST

START_TEST(bytes_do_not_depend_on_batch_cuts) {
  static const int64_t cuts[] = {1, 7, 1024, 20032, 40000};
  test_lake t;
  test_lake_open(&t);
  ls_schema *schema = test_schema(&t.arena, test_all_types);
  ls_batch *rows = test_rows(&t.arena, schema, 40000, 6);
  ls_buf first = LS_BUF_INIT;
  for (size_t i = 0; i < 5; i++) {
    test_write_parquet(&t, "p.parquet", rows, cuts[i]);
    ls_buf bytes = test_get(&t, "p.parquet", 1 << 20);
    ck_assert_uint_gt(bytes.len, 100000);
    if (i == 0) {
      first = bytes;
      continue;
    }
    ck_assert_msg(ls__slice_eq(ls__buf_slice(&first), ls__buf_slice(&bytes)), "cut %d differs", (int)cuts[i]);
    ls__buf_fini(&bytes);
  }
  ls__buf_fini(&first);
  test_lake_close(&t);
}
END_TEST

START_TEST(views_are_written_like_copies) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  test_lake_open(&t);
  ls_schema *schema = test_schema(&t.arena, test_all_types);
  ls_batch *rows = test_rows(&t.arena, schema, 50000, 7);
  test_write_parquet(&t, "p.parquet", test_view(&t.arena, rows, 6400, 33000), 33000); /* direct and pending rows */
  ls_batch *back = ls__batch_new(schema, &t.arena, 0);
  ck_ok(test_read_parquet(back, &t, "p.parquet", schema, NULL, &err));
  test_same_rows(rows, 6400, back, 0, 33000);
  test_lake_close(&t);
}
END_TEST

START_TEST(columns_are_found_by_name) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  test_lake_open(&t);
  ls_schema *wide = test_schema(&t.arena, test_all_types);
  ls_batch *rows = test_rows(&t.arena, wide, 2000, 8);
  test_write_parquet(&t, "p.parquet", rows, 2000);
  ls_schema *narrow = test_schema(&t.arena, "pair: struct<right: string>, total: decimal(38,10), id: string not null");
  ls_batch *back = ls__batch_new(narrow, &t.arena, 0);
  ck_ok(test_read_parquet(back, &t, "p.parquet", narrow, NULL, &err));
  int32_t total = ls__schema_find(wide, ls__slice_of("total")), pair = ls__schema_find(wide, ls__slice_of("pair"));
  for (int64_t row = 0; row < 2000; row++) {
    ck_assert(ls__column_value_eq(&back->columns[2], row, &rows->columns[0], row));
    ck_assert(ls__column_value_eq(&back->columns[1], row, &rows->columns[total], row));
    ck_assert(ls__column_value_eq(&back->columns[0].children[0], row, &rows->columns[pair].children[1], row));
  }
  test_lake_close(&t);
}
END_TEST

START_TEST(unwanted_columns_are_null) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  test_lake_open(&t);
  ls_schema *schema = test_schema(&t.arena, test_all_types);
  ls_batch *rows = test_rows(&t.arena, schema, 1000, 9);
  test_write_parquet(&t, "p.parquet", rows, 1000);
  const uint64_t only_amount = 1u << 4, nothing = 0;
  ls_batch *back = ls__batch_new(schema, &t.arena, 0);
  ck_ok(test_read_parquet(back, &t, "p.parquet", schema, &only_amount, &err));
  ck_ok(test_read_parquet(back, &t, "p.parquet", schema, &nothing, &err));
  ck_assert_int_eq(back->n_rows, 2000);
  for (int64_t row = 0; row < 2000; row++) {
    ck_assert(ls__is_null(&back->columns[0], row));
    if (row < 1000) ck_assert(ls__column_value_eq(&back->columns[4], row, &rows->columns[4], row));
    if (row >= 1000) ck_assert(ls__is_null(&back->columns[4], row));
  }
  test_lake_close(&t);
}
END_TEST

static void fails_to_read(test_lake *t, const char *schema_text, int code, const char *text) {
  ls_error err = LS_ERROR_INIT;
  ls_schema *schema = test_schema(&t->arena, schema_text);
  ls_batch *back = ls__batch_new(schema, &t->arena, 0);
  ck_fails(test_read_parquet(back, t, "p.parquet", schema, NULL, &err), code, text);
  ck_assert_msg(strstr(err.message, "p.parquet"), "the file is not named: %s", err.message);
}

START_TEST(wrong_columns_are_named) {
  test_lake t;
  test_lake_open(&t);
  ls_schema *schema = test_schema(&t.arena, "id: string not null, amount: decimal(18,4), n: int64");
  test_write_parquet(&t, "p.parquet", test_rows(&t.arena, schema, 100, 10), 100);
  fails_to_read(&t, "id: string, fee: decimal(18,4)", LS_EDATA, "column 'fee': is missing");
  fails_to_read(&t, "id: string, amount: string", LS_EDATA, "column 'amount'");
  fails_to_read(&t, "n: timestamp", LS_EDATA, "column 'n'");
  test_lake_close(&t);
}
END_TEST

START_TEST(decimals_widen_exactly) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  test_lake_open(&t);
  ls_schema *schema = test_schema(&t.arena, "amount: decimal(18,4)");
  ls_batch *rows = test_rows(&t.arena, schema, 500, 11);
  test_write_parquet(&t, "p.parquet", rows, 500);
  ls_schema *wide = test_schema(&t.arena, "amount: decimal(38,6)");
  ls_batch *back = ls__batch_new(wide, &t.arena, 0);
  ck_ok(test_read_parquet(back, &t, "p.parquet", wide, NULL, &err));
  for (int64_t row = 0; row < 500; row++) {
    ck_assert_int_eq(ls__is_null(&rows->columns[0], row), ls__is_null(&back->columns[0], row));
    if (ls__is_null(&rows->columns[0], row)) continue;
    ck_assert(ls__i128_get(ls__column_i128(&rows->columns[0])[row]) * 100 ==
              ls__i128_get(ls__column_i128(&back->columns[0])[row]));
  }
  test_lake_close(&t);
}
END_TEST

START_TEST(null_in_a_required_column_is_refused) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  test_lake_open(&t);
  ls_schema *schema = test_schema(&t.arena, "id: string not null, n: int64");
  ls_lake_stage *stage = NULL;
  ls_parquet_writer *writer = NULL;
  ck_ok(ls__lake_stage_new(&stage, t.lake, "r", t.work, &err));
  ck_ok(ls__parquet_writer_open(&writer, stage, "p.parquet", schema, &err));
  ls_batch *batch = ls__batch_new(schema, &t.arena, 0);
  ls__column_append_null(&batch->columns[0]);
  ls__column_append_null(&batch->columns[1]);
  batch->n_rows = 1;
  ck_ok(ls__parquet_write(writer, batch, &err));
  ck_fails(ls__parquet_writer_finish(writer, &err), LS_EINVAL, "column 'id' is declared not null");
  ck_fails(ls__lake_stage_publish(stage, "p.parquet", &err), LS_EINVAL, "not staged");
  ls__lake_stage_free(stage);
  test_lake_close(&t);
}
END_TEST

START_TEST(broken_files_are_data_errors) {
  test_lake t;
  test_lake_open(&t);
  ls_schema *schema = test_schema(&t.arena, "id: string not null");
  test_write_parquet(&t, "p.parquet", test_rows(&t.arena, schema, 3000, 12), 3000);
  ls_buf good = test_get(&t, "p.parquet", 1 << 20);
  test_put(&t, "p.parquet", "id\n1\n", 5);
  fails_to_read(&t, "id: string", LS_EDATA, "");
  test_put(&t, "p.parquet", "", 0);
  fails_to_read(&t, "id: string", LS_EDATA, "");
  test_put(&t, "p.parquet", good.ptr, good.len / 2);
  fails_to_read(&t, "id: string", LS_EDATA, "");
  for (size_t i = 100; i < good.len / 2; i += 50) good.ptr[i] ^= 0x55;
  test_put(&t, "p.parquet", good.ptr, good.len);
  fails_to_read(&t, "id: string", LS_EDATA, "");
  ls__buf_fini(&good);
  test_lake_close(&t);
}
END_TEST

START_TEST(abandoned_files_are_not_published) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  test_lake_open(&t);
  ls_schema *schema = test_schema(&t.arena, "id: string not null");
  ls_lake_stage *stage = NULL;
  ls_parquet_writer *writer = NULL;
  ck_ok(ls__lake_stage_new(&stage, t.lake, "r", t.work, &err));
  ck_ok(ls__parquet_writer_open(&writer, stage, "p.parquet", schema, &err));
  ck_ok(ls__parquet_write(writer, test_rows(&t.arena, schema, 20000, 13), &err));
  ls__parquet_writer_abandon(writer);
  ck_fails(ls__lake_stage_publish(stage, "p.parquet", &err), LS_EINVAL, "not staged");
  ls__lake_stage_free(stage);
  ck_assert_str_eq(test_list(&t, "*", NULL, NULL), "");
  test_lake_close(&t);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(all_types_come_back),
      TEST_CASE(several_row_groups_come_back),
      TEST_CASE(one_row_comes_back),
      TEST_CASE(no_rows_come_back),
      TEST_CASE(values_under_nulls_are_zero),
      TEST_CASE(bytes_do_not_depend_on_batch_cuts),
      TEST_CASE(views_are_written_like_copies),
      TEST_CASE(columns_are_found_by_name),
      TEST_CASE(unwanted_columns_are_null),
      TEST_CASE(wrong_columns_are_named),
      TEST_CASE(decimals_widen_exactly),
      TEST_CASE(null_in_a_required_column_is_refused),
      TEST_CASE(broken_files_are_data_errors),
      TEST_CASE(abandoned_files_are_not_published),
  };
  return RUN_TESTS("parquet_arrow", cases);
}
