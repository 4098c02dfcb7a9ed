/* Every kind of error as a small file with the exact messages it gives: cases/README.md. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "helper_topology.h"

static const char *const files[] = {"yaml",  "keys",  "names",  "schemas", "sources", "rows",    "joins",
                                    "keyed", "sinks", "params", "plugins", "live",    "readers", "registry"};

typedef struct one_case {
  ls_buf name, suffix, text, expected;
} one_case;

static void case_fini(one_case *c) {
  ls__buf_fini(&c->name);
  ls__buf_fini(&c->suffix);
  ls__buf_fini(&c->text);
  ls__buf_fini(&c->expected);
}

/* Takes one line; returns what follows it. */
static const char *take_line(const char *at, ls_slice *line) {
  const char *end = strchr(at, '\n');
  size_t len = end != NULL ? (size_t)(end - at) : strlen(at);
  *line = (ls_slice){at, len};
  return at + len + (end != NULL);
}

/* Reads the case that begins at `at`; NULL at the end of the file. The last --- before the next case divides it. */
static const char *take_case(const char *at, one_case *c) {
  ls_slice line;
  const char *divider = NULL, *begin, *end;
  at = take_line(at, &line);
  if (line.len < 4 || memcmp(line.ptr, "=== ", 4) != 0) return NULL;
  const char *bar = memchr(line.ptr, '|', line.len);
  ck_assert_ptr_nonnull(bar);
  ls__buf_append(&c->name, line.ptr + 4, (size_t)(bar - line.ptr) - 5);
  ls__buf_append(&c->suffix, bar + 2, line.len - (size_t)(bar - line.ptr) - 2);
  ls__buf_putc(&c->name, 0);
  ls__buf_putc(&c->suffix, 0);
  begin = at;
  while (*at != 0 && strncmp(at, "=== ", 4) != 0) {
    if (strncmp(at, "---\n", 4) == 0) divider = at;
    at = take_line(at, &line);
  }
  end = at;
  ck_assert_ptr_nonnull(divider);
  ls__buf_append(&c->text, begin, (size_t)(divider - begin));
  ls__buf_append(&c->expected, divider + 4, (size_t)(end - divider) - 4);
  while (c->expected.len > 0 && c->expected.ptr[c->expected.len - 1] == '\n') c->expected.len--;
  ls__buf_putc(&c->expected, 0);
  ls__buf_putc(&c->text, 0);
  return at;
}

static bool line_matches(ls_slice expected, ls_slice got) {
  if (expected.len > 3 && memcmp(expected.ptr + expected.len - 3, "...", 3) == 0) {
    size_t n = expected.len - 3;
    return got.len >= n && memcmp(got.ptr, expected.ptr, n) == 0;
  }
  return ls__slice_eq(expected, got);
}

static bool messages_match(const char *expected, const char *got) {
  ls_slice a, b;
  while (*expected != 0 && *got != 0) {
    expected = take_line(expected, &a);
    got = take_line(got, &b);
    if (!line_matches(a, b)) return false;
  }
  return *expected == 0 && *got == 0;
}

/* What came out; keeps lines as stored where they match. */
static void load_case(const one_case *c, ls_buf *messages) {
  ls_topology *topology;
  ls_buf all = LS_BUF_INIT;
  ls__buf_puts(&all, c->text.ptr);
  ls__buf_puts(&all, topology_suffix(c->suffix.ptr));
  ls__buf_puts(messages, "");
  (void)topology_load(&topology, all.ptr, NULL, 0, messages);
  ls_topology_free(topology);
  ls__buf_fini(&all);
}

static void write_case(FILE *out, const one_case *c, const char *messages) {
  fprintf(out, "=== %s | %s\n%s---\n%s%s\n", c->name.ptr, c->suffix.ptr, c->text.ptr, messages,
          messages[0] != 0 && messages[strlen(messages) - 1] != '\n' ? "\n" : "");
}

START_TEST(reports_each_error_where_it_is) {
  char path[256], full[4096];
  ls_buf file = LS_BUF_INIT;
  const char *update = getenv("LS_UPDATE");
  int n_cases = 0, n_bad = 0;
  snprintf(path, sizeof path, "tests/unit/topology/cases/%s.txt", files[_i]);
  source_file_read(&file, path);
  FILE *out = NULL;
  if (update != NULL) {
    snprintf(full, sizeof full, "%s/%s", getenv("SOURCE_DIR"), path);
    out = fopen(full, "wb");
    ck_assert_ptr_nonnull(out);
  }
  for (const char *at = file.ptr; at != NULL && *at != 0;) {
    one_case c = {LS_BUF_INIT, LS_BUF_INIT, LS_BUF_INIT, LS_BUF_INIT};
    ls_buf messages = LS_BUF_INIT;
    at = take_case(at, &c);
    ck_assert_ptr_nonnull(at);
    load_case(&c, &messages);
    bool ok = messages_match(c.expected.ptr, messages.ptr);
    if (out != NULL) {
      write_case(out, &c, ok ? c.expected.ptr : messages.ptr);
    } else if (!ok) {
      fprintf(stderr, "%s: case '%s'\nexpected:\n%s\ngot:\n%s\n", files[_i], c.name.ptr, c.expected.ptr, messages.ptr);
      n_bad++;
    }
    n_cases++;
    case_fini(&c);
    ls__buf_fini(&messages);
  }
  if (out != NULL) ck_assert_int_eq(fclose(out), 0);
  ls__buf_fini(&file);
  ck_assert_int_gt(n_cases, 0);
  ck_assert_int_eq(n_bad, 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("topology.diagnostics");
  TCase *tcase = tcase_create("cases");
  tcase_add_loop_test(tcase, reports_each_error_where_it_is, 0, sizeof files / sizeof *files);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int n_failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return n_failed == 0 ? 0 : 1;
}
