/**
 * @file plan.h
 * The checked plan: what the topology room makes of a YAML file and what nodes, tasks and drivers run. Immutable once
 * built, shared by all threads, owned by one arena. Nothing in it needs checking again.
 *
 * Nodes are in topological order: a node's inputs and the tables it reads have smaller ids. Edges carry batches.
 * A sub-topology is a set of nodes that work on the same partitioning; a REPARTITION node ends one and is read by
 * a SOURCE-like entry of the next (its `repartition` plan source).
 */
#ifndef LS_NODE_PLAN_H
#define LS_NODE_PLAN_H
#include "codec/proto_text.h"
#include "expr/expr.h"
#include "store/store.h"

typedef enum ls_verb {
  LS_VERB_SOURCE, /* rows of plan->sources[source] */
  LS_VERB_FILTER,
  LS_VERB_SELECT, /* also `extend` */
  LS_VERB_FLAT_MAP,
  LS_VERB_BRANCH,        /* one output per branch */
  LS_VERB_MERGE,         /* n inputs, by stamp, ties by input index */
  LS_VERB_SELECT_KEY,    /* same columns, other key */
  LS_VERB_REPARTITION,   /* ends a sub-topology; rows go to plan->sources[repartition_source] */
  LS_VERB_STREAM_JOIN,   /* windowed stream-stream */
  LS_VERB_TABLE_LOOKUP,  /* stream-table: input 0 stream, reads_table[0] */
  LS_VERB_GLOBAL_LOOKUP, /* stream-global table */
  LS_VERB_TABLE_JOIN,    /* table-table: inputs 0, 1 are the tables' changes, reads_table[0], [1] the tables */
  LS_VERB_LATEST,        /* makes a table */
  LS_VERB_DEDUPLICATE,
  LS_VERB_AGGREGATE, /* makes a table when unwindowed */
  LS_VERB_CHANGES,   /* passes a row only when it differs from the key's previous one; numbers versions */
  LS_VERB_SINK
} ls_verb;

typedef enum ls_join_type { LS_JOIN_INNER, LS_JOIN_LEFT, LS_JOIN_OUTER } ls_join_type;
typedef enum ls_emit { LS_EMIT_CHANGES /* each update at once; `early` for windowed joins */, LS_EMIT_FINAL } ls_emit;

typedef enum ls_agg_kind {
  LS_AGG_COUNT_ALL,
  LS_AGG_COUNT,
  LS_AGG_SUM,
  LS_AGG_MIN,
  LS_AGG_MAX,
  LS_AGG_AVG,
  LS_AGG_FIRST,
  LS_AGG_LAST,
  LS_AGG_COLLECT,
  LS_AGG_PLUGIN
} ls_agg_kind;

typedef struct ls_plan_agg {
  ls_agg_kind kind;
  const char *name;     /* output column */
  ls_expr *const *args; /* n_args */
  uint32_t n_args;
  const ls_type *type;   /* result */
  const ls_udf_agg *udf; /* PLUGIN */
} ls_plan_agg;

typedef struct ls_plan_store {
  const char *name; /* YAML name, unique in the file; NULL: no store */
  ls_store_backend backend;
  uint64_t fingerprint;  /* of the schema of what is stored */
  const char *changelog; /* live: its topic, "<application_id>-<name>-changelog" */
} ls_plan_store;

typedef struct ls_plan_input {
  uint32_t node;
  uint32_t output;
} ls_plan_input;
typedef struct ls_plan_output {
  const char *name;
  const ls_schema *schema;
  const uint64_t *filled; /* columns that hold what records said (bit set); others were not read: null in each row */
} ls_plan_output;

#define LS_NO_NODE UINT32_MAX

