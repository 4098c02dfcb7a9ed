/** @file codec_check.c  The schema's constraints: compiled once, tested value by value. */
#include <stdio.h>
#include <string.h>

#include "codec/decoder.h"

/* Parses a bound of the schema; the decoder's fault text tells why it is wrong. */
static int init_bound(ls_decoder *decoder, const ls_field_plan *plan, const char *what, const char *text, ls_value *out,
                      ls_error *err) {
  switch (plan->type->kind) {
  case LS_INT64:
  case LS_FLOAT64:
  case LS_DECIMAL:
  case LS_TIMESTAMP:
  case LS_DATE:
    break;
  default:
    return ls_error_set(err, LS_ECONFIG, "field %s of %s: %s is for numbers, dates and timestamps only",
                        plan->field->name, decoder->schema->name, what);
  }
  if (ls__scalar_text(decoder, plan, plan->type, ls__slice_of(text), out) == LS_OK) return LS_OK;
  return ls_error_set(err, LS_ECONFIG, "field %s of %s: %s '%s' is not a value of the field's type", plan->field->name,
                      decoder->schema->name, what, text);
}

static void init_quoted(ls_field_plan *plan) {
  size_t len = plan->name.len + 2;
  ls_buf quoted = LS_BUF_INIT;
  ls__buf_json_string(&quoted, plan->name);
  if (len <= LS_KEY_PADDED && quoted.len == len) { /* longer or escaped names take the slow way */
    memcpy(plan->quoted, quoted.ptr, len);
    plan->quoted_len = len;
    plan->quoted_mask = len == 32 ? UINT32_MAX : (UINT32_C(1) << len) - 1;
  }
  ls__buf_fini(&quoted);
}

static int init_constraints(ls_decoder *decoder, ls_field_plan *plan, ls_error *err) {
  const ls_field *field = plan->field;
  bool is_string = plan->type->kind == LS_STRING;
  if ((field->n_one_of || field->pattern) && !is_string) {
    return ls_error_set(err, LS_ECONFIG, "field %s of %s: one_of and pattern are for strings only", field->name,
                        decoder->schema->name);
  }
  if (field->n_one_of) {
    plan->one_of = LS_ARENA_ARRAY(&decoder->arena, ls_slice, field->n_one_of);
    for (uint32_t i = 0; i < field->n_one_of; i++) plan->one_of[i] = ls__slice_of(field->one_of[i]);
  }
  if (field->pattern) LS_TRY(ls__value_pattern_new(&plan->pattern, field->pattern, err));
  plan->has_min = field->min != NULL;
  plan->has_max = field->max != NULL;
  if (field->min) LS_TRY(init_bound(decoder, plan, "min", field->min, &plan->min, err));
  if (field->max) LS_TRY(init_bound(decoder, plan, "max", field->max, &plan->max, err));
  plan->constrained = plan->one_of || plan->pattern || plan->has_min || plan->has_max;
  return LS_OK;
}

int ls__plan_init(ls_decoder *decoder, uint32_t i, const uint64_t *wanted, ls_error *err) {
  const ls_schema *schema = decoder->schema;
  ls_field_plan *plan = &decoder->plans[i];
  plan->field = &schema->fields[i];
  plan->type = plan->field->type;
  plan->name = ls__slice_of(plan->field->name);
  plan->sensitive = plan->field->sensitive;
  plan->wanted = !wanted || LS_BIT_GET(wanted, i);
  for (uint32_t k = 0; k < schema->n_key; k++) plan->key |= schema->key[k] == i;
  plan->required = plan->key || !plan->field->nullable;
  init_quoted(plan);
  return init_constraints(decoder, plan, err);
}

void ls__plan_fini(ls_field_plan *plan) {
  ls__value_pattern_free(plan->pattern);
}

static int check_one_of(ls_decoder *decoder, const ls_field_plan *plan, ls_slice value) {
  uint32_t n = plan->field->n_one_of;
  for (uint32_t i = 0; i < n; i++) {
    const ls_slice *allowed = &plan->one_of[i];
    if (allowed->len == value.len && memcmp(allowed->ptr, value.ptr, value.len) == 0) return LS_OK;
  }
  char list[200];
  size_t len = 0;
  for (uint32_t i = 0; i < n && len < sizeof list; i++) {
    int more = snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "", plan->field->one_of[i]);
    len += (size_t)more;
  }
  return ls__bad_value(decoder, "not_allowed", plan, value, "is not one of %s%s", list,
                       len >= sizeof list ? "..." : "");
}

