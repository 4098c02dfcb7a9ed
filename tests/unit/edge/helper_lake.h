/**
 * @file helper_lake.h
 * What the tests of the lake share. They run against a new directory, or against LS_TEST_LAKE
 * (s3://bucket/prefix), each test below a prefix of its own. Nothing in a test but the *_locally
 * ones knows which.
 */
#ifndef TESTS_HELPER_LAKE_H
#define TESTS_HELPER_LAKE_H
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "port/lake.h"

typedef struct test_lake {
  ls_arena arena;
  ls_lake *lake;
  char root[640];
  char work[512]; /* a new directory: work directory of stages, and root of a local lake */
} test_lake;
void test_lake_open(test_lake *t);
void test_lake_close(test_lake *t);

/** Stages and publishes one file. */
void test_put(test_lake *t, const char *path, const void *bytes, size_t len);
/** Reads a file whole, in pieces of piece_bytes. */
ls_buf test_get(test_lake *t, const char *path, size_t piece_bytes);
/** Paths that a pattern lists, joined by spaces. */
char *test_list(test_lake *t, const char *pattern, const char *from, const char *to);

/** "id: string not null, amount: decimal(18,4)" as a schema; the first field is the key. */
ls_schema *test_schema(ls_arena *arena, const char *text);
extern const char test_all_types[];
/** Rows that depend on seed only, with nulls where the schema allows them. */
ls_batch *test_rows(ls_arena *arena, const ls_schema *schema, int64_t n_rows, uint64_t seed);
/** A view of rows [first, first + n); first a multiple of 64. */
ls_batch *test_view(ls_arena *arena, const ls_batch *batch, int64_t first, int64_t n);
void test_same_rows(const ls_batch *a, int64_t first_a, const ls_batch *b, int64_t first_b, int64_t n);

/** Writes batch as one published Parquet file, cut into pieces of cut rows. */
void test_write_parquet(test_lake *t, const char *path, const ls_batch *batch, int64_t cut);
/** Reads a Parquet file whole. */
int test_read_parquet(ls_batch *out, test_lake *t, const char *path, const ls_schema *schema, const uint64_t *wanted,
                      ls_error *err);
/** Same, of a file whose values may be at fault: counts the rows' faults. */
int test_read_parquet_faults(ls_batch *out, test_lake *t, const char *path, const ls_schema *schema,
                             const uint64_t *wanted, int64_t *n_faults, ls_error *err);

#define ck_ok(expr)                                                                                                    \
  do {                                                                                                                 \
    int ck_rc_ = (expr);                                                                                               \
    ck_assert_msg(ck_rc_ == LS_OK, "%s: %s: %s", #expr, ls_error_name(ck_rc_), err.message);                           \
  } while (0)
#define ck_fails(expr, code_, text)                                                                                    \
  do {                                                                                                                 \
    int ck_rc_ = (expr);                                                                                               \
    ck_assert_msg(ck_rc_ == (code_), "%s: %s, want %s: %s", #expr, ls_error_name(ck_rc_), #code_, err.message);        \
    ck_assert_msg(strstr(err.message, (text)), "'%s' is not in: %s", (text), err.message);                             \
  } while (0)

typedef struct test_case {
  const char *name;
  const TTest *test;
} test_case;
int test_run(const char *suite_name, const test_case *cases, size_t n);
#define TEST_CASE(name)                                                                                                \
  { #name, name }
#define RUN_TESTS(suite, cases) test_run((suite), (cases), sizeof(cases) / sizeof((cases)[0]))
#endif
