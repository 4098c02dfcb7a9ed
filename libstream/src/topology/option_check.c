/** @file option_check.c  The tree against the table: known keys, required keys, values of the right form. */
#include "topology/options.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/hash.h"
#include "data/datetime.h"
#include "data/type.h"

#define KEYS_MAX 64 /* of one section */

static void check_section(ls_yaml *map, const char *section, const char *where, ls_diag *diag);

bool ls__name_valid(const char *text) {
  size_t len = strlen(text);
  if (len == 0 || len > 64) return false;
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && (i == 0 || c < '0' || c > '9')) return false;
  }
  return true;
}

/* Digits up to 18 of them; returns how many were read. */
static size_t parse_digits(int64_t *out, const char *text) {
  size_t n = 0;
  *out = 0;
  while (n < 18 && text[n] >= '0' && text[n] <= '9') *out = *out * 10 + (text[n++] - '0');
  return n;
}

bool ls__size_parse(int64_t *out, const char *text) {
  static const struct {
    const char *unit;
    int shift;
  } units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
  int64_t number;
  size_t n = parse_digits(&number, text);
  for (size_t i = 0; n > 0 && i < sizeof units / sizeof *units; i++) {
    if (strcmp(text + n, units[i].unit) != 0) continue;
    if (number > (INT64_MAX >> units[i].shift)) return false;
    *out = number * (INT64_C(1) << units[i].shift);
    return true;
  }
  return false;
}

bool ls__bad_records_parse(int64_t *count, int32_t *share_ppm, const char *text) {
  int64_t whole, part = 0;
  size_t n = parse_digits(&whole, text);
  *count = -1;
  *share_ppm = -1;
  if (n == 0) return false;
  if (text[n] == 0) {
    *count = whole;
    return true;
  }
  if (text[n] == '.') {
    size_t n_part = parse_digits(&part, text + n + 1);
    if (n_part == 0 || n_part > 4) return false;
    for (size_t i = n_part; i < 4; i++) part *= 10;
    n += 1 + n_part;
  }
  if (strcmp(text + n, "%") != 0 || whole > 100 || whole * 10000 + part > 1000000) return false;
  *share_ppm = (int32_t)(whole * 10000 + part);
  return true;
}

const char *ls__article(const char *word) {
  if (strncmp(word, "true", 4) == 0 || strncmp(word, "one of", 6) == 0) return "";
  return strchr("aeiou", word[0]) != NULL ? "an " : "a ";
}

static void bad_value(ls_yaml *value, const char *what, ls_diag *diag) {
  value->bad = true;
  if (value->poisoned) return;
  const char *key = value->key != NULL ? value->key->text : "entry";
  if (value->kind == LS_YAML_SCALAR && value->len == 0) {
    ls__diag_add(diag, value->mark, "%s has no value; it is %s%s", key, ls__article(what), what);
  } else if (value->kind == LS_YAML_SCALAR) {
    ls__diag_add(diag, value->mark, "%s: '%.80s' is not valid; it is %s%s", key, value->text, ls__article(what), what);
  } else {
    ls__diag_add(diag, value->mark, "%s is a %s; it should be %s%s", key, value->kind == LS_YAML_LIST ? "list" : "map",
                 ls__article(what), what);
  }
}

static bool is_choice(const char *choices, const char *text) {
  size_t len = strlen(text);
  for (const char *at = choices; at != NULL;) {
    const char *bar = strchr(at, '|');
    size_t n = bar != NULL ? (size_t)(bar - at) : strlen(at);
    if (n == len && memcmp(at, text, n) == 0) return true;
    at = bar != NULL ? bar + 1 : NULL;
  }
  return false;
}

