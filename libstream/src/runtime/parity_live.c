/**
 * @file parity_live.c
 * What the live run has written: committed records of the output topics up to their ends. The ends are taken after the group's
 * committed offsets, and these are looked at again when all is read: where they have not moved, what was read is their output,
 * all of it and no more.
 */
#include "runtime/parity.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "codec/wire_format.h"

#define CHUNK_ROWS  4096
#define CHUNK_BYTES ((size_t)1 << 20)
#define HEADERS_MAX 32
#define TRIES       5
#define STALLED_US  ((int64_t)60000000)

int ls__parity_add(ls_sorter *sorter, ls_sort_chunk **chunk, ls_slice key, ls_slice value, ls_stamp stamp,
                   ls_error *err) {
  if (*chunk == NULL) *chunk = ls__sort_chunk_new(sorter, CHUNK_ROWS);
  ls_batch *batch = ls__sort_chunk_batch(*chunk);
  ls__column_append_slice(&batch->columns[0], (ls_slice){key.ptr != NULL ? key.ptr : "", key.len});
  ls__column_append_bool(&batch->columns[1], key.ptr != NULL);
  if (value.ptr != NULL) {
    ls__column_append_slice(&batch->columns[2], value);
  } else {
    ls__column_append_null(&batch->columns[2]);
  }
  ls__batch_append_meta(batch, 0, stamp);
  ls__sort_chunk_add_key(*chunk, key.ptr != NULL ? key : value);
  if (batch->n_rows < CHUNK_ROWS && ls__sort_chunk_bytes(*chunk) < CHUNK_BYTES) return LS_OK;
  ls_sort_chunk *full = *chunk;
  *chunk = NULL;
  return ls__sorter_add(sorter, full, NULL, err);
}

void ls__parity_count_reason(ls_parity_output *output, int side, const char *reason) {
  pthread_mutex_lock(&output->lock);
  int64_t *n = ls__strmap_get(&output->reasons[side], reason);
  if (n == NULL) {
    n = LS_NEW(int64_t);
    ls__strmap_put(&output->reasons[side], reason, n);
  }
  ++*n;
  pthread_mutex_unlock(&output->lock);
}

/** Cuts from ,"topic": to ,"node": — texts in between are escaped, so neither can stand in one. */
void ls__parity_without_place(ls_buf *value) {
  static const char from[] = ",\"topic\":", to[] = ",\"node\":";
  ls__buf_putc(value, 0);
  value->len--;
  char *begin = strstr(value->ptr, from), *end = begin != NULL ? strstr(begin, to) : NULL;
  if (end == NULL) return;
  memmove(begin, end, value->len - (size_t)(end - value->ptr));
  value->len -= (size_t)(end - begin);
}

static bool is_repartition_topic(const ls_plan *plan, ls_slice topic) {
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    if (plan->sources[i].repartition && ls__slice_is(topic, plan->sources[i].repartition_topic)) return true;
  }
  return false;
}

static int add_letter(ls_parity *parity, ls_parity_output *output, const ls_kafka_record *record, ls_stamp stamp,
                      ls_error *err) {
  ls_kafka_header headers[HEADERS_MAX];
  size_t n = ls__kafka_record_headers(record, headers, HEADERS_MAX);
  if (n > HEADERS_MAX) n = HEADERS_MAX;
  ls_slice reason = ls__kafka_header_of(headers, n, "ls.reason");
  char text[64];
  snprintf(text, sizeof text, "%.*s", (int)reason.len, reason.ptr != NULL ? reason.ptr : "");
  ls__parity_count_reason(output, 0, text);
  if (!is_repartition_topic(parity->plan, ls__kafka_header_of(headers, n, "ls.topic")))
    return ls__parity_add(output->live, &output->chunk, record->key, record->value, stamp, err);
  ls_buf value = LS_BUF_INIT;
  ls__buf_append(&value, record->value.ptr, record->value.len);
  ls__parity_without_place(&value);
  int rc = ls__parity_add(output->live, &output->chunk, (ls_slice){NULL, 0}, ls__buf_slice(&value), stamp, err);
  ls__buf_fini(&value);
  return rc;
}

static void reached(ls_parity_output *output, int32_t partition, int64_t offset) {
  if (output->ends[partition] < 0 || offset < output->ends[partition]) return;
  output->ends[partition] = -1; /* no more of it is taken */
  output->n_behind--;
}

/** Rows are compared without the id of their schema, which is the registry's. */
static ls_slice value_of(const ls_parity_output *output, const ls_kafka_record *record) {
  ls_wire wire;
  return output->wire && ls__wire_split(&wire, record->value, output->protobuf != NULL) ? wire.payload : record->value;
}

static int on_record(void *payload, const ls_kafka_record *record, ls_error *err) {
  ls_parity *parity = payload;
  ls_parity_output *output = &parity->outputs[record->topic];
  if (output->ends[record->partition] < 0) return LS_OK;
  if (record->offset < output->ends[record->partition]) {
    ls_stamp stamp = {record->partition, (uint64_t)record->offset};
    int rc = output->schema == NULL
                 ? add_letter(parity, output, record, stamp, err)
                 : ls__parity_add(output->live, &output->chunk, record->key, value_of(output, record), stamp, err);
    LS_TRY(rc);
    output->n_live++;
  }
  reached(output, record->partition, record->offset + 1);
  return LS_OK;
}

static void on_end(void *payload, uint32_t topic, int32_t partition, int64_t offset) {
  ls_parity *parity = payload;
  reached(&parity->outputs[topic], partition, offset);
}

