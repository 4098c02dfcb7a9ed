/**
 * @file parser.c
 * Tokens to syntax tree, by operator precedence:
 *
 *   OR < AND < NOT < comparisons (=, IS, IN, LIKE, BETWEEN) < || < + - < * / % < unary - < [i]
 * .field
 *
 * Comparisons do not chain: a = b = c is refused, since it never means what it looks like.
 */
#include "expr/ast.h"

enum { PREC_OR = 1, PREC_AND, PREC_NOT, PREC_COMPARE, PREC_CONCAT, PREC_ADD, PREC_MUL, PREC_UNARY };

typedef struct parser {
  ls_lexer lexer;
  ls_token token; /* the one looked at */
  size_t end;     /* of the token before */
  ls_arena *arena;
  ls_expr_error *where;
  int depth;
} parser;

typedef struct node_list {
  ls_ast **items;
  uint32_t n, capacity;
} node_list;

static ls_ast *parse_expr(parser *p, int min_prec);

static void list_add(parser *p, node_list *list, ls_ast *item) {
  if (list->n == list->capacity) {
    uint32_t capacity = list->capacity ? list->capacity * 2 : 4;
    ls_ast **items = LS_ARENA_ARRAY(p->arena, ls_ast *, capacity);
    if (list->n) memcpy(items, list->items, list->n * sizeof *items);
    list->items = items;
    list->capacity = capacity;
  }
  list->items[list->n++] = item;
}

static int advance(parser *p) {
  p->end = p->token.offset + p->token.length;
  return ls__lexer_next(&p->lexer, &p->token);
}
static bool at_op(const parser *p, unsigned op) {
  return p->token.kind == LS_TOKEN_OP && p->token.op == op;
}
static bool at_word(const parser *p, const char *word) {
  return p->token.kind == LS_TOKEN_NAME && ls__ex_name_is(p->token.value, word);
}

/* All syntax errors of one shape: what stands there, what should. */
static void *expected(parser *p, const char *what) {
  if (p->token.kind == LS_TOKEN_END) {
    ls__ex_error(p->where, p->token.offset, 0, "the expression ends where %s should follow", what);
  } else {
    int len = p->token.length > 40 ? 40 : (int)p->token.length;
    ls__ex_error(p->where, p->token.offset, p->token.length, "'%.*s' stands where %s should", len,
                 p->lexer.text.ptr + p->token.offset, what);
  }
  return NULL;
}

static bool take_op(parser *p, char op, const char *what) {
  if (!at_op(p, (unsigned char)op)) return expected(p, what) != NULL;
  return advance(p) == LS_OK;
}
static bool take_word(parser *p, const char *word) {
  if (!at_word(p, word)) return expected(p, word) != NULL;
  return advance(p) == LS_OK;
}

static ls_ast *new_node(parser *p, ls_ast_kind kind, size_t offset) {
  ls_ast *node = LS_ARENA_NEW(p->arena, ls_ast);
  node->kind = kind;
  node->offset = offset;
  node->depth = 1;
  return node;
}

/* Sets the children, the extent and the depth. NULL when too deep. */
static ls_ast *close_node(parser *p, ls_ast *node, ls_ast **args, uint32_t n_args) {
  node->args = args;
  node->n_args = n_args;
  node->length = p->end - node->offset;
  for (uint32_t i = 0; i < n_args; i++) {
    if (args[i]->depth >= node->depth) node->depth = (uint16_t)(args[i]->depth + 1);
  }
  if (node->depth > LS_EX_DEPTH_MAX) {
    ls__ex_error(p->where, node->offset, node->length, "the expression is nested more than %d levels deep",
                 LS_EX_DEPTH_MAX);
    return NULL;
  }
  return node;
}

static ls_ast *new_op(parser *p, ls_ast_kind kind, size_t offset, const ls_token *op) {
  ls_ast *node = new_node(p, kind, offset);
  node->op = op->op;
  node->op_offset = op->offset;
  node->op_length = op->length;
  return node;
}

static ls_ast *close_with(parser *p, ls_ast *node, ls_ast *a, ls_ast *b, ls_ast *c) {
  ls_ast *all[] = {a, b, c};
  node_list list = {0};
  for (int i = 0; i < 3 && all[i]; i++) list_add(p, &list, all[i]);
  return close_node(p, node, list.items, list.n);
}

