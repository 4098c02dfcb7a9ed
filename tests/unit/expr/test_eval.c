/** @file test_eval.c  Operators and functions over the standard rows: expression, expected values
 * row by row. */
#include "helper_expr.h"

typedef struct sample {
  const char *text, *want;
} sample;

static void run_samples(const sample *samples, size_t n) {
  bench b;
  bench_standard(&b);
  for (size_t i = 0; i < n; i++) ck_run(&b, samples[i].text, samples[i].want);
  bench_fini(&b);
}
#define SAMPLES(...)                                                                                                   \
  static const sample samples[] = {__VA_ARGS__};                                                                       \
  run_samples(samples, sizeof samples / sizeof samples[0])

START_TEST(reads_columns) {
  SAMPLES({"id", "\"t1\" \"t2\" \"t3\" \"t4\""}, {"amount", "\"12.5000\" \"-0.0001\" \"10000.0000\" \"0.0000\""},
          {"fee", "\"1.25\" null \"99999999.99\" \"0.00\""},
          {"merchants.risk_level", "\"HIGH\" null \"LOW\" \"MEDIUM\""},
          {"\"merchants.risk_level\"", "\"HIGH\" null \"LOW\" \"MEDIUM\""}, {"st.a", "1 null null 4"},
          {"st.b || '!'", "\"x!\" null \"y!\" null"}, {"(st).a + 1", "2 null null 5"},
          {"tags", "[\"KYC\",\"AML\"] [] [\"b\",null,\"a\"] null"}, {"tags[1]", "\"KYC\" null \"b\" null"},
          {"tags[2]", "\"AML\" null null null"}, {"tags[0]", "null null null null"},
          {"tags[-1]", "null null null null"}, {"nums[qty - 5]", "2 null null null"}, {"[qty, 1][2]", "1 1 1 1"},
          {"[id, name]", "[\"t1\",\"Ada\"] [\"t2\",null] [\"t3\",\"Zürich\"] [\"t4\",\"\"]"},
          {"struct(a := id, b := qty).b", "7 0 null -3"},
          {"stream_time()", "\"1970-01-01T00:00:02Z\" \"1970-01-01T00:00:04Z\" \"1970-01-01T00:00:06Z\" "
                            "\"1970-01-01T00:00:08Z\""},
          {"event_time()", "\"1970-01-01T00:00:01Z\" \"1970-01-01T00:00:02Z\" \"1970-01-01T00:00:03Z\" "
                           "\"1970-01-01T00:00:04Z\""});
}
END_TEST

START_TEST(reckons_with_int64) {
  SAMPLES(
      {"qty + 1", "8 1 null -2"}, {"1 + qty", "8 1 null -2"}, {"qty - qty", "0 0 null 0"}, {"10 - qty", "3 10 null 13"},
      {"qty * -2", "-14 0 null 6"}, {"big + 1", "!int64 overflow -9223372036854775807 2 1"},
      {"big - 1", "9223372036854775806 !int64 overflow 0 -1"}, {"big * 2", "!int64 overflow !int64 overflow 2 0"},
      {"-big", "-9223372036854775807 !int64 overflow -1 0"}, {"abs(big)", "9223372036854775807 !int64 overflow 1 0"},
      {"big / -1", "-9223372036854775807 !int64 overflow -1 0"}, {"big % -1", "0 0 0 0"},
      {"7 / qty", "1 !division by zero null -2"}, {"7 % qty", "0 !division by zero null 1"}, {"qty / 2", "3 0 null -1"},
      {"-qty % 2", "-1 0 null 1"}, {"mod(qty, 4)", "3 0 null -3"}, {"sign(qty)", "1 0 null -1"},
      {"round(qty)", "7 0 null -3"},
      {"-9223372036854775808", "-9223372036854775808 -9223372036854775808 -9223372036854775808 -9223372036854775808"},
      {"1 - -1", "2 2 2 2"}, {"2 + 3 * 4 - 10 / 5", "12 12 12 12"}, {"(2 + 3) * 4", "20 20 20 20"},
      {"8 / 2 / 2", "2 2 2 2"}, {"1 / 0", "!division by zero !division by zero !division by zero !division by zero"});
}
END_TEST

