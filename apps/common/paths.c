/** @file paths.c  Finding configurations and plugins from the executable's place. */
#include "common/paths.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLUGIN_PATH "LIBSTREAM_PLUGIN_PATH"

/** Directory above the executable's: the root of an installation, or the build tree. */
static bool find_root(char out[PATH_MAX]) {
  ssize_t len = readlink("/proc/self/exe", out, PATH_MAX - 1);
  if (len <= 0) return false;
  out[len] = 0;
  for (int i = 0; i < 2; i++) {
    char *slash = strrchr(out, '/');
    if (slash == NULL) return false;
    *slash = 0;
  }
  return true;
}

bool app_find_config(char *out, size_t out_bytes, const char *name) {
  char root[PATH_MAX], resolved[PATH_MAX];
  if (find_root(root)) {
    int n = snprintf(out, out_bytes, "%s/share/libstream/configs/%s.yaml", root, name);
    if (n > 0 && (size_t)n < out_bytes && realpath(out, resolved) != NULL) {
      snprintf(out, out_bytes, "%s", resolved); /* without links: it stands in messages */
      return true;
    }
  }
  snprintf(out, out_bytes, "configs/%s.yaml", name);
  return access(out, R_OK) == 0;
}

void app_add_plugin_path(void) {
  char root[PATH_MAX], path[2 * PATH_MAX];
  const char *given = getenv(PLUGIN_PATH);
  if (!find_root(root)) return;
  bool empty = given == NULL || given[0] == 0;
  int n = snprintf(path, sizeof path, "%s%s%s/lib/libstream/udf", empty ? "" : given, empty ? "" : ":", root);
  if (n > 0 && (size_t)n < sizeof path) setenv(PLUGIN_PATH, path, 1);
}
