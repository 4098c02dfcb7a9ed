/** @file test_schema_registry.c  Answers, addresses, and what is told when nobody answers. The rest: it_kafka_registry.py. */
#include "edge/registry_answer.h"
#include "edge/schema_registry.h"
#include "edge/wire_reader.h"
#include "helper_lake.h"

START_TEST(answers_are_read) {
  ls_registry_reader *reader;
  ls_registry_answer answer;
  ls_error err = LS_ERROR_INIT;
  ck_assert_int_eq(ls__registry_reader_new(&reader, &err), LS_OK);
  ck_assert(ls__registry_read(
      &answer, reader, ls__slice_of("{\"schema\":\"a \\\"b\\\"\",\"schemaType\":\"JSON\",\"references\":[{}]}")));
  ck_assert(ls__slice_is(answer.schema, "a \"b\""));
  ck_assert(ls__slice_is(answer.schema_type, "JSON"));
  ck_assert_int_eq(answer.id, -1);
  ck_assert(ls__registry_read(&answer, reader, ls__slice_of("{\"message\":\"no\",\"error_code\":40403}")));
  ck_assert_int_eq(answer.error_code, 40403);
  ck_assert_ptr_null(answer.schema.ptr);
  ck_assert(!ls__registry_read(&answer, reader, ls__slice_of("<html>")));
  ck_assert(!ls__registry_read(&answer, reader, ls__slice_of("")));
  ck_assert(!ls__registry_read(&answer, reader, ls__slice_of("{\"id\":\"x\"}")));
  ck_assert(ls__registry_read(&answer, reader, ls__slice_of("{\"id\":7}")));
  ck_assert_int_eq(answer.id, 7);
  ls__registry_reader_free(reader);
}
END_TEST

START_TEST(wrong_addresses_are_refused_without_showing_them) {
  static const char *const urls[] = {"http://u:geheim@host", "geheim", "ftp://geheim", "http://", "http:///geheim",
                                     "http://host/?geheim=1"};
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    ls_schema_registry *registry;
    ls_error err = LS_ERROR_INIT;
    ls_schema_registry_opts opts = {.url = urls[i], .timeout_us = 1000000};
    ck_assert_int_eq(ls__schema_registry_new(&registry, &opts, &err), LS_ECONFIG);
    ck_assert_ptr_null(registry);
    ck_assert_ptr_null(strstr(err.message, "geheim"));
  }
}
END_TEST

START_TEST(nobody_there_is_transient) {
  ls_schema_registry *registry;
  ls_wire_reader *reader;
  ls_error err = LS_ERROR_INIT;
  ls_schema_registry_opts opts = {.url = "http://127.0.0.1:1//", /* no service has that port */
                                  .username = "u",
                                  .password = "geheim",
                                  .timeout_us = 1000000};
  ck_assert_int_eq(ls__schema_registry_new(&registry, &opts, &err), LS_OK);
  ck_assert_int_eq(ls__schema_registry_probe(registry, &err), LS_ERETRY);
  ck_assert_ptr_nonnull(strstr(err.message, "schema registry http://127.0.0.1:1: "));
  ck_assert_ptr_null(strstr(err.message, "geheim"));
  int32_t id;
  ls_wire_fault fault;
  ls_slice payload;
  ls__wire_reader_new(&reader, registry, NULL);
  ck_assert_int_eq(ls__wire_read(reader, (ls_slice){"\0\0\0\0\1{}", 7}, &payload, &id, &fault, &err), LS_ERETRY);
  ck_assert_int_eq(ls__wire_read(reader, ls__slice_of("{}"), &payload, &id, &fault, &err), LS_OK); /* it is not asked */
  ck_assert_int_eq(fault, LS_WIRE_NOT_FRAMED);
  ls__wire_reader_free(reader);
  ls__schema_registry_free(registry);
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(answers_are_read),
      TEST_CASE(wrong_addresses_are_refused_without_showing_them),
      TEST_CASE(nobody_there_is_transient),
  };
  return RUN_TESTS("schema_registry", cases);
}
