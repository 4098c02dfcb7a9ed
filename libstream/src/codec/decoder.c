/** @file decoder.c  Making and freeing decoders; what all formats share. */
#include "codec/decoder.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

static void init_names(ls_decoder *decoder) {
  uint32_t n_slots = 8;
  while (n_slots < decoder->n_fields * 2) n_slots *= 2;
  decoder->names.slots = LS_ARENA_ARRAY(&decoder->arena, uint32_t, n_slots);
  decoder->names.mask = n_slots - 1;
  for (uint32_t i = 0; i < decoder->n_fields; i++) {
    uint32_t slot = (uint32_t)ls__hash64(decoder->plans[i].name) & decoder->names.mask;
    while (decoder->names.slots[slot]) slot = (slot + 1) & decoder->names.mask;
    decoder->names.slots[slot] = i + 1;
  }
}

int32_t ls__decoder_find(const ls_decoder *decoder, ls_slice name) {
  const ls_name_table *names = &decoder->names;
  for (uint32_t slot = (uint32_t)ls__hash64(name) & names->mask; names->slots[slot]; slot = (slot + 1) & names->mask) {
    uint32_t i = names->slots[slot] - 1;
    if (ls__slice_eq(decoder->plans[i].name, name)) return (int32_t)i;
  }
  return -1;
}

static int init_plans(ls_decoder *decoder, const ls_decoder_opts *opts, ls_error *err) {
  for (uint32_t i = 0; i < decoder->n_fields; i++) {
    LS_TRY(ls__plan_init(decoder, i, opts->wanted, err));
    decoder->n_sensitive += decoder->plans[i].sensitive;
  }
  init_names(decoder);
  if (opts->format != LS_FORMAT_PROTOBUF) return LS_OK;
  if (!opts->protobuf_descriptor) {
    return ls_error_set(err, LS_ECONFIG, "format protobuf needs a message descriptor for %s", decoder->schema->name);
  }
  return ls__protobuf_map_new(decoder, opts->protobuf_descriptor, err);
}

int ls__decoder_new(ls_decoder **out, const ls_schema *schema, const ls_decoder_opts *opts, ls_error *err) {
  ls_decoder *decoder = LS_NEW(ls_decoder);
  *out = NULL;
  ls__arena_init(&decoder->arena, 0);
  ls__arena_init(&decoder->scratch, 0);
  ls__arena_init(&decoder->csv_arena, 4096);
  decoder->schema = schema;
  decoder->format = opts->format;
  decoder->n_fields = schema->n_fields;
  decoder->plans = LS_ARENA_ARRAY(&decoder->arena, ls_field_plan, schema->n_fields + 1);
  decoder->values = LS_ARENA_ARRAY(&decoder->arena, ls_value, schema->n_fields + 1);
  decoder->follows = LS_ARENA_ARRAY(&decoder->arena, uint32_t, schema->n_fields + 1);
  for (uint32_t i = 0; i < schema->n_fields; i++) decoder->follows[i] = i;
  int rc = init_plans(decoder, opts, err);
  if (rc < 0) {
    ls__decoder_free(decoder);
    return rc;
  }
  ls__record_reset(decoder);
  *out = decoder;
  return LS_OK;
}

void ls__decoder_free(ls_decoder *decoder) {
  if (!decoder) return;
  for (uint32_t i = 0; i < decoder->n_fields; i++) ls__plan_fini(&decoder->plans[i]);
  ls__buf_fini(&decoder->line);
  ls__buf_fini(&decoder->payload);
  ls__buf_fini(&decoder->secrets);
  ls__arena_fini(&decoder->csv_arena);
  ls__arena_fini(&decoder->scratch);
  ls__arena_fini(&decoder->arena);
  ls__free(decoder);
}
