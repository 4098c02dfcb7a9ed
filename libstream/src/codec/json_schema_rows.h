/**
 * @file json_schema_rows.h
 * The JSON Schema (draft 7) of what ls__encode_json writes for a schema.
 */
#ifndef LS_CODEC_JSON_SCHEMA_ROWS_H
#define LS_CODEC_JSON_SCHEMA_ROWS_H
#include "base/buf.h"
#include "data/type.h"

/** Appends it. No other fields are allowed, and those that may be null need not be there: so a nullable field that comes
 *  or goes is a compatible change. The text depends on names and types alone. */
void ls__rows_json_schema(ls_buf *out, const ls_schema *schema, const char *title);
#endif
