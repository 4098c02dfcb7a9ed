/**
 * @file recon_mask.c
 * udf_mask_sensitive: user ids as keyed tokens that can be joined, or with all but their end hidden.
 *
 * The token is 'tok_' and the first 32 hex digits of HMAC-SHA-256(key, user_id). The hash states
 * after the two key blocks are computed once, so an id of up to 55 bytes costs two compressions.
 * Of OpenSSL's ways, copying the low-level SHA256_CTX is by far the fastest (measured with 3.0, ns
 * per id: HMAC() 1670, EVP_MAC dup 720, EVP_MAC reuse 280, EVP_MD_CTX_copy_ex 170, SHA256_CTX 100),
 * which is why deprecated functions are used here. Users come back: a direct-mapped cache per thread
 * answers those. Key, hash states and cache are wiped when the function closes.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "recon.h"

#define KEY_BYTES_MIN 16
#define BLOCK_BYTES   64
#define TOKEN_PREFIX  "tok_"
#define TOKEN_BYTES   16 /* of the digest */
#define TOKEN_TEXT    (sizeof(TOKEN_PREFIX) - 1 + 2 * TOKEN_BYTES)
#define CACHE_BITS    14
#define CACHE_ENTRIES (1 << CACHE_BITS) /* of 64 bytes: 1 MiB per thread */
#define CACHE_ID_MAX  47
#define MASK_KEEPS    4 /* characters */

/** One cache line. len 0: free, so the empty id is not cached. */
typedef struct cache_entry {
  unsigned char token[TOKEN_BYTES];
  char id[CACHE_ID_MAX];
  uint8_t len;
} cache_entry;

typedef struct masker {
  bool whole_token; /* mode token; else mode mask */
  SHA256_CTX inner, outer;
  cache_entry *cache;
} masker;

/** The hash states that HMAC starts from. */
static void set_key(masker *self, const char *key, size_t len) {
  unsigned char block[BLOCK_BYTES] = {0}, pad[BLOCK_BYTES];
  if (len > BLOCK_BYTES) {
    SHA256((const unsigned char *)key, len, block);
  } else {
    memcpy(block, key, len);
  }
  for (int i = 0; i < BLOCK_BYTES; i++) pad[i] = block[i] ^ 0x36;
  SHA256_Init(&self->inner);
  SHA256_Update(&self->inner, pad, sizeof(pad));
  for (int i = 0; i < BLOCK_BYTES; i++) pad[i] = block[i] ^ 0x5c;
  SHA256_Init(&self->outer);
  SHA256_Update(&self->outer, pad, sizeof(pad));
  OPENSSL_cleanse(block, sizeof(block));
  OPENSSL_cleanse(pad, sizeof(pad));
}

static void compute_token(const masker *self, ls_slice id, unsigned char token[TOKEN_BYTES]) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256_CTX hash = self->inner;
  SHA256_Update(&hash, id.ptr, id.len);
  SHA256_Final(digest, &hash);
  hash = self->outer;
  SHA256_Update(&hash, digest, sizeof(digest));
  SHA256_Final(digest, &hash);
  memcpy(token, digest, TOKEN_BYTES);
}

static uint64_t load_word(const char *ptr) {
  uint64_t word;
  memcpy(&word, ptr, 8);
  return word;
}

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash ^= hash >> 32;
  return (hash ^ word) * UINT64_C(0xD6E8FEB86659FD93);
}

/** Only picks a place in the cache: the id itself is compared there. The last word overlaps the one
 *  before it, so that no copy has a length that the compiler can't see. */
static size_t cache_place(ls_slice id) {
  uint64_t hash = id.len * UINT64_C(0x9E3779B97F4A7C15);
  if (id.len < 8) {
    for (size_t i = 0; i < id.len; i++) hash = mix(hash, (unsigned char)id.ptr[i]);
  } else {
    for (size_t at = 0; at + 8 < id.len; at += 8) hash = mix(hash, load_word(id.ptr + at));
    hash = mix(hash, load_word(id.ptr + id.len - 8));
  }
  return (size_t)(hash >> (64 - CACHE_BITS)); /* the top bits depend on all of the id */
}

static void token_of(const masker *self, ls_slice id, unsigned char token[TOKEN_BYTES]) {
  if (id.len == 0 || id.len > CACHE_ID_MAX) {
    compute_token(self, id, token);
    return;
  }
  cache_entry *entry = &self->cache[cache_place(id)];
  if (entry->len != id.len || memcmp(entry->id, id.ptr, id.len) != 0) {
    compute_token(self, id, entry->token);
    memcpy(entry->id, id.ptr, id.len);
    entry->len = (uint8_t)id.len;
  }
  memcpy(token, entry->token, TOKEN_BYTES);
}

