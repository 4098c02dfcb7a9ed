/**
 * @file ast.h
 * The expression as written: tokens and the syntax tree. Knows no types and no schema. Everything
 * is arena-owned.
 *
 * The tree is never deeper than LS_EX_DEPTH_MAX, so every recursion over it is bounded. Chains of
 * AND, OR and || are one node with many children and do not count as depth.
 */
#ifndef LS_EXPR_AST_H
#define LS_EXPR_AST_H
#include "expr/expr.h"

#define LS_EX_DEPTH_MAX      200
#define LS_EX_TEXT_BYTES_MAX ((size_t)64 * 1024)

typedef enum ls_token_kind {
  LS_TOKEN_END,
  LS_TOKEN_INT,
  LS_TOKEN_DECIMAL,
  LS_TOKEN_FLOAT,
  LS_TOKEN_STRING, /* value: unescaped */
  LS_TOKEN_NAME,
  LS_TOKEN_QUOTED, /* value: unescaped */
  LS_TOKEN_OP      /* op: the one or two characters, op_code('<', '=') */
} ls_token_kind;

#define LS_OP2(a, b) ((unsigned)(unsigned char)(a) | (unsigned)(unsigned char)(b) << 8)

typedef struct ls_token {
  ls_token_kind kind;
  unsigned op;
  size_t offset, length;
  ls_slice value;
} ls_token;

typedef struct ls_lexer {
  ls_slice text;
  size_t pos;
  ls_arena *arena;
  ls_expr_error *where;
} ls_lexer;

/** Reads the next token. @errors LS_ECONFIG with *where filled */
int ls__lexer_next(ls_lexer *lexer, ls_token *out);

typedef enum ls_ast_kind {
  LS_AST_NULL,
  LS_AST_BOOL,
  LS_AST_INT,
  LS_AST_DECIMAL,
  LS_AST_FLOAT,
  LS_AST_STRING,
  LS_AST_TIMESTAMP,
  LS_AST_DATE,
  LS_AST_INTERVAL,
  LS_AST_LIST,
  LS_AST_NAME, /* names: the parts */
  LS_AST_NEGATE,
  LS_AST_NOT,
  LS_AST_BINARY,  /* arithmetic: op is the character */
  LS_AST_CONCAT,  /* || */
  LS_AST_COMPARE, /* op: ls_compare */
  LS_AST_AND,
  LS_AST_OR,
  LS_AST_IS_NULL,
  LS_AST_DISTINCT, /* IS [NOT] DISTINCT FROM */
  LS_AST_BETWEEN,
  LS_AST_IN,
  LS_AST_LIKE,  /* args: text, pattern [, escape] */
  LS_AST_CASE,  /* args: [operand] (when then)... [else] */
  LS_AST_CAST,  /* type; negated: TRY_CAST */
  LS_AST_CALL,  /* text: name; names: argument names or NULL */
  LS_AST_FIELD, /* names[0] */
  LS_AST_INDEX
} ls_ast_kind;

typedef enum ls_compare { LS_CMP_EQ, LS_CMP_NE, LS_CMP_LT, LS_CMP_LE, LS_CMP_GT, LS_CMP_GE } ls_compare;

typedef struct ls_ast_name {
  ls_slice text;
  size_t offset, length; /* as written, with quotes */
} ls_ast_name;

typedef struct ls_ast ls_ast;
struct ls_ast {
  ls_ast_kind kind;
  uint16_t depth;
  bool negated;     /* NOT IN, NOT LIKE, IS NOT NULL, TRY_CAST; a negative number */
  bool has_operand; /* CASE x WHEN ... */
  bool has_else;
  unsigned op;
  size_t offset, length;       /* all of it */
  size_t op_offset, op_length; /* the operator or function name */
  ls_slice text;               /* literal, function name */
  ls_ast **args;
  uint32_t n_args, n_names;
  ls_ast_name *names;
  const ls_type *type; /* CAST */
};

/** Parses one whole expression. @errors LS_ECONFIG with *where filled */
int ls__ast_parse(ls_ast **out, ls_slice text, ls_arena *arena, ls_expr_error *where);
/** Canonical text: upper-case keywords, one space, only the parentheses that are needed. Parses
 * back to the same tree. */
void ls__ast_format(ls_buf *out, const ls_ast *ast);

/** Fills *where and returns LS_ECONFIG. */
int ls__ex_error(ls_expr_error *where, size_t offset, size_t length, const char *fmt, ...) LS_PRINTF(4, 5);
/** Whether a name is a word of the language, so that a column of that name needs quotes. */
bool ls__ex_reserved(ls_slice name);
bool ls__ex_name_is(ls_slice name, const char *word); /* ASCII case does not matter */
#endif
