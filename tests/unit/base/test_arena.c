/** @file test_arena.c  Arena in the mode that this build has: alignment, reuse, growing, bounds. */
#include "base/arena.h"

#include <string.h>

#include "helper_base.h"

START_TEST(allocations_are_aligned_and_apart) {
  ls_arena arena;
  ls__arena_init(&arena, 256);
  test_rng rng = rng_new();
  struct {
    unsigned char *ptr;
    size_t len;
  } seen[500];
  for (size_t i = 0; i < 500; i++) {
    seen[i].len = rng_below(&rng, i % 10 ? 100 : 2000);
    seen[i].ptr = ls__arena_alloc(&arena, seen[i].len);
    ck_assert_uint_eq((uintptr_t)seen[i].ptr % 16, 0);
    memset(seen[i].ptr, (int)(i & 255), seen[i].len);
  }
  for (size_t i = 0; i < 500; i++)
    for (size_t k = 0; k < seen[i].len; k++) ck_assert_uint_eq(seen[i].ptr[k], i & 255);
  ls__arena_fini(&arena);
  ck_assert_uint_eq(arena.reserved_bytes, 0);
}
END_TEST

START_TEST(text_helpers_terminate) {
  ls_arena arena;
  ls__arena_init(&arena, 0);
  ck_assert_str_eq(ls__arena_strdup(&arena, "abc"), "abc");
  ck_assert_str_eq(ls__arena_strndup(&arena, "abcdef", 2), "ab");
  ck_assert_str_eq(ls__arena_strndup(&arena, NULL, 0), "");
  ck_assert_str_eq(ls__arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
  char *zeros = ls__arena_zalloc(&arena, 1000);
  for (size_t i = 0; i < 1000; i++) ck_assert_int_eq(zeros[i], 0);
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(regrow_keeps_contents_and_old_memory) {
  ls_arena arena;
  ls__arena_init(&arena, 1024);
  size_t len = 10;
  char *p = ls__arena_regrow(&arena, NULL, 0, len), *first = p;
  memset(p, 'x', len);
  for (int round = 0; round < 12; round++) {
    char *other = ls__arena_alloc(&arena, round % 2 ? 5 : 0); /* sometimes not the last one */
    (void)other;
    p = ls__arena_regrow(&arena, p, len, len * 2);
    for (size_t i = 0; i < len; i++) ck_assert_int_eq(p[i], 'x');
    memset(p, 'x', len * 2);
    len *= 2;
  }
  ck_assert_ptr_eq(ls__arena_regrow(&arena, p, len, len / 2), p);
  for (size_t i = 0; i < 10; i++) ck_assert_int_eq(first[i], 'x');
  ls__arena_fini(&arena);
}
END_TEST

#ifndef LS_ARENA_DEBUG
START_TEST(regrow_of_the_last_allocation_stays_in_place) {
  ls_arena arena;
  ls__arena_init(&arena, 1024);
  char *p = ls__arena_alloc(&arena, 100);
  ck_assert_ptr_eq(ls__arena_regrow(&arena, p, 100, 200), p);
  char *q = ls__arena_alloc(&arena, 16);
  ck_assert_ptr_eq(q, p + 208);
  ck_assert_ptr_ne(ls__arena_regrow(&arena, p, 200, 300), p);
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(reset_reuses_blocks) {
  ls_arena arena;
  ls__arena_init(&arena, 1024);
  size_t reserved = 0;
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 100; i++) memset(ls__arena_alloc(&arena, 100), 1, 100);
    memset(ls__arena_alloc(&arena, 50000 + (size_t)round), 1, 50000);
    if (round == 0) reserved = arena.reserved_bytes;
    if (round > 1) ck_assert_uint_le(arena.reserved_bytes, reserved * 2);
    ck_assert_uint_ge(arena.used_bytes, 60000);
    ls__arena_reset(&arena);
    ck_assert_uint_eq(arena.used_bytes, 0);
  }
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(idle_large_blocks_are_given_back) {
  ls_arena arena;
  ls__arena_init(&arena, 1024);
  ls__arena_alloc(&arena, 1 << 20);
  ls__arena_reset(&arena);
  ck_assert_uint_ge(arena.reserved_bytes, 1 << 20);
  ls__arena_alloc(&arena, 10);
  ls__arena_reset(&arena);
  ck_assert_uint_le(arena.reserved_bytes, 4096);
  ls__arena_fini(&arena);
}
END_TEST

START_TEST(large_allocation_leaves_the_current_block_in_use) {
  ls_arena arena;
  ls__arena_init(&arena, 1024);
  char *p = ls__arena_alloc(&arena, 16);
  ls__arena_alloc(&arena, 1024); /* the size of a block: still one of its own */
  ck_assert_ptr_eq(ls__arena_alloc(&arena, 16), p + 16);
  ls__arena_fini(&arena);
}
END_TEST
#endif

int main(void) {
  const test_case cases[] = {TEST_CASE(allocations_are_aligned_and_apart),
                             TEST_CASE(text_helpers_terminate),
                             TEST_CASE(regrow_keeps_contents_and_old_memory),
#ifndef LS_ARENA_DEBUG
                             TEST_CASE(regrow_of_the_last_allocation_stays_in_place),
                             TEST_CASE(reset_reuses_blocks),
                             TEST_CASE(idle_large_blocks_are_given_back),
                             TEST_CASE(large_allocation_leaves_the_current_block_in_use)
#endif
  };
  return RUN_TESTS("base.arena", cases);
}
