/* A program of a user's own. Without arguments: the library's version. With topology, plugin directory
 * and lake: replays the topology over the lake. */
#include <libstream/libstream.h>
#include <stdio.h>

int main(int argc, char **argv) {
  if (argc < 4) return puts(ls_version()) < 0;
  ls_error err = LS_ERROR_INIT;
  ls_topology *topology = NULL;
  ls_runtime *runtime = NULL;
  ls_topology_opts topology_opts = LS_TOPOLOGY_OPTS_INIT;
  const char *dirs[] = {argv[2]};
  topology_opts.plugin_dirs = dirs;
  topology_opts.n_plugin_dirs = 1;
  ls_runtime_opts runtime_opts = LS_RUNTIME_OPTS_INIT;
  runtime_opts.lake = argv[3];
  int rc = ls_topology_load(&topology, argv[1], &topology_opts, &err);
  if (rc == LS_OK) rc = ls_runtime_new(&runtime, topology, &runtime_opts, &err);
  if (rc == LS_OK) rc = ls_runtime_run(runtime, &err);
  if (rc < 0) fprintf(stderr, "%s: %s\n", ls_error_name(rc), err.message);
  ls_runtime_free(runtime);
  ls_topology_free(topology);
  return rc < 0;
}
