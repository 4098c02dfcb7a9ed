/** @file wire_format.c  See wire_format.h. */
#include "codec/wire_format.h"

static bool get_zigzag(ls_slice *from, int32_t *out) {
  uint64_t raw = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    if (from->len == 0) return false;
    uint8_t byte = (uint8_t)from->ptr[0];
    *from = (ls_slice){from->ptr + 1, from->len - 1};
    raw |= (uint64_t)(byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    if (raw > UINT32_MAX || (raw & 1) != 0) return false; /* too large, or below 0 */
    *out = (int32_t)(raw >> 1);
    return true;
  }
  return false;
}

static bool get_path(ls_slice *from, ls_wire *out) {
  int32_t n;
  if (!get_zigzag(from, &n) || n > LS_WIRE_PATH_MAX) return false;
  out->n_path = n == 0 ? 1 : (uint32_t)n;
  for (int32_t i = 0; i < n; i++) {
    if (!get_zigzag(from, &out->path[i])) return false;
  }
  return true;
}

bool ls__wire_split(ls_wire *out, ls_slice value, bool protobuf) {
  *out = (ls_wire){0};
  if (value.len < LS_WIRE_HEAD || value.ptr[0] != 0) return false;
  const uint8_t *at = (const uint8_t *)value.ptr;
  uint32_t id = (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
  if (id > INT32_MAX) return false;
  out->id = (int32_t)id;
  out->payload = (ls_slice){value.ptr + LS_WIRE_HEAD, value.len - LS_WIRE_HEAD};
  if (protobuf && !get_path(&out->payload, out)) return false;
  out->head = (ls_slice){value.ptr, value.len - out->payload.len};
  return true;
}

static void put_zigzag(ls_buf *out, int32_t value) {
  uint64_t raw = (uint64_t)value << 1; /* none is below 0 */
  for (; raw >= 0x80; raw >>= 7) ls__buf_putc(out, (char)(raw | 0x80));
  ls__buf_putc(out, (char)raw);
}

void ls__wire_head(ls_buf *out, int32_t id, const int32_t *path, uint32_t n_path) {
  uint32_t bits = (uint32_t)id;
  ls__buf_putc(out, 0);
  for (int i = 0; i < 4; i++) ls__buf_putc(out, (char)(bits >> (24 - 8 * i)));
  bool first = n_path == 1 && path[0] == 0; /* has a short form */
  if (n_path > 0) put_zigzag(out, first ? 0 : (int32_t)n_path);
  for (uint32_t i = 0; i < n_path && !first; i++) put_zigzag(out, path[i]);
}
