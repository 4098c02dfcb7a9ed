/** @file fn_list.c  Functions over lists. Elements keep their order unless the name says otherwise.
 */
#include "expr/fn.h"

typedef struct list_row {
  const ls_column *elements;
  int32_t from, to;
} list_row;

static list_row list_at(const ls_vec *vec, int64_t row) {
  int64_t at = row & vec->mask;
  return (list_row){&vec->col->children[0], vec->col->offsets[at], vec->col->offsets[at + 1]};
}

/* True when the row is null: appended. */
static bool skip_row(ls_column *out, const ls_ex_call *call, int64_t row) {
  if (ls__ex_live(call, row)) return false;
  ls__column_append_null(out);
  return true;
}

LS_EX_KERNEL(ls__fn_list_length) {
  int64_t *values = out->values;
  for (int64_t i = 0; i < call->n; i++) {
    list_row list = list_at(&call->args[0], i);
    values[i] = list.to - list.from;
  }
}

LS_EX_FORM(ls__fn_length) {
  (void)n_args;
  ls_kind kind = args[0]->type->kind;
  if (kind != LS_STRING && (kind != LS_LIST || ls__ex_is_null_type(args[0]->type->element))) {
    return ls__ex_fail(c, args[0]->ast, "argument 1 of length must be string or a list, not %s%s",
                       ls__ex_type_text(c, args[0]->type), kind == LS_BYTES ? ": octet_length counts bytes" : "");
  }
  ls_ex_kernel kernel = kind == LS_LIST ? ls__fn_list_length : ls__fn_char_length;
  return ls__ex_fold(c, ls__ex_call(c, kernel, &ls__type_int64, ast, args, 1));
}

static void kernel_compact(ls_column *out, const ls_ex_call *call) {
  for (int64_t i = 0; i < call->n; i++) {
    if (skip_row(out, call, i)) continue;
    list_row list = list_at(&call->args[0], i);
    for (int32_t k = list.from; k < list.to; k++) {
      if (!ls__is_null(list.elements, k)) ls__column_append_from(&out->children[0], list.elements, k);
    }
    ls__column_append_list_end(out);
  }
}

/* list_compact([...]) does not write the nulls first only to drop them. */
LS_EX_FORM(ls__fn_list_compact) {
  ls_ex *list = args[0];
  if (list->op != LS_EX_LIST) {
    return ls__ex_fold(c, ls__ex_call(c, kernel_compact, list->type, ast, args, n_args));
  }
  ls_ex *ex = ls__ex_new(c, LS_EX_LIST, list->type, ast, list->args, list->n_args);
  ex->nullable = false;
  ex->variant = 1;
  return ls__ex_fold(c, ex);
}

void ls__ex_kernel_index(ls_column *out, const ls_ex_call *call) {
  int32_t *rows = LS_ARENA_ARRAY(call->arena, int32_t, call->n + 1);
  const ls_vec *lists = &call->args[0];
  for (int64_t i = 0; i < call->n; i++) {
    rows[i] = -1;
    if (!ls__ex_live(call, i)) continue;
    list_row list = list_at(lists, i);
    int64_t index = ls__vec_i64(&call->args[1], i);
    if (index >= 1 && index <= list.to - list.from) rows[i] = list.from + (int32_t)(index - 1);
  }
  if (ls__ex_is_fixed(out->type)) ls__column_resize(out, 0);
  if (out->validity) out->validity = NULL; /* gather makes its own */
  ls__column_gather(out, &lists->col->children[0], rows, call->n);
}

/* -- order ------------------------------------------------------------------------------------- */

static int element_cmp(const ls_column *elements, int32_t a, int32_t b) {
  bool null_a = ls__is_null(elements, a), null_b = ls__is_null(elements, b);
  if (null_a || null_b) return (int)null_a - (int)null_b; /* nulls last */
  return ls__ex_value_cmp(elements, a, elements, b);
}

/* Stable merge sort of indexes: qsort has no place for the column and is not stable. */
static void sort_indexes(int32_t *items, int32_t *spare, int32_t n, const ls_column *elements) {
  for (int32_t i = 1; i < n && n <= 16; i++) {
    int32_t item = items[i], k = i;
    for (; k > 0 && element_cmp(elements, items[k - 1], item) > 0; k--) items[k] = items[k - 1];
    items[k] = item;
  }
  if (n <= 16) return;
  int32_t half = n / 2, a = 0, b = half, k = 0;
  sort_indexes(items, spare, half, elements);
  sort_indexes(items + half, spare, n - half, elements);
  memcpy(spare, items, (size_t)n * sizeof *spare);
  while (a < half || b < n) {
    bool left = b >= n || (a < half && element_cmp(elements, spare[a], spare[b]) <= 0);
    items[k++] = left ? spare[a++] : spare[b++];
  }
}

static int32_t *sorted(list_row list, ls_arena *arena) {
  int32_t n = list.to - list.from, *items = LS_ARENA_ARRAY(arena, int32_t, 2 * (int64_t)n + 1);
  for (int32_t k = 0; k < n; k++) items[k] = list.from + k;
  sort_indexes(items, items + n, n, list.elements);
  return items;
}

static void kernel_sort(ls_column *out, const ls_ex_call *call) {
  for (int64_t i = 0; i < call->n; i++) {
    if (skip_row(out, call, i)) continue;
    list_row list = list_at(&call->args[0], i);
    int32_t *items = sorted(list, call->arena);
    for (int32_t k = 0; k < list.to - list.from; k++)
      ls__column_append_from(&out->children[0], list.elements, items[k]);
    ls__column_append_list_end(out);
  }
}

