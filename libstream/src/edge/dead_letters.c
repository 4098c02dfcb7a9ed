/** @file dead_letters.c  See dead_letters.h. Letters go through a sorter, so that any number of them fits. */
#include "edge/dead_letters.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "data/datetime.h"
#include "store/sorter.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define CHUNK_LETTERS 4096
#define MEMORY_BYTES  ((size_t)8 << 20)

enum { F_SOURCE, F_DAYS, F_SEQ, F_TEXT, N_FIELDS };

struct ls_dead_letters {
  ls_dead_letter_port port;
  ls_dead_letters_opts opts;
  ls_arena arena;
  ls_schema schema;
  pthread_mutex_t lock; /* guards all below */
  ls_sorter *sorter;
  ls_sort_chunk *chunk;
  ls_strmap reasons;    /* "source\treason" -> int64_t count */
  ls_strmap days;       /* "source:days" -> present */
  atomic_llong *counts; /* per source */
  atomic_llong *others; /* same, of other days */
  atomic_llong total;
  ls_buf text, key;
};

static void put_member(ls_buf *out, const char *name, ls_slice value) {
  ls__buf_putc(out, out->len > 1 ? ',' : ' ');
  ls__buf_json_string(out, ls__slice_of(name));
  ls__buf_putc(out, ':');
  ls__buf_json_string(out, value);
}

static void put_text_member(ls_buf *out, const char *name, const char *value) {
  if (value != NULL) put_member(out, name, ls__slice_of(value));
}

/** One letter as a JSON object. */
static void format_letter(ls_buf *out, const ls_dead_letters *letters, const ls_dead_letter *letter) {
  ls__buf_clear(out);
  ls__buf_putc(out, '{');
  put_text_member(out, "source", letter->source);
  put_text_member(out, "file", letter->file);
  if (letter->line > 0) ls__buf_printf(out, ",\"line\":%lld", (long long)letter->line);
  put_text_member(out, "node", letter->node);
  put_text_member(out, "reason", letter->reason);
  put_text_member(out, "field", letter->field);
  put_text_member(out, "error", letter->error);
  put_text_member(out, "time", letters->opts.time);
  if (letter->payload.len > 0) {
    ls__buf_puts(out, ",\"payload\":");
    ls__buf_append(out, letter->payload.ptr, letter->payload.len);
  }
  ls__buf_putc(out, '}');
  if (out->ptr[1] == ' ') memmove(out->ptr + 1, out->ptr + 2, --out->len - 1);
}

static void count_reason(ls_dead_letters *letters, const ls_dead_letter *letter, int32_t days) {
  ls_buf *name = &letters->key;
  ls__buf_clear(name);
  ls__buf_printf(name, "%s\t%s", letter->source, letter->reason);
  int64_t *n = ls__strmap_get(&letters->reasons, name->ptr);
  if (n == NULL) {
    n = LS_ARENA_NEW(&letters->arena, int64_t);
    ls__strmap_put(&letters->reasons, name->ptr, n);
  }
  ++*n;
  ls__buf_clear(name);
  ls__buf_printf(name, "%s:%d", letter->source, days);
  ls__strmap_put(&letters->days, name->ptr, letters);
}

static int hand_over(ls_dead_letters *letters, ls_error *err) {
  ls_sort_chunk *chunk = letters->chunk;
  letters->chunk = NULL;
  return chunk == NULL ? LS_OK : ls__sorter_add(letters->sorter, chunk, NULL, err);
}

static int add_letter(ls_dead_letters *letters, uint32_t source, const ls_dead_letter *letter, ls_error *err) {
  int32_t days = letter->date_days == INT32_MIN ? letters->opts.default_days : letter->date_days;
  count_reason(letters, letter, days);
  format_letter(&letters->text, letters, letter);
  if (letters->chunk == NULL) letters->chunk = ls__sort_chunk_new(letters->sorter, CHUNK_LETTERS);
  ls_batch *batch = ls__sort_chunk_batch(letters->chunk);
  ls__column_append_i64(&batch->columns[F_SOURCE], source);
  ls__column_append_i64(&batch->columns[F_DAYS], days);
  ls__column_append_i64(&batch->columns[F_SEQ], (int64_t)letter->seq);
  ls__column_append_slice(&batch->columns[F_TEXT], ls__buf_slice(&letters->text));
  ls__batch_append_meta(batch, 0, (ls_stamp){0, letter->seq});
  uint32_t fields[] = {F_SOURCE, F_DAYS, F_SEQ, F_TEXT};
  ls__buf_clear(&letters->key);
  ls__key_encode(&letters->key, batch, fields, N_FIELDS, batch->n_rows - 1);
  ls__sort_chunk_add_key(letters->chunk, ls__buf_slice(&letters->key));
  return batch->n_rows >= CHUNK_LETTERS ? hand_over(letters, err) : LS_OK;
}

