/**
 * @file test_udf_eval.c
 * Scalar calls: nulls, active rows, row errors, failures, and that a batch is the same as its rows one
 * by one, whatever its size, its nulls, and where its columns start.
 */
#include "helper_udf.h"

static ls_udf_registry *registry;
static ls_arena arena;

static void setup(void) {
  setenv("RECON_MASK_KEY", TEST_KEY, 1);
  ls__arena_init(&arena, 0);
  ls__udf_registry_new(&registry);
  load(registry, "probe");
  load(registry, "failing_rows");
  load(registry, "recon");
}
static void teardown(void) {
  ls__udf_registry_free(registry);
  ls__arena_fini(&arena);
}

/* Evaluates, checks the result as text and the row errors as text. */
static void evaluates(const char *name, const ls_column *const *args, uint32_t n_args, int64_t n_rows,
                      const uint64_t *active, const char *values, const char *row_errors) {
  ls_udf_instance *instance = open_fn(registry, name);
  evaluated result = eval_on(instance, ls__udf_find_fn(registry, name), args, n_args, n_rows, active, NULL, &arena);
  ck_assert_msg(result.rc == LS_OK, "%s: %s", name, result.err.message);
  ck_assert_str_eq(column_text(&arena, result.out), values);
  ck_assert_str_eq(result.row_errors.ptr, row_errors);
  ls__buf_fini(&result.row_errors);
  ls__udf_close(instance);
}

static void fails(const char *name, int code, const char *message) {
  const ls_column *args[] = {COLUMN(&arena, "int64", "1", "2")};
  evaluated result = eval_once(registry, name, args, 1, 2, &arena);
  ck_assert_msg(result.rc == code, "%s: %s", name, ls_error_name(result.rc));
  ck_assert_str_eq(result.err.message, message);
  ls__buf_fini(&result.row_errors);
}

START_TEST(strict_functions_see_no_null) {
  setup();
  const ls_column *args[] = {COLUMN(&arena, "int64", "0", "1", NULL, "13", "2", NULL),
                             COLUMN(&arena, "int64", "5", NULL, "6", "7", "40", NULL)};
  evaluates("moods", args, 2, 6, ALL_ROWS, "null null null null 42 null", "3: the function refused the row\n");
  uint64_t active = 0x11; /* not row 3 */
  evaluates("moods", args, 2, 6, &active, "null null null null 42 null", "");
  active = 0x02;
  evaluates("moods", args, 2, 6, &active, "null null null null null null", "");
  args[0] = COLUMN(&arena, "int64", "98", "99");
  args[1] = COLUMN(&arena, "int64", "1", "1");
  evaluated result = eval_once(registry, "moods", args, 2, 2, &arena);
  ck_assert_int_eq(result.rc, LS_EFUNCTION);
  ck_assert_str_eq(result.err.message, "moods: 99 it is");
  ls__buf_fini(&result.row_errors);
  args[1] = COLUMN(&arena, "int64", "1", NULL);
  evaluates("moods", args, 2, 2, ALL_ROWS, "99 null", "");
  teardown();
}
END_TEST

START_TEST(other_functions_see_nulls) {
  setup();
  const ls_column *args[] = {COLUMN(&arena, "int64", "1", NULL, "3", NULL, "5", NULL)};
  evaluates("describe", args, 1, 6, ALL_ROWS, "\"value\" \"null\" \"value\" \"null\" \"\" \"null\"", "");
  /* rows 1, 2, 5 alone: the function sees a batch of three */
  uint64_t active = 0x26;
  evaluates("describe", args, 1, 6, &active, "null \"null\" \"value\" null null \"null\"", "");
  evaluates("batch_rows", args, 1, 6, &active, "null null 3 null null 3", "1: the first one shown\n");
  active = 0;
  evaluates("batch_rows", args, 1, 6, &active, "null null null null null null", "");
  active = ~UINT64_C(0); /* bits behind the last row say nothing */
  evaluates("batch_rows", args, 1, 6, &active, "null 6 6 6 6 6", "0: the first one shown\n");
  teardown();
}
END_TEST

START_TEST(row_errors_come_in_order_and_once) {
  setup();
  const ls_column *args[] = {COLUMN(&arena, "int64", "1", "2", NULL, "3", "4", "5")};
  evaluates("refuse_odd", args, 1, 6, ALL_ROWS, "null 3 null null 5 null",
            "0: the number is odd\n3: the number is odd\n5: the number is odd\n");
  uint64_t active = 0x2B; /* 0, 1, 3, 5: the function still looks at all rows */
  evaluates("refuse_odd", args, 1, 6, &active, "null 3 null null null null",
            "0: the number is odd\n3: the number is odd\n5: the number is odd\n");
  active = 0x12;
  evaluates("refuse_odd", args, 1, 6, &active, "null 3 null null 5 null", "");
  teardown();
}
END_TEST

