/**
 * @file types.c
 * Type rules: which type fits where without loss, and what type arithmetic has. Money never becomes
 * float64 by itself.
 */
#include "expr/ex.h"

#include <stdio.h>
#include <stdlib.h>

#include "data/datetime.h"

const ls_type ls__ex_type_null = {.kind = LS_NONE};
const ls_type ls__ex_type_interval = {.kind = LS_INT64};

bool ls__ex_same_type(const ls_type *a, const ls_type *b) {
  if (ls__ex_is_interval(a) || ls__ex_is_interval(b)) return a == b;
  if (a->kind != b->kind) return false;
  if (a->kind == LS_LIST) return ls__ex_same_type(a->element, b->element);
  return ls__type_eq(a, b);
}

const char *ls__ex_type_text(const ls_ex_compiler *c, const ls_type *type) {
  if (ls__ex_is_null_type(type)) return "NULL";
  if (ls__ex_is_interval(type)) return "interval";
  if (type->kind == LS_LIST && ls__ex_is_null_type(type->element)) return "empty list";
  ls_buf buf = LS_BUF_INIT;
  ls__type_format(&buf, type);
  const char *text = ls__arena_strndup(c->arena, buf.ptr, buf.len);
  ls__buf_fini(&buf);
  return text;
}

double ls__ex_decimal_to_double(ls_int128 value, int scale) {
  char text[LS_DECIMAL_TEXT_MAX];
  size_t len = ls__decimal_format(text, value, scale);
  text[len] = '\0';
  return strtod(text, NULL); /* tidy: allow float-parse because float64 was asked for */
}

size_t ls__ex_float_format(char out[32], double value) {
  int len = 0;
  for (int digits = 15; digits <= 17; digits++) {
    len = snprintf(out, 32, "%.*g", digits, value);
    /* tidy: allow float-parse because it reads back what was printed of a float64 */
    if (strtod(out, NULL) == value) break;
  }
  return (size_t)len;
}

static ls_ex *new_const(ls_ex_compiler *c, const ls_type *type, const ls_ast *ast, ls_int128 fixed, double f) {
  ls_column *col = LS_ARENA_NEW(c->arena, ls_column);
  ls__column_init(col, type, c->arena, 1);
  switch (type->kind) {
  case LS_TIMESTAMP:
  case LS_INT64:
    ls__column_append_i64(col, (int64_t)fixed);
    break;
  case LS_DATE:
    ls__column_append_i32(col, (int32_t)fixed);
    break;
  case LS_DECIMAL:
    ls__column_append_decimal(col, fixed);
    break;
  default:
    ls__column_append_f64(col, f);
    break;
  }
  ls_ex *ex = ls__ex_const(c, col, ast);
  ex->literal = true;
  return ex;
}

static const char *literal_form(const ls_type *type) {
  if (type->kind == LS_TIMESTAMP) return "'2026-03-01T09:00:00Z' (UTC, up to 6 decimals)";
  if (type->kind == LS_DATE) return "'2026-03-01'";
  return "'12.50', with no more digits than the type has";
}

static ls_ex *fit_text(ls_ex_compiler *c, ls_ex *ex, const ls_type *want, bool *failed) {
  ls_slice text = ls__column_slice(ex->value, 0);
  int64_t us = 0;
  int32_t days = 0;
  ls_int128 value = 0;
  int rc = LS_OK;
  if (want->kind == LS_TIMESTAMP) {
    rc = ls__timestamp_parse(&us, text);
    value = us;
  } else if (want->kind == LS_DATE) {
    rc = ls__date_parse(&days, text);
    value = days;
  } else {
    rc = ls__decimal_parse(&value, text, want->precision, want->scale, false);
  }
  if (rc == LS_OK) return new_const(c, want, ex->ast, value, 0);
  *failed = true;
  return ls__ex_fail(c, ex->ast, "'%.*s' is not a %s: write it as %s", (int)(text.len > 60 ? 60 : text.len), text.ptr,
                     ls__ex_type_text(c, want), literal_form(want));
}

