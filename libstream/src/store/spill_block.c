/**
 * @file spill_block.c
 * Rows on their way through a spill file: a block of columns as they lie in memory, so that writing and reading are copies.
 * Block: head, then sections that start at multiples of 16: times, stamps, key ends, keys, columns (validity, offsets, values,
 * children). A block ends after LS_SPILL_ROWS rows or LS_SPILL_ROW_BYTES of them. Only the process that wrote a block reads it.
 */
#include "base/assert.h"
#include "store/sorter_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct block_head {
  uint64_t n_bytes; /* of the whole block */
  int64_t n_rows;
  uint64_t n_keys, n_key_bytes;
} block_head;

typedef struct column_head {
  uint64_t has_validity;
  uint64_t n_value_bytes;
} column_head;

static size_t padded(size_t n) {
  return (n + 15) & ~(size_t)15;
}

static void put_section(ls_buf *out, const void *bytes, size_t n_bytes) {
  static const char zeros[16] = {0};
  ls__buf_append(out, bytes, n_bytes);
  ls__buf_append(out, zeros, padded(n_bytes) - n_bytes);
}

/** Bytes of `values` of n rows. */
static size_t value_bytes(const ls_column *column, int64_t n) {
  switch (column->type->kind) {
  case LS_BOOL:
    return (size_t)LS_BIT_WORDS(n) * sizeof(uint64_t);
  case LS_STRING:
  case LS_BYTES:
    return (size_t)column->offsets[n];
  case LS_LIST:
  case LS_STRUCT:
    return 0;
  default:
    return (size_t)n * ls__type_width(column->type);
  }
}

static bool has_offsets(const ls_type *type) {
  return type->kind == LS_STRING || type->kind == LS_BYTES || type->kind == LS_LIST;
}

/** Bytes of rows [first, last) of a column that are not of a fixed width. */
static size_t loose_bytes(const ls_column *column, int64_t first, int64_t last) {
  size_t n_bytes = 0;
  switch (column->type->kind) {
  case LS_STRING:
  case LS_BYTES:
    return (size_t)(column->offsets[last] - column->offsets[first]);
  case LS_LIST:
    first = column->offsets[first];
    last = column->offsets[last];
    n_bytes = (size_t)(last - first) * (ls__type_width(column->children[0].type) + sizeof(int32_t));
    return n_bytes + loose_bytes(&column->children[0], first, last);
  case LS_STRUCT:
    for (uint32_t i = 0; i < column->type->n_fields; i++) n_bytes += loose_bytes(&column->children[i], first, last);
    return n_bytes;
  default:
    return 0;
  }
}

size_t ls__spill_row_bytes_max(const ls_sort_chunk *chunk) {
  const ls_batch *batch = chunk->batch;
  size_t n_bytes = 0, largest = 0;
  for (size_t i = 0; i < chunk->n_keys; i++) {
    size_t len = ls__sort_chunk_key(chunk, (int64_t)i).len;
    if (len > largest) largest = len;
  }
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) {
    n_bytes += largest;
    largest = 0;
    if (ls__type_width(batch->columns[i].type) > 0) continue;
    for (int64_t row = 0; row < batch->n_rows; row++) {
      size_t len = loose_bytes(&batch->columns[i], row, row + 1);
      if (len > largest) largest = len;
    }
  }
  return n_bytes + largest;
}

size_t ls__spill_row_bytes(const ls_sort_chunk *chunk, int64_t row) {
  const ls_batch *batch = chunk->batch;
  size_t n_bytes = chunk->n_keys > 0 ? ls__sort_chunk_key(chunk, row).len : 0;
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) n_bytes += loose_bytes(&batch->columns[i], row, row + 1);
  return n_bytes;
}

static void put_column(ls_buf *out, const ls_column *column, int64_t n) {
  column_head head = {column->validity != NULL, value_bytes(column, n)};
  put_section(out, &head, sizeof head);
  if (column->validity != NULL) put_section(out, column->validity, (size_t)LS_BIT_WORDS(n) * sizeof(uint64_t));
  if (has_offsets(column->type)) put_section(out, column->offsets, ((size_t)n + 1) * sizeof(int32_t));
  put_section(out, column->values, head.n_value_bytes);
  if (column->type->kind == LS_LIST) put_column(out, &column->children[0], column->offsets[n]);
  for (uint32_t i = 0; column->type->kind == LS_STRUCT && i < column->type->n_fields; i++)
    put_column(out, &column->children[i], n);
}

void ls__spill_block_put(ls_buf *out, const ls_sort_chunk *rows) {
  const ls_batch *batch = rows->batch;
  size_t start = out->len;
  block_head head = {0, batch->n_rows, rows->n_keys, rows->keys.len};
  put_section(out, &head, sizeof head);
  put_section(out, batch->ts_us, (size_t)batch->n_rows * sizeof *batch->ts_us);
  put_section(out, batch->stamps, (size_t)batch->n_rows * sizeof *batch->stamps);
  put_section(out, rows->key_ends, rows->n_keys * sizeof *rows->key_ends);
  put_section(out, rows->keys.ptr, rows->keys.len);
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) put_column(out, &batch->columns[i], batch->n_rows);
  head.n_bytes = out->len - start;
  memcpy(out->ptr + start, &head, sizeof head);
}