static ls_ast *parse_literal(parser *p, ls_ast_kind kind) {
  ls_ast *node = new_node(p, kind, p->token.offset);
  node->text = p->token.value;
  if (advance(p) != LS_OK) return NULL;
  return close_node(p, node, NULL, 0);
}

/* DATE '...', TIMESTAMP '...', INTERVAL '...': only a text right after makes the name a keyword, so
   that columns may have these names. */
static ls_ast *parse_typed_literal(parser *p, const ls_token *name) {
  static const struct {
    const char *word;
    ls_ast_kind kind;
  } kinds[] = {{"DATE", LS_AST_DATE}, {"TIMESTAMP", LS_AST_TIMESTAMP}, {"INTERVAL", LS_AST_INTERVAL}};
  for (int i = 0; i < 3; i++) {
    if (!ls__ex_name_is(name->value, kinds[i].word)) continue;
    ls_ast *node = parse_literal(p, kinds[i].kind);
    if (!node) return NULL;
    node->op_offset = node->offset; /* the quoted text, for errors in it */
    node->op_length = node->length;
    node->offset = name->offset;
    node->length = p->end - name->offset;
    return node;
  }
  return expected(p, "an operator");
}

static ls_ast *parse_list(parser *p) {
  ls_ast *node = new_node(p, LS_AST_LIST, p->token.offset);
  node_list list = {0};
  if (advance(p) != LS_OK) return NULL;
  while (!at_op(p, ']')) {
    if (list.n && !take_op(p, ',', "',' or ']'")) return NULL;
    ls_ast *item = parse_expr(p, PREC_OR);
    if (!item) return NULL;
    list_add(p, &list, item);
  }
  if (advance(p) != LS_OK) return NULL;
  return close_node(p, node, list.items, list.n);
}

static ls_ast *parse_case(parser *p, size_t offset) {
  ls_ast *node = new_node(p, LS_AST_CASE, offset);
  node_list list = {0};
  node->op_offset = offset;
  node->op_length = 4;
  if (!at_word(p, "WHEN")) {
    ls_ast *operand = parse_expr(p, PREC_OR);
    if (!operand) return NULL;
    node->has_operand = true;
    list_add(p, &list, operand);
    if (!at_word(p, "WHEN")) return expected(p, "WHEN");
  }
  while (at_word(p, "WHEN")) {
    if (advance(p) != LS_OK) return NULL;
    ls_ast *when = parse_expr(p, PREC_OR);
    if (!when || !take_word(p, "THEN")) return NULL;
    ls_ast *then = parse_expr(p, PREC_OR);
    if (!then) return NULL;
    list_add(p, &list, when);
    list_add(p, &list, then);
  }
  if (at_word(p, "ELSE")) {
    if (advance(p) != LS_OK) return NULL;
    ls_ast *other = parse_expr(p, PREC_OR);
    if (!other) return NULL;
    node->has_else = true;
    list_add(p, &list, other);
  }
  if (!at_word(p, "END")) return expected(p, node->has_else ? "END" : "WHEN, ELSE or END");
  if (advance(p) != LS_OK) return NULL;
  return close_node(p, node, list.items, list.n);
}

/* The type's own grammar lives in data/type: its extent is found by counting brackets. */
static ls_ast *parse_cast(parser *p, const ls_token *name, bool is_try) {
  ls_ast *node = new_node(p, LS_AST_CAST, name->offset);
  node->negated = is_try;
  node->op_offset = name->offset;
  node->op_length = name->length;
  if (advance(p) != LS_OK) return NULL;
  ls_ast *arg = parse_expr(p, PREC_OR);
  if (!arg) return NULL;
  if (!at_word(p, "AS")) return expected(p, "AS and a type");
  ls_slice text = p->lexer.text;
  size_t from = p->token.offset + p->token.length, to = from;
  for (int open = 0; to < text.len; to++) {
    char c = text.ptr[to];
    if (c == ')' && open == 0) break;
    open += c == '(' || c == '<' ? 1 : c == ')' || c == '>' ? -1 : 0;
  }
  while (from < to && (text.ptr[from] == ' ' || text.ptr[from] == '\n' || text.ptr[from] == '\t')) from++;
  size_t last = to;
  while (last > from && (text.ptr[last - 1] == ' ' || text.ptr[last - 1] == '\n' || text.ptr[last - 1] == '\t')) last--;
  ls_error err = LS_ERROR_INIT;
  if (to >= text.len || last == from || last - from > 4096) {
    ls__ex_error(p->where, from, last - from, "a type and ')' should follow AS, as in CAST(x AS decimal(18,4))");
    return NULL;
  }
  if (ls__type_parse(&node->type, p->arena, (ls_slice){text.ptr + from, last - from}, &err) != LS_OK) {
    ls__ex_error(p->where, from, last - from, "%.500s", err.message);
    return NULL;
  }
  p->lexer.pos = to + 1;
  p->token = (ls_token){.kind = LS_TOKEN_OP, .op = ')', .offset = to, .length = 1};
  if (advance(p) != LS_OK) return NULL;
  return close_with(p, node, arg, NULL, NULL);
}

