/**
 * @file stream_join.c
 * Windowed stream-stream join. L and R of one key match when L.ts - before <= R.ts <= L.ts + after (both ends in).
 *
 * A row is taken while its window is open: stream time <= ts + reach + grace, where reach is `after` for a left row and
 * `before` for a right one. Later than that it is late: counted, to the late output, and it joins nothing; its window's
 * partners are gone too. A row without a partner (left, outer join) goes out once, when its window closes: at the first
 * moment of stream time past it, never throttled by a wall clock (Kafka Streams: KAFKA-16123, KAFKA-19536 and the 1 s
 * interval are the holes closed here). emit: early sends it at once instead, and the match later as an update.
 * Result time = the later of the two rows; a row without a partner keeps its own.
 */
#include "node/verbs.h"

#include <stdio.h>

typedef struct join_side {
  ls_window *window;
  ls_row_layout layout;
  int64_t reach_us;       /* how far after its own ts partners may come */
  int64_t from_us, to_us; /* partners' ts relative to the row's */
  uint32_t first_field, n_fields;
  uint32_t late_output; /* UINT32_MAX: none */
  bool keeps_unmatched; /* outer side */
} join_side;

typedef struct stream_join_node {
  ls_node base;
  join_side sides[2];
  ls_arena arena;
  ls_buf row;
} stream_join_node;

enum { FLAG_MATCHED = 1 };
enum { TOO_MANY = 2 }; /* of a fetch */

static void stream_join_close(ls_node *node) {
  stream_join_node *self = (stream_join_node *)node;
  ls__arena_fini(&self->arena);
  ls__buf_fini(&self->row);
  ls__free(self);
}

static int stream_join_open(ls_node **out, const ls_plan_node *plan_node, const ls_node_env *env, ls_error *err) {
  stream_join_node *self = LS_NEW(stream_join_node);
  *out = &self->base;
  ls__arena_init(&self->arena, 1024);
  int64_t before = plan_node->u.stream_join.before_us, after = plan_node->u.stream_join.after_us;
  uint32_t n_left = plan_node->u.stream_join.n_left;
  ls_join_type type = plan_node->u.stream_join.type;
  self->sides[0] = (join_side){.reach_us = after,
                               .from_us = -before,
                               .to_us = after,
                               .first_field = 0,
                               .n_fields = n_left,
                               .late_output = 3,
                               .keeps_unmatched = type != LS_JOIN_INNER};
  self->sides[1] = (join_side){.reach_us = before,
                               .from_us = -after,
                               .to_us = before,
                               .first_field = n_left,
                               .n_fields = plan_node->outputs[0].schema->n_fields - n_left,
                               .late_output = 1,
                               .keeps_unmatched = type == LS_JOIN_OUTER};
  for (int i = 0; i < 2; i++) {
    const ls_plan_store *store = i == 0 ? &plan_node->store : &plan_node->store2;
    ls__row_layout_init(&self->sides[i].layout, ls__node_input_schema(env->plan, plan_node, (uint32_t)i), &self->arena);
    LS_TRY(ls__window_open(&self->sides[i].window, env->stores, store->name, store->backend, store->fingerprint, err));
  }
  return LS_OK;
}

static int64_t saturating_add(int64_t a, int64_t b) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return b > 0 ? INT64_MAX : INT64_MIN;
  return sum;
}

/** First moment of stream time at which a row's window is closed. */
static int64_t closes_at(const stream_join_node *self, int side, int64_t ts_us) {
  int64_t open_us = self->sides[side].reach_us + self->base.plan->u.stream_join.grace_us;
  return saturating_add(saturating_add(ts_us, open_us), 1);
}

typedef struct expiry {
  stream_join_node *self;
  ls_node_call *call;
  int side;
} expiry;

/** Appends nulls for the missing side of the main output; a missing left side takes its key from the right, which is there. */
static void append_missing(const stream_join_node *self, int missing, ls_batch *out) {
  const join_side *side = &self->sides[missing], *right = &self->sides[1];
  for (uint32_t i = 0; i < side->n_fields; i++) {
    ls_column *column = &out->columns[side->first_field + i];
    int64_t key = -1;
    for (uint32_t k = 0; missing == 0 && k < side->layout.schema->n_key; k++) {
      if (side->layout.schema->key[k] == i) key = right->first_field + right->layout.schema->key[k];
    }
    if (key >= 0) {
      ls__column_append_from(column, &out->columns[key], out->n_rows);
    } else {
      ls__column_append_null(column);
    }
  }
}

