/** @file build_registry.c  `schema_registry`, and whether somebody uses it. */
#include "data/datetime.h"
#include "topology/build.h"
#include "topology/params.h"

static const char *const names[LS_REGISTRY_SETTINGS] = {"url", "username", "password", "token", "ca_file"};

/** The address is not shown: it may hold a password. */
static bool check_url(ls_build *b, const ls_yaml *url, const char *text) {
  const char *host = strstr(text, "://");
  host = host != NULL ? host + 3 : text;
  if (memchr(host, '@', strcspn(host, "/?#")) != NULL) {
    ls__diag_add(b->diag, url->mark, "url: holds a user; give username and password of their own instead");
    return false;
  }
  bool http = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
  if (http && host[0] != 0 && host[0] != '/' && host[strcspn(host, "?# \t")] == 0) return true;
  ls__diag_add(b->diag, url->mark, "url: not an address; write https://host:port, with a path where it has one");
  return false;
}

/** A path is meant from where the YAML file is. */
static const char *from_here(ls_build *b, const char *path) {
  const char *file = b->plan->file, *slash = strrchr(file, '/');
  if (path[0] == '/' || slash == NULL) return path;
  return ls__arena_printf(b->arena, "%.*s/%s", (int)(slash - file), file, path);
}

static void set_one(ls_build *b, const ls_yaml *value, ls_registry_setting which) {
  ls_plan_property *out = &b->plan->registry.settings[which];
  *out = (ls_plan_property){.name = names[which], .value = value->text};
  if (value->bad || value->poisoned) return;
  if (ls__later_value(value->text)) {
    bool ok = ls__build_later(b, value, out);
    if (ok && which == LS_REGISTRY_URL && out->fallback != NULL) (void)check_url(b, value, out->fallback);
  } else if (ls__build_is_secret(names[which])) {
    ls__diag_add(b->diag, value->mark,
                 "%s is a secret and does not stand in a topology; write ${env:NAME} or ${file:PATH}", names[which]);
  } else if (which == LS_REGISTRY_URL) {
    (void)check_url(b, value, value->text);
  } else if (which == LS_REGISTRY_CA_FILE) {
    out->value = from_here(b, value->text);
  }
}

static void check_credentials(ls_build *b, const ls_yaml *map) {
  const ls_yaml *user = ls__yaml_get(map, "username"), *password = ls__yaml_get(map, "password");
  const ls_yaml *token = ls__yaml_get(map, "token");
  if (user != NULL && password == NULL) ls__diag_add(b->diag, user->key->mark, "username has no password; give one");
  if (user == NULL && password != NULL)
    ls__diag_add(b->diag, password->key->mark, "password has no username; give one");
  if (token != NULL && (user != NULL || password != NULL))
    ls__diag_add(b->diag, token->key->mark, "token and username are two ways to log in; give one of them");
}

static void set_timeout(ls_plan_registry *registry, const ls_yaml *map) {
  const char *text = ls__yaml_text(map, "timeout");
  registry->timeout_us = 3 * INT64_C(1000000);
  if (text != NULL) ls__duration_parse(&registry->timeout_us, ls__slice_of(text));
}

/** Who reads or writes with it: as marks, since what failed otherwise is in no plan. */
static bool find_uses(ls_build *b, bool there) {
  static const char *const sections[] = {"sources", "tables", "sinks"};
  bool used = false;
  for (int i = 0; i < 3; i++) {
    const ls_yaml *section = ls__yaml_get(b->doc->root, sections[i]);
    for (const ls_yaml *map = section != NULL ? section->first : NULL; map != NULL; map = map->next) {
      const ls_yaml *registry = map->bad ? NULL : ls__yaml_get(ls__yaml_get(map, "live"), "registry");
      if (registry == NULL || (!registry->poisoned && !ls__is_true(registry->text))) continue;
      used = true;
      if (there) continue;
      ls__diag_add(b->diag, registry->mark,
                   "registry: the file has no schema_registry; give it, as schema_registry: { url: "
                   "\"https://registry:8081\" }");
    }
  }
  return used;
}

void ls__build_registry(ls_build *b) {
  const ls_yaml *root = b->doc->root, *map = ls__yaml_get(root, "schema_registry");
  bool there = map != NULL;
  for (const ls_yaml *key = root->first; key != NULL && !there; key = key->next)
    there = strcmp(key->key->text, "schema_registry") == 0; /* a wrong one was reported */
  ls_plan_registry *registry = &b->plan->registry;
  registry->used = find_uses(b, there);
  if (map == NULL) return;
  if (!registry->used)
    ls__diag_add(b->diag, map->key->mark,
                 "schema_registry is of no use here; no source, table or sink has registry: true");
  for (int i = 0; i < LS_REGISTRY_SETTINGS; i++) {
    const ls_yaml *value = ls__yaml_get(map, names[i]);
    if (value != NULL) set_one(b, value, (ls_registry_setting)i);
  }
  check_credentials(b, map);
  set_timeout(registry, map);
  const char *add = ls__yaml_text(map, "auto_register");
  registry->auto_register = add == NULL || ls__is_true(add);
}
