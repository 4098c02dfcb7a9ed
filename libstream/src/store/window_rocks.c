/**
 * @file window_rocks.c
 * Window buffers on disk. Key: task prefix, key bytes, ts, stamp (big-endian, sign turned over, so
 * that a key's rows are in order); value: flags, value bytes.
 */
#include "store/window_internal.h"

#define TAIL_BYTES 24u /* ts, stamp */

static uint64_t sortable(int64_t number) { return __builtin_bswap64((uint64_t)number ^ UINT64_C(1) << 63); }
static int64_t unsortable(const char *bytes) {
  uint64_t number;
  memcpy(&number, bytes, sizeof number);
  return (int64_t)(__builtin_bswap64(number) ^ UINT64_C(1) << 63);
}

/** Appends the RocksDB key of a row. */
static void append_key(ls_buf *out, const ls_window *window, const ls_window_entry *entry) {
  ls_buf prefix = LS_BUF_INIT;
  ls__rocks_task_prefix(&prefix, window->set->task_name);
  uint64_t tail[3] = {sortable(entry->ts_us), sortable(entry->stamp.ts_us), __builtin_bswap64(entry->stamp.seq)};
  ls__buf_append(out, prefix.ptr, prefix.len);
  ls__buf_append(out, entry->key.ptr, entry->key.len);
  ls__buf_append(out, tail, sizeof tail);
  ls__buf_fini(&prefix);
}

static size_t pending_cost(const ls_window_row *row) { return LS_WINDOW_ROW_HEAD + row->head.value_len; }

bool ls__window_is_persistent(const ls_window *window) { return window->family != NULL; }

void ls__window_changed(ls_window *window, ls_ref ref) {
  if (window->family == NULL) {
    window->set->memory_written = true;
    return;
  }
  ls_window_row *row = ls__window_row(&window->set->slab, ref);
  if (row->head.state & LS_WINDOW_DIRTY) return;
  row->head.state |= LS_WINDOW_DIRTY;
  size_t before = window->dirty_capacity;
  ls__grow(&window->dirty, &window->dirty_capacity, window->n_dirty + 1, sizeof *window->dirty);
  window->set->slab.other_bytes += (window->dirty_capacity - before) * sizeof *window->dirty;
  row->dirty_at = (uint32_t)window->n_dirty;
  window->dirty[window->n_dirty++] = ref;
  window->set->pending_bytes += pending_cost(row);
}

void ls__window_dropped(ls_window *window, ls_ref ref) {
  if (window->family == NULL) {
    window->set->memory_written = true;
    return;
  }
  const ls_window_row *row = ls__window_row(&window->set->slab, ref);
  if (row->head.state & LS_WINDOW_DIRTY) {
    window->dirty[row->dirty_at] = 0;
    size_t pending = pending_cost(row);
    window->set->pending_bytes -= pending < window->set->pending_bytes ? pending : window->set->pending_bytes;
  }
  if (!(row->head.state & LS_WINDOW_PERSISTED)) return; /* written and gone between two commits */
  ls_window_entry entry = ls__window_entry_of(window, row);
  size_t before = window->deletes.capacity, start = window->deletes.len;
  uint32_t len = 0;
  ls__buf_append(&window->deletes, &len, sizeof len);
  append_key(&window->deletes, window, &entry);
  len = (uint32_t)(window->deletes.len - start - sizeof len);
  memcpy(window->deletes.ptr + start, &len, sizeof len);
  window->set->slab.other_bytes += window->deletes.capacity - before;
  window->set->pending_bytes += len;
}

void ls__window_stage(ls_window *window, ls_rocks_batch *batch) {
  if (window->family == NULL) return;
  for (size_t at = 0; at < window->deletes.len;) {
    uint32_t len;
    memcpy(&len, window->deletes.ptr + at, sizeof len);
    ls__rocks_batch_delete(batch, window->family, (ls_slice){window->deletes.ptr + at + sizeof len, len});
    at += sizeof len + len;
  }
  ls_buf key = LS_BUF_INIT;
  for (size_t i = 0; i < window->n_dirty; i++) {
    if (window->dirty[i] == 0) continue;
    ls_window_entry entry = ls__window_entry_of(window, ls__window_row(&window->set->slab, window->dirty[i]));
    ls__buf_clear(&key);
    append_key(&key, window, &entry);
    ls__rocks_batch_put2(batch, window->family, ls__buf_slice(&key), (ls_slice){(const char *)&entry.flags, sizeof entry.flags},
                         entry.value);
  }
  ls__buf_fini(&key);
}

void ls__window_committed(ls_window *window) {
  for (size_t i = 0; i < window->n_dirty; i++) {
    if (window->dirty[i] == 0) continue;
    ls_window_row *row = ls__window_row(&window->set->slab, window->dirty[i]);
    row->head.state &= (uint8_t)~LS_WINDOW_DIRTY;
    row->head.state |= LS_WINDOW_PERSISTED;
  }
  window->n_dirty = 0;
  ls__buf_clear(&window->deletes);
}

/** Frees all rows, nothing of it noted as pending. */
static void forget(ls_window *window) {
  ls_slab *slab = &window->set->slab;
  while (window->count > 0) {
    ls_ref ref = ls__window_queue_pop(&window->queue);
    const ls_window_row *row = ls__window_row(slab, ref);
    if (row->head.state & LS_WINDOW_APART) {
      ls_ref apart;
      memcpy(&apart, row->value, sizeof apart);
      ls__slab_free(slab, apart);
    }
    ls__slab_free(slab, ref);
    window->count--;
  }
  ls__memtable_clear(&window->keys);
  window->n_dirty = 0;
  ls__buf_clear(&window->deletes);
}

static int load_row(ls_window *window, ls_slice key, ls_slice value, ls_error *err) {
  if (key.len < TAIL_BYTES || value.len < sizeof(uint32_t)) {
    return ls_error_set(err, LS_EIO, "store '%s': what the state directory holds is no window row", window->name);
  }
  ls_window_entry entry = {.key = {key.ptr, key.len - TAIL_BYTES}};
  const char *tail = key.ptr + entry.key.len;
  entry.ts_us = unsortable(tail);
  entry.stamp.ts_us = unsortable(tail + 8);
  memcpy(&entry.stamp.seq, tail + 16, sizeof entry.stamp.seq);
  entry.stamp.seq = __builtin_bswap64(entry.stamp.seq);
  memcpy(&entry.flags, value.ptr, sizeof entry.flags);
  entry.value = (ls_slice){value.ptr + sizeof entry.flags, value.len - sizeof entry.flags};
  ls_ref row;
  LS_TRY(ls__window_load(window, &entry, ls__hash64(entry.key), &row, err));
  ls__window_row(&window->set->slab, row)->head.state |= LS_WINDOW_PERSISTED;
  return LS_OK;
}

int ls__window_reload(ls_window *window, ls_error *err) {
  forget(window);
  ls_buf prefix = LS_BUF_INIT;
  ls__rocks_task_prefix(&prefix, window->set->task_name);
  ls_rocks_iter *iter = ls__rocks_iter_new(window->set->db, window->family, ls__buf_slice(&prefix));
  int rc = LS_OK;
  for (; rc >= 0 && ls__rocks_iter_valid(iter); ls__rocks_iter_step(iter)) {
    rc = load_row(window, ls__rocks_iter_key(iter), ls__rocks_iter_value(iter), err);
  }
  int end_rc = ls__rocks_iter_end(iter, rc < 0 ? NULL : err);
  ls__buf_fini(&prefix);
  return rc < 0 ? rc : end_rc;
}
