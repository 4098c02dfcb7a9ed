/** @file replay_dates.c  Which dates a lake has input of, and which sources lack it. */
#include "base/alloc.h"
#include "data/datetime.h"
#include "runtime/run.h"

#include <stdlib.h>

/** One file of one dated source. */
typedef struct dated {
  int32_t days;
  uint32_t source;
} dated;
typedef struct dated_list {
  dated *items;
  size_t n, capacity;
} dated_list;

static bool is_dated(const ls_plan_source *source) {
  return source->files != NULL && strstr(source->files, "{date}") != NULL;
}

static int list_source(dated_list *list, ls_lake *lake, const ls_plan *plan, uint32_t source, ls_error *err) {
  ls_lake_files files = {0};
  int rc = ls__lake_list(&files, lake, plan->sources[source].files, INT32_MIN, INT32_MAX, err);
  for (size_t i = 0; i < files.n && rc >= 0; i++) {
    if (files.files[i].date_days == INT32_MIN) continue;
    ls__grow(&list->items, &list->capacity, list->n + 1, sizeof *list->items);
    list->items[list->n++] = (dated){files.files[i].date_days, source};
  }
  ls__lake_files_free(&files);
  return rc;
}

static int by_date_and_source(const void *a, const void *b) {
  const dated *x = a, *y = b;
  if (x->days != y->days) return x->days < y->days ? -1 : 1;
  return x->source < y->source ? -1 : x->source > y->source;
}

/** One line: the date of items[at...], then the sources that are not among them. Returns where the next date begins. */
static size_t put_date(ls_buf *out, const dated_list *list, size_t at, const ls_plan *plan) {
  char text[LS_TIMESTAMP_TEXT_MAX];
  int32_t days = list->items[at].days;
  ls__buf_append(out, text, ls__date_format(text, days));
  for (uint32_t source = 0; source < plan->n_sources; source++) {
    bool has = false;
    for (; at < list->n && list->items[at].days == days && list->items[at].source == source; at++) has = true;
    if (!has && is_dated(&plan->sources[source])) ls__buf_printf(out, " %s", plan->sources[source].name);
  }
  ls__buf_putc(out, '\n');
  return at;
}

static int put_dates(ls_buf *out, ls_lake *lake, const ls_plan *plan, ls_error *err) {
  dated_list list = {0};
  int rc = LS_OK;
  for (uint32_t i = 0; i < plan->n_sources && rc >= 0; i++) {
    if (is_dated(&plan->sources[i])) rc = list_source(&list, lake, plan, i, err);
  }
  if (rc >= 0 && list.n > 0) qsort(list.items, list.n, sizeof *list.items, by_date_and_source);
  for (size_t at = 0; rc >= 0 && at < list.n;) at = put_date(out, &list, at, plan);
  ls__free(list.items);
  return rc;
}

int ls_runtime_dates(char **out, const ls_topology *topology, const char *lake_root, ls_error *err) {
  ls_error scratch = LS_ERROR_INIT;
  if (err == NULL) err = &scratch;
  ls_lake *lake = NULL;
  ls_buf text = LS_BUF_INIT;
  int rc = ls__lake_open(&lake, lake_root, err);
  if (rc >= 0) rc = put_dates(&text, lake, ls__topology_plan(topology), err);
  ls__lake_close(lake);
  ls__buf_putc(&text, 0);
  *out = text.ptr;
  return rc;
}
