/**
 * @file kv_rocks.c
 * Key-value stores that note their pending writes: on RocksDB, where the memtable is a write-back
 * cache, and in memory with a changelog, where it has everything (`complete`).
 *
 *               get, in RocksDB          put, delete             commit
 *   (no row) ------------------> clean ---------------> dirty ----------> clean
 *        ^ evicted (clock) <------'        abort: dropped |
 *        '-----------------------------------------------'
 *
 * Dirty rows are the pending writes and never leave memory. A key known to be absent is a row too
 * (LS_ROW_ABSENT), so that it is looked up in RocksDB once. While memory holds all rows of the task
 * (`complete`), a miss is an answer and RocksDB is not asked at all.
 */
#include "base/hash.h"
#include "store/store_internal.h"

#define EVICT_BATCH 16 /* rows per visit of the clock */

static void task_key(ls_buf *out, const ls_kv *kv, ls_slice key) {
  ls__buf_clear(out);
  ls__buf_append(out, kv->set->prefix.ptr, kv->set->prefix.len);
  ls__buf_append(out, key.ptr, key.len);
}

int ls__kv_rocks_open(ls_kv *kv, uint64_t fingerprint, ls_error *err) {
  ls_store_set *set = kv->set;
  ls_rocks_family *family;
  LS_TRY(ls__rocks_family_open(&family, set->db, kv->name, fingerprint, err));
  kv->family = family;
  ls__store_set_evictable(set);
  ls_buf key = LS_BUF_INIT, value = LS_BUF_INIT;
  ls__rocks_count_key(&key, set->task_name);
  int found = ls__rocks_get(&value, set->db, family, ls__buf_slice(&key), err);
  if (found == 1 && value.len == sizeof kv->count) memcpy(&kv->count, value.ptr, sizeof kv->count);
  kv->committed_count = kv->count;
  int rc = found < 0 ? found : LS_OK;
  if (rc >= 0) {
    ls_rocks_iter *iter = ls__rocks_iter_new(set->db, family, ls__buf_slice(&set->prefix));
    kv->complete = !ls__rocks_iter_valid(iter);
    rc = ls__rocks_iter_end(iter, err);
  }
  ls__buf_fini(&key);
  ls__buf_fini(&value);
  return rc;
}

static uint32_t dirty_at_get(ls_block *row) {
  uint32_t at;
  memcpy(&at, ls__entry_extra(row), sizeof at);
  return at;
}

static void dirty_at_set(ls_block *row, uint32_t at) {
  memcpy(ls__entry_extra(row), &at, sizeof at);
}

static size_t row_cost(const ls_kv *kv, const ls_block *row) {
  return sizeof *row + kv->rows.extra + row->key_len + row->value_len;
}

/** What a new row may take. */
static size_t new_row_cost(const ls_kv *kv, ls_slice key, size_t value_len) {
  return ls__slab_cost(sizeof(ls_block) + kv->rows.extra + key.len + value_len) + ls__memtable_growth(&kv->rows);
}

/** Adds a row for a key that memory does not have. */
static int add_row(size_t *slot, ls_kv *kv, ls_slice key, uint64_t hash, ls_slice value, ls_error *err) {
  do {
    *slot = LS_MEMTABLE_NONE;
    if (!ls__store_set_room(kv->set, new_row_cost(kv, key, value.len))) break;
    *slot = ls__memtable_add(&kv->rows, key, hash, value.len);
  } while (*slot == LS_MEMTABLE_NONE && ls__store_set_squeeze(kv->set));
  if (*slot == LS_MEMTABLE_NONE || !ls__memtable_set(&kv->rows, *slot, value)) {
    return ls__store_set_over_budget(kv->set, kv->name, err);
  }
  return LS_OK;
}

/** Sets the value of a row that memory has. Eviction moves slots. */
static int set_row(size_t *slot, ls_kv *kv, ls_slice key, uint64_t hash, ls_slice value, ls_error *err) {
  ls_memtable *rows = &kv->rows;
  size_t needed = sizeof(ls_block) + rows->extra + key.len + value.len;
  kv->held = ls__memtable_ref(rows, *slot); /* stays in memory while others go */
  bool fits = needed <= ls__slab_capacity(rows->slab, kv->held);
  bool done = fits || ls__store_set_room(kv->set, ls__slab_cost(needed));
  while (done) {
    if (!fits) *slot = ls__memtable_find(rows, key, hash);
    if (ls__memtable_set(rows, *slot, value)) return LS_OK;
    done = ls__store_set_squeeze(kv->set);
  }
  return ls__store_set_over_budget(kv->set, kv->name, err);
}

