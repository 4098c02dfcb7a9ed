/** @file replay_inputs.c  Finding the input files of a run, and loading the global tables. */
#include "data/datetime.h"
#include "runtime/run.h"

/** The date so many microseconds of whole days before (or after) one, no further than dates go. */
static int32_t move_days(int32_t days, int64_t us, int direction) {
  int64_t moved = us == INT64_MAX ? INT64_MIN : days + direction * (us / LS_US_PER_DAY);
  return moved <= INT32_MIN ? INT32_MIN : moved >= INT32_MAX ? INT32_MAX : (int32_t)moved;
}

void ls__run_own_days(const ls_runtime *run, uint32_t index, int32_t *from, int32_t *to) {
  *from = INT32_MIN;
  *to = INT32_MAX;
  if (run->from_days == INT32_MIN || index >= run->plan->n_sources) return;
  int64_t lookback_us = run->plan->sources[index].lookback_us;
  *from = lookback_us == INT64_MAX ? run->from_days : move_days(run->from_days, lookback_us, -1);
  *to = run->to_days;
}

static bool has_date(const char *pattern) {
  return strstr(pattern, "{date}") != NULL;
}

/** An input is there when some file matches, and for a run of given dates, one of its last date. */
static int check_input(const ls_runtime *run, const ls_plan_source *source, const ls_file_source *files,
                       ls_error *err) {
  if (ls__file_source_n_files(files) == 0) {
    ls_buf where = LS_BUF_INIT;
    ls__lake_describe(&where, run->lake, source->files);
    int rc =
        ls_error_set(err, LS_ENOINPUT, "source %s: no file matches %s%s%s", source->name, where.ptr,
                     run->opts.date_to != NULL ? " up to " : "", run->opts.date_to != NULL ? run->opts.date_to : "");
    ls__buf_fini(&where);
    return rc;
  }
  if (run->to_days == INT32_MAX || !has_date(source->files)) return LS_OK;
  for (size_t i = 0; i < ls__file_source_n_files(files); i++) {
    if (ls__file_source_file(files, i)->date_days == run->to_days) return LS_OK;
  }
  return ls_error_set(err, LS_ENOINPUT, "source %s: the files of %s are not there yet (%s)", source->name,
                      run->opts.date_to, source->files);
}

static int open_source(ls_runtime *run, uint32_t index, ls_error *err) {
  const ls_plan_source *source = &run->plan->sources[index];
  if (source->repartition) return LS_OK;
  if (source->files == NULL) {
    return ls_error_set(err, LS_ECONFIG, "source %s has no replay binding: give it `replay: { files: ... }`",
                        source->name);
  }
  bool dated = run->from_days != INT32_MIN;
  int32_t from = dated ? move_days(run->from_days, source->lookback_us, -1) : INT32_MIN;
  int32_t to = dated ? move_days(run->to_days, source->lookahead_us, 1) : INT32_MAX;
  ls_file_source_opts opts = {.lake = run->lake,
                              .name = source->name,
                              .index = index,
                              .schema = source->schema,
                              .format = source->format,
                              .protobuf_descriptor = source->protobuf_descriptor,
                              .wanted = source->wanted,
                              .pattern = source->files,
                              .from_days = from,
                              .to_days = to,
                              .dead_letters = ls__dead_letters_port(run->letters)};
  LS_TRY(ls__file_source_new(&run->files[index], &opts, err));
  return check_input(run, source, run->files[index], err);
}

static int open_global(ls_runtime *run, uint32_t index, ls_error *err) {
  const ls_plan_global *global = &run->plan->globals[index];
  if (global->files == NULL) {
    return ls_error_set(err, LS_ECONFIG, "table %s has no replay binding: give it `replay: { files: ... }`",
                        global->name);
  }
  ls_file_source_opts opts = {.lake = run->lake,
                              .name = global->name,
                              .index = run->plan->n_sources + index,
                              .schema = global->schema,
                              .format = global->format,
                              .wanted = global->wanted,
                              .pattern = global->files,
                              .from_days = INT32_MIN,
                              .to_days = INT32_MAX,
                              .dead_letters = ls__dead_letters_port(run->letters)};
  LS_TRY(ls__file_source_new(&run->global_files[index], &opts, err));
  if (ls__file_source_n_files(run->global_files[index]) > 0) return LS_OK;
  return ls_error_set(err, LS_ENOINPUT, "table %s: no file matches %s", global->name, global->files);
}

