/**
 * @file test_lake_stage.c  Staging and publishing: nothing half done is ever seen, and dead
 * runs leave nothing.
 */
#include "helper_lake.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the stages of this lake lie: below the root, on S3 below the work directory. */
static void staging_path(char *out, size_t size, const test_lake *t, const char *name) {
  snprintf(out, size, "%s/_staging%s", ls__lake_is_local(t->lake) ? t->root : t->work, name);
}

static bool staging_has(const test_lake *t, const char *name) {
  char path[1024];
  struct stat info;
  staging_path(path, sizeof path, t, name);
  return stat(path, &info) == 0;
}

START_TEST(staged_files_are_invisible_until_published) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  ls_lake_stage *stage = NULL;
  bool is_there = true;
  test_lake_open(&t);
  ck_ok(ls__lake_stage_new(&stage, t.lake, "run-1", t.work, &err));
  ck_ok(ls__lake_stage_bytes(stage, "out/day=1/a.json", ls__slice_of("new"), &err));
  ck_ok(ls__lake_exists(&is_there, t.lake, "out/day=1/a.json", &err));
  ck_assert(!is_there);
  ck_assert_str_eq(test_list(&t, "*/*/*/*", NULL, NULL), "");
  ck_assert_str_eq(test_list(&t, "*/*/*", NULL, NULL), "");
  ck_ok(ls__lake_stage_publish(stage, "out/day=1/a.json", &err));
  ck_assert_str_eq(test_list(&t, "*/*/*", NULL, NULL), "out/day=1/a.json");
  ck_ok(ls__lake_stage_publish(stage, "out/day=1/a.json", &err)); /* again: harmless */
  ls__lake_stage_free(stage);
  ck_assert(!staging_has(&t, ""));
  ls_buf bytes = test_get(&t, "out/day=1/a.json", 100);
  ck_assert(ls__slice_is(ls__buf_slice(&bytes), "new"));
  ls__buf_fini(&bytes);
  test_lake_close(&t);
}
END_TEST

START_TEST(publishing_replaces_and_may_be_repeated_with_new_bytes) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  ls_lake_stage *stage = NULL;
  test_lake_open(&t);
  test_put(&t, "a.txt", "old and longer", 14);
  ck_ok(ls__lake_stage_new(&stage, t.lake, "run-1", t.work, &err));
  ck_fails(ls__lake_stage_publish(stage, "a.txt", &err), LS_EINVAL, "not staged");
  ck_ok(ls__lake_stage_bytes(stage, "a.txt", ls__slice_of("new"), &err));
  ck_ok(ls__lake_stage_publish(stage, "a.txt", &err));
  ck_ok(ls__lake_stage_bytes(stage, "a.txt", ls__slice_of("newer"), &err));
  ck_ok(ls__lake_stage_publish(stage, "a.txt", &err));
  ls__lake_stage_free(stage);
  ls_buf bytes = test_get(&t, "a.txt", 100);
  ck_assert(ls__slice_is(ls__buf_slice(&bytes), "newer"));
  ls__buf_fini(&bytes);
  test_lake_close(&t);
}
END_TEST

START_TEST(large_and_empty_files_are_published_whole) {
  test_lake t;
  test_lake_open(&t);
  size_t len = (size_t)23 << 20; /* several parts on S3, several blocks when read */
  char *bytes = ls__alloc(len);
  for (size_t i = 0; i < len; i++) bytes[i] = (char)((i * 2654435761u) >> 13);
  test_put(&t, "big.bin", bytes, len);
  ls_buf back = test_get(&t, "big.bin", 777777);
  ck_assert_uint_eq(back.len, len);
  ck_assert_int_eq(memcmp(back.ptr, bytes, len), 0);
  ls__buf_fini(&back);
  ls__free(bytes);
  test_put(&t, "_SUCCESS", "", 0);
  back = test_get(&t, "_SUCCESS", 10);
  ck_assert_uint_eq(back.len, 0);
  ls__buf_fini(&back);
  test_lake_close(&t);
}
END_TEST

START_TEST(bad_names_are_refused) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  ls_lake_stage *stage = NULL;
  test_lake_open(&t);
  static const char *const bad[] = {"", "a/b", ".", "..", "x.lock"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    ck_fails(ls__lake_stage_new(&stage, t.lake, bad[i], t.work, &err), LS_EINVAL, "run id");
  }
  ck_ok(ls__lake_stage_new(&stage, t.lake, "run", t.work, &err));
  ck_fails(ls__lake_stage_bytes(stage, "../x", ls__slice_of("x"), &err), LS_EINVAL, "relative path");
  ls__lake_stage_free(stage);
  test_lake_close(&t);
}
END_TEST

