/**
 * @file eval_logic.c
 * Nodes that settle rows one after the other. Each operand is evaluated for the rows that are still
 * open, so an error behind a settled row is never raised.
 */
#include "expr/eval_logic.h"

#include "base/assert.h"

static uint64_t *new_bits(ls_arena *arena, int64_t n) {
  return ls__arena_zalloc(arena, (size_t)(LS_BIT_WORDS(n) + 1) * sizeof(uint64_t));
}

static uint64_t *fill_bits(ls_arena *arena, int64_t n, bool value) {
  uint64_t *bits = new_bits(arena, n);
  if (value) memset(bits, 0xff, (size_t)LS_BIT_WORDS(n) * sizeof *bits);
  return bits;
}

static bool any_bit(const uint64_t *bits, int64_t n) {
  for (int64_t w = 0; w < LS_BIT_WORDS(n); w++) {
    if (bits[w]) return true;
  }
  return false;
}

ls_logic_words ls__ex_logic_words(ls_vec vec, int64_t n, ls_arena *arena) {
  ls_logic_words out;
  if (vec.mask == 0) {
    out.valid = fill_bits(arena, n, !ls__is_null(vec.col, 0));
    out.value = fill_bits(arena, n, !ls__is_null(vec.col, 0) && LS_BIT_GET(vec.col->values, 0));
    return out;
  }
  out.value = vec.col->values;
  out.valid = vec.col->validity ? vec.col->validity : fill_bits(arena, n, true);
  return out;
}

/* A boolean column of the two bitmaps; value must be 0 where valid is. Rows that are not active
 * come out null. */
static ls_column *new_bool(ls_ex_ctx *ctx, const uint64_t *value, const uint64_t *valid) {
  ls_column *col = LS_ARENA_NEW(ctx->arena, ls_column);
  ls__column_init(col, &ls__type_bool, ctx->arena, ctx->n);
  ls__column_resize(col, ctx->n);
  size_t bytes = (size_t)LS_BIT_WORDS(ctx->n) * sizeof *value;
  if (bytes) memcpy(col->values, value, bytes);
  if (!valid) return col;
  uint64_t nulls = 0;
  for (int64_t w = 0; w < LS_BIT_WORDS(ctx->n); w++) {
    uint64_t full = w == LS_BIT_WORDS(ctx->n) - 1 && (ctx->n & 63) ? (UINT64_C(1) << (ctx->n & 63)) - 1 : UINT64_MAX;
    nulls |= ~valid[w] & full;
  }
  if (nulls == 0) return col;
  col->validity = new_bits(ctx->arena, col->capacity_rows > ctx->n ? col->capacity_rows : ctx->n);
  memcpy(col->validity, valid, bytes);
  return col;
}

/* AND: a false settles the row; OR: a true does. What is left is null when any operand was. */
static int eval_and_or(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  bool is_and = ex->op == LS_EX_AND;
  int64_t words = LS_BIT_WORDS(ctx->n);
  uint64_t *open = new_bits(ctx->arena, ctx->n), *unknown = new_bits(ctx->arena, ctx->n);
  uint64_t *value = new_bits(ctx->arena, ctx->n), *valid = new_bits(ctx->arena, ctx->n);
  memcpy(open, active, (size_t)words * sizeof *open);
  for (uint32_t i = 0; i < ex->n_args && any_bit(open, ctx->n); i++) {
    ls_vec vec;
    LS_TRY(ls__ex_eval(&vec, ex->args[i], ctx, open));
    ls_logic_words bits = ls__ex_logic_words(vec, ctx->n, ctx->arena);
    for (int64_t w = 0; w < words; w++) {
      uint64_t settles = open[w] & bits.valid[w] & (is_and ? ~bits.value[w] : bits.value[w]);
      unknown[w] |= open[w] & ~bits.valid[w];
      open[w] &= ~settles;
    }
  }
  for (int64_t w = 0; w < words; w++) {
    uint64_t settled = active[w] & ~open[w];
    value[w] = is_and ? open[w] & ~unknown[w] : settled;
    valid[w] = settled | (open[w] & ~unknown[w]);
  }
  *out = (ls_vec){new_bool(ctx, value, valid), -1};
  return LS_OK;
}

