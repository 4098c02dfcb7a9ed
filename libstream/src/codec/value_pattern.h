/**
 * @file value_pattern.h
 * Patterns of string fields. A pattern that is a plain sequence of character classes with counts
 * ([A-Z]{3}, txn_[0-9]{1,12}) is matched by a table walk; any other by the C library's POSIX regex,
 * which costs microseconds.
 */
#ifndef LS_CODEC_VALUE_PATTERN_H
#define LS_CODEC_VALUE_PATTERN_H
#include <libstream/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ls_value_pattern ls_value_pattern;
/** pattern: POSIX extended regex; the whole value must match. LS_ECONFIG: it can't be compiled. */
int ls__value_pattern_new(ls_value_pattern **out, const char *pattern, ls_error *err);
void ls__value_pattern_free(ls_value_pattern *pattern);
bool ls__value_pattern_matches(ls_value_pattern *pattern, ls_slice value);
/** Whether the pattern goes the fast way (tests). */
bool ls__value_pattern_is_simple(const ls_value_pattern *pattern);

#ifdef __cplusplus
}
#endif
#endif