/** Reads a row into memory; when it is not there, notes that. */
static int load_row(size_t *slot, ls_kv *kv, ls_slice key, uint64_t hash, ls_error *err) {
  ls_buf rocks_key = LS_BUF_INIT, value = LS_BUF_INIT;
  task_key(&rocks_key, kv, key);
  int found = ls__rocks_get(&value, kv->set->db, kv->family, ls__buf_slice(&rocks_key), err);
  int rc =
      found < 0 ? found : add_row(slot, kv, key, hash, found == 1 ? ls__buf_slice(&value) : (ls_slice){NULL, 0}, err);
  if (rc >= 0) ls__memtable_entry(&kv->rows, *slot)->state |= found == 1 ? LS_ROW_COMMITTED : LS_ROW_ABSENT;
  ls__buf_fini(&rocks_key);
  ls__buf_fini(&value);
  return rc;
}

int ls__kv_rocks_find(size_t *slot, ls_kv *kv, ls_slice key, uint64_t hash, ls_error *err) {
  *slot = ls__memtable_find(&kv->rows, key, hash);
  if (*slot != LS_MEMTABLE_NONE) {
    ls__memtable_entry(&kv->rows, *slot)->state |= LS_ROW_RECENT;
    return LS_OK;
  }
  if (kv->complete || key.len > LS_STORE_KEY_BYTES_MAX) return LS_OK;
  return load_row(slot, kv, key, hash, err);
}

static void mark_dirty(ls_kv *kv, size_t slot) {
  ls_block *row = ls__memtable_entry(&kv->rows, slot);
  bool was_dirty = row->state & LS_ROW_DIRTY;
  row->state |= LS_ROW_DIRTY;
  if (kv->scratch) {
    kv->n_dirty += !was_dirty;
    kv->set->memory_written = true;
    return;
  }
  if (!was_dirty) {
    size_t before = kv->dirty_capacity;
    ls__grow(&kv->dirty, &kv->dirty_capacity, kv->n_dirty + 1, sizeof *kv->dirty);
    kv->set->slab.other_bytes += (kv->dirty_capacity - before) * sizeof *kv->dirty;
    dirty_at_set(row, (uint32_t)kv->n_dirty++);
  }
  if (kv->family == NULL) kv->set->memory_written = true;
  kv->dirty[dirty_at_get(row)] = ls__memtable_ref(&kv->rows, slot);
}

/** Of a row that no commit has: it is not pending any more. */
static void delete_uncommitted(ls_kv *kv, size_t slot) {
  ls_block *row = ls__memtable_entry(&kv->rows, slot);
  kv->set->pending_bytes -= row_cost(kv, row);
  kv->count--;
  uint32_t at = dirty_at_get(row);
  kv->dirty[at] = kv->dirty[--kv->n_dirty];
  dirty_at_set(ls__slab_at(kv->rows.slab, kv->dirty[at]), at);
  if (kv->complete) {
    ls__memtable_remove(&kv->rows, slot);
  } else {
    row->state = LS_ROW_ABSENT | LS_ROW_RECENT;
    row->value_len = 0;
  }
}

/** Whether a write would leave the row as it is. */
static bool is_same(const ls_kv *kv, size_t slot, ls_slice value) {
  const ls_block *row = ls__memtable_entry(&kv->rows, slot);
  return row->value_len == value.len && ls__slice_eq(ls__entry_value(&kv->rows, row), value);
}

