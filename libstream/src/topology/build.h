/**
 * @file build.h
 * The checked tree -> plan. One ls_build lives while a file is loaded; what the plan keeps is in its
 * arena. Steps are built in an order in which each comes after what it reads. A step that fails is
 * reported, makes no node, and leaves what is known of its rows (ls__build_guess), so that the errors
 * of those that read it are told in the same go; what rests on the unknown part of it is not judged.
 *
 * load: build_entries -> build_sources -> build_steps (build_rows, build_joins, build_keyed,
 * build_aggregates) -> build_sinks -> finish (sub-topologies, liveness, sensitive fields).
 */
#ifndef LS_TOPOLOGY_BUILD_H
#define LS_TOPOLOGY_BUILD_H
#include "base/hash.h"
#include "node/plan.h"
#include "topology/yaml_tree.h"

#define LS_STEPS_MAX   2000
#define LS_SOURCES_MAX 64 /* LS_SEQ_MAKE has six bits for the source */
#define LS_NO_GLOBAL   UINT32_MAX

/** What is known of rows when there is an error before them. Key and time are only known with all. */
typedef enum ls_known {
  LS_KNOWN,        /* all */
  LS_KNOWN_NAMES,  /* every column's name; the type is NONE where it is not known */
  LS_KNOWN_SOME,   /* there may be more columns */
  LS_KNOWN_NOTHING /* not even whether they are a stream or a table */
} ls_known;

/** What a name in `from` or `with` means: rows at an output of a node, perhaps kept in a table. */
typedef struct ls_rel {
  const char *name; /* as written, without parameters: "matched.late" */
  const ls_schema *schema;
  ls_plan_input at;
  uint32_t table;   /* node that keeps it; LS_NO_NODE: a stream */
  uint32_t global;  /* index in plan->globals; LS_NO_GLOBAL */
  bool partitioned; /* rows of a key are in one partition, the key being schema->key */
  bool has_time;    /* rows have an event time */
  bool broken;      /* there is an error before: no node makes them (at, and what table holds but for being set) */
  ls_known known;
} ls_rel;

typedef enum ls_entry_kind { LS_ENTRY_SOURCE, LS_ENTRY_TABLE, LS_ENTRY_STEP } ls_entry_kind;
typedef enum ls_entry_state {
  LS_ENTRY_NEW,
  LS_ENTRY_OPEN,
  LS_ENTRY_ORDERED,
  LS_ENTRY_DONE,
  LS_ENTRY_FAILED
} ls_entry_state;

typedef struct ls_entry ls_entry;
/** A name in a step, resolved as far as the entry. */
typedef struct ls_ref {
  const ls_yaml *at;
  ls_entry *entry;    /* NULL: unknown, reported */
  const char *output; /* after the dot; NULL: the main one */
} ls_ref;

typedef struct ls_entry_output {
  const char *name; /* "" is the main one */
  ls_rel rel;
} ls_entry_output;

/** A declared source, table or step. */
struct ls_entry {
  ls_entry_kind kind;
  ls_entry_state state;
  const char *name;
  ls_yaml *map;
  const ls_yaml *verb;       /* steps: the verb's value; NULL: none, reported */
  ls_ref *refs;              /* steps: from or merge, then with */
  uint32_t n_refs, n_inputs; /* refs[n_inputs] is `with` if n_refs > n_inputs */
  bool used;
  ls_entry_output outputs[5]; /* but of a branch: `branches` */
  ls_entry_output *branches;
  uint32_t n_outputs;
  bool outputs_open; /* it failed, and may have more outputs than these */
};

typedef struct ls_build {
  ls_diag *diag;
  ls_yaml_doc *doc;
  ls_arena *arena; /* the plan's */
  ls_plan *plan;
  ls_udf_registry *udfs;
  bool plugins_failed;  /* functions may be missing for that reason alone */
  bool refs_unknown;    /* some reference could not be read: what is unused is not known */
  bool schemas_unknown; /* the same of schemas */
  bool too_many_sources;
  bool globals_failed; /* columns inside EXISTS, the same */
  /* what the plan gets; capacities are fixed beforehand, so pointers stay */
  ls_plan_node *nodes;
  uint32_t nodes_capacity;
  ls_plan_source *sources;
  uint32_t n_file_sources;
  ls_plan_global *globals;
  ls_plan_sink *sinks;
  uint32_t *component; /* by node: union-find of sub-topologies */
  /* names */
  ls_strmap schemas; /* -> ls_schema_cell */
  ls_strmap schemas_used;
  ls_strmap entries; /* -> ls_entry */
  ls_entry **order;  /* steps so that each is after what it reads */
  uint32_t n_order;
  ls_strmap stores;       /* -> ls_yaml of the store's name */
  ls_strmap calls;        /* functions that expressions call */
  ls_strmap exists;       /* tables that expressions name in EXISTS */
  ls_strmap outputs_used; /* "step.output" as written */
  ls_strmap messages;     /* protobuf messages in use */
  ls_strmap node_names;
} ls_build;

