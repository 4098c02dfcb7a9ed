/**
 * @file ast_format.c
 * Canonical text of a syntax tree. Parsing that text gives the same tree again.
 */
#include "expr/ast.h"

/* Binding strength, the parser's order. */
enum { BIND_OR = 1, BIND_AND, BIND_NOT, BIND_COMPARE, BIND_CONCAT, BIND_ADD, BIND_MUL, BIND_UNARY, BIND_VALUE };

static int bind_of(const ls_ast *ast) {
  switch (ast->kind) {
  case LS_AST_OR:
    return BIND_OR;
  case LS_AST_AND:
    return BIND_AND;
  case LS_AST_NOT:
    return BIND_NOT;
  case LS_AST_COMPARE:
  case LS_AST_IS_NULL:
  case LS_AST_DISTINCT:
  case LS_AST_BETWEEN:
  case LS_AST_IN:
  case LS_AST_LIKE:
    return BIND_COMPARE;
  case LS_AST_CONCAT:
    return BIND_CONCAT;
  case LS_AST_BINARY:
    return ast->op == '+' || ast->op == '-' ? BIND_ADD : BIND_MUL;
  case LS_AST_NEGATE:
    return BIND_UNARY;
  case LS_AST_INT:
  case LS_AST_DECIMAL:
  case LS_AST_FLOAT:
    return ast->negated ? BIND_UNARY : BIND_VALUE;
  default:
    return BIND_VALUE;
  }
}

static void format_node(ls_buf *out, const ls_ast *ast);

static void format_at(ls_buf *out, const ls_ast *ast, int bind) {
  bool parens = bind_of(ast) < bind;
  if (parens) ls__buf_putc(out, '(');
  format_node(out, ast);
  if (parens) ls__buf_putc(out, ')');
}

static void format_quoted(ls_buf *out, ls_slice text, char quote) {
  ls__buf_putc(out, quote);
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] == quote) ls__buf_putc(out, quote);
    ls__buf_putc(out, text.ptr[i]);
  }
  ls__buf_putc(out, quote);
}

static void format_name(ls_buf *out, ls_slice name) {
  bool plain = name.len > 0 && !(name.ptr[0] >= '0' && name.ptr[0] <= '9') && !ls__ex_reserved(name);
  for (size_t i = 0; i < name.len; i++) {
    char c = name.ptr[i];
    plain = plain && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                      (unsigned char)c >= 0x80);
  }
  if (plain) {
    ls__buf_append(out, name.ptr, name.len);
  } else {
    format_quoted(out, name, '"');
  }
}

static void format_list(ls_buf *out, ls_ast *const *args, uint32_t n, const char *close) {
  for (uint32_t i = 0; i < n; i++) {
    if (i) ls__buf_puts(out, ", ");
    format_at(out, args[i], BIND_OR);
  }
  ls__buf_puts(out, close);
}

static void format_literal(ls_buf *out, const ls_ast *ast) {
  switch (ast->kind) {
  case LS_AST_NULL:
    ls__buf_puts(out, "NULL");
    return;
  case LS_AST_BOOL:
    ls__buf_puts(out, ast->negated ? "FALSE" : "TRUE");
    return;
  case LS_AST_TIMESTAMP:
    ls__buf_puts(out, "TIMESTAMP ");
    break;
  case LS_AST_DATE:
    ls__buf_puts(out, "DATE ");
    break;
  case LS_AST_INTERVAL:
    ls__buf_puts(out, "INTERVAL ");
    break;
  case LS_AST_STRING:
    break;
  default:
    if (ast->negated) ls__buf_putc(out, '-');
    ls__buf_append(out, ast->text.ptr, ast->text.len);
    return;
  }
  format_quoted(out, ast->text, '\'');
}

static void format_chain(ls_buf *out, const ls_ast *ast, const char *op) {
  int bind = bind_of(ast) + 1;
  for (uint32_t i = 0; i < ast->n_args; i++) {
    if (i) ls__buf_puts(out, op);
    format_at(out, ast->args[i], bind);
  }
}

static void format_case(ls_buf *out, const ls_ast *ast) {
  uint32_t i = 0, n = ast->n_args - (ast->has_else ? 1 : 0);
  ls__buf_puts(out, "CASE");
  if (ast->has_operand) {
    ls__buf_putc(out, ' ');
    format_at(out, ast->args[i++], BIND_OR);
  }
  for (; i < n; i += 2) {
    ls__buf_puts(out, " WHEN ");
    format_at(out, ast->args[i], BIND_OR);
    ls__buf_puts(out, " THEN ");
    format_at(out, ast->args[i + 1], BIND_OR);
  }
  if (ast->has_else) {
    ls__buf_puts(out, " ELSE ");
    format_at(out, ast->args[n], BIND_OR);
  }
  ls__buf_puts(out, " END");
}

