/**
 * @file udf_manifest.c
 * Takes over a plugin's manifest: copies by struct_size, so that a plugin built against an older
 * header is read up to its own end and no further, and checks once what later code relies on.
 */
#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "udf/udf_internal.h"

#define ENTRIES_MAX 4096 /* functions, aggregates, messages, config keys of one plugin */
#define ARGS_MAX    256

/** End of a member: the least struct_size that has it. */
#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

/** Copies a struct of the plugin, whose size is its own; what it does not have yet is zero. */
static void copy_grown(void *out, size_t out_bytes, const void *from, uint32_t from_bytes) {
  memset(out, 0, out_bytes);
  memcpy(out, from, from_bytes < out_bytes ? from_bytes : out_bytes);
}

static bool is_name(const char *name) {
  if (name == NULL || !(isalpha((unsigned char)name[0]) || name[0] == '_')) return false;
  for (const char *c = name; *c; c++) {
    if (!isalnum((unsigned char)*c) && *c != '_' && *c != '.') return false;
  }
  return true;
}

static bool is_flat(const ls_udf_type *type) {
  return type->kind != LS_LIST && type->kind != LS_STRUCT;
}

/** Whether decimals of this argument or result are open: bind() or the call decides. */
static bool is_any_decimal(const ls_udf_type *type) {
  return type->kind == LS_DECIMAL && type->precision == 0;
}

static int check_arg(const char *name, uint32_t arg, const ls_udf_type *type, ls_arena *arena, ls_error *err) {
  const ls_type *checked;
  if (is_any_decimal(type)) return LS_OK;
  int rc = ls__udf_type_from(&checked, type, arena, err);
  if (rc < 0) ls_error_prefix(err, "function '%s', argument %u: ", name, arg + 1);
  return rc;
}

/** What functions and aggregates have in common. */
static int check_signature(const char *name, const ls_udf_type *args, uint32_t n_args, const ls_udf_type *ret,
                           bool has_bind, ls_error *err) {
  if (!is_name(name)) {
    return ls_error_set(err, LS_EPLUGIN, "a function has no name of letters, digits, '_' and '.'");
  }
  if (n_args > ARGS_MAX) {
    return ls_error_set(err, LS_EPLUGIN, "function '%s' has %u arguments, at most %d are allowed", name, n_args,
                        ARGS_MAX);
  }
  if (n_args > 0 && args == NULL) {
    return ls_error_set(err, LS_EPLUGIN, "function '%s' has no argument types", name);
  }
  if (is_any_decimal(ret) && !has_bind) {
    return ls_error_set(err, LS_EPLUGIN, "function '%s' returns a decimal without precision and has no bind()", name);
  }
  ls_arena scratch;
  ls__arena_init(&scratch, 0);
  int rc = LS_OK;
  for (uint32_t i = 0; i < n_args && rc == LS_OK; i++) {
    rc = check_arg(name, i, &args[i], &scratch, err);
  }
  const ls_type *checked;
  if (rc == LS_OK && !is_any_decimal(ret)) {
    rc = ls__udf_type_from(&checked, ret, &scratch, err);
    if (rc < 0) ls_error_prefix(err, "function '%s', result: ", name);
  }
  ls__arena_fini(&scratch);
  return rc;
}

static int check_fn(const ls_udf_fn *fn, ls_error *err) {
  LS_TRY(check_signature(fn->name, fn->args, fn->n_args, &fn->ret, fn->bind != NULL, err));
  if (fn->eval == NULL) {
    return ls_error_set(err, LS_EPLUGIN, "function '%s' has no eval()", fn->name);
  }
  if (!is_flat(&fn->ret)) {
    return ls_error_set(err, LS_EPLUGIN,
                        "function '%s' returns a list or struct, which ABI %u.%u has not for scalar "
                        "functions",
                        fn->name, LS_UDF_ABI_MAJOR, LS_UDF_ABI_MINOR);
  }
  return LS_OK;
}

