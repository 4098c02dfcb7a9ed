/** @file test_key.c  Key bytes: memcmp order is value order, for every type; injective. */
#include <math.h>
#include <string.h>

#include "data/row.h"
#include "helper_data.h"

static int sign(int order) {
  return (order > 0) - (order < 0);
}
#define CMP(a, b) (((a) > (b)) - ((a) < (b)))

static int cmp_values(const ls_column *c, int64_t a, int64_t b);

static int cmp_lists(const ls_column *c, int64_t a, int64_t b) {
  int64_t n_a = c->offsets[a + 1] - c->offsets[a], n_b = c->offsets[b + 1] - c->offsets[b];
  for (int64_t i = 0; i < n_a && i < n_b; i++) {
    int order = cmp_values(&c->children[0], c->offsets[a] + i, c->offsets[b] + i);
    if (order) return order;
  }
  return CMP(n_a, n_b);
}

/* The order by definition: nulls first, then by value. */
static int cmp_values(const ls_column *c, int64_t a, int64_t b) {
  if (ls__is_null(c, a) || ls__is_null(c, b)) return CMP(!ls__is_null(c, a), !ls__is_null(c, b));
  switch (c->type->kind) {
  case LS_BOOL:
    return CMP(LS_BIT_GET(c->values, a), LS_BIT_GET(c->values, b));
  case LS_INT64:
  case LS_TIMESTAMP:
    return CMP(ls__column_i64(c)[a], ls__column_i64(c)[b]);
  case LS_DATE:
    return CMP(ls__column_i32(c)[a], ls__column_i32(c)[b]);
  case LS_FLOAT64:
    return CMP(ls__column_f64(c)[a], ls__column_f64(c)[b]);
  case LS_DECIMAL:
    return CMP(ls__i128_get(ls__column_i128(c)[a]), ls__i128_get(ls__column_i128(c)[b]));
  case LS_STRING:
  case LS_BYTES:
    return sign(ls__slice_cmp(ls__column_slice(c, a), ls__column_slice(c, b)));
  case LS_LIST:
    return cmp_lists(c, a, b);
  default:
    for (uint32_t i = 0; i < c->type->n_fields; i++) {
      int order = cmp_values(&c->children[i], a, b);
      if (order) return order;
    }
    return 0;
  }
}

static ls_slice *encode_all(ls_arena *arena, const ls_column *column) {
  ls_slice *keys = LS_ARENA_ARRAY(arena, ls_slice, column->n_rows);
  for (int64_t i = 0; i < column->n_rows; i++) {
    ls_buf out = LS_BUF_INIT;
    ls__key_encode_value(&out, column, i);
    keys[i] = (ls_slice){ls__arena_strndup(arena, out.ptr, out.len), out.len};
    ls__buf_fini(&out);
  }
  return keys;
}

START_TEST(order_of_bytes_is_order_of_values) {
  test_rng rng = rng_new();
  for (size_t t = 0; t < N_ALL_TYPES; t++) {
    ls_arena arena;
    ls__arena_init(&arena, 0);
    ls_column column;
    ls__column_init(&column, type_of(&arena, all_types[t]), &arena, 0);
    for (int i = 0; i < 400; i++) append_random(&column, &rng, 10);
    ls_slice *keys = encode_all(&arena, &column);
    for (int64_t a = 0; a < 400; a++)
      for (int64_t b = 0; b < 400; b++)
        if (sign(ls__slice_cmp(keys[a], keys[b])) != cmp_values(&column, a, b))
          ck_abort_msg("%s rows %lld and %lld, seed %llu", all_types[t], (long long)a, (long long)b,
                       (unsigned long long)rng.seed);
    ls__arena_fini(&arena);
  }
}
END_TEST

/* Values side by side: one key must never be the start of another, or ("a","bc") met ("ab","c"). */
START_TEST(no_key_is_the_start_of_another) {
  test_rng rng = rng_new();
  for (size_t t = 0; t < N_ALL_TYPES; t++) {
    ls_arena arena;
    ls__arena_init(&arena, 0);
    ls_column column;
    ls__column_init(&column, type_of(&arena, all_types[t]), &arena, 0);
    for (int i = 0; i < 400; i++) append_random(&column, &rng, 10);
    ls_slice *keys = encode_all(&arena, &column);
    for (int64_t a = 0; a < 400; a++)
      for (int64_t b = 0; b < 400; b++)
        if (keys[a].len < keys[b].len) ck_assert(memcmp(keys[a].ptr, keys[b].ptr, keys[a].len) != 0);
    ls__arena_fini(&arena);
  }
}
END_TEST

