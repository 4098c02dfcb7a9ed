/** @file agg_state.c  See agg_state.h. */
#include "node/agg_state.h"
#include "base/assert.h"

struct ls_agg_set {
  const ls_plan_node *plan;
  ls_arena arena;
  ls_row_layout by_layout; /* of the by-columns alone */
  ls_schema by_schema;
  ls_expr_set *args;            /* per aggregate */
  ls_udf_instance **udfs;       /* per aggregate, PLUGIN only */
  ls_row_layout *value_layouts; /* per aggregate: one field, for MIN, MAX, FIRST, LAST, COLLECT */
  const ls_column **columns;    /* evaluated arguments: per aggregate n_args, flattened */
  uint32_t *first_column;
  ls_batch by_view; /* by-columns of the current batch */
  ls_buf scratch, value, key_a, key_b;
  bool counts_rows; /* rows may be taken back */
};

/* Segments are copied out before they are used: plugins' accumulators are 16-byte aligned, states are not. */
typedef struct sum_segment {
  ls_i128 sum;      /* INT64 and DECIMAL */
  double float_sum; /* tidy: allow double because SUM and AVG of float64 columns are float64 */
  int64_t count;    /* non-null values */
} sum_segment;

static ls_schema *one_field_schema(ls_arena *arena, const ls_type *type) {
  ls_schema *schema = LS_ARENA_NEW(arena, ls_schema);
  schema->fields = LS_ARENA_NEW(arena, ls_field);
  schema->fields[0] = (ls_field){.name = "value", .type = type, .nullable = true};
  schema->n_fields = 1;
  schema->time_field = -1;
  return schema;
}

static bool keeps_value(ls_agg_kind kind) {
  return kind == LS_AGG_MIN || kind == LS_AGG_MAX || kind == LS_AGG_FIRST || kind == LS_AGG_LAST ||
         kind == LS_AGG_COLLECT;
}

int ls__agg_set_open(ls_agg_set **out, const ls_plan_node *plan_node, const ls_schema *input, const ls_plan *plan,
                     ls_error *err) {
  ls_agg_set *set = LS_NEW(ls_agg_set);
  *out = set;
  set->plan = plan_node;
  set->counts_rows = plan->live && plan_node->live_takes_back;
  ls__arena_init(&set->arena, 4096);
  uint32_t n_aggs = plan_node->u.aggregate.n_aggs, n_by = plan_node->u.aggregate.n_by, n_columns = 0;
  set->by_schema = (ls_schema){
      .name = "by", .fields = LS_ARENA_ARRAY(&set->arena, ls_field, n_by + 1), .n_fields = n_by, .time_field = -1};
  for (uint32_t i = 0; i < n_by; i++) set->by_schema.fields[i] = input->fields[plan_node->u.aggregate.by[i]];
  ls__row_layout_init(&set->by_layout, &set->by_schema, &set->arena);
  set->by_view.schema = &set->by_schema;
  set->by_view.columns = LS_ARENA_ARRAY(&set->arena, ls_column, n_by + 1);
  set->args = LS_ARENA_ARRAY(&set->arena, ls_expr_set, n_aggs);
  set->udfs = LS_ARENA_ARRAY(&set->arena, ls_udf_instance *, n_aggs);
  set->value_layouts = LS_ARENA_ARRAY(&set->arena, ls_row_layout, n_aggs);
  set->first_column = LS_ARENA_ARRAY(&set->arena, uint32_t, n_aggs);
  for (uint32_t i = 0; i < n_aggs; i++) {
    const ls_plan_agg *agg = &plan_node->u.aggregate.aggs[i];
    set->first_column[i] = n_columns;
    n_columns += agg->n_args;
    LS_TRY(ls__expr_set_open(&set->args[i], agg->args, agg->n_args, input, plan, err));
    if (agg->kind == LS_AGG_PLUGIN) LS_TRY(ls__udf_open_agg(&set->udfs[i], plan->udfs, agg->udf, err));
    if (keeps_value(agg->kind)) {
      ls__row_layout_init(&set->value_layouts[i], one_field_schema(&set->arena, ls__expr_type(agg->args[0])),
                          &set->arena);
    }
  }
  set->columns = LS_ARENA_ARRAY(&set->arena, const ls_column *, n_columns + 1);
  return LS_OK;
}

