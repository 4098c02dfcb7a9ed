/**
 * @file lake_list.c
 * Listing by pattern: one directory level at a time, so that only directories that match so far are
 * ever listed. On S3 that is one request (per 1000 names) per matching directory below the
 * pattern's constant prefix.
 */
#include "edge/lake_internal.h"

#include "base/alloc.h"
#include "data/datetime.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATE_LEN 10 /* YYYY-MM-DD */
static const char date_token[] = "{date}";

typedef struct lister {
  ls_lake_files *out;
  ls_lake *lake;
  int32_t from_days, to_days;
  ls_buf path; /* of the directory being looked at, relative to the root */
} lister;

static bool is_constant(const char *segment, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (segment[i] == '*' || segment[i] == '{') return false;
  }
  return true;
}

/* Matches {date} at name: within the range, its length is fixed. */
static bool match_date(const lister *list, ls_slice name, int32_t *days) {
  if (name.len < DATE_LEN || ls__date_parse(days, (ls_slice){name.ptr, DATE_LEN}) != LS_OK) return false;
  if (*days < list->out->date_first) list->out->date_first = *days;
  return *days >= list->from_days && *days <= list->to_days;
}

/** The first {a,b} of a segment, from its brace to the one that closes it; n = 0: none. */
static ls_slice find_alternatives(ls_slice segment) {
  for (size_t at = 0; at < segment.len; at++) {
    const char *open = segment.ptr + at;
    if (*open != '{') continue;
    const char *close = memchr(open, '}', segment.len - at);
    if (close && memchr(open, ',', (size_t)(close - open))) return (ls_slice){open, (size_t)(close - open) + 1};
  }
  return (ls_slice){NULL, 0};
}

/**
 * Whether a name matches a segment of '*', '{date}' and plain characters. Every token but '*' has a
 * fixed length, so going back to the last '*' is enough and the cost is bounded by the product of
 * the lengths.
 */
static bool match_plain(const lister *list, ls_slice segment, ls_slice name, int32_t *date_days) {
  size_t s = 0, n = 0, star_s = SIZE_MAX, star_n = 0;
  int32_t days = *date_days;
  while (s < segment.len || n < name.len) {
    if (s < segment.len && segment.ptr[s] == '*') {
      star_s = ++s;
      star_n = n;
      continue;
    }
    bool is_date =
        segment.len - s >= strlen(date_token) && memcmp(segment.ptr + s, date_token, strlen(date_token)) == 0;
    if (is_date && match_date(list, (ls_slice){name.ptr + n, name.len - n}, &days)) {
      s += strlen(date_token);
      n += DATE_LEN;
      continue;
    }
    if (!is_date && s < segment.len && n < name.len && segment.ptr[s] == name.ptr[n]) {
      s++;
      n++;
      continue;
    }
    if (star_s == SIZE_MAX || star_n >= name.len) return false;
    s = star_s;
    n = ++star_n;
  }
  *date_days = days;
  return true;
}

