/**
 * @file compile_operators.c
 * Typed nodes of operators: arithmetic, comparisons, logic, CASE, CAST, lists.
 *
 * An operand that is used twice (BETWEEN, IN, CASE x WHEN) is evaluated once: LET binds it, SHARED
 * reads it.
 */
#include "expr/ex.h"

#include "base/assert.h"

static ls_ex *share(ls_ex_compiler *c, ls_ex *ex) {
  if (ex->op == LS_EX_CONST || ex->op == LS_EX_COLUMN || ex->op == LS_EX_SHARED) return ex;
  ls_ex *shared = ls__ex_new(c, LS_EX_SHARED, ex->type, ex->ast, NULL, 0);
  shared->index = c->expr->n_lets++;
  shared->nullable = ex->nullable;
  shared->sensitive = ex->sensitive;
  return shared;
}

static ls_ex *bind_shared(ls_ex_compiler *c, ls_ex *value, const ls_ex *shared, ls_ex *body) {
  if (!body || shared == value) return body;
  ls_ex **args = ls__ex_args(c, 2);
  args[0] = value;
  args[1] = body;
  ls_ex *let = ls__ex_new(c, LS_EX_LET, body->type, body->ast, args, 2);
  let->index = shared->index;
  let->nullable = body->nullable;
  let->sensitive = body->sensitive;
  return let;
}

static ls_ex *call2(ls_ex_compiler *c, ls_ex_kernel kernel, const ls_type *type, const ls_ast *ast, ls_ex *a, ls_ex *b,
                    uint8_t variant) {
  ls_ex **args = ls__ex_args(c, 2);
  args[0] = a;
  args[1] = b;
  ls_ex *ex = ls__ex_call(c, kernel, type, ast, args, b ? 2 : 1);
  ex->variant = variant;
  return ls__ex_fold(c, ex);
}

/* -- comparisons ------------------------------------------------------------------------------- */

/* Brings both sides to types that compare: literals to the other side, int64 to decimal or float64.
 */
static bool meet(ls_ex_compiler *c, ls_ex **a, ls_ex **b, bool *failed) {
  if ((*a)->literal != (*b)->literal) {
    ls_ex **literal = (*a)->literal ? a : b, **other = (*a)->literal ? b : a;
    if (ls__ex_fit(c, literal, (*other)->type, failed)) return true;
    if (*failed) return false;
  }
  const ls_type *ta = (*a)->type, *tb = (*b)->type;
  if (ls__ex_same_type(ta, tb) || (ta->kind == LS_DECIMAL && tb->kind == LS_DECIMAL)) return true;
  if (ls__ex_is_int(ta) && tb->kind == LS_DECIMAL) return ls__ex_fit(c, a, ls__ex_as_decimal(c->arena, ta), failed);
  if (ls__ex_is_int(tb) && ta->kind == LS_DECIMAL) return ls__ex_fit(c, b, ls__ex_as_decimal(c->arena, tb), failed);
  return ls__ex_fit(c, a, tb, failed) || (!*failed && ls__ex_fit(c, b, ta, failed));
}

static ls_ex *compare_error(ls_ex_compiler *c, const ls_type *ta, const ls_type *tb, const ls_ast *ast) {
  const char *hint = ": CAST one side";
  bool money = (ta->kind == LS_DECIMAL && tb->kind == LS_FLOAT64) || (ta->kind == LS_FLOAT64 && tb->kind == LS_DECIMAL);
  bool days = (ta->kind == LS_DATE && tb->kind == LS_TIMESTAMP) || (ta->kind == LS_TIMESTAMP && tb->kind == LS_DATE);
  if (money)
    hint = ": a decimal never becomes float64 by itself; write CAST(... AS decimal(p,s)) or "
           "CAST(... AS float64)";
  if (days) hint = ": write date(t) to compare days, or CAST(d AS timestamp) for its first instant";
  return ls__ex_fail_op(c, ast, "%s and %s can't be compared%s", ls__ex_type_text(c, ta), ls__ex_type_text(c, tb),
                        hint);
}

