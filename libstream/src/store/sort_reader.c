/** @file sort_reader.c  Reading a sorter: a heap over the chunks and spilled runs of one partition. */
#include "store/sorter_internal.h"

#include "base/assert.h"

/* ---- heap ---- */

static bool cursor_before(bool keyed, const ls_sort_cursor *x, const ls_sort_cursor *y) {
  const ls_sort_entry *ex = &x->entries[x->at], *ey = &y->entries[y->at];
  if (ex->a != ey->a) return ex->a < ey->a;
  if (ex->b != ey->b) return ex->b < ey->b;
  if (keyed) {
    int order = ls__slice_cmp(ls__sort_chunk_key(x->chunk, ex->row), ls__sort_chunk_key(y->chunk, ey->row));
    if (order == 0) order = ls__stamp_cmp(x->chunk->batch->stamps[ex->row], y->chunk->batch->stamps[ey->row]);
    if (order != 0) return order < 0;
  }
  return x->arrival < y->arrival;
}

void ls__sort_heap_init(ls_sort_heap *heap, bool keyed, size_t n_cursors_max) {
  heap->keyed = keyed;
  heap->cursors = ls__calloc(n_cursors_max + 1, sizeof *heap->cursors);
  heap->storage = ls__calloc(n_cursors_max + 1, sizeof *heap->storage);
  heap->n = heap->n_storage = 0;
}

void ls__sort_heap_fini(ls_sort_heap *heap) {
  ls__free(heap->cursors);
  ls__free(heap->storage);
}

static void sift_down(ls_sort_heap *heap, size_t at) {
  ls_sort_cursor **c = heap->cursors, *moved = c[at];
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= heap->n) break;
    if (child + 1 < heap->n && cursor_before(heap->keyed, c[child + 1], c[child])) child++;
    if (!cursor_before(heap->keyed, c[child], moved)) break;
    c[at] = c[child];
    at = child;
  }
  c[at] = moved;
}

