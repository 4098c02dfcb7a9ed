/**
 * @file udf_config.c
 * A plugin's configuration: the keys of the YAML against those the plugin declares, and secrets from
 * the environment or from files. Secrets are read when a function opens and wiped when it has.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "udf/udf_internal.h"

#define SECRET_BYTES_MAX 65536

/** A secret that open() asked for. */
typedef struct secret {
  char *text;
  size_t len;
} secret;

/** What open() gets: the public struct first, so that the callbacks find the rest behind it. */
typedef struct open_config {
  ls_udf_config base;
  const ls_udf_plugin *plugin;
  secret *secrets;
  size_t n_secrets, secrets_capacity;
  char why[512];         /* from fail() */
  char secret_note[512]; /* why a secret that was meant to be there is not */
} open_config;

static const ls_udf_config_entry *find_entry(const ls_udf_config_entry *config, size_t n_config, const char *key) {
  for (size_t i = 0; i < n_config; i++) {
    if (strcmp(config[i].key, key) == 0) return &config[i];
  }
  return NULL;
}

static bool has_key(const ls_udf_manifest *manifest, const char *key) {
  for (uint32_t i = 0; i < manifest->n_config_keys; i++) {
    if (strcmp(manifest->config_keys[i].name, key) == 0) return true;
  }
  return false;
}

static int fail_unknown_key(const ls_udf_plugin *plugin, const char *key, ls_error *err) {
  const ls_udf_manifest *manifest = &plugin->manifest;
  uint32_t n = manifest->n_config_keys;
  if (n == 0) {
    return ls_error_set(err, LS_ECONFIG, "plugin '%s' has no config key '%s': it takes none", plugin->name, key);
  }
  ls_buf allowed = LS_BUF_INIT;
  const char **names = ls__calloc(n, sizeof(*names));
  for (uint32_t i = 0; i < n; i++) {
    names[i] = manifest->config_keys[i].name;
    ls__buf_printf(&allowed, "%s%s", i ? ", " : "", names[i]);
  }
  const char *nearest = ls__nearest_name(key, names, n);
  int rc = nearest == NULL
               ? ls_error_set(err, LS_ECONFIG, "plugin '%s' has no config key '%s'; it has: %s", plugin->name, key,
                              allowed.ptr)
               : ls_error_set(err, LS_ECONFIG, "plugin '%s' has no config key '%s'; did you mean '%s'? It has: %s",
                              plugin->name, key, nearest, allowed.ptr);
  ls__free(names);
  ls__buf_fini(&allowed);
  return rc;
}

int ls__udf_config_take(ls_udf_plugin *plugin, const ls_udf_config_entry *config, size_t n_config, ls_error *err) {
  const ls_udf_manifest *manifest = &plugin->manifest;
  for (size_t i = 0; i < n_config; i++) {
    if (!has_key(manifest, config[i].key)) return fail_unknown_key(plugin, config[i].key, err);
  }
  plugin->config = ls__calloc(manifest->n_config_keys + 1, sizeof(*plugin->config));
  for (uint32_t i = 0; i < manifest->n_config_keys; i++) {
    const ls_udf_config_key *key = &manifest->config_keys[i];
    const ls_udf_config_entry *given = find_entry(config, n_config, key->name);
    const char *value = given != NULL ? given->value : key->default_value;
    if (value == NULL) {
      return ls_error_set(err, LS_ECONFIG, "plugin '%s' needs config key '%s'%s%s", plugin->name, key->name,
                          key->about ? ": " : "", key->about ? key->about : "");
    }
    ls_udf_config_entry *entry = &plugin->config[plugin->n_config++];
    entry->key = ls__strdup(key->name);
    entry->value = ls__strdup(value);
  }
  return LS_OK;
}

void ls__udf_config_drop(ls_udf_plugin *plugin) {
  for (size_t i = 0; i < plugin->n_config; i++) {
    ls__free((char *)plugin->config[i].key);
    ls__free((char *)plugin->config[i].value);
  }
  ls__free(plugin->config);
}

