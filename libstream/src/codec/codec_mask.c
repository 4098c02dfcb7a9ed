/**
 * @file codec_mask.c
 * Which parts of a bad record are hidden. Beside the sensitive fields themselves: fields with a
 * name like one of theirs, and values that repeat a sensitive value (a user's id copied into a free
 * text). Hiding too much costs a look at the source; hiding too little can't be undone.
 */
#include <string.h>

#include "codec/decoder.h"

#define SECRETS_MAX    64 /* noted per record */
#define CONTAINED_MIN  4  /* shorter values are compared whole: "1" is in everything */
#define NAME_PART_MIN  5  /* shorter names are compared whole */
#define FIELD_NAME_MAX 256

void ls__mask_note(ls_decoder *decoder, ls_slice value) {
  if (value.len == 0 || value.len > UINT32_MAX) return;
  size_t n = 0;
  for (size_t at = 0; at < decoder->secrets.len; n++) {
    uint32_t len;
    memcpy(&len, decoder->secrets.ptr + at, sizeof len);
    at += sizeof len + len;
  }
  if (n == SECRETS_MAX) return;
  uint32_t len = (uint32_t)value.len;
  ls__buf_append(&decoder->secrets, &len, sizeof len);
  ls__buf_append(&decoder->secrets, value.ptr, value.len);
}

static bool contains(ls_slice text, ls_slice part) {
  for (const char *p = text.ptr, *end = text.ptr + text.len; (size_t)(end - p) >= part.len; p++) {
    p = memchr(p, part.ptr[0], (size_t)(end - p) - part.len + 1);
    if (!p) return false;
    if (memcmp(p, part.ptr, part.len) == 0) return true;
  }
  return false;
}

bool ls__mask_hides(const ls_decoder *decoder, ls_slice text) {
  for (size_t at = 0; at < decoder->secrets.len;) {
    uint32_t len;
    memcpy(&len, decoder->secrets.ptr + at, sizeof len);
    ls_slice secret = {decoder->secrets.ptr + at + sizeof len, len};
    at += sizeof len + len;
    if (len < CONTAINED_MIN ? ls__slice_eq(text, secret) : text.len >= len && contains(text, secret)) return true;
  }
  return false;
}

/* Letters in lower case and digits; other ASCII is left out. Returns the length, FIELD_NAME_MAX
 * when cut. */
static size_t bare_name(char out[FIELD_NAME_MAX], ls_slice name) {
  size_t n = 0;
  for (size_t i = 0; i < name.len && n < FIELD_NAME_MAX; i++) {
    unsigned char c = (unsigned char)name.ptr[i];
    if (c >= 'A' && c <= 'Z') c = (unsigned char)(c + 32);
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80) out[n++] = (char)c;
  }
  return n;
}

bool ls__mask_name(const ls_decoder *decoder, ls_slice name) {
  if (decoder->n_sensitive == 0) return false;
  int32_t known = ls__decoder_find(decoder, name);
  if (known >= 0 && decoder->plans[known].sensitive) return true;
  char bare[FIELD_NAME_MAX], other[FIELD_NAME_MAX];
  ls_slice a = {bare, bare_name(bare, name)};
  if (a.len == FIELD_NAME_MAX) return true;
  for (uint32_t i = 0; i < decoder->n_fields; i++) {
    if (!decoder->plans[i].sensitive) continue;
    ls_slice b = {other, bare_name(other, decoder->plans[i].name)};
    if (b.len == 0) continue;
    if (ls__slice_eq(a, b)) return true;
    if (known < 0 && b.len >= NAME_PART_MIN && a.len > b.len && contains(a, b)) return true;
  }
  return false;
}