ls_ex *ls__ex_compare(ls_ex_compiler *c, ls_compare op, ls_ex *a, ls_ex *b, const ls_ast *ast) {
  static const ls_compare flipped[] = {LS_CMP_EQ, LS_CMP_NE, LS_CMP_GT, LS_CMP_GE, LS_CMP_LT, LS_CMP_LE};
  const ls_type *ta = a->type, *tb = b->type;
  bool failed = false;
  if (ls__ex_is_null_type(ta) || ls__ex_is_null_type(tb)) return ls__ex_null(c, &ls__type_bool, ast);
  if (!meet(c, &a, &b, &failed)) return failed ? NULL : compare_error(c, ta, tb, ast);
  if (op != LS_CMP_EQ && op != LS_CMP_NE && !ls__ex_orderable(a->type)) {
    return ls__ex_fail_op(c, ast, "%s has no order: only = and <> compare it", ls__ex_type_text(c, a->type));
  }
  if (a->op == LS_EX_CONST && b->op != LS_EX_CONST) {
    ls_ex *swap = a;
    a = b;
    b = swap;
    op = flipped[op];
  }
  ls_ex *ex = call2(c, ls__ex_kernel_compare, &ls__type_bool, ast, a, b, (uint8_t)op);
  ex->sensitive = false; /* the result of a comparison may be seen */
  return ex;
}

static ls_ex *compile_compare(ls_ex_compiler *c, const ls_ast *ast) {
  ls_ex *a = ls__ex_compile(c, ast->args[0]);
  ls_ex *b = a ? ls__ex_compile(c, ast->args[1]) : NULL;
  return b ? ls__ex_compare(c, (ls_compare)ast->op, a, b, ast) : NULL;
}

static ls_ex *compile_distinct(ls_ex_compiler *c, const ls_ast *ast) {
  ls_ex *a = ls__ex_compile(c, ast->args[0]);
  ls_ex *b = a ? ls__ex_compile(c, ast->args[1]) : NULL;
  if (!b) return NULL;
  ls_ex *sa = share(c, a), *sb = share(c, b), **args = ls__ex_args(c, 3);
  args[0] = ls__ex_compare(c, LS_CMP_EQ, sa, sb, ast);
  if (!args[0]) return NULL;
  args[1] = sa;
  args[2] = sb;
  ls_ex *ex = ls__ex_new(c, LS_EX_DISTINCT, &ls__type_bool, ast, args, 3);
  ex->variant = ast->negated;
  ex->nullable = ex->sensitive = false;
  ex = ls__ex_fold(c, ex);
  return bind_shared(c, a, sa, bind_shared(c, b, sb, ex));
}

static ls_ex *negate_if(ls_ex_compiler *c, ls_ex *ex, bool negated, const ls_ast *ast) {
  if (!ex || !negated) return ex;
  ls_ex **args = ls__ex_args(c, 1);
  args[0] = ex;
  return ls__ex_logic(c, LS_EX_NOT, ast, args, 1);
}

static ls_ex *compile_between(ls_ex_compiler *c, const ls_ast *ast) {
  ls_ex *value = ls__ex_compile(c, ast->args[0]);
  ls_ex *low = value ? ls__ex_compile(c, ast->args[1]) : NULL;
  ls_ex *high = low ? ls__ex_compile(c, ast->args[2]) : NULL;
  if (!high) return NULL;
  ls_ex *shared = share(c, value), **args = ls__ex_args(c, 2);
  args[0] = ls__ex_compare(c, LS_CMP_GE, shared, low, ast);
  args[1] = args[0] ? ls__ex_compare(c, LS_CMP_LE, shared, high, ast) : NULL;
  if (!args[1]) return NULL;
  ls_ex *both = negate_if(c, ls__ex_logic(c, LS_EX_AND, ast, args, 2), ast->negated, ast);
  return bind_shared(c, value, shared, both);
}