static const char *config_get(const ls_udf_config *config, const char *key) {
  const ls_udf_plugin *plugin = ((const open_config *)config)->plugin;
  const ls_udf_config_entry *entry = find_entry(plugin->config, plugin->n_config, key);
  return entry != NULL ? entry->value : NULL;
}

static void config_fail(const ls_udf_config *config, const char *fmt, ...) {
  open_config *self = (open_config *)config;
  va_list args;
  va_start(args, fmt);
  vsnprintf(self->why, sizeof(self->why), fmt, args);
  va_end(args);
}

/** Keeps a copy until open() is through. */
static const char *keep_secret(open_config *self, const char *text, size_t len) {
  ls__grow(&self->secrets, &self->secrets_capacity, self->n_secrets + 1, sizeof(secret));
  secret *kept = &self->secrets[self->n_secrets++];
  kept->text = ls__strndup(text, len);
  kept->len = len;
  return kept->text;
}

/** Reads a secret file into self; a note says why not. */
static const char *read_secret(open_config *self, const char *variable, const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    snprintf(self->secret_note, sizeof(self->secret_note), "%s names '%s', which can't be read: %s", variable, path,
             strerror(errno));
    return NULL;
  }
  char *text = ls__alloc(SECRET_BYTES_MAX + 1);
  setvbuf(file, NULL, _IONBF, 0); /* no copy of the secret in a buffer that is not wiped */
  size_t len = fread(text, 1, SECRET_BYTES_MAX + 1, file);
  bool whole = !ferror(file) && len <= SECRET_BYTES_MAX;
  fclose(file);
  if (whole && len > 0 && text[len - 1] == '\n') len--;
  if (whole && len > 0 && text[len - 1] == '\r') len--;
  const char *kept = NULL;
  if (!whole || memchr(text, '\0', len) != NULL) {
    snprintf(self->secret_note, sizeof(self->secret_note), "%s names '%s', which is not a text of at most %d bytes",
             variable, path, SECRET_BYTES_MAX);
  } else {
    kept = keep_secret(self, text, len);
  }
  explicit_bzero(text, SECRET_BYTES_MAX + 1);
  ls__free(text);
  return kept;
}

static const char *config_secret(const ls_udf_config *config, const char *name) {
  open_config *self = (open_config *)config;
  /* tidy: allow getenv because secrets come by environment, and by no other way */
  const char *value = getenv(name);
  if (value != NULL && value[0] != '\0') return keep_secret(self, value, strlen(value));
  ls_buf variable = LS_BUF_INIT;
  ls__buf_printf(&variable, "%s_FILE", name);
  /* tidy: allow getenv because secrets come by environment, or by the file it names */
  const char *path = getenv(variable.ptr);
  const char *kept = NULL;
  if (path != NULL && path[0] != '\0') kept = read_secret(self, variable.ptr, path);
  ls__buf_fini(&variable);
  return kept;
}

int ls__udf_config_open(void **state, const ls_udf_plugin *plugin, const char *fn_name,
                        int32_t (*open)(const ls_udf_config *, void **), ls_error *err) {
  open_config self = {.base = {sizeof(ls_udf_config), config_get, config_secret, config_fail}, .plugin = plugin};
  *state = NULL;
  int32_t rc = open(&self.base, state);
  for (size_t i = 0; i < self.n_secrets; i++) {
    explicit_bzero(self.secrets[i].text, self.secrets[i].len);
    ls__free(self.secrets[i].text);
  }
  ls__free(self.secrets);
  if (rc >= 0) return LS_OK;
  const char *why = self.why[0] ? self.why : "it gives no reason";
  if (self.secret_note[0] != '\0') {
    return ls_error_set(err, LS_ECONFIG, "function '%s' of plugin '%s' does not open: %s (%s)", fn_name, plugin->name,
                        why, self.secret_note);
  }
  return ls_error_set(err, LS_ECONFIG, "function '%s' of plugin '%s' does not open: %s", fn_name, plugin->name, why);
}
