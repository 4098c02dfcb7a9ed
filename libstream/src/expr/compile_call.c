/**
 * @file compile_call.c
 * Calls: built-in functions by their row of the table, EXISTS, and functions of plugins.
 */
#include "expr/ex.h"

/* -- arguments by letter ----------------------------------------------------------------------- */

typedef struct arity {
  uint32_t min, max;
} arity;

static arity arity_of(const char *letters) {
  arity n = {0, 0};
  bool optional = false;
  for (; *letters; letters++) {
    if (*letters == '?') {
      optional = true;
    } else if (*letters == '*') {
      n.max = UINT32_MAX;
    } else {
      n.max++;
      if (!optional) n.min++;
    }
  }
  return n;
}

static char letter_of(const char *letters, uint32_t index) {
  char last = 'x';
  for (; *letters; letters++) {
    if (*letters == '?' || *letters == '*') continue;
    last = *letters;
    if (index-- == 0) break;
  }
  return last;
}

static const ls_type *type_of_letter(char letter) {
  switch (letter) {
  case 's':
  case 'S':
    return &ls__type_string;
  case 'i':
  case 'I':
    return &ls__type_int64;
  case 'b':
  case 'p':
    return &ls__type_bool;
  case 'f':
    return &ls__type_float64;
  case 't':
    return &ls__type_timestamp;
  case 'd':
    return &ls__type_date;
  default:
    return NULL;
  }
}

static int wrong_argument(ls_ex_compiler *c, const ls_ex *arg, const char *what, const char *wanted) {
  ls__ex_fail(c, arg->ast, "%s must be %s, not %s", what, wanted, ls__ex_type_text(c, arg->type));
  return LS_ECONFIG;
}

static int check_argument(ls_ex_compiler *c, const ls_ex_fn *fn, ls_ex **arg, uint32_t index) {
  char letter = letter_of(fn->args, index);
  const ls_type *want = type_of_letter(letter);
  const char *what = ls__arena_printf(c->arena, "argument %u of %s", index + 1, fn->name);
  if (letter == 'x') return LS_OK;
  if (want) {
    LS_TRY(ls__ex_coerce(c, arg, want, what));
    bool constant = (*arg)->op == LS_EX_CONST && !ls__ex_is_null_const(*arg);
    if ((letter == 'S' || letter == 'I') && !constant) {
      ls__ex_fail(c, (*arg)->ast, "%s must be a constant", what);
      return LS_ECONFIG;
    }
    return LS_OK;
  }
  if (ls__ex_is_null_type((*arg)->type)) {
    const ls_type *any = letter == 'T'   ? &ls__type_timestamp
                         : letter == 'n' ? &ls__type_int64
                         : letter == 'l' ? ls__type_list(c->arena, &ls__type_string)
                                         : &ls__type_string;
    *arg = ls__ex_null(c, any, (*arg)->ast);
  }
  const ls_type *type = (*arg)->type;
  if (letter == 'T' && type->kind != LS_TIMESTAMP && type->kind != LS_DATE) {
    return wrong_argument(c, *arg, what, "a timestamp or a date (as in TIMESTAMP '2026-03-01T09:00:00Z')");
  }
  if (letter == 'n' && !ls__ex_is_number(type)) return wrong_argument(c, *arg, what, "a number");
  if (letter == 'l' && type->kind != LS_LIST) return wrong_argument(c, *arg, what, "a list");
  if (letter == 'l' && ls__ex_is_null_type(type->element)) {
    return wrong_argument(c, *arg, what, "a list of known type (as in CAST([] AS list<string>))");
  }
  return LS_OK;
}

static ls_ex *call_builtin(ls_ex_compiler *c, const ls_ex_fn *fn, const ls_ast *ast) {
  arity n = arity_of(fn->args);
  if (ast->n_args < n.min || ast->n_args > n.max) {
    return ls__ex_fail_op(c, ast, "%s takes %s%u argument%s, %u given: %s", fn->name, n.max > n.min ? "at least " : "",
                          ast->n_args > n.max ? n.max : n.min, n.min == 1 ? "" : "s", ast->n_args, fn->signature);
  }
  if (ast->names && fn->args[0] != '\0' && strcmp(fn->name, "struct") != 0) {
    ls__ex_error(c->where, ast->names[0].offset, ast->names[0].length, "arguments of %s have no names: %s", fn->name,
                 fn->signature);
    return NULL;
  }
  ls_ex **args = ls__ex_args(c, ast->n_args);
  for (uint32_t i = 0; i < ast->n_args; i++) {
    args[i] = ls__ex_compile(c, ast->args[i]);
    if (!args[i] || check_argument(c, fn, &args[i], i) != LS_OK) return NULL;
  }
  if (fn->form) return fn->form(c, ast, args, ast->n_args);
  const ls_type *type = fn->ret == '0'   ? args[0]->type
                        : fn->ret == 'L' ? ls__type_list(c->arena, &ls__type_string)
                                         : type_of_letter(fn->ret);
  ls_ex *ex = ls__ex_fold(c, ls__ex_call(c, fn->kernel, type, ast, args, ast->n_args));
  if (fn->ret == 'p') ex->sensitive = false;
  return ex;
}

