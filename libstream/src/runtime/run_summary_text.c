/**
 * @file run_summary_text.c
 * The summary of a run for people: what an engineer on call wants to see at a glance. The JSON
 * summary has all of it and more; nothing reads this text but eyes.
 */
#include "base/thread.h"
#include "data/datetime.h"
#include "runtime/parity.h"

#include <stdio.h>

#define FILES_SHOWN_MAX 4

static void put_thousands(ls_buf *out, int64_t n) {
  char digits[24];
  int len = snprintf(digits, sizeof digits, "%lld", (long long)n);
  for (int i = 0; i < len; i++) {
    if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-') ls__buf_putc(out, ',');
    ls__buf_putc(out, digits[i]);
  }
}

static void put_bytes(ls_buf *out, int64_t bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double n = (double)bytes;
  size_t unit = 0;
  for (; n >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++) n /= 1024;
  ls__buf_printf(out, unit == 0 || n >= 100 ? "%.0f %s" : "%.1f %s", n, units[unit]);
}

/** Begins a line: the label stands on the first of a group only. */
static void begin(ls_buf *out, const char *label, bool first, const char *name) {
  ls__buf_printf(out, "  %-9s %-20s ", first ? label : "", name);
}

static const char *plural(int64_t n, const char *one, const char *many) {
  return n == 1 ? one : many;
}

static void put_input(ls_buf *out, const ls_runtime *run, const char *name, const ls_file_source *files, bool first) {
  if (files == NULL) return;
  begin(out, run->opts.dry_run ? "reads" : "in", first, name);
  if (!run->opts.dry_run) {
    put_thousands(out, ls__file_source_records(files));
    ls__buf_puts(out, " records from ");
  }
  int64_t n_files = (int64_t)ls__file_source_n_files(files);
  put_thousands(out, n_files);
  ls__buf_printf(out, " %s, ", plural(n_files, "file", "files"));
  put_bytes(out, ls__file_source_bytes(files));
  ls__buf_putc(out, '\n');
}

static void put_inputs(ls_buf *out, const ls_runtime *run) {
  const ls_plan *plan = run->plan;
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    put_input(out, run, plan->sources[i].name, run->files[i], i == 0);
  }
  for (uint32_t i = 0; i < plan->n_globals; i++) {
    put_input(out, run, plan->globals[i].name, run->global_files[i], i == 0 && plan->n_sources == 0);
  }
}

/** Days that were looked at and have no file, where a source begins, and names that only look like a day. */
static void put_days(ls_buf *out, const ls_runtime *run) {
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    const char *name = run->plan->sources[i].name;
    ls_missing_days missing;
    if (run->files[i] == NULL) continue;
    ls__run_missing_days(run, i, &missing);
    const ls_lake_files *files = ls__file_source_files(run->files[i]);
    if (missing.n > 0) {
      begin(out, "missing", true, name);
      put_thousands(out, missing.n);
      ls__buf_printf(out, " %s without a file: ", plural(missing.n, "day", "days"));
      ls__run_put_days(out, &missing, "");
      ls__buf_puts(out, missing.n > LS_MISSING_DAYS_SHOWN ? ",...\n" : "\n");
    }
    if (missing.begins_at != INT32_MIN) {
      char text[LS_TIMESTAMP_TEXT_MAX];
      begin(out, "begins", true, name);
      ls__buf_append(out, text, ls__date_format(text, missing.begins_at));
      ls__buf_puts(out, ", later than is looked back\n");
    }
    if (files->n_unread == 0) continue;
    begin(out, "not read", true, name);
    put_thousands(out, (int64_t)files->n_unread);
    const char *what =
        plural((int64_t)files->n_unread, "name looks like a day but is", "names look like a day but are");
    ls__buf_printf(out, " %s not written YYYY-MM-DD: %s\n", what, files->unread);
  }
}

/** The reasons of one source are put behind its count. */
typedef struct reason_line {
  ls_buf *out;
  const char *source;
  bool any;
} reason_line;

