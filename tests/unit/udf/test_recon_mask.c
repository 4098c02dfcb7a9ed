/**
 * @file test_recon_mask.c
 * udf_mask_sensitive: tokens as Python's hmac and `openssl dgst -hmac` make them, the mask mode, and
 * the refusals without a key.
 */
#include "helper_udf.h"
#include <unistd.h>

static ls_udf_registry *registry;
static ls_arena arena;

static void setup(const char *mode, const char *key) {
  unsetenv("RECON_MASK_KEY_FILE");
  if (key != NULL) {
    setenv("RECON_MASK_KEY", key, 1);
  } else {
    unsetenv("RECON_MASK_KEY");
  }
  ls__arena_init(&arena, 0);
  ls__udf_registry_new(&registry);
  const ls_udf_config_entry config = {"mode", mode};
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(load_with(registry, "recon", NULL, &config, mode != NULL, &err), LS_OK);
}
static void teardown(void) {
  ls__udf_registry_free(registry);
  ls__arena_fini(&arena);
}

static const char *masked(const ls_column *ids) {
  evaluated result = eval_once(registry, "udf_mask_sensitive", &ids, 1, ids->n_rows, &arena);
  ck_assert_msg(result.rc == LS_OK, "%s", result.err.message);
  ck_assert_str_eq(result.row_errors.ptr, "");
  ls__buf_fini(&result.row_errors);
  return column_text(&arena, result.out);
}

static const char *repeated(char c, int n) {
  char *text = ls__arena_zalloc(&arena, (size_t)n + 1);
  memset(text, c, (size_t)n);
  return text;
}

/* hmac.new(TEST_KEY, id, "sha256").hexdigest()[:32]; lengths around a hash block and the cache's limit */
START_TEST(tokens_are_hmac_sha256) {
  setup("token", TEST_KEY);
  ck_assert_str_eq(masked(COLUMN(&arena, "string", "", "user_00000042", NULL, "u\xC5\xBCytkownik-\xC3\x9F")),
                   "\"tok_796cd3078af14636753d26b3b5555422\" \"tok_b9ee8d373fe0e52e8a12c011bd0adcae\" null "
                   "\"tok_8b222a6160523a650a4949933e80edc2\"");
  static const struct {
    int len;
    const char *token;
  } lengths[] = {{47, "\"tok_8b7f802d8f57628580be47289360aa57\""}, {48, "\"tok_6a06cae8757ccd41967d2a7e1ee78244\""},
                 {55, "\"tok_a5dc1900c331b2c66cc58afc619fccb6\""}, {56, "\"tok_6bacce4f54dd073ed405c22ea011d84d\""},
                 {64, "\"tok_d10cd49207308f0f9734a1ea047802db\""}, {200, "\"tok_0cafad68ff713e502ba48f1c7f7a58b4\""}};
  for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
    ck_assert_str_eq(masked(COLUMN(&arena, "string", repeated('u', lengths[i].len))), lengths[i].token);
  }
  teardown();
  char long_key[101] = "";
  memset(long_key, 'k', 100);
  setup(NULL, long_key); /* a key longer than a block is hashed first; token is the default mode */
  ck_assert_str_eq(masked(COLUMN(&arena, "string", "user_00000042")), "\"tok_71bd7a867ab2e7e03f76e79312515c38\"");
  teardown();
}
END_TEST

/* More ids than the cache has places, twice over, so that places are taken away and refilled. */
START_TEST(the_cache_is_not_seen) {
  setup("token", TEST_KEY);
  enum { N = 40000 };
  ls_column *ids = new_column(&arena, &ls__type_string);
  for (int i = 0; i < 2 * N; i++) {
    char id[32];
    int len = snprintf(id, sizeof(id), "user_%08d", i % N);
    ls__column_append_slice(ids, (ls_slice){id, (size_t)len});
  }
  const ls_column *args[] = {ids};
  evaluated all = eval_once(registry, "udf_mask_sensitive", args, 1, 2 * N, &arena);
  ck_assert_int_eq(all.rc, LS_OK);
  for (int i = 0; i < N; i++) ck_assert(ls__column_value_eq(all.out, i, all.out, N + i));
  for (int i = 0; i < 2 * N; i += 997) { /* each in an instance whose cache is empty */
    ls_column *one = new_column(&arena, &ls__type_string);
    ls__column_append_from(one, ids, i);
    args[0] = one;
    evaluated alone = eval_once(registry, "udf_mask_sensitive", args, 1, 1, &arena);
    ck_assert(ls__column_value_eq(alone.out, 0, all.out, i));
    ls__buf_fini(&alone.row_errors);
  }
  ls__buf_fini(&all.row_errors);
  teardown();
}
END_TEST

