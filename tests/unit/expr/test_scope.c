/** @file test_scope.c  What is known of an expression without running it; EXISTS and its cache. */
#include "helper_expr.h"

START_TEST(sensitive_flows) {
  static const struct {
    const char *text;
    bool sensitive;
  } want[] = {{"user_id", true},
              {"upper(user_id)", true},
              {"'x' || user_id", true},
              {"length(user_id)", true},
              {"CASE WHEN flag THEN user_id ELSE 'x' END", true},
              {"COALESCE(name, user_id)", true},
              {"NULLIF(user_id, 'x')", true},
              {"NULLIF(name, user_id)", false},
              {"[user_id]", true},
              {"struct(a := user_id).a", true},
              {"split(user_id, '-')[1]", true},
              {"strpos(user_id, '-')", true},
              {"greatest(name, user_id)", true},
              {"CASE upper(user_id) WHEN 'X' THEN user_id END", true},
              {"user_id = 'u1'", false},
              {"user_id IS NULL", false},
              {"user_id LIKE 'u%'", false},
              {"user_id IN ('u1')", false},
              {"upper(user_id) IN ('U1')", false},
              {"upper(user_id) BETWEEN 'A' AND 'B'", false},
              {"user_id IS DISTINCT FROM name", false},
              {"starts_with(user_id, 'u')", false},
              {"regexp_matches(user_id, 'u')", false},
              {"list_contains(tags, user_id)", false},
              {"CASE WHEN user_id = 'u1' THEN 'a' ELSE 'b' END", false},
              {"CASE user_id WHEN 'u1' THEN id END", false},
              {"IF(user_id = 'x', id, name)", false},
              {"id", false},
              {"'const'", false}};
  bench b;
  bench_standard(&b);
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    bool got = ls__expr_sensitive(must_compile(&b, want[i].text));
    ck_assert_msg(got == want[i].sensitive, "%s: sensitive %d", want[i].text, got);
  }
  bench_fini(&b);
}
END_TEST

START_TEST(nullable) {
  static const struct {
    const char *text;
    bool nullable;
  } want[] = {{"id", false},
              {"qty", true},
              {"amount + 1", false},
              {"amount + qty", true},
              {"qty IS NULL", false},
              {"id = 'x'", false},
              {"qty = 1", true},
              {"CASE WHEN qty = 1 THEN id ELSE 'x' END", false},
              {"CASE WHEN TRUE THEN id END", true},
              {"COALESCE(qty, 0)", false},
              {"COALESCE(qty, qty)", true},
              {"TRY_CAST(id AS int64)", true},
              {"CAST(id AS int64)", false},
              {"NULLIF(id, 'x')", true},
              {"[qty]", false},
              {"[qty][1]", true},
              {"concat(name)", false},
              {"name || id", true},
              {"greatest(qty, amount)", false},
              {"qty IN (1)", true},
              {"id IN ('a', NULL)", true},
              {"qty IS DISTINCT FROM 1", false},
              {"st.a", true},
              {"split(id, ',')", false},
              {"stream_time()", false},
              {"NULLIF(qty + 1, 1)", true}};
  bench b;
  bench_standard(&b);
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    bool got = ls__expr_nullable(must_compile(&b, want[i].text));
    ck_assert_msg(got == want[i].nullable, "%s: nullable %d", want[i].text, got);
  }
  bench_fini(&b);
}
END_TEST

START_TEST(columns_read) {
  static const struct {
    const char *text;
    uint64_t bits;
  } want[] = {{"id", 1},
              {"amount + fee", 6},
              {"1 + 1", 0},
              {"merchants.risk_level = 'HIGH'", 1u << 14},
              {"st.a + st.a", 1u << 13},
              {"CASE WHEN flag THEN id END", 65},
              {"stream_time() > ts", 1u << 7},
              {"id IN (name, 'x')", 1 | 1u << 10}};
  bench b;
  bench_standard(&b);
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    uint64_t bits[1] = {0};
    ls__expr_columns(must_compile(&b, want[i].text), bits, 1);
    ck_assert_msg(bits[0] == want[i].bits, "%s: %llx", want[i].text, (unsigned long long)bits[0]);
  }
  bench_fini(&b);
}
END_TEST

