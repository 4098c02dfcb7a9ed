/** @file helper_data.h  Helpers of this room's tests: random decimals, schemas from text. */
#ifndef TESTS_HELPER_DATA_H
#define TESTS_HELPER_DATA_H
#include "../base/helper_base.h"
#include "data/batch.h"

/* A decimal of 0..38 digits, each length as likely as any other, with many nines and zeros. */
static inline ls_int128 random_decimal(test_rng *rng) {
  int n = (int)rng_below(rng, 39);
  unsigned shape = (unsigned)rng_below(rng, 4);
  ls_int128 value = 0;
  for (int i = 0; i < n; i++) {
    unsigned digit = (unsigned)rng_below(rng, 10);
    if (shape == 0) digit = 9;
    if (shape == 1 && i > 0) digit = rng_below(rng, 8) ? 0 : digit;
    value = value * 10 + digit;
  }
  return rng_next(rng) & 1 ? -value : value;
}

static inline const ls_type *type_of(ls_arena *arena, const char *text) {
  const ls_type *type = NULL;
  ls_error err = LS_ERROR_INIT;
  int rc = ls__type_parse(&type, arena, ls__slice_of(text), &err);
  ck_assert_msg(rc == LS_OK, "%s: %s", text, err.message);
  return type;
}

/* A schema with fields f0, f1, ... of the given types, all nullable, no key. */
static inline ls_schema *schema_of(ls_arena *arena, const char *const *types, uint32_t n) {
  ls_schema *schema = LS_ARENA_NEW(arena, ls_schema);
  schema->name = "test";
  schema->fields = LS_ARENA_ARRAY(arena, ls_field, n);
  schema->n_fields = n;
  schema->time_field = -1;
  for (uint32_t i = 0; i < n; i++) {
    schema->fields[i].name = ls__arena_printf(arena, "f%u", i);
    schema->fields[i].type = type_of(arena, types[i]);
    schema->fields[i].nullable = true;
  }
  return schema;
}

/* Appends a random value; null in one of n_null rows (0: never). Text may hold NULs. */
static inline void append_random(ls_column *column, test_rng *rng, unsigned n_null) {
  static const int64_t special[] = {0, 1, -1, INT64_MAX, INT64_MIN, 255, 256, -256};
  static const double floats[] = {0.0, -0.0, 1.5, -1.5, 1e300, -1e300, 5e-324, -5e-324};
  if (n_null && rng_below(rng, n_null) == 0) {
    ls__column_append_null(column);
    return;
  }
  switch (column->type->kind) {
  case LS_BOOL:
    ls__column_append_bool(column, rng_next(rng) & 1);
    break;
  case LS_INT64:
  case LS_TIMESTAMP:
    ls__column_append_i64(column, rng_next(rng) & 1 ? special[rng_below(rng, 8)] : (int64_t)rng_next(rng));
    break;
  case LS_DATE:
    ls__column_append_i32(column, (int32_t)rng_next(rng));
    break;
  case LS_FLOAT64:
    ls__column_append_f64(column,
                          rng_next(rng) & 1 ? floats[rng_below(rng, 8)] : (double)(int64_t)rng_next(rng) / 1024.0);
    break;
  case LS_DECIMAL:
    ls__column_append_decimal(column, random_decimal(rng));
    break;
  case LS_STRING:
  case LS_BYTES: {
    char text[40];
    size_t len = rng_below(rng, rng_next(rng) & 1 ? 4 : sizeof text);
    for (size_t i = 0; i < len; i++)
      text[i] = "\0\x01\x7F"
                "abz"[rng_below(rng, 6)];
    ls__column_append_slice(column, (ls_slice){text, len});
    break;
  }
  case LS_LIST:
    for (uint64_t n = rng_below(rng, 4); n > 0; n--) append_random(&column->children[0], rng, n_null);
    ls__column_append_list_end(column);
    break;
  default:
    for (uint32_t i = 0; i < column->type->n_fields; i++) append_random(&column->children[i], rng, n_null);
    ls__column_append_struct_end(column);
  }
}

static const char *const all_types[] = {"bool",
                                        "int64",
                                        "float64",
                                        "decimal(38,4)",
                                        "string",
                                        "bytes",
                                        "timestamp",
                                        "date",
                                        "list<string>",
                                        "list<int64>",
                                        "list<list<date>>",
                                        "list<struct<a: string, b: list<bool>>>",
                                        "struct<a: int64, b: string, c: struct<d: decimal(38,2), e: list<string>>>"};
#define N_ALL_TYPES (sizeof all_types / sizeof all_types[0])
#endif
