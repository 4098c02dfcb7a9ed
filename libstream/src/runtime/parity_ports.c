/** @file parity_ports.c  Where a replay's rows and dead letters go for the comparison: as the records that a live run would send. */
#include "runtime/parity.h"

#include "base/alloc.h"

/** One sink's rows: a chunk per worker. */
typedef struct worker_rows {
  ls_sort_chunk *chunk;
  uint64_t n;
  ls_buf key, value;
} worker_rows;

struct ls_parity_port {
  ls_sink_port port;
  ls_parity_output *output;
  worker_rows *workers; /* run->n_workers */
};

/** Rows for a repartition source: to the partition that their topic would have them in, since they meet rows of others' topics there. */
typedef struct repartition_port {
  ls_sink_port port;
  ls_parity *parity;
  uint32_t source;
} repartition_port;

static int write_repartition(ls_sink_port *port, int worker, const ls_batch *batch, const ls_column *partition,
                             ls_error *err) {
  (void)worker, (void)partition;
  const repartition_port *self = (const repartition_port *)port;
  ls_runtime *run = self->parity->run;
  if (batch->n_rows == 0) return LS_OK;
  int32_t n_partitions = self->parity->stream.n_partitions[run->plan->sources[self->source].sub_topology];
  ls_sort_chunk *chunk = ls__sort_chunk_new(run->sorters[self->source], batch->n_rows);
  ls__batch_append_range(ls__sort_chunk_batch(chunk), batch, 0, batch->n_rows);
  uint32_t *partitions = ls__calloc((size_t)batch->n_rows, sizeof *partitions);
  ls_buf key = LS_BUF_INIT;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    ls__buf_clear(&key);
    ls__batch_format_key(&key, batch, row);
    partitions[row] = (uint32_t)ls__kafka_murmur2_partition(ls__buf_slice(&key), n_partitions);
  }
  int rc = ls__sorter_add(run->sorters[self->source], chunk, partitions, err);
  ls__buf_fini(&key);
  ls__free(partitions);
  return rc;
}

/** Dead letters of all sources; n orders them, though nothing depends on it. */
typedef struct letter_port {
  ls_dead_letter_port port;
  ls_parity *parity;
  pthread_mutex_t lock;
  ls_sort_chunk **chunks; /* by output */
  uint64_t n;
  ls_buf key, value;
} letter_port;

static int write_rows(ls_sink_port *port, int worker, const ls_batch *batch, const ls_column *partition,
                      ls_error *err) {
  (void)partition;
  struct ls_parity_port *self = (struct ls_parity_port *)port;
  worker_rows *rows = &self->workers[worker];
  bool keyed = batch->schema->n_key > 0;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    ls__buf_clear(&rows->key);
    ls__buf_clear(&rows->value);
    LS_TRY(ls__kafka_sink_format(&rows->key, &rows->value, self->output->protobuf, batch, row, err));
    bool gone = ls__is_retract(batch, row);
    ls_slice value = {gone ? NULL : rows->value.ptr != NULL ? rows->value.ptr : "", rows->value.len};
    ls_slice key = {keyed ? (rows->key.ptr != NULL ? rows->key.ptr : "") : NULL, keyed ? rows->key.len : 0};
    LS_TRY(ls__parity_add(self->output->replayed, &rows->chunk, key, value, (ls_stamp){worker, ++rows->n}, err));
  }
  return LS_OK;
}

static bool is_behind_repartition(const ls_plan *plan, const char *node) {
  for (uint32_t i = 0; i < plan->n_nodes && node != NULL; i++) {
    if (strcmp(plan->nodes[i].name, node) != 0) continue;
    for (uint32_t k = 0; k < plan->n_sources; k++) {
      if (plan->sources[k].repartition && plan->sources[k].sub_topology == plan->nodes[i].sub_topology) return true;
    }
  }
  return false;
}

