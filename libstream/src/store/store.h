/**
 * @file store.h
 * State stores behind one interface: key-value stores (tables, aggregates, deduplication) and window buffers (joins).
 *
 * A store belongs to one task and is touched by its thread only. Writes are pending until ls__store_set_commit: reads
 * see them, the disk does not. A commit applies the pending writes of all stores of the set and the task's position
 * (opaque bytes: offsets, operator time) in one atomic write. Backends: memory, and RocksDB (one database per process,
 * a column family per store, one shared block cache) with the live rows served from memory.
 *
 * Memory: each set has a budget (bytes). The memory backend fails with LS_ELIMIT naming the store when the budget is
 * passed; the RocksDB backend evicts clean rows (clock) and asks for a commit (ls__store_set_pressure) when pending
 * writes alone pass half of it. In a scratch database it asks only when memory is nearly full: state that fits is never
 * written.
 */
#ifndef LS_STORE_STORE_H
#define LS_STORE_STORE_H
#include "base/buf.h"
#include "data/batch.h"

typedef struct ls_store_db ls_store_db;   /* the process's RocksDB database; NULL for memory-only processes */
typedef struct ls_store_set ls_store_set; /* the stores of one task */
typedef struct ls_kv ls_kv;
typedef struct ls_window ls_window;

typedef enum ls_store_backend { LS_STORE_MEMORY, LS_STORE_ROCKSDB } ls_store_backend;
typedef struct ls_store_db_opts {
  size_t block_cache_bytes;   /* shared: index and filter blocks live in it */
  size_t write_buffer_bytes;  /* for the whole database (db_write_buffer_size) */
  bool scratch;               /* state that ends with the process: no log, commits in pieces, and only to make room */
} ls_store_db_opts;

/** Opens (creates) the database in directory; refuses a directory locked by another process. @errors LS_EIO */
int ls__store_db_open(ls_store_db **out, const char *directory, const ls_store_db_opts *opts, ls_error *err);
void ls__store_db_close(ls_store_db *db); /* after all sets */

/** task_name makes keys of several tasks in one column family distinct. db NULL: only memory stores may be opened. */
int ls__store_set_new(ls_store_set **out, ls_store_db *db, const char *task_name, size_t budget_bytes, ls_error *err);
void ls__store_set_free(ls_store_set *set);
/** Applies all pending writes and the position atomically. Passes LS_FAULT_STORE_COMMIT. */
int ls__store_set_commit(ls_store_set *set, ls_slice position, ls_error *err);
/** Drops all pending writes: reads see the last commit again. Memory stores keep no undo information, which would cost
 *  replay as much as the writes: when one has changed since the last commit, LS_EINTERNAL, and the task is to be rebuilt.
 *  So it is in a scratch database. */
int ls__store_set_abort(ls_store_set *set, ls_error *err);
/** Position of the last commit; len 0 when none. Valid until the next commit. */
int ls__store_set_position(ls_slice *out, ls_store_set *set, ls_error *err);
bool ls__store_set_pressure(const ls_store_set *set);
size_t ls__store_set_bytes(const ls_store_set *set);

/* ---- key-value ---- */
/** name: the YAML name; fingerprint: of key and value schema, checked against what is stored (LS_ECONFIG when it differs). */
int ls__kv_open(ls_kv **out, ls_store_set *set, const char *name, ls_store_backend backend, uint64_t fingerprint, ls_error *err);
/** 1: found, *out valid until the next call that changes or reads this store; 0: absent; <0 error. hash is ls__hash64(key). */
int ls__kv_get(ls_slice *out, ls_kv *kv, ls_slice key, uint64_t hash, ls_error *err);
int ls__kv_put(ls_kv *kv, ls_slice key, uint64_t hash, ls_slice value, ls_error *err);
int ls__kv_delete(ls_kv *kv, ls_slice key, uint64_t hash, ls_error *err);
/** Calls fn for every entry, pending writes included; ordered: in bytewise key order, else in an order that is the same for
 *  the same writes. fn may not change the store.
 *  fn returns 0 to go on, else the scan ends and returns that value. */