typedef struct ls_plan_node {
  uint32_t id;
  const char *name; /* YAML step name; internal nodes: "<step>-repartition" */
  ls_verb verb;
  uint32_t sub_topology;
  const ls_plan_input *inputs;
  uint32_t n_inputs;
  const ls_plan_output *outputs; /* [0] is the main one (name "") except for BRANCH; SINK, REPARTITION have none.
                                    STREAM_JOIN: [0] main, [1] late (late rows of the right side, right schema),
                                    [2] unmatched (right rows whose window closed without a match, right schema),
                                    [3] late_left (late rows of the left side, left schema).
                                    Outputs nobody reads stay in the list; the runtime counts them.
                                    AGGREGATE windowed: [1] late (schema of the input).
                                    LATEST with order_by: [1] late (rows older than the current one; input schema) */
  uint32_t n_outputs;
  uint32_t reads_table[2]; /* ids of table-making nodes, LS_NO_NODE: none */
  /* live (docs/adr/0007): a change of a table goes out as the old row, with its retract bit set, and the new one */
  bool live_takes_back; /* the node handles rows of its input with the retract bit; others never see them */
  bool live_retracts;   /* its outputs may have such rows */
  ls_plan_store store;  /* the node's own store */
  ls_plan_store store2; /* STREAM_JOIN: right side's buffer ("<store>-right") */
  union {
    struct {
      uint32_t source;
    } source;
    struct {
      ls_expr *predicate;
    } filter;
    struct {
      ls_expr *const *exprs; /* one per output field */
      uint32_t n;
    } select;
    struct {
      ls_expr *list;
      uint32_t n_keep; /* input fields kept first; then the element */
    } flat_map;
    struct {
      ls_expr *const *predicates; /* one per output; NULL: otherwise */
      uint32_t n;
    } branch;
    struct {
      uint32_t repartition_source;
    } repartition;
    struct {
      ls_join_type type;
      int64_t before_us, after_us, grace_us; /* L.ts - before <= R.ts <= L.ts + after */
      ls_emit emit;
      uint32_t fanout_max;
      uint32_t n_left; /* fields of the left side; main output = left fields, then right fields */
    } stream_join;
    struct {
      ls_join_type type; /* INNER or LEFT */
      uint32_t n_left;
    } table_lookup; /* key of the stream = key of the table */
    struct {
      ls_join_type type;
      uint32_t table; /* plan->globals */
      ls_expr *const *on;
      uint32_t n_on;
      uint32_t n_left;
    } global_lookup;
    struct {
      ls_join_type type;
      ls_emit emit;
      uint32_t n_left;
      /* OUTER and rows without a left side: key columns of the output's left half are filled from the right's key */
    } table_join;
    struct {
      int32_t order_by; /* input field, -1: arrival order */
      ls_emit emit;
    } latest;
    struct {
      const uint32_t *on;
      uint32_t n_on;
      int64_t retention_us; /* INT64_MAX: forever */
    } deduplicate;
    struct {
      const ls_plan_agg *aggs;
      uint32_t n_aggs;
      const uint32_t *by;
      uint32_t n_by;               /* input fields; output = by fields, [window_start, window_end,] aggregates */
      int64_t window_us, grace_us; /* window_us 0: unwindowed */
      ls_emit emit;
    } aggregate;
    struct {
      const uint32_t *compare;
      uint32_t n_compare;
      int32_t version_field; /* last output field, or -1: not numbered */
    } changes;
    struct {
      uint32_t sink;
    } sink;
  } u;
} ls_plan_node;

/** How long an input may be silent before it no longer holds the others back, when the file does not say. */
#define LS_IDLE_AFTER_DEFAULT_US INT64_C(1000000)

/** Where a source's records come from. */
typedef struct ls_plan_source {
  const char *name;
  const ls_schema *schema;
  uint32_t sub_topology;
  uint32_t node;    /* its SOURCE node */
  bool repartition; /* fed by a REPARTITION node, not by files */
  /* replay binding; files NULL: not bound */
  const char *files; /* pattern, ls__lake_list */
  ls_format format;
  int64_t lookback_us; /* reads dt in [from - lookback, to + lookahead]; whole days; INT64_MAX: all before */
  int64_t lookahead_us;
  const void *protobuf_descriptor;
  /* live binding; live_kafka NULL: not bound */
  const char *live_kafka;               /* topic */
  ls_format live_format;                /* JSON or PROTOBUF */
  const void *live_protobuf_descriptor; /* live_format PROTOBUF */
  bool live_registry;                   /* values are in Confluent wire format */
  bool live_from_latest;                /* where a group without offsets begins */
  bool live_compacted;           /* the topic keeps the last record of each key; a record without a value deletes */
  int64_t idle_after_us;         /* -1: never; repartition sources have the default */
  const char *dead_letter_topic; /* default <topic>.dlq; NULL: no live binding */
  bool live_retracts; /* repartition: schema has one more field than its node's output, a BOOL: the retract bit */
  const char *repartition_topic; /* repartition: "<application_id>-<step>-repartition"; else NULL */
  const char *dead_letter_dir;   /* lake directory, default dlq/<source>; files go to dt=D/ under it */
  const uint64_t *wanted;        /* fields that the plan reads (bit set) */
} ls_plan_source;

typedef struct ls_plan_global {
  const char *name;
  const ls_schema *schema;
  const char *files;
  ls_format format;
  const char *live_kafka; /* topic, read from the beginning; NULL: no live binding */
  ls_format live_format;
  bool live_registry;
  bool live_compacted;
  const char *dead_letter_dir;
  const char *dead_letter_topic;
  const uint64_t *wanted;
} ls_plan_global;

