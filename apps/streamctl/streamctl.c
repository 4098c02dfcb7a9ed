/**
 * @file streamctl.c
 * streamctl: looks at topologies and plugins, and runs any topology. One function per sub-command, one
 * table that names them.
 */
#include "common/app_run.h"
#include "common/exit_code.h"
#include "common/paths.h"
#include "streamctl/graph.h"
#include "streamctl/letters.h"

#include <libstream/libstream.h>

#include <stdio.h>
#include <string.h>

typedef struct subcommand {
  const char *word;    /* "udf list" has two */
  const char *summary; /* one line of streamctl --help */
  int (*run)(const app_command *command, app_options *options);
  int (*text)(char **out, ls_error *err); /* instead of run */
  app_command command;
} subcommand;

/** Text of the library, or its error. */
static int print_text(const app_command *command, int rc, char *text, const ls_error *err) {
  if (rc >= 0) return app_print(command->name, text);
  fprintf(stderr, "%s: %s\n", command->name, err->message);
  return app_exit_code(rc);
}

static int validate(const app_command *command, app_options *options) {
  ls_topology *topology = NULL;
  int code = app_load(&topology, command, options, options->arguments[0]);
  if (code != APP_DONE) return code;
  ls_topology_counts counts;
  ls_topology_count(&counts, topology);
  printf("ok: %zu sources, %zu tables, %zu steps, %zu sinks\n", counts.n_sources, counts.n_tables, counts.n_steps,
         counts.n_sinks);
  ls_topology_free(topology);
  return APP_DONE;
}

static int describe(const app_command *command, app_options *options) {
  ls_topology *topology = NULL;
  ls_error err = LS_ERROR_INIT;
  char *text = NULL;
  int code = app_load(&topology, command, options, options->arguments[0]);
  if (code != APP_DONE) return code;
  bool plain = strcmp(options->format, "text") == 0;
  int rc = ls_topology_describe(&text, topology, plain ? LS_DESCRIBE_TEXT : LS_DESCRIBE_DOT, &err);
  ls_topology_free(topology);
  if (rc < 0 || strcmp(options->format, "svg") != 0) return print_text(command, rc, text, &err);
  code = graph_print_svg(command->name, text);
  ls_text_free(text);
  return code;
}

static int plan(const app_command *command, app_options *options) {
  ls_topology *now = NULL, *before = NULL;
  ls_error err = LS_ERROR_INIT;
  char *text = NULL;
  size_t n_lost = 0;
  int code = app_load(&now, command, options, options->arguments[0]);
  if (code == APP_DONE) code = app_load_other(&before, command, options, options->against);
  if (code == APP_DONE) {
    bool json = strcmp(options->output_format, "json") == 0;
    int rc = ls_topology_compare(&text, &n_lost, now, before, json ? LS_COMPARE_JSON : LS_COMPARE_TEXT, &err);
    code = print_text(command, rc, text, &err);
  }
  ls_topology_free(now);
  ls_topology_free(before);
  return code == APP_DONE && n_lost > 0 ? APP_CHECK_FAILED : code;
}

static int acls(const app_command *command, app_options *options) {
  ls_topology *topology = NULL;
  ls_error err = LS_ERROR_INIT;
  char *text = NULL;
  int code = app_load(&topology, command, options, options->arguments[0]);
  if (code != APP_DONE) return code;
  int rc = ls_topology_acls(&text, topology, options->principal, &err);
  ls_topology_free(topology);
  return print_text(command, rc, text, &err);
}

static int run(const app_command *command, app_options *options) {
  app_job job = {.command = command, .options = options, .config = options->arguments[0]};
  return app_run(&job);
}

static int parity(const app_command *command, app_options *options) {
  app_job job = {.command = command, .options = options, .config = options->arguments[0], .parity = true};
  return app_run(&job);
}

static int udf_list(const app_command *command, app_options *options) {
  ls_error err = LS_ERROR_INIT;
  ls_topology_opts opts = LS_TOPOLOGY_OPTS_INIT;
  char *text = NULL;
  opts.plugin_dirs = options->plugin_dirs;
  opts.n_plugin_dirs = options->n_plugin_dirs;
  app_add_plugin_path();
  int rc = ls_plugins_describe(&text, options->arguments, (size_t)options->n_arguments, &opts, &err);
  return print_text(command, rc, text, &err);
}

