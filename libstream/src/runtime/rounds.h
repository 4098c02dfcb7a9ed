/**
 * @file rounds.h
 * Reading files in their own order while they are processed. A round: each worker decodes the next unit and deals its rows to
 * the partitions; when all have, each worker processes its partition's rows of all units, in unit order. Nothing is sorted or
 * spilled, and memory holds one unit per worker.
 */
#ifndef LS_RUNTIME_ROUNDS_H
#define LS_RUNTIME_ROUNDS_H
#include "runtime/feed.h"

typedef struct ls_rounds ls_rounds;
void ls__rounds_new(ls_rounds **out, ls_runtime *run, uint32_t sub_topology);
void ls__rounds_free(ls_rounds *rounds);

/** Processes the rows of one unit that are the feed's next: called per unit with rows, in order. */
typedef int (*ls_round_fn)(void *payload, uint32_t source, ls_error *err);
#define LS_ROUNDS_LEFT 1 /* another worker failed: this one has nothing more to do, and nothing to report */
/** Runs all rounds of one worker; every worker must call it, also one that failed before (failed: it only keeps step). */
int ls__rounds_run(ls_rounds *rounds, int worker, feed *to, bool failed, ls_round_fn fn, void *payload, ls_error *err);
#endif
