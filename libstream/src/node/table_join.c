/**
 * @file table_join.c
 * table-table join: a change of either side gives the joined row, read as of the change's stamp. When one record changes both
 * sides of a key, the left change's row shows both and the right one makes none (ADR 3).
 * emit: final reads both tables at the end of input instead and gives one row per key.
 * Live: emit: final gives each change, where needed with the row before it as one that takes back.
 */
#include "node/verbs.h"
#include "store/kv_cursor.h"

typedef struct table_join_node {
  ls_node base;
  ls_node *makers[2];
  const ls_schema *schemas[2];
  ls_emit emit;
  bool retracts;
  const ls_store_set *stores;
} table_join_node;

static void table_join_close(ls_node *node) {
  ls__free(node);
}

static int table_join_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  (void)err;
  table_join_node *self = LS_NEW(table_join_node);
  *out = &self->base;
  self->emit = ls__plan_table_emit(env->plan, plan_node->u.table_join.emit);
  self->retracts = env->plan->live && plan_node->live_retracts;
  self->stores = env->stores;
  for (int side = 0; side < 2; side++) {
    self->makers[side] = env->nodes[plan_node->reads_table[side]];
    self->schemas[side] = ls__node_input_schema(env->plan, plan_node, (uint32_t)side);
  }
  return LS_OK;
}

/** Nulls for the side that is missing; a missing left side takes its key columns from the right. */
static void table_join_fill_missing(table_join_node *self, ls_batch *out, int missing) {
  uint32_t n_left = self->base.plan->u.table_join.n_left;
  uint32_t from = missing == 0 ? 0 : n_left, to = missing == 0 ? n_left : out->schema->n_fields;
  for (uint32_t i = from; i < to; i++) {
    ls_column *column = &out->columns[i];
    int64_t key = -1;
    for (uint32_t k = 0; missing == 0 && k < self->schemas[0]->n_key; k++) {
      if (self->schemas[0]->key[k] == i) key = self->schemas[1]->key[k];
    }
    if (key >= 0) {
      ls__column_append_from(column, &out->columns[n_left + (uint32_t)key], out->n_rows);
    } else {
      ls__column_append_null(column);
    }
  }
}

/** Whether a row goes out when the other side is missing. */
static bool table_join_keeps(const ls_plan_node *plan, int side) {
  return plan->u.table_join.type == LS_JOIN_OUTER || (plan->u.table_join.type == LS_JOIN_LEFT && side == 0);
}

/** The changes of one stamp: rows [first, last) of each side. */
typedef struct change_group {
  const ls_batch *inputs[2];
  ls_row_keys keys[2];
  int64_t first[2], last[2];
} change_group;

/** Next group; false at the end. */
static bool change_group_next(change_group *group) {
  ls_stamp stamp = {0, 0};
  bool any = false;
  for (int side = 0; side < 2; side++) {
    group->first[side] = group->last[side];
    if (group->first[side] == group->inputs[side]->n_rows) continue;
    ls_stamp mine = group->inputs[side]->stamps[group->first[side]];
    if (!any || ls__stamp_cmp(mine, stamp) < 0) stamp = mine;
    any = true;
  }
  for (int side = 0; side < 2; side++) {
    const ls_batch *in = group->inputs[side];
    while (group->last[side] < in->n_rows && ls__stamp_cmp(in->stamps[group->last[side]], stamp) == 0)
      group->last[side]++;
  }
  return any;
}

/** Row of the group's other side that changes the same key, the last of them; -1: none. */
static int64_t change_group_partner(const change_group *group, int side, int64_t row) {
  int other = 1 - side;
  for (int64_t i = group->last[other] - 1; i >= group->first[other]; i--) {
    if (group->keys[other].hashes[i] == group->keys[side].hashes[row] &&
        ls__slice_eq(group->keys[other].keys[i], group->keys[side].keys[row]))
      return i;
  }
  return -1;
}

/** Joins a changed row of `side` with the other table. On failure the output's row is begun and not ended. */
static int table_join_row(table_join_node *self, ls_batch *out, int side, const change_group *group, int64_t row,
                          ls_error *err) {
  const ls_batch *in = group->inputs[side];
  ls_slice key = group->keys[side].keys[row];
  uint64_t hash = group->keys[side].hashes[row];
  int64_t partner = change_group_partner(group, side, row), ts_us = in->ts_us[row];
  if (partner >= 0 && side == 1) {
    self->base.counters.taken++; /* shown by the left change */
    return LS_OK;
  }
  if (partner >= 0 && group->inputs[1]->ts_us[partner] > ts_us) ts_us = group->inputs[1]->ts_us[partner];
  uint32_t n_left = self->base.plan->u.table_join.n_left;
  ls_column *halves[2] = {out->columns, out->columns + n_left};
  ls_node *other = self->makers[1 - side];
  ls_slice value;
  int found = ls__table_get_as_of(&value, other->table, key, hash, in->stamps[row], err);
  if (found < 0) return found;
  if (found == 0 && !table_join_keeps(self->base.plan, side)) {
    self->base.counters.filtered++;
    return LS_OK;
  }
  for (uint32_t i = 0; i < in->schema->n_fields; i++) ls__column_append_from(&halves[side][i], &in->columns[i], row);
  if (found == 1) {
    LS_TRY(other->table_decode(other, value, halves[1 - side], err));
  } else {
    table_join_fill_missing(self, out, 1 - side);
  }
  self->base.counters.taken++;
  ls__batch_append_meta(out, ts_us, in->stamps[row]);
  return LS_OK;
}

