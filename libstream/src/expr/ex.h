/**
 * @file ex.h
 * The compiled expression: a tree of typed nodes, and what kernels get to see of an evaluation.
 *
 * Every node is evaluated over all rows of a batch at once, under a bitmap of active rows. A
 * constant is one row. Rows that are not active may hold anything that is safe to read; only active
 * rows report errors.
 */
#ifndef LS_EXPR_EX_H
#define LS_EXPR_EX_H
#include "expr/ast.h"

#include <regex.h>

/* Bounds on what a short expression can ask for: bytes of a text, elements of a list made. */
#define LS_EX_TEXT_MAX (1 << 20)
#define LS_EX_LIST_MAX (1 << 20)

typedef struct ls_ex ls_ex;
typedef struct ls_ex_call ls_ex_call;
typedef struct ls_ex_ctx ls_ex_ctx;

/** One value per row, or one for all rows (mask 0). Row i lies at index i & mask. */
typedef struct ls_vec {
  const ls_column *col;
  int64_t mask;
} ls_vec;

/**
 * Computes one column. Fixed types: out has n rows; rows that are not live may be written, they are
 * zeroed after. STRING, BYTES, LIST: out is empty; append exactly n rows, nulls where not live.
 */
typedef void (*ls_ex_kernel)(ls_column *out, const ls_ex_call *call);

typedef enum ls_ex_op {
  LS_EX_CONST,
  LS_EX_COLUMN, /* index: field of the batch */
  LS_EX_FIELD,  /* index: field of the struct */
  LS_EX_CALL,   /* kernel */
  LS_EX_AND,
  LS_EX_OR,
  LS_EX_NOT,
  LS_EX_IS_NULL,  /* variant 1: IS NOT NULL */
  LS_EX_DISTINCT, /* variant 1: IS NOT DISTINCT FROM; args[0]: an = node over shared operands */
  LS_EX_CASE,     /* args: (condition value)... else */
  LS_EX_COALESCE,
  LS_EX_EXTREME, /* variant 0: LEAST, 1: GREATEST */
  LS_EX_LIST,    /* variant 1: without nulls */
  LS_EX_STRUCT,
  LS_EX_LET,    /* args[0]: bound to index; args[1]: body */
  LS_EX_SHARED, /* the value bound to index */
  LS_EX_EXISTS, /* index: table; args[0]: predicate */
  LS_EX_UDF,
  LS_EX_TIME /* variant 0: stream_time(), 1: event_time(), 2: ingest_time() */
} ls_ex_op;

struct ls_ex {
  ls_ex_op op;
  const ls_type *type;
  bool nullable, sensitive;
  bool literal; /* written as a literal: fits itself to other types where that is exact */
  bool strict;  /* CALL: null in, null out */
  bool no_fold;
  uint8_t variant; /* ls_compare, '+', TRY, ... */
  const ls_ast *ast;
  ls_ex **args;
  uint32_t n_args;
  uint32_t index;
  int32_t slot;           /* of the state: UDF instance, regex, EXISTS cache; -1: none */
  const ls_column *value; /* CONST: one row */
  ls_ex_kernel kernel;
  const void *aux; /* what a kernel worked out at compile time */
  const ls_udf_fn *udf;
  const char *name; /* table of EXISTS */
  ls_ex *next_slot;
};

/** Operator DIVIDE etc. carry scales here; see kernels_arith.c. */
struct ls_ex_call {
  const ls_ex *node;
  const ls_vec *args;
  uint32_t n_args;
  int64_t n;
  const uint64_t *live; /* active, and (strict) no argument null */
  bool all_live;
  ls_ex_ctx *ctx;
  ls_arena *arena;
};

typedef struct ls_ex_slot {
  ls_udf_instance *udf;
  regex_t *regex;
  bool exists_known, exists_value;
  uint64_t exists_version;
} ls_ex_slot;

struct ls_expr {
  const ls_ast *ast;
  ls_ex *root;
  const ls_schema *schema;
  uint64_t *columns; /* bits of schema fields that are read */
  ls_ex *slots;      /* list of nodes that need state, by next_slot */
  uint32_t n_slots, n_lets;
};

struct ls_expr_state {
  const ls_expr *expr;
  ls_expr_env env;
  ls_ex_slot *slots;
  ls_arena scratch; /* of EXISTS predicates */
};

/** One evaluation. */
struct ls_ex_ctx {
  const ls_expr *expr;
  ls_expr_state *state; /* NULL while constants are folded */
  const ls_batch *in;
  int64_t n;
  ls_arena *arena;
  ls_vec *lets;
  uint64_t *failed;       /* rows reported so far: one report a row */
  const int32_t *row_map; /* elements of a list to its row; NULL: rows are rows */
  ls_row_error_fn on_row_error;
  void *payload;
  ls_error *err;
};

/* compile.c and friends */
typedef struct ls_ex_compiler {
  const ls_expr_env *env;
  const ls_schema *schema; /* of names now: the table's inside EXISTS */
  ls_expr *expr;
  ls_arena *arena;
  ls_arena scratch; /* folding */
  ls_expr_error *where;
  bool in_exists;
} ls_ex_compiler;

