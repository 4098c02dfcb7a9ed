/** @file json_schema.c  The JSON Schema (draft 2020-12) of the language from the options table. */
#include <stdio.h>

#include "base/buf.h"
#include "topology/options.h"

static void put_section(ls_buf *out, const char *path, int depth);

static void put_string(ls_buf *out, const char *text) {
  ls__buf_json_string(out, ls__slice_of(text));
}

static void put_line(ls_buf *out, int depth) {
  ls__buf_printf(out, "\n%*s", 2 * depth, "");
}

#define PROPERTY_PATTERN "\"^[a-z0-9_][a-z0-9._]{0,63}$\""
/* What a parameter may stand for is known only with its value. */
#define PARAMETER "{\"type\": \"string\", \"pattern\": \"[$][{]\"}"
#define NAME_FORM "[A-Za-z_][A-Za-z0-9_]{0,63}"
#define NAME      "{\"type\": \"string\", \"pattern\": \"^" NAME_FORM "$|[$][{]\"}"
#define REF       "{\"type\": \"string\", \"pattern\": \"^" NAME_FORM "([.]" NAME_FORM ")?$|[$][{]\"}"
#define SCALAR    "\"type\": [\"string\", \"number\", \"boolean\"], \"minLength\": 1"

static bool is_digits(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
  }
  return len > 0;
}

/* Types to three levels of lists and structs exactly; deeper ones by their brackets. The builder judges what is in a decimal. */
static void put_type(ls_buf *out) {
  static const char plain[] = "bool|int64|float64|string|bytes|timestamp|date|decimal ?[(] *[0-9]+ *, *[0-9]+ *[)]";
  ls_buf inner = LS_BUF_INIT;
  ls__buf_printf(&inner, "(%s|(list|struct) ?<.+>)", plain);
  for (int level = 0; level < 2; level++) {
    ls_buf outer = LS_BUF_INIT;
    ls__buf_printf(&outer, "(%s|list ?< *%s *>|struct ?<( *[^ :,<>()]+ *: *%s *(,(?! *>)|(?=>)))+>)", plain, inner.ptr,
                   inner.ptr);
    ls__buf_fini(&inner);
    inner = outer;
  }
  ls_buf pattern = LS_BUF_INIT;
  ls__buf_printf(&pattern, "^ *%s *$|[$][{]", inner.ptr);
  ls__buf_puts(out, "{\"type\": \"string\", \"pattern\": ");
  put_string(out, pattern.ptr);
  ls__buf_puts(out, "}");
  ls__buf_fini(&inner);
  ls__buf_fini(&pattern);
}

/* ---- which keys go together: as the builder checks ---- */

#define ANY_OF(a, b) "\"anyOf\": [{\"required\": [\"" a "\"]}, {\"required\": [\"" b "\"]}]"

static const struct {
  const char *section, *keywords;
} rules[] = {
    {"", ANY_OF("sources", "tables")},
    {"sources.*", ANY_OF("live", "replay")},
    {"tables.*",
     ANY_OF("live", "replay") ", \"if\": {\"required\": [\"global\"], \"properties\": {\"global\": {\"enum\": "
                              "[true, \"true\"]}}}, \"then\": {\"not\": {\"required\": [\"store\"]}}, \"else\": "
                              "{\"anyOf\": [{\"required\": "
                              "[\"store\"]}, {\"required\": [\"global\"], \"properties\": {\"global\": " PARAMETER
                              "}}]}"},
    {"steps.*", "\"if\": {\"required\": [\"merge\"]}, \"then\": {\"not\": {\"required\": [\"from\"]}}, \"else\": "
                "{\"required\": [\"from\"]}"},
    {"steps.*.join",
     "\"dependentRequired\": {\"before\": [\"after\"], \"after\": [\"before\"]}, \"not\": {\"required\": "
     "[\"within\", \"before\"]}"},
    {"sinks.*", ANY_OF("live", "lake")},
};

/* A step has one of the keys of its section that are verbs. */
static void put_verbs(ls_buf *out) {
  const ls_option *option;
  bool first = true;
  ls__buf_puts(out, ", \"oneOf\": [");
  for (size_t i = 0; (option = ls__option_at(i)) != NULL; i++) {
    bool verb = strcmp(option->section, "steps.*") == 0 && strcmp(option->key, "about") != 0 &&
                strcmp(option->key, "from") != 0;
    if (verb) ls__buf_printf(out, "%s{\"required\": [\"%s\"]}", first ? "" : ", ", option->key);
    first = first && !verb;
  }
  ls__buf_putc(out, ']');
}

