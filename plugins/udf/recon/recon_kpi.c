/** @file recon_kpi.c  udf_kpi_calculation: counts and sums of one merchant, currency and day. */
#include "recon.h"

#define KPI_SCALE 4

enum { ARG_STATUS, ARG_GATEWAY, ARG_BANK, ARG_RECONCILED, ARG_AMOUNT, ARG_DISCREPANCY, N_ARGS };

/** The accumulator: plain bytes without padding, so that equal sums are equal bytes. */
typedef struct kpi {
  int64_t transactions, refunds, chargebacks, unmatched;
  recon_i128 volume, refund_volume, chargeback_volume, discrepancy;
} kpi;

static void kpi_init(void *state, void *acc) {
  (void)state;
  memset(acc, 0, sizeof(kpi));
}

/** Text of a row; empty for null, which is none of the words that count. */
static ls_slice text_of(const ls_udf_vec *vec, int64_t row) {
  return ls_udf_is_null(vec, row) ? (ls_slice){"", 0} : ls_udf_slice(vec, row);
}

static recon_i128 amount_of(const ls_udf_vec *vec, int64_t row) {
  return ls_udf_is_null(vec, row) ? 0 : recon_get(((const ls_i128 *)vec->values)[row]);
}

/** What one row adds, as an accumulator of its own, so that rows and partial sums add alike. */
static kpi kpi_of_row(const ls_udf_vec *args, int64_t row) {
  ls_slice status = text_of(&args[ARG_STATUS], row), gateway = text_of(&args[ARG_GATEWAY], row);
  ls_slice bank = text_of(&args[ARG_BANK], row), match = text_of(&args[ARG_RECONCILED], row);
  recon_i128 amount = amount_of(&args[ARG_AMOUNT], row);
  bool refunded = RECON_IS(status, "REFUNDED");
  bool in_volume = refunded || RECON_IS(status, "APPROVED");
  /* the bank took back what the gateway still calls approved */
  bool chargeback = RECON_IS(bank, "REVERSED") && RECON_IS(gateway, "APPROVED");
  return (kpi){.transactions = 1,
               .refunds = refunded,
               .chargebacks = chargeback,
               .unmatched = RECON_IS(match, "UNMATCHED"),
               .volume = in_volume ? amount : 0,
               .refund_volume = refunded ? amount : 0,
               .chargeback_volume = chargeback ? amount : 0,
               .discrepancy = amount_of(&args[ARG_DISCREPANCY], row)};
}

static bool kpi_add(kpi *sum, const kpi *more) {
  sum->transactions += more->transactions;
  sum->refunds += more->refunds;
  sum->chargebacks += more->chargebacks;
  sum->unmatched += more->unmatched;
  return recon_add(&sum->volume, more->volume) && recon_add(&sum->refund_volume, more->refund_volume) &&
         recon_add(&sum->chargeback_volume, more->chargeback_volume) && recon_add(&sum->discrepancy, more->discrepancy);
}

static int32_t kpi_accumulate(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,
                              int64_t row, void *acc) {
  (void)state;
  kpi sum = *(const kpi *)acc, more = kpi_of_row(args, row);
  if (!kpi_add(&sum, &more)) {
    return host->fail(call, LS_UDF_EDATA, "a sum needs more than 38 digits");
  }
  *(kpi *)acc = sum;
  return LS_UDF_OK;
}

/** The row with all its signs turned: adding it takes the row back. */
static int32_t kpi_retract(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args, int64_t row,
                           void *acc) {
  (void)state;
  kpi sum = *(const kpi *)acc, row_sums = kpi_of_row(args, row);
  kpi less = {-row_sums.transactions, -row_sums.refunds,       -row_sums.chargebacks,       -row_sums.unmatched,
              -row_sums.volume,       -row_sums.refund_volume, -row_sums.chargeback_volume, -row_sums.discrepancy};
  if (!kpi_add(&sum, &less)) {
    return host->fail(call, LS_UDF_EDATA, "a sum needs more than 38 digits");
  }
  *(kpi *)acc = sum;
  return LS_UDF_OK;
}

static int32_t kpi_merge(void *state, void *acc, const void *other) {
  (void)state;
  kpi sum = *(const kpi *)acc;
  if (!kpi_add(&sum, other)) return LS_UDF_EDATA;
  *(kpi *)acc = sum;
  return LS_UDF_OK;
}

static void put_i64(ls_udf_out *out, int64_t value) {
  *(int64_t *)out->values = value;
}
static void put_sum(ls_udf_out *out, recon_i128 value) {
  *(ls_i128 *)out->values = recon_make(value);
}

static int32_t kpi_finish(void *state, const ls_udf_host *host, ls_udf_call *call, const void *acc, ls_udf_out *out) {
  (void)state;
  (void)host;
  (void)call;
  const kpi *sum = acc;
  put_i64(&out[0], sum->transactions);
  put_sum(&out[1], sum->volume);
  put_i64(&out[2], sum->refunds);
  put_sum(&out[3], sum->refund_volume);
  put_i64(&out[4], sum->chargebacks);
  put_sum(&out[5], sum->chargeback_volume);
  put_i64(&out[6], sum->unmatched);
  put_sum(&out[7], sum->discrepancy);
  return LS_UDF_OK;
}

/* precision 0 with a scale: any width, because sums and differences of decimal(18,4) are wider */
static const ls_udf_type kpi_args[N_ARGS] = {
    [ARG_STATUS] = {.kind = LS_STRING},
    [ARG_GATEWAY] = {.kind = LS_STRING},
    [ARG_BANK] = {.kind = LS_STRING},
    [ARG_RECONCILED] = {.kind = LS_STRING},
    [ARG_AMOUNT] = {.kind = LS_DECIMAL, .scale = KPI_SCALE},
    [ARG_DISCREPANCY] = {.kind = LS_DECIMAL, .scale = KPI_SCALE},
};

#define COUNT                                                                                                          \
  { .kind = LS_INT64 }
#define SUM                                                                                                            \
  { .kind = LS_DECIMAL, .precision = 38, .scale = KPI_SCALE }
static const ls_udf_type kpi_fields[] = {COUNT, SUM, COUNT, SUM, COUNT, SUM, COUNT, SUM};
static const char *const kpi_names[] = {"transaction_count", "total_volume",      "refund_count",    "refund_volume",
                                        "chargeback_count",  "chargeback_volume", "unmatched_count", "discrepancy_sum"};

const ls_udf_agg recon_kpi_calculation = {
    .struct_size = sizeof(ls_udf_agg),
    .name = "udf_kpi_calculation",
    .about = "counts and sums of (final status, gateway status, bank status, reconciled status, amount, "
             "discrepancy) rows; null amounts add 0",
    .args = kpi_args,
    .n_args = N_ARGS,
    .ret = {.kind = LS_STRUCT, .n_children = 8, .children = kpi_fields, .names = kpi_names},
    .acc_bytes = sizeof(kpi),
    .acc_version = 1,
    .init = kpi_init,
    .accumulate = kpi_accumulate,
    .merge = kpi_merge,
    .finish = kpi_finish,
    .retract = kpi_retract,
};
