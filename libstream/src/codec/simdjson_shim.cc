/** @file simdjson_shim.cc  The one C++ file of the room: simdjson behind a C function. No exception
 * crosses it. */
#include <simdjson.h>

#include "codec/decoder.h"

extern "C" bool ls__utf8_valid_wide(const char *text, size_t len) {
  return simdjson::validate_utf8(text, len); /* noexcept; picks its implementation once, thread-safe */
}
