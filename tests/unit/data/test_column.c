/** @file test_column.c  Building columns, nulls, gathering, ranges: for all types, across words. */
#include <math.h>
#include <string.h>

#include "data/batch.h"
#include "helper_data.h"

static const int64_t word_bounds[] = {0, 1, 2, 63, 64, 65, 127, 128, 129, 200};
#define N_BOUNDS (sizeof word_bounds / sizeof word_bounds[0])

static ls_column *column_new(ls_arena *arena, const char *type, int64_t capacity) {
  ls_column *column = LS_ARENA_NEW(arena, ls_column);
  ls__column_init(column, type_of(arena, type), arena, capacity);
  return column;
}

static ls_column *random_column(ls_arena *arena, test_rng *rng, const char *type, int64_t n, unsigned n_null) {
  ls_column *column = column_new(arena, type, (int64_t)rng_below(rng, 3) * n / 2);
  while (column->n_rows < n) append_random(column, rng, n_null);
  return column;
}

/* The invariants of batch.h: offsets go up from 0, zeros and empty values under nulls. */
static void check_invariants(const ls_column *c) {
  ls_kind kind = c->type->kind;
  size_t width = ls__type_width(c->type);
  static const char zeros[16];
  ck_assert_int_le(c->n_rows, c->capacity_rows);
  if (c->offsets) ck_assert_int_eq(c->offsets[0], 0);
  for (int64_t i = 0; i < c->n_rows; i++) {
    if (c->offsets) ck_assert_int_ge(c->offsets[i + 1], c->offsets[i]);
    if (!ls__is_null(c, i)) continue;
    if (c->offsets) ck_assert_int_eq(c->offsets[i + 1], c->offsets[i]);
    if (width) ck_assert_mem_eq((const char *)c->values + (size_t)i * width, zeros, width);
    if (kind == LS_BOOL) ck_assert_uint_eq(LS_BIT_GET(c->values, i), 0);
    for (uint32_t k = 0; kind == LS_STRUCT && k < c->type->n_fields; k++) ck_assert(ls__is_null(&c->children[k], i));
  }
  if (kind == LS_LIST) ck_assert_int_eq(c->children[0].n_rows, c->offsets[c->n_rows]);
  for (uint32_t k = 0; kind == LS_STRUCT && k < c->type->n_fields; k++)
    ck_assert_int_eq(c->children[k].n_rows, c->n_rows);
  if (kind == LS_LIST) check_invariants(&c->children[0]);
  for (uint32_t k = 0; kind == LS_STRUCT && k < c->type->n_fields; k++) check_invariants(&c->children[k]);
}

static void check_rows_eq(const ls_column *a, int64_t at, const ls_column *b, int64_t first, int64_t n) {
  for (int64_t i = 0; i < n; i++) ck_assert_msg(ls__column_value_eq(a, at + i, b, first + i), "row %lld", (long long)i);
}

START_TEST(bits_fill_exactly_the_range) {
  for (int64_t first = 0; first < 140; first++)
    for (int64_t n = 0; n <= 140; n += n < 3 ? 1 : 7) {
      uint64_t bits[6] = {0}, other[6];
      memset(other, 0xFF, sizeof other);
      ls__bits_fill(bits, first, n, true);
      ls__bits_fill(other, first, n, false);
      for (int64_t i = 0; i < 384; i++) {
        bool inside = i >= first && i < first + n;
        if (LS_BIT_GET(bits, i) != inside || LS_BIT_GET(other, i) == inside)
          ck_abort_msg("%lld+%lld bit %lld", (long long)first, (long long)n, (long long)i);
      }
    }
}
END_TEST

