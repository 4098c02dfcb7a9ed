/** @file codec_scalar.c  Text of one value -> value. Numbers that are money never pass through
 * binary floating point. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/decoder.h"
#include "data/datetime.h"

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* Digits from p to end, of which one may be a point; at most 38 of them. is_short: at most 18. */
static ls_int128 digits_value(const char *p, const char *end, bool is_short) {
  if (is_short) {
    uint64_t value = 0;
    for (; p < end; p++) {
      if (*p != '.') value = value * 10 + (uint64_t)(*p - '0');
    }
    return (ls_int128)value;
  }
  unsigned __int128 value = 0;
  for (; p < end; p++) {
    if (*p != '.') value = value * 10 + (unsigned)(*p - '0');
  }
  return (ls_int128)value;
}

/* The end of an exponent at p (after its e), NULL when it is none. */
static const char *exponent_end(const char *p, const char *end) {
  if (p < end && (*p == '-' || *p == '+')) p++;
  const char *first = p;
  while (p < end && is_digit(*p)) p++;
  return p > first ? p : NULL;
}

static int not_decimal(ls_decoder *decoder, const ls_field_plan *plan, ls_slice text) {
  return ls__bad_value(decoder, "bad_decimal", plan, text,
                       "is not a decimal: give digits with an optional minus, point and exponent");
}

/* A decimal with an exponent is good when its value fits exactly, however it is written: 10000e-4
 * is 1. */
static int decimal_exponent(ls_decoder *decoder, const ls_field_plan *plan, const ls_type *type, ls_slice text,
                            ls_value *out) {
  ls_int128 value = 0;
  int rc = ls__decimal_parse(&value, text, type->precision, type->scale, true);
  if (rc == LS_EDATA) {
    return ls__bad_value(decoder, "too_many_decimals", plan, text, "has more than the %d decimals that are allowed",
                         type->scale);
  }
  if (rc < 0) {
    return ls__bad_value(decoder, "too_many_digits", plan, text, "does not fit decimal(%d,%d)", type->precision,
                         type->scale);
  }
  out->as.decimal = ls__i128_make(value);
  out->state = LS_VALUE_SET;
  return LS_OK;
}

int ls__scalar_decimal(ls_decoder *decoder, const ls_field_plan *plan, const ls_type *type, ls_slice text,
                       ls_value *out) {
  const char *p = text.ptr, *end = text.ptr + text.len;
  bool negative = p < end && *p == '-';
  if (negative) p++;
  const char *whole = p;
  while (p < end && *p == '0') p++;
  const char *first = p;
  while (p < end && is_digit(*p)) p++;
  int64_t n_whole = p - whole, n_significant = p - first, n_decimals = 0;
  if (p < end && *p == '.') {
    const char *dot = p++;
    while (p < end && is_digit(*p)) p++;
    n_decimals = p - dot - 1;
    if (n_decimals == 0) n_whole = 0; /* "1." is refused below */
  }
  bool exponent = p < end && (*p == 'e' || *p == 'E') && exponent_end(p + 1, end) == end;
  if ((p != end && !exponent) || n_whole == 0) return not_decimal(decoder, plan, text);
  if (exponent) return decimal_exponent(decoder, plan, type, text, out);
  if (n_decimals > type->scale) {
    return ls__bad_value(decoder, "too_many_decimals", plan, text, "has %lld decimals, at most %d are allowed",
                         (long long)n_decimals, type->scale);
  }
  if (n_significant + type->scale > type->precision && n_significant > 0) {
    return ls__bad_value(decoder, "too_many_digits", plan, text, "does not fit decimal(%d,%d)", type->precision,
                         type->scale);
  }
  ls_int128 value = digits_value(first, end, n_significant + n_decimals <= 18) * ls__pow10[type->scale - n_decimals];
  out->as.decimal = ls__i128_make(negative ? -value : value);
  out->state = LS_VALUE_SET;
  return LS_OK;
}

