/**
 * One record as a line. A record is a list of fields with their JSON text; a broken line is the
 * same record with one field replaced or left out, or its finished text damaged, so every kind of
 * break works on every source.
 */
#include "lakegen.h"

#include <string.h>

enum { DOMAIN_STYLE_TXN = 20, DOMAIN_STYLE_SIGNAL = 25, DOMAIN_MERCHANT = 30 };

/* ---- building records ---- */

static lg_text *open_field(lg_record *record, const char *name, lg_field_kind kind, bool required) {
  record->fields[record->n_fields++] =
      (lg_field){.name = name, .kind = kind, .required = required, .at = (uint32_t)record->text.size};
  return &record->text;
}

static void close_field(lg_record *record) {
  lg_field *field = &record->fields[record->n_fields - 1];
  field->size = (uint32_t)record->text.size - field->at;
}

static void add_string(lg_record *record, const char *name, lg_field_kind kind, bool required, const char *value) {
  lg_text *text = open_field(record, name, kind, required);
  lg_puts(text, "\"");
  lg_puts(text, value);
  lg_puts(text, "\"");
  close_field(record);
}

static void add_time(lg_record *record, const char *name, int64_t time_us, lg_rng *rng) {
  lg_text *text = open_field(record, name, LG_FIELD_TIME, true);
  lg_puts(text, "\"");
  lg_put_time(text, time_us, (unsigned)lg_below(rng, 12));
  lg_puts(text, "\"");
  close_field(record);
}

static void put_txn_id(lg_text *text, const lg_world *world, uint64_t index) {
  lg_puts(text, "txn_");
  lg_put_hex(text, lg_mix(index ^ lg_mix(world->options->seed + 77)), 16); /* a bijection: no two alike */
}

static void put_merchant_id(lg_text *text, uint32_t merchant) {
  lg_puts(text, "m_");
  lg_put_u64(text, merchant, 5);
}

static void put_id_pair(lg_record *record, const char *name, const lg_txn *txn, const lg_world *world) {
  lg_text *text = open_field(record, name, LG_FIELD_ID, true);
  lg_puts(text, "\"");
  put_txn_id(text, world, txn->index);
  lg_puts(text, "\"");
  close_field(record);
}

static void record_reset(lg_record *record) {
  record->text.size = 0, record->n_fields = 0;
}

static void add_amount(lg_record *record, int64_t amount_e4, int decimals, lg_rng *rng, lg_planted *planted) {
  lg_text *text = open_field(record, "amount", LG_FIELD_AMOUNT, true);
  bool number = lg_chance(rng, 0.15);
  if (!number) lg_puts(text, "\"");
  lg_put_decimal(text, amount_e4, number && lg_chance(rng, 0.7) ? 0 : lg_chance(rng, 0.03) ? 4 : decimals);
  if (!number) lg_puts(text, "\"");
  planted->count[LG_AMOUNT_NUMBER] += number;
  close_field(record);
}

void lg_record_txn(lg_record *record, const lg_txn *txn, const lg_event *event, const lg_world *world,
                   lg_planted *planted) {
  static const char *const names[] = {"PENDING", "APPROVED", "DECLINED", "REFUNDED"};
  lg_rng rng = lg_rng_of(world->options->seed, DOMAIN_STYLE_TXN + event->status, txn->index);
  record_reset(record);
  put_id_pair(record, "transaction_id", txn, world);
  lg_text *text = open_field(record, "merchant_id", LG_FIELD_ID, true);
  lg_puts(text, "\"");
  put_merchant_id(text, txn->merchant);
  lg_puts(text, "\"");
  close_field(record);
  text = open_field(record, "user_id", LG_FIELD_ID, true);
  lg_puts(text, "\"u_");
  lg_put_u64(text, txn->user, 8);
  lg_puts(text, "\"");
  close_field(record);
  add_amount(record, event->amount_e4, lg_currencies[txn->currency].decimals, &rng, planted);
  add_string(record, "currency", LG_FIELD_CURRENCY, true, lg_currencies[txn->currency].code);
  add_string(record, "status", LG_FIELD_ENUM, true, names[event->status]);
  add_time(record, "timestamp", event->time_us, &rng);
}

