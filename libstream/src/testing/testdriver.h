/**
 * @file testdriver.h
 * Runs a topology on records given by hand, in the order given: the replay driver's own stages over memory ports. Unlike a
 * replay of files, records may be out of order: stream time is the largest event time so far, as on a live topic.
 */
#ifndef LS_TESTING_TESTDRIVER_H
#define LS_TESTING_TESTDRIVER_H
#include <libstream/error.h>

typedef struct ls_testdriver ls_testdriver;
typedef struct ls_testdriver_opts {
  const char *yaml;       /* text of the topology */
  const char *plugin_dir; /* NULL: none */
  int64_t batch_rows;     /* 0: 1 */
  int n_workers;          /* 0: 1 */
  bool as_piped;          /* records of one stream time go in the order piped, not by source first */
  bool live; /* tables emit changes, as a live run has no end; rows of a key that is gone come as "-{...}" */
} ls_testdriver_opts;

int ls__testdriver_new(ls_testdriver **out, const ls_testdriver_opts *opts, ls_error *err);
void ls__testdriver_free(ls_testdriver *driver);
/** Appends a record (a JSON object) to a source or a global table. A bad one becomes a dead letter. @errors LS_ENOTFOUND: no such source */
int ls__testdriver_pipe(ls_testdriver *driver, const char *source, const char *json, ls_error *err);
/** Runs everything piped so far to the end of input. Once. */
int ls__testdriver_run(ls_testdriver *driver, ls_error *err);
/** What a sink got: one JSON object per line, in emission order. Owned by the driver. */
const char *ls__testdriver_output(const ls_testdriver *driver, const char *sink);
/** Dead letters: "source: reason: error" per line. */
const char *ls__testdriver_dead_letters(const ls_testdriver *driver);
/** What of the records the dead letters show: JSON per line, empty where there is nothing to show. */
const char *ls__testdriver_dead_payloads(const ls_testdriver *driver);
/** Counters of a step as "in=3 taken=2 filtered=1 late=0 dead=0 out=2". Owned by the driver until the next call. */
const char *ls__testdriver_counters(ls_testdriver *driver, const char *step);
#endif
