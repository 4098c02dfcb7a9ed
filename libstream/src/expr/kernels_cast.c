/**
 * @file kernels_cast.c
 * CAST. From text nothing is guessed: no blanks, no rounding. Between numbers CAST rounds half away
 * from zero, since it was asked for.
 */
#include "expr/text_out.h"

#include <math.h>
#include <stdlib.h>

#include "data/datetime.h"

#define AS_BIT(kind) (1u << (kind))
#define NUMBERS      (AS_BIT(LS_INT64) | AS_BIT(LS_FLOAT64) | AS_BIT(LS_DECIMAL))
#define ALL_FLAT                                                                                                       \
  (NUMBERS | AS_BIT(LS_BOOL) | AS_BIT(LS_TIMESTAMP) | AS_BIT(LS_DATE) | AS_BIT(LS_STRING) | AS_BIT(LS_BYTES))

bool ls__ex_cast_allowed(const ls_type *from, const ls_type *to) {
  static const unsigned allowed[LS_STRUCT + 1] = {
      [LS_BOOL] = AS_BIT(LS_STRING) | AS_BIT(LS_INT64),
      [LS_INT64] = NUMBERS | AS_BIT(LS_STRING),
      [LS_FLOAT64] = NUMBERS | AS_BIT(LS_STRING),
      [LS_DECIMAL] = NUMBERS | AS_BIT(LS_STRING),
      [LS_STRING] = ALL_FLAT,
      [LS_BYTES] = AS_BIT(LS_STRING),
      [LS_TIMESTAMP] = AS_BIT(LS_STRING) | AS_BIT(LS_DATE),
      [LS_DATE] = AS_BIT(LS_STRING) | AS_BIT(LS_TIMESTAMP),
  };
  if (ls__ex_is_interval(from) || ls__ex_is_interval(to)) return false;
  if (ls__ex_same_type(from, to)) return true;
  if (from->kind == LS_LIST && to->kind == LS_LIST) {
    return !ls__ex_is_null_type(from->element) && ls__ex_cast_allowed(from->element, to->element);
  }
  return (allowed[from->kind] & AS_BIT(to->kind)) != 0;
}

/* Each of these reads one value and returns NULL, or why there is no result. */

static const char *parse_i64(int64_t *out, ls_slice text) {
  ls_int128 value = 0;
  int rc = ls__decimal_parse(&value, text, 19, 0, false);
  if (rc == LS_EDATA || (text.len && memchr(text.ptr, '.', text.len))) return "the text is not a whole number";
  if (rc != LS_OK || value != (int64_t)value) return "the number does not fit int64";
  *out = (int64_t)value;
  return NULL;
}

static const char *parse_f64(double *out, ls_slice text) {
  char buf[128];
  if (text.len == 0 || text.len >= sizeof buf) return "the text is not a number";
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] == '\0' || !strchr("+-.0123456789eE", text.ptr[i])) return "the text is not a number";
  }
  memcpy(buf, text.ptr, text.len);
  buf[text.len] = '\0';
  char *end = NULL;
  double value = strtod(buf, &end); /* tidy: allow float-parse because CAST AS float64 asks for it */
  if (end != buf + text.len) return "the text is not a number";
  if (!isfinite(value)) return "the number does not fit float64";
  *out = value;
  return NULL;
}

static const char *to_i64(int64_t *out, const ls_vec *a, int64_t row) {
  int64_t at = row & a->mask;
  ls_int128 value = 0;
  double f;
  switch (a->col->type->kind) {
  case LS_BOOL:
    *out = LS_BIT_GET(a->col->values, at);
    return NULL;
  case LS_STRING:
    return parse_i64(out, ls__vec_slice(a, row));
  case LS_FLOAT64:
    f = round(ls__column_f64(a->col)[at]);
    if (!(f >= -9223372036854775808.0 && f < 9223372036854775808.0)) return "the number does not fit int64";
    *out = (int64_t)f;
    return NULL;
  default:
    if (ls__decimal_rescale(&value, ls__vec_dec(a, row), a->col->type->scale, 0, 38, LS_ROUND_HALF_UP) != LS_OK ||
        value != (int64_t)value) {
      return "the number does not fit int64";
    }
    *out = (int64_t)value;
    return NULL;
  }
}

