/**
 * @file test_invariance.c
 * Random records through topologies of several steps: the rows of a key, and their order, are the same for every slice size and
 * number of workers. A failure names its seed: LS_TEST_SEED=<n> repeats it.
 */
#include "random_input.h"

#define SOURCES                                                                                                        \
  ROW_SCHEMA "sources:\n"                                                                                              \
             "  a: { schema: row, replay: { files: \"a/*.jsonl\" } }\n"                                                \
             "  b: { schema: row, replay: { files: \"b/*.jsonl\" } }\n"                                                \
             "steps:\n"
#define OUT_OF(from) "sinks:\n  out: { from: " from ", lake: { path: out, format: jsonl } }\n"

typedef struct shape {
  const char *name, *yaml;
  bool in_order_only; /* rows of other keys decide what is late */
} shape;

static const shape shapes[] = {
    {"rows",
     SOURCES "  f: { from: a, filter: \"v IS NOT NULL AND v <> 3\" }\n"
             "  e: { from: f, extend: { w: v * 2, list: \"[v, v + 1]\" } }\n"
             "  m: { from: e, flat_map: { each: list, as: x } }\n"
             "  p: { from: m, branch: { small: x < 3, odd: \"mod(x, 2) = 1\", rest: otherwise } }\n"
             "  u: { merge: [p.rest, p.small, p.odd] }\n"
             "  c: { from: u, changes: { ignore: [t, n], version: version, store: c } }\n"
             "  also: { from: b, filter: v > 100 }\n"
             "  b2: { merge: [b, also] }\n"
             "  bk: { from: b2, select: { k: k, t: t, w: v, n: n } }\n"
             "  ak: { from: c, select: { k: k, t: t, w: x, n: n } }\n"
             "  all: { merge: [ak, bk] }\n" OUT_OF("all"),
     false},
    {"repartition",
     SOURCES "  l: { from: a, latest: { by: t, store: l } }\n"
             "  e: { from: l, extend: { g: \"COALESCE(v, 0)\" } }\n"
             "  s: { from: e, select_key: g }\n"
             "  d: { from: s, deduplicate: { on: [g, k], retention: 7s, store: d } }\n"
             "  q: { from: d, aggregate: { by: g, values: { c: count(*), f: first(n), l: last(n), all: collect(n), "
             "avg: avg(v) }, emit: changes, store: q } }\n"
             "  bk: { from: b, extend: { g: \"COALESCE(v, 0)\" } }\n"
             "  bs: { from: bk, select_key: g }\n"
             "  j: { from: bs, left_join: { with: q } }\n"
             "  o: { from: j, select: { g: g, n: n, k: k, c: q.c, f: q.f, l: q.l, all: q.all, avg: q.avg, now: "
             "stream_time() } }\n" OUT_OF("o"),
     false},
    {"timers meet",
     SOURCES "  one: { from: a, join: { with: b, within: 1s, grace: 12s, emit: final, store: one } }\n"
             "  two: { from: b, join: { with: a, before: 2s, after: 1s, grace: 1s, emit: final, store: two } }\n"
             "  ua: { from: one.unmatched, select: { k: k, n: n, from: \"'one'\", now: stream_time() } }\n"
             "  ub: { from: two.unmatched, select: { k: k, n: n, from: \"'two'\", now: stream_time() } }\n"
             "  g: { from: a, aggregate: { window: { tumbling: 4s, grace: 1s }, values: { c: count(*) }, store: g } }\n"
             "  ug: { from: g, select: { k: k, n: c, from: \"'win'\", now: stream_time() } }\n"
             "  u: { merge: [ua, ug, ub] }\n"
             "  s: { from: u, aggregate: { by: k, values: { all: collect(n), l: last(from), first: first(now) }, emit: "
             "changes, store: s } }\n" OUT_OF("s"),
     false},
    {"tables, changes",
     SOURCES
     "  la: { from: a, latest: { by: t, store: la } }\n"
     "  lb: { from: b, aggregate: { by: k, values: { c: count(*), s: sum(v) }, emit: changes, store: lb } }\n"
     "  lc: { from: a, aggregate: { by: k, values: { c: count(*) }, emit: changes, store: lc } }\n"
     "  j: { from: la, outer_join: { with: lb, emit: changes } }\n"
     "  i: { from: la, join: { with: lc, emit: changes } }\n"
     "  jo: { from: j, select: { k: k, v: v, n: n, c: lb.c, s: lb.s, now: stream_time() } }\n"
     "  io: { from: i, select: { k: k, v: v, n: n, c: lc.c, s: \"CAST(NULL AS int64)\", now: stream_time() } }\n"
     "  u: { merge: [jo, io] }\n" OUT_OF("u"),
     false},
    {"tables, final",
     SOURCES "  la: { from: a, latest: { by: t, store: la, emit: final } }\n"
             "  lb: { from: b, aggregate: { by: k, values: { c: count(*), s: sum(v), all: collect(n) }, emit: final, "
             "store: lb } }\n"
             "  j: { from: la, outer_join: { with: lb, emit: final } }\n"
             "  e: { from: j, extend: { g: \"COALESCE(lb.c, 0)\" } }\n"
             "  s: { from: e, select_key: g }\n"
             "  q: { from: s, aggregate: { by: g, values: { rows: count(*), ks: collect(k), f: first(n) }, emit: "
             "final, store: q } }\n" OUT_OF("q"),
     false},
    {"windows of windows",
     SOURCES "  j: { from: a, left_join: { with: b, within: 4s, grace: 3s, emit: final, store: j } }\n"
             "  x: { from: j, select: { k: k, t: t, v: v, n: n, m: b.n } }\n"
             "  g: { from: x, aggregate: { by: k, window: { tumbling: 5s, grace: 20s }, values: { c: count(*), ms: "
             "collect(m), l: last(n) }, store: g } }\n"
             "  y: { from: g, extend: { z: \"mod(l, 3)\" } }\n"
             "  s: { from: y, select_key: z }\n"
             "  c: { from: s, changes: { ignore: [window_start, window_end], version: i, store: c } }\n"
             "  o: { from: c, select: { z: z, i: i, k: k, c: c, ms: ms, l: l, start: window_start, at: event_time(), "
             "now: stream_time() } }\n" OUT_OF("o"),
     false},
    {"join of joins",
     SOURCES "  j: { from: a, left_join: { with: b, within: 5s, grace: 5s, emit: early, store: j } }\n"
             "  x: { from: j, select: { k: k, n: n, m: b.n } }\n"
             "  d: { from: b, deduplicate: { on: k, retention: 5s, store: d } }\n"
             "  l: { from: b, latest: { store: l } }\n"
             "  k: { from: x, join: { with: l } }\n"
             "  e: { from: d, left_join: { with: a, within: 2s, grace: 1s, emit: final, store: e } }\n"
             "  ko: { from: k, select: { k: k, n: n, m: m, l: l.n, now: stream_time(), at: event_time() } }\n"
             "  eo: { from: e, select: { k: k, n: n, m: a.n, l: 0, now: stream_time(), at: event_time() } }\n"
             "  u: { merge: [ko, eo] }\n" OUT_OF("u"),
     false},
};

