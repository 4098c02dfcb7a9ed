/**
 * @file bench_changelog.c
 * What changelogs cost the state stores, and how fast state is restored from them; on one core. Not a test: prints figures.
 * Usage: bench_changelog <keys> <directory for RocksDB, empty or not there> [kv | window | restore, default all]
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

#define KEY_BYTES   22
#define VALUE_BYTES 200
#define COMMIT_ROWS 5000 /* 50,000 rows a second, a commit each 100 ms */

typedef int (*new_set_fn)(ls_store_set **out, ls_store_db *db, const char *task_name, size_t budget_bytes,
                          ls_error *err);

typedef struct bench {
  size_t n;
  ls_store_db *db;
  char (*keys)[KEY_BYTES + 2];
  size_t *shuffled; /* numbers of keys in another order */
} bench;

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

static int64_t cpu_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

typedef struct stopwatch {
  int64_t cpu_us, wall_us;
} stopwatch;

static stopwatch start(void) {
  return (stopwatch){cpu_us(), ls__monotonic_us()};
}

static void report(const char *what, size_t n, stopwatch since) {
  double cpu_ns = (double)(cpu_us() - since.cpu_us) * 1000 / (double)n,
         wall_ns = (double)(ls__monotonic_us() - since.wall_us) * 1000 / (double)n;
  printf("  %-44s %7.0f ns CPU %7.0f ns wall %11.0f rows/s\n", what, cpu_ns, wall_ns, 1e9 / wall_ns);
}

static ls_slice key_at(const bench *b, size_t i) {
  return (ls_slice){b->keys[i], KEY_BYTES};
}

static int count_bytes(void *payload, uint32_t store, ls_slice key, ls_slice value, ls_error *error) {
  (void)store, (void)error;
  *(size_t *)payload += key.len + value.len;
  return 0;
}

static void commit(ls_store_set *set, bool logged, size_t *n_bytes) {
  if (logged) check(ls__store_set_changes(set, count_bytes, n_bytes, &err));
  check(ls__store_set_commit(set, (ls_slice){"p", 1}, &err));
}

/* get and put of each key, twice: new, and over another value. */
static void bench_kv(const bench *b, ls_store_backend backend, bool logged, const char *task_name) {
  ls_store_set *set;
  ls_kv *kv;
  char value[VALUE_BYTES] = {0};
  size_t n_bytes = 0;
  new_set_fn new_set = logged ? ls__store_set_new_logged : ls__store_set_new;
  check(new_set(&set, backend == LS_STORE_ROCKSDB ? b->db : NULL, task_name, (size_t)1 << 30, &err));
  check(ls__kv_open(&kv, set, "rows", backend, 1, &err));
  for (int round = 0; round < 2; round++) {
    stopwatch since = start();
    for (size_t i = 0; i < b->n; i++) {
      ls_slice key = key_at(b, round == 0 ? i : b->shuffled[i]), found;
      uint64_t hash = ls__hash64(key);
      check(ls__kv_get(&found, kv, key, hash, &err));
      memcpy(value, &(size_t){i + (size_t)round}, sizeof i);
      check(ls__kv_put(kv, key, hash, (ls_slice){value, sizeof value}, &err));
      if (i % COMMIT_ROWS == COMMIT_ROWS - 1) commit(set, logged, &n_bytes);
    }
    char what[80];
    snprintf(what, sizeof what, "%s%s: get, put (%s), commit", backend == LS_STORE_ROCKSDB ? "RocksDB" : "memory",
             logged ? ", changelog" : "", round == 0 ? "new" : "over");
    report(what, b->n, since);
  }
  printf("  %-44s %7.1f MB\n", "", (double)ls__store_set_bytes(set) / 1e6);
  ls__store_set_free(set);
}

static void bench_window(const bench *b, ls_store_backend backend, bool logged, const char *task_name) {
  ls_store_set *set;
  ls_window *window;
  char value[VALUE_BYTES] = {0};
  size_t n_bytes = 0;
  new_set_fn new_set = logged ? ls__store_set_new_logged : ls__store_set_new;
  check(new_set(&set, backend == LS_STORE_ROCKSDB ? b->db : NULL, task_name, (size_t)1 << 30, &err));
  check(ls__window_open(&window, set, "buffer", backend, 1, &err));
  stopwatch since = start();
  for (size_t i = 0; i < b->n; i++) {
    ls_window_entry entry = {.key = key_at(b, b->shuffled[i]), .ts_us = (int64_t)i, .value = {value, sizeof value}};
    check(ls__window_put(window, &entry, ls__hash64(entry.key), &err));
    check(ls__window_expire(window, (int64_t)i - (int64_t)b->n / 4, NULL, NULL, &err));
    if (i % COMMIT_ROWS == COMMIT_ROWS - 1) commit(set, logged, &n_bytes);
  }
  char what[80];
  snprintf(what, sizeof what, "window, %s%s: put, expire, commit", backend == LS_STORE_ROCKSDB ? "RocksDB" : "memory",
           logged ? ", changelog" : "");
  report(what, b->n, since);
  ls__store_set_free(set);
}

