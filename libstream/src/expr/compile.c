/**
 * @file compile.c
 * Syntax tree to typed nodes: names, literals, folding, and the public functions around a compiled
 * expression.
 */
#include "expr/ex.h"

#include <stdarg.h>
#include <stdio.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "data/datetime.h"

static void fail_at(ls_ex_compiler *c, size_t offset, size_t length, const char *fmt, va_list ap) {
  c->where->offset = offset;
  c->where->length = length;
  vsnprintf(c->where->message, sizeof c->where->message, fmt, ap);
}

void *ls__ex_fail(ls_ex_compiler *c, const ls_ast *at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fail_at(c, at->offset, at->length, fmt, ap);
  va_end(ap);
  return NULL;
}

void *ls__ex_fail_op(ls_ex_compiler *c, const ls_ast *at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fail_at(c, at->op_length ? at->op_offset : at->offset, at->op_length ? at->op_length : at->length, fmt, ap);
  va_end(ap);
  return NULL;
}

/* -- nodes ------------------------------------------------------------------------------------- */

ls_ex **ls__ex_args(ls_ex_compiler *c, uint32_t n) {
  return LS_ARENA_ARRAY(c->arena, ls_ex *, n ? n : 1);
}

ls_ex *ls__ex_new(ls_ex_compiler *c, ls_ex_op op, const ls_type *type, const ls_ast *ast, ls_ex **args,
                  uint32_t n_args) {
  ls_ex *ex = LS_ARENA_NEW(c->arena, ls_ex);
  ex->op = op;
  ex->type = type;
  ex->ast = ast;
  ex->args = args;
  ex->n_args = n_args;
  ex->slot = -1;
  for (uint32_t i = 0; i < n_args; i++) {
    ex->nullable = ex->nullable || args[i]->nullable;
    ex->sensitive = ex->sensitive || args[i]->sensitive;
  }
  return ex;
}

ls_ex *ls__ex_const(ls_ex_compiler *c, const ls_column *value, const ls_ast *ast) {
  ls_ex *ex = ls__ex_new(c, LS_EX_CONST, value->type, ast, NULL, 0);
  ex->value = value;
  ex->nullable = ls__is_null(value, 0);
  return ex;
}

ls_ex *ls__ex_null(ls_ex_compiler *c, const ls_type *type, const ls_ast *ast) {
  static const uint64_t zeros[2] = {0, 0};
  ls_column *col = LS_ARENA_NEW(c->arena, ls_column);
  if (ls__ex_is_null_type(type)) {
    *col = (ls_column){.type = type, .n_rows = 1, .capacity_rows = 1};
    col->validity = LS_ARENA_ARRAY(c->arena, uint64_t, 1);
    col->values = LS_ARENA_ARRAY(c->arena, uint64_t, 2);
    memcpy(col->values, zeros, sizeof zeros);
  } else {
    ls__column_init(col, type, c->arena, 1);
    ls__column_append_null(col);
  }
  ls_ex *ex = ls__ex_const(c, col, ast);
  ex->literal = true;
  return ex;
}

ls_ex *ls__ex_call(ls_ex_compiler *c, ls_ex_kernel kernel, const ls_type *type, const ls_ast *ast, ls_ex **args,
                   uint32_t n_args) {
  ls_ex *ex = ls__ex_new(c, LS_EX_CALL, type, ast, args, n_args);
  ex->kernel = kernel;
  ex->strict = true;
  for (uint32_t i = 0; i < n_args; i++) {
    if (ls__ex_is_null_const(args[i])) return ls__ex_null(c, type, ast);
  }
  return ex;
}

void ls__ex_need_slot(ls_ex_compiler *c, ls_ex *ex) {
  ex->slot = (int32_t)c->expr->n_slots++;
  ex->next_slot = c->expr->slots;
  c->expr->slots = ex;
  ex->no_fold = true;
}

static void note_fold_error(void *payload, int64_t row, const char *message) {
  (void)row;
  (void)message;
  *(bool *)payload = true;
}

