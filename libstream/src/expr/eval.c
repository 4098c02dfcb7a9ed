/**
 * @file eval.c
 * Evaluation, a column at a time. Bitmaps say which rows each node is asked for; a branch that a
 * row does not take never sees the row.
 */
#include "expr/ex.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "expr/eval_logic.h"

uint64_t *ls__ex_all_active(ls_arena *arena, int64_t n) {
  int64_t words = LS_BIT_WORDS(n);
  uint64_t *bits = ls__arena_alloc(arena, (size_t)(words + 1) * sizeof *bits);
  memset(bits, 0xff, (size_t)words * sizeof *bits);
  if (n & 63) bits[words - 1] = (UINT64_C(1) << (n & 63)) - 1;
  return bits;
}

/* -- row errors -------------------------------------------------------------------------------- */

void ls__ex_row_error(ls_ex_ctx *ctx, int64_t row, const char *message) {
  if (ctx->row_map) row = ctx->row_map[row];
  if (!ctx->failed) {
    ctx->failed = LS_ARENA_ARRAY(ctx->arena, uint64_t, LS_BIT_WORDS(ctx->n) + 1);
  }
  if (LS_BIT_GET(ctx->failed, row)) return;
  LS_BIT_SET(ctx->failed, row);
  if (ctx->on_row_error) ctx->on_row_error(ctx->payload, row, message);
}

void ls__ex_fail_fixed(ls_column *out, const ls_ex_call *call, int64_t row, const char *message) {
  ls__ex_row_error(call->ctx, row, message);
  ls__column_set_null(out, row);
}

/* -- calls ------------------------------------------------------------------------------------- */

const ls_column *ls__ex_spread(ls_vec vec, int64_t n, ls_arena *arena) {
  if (vec.mask) return vec.col;
  ls_column *out = LS_ARENA_NEW(arena, ls_column);
  int32_t *rows = LS_ARENA_ARRAY(arena, int32_t, n + 1);
  ls__column_init(out, vec.col->type, arena, n);
  ls__column_gather(out, vec.col, rows, n);
  return out;
}

/* live = active and all arguments valid. *all: every row is. */
static uint64_t *live_rows(const ls_vec *args, uint32_t n_args, bool strict, const uint64_t *active, int64_t n,
                           ls_arena *arena, bool *all) {
  int64_t words = LS_BIT_WORDS(n);
  uint64_t *live = ls__arena_alloc(arena, (size_t)(words + 1) * sizeof *live);
  memcpy(live, active, (size_t)words * sizeof *live);
  for (uint32_t i = 0; strict && i < n_args; i++) {
    const uint64_t *validity = args[i].col->validity;
    if (!validity) continue;
    if (args[i].mask) {
      for (int64_t w = 0; w < words; w++) live[w] &= validity[w];
    } else if (!LS_BIT_GET(validity, 0)) {
      memset(live, 0, (size_t)words * sizeof *live);
    }
  }
  *all = true;
  for (int64_t w = 0; w < words; w++) {
    uint64_t full = w == words - 1 && (n & 63) ? (UINT64_C(1) << (n & 63)) - 1 : UINT64_MAX;
    *all = *all && live[w] == full;
  }
  return live;
}

/* Values under nulls are zero: batches that are equal are equal bytewise. */
static void zero_nulls(ls_column *out) {
  size_t width = ls__type_width(out->type);
  int64_t words = LS_BIT_WORDS(out->n_rows);
  if (!out->validity) return;
  if (out->type->kind == LS_BOOL) {
    uint64_t *bits = out->values;
    for (int64_t w = 0; w < words; w++) bits[w] &= out->validity[w];
    return;
  }
  for (int64_t w = 0; w < words; w++) {
    uint64_t nulls = ~out->validity[w];
    if (w == words - 1 && (out->n_rows & 63)) nulls &= (UINT64_C(1) << (out->n_rows & 63)) - 1;
    for (; nulls; nulls &= nulls - 1) {
      int64_t row = w * 64 + __builtin_ctzll(nulls);
      memset((char *)out->values + (size_t)row * width, 0, width);
    }
  }
}

