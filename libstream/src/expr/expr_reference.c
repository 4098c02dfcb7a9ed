/**
 * @file expr_reference.c
 * The reference of the language as Markdown: rules in prose, operators from the table here,
 * functions from expr_functions.c. docs/EXPRESSIONS.md is this output; a test compares them and runs
 * every example.
 */
#include "expr/fn.h"

static const ls_ex_operator_doc operators[] = {
    {"Arithmetic", "a + b, a - b, a * b", "Numbers; see the type rules.", "12.50 + 0.125", "\"12.625\""},
    {"Arithmetic", "a / b", "int64 / int64 is cut toward zero. Division by zero is a row error.", "7 / 2", "3"},
    {"Arithmetic", "a / b", "Decimals: rounded half away from zero at the scale of the rules below.", "1.00 / 3.00",
     "\"0.333333\""},
    {"Arithmetic", "a % b", "The rest; its sign is that of a.", "-7 % 3", "-1"},
    {"Arithmetic", "-a, +a", "", "-(2 - 5)", "3"},
    {"Arithmetic", "t + interval, t - interval", "Timestamp or date; a date moves by whole days only.",
     "TIMESTAMP '2026-03-01T09:00:00Z' + INTERVAL '1h30m'", "\"2026-03-01T10:30:00Z\""},
    {"Arithmetic", "t1 - t2", "Of two timestamps: an interval, to compare with one.",
     "TIMESTAMP '2026-03-01T09:10:00Z' - TIMESTAMP '2026-03-01T09:00:00Z' <= INTERVAL '10m'", "true"},
    {"Comparison", "a = b, a <> b, a != b", "Null when either is null.", "'USD' = 'EUR'", "false"},
    {"Comparison", "a < b, a <= b, a > b, a >= b", "Texts bytewise (code point order); false before true.", "'B' < 'a'",
     "true"},
    {"Comparison", "a IS NULL, a IS NOT NULL", "Never null.", "NULL IS NULL", "true"},
    {"Comparison", "a IS [NOT] DISTINCT FROM b", "Like <> and =, but null equals null.",
     "NULL IS NOT DISTINCT FROM NULL", "true"},
    {"Comparison", "a [NOT] BETWEEN low AND high", "a >= low AND a <= high.", "5 BETWEEN 1 AND 5", "true"},
    {"Comparison", "a [NOT] IN (x, y, ...)", "a = x OR a = y ...: null when none is equal and one is null.",
     "'EUR' IN ('USD', 'EUR')", "true"},
    {"Comparison", "a [NOT] LIKE pattern [ESCAPE 'c']", "% any characters, _ one character; case matters.",
     "'10%' LIKE '1_!%' ESCAPE '!'", "true"},
    {"Logic", "a AND b", "False when one is false, else null when one is null. After a false, b is not evaluated.",
     "FALSE AND NULL", "false"},
    {"Logic", "a OR b", "True when one is true, else null when one is null. After a true, b is not evaluated.",
     "TRUE OR 1 / 0 = 1", "true"},
    {"Logic", "NOT a", "Null when a is.", "NOT FALSE", "true"},
    {"Choice", "CASE WHEN condition THEN a ... [ELSE b] END",
     "The first whose condition is true; branches not taken are not evaluated.",
     "CASE WHEN 2 < 1 THEN 'a' WHEN 2 > 1 THEN 'b' END", "\"b\""},
    {"Choice", "CASE x WHEN value THEN a ... [ELSE b] END", "The same with x = value.",
     "CASE 'HIGH' WHEN 'LOW' THEN 1 ELSE 2 END", "2"},
    {"Casts", "CAST(x AS type)", "A value that has no counterpart is a row error.", "CAST('12.5' AS decimal(18,4))",
     "\"12.5000\""},
    {"Casts", "TRY_CAST(x AS type)", "The same, but null instead of the error.", "TRY_CAST('n/a' AS int64)", "null"},
    {"Texts", "a || b", "Joins texts; null when either is.", "'a' || 'b'", "\"ab\""},
    {"Lists and structs", "[a, b, ...]", "A list; elements have one type.", "['a', NULL]", "[\"a\",null]"},
    {"Lists and structs", "list[n]", "The n-th element from 1; null outside.", "[10, 20][2]", "20"},
    {"Lists and structs", "struct.field", "", "struct(a := 1, b := 2).a", "1"},
    {"Tables", "EXISTS(table [, condition])",
     "Whether a global table has a row (that meets the condition). Inside, only the table's own "
     "columns are known.",
     NULL, NULL},
};

const ls_ex_operator_doc *ls__ex_operator_doc_at(size_t i) {
  return i < sizeof operators / sizeof operators[0] ? &operators[i] : NULL;
}

