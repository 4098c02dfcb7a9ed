/** @file bad_open_decimal.c  A decimal result that nobody decides: no precision and no bind(). */
#include <libstream/udf.h>

static int32_t eval(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args, ls_udf_out *out) {
  (void)state, (void)host, (void)call, (void)args, (void)out;
  return LS_UDF_OK;
}
static const ls_udf_fn fn = {
    .struct_size = sizeof(ls_udf_fn), .name = "open_decimal", .ret = {.kind = LS_DECIMAL}, .eval = eval};
LS_UDF_PLUGIN("bad_open_decimal", "1", &fn)