ls_ex *ls__ex_fold(ls_ex_compiler *c, ls_ex *ex) {
  bool foldable = !ex->no_fold && ex->op != LS_EX_CONST && ex->op != LS_EX_COLUMN && ex->op != LS_EX_UDF &&
                  ex->op != LS_EX_EXISTS && ex->op != LS_EX_TIME && ex->op != LS_EX_SHARED && ex->op != LS_EX_LET &&
                  !ls__ex_is_null_type(ex->type) &&
                  !(ex->type->kind == LS_LIST && ls__ex_is_null_type(ex->type->element));
  for (uint32_t i = 0; i < ex->n_args; i++) foldable = foldable && ex->args[i]->op == LS_EX_CONST;
  if (!foldable) return ex;
  bool failed = false;
  ls_batch one = {.n_rows = 1};
  ls_error err = LS_ERROR_INIT;
  ls__arena_reset(&c->scratch);
  ls_ex_ctx ctx = {.expr = c->expr,
                   .in = &one,
                   .n = 1,
                   .arena = &c->scratch,
                   .on_row_error = note_fold_error,
                   .payload = &failed,
                   .err = &err};
  ls_vec vec;
  if (ls__ex_eval(&vec, ex, &ctx, ls__ex_all_active(&c->scratch, 1)) != LS_OK || failed) return ex;
  if (ls__column_bytes(vec.col) > LS_EX_TEXT_BYTES_MAX) return ex;
  ls_column *value = LS_ARENA_NEW(c->arena, ls_column);
  ls__column_init(value, ex->type, c->arena, 1);
  ls__column_append_from(value, vec.col, 0);
  ls_ex *folded = ls__ex_const(c, value, ex->ast);
  folded->nullable = folded->nullable || ex->nullable;
  return folded;
}

/* -- literals ---------------------------------------------------------------------------------- */

static ls_column *new_value(ls_ex_compiler *c, const ls_type *type) {
  ls_column *col = LS_ARENA_NEW(c->arena, ls_column);
  ls__column_init(col, type, c->arena, 1);
  return col;
}

static ls_ex *compile_decimal(ls_ex_compiler *c, const ls_ast *ast) {
  ls_slice text = ast->text;
  const char *point = memchr(text.ptr, '.', text.len);
  size_t scale = point ? text.len - (size_t)(point - text.ptr) - 1 : 0;
  size_t zeros = 0;
  while (zeros < text.len && text.ptr[zeros] == '0') zeros++;
  size_t precision = text.len - zeros - (point && zeros < text.len ? 1 : 0);
  if (point && (size_t)(point - text.ptr) == zeros) precision = scale;
  if (precision == 0) precision = 1;
  if (precision < scale) precision = scale;
  ls_int128 value = 0;
  /* The grammar allows .5, the decimal's text form does not. */
  char *whole = ls__arena_printf(c->arena, "%s%s%.*s", ast->negated ? "-" : "", text.ptr[0] == '.' ? "0" : "",
                                 (int)text.len, text.ptr);
  if (precision > LS_DECIMAL_DIGITS_MAX ||
      ls__decimal_parse(&value, ls__slice_of(whole), (int)precision, (int)scale, false) != LS_OK) {
    return ls__ex_fail(c, ast, "a number has at most %d digits", LS_DECIMAL_DIGITS_MAX);
  }
  ls_column *col = new_value(c, ls__type_decimal(c->arena, (int)precision, (int)scale));
  ls__column_append_decimal(col, value);
  return ls__ex_const(c, col, ast);
}

static ls_ex *compile_int(ls_ex_compiler *c, const ls_ast *ast) {
  const char *text = ls__arena_printf(c->arena, "%s%.*s", ast->negated ? "-" : "", (int)ast->text.len, ast->text.ptr);
  errno = 0;
  long long value = strtoll(text, NULL, 10);
  if (errno == ERANGE) return compile_decimal(c, ast);
  ls_column *col = new_value(c, &ls__type_int64);
  ls__column_append_i64(col, value);
  return ls__ex_const(c, col, ast);
}

