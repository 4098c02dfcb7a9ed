/** @file bad_list_result.c  A scalar function with a result that ABI 1.1 has not. */
#include <libstream/udf.h>

static int32_t eval(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args, ls_udf_out *out) {
  (void)state, (void)host, (void)call, (void)args, (void)out;
  return LS_UDF_OK;
}
static const ls_udf_type element = {.kind = LS_STRING};
static const ls_udf_fn fn = {.struct_size = sizeof(ls_udf_fn),
                             .name = "split_words",
                             .ret = {.kind = LS_LIST, .n_children = 1, .children = &element},
                             .eval = eval};
LS_UDF_PLUGIN("bad_list_result", "1", &fn)
