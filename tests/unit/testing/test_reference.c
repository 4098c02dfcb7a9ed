/**
 * @file test_reference.c
 * Random records through latest, deduplicate, tumbling aggregate and stream-stream join, against models that take one record at
 * a time, written from docs/OPERATORS.md and not from the nodes. A failure names its seed: LS_TEST_SEED=<n> repeats it.
 */
#include "random_input.h"

typedef struct text {
  char *at;
  size_t len;
} text;

static void text_put(text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void text_put(text *out, const char *format, ...) {
  va_list args;
  va_start(args, format);
  out->len += (size_t)vsnprintf(out->at + out->len, TEXT_MAX - out->len, format, args);
  va_end(args);
  ck_assert_uint_lt(out->len, TEXT_MAX);
}

static const char *value_text(int v) {
  static char texts[4][16];
  static int next;
  char *at = texts[next++ % 4];
  if (v == NO_VALUE) return "null";
  snprintf(at, sizeof texts[0], "%d", v);
  return at;
}

enum { SINKS_MAX = 4 };
static const char *const sink_names[SINKS_MAX] = {"out", "late", "unmatched", "late_left"};
static text expected[SINKS_MAX];

static void clear_expected(void) {
  for (int i = 0; i < SINKS_MAX; i++) {
    if (expected[i].at == NULL) expected[i].at = malloc(TEXT_MAX);
    expected[i].len = 0;
    expected[i].at[0] = '\0';
  }
}

static void row_out(int sink, const record *r) {
  text_put(&expected[sink], "{\"k\":\"k%d\",\"t\":\"%s\",\"v\":%s,\"n\":%" PRId64 "}\n", r->key,
           time_text(r->t * 1000000), value_text(r->v), r->n);
}

/** Every slicing and number of workers gives the expected rows, in order for each key. */
static void check_all(uint64_t seed, const char *what, const char *yaml, const input *in, int n_dead) {
  static const int64_t sizes[] = {1, 3, 64, 4096};
  static const int workers[] = {1, 2, 5};
  for (size_t w = 0; w < 3; w++) {
    for (size_t s = 0; s < 4; s++) {
      ls_testdriver *driver = run_on(yaml, sizes[s], workers[w], in->rows, (size_t)in->n);
      for (int i = 0; i < SINKS_MAX; i++) {
        const char *got = ls__testdriver_output(driver, sink_names[i]);
        if (got != NULL) expect_lines(seed, what, sizes[s], workers[w], yaml, got, expected[i].at, true);
      }
      int dead = 0;
      for (const char *p = ls__testdriver_dead_letters(driver); *p != '\0'; p++) dead += *p == '\n';
      ck_assert_msg(dead == n_dead, "seed %" PRIu64 ": %d dead letters, expected %d\n%s", seed, dead, n_dead,
                    ls__testdriver_dead_letters(driver));
      ls__testdriver_free(driver);
    }
  }
}

#define SOURCE_A            "sources:\n  a: { schema: row, replay: { files: \"a/*.jsonl\" } }\n"
#define SOURCE_B            "  b: { schema: row, replay: { files: \"b/*.jsonl\" } }\n"
#define SINK_OF(name, from) "  " name ": { from: " from ", lake: { path: " name ", format: jsonl } }\n"

/* ---- latest: the row, when its `by` is not older than the current row's ---- */

static void model_latest(const input *in) {
  const record *current[16] = {NULL};
  for (int i = 0; i < in->n; i++) {
    const record *r = &in->records[i];
    if (current[r->key] != NULL && r->t < current[r->key]->t) {
      row_out(1, r);
      continue;
    }
    current[r->key] = r;
    row_out(0, r);
  }
}

START_TEST(latest_is_as_the_model) {
  const char *yaml = ROW_SCHEMA SOURCE_A "steps:\n  l: { from: a, latest: { by: t, store: l } }\n"
                                         "sinks:\n" SINK_OF("out", "l") SINK_OF("late", "l.late");
  for (uint64_t seed = first_seed(); seed <= last_seed(25); seed++) {
    static input in;
    rng_state = seed;
    make_input(&in, 1, 1 + rng(8), rng(2) * 20);
    put_in_order(&in);
    clear_expected();
    model_latest(&in);
    check_all(seed, "latest", yaml, &in, 0);
  }
}
END_TEST

/* ---- deduplicate: first row of each value in order; with a retention, again once the first is older than it ---- */

static int model_deduplicate(const input *in, int64_t retention) {
  int64_t first[16][16];
  bool seen[16][16] = {{false}};
  int n_dead = 0;
  for (int i = 0; i < in->n; i++) {
    const record *r = &in->records[i];
    if (r->v == NO_VALUE) {
      n_dead++; /* a null is no value to go by */
      continue;
    }
    if (seen[r->key][r->v] && (retention < 0 || r->now - first[r->key][r->v] <= retention)) continue;
    seen[r->key][r->v] = true;
    first[r->key][r->v] = r->now;
    row_out(0, r);
  }
  return n_dead;
}

START_TEST(deduplicate_is_as_the_model) {
  for (uint64_t seed = first_seed(); seed <= last_seed(25); seed++) {
    static input in;
    rng_state = seed;
    make_input(&in, 1, 1 + rng(8), rng(2) * 20);
    int64_t retention = rng(3) == 0 ? -1 : 1 + rng(40);
    char keep[32] = "forever", yaml[1024];
    if (retention > 0) snprintf(keep, sizeof keep, "%ds", (int)retention);
    snprintf(yaml, sizeof yaml,
             ROW_SCHEMA SOURCE_A "steps:\n  d: { from: a, deduplicate: { on: [k, v], retention: %s, store: d } }\n"
                                 "sinks:\n" SINK_OF("out", "d"),
             keep);
    put_in_order(&in);
    clear_expected();
    int n_dead = model_deduplicate(&in, retention);
    check_all(seed, "deduplicate", yaml, &in, n_dead);
  }
}
END_TEST

/* ---- tumbling aggregate ---- */

typedef struct window_model {
  bool used;
  int key, count, sum, values, largest;
  int64_t start, ts, first, last;
} window_model;
static window_model windows[4096];
static int n_windows;

static void window_out(const window_model *w, int64_t size, int64_t now_us) {
  text_put(&expected[0],
           "{\"k\":\"k%d\",\"from\":\"%s\",\"until\":\"%s\",\"c\":%d,\"s\":%s,\"m\":%s,\"f\":%" PRId64
           ",\"l\":%" PRId64,
           w->key, time_text(w->start * 1000000), time_text((w->start + size) * 1000000), w->count,
           value_text(w->values > 0 ? w->sum : NO_VALUE), value_text(w->largest), w->first, w->last);
  text_put(&expected[0], ",\"at\":\"%s\",\"now\":\"%s\"}\n", time_text(w->ts * 1000000), time_text(now_us));
}

/** Closes what stream time has reached, earliest first; one key has one window per start. */
static void close_windows(int64_t size, int64_t grace, int64_t now, bool final) {
  for (;;) {
    window_model *next = NULL;
    for (int i = 0; i < n_windows; i++) {
      window_model *w = &windows[i];
      if (w->used && w->start + size + grace <= now && (next == NULL || w->start < next->start)) next = w;
    }
    if (next == NULL) return;
    if (final) window_out(next, size, (next->start + size + grace) * 1000000);
    next->used = false;
  }
}

static window_model *window_of(const record *r, int64_t size) {
  int64_t start = r->t - ((r->t % size) + size) % size;
  for (int i = 0; i < n_windows; i++) {
    if (windows[i].used && windows[i].key == r->key && windows[i].start == start) return &windows[i];
  }
  ck_assert_int_lt(n_windows, 4096);
  windows[n_windows] =
      (window_model){.used = true, .key = r->key, .start = start, .largest = NO_VALUE, .first = r->n, .ts = r->t};
  return &windows[n_windows++];
}

static void model_tumbling(const input *in, int64_t size, int64_t grace, bool final) {
  n_windows = 0;
  for (int i = 0; i < in->n; i++) {
    const record *r = &in->records[i];
    close_windows(size, grace, r->now, final);
    int64_t start = r->t - ((r->t % size) + size) % size;
    if (!(start + size > r->now - grace)) {
      row_out(1, r);
      continue;
    }
    window_model *w = window_of(r, size);
    w->count++;
    if (r->v != NO_VALUE) w->sum += r->v, w->values++;
    if (r->v > w->largest) w->largest = r->v;
    if (r->t > w->ts) w->ts = r->t;
    w->last = r->n;
    if (!final) window_out(w, size, r->now * 1000000);
  }
  close_windows(size, grace, INT64_MAX / 4, final);
}

START_TEST(tumbling_aggregate_is_as_the_model) {
  for (uint64_t seed = first_seed(); seed <= last_seed(40); seed++) {
    static input in;
    rng_state = seed;
    make_input(&in, 1, 1 + rng(8), rng(2) * 30);
    int size = 1 + rng(20), grace = rng(3) * rng(10);
    bool final = rng(2) == 0;
    char yaml[2048];
    snprintf(yaml, sizeof yaml,
             ROW_SCHEMA SOURCE_A
             "steps:\n  g: { from: a, aggregate: { window: { tumbling: %ds, grace: %ds }, emit: %s, store: g,\n"
             "    values: { c: count(*), s: sum(v), m: max(v), f: first(n), l: last(n) } } }\n"
             "  o: { from: g, select: { k: k, from: window_start, until: window_end, c: c, s: s, m: m, f: f, l: l, at: "
             "event_time(), now: stream_time() } }\n"
             "sinks:\n" SINK_OF("out", "o") SINK_OF("late", "g.late"),
             size, grace, final ? "final" : "changes");
    put_in_order(&in);
    clear_expected();
    model_tumbling(&in, size, grace, final);
    check_all(seed, "tumbling aggregate", yaml, &in, 0);
  }
}
END_TEST

/* ---- stream-stream join ---- */

typedef struct held {
  const record *r;
  bool there, matched;
} held;
typedef struct join_model {
  int64_t before, after, grace;
  int type; /* 0 join, 1 left_join, 2 outer_join */
  bool final;
  int fanout_max;
  held rows[RECORDS_MAX];
  int n, n_dead;
} join_model;

static int64_t reach_of(const join_model *j, const record *r) {
  return r->source == 0 ? j->after : j->before;
}
static bool keeps_alone(const join_model *j, const record *r) {
  return r->source == 0 ? j->type >= 1 : j->type == 2;
}

static void pair_out(const record *l, const record *r, int64_t ts, int64_t now_us) {
  const record *one = l != NULL ? l : r;
  text_put(&expected[0], "{\"k\":\"k%d\"", one->key);
  if (l == NULL)
    text_put(&expected[0], ",\"ln\":null,\"lv\":null");
  else
    text_put(&expected[0], ",\"ln\":%" PRId64 ",\"lv\":%s", l->n, value_text(l->v));
  if (r == NULL)
    text_put(&expected[0], ",\"rn\":null,\"rv\":null");
  else
    text_put(&expected[0], ",\"rn\":%" PRId64 ",\"rv\":%s", r->n, value_text(r->v));
  text_put(&expected[0], ",\"at\":\"%s\",\"now\":\"%s\"}\n", time_text(ts * 1000000), time_text(now_us));
}

/** Rows whose window closes before or at stream time now, by time of close, then by record. */
static void close_rows(join_model *j, int64_t now) {
  for (;;) {
    held *next = NULL;
    int64_t next_close = 0;
    for (int i = 0; i < j->n; i++) {
      held *h = &j->rows[i];
      int64_t close = h->r->t + reach_of(j, h->r) + j->grace; /* the last moment at which it is open */
      if (!h->there || close >= now) continue;
      bool sooner = next == NULL || close < next_close ||
                    (close == next_close &&
                     (h->r->source < next->r->source || (h->r->source == next->r->source && h->r->n < next->r->n)));
      if (sooner) next = h, next_close = close;
    }
    if (next == NULL) return;
    next->there = false;
    if (next->matched) continue;
    if (next->r->source == 1) row_out(2, next->r);
    if (j->final && keeps_alone(j, next->r)) {
      pair_out(next->r->source == 0 ? next->r : NULL, next->r->source == 1 ? next->r : NULL, next->r->t,
               next_close * 1000000 + 1);
    }
  }
}

static bool matches(const join_model *j, const record *r, const held *h) {
  if (!h->there || h->r->source == r->source || h->r->key != r->key) return false;
  int64_t left = r->source == 0 ? r->t : h->r->t, right = r->source == 1 ? r->t : h->r->t;
  return left - j->before <= right && right <= left + j->after;
}

static int by_time_then_order(const void *a, const void *b) {
  const held *x = *(held *const *)a, *y = *(held *const *)b;
  if (x->r->t != y->r->t) return x->r->t < y->r->t ? -1 : 1;
  return by_order(x->r, y->r);
}

static void join_record(join_model *j, const record *r) {
  close_rows(j, r->now);
  if (r->now > r->t + reach_of(j, r) + j->grace) {
    row_out(r->source == 0 ? 3 : 1, r);
    return;
  }
  held *partners[RECORDS_MAX];
  int n = 0;
  for (int i = 0; i < j->n; i++) {
    if (matches(j, r, &j->rows[i])) partners[n++] = &j->rows[i];
  }
  if (n > j->fanout_max) {
    j->n_dead++;
    return;
  }
  qsort(partners, (size_t)n, sizeof *partners, by_time_then_order);
  for (int i = 0; i < n; i++) {
    const record *other = partners[i]->r;
    partners[i]->matched = true;
    pair_out(r->source == 0 ? r : other, r->source == 1 ? r : other, r->t > other->t ? r->t : other->t,
             r->now * 1000000);
  }
  if (n == 0 && !j->final && keeps_alone(j, r))
    pair_out(r->source == 0 ? r : NULL, r->source == 1 ? r : NULL, r->t, r->now * 1000000);
  j->rows[j->n++] = (held){r, true, n > 0};
}

START_TEST(stream_join_is_as_the_model) {
  static const char *const verbs[] = {"join", "left_join", "outer_join"};
  for (uint64_t seed = first_seed(); seed <= last_seed(90); seed++) {
    static input in;
    static join_model j;
    rng_state = seed;
    make_input(&in, 2, 1 + rng(8), rng(3) * 15);
    j = (join_model){.before = rng(15),
                     .after = rng(15),
                     .grace = rng(2) * rng(12),
                     .type = rng(3),
                     .final = rng(2) == 0,
                     .fanout_max = rng(3) == 0 ? 1 + rng(4) : 1000};
    if (rng(2) == 0) j.before = j.after;
    char yaml[4096];
    /* the sources are declared b, a or a, b: order among equals follows the file */
    snprintf(yaml, sizeof yaml,
             ROW_SCHEMA SOURCE_A SOURCE_B "steps:\n  j: { from: a, %s: { with: b, before: %ds, after: %ds, grace: %ds, "
                                          "emit: %s, fanout_max: %d, store: j } }\n"
                                          "  o: { from: j, select: { k: \"COALESCE(k, b.k)\", ln: n, lv: v, rn: b.n, "
                                          "rv: b.v, at: event_time(), now: stream_time() } }\n"
                                          "sinks:\n" SINK_OF("out", "o") SINK_OF("late", "j.late")
                                              SINK_OF("unmatched", "j.unmatched") SINK_OF("late_left", "j.late_left"),
             verbs[j.type], (int)j.before, (int)j.after, (int)j.grace, j.final ? "final" : "early", j.fanout_max);
    put_in_order(&in);
    clear_expected();
    for (int i = 0; i < in.n; i++) join_record(&j, &in.records[i]);
    close_rows(&j, INT64_MAX / 4);
    check_all(seed, verbs[j.type], yaml, &in, j.n_dead);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("reference");
  TCase *tcase = tcase_create("models");
  tcase_set_timeout(tcase, 100);
  tcase_add_test(tcase, latest_is_as_the_model);
  tcase_add_test(tcase, deduplicate_is_as_the_model);
  tcase_add_test(tcase, tumbling_aggregate_is_as_the_model);
  tcase_add_test(tcase, stream_join_is_as_the_model);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}
