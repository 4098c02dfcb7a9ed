/**
 * @file rocks.c
 * RocksDB: opening, options, column families, batches, iterators. The only file that calls it.
 *
 * Durability: each commit goes to RocksDB's log without an fsync. A killed process loses nothing; a
 * machine that loses power may come back with an older commit, values and position of one time, and
 * the input after that position is read again. A scratch database has no log and no atomic commits.
 */
#include "store/rocks.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"

#define POSITION_FAMILY "position"
#define STORE_PREFIX    "store:"
#define BLOOM_BITS      10
#define BLOCK_BYTES     ((size_t)8 << 10)
#define OPEN_FILES_MAX  512
#define LEVEL0_FILES    8 /* merged late: filters keep look-ups cheap, and most rows of windows are gone by then */
#define LOG_FILE_BYTES  ((size_t)1 << 20)
#define PROBE_BYTES     ((size_t)512 << 10) /* RocksDB writes less to open an empty database */
#define PIECE_BYTES     ((size_t)1 << 20)   /* of a batch of a scratch database */

struct ls_rocks_family {
  ls_rocks_family *next;
  char *name; /* of the column family */
  rocksdb_column_family_handle_t *handle;
};

typedef struct open_task {
  struct open_task *next;
  char name[];
} open_task;

struct ls_store_db {
  rocksdb_t *db;
  char *directory;
  bool scratch;
  atomic_bool broken; /* a write has failed */
  rocksdb_options_t *options;
  rocksdb_cache_t *cache;
  rocksdb_block_based_table_options_t *table_options;
  rocksdb_readoptions_t *read;
  rocksdb_readoptions_t *scan;
  rocksdb_writeoptions_t *write;
  pthread_mutex_t lock; /* guards families and tasks */
  open_task *tasks;     /* that have a set with changelogs */
  ls_rocks_family *families;
  ls_rocks_family *position;
};

struct ls_rocks_batch {
  ls_store_db *db;
  rocksdb_writebatch_t *batch;
  char *failure; /* RocksDB's message about a piece */
};

struct ls_rocks_iter {
  rocksdb_iterator_t *iter;
  ls_slice prefix;
};

/** Takes over RocksDB's message. */
static int rocks_error(char *message, const ls_store_db *db, const char *doing, ls_error *err) {
  int rc = ls_error_set(err, LS_EIO, "state directory %s: %s: %s", db->directory, doing, message);
  rocksdb_free(message);
  return rc;
}

/** Nothing outlives the process: no log, no flush at the end. */
static void scratch_options_set(ls_store_db *db, rocksdb_options_t *options) {
  rocksdb_writeoptions_disable_WAL(db->write, 1);
  rocksdb_readoptions_set_verify_checksums(db->read, 0); /* written moments ago */
  char *message = NULL;
  rocksdb_options_t *quiet = rocksdb_options_create(); /* the C interface knows this one by name only */
  rocksdb_get_options_from_string(options, "avoid_flush_during_shutdown=true", quiet, &message);
  if (message == NULL) {
    rocksdb_options_destroy(db->options);
    db->options = quiet;
    return;
  }
  rocksdb_free(message);
  rocksdb_options_destroy(quiet);
}