/* The child opens its own lake: an S3 client does not survive a fork, and the parent has none
 * yet. */
static pid_t start_child(const test_lake *t, const char *run, const char *fault, int ready_fd) {
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid > 0) return pid;
  ls_error err = LS_ERROR_INIT;
  ls_lake *lake = NULL;
  ls_lake_stage *stage = NULL;
  if (fault) setenv("LS_FAULT", fault, 1);
  if (ls__lake_open(&lake, t->root, &err) < 0) _exit(1);
  if (ls__lake_stage_new(&stage, lake, run, t->work, &err) < 0) _exit(2);
  if (ls__lake_stage_bytes(stage, "out/a.txt", ls__slice_of("from the child"), &err) < 0) _exit(3);
  if (ls__lake_stage_bytes(stage, "out/b.txt", ls__slice_of("from the child"), &err) < 0) _exit(4);
  if (ready_fd >= 0 && write(ready_fd, "r", 1) != 1) _exit(5);
  if (ready_fd >= 0) pause(); /* alive, until the parent kills it */
  if (ls__lake_stage_publish(stage, "out/a.txt", &err) < 0) _exit(6);
  if (ls__lake_stage_publish(stage, "out/b.txt", &err) < 0) _exit(7);
  _exit(0);
}

static void wait_killed(pid_t pid) {
  int status = 0;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended with status %d", status);
}

/* test_lake_open without the lake, so that children are forked before any thread is there. */
static void open_later(test_lake *t) {
  const char *remote = getenv("LS_TEST_LAKE");
  memset(t, 0, sizeof *t);
  ls__arena_init(&t->arena, 0);
  snprintf(t->work, sizeof t->work, "/tmp/ls-lake-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(t->work));
  if (remote && remote[0]) {
    snprintf(t->root, sizeof t->root, "%s/%s", remote, strrchr(t->work, '-') + 1);
  } else {
    snprintf(t->root, sizeof t->root, "%s/lake", t->work);
  }
}

START_TEST(leftovers_of_dead_runs_are_removed_and_live_ones_stay) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  ls_lake_stage *stage = NULL;
  int ready[2];
  char byte;
  open_later(&t);
  ck_assert_int_eq(pipe(ready), 0);
  pid_t dead = start_child(&t, "dead", "sink.stage_file:2", -1);
  wait_killed(dead);
  pid_t live = start_child(&t, "live", NULL, ready[1]); /* its start removes what the dead one left */
  ck_assert_int_eq(read(ready[0], &byte, 1), 1);
  ck_ok(ls__lake_open(&t.lake, t.root, &err));
  ck_assert(!staging_has(&t, "/dead") && !staging_has(&t, "/dead.lock"));
  ck_assert(staging_has(&t, "/live/out/a.txt"));
  ck_ok(ls__lake_stage_new(&stage, t.lake, "mine", t.work, &err));
  ck_assert(staging_has(&t, "/live/out/a.txt"));
  ls_lake_stage *same = NULL;
  ck_fails(ls__lake_stage_new(&same, t.lake, "live", t.work, &err), LS_EIO, "another live process");
  kill(live, SIGKILL);
  wait_killed(live);
  ls__lake_stage_free(stage);
  ck_assert(staging_has(&t, "/live/out/a.txt"));
  ck_ok(ls__lake_stage_new(&stage, t.lake, "live", t.work, &err)); /* the run itself, again: from nothing */
  ck_assert(!staging_has(&t, "/live/out"));
  ls__lake_stage_free(stage);
  ck_assert(!staging_has(&t, ""));
  ck_assert_str_eq(test_list(&t, "out/*", NULL, NULL), "");
  test_lake_close(&t);
}
END_TEST

