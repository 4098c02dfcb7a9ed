/**
 * @file test_changelog.c
 * Stores with changelogs. The changelog here is a list in memory: commits append what ls__store_set_changes reports, and
 * sets that lost something, or all, are restored from it. At any moment the state is what the changelog says, whatever was
 * opened, killed, aborted, wiped or moved before.
 */
#include "helper_store.h"

#define N_KEYS   300
#define N_STORES 3 /* kv, table, window */
#define BUDGET   ((size_t)256 << 10)

static const ls_store_db_opts small_opts = {(size_t)1 << 20, (size_t)1 << 20, false};

typedef struct record {
  uint32_t store;
  bool deleted;
  size_t key_at, key_len, value_at, value_len; /* in world.bytes */
} record;

typedef struct world {
  test_rng rng;
  ls_store_backend backends[N_STORES];
  char directory[4096];
  ls_store_db *db;
  ls_store_set *set;
  ls_kv *kv;
  ls_table *table;
  ls_window *window;
  record *log;
  size_t n_log, log_capacity;
  ls_buf bytes;
  ls_store_set *mirror_set;
  ls_kv *mirror;   /* the changelog, applied: store (one byte) and key -> value */
  size_t n_before; /* records before the commit that is being made */
  int64_t now_us;
  size_t n_left_out, n_deletes, n_restored;
} world;

static ls_slice log_key(const world *w, const record *r) {
  return (ls_slice){w->bytes.ptr + r->key_at, r->key_len};
}
static ls_slice log_value(const world *w, const record *r) {
  return r->deleted ? (ls_slice){NULL, 0} : (ls_slice){w->bytes.ptr + r->value_at, r->value_len};
}

static ls_slice mirror_key(ls_buf *out, uint32_t store, ls_slice key) {
  ls__buf_clear(out);
  ls__buf_putc(out, (char)store);
  ls__buf_append(out, key.ptr, key.len);
  return ls__buf_slice(out);
}

static void mirror_put(ls_kv *mirror, uint32_t store, ls_slice key, ls_slice value) {
  ls_error err = LS_ERROR_INIT;
  ls_buf whole = LS_BUF_INIT;
  ls_slice at = mirror_key(&whole, store, key);
  if (value.ptr == NULL)
    ck_ok(ls__kv_delete(mirror, at, ls__hash64(at), &err));
  else
    ck_ok(ls__kv_put(mirror, at, ls__hash64(at), value, &err));
  ls__buf_fini(&whole);
}

/* ---- what a set holds, in the form of the changelog ---- */

typedef struct content {
  ls_kv *rows;
  uint32_t store;
} content;

static int take_row(void *payload, ls_slice key, ls_slice value, ls_error *err) {
  (void)err;
  const content *c = payload;
  mirror_put(c->rows, c->store, key, value);
  return 0;
}

static uint64_t big_endian(int64_t n) {
  return __builtin_bswap64((uint64_t)n ^ UINT64_C(1) << 63);
}

static int take_window_row(void *payload, const ls_window_entry *entry, ls_error *err) {
  ls_buf key = LS_BUF_INIT, value = LS_BUF_INIT;
  uint64_t tail[3] = {big_endian(entry->ts_us), big_endian(entry->stamp.ts_us), __builtin_bswap64(entry->stamp.seq)};
  ls__buf_append(&key, entry->key.ptr, entry->key.len);
  ls__buf_append(&key, tail, sizeof tail);
  ls__buf_append(&value, &entry->flags, sizeof entry->flags);
  ls__buf_append(&value, entry->value.ptr, entry->value.len);
  take_row(payload, ls__buf_slice(&key), ls__buf_slice(&value), err);
  ls__buf_fini(&key);
  ls__buf_fini(&value);
  return 0;
}

static ls_slice key_of(char *buffer, size_t i) {
  size_t len = i == 0 ? 0 : 2 + i % 29;
  memset(buffer, i % 3 == 0 ? 0 : 'k', len);
  for (size_t at = 0; at < 2 && at < len; at++) buffer[len - 1 - at] = (char)(i >> (8 * at));
  return (ls_slice){buffer, len};
}

