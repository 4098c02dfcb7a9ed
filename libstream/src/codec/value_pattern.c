/** @file value_pattern.c  See value_pattern.h. Both ways work on bytes (C locale), so '.' is one
 * byte. */
#include "codec/value_pattern.h"

#include <regex.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

#define STEPS_MAX 32
#define COUNT_MAX 65535u

typedef struct step {
  uint64_t class_bits[4]; /* bytes allowed */
  uint32_t min, max;
} step;

struct ls_value_pattern {
  bool simple;
  uint32_t n_steps;
  step steps[STEPS_MAX];
  regex_t regex;
  ls_buf text; /* NUL-terminated copy for regexec */
};

static bool in_class(const step *s, unsigned char c) {
  return s->class_bits[c >> 6] >> (c & 63) & 1u;
}
static void add(step *s, unsigned char c) {
  s->class_bits[c >> 6] |= UINT64_C(1) << (c & 63);
}

/* Reads [..] with plain bytes and ranges. NULL: not of that form ([:alpha:], [=, [. and odd places
 * of ] and -). */
static const char *read_class(step *s, const char *p) {
  bool negate = *p == '^';
  if (negate) p++;
  if (*p == ']' || *p == '-') return NULL;
  for (; *p != ']'; p++) {
    unsigned char low = (unsigned char)*p;
    if (low == 0 || low == '[' || low >= 0x80) return NULL;
    if (p[1] == '-' && p[2] != ']') {
      unsigned char high = (unsigned char)p[2];
      if (high == 0 || high == '[' || high >= 0x80 || high < low) return NULL;
      for (unsigned c = low; c <= high; c++) add(s, (unsigned char)c);
      p += 2;
    } else {
      add(s, low);
    }
  }
  if (negate) {
    for (int i = 0; i < 4; i++) s->class_bits[i] = ~s->class_bits[i];
    s->class_bits[0] &= ~UINT64_C(1); /* regexec never sees NUL */
  }
  return p + 1;
}

static const char *read_number(uint32_t *out, const char *p) {
  if (*p < '0' || *p > '9') return NULL;
  uint32_t n = 0;
  for (; *p >= '0' && *p <= '9'; p++) {
    n = n * 10 + (uint32_t)(*p - '0');
    if (n > 255) return NULL; /* RE_DUP_MAX is checked by regcomp */
  }
  *out = n;
  return p;
}

/* Reads {m}, {m,}, {m,n}, *, +, ? or nothing. */
static const char *read_count(step *s, const char *p) {
  s->min = s->max = 1;
  if (*p == '*' || *p == '+' || *p == '?') {
    s->min = *p == '+';
    s->max = *p == '?' ? 1 : COUNT_MAX;
    p++;
  } else if (*p == '{') {
    p = read_number(&s->min, p + 1);
    if (!p) return NULL;
    s->max = s->min;
    if (*p == ',') {
      p++;
      s->max = COUNT_MAX;
      if (*p != '}' && !(p = read_number(&s->max, p))) return NULL;
    }
    if (*p != '}' || s->max < s->min) return NULL;
    p++;
  }
  return *p == '*' || *p == '+' || *p == '?' || *p == '{' ? NULL : p;
}

static const char *read_atom(step *s, const char *p) {
  unsigned char c = (unsigned char)*p;
  if (c == '[') return read_class(s, p + 1);
  if (c == '.') {
    for (unsigned b = 1; b < 256; b++) add(s, (unsigned char)b);
    return p + 1;
  }
  if (c == '\\') {
    c = (unsigned char)*++p;
    if (c == 0 || !strchr(".[]{}()*+?|^$\\/-", c)) return NULL; /* \w and the like are GNU's */
  } else if (c >= 0x80 || strchr("(){}|^$*+?", c)) {
    return NULL;
  }
  add(s, c);
  return p + 1;
}

/* A greedy walk is right only where a step of variable length can't eat what the steps after it
 * need. */
static bool walk_is_exact(const ls_value_pattern *pattern) {
  for (uint32_t i = 0; i < pattern->n_steps; i++) {
    const step *s = &pattern->steps[i];
    if (s->min == s->max) continue;
    for (uint32_t k = i + 1; k < pattern->n_steps; k++) {
      const step *next = &pattern->steps[k];
      for (int w = 0; w < 4; w++) {
        if (s->class_bits[w] & next->class_bits[w]) return false;
      }
      if (next->min > 0) break;
    }
  }
  return true;
}

static bool compile_simple(ls_value_pattern *pattern, const char *text) {
  size_t len = strlen(text);
  const char *p = text;
  if (*p == '^') p++;
  while (*p) {
    if (*p == '$' && p + 1 == text + len) break;
    if (pattern->n_steps == STEPS_MAX) return false;
    step *s = &pattern->steps[pattern->n_steps++];
    p = read_atom(s, p);
    if (!p) return false;
    p = read_count(s, p);
    if (!p) return false;
  }
  return walk_is_exact(pattern);
}

int ls__value_pattern_new(ls_value_pattern **out, const char *text, ls_error *err) {
  ls_value_pattern *pattern = LS_NEW(ls_value_pattern);
  *out = NULL;
  ls_buf whole = LS_BUF_INIT;
  ls__buf_printf(&whole, "^(%s)$", text);
  int rc = regcomp(&pattern->regex, whole.ptr, REG_EXTENDED | REG_NOSUB);
  ls__buf_fini(&whole);
  if (rc) {
    char why[128];
    regerror(rc, &pattern->regex, why, sizeof why);
    ls__free(pattern);
    return ls_error_set(err, LS_ECONFIG, "pattern '%s' is not a POSIX extended regular expression: %s", text, why);
  }
  pattern->simple = compile_simple(pattern, text);
  *out = pattern;
  return LS_OK;
}

void ls__value_pattern_free(ls_value_pattern *pattern) {
  if (!pattern) return;
  regfree(&pattern->regex);
  ls__buf_fini(&pattern->text);
  ls__free(pattern);
}

static bool walk(const ls_value_pattern *pattern, ls_slice value) {
  const unsigned char *p = (const unsigned char *)value.ptr, *end = p + value.len;
  for (const step *s = pattern->steps; s < pattern->steps + pattern->n_steps; s++) {
    uint32_t n = 0;
    while (p < end && n < s->max && in_class(s, *p)) p++, n++;
    if (n < s->min) return false;
  }
  return p == end;
}

bool ls__value_pattern_matches(ls_value_pattern *pattern, ls_slice value) {
  if (value.len == 0) value.ptr = "";
  if (pattern->simple && value.len < COUNT_MAX) return walk(pattern, value);
  if (memchr(value.ptr, 0, value.len)) return false;
  ls__buf_clear(&pattern->text);
  ls__buf_append(&pattern->text, value.ptr, value.len);
  return regexec(&pattern->regex, pattern->text.ptr, 0, NULL, 0) == 0;
}

bool ls__value_pattern_is_simple(const ls_value_pattern *pattern) {
  return pattern->simple;
}
