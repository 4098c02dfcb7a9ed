/**
 * One transaction's life. Business exceptions (a statement missing, partial, doubled, reversed, a
 * late score) are part of any lake; faults of the data (repeats, disorder, re-sent rows, odd dates)
 * are planted with --defects on only.
 */
#include "lakegen.h"

#include <math.h>

enum { DOMAIN_LIFE = 10, DOMAIN_SIGNALS = 11, DOMAIN_POSTINGS = 12 };

uint64_t lg_day_first_txn(const lg_options *options, uint32_t day) {
  return (uint64_t)((unsigned __int128)options->n_transactions * day / options->n_days);
}

static uint32_t day_of_txn(const lg_options *options, uint64_t index) {
  uint32_t day = (uint32_t)((unsigned __int128)index * options->n_days / options->n_transactions);
  while (day + 1 < options->n_days && lg_day_first_txn(options, day + 1) <= index) day++;
  while (day > 0 && lg_day_first_txn(options, day) > index) day--;
  return day;
}

/* Shops are busy at midday and in the evening; most gateways stamp milliseconds, some
 * microseconds. */
static int64_t time_of_day(lg_rng *rng) {
  double hours = 24.0 * lg_unit(rng);
  if (lg_chance(rng, 0.6)) {
    double peak = lg_chance(rng, 0.5) ? 13.0 + 2.5 * lg_normal(rng) : 19.0 + 1.8 * lg_normal(rng);
    if (peak >= 0 && peak < 24.0) hours = peak;
  }
  int64_t us = (int64_t)(hours * 3.6e9);
  return lg_chance(rng, 0.8) ? us - us % 1000 : us;
}

static int64_t amount_unit_e4(uint32_t currency) {
  static const int64_t units[] = {10000, 1000, 100, 10};
  return units[lg_currencies[currency].decimals];
}

static void choose_amount(lg_txn *txn, lg_rng *rng) {
  const lg_currency *currency = &lg_currencies[txn->currency];
  int64_t unit = amount_unit_e4(txn->currency);
  double value = currency->factor * exp(3.5 + 1.25 * lg_normal(rng)), special = lg_unit(rng);
  txn->amount_e4 = llround(value * 1e4 / (double)unit) * unit;
  if (txn->amount_e4 < unit) txn->amount_e4 = unit;
  if (special < 0.002 && unit == 100)
    txn->amount_e4 += 1 + (int64_t)lg_below(rng, 99); /* a price per litre: four decimals */
  if (special < 0.996 || currency->limit_e4 == 0) return;
  txn->at_limit = special > 0.9995;
  txn->above_limit = !txn->at_limit;
  txn->amount_e4 = currency->limit_e4;
  if (special > 0.9990)
    txn->amount_e4 += txn->at_limit ? 0 : unit;
  else
    txn->amount_e4 += unit * (int64_t)(1 + lg_below(rng, (uint64_t)(currency->limit_e4 / unit)));
}

static lg_event *add_event(lg_txn *txn, lg_status status, int64_t time_us, int64_t amount_e4) {
  lg_event *event = &txn->events[txn->n_events++];
  *event = (lg_event){.time_us = time_us, .arrival_us = time_us, .amount_e4 = amount_e4, .status = status};
  return event;
}

static int64_t seconds_us(lg_rng *rng, double median_s, double sigma) {
  int64_t us = (int64_t)(median_s * 1e6 * exp(sigma * lg_normal(rng)));
  us = lg_chance(rng, 0.8) ? us - us % 1000 : us;
  return us < 1 ? 1 : us > 4 * 3600 * INT64_C(1000000) ? 4 * 3600 * INT64_C(1000000) : us;
}

