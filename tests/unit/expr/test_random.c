/**
 * @file test_random.c
 * Seeded random expressions: row by row equals the whole batch, any part of the rows equals the
 * whole, and the canonical text means the same. LS_SEED=<n> runs one seed again.
 */
#include "helper_expr.h"

#define N_ROWS        70
#define N_EXPRESSIONS (4000 / LS_TEST_SHARE)

static uint64_t state;
static unsigned pick(unsigned n) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(state >> 33) % n;
}
#define PICK(list) (list)[pick(sizeof(list) / sizeof((list)[0]))]

typedef enum kind { INT, DEC, FLT, BOOLEAN, TEXT, TIME, DAY, LIST, N_KINDS } kind;

static void gen(ls_buf *out, kind k, int depth);

static void leaf(ls_buf *out, kind k) {
  static const char *const leaves[N_KINDS][6] = {
      {"qty", "big", "3", "0", "-7", "CAST(NULL AS int64)"},
      {"amount", "fee", "0.5", "12.5000", "-3.00", "amount"},
      {"score", "1e0", "-2.5e-1", "score", "0e0", "CAST(NULL AS float64)"},
      {"flag", "TRUE", "FALSE", "flag", "flag", "qty > 0"},
      {"name", "id", "'a'", "'Zürich'", "''", "CAST(NULL AS string)"},
      {"ts", "t2", "TIMESTAMP '2026-03-01T09:00:00Z'", "event_time()", "stream_time()", "t2"},
      {"day", "DATE '2024-02-29'", "date(ts)", "day", "date(t2)", "day"},
      {"tags", "[name, id]", "['a', NULL]", "split(id, 't')", "tags", "[name]"}};
  ls__buf_puts(out, PICK(leaves[k]));
}

/* Writes form with each letter i d f b t m y l after $ replaced by an expression of that kind. */
static void expand(ls_buf *out, const char *form, int depth) {
  static const char letters[] = "idfbtmyl";
  for (; *form; form++) {
    if (*form != '$') {
      ls__buf_putc(out, *form);
      continue;
    }
    gen(out, (kind)(strchr(letters, *++form) - letters), depth - 1);
  }
}

static void gen(ls_buf *out, kind k, int depth) {
  static const char *const forms[N_KINDS][12] = {
      {"($i + $i)", "($i - $i)", "($i * $i)", "($i / $i)", "($i % $i)", "(- $i)", "abs($i)", "length($t)",
       "CASE WHEN $b THEN $i ELSE $i END", "COALESCE($i, $i)", "date_diff('day', $m, $m)", "TRY_CAST($t AS int64)"},
      {"($d + $d)", "($d - $d)", "($d * $d)", "($d / $d)", "($d % $d)", "(- $d)", "round($d, 1)", "floor($d)",
       "COALESCE($d, $d)", "CASE $i WHEN $i THEN $d ELSE $d END", "CAST($d AS decimal(12,2))", "greatest($d, $d)"},
      {"($f + $f)", "($f - $f)", "($f * $f)", "($f / $f)", "abs($f)", "round($f)", "COALESCE($f, $f)", "IF($b, $f, $f)",
       "CAST($d AS float64)", "least($f, $f)", "(- $f)", "NULLIF($f, $f)"},
      {"($i < $i)", "($d >= $d)", "($t = $t)", "($b AND $b AND $b)", "($b OR $b)", "(NOT $b)", "($t IN ($t, $t, 'a'))",
       "($i BETWEEN $i AND $i)", "($t IS NOT NULL)", "($i IS DISTINCT FROM $i)", "($t LIKE '%a%')",
       "list_contains($l, $t)"},
      {"($t || $t)", "upper($t)", "substr($t, $i)", "left($t, 2)", "CAST($i AS string)", "CAST($d AS string)",
       "concat($t, $t)", "CASE WHEN $b THEN $t WHEN $b THEN 'x' END", "$l[1]", "list_to_string($l, '-')",
       "replace($t, 'a', $t)", "COALESCE($t, $t)"},
      {"($m + INTERVAL '1h')", "($m - INTERVAL '40d')", "date_trunc('week', $m)", "date_trunc('month', $m)",
       "CASE WHEN $b THEN $m END", "COALESCE($m, $m)", "greatest($m, $m)", "CAST($y AS timestamp)",
       "to_timestamp_us($i)", "NULLIF($m, $m)", "IF($b, $m)", "least($m, $m)"},
      {"($y + INTERVAL '1d')", "date($m)", "date_trunc('year', $y)", "COALESCE($y, $y)", "CASE WHEN $b THEN $y END",
       "CAST($m AS date)", "greatest($y, $y)", "NULLIF($y, $y)", "TRY_CAST($t AS date)", "IF($b, $y, $y)",
       "least($y, $y)", "($y - INTERVAL '7d')"},
      {"list_sort($l)", "list_distinct($l)", "list_compact($l)", "list_concat($l, $l)", "[$t, $t]", "COALESCE($l, $l)",
       "split($t, 'a')", "CASE WHEN $b THEN $l ELSE [] END", "[CAST($i AS string)]", "list_compact([$t, NULL])",
       "list_concat($l, [$t])", "IF($b, $l)"}};
  if (depth <= 0 || pick(5) == 0) {
    leaf(out, k);
  } else {
    expand(out, PICK(forms[k]), depth);
  }
}

