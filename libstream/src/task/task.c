/** @file task.c  See task.h. */
#include "task/task.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "node/node_util.h"

#define REPARTITION_CHUNK_ROWS 16384
#define TEXT_BYTES_MAX         ((int64_t)4 << 20) /* of a column, to be made room for in advance */

typedef struct task_node {
  const ls_plan_node *plan;
  ls_node *node;             /* NULL for SOURCE, SINK, REPARTITION */
  ls_node_counters counters; /* of those three; others count in node->counters */
  ls_batch **outputs;        /* of the current slice */
  ls_batch **empty;          /* one empty batch per output */
  const ls_batch **inputs;
  bool has_timers;        /* run in every slice; their rows may leave them out of order */
  ls_expr_set path_exprs; /* SINK */
  ls_sort_chunk *chunk;   /* REPARTITION */
  uint32_t *partitions;
  size_t partitions_capacity;
  uint32_t letter_source; /* where its dead letters go when a row has no single origin */
} task_node;

struct ls_task {
  ls_task_opts opts;
  task_node *nodes;     /* by plan node id; plan NULL for nodes of other sub-topologies */
  ls_node **open_nodes; /* by id, for reads_table */
  ls_arena arena;       /* the task's life */
  ls_arena slice_arena;
  ls_arena end_arena; /* rows that a node makes at the end of input */
  ls_buf message;     /* of a row that is tried */
  int error_code;     /* of the dead-letter port */
  ls_error *error;
};

/* ---- dead letters of nodes ---- */

/** First source of the file upstream of a node. */
static uint32_t upstream_source(const ls_plan *plan, const ls_plan_node *node) {
  while (node->verb != LS_VERB_SOURCE) node = &plan->nodes[node->inputs[0].node];
  const ls_plan_source *source = &plan->sources[node->u.source.source];
  if (!source->repartition) return node->u.source.source;
  for (uint32_t i = 0; i < plan->n_nodes; i++) {
    const ls_plan_node *from = &plan->nodes[i];
    if (from->verb == LS_VERB_REPARTITION && from->u.repartition.repartition_source == node->u.source.source) {
      return upstream_source(plan, &plan->nodes[from->inputs[0].node]);
    }
  }
  return 0;
}

/** Columns of a row that a node refused which hold what the records said; NULL: all. The row came in by one of the
 *  inputs, or was made of keys alone. Inputs that share a schema: what holds in both. */
static const uint64_t *filled_of(ls_task *task, const ls_plan_node *node, const ls_batch *batch) {
  const ls_plan *plan = task->opts.plan;
  uint64_t *filled = NULL;
  size_t n_words = LS_BIT_WORDS((size_t)batch->schema->n_fields) + 1;
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    const ls_plan_output *in = &plan->nodes[node->inputs[i].node].outputs[node->inputs[i].output];
    if (in->schema != batch->schema) continue;
    if (filled == NULL)
      filled =
          memcpy(ls__arena_alloc(&task->slice_arena, n_words * sizeof *filled), in->filled, n_words * sizeof *filled);
    for (size_t w = 0; w < n_words; w++) filled[w] &= in->filled[w];
  }
  return filled;
}

static void on_node_error(void *payload, const ls_plan_node *node, const ls_batch *batch, int64_t row,
                          const char *message) {
  ls_task *task = payload;
  if (task->error_code < 0) return;
  const ls_plan *plan = task->opts.plan;
  uint64_t seq = batch->stamps[row].seq | LS_SEQ_RECORD; /* a timer's row stands for its record */
  uint32_t source = task->nodes[node->id].letter_source;
  ls_dead_letter letter = {
      .node = node->name, .reason = "step_failed", .error = message, .date_days = INT32_MIN, .seq = seq};
  (void)task->opts.origin_of(task->opts.origin_payload, seq, &source, &letter);
  source =
      upstream_source(plan, &plan->nodes[plan->sources[source].node]); /* live a row's origin may be a repartition */
  letter.source = plan->sources[source].name;
  ls_buf text = LS_BUF_INIT;
  ls__batch_format_masked(&text, batch, row, filled_of(task, node, batch));
  letter.payload = ls__buf_slice(&text);
  task->error_code = task->opts.dead_letters->write(task->opts.dead_letters, source, &letter, task->error);
  ls__buf_fini(&text);
}

/* ---- opening ---- */

