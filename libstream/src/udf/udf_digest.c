/** @file udf_digest.c  The digest of a plugin's file, for pins: sha256 in the YAML. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "udf/udf_internal.h"

int ls__udf_file_sha256(char out[65], const char *path, ls_error *err) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    return ls_error_set(err, LS_EPLUGIN, "plugin '%s' can't be read: %s", path, strerror(errno));
  }
  EVP_MD_CTX *digest = EVP_MD_CTX_new();
  ls_assert(digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1);
  char chunk[16384];
  size_t n;
  while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
    ls_assert(EVP_DigestUpdate(digest, chunk, n) == 1);
  }
  bool whole = !ferror(file);
  fclose(file);
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int n_bytes = 0;
  ls_assert(EVP_DigestFinal_ex(digest, bytes, &n_bytes) == 1 && n_bytes == 32);
  EVP_MD_CTX_free(digest);
  if (!whole) return ls_error_set(err, LS_EPLUGIN, "plugin '%s' can't be read to its end", path);
  for (unsigned i = 0; i < n_bytes; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
  return LS_OK;
}