static void choose_events(lg_txn *txn, const lg_world *world, lg_rng *rng) {
  int64_t now = txn->first_us, amount = txn->amount_e4;
  bool approved = lg_chance(rng, 0.89);
  if (lg_chance(rng, 0.45)) {
    add_event(txn, LG_PENDING, now, amount);
    now += seconds_us(rng, 4.0, 1.4);
    if (world->options->defects && lg_chance(rng, 0.006)) now = txn->first_us;
    if (approved && lg_chance(rng, 0.01)) amount += amount / 10 / 10000 * 10000; /* a tip */
  } else if (lg_chance(rng, 0.05)) {
    add_event(txn, LG_PENDING, now, amount); /* never resolved */
    return;
  }
  lg_event *event = add_event(txn, approved ? LG_APPROVED : LG_DECLINED, now, amount);
  event->equal_time = txn->n_events > 1 && now == txn->first_us;
  if (approved && lg_chance(rng, 0.03)) {
    now += (int64_t)(1 + lg_below(rng, 34 * 3600)) * 1000000;
    add_event(txn, LG_REFUNDED, now, amount);
  }
}

/* A record that is written after its time: later in its file, or in the file of the next day. */
static int64_t arrival_of(const lg_world *world, lg_rng *rng, int64_t time_us, bool *delayed, bool *next_day) {
  const lg_options *options = world->options;
  int64_t last_us = (options->first_day + (int64_t)options->n_days) * LG_DAY_US - 1, arrival = time_us;
  if (time_us > last_us || !options->defects) return arrival;
  double u = lg_unit(rng);
  if (u < 0.03)
    *delayed = true, arrival += (int64_t)lg_below(rng, 4 * LG_MINUTE_US);
  else if (u < 0.033)
    arrival = (time_us / LG_DAY_US + 1) * LG_DAY_US + (int64_t)lg_below(rng, 6 * 60 * LG_MINUTE_US);
  else
    arrival += (int64_t)lg_below(rng, 2000000);
  if (arrival > last_us) arrival = last_us;
  *next_day = arrival / LG_DAY_US != time_us / LG_DAY_US;
  return arrival;
}

static void disturb_events(lg_txn *txn, const lg_world *world, lg_rng *rng) {
  for (int i = 0, n = txn->n_events; i < n; i++) {
    lg_event *event = &txn->events[i];
    if (!lg_chance(rng, 0.01)) continue;
    lg_event *again = add_event(txn, event->status, event->time_us, event->amount_e4);
    again->duplicate = true;
  }
  for (int i = 0; i < txn->n_events; i++) {
    lg_event *event = &txn->events[i];
    event->arrival_us = arrival_of(world, rng, event->time_us, &event->delayed, &event->next_day);
  }
}

void lg_txn_life(lg_txn *txn, const lg_world *world, uint64_t index) {
  const lg_options *options = world->options;
  lg_rng rng = lg_rng_of(options->seed, DOMAIN_LIFE, index);
  *txn = (lg_txn){.index = index};
  txn->first_us = (options->first_day + (int64_t)day_of_txn(options, index)) * LG_DAY_US + time_of_day(&rng);
  txn->merchant = lg_world_merchant(world, &rng);
  double user = lg_unit(&rng);
  txn->user = (uint32_t)(user * user * world->n_users); /* some buy often */
  txn->currency = lg_world_home_currency(world, txn->merchant);
  if (lg_chance(&rng, 0.12)) txn->currency = (uint32_t)lg_below(&rng, LG_N_CURRENCIES);
  if (lg_chance(&rng, 0.004)) {
    txn->unknown_merchant = true;
    txn->merchant = 90000 + (uint32_t)lg_below(&rng, 300);
  }
  choose_amount(txn, &rng);
  choose_events(txn, world, &rng);
  if (options->defects) disturb_events(txn, world, &rng);
}

/* ---- fraud signals ---- */

static uint64_t choose_score_e6(lg_rng *rng) {
  static const uint64_t edges[] = {800000, 799999, 500000, 499999, 700000, 900000, 0, 1000000};
  double u = lg_unit(rng), v = lg_unit(rng);
  if (u < 0.01) return edges[lg_below(rng, sizeof edges / sizeof *edges)];
  if (u < 0.05) return (uint64_t)(700000 + v * 300000);
  if (u < 0.12) return (uint64_t)(350000 + v * 400000) / 100 * 100;
  return (uint64_t)(v * v * v * 450000) / 100 * 100;
}

