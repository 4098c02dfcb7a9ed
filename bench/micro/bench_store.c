/**
 * @file bench_store.c
 * Nanoseconds per operation and bytes per key of the state stores, on one core. Not a test: prints
 * figures. Usage: bench_store [keys, default 1000000] [directory for RocksDB; without it: memory only]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/thread.h"
#include "store/store.h"

#define KEY_BYTES 22
#define BATCH     1024

typedef struct bench_key {
  char text[KEY_BYTES + 2];
} bench_key;

static ls_error err;

static void check(int rc) {
  if (rc >= 0) return;
  fprintf(stderr, "%s\n", err.message);
  exit(1);
}

static uint64_t mix(uint64_t n) {
  n = (n ^ (n >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  n = (n ^ (n >> 27)) * UINT64_C(0x94D049BB133111EB);
  return n ^ (n >> 31);
}

/* Keys as records bring them: contiguous text in a random order. */
static bench_key *make_keys(size_t n, const char *prefix) {
  bench_key *keys = ls__alloc(n * sizeof *keys);
  for (size_t i = 0; i < n; i++)
    snprintf(keys[i].text, sizeof keys[i].text, "%s-%018" PRIu64, prefix, mix(i + 1) % UINT64_C(1000000000000000000));
  return keys;
}

/* CPU time of this thread: what else runs on the machine counts little. */
static int64_t cpu_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The same keys in another order, again contiguous: reading a key costs no cache miss. */
static bench_key *shuffle_keys(const bench_key *keys, size_t n) {
  bench_key *shuffled = ls__alloc(n * sizeof *shuffled);
  memcpy(shuffled, keys, n * sizeof *shuffled);
  for (size_t i = n; i > 1; i--) {
    bench_key swap = shuffled[i - 1];
    size_t k = (size_t)(mix(i + 77) % i);
    shuffled[i - 1] = shuffled[k];
    shuffled[k] = swap;
  }
  return shuffled;
}

static void report(const char *what, size_t n, int64_t start_us) {
  printf("  %-46s %8.1f ns\n", what, (double)(cpu_us() - start_us) * 1000 / (double)n);
}

static void report_wall(const char *what, size_t n, int64_t start_us) {
  printf("  %-46s %8.1f ns\n", what, (double)(ls__monotonic_us() - start_us) * 1000 / (double)n);
}

typedef enum what { GET, PUT, GET_PUT } what;

/* A slice at a time: hashes, prefetches, then the operations, as the nodes do. */
static void run(ls_table *table, const bench_key *keys, size_t n, size_t value_len, what do_what, bool prefetch) {
  char value[1024] = {0};
  uint64_t hashes[BATCH];
  size_t found = 0;
  ls_slice got;
  for (size_t start = 0; start < n; start += BATCH) {
    size_t m = n - start < BATCH ? n - start : BATCH;
    for (size_t i = 0; i < m; i++) {
      hashes[i] = ls__hash64((ls_slice){keys[start + i].text, KEY_BYTES});
    }
    for (size_t i = 0; prefetch && i < m; i++) ls__table_prefetch(table, hashes[i]);
    for (size_t i = 0; i < m; i++) {
      ls_slice key = {keys[start + i].text, KEY_BYTES};
      if (do_what != PUT) {
        int rc = ls__table_get(&got, table, key, hashes[i], &err);
        check(rc);
        if (rc == 1) found += (unsigned char)got.ptr[0] == 0;
      }
      memcpy(value, &start, sizeof start);
      value[0] = 0;
      if (do_what != GET)
        check(ls__table_put(table, key, hashes[i], (ls_slice){value, value_len}, (ls_stamp){0, start + i}, &err));
    }
  }
  if (found == (size_t)-1) printf("?");
}

static int count_one(void *payload, ls_slice key, ls_slice value, ls_error *error) {
  (void)error;
  *(uint64_t *)payload += (uint64_t)key.ptr[key.len - 1] + (uint64_t)value.ptr[0];
  return 0;
}