/* -- EXISTS ------------------------------------------------------------------------------------ */

static ls_ex *unknown_table(ls_ex_compiler *c, const ls_ast *at, const char *word) {
  const char **names = (const char **)LS_ARENA_ARRAY(c->arena, char *, c->env->n_tables + 1);
  ls_buf list = LS_BUF_INIT;
  for (uint32_t i = 0; i < c->env->n_tables; i++) {
    names[i] = c->env->tables[i].name;
    ls__buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
  }
  const char *nearest = ls__nearest_name(word, names, c->env->n_tables);
  if (c->env->n_tables == 0) {
    ls__ex_fail(c, at, "unknown table `%.100s`: there are no global tables", word);
  } else {
    ls__ex_fail(c, at, "unknown table `%.100s`%s%s%s  tables: %.200s", word, nearest ? ": did you mean `" : "",
                nearest ? nearest : "", nearest ? "`?" : "", list.ptr);
  }
  ls__buf_fini(&list);
  return NULL;
}

static ls_ex *compile_exists(ls_ex_compiler *c, const ls_ast *ast) {
  if (ast->n_args < 1 || ast->n_args > 2 || ast->names) {
    return ls__ex_fail_op(c, ast, "EXISTS takes a table and a condition on its columns: EXISTS(policies, active_flag)");
  }
  const ls_ast *name = ast->args[0];
  if (name->kind != LS_AST_NAME) return ls__ex_fail(c, name, "the name of a table should stand here");
  if (c->in_exists) return ls__ex_fail_op(c, ast, "EXISTS can't stand inside EXISTS");
  const char *word = ls__arena_strndup(c->arena, name->names[0].text.ptr, name->names[0].text.len);
  for (uint32_t i = 1; i < name->n_names; i++) {
    word = ls__arena_printf(c->arena, "%s.%.*s", word, (int)name->names[i].text.len, name->names[i].text.ptr);
  }
  const ls_expr_table *table = NULL;
  for (uint32_t i = 0; i < c->env->n_tables; i++) {
    if (strcmp(c->env->tables[i].name, word) == 0) table = &c->env->tables[i];
  }
  if (!table) return unknown_table(c, name, word);
  ls_ex **args = ls__ex_args(c, 1);
  if (ast->n_args == 2) {
    const ls_schema *outer = c->schema;
    c->schema = table->schema;
    c->in_exists = true;
    args[0] = ls__ex_compile(c, ast->args[1]);
    c->schema = outer;
    c->in_exists = false;
    if (!args[0] || ls__ex_coerce(c, &args[0], &ls__type_bool, "the condition of EXISTS") != LS_OK) return NULL;
  }
  ls_ex *ex = ls__ex_new(c, LS_EX_EXISTS, &ls__type_bool, ast, args, ast->n_args - 1);
  ex->name = table->name;
  ex->nullable = false;
  ls__ex_need_slot(c, ex);
  return ex;
}

/* -- plugins ----------------------------------------------------------------------------------- */

static ls_ex *unknown_function(ls_ex_compiler *c, const ls_ast *ast) {
  size_t n_builtins = 0, n_plugins = 0;
  while (ls__ex_fn_at(n_builtins)) n_builtins++;
  const char *const *plugins = c->env->udfs ? ls__udf_names(c->env->udfs, &n_plugins) : NULL;
  const char **names = (const char **)LS_ARENA_ARRAY(c->arena, char *, n_builtins + n_plugins + 1);
  for (size_t i = 0; i < n_builtins; i++) names[i] = ls__ex_fn_at(i)->name;
  for (size_t i = 0; i < n_plugins; i++) names[n_builtins + i] = plugins[i];
  const char *word = ls__arena_strndup(c->arena, ast->text.ptr, ast->text.len > 100 ? 100 : ast->text.len);
  static const char *const clocks[] = {"now", "current_timestamp", "current_date", "today", "getdate"};
  for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
    if (ls__ex_name_is(ast->text, clocks[i])) {
      return ls__ex_fail_op(c, ast,
                            "there is no %s(): results must not depend on the clock; stream_time() and event_time() "
                            "are the times of the data",
                            word);
    }
  }
  /* names are compared in lower case, as functions are found */
  char *lower = ls__arena_strndup(c->arena, word, strlen(word));
  for (char *p = lower; *p; p++) *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
  const char *nearest = ls__nearest_name(lower, names, n_builtins + n_plugins);
  if (nearest) return ls__ex_fail_op(c, ast, "unknown function `%s`: did you mean `%s`?", word, nearest);
  return ls__ex_fail_op(c, ast, "unknown function `%s`: neither built in nor in a loaded plugin", word);
}