START_TEST(reckons_with_decimals) {
  SAMPLES({"amount + fee", "\"13.7500\" null \"100009999.9900\" \"0.0000\""},
          {"amount - fee", "\"11.2500\" null \"-99989999.9900\" \"0.0000\""},
          {"fee - amount", "\"-11.2500\" null \"99989999.9900\" \"0.0000\""},
          {"amount - amount", "\"0.0000\" \"0.0000\" \"0.0000\" \"0.0000\""},
          {"amount + 1", "\"13.5000\" \"0.9999\" \"10001.0000\" \"1.0000\""},
          {"1 - amount", "\"-11.5000\" \"1.0001\" \"-9999.0000\" \"1.0000\""},
          {"amount * fee", "\"15.625000\" null \"999999999900.000000\" \"0.000000\""},
          {"amount * 2", "\"25.0000\" \"-0.0002\" \"20000.0000\" \"0.0000\""},
          {"-amount", "\"-12.5000\" \"0.0001\" \"-10000.0000\" \"0.0000\""},
          {"amount / 3.0", "\"4.1666667\" \"-0.0000333\" \"3333.3333333\" \"0.0000000\""},
          {"1.0 / fee", "\"0.800000000000\" null \"0.000000010000\" !division by zero"},
          {"amount % 0.3", "\"0.2000\" \"-0.0001\" \"0.1000\" \"0.0000\""},
          {"qty * 1.5", "\"10.5\" \"0.0\" null \"-4.5\""},
          {"abs(amount)", "\"12.5000\" \"0.0001\" \"10000.0000\" \"0.0000\""}, {"sign(amount)", "1 -1 1 0"},
          {"round(amount)", "\"13\" \"0\" \"10000\" \"0\""},
          {"round(amount, 3)", "\"12.500\" \"0.000\" \"10000.000\" \"0.000\""},
          {"round(amount - 25, 0)", "\"-13\" \"-25\" \"9975\" \"-25\""},
          {"floor(amount)", "\"12\" \"-1\" \"10000\" \"0\""}, {"ceil(amount)", "\"13\" \"0\" \"10000\" \"0\""},
          {"round(9.995, 2)", "\"10.00\" \"10.00\" \"10.00\" \"10.00\""}, {"0.1 + 0.2 = 0.3", "true true true true"},
          {"99999999999999999999999999999999999999 + 1",
           "!decimal overflow: the result needs more than 38 digits !decimal overflow: the result "
           "needs more than 38 "
           "digits !decimal overflow: the result needs more than 38 digits !decimal overflow: the "
           "result needs more than 38 digits"});
}
END_TEST

/* Terms that need more than 38 digits at the common scale, and results that do not. */
START_TEST(reckons_through_256_bits) {
  static const sample sums[] = {
      {"-60.816298878123627878576922899012410561 + 116.0779031", "\"55.261604221876372121423077100987589439\""},
      {"116.0779031 - 60.816298878123627878576922899012410561", "\"55.261604221876372121423077100987589439\""},
      {"116.0779031 + 60.816298878123627878576922899012410561",
       "!decimal overflow: the result needs more than 38 digits"},
      {"-68599445857648255958388739.0596 % -93.8422760920067138", "\"-75.7088547016856586\""},
      {"0.0000000000000000000000000000000000062 % -69991805279152177.0", "\"0.0000000000000000000000000000000000062\""},
      {"-99999999999999999.99 % 0.00000000000000000000000000037", "\"-0.00000000000000000000000000009\""}};
  bench b;
  bench_init(&b, "x int64");
  bench_row(&b, (const char *const[]){"1"});
  for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) ck_run(&b, sums[i].text, sums[i].want);
  bench_fini(&b);
}
END_TEST

START_TEST(multiplies_beyond_38_digits_of_scale) {
  bench b;
  bench_init(&b, "x decimal(38,10); y decimal(38,10)");
  bench_row(&b, (const char *const[]){"1.5", "2.5"});
  bench_row(&b, (const char *const[]){"-9999999999999999999999999999.9999999999", "0.0000000001"});
  bench_row(&b, (const char *const[]){"0.0005", "0.001"});
  bench_row(&b, (const char *const[]){"9999999999999999999999999999", "9999999999999999999999999999"});
  bench_row(&b, (const char *const[]){"-0.0005", "0.0009999999"});
  ck_assert_str_eq(type_of(&b, "x * y"), "decimal(38,6)");
  ck_run(&b, "x * y",
         "\"3.750000\" \"-1000000000000000000.000000\" \"0.000001\" "
         "!decimal overflow: the result needs more than 38 digits \"0.000000\"");
  ck_assert_str_eq(type_of(&b, "x + y"), "decimal(38,10)");
  ck_assert_str_eq(type_of(&b, "x / y"), "decimal(38,6)");
  ck_run(&b, "(x / y)",
         "\"0.600000\" !decimal overflow: the result needs more than 38 digits \"0.500000\" "
         "\"1.000000\" \"-0.500000\"");
  bench_fini(&b);
}
END_TEST