/* One argument, perhaps named: name := value. A name alone is first read as an expression. */
static bool parse_argument(parser *p, ls_ast *call, node_list *list, node_list *named) {
  ls_ast *arg = parse_expr(p, PREC_OR), *name = NULL;
  if (!arg) return false;
  if (at_op(p, LS_OP2(':', '='))) {
    if (arg->kind != LS_AST_NAME || arg->n_names != 1) return expected(p, "',' or ')'") != NULL;
    name = arg;
    if (advance(p) != LS_OK) return false;
    arg = parse_expr(p, PREC_OR);
    if (!arg) return false;
  }
  if (list->n && (name != NULL) != (named->n != 0)) {
    ls__ex_error(p->where, arg->offset, arg->length, "either all arguments have a name or none");
    return false;
  }
  (void)call;
  list_add(p, list, arg);
  if (name) list_add(p, named, name);
  return true;
}

static ls_ast *parse_call(parser *p, ls_slice name, size_t offset, size_t length) {
  ls_ast *node = new_node(p, LS_AST_CALL, offset);
  node_list list = {0}, named = {0};
  node->text = name;
  node->op_offset = offset;
  node->op_length = length;
  if (advance(p) != LS_OK) return NULL;
  while (!at_op(p, ')')) {
    if (list.n && !take_op(p, ',', "',' or ')'")) return NULL;
    if (!parse_argument(p, node, &list, &named)) return NULL;
  }
  if (advance(p) != LS_OK) return NULL;
  if (named.n) {
    node->names = LS_ARENA_ARRAY(p->arena, ls_ast_name, named.n);
    node->n_names = named.n;
    for (uint32_t i = 0; i < named.n; i++) node->names[i] = named.items[i]->names[0];
  }
  return close_node(p, node, list.items, list.n);
}

/* a.b."c d": parts of a name, or of a function name when ( follows. */
static ls_ast *parse_name_parts(parser *p, const ls_token *first) {
  ls_ast *node = new_node(p, LS_AST_NAME, first->offset);
  size_t capacity = 4;
  node->names = LS_ARENA_ARRAY(p->arena, ls_ast_name, capacity);
  node->names[node->n_names++] = (ls_ast_name){first->value, first->offset, first->length};
  while (at_op(p, '.')) {
    if (advance(p) != LS_OK) return NULL;
    if (p->token.kind != LS_TOKEN_NAME && p->token.kind != LS_TOKEN_QUOTED) return expected(p, "a name");
    if (node->n_names == LS_EX_DEPTH_MAX) return expected(p, "the end of so long a name");
    if (node->n_names == capacity) {
      ls_ast_name *names = LS_ARENA_ARRAY(p->arena, ls_ast_name, capacity * 2);
      memcpy(names, node->names, capacity * sizeof *names);
      node->names = names;
      capacity *= 2;
    }
    node->names[node->n_names++] = (ls_ast_name){p->token.value, p->token.offset, p->token.length};
    if (advance(p) != LS_OK) return NULL;
  }
  if (!at_op(p, '(')) return close_node(p, node, NULL, 0);
  ls_buf joined = LS_BUF_INIT;
  for (uint32_t i = 0; i < node->n_names; i++) {
    if (i) ls__buf_putc(&joined, '.');
    ls__buf_append(&joined, node->names[i].text.ptr, node->names[i].text.len);
  }
  ls_slice name = {ls__arena_strndup(p->arena, joined.ptr, joined.len), joined.len};
  ls__buf_fini(&joined);
  return parse_call(p, name, node->offset, p->end - node->offset);
}

