/*
 * Runs a fuzz target over stored inputs, without libFuzzer: every file of the given directories, once each, in name
 * order. A crash found once stays a regression test with any compiler.
 *
 * usage: fuzz_<target> [file or directory]...     a directory that does not exist is skipped
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The exact size is allocated, so that ASan sees one byte read past the end. */
static int replay_file(const char *path) {
  FILE *file = fopen(path, "rb");
  struct stat st;
  if (file == NULL || fstat(fileno(file), &st) != 0) {
    perror(path);
    if (file != NULL) fclose(file);
    return -1;
  }
  size_t size = (size_t)st.st_size;
  uint8_t *data = malloc(size > 0 ? size : 1);
  int rc = -1;
  if (data != NULL && fread(data, 1, size, file) == size) {
    LLVMFuzzerTestOneInput(data, size);
    rc = 0;
  }
  free(data);
  fclose(file);
  return rc;
}

static int is_plain_name(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

static int replay_dir(const char *dir, long *n_inputs) {
  struct dirent **names = NULL;
  int n_names = scandir(dir, &names, is_plain_name, alphasort);
  int rc = n_names < 0 ? -1 : 0;
  for (int i = 0; i < n_names; i++) {
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
    if (len < 0 || (size_t)len >= sizeof path || replay_file(path) != 0) {
      rc = -1;
    } else {
      (*n_inputs)++;
    }
    free(names[i]);
  }
  free(names);
  return rc;
}

int main(int argc, char **argv) {
  long n_inputs = 0;
  int rc = 0;
  LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
  for (int i = 1; i < argc; i++) {
    struct stat st;
    if (stat(argv[i], &st) != 0) continue;
    if (S_ISDIR(st.st_mode)) {
      rc |= replay_dir(argv[i], &n_inputs);
    } else {
      rc |= replay_file(argv[i]);
      n_inputs++;
    }
  }
  printf("%s: %ld inputs replayed\n", argv[0], n_inputs);
  return rc == 0 ? 0 : 1;
}
