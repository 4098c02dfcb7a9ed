/** @file params.c  Declaring, resolving and putting in parameters. */
#include "topology/params.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/hash.h"
#include "data/datetime.h"
#include "data/decimal.h"
#include "topology/options.h"

typedef enum param_type {
  PARAM_STRING,
  PARAM_INT64,
  PARAM_FLOAT64,
  PARAM_DECIMAL,
  PARAM_BOOL,
  PARAM_DURATION,
  PARAM_DATE,
  PARAM_TIMESTAMP,
  PARAM_SIZE,
  PARAM_TYPES
} param_type;

/* By param_type: name, what a value looks like, stand-in for a value that is missing. */
static const struct {
  const char *name, *form, *stand_in;
} types[PARAM_TYPES] = {
    {"string", "letters, digits, space and _ . : + % / -, without --", "x"},
    {"int64", "a whole number", "1"},
    {"float64", "a number, as 0.8 or 1e-3", "1.0"},
    {"decimal", "a number of at most 38 digits, as 12.50", "1"},
    {"bool", "true or false", "true"},
    {"duration", "a duration, as 250ms, 10m or 3d", "1d"},
    {"date", "a date, as 2026-03-01", "2026-03-01"},
    {"timestamp", "a timestamp, as 2026-03-01T09:15:02Z", "2026-03-01T00:00:00Z"},
    {"size", "a size, as 64KiB or 512MiB", "512MiB"},
};

typedef struct param {
  const char *name;
  ls_mark mark;
  param_type type;
  bool typed; /* the type is known */
  bool optional, used;
  bool broken;           /* a value was given, but is not valid, or its declaration is not */
  bool needed;           /* used somewhere that has no default of its own */
  const char *value;     /* NULL: none */
  const char *min, *max; /* NULL: none */
  const ls_yaml *one_of; /* NULL: any */
} param;

typedef struct params {
  ls_yaml_doc *doc;
  ls_arena *arena;
  ls_diag *diag;
  param *list;
  const char **names;
  size_t n;
} params;

static size_t skip_digits(const char *text, size_t at) {
  while (text[at] >= '0' && text[at] <= '9') at++;
  return at;
}

static bool number_ok(const char *text, bool fraction, bool exponent, size_t digits_max) {
  size_t at = text[0] == '-' || text[0] == '+' ? 1 : 0, from = at;
  at = skip_digits(text, at);
  size_t digits = at - from;
  if (digits == 0) return false;
  if (fraction && text[at] == '.') {
    from = at + 1;
    at = skip_digits(text, from);
    if (at == from) return false;
    digits += at - from;
  }
  if (exponent && (text[at] == 'e' || text[at] == 'E')) {
    from = at + (text[at + 1] == '-' || text[at + 1] == '+' ? 2 : 1);
    at = skip_digits(text, from);
    if (at == from || at - from > 3) return false;
  }
  return text[at] == 0 && digits <= digits_max;
}

static bool int64_ok(const char *text) {
  static const char most[] = "9223372036854775807";
  if (!number_ok(text, false, false, 19)) return false;
  const char *digits = text[0] == '-' || text[0] == '+' ? text + 1 : text;
  return strlen(digits) < 19 || strcmp(digits, most) <= 0;
}

static bool string_ok(const char *text) {
  static const char others[] = " _.:+%/-";
  for (const char *c = text; *c != 0; c++) {
    bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
    if (!letter && (*c < '0' || *c > '9') && strchr(others, *c) == NULL) return false;
  }
  return strstr(text, "--") == NULL; /* begins a comment in an expression */
}

static bool value_ok(param_type type, const char *text) {
  int64_t number;
  int32_t days;
  switch (type) {
  case PARAM_INT64:
    return int64_ok(text);
  case PARAM_FLOAT64:
    return number_ok(text, true, true, 40);
  case PARAM_DECIMAL:
    return number_ok(text, true, false, 38);
  case PARAM_BOOL:
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
  case PARAM_DURATION:
    return ls__duration_parse(&number, ls__slice_of(text)) == LS_OK;
  case PARAM_DATE:
    return ls__date_parse(&days, ls__slice_of(text)) == LS_OK;
  case PARAM_TIMESTAMP:
    return ls__timestamp_parse(&number, ls__slice_of(text)) == LS_OK;
  case PARAM_SIZE:
    return ls__size_parse(&number, text);
  default:
    return string_ok(text);
  }
}

