/**
 * @file udf_loader.c
 * Loads a plugin. The order is the point: nothing of a file runs before its path and its pinned
 * digest are right, and nothing of it is used before the ABI, the names and the config are.
 *
 *   path -> sha256 pin -> whole ELF -> dlopen -> ls_udf_entry_v1 -> magic, ABI, sizes -> signatures
 *        -> the file's name -> names not taken -> config keys
 *
 * @source ls__udf_load(); tests/unit/udf/test_udf_loader.c has one case for each refusal
 */
#include <ctype.h>
#include <dlfcn.h>
#include <string.h>

#include "base/alloc.h"
#include "udf/udf_internal.h"

#define ENTRY "ls_udf_entry_v1"

static void plugin_free(ls_udf_plugin *plugin) {
  if (plugin == NULL) return;
  ls__udf_config_drop(plugin);
  ls__udf_manifest_drop(plugin);
  if (plugin->handle != NULL) dlclose(plugin->handle);
  ls__free(plugin->name);
  ls__free(plugin->path);
  ls__free(plugin);
}

void ls__udf_registry_new(ls_udf_registry **out) {
  *out = LS_NEW(ls_udf_registry);
}

void ls__udf_registry_free(ls_udf_registry *registry) {
  if (registry == NULL) return;
  for (size_t i = registry->n_plugins; i-- > 0;) plugin_free(registry->plugins[i]);
  ls__free(registry->plugins);
  ls__free(registry->names);
  ls__free(registry);
}

static bool pin_equal(const char *pin, const char *digest) {
  for (size_t i = 0; i < 64; i++) {
    if (tolower((unsigned char)pin[i]) != digest[i]) return false;
  }
  return true;
}

static int check_pin(const ls_udf_plugin *plugin, const char *pin, ls_error *err) {
  if (strlen(pin) != 64 || strspn(pin, "0123456789abcdefABCDEF") != 64) {
    return ls_error_set(err, LS_ECONFIG, "plugin '%s': sha256 is not 64 hex digits", plugin->name);
  }
  char digest[65];
  LS_TRY(ls__udf_file_sha256(digest, plugin->path, err));
  if (!pin_equal(pin, digest)) {
    return ls_error_set(err, LS_EPLUGIN, "plugin '%s': the sha256 of %s is %s, but %s is pinned", plugin->name,
                        plugin->path, digest, pin);
  }
  return LS_OK;
}

/** A copy under another name would be found by a name that says nothing of what it is. */
static int check_own_name(const ls_udf_plugin *plugin, ls_error *err) {
  const char *slash = strrchr(plugin->path, '/'), *file = slash != NULL ? slash + 1 : plugin->path;
  const char *own = plugin->manifest.name;
  size_t len = strlen(own);
  if (strncmp(file, own, len) == 0 && strcmp(file + len, ".so") == 0) return LS_OK;
  return ls_error_set(err, LS_EPLUGIN, "its manifest has the name '%s': the file of that plugin is %s.so, not %s", own,
                      own, file);
}

static int open_and_take(ls_udf_plugin *plugin, ls_error *err) {
  plugin->handle = dlopen(plugin->path, RTLD_NOW | RTLD_LOCAL);
  if (plugin->handle == NULL) {
    return ls_error_set(err, LS_EPLUGIN, "plugin '%s' can't be loaded: %s", plugin->name, dlerror());
  }
  ls_udf_entry_fn entry = NULL;
  void *symbol = dlsym(plugin->handle, ENTRY);
  memcpy(&entry, &symbol, sizeof(entry)); /* ISO C has no cast from object to function pointer */
  if (entry == NULL) {
    return ls_error_set(err, LS_EPLUGIN, "plugin '%s': %s exports no " ENTRY ", it is not a plugin of libstream",
                        plugin->name, plugin->path);
  }
  const ls_udf_manifest *manifest = entry();
  if (manifest == NULL) {
    return ls_error_set(err, LS_EPLUGIN, "plugin '%s': " ENTRY "() of %s returned NULL", plugin->name, plugin->path);
  }
  int rc = ls__udf_manifest_take(plugin, manifest, err);
  if (rc >= 0) rc = check_own_name(plugin, err);
  if (rc < 0) ls_error_prefix(err, "plugin '%s' (%s): ", plugin->name, plugin->path);
  return rc;
}

/** Which plugin has a function, an aggregate (or, when messages is set, a message) of this name. */
static const ls_udf_plugin *owner_of(const ls_udf_registry *registry, const char *name, bool messages) {
  for (size_t i = 0; i < registry->n_plugins; i++) {
    const ls_udf_plugin *plugin = registry->plugins[i];
    const ls_udf_manifest *manifest = &plugin->manifest;
    for (uint32_t j = 0; messages && j < manifest->n_messages; j++) {
      if (strcmp(plugin->messages[j].name, name) == 0) return plugin;
    }
    for (uint32_t j = 0; !messages && j < manifest->n_fns; j++) {
      if (strcmp(plugin->fns[j].name, name) == 0) return plugin;
    }
    for (uint32_t j = 0; !messages && j < manifest->n_aggs; j++) {
      if (strcmp(plugin->aggs[j].name, name) == 0) return plugin;
    }
  }
  return NULL;
}

