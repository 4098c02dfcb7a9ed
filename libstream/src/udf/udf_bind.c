/** @file udf_bind.c  From a name and argument types in an expression to a function and its result type. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "udf/udf_internal.h"

const ls_udf_fn *ls__udf_find_fn(const ls_udf_registry *registry, const char *name) {
  for (size_t i = 0; i < registry->n_plugins; i++) {
    const ls_udf_plugin *plugin = registry->plugins[i];
    for (uint32_t j = 0; j < plugin->manifest.n_fns; j++) {
      if (strcmp(plugin->fns[j].name, name) == 0) return &plugin->fns[j];
    }
  }
  return NULL;
}

const ls_udf_agg *ls__udf_find_agg(const ls_udf_registry *registry, const char *name) {
  for (size_t i = 0; i < registry->n_plugins; i++) {
    const ls_udf_plugin *plugin = registry->plugins[i];
    for (uint32_t j = 0; j < plugin->manifest.n_aggs; j++) {
      if (strcmp(plugin->aggs[j].name, name) == 0) return &plugin->aggs[j];
    }
  }
  return NULL;
}

const ls_udf_message *ls__udf_find_message(const ls_udf_registry *registry, const char *name) {
  for (size_t i = 0; i < registry->n_plugins; i++) {
    const ls_udf_plugin *plugin = registry->plugins[i];
    for (uint32_t j = 0; j < plugin->manifest.n_messages; j++) {
      if (strcmp(plugin->messages[j].name, name) == 0) return &plugin->messages[j];
    }
  }
  return NULL;
}

int ls__udf_unknown(const ls_udf_registry *registry, const char *name, ls_error *err) {
  const char *nearest = ls__nearest_name(name, registry->names, registry->n_names);
  if (nearest != NULL) {
    return ls_error_set(err, LS_ECONFIG, "no loaded plugin has a function '%s'; did you mean '%s'?", name, nearest);
  }
  if (registry->n_names == 0) {
    return ls_error_set(err, LS_ECONFIG, "no function '%s': no plugin with functions is loaded", name);
  }
  return ls_error_set(err, LS_ECONFIG, "no loaded plugin has a function '%s'", name);
}

static bool type_matches(const ls_udf_type *want, const ls_udf_type *given) {
  if (want->kind != given->kind) return false;
  if (want->kind == LS_DECIMAL) {
    if (want->precision == 0) return want->scale == 0 || want->scale == given->scale;
    return want->precision == given->precision && want->scale == given->scale;
  }
  if (want->n_children != given->n_children) return false;
  for (uint32_t i = 0; i < want->n_children; i++) {
    if (want->kind == LS_STRUCT && strcmp(want->names[i], given->names[i]) != 0) return false;
    if (!type_matches(&want->children[i], &given->children[i])) return false;
  }
  return true;
}

static int fail_count(const char *name, const ls_udf_type *want, uint32_t n_want, uint32_t n_args, ls_error *err) {
  ls_buf list = LS_BUF_INIT;
  ls__buf_puts(&list, "");
  for (uint32_t i = 0; i < n_want; i++) {
    if (i) ls__buf_puts(&list, ", ");
    ls__udf_type_format(&list, &want[i]);
  }
  int rc = ls_error_set(err, LS_ECONFIG, "%s(%s) takes %u argument%s, %u given", name, list.ptr, n_want,
                        n_want == 1 ? "" : "s", n_args);
  ls__buf_fini(&list);
  return rc;
}

static int fail_type(const char *name, uint32_t arg, const ls_udf_type *want, const ls_udf_type *given, ls_error *err) {
  ls_buf texts[2] = {LS_BUF_INIT, LS_BUF_INIT};
  ls__udf_type_format(&texts[0], given);
  ls__udf_type_format(&texts[1], want);
  int rc = ls_error_set(err, LS_ECONFIG, "argument %u of %s is %s, it must be %s", arg + 1, name, texts[0].ptr,
                        texts[1].ptr);
  ls__buf_fini(&texts[0]);
  ls__buf_fini(&texts[1]);
  return rc;
}

/** Checks the given types; *out: the same as types of the ABI, for bind(). */
static int match_args(ls_udf_type **out, const char *name, const ls_udf_type *want, uint32_t n_want,
                      const ls_type *const *args, uint32_t n_args, ls_arena *arena, ls_error *err) {
  if (n_args != n_want) return fail_count(name, want, n_want, n_args, err);
  ls_udf_type *given = LS_ARENA_ARRAY(arena, ls_udf_type, n_args + 1);
  for (uint32_t i = 0; i < n_args; i++) {
    ls__udf_type_to(&given[i], args[i], arena);
    if (!type_matches(&want[i], &given[i])) return fail_type(name, i, &want[i], &given[i], err);
  }
  *out = given;
  return LS_OK;
}

int ls__udf_bind(const ls_type **ret, const ls_udf_fn *fn, const ls_type *const *args, uint32_t n_args, ls_arena *arena,
                 ls_error *err) {
  ls_udf_type *given = NULL;
  LS_TRY(match_args(&given, fn->name, fn->args, fn->n_args, args, n_args, arena, err));
  ls_udf_type result = fn->ret;
  if (fn->bind != NULL) {
    char why[LS_UDF_TEXT_MAX] = "";
    if (fn->bind(given, n_args, &result, why, sizeof(why)) != 0) {
      why[sizeof(why) - 1] = '\0';
      return ls_error_set(err, LS_ECONFIG, "%s does not take these arguments: %s", fn->name,
                          why[0] ? why : "it gives no reason");
    }
  }
  int rc = ls__udf_type_from(ret, &result, arena, err);
  if (rc < 0) {
    ls_error_prefix(err, "result of %s: ", fn->name);
  } else if ((*ret)->kind == LS_LIST || (*ret)->kind == LS_STRUCT) {
    rc = ls_error_set(err, LS_EPLUGIN, "result of %s: a list or struct is not in ABI %u.%u", fn->name, LS_UDF_ABI_MAJOR,
                      LS_UDF_ABI_MINOR);
  }
  return rc;
}

int ls__udf_bind_agg(const ls_type **ret, const ls_udf_agg *agg, const ls_type *const *args, uint32_t n_args,
                     ls_arena *arena, ls_error *err) {
  ls_udf_type *given = NULL;
  LS_TRY(match_args(&given, agg->name, agg->args, agg->n_args, args, n_args, arena, err));
  return ls__udf_type_from(ret, &agg->ret, arena, err);
}
