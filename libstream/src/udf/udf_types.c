/** @file udf_types.c  Types and columns of the library as types and columns of the plugin ABI. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "data/datetime.h"
#include "udf/udf_internal.h"

static const ls_type *flat_type(uint8_t kind) {
  switch (kind) {
  case LS_BOOL:
    return &ls__type_bool;
  case LS_INT64:
    return &ls__type_int64;
  case LS_FLOAT64:
    return &ls__type_float64;
  case LS_STRING:
    return &ls__type_string;
  case LS_BYTES:
    return &ls__type_bytes;
  case LS_TIMESTAMP:
    return &ls__type_timestamp;
  case LS_DATE:
    return &ls__type_date;
  default:
    return NULL;
  }
}

static int struct_from(const ls_type **out, const ls_udf_type *type, ls_arena *arena, ls_error *err) {
  if (type->n_children == 0 || type->children == NULL || type->names == NULL) {
    return ls_error_set(err, LS_EPLUGIN, "a struct type has no fields");
  }
  ls_type *made = LS_ARENA_NEW(arena, ls_type);
  ls_type_field *fields = LS_ARENA_ARRAY(arena, ls_type_field, type->n_children);
  made->kind = LS_STRUCT;
  made->fields = fields;
  made->n_fields = type->n_children;
  for (uint32_t i = 0; i < type->n_children; i++) {
    if (type->names[i] == NULL || type->names[i][0] == '\0') {
      return ls_error_set(err, LS_EPLUGIN, "field %u of a struct type has no name", i + 1);
    }
    fields[i].name = ls__arena_strdup(arena, type->names[i]);
    LS_TRY(ls__udf_type_from(&fields[i].type, &type->children[i], arena, err));
  }
  *out = made;
  return LS_OK;
}

int ls__udf_type_from(const ls_type **out, const ls_udf_type *type, ls_arena *arena, ls_error *err) {
  const ls_type *element = NULL;
  switch (type->kind) {
  case LS_DECIMAL:
    if (type->precision < 1 || type->precision > LS_DECIMAL_DIGITS_MAX || type->scale < 0 ||
        type->scale > (int)type->precision) {
      return ls_error_set(err, LS_EPLUGIN,
                          "decimal(%d,%d) is not a type: precision 1 to %d, scale "
                          "0 to precision",
                          type->precision, type->scale, LS_DECIMAL_DIGITS_MAX);
    }
    *out = ls__type_decimal(arena, type->precision, type->scale);
    return LS_OK;
  case LS_LIST:
    if (type->n_children != 1 || type->children == NULL) {
      return ls_error_set(err, LS_EPLUGIN, "a list type has %u element types, not 1", type->n_children);
    }
    LS_TRY(ls__udf_type_from(&element, type->children, arena, err));
    *out = ls__type_list(arena, element);
    return LS_OK;
  case LS_STRUCT:
    return struct_from(out, type, arena, err);
  default:
    *out = flat_type(type->kind);
    if (*out == NULL) {
      return ls_error_set(err, LS_EPLUGIN, "%d is not a kind of type", type->kind);
    }
    return LS_OK;
  }
}

void ls__udf_type_to(ls_udf_type *out, const ls_type *type, ls_arena *arena) {
  memset(out, 0, sizeof(*out));
  out->kind = (uint8_t)type->kind;
  out->precision = type->precision;
  out->scale = type->scale;
  if (type->kind == LS_LIST) {
    ls_udf_type *child = LS_ARENA_NEW(arena, ls_udf_type);
    ls__udf_type_to(child, type->element, arena);
    out->n_children = 1;
    out->children = child;
  } else if (type->kind == LS_STRUCT) {
    ls_udf_type *children = LS_ARENA_ARRAY(arena, ls_udf_type, type->n_fields);
    const char **names = LS_ARENA_ARRAY(arena, const char *, type->n_fields);
    for (uint32_t i = 0; i < type->n_fields; i++) {
      ls__udf_type_to(&children[i], type->fields[i].type, arena);
      names[i] = type->fields[i].name;
    }
    out->n_children = type->n_fields;
    out->children = children;
    out->names = names;
  }
}

void ls__udf_type_format(ls_buf *out, const ls_udf_type *type) {
  const ls_type *flat = flat_type(type->kind);
  if (flat != NULL) {
    ls__type_format(out, flat);
  } else if (type->kind == LS_DECIMAL && type->precision != 0) {
    ls__buf_printf(out, "decimal(%d,%d)", type->precision, type->scale);
  } else if (type->kind == LS_DECIMAL) {
    ls__buf_puts(out, "decimal");
    if (type->scale != 0) ls__buf_printf(out, " of scale %d", type->scale);
  } else if (type->kind == LS_LIST) {
    ls__buf_puts(out, "list<");
    ls__udf_type_format(out, type->children);
    ls__buf_putc(out, '>');
  } else if (type->kind == LS_STRUCT) {
    ls__buf_puts(out, "struct<");
    for (uint32_t i = 0; i < type->n_children; i++) {
      ls__buf_printf(out, "%s%s: ", i ? ", " : "", type->names[i]);
      ls__udf_type_format(out, &type->children[i]);
    }
    ls__buf_putc(out, '>');
  } else {
    ls__buf_printf(out, "kind %d", type->kind);
  }
}

void ls__udf_vec_init(ls_udf_vec *vec, const ls_column *column, ls_arena *arena) {
  ls__udf_type_to(&vec->type, column->type, arena);
  vec->n_rows = column->n_rows;
  vec->validity = column->validity;
  vec->values = column->values;
  vec->offsets = column->offsets;
  vec->children = NULL;
  uint32_t n_children = vec->type.n_children;
  if (n_children == 0) return;
  ls_udf_vec *children = LS_ARENA_ARRAY(arena, ls_udf_vec, n_children);
  for (uint32_t i = 0; i < n_children; i++) {
    ls__udf_vec_init(&children[i], &column->children[i], arena);
  }
  vec->children = children;
}

/* ---- values ---- */

size_t ls__udf_checked_width(const ls_udf_type *type) {
  switch (type->kind) {
  case LS_DECIMAL:
    return sizeof(ls_i128);
  case LS_FLOAT64:
    return sizeof(double);
  case LS_TIMESTAMP:
    return sizeof(int64_t);
  case LS_DATE:
    return sizeof(int32_t);
  default:
    return 0;
  }
}

bool ls__udf_value_fault(char text[LS_UDF_TEXT_MAX], const ls_udf_type *type, const void *value) {
  double number;
  int64_t us;
  int32_t days;
  ls_i128 decimal;
  const char *fault = "is outside the years 1 to 9999";
  switch (type->kind) {
  case LS_DECIMAL:
    memcpy(&decimal, value, sizeof decimal);
    if (ls__decimal_fits(ls__i128_get(decimal), type->precision)) return false;
    snprintf(text, LS_UDF_TEXT_MAX, "does not fit decimal(%d,%d)", type->precision, type->scale);
    return true;
  case LS_FLOAT64:
    memcpy(&number, value, sizeof number);
    if (isfinite(number)) return false;
    fault = "is not a finite number";
    break;
  case LS_TIMESTAMP:
    memcpy(&us, value, sizeof us);
    if (us >= LS_TIMESTAMP_US_MIN && us <= LS_TIMESTAMP_US_MAX) return false;
    break;
  case LS_DATE:
    memcpy(&days, value, sizeof days);
    if (days >= LS_DATE_DAYS_MIN && days <= LS_DATE_DAYS_MAX) return false;
    break;
  default:
    return false;
  }
  snprintf(text, LS_UDF_TEXT_MAX, "%s", fault);
  return true;
}
