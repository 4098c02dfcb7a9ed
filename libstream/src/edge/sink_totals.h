/**
 * @file sink_totals.h
 * Totals of what a sink wrote, for the run summary: rows by the values of some columns, and exact sums of decimal columns per
 * value of one column (a currency), so that currencies are never added up.
 */
#ifndef LS_EDGE_SINK_TOTALS_H
#define LS_EDGE_SINK_TOTALS_H
#include "base/buf.h"
#include "data/batch.h"
#include "port/sink.h"

typedef struct ls_sink_totals_spec {
  const uint32_t *count_by; /* STRING fields */
  uint32_t n_count_by;
  const uint32_t *sum; /* DECIMAL fields */
  uint32_t n_sum;
  int32_t per;   /* STRING field of the sums, -1: one sum over all */
  int32_t split; /* STRING field by which the sums are split once more (a status), -1: none */
} ls_sink_totals_spec;

typedef struct ls_sink_totals ls_sink_totals;
void ls__sink_totals_new(ls_sink_totals **out, const ls_sink_totals_spec *spec, const ls_schema *schema);
void ls__sink_totals_free(ls_sink_totals *totals);
/** @thread any @errors LS_EOVERFLOW */
int ls__sink_totals_add(ls_sink_totals *totals, const ls_batch *batch, ls_error *err);
/** {"counts":{"reconciled_status":{"MATCHED":3}},"sums":{"USD":{"amount":"12.5000"}}}, names sorted; null is "". With
 *  split also "split":{"USD":{"MATCHED":{"amount":"12.5000"}}}. */
void ls__sink_totals_format(ls_buf *out, const ls_sink_totals *totals);
/** Calls fn for each value of per and of split, sorted; without split it is "". sums: one per field of spec.sum. */
void ls__sink_totals_each(const ls_sink_totals *totals,
                          void (*fn)(void *payload, const char *per, const char *split, const ls_i128 *sums),
                          void *payload);
/** A sink that only adds up what it is given. */
ls_sink_port *ls__sink_totals_port(ls_sink_totals *totals);
#endif