/* A literal takes the type that is wanted when its value is exactly the same there. */
static ls_ex *fit_literal(ls_ex_compiler *c, ls_ex *ex, const ls_type *want, bool *failed) {
  const ls_type *have = ex->type;
  if (have->kind == LS_STRING) {
    if (want->kind == LS_TIMESTAMP || want->kind == LS_DATE || want->kind == LS_DECIMAL)
      return fit_text(c, ex, want, failed);
    return NULL;
  }
  bool is_int = ls__ex_is_int(have);
  if (!is_int && have->kind != LS_DECIMAL) return NULL;
  ls_int128 value = is_int ? ls__column_i64(ex->value)[0] : ls__i128_get(ls__column_i128(ex->value)[0]);
  int scale = is_int ? 0 : have->scale;
  if (want->kind == LS_FLOAT64) return new_const(c, want, ex->ast, 0, ls__ex_decimal_to_double(value, scale));
  if (want->kind != LS_DECIMAL) return NULL;
  ls_int128 rescaled;
  if (ls__decimal_rescale(&rescaled, value, scale, want->scale, want->precision, LS_ROUND_EXACT) != LS_OK) return NULL;
  return new_const(c, want, ex->ast, rescaled, 0);
}

static bool widens(const ls_type *from, const ls_type *to) {
  if (ls__ex_is_interval(from) || ls__ex_is_interval(to)) return false;
  if (from->kind == LS_INT64) {
    return to->kind == LS_FLOAT64 || (to->kind == LS_DECIMAL && to->precision - to->scale >= 19);
  }
  if (from->kind == LS_DECIMAL && to->kind == LS_DECIMAL) {
    return to->scale >= from->scale && to->precision - to->scale >= from->precision - from->scale;
  }
  if (from->kind == LS_LIST && to->kind == LS_LIST) {
    return ls__ex_same_type(from->element, to->element) || widens(from->element, to->element);
  }
  return false;
}

/* [] and [NULL] take any element type; a list of literals takes it when every literal does. */
static bool fit_list(ls_ex_compiler *c, ls_ex **ex, const ls_type *want, bool *failed) {
  const ls_ast *ast = (*ex)->ast;
  uint32_t n = (*ex)->n_args;
  if (!ast || ast->kind != LS_AST_LIST || ((*ex)->op != LS_EX_LIST && (*ex)->op != LS_EX_CONST)) return false;
  if (n != ast->n_args) return false;
  ls_ex **args = ls__ex_args(c, n);
  for (uint32_t i = 0; i < n; i++) {
    args[i] = (*ex)->args[i];
    if (!ls__ex_fit(c, &args[i], want->element, failed)) return false;
  }
  bool literal = (*ex)->literal;
  *ex = ls__ex_fold(c, ls__ex_new(c, LS_EX_LIST, want, ast, args, n));
  (*ex)->nullable = false;
  (*ex)->literal = literal;
  (*ex)->args = args;
  (*ex)->n_args = n;
  return true;
}

bool ls__ex_fit(ls_ex_compiler *c, ls_ex **ex, const ls_type *want, bool *failed) {
  const ls_type *have = (*ex)->type;
  if (ls__ex_same_type(have, want)) return true;
  if (ls__ex_is_null_type(want)) return false;
  if (ls__ex_is_null_type(have)) {
    *ex = ls__ex_null(c, want, (*ex)->ast);
    return true;
  }
  if ((*ex)->literal && (*ex)->op == LS_EX_CONST && have->kind != LS_LIST && !ls__ex_is_null_const(*ex)) {
    ls_ex *fitted = fit_literal(c, *ex, want, failed);
    if (fitted) *ex = fitted;
    if (fitted || *failed) return fitted != NULL;
  }
  if (have->kind == LS_LIST && want->kind == LS_LIST) {
    if (fit_list(c, ex, want, failed)) return true;
    if (*failed) return false;
  }
  if (!widens(have, want)) return false;
  ls_ex *cast = ls__ex_cast(c, *ex, want, false, (*ex)->ast);
  if (!cast) return false;
  cast->sensitive = (*ex)->sensitive;
  *ex = cast;
  return true;
}

int ls__ex_coerce(ls_ex_compiler *c, ls_ex **ex, const ls_type *want, const char *what) {
  bool failed = false;
  const ls_type *have = (*ex)->type;
  if (ls__ex_fit(c, ex, want, &failed)) return LS_OK;
  if (failed) return LS_ECONFIG;
  const char *hint = "";
  bool castable = ls__ex_cast_allowed(have, want);
  if (castable) hint = ls__arena_printf(c->arena, ": CAST(... AS %s) if that is meant", ls__ex_type_text(c, want));
  ls__ex_fail(c, (*ex)->ast, "%s must be %s, not %s%s", what, ls__ex_type_text(c, want), ls__ex_type_text(c, have),
              hint);
  return LS_ECONFIG;
}

