/** @file build_expr.c  Expressions of the file: compiling, and errors at their place in the file. */
#include <strings.h>

#include "topology/build.h"

static bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_name_part(char c) {
  return is_name_start(c) || (c >= '0' && c <= '9');
}

size_t ls__build_token(const char *text, size_t len, size_t at) {
  size_t end = at + 1;
  if (text[at] == '\'' || text[at] == '"') {
    /* a doubled quote ends one quoted text and begins the next: for splitting that is the same */
    while (end < len && text[end] != text[at]) end++;
    return (end < len ? end + 1 : end) - at;
  }
  if (is_name_start(text[at])) {
    while (end < len && is_name_part(text[end])) end++;
  } else if (text[at] == '-' && end < len && text[end] == '-') {
    while (end < len && text[end] != '\n') end++;
  }
  return end - at;
}

/* Blanks and comments. */
static size_t skip_space(const char *text, size_t len, size_t at) {
  while (at < len) {
    bool comment = text[at] == '-' && at + 1 < len && text[at + 1] == '-';
    if (!comment && strchr(" \t\r\n", text[at]) == NULL) break;
    at += comment ? ls__build_token(text, len, at) : 1;
  }
  return at;
}

static void note_name(ls_strmap *map, const char *text, size_t len) {
  char name[128];
  if (len == 0 || len >= sizeof name) return;
  memcpy(name, text, len);
  name[len] = 0;
  ls__strmap_put(map, name, map);
}

static void note_exists(ls_build *b, const char *text, size_t len, size_t at) {
  size_t n = at < len ? ls__build_token(text, len, at) : 0;
  if (n > 2 && text[at] == '"') {
    note_name(&b->exists, text + at + 1, n - 2);
  } else if (n > 0) {
    note_name(&b->exists, text + at, n);
  }
}

void ls__build_note_calls(ls_build *b, const char *text) {
  size_t len = strlen(text);
  for (size_t at = 0; at < len;) {
    size_t n = ls__build_token(text, len, at);
    size_t after = skip_space(text, len, at + n);
    if (is_name_start(text[at]) && after < len && text[after] == '(') {
      note_name(&b->calls, text + at, n);
      if (n == 6 && strncasecmp(text + at, "EXISTS", 6) == 0) {
        note_exists(b, text, len, skip_space(text, len, after + 1));
      }
    }
    at += n;
  }
}

static bool mentions_exists(const char *text) {
  for (; *text != 0; text++) {
    if (strncasecmp(text, "EXISTS", 6) == 0) return true;
  }
  return false;
}

/* An unknown function is no news when its plugin could not be loaded, nor a column in EXISTS when the
 * table's schema is wrong. */
static bool is_follow_up(const ls_build *b, const ls_yaml *scalar, size_t offset) {
  if (scalar->poisoned || (b->globals_failed && mentions_exists(scalar->text))) return true;
  if (!b->plugins_failed || offset >= scalar->len || !is_name_start(scalar->text[offset])) {
    return false;
  }
  size_t n = ls__build_token(scalar->text, scalar->len, offset);
  size_t after = skip_space(scalar->text, scalar->len, offset + n);
  return after < scalar->len && scalar->text[after] == '(';
}

static ls_expr_env expr_env(const ls_build *b, const ls_schema *schema) {
  return (ls_expr_env){.schema = schema,
                       .tables = b->plan->tables,
                       .n_tables = b->plan->n_globals,
                       .udfs = b->udfs,
                       .volatile_allowed = !b->plan->parity};
}

ls_expr *ls__build_expr_part(ls_build *b, const ls_yaml *scalar, size_t from, size_t len, const ls_rel *in) {
  ls_expr_env env = expr_env(b, in->schema);
  env.schema_open = in->known >= LS_KNOWN_SOME;
  ls_expr_error where = {0};
  ls_expr *expr = NULL;
  if (ls__expr_compile(&expr, (ls_slice){scalar->text + from, len}, &env, b->arena, &where) == LS_OK) {
    return expr;
  }
  if (where.unknown || is_follow_up(b, scalar, from + where.offset)) return NULL;
  ls_mark mark = ls__yaml_locate(b->doc, scalar, from + where.offset);
  ls__diag_add(b->diag, mark, "%s", where.message);
  return NULL;
}

ls_expr *ls__build_expr(ls_build *b, const ls_yaml *scalar, const ls_rel *in) {
  return ls__build_expr_part(b, scalar, 0, scalar->len, in);
}

ls_expr *ls__build_predicate(ls_build *b, const ls_yaml *scalar, const ls_rel *in) {
  ls_expr *expr = ls__build_expr(b, scalar, in);
  if (expr == NULL || ls__expr_type(expr)->kind == LS_BOOL) return expr;
  if (!scalar->poisoned) {
    ls__diag_add(b->diag, ls__yaml_locate(b->doc, scalar, 0), "the condition is %s; it should be a bool, as amount > 0",
                 ls__a_type(b, ls__expr_type(expr)));
  }
  return NULL;
}

ls_expr *ls__build_expr_text(ls_build *b, const char *text, const ls_schema *schema) {
  ls_expr_env env = expr_env(b, schema);
  ls_expr_error where = {0};
  ls_expr *expr = NULL;
  int rc = ls__expr_compile(&expr, (ls_slice){text, strlen(text)}, &env, b->arena, &where);
  return rc == LS_OK ? expr : NULL;
}
