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
 *
 * Logged sets are those of the streaming runtime: each store has a changelog elsewhere. The order of one commit is
 *   ls__store_set_changes -> the changelogs (transaction commits) -> ls__store_set_commit
 * so what is on disk is never ahead of the changelogs, and after a kill between the two the changelogs' tail is missing
 * here: it is read from the position on and goes through ls__store_set_restore and ls__store_set_restored.
 */
#ifndef LS_STORE_STORE_H
#define LS_STORE_STORE_H
#include "base/buf.h"
#include "data/batch.h"

#define LS_STORE_KEY_BYTES_MAX 65535u /* a longer key is LS_EDATA */

typedef struct ls_store_db ls_store_db;   /* the process's RocksDB database; NULL for memory-only processes */
typedef struct ls_store_set ls_store_set; /* the stores of one task */
typedef struct ls_kv ls_kv;
typedef struct ls_window ls_window;

typedef enum ls_store_backend { LS_STORE_MEMORY, LS_STORE_ROCKSDB } ls_store_backend;
typedef struct ls_store_db_opts {
  size_t block_cache_bytes;  /* shared: index and filter blocks live in it */
  size_t write_buffer_bytes; /* for the whole database (db_write_buffer_size) */
  bool scratch;              /* state that ends with the process: no log, commits in pieces, and only to make room */
} ls_store_db_opts;

/** Opens (creates) the database in directory; refuses a directory locked by another process. @errors LS_EIO */
int ls__store_db_open(ls_store_db **out, const char *directory, const ls_store_db_opts *opts, ls_error *err);
void ls__store_db_close(ls_store_db *db); /* after all sets */
/** Calls fn for each task that has state in the database, by name, as it was at the call; fn may forget tasks and returns 0
 *  to go on. @thread any */
typedef int (*ls_store_task_fn)(void *payload, const char *task_name, ls_error *err);
int ls__store_db_tasks(ls_store_db *db, ls_store_task_fn fn, void *payload, ls_error *err);
/** Deletes a task's state on disk, of all stores that the database has, in one write. No set of the task is open.
 *  @thread any @errors LS_EIO */
int ls__store_db_forget_task(ls_store_db *db, const char *task_name, ls_error *err);

/** task_name makes keys of several tasks in one column family distinct. db NULL: only memory stores may be opened. */
int ls__store_set_new(ls_store_set **out, ls_store_db *db, const char *task_name, size_t budget_bytes, ls_error *err);
/** As ls__store_set_new, for stores that have changelogs: whatever their backend, they note what is written between two
 *  commits. A put of the very bytes that are there is no write. One set of a task at a time: it may be closed on one thread
 *  and opened on another. @errors LS_ERETRY another thread has the task open; LS_ECONFIG db is a scratch one */
int ls__store_set_new_logged(ls_store_set **out, ls_store_db *db, const char *task_name, size_t budget_bytes,
                             ls_error *err);
void ls__store_set_free(ls_store_set *set);
/** Applies all pending writes and the position atomically. Passes LS_FAULT_STORE_COMMIT. Needs no room in the budget, so
 *  after a transaction has committed it fails for the disk alone (LS_EIO: nothing is applied; free the set, and restore from
 *  the changelogs when it is opened again). */
int ls__store_set_commit(ls_store_set *set, ls_slice position, ls_error *err);
/** Drops all pending writes: reads see the last commit again. Memory stores keep no undo information, which would cost
 *  replay as much as the writes: when one has changed since the last commit, LS_EINTERNAL, nothing is done, and the task is
 *  to be rebuilt: free the set, open it anew (RocksDB stores have their last commit), restore the memory stores from their
 *  changelogs. So it is in a scratch database, but there nothing can be rebuilt. */
int ls__store_set_abort(ls_store_set *set, ls_error *err);
/** Position of the last commit; len 0 when none. Valid until the next commit. */
int ls__store_set_position(ls_slice *out, ls_store_set *set, ls_error *err);
/** Whether to commit soon: pending writes take half of the budget (in logged sets those of memory stores count too). */
bool ls__store_set_pressure(const ls_store_set *set);
size_t ls__store_set_bytes(const ls_store_set *set);

/* ---- changelogs (logged sets) ---- */
/** One write, as it goes to the changelog of its store and comes back from it. value.ptr NULL: deleted (an empty value has a
 *  pointer). key and value are complete in themselves; windows: key, ts, stamp; flags, row. store: index by the order of
 *  opening, as below. Slices are valid during the call. @return 0 to go on */
typedef int (*ls_store_change_fn)(void *payload, uint32_t store, ls_slice key, ls_slice value, ls_error *err);
/** Calls fn once for each key (window row) that was written since the last commit, with what it holds now; one that was
 *  made and is gone again is left out. By store, within a store in an order that is the same for the same writes and commits.
 *  Changes nothing: ls__store_set_commit ends the interval. fn must not use the set. Returns what fn returned when not 0. */
