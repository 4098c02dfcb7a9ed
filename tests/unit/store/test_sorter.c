/** @file test_sorter.c  External sort against a plain sort: threads, partitions, spilling, keep_last, early ends. */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/thread.h"
#include "helper_store.h"
#include "store/sorter_internal.h"

#define N_PARTITIONS_MAX 5

static ls_arena types;
static const ls_type *amount_type, *tags_type;
static ls_field fields[6];
static uint32_t no_key[1];
static ls_schema schema = {"rows", fields, 6, no_key, 0, -1};

static void make_schema(void) {
  ls__arena_init(&types, 0);
  amount_type = ls__type_decimal(&types, 18, 2);
  tags_type = ls__type_list(&types, &ls__type_string);
  const ls_type *const all[] = {&ls__type_int64, &ls__type_string, &ls__type_bool,
                                amount_type,     tags_type,        &ls__type_date};
  static const char *const names[] = {"id", "text", "flag", "amount", "tags", "day"};
  for (int i = 0; i < 6; i++) fields[i] = (ls_field){.name = names[i], .type = all[i], .nullable = true};
}

static void append_row(ls_batch *batch, test_rng *rng, size_t text_len_max, int64_t ts_us, ls_stamp stamp) {
  char text[4096];
  size_t len = rng_below(rng, text_len_max + 1);
  for (size_t i = 0; i < len; i++) text[i] = (char)('a' + rng_below(rng, 26));
  ls__column_append_i64(&batch->columns[0], (int64_t)rng_next(rng));
  if (rng_below(rng, 9) == 0)
    ls__column_append_null(&batch->columns[1]);
  else
    ls__column_append_slice(&batch->columns[1], (ls_slice){text, len});
  if (rng_below(rng, 9) == 0)
    ls__column_append_null(&batch->columns[2]);
  else
    ls__column_append_bool(&batch->columns[2], rng_below(rng, 2) == 0);
  if (rng_below(rng, 9) == 0)
    ls__column_append_null(&batch->columns[3]);
  else
    ls__column_append_decimal(&batch->columns[3], (ls_int128)rng_below(rng, 100000) - 50000);
  uint64_t n_tags = rng_below(rng, 4);
  for (uint64_t i = 0; i < n_tags; i++)
    ls__column_append_slice(&batch->columns[4].children[0], (ls_slice){text, len < i ? len : i});
  ls__column_append_list_end(&batch->columns[4]);
  if (rng_below(rng, 9) == 0)
    ls__column_append_null(&batch->columns[5]);
  else
    ls__column_append_i32(&batch->columns[5], (int32_t)rng_below(rng, 20000));
  ls__batch_append_meta(batch, ts_us, stamp);
}

/* ---- the reference: rows as text, sorted by qsort ---- */

typedef struct expected_row {
  uint32_t partition;
  char *key;
  size_t key_len;
  int64_t ts_us;
  ls_stamp stamp;
  uint64_t arrival; /* in the thread; ties are of one thread */
  char *json;
  bool keyed;
} expected_row;

typedef struct run_opts {
  uint32_t n_partitions;
  bool keyed, keep_last, null_partitions;
  int n_threads;
  int n_chunks;     /* per thread */
  int64_t rows_max; /* per chunk */
  size_t memory_bytes, pool_bytes, block_bytes, text_len_max;
  uint64_t n_keys;
  bool drops;
} run_opts;

typedef struct run_state {
  run_opts opts;
  char directory[256];
  ls_sorter *sorter;
  ls_sort_pool pool;
  pthread_mutex_t lock;
  expected_row *rows;
  size_t n_rows, capacity;
  uint64_t seed;
} run_state;

static int order_of(const void *a, const void *b) {
  const expected_row *x = a, *y = b;
  if (x->partition != y->partition) return x->partition < y->partition ? -1 : 1;
  int order = x->keyed ? ls__slice_cmp((ls_slice){x->key, x->key_len}, (ls_slice){y->key, y->key_len}) : 0;
  if (order == 0) order = ls__stamp_cmp(x->stamp, y->stamp);
  if (order == 0) order = x->arrival < y->arrival ? -1 : 1;
  return order;
}

static void make_key(ls_buf *key, test_rng *rng, uint64_t n_keys) {
  uint64_t number = rng_below(rng, n_keys);
  ls__buf_clear(key);
  if (number == 0) return; /* an empty key */
  static const size_t prefixes[] = {0, 3, 8, 15, 16, 40};
  for (size_t i = 0; i < prefixes[number % 6]; i++) ls__buf_putc(key, number % 4 == 0 ? '\0' : 'p');
  ls__buf_append(key, &number, 1 + number % 3);
}