static const char *to_f64(double *out, const ls_vec *a, int64_t row) {
  int64_t at = row & a->mask;
  switch (a->col->type->kind) {
  case LS_INT64:
    *out = (double)ls__column_i64(a->col)[at];
    return NULL;
  case LS_STRING:
    return parse_f64(out, ls__vec_slice(a, row));
  default:
    *out = ls__ex_decimal_to_double(ls__vec_dec(a, row), a->col->type->scale);
    return NULL;
  }
}

static const char *to_decimal(ls_int128 *out, const ls_vec *a, int64_t row, const ls_type *to) {
  static const char too_large[] = "the number does not fit the decimal type";
  int64_t at = row & a->mask;
  int rc;
  switch (a->col->type->kind) {
  case LS_INT64:
    rc = ls__decimal_rescale(out, ls__column_i64(a->col)[at], 0, to->scale, to->precision, LS_ROUND_EXACT);
    break;
  case LS_FLOAT64:
    if (!isfinite(ls__column_f64(a->col)[at])) return too_large;
    rc = ls__decimal_from_double(out, ls__column_f64(a->col)[at], to->precision, to->scale);
    break;
  case LS_STRING:
    rc = ls__decimal_parse(out, ls__vec_slice(a, row), to->precision, to->scale, false);
    if (rc == LS_EDATA) return "the text is not a number of the decimal type (too many decimals are not rounded)";
    break;
  default:
    rc = ls__decimal_rescale(out, ls__vec_dec(a, row), a->col->type->scale, to->scale, to->precision, LS_ROUND_HALF_UP);
  }
  return rc == LS_OK ? NULL : too_large;
}

static const char *to_bool(bool *out, const ls_vec *a, int64_t row) {
  ls_slice text = ls__vec_slice(a, row);
  *out = ls__ex_name_is(text, "true");
  return *out || ls__ex_name_is(text, "false") ? NULL : "the text is neither true nor false";
}

static const char *to_time(ls_column *out, const ls_vec *a, int64_t row) {
  int64_t at = row & a->mask;
  bool from_text = a->col->type->kind == LS_STRING;
  if (out->type->kind == LS_TIMESTAMP) {
    int64_t *value = (int64_t *)out->values + row;
    if (!from_text) *value = ls__column_i32(a->col)[at] * LS_US_PER_DAY;
    bool bad = from_text && ls__timestamp_parse(value, ls__vec_slice(a, row)) != LS_OK;
    return bad ? "the text is not a timestamp like 2026-03-01T09:00:00Z" : NULL;
  }
  int32_t *value = (int32_t *)out->values + row;
  if (!from_text) *value = ls__date_of_us(ls__column_i64(a->col)[at]);
  bool bad = from_text && ls__date_parse(value, ls__vec_slice(a, row)) != LS_OK;
  return bad ? "the text is not a date like 2026-03-01" : NULL;
}

static const char *cast_fixed(ls_column *out, const ls_vec *a, int64_t row) {
  const char *why = NULL;
  ls_int128 value = 0;
  bool truth = false;
  switch (out->type->kind) {
  case LS_INT64:
    return to_i64((int64_t *)out->values + row, a, row);
  case LS_FLOAT64:
    return to_f64((double *)out->values + row, a, row);
  case LS_DECIMAL:
    why = to_decimal(&value, a, row, out->type);
    ((ls_i128 *)out->values)[row] = ls__i128_make(value);
    return why;
  case LS_BOOL:
    why = to_bool(&truth, a, row);
    if (truth) LS_BIT_SET(out->values, row);
    return why;
  default:
    return to_time(out, a, row);
  }
}