/** A schema of the file as far as it could be read. */
typedef struct ls_schema_cell {
  const ls_schema *schema;
  ls_known known;
} ls_schema_cell;

/* build_schemas.c */
void ls__build_schemas(ls_build *b);
/** Copy with fields that may be changed. */
ls_schema *ls__schema_copy(ls_arena *arena, const ls_schema *schema, const char *name);
ls_schema *ls__schema_new(ls_arena *arena, const char *name, uint32_t n_fields);
void ls__schema_set_key(ls_schema *schema, ls_arena *arena, const uint32_t *key, uint32_t n_key);
/** "transaction_id, merchant_id" for messages. */
const char *ls__schema_names(const ls_build *b, const ls_schema *schema, const uint32_t *fields, uint32_t n);
/** Looks columns up (a name or a list of names). False: reported, or not known. */
bool ls__build_columns(ls_build *b, const ls_yaml *names, const ls_rel *in, uint32_t **out, uint32_t *n_out);
/** Field of that name, or reports it at the scalar with the nearest name. -1: reported, or not known. */
int32_t ls__build_column(ls_build *b, const ls_yaml *name, const ls_rel *in);
const char *ls__type_text(const ls_build *b, const ls_type *type);
/** "an int64" */
const char *ls__a_type(const ls_build *b, const ls_type *type);

/* build_entries.c */
/** Collects names, references and the functions that expressions call; orders steps; finds cycles. */
void ls__build_entries(ls_build *b);
/** What a reference means once its entry is built: broken rows when it failed; reported, here or before. */
ls_rel ls__build_resolve(ls_build *b, const ls_ref *ref);
/** Resolves a scalar that was not collected beforehand (sinks). */
ls_ref ls__build_ref(ls_build *b, const ls_yaml *scalar);
/** Reports what nothing uses. */
void ls__build_check_used(ls_build *b);

/* build_sources.c */
void ls__build_sources(ls_build *b);

/* build_common.c: what verbs share */
ls_plan_node *ls__build_node(ls_build *b, const char *name, ls_verb verb, const ls_rel *inputs, uint32_t n_inputs);
/** Sets the outputs of a node; schemas[i] may be NULL from n on. */
void ls__build_outputs(ls_build *b, ls_plan_node *node, const char *const *names, const ls_schema *const *schemas,
                       uint32_t n);
/** Marks an entry as built with one stream. rel's name and place are filled in. */
void ls__build_done(ls_entry *entry, const ls_plan_node *node, ls_rel rel);
/**
 * The same of a step that failed, or that reads broken rows: rows of that schema, by key, time and table as in `like`.
 * Returns false, as the step's own function then does.
 */
bool ls__build_guess(ls_entry *entry, ls_rel like, const ls_schema *schema, ls_known known);
/** Adds another output after ls__build_done or ls__build_guess. */
void ls__build_add_output(ls_entry *entry, uint32_t index, const char *name, ls_rel rel);
/** rel, or the same rows sent to partitions by `key` (fields of rel). step names the internal node. */
ls_rel ls__build_partition(ls_build *b, const char *step, ls_rel rel, const uint32_t *key, uint32_t n_key);
/** Whether the rows have a key, as far as that is known. False: reported at `at`. */
bool ls__build_check_key(ls_build *b, const ls_yaml *at, const char *verb, const ls_rel *rel);
/** Rows partitioned by their own key. False: the rows have no key, reported at `at`. */
bool ls__build_keyed(ls_build *b, const ls_yaml *at, const char *verb, ls_rel *rel);
/** Puts two inputs into one sub-topology; where one is computed from the other's sub-topology, the
 *  earlier rows are sent on once more. False: not possible, reported. */
bool ls__build_join_components(ls_build *b, const ls_yaml *at, const char *step, ls_rel *left, ls_rel *right);
uint32_t ls__build_component(const ls_build *b, uint32_t node);
void ls__build_union(ls_build *b, uint32_t node_a, uint32_t node_b);
/** Takes the store named in map. False: missing or taken, reported. suffix "" or "-right". */
bool ls__build_store(ls_build *b, const ls_yaml *map, const char *suffix, uint64_t fingerprint, ls_plan_store *out);
/** Whether the scalar is the name of a Kafka topic. False: reported. */
bool ls__build_topic(ls_build *b, const ls_yaml *topic);
/** Hash over verb, key and value columns as text. */
uint64_t ls__build_fingerprint(const char *verb, const ls_schema *schema, const uint32_t *key, uint32_t n_key,
                               const ls_schema *value, const char *extra);
/** Same name and type in both, field by field; *different: the first that differs. */
bool ls__build_same_columns(const ls_schema *a, const ls_schema *b, uint32_t *different);

