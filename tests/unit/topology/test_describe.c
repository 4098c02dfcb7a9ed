/* Descriptions as golden texts, and the generated files of the repository. */
#include <check.h>
#include <stdio.h>

#include "helper_topology.h"
#include "topology/options.h"

START_TEST(describes_as_stored) {
  ls_topology *topology = topology_must_load_file("tests/unit/topology/golden/verbs.yaml", NULL, 0);
  static const char *const ends[] = {"txt", "dot"};
  for (int format = 0; format < 2; format++) {
    char path[256], *text;
    ls_error err = LS_ERROR_INIT;
    ck_assert_int_eq(ls_topology_describe(&text, topology, (ls_describe_format)format, &err), LS_OK);
    snprintf(path, sizeof path, "tests/unit/topology/golden/verbs.%s", ends[format]);
    check_golden(path, text);
    ls_text_free(text);
  }
  ls_topology_free(topology);
}
END_TEST

START_TEST(escapes_what_the_file_says) {
  ls_topology *topology = topology_must_load_file("tests/unit/topology/golden/verbs.yaml", NULL, 0);
  char *text;
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls_topology_describe(&text, topology, LS_DESCRIBE_TEXT, &err), LS_OK);
  ck_assert_ptr_nonnull(strstr(text, "about: \"Every verb once, with \\\"quotes\\\" and a line\\nbreak\""));
  ls_text_free(text);
  ck_assert_int_eq(ls_topology_describe(&text, topology, (ls_describe_format)7, &err), LS_EINVAL);
  ck_assert_ptr_null(text);
  ls_topology_free(topology);
}
END_TEST

START_TEST(generated_files_are_up_to_date) {
  char *text;
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls_topology_reference(&text, &err), LS_OK);
  check_golden("docs/YAML.md", text);
  ls_text_free(text);
  ck_assert_int_eq(ls_topology_json_schema(&text, &err), LS_OK);
  check_golden("configs/libstream.schema.json", text);
  ls_text_free(text);
}
END_TEST

/* A section of the table without a row in the reference would be known to the parser alone. */
START_TEST(every_section_is_described) {
  const ls_option *option;
  const ls_section *section;
  for (size_t i = 0; (option = ls__option_at(i)) != NULL; i++) {
    bool found = false;
    for (size_t k = 0; (section = ls__section_at(k)) != NULL; k++) {
      found |= strcmp(section->path, option->section) == 0;
    }
    if (!found) ck_abort_msg("section %s has no title", option->section);
    ck_assert(option->help != NULL && option->help[0] != 0);
  }
}
END_TEST

START_TEST(lists_functions) {
  ls_topology *topology =
      topology_must_load("plugins: [topo]\nsteps: { out: { from: tx, select: { id: udf_mask(id) } } }\n", "one");
  char *text;
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls_topology_functions(&text, topology, &err), LS_OK);
  ck_assert_ptr_nonnull(strstr(text, "topo 1.0.0, ABI 1.1 ("));
  ck_assert_ptr_nonnull(strstr(text, "\n  udf_mask(string) -> string, strict, declassifies\n    A token\n"));
  ck_assert_ptr_nonnull(strstr(text, "udf_volatile(string) -> string, volatile\n"));
  ck_assert_ptr_nonnull(strstr(text, "udf_total(decimal(38,4)) -> decimal(38,4), aggregate\n"));
  ck_assert_ptr_nonnull(strstr(text, "  message test.v1.Row\n"));
  ls_text_free(text);
  ls_topology_free(topology);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("topology.describe");
  TCase *tcase = tcase_create("describe");
  tcase_add_test(tcase, describes_as_stored);
  tcase_add_test(tcase, every_section_is_described);
  tcase_add_test(tcase, escapes_what_the_file_says);
  tcase_add_test(tcase, generated_files_are_up_to_date);
  tcase_add_test(tcase, lists_functions);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int n_failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return n_failed == 0 ? 0 : 1;
}
