/* Loading as a caller sees it: parameters from outside, bounds, errors in ls_error. */
#include <check.h>
#include <stdlib.h>

#include "helper_topology.h"

static const char with_parameter[] = "parameters:\n"
                                     "  least: { type: int64, default: 3 }\n"
                                     "  day: { type: date, default: 2026-03-01 }\n"
                                     "steps:\n"
                                     "  out: { from: tx, filter: \"n > ${least}\" }\n"
                                     "libstream: 1\n"
                                     "name: ${day:month}-${day:year}\n"
                                     "schemas:\n"
                                     "  t: { fields: { n: int64 } }\n"
                                     "sources:\n"
                                     "  tx: { schema: t, replay: { files: \"${day}/*.csv\" } }\n"
                                     "sinks:\n"
                                     "  out: { from: out, lake: { path: out, format: csv } }\n";

static char *predicate_of(const ls_topology *topology) {
  static char text[256];
  ls_buf buf = LS_BUF_INIT;
  ls__expr_format(&buf, plan_node(ls__topology_plan(topology), "out", LS_VERB_FILTER)->u.filter.predicate);
  memcpy(text, buf.ptr, buf.len + 1);
  ls__buf_fini(&buf);
  return text;
}

START_TEST(takes_the_default_then_the_environment_then_the_option) {
  ls_topology *topology;
  ls_buf messages = LS_BUF_INIT;
  const ls_parameter given[] = {{"least", "7"}};
  unsetenv("LS_PARAM_LEAST");
  ck_assert_int_eq(topology_load(&topology, with_parameter, NULL, 0, &messages), LS_OK);
  ck_assert_str_eq(predicate_of(topology), "n > 3");
  ck_assert_str_eq(ls_topology_name(topology), "2026-03-2026");
  ck_assert_str_eq(ls__topology_plan(topology)->sources[0].files, "2026-03-01/*.csv");
  ls_topology_free(topology);
  setenv("LS_PARAM_LEAST", "5", 1);
  ck_assert_int_eq(topology_load(&topology, with_parameter, NULL, 0, &messages), LS_OK);
  ck_assert_str_eq(predicate_of(topology), "n > 5");
  ls_topology_free(topology);
  ck_assert_int_eq(topology_load(&topology, with_parameter, given, 1, &messages), LS_OK);
  ck_assert_str_eq(predicate_of(topology), "n > 7");
  ls_topology_free(topology);
  unsetenv("LS_PARAM_LEAST");
}
END_TEST

START_TEST(refuses_values_that_do_not_fit) {
  static const struct {
    const char *name, *value, *message;
  } bad[] = {{"least", "3 OR true",
              "2:3: error: parameter least: '3 OR true' (--set) is not an int64; give a "
              "whole number\n"},
             {"least", "", "2:3: error: parameter least: '' (--set) is not an int64; give a whole number\n"},
             {"day", "01.03.2026",
              "3:3: error: parameter day: '01.03.2026' (--set) is not a date; give a "
              "date, as 2026-03-01\n"},
             {"leats", "3", "1:1: error: --set leats: the file has no such parameter; did you mean least\n"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ls_topology *topology;
    ls_buf messages = LS_BUF_INIT;
    const ls_parameter given[] = {{bad[i].name, bad[i].value}};
    ck_assert_int_eq(topology_load(&topology, with_parameter, given, 1, &messages), LS_ECONFIG);
    ck_assert_str_eq(messages.ptr, bad[i].message);
    ls__buf_fini(&messages);
  }
}
END_TEST

START_TEST(refuses_a_bad_environment) {
  ls_topology *topology;
  ls_buf messages = LS_BUF_INIT;
  setenv("LS_PARAM_LEAST", "five", 1);
  ck_assert_int_eq(topology_load(&topology, with_parameter, NULL, 0, &messages), LS_ECONFIG);
  ck_assert_str_eq(messages.ptr, "2:3: error: parameter least: 'five' (LS_PARAM_LEAST) is not an int64; "
                                 "give a whole number\n");
  unsetenv("LS_PARAM_LEAST");
  ls__buf_fini(&messages);
}
END_TEST

START_TEST(sums_errors_up) {
  ls_topology *topology;
  ls_error err = LS_ERROR_INIT;
  static const char text[] = "libstream: 3\nname: t\nnmae: u\n";
  int rc = ls_topology_load_text(&topology, "dir/file.yaml", text, sizeof text - 1, NULL, &err);
  ck_assert_int_eq(rc, LS_ECONFIG);
  ck_assert_ptr_null(topology);
  ck_assert_str_eq(err.message, "dir/file.yaml:1:1: error: the file has no schemas; give schemas: map "
                                "of names (first of 4 errors)");
  rc = ls_topology_load(&topology, "no/such/file.yaml", NULL, &err);
  ck_assert_int_eq(rc, LS_EIO);
  ck_assert_ptr_null(topology);
}
END_TEST

START_TEST(says_that_a_plugin_is_the_reason) {
  ls_topology *topology;
  ls_error err = LS_ERROR_INIT;
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, "plugins: [nowhere]\nsteps: { out: { from: tx, filter: n > 0 } }\n");
  ls__buf_puts(&text, topology_suffix("one"));
  ck_assert_int_eq(ls_topology_load_text(&topology, "t.yaml", text.ptr, text.len, NULL, &err), LS_EPLUGIN);
  ls__buf_fini(&text);
}
END_TEST