/** Point lookups with many misses: full bloom filters, hash index in the blocks, filters and indexes in the shared cache. */
static void options_set(ls_store_db *db, const ls_store_db_opts *opts) {
  size_t write_buffer = opts->write_buffer_bytes > 0 ? opts->write_buffer_bytes : (size_t)64 << 20;
  db->cache = rocksdb_cache_create_lru(opts->block_cache_bytes > 0 ? opts->block_cache_bytes : (size_t)64 << 20);
  rocksdb_block_based_table_options_t *table = db->table_options = rocksdb_block_based_options_create();
  rocksdb_block_based_options_set_block_cache(table, db->cache);
  rocksdb_block_based_options_set_block_size(table, BLOCK_BYTES);
  rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
  rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
  rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
  rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
  /* in pieces, of which the cache can drop some: a filter of a whole file would be read anew for a single key */
  rocksdb_block_based_options_set_index_type(table, rocksdb_block_based_table_index_type_two_level_index_search);
  rocksdb_block_based_options_set_partition_filters(table, 1);
  rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 1);
  rocksdb_block_based_options_set_format_version(table, 5);
  rocksdb_block_based_options_set_data_block_index_type(
      table, rocksdb_block_based_table_data_block_index_type_binary_search_and_hash);
  rocksdb_options_t *options = db->options = rocksdb_options_create();
  rocksdb_options_set_create_if_missing(options, 1);
  rocksdb_options_set_create_missing_column_families(options, 1);
  rocksdb_options_set_block_based_table_factory(options, table);
  rocksdb_options_set_db_write_buffer_size(options, write_buffer);
  rocksdb_options_set_write_buffer_size(options, write_buffer / 2);
  rocksdb_options_set_arena_block_size(options, (size_t)128 << 10); /* many families, each a little */
  rocksdb_options_set_memtable_whole_key_filtering(options, 1);
  rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, 0.05); /* of the write buffer: misses skip it too */
  rocksdb_options_set_max_total_wal_size(options, write_buffer * 4);
  rocksdb_options_set_max_open_files(options, OPEN_FILES_MAX);
  rocksdb_options_set_max_background_jobs(options, 2);
  rocksdb_options_set_compression(options, rocksdb_lz4_compression);
  rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
  rocksdb_options_set_min_level_to_compress(options, 1); /* level 0 is written again soon */
  rocksdb_options_set_level0_file_num_compaction_trigger(options, LEVEL0_FILES);
  rocksdb_options_set_info_log_level(options, 2); /* warnings */
  rocksdb_options_set_max_log_file_size(options, LOG_FILE_BYTES);
  rocksdb_options_set_keep_log_file_num(options, 2);
  db->read = rocksdb_readoptions_create();
  db->scan = rocksdb_readoptions_create();
  rocksdb_readoptions_set_fill_cache(db->scan, 0); /* a scan would push out what lookups need */
  db->write = rocksdb_writeoptions_create();
  if (opts->scratch) scratch_options_set(db, options);
}

static ls_rocks_family *family_add(ls_store_db *db, const char *name, rocksdb_column_family_handle_t *handle) {
  ls_rocks_family *family = LS_NEW(ls_rocks_family);
  family->name = ls__strdup(name);
  family->handle = handle;
  family->next = db->families;
  db->families = family;
  return family;
}

/** Opens with all column families that are there, and makes a new database. */
static char *open_families(ls_store_db *db) {
  size_t n = 0;
  char *message = NULL;
  char **names = rocksdb_list_column_families(db->options, db->directory, &n, &message);
  if (message != NULL) { /* no database yet, or one that open will complain about */
    rocksdb_free(message);
    if (names != NULL) rocksdb_list_column_families_destroy(names, n);
    message = NULL;
    db->db = rocksdb_open(db->options, db->directory, &message);
    return message;
  }
  const rocksdb_options_t **options = ls__alloc(n * sizeof *options);
  rocksdb_column_family_handle_t **handles = ls__calloc(n, sizeof *handles);
  for (size_t i = 0; i < n; i++) options[i] = db->options;
  db->db = rocksdb_open_column_families(db->options, db->directory, (int)n, (const char *const *)names, options,
                                        handles, &message);
  for (size_t i = 0; i < n && message == NULL; i++) family_add(db, names[i], handles[i]);
  rocksdb_list_column_families_destroy(names, n);
  ls__free(options);
  ls__free(handles);
  return message;
}

static ls_rocks_family *family_find(ls_store_db *db, const char *name) {
  ls_rocks_family *family = db->families;
  while (family != NULL && strcmp(family->name, name) != 0) family = family->next;
  return family;
}

/** Under the lock. */
static int family_make(ls_rocks_family **out, ls_store_db *db, const char *name, ls_error *err) {
  *out = family_find(db, name);
  if (*out != NULL) return LS_OK;
  char *message = NULL;
  rocksdb_column_family_handle_t *handle = rocksdb_create_column_family(db->db, db->options, name, &message);
  if (message != NULL) return rocks_error(message, db, "a column family can't be made", err);
  *out = family_add(db, name, handle);
  return LS_OK;
}