static int eval_not(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  ls_vec vec;
  LS_TRY(ls__ex_eval(&vec, ex->args[0], ctx, active));
  ls_logic_words bits = ls__ex_logic_words(vec, ctx->n, ctx->arena);
  uint64_t *value = new_bits(ctx->arena, ctx->n), *valid = new_bits(ctx->arena, ctx->n);
  for (int64_t w = 0; w < LS_BIT_WORDS(ctx->n); w++) {
    valid[w] = bits.valid[w] & active[w];
    value[w] = ~bits.value[w] & valid[w];
  }
  *out = (ls_vec){new_bool(ctx, value, valid), -1};
  return LS_OK;
}

static const uint64_t *valid_words(ls_vec vec, ls_ex_ctx *ctx) {
  if (vec.mask == 0) return fill_bits(ctx->arena, ctx->n, !ls__is_null(vec.col, 0));
  return vec.col->validity ? vec.col->validity : fill_bits(ctx->arena, ctx->n, true);
}

static int eval_is_null(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  ls_vec vec;
  LS_TRY(ls__ex_eval(&vec, ex->args[0], ctx, active));
  const uint64_t *valid = valid_words(vec, ctx);
  uint64_t *value = new_bits(ctx->arena, ctx->n);
  for (int64_t w = 0; w < LS_BIT_WORDS(ctx->n); w++) value[w] = active[w] & (ex->variant ? valid[w] : ~valid[w]);
  *out = (ls_vec){new_bool(ctx, value, NULL), -1};
  return LS_OK;
}

/* args: a = b, a, b. Equal when = is true or both are null. */
static int eval_distinct(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  ls_vec vec[3];
  for (int i = 0; i < 3; i++) LS_TRY(ls__ex_eval(&vec[i], ex->args[i], ctx, active));
  ls_logic_words same = ls__ex_logic_words(vec[0], ctx->n, ctx->arena);
  const uint64_t *a = valid_words(vec[1], ctx), *b = valid_words(vec[2], ctx);
  uint64_t *value = new_bits(ctx->arena, ctx->n);
  for (int64_t w = 0; w < LS_BIT_WORDS(ctx->n); w++) {
    uint64_t equal = (same.valid[w] & same.value[w] & a[w] & b[w]) | (~a[w] & ~b[w]);
    value[w] = active[w] & (ex->variant ? equal : ~equal);
  }
  *out = (ls_vec){new_bool(ctx, value, NULL), -1};
  return LS_OK;
}

/* -- choosing one of several values per row ---------------------------------------------------- */

typedef struct chooser {
  ls_vec *values;
  int32_t *choice; /* per row: index into values, -1: null */
  uint32_t n;
} chooser;

static chooser new_chooser(ls_ex_ctx *ctx, uint32_t n) {
  chooser ch = {.values = LS_ARENA_ARRAY(ctx->arena, ls_vec, n + 1)};
  ch.choice = ls__arena_alloc(ctx->arena, (size_t)(ctx->n + 1) * sizeof *ch.choice);
  memset(ch.choice, 0xff, (size_t)(ctx->n + 1) * sizeof *ch.choice);
  return ch;
}

static void choose(chooser *ch, ls_vec value, const uint64_t *rows, int64_t n) {
  int32_t index = (int32_t)ch->n;
  ch->values[ch->n++] = value;
  for (int64_t w = 0; w < LS_BIT_WORDS(n); w++) {
    for (uint64_t bits = rows[w]; bits; bits &= bits - 1) ch->choice[w * 64 + __builtin_ctzll(bits)] = index;
  }
}

