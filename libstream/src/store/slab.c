/** @file slab.c  See slab.h. */
#include "store/slab.h"

#include "base/alloc.h"
#include "base/assert.h"

#define CLASS_LARGE     255u
#define FINE_UNITS      64u        /* classes 1..64 are their number of units */
#define LARGE_UNITS     (1u << 15) /* above: a chunk of its own */
#define CHUNK_UNITS_MIN (1u << 13) /* 64 KiB */
#define CHUNK_UNITS_MAX (1u << LS_SLAB_OFFSET_BITS)

/* A free block: value_len is its units. One of 1 unit is only a filler without a list. */
typedef struct free_block {
  ls_block head;
  ls_ref next;
} free_block;

static uint32_t log2_floor(uint32_t n) {
  return 31u - (uint32_t)__builtin_clz(n);
}

static uint32_t class_units(uint32_t size_class) {
  if (size_class <= FINE_UNITS) return size_class;
  uint32_t k = (size_class - FINE_UNITS - 1) / 8 + 6, eighth = (size_class - FINE_UNITS - 1) % 8 + 1;
  return (1u << k) + eighth * (1u << (k - 3));
}

/* Smallest class of at least so many units. */
static uint32_t class_for(uint32_t units) {
  if (units <= FINE_UNITS) return units < 2 ? 2 : units;
  uint32_t k = log2_floor(units - 1), step = 1u << (k - 3);
  return FINE_UNITS + (k - 6) * 8 + (units - (1u << k) + step - 1) / step;
}

/* Largest class whose blocks fit in so many units. */
static uint32_t class_within(uint32_t units) {
  if (units <= FINE_UNITS) return units;
  uint32_t k = log2_floor(units), size_class = FINE_UNITS + (k - 6) * 8 + (units - (1u << k)) / (1u << (k - 3));
  return size_class < LS_SLAB_CLASSES ? size_class : LS_SLAB_CLASSES - 1;
}

static uint32_t units_for(size_t n_bytes) {
  return (uint32_t)((n_bytes + 7) / 8);
}

void ls__slab_init(ls_slab *slab, size_t limit_bytes) {
  memset(slab, 0, sizeof *slab);
  slab->limit_bytes = limit_bytes;
}

void ls__slab_fini(ls_slab *slab) {
  for (size_t i = 0; i < slab->n_chunks; i++) ls__free(slab->chunks[i]);
  ls__free(slab->chunks);
  ls__free(slab->chunk_units);
  ls__buf_fini(&slab->idle_chunks);
  memset(slab, 0, sizeof *slab);
}

/* Number of a new chunk, or false when the limit or the last number is reached. */
static bool chunk_add(ls_slab *slab, uint32_t units, uint32_t *number) {
  size_t n_bytes = (size_t)units * 8;
  if (!ls__slab_may_grow(slab, n_bytes)) return false;
  if (slab->idle_chunks.len > 0) {
    slab->idle_chunks.len -= sizeof *number;
    memcpy(number, slab->idle_chunks.ptr + slab->idle_chunks.len, sizeof *number);
  } else {
    if (slab->n_chunks == UINT32_MAX >> LS_SLAB_OFFSET_BITS) return false;
    ls__grow(&slab->chunks, &slab->chunks_capacity, slab->n_chunks + 1, sizeof *slab->chunks);
    ls__grow(&slab->chunk_units, &slab->chunk_units_capacity, slab->n_chunks + 1, sizeof *slab->chunk_units);
    *number = (uint32_t)slab->n_chunks++;
  }
  slab->chunks[*number] = ls__alloc_huge(n_bytes);
  slab->chunk_units[*number] = units;
  slab->reserved_bytes += n_bytes;
  return true;
}

static void chunk_drop(ls_slab *slab, uint32_t number) {
  slab->reserved_bytes -= (size_t)slab->chunk_units[number] * 8;
  ls__free(slab->chunks[number]);
  slab->chunks[number] = NULL;
  slab->chunk_units[number] = 0;
  ls__buf_append(&slab->idle_chunks, &number, sizeof number);
}

static void list_push(ls_slab *slab, ls_ref ref, uint32_t units) {
  free_block *block = ls__slab_at(slab, ref);
  block->head = (ls_block){.value_len = units, .state = LS_BLOCK_FREE};
  if (units < 2) return;
  uint32_t size_class = class_within(units);
  block->next = slab->lists[size_class];
  slab->lists[size_class] = ref;
  slab->filled[size_class / 64] |= UINT64_C(1) << (size_class % 64);
}

