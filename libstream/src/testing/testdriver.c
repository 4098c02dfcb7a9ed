/** @file testdriver.c  See testdriver.h. */
#include "testing/testdriver.h"

#include "data/datetime.h"
#include "runtime/run.h"

#include <pthread.h>

typedef struct memory_sink {
  ls_sink_port port;
  ls_buf lines;
  pthread_mutex_t lock;
} memory_sink;

struct ls_testdriver {
  ls_topology *topology;
  ls_runtime run; /* the parts that the stages use */
  ls_arena arena;
  ls_sort_chunk **chunks; /* per source */
  uint32_t **partitions;
  ls_batch **globals;
  ls_decoder **decoders; /* sources, then globals */
  memory_sink *sinks;
  ls_dead_letter_port letter_port;
  ls_buf letters, payloads, text;
  pthread_mutex_t letters_lock;
  int64_t stream_time_us;
  int64_t n_piped;
  bool as_piped;
  ls_error *error;
};

static int memory_write(ls_sink_port *port, int worker, const ls_batch *batch, const ls_column *partition,
                        ls_error *err) {
  (void)worker, (void)partition, (void)err;
  memory_sink *sink = (memory_sink *)port;
  pthread_mutex_lock(&sink->lock);
  for (int64_t row = 0; row < batch->n_rows; row++) {
    if (ls__is_retract(batch, row)) ls__buf_putc(&sink->lines, '-');
    ls__batch_format_json(&sink->lines, batch, row);
    ls__buf_puts(&sink->lines, "\n");
  }
  pthread_mutex_unlock(&sink->lock);
  return LS_OK;
}

static int memory_letter(ls_dead_letter_port *port, uint32_t source, const ls_dead_letter *letter, ls_error *err) {
  (void)source, (void)err;
  ls_testdriver *driver = (ls_testdriver *)((char *)port - offsetof(ls_testdriver, letter_port));
  pthread_mutex_lock(&driver->letters_lock);
  ls__buf_printf(&driver->letters, "%s: %s: %s\n", letter->source, letter->reason, letter->error);
  ls__buf_append(&driver->payloads, letter->payload.ptr, letter->payload.len);
  ls__buf_putc(&driver->payloads, '\n');
  pthread_mutex_unlock(&driver->letters_lock);
  return LS_OK;
}

static void open_run(ls_testdriver *driver, const ls_testdriver_opts *opts) {
  ls_runtime *run = &driver->run;
  const ls_plan *plan = ls__topology_plan(driver->topology);
  run->topology = driver->topology;
  run->plan = plan;
  run->n_workers = opts->n_workers > 0 ? (uint32_t)opts->n_workers : 1;
  run->batch_rows = opts->batch_rows > 0 ? opts->batch_rows : 1;
  run->letter_port = &driver->letter_port;
  run->files = LS_ARENA_ARRAY(&driver->arena, ls_file_source *, plan->n_sources + 1);
  run->global_files = LS_ARENA_ARRAY(&driver->arena, ls_file_source *, plan->n_globals + 1);
  run->globals = LS_ARENA_ARRAY(&driver->arena, ls_global *, plan->n_globals + 1);
  run->sorters = LS_ARENA_ARRAY(&driver->arena, ls_sorter *, plan->n_sources + 1);
  run->sink_ports = LS_ARENA_ARRAY(&driver->arena, ls_sink_port *, plan->n_sinks + 1);
  run->counters = LS_ARENA_ARRAY(&driver->arena, ls_node_counters, plan->n_nodes + 1);
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    ls_sorter_opts sorter = {.schema = plan->sources[i].schema, .n_partitions = run->n_workers};
    ls__sorter_new(&run->sorters[i], &sorter);
  }
}