static void remember(run_state *state, const expected_row *row) {
  pthread_mutex_lock(&state->lock);
  ls__grow(&state->rows, &state->capacity, state->n_rows + 1, sizeof *row);
  state->rows[state->n_rows++] = *row;
  pthread_mutex_unlock(&state->lock);
}

static int write_rows(int worker, void *payload, ls_error *err) {
  run_state *state = payload;
  const run_opts *opts = &state->opts;
  test_rng rng = {0, state->seed + (uint64_t)worker * 1000003};
  ls_buf key = LS_BUF_INIT, json = LS_BUF_INIT;
  uint64_t arrival = 0;
  int rc = LS_OK;
  for (int c = 0; c < opts->n_chunks && rc >= 0; c++) {
    int64_t n = (int64_t)rng_below(&rng, (uint64_t)opts->rows_max + 1);
    uint32_t *partitions = ls__alloc(((size_t)n + 1) * sizeof *partitions);
    ls_sort_chunk *chunk = ls__sort_chunk_new(state->sorter, 16);
    ls_batch *batch = ls__sort_chunk_batch(chunk);
    bool in_order = rng_below(&rng, 3) == 0;
    for (int64_t i = 0; i < n; i++) {
      expected_row row = {.ts_us = (int64_t)rng_below(&rng, 1000) - 500, .arrival = arrival++, .keyed = opts->keyed};
      row.stamp = (ls_stamp){in_order ? c * opts->rows_max + i : (int64_t)rng_below(&rng, 50) - 25,
                             (uint64_t)worker << 60 | rng_below(&rng, 3)};
      append_row(batch, &rng, opts->text_len_max, row.ts_us, row.stamp);
      make_key(&key, &rng, opts->n_keys);
      if (opts->keyed) ls__sort_chunk_add_key(chunk, ls__buf_slice(&key));
      row.partition = partitions[i] = opts->null_partitions ? 0 : (uint32_t)rng_below(&rng, opts->n_partitions);
      if (opts->drops && rng_below(&rng, 5) == 0) partitions[i] = UINT32_MAX;
      if (partitions[i] == UINT32_MAX) continue;
      ls__buf_clear(&json);
      ls__batch_format_json(&json, batch, i);
      row.key = ls__alloc(key.len + 1);
      row.key_len = key.len;
      if (key.len > 0) memcpy(row.key, key.ptr, key.len);
      row.json = ls__strndup(json.ptr, json.len);
      remember(state, &row);
    }
    rc = ls__sorter_add(state->sorter, chunk, opts->null_partitions ? NULL : partitions, err);
    ls__free(partitions);
  }
  ls__buf_fini(&key);
  ls__buf_fini(&json);
  return rc;
}

static void run_begin(run_state *state, const run_opts *opts, uint64_t seed) {
  ls_error err = LS_ERROR_INIT;
  memset(state, 0, sizeof *state);
  state->opts = *opts;
  state->seed = seed;
  state->pool.limit_bytes = opts->pool_bytes;
  test_directory(state->directory, sizeof state->directory, "sorter");
  pthread_mutex_init(&state->lock, NULL);
  make_schema();
  ls__sorter_new(&state->sorter, &(ls_sorter_opts){.schema = &schema,
                                                   .n_partitions = opts->n_partitions,
                                                   .keyed = opts->keyed,
                                                   .keep_last = opts->keep_last,
                                                   .memory_bytes = opts->memory_bytes,
                                                   .pool = opts->pool_bytes > 0 ? &state->pool : NULL,
                                                   .spill_directory = state->directory,
                                                   .spill_block_bytes = opts->block_bytes});
  ck_ok(ls__workers_run(opts->n_threads, write_rows, state, &err));
  ls__sorter_seal(state->sorter);
  if (state->n_rows > 0) qsort(state->rows, state->n_rows, sizeof *state->rows, order_of);
}

static void run_end(run_state *state) {
  ls__sorter_free(state->sorter);
  ck_assert_uint_eq(atomic_load(&state->pool.bytes), 0); /* what was counted is given back */
  for (size_t i = 0; i < state->n_rows; i++) {
    ls__free(state->rows[i].key);
    ls__free(state->rows[i].json);
  }
  ls__free(state->rows);
  pthread_mutex_destroy(&state->lock);
  ls__arena_fini(&types);
  test_directory_remove(state->directory);
}

static bool same_key(const expected_row *x, const expected_row *y) {
  return x->partition == y->partition && ls__slice_eq((ls_slice){x->key, x->key_len}, (ls_slice){y->key, y->key_len});
}

