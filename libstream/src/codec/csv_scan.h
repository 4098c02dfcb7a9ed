/**
 * @file csv_scan.h
 * Cells and records of RFC 4180. A quote opens a quoted cell only where a cell begins; a quote
 * elsewhere makes the record bad but hides no newline, so that one stray quote costs one record.
 * The same scan cuts blocks and decodes.
 */
#ifndef LS_CODEC_CSV_SCAN_H
#define LS_CODEC_CSV_SCAN_H
#include "base/arena.h"

struct ls_csv_cell {
  const char *ptr;
  uint32_t len;
  bool quoted;
  bool doubled; /* holds "" for a quote */
};
typedef struct ls_csv_cell ls_csv_cell;

typedef struct ls_csv_record {
  uint32_t n_cells;      /* all there are, also those beyond the cells asked for */
  int64_t n_newlines;    /* in the record, its end included */
  const char *bad_quote; /* first quote at a wrong place; NULL: none */
  bool open;             /* ends inside a quoted cell: more may follow in the next block */
  bool ended;            /* by a newline, not by the end of the text */
} ls_csv_record;

/** Reads the record at p (p < end), storing up to n_max cells. Returns after its newline, or end.
 */
const char *ls__csv_scan(ls_csv_record *record, ls_csv_cell *cells, uint32_t n_max, const char *p, const char *end);
/** Text of a cell; copied to the arena where quotes are doubled. */
ls_slice ls__csv_cell_text(const ls_csv_cell *cell, ls_arena *arena);
#endif