static int open_ports(ls_testdriver *driver, ls_error *err) {
  const ls_plan *plan = driver->run.plan;
  driver->chunks = LS_ARENA_ARRAY(&driver->arena, ls_sort_chunk *, plan->n_sources + 1);
  driver->globals = LS_ARENA_ARRAY(&driver->arena, ls_batch *, plan->n_globals + 1);
  driver->decoders = LS_ARENA_ARRAY(&driver->arena, ls_decoder *, plan->n_sources + plan->n_globals + 1);
  driver->sinks = LS_ARENA_ARRAY(&driver->arena, memory_sink, plan->n_sinks + 1);
  driver->letter_port.write = memory_letter;
  ls_decoder_opts opts = {.format = LS_FORMAT_JSON};
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (plan->sources[i].repartition) continue;
    driver->chunks[i] = ls__sort_chunk_new(driver->run.sorters[i], 64);
    LS_TRY(ls__decoder_new(&driver->decoders[i], plan->sources[i].schema, &opts, err));
  }
  for (uint32_t i = 0; i < plan->n_globals; i++) {
    driver->globals[i] = ls__batch_new(plan->globals[i].schema, &driver->arena, 16);
    LS_TRY(ls__decoder_new(&driver->decoders[plan->n_sources + i], plan->globals[i].schema, &opts, err));
  }
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    driver->sinks[i].port.write = memory_write;
    driver->sinks[i].port.takes_deletes = true;
    pthread_mutex_init(&driver->sinks[i].lock, NULL);
    driver->run.sink_ports[i] = &driver->sinks[i].port;
  }
  return LS_OK;
}

int ls__testdriver_new(ls_testdriver **out, const ls_testdriver_opts *opts, ls_error *err) {
  ls_testdriver *driver = LS_NEW(ls_testdriver);
  *out = driver;
  ls__arena_init(&driver->arena, 0);
  pthread_mutex_init(&driver->letters_lock, NULL);
  driver->stream_time_us = INT64_MIN;
  driver->as_piped = opts->as_piped;
  ls_topology_opts topology_opts = LS_TOPOLOGY_OPTS_INIT;
  topology_opts.plugin_dirs = &opts->plugin_dir;
  topology_opts.n_plugin_dirs = opts->plugin_dir != NULL;
  LS_TRY(ls_topology_load_text(&driver->topology, "test.yaml", opts->yaml, strlen(opts->yaml), &topology_opts, err));
  if (opts->live) LS_TRY(ls__topology_set_live(driver->topology, true, err));
  open_run(driver, opts);
  return open_ports(driver, err);
}

void ls__testdriver_free(ls_testdriver *driver) {
  if (driver == NULL) return;
  const ls_plan *plan = driver->run.plan;
  for (uint32_t i = 0; plan != NULL && i < plan->n_sources; i++) {
    ls__sort_chunk_abandon(driver->chunks[i]);
    ls__sorter_free(driver->run.sorters[i]);
  }
  for (uint32_t i = 0; plan != NULL && i < plan->n_sources + plan->n_globals; i++)
    ls__decoder_free(driver->decoders[i]);
  for (uint32_t i = 0; plan != NULL && i < plan->n_globals; i++) ls__global_free(driver->run.globals[i]);
  for (uint32_t i = 0; plan != NULL && i < plan->n_sinks; i++) {
    ls__buf_fini(&driver->sinks[i].lines);
    pthread_mutex_destroy(&driver->sinks[i].lock);
  }
  ls__buf_fini(&driver->letters);
  ls__buf_fini(&driver->payloads);
  ls__buf_fini(&driver->text);
  pthread_mutex_destroy(&driver->letters_lock);
  ls_topology_free(driver->topology);
  ls__arena_fini(&driver->arena);
  ls__free(driver);
}

static void on_bad(void *payload, const ls_bad_record *bad) {
  ls_testdriver *driver = payload;
  ls_dead_letter letter = {.source = "decoder", .reason = bad->reason, .error = bad->error};
  (void)memory_letter(&driver->letter_port, 0, &letter, NULL);
}

/** Event time of the last row. */
static int64_t event_time_us(const ls_batch *batch, int64_t row) {
  int32_t field = batch->schema->time_field;
  if (field < 0) return 0;
  const ls_column *column = &batch->columns[field];
  return column->type->kind == LS_DATE ? ls__column_i32(column)[row] * LS_US_PER_DAY : ls__column_i64(column)[row];
}

