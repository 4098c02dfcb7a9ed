/** @file bad_twice.c  Has two functions of one name. */
#include <libstream/udf.h>

static int32_t one_row(void *state, const ls_udf_host *host, ls_udf_call *call, int64_t row, ls_slice a, ls_slice b,
                       ls_slice *out) {
  (void)state, (void)host, (void)call, (void)row, (void)b;
  *out = a;
  return LS_UDF_OK;
}
LS_UDF_ROWWISE2(eval, one_row, STRING, STRING, STRING)
static const ls_udf_type args[] = {{.kind = LS_STRING}, {.kind = LS_STRING}};
static const ls_udf_fn fn = {.struct_size = sizeof(ls_udf_fn),
                             .flags = LS_UDF_STRICT,
                             .name = "twice",
                             .args = args,
                             .n_args = 2,
                             .ret = {.kind = LS_STRING},
                             .eval = eval};
LS_UDF_PLUGIN("bad_twice", "1", &fn, &fn)