static char *copy_of(const char *text) {
  char *copy = malloc(strlen(text) + 1);
  return strcpy(copy, text);
}

static size_t check_shape(uint64_t seed, const shape *at) {
  static const int64_t sizes[] = {1, 3, 64, 4096};
  static const int workers[] = {1, 2, 5};
  static input in;
  rng_state = seed;
  make_input(&in, 2, 1 + rng(rng(2) == 0 ? 12 : 80), at->in_order_only ? 0 : rng(2) * 12);
  char *expected = NULL, *letters = NULL;
  for (size_t w = 0; w < 3; w++) {
    for (size_t s = 0; s < 4; s++) {
      ls_testdriver *driver = run_on(at->yaml, sizes[s], workers[w], in.rows, (size_t)in.n);
      const char *got = ls__testdriver_output(driver, "out"), *dead = ls__testdriver_dead_letters(driver);
      if (expected == NULL) {
        expected = copy_of(got);
        letters = copy_of(dead);
      }
      expect_lines(seed, at->name, sizes[s], workers[w], at->yaml, got, expected, true);
      expect_lines(seed, at->name, sizes[s], workers[w], at->yaml, dead, letters, false);
      if (w == 0)
        ck_assert_msg(strcmp(got, expected) == 0, "seed %" PRIu64 ", %s: with slices of %d rows come in another order",
                      seed, at->name, (int)sizes[s]);
      ls__testdriver_free(driver);
    }
  }
  size_t n_bytes = strlen(expected);
  free(expected);
  free(letters);
  return n_bytes;
}

START_TEST(slices_and_workers_do_not_show) {
  size_t n_bytes = 0, n_seeds = 0;
  for (uint64_t seed = first_seed(); seed <= last_seed(_i == 2 ? 200 : 25); seed++, n_seeds++)
    n_bytes += check_shape(seed, &shapes[_i]);
  ck_assert_uint_gt(n_bytes, n_seeds * (_i == 2 ? 25 : 200)); /* it shows something */
}
END_TEST

int main(void) {
  Suite *suite = suite_create("invariance");
  TCase *tcase = tcase_create("shapes");
  tcase_set_timeout(tcase, 100);
  tcase_add_loop_test(tcase, slices_and_workers_do_not_show, 0, (int)(sizeof shapes / sizeof *shapes));
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}
