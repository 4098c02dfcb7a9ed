/** @file window_queue.c  Rows of a window buffer by time. */
#include "store/window_internal.h"

#define ARITY        4u
#define CAPACITY_MIN 16u

void ls__window_queue_fini(ls_window_queue *queue) {
  ls__free(queue->ring);
  ls__free(queue->heap);
  *queue = (ls_window_queue){0};
}

static const ls_due_row *ring_at(const ls_window_queue *queue, size_t i) {
  return &queue->ring[(queue->ring_first + i) & (queue->ring_capacity - 1)];
}

static bool goes_to_ring(const ls_window_queue *queue, int64_t ts_us) {
  return queue->n_ring == 0 || ring_at(queue, queue->n_ring - 1)->ts_us <= ts_us;
}

size_t ls__window_queue_growth(const ls_window_queue *queue, int64_t ts_us) {
  bool ring = goes_to_ring(queue, ts_us);
  size_t n = ring ? queue->n_ring : queue->n_heap, capacity = ring ? queue->ring_capacity : queue->heap_capacity;
  if (n < capacity) return 0;
  return (capacity == 0 ? CAPACITY_MIN : capacity) * sizeof(ls_due_row);
}

static void ring_grow(ls_window_queue *queue) {
  size_t capacity = queue->ring_capacity == 0 ? CAPACITY_MIN : queue->ring_capacity * 2;
  ls_due_row *ring = ls__alloc(capacity * sizeof *ring);
  for (size_t i = 0; i < queue->n_ring; i++) ring[i] = *ring_at(queue, i);
  ls__free(queue->ring);
  queue->ring = ring;
  queue->ring_first = 0;
  queue->ring_capacity = capacity;
}

static void heap_grow(ls_window_queue *queue) {
  queue->heap_capacity = queue->heap_capacity == 0 ? CAPACITY_MIN : queue->heap_capacity * 2;
  queue->heap = ls__realloc(queue->heap, queue->heap_capacity * sizeof *queue->heap);
}

size_t ls__window_queue_push(ls_window_queue *queue, int64_t ts_us, ls_ref row) {
  size_t grown = ls__window_queue_growth(queue, ts_us);
  if (goes_to_ring(queue, ts_us)) {
    if (grown > 0) ring_grow(queue);
    queue->ring[(queue->ring_first + queue->n_ring++) & (queue->ring_capacity - 1)] = (ls_due_row){ts_us, row};
    return grown;
  }
  if (grown > 0) heap_grow(queue);
  size_t at = queue->n_heap++;
  while (at > 0 && ts_us < queue->heap[(at - 1) / ARITY].ts_us) {
    queue->heap[at] = queue->heap[(at - 1) / ARITY];
    at = (at - 1) / ARITY;
  }
  queue->heap[at] = (ls_due_row){ts_us, row};
  return grown;
}

int64_t ls__window_queue_min_ts(const ls_window_queue *queue) {
  int64_t least = queue->n_ring > 0 ? ring_at(queue, 0)->ts_us : INT64_MAX;
  return queue->n_heap > 0 && queue->heap[0].ts_us < least ? queue->heap[0].ts_us : least;
}

static ls_ref heap_pop(ls_window_queue *queue) {
  ls_ref row = queue->heap[0].row;
  ls_due_row moved = queue->heap[--queue->n_heap];
  size_t at = 0;
  for (;;) {
    size_t first = at * ARITY + 1, least = first;
    if (first >= queue->n_heap) break;
    for (size_t child = first + 1; child < first + ARITY && child < queue->n_heap; child++) {
      if (queue->heap[child].ts_us < queue->heap[least].ts_us) least = child;
    }
    if (queue->heap[least].ts_us >= moved.ts_us) break;
    queue->heap[at] = queue->heap[least];
    at = least;
  }
  queue->heap[at] = moved;
  return row;
}

ls_ref ls__window_queue_pop(ls_window_queue *queue) {
  if (queue->n_heap > 0 && (queue->n_ring == 0 || queue->heap[0].ts_us < ring_at(queue, 0)->ts_us))
    return heap_pop(queue);
  ls_ref row = ring_at(queue, 0)->row;
  queue->ring_first = (queue->ring_first + 1) & (queue->ring_capacity - 1);
  queue->n_ring--;
  return row;
}

size_t ls__window_queue_filter(ls_window_queue *queue, bool (*stays)(void *payload, ls_ref row), void *payload) {
  size_t n_ring = queue->n_ring, n_heap = queue->n_heap, grown = 0;
  queue->n_ring = queue->n_heap = 0;
  for (size_t i = 0; i < n_ring; i++) { /* what stays moves to the front, in its order */
    ls_due_row due = *ring_at(queue, i);
    if (stays(payload, due.row)) queue->ring[(queue->ring_first + queue->n_ring++) & (queue->ring_capacity - 1)] = due;
  }
  for (size_t i = 0; i < n_heap; i++) { /* pushed to at most where it has been read */
    ls_due_row due = queue->heap[i];
    if (stays(payload, due.row)) grown += ls__window_queue_push(queue, due.ts_us, due.row);
  }
  return grown;
}
