/**
 * @file arena.c
 * Blocks are of two kinds. Small ones, all of block_bytes, are filled by bumping `next`. An
 * allocation of more than half a block gets a block of its own (large), put behind the current
 * one so that the rest of the current block stays in use. reset moves all to the spare lists;
 * large blocks that one whole cycle did not need go back to the heap, so that one big batch does
 * not pin its memory for ever.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

#define ARENA_BLOCK_BYTES_DEFAULT ((size_t)64 * 1024)
#define ARENA_ALIGN               ((size_t)16)

struct ls_arena_block {
  ls_arena_block *next;
  size_t n_bytes; /* behind the header */
};
/* The header keeps what follows aligned as malloc gave it. */
_Static_assert(sizeof(ls_arena_block) % 16 == 0, "arena blocks must keep 16-byte alignment");

static size_t align_up(size_t n) {
  return (n + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
}
static char *block_data(ls_arena_block *block) {
  return (char *)(block + 1);
}

static ls_arena_block *block_new(ls_arena *arena, size_t n_bytes) {
  ls_arena_block *block = ls__alloc(sizeof *block + n_bytes);
  block->n_bytes = n_bytes;
  block->next = NULL;
  arena->reserved_bytes += n_bytes;
  return block;
}

static void chain_free(ls_arena *arena, ls_arena_block **chain) {
  while (*chain) {
    ls_arena_block *block = *chain;
    *chain = block->next;
    arena->reserved_bytes -= block->n_bytes;
    ls__free(block);
  }
}

/* Puts a block into the used chain without making it the one that is filled. */
static void chain_behind_current(ls_arena *arena, ls_arena_block *block) {
  if (arena->current) {
    block->next = arena->current->next;
    arena->current->next = block;
  } else {
    block->next = NULL;
    arena->current = block; /* next == end: the first small allocation starts a block */
  }
}

void ls__arena_init(ls_arena *arena, size_t block_bytes) {
  memset(arena, 0, sizeof *arena);
  arena->block_bytes = block_bytes ? align_up(block_bytes) : ARENA_BLOCK_BYTES_DEFAULT;
}

void ls__arena_fini(ls_arena *arena) {
  chain_free(arena, &arena->current);
  chain_free(arena, &arena->spare);
  chain_free(arena, &arena->spare_large);
  arena->next = arena->end = NULL;
  arena->used_bytes = 0;
}

#ifdef LS_ARENA_DEBUG

void ls__arena_reset(ls_arena *arena) {
  ls__arena_fini(arena);
}

void *ls__arena_alloc(ls_arena *arena, size_t n_bytes) {
  ls_arena_block *block = block_new(arena, n_bytes); /* exact size: ASan sees one byte too far */
  chain_behind_current(arena, block);
  arena->used_bytes += align_up(n_bytes);
  return block_data(block);
}

#else

void ls__arena_reset(ls_arena *arena) {
  chain_free(arena, &arena->spare_large);
  while (arena->current) {
    ls_arena_block *block = arena->current;
    arena->current = block->next;
    ls_arena_block **spare = block->n_bytes == arena->block_bytes ? &arena->spare : &arena->spare_large;
    block->next = *spare;
    *spare = block;
  }
  arena->next = arena->end = NULL;
  arena->used_bytes = 0;
}

/* Smallest spare large block that holds n_bytes without wasting more than half of it. */
static ls_arena_block *spare_large_take(ls_arena *arena, size_t n_bytes) {
  ls_arena_block **best = NULL;
  for (ls_arena_block **p = &arena->spare_large; *p; p = &(*p)->next) {
    size_t size = (*p)->n_bytes;
    if (size >= n_bytes && size / 2 <= n_bytes && (!best || size < (*best)->n_bytes)) best = p;
  }
  if (!best) return NULL;
  ls_arena_block *block = *best;
  *best = block->next;
  return block;
}

static void *alloc_slow(ls_arena *arena, size_t n_bytes) {
  if (n_bytes > arena->block_bytes / 2) {
    ls_arena_block *block = spare_large_take(arena, n_bytes);
    if (!block) {
      /* never of the small blocks' size, which tells the two kinds apart in reset */
      size_t size = n_bytes == arena->block_bytes ? n_bytes + ARENA_ALIGN : n_bytes;
      block = block_new(arena, size);
    }
    chain_behind_current(arena, block);
    return block_data(block);
  }
  ls_arena_block *block = arena->spare;
  if (block) {
    arena->spare = block->next;
  } else {
    block = block_new(arena, arena->block_bytes);
  }
  block->next = arena->current;
  arena->current = block;
  arena->next = block_data(block) + n_bytes;
  arena->end = block_data(block) + block->n_bytes;
  return block_data(block);
}

void *ls__arena_alloc(ls_arena *arena, size_t n_bytes) {
  size_t n = align_up(n_bytes ? n_bytes : 1);
  ls_assert(n >= n_bytes); /* a size close to SIZE_MAX wrapped around */
  arena->used_bytes += n;
  if ((size_t)(arena->end - arena->next) >= n) {
    char *ptr = arena->next;
    arena->next = ptr + n;
    return ptr;
  }
  return alloc_slow(arena, n);
}

#endif

void *ls__arena_regrow(ls_arena *arena, void *old, size_t old_bytes, size_t new_bytes) {
  if (new_bytes <= old_bytes) return old;
  size_t old_n = align_up(old_bytes), new_n = align_up(new_bytes);
  /* in place when it is the last allocation of the current block; in debug mode next is NULL */
  if (old && old_bytes > 0 && arena->next && (char *)old + old_n == arena->next &&
      (size_t)(arena->end - arena->next) >= new_n - old_n) {
    arena->next += new_n - old_n;
    arena->used_bytes += new_n - old_n;
    return old;
  }
  void *grown = ls__arena_alloc(arena, new_bytes);
  if (old && old_bytes) memcpy(grown, old, old_bytes);
  return grown;
}

void *ls__arena_zalloc(ls_arena *arena, size_t n_bytes) {
  return memset(ls__arena_alloc(arena, n_bytes), 0, n_bytes);
}

char *ls__arena_strdup(ls_arena *arena, const char *text) {
  return ls__arena_strndup(arena, text, strlen(text));
}

char *ls__arena_strndup(ls_arena *arena, const char *text, size_t len) {
  char *copy = ls__arena_alloc(arena, len + 1);
  if (len) memcpy(copy, text, len);
  copy[len] = '\0';
  return copy;
}

char *ls__arena_printf(ls_arena *arena, const char *fmt, ...) {
  va_list args, again;
  va_start(args, fmt);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, fmt, args);
  va_end(args);
  ls_assert(n >= 0);
  char *text = ls__arena_alloc(arena, (size_t)n + 1);
  vsnprintf(text, (size_t)n + 1, fmt, again);
  va_end(again);
  return text;
}