/** Joins the rows of a group; a row whose partner's value can't be made is at fault. */
static int table_join_group(table_join_node *self, ls_node_call *call, const change_group *group,
                            ls_row_faults faults[2], ls_error *err) {
  ls_batch *out = call->outputs[0];
  for (int side = 0; side < 2; side++) {
    for (int64_t row = group->first[side]; row < group->last[side]; row++) {
      int rc = table_join_row(self, out, side, group, row, err);
      if (!ls__is_row_fault(rc)) {
        LS_TRY(rc);
        continue;
      }
      ls__batch_truncate(out, out->n_rows);
      ls__row_faults_report(&faults[side], row, err->message);
    }
  }
  return LS_OK;
}

/* ---- with the row before a change ---- */

/** Whether an earlier row of the group changes the same key: all changes of one stamp are one. */
static bool change_group_repeats(const change_group *group, int side, int64_t row) {
  if (side == 1 && change_group_partner(group, 1, row) >= 0) return true;
  for (int64_t i = group->first[side]; i < row; i++) {
    if (group->keys[side].hashes[i] == group->keys[side].hashes[row] &&
        ls__slice_eq(group->keys[side].keys[i], group->keys[side].keys[row]))
      return true;
  }
  return false;
}

static int table_join_read(ls_slice *out, table_join_node *self, int side, ls_slice key, uint64_t hash, ls_stamp stamp,
                           bool before, ls_error *err) {
  ls_table *table = self->makers[side]->table;
  return before ? ls__table_get_before(out, table, key, hash, stamp, err)
                : ls__table_get_as_of(out, table, key, hash, stamp, err);
}

/** Appends the joined row of a key as both tables have it with the changes of a stamp, or before them; none when there is none.
 *  On failure the output's row is begun and not ended. */
static int table_join_state(table_join_node *self, ls_batch *out, const change_group *group, int side, int64_t row,
                            bool before, ls_error *err) {
  const ls_batch *in = group->inputs[side];
  ls_slice key = group->keys[side].keys[row], value;
  uint64_t hash = group->keys[side].hashes[row];
  int found[2];
  for (int s = 0; s < 2; s++) {
    found[s] = table_join_read(&value, self, s, key, hash, in->stamps[row], before, err);
    if (found[s] < 0) return found[s];
  }
  if (found[0] + found[1] == 0) return LS_OK;
  if (found[0] + found[1] == 1 && !table_join_keeps(self->base.plan, found[0] == 1 ? 0 : 1)) return LS_OK;
  ls_column *halves[2] = {out->columns, out->columns + self->base.plan->u.table_join.n_left};
  for (int s = 0; s < 2; s++) {
    if (found[s] == 0) continue;
    int rc = table_join_read(&value, self, s, key, hash, in->stamps[row], before, err);
    if (rc < 0) return rc;
    LS_TRY(self->makers[s]->table_decode(self->makers[s], value, halves[s], err));
  }
  for (int s = 0; s < 2; s++) {
    if (found[s] == 0) table_join_fill_missing(self, out, s);
  }
  ls__batch_append_meta(out, in->ts_us[row], in->stamps[row]);
  if (before) ls__batch_set_retract(out, out->n_rows - 1);
  return LS_OK;
}

/** The same for all keys of a group: the row before, which is not there when it could not be made, and the row now. */
static int table_join_retracting_group(table_join_node *self, ls_node_call *call, const change_group *group,
                                       ls_row_faults faults[2], ls_error *err) {
  ls_batch *out = call->outputs[0];
  for (int side = 0; side < 2; side++) {
    for (int64_t row = group->first[side]; row < group->last[side]; row++) {
      self->base.counters.taken++;
      if (change_group_repeats(group, side, row)) continue;
      for (int now = 0; now < 2; now++) {
        int rc = table_join_state(self, out, group, side, row, now == 0, err);
        if (!ls__is_row_fault(rc)) {
          LS_TRY(rc);
          continue;
        }
        ls__batch_truncate(out, out->n_rows);
        if (now == 0) continue;
        self->base.counters.taken--;
        ls__row_faults_report(&faults[side], row, err->message);
      }
    }
  }
  return LS_OK;
}