/* Rows of a flushed batch against the expected ones from *at on, of which keep_last passes over all but the last of a key. */
static void check_batch(const run_state *state, const ls_batch *batch, size_t *at, size_t end) {
  ls_buf json = LS_BUF_INIT;
  for (int64_t i = 0; i < batch->n_rows; i++) {
    while (state->opts.keep_last && *at + 1 < end && same_key(&state->rows[*at], &state->rows[*at + 1])) ++*at;
    ck_assert_uint_lt(*at, end);
    const expected_row *row = &state->rows[(*at)++];
    ls__buf_clear(&json);
    ls__batch_format_json(&json, batch, i);
    ck_assert_msg(ls__slice_is(ls__buf_slice(&json), row->json), "row %zu: %.*s is not %s", *at - 1, (int)json.len,
                  json.ptr, row->json);
    ck_assert_int_eq(batch->ts_us[i], row->ts_us);
    ck_assert_int_eq(ls__stamp_cmp(batch->stamps[i], row->stamp), 0);
  }
  ls__buf_fini(&json);
}

/* Reads a partition in batches of random size; stop_after rows the reader is closed. */
static int check_partition(run_state *state, uint32_t partition, uint64_t stop_after, ls_error *err) {
  test_rng rng = {0, state->seed + partition};
  size_t at = 0, end;
  while (at < state->n_rows && state->rows[at].partition < partition) at++;
  for (end = at; end < state->n_rows && state->rows[end].partition == partition; end++) {
  }
  ck_assert_int_eq(ls__sorter_rows(state->sorter, partition), (int64_t)(end - at));
  ls_sort_reader *reader;
  LS_TRY(ls__sort_reader_open(&reader, state->sorter, partition, err));
  ls_stamp stamp;
  size_t peeked = at;
  uint64_t batch_max = 1 + rng_below(&rng, 700);
  while (ls__sort_reader_peek(reader, &stamp) && peeked - at < stop_after) {
    ls_arena arena;
    ls__arena_init(&arena, 0);
    ls_batch *batch = ls__batch_new(&schema, &arena, 1);
    for (uint64_t i = 0; i < batch_max && ls__sort_reader_peek(reader, &stamp); i++) {
      ck_assert_uint_lt(peeked, end);
      ck_assert_int_eq(ls__stamp_cmp(stamp, state->rows[peeked].stamp), 0);
      if (state->opts.keyed) {
        ck_assert(ls__slice_eq(ls__sort_reader_peek_key(reader),
                               (ls_slice){state->rows[peeked].key, state->rows[peeked].key_len}));
      }
      peeked++;
      LS_TRY(ls__sort_reader_take(reader, batch, err));
    }
    if (stop_after < UINT64_MAX && rng_below(&rng, 2) == 0) { /* closed with rows taken and not flushed */
      ls__arena_fini(&arena);
      break;
    }
    LS_TRY(ls__sort_reader_flush(reader, batch, err));
    check_batch(state, batch, &at, end);
    if (!state->opts.keep_last) ck_assert_uint_eq(at, peeked);
    at = at > peeked ? peeked : at;
    ls__arena_fini(&arena);
  }
  if (stop_after == UINT64_MAX) {
    ck_assert_uint_eq(peeked, end);
    ck_assert_uint_eq(at, end);
  }
  ls__sort_reader_close(reader);
  return LS_OK;
}

static int read_partitions(int worker, void *payload, ls_error *err) {
  run_state *state = payload;
  for (uint32_t p = (uint32_t)worker; p < state->opts.n_partitions; p += (uint32_t)state->opts.n_threads) {
    LS_TRY(check_partition(state, p, UINT64_MAX, err));
  }
  return LS_OK;
}

static void run_whole(const run_opts *opts) {
  test_rng rng = rng_new();
  ls_error err = LS_ERROR_INIT;
  run_state state;
  run_begin(&state, opts, rng_next(&rng));
  ck_ok(ls__workers_run(opts->n_threads, read_partitions, &state, &err));
  run_end(&state);
}

/* Memory of a chunk with some hundred rows is above 256 KiB, so 1 MiB spills every few chunks. */
static const run_opts base_opts = {
    .n_partitions = 3, .n_threads = 3, .n_chunks = 12, .rows_max = 300, .text_len_max = 40, .n_keys = 500};

START_TEST(rows_in_memory_come_by_stamp) {
  run_opts opts = base_opts;
  run_whole(&opts);
  opts.null_partitions = true;
  run_whole(&opts);
}
END_TEST