typedef struct ls_plan_sink {
  const char *name;
  const ls_schema *schema;
  uint32_t node; /* its SINK node */
  const char *live_kafka;
  ls_protobuf_writer *protobuf; /* live: values are messages; NULL: JSON */
  bool live_registry;           /* its values are in Confluent wire format, under a schema of subject <topic>-value */
  const char *proto_text;       /* protobuf and live_registry: that schema, and the message's place in it */
  ls_proto_place proto_place;
  bool live_compacted;
  int32_t create_partitions; /* live: a missing topic is made with so many; 0: it must be there */
  const char *path_pattern;  /* as written, for describe; NULL: no lake binding */
  /** Path of a row's partition directory: literals[0] expr[0] literals[1] ... literals[n_exprs]; exprs are of type string
   *  or date, never null (a null goes to the dead letters). */
  const char *const *path_literals;
  ls_expr *const *path_exprs;
  uint32_t n_path_exprs;
  ls_format format; /* PARQUET, JSON (lines) or CSV */
  bool keep_last;   /* of each key only the last row (upsert) */
  const char
      *lake_topic; /* live: log of the rows whose file is not published, "<application_id>-<sink>-lake"; NULL: live
                                  running leaves the lake alone */
  int64_t roll_us, roll_bytes; /* live: when files end */
  bool success_marker;         /* _SUCCESS beside the data, written last (paths without exprs only) */
  bool summary;                /* _summary.json beside the data, above the first expr of the path */
  const uint32_t *count_by;
  uint32_t n_count_by; /* STRING fields whose values the summary counts */
  const uint32_t *sum;
  uint32_t n_sum;      /* DECIMAL fields it sums */
  int32_t sum_per;     /* STRING field of the sums, -1: none */
  int32_t sum_split;   /* STRING field by which they are split once more, -1: none */
  int32_t balance_sum; /* one of sum, that has to be what came into the sink balance_with; -1: none */
  uint32_t balance_with;
  bool totals_only; /* no binding: it sums what a sink's balance compares */
} ls_plan_sink;

typedef enum ls_property_kind {
  LS_PROPERTY_LITERAL,
  LS_PROPERTY_ENV, /* value: name of an environment variable */
  LS_PROPERTY_FILE /* value: path of a file whose contents count, without the line break at their end */
} ls_property_kind;

/** A property of librdkafka. What ENV and FILE stand for is read when a run starts and shown nowhere. */
typedef struct ls_plan_property {
  const char *name, *value;
  ls_property_kind kind;
  const char *fallback;  /* ENV: when the variable is not set; NULL: that is an error */
  uint32_t line, column; /* in the file; 0: not from there */
} ls_plan_property;

typedef struct ls_plan_kafka {
  const char *application_id;         /* consumer group; prefix of internal topics and transactional ids */
  const char *instance_id;            /* NULL: no static membership; threads append -<n> */
  int32_t replication;                /* of topics that a run makes; -1: the broker's default */
  const ls_plan_property *properties; /* bootstrap.servers is among them */
  uint32_t n_properties;
} ls_plan_kafka;

/** What a schema registry's settings are, in the order of ls_plan_registry.settings. */
typedef enum ls_registry_setting {
  LS_REGISTRY_URL,
  LS_REGISTRY_USERNAME,
  LS_REGISTRY_PASSWORD,
  LS_REGISTRY_TOKEN,
  LS_REGISTRY_CA_FILE,
  LS_REGISTRY_SETTINGS
} ls_registry_setting;

typedef struct ls_plan_registry {
  bool used;                                       /* by a source, table or sink */
  ls_plan_property settings[LS_REGISTRY_SETTINGS]; /* name NULL: not given */
  int64_t timeout_us;
  bool auto_register;
} ls_plan_registry;

typedef struct ls_plan {
  const char *name, *about, *file;
  ls_arena *arena;
  const ls_plan_node *nodes;
  uint32_t n_nodes;
  const ls_plan_source *sources;
  uint32_t n_sources; /* file sources first, in YAML order, then repartition sources */
  const ls_plan_global *globals;
  uint32_t n_globals;
  const ls_plan_sink *sinks;
  uint32_t n_sinks;
  uint32_t n_sub_topologies;   /* numbered so that a lower one never reads a higher one */
  const ls_udf_registry *udfs; /* owned by the topology */
  /** Tables visible to EXISTS, same order as globals. rows() is bound by the runtime (ls__plan_bind_global). */
  ls_expr_table *tables;
  int64_t memory_bytes; /* budget of the process */
  ls_store_backend state_backend;
  const char *state_directory; /* NULL: under the run's work directory */
  int64_t max_bad_records;     /* -1: no limit by count */
  int32_t max_bad_share_ppm;   /* -1: no limit by share (parts per million of records read) */
  bool parity;                 /* true: volatile functions were refused */
  /* live running */
  bool live;                /* this run is live: set by ls__topology_set_live before tasks are made. Tables with emit:
                                  final, of an input without end, then emit their changes */
  const char *live_problem; /* "file:line:col: error: ...": why it can't run live; NULL: it can */
  ls_plan_kafka kafka;
  ls_plan_registry registry;
  bool exactly_once;
  int64_t commit_interval_us, transaction_timeout_us;
  int32_t n_threads; /* 0: one per core */
  int32_t n_standby;
} ls_plan;

/** What a table emits: without an end of the input, nothing is final but windows. */
static inline ls_emit ls__plan_table_emit(const ls_plan *plan, ls_emit emit) {
  return plan->live ? LS_EMIT_CHANGES : emit;
}

/** Name of a verb as in YAML ("stream_join" is "join" there; see describe). */
const char *ls__verb_name(ls_verb verb);
#endif