static int letters_write(ls_dead_letter_port *port, uint32_t source, const ls_dead_letter *letter, ls_error *err) {
  ls_dead_letters *letters = (ls_dead_letters *)port;
  int32_t days = letter->date_days;
  if (days != INT32_MIN && (days < letters->opts.from_days[source] || days > letters->opts.to_days[source])) {
    atomic_fetch_add(&letters->others[source], 1);
    return LS_OK;
  }
  pthread_mutex_lock(&letters->lock);
  int rc = add_letter(letters, source, letter, err);
  pthread_mutex_unlock(&letters->lock);
  LS_TRY(rc);
  atomic_fetch_add(&letters->counts[source], 1);
  int64_t total = atomic_fetch_add(&letters->total, 1) + 1;
  if (letters->opts.records_max >= 0 && total > letters->opts.records_max) {
    return ls_error_set(err, LS_EBADRECORDS, "more than max_bad_records (%lld) bad records; the last: %s, %s:%lld: %s",
                        (long long)letters->opts.records_max, letter->source, letter->file == NULL ? "?" : letter->file,
                        (long long)letter->line, letter->error);
  }
  return LS_OK;
}

void ls__dead_letters_new(ls_dead_letters **out, const ls_dead_letters_opts *opts) {
  ls_dead_letters *letters = LS_NEW(ls_dead_letters);
  *out = letters;
  letters->opts = *opts;
  letters->port.write = letters_write;
  ls__arena_init(&letters->arena, 4096);
  pthread_mutex_init(&letters->lock, NULL);
  letters->counts = ls__calloc(opts->n_sources + 1, sizeof *letters->counts);
  letters->others = ls__calloc(opts->n_sources + 1, sizeof *letters->others);
  ls_field *fields = LS_ARENA_ARRAY(&letters->arena, ls_field, N_FIELDS);
  fields[F_SOURCE] = (ls_field){.name = "source", .type = &ls__type_int64};
  fields[F_DAYS] = (ls_field){.name = "days", .type = &ls__type_int64};
  fields[F_SEQ] = (ls_field){.name = "seq", .type = &ls__type_int64};
  fields[F_TEXT] = (ls_field){.name = "text", .type = &ls__type_string};
  letters->schema = (ls_schema){.name = "dead_letters", .fields = fields, .n_fields = N_FIELDS, .time_field = -1};
  ls_sorter_opts sorter = {.schema = &letters->schema,
                           .n_partitions = 1,
                           .keyed = true,
                           .memory_bytes = MEMORY_BYTES,
                           .spill_directory = opts->spill_directory};
  ls__sorter_new(&letters->sorter, &sorter);
}

void ls__dead_letters_free(ls_dead_letters *letters) {
  if (letters == NULL) return;
  ls__sort_chunk_abandon(letters->chunk);
  ls__sorter_free(letters->sorter);
  ls__strmap_fini(&letters->reasons);
  ls__strmap_fini(&letters->days);
  ls__buf_fini(&letters->text);
  ls__buf_fini(&letters->key);
  ls__free(letters->counts);
  ls__free(letters->others);
  pthread_mutex_destroy(&letters->lock);
  ls__arena_fini(&letters->arena);
  ls__free(letters);
}

ls_dead_letter_port *ls__dead_letters_port(ls_dead_letters *letters) {
  return &letters->port;
}

int64_t ls__dead_letters_count(const ls_dead_letters *letters, uint32_t source) {
  return atomic_load(&letters->counts[source]);
}

int64_t ls__dead_letters_others(const ls_dead_letters *letters, uint32_t source) {
  return atomic_load(&letters->others[source]);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const ls_strmap_entry *)a)->key, ((const ls_strmap_entry *)b)->key);
}

