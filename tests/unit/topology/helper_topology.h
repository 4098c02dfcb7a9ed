/* Loading small topologies in tests, and reading files of the source tree. */
#ifndef LS_TEST_HELPER_TOPOLOGY_H
#define LS_TEST_HELPER_TOPOLOGY_H
#include "base/buf.h"
#include "topology/topology.h"

/* Ends of files that make a few steps a whole topology. */
const char *topology_suffix(const char *name);

/* Loads text with the test plugins; diagnostics go to messages, one per line, without the file name. */
int topology_load(ls_topology **out, const char *text, const ls_parameter *parameters, size_t n_parameters,
                  ls_buf *messages);
/* Same, of text and suffix, which has to be right: fails the test with the messages otherwise. */
ls_topology *topology_must_load(const char *text, const char *suffix);
/* Same, of a file below the source directory, with the plugins of the tree. */
ls_topology *topology_must_load_file(const char *path, const ls_parameter *parameters, size_t n_parameters);

const ls_plan_node *plan_node(const ls_plan *plan, const char *name, ls_verb verb);
const ls_plan_source *plan_source(const ls_plan *plan, const char *name);
/* "a b c": names of the fields whose bit is set. */
void wanted_text(ls_buf *out, const ls_schema *schema, const uint64_t *wanted);

/* Contents of a file below the source directory. Fails the test when it is not there. */
void source_file_read(ls_buf *out, const char *path);
/* Compares with a stored file, or writes it when LS_UPDATE is set. */
void check_golden(const char *path, const char *text);
#endif
