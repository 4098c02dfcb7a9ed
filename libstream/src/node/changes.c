/**
 * @file changes.c
 * changes: passes a row only when its compared columns differ from the key's previous row, and numbers what it passes
 * from 1. The store keeps a 128-bit digest of the compared values and the version, not the row.
 */
#include "node/verbs.h"

typedef struct changes_node {
  ls_node base;
  ls_kv *versions;
  ls_buf compared;
} changes_node;

typedef struct changes_state {
  uint64_t digest[2];
  int64_t version;
} changes_state;

static void changes_close(ls_node *node) {
  ls__buf_fini(&((changes_node *)node)->compared);
  ls__free(node);
}

static int changes_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  changes_node *self = LS_NEW(changes_node);
  *out = &self->base;
  return ls__kv_open(&self->versions, env->stores, plan_node->store.name, plan_node->store.backend,
                     plan_node->store.fingerprint, err);
}

/** Version given to the row, 0 when nothing changed, <0 error. */
static int64_t changes_check(changes_node *self, const ls_batch *in, int64_t row, ls_slice key, uint64_t hash,
                             ls_error *err) {
  ls__buf_clear(&self->compared);
  for (uint32_t i = 0; i < self->base.plan->u.changes.n_compare; i++) {
    ls__key_encode_value(&self->compared, &in->columns[self->base.plan->u.changes.compare[i]], row);
  }
  changes_state state = {.version = 1};
  ls__hash128(ls__buf_slice(&self->compared), state.digest);
  ls_slice stored;
  int found = ls__kv_get(&stored, self->versions, key, hash, err);
  if (found < 0) return found;
  if (found == 1) {
    changes_state old;
    memcpy(&old, stored.ptr, sizeof old);
    if (memcmp(old.digest, state.digest, sizeof old.digest) == 0) return 0;
    state.version = old.version + 1;
  }
  int rc = ls__kv_put(self->versions, key, hash, (ls_slice){(const char *)&state, sizeof state}, err);
  return rc < 0 ? rc : state.version;
}

static int changes_process(ls_node *node, ls_node_call *call, ls_error *err) {
  changes_node *self = (changes_node *)node;
  const ls_batch *in = call->inputs[0];
  ls_row_faults faults;
  ls__row_faults_init(&faults, node, call, in);
  ls_row_keys keys;
  ls__row_keys_of(&keys, in, in->schema->key, in->schema->n_key, call->arena);
  int32_t *changed = LS_ARENA_ARRAY(call->arena, int32_t, in->n_rows + 1);
  int64_t *versions = LS_ARENA_ARRAY(call->arena, int64_t, in->n_rows + 1);
  int64_t n_changed = 0;
  for (int64_t row = 0; row < in->n_rows; row++) {
    if (!ls__row_key_fits(&keys, row)) {
      ls__row_key_report(&faults, &keys, row, "the key is null");
      continue;
    }
    int64_t version = changes_check(self, in, row, keys.keys[row], keys.hashes[row], err);
    if (version < 0) return (int)version;
    if (version == 0) {
      node->counters.filtered++;
      continue;
    }
    versions[n_changed] = version;
    changed[n_changed++] = (int32_t)row;
  }
  node->counters.taken += n_changed;
  ls_batch *out = ls__batch_new(call->plan_node->outputs[0].schema, call->arena, n_changed);
  for (uint32_t i = 0; i < in->schema->n_fields; i++)
    ls__column_gather(&out->columns[i], &in->columns[i], changed, n_changed);
  for (int64_t i = 0; i < n_changed; i++) {
    if (node->plan->u.changes.version_field >= 0) {
      ls__column_append_i64(&out->columns[node->plan->u.changes.version_field], versions[i]);
    }
    ls__batch_append_meta(out, in->ts_us[changed[i]], in->stamps[changed[i]]);
  }
  call->outputs[0] = out;
  return LS_OK;
}

const ls_node_vtable ls__changes_vtable = {changes_open, changes_process, NULL, NULL, changes_close, NULL};
