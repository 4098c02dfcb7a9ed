/**
 * @file batch.h
 * Columnar batches in Arrow's layout (validity bitmap, values, offsets; bit i of word i/64,
 * little-endian).
 *
 * Invariants: a column's buffers live in the arena given when it was made (or are borrowed views)
 * and only grow while it is being built. validity NULL = no nulls. Values under a null are zero /
 * empty, so that bytewise comparison of batches means equality. offsets[0] is 0 in columns built
 * here. Views may start elsewhere.
 *
 * A batch's rows carry two times: ts_us, the record's own event time, and a stamp, the place of the
 * input record that caused the row in the total order of the run. All rows caused by one record
 * share its stamp.
 */
#ifndef LS_DATA_BATCH_H
#define LS_DATA_BATCH_H
#include "data/decimal.h"
#include "data/type.h"

typedef struct ls_column ls_column;
struct ls_column {
  const ls_type *type;
  int64_t n_rows;
  int64_t capacity_rows;  /* of validity, values, offsets */
  uint64_t *validity;     /* NULL: no nulls so far */
  void *values;           /* BOOL: uint64_t words; fixed types: array; STRING/BYTES: bytes */
  int32_t *offsets;       /* STRING, BYTES, LIST: n_rows+1 */
  int64_t capacity_bytes; /* of values for STRING/BYTES */
  ls_column *children;    /* LIST: 1; STRUCT: n_fields */
  ls_arena *arena;        /* where growth is taken from */
};

/** Place of an input record in the run's total order. */
typedef struct ls_stamp {
  int64_t ts_us; /* stream time when the record is processed */
  uint64_t seq;  /* among equal ts_us */
} ls_stamp;
static inline int ls__stamp_cmp(ls_stamp a, ls_stamp b) {
  if (a.ts_us != b.ts_us) return a.ts_us < b.ts_us ? -1 : 1;
  return a.seq < b.seq ? -1 : a.seq > b.seq ? 1 : 0;
}

/** How seq is packed for records read from files: records come after timers of the same ts_us. */
#define LS_SEQ_RECORD (UINT64_C(1) << 63)
#define LS_SEQ_MAKE(source, file, row)                                                                                 \
  (LS_SEQ_RECORD | ((uint64_t)(source) << 57) | ((uint64_t)(file) << 37) | (uint64_t)(row)) /* 6 | 20 | 37 bits */
/** Source of rows made at the end of input: the rest of seq is a hash of their key. */
#define LS_SEQ_END_SOURCE  63u
#define LS_SEQ_SOURCE(seq) ((uint32_t)(((seq) >> 57) & 63u))
#define LS_SEQ_FILE(seq)   ((uint32_t)(((seq) >> 37) & 0xFFFFFu))
#define LS_SEQ_ROW(seq)    ((uint64_t)(seq) & ((UINT64_C(1) << 37) - 1))

typedef struct ls_batch {
  const ls_schema *schema;
  int64_t n_rows;
  ls_column *columns;    /* schema->n_fields */
  int64_t *ts_us;        /* n_rows, record time */
  ls_stamp *stamps;      /* n_rows, non-decreasing inside the runtime */
  int64_t capacity_rows; /* of ts_us, stamps and retracts */
  ls_arena *arena;
  uint64_t *retracts; /* bit set: the row takes an earlier, equal one back (live only); NULL: none does */
} ls_batch;

#define LS_BIT_GET(bits, i)   ((((const uint64_t *)(bits))[(i) >> 6] >> ((i)&63)) & 1u)
#define LS_BIT_SET(bits, i)   (((uint64_t *)(bits))[(i) >> 6] |= UINT64_C(1) << ((i)&63))
#define LS_BIT_CLEAR(bits, i) (((uint64_t *)(bits))[(i) >> 6] &= ~(UINT64_C(1) << ((i)&63)))
#define LS_BIT_WORDS(n)       (((n) + 63) >> 6)
/** Sets or clears bits [first, first+n). */
void ls__bits_fill(uint64_t *bits, int64_t first, int64_t n, bool value);
static inline bool ls__is_null(const ls_column *c, int64_t row) {
  return c->validity && !LS_BIT_GET(c->validity, row);
}
static inline ls_slice ls__column_slice(const ls_column *c, int64_t row) {
  /* a column of empty texts may have no bytes at all, and NULL + 0 is not defined in C */
  const char *bytes = c->values != NULL ? (const char *)c->values : "";
  return (ls_slice){bytes + c->offsets[row], (size_t)(c->offsets[row + 1] - c->offsets[row])};
}
static inline const int64_t *ls__column_i64(const ls_column *c) {
  return (const int64_t *)c->values;
}
static inline const double *ls__column_f64(const ls_column *c) {
  return (const double *)c->values;
}
static inline const int32_t *ls__column_i32(const ls_column *c) {
  return (const int32_t *)c->values;
}
static inline const ls_i128 *ls__column_i128(const ls_column *c) {
  return (const ls_i128 *)c->values;
}

