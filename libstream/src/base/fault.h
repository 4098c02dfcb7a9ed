/**
 * @file fault.h
 * Named points where a test may kill the process (environment LS_FAULT=name[:n] kills with SIGKILL
 * at the n-th passing, default 1st), and some where it may fail (LS_FAULT=name:n:fail, at every n-th
 * passing). The list of points is one table, fault.def, so a crash test can enumerate it.
 */
#ifndef LS_BASE_FAULT_H
#define LS_BASE_FAULT_H
#include <stdbool.h>
#include <stddef.h>

enum {
#define LS_FAULT_ROW(id, name, about) LS_FAULT_##id,
#include "base/fault.def"
#undef LS_FAULT_ROW
  LS_N_FAULTS
};
/** Passes a fault point. Costs one load and branch when no fault is armed. @thread any */
void ls__fault(int id);
/** The same where the caller can fail: true, it is to do so. @thread any */
bool ls__fault_fails(int id);
/** Name of point i, NULL past the end. */
const char *ls__fault_name(size_t i);
#endif
