/**
 * @file fuzz_registry.c
 * Any bytes as a value in wire format, as a protobuf schema, as its binary form, and as what a schema registry answers. A value
 * that is taken apart lies in its bytes and its head is written so that it is read the same; nothing is read past the end.
 */
#include "base/assert.h"
#include "codec/wire_format.h"
#include "edge/registry_answer.h"

/** What is written for the same is read as the same; numbers may have been longer than they need to be. */
static void check_head(const ls_wire *wire) {
  ls_buf head = LS_BUF_INIT;
  ls_wire again;
  ls__wire_head(&head, wire->id, wire->path, wire->n_path);
  ls_assert(head.len <= wire->head.len && memcmp(head.ptr, wire->head.ptr, LS_WIRE_HEAD) == 0);
  ls_assert(ls__wire_split(&again, ls__buf_slice(&head), wire->n_path > 0));
  ls_assert(again.id == wire->id && again.n_path == wire->n_path && again.payload.len == 0);
  ls_assert(memcmp(again.path, wire->path, sizeof again.path) == 0);
  ls__buf_fini(&head);
}

static void check_wire(ls_slice value) {
  ls_wire wire;
  for (int protobuf = 0; protobuf < 2; protobuf++) {
    if (!ls__wire_split(&wire, value, protobuf != 0)) continue;
    ls_assert(wire.id >= 0 && wire.n_path <= LS_WIRE_PATH_MAX && (wire.n_path > 0) == (protobuf != 0));
    ls_assert(wire.head.ptr == value.ptr && wire.head.len + wire.payload.len == value.len);
    ls_assert(wire.payload.ptr == value.ptr + wire.head.len);
    check_head(&wire);
    for (uint32_t i = 0; i < wire.n_path; i++) ls_assert(wire.path[i] >= 0);
    (void)ls__proto_names(wire.payload, wire.path, wire.n_path, "p.Outer.Inner");
  }
}

static void check_schema(ls_slice text) {
  static const int32_t paths[][3] = {{0}, {1}, {0, 0}, {1, 1}, {0, 0, 0}};
  static const uint32_t lens[] = {1, 1, 2, 2, 3};
  for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
    (void)ls__proto_names(text, paths[i], lens[i], "p.Outer.Inner");
    (void)ls__proto_file_names(text, paths[i], lens[i], "p.Outer.Inner");
    ls_assert(!ls__proto_names(text, paths[i], lens[i], "")); /* no message is without a name */
  }
}

static void on_field(void *payload, const ls_proto_field *field) {
  const ls_proto_place *place = payload;
  ls_assert(field->name.len > 0 && place->n_path <= LS_WIRE_PATH_MAX);
}

/** The message that is found is the one that is there. */
static void check_places(ls_slice text) {
  static const char *const names[] = {"p.Outer.Inner", "p.Outer", "M"};
  ls_proto_place place;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (!ls__proto_find(&place, text, names[i], on_field, &place)) continue;
    ls_assert(place.n_path > 0 && place.n_path <= LS_WIRE_PATH_MAX);
    ls_assert(ls__proto_names(text, place.path, place.n_path, names[i]));
  }
  ls_assert(!ls__proto_find(&place, text, "", NULL, NULL));
}

static void check_answer(ls_slice body) {
  ls_registry_reader *reader;
  ls_error err = LS_ERROR_INIT;
  ls_assert(ls__registry_reader_new(&reader, &err) == LS_OK);
  ls_registry_answer first, second;
  bool read = ls__registry_read(&first, reader, body);
  int64_t id = first.id, error_code = first.error_code;
  size_t len = first.schema.len;
  ls_assert(ls__registry_read(&second, reader, body) == read); /* what was read before does not matter */
  ls_assert(second.id == id && second.error_code == error_code && second.schema.len == len);
  ls__registry_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ls_slice text = {(const char *)data, size};
  check_wire(text);
  check_schema(text);
  check_places(text);
  check_answer(text);
  return 0;
}
