/** @file test_tasks.c  Tasks of one database: listed, forgotten, opened once at a time, moved from thread to thread. */
#include "base/thread.h"
#include "helper_store.h"

#define BUDGET ((size_t)256 << 10)

static const ls_store_db_opts small_opts = {(size_t)1 << 20, (size_t)1 << 20, false};

static int note_task(void *payload, const char *task_name, ls_error *err) {
  (void)err;
  ls__buf_printf(payload, "%s ", task_name);
  return 0;
}

static void expect_tasks(ls_store_db *db, const char *expected) {
  ls_error err = LS_ERROR_INIT;
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, "");
  ck_ok(ls__store_db_tasks(db, note_task, &text, &err));
  ck_assert_str_eq(text.ptr, expected);
  ls__buf_fini(&text);
}

static int forget(void *payload, const char *task_name, ls_error *err) {
  return strcmp(task_name, "1_1") == 0 ? LS_OK : ls__store_db_forget_task(payload, task_name, err);
}

START_TEST(tasks_are_listed_and_forgotten) {
  ls_error err = LS_ERROR_INIT;
  char directory[4096];
  test_directory(directory, sizeof directory, "forget");
  ls_store_db *db;
  ls_store_set *set;
  ls_kv *kv;
  static const char *const names[] = {"1_1", "1_10", "1_2", "2_1"};
  ck_ok(ls__store_db_open(&db, directory, &small_opts, &err));
  expect_tasks(db, "");
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 4; i++) {
      ck_ok(ls__store_set_new_logged(&set, db, names[i], BUDGET, &err));
      ck_ok(ls__kv_open(&kv, set, "rows", LS_STORE_ROCKSDB, 1, &err));
      ck_assert_uint_eq(ls__kv_count(kv), round == 1 && i == 0 ? 1 : 0);
      ls_slice key = {"key", 3};
      ck_ok(ls__kv_put(kv, key, ls__hash64(key), key, &err));
      ck_ok(ls__store_set_commit(set, (ls_slice){NULL, 0}, &err));
      ls__store_set_free(set);
    }
    expect_tasks(db, "1_1 1_10 1_2 2_1 ");
    ck_ok(ls__store_db_tasks(db, forget, db, &err));
    expect_tasks(db, "1_1 ");
    if (round == 1) break;
    ls__store_db_close(db);
    ck_ok(ls__store_db_open(&db, directory, &small_opts, &err));
    expect_tasks(db, "1_1 ");
  }
  ls__store_db_close(db);
  test_directory_remove(directory);
}
END_TEST

/* A restore that was killed before its first position: the task is listed, so what it left can be deleted. */
START_TEST(a_task_is_listed_from_its_first_row_on) {
  ls_error err = LS_ERROR_INIT;
  char directory[4096], value[1000] = {0};
  test_directory(directory, sizeof directory, "first");
  ls_store_db *db;
  ls_store_set *set;
  ls_kv *kv;
  ls_slice position;
  ck_ok(ls__store_db_open(&db, directory, &small_opts, &err));
  for (int round = 0; round < 2; round++) {
    ck_ok(ls__store_set_new_logged(&set, db, "7_7", BUDGET, &err));
    ck_ok(ls__kv_open(&kv, set, "rows", LS_STORE_ROCKSDB, 1, &err));
    ck_ok(ls__store_set_position(&position, set, &err));
    ck_assert_uint_eq(position.len, 0);
    if (round == 1) {
      ck_assert_uint_gt(ls__kv_count(kv), 0); /* data may be ahead of the position, never behind */
      break;
    }
    for (uint64_t i = 0; i < 300; i++) {
      ck_ok(
          ls__store_set_restore(set, 0, (ls_slice){(const char *)&i, sizeof i}, (ls_slice){value, sizeof value}, &err));
    }
    ls__store_set_free(set);
    expect_tasks(db, "7_7 ");
  }
  ls__store_set_free(set);
  ck_ok(ls__store_db_forget_task(db, "7_7", &err));
  expect_tasks(db, "");
  ls__store_db_close(db);
  test_directory_remove(directory);
}
END_TEST

