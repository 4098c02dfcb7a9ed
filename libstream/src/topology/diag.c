/** @file diag.c  Collecting, ordering and handing out diagnostics. */
#include "topology/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"

#define TEXT_MAX 900 /* of one diagnostic */

void ls__diag_init(ls_diag *diag, const char *file) {
  memset(diag, 0, sizeof *diag);
  ls__arena_init(&diag->arena, 4096);
  diag->file = ls__arena_strdup(&diag->arena, file);
}

void ls__diag_fini(ls_diag *diag) {
  ls__free(diag->entries);
  ls__arena_fini(&diag->arena);
}

/* A name in a file may hold anything; a terminal or a log must not be driven by it. */
static void make_printable(char *text) {
  for (unsigned char *c = (unsigned char *)text; *c != 0; c++) {
    if (*c < 0x20 || *c == 0x7f) *c = ' ';
  }
}

static void add_text(ls_diag *diag, int code, ls_mark mark, const char *fmt, va_list args) {
  char text[TEXT_MAX];
  vsnprintf(text, sizeof text, fmt, args);
  make_printable(text);
  for (size_t i = 0; i < diag->n; i++) {
    const ls_diag_entry *entry = &diag->entries[i];
    if (entry->mark.line == mark.line && entry->mark.column == mark.column && strcmp(entry->text, text) == 0) {
      return;
    }
  }
  diag->n_errors++;
  if (diag->n == LS_DIAG_MAX) return;
  ls__grow(&diag->entries, &diag->capacity, diag->n + 1, sizeof *diag->entries);
  diag->entries[diag->n++] = (ls_diag_entry){mark, code, ls__arena_strdup(&diag->arena, text)};
}

void ls__diag_add(ls_diag *diag, ls_mark mark, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  add_text(diag, LS_ECONFIG, mark, fmt, args);
  va_end(args);
}

void ls__diag_add_code(ls_diag *diag, int code, ls_mark mark, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  add_text(diag, code, mark, fmt, args);
  va_end(args);
}

/* Insertion sort: stable, and the entries come nearly in order. */
static void sort_entries(ls_diag *diag) {
  for (size_t i = 1; i < diag->n; i++) {
    ls_diag_entry entry = diag->entries[i];
    size_t at = i;
    for (; at > 0; at--) {
      ls_mark before = diag->entries[at - 1].mark;
      if (before.line < entry.mark.line || (before.line == entry.mark.line && before.column <= entry.mark.column)) {
        break;
      }
      diag->entries[at] = diag->entries[at - 1];
    }
    diag->entries[at] = entry;
  }
}

int ls__diag_report(ls_diag *diag, const ls_topology_opts *opts, ls_error *err) {
  if (diag->n_errors == 0) return LS_OK;
  sort_entries(diag);
  for (size_t i = 0; i < diag->n && opts->on_diagnostic != NULL; i++) {
    const ls_diag_entry *entry = &diag->entries[i];
    char text[TEXT_MAX + 600];
    snprintf(text, sizeof text, "%.500s:%u:%u: error: %s", diag->file, (unsigned)entry->mark.line,
             (unsigned)entry->mark.column, entry->text);
    opts->on_diagnostic(opts->payload, text, true);
  }
  const ls_diag_entry *first = &diag->entries[0];
  char more[48] = "";
  if (diag->n_errors > 1) {
    snprintf(more, sizeof more, " (first of %zu errors)", diag->n_errors);
  }
  return ls_error_set(err, first->code, "%.200s:%u:%u: error: %.700s%s", diag->file, (unsigned)first->mark.line,
                      (unsigned)first->mark.column, first->text, more);
}
