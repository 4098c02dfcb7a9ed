/**
 * @file alloc.c
 * The only callers of malloc. Budgets bound memory before it is asked for, so a failure here is
 * the end of the process, not a path that every caller would have to test (docs/adr/0002).
 */
#include "base/alloc.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

static _Noreturn void out_of_memory(size_t n_bytes) {
  fprintf(stderr, "level=error room=base event=out_of_memory bytes=%zu\n", n_bytes);
  abort();
}

void *ls__alloc(size_t n_bytes) {
  void *ptr = malloc(n_bytes ? n_bytes : 1);
  if (!ptr) out_of_memory(n_bytes);
  return ptr;
}

void *ls__alloc_huge(size_t n_bytes) {
  if (n_bytes % HUGE_PAGE_BYTES != 0 || n_bytes == 0) return ls__alloc(n_bytes);
  void *ptr = aligned_alloc(HUGE_PAGE_BYTES, n_bytes);
  if (!ptr) out_of_memory(n_bytes);
  (void)madvise(ptr, n_bytes, MADV_HUGEPAGE); /* a hint: without it all works the same */
  return ptr;
}

void *ls__calloc(size_t n, size_t size) {
  void *ptr = calloc(n ? n : 1, size ? size : 1);
  if (!ptr) out_of_memory(n * size);
  return ptr;
}

void *ls__realloc(void *ptr, size_t n_bytes) {
  void *grown = realloc(ptr, n_bytes ? n_bytes : 1);
  if (!grown) out_of_memory(n_bytes);
  return grown;
}

void ls__free(void *ptr) {
  free(ptr);
}

char *ls__strdup(const char *text) {
  return ls__strndup(text, strlen(text));
}

char *ls__strndup(const char *text, size_t len) {
  char *copy = ls__alloc(len + 1);
  if (len) memcpy(copy, text, len);
  copy[len] = '\0';
  return copy;
}

void ls__grow(void *array_ptr, size_t *capacity, size_t n_needed, size_t element_size) {
  if (n_needed <= *capacity) return;
  size_t n = *capacity < 8 ? 8 : *capacity * 2;
  if (n < n_needed) n = n_needed;
  if (element_size && n > SIZE_MAX / element_size) out_of_memory(SIZE_MAX);
  /* array_ptr is the address of a typed pointer: copied bytewise so that no type is punned */
  void *array;
  memcpy(&array, array_ptr, sizeof array);
  array = ls__realloc(array, n * element_size);
  memcpy(array_ptr, &array, sizeof array);
  *capacity = n;
}
