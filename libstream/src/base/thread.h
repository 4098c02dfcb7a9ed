/** @file thread.h  Run fn(worker, payload) on n threads and join; first error wins. */
#ifndef LS_BASE_THREAD_H
#define LS_BASE_THREAD_H
#include <libstream/error.h>

typedef int (*ls_worker_fn)(int worker, void *payload, ls_error *err);
/** Runs n_workers copies (worker 0 on the calling thread) and waits for all. Returns the error of
 * the lowest worker that failed. @thread app */
int ls__workers_run(int n_workers, ls_worker_fn fn, void *payload, ls_error *err);
/** Monotonic time, for progress, speed and timeouts only; never in a result. */
int64_t ls__monotonic_us(void);
/** Wall clock since 1970: how old things on disk are, and times of records that have none; never in a row. */
int64_t ls__wall_us(void);
/** Peak resident memory of this process in bytes (VmHWM). */
int64_t ls__peak_memory_bytes(void);
#endif