START_TEST(appended_values_read_back) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls_column *i64 = column_new(&arena, "int64", 0), *f64 = column_new(&arena, "float64", 1);
  ls_column *day = column_new(&arena, "date", 0), *dec = column_new(&arena, "decimal(38,2)", 0);
  ls_column *bit = column_new(&arena, "bool", 0), *text = column_new(&arena, "string", 0);
  char buf[32];
  for (int i = 0; i < 1000; i++) {
    ls__column_append_i64(i64, i * INT64_C(-1000000007));
    ls__column_append_f64(f64, i / 8.0);
    ls__column_append_i32(day, -i);
    ls__column_append_decimal(dec, -(ls_int128)i * ls__pow10[30]);
    ls__column_append_bool(bit, i % 3 == 0);
    snprintf(buf, sizeof buf, "%.*s%d", i % 5, "xxxxx", i);
    ls__column_append_slice(text, ls__slice_of(buf));
  }
  ck_assert_ptr_null(i64->validity);
  for (int i = 0; i < 1000; i++) {
    ck_assert_int_eq(ls__column_i64(i64)[i], i * INT64_C(-1000000007));
    ck_assert(ls__column_f64(f64)[i] == i / 8.0);
    ck_assert_int_eq(ls__column_i32(day)[i], -i);
    ck_assert(ls__i128_get(ls__column_i128(dec)[i]) == -(ls_int128)i * ls__pow10[30]);
    ck_assert_uint_eq(LS_BIT_GET(bit->values, i), i % 3 == 0);
    snprintf(buf, sizeof buf, "%.*s%d", i % 5, "xxxxx", i);
    ck_assert_slice_eq(ls__column_slice(text, i), buf);
  }
  ls__arena_fini(&arena);
}
END_TEST

/* The first null at each place around a word's end, then values again. */
START_TEST(first_null_makes_the_bitmap) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  for (size_t t = 0; t < N_ALL_TYPES; t++)
    for (size_t b = 0; b < N_BOUNDS; b++) {
      test_rng rng = rng_new();
      ls_column *column = column_new(&arena, all_types[t], 0);
      while (column->n_rows < word_bounds[b]) append_random(column, &rng, 0);
      ck_assert_ptr_null(column->validity);
      ls__column_append_null(column);
      while (column->n_rows < 300) append_random(column, &rng, 0);
      for (int64_t i = 0; i < 300; i++) ck_assert_int_eq(ls__is_null(column, i), i == word_bounds[b]);
      check_invariants(column);
    }
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(gather_takes_the_rows_named) {
  test_rng rng = rng_new();
  for (size_t t = 0; t < N_ALL_TYPES; t++)
    for (int round = 0; round < 60; round++) {
      ls_arena arena;
      ls__arena_init(&arena, 0);
      int64_t n_src = 1 + (int64_t)rng_below(&rng, 150), n_old = word_bounds[rng_below(&rng, N_BOUNDS)];
      int64_t n = word_bounds[rng_below(&rng, N_BOUNDS)];
      ls_column *src = random_column(&arena, &rng, all_types[t], n_src, round % 3 ? 3 : 0);
      ls_column *column = random_column(&arena, &rng, all_types[t], n_old, round % 2 ? 4 : 0);
      ls_column *before = column_new(&arena, all_types[t], 0);
      ls__column_append_all(before, column);
      int32_t rows[256];
      bool missing = round % 4 == 3;
      for (int64_t i = 0; i < n; i++)
        rows[i] = missing && rng_below(&rng, 3) == 0 ? -1 : (int32_t)rng_below(&rng, (uint64_t)n_src);
      ls__column_gather(column, src, rows, n);
      ck_assert_int_eq(column->n_rows, n_old + n);
      check_rows_eq(column, 0, before, 0, n_old);
      for (int64_t i = 0; i < n; i++) {
        if (rows[i] < 0) ck_assert(ls__is_null(column, n_old + i));
        if (rows[i] >= 0)
          ck_assert_msg(ls__column_value_eq(column, n_old + i, src, rows[i]), "%s seed %llu", all_types[t],
                        (unsigned long long)rng.seed);
      }
      check_invariants(column);
      append_random(column, &rng, 2); /* and it can be appended to */
      check_invariants(column);
      ls__arena_fini(&arena);
    }
}
END_TEST

START_TEST(gather_of_valid_rows_makes_no_bitmap) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls_column *src = column_new(&arena, "int64", 0), *column = column_new(&arena, "int64", 0);
  for (int i = 0; i < 100; i++)
    if (i % 2) {
      ls__column_append_null(src);
    } else {
      ls__column_append_i64(src, i);
    }
  ls__column_gather(column, src, (int32_t[]){0, 2, 98}, 3);
  ck_assert_ptr_null(column->validity);
  ls__column_gather(column, src, (int32_t[]){-1}, 1);
  ck_assert(ls__is_null(column, 3) && !ls__is_null(column, 2));
  ls__arena_fini(&arena);
}
END_TEST

