/** @file bad_small_manifest.c  A manifest that ends before its counts. */
#include <libstream/udf.h>

static const ls_udf_manifest manifest = {LS_UDF_MAGIC,
                                         offsetof(ls_udf_manifest, n_fns),
                                         LS_UDF_ABI_MAJOR,
                                         LS_UDF_ABI_MINOR,
                                         "bad_small_manifest",
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