int ls__scalar_int64(ls_decoder *decoder, const ls_field_plan *plan, ls_slice text, ls_value *out) {
  const char *p = text.ptr, *end = text.ptr + text.len;
  bool negative = p < end && *p == '-';
  if (negative) p++;
  const char *first = p;
  uint64_t value = 0, limit = negative ? UINT64_C(1) << 63 : INT64_MAX;
  bool overflow = false;
  for (; p < end && is_digit(*p); p++) {
    uint64_t digit = (uint64_t)(*p - '0');
    if (value > (limit - digit) / 10)
      overflow = true;
    else
      value = value * 10 + digit;
  }
  if (p != end || p == first) return ls__bad_value(decoder, "wrong_type", plan, text, "is not an integer");
  if (overflow) return ls__bad_value(decoder, "out_of_range", plan, text, "does not fit a 64-bit integer");
  out->as.i64 = (int64_t)(negative ? UINT64_C(0) - value : value);
  out->state = LS_VALUE_SET;
  return LS_OK;
}

/* Whether text is a number in JSON's grammar. *mantissa and *exponent: its value when it has at
 * most 19 digits. */
static bool read_number(ls_slice text, uint64_t *mantissa, int *exponent, bool *is_short) {
  const char *p = text.ptr, *end = text.ptr + text.len;
  if (p < end && *p == '-') p++;
  if (p == end || !is_digit(*p) || (*p == '0' && p + 1 < end && is_digit(p[1]))) return false;
  int n_digits = 0, point = 0, exp = 0;
  uint64_t value = 0;
  for (; p < end && is_digit(*p); p++, n_digits++) value = value * 10 + (uint64_t)(*p - '0');
  if (p < end && *p == '.') {
    const char *first = ++p;
    for (; p < end && is_digit(*p); p++, n_digits++) value = value * 10 + (uint64_t)(*p - '0');
    if (p == first) return false;
    point = p - first > 1000 ? 1000 : (int)(p - first);
  }
  if (p < end && (*p == 'e' || *p == 'E')) {
    p++;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p == end || !is_digit(*p)) return false;
    for (; p < end && is_digit(*p); p++) exp = exp < 10000 ? exp * 10 + (*p - '0') : exp;
    if (negative) exp = -exp;
  }
  *mantissa = value;
  *exponent = exp - point;
  *is_short = n_digits <= 19;
  return p == end;
}

int ls__scalar_float64(ls_decoder *decoder, const ls_field_plan *plan, ls_slice text, ls_value *out) {
  static const double pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  uint64_t mantissa;
  int exponent;
  bool is_short;
  if (!read_number(text, &mantissa, &exponent, &is_short)) {
    return ls__bad_value(decoder, "wrong_type", plan, text, "is not a number");
  }
  double value;
  if (is_short && mantissa <= (UINT64_C(1) << 53) && exponent >= -22 && exponent <= 22) {
    /* Both operands are exact doubles, so one operation rounds right (Clinger 1990). */
    value = exponent < 0 ? (double)mantissa / pow10[-exponent] : (double)mantissa * pow10[exponent];
    if (text.ptr[0] == '-') value = -value;
  } else {
    char *copy = ls__arena_strndup(&decoder->scratch, text.ptr, text.len);
    value = strtod(copy, NULL);
  }
  if (!isfinite(value)) return ls__bad_value(decoder, "out_of_range", plan, text, "does not fit a float64");
  out->as.f64 = value;
  out->state = LS_VALUE_SET;
  return LS_OK;
}

int ls__scalar_timestamp(ls_decoder *decoder, const ls_field_plan *plan, ls_slice text, ls_value *out) {
  if (ls__timestamp_parse(&out->as.i64, text) < 0) {
    return ls__bad_value(decoder, "bad_timestamp", plan, text,
                         "is not a UTC timestamp as 2026-03-01T09:15:02.125Z with at most 6 decimals");
  }
  out->state = LS_VALUE_SET;
  return LS_OK;
}

