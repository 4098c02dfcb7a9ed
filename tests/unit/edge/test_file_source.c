/**
 * @file test_file_source.c  Files that are broken. Compressed files that are cut or corrupt:
 * the rows before the damage count, the rest is one
 * dead letter, the next file is read. The files are made by hand, as blocks that are stored and not packed, so that a test
 * knows which byte of a file is which byte of its text.
 */
#include "helper_lake.h"

#include "edge/file_source.h"

#define N_ROWS     2000
#define BLOCK_ROWS 200
#define FIRST_N    10000

typedef struct collected {
  ls_dead_letter_port port;
  ls_buf text; /* "<file>:<line> <reason> <error>" a line */
  int64_t n_max;
} collected;

static int collect_letter(ls_dead_letter_port *port, uint32_t source, const ls_dead_letter *letter, ls_error *err) {
  collected *self = (collected *)port;
  (void)source;
  ck_assert_uint_eq(letter->seq, LS_SEQ_MAKE(3, strstr(letter->file, "1-") != NULL ? 1 : 0, letter->line));
  ck_assert_uint_eq(letter->payload.len, 0);
  ls__buf_printf(&self->text, "%s:%lld %s %s\n", letter->file, (long long)letter->line, letter->reason, letter->error);
  return self->n_max-- > 0 ? LS_OK : ls_error_set(err, LS_EBADRECORDS, "too many");
}

/* ---- packing ---- */

static uint32_t crc32_of(const char *bytes, size_t n) {
  uint32_t crc = ~UINT32_C(0);
  for (size_t i = 0; i < n; i++) {
    crc ^= (unsigned char)bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
  }
  return ~crc;
}

static void put_le(ls_buf *out, uint64_t value, int n_bytes) {
  for (int i = 0; i < n_bytes; i++) ls__buf_putc(out, (char)(value >> 8 * i));
}

/** One gzip member or zstd frame; block_ends: where each block's text ends in out. */
static void pack(ls_buf *out, bool gzip, const char *text, size_t len, size_t block_bytes, size_t *block_ends) {
  static const char gzip_head[] = {0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 0, 3},
                    zstd_head[] = {0x28, (char)0xb5, 0x2f, (char)0xfd, 0, 0x58};
  ls__buf_append(out, gzip ? gzip_head : zstd_head, gzip ? sizeof gzip_head : sizeof zstd_head);
  for (size_t at = 0; at < len; at += block_bytes) {
    size_t n = len - at < block_bytes ? len - at : block_bytes;
    bool last = at + n == len;
    if (gzip) {
      put_le(out, last, 1);
      put_le(out, n, 2);
      put_le(out, ~n, 2);
    } else {
      put_le(out, (uint64_t)n << 3 | last, 3);
    }
    ls__buf_append(out, text + at, n);
    *block_ends++ = out->len;
  }
  if (gzip) put_le(out, crc32_of(text, len) | (uint64_t)len << 32, 8);
}

static size_t put_row(ls_buf *text, int i) {
  ls__buf_printf(text, "{\"id\":\"row-%05d\",\"n\":%d}\n", i, FIRST_N + i); /* all rows of one length */
  return text->len;
}

typedef struct packed {
  bool gzip;
  const char *first, *second; /* paths */
  ls_buf text, bytes;
  size_t row_bytes, block_ends[N_ROWS / BLOCK_ROWS];
} packed;

static void packed_init(packed *p, bool gzip) {
  *p = (packed){.gzip = gzip,
                .first = gzip ? "in/0-a.jsonl.gz" : "in/0-a.jsonl.zst",
                .second = gzip ? "in/1-b.jsonl.gz" : "in/1-b.jsonl.zst"};
  p->row_bytes = put_row(&p->text, 0);
  for (int i = 1; i < N_ROWS; i++) put_row(&p->text, i);
  pack(&p->bytes, gzip, p->text.ptr, p->text.len, BLOCK_ROWS * p->row_bytes + 7,
       p->block_ends); /* 7: blocks end within rows */
}