static void write_token(const masker *self, const ls_udf_host *host, ls_udf_call *call, int64_t row, ls_slice id) {
  static const char digits[] = "0123456789abcdef";
  unsigned char token[TOKEN_BYTES];
  char text[TOKEN_TEXT] = TOKEN_PREFIX;
  token_of(self, id, token);
  char *next = text + sizeof(TOKEN_PREFIX) - 1;
  for (int i = 0; i < TOKEN_BYTES; i++) {
    *next++ = digits[token[i] >> 4];
    *next++ = digits[token[i] & 15];
  }
  host->set_bytes(call, row, text, sizeof(text));
}

static bool starts_character(char c) {
  return ((unsigned char)c & 0xC0) != 0x80;
}

/** One '*' for each character but the last four; four or fewer are all hidden. */
static int32_t write_mask(const ls_udf_host *host, ls_udf_call *call, int64_t row, ls_slice id) {
  size_t n_characters = 0;
  for (size_t i = 0; i < id.len; i++) n_characters += starts_character(id.ptr[i]);
  size_t n_kept = n_characters > MASK_KEEPS ? MASK_KEEPS : 0;
  size_t kept_at = id.len; /* where the characters that stay begin */
  for (size_t seen = 0; seen < n_kept; kept_at--) seen += starts_character(id.ptr[kept_at - 1]);

  size_t n_stars = n_characters - n_kept, n_tail = id.len - kept_at;
  char *text = host->alloc(call, n_stars + n_tail + 1, 1);
  if (text == NULL) return host->fail(call, LS_UDF_EFATAL, "no memory");
  memset(text, '*', n_stars);
  memcpy(text + n_stars, id.ptr + kept_at, n_tail);
  host->set_bytes(call, row, text, n_stars + n_tail);
  return LS_UDF_OK;
}

static int32_t mask_eval(void *state, const ls_udf_host *host, ls_udf_call *call, const ls_udf_vec *args,
                         ls_udf_out *out) {
  const masker *self = state;
  for (int64_t row = 0; row < out->n_rows; row++) {
    if (ls_udf_is_null(&args[0], row)) continue; /* strict: null */
    ls_slice id = ls_udf_slice(&args[0], row);
    if (self->whole_token) {
      write_token(self, host, call, row, id);
    } else {
      int32_t rc = write_mask(host, call, row, id);
      if (rc != LS_UDF_OK) return rc;
    }
  }
  return LS_UDF_OK;
}

static void mask_close(void *state) {
  masker *self = state;
  if (self->cache != NULL) OPENSSL_cleanse(self->cache, CACHE_ENTRIES * sizeof(cache_entry));
  free(self->cache);
  OPENSSL_cleanse(self, sizeof(*self));
  free(self);
}

/** Mode and key; the key is asked for in both modes, so that changing the mode starts no keyless run. */
static bool read_config(masker *self, const ls_udf_config *config) {
  const char *mode = config->get(config, "mode");
  self->whole_token = strcmp(mode, "token") == 0;
  if (!self->whole_token && strcmp(mode, "mask") != 0) {
    config->fail(config, "mode is '%s', it must be token or mask", mode);
    return false;
  }
  const char *key = config->secret(config, "RECON_MASK_KEY");
  if (key == NULL) {
    config->fail(config, "it needs a key: set RECON_MASK_KEY, or RECON_MASK_KEY_FILE to the file that has it");
    return false;
  }
  size_t len = strlen(key);
  if (len < KEY_BYTES_MIN) {
    config->fail(config, "the key in RECON_MASK_KEY is too short: %zu bytes, at least %d are needed", len,
                 KEY_BYTES_MIN);
    return false;
  }
  set_key(self, key, len);
  return true;
}

static int32_t mask_open(const ls_udf_config *config, void **state) {
  masker *self = calloc(1, sizeof(*self));
  if (self != NULL) self->cache = calloc(CACHE_ENTRIES, sizeof(cache_entry));
  if (self == NULL || self->cache == NULL) {
    config->fail(config, "no memory");
    free(self);
    return LS_UDF_EFATAL;
  }
  if (!read_config(self, config)) {
    mask_close(self);
    return LS_UDF_EFATAL;
  }
  *state = self;
  return LS_UDF_OK;
}

static const ls_udf_type mask_args[] = {{.kind = LS_STRING}};

const ls_udf_fn recon_mask_sensitive = {
    .struct_size = sizeof(ls_udf_fn),
    .flags = LS_UDF_STRICT | LS_UDF_DECLASSIFIES,
    .name = "udf_mask_sensitive",
    .about = "keyed token of a user id; in mode mask its last four characters behind asterisks",
    .args = mask_args,
    .n_args = 1,
    .ret = {.kind = LS_STRING},
    .open = mask_open,
    .eval = mask_eval,
    .close = mask_close,
};