START_TEST(canonical_text) {
  static const char *const pairs[][2] = {{"1+2*3", "1 + 2 * 3"},
                                         {"(1+2)*3", "(1 + 2) * 3"},
                                         {"1-(2-3)", "1 - (2 - 3)"},
                                         {"(1-2)-3", "1 - 2 - 3"},
                                         {"-(-qty)", "-(-qty)"},
                                         {"-(-1)", "-(-1)"},
                                         {"-(9223372036854775808)", "-(9223372036854775808)"},
                                         {"- qty", "-qty"},
                                         {"not flag and(flag or flag)", "NOT flag AND (flag OR flag)"},
                                         {"not (flag and flag)", "NOT (flag AND flag)"},
                                         {"id!='x'", "id <> 'x'"},
                                         {"id in('a' ,'it''s')", "id IN ('a', 'it''s')"},
                                         {"id not like 'a%' escape '!'", "id NOT LIKE 'a%' ESCAPE '!'"},
                                         {"qty is  not null", "qty IS NOT NULL"},
                                         {"qty not between 1 and 2", "qty NOT BETWEEN 1 AND 2"},
                                         {"qty is distinct from 1", "qty IS DISTINCT FROM 1"},
                                         {"(qty = 1) = flag", "(qty = 1) = flag"},
                                         {"case when flag then 1 else 2 end", "CASE WHEN flag THEN 1 ELSE 2 END"},
                                         {"cast(qty as decimal( 10 , 2 ))", "CAST(qty AS decimal(10,2))"},
                                         {"try_cast(id as int64)", "TRY_CAST(id AS int64)"},
                                         {"\"id\"", "id"},
                                         {"\"merchants.risk_level\"", "\"merchants.risk_level\""},
                                         {"merchants . risk_level", "merchants.risk_level"},
                                         {"(st).a", "(st).a"},
                                         {"st.a", "st.a"},
                                         {"(tags)[ 1 ]", "tags[1]"},
                                         {"struct(a:=1)", "struct(a := 1)"},
                                         {"date '2026-03-01'", "DATE '2026-03-01'"},
                                         {"[1,2]", "[1, 2]"},
                                         {"ts+interval '1h'", "ts + INTERVAL '1h'"},
                                         {"id||(name||id)", "id || (name || id)"},
                                         {"true", "TRUE"},
                                         {".5", ".5"},
                                         {"+qty", "qty"},
                                         {"coalesce(NULL,qty) -- why", "coalesce(NULL, qty)"}};
  bench b;
  bench_standard(&b);
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    ls_buf buf = LS_BUF_INIT;
    ls__expr_format(&buf, must_compile(&b, pairs[i][0]));
    ck_assert_str_eq(buf.ptr, pairs[i][1]);
    ls__buf_fini(&buf);
  }
  bench_fini(&b);
}
END_TEST

/* -- EXISTS ------------------------------------------------------------------------------------ */

typedef struct versions {
  ls_batch *rows;
  uint64_t version;
  int n_calls;
} versions;

static const ls_batch *current_rows(void *payload, uint64_t *version) {
  versions *v = payload;
  v->n_calls++;
  *version = v->version;
  return v->rows;
}

static void policy(ls_batch *rows, const char *type, const char *active, const char *limit) {
  cell_append(&rows->columns[0], type);
  cell_append(&rows->columns[1], active);
  cell_append(&rows->columns[2], limit);
  ls__batch_append_meta(rows, 0, (ls_stamp){0, 0});
}

