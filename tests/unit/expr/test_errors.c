/** @file test_errors.c  Compile errors: the exact place, and what the message must say. */
#include "helper_expr.h"

typedef struct mistake {
  const char *text, *where, *says;
} mistake;

static void check(bench *b, const mistake *m) {
  const char *got = run(b, m->text);
  size_t n = strlen(m->where);
  bool placed = strncmp(got, m->where, n) == 0 && got[n] == ' ';
  ck_assert_msg(placed && strstr(got, m->says), "%s\n   gives %s\n   wanted %s ...%s...", m->text, got, m->where,
                m->says);
}

static void check_all(const mistake *mistakes, size_t n) {
  bench b;
  bench_standard(&b);
  for (size_t i = 0; i < n; i++) check(&b, &mistakes[i]);
  bench_fini(&b);
}
#define MISTAKES(...)                                                                                                  \
  static const mistake mistakes[] = {__VA_ARGS__};                                                                     \
  check_all(mistakes, sizeof mistakes / sizeof mistakes[0])

START_TEST(syntax) {
  MISTAKES({"", "E0+0", "empty"}, {"  ", "E0+2", "empty"}, {"-- only this", "E0+12", "empty"},
           {"1 +", "E3+0", "ends where a value"}, {"1 + * 2", "E4+1", "'*' stands where a value"},
           {"(1", "E2+0", "')'"}, {"1)", "E1+1", "an operator or the end"}, {"'abc", "E0+4", "closing ' is missing"},
           {"id = \"x", "E5+2", "closing \" is missing"}, {"\"\"", "E0+2", "empty"},
           {"id = 12ab", "E5+4", "neither a number nor a name"}, {"id == 't1'", "E4+1", "a value"},
           {"id = 't1' && flag", "E10+1", "write AND"}, {"!flag", "E0+1", "NOT"}, {"qty; 1", "E3+1", "one expression"},
           {"${x}", "E0+1", "parameters"}, {"id \x01", "E3+1", "byte 0x01"}, {"\xff", "E0+1", "UTF-8"},
           {"id = 't1' = flag", "E10+1", "do not chain"}, {"1 < qty < 3", "E8+1", "do not chain"},
           {"id IS 5", "E6+1", "NULL or DISTINCT FROM"}, {"id NOT 5", "E7+1", "IN, LIKE or BETWEEN"},
           {"id IN 5", "E6+1", "'('"}, {"id IN ()", "E7+1", "a value"}, {"qty BETWEEN 1", "E13+0", "AND"},
           {"CASE 1 END", "E7+3", "WHEN"}, {"CASE WHEN flag THEN 1", "E21+0", "WHEN, ELSE or END"},
           {"CASE WHEN flag 1 END", "E15+1", "THEN"}, {"CASE WHEN flag THEN 1 ELSE 2 WHEN", "E29+4", "END"},
           {"[1, 2", "E5+0", "',' or ']'"}, {"qty = NOT flag", "E6+3", "parentheses"},
           {"lower(name", "E10+0", "',' or ')'"}, {"lower(name,)", "E11+1", "a value"}, {"tags[1", "E6+0", "']'"},
           {"st.1", "E2+2", "an operator"}, {"st.", "E3+0", "a name"}, {"end", "E0+3", "a value"},
           {"qty qty", "E4+3", "an operator"}, {"foo 'x'", "E4+3", "an operator"}, {"CAST(qty)", "E8+1", "AS"},
           {"CAST(qty AS)", "E11+0", "a type"}, {"CAST(qty AS nothing)", "E12+7", "nothing"},
           {"CAST(qty AS decimal(99,2))", "E12+13", "38"}, {"CAST(qty AS int64", "E12+5", "')'"});
}
END_TEST

START_TEST(names) {
  MISTAKES({"amout > 1", "E0+5", "did you mean `amount`?"}, {"1 + amout", "E4+5", "columns: id, amount, fee"},
           {"zzzzzzzz", "E0+8", "unknown column `zzzzzzzz`  columns: "},
           {"merchants.risk_lvl", "E0+18", "did you mean `merchants.risk_level`"},
           {"st.c", "E3+1", "unknown field `c`"}, {"st.bb", "E3+2", "did you mean `b`?"},
           {"id.x", "E3+1", "string has no fields"}, {"(st).x", "E5+1", "unknown field"},
           {"lowr(name)", "E0+4", "did you mean `lower`?"}, {"LOWR(name)", "E0+4", "did you mean `lower`?"},
           {"1 + qqqqqqq(3)", "E4+7", "neither built in nor in a loaded plugin"},
           {"now()", "E0+3", "must not depend on the clock"}, {"\"id x\"", "E0+6", "unknown column `id x`"},
           {"EXISTS(policies, flag)", "E7+8", "there are no global tables"}, {"EXISTS('x')", "E7+3", "name of a table"},
           {"EXISTS()", "E0+6", "EXISTS takes"});
}
END_TEST

