/** @file helper_expr.c */
#include "helper_expr.h"

#include "data/datetime.h"

static ls_slice next_part(ls_slice *rest, char separator) {
  const char *at = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
  ls_slice part = {rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len};
  size_t used = part.len + (at ? 1 : 0);
  *rest = (ls_slice){rest->ptr + used, rest->len - used};
  while (part.len && (part.ptr[0] == ' ' || part.ptr[0] == '\n')) part = (ls_slice){part.ptr + 1, part.len - 1};
  while (part.len && part.ptr[part.len - 1] == ' ') part.len--;
  return part;
}

static bool cut_word(ls_slice *text, const char *word) {
  size_t n = strlen(word);
  if (text->len < n || memcmp(text->ptr + text->len - n, word, n) != 0) return false;
  text->len -= n;
  return true;
}

void bench_schema(ls_schema *out, ls_arena *arena, const char *fields) {
  ls_slice rest = ls__slice_of(fields);
  memset(out, 0, sizeof *out);
  out->name = "test";
  out->fields = LS_ARENA_ARRAY(arena, ls_field, 64);
  out->time_field = -1;
  while (rest.len) {
    ls_slice part = next_part(&rest, ';');
    if (part.len == 0) continue;
    ls_field *f = &out->fields[out->n_fields++];
    f->sensitive = cut_word(&part, " sensitive");
    f->nullable = cut_word(&part, " null");
    ls_slice name = next_part(&part, ' ');
    f->name = ls__arena_strndup(arena, name.ptr, name.len);
    ls_error err = LS_ERROR_INIT;
    ck_assert_msg(ls__type_parse(&f->type, arena, part, &err) == LS_OK, "%s", err.message);
  }
}

void bench_init(bench *b, const char *fields) {
  memset(b, 0, sizeof *b);
  ls__arena_init(&b->arena, 0);
  ls__arena_init(&b->scratch, 0);
  bench_schema(&b->schema, &b->arena, fields);
  b->batch = ls__batch_new(&b->schema, &b->arena, 4);
  b->env.schema = &b->schema;
}

void bench_fini(bench *b) {
  ls__arena_fini(&b->arena);
  ls__arena_fini(&b->scratch);
}

static void append_parts(ls_column *col, ls_slice inner) {
  for (uint32_t i = 0; inner.len; i++) {
    ls_slice part = next_part(&inner, ',');
    char text[256];
    snprintf(text, sizeof text, "%.*s", (int)part.len, part.ptr);
    cell_append(&col->children[col->type->kind == LS_LIST ? 0 : i], text);
  }
}

void cell_append(ls_column *col, const char *cell) {
  ls_slice text = ls__slice_of(cell), inner = {text.ptr + 1, text.len - 2};
  ls_int128 value = 0;
  int64_t us = 0;
  int32_t days = 0;
  if (strcmp(cell, "~") == 0) {
    ls__column_append_null(col);
    return;
  }
  switch (col->type->kind) {
  case LS_BOOL:
    ls__column_append_bool(col, cell[0] == 't');
    break;
  case LS_INT64:
    ls__column_append_i64(col, strtoll(cell, NULL, 10));
    break;
  case LS_FLOAT64:
    ls__column_append_f64(col, strtod(cell, NULL));
    break;
  case LS_DECIMAL:
    ck_assert_int_eq(ls__decimal_parse(&value, text, col->type->precision, col->type->scale, false), LS_OK);
    ls__column_append_decimal(col, value);
    break;
  case LS_TIMESTAMP:
    ck_assert_int_eq(ls__timestamp_parse(&us, text), LS_OK);
    ls__column_append_i64(col, us);
    break;
  case LS_DATE:
    ck_assert_int_eq(ls__date_parse(&days, text), LS_OK);
    ls__column_append_i32(col, days);
    break;
  case LS_LIST:
    append_parts(col, inner);
    ls__column_append_list_end(col);
    break;
  case LS_STRUCT:
    append_parts(col, inner);
    ls__column_append_struct_end(col);
    break;
  default:
    ls__column_append_slice(col, text);
  }
}

void bench_row(bench *b, const char *const *cells) {
  int64_t n = b->batch->n_rows;
  for (uint32_t i = 0; i < b->schema.n_fields; i++) cell_append(&b->batch->columns[i], cells[i]);
  ls__batch_append_meta(b->batch, 1000000 * (n + 1), (ls_stamp){2000000 * (n + 1), (uint64_t)n});
}