START_TEST(exists) {
  bench b;
  ls_schema schema;
  bench_standard(&b);
  bench_schema(&schema, &b.arena, "policy_type string; active_flag bool null; max int64 null");
  versions v = {ls__batch_new(&schema, &b.arena, 2), 1, 0};
  ls_expr_table table = {"policies", &schema, current_rows, &v};
  b.env.tables = &table;
  b.env.n_tables = 1;
  ck_run(&b, "EXISTS(policies)", "false false false false");
  ck_run(&b, "EXISTS(policies, active_flag)", "false false false false");
  policy(v.rows, "KYC", "t", "0");
  policy(v.rows, "AML", "f", "10");
  policy(v.rows, "X", "~", "~");
  ck_run(&b, "EXISTS(policies)", "true true true true");
  ck_run(&b, "EXISTS(policies, policy_type = 'KYC' AND active_flag)", "true true true true");
  ck_run(&b, "EXISTS(policies, policy_type = 'AML' AND active_flag)", "false false false false");
  ck_run(&b, "EXISTS(policies, policy_type = 'X' AND active_flag)", "false false false false");
  ck_run(&b, "qty > 0 AND EXISTS(policies, upper(policy_type) IN ('KYC'))", "true false null false");
  ck_run(&b, "CASE WHEN NOT EXISTS(policies, max > 5) THEN 'no' ELSE id END", "\"t1\" \"t2\" \"t3\" \"t4\"");
  /* an error in one row counts unless another row settles it */
  ck_run(&b, "EXISTS(policies, 10 / max = 1)", "true true true true");
  ck_run(&b, "EXISTS(policies, 10 / max = 7)",
         "!EXISTS(policies): division by zero !EXISTS(policies): division by zero "
         "!EXISTS(policies): division by zero !EXISTS(policies): division by zero");
  ck_run(&b, "qty > 0 AND EXISTS(policies, 10 / max = 7)",
         "!EXISTS(policies): division by zero false !EXISTS(policies): division by zero false");
  ck_assert_ptr_nonnull(
      strstr(run(&b, "EXISTS(policie, active_flag)"), "E7+7 unknown table `policie`: did you mean `policies`?"));
  ck_assert_ptr_nonnull(strstr(run(&b, "EXISTS(policies, qty > 1)"), "E17+3 unknown column `qty`"));
  ck_assert_ptr_nonnull(strstr(run(&b, "EXISTS(policies, max)"), "E17+3 the condition of EXISTS must be bool"));
  ck_assert_ptr_nonnull(strstr(run(&b, "EXISTS(policies, EXISTS(policies))"), "E17+6 EXISTS can't stand inside"));
  ck_assert_ptr_nonnull(strstr(run(&b, "EXISTS(policies, event_time() > ts)"), "E17+10 rows of a table have no time"));
  bench_fini(&b);
}
END_TEST

START_TEST(exists_is_looked_up_once_a_version) {
  bench b;
  ls_schema schema;
  ls_error err = LS_ERROR_INIT;
  ls_column out;
  bench_standard(&b);
  bench_schema(&schema, &b.arena, "policy_type string; active_flag bool null; max int64 null");
  versions v = {ls__batch_new(&schema, &b.arena, 2), 1, 0};
  ls_expr_table table = {"policies", &schema, current_rows, &v};
  b.env.tables = &table;
  b.env.n_tables = 1;
  ls_expr *expr = must_compile(&b, "EXISTS(policies, policy_type = 'KYC')");
  uint64_t bits[1] = {0};
  ls__expr_columns(expr, bits, 1);
  ck_assert_uint_eq(bits[0], 0);
  ls_expr_state *state = NULL;
  ck_assert_int_eq(ls__expr_state_new(&state, expr, &b.env, &err), LS_OK);
  ck_assert_int_eq(ls__expr_eval(&out, state, b.batch, NULL, &b.scratch, NULL, NULL, &err), LS_OK);
  ck_assert_uint_eq(((uint64_t *)out.values)[0], 0);
  policy(v.rows, "KYC", "t", "0"); /* same version: the cache answers */
  ck_assert_int_eq(ls__expr_eval(&out, state, b.batch, NULL, &b.scratch, NULL, NULL, &err), LS_OK);
  ck_assert_uint_eq(((uint64_t *)out.values)[0], 0);
  v.version = 2;
  ck_assert_int_eq(ls__expr_eval(&out, state, b.batch, NULL, &b.scratch, NULL, NULL, &err), LS_OK);
  ck_assert_uint_eq(((uint64_t *)out.values)[0], 15);
  ck_assert_int_eq(v.n_calls, 3);
  ls__expr_state_free(state);
  bench_fini(&b);
}
END_TEST

int main(void) {
  const TTest *tests[] = {sensitive_flows, nullable, columns_read,
                          canonical_text,  exists,   exists_is_looked_up_once_a_version};
  return run_suite("scope", tests, sizeof tests / sizeof tests[0]);
}
