/**
 * @file test_arrow_import.c
 * Arrow arrays into columns: every layout that stands for one of our types, at any offset, and the
 * values that do not fit. The arrays are made by hand, so that layouts are covered that our Parquet
 * reader meets in foreign files only.
 */
#include "helper_lake.h"

#include "edge/arrow_bridge.h"

typedef struct fixture {
  ls_arena arena, scratch;
  ls_error err;
  ls_buf faults; /* "row reason", each but the same again */
} fixture;

static void fixture_init(fixture *f) {
  ls__arena_init(&f->arena, 0);
  ls__arena_init(&f->scratch, 0);
  f->err = (ls_error)LS_ERROR_INIT;
  f->faults = (ls_buf)LS_BUF_INIT;
  ls__buf_puts(&f->faults, "");
}

static void fixture_fini(fixture *f) {
  ls__arena_fini(&f->arena);
  ls__arena_fini(&f->scratch);
  ls__buf_fini(&f->faults);
}

static void note_fault(void *payload, int64_t row, const char *reason) {
  fixture *f = payload;
  ls__buf_printf(&f->faults, "%s%lld %s", f->faults.len > 0 ? ", " : "", (long long)row, reason);
}

static const ls_type *type_of(fixture *f, const char *text) {
  const ls_type *type = NULL;
  ls_error err = LS_ERROR_INIT;
  ck_ok(ls__type_parse(&type, &f->arena, ls__slice_of(text), &err));
  return type;
}

/* Appends an array of one flat layout to a new column of a type. */
static int import(ls_column *out, fixture *f, const char *type, const char *format, struct ArrowArray *array) {
  struct ArrowSchema schema = {.format = format, .name = "x"};
  ls_arrow_plan *plan = NULL;
  ls__column_init(out, type_of(f, type), &f->arena, 0);
  LS_TRY(ls__arrow_plan_new(&plan, &f->arena, out->type, &schema, "x", &f->err));
  return ls__arrow_append(out, plan, array, &f->scratch, "x", note_fault, f, &f->err);
}

/* All rows as JSON, joined by spaces. */
static const char *text_of(fixture *f, const ls_column *column) {
  ls_buf text = LS_BUF_INIT;
  for (int64_t row = 0; row < column->n_rows; row++) {
    if (row) ls__buf_putc(&text, ' ');
    ls__column_format_json(&text, column, row);
  }
  const char *out = ls__arena_strndup(&f->arena, text.ptr, text.len);
  ls__buf_fini(&text);
  return out;
}

#define ARRAY(n, first, nulls, ...)                                                                                    \
  (struct ArrowArray) {                                                                                                \
    .length = (n), .offset = (first), .null_count = (nulls),                                                           \
    .n_buffers = sizeof((const void *[]){__VA_ARGS__}) / sizeof(void *), .buffers = (const void *[]) {                 \
      __VA_ARGS__                                                                                                      \
    }                                                                                                                  \
  }

static void imports_as(const char *type, const char *format, struct ArrowArray array, const char *want) {
  fixture f;
  ls_column column;
  fixture_init(&f);
  int rc = import(&column, &f, type, format, &array);
  ck_assert_msg(rc == LS_OK, "%s from '%s': %s", type, format, f.err.message);
  ck_assert_str_eq(text_of(&f, &column), want);
  ck_assert_int_eq((int)f.faults.len, 0);
  fixture_fini(&f);
}

/* The rows are there, and those at fault are told. */
static void tells(const char *type, const char *format, struct ArrowArray array, const char *faults) {
  fixture f;
  ls_column column;
  fixture_init(&f);
  int rc = import(&column, &f, type, format, &array);
  ck_assert_msg(rc == LS_OK, "%s from '%s': %s", type, format, f.err.message);
  ck_assert_int_eq(column.n_rows, array.length);
  ck_assert_str_eq(f.faults.ptr, faults);
  fixture_fini(&f);
}

static void refuses(const char *type, const char *format, struct ArrowArray array, const char *text) {
  fixture f;
  ls_column column;
  fixture_init(&f);
  int rc = import(&column, &f, type, format, &array);
  ck_assert_msg(rc == LS_EDATA, "%s from '%s': %s, want LS_EDATA", type, format, ls_error_name(rc));
  ck_assert_msg(strstr(f.err.message, text) && strstr(f.err.message, "column 'x'"), "%s", f.err.message);
  fixture_fini(&f);
}

