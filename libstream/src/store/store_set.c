/** @file store_set.c  The stores of one task: budget, commit, abort, position. See store.h. */
#include "base/fault.h"
#include "store/store_internal.h"

#define FRAGMENTATION_BYTES_MIN ((size_t)256 << 10)
#define SLICE_BYTES ((size_t)8 << 20) /* that a slice may write; more is fine while it fits */

/* A set with RocksDB stores is bounded by evicting rows; the slab's own limit only bounds fragmentation. */
static size_t slab_limit(const ls_store_set *set) {
  if (set->n_evictable == 0) return set->budget_bytes;
  return set->budget_bytes + set->budget_bytes / 2 + FRAGMENTATION_BYTES_MIN;
}

int ls__store_set_new(ls_store_set **out, ls_store_db *db, const char *task_name, size_t budget_bytes, ls_error *err) {
  if (strlen(task_name) >= LS_STORE_TASK_BYTES_MAX) return ls_error_set(err, LS_ECONFIG, "the task's name is too long");
  ls_store_set *set = LS_NEW(ls_store_set);
  *out = set;
  set->db = db;
  set->task_name = ls__strdup(task_name);
  set->budget_bytes = budget_bytes;
  ls__slab_init(&set->slab, budget_bytes);
  if (db == NULL) return LS_OK;
  int found = ls__rocks_get(&set->position, db, ls__rocks_position_family(db), ls__slice_of(task_name), err);
  return found < 0 ? found : LS_OK;
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
  ls__free(set->task_name);
  ls__free(set);
}

static size_t live_bytes(const ls_store_set *set) { return set->slab.live_bytes + set->slab.other_bytes; }

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
  return ls_error_set(err, LS_ELIMIT, "store '%s': the state of task '%s' needs more than its budget of %zu bytes%s", store,
                      set->task_name, set->budget_bytes,
                      set->n_evictable > 0 ? ": raise the budget or commit more often"
                                           : ": raise the budget or keep the store in RocksDB");
}

int ls__store_check_open(const ls_store_set *set, const char *name, ls_store_backend backend, ls_error *err) {
  if (backend == LS_STORE_ROCKSDB && set->db == NULL) {
    return ls_error_set(err, LS_ECONFIG, "store '%s': it asks for RocksDB, but no state directory is open", name);
  }
  return LS_OK;
}

/** Everything pending and the position in one write. */
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

int ls__store_set_commit(ls_store_set *set, ls_slice position, ls_error *err) {
  if (set->db != NULL) LS_TRY(write_pending(set, position, err));
  ls__fault(LS_FAULT_STORE_COMMIT);
  ls__buf_clear(&set->position);
  ls__buf_append(&set->position, position.ptr, position.len);
  for (ls_kv *kv = set->kvs; kv != NULL; kv = kv->next) {
    if (kv->family != NULL) ls__kv_rocks_committed(kv);
  }
  for (ls_window *window = set->windows; window != NULL; window = ls__window_next(window)) {
    ls__window_committed(window);
  }
  set->pending_bytes = 0;
  set->memory_written = false;
  return LS_OK;
}

int ls__store_set_abort(ls_store_set *set, ls_error *err) {
  if (set->memory_written) {
    return ls_error_set(err, LS_EINTERNAL, "task '%s': a memory store keeps no undo: it has to be rebuilt", set->task_name);
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

size_t ls__store_set_bytes(const ls_store_set *set) { return set->slab.reserved_bytes + set->slab.other_bytes; }
