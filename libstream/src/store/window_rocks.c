/**
 * @file window_rocks.c
 * Window buffers on disk: what is pending, noted for RocksDB and for changelogs, and written at commit.
 * Key: task prefix, ts, stamp, key bytes; value: flags, value bytes. Nobody looks a row up on disk, so
 * they lie in the order in which they come and go: new ones at the end, expired ones at the front, which
 * RocksDB takes at a fraction of the cost of rows in random places; and they are loaded in order of expiry.
 */
#include "store/window_internal.h"

#define RANGE_ROWS_MIN 16u /* fewer are deleted one by one */

static uint64_t sortable(int64_t number) {
  return __builtin_bswap64((uint64_t)number ^ UINT64_C(1) << 63);
}
static int64_t unsortable(const char *bytes) {
  uint64_t number;
  memcpy(&number, bytes, sizeof number);
  return (int64_t)(__builtin_bswap64(number) ^ UINT64_C(1) << 63);
}

static void append_tail(ls_buf *out, const ls_window_entry *entry) {
  uint64_t tail[3] = {sortable(entry->ts_us), sortable(entry->stamp.ts_us), __builtin_bswap64(entry->stamp.seq)};
  _Static_assert(sizeof tail == LS_WINDOW_TAIL_BYTES, "as it is parsed");
  ls__buf_append(out, tail, sizeof tail);
}

static void parse_tail(ls_window_entry *entry, const char *tail) {
  entry->ts_us = unsortable(tail);
  entry->stamp.ts_us = unsortable(tail + 8);
  memcpy(&entry->stamp.seq, tail + 16, sizeof entry->stamp.seq);
  entry->stamp.seq = __builtin_bswap64(entry->stamp.seq);
}

void ls__window_append_key(ls_buf *out, const ls_window_entry *entry) {
  ls__buf_append(out, entry->key.ptr, entry->key.len);
  append_tail(out, entry);
}

bool ls__window_parse_key(ls_window_entry *entry, ls_slice key) {
  if (key.len < LS_WINDOW_TAIL_BYTES) return false;
  entry->key = (ls_slice){key.ptr, key.len - LS_WINDOW_TAIL_BYTES};
  parse_tail(entry, key.ptr + entry->key.len);
  return true;
}

/** Appends the key on disk, made of the one in the changelog. */
static void append_disk_key(ls_buf *out, ls_slice key) {
  size_t key_len = key.len - LS_WINDOW_TAIL_BYTES;
  ls__buf_append(out, key.ptr + key_len, LS_WINDOW_TAIL_BYTES);
  ls__buf_append(out, key.ptr, key_len);
}

bool ls__window_next_delete(ls_slice *key, const ls_window *window, size_t *at) {
  uint32_t len;
  if (*at == window->deletes.len) return false;
  memcpy(&len, window->deletes.ptr + *at, sizeof len);
  *key = (ls_slice){window->deletes.ptr + *at + sizeof len, len};
  *at += sizeof len + len;
  return true;
}

static size_t pending_cost(const ls_window_row *row) {
  return LS_WINDOW_ROW_HEAD + row->head.value_len;
}

bool ls__window_is_persistent(const ls_window *window) {
  return window->family != NULL;
}

/** Whether a change has to be noted; without RocksDB there is no way back from it. */
static bool notes_change(ls_window *window) {
  if (window->family == NULL) window->set->memory_written = true;
  return window->noted;
}

void ls__window_changed(ls_window *window, ls_ref ref) {
  if (!notes_change(window)) return;
  ls_window_row *row = ls__window_row(&window->set->slab, ref);
  if (row->head.state & LS_WINDOW_DIRTY) return;
  row->head.state |= LS_WINDOW_DIRTY;
  if (row->ts_us <= window->deleted_to_us) window->may_be_again = true;
  size_t before = window->dirty_capacity;
  ls__grow(&window->dirty, &window->dirty_capacity, window->n_dirty + 1, sizeof *window->dirty);
  window->set->slab.other_bytes += (window->dirty_capacity - before) * sizeof *window->dirty;
  row->dirty_at = (uint32_t)window->n_dirty;
  window->dirty[window->n_dirty++] = ref;
  window->set->pending_bytes += pending_cost(row);
}

void ls__window_dropped(ls_window *window, ls_ref ref) {
  if (!notes_change(window)) return;
  const ls_window_row *row = ls__window_row(&window->set->slab, ref);
  if (row->head.state & LS_WINDOW_DIRTY) {
    window->dirty[row->dirty_at] = 0;
    size_t pending = pending_cost(row);
    window->set->pending_bytes -= pending < window->set->pending_bytes ? pending : window->set->pending_bytes;
  }
  if (!(row->head.state & LS_WINDOW_PERSISTED)) return; /* written and gone between two commits */
  ls_window_entry entry = ls__window_entry_of(window, row);
  size_t before = window->deletes.capacity;
  uint32_t len = (uint32_t)entry.key.len + LS_WINDOW_TAIL_BYTES;
  ls__buf_append(&window->deletes, &len, sizeof len);
  ls__window_append_key(&window->deletes, &entry);
  if (entry.ts_us > window->deleted_to_us) window->deleted_to_us = entry.ts_us;
  window->set->slab.other_bytes += window->deletes.capacity - before;
  window->set->pending_bytes += len;
}