static int open_sink(ls_task *task, task_node *at, ls_error *err) {
  const ls_plan *plan = task->opts.plan;
  const ls_plan_sink *sink = &plan->sinks[at->plan->u.sink.sink];
  return ls__expr_set_open(&at->path_exprs, sink->path_exprs, sink->n_path_exprs, sink->schema, plan, err);
}

static int open_node(ls_task *task, const ls_plan_node *plan_node, ls_error *err) {
  task_node *at = &task->nodes[plan_node->id];
  at->plan = plan_node;
  at->outputs = LS_ARENA_ARRAY(&task->arena, ls_batch *, plan_node->n_outputs + 1);
  at->empty = LS_ARENA_ARRAY(&task->arena, ls_batch *, plan_node->n_outputs + 1);
  at->inputs = LS_ARENA_ARRAY(&task->arena, const ls_batch *, plan_node->n_inputs + 1);
  at->letter_source = upstream_source(task->opts.plan, plan_node);
  for (uint32_t i = 0; i < plan_node->n_outputs; i++) {
    at->empty[i] = ls__batch_new(plan_node->outputs[i].schema, &task->arena, 0);
    at->outputs[i] = at->empty[i];
  }
  if (plan_node->verb == LS_VERB_SINK) return open_sink(task, at, err);
  if (plan_node->verb == LS_VERB_SOURCE || plan_node->verb == LS_VERB_REPARTITION) return LS_OK;
  ls_node_env env = {
      .plan = task->opts.plan, .stores = task->opts.stores, .nodes = task->open_nodes, .globals = task->opts.globals};
  int rc = ls__node_open(&at->node, plan_node, &env, err);
  bool unwindowed = plan_node->verb == LS_VERB_AGGREGATE && plan_node->u.aggregate.window_us == 0;
  at->has_timers = at->node != NULL && at->node->vtable->next_due_us != NULL && !unwindowed;
  task->open_nodes[plan_node->id] = at->node;
  return rc;
}

int ls__task_new(ls_task **out, const ls_task_opts *opts, ls_error *err) {
  ls_task *task = LS_NEW(ls_task);
  *out = task;
  task->opts = *opts;
  ls__arena_init(&task->arena, 0);
  ls__arena_init(&task->slice_arena, (size_t)1 << 20);
  ls__arena_init(&task->end_arena, (size_t)1 << 18);
  task->nodes = LS_ARENA_ARRAY(&task->arena, task_node, opts->plan->n_nodes);
  task->open_nodes = LS_ARENA_ARRAY(&task->arena, ls_node *, opts->plan->n_nodes);
  for (uint32_t i = 0; i < opts->plan->n_nodes; i++) {
    if (opts->plan->nodes[i].sub_topology == opts->sub_topology) LS_TRY(open_node(task, &opts->plan->nodes[i], err));
  }
  return LS_OK;
}

void ls__task_free(ls_task *task) {
  if (task == NULL) return;
  for (uint32_t i = 0; i < task->opts.plan->n_nodes; i++) {
    task_node *at = &task->nodes[i];
    if (at->plan == NULL) continue;
    ls__node_close(at->node);
    ls__expr_set_close(&at->path_exprs);
    ls__sort_chunk_abandon(at->chunk);
    ls__free(at->partitions);
  }
  ls__buf_fini(&task->message);
  ls__arena_fini(&task->slice_arena);
  ls__arena_fini(&task->end_arena);
  ls__arena_fini(&task->arena);
  ls__free(task);
}

ls_arena *ls__task_arena(ls_task *task) {
  return &task->slice_arena;
}

const ls_node_counters *ls__task_counters(const ls_task *task, uint32_t node) {
  const task_node *at = &task->nodes[node];
  return at->node != NULL ? &at->node->counters : &at->counters;
}

/* ---- rows that take back (live) ---- */

/** Rows of in for which keep is true. */
static ls_batch *pick_rows(ls_task *task, const ls_batch *in, bool (*keep)(const ls_batch *in, int64_t row)) {
  int32_t *rows = LS_ARENA_ARRAY(&task->slice_arena, int32_t, in->n_rows + 1);
  int64_t n = 0;
  for (int64_t row = 0; row < in->n_rows; row++) {
    if (keep(in, row)) rows[n++] = (int32_t)row;
  }
  ls_batch *out = ls__batch_new(in->schema, &task->slice_arena, n);
  ls__batch_gather(out, in, rows, n);
  return out;
}

