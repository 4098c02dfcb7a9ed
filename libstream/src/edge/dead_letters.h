/**
 * @file dead_letters.h
 * Dead letters on the lake: bad records of each source, one JSON line each with source, file, line, reason, error and masked
 * payload, under <directory>/dt=<day>/part-00000.jsonl in the order of the input. Counts them and stops the run at the limit.
 */
#ifndef LS_EDGE_DEAD_LETTERS_H
#define LS_EDGE_DEAD_LETTERS_H
#include "port/lake.h"
#include "port/sink.h"

typedef struct ls_dead_letters ls_dead_letters;
typedef struct ls_dead_letters_opts {
  const char *const *directories; /* per source */
  const char *const *names;
  const int32_t *from_days, *to_days; /* per source: letters of files of other days are only counted */
  uint32_t n_sources;
  const char *time;     /* of the run (--as-of), RFC 3339: put into each letter */
  int32_t default_days; /* dt of letters whose file has none */
  int64_t records_max;  /* -1: no limit */
  const char *spill_directory;
} ls_dead_letters_opts;

void ls__dead_letters_new(ls_dead_letters **out, const ls_dead_letters_opts *opts);
void ls__dead_letters_free(ls_dead_letters *letters);
ls_dead_letter_port *ls__dead_letters_port(ls_dead_letters *letters);
/** Letters of days in from_days..to_days, and of other days. */
int64_t ls__dead_letters_count(const ls_dead_letters *letters, uint32_t source); /* @thread any */
int64_t ls__dead_letters_others(const ls_dead_letters *letters, uint32_t source);
/** Calls fn for each (source, reason) with its count, sorted. */
void ls__dead_letters_reasons(const ls_dead_letters *letters,
                              void (*fn)(void *payload, const char *source, const char *reason, int64_t n),
                              void *payload);
/** Stages one file per source and day. Paths are appended to *paths (NUL-separated); a day that was read and has no bad
 *  record needs its old file removed: see ls__dead_letters_has. */
int ls__dead_letters_stage(ls_dead_letters *letters, ls_lake_stage *stage, ls_buf *paths, ls_error *err);
/** Whether a source has letters of a day. */
bool ls__dead_letters_has(const ls_dead_letters *letters, uint32_t source, int32_t days);
/** Path of the file of a source and day. */
void ls__dead_letters_path(ls_buf *out, const ls_dead_letters *letters, uint32_t source, int32_t days);
#endif
