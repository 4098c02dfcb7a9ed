/**
 * @file paths.h
 * Where the parts of an installation are, found from the executable: the same rule serves a build
 * tree (build/bin, build/lib/libstream/udf, configs) and an installed one (bin, lib/libstream/udf,
 * share/libstream/configs).
 */
#ifndef APPS_PATHS_H
#define APPS_PATHS_H
#include <stdbool.h>
#include <stddef.h>

/** Path of <name>.yaml. False: nowhere; out then says where it was looked for. */
bool app_find_config(char *out, size_t out_bytes, const char *name);
/** Adds the installation's plugins behind LIBSTREAM_PLUGIN_PATH. Call before there are threads. */
void app_add_plugin_path(void);
#endif
