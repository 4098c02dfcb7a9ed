/**
 * @file app_run.h
 * From options to a finished run and an exit code: what streaming_index, batch_recon and
 * `streamctl run` have in common.
 */
#ifndef APPS_APP_RUN_H
#define APPS_APP_RUN_H
#include "common/app_options.h"

typedef struct app_job {
  const app_command *command;
  app_options *options;
  const char *config; /* path of the topology */
  /** Each date is a run of its own; the topology gets it as run_date, and the start as as_of. */
  bool per_day;
  /** Compares what a live run has written with a replay of what it has read; exit 8 when they differ. */
  bool parity;
} app_job;

/** Runs all dates that the options name, prints a summary for each. @return the exit code */
int app_run(const app_job *job);
/** Loads a topology with the options' parameters and plugins; diagnostics go to stderr.
 *  @return the exit code, APP_DONE when *out is set */
int app_load(ls_topology **out, const app_command *command, const app_options *options, const char *config);
/** The same for a topology beside it: parameters that it does not have are passed over. */
int app_load_other(ls_topology **out, const app_command *command, const app_options *options, const char *config);
/** Prints a text of the library and frees it. @return the exit code: stdout may be full or gone */
int app_print(const char *command, char *text);
/** Runs an application that has a topology of its own. @return the exit code */
int app_main(const app_command *command, const char *topology, bool per_day, int argc, char **argv);
#endif
