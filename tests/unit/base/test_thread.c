/** @file test_thread.c  Workers, the log under threads, fault points and asserts in children. */
#include "base/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/log.h"
#include "helper_base.h"

typedef struct shared {
  atomic_int n_runs;
  atomic_uint seen; /* bit per worker */
  int failing_from, n_failing;
  pthread_barrier_t barrier;
  bool use_barrier;
} shared;

static int run_worker(int worker, void *payload, ls_error *err) {
  shared *s = payload;
  atomic_fetch_add(&s->n_runs, 1);
  atomic_fetch_or(&s->seen, 1u << worker);
  if (s->use_barrier) pthread_barrier_wait(&s->barrier);
  if (worker >= s->failing_from && worker < s->failing_from + s->n_failing)
    return ls_error_set(err, LS_EIO, "worker %d", worker);
  return worker; /* positive results are no errors */
}

START_TEST(every_worker_runs_once) {
  for (int n = 1; n <= 8; n++) {
    shared s = {.use_barrier = true};
    pthread_barrier_init(&s.barrier, NULL, (unsigned)n);
    ls_error err = LS_ERROR_INIT;
    ck_assert_int_eq(ls__workers_run(n, run_worker, &s, &err), LS_OK);
    ck_assert_int_eq(atomic_load(&s.n_runs), n);
    ck_assert_uint_eq(atomic_load(&s.seen), (1u << n) - 1);
    ck_assert_int_eq(err.code, LS_OK);
    pthread_barrier_destroy(&s.barrier);
  }
}
END_TEST

START_TEST(lowest_failing_worker_is_reported) {
  for (int first = 0; first < 4; first++) {
    shared s = {.failing_from = first, .n_failing = 4};
    ls_error err = LS_ERROR_INIT;
    char want[32];
    snprintf(want, sizeof want, "worker %d", first);
    ck_assert_int_eq(ls__workers_run(4, run_worker, &s, &err), LS_EIO);
    ck_assert_str_eq(err.message, want);
    ck_assert_int_eq(ls__workers_run(4, run_worker, &s, NULL), LS_EIO);
  }
}
END_TEST

START_TEST(clock_goes_forward_and_memory_is_counted) {
  int64_t before = ls__monotonic_us();
  usleep(2000);
  ck_assert_int_ge(ls__monotonic_us() - before, 2000);
  int64_t peak = ls__peak_memory_bytes();
  ck_assert_int_gt(peak, 1 << 19);
  size_t n_bytes = (size_t)64 << 20;
  char *big = malloc(n_bytes);
  for (size_t i = 0; i < n_bytes; i += 4096) big[i] = 1;
  ck_assert_int_ge(ls__peak_memory_bytes(), peak + ((int64_t)48 << 20));
  free(big);
}
END_TEST

typedef struct lines {
  int n;
  char last[5000];
} lines;
static void keep_line(ls_log_level level, const char *line, void *payload) {
  lines *l = payload;
  (void)level;
  l->n++;
  snprintf(l->last, sizeof l->last, "%s", line);
}

START_TEST(log_line_has_level_room_event_and_pairs) {
  lines l = {0};
  ls__log_set(LS_LOG_WARN, keep_line, &l);
  ls__log(LS_LOG_INFO, "edge", "ignored", "x=%d", 1);
  ck_assert_int_eq(l.n, 0);
  ls__log(LS_LOG_WARN, "edge", "file_skipped", "file=%s n=%d", "a\nb", 3);
  ck_assert_str_eq(l.last, "level=warn room=edge event=file_skipped file=a b n=3");
  ls__log(LS_LOG_ERROR, "run", "stopped", NULL);
  ck_assert_str_eq(l.last, "level=error room=run event=stopped");
  char big[9000];
  memset(big, 'x', sizeof big - 1);
  big[sizeof big - 1] = '\0';
  ls__log(LS_LOG_ERROR, "run", "long", "text=%s", big);
  ck_assert_int_eq(l.n, 3);
  ck_assert_uint_lt(strlen(l.last), 4096);
  ls__log_set(LS_LOG_INFO, NULL, NULL);
}
END_TEST

/* Runs body in a child; returns its wait status. */
static int in_child(void (*body)(void)) {
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    if (!freopen("/dev/null", "w", stderr)) _exit(99);
    signal(SIGABRT, SIG_DFL);
    body();
    _exit(7);
  }
  int status;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  return status;
}

static int pass_points(int worker, void *payload, ls_error *err) {
  (void)worker, (void)payload, (void)err;
  for (int i = 0; i < 1000; i++) {
    ls__fault(LS_FAULT_STORE_COMMIT);
    ls__fault(LS_FAULT_RUN_END);
  }
  return LS_OK;
}
static void pass_once(void) {
  ls__fault(LS_FAULT_RUN_END);
  ls__fault(LS_FAULT_STORE_COMMIT);
}
static void pass_twice(void) {
  pass_once();
  pass_once();
}
static void pass_in_threads(void) {
  ls__workers_run(4, pass_points, NULL, NULL);
}

START_TEST(fault_kills_at_the_nth_passing) {
  ck_assert_str_eq(ls__fault_name(LS_FAULT_STORE_COMMIT), "store.commit");
  ck_assert_ptr_null(ls__fault_name(LS_N_FAULTS));
  static const struct {
    const char *value;
    void (*body)(void);
    int signal;
  } want[] = {{"store.commit", pass_once, SIGKILL},
              {"store.commit:2", pass_once, 0},
              {"store.commit:2", pass_twice, SIGKILL},
              {"store.commit:3", pass_twice, 0},
              {"store.commit:4000", pass_in_threads, SIGKILL},
              {"store.commit:4001", pass_in_threads, 0},
              {"replay.read", pass_twice, 0},
              {"", pass_once, 0},
              {"store.comit", pass_once, SIGABRT},
              {"store.commit:x", pass_once, SIGABRT},
              {"store.commit:0", pass_once, SIGABRT},
              {"store.commit:", pass_once, SIGABRT}};
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
    setenv("LS_FAULT", want[i].value, 1);
    int status = in_child(want[i].body);
    int got = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    ck_assert_msg(got == want[i].signal, "LS_FAULT=%s: signal %d", want[i].value, got);
    if (!got) ck_assert_int_eq(WEXITSTATUS(status), 7);
  }
  unsetenv("LS_FAULT");
}
END_TEST

static void fail_assert(void) {
  ls_assert(1 + 1 == 3);
}
static void pass_assert(void) {
  ls_assert(1 + 1 == 2);
}

START_TEST(assert_ends_the_process) {
  int status = in_child(fail_assert);
  ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  status = in_child(pass_assert);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(every_worker_runs_once),
                             TEST_CASE(lowest_failing_worker_is_reported),
                             TEST_CASE(clock_goes_forward_and_memory_is_counted),
                             TEST_CASE(log_line_has_level_room_event_and_pairs),
                             TEST_CASE(fault_kills_at_the_nth_passing),
                             TEST_CASE(assert_ends_the_process)};
  return RUN_TESTS("base.thread", cases);
}
