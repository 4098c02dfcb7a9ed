/** @file memtable.c  See memtable.h. */
#include "store/memtable.h"

#include <string.h>

#include "base/alloc.h"

#define HOME_MIN     64u
#define PAST_END_MIN 16u

/* Partitions are cut from the hash too, so the bits that are alike in one task are mixed away. */
static uint64_t index_bits(uint64_t hash) {
  return (hash * UINT64_C(0x9E3779B97F4A7C15)) >> 32;
}

static size_t home_of(const ls_memtable *table, uint64_t bits) {
  return (size_t)((bits * table->n_home) >> 32);
}

void ls__memtable_init(ls_memtable *table, ls_slab *slab, uint32_t extra) {
  memset(table, 0, sizeof *table);
  table->slab = slab;
  table->extra = extra;
}

static void set_slots(ls_memtable *table, uint64_t *slots, size_t n_home, size_t n_slots) {
  table->slab->other_bytes += (n_slots - table->n_slots) * sizeof *slots;
  table->slots = slots;
  table->n_home = n_home;
  table->n_slots = n_slots;
  table->n_max = n_home / 8 * 7;
}

void ls__memtable_fini(ls_memtable *table) {
  ls__free(table->slots);
  set_slots(table, NULL, 0, 0);
  table->n = 0;
}

static bool entry_is(const ls_memtable *table, ls_ref ref, ls_slice key) {
  const ls_block *entry = ls__slab_at(table->slab, ref);
  if (entry->key_len != key.len) return false;
  return key.len == 0 || memcmp(ls__entry_key(table, entry).ptr, key.ptr, key.len) == 0;
}

size_t ls__memtable_find(const ls_memtable *table, ls_slice key, uint64_t hash) {
  if (table->n == 0) return LS_MEMTABLE_NONE;
  uint64_t bits = index_bits(hash);
  for (size_t at = home_of(table, bits);; at++) {
    uint64_t slot = table->slots[at];
    if (slot == 0 || slot >> 32 > bits) return LS_MEMTABLE_NONE;
    if (slot >> 32 == bits && entry_is(table, (ls_ref)slot, key)) return at;
  }
}

void ls__memtable_prefetch(ls_memtable *table, uint64_t hash) {
  if (table->n == 0) return;
  uint64_t *oldest = &table->recent[table->n_prefetched++ % 8], bits = index_bits(*oldest);
  for (size_t at = home_of(table, bits); table->slots[at] != 0 && table->slots[at] >> 32 <= bits; at++) {
    if (table->slots[at] >> 32 != bits) continue;
    const char *entry = ls__slab_at(table->slab, (ls_ref)table->slots[at]);
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + 64);
    break;
  }
  *oldest = hash;
  __builtin_prefetch(&table->slots[home_of(table, index_bits(hash))]);
}

/* Old and new array are both in hash order: one pass over each. */
static void rebuild(ls_memtable *table, size_t n_home) {
  size_t n_slots = n_home + PAST_END_MIN + n_home / 64, last = 0;
  uint64_t *slots = ls__calloc(n_slots, sizeof *slots);
  for (size_t i = 0; i < table->n_slots; i++) {
    if (table->slots[i] == 0) continue;
    size_t at = (size_t)(((table->slots[i] >> 32) * n_home) >> 32);
    if (at < last) at = last;
    if (at + 1 >= n_slots) { /* one slot stays empty behind the last */
      slots = ls__realloc(slots, n_slots * 2 * sizeof *slots);
      memset(slots + n_slots, 0, n_slots * sizeof *slots);
      n_slots *= 2;
    }
    slots[at] = table->slots[i];
    last = at + 1;
  }
  ls__free(table->slots);
  set_slots(table, slots, n_home, n_slots);
}

static size_t next_home(const ls_memtable *table) {
  return table->n_home == 0 ? HOME_MIN : table->n_home + table->n_home / 2;
}

size_t ls__memtable_growth(const ls_memtable *table) {
  if (table->n < table->n_max) return 0;
  size_t n_home = next_home(table);
  return (n_home + PAST_END_MIN + n_home / 64 - table->n_slots) * sizeof *table->slots;
}

