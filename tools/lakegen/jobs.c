/**
 * One job writes one file. A job makes anew each transaction of its shard whose records may fall on
 * its day, keeps the records that arrive that day, sorts them by arrival and writes them; jobs share
 * nothing but the world.
 */
#include "lakegen.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOMAIN_DEFECTS = 40, DOMAIN_POSTING_STYLE = 50 };
typedef enum job_kind { JOB_TRANSACTIONS, JOB_SIGNALS, JOB_STATEMENTS } job_kind;

typedef struct job {
  job_kind kind;
  uint32_t day, shard, n_shards;
} job;

typedef struct entry {
  int64_t arrival;
  uint64_t sequence;
  size_t at, size;
} entry;

/* What a job fills: lines in the order they were made, and where each belongs. */
typedef struct sheet {
  const lg_world *world;
  const job *job;
  lg_text lines;
  lg_record record;
  entry *entries;
  size_t n_entries, capacity;
  lg_planted planted;
} sheet;

static void sheet_add(sheet *sheet, int64_t arrival, size_t start) {
  if (sheet->n_entries == sheet->capacity) {
    sheet->capacity = sheet->capacity ? sheet->capacity * 2 : 1024;
    sheet->entries = realloc(sheet->entries, sheet->capacity * sizeof *sheet->entries);
    if (!sheet->entries) {
      fprintf(stderr, "lakegen: out of memory\n");
      exit(70);
    }
  }
  sheet->entries[sheet->n_entries] =
      (entry){.arrival = arrival, .sequence = sheet->n_entries, .at = start, .size = sheet->lines.size - start};
  sheet->n_entries++;
}

static int32_t sheet_day(const sheet *sheet) {
  return sheet->world->options->first_day + (int32_t)sheet->job->day;
}

static bool happened(const sheet *sheet, int64_t time_us) { /* not after the last day of the lake */
  const lg_options *options = sheet->world->options;
  return time_us < (options->first_day + (int64_t)options->n_days) * LG_DAY_US;
}

static bool arrives(const sheet *sheet, int64_t time_us, int64_t arrival_us) {
  int64_t last = sheet->world->options->first_day;
  int64_t day =
      arrival_us / LG_DAY_US < last ? last : arrival_us / LG_DAY_US; /* a score just before the first midnight */
  return happened(sheet, time_us) && day == sheet_day(sheet);
}

/* ---- the three sources ---- */

static void count_if(sheet *sheet, bool condition, int kind) {
  sheet->planted.count[kind] += condition;
}

static void write_record(sheet *sheet, int64_t arrival, lg_rng *style, int bad_kind) {
  size_t start = sheet->lines.size;
  lg_line_json(&sheet->lines, &sheet->record, style, LG_BREAK_NONE, &sheet->planted);
  if (sheet->world->options->defects) {
    lg_rng rng = lg_rng_of(sheet->world->options->seed, DOMAIN_DEFECTS + sheet->job->kind,
                           lg_mix((uint64_t)arrival) ^ style->state);
    lg_line_defects(&sheet->lines, &sheet->record, &rng, bad_kind, &sheet->planted);
  }
  sheet_add(sheet, arrival, start);
}

static void write_events(sheet *sheet, lg_txn *txn) {
  for (int i = 0; i < txn->n_events; i++) {
    const lg_event *event = &txn->events[i];
    if (!arrives(sheet, event->time_us, event->arrival_us)) continue;
    count_if(sheet, true, LG_TXN_EVENTS);
    count_if(sheet, event->duplicate, LG_DUPLICATE);
    count_if(sheet, event->equal_time, LG_EQUAL_TIME);
    count_if(sheet, event->delayed, LG_SHUFFLED);
    count_if(sheet, event->next_day, LG_NEXT_DAY);
    count_if(sheet, event->status == LG_REFUNDED, LG_REFUND);
    count_if(sheet, txn->unknown_merchant, LG_UNKNOWN_MERCHANT);
    count_if(sheet, txn->above_limit, LG_ABOVE_LIMIT);
    count_if(sheet, txn->at_limit, LG_AT_LIMIT);
    lg_rng style = lg_rng_of(sheet->world->options->seed, DOMAIN_DEFECTS + 4 + event->status, txn->index);
    lg_record_txn(&sheet->record, txn, event, sheet->world, &sheet->planted);
    write_record(sheet, event->arrival_us, &style, LG_BAD_TRANSACTIONS);
  }
}

