/**
 * @file kv.c
 * Key-value stores. The memory backend is a memtable and nothing else; with a changelog it notes what
 * was written, and with RocksDB the same memtable is a write-back cache (both: kv_rocks.c).
 */
#include "store/store_internal.h"

int ls__kv_open(ls_kv **out, ls_store_set *set, const char *name, ls_store_backend backend, uint64_t fingerprint, ls_error *err) {
  LS_TRY(ls__store_check_open(set, name, backend, err));
  ls_kv *kv = LS_NEW(ls_kv), **last = &set->kvs;
  while (*last != NULL) last = &(*last)->next;
  *last = kv;
  *out = kv;
  kv->set = set;
  kv->name = ls__strdup(name);
  ls__store_set_add(set, (ls_store_item){.kv = kv});
  kv->scratch = ls__rocks_is_scratch(set->db);
  kv->noted = backend == LS_STORE_ROCKSDB || set->logged;
  kv->complete = true;
  ls__memtable_init(&kv->rows, &set->slab, kv->noted && !kv->scratch ? sizeof(uint32_t) : 0);
  return backend == LS_STORE_ROCKSDB ? ls__kv_rocks_open(kv, fingerprint, err) : LS_OK;
}

void ls__kv_free(ls_kv *kv) {
  ls__memtable_fini(&kv->rows);
  ls__free(kv->dirty);
  ls__free(kv->name);
  ls__free(kv);
}

int ls__kv_get(ls_slice *out, ls_kv *kv, ls_slice key, uint64_t hash, ls_error *err) {
  size_t slot;
  if (!kv->noted) {
    slot = ls__memtable_find(&kv->rows, key, hash);
    if (slot == LS_MEMTABLE_NONE) return 0;
  } else {
    LS_TRY(ls__kv_rocks_find(&slot, kv, key, hash, err));
    if (slot == LS_MEMTABLE_NONE || ls__memtable_entry(&kv->rows, slot)->state & LS_ROW_ABSENT) return 0;
    kv->held = ls__memtable_ref(&kv->rows, slot);
  }
  *out = ls__entry_value(&kv->rows, ls__memtable_entry(&kv->rows, slot));
  return 1;
}

int ls__store_check_sizes(const char *store, size_t key_len, size_t value_len, ls_error *err) {
  if (key_len > LS_STORE_KEY_BYTES_MAX) {
    return ls_error_set(err, LS_EDATA, "store '%s': the key has %zu bytes, at most %u are stored", store, key_len,
                        LS_STORE_KEY_BYTES_MAX);
  }
  if (value_len > LS_STORE_VALUE_BYTES_MAX) {
    return ls_error_set(err, LS_EDATA, "store '%s': the row has %zu bytes, at most %u are stored", store, value_len,
                        LS_STORE_VALUE_BYTES_MAX);
  }
  return LS_OK;
}

int ls__kv_put(ls_kv *kv, ls_slice key, uint64_t hash, ls_slice value, ls_error *err) {
  if (key.len > LS_STORE_KEY_BYTES_MAX || value.len > LS_STORE_VALUE_BYTES_MAX) {
    return ls__store_check_sizes(kv->name, key.len, value.len, err);
  }
  if (kv->noted) return ls__kv_rocks_put(kv, key, hash, value, false, err);
  kv->set->memory_written = true;
  size_t slot = ls__memtable_find(&kv->rows, key, hash);
  if (slot == LS_MEMTABLE_NONE) slot = ls__memtable_add(&kv->rows, key, hash, value.len);
  if (slot == LS_MEMTABLE_NONE || !ls__memtable_set(&kv->rows, slot, value)) {
    return ls__store_set_over_budget(kv->set, kv->name, err);
  }
  return LS_OK;
}

int ls__kv_delete(ls_kv *kv, ls_slice key, uint64_t hash, ls_error *err) {
  if (key.len > LS_STORE_KEY_BYTES_MAX) return LS_OK; /* never stored */
  if (kv->noted) return ls__kv_rocks_put(kv, key, hash, (ls_slice){NULL, 0}, true, err);
  size_t slot = ls__memtable_find(&kv->rows, key, hash);
  if (slot == LS_MEMTABLE_NONE) return LS_OK;
  kv->set->memory_written = true;
  ls__memtable_remove(&kv->rows, slot);
  return LS_OK;
}

