/** @file test_expr_reference.c  The reference: every example gives the result beside it;
 * docs/EXPRESSIONS.md is up to date. */
#include "helper_expr.h"

#include "expr/ex.h"

static bench none;

static void check_example(const char *signature, const char *example, const char *result) {
  if (!example) return;
  const char *got = run(&none, example);
  ck_assert_msg(strcmp(got, result) == 0, "%s: %s\n   gives %s\n   documented %s", signature, example, got, result);
}

START_TEST(examples_give_the_documented_results) {
  size_t n = 0;
  bench_init(&none, "x int64");
  bench_row(&none, (const char *const[]){"1"});
  for (size_t i = 0; ls__ex_operator_doc_at(i); i++, n++) {
    const ls_ex_operator_doc *op = ls__ex_operator_doc_at(i);
    check_example(op->signature, op->example, op->result);
  }
  for (size_t i = 0; ls__ex_fn_at(i); i++, n++) {
    const ls_ex_fn *fn = ls__ex_fn_at(i);
    check_example(fn->signature, fn->example, fn->result);
    ck_assert_msg(fn->example || strcmp(fn->args, "") == 0, "%s has no example", fn->name);
    ck_assert_msg(fn->kernel || fn->form, "%s has neither kernel nor form", fn->name);
    ck_assert_msg(strncmp(fn->signature, fn->name, strlen(fn->name)) == 0, "%s: signature", fn->name);
  }
  ck_assert_uint_gt(n, 70);
  bench_fini(&none);
}
END_TEST

START_TEST(document_is_generated_from_the_tables) {
  const char *dir = getenv("SOURCE_DIR");
  char path[4096];
  ls_buf want = LS_BUF_INIT, have = LS_BUF_INIT;
  if (!dir) return; /* run by hand outside the build */
  ls__expr_reference(&want);
  snprintf(path, sizeof path, "%s/docs/EXPRESSIONS.md", dir);
  if (getenv("LS_UPDATE")) {
    FILE *out = fopen(path, "wb");
    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(fwrite(want.ptr, 1, want.len, out), want.len);
    fclose(out);
  }
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "%s is missing: run this test with LS_UPDATE=1", path);
  char chunk[4096];
  for (size_t n; (n = fread(chunk, 1, sizeof chunk, file)) > 0;) ls__buf_append(&have, chunk, n);
  fclose(file);
  ck_assert_msg(ls__slice_eq(ls__buf_slice(&want), ls__buf_slice(&have)), "docs/EXPRESSIONS.md is old: LS_UPDATE=1");
  ls__buf_fini(&want);
  ls__buf_fini(&have);
}
END_TEST

int main(void) {
  const TTest *tests[] = {examples_give_the_documented_results, document_is_generated_from_the_tables};
  return run_suite("reference", tests, sizeof tests / sizeof tests[0]);
}