static const uint64_t bits_1011[] = {0xB, 0}; /* rows 0, 1 and 3 */

START_TEST(integers_of_all_widths_fit) {
  const int8_t i8[] = {-1, 2, 3, -128};
  const uint16_t u16[] = {65535, 1, 2, 3};
  const int32_t i32[] = {INT32_MIN, 0, 7, INT32_MAX};
  const uint32_t u32[] = {UINT32_MAX, 5, 6, 7};
  const uint64_t u64[] = {(uint64_t)INT64_MAX, (uint64_t)INT64_MAX + 1, 3, 4};
  const int64_t i64[] = {INT64_MIN, 1, 2, INT64_MAX};
  imports_as("int64", "c", ARRAY(4, 0, 1, bits_1011, i8), "-1 2 null -128");
  imports_as("int64", "S", ARRAY(4, 0, 0, NULL, u16), "65535 1 2 3");
  imports_as("int64", "i", ARRAY(4, 0, 1, bits_1011, i32), "-2147483648 0 null 2147483647");
  imports_as("int64", "I", ARRAY(2, 0, 0, NULL, u32), "4294967295 5");
  imports_as("int64", "L", ARRAY(1, 0, 0, NULL, u64), "9223372036854775807");
  imports_as("int64", "l", ARRAY(3, 1, 1, bits_1011, i64), "1 null 9223372036854775807");
  tells("int64", "L", ARRAY(2, 0, 0, NULL, u64), "1 out_of_range");
  refuses("int64", "g", ARRAY(0, 0, 0, NULL, NULL), "does not fit");
}
END_TEST

START_TEST(null_values_are_not_looked_at) {
  const uint64_t u64[] = {1, 2, UINT64_MAX, 4};
  const int64_t ns[] = {1000, 2000, 1, 4000};
  imports_as("int64", "L", ARRAY(4, 0, 1, bits_1011, u64), "1 2 null 4");
  imports_as("timestamp", "tsn:", ARRAY(2, 2, 1, bits_1011, ns), "null \"1970-01-01T00:00:00.000004Z\"");
}
END_TEST

START_TEST(floats_widen) {
  const float f32[] = {0.5f, -2.25f};
  imports_as("float64", "f", ARRAY(2, 0, 0, NULL, f32), "0.5 -2.25");
  refuses("float64", "l", ARRAY(0, 0, 0, NULL, NULL), "type does not fit");
}
END_TEST

START_TEST(decimals_of_all_widths_are_exact) {
  const int32_t d32[] = {-12345, 100};
  const int64_t d64[] = {-123456789, 5};
  const uint64_t d256[] = {5, 0, 0, 0, (uint64_t)-7, UINT64_MAX, UINT64_MAX, UINT64_MAX, 1, 0, 1, 0};
  const ls_i128 d128[] = {ls__i128_make(ls__pow10[18] - 1), ls__i128_make(ls__pow10[18])};
  imports_as("decimal(18,4)", "d:9,2,32", ARRAY(2, 0, 0, NULL, d32), "\"-123.4500\" \"1.0000\"");
  imports_as("decimal(18,4)", "d:18,4,64", ARRAY(2, 0, 0, NULL, d64), "\"-12345.6789\" \"0.0005\"");
  imports_as("decimal(38,4)", "d:76,4,256", ARRAY(2, 0, 0, NULL, d256), "\"0.0005\" \"-0.0007\"");
  imports_as("decimal(18,4)", "d:38,4", ARRAY(1, 0, 0, NULL, d128), "\"99999999999999.9999\"");
  tells("decimal(38,4)", "d:76,4,256", ARRAY(3, 0, 0, NULL, d256), "2 too_many_digits");
  tells("decimal(18,4)", "d:38,4", ARRAY(2, 0, 0, NULL, d128), "1 too_many_digits");
  tells("decimal(18,4)", "d:18,4", ARRAY(2, 0, 0, NULL, d128), "1 too_many_digits");
  tells("decimal(18,1)", "d:9,2,32", ARRAY(2, 0, 0, NULL, d32), "0 too_many_decimals");
  refuses("decimal(18,4)", "g", ARRAY(0, 0, 0, NULL, NULL), "type does not fit");
}
END_TEST

