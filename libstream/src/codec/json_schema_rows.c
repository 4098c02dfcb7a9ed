/** @file json_schema_rows.c  See json_schema_rows.h. */
#include "codec/json_schema_rows.h"

static void put_value(ls_buf *out, const ls_type *type, bool nullable);

static void put_type(ls_buf *out, const char *name, bool nullable) {
  ls__buf_printf(out, nullable ? "\"type\":[\"null\",\"%s\"]" : "\"type\":\"%s\"", name);
}

static void put_property(ls_buf *out, const char *name, const ls_type *type, bool nullable, bool first) {
  if (!first) ls__buf_putc(out, ',');
  ls__buf_json_string(out, ls__slice_of(name));
  ls__buf_putc(out, ':');
  put_value(out, type, nullable);
}

/* Fields of structs and items of lists may always be null. */
static void put_struct(ls_buf *out, const ls_type *type) {
  ls__buf_puts(out, ",\"additionalProperties\":false,\"properties\":{");
  for (uint32_t i = 0; i < type->n_fields; i++)
    put_property(out, type->fields[i].name, type->fields[i].type, true, i == 0);
  ls__buf_putc(out, '}');
}

static void put_decimal(ls_buf *out, const ls_type *type, bool nullable) {
  put_type(out, "string", nullable);
  ls__buf_puts(out, ",\"description\":\"");
  ls__type_format(out, type);
  ls__buf_putc(out, '"');
}

static void put_text(ls_buf *out, const char *format, bool nullable) {
  put_type(out, "string", nullable);
  ls__buf_printf(out, ",%s", format);
}

static void put_value(ls_buf *out, const ls_type *type, bool nullable) {
  ls__buf_putc(out, '{');
  switch (type->kind) {
  case LS_BOOL:
    put_type(out, "boolean", nullable);
    break;
  case LS_INT64:
    put_type(out, "integer", nullable);
    break;
  case LS_FLOAT64: /* "NaN", "Infinity" and "-Infinity" are texts */
    ls__buf_printf(out, "\"type\":[%s\"number\",\"string\"]", nullable ? "\"null\"," : "");
    break;
  case LS_DECIMAL:
    put_decimal(out, type, nullable);
    break;
  case LS_BYTES:
    put_text(out, "\"contentEncoding\":\"base64\"", nullable);
    break;
  case LS_TIMESTAMP:
    put_text(out, "\"format\":\"date-time\"", nullable);
    break;
  case LS_DATE:
    put_text(out, "\"format\":\"date\"", nullable);
    break;
  case LS_LIST:
    put_type(out, "array", nullable);
    ls__buf_puts(out, ",\"items\":");
    put_value(out, type->element, true);
    break;
  case LS_STRUCT:
    put_type(out, "object", nullable);
    put_struct(out, type);
    break;
  default:
    put_type(out, "string", nullable);
  }
  ls__buf_putc(out, '}');
}

void ls__rows_json_schema(ls_buf *out, const ls_schema *schema, const char *title) {
  ls__buf_puts(out, "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"title\":");
  ls__buf_json_string(out, ls__slice_of(title));
  ls__buf_puts(out, ",\"type\":\"object\",\"additionalProperties\":false,\"required\":[");
  bool first = true;
  for (uint32_t i = 0; i < schema->n_fields; i++) {
    if (schema->fields[i].nullable) continue;
    if (!first) ls__buf_putc(out, ',');
    ls__buf_json_string(out, ls__slice_of(schema->fields[i].name));
    first = false;
  }
  ls__buf_puts(out, "],\"properties\":{");
  for (uint32_t i = 0; i < schema->n_fields; i++)
    put_property(out, schema->fields[i].name, schema->fields[i].type, schema->fields[i].nullable, i == 0);
  ls__buf_puts(out, "}}");
}
