/** @file test_table.c  Tables: reads as of any stamp of the slice against the full history of changes. */
#include "helper_store.h"

#define N_KEYS        30
#define N_CHANGES_MAX 4000

typedef struct history_entry {
  uint32_t key;
  ls_stamp stamp;
  bool there;
  uint32_t number; /* the value */
} history_entry;

/* Changes of this slice in order, and what was before it. */
typedef struct history {
  history_entry changes[N_CHANGES_MAX];
  size_t n;
  bool there[N_KEYS];
  uint32_t number[N_KEYS];
} history;

static ls_slice key_of(char *buffer, uint32_t key) {
  return (ls_slice){buffer, (size_t)snprintf(buffer, 32, "customer-%u", key)};
}

static ls_slice value_of(char *buffer, uint32_t number) {
  memset(buffer, (int)(number & 0xFF), 600);
  memcpy(buffer, &number, sizeof number);
  return (ls_slice){buffer, 4 + number % 590};
}

/** What a reader at this stamp must see; NULL stamp: the latest. */
static void check_read(ls_table *table, const history *h, uint32_t key, const ls_stamp *stamp) {
  ls_error err = LS_ERROR_INIT;
  char key_buffer[32], expected[600];
  bool there = h->there[key];
  uint32_t number = h->number[key];
  for (size_t i = 0; i < h->n; i++) {
    if (h->changes[i].key != key || (stamp != NULL && ls__stamp_cmp(h->changes[i].stamp, *stamp) > 0)) continue;
    there = h->changes[i].there;
    number = h->changes[i].number;
  }
  ls_slice key_bytes = key_of(key_buffer, key), value;
  uint64_t hash = ls__hash64(key_bytes);
  int found = stamp == NULL ? ls__table_get(&value, table, key_bytes, hash, &err)
                            : ls__table_get_as_of(&value, table, key_bytes, hash, *stamp, &err);
  ck_assert_msg(found == there, "key %u: found %d", key, found);
  if (there) ck_assert(ls__slice_eq(value, value_of(expected, number)));
}

static void end_slice(ls_table *table, history *h) {
  for (size_t i = 0; i < h->n; i++) {
    h->there[h->changes[i].key] = h->changes[i].there;
    h->number[h->changes[i].key] = h->changes[i].number;
  }
  h->n = 0;
  ls__table_end_slice(table);
}

/** One slice: changes first, then readers at every stamp, as the steps of a plan run. */
static void run_slice(test_rng *rng, ls_table *table, history *h) {
  ls_error err = LS_ERROR_INIT;
  char key_buffer[32], value[600];
  int64_t ts_us = -20 + (int64_t)rng_below(rng, 40);
  uint64_t seq = 0, n = rng_below(rng, 120);
  ls_stamp newest[N_KEYS], stamp = {INT64_MIN, 0};
  for (uint32_t key = 0; key < N_KEYS; key++) newest[key] = stamp;
  for (uint64_t i = 0; i < n; i++) {
    if (rng_below(rng, 3) == 0) ts_us += (int64_t)rng_below(rng, 5);
    seq += rng_below(rng, 2); /* several changes of one stamp */
    uint32_t key = rng_below(rng, 3) == 0 ? 0 : (uint32_t)rng_below(rng, N_KEYS);
    stamp = (ls_stamp){ts_us, seq};
    if (rng_below(rng, 10) == 0 && newest[key].ts_us < ts_us - 2)
      stamp.ts_us--; /* only one key's stamps are in order */
    if (ls__stamp_cmp(stamp, newest[key]) < 0) stamp = newest[key];
    newest[key] = stamp;
    history_entry change = {key, stamp, rng_below(rng, 4) != 0, (uint32_t)rng_next(rng)};
    ls_slice key_bytes = key_of(key_buffer, key);
    uint64_t hash = ls__hash64(key_bytes);
    if (change.there)
      ck_ok(ls__table_put(table, key_bytes, hash, value_of(value, change.number), stamp, &err));
    else
      ck_ok(ls__table_delete(table, key_bytes, hash, stamp, &err));
    h->changes[h->n++] = change;
    if (rng_below(rng, 4) == 0) check_read(table, h, key, NULL);
  }
  for (uint64_t i = 0; i < 150; i++) {
    ls_stamp at = {ts_us - 60 + (int64_t)rng_below(rng, 70), rng_below(rng, 70)};
    if (h->n > 0 && rng_below(rng, 2) == 0) at = h->changes[rng_below(rng, h->n)].stamp;
    check_read(table, h, (uint32_t)rng_below(rng, N_KEYS), &at);
  }
}

