/**
 * @file window.c
 * Window buffers: all rows in memory, a tree per key, a queue by time. With RocksDB the changes since
 * the last commit are written at commit and everything is loaded back at open (window_rocks.c); with a
 * changelog they go there too (window_log.c).
 */
#include "store/window_internal.h"

int ls__window_open(ls_window **out, ls_store_set *set, const char *name, ls_store_backend backend,
                    uint64_t fingerprint, ls_error *err) {
  LS_TRY(ls__store_check_open(set, name, backend, err));
  ls_window *window = LS_NEW(ls_window), **last = &set->windows;
  while (*last != NULL) last = &(*last)->next;
  *last = window;
  *out = window;
  window->set = set;
  window->name = ls__strdup(name);
  window->noted = backend == LS_STORE_ROCKSDB || set->logged;
  window->deleted_to_us = INT64_MIN;
  ls__store_set_add(set, (ls_store_item){.window = window});
  ls__memtable_init(&window->keys, &set->slab, 0);
  if (backend == LS_STORE_MEMORY) return LS_OK;
  LS_TRY(ls__rocks_family_open(&window->family, set->db, name, fingerprint, err));
  return ls__window_reload(window, err);
}

void ls__window_free(ls_window *window) {
  ls__memtable_fini(&window->keys);
  ls__window_queue_fini(&window->queue);
  ls__free(window->dirty);
  ls__free(window->due);
  ls__buf_fini(&window->deletes);
  ls__free(window->name);
  ls__free(window);
}

ls_window *ls__window_next(ls_window *window) {
  return window->next;
}

static ls_slice row_key(const ls_window *window, const ls_window_row *row) {
  return ls__entry_key(&window->keys, ls__slab_at(&window->set->slab, row->key));
}

ls_window_entry ls__window_entry_of(const ls_window *window, const ls_window_row *row) {
  ls_window_entry entry = {.key = row_key(window, row), .ts_us = row->ts_us, .stamp = row->stamp, .flags = row->flags};
  entry.value = (ls_slice){row->value, row->head.value_len};
  if (row->head.state & LS_WINDOW_APART) {
    ls_ref apart;
    memcpy(&apart, row->value, sizeof apart);
    entry.value.ptr = (const char *)ls__slab_at(&window->set->slab, apart) + sizeof(ls_block);
  }
  return entry;
}

/* A key's entry holds the root of its tree as its value. */
static ls_ref root_get(const ls_window *window, const ls_block *key_entry) {
  ls_ref root;
  memcpy(&root, ls__entry_value(&window->keys, key_entry).ptr, sizeof root);
  return root;
}

static void root_set(ls_window *window, ls_block *key_entry, ls_ref root) {
  memcpy((char *)(key_entry + 1) + key_entry->key_len, &root, sizeof root);
  (void)window;
}

static size_t row_bytes(size_t value_len) {
  return LS_WINDOW_ROW_HEAD + (value_len < sizeof(ls_ref) ? sizeof(ls_ref) : value_len);
}

/** Releases a value that lives apart from its row. */
static void drop_apart(ls_window *window, ls_window_row *row) {
  if (!(row->head.state & LS_WINDOW_APART)) return;
  ls_ref apart;
  memcpy(&apart, row->value, sizeof apart);
  ls__slab_free(&window->set->slab, apart);
  row->head.state &= (uint8_t)~LS_WINDOW_APART;
}

/** Replaces a row's value; the row stays where it is. False at the limit. */
static bool row_set_value(ls_window *window, ls_ref ref, ls_slice value) {
  ls_slab *slab = &window->set->slab;
  ls_window_row *row = ls__window_row(slab, ref);
  if (LS_WINDOW_ROW_HEAD + value.len <= ls__slab_capacity(slab, ref)) {
    ls_ref apart = 0;
    if (row->head.state & LS_WINDOW_APART) memcpy(&apart, row->value, sizeof apart);
    if (value.len > 0) memmove(row->value, value.ptr, value.len);
    if (apart != 0) ls__slab_free(slab, apart);
    row->head.state &= (uint8_t)~LS_WINDOW_APART;
  } else {
    ls_ref apart = ls__slab_alloc(slab, sizeof(ls_block) + value.len);
    if (apart == 0) return false;
    memcpy((char *)ls__slab_at(slab, apart) + sizeof(ls_block), value.ptr, value.len);
    drop_apart(window, row);
    memcpy(row->value, &apart, sizeof apart);
    row->head.state |= LS_WINDOW_APART;
  }
  row->head.value_len = (uint32_t)value.len;
  return true;
}