static int on_expired(void *payload, const ls_window_entry *entry, ls_error *err) {
  expiry *at = payload;
  stream_join_node *self = at->self;
  join_side *side = &self->sides[at->side];
  if (entry->flags & FLAG_MATCHED) return LS_OK;
  self->base.counters.unmatched++;
  ls_stamp stamp = ls__timer_stamp(closes_at(self, at->side, entry->ts_us), entry->stamp);
  if (at->side == 1 && at->call->plan_node->n_outputs > 2) {
    ls_batch *unmatched = at->call->outputs[2];
    LS_TRY(ls__row_decode(unmatched->columns, &side->layout, entry->value, err));
    ls__batch_append_meta(unmatched, entry->ts_us, stamp);
  }
  if (!side->keeps_unmatched || self->base.plan->u.stream_join.emit != LS_EMIT_FINAL) return LS_OK;
  ls_batch *out = at->call->outputs[0];
  LS_TRY(ls__row_decode(out->columns + side->first_field, &side->layout, entry->value, err));
  append_missing(self, 1 - at->side, out);
  ls__batch_append_meta(out, entry->ts_us, stamp);
  return LS_OK;
}

/** Fires the window closes of both sides that are due, in order of their time, the left side first. */
static int stream_join_fire(stream_join_node *self, ls_node_call *call, int64_t stream_time_us, ls_error *err) {
  for (int64_t fired_us = INT64_MIN;;) {
    int64_t ts[2], due[2];
    for (int i = 0; i < 2; i++) {
      ts[i] = ls__window_min_ts(self->sides[i].window);
      due[i] = ts[i] == INT64_MAX ? INT64_MAX : closes_at(self, i, ts[i]);
    }
    int side = due[0] <= due[1] ? 0 : 1;
    if (ts[side] == INT64_MAX || due[side] > stream_time_us) return LS_OK;
    if (call->flush != NULL && due[side] > fired_us && call->outputs[0]->n_rows >= LS_END_BATCH_ROWS)
      LS_TRY(call->flush(call, err));
    fired_us = due[side]; /* both sides' rows of one time go out together */
    expiry at = {self, call, side};
    LS_TRY(ls__window_expire(self->sides[side].window, ts[side] + 1, on_expired, &at, err));
  }
}

typedef struct match {
  stream_join_node *self;
  ls_node_call *call;
  int side; /* of the arriving row */
  const ls_batch *in;
  int64_t row;
  uint64_t hash;
  uint32_t n;
  uint64_t *flagged; /* bit i: match i was the partner's first */
} match;

static int on_match(void *payload, const ls_window_entry *entry, ls_error *err) {
  match *m = payload;
  stream_join_node *self = m->self;
  join_side *mine = &self->sides[m->side], *other = &self->sides[1 - m->side];
  if (m->n == self->base.plan->u.stream_join.fanout_max) return TOO_MANY;
  if (!(entry->flags & FLAG_MATCHED)) {
    if (m->flagged == NULL)
      m->flagged = LS_ARENA_ARRAY(m->call->arena, uint64_t, LS_BIT_WORDS(self->base.plan->u.stream_join.fanout_max));
    LS_BIT_SET(m->flagged, m->n);
    LS_TRY(ls__window_set_flags(other->window, entry, m->hash, entry->flags | FLAG_MATCHED, err));
  }
  m->n++;
  ls_batch *out = m->call->outputs[0];
  for (uint32_t i = 0; i < mine->n_fields; i++) {
    ls__column_append_from(&out->columns[mine->first_field + i], &m->in->columns[i], m->row);
  }
  LS_TRY(ls__row_decode(out->columns + other->first_field, &other->layout, entry->value, err));
  int64_t ts_us = m->in->ts_us[m->row];
  ls__batch_append_meta(out, ts_us > entry->ts_us ? ts_us : entry->ts_us, m->in->stamps[m->row]);
  return LS_OK;
}

/** Partners that had none before are without one again. */
static int on_unmatch(void *payload, const ls_window_entry *entry, ls_error *err) {
  match *m = payload;
  if (m->n == m->self->base.plan->u.stream_join.fanout_max) return TOO_MANY;
  if (m->flagged != NULL && LS_BIT_GET(m->flagged, m->n)) {
    LS_TRY(ls__window_set_flags(m->self->sides[1 - m->side].window, entry, m->hash,
                                entry->flags & ~(uint32_t)FLAG_MATCHED, err));
  }
  m->n++;
  return LS_OK;
}

/** Joins the row of m with its partners; with more than fanout_max of them nothing has happened, and TOO_MANY. */
static int stream_join_match(match *m, ls_slice key, ls_error *err) {
  const join_side *side = &m->self->sides[m->side];
  ls_window *partners = m->self->sides[1 - m->side].window;
  int64_t ts_us = m->in->ts_us[m->row], n_out = m->call->outputs[0]->n_rows;
  int64_t from_us = saturating_add(ts_us, side->from_us), to_us = saturating_add(ts_us, side->to_us);
  int rc = ls__window_fetch(partners, key, m->hash, from_us, to_us, on_match, m, err);
  if (rc != TOO_MANY) return rc;
  ls__batch_truncate(m->call->outputs[0], n_out);
  m->n = 0;
  return ls__window_fetch(partners, key, m->hash, from_us, to_us, on_unmatch, m, err);
}

