/** @file replay_days.c  Days that a run of given dates looks at and has no file of, and names that look like a day and are none. */
#include "base/log.h"
#include "data/datetime.h"
#include "runtime/run.h"

/** The first day that is looked for. A lake that begins later than the lookback reaches lacks nothing by that: there, its first. */
static int32_t first_wanted(const ls_runtime *run, uint32_t source, ls_missing_days *out) {
  int32_t from, to, begins = ls__file_source_files(run->files[source])->date_first;
  ls__run_own_days(run, source, &from, &to);
  bool all_history = run->plan->sources[source].lookback_us == INT64_MAX;
  if (begins > from) out->begins_at = begins;
  return all_history || begins > from ? begins : from;
}

void ls__run_missing_days(const ls_runtime *run, uint32_t source, ls_missing_days *out) {
  *out = (ls_missing_days){.begins_at = INT32_MIN};
  const ls_file_source *files = run->files[source];
  if (files == NULL || run->from_days == INT32_MIN || strstr(run->plan->sources[source].files, "{date}") == NULL)
    return;
  if (ls__file_source_files(files)->date_first == INT32_MAX) return;
  int32_t from = first_wanted(run, source, out), to = run->to_days;
  if (from > to) return;
  size_t n_days = (size_t)((int64_t)to - from + 1);
  uint64_t *there = ls__calloc(LS_BIT_WORDS(n_days), sizeof *there);
  for (size_t i = 0; i < ls__file_source_n_files(files); i++) {
    int32_t days = ls__file_source_file(files, i)->date_days;
    if (days >= from && days <= to) LS_BIT_SET(there, (size_t)(days - from));
  }
  for (size_t i = 0; i < n_days; i++) {
    if (LS_BIT_GET(there, i)) continue;
    if (out->n < LS_MISSING_DAYS_SHOWN) out->days[out->n] = from + (int32_t)i;
    out->n++;
  }
  ls__free(there);
}

void ls__run_put_days(ls_buf *out, const ls_missing_days *missing, const char *quote) {
  char text[LS_TIMESTAMP_TEXT_MAX];
  for (int64_t i = 0; i < missing->n && i < LS_MISSING_DAYS_SHOWN; i++) {
    size_t len = ls__date_format(text, missing->days[i]);
    ls__buf_printf(out, "%s%s%.*s%s", i > 0 ? "," : "", quote, (int)len, text, quote);
  }
}

void ls__run_warn_days(const ls_runtime *run) {
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    if (run->files[i] == NULL) continue;
    const char *name = run->plan->sources[i].name;
    const ls_lake_files *files = ls__file_source_files(run->files[i]);
    ls_missing_days missing;
    ls__run_missing_days(run, i, &missing);
    ls_buf days = LS_BUF_INIT;
    ls__run_put_days(&days, &missing, "");
    if (missing.n > 0) {
      ls__log(LS_LOG_WARN, "runtime", "days_without_files", "source=%s days=%lld first=%s%s", name,
              (long long)missing.n, days.ptr, missing.n > LS_MISSING_DAYS_SHOWN ? ",..." : "");
    }
    if (files->n_unread > 0) {
      ls__log(LS_LOG_WARN, "runtime", "looks_like_a_day", "source=%s names=%zu first=%s right=\"YYYY-MM-DD; not read\"",
              name, files->n_unread, files->unread);
    }
    ls__buf_fini(&days);
  }
}
