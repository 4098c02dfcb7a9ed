/**
 * @file fn_string.c
 * Functions that search, measure and cut texts. Positions and lengths count characters (code
 * points), from 1.
 */
#include "expr/fn.h"

static size_t char_count(ls_slice text) {
  size_t n = 0;
  for (size_t i = 0; i < text.len; i++) n += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
  return n;
}

/* Byte offset of the n-th character (0-based), or the end. */
static size_t char_offset(ls_slice text, uint64_t n) {
  size_t i = 0;
  while (i < text.len) {
    if (((unsigned char)text.ptr[i] & 0xC0) != 0x80 && n-- == 0) return i;
    i++;
  }
  return i;
}

/* memmem is not in POSIX 2008. */
static const char *find(ls_slice text, ls_slice part) {
  if (part.len == 0) return text.ptr ? text.ptr : "";
  if (part.len > text.len) return NULL;
  const char *at = text.ptr, *last = text.ptr + (text.len - part.len);
  while (at <= last && (at = memchr(at, part.ptr[0], (size_t)(last - at) + 1)) != NULL) {
    if (memcmp(at, part.ptr, part.len) == 0) return at;
    at++;
  }
  return NULL;
}

/* -- measures ---------------------------------------------------------------------------------- */

LS_EX_KERNEL(ls__fn_char_length) {
  int64_t *values = out->values;
  for (int64_t i = 0; i < call->n; i++) values[i] = (int64_t)char_count(ls__vec_slice(&call->args[0], i));
}
LS_EX_KERNEL(ls__fn_octet_length) {
  int64_t *values = out->values;
  for (int64_t i = 0; i < call->n; i++) values[i] = (int64_t)ls__vec_slice(&call->args[0], i).len;
}
LS_EX_KERNEL(ls__fn_strpos) {
  int64_t *values = out->values;
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) continue;
    ls_slice text = ls__vec_slice(&call->args[0], i), part = ls__vec_slice(&call->args[1], i);
    const char *at = find(text, part);
    if (!at) continue;
    values[i] = 1 + (part.len ? (int64_t)char_count((ls_slice){text.ptr, (size_t)(at - text.ptr)}) : 0);
  }
}

/* -- tests ------------------------------------------------------------------------------------- */

static bool starts_with(ls_slice text, ls_slice part) {
  return part.len <= text.len && (part.len == 0 || memcmp(text.ptr, part.ptr, part.len) == 0);
}
static bool ends_with(ls_slice text, ls_slice part) {
  return part.len <= text.len && (part.len == 0 || memcmp(text.ptr + (text.len - part.len), part.ptr, part.len) == 0);
}

LS_EX_KERNEL(ls__fn_starts_with) {
  for (int64_t i = 0; i < call->n; i++) {
    if (starts_with(ls__vec_slice(&call->args[0], i), ls__vec_slice(&call->args[1], i))) LS_BIT_SET(out->values, i);
  }
}
LS_EX_KERNEL(ls__fn_ends_with) {
  for (int64_t i = 0; i < call->n; i++) {
    if (ends_with(ls__vec_slice(&call->args[0], i), ls__vec_slice(&call->args[1], i))) LS_BIT_SET(out->values, i);
  }
}
LS_EX_KERNEL(ls__fn_contains) {
  for (int64_t i = 0; i < call->n; i++) {
    if (find(ls__vec_slice(&call->args[0], i), ls__vec_slice(&call->args[1], i))) LS_BIT_SET(out->values, i);
  }
}

typedef struct like_token {
  const char *ptr;
  size_t len; /* of the pattern's text that this token takes */
  char kind;  /* '%', '_', 'c' a literal byte */
  char byte;
} like_token;

bool ls__ex_like_cut(ls_slice pattern, char escape) {
  for (size_t i = 0; i < pattern.len; i++) {
    if (pattern.ptr[i] == escape && ++i == pattern.len) return true;
  }
  return false;
}

/* The token at p. The pattern does not end with an escape character. */
static like_token like_next(const char *p, int escape) {
  like_token t = {p, 1, 'c', *p};
  if (escape >= 0 && *p == (char)escape) {
    t.len = 2;
    t.byte = p[1];
  } else if (*p == '%' || *p == '_') {
    t.kind = *p;
  }
  return t;
}

static size_t char_bytes(const char *p, const char *end) {
  size_t n = 1;
  while (p + n < end && ((unsigned char)p[n] & 0xC0) == 0x80) n++;
  return n;
}

/* Greedy with one step back to the last %: linear in practice, never exponential. */
static bool like(ls_slice text, ls_slice pattern, int escape) {
  const char *t = text.ptr, *t_end = text.ptr + text.len, *p = pattern.ptr, *p_end = pattern.ptr + pattern.len;
  const char *back_p = NULL, *back_t = NULL;
  for (;;) {
    if (p < p_end) {
      like_token token = like_next(p, escape);
      if (token.kind == '%') {
        p += token.len;
        back_p = p;
        back_t = t;
        continue;
      }
      if (t < t_end && (token.kind == '_' || *t == token.byte)) {
        p += token.len;
        t += token.kind == '_' ? char_bytes(t, t_end) : 1;
        continue;
      }
    } else if (t == t_end) {
      return true;
    }
    if (!back_p || back_t >= t_end) return false;
    back_t += char_bytes(back_t, t_end);
    t = back_t;
    p = back_p;
  }
}

