/**
 * @file test_lake_read.c  Sequential reading: plain and compressed, several members or frames,
 * truncated and corrupt.
 */
#include "helper_lake.h"

/* "first\n" and "second\n" as two gzip members, zstd frames and lz4 frames, made by gzip, zstd
 * and lz4. */
static const char two_gz[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\xcb\x2c\x2a\x2e\xe1\x02"
                             "\x00\x2a\xb3\x4a\xc7\x06\x00\x00\x00"
                             "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x2b\x4e\x4d\xce\xcf\x4b\xe1"
                             "\x02\x00\x7e\xc0\x0f\x06\x07\x00\x00\x00";
static const char two_zst[] = "\x28\xb5\x2f\xfd\x00\x58\x31\x00\x00\x66\x69\x72\x73\x74\x0a\x28\xb5"
                              "\x2f\xfd\x00\x58\x39\x00\x00\x73\x65\x63\x6f"
                              "\x6e\x64\x0a";
static const char two_lz4[] =
    "\x04\x22\x4d\x18\x64\x40\xa7\x06\x00\x00\x80\x66\x69\x72\x73\x74\x0a\x00\x00\x00\x00\xff\xc5"
    "\x38\x2f\x04\x22\x4d"
    "\x18\x64\x40\xa7\x07\x00\x00\x80\x73\x65\x63\x6f\x6e\x64\x0a\x00\x00\x00\x00\x8a\x00\x6d\xde";
static const char both_lines[] = "first\nsecond\n";

typedef struct sample {
  const char *path, *bytes;
  size_t len, first_len; /* of the whole, of the first member or frame */
} sample;
static const sample samples[] = {
    {"in/two.jsonl.gz", two_gz, sizeof two_gz - 1, 26},
    {"in/two.jsonl.zst", two_zst, sizeof two_zst - 1, 15},
    {"in/two.jsonl.lz4", two_lz4, sizeof two_lz4 - 1, 25},
};
#define N_SAMPLES (sizeof samples / sizeof samples[0])

static void expect(test_lake *t, const char *path, size_t piece_bytes, ls_slice want) {
  ls_buf got = test_get(t, path, piece_bytes);
  ck_assert_msg(ls__slice_eq(ls__buf_slice(&got), want), "%s: %zu bytes, want %zu", path, got.len, want.len);
  ls__buf_fini(&got);
}

START_TEST(all_members_and_frames_are_read) {
  test_lake t;
  test_lake_open(&t);
  for (size_t i = 0; i < N_SAMPLES; i++) {
    test_put(&t, samples[i].path, samples[i].bytes, samples[i].len);
    for (size_t piece = 1; piece < 20; piece += 3) expect(&t, samples[i].path, piece, ls__slice_of(both_lines));
  }
  test_put(&t, "in/plain.jsonl", both_lines, strlen(both_lines));
  expect(&t, "in/plain.jsonl", 3, ls__slice_of(both_lines));
  test_lake_close(&t);
}
END_TEST

/* Several megabytes of small members: their borders fall everywhere in the reader's buffers. */
START_TEST(thousands_of_members_are_read) {
  test_lake t;
  test_lake_open(&t);
  for (size_t i = 0; i < N_SAMPLES; i++) {
    ls_buf packed = LS_BUF_INIT, plain = LS_BUF_INIT;
    for (int k = 0; k < 60000; k++) {
      ls__buf_append(&packed, samples[i].bytes, samples[i].len);
      ls__buf_append(&plain, both_lines, strlen(both_lines));
    }
    test_put(&t, samples[i].path, packed.ptr, packed.len);
    expect(&t, samples[i].path, 4001, ls__buf_slice(&plain));
    ls__buf_fini(&packed);
    ls__buf_fini(&plain);
  }
  test_lake_close(&t);
}
END_TEST

static int read_to_end(test_lake *t, const char *path, ls_error *err) {
  ls_lake_reader *reader = NULL;
  char piece[7];
  size_t n = 1;
  LS_TRY(ls__lake_reader_open(&reader, t->lake, path, err));
  int rc = LS_OK;
  while (rc == LS_OK && n > 0) rc = ls__lake_read(reader, piece, sizeof piece, &n, err);
  ls__lake_reader_close(reader);
  return rc;
}

/* Cut anywhere but between two members, a file is an error and never a shorter file. */
START_TEST(truncated_files_are_data_errors) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  test_lake_open(&t);
  for (size_t i = 0; i < N_SAMPLES; i++) {
    for (size_t len = 0; len <= samples[i].len; len++) {
      test_put(&t, samples[i].path, samples[i].bytes, len);
      if (len == samples[i].len || len == samples[i].first_len) {
        ck_ok(read_to_end(&t, samples[i].path, &err));
        continue;
      }
      int rc = read_to_end(&t, samples[i].path, &err);
      ck_assert_msg(rc == LS_EDATA, "%s cut at %zu: %s", samples[i].path, len, ls_error_name(rc));
      ck_assert_msg(strstr(err.message, samples[i].path), "the file is not named: %s", err.message);
    }
  }
  test_lake_close(&t);
}
END_TEST

