/** @file parity_read.c  A recording into the sorters of a replay, with the stamps of the live run. */
#include "runtime/parity.h"

#include "base/alloc.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK_ROWS         8192
#define CHUNK_BYTES        ((size_t)1 << 20)
#define LANE_BYTES         ((size_t)256 << 10)
#define ORIGIN_OFFSET_BITS 57

/** One task's partition on its way. */
typedef struct reading {
  ls_parity *parity;
  uint32_t sub_topology, first_source;
  int32_t partition;
  ls_lane **lanes; /* by plan source; NULL: of another sub-topology */
  ls_recording *recordings;
  ls_sort_chunk **chunks;
  int64_t stream_time_us, records_sent;
  ls_parity_places *places;
} reading;

static ls_parity_places *places_of(const ls_parity *parity, uint32_t sub_topology, int32_t partition) {
  return &parity->places[(size_t)sub_topology * (size_t)parity->n_partitions + (size_t)partition];
}

/** Room for n entries in a file that has no name any more. */
static int map_file(void **out, const char *directory, int64_t n, ls_error *err) {
  char path[4096];
  snprintf(path, sizeof path, "%s/places-XXXXXX", directory);
  int fd = mkstemp(path);
  if (fd < 0) return ls_error_set(err, LS_EIO, "%s: %s", path, strerror(errno));
  unlink(path);
  size_t n_bytes = (size_t)(n > 0 ? n : 1) * 8;
  bool sized = ftruncate(fd, (off_t)n_bytes) == 0;
  void *at = sized ? mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  int why = errno;
  close(fd);
  if (at == MAP_FAILED) return ls_error_set(err, LS_EIO, "%s: %s", directory, strerror(why));
  *out = at;
  return LS_OK;
}

static int open_places(reading *at, int64_t n, ls_error *err) {
  ls_parity_places *places = at->places;
  places->n_max = n;
  LS_TRY(map_file((void **)&places->ingest_us, at->parity->run->work_directory, n, err));
  return map_file((void **)&places->origins, at->parity->run->work_directory, n, err);
}

static int open_lanes(reading *at, ls_error *err) {
  const ls_plan *plan = at->parity->plan;
  int64_t n = 0;
  for (uint32_t i = plan->n_sources; i-- > 0;) {
    const ls_plan_source *source = &plan->sources[i];
    if (source->sub_topology != at->sub_topology || source->repartition) continue;
    at->first_source = i;
    LS_TRY(ls__lane_new(&at->lanes[i], plan, i, at->partition, LANE_BYTES, at->parity->stream.registry, err));
    LS_TRY(ls__recording_open(&at->recordings[i], at->parity->recording, source->name, at->partition,
                              ls__recording_format(source), err));
    n += at->recordings[i].n;
  }
  return open_places(at, n, err);
}

/** Brings the lane to its next row; what is bad on the way goes to the letters. *has false: the recording is used up. */
static int bring_row(reading *at, uint32_t source, bool *has, ls_error *err) {
  ls_lane *lane = at->lanes[source];
  int64_t ts_us;
  for (;;) {
    *has = ls__lane_peek(lane, &ts_us);
    if (*has) return LS_OK;
    LS_TRY(ls__lane_pass(lane, at->parity->run->letter_port, err));
    bool got = true;
    while (got && !ls__lane_full(lane)) {
      ls_kafka_record record;
      LS_TRY(ls__recording_next(&at->recordings[source], &record, &got, err));
      if (got) LS_TRY(ls__lane_add(lane, &record, err));
    }
    if (lane->waiting.n_records == 0) return LS_OK;
    LS_TRY(ls__lane_fill(lane, err));
  }
}

static int hand_over(reading *at, uint32_t source, ls_error *err) {
  ls_sort_chunk *chunk = at->chunks[source];
  at->chunks[source] = NULL;
  if (chunk == NULL) return LS_OK;
  int64_t n = ls__sort_chunk_batch(chunk)->n_rows;
  uint32_t *partitions = ls__calloc((size_t)n + 1, sizeof *partitions);
  for (int64_t i = 0; i < n; i++) partitions[i] = (uint32_t)at->partition;
  int rc = ls__sorter_add(at->parity->run->sorters[source], chunk, partitions, err);
  ls__free(partitions);
  return rc;
}

/** The lane's next row, with its stamp, into the sorter. */
static int take_row(reading *at, uint32_t source, ls_error *err) {
  ls_lane *lane = at->lanes[source];
  ls_sort_chunk **chunk = &at->chunks[source];
  if (*chunk == NULL) *chunk = ls__sort_chunk_new(at->parity->run->sorters[source], CHUNK_ROWS);
  ls_batch *to = ls__sort_chunk_batch(*chunk);
  int64_t ts_us = lane->unit->ts_us[lane->at];
  if (ts_us > at->stream_time_us) at->stream_time_us = ts_us;
  ls__batch_append_range(to, lane->unit, lane->at, 1);
  const ls_lane_record *record = &lane->block.records[lane->record_of_row[lane->at]];
  int64_t n = at->places->n++;
  at->places->ingest_us[n] = record->timestamp_us;
  at->places->origins[n] = (uint64_t)source << ORIGIN_OFFSET_BITS | (uint64_t)record->offset;
  to->stamps[to->n_rows - 1] = (ls_stamp){at->stream_time_us, LS_SEQ_MAKE(at->first_source, at->partition, n + 1)};
  lane->at++;
  return to->n_rows >= CHUNK_ROWS || ls__sort_chunk_bytes(*chunk) > CHUNK_BYTES ? hand_over(at, source, err) : LS_OK;
}