static void format_predicate(ls_buf *out, const ls_ast *ast) {
  static const char *const compare[] = {" = ", " <> ", " < ", " <= ", " > ", " >= "};
  const char *not_word = ast->negated ? "NOT " : "";
  format_at(out, ast->args[0], BIND_CONCAT);
  switch (ast->kind) {
  case LS_AST_COMPARE:
    ls__buf_puts(out, compare[ast->op]);
    format_at(out, ast->args[1], BIND_CONCAT);
    break;
  case LS_AST_IS_NULL:
    ls__buf_printf(out, " IS %sNULL", not_word);
    break;
  case LS_AST_DISTINCT:
    ls__buf_printf(out, " IS %sDISTINCT FROM ", not_word);
    format_at(out, ast->args[1], BIND_CONCAT);
    break;
  case LS_AST_IN:
    ls__buf_printf(out, " %sIN (", not_word);
    format_list(out, ast->args + 1, ast->n_args - 1, ")");
    break;
  default:
    ls__buf_printf(out, " %s%s ", not_word, ast->kind == LS_AST_LIKE ? "LIKE" : "BETWEEN");
    format_at(out, ast->args[1], BIND_CONCAT);
    if (ast->n_args == 3) {
      ls__buf_puts(out, ast->kind == LS_AST_LIKE ? " ESCAPE " : " AND ");
      format_at(out, ast->args[2], BIND_CONCAT);
    }
  }
}

static void format_call(ls_buf *out, const ls_ast *ast) {
  ls_slice rest = ast->text;
  for (const char *dot; rest.len && (dot = memchr(rest.ptr, '.', rest.len)) != NULL;) {
    size_t len = (size_t)(dot - rest.ptr);
    format_name(out, (ls_slice){rest.ptr, len});
    ls__buf_putc(out, '.');
    rest = (ls_slice){dot + 1, rest.len - len - 1};
  }
  format_name(out, rest);
  ls__buf_putc(out, '(');
  for (uint32_t i = 0; i < ast->n_args; i++) {
    if (i) ls__buf_puts(out, ", ");
    if (ast->names) {
      format_name(out, ast->names[i].text);
      ls__buf_puts(out, " := ");
    }
    format_at(out, ast->args[i], BIND_OR);
  }
  ls__buf_putc(out, ')');
}

static void format_postfix(ls_buf *out, const ls_ast *ast) {
  /* (a).b is a field, a.b one name: a name keeps its parentheses here. */
  format_at(out, ast->args[0],
            ast->kind == LS_AST_FIELD && ast->args[0]->kind == LS_AST_NAME ? BIND_VALUE + 1 : BIND_VALUE);
  if (ast->kind == LS_AST_FIELD) {
    ls__buf_putc(out, '.');
    format_name(out, ast->names[0].text);
  } else {
    ls__buf_putc(out, '[');
    format_at(out, ast->args[1], BIND_OR);
    ls__buf_putc(out, ']');
  }
}

static void format_node(ls_buf *out, const ls_ast *ast) {
  char op[] = {' ', (char)ast->op, ' ', '\0'};
  switch (ast->kind) {
  case LS_AST_LIST:
    ls__buf_putc(out, '[');
    format_list(out, ast->args, ast->n_args, "]");
    return;
  case LS_AST_NAME:
    for (uint32_t i = 0; i < ast->n_names; i++) {
      if (i) ls__buf_putc(out, '.');
      format_name(out, ast->names[i].text);
    }
    return;
  case LS_AST_NEGATE: {
    /* -(-1) must not become a comment, nor -(9223372036854775808) the one int64 literal */
    ls_ast_kind kind = ast->args[0]->kind;
    bool number = kind == LS_AST_INT || kind == LS_AST_DECIMAL || kind == LS_AST_FLOAT;
    int bind = number ? BIND_VALUE + 1 : bind_of(ast->args[0]) <= BIND_UNARY ? BIND_VALUE : BIND_UNARY;
    ls__buf_putc(out, '-');
    format_at(out, ast->args[0], bind);
    return;
  }
  case LS_AST_NOT:
    ls__buf_puts(out, "NOT ");
    format_at(out, ast->args[0], BIND_NOT);
    return;
  case LS_AST_BINARY:
    format_at(out, ast->args[0], bind_of(ast));
    ls__buf_puts(out, op);
    format_at(out, ast->args[1], bind_of(ast) + 1);
    return;
  case LS_AST_CONCAT:
    format_chain(out, ast, " || ");
    return;
  case LS_AST_AND:
    format_chain(out, ast, " AND ");
    return;
  case LS_AST_OR:
    format_chain(out, ast, " OR ");
    return;
  case LS_AST_COMPARE:
  case LS_AST_IS_NULL:
  case LS_AST_DISTINCT:
  case LS_AST_BETWEEN:
  case LS_AST_IN:
  case LS_AST_LIKE:
    format_predicate(out, ast);
    return;
  case LS_AST_CASE:
    format_case(out, ast);
    return;
  case LS_AST_CAST:
    ls__buf_puts(out, ast->negated ? "TRY_CAST(" : "CAST(");
    format_at(out, ast->args[0], BIND_OR);
    ls__buf_puts(out, " AS ");
    ls__type_format(out, ast->type);
    ls__buf_putc(out, ')');
    return;
  case LS_AST_CALL:
    format_call(out, ast);
    return;
  case LS_AST_FIELD:
  case LS_AST_INDEX:
    format_postfix(out, ast);
    return;
  default:
    format_literal(out, ast);
  }
}

void ls__ast_format(ls_buf *out, const ls_ast *ast) {
  format_node(out, ast);
}
