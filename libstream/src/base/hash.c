/** @file hash.c  XXH3 with a fixed seed, the string map, and the nearest name for messages. */
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <ctype.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"

/* Part of partitioning and store layouts: never changes. */
#define HASH_SEED    UINT64_C(0x6c73747265616d31)
#define NAME_LEN_MAX 127

uint64_t ls__hash64(ls_slice bytes) {
  return XXH3_64bits_withSeed(bytes.len ? bytes.ptr : "", bytes.len, HASH_SEED);
}

void ls__hash128(ls_slice bytes, uint64_t out[2]) {
  XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.len ? bytes.ptr : "", bytes.len, HASH_SEED);
  out[0] = hash.low64;
  out[1] = hash.high64;
}

static uint64_t key_hash(const char *key) {
  return ls__hash64((ls_slice){key, strlen(key)});
}

/* Slot of the key, or the free slot where it belongs. The table is never full. */
static size_t slot_find(const ls_strmap *map, const char *key) {
  size_t slot = (size_t)key_hash(key) & (map->n_slots - 1);
  while (map->slots[slot] && strcmp(map->entries[map->slots[slot] - 1].key, key) != 0)
    slot = (slot + 1) & (map->n_slots - 1);
  return slot;
}

static void slots_grow(ls_strmap *map) {
  ls__free(map->slots);
  map->n_slots = map->n_slots ? map->n_slots * 2 : 16;
  map->slots = ls__calloc(map->n_slots, sizeof *map->slots);
  for (size_t i = 0; i < map->n; i++) map->slots[slot_find(map, map->entries[i].key)] = (uint32_t)(i + 1);
}

void ls__strmap_fini(ls_strmap *map) {
  for (size_t i = 0; i < map->n; i++) ls__free((char *)(uintptr_t)map->entries[i].key);
  ls__free(map->entries);
  ls__free(map->slots);
  memset(map, 0, sizeof *map);
}

void *ls__strmap_get(const ls_strmap *map, const char *key) {
  if (map->n == 0) return NULL;
  uint32_t index = map->slots[slot_find(map, key)];
  return index ? map->entries[index - 1].value : NULL;
}

bool ls__strmap_put(ls_strmap *map, const char *key, void *value) {
  if ((map->n + 1) * 2 > map->n_slots) slots_grow(map);
  size_t slot = slot_find(map, key);
  if (map->slots[slot]) return false;
  ls__grow(&map->entries, &map->capacity, map->n + 1, sizeof *map->entries);
  map->entries[map->n++] = (ls_strmap_entry){ls__strdup(key), value};
  map->slots[slot] = (uint32_t)map->n;
  return true;
}

static int lower(char c) {
  return tolower((unsigned char)c);
}

static size_t min3(size_t a, size_t b, size_t c) {
  size_t least = a < b ? a : b;
  return least < c ? least : c;
}

/* Edits (insert, delete, replace, swap of neighbours) from a to b, without regard to case. */
static size_t edit_distance(const char *a, size_t len_a, const char *b, size_t len_b) {
  size_t rows[3][NAME_LEN_MAX + 1];
  size_t *before = rows[0], *last = rows[1], *now = rows[2];
  for (size_t j = 0; j <= len_b; j++) last[j] = j;
  for (size_t i = 1; i <= len_a; i++) {
    now[0] = i;
    for (size_t j = 1; j <= len_b; j++) {
      bool same = lower(a[i - 1]) == lower(b[j - 1]);
      now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + !same);
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]) &&
          before[j - 2] + 1 < now[j])
        now[j] = before[j - 2] + 1;
    }
    size_t *reused = before;
    before = last;
    last = now;
    now = reused;
  }
  return last[len_b];
}

/* Whether one is the last dotted part of the other: risk_level, merchants.risk_level. */
static bool dotted_tail(const char *word, size_t len, const char *name, size_t name_len) {
  const char *longer = len > name_len ? word : name, *shorter = len > name_len ? name : word;
  size_t n_longer = len > name_len ? len : name_len, n = len > name_len ? name_len : len;
  return n > 0 && n_longer > n && longer[n_longer - n - 1] == '.' && strcmp(longer + n_longer - n, shorter) == 0;
}

const char *ls__nearest_name(const char *word, const char *const *names, size_t n) {
  size_t len = strlen(word), limit = len / 3 ? len / 3 : 1, nearest = limit + 1;
  const char *best = NULL, *tail = NULL, *prefixed = NULL;
  if (len == 0 || len > NAME_LEN_MAX) return NULL;
  for (size_t i = 0; i < n; i++) {
    size_t name_len = strlen(names[i]);
    if (name_len == 0) continue;
    if (!tail && dotted_tail(word, len, names[i], name_len)) tail = names[i];
    size_t common = len < name_len ? len : name_len;
    if (!prefixed && common >= 3 && strncmp(word, names[i], common) == 0) prefixed = names[i];
    size_t gap = len > name_len ? len - name_len : name_len - len;
    if (name_len > NAME_LEN_MAX || gap >= nearest) continue;
    size_t distance = edit_distance(word, len, names[i], name_len);
    /* replacing all letters of a short word is another word, not a slip */
    if (distance < nearest && distance < (len > name_len ? len : name_len)) {
      nearest = distance;
      best = names[i];
    }
  }
  return best ? best : tail ? tail : prefixed;
}
