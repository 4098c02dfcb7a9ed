/** @file option_table.c  The language, row by row. */
#include <stdio.h>
#include <string.h>

#include "topology/options.h"

static const ls_section sections[] = {
    {"", "The file",
     "One file is one topology. Keys may stand in any order. Unknown keys, repeated keys, anchors, "
     "aliases and tags are errors; so is every source, table, step, branch, schema, plugin and "
     "parameter that nothing uses. All errors of a file are reported at once: a step that reads one with an error is "
     "checked as far as the columns are known."},
    {"parameters.*", "parameters",
     "`${name}` stands for a parameter's value in any scalar, `${name:-text}` for text when it has "
     "none, `${name:month}` and `${name:year}` for `YYYY-MM` and `YYYY` of a date, `$${` for a plain "
     "`${`. The value comes from the command line (`--set name=value`), else from the environment "
     "variable `LS_PARAM_NAME`, else from `default`. It is checked against its type before it is put "
     "in, so that it cannot change the meaning of what is around it; a `string` may hold letters, "
     "digits, space and `_ . : + % / -`. In expressions, dates, timestamps, durations and strings go "
     "between quotes: `DATE '${run_date}'`."},
    {"runtime", "runtime", NULL},
    {"runtime.state", "runtime: state", NULL},
    {"kafka", "kafka",
     "How live runs reach the cluster. A value of `properties` is plain text, `${env:NAME}` or "
     "`${env:NAME:-text}` for an environment variable, or `${file:PATH}` for the contents of a file "
     "(relative to this one, without the line break at its end); these are read when a run starts, "
     "and no description, message or log shows them. Secrets (`sasl.password`, `ssl.key.password`, "
     "`ssl.key.pem` and the like) are only taken from there. Properties that the guarantees rest on, "
     "such as `group.id`, `isolation.level` or `transactional.id`, are not open.\n\n"
     "Names of internal topics come from names in this file alone: "
     "`<application_id>-<step>-repartition`, `<application_id>-<store>-changelog` and "
     "`<application_id>-<sink>-lake`. "
     "`streamctl plan --against` tells what an edit does to them."},
    {"schema_registry", "schema_registry",
     "A registry with Confluent's interface, for sources, tables and sinks with `registry: true`. Values may be "
     "`${env:NAME}` or `${file:PATH}`, as in `kafka: properties`; `password` and `token` are only taken from there. A "
     "record is decoded by the schema of this file (or its `protobuf` message); that of the registry has to be of the "
     "same kind, JSON or PROTOBUF, and name the same message. Records where it does not, or whose id the registry "
     "does not know, are dead letters; while the registry can't be reached, the topic waits. A sink's schema is "
     "made from its columns, or from its `protobuf` message. Keys are not in wire format."},
    {"plugins.*", "plugins",
     "Either a map of names or a plain list: `plugins: [recon]`. A plugin is found by its name in the "
     "plugin directories, unless `path` says where it is (relative to this file)."},
    {"schemas.*", "schemas", NULL},
    {"schemas.*.fields.*", "schemas: fields",
     "A field is its type (`amount: decimal(18,4)`) or a map with the type and what its values must "
     "be. Types: `bool`, `int64`, `float64`, `decimal(p,s)`, `string`, `bytes`, `timestamp`, `date`, "
     "`list<type>`, `struct<name: type, ...>`. In braces a comma ends a value, so there a type with one "
     "is quoted: `{ amount: \"decimal(18,4)\" }`. A record that breaks its schema goes to the dead "
     "letters. Decimals are exact, as texts or as numbers; with an exponent (`1.5E-2`) the value has to "
     "fit. A float64 that is too small for one (`1e-400`) is 0."},
    {"sources.*", "sources",
     "A source is a stream of records. It has a binding for live running, for replay, or both."},
    {"tables.*", "tables",
     "A table holds the last record of each key. With `global: true` it is loaded whole and may be "
     "looked up by any columns and in `EXISTS(table, predicate)`; otherwise it is partitioned like "
     "a stream and kept in its `store`."},
    {"sources.*.live", "sources and tables: live",
     "Records of several inputs are taken in the order of their times, so an input that has nothing "
     "to read holds the others back: nobody knows whether its next record is older. `idle_after` "
     "bounds that by the clock. What then comes late is judged as any late record, by `grace` and "
     "`by`. `idle_after: never` waits for ever: what a run makes depends on its records alone, and a "
     "silent input stops it. No two sources read one topic, and no sink writes to one that is read."},
    {"sources.*.replay", "sources and tables: replay", NULL},
    {"sources.*.dead_letters", "sources and tables: dead_letters", NULL},
    {"steps.*", "steps",
     "A step takes `from` one source, table or other step and applies one verb. Steps may stand in "
     "any order but not read each other in a circle. Other outputs of a step are named with a dot: "
     "branches by their name; of a windowed join `late` (right rows that came after window and "
     "grace), `late_left` and `unmatched` (right rows whose window closed without a match); of a "
     "windowed aggregate and of `latest` with `by`, `late`.\n\n"
     "Sources and most steps are streams; `tables`, `latest` and an aggregate without a window are "
     "tables. `filter`, `select` and the other row-by-row verbs read a table as the stream of its "
     "changes, or with `emit: final` of its last rows. A live run has no end of the input: there a "
     "table with `emit: final` gives each change, and what is computed of its rows is corrected with "
     "them, so that the end state by key is the one of a replay (`count`, `sum` and `avg`, not of "
     "float64, and plugins' aggregates with `retract` take an old row back; where this is not "
     "possible, a live run is refused). `join`, `latest`, `deduplicate`, `aggregate` and `changes` work by key: rows "
     "are sent "
     "to the right partition beforehand where `select_key`, `by` or `on` make that necessary.\n\n"
     "`branch` maps names to predicates; a row goes to the first that is true. The word `otherwise` "
     "in place of the last predicate takes the rest: `branch: { big: amount > 1000, small: otherwise "
     "}`. Rows that no branch takes are dropped and counted."},
    {"steps.*.join", "steps: join, left_join, outer_join",
     "What is joined decides how: two streams within a time window (`within`, or `before` and "
     "`after`; `grace` and `store`), a stream with a table on their keys, a stream with a global "
     "table by `on`, two tables on their keys. The columns of the right side are called "
     "`<with>.<column>`. `outer_join` is for two streams or two tables."},
    {"steps.*.flat_map", "steps: flat_map", NULL},
    {"steps.*.latest", "steps: latest", NULL},
    {"steps.*.deduplicate", "steps: deduplicate", NULL},
    {"steps.*.aggregate", "steps: aggregate",
     "The output has the columns of `by` (else the key), `window_start` and `window_end` of a "
     "windowed aggregate, then `values`; its key is the group, also with a window. Aggregates: `count(*)`, `count(x)`, "
     "`sum(x)`, `min(x)`, "
     "`max(x)`, `avg(x)`, `first(x)`, `last(x)`, `collect(x)` and those of plugins."},
    {"steps.*.aggregate.window", "steps: aggregate: window", NULL},
    {"steps.*.changes", "steps: changes", NULL},
    {"sinks.*", "sinks",
     "A sensitive field may not reach a sink: mask it with a plugin's function that "
     "declassifies (`streamctl udf list` says which do). What other functions make of it is sensitive, too; "
     "a comparison with it is not: `CASE WHEN user = 'bob' THEN 1 END` may be seen."},
    {"sinks.*.live", "sinks: live", NULL},
    {"sinks.*.live.create", "sinks: live: create", NULL},
    {"sinks.*.lake", "sinks: lake",
     "`{expression}` in `path` is evaluated for each row and must be a string or a date: "
     "`dt={date(event_time)}`. The runtime names the files. What is written has a directory of its own: it may not be, "
     "lie in or "
     "hold that of another sink or of dead letters, nor one that a source reads."},
    {"sinks.*.lake.roll", "sinks: lake: roll",
     "Live, each task (partition) writes files of its own, `live-<partition>-<nonce>-<number>`, each row in exactly "
     "one. "
     "A file is seen when it is complete. The rows between are in the topic `<application_id>-<sink>-lake`. With "
     "`keep: all` the files hold the rows that a replay writes. With `keep: last` they hold the changes, and two more "
     "columns: of each key the row with the largest `_seq` counts, unless it is `_deleted`. `roll: {}` takes the "
     "defaults. "
     "`summary` is for replay only."},
    {"sinks.*.lake.summary", "sinks: lake: summary", NULL},
    {"sinks.*.lake.summary.balance", "sinks: lake: summary: balance",
     "Rows that became dead letters on the way are no fault: the summary tells their value apart. Null counts as the "
     "empty text."},
};