static int is_same_row(void *payload, ls_slice key, ls_slice value, ls_error *err) {
  ls_slice other;
  ck_assert_int_eq(ls__kv_get(&other, payload, key, ls__hash64(key), err), 1);
  ck_assert(ls__slice_eq(other, value));
  return 0;
}

/* The set holds what the changelog says. */
static void check_content(world *w) {
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  content c = {NULL, 0};
  char buffer[64];
  ck_ok(ls__store_set_new(&set, NULL, "content", (size_t)64 << 20, &err));
  ck_ok(ls__kv_open(&c.rows, set, "rows", LS_STORE_MEMORY, 1, &err));
  ck_ok(ls__kv_scan(w->kv, false, take_row, &c, &err));
  c.store = 1;
  ck_ok(ls__table_scan(w->table, true, take_row, &c, &err));
  ck_assert_uint_eq(ls__kv_count(c.rows), ls__kv_count(w->kv) + ls__table_count(w->table));
  c.store = 2;
  for (size_t i = 0; i < N_KEYS; i++) {
    ls_slice key = key_of(buffer, i);
    ck_ok(ls__window_fetch(w->window, key, ls__hash64(key), INT64_MIN, INT64_MAX, take_window_row, &c, &err));
  }
  ck_assert_uint_eq(ls__kv_count(c.rows),
                    ls__kv_count(w->kv) + ls__table_count(w->table) + ls__window_count(w->window));
  ck_assert_uint_eq(ls__kv_count(c.rows), ls__kv_count(w->mirror));
  ck_ok(ls__kv_scan(w->mirror, false, is_same_row, c.rows, &err));
  ls__store_set_free(set);
}

/* ---- opening, restoring ---- */

static void world_open(world *w) {
  ls_error err = LS_ERROR_INIT;
  if (w->db == NULL) ck_ok(ls__store_db_open(&w->db, w->directory, &small_opts, &err));
  ck_ok(ls__store_set_new_logged(&w->set, w->db, "1_0", BUDGET, &err));
  ck_ok(ls__kv_open(&w->kv, w->set, "seen", w->backends[0], 1, &err));
  ck_ok(ls__table_open(&w->table, w->set, "customers", w->backends[1], 2, false, &err));
  ck_ok(ls__window_open(&w->window, w->set, "payments", w->backends[2], 3, &err));
  ck_assert_uint_eq(ls__store_set_n_stores(w->set), N_STORES);
  static const char *const names[N_STORES] = {"seen", "customers", "payments"};
  for (uint32_t i = 0; i < N_STORES; i++) {
    ck_assert_str_eq(ls__store_set_store_name(w->set, i), names[i]);
    ck_assert_int_eq(ls__store_set_store_backend(w->set, i), w->backends[i]);
  }
}

static void world_close(world *w) {
  ls__store_set_free(w->set);
  w->set = NULL;
  if (rng_below(&w->rng, 2) == 0) return;
  ls__store_db_close(w->db);
  w->db = NULL;
}

static uint64_t position_of(world *w) {
  ls_error err = LS_ERROR_INIT;
  ls_slice position;
  uint64_t at = 0;
  ck_ok(ls__store_set_position(&position, w->set, &err));
  if (position.len == 0) return 0;
  ck_assert_uint_eq(position.len, sizeof at);
  memcpy(&at, position.ptr, sizeof at);
  ck_assert_uint_le(at, w->n_log);
  return at;
}

