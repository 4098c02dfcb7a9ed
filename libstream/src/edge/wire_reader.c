/** @file wire_reader.c  See wire_reader.h. */
#include "edge/wire_reader.h"

#include "base/alloc.h"
#include "codec/wire_format.h"

#include <stdio.h>

#define KNOWN_MAX  16 /* judged heads that are kept */
#define HEAD_BYTES 32 /* longer ones are judged each time */

/** What is in front of a payload, and what it means. */
typedef struct judged {
  char head[HEAD_BYTES];
  size_t len;
  ls_wire_fault fault;
} judged;

struct ls_wire_reader {
  ls_schema_registry *registry;
  const char *message;
  judged known[KNOWN_MAX];
  uint32_t n_known, next, last;
};

void ls__wire_reader_new(ls_wire_reader **out, ls_schema_registry *registry, const char *message) {
  ls_wire_reader *reader = LS_NEW(ls_wire_reader);
  reader->registry = registry;
  reader->message = message;
  *out = reader;
}

void ls__wire_reader_free(ls_wire_reader *reader) {
  ls__free(reader);
}

static bool is_head(const judged *known, ls_slice head) {
  return known->len == head.len && memcmp(known->head, head.ptr, head.len) == 0;
}

static const judged *find(ls_wire_reader *reader, ls_slice head) {
  if (reader->n_known > 0 && is_head(&reader->known[reader->last], head)) return &reader->known[reader->last];
  for (uint32_t i = 0; i < reader->n_known; i++) {
    if (!is_head(&reader->known[i], head)) continue;
    reader->last = i;
    return &reader->known[i];
  }
  return NULL;
}

/** An id that nobody knows may be known later. */
static void keep(ls_wire_reader *reader, ls_slice head, ls_wire_fault fault) {
  if (fault == LS_WIRE_UNKNOWN || head.len > HEAD_BYTES) return;
  judged *to = &reader->known[reader->next];
  reader->last = reader->next;
  reader->next = (reader->next + 1) % KNOWN_MAX;
  if (reader->n_known < KNOWN_MAX) reader->n_known++;
  memcpy(to->head, head.ptr, head.len);
  to->len = head.len;
  to->fault = fault;
}

int ls__wire_read(ls_wire_reader *reader, ls_slice value, ls_slice *payload, int32_t *id, ls_wire_fault *fault,
                  ls_error *err) {
  ls_wire wire;
  *id = -1;
  *fault = value.len == 0 ? LS_WIRE_NO_VALUE : LS_WIRE_NOT_FRAMED;
  *payload = (ls_slice){NULL, 0};
  if (!ls__wire_split(&wire, value, reader->message != NULL)) return LS_OK;
  *id = wire.id;
  const judged *known = find(reader, wire.head);
  if (known != NULL) {
    *fault = known->fault;
  } else {
    LS_TRY(ls__schema_registry_judge(reader->registry, wire.id, reader->message, wire.path, wire.n_path, fault, err));
    keep(reader, wire.head, *fault);
  }
  if (*fault == LS_WIRE_OK) *payload = wire.payload;
  return LS_OK;
}

const char *ls__wire_reason(ls_wire_fault fault) {
  static const char *const reasons[LS_WIRE_FAULTS] = {
      [LS_WIRE_OK] = "",
      [LS_WIRE_NO_VALUE] = "no_value",
      [LS_WIRE_NOT_FRAMED] = "not_wire_format",
      [LS_WIRE_UNKNOWN] = "unknown_schema",
      [LS_WIRE_OTHER_TYPE] = "wrong_schema_type",
      [LS_WIRE_OTHER_MESSAGE] = "wrong_message",
  };
  return reasons[fault];
}

void ls__wire_explain(const ls_wire_reader *reader, ls_wire_fault fault, int32_t id, char out[LS_WIRE_TEXT_MAX]) {
  bool protobuf = reader->message != NULL;
  switch (fault) {
  case LS_WIRE_NO_VALUE:
    snprintf(out, LS_WIRE_TEXT_MAX, "the record has no value");
    return;
  case LS_WIRE_NOT_FRAMED:
    snprintf(out, LS_WIRE_TEXT_MAX,
             "the value is not in wire format: it should begin with byte 0, the schema's id in 4 bytes%s",
             protobuf ? ", and the place of the message in it" : "");
    return;
  case LS_WIRE_UNKNOWN:
    snprintf(out, LS_WIRE_TEXT_MAX, "the schema registry has no schema %d", (int)id);
    return;
  case LS_WIRE_OTHER_TYPE:
    snprintf(out, LS_WIRE_TEXT_MAX, "schema %d of the registry should be of type %s", (int)id,
             protobuf ? "PROTOBUF" : "JSON");
    return;
  case LS_WIRE_OTHER_MESSAGE:
    snprintf(out, LS_WIRE_TEXT_MAX, "the message that the value names in schema %d should be %.200s", (int)id,
             reader->message);
    return;
  default:
    out[0] = 0;
  }
}
