/** @file window_log.c  Window buffers and their changelogs: what is pending goes out, what was committed comes back. */
#include "store/window_internal.h"

#define GONE_MIN 64u

const char *ls__window_name(const ls_window *window) {
  return window->name;
}

bool ls__window_is_changed(const ls_window *window) {
  return window->n_dirty > 0 || window->deletes.len > 0;
}

/** Whether a row that was deleted since the last commit is there again. Only then is it written twice. */
static bool is_again(const ls_window *window, ls_slice key) {
  ls_window_entry entry;
  if (!window->may_be_again || !ls__window_parse_key(&entry, key)) return false;
  return ls__window_find(window, entry.key, ls__hash64(entry.key), entry.ts_us, entry.stamp) != 0;
}

int ls__window_changes(ls_window *window, uint32_t store, ls_store_change_fn fn, void *payload, ls_error *err) {
  int rc = LS_OK;
  ls_slice deleted;
  for (size_t at = 0; rc == 0 && ls__window_next_delete(&deleted, window, &at);) {
    if (!is_again(window, deleted)) rc = fn(payload, store, deleted, (ls_slice){NULL, 0}, err);
  }
  ls_buf key = LS_BUF_INIT, value = LS_BUF_INIT;
  for (size_t i = 0; i < window->n_dirty && rc == 0; i++) {
    if (window->dirty[i] == 0) continue;
    ls_window_entry entry = ls__window_entry_of(window, ls__window_row(&window->set->slab, window->dirty[i]));
    ls__buf_clear(&key);
    ls__window_append_key(&key, &entry);
    ls__buf_clear(&value);
    ls__buf_append(&value, &entry.flags, sizeof entry.flags);
    ls__buf_append(&value, entry.value.ptr, entry.value.len);
    rc = fn(payload, store, ls__buf_slice(&key), ls__buf_slice(&value), err);
  }
  ls__buf_fini(&key);
  ls__buf_fini(&value);
  return rc;
}

static bool stays(void *payload, ls_ref ref) {
  ls_slab *slab = payload;
  if (!(ls__window_row(slab, ref)->head.state & LS_WINDOW_GONE)) return true;
  ls__slab_free(slab, ref);
  return false;
}

void ls__window_restored(ls_window *window) {
  if (window->n_gone == 0) return;
  window->set->slab.other_bytes += ls__window_queue_filter(&window->queue, stays, &window->set->slab);
  window->n_gone = 0;
}

/**
 * A changelog deletes rows in any order. The queue can give up only its first, so a deleted row's block waits in it until
 * a third of the queue is such blocks.
 */
static void restore_delete(ls_window *window, const ls_window_entry *entry) {
  ls_ref ref = ls__window_find(window, entry->key, ls__hash64(entry->key), entry->ts_us, entry->stamp);
  if (ref == 0) return;
  if (window->family != NULL) ls__window_dropped(window, ref);
  ls__window_take_out(window, ref);
  ls__window_row(&window->set->slab, ref)->head.state |= LS_WINDOW_GONE;
  if (++window->n_gone > GONE_MIN + window->count / 2) ls__window_restored(window);
}

int ls__window_restore(ls_window *window, ls_slice key, ls_slice value, ls_error *err) {
  ls_window_entry entry = {.flags = 0};
  if (!ls__window_parse_key(&entry, key) || (value.ptr != NULL && value.len < sizeof entry.flags)) {
    return ls_error_set(err, LS_EDATA, "store '%s': what its changelog holds is no window row", window->name);
  }
  if (value.ptr == NULL) {
    restore_delete(window, &entry);
    return LS_OK;
  }
  memcpy(&entry.flags, value.ptr, sizeof entry.flags);
  entry.value = (ls_slice){value.ptr + sizeof entry.flags, value.len - sizeof entry.flags};
  ls_ref row;
  LS_TRY(ls__window_load(window, &entry, ls__hash64(entry.key), &row, err));
  if (window->family != NULL)
    ls__window_changed(window, row);
  else
    ls__window_row(&window->set->slab, row)->head.state |= LS_WINDOW_PERSISTED;
  return LS_OK;
}
