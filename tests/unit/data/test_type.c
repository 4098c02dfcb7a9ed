/** @file test_type.c  Type text both ways, its errors, equality; finding fields. */
#include "data/type.h"

#include <string.h>

#include "helper_data.h"

START_TEST(text_round_trips) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  static const char *const texts[] = {"bool",
                                      "int64",
                                      "float64",
                                      "string",
                                      "bytes",
                                      "timestamp",
                                      "date",
                                      "decimal(1,0)",
                                      "decimal(38,38)",
                                      "list<string>",
                                      "list<list<decimal(18,4)>>",
                                      "struct<a: int64, b: date>",
                                      "struct<a: list<struct<b: bool, c: bytes>>, d: decimal(9,2)>"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    ls_buf out = LS_BUF_INIT;
    const ls_type *type = type_of(&arena, texts[i]);
    ls__type_format(&out, type);
    ck_assert_str_eq(out.ptr, texts[i]);
    ck_assert(ls__type_eq(type, type_of(&arena, out.ptr)));
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
      ck_assert_int_eq(ls__type_eq(type, type_of(&arena, texts[k])), i == k);
    ls__buf_fini(&out);
  }
  const ls_type *spaced = type_of(&arena, "  struct < a:int64 ,b :decimal( 18 , 4 ) > ");
  ck_assert(ls__type_eq(spaced, type_of(&arena, "struct<a: int64, b: decimal(18,4)>")));
  ck_assert(!ls__type_eq(spaced, type_of(&arena, "struct<a: int64, c: decimal(18,4)>")));
  ck_assert(!ls__type_eq(spaced, type_of(&arena, "struct<a: int64>")));
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(errors_name_the_column_and_what_is_meant) {
  static const struct {
    const char *text, *part;
  } want[] = {{"", "column 1: a type must follow"},
              {"int", "column 1: unknown type 'int'; did you mean int64?"},
              {"strng", "unknown type 'strng'; did you mean string? Types: "},
              {"xyzzy", "unknown type 'xyzzy'. Types: "},
              {"list<dbl>", "column 6: unknown type 'dbl'"},
              {"list<varchar>", "column 6: unknown type 'varchar'; did you mean string?"},
              {"decimal", "column 8: the type ends where '(' must follow"},
              {"decimal(39,2)", "column 9: decimal precision must be a number from 1 to 38"},
              {"decimal(0,0)", "precision must be"},
              {"decimal(10,11)", "column 12: decimal scale must be a number from 0 to 10"},
              {"decimal(10)", "column 11: ')' where ',' must follow"},
              {"decimal(99999999999999999999,2)", "precision must be"},
              {"decimal(10,-1)", "scale must be"},
              {"list<int64", "column 11: the type ends where '>' must follow"},
              {"list int64", "column 6: 'i' where '<' must follow"},
              {"struct<>", "column 8: a field name must follow"},
              {"struct<a int64>", "column 10: 'i' where ':' must follow"},
              {"struct<a: int64, a: date>", "column 18: struct has the field 'a' twice"},
              {"struct<a: int64,>", "column 17: a field name must follow"},
              {"int64 x", "column 7: 'x' after the end of the type"},
              {"int64>", "column 6: '>' after the end"},
              {"list<list<list<list<list<list<list<list<list<list<list<list<list<list<list<list<"
               "list<bool>>>>>>>>>>>>>>>>>",
               "nest at most 16 deep"}};
  ls_arena arena;
  ls__arena_init(&arena, 0);
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    const ls_type *type = &ls__type_date;
    ls_error err = LS_ERROR_INIT;
    ck_assert_int_eq(ls__type_parse(&type, &arena, ls__slice_of(want[i].text), &err), LS_ECONFIG);
    ck_assert_msg(strstr(err.message, want[i].part), "%s: %s", want[i].text, err.message);
    ck_assert_ptr_eq(type, &ls__type_date);
  }
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(widths_are_those_of_the_columns) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ck_assert_uint_eq(ls__type_width(&ls__type_int64), sizeof(int64_t));
  ck_assert_uint_eq(ls__type_width(&ls__type_float64), sizeof(double));
  ck_assert_uint_eq(ls__type_width(&ls__type_timestamp), sizeof(int64_t));
  ck_assert_uint_eq(ls__type_width(&ls__type_date), sizeof(int32_t));
  ck_assert_uint_eq(ls__type_width(ls__type_decimal(&arena, 38, 0)), sizeof(ls_i128));
  ck_assert_uint_eq(ls__type_width(&ls__type_bool), 0);
  ck_assert_uint_eq(ls__type_width(&ls__type_string), 0);
  ck_assert_uint_eq(ls__type_width(ls__type_list(&arena, &ls__type_date)), 0);
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(schema_finds_whole_names) {
  ls_field fields[] = {{.name = "id"}, {.name = "merchants.risk_level"}, {.name = "i"}};
  ls_schema schema = {.fields = fields, .n_fields = 3};
  ck_assert_int_eq(ls__schema_find(&schema, ls__slice_of("id")), 0);
  ck_assert_int_eq(ls__schema_find(&schema, ls__slice_of("merchants.risk_level")), 1);
  ck_assert_int_eq(ls__schema_find(&schema, ls__slice_of("i")), 2);
  ck_assert_int_eq(ls__schema_find(&schema, ls__slice_of("risk_level")), -1);
  ck_assert_int_eq(ls__schema_find(&schema, ls__slice_of("")), -1);
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(text_round_trips), TEST_CASE(errors_name_the_column_and_what_is_meant),
                             TEST_CASE(widths_are_those_of_the_columns), TEST_CASE(schema_finds_whole_names)};
  return RUN_TESTS("data.type", cases);
}