static void write_signals(sheet *sheet, lg_txn *txn) {
  uint64_t index = txn->index, seed = sheet->world->options->seed;
  lg_txn_signals(txn, sheet->world);
  count_if(sheet, txn->n_signals == 0 && txn->first_us / LG_DAY_US == sheet_day(sheet), LG_NO_SIGNAL);
  for (int i = 0; i < txn->n_signals; i++) {
    const lg_signal *signal = &txn->signals[i];
    if (!arrives(sheet, signal->time_us, signal->arrival_us)) continue;
    lg_rng style = lg_rng_of(seed, DOMAIN_DEFECTS + 8 + (unsigned)i, index);
    count_if(sheet, true, LG_SIGNALS);
    if (signal->kind >= 0) count_if(sheet, true, signal->kind);
    lg_record_signal(&sheet->record, txn, i, sheet->world);
    write_record(sheet, signal->arrival_us, &style, LG_BAD_SIGNALS);
    if (!lg_chance(&style, 0.001)) continue;
    txn->index = index ^ (UINT64_C(1) << 60); /* the score of a transaction nobody sent */
    lg_record_signal(&sheet->record, txn, i, sheet->world);
    write_record(sheet, signal->arrival_us, &style, LG_BAD_SIGNALS);
    count_if(sheet, true, LG_SIGNALS);
    count_if(sheet, true, LG_SIGNAL_ORPHAN);
    txn->index = index;
  }
}

static bool other_columns(const job *job) {
  return job->n_shards > 1 && job->shard == 1;
}

static const char *newline_of(const sheet *sheet) {
  return sheet->world->options->defects && other_columns(sheet->job) && sheet->job->day % 2 == 0 ? "\r\n" : "\n";
}

static void write_postings(sheet *sheet, lg_txn *txn) {
  bool other = other_columns(sheet->job), defects = sheet->world->options->defects;
  lg_txn_postings(txn, sheet->world);
  count_if(sheet, txn->missing_statement && txn->first_us / LG_DAY_US == sheet_day(sheet), LG_MISSING_STATEMENT);
  for (int i = 0; i < txn->n_postings; i++) {
    const lg_posting *posting = &txn->postings[i];
    if (posting->file_day != sheet_day(sheet)) continue;
    size_t start = sheet->lines.size;
    lg_rng rng = lg_rng_of(sheet->world->options->seed, DOMAIN_POSTING_STYLE + (unsigned)i, txn->index);
    lg_line_csv(&sheet->lines, txn, posting, sheet->world, other, newline_of(sheet), &rng, LG_BREAK_NONE,
                &sheet->planted);
    count_if(sheet, true, LG_STATEMENTS);
    for (int k = 0; k < 3; k++)
      if (posting->kinds[k] >= 0) count_if(sheet, true, posting->kinds[k]);
    if (defects && lg_chance(&rng, 0.001)) {
      lg_break breakage = lg_break_csv(&rng);
      lg_line_csv(&sheet->lines, txn, posting, sheet->world, other, newline_of(sheet), &rng, breakage, &sheet->planted);
      count_if(sheet, true, LG_BAD_STATEMENTS);
    }
    if (defects && lg_chance(&rng, 0.0003))
      lg_puts(&sheet->lines, newline_of(sheet)), count_if(sheet, true, LG_EMPTY_LINE);
    int64_t place = (int64_t)(txn->index * 8 + (uint64_t)i);
    sheet_add(sheet, posting->resent ? place + (int64_t)lg_below(&rng, 4000) : place, start);
  }
}

