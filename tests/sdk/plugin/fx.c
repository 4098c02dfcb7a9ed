/** fx: fx_convert(amount, rate), money in another currency, rounded half to even to two decimals. */
#include <libstream/udf.h>

static __int128 from_decimal(ls_i128 v) {
  return (__int128)(((unsigned __int128)(uint64_t)v.hi << 64) | v.lo);
}
static ls_i128 to_decimal(__int128 v) {
  return (ls_i128){(uint64_t)v, (int64_t)(v >> 64)};
}

/* amount has 2 decimals and rate 8, so their product has 10: the last 8 are rounded away. */
static int32_t convert_row(void *state, const ls_udf_host *host, ls_udf_call *call, int64_t row, ls_i128 amount,
                           ls_i128 rate, ls_i128 *out) {
  const __int128 unit = 100000000, half = unit / 2;
  __int128 exact;
  (void)state;
  if (__builtin_mul_overflow(from_decimal(amount), from_decimal(rate), &exact)) {
    host->fail_row(call, row, "amount times rate needs more than 38 digits");
    return LS_UDF_EDATA;
  }
  __int128 whole = exact / unit, rest = exact % unit;
  if (rest > half || (rest == half && whole % 2 != 0)) whole++;
  if (rest < -half || (rest == -half && whole % 2 != 0)) whole--;
  *out = to_decimal(whole);
  return LS_UDF_OK;
}
LS_UDF_ROWWISE2(convert_eval, convert_row, DECIMAL, DECIMAL, DECIMAL)

static const ls_udf_type convert_args[] = {{.kind = LS_DECIMAL, .precision = 18, .scale = 2},
                                           {.kind = LS_DECIMAL, .precision = 18, .scale = 8}};
static const ls_udf_fn convert = {
    .struct_size = sizeof(ls_udf_fn),
    .flags = LS_UDF_STRICT, /* null in, null out */
    .name = "fx_convert",
    .about = "amount in another currency, rounded half to even to two decimals",
    .args = convert_args,
    .n_args = 2,
    .ret = {.kind = LS_DECIMAL, .precision = 38, .scale = 2},
    .eval = convert_eval,
};
LS_UDF_PLUGIN("fx", "1.0.0", &convert)
