/**
 * @file alloc.h
 * Heap in one place. Memory is bounded by budgets, not by malloc failing, so a failed allocation
 * ends the process with a message (docs/adr/0002). Every other room uses arenas or these.
 */
#ifndef LS_BASE_ALLOC_H
#define LS_BASE_ALLOC_H
#include <stddef.h>

void *ls__alloc(size_t n_bytes); /* never NULL; not zeroed */
void *ls__alloc_huge(
    size_t n_bytes); /* never NULL; not zeroed. For megabytes that are read at random: huge pages where there are */
void *ls__calloc(size_t n, size_t size);      /* never NULL; zeroed */
void *ls__realloc(void *ptr, size_t n_bytes); /* never NULL */
void ls__free(void *ptr);
char *ls__strdup(const char *text);
char *ls__strndup(const char *text, size_t len);
#define LS_NEW(type) ((type *)ls__calloc(1, sizeof(type)))

/** Grows `*array` (element size) so that it holds at least n_needed; doubles. Keeps *capacity. */
void ls__grow(void *array_ptr, size_t *capacity, size_t n_needed, size_t element_size);
#endif
