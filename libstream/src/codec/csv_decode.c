/** @file csv_decode.c  CSV records -> rows, columns by the names of the header. */
#include <string.h>
#include <strings.h>

#include "codec/csv_scan.h"
#include "codec/decoder.h"
#include "codec/json_scan.h"

static bool is_blank(const char *p, const char *end) {
  return *p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n');
}

/* -- header ------------------------------------------------------------------------------------ */

/** "id,amount, and perhaps note": the header that this schema reads. */
static void expected_header(ls_buf *out, const ls_decoder *decoder) {
  for (int optional = 0; optional < 2; optional++) {
    bool first = true;
    for (uint32_t i = 0; i < decoder->n_fields; i++) {
      if (decoder->plans[i].required == (optional == 1)) continue;
      const char *before = !first ? "," : !optional ? "" : out->len > 0 ? ", and perhaps " : "perhaps ";
      ls__buf_printf(out, "%s%s", before, decoder->plans[i].field->name);
      first = false;
    }
  }
}

/** Why a column is not found, when its name is there in another form. Nothing of the line is shown: it may be a record. */
static const char *other_form(const ls_decoder *decoder, const ls_field *field) {
  ls_slice name = ls__slice_of(field->name);
  for (uint32_t c = 0; c < decoder->n_csv; c++) {
    ls_slice found = decoder->csv_names[c];
    bool semicolon = memchr(found.ptr, ';', found.len) != NULL, tab = memchr(found.ptr, '\t', found.len) != NULL;
    if (decoder->n_csv == 1 && (semicolon || tab))
      return semicolon ? "; columns are separated by ',', not ';'" : "; columns are separated by ',', not tabs";
    while (found.len > 0 && (found.ptr[0] == ' ' || found.ptr[0] == '\t'))
      found = (ls_slice){found.ptr + 1, found.len - 1};
    while (found.len > 0 && (found.ptr[found.len - 1] == ' ' || found.ptr[found.len - 1] == '\t')) found.len--;
    if (found.len == name.len && strncasecmp(found.ptr, name.ptr, name.len) == 0)
      return "; names are compared letter by letter, upper and lower case, without blanks";
  }
  return "";
}

static int check_header(const ls_decoder *decoder, ls_error *err) {
  for (uint32_t i = 0; i < decoder->n_fields; i++) {
    int n = 0;
    for (uint32_t c = 0; c < decoder->n_csv; c++) n += decoder->csv_fields[c] == (int32_t)i;
    const ls_field *field = decoder->plans[i].field;
    if (n > 1) return ls_error_set(err, LS_EDATA, "the CSV header has column '%s' twice", field->name);
    if (n == 1 || !decoder->plans[i].required) continue;
    return ls_error_set(err, LS_EDATA, "the CSV header has no column '%s', which schema %s needs%s", field->name,
                        decoder->schema->name, other_form(decoder, field));
  }
  for (uint32_t c = 0; c < decoder->n_csv; c++) {
    for (uint32_t k = 0; k < c; k++) {
      if (ls__slice_eq(decoder->csv_names[c], decoder->csv_names[k]))
        return ls_error_set(err, LS_EDATA, "the CSV header has a column twice (columns %u and %u)", k + 1, c + 1);
    }
  }
  return LS_OK;
}

static int read_header(ls_decoder *decoder, ls_slice text, ls_error *err) {
  ls_arena *arena = &decoder->csv_arena;
  ls_csv_record record;
  const char *end = text.ptr + text.len;
  ls__csv_scan(&record, NULL, 0, text.ptr, end);
  if (record.bad_quote) return ls_error_set(err, LS_EDATA, "the CSV header has a quote at a wrong place");
  uint32_t n = record.n_cells;
  decoder->csv_cells = LS_ARENA_ARRAY(arena, ls_csv_cell, n);
  decoder->csv_names = LS_ARENA_ARRAY(arena, ls_slice, n);
  decoder->csv_fields = LS_ARENA_ARRAY(arena, int32_t, n);
  decoder->n_csv = n;
  ls__csv_scan(&record, decoder->csv_cells, n, text.ptr, end);
  for (uint32_t c = 0; c < n; c++) {
    ls_slice name = ls__csv_cell_text(&decoder->csv_cells[c], arena);
    decoder->csv_names[c] = (ls_slice){ls__arena_strndup(arena, name.len ? name.ptr : "", name.len), name.len};
    decoder->csv_fields[c] = ls__decoder_find(decoder, name);
  }
  return check_header(decoder, err);
}