#define REQ true
#define OPT false
#define ROW(section, key, type, required, fallback, range, help)                                                       \
  {section, key, LS_OPTION_##type, required, fallback, range, help},
static const ls_option options[] = {
#include "topology/options.def"
};

const ls_option *ls__option_at(size_t i) {
  return i < sizeof options / sizeof *options ? &options[i] : NULL;
}

const ls_section *ls__section_at(size_t i) {
  return i < sizeof sections / sizeof *sections ? &sections[i] : NULL;
}

void ls__option_section(const ls_option *option, char out[64]) {
  if (option->type == LS_OPTION_MAP && option->range != NULL) {
    snprintf(out, 64, "%s", option->range);
    return;
  }
  const char *dot = option->section[0] != 0 ? "." : "";
  const char *star = option->type == LS_OPTION_MAP ? "" : ".*";
  snprintf(out, 64, "%s%s%s%s", option->section, dot, option->key, star);
}

const char *ls__option_type_text(ls_option_type type) {
  switch (type) {
  case LS_OPTION_TEXT:
    return "text";
  case LS_OPTION_NAME:
    return "name";
  case LS_OPTION_NAMES:
    return "column or list of columns";
  case LS_OPTION_LIST:
    return "list of texts";
  case LS_OPTION_REF:
    return "source, table or step";
  case LS_OPTION_REFS:
    return "list of sources, tables or steps";
  case LS_OPTION_EXPR:
    return "expression";
  case LS_OPTION_EXPRS:
    return "expression or list of expressions";
  case LS_OPTION_EXPR_MAP:
    return "map of name to expression";
  case LS_OPTION_BOOL:
    return "true or false";
  case LS_OPTION_COUNT:
    return "whole number from 1";
  case LS_OPTION_INT:
    return "whole number";
  case LS_OPTION_SIZE:
    return "size, as 64KiB, 512MiB or 2GiB";
  case LS_OPTION_DURATION:
    return "duration above 0, as 250ms, 10m or 3d";
  case LS_OPTION_DURATION_0:
    return "duration, as 0s, 10m or 3d";
  case LS_OPTION_RETENTION:
    return "duration above 0, as 10m or 3d, or forever";
  case LS_OPTION_RETENTION_0:
    return "duration, as 0s, 10m or 3d, or forever";
  case LS_OPTION_IDLE:
    return "duration above 0, as 1s or 10m, or never";
  case LS_OPTION_BAD_RECORDS:
    return "count or share, as 100 or 5%";
  case LS_OPTION_CHOICE:
    return "one of";
  case LS_OPTION_TYPE:
    return "type";
  case LS_OPTION_LITERAL:
    return "value";
  case LS_OPTION_TEXT_MAP:
    return "map of name to text";
  case LS_OPTION_PROPERTIES:
    return "map of property to value";
  case LS_OPTION_MAP:
    return "map";
  case LS_OPTION_ENTRIES:
    return "map of names";
  case LS_OPTION_ENTRIES_OR_NAMES:
    return "map of names, or list of names";
  case LS_OPTION_FIELDS:
    return "map of name to type or map";
  }
  return "";
}

bool ls__option_range(const ls_option *option, char least[24], char most[24]) {
  bool ranged = option->type == LS_OPTION_INT || option->type == LS_OPTION_DURATION;
  const char *dots = ranged && option->range != NULL ? strstr(option->range, "..") : NULL;
  if (dots == NULL) return false;
  snprintf(least, 24, "%.*s", (int)(dots - option->range), option->range);
  snprintf(most, 24, "%s", dots + 2);
  return true;
}

const char *ls__option_value_text(const ls_option *option, char out[LS_OPTION_TEXT_MAX]) {
  char least[24], most[24];
  if (!ls__option_range(option, least, most)) return ls__option_type_text(option->type);
  snprintf(out, LS_OPTION_TEXT_MAX, "%s from %s to %s", option->type == LS_OPTION_INT ? "whole number" : "duration",
           least, most);
  return out;
}
