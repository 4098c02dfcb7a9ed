/** @file random_input.h  Seeded random records, piped into a topology in many slicings, and outputs as sorted lines. */
#ifndef LS_TESTS_RANDOM_INPUT_H
#define LS_TESTS_RANDOM_INPUT_H
#include "driver.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

/** Rows have a key, a whole second of time, a value or none, and a number that no other row has. */
#define ROW_SCHEMA                                                                                                     \
  "libstream: 1\nname: random\n"                                                                                       \
  "schemas:\n"                                                                                                         \
  "  row:\n    key: k\n    time: t\n    fields:\n"                                                                     \
  "      k: string\n      t: timestamp\n      v: { type: int64, nullable: true }\n      n: int64\n"

enum { RECORDS_MAX = 320, NO_VALUE = -1, TEXT_MAX = 1 << 21 };

typedef struct record {
  int source; /* 0, 1: a, b */
  int key;    /* 0..: "k0".. */
  int64_t t;  /* seconds */
  int v;      /* or NO_VALUE */
  int64_t n;
  int64_t now; /* stream time when it is processed */
} record;

typedef struct input {
  record records[RECORDS_MAX];
  int n;
  char json[RECORDS_MAX][128];
  piped rows[RECORDS_MAX];
} input;

static uint64_t rng_state;
static inline uint64_t rng_next(void) { /* splitmix64 */
  uint64_t z = rng_state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}
static inline int rng(int n) {
  return (int)(rng_next() % (uint64_t)n);
}

static inline const char *time_text(int64_t us) {
  static char texts[4][40];
  static int next;
  char *text = texts[next++ % 4];
  int64_t s = us / 1000000, rest = us % 1000000;
  if (rest < 0) s--, rest += 1000000;
  time_t at = (time_t)s;
  struct tm tm;
  gmtime_r(&at, &tm);
  size_t len = strftime(text, 40, "%Y-%m-%dT%H:%M:%S", &tm);
  if (rest != 0) len += (size_t)snprintf(text + len, 40 - len, ".%06d", (int)rest);
  snprintf(text + len, 40 - len, "Z");
  return text;
}

/** Records of n_sources sources; spread 0: in order of time. */
static inline void make_input(input *in, int n_sources, int n_keys, int spread) {
  int64_t t = rng(3) == 0 ? -40 : INT64_C(1767225600), largest = INT64_MIN; /* some runs cross 1970 */
  in->n = rng(6) == 0 ? rng(4) : 20 + rng(RECORDS_MAX - 20);
  for (int i = 0; i < in->n; i++) {
    record *r = &in->records[i];
    t += rng(3) == 0 ? rng(6) : 0;
    if (rng(60) == 0) t += rng(60);
    *r = (record){.source = rng(n_sources), .key = rng(n_keys), .v = rng(5) == 0 ? NO_VALUE : rng(8), .n = i};
    r->t = t - (spread > 0 && rng(2) == 0 ? rng(spread) : 0);
    if (r->t > largest) largest = r->t;
    r->now = largest;
    char v[16] = "null";
    if (r->v != NO_VALUE) snprintf(v, sizeof v, "%d", r->v);
    snprintf(in->json[i], sizeof in->json[i], "{\"k\":\"k%d\",\"t\":\"%s\",\"v\":%s,\"n\":%d}", r->key,
             time_text(r->t * 1000000), v, i);
    in->rows[i] = (piped){r->source == 0 ? "a" : "b", in->json[i]};
  }
}

static inline int by_order(const void *left, const void *right) {
  const record *a = left, *b = right;
  if (a->now != b->now) return a->now < b->now ? -1 : 1;
  if (a->source != b->source) return a->source - b->source;
  return a->n < b->n ? -1 : a->n > b->n;
}

/** The total order that docs/OPERATORS.md gives: stream time, source, line. */
static inline void put_in_order(input *in) {
  qsort(in->records, (size_t)in->n, sizeof in->records[0], by_order);
}

typedef struct line {
  const char *at;
  size_t len, key_len;
  int order;
} line;
static inline int by_key_then_order(const void *left, const void *right) {
  const line *a = left, *b = right;
  size_t len = a->key_len < b->key_len ? a->key_len : b->key_len;
  int cmp = memcmp(a->at, b->at, len);
  if (cmp != 0) return cmp;
  if (a->key_len != b->key_len) return a->key_len < b->key_len ? -1 : 1;
  return a->order - b->order;
}
static inline int by_text(const void *left, const void *right) {
  const line *a = left, *b = right;
  size_t len = a->len < b->len ? a->len : b->len;
  int cmp = memcmp(a->at, b->at, len);
  return cmp != 0 ? cmp : a->len < b->len ? -1 : a->len > b->len;
}

/** Lines sorted by their first column (the key), lines of a key left in order; keyed false: by their whole text. */
static inline char *sorted_lines(const char *text, bool keyed) {
  size_t n = 0, at = 0, len = strlen(text);
  for (size_t i = 0; i < len; i++) n += text[i] == '\n';
  line *lines = malloc((n + 1) * sizeof *lines);
  char *out = malloc(len + 1);
  n = 0;
  for (const char *p = text; *p != '\0';) {
    size_t line_len = strcspn(p, "\n") + 1;
    lines[n] = (line){p, line_len, strcspn(p, ","), (int)n};
    n++;
    p += line_len;
  }
  qsort(lines, n, sizeof *lines, keyed ? by_key_then_order : by_text);
  for (size_t i = 0; i < n; i++) {
    memcpy(out + at, lines[i].at, lines[i].len);
    at += lines[i].len;
  }
  out[at] = '\0';
  free(lines);
  return out;
}

static inline void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  if (file == NULL) return;
  fputs(text, file);
  fclose(file);
}

static inline void expect_lines(uint64_t seed, const char *what, int64_t batch_rows, int n_workers, const char *yaml,
                                const char *got, const char *expected, bool keyed) {
  char *a = sorted_lines(got, keyed), *b = sorted_lines(expected, keyed);
  size_t same = 0;
  while (a[same] != '\0' && a[same] == b[same]) same++;
  while (same > 0 && a[same - 1] != '\n') same--;
  ck_assert_msg(strcmp(a, b) == 0,
                "seed %" PRIu64 ", %s, slices of %d, %d workers: first difference\n%.*s\nexpected\n%.*s\n%s", seed,
                what, (int)batch_rows, n_workers, (int)strcspn(a + same, "\n"), a + same, (int)strcspn(b + same, "\n"),
                b + same, yaml);
  free(a);
  free(b);
}

/** Seeds of a test: LS_TEST_SEED alone, or n_seeds from 1. */
static inline uint64_t first_seed(void) {
  const char *seed = getenv("LS_TEST_SEED");
  return seed != NULL ? strtoull(seed, NULL, 10) : 1;
}
static inline uint64_t last_seed(uint64_t n_seeds) {
  n_seeds = (n_seeds + LS_TEST_SHARE - 1) / LS_TEST_SHARE;
  return getenv("LS_TEST_SEED") != NULL ? first_seed() : n_seeds;
}
#endif
