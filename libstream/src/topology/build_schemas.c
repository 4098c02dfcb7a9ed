/** @file build_schemas.c  `schemas`, and looking up columns. */
#include <regex.h>

#include "base/assert.h"
#include "base/buf.h"
#include "data/datetime.h"
#include "data/decimal.h"
#include "topology/build.h"
#include "topology/options.h"

ls_schema *ls__schema_new(ls_arena *arena, const char *name, uint32_t n_fields) {
  ls_schema *schema = LS_ARENA_NEW(arena, ls_schema);
  schema->name = name;
  schema->fields = LS_ARENA_ARRAY(arena, ls_field, n_fields > 0 ? n_fields : 1);
  schema->n_fields = n_fields;
  schema->time_field = -1;
  return schema;
}

void ls__schema_set_key(ls_schema *schema, ls_arena *arena, const uint32_t *key, uint32_t n_key) {
  schema->key = NULL;
  schema->n_key = n_key;
  if (n_key == 0) return;
  schema->key = LS_ARENA_ARRAY(arena, uint32_t, n_key);
  memcpy(schema->key, key, n_key * sizeof *key);
}

ls_schema *ls__schema_copy(ls_arena *arena, const ls_schema *schema, const char *name) {
  ls_schema *copy = ls__schema_new(arena, name, schema->n_fields);
  memcpy(copy->fields, schema->fields, schema->n_fields * sizeof *schema->fields);
  ls__schema_set_key(copy, arena, schema->key, schema->n_key);
  copy->time_field = schema->time_field;
  return copy;
}

const char *ls__schema_names(const ls_build *b, const ls_schema *schema, const uint32_t *fields, uint32_t n) {
  ls_buf text = LS_BUF_INIT;
  for (uint32_t i = 0; i < n && text.len < 200; i++) {
    ls__buf_printf(&text, "%s%s", i == 0 ? "" : ", ", schema->fields[fields[i]].name);
  }
  char *out = ls__arena_strndup(b->arena, text.len > 0 ? text.ptr : "", text.len);
  ls__buf_fini(&text);
  return out;
}

const char *ls__type_text(const ls_build *b, const ls_type *type) {
  ls_buf text = LS_BUF_INIT;
  ls__type_format(&text, type);
  char *out = ls__arena_strndup(b->arena, text.ptr, text.len);
  ls__buf_fini(&text);
  return out;
}

const char *ls__a_type(const ls_build *b, const ls_type *type) {
  const char *text = ls__type_text(b, type);
  return ls__arena_printf(b->arena, "%s%s", ls__article(text), text);
}

int32_t ls__build_column(ls_build *b, const ls_yaml *name, const ls_rel *in) {
  const ls_schema *schema = in->schema;
  int32_t field = ls__schema_find(schema, (ls_slice){name->text, name->len});
  if (field >= 0 || name->poisoned || in->known >= LS_KNOWN_SOME) return field;
  const char **names = LS_ARENA_ARRAY(b->arena, const char *, schema->n_fields + 1);
  uint32_t *all = LS_ARENA_ARRAY(b->arena, uint32_t, schema->n_fields + 1);
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    names[i] = schema->fields[i].name;
    all[i] = i;
  }
  const char *near = ls__nearest_name(name->text, names, schema->n_fields);
  ls__diag_add(b->diag, name->mark, "no column %.80s; %s%s", name->text, near != NULL ? "did you mean " : "there are ",
               near != NULL ? near : ls__schema_names(b, schema, all, schema->n_fields));
  return -1;
}

bool ls__build_columns(ls_build *b, const ls_yaml *names, const ls_rel *in, uint32_t **out, uint32_t *n_out) {
  const ls_yaml *item = names->kind == LS_YAML_LIST ? names->first : names;
  uint32_t n = names->kind == LS_YAML_LIST ? names->n_children : 1, found = 0;
  bool ok = true;
  *out = LS_ARENA_ARRAY(b->arena, uint32_t, n);
  for (uint32_t i = 0; i < n; i++, item = item->next) {
    int32_t field = ls__build_column(b, item, in);
    bool repeated = false;
    for (uint32_t k = 0; k < found && field >= 0; k++) repeated |= (*out)[k] == (uint32_t)field;
    if (repeated) ls__diag_add(b->diag, item->mark, "column %.80s is named twice", item->text);
    ok = ok && field >= 0 && !repeated;
    if (field >= 0) (*out)[found++] = (uint32_t)field;
  }
  *n_out = found;
  return ok;
}

