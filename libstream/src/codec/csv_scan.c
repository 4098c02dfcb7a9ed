/** @file csv_scan.c  See csv_scan.h. */
#include "codec/csv_scan.h"

#include <string.h>

#include "codec/codec.h"
#ifdef __SSE2__
#include <immintrin.h>
#endif

/* First comma, newline or quote at or after p, else end. */
static inline const char *plain_end(const char *p, const char *end) {
#ifdef __SSE2__
  const __m128i comma = _mm_set1_epi8(','), newline = _mm_set1_epi8('\n'), quote = _mm_set1_epi8('"');
  for (; end - p >= 16; p += 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i stop = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, comma), _mm_cmpeq_epi8(bytes, newline)),
                                _mm_cmpeq_epi8(bytes, quote));
    int mask = _mm_movemask_epi8(stop);
    if (mask) return p + __builtin_ctz((unsigned)mask);
  }
#endif
  while (p < end && *p != ',' && *p != '\n' && *p != '"') p++;
  return p;
}

/* p: after the opening quote. Returns the closing quote, NULL when there is none. */
static const char *quoted_end(ls_csv_record *record, ls_csv_cell *cell, const char *p, const char *end) {
  for (;;) {
    const char *quote = memchr(p, '"', (size_t)(end - p));
    const char *stop = quote ? quote : end;
    for (const char *n = p; (n = memchr(n, '\n', (size_t)(stop - n))) != NULL; n++) record->n_newlines++;
    if (!quote || quote + 1 == end || quote[1] != '"') return quote;
    cell->doubled = true;
    p = quote + 2;
  }
}

/* Skips a quote at a wrong place and what follows it up to the cell's end. */
static const char *skip_bad(ls_csv_record *record, const char *p, const char *end) {
  if (!record->bad_quote) record->bad_quote = p;
  while (p < end && *p != ',' && *p != '\n') p++;
  return p;
}

/* Reads the cell at p; returns its comma or newline, or end. */
static inline const char *scan_cell(ls_csv_record *record, ls_csv_cell *cell, const char *p, const char *end) {
  cell->quoted = cell->doubled = false;
  if (p < end && *p == '"') {
    const char *close = quoted_end(record, cell, p + 1, end);
    record->open = !close;
    cell->quoted = true;
    cell->ptr = p + 1;
    if (!close) {
      if (!record->bad_quote) record->bad_quote = p;
      close = end;
    }
    cell->len = (uint32_t)(close - p - 1);
    p = close == end ? end : close + 1;
    bool closed = p == end || *p == ',' || *p == '\n' || (*p == '\r' && (p + 1 == end || p[1] == '\n'));
    if (!closed) return skip_bad(record, p, end);
    return p < end && *p == '\r' ? p + 1 : p;
  }
  cell->ptr = p;
  p = plain_end(p, end);
  if (__builtin_expect(p < end && *p == '"', 0)) p = skip_bad(record, p, end);
  const char *last = p;
  if ((p == end || *p == '\n') && last > cell->ptr && last[-1] == '\r') last--;
  cell->len = (uint32_t)(last - cell->ptr);
  return p;
}

const char *ls__csv_scan(ls_csv_record *record, ls_csv_cell *cells, uint32_t n_max, const char *p, const char *end) {
  ls_csv_cell spare;
  *record = (ls_csv_record){0};
  for (;;) {
    p = scan_cell(record, record->n_cells < n_max ? &cells[record->n_cells] : &spare, p, end);
    record->n_cells++;
    if (p == end) return end;
    if (*p == '\n') break;
    p++;
  }
  record->ended = true;
  record->n_newlines++;
  return p + 1;
}

ls_slice ls__csv_cell_text(const ls_csv_cell *cell, ls_arena *arena) {
  if (!cell->doubled) return (ls_slice){cell->ptr, cell->len};
  char *text = ls__arena_alloc(arena, cell->len), *o = text;
  for (const char *p = cell->ptr, *end = p + cell->len; p < end; p++) {
    *o++ = *p;
    if (*p == '"' && p + 1 < end && p[1] == '"') p++;
  }
  return (ls_slice){text, (size_t)(o - text)};
}

static int64_t count_newlines(const char *p, size_t len) {
  int64_t n = 0;
  for (size_t i = 0; i < len; i++) n += p[i] == '\n';
  return n;
}

size_t ls__csv_block_end(ls_slice block, bool end_of_file, int64_t *n_lines) {
  size_t cut = 0;
  if (block.len == 0) {
    *n_lines = 0;
    return 0;
  }
  if (end_of_file) {
    cut = block.len;
  } else if (!memchr(block.ptr, '"', block.len)) { /* without quotes each newline ends a record */
    cut = block.len;
    while (cut > 0 && block.ptr[cut - 1] != '\n') cut--;
  } else {
    for (const char *p = block.ptr, *end = p + block.len; p < end;) {
      ls_csv_record record;
      p = ls__csv_scan(&record, NULL, 0, p, end);
      if (record.ended) cut = (size_t)(p - block.ptr);
    }
  }
  *n_lines = count_newlines(block.ptr, cut);
  return cut;
}