ls_column *ls__ex_run(const ls_ex *ex, ls_ex_kernel kernel, const ls_vec *args, uint32_t n_args, ls_ex_ctx *ctx,
                      const uint64_t *active) {
  ls_ex_call call = {.node = ex, .args = args, .n_args = n_args, .n = ctx->n, .ctx = ctx, .arena = ctx->arena};
  call.live = live_rows(args, n_args, ex->strict, active, ctx->n, ctx->arena, &call.all_live);
  ls_column *out = LS_ARENA_NEW(ctx->arena, ls_column);
  ls__column_init(out, ex->type, ctx->arena, ctx->n);
  if (!ls__ex_is_fixed(ex->type)) {
    kernel(out, &call);
    ls_assert(out->n_rows == ctx->n);
    return out;
  }
  ls__column_resize(out, ctx->n);
  if (!call.all_live) {
    size_t words = (size_t)LS_BIT_WORDS(ctx->n);
    size_t capacity = (size_t)LS_BIT_WORDS(out->capacity_rows > ctx->n ? out->capacity_rows : ctx->n) + 1;
    out->validity = ls__arena_zalloc(ctx->arena, capacity * sizeof *out->validity);
    memcpy(out->validity, call.live, words * sizeof *out->validity);
  }
  kernel(out, &call);
  zero_nulls(out);
  return out;
}

static int eval_args(ls_vec **out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  ls_vec *args = LS_ARENA_ARRAY(ctx->arena, ls_vec, ex->n_args + 1);
  bool constant = ex->n_args > 0;
  for (uint32_t i = 0; i < ex->n_args; i++) {
    LS_TRY(ls__ex_eval(&args[i], ex->args[i], ctx, active));
    constant = constant && args[i].mask == 0;
  }
  /* Constants only: an error that each row must report. Kernels may count on one argument with
   * rows. */
  if (constant) args[0] = (ls_vec){ls__ex_spread(args[0], ctx->n, ctx->arena), -1};
  *out = args;
  return LS_OK;
}

static int eval_call(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  ls_vec *args;
  LS_TRY(eval_args(&args, ex, ctx, active));
  *out = (ls_vec){ls__ex_run(ex, ex->kernel, args, ex->n_args, ctx, active), -1};
  return LS_OK;
}

typedef struct udf_report {
  ls_ex_ctx *ctx;
} udf_report;

static void on_udf_row_error(void *payload, int64_t row, const char *message) {
  ls__ex_row_error(((udf_report *)payload)->ctx, row, message);
}

static int eval_udf(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  const ls_column **args = (const ls_column **)LS_ARENA_ARRAY(ctx->arena, ls_column *, ex->n_args + 1);
  for (uint32_t i = 0; i < ex->n_args; i++) {
    ls_vec vec;
    LS_TRY(ls__ex_eval(&vec, ex->args[i], ctx, active));
    args[i] = ls__ex_spread(vec, ctx->n, ctx->arena);
  }
  ls_column *col = LS_ARENA_NEW(ctx->arena, ls_column);
  ls__column_init(col, ex->type, ctx->arena, ctx->n);
  udf_report report = {ctx};
  LS_TRY(ls__udf_eval(col, ctx->state->slots[ex->slot].udf, ex->type, args, ex->n_args, ctx->n, active, ctx->in->stamps,
                      ctx->arena, on_udf_row_error, &report, ctx->err));
  *out = (ls_vec){col, -1};
  return LS_OK;
}

/* -- structs, lists, time ---------------------------------------------------------------------- */

