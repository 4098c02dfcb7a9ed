/** @file test_kv.c  Key-value stores of both backends against a plain array; budgets, commit, abort, reopening. */
#include "helper_store.h"

#define N_KEYS             700
#define STORE_BUDGET_TINY  ((size_t)56 << 10) /* about half of the rows */
#define STORE_BUDGET_LARGE ((size_t)64 << 20)

/* The reference: every key that can occur, its value now and at the last commit. */
typedef struct model_value {
  bool there;
  size_t len;
  uint64_t seed;
} model_value;
typedef struct model {
  model_value now[N_KEYS], committed[N_KEYS];
  char position[16];
} model;

static ls_slice model_key(char *buffer, size_t i) {
  /* lengths 0 to 60, long common prefixes, NUL bytes */
  size_t len = i == 0 ? 0 : 2 + i % 59;
  memset(buffer, i % 3 == 0 ? 0 : 'k', len);
  for (size_t at = 0; at < 2 && at < len; at++) buffer[len - 1 - at] = (char)(i >> (8 * at));
  return (ls_slice){buffer, len};
}

static ls_slice model_bytes(char *buffer, const model_value *value) {
  test_rng rng = {0, value->seed};
  for (size_t i = 0; i < value->len; i++) buffer[i] = (char)rng_next(&rng);
  return (ls_slice){buffer, value->len};
}

static size_t random_len(test_rng *rng) {
  switch (rng_below(rng, 40)) {
  case 0:
    return 0;
  case 1:
    return rng_below(rng, 5000);
  default:
    return rng_below(rng, 260);
  }
}

static void check_key(ls_kv *kv, const model *m, size_t i) {
  ls_error err = LS_ERROR_INIT;
  char key_buffer[64], bytes[300000];
  ls_slice key = model_key(key_buffer, i), value;
  int found = ls__kv_get(&value, kv, key, ls__hash64(key), &err);
  ck_assert_msg(found >= 0, "%s", err.message);
  ck_assert_msg(found == m->now[i].there, "key %zu: found %d", i, found);
  if (found == 1) ck_assert_msg(ls__slice_eq(value, model_bytes(bytes, &m->now[i])), "key %zu: other value", i);
}

typedef struct scan_check {
  const model *m;
  bool seen[N_KEYS];
  bool ordered;
  ls_buf last;
  size_t n;
} scan_check;

static int scan_one(void *payload, ls_slice key, ls_slice value, ls_error *err) {
  (void)err;
  scan_check *scan = payload;
  char buffer[64], bytes[300000];
  size_t i = 0;
  while (i < N_KEYS && !ls__slice_eq(key, model_key(buffer, i))) i++;
  ck_assert_uint_lt(i, N_KEYS);
  ck_assert(!scan->seen[i]);
  ck_assert(scan->m->now[i].there);
  ck_assert(ls__slice_eq(value, model_bytes(bytes, &scan->m->now[i])));
  if (scan->ordered && scan->n > 0) ck_assert_int_lt(ls__slice_cmp(ls__buf_slice(&scan->last), key), 0);
  ls__buf_clear(&scan->last);
  ls__buf_append(&scan->last, key.ptr, key.len);
  scan->seen[i] = true;
  scan->n++;
  return 0;
}

static void check_all(ls_kv *kv, const model *m) {
  ls_error err = LS_ERROR_INIT;
  size_t n = 0;
  for (size_t i = 0; i < N_KEYS; i++) n += m->now[i].there;
  ck_assert_uint_eq(ls__kv_count(kv), n);
  for (int ordered = 0; ordered < 2; ordered++) {
    scan_check scan = {.m = m, .ordered = ordered != 0, .last = LS_BUF_INIT};
    ck_ok(ls__kv_scan(kv, ordered != 0, scan_one, &scan, &err));
    ls__buf_fini(&scan.last);
    ck_assert_uint_eq(scan.n, n);
  }
  for (size_t i = 0; i < N_KEYS; i++) check_key(kv, m, i);
}

static void step(test_rng *rng, ls_kv *kv, model *m, bool large_values) {
  ls_error err = LS_ERROR_INIT;
  size_t i = rng_below(rng, N_KEYS);
  char key_buffer[64], bytes[300000];
  ls_slice key = model_key(key_buffer, i);
  switch (rng_below(rng, 8)) {
  case 0:
  case 1:
    check_key(kv, m, i);
    break;
  case 2:
  case 3:
    ck_ok(ls__kv_delete(kv, key, ls__hash64(key), &err));
    m->now[i].there = false;
    break;
  default:
    m->now[i] = (model_value){true, random_len(rng), rng_next(rng)};
    if (large_values && rng_below(rng, 500) == 0) m->now[i].len = 260000 + rng_below(rng, 40000);
    ck_ok(ls__kv_put(kv, key, ls__hash64(key), model_bytes(bytes, &m->now[i]), &err));
  }
}

