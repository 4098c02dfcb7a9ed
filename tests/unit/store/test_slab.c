/** @file test_slab.c  The slab: blocks keep their bytes, freed memory is used again, also in other sizes; tree depth. */
#include "helper_store.h"
#include "store/window_internal.h"

#define N_BLOCKS 3000

typedef struct block {
  ls_ref ref;
  size_t n_bytes;
  unsigned char fill;
} block;

static void fill(const ls_slab *slab, const block *b) {
  memset((char *)ls__slab_at(slab, b->ref) + sizeof(ls_block), b->fill, b->n_bytes - sizeof(ls_block));
}

static void check(const ls_slab *slab, const block *b) {
  const unsigned char *bytes = (const unsigned char *)ls__slab_at(slab, b->ref) + sizeof(ls_block);
  ck_assert_uint_ge(ls__slab_capacity(slab, b->ref), b->n_bytes);
  ck_assert_uint_eq(ls__slab_capacity(slab, b->ref), ls__slab_cost(b->n_bytes));
  size_t n_same = 0; /* one assertion for all: each costs a system call */
  while (n_same < b->n_bytes - sizeof(ls_block) && bytes[n_same] == b->fill) n_same++;
  ck_assert_uint_eq(n_same, b->n_bytes - sizeof(ls_block));
}

/* Sizes drift from small to large and back, so that free blocks must be split and joined. */
static size_t size_of(test_rng *rng, int phase) {
  static const size_t spans[] = {16, 60, 400, 3000, 12000, 90};
  if (rng_below(rng, 3000) == 0) return 262000 + rng_below(rng, 3000); /* around the border of large blocks */
  return sizeof(ls_block) + rng_below(rng, spans[phase % 6]);
}

START_TEST(blocks_keep_their_bytes_within_the_limit) {
  test_rng rng = rng_new();
  ls_slab slab;
  size_t limit = (size_t)10 << 20;
  ls__slab_init(&slab, limit);
  block *blocks = ls__calloc(N_BLOCKS, sizeof *blocks);
  size_t n_refused = 0;
  for (int i = 0; i < 120000; i++) {
    block *b = &blocks[rng_below(&rng, N_BLOCKS)];
    if (b->ref != 0) {
      check(&slab, b);
      ls__slab_free(&slab, b->ref);
      b->ref = 0;
    } else {
      b->n_bytes = size_of(&rng, i / 12000);
      b->fill = (unsigned char)rng_next(&rng);
      b->ref = ls__slab_alloc(&slab, b->n_bytes);
      if (b->ref == 0)
        n_refused++;
      else
        fill(&slab, b);
    }
    if (slab.reserved_bytes > limit || slab.live_bytes > slab.reserved_bytes) ck_abort_msg("limit passed");
  }
  for (size_t i = 0; i < N_BLOCKS; i++) {
    if (blocks[i].ref == 0) continue;
    check(&slab, &blocks[i]);
    ls__slab_free(&slab, blocks[i].ref);
  }
  ck_assert_uint_eq(slab.live_bytes, 0);
  ck_assert_uint_gt(n_refused, 0); /* the limit was met, and what was free then was of use later */
  ls__slab_fini(&slab);
  ls__free(blocks);
}
END_TEST

START_TEST(memory_of_small_blocks_serves_large_ones) {
  ls_slab slab;
  ls__slab_init(&slab, (size_t)4 << 20);
  ls_ref *refs = ls__calloc(200000, sizeof *refs);
  for (int round = 0; round < 6; round++) {
    size_t n_bytes = round % 2 == 0 ? 24 : 6000, n = 0;
    while ((refs[n] = ls__slab_alloc(&slab, n_bytes)) != 0) n++;
    ck_assert_uint_gt(n * n_bytes, (size_t)3 << 20); /* three quarters of the limit, whatever was there before */
    for (size_t i = 0; i < n; i++) ls__slab_free(&slab, refs[i]);
  }
  ls__slab_fini(&slab);
  ls__free(refs);
}
END_TEST

static ls_ref add_row(ls_slab *slab, ls_ref root, int64_t ts_us) {
  ls_ref ref = ls__slab_alloc(slab, sizeof(ls_window_row));
  ls_window_row *row = ls__window_row(slab, ref);
  row->ts_us = ts_us;
  row->stamp = (ls_stamp){0, 0};
  return ls__window_tree_insert(slab, root, ref);
}

/* Height of a tree whose every node has subtrees of heights that differ by one at most; -1: one has not. */
static int balanced_height(const ls_slab *slab, ls_ref root) {
  if (root == 0) return 0;
  const ls_window_row *row = ls__window_row(slab, root);
  int left = balanced_height(slab, row->left), right = balanced_height(slab, row->right);
  if (left < 0 || right < 0 || left - right > 1 || right - left > 1) return -1;
  int height = (left > right ? left : right) + 1;
  return row->head.key_len == height ? height : -1;
}

START_TEST(trees_stay_flat_in_any_order_of_times) {
  for (int order = 0; order < 4; order++) {
    ls_slab slab;
    ls__slab_init(&slab, (size_t)64 << 20);
    test_rng rng = rng_new();
    ls_ref root = 0;
    int64_t n = 1 << 14;
    for (int64_t i = 0; i < n; i++) {
      int64_t zigzag = i % 2 == 0 ? i : n * 2 - i;
      int64_t times[] = {i, -i, zigzag, (int64_t)rng_next(&rng)};
      root = add_row(&slab, root, times[order]);
    }
    ck_assert_int_gt(balanced_height(&slab, root), 14);
    int64_t last = INT64_MIN;
    for (int64_t i = 0; i < n; i++) {
      ls_ref first = root;
      while (ls__window_row(&slab, first)->left != 0) first = ls__window_row(&slab, first)->left;
      if (ls__window_row(&slab, first)->ts_us <= last) ck_abort_msg("out of order");
      last = ls__window_row(&slab, first)->ts_us;
      root = ls__window_tree_drop_first(&slab, root);
      if (i % 1000 == 0 && balanced_height(&slab, root) < 0) ck_abort_msg("not balanced");
    }
    ck_assert_uint_eq(root, 0);
    ls__slab_fini(&slab);
  }
}
END_TEST

int main(void) {
  const test_case cases[] = {
      TEST_CASE(blocks_keep_their_bytes_within_the_limit),
      TEST_CASE(memory_of_small_blocks_serves_large_ones),
      TEST_CASE(trees_stay_flat_in_any_order_of_times),
  };
  return RUN_TESTS("store.slab", cases);
}