int ls__store_set_changes(ls_store_set *set, ls_store_change_fn fn, void *payload, ls_error *err);
/** Stores opened in the set, tables and windows included. */
uint32_t ls__store_set_n_stores(const ls_store_set *set);
const char *ls__store_set_store_name(const ls_store_set *set, uint32_t store);
/** Memory stores begin empty, whatever the position says: their changelogs are restored from the start. */
ls_store_backend ls__store_set_store_backend(const ls_store_set *set, uint32_t store);
/** Applies one committed change read back from the changelog of a store. It is not pending and does not reach
 *  ls__store_set_changes. To be called with nothing pending; from the first call until ls__store_set_restored the stores are
 *  neither read nor written by others, and commit, abort and changes are refused (LS_EINTERNAL). Applying the same changes
 *  again, from any earlier position on, gives the same state. RocksDB gets them in bulk (WAL on, so that a later position is
 *  never there without them). @errors LS_EDATA not what a changelog holds; LS_ELIMIT; LS_EIO */
int ls__store_set_restore(ls_store_set *set, uint32_t store, ls_slice key, ls_slice value, ls_error *err);
/** After a part or all of the restoring: what was applied is in RocksDB, the last of it in one write with the position.
 *  Also without a change before, to move the position alone. */
int ls__store_set_restored(ls_store_set *set, ls_slice position, ls_error *err);
/** Forgets everything of the task, pending and on disk, position included, in one write; the stores stay open, empty: for a
 *  rebuild from the changelogs. */
int ls__store_set_wipe(ls_store_set *set, ls_error *err);

/* ---- key-value ---- */
/** name: the YAML name; fingerprint: of key and value schema, checked against what is stored (LS_ECONFIG when it differs). */
int ls__kv_open(ls_kv **out, ls_store_set *set, const char *name, ls_store_backend backend, uint64_t fingerprint,
                ls_error *err);
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
uint64_t ls__kv_count(const ls_kv *kv);         /* entries; estimate on RocksDB */

/* ---- tables: a key-value store that can be read as of a stamp within the current slice ---- */
/**
 * A step that makes a table writes it for a whole slice before the steps downstream run; they read it as of their own
 * row's stamp. So the table keeps, for keys changed in this slice, the values before each change, until the slice ends.
 * All changes with stamps <= the given one are visible (a record sees the effects of its own stamp).
 */
typedef struct ls_table ls_table;
int ls__table_open(ls_table **out, ls_store_set *set, const char *name, ls_store_backend backend, uint64_t fingerprint,
                   bool has_readers, ls_error *err);
/** Stamps of one key's puts must not decrease within a slice (of different keys they may: rows made at the end of input). */
int ls__table_put(ls_table *table, ls_slice key, uint64_t hash, ls_slice value, ls_stamp stamp, ls_error *err);
int ls__table_delete(ls_table *table, ls_slice key, uint64_t hash, ls_stamp stamp, ls_error *err);
/** Latest value, for the writer. As ls__kv_get. */
int ls__table_get(ls_slice *out, ls_table *table, ls_slice key, uint64_t hash, ls_error *err);
/** Value as of stamp, for readers downstream. As ls__kv_get. */
int ls__table_get_as_of(ls_slice *out, ls_table *table, ls_slice key, uint64_t hash, ls_stamp stamp, ls_error *err);
/** Value before the changes of that stamp. As ls__kv_get. */
int ls__table_get_before(ls_slice *out, ls_table *table, ls_slice key, uint64_t hash, ls_stamp stamp, ls_error *err);
void ls__table_end_slice(ls_table *table);
int ls__table_scan(ls_table *table, bool ordered, ls_kv_scan_fn fn, void *payload, ls_error *err);
uint64_t ls__table_count(const ls_table *table);
void ls__table_prefetch(ls_table *table, uint64_t hash); /* hint; may do nothing */

/* ---- window buffers ---- */
/** One buffered row. flags are the caller's (e.g. matched); changed with ls__window_set_flags. */
typedef struct ls_window_entry {
  ls_slice key;
  int64_t ts_us;
  ls_stamp stamp; /* of its record: unique with key and ts, so replays of a record overwrite themselves */
  ls_slice value;
  uint32_t flags;
} ls_window_entry;
int ls__window_open(ls_window **out, ls_store_set *set, const char *name, ls_store_backend backend,
                    uint64_t fingerprint, ls_error *err);
int ls__window_put(ls_window *window, const ls_window_entry *entry, uint64_t hash, ls_error *err);
/** Entries of key with from_us <= ts <= to_us in (ts, stamp) order. fn may call ls__window_set_flags on that entry only.
 *  fn returns 0 to go on. */
typedef int (*ls_window_fn)(void *payload, const ls_window_entry *entry, ls_error *err);
int ls__window_fetch(ls_window *window, ls_slice key, uint64_t hash, int64_t from_us, int64_t to_us, ls_window_fn fn,
                     void *payload, ls_error *err);
int ls__window_set_flags(ls_window *window, const ls_window_entry *entry, uint64_t hash, uint32_t flags, ls_error *err);
/** Takes out all entries with ts < before_us in (ts, stamp, key) order, calling fn (may be NULL) for each. O(log n) each. */
int ls__window_expire(ls_window *window, int64_t before_us, ls_window_fn fn, void *payload, ls_error *err);
/** Smallest ts in the buffer, INT64_MAX when empty: when the next expiry can be due. */
int64_t ls__window_min_ts(const ls_window *window);
uint64_t ls__window_count(const ls_window *window);
#endif
