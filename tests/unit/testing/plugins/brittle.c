/** @file brittle.c  An aggregate whose result fails when its sum is 13 (that result) or 99 (the plugin). */
#include <libstream/udf.h>

static void brittle_init(void *state, void *acc) {
  (void)state;
  *(int64_t *)acc = 0;
}

static int32_t brittle_accumulate(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,
                                  int64_t row, void *acc) {
  (void)state, (void)host, (void)call;
  *(int64_t *)acc += ((const int64_t *)args[0].values)[row];
  return LS_UDF_OK;
}

static int32_t brittle_merge(void *state, void *acc, const void *other) {
  (void)state;
  *(int64_t *)acc += *(const int64_t *)other;
  return LS_UDF_OK;
}

static int32_t brittle_finish(void *state, const ls_udf_host *host, ls_udf_call *call, const void *acc,
                              ls_udf_out *out) {
  (void)state;
  int64_t sum = *(const int64_t *)acc;
  if (sum == 13) return host->fail(call, LS_UDF_EDATA, "an unlucky sum");
  if (sum == 99) return host->fail(call, LS_UDF_EFATAL, "out of order");
  *(int64_t *)out[0].values = sum;
  return LS_UDF_OK;
}

static const ls_udf_type number[] = {{.kind = LS_INT64}};
static const ls_udf_agg brittle = {.struct_size = sizeof(ls_udf_agg),
                                   .flags = LS_UDF_STRICT,
                                   .name = "brittle",
                                   .args = number,
                                   .n_args = 1,
                                   .ret = {.kind = LS_INT64},
                                   .acc_bytes = 16,
                                   .acc_version = 1,
                                   .init = brittle_init,
                                   .accumulate = brittle_accumulate,
                                   .merge = brittle_merge,
                                   .finish = brittle_finish};
static const ls_udf_agg *const aggs[] = {&brittle};
static const ls_udf_manifest manifest = {.magic = LS_UDF_MAGIC,
                                         .struct_size = sizeof(manifest),
                                         .abi_major = LS_UDF_ABI_MAJOR,
                                         .abi_minor = LS_UDF_ABI_MINOR,
                                         .name = "brittle",
                                         .version = "1",
                                         .aggs = aggs,
                                         .n_aggs = 1};
const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
