/** @file run_balance.c  What came in came out: the sums of a sink against those of the step that its balance names. */
#include "base/hash.h"
#include "runtime/run.h"

/** One value of per. */
typedef struct value_line {
  ls_i128 in, out;
  ls_buf parts; /* of the split: NUL-terminated name and sum, one after the other */
} value_line;

typedef struct value_lines {
  ls_strmap by_per; /* value of per -> value_line, in order of names within each kind of call */
  uint32_t sum;     /* of the sums, the one to compare */
  int32_t scale;
} value_lines;

static value_line *line_of(value_lines *lines, const char *per) {
  value_line *line = ls__strmap_get(&lines->by_per, per);
  if (line != NULL) return line;
  line = LS_NEW(value_line);
  ls__strmap_put(&lines->by_per, per, line);
  return line;
}

static ls_i128 plus(ls_i128 a, ls_i128 b, int sign) {
  return ls__i128_make(ls__i128_get(a) + sign * ls__i128_get(b));
}

static void add_in(void *payload, const char *per, const char *split, const ls_i128 *sums) {
  (void)split;
  line_of(payload, per)->in = sums[0];
}

static void put_decimal(ls_buf *out, ls_i128 value, int32_t scale) {
  char text[LS_DECIMAL_TEXT_MAX];
  ls__buf_append(out, text, ls__decimal_format(text, ls__i128_get(value), scale));
}

static void add_out(void *payload, const char *per, const char *split, const ls_i128 *sums) {
  value_lines *lines = payload;
  value_line *line = line_of(lines, per);
  line->out = plus(line->out, sums[lines->sum], 1);
  ls__buf_append(&line->parts, split, strlen(split) + 1);
  put_decimal(&line->parts, sums[lines->sum], lines->scale);
  ls__buf_putc(&line->parts, '\0');
}

static void lines_open(value_lines *lines, const ls_runtime *run, uint32_t index) {
  const ls_plan_sink *sink = &run->plan->sinks[index];
  *lines = (value_lines){.sum = (uint32_t)sink->balance_sum};
  lines->scale = sink->schema->fields[sink->sum[sink->balance_sum]].type->scale;
  ls__sink_totals_each(run->came_in[sink->balance_with], add_in, lines);
  ls__sink_totals_each(ls__lake_sink_totals(run->sinks[index]), add_out, lines);
}

static void lines_close(value_lines *lines) {
  for (size_t i = 0; i < lines->by_per.n; i++) {
    value_line *line = lines->by_per.entries[i].value;
    ls__buf_fini(&line->parts);
    ls__free(line);
  }
  ls__strmap_fini(&lines->by_per);
}

static bool is_zero(ls_i128 value) {
  return ls__i128_get(value) == 0;
}

/** Rows that steps refused: their value is not in any sink, and no step lost it. */
static int64_t dead_rows(const ls_runtime *run) {
  int64_t n = 0;
  for (uint32_t i = 0; i < run->plan->n_nodes; i++) n += run->counters[i].dead;
  return n;
}

static int check_line(const ls_runtime *run, uint32_t index, const char *per, const value_line *line, int32_t scale,
                      ls_error *err) {
  if (is_zero(plus(line->in, line->out, -1)) || dead_rows(run) > 0) return LS_OK;
  const ls_plan_sink *sink = &run->plan->sinks[index];
  ls_buf in = LS_BUF_INIT, out = LS_BUF_INIT;
  put_decimal(&in, line->in, scale);
  put_decimal(&out, line->out, scale);
  int rc = ls_error_set(err, LS_EINTERNAL,
                        "value is lost or doubled: %s of %s: %.*s came in, %.*s is in sink %s; nothing was published",
                        sink->schema->fields[sink->sum[sink->balance_sum]].name, per[0] != '\0' ? per : "all",
                        (int)in.len, in.ptr, (int)out.len, out.ptr, sink->name);
  ls__buf_fini(&in);
  ls__buf_fini(&out);
  return rc;
}

int ls__run_check_balance(const ls_runtime *run, ls_error *err) {
  int rc = LS_OK;
  for (uint32_t i = 0; i < run->plan->n_sinks && rc >= 0; i++) {
    if (run->sinks[i] == NULL || run->plan->sinks[i].balance_sum < 0) continue;
    value_lines lines;
    lines_open(&lines, run, i);
    for (size_t k = 0; k < lines.by_per.n && rc >= 0; k++) {
      rc = check_line(run, i, lines.by_per.entries[k].key, lines.by_per.entries[k].value, lines.scale, err);
    }
    lines_close(&lines);
  }
  return rc;
}

static void put_sum(ls_buf *out, const char *name, ls_i128 value, int32_t scale) {
  ls__buf_json_string(out, ls__slice_of(name));
  ls__buf_puts(out, ":\"");
  put_decimal(out, value, scale);
  ls__buf_putc(out, '"');
}

static void put_parts(ls_buf *out, const value_line *line) {
  bool first = true;
  for (const char *at = line->parts.ptr, *end = at + line->parts.len; at != NULL && at < end;) {
    const char *sum = at + strlen(at) + 1;
    if (!first) ls__buf_putc(out, ',');
    ls__buf_json_string(out, ls__slice_of(at));
    ls__buf_printf(out, ":\"%s\"", sum);
    first = false;
    at = sum + strlen(sum) + 1;
  }
}

void ls__run_balance_json(ls_buf *out, const ls_runtime *run, uint32_t sink) {
  value_lines lines;
  lines_open(&lines, run, sink);
  ls__buf_putc(out, '{');
  for (size_t i = 0; i < lines.by_per.n; i++) {
    const value_line *line = lines.by_per.entries[i].value;
    if (i > 0) ls__buf_putc(out, ',');
    ls__buf_json_string(out, ls__slice_of(lines.by_per.entries[i].key));
    ls__buf_puts(out, ":{");
    put_sum(out, "in", line->in, lines.scale);
    ls__buf_putc(out, ',');
    put_sum(out, "left_out", plus(line->in, line->out, -1), lines.scale);
    ls__buf_puts(out, ",\"out\":{");
    put_parts(out, line);
    ls__buf_puts(out, "}}");
  }
  ls__buf_putc(out, '}');
  lines_close(&lines);
}

void ls__run_balance_text(ls_buf *out, const ls_runtime *run, uint32_t sink,
                          void (*begin)(ls_buf *out, const char *per, bool first)) {
  value_lines lines;
  bool first = true;
  lines_open(&lines, run, sink);
  for (size_t i = 0; i < lines.by_per.n; i++) {
    const value_line *line = lines.by_per.entries[i].value;
    const char *per = lines.by_per.entries[i].key, *before = " in = ";
    if (per[0] == '\0' && is_zero(line->in) && is_zero(line->out)) continue;
    begin(out, per, first);
    first = false;
    put_decimal(out, line->in, lines.scale);
    for (const char *at = line->parts.ptr, *end = at + line->parts.len; at != NULL && at < end; before = " + ") {
      const char *sum = at + strlen(at) + 1;
      ls__buf_printf(out, "%s%s %s", before, sum, at);
      at = sum + strlen(sum) + 1;
    }
    ls_i128 rest = plus(line->in, line->out, -1);
    if (!is_zero(rest)) {
      ls__buf_puts(out, before);
      put_decimal(out, rest, lines.scale);
      ls__buf_puts(out, " in dead letters");
    }
    ls__buf_putc(out, '\n');
  }
  lines_close(&lines);
}
