/** @file expr_probe.c  Functions that show how expressions call plugins: arguments, nulls, row
 * errors, state. */
#include <libstream/udf.h>

static int64_t i64_at(const ls_udf_vec *v, int64_t row) {
  return ((const int64_t *)v->values)[row];
}
static int is_valid(const ls_udf_vec *v, int64_t row) {
  return v->validity == NULL || (v->validity[row >> 6] >> (row & 63) & 1);
}

/* strict: a / b, refuses b = 0 */
static int32_t divide_eval(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,
                           ls_udf_out *out) {
  (void)state;
  for (int64_t row = 0; row < out->n_rows; row++) {
    if (!is_valid(&args[0], row) || !is_valid(&args[1], row)) continue;
    if (i64_at(&args[1], row) == 0) {
      host->fail_row(call, row, "probe: zero");
    } else {
      ((int64_t *)out->values)[row] = i64_at(&args[0], row) / i64_at(&args[1], row);
    }
  }
  return LS_UDF_OK;
}

/* not strict: 1 where the float is null, else 0 */
static int32_t is_missing_eval(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,
                               ls_udf_out *out) {
  (void)state, (void)host, (void)call;
  for (int64_t row = 0; row < out->n_rows; row++) ((int64_t *)out->values)[row] = !is_valid(&args[0], row);
  return LS_UDF_OK;
}

/* strict: the decimal itself; the whole call fails on a batch that holds -1 */
static int32_t same_eval(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,
                         ls_udf_out *out) {
  (void)state;
  for (int64_t row = 0; row < out->n_rows; row++) {
    ls_i128 value = ((const ls_i128 *)args[0].values)[row];
    if (value.hi == -1 && value.lo == UINT64_MAX) return host->fail(call, LS_UDF_EFATAL, "probe: broken");
    ((ls_i128 *)out->values)[row] = value;
  }
  return LS_UDF_OK;
}

static int32_t mask_eval(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,
                         ls_udf_out *out) {
  (void)state;
  for (int64_t row = 0; row < out->n_rows; row++) {
    if (is_valid(&args[0], row)) host->set_bytes(call, row, "***", 3);
  }
  return LS_UDF_OK;
}

static const ls_udf_type ints[] = {{.kind = LS_INT64}, {.kind = LS_INT64}};
static const ls_udf_type floats[] = {{.kind = LS_FLOAT64}};
static const ls_udf_type decimals[] = {{.kind = LS_DECIMAL, .precision = 20, .scale = 4}};
static const ls_udf_type strings[] = {{.kind = LS_STRING}};

#define FN(id, flag, fn_name, types, n, result)                                                                        \
  static const ls_udf_fn id = {.struct_size = sizeof(ls_udf_fn),                                                       \
                               .flags = (flag),                                                                        \
                               .name = fn_name,                                                                        \
                               .args = types,                                                                          \
                               .n_args = n,                                                                            \
                               .ret = result,                                                                          \
                               .eval = id##_eval}
#define TYPE(...)                                                                                                      \
  { __VA_ARGS__ }
FN(divide, LS_UDF_STRICT, "probe_divide", ints, 2, TYPE(.kind = LS_INT64));
FN(is_missing, 0, "probe_is_missing", floats, 1, TYPE(.kind = LS_INT64));
FN(same, LS_UDF_STRICT, "probe_same", decimals, 1, TYPE(.kind = LS_DECIMAL, .precision = 20, .scale = 4));
FN(mask, LS_UDF_STRICT | LS_UDF_DECLASSIFIES, "probe_mask", strings, 1, TYPE(.kind = LS_STRING));

/* gives back what it is given, and says nothing of it */
static int32_t echo_eval(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,
                         ls_udf_out *out) {
  (void)state;
  for (int64_t row = 0; row < out->n_rows; row++) {
    ls_slice text = ls_udf_slice(&args[1], row);
    if (is_valid(&args[1], row)) host->set_bytes(call, row, text.ptr, text.len);
  }
  return LS_UDF_OK;
}
static const ls_udf_type int_and_string[] = {{.kind = LS_INT64}, {.kind = LS_STRING}};
FN(echo, LS_UDF_STRICT, "probe_echo", int_and_string, 2, TYPE(.kind = LS_STRING));
static int32_t tick_eval(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,
                         ls_udf_out *out) {
  return is_missing_eval(state, host, call, args, out);
}
FN(tick, LS_UDF_VOLATILE, "probe_tick", floats, 1, TYPE(.kind = LS_INT64));

static const ls_udf_fn *const fns[] = {&divide, &is_missing, &same, &mask, &tick, &echo};
static const ls_udf_manifest manifest = {.magic = LS_UDF_MAGIC,
                                         .struct_size = sizeof(ls_udf_manifest),
                                         .abi_major = LS_UDF_ABI_MAJOR,
                                         .abi_minor = LS_UDF_ABI_MINOR,
                                         .name = "expr_probe",
                                         .version = "1",
                                         .license = "none",
                                         .fns = fns,
                                         .n_fns = 6};
__attribute__((visibility("default"))) const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
