/** @file describe_live.c  The live part of a description. Values from environment and files are shown by their origin. */
#include "base/buf.h"
#include "topology/describe.h"

bool ls__plan_has_topics(const ls_plan *plan) {
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (plan->sources[i].live_kafka != NULL) return true;
  }
  for (uint32_t i = 0; i < plan->n_globals; i++) {
    if (plan->globals[i].live_kafka != NULL) return true;
  }
  for (uint32_t i = 0; i < plan->n_sinks; i++) {
    if (plan->sinks[i].live_kafka != NULL) return true;
  }
  return false;
}

static void put_property(ls_buf *out, const ls_plan_property *property) {
  ls__buf_printf(out, "  %s: ", property->name);
  switch (property->kind) {
  case LS_PROPERTY_LITERAL:
    ls__buf_json_string(out, ls__slice_of(property->value));
    break;
  case LS_PROPERTY_FILE:
    ls__buf_printf(out, "${file:%s}", property->value);
    break;
  case LS_PROPERTY_ENV:
    ls__buf_printf(out, "${env:%s%s%s}", property->value, property->fallback != NULL ? ":-" : "",
                   property->fallback != NULL ? property->fallback : "");
    break;
  }
  ls__buf_putc(out, '\n');
}

static void put_settings(ls_buf *out, const ls_plan *plan) {
  const ls_plan_kafka *kafka = &plan->kafka;
  ls__buf_puts(out, "\nlive:\n");
  if (plan->live_problem != NULL) ls__buf_printf(out, "  not possible: %s\n", strstr(plan->live_problem, "live: ") + 6);
  ls__buf_printf(out, "  application id: %s\n", kafka->application_id);
  if (kafka->instance_id != NULL) ls__buf_printf(out, "  instance id: %s\n", kafka->instance_id);
  if (kafka->replication > 0) ls__buf_printf(out, "  replication: %d\n", (int)kafka->replication);
  ls__buf_printf(out, "  processing: %s, commit interval ", plan->exactly_once ? "exactly_once" : "at_least_once");
  ls__describe_duration(out, plan->commit_interval_us);
  ls__buf_puts(out, ", transaction timeout ");
  ls__describe_duration(out, plan->transaction_timeout_us);
  ls__buf_puts(out, "\n  threads: ");
  if (plan->n_threads > 0) {
    ls__buf_printf(out, "%d", (int)plan->n_threads);
  } else {
    ls__buf_puts(out, "one per core");
  }
  ls__buf_printf(out, ", standby replicas %d\n", (int)plan->n_standby);
  for (uint32_t i = 0; i < kafka->n_properties; i++) put_property(out, &kafka->properties[i]);
}

static void put_registry(ls_buf *out, const ls_plan_registry *registry) {
  if (!registry->used) return;
  ls__buf_puts(out, "\nschema registry:\n");
  for (int i = 0; i < LS_REGISTRY_SETTINGS; i++) {
    if (registry->settings[i].name != NULL) put_property(out, &registry->settings[i]);
  }
  ls__buf_puts(out, "  timeout: ");
  ls__describe_duration(out, registry->timeout_us);
  ls__buf_printf(out, "\n  schemas of sinks: %s\n", registry->auto_register ? "registered" : "looked up");
}

static void put_internal_topic(ls_buf *out, const char *topic) {
  if (topic != NULL) ls__buf_printf(out, "  %s\n", topic);
}

void ls__describe_live(ls_buf *out, const ls_plan *plan) {
  if (!ls__plan_has_topics(plan)) return;
  put_settings(out, plan);
  put_registry(out, &plan->registry);
  ls__buf_puts(out, "\ninternal topics:\n");
  for (uint32_t i = 0; i < plan->n_sources; i++) put_internal_topic(out, plan->sources[i].repartition_topic);
  for (uint32_t i = 0; i < plan->n_nodes; i++) {
    put_internal_topic(out, plan->nodes[i].store.changelog);
    put_internal_topic(out, plan->nodes[i].store2.changelog);
  }
  for (uint32_t i = 0; i < plan->n_sinks; i++) put_internal_topic(out, plan->sinks[i].lake_topic);
}
