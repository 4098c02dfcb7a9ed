/** @file store_set.c  The stores of one task: budget, commit, abort, position, restoring. See store.h. */
#include "base/fault.h"
#include "store/store_internal.h"

#define FRAGMENTATION_BYTES_MIN ((size_t)256 << 10)
#define SLICE_BYTES             ((size_t)8 << 20) /* that a slice may write; more is fine while it fits */
#define RESTORE_BYTES           ((size_t)4 << 20) /* of restored rows in one write to RocksDB, which takes them in key order */

/* A set with RocksDB stores is bounded by evicting rows; the slab's own limit only bounds fragmentation. */
static size_t slab_limit(const ls_store_set *set) {
  if (set->n_evictable == 0) return set->budget_bytes;
  return set->budget_bytes + set->budget_bytes / 2 + FRAGMENTATION_BYTES_MIN;
}

static int set_new(ls_store_set **out, ls_store_db *db, const char *task_name, size_t budget_bytes, bool logged,
                   ls_error *err) {
  *out = NULL;
  if (strlen(task_name) >= LS_STORE_TASK_BYTES_MAX) return ls_error_set(err, LS_ECONFIG, "the task's name is too long");
  if (logged && db != NULL) LS_TRY(ls__rocks_task_claim(db, task_name, err));
  ls_store_set *set = LS_NEW(ls_store_set);
  *out = set;
  set->logged = logged;
  set->db = db;
  set->task_name = ls__strdup(task_name);
  set->budget_bytes = budget_bytes;
  ls__slab_init(&set->slab, budget_bytes);
  ls__rocks_task_prefix(&set->prefix, task_name);
  if (db == NULL) return LS_OK;
  int found = ls__rocks_get(&set->position, db, ls__rocks_position_family(db), ls__slice_of(task_name), err);
  if (found >= 0) return LS_OK;
  ls__store_set_free(set);
  *out = NULL;
  return found;
}

int ls__store_set_new(ls_store_set **out, ls_store_db *db, const char *task_name, size_t budget_bytes, ls_error *err) {
  return set_new(out, db, task_name, budget_bytes, false, err);
}

int ls__store_set_new_logged(ls_store_set **out, ls_store_db *db, const char *task_name, size_t budget_bytes,
                             ls_error *err) {
  if (ls__rocks_is_scratch(db)) {
    *out = NULL;
    return ls_error_set(err, LS_ECONFIG, "task '%s': a scratch database keeps no state that has changelogs", task_name);
  }
  return set_new(out, db, task_name, budget_bytes, true, err);
}

void ls__store_set_add(ls_store_set *set, ls_store_item item) {
  ls__grow(&set->items, &set->items_capacity, set->n_items + 1, sizeof *set->items);
  set->items[set->n_items++] = item;
}

void ls__store_set_free(ls_store_set *set) {
  if (set == NULL) return;
  while (set->tables != NULL) {
    ls_table *table = set->tables;
    set->tables = ls__table_next(table);
    ls__table_free(table);
  }
  while (set->kvs != NULL) {
    ls_kv *kv = set->kvs;
    set->kvs = kv->next;
    ls__kv_free(kv);
  }
  while (set->windows != NULL) {
    ls_window *window = set->windows;
    set->windows = ls__window_next(window);
    ls__window_free(window);
  }
  ls__slab_fini(&set->slab);
  ls__buf_fini(&set->position);
  ls__buf_fini(&set->prefix);
  ls__free(set->items);
  if (set->logged && set->db != NULL) ls__rocks_task_release(set->db, set->task_name);
  ls__free(set->task_name);
  ls__free(set);
}

static size_t live_bytes(const ls_store_set *set) {
  return set->slab.live_bytes + set->slab.other_bytes;
}

/** Some clean rows of each store. */
static bool evict_some(ls_store_set *set) {
  bool evicted = false;
  for (ls_kv *kv = set->kvs; kv != NULL; kv = kv->next) {
    if (kv->family != NULL && ls__kv_rocks_evict(kv)) evicted = true;
  }
  return evicted;
}

bool ls__store_set_room(ls_store_set *set, size_t n_bytes) {
  if (set->n_evictable == 0) return true; /* the slab refuses at the limit */
  while (live_bytes(set) + n_bytes > set->budget_bytes) {
    if (!evict_some(set)) return false;
  }
  return true;
}

bool ls__store_set_squeeze(ls_store_set *set) {
  if (set->n_evictable == 0 || !evict_some(set)) return false;
  ls__slab_sweep(&set->slab);
  return true;
}

void ls__store_set_evictable(ls_store_set *set) {
  set->n_evictable++;
  set->slab.limit_bytes = slab_limit(set);
}

