/** @file json_decode.c  Blocks of JSON lines and single JSON records -> rows. */
#include <string.h>

#include "codec/decoder.h"
#include "codec/json_parse.h"
#include "codec/json_scan.h"

/* The record at text failed: tells broken JSON from a broken value, and gives what may be shown of
 * it. */
static void report_bad(ls_decoder *decoder, ls_bad_sink sink, int64_t line, const char *text) {
  const char *at = text, *why = "";
  if (ls__json_mask(decoder, text, &at, &why) < 0) {
    ls__bad_set(decoder, "not_json", NULL, "not JSON: %s (column %lld)", why, (long long)(at - text) + 1);
  }
  ls__bad_report(decoder, sink, line);
}

static void report_not_utf8(ls_decoder *decoder, ls_bad_sink sink, int64_t line) {
  ls__bad_set(decoder, "bad_utf8", NULL, "the record is not valid UTF-8");
  ls__bad_report(decoder, sink, line);
}

/* Decodes the line at p, which ends with a newline; returns that newline. *appended: it gave a
 * row. */
static inline const char *decode_line(ls_batch *out, ls_decoder *decoder, const char *p, const char *end,
                                      ls_bad_sink sink, int64_t line, bool *appended) {
  const char *newline = ls__json_parse_record(decoder, p);
  if (__builtin_expect(newline && ls__record_check(decoder) == LS_OK, 1)) {
    ls__record_append(out, decoder);
    *appended = true;
    return newline;
  }
  newline = memchr(p, '\n', (size_t)(end - p));
  report_bad(decoder, sink, line, p);
  return newline;
}

/* Whole lines. Returns the number of rows appended; *line is raised past them. */
static int64_t decode_lines(ls_batch *out, int64_t *lines, ls_decoder *decoder, ls_slice text, int64_t *line,
                            ls_bad_sink sink) {
  bool utf8 = ls__utf8_valid_wide(text.ptr, text.len);
  int64_t n_rows = 0;
  for (const char *p = text.ptr, *end = p + text.len; p < end; p++, ++*line) {
    const char *first = ls__json_space(p);
    if (*first == '\n') { /* a blank line is no record */
      p = first;
      continue;
    }
    if (!utf8) {
      const char *newline = memchr(p, '\n', (size_t)(end - p));
      ls_slice record = {p, (size_t)(newline - p)};
      if (!ls__utf8_valid_wide(record.ptr, record.len)) {
        report_not_utf8(decoder, sink, *line);
        p = newline;
        continue;
      }
    }
    bool appended = false;
    p = decode_line(out, decoder, p, end, sink, *line, &appended);
    if (appended) lines[n_rows++] = *line;
  }
  return n_rows;
}

ls_slice ls__json_padded(ls_buf *text) {
  static const char padding[LS_JSON_PADDING] = {0};
  size_t len = text->len;
  ls__buf_append(text, padding, sizeof padding);
  return (ls_slice){text->ptr, len};
}

/* A copy that ends with a newline and is padded. */
static ls_slice padded_copy(ls_decoder *decoder, ls_slice text) {
  ls_buf *copy = &decoder->line;
  ls__buf_clear(copy);
  ls__buf_reserve(copy, text.len + 1 + LS_JSON_PADDING);
  ls__buf_append(copy, text.ptr, text.len);
  ls__buf_putc(copy, '\n');
  return ls__json_padded(copy);
}

static bool has_bom(ls_slice text) {
  return text.len >= 3 && memcmp(text.ptr, "\xEF\xBB\xBF", 3) == 0;
}

int ls__decode_json_lines(ls_batch *out, int64_t *lines, ls_decoder *decoder, ls_slice block, int64_t first_line,
                          ls_bad_record_fn on_bad, void *payload, ls_error *err) {
  (void)err;
  ls_bad_sink sink = {on_bad, payload};
  if (first_line == 1 && has_bom(block)) block = (ls_slice){block.ptr + 3, block.len - 3};
  if (block.len == 0) return LS_OK;
  size_t n_whole = block.len;
  while (n_whole > 0 && block.ptr[n_whole - 1] != '\n') n_whole--;
  int64_t line = first_line;
  int64_t n_rows = decode_lines(out, lines, decoder, (ls_slice){block.ptr, n_whole}, &line, sink);
  if (n_whole < block.len) {
    ls_slice last = padded_copy(decoder, (ls_slice){block.ptr + n_whole, block.len - n_whole});
    decode_lines(out, lines + n_rows, decoder, last, &line, sink);
  }
  return LS_OK;
}

int ls__decode_json_record(ls_batch *out, ls_decoder *decoder, ls_slice text, int64_t record_number,
                           ls_bad_record_fn on_bad, void *payload, ls_error *err) {
  (void)err;
  ls_bad_sink sink = {on_bad, payload};
  ls_slice copy = padded_copy(decoder, text);
  if (!ls__utf8_valid_wide(text.ptr, text.len)) {
    report_not_utf8(decoder, sink, record_number);
    return LS_OK;
  }
  /* A record may be laid out over several lines: CR is the same to the parser, space outside
   * strings and wrong inside. */
  for (char *p = decoder->line.ptr, *end = p + text.len; (p = memchr(p, '\n', (size_t)(end - p))) != NULL;) *p = '\r';
  bool appended = false;
  decode_line(out, decoder, copy.ptr, copy.ptr + copy.len, sink, record_number, &appended);
  return LS_OK;
}