/* ---- threads: tasks go round among them, each opens stores that the others open too ---- */

#define N_THREADS 4
#define N_TASKS   5
#define N_ROUNDS  15

static int open_when_free(ls_store_set **set, ls_store_db *db, const char *task_name, ls_error *err) {
  int rc;
  while ((rc = ls__store_set_new_logged(set, db, task_name, BUDGET, err)) == LS_ERETRY) usleep(100);
  return rc;
}

static int work_in_turn(int worker, void *payload, ls_error *err) {
  test_rng rng = {0, (uint64_t)worker};
  for (int round = 0; round < N_ROUNDS; round++) {
    char task_name[32], store_name[32];
    snprintf(task_name, sizeof task_name, "0_%d", (int)rng_below(&rng, N_TASKS));
    snprintf(store_name, sizeof store_name, "store-%d", round);
    ls_store_set *set;
    ls_kv *count, *fresh;
    ls_window *window;
    uint64_t n = 0;
    ls_slice key = {"n", 1}, found, position;
    LS_TRY(open_when_free(&set, payload, task_name, err));
    LS_TRY(ls__kv_open(&count, set, "count", LS_STORE_ROCKSDB, 1, err));
    LS_TRY(ls__kv_open(&fresh, set, store_name, LS_STORE_ROCKSDB, 1, err));
    LS_TRY(ls__window_open(&window, set, "window", LS_STORE_ROCKSDB, 1, err));
    LS_TRY(ls__store_set_position(&position, set, err));
    if (ls__kv_get(&found, count, key, ls__hash64(key), err) == 1) memcpy(&n, found.ptr, sizeof n);
    ck_assert_uint_eq(position.len, n == 0 ? 0 : sizeof n);
    ck_assert_uint_eq(ls__window_count(window), n); /* all that whoever had it before has committed */
    for (int i = 0; i < 20; i++) {
      n++;
      ls_slice value = {(const char *)&n, sizeof n};
      ls_window_entry entry = {.key = key, .ts_us = (int64_t)n, .value = value};
      LS_TRY(ls__kv_put(count, key, ls__hash64(key), value, err));
      LS_TRY(ls__kv_put(fresh, value, ls__hash64(value), value, err));
      LS_TRY(ls__window_put(window, &entry, ls__hash64(key), err));
      LS_TRY(ls__store_set_commit(set, value, err));
    }
    ls__store_set_free(set);
  }
  return LS_OK;
}

typedef struct task_sum {
  ls_store_db *db;
  uint64_t sum;
} task_sum;

static int sum_counts(void *payload, const char *task_name, ls_error *err) {
  task_sum *counts = payload;
  ls_store_set *set;
  ls_kv *count;
  ls_slice key = {"n", 1}, found;
  uint64_t n = 0;
  LS_TRY(ls__store_set_new_logged(&set, counts->db, task_name, BUDGET, err));
  LS_TRY(ls__kv_open(&count, set, "count", LS_STORE_ROCKSDB, 1, err));
  ck_assert_int_eq(ls__kv_get(&found, count, key, ls__hash64(key), err), 1);
  memcpy(&n, found.ptr, sizeof n);
  counts->sum += n;
  ls__store_set_free(set);
  return LS_OK;
}

START_TEST(tasks_move_between_threads) {
  ls_error err = LS_ERROR_INIT;
  char directory[4096];
  test_directory(directory, sizeof directory, "move");
  ls_store_db *db;
  ck_ok(ls__store_db_open(&db, directory, &small_opts, &err));
  ck_ok(ls__workers_run(N_THREADS, work_in_turn, db, &err));
  task_sum counts = {db, 0};
  ck_ok(ls__store_db_tasks(db, sum_counts, &counts, &err));
  ck_assert_uint_eq(counts.sum, N_THREADS * N_ROUNDS * 20);
  ls__store_db_close(db);
  test_directory_remove(directory);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(tasks_are_listed_and_forgotten),
      TEST_CASE(a_task_is_listed_from_its_first_row_on),
      TEST_CASE(tasks_move_between_threads),
  };
  return RUN_TESTS("store.tasks", cases);
}
