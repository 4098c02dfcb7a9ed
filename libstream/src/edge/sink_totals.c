/** @file sink_totals.c  See sink_totals.h. */
#include "edge/sink_totals.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <pthread.h>
#include <stdlib.h>

#define N_RECENT  8
#define SEPARATOR '\x1f' /* between the two values in a key of split_sums */

/** A map with the values that rows had lately in front of it: there are few, and they come again and again. */
typedef struct totals_map {
  ls_strmap map;
  struct {
    ls_slice name;
    void *slot;
  } recent[N_RECENT];
  size_t n_recent;
} totals_map;

struct ls_sink_totals {
  ls_sink_port port;
  ls_sink_totals_spec spec;
  const ls_schema *schema;
  pthread_mutex_t lock;
  totals_map *counts;    /* per count_by: value -> int64_t */
  totals_map sums;       /* per value -> ls_int128[n_sum] */
  totals_map split_sums; /* same, per value and value of split */
  ls_buf name;
};

static int totals_write(ls_sink_port *port, int worker, const ls_batch *batch, const ls_column *partition,
                        ls_error *err) {
  (void)worker;
  (void)partition;
  return ls__sink_totals_add((ls_sink_totals *)port, batch, err);
}

ls_sink_port *ls__sink_totals_port(ls_sink_totals *totals) {
  return &totals->port;
}

void ls__sink_totals_new(ls_sink_totals **out, const ls_sink_totals_spec *spec, const ls_schema *schema) {
  ls_sink_totals *totals = LS_NEW(ls_sink_totals);
  totals->port.write = totals_write;
  totals->spec = *spec;
  totals->schema = schema;
  totals->counts = ls__calloc(spec->n_count_by + 1, sizeof *totals->counts);
  pthread_mutex_init(&totals->lock, NULL);
  *out = totals;
}

static void map_free(totals_map *in) {
  for (size_t i = 0; i < N_RECENT; i++) ls__free((char *)(uintptr_t)in->recent[i].name.ptr);
  for (size_t i = 0; i < in->map.n; i++) ls__free(in->map.entries[i].value);
  ls__strmap_fini(&in->map);
}

void ls__sink_totals_free(ls_sink_totals *totals) {
  if (totals == NULL) return;
  for (uint32_t i = 0; i < totals->spec.n_count_by; i++) map_free(&totals->counts[i]);
  map_free(&totals->sums);
  map_free(&totals->split_sums);
  ls__free(totals->counts);
  ls__buf_fini(&totals->name);
  pthread_mutex_destroy(&totals->lock);
  ls__free(totals);
}

static void put_value(ls_sink_totals *totals, const ls_column *column, int64_t row) {
  if (column == NULL || ls__is_null(column, row)) return;
  ls_slice value = ls__column_slice(column, row);
  ls__buf_append(&totals->name, value.ptr, value.len);
}

/** Slot of a name that rows had not lately; made zeroed when new. */
static void *slot_of_name(totals_map *in, const char *name, size_t n_bytes) {
  void *slot = ls__strmap_get(&in->map, name);
  if (slot == NULL) {
    slot = ls__calloc(1, n_bytes);
    ls__strmap_put(&in->map, name, slot);
  }
  return slot;
}

/** Value of the map for a row's column value, or two of them; made zeroed when new. Null counts as "". */
static void *slot_of(ls_sink_totals *totals, totals_map *in, const ls_column *column, const ls_column *second,
                     int64_t row, size_t n_bytes) {
  ls__buf_clear(&totals->name);
  put_value(totals, column, row);
  if (second != NULL) ls__buf_putc(&totals->name, SEPARATOR);
  put_value(totals, second, row);
  ls__buf_puts(&totals->name, ""); /* NUL-terminated */
  ls_slice name = ls__buf_slice(&totals->name);
  size_t n = in->n_recent < N_RECENT ? in->n_recent : N_RECENT;
  for (size_t i = 0; i < n; i++) {
    if (ls__slice_eq(in->recent[i].name, name)) return in->recent[i].slot;
  }
  void *slot = slot_of_name(in, name.ptr, n_bytes);
  size_t at = in->n_recent++ % N_RECENT;
  ls__free((char *)(uintptr_t)in->recent[at].name.ptr);
  in->recent[at].name = (ls_slice){ls__strndup(name.ptr, name.len), name.len};
  in->recent[at].slot = slot;
  return slot;
}

static int add_sums(ls_sink_totals *totals, ls_i128 *sums, const ls_batch *batch, int64_t row, ls_error *err) {
  const ls_sink_totals_spec *spec = &totals->spec;
  for (uint32_t i = 0; i < spec->n_sum; i++) {
    const ls_column *column = &batch->columns[spec->sum[i]];
    if (ls__is_null(column, row)) continue;
    ls_int128 sum;
    if (ls__decimal_add(&sum, ls__i128_get(sums[i]), ls__i128_get(ls__column_i128(column)[row])) < 0) {
      return ls_error_set(err, LS_EOVERFLOW, "the total of %s needs more than 38 digits",
                          totals->schema->fields[spec->sum[i]].name);
    }
    sums[i] = ls__i128_make(sum);
  }
  return LS_OK;
}

