/** @file sink_tee.c  See sink_tee.h. */
#include "edge/sink_tee.h"

#include "base/alloc.h"

struct ls_sink_tee {
  ls_sink_port port;
  ls_sink_port *ports[2];
  ls_arena arena; /* of one call */
};

static int write_to(ls_sink_tee *tee, ls_sink_port *port, int worker, const ls_batch *batch, const ls_column *partition,
                    ls_error *err) {
  if (batch->retracts == NULL || port->takes_deletes) return port->write(port, worker, batch, partition, err);
  ls__arena_reset(&tee->arena);
  int32_t *rows = LS_ARENA_ARRAY(&tee->arena, int32_t, batch->n_rows + 1);
  int64_t n = 0;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    if (!ls__is_retract(batch, row)) rows[n++] = (int32_t)row;
  }
  ls_batch *plain = ls__batch_new(batch->schema, &tee->arena, n);
  ls__batch_gather(plain, batch, rows, n);
  if (partition == NULL) return port->write(port, worker, plain, NULL, err);
  ls_column paths;
  ls__column_init(&paths, partition->type, &tee->arena, n);
  ls__column_gather(&paths, partition, rows, n);
  return port->write(port, worker, plain, &paths, err);
}

static int tee_write(ls_sink_port *port, int worker, const ls_batch *batch, const ls_column *partition, ls_error *err) {
  ls_sink_tee *tee = (ls_sink_tee *)port;
  LS_TRY(write_to(tee, tee->ports[0], worker, batch, partition, err));
  return write_to(tee, tee->ports[1], worker, batch, partition, err);
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
