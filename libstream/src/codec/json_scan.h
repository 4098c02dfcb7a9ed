/**
 * @file json_scan.h
 * Tokens of strict JSON (RFC 8259) in text that ends with a newline and has LS_JSON_PADDING
 * readable bytes after it. The newline stands in for a bounds check: no token holds one, so no scan
 * runs past it.
 */
#ifndef LS_CODEC_JSON_SCAN_H
#define LS_CODEC_JSON_SCAN_H
#include <libstream/common.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

/** Where a scan failed and what was expected there. */
typedef struct ls_json_fault {
  const char *at;
  const char *why;
} ls_json_fault;

static inline const char *ls__json_space(const char *p) {
  if ((unsigned char)*p > ' ') return p;
  while (*p == ' ' || *p == '\t' || *p == '\r') p++;
  return p;
}

/** First byte at or after p that ends or breaks a run of string text: quote, backslash, control
 * byte. */
static inline const char *ls__json_plain_end(const char *p) {
#ifdef __SSE2__
  const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1F);
  for (;; p += 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i stop = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)),
                                _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
    int mask = _mm_movemask_epi8(stop);
    if (mask) return p + __builtin_ctz((unsigned)mask);
  }
#else
  while ((unsigned char)*p >= 0x20 && *p != '"' && *p != '\\') p++;
  return p;
#endif
}

/** Whether the first bits(mask) bytes of text equal those of name; both have 32 readable bytes. */
static inline bool ls__json_same_key(const char *text, const char *name, uint32_t mask, size_t len) {
#ifdef __SSE2__
  (void)len;
  const __m128i *a = (const __m128i *)(const void *)text, *b = (const __m128i *)(const void *)name;
  uint32_t low = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(a), _mm_loadu_si128(b)));
  if (mask <= 0xFFFFu) return (low & mask) == mask;
  uint32_t high = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(a + 1), _mm_loadu_si128(b + 1)));
  return ((low | high << 16) & mask) == mask;
#else
  (void)mask;
  for (size_t i = 0; i < len; i++) {
    if (text[i] != name[i]) return false;
  }
  return true;
#endif
}

/** p: after the opening quote. Returns the closing quote, NULL with the fault. Escapes are checked.
 */
const char *ls__json_string_end(const char *p, ls_json_fault *fault);
/** Writes the text between p and end, which ls__json_string_end has checked, without escapes; never
 * longer. */
size_t ls__json_unescape(char *out, const char *p, const char *end);
/** End of the number at p, NULL with the fault. */
const char *ls__json_number_end(const char *p, ls_json_fault *fault);
/** End of the literal true, false or null at p, NULL with the fault. */
const char *ls__json_literal_end(const char *p, ls_json_fault *fault);
/** End of the value at p, whatever it is; depth: containers around it. NULL with the fault. */
const char *ls__json_skip(const char *p, int depth, ls_json_fault *fault);
#endif