/* columns: growable, appended row by row or filled in place */
void ls__column_init(ls_column *column, const ls_type *type, ls_arena *arena, int64_t capacity_rows);
/** Sets n_rows, for kernels that fill in place. Rows that were there stay; new ones are zero, false
 * or empty, and valid. STRUCT: its fields too. Shrinking drops rows. */
void ls__column_resize(ls_column *column, int64_t n_rows);
/** Makes room for n_more rows (variable types: offsets, not bytes). Appending needs no call. */
void ls__column_reserve(ls_column *column, int64_t n_more);
/** Makes room for n_more bytes of a STRING or BYTES column. */
void ls__column_reserve_bytes(ls_column *column, int64_t n_more);
/** Drops all rows and keeps the memory, so that a column or batch can be filled again. */
void ls__column_clear(ls_column *column);
void ls__column_append_null(ls_column *column);
void ls__column_append_nulls(ls_column *column, int64_t n);
void ls__column_append_bool(ls_column *column, bool value);
void ls__column_append_i64(ls_column *column, int64_t value); /* INT64, TIMESTAMP */
void ls__column_append_f64(ls_column *column, double value);
void ls__column_append_i32(ls_column *column, int32_t value); /* DATE */
void ls__column_append_decimal(ls_column *column, ls_int128 value);
void ls__column_append_slice(ls_column *column, ls_slice value); /* STRING, BYTES */
/** LIST: closes the row over the elements appended to children[0]. STRUCT: children have theirs. */
void ls__column_append_list_end(ls_column *column);
void ls__column_append_struct_end(ls_column *column);
/** Makes a row null and its value zero or empty. Cheap for fixed types and for the last row; moves
 * the bytes behind a STRING in the middle; leaves the elements of a LIST in the middle in place. */
void ls__column_set_null(ls_column *column, int64_t row);
/** Appends row `row` of src (same type). */
void ls__column_append_from(ls_column *column, const ls_column *src, int64_t row);
/** Appends rows[0..n) of src; -1 appends a null. The fast path for filters, joins, sorts. */
void ls__column_gather(ls_column *column, const ls_column *src, const int32_t *rows, int64_t n);
void ls__column_append_all(ls_column *column, const ls_column *src); /* all rows */
/** Appends rows [first, first+n) of src. */
void ls__column_append_range(ls_column *column, const ls_column *src, int64_t first, int64_t n);
/** Equality of two values of the same type; null equals null. */
bool ls__column_value_eq(const ls_column *a, int64_t row_a, const ls_column *b, int64_t row_b);
/** Bytes held by the rows (for budgets). */
size_t ls__column_bytes(const ls_column *column);
/** Value as text for messages, golden files and JSON output: JSON literal; decimals as JSON strings
 * ("12.5000"), timestamps/dates as strings. */
void ls__column_format_json(ls_buf *out, const ls_column *column, int64_t row);

/* batches */
void ls__batch_init(ls_batch *batch, const ls_schema *schema, ls_arena *arena, int64_t capacity_rows);
ls_batch *ls__batch_new(const ls_schema *schema, ls_arena *arena, int64_t capacity_rows);
/** Drops all rows and keeps the memory. */
void ls__batch_clear(ls_batch *batch);
/** Appends ts and stamp of a row whose columns are appended by the caller; n_rows++. */
void ls__batch_append_meta(ls_batch *batch, int64_t ts_us, ls_stamp stamp);
/** Whether the row takes back one that was emitted before: the old row of a change, in front of the new one. */
static inline bool ls__is_retract(const ls_batch *batch, int64_t row) {
  return batch->retracts != NULL && LS_BIT_GET(batch->retracts, row);
}
/** Makes a row one that takes back; appended rows are none. */
void ls__batch_set_retract(ls_batch *batch, int64_t row);
/** Appends rows[0..n) of src with their ts, stamps and retract bits (same schema shape). */
void ls__batch_gather(ls_batch *batch, const ls_batch *src, const int32_t *rows, int64_t n);
/** Appends rows [first, first+n) of src with their ts, stamps and retract bits (same schema shape). */
void ls__batch_append_range(ls_batch *batch, const ls_batch *src, int64_t first, int64_t n);
size_t ls__batch_bytes(const ls_batch *batch);
/** Appends the key of a row as records on Kafka have it: a single text as it is, any other as a JSON array. */
void ls__batch_format_key(ls_buf *out, const ls_batch *batch, int64_t row);
/** One row as a JSON object in schema order. */
void ls__batch_format_json(ls_buf *out, const ls_batch *batch, int64_t row);
/** The same for a dead letter: sensitive fields as "***"; shown: the columns that appear (bit set; NULL: all). */
void ls__batch_format_masked(ls_buf *out, const ls_batch *batch, int64_t row, const uint64_t *shown);
#endif