/* <0, 0, >0 for ordered types. */
static int compare(const ls_type *type, const ls_value *a, const ls_value *b) {
  switch (type->kind) {
  case LS_INT64:
  case LS_TIMESTAMP:
    return (a->as.i64 > b->as.i64) - (a->as.i64 < b->as.i64);
  case LS_DATE:
    return (a->as.i32 > b->as.i32) - (a->as.i32 < b->as.i32);
  case LS_FLOAT64:
    return (a->as.f64 > b->as.f64) - (a->as.f64 < b->as.f64);
  default: {
    ls_int128 x = ls__i128_get(a->as.decimal), y = ls__i128_get(b->as.decimal);
    return (x > y) - (x < y);
  }
  }
}

int ls__plan_check(ls_decoder *decoder, const ls_field_plan *plan, const ls_value *value) {
  const ls_field *field = plan->field;
  if (plan->one_of && check_one_of(decoder, plan, value->as.slice) < 0) return LS_EDATA;
  if (plan->pattern && !ls__value_pattern_matches(plan->pattern, value->as.slice)) {
    return ls__bad_value(decoder, "not_allowed", plan, value->as.slice, "does not match the pattern %s",
                         field->pattern);
  }
  bool nan = plan->type->kind == LS_FLOAT64 && value->as.f64 != value->as.f64; /* typed batches may hold one */
  if (plan->has_min && (nan || compare(plan->type, value, &plan->min) < 0)) {
    return ls__bad_set(decoder, "out_of_range", plan, "the value is below the minimum %s", field->min);
  }
  if (plan->has_max && (nan || compare(plan->type, value, &plan->max) > 0)) {
    return ls__bad_set(decoder, "out_of_range", plan, "the value is above the maximum %s", field->max);
  }
  return LS_OK;
}

int ls__record_check(ls_decoder *decoder) {
  for (uint32_t i = 0; i < decoder->n_fields; i++) {
    const ls_field_plan *plan = &decoder->plans[i];
    const ls_value *value = &decoder->values[i];
    if (!plan->required) continue;
    if (value->state != LS_VALUE_SET) {
      return ls__bad_set(decoder, "missing_field", plan, "%s, but a value is required",
                         value->state == LS_VALUE_NULL ? "it is null" : "it is missing");
    }
    if (plan->key && value->as.slice.len == 0 && (plan->type->kind == LS_STRING || plan->type->kind == LS_BYTES)) {
      return ls__bad_set(decoder, "missing_field", plan, "it is empty, but it is part of the key");
    }
  }
  return LS_OK;
}

/* -- typed batches ----------------------------------------------------------------------------- */

static void load_value(ls_value *out, const ls_column *column, int64_t row) {
  out->state = ls__is_null(column, row) ? LS_VALUE_NULL : LS_VALUE_SET;
  if (out->state == LS_VALUE_NULL) return;
  switch (column->type->kind) {
  case LS_INT64:
  case LS_TIMESTAMP:
    out->as.i64 = ls__column_i64(column)[row];
    break;
  case LS_FLOAT64:
    out->as.f64 = ls__column_f64(column)[row];
    break;
  case LS_DATE:
    out->as.i32 = ls__column_i32(column)[row];
    break;
  case LS_DECIMAL:
    out->as.decimal = ls__column_i128(column)[row];
    break;
  case LS_STRING:
  case LS_BYTES:
    out->as.slice = ls__column_slice(column, row);
    break;
  default:
    break; /* presence is all that is checked */
  }
}

/* One field of a row. A column that nobody wants was not read: it says nothing about the row. */
static int check_field(const ls_batch *batch, ls_decoder *decoder, uint32_t field, int64_t row) {
  const ls_field_plan *plan = &decoder->plans[field];
  ls_value *value = &decoder->values[field];
  if (!plan->wanted) return LS_OK;
  load_value(value, &batch->columns[field], row);
  bool is_text = plan->type->kind == LS_STRING || plan->type->kind == LS_BYTES;
  if (value->state != LS_VALUE_SET) {
    if (!plan->required) return LS_OK;
    return ls__bad_set(decoder, "missing_field", plan, "it is null, but a value is required");
  }
  if (plan->required && plan->key && is_text && value->as.slice.len == 0) {
    return ls__bad_set(decoder, "missing_field", plan, "it is empty, but it is part of the key");
  }
  if (plan->type->kind == LS_STRING && !ls__utf8_valid(value->as.slice)) {
    return ls__bad_set(decoder, "bad_utf8", plan, "the text is not UTF-8");
  }
  return plan->constrained ? ls__plan_check(decoder, plan, value) : LS_OK;
}

static int check_row(const ls_batch *batch, ls_decoder *decoder, int64_t row) {
  for (uint32_t i = 0; i < decoder->n_fields; i++) LS_TRY(check_field(batch, decoder, i, row));
  return LS_OK;
}

