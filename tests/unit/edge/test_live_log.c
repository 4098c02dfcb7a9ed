/** @file test_live_log.c  Records of a live lake sink's log: back as they were; anything cut or foreign is refused. */
#include <check.h>
#include <stdlib.h>

#include "edge/live_log.h"

static ls_live_record round_trip(ls_buf *bytes, const ls_live_record *record) {
  ls_live_record out;
  ls_error err = LS_ERROR_INIT;
  ls__buf_clear(bytes);
  ls__live_log_encode(bytes, record);
  ck_assert_int_eq(ls__live_log_decode(&out, ls__buf_slice(bytes), &err), LS_OK);
  ck_assert_int_eq((int)out.kind, (int)record->kind);
  ck_assert_uint_eq(out.epoch, record->epoch);
  return out;
}

/** Each proper beginning of a record without a free end is none. */
static void refuse_cuts(const ls_buf *bytes) {
  for (size_t len = 0; len < bytes->len; len++) {
    char *part = malloc(len + 1); /* its own bytes: reading past them is seen */
    memcpy(part, bytes->ptr, len);
    ls_live_record out;
    ls_error err = LS_ERROR_INIT;
    ck_assert_int_eq(ls__live_log_decode(&out, (ls_slice){part, len}, &err), LS_EDATA);
    free(part);
  }
}

START_TEST(records_come_back) {
  ls_buf bytes = LS_BUF_INIT, entries = LS_BUF_INIT;
  ls_live_record file = {.kind = LS_LIVE_FILE,
                         .epoch = 3,
                         .staged = ls__slice_of("_live/a/s/f"),
                         .path = ls__slice_of("t/f"),
                         .n_rows = 7};
  ls_live_record out = round_trip(&bytes, &file);
  ck_assert(ls__slice_is(out.staged, "_live/a/s/f") && ls__slice_is(out.path, "t/f"));
  ck_assert_int_eq(out.n_rows, 7);
  refuse_cuts(&bytes);
  out = round_trip(&bytes, &(ls_live_record){.kind = LS_LIVE_CUT, .epoch = 1, .next_row = 1 << 30});
  ck_assert_int_eq(out.next_row, 1 << 30);
  refuse_cuts(&bytes);
  (void)round_trip(&bytes, &(ls_live_record){.kind = LS_LIVE_PUBLISHED, .epoch = UINT64_MAX});
  refuse_cuts(&bytes);
  ls__live_log_add_entry(&entries, 'p', ls__slice_of("t/dt=2026-03-01"));
  ls__live_log_add_entry(&entries, 'r', (ls_slice){"\0\1\2", 3});
  ls__live_log_add_entry(&entries, 'd', (ls_slice){"", 0});
  out = round_trip(
      &bytes,
      &(ls_live_record){
          .kind = LS_LIVE_ROWS, .epoch = 9, .fingerprint = 77, .first_row = 5, .entries = ls__buf_slice(&entries)});
  ck_assert_uint_eq(out.fingerprint, 77);
  ck_assert_int_eq(out.first_row, 5);
  ck_assert(ls__slice_eq(out.entries, ls__buf_slice(&entries)));
  ls__buf_fini(&bytes);
  ls__buf_fini(&entries);
}
END_TEST

START_TEST(entries_come_one_by_one) {
  ls_buf entries = LS_BUF_INIT;
  ls_error err = LS_ERROR_INIT;
  ls_live_entry entry;
  bool found;
  ls__live_log_add_entry(&entries, 'p', ls__slice_of("a"));
  ls__live_log_add_entry(&entries, 'r', ls__slice_of("row"));
  ls_slice left = ls__buf_slice(&entries);
  ck_assert_int_eq(ls__live_log_next_entry(&entry, &found, &left, &err), LS_OK);
  ck_assert(found && entry.kind == 'p' && ls__slice_is(entry.bytes, "a"));
  ck_assert_int_eq(ls__live_log_next_entry(&entry, &found, &left, &err), LS_OK);
  ck_assert(found && entry.kind == 'r' && ls__slice_is(entry.bytes, "row"));
  ck_assert_int_eq(ls__live_log_next_entry(&entry, &found, &left, &err), LS_OK);
  ck_assert(!found);
  left = (ls_slice){entries.ptr, entries.len - 1};
  ck_assert_int_eq(ls__live_log_next_entry(&entry, &found, &left, &err), LS_OK);
  ck_assert_int_eq(ls__live_log_next_entry(&entry, &found, &left, &err), LS_EDATA);
  left = ls__slice_of("x123456789");
  ck_assert_int_eq(ls__live_log_next_entry(&entry, &found, &left, &err), LS_EDATA);
  ls__buf_fini(&entries);
}
END_TEST

START_TEST(foreign_records_are_refused) {
  static const char *const foreign[] = {"{\"a\":1}", "\1X01234567", "\2C0123456789abcdef", ""};
  for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
    ls_live_record out;
    ls_error err = LS_ERROR_INIT;
    ck_assert_int_eq(ls__live_log_decode(&out, ls__slice_of(foreign[i]), &err), LS_EDATA);
  }
}
END_TEST

int main(void) {
  TCase *tc = tcase_create("live_log");
  tcase_add_test(tc, records_come_back);
  tcase_add_test(tc, entries_come_one_by_one);
  tcase_add_test(tc, foreign_records_are_refused);
  Suite *suite = suite_create("edge.live_log");
  suite_add_tcase(suite, tc);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed > 0;
}