/** Sub-commands that print a text of the library and take no options. */
static int print_reference(const app_command *command, int (*make)(char **out, ls_error *err)) {
  ls_error err = LS_ERROR_INIT;
  char *text = NULL;
  int rc = make(&text, &err);
  return print_text(command, rc, text, &err);
}

static int faults(const app_command *command, app_options *options) {
  (void)command;
  (void)options;
  const char *name;
  for (size_t i = 0; (name = ls_runtime_fault_point(i)) != NULL; i++) puts(name);
  return APP_DONE;
}

// clang-format off
static const subcommand subcommands[] = {
    {"validate", "checks a topology and tells all its errors", validate, NULL,
     {.name = "streamctl validate", .arguments = "FILE",
      .about = "Checks a topology with its plugins, as a run would before it reads anything. All\n"
               "errors go to stderr as file:line:column.",
      .options = APP_SET | APP_PLUGINS, .n_arguments_min = 1, .n_arguments_max = 1}},
    {"describe", "prints a topology as text, graph or picture", describe, NULL,
     {.name = "streamctl describe", .arguments = "FILE",
      .about = "Prints what a topology does: its steps in order, with types, stores and inputs.",
      .options = APP_SET | APP_PLUGINS | APP_FORMAT, .n_arguments_min = 1, .n_arguments_max = 1}},
    {"plan", "tells which state survives an edit", plan, NULL,
     {.name = "streamctl plan", .arguments = "FILE",
      .about = "Compares a topology with the one that runs now: which stores and internal topics a live\n"
               "run takes over, which are new, orphaned or incompatible. Exit 8 when state is lost.\n"
               "--set is for both files; parameters that the old one does not have are passed over.",
      .options = APP_SET | APP_PLUGINS | APP_AGAINST | APP_OUTPUT_FORMAT, .required = APP_AGAINST,
      .n_arguments_min = 1, .n_arguments_max = 1}},
    {"acls", "prints the ACLs that a live run needs", acls, NULL,
     {.name = "streamctl acls", .arguments = "FILE",
      .about = "Prints the ACLs that a live run of a topology needs, and no others, as commands of Kafka's\n"
               "kafka-acls.sh. Nothing is asked of a cluster. What has a prefix is the application's own.",
      .options = APP_SET | APP_PLUGINS | APP_PRINCIPAL, .required = APP_PRINCIPAL, .n_arguments_min = 1,
      .n_arguments_max = 1}},
    {"run", "runs a topology over a lake", run, NULL,
     {.name = "streamctl run", .arguments = "FILE",
      .about = "Runs a topology over the files of a lake, in event-time order, to the end of the\n"
               "input. A range of dates is one run.",
      .options = APP_OF_A_RUN | APP_OF_A_LIVE_RUN, .required = APP_LAKE, .n_arguments_min = 1, .n_arguments_max = 1}},
    {"parity", "compares a live run with a replay of its input", parity, NULL,
     {.name = "streamctl parity", .arguments = "FILE",
      .about = "Records the topics that a live run has read, up to what its group has committed, replays them,\n"
               "and compares its topics, dead letters too, key by key and in order. Exit 8 when they differ.\n"
               "Give it the parameters (--set) and the environment of the live run. The run may go on, as long as\n"
               "nothing comes in.",
      .options = APP_SET | APP_PLUGINS | APP_WORK_DIR | APP_OUTPUT_FORMAT | APP_QUIET | APP_KEEP | APP_SHOWN,
      .n_arguments_min = 1, .n_arguments_max = 1}},
    {"dlq list", "shows the dead letters of live runs", dlq_list, NULL,
     {.name = "streamctl dlq list", .arguments = "FILE",
      .about = "Shows what is in the dead-letter topics of a topology's sources: counts by source, step and\n"
               "reason, and the first letters one by one, without their payloads.",
      .options = APP_SET | APP_PLUGINS | APP_SOURCE | APP_SHOWN | APP_OUTPUT_FORMAT, .n_arguments_min = 1, .n_arguments_max = 1}},
    {"dlq replay", "sends the records of dead letters again", dlq_replay, NULL,
     {.name = "streamctl dlq replay", .arguments = "FILE",
      .about = "Sends the record of each dead letter to its topic and partition again, as it was, once: what\n"
               "was replayed before is left out, also after a kill. For when the cause has been mended.",
      .options = APP_SET | APP_PLUGINS | APP_SOURCE | APP_SHOWN | APP_DRY_RUN | APP_OUTPUT_FORMAT,
      .n_arguments_min = 1,
      .n_arguments_max = 1}},
    {"udf list", "lists plugins and their functions", udf_list, NULL,
     {.name = "streamctl udf list", .arguments = "[PLUGIN...]",
      .about = "Lists plugins with their functions, types and configuration keys; without names, all\n"
               "that are found. No function is opened, so no secret is needed.",
      .options = APP_PLUGINS, .n_arguments_max = 1000}},
    {"schema", "prints the JSON Schema of topologies, for editors", NULL, ls_topology_json_schema,
     {.name = "streamctl schema", .about = "Prints the JSON Schema of the YAML language."}},
    {"reference", "prints the reference of topologies in Markdown", NULL, ls_topology_reference,
     {.name = "streamctl reference", .about = "Prints the YAML language in Markdown."}},
    {"expressions", "prints the reference of expressions in Markdown", NULL,
     ls_topology_expressions,
     {.name = "streamctl expressions", .about = "Prints operators and functions in Markdown."}},
    {"faults", "lists the fault points, for crash tests", faults, NULL,
     {.name = "streamctl faults",
      .about = "Lists the points at which LS_FAULT=<name>[:n] kills the process, for crash tests."}},
};
// clang-format on
#define N_SUBCOMMANDS (sizeof subcommands / sizeof *subcommands)

