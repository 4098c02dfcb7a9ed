/** @file helper_udf.h  Helpers of this room's tests: columns from text, plugins by name, one-call evaluation. */
#ifndef TESTS_HELPER_UDF_H
#define TESTS_HELPER_UDF_H
#include <string.h>

#include "../data/helper_data.h"
#include "udf/udf.h"

#define TEST_KEY "0123456789abcdef0123456789abcdef"
#define ALL_ROWS NULL

static inline const char *env_dir(const char *name) {
  const char *dir = getenv(name);
  ck_assert_msg(dir != NULL, "%s is not set: run this test by ctest", name);
  return dir;
}

/* Loads name from the project's plugins and the test plugins; config: key, value, ..., n_config pairs. */
static inline int load_with(ls_udf_registry *registry, const char *name, const char *pin,
                            const ls_udf_config_entry *config, size_t n_config, ls_error *err) {
  const char *dirs[] = {env_dir("LS_TEST_PLUGIN_DIR"), env_dir("LS_UDF_DIR")};
  return ls__udf_load(registry, name, dirs, 2, pin, config, n_config, err);
}

static inline void load(ls_udf_registry *registry, const char *name) {
  ls_error err = LS_ERROR_INIT;
  int rc = load_with(registry, name, NULL, NULL, 0, &err);
  ck_assert_msg(rc == LS_OK, "%s: %s", name, err.message);
}

#define ck_assert_has(text, part)                                                                                      \
  ck_assert_msg(strstr((text), (part)) != NULL, "'%s' does not say '%s'", (text), (part))

static inline ls_column *new_column(ls_arena *arena, const ls_type *type) {
  ls_column *column = LS_ARENA_NEW(arena, ls_column);
  ls__column_init(column, type, arena, 0);
  return column;
}

/* Appends one value; lists of strings are written "A,B", and "" has no elements. */
static inline void append_text(ls_column *column, const char *text) {
  ls_int128 decimal = 0;
  if (text == NULL) {
    ls__column_append_null(column);
    return;
  }
  switch (column->type->kind) {
  case LS_BOOL:
    ls__column_append_bool(column, text[0] == 't');
    break;
  case LS_DATE:
    ls__column_append_i32(column, (int32_t)strtol(text, NULL, 10));
    break;
  case LS_INT64:
  case LS_TIMESTAMP:
    ls__column_append_i64(column, strtoll(text, NULL, 10));
    break;
  case LS_FLOAT64:
    ls__column_append_f64(column, strtod(text, NULL));
    break;
  case LS_DECIMAL:
    ck_assert_int_eq(
        ls__decimal_parse(&decimal, ls__slice_of(text), column->type->precision, column->type->scale, false), LS_OK);
    ls__column_append_decimal(column, decimal);
    break;
  case LS_LIST:
    while (text[0] != '\0') {
      size_t len = strcspn(text, ",");
      ls__column_append_slice(&column->children[0], (ls_slice){text, len});
      text += len + (text[len] == ',');
    }
    ls__column_append_list_end(column);
    break;
  default:
    ls__column_append_slice(column, ls__slice_of(text));
    break;
  }
}

static inline ls_column *column_of(ls_arena *arena, const char *type, const char *const *values, size_t n) {
  ls_column *column = new_column(arena, type_of(arena, type));
  for (size_t i = 0; i < n; i++) append_text(column, values[i]);
  return column;
}
/* COLUMN(arena, "string", "a", NULL, "b") */
#define COLUMN(arena, type, ...)                                                                                       \
  column_of((arena), (type), (const char *const[]){__VA_ARGS__},                                                       \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* What an evaluation gave: the column, and its row errors as lines "row: text". */
typedef struct evaluated {
  int rc;
  ls_error err;
  const ls_type *type;
  ls_column *out;
  ls_buf row_errors;
} evaluated;

static inline void note_row_error(void *payload, int64_t row, const char *message) {
  ls__buf_printf(payload, "%lld: %s\n", (long long)row, message);
}

static inline evaluated eval_on(ls_udf_instance *instance, const ls_udf_fn *fn, const ls_column *const *args,
                                uint32_t n_args, int64_t n_rows, const uint64_t *active, const ls_stamp *stamps,
                                ls_arena *arena) {
  evaluated result = {.err = LS_ERROR_INIT, .row_errors = LS_BUF_INIT};
  const ls_type *types[8];
  for (uint32_t i = 0; i < n_args; i++) types[i] = args[i]->type;
  result.rc = ls__udf_bind(&result.type, fn, types, n_args, arena, &result.err);
  ck_assert_msg(result.rc == LS_OK, "%s", result.err.message);
  ls__buf_puts(&result.row_errors, "");
  result.out = new_column(arena, result.type);
  result.rc = ls__udf_eval(result.out, instance, result.type, args, n_args, n_rows, active, stamps, arena,
                           note_row_error, &result.row_errors, &result.err);
  if (result.rc == LS_OK) ck_assert_int_eq(result.out->n_rows, n_rows);
  return result;
}

static inline ls_udf_instance *open_fn(const ls_udf_registry *registry, const char *name) {
  const ls_udf_fn *fn = ls__udf_find_fn(registry, name);
  ck_assert_msg(fn != NULL, "no function %s", name);
  ls_udf_instance *instance = NULL;
  ls_error err = LS_ERROR_INIT;
  int rc = ls__udf_open_fn(&instance, registry, fn, &err);
  ck_assert_msg(rc == LS_OK, "%s", err.message);
  return instance;
}

/* Opens, evaluates all rows of one batch, closes. */
static inline evaluated eval_once(const ls_udf_registry *registry, const char *name, const ls_column *const *args,
                                  uint32_t n_args, int64_t n_rows, ls_arena *arena) {
  ls_udf_instance *instance = open_fn(registry, name);
  evaluated result = eval_on(instance, ls__udf_find_fn(registry, name), args, n_args, n_rows, ALL_ROWS, NULL, arena);
  ls__udf_close(instance);
  return result;
}

/* A column as JSON literals with a space between, for comparison with text. */
static inline const char *column_text(ls_arena *arena, const ls_column *column) {
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, "");
  for (int64_t row = 0; row < column->n_rows; row++) {
    if (row) ls__buf_putc(&text, ' ');
    ls__column_format_json(&text, column, row);
  }
  const char *copy = ls__arena_strndup(arena, text.ptr, text.len);
  ls__buf_fini(&text);
  return copy;
}
#endif