static void bench_memory(size_t n, size_t value_len) {
  printf("memory, %zu keys of %d bytes, values of %zu bytes\n", n, KEY_BYTES, value_len);
  bench_key *keys = make_keys(n, "txn"), *others = make_keys(n, "not"), *shuffled = shuffle_keys(keys, n);
  int64_t rss = ls__peak_memory_bytes();
  ls_store_set *set;
  ls_table *table;
  check(ls__store_set_new(&set, NULL, "bench", (size_t)16 << 30, &err));
  check(ls__table_open(&table, set, "rows", LS_STORE_MEMORY, 1, false, &err));
  int64_t at = cpu_us();
  run(table, keys, n, value_len, GET_PUT, true);
  report("get (absent) and put (new)", n, at);
  printf("  %-46s %8.1f bytes per key, %.1f MB; peak resident +%.1f MB\n", "memory",
         (double)ls__store_set_bytes(set) / (double)n, (double)ls__store_set_bytes(set) / 1e6,
         (double)(ls__peak_memory_bytes() - rss) / 1e6);
  at = cpu_us();
  run(table, shuffled, n, value_len, GET, false);
  report("get, random, no prefetch", n, at);
  at = cpu_us();
  run(table, shuffled, n, value_len, GET, true);
  report("get, random", n, at);
  at = cpu_us();
  run(table, others, n, value_len, GET, true);
  report("get, absent", n, at);
  at = cpu_us();
  run(table, shuffled, n, value_len, GET_PUT, true);
  report("get and put over, random", n, at);
  at = cpu_us();
  run(table, shuffled, n, value_len + 30, GET_PUT, true);
  report("get and put of a longer value, random", n, at);
  for (int ordered = 0; ordered < 2; ordered++) {
    uint64_t sum = 0;
    at = cpu_us();
    check(ls__table_scan(table, ordered != 0, count_one, &sum, &err));
    report(ordered ? "scan in key order" : "scan", n, at);
  }
  printf("  %-46s %8.1f MB\n", "memory at the end", (double)ls__store_set_bytes(set) / 1e6);
  ls__store_set_free(set);
  ls__free(shuffled);
  ls__free(keys);
  ls__free(others);
}

static void bench_as_of(size_t n) {
  printf("table with readers, slices of %d rows, %zu keys, values of 100 bytes\n", BATCH, n);
  bench_key *keys = make_keys(n, "txn");
  ls_store_set *set;
  ls_table *table;
  ls_slice got;
  char value[100] = {0};
  check(ls__store_set_new(&set, NULL, "bench", (size_t)16 << 30, &err));
  check(ls__table_open(&table, set, "rows", LS_STORE_MEMORY, 1, true, &err));
  int64_t put_us = 0, get_us = 0;
  for (size_t start = 0; start < n; start += BATCH) {
    int64_t at = cpu_us();
    size_t m = n - start < BATCH ? n - start : BATCH;
    for (size_t i = 0; i < m; i++) {
      ls_slice key = {keys[start + i].text, KEY_BYTES};
      check(ls__table_put(table, key, ls__hash64(key), (ls_slice){value, sizeof value},
                          (ls_stamp){(int64_t)(start + i), 0}, &err));
    }
    int64_t mid = cpu_us();
    for (size_t i = 0; i < m; i++) {
      ls_slice key = {keys[mix(start + i) % (start + m)].text, KEY_BYTES};
      check(ls__table_get_as_of(&got, table, key, ls__hash64(key), (ls_stamp){(int64_t)(start + i), 0}, &err));
    }
    ls__table_end_slice(table);
    put_us += mid - at;
    get_us += cpu_us() - mid;
  }
  printf("  %-46s %8.1f ns\n", "put (new), the value before kept", (double)put_us * 1000 / (double)n);
  printf("  %-46s %8.1f ns\n", "get as of, random", (double)get_us * 1000 / (double)n);
  ls__store_set_free(set);
  ls__free(keys);
}

static int touch(void *payload, const ls_window_entry *entry, ls_error *error) {
  (void)error;
  *(uint64_t *)payload += (uint64_t)entry->ts_us;
  return 0;
}