int ls__kv_rocks_put(ls_kv *kv, ls_slice key, uint64_t hash, ls_slice value, bool absent, ls_error *err) {
  ls_memtable *rows = &kv->rows;
  size_t slot;
  LS_TRY(ls__kv_rocks_find(&slot, kv, key, hash, err)); /* the count wants to know whether it was there */
  bool was_there = slot != LS_MEMTABLE_NONE && !(ls__memtable_entry(rows, slot)->state & LS_ROW_ABSENT);
  if (absent && !was_there) return LS_OK;
  if (kv->set->logged && was_there && !absent && is_same(kv, slot, value)) return LS_OK;
  if (absent && !kv->scratch && !(ls__memtable_entry(rows, slot)->state & LS_ROW_COMMITTED)) {
    delete_uncommitted(kv, slot);
    return LS_OK;
  }
  if (slot == LS_MEMTABLE_NONE) {
    LS_TRY(add_row(&slot, kv, key, hash, value, err));
  } else {
    ls_block *row = ls__memtable_entry(rows, slot);
    size_t pending = row->state & LS_ROW_DIRTY ? row_cost(kv, row) : 0;
    LS_TRY(set_row(&slot, kv, key, hash, value, err));
    kv->set->pending_bytes -= pending;
  }
  ls_block *row = ls__memtable_entry(rows, slot);
  row->state |= LS_ROW_RECENT;
  if (absent) {
    row->state |= LS_ROW_ABSENT;
    kv->count--;
  } else {
    row->state &= (uint8_t)~LS_ROW_ABSENT;
    if (!was_there) kv->count++;
  }
  mark_dirty(kv, slot);
  kv->set->pending_bytes += row_cost(kv, ls__memtable_entry(rows, slot));
  return LS_OK;
}

/* ---- eviction: second chance ---- */