/** A value that is valid for its type, as a number of one scale; false: it is of no use in a comparison. */
static bool comparable(param_type type, const char *text, ls_int128 *out) {
  int64_t number = 0;
  int32_t days = 0;
  bool ok = true;
  switch (type) {
  case PARAM_INT64:
  case PARAM_FLOAT64:
  case PARAM_DECIMAL:
    return ls__decimal_parse(out, ls__slice_of(text + (text[0] == '+')), 38, 12, true) == LS_OK;
  case PARAM_DURATION:
    ok = ls__duration_parse(&number, ls__slice_of(text)) == LS_OK;
    break;
  case PARAM_TIMESTAMP:
    ok = ls__timestamp_parse(&number, ls__slice_of(text)) == LS_OK;
    break;
  case PARAM_SIZE:
    ok = ls__size_parse(&number, text);
    break;
  case PARAM_DATE:
    ok = ls__date_parse(&days, ls__slice_of(text)) == LS_OK;
    number = days;
    break;
  default:
    return false;
  }
  *out = number;
  return ok;
}

static bool has_order(param_type type) {
  return type != PARAM_STRING && type != PARAM_BOOL;
}

/** min or max of a parameter, checked; NULL: none. */
static const char *bound_of(params *p, const param *par, const ls_yaml *map, const char *key) {
  const ls_yaml *bound = ls__yaml_get(map, key);
  ls_int128 number;
  if (bound == NULL || bound->kind != LS_YAML_SCALAR) return NULL;
  if (has_order(par->type) && value_ok(par->type, bound->text) && comparable(par->type, bound->text, &number))
    return bound->text;
  ls__diag_add(p->diag, bound->mark,
               has_order(par->type) ? "%s: '%.80s' is not %s%s" : "%s: '%.80s' is of no use for %s%s; give one_of", key,
               bound->text, ls__article(types[par->type].name), types[par->type].name);
  return NULL;
}

/** Whether a value is within min and max. What can't be compared, since it has too many digits, is not. */
static bool in_range(const param *par, const char *text) {
  ls_int128 value, bound;
  if (par->min == NULL && par->max == NULL) return true;
  if (!comparable(par->type, text, &value)) return false;
  if (par->min != NULL && comparable(par->type, par->min, &bound) && value < bound) return false;
  return par->max == NULL || !comparable(par->type, par->max, &bound) || value <= bound;
}

static bool is_listed(const param *par, const char *text) {
  for (const ls_yaml *item = par->one_of != NULL ? par->one_of->first : NULL; item != NULL; item = item->next) {
    if (item->kind == LS_YAML_SCALAR && strcmp(item->text, text) == 0) return true;
  }
  return par->one_of == NULL;
}

static void report_range(params *p, const param *par, ls_mark mark, const char *value, const char *source) {
  ls_buf allowed = LS_BUF_INIT;
  for (const ls_yaml *item = par->one_of != NULL ? par->one_of->first : NULL; item != NULL; item = item->next) {
    ls__buf_printf(&allowed, "%s%.80s", item == par->one_of->first ? "one of " : ", ", item->text);
  }
  if (par->one_of == NULL && par->min != NULL) ls__buf_printf(&allowed, "at least %.80s", par->min);
  if (par->one_of == NULL && par->max != NULL)
    ls__buf_printf(&allowed, "%sat most %.80s", par->min != NULL ? " and " : "", par->max);
  ls__diag_add(p->diag, mark, "parameter %s: '%.80s' (%s) is not allowed; give %s", par->name, value, source,
               allowed.ptr);
  ls__buf_fini(&allowed);
}

/** Whether a value of the right form is one that the declaration allows; reported when it is not. */
static bool check_range(params *p, const param *par, ls_mark mark, const char *value, const char *source) {
  if (in_range(par, value) && is_listed(par, value)) return true;
  report_range(p, par, mark, value, source);
  return false;
}

