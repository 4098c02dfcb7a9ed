/** @file eval_logic.h  Nodes that choose: three-valued logic, CASE, COALESCE, GREATEST; on whole
 * bitmaps. */
#ifndef LS_EXPR_EVAL_LOGIC_H
#define LS_EXPR_EVAL_LOGIC_H
#include "expr/ex.h"

/** A boolean column as two bitmaps; never NULL. Bits past the last row are unspecified. */
typedef struct ls_logic_words {
  const uint64_t *value, *valid;
} ls_logic_words;

ls_logic_words ls__ex_logic_words(ls_vec vec, int64_t n, ls_arena *arena);
int ls__ex_eval_logic(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active);
#endif
