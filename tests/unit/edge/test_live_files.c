/** @file test_live_files.c  Files of a live sink: bounded in number and memory, complete ones hidden until moved, given-up ones gone. */
#include "helper_lake.h"

#include "edge/live_files.h"

typedef struct fixture {
  test_lake t;
  ls_lake_stage *stage;
  const ls_schema *schema;
  ls_live_files *files;
} fixture;

static void setup(fixture *f, ls_format format, size_t memory_bytes) {
  ls_error err = LS_ERROR_INIT;
  test_lake_open(&f->t);
  ck_ok(ls__lake_stage_new(&f->stage, f->t.lake, "run", f->t.work, &err));
  f->schema = test_schema(&f->t.arena, "id: string not null, n: int64");
  ls_live_files_opts opts = {.stage = f->stage,
                             .name = "sink",
                             .directory = "_live/app/sink-00003",
                             .partition = 3,
                             .schema = f->schema,
                             .format = format,
                             .memory_bytes = memory_bytes};
  ls__live_files_new(&f->files, &opts);
}

static void teardown(fixture *f) {
  ls__live_files_free(f->files);
  ls__lake_stage_free(f->stage);
  test_lake_close(&f->t);
}

/** Moves all that is complete to its place; how many files and rows that were. */
static size_t publish(fixture *f, int64_t *n_rows) {
  ls_error err = LS_ERROR_INIT;
  ls_live_file_list list;
  ck_ok(ls__live_files_complete(f->files, &err));
  ls__live_files_take(&list, f->files);
  *n_rows = 0;
  for (size_t i = 0; i < list.n; i++) {
    bool is_there;
    ck_ok(ls__lake_exists(&is_there, f->t.lake, list.files[i].path, &err));
    ck_assert(!is_there);
    ck_ok(ls__lake_move(f->t.lake, list.files[i].staged, list.files[i].path, &err));
    ck_ok(ls__lake_move(f->t.lake, list.files[i].staged, list.files[i].path, &err)); /* again: harmless */
    *n_rows += list.files[i].n_rows;
  }
  size_t n = list.n;
  ls__live_file_list_fini(&list);
  return n;
}

START_TEST(each_path_has_its_file) {
  fixture f;
  ls_error err = LS_ERROR_INIT;
  int64_t n_rows;
  setup(&f, LS_FORMAT_PARQUET, (size_t)64 << 20);
  ls_batch *rows = test_rows(&f.t.arena, f.schema, 500, 1);
  for (int i = 0; i < 3; i++) {
    ck_ok(ls__live_files_write(f.files, ls__slice_of("t/k=a"), rows, &err));
    ck_ok(ls__live_files_write(f.files, ls__slice_of("t/k=b"), rows, &err));
  }
  ck_assert_uint_eq(ls__live_files_n_completed(f.files), 0);
  ck_assert_uint_eq(publish(&f, &n_rows), 2);
  ck_assert_int_eq(n_rows, 3000);
  char *first = test_list(&f.t, "t/k=a/*.parquet", NULL, NULL);
  ck_assert_int_eq(strncmp(first, "t/k=a/live-00003-", 17), 0);
  ls_batch all;
  ls__batch_init(&all, f.schema, &f.t.arena, 0);
  ck_ok(test_read_parquet(&all, &f.t, first, f.schema, NULL, &err));
  ck_assert_int_eq(all.n_rows, 1500);
  test_same_rows(&all, 500, rows, 0, 500);
  ck_assert_uint_eq(publish(&f, &n_rows), 0);
  teardown(&f);
}
END_TEST

START_TEST(too_many_paths_complete_the_longest_unused) {
  fixture f;
  ls_error err = LS_ERROR_INIT;
  int64_t n_rows;
  char path[32];
  setup(&f, LS_FORMAT_JSON, (size_t)4 << 20); /* two files */
  ls_batch *rows = test_rows(&f.t.arena, f.schema, 10, 1);
  for (int i = 0; i < 30; i++) {
    snprintf(path, sizeof path, "t/k=%d", i % 5);
    ck_ok(ls__live_files_write(f.files, ls__slice_of(path), rows, &err));
  }
  ck_assert_uint_eq(ls__live_files_n_completed(f.files), 28);
  ck_assert_uint_eq(publish(&f, &n_rows), 30);
  ck_assert_int_eq(n_rows, 300);
  teardown(&f);
}
END_TEST