static ls_ref list_pop(ls_slab *slab, uint32_t size_class) {
  ls_ref ref = slab->lists[size_class];
  slab->lists[size_class] = ((free_block *)ls__slab_at(slab, ref))->next;
  if (slab->lists[size_class] == 0) slab->filled[size_class / 64] &= ~(UINT64_C(1) << (size_class % 64));
  return ref;
}

/* First class from this one on that has a free block; LS_SLAB_CLASSES: none. */
static uint32_t filled_from(const ls_slab *slab, uint32_t size_class) {
  for (uint32_t word = size_class / 64; word < 3; word++) {
    uint64_t bits = slab->filled[word];
    if (word == size_class / 64) bits &= ~UINT64_C(0) << (size_class % 64);
    if (bits != 0) return word * 64 + (uint32_t)__builtin_ctzll(bits);
  }
  return LS_SLAB_CLASSES;
}

/* Takes a block of the class from a free list, the rest of a larger one goes back. */
static ls_ref take_free(ls_slab *slab, uint32_t size_class) {
  uint32_t found = filled_from(slab, size_class);
  if (found == LS_SLAB_CLASSES) return 0;
  ls_ref ref = list_pop(slab, found);
  uint32_t units = ((ls_block *)ls__slab_at(slab, ref))->value_len, wanted = class_units(size_class);
  if (units > wanted) list_push(slab, ref + wanted, units - wanted);
  return ref;
}

static uint32_t block_units(const ls_slab *slab, ls_ref ref) {
  const ls_block *block = ls__slab_at(slab, ref);
  if (block->state & LS_BLOCK_FREE) return block->value_len;
  return block->size_class == CLASS_LARGE ? slab->chunk_units[ref >> LS_SLAB_OFFSET_BITS]
                                          : class_units(block->size_class);
}

/* Where the blocks of a chunk end. */
static uint32_t chunk_end(const ls_slab *slab, uint32_t number) {
  return slab->has_bump && number == slab->bump_chunk ? slab->bump_at : slab->chunk_units[number];
}

/* Joins free neighbours in one chunk; a chunk without any block in use goes back to the heap. */
static void sweep_chunk(ls_slab *slab, uint32_t number) {
  uint32_t end = chunk_end(slab, number), first = number == 0 ? 1 : 0, at = first;
  ls_ref base = (ls_ref)number << LS_SLAB_OFFSET_BITS;
  bool is_bump = slab->has_bump && number == slab->bump_chunk;
  while (at < end) {
    uint32_t run = 0;
    while (at + run < end && ((ls_block *)ls__slab_at(slab, base + at + run))->state & LS_BLOCK_FREE) {
      run += block_units(slab, base + at + run);
    }
    if (run == 0) {
      at += block_units(slab, base + at);
    } else if (at == first && at + run == end && number != 0 && !is_bump) {
      chunk_drop(slab, number);
      return;
    } else {
      list_push(slab, base + at, run);
      at += run;
    }
  }
}

void ls__slab_sweep(ls_slab *slab) {
  memset(slab->lists, 0, sizeof slab->lists);
  memset(slab->filled, 0, sizeof slab->filled);
  slab->freed_units = 0;
  for (uint32_t number = 0; number < slab->n_chunks; number++) {
    if (slab->chunks[number] == NULL) continue;
    const ls_block *first = (const ls_block *)slab->chunks[number];
    if (number != 0 && first->size_class == CLASS_LARGE && !(first->state & LS_BLOCK_FREE)) continue;
    sweep_chunk(slab, number);
  }
}

/* A sweep reads all blocks: it is due when it can win a quarter, and not again before much more was freed. */
static bool sweep_due(const ls_slab *slab) {
  size_t free_bytes = slab->reserved_bytes - slab->live_bytes;
  return free_bytes > slab->reserved_bytes / 4 && slab->freed_units * 8 > slab->reserved_bytes / 8;
}