static int try_header(ls_decoder *decoder, ls_slice text, ls_error *err) {
  if (text.len >= 2 && (memcmp(text.ptr, "\xFF\xFE", 2) == 0 || memcmp(text.ptr, "\xFE\xFF", 2) == 0)) {
    return ls_error_set(err, LS_EDATA, "the file is UTF-16, not UTF-8");
  }
  if (text.len >= 3 && memcmp(text.ptr, "\xEF\xBB\xBF", 3) == 0) text = (ls_slice){text.ptr + 3, text.len - 3};
  if (text.len == 0) return ls_error_set(err, LS_EDATA, "the file is empty: the CSV header is missing");
  if (is_blank(text.ptr, text.ptr + text.len))
    return ls_error_set(err, LS_EDATA, "the first line is empty: the CSV header is missing");
  if (!ls__utf8_valid(text)) return ls_error_set(err, LS_EDATA, "the CSV header is not valid UTF-8");
  if (memchr(text.ptr, 0, text.len) != NULL)
    return ls_error_set(err, LS_EDATA, "the CSV header has NUL bytes: the file is not UTF-8 text");
  return read_header(decoder, text, err);
}

int ls__decoder_csv_header(ls_decoder *decoder, ls_slice text, ls_error *err) {
  ls__arena_reset(&decoder->csv_arena);
  decoder->csv_fields = NULL;
  ls_error why = LS_ERROR_INIT;
  int rc = try_header(decoder, text, &why);
  if (rc >= 0) return rc;
  decoder->csv_fields = NULL;
  ls_buf expected = LS_BUF_INIT;
  expected_header(&expected, decoder);
  rc = ls_error_set(err, rc, "%s; expected a first line in UTF-8 with the columns %s, in any order", why.message,
                    expected.ptr);
  ls__buf_fini(&expected);
  return rc;
}

/* -- records ----------------------------------------------------------------------------------- */

static int read_cell(ls_decoder *decoder, const ls_csv_cell *cell, const ls_field_plan *plan, ls_value *value) {
  bool is_text = plan->type->kind == LS_STRING || plan->type->kind == LS_BYTES;
  if (cell->len == 0 && (!cell->quoted || !is_text)) { /* "" is an empty text, and no number */
    value->state = LS_VALUE_NULL;
    return LS_OK;
  }
  ls_slice text = ls__csv_cell_text(cell, &decoder->scratch);
  ls_kind kind = plan->type->kind;
  if (kind == LS_LIST || kind == LS_STRUCT) return ls__json_cell(decoder, plan, plan->type, text, value);
  LS_TRY(ls__scalar_text(decoder, plan, plan->type, text, value));
  return plan->constrained ? ls__plan_check(decoder, plan, value) : LS_OK;
}

static int read_cells(ls_decoder *decoder) {
  for (uint32_t c = 0; c < decoder->n_csv; c++) {
    int32_t i = decoder->csv_fields[c];
    if (i < 0) continue;
    LS_TRY(read_cell(decoder, &decoder->csv_cells[c], &decoder->plans[i], &decoder->values[i]));
  }
  return ls__record_check(decoder);
}

/* A cell of a list or a struct holds JSON: as it is when it is that, else as a text. */
static void put_json_cell(ls_decoder *decoder, ls_slice text) {
  static const char end[LS_JSON_PADDING + 1] = "\n";
  ls_buf *out = &decoder->line;
  ls_json_fault fault;
  size_t start = out->len;
  ls__buf_append(out, text.ptr, text.len);
  for (size_t i = start; i < out->len; i++) {
    if (out->ptr[i] == '\n') out->ptr[i] = '\r'; /* the same to the parser, see ls__json_cell */
  }
  size_t len = out->len;
  ls__buf_append(out, end, sizeof end);
  const char *p = ls__json_skip(ls__json_space(out->ptr + start), 1, &fault);
  out->len = len;
  if (p && *ls__json_space(p) == '\n') return;
  out->len = start;
  ls__buf_json_string(out, text);
}