static void put_score(lg_text *text, uint64_t score_e6, lg_rng *rng) {
  double u = lg_unit(rng);
  if (u < 0.01) {
    lg_put_u64(text, score_e6, 1);
    lg_puts(text, "e-6");
    return;
  }
  lg_put_u64(text, score_e6 / 1000000, 1);
  uint64_t fraction = score_e6 % 1000000;
  int digits = 6;
  if (u < 0.9)
    while (digits > 0 && fraction % 10 == 0) fraction /= 10, digits--;
  if (digits == 0) return;
  lg_puts(text, ".");
  lg_put_u64(text, fraction, digits);
  if (u > 0.98 && digits == 6 && score_e6 < 1000000) lg_puts(text, "0000000001"); /* as printed from a double */
}

void lg_record_signal(lg_record *record, const lg_txn *txn, int which, const lg_world *world) {
  static const char *const versions[] = {"fraud-2026.02", "fraud-2026.03-rc1", "gbm_v7"};
  const lg_signal *signal = &txn->signals[which];
  lg_rng rng = lg_rng_of(world->options->seed, DOMAIN_STYLE_SIGNAL + (unsigned)which, txn->index);
  record_reset(record);
  lg_text *text = open_field(record, "fraud_signal_id", LG_FIELD_ID, true);
  lg_puts(text, "\"fs_");
  lg_put_hex(text, lg_mix(txn->index * LG_SIGNALS_MAX + (uint64_t)which + lg_mix(world->options->seed + 78)), 16);
  lg_puts(text, "\"");
  close_field(record);
  put_id_pair(record, "transaction_id", txn, world);
  text = open_field(record, "fraud_score", LG_FIELD_SCORE, true);
  put_score(text, signal->score_e6, &rng);
  close_field(record);
  if (signal->version < 36) add_string(record, "model_version", LG_FIELD_STRING, false, versions[signal->version % 3]);
  if (signal->version == 36) {
    lg_puts(open_field(record, "model_version", LG_FIELD_STRING, false), "null");
    close_field(record);
  }
  add_time(record, "inference_time", signal->time_us, &rng);
}

void lg_record_merchant(lg_record *record, const lg_world *world, uint32_t merchant, uint32_t edition) {
  static const char *const names[] = {"Bäckerei Müller & Söhne",
                                      "Café de l\\u2019Étoile",
                                      "Łódzka Księgarnia",
                                      "すし処 さくら",
                                      "Kuwait Souq سوق المباركية",
                                      "Tom's \\\"Diner\\\"",
                                      "Ωmega Parts",
                                      "Coffee ☕ \\ud83d\\ude80 Labs",
                                      "Northgate Supplies",
                                      "Harbour Books",
                                      "Pixel & Thread",
                                      "Green Valley Market",
                                      "Santé Pharma",
                                      "Nordlys Elektronikk",
                                      "O\\u0027Leary Travel",
                                      "Mercado São João"};
  lg_rng rng = lg_rng_of(world->options->seed, DOMAIN_MERCHANT + edition, merchant);
  record_reset(record);
  lg_text *text = open_field(record, "merchant_id", LG_FIELD_ID, true);
  lg_puts(text, "\"");
  put_merchant_id(text, merchant);
  lg_puts(text, "\"");
  close_field(record);
  text = open_field(record, "merchant_name", LG_FIELD_STRING, false);
  lg_puts(text, "\"");
  lg_puts(text, names[lg_below(&rng, sizeof names / sizeof *names)]);
  lg_puts(text, " ");
  lg_put_u64(text, merchant, 1);
  lg_puts(text, "\"");
  close_field(record);
  double u = lg_unit(&rng);
  add_string(record, "risk_level", LG_FIELD_ENUM, true, u < 0.70 ? "LOW" : u < 0.92 ? "MEDIUM" : "HIGH");
  if (lg_chance(&rng, 0.05)) return; /* no onboarding_date */
  text = open_field(record, "onboarding_date", LG_FIELD_DATE, false);
  lg_puts(text, "\"");
  lg_put_date(text, world->options->first_day - 1 - (int32_t)lg_below(&rng, 3000));
  lg_puts(text, "\"");
  close_field(record);
}

