/** @file test_sink_tee.c  Two sinks of one batch: each gets the rows that it takes, and neither what the first refuses. */
#include "edge/sink_tee.h"

#include <check.h>
#include <stdlib.h>

/** A port that keeps the numbers it was given, and refuses those above `highest`. */
typedef struct kept_port {
  ls_sink_port port;
  int64_t highest, kept[16], n_kept;
  int32_t refused[16];
} kept_port;

static int keep(ls_sink_port *port, int worker, const ls_batch *batch, const ls_column *partition, ls_error *err) {
  (void)worker, (void)partition, (void)err;
  kept_port *self = (kept_port *)port;
  port->refused = self->refused;
  port->n_refused = 0;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    int64_t value = ls__column_i64(&batch->columns[0])[row];
    if (value > self->highest)
      self->refused[port->n_refused++] = (int32_t)row;
    else
      self->kept[self->n_kept++] = value;
  }
  return LS_OK;
}

static ls_batch *numbers(ls_arena *arena, int64_t n) {
  static ls_field fields[] = {{.name = "n", .type = &ls__type_int64}};
  static const ls_schema schema = {.name = "row", .fields = fields, .n_fields = 1, .time_field = -1};
  ls_batch *batch = ls__batch_new(&schema, arena, n);
  for (int64_t i = 0; i < n; i++) {
    ls__column_append_i64(&batch->columns[0], i);
    ls__batch_append_meta(batch, i, (ls_stamp){i, (uint64_t)i});
  }
  return batch;
}

static void expect_kept(const kept_port *port, const int64_t *values, int64_t n) {
  ck_assert_int_eq(port->n_kept, n);
  for (int64_t i = 0; i < n; i++) ck_assert_int_eq(port->kept[i], values[i]);
}

START_TEST(what_the_first_refuses_the_second_does_not_get) {
  kept_port first = {.port.write = keep, .highest = 2}, second = {.port.write = keep, .highest = INT64_MAX};
  ls_sink_tee *tee;
  ls_error err = LS_ERROR_INIT;
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls__sink_tee_new(&tee, &first.port, &second.port);
  ls_sink_port *port = ls__sink_tee_port(tee);
  ck_assert_int_eq(port->write(port, 0, numbers(&arena, 5), NULL, &err), LS_OK);
  expect_kept(&first, (int64_t[]){0, 1, 2}, 3);
  expect_kept(&second, (int64_t[]){0, 1, 2}, 3);
  ck_assert_int_eq(port->n_refused, 2);
  ck_assert_int_eq(port->refused[0], 3);
  ck_assert_int_eq(port->refused[1], 4);
  ck_assert_int_eq(port->write(port, 0, numbers(&arena, 2), NULL, &err), LS_OK);
  ck_assert_int_eq(port->n_refused, 0);
  ls__sink_tee_free(tee);
  ls__arena_fini(&arena);
}
END_TEST

/* Numbers of refused rows are those of the batch, also when the first port got only some of it. */
START_TEST(deletions_go_to_who_takes_them) {
  kept_port first = {.port.write = keep, .highest = 2}, second = {.port.write = keep, .highest = INT64_MAX};
  second.port.takes_deletes = true;
  ls_sink_tee *tee;
  ls_error err = LS_ERROR_INIT;
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ls__sink_tee_new(&tee, &first.port, &second.port);
  ls_sink_port *port = ls__sink_tee_port(tee);
  ls_batch *batch = numbers(&arena, 5);
  ls__batch_set_retract(batch, 1);
  ck_assert_int_eq(port->write(port, 0, batch, NULL, &err), LS_OK);
  expect_kept(&first, (int64_t[]){0, 2}, 2);
  expect_kept(&second, (int64_t[]){0, 1, 2}, 3);
  ck_assert_int_eq(port->n_refused, 2);
  ck_assert_int_eq(port->refused[0], 3);
  ls__sink_tee_free(tee);
  ls__arena_fini(&arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("sink_tee");
  TCase *tcase = tcase_create("rows");
  tcase_add_test(tcase, what_the_first_refuses_the_second_does_not_get);
  tcase_add_test(tcase, deletions_go_to_who_takes_them);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int n_failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