static void put_reason(void *payload, const char *source, const char *reason, int64_t n) {
  reason_line *line = payload;
  if (strcmp(source, line->source) != 0) return;
  ls__buf_printf(line->out, "%s%s ", line->any ? ", " : ": ", reason);
  put_thousands(line->out, n);
  line->any = true;
}

static void put_bad(ls_buf *out, const ls_runtime *run) {
  const ls_plan *plan = run->plan;
  bool first = true;
  for (uint32_t i = 0; i < plan->n_sources + plan->n_globals; i++) {
    int64_t n = ls__dead_letters_count(run->letters, i);
    if (n == 0) continue;
    reason_line line = {.out = out};
    line.source = i < plan->n_sources ? plan->sources[i].name : plan->globals[i - plan->n_sources].name;
    begin(out, "bad", first, line.source);
    put_thousands(out, n);
    ls__dead_letters_reasons(run->letters, put_reason, &line);
    ls__buf_putc(out, '\n');
    first = false;
  }
  if (first) ls__buf_puts(out, "  bad       none\n");
}

static void put_late(ls_buf *out, const ls_runtime *run) {
  bool any = false;
  for (uint32_t i = 0; i < run->plan->n_nodes; i++) {
    if (run->counters[i].late == 0) continue;
    begin(out, "late", !any, run->plan->nodes[i].name);
    put_thousands(out, run->counters[i].late);
    ls__buf_putc(out, '\n');
    any = true;
  }
  if (!any) ls__buf_puts(out, "  late      none\n");
}

static void put_outputs(ls_buf *out, const ls_runtime *run) {
  bool first = true;
  for (uint32_t i = 0; i < run->plan->n_sinks; i++) {
    if (run->sinks[i] == NULL) continue;
    int64_t outside = ls__lake_sink_outside(run->sinks[i]);
    begin(out, "out", first, run->plan->sinks[i].name);
    put_thousands(out, ls__lake_sink_rows(run->sinks[i]) - outside);
    ls__buf_puts(out, " rows");
    if (outside > 0) {
      ls__buf_puts(out, ", and ");
      put_thousands(out, outside);
      ls__buf_puts(out, " of other dates left out");
    }
    ls__buf_putc(out, '\n');
    first = false;
  }
}

static void put_conservation(ls_buf *out, const ls_runtime *run) {
  bool all = true;
  for (uint32_t i = 0; i < run->plan->n_nodes; i++) {
    const ls_node_counters *c = &run->counters[i];
    if (ls__run_adds_up(c)) continue;
    ls__buf_printf(out, "  adds up   NO: step %s: %lld in, %lld taken + %lld filtered + %lld late + %lld bad\n",
                   run->plan->nodes[i].name, (long long)c->rows_in, (long long)c->taken, (long long)c->filtered,
                   (long long)c->late, (long long)c->dead);
    all = false;
  }
  if (all) ls__buf_puts(out, "  adds up   yes\n");
}

static void begin_value(ls_buf *out, const char *per, bool first) {
  begin(out, "value", first, per);
}

static void put_values(ls_buf *out, const ls_runtime *run) {
  for (uint32_t i = 0; i < run->plan->n_sinks; i++) {
    if (run->sinks[i] != NULL && run->plan->sinks[i].balance_sum >= 0) ls__run_balance_text(out, run, i, begin_value);
  }
}

/** Where a sink's files are; of many, the first and the last. */
static void put_files(ls_buf *out, const ls_runtime *run, ls_lake_sink *sink, bool first) {
  size_t n, n_files = 0, k = 0;
  const ls_lake_partition *partitions = ls__lake_sink_partitions(sink, &n);
  for (size_t i = 0; i < n; i++) n_files += partitions[i].published_by_run;
  for (size_t i = 0; i < n; i++) {
    if (!partitions[i].published_by_run) continue;
    k++;
    if (n_files > FILES_SHOWN_MAX && k > 1 && k < n_files) {
      if (k == 2) ls__buf_printf(out, "            ... %zu more ...\n", n_files - 2);
      continue;
    }
    ls__buf_printf(out, "  %-9s ", first && k == 1 ? "tables" : "");
    ls__lake_describe(out, run->lake, partitions[i].file);
    ls__buf_putc(out, '\n');
  }
}