START_TEST(knows_options_of_an_older_caller) {
  ls_topology_opts opts = LS_TOPOLOGY_OPTS_INIT;
  ls_topology *topology;
  ls_error err = LS_ERROR_INIT;
  opts.struct_size = offsetof(ls_topology_opts, parameters);
  opts.parameters = (const ls_parameter *)(uintptr_t)1; /* beyond struct_size: never read */
  opts.n_parameters = 1;
  ck_assert_int_eq(ls_topology_load_text(&topology, "t.yaml", with_parameter, sizeof with_parameter - 1, &opts, &err),
                   LS_OK);
  ls_topology_free(topology);
}
END_TEST

/* ---- bounds ---- */

static void assert_refused(const ls_buf *text, const char *message) {
  ls_topology *topology;
  ls_buf messages = LS_BUF_INIT;
  ck_assert_int_eq(topology_load(&topology, text->ptr, NULL, 0, &messages), LS_ECONFIG);
  if (strstr(messages.ptr, message) == NULL) ck_abort_msg("%.600s", messages.ptr);
  ls__buf_fini(&messages);
}

START_TEST(bounds_bytes) {
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, "libstream: 1\n");
  while (text.len <= (1u << 20)) ls__buf_puts(&text, "# padding, padding, padding, padding\n");
  assert_refused(&text, "1:1: error: the file has ");
  ls__buf_fini(&text);
}
END_TEST

START_TEST(bounds_nodes) {
  ls_buf text = LS_BUF_INIT;
  for (int i = 0; i < 11000; i++) ls__buf_puts(&text, "- a\n");
  assert_refused(&text, "10000:3: error: more than 10000 YAML nodes");
  ls__buf_fini(&text);
}
END_TEST

START_TEST(bounds_steps) {
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, "steps:\n  s0: { from: tx, filter: n > 0 }\n");
  for (int i = 1; i < 2001; i++) {
    ls__buf_printf(&text, "  s%d: { from: s%d, filter: n > 0 }\n", i, i - 1);
  }
  ls__buf_puts(&text, "  out: { from: s2000, filter: n > 0 }\n");
  ls__buf_puts(&text, topology_suffix("one"));
  ls_topology *topology;
  ls_buf messages = LS_BUF_INIT;
  ck_assert_int_eq(topology_load(&topology, text.ptr, NULL, 0, &messages), LS_ECONFIG);
  ck_assert_ptr_nonnull(strstr(messages.ptr, "more than 10000 YAML nodes"));
  ls__buf_fini(&text);
  ls__buf_fini(&messages);
}
END_TEST

/* As long a chain as a file holds, written backwards. */
START_TEST(plans_a_long_chain) {
  ls_buf text = LS_BUF_INIT;
  const int n = 1900;
  ls__buf_printf(&text, "steps:\n  out: { from: s%d, filter: n > 0 }\n", n - 1);
  for (int i = n - 1; i > 0; i--) ls__buf_printf(&text, "  s%d: { merge: [s%d] }\n", i, i - 1);
  ls__buf_puts(&text, "  s0: { from: tx, filter: n > 0 }\n");
  ls_topology *topology = topology_must_load(text.ptr, "one");
  ck_assert_uint_eq(ls__topology_plan(topology)->n_nodes, (uint32_t)n + 3);
  ls_topology_free(topology);
  ls__buf_fini(&text);
}
END_TEST

