/**
 * @file parity_compare.c
 * Two sorters of an output's records, as they are on the topic and as the replay made them, walked side by side. Records of a
 * key come together in their order. Memory: a few rows, whatever the number of a key's records.
 */
#include "runtime/parity.h"

#define ROWS_AT_ONCE 1024
#define TEXT_MAX     400 /* of a value in a difference */
enum { LIVE, REPLAYED };

typedef struct side {
  ls_sort_reader *reader;
  ls_arena arena;
  ls_batch *batch;
  int64_t row;
} side;

/** What the records of one key are, so far. */
typedef struct group {
  ls_buf key; /* by which it is sorted: the key, or of records without one the value */
  bool keyed;
  int64_t n[2], skipped;
  uint64_t sums[2][2];      /* of the values, in any order */
  uint64_t folded[2][2];    /* in their order */
  int64_t differs_at;       /* first row that differs, from 1; 0: none */
  ls_buf first[2], last[2]; /* values: at differs_at; the last so far */
  bool first_there[2], first_null[2], last_null[2], again;
  int64_t worker;
  bool of_several; /* the replay's rows come from several partitions: their order is nobody's */
} group;

typedef struct comparing {
  ls_parity *parity;
  ls_parity_output *output;
  side sides[2];
  group at;
} comparing;

/* ---- one side ---- */

static int fill(side *from, ls_error *err) {
  const ls_schema *schema = from->batch->schema;
  ls__arena_reset(&from->arena);
  from->batch = ls__batch_new(schema, &from->arena, ROWS_AT_ONCE);
  from->row = 0;
  ls_stamp stamp;
  int64_t n = 0;
  for (; n < ROWS_AT_ONCE && ls__sort_reader_peek(from->reader, &stamp); n++)
    LS_TRY(ls__sort_reader_take(from->reader, from->batch, err));
  return n > 0 ? ls__sort_reader_flush(from->reader, from->batch, err) : LS_OK;
}

static int open_side(side *out, ls_sorter *sorter, const ls_schema *schema, ls_error *err) {
  ls__arena_init(&out->arena, (size_t)1 << 18);
  out->batch = ls__batch_new(schema, &out->arena, 0);
  LS_TRY(ls__sort_reader_open(&out->reader, sorter, 0, err));
  return fill(out, err);
}

static void close_side(side *from) {
  if (from->reader != NULL) ls__sort_reader_close(from->reader);
  ls__arena_fini(&from->arena);
}

static bool has_row(const side *from) {
  return from->row < from->batch->n_rows;
}
static bool is_keyed(const side *from) {
  return LS_BIT_GET(from->batch->columns[1].values, from->row) != 0;
}
static bool is_deletion(const side *from) {
  return ls__is_null(&from->batch->columns[2], from->row);
}
static ls_slice value_of(const side *from) {
  return is_deletion(from) ? (ls_slice){"", 0} : ls__column_slice(&from->batch->columns[2], from->row);
}
static ls_slice key_of(const side *from) {
  return is_keyed(from) ? ls__column_slice(&from->batch->columns[0], from->row) : value_of(from);
}

static int advance(side *from, ls_error *err) {
  from->row++;
  return has_row(from) ? LS_OK : fill(from, err);
}

static void put(ls_buf *to, ls_slice text) {
  ls__buf_clear(to);
  ls__buf_append(to, text.ptr, text.len);
}

/* ---- a group ---- */

static void hash_value(uint64_t out[2], const side *from) {
  ls__hash128(value_of(from), out);
  out[0] += is_deletion(from);
}

/** Counts a row of a side and remembers it as the last. fold: it is part of what is equal or not. */
static int take(comparing *run, int which, bool fold, ls_error *err) {
  group *at = &run->at;
  side *from = &run->sides[which];
  uint64_t hash[2];
  hash_value(hash, from);
  for (int i = 0; i < 2 && fold; i++) {
    at->sums[which][i] += hash[i];
    at->folded[which][i] = at->folded[which][i] * UINT64_C(0x9E3779B97F4A7C15) + hash[i];
  }
  if (which == REPLAYED) {
    int64_t worker = from->batch->stamps[from->row].ts_us;
    at->of_several = at->of_several || (at->n[REPLAYED] > 0 && at->worker != worker);
    at->worker = worker;
  }
  at->n[which]++;
  put(&at->last[which], value_of(from));
  at->last_null[which] = is_deletion(from);
  return advance(from, err);
}

