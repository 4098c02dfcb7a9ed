/** @file hash.h  Hashing (fixed seed: the same results in every run), a string map. */
#ifndef LS_BASE_HASH_H
#define LS_BASE_HASH_H
#include <libstream/common.h>

uint64_t ls__hash64(ls_slice bytes);
void ls__hash128(ls_slice bytes, uint64_t out[2]);

/** Map from short text to pointer; insertion order is kept, so iteration is deterministic. */
typedef struct ls_strmap_entry {
  const char *key;
  void *value;
} ls_strmap_entry;
typedef struct ls_strmap {
  ls_strmap_entry *entries; /* n, in insertion order; keys are owned copies */
  size_t n, capacity;
  uint32_t *slots; /* index+1, 0 = free */
  size_t n_slots;
} ls_strmap;
void ls__strmap_fini(ls_strmap *map);
void *ls__strmap_get(const ls_strmap *map, const char *key);       /* NULL: absent */
bool ls__strmap_put(ls_strmap *map, const char *key, void *value); /* false: was there, unchanged */
/** Nearest of n names to word by edit distance, or NULL when none is near enough to be meant. */
const char *ls__nearest_name(const char *word, const char *const *names, size_t n);
#endif
