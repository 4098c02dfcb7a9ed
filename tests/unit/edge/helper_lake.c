/** @file helper_lake.c  Lakes, rows and files for the tests of the edge room. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "helper_lake.h"

#include <ftw.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/datetime.h"

const char test_all_types[] = "id: string not null, flag: bool, count: int64, score: float64, "
                              "amount: decimal(18,4), total: decimal(38,10), "
                              "rate: decimal(9,2) not null, name: string, raw: bytes, at: "
                              "timestamp, day: date, flags: list<string>, "
                              "parts: list<decimal(18,4)>, pair: struct<left: int64, right: "
                              "string>, deep: list<list<int64>>, "
                              "rows: list<struct<a: bool, b: list<string>>>";

void test_lake_open(test_lake *t) {
  ls_error err = LS_ERROR_INIT;
  memset(t, 0, sizeof *t);
  ls__arena_init(&t->arena, 0);
  const char *tmp = getenv("TMPDIR");
  snprintf(t->work, sizeof t->work, "%s/ls-lake-XXXXXX", tmp ? tmp : "/tmp");
  ck_assert_ptr_nonnull(mkdtemp(t->work));
  const char *remote = getenv("LS_TEST_LAKE");
  if (remote && remote[0]) {
    snprintf(t->root, sizeof t->root, "%s/%s", remote, strrchr(t->work, '-') + 1);
  } else {
    snprintf(t->root, sizeof t->root, "%s/lake", t->work);
  }
  ck_ok(ls__lake_open(&t->lake, t->root, &err));
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *ftw) {
  (void)info, (void)flag, (void)ftw;
  return remove(path);
}

void test_lake_close(test_lake *t) {
  ls__lake_close(t->lake);
  ls__arena_fini(&t->arena);
  nftw(t->work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void test_put(test_lake *t, const char *path, const void *bytes, size_t len) {
  ls_error err = LS_ERROR_INIT;
  ls_lake_stage *stage = NULL;
  ck_ok(ls__lake_stage_new(&stage, t->lake, "put", t->work, &err));
  ck_ok(ls__lake_stage_bytes(stage, path, (ls_slice){bytes, len}, &err));
  ck_ok(ls__lake_stage_publish(stage, path, &err));
  ls__lake_stage_free(stage);
}

ls_buf test_get(test_lake *t, const char *path, size_t piece_bytes) {
  ls_error err = LS_ERROR_INIT;
  ls_lake_reader *reader = NULL;
  ls_buf out = LS_BUF_INIT;
  char *piece = ls__alloc(piece_bytes);
  ck_ok(ls__lake_reader_open(&reader, t->lake, path, &err));
  for (size_t n = 1; n > 0;) {
    ck_ok(ls__lake_read(reader, piece, piece_bytes, &n, &err));
    ls__buf_append(&out, piece, n);
  }
  ls__lake_reader_close(reader);
  ls__free(piece);
  return out;
}

static int32_t days_of(const char *date, int32_t otherwise) {
  int32_t days = otherwise;
  if (date) ck_assert_int_eq(ls__date_parse(&days, ls__slice_of(date)), LS_OK);
  return days;
}

char *test_list(test_lake *t, const char *pattern, const char *from, const char *to) {
  ls_error err = LS_ERROR_INIT;
  ls_lake_files files;
  ls_buf text = LS_BUF_INIT;
  ck_ok(ls__lake_list(&files, t->lake, pattern, days_of(from, INT32_MIN), days_of(to, INT32_MAX), &err));
  for (size_t i = 0; i < files.n; i++) ls__buf_printf(&text, "%s%s", i ? " " : "", files.files[i].path);
  ls__lake_files_free(&files);
  char *out = ls__arena_strndup(&t->arena, text.ptr, text.len);
  ls__buf_fini(&text);
  return out;
}

/* Splits at commas outside of brackets. */
static size_t item_len(const char *text) {
  int depth = 0;
  size_t i = 0;
  for (; text[i] && (text[i] != ',' || depth > 0); i++) {
    depth += text[i] == '<' || text[i] == '(';
    depth -= text[i] == '>' || text[i] == ')';
  }
  return i;
}

