/** @file store_internal.h  What the store set, its stores and the RocksDB side share. */
#ifndef LS_STORE_INTERNAL_H
#define LS_STORE_INTERNAL_H
#include "base/alloc.h"
#include "store/memtable.h"
#include "store/rocks.h"
#include "store/store.h"

#define LS_STORE_VALUE_BYTES_MAX (UINT32_MAX / 2)
#define LS_STORE_TASK_BYTES_MAX  32768u

/** A store by its number: one of the two. */
typedef struct ls_store_item {
  ls_kv *kv;
  ls_window *window;
} ls_store_item;

struct ls_store_set {
  ls_store_db *db;
  char *task_name;
  ls_buf prefix; /* of the task's keys in RocksDB */
  size_t budget_bytes;
  ls_slab slab;
  ls_buf position;
  ls_kv *kvs; /* lists in the order of opening */
  ls_window *windows;
  ls_table *tables;
  ls_store_item *items; /* kvs and windows in the order of opening */
  size_t n_items, items_capacity;
  bool logged;          /* stores have changelogs */
  bool restoring;       /* what is pending was committed before: it is not reported as a change */
  size_t n_evictable;   /* stores whose clean rows may leave memory */
  size_t pending_bytes; /* of writes that RocksDB does not have yet */
  bool memory_written;  /* a memory store has changed since the last commit: it can't be undone */
};

/* Bits of ls_block.state in key-value stores; a kv in memory without a changelog uses none. */
#define LS_ROW_DIRTY     0x01u /* written since the last commit */
#define LS_ROW_ABSENT    0x02u /* the key is known not to be there: deleted, or looked up in vain */
#define LS_ROW_RECENT    0x04u /* used since the clock hand passed */
#define LS_ROW_COMMITTED 0x08u /* the last commit has the key; not kept in scratch databases */

typedef struct ls_key_index ls_key_index; /* kv_cursor.c */

struct ls_kv {
  ls_store_set *set;
  ls_kv *next;
  char *name;
  ls_memtable rows;
  ls_rocks_family *family; /* NULL: memory only */
  bool noted;              /* pending writes are noted: on RocksDB, and with a changelog */
  bool complete;           /* no row is on RocksDB alone: a miss needs no read */
  uint64_t count;
  uint64_t committed_count;
  bool scratch;  /* dirty rows are in no list: they are looked for when they are written */
  ls_ref *dirty; /* rows with LS_ROW_DIRTY; a row's extra bytes hold its index */
  size_t n_dirty, dirty_capacity;
  size_t clock_hand; /* slot that eviction has reached */
  size_t clock_leap, clock_slots;
  ls_ref held;         /* row in the caller's hands since the last get: not evicted for other stores */
  ls_key_index *index; /* of the last cursor, for the next one when nothing is written in between; NULL: none */
};

void ls__key_index_free(ls_key_index *index);

/** Makes room for n_bytes by evicting clean rows. False: the budget is too small for what must stay. */
bool ls__store_set_room(ls_store_set *set, size_t n_bytes);
/** After the slab refused although there is room, free memory being in pieces: evicts more and joins them. False: in vain. */
bool ls__store_set_squeeze(ls_store_set *set);
int ls__store_set_over_budget(const ls_store_set *set, const char *store, ls_error *err);
/** Notes one more store whose rows may leave memory. */
void ls__store_set_evictable(ls_store_set *set);
int ls__store_check_open(const ls_store_set *set, const char *name, ls_store_backend backend, ls_error *err);
int ls__store_check_sizes(const char *store, size_t key_len, size_t value_len, ls_error *err);
/** First 8 bytes of a key as a number that compares like them. */
uint64_t ls__store_key_head(ls_slice key);

/** Gives a store its number in the set. */
void ls__store_set_add(ls_store_set *set, ls_store_item item);

void ls__kv_free(ls_kv *kv);
void ls__table_free(ls_table *table);
ls_table *ls__table_next(ls_table *table);

/* kvs that note pending writes: on RocksDB, with a changelog (kv_rocks.c) */
int ls__kv_rocks_open(ls_kv *kv, uint64_t fingerprint, ls_error *err);
/** Slot of the key, read from RocksDB when memory does not have it; LS_MEMTABLE_NONE: known nowhere, nothing noted. */
int ls__kv_rocks_find(size_t *slot, ls_kv *kv, ls_slice key, uint64_t hash, ls_error *err);
int ls__kv_rocks_put(ls_kv *kv, ls_slice key, uint64_t hash, ls_slice value, bool absent, ls_error *err);
int ls__kv_rocks_scan(ls_kv *kv, ls_kv_scan_fn fn, void *payload, ls_error *err);
void ls__kv_rocks_stage(ls_kv *kv, ls_rocks_batch *batch);
void ls__kv_rocks_committed(ls_kv *kv);
void ls__kv_rocks_abort(ls_kv *kv);
bool ls__kv_rocks_evict(ls_kv *kv);
int ls__kv_changes(const ls_kv *kv, uint32_t store, ls_store_change_fn fn, void *payload, ls_error *err);
/** On RocksDB the change is pending afterwards: the set writes it. */
int ls__kv_restore(ls_kv *kv, ls_slice key, ls_slice value, ls_error *err);
void ls__kv_forget(ls_kv *kv); /* all rows, in memory */

/* windows (window.c) */
void ls__window_free(ls_window *window);
ls_window *ls__window_next(ls_window *window);
bool ls__window_is_persistent(const ls_window *window);
void ls__window_stage(ls_window *window, ls_rocks_batch *batch);
void ls__window_committed(ls_window *window);
int ls__window_reload(ls_window *window, ls_error *err);
const char *ls__window_name(const ls_window *window);
bool ls__window_is_changed(const ls_window *window);
int ls__window_changes(ls_window *window, uint32_t store, ls_store_change_fn fn, void *payload, ls_error *err);
/** As ls__kv_restore. */
int ls__window_restore(ls_window *window, ls_slice key, ls_slice value, ls_error *err);
void ls__window_restored(ls_window *window); /* frees what was deleted */
void ls__window_forget(ls_window *window);   /* all rows, in memory */
#endif