typedef int (*ls_kv_scan_fn)(void *payload, ls_slice key, ls_slice value, ls_error *err);
int ls__kv_scan(ls_kv *kv, bool ordered, ls_kv_scan_fn fn, void *payload, ls_error *err);
void ls__kv_prefetch(ls_kv *kv, uint64_t hash); /* hint */
uint64_t ls__kv_count(const ls_kv *kv); /* entries; estimate on RocksDB */

/* ---- tables: a key-value store that can be read as of a stamp within the current slice ---- */
/**
 * A step that makes a table writes it for a whole slice before the steps downstream run; they read it as of their own
 * row's stamp. So the table keeps, for keys changed in this slice, the values before each change, until the slice ends.
 * All changes with stamps <= the given one are visible (a record sees the effects of its own stamp).
 */
typedef struct ls_table ls_table;
int ls__table_open(ls_table **out, ls_store_set *set, const char *name, ls_store_backend backend, uint64_t fingerprint, bool has_readers, ls_error *err);
/** Stamps of one key's puts must not decrease within a slice (of different keys they may: rows made at the end of input). */
int ls__table_put(ls_table *table, ls_slice key, uint64_t hash, ls_slice value, ls_stamp stamp, ls_error *err);
int ls__table_delete(ls_table *table, ls_slice key, uint64_t hash, ls_stamp stamp, ls_error *err);
/** Latest value, for the writer. As ls__kv_get. */
int ls__table_get(ls_slice *out, ls_table *table, ls_slice key, uint64_t hash, ls_error *err);
/** Value as of stamp, for readers downstream. As ls__kv_get. */
int ls__table_get_as_of(ls_slice *out, ls_table *table, ls_slice key, uint64_t hash, ls_stamp stamp, ls_error *err);
void ls__table_end_slice(ls_table *table);
int ls__table_scan(ls_table *table, bool ordered, ls_kv_scan_fn fn, void *payload, ls_error *err);
uint64_t ls__table_count(const ls_table *table);
void ls__table_prefetch(ls_table *table, uint64_t hash); /* hint; may do nothing */

/* ---- window buffers ---- */
/** One buffered row. flags are the caller's (e.g. matched); changed with ls__window_set_flags. */
typedef struct ls_window_entry {
  ls_slice key;
  int64_t ts_us;
  ls_stamp stamp;   /* of its record: unique with key and ts, so replays of a record overwrite themselves */
  ls_slice value;
  uint32_t flags;
} ls_window_entry;
int ls__window_open(ls_window **out, ls_store_set *set, const char *name, ls_store_backend backend, uint64_t fingerprint, ls_error *err);
int ls__window_put(ls_window *window, const ls_window_entry *entry, uint64_t hash, ls_error *err);
/** Entries of key with from_us <= ts <= to_us in (ts, stamp) order. fn may call ls__window_set_flags on that entry only.
 *  fn returns 0 to go on. */
typedef int (*ls_window_fn)(void *payload, const ls_window_entry *entry, ls_error *err);
int ls__window_fetch(ls_window *window, ls_slice key, uint64_t hash, int64_t from_us, int64_t to_us, ls_window_fn fn, void *payload, ls_error *err);
int ls__window_set_flags(ls_window *window, const ls_window_entry *entry, uint64_t hash, uint32_t flags, ls_error *err);
/** Takes out all entries with ts < before_us in (ts, stamp, key) order, calling fn (may be NULL) for each. O(log n) each. */
int ls__window_expire(ls_window *window, int64_t before_us, ls_window_fn fn, void *payload, ls_error *err);
/** Smallest ts in the buffer, INT64_MAX when empty: when the next expiry can be due. */
int64_t ls__window_min_ts(const ls_window *window);
uint64_t ls__window_count(const ls_window *window);
#endif