static bool in_group(const comparing *run, int which) {
  const side *from = &run->sides[which];
  return has_row(from) && is_keyed(from) == run->at.keyed && ls__slice_eq(key_of(from), ls__buf_slice(&run->at.key));
}

static bool same_value(const comparing *run) {
  const side *a = &run->sides[LIVE], *b = &run->sides[REPLAYED];
  return is_deletion(a) == is_deletion(b) && ls__slice_eq(value_of(a), value_of(b));
}

/** The first rows that differ; a side that has no more has none. */
static void note_first(comparing *run) {
  group *at = &run->at;
  if (at->differs_at > 0) return;
  at->differs_at = at->n[REPLAYED] + 1;
  for (int which = 0; which < 2; which++) {
    at->first_there[which] = in_group(run, which);
    if (!at->first_there[which]) continue;
    put(&at->first[which], value_of(&run->sides[which]));
    at->first_null[which] = is_deletion(&run->sides[which]);
  }
  at->again = at->first_there[LIVE] && at->n[LIVE] > 0 &&
              ls__slice_eq(ls__buf_slice(&at->first[LIVE]), ls__buf_slice(&at->last[LIVE]));
}

static int walk_all(comparing *run, ls_error *err) {
  while (in_group(run, LIVE) && in_group(run, REPLAYED)) {
    if (!same_value(run)) note_first(run);
    LS_TRY(take(run, LIVE, true, err));
    LS_TRY(take(run, REPLAYED, true, err));
  }
  if (in_group(run, LIVE) || in_group(run, REPLAYED)) note_first(run);
  while (in_group(run, LIVE)) LS_TRY(take(run, LIVE, true, err));
  while (in_group(run, REPLAYED)) LS_TRY(take(run, REPLAYED, true, err));
  return LS_OK;
}

/** A compacted topic: rows that the replay has before the next live one may have been dropped, but not the last. */
static int walk_compacted(comparing *run, ls_error *err) {
  group *at = &run->at;
  while (in_group(run, LIVE)) {
    int64_t skipped = 0;
    while (in_group(run, REPLAYED) && !same_value(run)) {
      LS_TRY(take(run, REPLAYED, false, err));
      skipped++;
    }
    at->skipped += skipped;
    if (!in_group(run, REPLAYED)) { /* no such row */
      note_first(run);
      while (in_group(run, LIVE)) LS_TRY(take(run, LIVE, true, err));
      return LS_OK;
    }
    LS_TRY(take(run, LIVE, true, err));
    LS_TRY(take(run, REPLAYED, true, err));
  }
  if (in_group(run, REPLAYED)) note_first(run);
  while (in_group(run, REPLAYED)) LS_TRY(take(run, REPLAYED, true, err));
  return LS_OK;
}

/** The last row of each; a deletion is no row. */
static int walk_last(comparing *run, ls_error *err) {
  group *at = &run->at;
  for (int which = 0; which < 2; which++) {
    while (in_group(run, which)) LS_TRY(take(run, which, false, err));
    if (at->n[which] == 0 || at->last_null[which]) continue;
    put(&at->first[which], ls__buf_slice(&at->last[which]));
    at->first_there[which] = true;
    ls__hash128(ls__buf_slice(&at->last[which]), at->folded[which]);
  }
  bool same = at->first_there[LIVE] == at->first_there[REPLAYED] &&
              ls__slice_eq(ls__buf_slice(&at->first[LIVE]), ls__buf_slice(&at->first[REPLAYED]));
  if (!same) at->differs_at = at->n[REPLAYED] > 0 ? at->n[REPLAYED] : 1;
  return LS_OK;
}

/* ---- what differs ---- */

static char *cut(ls_parity *parity, ls_slice text) {
  bool whole = text.len <= TEXT_MAX;
  return ls__arena_printf(&parity->run->arena, "%.*s%s", (int)(whole ? text.len : TEXT_MAX),
                          text.ptr != NULL ? text.ptr : "", whole ? "" : "…");
}

static const char *shown_key(ls_parity *parity, const ls_parity_output *output, const group *at) {
  for (uint32_t i = 0; output->schema != NULL && i < output->schema->n_key; i++) {
    if (output->schema->fields[output->schema->key[i]].sensitive) return "***";
  }
  return at->keyed ? cut(parity, ls__buf_slice(&at->key)) : "";
}