/* Restores what is missing; now and then it is killed on the way and begins again where the position is then. */
static void world_restore(world *w) {
  ls_error err = LS_ERROR_INIT;
  uint64_t kills = rng_below(&w->rng, 3) == 0 ? 1 : 0;
  for (uint64_t start = position_of(w), i = 0; i < w->n_log; i++) {
    const record *r = &w->log[i];
    if (i >= start || w->backends[r->store] == LS_STORE_MEMORY) {
      ck_ok(ls__store_set_restore(w->set, r->store, log_key(w, r), log_value(w, r), &err));
      w->n_restored++;
    }
    uint64_t done = i + 1 > start ? i + 1 : start;
    if (rng_below(&w->rng, 500) == 0)
      ck_ok(ls__store_set_restored(w->set, (ls_slice){(const char *)&done, sizeof done}, &err));
    if (kills == 0 || rng_below(&w->rng, w->n_log) != 0) continue;
    kills--;
    world_close(w);
    world_open(w);
    start = position_of(w);
    i = UINT64_MAX; /* the next is record 0 */
  }
  uint64_t end = w->n_log;
  ck_ok(ls__store_set_restored(w->set, (ls_slice){(const char *)&end, sizeof end}, &err));
  ck_assert_uint_eq(position_of(w), end);
  check_content(w);
}

/* ---- writes and commits ---- */

static void write_kv(world *w, bool to_table) {
  ls_error err = LS_ERROR_INIT;
  char buffer[64], value[1024];
  size_t i = rng_below(&w->rng, N_KEYS), len = rng_below(&w->rng, 20) == 0 ? 0 : rng_below(&w->rng, 300);
  if (rng_below(&w->rng, 30) == 0) len += 700;
  ls_slice key = key_of(buffer, i);
  uint64_t hash = ls__hash64(key);
  for (size_t k = 0; k < len; k++) value[k] = (char)rng_next(&w->rng);
  if (rng_below(&w->rng, 3) == 0) {
    if (to_table)
      ck_ok(ls__table_delete(w->table, key, hash, (ls_stamp){0, 0}, &err));
    else
      ck_ok(ls__kv_delete(w->kv, key, hash, &err));
  } else if (to_table) {
    ck_ok(ls__table_put(w->table, key, hash, (ls_slice){value, len}, (ls_stamp){0, 0}, &err));
  } else {
    ck_ok(ls__kv_put(w->kv, key, hash, (ls_slice){value, len}, &err));
  }
}

static int flip_flags(void *payload, const ls_window_entry *entry, ls_error *err) {
  return ls__window_set_flags(payload, entry, ls__hash64(entry->key), entry->flags ^ 1, err);
}

static void write_window(world *w) {
  ls_error err = LS_ERROR_INIT;
  char buffer[64], value[300] = {0};
  ls_slice key = key_of(buffer, rng_below(&w->rng, N_KEYS / 10));
  uint64_t what = rng_below(&w->rng, 10);
  w->now_us++;
  if (what < 6) { /* sometimes a row again that has just expired */
    ls_window_entry entry = {
        .key = key, .ts_us = w->now_us - (int64_t)rng_below(&w->rng, 120), .flags = (uint32_t)what};
    entry.ts_us -= entry.ts_us % 8;
    entry.stamp = (ls_stamp){(int64_t)rng_below(&w->rng, 3) - 1, rng_below(&w->rng, 2)};
    memset(value, (int)rng_below(&w->rng, 256), sizeof value);
    entry.value = (ls_slice){value, rng_below(&w->rng, sizeof value)};
    ck_ok(ls__window_put(w->window, &entry, ls__hash64(key), &err));
  } else if (what < 8) {
    ck_ok(ls__window_fetch(w->window, key, ls__hash64(key), w->now_us - 30, w->now_us, flip_flags, w->window, &err));
  } else {
    ck_ok(ls__window_expire(w->window, w->now_us - 60 - (int64_t)rng_below(&w->rng, 60), NULL, NULL, &err));
  }
}

