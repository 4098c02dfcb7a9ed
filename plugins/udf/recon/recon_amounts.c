/** @file recon_amounts.c  Exact amounts, and udf_calc_discrepancy. */
#include <stdio.h>

#include "recon.h"

#define DIGITS_MAX 38

recon_i128 recon_pow10(int n) {
  recon_i128 power = 1;
  for (int i = 0; i < n; i++) power *= 10;
  return power;
}

bool recon_fits(recon_i128 value) {
  /* 10^38: two halves, because C has no literal of 128 bits */
  const recon_i128 limit = (recon_i128)UINT64_C(10000000000000000000) * UINT64_C(10000000000000000000);
  return value > -limit && value < limit;
}

bool recon_add(recon_i128 *sum, recon_i128 value) {
  recon_i128 result;
  if (__builtin_add_overflow(*sum, value, &result) || !recon_fits(result)) return false;
  *sum = result;
  return true;
}

/** Both amounts at the finer of their two scales, so that nothing is rounded. */
static int32_t discrepancy_bind(const ls_udf_type *args, uint32_t n_args, ls_udf_type *ret, char *msg,
                                size_t msg_size) {
  (void)n_args;
  (void)msg;
  (void)msg_size;
  ret->precision = DIGITS_MAX;
  ret->scale = args[0].scale > args[1].scale ? args[0].scale : args[1].scale;
  return LS_UDF_OK;
}

/** amount - amount_posted in units of the result. One of the powers is 1, the other brings the
 *  coarser amount to the result's scale. The product is only made of the difference in whole coarse
 *  units, so that it overflows where the result does and not before. */
static bool discrepancy_of(recon_i128 amount, recon_i128 amount_power, recon_i128 posted, recon_i128 posted_power,
                           recon_i128 *out) {
  recon_i128 power = amount_power, rest = 0;
  if (posted_power != 1) {
    power = posted_power;
    rest = amount % power;
    amount /= power;
  } else if (amount_power != 1) {
    rest = -(posted % power);
    posted /= power;
  }
  return !__builtin_sub_overflow(amount, posted, out) && !__builtin_mul_overflow(*out, power, out) &&
         !__builtin_add_overflow(*out, rest, out) && recon_fits(*out);
}

static int32_t discrepancy_eval(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,
                                ls_udf_out *out) {
  (void)state;
  const ls_i128 *amounts = args[0].values, *posted = args[1].values;
  ls_i128 *results = out->values;
  recon_i128 amount_power = recon_pow10(out->type.scale - args[0].type.scale);
  recon_i128 posted_power = recon_pow10(out->type.scale - args[1].type.scale);
  for (int64_t row = 0; row < out->n_rows; row++) {
    if (ls_udf_is_null(&args[0], row) || ls_udf_is_null(&args[1], row)) continue; /* strict: null */
    recon_i128 result;
    if (!discrepancy_of(recon_get(amounts[row]), amount_power, recon_get(posted[row]), posted_power, &result)) {
      host->fail_row(call, row, "amount - amount_posted needs more than %d digits", DIGITS_MAX);
      continue;
    }
    results[row] = recon_make(result);
  }
  return LS_UDF_OK;
}

static const ls_udf_type discrepancy_args[] = {{.kind = LS_DECIMAL}, {.kind = LS_DECIMAL}};

const ls_udf_fn recon_calc_discrepancy = {
    .struct_size = sizeof(ls_udf_fn),
    .flags = LS_UDF_STRICT,
    .name = "udf_calc_discrepancy",
    .about = "amount - amount_posted, exact, at the finer of the two scales; overflow is an error",
    .args = discrepancy_args,
    .n_args = 2,
    .ret = {.kind = LS_DECIMAL},
    .bind = discrepancy_bind,
    .eval = discrepancy_eval,
};