static ls_ex *compile_in(ls_ex_compiler *c, const ls_ast *ast) {
  ls_ex *value = ls__ex_compile(c, ast->args[0]);
  if (!value) return NULL;
  ls_ex *shared = share(c, value), **args = ls__ex_args(c, ast->n_args - 1);
  for (uint32_t i = 1; i < ast->n_args; i++) {
    ls_ex *item = ls__ex_compile(c, ast->args[i]);
    if (!item) return NULL;
    /* errors point at the item */
    ls_ast at = *ast;
    at.op_offset = ast->args[i]->offset;
    at.op_length = ast->args[i]->length;
    ls_ast *kept = LS_ARENA_NEW(c->arena, ls_ast);
    *kept = at;
    args[i - 1] = ls__ex_compare(c, LS_CMP_EQ, shared, item, kept);
    if (!args[i - 1]) return NULL;
  }
  ls_ex *any = negate_if(c, ls__ex_logic(c, LS_EX_OR, ast, args, ast->n_args - 1), ast->negated, ast);
  return bind_shared(c, value, shared, any);
}

static ls_ex *compile_like(ls_ex_compiler *c, const ls_ast *ast) {
  static const char *const what[] = {"the text of LIKE", "the pattern of LIKE", "ESCAPE"};
  ls_ex **args = ls__ex_args(c, 3);
  for (uint32_t i = 0; i < ast->n_args; i++) {
    args[i] = ls__ex_compile(c, ast->args[i]);
    if (!args[i] || ls__ex_coerce(c, &args[i], &ls__type_string, what[i]) != LS_OK) return NULL;
  }
  if (ast->n_args == 3) {
    const ls_ex *escape = args[2];
    if (escape->op != LS_EX_CONST || ls__ex_is_null_const(escape) || ls__column_slice(escape->value, 0).len != 1) {
      return ls__ex_fail(c, ast->args[2], "ESCAPE takes one ASCII character, as in ESCAPE '!'");
    }
    const ls_ex *pattern = args[1];
    if (pattern->op == LS_EX_CONST && !ls__ex_is_null_const(pattern) &&
        ls__ex_like_cut(ls__column_slice(pattern->value, 0), ls__column_slice(escape->value, 0).ptr[0]))
      return ls__ex_fail(c, ast->args[1], LS_EX_LIKE_CUT);
  }
  ls_ex *ex = ls__ex_fold(c, ls__ex_call(c, ls__ex_kernel_like, &ls__type_bool, ast, args, ast->n_args));
  ex->sensitive = false;
  return negate_if(c, ex, ast->negated, ast);
}

/* -- logic ------------------------------------------------------------------------------------- */

ls_ex *ls__ex_logic(ls_ex_compiler *c, ls_ex_op op, const ls_ast *ast, ls_ex **args, uint32_t n_args) {
  const char *what = op == LS_EX_AND ? "an operand of AND" : op == LS_EX_OR ? "an operand of OR" : "the operand of NOT";
  for (uint32_t i = 0; i < n_args; i++) {
    if (ls__ex_coerce(c, &args[i], &ls__type_bool, what) != LS_OK) return NULL;
  }
  return ls__ex_fold(c, ls__ex_new(c, op, &ls__type_bool, ast, args, n_args));
}

static ls_ex **compile_args(ls_ex_compiler *c, const ls_ast *ast) {
  ls_ex **args = ls__ex_args(c, ast->n_args);
  for (uint32_t i = 0; i < ast->n_args; i++) {
    args[i] = ls__ex_compile(c, ast->args[i]);
    if (!args[i]) return NULL;
  }
  return args;
}

static ls_ex *compile_logic(ls_ex_compiler *c, const ls_ast *ast) {
  ls_ex_op op = ast->kind == LS_AST_AND ? LS_EX_AND : ast->kind == LS_AST_OR ? LS_EX_OR : LS_EX_NOT;
  ls_ex **args = compile_args(c, ast);
  return args ? ls__ex_logic(c, op, ast, args, ast->n_args) : NULL;
}