START_TEST(results_must_fit_their_type) {
  setup();
  const ls_column *args[] = {COLUMN(&arena, "int64", "1", "2", "3")};
  evaluates("not_utf8", args, 1, 3, ALL_ROWS, "\"\xC3\xA9\" null \"\xC3\xA9\"",
            "1: the result of not_utf8 is not valid UTF-8\n");
  evaluates("too_wide", args, 1, 3, ALL_ROWS, "\"999\" null \"999\"",
            "1: the result of too_wide does not fit decimal(3,0)\n");
  evaluates("not_finite", args, 1, 3, ALL_ROWS, "0.5 null null",
            "1: the result of not_finite is not a finite number\n2: the result of not_finite is not a finite number\n");
  evaluates("far_time", args, 1, 3, ALL_ROWS, "\"9999-12-31T23:59:59.999999Z\" null null",
            "1: the result of far_time is outside the years 1 to 9999\n"
            "2: the result of far_time is outside the years 1 to 9999\n");
  evaluates("far_date", args, 1, 3, ALL_ROWS, "\"0001-01-01\" null null",
            "1: the result of far_date is outside the years 1 to 9999\n"
            "2: the result of far_date is outside the years 1 to 9999\n");
  teardown();
}
END_TEST

START_TEST(a_failing_call_says_why) {
  setup();
  fails("refuse_batch", LS_EFUNCTION, "refuse_batch: not today");
  fails("try_later", LS_ERETRY, "try_later: the table is being read");
  fails("no_reason", LS_EFUNCTION, "no_reason: it gives no reason");
  fails("past_the_end", LS_EFUNCTION, "past_the_end: it called fail_row for row 2 of 2");
  fails("bytes_for_number", LS_EFUNCTION,
        "bytes_for_number: it called set_bytes (whose result is neither string nor bytes) for row 0 of 2");
  teardown();
}
END_TEST

START_TEST(stream_time_is_the_rows_own) {
  setup();
  const ls_column *args[] = {COLUMN(&arena, "int64", "1", "2", "3", "4")};
  const ls_stamp stamps[] = {{100, 0}, {200, 0}, {300, 0}, {400, 0}};
  ls_udf_instance *instance = open_fn(registry, "row_time");
  uint64_t active = 0x0A;
  evaluated all = eval_on(instance, ls__udf_find_fn(registry, "row_time"), args, 1, 4, ALL_ROWS, stamps, &arena);
  evaluated some = eval_on(instance, ls__udf_find_fn(registry, "row_time"), args, 1, 4, &active, stamps, &arena);
  ls__udf_close(instance);
  ck_assert_int_eq(all.rc, LS_OK);
  for (int i = 0; i < 4; i++) {
    ck_assert_int_eq(ls__column_i64(all.out)[i], stamps[i].ts_us);
    ck_assert_int_eq(ls__is_null(some.out, i), i % 2 == 0);
    ck_assert_int_eq(ls__column_i64(some.out)[i], i % 2 == 0 ? 0 : stamps[i].ts_us);
  }
  ls__buf_fini(&all.row_errors);
  ls__buf_fini(&some.row_errors);
  teardown();
}
END_TEST

START_TEST(a_function_may_have_no_arguments) {
  setup();
  uint64_t active = 0x5;
  evaluates("seven", NULL, 0, 3, ALL_ROWS, "7 7 7", "");
  evaluates("seven", NULL, 0, 3, &active, "7 null 7", "");
  evaluates("seven", NULL, 0, 0, ALL_ROWS, "", "");
  teardown();
}
END_TEST

/* ---- a batch is its rows one by one ---- */

/* Columns of a call, for comparison after it: same bytes. */
static void same_columns(const ls_column *a, const ls_column *b) {
  ck_assert_int_eq(a->n_rows, b->n_rows);
  for (int64_t row = 0; row < a->n_rows; row++) ck_assert(ls__column_value_eq(a, row, b, row));
}

/* Values under a null are zero, so that bytes can be compared; and no bitmap without a null. */
static void is_canonical(const ls_column *column) {
  size_t width = ls__type_width(column->type);
  static const char zero[16];
  for (int64_t row = 0; row < column->n_rows; row++) {
    if (!ls__is_null(column, row)) continue;
    if (column->offsets != NULL) ck_assert_int_eq(column->offsets[row], column->offsets[row + 1]);
    if (width > 0) ck_assert_mem_eq((const char *)column->values + (size_t)row * width, zero, width);
    if (column->type->kind == LS_BOOL) ck_assert_int_eq(LS_BIT_GET(column->values, row), 0);
  }
}

