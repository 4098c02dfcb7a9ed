/**
 * lakegen: a deterministic, realistic payments lake with planted defects.
 *
 * A transaction is a pure function of (seed, transaction number), so a file can be written by any
 * thread without talking to the others, and the lake does not depend on the number of threads.
 *
 *   main.c       options, and the order of work
 *   world.c      merchants, users, currencies: what all transactions share
 *   txn.c        one transaction's life: events, signals, bank postings
 *   line.c       one record as a JSON or CSV line, whole or broken
 *   jobs.c       one job per output file, run by a pool of threads
 *   reference_data.c  merchants and policies
 *   text.c       growing text, numbers, dates
 *   outfile.c    plain, gzip and zstd files
 *   planted.c    counts of what was planted, and _lakegen.json
 */
#ifndef LAKEGEN_H
#define LAKEGEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LG_DAY_US    INT64_C(86400000000)
#define LG_MINUTE_US INT64_C(60000000)

enum {
  LG_EVENTS_MAX = 8, /* of one transaction, repeats included */
  LG_SIGNALS_MAX = 4,
  LG_POSTINGS_MAX = 8,
  LG_SPREAD_DAYS = 4, /* a transaction's records fall on its first day and at most this many days after */
  LG_ID_SIZE = 40,
};

/* ---- options ---- */

typedef enum lg_format { LG_FORMAT_JSONL, LG_FORMAT_GZ, LG_FORMAT_ZST, LG_FORMAT_MIXED } lg_format;

typedef struct lg_options {
  const char *lake;
  uint64_t n_transactions, seed;
  uint32_t n_days, n_threads;
  int32_t first_day; /* days since 1970-01-01 */
  bool defects;
  lg_format format;
} lg_options;

/* ---- what was planted: name in _lakegen.json, one row per kind ---- */

/* clang-format off */
#define LG_PLANTED(X) \
  X(TXN_EVENTS, "transaction_events") \
  X(SIGNALS, "fraud_signals") \
  X(STATEMENTS, "statement_rows") \
  X(MERCHANTS, "merchant_rows") \
  X(POLICIES, "policy_rows") \
  X(DUPLICATE, "duplicate_events") \
  X(EQUAL_TIME, "equal_timestamp_events") \
  X(NEXT_DAY, "records_in_next_day_files") \
  X(SHUFFLED, "records_delayed_in_file") \
  X(UNKNOWN_MERCHANT, "unknown_merchant_events") \
  X(REFUND, "refund_events") \
  X(ABOVE_LIMIT, "amounts_above_limit") \
  X(AT_LIMIT, "amounts_at_limit") \
  X(AMOUNT_NUMBER, "amounts_as_json_numbers") \
  X(EXTRA_FIELDS, "lines_with_extra_fields") \
  X(NO_SIGNAL, "transactions_without_signal") \
  X(SIGNAL_BEFORE, "signals_before_first_event") \
  X(SIGNAL_OUTSIDE, "signals_outside_window") \
  X(SIGNAL_AT_BOUND, "signals_at_window_bound") \
  X(SIGNAL_PAST_BOUND, "signals_one_microsecond_past_bound") \
  X(SIGNAL_ORPHAN, "signals_of_unknown_transactions") \
  X(MISSING_STATEMENT, "statements_missing") \
  X(SPLIT, "split_postings") \
  X(PARTIAL, "partial_postings") \
  X(DOUBLED, "doubled_postings") \
  X(REVERSED, "reversed_postings") \
  X(ORPHAN, "orphan_postings") \
  X(POSTED_LATER, "posted_on_a_later_day") \
  X(RESENT_SAME, "resent_in_same_file") \
  X(RESENT_NEXT, "resent_next_day") \
  X(RESENT_CHANGED, "resent_with_changes") \
  X(DATE_EARLIER, "posting_date_before_file_date") \
  X(DATE_OUTSIDE, "posting_date_outside_lookback") \
  X(CSV_QUOTED, "csv_quoted_fields") \
  X(CSV_CRLF, "csv_files_crlf") \
  X(CSV_REORDERED, "csv_files_with_other_column_order") \
  X(NO_LAST_NEWLINE, "files_without_last_newline") \
  X(MULTI_MEMBER, "compressed_files_of_two_members") \
  X(EMPTY_LINE, "empty_lines") \
  X(SUPERSEDED, "superseded_reference_rows") \
  X(INACTIVE_POLICY, "inactive_policy_rows") \
  X(BAD_TRANSACTIONS, "bad_transactions") \
  X(BAD_SIGNALS, "bad_fraud_signals") \
  X(BAD_STATEMENTS, "bad_statements") \
  X(BAD_MERCHANTS, "bad_merchants") \
  X(BAD_POLICIES, "bad_policies")
