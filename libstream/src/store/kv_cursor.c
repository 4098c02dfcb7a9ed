/**
 * @file kv_cursor.c
 * The entries of a store in key order: an index of the rows in memory, merged with RocksDB when that has rows that memory has
 * not. The index stays with the store: what is read at the end of input is often read twice.
 */
#include "store/kv_cursor.h"

#include <string.h>

#include "base/assert.h"
#include "store/store_internal.h"

#define PREFETCH_ROWS 8

/** 8 key bytes, big-endian, from where the keys begin to differ: most comparisons end there. */
typedef struct indexed_row {
  uint64_t head;
  const ls_block *row;
} indexed_row;

/** The rows in memory, sorted. */
struct ls_key_index {
  indexed_row *rows;
  size_t n;
  uint64_t n_writes; /* of the memtable when the index was made */
};

struct ls_kv_cursor {
  ls_kv *kv;
  ls_key_index *index;
  size_t at;
  ls_rocks_iter *iter; /* NULL: memory has all rows */
  bool step_iter;      /* the iterator stands on an entry that was given out or hidden */
};

uint64_t ls__store_key_head(ls_slice key) {
  unsigned char head[8] = {0};
  uint64_t number;
  if (key.len > 0) memcpy(head, key.ptr, key.len < sizeof head ? key.len : sizeof head);
  memcpy(&number, head, sizeof number);
  return __builtin_bswap64(number);
}

static ls_slice key_of(const ls_kv *kv, const indexed_row *x) {
  return ls__entry_key(&kv->rows, x->row);
}

/** Length of the prefix that both have. */
static size_t common_bytes(ls_slice x, ls_slice y, size_t max) {
  size_t n = x.len < y.len ? x.len : y.len, at = 0;
  if (n > max) n = max;
  while (at < n && x.ptr[at] == y.ptr[at]) at++;
  return at;
}

/** Lists the rows (those not in RocksDB as they are, when it is merged), and fills their heads. */
static void list_rows(ls_key_index *index, const ls_kv *kv, bool merged) {
  uint8_t want = merged ? LS_ROW_DIRTY : 0, hide = merged ? 0 : LS_ROW_ABSENT;
  size_t prefix = SIZE_MAX;
  for (size_t slot = ls__memtable_next(&kv->rows, 0); slot != LS_MEMTABLE_NONE;
       slot = ls__memtable_next(&kv->rows, slot + 1)) {
    const ls_block *row = ls__memtable_entry(&kv->rows, slot);
    if ((row->state & want) != want || (row->state & hide) != 0) continue;
    index->rows[index->n++].row = row;
    prefix = common_bytes(key_of(kv, &index->rows[0]), ls__entry_key(&kv->rows, row), prefix);
  }
  for (size_t i = 0; i < index->n; i++) {
    if (i + PREFETCH_ROWS < index->n) __builtin_prefetch(index->rows[i + PREFETCH_ROWS].row);
    ls_slice key = key_of(kv, &index->rows[i]);
    index->rows[i].head = ls__store_key_head((ls_slice){key.ptr + prefix, key.len - prefix});
  }
}

/** Sorts by head, byte by byte from the last; bytes that all heads share cost nothing. Returns whichever array has the result. */
static indexed_row *sort_by_head(indexed_row *from, indexed_row *spare, size_t n) {
  for (int shift = 0; shift < 64 && n > 1; shift += 8) {
    size_t starts[257] = {0};
    for (size_t i = 0; i < n; i++) starts[((from[i].head >> shift) & 255) + 1]++;
    if (starts[((from[0].head >> shift) & 255) + 1] == n) continue;
    for (size_t b = 1; b < 256; b++) starts[b] += starts[b - 1];
    for (size_t i = 0; i < n; i++) spare[starts[(from[i].head >> shift) & 255]++] = from[i];
    indexed_row *swap = from;
    from = spare;
    spare = swap;
  }
  return from;
}

/** Sorts rows of one head by their keys: merge sort, the result in rows. spare has room for n. */
static void sort_by_key(const ls_kv *kv, indexed_row *rows, indexed_row *spare, size_t n) {
  indexed_row *from = rows;
  for (size_t width = 1; width < n; width *= 2) {
    for (size_t low = 0; low < n; low += 2 * width) {
      size_t mid = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
      size_t i = low, k = mid, at = low;
      while (i < mid && k < high) {
        spare[at++] = ls__slice_cmp(key_of(kv, &from[k]), key_of(kv, &from[i])) < 0 ? from[k++] : from[i++];
      }
      while (i < mid) spare[at++] = from[i++];
      while (k < high) spare[at++] = from[k++];
    }
    indexed_row *swap = from;
    from = spare;
    spare = swap;
  }
  if (from != rows) memcpy(rows, from, n * sizeof *rows);
}

