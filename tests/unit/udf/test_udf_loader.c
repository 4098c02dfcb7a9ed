/** @file test_udf_loader.c  Loading: every refusal by its own message, names, pins, configuration, secrets. */
#include <unistd.h>

#include "helper_udf.h"

static ls_udf_registry *registry;

/* The plugin is refused with all of the given parts in the message, and nothing of it stays. */
static void refused(const char *name, const char *pin, int code, const char *part, const char *part2) {
  ls_error err = LS_ERROR_INIT;
  size_t n_before, n_after;
  ls__udf_names(registry, &n_before);
  int rc = load_with(registry, name, pin, NULL, 0, &err);
  ck_assert_msg(rc == code, "%s: %s, %s", name, ls_error_name(rc), err.message);
  ck_assert_int_eq(err.code, code);
  ck_assert_has(err.message, name);
  ck_assert_has(err.message, part);
  ck_assert_has(err.message, part2);
  ls__udf_names(registry, &n_after);
  ck_assert_uint_eq(n_before, n_after);
}

static const char *temp_file(const char *content, size_t len) {
  static char path[64];
  snprintf(path, sizeof(path), "/tmp/ls_udf_test_%ld", (long)getpid());
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(content, 1, len, file), len);
  fclose(file);
  return path;
}

START_TEST(loads_a_plugin_by_name_and_by_path) {
  ls__udf_registry_new(&registry);
  load(registry, "recon");
  char path[1024];
  snprintf(path, sizeof(path), "%s/recon_proto.so", env_dir("LS_UDF_DIR"));
  load(registry, path);
  const char *at = NULL;
  const ls_udf_manifest *manifest = ls__udf_plugin_at(registry, 0, &at);
  ck_assert_str_eq(manifest->name, "recon");
  ck_assert_has(at, "/recon.so");
  ck_assert_str_eq(ls__udf_plugin_at(registry, 1, &at)->name, "recon_proto");
  ck_assert_str_eq(at, path);
  ck_assert_ptr_null(ls__udf_plugin_at(registry, 2, &at));

  size_t n = 0;
  const char *const *names = ls__udf_names(registry, &n);
  ck_assert_uint_eq(n, 5);
  ck_assert_str_eq(names[0], "udf_calc_discrepancy");
  ck_assert_str_eq(names[4], "udf_kpi_calculation");
  ck_assert_str_eq(ls__udf_find_fn(registry, "udf_derive_status")->name, "udf_derive_status");
  ck_assert_str_eq(ls__udf_find_agg(registry, "udf_kpi_calculation")->name, "udf_kpi_calculation");
  ck_assert_ptr_null(ls__udf_find_fn(registry, "udf_kpi_calculation"));
  ck_assert_ptr_null(ls__udf_find_agg(registry, "udf_derive_status"));
  ck_assert_ptr_nonnull(ls__udf_find_message(registry, "payments.v1.Transaction")->descriptor);
  ck_assert_ptr_nonnull(ls__udf_find_message(registry, "payments.v1.FraudSignal")->descriptor);
  ck_assert_ptr_null(ls__udf_find_message(registry, "payments.v1.Statement"));
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(refuses_a_file_that_is_not_there) {
  ls__udf_registry_new(&registry);
  refused("recno", NULL, LS_EPLUGIN, "no recno.so in ", "did you mean 'recon'?");
  refused("nothing_like_it_at_all", NULL, LS_EPLUGIN, "no nothing_like_it_at_all.so in ", "");
  refused("/nowhere/recon.so", NULL, LS_EPLUGIN, "no such file", "");
  refused("/tmp/", NULL, LS_EPLUGIN, "it is a directory", "");
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls__udf_load(registry, "recon", NULL, 0, NULL, NULL, 0, &err), LS_EPLUGIN);
  ck_assert_has(err.message, "no directory");
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(refuses_a_file_that_is_no_shared_object) {
  ls__udf_registry_new(&registry);
  const char *path = temp_file("#!/bin/sh\n", 10);
  refused(path, NULL, LS_EPLUGIN, "is not a shared object (no ELF header)", "");
  temp_file("", 0);
  refused(path, NULL, LS_EPLUGIN, "is not a shared object (no ELF header)", "");
  temp_file("\177ELF and then nonsense", 23);
  refused(path, NULL, LS_EPLUGIN, "is not a whole shared library", "");
  unlink(path);
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(refuses_a_shared_object_that_is_no_plugin) {
  ls__udf_registry_new(&registry);
  refused("bad_no_entry", NULL, LS_EPLUGIN, "exports no ls_udf_entry_v1", "not a plugin of libstream");
  refused("bad_null_manifest", NULL, LS_EPLUGIN, "returned NULL", "");
  refused("bad_magic", NULL, LS_EPLUGIN, "0x12345678", "0x4455534c");
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(refuses_another_abi_with_both_versions) {
  ls__udf_registry_new(&registry);
  refused("bad_abi_major", NULL, LS_EPLUGIN, "built for plugin ABI 2.3, this libstream has 1.1", "build it again");
  refused("bad_abi_minor", NULL, LS_EPLUGIN, "needs plugin ABI 1.2, this libstream has 1.1", "a newer libstream");
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(refuses_structs_that_are_too_small) {
  ls__udf_registry_new(&registry);
  refused("bad_small_manifest", NULL, LS_EPLUGIN, "its manifest has struct_size", "is needed");
  refused("bad_small_fn", NULL, LS_EPLUGIN, "function 1 of 1 has struct_size", "is needed");
  refused("bad_many_fns", NULL, LS_EPLUGIN, "says that it has 1000000 functions", "at most 4096");
  refused("bad_null_fn", NULL, LS_EPLUGIN, "function 1 of 3 is NULL", "");
  ls__udf_registry_free(registry);
}
END_TEST

/* Copies the first n_bytes of recon.so (-1: all but the last) to a new directory; returns the copy's path. */
static const char *copy_of_recon(const char *name, long n_bytes) {
  static char path[128];
  char from[1024], command[2400];
  snprintf(from, sizeof(from), "%s/recon.so", env_dir("LS_UDF_DIR"));
  snprintf(path, sizeof(path), "/tmp/ls_udf_copy_%ld/%s.so", (long)getpid(), name);
  snprintf(command, sizeof(command), "mkdir -p '%.*s' && head -c %ld '%s' > '%s'", (int)(strrchr(path, '/') - path),
           path, n_bytes, from, path);
  ck_assert_int_eq(system(command), 0);
  return path;
}

static void remove_copies(void) {
  char command[128];
  snprintf(command, sizeof(command), "rm -r /tmp/ls_udf_copy_%ld", (long)getpid());
  ck_assert_int_eq(system(command), 0);
}

/* What dlopen would map reads past the end of such a file. */
START_TEST(refuses_a_library_that_is_cut_short) {
  ls__udf_registry_new(&registry);
  static const long sizes[] = {17, 64, 100, 3000, 4096, 8192, 12288, -1000, -1};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
    refused(copy_of_recon("recon", sizes[i]), NULL, LS_EPLUGIN, "is not a whole shared library", "cut short");
  remove_copies();
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(refuses_a_file_under_another_name) {
  ls__udf_registry_new(&registry);
  const char *path = copy_of_recon("other", 100000000);
  refused(path, NULL, LS_EPLUGIN, "'recon': the file of that plugin is recon.so, not other.so", "");
  char dir[128];
  snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
  const char *dirs[] = {dir};
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls__udf_load(registry, "other", dirs, 1, NULL, NULL, 0, &err), LS_EPLUGIN);
  ck_assert_has(err.message, "recon.so, not other.so");
  remove_copies();
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(says_that_a_directory_is_one) {
  ls__udf_registry_new(&registry);
  char command[256], dir[64];
  snprintf(dir, sizeof(dir), "/tmp/ls_udf_copy_%ld", (long)getpid());
  snprintf(command, sizeof(command), "mkdir -p %s/adir.so %s/recon.so", dir, dir);
  ck_assert_int_eq(system(command), 0);
  const char *dirs[] = {dir, env_dir("LS_UDF_DIR")};
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls__udf_load(registry, "adir", dirs, 2, NULL, NULL, 0, &err), LS_EPLUGIN);
  ck_assert_has(err.message, "/adir.so is a directory");
  ck_assert_int_eq(ls__udf_load(registry, "recon", dirs, 2, NULL, NULL, 0, &err), LS_OK); /* further on */
  remove_copies();
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(flags_of_a_later_abi_say_nothing) {
  ls__udf_registry_new(&registry);
  load(registry, "old_flags");
  ck_assert_uint_eq(ls__udf_find_fn(registry, "old_same")->flags & LS_UDF_DECLASSIFIES, 0);
  load(registry, "recon");
  ck_assert_uint_ne(ls__udf_find_fn(registry, "udf_mask_sensitive")->flags & LS_UDF_DECLASSIFIES, 0);
  ck_assert_uint_eq(ls__udf_find_fn(registry, "udf_derive_status")->flags & LS_UDF_DECLASSIFIES, 0);
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(reads_structs_of_an_older_header_up_to_their_end) {
  ls__udf_registry_new(&registry);
  load(registry, "short_structs");
  ck_assert(ls__udf_find_fn(registry, "old_twice")->close == NULL);
  ls_arena arena;
  ls__arena_init(&arena, 0);
  const ls_column *args[] = {COLUMN(&arena, "int64", "1", NULL, "21")};
  evaluated result = eval_once(registry, "old_twice", args, 1, 3, &arena); /* close() is not called */
  ck_assert_str_eq(column_text(&arena, result.out), "2 null 42");
  ls__buf_fini(&result.row_errors);
  ls__arena_fini(&arena);
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(refuses_signatures_the_abi_has_not) {
  ls__udf_registry_new(&registry);
  refused("bad_list_result", NULL, LS_EPLUGIN, "function 'split_words' returns a list or struct", "ABI 1.1");
  refused("bad_open_decimal", NULL, LS_EPLUGIN, "'open_decimal' returns a decimal without precision", "bind()");
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(refuses_a_name_that_is_taken) {
  ls__udf_registry_new(&registry);
  load(registry, "recon");
  refused("bad_taken_name", NULL, LS_EPLUGIN, "the function name 'udf_derive_status' is taken by plugin 'recon'",
          "recon.so");
  refused("recon", NULL, LS_EPLUGIN, "is taken by plugin 'recon'", "");
  refused("bad_twice", NULL, LS_EPLUGIN, "has two functions named 'twice'", "");
  load(registry, "recon_proto");
  refused("recon_proto", NULL, LS_EPLUGIN, "the message name 'payments.v1.Transaction' is taken", "");
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(takes_only_the_pinned_file) {
  ls__udf_registry_new(&registry);
  char wrong[65], command[1200], right[65];
  memset(wrong, 'a', 64);
  wrong[64] = '\0';
  refused("recon", wrong, LS_EPLUGIN, "is pinned", wrong);
  refused("recon", "abc", LS_ECONFIG, "sha256 is not 64 hex digits", "");
  wrong[63] = 'x';
  refused("recon", wrong, LS_ECONFIG, "sha256 is not 64 hex digits", "");

  snprintf(command, sizeof(command), "sha256sum '%s/recon.so' | cut -c1-64 | tr a-f A-F", env_dir("LS_UDF_DIR"));
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(pipe);
  ck_assert_ptr_nonnull(fgets(right, sizeof(right), pipe));
  pclose(pipe);
  ls_error err = LS_ERROR_INIT;
  int rc = load_with(registry, "recon", right, NULL, 0, &err); /* capitals are the same digits */
  ck_assert_msg(rc == LS_OK, "%s", err.message);
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(checks_the_config_keys) {
  ls__udf_registry_new(&registry);
  ls_error err = LS_ERROR_INIT;
  refused("needs_config", NULL, LS_ECONFIG, "needs config key 'limit'", "how many greetings");
  ls_udf_config_entry config[] = {{"limti", "3"}, {"style", "grand"}};
  ck_assert_int_eq(load_with(registry, "needs_config", NULL, config, 2, &err), LS_ECONFIG);
  ck_assert_has(err.message, "has no config key 'limti'; did you mean 'limit'? It has: limit, style");
  config[0].key = "colour";
  ck_assert_int_eq(load_with(registry, "needs_config", NULL, config, 2, &err), LS_ECONFIG);
  ck_assert_has(err.message, "has no config key 'colour'; it has: limit, style");
  ck_assert_int_eq(load_with(registry, "probe", NULL, config, 1, &err), LS_ECONFIG);
  ck_assert_has(err.message, "it takes none");
  ls__udf_registry_free(registry);
}
END_TEST

/* What greet() says of its configuration: limit/style/an unknown key/secret. */
static const char *greeting(const char *limit, const char *style) {
  static char text[256];
  ls_error err = LS_ERROR_INIT;
  ls_udf_config_entry config[] = {{"limit", limit}, {"style", style}};
  ls__udf_registry_new(&registry);
  int rc = load_with(registry, "needs_config", NULL, config, style ? 2 : 1, &err);
  ck_assert_msg(rc == LS_OK, "%s", err.message);
  ls_arena arena;
  ls__arena_init(&arena, 0);
  const ls_column *args[] = {COLUMN(&arena, "int64", "1")};
  evaluated result = eval_once(registry, "greet", args, 1, 1, &arena);
  snprintf(text, sizeof(text), "%s", column_text(&arena, result.out));
  ls__buf_fini(&result.row_errors);
  ls__arena_fini(&arena);
  ls__udf_registry_free(registry);
  return text;
}

START_TEST(gives_config_values_and_defaults) {
  ck_assert_str_eq(greeting("3", NULL), "\"3/plain/unset/none\"");
  ck_assert_str_eq(greeting("4", "grand"), "\"4/grand/unset/none\"");
}
END_TEST

START_TEST(finds_secrets_in_the_environment_and_in_files) {
  setenv("NEEDS_CONFIG_SECRET_FILE", temp_file("of a file\n", 10), 1);
  ck_assert_str_eq(greeting("1", NULL), "\"1/plain/unset/of a file\"");
  temp_file("dos\r\n", 5);
  ck_assert_str_eq(greeting("1", NULL), "\"1/plain/unset/dos\"");
  temp_file("two\n\n", 5);
  ck_assert_str_eq(greeting("1", NULL), "\"1/plain/unset/two\\n\"");
  temp_file("a\0b", 3);
  ck_assert_str_eq(greeting("1", NULL), "\"1/plain/unset/none\"");
  setenv("NEEDS_CONFIG_SECRET", "", 1); /* empty counts as not set */
  temp_file("file", 4);
  ck_assert_str_eq(greeting("1", NULL), "\"1/plain/unset/file\"");
  setenv("NEEDS_CONFIG_SECRET", "of the environment", 1);
  ck_assert_str_eq(greeting("1", NULL), "\"1/plain/unset/of the environment\"");
  unlink(getenv("NEEDS_CONFIG_SECRET_FILE"));
}
END_TEST

START_TEST(says_why_open_refuses) {
  ls_error err = LS_ERROR_INIT;
  ls_udf_config_entry config[] = {{"limit", "x"}};
  ls__udf_registry_new(&registry);
  ck_assert_int_eq(load_with(registry, "needs_config", NULL, config, 1, &err), LS_OK);
  ls_udf_instance *instance = NULL;
  setenv("NEEDS_CONFIG_SECRET_FILE", "/nowhere/key", 1);
  ck_assert_int_eq(ls__udf_open_fn(&instance, registry, ls__udf_find_fn(registry, "greet"), &err), LS_ECONFIG);
  ck_assert_has(err.message, "function 'greet' of plugin 'needs_config' does not open: limit is 'x'");
  ck_assert_has(err.message, "NEEDS_CONFIG_SECRET_FILE names '/nowhere/key', which can't be read");
  ck_assert_ptr_null(instance);
  ls__udf_registry_free(registry);
}
END_TEST

START_TEST(names_the_nearest_function) {
  ls_error err = LS_ERROR_INIT;
  ls__udf_registry_new(&registry);
  ck_assert_int_eq(ls__udf_unknown(registry, "udf_x", &err), LS_ECONFIG);
  ck_assert_has(err.message, "no plugin with functions is loaded");
  load(registry, "recon");
  ck_assert_int_eq(ls__udf_unknown(registry, "udf_flag_complience", &err), LS_ECONFIG);
  ck_assert_has(err.message, "did you mean 'udf_flag_compliance'?");
  ck_assert_int_eq(ls__udf_unknown(registry, "wholly_other", &err), LS_ECONFIG);
  ck_assert_has(err.message, "no loaded plugin has a function 'wholly_other'");
  ls__udf_registry_free(registry);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(loads_a_plugin_by_name_and_by_path),
      TEST_CASE(refuses_a_file_that_is_not_there),
      TEST_CASE(refuses_a_file_that_is_no_shared_object),
      TEST_CASE(refuses_a_shared_object_that_is_no_plugin),
      TEST_CASE(refuses_another_abi_with_both_versions),
      TEST_CASE(refuses_structs_that_are_too_small),
      TEST_CASE(refuses_a_library_that_is_cut_short),
      TEST_CASE(refuses_a_file_under_another_name),
      TEST_CASE(says_that_a_directory_is_one),
      TEST_CASE(flags_of_a_later_abi_say_nothing),
      TEST_CASE(reads_structs_of_an_older_header_up_to_their_end),
      TEST_CASE(refuses_signatures_the_abi_has_not),
      TEST_CASE(refuses_a_name_that_is_taken),
      TEST_CASE(takes_only_the_pinned_file),
      TEST_CASE(checks_the_config_keys),
      TEST_CASE(gives_config_values_and_defaults),
      TEST_CASE(finds_secrets_in_the_environment_and_in_files),
      TEST_CASE(says_why_open_refuses),
      TEST_CASE(names_the_nearest_function),
  };
  return RUN_TESTS("udf_loader", cases);
}