/** A new row in no tree yet; 0 at the limit. */
static ls_ref row_new(ls_window *window, const ls_window_entry *entry) {
  ls_slab *slab = &window->set->slab;
  ls_ref ref = ls__slab_alloc(slab, row_bytes(entry->value.len));
  if (ref == 0) return 0;
  ls_window_row *row = ls__window_row(slab, ref);
  row->flags = entry->flags;
  row->ts_us = entry->ts_us;
  row->stamp = entry->stamp;
  row->dirty_at = 0;
  row->head.value_len = (uint32_t)entry->value.len;
  if (entry->value.len > 0) memcpy(row->value, entry->value.ptr, entry->value.len);
  return ref;
}

/** Bytes that a new row may need in all. */
static size_t new_row_cost(const ls_window *window, const ls_window_entry *entry) {
  return ls__slab_cost(row_bytes(entry->value.len)) +
         ls__slab_cost(sizeof(ls_block) + entry->key.len + sizeof(ls_ref)) + ls__memtable_growth(&window->keys) +
         ls__window_queue_growth(&window->queue, entry->ts_us);
}

/** Adds a row that is not there. 0 at the limit; nothing is changed then. */
static ls_ref row_add(ls_window *window, size_t slot, const ls_window_entry *entry, uint64_t hash) {
  ls_slab *slab = &window->set->slab;
  size_t queue_growth = ls__window_queue_growth(&window->queue, entry->ts_us);
  if (queue_growth > 0 && !ls__slab_may_grow(slab, queue_growth)) return 0;
  ls_ref ref = row_new(window, entry);
  if (ref == 0) return 0;
  ls_ref root = 0;
  if (slot == LS_MEMTABLE_NONE) {
    slot = ls__memtable_add(&window->keys, entry->key, hash, sizeof(ls_ref));
    if (slot == LS_MEMTABLE_NONE) {
      ls__slab_free(slab, ref);
      return 0;
    }
    ls__memtable_entry(&window->keys, slot)->value_len = sizeof(ls_ref);
  } else {
    root = root_get(window, ls__memtable_entry(&window->keys, slot));
  }
  ls__window_row(slab, ref)->key = ls__memtable_ref(&window->keys, slot);
  root_set(window, ls__memtable_entry(&window->keys, slot), ls__window_tree_insert(slab, root, ref));
  slab->other_bytes += ls__window_queue_push(&window->queue, entry->ts_us, ref);
  window->count++;
  return ref;
}

ls_ref ls__window_find(const ls_window *window, ls_slice key, uint64_t hash, int64_t ts_us, ls_stamp stamp) {
  size_t slot = ls__memtable_find(&window->keys, key, hash);
  if (slot == LS_MEMTABLE_NONE) return 0;
  return ls__window_tree_find(&window->set->slab, root_get(window, ls__memtable_entry(&window->keys, slot)), ts_us,
                              stamp);
}