static void memory_run(bool logged) {
  test_rng rng = rng_new();
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_kv *kv;
  model *m = LS_NEW(model);
  ck_ok((logged ? ls__store_set_new_logged : ls__store_set_new)(&set, NULL, "task-0", STORE_BUDGET_LARGE, &err));
  ck_ok(ls__kv_open(&kv, set, "rows", LS_STORE_MEMORY, 7, &err));
  for (int i = 0; i < 60000 / LS_TEST_SHARE; i++) {
    step(&rng, kv, m, true);
    if (i % 5000 == 0) check_all(kv, m);
    if (i % 900 == 0) ck_ok(ls__store_set_commit(set, (ls_slice){"p", 1}, &err));
  }
  check_all(kv, m);
  ls__store_set_free(set);
  ls__free(m);
}

START_TEST(memory_store_equals_the_model) {
  memory_run(false);
}
END_TEST
START_TEST(memory_store_with_a_changelog_equals_the_model) {
  memory_run(true);
}
END_TEST

/* Position: the number of the commit. Checked together with the values: both are of one commit. A scratch database is
 * neither aborted nor opened again. */
typedef enum kind { PLAIN, SCRATCH, LOGGED } kind;

static void rocks_run(size_t budget, kind set_kind, uint64_t seed_more, int n_steps) {
  bool scratch = set_kind == SCRATCH;
  test_rng rng = rng_new();
  rng.state += seed_more;
  ls_error err = LS_ERROR_INIT;
  char directory[4096];
  test_directory(directory, sizeof directory, "kv");
  ls_store_db *db = NULL;
  ls_store_set *set = NULL;
  ls_kv *kv = NULL;
  model *m = LS_NEW(model);
  int n_commits = 0;
  for (int i = 0; i < n_steps; i++) {
    if (db == NULL) {
      ck_ok(ls__store_db_open(&db, directory, &(ls_store_db_opts){(size_t)1 << 20, (size_t)1 << 20, scratch}, &err));
      ck_ok((set_kind == LOGGED ? ls__store_set_new_logged : ls__store_set_new)(&set, db, "task-0", budget, &err));
      ck_ok(ls__kv_open(&kv, set, "rows", LS_STORE_ROCKSDB, 7, &err));
      memcpy(m->now, m->committed, sizeof m->now); /* what was pending is gone */
      ls_slice position;
      ck_ok(ls__store_set_position(&position, set, &err));
      ck_assert(ls__slice_is(position, m->position));
      if (rng_below(&rng, 2) == 0) check_all(kv, m);
    }
    step(&rng, kv, m, false);
    uint64_t what = rng_below(&rng, 1000);
    if (what < 8 || ls__store_set_pressure(set)) {
      snprintf(m->position, sizeof m->position, "%d", ++n_commits);
      ck_ok(ls__store_set_commit(set, ls__slice_of(m->position), &err));
      memcpy(m->committed, m->now, sizeof m->now);
    } else if (what < 11 && !scratch) {
      ck_ok(ls__store_set_abort(set, &err));
      memcpy(m->now, m->committed, sizeof m->now);
    } else if (what < 13) {
      check_all(kv, m);
    } else if (what < 15 && !scratch) {
      ls__store_set_free(set);
      ls__store_db_close(db);
      db = NULL;
    }
    if (db != NULL) ck_assert_uint_le(ls__store_set_bytes(set), budget + budget / 2 + ((size_t)256 << 10));
  }
  ls__store_set_free(set);
  ls__store_db_close(db);
  test_directory_remove(directory);
  ls__free(m);
}

START_TEST(rocksdb_store_equals_the_model_in_ample_memory) {
  rocks_run(STORE_BUDGET_LARGE, PLAIN, 0, 20000 / LS_TEST_SHARE);
}
END_TEST
START_TEST(rocksdb_store_equals_the_model_while_rows_are_evicted) {
  rocks_run(STORE_BUDGET_TINY, PLAIN, 1, 20000 / LS_TEST_SHARE);
}
END_TEST
START_TEST(scratch_store_equals_the_model_while_rows_are_evicted) {
  rocks_run(STORE_BUDGET_TINY, SCRATCH, 2, 20000 / LS_TEST_SHARE);
}
END_TEST
START_TEST(rocksdb_store_with_a_changelog_equals_the_model) {
  rocks_run(STORE_BUDGET_TINY, LOGGED, 3, 20000 / LS_TEST_SHARE);
}
END_TEST