void ls__dead_letters_reasons(const ls_dead_letters *letters,
                              void (*fn)(void *payload, const char *source, const char *reason, int64_t n),
                              void *payload) {
  size_t n = letters->reasons.n;
  ls_strmap_entry *sorted = ls__calloc(n + 1, sizeof *sorted);
  if (n > 0) memcpy(sorted, letters->reasons.entries, n * sizeof *sorted);
  qsort(sorted, n, sizeof *sorted, by_name);
  for (size_t i = 0; i < n; i++) {
    const char *tab = strchr(sorted[i].key, '\t');
    char *source = ls__strndup(sorted[i].key, (size_t)(tab - sorted[i].key));
    fn(payload, source, tab + 1, *(int64_t *)sorted[i].value);
    ls__free(source);
  }
  ls__free(sorted);
}

void ls__dead_letters_path(ls_buf *out, const ls_dead_letters *letters, uint32_t source, int32_t days) {
  char date[LS_TIMESTAMP_TEXT_MAX];
  ls__date_format(date, days);
  ls__buf_printf(out, "%s/dt=%s/part-00000.jsonl", letters->opts.directories[source], date);
}

bool ls__dead_letters_has(const ls_dead_letters *letters, uint32_t source, int32_t days) {
  ls_buf name = LS_BUF_INIT;
  ls__buf_printf(&name, "%s:%d", letters->opts.names[source], days);
  bool has = ls__strmap_get(&letters->days, name.ptr) != NULL;
  ls__buf_fini(&name);
  return has;
}

typedef struct letter_file {
  int64_t source, days;
  ls_buf text;
} letter_file;

static int stage_file(ls_dead_letters *letters, letter_file *file, ls_lake_stage *stage, ls_buf *paths, ls_error *err) {
  if (file->text.len == 0) return LS_OK;
  ls_buf path = LS_BUF_INIT;
  ls__dead_letters_path(&path, letters, (uint32_t)file->source, (int32_t)file->days);
  int rc = ls__lake_stage_bytes(stage, path.ptr, ls__buf_slice(&file->text), err);
  ls__buf_append(paths, path.ptr, path.len + 1);
  ls__buf_fini(&path);
  ls__buf_clear(&file->text);
  return rc;
}

static int stage_batch(ls_dead_letters *letters, letter_file *file, const ls_batch *batch, ls_lake_stage *stage,
                       ls_buf *paths, ls_error *err) {
  for (int64_t row = 0; row < batch->n_rows; row++) {
    int64_t source = ls__column_i64(&batch->columns[F_SOURCE])[row],
            days = ls__column_i64(&batch->columns[F_DAYS])[row];
    if (source != file->source || days != file->days) LS_TRY(stage_file(letters, file, stage, paths, err));
    file->source = source;
    file->days = days;
    ls_slice text = ls__column_slice(&batch->columns[F_TEXT], row);
    ls__buf_append(&file->text, text.ptr, text.len);
    ls__buf_putc(&file->text, '\n');
  }
  return LS_OK;
}

int ls__dead_letters_stage(ls_dead_letters *letters, ls_lake_stage *stage, ls_buf *paths, ls_error *err) {
  LS_TRY(hand_over(letters, err));
  ls__sorter_seal(letters->sorter);
  ls_sort_reader *reader = NULL;
  ls_arena arena;
  ls__arena_init(&arena, 0);
  letter_file file = {.source = -1};
  ls_stamp stamp;
  int rc = ls__sort_reader_open(&reader, letters->sorter, 0, err);
  while (rc >= 0 && ls__sort_reader_peek(reader, &stamp)) {
    ls__arena_reset(&arena);
    ls_batch *batch = ls__batch_new(&letters->schema, &arena, CHUNK_LETTERS);
    for (int n = 0; n < CHUNK_LETTERS && rc >= 0 && ls__sort_reader_peek(reader, &stamp); n++)
      rc = ls__sort_reader_take(reader, batch, err);
    if (rc >= 0) rc = ls__sort_reader_flush(reader, batch, err);
    if (rc >= 0) rc = stage_batch(letters, &file, batch, stage, paths, err);
  }
  if (rc >= 0) rc = stage_file(letters, &file, stage, paths, err);
  ls__buf_fini(&file.text);
  ls__sort_reader_close(reader);
  ls__arena_fini(&arena);
  return rc;
}