static void add_signal(lg_txn *txn, lg_rng *rng, int64_t time_us, int kind) {
  txn->signals[txn->n_signals++] = (lg_signal){.time_us = time_us,
                                               .arrival_us = time_us,
                                               .score_e6 = choose_score_e6(rng),
                                               .version = (uint32_t)lg_below(rng, 40),
                                               .kind = kind};
}

static void add_odd_signal(lg_txn *txn, lg_rng *rng) {
  int64_t window = 10 * LG_MINUTE_US, side = lg_chance(rng, 0.3) ? -1 : 1;
  double u = lg_unit(rng);
  if (u < 0.25)
    add_signal(txn, rng, txn->first_us + side * window, LG_SIGNAL_AT_BOUND);
  else if (u < 0.5)
    add_signal(txn, rng, txn->first_us + side * (window + 1), LG_SIGNAL_PAST_BOUND);
  else if (u < 0.75)
    add_signal(txn, rng, txn->first_us + window + 2 + (int64_t)lg_below(rng, LG_MINUTE_US), LG_SIGNAL_OUTSIDE);
  else
    add_signal(txn, rng, txn->first_us + (int64_t)(11 + lg_below(rng, 600)) * LG_MINUTE_US, LG_SIGNAL_OUTSIDE);
}

void lg_txn_signals(lg_txn *txn, const lg_world *world) {
  lg_rng rng = lg_rng_of(world->options->seed, DOMAIN_SIGNALS, txn->index);
  if (lg_chance(&rng, 0.9)) {
    add_signal(txn, &rng, txn->first_us + seconds_us(&rng, 1.5, 1.3), -1);
    if (lg_chance(&rng, 0.05)) add_signal(txn, &rng, txn->first_us + seconds_us(&rng, 60, 0.8), -1);
    if (lg_chance(&rng, 0.03)) add_signal(txn, &rng, txn->first_us - seconds_us(&rng, 3, 1.0), LG_SIGNAL_BEFORE);
  }
  if (lg_chance(&rng, 0.015)) add_odd_signal(txn, &rng);
  bool ignored;
  for (int i = 0; i < txn->n_signals; i++)
    txn->signals[i].arrival_us = arrival_of(world, &rng, txn->signals[i].time_us, &ignored, &ignored);
}

/* ---- bank postings ---- */

static lg_posting *add_posting(lg_txn *txn, lg_rng *rng, int32_t day, int64_t amount_e4, int kind) {
  lg_posting *posting = &txn->postings[txn->n_postings];
  int64_t unit = amount_unit_e4(txn->currency), size = amount_e4 < 0 ? 0 : amount_e4;
  int64_t fee = lg_chance(rng, 0.9) ? size / 10000 * 140 / unit * unit : -1; /* 1.4 %; none given now and then */
  *posting = (lg_posting){.file_day = day,
                          .posting_day = day,
                          .amount_e4 = amount_e4,
                          .fee_e4 = fee,
                          .serial = (uint32_t)txn->n_postings,
                          .kinds = {kind, -1, -1}};
  txn->n_postings++;
  return posting;
}

static int32_t bank_day(lg_rng *rng, int64_t time_us, int *kind) {
  double u = lg_unit(rng);
  int lag = u < 0.82 ? 0 : u < 0.96 ? 1 : 2;
  if (lag > 0 && *kind < 0) *kind = LG_POSTED_LATER;
  return (int32_t)(time_us / LG_DAY_US) + lag;
}