static int stream_join_row(stream_join_node *self, ls_node_call *call, int side_index, int64_t row,
                           const ls_row_keys *keys, ls_row_faults *faults, ls_error *err) {
  const ls_batch *in = call->inputs[side_index];
  ls_slice key = keys->keys[row];
  uint64_t hash = keys->hashes[row];
  join_side *side = &self->sides[side_index];
  int64_t ts_us = in->ts_us[row], now_us = in->stamps[row].ts_us;
  if (now_us >= closes_at(self, side_index, ts_us)) {
    self->base.counters.late++;
    if (side->late_output < call->plan_node->n_outputs) {
      ls__batch_gather(call->outputs[side->late_output], in, &(int32_t){(int32_t)row}, 1);
    }
    return LS_OK;
  }
  match m = {.self = self, .call = call, .side = side_index, .in = in, .row = row, .hash = hash};
  if (key.ptr != NULL) {
    int rc = stream_join_match(&m, key, err);
    if (rc < 0) return rc;
    if (rc == TOO_MANY) {
      char message[64];
      snprintf(message, sizeof message, "more than fanout_max (%u) rows match", m.n);
      ls__row_faults_report(faults, row, message);
      return LS_OK;
    }
  }
  bool null_key_alone = key.ptr == NULL && side->keeps_unmatched; /* KIP-962: a null key can't match */
  if (!null_key_alone && !ls__row_key_fits(keys, row)) {
    ls__row_key_report(faults, keys, row, "the join key is null");
    return LS_OK;
  }
  bool early = self->base.plan->u.stream_join.emit == LS_EMIT_CHANGES;
  if (m.n == 0 && side->keeps_unmatched && (early || null_key_alone)) {
    ls_batch *out = call->outputs[0];
    for (uint32_t i = 0; i < side->n_fields; i++)
      ls__column_append_from(&out->columns[side->first_field + i], &in->columns[i], row);
    append_missing(self, 1 - side_index, out);
    ls__batch_append_meta(out, ts_us, in->stamps[row]);
  }
  self->base.counters.taken++;
  if (null_key_alone) return LS_OK;
  ls__row_encode(&self->row, &side->layout, in, row);
  ls_window_entry entry = {.key = key,
                           .ts_us = ts_us,
                           .stamp = in->stamps[row],
                           .value = ls__buf_slice(&self->row),
                           .flags = m.n > 0 ? FLAG_MATCHED : 0};
  return ls__window_put(side->window, &entry, hash, err);
}

static int stream_join_process(ls_node *node, ls_node_call *call, ls_error *err) {
  stream_join_node *self = (stream_join_node *)node;
  ls_row_keys keys[2];
  ls_row_faults faults[2];
  for (int i = 0; i < 2; i++) {
    const ls_batch *in = call->inputs[i];
    ls__row_keys_of(&keys[i], in, in->schema->key, in->schema->n_key, call->arena);
    ls__row_faults_init(&faults[i], node, call, in);
  }
  ls__node_fresh_outputs(call, call->inputs[1]->n_rows);
  ls_merge_walk walk = {{call->inputs[0], call->inputs[1]}, {0, 0}};
  int64_t row = 0;
  for (int side = ls__merge_walk_next(&walk, &row); side >= 0; side = ls__merge_walk_next(&walk, &row)) {
    LS_TRY(stream_join_fire(self, call, call->inputs[side]->stamps[row].ts_us, err));
    LS_TRY(stream_join_row(self, call, side, row, &keys[side], &faults[side], err));
  }
  return stream_join_fire(self, call, call->stream_time_us, err);
}

static int stream_join_end(ls_node *node, ls_node_call *call, ls_error *err) {
  ls__node_fresh_outputs(call, LS_END_BATCH_ROWS);
  return stream_join_fire((stream_join_node *)node, call, INT64_MAX, err);
}

static int64_t stream_join_next_due_us(const ls_node *node) {
  const stream_join_node *self = (const stream_join_node *)node;
  int64_t next = INT64_MAX;
  for (int i = 0; i < 2; i++) {
    int64_t ts_us = ls__window_min_ts(self->sides[i].window);
    int64_t due = ts_us == INT64_MAX ? INT64_MAX : closes_at(self, i, ts_us);
    if (due < next) next = due;
  }
  return next;
}

const ls_node_vtable ls__stream_join_vtable = {stream_join_open,  stream_join_process,    stream_join_end, NULL,
                                               stream_join_close, stream_join_next_due_us};