static const char head[] =
    "<!-- Generated from libstream/src/expr (expr_reference.c, expr_functions.c). Do not edit: change "
    "the tables. -->\n"
    "# Expressions\n\n"
    "SQL scalar expressions, checked against the schema before any record is read. Every error "
    "names the place, what is\n"
    "wrong and what would be right.\n\n"
    "## Words\n\n"
    "| written | meaning |\n|---|---|\n"
    "| `123` | int64; decimal when it does not fit |\n"
    "| `12.50` | exact decimal with the digits it has: decimal(4,2) |\n"
    "| `1e3` | float64 |\n"
    "| `'it''s'` | text |\n"
    "| `TRUE`, `FALSE`, `NULL` | |\n"
    "| `DATE '2026-03-01'`, `TIMESTAMP '2026-03-01T09:00:00Z'` | UTC, up to microseconds |\n"
    "| `INTERVAL '1h30m'` | duration: ms, s, m, h, d; for sums with times and comparisons, not a "
    "result |\n"
    "| `amount`, `merchants.risk_level`, `\"odd name\"` | column: the longest dotted name of the "
    "schema, then struct fields |\n"
    "| `-- text` | comment to the end of the line |\n\n"
    "Keywords and built-in functions may be written in any case; column names are taken as they "
    "are. A column that is called\n"
    "like one of AND, OR, NOT, IS, NULL, TRUE, FALSE, IN, LIKE, BETWEEN, CASE, WHEN, THEN, ELSE, "
    "END stands in double quotes.\n"
    "Operators bind in the order: `[ ]` and `.`, unary `-`, `* / %`, `+ -`, `||`, comparisons "
    "(these do not chain), NOT, AND,\n"
    "OR. A text has at most 64 KiB and 200 levels of nesting.\n\n"
    "## Errors and nulls\n\n"
    "A value that can't be computed (overflow, division by zero, a cast that fails, a plugin's "
    "refusal) is a row error: the row\n"
    "goes to the dead letters, the run goes on. Rows that AND, OR, CASE, IF or COALESCE settled "
    "are not evaluated further, and\n"
    "raise no errors there. Unless a function says otherwise, a null argument makes a null "
    "result.\n\n"
    "## Type rules\n\n"
    "- Nothing is converted where that could lose something: int64 becomes decimal(19,0) or "
    "float64, a decimal a wider decimal.\n"
    "  A decimal never becomes float64 by itself, nor the other way round: that takes a CAST. "
    "int64 next to float64 is taken as\n"
    "  float64, which is exact up to 2^53.\n"
    "- Literals take the type they stand next to when their value is exactly the same there: "
    "`fraud_score >= 0.8` is a\n"
    "  comparison of float64, `status_date = '2026-03-01'` one of dates, `amount > '0.5'` one of "
    "decimals. A text that does not\n"
    "  parse is an error before the run. In decimal arithmetic an int64 literal counts with the "
    "digits it has.\n"
    "- int64: overflow is a row error; `/` cuts toward zero. float64: division by zero and "
    "overflow are row errors.\n"
    "- decimal(p1,s1) op decimal(p2,s2):\n\n"
    "| op | scale | precision |\n|---|---|---|\n"
    "| `+ -` | max(s1, s2) | max(p1-s1, p2-s2) + 1 + scale |\n"
    "| `*` | s1 + s2 | p1 + p2 |\n"
    "| `/` | max(6, s1 + p2 + 1) | p1 - s1 + s2 + scale |\n"
    "| `%` | max(s1, s2) | min(p1-s1, p2-s2) + scale |\n\n"
    "  A precision above 38 is capped at 38. Sums keep their scale, so they stay exact, and a sum "
    "of more than 38 digits is a row\n"
    "  error. Products and quotients then give up decimals: the scale becomes max(38 - (precision "
    "- scale), min(scale, 6)), and\n"
    "  the result is rounded half away from zero; one of more than 38 digits is a row error.\n"
    "- Decimals of different scales compare by value. Texts compare bytewise. Timestamps and dates "
    "do not compare: date(t) or a\n"
    "  CAST says which is meant. Lists and structs compare with = and <> only.\n"
    "- CASE, COALESCE, IF, NULLIF, GREATEST, LEAST, IN and lists bring their values to one type by "
    "the same rules.\n"
    "- CAST between numbers rounds half away from zero; CAST from text never rounds and takes no "
    "blanks. A timestamp cast to date is\n"
    "  its UTC day, a date cast to timestamp its first instant, true cast to int64 is 1. To text: "
    "decimals with all their\n"
    "  decimals, times as in literals. A failing element of a list fails its row under CAST and is "
    "null under TRY_CAST.\n\n";

static const char tail[] =
    "## Functions of plugins\n\n"
    "A plugin's function is called by its name, as the plugin spells it. Arguments are converted "
    "by the rules above where that is\n"
    "exact. A volatile function is refused unless the topology says `parity: off`.\n";

static void escape_cell(ls_buf *out, const char *text) {
  for (; text && *text; text++) {
    if (*text == '|') ls__buf_putc(out, '\\');
    ls__buf_putc(out, *text);
  }
}

static void row(ls_buf *out, const char *signature, const char *about, const char *example, const char *result) {
  ls__buf_puts(out, "| `");
  escape_cell(out, signature);
  ls__buf_puts(out, "` | ");
  escape_cell(out, about);
  ls__buf_puts(out, " | ");
  if (example) {
    ls__buf_puts(out, "`");
    escape_cell(out, example);
    ls__buf_puts(out, "` gives `");
    escape_cell(out, result);
    ls__buf_puts(out, "`");
  }
  ls__buf_puts(out, " |\n");
}

static void heading(ls_buf *out, const char **last, const char *group) {
  if (*last && strcmp(*last, group) == 0) return;
  ls__buf_printf(out, "%s### %s\n\n| | | example (results as JSON) |\n|---|---|---|\n", *last ? "\n" : "", group);
  *last = group;
}

void ls__expr_reference(ls_buf *out) {
  const char *last = NULL;
  ls__buf_puts(out, head);
  ls__buf_puts(out, "## Operators\n\n");
  for (size_t i = 0; ls__ex_operator_doc_at(i); i++) {
    const ls_ex_operator_doc *op = ls__ex_operator_doc_at(i);
    heading(out, &last, op->group);
    row(out, op->signature, op->about, op->example, op->result);
  }
  ls__buf_puts(out, "\n## Functions\n\n");
  last = NULL;
  for (size_t i = 0; ls__ex_fn_at(i); i++) {
    const ls_ex_fn *fn = ls__ex_fn_at(i);
    heading(out, &last, fn->group);
    row(out, fn->signature, fn->about, fn->example, fn->result);
  }
  ls__buf_puts(out, "\n");
  ls__buf_puts(out, tail);
}
