/** @file fn_choice.c  COALESCE, NULLIF, IF, GREATEST, LEAST, struct, and the times of a row. */
#include "expr/fn.h"

static ls_ex *choice(ls_ex_compiler *c, ls_ex_op op, const ls_ast *ast, ls_ex **args, uint32_t n_args,
                     const char *what) {
  const ls_type *type = NULL;
  if (ls__ex_unify(c, args, n_args, 1, &type, what) != LS_OK) return NULL;
  if (ls__ex_is_null_type(type)) return ls__ex_null(c, type, ast);
  ls_ex *ex = ls__ex_new(c, op, type, ast, args, n_args);
  ex->nullable = true;
  for (uint32_t i = 0; i < n_args; i++) ex->nullable = ex->nullable && args[i]->nullable;
  return ex;
}

LS_EX_FORM(ls__fn_coalesce) {
  ls_ex *ex = choice(c, LS_EX_COALESCE, ast, args, n_args, "COALESCE");
  return ex ? ls__ex_fold(c, ex) : NULL;
}

static ls_ex *extreme(ls_ex_compiler *c, const ls_ast *ast, ls_ex **args, uint32_t n_args, bool greatest) {
  ls_ex *ex = choice(c, LS_EX_EXTREME, ast, args, n_args, greatest ? "GREATEST" : "LEAST");
  if (!ex || ex->op == LS_EX_CONST) return ex;
  if (!ls__ex_orderable(ex->type)) return ls__ex_fail_op(c, ast, "%s has no order", ls__ex_type_text(c, ex->type));
  ex->variant = greatest;
  return ls__ex_fold(c, ex);
}

LS_EX_FORM(ls__fn_greatest) {
  return extreme(c, ast, args, n_args, true);
}
LS_EX_FORM(ls__fn_least) {
  return extreme(c, ast, args, n_args, false);
}

LS_EX_FORM(ls__fn_if) {
  if (ls__ex_coerce(c, &args[0], &ls__type_bool, "the condition of IF") != LS_OK) return NULL;
  ls_ex **parts = ls__ex_args(c, 3), **values = ls__ex_args(c, 2);
  values[0] = args[1];
  values[1] = n_args == 3 ? args[2] : ls__ex_null(c, &ls__ex_type_null, ast);
  const ls_type *type = NULL;
  if (ls__ex_unify(c, values, 2, 1, &type, "IF") != LS_OK) return NULL;
  if (ls__ex_is_null_type(type)) return ls__ex_null(c, type, ast);
  parts[0] = args[0];
  parts[1] = values[0];
  parts[2] = values[1];
  ls_ex *ex = ls__ex_new(c, LS_EX_CASE, type, ast, parts, 3);
  ex->nullable = values[0]->nullable || values[1]->nullable;
  return ls__ex_fold(c, ex);
}

/* NULLIF(a, b) is a CASE whose operand is used twice. */
LS_EX_FORM(ls__fn_nullif) {
  (void)n_args;
  ls_ex *value = args[0], *shared = value;
  if (ls__ex_is_null_type(value->type)) return value;
  if (value->op != LS_EX_CONST && value->op != LS_EX_COLUMN) {
    shared = ls__ex_new(c, LS_EX_SHARED, value->type, value->ast, NULL, 0);
    shared->index = c->expr->n_lets++;
    shared->nullable = value->nullable;
    shared->sensitive = value->sensitive;
  }
  ls_ex **parts = ls__ex_args(c, 3);
  parts[0] = ls__ex_compare(c, LS_CMP_EQ, shared, args[1], ast);
  if (!parts[0]) return NULL;
  parts[1] = ls__ex_null(c, value->type, ast);
  parts[2] = shared;
  ls_ex *body = ls__ex_fold(c, ls__ex_new(c, LS_EX_CASE, value->type, ast, parts, 3));
  body->nullable = true;
  if (shared == value) return body;
  ls_ex **bound = ls__ex_args(c, 2);
  bound[0] = value;
  bound[1] = body;
  ls_ex *let = ls__ex_new(c, LS_EX_LET, value->type, ast, bound, 2);
  let->index = shared->index;
  return let;
}

LS_EX_FORM(ls__fn_struct) {
  ls_type_field *fields = LS_ARENA_ARRAY(c->arena, ls_type_field, n_args);
  if (!ast->names) return ls__ex_fail_op(c, ast, "the fields of a struct have names: struct(a := x, b := y)");
  for (uint32_t i = 0; i < n_args; i++) {
    const ls_ast_name *name = &ast->names[i];
    if (ls__ex_is_null_type(args[i]->type) || ls__ex_is_interval(args[i]->type) ||
        (args[i]->type->kind == LS_LIST && ls__ex_is_null_type(args[i]->type->element))) {
      return ls__ex_fail(c, args[i]->ast, "%s has no type that a field can have: CAST it",
                         ls__ex_type_text(c, args[i]->type));
    }
    fields[i].name = ls__arena_strndup(c->arena, name->text.ptr, name->text.len);
    fields[i].type = args[i]->type;
    for (uint32_t j = 0; j < i; j++) {
      if (strcmp(fields[i].name, fields[j].name) != 0) continue;
      ls__ex_error(c->where, name->offset, name->length, "the field `%.100s` is there twice", fields[i].name);
      return NULL;
    }
  }
  ls_type *type = LS_ARENA_NEW(c->arena, ls_type);
  *type = (ls_type){.kind = LS_STRUCT, .fields = fields, .n_fields = n_args};
  ls_ex *ex = ls__ex_new(c, LS_EX_STRUCT, type, ast, args, n_args);
  ex->nullable = false;
  return ls__ex_fold(c, ex);
}

static ls_ex *row_time(ls_ex_compiler *c, const ls_ast *ast, uint8_t variant) {
  if (c->in_exists) return ls__ex_fail_op(c, ast, "rows of a table have no time of their own inside EXISTS");
  ls_ex *ex = ls__ex_new(c, LS_EX_TIME, &ls__type_timestamp, ast, NULL, 0);
  ex->variant = variant;
  return ex;
}

LS_EX_FORM(ls__fn_stream_time) {
  (void)args;
  (void)n_args;
  return row_time(c, ast, 0);
}
LS_EX_FORM(ls__fn_ingest_time) {
  (void)args;
  (void)n_args;
  return row_time(c, ast, 2);
}
LS_EX_FORM(ls__fn_event_time) {
  (void)args;
  (void)n_args;
  return row_time(c, ast, 1);
}
