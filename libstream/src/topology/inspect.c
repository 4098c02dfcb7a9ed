/** @file inspect.c  Lists for people: plugins and their functions, expressions, how large a topology is. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "expr/expr.h"
#include "topology/load.h"
#include "udf/udf.h"

static void put_signature(ls_buf *out, const char *name, const ls_udf_type *args, uint32_t n_args,
                          const ls_udf_type *ret) {
  ls__buf_printf(out, "  %s(", name);
  for (uint32_t i = 0; i < n_args; i++) {
    if (i > 0) ls__buf_puts(out, ", ");
    ls__udf_type_format(out, &args[i]);
  }
  ls__buf_puts(out, ") -> ");
  ls__udf_type_format(out, ret);
}

static void put_notes(ls_buf *out, uint32_t flags, bool aggregate, bool opens, const char *about) {
  if (aggregate) ls__buf_puts(out, ", aggregate");
  if ((flags & LS_UDF_STRICT) != 0) ls__buf_puts(out, ", strict");
  if ((flags & LS_UDF_VOLATILE) != 0) ls__buf_puts(out, ", volatile");
  if ((flags & LS_UDF_DECLASSIFIES) != 0) ls__buf_puts(out, ", declassifies");
  if (opens) ls__buf_puts(out, ", configured");
  if (about != NULL) ls__buf_printf(out, "\n    %s", about);
  ls__buf_putc(out, '\n');
}

static void put_config_key(ls_buf *out, const ls_udf_config_key *key) {
  ls__buf_printf(out, "  config %s", key->name);
  if (key->default_value != NULL) {
    ls__buf_printf(out, " (default '%s')", key->default_value);
  } else {
    ls__buf_puts(out, " (required)");
  }
  if (key->about != NULL) ls__buf_printf(out, "\n    %s", key->about);
  ls__buf_putc(out, '\n');
}

static void put_plugin(ls_buf *out, const ls_udf_manifest *manifest, const char *path) {
  ls__buf_printf(out, "%s %s, ABI %u.%u (%s)\n", manifest->name, manifest->version, (unsigned)manifest->abi_major,
                 (unsigned)manifest->abi_minor, path);
  for (uint32_t i = 0; i < manifest->n_fns; i++) {
    const ls_udf_fn *fn = manifest->fns[i];
    put_signature(out, fn->name, fn->args, fn->n_args, &fn->ret);
    put_notes(out, fn->flags, false, fn->open != NULL, fn->about);
  }
  for (uint32_t i = 0; i < manifest->n_aggs; i++) {
    const ls_udf_agg *agg = manifest->aggs[i];
    put_signature(out, agg->name, agg->args, agg->n_args, &agg->ret);
    put_notes(out, agg->flags, true, agg->open != NULL, agg->about);
  }
  for (uint32_t i = 0; i < manifest->n_messages; i++) {
    ls__buf_printf(out, "  message %s\n", manifest->messages[i]->name);
  }
  for (uint32_t i = 0; i < manifest->n_config_keys; i++) {
    put_config_key(out, &manifest->config_keys[i]);
  }
}

static void put_plugins(ls_buf *out, const ls_udf_registry *udfs) {
  const ls_udf_manifest *manifest;
  const char *path;
  for (size_t i = 0; (manifest = ls__udf_plugin_at(udfs, i, &path)) != NULL; i++) {
    put_plugin(out, manifest, path);
  }
}

int ls_topology_functions(char **out, const ls_topology *topology, ls_error *err) {
  (void)err;
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, "");
  put_plugins(&text, topology->udfs);
  *out = text.ptr;
  return LS_OK;
}

/* Each plugin in a registry of its own: two that define the same name can both be listed. */
static int list_plugin(ls_buf *out, const char *name, const char *const *dirs, size_t n_dirs, ls_error *err) {
  ls_udf_registry *udfs;
  ls__udf_registry_new(&udfs);
  int rc = ls__udf_inspect(udfs, name, dirs, n_dirs, err);
  if (rc >= 0) put_plugins(out, udfs);
  ls__udf_registry_free(udfs);
  return rc;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All that are found; one that can't be used is listed with the reason. */
static void list_all(ls_buf *out, const char *const *dirs, size_t n_dirs) {
  ls_strmap found = {0};
  ls__udf_list_plugins(&found, dirs, n_dirs);
  const char **names = ls__calloc(found.n + 1, sizeof *names);
  for (size_t i = 0; i < found.n; i++) names[i] = found.entries[i].key;
  if (found.n > 0) qsort(names, found.n, sizeof *names, compare_names);
  for (size_t i = 0; i < found.n; i++) {
    ls_error err = LS_ERROR_INIT;
    int rc = list_plugin(out, names[i], dirs, n_dirs, &err);
    if (rc < 0) ls__buf_printf(out, "%s can't be used: %s\n", names[i], err.message);
  }
  ls__free(names);
  ls__strmap_fini(&found);
}

int ls_plugins_describe(char **out, const char *const *names, size_t n_names, const ls_topology_opts *opts,
                        ls_error *err) {
  static const ls_topology_opts no_opts = LS_TOPOLOGY_OPTS_INIT;
  ls_error scratch = LS_ERROR_INIT;
  const char *dirs[LS_PLUGIN_DIRS_MAX];
  ls_arena arena;
  ls_buf text = LS_BUF_INIT;
  int rc = LS_OK;
  *out = NULL;
  if (err == NULL) err = &scratch;
  ls__arena_init(&arena, 0);
  size_t n_dirs = ls__plugin_dirs(dirs, opts != NULL ? opts : &no_opts, &arena);
  ls__buf_puts(&text, "");
  if (n_names == 0) list_all(&text, dirs, n_dirs);
  for (size_t i = 0; i < n_names && rc >= 0; i++) rc = list_plugin(&text, names[i], dirs, n_dirs, err);
  if (n_names == 0 && text.len == 0) {
    for (size_t i = 0; i < n_dirs; i++) ls__buf_printf(&text, "%s%s", i == 0 ? "" : ", ", dirs[i]);
    rc = ls_error_set(err, LS_EPLUGIN, "no plugin in %s", text.ptr);
  }
  ls__arena_fini(&arena);
  if (rc < 0) {
    ls__buf_fini(&text);
    return rc;
  }
  *out = text.ptr;
  return LS_OK;
}

int ls_topology_expressions(char **out, ls_error *err) {
  (void)err;
  ls_buf text = LS_BUF_INIT;
  ls__expr_reference(&text);
  *out = text.ptr;
  return LS_OK;
}

void ls_topology_count(ls_topology_counts *out, const ls_topology *topology) {
  *out = topology->counts;
}
