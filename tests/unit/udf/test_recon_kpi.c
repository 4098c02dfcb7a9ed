/** @file test_recon_kpi.c  udf_kpi_calculation: what counts where, nulls, overflow, merge = accumulate in one. */
#include "helper_udf.h"

enum { N_ARGS = 6 };
static ls_udf_registry *registry;
static ls_arena arena;
static ls_udf_instance *instance;
static const ls_udf_agg *agg;
static const ls_column *columns[N_ARGS];

static void setup(void) {
  ls_error err = LS_ERROR_INIT;
  ls__arena_init(&arena, 0);
  ls__udf_registry_new(&registry);
  load(registry, "recon");
  agg = ls__udf_find_agg(registry, "udf_kpi_calculation");
  ck_assert_int_eq(ls__udf_open_agg(&instance, registry, agg, &err), LS_OK);
}
static void teardown(void) {
  ls__udf_close(instance);
  ls__udf_registry_free(registry);
  ls__arena_fini(&arena);
}

static void *new_acc(void) {
  void *acc = ls__arena_alloc(&arena, agg->acc_bytes);
  ls__udf_agg_init(instance, acc);
  return acc;
}

static int add(void *acc, int64_t row, ls_error *err) {
  ls__udf_agg_rows(instance, columns, N_ARGS, &arena);
  return ls__udf_agg_accumulate(instance, row, &arena, acc, err);
}

static const char *finished(const void *acc) {
  const ls_type *types[N_ARGS], *ret = NULL;
  ls_error err = LS_ERROR_INIT;
  for (int i = 0; i < N_ARGS; i++) types[i] = columns[i]->type;
  ck_assert_int_eq(ls__udf_bind_agg(&ret, agg, types, N_ARGS, &arena, &err), LS_OK);
  ls_column *out = new_column(&arena, ret);
  ck_assert_int_eq(ls__udf_agg_finish(out, instance, acc, &arena, &err), LS_OK);
  return column_text(&arena, out);
}

#define KPI(n, volume, n_refund, refund, n_chargeback, chargeback, n_unmatched, discrepancy)                           \
  "{\"transaction_count\":" #n ",\"total_volume\":\"" volume "\",\"refund_count\":" #n_refund                          \
  ",\"refund_volume\":\"" refund "\",\"chargeback_count\":" #n_chargeback ",\"chargeback_volume\":\"" chargeback       \
  "\",\"unmatched_count\":" #n_unmatched ",\"discrepancy_sum\":\"" discrepancy "\"}"

START_TEST(counts_and_sums_by_the_rules) {
  setup();
  static const struct {
    const char *row[N_ARGS];
    const char *want;
  } cases[] = {
      /* final, gateway, bank, reconciled, amount, discrepancy */
      {{"APPROVED", "APPROVED", "POSTED", "MATCHED", "12.50", "0"},
       KPI(1, "12.5000", 0, "0.0000", 0, "0.0000", 0, "0.0000")},
      {{"APPROVED", "PENDING", "POSTED", "PARTIAL", "10", "-0.0001"},
       KPI(1, "10.0000", 0, "0.0000", 0, "0.0000", 0, "-0.0001")},
      {{"REFUNDED", "APPROVED", "REVERSED", "PARTIAL", "7", "3"}, /* a chargeback */
       KPI(1, "7.0000", 1, "7.0000", 1, "7.0000", 0, "3.0000")},
      {{"REFUNDED", "REFUNDED", "REVERSED", "MATCHED", "7", "0"}, /* a refund that the gateway knows */
       KPI(1, "7.0000", 1, "7.0000", 0, "0.0000", 0, "0.0000")},
      {{"PENDING", "PENDING", "REVERSED", "PARTIAL", "5", "1"},
       KPI(1, "0.0000", 0, "0.0000", 0, "0.0000", 0, "1.0000")},
      {{"DECLINED", "DECLINED", "MISSING", "MATCHED", "5", "0"},
       KPI(1, "0.0000", 0, "0.0000", 0, "0.0000", 0, "0.0000")},
      {{"APPROVED", "APPROVED", "MISSING", "UNMATCHED", "5", "5"},
       KPI(1, "5.0000", 0, "0.0000", 0, "0.0000", 1, "5.0000")},
      {{"APPROVED", NULL, "POSTED", "UNMATCHED", NULL, "-5"}, /* known to the bank alone */
       KPI(1, "0.0000", 0, "0.0000", 0, "0.0000", 1, "-5.0000")},
      {{NULL, NULL, NULL, NULL, NULL, NULL}, KPI(1, "0.0000", 0, "0.0000", 0, "0.0000", 0, "0.0000")},
  };
  enum { N = sizeof(cases) / sizeof(cases[0]) };
  static const char *const types[N_ARGS] = {"string", "string", "string", "string", "decimal(18,4)", "decimal(38,4)"};
  ls_error err = LS_ERROR_INIT;
  for (int i = 0; i < N_ARGS; i++) {
    ls_column *column = new_column(&arena, type_of(&arena, types[i]));
    for (int row = 0; row < N; row++) append_text(column, cases[row].row[i]);
    columns[i] = column;
  }
  void *all = new_acc();
  for (int row = 0; row < N; row++) {
    void *acc = new_acc();
    ck_assert_int_eq(add(acc, row, &err), LS_OK);
    ck_assert_str_eq(finished(acc), cases[row].want);
    ck_assert_int_eq(add(all, row, &err), LS_OK);
  }
  ck_assert_str_eq(finished(all), KPI(9, "41.5000", 2, "14.0000", 1, "7.0000", 2, "3.9999"));
  ck_assert_str_eq(finished(new_acc()), KPI(0, "0.0000", 0, "0.0000", 0, "0.0000", 0, "0.0000"));
  teardown();
}
END_TEST

