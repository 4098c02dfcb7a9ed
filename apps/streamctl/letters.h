/** @file letters.h  streamctl dlq: dead letters of live runs. */
#ifndef STREAMCTL_LETTERS_H
#define STREAMCTL_LETTERS_H
#include "common/app_run.h"

int dlq_list(const app_command *command, app_options *options);
int dlq_replay(const app_command *command, app_options *options);
#endif