/* live: rows in the buffer at a time; each new row fetches its key, is put, and the old ones expire. */
static void bench_window(size_t n, size_t live, size_t n_keys, int64_t disorder_us, size_t value_len) {
  printf("window buffer, %zu rows live, %zu keys, %" PRId64 " us of disorder, values of %zu bytes\n", live, n_keys,
         disorder_us, value_len);
  bench_key *keys = make_keys(n_keys, "txn");
  ls_store_set *set;
  ls_window *window;
  char value[1024] = {0};
  check(ls__store_set_new(&set, NULL, "bench", (size_t)16 << 30, &err));
  check(ls__window_open(&window, set, "rows", LS_STORE_MEMORY, 1, &err));
  uint64_t sum = 0;
  size_t bytes = 0;
  int64_t at = cpu_us();
  for (size_t i = 0; i < n; i++) {
    ls_slice key = {keys[mix(i) % n_keys].text, KEY_BYTES};
    uint64_t hash = ls__hash64(key);
    int64_t ts_us = (int64_t)i - (disorder_us > 0 ? (int64_t)(mix(i + 7) % (uint64_t)disorder_us) : 0);
    check(ls__window_fetch(window, key, hash, ts_us - 100, ts_us + 100, touch, &sum, &err));
    ls_window_entry entry = {.key = key, .ts_us = ts_us, .stamp = {(int64_t)i, 0}, .value = {value, value_len}};
    check(ls__window_put(window, &entry, hash, &err));
    check(ls__window_expire(window, (int64_t)i - (int64_t)live, touch, &sum, &err));
    if (i == live) bytes = ls__store_set_bytes(set);
  }
  report("fetch, put, expire", n, at);
  printf("  %-46s %8.1f bytes per row\n", "memory", (double)bytes / (double)live);
  if (sum == 1) printf("?");
  ls__store_set_free(set);
  ls__free(keys);
}

static void bench_rocksdb(size_t n, size_t value_len, const char *directory, size_t budget) {
  printf("RocksDB, %zu keys, values of %zu bytes, budget %zu MB, commit every 50000 rows\n", n, value_len,
         budget >> 20);
  bench_key *keys = make_keys(n, "txn"), *others = make_keys(n, "not"), *newest, *oldest;
  ls_store_db *db;
  ls_store_set *set;
  ls_table *table;
  check(ls__store_db_open(&db, directory, &(ls_store_db_opts){(size_t)128 << 20, (size_t)64 << 20, false}, &err));
  check(ls__store_set_new(&set, db, "bench", budget, &err));
  char name[32];
  snprintf(name, sizeof name, "rows-%zu-%zu", value_len, budget >> 20);
  check(ls__table_open(&table, set, name, LS_STORE_ROCKSDB, 1, false, &err));
  int64_t at = ls__monotonic_us();
  for (size_t start = 0; start < n; start += 50000) {
    run(table, keys + start, n - start < 50000 ? n - start : 50000, value_len, GET_PUT, true);
    check(ls__store_set_commit(set, (ls_slice){"p", 1}, &err));
  }
  report_wall("get (absent), put (new), commit", n, at);
  size_t n_random = n / 4;
  newest = shuffle_keys(keys + n - n_random, n_random);
  oldest = shuffle_keys(keys, n_random);
  at = ls__monotonic_us();
  run(table, newest, n_random, value_len, GET, true);
  report_wall("get, random among the newest quarter", n_random, at);
  at = ls__monotonic_us();
  run(table, oldest, n_random, value_len, GET, true);
  report_wall("get, random among the oldest quarter", n_random, at);
  at = ls__monotonic_us();
  run(table, others, n_random, value_len, GET, true);
  report_wall("get, absent", n_random, at);
  uint64_t sum = 0;
  at = ls__monotonic_us();
  check(ls__table_scan(table, true, count_one, &sum, &err));
  report_wall("scan in key order", n, at);
  printf("  %-46s %8.1f MB\n", "memory of the set", (double)ls__store_set_bytes(set) / 1e6);
  ls__store_set_free(set);
  ls__store_db_close(db);
  ls__free(newest);
  ls__free(oldest);
  ls__free(keys);
  ls__free(others);
}

int main(int argc, char **argv) {
  size_t n = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 1000000;
  bench_memory(n, 24);
  bench_memory(n, 200);
  bench_as_of(n);
  bench_window(n, n / 4, n, 0, 60);
  bench_window(n, n / 4, n, 5000, 60);
  bench_window(n, n / 4, 1000, 5000, 60);
  if (argc > 2) {
    bench_rocksdb(n, 200, argv[2], (size_t)512 << 20);
    bench_rocksdb(n, 200, argv[2], (size_t)64 << 20);
  }
  return 0;
}