static ls_ex *compile_float(ls_ex_compiler *c, const ls_ast *ast) {
  const char *text = ls__arena_printf(c->arena, "%s%.*s", ast->negated ? "-" : "", (int)ast->text.len, ast->text.ptr);
  double value = strtod(text, NULL); /* tidy: allow float-parse because 1e3 is float64 by its form */
  if (!isfinite(value)) return ls__ex_fail(c, ast, "the number is too large for float64");
  ls_column *col = new_value(c, &ls__type_float64);
  ls__column_append_f64(col, value);
  return ls__ex_const(c, col, ast);
}

static ls_ex *compile_typed(ls_ex_compiler *c, const ls_ast *ast) {
  const char *form = "TIMESTAMP '2026-03-01T09:00:00Z'";
  ls_column *col = NULL;
  int64_t us = 0;
  int32_t days = 0;
  int rc = LS_OK;
  if (ast->kind == LS_AST_TIMESTAMP) {
    rc = ls__timestamp_parse(&us, ast->text);
    col = new_value(c, &ls__type_timestamp);
  } else if (ast->kind == LS_AST_DATE) {
    form = "DATE '2026-03-01'";
    rc = ls__date_parse(&days, ast->text);
    col = new_value(c, &ls__type_date);
  } else {
    form = "INTERVAL '10m' (units ms, s, m, h, d; sums as '1h30m')";
    rc = ls__duration_parse(&us, ast->text);
    col = new_value(c, &ls__ex_type_interval);
  }
  if (rc != LS_OK) {
    return ls__ex_fail_op(c, ast, "'%.*s' can't be read: write %s", (int)(ast->text.len > 60 ? 60 : ast->text.len),
                          ast->text.ptr, form);
  }
  if (ast->kind == LS_AST_DATE) {
    ls__column_append_i32(col, days);
  } else {
    ls__column_append_i64(col, us);
  }
  return ls__ex_const(c, col, ast);
}

static ls_ex *compile_literal(ls_ex_compiler *c, const ls_ast *ast) {
  ls_ex *ex = NULL;
  ls_column *col;
  switch (ast->kind) {
  case LS_AST_NULL:
    return ls__ex_null(c, &ls__ex_type_null, ast);
  case LS_AST_INT:
    ex = compile_int(c, ast);
    break;
  case LS_AST_DECIMAL:
    ex = compile_decimal(c, ast);
    break;
  case LS_AST_FLOAT:
    ex = compile_float(c, ast);
    break;
  case LS_AST_BOOL:
    col = new_value(c, &ls__type_bool);
    ls__column_append_bool(col, !ast->negated);
    ex = ls__ex_const(c, col, ast);
    break;
  case LS_AST_STRING:
    col = new_value(c, &ls__type_string);
    ls__column_append_slice(col, ast->text);
    ex = ls__ex_const(c, col, ast);
    break;
  default:
    ex = compile_typed(c, ast);
  }
  if (ex) ex->literal = true;
  return ex;
}

/* -- names ------------------------------------------------------------------------------------- */

static ls_ex *new_field(ls_ex_compiler *c, ls_ex *arg, const ls_ast_name *name, const ls_ast *ast) {
  const ls_type *type = arg->type;
  if (type->kind != LS_STRUCT) {
    ls__ex_error(c->where, name->offset, name->length, "%s has no fields, so there is no `%.*s` in it",
                 ls__ex_type_text(c, type), (int)(name->text.len > 100 ? 100 : name->text.len), name->text.ptr);
    return NULL;
  }
  const char **names = (const char **)LS_ARENA_ARRAY(c->arena, char *, type->n_fields + 1);
  for (uint32_t i = 0; i < type->n_fields; i++) {
    names[i] = type->fields[i].name;
    if (!ls__slice_is(name->text, names[i])) continue;
    ls_ex **args = ls__ex_args(c, 1);
    args[0] = arg;
    ls_ex *ex = ls__ex_new(c, LS_EX_FIELD, type->fields[i].type, ast, args, 1);
    ex->index = i;
    ex->nullable = true; /* struct types do not say which fields may be null */
    return ls__ex_fold(c, ex);
  }
  const char *word = ls__arena_strndup(c->arena, name->text.ptr, name->text.len > 100 ? 100 : name->text.len);
  const char *nearest = ls__nearest_name(word, names, type->n_fields);
  ls__ex_error(c->where, name->offset, name->length, "unknown field `%s`%s%s%s of %.200s", word,
               nearest ? ": did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "",
               ls__ex_type_text(c, type));
  return NULL;
}