static const char *environment_value(const params *p, const char *name, const char **source) {
  char *variable = ls__arena_printf(p->arena, "LS_PARAM_%s", name);
  for (char *c = variable; *c != 0; c++) {
    if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
  }
  *source = variable;
  /* tidy: allow ambient because a parameter's value may come from the environment, by contract */
  return getenv(variable);
}

/* The value from the first place that has one, checked. */
static void resolve(params *p, param *par, const ls_yaml *map, const ls_topology_opts *opts) {
  const char *value = NULL, *source = "default";
  ls_mark mark = par->mark;
  for (size_t i = 0; i < opts->n_parameters && value == NULL; i++) {
    if (strcmp(opts->parameters[i].name, par->name) != 0) continue;
    value = opts->parameters[i].value;
    source = "--set";
  }
  if (value == NULL) value = environment_value(p, par->name, &source);
  if (value == NULL) {
    const ls_yaml *fallback = ls__yaml_get(map, "default");
    if (fallback == NULL) return;
    source = "default";
    mark = fallback->mark;
    if (fallback->kind != LS_YAML_SCALAR) return; /* reported by the table */
    value = fallback->text;
  }
  bool ok = value_ok(par->type, value);
  if (ok && check_range(p, par, mark, value, source)) {
    par->value = ls__arena_strdup(p->arena, value);
    return;
  }
  par->broken = true;
  if (ok) return;
  ls__diag_add(p->diag, mark, "parameter %s: '%.80s' (%s) is not %s%s; give %s", par->name, value, source,
               ls__article(types[par->type].name), types[par->type].name, types[par->type].form);
}

static void declare(params *p, const ls_yaml *map, const ls_topology_opts *opts) {
  param *par = &p->list[p->n];
  p->names[p->n++] = map->key->text;
  *par = (param){.name = map->key->text, .mark = map->key->mark};
  const char *type = ls__yaml_text(map, "type");
  const char *optional = ls__yaml_text(map, "optional");
  par->optional = optional != NULL && strcmp(optional, "true") == 0;
  for (int i = 0; type != NULL && i < PARAM_TYPES; i++) {
    if (strcmp(type, types[i].name) != 0) continue;
    par->type = (param_type)i;
    par->typed = true;
  }
  par->broken = !par->typed;
  if (!par->typed) return;
  par->min = bound_of(p, par, map, "min");
  par->max = bound_of(p, par, map, "max");
  const ls_yaml *one_of = ls__yaml_get(map, "one_of");
  if (one_of != NULL && one_of->kind == LS_YAML_LIST && par->type == PARAM_STRING) par->one_of = one_of;
  if (one_of != NULL && par->type != PARAM_STRING)
    ls__diag_add(p->diag, one_of->key->mark, "one_of is for strings; give min and max");
  resolve(p, par, map, opts);
}

static param *find_param(const params *p, const char *name) {
  for (size_t i = 0; i < p->n; i++) {
    if (strcmp(p->list[i].name, name) == 0) return &p->list[i];
  }
  return NULL;
}

/* ${name}, ${name:-text}, ${name:month}, ${name:year}: `inner` is what stands between the braces. */
typedef struct insert {
  ls_yaml *scalar;
  ls_mark mark;
  char *name;
  const char *fallback; /* NULL: none */
  size_t date_len;      /* of a date: characters to keep, 0: all */
} insert;

static bool parse_insert(params *p, insert *in, char *inner) {
  in->name = inner;
  char *colon = strchr(inner, ':');
  if (colon != NULL) *colon++ = 0;
  if (colon != NULL && colon[0] == '-') {
    in->fallback = colon + 1;
  } else if (colon != NULL && strcmp(colon, "month") == 0) {
    in->date_len = 7;
  } else if (colon != NULL && strcmp(colon, "year") == 0) {
    in->date_len = 4;
  } else if (colon != NULL && (strcmp(inner, "env") == 0 || strcmp(inner, "file") == 0)) {
    ls__diag_add(p->diag, in->mark,
                 "${%s:...} stands in kafka: properties alone, as a whole value; "
                 "elsewhere a parameter can have its value from the environment",
                 inner);
    return false;
  } else if (colon != NULL) {
    ls__diag_add(p->diag, in->mark,
                 "${%.60s:%.60s} is not known; after the name stands :-text, "
                 ":month or :year",
                 in->name, colon);
    return false;
  }
  return true;
}

