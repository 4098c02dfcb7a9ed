/** @file fn_math.c  abs, sign, round, floor, ceil, mod: exact on decimals. */
#include "expr/fn.h"

#include <math.h>

static ls_ex *call_as(ls_ex_compiler *c, ls_ex_kernel kernel, const ls_type *type, const ls_ast *ast, ls_ex **args,
                      uint8_t variant) {
  ls_ex *ex = ls__ex_call(c, kernel, type, ast, args, 1);
  ex->variant = variant;
  return ls__ex_fold(c, ex);
}

static void kernel_abs(ls_column *out, const ls_ex_call *call) {
  const ls_vec *a = &call->args[0];
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) continue;
    if (out->type->kind == LS_FLOAT64) {
      ((double *)out->values)[i] = fabs(ls__column_f64(a->col)[i & a->mask]);
    } else if (out->type->kind == LS_DECIMAL) {
      ls_int128 value = ls__vec_dec(a, i);
      ((ls_i128 *)out->values)[i] = ls__i128_make(value < 0 ? -value : value);
    } else {
      int64_t value = ls__vec_i64(a, i);
      if (value == INT64_MIN) {
        ls__ex_fail_fixed(out, call, i, "int64 overflow");
      } else {
        ((int64_t *)out->values)[i] = value < 0 ? -value : value;
      }
    }
  }
}

LS_EX_FORM(ls__fn_abs) {
  (void)n_args;
  return call_as(c, kernel_abs, args[0]->type, ast, args, 0);
}

static void kernel_sign(ls_column *out, const ls_ex_call *call) {
  const ls_vec *a = &call->args[0];
  int64_t *values = out->values;
  for (int64_t i = 0; i < call->n; i++) {
    if (a->col->type->kind == LS_FLOAT64) {
      double value = ls__column_f64(a->col)[i & a->mask];
      values[i] = (value > 0) - (value < 0);
    } else if (a->col->type->kind == LS_DECIMAL) {
      ls_int128 value = ls__vec_dec(a, i);
      values[i] = (value > 0) - (value < 0);
    } else {
      int64_t value = ls__vec_i64(a, i);
      values[i] = (value > 0) - (value < 0);
    }
  }
}

LS_EX_FORM(ls__fn_sign) {
  (void)n_args;
  return call_as(c, kernel_sign, &ls__type_int64, ast, args, 0);
}

/* variant: 'r' half away from zero, 'f' floor, 'c' ceil; to the scale of the result. */
static void kernel_round(ls_column *out, const ls_ex_call *call) {
  const ls_vec *a = &call->args[0];
  char how = (char)call->node->variant;
  if (out->type->kind == LS_FLOAT64) {
    double *values = out->values;
    for (int64_t i = 0; i < call->n; i++) {
      double x = ls__column_f64(a->col)[i & a->mask];
      values[i] = how == 'r' ? round(x) : how == 'f' ? floor(x) : ceil(x);
    }
    return;
  }
  ls_int128 unit = ls__pow10[a->col->type->scale - out->type->scale];
  ls_i128 *values = out->values;
  for (int64_t i = 0; i < call->n; i++) {
    ls_int128 x = ls__vec_dec(a, i), q = x / unit, rest = x % unit;
    if (how == 'f' && rest < 0) q--;
    if (how == 'c' && rest > 0) q++;
    if (how == 'r' && rest > 0 && rest >= unit - rest) q++;
    if (how == 'r' && rest < 0 && -rest >= unit + rest) q--;
    values[i] = ls__i128_make(q);
  }
}

/* One digit more before the point: 9.99 rounds to 10.0. */
static ls_ex *round_to(ls_ex_compiler *c, const ls_ast *ast, ls_ex **args, int scale, char how) {
  const ls_type *type = args[0]->type;
  if (type->kind == LS_DECIMAL) {
    if (scale >= type->scale) return args[0];
    int precision = type->precision - type->scale + scale + 1;
    type = ls__type_decimal(c->arena, precision > LS_DECIMAL_DIGITS_MAX ? LS_DECIMAL_DIGITS_MAX : precision, scale);
  }
  if (type->kind == LS_INT64) return args[0];
  return call_as(c, kernel_round, type, ast, args, (uint8_t)how);
}

LS_EX_FORM(ls__fn_round) {
  int64_t scale = 0;
  if (n_args == 2) {
    scale = ls__column_i64(args[1]->value)[0];
    if (scale < 0 || scale > LS_DECIMAL_DIGITS_MAX) {
      return ls__ex_fail(c, args[1]->ast, "decimals to keep are 0 to %d", LS_DECIMAL_DIGITS_MAX);
    }
    if (args[0]->type->kind == LS_FLOAT64) {
      return ls__ex_fail(c, args[0]->ast, "a float64 has no decimals to keep: round(CAST(... AS decimal(p,s)), n)");
    }
  }
  return round_to(c, ast, args, (int)scale, 'r');
}

LS_EX_FORM(ls__fn_floor) {
  (void)n_args;
  return round_to(c, ast, args, 0, 'f');
}
LS_EX_FORM(ls__fn_ceil) {
  (void)n_args;
  return round_to(c, ast, args, 0, 'c');
}

LS_EX_FORM(ls__fn_mod) {
  ls_ast *op = LS_ARENA_NEW(c->arena, ls_ast);
  (void)n_args;
  *op = *ast;
  op->op = '%';
  return ls__ex_arith(c, op, args[0], args[1]);
}