START_TEST(types) {
  MISTAKES(
      {"id = 1", "E3+1", "string and int64 can't be compared"}, {"qty = 'x'", "E4+1", "int64 and string"},
      {"amount > score", "E7+1", "never becomes float64 by itself"},
      {"amount * score", "E7+1", "never becomes float64"}, {"amount + 1e3", "E7+1", "never becomes float64"},
      {"ts = day", "E3+1", "date(t)"}, {"ts > '2026-03-01'", "E5+12", "is not a timestamp"},
      {"day = '2026-3-1'", "E6+10", "is not a date"}, {"amount = 'abc'", "E9+5", "is not a decimal(18,4)"},
      {"amount = '0.00001'", "E9+9", "no more digits"},
      {"flag AND 1", "E9+1", "an operand of AND must be bool, not int64"}, {"NOT qty", "E4+3", "must be bool"},
      {"qty OR flag", "E0+3", "must be bool"}, {"id + 1", "E3+1", "string + int64"},
      {"id + id", "E3+1", "joined with ||"}, {"-id", "E0+1", "needs a number"},
      {"id || qty", "E6+3", "CAST(... AS string)"}, {"tags || tags", "E0+4", "list_concat"},
      {"day - day", "E4+1", "date_diff"}, {"ts + 1", "E3+1", "INTERVAL"},
      {"INTERVAL '1h'", "E0+13", "can't be a result"}, {"ts - t2", "E0+7", "can't be a result"},
      {"INTERVAL 'soon'", "E9+6", "1h30m"}, {"DATE '2026-02-30'", "E5+12", "DATE '2026-03-01'"},
      {"NULL", "E0+4", "no type by itself"}, {"[]", "E0+2", "an empty list has no type"},
      {"CASE WHEN flag THEN NULL END", "E0+28", "NULL has no type"},
      {"CASE WHEN flag THEN 1 ELSE 'x' END", "E27+3", "CASE mixes int64 and string"},
      {"CASE WHEN qty THEN 1 END", "E10+3", "condition after WHEN must be bool"},
      {"CASE qty WHEN 'x' THEN 1 END", "E14+3", "can't be compared"},
      {"COALESCE(id, qty)", "E13+3", "COALESCE mixes string and int64"},
      {"COALESCE(amount, score)", "E17+5", "CAST one"}, {"IF(qty, 1, 2)", "E3+3", "must be bool"},
      {"[1, 'a']", "E4+3", "the list mixes"}, {"id IN ('a', 5)", "E12+1", "string and int64"},
      {"greatest(tags, tags)", "E0+8", "no order"}, {"tags < tags", "E5+1", "only = and <>"},
      {"lower(qty)", "E6+3", "argument 1 of lower must be string, not int64: CAST"},
      {"lower()", "E0+5", "takes 1 argument, 0 given: lower(text)"}, {"substr(id)", "E0+6", "at least 2"},
      {"lower(a := id)", "E6+1", "have no names"}, {"left(id, 1.5)", "E9+3", "must be int64, not decimal(2,1)"},
      {"struct(1)", "E0+6", "have names"}, {"struct(a := 1, a := 2)", "E15+1", "twice"},
      {"struct(a := NULL)", "E12+4", "no type"}, {"struct(a := 1, 2)", "E15+1", "all arguments have a name or none"},
      {"lower(id := 1, 2)", "E15+1", "or none"}, {"date('2026-03-01')", "E5+12", "a timestamp or a date"},
      {"hour(day)", "E5+3", "no time of day"}, {"date_trunc('fortnight', ts)", "E11+11", "is no unit"},
      {"date_trunc(id, ts)", "E11+2", "must be a constant"},
      {"date_trunc('hour', day)", "E11+6", "a date has no hours"},
      {"date_diff('day', ts, day)", "E21+3", "two timestamps or two dates"}, {"round(score, 2)", "E6+5", "AS decimal"},
      {"round(amount, 39)", "E14+2", "0 to 38"}, {"round(amount, qty)", "E14+3", "must be a constant"},
      {"regexp_matches(id, '(')", "E19+3", "POSIX extended"},
      {"regexp_matches(id, '(a)\\1')", "E19+7", "back references"},
      {"regexp_matches(id, '((a{100}){100})')", "E19+17", "1000"}, {"regexp_matches(id, name)", "E19+4", "constant"},
      {"id LIKE 'x' ESCAPE 'ab'", "E19+4", "one ASCII character"},
      {"id LIKE 'x!' ESCAPE '!'", "E8+4", "ends with its escape character"},
      {"id LIKE '!!!' ESCAPE '!'", "E8+5", "ends with its escape character"},
      {"qty LIKE '7'", "E0+3", "the text of LIKE"}, {"length(qty)", "E7+3", "string or a list"},
      {"length(raw)", "E7+3", "octet_length"}, {"list_sort([tags])", "E10+6", "no order"},
      {"list_length([])", "E12+2", "known type"}, {"list_contains(tags, 5)", "E20+1", "must be string, not int64"},
      {"list_concat(tags, nums)", "E18+4", "mixes"}, {"list_to_string([raw], ',')", "E15+5", "no text form"},
      {"qty[1]", "E3+1", "not of int64"}, {"tags['a']", "E5+3", "position in a list must be int64"},
      {"CAST(qty AS timestamp)", "E0+4", "to_timestamp_us"}, {"CAST(ts AS int64)", "E0+4", "epoch_us"},
      {"CAST(tags AS string)", "E0+4", "list_to_string"}, {"CAST(st AS string)", "E0+4", "can't be cast"},
      {"99999999999999999999999999999999999999999", "E0+41", "38 digits"}, {"1e999", "E0+5", "too large"},
      {"to_hex(score)", "E7+5", "to_hex must be"});
}
END_TEST