void ls__sort_heap_push(ls_sort_heap *heap, ls_sort_cursor *cursor) {
  size_t at = heap->n++;
  while (at > 0 && cursor_before(heap->keyed, cursor, heap->cursors[(at - 1) / 2])) {
    heap->cursors[at] = heap->cursors[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  heap->cursors[at] = cursor;
}

void ls__sort_heap_push_chunk(ls_sort_heap *heap, ls_sort_chunk *chunk, uint32_t partition, uint64_t arrival) {
  if (chunk->parts[partition].n == 0) return;
  ls_sort_cursor *cursor = &heap->storage[heap->n_storage++];
  *cursor = (ls_sort_cursor){
      .chunk = chunk, .entries = chunk->parts[partition].entries, .n = chunk->parts[partition].n, .arrival = arrival};
  ls__sort_heap_push(heap, cursor);
}

ls_sort_cursor *ls__sort_heap_top(const ls_sort_heap *heap) {
  return heap->n > 0 ? heap->cursors[0] : NULL;
}

void ls__sort_heap_settle(ls_sort_heap *heap) {
  ls_sort_cursor *top = heap->cursors[0];
  if (top->at == top->n) heap->cursors[0] = heap->cursors[--heap->n];
  if (heap->n > 0) sift_down(heap, 0);
}

/* ---- reader ---- */

struct ls_sort_reader {
  ls_sorter *sorter;
  uint32_t partition;
  ls_sort_heap heap;
  ls_taken_row *taken; /* rows taken, not yet gathered */
  size_t n_taken, taken_capacity;
  ls_sort_chunk **done; /* chunks passed, to be released after the next gather */
  size_t n_done, done_capacity;
};

/** Loads the next block of a spilled run as a chunk of its own. Leaves cursor->n 0 at the end of the run. */
static int cursor_refill(ls_sort_reader *reader, ls_sort_cursor *cursor, ls_error *err) {
  const ls_sorter_opts *opts = &reader->sorter->opts;
  cursor->at = cursor->n = 0;
  if (cursor->file_at == cursor->file_end) return LS_OK;
  ls_sort_chunk *chunk;
  LS_TRY(ls__spill_block_read(&chunk, opts->schema, cursor->run->fd, &cursor->file_at, cursor->file_end, err));
  ls__sort_chunk_as_sorted(chunk, opts->keyed);
  cursor->chunk = chunk;
  cursor->entries = chunk->parts[0].entries;
  cursor->n = chunk->parts[0].n;
  return LS_OK;
}

int ls__sort_reader_open(ls_sort_reader **out, ls_sorter *sorter, uint32_t partition, ls_error *err) {
  ls_assert(sorter->sealed);
  ls_sort_reader *reader = LS_NEW(ls_sort_reader);
  *out = reader;
  reader->sorter = sorter;
  reader->partition = partition;
  sorter->opened[partition] = true;
  ls__sort_heap_init(&reader->heap, sorter->opts.keyed, sorter->n_chunks + sorter->n_runs);
  /* chunks first: whatever fails below, the reader holds its share of each and close lets go of it */
  for (size_t i = 0; i < sorter->n_chunks; i++) {
    if (sorter->chunks[i]->parts[partition].n > 0) {
      ls__sort_heap_push_chunk(&reader->heap, sorter->chunks[i], partition, sorter->n_runs + i);
    } else {
      ls__sort_chunk_release(sorter->chunks[i]);
    }
  }
  for (size_t i = 0; i < sorter->n_runs; i++) {
    const ls_sort_run *run = &sorter->runs[i];
    ls_sort_cursor *cursor = &reader->heap.storage[reader->heap.n_storage++];
    *cursor = (ls_sort_cursor){
        .run = run, .arrival = i, .file_at = run->starts[partition], .file_end = run->starts[partition + 1]};
    LS_TRY(cursor_refill(reader, cursor, err));
    if (cursor->n > 0) ls__sort_heap_push(&reader->heap, cursor);
  }
  return LS_OK;
}

static void note_done(ls_sort_reader *reader, ls_sort_chunk *chunk) {
  ls__grow(&reader->done, &reader->done_capacity, reader->n_done + 1, sizeof *reader->done);
  reader->done[reader->n_done++] = chunk;
}

static void release_done(ls_sort_reader *reader) {
  for (size_t i = 0; i < reader->n_done; i++) ls__sort_chunk_release(reader->done[i]);
  reader->n_done = 0;
}

void ls__sort_reader_close(ls_sort_reader *reader) {
  if (reader == NULL) return;
  release_done(reader);
  for (size_t i = 0; i < reader->heap.n; i++) ls__sort_chunk_release(reader->heap.cursors[i]->chunk);
  ls__sort_heap_fini(&reader->heap);
  ls__free(reader->taken);
  ls__free(reader->done);
  ls__free(reader);
}

bool ls__sort_reader_peek(const ls_sort_reader *reader, ls_stamp *stamp) {
  const ls_sort_cursor *top = ls__sort_heap_top(&reader->heap);
  if (top == NULL) return false;
  *stamp = top->chunk->batch->stamps[top->entries[top->at].row];
  return true;
}

ls_slice ls__sort_reader_peek_key(const ls_sort_reader *reader) {
  const ls_sort_cursor *top = ls__sort_heap_top(&reader->heap);
  return ls__sort_chunk_key(top->chunk, top->entries[top->at].row);
}

/** Moves past the top row. */
static int reader_advance(ls_sort_reader *reader, ls_error *err) {
  ls_sort_cursor *top = ls__sort_heap_top(&reader->heap);
  int rc = LS_OK;
  if (++top->at == top->n) {
    note_done(reader, top->chunk);
    if (top->run != NULL) rc = cursor_refill(reader, top, err); /* when it fails the cursor is at its end */
  }
  ls__sort_heap_settle(&reader->heap);
  return rc;
}

int ls__sort_reader_take(ls_sort_reader *reader, ls_batch *out, ls_error *err) {
  (void)out;
  ls_sort_cursor *top = ls__sort_heap_top(&reader->heap);
  ls_taken_row taken = {top->chunk, top->chunk->batch->columns, top->entries[top->at].row};
  LS_TRY(reader_advance(reader, err));
  bool dropped = false;
  if (reader->sorter->opts.keep_last) {
    const ls_sort_cursor *next = ls__sort_heap_top(&reader->heap);
    dropped = next != NULL && ls__slice_eq(ls__sort_chunk_key(taken.chunk, taken.row),
                                           ls__sort_chunk_key(next->chunk, next->entries[next->at].row));
  }
  if (dropped) {
    if (reader->n_taken == 0) release_done(reader); /* a long run of equal keys holds no memory */
    return LS_OK;
  }
  ls__grow(&reader->taken, &reader->taken_capacity, reader->n_taken + 1, sizeof *reader->taken);
  reader->taken[reader->n_taken++] = taken;
  return LS_OK;
}

static inline void copy_values(char *to, const ls_taken_row *rows, size_t n, uint32_t field, size_t width) {
  for (size_t i = 0; i < n; i++, to += width)
    memcpy(to, (const char *)rows[i].columns[field].values + (size_t)rows[i].row * width, width);
}

static void gather_fixed(ls_column *column, const ls_taken_row *rows, size_t n, uint32_t field, size_t width) {
  int64_t start = column->n_rows;
  ls__column_resize(column, start + (int64_t)n);
  char *to = (char *)column->values + (size_t)start * width;
  switch (width) { /* constants: moves instead of calls */
  case 4:
    copy_values(to, rows, n, field, 4);
    break;
  case 8:
    copy_values(to, rows, n, field, 8);
    break;
  default:
    copy_values(to, rows, n, field, 16);
    break;
  }
  for (size_t i = 0; i < n; i++) {
    if (ls__is_null(&rows[i].columns[field], rows[i].row)) ls__column_set_null(column, start + (int64_t)i);
  }
}

static void gather_bytes(ls_column *column, const ls_taken_row *rows, size_t n, uint32_t field) {
  int64_t first = column->n_rows, n_bytes = 0;
  for (size_t i = 0; i < n; i++) {
    const ls_column *from = &rows[i].columns[field];
    ls_slice value = ls__column_slice(from, rows[i].row);
    n_bytes += (int64_t)value.len;
    __builtin_prefetch(value.ptr);
  }
  ls__column_reserve(column, (int64_t)n);
  ls__column_reserve_bytes(column, n_bytes);
  for (size_t i = 0; i < n; i++) {
    const ls_column *from = &rows[i].columns[field];
    if (ls__is_null(from, rows[i].row)) {
      ls__column_append_null(column);
      continue;
    }
    ls_slice value = ls__column_slice(from, rows[i].row);
    int64_t row = first + (int64_t)i;
    ls__copy_short((char *)column->values + column->offsets[row], value.ptr, value.len);
    column->offsets[row + 1] = column->offsets[row] + (int32_t)value.len;
    if (column->validity != NULL) LS_BIT_SET(column->validity, row);
    column->n_rows++;
  }
}

void ls__sort_gather(ls_batch *out, const ls_taken_row *rows, size_t n_rows) {
  for (uint32_t field = 0; field < out->schema->n_fields; field++) {
    ls_column *column = &out->columns[field];
    size_t width = ls__type_width(column->type);
    if (width > 0) {
      gather_fixed(column, rows, n_rows, field, width);
    } else if (column->type->kind == LS_STRING || column->type->kind == LS_BYTES) {
      gather_bytes(column, rows, n_rows, field);
    } else {
      for (size_t i = 0; i < n_rows; i++) ls__column_append_from(column, &rows[i].columns[field], rows[i].row);
    }
  }
  for (size_t i = 0; i < n_rows; i++) {
    const ls_batch *batch = rows[i].chunk->batch;
    ls__batch_append_meta(out, batch->ts_us[rows[i].row], batch->stamps[rows[i].row]);
  }
}

int ls__sort_reader_flush(ls_sort_reader *reader, ls_batch *out, ls_error *err) {
  (void)err;
  ls__sort_gather(out, reader->taken, reader->n_taken);
  reader->n_taken = 0;
  release_done(reader);
  return LS_OK;
}