void ls__agg_set_close(ls_agg_set *set) {
  if (set == NULL) return;
  for (uint32_t i = 0; i < set->plan->u.aggregate.n_aggs; i++) {
    ls__expr_set_close(&set->args[i]);
    if (set->udfs[i] != NULL) ls__udf_close(set->udfs[i]);
  }
  ls__buf_fini(&set->scratch);
  ls__buf_fini(&set->value);
  ls__buf_fini(&set->key_a);
  ls__buf_fini(&set->key_b);
  ls__arena_fini(&set->arena);
  ls__free(set);
}

int ls__agg_set_eval(ls_agg_set *set, const ls_batch *in, ls_arena *arena, ls_row_error_fn on_error, void *payload,
                     ls_error *err) {
  for (uint32_t i = 0; i < set->plan->u.aggregate.n_aggs; i++) {
    for (uint32_t k = 0; k < set->args[i].n; k++) {
      ls_column *column = LS_ARENA_NEW(arena, ls_column);
      LS_TRY(ls__expr_eval(column, set->args[i].states[k], in, NULL, arena, on_error, payload, err));
      set->columns[set->first_column[i] + k] = column;
    }
    if (set->udfs[i] != NULL)
      ls__udf_agg_rows(set->udfs[i], &set->columns[set->first_column[i]], set->args[i].n, arena);
  }
  for (uint32_t i = 0; i < set->by_schema.n_fields; i++)
    set->by_view.columns[i] = in->columns[set->plan->u.aggregate.by[i]];
  set->by_view.n_rows = in->n_rows;
  return LS_OK;
}

static void encode_value(ls_buf *out, ls_agg_set *set, uint32_t i, const ls_column *column, int64_t row) {
  ls_batch one = {
      .schema = set->value_layouts[i].schema, .n_rows = column->n_rows, .columns = (ls_column *)(uintptr_t)column};
  ls__row_encode(out, &set->value_layouts[i], &one, row);
}

/** Appends a length-prefixed chunk. */
static void put_chunk(ls_buf *out, ls_slice chunk) {
  uint32_t len = (uint32_t)chunk.len;
  ls__buf_append(out, &len, sizeof len);
  ls__buf_append(out, chunk.ptr, chunk.len);
}

static ls_slice take_chunk(const char **at) {
  uint32_t len;
  memcpy(&len, *at, sizeof len);
  ls_slice chunk = {*at + sizeof len, len};
  *at += sizeof len + len;
  return chunk;
}

static int scale_of(const ls_type *type) {
  return type->kind == LS_DECIMAL ? type->scale : 0;
}

static int average(ls_int128 *out, const ls_plan_agg *agg, ls_int128 sum, int64_t count, ls_error *err) {
  if (ls__decimal_div(out, sum, scale_of(ls__expr_type(agg->args[0])), count, 0, agg->type->scale) >= 0) return LS_OK;
  return ls_error_set(err, LS_EOVERFLOW, "%s: the average needs more than 38 digits", agg->name);
}