static const char *insert_value(params *p, insert *in, param *par) {
  const char *value = par->value;
  if (par->broken) {
    in->scalar->poisoned = true;
    value = types[par->type].stand_in;
  } else if (value == NULL && in->fallback != NULL) {
    value = in->fallback;
    if (!value_ok(par->type, value)) {
      ls__diag_add(p->diag, in->mark, "parameter %s: '%.80s' (after :-) is not %s%s; give %s", par->name, value,
                   ls__article(types[par->type].name), types[par->type].name, types[par->type].form);
      in->scalar->poisoned = true;
      value = types[par->type].stand_in;
    }
  } else if (value == NULL) {
    par->needed = true;
    in->scalar->poisoned = true;
    value = types[par->type].stand_in;
  }
  if (!par->broken && par->value == NULL && in->fallback != NULL && value == in->fallback &&
      !check_range(p, par, in->mark, value, "after :-")) {
    in->scalar->poisoned = true;
  }
  if (in->date_len == 0 || !par->typed) return value;
  if (par->type != PARAM_DATE) {
    ls__diag_add(p->diag, in->mark, "parameter %s is %s%s; :month and :year are for dates", par->name,
                 ls__article(types[par->type].name), types[par->type].name);
    in->scalar->bad = true;
    return value;
  }
  return ls__arena_strndup(p->arena, value, in->date_len);
}

/* Value of the parameter between ${ and }, NULL after an error. */
static const char *look_up(params *p, insert *in, char *inner) {
  if (!parse_insert(p, in, inner)) return NULL;
  param *par = find_param(p, in->name);
  if (par == NULL) {
    const char *near = ls__nearest_name(in->name, p->names, p->n);
    ls__diag_add(p->diag, in->mark, "${%.60s} is not declared; %s%s", in->name,
                 near != NULL ? "did you mean " : "declare it under parameters ($${ is a plain ${)",
                 near != NULL ? near : "");
    return NULL;
  }
  par->used = true;
  return insert_value(p, in, par);
}

typedef struct text_builder {
  ls_buf out;
  ls_yaml_splice *splices;
  uint32_t n;
} text_builder;

/* Takes one ${...} at raw[at]; returns the offset behind it, 0 after an error. */
static size_t put_in(params *p, ls_yaml *scalar, text_builder *b, size_t at) {
  insert in = {.scalar = scalar, .mark = ls__yaml_locate(p->doc, scalar, at)};
  const char *end = strchr(scalar->raw + at, '}');
  if (end == NULL) {
    ls__diag_add(p->diag, in.mark, "${ without }; close it, or write $${ for a plain ${");
    return 0;
  }
  size_t close = (size_t)(end - scalar->raw);
  char *inner = ls__arena_strndup(p->arena, scalar->raw + at + 2, close - at - 2);
  const char *value = look_up(p, &in, inner);
  if (value == NULL) return 0;
  if (value[0] == '-' && b->out.len > 0 && b->out.ptr[b->out.len - 1] == '-') {
    ls__diag_add(p->diag, in.mark, "a minus before ${%s}, which is negative; put it in brackets", in.name);
    return 0;
  }
  b->splices[b->n++] = (ls_yaml_splice){b->out.len, strlen(value), at, close + 1 - at};
  ls__buf_puts(&b->out, value);
  return close + 1;
}

static void substitute(params *p, ls_yaml *scalar) {
  size_t n = 0;
  for (const char *at = scalar->raw; (at = strstr(at, "${")) != NULL; at += 2) n++;
  if (n == 0) return;
  text_builder b = {LS_BUF_INIT, LS_ARENA_ARRAY(p->arena, ls_yaml_splice, n), 0};
  size_t len = scalar->len;
  for (size_t at = 0; at < len;) {
    const char *rest = scalar->raw + at;
    if (strncmp(rest, "$${", 3) == 0) {
      b.splices[b.n++] = (ls_yaml_splice){b.out.len, 2, at, 3};
      ls__buf_puts(&b.out, "${");
      at += 3;
    } else if (strncmp(rest, "${", 2) == 0) {
      at = put_in(p, scalar, &b, at);
      if (at == 0) {
        scalar->bad = true;
        break;
      }
    } else {
      ls__buf_putc(&b.out, *rest);
      at++;
    }
  }
  if (!scalar->bad) {
    scalar->text = ls__arena_strndup(p->arena, b.out.len > 0 ? b.out.ptr : "", b.out.len);
    scalar->len = b.out.len;
    scalar->splices = b.splices;
    scalar->n_splices = b.n;
  }
  ls__buf_fini(&b.out);
}

