/** @file test_logic.c  Three-valued logic, all of it; null patterns at word borders against
 * longhand. */
#include "helper_expr.h"

static const int64_t sizes[] = {0, 1, 63, 64, 65, 1000};
#define N_SIZES (sizeof sizes / sizeof sizes[0])

static const char *const cells[] = {"t", "f", "~"};
static const char *const names[] = {"TRUE", "FALSE", "NULL"};
static const char *const texts[] = {"true", "false", "null"};
enum { T, F, N };

static int and2(int a, int b) {
  return a == F || b == F ? F : a == N || b == N ? N : T;
}
static int or2(int a, int b) {
  return a == T || b == T ? T : a == N || b == N ? N : F;
}
static int not1(int a) {
  return a == N ? N : !a;
}
static int eq2(int a, int b) {
  return a == N || b == N ? N : a == b ? T : F;
}
static int distinct2(int a, int b) {
  return a == b ? F : T;
}

typedef struct rule {
  const char *form; /* a and b stand for columns or literals */
  int (*want)(int a, int b);
} rule;

static int want_and(int a, int b) {
  return and2(a, b);
}
static int want_or(int a, int b) {
  return or2(a, b);
}
static int want_nand(int a, int b) {
  return not1(and2(a, b));
}
static int want_nor_mixed(int a, int b) {
  return or2(not1(a), and2(b, not1(a)));
}
static int want_in(int a, int b) {
  return or2(eq2(a, b), eq2(a, T));
}
static int want_not_in(int a, int b) {
  return not1(or2(eq2(a, b), eq2(a, T)));
}
static int want_is_null(int a, int b) {
  return or2(a == N ? T : F, b == N ? F : T);
}
static int want_case(int a, int b) {
  return a == T ? b : b == T ? F : N;
}
static int want_coalesce(int a, int b) {
  return a != N ? a : b != N ? b : T;
}
static int want_nullif(int a, int b) {
  return eq2(a, b) == T ? N : a;
}
static int want_between(int a, int b) {
  return a == N || b == N ? N : a == T ? b : T;
}
static int want_and3(int a, int b) {
  return and2(and2(a, b), not1(a));
}

static const rule rules[] = {
    {"$a AND $b", want_and},
    {"$a OR $b", want_or},
    {"NOT ($a AND $b)", want_nand},
    {"NOT $a OR $b AND NOT $a", want_nor_mixed},
    {"$a = $b", eq2},
    {"$a IS DISTINCT FROM $b", distinct2},
    {"$a IN ($b, TRUE)", want_in},
    {"$a NOT IN ($b, TRUE)", want_not_in},
    {"$a IS NULL OR $b IS NOT NULL", want_is_null},
    {"CASE WHEN $a THEN $b WHEN $b THEN FALSE END", want_case},
    {"COALESCE($a, $b, TRUE)", want_coalesce},
    {"NULLIF($a, $b)", want_nullif},
    {"$a BETWEEN FALSE AND $b", want_between},
    {"$a AND $b AND NOT $a", want_and3},
};

static void fill(char *out, const char *form, const char *a, const char *b) {
  for (; *form; form++) {
    if (form[0] == '$') {
      const char *name = *++form == 'a' ? a : b;
      strcpy(out, name);
      out += strlen(name);
    } else {
      *out++ = *form;
    }
  }
  *out = '\0';
}

/* Each rule for all nine pairs: column with column, and every mixture of column and constant. */
START_TEST(truth_tables) {
  bench b;
  bench_init(&b, "a bool null; b bool null");
  for (int a = 0; a < 3; a++) {
    for (int c = 0; c < 3; c++) bench_row(&b, (const char *const[]){cells[a], cells[c]});
  }
  for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++) {
    for (int form = 0; form < 16; form++) { /* a: column, T, F, N times b: the same */
      char text[256], want[256] = "";
      int fixed_a = form / 4 - 1, fixed_b = form % 4 - 1;
      fill(text, rules[r].form, fixed_a < 0 ? "a" : names[fixed_a], fixed_b < 0 ? "b" : names[fixed_b]);
      for (int row = 0; row < 9; row++) {
        int va = fixed_a < 0 ? row / 3 : fixed_a, vb = fixed_b < 0 ? row % 3 : fixed_b;
        sprintf(want + strlen(want), "%s%s", row ? " " : "", texts[rules[r].want(va, vb)]);
      }
      const char *got = run(&b, text);
      if (strstr(got, "no type by itself")) continue; /* COALESCE and NULLIF of nothing but NULL */
      ck_assert_msg(strcmp(got, want) == 0, "%s\n   gives %s\n   wanted %s", text, got, want);
    }
  }
  bench_fini(&b);
}
END_TEST

/* -- null patterns ----------------------------------------------------------------------------- */

static bool null_at(int pattern, int64_t row) {
  switch (pattern) {
  case 0:
    return false;
  case 1:
    return true;
  case 2:
    return row % 2 == 0;
  case 3:
    return row % 64 == 63;
  case 4:
    return row % 64 == 0;
  default:
    return (row * 2654435761u >> 3) % 3 == 0;
  }
}