START_TEST(composite_keys_order_field_by_field) {
  test_rng rng = rng_new();
  ls_arena arena;
  ls__arena_init(&arena, 0);
  static const char *const types[] = {"string", "int64", "decimal(18,4)", "string"};
  ls_schema *schema = schema_of(&arena, types, 4);
  ls_batch *batch = ls__batch_new(schema, &arena, 0);
  const uint32_t fields[] = {3, 0, 2};
  ls_slice keys[300];
  for (int i = 0; i < 300; i++) {
    for (int k = 0; k < 4; k++) append_random(&batch->columns[k], &rng, 6);
    ls__batch_append_meta(batch, 0, (ls_stamp){0, 0});
    ls_buf out = LS_BUF_INIT;
    ls__buf_puts(&out, "prefix"); /* key bytes are appended */
    ls__key_encode(&out, batch, fields, 3, i);
    ck_assert(memcmp(out.ptr, "prefix", 6) == 0);
    keys[i] = (ls_slice){ls__arena_strndup(&arena, out.ptr, out.len), out.len};
    ls__buf_fini(&out);
    bool null = false;
    for (int k = 0; k < 3; k++) null |= ls__is_null(&batch->columns[fields[k]], i);
    ck_assert_int_eq(ls__key_has_null(batch, fields, 3, i), null);
  }
  for (int a = 0; a < 300; a++)
    for (int b = 0; b < 300; b++) {
      int want = 0;
      for (int k = 0; k < 3 && want == 0; k++) want = cmp_values(&batch->columns[fields[k]], a, b);
      ck_assert_int_eq(sign(ls__slice_cmp(keys[a], keys[b])), want);
    }
  ls__arena_fini(&arena);
}
END_TEST

/* Stored data depends on these bytes: a change is a change of format. */
START_TEST(bytes_never_change) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  static const char *const types[] = {"bool",   "int64", "float64",      "decimal(38,0)",
                                      "string", "date",  "list<string>", "string"};
  ls_schema *schema = schema_of(&arena, types, 8);
  ls_batch *batch = ls__batch_new(schema, &arena, 0);
  ls_column *c = batch->columns;
  ls__column_append_bool(&c[0], true);
  ls__column_append_i64(&c[1], -2);
  ls__column_append_f64(&c[2], 1.0);
  ls__column_append_decimal(&c[3], 258);
  ls__column_append_slice(&c[4], (ls_slice){"a\0b", 3});
  ls__column_append_i32(&c[5], 1);
  ls__column_append_slice(&c[6].children[0], ls__slice_of("x"));
  ls__column_append_null(&c[6].children[0]);
  ls__column_append_list_end(&c[6]);
  ls__column_append_null(&c[7]);
  static const ls_slice want[] = {{"\x01\x01", 2},
                                  {"\x01\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFE", 9},
                                  {"\x01\xBF\xF0\0\0\0\0\0\0", 9},
                                  {"\x01\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02", 17},
                                  {"\x01"
                                   "a\0\x01"
                                   "b\0\0",
                                   7},
                                  {"\x01\x80\0\0\x01", 5},
                                  {"\x01\x01\x01x\0\0\x01\0\0", 9},
                                  {"\0", 1}};
  for (uint32_t i = 0; i < 8; i++) {
    ls_buf out = LS_BUF_INIT;
    ls__key_encode(&out, batch, &i, 1, 0);
    ck_assert_msg(ls__slice_eq(ls__buf_slice(&out), want[i]), "%s", types[i]);
    ls__buf_fini(&out);
  }
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(one_zero_one_nan_and_short_strings) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls_column c;
  ls__column_init(&c, &ls__type_float64, &arena, 0);
  const double values[] = {-(double)INFINITY, -1e300, -5e-324, 0.0, 5e-324, 1.0, (double)INFINITY, (double)NAN};
  for (int i = 0; i < 8; i++) ls__column_append_f64(&c, values[i]);
  ls__column_append_f64(&c, -0.0);
  ls__column_append_f64(&c, -(double)NAN);
  ls_slice *keys = encode_all(&arena, &c);
  for (int a = 0; a < 8; a++)
    for (int b = 0; b < 8; b++) ck_assert_int_eq(sign(ls__slice_cmp(keys[a], keys[b])), CMP(a, b));
  ck_assert(ls__slice_eq(keys[8], keys[3]) && ls__slice_eq(keys[9], keys[7]));
  ls_column text;
  ls__column_init(&text, &ls__type_string, &arena, 0);
  char big[1000];
  memset(big, 'x', sizeof big);
  for (size_t len = 0; len < sizeof big; len += 111) ls__column_append_slice(&text, (ls_slice){big, len});
  keys = encode_all(&arena, &text);
  for (int64_t i = 0; i < text.n_rows; i++) ck_assert_uint_eq(keys[i].len, (size_t)i * 111 + 3);
  ls__arena_fini(&arena);
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(order_of_bytes_is_order_of_values), TEST_CASE(no_key_is_the_start_of_another),
                             TEST_CASE(composite_keys_order_field_by_field), TEST_CASE(bytes_never_change),
                             TEST_CASE(one_zero_one_nan_and_short_strings)};
  return RUN_TESTS("data.key", cases);
}
