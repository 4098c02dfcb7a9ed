/** @file dlq.h  streamctl dlq: dead letters of live runs. */
#ifndef STREAMCTL_DLQ_H
#define STREAMCTL_DLQ_H
#include "common/app_run.h"

int dlq_list(const app_command *command, app_options *options);
int dlq_replay(const app_command *command, app_options *options);
#endif