static ls_ast *parse_named(parser *p) {
  ls_token name = p->token;
  if (advance(p) != LS_OK) return NULL;
  if (name.kind == LS_TOKEN_QUOTED) return parse_name_parts(p, &name);
  if (ls__ex_name_is(name.value, "CASE")) return parse_case(p, name.offset);
  ls_ast_kind word = ls__ex_name_is(name.value, "NULL") ? LS_AST_NULL : LS_AST_BOOL;
  if (word == LS_AST_NULL || ls__ex_name_is(name.value, "TRUE") || ls__ex_name_is(name.value, "FALSE")) {
    ls_ast *node = new_node(p, word, name.offset);
    node->negated = ls__ex_name_is(name.value, "FALSE");
    return close_node(p, node, NULL, 0);
  }
  if (ls__ex_reserved(name.value)) {
    p->token = name;
    p->lexer.pos = name.offset + name.length;
    return expected(p, "a value");
  }
  if (p->token.kind == LS_TOKEN_STRING) return parse_typed_literal(p, &name);
  if (at_op(p, '(')) {
    if (ls__ex_name_is(name.value, "CAST")) return parse_cast(p, &name, false);
    if (ls__ex_name_is(name.value, "TRY_CAST")) return parse_cast(p, &name, true);
  }
  return parse_name_parts(p, &name);
}

static ls_ast *parse_primary(parser *p) {
  switch (p->token.kind) {
  case LS_TOKEN_INT:
    return parse_literal(p, LS_AST_INT);
  case LS_TOKEN_DECIMAL:
    return parse_literal(p, LS_AST_DECIMAL);
  case LS_TOKEN_FLOAT:
    return parse_literal(p, LS_AST_FLOAT);
  case LS_TOKEN_STRING:
    return parse_literal(p, LS_AST_STRING);
  case LS_TOKEN_NAME:
  case LS_TOKEN_QUOTED:
    return parse_named(p);
  case LS_TOKEN_OP:
    if (at_op(p, '[')) return parse_list(p);
    if (at_op(p, '(')) {
      if (advance(p) != LS_OK) return NULL;
      ls_ast *inner = parse_expr(p, PREC_OR);
      if (!inner || !take_op(p, ')', "')'")) return NULL;
      return inner;
    }
    break;
  case LS_TOKEN_END:
    break;
  }
  return expected(p, "a value");
}

static ls_ast *parse_postfix(parser *p) {
  ls_ast *node = parse_primary(p);
  while (node && (at_op(p, '[') || at_op(p, '.'))) {
    ls_token op = p->token;
    ls_ast *outer = new_op(p, op.op == '[' ? LS_AST_INDEX : LS_AST_FIELD, node->offset, &op), *index = NULL;
    if (advance(p) != LS_OK) return NULL;
    if (op.op == '[') {
      index = parse_expr(p, PREC_OR);
      if (!index || !take_op(p, ']', "']'")) return NULL;
    } else {
      if (p->token.kind != LS_TOKEN_NAME && p->token.kind != LS_TOKEN_QUOTED) return expected(p, "a field name");
      outer->names = LS_ARENA_NEW(p->arena, ls_ast_name);
      outer->names[0] = (ls_ast_name){p->token.value, p->token.offset, p->token.length};
      outer->n_names = 1;
      if (advance(p) != LS_OK) return NULL;
    }
    node = close_with(p, outer, node, index, NULL);
  }
  return node;
}

static ls_ast *parse_unary(parser *p) {
  if (!at_op(p, '-') && !at_op(p, '+')) return parse_postfix(p);
  ls_token op = p->token;
  if (advance(p) != LS_OK) return NULL;
  bool number = p->token.kind == LS_TOKEN_INT || p->token.kind == LS_TOKEN_DECIMAL || p->token.kind == LS_TOKEN_FLOAT;
  ls_ast *arg = parse_expr(p, PREC_UNARY);
  if (!arg || op.op == '+') return arg;
  /* -9223372036854775808 is one number: its digits alone would not fit. */
  if (number && arg->kind <= LS_AST_FLOAT && !arg->negated) {
    arg->negated = true;
    arg->offset = op.offset;
    arg->length = p->end - op.offset;
    return arg;
  }
  return close_with(p, new_op(p, LS_AST_NEGATE, op.offset, &op), arg, NULL, NULL);
}