int ls__window_load(ls_window *window, const ls_window_entry *entry, uint64_t hash, ls_ref *row, ls_error *err) {
  if (entry->key.len > LS_STORE_KEY_BYTES_MAX || entry->value.len > LS_STORE_VALUE_BYTES_MAX) {
    return ls__store_check_sizes(window->name, entry->key.len, entry->value.len, err);
  }
  size_t slot = ls__memtable_find(&window->keys, entry->key, hash);
  ls_ref found = 0;
  if (slot != LS_MEMTABLE_NONE) {
    ls_ref root = root_get(window, ls__memtable_entry(&window->keys, slot));
    found = ls__window_tree_find(&window->set->slab, root, entry->ts_us, entry->stamp);
  }
  bool done = false, is_new = found == 0;
  do {
    if (!ls__store_set_room(window->set, new_row_cost(window, entry))) break;
    if (is_new) found = row_add(window, slot, entry, hash);
    done = is_new ? found != 0 : row_set_value(window, found, entry->value);
  } while (!done && ls__store_set_squeeze(window->set));
  if (done) ls__window_row(&window->set->slab, found)->flags = entry->flags;
  *row = found;
  return done ? LS_OK : ls__store_set_over_budget(window->set, window->name, err);
}

int ls__window_put(ls_window *window, const ls_window_entry *entry, uint64_t hash, ls_error *err) {
  ls_ref row;
  LS_TRY(ls__window_load(window, entry, hash, &row, err));
  ls__window_changed(window, row);
  return LS_OK;
}

typedef struct window_range {
  int64_t from_us, to_us;
  ls_window_fn fn;
  void *payload;
} window_range;

/** In order, without the subtrees outside of the range. As deep as the tree. */
static int visit(ls_window *window, ls_ref ref, const window_range *range, ls_error *err) {
  if (ref == 0) return LS_OK;
  const ls_window_row *row = ls__window_row(&window->set->slab, ref);
  int rc = row->ts_us >= range->from_us ? visit(window, row->left, range, err) : LS_OK;
  if (rc == 0 && row->ts_us >= range->from_us && row->ts_us <= range->to_us) {
    window->visited = ref;
    ls_window_entry entry = ls__window_entry_of(window, row);
    rc = range->fn(range->payload, &entry, err);
  }
  if (rc == 0 && row->ts_us <= range->to_us) rc = visit(window, row->right, range, err);
  return rc;
}

int ls__window_fetch(ls_window *window, ls_slice key, uint64_t hash, int64_t from_us, int64_t to_us, ls_window_fn fn,
                     void *payload, ls_error *err) {
  size_t slot = ls__memtable_find(&window->keys, key, hash);
  if (slot == LS_MEMTABLE_NONE) return LS_OK;
  window_range range = {from_us, to_us, fn, payload};
  int rc = visit(window, root_get(window, ls__memtable_entry(&window->keys, slot)), &range, err);
  window->visited = 0;
  return rc;
}

int ls__window_set_flags(ls_window *window, const ls_window_entry *entry, uint64_t hash, uint32_t flags,
                         ls_error *err) {
  const ls_slab *slab = &window->set->slab;
  ls_ref ref = window->visited; /* mostly it is the row that fetch is at */
  const ls_window_row *row = ref != 0 ? ls__window_row(slab, ref) : NULL;
  if (row == NULL || row->ts_us != entry->ts_us || ls__stamp_cmp(row->stamp, entry->stamp) != 0 ||
      row_key(window, row).ptr != entry->key.ptr) {
    ref = ls__window_find(window, entry->key, hash, entry->ts_us, entry->stamp);
    if (ref == 0) return ls_error_set(err, LS_ENOTFOUND, "store '%s': no row to flag", window->name);
  }
  if (ls__window_row(slab, ref)->flags == flags) return LS_OK;
  ls__window_row(slab, ref)->flags = flags;
  ls__window_changed(window, ref);
  return LS_OK;
}

/** A key whose tree has no rows is no key any more. */
static void root_changed(ls_window *window, ls_block *key_entry, ls_ref root) {
  root_set(window, key_entry, root);
  if (root != 0) return;
  ls_slice key = ls__entry_key(&window->keys, key_entry);
  ls__memtable_remove(&window->keys, ls__memtable_find(&window->keys, key, ls__hash64(key)));
}