/* 'abc', 'abc%', '%abc' and '%abc%' are plain searches. Returns false for other patterns. */
static bool like_plain(ls_column *out, const ls_ex_call *call, ls_slice pattern) {
  bool head = pattern.len && pattern.ptr[0] == '%';
  bool tail = pattern.len > 1 && pattern.ptr[pattern.len - 1] == '%';
  ls_slice part = {pattern.ptr + head, pattern.len - head - tail};
  if (part.len && (memchr(part.ptr, '%', part.len) || memchr(part.ptr, '_', part.len))) return false;
  for (int64_t i = 0; i < call->n; i++) {
    ls_slice text = ls__vec_slice(&call->args[0], i);
    bool match = head && tail ? find(text, part) != NULL
                 : head       ? ends_with(text, part)
                 : tail       ? starts_with(text, part)
                              : text.len == part.len && starts_with(text, part);
    if (match) LS_BIT_SET(out->values, i);
  }
  return true;
}

void ls__ex_kernel_like(ls_column *out, const ls_ex_call *call) {
  int escape = call->n_args == 3 ? (unsigned char)ls__vec_slice(&call->args[2], 0).ptr[0] : -1;
  if (escape < 0 && call->args[1].mask == 0 && like_plain(out, call, ls__column_slice(call->args[1].col, 0))) return;
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) continue;
    ls_slice pattern = ls__vec_slice(&call->args[1], i);
    if (escape >= 0 && ls__ex_like_cut(pattern, (char)escape))
      ls__ex_fail_fixed(out, call, i, LS_EX_LIKE_CUT);
    else if (like(ls__vec_slice(&call->args[0], i), pattern, escape))
      LS_BIT_SET(out->values, i);
  }
}

/* -- regular expressions ----------------------------------------------------------------------- */

/* Index of the last byte of a bracket expression that starts at `at`; classes as [:alpha:] have their own bracket. */
static size_t bracket_end(ls_slice pattern, size_t at) {
  size_t i = at + 1;
  if (i < pattern.len && pattern.ptr[i] == '^') i++;
  if (i < pattern.len && pattern.ptr[i] == ']') i++;
  for (; i < pattern.len && pattern.ptr[i] != ']'; i++) {
    bool class = pattern.ptr[i] == '[' && i + 1 < pattern.len && strchr(":.=", pattern.ptr[i + 1]) != NULL;
    for (i += class ? 2 : 0;
         class && i + 1 < pattern.len && !(pattern.ptr[i + 1] == ']' && strchr(":.=", pattern.ptr[i]) != NULL);)
      i++;
    i += class ? 1 : 0;
  }
  return i;
}

/* What glibc answers with unbounded memory or time is refused: back references, repetitions of
 * repetitions, and large products of them. */
static const char *regex_danger(ls_slice pattern) {
  int64_t product = 1;
  if (pattern.len > 1000) return "the pattern is longer than 1000 bytes";
  if (pattern.len && memchr(pattern.ptr, '\0', pattern.len)) return "the pattern holds a NUL byte";
  for (size_t i = 0; i + 1 < pattern.len; i++) {
    char c = pattern.ptr[i];
    if (c == '\\') {
      if (pattern.ptr[i + 1] >= '1' && pattern.ptr[i + 1] <= '9') return "back references are not supported";
      i++;
      continue;
    }
    if (c == '[') {
      i = bracket_end(pattern, i);
      continue;
    }
    if (strchr("*+?}", c) != NULL && strchr("*+?{", pattern.ptr[i + 1]) != NULL)
      return "a repetition of a repetition is not supported";
    if (c != '{') continue;
    int64_t bound = 0, largest = 1;
    for (i++; i < pattern.len && pattern.ptr[i] != '}'; i++) {
      char d = pattern.ptr[i];
      bound = d >= '0' && d <= '9' && bound < 100000 ? bound * 10 + (d - '0') : 0;
      if (bound > largest) largest = bound;
    }
    product *= largest;
    if (i + 1 < pattern.len && strchr("*+?{", pattern.ptr[i + 1]) != NULL)
      return "a repetition of a repetition is not supported";
    if (product > 1000) return "the repetitions {n} multiply to more than 1000";
  }
  return NULL;
}

/* regexec wants a NUL at the end, and takes any other for it: such a text is refused rather than
 * half looked at. */
static void kernel_regexp(ls_column *out, const ls_ex_call *call) {
  const regex_t *regex = call->ctx->state->slots[call->node->slot].regex;
  size_t longest = 0;
  for (int64_t i = 0; i < call->n; i++) {
    ls_slice text = ls__vec_slice(&call->args[0], i);
    if (text.len > longest) longest = text.len;
  }
  char *copy = ls__arena_alloc(call->arena, longest + 1);
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) continue;
    ls_slice text = ls__vec_slice(&call->args[0], i);
    if (text.len) memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (strlen(copy) != text.len) {
      ls__ex_fail_fixed(out, call, i, "regexp_matches: the text holds a NUL byte");
    } else if (regexec(regex, copy, 0, NULL, 0) == 0) {
      LS_BIT_SET(out->values, i);
    }
  }
}

