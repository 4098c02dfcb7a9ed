/**
 * @file test_store_crash.c
 * A child that commits without end is killed, at the fault point and at random moments. What is opened
 * then must be one commit exactly: the values of both kinds of stores and the position together.
 * What commit number c holds follows from c alone, so the parent needs no memory of the child. The child is
 * this program started anew: RocksDB's background threads do not survive a fork.
 * With a changelog (a file here) a child may also be killed between changelog and commit, and while it restores;
 * whoever opens the state restores from its position on, and has all that the changelog has.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "helper_store.h"

#define N_KEYS        150
#define N_WRITES      40 /* per commit */
#define N_WINDOW_ROWS 10 /* per commit */
#define WINDOW_US     95 /* ten rows a commit: about as many commits stay */

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

static void stores_open(stores *s, const char *directory, bool logged) {
  ls_error err = LS_ERROR_INIT;
  must(ls__store_db_open(&s->db, directory, &(ls_store_db_opts){(size_t)1 << 20, (size_t)1 << 18, false}, &err), &err);
  must((logged ? ls__store_set_new_logged : ls__store_set_new)(&s->set, s->db, "task-1", (size_t)200 << 10, &err),
       &err);
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
    ls_window_entry entry = {.key = {(const char *)&i, sizeof i},
                             .ts_us = (int64_t)(commit * 10 + i),
                             .stamp = {(int64_t)commit, i},
                             .flags = (uint32_t)i,
                             .value = value_of(value, i, commit)};
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
  stores_open(&s, directory, false);
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

/* ---- with a changelog: a file of transactions ---- */

typedef struct place {
  uint64_t commit; /* transactions before it */
  uint64_t offset; /* in the file */
} place;

typedef struct record_head {
  uint32_t store, key_len, value_len; /* UINT32_MAX: deleted */
} record_head;

static int append_record(void *payload, uint32_t store, ls_slice key, ls_slice value, ls_error *err) {
  (void)err;
  record_head head = {store, (uint32_t)key.len, value.ptr == NULL ? UINT32_MAX : (uint32_t)value.len};
  ls__buf_append(payload, &head, sizeof head);
  ls__buf_append(payload, key.ptr, key.len);
  ls__buf_append(payload, value.ptr, value.len);
  return 0;
}

/* Reads the whole file; a transaction of which a kill left a part does not count. Where the next one goes. */
static place read_log(const char *path, ls_buf *out) {
  place end = {0, 0};
  uint64_t len;
  char block[65536];
  int fd = open(path, O_RDONLY);
  for (ssize_t n; fd >= 0 && (n = read(fd, block, sizeof block)) > 0;) ls__buf_append(out, block, (size_t)n);
  if (fd >= 0) close(fd);
  while (out->len - end.offset >= sizeof len) {
    memcpy(&len, out->ptr + end.offset, sizeof len);
    if (out->len - end.offset - sizeof len < len) break;
    end.offset += sizeof len + len;
    end.commit++;
  }
  out->len = end.offset;
  return end;
}

static place place_of(stores *s) {
  ls_error err = LS_ERROR_INIT;
  ls_slice position;
  place at = {0, 0};
  must(ls__store_set_position(&position, s->set, &err), &err);
  if (position.len > 0) must(position.len == sizeof at ? LS_OK : LS_EINTERNAL, &err);
  if (position.len > 0) memcpy(&at, position.ptr, sizeof at);
  return at;
}

/* All that is behind the position. With a generator also positions on the way, told of as commits are. */
static void restore(stores *s, ls_slice log, test_rng *rng) {
  ls_error err = LS_ERROR_INIT;
  place at = place_of(s);
  uint64_t len;
  while (at.offset < log.len) {
    memcpy(&len, log.ptr + at.offset, sizeof len);
    uint64_t end = at.offset + sizeof len + len;
    for (at.offset += sizeof len; at.offset < end;) {
      record_head head;
      memcpy(&head, log.ptr + at.offset, sizeof head);
      ls_slice key = {log.ptr + at.offset + sizeof head, head.key_len}, value = {NULL, 0};
      if (head.value_len != UINT32_MAX) value = (ls_slice){key.ptr + key.len, head.value_len};
      must(ls__store_set_restore(s->set, head.store, key, value, &err), &err);
      at.offset += sizeof head + key.len + value.len;
    }
    at.commit++;
    if (rng != NULL && rng_below(rng, 8) != 0) continue;
    must(ls__store_set_restored(s->set, (ls_slice){(const char *)&at, sizeof at}, &err), &err);
  }
  must(ls__store_set_restored(s->set, (ls_slice){(const char *)&at, sizeof at}, &err), &err);
}

/* Restores, now and then everything, then commits without end, to the changelog first. */
_Noreturn static void logged_child(const char *directory, int out, uint64_t seed, bool dies) {
  ls_error err = LS_ERROR_INIT;
  stores s;
  char path[4200];
  ls_buf log = LS_BUF_INIT;
  test_rng rng = {0, seed};
  snprintf(path, sizeof path, "%s.log", directory);
  place at = read_log(path, &log);
  stores_open(&s, directory, true);
  if (rng_below(&rng, 3) == 0) must(ls__store_set_wipe(s.set, &err), &err);
  if (write(out, &at.commit, sizeof at.commit) != (ssize_t)sizeof at.commit) abort();
  restore(&s, ls__buf_slice(&log), &rng);
  int fd = open(path, O_WRONLY | O_CREAT, 0666);
  if (fd < 0 || ftruncate(fd, (off_t)at.offset) != 0) abort();
  uint64_t dies_at = dies ? at.commit + 1 + rng_below(&rng, 20) : 0;
  for (;;) {
    write_commit(&s, at.commit + 1);
    uint64_t len = 0;
    ls__buf_clear(&log);
    ls__buf_append(&log, &len, sizeof len);
    must(ls__store_set_changes(s.set, append_record, &log, &err), &err);
    len = log.len - sizeof len;
    memcpy(log.ptr, &len, sizeof len);
    if (pwrite(fd, log.ptr, log.len, (off_t)at.offset) != (ssize_t)log.len) abort();
    at.offset += log.len;
    at.commit++;
    if (write(out, &at.commit, sizeof at.commit) != (ssize_t)sizeof at.commit) abort();
    if (at.commit == dies_at) raise(SIGKILL); /* the transaction is there, the store does not know */
    must(ls__store_set_commit(s.set, (ls_slice){(const char *)&at, sizeof at}, &err), &err);
  }
}

static pid_t start_child(const char *mode, const char *directory, const char *fault, uint64_t seed, int *in) {
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
    execl("/proc/self/exe", mode, directory, out_text, seed_text, (char *)NULL);
    _exit(3);
  }
  close(ends[1]);
  *in = ends[0];
  return pid;
}