START_TEST(rows_in_memory_come_by_key) {
  run_opts opts = base_opts;
  opts.keyed = true;
  run_whole(&opts);
  opts.drops = true;
  opts.n_partitions = N_PARTITIONS_MAX;
  run_whole(&opts);
}
END_TEST

START_TEST(spilled_rows_come_by_stamp) {
  run_opts opts = base_opts;
  opts.memory_bytes = (size_t)1 << 20;
  opts.n_chunks = 30;
  run_whole(&opts);
  opts.memory_bytes = 1; /* every chunk */
  opts.n_threads = 1;
  run_whole(&opts);
}
END_TEST

START_TEST(spilled_rows_come_by_key) {
  run_opts opts = base_opts;
  opts.keyed = opts.drops = true;
  opts.memory_bytes = (size_t)2 << 20;
  opts.n_chunks = 40;
  opts.rows_max = 150;
  run_whole(&opts);
}
END_TEST

START_TEST(spilled_rows_of_several_blocks_are_read) {
  run_opts opts = base_opts;
  opts.keyed = true;
  opts.text_len_max = 4000; /* several blocks of 256 KiB per run and partition */
  opts.memory_bytes = (size_t)6 << 20;
  opts.n_chunks = 8;
  opts.rows_max = 600;
  run_whole(&opts);
}
END_TEST

/** Bytes of the largest block in the spill files; how many there are. */
static size_t largest_block(const ls_sorter *sorter, int *n_blocks) {
  size_t largest = 0;
  *n_blocks = 0;
  for (size_t i = 0; i < sorter->n_runs; i++) {
    int64_t at = sorter->runs[i].starts[0], end = sorter->runs[i].starts[sorter->opts.n_partitions];
    while (at < end) {
      char head[64];
      ck_assert_int_eq(pread(sorter->runs[i].fd, head, ls__spill_block_head_bytes(), at),
                       (ssize_t)ls__spill_block_head_bytes());
      size_t n_bytes = ls__spill_block_bytes(head);
      if (n_bytes > largest) largest = n_bytes;
      at += (int64_t)n_bytes;
      ++*n_blocks;
    }
  }
  return largest;
}

/* Of long texts a block has fewer rows: offsets in it are of 32 bits, and a reader holds one block of each run. */
START_TEST(a_block_is_bounded_by_its_bytes) {
  test_rng rng = rng_new();
  ls_error err = LS_ERROR_INIT;
  for (int keyed = 0; keyed < 2; keyed++) {
    run_opts opts = base_opts;
    run_state state;
    int n_blocks[2];
    opts.keyed = keyed;
    opts.text_len_max = 4000;
    opts.memory_bytes = (size_t)2 << 20;
    opts.n_chunks = 4;
    opts.rows_max = 600;
    uint64_t seed = rng_next(&rng);
    for (int bounded = 0; bounded < 2; bounded++) {
      opts.block_bytes = bounded ? 20000 : 0;
      run_begin(&state, &opts, seed);
      size_t largest = largest_block(state.sorter, &n_blocks[bounded]);
      if (bounded)
        ck_assert_uint_lt(largest, 64 << 10);
      else
        ck_assert_uint_gt(largest, 100000);
      ck_ok(ls__workers_run(opts.n_threads, read_partitions, &state, &err));
      run_end(&state);
    }
    ck_assert_int_gt(n_blocks[1], 2 * n_blocks[0]);
  }
}
END_TEST

START_TEST(a_pool_over_its_limit_makes_its_sorters_spill) {
  test_rng rng = rng_new();
  ls_error err = LS_ERROR_INIT;
  run_opts opts = base_opts;
  opts.keyed = true;
  opts.pool_bytes = (size_t)1 << 20;
  opts.n_chunks = 40;
  opts.text_len_max = 400; /* some 8 MiB in all */
  run_state state;
  run_begin(&state, &opts, rng_next(&rng));
  size_t in_memory = atomic_load(&state.pool.bytes); /* each thread may be about to add a chunk */
  ck_assert_uint_gt(in_memory, 0);
  ck_assert_uint_le(in_memory, (size_t)3 << 20);
  ck_ok(ls__workers_run(opts.n_threads, read_partitions, &state, &err));
  ck_assert_uint_eq(atomic_load(&state.pool.bytes), 0);
  run_end(&state);
}
END_TEST

START_TEST(the_last_of_equal_keys_is_kept) {
  run_opts opts = base_opts;
  opts.keyed = opts.keep_last = opts.drops = true;
  opts.n_keys = 60;
  run_whole(&opts);
  opts.memory_bytes = (size_t)1 << 20;
  run_whole(&opts);
  opts.n_keys = 1;
  run_whole(&opts);
}
END_TEST

