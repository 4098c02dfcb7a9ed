/**
 * @file udf_eval.c
 * One call of a scalar function over a batch.
 *
 * A strict function gets the batch as it is, with null wherever an argument is null or the row is
 * not active. Any other function gets the active rows only, because a null says something to it.
 * Row errors are collected and reported in row order after the call, so that the order in which a
 * function happens to look at its rows is not seen.
 */
#include <string.h>

#include "base/assert.h"
#include "udf/udf_internal.h"

/** The rows that count: bits of active, without those after the last row. Returns their number. */
static int64_t mask_of(uint64_t *mask, const uint64_t *active, int64_t n_rows) {
  int64_t n = 0;
  for (int64_t w = 0; w < LS_BIT_WORDS(n_rows); w++) {
    int64_t left = n_rows - w * 64;
    uint64_t all = left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
    mask[w] = active != NULL ? active[w] & all : all;
    n += __builtin_popcountll(mask[w]);
  }
  return n;
}

/** Takes the rows out of mask where an argument is null. Returns how many stay. */
static int64_t mask_nulls(uint64_t *mask, const ls_column *const *args, uint32_t n_args, int64_t n_rows) {
  int64_t n = 0;
  for (int64_t w = 0; w < LS_BIT_WORDS(n_rows); w++) {
    for (uint32_t i = 0; i < n_args; i++) {
      if (args[i]->validity != NULL) mask[w] &= args[i]->validity[w];
    }
    n += __builtin_popcountll(mask[w]);
  }
  return n;
}

/** A value that its type does not have (see ls__udf_value_fault): the row fails. */
static void check_values(ls_udf_call *call, const ls_udf_out *out, const uint64_t *before) {
  size_t width = ls__udf_checked_width(&out->type);
  const char *values = out->values;
  char text[LS_UDF_TEXT_MAX];
  for (int64_t row = 0; width > 0 && row < call->n_rows; row++) {
    if (!LS_BIT_GET(before, row) || !LS_BIT_GET(out->validity, row)) continue;
    if (ls__udf_value_fault(text, &out->type, values + (size_t)row * width))
      ls__udf_host.fail_row(call, row, "the result of %s %s", call->name, text);
  }
}

/** A finished call's rows appended to out: its value, or null for rows that are not valid or failed. */
static void take_result(ls_column *out, const ls_udf_call *call, const uint64_t *before, const uint64_t *after,
                        int64_t n_rows) {
  bool is_bytes = call->bytes_kind != LS_NONE;
  for (int64_t row = 0; row < n_rows; row++) {
    /* before & after: a strict function can't make a value where an argument was null. */
    bool valid = LS_BIT_GET(before, row) && LS_BIT_GET(after, row) &&
                 (call->row_errors == NULL || call->row_errors[row] == NULL);
    if (is_bytes && valid) {
      ls__column_append_slice(out, call->bytes[row]);
    } else if (is_bytes) {
      ls__column_append_null(out);
    } else if (!valid) {
      ls__column_set_null(out, row);
    }
  }
}

/** Calls eval over n_rows of vecs; before: which rows may have a value. out is empty. */
static int run(ls_column *out, ls_udf_instance *instance, ls_udf_call *call, const ls_type *ret, const ls_udf_vec *vecs,
               const uint64_t *before, ls_error *err) {
  const ls_udf_fn *fn = instance->fn;
  int64_t n_rows = call->n_rows;
  size_t n_words = (size_t)LS_BIT_WORDS(n_rows);
  ls_udf_out result = {.n_rows = n_rows};
  ls__udf_type_to(&result.type, ret, call->arena);
  result.validity = ls__arena_alloc(call->arena, n_words * sizeof(uint64_t));
  memcpy(result.validity, before, n_words * sizeof(uint64_t));
  if (ret->kind == LS_STRING || ret->kind == LS_BYTES) {
    call->bytes_kind = ret->kind;
    call->bytes = LS_ARENA_ARRAY(call->arena, ls_slice, n_rows);
  } else {
    ls__column_resize(out, n_rows);
    result.values = out->values;
  }
  int32_t rc = fn->eval(instance->state, &ls__udf_host, call, vecs, &result);
  LS_TRY(ls__udf_call_result(call, rc, LS_EFUNCTION, err));
  check_values(call, &result, before);
  take_result(out, call, before, result.validity, n_rows);
  return LS_OK;
}

static void report_rows(const ls_udf_call *call, const uint64_t *shown, ls_row_error_fn on_row_error, void *payload) {
  if (call->row_errors == NULL || on_row_error == NULL) return;
  for (int64_t row = 0; row < call->n_rows; row++) {
    if (call->row_errors[row] == NULL || !LS_BIT_GET(shown, row)) continue;
    on_row_error(payload, call->rows != NULL ? call->rows[row] : row, call->row_errors[row]);
  }
}

static void append_nulls(ls_column *out, int64_t n) {
  for (int64_t i = 0; i < n; i++) ls__column_append_null(out);
}

