/**
 * @file recording.h
 * A partition of a topic as two local files: the records' bytes, and where each ends with its offset and timestamp. JSON
 * is kept as lines, so that the bytes are a file of JSON lines with one record a line, broken ones included.
 */
#ifndef LS_RUNTIME_RECORDING_H
#define LS_RUNTIME_RECORDING_H
#include "codec/codec.h"
#include "edge/kafka_client.h"
#include "node/plan.h"

#include <stdio.h>

typedef struct ls_recording {
  FILE *bytes, *index;
  ls_format format;
  int64_t n, at; /* records; reading: the next one */
  int64_t end;   /* of the bytes written or read */
  ls_buf value;  /* of the record last read */
} ls_recording;

/** How a source's values are kept: as they are, but for plain JSON. */
static inline ls_format ls__recording_format(const ls_plan_source *source) {
  return source->live_registry ? LS_FORMAT_PROTOBUF : source->live_format;
}
/** <directory>/<source>/partition-<n>.jsonl (.bin) and .index. @errors LS_EIO */
int ls__recording_create(ls_recording *out, const char *directory, const char *source, int32_t partition,
                         ls_format format, ls_error *err);
int ls__recording_add(ls_recording *recording, const ls_kafka_record *record, ls_error *err);
/** For reading; n 0: there is none. */
int ls__recording_open(ls_recording *out, const char *directory, const char *source, int32_t partition,
                       ls_format format, ls_error *err);
/** *got false: at the end. record: offset, timestamp and value, valid until the next call. */
int ls__recording_next(ls_recording *recording, ls_kafka_record *record, bool *got, ls_error *err);
/** Of one that was written: the error of its last bytes. */
int ls__recording_close(ls_recording *recording, ls_error *err);
#endif