static bool is_plain(const ls_batch *in, int64_t row) {
  return !ls__is_retract(in, row);
}

/** False for a row that takes back what a later row of the same stamp and key replaces, or the next row (of two records that
 *  came through an internal topic): only the end of a change goes out. */
static bool is_last_word(const ls_batch *in, int64_t row) {
  if (!ls__is_retract(in, row)) return true;
  if (row + 1 < in->n_rows && ls__key_same(in, in->schema->key, in->schema->n_key, row, row + 1)) return false;
  for (int64_t next = row + 1; next < in->n_rows && ls__stamp_cmp(in->stamps[row], in->stamps[next]) == 0; next++) {
    if (ls__key_same(in, in->schema->key, in->schema->n_key, row, next)) return false;
  }
  return true;
}

static ls_batch *with_schema(ls_task *task, const ls_batch *in, const ls_schema *schema) {
  ls_batch *out = LS_ARENA_NEW(&task->slice_arena, ls_batch);
  *out = *in;
  out->schema = schema;
  out->capacity_rows = 0; /* a view never grows */
  return out;
}

/** The rows with their retract bit as one more column, on their way to another partition. */
static const ls_batch *with_retract_column(ls_task *task, const ls_batch *in, const ls_schema *schema) {
  ls_batch *out = with_schema(task, in, schema);
  out->columns = LS_ARENA_ARRAY(&task->slice_arena, ls_column, schema->n_fields);
  memcpy(out->columns, in->columns, (schema->n_fields - 1) * sizeof *out->columns);
  ls_column *bit = &out->columns[schema->n_fields - 1];
  ls__column_init(bit, &ls__type_bool, &task->slice_arena, in->n_rows);
  for (int64_t row = 0; row < in->n_rows; row++) ls__column_append_bool(bit, ls__is_retract(in, row));
  return out;
}

/** And back. */
static ls_batch *without_retract_column(ls_task *task, const ls_batch *in, const ls_schema *schema) {
  ls_batch *out = with_schema(task, in, schema);
  const uint64_t *bits = in->columns[schema->n_fields].values;
  bool any = false;
  for (int64_t w = 0; w < LS_BIT_WORDS(in->n_rows); w++) any |= bits[w] != 0;
  out->retracts = any ? in->columns[schema->n_fields].values : NULL;
  return out;
}

/* ---- rows out ---- */

static int repartition_flush(ls_task *task, task_node *at, ls_error *err) {
  ls_sort_chunk *chunk = at->chunk;
  at->chunk = NULL;
  if (chunk == NULL) return LS_OK;
  return ls__sorter_add(task->opts.repartitions[at->plan->u.repartition.repartition_source], chunk, at->partitions,
                        err);
}

/** A row that can't be repartitioned; one that takes it back was reported when it came the first time. */
static void on_null_key(ls_task *task, task_node *at, const ls_batch *in, int64_t row) {
  if (ls__is_retract(in, row)) {
    at->counters.taken++;
    return;
  }
  at->counters.dead++;
  on_node_error(task, at->plan, in, row, "the key to repartition by is null");
}

/** Hands rows to a port, and reports those that it had to leave out. */
static int write_port(ls_task *task, task_node *at, ls_sink_port *port, const ls_batch *rows, const ls_column *paths,
                      ls_error *err) {
  LS_TRY(port->write(port, task->opts.worker, rows, paths, err));
  for (int64_t i = 0; i < port->n_refused; i++)
    on_node_error(task, at->plan, rows, port->refused[i], "the row is larger than a record may be (message.max.bytes)");
  at->counters.dead += port->n_refused;
  at->counters.taken -= port->n_refused;
  return LS_OK;
}

/** Live: the rows go out one by one as they come. */
static int repartition_to_port(ls_task *task, task_node *at, ls_error *err) {
  const ls_batch *in = at->inputs[0];
  uint32_t source = at->plan->u.repartition.repartition_source;
  const ls_schema *schema = task->opts.plan->sources[source].schema;
  if (task->opts.plan->sources[source].live_retracts) in = with_retract_column(task, in, schema);
  int32_t *rows = LS_ARENA_ARRAY(&task->slice_arena, int32_t, in->n_rows + 1);
  int64_t n = 0;
  for (int64_t row = 0; row < in->n_rows; row++) {
    if (!ls__key_has_null(in, schema->key, schema->n_key, row)) {
      rows[n++] = (int32_t)row;
      continue;
    }
    on_null_key(task, at, in, row);
  }
  at->counters.taken += n;
  ls_batch *out = ls__batch_new(schema, &task->slice_arena, n);
  ls__batch_gather(out, in, rows, n);
  ls_sink_port *port = task->opts.repartition_ports[source];
  return write_port(task, at, port, out, NULL, err);
}

