/**
 * @file tsan_threads.c
 * C11 threads by way of POSIX threads, for ThreadSanitizer builds only. It knows POSIX threads alone: a thread that
 * librdkafka starts by thrd_create has no state for it, and the first call back from there ends in a crash; and it
 * sees none of librdkafka's locks. Linked into a program, these take the place of glibc's, which are the same inside.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

#pragma GCC visibility push(default) /* the shared libraries are to find them */

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "one inside the other");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "one inside the other");

static int result_of(int rc) {
  switch (rc) {
  case 0:
    return thrd_success;
  case ENOMEM:
    return thrd_nomem;
  case ETIMEDOUT:
    return thrd_timedout;
  case EBUSY:
    return thrd_busy;
  default:
    return thrd_error;
  }
}

typedef struct start {
  thrd_start_t fn;
  void *arg;
} start;

static void *run(void *payload) {
  start s = *(start *)payload;
  free(payload);
  return (void *)(intptr_t)s.fn(s.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t fn, void *arg) {
  start *s = malloc(sizeof *s);
  if (!s) return thrd_nomem;
  *s = (start){fn, arg};
  int rc = pthread_create(thread, NULL, run, s);
  if (rc != 0) free(s);
  return result_of(rc);
}

int thrd_join(thrd_t thread, int *result) {
  void *value = NULL;
  int rc = pthread_join(thread, &value);
  if (result) *result = (int)(intptr_t)value;
  return result_of(rc);
}

int thrd_detach(thrd_t thread) {
  return result_of(pthread_detach(thread));
}

int mtx_init(mtx_t *mutex, int type) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  if (type & mtx_recursive) pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
  int rc = pthread_mutex_init((pthread_mutex_t *)mutex, &attr);
  pthread_mutexattr_destroy(&attr);
  return result_of(rc);
}

void mtx_destroy(mtx_t *mutex) {
  pthread_mutex_destroy((pthread_mutex_t *)mutex);
}

int mtx_lock(mtx_t *mutex) {
  return result_of(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_trylock(mtx_t *mutex) {
  return result_of(pthread_mutex_trylock((pthread_mutex_t *)mutex));
}

int mtx_unlock(mtx_t *mutex) {
  return result_of(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

int cnd_init(cnd_t *cond) {
  return result_of(pthread_cond_init((pthread_cond_t *)cond, NULL));
}

void cnd_destroy(cnd_t *cond) {
  pthread_cond_destroy((pthread_cond_t *)cond);
}

int cnd_signal(cnd_t *cond) {
  return result_of(pthread_cond_signal((pthread_cond_t *)cond));
}

int cnd_broadcast(cnd_t *cond) {
  return result_of(pthread_cond_broadcast((pthread_cond_t *)cond));
}

int cnd_wait(cnd_t *cond, mtx_t *mutex) {
  return result_of(pthread_cond_wait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *cond, mtx_t *mutex, const struct timespec *until) {
  return result_of(pthread_cond_timedwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, until));
}