/* Statuses and flags that the tables know, now and then others; else any value. */
static void append_argument(ls_column *column, test_rng *rng, unsigned n_null) {
  static const char *const words[] = {"PENDING", "APPROVED",      "DECLINED",         "REFUNDED",
                                      "POSTED",  "REVERSED",      "MISSING",          "",
                                      "x",       "user_00000042", "u\xC5\xBCytkownik"};
  bool null = n_null && rng_below(rng, n_null) == 0;
  if (null) {
    ls__column_append_null(column);
  } else if (column->type->kind == LS_STRING) {
    append_text(column, words[rng_below(rng, 11)]);
  } else if (column->type->kind == LS_LIST) {
    uint64_t n = rng_below(rng, 3);
    for (uint64_t i = 0; i < n; i++) append_argument(&column->children[0], rng, 4);
    ls__column_append_list_end(column);
  } else if (column->type->kind == LS_FLOAT64) {
    ls__column_append_f64(column, (double)rng_below(rng, 101) / 100);
  } else if (column->type->kind == LS_DECIMAL) {
    ls_int128 value;
    do value = random_decimal(rng);
    while (!ls__decimal_fits(value, column->type->precision));
    ls__column_append_decimal(column, value);
  } else if (column->type->kind == LS_TIMESTAMP) { /* results must lie in the years 1 to 9999 */
    ls__column_append_i64(column, (int64_t)rng_below(rng, UINT64_C(300000000000000000)) - INT64_C(50000000000000000));
  } else if (column->type->kind == LS_DATE) {
    ls__column_append_i32(column, (int32_t)rng_below(rng, 3600000) - 700000);
  } else {
    append_random(column, rng, 0);
  }
}

/* The last n rows of a column, as a view that starts in the middle of its buffers. */
static ls_column view_of(const ls_column *column, int64_t first) {
  ls_column view = *column;
  ck_assert_int_eq(first % 64, 0);
  view.n_rows -= first;
  if (view.validity) view.validity += first / 64;
  if (view.offsets) {
    view.offsets += first;
  } else if (view.type->kind == LS_BOOL) {
    view.values = (uint64_t *)view.values + first / 64;
  } else {
    view.values = (char *)view.values + (size_t)first * ls__type_width(view.type);
  }
  return view;
}

typedef struct subject {
  const char *name;
  uint32_t n_args;
  const char *types[3];
} subject;

static ls_arena row_arena;

/* One row alone. */
static void same_as_alone(const subject *s, ls_udf_instance *instance, const ls_column *const *args, int64_t row,
                          const evaluated *batch, ls_buf *row_errors) {
  ls__arena_reset(&row_arena);
  const ls_column *few[3];
  for (uint32_t i = 0; i < s->n_args; i++) {
    ls_column *one = new_column(&row_arena, args[i]->type);
    ls__column_append_from(one, args[i], row);
    few[i] = one;
  }
  evaluated alone =
      eval_on(instance, ls__udf_find_fn(registry, s->name), few, s->n_args, 1, ALL_ROWS, NULL, &row_arena);
  ck_assert_int_eq(alone.rc, LS_OK);
  ck_assert_msg(ls__column_value_eq(alone.out, 0, batch->out, row), "%s: row %lld differs", s->name, (long long)row);
  if (alone.row_errors.len > 0) ls__buf_printf(row_errors, "%lld%s", (long long)row, alone.row_errors.ptr + 1);
  ls__buf_fini(&alone.row_errors);
}

