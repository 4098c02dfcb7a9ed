/** @file udf_agg.c  Calls of aggregate functions. Accumulators belong to the caller. */
#include <string.h>

#include "base/assert.h"
#include "udf/udf_internal.h"

static void check_acc(const ls_udf_instance *instance, const void *acc) {
  ls_assert(instance->agg != NULL && (uintptr_t)acc % 16 == 0);
}

void ls__udf_agg_init(ls_udf_instance *instance, void *acc) {
  check_acc(instance, acc);
  memset(acc, 0, instance->agg->acc_bytes); /* padding too: accumulators are stored and compared as bytes */
  instance->agg->init(instance->state, acc);
}

void ls__udf_agg_rows(ls_udf_instance *instance, const ls_column *const *args, uint32_t n_args, ls_arena *arena) {
  ls_assert(instance->agg != NULL && n_args == instance->agg->n_args);
  for (uint32_t i = 0; i < n_args; i++) ls__udf_vec_init(&instance->vecs[i], args[i], arena);
}

typedef int32_t (*row_fn)(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args, int64_t row,
                          void *acc);

static int call_with_row(ls_udf_instance *instance, row_fn fn, int64_t row, ls_arena *arena, void *acc, ls_error *err) {
  const ls_udf_agg *agg = instance->agg;
  check_acc(instance, acc);
  for (uint32_t i = 0; (agg->flags & LS_UDF_STRICT) && i < agg->n_args; i++) {
    if (ls_udf_is_null(&instance->vecs[i], row)) return LS_OK;
  }
  ls_udf_call call = {
      .name = agg->name, .arena = arena, .n_rows = agg->n_args > 0 ? instance->vecs[0].n_rows : row + 1};
  memcpy(instance->saved, acc, agg->acc_bytes);
  int32_t rc = fn(instance->state, &ls__udf_host, &call, instance->vecs, row, acc);
  if (rc == LS_UDF_OK && call.row_errors != NULL && call.row_errors[row] != NULL) {
    rc = ls__udf_host.fail(&call, LS_UDF_EDATA, "%s", call.row_errors[row]);
  }
  if (rc == LS_UDF_OK && !call.failed) return LS_OK;
  memcpy(acc, instance->saved, agg->acc_bytes);
  return ls__udf_call_result(&call, rc, LS_EDATA, err);
}

int ls__udf_agg_accumulate(ls_udf_instance *instance, int64_t row, ls_arena *arena, void *acc, ls_error *err) {
  return call_with_row(instance, instance->agg->accumulate, row, arena, acc, err);
}

int ls__udf_agg_retract(ls_udf_instance *instance, int64_t row, ls_arena *arena, void *acc, ls_error *err) {
  ls_assert(instance->agg->retract != NULL);
  return call_with_row(instance, instance->agg->retract, row, arena, acc, err);
}

int ls__udf_agg_merge(ls_udf_instance *instance, void *acc, const void *other, ls_error *err) {
  const ls_udf_agg *agg = instance->agg;
  check_acc(instance, acc);
  check_acc(instance, other);
  memcpy(instance->saved, acc, agg->acc_bytes);
  int32_t rc = agg->merge(instance->state, acc, other);
  if (rc >= 0) return LS_OK;
  memcpy(acc, instance->saved, agg->acc_bytes);
  return ls_error_set(err, rc == LS_UDF_EDATA ? LS_EDATA : LS_EFUNCTION,
                      "%s: two partial results can't be merged (a sum may not fit)", agg->name);
}

static void append_value(ls_column *out, const ls_udf_out *value, ls_slice bytes) {
  if (!LS_BIT_GET(value->validity, 0)) {
    ls__column_append_null(out);
    return;
  }
  switch (out->type->kind) {
  case LS_BOOL:
    ls__column_append_bool(out, LS_BIT_GET(value->values, 0));
    break;
  case LS_INT64:
  case LS_TIMESTAMP:
    ls__column_append_i64(out, *(const int64_t *)value->values);
    break;
  case LS_FLOAT64:
    ls__column_append_f64(out, *(const double *)value->values);
    break;
  case LS_DATE:
    ls__column_append_i32(out, *(const int32_t *)value->values);
    break;
  case LS_DECIMAL:
    ls__column_append_decimal(out, ls__i128_get(*(const ls_i128 *)value->values));
    break;
  default:
    ls__column_append_slice(out, bytes);
    break; /* STRING, BYTES: no others pass loading */
  }
}

static int32_t check_values(ls_udf_call *call, const ls_udf_out *outs, uint32_t n_outs) {
  char text[LS_UDF_TEXT_MAX];
  for (uint32_t i = 0; i < n_outs; i++) {
    if (!LS_BIT_GET(outs[i].validity, 0) || ls__udf_checked_width(&outs[i].type) == 0) continue;
    if (ls__udf_value_fault(text, &outs[i].type, outs[i].values))
      return ls__udf_host.fail(call, LS_UDF_EDATA, "a result %s", text);
  }
  return LS_UDF_OK;
}

int ls__udf_agg_finish(ls_column *out, ls_udf_instance *instance, const void *acc, ls_arena *arena, ls_error *err) {
  const ls_udf_agg *agg = instance->agg;
  check_acc(instance, acc);
  bool is_struct = out->type->kind == LS_STRUCT;
  uint32_t n_outs = is_struct ? agg->ret.n_children : 1;
  ls_udf_out *outs = LS_ARENA_ARRAY(arena, ls_udf_out, n_outs);
  ls_udf_call call = {.name = agg->name, .arena = arena, .n_rows = n_outs};
  call.fields = is_struct ? agg->ret.children : &agg->ret;
  call.bytes = LS_ARENA_ARRAY(arena, ls_slice, n_outs);
  for (uint32_t i = 0; i < n_outs; i++) {
    outs[i].type = call.fields[i];
    outs[i].n_rows = 1;
    outs[i].validity = ls__arena_zalloc(arena, sizeof(uint64_t));
    outs[i].validity[0] = 1;
    outs[i].values = ls__arena_zalloc(arena, sizeof(ls_i128)); /* room for the widest */
  }
  int32_t rc = agg->finish(instance->state, &ls__udf_host, &call, acc, outs);
  if (rc == LS_UDF_OK && call.row_errors != NULL) {
    const char *why = "it called fail_row in finish()";
    rc = ls__udf_host.fail(&call, LS_UDF_EDATA, "%s", call.row_errors[0] ? call.row_errors[0] : why);
  }
  if (rc == LS_UDF_OK) rc = check_values(&call, outs, n_outs);
  LS_TRY(ls__udf_call_result(&call, rc, LS_EDATA, err));
  for (uint32_t i = 0; i < n_outs; i++) {
    append_value(is_struct ? &out->children[i] : out, &outs[i], call.bytes[i]);
  }
  if (is_struct) ls__column_append_struct_end(out);
  return LS_OK;
}