static ls_ex *compile_is_null(ls_ex_compiler *c, const ls_ast *ast) {
  ls_ex **args = compile_args(c, ast);
  if (!args) return NULL;
  /* NULL IS NULL: any type will do */
  if (ls__ex_is_null_type(args[0]->type)) args[0] = ls__ex_null(c, &ls__type_bool, ast->args[0]);
  ls_ex *ex = ls__ex_new(c, LS_EX_IS_NULL, &ls__type_bool, ast, args, 1);
  ex->variant = ast->negated;
  ex->nullable = ex->sensitive = false;
  return ls__ex_fold(c, ex);
}

/* -- CASE -------------------------------------------------------------------------------------- */

static ls_ex *compile_case_body(ls_ex_compiler *c, const ls_ast *ast, ls_ex *operand) {
  uint32_t first = ast->has_operand ? 1 : 0, n_pairs = (ast->n_args - first) / 2, n = n_pairs * 2 + 1;
  ls_ex **args = ls__ex_args(c, n);
  for (uint32_t i = 0; i < n_pairs; i++) {
    const ls_ast *when = ast->args[first + 2 * i];
    ls_ex *condition = ls__ex_compile(c, when);
    if (condition && operand) {
      condition = ls__ex_compare(c, LS_CMP_EQ, operand, condition, when);
    } else if (condition && ls__ex_coerce(c, &condition, &ls__type_bool, "the condition after WHEN") != LS_OK) {
      return NULL;
    }
    args[2 * i] = condition;
    args[2 * i + 1] = condition ? ls__ex_compile(c, ast->args[first + 2 * i + 1]) : NULL;
    if (!args[2 * i + 1]) return NULL;
  }
  args[n - 1] = ast->has_else ? ls__ex_compile(c, ast->args[ast->n_args - 1]) : ls__ex_null(c, &ls__ex_type_null, ast);
  if (!args[n - 1]) return NULL;
  /* values are every second argument and the last: unify wants them evenly spaced */
  ls_ex **values = ls__ex_args(c, n_pairs + 1);
  for (uint32_t i = 0; i < n_pairs; i++) values[i] = args[2 * i + 1];
  values[n_pairs] = args[n - 1];
  const ls_type *type = NULL;
  if (ls__ex_unify(c, values, n_pairs + 1, 1, &type, "CASE") != LS_OK) return NULL;
  if (ls__ex_is_null_type(type)) return ls__ex_null(c, type, ast);
  ls_ex *ex = ls__ex_new(c, LS_EX_CASE, type, ast, args, n);
  ex->nullable = false;
  for (uint32_t i = 0; i <= n_pairs; i++) {
    args[i < n_pairs ? 2 * i + 1 : n - 1] = values[i];
    ex->nullable = ex->nullable || values[i]->nullable;
  }
  return ls__ex_fold(c, ex);
}

static ls_ex *compile_case(ls_ex_compiler *c, const ls_ast *ast) {
  if (!ast->has_operand) return compile_case_body(c, ast, NULL);
  ls_ex *operand = ls__ex_compile(c, ast->args[0]);
  if (!operand) return NULL;
  ls_ex *shared = share(c, operand);
  return bind_shared(c, operand, shared, compile_case_body(c, ast, shared));
}

/* -- arithmetic -------------------------------------------------------------------------------- */