static void make_rows(bench *b) {
  bench standard;
  bench_standard(&standard);
  bench_standard(b);
  static const char *const bits[] = {"1", "0", "7", "~", "-2", "100"};
  for (int i = 4; i < N_ROWS; i++) {
    int32_t row = (int32_t)pick(4);
    for (uint32_t f = 0; f < b->schema.n_fields; f++) {
      ls_column *col = &b->batch->columns[f];
      if (f == 3 || (f == 4 && pick(2))) {
        cell_append(col, f == 3 ? PICK(bits) : "42");
      } else {
        ls__column_append_from(col, &standard.batch->columns[f], row);
      }
    }
    ls__batch_append_meta(b->batch, 1000 * i, (ls_stamp){1000 * i, (uint64_t)i});
  }
  bench_fini(&standard);
}

typedef struct outcome {
  char *texts[N_ROWS]; /* value or error of each row */
} outcome;

static void note(void *payload, int64_t row, const char *message) {
  ((const char **)payload)[row] = message;
}

/* Evaluates over rows [first, first + n) of which bits in active, as a batch of its own. */
static void evaluate(outcome *out, bench *b, ls_expr_state *st, const ls_expr *expr, ls_batch *part, int64_t first,
                     const uint64_t *active, ls_arena *arena) {
  const char *errors[N_ROWS] = {NULL};
  ls_error err = LS_ERROR_INIT;
  ls_column col;
  (void)b;
  ck_assert_int_eq(ls__expr_eval(&col, st, part, active, arena, note, errors, &err), LS_OK);
  ck_assert(ls__type_eq(col.type, ls__expr_type(expr)));
  for (int64_t i = 0; i < part->n_rows; i++) {
    ls_buf buf = LS_BUF_INIT;
    if (active && !LS_BIT_GET(active, i)) {
      ck_assert_ptr_null(errors[i]);
      continue;
    }
    if (errors[i]) {
      ck_assert(ls__is_null(&col, i));
      ls__buf_printf(&buf, "!%s", errors[i]);
    } else {
      ls__column_format_json(&buf, &col, i);
    }
    out->texts[first + i] = ls__arena_strndup(arena, buf.ptr, buf.len);
    ls__buf_fini(&buf);
  }
}

static void compare(const outcome *want, const outcome *got, const char *text, uint64_t seed, const char *how) {
  for (int i = 0; i < N_ROWS; i++) {
    if (!got->texts[i]) continue;
    ck_assert_msg(strcmp(want->texts[i], got->texts[i]) == 0, "LS_SEED=%llu row %d %s: %s\n  whole %s\n  here  %s",
                  (unsigned long long)seed, i, how, text, want->texts[i], got->texts[i]);
  }
}