ls_schema *test_schema(ls_arena *arena, const char *text) {
  ls_error err = LS_ERROR_INIT;
  ls_schema *schema = LS_ARENA_NEW(arena, ls_schema);
  schema->name = "test";
  schema->fields = LS_ARENA_ARRAY(arena, ls_field, 64);
  schema->time_field = -1;
  schema->key = LS_ARENA_ARRAY(arena, uint32_t, 1);
  schema->n_key = 1;
  for (const char *at = text; *at;) {
    size_t len = item_len(at);
    const char *colon = memchr(at, ':', len);
    ls_field *field = &schema->fields[schema->n_fields++];
    field->name = ls__arena_strndup(arena, at, (size_t)(colon - at));
    ls_slice type = {colon + 2, len - (size_t)(colon + 2 - at)};
    field->nullable = type.len < 9 || memcmp(type.ptr + type.len - 9, " not null", 9) != 0;
    if (!field->nullable) type.len -= 9;
    ck_ok(ls__type_parse(&field->type, arena, type, &err));
    at += len;
    while (*at == ',' || *at == ' ') at++;
  }
  return schema;
}

/* -- rows -------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

static void append_text(ls_column *column, uint64_t *state, bool is_bytes) {
  static const char *const words[] = {"",
                                      "a",
                                      "KYC_REQUIRED",
                                      "gr\xC3\xBC\xC3\x9F"
                                      "e",
                                      "\xE2\x82\xAC 12",
                                      "a longer text of words"};
  uint64_t r = next_random(state);
  char text[64];
  if (is_bytes) {
    memcpy(text, &r, 8);
    ls__column_append_slice(column, (ls_slice){text, r % 9});
  } else if (r & 1) {
    ls__column_append_slice(column, ls__slice_of(words[(r >> 8) % 6]));
  } else {
    int n = snprintf(text, sizeof text, "t-%llx", (unsigned long long)r);
    ls__column_append_slice(column, (ls_slice){text, (size_t)n});
  }
}

static void append_decimal(ls_column *column, uint64_t *state) {
  ls_int128 bound = ls__pow10[column->type->precision];
  ls_int128 value = ((ls_int128)(next_random(state) >> 1) << 62) ^ (ls_int128)next_random(state);
  uint64_t r = next_random(state);
  value %= bound;
  if (r % 16 == 0) value = bound - 1;
  if (r % 16 == 1) value = 0;
  ls__column_append_decimal(column, r & 16 ? -value : value);
}

static void append_random(ls_column *column, uint64_t *state, bool nullable) {
  uint64_t r = next_random(state);
  if (nullable && r % 5 == 0) {
    ls__column_append_null(column);
    return;
  }
  switch (column->type->kind) {
  case LS_BOOL:
    ls__column_append_bool(column, r & 64);
    break;
  case LS_INT64:
    ls__column_append_i64(column, (int64_t)next_random(state));
    break;
  case LS_TIMESTAMP:
    ls__column_append_i64(column, (int64_t)(next_random(state) >> 12) - (INT64_C(1) << 40));
    break;
  case LS_FLOAT64:
    ls__column_append_f64(column, (double)(int64_t)next_random(state) / 1e6);
    break;
  case LS_DATE:
    ls__column_append_i32(column, (int32_t)(next_random(state) % 40000) - 10000);
    break;
  case LS_DECIMAL:
    append_decimal(column, state);
    break;
  case LS_STRING:
    append_text(column, state, false);
    break;
  case LS_BYTES:
    append_text(column, state, true);
    break;
  case LS_LIST:
    for (uint64_t n = next_random(state) % 4; n > 0; n--) append_random(&column->children[0], state, true);
    ls__column_append_list_end(column);
    break;
  case LS_STRUCT:
    for (uint32_t i = 0; i < column->type->n_fields; i++) append_random(&column->children[i], state, true);
    ls__column_append_struct_end(column);
    break;
  case LS_NONE:
    break;
  }
}

ls_batch *test_rows(ls_arena *arena, const ls_schema *schema, int64_t n_rows, uint64_t seed) {
  ls_batch *batch = ls__batch_new(schema, arena, 0);
  uint64_t state = seed;
  for (int64_t row = 0; row < n_rows; row++) {
    for (uint32_t i = 0; i < schema->n_fields; i++) {
      append_random(&batch->columns[i], &state, schema->fields[i].nullable);
    }
    ls__batch_append_meta(batch, row, (ls_stamp){row, (uint64_t)row});
  }
  return batch;
}

static void view_column(ls_column *out, const ls_column *column, int64_t first, int64_t n, ls_arena *arena) {
  *out = *column;
  out->arena = NULL;
  out->n_rows = n;
  if (column->validity) out->validity = column->validity + first / 64;
  size_t width = ls__type_width(column->type);
  if (width) out->values = (char *)column->values + (size_t)first * width;
  if (column->type->kind == LS_BOOL) out->values = (uint64_t *)column->values + first / 64;
  if (column->offsets) out->offsets = column->offsets + first;
  if (column->type->kind == LS_STRUCT) {
    out->children = LS_ARENA_ARRAY(arena, ls_column, column->type->n_fields);
    for (uint32_t i = 0; i < column->type->n_fields; i++) {
      view_column(&out->children[i], &column->children[i], first, n, arena);
    }
  }
}

ls_batch *test_view(ls_arena *arena, const ls_batch *batch, int64_t first, int64_t n) {
  ck_assert_int_eq(first % 64, 0);
  ls_batch *view = LS_ARENA_NEW(arena, ls_batch);
  *view = *batch;
  view->n_rows = n;
  view->columns = LS_ARENA_ARRAY(arena, ls_column, batch->schema->n_fields);
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) {
    view_column(&view->columns[i], &batch->columns[i], first, n, arena);
  }
  return view;
}

void test_same_rows(const ls_batch *a, int64_t first_a, const ls_batch *b, int64_t first_b, int64_t n) {
  for (uint32_t i = 0; i < a->schema->n_fields; i++) {
    for (int64_t row = 0; row < n; row++) {
      ck_assert_msg(ls__column_value_eq(&a->columns[i], first_a + row, &b->columns[i], first_b + row),
                    "column %s, row %lld differs", a->schema->fields[i].name, (long long)row);
    }
  }
}

/* -- Parquet ----------------------------------------------------------------------------------- */

