/** @file probe.c  One function for each type and for each thing a host offers, so that the calls can be seen. */
#include <libstream/udf.h>
#include <string.h>

#define EVAL(name)                                                                                                     \
  static int32_t name(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args, ls_udf_out *out)

/* same_<type>: the argument, by the row-wise macro. Also a result of null for one value. */
#define SAME(id, TYPE, ctype)                                                                                          \
  static int32_t id##_row(void *state, const ls_udf_host *host, ls_udf_call *call, int64_t row, ctype a, ctype *out) { \
    (void)state, (void)host, (void)call, (void)row;                                                                    \
    *out = a;                                                                                                          \
    return LS_UDF_OK;                                                                                                  \
  }                                                                                                                    \
  LS_UDF_ROWWISE1(id##_eval, id##_row, TYPE, TYPE)                                                                     \
  static const ls_udf_type id##_args[] = {                                                                             \
      {.kind = LS_##TYPE, .precision = LS_##TYPE == LS_DECIMAL ? 18 : 0, .scale = LS_##TYPE == LS_DECIMAL ? 4 : 0}};   \
  static const ls_udf_fn id = {.struct_size = sizeof(ls_udf_fn),                                                       \
                               .flags = LS_UDF_STRICT,                                                                 \
                               .name = #id,                                                                            \
                               .args = id##_args,                                                                      \
                               .n_args = 1,                                                                            \
                               .ret = {.kind = LS_##TYPE,                                                              \
                                       .precision = LS_##TYPE == LS_DECIMAL ? 18 : 0,                                  \
                                       .scale = LS_##TYPE == LS_DECIMAL ? 4 : 0},                                      \
                               .eval = id##_eval};
SAME(same_bool, BOOL, bool)
SAME(same_int64, INT64, int64_t)
SAME(same_float64, FLOAT64, double)
SAME(same_decimal, DECIMAL, ls_i128)
SAME(same_string, STRING, ls_slice)
SAME(same_bytes, BYTES, ls_slice)
SAME(same_timestamp, TIMESTAMP, int64_t)
SAME(same_date, DATE, int32_t)

/* Row-wise: null for 0, an error without a text for 13, the batch for 99. */
static int32_t moods_row(void *state, const ls_udf_host *host, ls_udf_call *call, int64_t row, int64_t a, int64_t b,
                         int64_t *out) {
  (void)state, (void)row;
  *out = a + b;
  if (a == 0) return LS_UDF_NULL;
  if (a == 13) return LS_UDF_EDATA;
  return a == 99 ? host->fail(call, LS_UDF_EFATAL, "99 it is") : LS_UDF_OK;
}
LS_UDF_ROWWISE2(moods_eval, moods_row, INT64, INT64, INT64)
static const ls_udf_type two_numbers[] = {{.kind = LS_INT64}, {.kind = LS_INT64}};
static const ls_udf_fn moods = {.struct_size = sizeof(ls_udf_fn),
                                .flags = LS_UDF_STRICT,
                                .name = "moods",
                                .args = two_numbers,
                                .n_args = 2,
                                .ret = {.kind = LS_INT64},
                                .eval = moods_eval};

/* Not strict: 1 for a null, 0 for a value; every third row set from the end, twice. */
EVAL(describe_eval) {
  (void)state;
  for (int64_t row = out->n_rows - 1; row >= 0; row--) {
    const char *text = ls_udf_is_null(&args[0], row) ? "null" : "value";
    if (row % 3 == 0) host->set_bytes(call, row, "overwritten", 11);
    if (row % 5 != 4) host->set_bytes(call, row, text, strlen(text)); /* else: never set, or overwritten */
  }
  return LS_UDF_OK;
}
static const ls_udf_fn describe = {.struct_size = sizeof(ls_udf_fn),
                                   .name = "describe",
                                   .args = two_numbers,
                                   .n_args = 1,
                                   .ret = {.kind = LS_STRING},
                                   .eval = describe_eval};

/* The stream time of each row, and how many rows the call has: not strict, so rows are compacted. */
EVAL(row_time_eval) {
  (void)state, (void)args;
  int64_t *copy = host->alloc(call, sizeof(int64_t) * (size_t)out->n_rows, 64);
  if ((uintptr_t)copy % 64 != 0) return host->fail(call, LS_UDF_EFATAL, "alloc does not align");
  for (int64_t row = 0; row < out->n_rows; row++) copy[row] = host->stream_time_us(call, row);
  memcpy(out->values, copy, sizeof(int64_t) * (size_t)out->n_rows);
  return LS_UDF_OK;
}
static const ls_udf_fn row_time = {.struct_size = sizeof(ls_udf_fn),
                                   .name = "row_time",
                                   .args = two_numbers,
                                   .n_args = 1,
                                   .ret = {.kind = LS_TIMESTAMP},
                                   .eval = row_time_eval};
EVAL(batch_rows_eval) {
  (void)state, (void)host, (void)call, (void)args;
  for (int64_t row = 0; row < out->n_rows; row++) {
    ((int64_t *)out->values)[row] = out->n_rows;
    if (row == 0) host->fail_row(call, row, "the first one shown");
  }
  return LS_UDF_OK;
}
static const ls_udf_fn batch_rows = {.struct_size = sizeof(ls_udf_fn),
                                     .name = "batch_rows",
                                     .args = two_numbers,
                                     .n_args = 1,
                                     .ret = {.kind = LS_INT64},
                                     .eval = batch_rows_eval};

/* No argument. */
EVAL(seven_eval) {
  (void)state, (void)host, (void)call, (void)args;
  for (int64_t row = 0; row < out->n_rows; row++) ((int64_t *)out->values)[row] = 7;
  return LS_UDF_OK;
}
static const ls_udf_fn seven = {.struct_size = sizeof(ls_udf_fn),
                                .flags = LS_UDF_STRICT,
                                .name = "seven",
                                .ret = {.kind = LS_INT64},
                                .eval = seven_eval};

/* Aggregates: strict maximum with a text, and one that refuses negatives after spoiling its accumulator. */
typedef struct most {
  int64_t n, max;
} most;
static void most_init(void *state, void *acc) {
  (void)state;
  *(most *)acc = (most){0, INT64_MIN};
}
static int32_t most_accumulate(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,
                               int64_t row, void *acc) {
  (void)state;
  most *self = acc;
  int64_t value = ((const int64_t *)args[0].values)[row];
  self->n++;
  if (value > self->max) self->max = value;
  return value < 0 ? host->fail(call, LS_UDF_EDATA, "below zero") : LS_UDF_OK;
}
static int32_t most_merge(void *state, void *acc, const void *other) {
  (void)state;
  most *self = acc;
  const most *more = other;
  self->n += more->n;
  if (more->max > self->max) self->max = more->max;
  return self->n > 100 ? LS_UDF_EDATA : LS_UDF_OK;
}
static int32_t most_finish(void *state, const ls_udf_host *host, ls_udf_call *call, const void *acc, ls_udf_out *out) {
  (void)state;
  const most *self = acc;
  if (self->n == 7) return host->fail(call, LS_UDF_EFATAL, "seven");
  *(int64_t *)out[0].values = self->n;
  if (self->n == 0) {
    ls_udf_set_null(&out[1], 0);
  } else {
    *(int64_t *)out[1].values = self->max;
  }
  host->set_bytes(call, 2, self->n > 1 ? "many" : "few", self->n > 1 ? 4 : 3);
  *(uint64_t *)out[3].values = self->n > 1;
  return LS_UDF_OK;
}
static const ls_udf_type most_fields[] = {
    {.kind = LS_INT64}, {.kind = LS_INT64}, {.kind = LS_STRING}, {.kind = LS_BOOL}};
static const char *const most_names[] = {"n", "max", "word", "many"};
static const ls_udf_agg most_of = {
    .struct_size = sizeof(ls_udf_agg),
    .flags = LS_UDF_STRICT,
    .name = "most_of",
    .args = two_numbers,
    .n_args = 1,
    .ret = {.kind = LS_STRUCT, .n_children = 4, .children = most_fields, .names = most_names},
    .acc_bytes = sizeof(most),
    .acc_version = 1,
    .init = most_init,
    .accumulate = most_accumulate,
    .merge = most_merge,
    .finish = most_finish};

static const ls_udf_fn *const fns[] = {&same_bool,  &same_int64,     &same_float64, &same_decimal, &same_string,
                                       &same_bytes, &same_timestamp, &same_date,    &moods,        &describe,
                                       &row_time,   &batch_rows,     &seven};
static const ls_udf_agg *const aggs[] = {&most_of};
static const ls_udf_manifest manifest = {.magic = LS_UDF_MAGIC,
                                         .struct_size = sizeof(manifest),
                                         .abi_major = LS_UDF_ABI_MAJOR,
                                         .abi_minor = LS_UDF_ABI_MINOR,
                                         .name = "probe",
                                         .version = "1",
                                         .fns = fns,
                                         .aggs = aggs,
                                         .n_fns = sizeof(fns) / sizeof(fns[0]),
                                         .n_aggs = 1};
const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
