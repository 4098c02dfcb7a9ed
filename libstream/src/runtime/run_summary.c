/** @file run_summary.c  The JSON summary of a run: what came in, what went out, what was left out, and whether the counts add up. */
#include "base/thread.h"
#include "data/datetime.h"
#include "runtime/run.h"

void ls__run_add_counters(ls_runtime *run, uint32_t node, const ls_node_counters *from) {
  ls_node_counters *to = &run->counters[node];
  to->rows_in += from->rows_in;
  to->rows_out += from->rows_out;
  to->taken += from->taken;
  to->filtered += from->filtered;
  to->late += from->late;
  to->dead += from->dead;
  to->unmatched += from->unmatched;
}

static void member(ls_buf *out, const char *name) {
  char last = out->len > 0 ? out->ptr[out->len - 1] : '{';
  if (last != '{' && last != '[') ls__buf_putc(out, ',');
  ls__buf_json_string(out, ls__slice_of(name));
  ls__buf_putc(out, ':');
}

static void member_text(ls_buf *out, const char *name, const char *value) {
  if (value == NULL) return;
  member(out, name);
  ls__buf_json_string(out, ls__slice_of(value));
}

static void member_int(ls_buf *out, const char *name, int64_t value) {
  member(out, name);
  ls__buf_printf(out, "%lld", (long long)value);
}

static void put_inputs(ls_buf *out, const ls_runtime *run) {
  member(out, "rows_in");
  ls__buf_putc(out, '{');
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    if (run->files[i] != NULL) member_int(out, run->plan->sources[i].name, ls__file_source_records(run->files[i]));
  }
  for (uint32_t i = 0; i < run->plan->n_globals; i++) {
    if (run->global_files[i] != NULL)
      member_int(out, run->plan->globals[i].name, ls__file_source_records(run->global_files[i]));
  }
  ls__buf_putc(out, '}');
  member(out, "files_in");
  ls__buf_putc(out, '{');
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    if (run->files[i] != NULL)
      member_int(out, run->plan->sources[i].name, (int64_t)ls__file_source_n_files(run->files[i]));
  }
  ls__buf_putc(out, '}');
  member(out, "bad_records");
  ls__buf_putc(out, '{');
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    if (run->files[i] != NULL) member_int(out, run->plan->sources[i].name, ls__dead_letters_count(run->letters, i));
  }
  for (uint32_t i = 0; i < run->plan->n_globals; i++) {
    member_int(out, run->plan->globals[i].name, ls__dead_letters_count(run->letters, run->plan->n_sources + i));
  }
  ls__buf_putc(out, '}');
}

/** Bad records of files of other dates, which are in the dead letters of the runs of these. */
static void put_bad_of_others(ls_buf *out, const ls_runtime *run) {
  bool any = false;
  for (uint32_t i = 0; i < run->plan->n_sources; i++) any = any || ls__dead_letters_others(run->letters, i) > 0;
  if (!any) return;
  member(out, "bad_records_of_other_dates");
  ls__buf_putc(out, '{');
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    if (run->files[i] != NULL) member_int(out, run->plan->sources[i].name, ls__dead_letters_others(run->letters, i));
  }
  ls__buf_putc(out, '}');
}

/** What of the days that were looked at is not there; only what there is to tell. */
static void put_days(ls_buf *out, const ls_runtime *run) {
  bool any = false;
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    if (run->files[i] == NULL) continue;
    ls_missing_days missing;
    ls__run_missing_days(run, i, &missing);
    const ls_lake_files *files = ls__file_source_files(run->files[i]);
    if (missing.n == 0 && missing.begins_at == INT32_MIN && files->n_unread == 0) continue;
    if (!any) member(out, "input_days");
    if (!any) ls__buf_putc(out, '{');
    any = true;
    member(out, run->plan->sources[i].name);
    ls__buf_putc(out, '{');
    member_int(out, "missing", missing.n);
    member(out, "first_missing");
    ls__buf_putc(out, '[');
    ls__run_put_days(out, &missing, "\"");
    ls__buf_putc(out, ']');
    if (missing.begins_at != INT32_MIN) {
      char text[LS_TIMESTAMP_TEXT_MAX];
      text[ls__date_format(text, missing.begins_at)] = '\0';
      member_text(out, "begins_at", text);
    }
    if (files->n_unread > 0) member_int(out, "like_a_day", (int64_t)files->n_unread);
    member_text(out, "first_like_a_day", files->unread);
    ls__buf_putc(out, '}');
  }
  if (any) ls__buf_putc(out, '}');
}

