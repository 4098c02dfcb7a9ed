/**
 * @file slab.h
 * Heap of a store set: blocks named by 32-bit references instead of pointers, so that indexes and
 * links cost 4 bytes. Blocks never move while they live.
 *
 * Chunks are cut into blocks of size classes (every 8 bytes up to 512, then eighths of powers of
 * two). A freed block goes to the list of its class; a larger free block is split when the list of
 * a class is empty; before a new chunk is taken and much is free, a sweep joins free neighbours. A
 * block above 256 KiB is a chunk of its own. One owner thread.
 */
#ifndef LS_STORE_SLAB_H
#define LS_STORE_SLAB_H
#include "base/buf.h"

typedef uint32_t ls_ref; /* 0: none */

/** First 8 bytes of every block. size_class and the FREE bit of state belong to the slab. */
typedef struct ls_block {
  uint32_t value_len;
  uint16_t key_len;
  uint8_t size_class;
  uint8_t state;
} ls_block;
#define LS_BLOCK_FREE 0x80u

#define LS_SLAB_CLASSES     137
#define LS_SLAB_OFFSET_BITS 18 /* in units of 8 bytes: chunks of up to 2 MiB, 32 GiB in all */
#define LS_SLAB_OFFSET_MASK ((1u << LS_SLAB_OFFSET_BITS) - 1)

typedef struct ls_slab {
  char **chunks; /* by number; NULL: returned to the heap */
  uint32_t *chunk_units;
  size_t n_chunks, chunks_capacity, chunk_units_capacity;
  ls_ref lists[LS_SLAB_CLASSES]; /* free blocks of at least the class's size */
  uint64_t filled[3];            /* bit per class: its list is not empty */
  uint32_t bump_chunk, bump_at;  /* the chunk being cut for the first time */
  bool has_bump;
  ls_buf idle_chunks;    /* numbers (uint32_t) to use again */
  size_t reserved_bytes; /* held from the heap */
  size_t live_bytes;     /* of blocks in use */
  size_t freed_units;    /* since the last sweep */
  size_t other_bytes;    /* arrays of the stores: counted here, so that one limit holds for all */
  size_t limit_bytes;    /* of reserved_bytes + other_bytes */
} ls_slab;

void ls__slab_init(ls_slab *slab, size_t limit_bytes);
void ls__slab_fini(ls_slab *slab);
/** A block for n_bytes (header included), its ls_block zero but for the class; 0 when the limit is reached. */
ls_ref ls__slab_alloc(ls_slab *slab, size_t n_bytes);
void ls__slab_free(ls_slab *slab, ls_ref ref);
/** Joins all free neighbours. Reads every block. */
void ls__slab_sweep(ls_slab *slab);
/** Bytes that a block has (at least those asked for). */
size_t ls__slab_capacity(const ls_slab *slab, ls_ref ref);
/** Bytes that a block for n_bytes would take. */
size_t ls__slab_cost(size_t n_bytes);
/** Whether the limit leaves room for n_bytes more of arrays. */
static inline bool ls__slab_may_grow(const ls_slab *slab, size_t n_bytes) {
  return slab->reserved_bytes + slab->other_bytes + n_bytes <= slab->limit_bytes;
}

static inline void *ls__slab_at(const ls_slab *slab, ls_ref ref) {
  return slab->chunks[ref >> LS_SLAB_OFFSET_BITS] + (size_t)(ref & LS_SLAB_OFFSET_MASK) * 8;
}
#endif
