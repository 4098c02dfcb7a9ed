/** @file bad_small_fn.c  A function that ends before its eval(). */
#include <libstream/udf.h>

static const ls_udf_fn fn = {.struct_size = offsetof(ls_udf_fn, eval), .name = "small"};
LS_UDF_PLUGIN("bad_small_fn", "1", &fn)
