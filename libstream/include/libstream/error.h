/**
 * @file error.h
 * @brief Errors: a negative code and a caller-owned struct that says what happened and what to do
 * next.
 */
#ifndef LIBSTREAM_ERROR_H
#define LIBSTREAM_ERROR_H

#include <libstream/common.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  LS_OK = 0,
#define LS_ERROR_ROW(name, value, text) name = value,
#include <libstream/error.def>
#undef LS_ERROR_ROW
};

/** What the caller should do next. */
typedef enum ls_error_class {
  LS_CLASS_NONE = 0,
  LS_CLASS_SKIP_RECORD, /* the record goes to the dead-letter output, the run goes on */
  LS_CLASS_RETRY,       /* the same call may succeed later */
  LS_CLASS_ABORT_TXN,
  LS_CLASS_REBUILD_TASK,
  LS_CLASS_FATAL
} ls_error_class;

/** Never allocates. message holds no payload data of sensitive fields. */
typedef struct ls_error {
  int code;
  ls_error_class cls;
  const char *src_file; /* where it was born */
  int src_line;
  char message[1024];
} ls_error;

#define LS_ERROR_INIT                                                                                                  \
  {                                                                                                                    \
    0, LS_CLASS_NONE, NULL, 0, {                                                                                       \
      0                                                                                                                \
    }                                                                                                                  \
  }

/** Fills err (if not NULL) and returns code. Class follows from the code. @thread any */
LS_API int ls_error_set_at(ls_error *err, int code, const char *src_file, int src_line, const char *fmt, ...)
    LS_PRINTF(5, 6);
/** Puts text before the message ("line 3: " + message). @thread any */
LS_API void ls_error_prefix(ls_error *err, const char *fmt, ...) LS_PRINTF(2, 3);
/** Name of a code, e.g. "LS_EIO"; "LS_OK" for 0. @thread any */
LS_API const char *ls_error_name(int code);

#define ls_error_set(err, code, ...) ls_error_set_at((err), (code), __FILE__, __LINE__, __VA_ARGS__)

/** Propagates a failure. Not in functions that clean up with goto. */
#define LS_TRY(expr)                                                                                                   \
  do {                                                                                                                 \
    int ls_try_rc_ = (expr);                                                                                           \
    if (ls_try_rc_ < 0) return ls_try_rc_;                                                                             \
  } while (0)

#ifdef __cplusplus
}
#endif
#endif