/* clang-format on */

enum {
#define LG_X(kind, name) LG_##kind,
  LG_PLANTED(LG_X)
#undef LG_X
      LG_N_PLANTED
};

/* Kinds of broken line; each count appears in _lakegen.json as broken_<name>. */
/* clang-format off */
#define LG_BREAKS(X) \
  X(TRUNCATED, "truncated_json") \
  X(NOT_JSON, "not_json") \
  X(NOT_OBJECT, "not_an_object") \
  X(BAD_UTF8, "bad_utf8") \
  X(WRONG_TYPE, "wrong_type") \
  X(MISSING_KEY, "missing_key") \
  X(NULL_KEY, "null_key") \
  X(EMPTY_ID, "empty_id") \
  X(BAD_ENUM, "value_outside_its_set") \
  X(BAD_DATE, "bad_date") \
  X(DECIMALS, "amount_with_five_decimals") \
  X(DIGITS, "amount_with_nineteen_digits") \
  X(NEGATIVE, "negative_amount") \
  X(CURRENCY, "bad_currency") \
  X(CSV_FEW, "csv_too_few_columns") \
  X(CSV_MANY, "csv_too_many_columns") \
  X(CSV_AMOUNT, "csv_unparseable_amount") \
  X(CSV_QUOTE, "csv_unterminated_quote")
/* clang-format on */

typedef enum lg_break {
  LG_BREAK_NONE,
#define LG_X(kind, name) LG_BREAK_##kind,
  LG_BREAKS(LG_X)
#undef LG_X
      LG_N_BREAKS
} lg_break;

typedef struct lg_planted {
  uint64_t count[LG_N_PLANTED], broken[LG_N_BREAKS];
} lg_planted;

void lg_planted_add(lg_planted *into, const lg_planted *other);
int lg_planted_write(const lg_planted *planted, const lg_options *options);

/* ---- random numbers: one independent stream per (seed, domain, index) ---- */

typedef struct lg_rng {
  uint64_t state;
} lg_rng;

static inline uint64_t lg_mix(uint64_t x) {
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}
static inline lg_rng lg_rng_of(uint64_t seed, uint64_t domain, uint64_t index) {
  return (lg_rng){lg_mix(lg_mix(seed * UINT64_C(0x9e3779b97f4a7c15) + domain) + index)};
}
static inline uint64_t lg_next(lg_rng *rng) {
  return lg_mix(rng->state += UINT64_C(0x9e3779b97f4a7c15));
}
static inline uint64_t lg_below(lg_rng *rng, uint64_t n) {
  return (uint64_t)(((unsigned __int128)lg_next(rng) * n) >> 64);
}
static inline double lg_unit(lg_rng *rng) {
  return (double)(lg_next(rng) >> 11) * 0x1p-53;
}
static inline bool lg_chance(lg_rng *rng, double p) {
  return lg_unit(rng) < p;
}
double lg_normal(lg_rng *rng);

/* ---- the world ---- */

typedef struct lg_currency {
  char code[4];
  int decimals;
  double weight, factor; /* share of merchants; units of it in one US dollar */
  int64_t limit_e4;      /* regional limit in ten-thousandths, 0 = none */
} lg_currency;

enum { LG_N_CURRENCIES = 6 };
extern const lg_currency lg_currencies[LG_N_CURRENCIES];

typedef struct lg_world {
  const lg_options *options;
  uint32_t n_merchants, n_users;
  double *merchant_cdf; /* zipf */
} lg_world;

int lg_world_init(lg_world *world, const lg_options *options);
void lg_world_fini(lg_world *world);
uint32_t lg_world_merchant(const lg_world *world, lg_rng *rng);
uint32_t lg_world_home_currency(const lg_world *world, uint32_t merchant);

/* ---- one transaction ---- */

typedef enum lg_status { LG_PENDING, LG_APPROVED, LG_DECLINED, LG_REFUNDED } lg_status;

