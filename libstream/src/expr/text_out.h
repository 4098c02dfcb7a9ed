/**
 * @file text_out.h
 * Writes a text piece by piece to the end of a STRING column, without a buffer between. A text
 * longer than LS_EX_TEXT_MAX, or more than the column can hold, makes a row error and a null.
 */
#ifndef LS_EXPR_TEXT_OUT_H
#define LS_EXPR_TEXT_OUT_H
#include "expr/ex.h"

typedef struct ls_text_out {
  ls_column *out;
  const ls_ex_call *call;
  int64_t row;
  size_t len;
  bool too_long;
} ls_text_out;

static inline ls_text_out ls__text_begin(ls_column *out, const ls_ex_call *call, int64_t row) {
  return (ls_text_out){out, call, row, 0, false};
}
void ls__text_add(ls_text_out *text, ls_slice piece);
/** Closes the row. */
void ls__text_end(ls_text_out *text);
/** begin, add, end. */
void ls__text_put(ls_column *out, const ls_ex_call *call, int64_t row, ls_slice text);
/** The text that CAST(value AS string) gives; not for LIST and STRUCT. */
void ls__text_add_value(ls_text_out *text, const ls_column *column, int64_t row);
#endif