static void same_as_rows(const subject *s, int64_t n, unsigned n_null, test_rng *rng) {
  ls_column *full[3], *copies[3], views[3];
  const ls_column *args[3];
  int64_t before = 64; /* rows in front of the view */
  for (uint32_t i = 0; i < s->n_args; i++) {
    full[i] = new_column(&arena, type_of(&arena, s->types[i]));
    for (int64_t row = 0; row < before + n; row++) append_argument(full[i], rng, n_null);
    copies[i] = new_column(&arena, full[i]->type);
    ls__column_append_all(copies[i], full[i]);
    views[i] = view_of(full[i], before);
    args[i] = &views[i];
  }
  ls_udf_instance *instance = open_fn(registry, s->name);
  const ls_udf_fn *fn = ls__udf_find_fn(registry, s->name);
  evaluated batch = eval_on(instance, fn, args, s->n_args, n, ALL_ROWS, NULL, &arena);
  ck_assert_msg(batch.rc == LS_OK, "%s: %s", s->name, batch.err.message);
  is_canonical(batch.out);
  ls_buf row_errors = LS_BUF_INIT;
  ls__buf_puts(&row_errors, "");
  /* every row where nulls are mixed in; of the other large batches a sample, which has no list of errors to compare */
  int64_t step = n > 1000 && n_null != 3 ? 17 : 1;
  for (int64_t row = 0; row < n; row += step) same_as_alone(s, instance, args, row, &batch, &row_errors);
  if (step == 1) ck_assert_str_eq(batch.row_errors.ptr, row_errors.ptr);

  /* inactive rows: null; the others as before */
  uint64_t *active = LS_ARENA_ARRAY(&arena, uint64_t, LS_BIT_WORDS(n) + 1);
  for (int64_t w = 0; w < LS_BIT_WORDS(n); w++) active[w] = rng_next(rng);
  evaluated some = eval_on(instance, fn, args, s->n_args, n, active, NULL, &arena);
  ck_assert_int_eq(some.rc, LS_OK);
  is_canonical(some.out);
  for (int64_t row = 0; row < n; row++) {
    if (LS_BIT_GET(active, row)) {
      ck_assert(ls__column_value_eq(some.out, row, batch.out, row));
    } else {
      ck_assert(ls__is_null(some.out, row));
    }
  }
  for (uint32_t i = 0; i < s->n_args; i++) same_columns(full[i], copies[i]);
  ls__udf_close(instance);
  ls__buf_fini(&row_errors);
  ls__buf_fini(&batch.row_errors);
  ls__buf_fini(&some.row_errors);
}

START_TEST(a_batch_is_its_rows_one_by_one) {
  static const subject subjects[] = {
      {"udf_calc_discrepancy", 2, {"decimal(18,4)", "decimal(18,4)"}},
      {"udf_calc_discrepancy", 2, {"decimal(38,0)", "decimal(38,7)"}},
      {"udf_calc_discrepancy", 2, {"decimal(38,9)", "decimal(30,2)"}},
      {"udf_flag_compliance", 2, {"float64", "list<string>"}},
      {"udf_mask_sensitive", 1, {"string"}},
      {"udf_derive_status", 2, {"string", "string"}},
      {"same_bool", 1, {"bool"}},
      {"same_int64", 1, {"int64"}},
      {"same_float64", 1, {"float64"}},
      {"same_decimal", 1, {"decimal(18,4)"}},
      {"same_string", 1, {"string"}},
      {"same_bytes", 1, {"bytes"}},
      {"same_timestamp", 1, {"timestamp"}},
      {"same_date", 1, {"date"}},
      {"refuse_odd", 1, {"int64"}},
  };
  static const int64_t sizes[] = {0, 1, 63, 64, 65, 4096};
  static const unsigned nulls[] = {0, 3, 1}; /* none, a third, all */
  setup();
  ls__arena_init(&row_arena, 0);
  test_rng rng = rng_new();
  for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
    for (size_t j = 0; j < 6; j++) {
      for (size_t k = 0; k < 3; k++) same_as_rows(&subjects[i], sizes[j], nulls[k], &rng);
      ls__arena_reset(&arena);
    }
  }
  ls__arena_fini(&row_arena);
  teardown();
}
END_TEST

START_TEST(same_functions_give_their_argument) {
  static const char *const types[] = {"bool",   "int64", "float64",   "decimal(18,4)",
                                      "string", "bytes", "timestamp", "date"};
  setup();
  test_rng rng = rng_new();
  for (size_t i = 0; i < 8; i++) {
    char name[32];
    snprintf(name, sizeof(name), "same_%.*s", (int)strcspn(types[i], "("), types[i]);
    ls_column *column = new_column(&arena, type_of(&arena, types[i]));
    for (int row = 0; row < 200; row++) append_argument(column, &rng, 5);
    const ls_column *args[] = {column};
    evaluated result = eval_once(registry, name, args, 1, 200, &arena);
    ck_assert_int_eq(result.rc, LS_OK);
    same_columns(result.out, column);
    ls__buf_fini(&result.row_errors);
  }
  teardown();
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(strict_functions_see_no_null),
      TEST_CASE(other_functions_see_nulls),
      TEST_CASE(row_errors_come_in_order_and_once),
      TEST_CASE(results_must_fit_their_type),
      TEST_CASE(a_failing_call_says_why),
      TEST_CASE(stream_time_is_the_rows_own),
      TEST_CASE(a_function_may_have_no_arguments),
      TEST_CASE(a_batch_is_its_rows_one_by_one),
      TEST_CASE(same_functions_give_their_argument),
  };
  return RUN_TESTS("udf_eval", cases);
}