static void nest(ls_buf *buf, const char *open, const char *middle, const char *close, int n) {
  ls__buf_clear(buf);
  for (int i = 0; i < n; i++) ls__buf_puts(buf, open);
  ls__buf_puts(buf, middle);
  for (int i = 0; i < n; i++) ls__buf_puts(buf, close);
}

START_TEST(limits) {
  static const char *const nests[][3] = {{"(", "1", ")"},
                                         {"[", "1", "]"},
                                         {"-(", "qty", ")"},
                                         {"NOT ", "flag", ""},
                                         {"- ", "qty", ""},
                                         {"abs(", "qty", ")"},
                                         {"CASE WHEN ", "flag", " THEN TRUE END"},
                                         {"", "qty", " + 1"},
                                         {"", "tags", "[1]"},
                                         {"", "st", ".a"},
                                         {"1 + (", "qty", ")"},
                                         {"qty IN (", "1", ")"},
                                         {"struct(a := ", "1", ")"}};
  bench b;
  ls_buf buf = LS_BUF_INIT;
  bench_standard(&b);
  for (size_t i = 0; i < sizeof nests / sizeof nests[0]; i++) {
    for (int n = 190; n < 6000; n = n * 3 / 2) {
      nest(&buf, nests[i][0], nests[i][1], nests[i][2], n);
      const char *got = run(&b, buf.ptr);
      if (n > 400 && buf.len <= 65536) ck_assert_msg(got[0] == 'E', "%s... %d deep: %s", nests[i][0], n, got);
    }
  }
  nest(&buf, "(", "1", ")", 150);
  ck_run(&b, buf.ptr, "1 1 1 1");
  nest(&buf, "flag AND ", "flag", "", 3000); /* a chain is no depth */
  ck_run(&b, buf.ptr, "true false null true");
  nest(&buf, "id || ", "id", "", 2000);
  ck_assert_uint_eq(strlen(run(&b, buf.ptr)), 4 * (2001 * 2 + 2) + 3);
  nest(&buf, "", "1", " ", 65536);
  ck_assert_ptr_nonnull(strstr(run(&b, buf.ptr), "64 KiB"));
  ls__buf_fini(&buf);
  bench_fini(&b);
}
END_TEST

START_TEST(constants_only_without_a_schema) {
  bench b;
  bench_standard(&b);
  b.env.schema = NULL;
  ck_assert_ptr_nonnull(strstr(run(&b, "qty"), "no columns here"));
  ck_assert_str_eq(type_of(&b, "1 + 1"), "int64");
  bench_fini(&b);
}
END_TEST

int main(void) {
  const TTest *tests[] = {syntax, names, types, limits, constants_only_without_a_schema};
  return run_suite("errors", tests, sizeof tests / sizeof tests[0]);
}
