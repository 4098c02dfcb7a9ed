/** @file assert.c  The end of the process on a programming error: message, then core dump. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void ls__assert_failed(const char *expr, const char *file, int line) {
  fprintf(stderr, "level=error room=base event=assertion_failed at=%s:%d expr=\"%s\"\n", file, line, expr);
  abort();
}
