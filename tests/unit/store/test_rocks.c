/** @file test_rocks.c  What is particular to RocksDB: fingerprints, the lock, tasks side by side, threads, eviction. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/thread.h"
#include "helper_store.h"

static const ls_store_db_opts small_opts = {(size_t)1 << 20, (size_t)1 << 20, false};

START_TEST(another_fingerprint_is_refused_and_named) {
  ls_error err = LS_ERROR_INIT;
  char directory[4096];
  test_directory(directory, sizeof directory, "fingerprint");
  ls_store_db *db;
  ls_store_set *set;
  ls_kv *kv;
  ls_window *window;
  ls_slice key = ls__slice_of("k");
  ck_ok(ls__store_db_open(&db, directory, &small_opts, &err));
  ck_ok(ls__store_set_new(&set, db, "t", (size_t)1 << 20, &err));
  ck_ok(
      ls__kv_open(&kv, set, "customers", LS_STORE_ROCKSDB, 10, &err)); /* one that is empty takes the next version's */
  ls__store_set_free(set);
  ck_ok(ls__store_set_new(&set, db, "t", (size_t)1 << 20, &err));
  ck_ok(ls__kv_open(&kv, set, "customers", LS_STORE_ROCKSDB, 11, &err));
  ck_ok(ls__window_open(&window, set, "payments", LS_STORE_ROCKSDB, 12, &err));
  ls_window_entry entry = {.key = key, .ts_us = 5, .stamp = {5, 1}, .value = key};
  ck_ok(ls__kv_put(kv, key, ls__hash64(key), key, &err));
  ck_ok(ls__window_put(window, &entry, ls__hash64(key), &err));
  ck_ok(ls__store_set_commit(set, ls__slice_of("here"), &err));
  ls__store_set_free(set);
  ls__store_db_close(db);
  ck_ok(ls__store_db_open(&db, directory, &small_opts, &err));
  ck_ok(ls__store_set_new(&set, db, "t", (size_t)1 << 20, &err));
  ck_assert_int_eq(ls__kv_open(&kv, set, "customers", LS_STORE_ROCKSDB, 99, &err), LS_ECONFIG);
  ck_assert_msg(strstr(err.message, "'customers'") != NULL && strstr(err.message, "rename the store") != NULL, "%s",
                err.message);
  ck_assert_int_eq(ls__window_open(&window, set, "payments", LS_STORE_ROCKSDB, 99, &err), LS_ECONFIG);
  ck_assert_ptr_nonnull(strstr(err.message, "'payments'"));
  ls__store_set_free(set);
  ck_ok(ls__store_set_new(&set, db, "t", (size_t)1 << 20, &err)); /* and the right one is taken as before */
  ck_ok(ls__kv_open(&kv, set, "customers", LS_STORE_ROCKSDB, 11, &err));
  ls__store_set_free(set);
  ls__store_db_close(db);
  test_directory_remove(directory);
}
END_TEST

START_TEST(a_second_process_is_refused) {
  ls_error err = LS_ERROR_INIT;
  char directory[4096];
  test_directory(directory, sizeof directory, "lock");
  ls_store_db *db;
  int to_child[2], to_parent[2];
  ck_assert(pipe(to_child) == 0 && pipe(to_parent) == 0);
  pid_t pid = fork();
  if (pid == 0) { /* holds the directory until told to end */
    char byte = 0;
    int rc = ls__store_db_open(&db, directory, &small_opts, &err);
    byte = rc < 0 ? 'e' : 'o';
    if (write(to_parent[1], &byte, 1) != 1 || read(to_child[0], &byte, 1) != 1) _exit(2);
    ls__store_db_close(db);
    _exit(0);
  }
  char byte = 0;
  ck_assert_int_eq(read(to_parent[0], &byte, 1), 1);
  ck_assert_int_eq(byte, 'o');
  ls_store_db *second = NULL;
  ck_assert_int_eq(ls__store_db_open(&second, directory, &small_opts, &err), LS_EIO);
  ck_assert_ptr_null(second);
  ck_assert_msg(strstr(err.message, "in use by another process") != NULL && strstr(err.message, directory) != NULL,
                "%s", err.message);
  ck_assert_int_eq(write(to_child[1], &byte, 1), 1);
  int status = 0;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_int_eq(status, 0);
  ck_ok(ls__store_db_open(&db, directory, &small_opts, &err)); /* free again */
  ls__store_db_close(db);
  test_directory_remove(directory);
}
END_TEST