bool ls__later_value(const char *text) {
  return strncmp(text, "${env:", 6) == 0 || strncmp(text, "${file:", 7) == 0;
}

static void substitute_all(params *p, ls_yaml *node) {
  if (node->kind == LS_YAML_SCALAR) {
    substitute(p, node);
    return;
  }
  for (ls_yaml *child = node->first; child != NULL; child = child->next) substitute_all(p, child);
}

/* Values that are read when a run starts stay as they are: build_live.c takes them apart. */
static void substitute_now(params *p, ls_yaml *map) {
  for (ls_yaml *value = map->first; value != NULL; value = value->next) {
    bool later = value->kind == LS_YAML_SCALAR && ls__later_value(value->raw);
    if (!later) substitute_all(p, value);
  }
}

static void substitute_kafka(params *p, ls_yaml *kafka) {
  for (ls_yaml *child = kafka->first; child != NULL; child = child->next) {
    if (kafka->kind != LS_YAML_MAP || strcmp(child->key->text, "properties") != 0) {
      substitute_all(p, child);
      continue;
    }
    substitute_now(p, child);
  }
}

static void check_given(const params *p, const ls_topology_opts *opts) {
  if (opts->any_parameters) return;
  for (size_t i = 0; i < opts->n_parameters; i++) {
    const char *name = opts->parameters[i].name;
    if (find_param(p, name) != NULL) continue;
    const char *near = ls__nearest_name(name, p->names, p->n);
    const ls_yaml *map = ls__yaml_get(p->doc->root, "parameters");
    ls__diag_add(p->diag, map != NULL ? map->key->mark : (ls_mark){1, 1},
                 "--set %.60s: the file has no such parameter%s%s", name, near != NULL ? "; did you mean " : "",
                 near != NULL ? near : "");
  }
}

static void check_declared(const params *p) {
  for (size_t i = 0; i < p->n; i++) {
    const param *par = &p->list[i];
    if (par->needed) {
      const char *source;
      (void)environment_value(p, par->name, &source);
      ls__diag_add(p->diag, par->mark,
                   "parameter %s has no value; give --set %s=<%s>, the "
                   "environment variable %s, or a default",
                   par->name, par->name, types[par->type].name, source);
    }
    if (!par->used && !par->optional) {
      ls__diag_add(p->diag, par->mark,
                   "parameter %s is not used; use it as ${%s}, remove it, or "
                   "mark it optional: true",
                   par->name, par->name);
    }
  }
}

void ls__params_apply(ls_yaml_doc *doc, const ls_topology_opts *opts, ls_arena *arena, ls_diag *diag) {
  if (doc->root == NULL || doc->root->kind != LS_YAML_MAP) return;
  params p = {.doc = doc, .arena = arena, .diag = diag};
  const ls_yaml *map = ls__yaml_get(doc->root, "parameters");
  if (map != NULL && map->kind == LS_YAML_MAP) {
    p.list = LS_ARENA_ARRAY(arena, param, map->n_children + 1);
    p.names = LS_ARENA_ARRAY(arena, const char *, map->n_children + 1);
    for (const ls_yaml *entry = map->first; entry != NULL; entry = entry->next) {
      if (ls__name_valid(entry->key->text)) declare(&p, entry, opts);
    }
  }
  check_given(&p, opts);
  for (ls_yaml *section = doc->root->first; section != NULL; section = section->next) {
    if (strcmp(section->key->text, "kafka") == 0) {
      substitute_kafka(&p, section);
    } else if (strcmp(section->key->text, "schema_registry") == 0) {
      substitute_now(&p, section);
    } else if (strcmp(section->key->text, "parameters") != 0) {
      substitute_all(&p, section);
    }
  }
  check_declared(&p);
}