static void check_one(bench *b, ls_batch *const *rows, uint64_t seed, const char *text, int *n_errors) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls_expr *expr = NULL, *again = NULL;
  ls_expr_error where;
  ls_error err = LS_ERROR_INIT;
  ls_expr_state *st = NULL;
  if (ls__expr_compile(&expr, ls__slice_of(text), &b->env, &arena, &where) != LS_OK) {
    /* no decimal type holds both: the one error such text may have */
    ck_assert_msg(strstr(where.message, "mixes decimal"), "LS_SEED=%llu %s\n%zu+%zu %s", (unsigned long long)seed, text,
                  where.offset, where.length, where.message);
    ls__arena_fini(&arena);
    return;
  }
  ck_assert_int_eq(ls__expr_state_new(&st, expr, &b->env, &err), LS_OK);
  outcome whole = {{NULL}}, single = {{NULL}}, half = {{NULL}}, canonical = {{NULL}};
  evaluate(&whole, b, st, expr, b->batch, 0, NULL, &arena);
  for (int i = 0; i < N_ROWS; i++) {
    evaluate(&single, b, st, expr, rows[i], i, NULL, &arena);
    *n_errors += whole.texts[i][0] == '!';
  }
  compare(&whole, &single, text, seed, "alone");
  uint64_t active[2] = {state, state ^ 0x5555};
  evaluate(&half, b, st, expr, b->batch, 0, active, &arena);
  compare(&whole, &half, text, seed, "among some active rows");
  ls__expr_state_free(st);

  ls_buf buf = LS_BUF_INIT, twice = LS_BUF_INIT;
  ls__expr_format(&buf, expr);
  ck_assert_msg(ls__expr_compile(&again, ls__buf_slice(&buf), &b->env, &arena, &where) == LS_OK, "%s\n%s\n%s", text,
                buf.ptr, where.message);
  ls__expr_format(&twice, again);
  ck_assert_str_eq(buf.ptr, twice.ptr);
  ck_assert_int_eq(ls__expr_state_new(&st, again, &b->env, &err), LS_OK);
  evaluate(&canonical, b, st, again, b->batch, 0, NULL, &arena);
  compare(&whole, &canonical, buf.ptr, seed, "in canonical text");
  ls__expr_state_free(st);
  ls__buf_fini(&buf);
  ls__buf_fini(&twice);
  ls__arena_fini(&arena);
}

START_TEST(rows_alone_give_what_the_batch_gives) {
  bench b;
  ls_batch *rows[N_ROWS];
  uint64_t first = getenv("LS_SEED") ? strtoull(getenv("LS_SEED"), NULL, 10) : 1,
           last = getenv("LS_SEED") ? first + 1 : N_EXPRESSIONS;
  int n_errors = 0;
  make_rows(&b);
  for (int32_t i = 0; i < N_ROWS; i++) {
    rows[i] = ls__batch_new(&b.schema, &b.arena, 1);
    ls__batch_gather(rows[i], b.batch, &i, 1);
  }
  for (uint64_t seed = first; seed < last; seed++) {
    ls_buf text = LS_BUF_INIT;
    state = seed * 0x9E3779B97F4A7C15u;
    gen(&text, (kind)pick(N_KINDS), 4);
    check_one(&b, rows, seed, text.ptr, &n_errors);
    ls__buf_fini(&text);
  }
  if (last - first > 1) ck_assert_int_gt(n_errors, 1000 / LS_TEST_SHARE); /* errors are part of what is compared */
  bench_fini(&b);
}
END_TEST

int main(void) {
  const TTest *tests[] = {rows_alone_give_what_the_batch_gives};
  return run_suite("random", tests, sizeof tests / sizeof tests[0]);
}