/* ---- one file ---- */

static void fill(sheet *sheet) {
  const lg_options *options = sheet->world->options;
  const job *job = sheet->job;
  uint32_t from_day = job->day > LG_SPREAD_DAYS ? job->day - LG_SPREAD_DAYS : 0;
  uint64_t from = lg_day_first_txn(options, from_day), to = lg_day_first_txn(options, job->day + 1);
  if (job->day + 1 < options->n_days &&
      job->kind == JOB_SIGNALS) /* scores of just after midnight's first transactions */
    to = lg_day_first_txn(options, job->day + 2);
  lg_txn txn;
  for (uint64_t i = from + (job->n_shards + job->shard - from % job->n_shards) % job->n_shards; i < to;
       i += job->n_shards) {
    lg_txn_life(&txn, sheet->world, i);
    if (job->kind == JOB_TRANSACTIONS)
      write_events(sheet, &txn);
    else if (job->kind == JOB_SIGNALS)
      write_signals(sheet, &txn);
    else
      write_postings(sheet, &txn);
  }
}

static int entry_compare(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->arrival != y->arrival) return x->arrival < y->arrival ? -1 : 1;
  return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static void put_unterminated(sheet *sheet, lg_text *out) {
  lg_txn txn;
  uint64_t index = lg_day_first_txn(sheet->world->options, sheet->job->day);
  lg_posting posting = {.posting_day = sheet_day(sheet), .amount_e4 = 125000, .fee_e4 = 5000, .serial = 15};
  lg_rng rng = lg_rng_of(sheet->world->options->seed, DOMAIN_POSTING_STYLE + 20, index);
  lg_txn_life(&txn, sheet->world, index);
  lg_line_csv(out, &txn, &posting, sheet->world, other_columns(sheet->job), "", &rng, LG_BREAK_CSV_QUOTE,
              &sheet->planted);
  count_if(sheet, true, LG_BAD_STATEMENTS);
}

static void arrange(sheet *sheet, lg_text *out) {
  const job *job = sheet->job;
  bool defects = sheet->world->options->defects, csv = job->kind == JOB_STATEMENTS;
  if (csv) lg_line_csv_header(out, other_columns(job), newline_of(sheet));
  count_if(sheet, csv && other_columns(job), LG_CSV_REORDERED);
  count_if(sheet, csv && newline_of(sheet)[0] == '\r', LG_CSV_CRLF);
  if (sheet->n_entries > 0) qsort(sheet->entries, sheet->n_entries, sizeof *sheet->entries, entry_compare);
  for (size_t i = 0; i < sheet->n_entries; i++)
    lg_put(out, sheet->lines.data + sheet->entries[i].at, sheet->entries[i].size);
  if (defects && csv && job->shard == 0 && job->day % 2 == 0) {
    put_unterminated(sheet, out);
  } else if (defects && !csv && job->shard == 1 && out->size > 0) {
    out->size--; /* the last line has no newline */
    count_if(sheet, true, LG_NO_LAST_NEWLINE);
  }
}

static const char *ending_of(const sheet *sheet) {
  const job *job = sheet->job;
  if (job->kind == JOB_STATEMENTS) return ".csv";
  if (job->kind == JOB_SIGNALS) return ".jsonl";
  switch (sheet->world->options->format) {
  case LG_FORMAT_GZ:
    return ".jsonl.gz";
  case LG_FORMAT_ZST:
    return ".jsonl.zst";
  case LG_FORMAT_MIXED:
    return job->shard + 2 == job->n_shards ? ".jsonl.gz" : job->shard + 1 == job->n_shards ? ".jsonl.zst" : ".jsonl";
  default:
    return ".jsonl";
  }
}