static int check_agg(const ls_udf_agg *agg, ls_error *err) {
  LS_TRY(check_signature(agg->name, agg->args, agg->n_args, &agg->ret, false, err));
  if (!agg->init || !agg->accumulate || !agg->merge || !agg->finish || agg->acc_bytes == 0) {
    return ls_error_set(err, LS_EPLUGIN, "aggregate '%s' needs init, accumulate, merge, finish and acc_bytes",
                        agg->name);
  }
  bool flat = agg->ret.kind != LS_LIST;
  for (uint32_t i = 0; agg->ret.kind == LS_STRUCT && i < agg->ret.n_children; i++) {
    flat = flat && is_flat(&agg->ret.children[i]);
  }
  if (!flat) {
    return ls_error_set(err, LS_EPLUGIN, "aggregate '%s' returns lists or nested structs, which ABI %u.%u has not",
                        agg->name, LS_UDF_ABI_MAJOR, LS_UDF_ABI_MINOR);
  }
  return LS_OK;
}

static int check_message(const ls_udf_message *message, ls_error *err) {
  if (!is_name(message->name) || message->descriptor == NULL) {
    return ls_error_set(err, LS_EPLUGIN, "a message has no name or no descriptor");
  }
  return LS_OK;
}

/** Copies n structs behind an array of pointers, each at least min_bytes long by its struct_size. */
static int copy_all(void *out, size_t out_bytes, size_t min_bytes, const void *const *from, uint32_t n,
                    const char *what, ls_error *err) {
  for (uint32_t i = 0; i < n; i++) {
    uint32_t from_bytes = 0;
    if (from == NULL || from[i] == NULL) {
      return ls_error_set(err, LS_EPLUGIN, "%s %u of %u is NULL", what, i + 1, n);
    }
    memcpy(&from_bytes, from[i], sizeof(from_bytes)); /* struct_size is the first member of each */
    if (from_bytes < min_bytes) {
      return ls_error_set(err, LS_EPLUGIN, "%s %u of %u has struct_size %u, at least %zu is needed", what, i + 1, n,
                          from_bytes, min_bytes);
    }
    copy_grown((char *)out + i * out_bytes, out_bytes, from[i], from_bytes);
  }
  return LS_OK;
}

static int check_abi(const ls_udf_manifest *from, ls_error *err) {
  if (from->magic != LS_UDF_MAGIC) {
    return ls_error_set(err, LS_EPLUGIN, "its manifest begins with 0x%08x, that of a libstream plugin with 0x%08x",
                        from->magic, LS_UDF_MAGIC);
  }
  if (from->abi_major != LS_UDF_ABI_MAJOR) {
    return ls_error_set(err, LS_EPLUGIN,
                        "it is built for plugin ABI %u.%u, this libstream has %u.%u: build it again "
                        "with the libstream/udf.h of this version",
                        from->abi_major, from->abi_minor, LS_UDF_ABI_MAJOR, LS_UDF_ABI_MINOR);
  }
  if (from->abi_minor > LS_UDF_ABI_MINOR) {
    return ls_error_set(err, LS_EPLUGIN,
                        "it needs plugin ABI %u.%u, this libstream has %u.%u: it needs a newer "
                        "libstream",
                        from->abi_major, from->abi_minor, LS_UDF_ABI_MAJOR, LS_UDF_ABI_MINOR);
  }
  size_t least = END_OF(ls_udf_manifest, n_config_keys);
  if (from->struct_size < least) {
    return ls_error_set(err, LS_EPLUGIN, "its manifest has struct_size %u, at least %zu is needed", from->struct_size,
                        least);
  }
  return LS_OK;
}

/** A count that is off would have us read past the plugin's arrays. */
static int check_count(const char *what, uint32_t n, ls_error *err) {
  if (n <= ENTRIES_MAX) return LS_OK;
  return ls_error_set(err, LS_EPLUGIN, "its manifest says that it has %u %s, at most %d are allowed", n, what,
                      ENTRIES_MAX);
}