/* Other makers of Arrow memory may leave anything under a null, and start offsets anywhere. */
START_TEST(gather_cleans_up_views) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  uint64_t validity = 5; /* row 1 is null */
  int64_t numbers[] = {10, 777, 30};
  int32_t offsets[] = {2, 4, 9, 11};
  const ls_type *list = type_of(&arena, "list<int64>"), *record = type_of(&arena, "struct<a: int64>");
  int64_t elements[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  ls_column child = {.type = &ls__type_int64, .n_rows = 11, .values = elements};
  ls_column field = {.type = &ls__type_int64, .n_rows = 3, .values = numbers};
  const ls_column views[] = {{.type = &ls__type_int64, .n_rows = 3, .validity = &validity, .values = numbers},
                             {.type = &ls__type_string,
                              .n_rows = 3,
                              .validity = &validity,
                              .values = (char[]){"..abcdefghi"},
                              .offsets = offsets},
                             {.type = list, .n_rows = 3, .validity = &validity, .offsets = offsets, .children = &child},
                             {.type = record, .n_rows = 3, .validity = &validity, .children = &field}};
  static const char *const want[][2] = {
      {"10", "30"}, {"\"ab\"", "\"hi\""}, {"[2,3]", "[9,10]"}, {"{\"a\":10}", "{\"a\":30}"}};
  for (size_t i = 0; i < 4; i++)
    for (int way = 0; way < 3; way++) {
      ls_column column;
      ls__column_init(&column, views[i].type, &arena, 0);
      if (way == 0) ls__column_gather(&column, &views[i], (int32_t[]){0, 1, 2}, 3);
      if (way == 1) ls__column_append_all(&column, &views[i]);
      for (int64_t row = 0; way == 2 && row < 3; row++) ls__column_append_from(&column, &views[i], row);
      check_invariants(&column);
      ck_assert(ls__is_null(&column, 1));
      for (int side = 0; side < 2; side++) {
        ls_buf out = LS_BUF_INIT;
        ls__column_format_json(&out, &column, side * 2);
        ck_assert_str_eq(out.ptr, want[i][side]);
        ls__buf_fini(&out);
      }
    }
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(ranges_append_in_place) {
  test_rng rng = rng_new();
  for (size_t t = 0; t < N_ALL_TYPES; t++)
    for (int round = 0; round < 40; round++) {
      ls_arena arena;
      ls__arena_init(&arena, 0);
      unsigned n_null = round % 2 ? 0 : 5;
      ls_column *src = random_column(&arena, &rng, all_types[t], 200, n_null);
      ls_column *column = random_column(&arena, &rng, all_types[t], word_bounds[round % N_BOUNDS], round % 3 ? 0 : 4);
      int64_t n_old = column->n_rows, first = (int64_t)rng_below(&rng, 130), n = (int64_t)rng_below(&rng, 70);
      ls__column_append_range(column, src, first, n);
      ck_assert_int_eq(column->n_rows, n_old + n);
      check_rows_eq(column, n_old, src, first, n);
      ls__column_append_all(column, src);
      check_rows_eq(column, n_old + n, src, 0, 200);
      ls__column_append_from(column, src, first);
      check_rows_eq(column, n_old + n + 200, src, first, 1);
      check_invariants(column);
      ls__arena_fini(&arena);
    }
}
END_TEST

START_TEST(cleared_columns_are_as_new) {
  test_rng rng = rng_new();
  for (size_t t = 0; t < N_ALL_TYPES; t++) {
    ls_arena arena;
    ls__arena_init(&arena, 0);
    ls_column *column = column_new(&arena, all_types[t], 200);
    size_t used = 0;
    for (int round = 0; round < 20; round++) {
      ls_column *src = random_column(&arena, &rng, all_types[t], 150, round % 2 ? 3 : 0);
      size_t before = arena.used_bytes;
      ls__column_clear(column);
      for (int64_t i = 0; i < 150; i++) ls__column_append_from(column, src, i);
      if (round >= 6) used += arena.used_bytes - before;
      check_rows_eq(column, 0, src, 0, 150);
      check_invariants(column);
    }
    ck_assert_msg(used < 4096, "%s: refilling takes %zu bytes", all_types[t], used);
    ls__arena_fini(&arena);
  }
}
END_TEST

START_TEST(resize_gives_zeros_and_keeps_rows) {
  test_rng rng = rng_new();
  for (size_t t = 0; t < N_ALL_TYPES; t++)
    for (size_t b = 0; b < N_BOUNDS; b++) {
      ls_arena arena;
      ls__arena_init(&arena, 0);
      ls_column *column = random_column(&arena, &rng, all_types[t], word_bounds[b], 3);
      ls_column *before = column_new(&arena, all_types[t], 0);
      ls__column_append_all(before, column);
      ls__column_resize(column, 210);
      ck_assert_int_eq(column->n_rows, 210);
      for (int64_t i = word_bounds[b]; i < 210; i++) ck_assert(!ls__is_null(column, i));
      size_t width = ls__type_width(column->type);
      for (size_t i = (size_t)word_bounds[b] * width; i < 210 * width; i++)
        ck_assert_int_eq(((const char *)column->values)[i], 0);
      check_rows_eq(column, 0, before, 0, word_bounds[b]);
      check_invariants(column);
      int64_t less = word_bounds[b] / 2;
      ls__column_resize(column, less);
      check_rows_eq(column, 0, before, 0, less);
      ls__column_append_range(column, before, less, word_bounds[b] - less);
      check_rows_eq(column, 0, before, 0, word_bounds[b]);
      check_invariants(column);
      ls__arena_fini(&arena);
    }
}
END_TEST

START_TEST(set_null_clears_the_value) {
  test_rng rng = rng_new();
  for (size_t t = 0; t < N_ALL_TYPES; t++) {
    bool holds_list = strstr(all_types[t], "list") != NULL;
    for (int round = 0; round < 20; round++) {
      ls_arena arena;
      ls__arena_init(&arena, 0);
      ls_column *column = random_column(&arena, &rng, all_types[t], 130, 0),
                *before = column_new(&arena, all_types[t], 0);
      ls__column_append_all(before, column);
      int64_t row = holds_list ? 129 : (int64_t)rng_below(&rng, 130);
      ls__column_set_null(column, row);
      for (int64_t i = 0; i < 130; i++) {
        ck_assert_int_eq(ls__is_null(column, i), i == row);
        if (i != row) check_rows_eq(column, i, before, i, 1);
      }
      check_invariants(column);
      ls__arena_fini(&arena);
    }
  }
}
END_TEST

START_TEST(equality_knows_nulls_zeros_and_nan) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls_column *column = column_new(&arena, "float64", 0);
  ls__column_append_f64(column, 0.0);
  ls__column_append_f64(column, -0.0);
  ls__column_append_f64(column, (double)NAN);
  ls__column_append_f64(column, -(double)NAN);
  ls__column_append_null(column);
  ls__column_append_null(column);
  for (int a = 0; a < 6; a++)
    for (int b = 0; b < 6; b++) ck_assert_int_eq(ls__column_value_eq(column, a, column, b), a / 2 == b / 2);
  ls_column *list = column_new(&arena, "list<string>", 0);
  ls__column_append_slice(&list->children[0], ls__slice_of("a"));
  ls__column_append_list_end(list);
  ls__column_append_null(&list->children[0]);
  ls__column_append_list_end(list);
  ls__column_append_slice(&list->children[0], ls__slice_of(""));
  ls__column_append_list_end(list);
  ls__column_append_list_end(list);
  ls__column_append_null(list);
  for (int a = 0; a < 5; a++)
    for (int b = 0; b < 5; b++) ck_assert_int_eq(ls__column_value_eq(list, a, list, b), a == b);
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(bytes_grow_with_the_rows) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls_column *text = column_new(&arena, "string", 0), *nested = column_new(&arena, "list<string>", 0);
  size_t empty = ls__column_bytes(text);
  for (int i = 0; i < 1000; i++) ls__column_append_slice(text, ls__slice_of("0123456789"));
  ck_assert_uint_eq(ls__column_bytes(text), empty + 14000);
  ls__column_append_all(&nested->children[0], text);
  ls__column_append_list_end(nested);
  ck_assert_uint_ge(ls__column_bytes(nested), 14000);
  ls__arena_fini(&arena);
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(bits_fill_exactly_the_range),
                             TEST_CASE(appended_values_read_back),
                             TEST_CASE(first_null_makes_the_bitmap),
                             TEST_CASE(gather_takes_the_rows_named),
                             TEST_CASE(gather_of_valid_rows_makes_no_bitmap),
                             TEST_CASE(gather_cleans_up_views),
                             TEST_CASE(ranges_append_in_place),
                             TEST_CASE(cleared_columns_are_as_new),
                             TEST_CASE(resize_gives_zeros_and_keeps_rows),
                             TEST_CASE(set_null_clears_the_value),
                             TEST_CASE(equality_knows_nulls_zeros_and_nan),
                             TEST_CASE(bytes_grow_with_the_rows)};
  return RUN_TESTS("data.column", cases);
}