/** sign: 1 adds the row, -1 takes it back. */
static int add_sum(ls_buf *out, const ls_plan_agg *agg, ls_slice old, const ls_column *column, int64_t row, int sign,
                   ls_error *err) {
  sum_segment segment = {0};
  if (old.len > 0) memcpy(&segment, old.ptr, sizeof segment);
  if (!ls__is_null(column, row)) {
    segment.count += sign;
    if (column->type->kind == LS_FLOAT64) {
      segment.float_sum += ls__column_f64(column)[row];
    } else {
      ls_int128 value =
          column->type->kind == LS_DECIMAL ? ls__i128_get(ls__column_i128(column)[row]) : ls__column_i64(column)[row];
      ls_int128 sum;
      int rc = ls__decimal_add(&sum, ls__i128_get(segment.sum), sign < 0 ? -value : value);
      if (rc < 0) return ls_error_set(err, LS_EOVERFLOW, "%s: the sum needs more than 38 digits", agg->name);
      if (agg->kind == LS_AGG_SUM && agg->type->kind == LS_INT64 && (sum > INT64_MAX || sum < INT64_MIN)) {
        return ls_error_set(err, LS_EOVERFLOW, "%s: the sum does not fit int64", agg->name);
      }
      if (agg->kind == LS_AGG_AVG && segment.count > 0)
        LS_TRY(average(&value, agg, sum, segment.count, err)); /* or there would be no result */
      segment.sum = ls__i128_make(sum);
    }
  }
  ls__buf_append(out, &segment, sizeof segment);
  return LS_OK;
}

/** MIN and MAX hold key bytes (for comparing) and the value; FIRST and LAST the value; an empty segment: none yet. */
static void add_value(ls_buf *out, ls_agg_set *set, uint32_t i, ls_slice old, const ls_column *column, int64_t row) {
  ls_agg_kind kind = set->plan->u.aggregate.aggs[i].kind;
  bool null = ls__is_null(column, row), none = old.len == 0;
  bool extreme = kind == LS_AGG_MIN || kind == LS_AGG_MAX;
  bool take;
  ls__buf_clear(&set->key_a);
  if (extreme) {
    if (!null) ls__key_encode_value(&set->key_a, column, row);
    const char *at = old.ptr;
    int order = none || null ? 0 : ls__slice_cmp(ls__buf_slice(&set->key_a), take_chunk(&at));
    take = !null && (none || (kind == LS_AGG_MIN ? order < 0 : order > 0));
  } else { /* nulls count: the first row's value may be null */
    take = kind == LS_AGG_LAST || none;
  }
  if (!take) {
    ls__buf_append(out, old.ptr, old.len);
    return;
  }
  encode_value(&set->value, set, i, column, row);
  if (extreme) put_chunk(out, ls__buf_slice(&set->key_a));
  put_chunk(out, ls__buf_slice(&set->value));
}

static int add_plugin(ls_buf *out, ls_agg_set *set, uint32_t i, ls_slice old, int64_t row, int sign, ls_arena *arena,
                      ls_error *err) {
  const ls_plan_agg *agg = &set->plan->u.aggregate.aggs[i];
  _Alignas(16) char small[1024];
  char *acc = agg->udf->acc_bytes <= sizeof small ? small : ls__arena_alloc(arena, agg->udf->acc_bytes);
  if (old.len > 0) {
    ls_assert(old.len == agg->udf->acc_bytes);
    memcpy(acc, old.ptr, old.len);
  } else {
    ls__udf_agg_init(set->udfs[i], acc);
  }
  LS_TRY((sign < 0 ? ls__udf_agg_retract : ls__udf_agg_accumulate)(set->udfs[i], row, arena, acc, err));
  ls__buf_append(out, acc, agg->udf->acc_bytes);
  return LS_OK;
}

static int add_one(ls_buf *out, ls_agg_set *set, uint32_t i, ls_slice old, int64_t row, int sign, ls_arena *arena,
                   ls_error *err) {
  const ls_plan_agg *agg = &set->plan->u.aggregate.aggs[i];
  const ls_column *column = agg->n_args > 0 ? set->columns[set->first_column[i]] : NULL;
  int64_t count = 0;
  switch (agg->kind) {
  case LS_AGG_COUNT_ALL:
  case LS_AGG_COUNT:
    if (old.len > 0) memcpy(&count, old.ptr, sizeof count);
    if (agg->kind == LS_AGG_COUNT_ALL || !ls__is_null(column, row)) count += sign;
    ls__buf_append(out, &count, sizeof count);
    return LS_OK;
  case LS_AGG_SUM:
  case LS_AGG_AVG:
    return add_sum(out, agg, old, column, row, sign, err);
  case LS_AGG_MIN:
  case LS_AGG_MAX:
  case LS_AGG_FIRST:
  case LS_AGG_LAST:
    add_value(out, set, i, old, column, row);
    return LS_OK;
  case LS_AGG_COLLECT:
    if (old.len > 0) ls__buf_append(out, old.ptr, old.len);
    encode_value(&set->value, set, i, column, row);
    put_chunk(out, ls__buf_slice(&set->value));
    return LS_OK;
  case LS_AGG_PLUGIN:
    return add_plugin(out, set, i, old, row, sign, arena, err);
  }
  return ls_error_set(err, LS_EINTERNAL, "aggregate kind %d", (int)agg->kind);
}