void lg_record_policy(lg_record *record, const char *id, const char *type, const char *rule, bool active) {
  record_reset(record);
  add_string(record, "policy_id", LG_FIELD_ID, true, id);
  add_string(record, "policy_type", LG_FIELD_ENUM, true, type);
  add_string(record, "rule_description", LG_FIELD_STRING, false, rule);
  lg_puts(open_field(record, "active_flag", LG_FIELD_BOOL, true), active ? "true" : "false");
  close_field(record);
}

/* ---- breaking ---- */

static const char *const bad_times[] = {"\"2026-02-30T10:00:00Z\"",
                                        "\"2026-03-01 10:00:00Z\"",
                                        "\"2026-03-01T10:00:00\"",
                                        "\"2026-03-01T25:00:00Z\"",
                                        "\"2026-03-01T10:61:00Z\"",
                                        "\"2026-03-01T12:00:00+02:00\"",
                                        "\"2026-03-01T10:00:00.1234567Z\"",
                                        "\"1772359200\"",
                                        "\"2026-13-01T10:00:00Z\"",
                                        "\"2026-03-01T10:00:00.Z\"",
                                        "\"\"",
                                        "\"2026-3-1T10:00:00Z\""};
static const char *const bad_dates[] = {"\"2026-02-30\"", "\"01/03/2026\"", "\"2026-3-1\"", "\"20260301\"",
                                        "\"2025-02-29\""};

static const char *pick(lg_rng *rng, const char *const *from, size_t n) {
  return from[lg_below(rng, n)];
}
#define PICK(rng, from) pick(rng, from, sizeof(from) / sizeof *(from))

static const char *wrong_type(lg_field_kind kind, lg_rng *rng) {
  static const char *const not_string[] = {"42", "{}", "[\"a\"]", "true"}, *const not_amount[] = {
                                                                               "true", "[12.5]",
                                                                               "{\"value\":\"12.5\"}"};
  switch (kind) {
  case LG_FIELD_AMOUNT:
    return PICK(rng, not_amount);
  case LG_FIELD_SCORE:
    return "\"0.5\"";
  case LG_FIELD_BOOL:
    return lg_chance(rng, 0.5) ? "\"true\"" : "1";
  default:
    return PICK(rng, not_string);
  }
}

/* The text that breaks a field of this kind in this way; NULL where the break does not apply to
 * it. */
