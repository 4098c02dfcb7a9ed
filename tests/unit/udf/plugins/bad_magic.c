/** @file bad_magic.c  A manifest of something else. */
#include <libstream/udf.h>

static const ls_udf_manifest manifest = {
    0x12345678u, sizeof(manifest), 1, 0, "bad_magic", "1", 0, 0, 0, 0, 0, 0, 0, 0, 0};
const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
