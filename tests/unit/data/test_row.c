/** @file test_row.c  Rows as bytes: round trips over all types, single fields, malformed rows. */
#include "data/row.h"

#include <string.h>

#include "helper_data.h"

typedef struct fixture {
  ls_arena arena;
  ls_schema *schema;
  ls_row_layout layout;
  ls_batch *batch;
} fixture;

static void fixture_init(fixture *f, const char *const *types, uint32_t n, int64_t n_rows, unsigned n_null) {
  test_rng rng = rng_new();
  ls__arena_init(&f->arena, 0);
  f->schema = schema_of(&f->arena, types, n);
  ls__row_layout_init(&f->layout, f->schema, &f->arena);
  f->batch = ls__batch_new(f->schema, &f->arena, 0);
  for (int64_t i = 0; i < n_rows; i++) {
    for (uint32_t k = 0; k < n; k++) append_random(&f->batch->columns[k], &rng, n_null);
    ls__batch_append_meta(f->batch, i, (ls_stamp){i, 0});
  }
}

START_TEST(rows_of_all_types_round_trip) {
  for (unsigned n_null = 0; n_null < 4; n_null++) {
    fixture f;
    fixture_init(&f, all_types, N_ALL_TYPES, 500, n_null);
    ls_batch *back = ls__batch_new(f.schema, &f.arena, 0);
    ls_buf row = LS_BUF_INIT, again = LS_BUF_INIT;
    ls_error err = LS_ERROR_INIT;
    for (int64_t i = 0; i < 500; i++) {
      ls__row_encode(&row, &f.layout, f.batch, i);
      ck_assert_uint_ge(row.len, f.layout.fixed_bytes);
      ck_assert_int_eq(ls__row_decode(back->columns, &f.layout, ls__buf_slice(&row), &err), LS_OK);
      ls__batch_append_meta(back, i, (ls_stamp){i, 0});
      for (uint32_t k = 0; k < N_ALL_TYPES; k++) {
        ck_assert_msg(ls__column_value_eq(&back->columns[k], i, &f.batch->columns[k], i), "%s row %lld", all_types[k],
                      (long long)i);
        ck_assert_int_eq(ls__row_is_null(&f.layout, ls__buf_slice(&row), k), ls__is_null(&f.batch->columns[k], i));
      }
      ls__row_encode(&again, &f.layout, back, i); /* the same row, the same bytes */
      ck_assert(ls__slice_eq(ls__buf_slice(&row), ls__buf_slice(&again)));
    }
    ls__buf_fini(&row);
    ls__buf_fini(&again);
    ls__arena_fini(&f.arena);
  }
}
END_TEST

START_TEST(fields_are_read_alone) {
  static const char *const types[] = {"string", "date", "bytes", "int64", "bool", "timestamp", "list<string>"};
  fixture f;
  fixture_init(&f, types, 7, 300, 4);
  const ls_column *c = f.batch->columns;
  ls_buf buf = LS_BUF_INIT;
  ls_column single, list;
  ls_error err = LS_ERROR_INIT;
  ls__column_init(&single, &ls__type_bool, &f.arena, 0);
  ls__column_init(&list, f.schema->fields[6].type, &f.arena, 0);
  for (int64_t i = 0; i < 300; i++) {
    ls__row_encode(&buf, &f.layout, f.batch, i);
    ls_slice row = ls__buf_slice(&buf);
    ck_assert(ls__slice_eq(ls__row_bytes(&f.layout, row, 0), ls__column_slice(&c[0], i)));
    ck_assert(ls__slice_eq(ls__row_bytes(&f.layout, row, 2), ls__column_slice(&c[2], i)));
    ck_assert_int_eq(ls__row_i64(&f.layout, row, 1), ls__column_i32(&c[1])[i]);
    ck_assert_int_eq(ls__row_i64(&f.layout, row, 3), ls__column_i64(&c[3])[i]);
    ck_assert_int_eq(ls__row_i64(&f.layout, row, 5), ls__column_i64(&c[5])[i]);
    ck_assert_int_eq(ls__row_decode_field(&single, &f.layout, row, 4, &err), LS_OK);
    ck_assert_int_eq(ls__row_decode_field(&list, &f.layout, row, 6, &err), LS_OK);
    ck_assert(ls__column_value_eq(&single, i, &c[4], i) && ls__column_value_eq(&list, i, &c[6], i));
  }
  ls__buf_fini(&buf);
  ls__arena_fini(&f.arena);
}
END_TEST

