/** @file recon_status.c  udf_derive_status and udf_flag_compliance: the tables of the reconciliation rules. */
#include <math.h>
#include <stdlib.h>

#include "recon.h"

/* ---- udf_derive_status ---- */

enum status_result { STATUS_KEEP, STATUS_APPROVED, STATUS_REFUNDED, STATUS_NULL };

/** The table. An unknown transaction has no status; a null bank status says no more than MISSING. */
static enum status_result derive(bool known, ls_slice current, ls_slice bank) {
  bool posted = RECON_IS(bank, "POSTED"), reversed = RECON_IS(bank, "REVERSED");
  if (!known) return posted ? STATUS_APPROVED : reversed ? STATUS_REFUNDED : STATUS_NULL;
  if (posted && RECON_IS(current, "PENDING")) return STATUS_APPROVED;
  if (reversed && RECON_IS(current, "APPROVED")) return STATUS_REFUNDED;
  return STATUS_KEEP;
}

static int32_t derive_status_eval(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,
                                  ls_udf_out *out) {
  (void)state;
  for (int64_t row = 0; row < out->n_rows; row++) {
    bool known = !ls_udf_is_null(&args[0], row);
    ls_slice current = {"", 0}, bank = {"", 0};
    if (known) current = ls_udf_slice(&args[0], row);
    if (!ls_udf_is_null(&args[1], row)) bank = ls_udf_slice(&args[1], row);
    switch (derive(known, current, bank)) {
    case STATUS_KEEP:
      host->set_bytes(call, row, current.ptr, current.len);
      break;
    case STATUS_APPROVED:
      host->set_bytes(call, row, "APPROVED", 8);
      break;
    case STATUS_REFUNDED:
      host->set_bytes(call, row, "REFUNDED", 8);
      break;
    case STATUS_NULL:
      ls_udf_set_null(out, row);
      break;
    }
  }
  return LS_UDF_OK;
}

static const ls_udf_type derive_status_args[] = {{.kind = LS_STRING}, {.kind = LS_STRING}};

const ls_udf_fn recon_derive_status = {
    .struct_size = sizeof(ls_udf_fn),
    .name = "udf_derive_status",
    .about = "final status of a transaction from its own (null: unknown transaction) and the bank's",
    .args = derive_status_args,
    .n_args = 2,
    .ret = {.kind = LS_STRING},
    .eval = derive_status_eval,
};

/* ---- udf_flag_compliance ---- */

/** Scores from which a risk is high, high if any flag is set, medium. */
typedef struct compliance {
  double high, high_flagged, medium;
} compliance;

/** A threshold of the config: a number of 0 to 1. */
static bool read_threshold(const ls_udf_config *config, const char *key, double *out) {
  const char *text = config->get(config, key);
  char *end = NULL;
  /* tidy: allow strtod because a fraud score is a float64, no amount */
  double value = text != NULL ? strtod(text, &end) : NAN;
  if (end == NULL || end == text || *end != '\0' || !(value >= 0 && value <= 1)) {
    config->fail(config, "%s is '%s', it must be a number of 0 to 1", key, text ? text : "");
    return false;
  }
  *out = value;
  return true;
}

static int32_t compliance_open(const ls_udf_config *config, void **state) {
  compliance *self = calloc(1, sizeof(*self));
  if (self == NULL) {
    config->fail(config, "no memory");
    return LS_UDF_EFATAL;
  }
  if (!read_threshold(config, "risk_high", &self->high) ||
      !read_threshold(config, "risk_high_with_flag", &self->high_flagged) ||
      !read_threshold(config, "risk_medium", &self->medium)) {
    free(self);
    return LS_UDF_EFATAL;
  }
  *state = self;
  return LS_UDF_OK;
}

/** Whether a row of a list column has an element that is not null. */
static bool has_flag(const ls_udf_vec *flags, int64_t row) {
  if (ls_udf_is_null(flags, row)) return false;
  for (int32_t i = flags->offsets[row]; i < flags->offsets[row + 1]; i++) {
    if (!ls_udf_is_null(&flags->children[0], i)) return true;
  }
  return false;
}

static ls_slice assess(const compliance *self, double score, bool flagged) {
  if (score >= self->high || (score >= self->high_flagged && flagged)) return (ls_slice){"HIGH", 4};
  if (score >= self->medium || flagged) return (ls_slice){"MEDIUM", 6};
  return (ls_slice){"LOW", 3};
}

static int32_t compliance_eval(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,
                               ls_udf_out *out) {
  const double *scores = args[0].values;
  for (int64_t row = 0; row < out->n_rows; row++) {
    double score = ls_udf_is_null(&args[0], row) ? 0 : scores[row];
    if (isnan(score)) { /* every comparison would be false: LOW for a score nobody knows */
      host->fail_row(call, row, "fraud_score is not a number");
      continue;
    }
    ls_slice risk = assess(state, score, has_flag(&args[1], row));
    host->set_bytes(call, row, risk.ptr, risk.len);
  }
  return LS_UDF_OK;
}

static const ls_udf_type compliance_flag = {.kind = LS_STRING};
static const ls_udf_type compliance_args[] = {{.kind = LS_FLOAT64},
                                              {.kind = LS_LIST, .n_children = 1, .children = &compliance_flag}};

const ls_udf_fn recon_flag_compliance = {
    .struct_size = sizeof(ls_udf_fn),
    .name = "udf_flag_compliance",
    .about = "risk HIGH, MEDIUM or LOW from the fraud score (null counts as 0) and the policy flags",
    .args = compliance_args,
    .n_args = 2,
    .ret = {.kind = LS_STRING},
    .open = compliance_open,
    .eval = compliance_eval,
    .close = free,
};
