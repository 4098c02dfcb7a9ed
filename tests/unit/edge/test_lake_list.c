/** @file test_lake_list.c  Roots, listing by pattern, existence and removal. */
#include "helper_lake.h"

#include "data/datetime.h"

static void put_all(test_lake *t, const char *const *paths, size_t n) {
  for (size_t i = 0; i < n; i++) test_put(t, paths[i], paths[i], strlen(paths[i]));
}

static const char *const lake_files[] = {
    "raw/tx/dt=2026-02-27/a.jsonl",
    "raw/tx/dt=2026-02-28/b.jsonl.gz",
    "raw/tx/dt=2026-02-28/a.jsonl",
    "raw/tx/dt=2026-03-01/a.jsonl",
    "raw/tx/dt=2026-03-01/_SUCCESS",
    "raw/tx/dt=2026-03-01/.hidden.jsonl",
    "raw/tx/dt=2026-03-01/deep/a.jsonl",
    "raw/tx/dt=2026-03-xx/a.jsonl",
    "raw/tx/dt=2026-02-30/a.jsonl",
    "raw/tx/_dt=2026-03-01/a.jsonl",
    "raw/tx/other/a.jsonl",
    "raw/tx2/dt=2026-03-01/a.jsonl",
    "out/month=2026-03/day=2026-03-02/p-2.parquet",
    "out/month=2026-03/day=2026-03-02/p-10.parquet",
    "out/month=2026-02/day=2026-02-28/p-1.parquet",
};
#define PUT_LAKE(t) put_all((t), lake_files, sizeof lake_files / sizeof lake_files[0])

START_TEST(dates_are_a_closed_range) {
  test_lake t;
  test_lake_open(&t);
  PUT_LAKE(&t);
  ck_assert_str_eq(test_list(&t, "raw/tx/dt={date}/*.jsonl", "2026-02-28", "2026-03-01"),
                   "raw/tx/dt=2026-02-28/a.jsonl raw/tx/dt=2026-03-01/a.jsonl");
  ck_assert_str_eq(test_list(&t, "raw/tx/dt={date}/*", "2026-02-28", "2026-02-28"),
                   "raw/tx/dt=2026-02-28/a.jsonl raw/tx/dt=2026-02-28/b.jsonl.gz");
  ck_assert_str_eq(test_list(&t, "raw/tx/dt={date}/a.jsonl", NULL, "2026-02-27"), "raw/tx/dt=2026-02-27/a.jsonl");
  ck_assert_str_eq(test_list(&t, "raw/tx/dt={date}/*.jsonl", "2026-03-02", NULL), "");
  test_lake_close(&t);
}
END_TEST

START_TEST(every_date_matches_an_open_range_and_bad_dates_none) {
  test_lake t;
  test_lake_open(&t);
  PUT_LAKE(&t);
  ck_assert_str_eq(test_list(&t, "raw/tx/dt={date}/*.jsonl", NULL, NULL),
                   "raw/tx/dt=2026-02-27/a.jsonl raw/tx/dt=2026-02-28/a.jsonl raw/tx/dt=2026-03-01/a.jsonl");
  ck_assert_str_eq(test_list(&t, "raw/*/dt={date}/*.jsonl", "2026-03-01", NULL),
                   "raw/tx/dt=2026-03-01/a.jsonl raw/tx2/dt=2026-03-01/a.jsonl");
  test_lake_close(&t);
}
END_TEST

START_TEST(stars_stay_in_their_segment_and_skip_hidden_names) {
  test_lake t;
  test_lake_open(&t);
  PUT_LAKE(&t);
  ck_assert_str_eq(test_list(&t, "raw/tx/*/*.jsonl", NULL, NULL),
                   "raw/tx/dt=2026-02-27/a.jsonl raw/tx/dt=2026-02-28/a.jsonl raw/tx/dt=2026-02-30/a.jsonl "
                   "raw/tx/dt=2026-03-01/a.jsonl raw/tx/dt=2026-03-xx/a.jsonl raw/tx/other/a.jsonl");
  ck_assert_str_eq(test_list(&t, "out/month=*/day=*/p-*.parquet", NULL, NULL),
                   "out/month=2026-02/day=2026-02-28/p-1.parquet out/month=2026-03/day=2026-03-02/p-10.parquet "
                   "out/month=2026-03/day=2026-03-02/p-2.parquet");
  ck_assert_str_eq(test_list(&t, "out/month=*/day={date}/p-*0.p*t", "2026-03-01", "2026-03-31"),
                   "out/month=2026-03/day=2026-03-02/p-10.parquet");
  ck_assert_str_eq(test_list(&t, "raw/tx/dt=2026-03-01/_SUCCESS", NULL, NULL), "raw/tx/dt=2026-03-01/_SUCCESS");
  test_lake_close(&t);
}
END_TEST

