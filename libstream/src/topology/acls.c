/** @file acls.c  What a live run must be allowed to do on a cluster with ACLs, as commands of Kafka's own tool. */
#include "base/arena.h"
#include "base/buf.h"
#include "topology/load.h"

typedef struct acl {
  const char *operation, *kind, *name; /* kind: option of kafka-acls.sh: topic, group, transactional-id */
  bool is_prefix;
  const char *why;
} acl;

typedef struct acl_list {
  acl *acls;
  size_t n;
} acl_list;

static void add(acl_list *list, acl wanted) {
  for (size_t i = 0; i < list->n; i++) {
    const acl *a = &list->acls[i];
    if (a->is_prefix == wanted.is_prefix && strcmp(a->operation, wanted.operation) == 0 &&
        strcmp(a->kind, wanted.kind) == 0 && strcmp(a->name, wanted.name) == 0) {
      return;
    }
  }
  list->acls[list->n++] = wanted;
}

/* Read and Write imply Describe; idempotent producers need no right of their own since Kafka 3.0. */
static void add_inputs(acl_list *list, const ls_plan *plan) {
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    const ls_plan_source *source = &plan->sources[i];
    if (!source->repartition && source->live_kafka != NULL)
      add(list, (acl){"Read", "topic", source->live_kafka, false, "source"});
  }
  for (uint32_t i = 0; i < plan->n_globals; i++) {
    if (plan->globals[i].live_kafka != NULL)
      add(list, (acl){"Read", "topic", plan->globals[i].live_kafka, false, "global table"});
  }
}

static void add_outputs(acl_list *list, const ls_plan *plan) {
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    const ls_plan_sink *sink = &plan->sinks[i];
    if (sink->live_kafka == NULL) continue;
    add(list, (acl){"Write", "topic", sink->live_kafka, false, "sink"});
    if (sink->create_partitions > 0)
      add(list, (acl){"Create", "topic", sink->live_kafka, false, "sink, until the topic is there"});
  }
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    const ls_plan_source *source = &plan->sources[i];
    if (source->repartition || source->dead_letter_topic == NULL) continue;
    add(list, (acl){"Write", "topic", source->dead_letter_topic, false, "dead letters"});
    add(list, (acl){"Create", "topic", source->dead_letter_topic, false, "dead letters, until the topic is there"});
  }
}

/* Of topics of our own some lose their records once these are of no use any more. */
static void add_deletions(acl_list *list, const ls_plan *plan) {
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (plan->sources[i].repartition)
      add(list, (acl){"Delete", "topic", plan->sources[i].repartition_topic, false, "records that are processed"});
  }
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    if (plan->sinks[i].lake_topic != NULL)
      add(list, (acl){"Delete", "topic", plan->sinks[i].lake_topic, false, "records that are in the lake"});
  }
}

static bool has_internal_topics(const ls_plan *plan) {
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (plan->sources[i].repartition) return true;
  }
  for (uint32_t i = 0; i < plan->n_nodes; i++) {
    if (plan->nodes[i].store.name != NULL) return true;
  }
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    if (plan->sinks[i].lake_topic != NULL) return true;
  }
  return false;
}

static void add_own(acl_list *list, const ls_plan *plan, const char *prefix) {
  add(list, (acl){"Read", "group", plan->kafka.application_id, false, "members of the group; its offsets"});
  if (plan->exactly_once) add(list, (acl){"Write", "transactional-id", prefix, true, "transactions"});
  if (!has_internal_topics(plan)) return;
  add(list, (acl){"Read", "topic", prefix, true, "changelogs and other internal topics"});
  add(list, (acl){"Write", "topic", prefix, true, "changelogs and other internal topics"});
  add(list, (acl){"Create", "topic", prefix, true, "changelogs and other internal topics, until they are there"});
  add_deletions(list, plan);
}

/* For a shell: in quotes if it may take something in it for something else. */
static void put_word(ls_buf *out, const char *text) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
  if (text[strspn(text, plain)] == 0) {
    ls__buf_puts(out, text);
    return;
  }
  ls__buf_putc(out, '\'');
  for (; *text != 0; text++) ls__buf_printf(out, *text == '\'' ? "'\\''" : "%c", *text);
  ls__buf_putc(out, '\'');
}

static void put_command(ls_buf *out, const acl *a, const char *principal) {
  ls__buf_puts(out, "kafka-acls.sh --bootstrap-server \"$KAFKA_BROKERS\" --add --allow-principal ");
  put_word(out, principal);
  ls__buf_printf(out, " --operation %s --%s ", a->operation, a->kind);
  put_word(out, a->name);
  ls__buf_printf(out, "%s  # %s\n", a->is_prefix ? " --resource-pattern-type prefixed" : "", a->why);
}

static bool is_principal(const char *text) {
  const char *colon = text != NULL ? strchr(text, ':') : NULL;
  return colon != NULL && colon > text && colon[1] != 0 && strpbrk(text, "\r\n") == NULL;
}

int ls_topology_acls(char **out, const ls_topology *topology, const char *principal, ls_error *err) {
  const ls_plan *plan = &topology->plan;
  if (!is_principal(principal)) {
    return ls_error_set(err, LS_EINVAL, "principal '%s': it is a kind and a name, as User:streaming-index",
                        principal != NULL ? principal : "");
  }
  ls_arena arena;
  ls__arena_init(&arena, 0);
  acl_list list = {
      LS_ARENA_ARRAY(&arena, acl, (size_t)plan->n_sources * 3 + plan->n_globals + (size_t)plan->n_sinks * 3 + 8), 0};
  add_inputs(&list, plan);
  add_outputs(&list, plan);
  add_own(&list, plan, ls__arena_printf(&arena, "%s-", plan->kafka.application_id));
  ls_buf text = LS_BUF_INIT;
  for (size_t i = 0; i < list.n; i++) put_command(&text, &list.acls[i], principal);
  *out = text.ptr;
  ls__arena_fini(&arena);
  return LS_OK;
}