/* What may follow a value at comparison level, once NOT has been taken. */
static ls_ast *parse_predicate(parser *p, ls_ast *left, bool negated, const ls_token *first) {
  ls_token op = p->token;
  ls_ast_kind kind = at_word(p, "IN") ? LS_AST_IN : at_word(p, "LIKE") ? LS_AST_LIKE : LS_AST_BETWEEN;
  if (kind == LS_AST_BETWEEN && !at_word(p, "BETWEEN")) return expected(p, "IN, LIKE or BETWEEN");
  if (advance(p) != LS_OK) return NULL;
  ls_ast *node = new_op(p, kind, left->offset, negated ? first : &op);
  node->op_length = p->end - node->op_offset;
  node->negated = negated;
  if (kind == LS_AST_IN) {
    node_list list = {0};
    list_add(p, &list, left);
    if (!take_op(p, '(', "'(' and the values")) return NULL;
    do {
      if (list.n > 1 && !take_op(p, ',', "',' or ')'")) return NULL;
      ls_ast *item = parse_expr(p, PREC_OR);
      if (!item) return NULL;
      list_add(p, &list, item);
    } while (!at_op(p, ')'));
    if (advance(p) != LS_OK) return NULL;
    return close_node(p, node, list.items, list.n);
  }
  ls_ast *a = parse_expr(p, PREC_CONCAT), *b = NULL;
  if (!a) return NULL;
  if (kind == LS_AST_BETWEEN && !take_word(p, "AND")) return NULL;
  if (kind == LS_AST_BETWEEN || at_word(p, "ESCAPE")) {
    if (kind == LS_AST_LIKE && advance(p) != LS_OK) return NULL;
    b = parse_expr(p, PREC_CONCAT);
    if (!b) return NULL;
  }
  return close_with(p, node, left, a, b);
}

static ls_ast *parse_is(parser *p, ls_ast *left) {
  ls_token op = p->token;
  bool negated = false;
  if (advance(p) != LS_OK) return NULL;
  if (at_word(p, "NOT")) {
    negated = true;
    if (advance(p) != LS_OK) return NULL;
  }
  ls_ast *node = new_op(p, LS_AST_IS_NULL, left->offset, &op), *right = NULL;
  node->negated = negated;
  if (at_word(p, "DISTINCT")) {
    node->kind = LS_AST_DISTINCT;
    if (advance(p) != LS_OK || !take_word(p, "FROM")) return NULL;
    right = parse_expr(p, PREC_CONCAT);
    if (!right) return NULL;
  } else if (!at_word(p, "NULL")) {
    return expected(p, "NULL or DISTINCT FROM");
  } else if (advance(p) != LS_OK) {
    return NULL;
  }
  return close_with(p, node, left, right, NULL);
}

static ls_ast *parse_compare(parser *p, ls_ast *left) {
  static const struct {
    unsigned op;
    ls_compare compare;
  } ops[] = {{'=', LS_CMP_EQ},
             {LS_OP2('<', '>'), LS_CMP_NE},
             {LS_OP2('!', '='), LS_CMP_NE},
             {'<', LS_CMP_LT},
             {LS_OP2('<', '='), LS_CMP_LE},
             {'>', LS_CMP_GT},
             {LS_OP2('>', '='), LS_CMP_GE}};
  ls_token op = p->token;
  if (at_word(p, "IS")) return parse_is(p, left);
  if (at_word(p, "NOT")) {
    if (advance(p) != LS_OK) return NULL;
    return parse_predicate(p, left, true, &op);
  }
  if (p->token.kind == LS_TOKEN_NAME) return parse_predicate(p, left, false, &op);
  if (advance(p) != LS_OK) return NULL;
  ls_ast *right = parse_expr(p, PREC_CONCAT);
  if (!right) return NULL;
  ls_ast *node = new_op(p, LS_AST_COMPARE, left->offset, &op);
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    if (ops[i].op == op.op) node->op = ops[i].compare;
  }
  return close_with(p, node, left, right, NULL);
}

