/** @file fn_text.c  Functions that make new texts. */
#include "expr/fn.h"

#include <stdio.h>

/* ASCII only: what a letter's other case is outside ASCII depends on language and Unicode version.
 */
static void change_case(ls_column *out, const ls_ex_call *call, char first, char last) {
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) {
      ls__column_append_null(out);
      continue;
    }
    ls_slice text = ls__vec_slice(&call->args[0], i);
    int64_t at = out->offsets[out->n_rows], n_rows = out->n_rows;
    ls__text_put(out, call, i, text);
    if (ls__is_null(out, n_rows) || text.len == 0) continue;
    char *made = (char *)out->values + at;
    for (size_t k = 0; k < text.len; k++)
      made[k] = (char)(made[k] >= first && made[k] <= last ? made[k] ^ 0x20 : made[k]);
  }
}

LS_EX_KERNEL(ls__fn_lower) {
  change_case(out, call, 'A', 'Z');
}
LS_EX_KERNEL(ls__fn_upper) {
  change_case(out, call, 'a', 'z');
}

LS_EX_KERNEL(ls__fn_replace) {
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) {
      ls__column_append_null(out);
      continue;
    }
    ls_slice text = ls__vec_slice(&call->args[0], i), from = ls__vec_slice(&call->args[1], i);
    ls_slice to = ls__vec_slice(&call->args[2], i);
    ls_text_out made = ls__text_begin(out, call, i);
    size_t done = 0, at = 0;
    while (from.len && at + from.len <= text.len && !made.too_long) {
      if (text.ptr[at] != from.ptr[0] || memcmp(text.ptr + at, from.ptr, from.len) != 0) {
        at++;
        continue;
      }
      ls__text_add(&made, (ls_slice){text.ptr + done, at - done});
      ls__text_add(&made, to);
      at += from.len;
      done = at;
    }
    ls__text_add(&made, (ls_slice){text.ptr + done, text.len - done});
    ls__text_end(&made);
  }
}

/* || is strict; concat() leaves nulls out. */
void ls__ex_kernel_concat(ls_column *out, const ls_ex_call *call) {
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) {
      ls__column_append_null(out);
      continue;
    }
    ls_text_out made = ls__text_begin(out, call, i);
    for (uint32_t k = 0; k < call->n_args; k++) {
      const ls_vec *arg = &call->args[k];
      if (!ls__is_null(arg->col, i & arg->mask)) ls__text_add(&made, ls__vec_slice(arg, i));
    }
    ls__text_end(&made);
  }
}

LS_EX_FORM(ls__fn_concat) {
  ls_ex *ex = ls__ex_new(c, LS_EX_CALL, &ls__type_string, ast, args, n_args);
  ex->kernel = ls__ex_kernel_concat;
  ex->nullable = false;
  return ls__ex_fold(c, ex);
}

static size_t chars_of(ls_slice text) {
  size_t n = 0;
  for (size_t i = 0; i < text.len; i++) n += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
  return n;
}

/* The first n characters. */
static ls_slice head_of(ls_slice text, uint64_t n) {
  for (size_t i = 0; i < text.len; i++) {
    if (((unsigned char)text.ptr[i] & 0xC0) != 0x80 && n-- == 0) return (ls_slice){text.ptr, i};
  }
  return text;
}

static void pad_one(ls_column *out, const ls_ex_call *call, int64_t row, bool left) {
  ls_slice text = ls__vec_slice(&call->args[0], row), fill = {" ", 1};
  int64_t width = ls__vec_i64(&call->args[1], row), have = (int64_t)chars_of(text);
  if (call->n_args == 3) fill = ls__vec_slice(&call->args[2], row);
  if (width < 0) width = 0;
  ls_text_out made = ls__text_begin(out, call, row);
  if (have >= width) {
    ls__text_add(&made, head_of(text, (uint64_t)width));
  } else {
    int64_t missing = width - have, step = (int64_t)chars_of(fill);
    if (!left) ls__text_add(&made, text);
    for (; step > 0 && missing > 0 && !made.too_long; missing -= step) {
      ls__text_add(&made, missing >= step ? fill : head_of(fill, (uint64_t)missing));
    }
    if (left) ls__text_add(&made, text);
  }
  ls__text_end(&made);
}

static void pad_rows(ls_column *out, const ls_ex_call *call, bool left) {
  for (int64_t i = 0; i < call->n; i++) {
    if (ls__ex_live(call, i)) {
      pad_one(out, call, i, left);
    } else {
      ls__column_append_null(out);
    }
  }
}

LS_EX_KERNEL(ls__fn_lpad) {
  pad_rows(out, call, true);
}
LS_EX_KERNEL(ls__fn_rpad) {
  pad_rows(out, call, false);
}

LS_EX_KERNEL(ls__fn_to_hex) {
  static const char digits[] = "0123456789abcdef";
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) {
      ls__column_append_null(out);
      continue;
    }
    ls_text_out made = ls__text_begin(out, call, i);
    char buf[2 * 256];
    if (call->args[0].col->type->kind == LS_INT64) {
      int len = snprintf(buf, sizeof buf, "%llx", (unsigned long long)ls__vec_i64(&call->args[0], i));
      ls__text_add(&made, (ls_slice){buf, (size_t)len});
    } else {
      ls_slice bytes = ls__vec_slice(&call->args[0], i);
      for (size_t k = 0; k < bytes.len; k += 256) {
        size_t n = bytes.len - k < 256 ? bytes.len - k : 256;
        for (size_t j = 0; j < n; j++) {
          buf[2 * j] = digits[(unsigned char)bytes.ptr[k + j] >> 4];
          buf[2 * j + 1] = digits[(unsigned char)bytes.ptr[k + j] & 15];
        }
        ls__text_add(&made, (ls_slice){buf, 2 * n});
      }
    }
    ls__text_end(&made);
  }
}

LS_EX_FORM(ls__fn_to_hex_form) {
  const ls_type *type = args[0]->type;
  (void)n_args;
  if (!ls__ex_is_int(type) && type->kind != LS_STRING && type->kind != LS_BYTES) {
    return ls__ex_fail(c, args[0]->ast, "argument 1 of to_hex must be int64, string or bytes, not %s",
                       ls__ex_type_text(c, type));
  }
  return ls__ex_fold(c, ls__ex_call(c, ls__fn_to_hex, &ls__type_string, ast, args, 1));
}
