/** @file helper_expr.h  One batch of known rows, and expressions over it as text in, text out. */
#ifndef HELPER_EXPR_H
#define HELPER_EXPR_H
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "expr/expr.h"

typedef struct bench {
  ls_arena arena; /* schema and rows */
  ls_arena scratch;
  ls_schema schema;
  ls_batch *batch;
  ls_expr_env env;
} bench;

/** fields: "name type [null] [sensitive]; ..." */
void bench_init(bench *b, const char *fields);
void bench_fini(bench *b);
/** One cell a field, as CAST writes values; "~" is null; lists "[a,b]", structs "{a,b}". */
void bench_row(bench *b, const char *const *cells);
/** Fields and four rows that most tests use; see the source. */
void bench_standard(bench *b);
/** A schema with these fields in the bench's arena. */
void bench_schema(ls_schema *out, ls_arena *arena, const char *fields);
void cell_append(ls_column *col, const char *cell);

/**
 * Result of all rows as JSON separated by spaces; a row at fault is "!message". Compile error:
 * "E<offset>+<length> message". Lives until the next call. active: NULL or bits.
 */
const char *run(bench *b, const char *text);
const char *run_active(bench *b, const char *text, const uint64_t *active);
/** Type of the result as text, or the error as run gives it. */
const char *type_of(bench *b, const char *text);
ls_expr *must_compile(bench *b, const char *text);

#define ck_run(b, text, want)                                                                                          \
  do {                                                                                                                 \
    const char *ck_got_ = run((b), (text));                                                                            \
    ck_assert_msg(strcmp(ck_got_, (want)) == 0, "%s\n   gives %s\n   wanted %s", (text), ck_got_, (want));             \
  } while (0)

int run_suite(const char *name, const TTest *const *tests, size_t n);
#endif
