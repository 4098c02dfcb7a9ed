/**
 * @file common.h
 * @brief What every public header needs: export mark, slices, 128-bit integers, kinds of types.
 */
#ifndef LIBSTREAM_COMMON_H
#define LIBSTREAM_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LS_API               __attribute__((visibility("default")))
#define LS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define LS_VERSION_MAJOR  0
#define LS_VERSION_MINOR  1
#define LS_VERSION_PATCH  0
#define LS_VERSION_STRING "0.1.0"

/** Borrowed bytes. ptr may be NULL when len is 0; not NUL-terminated. */
typedef struct ls_slice {
  const char *ptr;
  size_t len;
} ls_slice;

/** Two's complement, little-endian halves: the memory layout of Arrow's decimal128. */
typedef struct ls_i128 {
  uint64_t lo;
  int64_t hi;
} ls_i128;

/** Kinds of column types. Values are part of the plugin ABI: append only. */
typedef enum ls_kind {
  LS_NONE = 0,
  LS_BOOL = 1,      /* values: bits */
  LS_INT64 = 2,     /* values: int64_t */
  LS_FLOAT64 = 3,   /* values: double */
  LS_DECIMAL = 4,   /* values: ls_i128 unscaled; precision 1..38, scale 0..precision */
  LS_STRING = 5,    /* offsets int32 (n+1), values: UTF-8 bytes */
  LS_BYTES = 6,     /* offsets int32 (n+1), values: bytes */
  LS_TIMESTAMP = 7, /* values: int64_t microseconds since 1970-01-01T00:00:00Z */
  LS_DATE = 8,      /* values: int32_t days since 1970-01-01 */
  LS_LIST = 9,      /* offsets int32 (n+1), child 0: the elements */
  LS_STRUCT = 10    /* children: one per field, each n rows */
} ls_kind;

/** Library version as MAJOR*10000 + MINOR*100 + PATCH. @thread any */
LS_API int ls_version_number(void);
/** Library version as text. @thread any */
LS_API const char *ls_version(void);

#ifdef __cplusplus
}
#endif
#endif
