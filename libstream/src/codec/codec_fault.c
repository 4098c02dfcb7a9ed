/** @file codec_fault.c  What is said about a bad record. No value of a sensitive field gets into an
 * error text. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/decoder.h"

#define SHOWN_MAX 64 /* bytes of a value in an error text */

static size_t put_field(ls_decoder *decoder, const ls_field_plan *plan) {
  if (!plan) return 0;
  int n = snprintf(decoder->bad.text, LS_BAD_TEXT_MAX, "field %.128s: ", plan->field->name);
  return (size_t)n;
}

int ls__bad_set(ls_decoder *decoder, const char *reason, const ls_field_plan *plan, const char *fmt, ...) {
  decoder->bad.reason = reason;
  decoder->bad.plan = plan;
  decoder->bad.value = (ls_slice){NULL, 0};
  size_t n = put_field(decoder, plan);
  va_list args;
  va_start(args, fmt);
  vsnprintf(decoder->bad.text + n, LS_BAD_TEXT_MAX - n, fmt, args);
  va_end(args);
  return LS_EDATA;
}

/* The value in quotes: one line, printable, cut where a UTF-8 character begins. */
static size_t put_shown(char *out, ls_slice value) {
  size_t len = value.len < SHOWN_MAX ? value.len : SHOWN_MAX, n = 0;
  while (len < value.len && len > SHOWN_MAX - 4 && ((unsigned char)value.ptr[len] & 0xC0) == 0x80) len--;
  bool utf8 = ls__utf8_valid((ls_slice){value.ptr, len});
  out[n++] = '"';
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)value.ptr[i];
    bool shown = c >= 0x20 && c != 0x7F && (c < 0x80 || utf8);
    out[n++] = shown ? (char)c : '?';
  }
  if (len < value.len) {
    memcpy(out + n, "...", 3);
    n += 3;
  }
  out[n++] = '"';
  out[n] = '\0';
  return n;
}

int ls__bad_value(ls_decoder *decoder, const char *reason, const ls_field_plan *plan, ls_slice value, const char *fmt,
                  ...) {
  decoder->bad.reason = reason;
  decoder->bad.plan = plan;
  decoder->bad.value = value;
  size_t n = put_field(decoder, plan);
  char *text = decoder->bad.text;
  if (plan && plan->sensitive) {
    n += (size_t)snprintf(text + n, LS_BAD_TEXT_MAX - n, "the value (hidden)");
  } else {
    n += put_shown(text + n, value);
  }
  text[n++] = ' ';
  va_list args;
  va_start(args, fmt);
  vsnprintf(text + n, LS_BAD_TEXT_MAX - n, fmt, args);
  va_end(args);
  return LS_EDATA;
}

void ls__bad_report(ls_decoder *decoder, ls_bad_sink sink, int64_t line) {
  ls_bad *bad = &decoder->bad;
  /* The value at fault may hold what another, sensitive field holds. The value is looked at, not
   * the text: a sensitive value that is cut there would not be found. */
  if (ls__mask_hides(decoder, bad->value)) {
    size_t n = put_field(decoder, bad->plan);
    snprintf(bad->text + n, LS_BAD_TEXT_MAX - n, "the value (hidden) is not valid: %s", bad->reason);
  }
  ls_bad_record record = {.line = line,
                          .error = bad->text,
                          .reason = bad->reason,
                          .field = bad->plan ? bad->plan->field->name : NULL,
                          .payload = ls__buf_slice(&decoder->payload)};
  if (sink.fn) sink.fn(sink.payload, &record);
  ls__record_reset(decoder);
  ls__buf_clear(&decoder->payload);
  ls__buf_clear(&decoder->secrets);
}