/** Times [from_us, to_us] of the deleted rows that lie in front of all that is left. Returns how many. */
static size_t expired_range(const ls_window *window, int64_t *from_us, int64_t *to_us) {
  int64_t left_us = ls__window_queue_min_ts(&window->queue);
  ls_slice deleted;
  ls_window_entry entry;
  size_t n = 0;
  *from_us = INT64_MAX;
  *to_us = INT64_MIN;
  for (size_t at = 0; ls__window_next_delete(&deleted, window, &at);) {
    if (!ls__window_parse_key(&entry, deleted) || entry.ts_us >= left_us || entry.ts_us == INT64_MAX) continue;
    if (entry.ts_us < *from_us) *from_us = entry.ts_us;
    if (entry.ts_us > *to_us) *to_us = entry.ts_us;
    n++;
  }
  return n;
}

/** Many rows that expired are one range: on disk a mark for each costs as much as the row did. */
static void stage_deletes(ls_window *window, ls_rocks_batch *batch, ls_buf *key) {
  size_t prefix_len = key->len;
  int64_t from_us, to_us;
  bool ranged = expired_range(window, &from_us, &to_us) >= RANGE_ROWS_MIN;
  if (ranged) {
    ls_buf end = LS_BUF_INIT;
    uint64_t bounds[2] = {sortable(from_us), sortable(to_us + 1)};
    ls__buf_append(&end, key->ptr, prefix_len);
    ls__buf_append(&end, &bounds[1], sizeof bounds[1]);
    ls__buf_append(key, &bounds[0], sizeof bounds[0]);
    ls__rocks_batch_delete_range(batch, window->family, ls__buf_slice(key), ls__buf_slice(&end));
    ls__buf_fini(&end);
  }
  ls_slice deleted;
  ls_window_entry entry;
  for (size_t at = 0; ls__window_next_delete(&deleted, window, &at);) {
    if (ranged && ls__window_parse_key(&entry, deleted) && entry.ts_us >= from_us && entry.ts_us <= to_us) continue;
    key->len = prefix_len;
    append_disk_key(key, deleted);
    ls__rocks_batch_delete(batch, window->family, ls__buf_slice(key));
  }
  key->len = prefix_len;
}

void ls__window_stage(ls_window *window, ls_rocks_batch *batch) {
  if (window->family == NULL) return;
  ls_buf key = LS_BUF_INIT;
  ls_slice prefix = ls__buf_slice(&window->set->prefix);
  ls__buf_append(&key, prefix.ptr, prefix.len);
  if (window->deletes.len > 0) stage_deletes(window, batch, &key);
  for (size_t i = 0; i < window->n_dirty; i++) {
    if (window->dirty[i] == 0) continue;
    ls_window_entry entry = ls__window_entry_of(window, ls__window_row(&window->set->slab, window->dirty[i]));
    key.len = prefix.len;
    append_tail(&key, &entry);
    ls__buf_append(&key, entry.key.ptr, entry.key.len);
    ls__rocks_batch_put2(batch, window->family, ls__buf_slice(&key),
                         (ls_slice){(const char *)&entry.flags, sizeof entry.flags}, entry.value);
  }
  ls__buf_fini(&key);
}

static void nothing_pending(ls_window *window) {
  window->n_dirty = 0;
  window->deleted_to_us = INT64_MIN;
  window->may_be_again = false;
  ls__buf_clear(&window->deletes);
}

void ls__window_committed(ls_window *window) {
  for (size_t i = 0; i < window->n_dirty; i++) {
    if (window->dirty[i] == 0) continue;
    ls_window_row *row = ls__window_row(&window->set->slab, window->dirty[i]);
    row->head.state &= (uint8_t)~LS_WINDOW_DIRTY;
    row->head.state |= LS_WINDOW_PERSISTED;
  }
  nothing_pending(window);
}

void ls__window_forget(ls_window *window) {
  ls__window_restored(window);
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
  nothing_pending(window);
}

static int load_row(ls_window *window, ls_slice key, ls_slice value, ls_error *err) {
  ls_window_entry entry = {.flags = 0};
  if (key.len < LS_WINDOW_TAIL_BYTES || value.len < sizeof entry.flags) {
    return ls_error_set(err, LS_EIO, "store '%s': what the state directory holds is no window row", window->name);
  }
  parse_tail(&entry, key.ptr);
  entry.key = (ls_slice){key.ptr + LS_WINDOW_TAIL_BYTES, key.len - LS_WINDOW_TAIL_BYTES};
  memcpy(&entry.flags, value.ptr, sizeof entry.flags);
  entry.value = (ls_slice){value.ptr + sizeof entry.flags, value.len - sizeof entry.flags};
  ls_ref row;
  LS_TRY(ls__window_load(window, &entry, ls__hash64(entry.key), &row, err));
  ls__window_row(&window->set->slab, row)->head.state |= LS_WINDOW_PERSISTED;
  return LS_OK;
}

int ls__window_reload(ls_window *window, ls_error *err) {
  ls__window_forget(window);
  ls_rocks_iter *iter = ls__rocks_iter_new(window->set->db, window->family, ls__buf_slice(&window->set->prefix));
  int rc = LS_OK;
  for (; rc >= 0 && ls__rocks_iter_valid(iter); ls__rocks_iter_step(iter)) {
    rc = load_row(window, ls__rocks_iter_key(iter), ls__rocks_iter_value(iter), err);
  }
  int end_rc = ls__rocks_iter_end(iter, rc < 0 ? NULL : err);
  return rc < 0 ? rc : end_rc;
}