size_t ls__spill_block_head_bytes(void) {
  return sizeof(block_head);
}

size_t ls__spill_block_bytes(const char *head_bytes) {
  block_head head;
  memcpy(&head, head_bytes, sizeof head);
  return head.n_bytes;
}

static char *take_section(char **at, size_t n_bytes) {
  char *section = *at;
  *at += padded(n_bytes);
  return section;
}

static void take_column(ls_column *column, char **at, int64_t n) {
  column_head head;
  memcpy(&head, take_section(at, sizeof head), sizeof head);
  column->n_rows = column->capacity_rows = n;
  column->validity =
      head.has_validity ? (uint64_t *)(void *)take_section(at, (size_t)LS_BIT_WORDS(n) * sizeof(uint64_t)) : NULL;
  if (has_offsets(column->type))
    column->offsets = (int32_t *)(void *)take_section(at, ((size_t)n + 1) * sizeof(int32_t));
  column->values = take_section(at, head.n_value_bytes);
  column->capacity_bytes = (int64_t)head.n_value_bytes;
  if (column->type->kind == LS_LIST) take_column(&column->children[0], at, column->offsets[n]);
  for (uint32_t i = 0; column->type->kind == LS_STRUCT && i < column->type->n_fields; i++)
    take_column(&column->children[i], at, n);
}

/** Makes the rows of a block those of a fresh chunk; its columns are views of bytes (16-byte aligned, of the chunk's life). */
static void take_block(ls_sort_chunk *chunk, char *bytes) {
  block_head head;
  char *at = bytes;
  memcpy(&head, take_section(&at, sizeof head), sizeof head);
  ls_batch *batch = chunk->batch;
  batch->n_rows = batch->capacity_rows = head.n_rows;
  batch->ts_us = (int64_t *)(void *)take_section(&at, (size_t)head.n_rows * sizeof *batch->ts_us);
  batch->stamps = (ls_stamp *)(void *)take_section(&at, (size_t)head.n_rows * sizeof *batch->stamps);
  size_t n_keys = head.n_keys;
  const char *ends = take_section(&at, n_keys * sizeof(uint32_t));
  const char *keys = take_section(&at, head.n_key_bytes);
  ls__grow(&chunk->key_ends, &chunk->key_ends_capacity, n_keys + 1, sizeof *chunk->key_ends);
  if (n_keys > 0) memcpy(chunk->key_ends, ends, n_keys * sizeof(uint32_t));
  chunk->n_keys = n_keys;
  ls__buf_append(&chunk->keys, keys, head.n_key_bytes);
  for (uint32_t i = 0; i < batch->schema->n_fields; i++) take_column(&batch->columns[i], &at, head.n_rows);
  ls_assert((size_t)(at - bytes) == head.n_bytes);
}

/* ---- files ---- */

int ls__spill_open(int *fd, const char *directory, ls_error *err) {
  char path[4096];
  int n = snprintf(path, sizeof path, "%s/spill-XXXXXX", directory);
  if (n < 0 || (size_t)n >= sizeof path) return ls_error_set(err, LS_EIO, "the work directory's name is too long");
  *fd = mkstemp(path);
  if (*fd < 0) return ls_error_set(err, LS_EIO, "%s: can't create a file: %s", directory, strerror(errno));
  unlink(path);
  return LS_OK;
}

int ls__spill_write(int fd, ls_slice bytes, int64_t at, ls_error *err) {
  for (size_t done = 0; done < bytes.len;) {
    ssize_t n = pwrite(fd, bytes.ptr + done, bytes.len - done, at + (int64_t)done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ls_error_set(err, LS_EIO, "the work directory can't be written: %s", strerror(errno));
    done += (size_t)n;
  }
  return LS_OK;
}

static int read_fully(int fd, char *buffer, size_t n_bytes, int64_t at, ls_error *err) {
  while (n_bytes > 0) {
    ssize_t n = pread(fd, buffer, n_bytes, at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      return ls_error_set(err, LS_EIO, "the work directory can't be read: %s",
                          n == 0 ? "file cut short" : strerror(errno));
    buffer += n;
    at += n;
    n_bytes -= (size_t)n;
  }
  return LS_OK;
}

int ls__spill_block_read(ls_sort_chunk **out, const ls_schema *schema, int fd, int64_t *at, int64_t end,
                         ls_error *err) {
  char head[sizeof(block_head)];
  LS_TRY(read_fully(fd, head, sizeof head, *at, err));
  size_t n_bytes = ls__spill_block_bytes(head);
  if (n_bytes > (size_t)(end - *at)) return ls_error_set(err, LS_EIO, "a spill file in the work directory is damaged");
  ls_sort_chunk *chunk = ls__sort_chunk_of(schema, 0);
  atomic_store(&chunk->n_users, 1);
  char *bytes = ls__arena_alloc(&chunk->arena, n_bytes);
  int rc = read_fully(fd, bytes, n_bytes, *at, err);
  if (rc < 0) {
    ls__sort_chunk_release(chunk);
    return rc;
  }
  take_block(chunk, bytes);
  *at += (int64_t)n_bytes;
  *out = chunk;
  return LS_OK;
}