static void run_memory(bool has_readers, int n_slices) {
  test_rng rng = rng_new();
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_table *table;
  history *h = LS_NEW(history);
  ck_ok(ls__store_set_new(&set, NULL, "t", (size_t)8 << 20, &err));
  ck_ok(ls__table_open(&table, set, "customers", LS_STORE_MEMORY, 1, has_readers, &err));
  for (int i = 0; i < n_slices; i++) {
    run_slice(&rng, table, h);
    end_slice(table, h);
    for (uint32_t key = 0; key < N_KEYS; key++) check_read(table, h, key, &(ls_stamp){INT64_MIN, 0});
  }
  ls__store_set_free(set);
  ls__free(h);
}

START_TEST(reads_as_of_equal_the_history) {
  run_memory(true, 600);
}
END_TEST

START_TEST(reads_as_of_equal_the_history_on_rocksdb) {
  test_rng rng = rng_new();
  ls_error err = LS_ERROR_INIT;
  char directory[4096];
  test_directory(directory, sizeof directory, "table");
  ls_store_db *db;
  ls_store_set *set;
  ls_table *table;
  history *h = LS_NEW(history), *committed = LS_NEW(history);
  ck_ok(ls__store_db_open(&db, directory, &(ls_store_db_opts){(size_t)1 << 20, (size_t)1 << 20, false}, &err));
  ck_ok(ls__store_set_new(&set, db, "t", (size_t)300 << 10, &err));
  ck_ok(ls__table_open(&table, set, "customers", LS_STORE_ROCKSDB, 1, true, &err));
  for (int i = 0; i < 400; i++) {
    run_slice(&rng, table, h);
    if (rng_below(&rng, 4) == 0) { /* in the middle of a slice: its changes go too */
      ck_ok(ls__store_set_abort(set, &err));
      *h = *committed;
    } else {
      end_slice(table, h);
      ck_ok(ls__store_set_commit(set, (ls_slice){"p", 1}, &err));
      *committed = *h;
    }
    for (uint32_t key = 0; key < N_KEYS; key++) check_read(table, h, key, &(ls_stamp){INT64_MIN, 0});
  }
  ls__store_set_free(set);
  ls__store_db_close(db);
  test_directory_remove(directory);
  ls__free(h);
  ls__free(committed);
}
END_TEST

START_TEST(a_record_sees_the_change_of_its_own_stamp) {
  ls_error err = LS_ERROR_INIT;
  ls_store_set *set;
  ls_table *table;
  ls_slice key = {"k", 1}, value;
  uint64_t hash = ls__hash64(key);
  ck_ok(ls__store_set_new(&set, NULL, "t", (size_t)8 << 20, &err));
  ck_ok(ls__table_open(&table, set, "customers", LS_STORE_MEMORY, 1, true, &err));
  ck_ok(ls__table_put(table, key, hash, (ls_slice){"first", 5}, (ls_stamp){10, 1}, &err));
  ck_ok(ls__table_put(table, key, hash, (ls_slice){"second", 6}, (ls_stamp){10, 3}, &err));
  ck_assert_int_eq(ls__table_get_as_of(&value, table, key, hash, (ls_stamp){10, 0}, &err), 0);
  ck_assert_int_eq(ls__table_get_as_of(&value, table, key, hash, (ls_stamp){10, 1}, &err), 1);
  ck_assert(ls__slice_is(value, "first"));
  ck_assert_int_eq(ls__table_get_as_of(&value, table, key, hash, (ls_stamp){10, 2}, &err), 1);
  ck_assert(ls__slice_is(value, "first"));
  ck_assert_int_eq(ls__table_get_as_of(&value, table, key, hash, (ls_stamp){10, 3}, &err), 1);
  ck_assert(ls__slice_is(value, "second"));
  ls__table_end_slice(table);
  ck_assert_int_eq(ls__table_get_as_of(&value, table, key, hash, (ls_stamp){0, 0}, &err), 1);
  ck_assert(ls__slice_is(value, "second"));
  ls__store_set_free(set);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(reads_as_of_equal_the_history),
      TEST_CASE(reads_as_of_equal_the_history_on_rocksdb),
      TEST_CASE(a_record_sees_the_change_of_its_own_stamp),
  };
  return RUN_TESTS("store.table", cases);
}