START_TEST(nothing_is_read_from_an_empty_sorter) {
  run_opts opts = base_opts;
  opts.n_chunks = 0;
  run_whole(&opts);
  opts.n_chunks = 3;
  opts.rows_max = 0;
  run_whole(&opts);
}
END_TEST

START_TEST(readers_closed_early_and_partitions_never_opened_leak_nothing) {
  test_rng rng = rng_new();
  ls_error err = LS_ERROR_INIT;
  for (int spill = 0; spill < 2; spill++) {
    run_opts opts = base_opts;
    opts.keyed = true;
    opts.n_partitions = N_PARTITIONS_MAX;
    opts.memory_bytes = spill ? (size_t)1 << 20 : 0;
    run_state state;
    run_begin(&state, &opts, rng_next(&rng));
    ck_ok(check_partition(&state, 1, 40, &err));
    ck_ok(check_partition(&state, 3, 1, &err));
    ck_ok(check_partition(&state, 4, UINT64_MAX, &err));
    ls_sort_reader *reader;
    ck_ok(ls__sort_reader_open(&reader, state.sorter, 0, &err));
    ls__sort_reader_close(reader);
    run_end(&state);
  }
}
END_TEST

START_TEST(chunks_never_sealed_or_abandoned_leak_nothing) {
  ls_error err = LS_ERROR_INIT;
  make_schema();
  ls_sorter *sorter;
  test_rng rng = rng_new();
  ls__sorter_new(&sorter, &(ls_sorter_opts){.schema = &schema, .n_partitions = 2});
  for (int i = 0; i < 3; i++) {
    ls_sort_chunk *chunk = ls__sort_chunk_new(sorter, 4);
    append_row(ls__sort_chunk_batch(chunk), &rng, 10, 0, (ls_stamp){0, 0});
    ck_assert_uint_gt(ls__sort_chunk_bytes(chunk), 0);
    if (i == 2)
      ls__sort_chunk_abandon(chunk);
    else
      ck_ok(ls__sorter_add(sorter, chunk, NULL, &err));
  }
  ls__sort_chunk_abandon(NULL);
  ls__sorter_free(sorter);
  ls__sorter_free(NULL);
  ls__arena_fini(&types);
}
END_TEST

START_TEST(a_work_directory_that_cannot_be_written_is_reported) {
  ls_error err = LS_ERROR_INIT;
  make_schema();
  ls_sorter *sorter;
  test_rng rng = rng_new();
  ls__sorter_new(
      &sorter,
      &(ls_sorter_opts){.schema = &schema, .n_partitions = 2, .memory_bytes = 1, .spill_directory = "/nonexistent"});
  ls_sort_chunk *chunk = ls__sort_chunk_new(sorter, 4);
  append_row(ls__sort_chunk_batch(chunk), &rng, 10, 0, (ls_stamp){0, 0});
  ck_assert_int_eq(ls__sorter_add(sorter, chunk, NULL, &err), LS_EIO);
  ck_assert_ptr_nonnull(strstr(err.message, "/nonexistent"));
  ls__sorter_free(sorter);
  ls__arena_fini(&types);
}
END_TEST

START_TEST(spill_files_have_no_name) {
  test_rng rng = rng_new();
  run_opts opts = base_opts;
  opts.memory_bytes = 1;
  run_state state;
  run_begin(&state, &opts, rng_next(&rng));
  DIR *dir = opendir(state.directory);
  ck_assert_ptr_nonnull(dir);
  int n = 0;
  while (readdir(dir) != NULL) n++;
  closedir(dir);
  ck_assert_int_eq(n, 2); /* . and .. */
  run_end(&state);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(rows_in_memory_come_by_stamp),
      TEST_CASE(rows_in_memory_come_by_key),
      TEST_CASE(spilled_rows_come_by_stamp),
      TEST_CASE(spilled_rows_come_by_key),
      TEST_CASE(spilled_rows_of_several_blocks_are_read),
      TEST_CASE(a_block_is_bounded_by_its_bytes),
      TEST_CASE(a_pool_over_its_limit_makes_its_sorters_spill),
      TEST_CASE(the_last_of_equal_keys_is_kept),
      TEST_CASE(nothing_is_read_from_an_empty_sorter),
      TEST_CASE(readers_closed_early_and_partitions_never_opened_leak_nothing),
      TEST_CASE(chunks_never_sealed_or_abandoned_leak_nothing),
      TEST_CASE(a_work_directory_that_cannot_be_written_is_reported),
      TEST_CASE(spill_files_have_no_name),
  };
  return RUN_TESTS("store.sorter", cases);
}
