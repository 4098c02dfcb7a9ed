/**
 * @file replay.c
 * THE order of a replay, and nothing else: inputs, globals, then each sub-topology read and processed, then published. Replay
 * differs from streaming only in its ports: files for the source, lake files for the sink, a stage for the transaction,
 * stream time for the clock.
 */
#include "runtime/replay.h"

#include "base/thread.h"
#include "data/datetime.h"
#include "node/plan_order.h"

#define SORTERS_BYTES_MIN ((int64_t)4 << 20)
#define OVERHEAD_BYTES                                                                                                 \
  ((int64_t)128 << 20) /* code, decoders, Arrow writers, what malloc holds back: measured at 1,000,000 transactions */

/** What the budget leaves beside the stores (5/8) is for sources, repartitions and sinks together. */
static size_t sorter_budget(const ls_runtime *run) {
  int64_t rest = run->plan->memory_bytes / 8 * 3 - OVERHEAD_BYTES;
  return (size_t)(rest > SORTERS_BYTES_MIN ? rest : SORTERS_BYTES_MIN);
}

void ls__run_open_sorters(ls_runtime *run) {
  run->pool.limit_bytes = sorter_budget(run);
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    ls_sorter_opts opts = {.schema = run->plan->sources[i].schema,
                           .n_partitions = run->n_workers,
                           .pool = &run->pool,
                           .spill_directory = run->work_directory};
    ls__sorter_new(&run->sorters[i], &opts);
  }
}

static bool partition_in_run(void *payload, ls_slice partition) {
  const ls_runtime *run = payload;
  if (run->from_days == INT32_MIN) return true;
  for (size_t at = 0; at + 13 <= partition.len; at++) { /* "dt=YYYY-MM-DD" */
    int32_t days;
    if (memcmp(partition.ptr + at, "dt=", 3) != 0 || (at > 0 && partition.ptr[at - 1] != '/')) continue;
    if (ls__date_parse(&days, (ls_slice){partition.ptr + at + 3, 10}) == LS_OK)
      return days >= run->from_days && days <= run->to_days;
  }
  return true;
}

int ls__run_open_stage(ls_runtime *run, ls_error *err) {
  const char *run_id = ls__arena_printf(&run->arena, "%s-%s", run->plan->name, strrchr(run->work_directory, '/') + 1);
  return ls__lake_stage_new(&run->stage, run->lake, run_id, run->work_directory, err);
}

static int open_sinks(ls_runtime *run, ls_error *err) {
  for (uint32_t i = 0; i < run->plan->n_sinks; i++) {
    const ls_plan_sink *sink = &run->plan->sinks[i];
    if (sink->totals_only) {
      ls__sink_totals_new(
          &run->came_in[i],
          &(ls_sink_totals_spec){.sum = sink->sum, .n_sum = sink->n_sum, .per = sink->sum_per, .split = -1},
          sink->schema);
      run->sink_ports[i] = ls__sink_totals_port(run->came_in[i]);
    }
    if (sink->path_pattern == NULL) continue;
    ls_sink_totals_spec totals = {sink->count_by, sink->n_count_by, sink->sum,
                                  sink->n_sum,    sink->sum_per,    sink->sum_split};
    ls_lake_sink_opts opts = {.name = sink->name,
                              .schema = sink->schema,
                              .format = sink->format,
                              .keep_last = sink->keep_last,
                              .in_key_order = ls__plan_sink_in_key_order(run->plan, sink),
                              .stage = run->stage,
                              .totals = sink->summary ? &totals : NULL,
                              .fixed_partition = sink->n_path_exprs == 0 ? sink->path_literals[0] : NULL,
                              .in_run = partition_in_run,
                              .in_run_payload = run,
                              .n_workers = (int)run->n_workers,
                              .pool = &run->pool,
                              .spill_directory = run->work_directory};
    LS_TRY(ls__lake_sink_new(&run->sinks[i], &opts, err));
    run->sink_ports[i] = ls__lake_sink_port(run->sinks[i]);
  }
  return LS_OK;
}

