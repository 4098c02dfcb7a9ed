/**
 * @file test_store_crash.c
 * A child that commits without end is killed, at the fault point and at random moments. What is opened
 * then must be one commit exactly: the values of both kinds of stores and the position together.
 * What commit number c holds follows from c alone, so the parent needs no memory of the child. The child is
 * this program started anew: RocksDB's background threads do not survive a fork.
 */
#include <signal.h>
#include <sys/wait.h>

#include "helper_store.h"

#define N_KEYS 150
#define N_WRITES 40      /* per commit */
#define N_WINDOW_ROWS 10 /* per commit */
#define WINDOW_US 95     /* ten rows a commit: about as many commits stay */

/* Also for the child, which is no Check test. */
static void must(int rc, const ls_error *err) {
  if (rc >= 0) return;
  fprintf(stderr, "%d: %s\n", rc, err->message);
  abort();
}

typedef struct stores {
  ls_store_db *db;
  ls_store_set *set;
  ls_kv *kv;
  ls_table *table;
  ls_window *window;
} stores;

static void stores_open(stores *s, const char *directory) {
  ls_error err = LS_ERROR_INIT;
  must(ls__store_db_open(&s->db, directory, &(ls_store_db_opts){(size_t)1 << 20, (size_t)1 << 18, false}, &err), &err);
  must(ls__store_set_new(&s->set, s->db, "task-1", (size_t)200 << 10, &err), &err);
  must(ls__kv_open(&s->kv, s->set, "seen", LS_STORE_ROCKSDB, 1, &err), &err);
  must(ls__table_open(&s->table, s->set, "customers", LS_STORE_ROCKSDB, 2, false, &err), &err);
  must(ls__window_open(&s->window, s->set, "payments", LS_STORE_ROCKSDB, 3, &err), &err);
}

static void stores_close(stores *s) {
  ls__store_set_free(s->set);
  ls__store_db_close(s->db);
}

static uint64_t position_of(stores *s) {
  ls_error err = LS_ERROR_INIT;
  ls_slice position;
  uint64_t commit = 0;
  must(ls__store_set_position(&position, s->set, &err), &err);
  if (position.len == 0) return 0;
  must(position.len == sizeof commit ? LS_OK : LS_EINTERNAL, &err);
  memcpy(&commit, position.ptr, sizeof commit);
  return commit;
}

/* The commit that last wrote each key, negative when it deleted it. */
static void model_of(int64_t last[N_KEYS], uint64_t commit) {
  memset(last, 0, N_KEYS * sizeof *last);
  for (uint64_t c = 1; c <= commit; c++) {
    test_rng rng = {0, c};
    for (int i = 0; i < N_WRITES; i++) {
      uint64_t key = rng_below(&rng, N_KEYS);
      last[key] = rng_below(&rng, 4) == 0 ? -(int64_t)c : (int64_t)c;
    }
  }
}

static ls_slice value_of(char buffer[400], uint64_t key, uint64_t commit) {
  test_rng rng = {0, key << 32 | commit};
  size_t len = 8 + rng_below(&rng, 390);
  for (size_t i = 0; i < len; i++) buffer[i] = (char)rng_next(&rng);
  return (ls_slice){buffer, len};
}

static void write_commit(stores *s, uint64_t commit) {
  ls_error err = LS_ERROR_INIT;
  test_rng rng = {0, commit};
  char value[400];
  for (int i = 0; i < N_WRITES; i++) {
    uint64_t number = rng_below(&rng, N_KEYS);
    bool deletes = rng_below(&rng, 4) == 0;
    ls_slice key = {(const char *)&number, sizeof number};
    uint64_t hash = ls__hash64(key);
    ls_stamp stamp = {(int64_t)commit, (uint64_t)i};
    if (deletes) {
      must(ls__kv_delete(s->kv, key, hash, &err), &err);
      must(ls__table_delete(s->table, key, hash, stamp, &err), &err);
    } else {
      must(ls__kv_put(s->kv, key, hash, value_of(value, number, commit), &err), &err);
      must(ls__table_put(s->table, key, hash, value_of(value, number, commit + 1), stamp, &err), &err);
    }
  }
  for (uint64_t i = 0; i < N_WINDOW_ROWS; i++) {
    ls_window_entry entry = {.key = {(const char *)&i, sizeof i}, .ts_us = (int64_t)(commit * 10 + i), .stamp = {(int64_t)commit, i},
                             .flags = (uint32_t)i, .value = value_of(value, i, commit)};
    must(ls__window_put(s->window, &entry, ls__hash64(entry.key), &err), &err);
  }
  must(ls__window_expire(s->window, (int64_t)commit * 10 - WINDOW_US, NULL, NULL, &err), &err);
}

typedef struct window_check {
  uint64_t i, commit, n;
} window_check;

static int check_window_row(void *payload, const ls_window_entry *entry, ls_error *err) {
  (void)err;
  window_check *check = payload;
  char value[400];
  uint64_t commit = (uint64_t)entry->stamp.ts_us;
  ck_assert_int_eq(entry->ts_us, (int64_t)(commit * 10 + check->i));
  ck_assert_int_ge(entry->ts_us, (int64_t)check->commit * 10 - WINDOW_US);
  ck_assert_uint_le(commit, check->commit);
  ck_assert_uint_eq(entry->flags, check->i);
  ck_assert(ls__slice_eq(entry->value, value_of(value, check->i, commit)));
  check->n++;
  return 0;
}