static int eval_field(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  ls_vec arg;
  LS_TRY(ls__ex_eval(&arg, ex->args[0], ctx, active));
  arg = (ls_vec){ls__ex_spread(arg, ctx->n, ctx->arena), -1};
  const ls_column *child = &arg.col->children[ex->index];
  *out = (ls_vec){child, arg.mask};
  if (!arg.col->validity) return LS_OK;
  ls_column *masked = LS_ARENA_NEW(ctx->arena, ls_column);
  size_t words = (size_t)LS_BIT_WORDS(arg.col->n_rows);
  *masked = *child;
  masked->validity = ls__arena_alloc(ctx->arena, (words + 1) * sizeof *masked->validity);
  for (size_t w = 0; w < words; w++) {
    masked->validity[w] = arg.col->validity[w] & (child->validity ? child->validity[w] : UINT64_MAX);
  }
  out->col = masked;
  return LS_OK;
}

/* variant 1: list_compact of the list, nulls are never written. */
static int eval_list(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  ls_vec *args = LS_ARENA_ARRAY(ctx->arena, ls_vec, ex->n_args + 1);
  for (uint32_t i = 0; i < ex->n_args; i++) LS_TRY(ls__ex_eval(&args[i], ex->args[i], ctx, active));
  ls_column *col = LS_ARENA_NEW(ctx->arena, ls_column);
  ls__column_init(col, ex->type, ctx->arena, ctx->n);
  ls_column *elements = &col->children[0];
  bool is_text = elements->type->kind == LS_STRING;
  for (int64_t row = 0; row < ctx->n; row++) {
    for (uint32_t i = 0; LS_BIT_GET(active, row) && i < ex->n_args; i++) {
      int64_t at = row & args[i].mask;
      bool null = ls__is_null(args[i].col, at);
      if (null && ex->variant == 1) continue;
      if (is_text && !null) {
        ls__column_append_slice(elements, ls__column_slice(args[i].col, at));
      } else {
        ls__column_append_from(elements, args[i].col, at);
      }
    }
    ls__column_append_list_end(col);
  }
  *out = (ls_vec){col, -1};
  return LS_OK;
}

static int eval_struct(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  ls_column *col = LS_ARENA_NEW(ctx->arena, ls_column);
  *col = (ls_column){.type = ex->type, .n_rows = ctx->n, .capacity_rows = ctx->n, .arena = ctx->arena};
  col->children = LS_ARENA_ARRAY(ctx->arena, ls_column, ex->n_args);
  for (uint32_t i = 0; i < ex->n_args; i++) {
    ls_vec arg;
    LS_TRY(ls__ex_eval(&arg, ex->args[i], ctx, active));
    col->children[i] = *ls__ex_spread(arg, ctx->n, ctx->arena);
  }
  *out = (ls_vec){col, -1};
  return LS_OK;
}

static _Thread_local const ls_ingest_times *ingest_times;

void ls__expr_set_ingest_times(const ls_ingest_times *times) {
  ingest_times = times;
}

static int64_t ingest_time(ls_stamp stamp) {
  uint64_t at = (stamp.seq & ~LS_SEQ_RECORD) - (ingest_times != NULL ? ingest_times->first_seq : 0);
  bool of_record = ingest_times != NULL && (stamp.seq & LS_SEQ_RECORD) != 0 && at < (uint64_t)ingest_times->n;
  return of_record ? ingest_times->us[at] : stamp.ts_us;
}

static int eval_time(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx) {
  ls_column *col = LS_ARENA_NEW(ctx->arena, ls_column);
  ls__column_init(col, ex->type, ctx->arena, ctx->n);
  ls__column_resize(col, ctx->n);
  int64_t *values = col->values;
  for (int64_t i = 0; i < ctx->n; i++) {
    if (ex->variant == 0) values[i] = ctx->in->stamps ? ctx->in->stamps[i].ts_us : 0;
    if (ex->variant == 2) values[i] = ctx->in->stamps ? ingest_time(ctx->in->stamps[i]) : 0;
    if (ex->variant == 1) values[i] = ctx->in->ts_us ? ctx->in->ts_us[i] : 0;
  }
  *out = (ls_vec){col, -1};
  return LS_OK;
}

/* -- EXISTS ------------------------------------------------------------------------------------ */

typedef struct first_error {
  bool set;
  char message[256];
} first_error;