START_TEST(times_become_microseconds_only_when_exact) {
  const int64_t s[] = {1, -1}, ns[] = {1000, 1500}, far[] = {INT64_MAX / 1000};
  const int64_t ms_days[] = {86400000, -86400000, 5}, years[] = {0, INT64_MAX};
  const int32_t dates[] = {0, INT32_MAX, INT32_MIN};
  imports_as("timestamp", "tss:UTC", ARRAY(2, 0, 0, NULL, s), "\"1970-01-01T00:00:01Z\" \"1969-12-31T23:59:59Z\"");
  imports_as("timestamp", "tsm:", ARRAY(1, 0, 0, NULL, s), "\"1970-01-01T00:00:00.001Z\"");
  imports_as("timestamp", "tsn:UTC", ARRAY(1, 0, 0, NULL, ns), "\"1970-01-01T00:00:00.000001Z\"");
  imports_as("date", "tdm", ARRAY(2, 0, 0, NULL, ms_days), "\"1970-01-02\" \"1969-12-31\"");
  tells("timestamp", "tsn:UTC", ARRAY(2, 0, 0, NULL, ns), "1 bad_timestamp");
  tells("timestamp", "tsu:UTC", ARRAY(2, 0, 0, NULL, years), "1 bad_timestamp");
  tells("date", "tdD", ARRAY(3, 0, 0, NULL, dates), "1 bad_date, 2 bad_date");
  tells("timestamp", "tss:UTC", ARRAY(1, 0, 0, NULL, far), "0 bad_timestamp");
  tells("date", "tdm", ARRAY(3, 0, 0, NULL, ms_days), "2 bad_date");
  refuses("timestamp", "tdD", ARRAY(0, 0, 0, NULL, NULL), "type does not fit");
}
END_TEST

START_TEST(bits_start_anywhere) {
  uint8_t bits[32];
  uint64_t state = 99;
  for (size_t i = 0; i < sizeof bits; i++) bits[i] = (uint8_t)((state = state * 6364136223846793005u + 1) >> 56);
  for (int64_t first = 0; first < 130; first += 7) {
    fixture f;
    ls_column column;
    fixture_init(&f);
    struct ArrowArray array = ARRAY(120, first, -1, bits, bits);
    ck_assert_int_eq(import(&column, &f, "bool", "b", &array), LS_OK);
    for (int64_t row = 0; row < 120; row++) {
      bool bit = bits[(first + row) / 8] >> ((first + row) % 8) & 1;
      ck_assert_int_eq(ls__is_null(&column, row), !bit);
      ck_assert_int_eq(LS_BIT_GET(column.values, row), bit);
    }
    fixture_fini(&f);
  }
}
END_TEST

START_TEST(text_of_all_layouts_is_read) {
  const int32_t offsets[] = {0, 2, 2, 5, 8};
  const int64_t large[] = {0, 2, 2, 5, 8};
  const char bytes[] = "abcdefgh", longer[] = "a text that is longer than twelve";
  char views[2][16] = {{0}};
  int32_t head[4] = {(int32_t)strlen(longer) - 2, 0, 0, 2};
  views[0][0] = 3;
  memcpy(views[0] + 4, "xyz", 3);
  memcpy(views[1], head, 16);
  imports_as("string", "u", ARRAY(4, 0, 1, bits_1011, offsets, bytes), "\"ab\" \"\" null \"fgh\"");
  imports_as("string", "u", ARRAY(2, 2, 1, bits_1011, offsets, bytes), "null \"fgh\"");
  imports_as("string", "U", ARRAY(3, 1, 1, bits_1011, large, bytes), "\"\" null \"fgh\"");
  imports_as("string", "vu", ARRAY(2, 0, 0, NULL, views, longer, NULL), "\"xyz\" \"text that is longer than twelve\"");
  imports_as("string", "w:4", ARRAY(2, 0, 0, NULL, bytes), "\"abcd\" \"efgh\"");
  imports_as("string", "z", ARRAY(1, 0, 0, NULL, offsets, bytes), "\"ab\"");
  imports_as("string", "u", ARRAY(0, 0, 0, NULL, NULL, NULL), "");
  refuses("bytes", "u", ARRAY(1, 0, 0, NULL, offsets, bytes), "type does not fit");
  refuses("string", "l", ARRAY(1, 0, 0, NULL, large), "type does not fit");
}
END_TEST

