/**
 * @file standby_plan.h
 * Which tasks a process keeps copies of: those that would come to it if others left. Partitions are assigned by range over the
 * members in the order of their ids, so every process works the same answer out of the list of members, without talking.
 */
#ifndef LS_RUNTIME_STANDBY_PLAN_H
#define LS_RUNTIME_STANDBY_PLAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LS_STANDBY_LOST_MAX 2

typedef struct ls_standby_member {
  const char *order;   /* what range sorts members by: the instance id, else the member id */
  const char *process; /* members of one process leave together */
} ls_standby_member;

/** Sorts the members. */
void ls__standby_sort(ls_standby_member *members, size_t n);
/**
 * Sets wanted[p] for each of n_partitions that process `me` would be assigned if any n_lost or fewer of the other processes left;
 * those it has now are among them. Leaves the others as they are. members are sorted; n_lost at most LS_STANDBY_LOST_MAX.
 */
void ls__standby_plan(bool *wanted, int32_t n_partitions, const ls_standby_member *members, size_t n, const char *me,
                      int n_lost);
#endif
