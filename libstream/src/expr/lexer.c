/**
 * @file lexer.c
 * Text to tokens. ASCII decides everything outside quotes; inside quotes any UTF-8.
 */
#include "expr/ast.h"

#include <stdarg.h>
#include <stdio.h>

int ls__ex_error(ls_expr_error *where, size_t offset, size_t length, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  where->offset = offset;
  where->length = length;
  vsnprintf(where->message, sizeof where->message, fmt, ap);
  va_end(ap);
  return LS_ECONFIG;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
static bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}
static bool is_name_char(char c) {
  return is_name_start(c) || is_digit(c);
}
static char to_upper(char c) {
  return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

bool ls__ex_name_is(ls_slice name, const char *word) {
  size_t i = 0;
  while (i < name.len && word[i] != '\0' && to_upper(name.ptr[i]) == to_upper(word[i])) i++;
  return i == name.len && word[i] == '\0';
}

bool ls__ex_reserved(ls_slice name) {
  static const char *const words[] = {"AND",  "OR",   "NOT",  "IS",   "NULL",    "TRUE", "FALSE", "IN",
                                      "LIKE", "CASE", "WHEN", "THEN", "BETWEEN", "ELSE", "END"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (ls__ex_name_is(name, words[i])) return true;
  }
  return false;
}

static char peek(const ls_lexer *lexer, size_t ahead) {
  size_t at = lexer->pos + ahead;
  return at < lexer->text.len ? lexer->text.ptr[at] : '\0';
}

static void skip_blanks(ls_lexer *lexer) {
  for (;;) {
    char c = peek(lexer, 0);
    if (lexer->pos >= lexer->text.len) return;
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      lexer->pos++;
    } else if (c == '-' && peek(lexer, 1) == '-') {
      while (lexer->pos < lexer->text.len && lexer->text.ptr[lexer->pos] != '\n') lexer->pos++;
    } else {
      return;
    }
  }
}

/* 'text' or "name": the quote inside is written twice. */
static int read_quoted(ls_lexer *lexer, ls_token *out, char quote) {
  size_t start = lexer->pos++, end = lexer->pos, len = 0;
  while (end < lexer->text.len && (lexer->text.ptr[end] != quote || peek(lexer, end + 1 - lexer->pos) == quote)) {
    end += lexer->text.ptr[end] == quote ? 2 : 1;
  }
  char *value = ls__arena_alloc(lexer->arena, end - start + 1);
  for (;;) {
    if (lexer->pos >= lexer->text.len) {
      return ls__ex_error(lexer->where, start, lexer->text.len - start, "the closing %c is missing%s", quote,
                          quote == '\'' ? " (a ' inside a text is written twice: 'it''s')" : "");
    }
    char c = lexer->text.ptr[lexer->pos++];
    if (c == quote) {
      if (peek(lexer, 0) != quote) break;
      lexer->pos++;
    }
    value[len++] = c;
  }
  value[len] = '\0';
  out->kind = quote == '\'' ? LS_TOKEN_STRING : LS_TOKEN_QUOTED;
  out->value = (ls_slice){value, len};
  out->length = lexer->pos - start;
  if (quote == '"' && len == 0) return ls__ex_error(lexer->where, start, out->length, "a quoted name is empty");
  return LS_OK;
}

static int read_number(ls_lexer *lexer, ls_token *out) {
  size_t start = lexer->pos;
  out->kind = LS_TOKEN_INT;
  while (is_digit(peek(lexer, 0))) lexer->pos++;
  if (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1))) {
    out->kind = LS_TOKEN_DECIMAL;
    lexer->pos++;
    while (is_digit(peek(lexer, 0))) lexer->pos++;
  }
  char e = peek(lexer, 0);
  if (e == 'e' || e == 'E') {
    size_t sign = peek(lexer, 1) == '+' || peek(lexer, 1) == '-' ? 1 : 0;
    if (is_digit(peek(lexer, 1 + sign))) {
      out->kind = LS_TOKEN_FLOAT;
      lexer->pos += 1 + sign;
      while (is_digit(peek(lexer, 0))) lexer->pos++;
    }
  }
  if (is_name_char(peek(lexer, 0))) {
    while (is_name_char(peek(lexer, 0))) lexer->pos++;
    return ls__ex_error(lexer->where, start, lexer->pos - start,
                        "'%.*s' is neither a number nor a name: a name starts with a letter, or "
                        "stands in \"quotes\"",
                        (int)(lexer->pos - start > 60 ? 60 : lexer->pos - start), lexer->text.ptr + start);
  }
  out->length = lexer->pos - start;
  out->value = (ls_slice){lexer->text.ptr + start, out->length};
  return LS_OK;
}

static int read_operator(ls_lexer *lexer, ls_token *out) {
  static const char pairs[][3] = {"<>", "!=", "<=", ">=", "||", ":="};
  char c = peek(lexer, 0);
  out->kind = LS_TOKEN_OP;
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    if (c == pairs[i][0] && peek(lexer, 1) == pairs[i][1]) {
      out->op = LS_OP2(c, pairs[i][1]);
      out->length = 2;
      lexer->pos += 2;
      return LS_OK;
    }
  }
  if (c == '\0' || strchr("+-*/%=<>()[],.", c) == NULL) {
    const char *hint = c == ';'   ? ": one expression only"
                       : c == '$' ? ": parameters are written ${name} and filled in before"
                       : c == '!' ? ": 'not equal' is <>, 'not' is NOT"
                       : c == '&' ? ": write AND"
                       : c == '|' ? ": write OR, or || to join texts"
                                  : "";
    if (c >= ' ' && c < 0x7f) return ls__ex_error(lexer->where, lexer->pos, 1, "'%c' is not expected%s", c, hint);
    return ls__ex_error(lexer->where, lexer->pos, 1, "byte 0x%02x is not expected", (unsigned)(unsigned char)c);
  }
  out->op = (unsigned char)c;
  out->length = 1;
  lexer->pos++;
  return LS_OK;
}

int ls__lexer_next(ls_lexer *lexer, ls_token *out) {
  skip_blanks(lexer);
  memset(out, 0, sizeof *out);
  out->offset = lexer->pos;
  if (lexer->pos >= lexer->text.len) return LS_OK;
  char c = peek(lexer, 0);
  if (c == '\'' || c == '"') return read_quoted(lexer, out, c);
  if (is_digit(c) || (c == '.' && is_digit(peek(lexer, 1)))) return read_number(lexer, out);
  if (!is_name_start(c)) return read_operator(lexer, out);
  while (is_name_char(peek(lexer, 0))) lexer->pos++;
  out->kind = LS_TOKEN_NAME;
  out->length = lexer->pos - out->offset;
  out->value = (ls_slice){lexer->text.ptr + out->offset, out->length};
  return LS_OK;
}
