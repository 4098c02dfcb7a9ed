/** @file build_steps.c  One step after the other, each by its verb. */
#include "topology/build.h"

static const struct {
  const char *key;
  ls_build_verb_fn build;
} verbs[] = {
    {"filter", ls__build_filter},         {"select", ls__build_select},   {"extend", ls__build_extend},
    {"flat_map", ls__build_flat_map},     {"branch", ls__build_branch},   {"merge", ls__build_merge},
    {"select_key", ls__build_select_key}, {"join", ls__build_join},       {"left_join", ls__build_join},
    {"outer_join", ls__build_join},       {"latest", ls__build_latest},   {"deduplicate", ls__build_deduplicate},
    {"aggregate", ls__build_aggregate},   {"changes", ls__build_changes},
};

static bool build_step(ls_build *b, ls_entry *entry) {
  ls_rel in = ls__build_resolve(b, &entry->refs[0]);
  if (in.global != LS_NO_GLOBAL) {
    ls__diag_add(b->diag, entry->refs[0].at->mark,
                 "%s is a global table: it has no rows to read; "
                 "look it up with join or EXISTS, or give it a store instead of global: true",
                 in.name);
    return false;
  }
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    if (strcmp(verbs[i].key, entry->verb->key->text) == 0) return verbs[i].build(b, entry, in);
  }
  return false;
}

void ls__build_steps(ls_build *b) {
  for (uint32_t i = 0; i < b->n_order; i++) {
    ls_entry *entry = b->order[i];
    if (entry->state == LS_ENTRY_FAILED) continue;
    entry->state = build_step(b, entry) ? LS_ENTRY_DONE : LS_ENTRY_FAILED;
  }
}