static int append_change(void *payload, uint32_t store, ls_slice key, ls_slice value, ls_error *err) {
  (void)err;
  world *w = payload;
  for (size_t i = w->n_before; i < w->n_log; i++) { /* once for each key, store after store */
    ck_assert(w->log[i].store != store || !ls__slice_eq(log_key(w, &w->log[i]), key));
    ck_assert_uint_le(w->log[i].store, store);
  }
  ls_buf whole = LS_BUF_INIT;
  ls_slice at = mirror_key(&whole, store, key), before;
  int found = ls__kv_get(&before, w->mirror, at, ls__hash64(at), err);
  ck_assert_msg(value.ptr != NULL || found == 1, "a deletion of what no commit has");
  ls__buf_fini(&whole);
  w->n_deletes += value.ptr == NULL;
  ls__grow(&w->log, &w->log_capacity, w->n_log + 1, sizeof *w->log);
  record *r = &w->log[w->n_log++];
  *r = (record){store, value.ptr == NULL, w->bytes.len, key.len, w->bytes.len + key.len, value.len};
  ls__buf_append(&w->bytes, key.ptr, key.len);
  ls__buf_append(&w->bytes, value.ptr, value.len);
  return 0;
}

/* The transaction: after it the changelog has what was written, the store does not yet. */
static void world_send(world *w) {
  ls_error err = LS_ERROR_INIT;
  w->n_before = w->n_log;
  ck_ok(ls__store_set_changes(w->set, append_change, w, &err));
  for (size_t i = w->n_before; i < w->n_log; i++) {
    mirror_put(w->mirror, w->log[i].store, log_key(w, &w->log[i]), log_value(w, &w->log[i]));
  }
}

static void world_commit(world *w) {
  ls_error err = LS_ERROR_INIT;
  world_send(w);
  uint64_t end = w->n_log;
  if (rng_below(&w->rng, 6) == 0) { /* killed in between */
    world_close(w);
    world_open(w);
    world_restore(w);
    return;
  }
  ck_ok(ls__store_set_commit(w->set, (ls_slice){(const char *)&end, sizeof end}, &err));
  size_t n = w->n_log;
  world_send(w);
  ck_assert_uint_eq(w->n_log, n); /* nothing is left over */
}

static void world_abort(world *w) {
  ls_error err = LS_ERROR_INIT;
  if (ls__store_set_abort(w->set, &err) < 0) { /* a memory store was written: rebuild */
    ck_assert(w->backends[0] == LS_STORE_MEMORY || w->backends[1] == LS_STORE_MEMORY ||
              w->backends[2] == LS_STORE_MEMORY);
    world_close(w);
    world_open(w);
    world_restore(w);
  }
  check_content(w);
}

/* The task moves: the new owner has nothing, or what it had before. */
static void world_move(world *w) {
  ls_error err = LS_ERROR_INIT;
  world_send(w);
  if (rng_below(&w->rng, 2) == 0) {
    ck_ok(ls__store_set_wipe(w->set, &err));
    ck_assert_uint_eq(position_of(w), 0);
    ck_assert_uint_eq(ls__kv_count(w->kv) + ls__window_count(w->window), 0);
    if (rng_below(&w->rng, 2) == 0) {
      world_close(w);
      world_open(w);
      ck_assert_uint_eq(position_of(w), 0);
    }
  } else {
    ls__store_set_free(w->set);
    ls__store_db_close(w->db);
    w->db = NULL;
    test_directory_remove(w->directory);
    world_open(w);
  }
  world_restore(w);
}

static void run(const ls_store_backend backends[N_STORES], uint64_t more, int n_steps) {
  ls_error err = LS_ERROR_INIT;
  world *w = LS_NEW(world);
  w->rng = rng_new();
  w->rng.state += more;
  memcpy(w->backends, backends, sizeof w->backends);
  test_directory(w->directory, sizeof w->directory, "log");
  ck_ok(ls__store_set_new(&w->mirror_set, NULL, "mirror", (size_t)64 << 20, &err));
  ck_ok(ls__kv_open(&w->mirror, w->mirror_set, "rows", LS_STORE_MEMORY, 1, &err));
  world_open(w);
  for (int i = 0; i < n_steps; i++) {
    uint64_t what = rng_below(&w->rng, 1000);
    if (what < 300)
      write_kv(w, false);
    else if (what < 600)
      write_kv(w, true);
    else
      write_window(w);
    if (ls__store_set_pressure(w->set) || rng_below(&w->rng, 200) == 0)
      world_commit(w);
    else if (rng_below(&w->rng, 1500) == 0)
      world_abort(w);
    else if (rng_below(&w->rng, (uint64_t)n_steps / 4) == 0)
      world_move(w);
  }
  world_commit(w);
  check_content(w);
  world_move(w);
  ck_assert_uint_gt(w->n_log, (size_t)n_steps / 20);
  ck_assert_uint_gt(w->n_deletes, (size_t)n_steps / 200);
  ck_assert_uint_ge(w->n_restored, w->n_log);
  ls__store_set_free(w->set);
  ls__store_db_close(w->db);
  ls__store_set_free(w->mirror_set);
  test_directory_remove(w->directory);
  ls__buf_fini(&w->bytes);
  ls__free(w->log);
  ls__free(w);
}

