/** @file global_table.c  See global_table.h. */
#include "node/global_table.h"
#include "node/verbs.h"

struct ls_global {
  const ls_plan_global *plan;
  ls_arena arena;
  ls_batch *rows;
  ls_slice *keys; /* per row */
  uint64_t *hashes;
  int32_t *slots; /* row + 1, 0: free; power of two */
  uint64_t mask;
  uint64_t version; /* changes with the rows */
};

static int32_t *global_slot(const ls_global *global, ls_slice key, uint64_t hash) {
  uint64_t at = hash & global->mask;
  while (global->slots[at] != 0) {
    int32_t row = global->slots[at] - 1;
    if (global->hashes[row] == hash && ls__slice_eq(global->keys[row], key)) break;
    at = (at + 1) & global->mask;
  }
  return &global->slots[at];
}

static void build(ls_global *global, const ls_batch *rows) {
  const ls_plan_global *plan = global->plan;
  ls__arena_init(&global->arena, 0);
  global->version++;
  uint64_t n_slots = 16;
  while (n_slots < (uint64_t)rows->n_rows * 2) n_slots *= 2;
  global->mask = n_slots - 1;
  global->slots = LS_ARENA_ARRAY(&global->arena, int32_t, n_slots);
  global->keys = LS_ARENA_ARRAY(&global->arena, ls_slice, rows->n_rows + 1);
  global->hashes = LS_ARENA_ARRAY(&global->arena, uint64_t, rows->n_rows + 1);
  ls_row_keys all;
  ls__row_keys_of(&all, rows, plan->schema->key, plan->schema->n_key, &global->arena);
  int32_t *chosen = LS_ARENA_ARRAY(&global->arena, int32_t, rows->n_rows + 1);
  int64_t n = 0;
  for (int64_t row = 0; row < rows->n_rows; row++) {
    if (all.keys[row].ptr == NULL) continue;
    int32_t *slot = global_slot(global, all.keys[row], all.hashes[row]);
    if (*slot != 0) {
      chosen[*slot - 1] = (int32_t)row;
      continue;
    }
    global->keys[n] = all.keys[row];
    global->hashes[n] = all.hashes[row];
    chosen[n++] = (int32_t)row;
    *slot = (int32_t)n;
  }
  global->rows = ls__batch_new(plan->schema, &global->arena, n);
  ls__batch_gather(global->rows, rows, chosen, n);
}

void ls__global_new(ls_global **out, const ls_plan_global *plan, const ls_batch *rows) {
  ls_global *global = LS_NEW(ls_global);
  global->plan = plan;
  build(global, rows);
  *out = global;
}

void ls__global_replace(ls_global *global, const ls_batch *rows) {
  ls_arena old = global->arena;
  build(global, rows);
  ls__arena_fini(&old);
}

void ls__global_free(ls_global *global) {
  if (global == NULL) return;
  ls__arena_fini(&global->arena);
  ls__free(global);
}

const ls_batch *ls__global_rows(const ls_global *global) {
  return global->rows;
}

int32_t ls__global_find(const ls_global *global, ls_slice key, uint64_t hash) {
  return *global_slot(global, key, hash) - 1;
}

const ls_batch *ls__global_rows_of(void *payload, uint64_t *version) {
  *version = ((ls_global *)payload)->version;
  return ((ls_global *)payload)->rows;
}