typedef struct lg_event {
  int64_t time_us, arrival_us; /* arrival decides the file and the place in it */
  int64_t amount_e4;
  lg_status status;
  bool duplicate, equal_time, delayed, next_day;
} lg_event;

typedef struct lg_signal {
  int64_t time_us, arrival_us;
  uint64_t score_e6;
  uint32_t version;
  int kind; /* a planted kind, or -1 */
} lg_signal;

typedef struct lg_posting {
  int32_t file_day, posting_day;
  int64_t amount_e4, fee_e4;
  uint32_t serial; /* names the statement row; a re-sent row has the first one's */
  int kinds[3];    /* planted kinds, -1 = none */
  bool orphan, resent;
} lg_posting;

typedef struct lg_txn {
  uint64_t index;
  int64_t first_us;
  uint32_t merchant, user, currency;
  bool unknown_merchant, above_limit, at_limit, missing_statement;
  int64_t amount_e4;
  int n_events, n_signals, n_postings;
  lg_event events[LG_EVENTS_MAX];
  lg_signal signals[LG_SIGNALS_MAX];
  lg_posting postings[LG_POSTINGS_MAX];
} lg_txn;

void lg_txn_life(lg_txn *txn, const lg_world *world, uint64_t index); /* amount and events */
void lg_txn_signals(lg_txn *txn, const lg_world *world);
void lg_txn_postings(lg_txn *txn, const lg_world *world);
uint64_t lg_day_first_txn(const lg_options *options, uint32_t day); /* number of the first one that starts on a day */

/* ---- text ---- */

typedef struct lg_text {
  char *data;
  size_t size, capacity;
} lg_text;

void lg_text_free(lg_text *text);
void lg_put(lg_text *text, const char *bytes, size_t size);
void lg_puts(lg_text *text, const char *string);
void lg_put_u64(lg_text *text, uint64_t value, int width); /* zero-padded to width */
void lg_put_hex(lg_text *text, uint64_t value, int digits);
void lg_put_decimal(lg_text *text, int64_t value_e4, int decimals_min);
void lg_put_date(lg_text *text, int32_t day);
void lg_put_time(lg_text *text, int64_t time_us, unsigned style);
int32_t lg_day_from_civil(int year, int month, int day);

/* ---- lines ---- */

typedef enum lg_field_kind {
  LG_FIELD_STRING,
  LG_FIELD_ID,
  LG_FIELD_ENUM,
  LG_FIELD_TIME,
  LG_FIELD_DATE,
  LG_FIELD_AMOUNT,
  LG_FIELD_CURRENCY,
  LG_FIELD_SCORE,
  LG_FIELD_BOOL,
} lg_field_kind;

typedef struct lg_field {
  const char *name;
  lg_field_kind kind;
  bool required;
  uint32_t at, size; /* the JSON text of the value, in the record's text */
} lg_field;

typedef struct lg_record {
  lg_text text;
  int n_fields;
  lg_field fields[10];
} lg_record;

void lg_record_txn(lg_record *record, const lg_txn *txn, const lg_event *event, const lg_world *world,
                   lg_planted *planted);
void lg_record_signal(lg_record *record, const lg_txn *txn, int which, const lg_world *world);
void lg_record_merchant(lg_record *record, const lg_world *world, uint32_t merchant, uint32_t edition);
void lg_record_policy(lg_record *record, const char *id, const char *type, const char *text, bool active);
/** Appends the record as one JSON line; breakage LG_BREAK_NONE writes it whole. */
void lg_line_json(lg_text *out, const lg_record *record, lg_rng *rng, lg_break breakage, lg_planted *planted);
/** Perhaps appends a broken copy of the record, or an empty line. */
void lg_line_defects(lg_text *out, const lg_record *record, lg_rng *rng, int bad_kind, lg_planted *planted);
void lg_line_csv_header(lg_text *out, bool reordered, const char *newline);
void lg_line_csv(lg_text *out, const lg_txn *txn, const lg_posting *posting, const lg_world *world, bool reordered,
                 const char *newline, lg_rng *rng, lg_break breakage, lg_planted *planted);
lg_break lg_break_csv(lg_rng *rng);

/* ---- files and jobs ---- */

int lg_make_dirs(const char *path);
int lg_file_write(const char *path, const lg_text *text, bool two_members); /* compression by the path's ending */
int lg_jobs_run(const lg_world *world, lg_planted *planted);
int lg_reference_write(const lg_world *world, lg_planted *planted);

#endif