START_TEST(types_decimals_by_the_rules) {
  static const sample types[] = {{"amount + fee", "decimal(19,4)"},
                                 {"amount * fee", "decimal(28,6)"},
                                 {"amount / fee", "decimal(31,15)"},
                                 {"amount % fee", "decimal(12,4)"},
                                 {"amount + qty", "decimal(24,4)"},
                                 {"amount * 2", "decimal(19,4)"},
                                 {"qty * 1.5", "decimal(21,1)"},
                                 {"round(amount, 2)", "decimal(17,2)"},
                                 {"floor(fee)", "decimal(9,0)"},
                                 {"12.50", "decimal(4,2)"},
                                 {"0.05", "decimal(2,2)"},
                                 {"0.0", "decimal(1,1)"},
                                 {".5", "decimal(1,1)"},
                                 {"007.10", "decimal(3,2)"},
                                 {"9223372036854775808", "decimal(19,0)"},
                                 {"-9223372036854775808", "int64"},
                                 {"1e3", "float64"},
                                 {"qty / 2", "int64"},
                                 {"qty * 1e0", "float64"},
                                 {"CASE WHEN flag THEN 1 ELSE amount END", "decimal(18,4)"},
                                 {"COALESCE(fee, 0)", "decimal(10,2)"},
                                 {"COALESCE(fee, 0.001)", "decimal(11,3)"},
                                 {"COALESCE(qty, amount)", "decimal(23,4)"},
                                 {"['a']", "list<string>"},
                                 {"[1, 2.5]", "list<decimal(20,1)>"},
                                 {"[NULL, qty]", "list<int64>"},
                                 {"[[], [1]]", "list<list<int64>>"},
                                 {"struct(a := 1, b := tags)", "struct<a: int64, b: list<string>>"},
                                 {"date(ts)", "date"},
                                 {"ts + INTERVAL '1d'", "timestamp"},
                                 {"amount > 10000", "bool"},
                                 {"split('a', 'b')", "list<string>"},
                                 {"date_trunc('month', day)", "date"},
                                 {"CAST(NULL AS struct<x: int64>)", "struct<x: int64>"},
                                 {"CASE WHEN flag THEN NULL ELSE day END", "date"}};
  bench b;
  bench_standard(&b);
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    const char *got = type_of(&b, types[i].text);
    ck_assert_msg(strcmp(got, types[i].want) == 0, "%s is %s, not %s", types[i].text, got, types[i].want);
  }
  bench_fini(&b);
}
END_TEST

START_TEST(reckons_with_float64) {
  SAMPLES({"score * 2", "1.6 0.5 null -3.0"}, {"score + qty", "7.8 0.25 null -4.5"},
          {"1 / score", "1.25 4.0 null -0.6666666666666666"},
          {"score / 0", "!division by zero !division by zero null !division by zero"},
          {"score % 1", "0.8 0.25 null -0.5"}, {"-score", "-0.8 -0.25 null 1.5"}, {"abs(score)", "0.8 0.25 null 1.5"},
          {"round(score)", "1.0 0.0 null -2.0"}, {"floor(score)", "0.0 0.0 null -2.0"},
          {"ceil(score)", "1.0 1.0 null -1.0"}, {"sign(score)", "1 1 null -1"},
          {"score * 1e308 * 10", "!float64 overflow !float64 overflow null !float64 overflow"});
}
END_TEST

START_TEST(compares) {
  SAMPLES({"amount = 12.5", "true false false false"}, {"amount > 12.49999", "true false true false"},
          {"amount >= 10000", "false false true false"}, {"10000 <= amount", "false false true false"},
          {"amount < fee", "false null true false"}, {"amount <> 0", "true true true false"},
          {"amount > -0.00005", "true false true true"}, {"amount = qty", "false false null false"},
          {"amount > '0.5'", "true false true false"}, {"score >= 0.8", "true false null false"},
          {"score = 0.25", "false true null false"}, {"score < qty", "true false null false"},
          {"qty <= 0", "false true null true"}, {"qty != 7", "false true null true"},
          {"qty < big", "true false null true"}, {"name = 'Ada'", "true null false false"},
          {"name <> ''", "true null true false"}, {"name < 'B'", "true null false true"},
          {"'B' > name", "true null false true"}, {"id > name", "true null true true"},
          {"flag = TRUE", "true false null true"}, {"flag > FALSE", "true false null true"},
          {"ts > '2026-03-01T00:00:00Z'", "true false true false"}, {"ts < t2", "true null false false"},
          {"ts = TIMESTAMP '2000-02-29T12:00:00Z'", "false false false true"},
          {"day >= '2026-03-01'", "true false true false"}, {"day = DATE '2024-02-29'", "false true false false"},
          {"ts - t2 > INTERVAL '-5m'",
           "E19+5 '-5m' can't be read: write INTERVAL '10m' (units ms, s, m, h, d; sums as '1h30m')"},
          {"ts - t2 > -INTERVAL '5m'", "true null true true"}, {"ts - t2 > 2 * INTERVAL '1d'", "false null true false"},
          {"tags = ['KYC', 'AML']", "true false false null"}, {"tags <> []", "true false true null"},
          {"st = st", "true null true true"}, {"raw = CAST('b' AS bytes)", "false true false null"},
          {"qty BETWEEN 0 AND 7", "true true null false"}, {"qty NOT BETWEEN 0 AND 7", "false false null true"},
          {"qty + 1 BETWEEN NULL AND 3", "false null null null"},
          {"qty BETWEEN fee AND amount", "true false null false"}, {"id IN ('t1', 't4')", "true false false true"},
          {"id NOT IN ('t1', 't4')", "false true true false"}, {"qty IN (7, NULL)", "true null null null"},
          {"qty NOT IN (7, NULL)", "false null null null"}, {"qty * 2 IN (14, -6)", "true false null true"},
          {"amount IN (0, 12.5)", "true false false true"}, {"NULL IN (1)", "null null null null"},
          {"qty IS NULL", "false false true false"}, {"qty + 1 IS NOT NULL", "true true false true"},
          {"id IS NULL", "false false false false"}, {"fee IS DISTINCT FROM amount", "true true true false"},
          {"fee IS NOT DISTINCT FROM NULL", "false true false false"},
          {"name IS DISTINCT FROM merchants.risk_level", "true false true true"},
          {"qty + 0 IS NOT DISTINCT FROM qty", "true true true true"}, {"1 = NULL", "null null null null"});
}
END_TEST