static void packed_fini(packed *p) {
  ls__buf_fini(&p->text);
  ls__buf_fini(&p->bytes);
}

/* ---- reading ---- */

static void check_rows(const ls_batch *batch, int64_t *next) {
  for (int64_t row = 0; row < batch->n_rows; row++) {
    if (LS_SEQ_FILE(batch->stamps[row].seq) == 1) continue;
    ck_assert_int_eq(ls__column_i64(&batch->columns[1])[row], FIRST_N + *next % N_ROWS);
    ck_assert_uint_eq(batch->stamps[row].seq, LS_SEQ_MAKE(3, 0, ++*next));
  }
}

/** Reads in/0-* and in/1-*: rows of the first file, of both, and the letters. */
static int read_all(test_lake *t, ls_format format, const char *pattern, collected *letters, int64_t *n_first,
                    int64_t *n_all, ls_error *err) {
  ls_file_source_opts opts = {.lake = t->lake,
                              .name = "rows",
                              .index = 3,
                              .format = format,
                              .pattern = pattern,
                              .schema = test_schema(&t->arena, "id: string not null, n: int64"),
                              .from_days = INT32_MIN,
                              .to_days = INT32_MAX,
                              .dead_letters = &letters->port};
  ls_file_source *source = NULL;
  ls_file_worker *worker = NULL;
  letters->port.write = collect_letter;
  *n_first = *n_all = 0;
  ck_assert_int_eq(ls__file_source_new(&source, &opts, err), LS_OK);
  ck_assert_int_eq(ls__file_worker_new(&worker, source, err), LS_OK);
  int64_t n_rows_max = 0, n_letters = letters->n_max;
  int rc = ls__file_worker_next(worker, &n_rows_max, err);
  while (rc == LS_OK && n_rows_max > 0) {
    ls_batch *batch = ls__batch_new(opts.schema, &t->arena, n_rows_max);
    rc = ls__file_worker_decode(worker, batch, err);
    *n_all += batch->n_rows;
    if (format == LS_FORMAT_JSON) check_rows(batch, n_first);
    if (rc == LS_OK) rc = ls__file_worker_next(worker, &n_rows_max, err);
  }
  n_letters -= letters->n_max;
  if (rc == LS_OK) ck_assert_int_eq(ls__file_source_records(source), *n_all + n_letters);
  ls__file_worker_free(worker);
  ls__file_source_free(source);
  return rc;
}

/** Puts the first n bytes of the packed file, reads it with a good one behind it; one letter, at the line after n_rows. */
static void expect_damage(test_lake *t, const packed *p, size_t n_bytes, int64_t n_rows, const char *why) {
  ls_error err = LS_ERROR_INIT;
  collected letters = {.n_max = 10};
  char expected[128];
  int64_t n_first, n_all;
  test_put(t, p->first, p->bytes.ptr, n_bytes);
  ck_ok(read_all(t, LS_FORMAT_JSON, p->gzip ? "in/*.gz" : "in/*.zst", &letters, &n_first, &n_all, &err));
  ck_assert_msg(n_first == n_rows && n_all == n_rows + 1, "%s cut at %zu: %lld and %lld rows, %lld expected; %s",
                p->first, n_bytes, (long long)n_first, (long long)n_all, (long long)n_rows, letters.text.ptr);
  snprintf(expected, sizeof expected, "%s:%lld damaged_file the compressed data is %s", p->first, (long long)n_rows + 1,
           why);
  ck_assert_msg(letters.text.ptr != NULL && strncmp(letters.text.ptr, expected, strlen(expected)) == 0,
                "%s, expected %s", letters.text.ptr, expected);
  ck_assert_ptr_eq(strchr(letters.text.ptr, '\n'), letters.text.ptr + letters.text.len - 1); /* one letter */
  ls__buf_fini(&letters.text);
}