static void open_letters(ls_runtime *run) {
  uint32_t n_sources = run->plan->n_sources, n = n_sources + run->plan->n_globals;
  const char **names = LS_ARENA_ARRAY(&run->arena, const char *, n + 1);
  const char **directories = LS_ARENA_ARRAY(&run->arena, const char *, n + 1);
  int32_t *from_days = LS_ARENA_ARRAY(&run->arena, int32_t, n + 1),
          *to_days = LS_ARENA_ARRAY(&run->arena, int32_t, n + 1);
  for (uint32_t i = 0; i < n; i++) {
    ls__run_own_days(run, i, &from_days[i], &to_days[i]);
    bool global = i >= n_sources;
    names[i] = global ? run->plan->globals[i - n_sources].name : run->plan->sources[i].name;
    directories[i] = global ? run->plan->globals[i - n_sources].dead_letter_dir : run->plan->sources[i].dead_letter_dir;
    if (directories[i] == NULL) directories[i] = ls__arena_printf(&run->arena, "dlq/%s", names[i]);
  }
  int32_t as_of_day = 0;
  (void)ls__date_parse(&as_of_day, (ls_slice){run->as_of, 10});
  ls_dead_letters_opts opts = {.directories = directories,
                               .names = names,
                               .from_days = from_days,
                               .to_days = to_days,
                               .n_sources = n,
                               .time = run->as_of,
                               .default_days = run->to_days != INT32_MAX ? run->to_days : as_of_day,
                               .records_max = run->plan->max_bad_records,
                               .spill_directory = run->work_directory};
  ls__dead_letters_new(&run->letters, &opts);
  run->letter_port = ls__dead_letters_port(run->letters);
}

int ls__run_open_state(ls_runtime *run, ls_error *err) {
  bool rocksdb = false;
  for (uint32_t i = 0; i < run->plan->n_nodes; i++)
    rocksdb =
        rocksdb || (run->plan->nodes[i].store.name != NULL && run->plan->nodes[i].store.backend == LS_STORE_ROCKSDB);
  if (!rocksdb) return LS_OK;
  const char *directory = ls__arena_printf(&run->arena, "%s/state", run->work_directory);
  size_t share = (size_t)run->plan->memory_bytes / 16; /* taken when something is spilled */
  ls_store_db_opts opts = {.block_cache_bytes = share, .write_buffer_bytes = share, .scratch = true};
  return ls__store_db_open(&run->db, directory, &opts, err);
}

/** A share of bad records above the limit stops the run before anything is published. */
static int check_bad_share(const ls_runtime *run, ls_error *err) {
  int64_t records = ls__run_own_records(run), bad = ls__run_bad_records(run);
  if (run->plan->max_bad_share_ppm < 0 || records == 0) return LS_OK;
  if (bad * 1000000 <= (int64_t)run->plan->max_bad_share_ppm * records) return LS_OK;
  return ls_error_set(err, LS_EBADRECORDS, "%lld of %lld records are bad: more than max_bad_records allows (%d.%02d%%)",
                      (long long)bad, (long long)records, run->plan->max_bad_share_ppm / 10000,
                      run->plan->max_bad_share_ppm / 100 % 100);
}

int ls__replay_run(ls_runtime *run, ls_error *err) {
  LS_TRY(ls__lake_open(&run->lake, run->opts.lake, err));
  open_letters(run);
  LS_TRY(ls__run_open_inputs(run, err));
  if (run->opts.dry_run) return LS_OK;
  LS_TRY(ls__run_open_state(run, err));
  ls__run_open_sorters(run);
  LS_TRY(ls__run_open_stage(run, err));
  LS_TRY(open_sinks(run, err));
  LS_TRY(ls__run_preflight(run, err));
  LS_TRY(ls__run_load_globals(run, err));
  for (uint32_t i = 0; i < run->plan->n_sub_topologies; i++) {
    if (!ls__run_in_order(run, i)) LS_TRY(ls__run_read(run, i, err));
    LS_TRY(check_bad_share(run, err));
    LS_TRY(ls__run_process(run, i, err));
  }
  LS_TRY(check_bad_share(run, err));
  run->status = "done";
  return ls__run_publish(run, err);
}

void ls__replay_close(ls_runtime *run) {
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    ls__sorter_free(run->sorters[i]);
    ls__file_source_free(run->files[i]);
  }
  for (uint32_t i = 0; i < run->plan->n_globals; i++) {
    ls__global_free(run->globals[i]);
    ls__file_source_free(run->global_files[i]);
  }
  for (uint32_t i = 0; i < run->plan->n_sinks; i++) {
    ls__lake_sink_free(run->sinks[i]);
    ls__sink_totals_free(run->came_in[i]);
  }
  if (run->stage != NULL) ls__lake_stage_free(run->stage);
  ls__dead_letters_free(run->letters);
  if (run->db != NULL) ls__store_db_close(run->db);
  ls__lake_close(run->lake);
}