START_TEST(alternatives_are_one_of_several_texts) {
  static const char *const files[] = {
      "in/dt=2026-03-01/a.jsonl",     "in/dt=2026-03-01/b.jsonl.gz",       "in/dt=2026-03-01/c.jsonl.zst",
      "in/dt=2026-03-01/d.jsonl.bak", "in/dt=2026-03-01/e.jsonl.filepart", "in/dt=2026-03-01/f.jsonl.gz.tmp",
      "old/dt=2026-03-01/a.jsonl",    "x/dt=2026-03-01/a.jsonl",           "in/dt=2026-03-02/{a}.jsonl"};
  test_lake t;
  test_lake_open(&t);
  put_all(&t, files, sizeof files / sizeof files[0]);
  ck_assert_str_eq(test_list(&t, "in/dt={date}/*.jsonl{,.gz,.zst}", NULL, "2026-03-01"),
                   "in/dt=2026-03-01/a.jsonl in/dt=2026-03-01/b.jsonl.gz in/dt=2026-03-01/c.jsonl.zst");
  ck_assert_str_eq(test_list(&t, "{in,old}/dt={date}/{a,b}.jsonl{,.gz}", NULL, NULL),
                   "in/dt=2026-03-01/a.jsonl in/dt=2026-03-01/b.jsonl.gz old/dt=2026-03-01/a.jsonl");
  ck_assert_str_eq(test_list(&t, "{in,old,in}/{dt={date},other}/*.jsonl", NULL, NULL),
                   ""); /* no nesting: the room above refuses it */
  test_lake_close(&t);
}
END_TEST

START_TEST(nothing_found_is_no_error) {
  test_lake t;
  test_lake_open(&t);
  if (ls__lake_is_local(t.lake)) ck_assert_str_eq(test_list(&t, "raw/*", NULL, NULL), ""); /* the root is not there */
  PUT_LAKE(&t);
  ck_assert_str_eq(test_list(&t, "raw/none/*", NULL, NULL), "");
  ck_assert_str_eq(test_list(&t, "raw/tx/dt=2026-02-27/a.jsonl/*", NULL, NULL), "");
  ck_assert_str_eq(test_list(&t, "raw/tx/dt=2026-02-27", NULL, NULL), "");
  ck_assert_str_eq(test_list(&t, "raw/t", NULL, NULL), "");
  ck_assert_str_eq(test_list(&t, "raw/*", NULL, NULL), "");
  test_lake_close(&t);
}
END_TEST

START_TEST(files_carry_size_and_date) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  ls_lake_files files;
  int32_t days;
  test_lake_open(&t);
  PUT_LAKE(&t);
  ls__date_parse(&days, ls__slice_of("2026-02-28"));
  ck_ok(ls__lake_list(&files, t.lake, "raw/tx/*/b.jsonl.gz", INT32_MIN, INT32_MAX, &err));
  ck_assert_uint_eq(files.n, 1);
  ck_assert_int_eq(files.files[0].size_bytes, (int64_t)strlen(lake_files[1]));
  ck_assert_int_eq(files.files[0].date_days, days); /* from dt=, though the pattern has no {date} */
  ls__lake_files_free(&files);
  ck_ok(ls__lake_list(&files, t.lake, "out/month=*/day={date}/p-1.parquet", INT32_MIN, INT32_MAX, &err));
  ck_assert_uint_eq(files.n, 1);
  ck_assert_int_eq(files.files[0].date_days, days);
  ls__lake_files_free(&files);
  ck_ok(ls__lake_list(&files, t.lake, "raw/tx/other/a.jsonl", INT32_MIN, INT32_MAX, &err));
  ck_assert_int_eq(files.files[0].date_days, INT32_MIN);
  ls__lake_files_free(&files);
  test_lake_close(&t);
}
END_TEST

START_TEST(paths_stay_inside_the_root) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  ls_lake_files files;
  bool is_there;
  test_lake_open(&t);
  static const char *const bad[] = {"", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    ck_fails(ls__lake_list(&files, t.lake, bad[i], INT32_MIN, INT32_MAX, &err), LS_EINVAL, "relative path");
    ck_fails(ls__lake_exists(&is_there, t.lake, bad[i], &err), LS_EINVAL, "relative path");
    ck_fails(ls__lake_remove(t.lake, bad[i], &err), LS_EINVAL, "relative path");
  }
  test_lake_close(&t);
}
END_TEST

START_TEST(removed_files_are_gone) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  bool is_there = false;
  test_lake_open(&t);
  test_put(&t, "a/b.txt", "x", 1);
  test_put(&t, "a/c.txt", "x", 1);
  ck_ok(ls__lake_exists(&is_there, t.lake, "a/b.txt", &err));
  ck_assert(is_there);
  ck_ok(ls__lake_exists(&is_there, t.lake, "a", &err));
  ck_assert(!is_there);
  ck_ok(ls__lake_remove(t.lake, "a/b.txt", &err));
  ck_ok(ls__lake_exists(&is_there, t.lake, "a/b.txt", &err));
  ck_assert(!is_there);
  ck_ok(ls__lake_remove(t.lake, "a/b.txt", &err));
  ck_ok(ls__lake_remove(t.lake, "none/b.txt", &err));
  ck_assert_str_eq(test_list(&t, "a/*", NULL, NULL), "a/c.txt");
  test_lake_close(&t);
}
END_TEST