START_TEST(the_mask_keeps_the_last_four_characters) {
  setup("mask", TEST_KEY);
  ck_assert_str_eq(masked(COLUMN(&arena, "string", "user_00000042", "12345", "1234", "123", "1", "", NULL)),
                   "\"*********0042\" \"*2345\" \"****\" \"***\" \"*\" \"\" null");
  /* characters, not bytes: two, three and four bytes long */
  ck_assert_str_eq(masked(COLUMN(&arena, "string", "\xC3\x9F\xC3\xA9\xC5\xBC\xC3\xB3\xC5\x82",
                                 "\xE2\x82\xAC"
                                 "abcd",
                                 "ab\xF0\x9F\x98\x80"
                                 "cde",
                                 "\xF0\x9F\x98\x80\xF0\x9F\x98\x80")),
                   "\"*\xC3\xA9\xC5\xBC\xC3\xB3\xC5\x82\" \"*abcd\" \"**\xF0\x9F\x98\x80"
                   "cde\" \"**\"");
  teardown();
}
END_TEST

/* Opening fails with all of these in the message, and the key itself never is. */
static void refuses(const char *part, const char *part2) {
  ls_error err = LS_ERROR_INIT;
  ls_udf_instance *instance = NULL;
  ck_assert_int_eq(ls__udf_open_fn(&instance, registry, ls__udf_find_fn(registry, "udf_mask_sensitive"), &err),
                   LS_ECONFIG);
  ck_assert_has(err.message, "function 'udf_mask_sensitive' of plugin 'recon' does not open");
  ck_assert_has(err.message, part);
  ck_assert_has(err.message, part2);
  ck_assert_ptr_null(strstr(err.message, "shortkey"));
}

START_TEST(does_not_open_without_a_good_key) {
  setup("token", NULL);
  refuses("set RECON_MASK_KEY, or RECON_MASK_KEY_FILE", "");
  setenv("RECON_MASK_KEY_FILE", "/nowhere/key", 1);
  refuses("set RECON_MASK_KEY, or RECON_MASK_KEY_FILE", "'/nowhere/key', which can't be read: No such file");
  teardown();
  setup("mask", NULL);
  refuses("set RECON_MASK_KEY", "");
  teardown();
  setup("token", "shortkey-123456");
  refuses("too short: 15 bytes, at least 16", "");
  teardown();
  setup("token", "");
  refuses("set RECON_MASK_KEY", "");
  teardown();
  setup("tokens", TEST_KEY);
  refuses("mode is 'tokens', it must be token or mask", "");
  teardown();
}
END_TEST

START_TEST(the_key_may_be_in_a_file) {
  char path[64];
  snprintf(path, sizeof(path), "/tmp/ls_mask_key_%ld", (long)getpid());
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  fputs(TEST_KEY "\n", file);
  fclose(file);
  setup("token", NULL);
  setenv("RECON_MASK_KEY_FILE", path, 1);
  ck_assert_str_eq(masked(COLUMN(&arena, "string", "user_00000042")), "\"tok_b9ee8d373fe0e52e8a12c011bd0adcae\"");
  unlink(path);
  teardown();
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(tokens_are_hmac_sha256),
      TEST_CASE(the_cache_is_not_seen),
      TEST_CASE(the_mask_keeps_the_last_four_characters),
      TEST_CASE(does_not_open_without_a_good_key),
      TEST_CASE(the_key_may_be_in_a_file),
  };
  return RUN_TESTS("recon_mask", cases);
}