static bool is_behind(const ls_parity *parity) {
  for (uint32_t i = 0; i < parity->n_outputs; i++) {
    if (parity->outputs[i].n_behind > 0) return true;
  }
  return false;
}

static void begin_again(ls_parity *parity) {
  ls_parity_output *output = parity->outputs;
  for (uint32_t i = 0; i < parity->n_outputs; i++, output++) {
    ls__sort_chunk_abandon(output->chunk);
    ls__sorter_free(output->live);
    output->chunk = NULL;
    output->live = NULL;
    output->n_live = 0;
    for (size_t k = 0; k < output->reasons[0].n; k++) ls__free(output->reasons[0].entries[k].value);
    ls__strmap_fini(&output->reasons[0]);
    output->reasons[0] = (ls_strmap){0};
    ls__parity_new_sorter(parity, &output->live);
  }
}

static int set_ends(ls_parity *parity, ls_kafka_reader *reader, ls_error *err) {
  for (uint32_t i = 0; i < parity->n_outputs; i++) {
    ls_parity_output *output = &parity->outputs[i];
    output->n_behind = 0;
    for (int32_t p = 0; p < output->n_partitions; p++) {
      int64_t low;
      LS_TRY(ls__kafka_reader_watermarks(reader, i, p, &low, &output->ends[p], err));
      if (output->ends[p] <= low) {
        output->ends[p] = -1;
        continue;
      }
      output->n_behind++;
      LS_TRY(ls__kafka_reader_add(reader, i, p, 0, err));
    }
  }
  return LS_OK;
}

static int64_t records_read(const ls_parity *parity) {
  int64_t n = 0;
  for (uint32_t i = 0; i < parity->n_outputs; i++) n += parity->outputs[i].n_live;
  return n;
}

static int read_to_ends(ls_parity *parity, ls_kafka_reader *reader, ls_error *err) {
  LS_TRY(set_ends(parity, reader, err));
  int64_t since_us = ls__monotonic_us();
  while (is_behind(parity)) {
    size_t n;
    LS_TRY(ls__kafka_reader_poll(reader, 100, 10000, &n, err));
    LS_TRY(ls__run_check_stop(parity->run, err));
    if (n > 0) since_us = ls__monotonic_us();
    ls__run_progress(parity->run, "read outputs", records_read(parity), 0);
    if (ls__monotonic_us() - since_us > STALLED_US) {
      return ls_error_set(err, LS_ERETRY,
                          "a transaction on an output topic stays open: what comes after it can't be read yet");
    }
  }
  return LS_OK;
}

static int read_once(ls_parity *parity, ls_error *err) {
  const char **topics = LS_ARENA_ARRAY(&parity->run->arena, const char *, parity->n_outputs + 1);
  for (uint32_t i = 0; i < parity->n_outputs; i++) topics[i] = parity->outputs[i].topic;
  ls_kafka_reader_opts opts = {.cluster = &parity->stream.cluster,
                               .topics = topics,
                               .n_topics = parity->n_outputs,
                               .queue_bytes = parity->stream.queue_bytes,
                               .on_record = on_record,
                               .on_end = on_end,
                               .payload = parity};
  ls_kafka_reader *reader;
  begin_again(parity);
  LS_TRY(ls__kafka_reader_new(&reader, &opts, err));
  int rc = read_to_ends(parity, reader, err);
  ls__kafka_reader_free(reader);
  return rc;
}

int ls__parity_committed(ls_parity *parity, int64_t **committed, ls_error *err) {
  const ls_plan *plan = parity->plan;
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    const ls_plan_source *source = &plan->sources[i];
    int32_t n = parity->stream.n_partitions[source->sub_topology];
    if (committed[i] == NULL) committed[i] = LS_ARENA_ARRAY(&parity->run->arena, int64_t, n + 1);
    LS_TRY(ls__kafka_admin_committed(parity->admin, plan->kafka.application_id, parity->stream.topics[i], n,
                                     committed[i], err));
  }
  return LS_OK;
}

static bool same_offsets(const ls_parity *parity, int64_t *const *a, int64_t *const *b) {
  for (uint32_t i = 0; i < parity->plan->n_sources; i++) {
    size_t n = (size_t)parity->stream.n_partitions[parity->plan->sources[i].sub_topology];
    if (memcmp(a[i], b[i], n * sizeof **a) != 0) return false;
  }
  return true;
}

static int seal(ls_parity *parity, ls_error *err) {
  for (uint32_t i = 0; i < parity->n_outputs; i++) {
    ls_parity_output *output = &parity->outputs[i];
    ls_sort_chunk *chunk = output->chunk;
    output->chunk = NULL;
    if (chunk != NULL) LS_TRY(ls__sorter_add(output->live, chunk, NULL, err));
    ls__sorter_seal(output->live);
  }
  return LS_OK;
}

int ls__parity_read_outputs(ls_parity *parity, ls_error *err) {
  int64_t **after = LS_ARENA_ARRAY(&parity->run->arena, int64_t *, parity->plan->n_sources + 1);
  for (int i = 0; i < TRIES; i++) {
    LS_TRY(ls__parity_committed(parity, parity->committed, err));
    LS_TRY(read_once(parity, err));
    LS_TRY(ls__parity_committed(parity, after, err));
    if (same_offsets(parity, parity->committed, after)) return seal(parity, err);
    ls__log(LS_LOG_INFO, "runtime", "parity_again", "group=%s reason=\"it has committed meanwhile\"",
            parity->plan->kafka.application_id);
  }
  return ls_error_set(err, LS_ERETRY,
                      "group %s goes on committing, so its output can't be told from what it has read: stop it, or "
                      "what it reads, and try again",
                      parity->plan->kafka.application_id);
}