static ls_key_index *index_new(const ls_kv *kv, bool merged) {
  ls_key_index *index = LS_NEW(ls_key_index);
  size_t n_max = kv->rows.n + 1;
  index->n_writes = kv->rows.n_writes;
  index->rows = ls__alloc(n_max * sizeof *index->rows);
  list_rows(index, kv, merged);
  indexed_row *spare = ls__alloc(n_max * sizeof *spare), *sorted = sort_by_head(index->rows, spare, index->n);
  if (sorted == spare) {
    spare = index->rows;
    index->rows = sorted;
  }
  for (size_t first = 0, end; first < index->n; first = end) {
    for (end = first + 1; end < index->n && sorted[end].head == sorted[first].head; end++) {
    }
    if (end - first > 1) sort_by_key(kv, sorted + first, spare, end - first);
  }
  ls__free(spare);
  return index;
}

void ls__key_index_free(ls_key_index *index) {
  if (index == NULL) return;
  ls__free(index->rows);
  ls__free(index);
}

void ls__kv_cursor_open(ls_kv_cursor **out, ls_kv *kv) {
  ls_kv_cursor *cursor = LS_NEW(ls_kv_cursor);
  *out = cursor;
  cursor->kv = kv;
  if (!kv->complete) cursor->iter = ls__rocks_iter_new(kv->set->db, kv->family, ls__buf_slice(&kv->set->prefix));
  bool as_it_was = kv->index != NULL && kv->complete && kv->index->n_writes == kv->rows.n_writes;
  if (!as_it_was) ls__key_index_free(kv->index);
  cursor->index = as_it_was ? kv->index : index_new(kv, cursor->iter != NULL);
  kv->index = NULL; /* the cursor's, until it is closed */
}

void ls__store_set_cursor(ls_kv_cursor **out, const ls_store_set *set, const char *store) {
  ls_kv *kv = set->kvs;
  while (kv != NULL && strcmp(kv->name, store) != 0) kv = kv->next;
  ls_assert(kv != NULL);
  ls__kv_cursor_open(out, kv);
}

/** Takes the next row of memory; false: it hides what RocksDB has, and is nothing itself. */
static bool take_row(ls_kv_cursor *cursor, ls_slice *key, ls_slice *value) {
  const indexed_row *next = &cursor->index->rows[cursor->at++];
  if (cursor->at + PREFETCH_ROWS <= cursor->index->n) {
    const char *ahead = (const char *)next[PREFETCH_ROWS].row;
    __builtin_prefetch(ahead);
    __builtin_prefetch(ahead + 64);
    __builtin_prefetch(ahead + 128);
  }
  *key = key_of(cursor->kv, next);
  *value = ls__entry_value(&cursor->kv->rows, next->row);
  return !(next->row->state & LS_ROW_ABSENT);
}

int ls__kv_cursor_next(ls_kv_cursor *cursor, ls_slice *key, ls_slice *value) {
  for (;;) {
    if (cursor->step_iter) ls__rocks_iter_step(cursor->iter);
    cursor->step_iter = false;
    bool stored = cursor->iter != NULL && ls__rocks_iter_valid(cursor->iter), cached = cursor->at < cursor->index->n;
    if (!stored && !cached) return 0;
    int order = !stored   ? -1
                : !cached ? 1
                          : ls__slice_cmp(key_of(cursor->kv, &cursor->index->rows[cursor->at]),
                                          ls__rocks_iter_key(cursor->iter));
    cursor->step_iter = order >= 0;
    if (order <= 0) {
      if (take_row(cursor, key, value)) return 1;
      continue;
    }
    *key = ls__rocks_iter_key(cursor->iter);
    *value = ls__rocks_iter_value(cursor->iter);
    return 1;
  }
}

int ls__kv_cursor_close(ls_kv_cursor *cursor, ls_error *err) {
  if (cursor == NULL) return LS_OK;
  int rc = cursor->iter != NULL ? ls__rocks_iter_end(cursor->iter, err) : LS_OK;
  ls__key_index_free(cursor->kv->index); /* of another cursor that was open too */
  cursor->kv->index = cursor->index;
  ls__free(cursor);
  return rc;
}
