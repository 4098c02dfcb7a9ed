/** @file recon.c  The manifest of the payment reconciliation plugin. */
#include "recon.h"

static const ls_udf_fn *const fns[] = {&recon_calc_discrepancy, &recon_flag_compliance, &recon_mask_sensitive,
                                       &recon_derive_status};
static const ls_udf_agg *const aggs[] = {&recon_kpi_calculation};

static const ls_udf_config_key config_keys[] = {
    {"mode", "token", "udf_mask_sensitive: token (keyed, can be joined) or mask (last four characters)"},
    {"risk_high", "0.9", "udf_flag_compliance: HIGH from this fraud score"},
    {"risk_high_with_flag", "0.7", "udf_flag_compliance: HIGH from this fraud score with any flag"},
    {"risk_medium", "0.5", "udf_flag_compliance: MEDIUM from this fraud score, or with any flag"},
};

static const ls_udf_manifest manifest = {
    .magic = LS_UDF_MAGIC,
    .struct_size = sizeof(ls_udf_manifest),
    .abi_major = LS_UDF_ABI_MAJOR,
    .abi_minor = LS_UDF_ABI_MINOR,
    .name = "recon",
    .version = "1.0.0",
    .fns = fns,
    .aggs = aggs,
    .config_keys = config_keys,
    .n_fns = sizeof(fns) / sizeof(fns[0]),
    .n_aggs = sizeof(aggs) / sizeof(aggs[0]),
    .n_config_keys = sizeof(config_keys) / sizeof(config_keys[0]),
};

const ls_udf_manifest *ls_udf_entry_v1(void) {
  return &manifest;
}
