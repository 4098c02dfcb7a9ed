/** @file fault.c  Fault points. LS_FAULT is read once, at the first point that is passed. */
#include "base/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAULT_UNREAD = -2, FAULT_NONE = -1 };

static const char *const fault_names[] = {
#define LS_FAULT_ROW(id, name, about) name,
#include "base/fault.def"
#undef LS_FAULT_ROW
};

static pthread_once_t fault_once = PTHREAD_ONCE_INIT;
static atomic_int fault_armed = FAULT_UNREAD; /* id of the armed point, or one of the above */
static atomic_long fault_passes;
static long fault_nth;
static bool fault_is_failure; /* not a kill */

/* A wrong name would make a crash test pass without a crash: it ends the process instead. */
static void fault_read(void) {
  /* tidy: allow ambient because crash tests arm a point from outside; no result depends on it */
  const char *text = getenv("LS_FAULT");
  if (!text || !*text) {
    atomic_store(&fault_armed, FAULT_NONE);
    return;
  }
  const char *colon = strchr(text, ':');
  size_t len = colon ? (size_t)(colon - text) : strlen(text);
  char *end = NULL;
  fault_nth = colon ? strtol(colon + 1, &end, 10) : 1;
  fault_is_failure = colon && strcmp(end, ":fail") == 0;
  bool good_count = fault_nth >= 1 && (!colon || (end != colon + 1 && (*end == '\0' || fault_is_failure)));
  for (int id = 0; good_count && id < LS_N_FAULTS; id++) {
    if (strlen(fault_names[id]) != len || memcmp(fault_names[id], text, len) != 0) continue;
    atomic_store(&fault_armed, id);
    return;
  }
  fprintf(stderr, "level=error room=base event=fault_unknown LS_FAULT=%s\n", text);
  abort();
}

/** Whether the point is armed and this is one of the passings meant. */
static bool fault_due(int id) {
  int armed = atomic_load_explicit(&fault_armed, memory_order_acquire);
  if (armed == FAULT_NONE) return false;
  if (armed == FAULT_UNREAD) {
    pthread_once(&fault_once, fault_read);
    armed = atomic_load(&fault_armed);
  }
  if (armed != id) return false;
  long n = atomic_fetch_add(&fault_passes, 1) + 1;
  return fault_is_failure ? n % fault_nth == 0 : n == fault_nth;
}

bool ls__fault_fails(int id) {
  if (!fault_due(id)) return false;
  if (fault_is_failure) return true;
  kill(getpid(), SIGKILL);
  for (;;) pause(); /* the signal is on its way: nothing after the point may happen */
}

void ls__fault(int id) {
  if (!ls__fault_fails(id)) return;
  fprintf(stderr, "level=error room=base event=fault_unknown LS_FAULT=%s reason=\"nothing can fail there\"\n",
          fault_names[id]);
  abort();
}

const char *ls__fault_name(size_t i) {
  return i < LS_N_FAULTS ? fault_names[i] : NULL;
}