static int add_row(ls_sink_totals *totals, const ls_batch *batch, int64_t row, ls_error *err) {
  const ls_sink_totals_spec *spec = &totals->spec;
  for (uint32_t i = 0; i < spec->n_count_by; i++) {
    ++*(int64_t *)slot_of(totals, &totals->counts[i], &batch->columns[spec->count_by[i]], NULL, row, sizeof(int64_t));
  }
  if (spec->n_sum == 0) return LS_OK;
  const ls_column *per = spec->per >= 0 ? &batch->columns[spec->per] : NULL;
  size_t n_bytes = spec->n_sum * sizeof(ls_i128);
  LS_TRY(add_sums(totals, slot_of(totals, &totals->sums, per, NULL, row, n_bytes), batch, row, err));
  if (spec->split < 0) return LS_OK;
  return add_sums(totals, slot_of(totals, &totals->split_sums, per, &batch->columns[spec->split], row, n_bytes), batch,
                  row, err);
}

int ls__sink_totals_add(ls_sink_totals *totals, const ls_batch *batch, ls_error *err) {
  int rc = LS_OK;
  pthread_mutex_lock(&totals->lock);
  for (int64_t row = 0; row < batch->n_rows && rc >= 0; row++) rc = add_row(totals, batch, row, err);
  pthread_mutex_unlock(&totals->lock);
  return rc;
}

static int by_key(const void *a, const void *b) {
  return strcmp(((const ls_strmap_entry *)a)->key, ((const ls_strmap_entry *)b)->key);
}

static ls_strmap_entry *sorted(const ls_strmap *map) {
  ls_strmap_entry *entries = ls__calloc(map->n + 1, sizeof *entries);
  if (map->n > 0) memcpy(entries, map->entries, map->n * sizeof *entries);
  qsort(entries, map->n, sizeof *entries, by_key);
  return entries;
}

static void put_name(ls_buf *out, const char *name, bool first) {
  if (!first) ls__buf_putc(out, ',');
  ls__buf_json_string(out, ls__slice_of(name));
  ls__buf_putc(out, ':');
}

static void format_counts(ls_buf *out, const ls_strmap *map) {
  ls_strmap_entry *entries = sorted(map);
  ls__buf_putc(out, '{');
  for (size_t i = 0; i < map->n; i++) {
    put_name(out, entries[i].key, i == 0);
    ls__buf_printf(out, "%lld", (long long)*(int64_t *)entries[i].value);
  }
  ls__buf_putc(out, '}');
  ls__free(entries);
}

static void format_sums(ls_buf *out, const ls_sink_totals *totals, const ls_i128 *sums) {
  ls__buf_putc(out, '{');
  for (uint32_t i = 0; i < totals->spec.n_sum; i++) {
    const ls_field *field = &totals->schema->fields[totals->spec.sum[i]];
    char text[LS_DECIMAL_TEXT_MAX];
    size_t len = ls__decimal_format(text, ls__i128_get(sums[i]), field->type->scale);
    put_name(out, field->name, i == 0);
    ls__buf_json_string(out, (ls_slice){text, len});
  }
  ls__buf_putc(out, '}');
}

void ls__sink_totals_each(const ls_sink_totals *totals,
                          void (*fn)(void *payload, const char *per, const char *split, const ls_i128 *sums),
                          void *payload) {
  const ls_strmap *map = totals->spec.split >= 0 ? &totals->split_sums.map : &totals->sums.map;
  ls_strmap_entry *entries = sorted(map);
  for (size_t i = 0; i < map->n; i++) {
    const char *separator = totals->spec.split >= 0 ? strrchr(entries[i].key, SEPARATOR) : NULL;
    char *per = separator != NULL ? ls__strndup(entries[i].key, (size_t)(separator - entries[i].key))
                                  : ls__strdup(entries[i].key);
    fn(payload, per, separator != NULL ? separator + 1 : "", entries[i].value);
    ls__free(per);
  }
  ls__free(entries);
}

typedef struct split_text {
  ls_buf *out, per; /* per: the value whose object is open */
  const ls_sink_totals *totals;
  bool any;
} split_text;

static void put_split(void *payload, const char *per, const char *split, const ls_i128 *sums) {
  split_text *at = payload;
  bool next = !at->any || strcmp(at->per.ptr, per) != 0;
  if (next) {
    if (at->any) ls__buf_putc(at->out, '}');
    put_name(at->out, per, !at->any);
    ls__buf_putc(at->out, '{');
    ls__buf_clear(&at->per);
    ls__buf_puts(&at->per, per);
    at->any = true;
  }
  put_name(at->out, split, next);
  format_sums(at->out, at->totals, sums);
}

static void format_split(ls_buf *out, const ls_sink_totals *totals) {
  split_text at = {.out = out, .totals = totals};
  ls__buf_puts(out, ",\"split\":{");
  ls__sink_totals_each(totals, put_split, &at);
  ls__buf_puts(out, at.any ? "}}" : "}");
  ls__buf_fini(&at.per);
}

void ls__sink_totals_format(ls_buf *out, const ls_sink_totals *totals) {
  ls__buf_puts(out, "{\"counts\":{");
  for (uint32_t i = 0; i < totals->spec.n_count_by; i++) {
    put_name(out, totals->schema->fields[totals->spec.count_by[i]].name, i == 0);
    format_counts(out, &totals->counts[i].map);
  }
  ls__buf_puts(out, "},\"sums\":{");
  ls_strmap_entry *entries = sorted(&totals->sums.map);
  for (size_t i = 0; i < totals->sums.map.n; i++) {
    put_name(out, entries[i].key, i == 0);
    format_sums(out, totals, entries[i].value);
  }
  ls__free(entries);
  ls__buf_putc(out, '}');
  if (totals->spec.split >= 0) format_split(out, totals);
  ls__buf_putc(out, '}');
}