static void put_rules(ls_buf *out, const char *path, int depth) {
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    if (strcmp(rules[i].section, path) != 0) continue;
    put_line(out, depth);
    ls__buf_puts(out, rules[i].keywords);
    if (strcmp(path, "steps.*") == 0) put_verbs(out);
    ls__buf_putc(out, ',');
  }
}

/* on and off are true and false to readers of YAML 1.1. */
static void put_choices(ls_buf *out, const char *range) {
  ls__buf_printf(out, "\"anyOf\": [{%s\"enum\": [",
                 is_digits(range, strcspn(range, "|")) ? "\"type\": [\"integer\", \"string\"], " : "");
  for (const char *at = range; at != NULL;) {
    const char *bar = strchr(at, '|');
    size_t n = bar != NULL ? (size_t)(bar - at) : strlen(at);
    if (at != range) ls__buf_puts(out, ", ");
    if (is_digits(at, n)) ls__buf_printf(out, "%.*s, ", (int)n, at);
    ls__buf_printf(out, "\"%.*s\"", (int)n, at);
    at = bar != NULL ? bar + 1 : NULL;
  }
  if (strcmp(range, "on|off") == 0) ls__buf_puts(out, ", true, false");
  ls__buf_puts(out, "]}, " PARAMETER "]");
}

static void put_int(ls_buf *out, const ls_option *option) {
  char least[24] = "0", most[24] = "9223372036854775807";
  ls__option_range(option, least, most);
  ls__buf_printf(out, "\"anyOf\": [{\"type\": \"integer\", \"minimum\": %s, \"maximum\": %s}, " PARAMETER "]", least,
                 most);
}

static const char *item_schema(ls_option_type type) {
  switch (type) {
  case LS_OPTION_NAMES:
    return NAME;
  case LS_OPTION_REFS:
    return REF;
  default:
    return "{" SCALAR "}";
  }
}

/* Any text, in the form that the table asks for. */
static void put_text(ls_buf *out, const ls_option *option) {
  ls__buf_puts(out, SCALAR);
  if (option->range == NULL) return;
  ls_buf pattern = LS_BUF_INIT;
  ls__buf_printf(&pattern, "%s|[$][{]", option->range);
  ls__buf_puts(out, ", \"pattern\": ");
  put_string(out, pattern.ptr);
  ls__buf_fini(&pattern);
}

#define DURATION "([0-9]+(us|ms|s|m|h|d))+$"
#define ABOVE_0  "(?=.*[1-9])"

static const char *scalar_schema(ls_option_type type) {
  switch (type) {
  case LS_OPTION_NAME:
    return "\"anyOf\": [" NAME "]";
  case LS_OPTION_REF:
    return "\"anyOf\": [" REF "]";
  case LS_OPTION_TYPE:
    return "\"$ref\": \"#/$defs/type\"";
  case LS_OPTION_BOOL:
    return "\"anyOf\": [{\"enum\": [true, false, \"true\", \"false\"]}, " PARAMETER "]";
  case LS_OPTION_COUNT:
    return "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 1000000000}, " PARAMETER "]";
  case LS_OPTION_SIZE:
    return "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 1}, {\"type\": \"string\", \"pattern\": "
           "\"^" ABOVE_0 "[0-9]+([KMGT]i)?B?$\"}, " PARAMETER "]";
  case LS_OPTION_DURATION:
    return "\"type\": \"string\", \"pattern\": \"^" ABOVE_0 DURATION "|[$][{]\"";
  case LS_OPTION_DURATION_0:
    return "\"type\": \"string\", \"pattern\": \"^" DURATION "|[$][{]\"";
  case LS_OPTION_IDLE:
    return "\"type\": \"string\", \"pattern\": \"^never$|^" ABOVE_0 DURATION "|[$][{]\"";
  case LS_OPTION_RETENTION:
    return "\"type\": \"string\", \"pattern\": \"^forever$|^" ABOVE_0 DURATION "|[$][{]\"";
  case LS_OPTION_RETENTION_0:
    return "\"type\": \"string\", \"pattern\": \"^forever$|^" DURATION "|[$][{]\"";
  case LS_OPTION_BAD_RECORDS:
    return "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 0}, {\"type\": \"string\", \"pattern\": "
           "\"^[0-9]+([.][0-9]{1,4})?%$|^[0-9]+$\"}, " PARAMETER "]";
  default:
    return SCALAR;
  }
}