static void take_fixed(ls_column *out, const chooser *ch, int64_t n) {
  size_t width = ls__type_width(out->type);
  ls__column_resize(out, n);
  for (int64_t row = 0; row < n; row++) {
    int32_t k = ch->choice[row];
    if (k < 0 || ls__is_null(ch->values[k].col, row & ch->values[k].mask)) {
      ls__column_set_null(out, row);
      continue;
    }
    int64_t from = row & ch->values[k].mask;
    const char *values = ch->values[k].col->values;
    switch (width) {
    case 0:
      if (LS_BIT_GET(values, from)) LS_BIT_SET(out->values, row);
      break;
    case 4:
      ((int32_t *)out->values)[row] = ((const int32_t *)(const void *)values)[from];
      break;
    case 8:
      ((int64_t *)out->values)[row] = ((const int64_t *)(const void *)values)[from];
      break;
    default:
      ((ls_i128 *)out->values)[row] = ((const ls_i128 *)(const void *)values)[from];
      break;
    }
  }
}

static ls_slice chosen_text(const chooser *ch, int64_t row) {
  int32_t k = ch->choice[row];
  if (k < 0 || ls__is_null(ch->values[k].col, row & ch->values[k].mask)) return (ls_slice){NULL, 0};
  ls_slice text = ls__vec_slice(&ch->values[k], row);
  if (!text.ptr) text.ptr = ""; /* NULL says null here */
  return text;
}

/* Sizes first, then one run of bytes. Rows that the offsets of one column can't reach are at fault.
 */
static void take_text(ls_column *out, const chooser *ch, ls_ex_ctx *ctx) {
  int64_t total = 0, at = 0;
  for (int64_t row = 0; row < ctx->n; row++) {
    int64_t len = (int64_t)chosen_text(ch, row).len;
    if (total + len > INT32_MAX) {
      ls__ex_row_error(ctx, row, "the texts of the batch exceed 2 GiB");
      ch->choice[row] = -1;
      len = 0;
    }
    total += len;
  }
  ls__column_reserve_bytes(out, total);
  uint64_t *valid = new_bits(ctx->arena, out->capacity_rows > ctx->n ? out->capacity_rows : ctx->n);
  char *bytes = out->values;
  int64_t n_valid = 0;
  for (int64_t row = 0; row < ctx->n; row++) {
    ls_slice text = chosen_text(ch, row);
    if (text.ptr) {
      LS_BIT_SET(valid, row);
      n_valid++;
      if (text.len) memcpy(bytes + at, text.ptr, text.len);
    }
    at += (int64_t)text.len;
    out->offsets[row + 1] = (int32_t)at;
  }
  if (n_valid < ctx->n) out->validity = valid;
  out->n_rows = ctx->n;
}

static ls_column *take(const chooser *ch, const ls_type *type, ls_ex_ctx *ctx) {
  ls_column *out = LS_ARENA_NEW(ctx->arena, ls_column);
  ls__column_init(out, type, ctx->arena, ctx->n);
  if (ls__ex_is_fixed(type)) {
    take_fixed(out, ch, ctx->n);
    return out;
  }
  if (type->kind == LS_STRING || type->kind == LS_BYTES) {
    take_text(out, ch, ctx);
    return out;
  }
  for (int64_t row = 0; row < ctx->n; row++) {
    int32_t k = ch->choice[row];
    const ls_vec *vec = k < 0 ? NULL : &ch->values[k];
    if (!vec || ls__is_null(vec->col, row & vec->mask)) {
      ls__column_append_null(out);
    } else {
      ls__column_append_from(out, vec->col, row & vec->mask);
    }
  }
  return out;
}