START_TEST(memory_is_bounded_by_ending_row_groups) {
  fixture f;
  ls_error err = LS_ERROR_INIT;
  int64_t n_rows, before = 0;
  setup(&f, LS_FORMAT_PARQUET, (size_t)2 << 20);
  ls_batch *rows = test_rows(&f.t.arena, f.schema, 4096, 1);
  for (int i = 0; i < 100; i++) {
    ck_ok(ls__live_files_write(f.files, ls__slice_of("t"), rows, &err));
    ck_assert_int_ge(ls__live_files_largest(f.files), before / 16); /* what is on disk counts */
    before = ls__live_files_largest(f.files);
  }
  ck_assert_uint_eq(publish(&f, &n_rows), 1);
  ls_parquet_reader *reader;
  char *path = test_list(&f.t, "t/*", NULL, NULL);
  ck_ok(ls__parquet_reader_open(&reader, f.t.lake, path, f.schema, NULL, &err));
  ck_assert_int_gt(ls__parquet_reader_n_groups(reader), 4); /* one holds 131072 rows otherwise */
  ls__parquet_reader_close(reader);
  ls_batch all;
  ls__batch_init(&all, f.schema, &f.t.arena, 0);
  ck_ok(test_read_parquet(&all, &f.t, path, f.schema, NULL, &err));
  ck_assert_int_eq(all.n_rows, 409600);
  teardown(&f);
}
END_TEST

START_TEST(files_given_up_are_gone) {
  fixture f;
  ls_error err = LS_ERROR_INIT;
  int64_t n_rows;
  size_t n;
  setup(&f, LS_FORMAT_CSV, (size_t)2 << 20); /* one file: the first is complete when the second begins */
  ls_batch *rows = test_rows(&f.t.arena, f.schema, 10, 1);
  ck_ok(ls__live_files_write(f.files, ls__slice_of("t/k=a"), rows, &err));
  ck_ok(ls__live_files_write(f.files, ls__slice_of("t/k=b"), rows, &err));
  ck_assert_uint_eq(ls__live_files_n_completed(f.files), 1);
  ls__live_files_abandon(f.files);
  ck_assert_uint_eq(publish(&f, &n_rows), 0);
  ck_ok(ls__lake_clear(f.t.lake, "_live/app/sink-00003", &n, &err));
  ck_assert_uint_eq(n, 1);
  ck_ok(ls__lake_clear(f.t.lake, "_live/app/sink-00003", &n, &err));
  ck_assert_uint_eq(n, 0);
  ck_ok(ls__lake_clear(f.t.lake, "_live/nobody", &n, &err));
  ck_assert_uint_eq(n, 0);
  ck_assert_str_eq(test_list(&f.t, "t/*/*", NULL, NULL), "");
  teardown(&f);
}
END_TEST

START_TEST(a_file_that_is_nowhere_is_an_error) {
  fixture f;
  ls_error err = LS_ERROR_INIT;
  setup(&f, LS_FORMAT_JSON, (size_t)2 << 20);
  ck_fails(ls__lake_move(f.t.lake, "_live/a/b", "t/b", &err), LS_ENOTFOUND, "neither _live/a/b nor t/b");
  test_put(&f.t, "t/b", "x", 1);
  ck_ok(ls__lake_move(f.t.lake, "_live/a/b", "t/b", &err)); /* someone else was faster */
  teardown(&f);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(each_path_has_its_file),
      TEST_CASE(too_many_paths_complete_the_longest_unused),
      TEST_CASE(memory_is_bounded_by_ending_row_groups),
      TEST_CASE(files_given_up_are_gone),
      TEST_CASE(a_file_that_is_nowhere_is_an_error),
  };
  return RUN_TESTS("edge.live_files", cases);
}