static const ls_type *parse_type(ls_build *b, const ls_yaml *scalar) {
  const ls_type *type = NULL;
  ls_error err = LS_ERROR_INIT;
  if (scalar == NULL || scalar->poisoned) return NULL;
  if (ls__type_parse(&type, b->arena, (ls_slice){scalar->text, scalar->len}, &err) == LS_OK) {
    return type;
  }
  ls__diag_add(b->diag, scalar->mark, "type '%.80s': %s", scalar->text, err.message);
  return NULL;
}

static bool bound_ok(const ls_type *type, const char *text) {
  ls_int128 decimal;
  int64_t us;
  int32_t days;
  ls_slice slice = ls__slice_of(text);
  switch (type->kind) {
  case LS_INT64:
    return ls__decimal_parse(&decimal, slice, 19, 0, false) == LS_OK;
  case LS_FLOAT64:
    return ls__decimal_parse(&decimal, slice, 38, 12, true) == LS_OK;
  case LS_DECIMAL:
    return ls__decimal_parse(&decimal, slice, type->precision, type->scale, false) == LS_OK;
  case LS_TIMESTAMP:
    return ls__timestamp_parse(&us, slice) == LS_OK;
  case LS_DATE:
    return ls__date_parse(&days, slice) == LS_OK;
  default:
    return false;
  }
}

static bool bounds_in_order(const ls_type *type, const char *min, const char *max) {
  ls_int128 low, high;
  ls_slice a = ls__slice_of(min), z = ls__slice_of(max);
  if (type->kind == LS_DATE || type->kind == LS_TIMESTAMP) return ls__slice_cmp(a, z) <= 0;
  int scale = type->kind == LS_DECIMAL ? type->scale : type->kind == LS_FLOAT64 ? 12 : 0;
  bool exponent = type->kind == LS_FLOAT64;
  if (ls__decimal_parse(&low, a, 38, scale, exponent) != LS_OK) return true;
  if (ls__decimal_parse(&high, z, 38, scale, exponent) != LS_OK) return true;
  return low <= high;
}

static const char *field_bound(ls_build *b, const ls_yaml *map, const char *key, const ls_type *type) {
  const ls_yaml *value = ls__yaml_get(map, key);
  if (value == NULL) return NULL;
  switch (type->kind) {
  case LS_INT64:
  case LS_FLOAT64:
  case LS_DECIMAL:
  case LS_TIMESTAMP:
  case LS_DATE:
    break;
  default:
    ls__diag_add(b->diag, value->key->mark, "%s is for numbers, dates and timestamps, not for %s", key,
                 ls__type_text(b, type));
    return NULL;
  }
  if (bound_ok(type, value->text)) return value->text;
  if (!value->poisoned) {
    ls__diag_add(b->diag, value->mark, "%s: '%.80s' is not a value of type %s", key, value->text,
                 ls__type_text(b, type));
  }
  return NULL;
}

static void field_values(ls_build *b, const ls_yaml *map, ls_field *field) {
  const ls_yaml *one_of = ls__yaml_get(map, "one_of"), *pattern = ls__yaml_get(map, "pattern");
  if (field->type->kind != LS_STRING && (one_of != NULL || pattern != NULL)) {
    const ls_yaml *wrong = one_of != NULL ? one_of : pattern;
    ls__diag_add(b->diag, wrong->key->mark, "%s is for strings, not for %s", wrong->key->text,
                 ls__type_text(b, field->type));
    return;
  }
  if (one_of != NULL) {
    const char **values = LS_ARENA_ARRAY(b->arena, const char *, one_of->n_children);
    for (const ls_yaml *item = one_of->first; item != NULL; item = item->next) {
      for (uint32_t i = 0; i < field->n_one_of; i++) {
        if (strcmp(values[i], item->text) != 0) continue;
        ls__diag_add(b->diag, item->mark, "one_of: '%.80s' is given twice", item->text);
      }
      values[field->n_one_of++] = item->text;
    }
    field->one_of = values;
  }
  if (pattern == NULL) return;
  regex_t regex;
  int rc = regcomp(&regex, pattern->text, REG_EXTENDED | REG_NOSUB);
  if (rc != 0) {
    char why[128];
    regerror(rc, &regex, why, sizeof why);
    ls__diag_add(b->diag, pattern->mark, "pattern is not a POSIX extended expression: %s", why);
    return;
  }
  regfree(&regex);
  field->pattern = pattern->text;
}

