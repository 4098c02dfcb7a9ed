/** @file test_calls.c  Functions of plugins inside expressions. */
#include "helper_expr.h"

static bench b;
static ls_udf_registry *registry;

static void setup(void) {
  const char *dirs[] = {getenv("LS_TEST_PLUGIN_DIR")};
  ls_error err = LS_ERROR_INIT;
  ck_assert_msg(dirs[0] != NULL, "LS_TEST_PLUGIN_DIR is not set: run this test by ctest");
  bench_standard(&b);
  ls__udf_registry_new(&registry);
  ck_assert_msg(ls__udf_load(registry, "expr_probe", dirs, 1, NULL, NULL, 0, &err) == LS_OK, "%s", err.message);
  b.env.udfs = registry;
}

static void teardown(void) {
  bench_fini(&b);
  ls__udf_registry_free(registry);
}

START_TEST(calls_plugins) {
  setup();
  ck_run(&b, "probe_divide(14, qty)", "2 !probe: zero null -4");
  ck_run(&b, "probe_divide(qty, 2) + 1", "4 1 null 0");
  ck_run(&b, "probe_divide(14, 7)", "2 2 2 2");
  ck_run(&b, "CASE WHEN qty <> 0 THEN probe_divide(14, qty) ELSE -1 END", "2 -1 -1 -4");
  ck_run(&b, "COALESCE(qty, probe_divide(1, 0))", "7 0 !probe: zero -3");
  ck_run(&b, "qty <> 0 AND probe_divide(14, qty) > 0", "true false null false");
  ck_run(&b, "probe_mask(user_id) || '!'", "\"***!\" \"***!\" \"***!\" \"***!\"");
  ck_run(&b, "probe_mask(name)", "\"***\" null \"***\" \"***\"");
  static const struct {
    const char *text;
    bool sensitive;
  } want[] = {{"probe_mask(user_id)", false},
              {"probe_echo(1, user_id)", true}, /* any argument, also inside others */
              {"upper(probe_echo(qty, name || user_id))", true},
              {"probe_echo(1, probe_mask(user_id))", false},
              {"probe_mask(probe_echo(1, user_id))", false},
              {"probe_echo(length(user_id), name)", true},
              {"probe_echo(1, name)", false},
              {"CASE WHEN user_id = 'bob' THEN 1 END", false}}; /* a comparison may be seen */
  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    bool got = ls__expr_sensitive(must_compile(&b, want[i].text));
    ck_assert_msg(got == want[i].sensitive, "%s: sensitive %d", want[i].text, got);
  }
  teardown();
}
END_TEST

START_TEST(fits_arguments) {
  setup();
  ck_run(&b, "probe_is_missing(score)", "0 0 1 0");
  ck_run(&b, "probe_is_missing(0.5)", "0 0 0 0");
  ck_run(&b, "probe_is_missing(NULL)", "1 1 1 1");
  ck_run(&b, "probe_is_missing(qty)", "0 0 1 0");
  ck_run(&b, "probe_same(amount + 1)", "\"13.5000\" \"0.9999\" \"10001.0000\" \"1.0000\"");
  ck_run(&b, "probe_same(fee)", "\"1.2500\" null \"99999999.9900\" \"0.0000\"");
  ck_run(&b, "probe_same(7)", "\"7.0000\" \"7.0000\" \"7.0000\" \"7.0000\"");
  ck_assert_str_eq(type_of(&b, "probe_same(fee)"), "decimal(20,4)");
  teardown();
}
END_TEST

START_TEST(refuses) {
  static const char *const wrong[][2] = {
      {"probe_divid(1, 2)", "E0+11 unknown function `probe_divid`: did you mean `probe_divide`?"},
      {"1 + probe_divide(1)", "E4+12 probe_divide takes 2 arguments, 1 given"},
      {"probe_divide('a', 1)", "E0+12 "},
      {"probe_same(score)", "E0+10 "},
      {"probe_same(CAST(qty AS decimal(20,0)))", "E0+10 "}, /* 20 digits do not fit decimal(20,4) */
      {"probe_tick(1e0)", "E0+10 probe_tick is volatile"},
      {"probe_divide(a := 1, b := 2)", "E0+12 arguments of probe_divide have no names"},
      {"probe_divide(INTERVAL '1h', 1)", "E13+13 argument 1 of probe_divide can't be interval"}};
  setup();
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    const char *got = run(&b, wrong[i][0]);
    ck_assert_msg(strncmp(got, wrong[i][1], strlen(wrong[i][1])) == 0, "%s\n   gives %s", wrong[i][0], got);
  }
  b.env.volatile_allowed = true;
  ck_run(&b, "probe_tick(1e0)", "0 0 0 0");
  teardown();
}
END_TEST

START_TEST(a_call_that_fails_as_a_whole_fails_the_evaluation) {
  ls_error err = LS_ERROR_INIT;
  ls_expr_state *state = NULL;
  ls_column out;
  setup();
  ls_expr *expr = must_compile(&b, "CASE WHEN flag IS NOT NULL THEN probe_same(amount) END");
  ck_assert_int_eq(ls__expr_state_new(&state, expr, &b.env, &err), LS_OK);
  ck_assert_int_eq(ls__expr_eval(&out, state, b.batch, NULL, &b.scratch, NULL, NULL, &err), LS_EFUNCTION);
  ck_assert_ptr_nonnull(strstr(err.message, "probe: broken"));
  ls__expr_state_free(state);
  teardown();
}
END_TEST

int main(void) {
  const TTest *tests[] = {calls_plugins, fits_arguments, refuses, a_call_that_fails_as_a_whole_fails_the_evaluation};
  return run_suite("calls", tests, sizeof tests / sizeof tests[0]);
}
