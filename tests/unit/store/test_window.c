/** @file test_window.c  Window buffers of both backends against a plain list: order, overwriting, flags, expiry, commits. */
#include "helper_store.h"

#define N_ROWS_MAX 6000
#define BUDGET     ((size_t)32 << 20)

typedef struct model_row {
  uint32_t key;
  int64_t ts_us;
  ls_stamp stamp;
  uint32_t flags;
  size_t len;
  uint64_t seed;
} model_row;

/* Rows in the order of expiry: (ts, stamp, key). */
typedef struct model {
  model_row rows[N_ROWS_MAX];
  size_t n;
} model;

static ls_slice key_of(char *buffer, uint32_t key) {
  size_t len = key == 0 ? 0 : 1 + key % 30;
  memset(buffer, key % 4 == 0 ? 0 : 'x', len);
  if (len > 0) buffer[len - 1] = (char)key;
  return (ls_slice){buffer, len};
}

static ls_slice bytes_of(char *buffer, const model_row *row) {
  test_rng rng = {0, row->seed};
  for (size_t i = 0; i < row->len; i++) buffer[i] = (char)rng_next(&rng);
  return (ls_slice){buffer, row->len};
}

static int order_of(const model_row *x, const model_row *y) {
  char a[64], b[64];
  if (x->ts_us != y->ts_us) return x->ts_us < y->ts_us ? -1 : 1;
  int order = ls__stamp_cmp(x->stamp, y->stamp);
  return order != 0 ? order : ls__slice_cmp(key_of(a, x->key), key_of(b, y->key));
}

static void model_put(model *m, const model_row *row) {
  size_t at = 0;
  while (at < m->n && order_of(&m->rows[at], row) < 0) at++;
  if (at == m->n || order_of(&m->rows[at], row) != 0) {
    memmove(&m->rows[at + 1], &m->rows[at], (m->n - at) * sizeof *row);
    m->n++;
  }
  m->rows[at] = *row;
}

static void check_entry(const ls_window_entry *entry, const model_row *row) {
  char key[64], bytes[4096];
  ck_assert_int_eq(entry->ts_us, row->ts_us);
  ck_assert_int_eq(ls__stamp_cmp(entry->stamp, row->stamp), 0);
  ck_assert_uint_eq(entry->flags, row->flags);
  ck_assert(ls__slice_eq(entry->key, key_of(key, row->key)));
  ck_assert(ls__slice_eq(entry->value, bytes_of(bytes, row)));
}

typedef struct fetch_check {
  ls_window *window;
  model *m;
  uint32_t key;
  int64_t from_us, to_us;
  size_t at; /* in m */
  size_t n, stop_after;
  uint64_t flag_seed;
} fetch_check;

static int fetch_one(void *payload, const ls_window_entry *entry, ls_error *err) {
  fetch_check *f = payload;
  while (f->at < f->m->n && (f->m->rows[f->at].key != f->key || f->m->rows[f->at].ts_us < f->from_us)) f->at++;
  ck_assert_uint_lt(f->at, f->m->n);
  check_entry(entry, &f->m->rows[f->at]);
  ck_assert_int_le(entry->ts_us, f->to_us);
  if (f->flag_seed != 0 && (f->flag_seed + f->n) % 3 == 0) {
    ck_assert_int_eq(ls__window_set_flags(f->window, entry, ls__hash64(entry->key), entry->flags ^ 5, err), LS_OK);
    f->m->rows[f->at].flags ^= 5;
  }
  f->at++;
  return ++f->n == f->stop_after ? 9 : 0;
}

static void check_fetch(ls_window *window, model *m, uint32_t key, int64_t from_us, int64_t to_us, size_t stop_after,
                        uint64_t flag_seed) {
  ls_error err = LS_ERROR_INIT;
  char buffer[64];
  ls_slice key_bytes = key_of(buffer, key);
  fetch_check f = {window, m, key, from_us, to_us, 0, 0, stop_after, flag_seed};
  size_t expected = 0;
  for (size_t i = 0; i < m->n; i++)
    expected += m->rows[i].key == key && m->rows[i].ts_us >= from_us && m->rows[i].ts_us <= to_us;
  int rc = ls__window_fetch(window, key_bytes, ls__hash64(key_bytes), from_us, to_us, fetch_one, &f, &err);
  if (stop_after > 0 && expected >= stop_after) {
    ck_assert_int_eq(rc, 9);
    ck_assert_uint_eq(f.n, stop_after);
  } else {
    ck_assert_int_eq(rc, 0);
    ck_assert_uint_eq(f.n, expected);
  }
}

typedef struct expire_check {
  model *m;
  size_t n, stop_after;
} expire_check;

static int expire_one(void *payload, const ls_window_entry *entry, ls_error *err) {
  (void)err;
  expire_check *e = payload;
  ck_assert_uint_lt(e->n, e->m->n);
  check_entry(entry, &e->m->rows[e->n]);
  if (e->n == e->stop_after) return LS_ELIMIT; /* this one stays */
  e->n++;
  return 0;
}

