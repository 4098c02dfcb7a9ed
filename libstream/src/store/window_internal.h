/** @file window_internal.h  A window buffer's rows, the tree of each key, the order of expiry. */
#ifndef LS_STORE_WINDOW_INTERNAL_H
#define LS_STORE_WINDOW_INTERNAL_H
#include "base/hash.h"
#include "store/store_internal.h"

/** A buffered row. It never moves while it lives: tree, key and expiry refer to it. */
typedef struct ls_window_row {
  ls_block head; /* value_len; key_len is the height in the tree */
  uint32_t flags;
  ls_ref key; /* entry of the memtable */
  ls_ref left, right;
  int64_t ts_us;
  ls_stamp stamp;
  uint32_t dirty_at; /* index in the dirty list */
  char value[];      /* or the reference of a block of its own (LS_WINDOW_APART) */
} ls_window_row;
#define LS_WINDOW_ROW_HEAD offsetof(ls_window_row, value)

#define LS_WINDOW_DIRTY     0x01u /* written since the last commit */
#define LS_WINDOW_PERSISTED 0x02u /* the last commit has it in some form */
#define LS_WINDOW_APART     0x04u /* the value grew out of the row */
#define LS_WINDOW_GONE      0x08u /* deleted by a restore: only the queue still has it */

static inline ls_window_row *ls__window_row(const ls_slab *slab, ls_ref ref) {
  return ls__slab_at(slab, ref);
}

/* ---- tree of one key's rows by (ts, stamp): AVL, so that its depth is bounded whatever the times are ---- */
ls_ref ls__window_tree_insert(ls_slab *slab, ls_ref root, ls_ref row);
/** Takes the first row out; returns the new root. */
ls_ref ls__window_tree_drop_first(ls_slab *slab, ls_ref root);
/** Takes out any row; returns the new root. */
ls_ref ls__window_tree_remove(ls_slab *slab, ls_ref root, const ls_window_row *row);
/** 0: not there. */
ls_ref ls__window_tree_find(const ls_slab *slab, ls_ref root, int64_t ts_us, ls_stamp stamp);

/* ---- rows by time: those that come in order wait in a ring, the others in a heap ---- */
typedef struct ls_due_row {
  int64_t ts_us;
  ls_ref row;
} ls_due_row;

typedef struct ls_window_queue {
  ls_due_row *ring; /* non-decreasing ts; ring_capacity is a power of two */
  size_t ring_first, n_ring, ring_capacity;
  ls_due_row *heap; /* 4-ary, smallest ts first */
  size_t n_heap, heap_capacity;
} ls_window_queue;

void ls__window_queue_fini(ls_window_queue *queue);
/** Bytes that the arrays grow by for one more row; 0 mostly. */
size_t ls__window_queue_growth(const ls_window_queue *queue, int64_t ts_us);
/** Returns by how many bytes the arrays have grown. */
size_t ls__window_queue_push(ls_window_queue *queue, int64_t ts_us, ls_ref row);
int64_t ls__window_queue_min_ts(const ls_window_queue *queue); /* INT64_MAX: empty */
/** Takes out a row of the smallest ts. */
ls_ref ls__window_queue_pop(ls_window_queue *queue);
/** Keeps the rows that `stays` says. Returns by how many bytes the arrays have grown. */
size_t ls__window_queue_filter(ls_window_queue *queue, bool (*stays)(void *payload, ls_ref row), void *payload);

/* ---- the buffer, shared by window.c (in memory), window_rocks.c (on disk) and window_log.c (changelogs) ---- */

typedef struct ls_window_due {
  ls_stamp stamp;
  uint64_t key_head;
  ls_ref row;
} ls_window_due;

struct ls_window {
  ls_store_set *set;
  ls_window *next;
  char *name;
  ls_memtable keys; /* value: root of the key's tree */
  ls_window_queue queue;
  uint64_t count;
  ls_ref visited;     /* row that fetch is at */
  ls_window_due *due; /* scratch of expiry */
  size_t due_capacity;
  ls_rocks_family *family; /* NULL: memory only */
  bool noted;              /* pending writes are noted: on RocksDB, and with a changelog */
  ls_ref *dirty;           /* rows to write at commit; 0: expired meanwhile */
  size_t n_dirty, dirty_capacity;
  ls_buf deletes;        /* rows to delete at commit: length (uint32_t), key as in the changelog */
  int64_t deleted_to_us; /* largest ts of deletes */
  bool may_be_again;     /* a row was written that may be one of deletes */
  size_t n_gone;         /* rows with LS_WINDOW_GONE */
};

#define LS_WINDOW_TAIL_BYTES 24u /* ts, stamp: the end of a row's key in the changelog */
/** Appends that key: key bytes, ts, stamp (big-endian, sign turned over, so that bytes compare as the numbers do). */
void ls__window_append_key(ls_buf *out, const ls_window_entry *entry);
/** key to key, ts_us and stamp. False: too short. */
bool ls__window_parse_key(ls_window_entry *entry, ls_slice key);
/** Next of window->deletes from *at (0 to begin with); false: no more. */
bool ls__window_next_delete(ls_slice *key, const ls_window *window, size_t *at);
/** 0: not there. */
ls_ref ls__window_find(const ls_window *window, ls_slice key, uint64_t hash, int64_t ts_us, ls_stamp stamp);
/** Frees what a row has but for its block, which the queue still names. */
void ls__window_take_out(ls_window *window, ls_ref row);

ls_window_entry ls__window_entry_of(const ls_window *window, const ls_window_row *row);
/** Adds or overwrites a row without noting it as pending. */
int ls__window_load(ls_window *window, const ls_window_entry *entry, uint64_t hash, ls_ref *row, ls_error *err);
/** The row is to be written at the next commit. */
void ls__window_changed(ls_window *window, ls_ref row);
/** The row is about to be freed. */
void ls__window_dropped(ls_window *window, ls_ref row);
#endif
