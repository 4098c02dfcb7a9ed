/** @file bad_abi_major.c  Built for a later major version of the ABI. */
#include <libstream/udf.h>

static const ls_udf_manifest manifest = {
    LS_UDF_MAGIC, sizeof(manifest), LS_UDF_ABI_MAJOR + 1, 3, "bad_abi_major", "1", 0, 0, 0, 0, 0, 0, 0, 0, 0};
const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