/* Whether a look at the column as a whole shows that no row can be bad by it. */
static bool column_clean(const ls_field_plan *plan, const ls_column *column, int64_t n_rows) {
  if (!plan->wanted) return true;
  if (plan->constrained) return false;
  for (int64_t row = 0; plan->required && column->validity && row < n_rows; row++) {
    if (ls__is_null(column, row)) return false;
  }
  if (plan->type->kind != LS_STRING && plan->type->kind != LS_BYTES) return true;
  const char *bytes = column->values;
  int32_t from = column->offsets[0], to = column->offsets[n_rows];
  for (int32_t at = from; at < to; at++) {
    if (bytes[at] & 0x80) return false;
  }
  for (int64_t row = 0; plan->key && row < n_rows; row++) {
    if (column->offsets[row] == column->offsets[row + 1]) return false;
  }
  return true;
}

static bool batch_clean(const ls_batch *batch, const ls_decoder *decoder) {
  for (uint32_t i = 0; i < decoder->n_fields && batch->n_rows > 0; i++) {
    if (!column_clean(&decoder->plans[i], &batch->columns[i], batch->n_rows)) return false;
  }
  return true;
}

static int report_fault(ls_decoder *decoder, const ls_value_fault *fault) {
  static const struct {
    const char *reason, *text;
  } texts[] = {{"too_many_decimals", "the value has more decimals than"},
               {"too_many_digits", "the value has more digits than"},
               {"bad_timestamp", "the value is no whole number of microseconds in the years 1 to 9999, as in"},
               {"bad_date", "the value is no whole day in the years 1 to 9999, as in"},
               {"bad_utf8", "the text is not UTF-8, as in"}};
  const ls_field_plan *plan = &decoder->plans[fault->field];
  const char *text = "the value does not fit";
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    if (strcmp(texts[i].reason, fault->reason) == 0) text = texts[i].text;
  }
  ls_buf type = LS_BUF_INIT;
  ls__type_format(&type, plan->type);
  int rc = ls__bad_set(decoder, fault->reason, plan, "%s %s", text, type.ptr);
  ls__buf_fini(&type);
  return rc;
}

/* The columns that were read as JSON but for those that hold no value, masked as the text formats are. */
static void payload_of_row(const ls_batch *batch, ls_decoder *decoder, int64_t row, const ls_value_fault *faults,
                           size_t n_faults) {
  ls_buf *out = &decoder->line;
  ls__buf_clear(out);
  for (uint32_t i = 0; i < decoder->n_fields; i++) {
    bool faulty = false;
    for (size_t k = 0; k < n_faults; k++) faulty |= faults[k].field == i;
    if (!decoder->plans[i].wanted || faulty) continue;
    ls__buf_putc(out, out->len ? ',' : '{');
    ls__buf_json_string(out, decoder->plans[i].name);
    ls__buf_putc(out, ':');
    ls__column_format_json(out, &batch->columns[i], row);
  }
  ls__buf_puts(out, out->len ? "}" : "{}");
  ls__json_mask_line(decoder);
}

int ls__check_batch(const ls_batch *batch, ls_decoder *decoder, int64_t first_row, const ls_value_fault *faults,
                    size_t n_faults, ls_bad_record_fn on_bad, void *payload, uint64_t *good_rows, ls_error *err) {
  if (batch->schema->n_fields != decoder->n_fields) {
    return ls_error_set(err, LS_EINVAL, "the batch has %u columns, schema %s has %u", batch->schema->n_fields,
                        decoder->schema->name, decoder->n_fields);
  }
  for (uint32_t i = 0; i < decoder->n_fields; i++) {
    if (batch->columns[i].type->kind != decoder->plans[i].type->kind) {
      return ls_error_set(err, LS_EINVAL, "column %s of the batch is not of the type in schema %s",
                          decoder->plans[i].field->name, decoder->schema->name);
    }
  }
  bool clean = n_faults == 0 && batch_clean(batch, decoder);
  const ls_value_fault *faults_end = faults + n_faults;
  memset(good_rows, clean ? 0xff : 0, (size_t)LS_BIT_WORDS(batch->n_rows) * sizeof *good_rows);
  if (clean) { /* no bit is set past the last row: callers may count them */
    if (batch->n_rows & 63) good_rows[batch->n_rows >> 6] &= (UINT64_C(1) << (batch->n_rows & 63)) - 1;
    return LS_OK;
  }
  for (int64_t row = 0; row < batch->n_rows; row++) {
    const ls_value_fault *first = faults;
    while (faults < faults_end && faults->row == row) faults++;
    int rc = faults > first ? report_fault(decoder, first) : check_row(batch, decoder, row);
    if (rc == LS_OK) {
      LS_BIT_SET(good_rows, row);
      continue;
    }
    payload_of_row(batch, decoder, row, first, (size_t)(faults - first));
    ls__bad_report(decoder, (ls_bad_sink){on_bad, payload}, first_row + row);
  }
  ls__record_reset(decoder);
  return LS_OK;
}