LS_EX_FORM(ls__fn_regexp_matches) {
  ls_slice pattern = ls__column_slice(args[1]->value, 0);
  (void)n_args;
  const char *danger = regex_danger(pattern);
  if (danger) return ls__ex_fail(c, args[1]->ast, "%s", danger);
  char *text = ls__arena_strndup(c->arena, pattern.len ? pattern.ptr : "", pattern.len);
  regex_t regex;
  int rc = regcomp(&regex, text, REG_EXTENDED | REG_NOSUB);
  if (rc != 0) {
    char why[128];
    regerror(rc, &regex, why, sizeof why);
    return ls__ex_fail(c, args[1]->ast, "not a POSIX extended regular expression: %s", why);
  }
  regfree(&regex);
  ls_ex *ex = ls__ex_call(c, kernel_regexp, &ls__type_bool, ast, args, 1);
  if (ex->op == LS_EX_CONST) return ex;
  ex->aux = text;
  ex->sensitive = false;
  ls__ex_need_slot(c, ex);
  return ex;
}

/* -- cuts -------------------------------------------------------------------------------------- */

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static ls_slice trim(ls_slice text, bool head, bool tail) {
  while (head && text.len && is_blank(text.ptr[0])) {
    text.ptr++;
    text.len--;
  }
  while (tail && text.len && is_blank(text.ptr[text.len - 1])) text.len--;
  return text;
}

static void trim_rows(ls_column *out, const ls_ex_call *call, bool head, bool tail) {
  for (int64_t i = 0; i < call->n; i++) {
    if (ls__ex_live(call, i)) {
      ls__text_put(out, call, i, trim(ls__vec_slice(&call->args[0], i), head, tail));
    } else {
      ls__column_append_null(out);
    }
  }
}

LS_EX_KERNEL(ls__fn_trim) {
  trim_rows(out, call, true, true);
}
LS_EX_KERNEL(ls__fn_ltrim) {
  trim_rows(out, call, true, false);
}
LS_EX_KERNEL(ls__fn_rtrim) {
  trim_rows(out, call, false, true);
}

/* Characters [from, to), 0-based. */
static ls_slice cut(ls_slice text, uint64_t from, uint64_t to) {
  if (from >= to) return (ls_slice){text.ptr, 0};
  size_t start = char_offset(text, from);
  ls_slice rest = {text.ptr + start, text.len - start};
  return (ls_slice){rest.ptr, char_offset(rest, to - from)};
}

/* SQL: positions before the first count too, so substr('abc', 0, 2) is 'a'. */
LS_EX_KERNEL(ls__fn_substr) {
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) {
      ls__column_append_null(out);
      continue;
    }
    int64_t start = ls__vec_i64(&call->args[1], i),
            count = call->n_args == 3 ? ls__vec_i64(&call->args[2], i) : INT64_MAX;
    if (count < 0) {
      ls__ex_row_error(call->ctx, i, "substr: the count is negative");
      ls__column_append_null(out);
      continue;
    }
    int64_t end = 0;
    if (__builtin_add_overflow(start, count, &end)) end = INT64_MAX;
    if (call->n_args == 2) end = INT64_MAX;
    uint64_t from = start < 1 ? 0 : (uint64_t)start - 1, to = end < 1 ? 0 : (uint64_t)end - 1;
    ls__text_put(out, call, i, cut(ls__vec_slice(&call->args[0], i), from, to));
  }
}

/* left and right: a negative count leaves so many characters out at the other end. */
static void cut_side(ls_column *out, const ls_ex_call *call, bool left) {
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) {
      ls__column_append_null(out);
      continue;
    }
    ls_slice text = ls__vec_slice(&call->args[0], i);
    int64_t n = ls__vec_i64(&call->args[1], i), chars = (int64_t)char_count(text);
    int64_t keep = n >= 0 ? (n < chars ? n : chars) : (n > -chars ? chars + n : 0);
    uint64_t from = left ? 0 : (uint64_t)(chars - keep);
    ls__text_put(out, call, i, cut(text, from, from + (uint64_t)keep));
  }
}

LS_EX_KERNEL(ls__fn_left) {
  cut_side(out, call, true);
}
LS_EX_KERNEL(ls__fn_right) {
  cut_side(out, call, false);
}

LS_EX_KERNEL(ls__fn_split) {
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) {
      ls__column_append_null(out);
      continue;
    }
    ls_slice text = ls__vec_slice(&call->args[0], i), sep = ls__vec_slice(&call->args[1], i);
    const char *at;
    while (sep.len && (at = find(text, sep)) != NULL) {
      size_t len = (size_t)(at - text.ptr);
      ls__column_append_slice(&out->children[0], (ls_slice){text.ptr, len});
      text = (ls_slice){at + sep.len, text.len - len - sep.len};
    }
    ls__column_append_slice(&out->children[0], text);
    ls__column_append_list_end(out);
  }
}