const ls_type *ls__ex_as_decimal(ls_arena *arena, const ls_type *type) {
  return type->kind == LS_DECIMAL ? type : ls__type_decimal(arena, 19, 0);
}

static int max_int(int a, int b) {
  return a > b ? a : b;
}
static int min_int(int a, int b) {
  return a < b ? a : b;
}

/* Documented in expr_reference.c; a change here is a change there. */
const ls_type *ls__ex_decimal_result(ls_arena *arena, char op, const ls_type *a, const ls_type *b) {
  int p1 = a->precision, s1 = a->scale, p2 = b->precision, s2 = b->scale, p = 0, s = 0;
  switch (op) {
  case '*':
    s = s1 + s2;
    p = p1 + p2;
    break;
  case '/':
    s = max_int(6, s1 + p2 + 1);
    p = p1 - s1 + s2 + s;
    break;
  case '%':
    s = max_int(s1, s2);
    p = max_int(min_int(p1 - s1, p2 - s2) + s, 1);
    break;
  default:
    s = max_int(s1, s2);
    p = max_int(p1 - s1, p2 - s2) + 1 + s;
  }
  if (p > LS_DECIMAL_DIGITS_MAX) {
    /* Sums keep every decimal and rather fail; products and quotients give decimals up, down to 6.
     */
    if (op == '*' || op == '/') s = max_int(LS_DECIMAL_DIGITS_MAX - (p - s), min_int(s, 6));
    p = LS_DECIMAL_DIGITS_MAX;
  }
  return ls__type_decimal(arena, p, s);
}

/* The least type that holds both, NULL when there is none. */
static const ls_type *common_type(ls_ex_compiler *c, const ls_type *a, const ls_type *b) {
  if (ls__ex_is_null_type(a)) return b;
  if (ls__ex_is_null_type(b) || ls__ex_same_type(a, b)) return a;
  if (ls__ex_is_interval(a) || ls__ex_is_interval(b)) return NULL;
  if (a->kind == LS_LIST && b->kind == LS_LIST) {
    const ls_type *element = common_type(c, a->element, b->element);
    return element ? ls__type_list(c->arena, element) : NULL;
  }
  if (!ls__ex_is_number(a) || !ls__ex_is_number(b)) return NULL;
  if (a->kind == LS_FLOAT64 || b->kind == LS_FLOAT64) {
    return a->kind == LS_DECIMAL || b->kind == LS_DECIMAL ? NULL : &ls__type_float64;
  }
  const ls_type *x = ls__ex_as_decimal(c->arena, a), *y = ls__ex_as_decimal(c->arena, b);
  int scale = max_int(x->scale, y->scale);
  int precision = max_int(x->precision - x->scale, y->precision - y->scale) + scale;
  return precision > LS_DECIMAL_DIGITS_MAX ? NULL : ls__type_decimal(c->arena, precision, scale);
}

static int mismatch(ls_ex_compiler *c, const ls_ex *ex, const ls_type *type, const char *what) {
  const char *hint = ls__ex_is_number(type) && ls__ex_is_number(ex->type) ? ": CAST one to the type that is meant" : "";
  ls__ex_fail(c, ex->ast, "%s mixes %s and %s%s", what, ls__ex_type_text(c, type), ls__ex_type_text(c, ex->type), hint);
  return LS_ECONFIG;
}

int ls__ex_unify(ls_ex_compiler *c, ls_ex **args, uint32_t n_args, uint32_t stride, const ls_type **out,
                 const char *what) {
  const ls_type *type = &ls__ex_type_null;
  /* Columns decide first: literals fit themselves to them. */
  for (int pass = 0; pass < 2; pass++) {
    for (uint32_t i = 0; i < n_args; i += stride) {
      if (args[i]->literal != (pass == 1)) continue;
      bool failed = false;
      if (pass == 1 && !ls__ex_is_null_type(type) && ls__ex_fit(c, &args[i], type, &failed)) continue;
      if (failed) return LS_ECONFIG;
      const ls_type *common = common_type(c, type, args[i]->type);
      if (!common) return mismatch(c, args[i], type, what);
      type = common;
    }
  }
  *out = type;
  if (ls__ex_is_null_type(type)) return LS_OK;
  for (uint32_t i = 0; i < n_args; i += stride) LS_TRY(ls__ex_coerce(c, &args[i], type, what));
  return LS_OK;
}
