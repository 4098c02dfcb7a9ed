/**
 * @file expr_functions.c
 * The table of built-in functions. Signatures, texts and examples are the reference
 * (expr_reference.c); each example is run by a test and must give the result that stands beside it.
 */
#include "expr/fn.h"

static const ls_ex_fn functions[] = {
    {"coalesce", "Choice and nulls", "x*", '-', NULL, ls__fn_coalesce, "coalesce(value, ...)",
     "The first value that is not null. Later values are not evaluated.", "coalesce(NULL, 'none')", "\"none\""},
    {"nullif", "Choice and nulls", "xx", '-', NULL, ls__fn_nullif, "nullif(a, b)", "Null when a = b, else a.",
     "nullif('n/a', 'n/a')", "null"},
    {"if", "Choice and nulls", "xx?x", '-', NULL, ls__fn_if, "if(condition, a [, b])",
     "a when the condition is true, else b (null when left out). Only the chosen one is evaluated.",
     "if(2 > 1, 'yes', 'no')", "\"yes\""},
    {"greatest", "Choice and nulls", "x*", '-', NULL, ls__fn_greatest, "greatest(value, ...)",
     "The largest; nulls are left out, null when all are.", "greatest(3, NULL, 7)", "7"},
    {"least", "Choice and nulls", "x*", '-', NULL, ls__fn_least, "least(value, ...)",
     "The smallest; nulls are left out, null when all are.", "least(3, NULL, 7)", "3"},

    {"abs", "Numbers", "n", '-', NULL, ls__fn_abs, "abs(x)", "The size without the sign.", "abs(-12.50)", "\"12.50\""},
    {"sign", "Numbers", "n", '-', NULL, ls__fn_sign, "sign(x) -> int64", "-1, 0 or 1.", "sign(-0.01)", "-1"},
    {"round", "Numbers", "n?I", '-', NULL, ls__fn_round, "round(x [, decimals])",
     "To so many decimals (a constant, 0 when left out), half away from zero, exact. A float64 "
     "only to a whole number.",
     "round(-2.345, 2)", "\"-2.35\""},
    {"floor", "Numbers", "n", '-', NULL, ls__fn_floor, "floor(x)", "The next whole number below.", "floor(-1.5)",
     "\"-2\""},
    {"ceil", "Numbers", "n", '-', NULL, ls__fn_ceil, "ceil(x)", "The next whole number above.", "ceil(1.01)", "\"2\""},
    {"mod", "Numbers", "nn", '-', NULL, ls__fn_mod, "mod(a, b)", "Same as a % b: the sign is that of a.", "mod(-7, 3)",
     "-1"},

    {"lower", "Texts", "s", 's', ls__fn_lower, NULL, "lower(text) -> string",
     "ASCII letters in lower case; others unchanged.", "lower('Ab-Ä')", "\"ab-Ä\""},
    {"upper", "Texts", "s", 's', ls__fn_upper, NULL, "upper(text) -> string",
     "ASCII letters in upper case; others unchanged.", "upper('usd')", "\"USD\""},
    {"length", "Texts", "a", '-', NULL, ls__fn_length, "length(text or list) -> int64",
     "Characters of a text (code points), elements of a list.", "length('Zürich')", "6"},
    {"octet_length", "Texts", "s", 'i', ls__fn_octet_length, NULL, "octet_length(text) -> int64", "Bytes in UTF-8.",
     "octet_length('Zürich')", "7"},
    {"trim", "Texts", "s", 's', ls__fn_trim, NULL, "trim(text) -> string",
     "Without spaces, tabs and line ends at both ends.", "trim('  t1 ')", "\"t1\""},
    {"ltrim", "Texts", "s", 's', ls__fn_ltrim, NULL, "ltrim(text) -> string", "The same at the start only.",
     "ltrim('  t1 ')", "\"t1 \""},
    {"rtrim", "Texts", "s", 's', ls__fn_rtrim, NULL, "rtrim(text) -> string", "The same at the end only.",
     "rtrim('  t1 ')", "\"  t1\""},
    {"substr", "Texts", "si?i", 's', ls__fn_substr, NULL, "substr(text, start [, count]) -> string",
     "Characters from start, counted from 1. A negative count is a row error.", "substr('payment', 4, 2)", "\"me\""},
    {"substring", "Texts", "si?i", 's', ls__fn_substr, NULL, "substring(text, start [, count]) -> string",
     "Same as substr.", "substring('payment', 4)", "\"ment\""},
    {"left", "Texts", "si", 's', ls__fn_left, NULL, "left(text, n) -> string",
     "The first n characters; n < 0: all but the last -n.", "left('US-123', 2)", "\"US\""},
    {"right", "Texts", "si", 's', ls__fn_right, NULL, "right(text, n) -> string",
     "The last n characters; n < 0: all but the first -n.", "right('US-123', 3)", "\"123\""},
    {"replace", "Texts", "sss", 's', ls__fn_replace, NULL, "replace(text, from, to) -> string",
     "Every from becomes to.", "replace('1,234,567', ',', '')", "\"1234567\""},
    {"starts_with", "Texts", "ss", 'p', ls__fn_starts_with, NULL, "starts_with(text, part) -> bool", "",
     "starts_with('m-001', 'm-')", "true"},
    {"ends_with", "Texts", "ss", 'p', ls__fn_ends_with, NULL, "ends_with(text, part) -> bool", "",
     "ends_with('a.csv', '.csv')", "true"},
    {"contains", "Texts", "ss", 'p', ls__fn_contains, NULL, "contains(text, part) -> bool", "",
     "contains('refund', 'fun')", "true"},
    {"strpos", "Texts", "ss", 'i', ls__fn_strpos, NULL, "strpos(text, part) -> int64",
     "Character position of the first part, from 1; 0 when there is none.", "strpos('a-b-c', '-')", "2"},
    {"concat", "Texts", "s*", '-', NULL, ls__fn_concat, "concat(text, ...) -> string",
     "Joins texts; nulls are left out (|| gives null instead).", "concat('a', NULL, 'b')", "\"ab\""},
    {"lpad", "Texts", "si?s", 's', ls__fn_lpad, NULL, "lpad(text, width [, fill]) -> string",
     "Filled at the left to so many characters (with spaces when left out); a longer text is cut.",
     "lpad('42', 5, '0')", "\"00042\""},
    {"rpad", "Texts", "si?s", 's', ls__fn_rpad, NULL, "rpad(text, width [, fill]) -> string", "The same at the right.",
     "rpad('ab', 4, '.')", "\"ab..\""},
    {"split", "Texts", "ss", 'L', ls__fn_split, NULL, "split(text, separator) -> list<string>",
     "The parts between separators; an empty separator gives the whole text.", "split('a,b,,c', ',')",
     "[\"a\",\"b\",\"\",\"c\"]"},
    {"regexp_matches", "Texts", "sS", '-', NULL, ls__fn_regexp_matches, "regexp_matches(text, pattern) -> bool",
     "Whether the POSIX extended pattern (a constant) is found anywhere; ^ and $ tie it to the "
     "ends.",
     "regexp_matches('USD', '^[A-Z]{3}$')", "true"},
    {"to_hex", "Texts", "a", '-', NULL, ls__fn_to_hex_form, "to_hex(int64, string or bytes) -> string",
     "Lower-case hexadecimal digits; two a byte for texts.", "to_hex(255)", "\"ff\""},

    {"date", "Dates and times", "T", 'd', ls__fn_date, NULL, "date(timestamp) -> date", "The UTC day.",
     "date(TIMESTAMP '2026-03-01T23:59:59Z')", "\"2026-03-01\""},
    {"year", "Dates and times", "T", '-', NULL, ls__fn_year, "year(timestamp or date) -> int64", "",
     "year(DATE '2026-03-01')", "2026"},
    {"quarter", "Dates and times", "T", '-', NULL, ls__fn_quarter, "quarter(timestamp or date) -> int64", "1 to 4.",
     "quarter(DATE '2026-05-01')", "2"},
    {"month", "Dates and times", "T", '-', NULL, ls__fn_month, "month(timestamp or date) -> int64", "1 to 12.",
     "month(DATE '2026-03-01')", "3"},
    {"day", "Dates and times", "T", '-', NULL, ls__fn_day, "day(timestamp or date) -> int64", "Of the month, 1 to 31.",
     "day(DATE '2026-03-09')", "9"},
    {"day_of_week", "Dates and times", "T", '-', NULL, ls__fn_day_of_week, "day_of_week(timestamp or date) -> int64",
     "1 Monday to 7 Sunday.", "day_of_week(DATE '2026-03-01')", "7"},
    {"hour", "Dates and times", "T", '-', NULL, ls__fn_hour, "hour(timestamp) -> int64", "0 to 23, UTC.",
     "hour(TIMESTAMP '2026-03-01T09:15:02Z')", "9"},
    {"minute", "Dates and times", "T", '-', NULL, ls__fn_minute, "minute(timestamp) -> int64", "0 to 59.",
     "minute(TIMESTAMP '2026-03-01T09:15:02Z')", "15"},
    {"second", "Dates and times", "T", '-', NULL, ls__fn_second, "second(timestamp) -> int64",
     "0 to 59, without the fraction.", "second(TIMESTAMP '2026-03-01T09:15:02.9Z')", "2"},
    {"date_trunc", "Dates and times", "ST", '-', NULL, ls__fn_date_trunc, "date_trunc(unit, t)",
     "The start of the second, minute, hour, day, week (Monday), month, quarter or year that t "
     "lies in; of the type of t.",
     "date_trunc('hour', TIMESTAMP '2026-03-01T09:15:02Z')", "\"2026-03-01T09:00:00Z\""},
    {"date_diff", "Dates and times", "STT", '-', NULL, ls__fn_date_diff, "date_diff(unit, from, to) -> int64",
     "How many starts of a unit lie between: 23:59 to 00:01 is one day. Negative when to is before "
     "from.",
     "date_diff('day', DATE '2026-03-01', DATE '2026-03-04')", "3"},
    {"epoch_us", "Dates and times", "T", 'i', ls__fn_epoch_us, NULL, "epoch_us(timestamp) -> int64",
     "Microseconds since 1970-01-01T00:00:00Z.", "epoch_us(TIMESTAMP '1970-01-01T00:00:01Z')", "1000000"},
    {"to_timestamp_us", "Dates and times", "i", 't', ls__fn_to_timestamp_us, NULL,
     "to_timestamp_us(int64) -> timestamp", "The other way round.", "to_timestamp_us(1000000)",
     "\"1970-01-01T00:00:01Z\""},
    {"stream_time", "Dates and times", "", '-', NULL, ls__fn_stream_time, "stream_time() -> timestamp",
     "The time of the stream when the row is processed: of the input record that caused it, in the "
     "run's total order. "
     "There is no now(): results do not depend on the clock.",
     NULL, NULL},
    {"ingest_time", "Dates and times", "", '-', NULL, ls__fn_ingest_time, "ingest_time() -> timestamp",
     "Live: when the broker took the record that caused the row (its Kafka timestamp). In replay, and for rows that a "
     "timer makes, "
     "stream_time().",
     NULL, NULL},
    {"event_time", "Dates and times", "", '-', NULL, ls__fn_event_time, "event_time() -> timestamp",
     "The row's own event time.", NULL, NULL},

    {"list_length", "Lists", "l", 'i', ls__fn_list_length, NULL, "list_length(list) -> int64",
     "Elements, nulls included.", "list_length(['a', NULL])", "2"},
    {"list_compact", "Lists", "l", '-', NULL, ls__fn_list_compact, "list_compact(list)", "Without the nulls.",
     "list_compact(['KYC', NULL, 'AML'])", "[\"KYC\",\"AML\"]"},
    {"list_sort", "Lists", "l", '-', NULL, ls__fn_list_sort, "list_sort(list)",
     "In ascending order (texts bytewise, NaN after all numbers), nulls last.", "list_sort(['b', NULL, 'a'])",
     "[\"a\",\"b\",null]"},
    {"list_distinct", "Lists", "l", '-', NULL, ls__fn_list_distinct, "list_distinct(list)",
     "Each value once, where it comes first; one null at most.", "list_distinct([2, 1, 2, 1])", "[2,1]"},
    {"list_contains", "Lists", "lx", '-', NULL, ls__fn_list_contains, "list_contains(list, value) -> bool",
     "Whether an element equals the value; null elements never do.", "list_contains(['a', 'b'], 'b')", "true"},
    {"list_concat", "Lists", "x*", '-', NULL, ls__fn_list_concat, "list_concat(list, ...)", "One after the other.",
     "list_concat([1], [2, 3])", "[1,2,3]"},
    {"list_to_string", "Lists", "ls", '-', NULL, ls__fn_list_to_string, "list_to_string(list, separator) -> string",
     "Elements as CAST(... AS string) writes them; nulls are left out.", "list_to_string([1, NULL, 2], '+')",
     "\"1+2\""},

    {"struct", "Structs", "x*", '-', NULL, ls__fn_struct, "struct(name := value, ...)", "A struct of the named values.",
     "struct(a := 1, b := 'x').b", "\"x\""},
};

const ls_ex_fn *ls__ex_fn_at(size_t i) {
  return i < sizeof functions / sizeof functions[0] ? &functions[i] : NULL;
}

const ls_ex_fn *ls__ex_fn_find(ls_slice name) {
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    if (ls__ex_name_is(name, functions[i].name)) return &functions[i];
  }
  return NULL;
}