static void keep_first_error(void *payload, int64_t row, const char *message) {
  first_error *first = payload;
  (void)row;
  if (first->set) return;
  first->set = true;
  snprintf(first->message, sizeof first->message, "%s", message);
}

/* Whether any row of the table meets the predicate. An error in one row counts only when no row
 * settles it. */
static int scan_table(bool *found, const ls_ex *ex, ls_ex_ctx *ctx, const ls_batch *rows, first_error *first) {
  *found = false;
  if (ex->n_args == 0 || rows->n_rows == 0) {
    *found = rows->n_rows > 0;
    return LS_OK;
  }
  ls_arena *scratch = &ctx->state->scratch;
  ls__arena_reset(scratch);
  ls_ex_ctx inner = {.expr = ctx->expr,
                     .state = ctx->state,
                     .in = rows,
                     .n = rows->n_rows,
                     .arena = scratch,
                     .on_row_error = keep_first_error,
                     .payload = first,
                     .err = ctx->err};
  inner.lets = LS_ARENA_ARRAY(scratch, ls_vec, ctx->expr->n_lets + 1);
  uint64_t *active = ls__ex_all_active(scratch, rows->n_rows);
  ls_vec result;
  LS_TRY(ls__ex_eval(&result, ex->args[0], &inner, active));
  ls_logic_words bits = ls__ex_logic_words(result, rows->n_rows, scratch);
  for (int64_t w = 0; w < LS_BIT_WORDS(rows->n_rows); w++) {
    if (bits.value[w] & bits.valid[w] & active[w]) *found = true;
  }
  return LS_OK;
}

static int eval_exists(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  const ls_expr_table *table = NULL;
  for (uint32_t i = 0; i < ctx->state->env.n_tables; i++) {
    if (strcmp(ctx->state->env.tables[i].name, ex->name) == 0) table = &ctx->state->env.tables[i];
  }
  ls_assert(table != NULL);
  ls_ex_slot *slot = &ctx->state->slots[ex->slot];
  uint64_t version = 0;
  first_error first = {0};
  bool found = slot->exists_value;
  const ls_batch *rows = table->rows(table->payload, &version);
  if (!slot->exists_known || slot->exists_version != version) {
    LS_TRY(scan_table(&found, ex, ctx, rows, &first));
    slot->exists_known = found || !first.set;
    slot->exists_value = found;
    slot->exists_version = version;
  }
  ls_column *col = LS_ARENA_NEW(ctx->arena, ls_column);
  ls__column_init(col, &ls__type_bool, ctx->arena, ctx->n);
  ls__column_resize(col, ctx->n);
  if (found) memcpy(col->values, active, (size_t)LS_BIT_WORDS(ctx->n) * sizeof *active);
  for (int64_t row = 0; !found && first.set && row < ctx->n; row++) {
    if (!LS_BIT_GET(active, row)) continue;
    ls__ex_row_error(ctx, row, ls__arena_printf(ctx->arena, "EXISTS(%s): %s", ex->name, first.message));
    ls__column_set_null(col, row);
  }
  *out = (ls_vec){col, -1};
  return LS_OK;
}

/* -- dispatch ---------------------------------------------------------------------------------- */

static int eval_let(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  LS_TRY(ls__ex_eval(&ctx->lets[ex->index], ex->args[0], ctx, active));
  LS_TRY(ls__ex_eval(out, ex->args[1], ctx, active));
  /* only CONST nodes give one row for all: kernels count on it */
  *out = (ls_vec){ls__ex_spread(*out, ctx->n, ctx->arena), -1};
  return LS_OK;
}

