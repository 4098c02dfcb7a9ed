/** @file arrow_export.c  Our columns as Arrow arrays: the same buffers behind Arrow's structs. */
#include "base/alloc.h"
#include "base/assert.h"
#include "edge/arrow_bridge.h"

#include <string.h>

static void release_schema(struct ArrowSchema *schema) {
  for (int64_t i = 0; i < schema->n_children; i++) {
    struct ArrowSchema *child = schema->children[i];
    if (child->release) child->release(child);
    ls__free(child);
  }
  ls__free(schema->children);
  ls__free((char *)(uintptr_t)schema->format);
  ls__free((char *)(uintptr_t)schema->name);
  schema->release = NULL;
}

static const char *plain_format(ls_kind kind) {
  switch (kind) {
  case LS_BOOL:
    return "b";
  case LS_INT64:
    return "l";
  case LS_FLOAT64:
    return "g";
  case LS_STRING:
    return "u";
  case LS_BYTES:
    return "z";
  case LS_TIMESTAMP:
    return "tsu:UTC";
  case LS_DATE:
    return "tdD";
  case LS_LIST:
    return "+l";
  case LS_STRUCT:
    return "+s";
  case LS_DECIMAL:
  case LS_NONE:
    break;
  }
  return NULL;
}

static char *format_of(const ls_type *type) {
  if (type->kind == LS_DECIMAL) {
    ls_buf text = LS_BUF_INIT;
    ls__buf_printf(&text, "d:%d,%d", type->precision, type->scale);
    return text.ptr; /* from the same heap */
  }
  const char *format = plain_format(type->kind);
  ls_assert(format);
  return ls__strdup(format);
}

static struct ArrowSchema *new_schema_children(struct ArrowSchema *out, int64_t n) {
  out->n_children = n;
  out->children = ls__calloc((size_t)n, sizeof *out->children);
  for (int64_t i = 0; i < n; i++) out->children[i] = LS_NEW(struct ArrowSchema);
  return out;
}

static void export_type(struct ArrowSchema *out, const ls_type *type, const char *name, bool nullable) {
  memset(out, 0, sizeof *out);
  out->format = format_of(type);
  out->name = ls__strdup(name);
  out->flags = nullable ? ARROW_FLAG_NULLABLE : 0;
  out->release = release_schema;
  if (type->kind == LS_LIST) {
    new_schema_children(out, 1);
    export_type(out->children[0], type->element, "element", true);
  } else if (type->kind == LS_STRUCT) {
    new_schema_children(out, type->n_fields);
    for (uint32_t i = 0; i < type->n_fields; i++) {
      export_type(out->children[i], type->fields[i].type, type->fields[i].name, true);
    }
  }
}

void ls__arrow_export_schema(struct ArrowSchema *out, const ls_schema *schema) {
  memset(out, 0, sizeof *out);
  out->format = ls__strdup("+s");
  out->name = ls__strdup("");
  out->release = release_schema;
  new_schema_children(out, schema->n_fields);
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    export_type(out->children[i], schema->fields[i].type, schema->fields[i].name, schema->fields[i].nullable);
  }
}

static void release_array(struct ArrowArray *array) {
  for (int64_t i = 0; i < array->n_children; i++) {
    struct ArrowArray *child = array->children[i];
    if (child->release) child->release(child);
    ls__free(child);
  }
  ls__free(array->children);
  ls__free(array->buffers);
  array->release = NULL;
}

static void new_array(struct ArrowArray *out, int64_t offset, int64_t length, int64_t n_buffers, int64_t n_children) {
  memset(out, 0, sizeof *out);
  out->offset = offset;
  out->length = length;
  out->n_buffers = n_buffers;
  out->buffers = ls__calloc((size_t)n_buffers, sizeof *out->buffers);
  out->n_children = n_children;
  out->children = ls__calloc((size_t)n_children, sizeof *out->children);
  for (int64_t i = 0; i < n_children; i++) out->children[i] = LS_NEW(struct ArrowArray);
  out->release = release_array;
}

static int64_t count_nulls(const ls_column *column, int64_t first, int64_t n) {
  if (!column->validity) return 0;
  int64_t n_valid = 0;
  for (int64_t row = first; row < first + n;) {
    if ((row & 63) == 0 && first + n - row >= 64) {
      n_valid += __builtin_popcountll(column->validity[row >> 6]);
      row += 64;
    } else {
      n_valid += (int64_t)LS_BIT_GET(column->validity, row);
      row++;
    }
  }
  return n - n_valid;
}

/* Arrow's offset of an array applies to a struct's children too, and not to a list's. */
static void export_column(struct ArrowArray *out, const ls_column *column, int64_t first, int64_t n) {
  ls_kind kind = column->type->kind;
  bool has_bytes = kind == LS_STRING || kind == LS_BYTES;
  int64_t n_buffers = has_bytes ? 3 : kind == LS_STRUCT ? 1 : 2;
  int64_t n_children = kind == LS_LIST ? 1 : kind == LS_STRUCT ? column->type->n_fields : 0;
  new_array(out, first, n, n_buffers, n_children);
  out->null_count = count_nulls(column, first, n);
  out->buffers[0] = out->null_count > 0 ? column->validity : NULL;
  if (has_bytes || kind == LS_LIST) out->buffers[1] = column->offsets;
  if (has_bytes) out->buffers[2] = column->values;
  if (n_buffers == 2 && kind != LS_LIST) out->buffers[1] = column->values;
  if (kind == LS_LIST) {
    int64_t n_elements = n > 0 ? column->offsets[first + n] : 0;
    export_column(out->children[0], &column->children[0], 0, n_elements);
  }
  for (int64_t i = 0; kind == LS_STRUCT && i < n_children; i++) {
    export_column(out->children[i], &column->children[i], 0, first + n);
  }
}

void ls__arrow_export_rows(struct ArrowArray *out, const ls_schema *schema, const ls_column *columns, int64_t first,
                           int64_t n) {
  new_array(out, 0, n, 1, schema->n_fields);
  for (uint32_t i = 0; i < schema->n_fields; i++) export_column(out->children[i], &columns[i], first, n);
}
