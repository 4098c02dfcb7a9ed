/** @file bad_abi_minor.c  Needs a newer minor version of the ABI. */
#include <libstream/udf.h>

static const ls_udf_manifest manifest = {LS_UDF_MAGIC,
                                         sizeof(manifest),
                                         LS_UDF_ABI_MAJOR,
                                         LS_UDF_ABI_MINOR + 1,
                                         "bad_abi_minor",
                                         "1",
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0};
const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