static void put_named(ls_buf *out, const ls_option *option, int depth) {
  char section[64];
  bool properties = option->type == LS_OPTION_PROPERTIES;
  ls__option_section(option, section);
  ls__buf_printf(out, "\"type\": \"object\", \"minProperties\": 1, \"propertyNames\": {\"pattern\": %s},",
                 properties ? PROPERTY_PATTERN : "\"^" NAME_FORM "$\"");
  put_line(out, depth);
  ls__buf_puts(out, "\"additionalProperties\": ");
  if (option->type == LS_OPTION_EXPR_MAP || option->type == LS_OPTION_TEXT_MAP || properties) {
    bool may_be_empty = option->type != LS_OPTION_EXPR_MAP;
    ls__buf_puts(out, may_be_empty ? "{\"type\": [\"string\", \"number\", \"boolean\", \"null\"]}" : "{" SCALAR "}");
    return;
  }
  if (option->type == LS_OPTION_FIELDS) ls__buf_puts(out, "{\"anyOf\": [{\"$ref\": \"#/$defs/type\"}, ");
  ls__buf_putc(out, '{');
  put_section(out, section, depth + 1);
  ls__buf_putc(out, '}');
  if (option->type == LS_OPTION_FIELDS) ls__buf_puts(out, "]}");
}

static void put_value(ls_buf *out, const ls_option *option, int depth) {
  char section[64];
  switch (option->type) {
  case LS_OPTION_MAP:
    ls__option_section(option, section);
    put_section(out, section, depth);
    return;
  case LS_OPTION_EXPR_MAP:
  case LS_OPTION_TEXT_MAP:
  case LS_OPTION_PROPERTIES:
  case LS_OPTION_ENTRIES:
  case LS_OPTION_FIELDS:
    put_named(out, option, depth);
    return;
  case LS_OPTION_ENTRIES_OR_NAMES:
    ls__buf_puts(out, "\"anyOf\": [{\"type\": \"array\", \"items\": {\"type\": \"string\", \"pattern\": "
                      "\"^" NAME_FORM "$\"}}, {");
    put_named(out, option, depth);
    ls__buf_puts(out, "}]");
    return;
  case LS_OPTION_CHOICE:
    put_choices(out, option->range);
    return;
  case LS_OPTION_INT:
    put_int(out, option);
    return;
  case LS_OPTION_TEXT:
    put_text(out, option);
    return;
  case LS_OPTION_NAMES:
  case LS_OPTION_EXPRS:
    ls__buf_printf(out, "\"anyOf\": [%s, {\"type\": \"array\", \"minItems\": 1, \"items\": %s}]",
                   item_schema(option->type), item_schema(option->type));
    return;
  case LS_OPTION_LIST:
  case LS_OPTION_REFS:
    ls__buf_printf(out, "\"type\": \"array\", \"minItems\": 1, \"items\": %s", item_schema(option->type));
    return;
  default:
    ls__buf_puts(out, scalar_schema(option->type));
    return;
  }
}

static void put_property(ls_buf *out, const ls_option *option, int depth) {
  put_string(out, option->key);
  ls__buf_puts(out, ": {\"description\": ");
  put_string(out, option->help);
  /* defaults in words are for readers, not for tools */
  bool plain = option->fallback != NULL && strpbrk(option->fallback, " `<") == NULL;
  if (plain) {
    ls__buf_puts(out, ", \"default\": ");
    put_string(out, option->fallback);
  }
  ls__buf_puts(out, ", ");
  put_value(out, option, depth + 1);
  ls__buf_putc(out, '}');
}

static void put_section(ls_buf *out, const char *path, int depth) {
  const ls_option *option;
  bool first = true;
  put_rules(out, path, depth);
  put_line(out, depth);
  ls__buf_puts(out, "\"type\": \"object\", \"additionalProperties\": false, \"required\": [");
  for (size_t i = 0; (option = ls__option_at(i)) != NULL; i++) {
    if (!option->required || strcmp(option->section, path) != 0) continue;
    if (!first) ls__buf_puts(out, ", ");
    put_string(out, option->key);
    first = false;
  }
  ls__buf_puts(out, "],");
  put_line(out, depth);
  ls__buf_puts(out, "\"properties\": {");
  first = true;
  for (size_t i = 0; (option = ls__option_at(i)) != NULL; i++) {
    if (strcmp(option->section, path) != 0) continue;
    if (!first) ls__buf_putc(out, ',');
    put_line(out, depth + 1);
    put_property(out, option, depth + 1);
    first = false;
  }
  put_line(out, depth);
  ls__buf_putc(out, '}');
}

int ls_topology_json_schema(char **out, ls_error *err) {
  (void)err;
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                      "  \"title\": \"libstream topology\",\n  \"$defs\": {\"type\": ");
  put_type(&text);
  ls__buf_puts(&text, "},");
  put_section(&text, "", 1);
  ls__buf_puts(&text, "\n}\n");
  *out = text.ptr;
  return LS_OK;
}
