/**
 * @file expr.h
 * SQL scalar expressions: compiled once, type-checked before any record is read, evaluated over columns.
 */
#ifndef LS_EXPR_EXPR_H
#define LS_EXPR_EXPR_H
#include "data/batch.h"
#include "udf/udf.h"

typedef struct ls_expr ls_expr;             /* compiled, immutable, shared by threads; arena-owned */
typedef struct ls_expr_state ls_expr_state; /* per-thread evaluation state (UDF instances, scratch arena) */

/** A global table as seen by EXISTS(table, predicate): constant while a run lasts (replay), versioned (live). */
typedef struct ls_expr_table {
  const char *name;
  const ls_schema *schema;
  /** Current rows; called at evaluation, any thread. *version changes whenever the rows do. */
  const ls_batch *(*rows)(void *payload, uint64_t *version);
  void *payload;
} ls_expr_table;

/** What names mean in an expression. */
typedef struct ls_expr_env {
  const ls_schema *schema;     /* columns of the input batch; NULL: constants only */
  const ls_expr_table *tables; /* for EXISTS */
  uint32_t n_tables;
  const ls_udf_registry *udfs; /* may be NULL */
  bool volatile_allowed;       /* parity: off */
  bool schema_open;            /* the schema may have more columns than are known */
} ls_expr_env;

/**
 * Where in the expression's text the error is: byte offset from its start, 0-based. unknown: no error of the
 * expression's own; it reads a column of which nothing or no type is known, as another error is to blame for.
 */
typedef struct ls_expr_error {
  size_t offset;
  size_t length;
  char message[512];
  bool unknown;
} ls_expr_error;

/**
 * Compiles text. Column names resolve to the longest dotted name in the schema first ("merchants.risk_level"), then to
 * struct fields. Errors name what is wrong, what would be right and the nearest name meant. A column of type NONE is
 * one whose type is not known.
 * @errors LS_ECONFIG with *where filled
 */
int ls__expr_compile(ls_expr **out, ls_slice text, const ls_expr_env *env, ls_arena *arena, ls_expr_error *where);
const ls_type *ls__expr_type(const ls_expr *expr);
bool ls__expr_nullable(const ls_expr *expr);
/** Sensitive when any sensitive column flows into the result other than through a plugin
 *  function that declassifies or a comparison. */
bool ls__expr_sensitive(const ls_expr *expr);
/** Field indexes of env->schema that are read, for projection push-down. Bit set: n_words words. */
void ls__expr_columns(const ls_expr *expr, uint64_t *bits, size_t n_words);
/** Whether the same row gives the same value at any time: no EXISTS, no time of the record, no volatile function. */
bool ls__expr_repeatable(const ls_expr *expr);
/** If the expression is a bare column: its field index, else -1. */
int32_t ls__expr_is_column(const ls_expr *expr);
/** Canonical text. */
void ls__expr_format(ls_buf *out, const ls_expr *expr);

int ls__expr_state_new(ls_expr_state **out, const ls_expr *expr, const ls_expr_env *env, ls_error *err);
void ls__expr_state_free(ls_expr_state *state);

/**
 * Evaluates over the rows of in whose bit in active is set (NULL: all rows). *out is a column of in->n_rows rows whose
 * memory is in `arena`, or a view of an input column (must not be changed by the caller). Rows at fault (overflow, bad
 * cast, UDF) are reported through on_row_error with a message without values, and are null in the result.
 * Three-valued logic; CASE, COALESCE, AND, OR do not evaluate (nor report errors of) rows that a preceding branch settled.
 * @errors LS_EFUNCTION only (a plugin failed as a whole)
 */
int ls__expr_eval(ls_column *out, ls_expr_state *state, const ls_batch *in, const uint64_t *active, ls_arena *arena,
                  ls_row_error_fn on_row_error, void *payload, ls_error *err);

/** When the broker took the records of the slice that this thread works on, for ingest_time(). */
typedef struct ls_ingest_times {
  uint64_t first_seq; /* of the stamp, without LS_SEQ_RECORD */
  const int64_t *us;  /* n */
  int64_t n;
} ls_ingest_times;
/** Borrowed until the next call; NULL (replay): ingest_time() is stream_time(). @thread of the task */
void ls__expr_set_ingest_times(const ls_ingest_times *times);

/** Reference of all operators and functions as Markdown (docs/EXPRESSIONS.md is generated from the same table). */
void ls__expr_reference(ls_buf *out);
#endif