int ls__store_set_over_budget(const ls_store_set *set, const char *store, ls_error *err) {
  return ls_error_set(err, LS_ELIMIT, "store '%s': the state of task '%s' needs more than its budget of %zu bytes%s",
                      store, set->task_name, set->budget_bytes,
                      set->n_evictable > 0 ? ": raise the budget or commit more often"
                                           : ": raise the budget or keep the store in RocksDB");
}

int ls__store_check_open(const ls_store_set *set, const char *name, ls_store_backend backend, ls_error *err) {
  if (backend == LS_STORE_ROCKSDB && set->db == NULL) {
    return ls_error_set(err, LS_ECONFIG, "store '%s': it asks for RocksDB, but no state directory is open", name);
  }
  return LS_OK;
}

/**
 * Everything pending and the position in one write. It goes to RocksDB's log (WAL) without fsync: what a killed process has
 * written is the kernel's and is not lost, and a machine that goes down loses a tail of the log, positions and values alike,
 * which the changelogs give back. A task that fsyncs each 100 ms would wait for the disk more than it works.
 */
static int write_pending(ls_store_set *set, ls_slice position, ls_error *err) {
  ls_rocks_batch *batch = ls__rocks_batch_new(set->db);
  for (ls_kv *kv = set->kvs; kv != NULL; kv = kv->next) {
    if (kv->family != NULL) ls__kv_rocks_stage(kv, batch);
  }
  for (ls_window *window = set->windows; window != NULL; window = ls__window_next(window)) {
    ls__window_stage(window, batch);
  }
  ls__rocks_batch_put(batch, ls__rocks_position_family(set->db), ls__slice_of(set->task_name), position);
  int rc = ls__rocks_batch_write(batch, err);
  ls__rocks_batch_free(batch);
  return rc;
}

static void set_position(ls_store_set *set, ls_slice position) {
  ls_buf now = LS_BUF_INIT; /* the given one may be the old one */
  ls__buf_append(&now, position.ptr, position.len);
  ls__buf_fini(&set->position);
  set->position = now;
}

/** What was pending is committed. */
static void committed(ls_store_set *set) {
  for (ls_kv *kv = set->kvs; kv != NULL; kv = kv->next) {
    if (kv->noted) ls__kv_rocks_committed(kv);
  }
  for (ls_window *window = set->windows; window != NULL; window = ls__window_next(window)) {
    ls__window_committed(window);
  }
  set->pending_bytes = 0;
  set->memory_written = false;
}

static int refuse_while_restoring(const ls_store_set *set, ls_error *err) {
  if (!set->restoring) return LS_OK;
  return ls_error_set(err, LS_EINTERNAL, "task '%s': its restoring has not ended", set->task_name);
}

int ls__store_set_commit(ls_store_set *set, ls_slice position, ls_error *err) {
  LS_TRY(refuse_while_restoring(set, err));
  if (set->db != NULL) LS_TRY(write_pending(set, position, err));
  ls__fault(LS_FAULT_STORE_COMMIT);
  set_position(set, position);
  committed(set);
  return LS_OK;
}

int ls__store_set_abort(ls_store_set *set, ls_error *err) {
  LS_TRY(refuse_while_restoring(set, err));
  if (set->memory_written) {
    return ls_error_set(err, LS_EINTERNAL, "task '%s': a memory store keeps no undo: it has to be rebuilt",
                        set->task_name);
  }
  for (ls_table *table = set->tables; table != NULL; table = ls__table_next(table)) ls__table_end_slice(table);
  for (ls_kv *kv = set->kvs; kv != NULL; kv = kv->next) {
    if (kv->family != NULL) ls__kv_rocks_abort(kv);
  }
  set->pending_bytes = 0;
  for (ls_window *window = set->windows; window != NULL; window = ls__window_next(window)) {
    if (ls__window_is_persistent(window)) LS_TRY(ls__window_reload(window, err));
  }
  return LS_OK;
}

int ls__store_set_position(ls_slice *out, ls_store_set *set, ls_error *err) {
  (void)err;
  *out = ls__buf_slice(&set->position);
  return LS_OK;
}

/* Of a scratch database: when one more slice might not fit and a commit makes enough of it clean to be worth its while. */
static bool scratch_pressure(const ls_store_set *set) {
  size_t headroom = set->budget_bytes / 16;
  if (headroom < SLICE_BYTES) headroom = SLICE_BYTES < set->budget_bytes / 2 ? SLICE_BYTES : set->budget_bytes / 2;
  return set->pending_bytes > set->budget_bytes / 8 && live_bytes(set) + headroom > set->budget_bytes;
}

bool ls__store_set_pressure(const ls_store_set *set) {
  if (ls__rocks_is_scratch(set->db)) return scratch_pressure(set);
  return set->pending_bytes > set->budget_bytes / 2;
}

