/** @file test_codec_round_trip.c  Random schemas and rows: what the encoders write, the decoders
 * read back the same. */
#include <string.h>

#include "helper_codec.h"

/* Text with all that needs an escape or quotes in either format, and characters of 2 to 4 bytes. */
static ls_slice random_text(ls_arena *arena, test_rng *rng) {
  static const char *const parts[] = {"a", "Z9", "\"",   "\\",   "\n",       "\r\n",         "\t",
                                      ",", "{",  "]",    "\x01", "\xC3\xA9", "\xE2\x80\xA8", "\xF0\x9F\x98\x80",
                                      " ", "/",  "null", "\x7F", "-1"};
  char *text = ls__arena_alloc(arena, 256);
  size_t len = 0;
  for (uint64_t n = rng_below(rng, rng_below(rng, 8) ? 6 : 40); n > 0; n--) {
    const char *part = parts[rng_below(rng, sizeof parts / sizeof *parts)];
    memcpy(text + len, part, strlen(part));
    len += strlen(part);
    if (rng_below(rng, 50) == 0) text[len++] = '\0';
  }
  return (ls_slice){text, len};
}

static ls_int128 decimal_that_fits(test_rng *rng, const ls_type *type) {
  ls_int128 value = random_decimal(rng);
  return value % ls__pow10[type->precision];
}

/* Like append_random of data, but values that have a text: times of the years 1 to 9999, decimals
 * of their precision. */
static void append_readable(ls_column *column, test_rng *rng, bool may_be_null, ls_arena *arena) {
  if (may_be_null && rng_below(rng, 5) == 0) {
    ls__column_append_null(column);
    return;
  }
  switch (column->type->kind) {
  case LS_TIMESTAMP: {
    int64_t us = (int64_t)rng_below(rng, UINT64_C(315537897600000000)) - INT64_C(62135596800000000);
    ls__column_append_i64(column, rng_below(rng, 2) ? us : us - us % 1000000);
    break;
  }
  case LS_DATE:
    ls__column_append_i32(column, (int32_t)rng_below(rng, 3652059) - 719162);
    break;
  case LS_DECIMAL:
    ls__column_append_decimal(column, decimal_that_fits(rng, column->type));
    break;
  case LS_STRING:
    ls__column_append_slice(column, random_text(arena, rng));
    break;
  case LS_LIST:
    for (uint64_t n = rng_below(rng, 4); n > 0; n--) append_readable(&column->children[0], rng, true, arena);
    ls__column_append_list_end(column);
    break;
  case LS_STRUCT:
    for (uint32_t i = 0; i < column->type->n_fields; i++) append_readable(&column->children[i], rng, true, arena);
    ls__column_append_struct_end(column);
    break;
  default:
    append_random(column, rng, 0);
  }
}

static ls_schema *random_schema(ls_arena *arena, test_rng *rng) {
  static const char *const more[] = {"decimal(18,4)", "decimal(1,0)", "decimal(38,38)", "string", "timestamp"};
  const char *types[12];
  uint32_t n = 2 + (uint32_t)rng_below(rng, 10);
  for (uint32_t i = 0; i < n; i++) {
    types[i] = rng_below(rng, 2) ? all_types[rng_below(rng, N_ALL_TYPES)] : more[rng_below(rng, 5)];
  }
  ls_schema *schema = schema_of(arena, types, n);
  for (uint32_t i = 0; i < n; i++) schema->fields[i].nullable = rng_below(rng, 2);
  return schema;
}

static void on_bad(void *payload, const ls_bad_record *bad) {
  ck_abort_msg("seed %llu: %s: %.*s", (unsigned long long)((test_rng *)payload)->seed, bad->error,
               (int)bad->payload.len, bad->payload.len ? bad->payload.ptr : "");
}

static ls_batch *read_back(const ls_batch *batch, ls_format format, test_rng *rng, ls_arena *arena) {
  ls_decoder *decoder;
  ls_decoder_opts opts = {.format = format};
  ls_error err = LS_ERROR_INIT;
  ck_assert_msg(ls__decoder_new(&decoder, batch->schema, &opts, &err) == LS_OK, "%s", err.message);
  ls_buf text = LS_BUF_INIT;
  if (format == LS_FORMAT_CSV) ls__encode_csv_header(&text, batch->schema);
  size_t header = text.len;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    if (format == LS_FORMAT_CSV) {
      ls__encode_csv(&text, batch, row);
    } else {
      ls__encode_json(&text, batch, row);
      ls__buf_putc(&text, '\n');
    }
  }
  size_t len = text.len;
  ls__buf_reserve(&text, LS_JSON_PADDING);
  ls_batch *back = ls__batch_new(batch->schema, arena, 0);
  int64_t *lines = LS_ARENA_ARRAY(arena, int64_t, len + 1), n_lines = 0;
  ls_slice block = {text.ptr + header, len - header};
  if (format == LS_FORMAT_CSV) {
    ck_assert_int_eq(ls__decoder_csv_header(decoder, (ls_slice){text.ptr, header}, &err), LS_OK);
    ck_assert_uint_eq(ls__csv_block_end(block, false, &n_lines), block.len);
    ck_assert_int_eq(ls__decode_csv(back, lines, decoder, block, 2, on_bad, rng, &err), LS_OK);
  } else {
    ck_assert_int_eq(ls__decode_json_lines(back, lines, decoder, block, 1, on_bad, rng, &err), LS_OK);
  }
  ls__decoder_free(decoder);
  ls__buf_fini(&text);
  return back;
}

static void check_format(ls_format format) {
  test_rng rng = rng_new();
  for (int round = 0; round < 150; round++) {
    ls_arena arena;
    ls__arena_init(&arena, 0);
    ls_schema *schema = random_schema(&arena, &rng);
    ls_batch *batch = ls__batch_new(schema, &arena, 0);
    for (uint64_t n = rng_below(&rng, 30); n > 0; n--) {
      for (uint32_t i = 0; i < schema->n_fields; i++) {
        append_readable(&batch->columns[i], &rng, schema->fields[i].nullable, &arena);
      }
      batch->n_rows++;
    }
    ls_batch *back = read_back(batch, format, &rng, &arena);
    ck_assert_int_eq(back->n_rows, batch->n_rows);
    for (uint32_t i = 0; i < schema->n_fields; i++) {
      for (int64_t row = 0; row < batch->n_rows; row++) {
        ck_assert_msg(ls__column_value_eq(&batch->columns[i], row, &back->columns[i], row),
                      "seed %llu, round %d, field %u, row %lld", (unsigned long long)rng.seed, round, i,
                      (long long)row);
      }
    }
    ls__arena_fini(&arena);
  }
}

START_TEST(json_reads_back_what_it_wrote) {
  check_format(LS_FORMAT_JSON);
}
END_TEST
START_TEST(csv_reads_back_what_it_wrote) {
  check_format(LS_FORMAT_CSV);
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(json_reads_back_what_it_wrote), TEST_CASE(csv_reads_back_what_it_wrote)};
  return RUN_TESTS("codec_round_trip", cases);
}
