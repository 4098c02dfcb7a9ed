/**
 * @file rocks.h
 * The process's RocksDB database behind plain slices. A column family per store ("store:" + name)
 * and "position"; all tasks share them, their keys begin with the task's prefix.
 */
#ifndef LS_STORE_ROCKS_H
#define LS_STORE_ROCKS_H
#include "store/store.h"

typedef struct ls_rocks_family ls_rocks_family;
typedef struct ls_rocks_batch ls_rocks_batch;
typedef struct ls_rocks_iter ls_rocks_iter;

/**
 * The column family of a store, made when it is not there. The fingerprint is kept in it.
 * @thread any @locks the database's @errors LS_ECONFIG the fingerprint differs; LS_EIO
 */
int ls__rocks_family_open(ls_rocks_family **out, ls_store_db *db, const char *store, uint64_t fingerprint,
                          ls_error *err);
ls_rocks_family *ls__rocks_position_family(ls_store_db *db);
/** 1: found, *out replaced by the value; 0: absent. */
int ls__rocks_get(ls_buf *out, ls_store_db *db, ls_rocks_family *family, ls_slice key, ls_error *err);

/** Scratch databases get what is put in pieces; others at ls__rocks_batch_write. */
ls_rocks_batch *ls__rocks_batch_new(ls_store_db *db);
void ls__rocks_batch_free(ls_rocks_batch *batch);
void ls__rocks_batch_put(ls_rocks_batch *batch, ls_rocks_family *family, ls_slice key, ls_slice value);
/** As put, the value in two parts. */
void ls__rocks_batch_put2(ls_rocks_batch *batch, ls_rocks_family *family, ls_slice key, ls_slice head, ls_slice tail);
void ls__rocks_batch_delete(ls_rocks_batch *batch, ls_rocks_family *family, ls_slice key);
/** Keys from <= key < end. */
void ls__rocks_batch_delete_range(ls_rocks_batch *batch, ls_rocks_family *family, ls_slice from, ls_slice end);
/** All keys that begin with prefix. */
void ls__rocks_batch_delete_prefix(ls_rocks_batch *batch, ls_rocks_family *family, ls_slice prefix);
/** Writes all of it or nothing (in a scratch database: what was not written yet). */
int ls__rocks_batch_write(ls_rocks_batch *batch, ls_error *err);
bool ls__rocks_is_scratch(const ls_store_db *db);

/** Keys that begin with prefix, in byte order. The prefix must stay readable. */
ls_rocks_iter *ls__rocks_iter_new(ls_store_db *db, ls_rocks_family *family, ls_slice prefix);
bool ls__rocks_iter_valid(const ls_rocks_iter *iter);
ls_slice ls__rocks_iter_key(const ls_rocks_iter *iter); /* without the prefix */
ls_slice ls__rocks_iter_value(const ls_rocks_iter *iter);
void ls__rocks_iter_step(ls_rocks_iter *iter);
/** Frees it; LS_EIO when it ended early. */
int ls__rocks_iter_end(ls_rocks_iter *iter, ls_error *err);

/** Replaces out by a task's key prefix: length of the name (2 bytes), name; no prefix starts with another. */
void ls__rocks_task_prefix(ls_buf *out, const char *task_name);
/** Replaces out by the key of a task's row count in a key-value store's family: beside the rows of all tasks. */
void ls__rocks_count_key(ls_buf *out, const char *task_name);
/** A task is open once. @thread any @errors LS_ERETRY it is open */
int ls__rocks_task_claim(ls_store_db *db, const char *task_name, ls_error *err);
void ls__rocks_task_release(ls_store_db *db, const char *task_name);
#endif
