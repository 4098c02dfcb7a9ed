/** @file load.h  What a loaded topology is made of, and loading without plugins. */
#ifndef LS_TOPOLOGY_LOAD_H
#define LS_TOPOLOGY_LOAD_H
#include "topology/topology.h"

struct ls_topology {
  ls_arena arena; /* plan, schemas, expressions */
  ls_plan plan;
  ls_udf_registry *udfs;
  ls_topology_counts counts;
};

#define LS_PLUGIN_DIRS_MAX 32
/** Directories of plugins in the order in which they are searched: those of opts, LIBSTREAM_PLUGIN_PATH, the installed
 *  one. What opts does not hold lives in arena. Returns how many. */
size_t ls__plugin_dirs(const char *out[LS_PLUGIN_DIRS_MAX], const ls_topology_opts *opts, ls_arena *arena);

/** Same as ls_topology_load_text; load_plugins false: the `plugins` section is checked, but no file is opened (fuzzing). */
int ls__topology_load(ls_topology **out, const char *file_name, const char *text, size_t len,
                      const ls_topology_opts *opts, bool load_plugins, ls_error *err);
#endif