/* build_expr.c */
/** Compiles a scalar over rows; NULL: reported, or it reads what is not known of them. */
ls_expr *ls__build_expr(ls_build *b, const ls_yaml *scalar, const ls_rel *in);
/** Same, of a part of its text. */
ls_expr *ls__build_expr_part(ls_build *b, const ls_yaml *scalar, size_t from, size_t len, const ls_rel *in);
/** Same, and it must be BOOL. */
ls_expr *ls__build_predicate(ls_build *b, const ls_yaml *scalar, const ls_rel *in);
/** Expression of a bare column, or of text that is known to be right. */
ls_expr *ls__build_expr_text(ls_build *b, const char *text, const ls_schema *schema);
/** Notes the functions and EXISTS tables that the text names. */
void ls__build_note_calls(ls_build *b, const char *text);
/** Length of the token at text[at]: quoted texts and names whole, else one byte. */
size_t ls__build_token(const char *text, size_t len, size_t at);

/* build_steps.c: one step */
void ls__build_steps(ls_build *b);
/* build_rows.c, build_joins.c, build_keyed.c, build_aggregates.c: verbs. False: failed, reported. */
typedef bool (*ls_build_verb_fn)(ls_build *b, ls_entry *entry, ls_rel in);
bool ls__build_filter(ls_build *b, ls_entry *entry, ls_rel in);
bool ls__build_select(ls_build *b, ls_entry *entry, ls_rel in);
bool ls__build_extend(ls_build *b, ls_entry *entry, ls_rel in);
bool ls__build_flat_map(ls_build *b, ls_entry *entry, ls_rel in);
bool ls__build_branch(ls_build *b, ls_entry *entry, ls_rel in);
bool ls__build_merge(ls_build *b, ls_entry *entry, ls_rel in);
bool ls__build_select_key(ls_build *b, ls_entry *entry, ls_rel in);
bool ls__build_join(ls_build *b, ls_entry *entry, ls_rel in);
bool ls__build_latest(ls_build *b, ls_entry *entry, ls_rel in);
bool ls__build_deduplicate(ls_build *b, ls_entry *entry, ls_rel in);
bool ls__build_aggregate(ls_build *b, ls_entry *entry, ls_rel in);
bool ls__build_changes(ls_build *b, ls_entry *entry, ls_rel in);
/** Makes a LATEST node (tables and `latest`); order_by -1: order of arrival. */
ls_plan_node *ls__build_latest_node(ls_build *b, const char *name, ls_rel in, int32_t order_by, ls_emit emit,
                                    ls_plan_store store);

/* build_sinks.c */
void ls__build_sinks(ls_build *b);
/* build_paths.c */
/** Reports directories that two write to, or one writes and one reads. */
void ls__build_check_paths(ls_build *b);
/** Offset of the brace that closes the one at text[at]; len when there is none. */
size_t ls__build_path_close(const char *text, size_t len, size_t at);

/* build_live.c */
/** `kafka` and what `runtime` says for live running. */
void ls__build_live_settings(ls_build *b);
/** Whether a setting's value stands in no file. */
bool ls__build_is_secret(const char *name);
/** Takes ${env:...} and ${file:...} apart; out->name is set. False: it was reported. */
bool ls__build_later(ls_build *b, const ls_yaml *value, ls_plan_property *out);
/** `protobuf: package.Message` of a source, table or sink: wanted, or told to be of no use ("neither live nor replay has"). False:
 *  *descriptor is not set. In build_sources.c. */
bool ls__build_message(ls_build *b, const ls_yaml *map, bool wanted, const char *unwanted, const void **descriptor);
/** `schema_registry`, after those that use it. */
void ls__build_registry(ls_build *b);
/** "<application_id>-<name><suffix>" */
const char *ls__build_internal_topic(ls_build *b, const char *name, const char *suffix);
/** Reports topics that two sources read, that are written and read, or that are called as internal ones. */
void ls__build_check_topics(ls_build *b);
/* build_finish.c */
/** Numbers sub-topologies, fills the plan's arrays and the `wanted` sets. */
void ls__build_finish(ls_build *b);
/* build_retract.c */
/** Where rows that take back go in a live run, and what has no meaning there. After the sub-topologies are numbered. */
void ls__build_retractions(ls_build *b);
/* build_liveness.c */
/** Which fields of sources and globals the plan reads. */
void ls__build_liveness(ls_build *b);

/* build_filled.c */
/** Marks the columns of each output that are not null because nobody read them; after the liveness. */
void ls__build_filled(ls_build *b);
/* build_sensitive.c */
/** Source field ("transactions.user_id") that field f of an output comes from; NULL: none sensitive. */
const char *ls__build_sensitive_origin(const ls_build *b, ls_plan_input at, uint32_t field);
/** Same, of what an expression over an output reads. */
const char *ls__build_sensitive_expr(const ls_build *b, ls_plan_input at, const ls_expr *expr);
/** "mask it with udf_mask_sensitive": the functions of the loaded plugins that may make a sensitive value visible. */
const char *ls__build_mask_advice(const ls_build *b);

static inline ls_emit ls__emit_of(const char *text, ls_emit otherwise) {
  if (text == NULL) return otherwise;
  return text[0] == 'f' ? LS_EMIT_FINAL : LS_EMIT_CHANGES;
}
static inline bool ls__is_true(const char *text) {
  return text != NULL && text[0] == 't';
}
#endif
