/** @file udf_find.c  From the name in the YAML to a plugin's file. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "udf/udf_internal.h"

#define SUFFIX ".so"

static bool is_file(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static bool is_directory(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

void ls__udf_list_plugins(ls_strmap *out, const char *const *dirs, size_t n_dirs) {
  for (size_t i = 0; i < n_dirs; i++) {
    DIR *dir = opendir(dirs[i]);
    if (dir == NULL) continue;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
      size_t len = strlen(entry->d_name);
      if (len <= strlen(SUFFIX) || strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) != 0) {
        continue;
      }
      char *name = ls__strndup(entry->d_name, len - strlen(SUFFIX));
      ls__strmap_put(out, name, out);
      ls__free(name);
    }
    closedir(dir);
  }
}

static int fail_not_found(const char *name, const char *const *dirs, size_t n_dirs, ls_error *err) {
  ls_buf where = LS_BUF_INIT;
  for (size_t i = 0; i < n_dirs; i++) ls__buf_printf(&where, "%s%s", i ? ", " : "", dirs[i]);
  if (n_dirs == 0) ls__buf_puts(&where, "no directory (none is configured)");

  ls_strmap found = {0};
  ls__udf_list_plugins(&found, dirs, n_dirs);
  const char **names = ls__calloc(found.n + 1, sizeof(*names));
  for (size_t i = 0; i < found.n; i++) names[i] = found.entries[i].key;
  const char *nearest = ls__nearest_name(name, names, found.n);
  int rc = nearest == NULL ? ls_error_set(err, LS_EPLUGIN, "plugin '%s': no %s" SUFFIX " in %s", name, name, where.ptr)
                           : ls_error_set(err, LS_EPLUGIN, "plugin '%s': no %s" SUFFIX " in %s; did you mean '%s'?",
                                          name, name, where.ptr, nearest);
  ls__free(names);
  ls__strmap_fini(&found);
  ls__buf_fini(&where);
  return rc;
}

int ls__udf_find_file(char **out, const char *name_or_path, const char *const *dirs, size_t n_dirs, ls_error *err) {
  if (strchr(name_or_path, '/') != NULL) {
    if (!is_file(name_or_path)) {
      return ls_error_set(err, LS_EPLUGIN, "plugin '%s': %s", name_or_path,
                          is_directory(name_or_path) ? "it is a directory" : "no such file");
    }
    *out = ls__strdup(name_or_path);
    return LS_OK;
  }
  ls_buf path = LS_BUF_INIT;
  int rc = LS_ENOTFOUND;
  for (size_t i = 0; i < n_dirs && rc != LS_OK; i++) {
    ls__buf_clear(&path);
    ls__buf_printf(&path, "%s/%s" SUFFIX, dirs[i], name_or_path);
    if (is_file(path.ptr)) {
      *out = ls__strdup(path.ptr);
      rc = LS_OK;
    } else if (is_directory(path.ptr)) {
      rc = ls_error_set(err, LS_EPLUGIN, "plugin '%s': %s is a directory", name_or_path, path.ptr);
    }
  }
  ls__buf_fini(&path);
  return rc == LS_ENOTFOUND ? fail_not_found(name_or_path, dirs, n_dirs, err) : rc;
}