static int collect_keys(void *payload, ls_slice key, ls_slice value, ls_error *err) {
  (void)value, (void)err;
  ls__buf_append(payload, key.ptr, key.len);
  ls__buf_putc(payload, '\n');
  return 0;
}

START_TEST(scan_order_depends_on_the_writes_alone) {
  ls_error err = LS_ERROR_INIT;
  ls_buf orders[2] = {LS_BUF_INIT, LS_BUF_INIT};
  for (int run = 0; run < 2; run++) {
    ls_store_set *set;
    ls_kv *kv, *other;
    ck_ok(ls__store_set_new(&set, NULL, run == 0 ? "a" : "b", STORE_BUDGET_LARGE, &err));
    if (run == 1) { /* other addresses and references */
      ck_ok(ls__kv_open(&other, set, "other", LS_STORE_MEMORY, 1, &err));
      for (int i = 0; i < 1000; i++)
        ck_ok(ls__kv_put(other, (ls_slice){(char *)&i, 4}, ls__hash64((ls_slice){(char *)&i, 4}), (ls_slice){"xyz", 3},
                         &err));
    }
    ck_ok(ls__kv_open(&kv, set, "rows", LS_STORE_MEMORY, 1, &err));
    test_rng rng = {0, 5};
    for (int i = 0; i < 20000; i++) {
      uint64_t number = rng_below(&rng, 3000);
      ls_slice key = {(const char *)&number, sizeof number};
      if (rng_below(&rng, 3) == 0)
        ck_ok(ls__kv_delete(kv, key, ls__hash64(key), &err));
      else
        ck_ok(ls__kv_put(kv, key, ls__hash64(key), (ls_slice){"0123456789", 1 + number % 9}, &err));
    }
    ck_ok(ls__kv_scan(kv, false, collect_keys, &orders[run], &err));
    ls__store_set_free(set);
  }
  ck_assert_uint_gt(orders[0].len, 9000);
  ck_assert(ls__slice_eq(ls__buf_slice(&orders[0]), ls__buf_slice(&orders[1])));
  for (int run = 0; run < 2; run++) ls__buf_fini(&orders[run]);
}
END_TEST

static int stop_at_third(void *payload, ls_slice key, ls_slice value, ls_error *err) {
  (void)key, (void)value, (void)err;
  return ++*(int *)payload == 3 ? 42 : 0;
}

START_TEST(scan_ends_with_what_the_callback_returns) {
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_kv *kv;
  ck_ok(ls__store_set_new(&set, NULL, "t", STORE_BUDGET_LARGE, &err));
  ck_ok(ls__kv_open(&kv, set, "rows", LS_STORE_MEMORY, 1, &err));
  for (int i = 0; i < 10; i++) {
    ls_slice key = {(const char *)&i, sizeof i};
    ck_ok(ls__kv_put(kv, key, ls__hash64(key), key, &err));
  }
  for (int ordered = 0; ordered < 2; ordered++) {
    int n = 0;
    ck_assert_int_eq(ls__kv_scan(kv, ordered != 0, stop_at_third, &n, &err), 42);
    ck_assert_int_eq(n, 3);
  }
  ls__store_set_free(set);
}
END_TEST

START_TEST(memory_store_over_its_budget_is_named) {
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_kv *kv;
  size_t budget = (size_t)1 << 20;
  ck_ok(ls__store_set_new(&set, NULL, "task-9", budget, &err));
  ck_ok(ls__kv_open(&kv, set, "customers", LS_STORE_MEMORY, 1, &err));
  int rc = LS_OK, n = 0;
  char value[200] = {0};
  for (; rc >= 0 && n < 100000; n++) {
    ls_slice key = {(const char *)&n, sizeof n};
    rc = ls__kv_put(kv, key, ls__hash64(key), (ls_slice){value, sizeof value}, &err);
    ck_assert_uint_le(ls__store_set_bytes(set), budget);
  }
  ck_assert_int_eq(rc, LS_ELIMIT);
  ck_assert_msg(strstr(err.message, "'customers'") != NULL && strstr(err.message, "1048576") != NULL, "%s",
                err.message);
  ck_assert_int_gt(n, 3500);        /* most of the budget is rows */
  for (int i = 0; i < n - 1; i++) { /* what was stored still is */
    ls_slice key = {(const char *)&i, sizeof i}, found;
    ck_assert_int_eq(ls__kv_get(&found, kv, key, ls__hash64(key), &err), 1);
  }
  ls__store_set_free(set);
}
END_TEST

