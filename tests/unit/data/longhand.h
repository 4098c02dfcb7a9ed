/**
 * @file longhand.h
 * Natural numbers as decimal digits, with the methods of primary school: slow, plain, and without
 * a line in common with the code that they check.
 */
#ifndef TESTS_LONGHAND_H
#define TESTS_LONGHAND_H
#include <string.h>

#include "helper_data.h"

#define NAT_DIGITS 240
typedef struct nat {
  int n;                /* digits in use, no leading zeros; 0: zero */
  int8_t d[NAT_DIGITS]; /* d[0]: ones */
} nat;

static inline nat nat_trim(nat a) {
  while (a.n > 0 && a.d[a.n - 1] == 0) a.n--;
  return a;
}
static inline nat nat_of(ls_int128 value) {
  nat a = {0, {0}};
  for (bool negative = value < 0; value != 0; value /= 10)
    a.d[a.n++] = (int8_t)(negative ? -(int)(value % 10) : (int)(value % 10));
  return a;
}
static inline nat nat_shift(nat a, int k) { /* times 10^k */
  nat r = {0, {0}};
  ck_assert_int_le(a.n + k, NAT_DIGITS);
  if (a.n == 0) return r;
  for (int i = 0; i < a.n; i++) r.d[i + k] = a.d[i];
  r.n = a.n + k;
  return r;
}
static inline int nat_cmp(const nat *a, const nat *b) {
  if (a->n != b->n) return a->n < b->n ? -1 : 1;
  for (int i = a->n - 1; i >= 0; i--)
    if (a->d[i] != b->d[i]) return a->d[i] < b->d[i] ? -1 : 1;
  return 0;
}
static inline nat nat_add(nat a, nat b) {
  nat r = {a.n > b.n ? a.n : b.n, {0}};
  int carry = 0;
  for (int i = 0; i < r.n || carry; i++) {
    int sum = (i < a.n ? a.d[i] : 0) + (i < b.n ? b.d[i] : 0) + carry;
    r.d[i] = (int8_t)(sum % 10);
    carry = sum / 10;
    if (i >= r.n) r.n = i + 1;
  }
  return r;
}
static inline nat nat_sub(nat a, nat b) { /* a >= b */
  int borrow = 0;
  for (int i = 0; i < a.n; i++) {
    int digit = a.d[i] - (i < b.n ? b.d[i] : 0) - borrow;
    borrow = digit < 0;
    a.d[i] = (int8_t)(digit + 10 * borrow);
  }
  return nat_trim(a);
}
static inline nat nat_mul(nat a, nat b) {
  nat sum = {0, {0}};
  for (int i = 0; i < b.n; i++)
    for (int k = 0; k < b.d[i]; k++) sum = nat_add(sum, nat_shift(a, i));
  return sum;
}
static inline nat nat_divide(nat a, nat b, nat *rest) {
  nat quotient = {a.n, {0}}, r = {0, {0}};
  for (int i = a.n - 1; i >= 0; i--) {
    r = nat_shift(r, 1);
    if (r.n == 0 && a.d[i]) r.n = 1;
    r.d[0] = a.d[i];
    while (nat_cmp(&r, &b) >= 0) {
      r = nat_sub(r, b);
      quotient.d[i]++;
    }
  }
  *rest = r;
  return nat_trim(quotient);
}
/* a / b rounded; *exact tells whether there was no rest. */
static inline nat nat_round(nat a, nat b, ls_rounding rounding, bool *exact) {
  nat rest, quotient = nat_divide(a, b, &rest);
  nat twice = nat_add(rest, rest), one = {1, {1}};
  int half = nat_cmp(&twice, &b);
  bool odd = quotient.n > 0 && quotient.d[0] % 2 == 1;
  *exact = rest.n == 0;
  bool up = (rounding == LS_ROUND_HALF_UP && half >= 0) ||
            (rounding == LS_ROUND_HALF_EVEN && (half > 0 || (half == 0 && odd)));
  return up ? nat_add(quotient, one) : quotient;
}
/* Whether got is +-want; want has at most 38 digits. */
static inline bool nat_is(nat want, bool negative, ls_int128 got) {
  nat digits = nat_of(got);
  return nat_cmp(&digits, &want) == 0 && (want.n == 0 || (got < 0) == negative);
}
#endif
