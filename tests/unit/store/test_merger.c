/** @file test_merger.c  Sorted rows of several threads become one sequence: in memory, spilled, cut short. */
#include <stdatomic.h>

#include "base/thread.h"
#include "helper_store.h"
#include "store/merger.h"

#define N_ROWS     60000
#define BATCH_ROWS 1000

static ls_field fields[] = {{.name = "id", .type = &ls__type_int64}, {.name = "text", .type = &ls__type_string}};
static uint32_t key_fields[] = {0};
static ls_schema schema = {"rows", fields, 2, key_fields, 1, -1};

typedef struct merge_run {
  ls_merger *merger;
  uint32_t n_producers;
  int64_t chunk_rows;
  int64_t n_taken;  /* rows 0, 1, 2, ... in turn */
  bool short_batch; /* one came: it is the last */
  int fail_at;      /* producer that brings half of its rows and says no more; -1: none */
  ls_sort_pool pool;
  char directory[256];
} merge_run;

static int take_batch(void *payload, const ls_batch *batch, ls_error *err) {
  merge_run *run = payload;
  (void)err;
  ck_assert(!run->short_batch && batch->n_rows <= BATCH_ROWS);
  run->short_batch = batch->n_rows < BATCH_ROWS;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    char text[32];
    int len = snprintf(text, sizeof text, "row %d", (int)run->n_taken);
    ck_assert_int_eq(ls__column_i64(&batch->columns[0])[row], run->n_taken);
    ck_assert(ls__slice_eq(ls__column_slice(&batch->columns[1], row), (ls_slice){text, (size_t)len}));
    ck_assert_int_eq(batch->ts_us[row], run->n_taken++);
  }
  return LS_OK;
}

/** Rows of a producer: unevenly dealt, so that some are far ahead. */
static uint32_t producer_of(int64_t row, uint32_t n) {
  return (uint32_t)((uint64_t)(row * row + row / 1000) % n);
}

static void put_row(ls_sort_chunk *chunk, ls_buf *key, int64_t id) {
  ls_batch *batch = ls__sort_chunk_batch(chunk);
  char text[32];
  int len = snprintf(text, sizeof text, "row %d", (int)id);
  ls__column_append_i64(&batch->columns[0], id);
  ls__column_append_slice(&batch->columns[1], (ls_slice){text, (size_t)len});
  ls__buf_clear(key);
  ls__key_encode(key, batch, schema.key, schema.n_key, batch->n_rows);
  ls__sort_chunk_add_key(chunk, ls__buf_slice(key));
  ls__batch_append_meta(batch, id, (ls_stamp){id, 1});
}

static int produce(int worker, void *payload, ls_error *err) {
  merge_run *run = payload;
  int64_t end = worker == run->fail_at ? N_ROWS / 2 : N_ROWS;
  ls_buf key = LS_BUF_INIT;
  ls_sort_chunk *chunk = NULL;
  int rc = LS_OK;
  for (int64_t id = 0; id < end && rc >= 0; id++) {
    if (producer_of(id, run->n_producers) != (uint32_t)worker) continue;
    if (chunk == NULL) chunk = ls__sort_chunk_of(&schema, run->chunk_rows);
    put_row(chunk, &key, id);
    if (ls__sort_chunk_batch(chunk)->n_rows < run->chunk_rows) continue;
    rc = ls__merger_add(run->merger, (uint32_t)worker, chunk, err);
    chunk = NULL;
  }
  if (rc >= 0 && chunk != NULL) rc = ls__merger_add(run->merger, (uint32_t)worker, chunk, err);
  ls__buf_fini(&key);
  return rc < 0 || worker == run->fail_at ? rc : ls__merger_end(run->merger, (uint32_t)worker, err);
}

static void open_run(merge_run *run, uint32_t n_producers, int64_t chunk_rows, size_t pool_bytes) {
  *run = (merge_run){
      .n_producers = n_producers, .chunk_rows = chunk_rows, .fail_at = -1, .pool = {.limit_bytes = pool_bytes}};
  test_directory(run->directory, sizeof run->directory, "merger");
  ls_merger_opts opts = {.schema = &schema,
                         .n_producers = n_producers,
                         .batch_rows = BATCH_ROWS,
                         .take = take_batch,
                         .payload = run,
                         .pool = pool_bytes > 0 ? &run->pool : NULL,
                         .spill_directory = run->directory};
  ls__merger_new(&run->merger, &opts);
}

static void close_run(merge_run *run) {
  ls__merger_free(run->merger);
  ck_assert_int_eq(atomic_load(&run->pool.bytes), 0);
  test_directory_remove(run->directory);
}

static void check_merge(uint32_t n_producers, int64_t chunk_rows, size_t pool_bytes) {
  merge_run run;
  ls_error err = LS_ERROR_INIT;
  open_run(&run, n_producers, chunk_rows, pool_bytes);
  ck_ok(ls__workers_run((int)n_producers, produce, &run, &err));
  ck_assert_int_eq(run.n_taken, N_ROWS);
  close_run(&run);
}

START_TEST(rows_of_all_producers_come_in_key_order) {
  check_merge(1, 100, 0);
  check_merge(2, 100, 0);
  check_merge(2, 1, 0);
  check_merge(7, 333, 0);
  check_merge(3, N_ROWS, 0);
}
END_TEST

START_TEST(a_producer_far_ahead_spills) {
  check_merge(2, 100, 1);
  check_merge(5, 700, 100000);
}
END_TEST

/** One thread brings everything of one producer before the others begin. */
START_TEST(producers_one_after_the_other_spill_and_merge) {
  merge_run run;
  ls_error err = LS_ERROR_INIT;
  open_run(&run, 3, 500, 50000);
  for (int worker = 0; worker < 3; worker++) ck_ok(produce(worker, &run, &err));
  ck_assert_int_eq(run.n_taken, N_ROWS);
  close_run(&run);
}
END_TEST

START_TEST(what_is_not_ended_leaks_nothing) {
  merge_run run;
  ls_error err = LS_ERROR_INIT;
  open_run(&run, 3, 500, 50000);
  run.fail_at = 1;
  for (int worker = 0; worker < 3; worker++) ck_ok(produce(worker, &run, &err));
  ck_assert_int_lt(run.n_taken, N_ROWS);
  close_run(&run);
}
END_TEST

START_TEST(nothing_comes_of_nothing) {
  merge_run run;
  ls_error err = LS_ERROR_INIT;
  open_run(&run, 2, 10, 0);
  for (uint32_t i = 0; i < 2; i++) ck_ok(ls__merger_end(run.merger, i, &err));
  ck_assert_int_eq(run.n_taken, 0);
  close_run(&run);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(rows_of_all_producers_come_in_key_order),
      TEST_CASE(a_producer_far_ahead_spills),
      TEST_CASE(producers_one_after_the_other_spill_and_merge),
      TEST_CASE(what_is_not_ended_leaks_nothing),
      TEST_CASE(nothing_comes_of_nothing),
  };
  return RUN_TESTS("store.merger", cases);
}