static void numbers(bench *b, int64_t n, int pattern_a, int pattern_b) {
  bench_init(b, "a int64 null; b int64 null; d decimal(18,4) null; s string null; f float64 null");
  for (int64_t row = 0; row < n; row++) {
    char a[32], c[32], d[40], s[32], f[32];
    snprintf(a, sizeof a, null_at(pattern_a, row) ? "~" : "%d", (int)(row % 11) - 5);
    snprintf(c, sizeof c, null_at(pattern_b, row) ? "~" : "%d", (int)(row % 7) - 3);
    snprintf(d, sizeof d, null_at(pattern_a, row) ? "~" : "%d.25", (int)(row % 11) + 1);
    snprintf(s, sizeof s, null_at(pattern_b, row) ? "~" : "s%d", (int)(row % 7));
    snprintf(f, sizeof f, null_at(pattern_b, row) ? "~" : "%d.5", (int)(row % 7));
    bench_row(b, (const char *const[]){a, c, d, s, f});
  }
}

/* The result's bits beyond n and its values under nulls are zero: batches compare bytewise. */
static void check_clean(const ls_column *col) {
  size_t width = ls__type_width(col->type);
  static const char zeros[16];
  for (int64_t row = 0; row < col->n_rows; row++) {
    if (!ls__is_null(col, row)) continue;
    if (width) ck_assert(memcmp((const char *)col->values + (size_t)row * width, zeros, width) == 0);
    if (col->type->kind == LS_BOOL) ck_assert(!LS_BIT_GET(col->values, row));
    if (col->offsets) ck_assert_int_eq(col->offsets[row], col->offsets[row + 1]);
  }
}

static void eval_into(bench *b, const char *text, ls_column *out) {
  ls_error err = LS_ERROR_INIT;
  ls_expr_state *state = NULL;
  ck_assert_int_eq(ls__expr_state_new(&state, must_compile(b, text), &b->env, &err), LS_OK);
  ck_assert_int_eq(ls__expr_eval(out, state, b->batch, NULL, &b->scratch, NULL, NULL, &err), LS_OK);
  ck_assert_int_eq(out->n_rows, b->batch->n_rows);
  check_clean(out);
  ls__expr_state_free(state);
}

static int64_t want_int(int which, int64_t a, int64_t c) {
  switch (which) {
  case 0:
    return a + c;
  case 1:
    return a - c;
  case 2:
    return a * c;
  case 3:
    return a + 1000;
  case 4:
    return 1000 - a;
  case 5:
    return -a;
  default:
    return a < 0 ? -a : a;
  }
}

START_TEST(strict_kernels_at_word_borders) {
  static const char *const exprs[] = {"a + b", "a - b", "a * b", "a + 1000", "1000 - a", "-a", "abs(a)"};
  for (size_t s = 0; s < N_SIZES; s++) {
    for (int p = 0; p < 36; p++) {
      bench b;
      numbers(&b, sizes[s], p / 6, p % 6);
      for (int e = 0; e < 7; e++) {
        ls_column out;
        eval_into(&b, exprs[e], &out);
        for (int64_t row = 0; row < sizes[s]; row++) {
          bool null = null_at(p / 6, row) || (e < 3 && null_at(p % 6, row));
          ck_assert_int_eq(ls__is_null(&out, row), null);
          if (!null) ck_assert_int_eq(ls__column_i64(&out)[row], want_int(e, row % 11 - 5, row % 7 - 3));
        }
      }
      bench_fini(&b);
    }
  }
}
END_TEST

START_TEST(other_kernels_leave_clean_columns) {
  static const char *const exprs[] = {"a < b",
                                      "a = 3",
                                      "s = 's3'",
                                      "s <> s",
                                      "d * 2.5",
                                      "d + d",
                                      "d / 3.0",
                                      "f * 2",
                                      "f < 2",
                                      "a IS NULL",
                                      "a > 0 AND b > 0",
                                      "a > 0 OR b > 0",
                                      "NOT (a = b)",
                                      "CASE WHEN a > 0 THEN b WHEN b > 0 THEN 7 END",
                                      "COALESCE(a, b)",
                                      "s || 'x'",
                                      "upper(s)",
                                      "[a, b]",
                                      "list_compact([a, b])[1]",
                                      "CAST(a AS string)",
                                      "TRY_CAST(s AS int64)",
                                      "CAST(a AS decimal(30,2))",
                                      "greatest(a, b)",
                                      "s LIKE 's_'",
                                      "struct(x := a).x",
                                      "1 / b",
                                      "round(d)",
                                      "NULLIF(a, b)"};
  for (size_t s = 0; s < N_SIZES; s++) {
    for (int p = 0; p < 6; p++) {
      bench b;
      numbers(&b, sizes[s], p, 5 - p);
      for (size_t e = 0; e < sizeof exprs / sizeof exprs[0]; e++) {
        ls_column out;
        eval_into(&b, exprs[e], &out);
      }
      bench_fini(&b);
    }
  }
}
END_TEST

int main(void) {
  const TTest *tests[] = {truth_tables, strict_kernels_at_word_borders, other_kernels_leave_clean_columns};
  return run_suite("logic", tests, sizeof tests / sizeof tests[0]);
}