static void add(ls_parity *parity, const ls_parity_difference *difference) {
  if (parity->n_differences < parity->n_differences_max) parity->differences[parity->n_differences++] = *difference;
}

static void ignore_bad(void *payload, const ls_bad_record *bad) {
  (void)payload, (void)bad;
}

/** A value as a row of the sink; NULL: it is none. */
static ls_batch *decode(const ls_parity_output *output, ls_slice value, ls_arena *arena) {
  ls_decoder *decoder = NULL;
  ls_error why = LS_ERROR_INIT;
  bool message = output->protobuf != NULL;
  ls_decoder_opts opts = {.format = message ? LS_FORMAT_PROTOBUF : LS_FORMAT_JSON,
                          .protobuf_descriptor = message ? ls__protobuf_writer_message(output->protobuf) : NULL};
  if (output->schema == NULL || ls__decoder_new(&decoder, output->schema, &opts, &why) < 0) return NULL;
  ls_batch *batch = ls__batch_new(output->schema, arena, 1);
  int rc = message ? ls__decode_protobuf(batch, decoder, value, 1, ignore_bad, NULL, &why)
                   : ls__decode_json_record(batch, decoder, value, 1, ignore_bad, NULL, &why);
  ls__decoder_free(decoder);
  if (rc < 0 || batch->columns[0].n_rows == 0) return NULL;
  batch->n_rows = 0;
  ls__batch_append_meta(batch, 0, (ls_stamp){0, 0});
  return batch;
}

/** A dead letter without its payload, which is masked, and long. */
static const char *without_payload(char *letter) {
  char *payload = strstr(letter, ",\"payload\":");
  if (payload != NULL) memcpy(payload, "}", 2);
  return letter;
}

/** A whole value for eyes, without what is sensitive. */
static const char *shown_value(const comparing *run, int which, ls_arena *arena) {
  const group *at = &run->at;
  if (!at->first_there[which]) return NULL;
  if (at->first_null[which]) return "(deleted)";
  ls_slice value = ls__buf_slice(&at->first[which]);
  if (run->output->schema == NULL) return without_payload(cut(run->parity, value));
  ls_batch *batch = decode(run->output, value, arena);
  if (batch == NULL) return "(not a row of this sink)";
  ls_buf text = LS_BUF_INIT;
  ls__batch_format_masked(&text, batch, 0, NULL);
  const char *shown = cut(run->parity, ls__buf_slice(&text));
  ls__buf_fini(&text);
  return shown;
}

static const char *shown_column(ls_parity *parity, const ls_batch *batch, uint32_t field) {
  if (batch->schema->fields[field].sensitive) return "***";
  ls_buf text = LS_BUF_INIT;
  ls__column_format_json(&text, &batch->columns[field], 0);
  const char *shown = cut(parity, ls__buf_slice(&text));
  ls__buf_fini(&text);
  return shown;
}

/** One difference per column. False: the rows can't be told apart by columns. */
static bool add_columns(comparing *run, ls_parity_difference *difference, ls_arena *arena) {
  const group *at = &run->at;
  if (!at->first_there[LIVE] || !at->first_there[REPLAYED] || at->first_null[LIVE] || at->first_null[REPLAYED])
    return false;
  ls_batch *live = decode(run->output, ls__buf_slice(&at->first[LIVE]), arena),
           *replayed = decode(run->output, ls__buf_slice(&at->first[REPLAYED]), arena);
  bool any = false;
  for (uint32_t i = 0; live != NULL && replayed != NULL && i < run->output->schema->n_fields; i++) {
    if (ls__column_value_eq(&live->columns[i], 0, &replayed->columns[i], 0)) continue;
    difference->column = run->output->schema->fields[i].name;
    difference->live = shown_column(run->parity, live, i);
    difference->replayed = shown_column(run->parity, replayed, i);
    add(run->parity, difference);
    any = true;
  }
  return any;
}

static ls_parity_kind kind_of(const ls_parity_output *output, const group *at) {
  if (output->last_only != NULL)
    return !at->first_there[LIVE] ? LS_PARITY_MISSING : !at->first_there[REPLAYED] ? LS_PARITY_EXTRA : LS_PARITY_VALUE;
  if (output->compacted) return at->first_there[LIVE] ? LS_PARITY_EXTRA : LS_PARITY_MISSING;
  if (at->n[LIVE] < at->n[REPLAYED]) return LS_PARITY_MISSING;
  if (at->n[LIVE] > at->n[REPLAYED]) return at->again ? LS_PARITY_TWICE : LS_PARITY_EXTRA;
  return memcmp(at->sums[LIVE], at->sums[REPLAYED], sizeof at->sums[LIVE]) == 0 ? LS_PARITY_ORDER : LS_PARITY_VALUE;
}