START_TEST(pending_writes_alone_ask_for_a_commit_and_then_fail) {
  ls_error err = LS_ERROR_INIT;
  char directory[4096];
  test_directory(directory, sizeof directory, "pending");
  ls_store_db *db;
  ls_store_set *set;
  ls_kv *kv;
  ck_ok(ls__store_db_open(&db, directory, &(ls_store_db_opts){0, 0, false}, &err));
  ck_ok(ls__store_set_new(&set, db, "task-9", (size_t)1 << 20, &err));
  ck_ok(ls__kv_open(&kv, set, "customers", LS_STORE_ROCKSDB, 1, &err));
  int rc = LS_OK, n = 0, n_pressure = -1;
  char value[200] = {0};
  for (; rc >= 0 && n < 100000; n++) {
    ls_slice key = {(const char *)&n, sizeof n};
    rc = ls__kv_put(kv, key, ls__hash64(key), (ls_slice){value, sizeof value}, &err);
    if (n_pressure < 0 && ls__store_set_pressure(set)) n_pressure = n;
  }
  ck_assert_int_eq(rc, LS_ELIMIT);
  ck_assert_msg(strstr(err.message, "'customers'") != NULL, "%s", err.message);
  ck_assert_int_gt(n_pressure, 2000);
  ck_assert_int_lt(n_pressure, n * 6 / 10);
  ck_ok(ls__store_set_commit(set, (ls_slice){NULL, 0}, &err));
  ck_assert(!ls__store_set_pressure(set));
  for (int i = 0; i < n - 1; i++) {
    ls_slice key = {(const char *)&i, sizeof i}, found;
    ck_assert_int_eq(ls__kv_get(&found, kv, key, ls__hash64(key), &err), 1);
    ck_assert_uint_eq(found.len, sizeof value);
  }
  ls__store_set_free(set);
  ls__store_db_close(db);
  test_directory_remove(directory);
}
END_TEST

START_TEST(memory_written_since_the_commit_cannot_be_aborted) {
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_kv *kv;
  ls_slice key = {"k", 1};
  ck_ok(ls__store_set_new(&set, NULL, "t", STORE_BUDGET_LARGE, &err));
  ck_ok(ls__kv_open(&kv, set, "rows", LS_STORE_MEMORY, 1, &err));
  ck_ok(ls__store_set_abort(set, &err));
  ck_ok(ls__kv_put(kv, key, ls__hash64(key), key, &err));
  ck_assert_int_eq(ls__store_set_abort(set, &err), LS_EINTERNAL);
  ck_ok(ls__store_set_commit(set, key, &err));
  ck_ok(ls__store_set_abort(set, &err));
  ls__store_set_free(set);
}
END_TEST

START_TEST(a_key_too_long_is_bad_data) {
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_kv *kv;
  char *long_key = ls__calloc(70000, 1);
  ls_slice key = {long_key, 65535}, found;
  ck_ok(ls__store_set_new(&set, NULL, "t", STORE_BUDGET_LARGE, &err));
  ck_ok(ls__kv_open(&kv, set, "rows", LS_STORE_MEMORY, 1, &err));
  ck_ok(ls__kv_put(kv, key, ls__hash64(key), (ls_slice){"v", 1}, &err));
  ck_assert_int_eq(ls__kv_get(&found, kv, key, ls__hash64(key), &err), 1);
  key.len = 65536;
  ck_assert_int_eq(ls__kv_put(kv, key, ls__hash64(key), (ls_slice){"v", 1}, &err), LS_EDATA);
  ck_assert_int_eq(err.cls, LS_CLASS_SKIP_RECORD);
  ck_assert_int_eq(ls__kv_get(&found, kv, key, ls__hash64(key), &err), 0);
  ck_ok(ls__kv_delete(kv, key, ls__hash64(key), &err));
  ck_assert_uint_eq(ls__kv_count(kv), 1);
  ls__store_set_free(set);
  ls__free(long_key);
}
END_TEST

int main(void) {
  const test_case all[] = {
      TEST_CASE(memory_store_equals_the_model),
      TEST_CASE(memory_store_with_a_changelog_equals_the_model),
      TEST_CASE(rocksdb_store_equals_the_model_in_ample_memory),
      TEST_CASE(rocksdb_store_equals_the_model_while_rows_are_evicted),
      TEST_CASE(scratch_store_equals_the_model_while_rows_are_evicted),
      TEST_CASE(rocksdb_store_with_a_changelog_equals_the_model),
      TEST_CASE(scan_order_depends_on_the_writes_alone),
      TEST_CASE(scan_ends_with_what_the_callback_returns),
      TEST_CASE(memory_store_over_its_budget_is_named),
      TEST_CASE(pending_writes_alone_ask_for_a_commit_and_then_fail),
      TEST_CASE(memory_written_since_the_commit_cannot_be_aborted),
      TEST_CASE(a_key_too_long_is_bad_data),
  };
  return RUN_TESTS("store.kv", all);
}
