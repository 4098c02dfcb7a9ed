/** @file live_log.c  See live_log.h. */
#include "edge/live_log.h"

#define VERSION 1

static void put_u64(ls_buf *out, uint64_t value) {
  ls__buf_append(out, &value, sizeof value);
}

static void put_bytes(ls_buf *out, ls_slice bytes) {
  uint32_t len = (uint32_t)bytes.len;
  ls__buf_append(out, &len, sizeof len);
  ls__buf_append(out, bytes.ptr, bytes.len);
}

static bool get(ls_slice *from, void *out, size_t len) {
  if (from->len < len) return false;
  memcpy(out, from->ptr, len);
  *from = (ls_slice){from->ptr + len, from->len - len};
  return true;
}

static bool get_i64(ls_slice *from, int64_t *out) {
  return get(from, out, sizeof *out) && *out >= 0;
}

static bool get_bytes(ls_slice *from, ls_slice *out) {
  uint32_t len;
  if (!get(from, &len, sizeof len) || from->len < len) return false;
  *out = (ls_slice){from->ptr, len};
  *from = (ls_slice){from->ptr + len, from->len - len};
  return true;
}

void ls__live_log_encode(ls_buf *out, const ls_live_record *record) {
  ls__buf_putc(out, VERSION);
  ls__buf_putc(out, (char)record->kind);
  put_u64(out, record->epoch);
  switch (record->kind) {
  case LS_LIVE_ROWS:
    put_u64(out, record->fingerprint);
    put_u64(out, (uint64_t)record->first_row);
    ls__buf_append(out, record->entries.ptr, record->entries.len);
    break;
  case LS_LIVE_FILE:
    put_bytes(out, record->staged);
    put_bytes(out, record->path);
    put_u64(out, (uint64_t)record->n_rows);
    break;
  case LS_LIVE_CUT:
    put_u64(out, (uint64_t)record->next_row);
    break;
  case LS_LIVE_PUBLISHED:
    break;
  }
}

static bool get_body(ls_live_record *out, ls_slice *from) {
  switch (out->kind) {
  case LS_LIVE_ROWS:
    if (!get(from, &out->fingerprint, sizeof out->fingerprint) || !get_i64(from, &out->first_row)) return false;
    out->entries = *from;
    return true;
  case LS_LIVE_FILE:
    return get_bytes(from, &out->staged) && get_bytes(from, &out->path) && get_i64(from, &out->n_rows) &&
           from->len == 0;
  case LS_LIVE_CUT:
    return get_i64(from, &out->next_row) && from->len == 0;
  case LS_LIVE_PUBLISHED:
    return from->len == 0;
  }
  return false;
}

int ls__live_log_decode(ls_live_record *out, ls_slice value, ls_error *err) {
  uint8_t head[2];
  *out = (ls_live_record){0};
  bool good = get(&value, head, sizeof head) && head[0] == VERSION && get(&value, &out->epoch, sizeof out->epoch);
  if (good) {
    out->kind = (ls_live_kind)head[1];
    good = get_body(out, &value);
  }
  return good ? LS_OK : ls_error_set(err, LS_EDATA, "it is no record of a live lake sink");
}

void ls__live_log_add_entry(ls_buf *out, char kind, ls_slice bytes) {
  ls__buf_putc(out, kind);
  put_bytes(out, bytes);
}

int ls__live_log_next_entry(ls_live_entry *out, bool *found, ls_slice *entries, ls_error *err) {
  *found = entries->len > 0;
  if (!*found) return LS_OK;
  bool good = get(entries, &out->kind, 1) && (out->kind == 'p' || out->kind == 'r' || out->kind == 'd') &&
              get_bytes(entries, &out->bytes);
  return good ? LS_OK : ls_error_set(err, LS_EDATA, "a block of rows of a live lake sink is broken");
}
