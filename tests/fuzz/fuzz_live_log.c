/**
 * @file fuzz_live_log.c
 * Any bytes as a record of a live lake sink's log, and its rows as rows of a schema with all kinds of columns. What is decoded
 * encodes to the same bytes; what is not is refused without a look past the end.
 */
#include "base/assert.h"
#include "data/batch.h"
#include "data/row.h"
#include "edge/live_log.h"

static const char *const types[] = {
    "string", "decimal(18,4)", "decimal(38,10)", "list<string>", "timestamp", "bool", "struct<a: int64, b: string>",
    "date",   "float64",       "bytes"};
#define N_TYPES (sizeof types / sizeof *types)

static ls_schema *all_kinds(ls_arena *arena) {
  ls_schema *schema = LS_ARENA_NEW(arena, ls_schema);
  ls_error err = LS_ERROR_INIT;
  schema->fields = LS_ARENA_ARRAY(arena, ls_field, N_TYPES);
  schema->n_fields = N_TYPES;
  schema->time_field = -1;
  for (size_t i = 0; i < N_TYPES; i++) {
    schema->fields[i] = (ls_field){.name = types[i], .nullable = true};
    ls_assert(ls__type_parse(&schema->fields[i].type, arena, ls__slice_of(types[i]), &err) == LS_OK);
  }
  return schema;
}

static void check_entries(ls_slice entries, ls_batch *batch, const ls_row_layout *layout) {
  ls_error err = LS_ERROR_INIT;
  ls_live_entry entry;
  bool found;
  size_t len = entries.len;
  while (ls__live_log_next_entry(&entry, &found, &entries, &err) == LS_OK && found) {
    ls_assert(entries.len < len);
    len = entries.len;
    if (entry.kind == 'p') continue;
    if (ls__row_decode(batch->columns, layout, entry.bytes, &err) != LS_OK) return;
    ls__batch_append_meta(batch, 0, (ls_stamp){0, 0});
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ls_arena arena;
  ls_live_record record;
  ls_error err = LS_ERROR_INIT;
  ls_slice value = {(const char *)data, size};
  if (ls__live_log_decode(&record, value, &err) != LS_OK) return 0;
  ls_buf again = LS_BUF_INIT;
  ls__live_log_encode(&again, &record);
  ls_assert(ls__slice_eq(ls__buf_slice(&again), value));
  ls__buf_fini(&again);
  if (record.kind != LS_LIVE_ROWS) return 0;
  ls__arena_init(&arena, 0);
  ls_row_layout layout;
  ls_schema *schema = all_kinds(&arena);
  ls__row_layout_init(&layout, schema, &arena);
  check_entries(record.entries, ls__batch_new(schema, &arena, 16), &layout);
  ls__arena_fini(&arena);
  return 0;
}
