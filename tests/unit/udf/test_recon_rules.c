/** @file test_recon_rules.c  udf_calc_discrepancy, udf_derive_status, udf_flag_compliance: every row of the tables. */
#include "helper_udf.h"

static ls_udf_registry *registry;
static ls_arena arena;

static void setup(void) {
  ls__arena_init(&arena, 0);
  ls__udf_registry_new(&registry);
  load(registry, "recon");
}
static void teardown(void) {
  ls__udf_registry_free(registry);
  ls__arena_fini(&arena);
}

static void gives(const char *name, const ls_column *a, const ls_column *b, const char *values,
                  const char *row_errors) {
  const ls_column *args[] = {a, b};
  evaluated result = eval_once(registry, name, args, 2, a->n_rows, &arena);
  ck_assert_msg(result.rc == LS_OK, "%s", result.err.message);
  ck_assert_str_eq(column_text(&arena, result.out), values);
  ck_assert_str_eq(result.row_errors.ptr, row_errors);
  ls__buf_fini(&result.row_errors);
}

#define NINES18 "99999999999999.9999"
#define NINES38 "99999999999999999999999999999999999999"

START_TEST(discrepancy_is_exact) {
  setup();
  gives("udf_calc_discrepancy",
        COLUMN(&arena, "decimal(18,4)", "12.50", "12.50", "0", "-3.0001", NULL, "1", NULL, NINES18, "-" NINES18),
        COLUMN(&arena, "decimal(18,4)", "12.50", "12.4999", "0.0001", "3", "1", NULL, NULL, "-" NINES18, NINES18),
        "\"0.0000\" \"0.0001\" \"-0.0001\" \"-6.0001\" null null null \"199999999999999.9998\" "
        "\"-199999999999999.9998\"",
        "");
  teardown();
}
END_TEST

START_TEST(discrepancy_takes_the_finer_scale) {
  setup();
  gives("udf_calc_discrepancy", COLUMN(&arena, "decimal(18,2)", "10.01", "-0.01"),
        COLUMN(&arena, "decimal(38,6)", "10.000001", "0.000001"), "\"0.009999\" \"-0.010001\"", "");
  gives("udf_calc_discrepancy", COLUMN(&arena, "decimal(38,6)", "10.000001", "-0.000001"),
        COLUMN(&arena, "decimal(18,0)", "10", "1"), "\"0.000001\" \"-1.000001\"", "");
  teardown();
}
END_TEST

START_TEST(discrepancy_overflow_is_a_row_error) {
  setup();
  gives("udf_calc_discrepancy", COLUMN(&arena, "decimal(38,0)", NINES38, "-" NINES38, NINES38, NINES38, "1"),
        COLUMN(&arena, "decimal(38,0)", "0", "1", "-1", NINES38, "2"), "\"" NINES38 "\" null null \"0\" \"-1\"",
        "1: amount - amount_posted needs more than 38 digits\n"
        "2: amount - amount_posted needs more than 38 digits\n");
  /* each amount alone is too wide at the common scale; the difference is what counts */
  gives("udf_calc_discrepancy",
        COLUMN(&arena, "decimal(38,0)", "17500000000000000000000000000000000", "20000000000000000000000000000000000",
               NINES38, "-1"),
        COLUMN(&arena, "decimal(38,4)", "9900000000000000000000000000000000.0001",
               "9999999999999999999999999999999999.9999", "1.0000", "9999999999999999999999999999999999.9999"),
        "\"7599999999999999999999999999999999.9999\" null null null",
        "1: amount - amount_posted needs more than 38 digits\n"
        "2: amount - amount_posted needs more than 38 digits\n"
        "3: amount - amount_posted needs more than 38 digits\n");
  gives("udf_calc_discrepancy", COLUMN(&arena, "decimal(38,4)", "9900000000000000000000000000000000.0001"),
        COLUMN(&arena, "decimal(38,0)", "17500000000000000000000000000000000"),
        "\"-7599999999999999999999999999999999.9999\"", "");
  teardown();
}
END_TEST

/* Random amounts of all scales, against the decimals of the library. */
START_TEST(discrepancy_agrees_with_long_arithmetic) {
  setup();
  test_rng rng = rng_new();
  for (int scale = 0; scale <= 38; scale += 2) {
    ls_column *a = new_column(&arena, ls__type_decimal(&arena, 38, scale));
    ls_column *b = new_column(&arena, ls__type_decimal(&arena, 38, 4));
    for (int i = 0; i < 200; i++) {
      ls__column_append_decimal(a, random_decimal(&rng));
      ls__column_append_decimal(b, random_decimal(&rng));
    }
    const ls_column *args[] = {a, b};
    evaluated result = eval_once(registry, "udf_calc_discrepancy", args, 2, 200, &arena);
    ck_assert_int_eq(result.rc, LS_OK);
    for (int i = 0; i < 200; i++) {
      ls_int128 x = ls__i128_get(ls__column_i128(a)[i]), y = ls__i128_get(ls__column_i128(b)[i]), x2, y2, want;
      int finer = scale > 4 ? scale : 4;
      bool fits = ls__decimal_rescale(&x2, x, scale, finer, 38, LS_ROUND_EXACT) == LS_OK &&
                  ls__decimal_rescale(&y2, y, 4, finer, 38, LS_ROUND_EXACT) == LS_OK;
      if (!fits) continue; /* the hand-made cases above are these */
      if (ls__decimal_sub(&want, x2, y2) == LS_OK) {
        ck_assert(!ls__is_null(result.out, i) && ls__i128_get(ls__column_i128(result.out)[i]) == want);
      } else {
        ck_assert(ls__is_null(result.out, i));
      }
    }
    ls__buf_fini(&result.row_errors);
  }
  teardown();
}
END_TEST

