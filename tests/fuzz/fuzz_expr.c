/**
 * @file fuzz_expr.c
 * Any text as an expression over one schema. What compiles is evaluated over a small batch, whole
 * and with some rows, and its canonical text must compile to the same text again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "expr/expr.h"

static ls_arena rows_arena;
static ls_schema schema, table_schema;
static ls_batch *batch, *table_rows;
static ls_expr_table table;

static void append_number(ls_column *col, int64_t v) {
  switch (col->type->kind) {
  case LS_BOOL:
    ls__column_append_bool(col, v & 1);
    break;
  case LS_INT64:
    ls__column_append_i64(col, v == 5 ? INT64_MIN : v == 6 ? INT64_MAX : v);
    break;
  case LS_TIMESTAMP:
    ls__column_append_i64(col, v * INT64_C(1000000000000000) - 5000000000000000);
    break;
  case LS_FLOAT64:
    ls__column_append_f64(col, (double)v * 0.5 - 1);
    break;
  case LS_DATE:
    ls__column_append_i32(col, (int32_t)(v * 10000) - 20000);
    break;
  case LS_DECIMAL:
    ls__column_append_decimal(col, (ls_int128)v * 1000003 - 2000000);
    break;
  case LS_LIST:
    for (int64_t i = 0; i < v % 4; i++) append_number(&col->children[0], v + i);
    ls__column_append_list_end(col);
    break;
  case LS_STRUCT:
    for (uint32_t i = 0; i < col->type->n_fields; i++) append_number(&col->children[i], v + i);
    ls__column_append_struct_end(col);
    break;
  default: {
    static const char *const texts[] = {"", "a", "Zürich", "USD", "12.5", "2026-03-01", "a,b,,c", "%_\\"};
    ls__column_append_slice(col, ls__slice_of(texts[v & 7]));
  }
  }
}

static void make_schema(ls_schema *out, const char *const (*fields)[2], uint32_t n) {
  out->name = "fuzz";
  out->fields = LS_ARENA_ARRAY(&rows_arena, ls_field, n);
  out->n_fields = n;
  out->time_field = -1;
  for (uint32_t i = 0; i < n; i++) {
    ls_error err = LS_ERROR_INIT;
    out->fields[i].name = fields[i][0];
    out->fields[i].nullable = true;
    ls_assert(ls__type_parse(&out->fields[i].type, &rows_arena, ls__slice_of(fields[i][1]), &err) == LS_OK);
  }
}

static ls_batch *make_rows(const ls_schema *s, int n_rows) {
  ls_batch *rows = ls__batch_new(s, &rows_arena, n_rows);
  for (int row = 0; row < n_rows; row++) {
    for (uint32_t i = 0; i < s->n_fields; i++) {
      if ((row * 7 + (int)i) % 5 == 0) {
        ls__column_append_null(&rows->columns[i]);
      } else {
        append_number(&rows->columns[i], row);
      }
    }
    ls__batch_append_meta(rows, row, (ls_stamp){row, 0});
  }
  return rows;
}

static const ls_batch *current_rows(void *payload, uint64_t *version) {
  (void)payload;
  *version = 1;
  return table_rows;
}

static void start(void) {
  static const char *const fields[][2] = {{"a", "int64"},
                                          {"d", "decimal(18,4)"},
                                          {"w", "decimal(38,10)"},
                                          {"f", "float64"},
                                          {"b", "bool"},
                                          {"s", "string"},
                                          {"t", "timestamp"},
                                          {"y", "date"},
                                          {"l", "list<string>"},
                                          {"n", "list<int64>"},
                                          {"x", "struct<a: int64, b: string>"},
                                          {"r", "bytes"},
                                          {"m.level", "string"}};
  static const char *const policy[][2] = {{"kind", "string"}, {"active", "bool"}, {"max", "int64"}};
  ls__arena_init(&rows_arena, 0);
  make_schema(&schema, fields, sizeof fields / sizeof fields[0]);
  make_schema(&table_schema, policy, 3);
  batch = make_rows(&schema, 9);
  table_rows = make_rows(&table_schema, 5);
  table = (ls_expr_table){"policies", &table_schema, current_rows, NULL};
}

static void check_canonical(const ls_expr *expr, const ls_expr_env *env, ls_arena *arena) {
  ls_buf once = LS_BUF_INIT, twice = LS_BUF_INIT;
  ls_expr *again = NULL;
  ls_expr_error where;
  ls__expr_format(&once, expr);
  if (once.len <= 65536) {
    ls_assert(ls__expr_compile(&again, ls__buf_slice(&once), env, arena, &where) == LS_OK);
    ls__expr_format(&twice, again);
    ls_assert(ls__slice_eq(ls__buf_slice(&once), ls__buf_slice(&twice)));
    ls_assert(ls__type_eq(ls__expr_type(expr), ls__expr_type(again)));
  }
  ls__buf_fini(&once);
  ls__buf_fini(&twice);
}

static void on_row_error(void *payload, int64_t row, const char *message) {
  ls_assert(row >= 0 && row < batch->n_rows && message[0] != '\0');
  ls_assert(payload == NULL || LS_BIT_GET((uint64_t *)payload, row));
}

static void evaluate(ls_expr *expr, const ls_expr_env *env, ls_arena *arena) {
  ls_expr_state *state = NULL;
  ls_error err = LS_ERROR_INIT;
  uint64_t some = 0x155;
  ls_assert(ls__expr_state_new(&state, expr, env, &err) == LS_OK);
  for (int round = 0; round < 2; round++) {
    ls_column out;
    ls_assert(ls__expr_eval(&out, state, batch, round ? &some : NULL, arena, on_row_error, round ? &some : NULL,
                            &err) == LS_OK);
    ls_assert(out.n_rows == batch->n_rows && ls__type_eq(out.type, ls__expr_type(expr)));
    for (int64_t row = 0; row < out.n_rows; row++) {
      ls_buf buf = LS_BUF_INIT;
      ls__column_format_json(&buf, &out, row);
      ls__buf_fini(&buf);
    }
  }
  ls__expr_state_free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!batch) start();
  if (size > 4096) return 0;
  ls_arena arena;
  ls_expr *expr = NULL;
  ls_expr_error where = {.offset = 0};
  ls_expr_env env = {.schema = &schema, .tables = &table, .n_tables = 1};
  ls__arena_init(&arena, 0);
  if (ls__expr_compile(&expr, (ls_slice){(const char *)data, size}, &env, &arena, &where) == LS_OK) {
    check_canonical(expr, &env, &arena);
    evaluate(expr, &env, &arena);
  } else {
    ls_assert(where.message[0] != '\0' && where.offset + where.length <= size);
  }
  ls__arena_fini(&arena);
  return 0;
}