/* Puts a slot where hash order wants it and pushes the ones behind it one further. */
static size_t slot_insert(ls_memtable *table, uint64_t bits, ls_ref ref) {
  size_t at = home_of(table, bits);
  while (table->slots[at] != 0 && table->slots[at] >> 32 <= bits) at++;
  size_t gap = at;
  while (table->slots[gap] != 0) gap++;
  if (gap + 1 >= table->n_slots) {
    size_t n_slots = table->n_slots + table->n_slots / 4;
    uint64_t *slots = ls__realloc(table->slots, n_slots * sizeof *slots);
    memset(slots + table->n_slots, 0, (n_slots - table->n_slots) * sizeof *slots);
    set_slots(table, slots, table->n_home, n_slots);
  }
  memmove(&table->slots[at + 1], &table->slots[at], (gap - at) * sizeof *table->slots);
  table->slots[at] = bits << 32 | ref;
  table->n++;
  return at;
}

size_t ls__memtable_add(ls_memtable *table, ls_slice key, uint64_t hash, size_t value_len) {
  table->n_writes++;
  if (table->n >= table->n_max) {
    if (!ls__slab_may_grow(table->slab, ls__memtable_growth(table))) return LS_MEMTABLE_NONE;
    rebuild(table, next_home(table));
  }
  ls_ref ref = ls__slab_alloc(table->slab, sizeof(ls_block) + table->extra + key.len + value_len);
  if (ref == 0) return LS_MEMTABLE_NONE;
  ls_block *entry = ls__slab_at(table->slab, ref);
  entry->key_len = (uint16_t)key.len;
  if (table->extra > 0) memset(ls__entry_extra(entry), 0, table->extra);
  if (key.len > 0) memcpy((char *)(entry + 1) + table->extra, key.ptr, key.len);
  return slot_insert(table, index_bits(hash), ref);
}

bool ls__memtable_set(ls_memtable *table, size_t slot, ls_slice value) {
  table->n_writes++;
  ls_ref ref = ls__memtable_ref(table, slot);
  ls_block *entry = ls__slab_at(table->slab, ref);
  size_t before = sizeof *entry + table->extra + entry->key_len, capacity = ls__slab_capacity(table->slab, ref);
  bool fits = before + value.len <= capacity, is_loose = fits && ls__slab_cost(before + value.len) * 2 < capacity;
  ls_ref moved_ref = fits && !is_loose ? 0 : ls__slab_alloc(table->slab, before + value.len);
  if (moved_ref == 0) {
    if (!fits) return false;
    if (value.len > 0) memmove((char *)entry + before, value.ptr, value.len);
    entry->value_len = (uint32_t)value.len;
    return true;
  }
  ls_block *moved = ls__slab_at(table->slab, moved_ref);
  moved->key_len = entry->key_len;
  moved->state = entry->state;
  moved->value_len = (uint32_t)value.len;
  memcpy(moved + 1, entry + 1, before - sizeof *entry);
  if (value.len > 0) memcpy((char *)moved + before, value.ptr, value.len);
  ls__slab_free(table->slab, ref);
  table->slots[slot] = (table->slots[slot] & ~UINT64_C(0xFFFFFFFF)) | moved_ref;
  return true;
}

void ls__memtable_remove(ls_memtable *table, size_t slot) {
  table->n_writes++;
  ls__slab_free(table->slab, ls__memtable_ref(table, slot));
  size_t end = slot + 1; /* those behind that are not at home move one back */
  while (table->slots[end] != 0 && home_of(table, table->slots[end] >> 32) < end) end++;
  memmove(&table->slots[slot], &table->slots[slot + 1], (end - slot - 1) * sizeof *table->slots);
  table->slots[end - 1] = 0;
  table->n--;
}

void ls__memtable_clear(ls_memtable *table) {
  table->n_writes++;
  for (size_t i = 0; i < table->n_slots; i++) {
    if (table->slots[i] != 0) ls__slab_free(table->slab, (ls_ref)table->slots[i]);
  }
  ls__memtable_fini(table);
}