static void put_tables(ls_buf *out, const ls_runtime *run) {
  bool first = true;
  for (uint32_t i = 0; i < run->plan->n_sinks; i++) {
    if (run->sinks[i] == NULL) continue;
    put_files(out, run, run->sinks[i], first);
    first = false;
  }
}

static void put_targets(ls_buf *out, const ls_runtime *run) {
  bool first = true;
  for (uint32_t i = 0; i < run->plan->n_sinks; i++) {
    if (run->plan->sinks[i].path_pattern == NULL) continue;
    begin(out, "writes", first, run->plan->sinks[i].name);
    ls__lake_describe(out, run->lake, run->plan->sinks[i].path_pattern);
    ls__buf_putc(out, '\n');
    first = false;
  }
}

static void put_head(ls_buf *out, const ls_runtime *run, double seconds) {
  const char *from = run->opts.date_from, *to = run->opts.date_to;
  const char *status = strcmp(run->status, "dry_run") == 0  ? "dry run, nothing was written"
                       : strcmp(run->status, "failed") == 0 ? "FAILED"
                                                            : run->status;
  ls__buf_printf(out, "%s ", run->plan->name);
  if (from == NULL) {
    ls__buf_puts(out, "of all dates");
  } else {
    ls__buf_printf(out, "%s%s%s", from, strcmp(from, to) == 0 ? "" : "..", strcmp(from, to) == 0 ? "" : to);
  }
  ls__buf_printf(out, ": %s after %.1f s\n", status, seconds);
  if (run->error_text[0] != '\0') ls__buf_printf(out, "  error     %s\n", run->error_text);
  ls__buf_printf(out, "  topology  %s\n  as of     %s\n", run->plan->file, run->as_of);
}

static void put_speed(ls_buf *out, const ls_runtime *run, double seconds) {
  int64_t records = ls__run_records(run);
  ls__buf_puts(out, "  speed     ");
  put_thousands(out, seconds > 0 ? (int64_t)((double)records / seconds) : 0);
  ls__buf_printf(out, " records/s with %u %s\n  memory    ", run->n_workers,
                 plural(run->n_workers, "thread", "threads"));
  put_bytes(out, ls__peak_memory_bytes());
  ls__buf_puts(out, " at the peak\n");
}

static void put_live(ls_buf *out, const ls_runtime *run, double seconds) {
  const ls_live_counts *live = &run->live;
  ls__buf_printf(
      out, "  %lld records, %lld bad ones to the dead letters; %lld commits, %lld aborted; %lld records restored\n",
      (long long)live->records, (long long)live->bad_records, (long long)live->commits, (long long)live->aborts,
      (long long)live->restored);
  ls__buf_printf(out, "  %.0f records a second, peak memory %.0f MiB\n",
                 seconds > 0 ? (double)live->records / seconds : 0.0, (double)ls__peak_memory_bytes() / (1 << 20));
}

int ls_runtime_summary_text(char **out, const ls_runtime *run, ls_error *err) {
  (void)err;
  ls_buf text = LS_BUF_INIT;
  if (run->parity != NULL) {
    ls__parity_summary_text(&text, run);
    ls__buf_putc(&text, 0);
    *out = text.ptr;
    return LS_OK;
  }
  int64_t end_us = run->finished_us > 0 ? run->finished_us : ls__monotonic_us();
  double seconds = (double)(end_us - run->started_us) / 1e6;
  put_head(&text, run, seconds);
  if (strcmp(run->status, "dry_run") == 0) {
    put_inputs(&text, run);
    put_days(&text, run);
    put_targets(&text, run);
  } else if (run->opts.mode == LS_MODE_STREAM) {
    put_live(&text, run, seconds);
  } else if (ls__run_records(run) > 0) {
    put_inputs(&text, run);
    put_days(&text, run);
    put_bad(&text, run);
    put_late(&text, run);
    bool done = strcmp(run->status, "done") == 0;
    if (done) put_outputs(&text, run);
    if (done) put_values(&text, run);
    if (done) put_conservation(&text, run);
    put_speed(&text, run, seconds);
    if (done) put_tables(&text, run);
  }
  *out = text.ptr;
  return LS_OK;
}