static int help(void) {
  printf("usage: streamctl <command> [options]\n\nLooks at topologies and plugins, and runs "
         "them.\n\n");
  for (size_t i = 0; i < N_SUBCOMMANDS; i++) {
    printf("  %-12s %s\n", subcommands[i].word, subcommands[i].summary);
  }
  printf("\nstreamctl <command> --help tells more.\n\n%s", app_exit_code_help);
  return APP_DONE;
}

static int unknown(const char *typed) {
  const char *words[N_SUBCOMMANDS];
  for (size_t i = 0; i < N_SUBCOMMANDS; i++) words[i] = subcommands[i].word;
  const char *nearest = app_nearest(typed, words, N_SUBCOMMANDS);
  if (strncmp(typed, "udf", 3) == 0) nearest = "udf list";
  if (nearest == NULL) return app_usage_error("streamctl", "unknown command '%s'", typed);
  return app_usage_error("streamctl", "unknown command '%s'; did you mean '%s'?", typed, nearest);
}

int main(int argc, char **argv) {
  app_options options;
  if (argc < 2) return app_usage_error("streamctl", "a command is missing");
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return help();
  if (strcmp(argv[1], "--version") == 0) {
    printf("streamctl %s (library %s)\n", LS_VERSION_STRING, ls_version());
    return APP_DONE;
  }
  char typed[64];
  bool two = strcmp(argv[1], "udf") == 0 || strcmp(argv[1], "dlq") == 0;
  int n_words = two && argc > 2 ? 2 : 1;
  snprintf(typed, sizeof typed, "%s%s%s", argv[1], n_words == 2 ? " " : "", n_words == 2 ? argv[2] : "");
  for (size_t i = 0; i < N_SUBCOMMANDS; i++) {
    const subcommand *sub = &subcommands[i];
    if (strcmp(sub->word, typed) != 0) continue;
    int code = app_options_parse(&options, &sub->command, argc - n_words, argv + n_words);
    if (code != APP_GO_ON) return code;
    return sub->run != NULL ? sub->run(&sub->command, &options) : print_reference(&sub->command, sub->text);
  }
  return unknown(typed);
}