static void add_capture(lg_txn *txn, lg_rng *rng, int64_t time_us, int64_t amount) {
  int kind = -1;
  int32_t day = bank_day(rng, time_us, &kind);
  int64_t unit = amount_unit_e4(txn->currency), part = amount / unit * (int64_t)(1 + lg_below(rng, 98)) / 100 * unit;
  double u = lg_unit(rng);
  if (u < 0.012) {
    txn->missing_statement = true;
  } else if (u < 0.022) {
    add_posting(txn, rng, day, part, LG_SPLIT);
    add_posting(txn, rng, day + (int32_t)lg_below(rng, 2), amount - part, LG_SPLIT);
  } else if (u < 0.029) {
    add_posting(txn, rng, day, part, LG_PARTIAL);
  } else if (u < 0.034) {
    add_posting(txn, rng, day, amount, LG_DOUBLED);
    add_posting(txn, rng, day, amount, LG_DOUBLED);
  } else if (u < 0.038) {
    add_posting(txn, rng, day, amount, kind);
    add_posting(txn, rng, day + (int32_t)lg_below(rng, 2), -amount, LG_REVERSED);
  } else if (u < 0.039) {
    add_posting(txn, rng, day, -unit * (int64_t)(1 + lg_below(rng, 2000)), LG_REVERSED);
  } else if (u < 0.041) {
    add_posting(txn, rng, day, amount + unit * (int64_t)(1 + lg_below(rng, 500)), kind);
  } else {
    add_posting(txn, rng, day, amount, kind);
  }
}

static void add_orphan(lg_txn *txn, lg_rng *rng) {
  int64_t amount = lg_chance(rng, 0.75) ? txn->amount_e4 : lg_chance(rng, 0.9) ? -txn->amount_e4 : 0;
  add_posting(txn, rng, (int32_t)(txn->first_us / LG_DAY_US), amount, LG_ORPHAN)->orphan = true;
}

static void resend_posting(lg_txn *txn, lg_rng *rng, const lg_posting *first) {
  if (txn->n_postings == LG_POSTINGS_MAX) return;
  bool next = lg_chance(rng, 0.5), changed = lg_chance(rng, 0.15);
  lg_posting *again = &txn->postings[txn->n_postings++];
  *again = *first;
  again->resent = true;
  again->file_day += next;
  again->kinds[0] = next ? LG_RESENT_NEXT : LG_RESENT_SAME;
  again->kinds[1] = changed ? LG_RESENT_CHANGED : -1;
  if (!changed) return;
  if (lg_chance(rng, 0.5))
    again->amount_e4 += 10000;
  else
    again->posting_day -= 1; /* the bank corrects the date: still the same row */
}

static void disturb_postings(lg_txn *txn, lg_rng *rng) {
  for (int i = 0, n = txn->n_postings; i < n; i++) {
    lg_posting *posting = &txn->postings[i];
    double u = lg_unit(rng);
    if (u < 0.02)
      posting->posting_day -= 1, posting->kinds[2] = LG_DATE_EARLIER;
    else if (u < 0.0215)
      posting->posting_day += lg_chance(rng, 0.5) ? 5 : -10, posting->kinds[2] = LG_DATE_OUTSIDE;
    if (lg_chance(rng, 0.008)) resend_posting(txn, rng, posting);
  }
}

void lg_txn_postings(lg_txn *txn, const lg_world *world) {
  lg_rng rng = lg_rng_of(world->options->seed, DOMAIN_POSTINGS, txn->index);
  for (int i = 0; i < txn->n_events; i++) {
    const lg_event *event = &txn->events[i];
    bool lonely = txn->n_events == 1;
    int64_t amount = event->amount_e4;
    if (event->duplicate) continue;
    if (event->status == LG_APPROVED)
      add_capture(txn, &rng, event->time_us, amount);
    else if (event->status == LG_PENDING && lonely && lg_chance(&rng, 0.4))
      add_capture(txn, &rng, event->time_us, amount);
    else if (event->status == LG_DECLINED && lg_chance(&rng, 0.004))
      add_capture(txn, &rng, event->time_us, amount);
    if (event->status != LG_REFUNDED) continue;
    int kind = LG_REVERSED;
    if (lg_chance(&rng, 0.1)) amount = amount / 2 / amount_unit_e4(txn->currency) * amount_unit_e4(txn->currency);
    add_posting(txn, &rng, bank_day(&rng, event->time_us, &kind), -amount, kind);
  }
  if (lg_chance(&rng, 0.002)) add_orphan(txn, &rng);
  if (world->options->defects) disturb_postings(txn, &rng);
}
