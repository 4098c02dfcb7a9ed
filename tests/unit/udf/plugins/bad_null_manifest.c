/** @file bad_null_manifest.c  An entry that has nothing to give. */
#include <libstream/udf.h>

const ls_udf_manifest *ls_udf_entry_v1(void) {
  return NULL;
}
