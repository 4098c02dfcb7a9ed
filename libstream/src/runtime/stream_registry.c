/** @file stream_registry.c  The schema registry of a live run: opened, asked, and told the schemas of sinks. */
#include "base/log.h"
#include "codec/json_schema_rows.h"
#include "runtime/stream.h"

static int resolve(ls_stream *stream, const char *values[LS_REGISTRY_SETTINGS], ls_error *err) {
  const ls_plan_registry *registry = &stream->plan->registry;
  for (int i = 0; i < LS_REGISTRY_SETTINGS; i++) {
    values[i] = NULL;
    if (registry->settings[i].name == NULL) continue;
    LS_TRY(ls__stream_resolve(stream, &values[i], "schema_registry:", &registry->settings[i], err));
  }
  return LS_OK;
}

int ls__stream_registry_open(ls_stream *stream, ls_error *err) {
  if (!stream->plan->registry.used) return LS_OK;
  if (stream->registry == NULL) {
    const char *values[LS_REGISTRY_SETTINGS];
    LS_TRY(resolve(stream, values, err));
    ls_schema_registry_opts opts = {.url = values[LS_REGISTRY_URL],
                                    .username = values[LS_REGISTRY_USERNAME],
                                    .password = values[LS_REGISTRY_PASSWORD],
                                    .token = values[LS_REGISTRY_TOKEN],
                                    .ca_file = values[LS_REGISTRY_CA_FILE],
                                    .timeout_us = stream->plan->registry.timeout_us};
    LS_TRY(ls__schema_registry_new(&stream->registry, &opts, err));
  }
  return ls__schema_registry_probe(stream->registry, err);
}

static ls_slice head_of(ls_stream *stream, const ls_proto_place *place, int32_t id) {
  ls_buf head = LS_BUF_INIT;
  ls__wire_head(&head, id, place->path, place->n_path);
  ls_slice kept = {ls__arena_strndup(&stream->arena, head.ptr, head.len), head.len};
  ls__buf_fini(&head);
  return kept;
}

/** A .proto file of others is not the text that we would make: what counts is that our message is in it. */
static int find_message(ls_stream *stream, const ls_plan_sink *sink, const char *subject, int32_t *id,
                        ls_proto_place *place, ls_error *err) {
  ls_buf text = LS_BUF_INIT;
  ls_error why = LS_ERROR_INIT;
  int rc = ls__schema_registry_newest(stream->registry, id, &text, subject, err);
  if (rc >= 0 && ls__proto_agrees(place, sink->protobuf, ls__buf_slice(&text), &why) < 0)
    rc = ls_error_set(err, LS_ECONFIG, "sink %s: the newest schema of subject %s is not for its rows: %s", sink->name,
                      subject, why.message);
  ls__buf_fini(&text);
  return rc;
}

static int put_schema(ls_stream *stream, const ls_plan_sink *sink, const char *subject, int32_t *id, ls_error *err) {
  ls_schema_put put = {.subject = subject,
                       .type = sink->protobuf != NULL ? "PROTOBUF" : "JSON",
                       .add = stream->plan->registry.auto_register};
  ls_buf schema = LS_BUF_INIT;
  if (sink->protobuf == NULL) ls__rows_json_schema(&schema, sink->schema, sink->name);
  put.schema = sink->protobuf != NULL ? ls__slice_of(sink->proto_text) : ls__buf_slice(&schema);
  int rc = ls__schema_registry_put(stream->registry, id, &put, err);
  ls__buf_fini(&schema);
  return rc;
}

static int set_head(ls_stream *stream, uint32_t i, ls_error *err) {
  const ls_plan_sink *sink = &stream->plan->sinks[i];
  const char *subject = ls__arena_printf(&stream->arena, "%s-value", sink->live_kafka);
  ls_proto_place place = sink->proto_place;
  int32_t id;
  if (sink->protobuf != NULL && !stream->plan->registry.auto_register)
    LS_TRY(find_message(stream, sink, subject, &id, &place, err));
  else
    LS_TRY(put_schema(stream, sink, subject, &id, err));
  stream->sink_head[i] = head_of(stream, &place, id);
  ls__log(LS_LOG_INFO, "runtime", "sink_schema", "sink=%s subject=%s id=%d", sink->name, subject, (int)id);
  return LS_OK;
}

int ls__stream_registry_prepare(ls_stream *stream, ls_error *err) {
  LS_TRY(ls__stream_registry_open(stream, err));
  stream->sink_head = LS_ARENA_ARRAY(&stream->arena, ls_slice, stream->plan->n_sinks + 1);
  for (uint32_t i = 0; i < stream->plan->n_sinks; i++) {
    if (stream->plan->sinks[i].live_registry) LS_TRY(set_head(stream, i, err));
  }
  return LS_OK;
}
