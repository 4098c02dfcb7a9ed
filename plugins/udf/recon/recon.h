/**
 * @file recon.h
 * What the files of the recon plugin share: its functions, and small helpers. The rules themselves
 * are in README.md beside this file.
 */
#ifndef RECON_H
#define RECON_H
#include <libstream/udf.h>
#include <string.h>

extern const ls_udf_fn recon_calc_discrepancy;
extern const ls_udf_fn recon_flag_compliance;
extern const ls_udf_fn recon_mask_sensitive;
extern const ls_udf_fn recon_derive_status;
extern const ls_udf_agg recon_kpi_calculation;

/** Whether a text is the literal. */
#define RECON_IS(slice, literal)                                                                                       \
  ((slice).len == sizeof(literal) - 1 && memcmp((slice).ptr, literal, sizeof(literal) - 1) == 0)

/** Amounts are computed on in this form; ls_i128 is their memory form. */
typedef __int128 recon_i128;

static inline recon_i128 recon_get(ls_i128 v) {
  return (recon_i128)(((unsigned __int128)(uint64_t)v.hi << 64) | v.lo);
}
static inline ls_i128 recon_make(recon_i128 v) {
  return (ls_i128){(uint64_t)v, (int64_t)(v >> 64)};
}

/** 10^n for n of 0 to 38. */
recon_i128 recon_pow10(int n);
/** Whether a value has at most 38 digits, the widest decimal there is. */
bool recon_fits(recon_i128 value);
/** *sum += value; false, and *sum as it was, when that needs more than 38 digits. */
bool recon_add(recon_i128 *sum, recon_i128 value);
#endif
