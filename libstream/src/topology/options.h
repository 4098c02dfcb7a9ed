/**
 * @file options.h
 * The one table of the language: every section and every key, with type, default, range and help.
 * The key checks of the parser, docs/YAML.md and the JSON Schema are made from it.
 *
 * A section is a path: "sources.*.live" are the keys of any source's `live`; "*" is a name that the
 * author chooses. Rows of a section stand together, in the order in which they are documented.
 */
#ifndef LS_TOPOLOGY_OPTIONS_H
#define LS_TOPOLOGY_OPTIONS_H
#include "topology/yaml_tree.h"

typedef enum ls_option_type {
  LS_OPTION_TEXT,             /* any text */
  LS_OPTION_NAME,             /* a name that the author gives: letters, digits, _ */
  LS_OPTION_NAMES,            /* a column or a list of columns */
  LS_OPTION_LIST,             /* a list of texts */
  LS_OPTION_REF,              /* source, table, step or step.output */
  LS_OPTION_REFS,             /* a list of them */
  LS_OPTION_EXPR,             /* SQL expression */
  LS_OPTION_EXPRS,            /* an expression or a list of expressions */
  LS_OPTION_EXPR_MAP,         /* name -> expression */
  LS_OPTION_BOOL,             /* true, false */
  LS_OPTION_COUNT,            /* whole number from 1 */
  LS_OPTION_INT,              /* whole number in range */
  LS_OPTION_SIZE,             /* bytes: 64KiB, 512MiB, 2GiB */
  LS_OPTION_DURATION,         /* above 0, or in range: 250ms, 5s, 10m, 1h30m, 3d */
  LS_OPTION_DURATION_0,       /* same, or 0s */
  LS_OPTION_RETENTION,        /* duration or forever */
  LS_OPTION_RETENTION_0,      /* same, or 0s */
  LS_OPTION_IDLE,             /* duration or never */
  LS_OPTION_BAD_RECORDS,      /* a count or a share: 100, 5%, 0.1% */
  LS_OPTION_CHOICE,           /* one of range, separated by | */
  LS_OPTION_TYPE,             /* column type */
  LS_OPTION_LITERAL,          /* a value; its type is in another key */
  LS_OPTION_TEXT_MAP,         /* name -> text */
  LS_OPTION_PROPERTIES,       /* name with dots -> text */
  LS_OPTION_MAP,              /* the section `range`, or path.key */
  LS_OPTION_ENTRIES,          /* name -> the section path.key.* */
  LS_OPTION_ENTRIES_OR_NAMES, /* same, or a list of names */
  LS_OPTION_FIELDS            /* name -> type, or the section path.key.* */
} ls_option_type;

typedef struct ls_option {
  const char *section, *key;
  ls_option_type type;
  bool required;
  const char *fallback; /* what holds when the key is left out; NULL: nothing */
  const char *range;    /* CHOICE: the choices; INT, DURATION: "least..most"; MAP: section when it is not path.key;
                           TEXT: regular expression for the JSON Schema, where its place in the plan asks for a form */
  const char *help;
} ls_option;

typedef struct ls_section {
  const char *path;
  const char *title; /* in the reference */
  const char *notes; /* Markdown; NULL: none */
} ls_section;

/** i-th row and section; NULL past the end. */
const ls_option *ls__option_at(size_t i);
const ls_section *ls__section_at(size_t i);
/** Section of the values under a row of type MAP, ENTRIES, ENTRIES_OR_NAMES or FIELDS. */
void ls__option_section(const ls_option *option, char out[64]);
/** The type in words, for the reference and messages. */
const char *ls__option_type_text(ls_option_type type);
/** The same with the range, where the option has one: "whole number from 0 to 256". */
#define LS_OPTION_TEXT_MAX 96
const char *ls__option_value_text(const ls_option *option, char out[LS_OPTION_TEXT_MAX]);
/** Least and most of an option with a range, as written. False: it has none. */
bool ls__option_range(const ls_option *option, char least[24], char most[24]);

/** "a " or "an ", as the word needs it; "" before words that take none. */
const char *ls__article(const char *word);

/** Checks the whole tree against the table; what is wrong is reported and marked bad. */
void ls__options_check(ls_yaml *root, ls_diag *diag);

/** "512MiB" -> bytes. False: not a size. */
bool ls__size_parse(int64_t *out, const char *text);
/** "100" or "5%". False: neither. */
bool ls__bad_records_parse(int64_t *count, int32_t *share_ppm, const char *text);
/** A name that the author may give: a letter or _, then letters, digits, _; at most 64. */
bool ls__name_valid(const char *text);
#endif