static void check_expire(ls_window *window, model *m, int64_t before_us, size_t stop_after) {
  ls_error err = LS_ERROR_INIT;
  expire_check e = {m, 0, stop_after};
  size_t expected = 0;
  while (expected < m->n && m->rows[expected].ts_us < before_us) expected++;
  int rc = ls__window_expire(window, before_us, expire_one, &e, &err);
  ck_assert_int_eq(rc, expected > stop_after ? LS_ELIMIT : 0);
  ck_assert_uint_eq(e.n, expected > stop_after ? stop_after : expected);
  memmove(m->rows, m->rows + e.n, (m->n - e.n) * sizeof *m->rows);
  m->n -= e.n;
}

static void check_all(ls_window *window, model *m) {
  ck_assert_uint_eq(ls__window_count(window), m->n);
  ck_assert_int_eq(ls__window_min_ts(window), m->n > 0 ? m->rows[0].ts_us : INT64_MAX);
  for (uint32_t key = 0; key < 41; key++) check_fetch(window, m, key, INT64_MIN, INT64_MAX, 0, 0);
}

static void step(test_rng *rng, ls_window *window, model *m, int64_t now_us) {
  ls_error err = LS_ERROR_INIT;
  char key[64], bytes[4096];
  uint64_t what = rng_below(rng, 100);
  /* key 1 is hot: deep trees */
  uint32_t k = rng_below(rng, 3) == 0 ? 1 : (uint32_t)rng_below(rng, 40);
  if (what < 60) {
    model_row row = {.key = k, .flags = (uint32_t)rng_below(rng, 4), .len = rng_below(rng, 90), .seed = rng_next(rng)};
    row.ts_us = now_us - (int64_t)rng_below(rng, 300);
    if (rng_below(rng, 30) == 0) row.ts_us = now_us + 5000; /* an outlier ahead */
    row.stamp = (ls_stamp){(int64_t)rng_below(rng, 3) - 1, rng_below(rng, 3) << 62};
    if (rng_below(rng, 20) == 0) row.len = rng_below(rng, 4000);
    model_put(m, &row);
    ls_window_entry entry = {.key = key_of(key, k),
                             .ts_us = row.ts_us,
                             .stamp = row.stamp,
                             .flags = row.flags,
                             .value = bytes_of(bytes, &row)};
    ck_ok(ls__window_put(window, &entry, ls__hash64(entry.key), &err));
  } else if (what < 70 && m->n > 0) { /* the same row again, another value */
    model_row *row = &m->rows[rng_below(rng, m->n)];
    row->len = rng_below(rng, 400);
    row->seed = rng_next(rng);
    ls_window_entry entry = {.key = key_of(key, row->key),
                             .ts_us = row->ts_us,
                             .stamp = row->stamp,
                             .flags = row->flags,
                             .value = bytes_of(bytes, row)};
    ck_ok(ls__window_put(window, &entry, ls__hash64(entry.key), &err));
  } else if (what < 90) {
    int64_t from_us = now_us - (int64_t)rng_below(rng, 400);
    check_fetch(window, m, k, from_us, from_us + (int64_t)rng_below(rng, 200), rng_below(rng, 4) == 0 ? 2 : 0,
                rng_next(rng));
  } else if (what < 93 && m->n > 0) { /* flags from outside of a fetch */
    model_row *row = &m->rows[rng_below(rng, m->n)];
    ls_window_entry entry = {.key = key_of(key, row->key), .ts_us = row->ts_us, .stamp = row->stamp};
    ck_ok(ls__window_set_flags(window, &entry, ls__hash64(entry.key), row->flags = (uint32_t)rng_next(rng), &err));
  } else if (what < 98) {
    check_expire(window, m, now_us - 250 - (int64_t)rng_below(rng, 100),
                 rng_below(rng, 4) == 0 ? rng_below(rng, 10) : SIZE_MAX);
  }
}

static void memory_run(bool logged) {
  test_rng rng = rng_new();
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_window *window;
  model *m = LS_NEW(model);
  ck_ok((logged ? ls__store_set_new_logged : ls__store_set_new)(&set, NULL, "task-0", BUDGET, &err));
  ck_ok(ls__window_open(&window, set, "left", LS_STORE_MEMORY, 7, &err));
  ck_assert_int_eq(ls__window_min_ts(window), INT64_MAX);
  for (int i = 0; i < 40000 / LS_TEST_SHARE; i++) {
    step(&rng, window, m, i / 5);
    if (m->n > N_ROWS_MAX - 10) check_expire(window, m, i / 5 - 200, SIZE_MAX);
    if (i % 500 == 0) check_all(window, m);
    if (i % 900 == 0) ck_ok(ls__store_set_commit(set, (ls_slice){"p", 1}, &err));
  }
  check_all(window, m);
  check_expire(window, m, INT64_MAX, SIZE_MAX);
  ck_assert_uint_eq(m->n, 0);
  check_all(window, m);
  ls__store_set_free(set);
  ls__free(m);
}

