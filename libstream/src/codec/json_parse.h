/** @file json_parse.h  One JSON record -> scratch values. */
#ifndef LS_CODEC_JSON_PARSE_H
#define LS_CODEC_JSON_PARSE_H
#include "codec/decoder.h"

/** Parses the record that begins at line (padded, valid UTF-8, ends with a newline) into
 * decoder->values. Returns that newline, or NULL with decoder->bad set; a fault found may then
 * hide that later text is not JSON. */
const char *ls__json_parse_record(ls_decoder *decoder, const char *line);
#endif