/** Makes room for the texts of a whole chunk, as long as those of the first rows: growing would leave the old bytes in its arena. */
static void reserve_texts(ls_batch *chunk, const ls_batch *in) {
  for (uint32_t i = 0; i < chunk->schema->n_fields; i++) {
    const ls_column *from = &in->columns[i];
    if (from->type->kind != LS_STRING && from->type->kind != LS_BYTES) continue;
    int64_t n_bytes = (from->offsets[in->n_rows] - from->offsets[0]) / in->n_rows *
                      (REPARTITION_CHUNK_ROWS + REPARTITION_CHUNK_ROWS / 16);
    if (n_bytes < TEXT_BYTES_MAX) ls__column_reserve_bytes(&chunk->columns[i], n_bytes);
  }
}

static int run_repartition(ls_task *task, task_node *at, ls_error *err) {
  if (task->opts.repartitions == NULL) return repartition_to_port(task, at, err);
  const ls_batch *in = at->inputs[0];
  uint32_t source = at->plan->u.repartition.repartition_source;
  const ls_schema *schema = task->opts.plan->sources[source].schema;
  if (task->opts.plan->sources[source].live_retracts) in = with_retract_column(task, in, schema);
  bool begins = at->chunk == NULL;
  if (begins) at->chunk = ls__sort_chunk_new(task->opts.repartitions[source], REPARTITION_CHUNK_ROWS);
  ls_batch *chunk = ls__sort_chunk_batch(at->chunk);
  if (begins) reserve_texts(chunk, in);
  int64_t start = chunk->n_rows, n_null = 0;
  ls__grow(&at->partitions, &at->partitions_capacity, (size_t)(start + in->n_rows) + 1, sizeof *at->partitions);
  ls_row_keys keys;
  ls__row_keys_of(&keys, in, schema->key, schema->n_key, &task->slice_arena);
  for (uint32_t i = 0; i < schema->n_fields; i++) ls__column_append_all(&chunk->columns[i], &in->columns[i]);
  for (int64_t row = 0; row < in->n_rows; row++) {
    ls__batch_append_meta(chunk, in->ts_us[row], in->stamps[row]);
    bool null_key = keys.keys[row].ptr == NULL;
    at->partitions[start + row] = null_key ? UINT32_MAX : ls__partition_of(keys.hashes[row], task->opts.n_partitions);
    if (null_key) {
      n_null++;
      on_null_key(task, at, in, row);
    }
  }
  at->counters.taken += in->n_rows - n_null;
  return chunk->n_rows >= REPARTITION_CHUNK_ROWS ? repartition_flush(task, at, err) : LS_OK;
}

/** Why a value can't be part of a path; NULL: it can. */
static const char *partition_fault(ls_slice value) {
  bool dots = value.len > 0 && value.len <= 2 && value.ptr[0] == '.' && value.ptr[value.len - 1] == '.';
  if (value.len == 0 || dots) return "the partition of the sink's path is empty, '.' or '..'";
  if (value.len > 200) return "the partition of the sink's path has more than 200 bytes";
  for (size_t i = 0; i < value.len; i++) {
    unsigned char c = (unsigned char)value.ptr[i];
    if (c == '/' || c < 0x20 || c == 0x7f) return "the partition of the sink's path has a '/' or a control character";
  }
  return NULL;
}

/** Appends the text of a path expression (a string or a date); reports a row whose value is none or can't be in a path. */
static void append_partition(ls_buf *path, ls_buf *text, const ls_column *value, int64_t row, ls_row_faults *faults) {
  ls__buf_clear(text);
  if (ls__is_null(value, row)) {
    ls__row_faults_report(faults, row, "the partition of the sink's path is null");
  } else if (value->type->kind == LS_STRING) {
    ls_slice string = ls__column_slice(value, row);
    ls__buf_append(text, string.ptr, string.len);
    const char *fault = partition_fault(string);
    if (fault != NULL) ls__row_faults_report(faults, row, fault);
  } else {
    ls__column_format_json(text, value, row); /* a date, in quotes */
    memmove(text->ptr, text->ptr + 1, text->len -= 2);
  }
  ls__buf_append(path, text->ptr, text->len);
}