void ls__kv_prefetch(ls_kv *kv, uint64_t hash) { ls__memtable_prefetch(&kv->rows, hash); }

static int scan_in_slot_order(ls_kv *kv, ls_kv_scan_fn fn, void *payload, ls_error *err) {
  const ls_memtable *rows = &kv->rows;
  for (size_t slot = ls__memtable_next(rows, 0); slot != LS_MEMTABLE_NONE; slot = ls__memtable_next(rows, slot + 1)) {
    const ls_block *row = ls__memtable_entry(rows, slot);
    if (row->state & LS_ROW_ABSENT) continue;
    int rc = fn(payload, ls__entry_key(rows, row), ls__entry_value(rows, row), err);
    if (rc != 0) return rc;
  }
  return LS_OK;
}

/* ---- ordered scans: an index of all rows by key, for the time of the scan ---- */

typedef struct ordered_row {
  uint64_t head; /* first 8 key bytes, big-endian: most comparisons end here */
  const ls_block *row;
} ordered_row;

static bool row_before(const ls_memtable *rows, const ordered_row *x, const ordered_row *y) {
  if (x->head != y->head) return x->head < y->head;
  return ls__slice_cmp(ls__entry_key(rows, x->row), ls__entry_key(rows, y->row)) < 0;
}

/** Merge sort, bottom up. spare has room for n. Returns whichever array holds the result. */
static ordered_row *sort_rows(const ls_memtable *rows, ordered_row *from, ordered_row *spare, size_t n) {
  for (size_t width = 1; width < n; width *= 2) {
    for (size_t low = 0; low < n; low += 2 * width) {
      size_t mid = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
      size_t i = low, k = mid, at = low;
      while (i < mid && k < high) spare[at++] = row_before(rows, &from[k], &from[i]) ? from[k++] : from[i++];
      while (i < mid) spare[at++] = from[i++];
      while (k < high) spare[at++] = from[k++];
    }
    ordered_row *swap = from;
    from = spare;
    spare = swap;
  }
  return from;
}

uint64_t ls__store_key_head(ls_slice key) {
  unsigned char head[8] = {0};
  uint64_t number;
  if (key.len > 0) memcpy(head, key.ptr, key.len < sizeof head ? key.len : sizeof head);
  memcpy(&number, head, sizeof number);
  return __builtin_bswap64(number);
}

static int scan_in_key_order(ls_kv *kv, ls_kv_scan_fn fn, void *payload, ls_error *err) {
  const ls_memtable *rows = &kv->rows;
  ordered_row *order = ls__alloc((2 * rows->n + 1) * sizeof *order);
  size_t n = 0;
  for (size_t slot = ls__memtable_next(rows, 0); slot != LS_MEMTABLE_NONE; slot = ls__memtable_next(rows, slot + 1)) {
    const ls_block *row = ls__memtable_entry(rows, slot);
    if (row->state & LS_ROW_ABSENT) continue;
    order[n++] = (ordered_row){ls__store_key_head(ls__entry_key(rows, row)), row};
  }
  const ordered_row *sorted = sort_rows(rows, order, order + rows->n, n);
  int rc = LS_OK;
  for (size_t i = 0; i < n && rc == 0; i++) {
    rc = fn(payload, ls__entry_key(rows, sorted[i].row), ls__entry_value(rows, sorted[i].row), err);
  }
  ls__free(order);
  return rc;
}

int ls__kv_scan(ls_kv *kv, bool ordered, ls_kv_scan_fn fn, void *payload, ls_error *err) {
  if (!kv->complete) return ls__kv_rocks_scan(kv, fn, payload, err);
  return ordered ? scan_in_key_order(kv, fn, payload, err) : scan_in_slot_order(kv, fn, payload, err);
}

uint64_t ls__kv_count(const ls_kv *kv) { return kv->noted ? kv->count : kv->rows.n; }