static int eval_case(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  int64_t words = LS_BIT_WORDS(ctx->n);
  chooser ch = new_chooser(ctx, ex->n_args);
  uint64_t *open = new_bits(ctx->arena, ctx->n), *taken = new_bits(ctx->arena, ctx->n);
  memcpy(open, active, (size_t)words * sizeof *open);
  for (uint32_t i = 0; i + 1 < ex->n_args && any_bit(open, ctx->n); i += 2) {
    ls_vec condition, value;
    LS_TRY(ls__ex_eval(&condition, ex->args[i], ctx, open));
    ls_logic_words bits = ls__ex_logic_words(condition, ctx->n, ctx->arena);
    for (int64_t w = 0; w < words; w++) {
      taken[w] = open[w] & bits.valid[w] & bits.value[w];
      open[w] &= ~taken[w];
      /* a condition that failed settles its row: it is reported and null */
      if (ctx->failed && !ctx->row_map) open[w] &= ~ctx->failed[w];
    }
    if (!any_bit(taken, ctx->n)) continue;
    LS_TRY(ls__ex_eval(&value, ex->args[i + 1], ctx, taken));
    choose(&ch, value, taken, ctx->n);
  }
  if (any_bit(open, ctx->n)) {
    ls_vec other;
    LS_TRY(ls__ex_eval(&other, ex->args[ex->n_args - 1], ctx, open));
    choose(&ch, other, open, ctx->n);
  }
  *out = (ls_vec){take(&ch, ex->type, ctx), -1};
  return LS_OK;
}

static int eval_coalesce(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  int64_t words = LS_BIT_WORDS(ctx->n);
  chooser ch = new_chooser(ctx, ex->n_args);
  uint64_t *open = new_bits(ctx->arena, ctx->n), *taken = new_bits(ctx->arena, ctx->n);
  memcpy(open, active, (size_t)words * sizeof *open);
  for (uint32_t i = 0; i < ex->n_args && any_bit(open, ctx->n); i++) {
    ls_vec value;
    LS_TRY(ls__ex_eval(&value, ex->args[i], ctx, open));
    const uint64_t *valid = valid_words(value, ctx);
    for (int64_t w = 0; w < words; w++) {
      taken[w] = open[w] & valid[w];
      open[w] &= ~taken[w];
      if (ctx->failed && !ctx->row_map) open[w] &= ~ctx->failed[w];
    }
    choose(&ch, value, taken, ctx->n);
  }
  *out = (ls_vec){take(&ch, ex->type, ctx), -1};
  return LS_OK;
}

/* GREATEST and LEAST: nulls are left out; null when all are. */
static int eval_extreme(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  chooser ch = new_chooser(ctx, ex->n_args);
  for (uint32_t i = 0; i < ex->n_args; i++) {
    ls_vec value;
    LS_TRY(ls__ex_eval(&value, ex->args[i], ctx, active));
    ch.values[ch.n++] = value;
    for (int64_t row = 0; row < ctx->n; row++) {
      if (!LS_BIT_GET(active, row) || ls__is_null(value.col, row & value.mask)) continue;
      int32_t best = ch.choice[row];
      if (best >= 0) {
        const ls_vec *held = &ch.values[best];
        int cmp = ls__ex_value_cmp(value.col, row & value.mask, held->col, row & held->mask);
        if (ex->variant ? cmp <= 0 : cmp >= 0) continue;
      }
      ch.choice[row] = (int32_t)i;
    }
  }
  *out = (ls_vec){take(&ch, ex->type, ctx), -1};
  return LS_OK;
}

int ls__ex_eval_logic(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active) {
  switch (ex->op) {
  case LS_EX_AND:
  case LS_EX_OR:
    return eval_and_or(out, ex, ctx, active);
  case LS_EX_NOT:
    return eval_not(out, ex, ctx, active);
  case LS_EX_IS_NULL:
    return eval_is_null(out, ex, ctx, active);
  case LS_EX_DISTINCT:
    return eval_distinct(out, ex, ctx, active);
  case LS_EX_CASE:
    return eval_case(out, ex, ctx, active);
  case LS_EX_COALESCE:
    return eval_coalesce(out, ex, ctx, active);
  default:
    ls_assert(ex->op == LS_EX_EXTREME);
    return eval_extreme(out, ex, ctx, active);
  }
}
