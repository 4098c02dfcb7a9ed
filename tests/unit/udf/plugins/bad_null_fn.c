/** @file bad_null_fn.c  An array of functions that ends before its count. */
#include <libstream/udf.h>

static const ls_udf_fn *const fns[] = {0, 0, 0};
static const ls_udf_manifest manifest = {.magic = LS_UDF_MAGIC,
                                         .struct_size = sizeof(manifest),
                                         .abi_major = LS_UDF_ABI_MAJOR,
                                         .abi_minor = LS_UDF_ABI_MINOR,
                                         .name = "bad_null_fn",
                                         .version = "1",
                                         .fns = fns,
                                         .n_fns = 3};
const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
