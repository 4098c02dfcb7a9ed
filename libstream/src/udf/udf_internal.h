/**
 * @file udf_internal.h
 * What the files of the udf room share: a loaded plugin, the call object behind ls_udf_host, the
 * configuration that open() sees. Nobody outside the room includes it.
 */
#ifndef LS_UDF_UDF_INTERNAL_H
#define LS_UDF_UDF_INTERNAL_H
#include "udf/udf.h"

/** A loaded plugin. Its manifest and functions are copies of ours, grown to this host's struct sizes. */
struct ls_udf_plugin {
  char *name, *path;
  void *handle;
  ls_udf_manifest manifest; /* fns, aggs, messages point to the arrays below */
  ls_udf_fn *fns;
  ls_udf_agg *aggs;
  ls_udf_message *messages;
  const void **pointers;       /* memory of the manifest's three arrays of pointers */
  ls_udf_config_entry *config; /* effective: what was given, then defaults; keys and values are owned */
  size_t n_config;
};

struct ls_udf_registry {
  ls_udf_plugin **plugins;
  size_t n_plugins, plugins_capacity;
  const char **names; /* functions and aggregates; the texts belong to the plugins */
  size_t n_names, names_capacity;
};

/** Room for the text of one failure. Longer texts are cut. */
#define LS_UDF_TEXT_MAX 256

/** One call of a plugin. Lives on the stack; plugins see it as an opaque handle. */
struct ls_udf_call {
  const char *name; /* of the function */
  ls_arena *arena;
  int64_t n_rows;            /* rows that fail_row and set_bytes may name; finish(): fields */
  const ls_stamp *stamps;    /* by row of the caller's batch; NULL: no times */
  const int32_t *rows;       /* row of this call -> row of the caller's batch; NULL: the same */
  ls_kind bytes_kind;        /* STRING or BYTES when set_bytes is allowed, else NONE */
  const ls_udf_type *fields; /* finish() of a STRUCT: its fields, set_bytes looks at their kinds */
  ls_slice *bytes;           /* what set_bytes gave, by row */
  const char **row_errors;   /* first text of each failed row; NULL until one fails */
  bool failed;               /* host->fail was called, or the plugin broke the rules */
  char text[LS_UDF_TEXT_MAX];
};
extern const ls_udf_host ls__udf_host;

/** Per-thread instance: the plugin's state, and what each call would otherwise allocate. */
struct ls_udf_instance {
  const ls_udf_fn *fn; /* one of fn and agg is set */
  const ls_udf_agg *agg;
  void *state;
  ls_udf_vec *vecs; /* aggregates: the arguments of a call */
  void *saved;      /* aggregates: the accumulator before a call, put back when it fails */
};

/* udf_digest.c */
/** SHA-256 of a file as 64 lowercase hex digits. @errors LS_EPLUGIN unreadable */
int ls__udf_file_sha256(char out[65], const char *path, ls_error *err);

/* udf_elf.c */
/** Whether the file is a shared library of this machine, and whole. @errors LS_EPLUGIN */
int ls__udf_check_elf(const ls_udf_plugin *plugin, ls_error *err);

/* udf_find.c */
/** Path of a plugin's file; the caller frees. @errors LS_EPLUGIN no such file, with the nearest name */
int ls__udf_find_file(char **out, const char *name_or_path, const char *const *dirs, size_t n_dirs, ls_error *err);

/* udf_manifest.c */
/** Copies and checks a plugin's manifest into plugin. @errors LS_EPLUGIN */
int ls__udf_manifest_take(ls_udf_plugin *plugin, const ls_udf_manifest *manifest, ls_error *err);
/** Frees what ls__udf_manifest_take made. */
void ls__udf_manifest_drop(ls_udf_plugin *plugin);

/* udf_config.c */
/** Checks the given keys and fills in the defaults. @errors LS_ECONFIG unknown or missing key */
int ls__udf_config_take(ls_udf_plugin *plugin, const ls_udf_config_entry *config, size_t n_config, ls_error *err);
/** Frees what ls__udf_config_take made. */
void ls__udf_config_drop(ls_udf_plugin *plugin);
/** Calls open with the plugin's configuration. @errors LS_ECONFIG what open gave as the reason */
int ls__udf_config_open(void **state, const ls_udf_plugin *plugin, const char *fn_name,
                        int32_t (*open)(const ls_udf_config *, void **), ls_error *err);

/* udf_types.c */
/** Bytes of a value of a type whose values are checked; 0: each is good as it is, or is checked elsewhere. */
size_t ls__udf_checked_width(const ls_udf_type *type);
/** Whether a value that a plugin made is none of its type: a decimal of too many digits, a number that is not finite,
 *  a time outside the years 1 to 9999. No built-in function makes such ones, and files could not hold them. text:
 *  "does not fit decimal(4,2)". */
bool ls__udf_value_fault(char text[LS_UDF_TEXT_MAX], const ls_udf_type *type, const void *value);
/** A column as a plugin sees it; arrays of children are taken from the arena. */
void ls__udf_vec_init(ls_udf_vec *vec, const ls_column *column, ls_arena *arena);

/* udf_call.c */
/** What a plugin's return code means here, with the text of host->fail; LS_OK for a good call.
 *  edata: what LS_UDF_EDATA becomes, LS_EDATA where one row is at fault, LS_EPLUGIN where none is.
 *  @errors edata; LS_ERETRY; LS_EPLUGIN */
int ls__udf_call_result(const ls_udf_call *call, int32_t rc, int edata, ls_error *err);
#endif