START_TEST(memory_buffer_equals_the_model) {
  memory_run(false);
}
END_TEST
START_TEST(memory_buffer_with_a_changelog_equals_the_model) {
  memory_run(true);
}
END_TEST

START_TEST(rocksdb_buffer_equals_the_model) {
  test_rng rng = rng_new();
  ls_error err = LS_ERROR_INIT;
  char directory[4096];
  test_directory(directory, sizeof directory, "window");
  ls_store_db *db = NULL;
  ls_store_set *set = NULL;
  ls_window *window = NULL;
  model *m = LS_NEW(model), *committed = LS_NEW(model);
  for (int i = 0; i < 20000 / LS_TEST_SHARE; i++) {
    if (db == NULL) {
      ck_ok(ls__store_db_open(&db, directory, &(ls_store_db_opts){(size_t)1 << 20, (size_t)1 << 20, false}, &err));
      ck_ok(ls__store_set_new(&set, db, "task-0", BUDGET, &err));
      ck_ok(ls__window_open(&window, set, "left", LS_STORE_ROCKSDB, 7, &err));
      *m = *committed;
      check_all(window, m);
    }
    step(&rng, window, m, i / 5);
    uint64_t what = rng_below(&rng, 1000);
    if (what < 15) {
      ck_ok(ls__store_set_commit(set, (ls_slice){"p", 1}, &err));
      *committed = *m;
    } else if (what < 20) {
      ck_ok(ls__store_set_abort(set, &err));
      *m = *committed;
      check_all(window, m);
    } else if (what < 22) {
      ls__store_set_free(set);
      ls__store_db_close(db);
      db = NULL;
    } else if (what < 24) {
      check_all(window, m);
    }
  }
  ls__store_set_free(set);
  ls__store_db_close(db);
  test_directory_remove(directory);
  ls__free(m);
  ls__free(committed);
}
END_TEST

/* Windowed aggregates: one stamp for all, so only the key orders the rows of a window. */
static int collect(void *payload, const ls_window_entry *entry, ls_error *err) {
  (void)err;
  ls__buf_append(payload, entry->key.ptr, entry->key.len);
  return 0;
}

START_TEST(rows_of_one_time_expire_in_key_order) {
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_window *window;
  ls_buf out = LS_BUF_INIT;
  ck_ok(ls__store_set_new(&set, NULL, "t", BUDGET, &err));
  ck_ok(ls__window_open(&window, set, "sums", LS_STORE_MEMORY, 7, &err));
  static const char *const keys[] = {"dd", "a", "ccccccccc2", "ccccccccc1", "b", "ccccccccc"};
  for (size_t i = 0; i < 6; i++) {
    ls_window_entry entry = {.key = ls__slice_of(keys[i]), .ts_us = 60};
    ck_ok(ls__window_put(window, &entry, ls__hash64(entry.key), &err));
  }
  ck_ok(ls__window_expire(window, 60, collect, &out, &err));
  ck_assert_uint_eq(out.len, 0); /* strictly before */
  ck_ok(ls__window_expire(window, 61, collect, &out, &err));
  ck_assert(ls__slice_is(ls__buf_slice(&out), "ab"
                                              "ccccccccc"
                                              "ccccccccc1"
                                              "ccccccccc2"
                                              "dd"));
  ls__buf_fini(&out);
  ls__store_set_free(set);
}
END_TEST

START_TEST(buffer_over_its_budget_is_named) {
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_window *window;
  ck_ok(ls__store_set_new(&set, NULL, "task-3", (size_t)1 << 20, &err));
  ck_ok(ls__window_open(&window, set, "payments", LS_STORE_MEMORY, 7, &err));
  int rc = LS_OK;
  int64_t n = 0;
  char value[100] = {0};
  for (; rc >= 0; n++) {
    ls_window_entry entry = {.key = {(const char *)&n, sizeof n}, .ts_us = n, .value = {value, sizeof value}};
    rc = ls__window_put(window, &entry, ls__hash64(entry.key), &err);
    ck_assert_uint_le(ls__store_set_bytes(set), (size_t)1 << 20);
  }
  ck_assert_int_eq(rc, LS_ELIMIT);
  ck_assert_msg(strstr(err.message, "'payments'") != NULL, "%s", err.message);
  ck_assert_uint_eq(ls__window_count(window), (uint64_t)n - 1);
  ck_ok(ls__window_expire(window, n / 2, NULL, NULL, &err)); /* and there is room again */
  ls_window_entry entry = {.key = {(const char *)&n, sizeof n}, .ts_us = n, .value = {value, sizeof value}};
  ck_ok(ls__window_put(window, &entry, ls__hash64(entry.key), &err));
  ls__store_set_free(set);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(memory_buffer_equals_the_model),  TEST_CASE(memory_buffer_with_a_changelog_equals_the_model),
      TEST_CASE(rocksdb_buffer_equals_the_model), TEST_CASE(rows_of_one_time_expire_in_key_order),
      TEST_CASE(buffer_over_its_budget_is_named),
  };
  return RUN_TESTS("store.window", cases);
}