int ls__run_open_inputs(ls_runtime *run, ls_error *err) {
  for (uint32_t i = 0; i < run->plan->n_sources; i++) LS_TRY(open_source(run, i, err));
  for (uint32_t i = 0; i < run->plan->n_globals; i++) LS_TRY(open_global(run, i, err));
  ls__run_warn_days(run);
  return LS_OK;
}

/** Reads a whole table; units come in file order, so rows are in load order. */
static int load_rows(ls_file_worker *worker, ls_batch *all, ls_error *err) {
  int64_t n_rows_max;
  LS_TRY(ls__file_worker_next(worker, &n_rows_max, err));
  while (n_rows_max > 0) {
    ls_arena arena;
    ls__arena_init(&arena, 0);
    ls_batch *unit = ls__batch_new(all->schema, &arena, n_rows_max);
    int rc = ls__file_worker_decode(worker, unit, err);
    int32_t *rows = LS_ARENA_ARRAY(&arena, int32_t, unit->n_rows + 1);
    int64_t n = 0;
    for (int64_t row = 0; row < unit->n_rows && rc >= 0; row++) {
      if (unit->stamps[row].seq != 0) rows[n++] = (int32_t)row;
    }
    if (rc >= 0) ls__batch_gather(all, unit, rows, n);
    ls__arena_fini(&arena);
    LS_TRY(rc);
    LS_TRY(ls__file_worker_next(worker, &n_rows_max, err));
  }
  return LS_OK;
}

int ls__run_load_globals(ls_runtime *run, ls_error *err) {
  for (uint32_t i = 0; i < run->plan->n_globals; i++) {
    const ls_plan_global *plan = &run->plan->globals[i];
    ls_arena arena;
    ls__arena_init(&arena, 0);
    ls_batch *all = ls__batch_new(plan->schema, &arena, 0);
    ls_file_worker *worker = NULL;
    int rc = ls__file_worker_new(&worker, run->global_files[i], err);
    if (rc >= 0) rc = load_rows(worker, all, err);
    ls__file_worker_free(worker);
    if (rc >= 0) ls__global_new(&run->globals[i], plan, all);
    ls__arena_fini(&arena);
    LS_TRY(rc);
    ls__topology_bind_global(run->topology, i, ls__global_rows_of, run->globals[i]);
  }
  return LS_OK;
}

bool ls__run_origin_of(void *payload, uint64_t seq, uint32_t *source, ls_dead_letter *letter) {
  const ls_runtime *run = payload;
  uint32_t index = LS_SEQ_SOURCE(seq), file = LS_SEQ_FILE(seq);
  if (index >= run->plan->n_sources) return false;
  *source = index;
  letter->line = (int64_t)LS_SEQ_ROW(seq);
  if (run->files[index] == NULL || file >= ls__file_source_n_files(run->files[index])) return true;
  const ls_lake_file *at = ls__file_source_file(run->files[index], file);
  letter->file = at->path;
  letter->date_days = at->date_days;
  return true;
}

int64_t ls__run_records(const ls_runtime *run) {
  int64_t n = 0;
  for (uint32_t i = 0; i < run->plan->n_sources; i++)
    n += run->files[i] != NULL ? ls__file_source_records(run->files[i]) : 0;
  for (uint32_t i = 0; i < run->plan->n_globals; i++)
    n += run->global_files[i] != NULL ? ls__file_source_records(run->global_files[i]) : 0;
  return n;
}

int64_t ls__run_own_records(const ls_runtime *run) {
  int64_t n = 0;
  for (uint32_t i = 0; i < run->plan->n_sources; i++) {
    int32_t from, to;
    ls__run_own_days(run, i, &from, &to);
    if (run->files[i] != NULL) n += ls__file_source_records_of(run->files[i], from, to);
  }
  for (uint32_t i = 0; i < run->plan->n_globals; i++)
    n += run->global_files[i] != NULL ? ls__file_source_records(run->global_files[i]) : 0;
  return n;
}

int64_t ls__run_bad_records(const ls_runtime *run) {
  int64_t n = 0;
  for (uint32_t i = 0; run->letters != NULL && i < run->plan->n_sources + run->plan->n_globals; i++)
    n += ls__dead_letters_count(run->letters, i);
  return n;
}