static bool parse_field(ls_build *b, const ls_yaml *value, ls_field *field) {
  *field = (ls_field){.name = value->key->text};
  if (value->kind == LS_YAML_SCALAR) {
    field->type = parse_type(b, value);
    return field->type != NULL;
  }
  field->type = parse_type(b, ls__yaml_get(value, "type"));
  field->nullable = ls__is_true(ls__yaml_text(value, "nullable"));
  field->sensitive = ls__is_true(ls__yaml_text(value, "sensitive"));
  field->about = ls__yaml_text(value, "about");
  if (field->type == NULL) return false;
  field_values(b, value, field);
  field->min = field_bound(b, value, "min", field->type);
  field->max = field_bound(b, value, "max", field->type);
  if (field->min != NULL && field->max != NULL && !bounds_in_order(field->type, field->min, field->max)) {
    ls__diag_add(b->diag, ls__yaml_get(value, "min")->mark, "min %.40s is above max %.40s", field->min, field->max);
  }
  return true;
}

static bool key_type_ok(const ls_type *type) {
  return type->kind != LS_LIST && type->kind != LS_STRUCT && type->kind != LS_FLOAT64;
}

static bool parse_key(ls_build *b, const ls_yaml *map, ls_schema *schema, const ls_rel *fields) {
  const ls_yaml *key = ls__yaml_get(map, "key");
  if (key == NULL) return true;
  if (!ls__build_columns(b, key, fields, &schema->key, &schema->n_key)) return false;
  const ls_yaml *item = key->kind == LS_YAML_LIST ? key->first : key;
  bool ok = true;
  for (uint32_t i = 0; i < schema->n_key; i++, item = item->next) {
    const ls_field *field = &schema->fields[schema->key[i]];
    if (field->type->kind == LS_NONE) continue;
    const char *why = field->nullable             ? "is nullable; a key is always there"
                      : field->sensitive          ? "is sensitive; keys are seen outside: take a token as key"
                      : !key_type_ok(field->type) ? "has a type that can't be a key; lists, structs and float64 can't"
                                                  : NULL;
    if (why == NULL) continue;
    ls__diag_add(b->diag, item->mark, "key field %s %s", field->name, why);
    ok = false;
  }
  return ok;
}

static bool parse_time(ls_build *b, const ls_yaml *map, ls_schema *schema, const ls_rel *fields) {
  const ls_yaml *time = ls__yaml_get(map, "time");
  if (time == NULL) return true;
  schema->time_field = ls__build_column(b, time, fields);
  if (schema->time_field < 0) return false;
  const ls_field *field = &schema->fields[schema->time_field];
  if (field->type->kind == LS_NONE) return true;
  bool is_time = field->type->kind == LS_TIMESTAMP || field->type->kind == LS_DATE;
  if (is_time && !field->nullable) return true;
  ls__diag_add(b->diag, time->mark, "time field %s %s; it is a timestamp or a date, not nullable", field->name,
               is_time ? "is nullable" : "is no time");
  return false;
}

static const ls_type type_unknown = {.kind = LS_NONE};

static bool has_bad_value(const ls_yaml *map) {
  for (const ls_yaml *value = map->kind == LS_YAML_MAP ? map->first : NULL; value != NULL; value = value->next) {
    if (value->bad) return true;
  }
  return false;
}

/* A field with an error is there, of a type that is not known. */
static ls_schema_cell parse_schema(ls_build *b, const ls_yaml *map) {
  const ls_yaml *fields = ls__yaml_get(map, "fields");
  uint32_t n = fields != NULL ? fields->n_children : 0;
  ls_schema *schema = ls__schema_new(b->arena, map->key->text, n);
  ls_field *field = schema->fields;
  bool ok = fields != NULL && !map->bad && !has_bad_value(map);
  for (const ls_yaml *value = n > 0 ? fields->first : NULL; value != NULL; value = value->next, field++) {
    if (!value->bad && parse_field(b, value, field)) continue;
    *field = (ls_field){.name = value->key->text, .type = &type_unknown, .nullable = true};
    ok = false;
  }
  const ls_rel rel = {.schema = schema, .known = fields != NULL ? LS_KNOWN_NAMES : LS_KNOWN_SOME};
  bool key_ok = parse_key(b, map, schema, &rel), time_ok = parse_time(b, map, schema, &rel);
  return (ls_schema_cell){schema, ok && key_ok && time_ok ? LS_KNOWN : rel.known};
}

void ls__build_schemas(ls_build *b) {
  const ls_yaml *schemas = ls__yaml_get(b->doc->root, "schemas");
  for (const ls_yaml *map = schemas != NULL ? schemas->first : NULL; map != NULL; map = map->next) {
    ls_schema_cell *cell = LS_ARENA_NEW(b->arena, ls_schema_cell);
    *cell = parse_schema(b, map);
    ls__strmap_put(&b->schemas, map->key->text, cell);
  }
}
