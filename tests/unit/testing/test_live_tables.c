/**
 * @file test_live_tables.c  Live, tables with emit: final give their changes: the end state is that of the replay, whatever
 * the order, slices and workers; also behind filters, other keys and aggregates.
 */
#include "random_input.h"

#include <stdio.h>

enum { LINES_MAX = 20000 };

#define LIVE_SOURCE(name)                                                                                              \
  "  " name ": { schema: row, live: { kafka: " name " }, replay: { files: \"" name "/*.jsonl\", format: json } }\n"
#define LIVE_SINK(name, from) "  " name ": { from: " from ", lake: { path: " name ", format: jsonl, keep: last } }\n"

/** Length of the key in a line: up to the n-th comma. */
static size_t key_end(const char *text, size_t len, int n_key) {
  size_t at = 0;
  for (; at < len && n_key > 0; at++) n_key -= text[at] == ',';
  return at;
}

static int compare_lines(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/** What a reader by key has in the end: the last row of each key, without the keys that are gone, as sorted lines. */
static char *end_state(const char *output, int n_key) {
  static char *lines[LINES_MAX];
  size_t n = 0, size = 1;
  for (const char *at = output; *at != 0;) {
    size_t len = (size_t)(strchr(at, '\n') - at);
    bool gone = at[0] == '-';
    const char *row = at + gone;
    size_t row_len = len - gone, k = key_end(row, row_len, n_key), i = 0;
    while (i < n && strncmp(lines[i], row, k) != 0) i++;
    if (i < n) free(lines[i]);
    if (gone) ck_assert_msg(i < n, "a row that was never there is gone: %.*s", (int)row_len, row);
    if (gone)
      lines[i] = lines[--n];
    else
      lines[i == n ? n++ : i] = strndup(row, row_len);
    ck_assert_uint_lt(n, LINES_MAX);
    at += len + 1;
  }
  qsort(lines, n, sizeof *lines, compare_lines);
  for (size_t i = 0; i < n; i++) size += strlen(lines[i]) + 1;
  char *text = calloc(1, size);
  for (size_t i = 0; i < n; i++) {
    strcat(strcat(text, lines[i]), "\n");
    free(lines[i]);
  }
  return text;
}

static ls_testdriver *run_as(const ls_testdriver_opts *opts, const piped *rows, size_t n) {
  ls_testdriver *driver = NULL;
  ls_error err = LS_ERROR_INIT;
  ck_assert_msg(ls__testdriver_new(&driver, opts, &err) == LS_OK, "%s", err.message);
  for (size_t i = 0; i < n; i++)
    ck_assert_msg(ls__testdriver_pipe(driver, rows[i].source, rows[i].json, &err) == LS_OK, "%s", err.message);
  ck_assert_msg(ls__testdriver_run(driver, &err) == LS_OK, "%s", err.message);
  return driver;
}

typedef struct expected_sink {
  const char *name;
  int n_key;
} expected_sink;

static void expect_same_end(const char *yaml, const char *plugins, const piped *rows, size_t n,
                            const expected_sink *sinks, size_t n_sinks) {
  ls_testdriver_opts opts = {.yaml = yaml, .plugin_dir = plugins, .batch_rows = 64, .n_workers = 1};
  ls_testdriver *replay = run_as(&opts, rows, n);
  static const int slices[] = {1, 3, 1000}, workers[] = {1, 4, 2};
  for (size_t i = 0; i < 3; i++) {
    opts.batch_rows = slices[i];
    opts.n_workers = workers[i];
    opts.live = true;
    ls_testdriver *live = run_as(&opts, rows, n);
    for (size_t s = 0; s < n_sinks; s++) {
      char *want = end_state(ls__testdriver_output(replay, sinks[s].name), sinks[s].n_key);
      char *got = end_state(ls__testdriver_output(live, sinks[s].name), sinks[s].n_key);
      ck_assert_msg(strcmp(want, got) == 0, "sink %s, slices of %d, %d workers:\n%s\nreplay:\n%s\nlive rows:\n%s",
                    sinks[s].name, slices[i], workers[i], got, want, ls__testdriver_output(live, sinks[s].name));
      free(want);
      free(got);
    }
    ck_assert_str_eq(ls__testdriver_dead_letters(live), ls__testdriver_dead_letters(replay));
    ls__testdriver_free(live);
  }
  ls__testdriver_free(replay);
}

#define LIVE_TWO(steps, sinks) SCHEMA "sources:\n" LIVE_SOURCE("l") LIVE_SOURCE("r") "steps:\n" steps "sinks:\n" sinks
#define BOTH                                                                                                           \
  "  a: { from: l, latest: { by: t, store: a, emit: final } }\n  b: { from: r, aggregate: { emit: final, store: b, "   \
  "values: { v: sum(v), n: count(*) } } }\n"

typedef struct text_rows {
  char json[400][160];
  piped rows[400];
  size_t n;
} text_rows;

static void random_rows(text_rows *out, size_t n, int n_keys) {
  out->n = n;
  for (size_t i = 0; i < n; i++) {
    snprintf(out->json[i], sizeof out->json[i], "{\"k\":\"k%d\",\"t\":\"2026-01-01T00:%02d:%02dZ\",\"v\":%d}",
             rng(n_keys), (int)(i / 60), (int)(i % 60), rng(7));
    out->rows[i] = (piped){rng(2) == 0 ? "l" : "r", out->json[i]};
  }
}

static void expect_random(const char *yaml, const expected_sink *sinks, size_t n_sinks) {
  static text_rows rows;
  for (int seed = 1; seed <= 12; seed++) {
    rng_state = (uint64_t)seed;
    random_rows(&rows, 20 + (size_t)rng(380), 1 + rng(30));
    expect_same_end(yaml, NULL, rows.rows, rows.n, sinks, n_sinks);
  }
}
#define EXPECT_RANDOM(yaml, ...)                                                                                       \
  do {                                                                                                                 \
    const expected_sink sinks_[] = {__VA_ARGS__};                                                                      \
    expect_random(yaml, sinks_, sizeof sinks_ / sizeof *sinks_);                                                       \
  } while (0)

START_TEST(each_table_alone) {
  EXPECT_RANDOM(LIVE_TWO(BOTH, LIVE_SINK("oa", "a") LIVE_SINK("ob", "b")), {"oa", 1}, {"ob", 1});
}
END_TEST

START_TEST(joins_of_tables) {
  EXPECT_RANDOM(
      LIVE_TWO(
          BOTH
          "  i: { from: a, join: { with: b, emit: final } }\n  j: { from: a, left_join: { with: b, emit: final } }\n"
          "  o: { from: a, outer_join: { with: b, emit: final } }\n",
          LIVE_SINK("oi", "i") LIVE_SINK("oj", "j") LIVE_SINK("oo", "o")),
      {"oi", 1}, {"oj", 1}, {"oo", 1});
}
END_TEST

START_TEST(rows_that_a_filter_no_longer_passes_are_gone) {
  EXPECT_RANDOM(LIVE_TWO(BOTH "  o: { from: a, outer_join: { with: b, emit: final } }\n  f: { from: o, filter: "
                              "\"COALESCE(v, 0) + COALESCE(b.v, 0) > 3\" }\n"
                              "  s: { from: a, branch: { odd: \"v % 2 = 1\", even: otherwise } }\n",
                         LIVE_SINK("of", "f") LIVE_SINK("odd", "s.odd") LIVE_SINK("even", "s.even")),
                {"of", 1}, {"odd", 1}, {"even", 1});
}
END_TEST

START_TEST(aggregates_count_each_row_of_a_table_once) {
  EXPECT_RANDOM(
      LIVE_TWO(
          BOTH
          "  o: { from: a, outer_join: { with: b, emit: final } }\n"
          "  f: { from: o, filter: \"v IS NOT NULL AND COALESCE(b.n, 0) < 6\" }\n"
          "  g: { from: f, aggregate: { by: v, emit: final, store: g, values: { n: count(*), vs: count(b.v), s: "
          "sum(b.v), a: avg(b.n) } } }\n"
          "  h: { from: g, aggregate: { by: n, emit: final, store: h, values: { groups: count(*), s: sum(s) } } }\n",
          LIVE_SINK("og", "g") LIVE_SINK("oh", "h")),
      {"og", 1}, {"oh", 1});
}
END_TEST

START_TEST(tables_made_of_rows_with_another_key) {
  EXPECT_RANDOM(
      LIVE_TWO(
          BOTH
          "  x: { from: b, aggregate: { by: n, emit: changes, store: x, values: { keys: count(*), s: sum(v) } } }\n"
          "  y: { from: a, select: { k: k, n: v, t: t } }\n  z: { from: y, select_key: n }\n"
          "  w: { from: z, aggregate: { by: n, emit: final, store: w, values: { c: count(*) } } }\n"
          "  j: { from: x, outer_join: { with: w, emit: final } }\n",
          LIVE_SINK("oj", "j") LIVE_SINK("ox", "x")),
      {"oj", 1}, {"ox", 1});
}
END_TEST

START_TEST(a_table_of_filtered_final_rows) {
  EXPECT_RANDOM(LIVE_TWO(BOTH "  f: { from: a, filter: v > 2 }\n  m: { from: f, latest: { store: m, emit: final } }\n"
                              "  j: { from: m, outer_join: { with: b, emit: final } }\n",
                         LIVE_SINK("om", "m") LIVE_SINK("oj", "j")),
                {"om", 1}, {"oj", 1});
}
END_TEST

START_TEST(a_change_is_one_result) {
  ls_testdriver_opts opts = {
      .yaml = LIVE_TWO(BOTH "  g: { from: a, aggregate: { by: v, store: g, emit: final, values: { n: count(*) } } }\n",
                       LIVE_SINK("og", "g") LIVE_SINK("ob", "b")),
      .live = true};
  const piped rows[] = {L("x", "01", 1), L("y", "02", 1), L("x", "03", 1),
                        L("x", "04", 2), L("x", "05", 1), R("x", "06", 1)};
  ls_testdriver *live = run_as(&opts, rows, sizeof rows / sizeof *rows);
  ck_assert_str_eq(ls__testdriver_output(live, "og"),
                   "{\"v\":1,\"n\":1}\n{\"v\":1,\"n\":2}\n{\"v\":1,\"n\":2}\n{\"v\":1,\"n\":1}\n{\"v\":2,\"n\":1}\n-{"
                   "\"v\":2,\"n\":1}\n{\"v\":1,\"n\":2}\n");
  ls__testdriver_free(live);
}
END_TEST

/* ---- the reconciliation ---- */

static char *file_text(const char *path) {
  char full[4096];
  snprintf(full, sizeof full, "%s/%s", getenv("SOURCE_DIR"), path);
  FILE *file = fopen(full, "rb");
  ck_assert_ptr_nonnull(file);
  char *text = calloc(1, 1 << 16);
  ck_assert_uint_gt(fread(text, 1, (1 << 16) - 1, file), 0);
  fclose(file);
  return text;
}

/** Versions of transactions and statements in any order: rows change reason, status, merchant and amount. */
static void recon_rows(text_rows *out, int n) {
  static char json[400][640];
  static const char *const statuses[] = {"APPROVED", "PENDING", "REFUNDED", "DECLINED"};
  out->n = (size_t)n;
  for (int i = 0; i < n; i++) {
    int id = rng(25);
    if (rng(2) == 0) {
      snprintf(json[i], sizeof json[i],
               "{\"transaction_id\":\"t%d\",\"merchant_id\":\"m%d\",\"user_token\":\"u\",\"amount\":\"%d.50\","
               "\"currency\":\"%s\",\"status\":\"%s\","
               "\"fraud_score\":0.5,\"enriched_flags\":[],\"event_time\":\"2026-01-02T00:00:00Z\",\"stream_ingest_"
               "time\":\"2026-01-02T00:00:01Z\",\"version\":%d}",
               id, rng(20) == 0 ? rng(3) : id % 3, 10 + rng(2), id % 5 == 0 ? "EUR" : "USD", statuses[rng(4)],
               1 + rng(9));
      out->rows[i] = (piped){"streaming_index", json[i]};
    } else {
      snprintf(json[i], sizeof json[i],
               "{\"statement_id\":\"s%d\",\"transaction_id\":\"t%d\",\"posting_date\":\"2026-01-0%d\",\"amount_"
               "posted\":\"%d.%s\",\"fee_charged\":null}",
               rng(200), id + rng(3), 1 + rng(3), rng(8) == 0 ? -11 : 10 + rng(2), rng(4) == 0 ? "00" : "50");
      out->rows[i] = (piped){"statements", json[i]};
    }
  }
}

START_TEST(the_reconciliation_ends_as_the_batch_does) {
  static text_rows rows;
  static const expected_sink sinks[] = {{"batch_index", 1}, {"final_index", 1}, {"merchant_kpis", 2}};
  setenv("LS_PARAM_RUN_DATE", "2026-01-02", 1);
  setenv("LS_PARAM_AS_OF", "2026-01-03T00:00:00Z", 1);
  char *yaml = file_text("configs/batch_recon.yaml");
  for (int seed = 1; seed <= 8; seed++) {
    rng_state = (uint64_t)seed * 77;
    recon_rows(&rows, 100 + rng(300));
    expect_same_end(yaml, getenv("LS_UDF_DIR"), rows.rows, rows.n, sinks, 3);
  }
  free(yaml);
}
END_TEST

/* ---- what can't run live ---- */

static void expect_refused(const char *steps, const char *from, const char *message) {
  char yaml[4096];
  ls_testdriver *driver = NULL;
  ls_error err = LS_ERROR_INIT;
  snprintf(yaml, sizeof yaml,
           "%s%s  out: { from: %s, lake: { path: out, format: jsonl } }\n  a: { from: a, lake: { path: a, format: "
           "jsonl } }\n  b: { from: b, lake: { path: b, format: jsonl } }\n",
           steps, "sinks:\n", from);
  ls_testdriver_opts opts = {.yaml = yaml};
  ck_assert_msg(ls__testdriver_new(&driver, &opts, &err) == LS_OK, "replay: %s", err.message);
  ls__testdriver_free(driver);
  opts.live = true;
  ck_assert_int_eq(ls__testdriver_new(&driver, &opts, &err), LS_ECONFIG);
  ck_assert_msg(strstr(err.message, message) != NULL, "%s", err.message);
  ls__testdriver_free(driver);
}
#define REFUSED(steps, from, message)                                                                                  \
  expect_refused(SCHEMA "sources:\n" LIVE_SOURCE("l") LIVE_SOURCE("r") "steps:\n" BOTH steps, from, message)

START_TEST(what_has_no_meaning_without_an_end_is_refused) {
  REFUSED("  g: { from: a, aggregate: { by: v, store: g, values: { m: max(t) } } }\n", "g",
          "test.yaml:17:3: error: live: step g aggregates rows of a table that change, and m can't");
  REFUSED("  g: { from: b, aggregate: { by: n, store: g, values: { m: \"sum(CAST(v AS float64))\" } } }\n", "g",
          "m can't take the old row back");
  REFUSED("  g: { from: a, aggregate: { by: v, window: { tumbling: 10s, grace: 0s }, store: g, values: { m: count(*) } "
          "} }\n",
          "g", "into windows");
  REFUSED("  g: { from: a, deduplicate: { on: v, retention: 10s, store: g } }\n", "g",
          "(deduplicate) reads final rows");
  REFUSED("  g: { from: a, changes: { store: g } }\n", "g", "(changes) reads final rows");
  REFUSED("  g: { from: a, select_key: k }\n  h: { from: g, latest: { by: t, store: h } }\n", "h",
          "takes the latest of final rows");
  REFUSED("  x: { from: a, aggregate: { by: v, store: x, emit: changes, values: { n: count(*) } } }\n  y: { from: x, "
          "aggregate: { by: n, store: y, values: { m: count(*) } } }\n",
          "y", "counts every change of a table");
  REFUSED("  x: { from: a, extend: { at: event_time() } }\n  y: { from: x, aggregate: { by: v, store: y, values: { m: "
          "count(*) } } }\n",
          "y", "step x is between a table that changes");
}
END_TEST

START_TEST(a_source_without_a_topic_is_refused) {
  ls_testdriver *driver = NULL;
  ls_error err = LS_ERROR_INIT;
  ls_testdriver_opts opts = {.yaml = ONE("  a: { from: s, filter: v > 1 }\n", "a"), .live = true};
  ck_assert_int_eq(ls__testdriver_new(&driver, &opts, &err), LS_ECONFIG);
  ck_assert_str_eq(err.message, "test.yaml: source s has no live binding; give live: { kafka: <topic> }");
  ls__testdriver_free(driver);
}
END_TEST

RULES("live_tables", each_table_alone, joins_of_tables, rows_that_a_filter_no_longer_passes_are_gone,
      aggregates_count_each_row_of_a_table_once, tables_made_of_rows_with_another_key, a_table_of_filtered_final_rows,
      a_change_is_one_result, the_reconciliation_ends_as_the_batch_does, what_has_no_meaning_without_an_end_is_refused,
      a_source_without_a_topic_is_refused)
