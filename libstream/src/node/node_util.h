/** @file node_util.h  What the verbs share: row errors, evaluation of an expression list, merged walks over two inputs. */
#ifndef LS_NODE_NODE_UTIL_H
#define LS_NODE_NODE_UTIL_H
#include "base/alloc.h"
#include "base/hash.h"
#include "data/row.h"
#include "node/node.h"

/** Rows of one batch at fault in this call: a row is reported once, by its first error. */
typedef struct ls_row_faults {
  ls_node *node;
  ls_node_call *call;
  const ls_batch *batch;
  uint64_t *bits; /* n_rows bits in the call's arena; NULL: none at fault */
} ls_row_faults;
void ls__row_faults_init(ls_row_faults *faults, ls_node *node, ls_node_call *call, const ls_batch *batch);
/** An ls_row_error_fn; payload is the ls_row_faults. Counts the row as dead. */
void ls__row_faults_report(void *payload, int64_t row, const char *message);
/** Whether rc says that a row or a result is at fault, not the run. */
static inline bool ls__is_row_fault(int rc) {
  return rc == LS_EDATA || rc == LS_EOVERFLOW;
}
/**
 * Reports a result that can't be made and stands for no row of the input, by the key it is for: the given fields of the
 * output's row that was begun. Drops that row. Counts nothing: the rows behind the result were taken.
 */
void ls__result_fault_report(ls_node *node, ls_node_call *call, const uint32_t *fields, uint32_t n_fields,
                             ls_stamp stamp, const char *message);
static inline bool ls__row_faulty(const ls_row_faults *faults, int64_t row) {
  return faults->bits != NULL && LS_BIT_GET(faults->bits, row);
}

/** Expression states of one node, opened with it. */
typedef struct ls_expr_set {
  ls_expr_state **states;
  uint32_t n;
} ls_expr_set;
int ls__expr_set_open(ls_expr_set *set, ls_expr *const *exprs, uint32_t n, const ls_schema *input, const ls_plan *plan,
                      ls_error *err);
void ls__expr_set_close(ls_expr_set *set);

/** What expressions of this node may name. */
ls_expr_env ls__node_expr_env(const ls_plan *plan, const ls_schema *input);

/** Schema of input i of a node. */
const ls_schema *ls__node_input_schema(const ls_plan *plan, const ls_plan_node *node, uint32_t i);

/** Row numbers of batch that are not at fault and (bits NULL or bit set); returns how many. rows has room for n_rows. */
int64_t ls__select_rows(int32_t *rows, const ls_batch *batch, const uint64_t *bits, const ls_row_faults *faults);

/** Makes fresh empty outputs for the call. */
void ls__node_fresh_outputs(ls_node_call *call, int64_t capacity_rows);
/** Drops the rows from n_rows on, finished or not. */
void ls__batch_truncate(ls_batch *batch, int64_t n_rows);
/** Replaces *batch by one in arena with the same rows in stamp order (stable), unless they are. */
void ls__batch_sort(ls_batch **batch, ls_arena *arena);

/** Keys of all rows of a batch: bytes and hash; null keys have ptr NULL. In arena. */
typedef struct ls_row_keys {
  ls_slice *keys;
  uint64_t *hashes;
} ls_row_keys;
void ls__row_keys_of(ls_row_keys *out, const ls_batch *batch, const uint32_t *fields, uint32_t n_fields,
                     ls_arena *arena);

/** Whether a store takes the row's key. */
static inline bool ls__row_key_fits(const ls_row_keys *keys, int64_t row) {
  return keys->keys[row].ptr != NULL && keys->keys[row].len <= LS_STORE_KEY_BYTES_MAX;
}
/** Reports a row whose key does not fit: if_null, or that it is too long. */
void ls__row_key_report(ls_row_faults *faults, const ls_row_keys *keys, int64_t row, const char *if_null);

/** So far ahead stores are told which key comes: a few rows for its slot, a few for its entry. */
#define LS_PREFETCH_ROWS 16

/** Walks the rows of two inputs by (stamp, input index). */
typedef struct ls_merge_walk {
  const ls_batch *inputs[2];
  int64_t at[2];
} ls_merge_walk;
/** Next input (0 or 1) and its row, or -1 at the end. */
static inline int ls__merge_walk_next(ls_merge_walk *walk, int64_t *row) {
  bool more0 = walk->at[0] < walk->inputs[0]->n_rows, more1 = walk->at[1] < walk->inputs[1]->n_rows;
  if (!more0 && !more1) return -1;
  int which = !more0                                                                                           ? 1
              : !more1                                                                                         ? 0
              : ls__stamp_cmp(walk->inputs[0]->stamps[walk->at[0]], walk->inputs[1]->stamps[walk->at[1]]) <= 0 ? 0
                                                                                                               : 1;
  *row = walk->at[which]++;
  return which;
}

/** Whether some consumer of the node's rows needs them (a final table join reads tables itself). */
bool ls__node_has_row_consumers(const ls_plan *plan, const ls_plan_node *node);

/** Whether some node reads the table as of the stamps of a slice's rows (a final table join of a replay reads it at the end). */
bool ls__node_table_is_read_as_of(const ls_plan *plan, const ls_plan_node *node);

/** Rows in a batch that a node emits at the end of input before it hands them on. */
#define LS_END_BATCH_ROWS 4096

/** A stamp for rows that a timer makes: before every record of that time, ordered by the row it is for. */
static inline ls_stamp ls__timer_stamp(int64_t due_us, ls_stamp of) {
  return (ls_stamp){due_us, of.seq & ~LS_SEQ_RECORD};
}
/** A stamp for rows made at the end of input, ordered by key whatever the partitioning. */
static inline ls_stamp ls__end_stamp(int64_t end_us, uint64_t key_hash) {
  return (ls_stamp){end_us, LS_SEQ_RECORD | ((uint64_t)LS_SEQ_END_SOURCE << 57) | (key_hash >> 7)};
}
/** The same for rows that a timer makes for a key, not for a record. */
static inline ls_stamp ls__key_timer_stamp(int64_t due_us, uint64_t key_hash) {
  return ls__timer_stamp(due_us, ls__end_stamp(due_us, key_hash));
}
#endif