/* int64 to decimal where every value fits: the cast that comparisons and sums put in by themselves.
 */
static bool widen_decimal(ls_column *out, const ls_ex_call *call) {
  const ls_type *from = call->args[0].col->type, *to = out->type;
  if (from->kind != LS_INT64 || to->precision - to->scale < 19) return false;
  ls_i128 *values = out->values;
  ls_int128 factor = ls__pow10[to->scale];
  for (int64_t i = 0; i < call->n; i++) values[i] = ls__i128_make(ls__vec_i64(&call->args[0], i) * factor);
  return true;
}

static void cast_text(ls_column *out, const ls_ex_call *call) {
  const ls_vec *a = &call->args[0];
  for (int64_t row = 0; row < call->n; row++) {
    if (!ls__ex_live(call, row)) {
      ls__column_append_null(out);
      continue;
    }
    if (a->col->type->kind == LS_BYTES && !ls__utf8_valid(ls__vec_slice(a, row))) {
      if (!call->node->variant) ls__ex_row_error(call->ctx, row, "the bytes are not UTF-8 text");
      ls__column_append_null(out);
      continue;
    }
    ls_text_out text = ls__text_begin(out, call, row);
    ls__text_add_value(&text, a->col, row & a->mask);
    ls__text_end(&text);
  }
}

/* Casts all elements as one column; an element that fails is the row's error. */
static void cast_list(ls_column *out, const ls_ex_call *call) {
  const ls_column *lists = ls__ex_spread(call->args[0], call->n, call->arena);
  const ls_column *elements = &lists->children[0];
  ls_ex_ctx *ctx = call->ctx;
  int32_t *row_map = LS_ARENA_ARRAY(call->arena, int32_t, elements->n_rows + 1);
  uint64_t *active = LS_ARENA_ARRAY(call->arena, uint64_t, LS_BIT_WORDS(elements->n_rows) + 1);
  for (int64_t row = 0; row < call->n; row++) {
    for (int32_t i = lists->offsets[row]; i < lists->offsets[row + 1] && ls__ex_live(call, row); i++) {
      row_map[i] = ctx->row_map ? ctx->row_map[row] : (int32_t)row;
      LS_BIT_SET(active, i);
    }
  }
  if (!ctx->failed) ctx->failed = LS_ARENA_ARRAY(ctx->arena, uint64_t, LS_BIT_WORDS(ctx->n) + 1);
  ls_ex_ctx inner = *ctx;
  inner.n = elements->n_rows;
  inner.row_map = row_map;
  ls_ex node = {
      .op = LS_EX_CALL, .type = out->type->element, .strict = true, .variant = call->node->variant, .slot = -1};
  ls_vec vec = {elements, -1};
  const ls_column *cast = ls__ex_run(&node, ls__ex_kernel_cast, &vec, 1, &inner, active);
  for (int64_t row = 0; row < call->n; row++) {
    if (!ls__ex_live(call, row) || LS_BIT_GET(ctx->failed, ctx->row_map ? ctx->row_map[row] : row)) {
      ls__column_append_null(out);
      continue;
    }
    for (int32_t i = lists->offsets[row]; i < lists->offsets[row + 1]; i++) {
      ls__column_append_from(&out->children[0], cast, i);
    }
    ls__column_append_list_end(out);
  }
}

void ls__ex_kernel_cast(ls_column *out, const ls_ex_call *call) {
  ls_kind to = out->type->kind;
  if (to == LS_STRING || to == LS_BYTES) {
    cast_text(out, call);
  } else if (to == LS_LIST) {
    cast_list(out, call);
  } else if (to != LS_DECIMAL || !widen_decimal(out, call)) {
    for (int64_t row = 0; row < call->n; row++) {
      if (!ls__ex_live(call, row)) continue;
      const char *why = cast_fixed(out, &call->args[0], row);
      if (why && call->node->variant) ls__column_set_null(out, row);
      if (why && !call->node->variant) ls__ex_fail_fixed(out, call, row, why);
    }
  }
}