static void bench_restore(const bench *b, ls_store_backend backend, size_t budget, const char *task_name) {
  ls_store_set *set;
  ls_kv *kv;
  char value[VALUE_BYTES] = {0}, what[80];
  check(ls__store_set_new_logged(&set, b->db, task_name, budget, &err));
  check(ls__kv_open(&kv, set, "restored", backend, 1, &err));
  for (int round = 0; round < 2; round++) {
    stopwatch since = start();
    for (size_t i = 0; i < b->n; i++) {
      memcpy(value, &(size_t){i + (size_t)round}, sizeof i);
      check(ls__store_set_restore(set, 0, key_at(b, b->shuffled[i]), (ls_slice){value, sizeof value}, &err));
    }
    check(ls__store_set_restored(set, (ls_slice){"p", 1}, &err));
    snprintf(what, sizeof what, "%s, %zu MiB: restore (%s)", backend == LS_STORE_ROCKSDB ? "RocksDB" : "memory",
             budget >> 20, round == 0 ? "empty before" : "over older state");
    report(what, b->n, since);
  }
  stopwatch since = start();
  ls__store_set_free(set);
  check(ls__store_set_new_logged(&set, b->db, task_name, budget, &err));
  check(ls__kv_open(&kv, set, "restored", backend, 1, &err));
  report("opened again", 1, since);
  ls_slice found;
  since = start();
  for (size_t i = 0; i < b->n / 8; i++) check(ls__kv_get(&found, kv, key_at(b, i), ls__hash64(key_at(b, i)), &err));
  if (backend == LS_STORE_ROCKSDB) report("first gets after it", b->n / 8, since);
  since = start();
  check(ls__store_set_wipe(set, &err));
  report("wiped", 1, since);
  ls__store_set_free(set);
}

static uint64_t sortable(uint64_t n) {
  return __builtin_bswap64(n ^ UINT64_C(1) << 63);
}

static void bench_window_restore(const bench *b, ls_store_backend backend, const char *task_name) {
  ls_store_set *set;
  ls_window *window;
  char key[KEY_BYTES + 24], value[4 + VALUE_BYTES] = {0}, what[80];
  check(ls__store_set_new_logged(&set, b->db, task_name, (size_t)1 << 30, &err));
  check(ls__window_open(&window, set, "window", backend, 1, &err));
  for (int round = 0; round < 2; round++) {
    stopwatch since = start();
    for (size_t i = 0; i < b->n; i++) {
      uint64_t tail[3] = {sortable(i), sortable(0), 0};
      memcpy(key, b->keys[b->shuffled[i]], KEY_BYTES);
      memcpy(key + KEY_BYTES, tail, sizeof tail);
      ls_slice gone = {NULL, 0}, row = {value, sizeof value};
      check(ls__store_set_restore(set, 0, (ls_slice){key, sizeof key}, round == 0 ? row : gone, &err));
    }
    check(ls__store_set_restored(set, (ls_slice){"p", 1}, &err));
    snprintf(what, sizeof what, "window, %s: restore (%s)", backend == LS_STORE_ROCKSDB ? "RocksDB" : "memory",
             round == 0 ? "rows" : "deletions");
    report(what, b->n, since);
    if (round != 0 || backend != LS_STORE_ROCKSDB) continue;
    ls__store_set_free(set);
    since = start();
    check(ls__store_set_new_logged(&set, b->db, task_name, (size_t)1 << 30, &err));
    check(ls__window_open(&window, set, "window", backend, 1, &err));
    report("opened again", b->n, since);
  }
  ls__store_set_free(set);
}

static bool is_wanted(const char *part, const char *name) {
  return part[0] == '\0' || strcmp(part, name) == 0;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: bench_changelog <keys> <directory> [kv | window | restore]\n");
    return 2;
  }
  bench b = {.n = (size_t)strtoull(argv[1], NULL, 10)};
  const char *part = argc > 3 ? argv[3] : "";
  check(ls__store_db_open(&b.db, argv[2], &(ls_store_db_opts){(size_t)128 << 20, (size_t)64 << 20, false}, &err));
  b.keys = ls__alloc(b.n * sizeof *b.keys);
  b.shuffled = ls__alloc(b.n * sizeof *b.shuffled);
  for (size_t i = 0; i < b.n; i++) {
    snprintf(b.keys[i], sizeof b.keys[i], "txn-%018" PRIu64, mix(i + 1) % UINT64_C(1000000000000000000));
    b.shuffled[i] = i;
  }
  for (size_t i = b.n; i > 1; i--) {
    size_t k = (size_t)(mix(i + 77) % i), swap = b.shuffled[i - 1];
    b.shuffled[i - 1] = b.shuffled[k];
    b.shuffled[k] = swap;
  }
  printf("%zu keys of %d bytes, values of %d bytes, a commit every %d rows\n", b.n, KEY_BYTES, VALUE_BYTES,
         COMMIT_ROWS);
  for (int logged = 0; logged < 2 && is_wanted(part, "kv"); logged++) {
    bench_kv(&b, LS_STORE_MEMORY, logged != 0, "0_0");
    bench_kv(&b, LS_STORE_ROCKSDB, logged != 0, logged != 0 ? "0_1" : "0_2");
  }
  for (int logged = 0; logged < 2 && is_wanted(part, "window"); logged++) {
    bench_window(&b, LS_STORE_MEMORY, logged != 0, "1_0");
    bench_window(&b, LS_STORE_ROCKSDB, logged != 0, logged != 0 ? "1_1" : "1_2");
  }
  if (is_wanted(part, "restore")) {
    bench_restore(&b, LS_STORE_MEMORY, (size_t)1 << 30, "2_0");
    bench_restore(&b, LS_STORE_ROCKSDB, (size_t)1 << 30, "2_1");
    bench_restore(&b, LS_STORE_ROCKSDB, (size_t)64 << 20, "2_2");
    bench_window_restore(&b, LS_STORE_MEMORY, "3_0");
    bench_window_restore(&b, LS_STORE_ROCKSDB, "3_1");
  }
  ls__store_db_close(b.db);
  ls__free(b.keys);
  ls__free(b.shuffled);
  return 0;
}