typedef struct reason_list {
  ls_buf *out;
} reason_list;

static void put_reason(void *payload, const char *source, const char *reason, int64_t n) {
  ls_buf *out = ((reason_list *)payload)->out;
  if (out->ptr[out->len - 1] != '[') ls__buf_putc(out, ',');
  ls__buf_putc(out, '{');
  member_text(out, "source", source);
  member_text(out, "reason", reason);
  member_int(out, "count", n);
  ls__buf_putc(out, '}');
}

static void put_outputs(ls_buf *out, const ls_runtime *run) {
  member(out, "rows_out");
  ls__buf_putc(out, '{');
  for (uint32_t i = 0; i < run->plan->n_sinks; i++) {
    if (run->sinks[i] != NULL)
      member_int(out, run->plan->sinks[i].name,
                 ls__lake_sink_rows(run->sinks[i]) - ls__lake_sink_outside(run->sinks[i]));
  }
  ls__buf_putc(out, '}');
  member(out, "rows_outside_dates");
  ls__buf_putc(out, '{');
  for (uint32_t i = 0; i < run->plan->n_sinks; i++) {
    if (run->sinks[i] != NULL) member_int(out, run->plan->sinks[i].name, ls__lake_sink_outside(run->sinks[i]));
  }
  ls__buf_putc(out, '}');
}

static void put_totals(ls_buf *out, const ls_runtime *run) {
  member(out, "totals");
  ls__buf_putc(out, '{');
  for (uint32_t i = 0; i < run->plan->n_sinks; i++) {
    const ls_sink_totals *totals = run->sinks[i] != NULL ? ls__lake_sink_totals(run->sinks[i]) : NULL;
    if (totals == NULL) continue;
    member(out, run->plan->sinks[i].name);
    ls__sink_totals_format(out, totals);
  }
  ls__buf_putc(out, '}');
}

static void put_balance(ls_buf *out, const ls_runtime *run) {
  bool any = false;
  for (uint32_t i = 0; i < run->plan->n_sinks && strcmp(run->status, "done") == 0; i++) {
    if (run->sinks[i] == NULL || run->plan->sinks[i].balance_sum < 0) continue;
    if (!any) member(out, "value");
    if (!any) ls__buf_putc(out, '{');
    any = true;
    member(out, run->plan->sinks[i].name);
    ls__run_balance_json(out, run, i);
  }
  if (any) ls__buf_putc(out, '}');
}

static void put_partitions(ls_buf *out, const ls_runtime *run) {
  member(out, "tables");
  ls__buf_putc(out, '{');
  for (uint32_t i = 0; i < run->plan->n_sinks && strcmp(run->status, "done") == 0; i++) {
    if (run->sinks[i] == NULL) continue;
    size_t n;
    const ls_lake_partition *partitions = ls__lake_sink_partitions(run->sinks[i], &n);
    member(out, run->plan->sinks[i].name);
    ls__buf_putc(out, '[');
    for (size_t k = 0; k < n; k++) {
      if (!partitions[k].published_by_run) continue;
      if (out->ptr[out->len - 1] != '[') ls__buf_putc(out, ',');
      ls__buf_putc(out, '{');
      member_text(out, "file", partitions[k].file);
      member_int(out, "rows", partitions[k].n_rows);
      ls__buf_putc(out, '}');
    }
    ls__buf_putc(out, ']');
  }
  ls__buf_putc(out, '}');
}