/** Source with the lowest time at its head, n_sources: none has a row. */
static int next_source(reading *at, uint32_t *out, ls_error *err) {
  const ls_plan *plan = at->parity->plan;
  int64_t best_us = 0;
  *out = plan->n_sources;
  for (uint32_t i = 0; i < plan->n_sources; i++) {
    bool has;
    int64_t ts_us = 0;
    if (at->lanes[i] == NULL) continue;
    LS_TRY(bring_row(at, i, &has, err));
    if (!has) continue;
    (void)ls__lane_peek(at->lanes[i], &ts_us);
    if (*out < plan->n_sources && ts_us >= best_us) continue;
    *out = i;
    best_us = ts_us;
  }
  return LS_OK;
}

static int read_rows(reading *at, ls_error *err) {
  ls_runtime *run = at->parity->run;
  for (;;) {
    uint32_t source;
    LS_TRY(next_source(at, &source, err));
    if (source == at->parity->plan->n_sources) return LS_OK;
    LS_TRY(take_row(at, source, err));
    if (at->places->n % CHUNK_ROWS == 0) LS_TRY(ls__run_check_stop(run, err));
  }
}

static void note_end(ls_runtime *run, int64_t end_us) {
  int64_t seen = atomic_load(&run->end_us);
  while (end_us > seen && !atomic_compare_exchange_weak(&run->end_us, &seen, end_us)) {
  }
}

static int read_partition(ls_parity *parity, uint32_t sub_topology, int32_t partition, ls_error *err) {
  uint32_t n = parity->plan->n_sources;
  reading at = {.parity = parity,
                .sub_topology = sub_topology,
                .partition = partition,
                .stream_time_us = INT64_MIN,
                .lanes = ls__calloc(n + 1, sizeof(ls_lane *)),
                .recordings = ls__calloc(n + 1, sizeof(ls_recording)),
                .chunks = ls__calloc(n + 1, sizeof(ls_sort_chunk *)),
                .places = places_of(parity, sub_topology, partition)};
  int rc = open_lanes(&at, err);
  if (rc >= 0) rc = read_rows(&at, err);
  for (uint32_t i = 0; i < n; i++) {
    if (rc >= 0) rc = hand_over(&at, i, err);
    if (at.chunks[i] != NULL) ls__sort_chunk_abandon(at.chunks[i]);
    ls__lane_free(at.lanes[i]);
    (void)ls__recording_close(&at.recordings[i], NULL);
  }
  ls__free(at.lanes);
  ls__free(at.recordings);
  ls__free(at.chunks);
  if (rc >= 0) note_end(parity->run, at.stream_time_us);
  at.places->times = (ls_ingest_times){LS_SEQ_MAKE(at.first_source, partition, 1) & ~LS_SEQ_RECORD,
                                       at.places->ingest_us, at.places->n};
  return rc;
}

typedef struct stage {
  ls_parity *parity;
  uint32_t sub_topology;
  atomic_int next;
} stage;

static int read_worker(int worker, void *payload, ls_error *err) {
  stage *at = payload;
  (void)worker;
  for (int p = atomic_fetch_add(&at->next, 1); p < at->parity->stream.n_partitions[at->sub_topology];
       p = atomic_fetch_add(&at->next, 1)) {
    int rc = read_partition(at->parity, at->sub_topology, p, err);
    if (rc < 0) return ls__run_worker_failed(at->parity->run, rc);
  }
  return LS_OK;
}

int ls__parity_read(ls_parity *parity, uint32_t sub_topology, ls_error *err) {
  bool any = false;
  for (uint32_t i = 0; i < parity->plan->n_sources; i++)
    any = any || (parity->plan->sources[i].sub_topology == sub_topology && !parity->plan->sources[i].repartition);
  if (!any) return LS_OK;
  stage at = {.parity = parity, .sub_topology = sub_topology};
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return ls__workers_run(cores > 0 && cores < parity->n_partitions ? (int)cores : parity->n_partitions, read_worker,
                         &at, err);
}

bool ls__parity_origin_of(void *payload, uint64_t seq, uint32_t *source, ls_dead_letter *letter) {
  const ls_parity *parity = ((const ls_runtime *)payload)->parity;
  uint32_t first = LS_SEQ_SOURCE(seq), partition = LS_SEQ_FILE(seq);
  if (first >= parity->plan->n_sources || partition >= (uint32_t)parity->n_partitions) return false;
  const ls_parity_places *places = places_of(parity, parity->plan->sources[first].sub_topology, (int32_t)partition);
  uint64_t n = LS_SEQ_ROW(seq);
  if (n == 0 || n > (uint64_t)places->n) return false;
  *source = (uint32_t)(places->origins[n - 1] >> ORIGIN_OFFSET_BITS);
  letter->topic = parity->plan->sources[*source].live_kafka;
  letter->partition = (int32_t)partition;
  letter->offset = (int64_t)(places->origins[n - 1] & ((UINT64_C(1) << ORIGIN_OFFSET_BITS) - 1));
  return true;
}

const ls_ingest_times *ls__parity_ingest_times(const ls_parity *parity, uint32_t sub_topology, int32_t partition) {
  const ls_parity_places *places = places_of(parity, sub_topology, partition);
  return places->ingest_us != NULL ? &places->times : NULL;
}
