/** @file sink_tee.c  See sink_tee.h. */
#include "edge/sink_tee.h"

#include "base/alloc.h"

struct ls_sink_tee {
  ls_sink_port port;
  ls_sink_port *ports[2];
  ls_arena arena; /* of one call */
};

/** Rows that a port gets, by number: not those without a value where it can't take them, nor those left out. NULL: all. */
static int32_t *pick(ls_sink_tee *tee, const ls_sink_port *port, const ls_batch *batch, const bool *left_out,
                     int64_t *n) {
  bool takes_all = batch->retracts == NULL || port->takes_deletes;
  *n = batch->n_rows;
  if (takes_all && left_out == NULL) return NULL;
  int32_t *rows = LS_ARENA_ARRAY(&tee->arena, int32_t, batch->n_rows + 1);
  *n = 0;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    if (left_out != NULL && left_out[row]) continue;
    if (takes_all || !ls__is_retract(batch, row)) rows[(*n)++] = (int32_t)row;
  }
  return rows;
}

static int write_rows(ls_sink_tee *tee, ls_sink_port *port, int worker, const ls_batch *batch,
                      const ls_column *partition, const int32_t *rows, int64_t n, ls_error *err) {
  if (rows == NULL) return port->write(port, worker, batch, partition, err);
  ls_batch *some = ls__batch_new(batch->schema, &tee->arena, n);
  ls__batch_gather(some, batch, rows, n);
  if (partition == NULL) return port->write(port, worker, some, NULL, err);
  ls_column paths;
  ls__column_init(&paths, partition->type, &tee->arena, n);
  ls__column_gather(&paths, partition, rows, n);
  return port->write(port, worker, some, &paths, err);
}

/** What the first refuses the second does not get: a row is in both or in none. */
static int tee_write(ls_sink_port *port, int worker, const ls_batch *batch, const ls_column *partition, ls_error *err) {
  ls_sink_tee *tee = (ls_sink_tee *)port;
  ls_sink_port *first = tee->ports[0];
  int64_t n;
  ls__arena_reset(&tee->arena);
  const int32_t *rows = pick(tee, first, batch, NULL, &n);
  LS_TRY(write_rows(tee, first, worker, batch, partition, rows, n, err));
  bool *left_out = first->n_refused > 0 ? LS_ARENA_ARRAY(&tee->arena, bool, batch->n_rows + 1) : NULL;
  int32_t *refused = LS_ARENA_ARRAY(&tee->arena, int32_t, first->n_refused + 1);
  for (int64_t i = 0; i < first->n_refused; i++) {
    refused[i] = rows != NULL ? rows[first->refused[i]] : first->refused[i];
    left_out[refused[i]] = true;
  }
  port->refused = refused;
  port->n_refused = first->n_refused;
  rows = pick(tee, tee->ports[1], batch, left_out, &n);
  return write_rows(tee, tee->ports[1], worker, batch, partition, rows, n, err);
}

void ls__sink_tee_new(ls_sink_tee **out, ls_sink_port *first, ls_sink_port *second) {
  ls_sink_tee *tee = LS_NEW(ls_sink_tee);
  tee->port.write = tee_write;
  tee->port.takes_deletes = first->takes_deletes || second->takes_deletes;
  tee->ports[0] = first;
  tee->ports[1] = second;
  ls__arena_init(&tee->arena, 4096);
  *out = tee;
}

void ls__sink_tee_free(ls_sink_tee *tee) {
  if (tee == NULL) return;
  ls__arena_fini(&tee->arena);
  ls__free(tee);
}

ls_sink_port *ls__sink_tee_port(ls_sink_tee *tee) {
  return &tee->port;
}