void bench_standard(bench *b) {
  static const char *const rows[][17] = {
      {"t1", "12.5000", "1.25", "7", "9223372036854775807", "0.8", "t", "2026-03-01T09:15:02.125Z",
       "2026-03-01T09:20:00Z", "2026-03-01", "Ada", "[KYC,AML]", "[1,2]", "{1,x}", "HIGH", "u1", "raw"},
      {"t2", "-0.0001", "~", "0", "-9223372036854775808", "0.25", "f", "1969-12-31T23:59:59.999999Z", "~", "2024-02-29",
       "~", "[]", "~", "~", "~", "u2", "b"},
      {"t3", "10000.0000", "99999999.99", "~", "1", "~", "~", "2026-12-31T23:59:59Z", "2026-03-01T00:00:00Z",
       "2026-12-31", "Zürich", "[b,~,a]", "[3,~]", "{~,y}", "LOW", "u3", ""},
      {"t4", "0.0000", "0.00", "-3", "0", "-1.5", "t", "2000-02-29T12:00:00Z", "2000-02-28T12:00:00Z", "2000-02-29", "",
       "~", "[]", "{4,~}", "MEDIUM", "u4", "~"},
  };
  bench_init(b, "id string; amount decimal(18,4); fee decimal(10,2) null; qty int64 null; big "
                "int64; score float64 null; "
                "flag bool null; ts timestamp; t2 timestamp null; day date; name string null; tags "
                "list<string> null; "
                "nums list<int64> null; st struct<a: int64, b: string> null; merchants.risk_level "
                "string null; "
                "user_id string sensitive; raw bytes null");
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) bench_row(b, rows[i]);
}

static char result_text[1 << 20];
static ls_expr_error where;

static void format_error(void) {
  snprintf(result_text, sizeof result_text, "E%zu+%zu %s", where.offset, where.length, where.message);
}

static void keep_error(void *payload, int64_t row, const char *message) {
  const char **errors = payload;
  ck_assert_msg(errors[row] == NULL, "row %d reported twice: %s, %s", (int)row, errors[row], message);
  errors[row] = message;
}

const char *run_active(bench *b, const char *text, const uint64_t *active) {
  ls_expr *expr = NULL;
  ls_error err = LS_ERROR_INIT;
  ls__arena_reset(&b->scratch);
  memset(&where, 0, sizeof where);
  if (ls__expr_compile(&expr, ls__slice_of(text), &b->env, &b->scratch, &where) != LS_OK) {
    format_error();
    return result_text;
  }
  ls_expr_state *state = NULL;
  ck_assert_msg(ls__expr_state_new(&state, expr, &b->env, &err) == LS_OK, "%s", err.message);
  const char **errors = (const char **)LS_ARENA_ARRAY(&b->scratch, char *, b->batch->n_rows + 1);
  ls_column out;
  ck_assert_int_eq(ls__expr_eval(&out, state, b->batch, active, &b->scratch, keep_error, errors, &err), LS_OK);
  ck_assert_int_eq(out.n_rows, b->batch->n_rows);
  ck_assert(ls__type_eq(out.type, ls__expr_type(expr)));
  ls_buf buf = LS_BUF_INIT;
  ls__buf_puts(&buf, "");
  for (int64_t i = 0; i < out.n_rows; i++) {
    if (active && !LS_BIT_GET(active, i)) {
      ck_assert_msg(errors[i] == NULL, "inactive row %d reported: %s", (int)i, errors[i]);
      continue;
    }
    if (buf.len) ls__buf_putc(&buf, ' ');
    if (errors[i]) {
      ck_assert(ls__is_null(&out, i));
      ls__buf_printf(&buf, "!%s", errors[i]);
    } else {
      ls__column_format_json(&buf, &out, i);
      if (ls__is_null(&out, i)) ck_assert_msg(ls__expr_nullable(expr), "%s: null, but not nullable", text);
    }
  }
  snprintf(result_text, sizeof result_text, "%s", buf.ptr);
  ls__buf_fini(&buf);
  ls__expr_state_free(state);
  return result_text;
}

const char *run(bench *b, const char *text) {
  return run_active(b, text, NULL);
}

ls_expr *must_compile(bench *b, const char *text) {
  ls_expr *expr = NULL;
  int rc = ls__expr_compile(&expr, ls__slice_of(text), &b->env, &b->scratch, &where);
  ck_assert_msg(rc == LS_OK, "%s: E%zu+%zu %s", text, where.offset, where.length, where.message);
  return expr;
}

const char *type_of(bench *b, const char *text) {
  ls_expr *expr = NULL;
  if (ls__expr_compile(&expr, ls__slice_of(text), &b->env, &b->scratch, &where) != LS_OK) {
    format_error();
    return result_text;
  }
  ls_buf buf = LS_BUF_INIT;
  ls__type_format(&buf, ls__expr_type(expr));
  snprintf(result_text, sizeof result_text, "%s", buf.ptr);
  ls__buf_fini(&buf);
  return result_text;
}

int run_suite(const char *name, const TTest *const *tests, size_t n) {
  Suite *suite = suite_create(name);
  TCase *tc = tcase_create(name);
  tcase_set_timeout(tc, 120);
  for (size_t i = 0; i < n; i++) tcase_add_test(tc, tests[i]);
  suite_add_tcase(suite, tc);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
