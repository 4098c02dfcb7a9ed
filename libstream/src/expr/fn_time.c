/**
 * @file fn_time.c
 * Times are UTC. All reckoning is on whole days since 1970 and microseconds of the day, floored, so
 * that times before 1970 behave like those after.
 */
#include "expr/fn.h"

#include "data/datetime.h"

typedef enum time_unit {
  UNIT_SECOND,
  UNIT_MINUTE,
  UNIT_HOUR,
  UNIT_DAY,
  UNIT_WEEK,
  UNIT_MONTH,
  UNIT_QUARTER,
  UNIT_YEAR,
  N_UNITS
} time_unit;
static const char *const unit_names[] = {"second", "minute", "hour", "day", "week", "month", "quarter", "year"};
static const int64_t unit_us[] = {1000000, 60000000, INT64_C(3600000000), LS_US_PER_DAY};

static int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

static int64_t us_of(const ls_vec *vec, int64_t row) {
  if (vec->col->type->kind == LS_DATE) return ls__column_i32(vec->col)[row & vec->mask] * LS_US_PER_DAY;
  return ls__vec_i64(vec, row);
}

/* -- parts ------------------------------------------------------------------------------------- */

static int64_t part_of(int64_t us, char part) {
  int32_t days = ls__date_of_us(us);
  int64_t in_day = us - days * LS_US_PER_DAY;
  int year = 0, month = 0, day = 0;
  switch (part) {
  case 'h':
    return in_day / unit_us[UNIT_HOUR];
  case 'm':
    return in_day / unit_us[UNIT_MINUTE] % 60;
  case 's':
    return in_day / unit_us[UNIT_SECOND] % 60;
  case 'w':
    return (days % 7 + 10) % 7 + 1; /* 1970-01-01 was a Thursday: 4 */
  default:
    break;
  }
  ls__civil_from_days(days, &year, &month, &day);
  return part == 'Y' ? year : part == 'M' ? month : part == 'Q' ? (month + 2) / 3 : day;
}

static void kernel_part(ls_column *out, const ls_ex_call *call) {
  int64_t *values = out->values;
  for (int64_t i = 0; i < call->n; i++) {
    if (ls__ex_live(call, i)) values[i] = part_of(us_of(&call->args[0], i), (char)call->node->variant);
  }
}

static ls_ex *part(ls_ex_compiler *c, const ls_ast *ast, ls_ex **args, char which) {
  if (strchr("hms", which) && args[0]->type->kind == LS_DATE) {
    return ls__ex_fail(c, args[0]->ast, "a date has no time of day");
  }
  ls_ex *ex = ls__ex_call(c, kernel_part, &ls__type_int64, ast, args, 1);
  ex->variant = (uint8_t)which;
  return ls__ex_fold(c, ex);
}

#define PART(name, which)                                                                                              \
  LS_EX_FORM(name) {                                                                                                   \
    (void)n_args;                                                                                                      \
    return part(c, ast, args, which);                                                                                  \
  }
PART(ls__fn_year, 'Y')
PART(ls__fn_quarter, 'Q')
PART(ls__fn_month, 'M')
PART(ls__fn_day, 'D')
PART(ls__fn_day_of_week, 'w')
PART(ls__fn_hour, 'h')
PART(ls__fn_minute, 'm')
PART(ls__fn_second, 's')

/* -- conversions ------------------------------------------------------------------------------- */

LS_EX_KERNEL(ls__fn_date) {
  int32_t *values = out->values;
  for (int64_t i = 0; i < call->n; i++) {
    if (ls__ex_live(call, i)) values[i] = ls__date_of_us(us_of(&call->args[0], i));
  }
}

LS_EX_KERNEL(ls__fn_epoch_us) {
  int64_t *values = out->values;
  for (int64_t i = 0; i < call->n; i++) {
    if (ls__ex_live(call, i)) values[i] = us_of(&call->args[0], i);
  }
}

LS_EX_KERNEL(ls__fn_to_timestamp_us) {
  int64_t *values = out->values;
  for (int64_t i = 0; i < call->n; i++) {
    values[i] = ls__vec_i64(&call->args[0], i);
    if (ls__ex_live(call, i) && !ls__ex_timestamp_in_range(values[i])) {
      ls__ex_fail_fixed(out, call, i, "the timestamp leaves the years 0001 to 9999");
    }
  }
}

