/** @file standby_plan.c  Range assignment, played through for each set of processes that may leave. */
#include "runtime/standby_plan.h"

#include <stdlib.h>
#include <string.h>

static int by_order(const void *a, const void *b) {
  const ls_standby_member *left = a, *right = b;
  return strcmp(left->order, right->order);
}

void ls__standby_sort(ls_standby_member *members, size_t n) {
  qsort(members, n, sizeof *members, by_order);
}

static bool is_lost(const ls_standby_member *member, const char *const *lost, int n_lost) {
  for (int i = 0; i < n_lost; i++) {
    if (strcmp(member->process, lost[i]) == 0) return true;
  }
  return false;
}

/** The range of each member of `me` when the lost ones are gone. */
static void assign(bool *wanted, int32_t n_partitions, const ls_standby_member *members, size_t n, const char *me,
                   const char *const *lost, int n_lost) {
  int32_t n_left = 0, at = 0, next = 0;
  for (size_t i = 0; i < n; i++) n_left += !is_lost(&members[i], lost, n_lost);
  for (size_t i = 0; i < n; i++) {
    if (is_lost(&members[i], lost, n_lost)) continue;
    int32_t length = n_partitions / n_left + (at < n_partitions % n_left ? 1 : 0);
    for (int32_t p = next; p < next + length && strcmp(members[i].process, me) == 0; p++) wanted[p] = true;
    next += length;
    at++;
  }
}

void ls__standby_plan(bool *wanted, int32_t n_partitions, const ls_standby_member *members, size_t n, const char *me,
                      int n_lost) {
  const char *lost[LS_STANDBY_LOST_MAX] = {NULL};
  assign(wanted, n_partitions, members, n, me, lost, 0);
  for (size_t i = 0; i < n && n_lost >= 1; i++) {
    if (strcmp(members[i].process, me) == 0) continue;
    lost[0] = members[i].process;
    assign(wanted, n_partitions, members, n, me, lost, 1);
    for (size_t k = 0; k < i && n_lost >= 2; k++) {
      if (strcmp(members[k].process, me) == 0) continue;
      lost[1] = members[k].process;
      assign(wanted, n_partitions, members, n, me, lost, 2);
    }
  }
}