START_TEST(death_between_two_publications_is_repaired_by_the_next_run) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  ls_lake_stage *stage = NULL;
  open_later(&t);
  wait_killed(start_child(&t, "run", "sink.publish_file:1", -1));
  ck_ok(ls__lake_open(&t.lake, t.root, &err));
  ck_assert_str_eq(test_list(&t, "out/*", NULL, NULL), "out/a.txt");
  ck_ok(ls__lake_stage_new(&stage, t.lake, "run", t.work, &err));
  ck_ok(ls__lake_stage_bytes(stage, "out/a.txt", ls__slice_of("second run"), &err));
  ck_ok(ls__lake_stage_bytes(stage, "out/b.txt", ls__slice_of("second run"), &err));
  ck_ok(ls__lake_stage_publish(stage, "out/a.txt", &err));
  ck_ok(ls__lake_stage_publish(stage, "out/b.txt", &err));
  ls__lake_stage_free(stage);
  ck_assert_str_eq(test_list(&t, "out/*", NULL, NULL), "out/a.txt out/b.txt");
  ls_buf bytes = test_get(&t, "out/a.txt", 100);
  ck_assert(ls__slice_is(ls__buf_slice(&bytes), "second run"));
  ls__buf_fini(&bytes);
  test_lake_close(&t);
}
END_TEST

/* -- a reader while the partition is published over and over ----------------------------------- */

#define REPUBLISHED  200
#define VERSION_ROWS 3000

typedef struct republish {
  test_lake *t;
  const ls_schema *schema;
  atomic_bool done;
  int64_t n_reads, n_retries;
  int64_t last_version;
} republish;

/* Every row of version v is v, and version v has VERSION_ROWS + v rows: a mixture shows. */
static void check_version(republish *r, const ls_batch *rows) {
  int64_t version = ls__column_i64(&rows->columns[0])[0];
  ck_assert_int_eq(rows->n_rows, VERSION_ROWS + version);
  for (int64_t row = 0; row < rows->n_rows; row++) ck_assert_int_eq(ls__column_i64(&rows->columns[0])[row], version);
  ck_assert_int_ge(version, r->last_version);
  r->last_version = version;
}

static void *read_all_the_time(void *payload) {
  republish *r = payload;
  ls_arena arena;
  ls__arena_init(&arena, 0);
  for (bool last = false; !last;) {
    last = atomic_load(&r->done); /* one read more after the last publication */
    ls_error err = LS_ERROR_INIT;
    ls__arena_reset(&arena);
    ls_batch *rows = ls__batch_new(r->schema, &arena, 0);
    int rc = test_read_parquet(rows, r->t, "out/part-0.parquet", r->schema, NULL, &err);
    if (rc == LS_ERETRY) {
      r->n_retries++;
      last = false;
      continue;
    }
    ck_assert_msg(rc == LS_OK, "%s", err.message);
    check_version(r, rows);
    r->n_reads++;
  }
  ls__arena_fini(&arena);
  return NULL;
}

static void publish_version(test_lake *t, const ls_schema *schema, int64_t version) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls_batch *rows = ls__batch_new(schema, &arena, 0);
  for (int64_t i = 0; i < VERSION_ROWS + version; i++) {
    ls__column_append_i64(&rows->columns[0], version);
    ls__batch_append_meta(rows, 0, (ls_stamp){0, 0});
  }
  test_write_parquet(t, "out/part-0.parquet", rows, rows->n_rows);
  ls__arena_fini(&arena);
}

START_TEST(readers_see_one_complete_version_while_it_is_republished) {
  test_lake t;
  test_lake_open(&t);
  republish r = {.t = &t, .schema = test_schema(&t.arena, "version: int64 not null")};
  publish_version(&t, r.schema, 0);
  pthread_t reader;
  ck_assert_int_eq(pthread_create(&reader, NULL, read_all_the_time, &r), 0);
  for (int64_t version = 1; version <= REPUBLISHED; version++) publish_version(&t, r.schema, version);
  atomic_store(&r.done, true);
  pthread_join(reader, NULL);
  ck_assert_int_eq(r.last_version, REPUBLISHED);
  ck_assert_int_gt(r.n_reads, 20);
  test_lake_close(&t);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(staged_files_are_invisible_until_published),
      TEST_CASE(publishing_replaces_and_may_be_repeated_with_new_bytes),
      TEST_CASE(large_and_empty_files_are_published_whole),
      TEST_CASE(bad_names_are_refused),
      TEST_CASE(leftovers_of_dead_runs_are_removed_and_live_ones_stay),
      TEST_CASE(death_between_two_publications_is_repaired_by_the_next_run),
      TEST_CASE(readers_see_one_complete_version_while_it_is_republished),
  };
  return RUN_TESTS("lake_stage", cases);
}
