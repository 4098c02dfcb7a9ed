/**
 * @file diag.h
 * Diagnostics: all errors of a file, collected with their positions and handed out in file order.
 *
 * Text never holds control characters. At most LS_DIAG_MAX are kept; the rest are counted.
 */
#ifndef LS_TOPOLOGY_DIAG_H
#define LS_TOPOLOGY_DIAG_H
#include "base/arena.h"
#include <libstream/topology.h>

#define LS_DIAG_MAX 200

/** Position in the file, 1-based; columns count characters, as editors do. */
typedef struct ls_mark {
  uint32_t line, column;
} ls_mark;

typedef struct ls_diag_entry {
  ls_mark mark;
  int code;         /* LS_ECONFIG, LS_EPLUGIN */
  const char *text; /* "what; what would be right" */
} ls_diag_entry;

typedef struct ls_diag {
  ls_arena arena;
  const char *file;
  ls_diag_entry *entries; /* n, in the order they were found */
  size_t n, capacity;
  size_t n_errors; /* dropped ones included */
} ls_diag;

void ls__diag_init(ls_diag *diag, const char *file);
void ls__diag_fini(ls_diag *diag);
/** Adds an error of code LS_ECONFIG. The same text at the same place is kept once. */
void ls__diag_add(ls_diag *diag, ls_mark mark, const char *fmt, ...) LS_PRINTF(3, 4);
/** Same, of another code. */
void ls__diag_add_code(ls_diag *diag, int code, ls_mark mark, const char *fmt, ...) LS_PRINTF(4, 5);
/** Hands all to opts->on_diagnostic in file order and sums them up in err. LS_OK without errors.
 *  @errors LS_ECONFIG, LS_EPLUGIN: the code of the first in file order */
int ls__diag_report(ls_diag *diag, const ls_topology_opts *opts, ls_error *err);
#endif
