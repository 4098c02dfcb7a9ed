/**
 * @file arena.h
 * Bump allocator by lifetime. Not thread-safe: one owner thread. reset keeps the blocks for reuse.
 * -DLS_ARENA_DEBUG (set in sanitizer builds) gives each allocation its own heap block so that ASan
 * sees overruns.
 */
#ifndef LS_BASE_ARENA_H
#define LS_BASE_ARENA_H
#include <libstream/common.h>

typedef struct ls_arena_block ls_arena_block;
typedef struct ls_arena {
  ls_arena_block *current;     /* block being filled, head of the chain of used blocks */
  ls_arena_block *spare;       /* blocks kept by reset */
  ls_arena_block *spare_large; /* the same, of allocations above half a block; sizes differ */
  char *next, *end;            /* free part of the current block */
  size_t block_bytes;          /* size of a new block, default 64 KiB */
  size_t used_bytes;           /* handed out since reset */
  size_t reserved_bytes;       /* held from the heap */
} ls_arena;

void ls__arena_init(ls_arena *arena, size_t block_bytes /* 0: default */);
void ls__arena_fini(ls_arena *arena);
void ls__arena_reset(ls_arena *arena);
void *ls__arena_alloc(ls_arena *arena, size_t n_bytes); /* 16-byte aligned, not zeroed */
void *ls__arena_zalloc(ls_arena *arena, size_t n_bytes);
/** Grows an allocation of old_bytes: in place when it is the last one, else a copy; the old memory
 *  stays readable until reset. What is new is not zeroed. old may be NULL with old_bytes 0. */
void *ls__arena_regrow(ls_arena *arena, void *old, size_t old_bytes, size_t new_bytes);
char *ls__arena_strdup(ls_arena *arena, const char *text);
char *ls__arena_strndup(ls_arena *arena, const char *text, size_t len); /* NUL added */
char *ls__arena_printf(ls_arena *arena, const char *fmt, ...) LS_PRINTF(2, 3);
#define LS_ARENA_NEW(arena, type)      ((type *)ls__arena_zalloc((arena), sizeof(type)))
#define LS_ARENA_ARRAY(arena, type, n) ((type *)ls__arena_zalloc((arena), sizeof(type) * (size_t)(n)))
#endif