extern const ls_type ls__ex_type_null;     /* NULL without a type yet */
extern const ls_type ls__ex_type_interval; /* microseconds, int64 in memory; compared by address */

static inline bool ls__ex_is_null_type(const ls_type *type) {
  return type->kind == LS_NONE;
}
static inline bool ls__ex_is_interval(const ls_type *type) {
  return type == &ls__ex_type_interval;
}
static inline bool ls__ex_is_int(const ls_type *type) {
  return type->kind == LS_INT64 && !ls__ex_is_interval(type);
}
static inline bool ls__ex_is_number(const ls_type *type) {
  return ls__ex_is_int(type) || type->kind == LS_DECIMAL || type->kind == LS_FLOAT64;
}
static inline bool ls__ex_is_fixed(const ls_type *type) {
  return type->kind != LS_STRING && type->kind != LS_BYTES && type->kind != LS_LIST && type->kind != LS_STRUCT;
}
static inline bool ls__ex_is_null_const(const ls_ex *ex) {
  return ex->op == LS_EX_CONST && ls__is_null(ex->value, 0);
}

/* types.c */
const char *ls__ex_type_text(const ls_ex_compiler *c, const ls_type *type);
bool ls__ex_same_type(const ls_type *a, const ls_type *b);
/** Makes *ex of type want where that loses nothing. False: not possible, no message set (types
 * unchanged); a literal that does not parse sets the message and *failed. */
bool ls__ex_fit(ls_ex_compiler *c, ls_ex **ex, const ls_type *want, bool *failed);
/** As fit, but the error says: `what` needs <want>, got <type>, and how to cast. */
int ls__ex_coerce(ls_ex_compiler *c, ls_ex **ex, const ls_type *want, const char *what);
/** Brings all to one type. `what` names the construct in errors. */
int ls__ex_unify(ls_ex_compiler *c, ls_ex **args, uint32_t n_args, uint32_t stride, const ls_type **out,
                 const char *what);
/** Result type of decimal a op b. */
const ls_type *ls__ex_decimal_result(ls_arena *arena, char op, const ls_type *a, const ls_type *b);
/** As decimal(19,0) for int64, itself for decimal. */
const ls_type *ls__ex_as_decimal(ls_arena *arena, const ls_type *type);

/* compile.c */
ls_ex *ls__ex_compile(ls_ex_compiler *c, const ls_ast *ast);
ls_ex *ls__ex_new(ls_ex_compiler *c, ls_ex_op op, const ls_type *type, const ls_ast *ast, ls_ex **args,
                  uint32_t n_args);
ls_ex *ls__ex_const(ls_ex_compiler *c, const ls_column *value, const ls_ast *ast);
ls_ex *ls__ex_null(ls_ex_compiler *c, const ls_type *type, const ls_ast *ast);
ls_ex *ls__ex_call(ls_ex_compiler *c, ls_ex_kernel kernel, const ls_type *type, const ls_ast *ast, ls_ex **args,
                   uint32_t n_args);
/** Evaluates a node whose arguments are constants; the node itself when it can't be (its error
 * belongs to the rows). */
ls_ex *ls__ex_fold(ls_ex_compiler *c, ls_ex *ex);
void ls__ex_need_slot(ls_ex_compiler *c, ls_ex *ex);
ls_ex **ls__ex_args(ls_ex_compiler *c, uint32_t n);
ls_ex *ls__ex_compare(ls_ex_compiler *c, ls_compare op, ls_ex *a, ls_ex *b, const ls_ast *ast);
ls_ex *ls__ex_logic(ls_ex_compiler *c, ls_ex_op op, const ls_ast *ast, ls_ex **args, uint32_t n_args);
/** CAST by kind; is_try: null instead of an error. NULL: no such cast (no message). */
ls_ex *ls__ex_cast(ls_ex_compiler *c, ls_ex *arg, const ls_type *to, bool is_try, const ls_ast *ast);
void *ls__ex_fail(ls_ex_compiler *c, const ls_ast *at, const char *fmt, ...) LS_PRINTF(3, 4);
void *ls__ex_fail_op(ls_ex_compiler *c, const ls_ast *at, const char *fmt, ...) LS_PRINTF(3, 4);

/* compile_operators.c, compile_call.c */
/** a op b, op in ast->op. */
ls_ex *ls__ex_arith(ls_ex_compiler *c, const ls_ast *ast, ls_ex *a, ls_ex *b);
ls_ex *ls__ex_compile_operator(ls_ex_compiler *c, const ls_ast *ast);
ls_ex *ls__ex_compile_call(ls_ex_compiler *c, const ls_ast *ast);