static const char *broken_value(const lg_field *field, lg_break breakage, lg_rng *rng) {
  static const char *const decimals[] = {"\"12.34567\"", "12.34567", "\"0.00001\""};
  static const char *const digits[] = {"\"123456789012345.6789\"", "1234567890123456789", "\"123456789012345\"",
                                       "100000000000000.5"};
  static const char *const currencies[] = {"\"usd\"", "\"US\"", "\"EURO\"", "\"U$D\"", "\"\""};
  static const char *const scores[] = {"1.5", "-0.01", "1.0000001", "85"}, *const enums[] = {"\"SETTLED\"",
                                                                                             "\"approved\"", "\"\"",
                                                                                             "\"LOWEST\""};
  lg_field_kind kind = field->kind;
  switch (breakage) {
  case LG_BREAK_WRONG_TYPE:
    return wrong_type(kind, rng);
  case LG_BREAK_NULL_KEY:
    return field->required ? "null" : NULL;
  case LG_BREAK_MISSING_KEY:
    return field->required ? "" : NULL;
  case LG_BREAK_EMPTY_ID:
    return kind == LG_FIELD_ID ? "\"\"" : NULL;
  case LG_BREAK_BAD_UTF8:
    return kind == LG_FIELD_ID ? "\"x_\xc3\x28\xff\"" : NULL;
  case LG_BREAK_BAD_ENUM:
    return kind == LG_FIELD_ENUM ? PICK(rng, enums) : kind == LG_FIELD_SCORE ? PICK(rng, scores) : NULL;
  case LG_BREAK_BAD_DATE:
    return kind == LG_FIELD_TIME ? PICK(rng, bad_times) : kind == LG_FIELD_DATE ? PICK(rng, bad_dates) : NULL;
  case LG_BREAK_CURRENCY:
    return kind == LG_FIELD_CURRENCY ? PICK(rng, currencies) : NULL;
  case LG_BREAK_DECIMALS:
    return kind == LG_FIELD_AMOUNT ? PICK(rng, decimals) : NULL;
  case LG_BREAK_DIGITS:
    return kind == LG_FIELD_AMOUNT ? PICK(rng, digits) : NULL;
  case LG_BREAK_NEGATIVE:
    return kind == LG_FIELD_AMOUNT ? "\"-12.50\"" : NULL;
  default:
    return NULL;
  }
}

static void put_extra(lg_text *out, lg_rng *rng, const char *colon, const char *comma) {
  static const char *const extras[] = {"\"channel\"%\"web\"", "\"device\"%{\"os\":\"ios\",\"v\":[17,2]}",
                                       "\"note\"%null",
                                       "\"metadata\"%{\"amount\":\"999.99\",\"status\":\"NONE\","
                                       "\"note\":\"a \\\"quoted\\\" } word\"}"};
  const char *extra = PICK(rng, extras), *at = strchr(extra, '%');
  lg_puts(out, comma);
  lg_put(out, extra, (size_t)(at - extra));
  lg_puts(out, colon);
  lg_puts(out, at + 1);
}

static void put_object(lg_text *out, const lg_record *record, lg_rng *rng, int target, const char *value,
                       lg_planted *planted) {
  bool spaced = lg_chance(rng, 0.05), extra = lg_chance(rng, 0.05), first = true;
  int turn = lg_chance(rng, 0.05) ? (int)lg_below(rng, (uint64_t)record->n_fields) : 0;
  const char *colon = spaced ? " : " : ":", *comma = spaced ? ", " : ",";
  lg_puts(out, spaced ? "{ " : "{");
  for (int k = 0; k < record->n_fields; k++) {
    int i = (k + turn) % record->n_fields;
    const lg_field *field = &record->fields[i];
    if (i == target && *value == '\0') continue;
    if (!first) lg_puts(out, comma);
    first = false;
    lg_puts(out, "\"");
    lg_puts(out, field->name);
    lg_puts(out, "\"");
    lg_puts(out, colon);
    if (i == target)
      lg_puts(out, value);
    else
      lg_put(out, record->text.data + field->at, field->size);
  }
  if (extra) put_extra(out, rng, colon, comma);
  planted->count[LG_EXTRA_FIELDS] += extra;
  lg_puts(out, spaced ? " }" : "}");
}