START_TEST(matches_patterns) {
  SAMPLES({"name LIKE 'A%'", "true null false false"}, {"name LIKE '%a'", "true null false false"},
          {"name LIKE '%d%'", "true null false false"}, {"name LIKE 'Ada'", "true null false false"},
          {"name LIKE 'A_a'", "true null false false"}, {"name LIKE '_____'", "false null false false"},
          {"name LIKE '______'", "false null true false"}, {"name LIKE 'Z_rich'", "false null true false"},
          {"name LIKE '%'", "true null true true"}, {"name LIKE '%%'", "true null true true"},
          {"name LIKE ''", "false null false true"}, {"name LIKE '%r%c%'", "false null true false"},
          {"name NOT LIKE 'A%'", "false null true true"}, {"name LIKE name", "true null true true"},
          {"'a%b' LIKE 'a!%b' ESCAPE '!'", "true true true true"},
          {"'axb' LIKE 'a!%b' ESCAPE '!'", "false false false false"}, {"'aab' LIKE '%ab'", "true true true true"},
          {"'abcabd' LIKE '%ab_'", "true true true true"}, {"'a!' LIKE 'a!!' ESCAPE '!'", "true true true true"},
          {"'Ada' LIKE name ESCAPE 'a'",
           "!the pattern of LIKE ends with its escape character: double it, or give the character that "
           "it stands before null false false"},
          {"regexp_matches(id, '^t[12]$')", "true true false false"},
          {"regexp_matches(name, 'd|ric')", "true null true false"},
          {"regexp_matches(NULL, 'x')", "null null null null"}, {"starts_with(name, 'Z')", "false null true false"},
          {"ends_with(name, 'ch')", "false null true false"}, {"contains(name, 'ü')", "false null true false"},
          {"contains(name, '')", "true null true true"});
}
END_TEST

START_TEST(cuts_and_makes_texts) {
  SAMPLES({"lower(name)", "\"ada\" null \"zürich\" \"\""}, {"upper(name)", "\"ADA\" null \"ZüRICH\" \"\""},
          {"length(name)", "3 null 6 0"}, {"octet_length(name)", "3 null 7 0"},
          {"substr(name, 2)", "\"da\" null \"ürich\" \"\""}, {"substr(name, 2, 1)", "\"d\" null \"ü\" \"\""},
          {"substr(name, 0, 2)", "\"A\" null \"Z\" \"\""}, {"substr(name, -5)", "\"Ada\" null \"Zürich\" \"\""},
          {"substr(name, 9)", "\"\" null \"\" \"\""}, {"substr(id, qty)", "\"\" \"t2\" null \"t4\""},
          {"substr(id, 1, qty)", "\"t1\" \"\" null !substr: the count is negative"},
          {"substr(id, -9223372036854775807, 9223372036854775807)", "\"\" \"\" \"\" \"\""},
          {"left(name, 2)", "\"Ad\" null \"Zü\" \"\""}, {"left(name, -2)", "\"A\" null \"Züri\" \"\""},
          {"right(name, 2)", "\"da\" null \"ch\" \"\""}, {"right(name, -1)", "\"da\" null \"ürich\" \"\""},
          {"left(name, 0)", "\"\" null \"\" \"\""}, {"right(name, big)", "\"Ada\" null \"h\" \"\""},
          {"trim(' \t' || id || '\n ')", "\"t1\" \"t2\" \"t3\" \"t4\""},
          {"ltrim('  ' || id || ' ')", "\"t1 \" \"t2 \" \"t3 \" \"t4 \""},
          {"rtrim('  ' || id || ' ')", "\"  t1\" \"  t2\" \"  t3\" \"  t4\""},
          {"replace(name, 'ü', 'ue')", "\"Ada\" null \"Zuerich\" \"\""},
          {"replace(name, '', 'x')", "\"Ada\" null \"Zürich\" \"\""},
          {"replace('aaaa', 'aa', id)", "\"t1t1\" \"t2t2\" \"t3t3\" \"t4t4\""}, {"strpos(name, 'r')", "0 null 3 0"},
          {"strpos(name, '')", "1 null 1 1"}, {"name || '-' || id", "\"Ada-t1\" null \"Zürich-t3\" \"-t4\""},
          {"concat(name, '-', id)", "\"Ada-t1\" \"-t2\" \"Zürich-t3\" \"-t4\""},
          {"lpad(name, 5)", "\"  Ada\" null \"Züric\" \"     \""},
          {"rpad(name, 5, 'äb')", "\"Adaäb\" null \"Züric\" \"äbäbä\""},
          {"lpad(id, 4, '')", "\"t1\" \"t2\" \"t3\" \"t4\""}, {"lpad(id, -1, 'x')", "\"\" \"\" \"\" \"\""},
          {"split(id, 't')", "[\"\",\"1\"] [\"\",\"2\"] [\"\",\"3\"] [\"\",\"4\"]"},
          {"split(name, '')", "[\"Ada\"] null [\"Zürich\"] [\"\"]"},
          {"to_hex(id)", "\"7431\" \"7432\" \"7433\" \"7434\""},
          {"to_hex(qty)", "\"7\" \"0\" null \"fffffffffffffffd\""}, {"to_hex(raw)", "\"726177\" \"62\" \"\" null"},
          {"length(rpad('x', 2000000))",
           "!the text would be longer than 1 MiB !the text would be longer than 1 MiB !the text would "
           "be longer than 1 MiB !the text would be longer than 1 MiB"});
}
END_TEST