/** Partition path of each row: literals and expression values put together. */
static void build_paths(ls_column *paths, const ls_plan_sink *sink, const ls_column *values, const ls_batch *in,
                        ls_row_faults *faults) {
  ls_buf path = LS_BUF_INIT, text = LS_BUF_INIT;
  for (int64_t row = 0; row < in->n_rows; row++) {
    ls__buf_clear(&path);
    ls__buf_puts(&path, sink->path_literals[0]);
    for (uint32_t i = 0; i < sink->n_path_exprs; i++) {
      append_partition(&path, &text, &values[i], row, faults);
      ls__buf_puts(&path, sink->path_literals[i + 1]);
    }
    ls__column_append_slice(paths, ls__buf_slice(&path));
  }
  ls__buf_fini(&path);
  ls__buf_fini(&text);
}

/** Reports rows that the sink's message can't hold. What takes a row back has no value. */
static void check_messages(ls_task *task, const ls_protobuf_writer *protobuf, const ls_batch *in,
                           ls_row_faults *faults) {
  ls_buf *bytes = &task->message;
  for (int64_t row = 0; row < in->n_rows; row++) {
    ls_error why = LS_ERROR_INIT;
    ls__buf_clear(bytes);
    if (ls__is_retract(in, row) || ls__encode_protobuf(bytes, protobuf, in, row, &why) >= 0) continue;
    ls__row_faults_report(faults, row, why.message);
  }
}

static int eval_paths(ls_task *task, task_node *at, const ls_plan_sink *sink, const ls_batch *in, ls_row_faults *faults,
                      ls_column *paths, ls_error *err) {
  ls_arena *arena = &task->slice_arena;
  ls_column *values = LS_ARENA_ARRAY(arena, ls_column, sink->n_path_exprs);
  for (uint32_t i = 0; i < sink->n_path_exprs; i++) {
    LS_TRY(ls__expr_eval(&values[i], at->path_exprs.states[i], in, NULL, arena, ls__row_faults_report, faults, err));
  }
  ls__column_init(paths, &ls__type_string, arena, in->n_rows);
  build_paths(paths, sink, values, in, faults);
  return LS_OK;
}

/** The rows without a fault. paths NULL: the sink has one path. */
static int write_good(ls_task *task, task_node *at, ls_sink_port *port, const ls_batch *in, const ls_column *paths,
                      const ls_row_faults *faults, ls_error *err) {
  ls_arena *arena = &task->slice_arena;
  int32_t *rows = LS_ARENA_ARRAY(arena, int32_t, in->n_rows + 1);
  int64_t n = ls__select_rows(rows, in, NULL, faults);
  ls_batch *good = ls__batch_new(in->schema, arena, n);
  ls__batch_gather(good, in, rows, n);
  if (paths == NULL) return write_port(task, at, port, good, NULL, err);
  ls_column good_paths;
  ls__column_init(&good_paths, &ls__type_string, arena, n);
  ls__column_gather(&good_paths, paths, rows, n);
  return write_port(task, at, port, good, &good_paths, err);
}

static int run_sink(ls_task *task, task_node *at, ls_error *err) {
  const ls_plan_sink *sink = &task->opts.plan->sinks[at->plan->u.sink.sink];
  ls_sink_port *port = task->opts.sinks[at->plan->u.sink.sink];
  const ls_batch *in = at->inputs[0];
  at->counters.taken += in->n_rows;
  if (port == NULL) return LS_OK;
  if (in->retracts != NULL) in = pick_rows(task, in, port->takes_deletes ? is_last_word : is_plain);
  bool checked = sink->protobuf != NULL && ls__protobuf_may_refuse(sink->protobuf);
  if (sink->n_path_exprs == 0 && !checked) return write_port(task, at, port, in, NULL, err);
  ls_node stand_in = {.plan = at->plan};
  ls_node_call call = {
      .arena = &task->slice_arena, .on_error = on_node_error, .error_payload = task, .plan_node = at->plan};
  ls_row_faults faults;
  ls_column values, *paths = sink->n_path_exprs > 0 ? &values : NULL;
  ls__row_faults_init(&faults, &stand_in, &call, in);
  if (paths != NULL) LS_TRY(eval_paths(task, at, sink, in, &faults, paths, err));
  if (checked) check_messages(task, sink->protobuf, in, &faults);
  at->counters.dead += stand_in.counters.dead;
  at->counters.taken -= stand_in.counters.dead;
  if (faults.bits == NULL) return write_port(task, at, port, in, paths, err);
  return write_good(task, at, port, in, paths, &faults, err);
}

