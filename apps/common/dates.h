/**
 * @file dates.h
 * Dates of a command line: D, D1..D2, latest; and the time of a run.
 */
#ifndef APPS_DATES_H
#define APPS_DATES_H
#include <stdbool.h>
#include <stddef.h>

#define APP_DATE_BYTES 11 /* YYYY-MM-DD and NUL */
#define APP_TIME_BYTES 21 /* YYYY-MM-DDTHH:MM:SSZ and NUL */

typedef struct app_dates {
  bool all, latest;
  char from[APP_DATE_BYTES], to[APP_DATE_BYTES]; /* unless all or latest */
} app_dates;

/** text NULL: all dates. False: not a date; why[] says what is wrong. */
bool app_dates_parse(app_dates *out, const char *text, char *why, size_t why_bytes);
/** The day after. */
void app_date_next(char date[APP_DATE_BYTES]);
/** Now, in UTC. */
void app_time_now(char out[APP_TIME_BYTES]);
#endif