static int pipe_into(ls_testdriver *driver, ls_batch *batch, uint32_t index, const char *json, ls_error *err) {
  int64_t before = batch->n_rows;
  LS_TRY(ls__decode_json_record(batch, driver->decoders[index], ls__slice_of(json), ++driver->n_piped, on_bad, driver,
                                err));
  if (batch->n_rows == before) return LS_OK;
  batch->n_rows = before;
  int64_t ts_us = event_time_us(batch, before);
  if (index < driver->run.plan->n_sources && ts_us > driver->stream_time_us) driver->stream_time_us = ts_us;
  ls__batch_append_meta(
      batch, ts_us, (ls_stamp){driver->stream_time_us, LS_SEQ_MAKE(driver->as_piped ? 0 : index, 0, driver->n_piped)});
  return LS_OK;
}

int ls__testdriver_pipe(ls_testdriver *driver, const char *source, const char *json, ls_error *err) {
  const ls_plan *plan = driver->run.plan;
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (strcmp(plan->sources[i].name, source) == 0)
      return pipe_into(driver, ls__sort_chunk_batch(driver->chunks[i]), i, json, err);
  }
  for (uint32_t i = 0; i < plan->n_globals; i++) {
    if (strcmp(plan->globals[i].name, source) == 0)
      return pipe_into(driver, driver->globals[i], plan->n_sources + i, json, err);
  }
  return ls_error_set(err, LS_ENOTFOUND, "no source or global table %s", source);
}

static int hand_over(ls_testdriver *driver, uint32_t source, ls_error *err) {
  ls_sort_chunk *chunk = driver->chunks[source];
  driver->chunks[source] = NULL;
  if (chunk == NULL) return LS_OK;
  const ls_batch *batch = ls__sort_chunk_batch(chunk);
  uint32_t *partitions = LS_ARENA_ARRAY(&driver->arena, uint32_t, batch->n_rows + 1);
  ls__run_assign_partitions(&driver->run, batch, partitions);
  return ls__sorter_add(driver->run.sorters[source], chunk, partitions, err);
}

int ls__testdriver_run(ls_testdriver *driver, ls_error *err) {
  const ls_plan *plan = driver->run.plan;
  atomic_store(&driver->run.end_us, driver->stream_time_us == INT64_MIN ? 0 : driver->stream_time_us);
  for (uint32_t i = 0; i < plan->n_globals; i++) {
    ls__global_new(&driver->run.globals[i], &plan->globals[i], driver->globals[i]);
    ls__topology_bind_global(driver->topology, i, ls__global_rows_of, driver->run.globals[i]);
  }
  for (uint32_t i = 0; i < plan->n_sources; i++) LS_TRY(hand_over(driver, i, err));
  for (uint32_t i = 0; i < plan->n_sub_topologies; i++) LS_TRY(ls__run_process(&driver->run, i, err));
  return LS_OK;
}

const char *ls__testdriver_output(const ls_testdriver *driver, const char *sink) {
  for (uint32_t i = 0; i < driver->run.plan->n_sinks; i++) {
    if (strcmp(driver->run.plan->sinks[i].name, sink) != 0) continue;
    return driver->sinks[i].lines.ptr == NULL ? "" : driver->sinks[i].lines.ptr;
  }
  return NULL;
}

const char *ls__testdriver_dead_payloads(const ls_testdriver *driver) {
  return driver->payloads.ptr == NULL ? "" : driver->payloads.ptr;
}
const char *ls__testdriver_dead_letters(const ls_testdriver *driver) {
  return driver->letters.ptr == NULL ? "" : driver->letters.ptr;
}

const char *ls__testdriver_counters(ls_testdriver *driver, const char *step) {
  ls__buf_clear(&driver->text);
  for (uint32_t i = 0; i < driver->run.plan->n_nodes; i++) {
    if (strcmp(driver->run.plan->nodes[i].name, step) != 0) continue;
    const ls_node_counters *c = &driver->run.counters[i];
    ls__buf_printf(&driver->text, "in=%lld taken=%lld filtered=%lld late=%lld dead=%lld out=%lld",
                   (long long)c->rows_in, (long long)c->taken, (long long)c->filtered, (long long)c->late,
                   (long long)c->dead, (long long)c->rows_out);
  }
  return driver->text.ptr == NULL ? "" : driver->text.ptr;
}