int ls__ex_eval(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  switch (ex->op) {
  case LS_EX_CONST:
    *out = (ls_vec){ex->value, 0};
    return LS_OK;
  case LS_EX_COLUMN:
    *out = (ls_vec){&ctx->in->columns[ex->index], -1};
    return LS_OK;
  case LS_EX_FIELD:
    return eval_field(out, ex, ctx, active);
  case LS_EX_CALL:
    return eval_call(out, ex, ctx, active);
  case LS_EX_LIST:
    return eval_list(out, ex, ctx, active);
  case LS_EX_STRUCT:
    return eval_struct(out, ex, ctx, active);
  case LS_EX_LET:
    return eval_let(out, ex, ctx, active);
  case LS_EX_SHARED:
    *out = ctx->lets[ex->index];
    return LS_OK;
  case LS_EX_EXISTS:
    return eval_exists(out, ex, ctx, active);
  case LS_EX_UDF:
    return eval_udf(out, ex, ctx, active);
  case LS_EX_TIME:
    return eval_time(out, ex, ctx);
  default:
    return ls__ex_eval_logic(out, ex, ctx, active);
  }
}

/* -- state and entry point --------------------------------------------------------------------- */

int ls__expr_state_new(ls_expr_state **out, const ls_expr *expr, const ls_expr_env *env, ls_error *err) {
  ls_expr_state *state = LS_NEW(ls_expr_state);
  state->expr = expr;
  state->env = *env;
  state->slots = ls__calloc(expr->n_slots + 1, sizeof *state->slots);
  ls__arena_init(&state->scratch, 0);
  for (const ls_ex *ex = expr->slots; ex; ex = ex->next_slot) {
    ls_ex_slot *slot = &state->slots[ex->slot];
    int rc = LS_OK;
    if (ex->op == LS_EX_UDF) rc = ls__udf_open_fn(&slot->udf, env->udfs, ex->udf, err);
    if (ex->op == LS_EX_CALL) {
      slot->regex = ls__alloc(sizeof *slot->regex);
      ls_assert(regcomp(slot->regex, ex->aux, REG_EXTENDED | REG_NOSUB) == 0); /* it compiled before */
    }
    if (rc != LS_OK) {
      ls__expr_state_free(state);
      return rc;
    }
  }
  *out = state;
  return LS_OK;
}

void ls__expr_state_free(ls_expr_state *state) {
  if (!state) return;
  for (uint32_t i = 0; i < state->expr->n_slots; i++) {
    if (state->slots[i].udf) ls__udf_close(state->slots[i].udf);
    if (state->slots[i].regex) {
      regfree(state->slots[i].regex);
      ls__free(state->slots[i].regex);
    }
  }
  ls__free(state->slots);
  ls__arena_fini(&state->scratch);
  ls__free(state);
}

/* A row at fault is null, whatever the operators above its error made of it (x/0 = 1 OR TRUE). */
static void null_failed_rows(ls_column *out, ls_ex_ctx *ctx) {
  ls_column *masked = LS_ARENA_NEW(ctx->arena, ls_column);
  int32_t *rows = LS_ARENA_ARRAY(ctx->arena, int32_t, ctx->n + 1);
  for (int64_t row = 0; row < ctx->n; row++) rows[row] = LS_BIT_GET(ctx->failed, row) ? -1 : (int32_t)row;
  ls__column_init(masked, out->type, ctx->arena, ctx->n);
  ls__column_gather(masked, out, rows, ctx->n);
  *out = *masked;
}

int ls__expr_eval(ls_column *out, ls_expr_state *state, const ls_batch *in, const uint64_t *active, ls_arena *arena,
                  ls_row_error_fn on_row_error, void *payload, ls_error *err) {
  ls_ex_ctx ctx = {.expr = state->expr,
                   .state = state,
                   .in = in,
                   .n = in->n_rows,
                   .arena = arena,
                   .on_row_error = on_row_error,
                   .payload = payload,
                   .err = err};
  uint64_t *rows = ls__ex_all_active(arena, in->n_rows);
  for (int64_t w = 0; active && w < LS_BIT_WORDS(in->n_rows); w++) rows[w] &= active[w];
  ctx.lets = LS_ARENA_ARRAY(arena, ls_vec, state->expr->n_lets + 1);
  ls_vec vec;
  LS_TRY(ls__ex_eval(&vec, state->expr->root, &ctx, rows));
  *out = *ls__ex_spread(vec, in->n_rows, arena);
  if (ctx.failed) null_failed_rows(out, &ctx);
  return LS_OK;
}
