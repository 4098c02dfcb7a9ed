/**
 * @file kv.c
 * Key-value stores. The memory backend is a memtable and nothing else; with a changelog it notes what
 * was written, and with RocksDB the same memtable is a write-back cache (both: kv_rocks.c).
 */
#include "store/kv_cursor.h"
#include "store/store_internal.h"

int ls__kv_open(ls_kv **out, ls_store_set *set, const char *name, ls_store_backend backend, uint64_t fingerprint,
                ls_error *err) {
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
  ls__key_index_free(kv->index);
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

void ls__kv_prefetch(ls_kv *kv, uint64_t hash) {
  ls__memtable_prefetch(&kv->rows, hash);
}

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

static int scan_in_key_order(ls_kv *kv, ls_kv_scan_fn fn, void *payload, ls_error *err) {
  ls_kv_cursor *cursor;
  ls_slice key, value;
  int rc = LS_OK;
  ls__kv_cursor_open(&cursor, kv);
  while (rc == 0 && ls__kv_cursor_next(cursor, &key, &value) == 1) rc = fn(payload, key, value, err);
  int end_rc = ls__kv_cursor_close(cursor, rc != 0 ? NULL : err);
  return rc != 0 ? rc : end_rc;
}

int ls__kv_scan(ls_kv *kv, bool ordered, ls_kv_scan_fn fn, void *payload, ls_error *err) {
  if (!kv->complete) return ls__kv_rocks_scan(kv, fn, payload, err);
  return ordered ? scan_in_key_order(kv, fn, payload, err) : scan_in_slot_order(kv, fn, payload, err);
}

uint64_t ls__kv_count(const ls_kv *kv) {
  return kv->noted ? kv->count : kv->rows.n;
}