void lg_line_json(lg_text *out, const lg_record *record, lg_rng *rng, lg_break breakage, lg_planted *planted) {
  static const char *const not_json[] = {"ERROR upstream connection reset", "<html><body>502</body></html>",
                                         "{'transaction_id': 'txn_1'}", "\\N"};
  static const char *const not_object[] = {"[]", "42", "\"text\"", "null", "[{\"amount\":\"1.00\"}]"};
  int target = -1;
  const char *value = NULL;
  for (int turn = (int)lg_below(rng, (uint64_t)record->n_fields), k = 0; k < record->n_fields && !value; k++) {
    target = (turn + k) % record->n_fields;
    value = broken_value(&record->fields[target], breakage, rng);
  }
  size_t start = out->size;
  if (breakage == LG_BREAK_NOT_JSON)
    lg_puts(out, PICK(rng, not_json));
  else if (breakage == LG_BREAK_NOT_OBJECT)
    lg_puts(out, PICK(rng, not_object));
  else
    put_object(out, record, rng, value ? target : -1, value ? value : "", planted);
  if (breakage == LG_BREAK_TRUNCATED) out->size = start + 1 + lg_below(rng, out->size - start - 1);
  lg_puts(out, "\n");
  planted->broken[breakage] += breakage != LG_BREAK_NONE;
}

static bool applies(const lg_record *record, lg_break breakage, lg_rng *rng) {
  if (breakage == LG_BREAK_TRUNCATED || breakage == LG_BREAK_NOT_JSON || breakage == LG_BREAK_NOT_OBJECT) return true;
  for (int i = 0; i < record->n_fields; i++)
    if (broken_value(&record->fields[i], breakage, rng)) return true;
  return false;
}

void lg_line_defects(lg_text *out, const lg_record *record, lg_rng *rng, int bad_kind, lg_planted *planted) {
  double u = lg_unit(rng);
  if (u > 0.9997) {
    lg_puts(out, u > 0.99985 ? "\n" : " \t \n");
    planted->count[LG_EMPTY_LINE]++;
  }
  if (u >= (bad_kind == LG_BAD_MERCHANTS || bad_kind == LG_BAD_POLICIES ? 0.02 : 0.001)) return;
  lg_break breakage;
  do breakage = (lg_break)(1 + lg_below(rng, LG_N_BREAKS - 1));
  while (!applies(record, breakage, rng));
  lg_line_json(out, record, rng, breakage, planted);
  planted->count[bad_kind]++;
}

/* ---- CSV ---- */

enum { CSV_COLUMNS = 5 };
static const char *const csv_names[CSV_COLUMNS] = {"statement_id", "transaction_id", "posting_date", "amount_posted",
                                                   "fee_charged"};
static const int csv_usual[CSV_COLUMNS] = {0, 1, 2, 3, 4}, csv_other[CSV_COLUMNS] = {2, 1, 0, 4, 3};

void lg_line_csv_header(lg_text *out, bool reordered, const char *newline) {
  for (int i = 0; i < CSV_COLUMNS; i++) {
    if (i) lg_puts(out, ",");
    lg_puts(out, csv_names[(reordered ? csv_other : csv_usual)[i]]);
  }
  lg_puts(out, newline);
}

lg_break lg_break_csv(lg_rng *rng) {
  static const lg_break kinds[] = {LG_BREAK_CSV_FEW,  LG_BREAK_CSV_MANY, LG_BREAK_CSV_AMOUNT,
                                   LG_BREAK_BAD_DATE, LG_BREAK_EMPTY_ID, LG_BREAK_NULL_KEY,
                                   LG_BREAK_DECIMALS, LG_BREAK_DIGITS,   LG_BREAK_BAD_UTF8};
  return kinds[lg_below(rng, sizeof kinds / sizeof *kinds)];
}

static void put_csv_value(lg_text *out, int column, const lg_txn *txn, const lg_posting *posting,
                          const lg_world *world) {
  uint64_t seed = world->options->seed, row = txn->index * 16 + posting->serial, odd = lg_mix(row + 5) % 500;
  int decimals = lg_currencies[txn->currency].decimals;
  switch (column) {
  case 0:
    lg_puts(out, "st_");
    lg_put_hex(out, lg_mix(row ^ lg_mix(seed + 79)), 16);
    if (odd == 0) lg_puts(out, ",bis");
    if (odd == 1) lg_puts(out, "\"A\"");
    break;
  case 1:
    if (posting->orphan)
      lg_puts(out, "txn_"), lg_put_hex(out, lg_mix(row ^ lg_mix(seed + 80)), 16);
    else
      put_txn_id(out, world, txn->index);
    break;
  case 2:
    lg_put_date(out, posting->posting_day);
    break;
  case 3:
    lg_put_decimal(out, posting->amount_e4, odd < 20 ? 4 : decimals);
    break;
  default:
    if (posting->fee_e4 >= 0) lg_put_decimal(out, posting->fee_e4, decimals);
  }
}

