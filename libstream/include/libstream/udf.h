/**
 * @file udf.h
 * @brief The plugin ABI: the one header that a user-defined function needs. A plugin links nothing of libstream;
 * it exports one symbol, ls_udf_entry_v1, and calls the host only through ls_udf_host.
 *
 * Rules of growth: structs carry struct_size or are arrays of pointers to such; new members go at the end; a
 * member is never edited. Same major and plugin minor <= host minor: loaded. Anything else: refused, with both
 * versions in the message. Columns have Arrow's layout and are borrowed for the call.
 *
 * A strict scalar function of a few lines needs only LS_UDF_ROWWISE<n> and LS_UDF_PLUGIN, at the end of this file.
 * docs/SDK.md has the complete guide.
 */
#ifndef LIBSTREAM_UDF_H
#define LIBSTREAM_UDF_H

#include <libstream/common.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LS_UDF_EXPORT __attribute__((visibility("default")))

#define LS_UDF_MAGIC     0x4455534Cu /* "LSUD" */
#define LS_UDF_ABI_MAJOR 1u
#define LS_UDF_ABI_MINOR 1u

/** Type of an argument or result. precision 0 on a DECIMAL argument: any precision, and any scale when scale is 0 too
 *  (scale above 0: that scale); then bind() decides the result. */
typedef struct ls_udf_type {
  uint8_t kind;      /* ls_kind */
  uint8_t precision; /* DECIMAL */
  int8_t scale;      /* DECIMAL */
  uint8_t reserved;
  uint32_t n_children; /* LIST: 1, STRUCT: fields */
  const struct ls_udf_type *children;
  const char *const *names; /* STRUCT: n_children field names */
} ls_udf_type;

/** One input column, borrowed for the call. */
typedef struct ls_udf_vec {
  ls_udf_type type;
  int64_t n_rows;
  const uint64_t *validity;          /* bit row%64 of word row/64; NULL: no nulls */
  const void *values;                /* as in ls_kind; STRING, BYTES: the bytes */
  const int32_t *offsets;            /* n_rows+1 for STRING, BYTES, LIST; may start above 0; else NULL */
  const struct ls_udf_vec *children; /* LIST: 1; STRUCT: type.n_children */
} ls_udf_vec;

typedef struct ls_udf_call ls_udf_call; /* this call, opaque */

/** Result column. Fixed types: write values[row] (BOOL: bits, which start at 0); rows start valid (STRICT: null where
 *  an argument is null, and need not be written). A row is made null by clearing its bit in validity; what was written
 *  to its value does not matter. STRING and BYTES: call host->set_bytes for each row, in any order; a valid row that
 *  is not set is the empty string. STRUCT results are for aggregates only (finish), and their fields are of flat types;
 *  ABI 1.1 has no LIST results. */
typedef struct ls_udf_out {
  ls_udf_type type;
  int64_t n_rows;
  uint64_t *validity;
  void *values;
} ls_udf_out;

/** What calls return. NULL is for row functions of LS_UDF_ROWWISE<n> alone: the row's result is null. */
enum { LS_UDF_OK = 0, LS_UDF_NULL = 1, LS_UDF_EDATA = -1, LS_UDF_ERETRY = -2, LS_UDF_EFATAL = -3 };

enum {
  LS_UDF_STRICT = 1u << 0,   /* null in: null out, and the row is not looked at */
  LS_UDF_VOLATILE = 1u << 1, /* not a function of its arguments alone: refused unless the topology says parity: off */
  /** Since ABI 1.1: what it makes of a sensitive argument may be seen by anybody (a keyed token, a mask). Without it the
   *  result of a sensitive argument is sensitive, too, and reaches no sink. */
  LS_UDF_DECLASSIFIES = 1u << 2
};

/** What the host offers. Append-only: test struct_size before a newer member. */
typedef struct ls_udf_host {
  uint32_t struct_size;
  uint16_t abi_major, abi_minor;
  void *(*alloc)(ls_udf_call *call, size_t n_bytes, size_t align);        /* lives until the call's batch is done */
  int32_t (*fail)(ls_udf_call *call, int32_t code, const char *fmt, ...); /* the whole call; returns code */
  /** The row goes to the dead letters, and is null in the result; the batch goes on. No payload in the text. */
  void (*fail_row)(ls_udf_call *call, int64_t row, const char *fmt, ...);
  /** Copies; for STRING and BYTES results. In finish() of a STRUCT result, row is the index of the field. */
  void (*set_bytes)(ls_udf_call *call, int64_t row, const char *ptr, size_t len);
  int64_t (*stream_time_us)(const ls_udf_call *call, int64_t row); /* the only clock */
} ls_udf_host;