static int check_name(const ls_udf_registry *registry, const ls_udf_plugin *plugin, ls_strmap *own, const char *name,
                      bool message, ls_error *err) {
  const char *what = message ? "message" : "function";
  const ls_udf_plugin *owner = owner_of(registry, name, message);
  if (owner != NULL) {
    return ls_error_set(err, LS_EPLUGIN, "plugin '%s': the %s name '%s' is taken by plugin '%s' (%s)", plugin->name,
                        what, name, owner->name, owner->path);
  }
  if (!ls__strmap_put(own, name, own)) {
    return ls_error_set(err, LS_EPLUGIN, "plugin '%s' has two %ss named '%s'", plugin->name, what, name);
  }
  return LS_OK;
}

static int check_names(const ls_udf_registry *registry, const ls_udf_plugin *plugin, ls_error *err) {
  const ls_udf_manifest *manifest = &plugin->manifest;
  ls_strmap functions = {0}, messages = {0};
  int rc = LS_OK;
  for (uint32_t i = 0; rc == LS_OK && i < manifest->n_fns; i++) {
    rc = check_name(registry, plugin, &functions, plugin->fns[i].name, false, err);
  }
  for (uint32_t i = 0; rc == LS_OK && i < manifest->n_aggs; i++) {
    rc = check_name(registry, plugin, &functions, plugin->aggs[i].name, false, err);
  }
  for (uint32_t i = 0; rc == LS_OK && i < manifest->n_messages; i++) {
    rc = check_name(registry, plugin, &messages, plugin->messages[i].name, true, err);
  }
  ls__strmap_fini(&functions);
  ls__strmap_fini(&messages);
  return rc;
}

static void add_name(ls_udf_registry *registry, const char *name) {
  ls__grow(&registry->names, &registry->names_capacity, registry->n_names + 1, sizeof(*registry->names));
  registry->names[registry->n_names++] = name;
}

static void add_plugin(ls_udf_registry *registry, ls_udf_plugin *plugin) {
  ls__grow(&registry->plugins, &registry->plugins_capacity, registry->n_plugins + 1, sizeof(*registry->plugins));
  registry->plugins[registry->n_plugins++] = plugin;
  for (uint32_t i = 0; i < plugin->manifest.n_fns; i++) add_name(registry, plugin->fns[i].name);
  for (uint32_t i = 0; i < plugin->manifest.n_aggs; i++) add_name(registry, plugin->aggs[i].name);
}

static int load(ls_udf_plugin *plugin, const ls_udf_registry *registry, const char *sha256_hex, bool configured,
                const ls_udf_config_entry *config, size_t n_config, ls_error *err) {
  if (sha256_hex != NULL) LS_TRY(check_pin(plugin, sha256_hex, err));
  LS_TRY(ls__udf_check_elf(plugin, err));
  LS_TRY(open_and_take(plugin, err));
  LS_TRY(check_names(registry, plugin, err));
  return configured ? ls__udf_config_take(plugin, config, n_config, err) : LS_OK;
}

static int find_and_load(ls_udf_registry *registry, const char *name_or_path, const char *const *dirs, size_t n_dirs,
                         const char *sha256_hex, bool configured, const ls_udf_config_entry *config, size_t n_config,
                         ls_error *err) {
  char *path = NULL;
  LS_TRY(ls__udf_find_file(&path, name_or_path, dirs, n_dirs, err));
  ls_udf_plugin *plugin = LS_NEW(ls_udf_plugin);
  plugin->path = path;
  plugin->name = ls__strdup(name_or_path);
  int rc = load(plugin, registry, sha256_hex, configured, config, n_config, err);
  if (rc < 0) {
    plugin_free(plugin);
    return rc;
  }
  add_plugin(registry, plugin);
  return LS_OK;
}

int ls__udf_load(ls_udf_registry *registry, const char *name_or_path, const char *const *dirs, size_t n_dirs,
                 const char *sha256_hex, const ls_udf_config_entry *config, size_t n_config, ls_error *err) {
  return find_and_load(registry, name_or_path, dirs, n_dirs, sha256_hex, true, config, n_config, err);
}

int ls__udf_inspect(ls_udf_registry *registry, const char *name_or_path, const char *const *dirs, size_t n_dirs,
                    ls_error *err) {
  return find_and_load(registry, name_or_path, dirs, n_dirs, NULL, false, NULL, 0, err);
}

const char *const *ls__udf_names(const ls_udf_registry *registry, size_t *n_out) {
  *n_out = registry->n_names;
  return registry->names;
}

const ls_udf_manifest *ls__udf_plugin_at(const ls_udf_registry *registry, size_t i, const char **path) {
  if (i >= registry->n_plugins) return NULL;
  if (path != NULL) *path = registry->plugins[i]->path;
  return &registry->plugins[i]->manifest;
}