/** One evaluation: what ls__udf_eval was given, so that its two ways share it. */
typedef struct evaluation {
  ls_udf_instance *instance;
  const ls_type *ret;
  const ls_column *const *args;
  uint32_t n_args;
  int64_t n_rows;
  uint64_t *mask; /* active rows */
  ls_row_error_fn on_row_error;
  void *payload;
} evaluation;

static int eval_strict(ls_column *out, evaluation *e, ls_udf_call *call, ls_error *err) {
  int64_t n_valid = mask_nulls(e->mask, e->args, e->n_args, e->n_rows);
  if (n_valid == 0) {
    append_nulls(out, e->n_rows);
    return LS_OK;
  }
  ls_udf_vec *vecs = LS_ARENA_ARRAY(call->arena, ls_udf_vec, e->n_args + 1);
  for (uint32_t i = 0; i < e->n_args; i++) {
    ls__udf_vec_init(&vecs[i], e->args[i], call->arena);
    vecs[i].validity = n_valid == e->n_rows ? NULL : e->mask;
    vecs[i].n_rows = e->n_rows;
  }
  LS_TRY(run(out, e->instance, call, e->ret, vecs, e->mask, err));
  report_rows(call, e->mask, e->on_row_error, e->payload);
  return LS_OK;
}

static int eval_all(ls_column *out, evaluation *e, ls_udf_call *call, ls_error *err) {
  ls_udf_vec *vecs = LS_ARENA_ARRAY(call->arena, ls_udf_vec, e->n_args + 1);
  for (uint32_t i = 0; i < e->n_args; i++) {
    ls__udf_vec_init(&vecs[i], e->args[i], call->arena);
    vecs[i].n_rows = e->n_rows;
  }
  LS_TRY(run(out, e->instance, call, e->ret, vecs, e->mask, err));
  report_rows(call, e->mask, e->on_row_error, e->payload);
  return LS_OK;
}

/** Gathers the active rows, evaluates them, spreads the results; the other rows are null. */
static int eval_active(ls_column *out, evaluation *e, ls_udf_call *call, int64_t n_active, ls_error *err) {
  ls_arena *arena = call->arena;
  int32_t *rows = ls__arena_alloc(arena, (size_t)n_active * sizeof(int32_t) + 1);
  int32_t *spread = ls__arena_alloc(arena, (size_t)e->n_rows * sizeof(int32_t));
  int32_t n = 0;
  for (int64_t row = 0; row < e->n_rows; row++) {
    spread[row] = LS_BIT_GET(e->mask, row) ? n : -1;
    if (spread[row] >= 0) rows[n++] = (int32_t)row;
  }
  const ls_column **args = LS_ARENA_ARRAY(arena, const ls_column *, e->n_args + 1);
  for (uint32_t i = 0; i < e->n_args; i++) {
    ls_column *gathered = LS_ARENA_NEW(arena, ls_column);
    ls__column_init(gathered, e->args[i]->type, arena, n_active);
    ls__column_gather(gathered, e->args[i], rows, n_active);
    args[i] = gathered;
  }
  evaluation few = *e;
  few.args = args;
  few.n_rows = n_active;
  few.mask = ls__arena_alloc(arena, (size_t)LS_BIT_WORDS(n_active) * sizeof(uint64_t));
  mask_of(few.mask, NULL, n_active);
  call->n_rows = n_active;
  call->rows = rows;
  ls_column result;
  ls__column_init(&result, e->ret, arena, n_active);
  LS_TRY(eval_all(&result, &few, call, err));
  ls__column_gather(out, &result, spread, e->n_rows);
  return LS_OK;
}

int ls__udf_eval(ls_column *out, ls_udf_instance *instance, const ls_type *ret, const ls_column *const *args,
                 uint32_t n_args, int64_t n_rows, const uint64_t *active, const ls_stamp *stamps, ls_arena *arena,
                 ls_row_error_fn on_row_error, void *payload, ls_error *err) {
  const ls_udf_fn *fn = instance->fn;
  ls_assert(fn != NULL && n_args == fn->n_args && out->n_rows == 0);
  if (n_rows == 0) return LS_OK;
  evaluation e = {.instance = instance,
                  .ret = ret,
                  .args = args,
                  .n_args = n_args,
                  .n_rows = n_rows,
                  .on_row_error = on_row_error,
                  .payload = payload};
  e.mask = ls__arena_alloc(arena, (size_t)LS_BIT_WORDS(n_rows) * sizeof(uint64_t));
  int64_t n_active = mask_of(e.mask, active, n_rows);
  ls_udf_call call = {.name = fn->name, .arena = arena, .n_rows = n_rows, .stamps = stamps};
  if (fn->flags & LS_UDF_STRICT) return eval_strict(out, &e, &call, err);
  if (n_active == n_rows) return eval_all(out, &e, &call, err);
  if (n_active > 0) return eval_active(out, &e, &call, n_active, err);
  append_nulls(out, n_rows);
  return LS_OK;
}