/* "columns: a, b, c", cut when long. */
static const char *list_columns(ls_ex_compiler *c) {
  ls_buf buf = LS_BUF_INIT;
  for (uint32_t i = 0; i < c->schema->n_fields; i++) {
    if (buf.len + strlen(c->schema->fields[i].name) > 250) {
      ls__buf_puts(&buf, ", ...");
      break;
    }
    ls__buf_printf(&buf, "%s%s", i ? ", " : "", c->schema->fields[i].name);
  }
  const char *text = ls__arena_strndup(c->arena, buf.len ? buf.ptr : "", buf.len);
  ls__buf_fini(&buf);
  return text;
}

static ls_ex *unknown_column(ls_ex_compiler *c, const ls_ast *ast, const char *word) {
  if (strlen(word) > 100) word = ls__arena_printf(c->arena, "%.100s...", word);
  if (!c->schema) return ls__ex_fail(c, ast, "unknown name `%s`: there are no columns here, only constants", word);
  const char **names = (const char **)LS_ARENA_ARRAY(c->arena, char *, c->schema->n_fields + 1);
  for (uint32_t i = 0; i < c->schema->n_fields; i++) names[i] = c->schema->fields[i].name;
  const char *nearest = ls__nearest_name(word, names, c->schema->n_fields);
  const char *where = c->in_exists ? " of the table (only those can be used inside EXISTS)" : "";
  if (nearest) {
    return ls__ex_fail(c, ast, "unknown column `%s`: did you mean `%s`?  columns%s: %s", word, nearest, where,
                       list_columns(c));
  }
  return ls__ex_fail(c, ast, "unknown column `%s`  columns%s: %s", word, where, list_columns(c));
}

/* What is before it in the text was checked; what it is an argument of can't be. */
static ls_ex *not_known(ls_ex_compiler *c, const ls_ast *ast, const char *word) {
  c->where->unknown = true;
  return ls__ex_fail(c, ast, "nothing is known of column `%.100s`: it has an error of its own", word);
}

static ls_ex *compile_name(ls_ex_compiler *c, const ls_ast *ast) {
  ls_buf joined = LS_BUF_INIT;
  size_t *ends = LS_ARENA_ARRAY(c->arena, size_t, ast->n_names);
  for (uint32_t i = 0; i < ast->n_names; i++) {
    if (i) ls__buf_putc(&joined, '.');
    ls__buf_append(&joined, ast->names[i].text.ptr, ast->names[i].text.len);
    ends[i] = joined.len;
  }
  const char *word = ls__arena_strndup(c->arena, joined.ptr, joined.len);
  ls__buf_fini(&joined);
  int32_t field = -1;
  uint32_t used = ast->n_names;
  while (c->schema && used > 0) {
    field = ls__schema_find(c->schema, (ls_slice){word, ends[used - 1]});
    if (field >= 0) break;
    used--;
  }
  bool open = c->schema != NULL && !c->in_exists && c->env->schema_open;
  if (field < 0 && !open) return unknown_column(c, ast, word);
  if (field < 0 || c->schema->fields[field].type->kind == LS_NONE) return not_known(c, ast, word);
  const ls_field *f = &c->schema->fields[field];
  ls_ex *ex = ls__ex_new(c, LS_EX_COLUMN, f->type, ast, NULL, 0);
  ex->index = (uint32_t)field;
  ex->nullable = f->nullable;
  ex->sensitive = f->sensitive;
  if (!c->in_exists) LS_BIT_SET(c->expr->columns, field);
  for (uint32_t i = used; ex && i < ast->n_names; i++) ex = new_field(c, ex, &ast->names[i], ast);
  return ex;
}

/* -- dispatch ---------------------------------------------------------------------------------- */