START_TEST(reckons_with_times) {
  SAMPLES({"ts + INTERVAL '10m'", "\"2026-03-01T09:25:02.125Z\" \"1970-01-01T00:09:59.999999Z\" "
                                  "\"2027-01-01T00:09:59Z\" \"2000-02-29T12:10:00Z\""},
          {"INTERVAL '1d' + day", "\"2026-03-02\" \"2024-03-01\" \"2027-01-01\" \"2000-03-01\""},
          {"day - INTERVAL '2d'", "\"2026-02-27\" \"2024-02-27\" \"2026-12-29\" \"2000-02-27\""},
          {"day + INTERVAL '1h'",
           "!a date moves by whole days: CAST it AS timestamp to add less !a date moves by whole days: "
           "CAST it AS timestamp to add less !a date moves by whole days: "
           "CAST it AS timestamp to add less !a date moves by whole days: CAST it AS timestamp to add "
           "less"},
          {"ts + INTERVAL '1d' * 3000000",
           "!the timestamp leaves the years 0001 to 9999 !the timestamp leaves the years 0001 to 9999 "
           "!the timestamp leaves the years 0001 to 9999 "
           "!the timestamp leaves the years 0001 to 9999"},
          {"date(ts)", "\"2026-03-01\" \"1969-12-31\" \"2026-12-31\" \"2000-02-29\""},
          {"year(ts)", "2026 1969 2026 2000"}, {"quarter(day)", "1 1 4 1"}, {"month(ts)", "3 12 12 2"},
          {"day(day)", "1 29 31 29"}, {"day_of_week(ts)", "7 3 4 2"}, {"hour(ts)", "9 23 23 12"},
          {"minute(ts)", "15 59 59 0"}, {"second(ts)", "2 59 59 0"},
          {"epoch_us(ts)", "1772356502125000 -1 1798761599000000 951825600000000"},
          {"to_timestamp_us(qty)", "\"1970-01-01T00:00:00.000007Z\" \"1970-01-01T00:00:00Z\" null "
                                   "\"1969-12-31T23:59:59.999997Z\""},
          {"to_timestamp_us(big)",
           "!the timestamp leaves the years 0001 to 9999 !the timestamp leaves the years 0001 to 9999 "
           "\"1970-01-01T00:00:00.000001Z\" \"1970-01-01T00:00:00Z\""},
          {"date_trunc('second', ts)", "\"2026-03-01T09:15:02Z\" \"1969-12-31T23:59:59Z\" "
                                       "\"2026-12-31T23:59:59Z\" \"2000-02-29T12:00:00Z\""},
          {"date_trunc('minute', ts)", "\"2026-03-01T09:15:00Z\" \"1969-12-31T23:59:00Z\" "
                                       "\"2026-12-31T23:59:00Z\" \"2000-02-29T12:00:00Z\""},
          {"date_trunc('HOUR', ts)", "\"2026-03-01T09:00:00Z\" \"1969-12-31T23:00:00Z\" "
                                     "\"2026-12-31T23:00:00Z\" \"2000-02-29T12:00:00Z\""},
          {"date_trunc('day', ts)", "\"2026-03-01T00:00:00Z\" \"1969-12-31T00:00:00Z\" "
                                    "\"2026-12-31T00:00:00Z\" \"2000-02-29T00:00:00Z\""},
          {"date_trunc('week', day)", "\"2026-02-23\" \"2024-02-26\" \"2026-12-28\" \"2000-02-28\""},
          {"date_trunc('month', day)", "\"2026-03-01\" \"2024-02-01\" \"2026-12-01\" \"2000-02-01\""},
          {"date_trunc('quarter', day)", "\"2026-01-01\" \"2024-01-01\" \"2026-10-01\" \"2000-01-01\""},
          {"date_trunc('year', ts)", "\"2026-01-01T00:00:00Z\" \"1969-01-01T00:00:00Z\" "
                                     "\"2026-01-01T00:00:00Z\" \"2000-01-01T00:00:00Z\""},
          {"date_diff('day', DATE '2026-01-01', day)", "59 -672 364 -9438"},
          {"date_diff('minute', ts, t2)", "5 null -440639 -1440"}, {"date_diff('month', t2, ts)", "0 null 9 0"},
          {"date_diff('year', day, DATE '2000-12-31')", "-26 -24 -26 0"},
          {"date_diff('week', DATE '2026-03-01', DATE '2026-03-02')", "1 1 1 1"},
          {"greatest(ts, t2)", "\"2026-03-01T09:20:00Z\" \"1969-12-31T23:59:59.999999Z\" "
                               "\"2026-12-31T23:59:59Z\" \"2000-02-29T12:00:00Z\""});
}
END_TEST