/* "a|b|c" -> "a, b or c", and the nearest of them to what was written. */
static void bad_choice(ls_yaml *value, const char *choices, ls_diag *diag) {
  char copy[256], text[320] = "";
  const char *names[16];
  size_t n = 0;
  snprintf(copy, sizeof copy, "%s", choices);
  for (char *at = copy; at != NULL && n < 16;) {
    char *bar = strchr(at, '|');
    if (bar != NULL) *bar = 0;
    names[n++] = at;
    at = bar != NULL ? bar + 1 : NULL;
  }
  for (size_t i = 0; i < n; i++) {
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", names[i]);
  }
  value->bad = true;
  if (value->poisoned) return;
  if (value->kind != LS_YAML_SCALAR || value->len == 0) {
    ls__diag_add(diag, value->mark, "%s should be %s", value->key->text, text);
    return;
  }
  const char *near = ls__nearest_name(value->text, names, n);
  ls__diag_add(diag, value->mark, "%s: '%.80s' is not known; it is %s%s%s", value->key->text, value->text, text,
               near != NULL ? "; did you mean " : "", near != NULL ? near : "");
}

static bool duration_ok(const char *text, int64_t least) {
  int64_t us;
  return ls__duration_parse(&us, ls__slice_of(text)) == LS_OK && us >= least;
}

static bool duration_in(const char *text, const ls_option *option) {
  char least[24], most[24];
  int64_t from = 1, to = INT64_MAX, us;
  if (ls__option_range(option, least, most)) {
    ls__duration_parse(&from, ls__slice_of(least));
    ls__duration_parse(&to, ls__slice_of(most));
  }
  return ls__duration_parse(&us, ls__slice_of(text)) == LS_OK && us >= from && us <= to;
}

static bool int_in(const char *text, const ls_option *option) {
  char least[24], most[24];
  int64_t from = 0, to = INT64_MAX, number;
  size_t n = parse_digits(&number, text);
  if (ls__option_range(option, least, most)) {
    parse_digits(&from, least);
    parse_digits(&to, most);
  }
  return n > 0 && text[n] == 0 && number >= from && number <= to;
}

static bool count_ok(const char *text) {
  int64_t number;
  size_t n = parse_digits(&number, text);
  return n > 0 && text[n] == 0 && number >= 1 && number <= 1000000000;
}

/* A dotted pair of names at most. */
static bool ref_ok(const char *text) {
  char name[140];
  if (strlen(text) >= sizeof name) return false;
  memcpy(name, text, strlen(text) + 1);
  char *dot = strchr(name, '.');
  if (dot != NULL) *dot = 0;
  return ls__name_valid(name) && (dot == NULL || ls__name_valid(dot + 1));
}

static bool scalar_ok(const ls_option *option, const char *text) {
  int64_t number;
  int32_t share;
  switch (option->type) {
  case LS_OPTION_NAME:
    return ls__name_valid(text);
  case LS_OPTION_REF:
  case LS_OPTION_REFS:
    return ref_ok(text);
  case LS_OPTION_BOOL:
    return is_choice("true|false", text);
  case LS_OPTION_COUNT:
    return count_ok(text);
  case LS_OPTION_SIZE:
    return ls__size_parse(&number, text) && number > 0;
  case LS_OPTION_INT:
    return int_in(text, option);
  case LS_OPTION_DURATION:
    return duration_in(text, option);
  case LS_OPTION_DURATION_0:
    return duration_ok(text, 0);
  case LS_OPTION_RETENTION:
    return strcmp(text, "forever") == 0 || duration_ok(text, 1);
  case LS_OPTION_RETENTION_0:
    return strcmp(text, "forever") == 0 || duration_ok(text, 0);
  case LS_OPTION_IDLE:
    return strcmp(text, "never") == 0 || duration_ok(text, 1);
  case LS_OPTION_BAD_RECORDS:
    return ls__bad_records_parse(&number, &share, text);
  default:
    return text[0] != 0;
  }
}