static void *arith_error(ls_ex_compiler *c, const ls_ast *ast, const ls_ex *a, const ls_ex *b) {
  const ls_type *ta = a->type, *tb = b->type;
  const char *hint = "";
  if (ta->kind == LS_STRING && tb->kind == LS_STRING && ast->op == '+') hint = ": texts are joined with ||";
  if (ta->kind == LS_STRING || tb->kind == LS_STRING) hint = *hint ? hint : ": CAST the text to a number first";
  if ((ta->kind == LS_DECIMAL && tb->kind == LS_FLOAT64) || (ta->kind == LS_FLOAT64 && tb->kind == LS_DECIMAL)) {
    hint = ": a decimal never becomes float64 by itself; write CAST(... AS decimal(p,s)) or "
           "CAST(... AS float64)";
  }
  if (ta->kind == LS_DATE && tb->kind == LS_DATE) hint = ": days between dates are date_diff('day', a, b)";
  if ((ta->kind == LS_TIMESTAMP || ta->kind == LS_DATE) && ls__ex_is_number(tb)) hint = ": add an INTERVAL '1d'";
  return ls__ex_fail_op(c, ast, "%s %c %s is not defined%s", ls__ex_type_text(c, ta), (int)ast->op,
                        ls__ex_type_text(c, tb), hint);
}

static ls_ex *compile_time_arith(ls_ex_compiler *c, const ls_ast *ast, ls_ex *a, ls_ex *b) {
  bool ia = ls__ex_is_interval(a->type), ib = ls__ex_is_interval(b->type);
  uint8_t op = (uint8_t)ast->op;
  if (op == '+' && ia && !ib) {
    ls_ex *swap = a;
    a = b;
    b = swap;
    ia = false;
    ib = true;
  }
  ls_kind ka = a->type->kind, kb = b->type->kind;
  if (op == '+' || op == '-') {
    if (ia && ib) {
      return call2(c, op == '+' ? ls__ex_kernel_add_i64 : ls__ex_kernel_sub_i64, a->type, ast, a, b, op);
    }
    if (ib && (ka == LS_TIMESTAMP || ka == LS_DATE)) return call2(c, ls__ex_kernel_date_add, a->type, ast, a, b, op);
    if (op == '-' && ka == LS_TIMESTAMP && kb == LS_TIMESTAMP) {
      return call2(c, ls__ex_kernel_sub_i64, &ls__ex_type_interval, ast, a, b, op);
    }
  }
  if (op == '*' && ((ia && ls__ex_is_int(b->type)) || (ib && ls__ex_is_int(a->type)))) {
    return call2(c, ls__ex_kernel_mul_i64, &ls__ex_type_interval, ast, a, b, op);
  }
  return arith_error(c, ast, a, b);
}

/* An int64 literal counts with the digits it has, a column with 19. */
static bool to_decimal(ls_ex_compiler *c, ls_ex **ex) {
  bool failed = false;
  if ((*ex)->type->kind == LS_DECIMAL) return true;
  int digits = 19;
  if ((*ex)->literal && (*ex)->op == LS_EX_CONST && !ls__ex_is_null_const(*ex)) {
    ls_int128 value = ls__column_i64((*ex)->value)[0];
    for (digits = 1; !ls__decimal_fits(value, digits);) digits++;
  }
  return ls__ex_fit(c, ex, ls__type_decimal(c->arena, digits, 0), &failed);
}

static ls_ex *compile_decimal_arith(ls_ex_compiler *c, const ls_ast *ast, ls_ex *a, ls_ex *b) {
  if (!to_decimal(c, &a) || !to_decimal(c, &b)) return arith_error(c, ast, a, b);
  const ls_type *type = ls__ex_decimal_result(c->arena, (char)ast->op, a->type, b->type);
  ls_ex_kernel kernel = ast->op == '*'                     ? ls__ex_kernel_mul_decimal
                        : ast->op == '/' || ast->op == '%' ? ls__ex_kernel_divmod_decimal
                                                           : ls__ex_kernel_addsub_decimal;
  return call2(c, kernel, type, ast, a, b, (uint8_t)ast->op);
}

