/** @file window_tree.c  AVL tree over slab references: the rows of one key of a window buffer. */
#include "store/window_internal.h"

static uint32_t height(const ls_slab *slab, ls_ref ref) {
  return ref == 0 ? 0 : ls__window_row(slab, ref)->head.key_len;
}

static void set_height(const ls_slab *slab, ls_window_row *row) {
  uint32_t left = height(slab, row->left), right = height(slab, row->right);
  row->head.key_len = (uint16_t)((left > right ? left : right) + 1);
}

static ls_ref rotate_right(ls_slab *slab, ls_ref root) {
  ls_window_row *row = ls__window_row(slab, root);
  ls_ref top = row->left;
  ls_window_row *up = ls__window_row(slab, top);
  row->left = up->right;
  up->right = root;
  set_height(slab, row);
  set_height(slab, up);
  return top;
}

static ls_ref rotate_left(ls_slab *slab, ls_ref root) {
  ls_window_row *row = ls__window_row(slab, root);
  ls_ref top = row->right;
  ls_window_row *up = ls__window_row(slab, top);
  row->right = up->left;
  up->left = root;
  set_height(slab, row);
  set_height(slab, up);
  return top;
}

static ls_ref balance(ls_slab *slab, ls_ref root) {
  ls_window_row *row = ls__window_row(slab, root);
  uint32_t left = height(slab, row->left), right = height(slab, row->right);
  if (left > right + 1) {
    const ls_window_row *child = ls__window_row(slab, row->left);
    if (height(slab, child->left) < height(slab, child->right)) row->left = rotate_left(slab, row->left);
    return rotate_right(slab, root);
  }
  if (right > left + 1) {
    const ls_window_row *child = ls__window_row(slab, row->right);
    if (height(slab, child->right) < height(slab, child->left)) row->right = rotate_right(slab, row->right);
    return rotate_left(slab, root);
  }
  set_height(slab, row);
  return root;
}

static int order_of(int64_t ts_us, ls_stamp stamp, const ls_window_row *row) {
  if (ts_us != row->ts_us) return ts_us < row->ts_us ? -1 : 1;
  return ls__stamp_cmp(stamp, row->stamp);
}

ls_ref ls__window_tree_insert(ls_slab *slab, ls_ref root, ls_ref row) {
  ls_window_row *added = ls__window_row(slab, row);
  if (root == 0) {
    added->left = added->right = 0;
    added->head.key_len = 1;
    return row;
  }
  ls_window_row *at = ls__window_row(slab, root);
  if (order_of(added->ts_us, added->stamp, at) < 0) {
    at->left = ls__window_tree_insert(slab, at->left, row);
  } else {
    at->right = ls__window_tree_insert(slab, at->right, row);
  }
  return balance(slab, root);
}

ls_ref ls__window_tree_drop_first(ls_slab *slab, ls_ref root) {
  ls_window_row *row = ls__window_row(slab, root);
  if (row->left == 0) return row->right;
  row->left = ls__window_tree_drop_first(slab, row->left);
  return balance(slab, root);
}

ls_ref ls__window_tree_remove(ls_slab *slab, ls_ref root, const ls_window_row *row) {
  if (root == 0) return 0;
  ls_window_row *at = ls__window_row(slab, root);
  if (at == row) {
    if (at->right == 0) return at->left;
    ls_ref first = at->right; /* of those behind: it takes the place */
    while (ls__window_row(slab, first)->left != 0) first = ls__window_row(slab, first)->left;
    ls_ref right = ls__window_tree_drop_first(slab, at->right);
    ls__window_row(slab, first)->left = at->left;
    ls__window_row(slab, first)->right = right;
    return balance(slab, first);
  }
  if (order_of(row->ts_us, row->stamp, at) < 0) {
    at->left = ls__window_tree_remove(slab, at->left, row);
  } else {
    at->right = ls__window_tree_remove(slab, at->right, row);
  }
  return balance(slab, root);
}

ls_ref ls__window_tree_find(const ls_slab *slab, ls_ref root, int64_t ts_us, ls_stamp stamp) {
  while (root != 0) {
    const ls_window_row *row = ls__window_row(slab, root);
    int order = order_of(ts_us, stamp, row);
    if (order == 0) return root;
    root = order < 0 ? row->left : row->right;
  }
  return 0;
}