/** Configuration of a plugin: what stands under `plugins: <name>: config:` in the YAML, plus secrets. */
typedef struct ls_udf_config {
  uint32_t struct_size;
  const char *(*get)(const struct ls_udf_config *config, const char *key); /* NULL: not set */
  /** Secret by name from environment NAME, or the file that NAME_FILE names; NULL: neither. Never logged. */
  const char *(*secret)(const struct ls_udf_config *config, const char *name);
  void (*fail)(const struct ls_udf_config *config, const char *fmt,
               ...); /* why open() refuses; open then returns < 0 */
} ls_udf_config;

/** A key the plugin understands under config:. Unknown keys are configuration errors. */
typedef struct ls_udf_config_key {
  const char *name;
  const char *default_value; /* what get() returns when the YAML does not set the key; NULL: the key is required */
  const char *about;
} ls_udf_config_key;

/** A scalar function over columns. */
typedef struct ls_udf_fn {
  uint32_t struct_size, flags;
  const char *name, *about;
  const ls_udf_type *args;
  uint32_t n_args;
  ls_udf_type ret;
  /** Optional: result type from the argument types (scale rules). Nonzero: refused, msg says why. */
  int32_t (*bind)(const ls_udf_type *args, uint32_t n_args, ls_udf_type *ret, char *msg, size_t msg_size);
  /** Optional: state of one thread. Below 0: refused; say why by config->fail. close() is not called then. */
  int32_t (*open)(const ls_udf_config *config, void **state);
  /** Returns LS_UDF_OK also when single rows failed by fail_row; anything else fails the whole batch. */
  int32_t (*eval)(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args, ls_udf_out *out);
  void (*close)(void *state);
} ls_udf_fn;

/** An aggregate. Its accumulator is plain bytes (no pointers), so that it can be stored, changelogged, restored. */
typedef struct ls_udf_agg {
  uint32_t struct_size, flags;
  const char *name, *about;
  const ls_udf_type *args;
  uint32_t n_args;
  ls_udf_type ret;                 /* a flat type, or a STRUCT of them */
  uint32_t acc_bytes, acc_version; /* fixed size of the accumulator, 16-byte aligned when passed */
  int32_t (*open)(const ls_udf_config *config, void **state);
  void (*init)(void *state, void *acc);
  /** Adds row `row` of args. Returns LS_UDF_OK or what host->fail returned; then the row goes to the dead letters, and
   *  the host puts acc back as it was. */
  int32_t (*accumulate)(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args, int64_t row,
                        void *acc);
  /** Adds the rows behind other, an accumulator of the same function, to acc. Below 0: refused, acc unchanged. */
  int32_t (*merge)(void *state, void *acc, const void *other);
  /** Writes the result to row 0 of out; STRUCT: out is an array of ret.n_children outs, one per field. Returns LS_UDF_OK or
   *  what host->fail returned; with LS_UDF_EDATA this result goes to the dead letters with its key, and the run goes on. */
  int32_t (*finish)(void *state, const ls_udf_host *host, ls_udf_call *call, const void *acc, ls_udf_out *out);
  void (*close)(void *state);
  /** Optional, since ABI 1.1: takes back row `row` of args, which was accumulated before, in any order with others; after it
   *  acc is as if that row had never been there. Returns as accumulate. Live running needs it where the rows of a changing
   *  table are aggregated. */
  int32_t (*retract)(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args, int64_t row,
                     void *acc);
} ls_udf_agg;

/** A schema plugin: message types compiled by protoc-c, by name. descriptor is a ProtobufCMessageDescriptor. */
typedef struct ls_udf_message {
  uint32_t struct_size;
  const char *name; /* as in the YAML: protobuf: payments.v1.Transaction */
  const void *descriptor;
} ls_udf_message;

typedef struct ls_udf_manifest {
  uint32_t magic, struct_size;
  uint16_t abi_major, abi_minor;
  const char *name, *version, *license;
  const ls_udf_fn *const *fns;
  const ls_udf_agg *const *aggs;
  const ls_udf_message *const *messages;
  const ls_udf_config_key *config_keys;
  uint32_t n_fns, n_aggs, n_messages, n_config_keys;
} ls_udf_manifest;

/** The one symbol a plugin exports. Called once; the result lives as long as the plugin. */
LS_UDF_EXPORT const ls_udf_manifest *ls_udf_entry_v1(void);
typedef const ls_udf_manifest *(*ls_udf_entry_fn)(void);

/* ---- for authors: reading rows ---------------------------------------------------------------------------------- */

