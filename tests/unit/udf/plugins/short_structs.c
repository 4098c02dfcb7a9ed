/**
 * @file short_structs.c
 * What a plugin of an older header looks like: its function struct ends after eval(), and what lies
 * behind it in memory is not the host's to read.
 */
#include <libstream/udf.h>

static int32_t twice_row(void *state, const ls_udf_host *host, ls_udf_call *call, int64_t row, int64_t a,
                         int64_t *out) {
  (void)state, (void)host, (void)call, (void)row;
  *out = 2 * a;
  return LS_UDF_OK;
}
LS_UDF_ROWWISE1(twice_eval, twice_row, INT64, INT64)

/* In the place of close(): a pointer that crashes when it is called. */
static const ls_udf_type args[] = {{.kind = LS_INT64}};
static const ls_udf_fn fn = {.struct_size = offsetof(ls_udf_fn, close),
                             .flags = LS_UDF_STRICT,
                             .name = "old_twice",
                             .args = args,
                             .n_args = 1,
                             .ret = {.kind = LS_INT64},
                             .eval = twice_eval,
                             .close = (void (*)(void *))(uintptr_t)0xDEAD};
LS_UDF_PLUGIN("short_structs", "0.9", &fn)