START_TEST(bounds_sources) {
  ls_buf text = LS_BUF_INIT, all = LS_BUF_INIT;
  ls__buf_puts(&text, "steps:\n");
  ls__buf_puts(&all, "  out: { merge: [");
  for (int i = 0; i < 70; i++) {
    ls__buf_printf(&text,
                   "  k%d: { from: tx, extend: { k: n + %d } }\n"
                   "  s%d: { from: k%d, deduplicate: { on: k, retention: forever, store: s%d } }\n",
                   i, i, i, i, i);
    ls__buf_printf(&all, "%ss%d", i > 0 ? ", " : "", i);
  }
  ls__buf_printf(&text, "%s] }\n%s", all.ptr, topology_suffix("one"));
  assert_refused(&text, "1:1: error: more than 64 sources");
  ls__buf_fini(&text);
  ls__buf_fini(&all);
}
END_TEST

START_TEST(says_where_the_bytes_are_no_utf8) {
  ls_topology *topology;
  ls_buf messages = LS_BUF_INIT;
  static const char *const texts[] = {"name: t\nabout: a\xc3\xa9\xff\n", "name: t\nabout: a\xc3\xa9\xe2\x82"};
  for (int i = 0; i < 2; i++) {
    ls__buf_clear(&messages);
    ck_assert_int_eq(topology_load(&topology, texts[i], NULL, 0, &messages), LS_ECONFIG);
    ck_assert_str_eq(messages.ptr, "2:10: error: not UTF-8; save the file as UTF-8\n");
  }
  ls__buf_clear(&messages);
  ck_assert_int_eq(topology_load(&topology, "name: t\nabout: a\x01\n", NULL, 0, &messages), LS_ECONFIG);
  ck_assert_str_eq(messages.ptr, "2:9: error: not YAML: control characters are not allowed; the file is "
                                 "text in UTF-8\n");
  ls__buf_fini(&messages);
}
END_TEST

START_TEST(takes_line_ends_and_marks_of_other_systems) {
  ls_buf text = LS_BUF_INIT, messages = LS_BUF_INIT;
  ls_topology *topology;
  ls__buf_puts(&text, "\xEF\xBB\xBF");
  for (const char *c = with_parameter; *c != 0; c++) {
    if (*c == '\n') ls__buf_putc(&text, '\r');
    ls__buf_putc(&text, *c);
  }
  ck_assert_int_eq(topology_load(&topology, text.ptr, NULL, 0, &messages), LS_OK);
  ls_topology_free(topology);
  char *n = strstr(text.ptr, "n > ");
  *n = 'm';
  ck_assert_int_eq(topology_load(&topology, text.ptr, NULL, 0, &messages), LS_ECONFIG);
  ck_assert_ptr_nonnull(strstr(messages.ptr, "5:29: error: unknown column"));
  ls__buf_fini(&text);
  ls__buf_fini(&messages);
}
END_TEST

START_TEST(keeps_control_characters_out_of_messages) {
  ls_topology *topology;
  ls_buf messages = LS_BUF_INIT;
  ck_assert_int_eq(topology_load(&topology, "\"bad\\e[31m\\nkey\": 1\n", NULL, 0, &messages), LS_ECONFIG);
  ck_assert_ptr_nonnull(strstr(messages.ptr, "unknown key bad [31m key in the file"));
  ls__buf_fini(&messages);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("topology.load");
  TCase *tcase = tcase_create("load");
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, takes_the_default_then_the_environment_then_the_option);
  tcase_add_test(tcase, refuses_values_that_do_not_fit);
  tcase_add_test(tcase, refuses_a_bad_environment);
  tcase_add_test(tcase, sums_errors_up);
  tcase_add_test(tcase, says_that_a_plugin_is_the_reason);
  tcase_add_test(tcase, knows_options_of_an_older_caller);
  tcase_add_test(tcase, bounds_bytes);
  tcase_add_test(tcase, bounds_nodes);
  tcase_add_test(tcase, bounds_steps);
  tcase_add_test(tcase, plans_a_long_chain);
  tcase_add_test(tcase, bounds_sources);
  tcase_add_test(tcase, says_where_the_bytes_are_no_utf8);
  tcase_add_test(tcase, takes_line_ends_and_marks_of_other_systems);
  tcase_add_test(tcase, keeps_control_characters_out_of_messages);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int n_failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return n_failed == 0 ? 0 : 1;
}