static void put_second(test_lake *t, const packed *p) {
  ls_buf text = LS_BUF_INIT, bytes = LS_BUF_INIT;
  size_t end;
  put_row(&text, 1);
  pack(&bytes, p->gzip, text.ptr, text.len, text.len, &end);
  test_put(t, p->second, bytes.ptr, bytes.len);
  ls__buf_fini(&text);
  ls__buf_fini(&bytes);
}

/** Whole rows in the first n blocks. */
static int64_t rows_of(const packed *p, size_t n_blocks) {
  return (int64_t)(n_blocks * (BLOCK_ROWS * p->row_bytes + 7) / p->row_bytes);
}

START_TEST(a_cut_file_costs_its_rest_only) {
  test_lake t;
  test_lake_open(&t);
  for (int gzip = 0; gzip < 2; gzip++) {
    packed p;
    packed_init(&p, gzip);
    put_second(&t, &p);
    expect_damage(&t, &p, 0, 0, "truncated");
    expect_damage(&t, &p, 5, 0, "truncated");
    expect_damage(&t, &p, p.block_ends[3], rows_of(&p, 4), "truncated");
    expect_damage(&t, &p, p.block_ends[3] + 2, rows_of(&p, 4), "truncated");
    if (gzip)
      expect_damage(&t, &p, p.bytes.len - 1, N_ROWS,
                    "truncated"); /* every row is there, but nothing vouches for them */
    packed_fini(&p);
  }
  test_lake_close(&t);
}
END_TEST

START_TEST(a_corrupt_file_counts_up_to_the_damage) {
  test_lake t;
  test_lake_open(&t);
  for (int gzip = 0; gzip < 2; gzip++) {
    packed p;
    packed_init(&p, gzip);
    put_second(&t, &p);
    char *head = p.bytes.ptr + p.block_ends[5], was = *head;
    *head = 0x06; /* a kind of block that neither format has */
    expect_damage(&t, &p, p.bytes.len, rows_of(&p, 6), "corrupt");
    *head = was;
    p.bytes.ptr[p.bytes.len - 8] ^= 1; /* gzip: the checksum; zstd: a byte that its blocks do not check */
    if (gzip) expect_damage(&t, &p, p.bytes.len, N_ROWS, "corrupt");
    packed_fini(&p);
  }
  test_lake_close(&t);
}
END_TEST

/* Longer than the reader's buffers and a unit of work: several frames, damaged after the last whole block. */
START_TEST(damage_far_behind_is_found_at_the_same_row) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  test_lake_open(&t);
  for (int gzip = 0; gzip < 2; gzip++) {
    packed p;
    ls_buf all = LS_BUF_INIT;
    collected letters = {.n_max = 1};
    int64_t n_first, n_all, n_rows = 30 * N_ROWS;
    const char *path = gzip ? "far/0.jsonl.gz" : "far/0.jsonl.zst";
    packed_init(&p, gzip);
    for (int i = 0; i < 30; i++) ls__buf_append(&all, p.bytes.ptr, p.bytes.len);
    ls__buf_append(&all, p.bytes.ptr, p.block_ends[2]);
    ls__buf_puts(&all, "\x06 and no block");
    test_put(&t, path, all.ptr, all.len);
    ck_ok(read_all(&t, LS_FORMAT_JSON, path, &letters, &n_first, &n_all, &err));
    ck_assert_int_eq(n_first, n_rows + rows_of(&p, 3));
    ck_assert_int_eq(letters.n_max, 0);
    packed_fini(&p);
    ls__buf_fini(&all);
    ls__buf_fini(&letters.text);
  }
  test_lake_close(&t);
}
END_TEST