START_TEST(fixed_values_do_not_overlap_and_nothing_is_padded) {
  const char *types[130];
  fixture f;
  for (size_t i = 0; i < 130; i++) types[i] = all_types[i % N_ALL_TYPES];
  fixture_init(&f, types, 130, 40, 3);
  uint32_t at = (130 + 7) / 8;
  for (uint32_t i = 0; i < 130; i++) {
    const ls_type *type = f.schema->fields[i].type;
    uint32_t size = type->kind == LS_BOOL ? 1 : (uint32_t)ls__type_width(type);
    if (type->kind == LS_DECIMAL && type->precision <= 18) size = 8;
    ck_assert_uint_eq(f.layout.slot_offsets[i], at);
    at += size;
  }
  ck_assert_uint_eq(f.layout.fixed_bytes, at);
  ls_buf row = LS_BUF_INIT;
  ls_error err = LS_ERROR_INIT;
  ls_batch *back = ls__batch_new(f.schema, &f.arena, 0);
  for (int64_t i = 0; i < 40; i++) {
    ls__row_encode(&row, &f.layout, f.batch, i);
    ck_assert_int_eq(ls__row_decode(back->columns, &f.layout, ls__buf_slice(&row), &err), LS_OK);
    for (uint32_t k = 0; k < 130; k++) ck_assert(ls__column_value_eq(&back->columns[k], i, &f.batch->columns[k], i));
  }
  ls__buf_fini(&row);
  ls__arena_fini(&f.arena);
}
END_TEST

/* Rows cut or with bytes turned: refused or read as other values, never beyond their end. */
START_TEST(malformed_rows_do_no_harm) {
  fixture f;
  fixture_init(&f, all_types, N_ALL_TYPES, 50, 5);
  test_rng rng = rng_new();
  ls_buf row = LS_BUF_INIT;
  int n_refused = 0;
  for (int i = 0; i < 4000; i++) {
    ls__row_encode(&row, &f.layout, f.batch, i % 50);
    size_t len = i % 2 ? row.len : rng_below(&rng, row.len);
    char *copy = malloc(len + !len); /* of the exact size, for the address sanitizer */
    if (len) memcpy(copy, row.ptr, len);
    if (i % 2) copy[rng_below(&rng, len)] ^= (char)(1 << rng_below(&rng, 8));
    ls_arena scratch;
    ls__arena_init(&scratch, 0);
    ls_batch *back = ls__batch_new(f.schema, &scratch, 0);
    ls_error err = LS_ERROR_INIT;
    int rc = ls__row_decode(back->columns, &f.layout, (ls_slice){copy, len}, &err);
    ck_assert(rc == LS_OK || rc == LS_EINTERNAL);
    if (rc != LS_OK) ck_assert_ptr_nonnull(strstr(err.message, "malformed"));
    if (len < f.layout.fixed_bytes) ck_assert_int_eq(rc, LS_EINTERNAL);
    n_refused += rc != LS_OK;
    ls__arena_fini(&scratch);
    free(copy);
  }
  ck_assert_int_gt(n_refused, 2000);
  ls__buf_fini(&row);
  ls__arena_fini(&f.arena);
}
END_TEST

START_TEST(bytes_after_a_nested_value_are_refused) {
  static const char *const types[] = {"list<int64>"};
  fixture f;
  fixture_init(&f, types, 1, 1, 0);
  ls_buf row = LS_BUF_INIT;
  ls_error err = LS_ERROR_INIT;
  ls__row_encode(&row, &f.layout, f.batch, 0);
  ck_assert_int_eq(ls__row_decode(f.batch->columns, &f.layout, ls__buf_slice(&row), &err), LS_OK);
  ls__buf_putc(&row, 0);
  row.ptr[f.layout.fixed_bytes]++; /* the length */
  ck_assert_int_eq(ls__row_decode(f.batch->columns, &f.layout, ls__buf_slice(&row), &err), LS_EINTERNAL);
  ls__buf_fini(&row);
  ls__arena_fini(&f.arena);
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(rows_of_all_types_round_trip), TEST_CASE(fields_are_read_alone),
                             TEST_CASE(fixed_values_do_not_overlap_and_nothing_is_padded),
                             TEST_CASE(malformed_rows_do_no_harm), TEST_CASE(bytes_after_a_nested_value_are_refused)};
  return RUN_TESTS("data.row", cases);
}