static void check_scalar(ls_yaml *value, const ls_option *option, ls_diag *diag) {
  if (option->type == LS_OPTION_CHOICE) {
    if (value->kind != LS_YAML_SCALAR || !is_choice(option->range, value->text)) {
      bad_choice(value, option->range, diag);
    }
    return;
  }
  char text[LS_OPTION_TEXT_MAX];
  if (value->kind != LS_YAML_SCALAR || !scalar_ok(option, value->text)) {
    bad_value(value, ls__option_value_text(option, text), diag);
  }
}

static bool is_list_type(ls_option_type type) {
  return type == LS_OPTION_NAMES || type == LS_OPTION_LIST || type == LS_OPTION_REFS || type == LS_OPTION_EXPRS;
}

/* NAMES and EXPRS may also be a single scalar. */
static void check_list(ls_yaml *value, const ls_option *option, ls_diag *diag) {
  bool single = option->type == LS_OPTION_NAMES || option->type == LS_OPTION_EXPRS;
  if (value->kind == LS_YAML_SCALAR && single) {
    if (value->len == 0) bad_value(value, ls__option_type_text(option->type), diag);
    return;
  }
  if (value->kind != LS_YAML_LIST || value->n_children == 0) {
    if (value->kind == LS_YAML_LIST) {
      value->bad = true;
      ls__diag_add(diag, value->mark, "%s is empty; it is a %s", value->key->text, ls__option_type_text(option->type));
    } else {
      bad_value(value, ls__option_type_text(option->type), diag);
    }
    return;
  }
  for (ls_yaml *item = value->first; item != NULL; item = item->next) {
    if (item->kind == LS_YAML_SCALAR && scalar_ok(option, item->text)) continue;
    value->bad = true;
    if (item->poisoned) continue;
    ls__diag_add(diag, item->mark, "%s: not a valid entry; it is a %s", value->key->text,
                 ls__option_type_text(option->type));
  }
}

/* As librdkafka names its properties: sasl.mechanism, ssl.ca.location. */
static bool property_ok(const char *text) {
  size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._");
  return n > 0 && n <= 64 && text[n] == 0 && text[0] != '.';
}

static bool check_name_key(ls_yaml *value, const ls_option *option, ls_diag *diag) {
  if (option->type == LS_OPTION_PROPERTIES) {
    if (property_ok(value->key->text)) return true;
    value->bad = true;
    ls__diag_add(diag, value->key->mark,
                 "'%.80s' is not a property of librdkafka; write it as there, "
                 "sasl.mechanism for instance",
                 value->key->text);
    return false;
  }
  if (ls__name_valid(value->key->text)) return true;
  value->bad = true;
  ls__diag_add(diag, value->key->mark,
               "'%.80s' is not a name; letters, digits and _, not beginning with a digit, at most 64",
               value->key->text);
  return false;
}

/* Maps whose keys the author chooses. */
static void check_named(ls_yaml *value, const ls_option *option, ls_diag *diag) {
  bool texts = option->type == LS_OPTION_TEXT_MAP || option->type == LS_OPTION_PROPERTIES;
  bool scalars = option->type == LS_OPTION_EXPR_MAP || texts;
  char section[64];
  ls__option_section(option, section);
  if (value->kind != LS_YAML_MAP || value->n_children == 0) {
    if (value->kind == LS_YAML_MAP) {
      value->bad = true;
      ls__diag_add(diag, value->mark, "%s is empty; leave it out or fill it", value->key->text);
    } else {
      bad_value(value, ls__option_type_text(option->type), diag);
    }
    return;
  }
  for (ls_yaml *item = value->first; item != NULL; item = item->next) {
    if (!check_name_key(item, option, diag)) continue;
    bool is_type = option->type == LS_OPTION_FIELDS && item->kind == LS_YAML_SCALAR;
    if (scalars || is_type) {
      if (item->kind != LS_YAML_SCALAR || (item->len == 0 && !texts)) {
        bad_value(item, is_type ? "type" : texts ? "text" : "expression", diag);
      }
    } else if (item->kind != LS_YAML_MAP) {
      bad_value(item, "map", diag);
    } else {
      check_section(item, section, item->key->text, diag);
    }
  }
}

