/** @file datetime.h  RFC 3339 UTC timestamps (microseconds) and dates (days), proleptic Gregorian,
 * years 0001..9999. */
#ifndef LS_DATA_DATETIME_H
#define LS_DATA_DATETIME_H
#include <libstream/error.h>

#define LS_US_PER_DAY       INT64_C(86400000000)
#define LS_DATE_DAYS_MIN    (-719162) /* 0001-01-01 */
#define LS_DATE_DAYS_MAX    2932896   /* 9999-12-31 */
#define LS_TIMESTAMP_US_MIN (INT64_C(-719162) * LS_US_PER_DAY)
#define LS_TIMESTAMP_US_MAX (INT64_C(2932897) * LS_US_PER_DAY - 1)
/** YYYY-MM-DDTHH:MM:SS[.1-6 digits](Z|+00:00); no 't' or ' ' as separator. LS_OK or LS_EDATA. */
int ls__timestamp_parse(int64_t *out_us, ls_slice text);
int ls__date_parse(int32_t *out_days, ls_slice text); /* YYYY-MM-DD */
#define LS_TIMESTAMP_TEXT_MAX 32
size_t ls__timestamp_format(char out[LS_TIMESTAMP_TEXT_MAX],
                            int64_t us); /* Z; fraction only when not 0, 3 or 6 digits */
size_t ls__date_format(char out[LS_TIMESTAMP_TEXT_MAX], int32_t days);
int32_t ls__days_from_civil(int year, int month, int day);
void ls__civil_from_days(int32_t days, int *year, int *month, int *day);
int32_t ls__date_of_us(int64_t us); /* floor */
/** Parses durations: 250ms, 5s, 10m, 1h, 2d, and sums as 1h30m. LS_OK or LS_EDATA. */
int ls__duration_parse(int64_t *out_us, ls_slice text);
size_t ls__duration_format(char out[LS_TIMESTAMP_TEXT_MAX], int64_t us);
#endif
