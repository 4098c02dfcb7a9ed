/**
 * @file topology.h
 * @brief Topologies: a YAML file, checked as a whole before anything runs.
 */
#ifndef LIBSTREAM_TOPOLOGY_H
#define LIBSTREAM_TOPOLOGY_H

#include <libstream/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ls_topology ls_topology;

typedef struct ls_parameter {
  const char *name, *value;
} ls_parameter;

typedef struct ls_topology_opts {
  uint32_t struct_size;
  const ls_parameter *parameters; /* override the file's defaults and the environment; unknown names are errors */
  size_t n_parameters;
  const char *const
      *plugin_dirs; /* searched in order, before LIBSTREAM_PLUGIN_PATH (':'-separated) and the installed directory */
  size_t n_plugin_dirs;
  /** Called for each error and warning, in file order. text is "file:line:col: error: ...". NULL: collected in err only
   *  (first error; the count of all). */
  void (*on_diagnostic)(void *payload, const char *text, bool is_error);
  void *payload;
  bool any_parameters; /* parameters that the file does not have are passed over */
} ls_topology_opts;
#define LS_TOPOLOGY_OPTS_INIT                                                                                          \
  { sizeof(ls_topology_opts), NULL, 0, NULL, 0, NULL, NULL, false }

/** Reads, checks and plans a topology with its plugins. @errors LS_ECONFIG, LS_EPLUGIN, LS_EIO (no such file) */
LS_API int ls_topology_load(ls_topology **out, const char *yaml_path, const ls_topology_opts *opts, ls_error *err);
/** Same, from memory; file_name is for messages. */
LS_API int ls_topology_load_text(ls_topology **out, const char *file_name, const char *text, size_t len,
                                 const ls_topology_opts *opts, ls_error *err);
LS_API void ls_topology_free(ls_topology *topology);
LS_API const char *ls_topology_name(const ls_topology *topology);

typedef enum ls_describe_format { LS_DESCRIBE_TEXT, LS_DESCRIBE_DOT } ls_describe_format;
/** Canonical description; *out is freed with ls_text_free. */
LS_API int ls_topology_describe(char **out, const ls_topology *topology, ls_describe_format format, ls_error *err);
/** JSON Schema of the YAML language (for editors) / its reference in Markdown; same table as the parser. */
LS_API int ls_topology_json_schema(char **out, ls_error *err);
LS_API int ls_topology_reference(char **out, ls_error *err);
/** Lists plugins and functions with signatures as text. */
LS_API int ls_topology_functions(char **out, const ls_topology *topology, ls_error *err);
/** Reference of the expressions in Markdown. */
LS_API int ls_topology_expressions(char **out, ls_error *err);
LS_API void ls_text_free(char *text);

/** How large a topology is: steps are what the file declares under `steps`. */
typedef struct ls_topology_counts {
  size_t n_sources, n_tables, n_steps, n_sinks;
} ls_topology_counts;
LS_API void ls_topology_count(ls_topology_counts *out, const ls_topology *topology);

typedef enum ls_compare_format { LS_COMPARE_TEXT, LS_COMPARE_JSON } ls_compare_format;
/**
 * What a live run of `now` takes over of the state that one of `before` has left: the consumer group, each store with its
 * changelog, each internal topic between partitions. Each survives (same name, key and fingerprint), is new, is orphaned (no
 * longer named) or is incompatible. *n_lost: how many are orphaned or incompatible. *out is freed with ls_text_free; JSON is
 * one line: topology, against, lost, items of kind, name, topic, state, reason.
 */
LS_API int ls_topology_compare(char **out, size_t *n_lost, const ls_topology *now, const ls_topology *before,
                               ls_compare_format format, ls_error *err);

/**
 * The ACLs that a live run needs and no others, one command of kafka-acls.sh a line. principal: whom they are for, as
 * User:streaming-index. *out is freed with ls_text_free. @errors LS_EINVAL not a principal
 */
LS_API int ls_topology_acls(char **out, const ls_topology *topology, const char *principal, ls_error *err);

/**
 * Lists plugins, their functions and configuration keys as text; without names, all plugins that are found. Of opts only
 * the directories count; they are searched as by ls_topology_load. No function is opened, so no secret and no
 * configuration is needed.
 * @errors LS_EPLUGIN
 */
LS_API int ls_plugins_describe(char **out, const char *const *names, size_t n_names, const ls_topology_opts *opts,
                               ls_error *err);

#ifdef __cplusplus
}
#endif
#endif
