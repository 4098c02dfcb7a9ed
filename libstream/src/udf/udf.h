/**
 * @file udf.h (room)
 * Loading plugins and calling their functions. A registry owns the loaded plugins; never dlclosed while it lives.
 */
#ifndef LS_UDF_UDF_H
#define LS_UDF_UDF_H
#include "base/hash.h"
#include "data/batch.h"
#include <libstream/udf.h>

typedef struct ls_udf_registry ls_udf_registry;
typedef struct ls_udf_plugin ls_udf_plugin;

typedef struct ls_udf_config_entry {
  const char *key, *value;
} ls_udf_config_entry;

void ls__udf_registry_new(ls_udf_registry **out);
void ls__udf_registry_free(ls_udf_registry *registry);
/**
 * Loads one plugin. name_or_path: a path with a slash, or a name looked up as DIR/<name>.so in dirs[0..n_dirs).
 * sha256_hex: pinned digest or NULL. Distinct messages for: no such file, not a whole shared library, no entry symbol, wrong
 * magic, ABI major, ABI minor newer, digest differs, a function name that is taken, unknown or missing config key.
 * @errors LS_EPLUGIN, LS_ECONFIG (config)
 */
int ls__udf_load(ls_udf_registry *registry, const char *name_or_path, const char *const *dirs, size_t n_dirs,
                 const char *sha256_hex, const ls_udf_config_entry *config, size_t n_config, ls_error *err);
/** Same, without configuration: the plugin can be looked at, but its functions can't be opened.
 *  @errors LS_EPLUGIN */
int ls__udf_inspect(ls_udf_registry *registry, const char *name_or_path, const char *const *dirs, size_t n_dirs,
                    ls_error *err);
/** Puts the names of the plugins that are in the directories into out, in no order. */
void ls__udf_list_plugins(ls_strmap *out, const char *const *dirs, size_t n_dirs);
/** Appends a type of the ABI as text: as ls__type_format, and "decimal" where any decimal will do. */
void ls__udf_type_format(ls_buf *out, const ls_udf_type *type);
const ls_udf_fn *ls__udf_find_fn(const ls_udf_registry *registry, const char *name);
const ls_udf_agg *ls__udf_find_agg(const ls_udf_registry *registry, const char *name);
const ls_udf_message *ls__udf_find_message(const ls_udf_registry *registry, const char *name);
/** The error for a name that no find gives, with the nearest that is there. @errors LS_ECONFIG always */
int ls__udf_unknown(const ls_udf_registry *registry, const char *name, ls_error *err);
/** Names of all functions and aggregates, for "did you mean". n_out set. Owned by the registry. */
const char *const *ls__udf_names(const ls_udf_registry *registry, size_t *n_out);
/** Iterates plugins for `streamctl udf list`: i-th manifest and path, NULL past the end. */
const ls_udf_manifest *ls__udf_plugin_at(const ls_udf_registry *registry, size_t i, const char **path);

/** Type conversion both ways; *out of from_udf lives in arena. */
int ls__udf_type_from(const ls_type **out, const ls_udf_type *type, ls_arena *arena, ls_error *err);
void ls__udf_type_to(ls_udf_type *out, const ls_type *type, ls_arena *arena);

/**
 * Resolves a scalar call: argument count and types against the signature (int64 -> decimal/float64 and decimal
 * precision widening are NOT implicit here: expr casts before), bind(), result type. The message names the function,
 * the argument position, the type given and the type wanted.
 * @errors LS_ECONFIG the arguments are not taken; LS_EPLUGIN the plugin's result type is not a type
 */
int ls__udf_bind(const ls_type **ret, const ls_udf_fn *fn, const ls_type *const *args, uint32_t n_args, ls_arena *arena,
                 ls_error *err);
/** @errors as ls__udf_bind */
int ls__udf_bind_agg(const ls_type **ret, const ls_udf_agg *agg, const ls_type *const *args, uint32_t n_args,
                     ls_arena *arena, ls_error *err);

/** Per-thread instance of a function or aggregate: owns the plugin's state from open() to close(). */
typedef struct ls_udf_instance ls_udf_instance;
/** @errors LS_ECONFIG the plugin's open() refuses: its reason, and why a secret's file can't be read */
int ls__udf_open_fn(ls_udf_instance **out, const ls_udf_registry *registry, const ls_udf_fn *fn, ls_error *err);
/** @errors as ls__udf_open_fn */
int ls__udf_open_agg(ls_udf_instance **out, const ls_udf_registry *registry, const ls_udf_agg *agg, ls_error *err);
void ls__udf_close(ls_udf_instance *instance);

/** Reports a row at fault. row: index in the batch; message without payload values. */
typedef void (*ls_row_error_fn)(void *payload, int64_t row, const char *message);

/**
 * Evaluates fn over n_rows of args into out (initialised column, result type, empty; filled to n_rows). Rows whose bit
 * in active (NULL: all) is 0 may be computed but never report errors and are not shown to the function when skipping
 * matters (their arguments may be garbage: they are passed as nulls to STRICT functions, and compacted away otherwise).
 * stamps_ts_us: stream time per row for host->stream_time_us.
 * Row errors come in row order, after the call, once per row; the row is null in out. A row's result that does not fit
 * its type (decimal digits, UTF-8, a finite number, a time of the years 1 to 9999) is a row error too. ret is what
 * ls__udf_bind gave.
 * @errors LS_EFUNCTION when the call fails as a whole; LS_ERETRY when the plugin says that it may pass later
 */
int ls__udf_eval(ls_column *out, ls_udf_instance *instance, const ls_type *ret, const ls_column *const *args,
                 uint32_t n_args, int64_t n_rows, const uint64_t *active, const ls_stamp *stamps, ls_arena *arena,
                 ls_row_error_fn on_row_error, void *payload, ls_error *err);

/* aggregates: acc points to acc_bytes bytes, 16-byte aligned */
void ls__udf_agg_init(ls_udf_instance *instance, void *acc);
/** Sets the columns that accumulate and retract take rows of, until the next call; they and the arena stay as long. */
void ls__udf_agg_rows(ls_udf_instance *instance, const ls_column *const *args, uint32_t n_args, ls_arena *arena);
/** STRICT: a row with a null argument is passed over. LS_OK, or LS_EDATA (row at fault, message in err, acc unchanged). */
int ls__udf_agg_accumulate(ls_udf_instance *instance, int64_t row, ls_arena *arena, void *acc, ls_error *err);
/** Takes back a row that was accumulated; agg->retract is there. As ls__udf_agg_accumulate. */
int ls__udf_agg_retract(ls_udf_instance *instance, int64_t row, ls_arena *arena, void *acc, ls_error *err);
/** @errors LS_EDATA the two together don't fit, acc unchanged; LS_EFUNCTION */
int ls__udf_agg_merge(ls_udf_instance *instance, void *acc, const void *other, ls_error *err);
/** Appends one value of type ret to out, an initialised column of that type. @errors LS_EDATA; LS_EFUNCTION */
int ls__udf_agg_finish(ls_column *out, ls_udf_instance *instance, const void *acc, ls_arena *arena, ls_error *err);
#endif
