/** @file table_lookup.c  stream-table join: each stream row looks the table up as of its own stamp; the table triggers nothing. */
#include "node/verbs.h"

typedef struct table_lookup_node {
  ls_node base;
  ls_node *maker;
} table_lookup_node;

static void table_lookup_close(ls_node *node) {
  ls__free(node);
}

static int table_lookup_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  (void)err;
  table_lookup_node *self = LS_NEW(table_lookup_node);
  *out = &self->base;
  self->maker = env->nodes[plan_node->reads_table[0]];
  return LS_OK;
}

static int table_lookup_process(ls_node *node, ls_node_call *call, ls_error *err) {
  ls_node *maker = ((table_lookup_node *)node)->maker;
  const ls_batch *in = call->inputs[0];
  bool left_join = node->plan->u.table_lookup.type == LS_JOIN_LEFT;
  ls_row_keys keys;
  ls__row_keys_of(&keys, in, in->schema->key, in->schema->n_key, call->arena);
  ls_batch *out = ls__batch_new(call->plan_node->outputs[0].schema, call->arena, in->n_rows);
  uint32_t n_left = node->plan->u.table_lookup.n_left, n_fields = out->schema->n_fields;
  int32_t *kept = LS_ARENA_ARRAY(call->arena, int32_t, in->n_rows + 1);
  int64_t n = 0;
  ls_row_faults faults;
  ls__row_faults_init(&faults, node, call, in);
  for (int64_t row = 0; row < in->n_rows; row++) {
    ls_slice value;
    int found = keys.keys[row].ptr == NULL
                    ? 0
                    : ls__table_get_as_of(&value, maker->table, keys.keys[row], keys.hashes[row], in->stamps[row], err);
    if (found < 0) return found;
    if (found == 0 && !left_join) {
      node->counters.filtered++;
      continue;
    }
    int rc = found == 1 ? maker->table_decode(maker, value, out->columns + n_left, err) : LS_OK;
    if (ls__is_row_fault(rc)) { /* a result of an aggregate that can't be made */
      for (uint32_t i = n_left; i < n_fields; i++) ls__column_resize(&out->columns[i], n);
      ls__row_faults_report(&faults, row, err->message);
      continue;
    }
    LS_TRY(rc);
    for (uint32_t i = n_left; found == 0 && i < n_fields; i++) ls__column_append_null(&out->columns[i]);
    kept[n++] = (int32_t)row;
  }
  node->counters.taken += n;
  for (uint32_t i = 0; i < n_left; i++) ls__column_gather(&out->columns[i], &in->columns[i], kept, n);
  for (int64_t i = 0; i < n; i++) ls__batch_append_meta(out, in->ts_us[kept[i]], in->stamps[kept[i]]);
  call->outputs[0] = out;
  return LS_OK;
}

const ls_node_vtable ls__table_lookup_vtable = {
    table_lookup_open, table_lookup_process, NULL, NULL, table_lookup_close, NULL};
