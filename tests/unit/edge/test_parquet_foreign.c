/**
 * @file test_parquet_foreign.c
 * Files of other writers read by us, and ours for other readers. tests/integration/it_lake_s3.py
 * writes the one and reads the other: it sets LS_TEST_FOREIGN to a directory of Parquet files that
 * all hold the rows of row_check below. Without it there is nothing to do.
 */
#include "helper_lake.h"

#define N_ROWS 3000
static const char schema_text[] = "id: string not null, amount: decimal(18,4), n: int64, score: "
                                  "float64, at: timestamp, day: date not null, "
                                  "flags: list<string>, raw: bytes, ok: bool, wide: "
                                  "decimal(38,10), pair: struct<a: int64, b: string>";

/* The same formulas are in it_lake_s3.py. */
static void append_row(ls_batch *out, int64_t i) {
  ls_column *c = out->columns;
  char text[32];
  int len = snprintf(text, sizeof text, "t-%05d", (int)i);
  ls_slice name = {text, (size_t)len};
  ls__column_append_slice(&c[0], name);
  if (i % 7) {
    ls__column_append_decimal(&c[1], (ls_int128)i * 12345 - 10000000);
  } else {
    ls__column_append_null(&c[1]);
  }
  if (i % 5) {
    ls__column_append_i64(&c[2], i * i - 500);
  } else {
    ls__column_append_null(&c[2]);
  }
  if (i % 11) {
    ls__column_append_f64(&c[3], (double)i / 4);
  } else {
    ls__column_append_null(&c[3]);
  }
  if (i % 13) {
    ls__column_append_i64(&c[4], (1772000000 + i) * 1000000);
  } else {
    ls__column_append_null(&c[4]);
  }
  ls__column_append_i32(&c[5], (int32_t)(20000 + i % 400));
  if (i % 17) {
    for (int64_t k = 0; k < i % 3; k++) ls__column_append_slice(&c[6].children[0], ls__slice_of(k ? "KYC" : "AML"));
    ls__column_append_list_end(&c[6]);
  } else {
    ls__column_append_null(&c[6]);
  }
  if (i % 3) {
    ls__column_append_slice(&c[7], (ls_slice){"\x00\xFF"
                                              "12",
                                              (size_t)(i % 5)});
  } else {
    ls__column_append_null(&c[7]);
  }
  if (i % 19) {
    ls__column_append_bool(&c[8], i % 2);
  } else {
    ls__column_append_null(&c[8]);
  }
  if (i % 23) {
    ls__column_append_decimal(&c[9], ((ls_int128)i - 1500) * ls__pow10[30] + i);
  } else {
    ls__column_append_null(&c[9]);
  }
  if (i % 29) {
    ls__column_append_i64(&c[10].children[0], -i);
    ls__column_append_slice(&c[10].children[1], name);
    ls__column_append_struct_end(&c[10]);
  } else {
    ls__column_append_null(&c[10]);
  }
  ls__batch_append_meta(out, 0, (ls_stamp){0, 0});
}

static void open_dir(test_lake *t, const char *dir) {
  ls_error err = LS_ERROR_INIT;
  test_lake_open(t);
  ls__lake_close(t->lake);
  ck_ok(ls__lake_open(&t->lake, dir, &err));
}

START_TEST(files_of_other_writers_are_read) {
  const char *dir = getenv("LS_TEST_FOREIGN");
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  ls_lake_files files;
  if (!dir) return;
  open_dir(&t, dir);
  ls_schema *schema = test_schema(&t.arena, schema_text);
  ls_batch *want = ls__batch_new(schema, &t.arena, 0);
  for (int64_t i = 0; i < N_ROWS; i++) append_row(want, i);
  ck_ok(ls__lake_list(&files, t.lake, "foreign-*.parquet", INT32_MIN, INT32_MAX, &err));
  ck_assert_uint_ge(files.n, 8);
  for (size_t i = 0; i < files.n; i++) {
    ls_batch *rows = ls__batch_new(schema, &t.arena, 0);
    ck_ok(test_read_parquet(rows, &t, files.files[i].path, schema, NULL, &err));
    ck_assert_int_eq(rows->n_rows, N_ROWS);
    test_same_rows(want, 0, rows, 0, N_ROWS);
  }
  ls__lake_files_free(&files);
  test_lake_close(&t);
}
END_TEST

/* A column of another type breaks the file; a value that does not fit is its row's fault. */
START_TEST(what_does_not_fit_is_told) {
  const char *dir = getenv("LS_TEST_FOREIGN");
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  ls_lake_files files;
  if (!dir) return;
  open_dir(&t, dir);
  ck_ok(ls__lake_list(&files, t.lake, "bad-*.parquet", INT32_MIN, INT32_MAX, &err));
  ck_assert_uint_ge(files.n, 4);
  for (size_t i = 0; i < files.n; i++) {
    ls_schema *schema = test_schema(&t.arena, schema_text);
    ls_batch *rows = ls__batch_new(schema, &t.arena, 0);
    const char *path = files.files[i].path;
    bool broken = strstr(path, "missing") != NULL || strstr(path, "text") != NULL;
    int64_t n_faults;
    int rc = test_read_parquet_faults(rows, &t, path, schema, NULL, &n_faults, &err);
    if (broken) {
      ck_fails(rc, LS_EDATA, path);
      ck_assert_ptr_nonnull(strstr(err.message, "column '"));
    } else {
      ck_assert_msg(rc == LS_OK, "%s: %s", path, err.message);
      ck_assert_int_gt(rows->n_rows, 0);
      ck_assert_int_eq(n_faults, rows->n_rows);
    }
  }
  ls__lake_files_free(&files);
  test_lake_close(&t);
}
END_TEST

START_TEST(our_file_is_written_for_other_readers) {
  const char *dir = getenv("LS_TEST_FOREIGN");
  test_lake t;
  if (!dir) return;
  open_dir(&t, dir);
  ls_schema *schema = test_schema(&t.arena, schema_text);
  ls_batch *rows = ls__batch_new(schema, &t.arena, 0);
  for (int64_t i = 0; i < N_ROWS; i++) append_row(rows, i);
  test_write_parquet(&t, "ours/part-0.parquet", rows, N_ROWS);
  ls_batch *none = ls__batch_new(schema, &t.arena, 0);
  test_write_parquet(&t, "ours/empty-0.parquet", none, N_ROWS);
  test_lake_close(&t);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(files_of_other_writers_are_read),
      TEST_CASE(what_does_not_fit_is_told),
      TEST_CASE(our_file_is_written_for_other_readers),
  };
  return RUN_TESTS("parquet_foreign", cases);
}