static inline bool ls_udf_is_null(const ls_udf_vec *vec, int64_t row) {
  return vec->validity != NULL && !((vec->validity[row >> 6] >> (row & 63)) & 1u);
}
static inline void ls_udf_set_null(ls_udf_out *out, int64_t row) {
  out->validity[row >> 6] &= ~(UINT64_C(1) << (row & 63));
}
/** The bytes of row `row` of a STRING or BYTES column. */
static inline ls_slice ls_udf_slice(const ls_udf_vec *vec, int64_t row) {
  ls_slice slice;
  slice.ptr = (const char *)vec->values + vec->offsets[row];
  slice.len = (size_t)(vec->offsets[row + 1] - vec->offsets[row]);
  return slice;
}

/* ---- for authors: strict functions row by row -------------------------------------------------------------------
 *
 * LS_UDF_ROWWISE2(eval_name, row_fn, RET, A, B) defines the eval() of a strict function of two arguments; 1 and 3 to 6
 * are alike. RET, A, B are among BOOL INT64 FLOAT64 DECIMAL STRING BYTES TIMESTAMP DATE, with the C types
 * bool int64_t double ls_i128 ls_slice ls_slice int64_t int32_t. row_fn is:
 *
 *   int32_t row_fn(void *state, const ls_udf_host *host, ls_udf_call *call, int64_t row, <A> a, <B> b, <RET> *out);
 *
 * It returns LS_UDF_OK, LS_UDF_NULL, or LS_UDF_EDATA after host->fail_row() (that row fails, the batch goes on), or
 * what host->fail() returned (the batch fails). Rows with a null argument are not shown to it: set LS_UDF_STRICT. */
#define LS_UDF_CTYPE_BOOL      bool
#define LS_UDF_CTYPE_INT64     int64_t
#define LS_UDF_CTYPE_FLOAT64   double
#define LS_UDF_CTYPE_DECIMAL   ls_i128
#define LS_UDF_CTYPE_STRING    ls_slice
#define LS_UDF_CTYPE_BYTES     ls_slice
#define LS_UDF_CTYPE_TIMESTAMP int64_t
#define LS_UDF_CTYPE_DATE      int32_t

#define LS_UDF_GET_BOOL(vec, row)      ((((const uint64_t *)(vec)->values)[(row) >> 6] >> ((row)&63)) & 1u)
#define LS_UDF_GET_INT64(vec, row)     (((const int64_t *)(vec)->values)[row])
#define LS_UDF_GET_FLOAT64(vec, row)   (((const double *)(vec)->values)[row])
#define LS_UDF_GET_DECIMAL(vec, row)   (((const ls_i128 *)(vec)->values)[row])
#define LS_UDF_GET_STRING(vec, row)    ls_udf_slice((vec), (row))
#define LS_UDF_GET_BYTES(vec, row)     ls_udf_slice((vec), (row))
#define LS_UDF_GET_TIMESTAMP(vec, row) (((const int64_t *)(vec)->values)[row])
#define LS_UDF_GET_DATE(vec, row)      (((const int32_t *)(vec)->values)[row])

#define LS_UDF_PUT_BOOL(v)      (((uint64_t *)out->values)[row >> 6] |= (uint64_t)((v) ? 1 : 0) << (row & 63), (void)0)
#define LS_UDF_PUT_INT64(v)     (((int64_t *)out->values)[row] = (v), (void)0)
#define LS_UDF_PUT_FLOAT64(v)   (((double *)out->values)[row] = (v), (void)0)
#define LS_UDF_PUT_DECIMAL(v)   (((ls_i128 *)out->values)[row] = (v), (void)0)
#define LS_UDF_PUT_STRING(v)    host->set_bytes(call, row, (v).ptr, (v).len)
#define LS_UDF_PUT_BYTES(v)     host->set_bytes(call, row, (v).ptr, (v).len)
#define LS_UDF_PUT_TIMESTAMP(v) (((int64_t *)out->values)[row] = (v), (void)0)
#define LS_UDF_PUT_DATE(v)      (((int32_t *)out->values)[row] = (v), (void)0)

/* The one loop behind all of them. A row function that refuses a row without saying why gets a text of ours: fail_row
 * keeps the first text of a row. */