/** Same, with alternatives: the segment with one of them after the other in their place. */
static bool match_segment(const lister *list, ls_slice segment, ls_slice name, int32_t *date_days) {
  ls_slice braces = find_alternatives(segment);
  if (braces.len == 0) return match_plain(list, segment, name, date_days);
  const char *end = braces.ptr + braces.len, *segment_end = segment.ptr + segment.len;
  ls_buf one = LS_BUF_INIT;
  bool found = false;
  for (const char *at = braces.ptr + 1; !found && at < end;) {
    size_t len = 0;
    while (at[len] != ',' && at[len] != '}') len++;
    ls__buf_clear(&one);
    ls__buf_append(&one, segment.ptr, (size_t)(braces.ptr - segment.ptr));
    ls__buf_append(&one, at, len);
    ls__buf_append(&one, end, (size_t)(segment_end - end));
    found = match_segment(list, ls__buf_slice(&one), name, date_days);
    at += len + 1;
  }
  ls__buf_fini(&one);
  return found;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* Reads up to len digits. */
static int take_number(ls_slice *text, size_t len) {
  int number = 0;
  for (; len > 0 && text->len > 0 && is_digit(text->ptr[0]); len--, text->ptr++, text->len--) {
    number = 10 * number + (text->ptr[0] - '0');
  }
  return number;
}

/* Whether text begins like a date in another form: 2026-3-3, 2026_03_03, 20260303, 2026-02-30. *days: which; INT32_MIN when
 * there is no such day. */
static bool like_date(ls_slice text, int32_t *days) {
  char proper[64];
  ls_slice rest = text;
  bool four = text.len >= 6;
  for (size_t i = 0; i < 4 && four; i++) four = is_digit(text.ptr[i]);
  if (!four) return false;
  int year = take_number(&rest, 4), month, day;
  bool mark = strchr("-_.", rest.ptr[0]) != NULL;
  if (mark) rest.ptr++, rest.len--;
  if (rest.len == 0 || !is_digit(rest.ptr[0])) return false;
  month = take_number(&rest, 2);
  if (mark && (rest.len < 2 || strchr("-_.", rest.ptr[0]) == NULL)) return false;
  if (mark) rest.ptr++, rest.len--;
  if (rest.len == 0 || !is_digit(rest.ptr[0])) return false;
  day = take_number(&rest, 2);
  if (rest.len > 0 && is_digit(rest.ptr[0])) return false;
  snprintf(proper, sizeof proper, "%04d-%02d-%02d", year, month, day);
  if (ls__date_parse(days, ls__slice_of(proper)) != LS_OK) *days = INT32_MIN;
  return text.len < DATE_LEN || memcmp(text.ptr, proper, DATE_LEN) != 0 || *days == INT32_MIN;
}

/* Notes a name that is not read and that someone may have meant as a day of this listing. */
static void note_unread(lister *list, ls_slice segment, const char *name) {
  size_t at = 0;
  int32_t days = INT32_MIN;
  while (at < segment.len && segment.ptr[at] != '{' && segment.ptr[at] != '*') at++;
  bool date = segment.len - at >= strlen(date_token) && memcmp(segment.ptr + at, date_token, strlen(date_token)) == 0;
  for (const char *c = name; *c; c++) {
    if ((unsigned char)*c <= ' ' || *c == 0x7f) return; /* it stands in logs */
  }
  if (!date || strncmp(segment.ptr, name, at) != 0 || !like_date(ls__slice_of(name + at), &days)) return;
  if (days != INT32_MIN && (days < list->from_days || days > list->to_days)) return;
  if (list->out->n_unread++ > 0) return;
  const char *directory = list->path.len > 0 ? list->path.ptr : "";
  size_t len = strlen(directory) + strlen(name) + 2;
  list->out->unread = ls__calloc(len, 1);
  snprintf(list->out->unread, len, "%s%s%s", directory, list->path.len > 0 ? "/" : "", name);
}

/* The date of a dt=YYYY-MM-DD directory in the path; patterns without {date} still give dates
 * to their files. */
static int32_t date_of_path(const char *path) {
  for (const char *segment = path; segment; segment = strchr(segment, '/')) {
    segment += *segment == '/';
    size_t len = strcspn(segment, "/");
    int32_t days;
    if (len == 3 + DATE_LEN && memcmp(segment, "dt=", 3) == 0 &&
        ls__date_parse(&days, (ls_slice){segment + 3, DATE_LEN}) == LS_OK) {
      return days;
    }
  }
  return INT32_MIN;
}

static void add_file(lister *list, int64_t size_bytes, int32_t date_days) {
  ls_lake_files *out = list->out;
  ls__grow(&out->files, &out->capacity, out->n + 1, sizeof *out->files);
  char *path = ls__strndup(list->path.ptr, list->path.len);
  int32_t days = date_days == INT32_MIN ? date_of_path(path) : date_days;
  out->files[out->n++] = (ls_lake_file){path, size_bytes, days};
}

/* Appends a name to the path being walked; returns the length to go back to. */
static size_t path_push(lister *list, const char *name, size_t len) {
  size_t before = list->path.len;
  if (before > 0) ls__buf_putc(&list->path, '/');
  ls__buf_append(&list->path, name, len);
  ls__buf_putc(&list->path, '\0');
  list->path.len--;
  return before;
}

static void path_pop(lister *list, size_t before) {
  list->path.len = before;
  if (list->path.ptr) list->path.ptr[before] = '\0';
}

static char *current_full_path(const lister *list) {
  return list->path.len == 0 ? ls__strdup(list->lake->base) : ls__lake_full_path(list->lake, list->path.ptr);
}

static int walk(lister *list, const char *pattern, int32_t date_days, ls_error *err);

static int walk_constant(lister *list, ls_slice segment, const char *rest, int32_t date_days, ls_error *err) {
  size_t before = path_push(list, segment.ptr, segment.len);
  int rc = LS_OK;
  if (rest) {
    rc = walk(list, rest, date_days, err);
  } else {
    char *full = current_full_path(list);
    bool is_file = false;
    int64_t size_bytes = 0;
    rc = list->lake->local ? ls__local_stat(&is_file, &size_bytes, full, err)
                           : ls__s3_stat(&is_file, &size_bytes, list->lake->s3, full, err);
    ls__free(full);
    if (rc == LS_OK && is_file) add_file(list, size_bytes, date_days);
  }
  path_pop(list, before);
  return rc;
}

static bool is_hidden(const char *name) {
  return name[0] == '.' || name[0] == '_';
}

static int walk_entry(lister *list, const ls_lake_entry *entry, ls_slice segment, const char *rest, int32_t date_days,
                      ls_error *err) {
  if (is_hidden(entry->name) || entry->is_dir != (rest != NULL)) return LS_OK;
  if (!match_segment(list, segment, ls__slice_of(entry->name), &date_days)) {
    note_unread(list, segment, entry->name);
    return LS_OK;
  }
  size_t before = path_push(list, entry->name, strlen(entry->name));
  int rc = LS_OK;
  if (rest) {
    rc = walk(list, rest, date_days, err);
  } else {
    add_file(list, entry->size_bytes, date_days);
  }
  path_pop(list, before);
  return rc;
}

static int walk(lister *list, const char *pattern, int32_t date_days, ls_error *err) {
  size_t len = strcspn(pattern, "/");
  ls_slice segment = {pattern, len};
  const char *rest = pattern[len] ? pattern + len + 1 : NULL;
  if (is_constant(pattern, len)) return walk_constant(list, segment, rest, date_days, err);
  ls_lake_entries entries = {NULL, 0, 0};
  char *full = current_full_path(list);
  int rc = list->lake->local ? ls__local_list(&entries, full, err) : ls__s3_list(&entries, list->lake->s3, full, err);
  for (size_t i = 0; i < entries.n && rc == LS_OK; i++) {
    rc = walk_entry(list, &entries.entries[i], segment, rest, date_days, err);
  }
  ls__free(full);
  ls__lake_entries_free(&entries);
  return rc;
}

static int compare_files(const void *a, const void *b) {
  return strcmp(((const ls_lake_file *)a)->path, ((const ls_lake_file *)b)->path);
}

void ls__lake_files_free(ls_lake_files *files) {
  for (size_t i = 0; i < files->n; i++) ls__free(files->files[i].path);
  ls__free(files->files);
  ls__free(files->unread);
  *files = (ls_lake_files){.date_first = INT32_MAX};
}

int ls__lake_list(ls_lake_files *out, ls_lake *lake, const char *pattern, int32_t from_days, int32_t to_days,
                  ls_error *err) {
  *out = (ls_lake_files){.date_first = INT32_MAX};
  LS_TRY(ls__lake_check_path(pattern, err));
  lister list = {.out = out, .lake = lake, .from_days = from_days, .to_days = to_days, .path = LS_BUF_INIT};
  int rc = walk(&list, pattern, INT32_MIN, err);
  ls__buf_fini(&list.path);
  if (rc < 0) {
    ls__lake_files_free(out);
    return rc;
  }
  if (out->n > 1) qsort(out->files, out->n, sizeof *out->files, compare_files);
  return LS_OK;
}