/* A file may not grow past 64 KiB: as on a full disk, RocksDB could not write what it has to. */
START_TEST(a_full_disk_is_an_error_and_leaves_nothing) {
  ls_error err = LS_ERROR_INIT;
  ls_store_db *db = NULL;
  struct rlimit before, small;
  char parent[4096], directory[4110];
  struct stat info;
  test_directory(parent, sizeof parent, "full");
  snprintf(directory, sizeof directory, "%s/state", parent);
  signal(SIGXFSZ, SIG_IGN);
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
  small = (struct rlimit){64 << 10, before.rlim_max};
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
  int rc = ls__store_db_open(&db, directory, &small_opts, &err);
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
  ck_assert_int_eq(rc, LS_EIO);
  ck_assert_msg(strstr(err.message, "can't be written") != NULL, "%s", err.message);
  ck_assert_int_ne(stat(directory, &info), 0);
  ck_ok(ls__store_db_open(&db, directory, &small_opts, &err));
  ls__store_db_close(db);
  test_directory_remove(parent);
}
END_TEST

START_TEST(rocksdb_without_a_state_directory_is_refused) {
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_kv *kv;
  ck_ok(ls__store_set_new(&set, NULL, "t", (size_t)1 << 20, &err));
  ck_assert_int_eq(ls__kv_open(&kv, set, "customers", LS_STORE_ROCKSDB, 1, &err), LS_ECONFIG);
  ck_assert_ptr_nonnull(strstr(err.message, "'customers'"));
  ls__store_set_free(set);
}
END_TEST

typedef struct shared {
  ls_store_db *db;
} shared;

#define N_TASKS 4
#define N_ROWS  3000

static int sum_values(void *payload, ls_slice key, ls_slice value, ls_error *err) {
  (void)err;
  uint64_t number;
  ck_assert_uint_eq(value.len, 208);
  memcpy(&number, value.ptr, sizeof number);
  ck_assert(ls__slice_eq(key, (ls_slice){value.ptr, 8}));
  *(uint64_t *)payload += number;
  return 0;
}

/* One task: the same keys as the others, under a budget that holds a part of them. Names that begin alike. */
static int run_task(int worker, void *payload, ls_error *err) {
  shared *all = payload;
  static const char *const names[N_TASKS] = {"t", "t1", "t11", "t-1"};
  ls_store_set *set;
  ls_kv *kv;
  char value[208] = {0};
  for (int round = 0; round < 2; round++) {
    LS_TRY(ls__store_set_new(&set, all->db, names[worker], (size_t)256 << 10, err));
    LS_TRY(ls__kv_open(&kv, set, "customers", LS_STORE_ROCKSDB, 1, err));
    ck_assert_uint_eq(ls__kv_count(kv), round == 0 ? 0 : N_ROWS);
    for (uint64_t i = 0; i < N_ROWS && round == 0; i++) {
      uint64_t number = i * 10 + (uint64_t)worker;
      ls_slice key = {(const char *)&number, sizeof number};
      memcpy(value, &number, sizeof number);
      LS_TRY(ls__kv_put(kv, key, ls__hash64(key), (ls_slice){value, sizeof value}, err));
      if (i % 200 == 199) LS_TRY(ls__store_set_commit(set, ls__slice_of(names[worker]), err));
      ck_assert_uint_le(ls__store_set_bytes(set), (size_t)384 << 10);
    }
    for (uint64_t i = 0; i < N_ROWS; i++) { /* most are read back from RocksDB */
      uint64_t number = i * 10 + (uint64_t)worker, other = i * 10 + (uint64_t)worker + 5;
      ls_slice key = {(const char *)&number, sizeof number}, absent = {(const char *)&other, sizeof other}, found;
      ck_assert_int_eq(ls__kv_get(&found, kv, key, ls__hash64(key), err), 1);
      ck_assert(ls__slice_eq((ls_slice){found.ptr, 8}, key));
      ck_assert_int_eq(ls__kv_get(&found, kv, absent, ls__hash64(absent), err), 0);
    }
    uint64_t sum = 0;
    LS_TRY(ls__kv_scan(kv, true, sum_values, &sum, err));
    ck_assert_uint_eq(sum, (uint64_t)N_ROWS * (N_ROWS - 1) / 2 * 10 + (uint64_t)N_ROWS * (uint64_t)worker);
    ls_slice position;
    LS_TRY(ls__store_set_position(&position, set, err));
    ck_assert(ls__slice_is(position, names[worker]));
    ls__store_set_free(set);
  }
  return LS_OK;
}