/* Without a fault point the child is killed some time after it has told of kill_after commits. */
static void child_lives(const char *mode, const char *directory, const char *fault, test_rng *rng, uint64_t kill_after,
                        uint64_t *told) {
  int in = -1;
  pid_t pid = start_child(mode, directory, fault, rng_next(rng), &in);
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
}

static uint64_t run_child(const char *directory, const char *fault, test_rng *rng, uint64_t kill_after,
                          uint64_t *told) {
  child_lives("child", directory, fault, rng, kill_after, told);
  stores s;
  stores_open(&s, directory, false);
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

/* Told of every transaction: the changelog has it, and perhaps one more. */
START_TEST(a_kill_at_any_moment_loses_nothing_of_the_changelog) {
  test_rng rng = rng_new();
  char directory[4096], path[4200];
  test_directory(directory, sizeof directory, "log");
  snprintf(path, sizeof path, "%s.log", directory);
  uint64_t told, n_behind = 0;
  place end = {0, 0};
  for (int round = 0; round < 20 / LS_TEST_SHARE; round++) {
    if (round % 3 == 0)
      child_lives("dies", directory, NULL, &rng, UINT64_MAX, &told);
    else
      child_lives("logged", directory, round % 7 == 1 ? "store.commit:3" : NULL, &rng, rng_below(&rng, 40), &told);
    if (told == 0) told = end.commit;
    ls_buf log = LS_BUF_INIT;
    end = read_log(path, &log);
    ck_assert_msg(end.commit == told || end.commit == told + 1, "told %llu, found %llu", (unsigned long long)told,
                  (unsigned long long)end.commit);
    stores s;
    stores_open(&s, directory, true);
    place at = place_of(&s);
    ck_assert_uint_le(at.commit, end.commit); /* the state is never ahead of its changelog */
    n_behind += at.commit < end.commit;
    restore(&s, ls__buf_slice(&log), NULL);
    ck_assert_uint_eq(place_of(&s).commit, end.commit);
    check_state(&s, end.commit);
    stores_close(&s);
    ls__buf_fini(&log);
  }
  ck_assert_uint_ge(n_behind, 20 / LS_TEST_SHARE / 3);
  ck_assert_int_eq(unlink(path), 0);
  test_directory_remove(directory);
}
END_TEST

int main(int argc, char **argv) {
  if (argc == 4) {
    int out = (int)strtol(argv[2], NULL, 10);
    uint64_t seed = strtoull(argv[3], NULL, 10);
    if (strcmp(argv[0], "child") == 0) child(argv[1], out, seed);
    logged_child(argv[1], out, seed, strcmp(argv[0], "dies") == 0);
  }
  const test_case cases[] = {
      TEST_CASE(a_kill_behind_the_write_keeps_that_commit),
      TEST_CASE(a_kill_at_any_moment_leaves_one_commit),
      TEST_CASE(a_kill_at_any_moment_loses_nothing_of_the_changelog),
  };
  return RUN_TESTS("store.crash", cases);
}
