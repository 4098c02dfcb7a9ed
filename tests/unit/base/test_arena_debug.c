/**
 * @file test_arena_debug.c
 * The debug arena, whatever the build's mode: arena.c is compiled here once more under other names.
 */
#define ls__arena_init    debug_arena_init
#define ls__arena_fini    debug_arena_fini
#define ls__arena_reset   debug_arena_reset
#define ls__arena_alloc   debug_arena_alloc
#define ls__arena_zalloc  debug_arena_zalloc
#define ls__arena_regrow  debug_arena_regrow
#define ls__arena_strdup  debug_arena_strdup
#define ls__arena_strndup debug_arena_strndup
#define ls__arena_printf  debug_arena_printf
#ifndef LS_ARENA_DEBUG
#define LS_ARENA_DEBUG
#endif
#include "base/arena.c"

#include "helper_base.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

START_TEST(each_allocation_has_its_exact_block) {
  ls_arena arena;
  debug_arena_init(&arena, 0);
  size_t sum = 0;
  for (size_t n = 0; n < 200; n += 7) {
    char *p = debug_arena_alloc(&arena, n);
    ck_assert_uint_eq((uintptr_t)p % 16, 0);
    memset(p, 1, n);
    sum += n;
    ck_assert_uint_eq(arena.reserved_bytes, sum);
#ifdef __SANITIZE_ADDRESS__
    ck_assert(__asan_address_is_poisoned(p + n));
    ck_assert(n == 0 || !__asan_address_is_poisoned(p + n - 1));
#endif
  }
  debug_arena_fini(&arena);
}
END_TEST

START_TEST(reset_gives_everything_back) {
  ls_arena arena;
  debug_arena_init(&arena, 0);
  char *p = debug_arena_strdup(&arena, "gone");
  debug_arena_reset(&arena);
  ck_assert_uint_eq(arena.reserved_bytes, 0);
#ifdef __SANITIZE_ADDRESS__
  ck_assert(__asan_address_is_poisoned(p));
#else
  (void)p;
#endif
  ck_assert_str_eq(debug_arena_printf(&arena, "%d", 5), "5");
  debug_arena_fini(&arena);
}
END_TEST

START_TEST(regrow_moves_always) {
  ls_arena arena;
  debug_arena_init(&arena, 0);
  char *p = debug_arena_alloc(&arena, 16);
  memset(p, 'a', 16);
  char *q = debug_arena_regrow(&arena, p, 16, 32);
  ck_assert_ptr_ne(p, q);
  ck_assert_int_eq(q[15], 'a');
  ck_assert_int_eq(p[15], 'a');
  debug_arena_fini(&arena);
}
END_TEST

int main(void) {
  const test_case cases[] = {TEST_CASE(each_allocation_has_its_exact_block), TEST_CASE(reset_gives_everything_back),
                             TEST_CASE(regrow_moves_always)};
  return RUN_TESTS("base.arena_debug", cases);
}
