/**
 * Growing text, numbers and dates. Running out of memory ends the program: it is a tool, not a
 * service.
 */
#include "lakegen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lg_text_free(lg_text *text) {
  free(text->data);
  *text = (lg_text){0};
}

static void text_reserve(lg_text *text, size_t more) {
  if (text->size + more <= text->capacity) return;
  size_t capacity = text->capacity ? text->capacity * 2 : 4096;
  while (capacity < text->size + more) capacity *= 2;
  char *data = realloc(text->data, capacity);
  if (!data) {
    fprintf(stderr, "lakegen: out of memory\n");
    exit(70);
  }
  text->data = data;
  text->capacity = capacity;
}

void lg_put(lg_text *text, const char *bytes, size_t size) {
  if (size == 0) return;
  text_reserve(text, size);
  memcpy(text->data + text->size, bytes, size);
  text->size += size;
}

void lg_puts(lg_text *text, const char *string) {
  lg_put(text, string, strlen(string));
}

void lg_put_u64(lg_text *text, uint64_t value, int width) {
  char digits[24];
  int n = 0;
  do digits[sizeof digits - (size_t)++n] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  while (n < width && n < (int)sizeof digits) digits[sizeof digits - (size_t)++n] = '0';
  lg_put(text, digits + sizeof digits - n, (size_t)n);
}

void lg_put_hex(lg_text *text, uint64_t value, int digits) {
  static const char hex[] = "0123456789abcdef";
  char out[16];
  for (int i = 0; i < digits; i++) out[i] = hex[(value >> (4 * (digits - 1 - i))) & 15];
  lg_put(text, out, (size_t)digits);
}

void lg_put_decimal(lg_text *text, int64_t value_e4, int decimals_min) {
  if (value_e4 < 0) lg_puts(text, "-");
  uint64_t size = value_e4 < 0 ? (uint64_t)-value_e4 : (uint64_t)value_e4;
  lg_put_u64(text, size / 10000, 1);
  uint64_t fraction = size % 10000;
  int decimals = 4;
  while (decimals > decimals_min && fraction % 10 == 0) fraction /= 10, decimals--;
  if (decimals == 0) return;
  lg_puts(text, ".");
  lg_put_u64(text, fraction, decimals);
}

int32_t lg_day_from_civil(int year, int month, int day) {
  year -= month <= 2;
  int era = (year >= 0 ? year : year - 399) / 400;
  int year_of_era = year - era * 400;
  int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

void lg_put_date(lg_text *text, int32_t day) {
  int z = day + 719468, era = z / 146097, doe = z - era * 146097; /* days after year 0 only */
  int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  int doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
  int month = mp < 10 ? mp + 3 : mp - 9;
  lg_put_u64(text, (uint64_t)(yoe + era * 400 + (month <= 2)), 4);
  lg_puts(text, "-");
  lg_put_u64(text, (uint64_t)month, 2);
  lg_puts(text, "-");
  lg_put_u64(text, (uint64_t)(doy - (153 * mp + 2) / 5 + 1), 2);
}

/* As many decimals as the time needs at least: none, three or six; style 7 asks for six and
 * "+00:00". */
void lg_put_time(lg_text *text, int64_t time_us, unsigned style) {
  int32_t day = (int32_t)(time_us / LG_DAY_US);
  uint64_t rest = (uint64_t)(time_us - day * LG_DAY_US), us = rest % 1000000, s = rest / 1000000;
  lg_put_date(text, day);
  lg_puts(text, "T");
  lg_put_u64(text, s / 3600, 2);
  lg_puts(text, ":");
  lg_put_u64(text, s / 60 % 60, 2);
  lg_puts(text, ":");
  lg_put_u64(text, s % 60, 2);
  if (us % 1000 != 0 || style == 7) {
    lg_puts(text, ".");
    lg_put_u64(text, us, 6);
  } else if (us != 0 || style != 0) {
    lg_puts(text, ".");
    lg_put_u64(text, us / 1000, 3);
  }
  lg_puts(text, style == 7 ? "+00:00" : "Z");
}