void test_write_parquet(test_lake *t, const char *path, const ls_batch *batch, int64_t cut) {
  ls_error err = LS_ERROR_INIT;
  ls_lake_stage *stage = NULL;
  ls_parquet_writer *writer = NULL;
  ck_ok(ls__lake_stage_new(&stage, t->lake, "write", t->work, &err));
  ck_ok(ls__parquet_writer_open(&writer, stage, path, batch->schema, &err));
  ls_arena arena;
  ls__arena_init(&arena, 0);
  for (int64_t first = 0; first < batch->n_rows; first += cut) {
    ls__arena_reset(&arena);
    int64_t n = batch->n_rows - first < cut ? batch->n_rows - first : cut;
    ls_batch *piece = NULL;
    if (first % 64 == 0) {
      piece = test_view(&arena, batch, first, n);
    } else {
      piece = ls__batch_new(batch->schema, &arena, 0);
      for (uint32_t i = 0; i < batch->schema->n_fields; i++) {
        ls__column_append_range(&piece->columns[i], &batch->columns[i], first, n);
      }
      piece->n_rows = n;
    }
    ck_ok(ls__parquet_write(writer, piece, &err));
  }
  ck_ok(ls__parquet_writer_finish(writer, &err));
  ck_ok(ls__lake_stage_publish(stage, path, &err));
  ls__lake_stage_free(stage);
  ls__arena_fini(&arena);
}

static void count_fault(void *payload, int64_t row, uint32_t field, const char *reason) {
  (void)row, (void)field;
  ck_assert_ptr_nonnull(reason);
  *(int64_t *)payload += 1;
}

int test_read_parquet_faults(ls_batch *out, test_lake *t, const char *path, const ls_schema *schema,
                             const uint64_t *wanted, int64_t *n_faults, ls_error *err) {
  ls_parquet_reader *reader = NULL;
  *n_faults = 0;
  LS_TRY(ls__parquet_reader_open(&reader, t->lake, path, schema, wanted, err));
  int rc = LS_OK;
  for (int32_t group = 0; group < ls__parquet_reader_n_groups(reader) && rc == LS_OK; group++) {
    int64_t before = out->n_rows;
    rc = ls__parquet_read_group(out, reader, group, count_fault, n_faults, err);
    if (rc == LS_OK) ck_assert_int_eq(out->n_rows - before, ls__parquet_reader_group_rows(reader, group));
  }
  ls__parquet_reader_close(reader);
  return rc;
}

int test_read_parquet(ls_batch *out, test_lake *t, const char *path, const ls_schema *schema, const uint64_t *wanted,
                      ls_error *err) {
  int64_t n_faults;
  int rc = test_read_parquet_faults(out, t, path, schema, wanted, &n_faults, err);
  ck_assert_int_eq(n_faults, 0);
  return rc;
}

int test_run(const char *suite_name, const test_case *cases, size_t n) {
  Suite *suite = suite_create(suite_name);
  for (size_t i = 0; i < n; i++) {
    TCase *tcase = tcase_create(cases[i].name);
    tcase_set_timeout(tcase, 110);
    tcase_add_test(tcase, cases[i].test);
    suite_add_tcase(suite, tcase);
  }
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int n_failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