START_TEST(works_on_lists) {
  SAMPLES({"list_length(tags)", "2 0 3 null"}, {"length(nums)", "2 null 2 0"},
          {"list_compact(tags)", "[\"KYC\",\"AML\"] [] [\"b\",\"a\"] null"},
          {"list_sort(tags)", "[\"AML\",\"KYC\"] [] [\"a\",\"b\",null] null"},
          {"list_distinct(list_concat(tags, tags))", "[\"KYC\",\"AML\"] [] [\"b\",null,\"a\"] null"},
          {"list_contains(tags, 'a')", "false false true null"}, {"list_contains(tags, name)", "false null false null"},
          {"list_contains([7, 8], qty)", "true false null false"},
          {"list_contains([12.5, 0], amount)", "true false false true"},
          {"list_contains(nums, 3)", "false null true false"},
          {"list_concat(tags, [id])", "[\"KYC\",\"AML\",\"t1\"] [\"t2\"] [\"b\",null,\"a\",\"t3\"] null"},
          {"list_concat(nums, [])", "[1,2] null [3,null] []"},
          {"list_to_string(tags, '; ')", "\"KYC; AML\" \"\" \"b; a\" null"},
          {"list_to_string([amount, 1], '|')",
           "\"12.5000|1.0000\" \"-0.0001|1.0000\" \"10000.0000|1.0000\" \"0.0000|1.0000\""},
          {"list_compact([CASE WHEN merchants.risk_level = 'HIGH' THEN 'KYC_REQUIRED' END, CASE WHEN "
           "merchants.risk_level IS NULL THEN 'UNKNOWN_MERCHANT' END])",
           "[\"KYC_REQUIRED\"] [\"UNKNOWN_MERCHANT\"] [] []"},
          {"list_sort([3, 1, 2, NULL, 9, 8, 7, 6, 5, 4, 10, 20, 15, 14, 13, 12, 11, 19, 18, 17, 16, "
           "qty])[1]",
           "1 0 1 -3"},
          {"CAST(nums AS list<string>)", "[\"1\",\"2\"] null [\"3\",null] []"},
          {"CAST(tags AS list<int64>)", "!the text is not a whole number [] !the text is not a whole number null"},
          {"TRY_CAST(tags AS list<int64>)", "[null,null] [] [null,null,null] null"},
          {"CAST([['1'], [id]] AS list<list<int64>>)[1]",
           "!the text is not a whole number !the text is not a whole number !the text is not a whole "
           "number !the text is not a whole number"},
          {"COALESCE(tags, [])", "[\"KYC\",\"AML\"] [] [\"b\",null,\"a\"] []"},
          {"list_concat(split('x,y', ','), ['z'])",
           "[\"x\",\"y\",\"z\"] [\"x\",\"y\",\"z\"] [\"x\",\"y\",\"z\"] [\"x\",\"y\",\"z\"]"});
}
END_TEST

