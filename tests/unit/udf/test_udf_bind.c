/** @file test_udf_bind.c  Argument types against signatures; types of the ABI and back. */
#include "helper_udf.h"

static ls_udf_registry *registry;
static ls_arena arena;

static void setup(void) {
  ls__arena_init(&arena, 0);
  ls__udf_registry_new(&registry);
}
static void teardown(void) {
  ls__udf_registry_free(registry);
  ls__arena_fini(&arena);
}

/* Binds name to the types; the result type as text, or the message. */
static const char *bound(const char *name, const char *const *texts, uint32_t n, int *rc) {
  const ls_type *args[8] = {0}, *ret = NULL;
  ls_error err = LS_ERROR_INIT;
  for (uint32_t i = 0; i < n; i++) args[i] = type_of(&arena, texts[i]);
  const ls_udf_fn *fn = ls__udf_find_fn(registry, name);
  *rc = fn != NULL ? ls__udf_bind(&ret, fn, args, n, &arena, &err)
                   : ls__udf_bind_agg(&ret, ls__udf_find_agg(registry, name), args, n, &arena, &err);
  if (*rc < 0) return ls__arena_strdup(&arena, err.message);
  ls_buf text = LS_BUF_INIT;
  ls__type_format(&text, ret);
  const char *copy = ls__arena_strndup(&arena, text.ptr, text.len);
  ls__buf_fini(&text);
  return copy;
}
#define BOUND(name, rc, ...)                                                                                           \
  bound((name), (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (rc))
#define ck_bound(text, name, ...)                                                                                      \
  do {                                                                                                                 \
    int ck_rc_;                                                                                                        \
    ck_assert_str_eq(BOUND(name, &ck_rc_, __VA_ARGS__), (text));                                                       \
    ck_assert_int_eq(ck_rc_, LS_OK);                                                                                   \
  } while (0)
#define ck_refused(text, name, ...)                                                                                    \
  do {                                                                                                                 \
    int ck_rc_;                                                                                                        \
    ck_assert_str_eq(BOUND(name, &ck_rc_, __VA_ARGS__), (text));                                                       \
    ck_assert_int_eq(ck_rc_, LS_ECONFIG);                                                                              \
  } while (0)

START_TEST(takes_arguments_of_the_signature) {
  setup();
  load(registry, "recon");
  ck_bound("decimal(38,4)", "udf_calc_discrepancy", "decimal(18,4)", "decimal(18,4)");
  ck_bound("decimal(38,6)", "udf_calc_discrepancy", "decimal(38,2)", "decimal(7,6)");
  ck_bound("string", "udf_flag_compliance", "float64", "list<string>");
  ck_bound("string", "udf_mask_sensitive", "string");
  ck_bound("struct<transaction_count: int64, total_volume: decimal(38,4), refund_count: int64, "
           "refund_volume: decimal(38,4), chargeback_count: int64, chargeback_volume: decimal(38,4), "
           "unmatched_count: int64, discrepancy_sum: decimal(38,4)>",
           "udf_kpi_calculation", "string", "string", "string", "string", "decimal(18,4)", "decimal(38,4)");
  teardown();
}
END_TEST

START_TEST(refuses_other_arguments_by_position_and_type) {
  setup();
  load(registry, "recon");
  load(registry, "probe");
  ck_refused("argument 2 of udf_calc_discrepancy is string, it must be decimal", "udf_calc_discrepancy",
             "decimal(18,4)", "string");
  ck_refused("udf_calc_discrepancy(decimal, decimal) takes 2 arguments, 1 given", "udf_calc_discrepancy",
             "decimal(18,4)");
  ck_refused("udf_mask_sensitive(string) takes 1 argument, 2 given", "udf_mask_sensitive", "string", "string");
  ck_refused("argument 2 of udf_flag_compliance is list<int64>, it must be list<string>", "udf_flag_compliance",
             "float64", "list<int64>");
  ck_refused("argument 1 of udf_flag_compliance is int64, it must be float64", "udf_flag_compliance", "int64",
             "list<string>");
  ck_refused("argument 1 of udf_mask_sensitive is bytes, it must be string", "udf_mask_sensitive", "bytes");
  ck_refused("argument 1 of same_decimal is decimal(18,3), it must be decimal(18,4)", "same_decimal", "decimal(18,3)");
  ck_refused("argument 1 of same_int64 is struct<a: int64, b: list<date>>, it must be int64", "same_int64",
             "struct<a: int64, b: list<date>>");
  ck_refused("argument 5 of udf_kpi_calculation is decimal(18,2), it must be decimal of scale 4", "udf_kpi_calculation",
             "string", "string", "string", "string", "decimal(18,2)", "decimal(38,4)");
  teardown();
}
END_TEST

START_TEST(checks_what_bind_says) {
  setup();
  load(registry, "failing_rows");
  ck_refused("undecided does not take these arguments: scale 7", "undecided", "decimal(10,7)");
  int rc;
  const char *text = BOUND("undecided", &rc, "decimal(10,6)");
  ck_assert_int_eq(rc, LS_EPLUGIN);
  ck_assert_str_eq(text, "result of undecided: decimal(39,0) is not a type: precision 1 to 38, scale 0 to precision");
  teardown();
}
END_TEST

START_TEST(types_go_to_the_abi_and_back) {
  setup();
  static const char *const texts[] = {"bool",
                                      "int64",
                                      "float64",
                                      "decimal(38,38)",
                                      "string",
                                      "bytes",
                                      "timestamp",
                                      "date",
                                      "list<list<decimal(4,2)>>",
                                      "struct<a: int64, b: list<struct<c: date, d: bool>>>"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    const ls_type *type = type_of(&arena, texts[i]), *back = NULL;
    ls_udf_type abi;
    ls_error err = LS_ERROR_INIT;
    ls__udf_type_to(&abi, type, &arena);
    ck_assert_int_eq(ls__udf_type_from(&back, &abi, &arena, &err), LS_OK);
    ck_assert_msg(ls__type_eq(type, back), "%s", texts[i]);
  }
  teardown();
}
END_TEST

START_TEST(refuses_types_that_are_none) {
  setup();
  static const char *const no_name[] = {""};
  const ls_udf_type number = {.kind = LS_INT64};
  const ls_udf_type bad[] = {{.kind = LS_NONE},
                             {.kind = 11},
                             {.kind = 255},
                             {.kind = LS_DECIMAL, .precision = 39},
                             {.kind = LS_DECIMAL, .precision = 4, .scale = 5},
                             {.kind = LS_DECIMAL, .precision = 4, .scale = -1},
                             {.kind = LS_DECIMAL},
                             {.kind = LS_LIST},
                             {.kind = LS_STRUCT},
                             {.kind = LS_STRUCT, .n_children = 1, .children = &number},
                             {.kind = LS_STRUCT, .n_children = 1, .children = &number, .names = no_name}};
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    const ls_type *type = NULL;
    ls_error err = LS_ERROR_INIT;
    ck_assert_msg(ls__udf_type_from(&type, &bad[i], &arena, &err) == LS_EPLUGIN, "type %zu", i);
    ck_assert_int_ne(err.message[0], '\0');
  }
  teardown();
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(takes_arguments_of_the_signature),
      TEST_CASE(refuses_other_arguments_by_position_and_type),
      TEST_CASE(checks_what_bind_says),
      TEST_CASE(types_go_to_the_abi_and_back),
      TEST_CASE(refuses_types_that_are_none),
  };
  return RUN_TESTS("udf_bind", cases);
}
