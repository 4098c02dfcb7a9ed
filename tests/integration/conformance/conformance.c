/**
 * @file conformance.c
 * Our side of it_conformance.py: many topologies on records given by hand, in one process. Reads from standard input, line
 * by line; a text that follows a line is as long as the line says. After each run standard output is flushed.
 *
 *     topology SLICE_ROWS BYTES   the topology's text follows
 *     row SOURCE JSON             in the order of arrival
 *     run SINK...                 answers "SINK BYTES" and the sink's lines for each, then "letters BYTES" and the dead letters
 *     restart DIRECTORY           a window buffer on disk gets a row, is opened again, and gets another one of the same key
 *                                 and time; answers "rows N": what it holds then
 */
#include "base/hash.h"
#include "store/store.h"
#include "testing/testdriver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_ROWS_MAX     100000
#define TOPOLOGY_BYTES_MAX 100000

static ls_error error = LS_ERROR_INIT;

static void check(int rc) {
  if (rc >= 0) return;
  fprintf(stderr, "conformance: %s\n", error.message);
  exit(1);
}

static _Noreturn void refuse(const char *line) {
  fprintf(stderr, "conformance: not understood: %s\n", line);
  exit(1);
}

static ls_testdriver *open_topology(const char *line) {
  int64_t slice_rows;
  size_t n;
  if (sscanf(line, "topology %" SCNd64 " %zu", &slice_rows, &n) != 2 || slice_rows > SLICE_ROWS_MAX ||
      n > TOPOLOGY_BYTES_MAX)
    refuse(line);
  char *yaml = malloc(n + 1);
  if (yaml == NULL || fread(yaml, 1, n, stdin) != n) refuse(line);
  yaml[n] = 0;
  ls_testdriver *driver = NULL;
  check(ls__testdriver_new(&driver, &(ls_testdriver_opts){.yaml = yaml, .batch_rows = slice_rows, .as_piped = true},
                           &error));
  free(yaml);
  return driver;
}

static void pipe_row(ls_testdriver *driver, char *line) {
  char *source = line + strlen("row "), *json = strchr(source, ' ');
  if (json == NULL) refuse(line);
  *json++ = 0;
  check(ls__testdriver_pipe(driver, source, json, &error));
}

static void answer(const char *name, const char *text) {
  printf("%s %zu\n%s", name, strlen(text), text);
}

static void run(ls_testdriver *driver, char *line) {
  check(ls__testdriver_run(driver, &error));
  strtok(line, " ");
  for (const char *sink = strtok(NULL, " "); sink != NULL; sink = strtok(NULL, " ")) {
    const char *text = ls__testdriver_output(driver, sink);
    if (text == NULL) refuse(sink);
    answer(sink, text);
  }
  answer("letters", ls__testdriver_dead_letters(driver));
  fflush(stdout);
}

/* ---- a window buffer and its restart ---- */

static int count_row(void *payload, const ls_window_entry *entry, ls_error *err) {
  (void)entry, (void)err;
  ++*(int *)payload;
  return 0;
}

/** Puts the record number seq of its task; the number goes on after a restart, as it is committed with the offsets. */
static int rows_with(const char *directory, uint64_t seq, const char *value) {
  const ls_slice key = {"a", 1}, rest = {value, strlen(value)};
  const int64_t ts_us = 1000;
  ls_store_db *db;
  ls_store_set *set;
  ls_window *window;
  check(ls__store_db_open(&db, directory,
                          &(ls_store_db_opts){.block_cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20}, &error));
  check(ls__store_set_new(&set, db, "0_0", 1 << 20, &error));
  check(ls__window_open(&window, set, "left", LS_STORE_ROCKSDB, 1, &error));
  ls_window_entry entry = {.key = key, .ts_us = ts_us, .stamp = {ts_us, LS_SEQ_RECORD | seq}, .value = rest};
  check(ls__window_put(window, &entry, ls__hash64(key), &error));
  check(ls__store_set_commit(set, (ls_slice){"", 0}, &error));
  int n = 0;
  check(ls__window_fetch(window, key, ls__hash64(key), ts_us, ts_us, count_row, &n, &error));
  ls__store_set_free(set);
  ls__store_db_close(db);
  return n;
}

static void restart(const char *directory) {
  rows_with(directory, 1, "first");
  printf("rows %d\n", rows_with(directory, 2, "second"));
  fflush(stdout);
}

static bool begins_with(const char *line, const char *word) {
  return strncmp(line, word, strlen(word)) == 0;
}

int main(void) {
  ls_testdriver *driver = NULL;
  char *line = NULL;
  size_t capacity = 0;
  for (ssize_t n; (n = getline(&line, &capacity, stdin)) > 0;) {
    line[n - 1] = 0;
    if (begins_with(line, "topology ")) {
      ls__testdriver_free(driver);
      driver = open_topology(line);
    } else if (begins_with(line, "row ")) {
      pipe_row(driver, line);
    } else if (begins_with(line, "run ")) {
      run(driver, line);
    } else if (begins_with(line, "restart ")) {
      restart(line + strlen("restart "));
    } else {
      refuse(line);
    }
  }
  ls__testdriver_free(driver);
  free(line);
  return 0;
}
