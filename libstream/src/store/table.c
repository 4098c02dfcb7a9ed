/**
 * @file table.c
 * Tables: a key-value store that can be read as of a stamp of the current slice. For each key changed
 * in the slice the values before its changes are kept in an arena until the slice ends.
 */
#include "store/store_internal.h"

/** Value of a key until a change. */
typedef struct change {
  ls_stamp stamp;
  ls_slice before;
  bool was_there;
} change;

/** A key changed in this slice; its changes by stamp. */
typedef struct changed_key {
  ls_slice key;
  uint64_t hash;
  change *changes;
  size_t n, capacity;
} changed_key;

struct ls_table {
  ls_table *next;
  ls_kv *kv;
  bool has_readers;
  ls_arena arena;      /* of this slice's changes */
  changed_key **slots; /* open addressing by hash */
  size_t n_slots, n_changed;
  ls_stamp last;        /* largest stamp of this slice's changes */
  size_t counted_bytes; /* of arena and slots in the set's memory */
};

int ls__table_open(ls_table **out, ls_store_set *set, const char *name, ls_store_backend backend, uint64_t fingerprint,
                   bool has_readers, ls_error *err) {
  ls_table *table = LS_NEW(ls_table), **last = &set->tables;
  while (*last != NULL) last = &(*last)->next;
  *last = table;
  *out = table;
  table->has_readers = has_readers;
  ls__arena_init(&table->arena, 0);
  return ls__kv_open(&table->kv, set, name, backend, fingerprint, err);
}

void ls__table_free(ls_table *table) {
  ls__arena_fini(&table->arena);
  ls__free(table->slots);
  ls__free(table);
}

ls_table *ls__table_next(ls_table *table) {
  return table->next;
}

/** Slot of the key's changes, or the empty one where they would go. */
static changed_key **change_slot(const ls_table *table, ls_slice key, uint64_t hash) {
  size_t at = (size_t)(hash * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (table->n_slots - 1);
  while (table->slots[at] != NULL && (table->slots[at]->hash != hash || !ls__slice_eq(table->slots[at]->key, key))) {
    at = (at + 1) & (table->n_slots - 1);
  }
  return &table->slots[at];
}

static void slots_grow(ls_table *table) {
  changed_key **old = table->slots;
  size_t n_old = table->n_slots;
  table->n_slots = n_old == 0 ? 256 : n_old * 2;
  table->slots = ls__calloc(table->n_slots, sizeof *table->slots);
  for (size_t i = 0; i < n_old; i++) {
    if (old[i] != NULL) *change_slot(table, old[i]->key, old[i]->hash) = old[i];
  }
  ls__free(old);
}

static void count_memory(ls_table *table) {
  size_t bytes = table->arena.reserved_bytes + table->n_slots * sizeof *table->slots;
  table->kv->set->slab.other_bytes += bytes - table->counted_bytes;
  table->counted_bytes = bytes;
}

static ls_slice keep_bytes(ls_table *table, ls_slice bytes) {
  return (ls_slice){ls__arena_strndup(&table->arena, bytes.ptr, bytes.len), bytes.len};
}

/** Keeps what the key holds before a change. Changes of one stamp are one: nobody reads between them. */
static int note_change(ls_table *table, ls_slice key, uint64_t hash, ls_stamp stamp, ls_error *err) {
  if (table->n_changed * 2 >= table->n_slots) slots_grow(table);
  changed_key **slot = change_slot(table, key, hash), *changed = *slot;
  if (changed != NULL && ls__stamp_cmp(changed->changes[changed->n - 1].stamp, stamp) >= 0) return LS_OK;
  ls_slice before = {NULL, 0};
  int found = ls__kv_get(&before, table->kv, key, hash, err);
  if (found < 0) return found;
  if (changed == NULL) {
    changed = *slot = LS_ARENA_NEW(&table->arena, changed_key);
    changed->key = keep_bytes(table, key);
    changed->hash = hash;
    if (table->n_changed++ == 0 || ls__stamp_cmp(table->last, stamp) < 0) table->last = stamp;
  } else if (ls__stamp_cmp(table->last, stamp) < 0) {
    table->last = stamp;
  }
  if (changed->n == changed->capacity) {
    size_t capacity = changed->capacity == 0 ? 1 : changed->capacity * 2;
    changed->changes =
        ls__arena_regrow(&table->arena, changed->changes, changed->n * sizeof(change), capacity * sizeof(change));
    changed->capacity = capacity;
  }
  changed->changes[changed->n++] = (change){stamp, keep_bytes(table, before), found == 1};
  count_memory(table);
  return LS_OK;
}

int ls__table_put(ls_table *table, ls_slice key, uint64_t hash, ls_slice value, ls_stamp stamp, ls_error *err) {
  if (table->has_readers) LS_TRY(note_change(table, key, hash, stamp, err));
  return ls__kv_put(table->kv, key, hash, value, err);
}

int ls__table_delete(ls_table *table, ls_slice key, uint64_t hash, ls_stamp stamp, ls_error *err) {
  if (table->has_readers) LS_TRY(note_change(table, key, hash, stamp, err));
  return ls__kv_delete(table->kv, key, hash, err);
}

int ls__table_get(ls_slice *out, ls_table *table, ls_slice key, uint64_t hash, ls_error *err) {
  return ls__kv_get(out, table->kv, key, hash, err);
}

/** First change whose stamp compares to the given one as `least` at least (1: after it, 0: of it or after); NULL: none. */
static const change *change_from(const changed_key *changed, ls_stamp stamp, int least) {
  size_t low = 0, high = changed->n;
  while (low < high) {
    size_t mid = (low + high) / 2;
    if (ls__stamp_cmp(changed->changes[mid].stamp, stamp) >= least)
      high = mid;
    else
      low = mid + 1;
  }
  return low < changed->n ? &changed->changes[low] : NULL;
}

static int get_past(ls_slice *out, ls_table *table, ls_slice key, uint64_t hash, ls_stamp stamp, int least,
                    ls_error *err) {
  if (table->n_changed > 0 && ls__stamp_cmp(table->last, stamp) >= least) {
    const changed_key *changed = *change_slot(table, key, hash);
    const change *after = changed != NULL ? change_from(changed, stamp, least) : NULL;
    if (after != NULL) {
      *out = after->before;
      return after->was_there ? 1 : 0;
    }
  }
  return ls__kv_get(out, table->kv, key, hash, err);
}

int ls__table_get_as_of(ls_slice *out, ls_table *table, ls_slice key, uint64_t hash, ls_stamp stamp, ls_error *err) {
  return get_past(out, table, key, hash, stamp, 1, err);
}

int ls__table_get_before(ls_slice *out, ls_table *table, ls_slice key, uint64_t hash, ls_stamp stamp, ls_error *err) {
  return get_past(out, table, key, hash, stamp, 0, err);
}

void ls__table_end_slice(ls_table *table) {
  if (table->n_changed == 0) return;
  memset(table->slots, 0, table->n_slots * sizeof *table->slots);
  table->n_changed = 0;
  ls__arena_reset(&table->arena);
  count_memory(table);
}

int ls__table_scan(ls_table *table, bool ordered, ls_kv_scan_fn fn, void *payload, ls_error *err) {
  return ls__kv_scan(table->kv, ordered, fn, payload, err);
}

uint64_t ls__table_count(const ls_table *table) {
  return ls__kv_count(table->kv);
}

void ls__table_prefetch(ls_table *table, uint64_t hash) {
  ls__kv_prefetch(table->kv, hash);
}
