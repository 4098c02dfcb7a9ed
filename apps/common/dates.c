/** @file dates.c  Parsing and counting dates. */
#include "common/dates.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void format_date(char out[APP_DATE_BYTES], time_t seconds) {
  struct tm tm;
  gmtime_r(&seconds, &tm);
  strftime(out, APP_DATE_BYTES, "%Y-%m-%d", &tm);
}

static time_t seconds_of(const char *date) {
  struct tm tm = {0};
  sscanf(date, "%4d-%2d-%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  return timegm(&tm);
}

/** Takes a date that is exactly len characters long. */
static bool take_date(char out[APP_DATE_BYTES], const char *text, size_t len) {
  static const char form[] = "dddd-dd-dd";
  char again[APP_DATE_BYTES];
  if (len != sizeof form - 1) return false;
  for (size_t i = 0; i < len; i++) {
    bool digit = text[i] >= '0' && text[i] <= '9';
    if (form[i] == 'd' ? !digit : text[i] != form[i]) return false;
  }
  memcpy(out, text, len);
  out[len] = 0;
  if (memcmp(out, "0000", 4) == 0) return false;
  format_date(again, seconds_of(out));
  return strcmp(again, out) == 0; /* 2026-02-30 comes back as another day */
}

bool app_dates_parse(app_dates *out, const char *text, char *why, size_t why_bytes) {
  *out = (app_dates){.all = text == NULL, .latest = text != NULL && strcmp(text, "latest") == 0};
  if (out->all || out->latest) return true;
  const char *dots = strstr(text, ".."), *to = dots != NULL ? dots + 2 : text;
  size_t from_len = dots != NULL ? (size_t)(dots - text) : strlen(text);
  if (!take_date(out->from, text, from_len) || !take_date(out->to, to, strlen(to))) {
    snprintf(why, why_bytes, "--date wants YYYY-MM-DD, YYYY-MM-DD..YYYY-MM-DD or latest, not '%.60s'", text);
    return false;
  }
  if (strcmp(out->from, out->to) <= 0) return true;
  snprintf(why, why_bytes, "--date %s..%s: the first date is after the last", out->from, out->to);
  return false;
}

void app_date_next(char date[APP_DATE_BYTES]) {
  format_date(date, seconds_of(date) + 86400);
}

void app_time_now(char out[APP_TIME_BYTES]) {
  struct tm tm;
  time_t now = time(NULL);
  gmtime_r(&now, &tm);
  strftime(out, APP_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
