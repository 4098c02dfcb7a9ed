/* The rounding of fx_convert, tested row by row: the function is plain C, so the test includes it. */
#include "fx.c"

#include <stdio.h>

static int n_failed;

static void fail_row(ls_udf_call *call, int64_t row, const char *fmt, ...) {
  (void)call, (void)row, (void)fmt;
}

static void check(int64_t amount, int64_t rate, int want_rc, int64_t want) {
  const ls_udf_host host = {.struct_size = sizeof(host), .fail_row = fail_row};
  ls_i128 out = {0, 0};
  int32_t rc = convert_row(NULL, &host, NULL, 0, to_decimal(amount), to_decimal(rate), &out);
  if (rc == want_rc && (rc != LS_UDF_OK || from_decimal(out) == want)) return;
  printf("%lld * %lld: got %d, %lld\n", (long long)amount, (long long)rate, (int)rc, (long long)out.lo);
  n_failed++;
}

int main(void) {
  check(1000, 100000000, LS_UDF_OK, 1000); /* 10.00 at 1.0 */
  check(1000, 108250000, LS_UDF_OK, 1082); /* 10.825 -> 10.82: half to even */
  check(1000, 108350000, LS_UDF_OK, 1084); /* 10.835 -> 10.84 */
  check(-1000, 108350000, LS_UDF_OK, -1084);
  check(1, 50000001, LS_UDF_OK, 1);
  return n_failed != 0;
}
