/** @file test_udf_agg.c  Aggregate calls: nulls of strict ones, refused rows, merge, results. */
#include "helper_udf.h"

static ls_udf_registry *registry;
static ls_arena arena;
static ls_udf_instance *instance;

static void setup(void) {
  ls_error err = LS_ERROR_INIT;
  ls__arena_init(&arena, 0);
  ls__udf_registry_new(&registry);
  load(registry, "probe");
  ck_assert_int_eq(ls__udf_open_agg(&instance, registry, ls__udf_find_agg(registry, "most_of"), &err), LS_OK);
}
static void teardown(void) {
  ls__udf_close(instance);
  ls__udf_registry_free(registry);
  ls__arena_fini(&arena);
}

static void *new_acc(void) {
  void *acc = ls__arena_alloc(&arena, ls__udf_find_agg(registry, "most_of")->acc_bytes);
  ls__udf_agg_init(instance, acc);
  return acc;
}

static const char *finished(const void *acc) {
  const ls_type *number = &ls__type_int64, *ret = NULL;
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls__udf_bind_agg(&ret, ls__udf_find_agg(registry, "most_of"), &number, 1, &arena, &err), LS_OK);
  ls_column *out = new_column(&arena, ret);
  if (ls__udf_agg_finish(out, instance, acc, &arena, &err) < 0) {
    ck_assert_int_eq(out->n_rows, 0);
    return ls__arena_strdup(&arena, err.message);
  }
  ck_assert_int_eq(out->n_rows, 1);
  return column_text(&arena, out);
}

static int add_all(void *acc, const ls_column *column, ls_error *err) {
  ls__udf_agg_rows(instance, &column, 1, &arena);
  int rc = LS_OK;
  for (int64_t row = 0; row < column->n_rows; row++) {
    int row_rc = ls__udf_agg_accumulate(instance, row, &arena, acc, err);
    if (row_rc < 0) rc = row_rc;
  }
  return rc;
}

START_TEST(adds_rows_and_passes_over_nulls) {
  setup();
  ls_error err = LS_ERROR_INIT;
  void *acc = new_acc();
  ck_assert_str_eq(finished(acc), "{\"n\":0,\"max\":null,\"word\":\"few\",\"many\":false}");
  ck_assert_int_eq(add_all(acc, COLUMN(&arena, "int64", NULL, "3", NULL), &err), LS_OK);
  ck_assert_str_eq(finished(acc), "{\"n\":1,\"max\":3,\"word\":\"few\",\"many\":false}");
  ck_assert_int_eq(add_all(acc, COLUMN(&arena, "int64", "5", "4"), &err), LS_OK);
  ck_assert_str_eq(finished(acc), "{\"n\":3,\"max\":5,\"word\":\"many\",\"many\":true}");
  teardown();
}
END_TEST

START_TEST(a_refused_row_leaves_the_accumulator) {
  setup();
  ls_error err = LS_ERROR_INIT;
  void *acc = new_acc();
  ck_assert_int_eq(add_all(acc, COLUMN(&arena, "int64", "7", "-1", "8"), &err), LS_EDATA);
  ck_assert_int_eq(err.cls, LS_CLASS_SKIP_RECORD);
  ck_assert_str_eq(err.message, "most_of: below zero");
  ck_assert_str_eq(finished(acc), "{\"n\":2,\"max\":8,\"word\":\"many\",\"many\":true}");
  teardown();
}
END_TEST

START_TEST(merges_and_refuses_to) {
  setup();
  ls_error err = LS_ERROR_INIT;
  int64_t *acc = new_acc(), *other = new_acc();
  add_all(acc, COLUMN(&arena, "int64", "1", "9"), &err);
  add_all(other, COLUMN(&arena, "int64", "2", NULL, "3"), &err);
  ck_assert_int_eq(ls__udf_agg_merge(instance, acc, other, &err), LS_OK);
  ck_assert_str_eq(finished(acc), "{\"n\":4,\"max\":9,\"word\":\"many\",\"many\":true}");
  other[0] = 100;
  ck_assert_int_eq(ls__udf_agg_merge(instance, acc, other, &err), LS_EDATA);
  ck_assert_has(err.message, "most_of: two partial results can't be merged");
  ck_assert_int_eq(acc[0], 4);
  teardown();
}
END_TEST

START_TEST(a_failing_finish_appends_nothing) {
  setup();
  int64_t *acc = new_acc();
  acc[0] = 7;
  ck_assert_str_eq(finished(acc), "most_of: seven");
  teardown();
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(adds_rows_and_passes_over_nulls),
      TEST_CASE(a_refused_row_leaves_the_accumulator),
      TEST_CASE(merges_and_refuses_to),
      TEST_CASE(a_failing_finish_appends_nothing),
  };
  return RUN_TESTS("udf_agg", cases);
}