static void note_difference(comparing *run) {
  const group *at = &run->at;
  bool same_rows =
      at->n[LIVE] == at->n[REPLAYED] && memcmp(at->sums[LIVE], at->sums[REPLAYED], sizeof at->sums[LIVE]) == 0;
  if (at->of_several && same_rows && run->output->last_only == NULL) return;
  ls_parity_difference difference = {.kind = kind_of(run->output, at), .output = run->output, .row = at->differs_at};
  run->output->n_different[difference.kind]++;
  if (run->parity->n_differences == run->parity->n_differences_max) return;
  difference.key = shown_key(run->parity, run->output, at);
  ls_arena arena;
  ls__arena_init(&arena, 4096);
  if (difference.kind != LS_PARITY_VALUE || !add_columns(run, &difference, &arena)) {
    difference.live = shown_value(run, LIVE, &arena);
    difference.replayed = shown_value(run, REPLAYED, &arena);
    add(run->parity, &difference);
  }
  ls__arena_fini(&arena);
}

/* ---- all groups ---- */

static void clear(group *at) {
  group fresh = {.key = at->key, .first = {at->first[0], at->first[1]}, .last = {at->last[0], at->last[1]}};
  *at = fresh;
  ls__buf_clear(&at->key);
  for (int i = 0; i < 2; i++) {
    ls__buf_clear(&at->first[i]);
    ls__buf_clear(&at->last[i]);
  }
}

/** The group of the lowest key of both sides; of equal keys, first the records that have one. */
static void begin_group(comparing *run) {
  const side *live = &run->sides[LIVE], *replayed = &run->sides[REPLAYED];
  const side *from = !has_row(live) ? replayed : live;
  if (has_row(live) && has_row(replayed)) {
    int order = ls__slice_cmp(key_of(replayed), key_of(live));
    if (order < 0) from = replayed;
  }
  clear(&run->at);
  put(&run->at.key, key_of(from));
  run->at.keyed = is_keyed(from);
}

static int compare_group(comparing *run, ls_error *err) {
  ls_parity_output *output = run->output;
  group *at = &run->at;
  begin_group(run);
  LS_TRY(output->last_only != NULL ? walk_last(run, err)
         : output->compacted       ? walk_compacted(run, err)
                                   : walk_all(run, err));
  uint64_t key[2];
  ls__hash128(ls__buf_slice(&at->key), key);
  for (int i = 0; i < 2; i++) {
    const uint64_t *of = at->of_several ? at->sums[LIVE] : at->folded[LIVE],
                   *by = at->of_several ? at->sums[REPLAYED] : at->folded[REPLAYED];
    output->digest_live[i] += (of[i] ^ key[i]) * UINT64_C(0xD6E8FEB86659FD93) * (of[i] != 0);
    output->digest_replayed[i] += (by[i] ^ key[i]) * UINT64_C(0xD6E8FEB86659FD93) * (by[i] != 0);
  }
  output->n_keys++;
  output->n_compacted += at->differs_at == 0 ? at->skipped : 0;
  if (at->differs_at > 0) note_difference(run);
  return LS_OK;
}

int ls__parity_compare(ls_parity *parity, ls_parity_output *output, ls_error *err) {
  comparing run = {.parity = parity, .output = output};
  int rc = open_side(&run.sides[LIVE], output->live, &parity->schema, err);
  if (rc >= 0) rc = open_side(&run.sides[REPLAYED], output->replayed, &parity->schema, err);
  for (int64_t n = 0; rc >= 0 && (has_row(&run.sides[LIVE]) || has_row(&run.sides[REPLAYED])); n++) {
    rc = compare_group(&run, err);
    if (rc >= 0 && n % ROWS_AT_ONCE == 0) rc = ls__run_check_stop(parity->run, err);
    if (n % ROWS_AT_ONCE == 0) ls__run_progress(parity->run, "compare", n, 0);
  }
  for (int i = 0; i < 2; i++) {
    close_side(&run.sides[i]);
    ls__buf_fini(&run.at.first[i]);
    ls__buf_fini(&run.at.last[i]);
  }
  ls__buf_fini(&run.at.key);
  return rc;
}