static void check_names_or_entries(ls_yaml *value, const ls_option *option, ls_diag *diag) {
  if (value->kind != LS_YAML_LIST) {
    check_named(value, option, diag);
    return;
  }
  for (ls_yaml *item = value->first; item != NULL; item = item->next) {
    if (item->kind == LS_YAML_SCALAR && ls__name_valid(item->text)) continue;
    item->bad = true;
    ls__diag_add(diag, item->mark, "%s: not a name", value->key->text);
  }
}

static void check_value(ls_yaml *value, const ls_option *option, ls_diag *diag) {
  char section[64];
  if (value->bad) return;
  if (is_list_type(option->type)) {
    check_list(value, option, diag);
    return;
  }
  switch (option->type) {
  case LS_OPTION_MAP:
    if (value->kind != LS_YAML_MAP) {
      bad_value(value, "map", diag);
      return;
    }
    ls__option_section(option, section);
    check_section(value, section, option->key, diag);
    return;
  case LS_OPTION_EXPR_MAP:
  case LS_OPTION_TEXT_MAP:
  case LS_OPTION_PROPERTIES:
  case LS_OPTION_FIELDS:
  case LS_OPTION_ENTRIES:
    check_named(value, option, diag);
    return;
  case LS_OPTION_ENTRIES_OR_NAMES:
    check_names_or_entries(value, option, diag);
    return;
  default:
    check_scalar(value, option, diag);
    return;
  }
}

static const ls_option *find_option(const char *section, const char *key) {
  const ls_option *option;
  for (size_t i = 0; (option = ls__option_at(i)) != NULL; i++) {
    if (strcmp(option->section, section) == 0 && strcmp(option->key, key) == 0) return option;
  }
  return NULL;
}

static void report_unknown(const ls_yaml *value, const char *section, const char *where, ls_diag *diag) {
  const char *names[KEYS_MAX];
  size_t n = 0;
  const ls_option *option;
  for (size_t i = 0; (option = ls__option_at(i)) != NULL; i++) {
    if (strcmp(option->section, section) == 0 && n < KEYS_MAX) names[n++] = option->key;
  }
  const char *near = ls__nearest_name(value->key->text, names, n);
  char list[400] = "";
  for (size_t i = 0; near == NULL && i < n; i++) {
    size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", names[i]);
  }
  ls__diag_add(diag, value->key->mark, "unknown key %.80s in %.80s; %s%s", value->key->text, where,
               near != NULL ? "did you mean " : "it may have ", near != NULL ? near : list);
}

static void check_section(ls_yaml *map, const char *section, const char *where, ls_diag *diag) {
  const ls_option *option;
  for (ls_yaml *value = map->first; value != NULL; value = value->next) {
    option = find_option(section, value->key->text);
    if (option == NULL) {
      report_unknown(value, section, where, diag);
    } else {
      check_value(value, option, diag);
    }
  }
  for (size_t i = 0; (option = ls__option_at(i)) != NULL; i++) {
    if (!option->required || strcmp(option->section, section) != 0) continue;
    bool found = false;
    for (const ls_yaml *value = map->first; value != NULL && !found; value = value->next) {
      found = strcmp(value->key->text, option->key) == 0;
    }
    if (found) continue;
    ls_mark mark = map->key != NULL ? map->key->mark : map->mark;
    ls__diag_add(diag, mark, "%.80s has no %s; give %s: %s%s%s", where, option->key, option->key,
                 ls__option_type_text(option->type), option->type == LS_OPTION_CHOICE ? " " : "",
                 option->type == LS_OPTION_CHOICE ? option->range : "");
  }
}

void ls__options_check(ls_yaml *root, ls_diag *diag) {
  if (root->kind != LS_YAML_MAP) {
    ls__diag_add(diag, root->mark, "the file should be a map that begins with libstream: 1");
    root->bad = true;
    return;
  }
  check_section(root, "", "the file", diag);
}
