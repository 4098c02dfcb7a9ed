/** @file failing_rows.c  Functions that fail: single rows, all of a batch, or the rules of the ABI. */
#include <libstream/udf.h>

#define EVAL(name)                                                                                                     \
  static int32_t name(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args, ls_udf_out *out)

/* Backwards, and with nothing left out, as a function that does not look at nulls would. */
EVAL(refuse_odd_eval) {
  (void)state;
  for (int64_t row = out->n_rows - 1; row >= 0; row--) {
    int64_t value = ((const int64_t *)args[0].values)[row];
    ((int64_t *)out->values)[row] = (int64_t)((uint64_t)value + 1);
    if (value % 2 == 0) continue;
    host->fail_row(call, row, "the number is odd");
    host->fail_row(call, row, "said twice");
  }
  return LS_UDF_OK;
}
EVAL(refuse_batch_eval) {
  (void)state, (void)args, (void)out;
  return host->fail(call, LS_UDF_EDATA, "not %s", "today");
}
EVAL(try_later_eval) {
  (void)state, (void)args, (void)out;
  return host->fail(call, LS_UDF_ERETRY, "the table is being read");
}
EVAL(no_reason_eval) {
  (void)state, (void)host, (void)call, (void)args, (void)out;
  return LS_UDF_EFATAL;
}
EVAL(past_the_end_eval) {
  (void)state, (void)args;
  host->fail_row(call, out->n_rows, "there is no such row");
  return LS_UDF_OK;
}
EVAL(bytes_for_number_eval) {
  (void)state, (void)args, (void)out;
  host->set_bytes(call, 0, "1", 1);
  return LS_UDF_OK;
}
EVAL(not_utf8_eval) {
  (void)state, (void)args;
  for (int64_t row = 0; row < out->n_rows; row++) host->set_bytes(call, row, row == 1 ? "\xC3(" : "\xC3\xA9", 2);
  return LS_UDF_OK;
}
EVAL(too_wide_eval) {
  (void)state, (void)host, (void)call, (void)args;
  for (int64_t row = 0; row < out->n_rows; row++) {
    ((ls_i128 *)out->values)[row] = (ls_i128){row == 1 ? 1000 : 999, 0};
  }
  return LS_UDF_OK;
}
/* Row 0 is the last value that the type has, rows 1 and 2 are outside. */
EVAL(not_finite_eval) {
  (void)state, (void)host, (void)call, (void)args;
  double zero = 0;
  for (int64_t row = 0; row < out->n_rows; row++)
    ((double *)out->values)[row] = row == 0 ? 0.5 : row == 1 ? zero / zero : 1 / zero;
  return LS_UDF_OK;
}
EVAL(far_time_eval) {
  (void)state, (void)host, (void)call, (void)args;
  for (int64_t row = 0; row < out->n_rows; row++) {
    int64_t last = INT64_C(253402300799999999), first = INT64_C(-62135596800000000);
    ((int64_t *)out->values)[row] = row == 0 ? last : row == 1 ? last + 1 : first - 1;
  }
  return LS_UDF_OK;
}
EVAL(far_date_eval) {
  (void)state, (void)host, (void)call, (void)args;
  for (int64_t row = 0; row < out->n_rows; row++)
    ((int32_t *)out->values)[row] = row == 0 ? -719162 : row == 1 ? -719163 : 2932897;
  return LS_UDF_OK;
}
EVAL(undecided_eval) {
  (void)state, (void)host, (void)call, (void)args, (void)out;
  return LS_UDF_OK;
}
static int32_t undecided_bind(const ls_udf_type *types, uint32_t n_args, ls_udf_type *ret, char *msg, size_t msg_size) {
  (void)n_args;
  ret->precision = 39;
  if (types[0].scale != 7) return LS_UDF_OK;
  for (size_t i = 0; i < 8 && i < msg_size; i++) msg[i] = "scale 7"[i];
  return LS_UDF_EDATA;
}

static const ls_udf_type number[] = {{.kind = LS_INT64}};
static const ls_udf_type any_decimal[] = {{.kind = LS_DECIMAL}};
#define FN(id, fn_flags, ...)                                                                                          \
  static const ls_udf_fn id = {.struct_size = sizeof(ls_udf_fn),                                                       \
                               .flags = (fn_flags),                                                                    \
                               .name = #id,                                                                            \
                               .args = number,                                                                         \
                               .n_args = 1,                                                                            \
                               .ret = {__VA_ARGS__},                                                                   \
                               .eval = id##_eval}
FN(refuse_odd, LS_UDF_STRICT, .kind = LS_INT64);
FN(refuse_batch, 0, .kind = LS_INT64);
FN(try_later, 0, .kind = LS_INT64);
FN(no_reason, 0, .kind = LS_INT64);
FN(past_the_end, 0, .kind = LS_INT64);
FN(bytes_for_number, 0, .kind = LS_INT64);
FN(not_utf8, 0, .kind = LS_STRING);
FN(too_wide, 0, .kind = LS_DECIMAL, .precision = 3);
FN(not_finite, 0, .kind = LS_FLOAT64);
FN(far_time, 0, .kind = LS_TIMESTAMP);
FN(far_date, 0, .kind = LS_DATE);
static const ls_udf_fn undecided = {.struct_size = sizeof(ls_udf_fn),
                                    .name = "undecided",
                                    .args = any_decimal,
                                    .n_args = 1,
                                    .ret = {.kind = LS_DECIMAL},
                                    .bind = undecided_bind,
                                    .eval = undecided_eval};
LS_UDF_PLUGIN("failing_rows", "1", &refuse_odd, &refuse_batch, &try_later, &no_reason, &past_the_end, &bytes_for_number,
              &not_utf8, &too_wide, &not_finite, &far_time, &far_date, &undecided)
