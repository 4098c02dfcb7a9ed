/** @file thread.c  Workers that start together or not at all; clocks and memory for reports. */
#include "base/thread.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/alloc.h"
#include "base/assert.h"

/* Workers may wait for each other, so none may run when one of them can't be started. */
typedef enum gate_state { GATE_CLOSED, GATE_OPEN, GATE_CANCELLED } gate_state;

typedef struct gate {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  gate_state state;
} gate;

typedef struct worker {
  pthread_t thread;
  gate *gate;
  int index;
  ls_worker_fn fn;
  void *payload;
  int rc;
  ls_error err;
} worker;

static void gate_set(gate *g, gate_state state) {
  pthread_mutex_lock(&g->lock);
  g->state = state;
  pthread_cond_broadcast(&g->changed);
  pthread_mutex_unlock(&g->lock);
}

static void *worker_main(void *arg) {
  worker *w = arg;
  pthread_mutex_lock(&w->gate->lock);
  while (w->gate->state == GATE_CLOSED) pthread_cond_wait(&w->gate->changed, &w->gate->lock);
  gate_state state = w->gate->state;
  pthread_mutex_unlock(&w->gate->lock);
  if (state == GATE_OPEN) w->rc = w->fn(w->index, w->payload, &w->err);
  return NULL;
}

int ls__workers_run(int n_workers, ls_worker_fn fn, void *payload, ls_error *err) {
  ls_assert(n_workers >= 1);
  ls_error scratch = LS_ERROR_INIT;
  if (!err) err = &scratch;
  if (n_workers == 1) {
    int only = fn(0, payload, err);
    return only < 0 ? only : LS_OK;
  }

  gate g = {.state = GATE_CLOSED};
  pthread_mutex_init(&g.lock, NULL);
  pthread_cond_init(&g.changed, NULL);
  worker *workers = ls__calloc((size_t)n_workers, sizeof *workers);
  int n_started = 1, create_rc = 0, rc = LS_OK;
  for (int i = 0; i < n_workers; i++) {
    workers[i].gate = &g;
    workers[i].index = i;
    workers[i].fn = fn;
    workers[i].payload = payload;
  }
  while (n_started < n_workers && create_rc == 0) {
    worker *w = &workers[n_started];
    create_rc = pthread_create(&w->thread, NULL, worker_main, w);
    if (create_rc == 0) n_started++;
  }
  gate_set(&g, create_rc ? GATE_CANCELLED : GATE_OPEN);
  if (create_rc == 0) workers[0].rc = fn(0, payload, &workers[0].err);
  for (int i = 1; i < n_started; i++) pthread_join(workers[i].thread, NULL);

  if (create_rc) {
    rc = ls_error_set(err, LS_ELIMIT, "only %d of %d threads could be started: %s", n_started, n_workers,
                      strerror(create_rc));
  }
  for (int i = 0; i < n_workers && rc == LS_OK; i++) {
    if (workers[i].rc >= 0) continue;
    rc = workers[i].rc;
    *err = workers[i].err;
  }
  ls__free(workers);
  pthread_cond_destroy(&g.changed);
  pthread_mutex_destroy(&g.lock);
  return rc;
}

static int64_t clock_us(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t ls__monotonic_us(void) {
  return clock_us(CLOCK_MONOTONIC);
}

int64_t ls__wall_us(void) {
  return clock_us(CLOCK_REALTIME);
}

int64_t ls__peak_memory_bytes(void) {
  FILE *file = fopen("/proc/self/status", "r");
  int64_t bytes = -1;
  if (file) {
    char line[256];
    long long kib;
    while (bytes < 0 && fgets(line, sizeof line, file))
      if (sscanf(line, "VmHWM: %lld kB", &kib) == 1) bytes = (int64_t)kib * 1024;
    fclose(file);
  }
  if (bytes < 0) {
    struct rusage usage;
    bytes = getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
  }
  return bytes;
}
