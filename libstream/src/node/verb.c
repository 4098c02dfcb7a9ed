/** @file verb.c  Names of the verbs. */
#include "node/plan.h"

const char *ls__verb_name(ls_verb verb) {
  switch (verb) {
  case LS_VERB_SOURCE:
    return "source";
  case LS_VERB_FILTER:
    return "filter";
  case LS_VERB_SELECT:
    return "select";
  case LS_VERB_FLAT_MAP:
    return "flat_map";
  case LS_VERB_BRANCH:
    return "branch";
  case LS_VERB_MERGE:
    return "merge";
  case LS_VERB_SELECT_KEY:
    return "select_key";
  case LS_VERB_REPARTITION:
    return "repartition";
  case LS_VERB_STREAM_JOIN:
  case LS_VERB_TABLE_LOOKUP:
  case LS_VERB_GLOBAL_LOOKUP:
  case LS_VERB_TABLE_JOIN:
    return "join";
  case LS_VERB_LATEST:
    return "latest";
  case LS_VERB_DEDUPLICATE:
    return "deduplicate";
  case LS_VERB_AGGREGATE:
    return "aggregate";
  case LS_VERB_CHANGES:
    return "changes";
  case LS_VERB_SINK:
    return "sink";
  }
  return "unknown";
}