ls_ex *ls__ex_arith(ls_ex_compiler *c, const ls_ast *ast, ls_ex *a, ls_ex *b) {
  bool failed = false;
  if (ls__ex_is_null_type(a->type))
    a = ls__ex_null(c, ls__ex_is_null_type(b->type) ? &ls__type_int64 : b->type, a->ast);
  if (ls__ex_is_null_type(b->type)) b = ls__ex_null(c, a->type, b->ast);
  ls_kind ka = a->type->kind, kb = b->type->kind;
  if (ka == LS_TIMESTAMP || kb == LS_TIMESTAMP || ka == LS_DATE || kb == LS_DATE || ls__ex_is_interval(a->type) ||
      ls__ex_is_interval(b->type)) {
    return compile_time_arith(c, ast, a, b);
  }
  if (!ls__ex_is_number(a->type) || !ls__ex_is_number(b->type)) return arith_error(c, ast, a, b);
  if (ka == LS_FLOAT64 || kb == LS_FLOAT64) {
    if (!ls__ex_fit(c, &a, &ls__type_float64, &failed) || !ls__ex_fit(c, &b, &ls__type_float64, &failed)) {
      return arith_error(c, ast, a, b);
    }
    return call2(c, ls__ex_kernel_arith_f64, &ls__type_float64, ast, a, b, (uint8_t)ast->op);
  }
  if (ka == LS_DECIMAL || kb == LS_DECIMAL) return compile_decimal_arith(c, ast, a, b);
  ls_ex_kernel kernel = ast->op == '+'   ? ls__ex_kernel_add_i64
                        : ast->op == '-' ? ls__ex_kernel_sub_i64
                        : ast->op == '*' ? ls__ex_kernel_mul_i64
                        : ast->op == '/' ? ls__ex_kernel_div_i64
                                         : ls__ex_kernel_mod_i64;
  return call2(c, kernel, &ls__type_int64, ast, a, b, (uint8_t)ast->op);
}

static ls_ex *compile_arith(ls_ex_compiler *c, const ls_ast *ast) {
  ls_ex *a = ls__ex_compile(c, ast->args[0]);
  ls_ex *b = a ? ls__ex_compile(c, ast->args[1]) : NULL;
  return b ? ls__ex_arith(c, ast, a, b) : NULL;
}

static ls_ex *compile_negate(ls_ex_compiler *c, const ls_ast *ast) {
  ls_ex *a = ls__ex_compile(c, ast->args[0]);
  if (!a || ls__ex_is_null_type(a->type)) return a;
  ls_ex_kernel kernel = a->type->kind == LS_INT64     ? ls__ex_kernel_neg_i64
                        : a->type->kind == LS_FLOAT64 ? ls__ex_kernel_neg_f64
                        : a->type->kind == LS_DECIMAL ? ls__ex_kernel_neg_decimal
                                                      : NULL;
  if (!kernel) return ls__ex_fail_op(c, ast, "- needs a number, not %s", ls__ex_type_text(c, a->type));
  return call2(c, kernel, a->type, ast, a, NULL, '-');
}

/* -- the rest ---------------------------------------------------------------------------------- */

static ls_ex *compile_concat(ls_ex_compiler *c, const ls_ast *ast) {
  ls_ex **args = compile_args(c, ast);
  if (!args) return NULL;
  for (uint32_t i = 0; i < ast->n_args; i++) {
    if (args[i]->type->kind == LS_LIST)
      return ls__ex_fail(c, args[i]->ast, "|| joins texts; lists are joined by list_concat");
    if (ls__ex_coerce(c, &args[i], &ls__type_string, "an operand of ||") != LS_OK) return NULL;
  }
  return ls__ex_fold(c, ls__ex_call(c, ls__ex_kernel_concat, &ls__type_string, ast, args, ast->n_args));
}

ls_ex *ls__ex_cast(ls_ex_compiler *c, ls_ex *arg, const ls_type *to, bool is_try, const ls_ast *ast) {
  if (ls__ex_is_null_type(arg->type)) return ls__ex_null(c, to, ast);
  if (ls__ex_same_type(arg->type, to)) return arg;
  if (!ls__ex_cast_allowed(arg->type, to)) return NULL;
  ls_ex *ex = call2(c, ls__ex_kernel_cast, to, ast, arg, NULL, is_try);
  ex->nullable = ex->nullable || is_try;
  return ex;
}