int ls__scalar_date(ls_decoder *decoder, const ls_field_plan *plan, ls_slice text, ls_value *out) {
  if (ls__date_parse(&out->as.i32, text) < 0) {
    return ls__bad_value(decoder, "bad_date", plan, text, "is not a date as 2026-03-01");
  }
  out->state = LS_VALUE_SET;
  return LS_OK;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int ls__base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (is_digit(c)) return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes n digits (2..4) of one group; false when they are not base64 or leave bits over. */
static bool base64_group(unsigned char *out, const char *p, int n) {
  uint32_t bits = 0;
  for (int i = 0; i < 4; i++) {
    int digit = i < n ? ls__base64_digit(p[i]) : 0;
    if (digit < 0) return false;
    bits = bits << 6 | (uint32_t)digit;
  }
  for (int i = 0; i < n - 1; i++) out[i] = (unsigned char)(bits >> (16 - 8 * i));
  return n == 4 || (bits & (n == 3 ? 0xFFu : 0xFFFFu)) == 0;
}

int ls__scalar_bytes(ls_decoder *decoder, const ls_field_plan *plan, ls_slice text, ls_value *out) {
  unsigned char *bytes = ls__arena_alloc(&decoder->scratch, text.len / 4 * 3 + 4);
  size_t n = 0;
  bool valid = text.len % 4 == 0;
  for (size_t i = 0; valid && i < text.len; i += 4) {
    const char *p = text.ptr + i;
    int n_digits = 4;
    if (i + 4 == text.len) n_digits = p[3] != '=' ? 4 : p[2] != '=' ? 3 : 2;
    valid = base64_group(bytes + n, p, n_digits);
    n += (size_t)n_digits - 1;
  }
  if (!valid) return ls__bad_value(decoder, "wrong_type", plan, text, "is not base64 (RFC 4648, padded)");
  out->as.slice = (ls_slice){(const char *)bytes, n};
  out->state = LS_VALUE_SET;
  return LS_OK;
}

void ls__base64_encode(ls_buf *out, ls_slice bytes) {
  const unsigned char *p = (const unsigned char *)bytes.ptr;
  for (size_t left = bytes.len; left > 0;) {
    size_t n = left < 3 ? left : 3;
    uint32_t bits = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
    char group[4] = {base64_digits[bits >> 18], base64_digits[bits >> 12 & 63],
                     n > 1 ? base64_digits[bits >> 6 & 63] : '=', n > 2 ? base64_digits[bits & 63] : '='};
    ls__buf_append(out, group, 4);
    p += n;
    left -= n;
  }
}

int ls__scalar_text(ls_decoder *decoder, const ls_field_plan *plan, const ls_type *type, ls_slice text, ls_value *out) {
  switch (type->kind) {
  case LS_DECIMAL:
    return ls__scalar_decimal(decoder, plan, type, text, out);
  case LS_INT64:
    return ls__scalar_int64(decoder, plan, text, out);
  case LS_FLOAT64:
    return ls__scalar_float64(decoder, plan, text, out);
  case LS_TIMESTAMP:
    return ls__scalar_timestamp(decoder, plan, text, out);
  case LS_DATE:
    return ls__scalar_date(decoder, plan, text, out);
  case LS_BYTES:
    return ls__scalar_bytes(decoder, plan, text, out);
  case LS_BOOL:
    out->as.boolean = ls__slice_is(text, "true");
    if (!out->as.boolean && !ls__slice_is(text, "false")) {
      return ls__bad_value(decoder, "wrong_type", plan, text, "is not a bool: give true or false");
    }
    break;
  case LS_STRING:
    out->as.slice = text;
    break;
  default:
    return ls__bad_set(decoder, "wrong_type", plan, "a text is not a value of this type");
  }
  out->state = LS_VALUE_SET;
  return LS_OK;
}
