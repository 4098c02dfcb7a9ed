/** @file volatile_fn.c  A function that is not one of its arguments alone, and says so. */
#include <libstream/udf.h>

static int64_t n_calls;

static int32_t count_row(void *state, const ls_udf_host *host, ls_udf_call *call, int64_t row, int64_t a,
                         int64_t *out) {
  (void)state, (void)host, (void)call, (void)row, (void)a;
  *out = ++n_calls;
  return LS_UDF_OK;
}
LS_UDF_ROWWISE1(count_eval, count_row, INT64, INT64)

static const ls_udf_type args[] = {{.kind = LS_INT64}};
static const ls_udf_fn fn = {.struct_size = sizeof(ls_udf_fn),
                             .flags = LS_UDF_STRICT | LS_UDF_VOLATILE,
                             .name = "call_count",
                             .args = args,
                             .n_args = 1,
                             .ret = {.kind = LS_INT64},
                             .eval = count_eval};
LS_UDF_PLUGIN("volatile_fn", "1", &fn)