START_TEST(text_must_be_utf8_value_by_value) {
  const int32_t whole[] = {0, 2, 4}, split[] = {0, 1, 4};
  imports_as("string", "u",
             ARRAY(2, 0, 0, NULL, whole,
                   "\xC3\xBC"
                   "ab"),
             "\"\xC3\xBC\" \"ab\"");
  tells("string", "u",
        ARRAY(2, 0, 0, NULL, split,
              "\xC3\xBC"
              "ab"),
        "0 bad_utf8, 1 bad_utf8");
  tells("string", "u", ARRAY(2, 0, 0, NULL, whole, "ab\xFF\xFE"), "1 bad_utf8");
}
END_TEST

START_TEST(dictionaries_are_read_as_plain) {
  fixture f;
  ls_column column;
  ls_arrow_plan *plan = NULL;
  const int8_t index[] = {2, 0, 1, 2, 9};
  const int32_t offsets[] = {0, 1, 3, 6};
  fixture_init(&f);
  struct ArrowArray words = ARRAY(3, 0, 0, NULL, offsets, "abbccc");
  struct ArrowArray array = ARRAY(4, 0, 1, bits_1011, index);
  struct ArrowSchema word_schema = {.format = "u"}, schema = {.format = "c", .dictionary = &word_schema};
  array.dictionary = &words;
  ls__column_init(&column, &ls__type_string, &f.arena, 0);
  ck_assert_int_eq(ls__arrow_plan_new(&plan, &f.arena, column.type, &schema, "x", &f.err), LS_OK);
  ck_assert_int_eq(ls__arrow_append(&column, plan, &array, &f.scratch, "x", note_fault, &f, &f.err), LS_OK);
  ck_assert_str_eq(text_of(&f, &column), "\"ccc\" \"a\" null \"ccc\"");
  array.null_count = 0;
  array.length = 5;
  ck_assert_int_eq(ls__arrow_append(&column, plan, &array, &f.scratch, "x", note_fault, &f, &f.err), LS_EDATA);
  ck_assert_int_eq(column.n_rows, 4);
  fixture_fini(&f);
}
END_TEST

START_TEST(faults_inside_are_those_of_the_row) {
  fixture f;
  ls_column column;
  ls_arrow_plan *plan = NULL;
  const int32_t offsets[] = {0, 2, 2, 5};
  const uint64_t values[] = {1, UINT64_MAX, 3, 4, UINT64_MAX};
  const int8_t index[] = {1, 0, 2};
  const int32_t ends[] = {0, 1, 2, 3};
  fixture_init(&f);
  struct ArrowArray child = ARRAY(5, 0, 0, NULL, values), *children[] = {&child};
  struct ArrowSchema child_schema = {.format = "L", .name = "item"}, *child_schemas[] = {&child_schema};
  struct ArrowArray list = ARRAY(3, 0, 0, NULL, offsets);
  struct ArrowSchema schema = {.format = "+l", .n_children = 1, .children = child_schemas};
  list.n_children = 1;
  list.children = children;
  ls__column_init(&column, type_of(&f, "list<int64>"), &f.arena, 0);
  ck_assert_int_eq(ls__arrow_plan_new(&plan, &f.arena, column.type, &schema, "x", &f.err), LS_OK);
  ck_assert_int_eq(ls__arrow_append(&column, plan, &list, &f.scratch, "x", note_fault, &f, &f.err), LS_OK);
  ck_assert_str_eq(f.faults.ptr, "0 out_of_range, 2 out_of_range");
  ls__buf_clear(&f.faults);
  struct ArrowArray words = ARRAY(3, 0, 0, NULL, ends, "a\xFFz"), array = ARRAY(3, 0, 0, NULL, index);
  struct ArrowSchema word_schema = {.format = "u"}, dictionary = {.format = "c", .dictionary = &word_schema};
  array.dictionary = &words;
  ls__column_init(&column, &ls__type_string, &f.arena, 0);
  ck_assert_int_eq(ls__arrow_plan_new(&plan, &f.arena, column.type, &dictionary, "x", &f.err), LS_OK);
  ck_assert_int_eq(ls__arrow_append(&column, plan, &array, &f.scratch, "x", note_fault, &f, &f.err), LS_OK);
  ck_assert_str_eq(f.faults.ptr, "0 bad_utf8");
  fixture_fini(&f);
}
END_TEST