START_TEST(a_csv_file_may_be_cut_in_its_header_and_in_quotes) {
  static const char text[] = "id,n\na,1\n\"b\nb\",2\n\"c\nc\",3\n";
  static const struct {
    size_t len;
    int64_t n_rows, line;
  } cuts[] = {{3, 0, 1}, {5, 0, 2}, {8, 0, 2}, {9, 1, 3}, {12, 1, 3}, {17, 2, 5}, {20, 2, 5}};
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  test_lake_open(&t);
  for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
    ls_buf bytes = LS_BUF_INIT;
    collected letters = {.n_max = 1};
    size_t end;
    char expected[64];
    int64_t n_first, n_all;
    pack(&bytes, true, text, cuts[i].len, cuts[i].len, &end);
    test_put(&t, "csv/0.csv.gz", bytes.ptr, end);
    ck_ok(read_all(&t, LS_FORMAT_CSV, "csv/*.csv.gz", &letters, &n_first, &n_all, &err));
    ck_assert_int_eq(n_all, cuts[i].n_rows);
    snprintf(expected, sizeof expected, "csv/0.csv.gz:%lld damaged_file", (long long)cuts[i].line);
    ck_assert_msg(strncmp(letters.text.ptr, expected, strlen(expected)) == 0, "%s, expected %s", letters.text.ptr,
                  expected);
    ls__buf_fini(&bytes);
    ls__buf_fini(&letters.text);
  }
  test_lake_close(&t);
}
END_TEST

START_TEST(damage_counts_as_a_bad_record) {
  test_lake t;
  ls_error err = LS_ERROR_INIT;
  collected letters = {.n_max = 0};
  int64_t n_first, n_all;
  test_lake_open(&t);
  test_put(&t, "in/0-a.jsonl.gz", "", 0);
  ck_fails(read_all(&t, LS_FORMAT_JSON, "in/*.gz", &letters, &n_first, &n_all, &err), LS_EBADRECORDS, "too many");
  ls__buf_fini(&letters.text);
  test_lake_close(&t);
}
END_TEST

/* A header that can't be used says nothing of its file's rows: the file is broken as a whole. */
START_TEST(a_csv_file_without_a_usable_header_ends_the_run) {
  static const struct {
    const char *text;
    size_t len;
    const char *why;
  } files[] = {
      {"", 0, "csv/0.csv:1: the file is empty: the CSV header is missing"},
      {"\n", 1, "csv/0.csv:1: the first line is empty"},
      {"n\n1\n", 4, "csv/0.csv:1: the CSV header has no column 'id'"},
      {"ID,n\n", 5, "upper and lower case"},
      {"id;n\na;1\n", 9, "not ';'"},
      {"id,n,id\n", 8, "'id' twice"},
      {"a,1\nb,2", 7, "expected a first line in UTF-8 with the columns id, and perhaps n"},
      {"\xff\xfei\0d\0", 6, "UTF-16"},
      {"i\0d\0,\0n\0\n\0", 10, "NUL"},
  };
  test_lake t;
  test_lake_open(&t);
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    ls_error err = LS_ERROR_INIT;
    collected letters = {.n_max = 1};
    int64_t n_first, n_all;
    test_put(&t, "csv/0.csv", files[i].text, files[i].len);
    ck_fails(read_all(&t, LS_FORMAT_CSV, "csv/*.csv", &letters, &n_first, &n_all, &err), LS_EDATA, files[i].why);
    ck_assert_int_eq(letters.n_max, 1);
  }
  test_lake_close(&t);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(a_cut_file_costs_its_rest_only),
      TEST_CASE(a_corrupt_file_counts_up_to_the_damage),
      TEST_CASE(damage_far_behind_is_found_at_the_same_row),
      TEST_CASE(a_csv_file_may_be_cut_in_its_header_and_in_quotes),
      TEST_CASE(damage_counts_as_a_bad_record),
      TEST_CASE(a_csv_file_without_a_usable_header_ends_the_run),
  };
  return RUN_TESTS("file_source", cases);
}