/** Writes a file of PROBE_BYTES; errno, 0 when that went well. */
static int write_probe(int fd) {
  char zeros[8192] = {0};
  for (size_t done = 0; done < PROBE_BYTES;) {
    ssize_t n = write(fd, zeros, sizeof zeros);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    done += (size_t)n;
  }
  return fsync(fd) == 0 ? 0 : errno;
}

/** Whether a directory can be written, with some room: RocksDB aborts the process when it has none while it opens. */
static int check_room(const char *directory, ls_error *err) {
  ls_buf path = LS_BUF_INIT;
  ls__buf_printf(&path, "%s/room.probe", directory);
  int fd = open(path.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  int error_number = fd >= 0 ? write_probe(fd) : errno;
  if (fd >= 0) {
    close(fd);
    unlink(path.ptr);
  }
  ls__buf_fini(&path);
  if (error_number == 0) return LS_OK;
  return ls_error_set(err, LS_EIO, "state directory %s can't be written: %s", directory, strerror(error_number));
}

int ls__store_db_open(ls_store_db **out, const char *directory, const ls_store_db_opts *opts, ls_error *err) {
  *out = NULL;
  bool made = mkdir(directory, 0777) == 0; /* RocksDB makes it too, but lists its families before */
  int room = check_room(directory, err);
  if (room < 0 && made) rmdir(directory);
  LS_TRY(room);
  ls_store_db *db = LS_NEW(ls_store_db);
  pthread_mutex_init(&db->lock, NULL);
  db->directory = ls__strdup(directory);
  db->scratch = opts->scratch;
  options_set(db, opts);
  char *message = open_families(db);
  if (message != NULL) {
    int rc;
    if (strstr(message, "While lock file") != NULL || strstr(message, "lock hold by") != NULL) {
      rc = ls_error_set(
          err, LS_EIO, "state directory %s is in use by another process: stop it, or give this one its own", directory);
      rocksdb_free(message);
    } else {
      bool damaged = !db->scratch && strncmp(message, "Corruption", 10) == 0;
      rc = rocks_error(
          message, db,
          damaged ? "it is damaged, and can be deleted: the state comes back from the changelogs; it can't be opened"
                  : "it can't be opened",
          err);
    }
    ls__store_db_close(db);
    return rc;
  }
  int rc = family_make(&db->position, db, POSITION_FAMILY, err);
  if (rc < 0) {
    ls__store_db_close(db);
    return rc;
  }
  *out = db;
  return LS_OK;
}

void ls__store_db_close(ls_store_db *db) {
  if (db == NULL || atomic_load(&db->broken)) return; /* RocksDB asserts when it closes a log it could not write to */
  while (db->families != NULL) {
    ls_rocks_family *family = db->families;
    db->families = family->next;
    rocksdb_column_family_handle_destroy(family->handle);
    ls__free(family->name);
    ls__free(family);
  }
  if (db->db != NULL) rocksdb_close(db->db);
  rocksdb_options_destroy(db->options);
  rocksdb_block_based_options_destroy(db->table_options);
  rocksdb_cache_destroy(db->cache);
  rocksdb_readoptions_destroy(db->read);
  rocksdb_readoptions_destroy(db->scan);
  rocksdb_writeoptions_destroy(db->write);
  pthread_mutex_destroy(&db->lock);
  ls__free(db->directory);
  ls__free(db);
}

/* No task prefix begins with these bytes: they would be the length of a name longer than allowed. */
static const char fingerprint_key[] = "\xFF\xFF"
                                      "fingerprint";

/** Whether there is more than the fingerprint, which is the last key. */
static int holds_rows(bool *out, ls_store_db *db, const ls_rocks_family *family, ls_error *err) {
  rocksdb_iterator_t *iter = rocksdb_create_iterator_cf(db->db, db->scan, family->handle);
  rocksdb_iter_seek_to_first(iter);
  ls_slice first = {"", 0};
  if (rocksdb_iter_valid(iter)) first.ptr = rocksdb_iter_key(iter, &first.len);
  *out = first.len > 0 && !ls__slice_eq(first, (ls_slice){fingerprint_key, sizeof fingerprint_key - 1});
  char *message = NULL;
  rocksdb_iter_get_error(iter, &message);
  rocksdb_iter_destroy(iter);
  return message != NULL ? rocks_error(message, db, "a row can't be read", err) : LS_OK;
}

/** Under the lock. A store that holds nothing takes the new fingerprint. */
static int fingerprint_check(ls_store_db *db, ls_rocks_family *family, const char *store, uint64_t fingerprint,
                             ls_error *err) {
  ls_slice key = {fingerprint_key, sizeof fingerprint_key - 1};
  ls_buf stored = LS_BUF_INIT;
  uint64_t number = 0;
  int found = ls__rocks_get(&stored, db, family, key, err);
  if (found == 1 && stored.len == sizeof number) memcpy(&number, stored.ptr, sizeof number);
  ls__buf_fini(&stored);
  if (found < 0) return found;
  if (found == 1 && number == fingerprint) return LS_OK;
  bool rows = false;
  if (found == 1) LS_TRY(holds_rows(&rows, db, family, err));
  if (rows) {
    return ls_error_set(
        err, LS_ECONFIG,
        "store '%s': the state in %s was written with other key or value types: go back to that version, rename the "
        "store, or give a new kafka: application_id",
        store, db->directory);
  }
  ls_rocks_batch *batch = ls__rocks_batch_new(db);
  ls__rocks_batch_put(batch, family, key, (ls_slice){(const char *)&fingerprint, sizeof fingerprint});
  int rc = ls__rocks_batch_write(batch, err);
  ls__rocks_batch_free(batch);
  return rc;
}

int ls__rocks_family_open(ls_rocks_family **out, ls_store_db *db, const char *store, uint64_t fingerprint,
                          ls_error *err) {
  ls_buf name = LS_BUF_INIT;
  ls__buf_puts(&name, STORE_PREFIX);
  ls__buf_puts(&name, store);
  pthread_mutex_lock(&db->lock);
  int rc = family_make(out, db, name.ptr, err);
  if (rc >= 0) rc = fingerprint_check(db, *out, store, fingerprint, err);
  pthread_mutex_unlock(&db->lock);
  ls__buf_fini(&name);
  return rc;
}

ls_rocks_family *ls__rocks_position_family(ls_store_db *db) {
  return db->position;
}

int ls__rocks_get(ls_buf *out, ls_store_db *db, ls_rocks_family *family, ls_slice key, ls_error *err) {
  char *message = NULL;
  rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned_cf(db->db, db->read, family->handle, key.ptr, key.len, &message);
  if (message != NULL) return rocks_error(message, db, "a row can't be read", err);
  if (pinned == NULL) return 0;
  size_t len = 0;
  const char *value = rocksdb_pinnableslice_value(pinned, &len);
  ls__buf_clear(out);
  ls__buf_append(out, value, len);
  rocksdb_pinnableslice_destroy(pinned);
  return 1;
}

bool ls__rocks_is_scratch(const ls_store_db *db) {
  return db != NULL && db->scratch;
}

ls_rocks_batch *ls__rocks_batch_new(ls_store_db *db) {
  ls_rocks_batch *batch = LS_NEW(ls_rocks_batch);
  batch->db = db;
  batch->batch = rocksdb_writebatch_create();
  return batch;
}

void ls__rocks_batch_free(ls_rocks_batch *batch) {
  rocksdb_writebatch_destroy(batch->batch);
  if (batch->failure != NULL) rocksdb_free(batch->failure);
  ls__free(batch);
}

static void write_piece(ls_rocks_batch *batch) {
  size_t n_bytes = 0;
  if (!batch->db->scratch || batch->failure != NULL) return;
  (void)rocksdb_writebatch_data(batch->batch, &n_bytes);
  if (n_bytes < PIECE_BYTES) return;
  rocksdb_write(batch->db->db, batch->db->write, batch->batch, &batch->failure);
  rocksdb_writebatch_clear(batch->batch);
}

void ls__rocks_batch_put(ls_rocks_batch *batch, ls_rocks_family *family, ls_slice key, ls_slice value) {
  rocksdb_writebatch_put_cf(batch->batch, family->handle, key.ptr, key.len, value.len > 0 ? value.ptr : "", value.len);
  write_piece(batch);
}

void ls__rocks_batch_put2(ls_rocks_batch *batch, ls_rocks_family *family, ls_slice key, ls_slice head, ls_slice tail) {
  const char *values[2] = {head.ptr, tail.len > 0 ? tail.ptr : ""};
  size_t lens[2] = {head.len, tail.len};
  rocksdb_writebatch_putv_cf(batch->batch, family->handle, 1, &key.ptr, &key.len, 2, values, lens);
  write_piece(batch);
}

void ls__rocks_batch_delete(ls_rocks_batch *batch, ls_rocks_family *family, ls_slice key) {
  rocksdb_writebatch_delete_cf(batch->batch, family->handle, key.ptr, key.len);
}

void ls__rocks_batch_delete_range(ls_rocks_batch *batch, ls_rocks_family *family, ls_slice from, ls_slice end) {
  rocksdb_writebatch_delete_range_cf(batch->batch, family->handle, from.ptr, from.len, end.ptr, end.len);
}

void ls__rocks_batch_delete_prefix(ls_rocks_batch *batch, ls_rocks_family *family, ls_slice prefix) {
  ls_buf end = LS_BUF_INIT; /* first key behind those of the prefix */
  ls__buf_append(&end, prefix.ptr, prefix.len);
  while (end.len > 0 && (unsigned char)end.ptr[end.len - 1] == 0xFF) end.len--;
  if (end.len > 0) {
    end.ptr[end.len - 1]++;
    ls__rocks_batch_delete_range(batch, family, prefix, ls__buf_slice(&end));
  }
  ls__buf_fini(&end);
}

int ls__rocks_batch_write(ls_rocks_batch *batch, ls_error *err) {
  ls_store_db *db = batch->db;
  char *message = batch->failure;
  batch->failure = NULL;
  if (message == NULL) rocksdb_write(db->db, db->write, batch->batch, &message);
  if (message == NULL) return LS_OK;
  atomic_store(&db->broken, true);
  return rocks_error(message, db, "a commit can't be written", err);
}

ls_rocks_iter *ls__rocks_iter_new(ls_store_db *db, ls_rocks_family *family, ls_slice prefix) {
  ls_rocks_iter *iter = LS_NEW(ls_rocks_iter);
  iter->iter = rocksdb_create_iterator_cf(db->db, db->scan, family->handle);
  iter->prefix = prefix;
  rocksdb_iter_seek(iter->iter, prefix.ptr, prefix.len);
  return iter;
}

bool ls__rocks_iter_valid(const ls_rocks_iter *iter) {
  size_t len = 0;
  if (!rocksdb_iter_valid(iter->iter)) return false;
  const char *key = rocksdb_iter_key(iter->iter, &len);
  return len >= iter->prefix.len && memcmp(key, iter->prefix.ptr, iter->prefix.len) == 0;
}

ls_slice ls__rocks_iter_key(const ls_rocks_iter *iter) {
  size_t len = 0;
  const char *key = rocksdb_iter_key(iter->iter, &len);
  return (ls_slice){key + iter->prefix.len, len - iter->prefix.len};
}

ls_slice ls__rocks_iter_value(const ls_rocks_iter *iter) {
  ls_slice value = {NULL, 0};
  value.ptr = rocksdb_iter_value(iter->iter, &value.len);
  return value;
}

void ls__rocks_iter_step(ls_rocks_iter *iter) {
  rocksdb_iter_next(iter->iter);
}

int ls__rocks_iter_end(ls_rocks_iter *iter, ls_error *err) {
  char *message = NULL;
  rocksdb_iter_get_error(iter->iter, &message);
  rocksdb_iter_destroy(iter->iter);
  ls__free(iter);
  if (message == NULL) return LS_OK;
  int rc = ls_error_set(err, LS_EIO, "the state directory can't be read: %s", message);
  rocksdb_free(message);
  return rc;
}

void ls__rocks_task_prefix(ls_buf *out, const char *task_name) {
  size_t len = strlen(task_name);
  ls__buf_clear(out);
  ls__buf_putc(out, (char)(len >> 8));
  ls__buf_putc(out, (char)(len & 0xFF));
  ls__buf_append(out, task_name, len);
}

void ls__rocks_count_key(ls_buf *out, const char *task_name) {
  ls__buf_clear(out);
  ls__buf_append(out,
                 "\xFF\xFE"
                 "count",
                 7);
  ls__buf_puts(out, task_name);
}

/* ---- tasks ---- */

/** Where the task's entry hangs, or where the list ends. Under the lock. */
static open_task **task_find(ls_store_db *db, const char *task_name) {
  open_task **at = &db->tasks;
  while (*at != NULL && strcmp((*at)->name, task_name) != 0) at = &(*at)->next;
  return at;
}

int ls__rocks_task_claim(ls_store_db *db, const char *task_name, ls_error *err) {
  pthread_mutex_lock(&db->lock);
  open_task **at = task_find(db, task_name);
  bool is_open = *at != NULL;
  if (!is_open) {
    size_t size = strlen(task_name) + 1;
    *at = ls__calloc(1, sizeof **at + size);
    memcpy((*at)->name, task_name, size);
  }
  pthread_mutex_unlock(&db->lock);
  return is_open ? ls_error_set(err, LS_ERETRY, "task '%s': another thread has its state open", task_name) : LS_OK;
}

void ls__rocks_task_release(ls_store_db *db, const char *task_name) {
  pthread_mutex_lock(&db->lock);
  open_task **at = task_find(db, task_name), *task = *at;
  *at = task->next;
  pthread_mutex_unlock(&db->lock);
  ls__free(task);
}

int ls__store_db_tasks(ls_store_db *db, ls_store_task_fn fn, void *payload, ls_error *err) {
  ls_rocks_iter *iter = ls__rocks_iter_new(db, db->position, (ls_slice){"", 0});
  ls_buf name = LS_BUF_INIT;
  int rc = LS_OK;
  for (; rc == 0 && ls__rocks_iter_valid(iter); ls__rocks_iter_step(iter)) {
    ls_slice key = ls__rocks_iter_key(iter);
    ls__buf_clear(&name);
    ls__buf_append(&name, key.ptr, key.len);
    ls__buf_putc(&name, '\0');
    rc = fn(payload, name.ptr, err);
  }
  int end_rc = ls__rocks_iter_end(iter, rc != 0 ? NULL : err);
  ls__buf_fini(&name);
  return rc != 0 ? rc : end_rc;
}

int ls__store_db_forget_task(ls_store_db *db, const char *task_name, ls_error *err) {
  ls_buf prefix = LS_BUF_INIT, count_key = LS_BUF_INIT;
  ls__rocks_task_prefix(&prefix, task_name);
  ls__rocks_count_key(&count_key, task_name);
  ls_rocks_batch *batch = ls__rocks_batch_new(db);
  pthread_mutex_lock(&db->lock);
  for (ls_rocks_family *family = db->families; family != NULL; family = family->next) {
    if (strncmp(family->name, STORE_PREFIX, strlen(STORE_PREFIX)) != 0) continue;
    ls__rocks_batch_delete_prefix(batch, family, ls__buf_slice(&prefix));
    ls__rocks_batch_delete(batch, family, ls__buf_slice(&count_key));
  }
  pthread_mutex_unlock(&db->lock);
  ls__rocks_batch_delete(batch, db->position, ls__slice_of(task_name));
  int rc = ls__rocks_batch_write(batch, err);
  ls__rocks_batch_free(batch);
  ls__buf_fini(&prefix);
  ls__buf_fini(&count_key);
  return rc;
}