static ls_ex *compile_cast(ls_ex_compiler *c, const ls_ast *ast) {
  ls_ex *arg = ls__ex_compile(c, ast->args[0]);
  bool failed = false;
  if (!arg) return NULL;
  if (arg->type->kind == LS_LIST && ls__ex_fit(c, &arg, ast->type, &failed)) return arg;
  if (failed) return NULL;
  ls_ex *ex = ls__ex_cast(c, arg, ast->type, ast->negated, ast);
  if (ex) return ex;
  const char *hint = "";
  if (ls__ex_is_int(arg->type) && ast->type->kind == LS_TIMESTAMP) hint = ": to_timestamp_us(x) takes microseconds";
  if (arg->type->kind == LS_TIMESTAMP && ls__ex_is_int(ast->type)) hint = ": epoch_us(t) gives microseconds";
  if (arg->type->kind == LS_LIST && ast->type->kind == LS_STRING) hint = ": list_to_string(list, ',') joins it";
  return ls__ex_fail_op(c, ast, "%s can't be cast to %s%s", ls__ex_type_text(c, arg->type),
                        ls__ex_type_text(c, ast->type), hint);
}

static ls_ex *compile_list(ls_ex_compiler *c, const ls_ast *ast) {
  const ls_type *element = NULL;
  ls_ex **args = compile_args(c, ast);
  if (!args || ls__ex_unify(c, args, ast->n_args, 1, &element, "the list") != LS_OK) return NULL;
  ls_ex *ex = ls__ex_new(c, LS_EX_LIST, ls__type_list(c->arena, element), ast, args, ast->n_args);
  ex->nullable = false;
  ex = ls__ex_fold(c, ex);
  ex->args = args; /* a constant keeps them too: ls__ex_fit may still change their type */
  ex->n_args = ast->n_args;
  ex->literal = true;
  for (uint32_t i = 0; i < ast->n_args; i++) ex->literal = ex->literal && args[i]->literal;
  return ex;
}

static ls_ex *compile_index(ls_ex_compiler *c, const ls_ast *ast) {
  ls_ex **args = compile_args(c, ast);
  if (!args) return NULL;
  if (args[0]->type->kind != LS_LIST || ls__ex_is_null_type(args[0]->type->element)) {
    return ls__ex_fail_op(c, ast, "[...] takes an element of a list, not of %s", ls__ex_type_text(c, args[0]->type));
  }
  if (ls__ex_coerce(c, &args[1], &ls__type_int64, "the position in a list") != LS_OK) return NULL;
  ls_ex *ex = ls__ex_fold(c, ls__ex_call(c, ls__ex_kernel_index, args[0]->type->element, ast, args, 2));
  ex->nullable = true;
  return ex;
}

ls_ex *ls__ex_compile_operator(ls_ex_compiler *c, const ls_ast *ast) {
  switch (ast->kind) {
  case LS_AST_NEGATE:
    return compile_negate(c, ast);
  case LS_AST_BINARY:
    return compile_arith(c, ast);
  case LS_AST_CONCAT:
    return compile_concat(c, ast);
  case LS_AST_COMPARE:
    return compile_compare(c, ast);
  case LS_AST_NOT:
  case LS_AST_AND:
  case LS_AST_OR:
    return compile_logic(c, ast);
  case LS_AST_IS_NULL:
    return compile_is_null(c, ast);
  case LS_AST_DISTINCT:
    return compile_distinct(c, ast);
  case LS_AST_BETWEEN:
    return compile_between(c, ast);
  case LS_AST_IN:
    return compile_in(c, ast);
  case LS_AST_LIKE:
    return compile_like(c, ast);
  case LS_AST_CASE:
    return compile_case(c, ast);
  case LS_AST_CAST:
    return compile_cast(c, ast);
  case LS_AST_LIST:
    return compile_list(c, ast);
  default:
    ls_assert(ast->kind == LS_AST_INDEX);
    return compile_index(c, ast);
  }
}
