/** @file bad_many_fns.c  A count of functions that is off by far: what lies behind the array is not the host's to read. */
#include <libstream/udf.h>

static const ls_udf_fn *const fns[] = {0};
static const ls_udf_manifest manifest = {.magic = LS_UDF_MAGIC,
                                         .struct_size = sizeof(manifest),
                                         .abi_major = LS_UDF_ABI_MAJOR,
                                         .abi_minor = LS_UDF_ABI_MINOR,
                                         .name = "bad_many_fns",
                                         .version = "1",
                                         .fns = fns,
                                         .n_fns = 1000000};
const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