/* Null rows may hide elements, and a slice uses the middle of its child. */
START_TEST(lists_are_cut_out_of_their_elements) {
  fixture f;
  ls_column column;
  ls_arrow_plan *plan = NULL;
  const int32_t offsets[] = {0, 2, 2, 5, 6};
  const int16_t values[] = {99, 1, 2, 3, 4, 5, 6};
  const int64_t large[] = {0, 2, 2, 5, 6};
  fixture_init(&f);
  struct ArrowArray child = ARRAY(6, 1, 0, NULL, values), *children[] = {&child};
  struct ArrowSchema child_schema = {.format = "s", .name = "item"}, *child_schemas[] = {&child_schema};
  for (int is_large = 0; is_large < 2; is_large++) {
    struct ArrowArray array = ARRAY(4, 0, 1, bits_1011, is_large ? (const void *)large : (const void *)offsets);
    struct ArrowSchema schema = {.format = is_large ? "+L" : "+l", .n_children = 1, .children = child_schemas};
    array.n_children = 1;
    array.children = children;
    ls__column_init(&column, type_of(&f, "list<int64>"), &f.arena, 0);
    ck_assert_int_eq(ls__arrow_plan_new(&plan, &f.arena, column.type, &schema, "x", &f.err), LS_OK);
    ck_assert_int_eq(ls__arrow_append(&column, plan, &array, &f.scratch, "x", note_fault, &f, &f.err), LS_OK);
    array.offset = 1;
    array.length = 3;
    ck_assert_int_eq(ls__arrow_append(&column, plan, &array, &f.scratch, "x", note_fault, &f, &f.err), LS_OK);
    ck_assert_str_eq(text_of(&f, &column), "[1,2] [] null [6] [] null [6]");
    ck_assert_int_eq(column.children[0].n_rows, 4);
  }
  fixture_fini(&f);
}
END_TEST

START_TEST(null_columns_are_null_in_any_type) {
  imports_as("decimal(18,4)", "n", ARRAY(2, 0, 2, NULL), "null null");
  imports_as("list<string>", "n", ARRAY(2, 0, 2, NULL), "null null");
}
END_TEST

/* What goes out over the interface comes back in the same, for all types and any cut. */
START_TEST(exported_rows_come_back) {
  fixture f;
  fixture_init(&f);
  ls_schema *schema = test_schema(&f.arena, test_all_types);
  ls_batch *rows = test_rows(&f.arena, schema, 900, 77);
  struct ArrowSchema out_schema;
  ls__arrow_export_schema(&out_schema, schema);
  for (int64_t first = 0; first < 300; first += 61) {
    struct ArrowArray out;
    ls__arrow_export_rows(&out, schema, rows->columns, first, 500);
    ls_batch *back = ls__batch_new(schema, &f.arena, 0);
    for (uint32_t i = 0; i < schema->n_fields; i++) {
      ls_arrow_plan *plan = NULL;
      ck_assert_int_eq(ls__arrow_plan_new(&plan, &f.arena, schema->fields[i].type, out_schema.children[i], "x", &f.err),
                       LS_OK);
      ck_assert_int_eq(
          ls__arrow_append(&back->columns[i], plan, out.children[i], &f.scratch, "x", note_fault, &f, &f.err), LS_OK);
    }
    test_same_rows(rows, first, back, 0, 500);
    out.release(&out);
    ls__arena_reset(&f.scratch);
  }
  out_schema.release(&out_schema);
  fixture_fini(&f);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(integers_of_all_widths_fit),
      TEST_CASE(null_values_are_not_looked_at),
      TEST_CASE(floats_widen),
      TEST_CASE(decimals_of_all_widths_are_exact),
      TEST_CASE(times_become_microseconds_only_when_exact),
      TEST_CASE(bits_start_anywhere),
      TEST_CASE(text_of_all_layouts_is_read),
      TEST_CASE(text_must_be_utf8_value_by_value),
      TEST_CASE(dictionaries_are_read_as_plain),
      TEST_CASE(faults_inside_are_those_of_the_row),
      TEST_CASE(lists_are_cut_out_of_their_elements),
      TEST_CASE(null_columns_are_null_in_any_type),
      TEST_CASE(exported_rows_come_back),
  };
  return RUN_TESTS("arrow_import", cases);
}