static int write_sheet(sheet *sheet) {
  static const char *const folders[] = {"transactions", "fraud_signals", "statements"};
  char path[4096], folder[4000];
  lg_text date = {0}, out = {0};
  lg_put_date(&date, sheet_day(sheet));
  snprintf(folder, sizeof folder, "%s/raw/%s/dt=%.*s", sheet->world->options->lake, folders[sheet->job->kind],
           (int)date.size, date.data);
  snprintf(path, sizeof path, "%s/part-%05" PRIu32 "%s", folder, sheet->job->shard, ending_of(sheet));
  arrange(sheet, &out);
  bool packed = strlen(ending_of(sheet)) > strlen(".jsonl"), two = packed && sheet->world->options->defects;
  count_if(sheet, two, LG_MULTI_MEMBER);
  int rc = lg_make_dirs(folder);
  if (rc == 0) rc = lg_file_write(path, &out, two);
  lg_text_free(&date);
  lg_text_free(&out);
  return rc;
}

/* ---- the pool ---- */

typedef struct pool {
  const lg_world *world;
  const job *jobs;
  size_t n_jobs;
  atomic_size_t next;
  atomic_bool failed;
  pthread_mutex_t lock; /* guards planted */
  lg_planted *planted;
} pool;

static void *pool_work(void *payload) {
  pool *pool = payload;
  for (size_t i; (i = atomic_fetch_add(&pool->next, 1)) < pool->n_jobs && !atomic_load(&pool->failed);) {
    sheet *sheet = calloc(1, sizeof *sheet);
    if (!sheet) {
      atomic_store(&pool->failed, true);
      break;
    }
    sheet->world = pool->world;
    sheet->job = &pool->jobs[i];
    fill(sheet);
    if (write_sheet(sheet) != 0) atomic_store(&pool->failed, true);
    pthread_mutex_lock(&pool->lock);
    lg_planted_add(pool->planted, &sheet->planted);
    pthread_mutex_unlock(&pool->lock);
    lg_text_free(&sheet->lines);
    lg_text_free(&sheet->record.text);
    free(sheet->entries);
    free(sheet);
  }
  return NULL;
}

static uint32_t shards(uint64_t rows, uint64_t per_file, uint32_t at_least) {
  uint64_t n = (rows + per_file - 1) / per_file;
  return n < at_least ? at_least : n > 512 ? 512 : (uint32_t)n;
}

static job *plan(const lg_options *options, size_t *n_jobs) {
  uint64_t per_day = options->n_transactions / options->n_days + 1;
  uint32_t n_shards[] = {shards(per_day, 60000, 4), shards(per_day, 100000, 2), shards(per_day, 150000, 2)};
  job *jobs = calloc((size_t)options->n_days * (n_shards[0] + n_shards[1] + n_shards[2]), sizeof *jobs);
  *n_jobs = 0;
  for (uint32_t day = 0; jobs && day < options->n_days; day++)
    for (job_kind kind = JOB_TRANSACTIONS; kind <= JOB_STATEMENTS; kind++)
      for (uint32_t shard = 0; shard < n_shards[kind]; shard++)
        jobs[(*n_jobs)++] = (job){.kind = kind, .day = day, .shard = shard, .n_shards = n_shards[kind]};
  return jobs;
}

int lg_jobs_run(const lg_world *world, lg_planted *planted) {
  pool pool = {.world = world, .planted = planted, .lock = PTHREAD_MUTEX_INITIALIZER};
  job *jobs = plan(world->options, &pool.n_jobs);
  pool.jobs = jobs;
  pthread_t threads[256];
  uint32_t n_threads = world->options->n_threads, n_started = 0;
  if (!jobs) return -1;
  while (n_started + 1 < n_threads && pthread_create(&threads[n_started], NULL, pool_work, &pool) == 0) n_started++;
  pool_work(&pool); /* this thread is one of them */
  for (uint32_t i = 0; i < n_started; i++) pthread_join(threads[i], NULL);
  free(jobs);
  return atomic_load(&pool.failed) ? -1 : 0;
}