static size_t common_divisor(size_t a, size_t b) {
  while (b != 0) {
    size_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/**
 * The hand goes round in leaps of the golden ratio, visiting each slot once. Slot after slot it would thin out one
 * stretch of the index while the others overfill, which costs linear probing dearly.
 */
static void move_hand(ls_kv *kv) {
  size_t n = kv->rows.n_slots;
  if (kv->clock_slots != n) {
    kv->clock_slots = n;
    kv->clock_leap = (size_t)(n * UINT64_C(0x9E3779B9) >> 32) | 1;
    while (common_divisor(n, kv->clock_leap) != 1) kv->clock_leap += 2;
    kv->clock_hand %= n;
  }
  kv->clock_hand = (kv->clock_hand + kv->clock_leap) % n;
}

bool ls__kv_rocks_evict(ls_kv *kv) {
  ls_memtable *rows = &kv->rows;
  int n_evicted = 0;
  if (rows->n == kv->n_dirty) return false;
  for (size_t steps = 0; steps < 2 * rows->n_slots && n_evicted < EVICT_BATCH; steps++) {
    move_hand(kv);
    if (rows->slots[kv->clock_hand] == 0) continue;
    ls_block *row = ls__memtable_entry(rows, kv->clock_hand);
    bool stays = row->state & (LS_ROW_DIRTY | LS_ROW_RECENT) || ls__memtable_ref(rows, kv->clock_hand) == kv->held;
    row->state &= (uint8_t)~LS_ROW_RECENT;
    if (stays) continue;
    if (!(row->state & LS_ROW_ABSENT)) kv->complete = false;
    ls__memtable_remove(rows, kv->clock_hand);
    n_evicted++;
  }
  return n_evicted > 0;
}

/* ---- commit and abort ---- */

/** Dirty row number i of the list; they lie anywhere, so those soon to come are fetched ahead. */
static ls_block *dirty_row(const ls_kv *kv, size_t i) {
  if (i + 8 < kv->n_dirty) {
    const char *ahead = ls__slab_at(kv->rows.slab, kv->dirty[i + 8]);
    __builtin_prefetch(ahead);
    __builtin_prefetch(ahead + 64);
  }
  return ls__slab_at(kv->rows.slab, kv->dirty[i]);
}

/** Dirty row after position *at (0 to begin with), NULL: none. */
static ls_block *next_dirty(const ls_kv *kv, size_t *at) {
  if (!kv->scratch) return *at < kv->n_dirty ? dirty_row(kv, (*at)++) : NULL;
  while ((*at = ls__memtable_next(&kv->rows, *at)) != LS_MEMTABLE_NONE) {
    ls_block *row = ls__memtable_entry(&kv->rows, (*at)++);
    if (row->state & LS_ROW_DIRTY) return row;
  }
  *at = kv->rows.n_slots;
  return NULL;
}

typedef struct merge_row {
  uint64_t head;
  const ls_block *row;
} merge_row;

static int merge_cmp(const ls_kv *kv, const merge_row *x, ls_slice key) {
  uint64_t head = ls__store_key_head(key);
  if (x->head != head) return x->head < head ? -1 : 1;
  return ls__slice_cmp(ls__entry_key(&kv->rows, x->row), key);
}

/** Dirty rows by key: only they differ from RocksDB. Insertion into a sorted heap-free array: merge sort. */
static merge_row *dirty_by_key(const ls_kv *kv) {
  size_t n = kv->n_dirty;
  merge_row *from = ls__alloc((n + 1) * sizeof *from), *to = ls__alloc((n + 1) * sizeof *to);
  size_t at = 0;
  for (size_t i = 0; i < n; i++) {
    const ls_block *row = next_dirty(kv, &at);
    from[i] = (merge_row){ls__store_key_head(ls__entry_key(&kv->rows, row)), row};
  }
  for (size_t width = 1; width < n; width *= 2) {
    for (size_t low = 0; low < n; low += 2 * width) {
      size_t mid = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
      size_t i = low, k = mid;
      at = low;
      while (i < mid && k < high) {
        to[at++] = merge_cmp(kv, &from[i], ls__entry_key(&kv->rows, from[k].row)) <= 0 ? from[i++] : from[k++];
      }
      while (i < mid) to[at++] = from[i++];
      while (k < high) to[at++] = from[k++];
    }
    merge_row *swap = from;
    from = to;
    to = swap;
  }
  ls__free(to);
  return from;
}

static void stage_row(const ls_kv *kv, ls_rocks_batch *batch, const ls_block *row, ls_buf *key) {
  task_key(key, kv, ls__entry_key(&kv->rows, row));
  if (row->state & LS_ROW_ABSENT) {
    ls__rocks_batch_delete(batch, kv->family, ls__buf_slice(key));
  } else {
    ls__rocks_batch_put(batch, kv->family, ls__buf_slice(key), ls__entry_value(&kv->rows, row));
  }
}

/** In key order: RocksDB puts a row behind the one before it at half the cost of finding its place anew. */
void ls__kv_rocks_stage(ls_kv *kv, ls_rocks_batch *batch) {
  ls_buf key = LS_BUF_INIT;
  merge_row *sorted = kv->scratch ? NULL : dirty_by_key(kv);
  size_t at = 0;
  for (size_t i = 0; i < kv->n_dirty; i++)
    stage_row(kv, batch, sorted != NULL ? sorted[i].row : next_dirty(kv, &at), &key);
  ls__free(sorted);
  if (kv->count != kv->committed_count) {
    ls__rocks_count_key(&key, kv->set->task_name);
    ls__rocks_batch_put(batch, kv->family, ls__buf_slice(&key), (ls_slice){(const char *)&kv->count, sizeof kv->count});
  }
  ls__buf_fini(&key);
}

/** Slot of a row whose reference is known. */
static size_t slot_of(const ls_kv *kv, const ls_block *row) {
  ls_slice key = ls__entry_key(&kv->rows, row);
  return ls__memtable_find(&kv->rows, key, ls__hash64(key));
}

void ls__kv_rocks_committed(ls_kv *kv) {
  size_t at = 0;
  for (ls_block *row = next_dirty(kv, &at); row != NULL; row = next_dirty(kv, &at)) {
    bool absent = row->state & LS_ROW_ABSENT;
    row->state &= (uint8_t) ~(LS_ROW_DIRTY | LS_ROW_COMMITTED);
    if (!absent && !kv->scratch) row->state |= LS_ROW_COMMITTED;
    /* while all rows are in memory, a deleted key needs no row to be known as absent */
    if (!absent || !kv->complete) continue;
    ls__memtable_remove(&kv->rows, slot_of(kv, row));
    if (kv->scratch) at--; /* the next row moved into its slot */
  }
  kv->n_dirty = 0;
  kv->committed_count = kv->count;
}

void ls__kv_rocks_abort(ls_kv *kv) {
  for (size_t i = 0; i < kv->n_dirty; i++) {
    ls__memtable_remove(&kv->rows, slot_of(kv, ls__slab_at(kv->rows.slab, kv->dirty[i])));
  }
  /* RocksDB may have what the dropped rows were before */
  if (kv->n_dirty > 0 && kv->committed_count > 0) kv->complete = false;
  kv->n_dirty = 0;
  kv->count = kv->committed_count;
}

/* ---- changelogs ---- */

int ls__kv_changes(const ls_kv *kv, uint32_t store, ls_store_change_fn fn, void *payload, ls_error *err) {
  int rc = LS_OK;
  for (size_t i = 0; i < kv->n_dirty && rc == 0; i++) {
    const ls_block *row = dirty_row(kv, i);
    ls_slice value = {NULL, 0};
    if (!(row->state & LS_ROW_ABSENT)) value = ls__entry_value(&kv->rows, row);
    rc = fn(payload, store, ls__entry_key(&kv->rows, row), value, err);
  }
  return rc;
}

/** In memory nothing has to be written later: the row is the committed one at once. */
static int restore_in_memory(ls_kv *kv, ls_slice key, uint64_t hash, ls_slice value, ls_error *err) {
  size_t slot = ls__memtable_find(&kv->rows, key, hash);
  if (value.ptr == NULL) {
    if (slot == LS_MEMTABLE_NONE) return LS_OK;
    ls__memtable_remove(&kv->rows, slot);
    kv->committed_count = --kv->count;
    return LS_OK;
  }
  if (slot == LS_MEMTABLE_NONE) {
    LS_TRY(add_row(&slot, kv, key, hash, value, err));
    kv->committed_count = ++kv->count;
  } else {
    LS_TRY(set_row(&slot, kv, key, hash, value, err));
  }
  ls__memtable_entry(&kv->rows, slot)->state = LS_ROW_COMMITTED;
  return LS_OK;
}

int ls__kv_restore(ls_kv *kv, ls_slice key, ls_slice value, ls_error *err) {
  LS_TRY(ls__store_check_sizes(kv->name, key.len, value.len, err));
  uint64_t hash = ls__hash64(key);
  if (kv->family == NULL) return restore_in_memory(kv, key, hash, value, err);
  return ls__kv_rocks_put(kv, key, hash, value, value.ptr == NULL, err);
}

void ls__kv_forget(ls_kv *kv) {
  ls__memtable_clear(&kv->rows);
  kv->n_dirty = 0;
  kv->count = kv->committed_count = 0;
  kv->complete = true;
  kv->held = 0;
}

/* ---- scans: rows of memory merged with those of RocksDB, by key ---- */

static int call_for(const ls_kv *kv, const ls_block *row, ls_kv_scan_fn fn, void *payload, ls_error *err) {
  if (row->state & LS_ROW_ABSENT) return LS_OK;
  return fn(payload, ls__entry_key(&kv->rows, row), ls__entry_value(&kv->rows, row), err);
}

int ls__kv_rocks_scan(ls_kv *kv, ls_kv_scan_fn fn, void *payload, ls_error *err) {
  merge_row *dirty = dirty_by_key(kv);
  ls_rocks_iter *iter = ls__rocks_iter_new(kv->set->db, kv->family, ls__buf_slice(&kv->set->prefix));
  size_t at = 0;
  int rc = LS_OK;
  while (rc == 0 && (at < kv->n_dirty || ls__rocks_iter_valid(iter))) {
    bool stored = ls__rocks_iter_valid(iter);
    int order = !stored ? -1 : at == kv->n_dirty ? 1 : merge_cmp(kv, &dirty[at], ls__rocks_iter_key(iter));
    if (order <= 0) {
      rc = call_for(kv, dirty[at++].row, fn, payload, err);
    } else {
      rc = fn(payload, ls__rocks_iter_key(iter), ls__rocks_iter_value(iter), err);
    }
    if (order >= 0) ls__rocks_iter_step(iter);
  }
  int end_rc = ls__rocks_iter_end(iter, rc != 0 ? NULL : err);
  ls__free(dirty);
  return rc != 0 ? rc : end_rc;
}