/* eval.c */
int ls__ex_eval(ls_vec *out, const ls_ex *ex, ls_ex_ctx *ctx, const uint64_t *active);
uint64_t *ls__ex_all_active(ls_arena *arena, int64_t n);
/** Reports a row, once. The caller makes it null. */
void ls__ex_row_error(ls_ex_ctx *ctx, int64_t row, const char *message);
/** Reports a row of a fixed-width result and makes it null. */
void ls__ex_fail_fixed(ls_column *out, const ls_ex_call *call, int64_t row, const char *message);
/** Column of n rows with the one value of a constant. */
const ls_column *ls__ex_spread(ls_vec vec, int64_t n, ls_arena *arena);
ls_column *ls__ex_run(const ls_ex *ex, ls_ex_kernel kernel, const ls_vec *args, uint32_t n_args, ls_ex_ctx *ctx,
                      const uint64_t *active);

/* values.c */
/** Total order of two values that are not null: NaN last, false < true, texts bytewise. Same type.
 */
int ls__ex_value_cmp(const ls_column *a, int64_t row_a, const ls_column *b, int64_t row_b);
bool ls__ex_orderable(const ls_type *type);
/** strtod of the decimal's own digits, so that a literal 0.8 is the float64 0.8. */
double ls__ex_decimal_to_double(ls_int128 value, int scale);
size_t ls__ex_float_format(char out[32], double value);

/* kernels */
void ls__ex_kernel_add_i64(ls_column *out, const ls_ex_call *call);
void ls__ex_kernel_sub_i64(ls_column *out, const ls_ex_call *call);
void ls__ex_kernel_mul_i64(ls_column *out, const ls_ex_call *call);
void ls__ex_kernel_div_i64(ls_column *out, const ls_ex_call *call);
void ls__ex_kernel_mod_i64(ls_column *out, const ls_ex_call *call);
void ls__ex_kernel_neg_i64(ls_column *out, const ls_ex_call *call);
void ls__ex_kernel_arith_f64(ls_column *out, const ls_ex_call *call); /* node->variant: + - * / % */
void ls__ex_kernel_neg_f64(ls_column *out, const ls_ex_call *call);
void ls__ex_kernel_addsub_decimal(ls_column *out, const ls_ex_call *call);
void ls__ex_kernel_mul_decimal(ls_column *out, const ls_ex_call *call);
void ls__ex_kernel_divmod_decimal(ls_column *out, const ls_ex_call *call);
void ls__ex_kernel_neg_decimal(ls_column *out, const ls_ex_call *call);
void ls__ex_kernel_date_add(ls_column *out, const ls_ex_call *call); /* date +- whole days of an interval */
void ls__ex_kernel_compare(ls_column *out, const ls_ex_call *call);  /* node->variant: ls_compare */
void ls__ex_kernel_cast(ls_column *out, const ls_ex_call *call);     /* node->variant: 1 TRY; types from the nodes */
void ls__ex_kernel_like(ls_column *out, const ls_ex_call *call);
/** Whether a pattern ends with an escape character that stands before nothing. */
bool ls__ex_like_cut(ls_slice pattern, char escape);
#define LS_EX_LIKE_CUT                                                                                                 \
  "the pattern of LIKE ends with its escape character: double it, or give the character that it "                      \
  "stands before"
void ls__ex_kernel_concat(ls_column *out, const ls_ex_call *call);
void ls__ex_kernel_index(ls_column *out, const ls_ex_call *call);
bool ls__ex_timestamp_in_range(int64_t us); /* years 0001 to 9999 */
bool ls__ex_cast_allowed(const ls_type *from, const ls_type *to);

/* expr_functions.c: the table */
typedef ls_ex *(*ls_ex_form)(ls_ex_compiler *c, const ls_ast *ast, ls_ex **args, uint32_t n_args);

typedef struct ls_ex_fn {
  const char *name;
  const char *group; /* heading of the reference; first rows of a group are together */
  /** One letter an argument: s text, i int64, n number, b bool, t timestamp, d date, T date or
   * timestamp, l list, a any, x any or an untyped NULL; capitals S and I: constants. '?' before the
   * first optional one, '*' at the end: the last repeats. */
  const char *args;
  char ret;            /* letters as above, f float64, L list of texts, p a test (bool, not sensitive), 0 as
               argument 1, - form decides */
  ls_ex_kernel kernel; /* strict */
  ls_ex_form form;     /* builds the node itself; NULL: ret and kernel do */
  const char *signature, *about, *example, *result;
} ls_ex_fn;

/** i-th function, NULL past the end. */
const ls_ex_fn *ls__ex_fn_at(size_t i);
const ls_ex_fn *ls__ex_fn_find(ls_slice name);

typedef struct ls_ex_operator_doc {
  const char *group, *signature, *about, *example, *result;
} ls_ex_operator_doc;
const ls_ex_operator_doc *ls__ex_operator_doc_at(size_t i);

static inline bool ls__ex_live(const ls_ex_call *call, int64_t row) {
  return LS_BIT_GET(call->live, row);
}
static inline ls_slice ls__vec_slice(const ls_vec *vec, int64_t row) {
  return ls__column_slice(vec->col, row & vec->mask);
}
static inline int64_t ls__vec_i64(const ls_vec *vec, int64_t row) {
  return ls__column_i64(vec->col)[row & vec->mask];
}
static inline ls_int128 ls__vec_dec(const ls_vec *vec, int64_t row) {
  return ls__i128_get(ls__column_i128(vec->col)[row & vec->mask]);
}
#endif