static void random_rows(test_rng *rng, int n) {
  static const char *const words[] = {"PENDING", "APPROVED", "REFUNDED", "REVERSED", "POSTED", "UNMATCHED", NULL};
  for (int i = 0; i < N_ARGS; i++) {
    ls_column *column = new_column(&arena, i < 4 ? &ls__type_string : ls__type_decimal(&arena, 18, 4));
    for (int row = 0; row < n; row++) {
      if (i < 4) {
        append_text(column, words[rng_below(rng, 7)]);
      } else if (rng_below(rng, 5) == 0) {
        ls__column_append_null(column);
      } else {
        ls__column_append_decimal(column, (int64_t)rng_below(rng, 2000000) - 1000000);
      }
    }
    columns[i] = column;
  }
}

START_TEST(merged_parts_are_the_whole) {
  setup();
  test_rng rng = rng_new();
  ls_error err = LS_ERROR_INIT;
  for (int round = 0; round < 50; round++) {
    int n = (int)rng_below(&rng, 200);
    random_rows(&rng, n);
    void *whole = new_acc(), *merged = new_acc();
    void *parts[4] = {new_acc(), new_acc(), new_acc(), new_acc()};
    for (int row = 0; row < n; row++) {
      ck_assert_int_eq(add(whole, row, &err), LS_OK);
      ck_assert_int_eq(add(parts[rng_below(&rng, 4)], row, &err), LS_OK);
    }
    for (int i = 4; i-- > 0;) ck_assert_int_eq(ls__udf_agg_merge(instance, merged, parts[i], &err), LS_OK);
    ck_assert_mem_eq(merged, whole, agg->acc_bytes);
    ck_assert_str_eq(finished(merged), finished(whole));
    ls__arena_reset(&arena);
  }
  teardown();
}
END_TEST

#define NINES34_4 "9999999999999999999999999999999999.9999"

START_TEST(overflow_is_an_error) {
  setup();
  ls_error err = LS_ERROR_INIT;
  for (int i = 0; i < 4; i++) columns[i] = COLUMN(&arena, "string", "REFUNDED", "REFUNDED");
  columns[4] = COLUMN(&arena, "decimal(18,4)", "1", "1");
  columns[5] = COLUMN(&arena, "decimal(38,4)", NINES34_4, "0.0001");
  void *acc = new_acc(), *other = new_acc();
  ck_assert_int_eq(add(acc, 0, &err), LS_OK);
  const char *before = finished(acc);
  ck_assert_int_eq(add(acc, 1, &err), LS_EDATA);
  ck_assert_str_eq(err.message, "udf_kpi_calculation: a sum needs more than 38 digits");
  ck_assert_str_eq(finished(acc), before);
  ck_assert_int_eq(add(other, 1, &err), LS_OK);
  ck_assert_int_eq(ls__udf_agg_merge(instance, acc, other, &err), LS_EDATA);
  ck_assert_str_eq(finished(acc), before);
  teardown();
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(counts_and_sums_by_the_rules),
      TEST_CASE(merged_parts_are_the_whole),
      TEST_CASE(overflow_is_an_error),
  };
  return RUN_TESTS("recon_kpi", cases);
}