size_t ls__store_set_bytes(const ls_store_set *set) {
  return set->slab.reserved_bytes + set->slab.other_bytes;
}

/* ---- changelogs ---- */

uint32_t ls__store_set_n_stores(const ls_store_set *set) {
  return (uint32_t)set->n_items;
}

const char *ls__store_set_store_name(const ls_store_set *set, uint32_t store) {
  const ls_store_item *item = &set->items[store];
  return item->kv != NULL ? item->kv->name : ls__window_name(item->window);
}

ls_store_backend ls__store_set_store_backend(const ls_store_set *set, uint32_t store) {
  const ls_store_item *item = &set->items[store];
  bool on_disk = item->kv != NULL ? item->kv->family != NULL : ls__window_is_persistent(item->window);
  return on_disk ? LS_STORE_ROCKSDB : LS_STORE_MEMORY;
}

int ls__store_set_changes(ls_store_set *set, ls_store_change_fn fn, void *payload, ls_error *err) {
  LS_TRY(refuse_while_restoring(set, err));
  int rc =
      set->logged ? LS_OK : ls_error_set(err, LS_EINTERNAL, "task '%s': its stores have no changelogs", set->task_name);
  for (uint32_t i = 0; i < set->n_items && rc == 0; i++) {
    const ls_store_item *item = &set->items[i];
    rc = item->kv != NULL ? ls__kv_changes(item->kv, i, fn, payload, err)
                          : ls__window_changes(item->window, i, fn, payload, err);
  }
  return rc;
}

/** From here on what is pending is what was restored, so nothing else may be. */
static int restoring_begin(ls_store_set *set, ls_error *err) {
  bool pending = !set->logged;
  for (const ls_kv *kv = set->kvs; kv != NULL; kv = kv->next) pending = pending || kv->n_dirty > 0;
  for (ls_window *window = set->windows; window != NULL; window = ls__window_next(window)) {
    pending = pending || ls__window_is_changed(window);
  }
  if (pending)
    return ls_error_set(err, LS_EINTERNAL, "task '%s': there are writes that a restore would mix with", set->task_name);
  set->restoring = true;
  return LS_OK;
}

static int restore_one(const ls_store_item *item, ls_slice key, ls_slice value, ls_error *err) {
  return item->kv != NULL ? ls__kv_restore(item->kv, key, value, err)
                          : ls__window_restore(item->window, key, value, err);
}

/** What was restored so far goes to RocksDB. */
static int write_restored(ls_store_set *set, ls_slice position, ls_error *err) {
  if (set->db != NULL) LS_TRY(write_pending(set, position, err));
  committed(set);
  return LS_OK;
}

static void free_deleted(ls_store_set *set) {
  for (ls_window *window = set->windows; window != NULL; window = ls__window_next(window)) ls__window_restored(window);
}

int ls__store_set_restore(ls_store_set *set, uint32_t store, ls_slice key, ls_slice value, ls_error *err) {
  if (store >= set->n_items)
    return ls_error_set(err, LS_EINTERNAL, "task '%s': it has no store %u", set->task_name, store);
  if (!set->restoring) LS_TRY(restoring_begin(set, err));
  int rc = restore_one(&set->items[store], key, value, err);
  size_t limit = set->budget_bytes / 8 < RESTORE_BYTES ? set->budget_bytes / 8 : RESTORE_BYTES;
  if (rc != LS_ELIMIT && set->pending_bytes < limit) return rc;
  if (rc < 0 && rc != LS_ELIMIT) return rc;
  /* the position stays behind; that it is written names the task in the database from the first row on */
  LS_TRY(write_restored(set, ls__buf_slice(&set->position), err));
  if (rc >= 0) return LS_OK;
  free_deleted(set); /* memory was short: now rows can be evicted, and blocks used again */
  return restore_one(&set->items[store], key, value, err);
}

int ls__store_set_restored(ls_store_set *set, ls_slice position, ls_error *err) {
  if (!set->restoring) LS_TRY(restoring_begin(set, err));
  LS_TRY(write_restored(set, position, err));
  set_position(set, position);
  free_deleted(set);
  set->restoring = false;
  return LS_OK;
}

int ls__store_set_wipe(ls_store_set *set, ls_error *err) {
  if (set->db != NULL) LS_TRY(ls__store_db_forget_task(set->db, set->task_name, err));
  for (ls_table *table = set->tables; table != NULL; table = ls__table_next(table)) ls__table_end_slice(table);
  for (ls_kv *kv = set->kvs; kv != NULL; kv = kv->next) ls__kv_forget(kv);
  for (ls_window *window = set->windows; window != NULL; window = ls__window_next(window)) ls__window_forget(window);
  ls__buf_clear(&set->position);
  set->pending_bytes = 0;
  set->memory_written = set->restoring = false;
  return LS_OK;
}