START_TEST(roots_are_checked) {
  ls_error err = LS_ERROR_INIT;
  ls_lake *lake = NULL;
  ck_fails(ls__lake_open(&lake, "", &err), LS_ECONFIG, "empty");
  ck_fails(ls__lake_open(&lake, "gs://bucket/x", &err), LS_ECONFIG, "'gs' is not known");
  ck_fails(ls__lake_open(&lake, "s3://", &err), LS_ECONFIG, "s3://bucket/prefix");
  ck_fails(ls__lake_open(&lake, "file://host/x", &err), LS_ECONFIG, "file:///directory");
  ck_fails(ls__lake_open(&lake, "file:///x%2", &err), LS_ECONFIG, "hexadecimal");
  ck_fails(ls__lake_open(&lake, "s3://key:secret@bucket/x", &err), LS_ECONFIG, "must not hold credentials");
  ck_assert_ptr_null(strstr(err.message, "secret@"));
  ck_ok(ls__lake_open(&lake, "file:///tmp/a%20b//", &err));
  ls_buf text = LS_BUF_INIT;
  ls__lake_describe(&text, lake, "x/y");
  ck_assert_str_eq(text.ptr, "file:///tmp/a%20b/x/y");
  ck_assert(ls__lake_is_local(lake));
  ls__buf_fini(&text);
  ls__lake_close(lake);
}
END_TEST

/* Only where the lake is on S3: what a wrong bucket and wrong credentials look like. */
START_TEST(remote_failures_are_classed) {
  ls_error err = LS_ERROR_INIT;
  ls_lake *lake = NULL;
  ls_lake_files files;
  if (!getenv("LS_TEST_LAKE")) return;
  ck_ok(ls__lake_open(&lake, "s3://no-such-bucket-here/x", &err));
  ck_fails(ls__lake_list(&files, lake, "raw/*", INT32_MIN, INT32_MAX, &err), LS_ENOTFOUND, "no-such-bucket-here");
  ls__lake_close(lake);
  setenv("AWS_SECRET_ACCESS_KEY", "wrongsecret42", 1);
  ck_ok(ls__lake_open(&lake, getenv("LS_TEST_LAKE"), &err));
  ck_fails(ls__lake_list(&files, lake, "raw/*", INT32_MIN, INT32_MAX, &err), LS_EIO, "credentials");
  ck_assert_ptr_null(strstr(err.message, "wrongsecret42"));
  ls__lake_close(lake);
  setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9", 1);
  ck_ok(ls__lake_open(&lake, getenv("LS_TEST_LAKE"), &err));
  ck_fails(ls__lake_list(&files, lake, "raw/*", INT32_MIN, INT32_MAX, &err), LS_ERETRY, "NETWORK");
  ls__lake_close(lake);
  setenv("AWS_ENDPOINT_URL", "127.0.0.1/x", 1);
  ck_fails(ls__lake_open(&lake, getenv("LS_TEST_LAKE"), &err), LS_ECONFIG, "AWS_ENDPOINT_URL");
}
END_TEST

/* The integration test runs a server that answers 503 to everything. */
START_TEST(a_sick_server_is_a_reason_to_try_again) {
  ls_error err = LS_ERROR_INIT;
  ls_lake *lake = NULL;
  ls_lake_files files;
  ls_lake_reader *reader = NULL;
  const char *endpoint = getenv("LS_TEST_SICK_ENDPOINT");
  if (!endpoint) return;
  setenv("AWS_ENDPOINT_URL", endpoint, 1);
  ck_ok(ls__lake_open(&lake, "s3://bucket/x", &err));
  ck_fails(ls__lake_list(&files, lake, "raw/*", INT32_MIN, INT32_MAX, &err), LS_ERETRY, "s3://bucket/x/raw");
  ck_fails(ls__lake_reader_open(&reader, lake, "raw/a", &err), LS_ERETRY, "s3://bucket/x/raw/a");
  ls__lake_close(lake);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(dates_are_a_closed_range),
      TEST_CASE(every_date_matches_an_open_range_and_bad_dates_none),
      TEST_CASE(stars_stay_in_their_segment_and_skip_hidden_names),
      TEST_CASE(alternatives_are_one_of_several_texts),
      TEST_CASE(nothing_found_is_no_error),
      TEST_CASE(files_carry_size_and_date),
      TEST_CASE(paths_stay_inside_the_root),
      TEST_CASE(removed_files_are_gone),
      TEST_CASE(roots_are_checked),
      TEST_CASE(remote_failures_are_classed),
      TEST_CASE(a_sick_server_is_a_reason_to_try_again),
  };
  return RUN_TESTS("lake_list", cases);
}
