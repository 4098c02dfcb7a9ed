/** @file replay.h  The replay driver. */
#ifndef LS_RUNTIME_REPLAY_H
#define LS_RUNTIME_REPLAY_H
#include "runtime/run.h"

/** Runs to the end of the input and publishes. */
int ls__replay_run(ls_runtime *run, ls_error *err);
/** Frees what a run opened, also after a failure at any point. */
void ls__replay_close(ls_runtime *run);
#endif