START_TEST(casts) {
  SAMPLES({"CAST(qty AS string)", "\"7\" \"0\" null \"-3\""},
          {"CAST(amount AS string)", "\"12.5000\" \"-0.0001\" \"10000.0000\" \"0.0000\""},
          {"CAST(flag AS string)", "\"true\" \"false\" null \"true\""},
          {"CAST(score AS string)", "\"0.8\" \"0.25\" null \"-1.5\""},
          {"CAST(ts AS string)", "\"2026-03-01T09:15:02.125Z\" \"1969-12-31T23:59:59.999999Z\" "
                                 "\"2026-12-31T23:59:59Z\" \"2000-02-29T12:00:00Z\""},
          {"CAST(day AS string)", "\"2026-03-01\" \"2024-02-29\" \"2026-12-31\" \"2000-02-29\""},
          {"CAST(day AS timestamp)", "\"2026-03-01T00:00:00Z\" \"2024-02-29T00:00:00Z\" "
                                     "\"2026-12-31T00:00:00Z\" \"2000-02-29T00:00:00Z\""},
          {"CAST(ts AS date)", "\"2026-03-01\" \"1969-12-31\" \"2026-12-31\" \"2000-02-29\""},
          {"CAST(amount AS int64)", "13 0 10000 0"}, {"CAST(-2.5 AS int64)", "-3 -3 -3 -3"},
          {"CAST(amount AS decimal(6,1))", "\"12.5\" \"0.0\" \"10000.0\" \"0.0\""},
          {"CAST(amount AS decimal(5,1))", "\"12.5\" \"0.0\" !the number does not fit the decimal type \"0.0\""},
          {"TRY_CAST(amount AS decimal(5,1))", "\"12.5\" \"0.0\" null \"0.0\""},
          {"CAST(big AS decimal(18,0))", "!the number does not fit the decimal type !the number does "
                                         "not fit the decimal type \"1\" \"0\""},
          {"CAST(big AS float64) > 9e18", "true false false false"},
          {"CAST(score AS decimal(3,2))", "\"0.80\" \"0.25\" null \"-1.50\""}, {"CAST(score AS int64)", "1 0 null -2"},
          {"CAST(amount AS float64)", "12.5 -0.0001 10000.0 0.0"}, {"CAST(flag AS int64)", "1 0 null 1"},
          {"CAST(substr(id, 2) AS int64) + 1", "2 3 4 5"},
          {"CAST(name AS int64)", "!the text is not a whole number null !the text is not a whole "
                                  "number !the text is not a whole number"},
          {"TRY_CAST(name AS int64)", "null null null null"}, {"TRY_CAST(name AS date)", "null null null null"},
          {"TRY_CAST(raw AS string)", "\"raw\" \"b\" \"\" null"},
          {"TRY_CAST('9223372036854775808' AS int64)", "null null null null"}, {"CAST('+5' AS int64)", "5 5 5 5"},
          {"TRY_CAST(' 5' AS int64)", "null null null null"}, {"TRY_CAST('5.0' AS int64)", "null null null null"},
          {"CAST('1.50' AS decimal(5,1))", "\"1.5\" \"1.5\" \"1.5\" \"1.5\""},
          {"TRY_CAST('1.55' AS decimal(5,1))", "null null null null"},
          {"CAST('1e3' AS float64)", "1000.0 1000.0 1000.0 1000.0"},
          {"TRY_CAST('nan' AS float64)", "null null null null"}, {"TRY_CAST('0x10' AS float64)", "null null null null"},
          {"TRY_CAST('1e999' AS float64)", "null null null null"}, {"CAST('TRUE' AS bool)", "true true true true"},
          {"TRY_CAST('yes' AS bool)", "null null null null"},
          {"CAST('2026-03-01' AS date)", "\"2026-03-01\" \"2026-03-01\" \"2026-03-01\" \"2026-03-01\""},
          {"TRY_CAST('2026-02-30' AS date)", "null null null null"}, {"CAST(NULL AS date)", "null null null null"},
          {"CAST(id AS string)", "\"t1\" \"t2\" \"t3\" \"t4\""},
          {"CAST(score * 1e300 AS int64)", "!the number does not fit int64 !the number does not fit "
                                           "int64 null !the number does not fit int64"},
          {"CAST(score * 1e300 AS decimal(38,0))",
           "!the number does not fit the decimal type !the number does not fit the decimal type null "
           "!the number does not fit the decimal type"});
}
END_TEST