START_TEST(corrupt_files_are_data_errors) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  test_lake_open(&t);
  for (size_t i = 0; i < N_SAMPLES; i++) {
    char bytes[128];
    memcpy(bytes, samples[i].bytes, samples[i].len);
    bytes[samples[i].first_len] ^= 0x40; /* the second magic number */
    test_put(&t, samples[i].path, bytes, samples[i].len);
    ck_fails(read_to_end(&t, samples[i].path, &err), LS_EDATA, samples[i].path);
    test_put(&t, samples[i].path, both_lines, strlen(both_lines)); /* not compressed at all */
    ck_fails(read_to_end(&t, samples[i].path, &err), LS_EDATA, samples[i].path);
  }
  test_lake_close(&t);
}
END_TEST

START_TEST(missing_files_are_not_found) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  ls_lake_reader *reader = NULL;
  ls_parquet_reader *parquet = NULL;
  test_lake_open(&t);
  ls_schema *schema = test_schema(&t.arena, "id: string");
  ck_fails(ls__lake_reader_open(&reader, t.lake, "no/such.jsonl", &err), LS_ENOTFOUND, "no/such.jsonl");
  ck_fails(ls__parquet_reader_open(&parquet, t.lake, "no/such.parquet", schema, NULL, &err), LS_ENOTFOUND,
           "no/such.parquet");
  test_lake_close(&t);
}
END_TEST

START_TEST(a_reader_may_be_closed_half_way) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  ls_lake_reader *reader = NULL;
  char piece[10];
  size_t n = 0;
  test_lake_open(&t);
  size_t len = (size_t)9 << 20;
  char *bytes = ls__calloc(1, len);
  test_put(&t, "in/big.bin", bytes, len);
  ls__free(bytes);
  ck_ok(ls__lake_reader_open(&reader, t.lake, "in/big.bin", &err));
  ck_ok(ls__lake_read(reader, piece, sizeof piece, &n, &err));
  ck_assert_uint_eq(n, sizeof piece);
  ls__lake_reader_close(reader);
  test_lake_close(&t);
}
END_TEST

/* Locally the old file stays whole under the reader; on S3 the later blocks are of the new
 * object, which must be told. */
START_TEST(a_file_replaced_while_read_is_never_a_mixture) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  ls_lake_reader *reader = NULL;
  test_lake_open(&t);
  size_t len = (size_t)17 << 20, n = 1, n_old = 0;
  char *bytes = ls__alloc(len);
  memset(bytes, 'a', len);
  test_put(&t, "in/big.bin", bytes, len);
  ck_ok(ls__lake_reader_open(&reader, t.lake, "in/big.bin", &err));
  ck_ok(ls__lake_read(reader, bytes, 10, &n, &err));
  memset(bytes, 'b', len);
  test_put(&t, "in/big.bin", bytes, len);
  int rc = LS_OK;
  for (n_old = n; rc == LS_OK && n > 0; n_old += n) {
    rc = ls__lake_read(reader, bytes, len, &n, &err);
    if (rc == LS_OK && ls__lake_is_local(t.lake)) ck_assert(n == 0 || (bytes[0] == 'a' && bytes[n - 1] == 'a'));
  }
  if (ls__lake_is_local(t.lake)) {
    ck_assert_uint_eq(n_old, len);
  } else {
    ck_fails(rc, LS_ERETRY, "replaced while it was read");
  }
  ls__lake_reader_close(reader);
  ls__free(bytes);
  test_lake_close(&t);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(all_members_and_frames_are_read),
      TEST_CASE(thousands_of_members_are_read),
      TEST_CASE(truncated_files_are_data_errors),
      TEST_CASE(corrupt_files_are_data_errors),
      TEST_CASE(missing_files_are_not_found),
      TEST_CASE(a_reader_may_be_closed_half_way),
      TEST_CASE(a_file_replaced_while_read_is_never_a_mixture),
  };
  return RUN_TESTS("lake_read", cases);
}