#define M LS_STORE_MEMORY
#define R LS_STORE_ROCKSDB
START_TEST(memory_stores_are_what_their_changelogs_say) {
  run((const ls_store_backend[]){M, M, M}, 1, 10000 / LS_TEST_SHARE);
}
END_TEST
START_TEST(rocksdb_stores_are_what_their_changelogs_say) {
  run((const ls_store_backend[]){R, R, R}, 2, 10000 / LS_TEST_SHARE);
}
END_TEST
START_TEST(mixed_stores_are_what_their_changelogs_say) {
  run((const ls_store_backend[]){M, R, M}, 3, 5000 / LS_TEST_SHARE);
  run((const ls_store_backend[]){R, M, R}, 4, 5000 / LS_TEST_SHARE);
}
END_TEST

/* ---- particular cases ---- */

static int note_change(void *payload, uint32_t store, ls_slice key, ls_slice value, ls_error *err) {
  (void)err;
  ls__buf_printf(payload, "%u %.*s=%.*s\n", store, (int)key.len, key.ptr, value.ptr == NULL ? 4 : (int)value.len,
                 value.ptr == NULL ? "none" : value.ptr);
  return 0;
}

static void put(ls_kv *kv, const char *key, const char *value) {
  ls_error err = LS_ERROR_INIT;
  ls_slice k = ls__slice_of(key);
  if (value == NULL)
    ck_ok(ls__kv_delete(kv, k, ls__hash64(k), &err));
  else
    ck_ok(ls__kv_put(kv, k, ls__hash64(k), ls__slice_of(value), &err));
}

static void expect_changes(ls_store_set *set, const char *expected) {
  ls_error err = LS_ERROR_INIT;
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, "");
  ck_ok(ls__store_set_changes(set, note_change, &text, &err));
  ck_assert_str_eq(text.ptr, expected);
  ls__buf_fini(&text);
}

static int stop_at_once(void *payload, uint32_t store, ls_slice key, ls_slice value, ls_error *err) {
  (void)payload, (void)store, (void)key, (void)value, (void)err;
  return 7;
}

static void check_changes(ls_store_db *db, ls_store_backend backend) {
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_kv *a, *b;
  ck_ok(ls__store_set_new_logged(&set, db, "0_1", BUDGET, &err));
  ck_ok(ls__kv_open(&a, set, "a", backend, 1, &err));
  ck_ok(ls__kv_open(&b, set, "b", backend, 1, &err));
  put(b, "k1", "v1");
  put(a, "k2", "v1");
  put(a, "k3", "v1");
  put(a, "k2", "v2"); /* the last write only */
  put(a, "k4", "v1");
  put(a, "k4", NULL); /* there and gone */
  put(a, "k5", "");
  expect_changes(set, "0 k2=v2\n0 k3=v1\n0 k5=\n1 k1=v1\n");
  expect_changes(set, "0 k2=v2\n0 k3=v1\n0 k5=\n1 k1=v1\n"); /* reading changes nothing */
  ck_assert_int_eq(ls__store_set_changes(set, stop_at_once, NULL, &err), 7);
  ck_ok(ls__store_set_commit(set, (ls_slice){"1", 1}, &err));
  expect_changes(set, "");
  put(a, "k2", "v2"); /* as it was */
  put(a, "k5", "");
  put(a, "k9", NULL); /* never there */
  expect_changes(set, "");
  put(a, "k2", NULL);
  put(a, "k3", NULL);
  put(a, "k3", "v7");
  put(a, "k4", "v1");
  put(a, "k4", NULL);
  put(a, "k2", NULL);
  expect_changes(set, "0 k2=none\n0 k3=v7\n");
  ck_ok(ls__store_set_commit(set, (ls_slice){"2", 1}, &err));
  ck_assert_uint_eq(ls__kv_count(a), 2);
  ls__store_set_free(set);
}