/* The record as a JSON object by the header's names, masked. */
static void payload_of_cells(ls_decoder *decoder) {
  ls_buf *out = &decoder->line;
  ls__buf_clear(out);
  for (uint32_t c = 0; c < decoder->n_csv; c++) {
    const ls_csv_cell *cell = &decoder->csv_cells[c];
    int32_t i = decoder->csv_fields[c];
    ls_kind kind = i < 0 ? LS_STRING : decoder->plans[i].type->kind;
    ls_slice text = ls__csv_cell_text(cell, &decoder->scratch);
    ls__buf_putc(out, c ? ',' : '{');
    ls__buf_json_string(out, decoder->csv_names[c]);
    ls__buf_putc(out, ':');
    if (text.len == 0 && !cell->quoted)
      ls__buf_puts(out, "null");
    else if (kind == LS_LIST || kind == LS_STRUCT)
      put_json_cell(decoder, text);
    else
      ls__buf_json_string(out, text);
  }
  ls__buf_putc(out, '}');
  ls__json_mask_line(decoder);
}

/* What is wrong with the record's form, before any cell is read. LS_OK: nothing. */
static int check_form(ls_decoder *decoder, const ls_csv_record *record, const char *start) {
  if (record->open) return ls__bad_set(decoder, "csv_quotes", NULL, "the quoted text has no closing quote");
  if (record->bad_quote) {
    return ls__bad_set(decoder, "csv_quotes", NULL,
                       "a quote is at a wrong place (byte %lld of the record): a cell with "
                       "quotes is quoted as a whole, and its quotes are doubled",
                       (long long)(record->bad_quote - start) + 1);
  }
  if (record->n_cells == decoder->n_csv) return LS_OK;
  return ls__bad_set(decoder, "csv_columns", NULL, "the record has %u columns, the header has %u", record->n_cells,
                     decoder->n_csv);
}

/* Reads one record of the block, whose text is given; false: it was bad and has been reported. */
static bool decode_record(ls_batch *out, ls_decoder *decoder, const ls_csv_record *record, ls_slice text, int64_t line,
                          bool utf8, ls_bad_sink sink) {
  if (!utf8 && !ls__utf8_valid_wide(text.ptr, text.len)) {
    ls__bad_set(decoder, "bad_utf8", NULL, "the record is not valid UTF-8");
  } else if (check_form(decoder, record, text.ptr) == LS_OK) {
    if (read_cells(decoder) < 0) {
      payload_of_cells(decoder);
    } else {
      ls__record_append(out, decoder);
      return true;
    }
  }
  ls__bad_report(decoder, sink, line);
  return false;
}

/* Without its newline. */
static ls_slice record_text(const char *p, const char *end) {
  if (end > p && end[-1] == '\n') end--;
  if (end > p && end[-1] == '\r') end--;
  return (ls_slice){p, (size_t)(end - p)};
}

int ls__decode_csv(ls_batch *out, int64_t *lines, ls_decoder *decoder, ls_slice block, int64_t first_line,
                   ls_bad_record_fn on_bad, void *payload, ls_error *err) {
  if (!decoder->csv_fields) return ls_error_set(err, LS_EINVAL, "the CSV header has not been given to the decoder");
  if (block.len == 0) return LS_OK;
  ls_bad_sink sink = {on_bad, payload};
  bool utf8 = ls__utf8_valid_wide(block.ptr, block.len);
  int64_t line = first_line, n_rows = 0;
  for (const char *p = block.ptr, *end = p + block.len; p < end;) {
    if (is_blank(p, end)) {
      p += *p == '\r' ? 2 : 1;
      line++;
      continue;
    }
    ls_csv_record record;
    const char *next = ls__csv_scan(&record, decoder->csv_cells, decoder->n_csv, p, end);
    if (decode_record(out, decoder, &record, record_text(p, next), line, utf8, sink)) lines[n_rows++] = line;
    line += record.n_newlines;
    p = next;
  }
  return LS_OK;
}
