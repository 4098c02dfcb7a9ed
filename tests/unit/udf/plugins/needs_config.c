/** @file needs_config.c  A plugin with a required key and an optional one; greet() says what it was given. */
#include <libstream/udf.h>
#include <stdio.h>
#include <stdlib.h>

static int32_t open_greeting(const ls_udf_config *config, void **state) {
  char *text = malloc(128);
  const char *secret = config->secret(config, "NEEDS_CONFIG_SECRET");
  snprintf(text, 128, "%s/%s/%s/%s", config->get(config, "limit"), config->get(config, "style"),
           config->get(config, "other") ? "?" : "unset", secret ? secret : "none");
  *state = text;
  if (text[0] != 'x') return LS_UDF_OK;
  free(text);
  config->fail(config, "limit is '%s'", config->get(config, "limit"));
  return LS_UDF_EFATAL;
}

static int32_t greet_row(void *state, const ls_udf_host *host, ls_udf_call *call, int64_t row, int64_t a,
                         ls_slice *out) {
  (void)host, (void)call, (void)row, (void)a;
  out->ptr = state;
  for (out->len = 0; out->ptr[out->len]; out->len++) continue;
  return LS_UDF_OK;
}
LS_UDF_ROWWISE1(greet_eval, greet_row, STRING, INT64)

static const ls_udf_type args[] = {{.kind = LS_INT64}};
static const ls_udf_fn greet = {.struct_size = sizeof(ls_udf_fn),
                                .flags = LS_UDF_STRICT,
                                .name = "greet",
                                .args = args,
                                .n_args = 1,
                                .ret = {.kind = LS_STRING},
                                .open = open_greeting,
                                .eval = greet_eval,
                                .close = free};
static const ls_udf_fn *const fns[] = {&greet};
static const ls_udf_config_key keys[] = {{"limit", NULL, "how many greetings"}, {"style", "plain", "how"}};
static const ls_udf_manifest manifest = {.magic = LS_UDF_MAGIC,
                                         .struct_size = sizeof(manifest),
                                         .abi_major = LS_UDF_ABI_MAJOR,
                                         .abi_minor = LS_UDF_ABI_MINOR,
                                         .name = "needs_config",
                                         .version = "1",
                                         .fns = fns,
                                         .n_fns = 1,
                                         .config_keys = keys,
                                         .n_config_keys = 2};
const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