bool ls__agg_takes_back(const ls_plan_agg *agg) {
  switch (agg->kind) {
  case LS_AGG_COUNT_ALL:
  case LS_AGG_COUNT:
    return true;
  case LS_AGG_SUM: /* a sum of float64 depends on the order: what was added can't be subtracted exactly */
  case LS_AGG_AVG:
    return ls__expr_type(agg->args[0])->kind != LS_FLOAT64;
  case LS_AGG_PLUGIN:
    return agg->udf->retract != NULL;
  default:
    return false;
  }
}

/* State: int64 ts, in sets that take rows back int64 rows, then segments each as uint32 length and
 * bytes; segment 0 is the by-row. Nothing in it is aligned. */
static void put_segment_header(ls_buf *out, size_t *header) {
  static const char none[sizeof(uint32_t)] = {0};
  *header = out->len;
  ls__buf_append(out, none, sizeof none);
}

static void close_segment(ls_buf *out, size_t header) {
  uint32_t len = (uint32_t)(out->len - header - sizeof len);
  memcpy(out->ptr + header, &len, sizeof len);
}

static ls_slice take_segment(ls_slice state, size_t *at) {
  uint32_t len;
  memcpy(&len, state.ptr + *at, sizeof len);
  ls_slice segment = {state.ptr + *at + sizeof len, len};
  *at += sizeof len + len;
  return segment;
}

int64_t ls__agg_state_ts(ls_slice state) {
  int64_t ts_us;
  memcpy(&ts_us, state.ptr, sizeof ts_us);
  return ts_us;
}

static size_t head_bytes(const ls_agg_set *set) {
  return set->counts_rows ? 2 * sizeof(int64_t) : sizeof(int64_t);
}

static int64_t rows_in(const ls_agg_set *set, ls_slice state) {
  int64_t rows = 0;
  if (set->counts_rows && state.len > 0) memcpy(&rows, state.ptr + sizeof rows, sizeof rows);
  return rows;
}

bool ls__agg_state_empty(const ls_agg_set *set, ls_slice state) {
  return set->counts_rows && rows_in(set, state) == 0;
}

static int set_change(ls_buf *out, ls_agg_set *set, ls_slice old, const ls_batch *in, int64_t row, int sign,
                      ls_arena *arena, ls_error *err) {
  int64_t ts_us = in->ts_us[row], rows = rows_in(set, old) + sign;
  size_t at = head_bytes(set), header;
  if (old.len > 0 && ls__agg_state_ts(old) > ts_us) ts_us = ls__agg_state_ts(old);
  ls__buf_clear(out);
  ls__buf_append(out, &ts_us, sizeof ts_us);
  if (set->counts_rows) ls__buf_append(out, &rows, sizeof rows);
  put_segment_header(out, &header);
  if (old.len > 0) {
    ls_slice by = take_segment(old, &at);
    ls__buf_append(out, by.ptr, by.len);
  } else {
    ls__row_encode(&set->scratch, &set->by_layout, &set->by_view, row);
    ls__buf_append(out, set->scratch.ptr, set->scratch.len);
  }
  close_segment(out, header);
  for (uint32_t i = 0; i < set->plan->u.aggregate.n_aggs; i++) {
    ls_slice segment = old.len > 0 ? take_segment(old, &at) : (ls_slice){NULL, 0};
    put_segment_header(out, &header);
    LS_TRY(add_one(out, set, i, segment, row, sign, arena, err));
    close_segment(out, header);
  }
  return LS_OK;
}