START_TEST(changes_are_the_last_writes) {
  ls_error err = LS_ERROR_INIT;
  char directory[4096];
  test_directory(directory, sizeof directory, "changes");
  ls_store_db *db;
  ck_ok(ls__store_db_open(&db, directory, &small_opts, &err));
  check_changes(NULL, LS_STORE_MEMORY);
  check_changes(db, LS_STORE_ROCKSDB);
  ls__store_db_close(db);
  test_directory_remove(directory);
}
END_TEST

static void put_row(ls_window *window, int64_t ts_us, const char *value) {
  ls_error err = LS_ERROR_INIT;
  ls_window_entry entry = {.key = {"k", 1}, .ts_us = ts_us, .value = ls__slice_of(value)};
  ck_ok(ls__window_put(window, &entry, ls__hash64(entry.key), &err));
}

static int note_window_change(void *payload, uint32_t store, ls_slice key, ls_slice value, ls_error *err) {
  (void)store, (void)err;
  ck_assert_uint_eq(key.len, 1 + 24);
  ls__buf_printf(payload, "%d", (unsigned char)key.ptr[8]); /* last byte of ts */
  if (value.ptr != NULL) ls__buf_append(payload, value.ptr + sizeof(uint32_t), value.len - sizeof(uint32_t));
  ls__buf_puts(payload, " ");
  return 0;
}

static void expect_window_changes(ls_store_set *set, const char *expected) {
  ls_error err = LS_ERROR_INIT;
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, "");
  ck_ok(ls__store_set_changes(set, note_window_change, &text, &err));
  ck_assert_str_eq(text.ptr, expected);
  ls__buf_fini(&text);
}

START_TEST(a_window_row_that_expires_and_comes_again_is_one_change) {
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_window *window;
  ck_ok(ls__store_set_new_logged(&set, NULL, "0_0", BUDGET, &err));
  ck_ok(ls__window_open(&window, set, "buffer", LS_STORE_MEMORY, 1, &err));
  put_row(window, 3, "a");
  put_row(window, 5, "a");
  put_row(window, 9, "a");
  put_row(window, 4, "a");
  ck_ok(ls__window_expire(window, 4, NULL, NULL, &err));
  expect_window_changes(set, "5a 9a 4a ");
  ck_ok(ls__store_set_commit(set, (ls_slice){"1", 1}, &err));
  ck_ok(ls__window_expire(window, 6, NULL, NULL, &err));
  put_row(window, 5, "b"); /* of the last time that has expired */
  expect_window_changes(set, "4 5b ");
  ck_ok(ls__window_expire(window, 6, NULL, NULL, &err));
  expect_window_changes(set, "4 5 ");
  put_row(window, 4, "c");
  expect_window_changes(set, "5 4c ");
  ck_ok(ls__store_set_commit(set, (ls_slice){"2", 1}, &err));
  expect_window_changes(set, "");
  ls__store_set_free(set);
}
END_TEST

#define N_ROWS 4000

static int next_in_time(void *payload, const ls_window_entry *entry, ls_error *err) {
  (void)err;
  int64_t *last_us = payload;
  ck_assert_int_ge(entry->ts_us, *last_us);
  *last_us = entry->ts_us;
  return 0;
}

static void restore_row(ls_store_set *set, size_t i, uint32_t random, bool deleted) {
  ls_error err = LS_ERROR_INIT;
  ls_buf key = LS_BUF_INIT;
  uint64_t tail[3] = {big_endian((int64_t)(random % 1000)), big_endian(0), i};
  ls__buf_puts(&key, i % 2 == 0 ? "even" : "odd");
  ls__buf_append(&key, tail, sizeof tail);
  char value[40] = {0};
  ck_ok(ls__store_set_restore(set, 0, ls__buf_slice(&key),
                              (ls_slice){deleted ? NULL : value, deleted ? 0 : 4 + random % 36}, &err));
  ls__buf_fini(&key);
}

