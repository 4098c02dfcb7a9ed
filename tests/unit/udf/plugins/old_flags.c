/** @file old_flags.c  A plugin of ABI 1.0, in which the bits of later flags meant nothing. */
#include <libstream/udf.h>

static int32_t same_row(void *state, const ls_udf_host *host, ls_udf_call *call, int64_t row, ls_slice a,
                        ls_slice *out) {
  (void)state, (void)host, (void)call, (void)row;
  *out = a;
  return LS_UDF_OK;
}
LS_UDF_ROWWISE1(same_eval, same_row, STRING, STRING)

static const ls_udf_type args[] = {{.kind = LS_STRING}};
static const ls_udf_fn fn = {.struct_size = sizeof(ls_udf_fn),
                             .flags = ~LS_UDF_VOLATILE,
                             .name = "old_same",
                             .args = args,
                             .n_args = 1,
                             .ret = {.kind = LS_STRING},
                             .eval = same_eval};
static const ls_udf_fn *const fns[] = {&fn};
static const ls_udf_manifest manifest = {.magic = LS_UDF_MAGIC,
                                         .struct_size = sizeof(manifest),
                                         .abi_major = 1,
                                         .abi_minor = 0,
                                         .name = "old_flags",
                                         .version = "1",
                                         .fns = fns,
                                         .n_fns = 1};
const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