static int check_manifest(const ls_udf_manifest *manifest, ls_error *err) {
  LS_TRY(check_count("functions", manifest->n_fns, err));
  LS_TRY(check_count("aggregates", manifest->n_aggs, err));
  LS_TRY(check_count("messages", manifest->n_messages, err));
  LS_TRY(check_count("config keys", manifest->n_config_keys, err));
  if (!is_name(manifest->name) || manifest->version == NULL) {
    return ls_error_set(err, LS_EPLUGIN, "its manifest gives no name or no version");
  }
  if (manifest->n_config_keys > 0 && manifest->config_keys == NULL) {
    return ls_error_set(err, LS_EPLUGIN, "its manifest has no config_keys behind n_config_keys");
  }
  for (uint32_t i = 0; i < manifest->n_config_keys; i++) {
    if (manifest->config_keys[i].name == NULL) {
      return ls_error_set(err, LS_EPLUGIN, "config key %u has no name", i + 1);
    }
  }
  return LS_OK;
}

/** Flags that the plugin's ABI did not have yet say nothing, whatever stands there. */
static void drop_newer_flags(ls_udf_plugin *plugin) {
  const uint32_t newer = plugin->manifest.abi_minor < 1 ? LS_UDF_DECLASSIFIES : 0;
  for (uint32_t i = 0; i < plugin->manifest.n_fns; i++) plugin->fns[i].flags &= ~newer;
  for (uint32_t i = 0; i < plugin->manifest.n_aggs; i++) plugin->aggs[i].flags &= ~newer;
}

int ls__udf_manifest_take(ls_udf_plugin *plugin, const ls_udf_manifest *from, ls_error *err) {
  LS_TRY(check_abi(from, err));
  ls_udf_manifest *manifest = &plugin->manifest;
  copy_grown(manifest, sizeof(*manifest), from, from->struct_size);
  LS_TRY(check_manifest(manifest, err));

  uint32_t n_fns = manifest->n_fns, n_aggs = manifest->n_aggs, n_messages = manifest->n_messages;
  plugin->fns = ls__calloc(n_fns + 1, sizeof(ls_udf_fn));
  plugin->aggs = ls__calloc(n_aggs + 1, sizeof(ls_udf_agg));
  plugin->messages = ls__calloc(n_messages + 1, sizeof(ls_udf_message));
  LS_TRY(copy_all(plugin->fns, sizeof(ls_udf_fn), END_OF(ls_udf_fn, eval), (const void *const *)manifest->fns, n_fns,
                  "function", err));
  LS_TRY(copy_all(plugin->aggs, sizeof(ls_udf_agg), END_OF(ls_udf_agg, finish), (const void *const *)manifest->aggs,
                  n_aggs, "aggregate", err));
  LS_TRY(copy_all(plugin->messages, sizeof(ls_udf_message), END_OF(ls_udf_message, descriptor),
                  (const void *const *)manifest->messages, n_messages, "message", err));

  drop_newer_flags(plugin);
  plugin->pointers = ls__calloc((size_t)n_fns + n_aggs + n_messages + 1, sizeof(void *));
  const void **next = plugin->pointers;
  manifest->fns = (const ls_udf_fn *const *)next;
  for (uint32_t i = 0; i < n_fns; i++) {
    LS_TRY(check_fn(&plugin->fns[i], err));
    *next++ = &plugin->fns[i];
  }
  manifest->aggs = (const ls_udf_agg *const *)next;
  for (uint32_t i = 0; i < n_aggs; i++) {
    LS_TRY(check_agg(&plugin->aggs[i], err));
    *next++ = &plugin->aggs[i];
  }
  manifest->messages = (const ls_udf_message *const *)next;
  for (uint32_t i = 0; i < n_messages; i++) {
    LS_TRY(check_message(&plugin->messages[i], err));
    *next++ = &plugin->messages[i];
  }
  return LS_OK;
}

void ls__udf_manifest_drop(ls_udf_plugin *plugin) {
  ls__free(plugin->fns);
  ls__free(plugin->aggs);
  ls__free(plugin->messages);
  ls__free(plugin->pointers);
}
