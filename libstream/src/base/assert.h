/** @file assert.h  Programming errors end the process, also in release. Never for bad data. */
#ifndef LS_BASE_ASSERT_H
#define LS_BASE_ASSERT_H
_Noreturn void ls__assert_failed(const char *expr, const char *file, int line);
#define ls_assert(expr) ((expr) ? (void)0 : ls__assert_failed(#expr, __FILE__, __LINE__))
#endif