#define LS_UDF_ROWS_(eval_name, RET, CALL_ROW_)                                                                        \
  static int32_t eval_name(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,            \
                           ls_udf_out *out) {                                                                          \
    int64_t row;                                                                                                       \
    (void)args;                                                                                                        \
    for (row = 0; row < out->n_rows; row++) {                                                                          \
      LS_UDF_CTYPE_##RET result;                                                                                       \
      int32_t rc;                                                                                                      \
      if (!((out->validity[row >> 6] >> (row & 63)) & 1u)) continue;                                                   \
      rc = CALL_ROW_;                                                                                                  \
      if (rc == LS_UDF_OK) {                                                                                           \
        LS_UDF_PUT_##RET(result);                                                                                      \
      } else if (rc == LS_UDF_NULL) {                                                                                  \
        ls_udf_set_null(out, row);                                                                                     \
      } else if (rc == LS_UDF_EDATA) {                                                                                 \
        host->fail_row(call, row, "the function refused the row");                                                     \
      } else {                                                                                                         \
        return rc;                                                                                                     \
      }                                                                                                                \
    }                                                                                                                  \
    return LS_UDF_OK;                                                                                                  \
  }
#define LS_UDF_ARG_(A, i) LS_UDF_GET_##A(&args[i], row)

#define LS_UDF_ROWWISE1(eval_name, row_fn, RET, A)                                                                     \
  LS_UDF_ROWS_(eval_name, RET, row_fn(state, host, call, row, LS_UDF_ARG_(A, 0), &result))
#define LS_UDF_ROWWISE2(eval_name, row_fn, RET, A, B)                                                                  \
  LS_UDF_ROWS_(eval_name, RET, row_fn(state, host, call, row, LS_UDF_ARG_(A, 0), LS_UDF_ARG_(B, 1), &result))
#define LS_UDF_ROWWISE3(eval_name, row_fn, RET, A, B, C)                                                               \
  LS_UDF_ROWS_(eval_name, RET,                                                                                         \
               row_fn(state, host, call, row, LS_UDF_ARG_(A, 0), LS_UDF_ARG_(B, 1), LS_UDF_ARG_(C, 2), &result))
#define LS_UDF_ROWWISE4(eval_name, row_fn, RET, A, B, C, D)                                                            \
  LS_UDF_ROWS_(eval_name, RET,                                                                                         \
               row_fn(state, host, call, row, LS_UDF_ARG_(A, 0), LS_UDF_ARG_(B, 1), LS_UDF_ARG_(C, 2),                 \
                      LS_UDF_ARG_(D, 3), &result))
#define LS_UDF_ROWWISE5(eval_name, row_fn, RET, A, B, C, D, E)                                                         \
  LS_UDF_ROWS_(eval_name, RET,                                                                                         \
               row_fn(state, host, call, row, LS_UDF_ARG_(A, 0), LS_UDF_ARG_(B, 1), LS_UDF_ARG_(C, 2),                 \
                      LS_UDF_ARG_(D, 3), LS_UDF_ARG_(E, 4), &result))
#define LS_UDF_ROWWISE6(eval_name, row_fn, RET, A, B, C, D, E, F)                                                      \
  LS_UDF_ROWS_(eval_name, RET,                                                                                         \
               row_fn(state, host, call, row, LS_UDF_ARG_(A, 0), LS_UDF_ARG_(B, 1), LS_UDF_ARG_(C, 2),                 \
                      LS_UDF_ARG_(D, 3), LS_UDF_ARG_(E, 4), LS_UDF_ARG_(F, 5), &result))

/** LS_UDF_PLUGIN("fx", "1.0.0", &convert, &invert): the manifest and the entry of a plugin that has scalar functions
 *  only and no config keys. One per plugin, at the end of the file. Others write an ls_udf_manifest themselves. */
#define LS_UDF_PLUGIN(plugin_name, plugin_version, ...)                                                                \
  static const ls_udf_fn *const ls_udf_plugin_fns_[] = {__VA_ARGS__};                                                  \
  static const ls_udf_manifest ls_udf_plugin_manifest_ = {LS_UDF_MAGIC,                                                \
                                                          sizeof(ls_udf_manifest),                                     \
                                                          LS_UDF_ABI_MAJOR,                                            \
                                                          LS_UDF_ABI_MINOR,                                            \
                                                          plugin_name,                                                 \
                                                          plugin_version,                                              \
                                                          NULL,                                                        \
                                                          ls_udf_plugin_fns_,                                          \
                                                          NULL,                                                        \
                                                          NULL,                                                        \
                                                          NULL,                                                        \
                                                          sizeof(ls_udf_plugin_fns_) / sizeof(void *),                 \
                                                          0,                                                           \
                                                          0,                                                           \
                                                          0};                                                          \
  const ls_udf_manifest *ls_udf_entry_v1(void) {                                                                       \
    return &ls_udf_plugin_manifest_;                                                                                   \
  }

#ifdef __cplusplus
}
#endif
#endif
