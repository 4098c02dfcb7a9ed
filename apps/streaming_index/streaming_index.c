/**
 * @file streaming_index.c
 * The Streaming Index over the files of a lake: transactions enriched with fraud scores, policies
 * and merchants. What it computes is in configs/streaming_index.yaml; this only runs it.
 */
#include "common/app_run.h"

static const app_command command = {
    .name = "streaming_index",
    .about = "Reads the transactions and fraud signals of a lake and writes the Streaming Index,\n"
             "curated/streaming_index/dt=<event date>/. Without --date: of all dates there are. Each\n"
             "file is replaced at once, so a run can be repeated at any time.",
    .notes = "Environment: RECON_MASK_KEY or RECON_MASK_KEY_FILE has the key of the user tokens.\n"
             "s3:// roots take AWS_REGION, AWS_ENDPOINT_URL and the usual credentials.\n",
    .options = APP_CONFIG | APP_OF_A_RUN | APP_OF_A_LIVE_RUN,
    .required = APP_LAKE,
};

int main(int argc, char **argv) {
  return app_main(&command, "streaming_index", false, argc, argv);
}