/* The sort is stable, so the first of equal neighbours is the one that comes first in the list. */
static void kernel_distinct(ls_column *out, const ls_ex_call *call) {
  for (int64_t i = 0; i < call->n; i++) {
    if (skip_row(out, call, i)) continue;
    list_row list = list_at(&call->args[0], i);
    int32_t *items = sorted(list, call->arena), n = list.to - list.from;
    uint64_t *repeated = LS_ARENA_ARRAY(call->arena, uint64_t, LS_BIT_WORDS(n) + 1);
    for (int32_t k = 1; k < n; k++) {
      if (element_cmp(list.elements, items[k - 1], items[k]) == 0) LS_BIT_SET(repeated, items[k] - list.from);
    }
    for (int32_t k = 0; k < n; k++) {
      if (!LS_BIT_GET(repeated, k)) ls__column_append_from(&out->children[0], list.elements, list.from + k);
    }
    ls__column_append_list_end(out);
  }
}

static ls_ex *ordered(ls_ex_compiler *c, const ls_ast *ast, ls_ex **args, ls_ex_kernel kernel) {
  if (!ls__ex_orderable(args[0]->type->element)) {
    return ls__ex_fail(c, args[0]->ast, "elements of %s have no order", ls__ex_type_text(c, args[0]->type));
  }
  return ls__ex_fold(c, ls__ex_call(c, kernel, args[0]->type, ast, args, 1));
}

LS_EX_FORM(ls__fn_list_sort) {
  (void)n_args;
  return ordered(c, ast, args, kernel_sort);
}
LS_EX_FORM(ls__fn_list_distinct) {
  (void)n_args;
  return ordered(c, ast, args, kernel_distinct);
}

/* -- search and join --------------------------------------------------------------------------- */

static void kernel_contains(ls_column *out, const ls_ex_call *call) {
  const ls_vec *wanted = &call->args[1];
  for (int64_t i = 0; i < call->n; i++) {
    list_row list = list_at(&call->args[0], i);
    if (!ls__ex_live(call, i)) continue;
    for (int32_t k = list.from; k < list.to; k++) {
      if (ls__is_null(list.elements, k) || !ls__column_value_eq(list.elements, k, wanted->col, i & wanted->mask))
        continue;
      LS_BIT_SET(out->values, i);
      break;
    }
  }
}

LS_EX_FORM(ls__fn_list_contains) {
  bool failed = false;
  if (!ls__ex_fit(c, &args[1], args[0]->type->element, &failed)) {
    /* a literal list may take the type of what is looked for: list_contains([1, 2], amount) */
    const ls_type *type = ls__type_list(c->arena, args[1]->type);
    if (failed || !ls__ex_fit(c, &args[0], type, &failed)) {
      if (!failed) ls__ex_coerce(c, &args[1], args[0]->type->element, "the element looked for");
      return NULL;
    }
  }
  ls_ex *ex = ls__ex_fold(c, ls__ex_call(c, kernel_contains, &ls__type_bool, ast, args, n_args));
  ex->sensitive = false;
  return ex;
}

static void kernel_concat(ls_column *out, const ls_ex_call *call) {
  for (int64_t i = 0; i < call->n; i++) {
    int64_t total = 0;
    if (skip_row(out, call, i)) continue;
    for (uint32_t a = 0; a < call->n_args; a++) {
      list_row list = list_at(&call->args[a], i);
      total += list.to - list.from;
    }
    if (total > LS_EX_LIST_MAX || out->children[0].n_rows + total > INT32_MAX) {
      ls__ex_row_error(call->ctx, i, "the list would have more than 1048576 elements");
      ls__column_append_null(out);
      continue;
    }
    for (uint32_t a = 0; a < call->n_args; a++) {
      list_row list = list_at(&call->args[a], i);
      for (int32_t k = list.from; k < list.to; k++) ls__column_append_from(&out->children[0], list.elements, k);
    }
    ls__column_append_list_end(out);
  }
}

LS_EX_FORM(ls__fn_list_concat) {
  const ls_type *type = NULL;
  if (ls__ex_unify(c, args, n_args, 1, &type, "list_concat") != LS_OK) return NULL;
  if (ls__ex_is_null_type(type)) return ls__ex_null(c, ls__type_list(c->arena, &ls__type_string), ast);
  if (type->kind != LS_LIST || ls__ex_is_null_type(type->element)) {
    return ls__ex_fail(c, args[0]->ast, "argument 1 of list_concat must be a list of known type, not %s",
                       ls__ex_type_text(c, type));
  }
  return ls__ex_fold(c, ls__ex_call(c, kernel_concat, type, ast, args, n_args));
}

static void kernel_to_string(ls_column *out, const ls_ex_call *call) {
  for (int64_t i = 0; i < call->n; i++) {
    if (skip_row(out, call, i)) continue;
    list_row list = list_at(&call->args[0], i);
    ls_slice separator = ls__vec_slice(&call->args[1], i);
    ls_text_out made = ls__text_begin(out, call, i);
    bool first = true;
    for (int32_t k = list.from; k < list.to && !made.too_long; k++) {
      if (ls__is_null(list.elements, k)) continue;
      if (!first) ls__text_add(&made, separator);
      ls__text_add_value(&made, list.elements, k);
      first = false;
    }
    ls__text_end(&made);
  }
}

LS_EX_FORM(ls__fn_list_to_string) {
  const ls_type *element = args[0]->type->element;
  if (element->kind == LS_BYTES || element->kind == LS_LIST || element->kind == LS_STRUCT) {
    return ls__ex_fail(c, args[0]->ast, "elements of type %s have no text form", ls__ex_type_text(c, element));
  }
  return ls__ex_fold(c, ls__ex_call(c, kernel_to_string, &ls__type_string, ast, args, n_args));
}
