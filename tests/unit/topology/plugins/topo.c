/* The functions that the topology tests call: never evaluated, only bound. */
#include <libstream/udf.h>

static int32_t never(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args, ls_udf_out *out) {
  (void)state, (void)args, (void)out;
  return host->fail(call, LS_UDF_EFATAL, "not for calling");
}
static void init(void *state, void *acc) {
  (void)state, (void)acc;
}
static int32_t accumulate(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args, int64_t row,
                          void *acc) {
  (void)state, (void)args, (void)row, (void)acc;
  return host->fail(call, LS_UDF_EFATAL, "not for calling");
}
static int32_t merge(void *state, void *acc, const void *other) {
  (void)state, (void)acc, (void)other;
  return LS_UDF_OK;
}
static int32_t finish(void *state, const ls_udf_host *host, ls_udf_call *call, const void *acc, ls_udf_out *out) {
  (void)state, (void)acc, (void)out;
  return host->fail(call, LS_UDF_EFATAL, "not for calling");
}

static const ls_udf_type string_arg = {.kind = LS_STRING};
static const ls_udf_type decimal_arg = {.kind = LS_DECIMAL, .precision = 38, .scale = 4};

static const ls_udf_fn mask = {.struct_size = sizeof(ls_udf_fn),
                               .flags = LS_UDF_STRICT | LS_UDF_DECLASSIFIES,
                               .name = "udf_mask",
                               .about = "A token",
                               .args = &string_arg,
                               .n_args = 1,
                               .ret = {.kind = LS_STRING},
                               .eval = never};
static const ls_udf_fn echo = {.struct_size = sizeof(ls_udf_fn),
                               .flags = LS_UDF_STRICT,
                               .name = "udf_echo",
                               .about = "The text itself",
                               .args = &string_arg,
                               .n_args = 1,
                               .ret = {.kind = LS_STRING},
                               .eval = never};
static const ls_udf_fn dice = {.struct_size = sizeof(ls_udf_fn),
                               .flags = LS_UDF_VOLATILE,
                               .name = "udf_volatile",
                               .about = "Not pure",
                               .args = &string_arg,
                               .n_args = 1,
                               .ret = {.kind = LS_STRING},
                               .eval = never};
static const ls_udf_agg total = {.struct_size = sizeof(ls_udf_agg),
                                 .name = "udf_total",
                                 .about = "A sum",
                                 .args = &decimal_arg,
                                 .n_args = 1,
                                 .ret = {.kind = LS_DECIMAL, .precision = 38, .scale = 4},
                                 .acc_bytes = 16,
                                 .acc_version = 1,
                                 .init = init,
                                 .accumulate = accumulate,
                                 .merge = merge,
                                 .finish = finish};
static const ls_udf_type two_args[] = {{.kind = LS_DECIMAL, .precision = 38, .scale = 4}, {.kind = LS_STRING}};
static const ls_udf_agg longest = {.struct_size = sizeof(ls_udf_agg),
                                   .name = "udf_longest",
                                   .about = "A text",
                                   .args = two_args,
                                   .n_args = 2,
                                   .ret = {.kind = LS_STRING},
                                   .acc_bytes = 16,
                                   .acc_version = 1,
                                   .init = init,
                                   .accumulate = accumulate,
                                   .merge = merge,
                                   .finish = finish};
/* Only its address is looked at. */
static const int descriptor = 1;
static const ls_udf_message message = {sizeof(ls_udf_message), "test.v1.Row", &descriptor};

static const ls_udf_fn *const fns[] = {&mask, &dice, &echo};
static const ls_udf_agg *const aggs[] = {&total, &longest};
static const ls_udf_message *const messages[] = {&message};
static const ls_udf_config_key keys[] = {{"mode", "fast", "How it works"}};

static const ls_udf_manifest manifest = {.magic = LS_UDF_MAGIC,
                                         .struct_size = sizeof(ls_udf_manifest),
                                         .abi_major = LS_UDF_ABI_MAJOR,
                                         .abi_minor = LS_UDF_ABI_MINOR,
                                         .name = "topo",
                                         .version = "1.0.0",
                                         .license = "none",
                                         .fns = fns,
                                         .aggs = aggs,
                                         .messages = messages,
                                         .config_keys = keys,
                                         .n_fns = 3,
                                         .n_aggs = 2,
                                         .n_messages = 1,
                                         .n_config_keys = 1};

const ls_udf_manifest *ls_udf_entry_v1(void);
const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