static int table_join_process(ls_node *node, ls_node_call *call, ls_error *err) {
  table_join_node *self = (table_join_node *)node;
  ls__node_fresh_outputs(call, call->inputs[0]->n_rows + call->inputs[1]->n_rows);
  if (self->emit == LS_EMIT_FINAL) {
    node->counters.taken += call->inputs[0]->n_rows + call->inputs[1]->n_rows; /* in the tables */
    return LS_OK;
  }
  ls_row_faults faults[2];
  change_group group = {.inputs = {call->inputs[0], call->inputs[1]}};
  for (int side = 0; side < 2; side++) {
    const ls_batch *in = call->inputs[side];
    ls__row_keys_of(&group.keys[side], in, in->schema->key, in->schema->n_key, call->arena);
    ls__row_faults_init(&faults[side], node, call, in);
  }
  while (change_group_next(&group)) {
    LS_TRY(self->retracts ? table_join_retracting_group(self, call, &group, faults, err)
                          : table_join_group(self, call, &group, faults, err));
  }
  return LS_OK;
}

/** One side at the end of input: its table in key order. */
typedef struct final_side {
  ls_kv_cursor *cursor;
  bool more; /* key and value are the next entry's */
  ls_slice key, value;
} final_side;

static void final_side_next(final_side *side) {
  side->more = ls__kv_cursor_next(side->cursor, &side->key, &side->value) == 1;
}

/** Decodes a table's value into its half of the output: 1; 0: it can't be made, which is a dead letter with the key. */
static int table_join_decode(table_join_node *self, ls_node_call *call, int side, ls_slice value, ls_stamp stamp,
                             ls_error *err) {
  uint32_t first = side == 0 ? 0 : self->base.plan->u.table_join.n_left, n_key = self->schemas[side]->n_key;
  ls_node *maker = self->makers[side];
  int rc = maker->table_decode(maker, value, call->outputs[0]->columns + first, err);
  if (!ls__is_row_fault(rc)) return rc < 0 ? rc : 1;
  uint32_t *fields = LS_ARENA_ARRAY(call->arena, uint32_t, n_key + 1);
  for (uint32_t i = 0; i < n_key; i++) fields[i] = first + self->schemas[side]->key[i];
  ls__result_fault_report(&self->base, call, fields, n_key, stamp, err->message);
  self->base.counters.dead++;
  return 0;
}

/** The row of a key that those of `sides` have which `has` tells. */
static int table_join_final_row(table_join_node *self, ls_node_call *call, const final_side *sides, const bool *has,
                                ls_error *err) {
  ls_batch *out = call->outputs[0];
  int side = has[0] ? 0 : 1;
  if (side == 1 && !table_join_keeps(self->base.plan, 1)) return LS_OK;
  self->base.counters.rows_in++;
  if (!has[1 - side] && !table_join_keeps(self->base.plan, side)) {
    self->base.counters.filtered++;
    return LS_OK;
  }
  ls_stamp stamp = ls__end_stamp(call->stream_time_us, ls__hash64(sides[side].key));
  int made = has[1 - side] ? table_join_decode(self, call, 1 - side, sides[1 - side].value, stamp, err) : 1;
  if (made == 1) made = table_join_decode(self, call, side, sides[side].value, stamp, err);
  if (made != 1) return made;
  self->base.counters.taken++;
  if (!has[1 - side]) table_join_fill_missing(self, out, 1 - side);
  ls__batch_append_meta(out, call->stream_time_us, stamp);
  return out->n_rows >= LS_END_BATCH_ROWS ? call->flush(call, err) : LS_OK;
}

/** Both tables in key order, side by side: the rows go out in key order too, which is what sinks want. */
static int table_join_emit_final(table_join_node *self, ls_node_call *call, final_side *sides, ls_error *err) {
  for (int side = 0; side < 2; side++) final_side_next(&sides[side]);
  while (sides[0].more || sides[1].more) {
    int order = !sides[1].more ? -1 : !sides[0].more ? 1 : ls__slice_cmp(sides[0].key, sides[1].key);
    bool has[2] = {order <= 0, order >= 0};
    LS_TRY(table_join_final_row(self, call, sides, has, err));
    for (int side = 0; side < 2; side++) {
      if (has[side]) final_side_next(&sides[side]);
    }
  }
  return LS_OK;
}

static int table_join_end(ls_node *node, ls_node_call *call, ls_error *err) {
  ls__node_fresh_outputs(call, LS_END_BATCH_ROWS);
  table_join_node *self = (table_join_node *)node;
  if (self->emit != LS_EMIT_FINAL) return LS_OK;
  final_side sides[2] = {0};
  for (int side = 0; side < 2; side++)
    ls__store_set_cursor(&sides[side].cursor, self->stores, self->makers[side]->plan->store.name);
  int rc = table_join_emit_final(self, call, sides, err);
  for (int side = 0; side < 2; side++) {
    int close_rc = ls__kv_cursor_close(sides[side].cursor, rc < 0 ? NULL : err);
    if (rc >= 0) rc = close_rc;
  }
  return rc;
}

const ls_node_vtable ls__table_join_vtable = {
    table_join_open, table_join_process, table_join_end, NULL, table_join_close, NULL};