static const char *broken_csv_value(int column, lg_break breakage, lg_rng *rng) {
  static const char *const amounts[] = {"abc", "12,50", "1,234.50", "12.5.0", "$12.50",
                                        "--3", "1e3",   ".",        "12.",    "NaN"};
  static const char *const dates[] = {"2026-02-30", "01.03.2026", "2026-3-1", "20260301", "2026-03-01T00:00:00Z"};
  bool fee = lg_chance(rng, 0.3);
  switch (breakage) {
  case LG_BREAK_EMPTY_ID:
    return column == 0 ? "" : NULL;
  case LG_BREAK_NULL_KEY:
    return column == 3 ? "" : NULL;
  case LG_BREAK_BAD_UTF8:
    return column == 1 ? "txn_\xff\xfe" : NULL;
  case LG_BREAK_BAD_DATE:
    return column == 2 ? PICK(rng, dates) : NULL;
  case LG_BREAK_CSV_AMOUNT:
    return column == (fee ? 4 : 3) ? PICK(rng, amounts) : NULL;
  case LG_BREAK_DECIMALS:
    return column == 3 ? "12.34567" : NULL;
  case LG_BREAK_DIGITS:
    return column == 3 ? "123456789012345.6789" : NULL;
  default:
    return NULL;
  }
}

static void put_csv_field(lg_text *out, const char *value, size_t size, bool quoted) {
  quoted = quoted || memchr(value, ',', size) || memchr(value, '"', size);
  if (!quoted) {
    lg_put(out, value, size);
    return;
  }
  lg_puts(out, "\"");
  for (size_t i = 0; i < size; i++)
    lg_put(out, "\"\"", value[i] == '"' ? 2 : 0), lg_put(out, value + i, value[i] != '"');
  lg_puts(out, "\"");
}

void lg_line_csv(lg_text *out, const lg_txn *txn, const lg_posting *posting, const lg_world *world, bool reordered,
                 const char *newline, lg_rng *rng, lg_break breakage, lg_planted *planted) {
  lg_text value = {0};
  lg_rng choice = *rng;
  int n_columns = breakage == LG_BREAK_CSV_FEW ? 1 + (int)lg_below(rng, CSV_COLUMNS - 1) : CSV_COLUMNS;
  for (int i = 0; i < n_columns; i++) {
    int column = (reordered ? csv_other : csv_usual)[i];
    lg_rng same = choice; /* every column must see the same draw */
    const char *broken = broken_csv_value(column, breakage, &same);
    bool quoted = lg_chance(rng, 0.04);
    value.size = 0;
    if (broken)
      lg_puts(&value, broken);
    else
      put_csv_value(&value, column, txn, posting, world);
    if (i) lg_puts(out, ",");
    bool open_quote = breakage == LG_BREAK_CSV_QUOTE && i == n_columns - 1;
    if (open_quote)
      lg_puts(out, "\""), lg_put(out, value.data, value.size);
    else
      put_csv_field(out, value.data ? value.data : "", value.size, quoted);
    planted->count[LG_CSV_QUOTED] += quoted;
  }
  if (breakage == LG_BREAK_CSV_MANY) lg_puts(out, ",surplus");
  lg_puts(out, newline);
  planted->broken[breakage] += breakage != LG_BREAK_NONE;
  lg_text_free(&value);
}