/** Takes out the first row of its key. */
static void row_drop(ls_window *window, ls_ref ref) {
  ls_slab *slab = &window->set->slab;
  ls_window_row *row = ls__window_row(slab, ref);
  ls__window_dropped(window, ref);
  ls_block *key_entry = ls__slab_at(slab, row->key);
  root_changed(window, key_entry, ls__window_tree_drop_first(slab, root_get(window, key_entry)));
  drop_apart(window, row);
  ls__slab_free(slab, ref);
  window->count--;
}

void ls__window_take_out(ls_window *window, ls_ref ref) {
  ls_slab *slab = &window->set->slab;
  ls_window_row *row = ls__window_row(slab, ref);
  ls_block *key_entry = ls__slab_at(slab, row->key);
  root_changed(window, key_entry, ls__window_tree_remove(slab, root_get(window, key_entry), row));
  drop_apart(window, row);
  window->count--;
}

/* ---- expiry: all rows of one ts at a time, in order of stamp and key ---- */

static bool due_before(const ls_window *window, const ls_window_due *x, const ls_window_due *y) {
  int order = ls__stamp_cmp(x->stamp, y->stamp);
  if (order != 0) return order < 0;
  if (x->key_head != y->key_head) return x->key_head < y->key_head;
  const ls_slab *slab = &window->set->slab;
  return ls__slice_cmp(row_key(window, ls__window_row(slab, x->row)), row_key(window, ls__window_row(slab, y->row))) <
         0;
}

/** Bottom-up merge sort of due[0..n), which has room for 2n. */
static void sort_due(ls_window *window, size_t n) {
  ls_window_due *from = window->due, *to = window->due + n;
  for (size_t width = 1; width < n; width *= 2) {
    for (size_t low = 0; low < n; low += 2 * width) {
      size_t mid = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
      size_t i = low, k = mid, at = low;
      while (i < mid && k < high) to[at++] = due_before(window, &from[k], &from[i]) ? from[k++] : from[i++];
      while (i < mid) to[at++] = from[i++];
      while (k < high) to[at++] = from[k++];
    }
    ls_window_due *swap = from;
    from = to;
    to = swap;
  }
  if (from != window->due) memcpy(window->due, from, n * sizeof *from);
}

/** Takes all rows of the smallest ts from the queue into due, sorted. */
static size_t take_due(ls_window *window, int64_t ts_us) {
  const ls_slab *slab = &window->set->slab;
  size_t n = 0;
  while (ls__window_queue_min_ts(&window->queue) == ts_us && window->count > n) {
    ls__grow(&window->due, &window->due_capacity, 2 * (n + 1), sizeof *window->due);
    ls_ref ref = ls__window_queue_pop(&window->queue);
    const ls_window_row *row = ls__window_row(slab, ref);
    window->due[n++] = (ls_window_due){row->stamp, 0, ref};
  }
  for (size_t i = 0; i < n && n > 1; i++) {
    window->due[i].key_head = ls__store_key_head(row_key(window, ls__window_row(slab, window->due[i].row)));
  }
  sort_due(window, n);
  return n;
}

int ls__window_expire(ls_window *window, int64_t before_us, ls_window_fn fn, void *payload, ls_error *err) {
  int rc = LS_OK;
  while (rc == 0 && window->count > 0) {
    int64_t ts_us = ls__window_queue_min_ts(&window->queue);
    if (ts_us >= before_us) break;
    size_t n = take_due(window, ts_us), done = 0;
    for (; done < n; done++) {
      ls_window_entry entry = ls__window_entry_of(window, ls__window_row(&window->set->slab, window->due[done].row));
      rc = fn != NULL ? fn(payload, &entry, err) : LS_OK;
      if (rc != 0) break;
      row_drop(window, window->due[done].row);
    }
    for (; done < n; done++) { /* fn stopped: the rest stays */
      window->set->slab.other_bytes += ls__window_queue_push(&window->queue, ts_us, window->due[done].row);
    }
  }
  return rc;
}

int64_t ls__window_min_ts(const ls_window *window) {
  return ls__window_queue_min_ts(&window->queue);
}

uint64_t ls__window_count(const ls_window *window) {
  return window->count;
}
