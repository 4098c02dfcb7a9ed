/**
 * @file deduplicate.c
 * deduplicate: passes the first row of each `on` value in stamp order; later ones are filtered. retention forever keeps all
 * values seen; otherwise a value counts as new again when its first sighting is older than the retention, by stream time.
 */
#include "node/verbs.h"

typedef struct deduplicate_node {
  ls_node base;
  ls_kv *seen;       /* retention forever */
  ls_window *recent; /* else */
} deduplicate_node;

static void deduplicate_close(ls_node *node) {
  ls__free(node);
}

static int deduplicate_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  deduplicate_node *self = LS_NEW(deduplicate_node);
  *out = &self->base;
  const ls_plan_store *store = &plan_node->store;
  if (plan_node->u.deduplicate.retention_us == INT64_MAX) {
    return ls__kv_open(&self->seen, env->stores, store->name, store->backend, store->fingerprint, err);
  }
  return ls__window_open(&self->recent, env->stores, store->name, store->backend, store->fingerprint, err);
}

static int found_one(void *payload, const ls_window_entry *entry, ls_error *err) {
  (void)entry, (void)err;
  *(bool *)payload = true;
  return 1;
}

/** 1: seen before; 0: new, and noted. */
static int deduplicate_check(deduplicate_node *self, const ls_batch *in, int64_t row, ls_slice key, uint64_t hash,
                             ls_error *err) {
  ls_slice stored;
  if (self->seen != NULL) {
    int found = ls__kv_get(&stored, self->seen, key, hash, err);
    if (found != 0) return found;
    return ls__kv_put(self->seen, key, hash, (ls_slice){NULL, 0}, err);
  }
  int64_t now_us = in->stamps[row].ts_us, oldest_us = now_us - self->base.plan->u.deduplicate.retention_us;
  LS_TRY(ls__window_expire(self->recent, oldest_us, NULL, NULL, err));
  bool found = false;
  int rc = ls__window_fetch(self->recent, key, hash, oldest_us, INT64_MAX, found_one, &found, err);
  if (rc < 0) return rc;
  if (found) return 1;
  ls_window_entry entry = {.key = key, .ts_us = now_us, .stamp = in->stamps[row]};
  return ls__window_put(self->recent, &entry, hash, err);
}

static int deduplicate_process(ls_node *node, ls_node_call *call, ls_error *err) {
  deduplicate_node *self = (deduplicate_node *)node;
  const ls_batch *in = call->inputs[0];
  ls_row_faults faults;
  ls__row_faults_init(&faults, node, call, in);
  ls_row_keys keys;
  ls__row_keys_of(&keys, in, node->plan->u.deduplicate.on, node->plan->u.deduplicate.n_on, call->arena);
  int32_t *fresh = LS_ARENA_ARRAY(call->arena, int32_t, in->n_rows + 1);
  int64_t n_fresh = 0;
  for (int64_t row = 0; row < in->n_rows; row++) {
    if (self->seen != NULL && row + LS_PREFETCH_ROWS < in->n_rows)
      ls__kv_prefetch(self->seen, keys.hashes[row + LS_PREFETCH_ROWS]);
    if (!ls__row_key_fits(&keys, row)) {
      ls__row_key_report(&faults, &keys, row, "the deduplication key is null");
      continue;
    }
    int seen = deduplicate_check(self, in, row, keys.keys[row], keys.hashes[row], err);
    if (seen < 0) return seen;
    if (seen == 0) fresh[n_fresh++] = (int32_t)row;
    node->counters.filtered += seen;
  }
  node->counters.taken += n_fresh;
  if (n_fresh == in->n_rows) {
    call->outputs[0] = ls__batch_view(in, call->plan_node->outputs[0].schema, call->arena);
    return LS_OK;
  }
  call->outputs[0] = ls__batch_new(call->plan_node->outputs[0].schema, call->arena, n_fresh);
  ls__batch_gather(call->outputs[0], in, fresh, n_fresh);
  return LS_OK;
}

const ls_node_vtable ls__deduplicate_vtable = {
    deduplicate_open, deduplicate_process, NULL, NULL, deduplicate_close, NULL};
