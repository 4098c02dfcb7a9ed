/**
 * @file row.h
 * Compact rows for stores, spill files and repartitioning; and order-preserving key bytes.
 *
 * Row layout of a schema: null bits (1 per field, padded to a byte), the fixed-size values without padding (bool 1, date 4,
 * int64, float64, timestamp and decimals of up to 18 digits 8, other decimals 16), then the variable values that are not null, in
 * field order, each behind its length (1 byte, or 255 and 4 bytes). Fixed-size fields are read without decoding the rest.
 */
#ifndef LS_DATA_ROW_H
#define LS_DATA_ROW_H
#include "data/batch.h"

typedef struct ls_row_layout {
  const ls_schema *schema;
  uint32_t *slot_offsets; /* per field, from the start of the row */
  uint32_t fixed_bytes;   /* null bits + slots */
  uint32_t id;            /* of the fields' names and types: rows with another one can't be read */
} ls_row_layout;
void ls__row_layout_init(ls_row_layout *layout, const ls_schema *schema, ls_arena *arena);
/** Replaces the contents of out by the row. */
void ls__row_encode(ls_buf *out, const ls_row_layout *layout, const ls_batch *batch, int64_t row);
/** Appends the row to columns[0..n_fields) (types of the schema). Rows come from our own stores:
 * malformed = LS_EINTERNAL. */
int ls__row_decode(ls_column *columns, const ls_row_layout *layout, ls_slice row, ls_error *err);
/** Appends one field to a column. */
int ls__row_decode_field(ls_column *column, const ls_row_layout *layout, ls_slice row, uint32_t field, ls_error *err);
bool ls__row_is_null(const ls_row_layout *layout, ls_slice row, uint32_t field);
int64_t ls__row_i64(const ls_row_layout *layout, ls_slice row, uint32_t field);    /* INT64, TIMESTAMP, DATE */
ls_slice ls__row_bytes(const ls_row_layout *layout, ls_slice row, uint32_t field); /* STRING, BYTES */

/** Appends key bytes of the given fields of a row: memcmp order = value order field by field, nulls
 * first, injective. A single STRING key without NUL bytes costs its length + 3. */
void ls__key_encode(ls_buf *out, const ls_batch *batch, const uint32_t *fields, uint32_t n_fields, int64_t row);
/** Same, for one column value (used field by field). */
void ls__key_encode_value(ls_buf *out, const ls_column *column, int64_t row);
/** Whether two rows of the batch have the same key bytes. */
bool ls__key_same(const ls_batch *batch, const uint32_t *fields, uint32_t n_fields, int64_t row, int64_t other);
/** Whether any key field of the row is null. */
bool ls__key_has_null(const ls_batch *batch, const uint32_t *fields, uint32_t n_fields, int64_t row);
#endif