START_TEST(chooses_lazily) {
  SAMPLES(
      {"CASE WHEN qty = 0 THEN 0 ELSE 14 / qty END", "2 0 null -4"},
      {"CASE WHEN TRUE THEN 1 ELSE 1 / 0 END", "1 1 1 1"}, {"CASE WHEN FALSE THEN 1 / 0 END", "null null null null"},
      {"CASE qty WHEN 7 THEN 'seven' WHEN 0 THEN 'zero' ELSE 'other' END", "\"seven\" \"zero\" \"other\" \"other\""},
      {"CASE qty + 1 WHEN 8 THEN id END", "\"t1\" null null null"},
      {"CASE WHEN flag THEN 'y' WHEN NOT flag THEN 'n' ELSE '?' END", "\"y\" \"n\" \"?\" \"y\""},
      {"CASE WHEN 7 / qty > 0 THEN 'a' ELSE 'b' END", "\"a\" !division by zero \"b\" \"b\""},
      {"CASE WHEN 7 / qty > 0 THEN 1 / 0 ELSE 2 END", "!division by zero !division by zero 2 2"},
      {"COALESCE(qty, 1 / 0)", "7 0 !division by zero -3"}, {"COALESCE(qty, 5)", "7 0 5 -3"},
      {"COALESCE(name, merchants.risk_level, 'none')", "\"Ada\" \"none\" \"Zürich\" \"\""},
      {"COALESCE(7 / qty, 1)", "1 !division by zero 1 -2"},
      {"COALESCE(fee, amount)", "\"1.2500\" \"-0.0001\" \"99999999.9900\" \"0.0000\""},
      {"IF(qty > 0, 10 / qty, -1)", "1 -1 -1 -1"}, {"IF(flag, id)", "\"t1\" null null \"t4\""},
      {"NULLIF(qty, 0)", "7 null null -3"}, {"NULLIF(qty + 1, 1)", "8 null null -2"},
      {"7 / NULLIF(qty, 0)", "1 null null -2"}, {"greatest(qty, 1)", "7 1 1 1"}, {"least(qty, 1)", "1 0 1 -3"},
      {"greatest(name, id)", "\"t1\" \"t2\" \"t3\" \"t4\""},
      {"least(fee, amount)", "\"1.2500\" \"-0.0001\" \"10000.0000\" \"0.0000\""},
      {"least(NULL, NULL, qty)", "7 0 null -3"}, {"qty <> 0 AND 7 / qty > 0", "true false null false"},
      {"qty = 0 OR 7 / qty > 0", "true true null false"}, {"7 / qty > 0 OR TRUE", "true !division by zero true true"},
      {"7 / qty > 0 AND 1 / 0 = 1", "!division by zero !division by zero !division by zero false"},
      {"qty = 0 OR qty = 7 OR 1 / 0 = 1", "true true !division by zero !division by zero"},
      {"CASE WHEN qty = 0 THEN NULL WHEN id IN ('t1', 't3') THEN [id] ELSE [] END", "[\"t1\"] null [\"t3\"] []"},
      {"1 / 0 = 1 AND FALSE", "!division by zero !division by zero !division by zero !division by zero"});
}
END_TEST

START_TEST(active_rows_alone_report) {
  bench b;
  uint64_t active[1] = {0x5}; /* rows 0 and 2 */
  bench_standard(&b);
  ck_assert_str_eq(run_active(&b, "7 / qty", active), "1 null");
  ck_assert_str_eq(run_active(&b, "big + 1", active), "!int64 overflow 2");
  ck_assert_str_eq(run_active(&b, "name || id", active), "\"Adat1\" \"Zürich"
                                                         "t3\"");
  ck_assert_str_eq(run_active(&b, "list_sort(tags)", active), "[\"AML\",\"KYC\"] [\"a\",\"b\",null]");
  active[0] = 0;
  ck_assert_str_eq(run_active(&b, "1 / 0", active), "");
  bench_fini(&b);
}
END_TEST

START_TEST(bare_columns_are_views) {
  bench b;
  bench_standard(&b);
  ls_expr *expr = must_compile(&b, "amount");
  ls_expr_state *state = NULL;
  ls_error err = LS_ERROR_INIT;
  ls_column out;
  ck_assert_int_eq(ls__expr_state_new(&state, expr, &b.env, &err), LS_OK);
  ck_assert_int_eq(ls__expr_eval(&out, state, b.batch, NULL, &b.scratch, NULL, NULL, &err), LS_OK);
  ck_assert_ptr_eq(out.values, b.batch->columns[1].values);
  ck_assert_int_eq(ls__expr_is_column(expr), 1);
  ck_assert_int_eq(ls__expr_is_column(must_compile(&b, "amount + 0")), -1);
  ck_assert_int_eq(ls__expr_is_column(must_compile(&b, "(amount)")), 1);
  ls__expr_state_free(state);
  bench_fini(&b);
}
END_TEST

int main(void) {
  const TTest *tests[] = {reads_columns,
                          reckons_with_int64,
                          reckons_with_decimals,
                          reckons_through_256_bits,
                          multiplies_beyond_38_digits_of_scale,
                          types_decimals_by_the_rules,
                          reckons_with_float64,
                          compares,
                          matches_patterns,
                          cuts_and_makes_texts,
                          reckons_with_times,
                          works_on_lists,
                          casts,
                          chooses_lazily,
                          active_rows_alone_report,
                          bare_columns_are_views};
  return run_suite("eval", tests, sizeof tests / sizeof tests[0]);
}