START_TEST(tasks_in_threads_share_a_store_and_stay_apart) {
  ls_error err = LS_ERROR_INIT;
  char directory[4096];
  test_directory(directory, sizeof directory, "tasks");
  shared all;
  ck_ok(ls__store_db_open(&all.db, directory, &small_opts, &err));
  ck_ok(ls__workers_run(N_TASKS, run_task, &all, &err));
  ls__store_db_close(all.db);
  test_directory_remove(directory);
}
END_TEST

/* A row read from one store stays readable while another store of the set evicts. */
START_TEST(a_row_in_hand_is_not_evicted_for_another_store) {
  ls_error err = LS_ERROR_INIT;
  char directory[4096], value[300];
  test_directory(directory, sizeof directory, "hand");
  ls_store_db *db;
  ls_store_set *set;
  ls_kv *kvs[2];
  ck_ok(ls__store_db_open(&db, directory, &small_opts, &err));
  ck_ok(ls__store_set_new(&set, db, "t", (size_t)160 << 10, &err));
  ck_ok(ls__kv_open(&kvs[0], set, "a", LS_STORE_ROCKSDB, 1, &err));
  ck_ok(ls__kv_open(&kvs[1], set, "b", LS_STORE_ROCKSDB, 1, &err));
  for (uint64_t i = 0; i < 2000; i++) {
    ls_slice key = {(const char *)&i, sizeof i};
    memset(value, (int)(i % 251), sizeof value);
    for (int k = 0; k < 2; k++) ck_ok(ls__kv_put(kvs[k], key, ls__hash64(key), (ls_slice){value, sizeof value}, &err));
    if (i % 40 == 0) ck_ok(ls__store_set_commit(set, key, &err));
  }
  ck_ok(ls__store_set_commit(set, (ls_slice){"p", 1}, &err));
  for (uint64_t i = 0; i < 2000; i += 500) {
    ls_slice key = {(const char *)&i, sizeof i}, held, found;
    ck_assert_int_eq(ls__kv_get(&held, kvs[0], key, ls__hash64(key), &err), 1);
    for (uint64_t k = 0; k < 2000; k++) {
      ls_slice other = {(const char *)&k, sizeof k};
      ck_assert_int_eq(ls__kv_get(&found, kvs[1], other, ls__hash64(other), &err), 1);
      ck_assert_int_eq((unsigned char)held.ptr[(size_t)k % held.len], (int)(i % 251));
    }
  }
  ls__store_set_free(set);
  ls__store_db_close(db);
  test_directory_remove(directory);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(another_fingerprint_is_refused_and_named),
      TEST_CASE(a_second_process_is_refused),
      TEST_CASE(a_full_disk_is_an_error_and_leaves_nothing),
      TEST_CASE(rocksdb_without_a_state_directory_is_refused),
      TEST_CASE(tasks_in_threads_share_a_store_and_stay_apart),
      TEST_CASE(a_row_in_hand_is_not_evicted_for_another_store),
  };
  return RUN_TESTS("store.rocks", cases);
}