bool ls__run_adds_up(const ls_node_counters *c) {
  return c->rows_in == c->taken + c->filtered + c->late + c->dead;
}

static void put_steps(ls_buf *out, const ls_runtime *run) {
  bool all = true;
  member(out, "steps");
  ls__buf_putc(out, '[');
  for (uint32_t i = 0; i < run->plan->n_nodes; i++) {
    const ls_node_counters *c = &run->counters[i];
    all = all && ls__run_adds_up(c);
    if (i > 0) ls__buf_putc(out, ',');
    ls__buf_putc(out, '{');
    member_text(out, "step", run->plan->nodes[i].name);
    member_text(out, "verb", ls__verb_name(run->plan->nodes[i].verb));
    member_int(out, "in", c->rows_in);
    member_int(out, "taken", c->taken);
    member_int(out, "filtered", c->filtered);
    member_int(out, "late", c->late);
    member_int(out, "dead", c->dead);
    member_int(out, "out", c->rows_out);
    if (c->unmatched > 0) member_int(out, "unmatched", c->unmatched);
    if (!ls__run_adds_up(c)) ls__buf_puts(out, ",\"adds_up\":false");
    ls__buf_putc(out, '}');
  }
  ls__buf_putc(out, ']');
  member(out, "conservation");
  ls__buf_puts(out, all ? "true" : "false");
}

static void put_live(ls_buf *out, const ls_runtime *run) {
  member_int(out, "records", run->live.records);
  member_int(out, "bad_records", run->live.bad_records);
  member_int(out, "restored_records", run->live.restored);
  member_int(out, "standby_records", run->live.standby);
  member_int(out, "commits", run->live.commits);
  member_int(out, "aborts", run->live.aborts);
  member_int(out, "rejoins", run->live.rejoins);
  member_int(out, "lake_files", run->live.lake_files);
  member_int(out, "lake_rows", run->live.lake_rows);
}

void ls__run_summary(ls_buf *out, const ls_runtime *run) {
  int64_t end_us = run->finished_us > 0 ? run->finished_us : ls__monotonic_us();
  bool live = run->opts.mode == LS_MODE_STREAM;
  int64_t duration_us = end_us - run->started_us, records = live ? run->live.records : ls__run_records(run);
  ls__buf_putc(out, '{');
  member_text(out, "topology", run->plan->name);
  member_text(out, "status", run->status);
  if (run->error_text[0] != '\0') member_text(out, "error", run->error_text);
  member_text(out, "run_date", run->opts.date_to);
  member_text(out, "date_from", run->opts.date_from);
  member_text(out, "as_of", run->as_of);
  member(out, "duration_seconds");
  ls__buf_printf(out, "%lld.%03lld", (long long)(duration_us / 1000000), (long long)(duration_us / 1000 % 1000));
  member_int(out, "records_per_second", duration_us > 0 ? (int64_t)((double)records * 1e6 / (double)duration_us) : 0);
  member_int(out, "peak_memory_bytes", ls__peak_memory_bytes());
  member_int(out, "threads", run->n_workers);
  if (run->letters != NULL) {
    put_inputs(out, run);
    put_days(out, run);
    put_bad_of_others(out, run);
    member(out, "bad_record_reasons");
    ls__buf_putc(out, '[');
    ls__dead_letters_reasons(run->letters, put_reason, &(reason_list){out});
    ls__buf_putc(out, ']');
  }
  if (live) put_live(out, run);
  if (run->sinks != NULL && !live) {
    put_outputs(out, run);
    put_totals(out, run);
    put_balance(out, run);
    put_partitions(out, run);
  }
  if (run->counters != NULL) put_steps(out, run);
  ls__buf_putc(out, '}');
}
