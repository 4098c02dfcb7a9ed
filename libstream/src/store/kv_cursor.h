/** @file kv_cursor.h  The entries of a key-value store or table in key order, one at a time. */
#ifndef LS_STORE_KV_CURSOR_H
#define LS_STORE_KV_CURSOR_H
#include "store/store.h"

typedef struct ls_kv_cursor ls_kv_cursor;

/** All entries in bytewise key order, pending writes included. The store may not change while a cursor is open. */
void ls__kv_cursor_open(ls_kv_cursor **out, ls_kv *kv);
/** The same of the key-value store or table with that name, which is open in the set. */
void ls__store_set_cursor(ls_kv_cursor **out, const ls_store_set *set, const char *store);
/** 1: key and value of the next entry, valid until the next call; 0: no more. */
int ls__kv_cursor_next(ls_kv_cursor *cursor, ls_slice *key, ls_slice *value);
/** @errors LS_EIO the entries ended early */
int ls__kv_cursor_close(ls_kv_cursor *cursor, ls_error *err);
#endif
