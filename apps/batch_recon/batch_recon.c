/**
 * @file batch_recon.c
 * The reconciliation of a day: Streaming Index against the bank's statements. What it computes is
 * in configs/batch_recon.yaml; this runs it for each date, the date being its parameter run_date.
 */
#include "common/app_run.h"

static const app_command command = {
    .name = "batch_recon",
    .about = "Reconciles the Streaming Index of a lake with the bank's statements for a run date D,\n"
             "and writes D's partition of curated/batch_index, final/aggregate_index and\n"
             "final/merchant_kpis. Of a range, each day is a run of its own, in order; the first\n"
             "that fails is the last. A re-run of D replaces D's files at once.",
    .notes = "Environment: s3:// roots take AWS_REGION, AWS_ENDPOINT_URL and the usual credentials.\n"
             "RECON_MASK_KEY or RECON_MASK_KEY_FILE is wanted only by topologies that mask.\n",
    .options = APP_CONFIG | APP_OF_A_RUN,
    .required = APP_LAKE | APP_DATE,
    .set_by_date = "run_date",
};

int main(int argc, char **argv) {
  return app_main(&command, "batch_recon", true, argc, argv);
}
