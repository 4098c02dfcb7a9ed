/**
 * @file memtable.h
 * Hash table from key bytes to value bytes on a slab. Key-value stores keep their rows in it,
 * window buffers the root of each key's tree.
 *
 * Index: one array of 8-byte slots (32 bits of the hash, reference of the entry), sorted by hash
 * bits with gaps, so a lookup reads one or two cache lines of it, a miss ends at the first larger
 * hash, and growing never touches an entry. A walk in slot order depends on the keys and on the
 * order of the writes alone. Entry: 8 bytes of header, `extra` bytes of the owner, key, value.
 */
#ifndef LS_STORE_MEMTABLE_H
#define LS_STORE_MEMTABLE_H
#include "store/slab.h"

typedef struct ls_memtable {
  ls_slab *slab;
  uint64_t *slots; /* hash bits << 32 | reference; 0: empty */
  size_t n_home;   /* slots that hashes map to */
  size_t n_slots;  /* and some more for what is pushed past the end; the last one is always empty */
  size_t n;
  size_t n_max;       /* above this the index grows */
  uint32_t extra;     /* bytes between header and key that belong to the owner */
  uint64_t recent[8]; /* prefetched slots whose entries are prefetched a few calls later */
  uint32_t n_prefetched;
  uint64_t n_writes; /* entries may have come, gone or moved when it is another */
} ls_memtable;

#define LS_MEMTABLE_NONE SIZE_MAX

void ls__memtable_init(ls_memtable *table, ls_slab *slab, uint32_t extra);
void ls__memtable_fini(ls_memtable *table); /* the index; the slab keeps the entries */
/** Slot of the key, or LS_MEMTABLE_NONE. */
size_t ls__memtable_find(const ls_memtable *table, ls_slice key, uint64_t hash);
/** Bytes that the index would grow by for one more entry; 0 mostly. */
size_t ls__memtable_growth(const ls_memtable *table);
/** Adds a key that is not there; its value is empty with room for value_len. Slot, or LS_MEMTABLE_NONE at the limit. */
size_t ls__memtable_add(ls_memtable *table, ls_slice key, uint64_t hash, size_t value_len);
/** Sets the value; the entry may move to another block (its slot stays). False at the limit, nothing is changed
 *  then; a value that fits in the block is never refused. */
bool ls__memtable_set(ls_memtable *table, size_t slot, ls_slice value);
/** Takes an entry out and frees it. Slots of others may change. */
void ls__memtable_remove(ls_memtable *table, size_t slot);
/** Frees all entries. */
void ls__memtable_clear(ls_memtable *table);
void ls__memtable_prefetch(ls_memtable *table, uint64_t hash);

static inline ls_ref ls__memtable_ref(const ls_memtable *table, size_t slot) {
  return (ls_ref)table->slots[slot];
}
static inline ls_block *ls__memtable_entry(const ls_memtable *table, size_t slot) {
  return ls__slab_at(table->slab, (ls_ref)table->slots[slot]);
}
static inline char *ls__entry_extra(ls_block *entry) {
  return (char *)(entry + 1);
}
static inline ls_slice ls__entry_key(const ls_memtable *table, const ls_block *entry) {
  return (ls_slice){(const char *)(entry + 1) + table->extra, entry->key_len};
}
static inline ls_slice ls__entry_value(const ls_memtable *table, const ls_block *entry) {
  return (ls_slice){(const char *)(entry + 1) + table->extra + entry->key_len, entry->value_len};
}
/** First used slot from `slot` on, or LS_MEMTABLE_NONE. Prefetches entries a few slots ahead. */
static inline size_t ls__memtable_next(const ls_memtable *table, size_t slot) {
  for (; slot < table->n_slots; slot++) {
    if (slot + 12 < table->n_slots && table->slots[slot + 12] != 0) {
      __builtin_prefetch(ls__slab_at(table->slab, (ls_ref)table->slots[slot + 12]));
    }
    if (table->slots[slot] != 0) return slot;
  }
  return LS_MEMTABLE_NONE;
}
#endif