/* ---- slices ---- */

/** Runs one node over what its inputs hold now. */
static int run_node(ls_task *task, task_node *at, int64_t stream_time_us, ls_error *err) {
  const ls_plan_node *plan = at->plan;
  int64_t n_in = 0;
  for (uint32_t i = 0; i < plan->n_inputs; i++) {
    at->inputs[i] = task->nodes[plan->inputs[i].node].outputs[plan->inputs[i].output];
    if (at->inputs[i]->retracts != NULL && !plan->live_takes_back)
      at->inputs[i] = pick_rows(task, at->inputs[i], is_plain);
    n_in += at->inputs[i]->n_rows;
  }
  ls_node_counters *counters = at->node != NULL ? &at->node->counters : &at->counters;
  counters->rows_in += n_in;
  for (uint32_t i = 0; i < plan->n_outputs; i++) at->outputs[i] = at->empty[i];
  if (n_in == 0 && !at->has_timers) return LS_OK;
  if (plan->verb == LS_VERB_SINK) return run_sink(task, at, err);
  if (plan->verb == LS_VERB_REPARTITION) return run_repartition(task, at, err);
  ls_node_call call = {.inputs = at->inputs,
                       .outputs = at->outputs,
                       .stream_time_us = stream_time_us,
                       .arena = &task->slice_arena,
                       .on_error = on_node_error,
                       .error_payload = task,
                       .plan_node = plan};
  LS_TRY(at->node->vtable->process(at->node, &call, err));
  for (uint32_t i = 0; at->has_timers && i < plan->n_outputs; i++) ls__batch_sort(&at->outputs[i], &task->slice_arena);
  if (plan->n_outputs > 0) counters->rows_out += at->outputs[0]->n_rows;
  for (uint32_t i = 1; plan->verb == LS_VERB_BRANCH && i < plan->n_outputs; i++)
    counters->rows_out += at->outputs[i]->n_rows;
  return LS_OK;
}

/** Runs the nodes after `after` (all when after is LS_NO_NODE), then closes the slice. */
static int run_nodes(ls_task *task, uint32_t after, int64_t stream_time_us, ls_error *err) {
  task->error = err;
  task->error_code = LS_OK;
  for (uint32_t i = after == LS_NO_NODE ? 0 : after + 1; i < task->opts.plan->n_nodes; i++) {
    task_node *at = &task->nodes[i];
    if (at->plan == NULL || at->plan->verb == LS_VERB_SOURCE) continue;
    LS_TRY(run_node(task, at, stream_time_us, err));
    LS_TRY(task->error_code);
  }
  for (uint32_t i = 0; i < task->opts.plan->n_nodes; i++) {
    ls_node *node = task->nodes[i].node;
    if (node != NULL && node->vtable->end_slice != NULL) node->vtable->end_slice(node);
  }
  return LS_OK;
}

static void empty_outputs(ls_task *task) {
  for (uint32_t i = 0; i < task->opts.plan->n_nodes; i++) {
    task_node *at = &task->nodes[i];
    for (uint32_t k = 0; at->plan != NULL && k < at->plan->n_outputs; k++) at->outputs[k] = at->empty[k];
  }
}

int ls__task_process(ls_task *task, const ls_batch *const *batches, int64_t stream_time_us, ls_error *err) {
  for (uint32_t i = 0; i < task->opts.plan->n_nodes; i++) {
    task_node *at = &task->nodes[i];
    if (at->plan == NULL || at->plan->verb != LS_VERB_SOURCE) continue;
    const ls_batch *batch = batches[at->plan->u.source.source];
    at->outputs[0] = batch != NULL ? (ls_batch *)(uintptr_t)batch : at->empty[0];
    if (batch != NULL && at->plan->live_retracts)
      at->outputs[0] = without_retract_column(task, batch, at->plan->outputs[0].schema);
    at->counters.rows_in += at->outputs[0]->n_rows;
    at->counters.rows_out += at->outputs[0]->n_rows;
    at->counters.taken += at->outputs[0]->n_rows;
  }
  int rc = run_nodes(task, LS_NO_NODE, stream_time_us, err);
  empty_outputs(task);
  ls__arena_reset(&task->slice_arena);
  return rc;
}