/* The rest of the chunk being cut becomes a free block, and a new chunk is begun. */
static bool bump_begin(ls_slab *slab, uint32_t units) {
  size_t wanted = slab->reserved_bytes / 8 / 8; /* an eighth more each time */
  uint32_t chunk_units = wanted < CHUNK_UNITS_MIN   ? CHUNK_UNITS_MIN
                         : wanted > CHUNK_UNITS_MAX ? CHUNK_UNITS_MAX
                                                    : (uint32_t)wanted;
  if (chunk_units < units + 1) chunk_units = units + 1;
  uint32_t number;
  if (!chunk_add(slab, chunk_units, &number)) {
    uint32_t least = units + 1 > CHUNK_UNITS_MIN ? units + 1 : CHUNK_UNITS_MIN; /* near the limit: what is left */
    if (chunk_units <= least || !chunk_add(slab, least, &number)) return false;
  }
  if (slab->has_bump && slab->bump_at < slab->chunk_units[slab->bump_chunk]) {
    list_push(slab, ((ls_ref)slab->bump_chunk << LS_SLAB_OFFSET_BITS) + slab->bump_at,
              slab->chunk_units[slab->bump_chunk] - slab->bump_at);
  }
  slab->has_bump = true;
  slab->bump_chunk = number;
  slab->bump_at = number == 0 ? 1 : 0; /* reference 0 is none */
  return true;
}

static ls_ref take_bump(ls_slab *slab, uint32_t units) {
  if (!slab->has_bump || slab->bump_at + units > slab->chunk_units[slab->bump_chunk]) return 0;
  ls_ref ref = ((ls_ref)slab->bump_chunk << LS_SLAB_OFFSET_BITS) + slab->bump_at;
  slab->bump_at += units;
  return ref;
}

static ls_ref alloc_slow(ls_slab *slab, uint32_t size_class) {
  uint32_t units = class_units(size_class);
  ls_ref ref = take_bump(slab, units);
  if (ref == 0) ref = take_free(slab, size_class);
  if (ref == 0 && sweep_due(slab)) {
    ls__slab_sweep(slab);
    ref = take_free(slab, size_class);
  }
  if (ref == 0 && bump_begin(slab, units)) ref = take_bump(slab, units);
  return ref;
}

static ls_ref alloc_large(ls_slab *slab, size_t n_bytes) {
  uint32_t number, units = units_for(n_bytes);
  if (slab->n_chunks == 0 && !bump_begin(slab, CHUNK_UNITS_MIN - 1)) return 0; /* chunk 0 has no block at its start */
  if (n_bytes > UINT32_MAX || !chunk_add(slab, units, &number)) return 0;
  ls_ref ref = (ls_ref)number << LS_SLAB_OFFSET_BITS;
  *(ls_block *)ls__slab_at(slab, ref) = (ls_block){.size_class = CLASS_LARGE};
  slab->live_bytes += (size_t)units * 8;
  return ref;
}

ls_ref ls__slab_alloc(ls_slab *slab, size_t n_bytes) {
  if (n_bytes > (size_t)LARGE_UNITS * 8) return alloc_large(slab, n_bytes);
  uint32_t size_class = class_for(units_for(n_bytes));
  ls_ref ref = slab->lists[size_class];
  if (ref != 0 && ((ls_block *)ls__slab_at(slab, ref))->value_len == class_units(size_class)) {
    list_pop(slab, size_class);
  } else {
    ref = alloc_slow(slab, size_class);
    if (ref == 0) return 0;
  }
  *(ls_block *)ls__slab_at(slab, ref) = (ls_block){.size_class = (uint8_t)size_class};
  slab->live_bytes += (size_t)class_units(size_class) * 8;
  return ref;
}

void ls__slab_free(ls_slab *slab, ls_ref ref) {
  const ls_block *block = ls__slab_at(slab, ref);
  ls_assert(!(block->state & LS_BLOCK_FREE));
  uint32_t units = block_units(slab, ref);
  slab->live_bytes -= (size_t)units * 8;
  if (block->size_class == CLASS_LARGE) {
    chunk_drop(slab, ref >> LS_SLAB_OFFSET_BITS);
    return;
  }
  slab->freed_units += units;
  list_push(slab, ref, units);
}

size_t ls__slab_capacity(const ls_slab *slab, ls_ref ref) {
  return (size_t)block_units(slab, ref) * 8;
}

size_t ls__slab_cost(size_t n_bytes) {
  if (n_bytes > (size_t)LARGE_UNITS * 8) return (size_t)units_for(n_bytes) * 8;
  return (size_t)class_units(class_for(units_for(n_bytes))) * 8;
}