/* Expiry deletes the oldest; a restore deletes in the order of the changelog, which compaction has thinned out. */
START_TEST(a_changelog_deletes_window_rows_in_any_order) {
  ls_error err = LS_ERROR_INIT;
  test_rng rng = rng_new();
  char directory[4096];
  test_directory(directory, sizeof directory, "delete");
  ls_store_db *db;
  ck_ok(ls__store_db_open(&db, directory, &small_opts, &err));
  for (int round = 0; round < 2; round++) {
    ls_store_set *set;
    ls_window *window;
    uint32_t random[N_ROWS];
    bool there[N_ROWS] = {false};
    size_t n = 0;
    ck_ok(ls__store_set_new_logged(&set, db, "0_0", (size_t)4 << 20, &err));
    ck_ok(ls__window_open(&window, set, "buffer", round == 0 ? LS_STORE_MEMORY : LS_STORE_ROCKSDB, 1, &err));
    for (size_t i = 0; i < N_ROWS; i++) random[i] = (uint32_t)rng_next(&rng);
    for (int i = 0; i < 6 * N_ROWS; i++) { /* many more come than stay */
      size_t row = rng_below(&rng, N_ROWS);
      there[row] = rng_below(&rng, 3) == 0;
      restore_row(set, row, random[row], !there[row]);
    }
    for (size_t i = 0; i < N_ROWS; i++) n += there[i];
    ck_ok(ls__store_set_restored(set, (ls_slice){"p", 1}, &err));
    if (round == 1) { /* and from the disk */
      ls__store_set_free(set);
      ck_ok(ls__store_set_new_logged(&set, db, "0_0", (size_t)4 << 20, &err));
      ck_ok(ls__window_open(&window, set, "buffer", LS_STORE_ROCKSDB, 1, &err));
    }
    ck_assert_uint_eq(ls__window_count(window), n);
    int64_t last_us = INT64_MIN;
    ck_ok(ls__window_expire(window, INT64_MAX, next_in_time, &last_us, &err));
    ck_assert_uint_eq(ls__window_count(window), 0);
    ck_assert_int_eq(ls__window_min_ts(window), INT64_MAX);
    ls__store_set_free(set);
  }
  ls__store_db_close(db);
  test_directory_remove(directory);
}
END_TEST