/* ---- end of input ---- */

static int64_t next_due_us(const ls_task *task) {
  int64_t next = INT64_MAX;
  for (uint32_t i = 0; i < task->opts.plan->n_nodes; i++) {
    const task_node *at = &task->nodes[i];
    int64_t due = at->has_timers ? at->node->vtable->next_due_us(at->node) : INT64_MAX;
    if (due < next) next = due;
  }
  return next;
}

static int64_t timer_rows_out(const ls_task *task) {
  int64_t n = 0;
  for (uint32_t i = 0; i < task->opts.plan->n_nodes; i++) {
    if (task->nodes[i].has_timers) n += task->nodes[i].node->counters.rows_out;
  }
  return n;
}

/**
 * Stream time goes on without records until all windows are closed, in slices like any others: what several nodes' timers
 * make meets downstream in the order of time, however much of it a partition's own records would have brought about.
 */
static int run_out_timers(ls_task *task, ls_error *err) {
  int64_t step_us = 1000000;
  for (int64_t due = next_due_us(task); due != INT64_MAX; due = next_due_us(task)) {
    int64_t until_us, n_before = timer_rows_out(task);
    if (__builtin_add_overflow(due, step_us, &until_us)) until_us = INT64_MAX;
    LS_TRY(run_nodes(task, LS_NO_NODE, until_us, err));
    empty_outputs(task);
    ls__arena_reset(&task->slice_arena);
    int64_t n = timer_rows_out(task) - n_before;
    if (n < LS_END_BATCH_ROWS / 4 && step_us < INT64_MAX / 2) step_us *= 2;
    if (n > LS_END_BATCH_ROWS * 4 && step_us > 1) step_us /= 2;
  }
  return LS_OK;
}

static void fresh_outputs(ls_node_call *call) {
  for (uint32_t i = 0; i < call->plan_node->n_outputs; i++) {
    call->outputs[i] = ls__batch_new(call->plan_node->outputs[i].schema, call->arena, i == 0 ? LS_END_BATCH_ROWS : 0);
  }
}

/** ls_node_call.flush: the rows made so far go through the nodes downstream. */
static int end_flush(ls_node_call *call, ls_error *err) {
  ls_task *task = call->flush_payload;
  LS_TRY(task->error_code);
  task_node *at = &task->nodes[call->plan_node->id];
  int64_t n_rows = 0;
  for (uint32_t i = 0; i < at->plan->n_outputs; i++) {
    n_rows += at->outputs[i]->n_rows;
    if (at->has_timers) ls__batch_sort(&at->outputs[i], &task->end_arena);
  }
  if (n_rows > 0) {
    at->node->counters.rows_out += at->outputs[0]->n_rows;
    LS_TRY(run_nodes(task, at->plan->id, call->stream_time_us, err));
  }
  empty_outputs(task);
  ls__arena_reset(&task->slice_arena);
  ls__arena_reset(&task->end_arena);
  fresh_outputs(call);
  return LS_OK;
}

int ls__task_end(ls_task *task, int64_t end_us, ls_error *err) {
  task->error = err;
  task->error_code = LS_OK;
  if (!task->opts.goes_on) LS_TRY(run_out_timers(task, err));
  for (uint32_t i = 0; i < task->opts.plan->n_nodes; i++) {
    task_node *at = &task->nodes[i];
    if (at->node == NULL || at->node->vtable->end == NULL || (at->has_timers && task->opts.goes_on)) continue;
    ls_node_call call = {.inputs = at->inputs,
                         .outputs = at->outputs,
                         .stream_time_us = end_us,
                         .arena = &task->end_arena,
                         .on_error = on_node_error,
                         .error_payload = task,
                         .plan_node = at->plan,
                         .flush = end_flush,
                         .flush_payload = task};
    LS_TRY(at->node->vtable->end(at->node, &call, err));
    LS_TRY(end_flush(&call, err));
    empty_outputs(task);
  }
  for (uint32_t i = 0; i < task->opts.plan->n_nodes; i++) {
    if (task->nodes[i].plan != NULL && task->nodes[i].plan->verb == LS_VERB_REPARTITION) {
      LS_TRY(repartition_flush(task, &task->nodes[i], err));
    }
  }
  return LS_OK;
}