/* -- units ------------------------------------------------------------------------------------- */

/* Number of the unit that the time lies in, counted from one common start. */
static int64_t unit_number(int64_t us, time_unit unit) {
  if (unit <= UNIT_DAY) return floor_div(us, unit_us[unit]);
  int32_t days = ls__date_of_us(us);
  int year = 0, month = 0, day = 0;
  if (unit == UNIT_WEEK) return floor_div((int64_t)days + 3, 7); /* weeks start on Monday */
  ls__civil_from_days(days, &year, &month, &day);
  int64_t months = (int64_t)year * 12 + month - 1;
  return unit == UNIT_MONTH ? months : unit == UNIT_QUARTER ? floor_div(months, 3) : year;
}

static int64_t unit_start(int64_t number, time_unit unit) {
  if (unit <= UNIT_DAY) return number * unit_us[unit];
  if (unit == UNIT_WEEK) return (number * 7 - 3) * LS_US_PER_DAY;
  int64_t months = unit == UNIT_MONTH ? number : unit == UNIT_QUARTER ? number * 3 : number * 12;
  return ls__days_from_civil((int)floor_div(months, 12), (int)(months - floor_div(months, 12) * 12) + 1, 1) *
         LS_US_PER_DAY;
}

static void kernel_trunc(ls_column *out, const ls_ex_call *call) {
  time_unit unit = (time_unit)call->node->variant;
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) continue;
    int64_t us = unit_start(unit_number(us_of(&call->args[0], i), unit), unit);
    if (!ls__ex_timestamp_in_range(us)) {
      ls__ex_fail_fixed(out, call, i, "the week starts before the year 0001");
    } else if (out->type->kind == LS_DATE) {
      ((int32_t *)out->values)[i] = (int32_t)floor_div(us, LS_US_PER_DAY);
    } else {
      ((int64_t *)out->values)[i] = us;
    }
  }
}

static void kernel_diff(ls_column *out, const ls_ex_call *call) {
  time_unit unit = (time_unit)call->node->variant;
  int64_t *values = out->values;
  for (int64_t i = 0; i < call->n; i++) {
    if (!ls__ex_live(call, i)) continue;
    values[i] = unit_number(us_of(&call->args[1], i), unit) - unit_number(us_of(&call->args[0], i), unit);
  }
}

static int find_unit(ls_ex_compiler *c, const ls_ex *arg, bool is_date, time_unit *out) {
  ls_slice name = ls__column_slice(arg->value, 0);
  for (int i = 0; i < N_UNITS; i++) {
    if (!ls__ex_name_is(name, unit_names[i])) continue;
    if (is_date && i < UNIT_DAY) {
      ls__ex_fail(c, arg->ast, "a date has no %ss: CAST it AS timestamp", unit_names[i]);
      return LS_ECONFIG;
    }
    *out = (time_unit)i;
    return LS_OK;
  }
  ls__ex_fail(c, arg->ast, "'%.*s' is no unit: one of second, minute, hour, day, week, month, quarter, year",
              (int)(name.len > 40 ? 40 : name.len), name.ptr);
  return LS_ECONFIG;
}

LS_EX_FORM(ls__fn_date_trunc) {
  time_unit unit = UNIT_DAY;
  (void)n_args;
  if (find_unit(c, args[0], args[1]->type->kind == LS_DATE, &unit) != LS_OK) return NULL;
  ls_ex *ex = ls__ex_call(c, kernel_trunc, args[1]->type, ast, args + 1, 1);
  ex->variant = (uint8_t)unit;
  return ls__ex_fold(c, ex);
}

LS_EX_FORM(ls__fn_date_diff) {
  time_unit unit = UNIT_DAY;
  bool is_date = args[1]->type->kind == LS_DATE || args[2]->type->kind == LS_DATE;
  (void)n_args;
  if (args[1]->type->kind != args[2]->type->kind) {
    return ls__ex_fail(c, args[2]->ast,
                       "date_diff takes two timestamps or two dates: write date(t) or CAST(d AS timestamp)");
  }
  if (find_unit(c, args[0], is_date, &unit) != LS_OK) return NULL;
  ls_ex *ex = ls__ex_call(c, kernel_diff, &ls__type_int64, ast, args + 1, 2);
  ex->variant = (uint8_t)unit;
  return ls__ex_fold(c, ex);
}