int ls__agg_set_add(ls_buf *out, ls_agg_set *set, ls_slice old, const ls_batch *in, int64_t row, ls_arena *arena,
                    ls_error *err) {
  return set_change(out, set, old, in, row, 1, arena, err);
}

int ls__agg_set_take_back(ls_buf *out, ls_agg_set *set, ls_slice old, const ls_batch *in, int64_t row, ls_arena *arena,
                          ls_error *err) {
  ls_assert(set->counts_rows && old.len > 0);
  return set_change(out, set, old, in, row, -1, arena, err);
}

static int finish_sum(ls_column *column, const ls_plan_agg *agg, ls_slice segment, ls_error *err) {
  sum_segment sum;
  memcpy(&sum, segment.ptr, sizeof sum);
  if (sum.count == 0) {
    ls__column_append_null(column);
    return LS_OK;
  }
  const ls_type *from = ls__expr_type(agg->args[0]);
  if (from->kind == LS_FLOAT64) {
    if (agg->kind == LS_AGG_AVG)
      sum.float_sum /= (double)sum.count; /* tidy: allow double because the column is float64 */
    ls__column_append_f64(column, sum.float_sum);
    return LS_OK;
  }
  ls_int128 value = ls__i128_get(sum.sum);
  if (agg->kind == LS_AGG_AVG) LS_TRY(average(&value, agg, value, sum.count, err));
  if (agg->type->kind == LS_INT64) {
    ls__column_append_i64(column, (int64_t)value);
  } else {
    ls__column_append_decimal(column, value);
  }
  return LS_OK;
}

static int finish_one(ls_column *column, ls_agg_set *set, uint32_t i, ls_slice segment, ls_arena *arena,
                      ls_error *err) {
  const ls_plan_agg *agg = &set->plan->u.aggregate.aggs[i];
  const char *at = segment.ptr;
  int64_t count;
  switch (agg->kind) {
  case LS_AGG_COUNT_ALL:
  case LS_AGG_COUNT:
    memcpy(&count, segment.ptr, sizeof count);
    ls__column_append_i64(column, count);
    return LS_OK;
  case LS_AGG_SUM:
  case LS_AGG_AVG:
    return finish_sum(column, agg, segment, err);
  case LS_AGG_MIN:
  case LS_AGG_MAX:
    if (segment.len > 0) (void)take_chunk(&at);
    /* fall through */
  case LS_AGG_FIRST:
  case LS_AGG_LAST:
    if (segment.len == 0) {
      ls__column_append_null(column);
      return LS_OK;
    }
    return ls__row_decode(column, &set->value_layouts[i], take_chunk(&at), err);
  case LS_AGG_COLLECT:
    while (at < segment.ptr + segment.len) {
      LS_TRY(ls__row_decode(&column->children[0], &set->value_layouts[i], take_chunk(&at), err));
    }
    ls__column_append_list_end(column);
    return LS_OK;
  case LS_AGG_PLUGIN: {
    _Alignas(16) char small[1024];
    char *acc = agg->udf->acc_bytes <= sizeof small ? small : ls__arena_alloc(arena, agg->udf->acc_bytes);
    memcpy(acc, segment.ptr, segment.len);
    return ls__udf_agg_finish(column, set->udfs[i], acc, arena, err);
  }
  }
  return ls_error_set(err, LS_EINTERNAL, "aggregate kind %d", (int)agg->kind);
}

int ls__agg_set_finish(ls_column *columns, uint32_t skip, ls_agg_set *set, ls_slice state, ls_arena *arena,
                       ls_error *err) {
  size_t at = head_bytes(set);
  LS_TRY(ls__row_decode(columns, &set->by_layout, take_segment(state, &at), err));
  for (uint32_t i = 0; i < set->plan->u.aggregate.n_aggs; i++) {
    LS_TRY(finish_one(&columns[set->by_schema.n_fields + skip + i], set, i, take_segment(state, &at), arena, err));
  }
  return LS_OK;
}