/* Casts an argument to what the function declares, where that is exact. What does not fit is left
 * to bind to refuse. */
static int fit_udf_argument(ls_ex_compiler *c, const ls_udf_fn *fn, ls_ex **arg, uint32_t index) {
  const ls_udf_type *declared = &fn->args[index];
  ls_error err = LS_ERROR_INIT;
  bool failed = false;
  const ls_type *want = NULL;
  if (declared->kind == LS_NONE) return LS_OK;
  if (declared->kind == LS_DECIMAL && declared->precision == 0) {
    if (ls__ex_is_int((*arg)->type)) want = ls__ex_as_decimal(c->arena, (*arg)->type);
    if (ls__ex_is_null_type((*arg)->type)) want = ls__type_decimal(c->arena, LS_DECIMAL_DIGITS_MAX, 0);
  } else if (ls__udf_type_from(&want, declared, c->arena, &err) != LS_OK) {
    want = NULL;
  }
  if (want) ls__ex_fit(c, arg, want, &failed);
  if (failed) return LS_ECONFIG;
  if (ls__ex_is_interval((*arg)->type) || ls__ex_is_null_type((*arg)->type)) {
    ls__ex_fail(c, (*arg)->ast, "argument %u of %s can't be %s", index + 1, fn->name,
                ls__ex_type_text(c, (*arg)->type));
    return LS_ECONFIG;
  }
  return LS_OK;
}

static ls_ex *call_plugin(ls_ex_compiler *c, const ls_udf_fn *fn, const ls_ast *ast) {
  if ((fn->flags & LS_UDF_VOLATILE) && !c->env->volatile_allowed) {
    return ls__ex_fail_op(c, ast,
                          "%s is volatile: its result is not a function of its arguments, so live and replay would "
                          "differ. It is allowed only where the topology says parity: off",
                          fn->name);
  }
  if (ast->names) return ls__ex_fail_op(c, ast, "arguments of %s have no names", fn->name);
  if (ast->n_args != fn->n_args) {
    return ls__ex_fail_op(c, ast, "%s takes %u argument%s, %u given", fn->name, fn->n_args, fn->n_args == 1 ? "" : "s",
                          ast->n_args);
  }
  ls_ex **args = ls__ex_args(c, ast->n_args);
  const ls_type **types = (const ls_type **)LS_ARENA_ARRAY(c->arena, ls_type *, ast->n_args + 1);
  for (uint32_t i = 0; i < ast->n_args; i++) {
    args[i] = ls__ex_compile(c, ast->args[i]);
    if (!args[i] || fit_udf_argument(c, fn, &args[i], i) != LS_OK) return NULL;
    types[i] = args[i]->type;
  }
  ls_error err = LS_ERROR_INIT;
  const ls_type *ret = NULL;
  if (ls__udf_bind(&ret, fn, types, ast->n_args, c->arena, &err) != LS_OK) {
    return ls__ex_fail_op(c, ast, "%.500s", err.message);
  }
  ls_ex *ex = ls__ex_new(c, LS_EX_UDF, ret, ast, args, ast->n_args);
  ex->udf = fn;
  ex->nullable = true;
  /* only on its author's word: any other function may give back what it was given */
  if (fn->flags & LS_UDF_DECLASSIFIES) ex->sensitive = false;
  ls__ex_need_slot(c, ex);
  return ex;
}

ls_ex *ls__ex_compile_call(ls_ex_compiler *c, const ls_ast *ast) {
  if (ls__ex_name_is(ast->text, "exists")) return compile_exists(c, ast);
  const ls_ex_fn *fn = ls__ex_fn_find(ast->text);
  if (fn) return call_builtin(c, fn, ast);
  if (c->env->udfs) {
    char *name = ls__arena_strndup(c->arena, ast->text.ptr, ast->text.len);
    const ls_udf_fn *udf = ls__udf_find_fn(c->env->udfs, name);
    if (udf) return call_plugin(c, udf, ast);
    if (ls__udf_find_agg(c->env->udfs, name)) {
      return ls__ex_fail_op(c, ast, "%.100s is an aggregate: it belongs into an aggregate step", name);
    }
  }
  return unknown_function(c, ast);
}
