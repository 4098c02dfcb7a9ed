/**
 * @file udf.h
 * @brief The plugin ABI: the one header that a user-defined function needs. A plugin links nothing of libstream;
 * it exports one symbol, ls_udf_entry_v1, and calls the host only through ls_udf_host.
 *
 * Rules of growth: structs carry struct_size or are arrays of pointers to such; new members go at the end; a
 * member is never edited. Same major and plugin minor <= host minor: loaded. Anything else: refused, with both
 * versions in the message. Columns have Arrow's layout and are borrowed for the call.
 */
#ifndef LIBSTREAM_UDF_H
#define LIBSTREAM_UDF_H

#include <libstream/common.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LS_UDF_MAGIC 0x4455534Cu /* "LSUD" */
#define LS_UDF_ABI_MAJOR 1u
#define LS_UDF_ABI_MINOR 0u

/** Type of an argument or result. precision 0 on a DECIMAL argument: any; then bind() decides the result. */
typedef struct ls_udf_type {
  uint8_t kind;                      /* ls_kind */
  uint8_t precision;                 /* DECIMAL */
  int8_t scale;                      /* DECIMAL */
  uint8_t reserved;
  uint32_t n_children;               /* LIST: 1, STRUCT: fields */
  const struct ls_udf_type *children;
  const char *const *names;          /* STRUCT: n_children field names */
} ls_udf_type;

/** One input column, borrowed for the call. */
typedef struct ls_udf_vec {
  ls_udf_type type;
  int64_t n_rows;
  const uint64_t *validity;          /* bit row%64 of word row/64; NULL: no nulls */
  const void *values;                /* as in ls_kind; STRING, BYTES: the bytes */
  const int32_t *offsets;            /* n_rows+1 for STRING, BYTES, LIST; else NULL */
  const struct ls_udf_vec *children; /* LIST: 1; STRUCT: type.n_children */
} ls_udf_vec;

typedef struct ls_udf_call ls_udf_call; /* this call, opaque */

/** Result column. Fixed types: write values[row]; rows start valid (STRICT: null where an argument is null, and
 *  need not be written). STRING and BYTES: call host->set_bytes for each row, in any order. LIST and STRUCT results
 *  of scalar functions: host->set_bytes is not for them; ABI 1.0 has them in aggregates only (finish). */
typedef struct ls_udf_out {
  ls_udf_type type;
  int64_t n_rows;
  uint64_t *validity;
  void *values;
} ls_udf_out;

enum { LS_UDF_OK = 0, LS_UDF_EDATA = -1, LS_UDF_ERETRY = -2, LS_UDF_EFATAL = -3 };

enum {
  LS_UDF_STRICT = 1u << 0,   /* null in: null out, and the row is not looked at */
  LS_UDF_VOLATILE = 1u << 1  /* not a function of its arguments alone: refused unless the topology says parity: off */
};

/** What the host offers. Append-only: test struct_size before a newer member. */
typedef struct ls_udf_host {
  uint32_t struct_size;
  uint16_t abi_major, abi_minor;
  void *(*alloc)(ls_udf_call *call, size_t n_bytes, size_t align);            /* lives until the call's batch is done */
  int32_t (*fail)(ls_udf_call *call, int32_t code, const char *fmt, ...);     /* the whole call; returns code */
  void (*fail_row)(ls_udf_call *call, int64_t row, const char *fmt, ...);     /* row to the dead letters; no payload in the text */
  void (*set_bytes)(ls_udf_call *call, int64_t row, const char *ptr, size_t len); /* copies; for STRING and BYTES results */
  int64_t (*stream_time_us)(const ls_udf_call *call, int64_t row);            /* the only clock */
} ls_udf_host;

/** Configuration of a plugin: what stands under `plugins: <name>: config:` in the YAML, plus secrets. */
typedef struct ls_udf_config {
  uint32_t struct_size;
  const char *(*get)(const struct ls_udf_config *config, const char *key);    /* NULL: not set */
  /** Secret by name from environment NAME, or the file that NAME_FILE names; NULL: neither. Never logged. */
  const char *(*secret)(const struct ls_udf_config *config, const char *name);
  void (*fail)(const struct ls_udf_config *config, const char *fmt, ...);     /* why open() refuses; open then returns < 0 */
} ls_udf_config;

/** A key the plugin understands under config:. Unknown keys are configuration errors. */
typedef struct ls_udf_config_key {
  const char *name, *default_value /* NULL: required unless optional text says so */, *about;
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
  /** Optional: state of one thread. */
  int32_t (*open)(const ls_udf_config *config, void **state);
  int32_t (*eval)(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args, ls_udf_out *out);
  void (*close)(void *state);
} ls_udf_fn;

/** An aggregate. Its accumulator is plain bytes (no pointers), so that it can be stored, changelogged, restored. */
typedef struct ls_udf_agg {
  uint32_t struct_size, flags;
  const char *name, *about;
  const ls_udf_type *args;
  uint32_t n_args;
  ls_udf_type ret;               /* any type, STRUCT included */
  uint32_t acc_bytes, acc_version; /* fixed size of the accumulator, 16-byte aligned when passed */
  int32_t (*open)(const ls_udf_config *config, void **state);
  void (*init)(void *state, void *acc);
  /** Adds row `row` of args. Returns LS_UDF_OK or what host->fail returned (the row goes to the dead letters, acc unchanged). */
  int32_t (*accumulate)(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args, int64_t row, void *acc);
  int32_t (*merge)(void *state, void *acc, const void *other);
  /** Writes the result to row 0 of out; STRUCT: out is an array of ret.n_children outs, one per field. */
  int32_t (*finish)(void *state, const ls_udf_host *host, ls_udf_call *call, const void *acc, ls_udf_out *out);
  void (*close)(void *state);
} ls_udf_agg;

/** A schema plugin: message types compiled by protoc-c, by name. descriptor is a ProtobufCMessageDescriptor. */
typedef struct ls_udf_message {
  uint32_t struct_size;
  const char *name;              /* as in the YAML: protobuf: payments.v1.Transaction */
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
const ls_udf_manifest *ls_udf_entry_v1(void);
typedef const ls_udf_manifest *(*ls_udf_entry_fn)(void);

#ifdef __cplusplus
}
#endif
#endif