START_TEST(misuse_is_refused) {
  ls_error err = LS_ERROR_INIT;
  char directory[4096];
  test_directory(directory, sizeof directory, "misuse");
  ls_store_db *db;
  ls_store_set *set, *other;
  ls_kv *kv;
  ls_buf text = LS_BUF_INIT;
  ls_slice a = {"a", 1};
  ck_ok(ls__store_db_open(&db, directory, &(ls_store_db_opts){(size_t)1 << 20, (size_t)1 << 20, true}, &err));
  ck_assert_int_eq(ls__store_set_new_logged(&set, db, "0_0", BUDGET, &err), LS_ECONFIG);
  ck_assert_ptr_null(set);
  ls__store_db_close(db);
  ck_ok(ls__store_db_open(&db, directory, &small_opts, &err));
  ck_ok(ls__store_set_new(&set, db, "0_0", BUDGET, &err));
  ck_ok(ls__kv_open(&kv, set, "rows", LS_STORE_ROCKSDB, 1, &err));
  ck_assert_int_eq(ls__store_set_changes(set, note_change, &text, &err), LS_EINTERNAL);
  ck_assert_int_eq(ls__store_set_restore(set, 0, a, a, &err), LS_EINTERNAL);
  ls__store_set_free(set);
  ck_ok(ls__store_set_new_logged(&set, db, "0_0", BUDGET, &err));
  ck_assert_int_eq(ls__store_set_new_logged(&other, db, "0_0", BUDGET, &err), LS_ERETRY); /* once at a time */
  ck_ok(ls__kv_open(&kv, set, "rows", LS_STORE_ROCKSDB, 1, &err));
  ck_assert_int_eq(ls__store_set_restore(set, 1, a, a, &err), LS_EINTERNAL); /* no such store */
  put(kv, "a", "1");
  ck_assert_int_eq(ls__store_set_restore(set, 0, a, a, &err), LS_EINTERNAL); /* writes are pending */
  ck_ok(ls__store_set_abort(set, &err));
  ck_ok(ls__store_set_restore(set, 0, a, a, &err));
  ck_assert_int_eq(ls__store_set_changes(set, note_change, &text, &err), LS_EINTERNAL);
  ck_assert_int_eq(ls__store_set_commit(set, a, &err), LS_EINTERNAL);
  ck_assert_int_eq(ls__store_set_abort(set, &err), LS_EINTERNAL);
  ck_ok(ls__store_set_restored(set, a, &err));
  expect_changes(set, "");
  ls_window *window;
  ck_ok(ls__window_open(&window, set, "buffer", LS_STORE_MEMORY, 1, &err));
  ck_assert_int_eq(ls__store_set_restore(set, 1, (ls_slice){"short", 5}, a, &err), LS_EDATA);
  ls__store_set_free(set);
  ck_ok(ls__store_set_new_logged(&set, db, "0_0", BUDGET, &err)); /* free again */
  ls__store_set_free(set);
  ls__store_db_close(db);
  ls__buf_fini(&text);
  test_directory_remove(directory);
}
END_TEST

/* Pending writes ask for a commit at half of the budget; the commit itself finds room for all. Deletes work in full memory. */
START_TEST(pending_writes_of_memory_stores_are_bounded) {
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_kv *kv;
  char value[200] = {0};
  ck_ok(ls__store_set_new_logged(&set, NULL, "0_0", (size_t)1 << 20, &err));
  ck_ok(ls__kv_open(&kv, set, "rows", LS_STORE_MEMORY, 1, &err));
  int rc = LS_OK;
  uint64_t n = 0, first = 0;
  for (; rc >= 0; n++) {
    ls_slice key = {(const char *)&n, sizeof n};
    rc = ls__kv_put(kv, key, ls__hash64(key), (ls_slice){value, sizeof value}, &err);
    if (ls__store_set_pressure(set) && first == 0) first = n;
  }
  ck_assert_int_eq(rc, LS_ELIMIT);
  n--;
  ck_assert_uint_gt(first, n / 2);
  ck_assert_uint_lt(first, n);
  ck_ok(ls__store_set_commit(set, (ls_slice){"p", 1}, &err));
  ck_assert(!ls__store_set_pressure(set));
  for (uint64_t i = 0; i < n; i++) {
    ls_slice key = {(const char *)&i, sizeof i};
    ck_ok(ls__kv_delete(kv, key, ls__hash64(key), &err));
  }
  ck_ok(ls__store_set_commit(set, (ls_slice){"p", 1}, &err));
  ck_assert_uint_eq(ls__kv_count(kv), 0);
  for (uint64_t i = 0; i < n / 2; i++) { /* and there is room again */
    ls_slice key = {(const char *)&i, sizeof i};
    ck_ok(ls__kv_put(kv, key, ls__hash64(key), (ls_slice){value, sizeof value}, &err));
  }
  ls__store_set_free(set);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(memory_stores_are_what_their_changelogs_say),
      TEST_CASE(rocksdb_stores_are_what_their_changelogs_say),
      TEST_CASE(mixed_stores_are_what_their_changelogs_say),
      TEST_CASE(changes_are_the_last_writes),
      TEST_CASE(a_window_row_that_expires_and_comes_again_is_one_change),
      TEST_CASE(a_changelog_deletes_window_rows_in_any_order),
      TEST_CASE(misuse_is_refused),
      TEST_CASE(pending_writes_of_memory_stores_are_bounded),
  };
  return RUN_TESTS("store.changelog", cases);
}