ls_ex *ls__ex_compile(ls_ex_compiler *c, const ls_ast *ast) {
  switch (ast->kind) {
  case LS_AST_NULL:
  case LS_AST_BOOL:
  case LS_AST_INT:
  case LS_AST_DECIMAL:
  case LS_AST_FLOAT:
  case LS_AST_STRING:
  case LS_AST_TIMESTAMP:
  case LS_AST_DATE:
  case LS_AST_INTERVAL:
    return compile_literal(c, ast);
  case LS_AST_NAME:
    return compile_name(c, ast);
  case LS_AST_CALL:
    return ls__ex_compile_call(c, ast);
  case LS_AST_FIELD: {
    ls_ex *arg = ls__ex_compile(c, ast->args[0]);
    return arg ? new_field(c, arg, &ast->names[0], ast) : NULL;
  }
  default:
    return ls__ex_compile_operator(c, ast);
  }
}

static int check_result(ls_ex_compiler *c, const ls_ex *root) {
  const ls_type *type = root->type;
  if (ls__ex_is_interval(type)) {
    ls__ex_fail(c, root->ast, "an interval can't be a result: date_diff('second', a, b) gives a number");
    return LS_ECONFIG;
  }
  while (type->kind == LS_LIST) type = type->element;
  if (ls__ex_is_null_type(type)) {
    ls__ex_fail(c, root->ast, "%s has no type by itself: CAST(... AS string) gives it one",
                root->type->kind == LS_LIST ? "an empty list" : "NULL");
    return LS_ECONFIG;
  }
  return LS_OK;
}

int ls__expr_compile(ls_expr **out, ls_slice text, const ls_expr_env *env, ls_arena *arena, ls_expr_error *where) {
  ls_expr_error ignored;
  if (!where) where = &ignored;
  where->unknown = false;
  ls_ast *ast = NULL;
  /* The text is kept: literals and error messages point into it. */
  text.ptr = ls__arena_strndup(arena, text.len ? text.ptr : "", text.len);
  LS_TRY(ls__ast_parse(&ast, text, arena, where));
  ls_expr *expr = LS_ARENA_NEW(arena, ls_expr);
  expr->ast = ast;
  expr->schema = env->schema;
  expr->columns = LS_ARENA_ARRAY(arena, uint64_t, env->schema ? LS_BIT_WORDS(env->schema->n_fields) + 1 : 1);
  ls_ex_compiler c = {.env = env, .schema = env->schema, .expr = expr, .arena = arena, .where = where};
  ls__arena_init(&c.scratch, 0);
  expr->root = ls__ex_compile(&c, ast);
  int rc = expr->root ? check_result(&c, expr->root) : LS_ECONFIG;
  ls__arena_fini(&c.scratch);
  if (rc == LS_OK) *out = expr;
  return rc;
}

const ls_type *ls__expr_type(const ls_expr *expr) {
  return expr->root->type;
}
bool ls__expr_nullable(const ls_expr *expr) {
  return expr->root->nullable;
}
bool ls__expr_sensitive(const ls_expr *expr) {
  return expr->root->sensitive;
}

static bool is_repeatable(const ls_ex *ex) {
  if (ex->op == LS_EX_EXISTS || ex->op == LS_EX_TIME) return false;
  if (ex->udf != NULL && (ex->udf->flags & LS_UDF_VOLATILE) != 0) return false;
  for (uint32_t i = 0; i < ex->n_args; i++) {
    if (ex->args[i] != NULL && !is_repeatable(ex->args[i])) return false;
  }
  return true;
}

bool ls__expr_repeatable(const ls_expr *expr) {
  return is_repeatable(expr->root);
}

void ls__expr_columns(const ls_expr *expr, uint64_t *bits, size_t n_words) {
  size_t n = expr->schema ? (size_t)LS_BIT_WORDS(expr->schema->n_fields) : 0;
  for (size_t i = 0; i < n && i < n_words; i++) bits[i] |= expr->columns[i];
}

int32_t ls__expr_is_column(const ls_expr *expr) {
  return expr->root->op == LS_EX_COLUMN ? (int32_t)expr->root->index : -1;
}

void ls__expr_format(ls_buf *out, const ls_expr *expr) {
  ls__ast_format(out, expr->ast);
}
