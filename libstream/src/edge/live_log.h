/**
 * @file live_log.h
 * Records of a live lake sink's log. A value is: version, kind, epoch of the writer; then
 *
 *   rows        fingerprint of the columns, number of the first row, entries: 'p' path, 'r' row, 'd' row that is deleted
 *   file        where it lies, where it belongs, rows in it
 *   cut         number of the next row
 *   published   nothing
 *
 * Numbers are little-endian; texts and rows have their length in front. Decoding trusts nothing: the topic can be written by others.
 */
#ifndef LS_EDGE_LIVE_LOG_H
#define LS_EDGE_LIVE_LOG_H
#include "base/buf.h"
#include <libstream/error.h>

typedef enum ls_live_kind {
  LS_LIVE_ROWS = 'R',
  LS_LIVE_FILE = 'F',
  LS_LIVE_CUT = 'C',
  LS_LIVE_PUBLISHED = 'P'
} ls_live_kind;

typedef struct ls_live_record {
  ls_live_kind kind;
  uint64_t epoch;        /* of the owner that wrote it: each one has a larger one */
  uint64_t fingerprint;  /* ROWS */
  int64_t first_row;     /* ROWS */
  ls_slice entries;      /* ROWS */
  ls_slice staged, path; /* FILE */
  int64_t n_rows;        /* FILE */
  int64_t next_row;      /* CUT */
} ls_live_record;
void ls__live_log_encode(ls_buf *out, const ls_live_record *record); /* appends */
/** Slices point into value. @errors LS_EDATA */
int ls__live_log_decode(ls_live_record *out, ls_slice value, ls_error *err);

typedef struct ls_live_entry {
  char kind; /* 'p', 'r', 'd' */
  ls_slice bytes;
} ls_live_entry;
void ls__live_log_add_entry(ls_buf *out, char kind, ls_slice bytes);
/** Takes the first entry off. *found false: there is none. @errors LS_EDATA */
int ls__live_log_next_entry(ls_live_entry *out, bool *found, ls_slice *entries, ls_error *err);
#endif