static int write_letter(ls_dead_letter_port *port, uint32_t source, const ls_dead_letter *letter, ls_error *err) {
  letter_port *self = (letter_port *)port;
  ls_parity *parity = self->parity;
  uint32_t index = parity->output_of_source[source];
  ls_parity_output *output = &parity->outputs[index];
  bool has_key;
  pthread_mutex_lock(&self->lock);
  ls__buf_clear(&self->key);
  ls__buf_clear(&self->value);
  ls__kafka_letter_format(&self->key, &has_key, &self->value, letter);
  if (is_behind_repartition(parity->plan, letter->node)) {
    ls__parity_without_place(&self->value);
    has_key = false;
  }
  ls_slice key = has_key ? ls__buf_slice(&self->key) : (ls_slice){NULL, 0};
  int rc = ls__parity_add(output->replayed, &self->chunks[index], key, ls__buf_slice(&self->value),
                          (ls_stamp){0, ++self->n}, err);
  pthread_mutex_unlock(&self->lock);
  ls__parity_count_reason(output, 1, letter->reason);
  return rc;
}

void ls__parity_ports_open(ls_parity *parity) {
  ls_runtime *run = parity->run;
  uint32_t n_sinks = parity->plan->n_sinks;
  parity->ports = ls__calloc(n_sinks + 1, sizeof *parity->ports);
  for (uint32_t i = 0; i < n_sinks; i++) {
    if (parity->output_of_sink[i] == UINT32_MAX) continue;
    struct ls_parity_port *port = &parity->ports[i];
    port->port.write = write_rows;
    port->output = &parity->outputs[parity->output_of_sink[i]];
    port->workers = ls__calloc(run->n_workers, sizeof *port->workers);
    run->sink_ports[i] = &port->port;
  }
  parity->repartition_ports = LS_ARENA_ARRAY(&run->arena, ls_sink_port *, parity->plan->n_sources + 1);
  for (uint32_t i = 0; i < parity->plan->n_sources; i++) {
    if (!parity->plan->sources[i].repartition) continue;
    repartition_port *port = LS_ARENA_ARRAY(&run->arena, repartition_port, 1);
    *port = (repartition_port){.port.write = write_repartition, .parity = parity, .source = i};
    parity->repartition_ports[i] = &port->port;
  }
  letter_port *letters = LS_NEW(letter_port);
  letters->port.write = write_letter;
  letters->parity = parity;
  letters->chunks = ls__calloc(parity->n_outputs + 1, sizeof *letters->chunks);
  pthread_mutex_init(&letters->lock, NULL);
  run->letter_port = &letters->port;
}

static int end_chunk(ls_parity_output *output, ls_sort_chunk **chunk, ls_error *err) {
  ls_sort_chunk *full = *chunk;
  *chunk = NULL;
  return full != NULL ? ls__sorter_add(output->replayed, full, NULL, err) : LS_OK;
}

int ls__parity_ports_end(ls_parity *parity, ls_error *err) {
  for (uint32_t i = 0; i < parity->plan->n_sinks; i++) {
    for (uint32_t k = 0; parity->ports[i].workers != NULL && k < parity->run->n_workers; k++) {
      LS_TRY(end_chunk(parity->ports[i].output, &parity->ports[i].workers[k].chunk, err));
    }
  }
  letter_port *letters = (letter_port *)parity->run->letter_port;
  for (uint32_t i = 0; i < parity->n_outputs; i++) LS_TRY(end_chunk(&parity->outputs[i], &letters->chunks[i], err));
  for (uint32_t i = 0; i < parity->n_outputs; i++) {
    ls__sorter_seal(parity->outputs[i].replayed);
    parity->outputs[i].n_replayed = ls__sorter_rows(parity->outputs[i].replayed, 0);
  }
  return LS_OK;
}

void ls__parity_ports_close(ls_parity *parity) {
  if (parity->ports == NULL) return;
  for (uint32_t i = 0; i < parity->plan->n_sinks; i++) {
    for (uint32_t k = 0; parity->ports[i].workers != NULL && k < parity->run->n_workers; k++) {
      worker_rows *rows = &parity->ports[i].workers[k];
      ls__sort_chunk_abandon(rows->chunk);
      ls__buf_fini(&rows->key);
      ls__buf_fini(&rows->value);
    }
    ls__free(parity->ports[i].workers);
  }
  ls__free(parity->ports);
  letter_port *letters = (letter_port *)parity->run->letter_port;
  for (uint32_t i = 0; i < parity->n_outputs; i++) ls__sort_chunk_abandon(letters->chunks[i]);
  ls__free(letters->chunks);
  ls__buf_fini(&letters->key);
  ls__buf_fini(&letters->value);
  pthread_mutex_destroy(&letters->lock);
  ls__free(letters);
  parity->run->letter_port = NULL;
}