/* Precedence of the operator that the parser looks at; 0: none. */
static int operator_prec(const parser *p) {
  if (p->token.kind == LS_TOKEN_NAME) {
    if (at_word(p, "OR")) return PREC_OR;
    if (at_word(p, "AND")) return PREC_AND;
    if (at_word(p, "IS") || at_word(p, "IN") || at_word(p, "LIKE") || at_word(p, "BETWEEN") || at_word(p, "NOT")) {
      return PREC_COMPARE;
    }
    return 0;
  }
  if (p->token.kind != LS_TOKEN_OP) return 0;
  switch (p->token.op) {
  case '=':
  case '<':
  case '>':
  case LS_OP2('<', '>'):
  case LS_OP2('!', '='):
  case LS_OP2('<', '='):
  case LS_OP2('>', '='):
    return PREC_COMPARE;
  case LS_OP2('|', '|'):
    return PREC_CONCAT;
  case '+':
  case '-':
    return PREC_ADD;
  case '*':
  case '/':
  case '%':
    return PREC_MUL;
  default:
    return 0;
  }
}

/* AND, OR and || take all operands of a chain into one node. */
static ls_ast *parse_chain(parser *p, ls_ast *left, int prec) {
  ls_token op = p->token;
  ls_ast_kind kind = prec == PREC_OR ? LS_AST_OR : prec == PREC_AND ? LS_AST_AND : LS_AST_CONCAT;
  node_list list = {0};
  list_add(p, &list, left);
  while (operator_prec(p) == prec) {
    if (advance(p) != LS_OK) return NULL;
    ls_ast *right = parse_expr(p, prec + 1);
    if (!right) return NULL;
    list_add(p, &list, right);
  }
  return close_node(p, new_op(p, kind, left->offset, &op), list.items, list.n);
}

static ls_ast *parse_not(parser *p) {
  ls_token op = p->token;
  if (advance(p) != LS_OK) return NULL;
  ls_ast *arg = parse_expr(p, PREC_NOT);
  if (!arg) return NULL;
  return close_with(p, new_op(p, LS_AST_NOT, op.offset, &op), arg, NULL, NULL);
}

static ls_ast *parse_operators(parser *p, int min_prec) {
  if (at_word(p, "NOT") && min_prec > PREC_NOT) return expected(p, "a value (put NOT and its operand in parentheses)");
  bool is_not = at_word(p, "NOT");
  ls_ast *left = is_not ? parse_not(p) : parse_unary(p);
  bool compared = is_not;
  while (left) {
    int prec = operator_prec(p);
    if (prec == 0 || prec < min_prec) return left;
    if (compared && prec >= PREC_COMPARE)
      return expected(p, "AND, OR or the end (comparisons do not chain: use parentheses)");
    if (prec == PREC_OR || prec == PREC_AND || prec == PREC_CONCAT) {
      left = parse_chain(p, left, prec);
    } else if (prec == PREC_COMPARE) {
      left = parse_compare(p, left);
      compared = true;
    } else {
      ls_token op = p->token;
      if (advance(p) != LS_OK) return NULL;
      ls_ast *right = parse_expr(p, prec + 1);
      if (!right) return NULL;
      left = close_with(p, new_op(p, LS_AST_BINARY, left->offset, &op), left, right, NULL);
    }
    if (prec < PREC_COMPARE) compared = true;
  }
  return left;
}

static ls_ast *parse_expr(parser *p, int min_prec) {
  if (p->depth >= LS_EX_DEPTH_MAX) {
    ls__ex_error(p->where, p->token.offset, p->token.length, "the expression is nested more than %d levels deep",
                 LS_EX_DEPTH_MAX);
    return NULL;
  }
  p->depth++;
  ls_ast *node = min_prec == PREC_UNARY ? parse_unary(p) : parse_operators(p, min_prec);
  p->depth--;
  return node;
}

int ls__ast_parse(ls_ast **out, ls_slice text, ls_arena *arena, ls_expr_error *where) {
  if (text.len > LS_EX_TEXT_BYTES_MAX) {
    return ls__ex_error(where, LS_EX_TEXT_BYTES_MAX, 0, "the expression is longer than 64 KiB");
  }
  if (!ls__utf8_valid(text)) return ls__ex_error(where, 0, text.len, "the expression is not valid UTF-8");
  parser p = {.lexer = {text, 0, arena, where}, .arena = arena, .where = where};
  if (advance(&p) != LS_OK) return LS_ECONFIG;
  p.end = 0;
  if (p.token.kind == LS_TOKEN_END) return ls__ex_error(where, 0, text.len, "the expression is empty");
  ls_ast *node = parse_expr(&p, PREC_OR);
  if (!node) return LS_ECONFIG;
  if (p.token.kind != LS_TOKEN_END) {
    expected(&p, "an operator or the end");
    return LS_ECONFIG;
  }
  *out = node;
  return LS_OK;
}