static void check_state(stores *s, uint64_t commit) {
  ls_error err = LS_ERROR_INIT;
  int64_t last[N_KEYS];
  char value[400];
  model_of(last, commit);
  uint64_t n = 0;
  for (uint64_t number = 0; number < N_KEYS; number++) {
    ls_slice key = {(const char *)&number, sizeof number}, found;
    uint64_t hash = ls__hash64(key);
    n += last[number] > 0;
    ck_assert_int_eq(ls__kv_get(&found, s->kv, key, hash, &err), last[number] > 0);
    if (last[number] > 0) ck_assert(ls__slice_eq(found, value_of(value, number, (uint64_t)last[number])));
    ck_assert_int_eq(ls__table_get(&found, s->table, key, hash, &err), last[number] > 0);
    if (last[number] > 0) ck_assert(ls__slice_eq(found, value_of(value, number, (uint64_t)last[number] + 1)));
  }
  ck_assert_uint_eq(ls__kv_count(s->kv), n);
  ck_assert_uint_eq(ls__table_count(s->table), n);
  uint64_t n_rows = 0;
  for (uint64_t i = 0; i < N_WINDOW_ROWS; i++) {
    ls_slice key = {(const char *)&i, sizeof i};
    window_check check = {i, commit, 0};
    ck_ok(ls__window_fetch(s->window, key, ls__hash64(key), INT64_MIN, INT64_MAX, check_window_row, &check, &err));
    for (uint64_t c = 1; c <= commit; c++) n_rows += (int64_t)(c * 10 + i) >= (int64_t)commit * 10 - WINDOW_US;
    if (i + 1 == N_WINDOW_ROWS) ck_assert_uint_eq(ls__window_count(s->window), n_rows);
  }
}

/* Commits from where the store is; tells the number of each commit it has made. Ends only by being killed. */
_Noreturn static void child(const char *directory, int out, uint64_t seed) {
  ls_error err = LS_ERROR_INIT;
  stores s;
  stores_open(&s, directory);
  test_rng rng = {0, seed};
  for (uint64_t commit = position_of(&s) + 1;; commit++) {
    if (rng_below(&rng, 4) == 0) { /* other writes, taken back */
      write_commit(&s, commit + 1000000);
      must(ls__store_set_abort(s.set, &err), &err);
    }
    write_commit(&s, commit);
    if (ls__store_set_commit(s.set, (ls_slice){(const char *)&commit, sizeof commit}, &err) < 0) abort();
    if (write(out, &commit, sizeof commit) != (ssize_t)sizeof commit) abort();
  }
}

static pid_t start_child(const char *directory, const char *fault, uint64_t seed, int *in) {
  int ends[2];
  char out_text[16], seed_text[32];
  ck_assert_int_eq(pipe(ends), 0);
  snprintf(out_text, sizeof out_text, "%d", ends[1]);
  snprintf(seed_text, sizeof seed_text, "%llu", (unsigned long long)seed);
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    close(ends[0]);
    if (fault != NULL) setenv("LS_FAULT", fault, 1);
    execl("/proc/self/exe", "child", directory, out_text, seed_text, (char *)NULL);
    _exit(3);
  }
  close(ends[1]);
  *in = ends[0];
  return pid;
}

/* Without a fault point the child is killed some time after it has told of kill_after commits. */
static uint64_t run_child(const char *directory, const char *fault, test_rng *rng, uint64_t kill_after, uint64_t *told) {
  int in = -1;
  pid_t pid = start_child(directory, fault, rng_next(rng), &in);
  uint64_t commit, n = 0;
  *told = 0;
  if (fault == NULL && kill_after == 0) {
    usleep((useconds_t)rng_below(rng, 50000)); /* perhaps while it opens */
    kill(pid, SIGKILL);
  }
  while (read(in, &commit, sizeof commit) == (ssize_t)sizeof commit) {
    *told = commit;
    if (fault != NULL || ++n != kill_after) continue;
    usleep((useconds_t)rng_below(rng, 5000));
    kill(pid, SIGKILL);
  }
  close(in);
  int status = 0;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended by itself: status %d", status);
  stores s;
  stores_open(&s, directory);
  uint64_t position = position_of(&s);
  check_state(&s, position);
  stores_close(&s);
  return position;
}

START_TEST(a_kill_behind_the_write_keeps_that_commit) {
  test_rng rng = rng_new();
  char directory[4096], fault[64];
  test_directory(directory, sizeof directory, "fault");
  uint64_t before = 0, told;
  for (int round = 0; round < 8; round++) {
    uint64_t n = 1 + rng_below(&rng, 15);
    snprintf(fault, sizeof fault, "store.commit:%d", (int)n);
    uint64_t position = run_child(directory, fault, &rng, 0, &told);
    ck_assert_uint_eq(position, before + n); /* the n-th is written, the child did not live to tell */
    if (n > 1) ck_assert_uint_eq(told, position - 1);
    before = position;
  }
  test_directory_remove(directory);
}
END_TEST

START_TEST(a_kill_at_any_moment_leaves_one_commit) {
  test_rng rng = rng_new();
  char directory[4096];
  test_directory(directory, sizeof directory, "kill");
  uint64_t before = 0, told;
  for (int round = 0; round < 25; round++) {
    uint64_t position = run_child(directory, NULL, &rng, rng_below(&rng, 60), &told);
    if (told == 0) told = before;
    ck_assert_msg(position == told || position == told + 1, "told %llu, found %llu", (unsigned long long)told,
                  (unsigned long long)position);
    before = position;
  }
  ck_assert_uint_gt(before, 200); /* it did commit */
  test_directory_remove(directory);
}
END_TEST

int main(int argc, char **argv) {
  if (argc == 4) child(argv[1], (int)strtol(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
  const test_case cases[] = {
      TEST_CASE(a_kill_behind_the_write_keeps_that_commit),
      TEST_CASE(a_kill_at_any_moment_leaves_one_commit),
  };
  return RUN_TESTS("store.crash", cases);
}