START_TEST(status_follows_the_table) {
  setup();
  /* five current statuses (one of them unknown) with each bank status */
  static const char *const current[] = {"PENDING", "APPROVED", "DECLINED", "REFUNDED", NULL};
  static const char *const bank[] = {"POSTED", "REVERSED", "MISSING"};
  static const char *const want[5][3] = {{"APPROVED", "PENDING", "PENDING"},
                                         {"APPROVED", "REFUNDED", "APPROVED"},
                                         {"DECLINED", "DECLINED", "DECLINED"},
                                         {"REFUNDED", "REFUNDED", "REFUNDED"},
                                         {"APPROVED", "REFUNDED", NULL}};
  ls_column *a = new_column(&arena, &ls__type_string), *b = new_column(&arena, &ls__type_string);
  ls_column *expected = new_column(&arena, &ls__type_string);
  for (int i = 0; i < 5; i++) {
    for (int j = 0; j < 3; j++) {
      append_text(a, current[i]);
      append_text(b, bank[j]);
      append_text(expected, want[i][j]);
    }
  }
  gives("udf_derive_status", a, b, column_text(&arena, expected), "");
  /* a null bank status is as MISSING, and words that are no status change nothing */
  gives("udf_derive_status", COLUMN(&arena, "string", "PENDING", NULL, "approved", "", NULL),
        COLUMN(&arena, "string", NULL, NULL, "REVERSED", "POSTED", "posted"), "\"PENDING\" null \"approved\" \"\" null",
        "");
  teardown();
}
END_TEST

START_TEST(risk_follows_the_table) {
  setup();
  gives("udf_flag_compliance",
        COLUMN(&arena, "float64", "0.9", "0.89", "0.9", "1", "0.7", "0.69", "0.7", "0.5", "0.49", "0.49", "0", "0"),
        COLUMN(&arena, "list<string>", "", "", "A", NULL, "A", "A,B", "", "", "", "A", "", "A"),
        "\"HIGH\" \"MEDIUM\" \"HIGH\" \"HIGH\" \"HIGH\" \"MEDIUM\" \"MEDIUM\" \"MEDIUM\" \"LOW\" \"MEDIUM\" "
        "\"LOW\" \"MEDIUM\"",
        "");
  gives("udf_flag_compliance", COLUMN(&arena, "float64", NULL, NULL, NULL, "nan", "0.89999999999999991", "0.2"),
        COLUMN(&arena, "list<string>", "", NULL, "A", "A", "", NULL),
        "\"LOW\" \"LOW\" \"MEDIUM\" null \"MEDIUM\" \"LOW\"", "3: fraud_score is not a number\n");
  /* a list of nothing but a null has no flag */
  ls_column *flags = new_column(&arena, type_of(&arena, "list<string>"));
  ls__column_append_null(&flags->children[0]);
  ls__column_append_list_end(flags);
  gives("udf_flag_compliance", COLUMN(&arena, "float64", "0.8"), flags, "\"MEDIUM\"", "");
  teardown();
}
END_TEST

START_TEST(risk_thresholds_are_configured) {
  ls__arena_init(&arena, 0);
  ls__udf_registry_new(&registry);
  ls_error err = LS_ERROR_INIT;
  const ls_udf_config_entry config[] = {{"risk_high", "0.95"}, {"risk_high_with_flag", "0.8"}, {"risk_medium", "0.25"}};
  ck_assert_int_eq(load_with(registry, "recon", NULL, config, 3, &err), LS_OK);
  gives("udf_flag_compliance", COLUMN(&arena, "float64", "0.95", "0.94", "0.8", "0.79", "0.25", "0.24"),
        COLUMN(&arena, "list<string>", "", "", "A", "A", "", ""),
        "\"HIGH\" \"MEDIUM\" \"HIGH\" \"MEDIUM\" \"MEDIUM\" \"LOW\"", "");
  teardown();
  static const char *const bad[] = {"", "high", "0.5x", "1.1", "-0.1", "nan"};
  for (int i = 0; i < 6; i++) {
    ls__arena_init(&arena, 0);
    ls__udf_registry_new(&registry);
    const ls_udf_config_entry entry = {"risk_medium", bad[i]};
    ck_assert_int_eq(load_with(registry, "recon", NULL, &entry, 1, &err), LS_OK);
    ls_udf_instance *instance = NULL;
    ck_assert_int_eq(ls__udf_open_fn(&instance, registry, ls__udf_find_fn(registry, "udf_flag_compliance"), &err),
                     LS_ECONFIG);
    ck_assert_has(err.message, "must be a number of 0 to 1");
    teardown();
  }
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(discrepancy_is_exact),
      TEST_CASE(discrepancy_takes_the_finer_scale),
      TEST_CASE(discrepancy_overflow_is_a_row_error),
      TEST_CASE(discrepancy_agrees_with_long_arithmetic),
      TEST_CASE(status_follows_the_table),
      TEST_CASE(risk_follows_the_table),
      TEST_CASE(risk_thresholds_are_configured),
  };
  return RUN_TESTS("recon_rules", cases);
}
