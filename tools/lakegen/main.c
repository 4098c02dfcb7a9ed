/**
 * lakegen: options, and the order of work. Exit codes: 0 done, 1 could not write, 2 wrong usage.
 */
#include "lakegen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: lakegen --lake DIR [--transactions N] [--days D] [--seed S] [--start YYYY-MM-DD]\n"
    "               [--defects on|off] [--threads T] [--format jsonl|gz|zst|mixed]\n"
    "\n"
    "Writes a payments lake: raw/transactions, raw/fraud_signals, raw/statements, reference/, and\n"
    "_lakegen.json with counts of what was planted. The same options give the same bytes for any "
    "T.\n"
    "\n"
    "  --lake DIR          where to; must not hold a lake yet\n"
    "  --transactions N    number of transactions, 1 to 1000000000 (default 100000)\n"
    "  --days D            days they are spread over, 1 to 3650 (default 3)\n"
    "  --seed S            another seed, another lake (default 1)\n"
    "  --start DATE        the first day (default 2026-03-01)\n"
    "  --defects on|off    broken lines, repeats, disorder, re-sent rows (default on)\n"
    "  --threads T         1 to 256 (default: one per processor)\n"
    "  --format F          of raw/transactions; mixed has plain, one .gz and one .zst a day "
    "(default mixed)\n";

static bool parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *out) {
  char *end;
  if (*text < '0' || *text > '9') return false;
  unsigned long long value = strtoull(text, &end, 10);
  *out = value;
  return *end == '\0' && value >= low && value <= high;
}

static bool parse_choice(const char *text, const char *const *names, int n, int *out) {
  for (*out = 0; *out < n; ++*out)
    if (strcmp(text, names[*out]) == 0) return true;
  return false;
}

static bool parse_date(const char *text, int32_t *out) {
  int year, month, day, used = 0;
  lg_text again = {0};
  if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 || text[used] || year < 1971 || month < 1 ||
      month > 12)
    return false;
  *out = lg_day_from_civil(year, month, day);
  lg_put_date(&again, *out);
  bool same = strlen(text) == again.size && memcmp(text, again.data, again.size) == 0;
  lg_text_free(&again);
  return same;
}

static bool parse_option(lg_options *options, const char *name, const char *value) {
  static const char *const on_off[] = {"off", "on"}, *const formats[] = {"jsonl", "gz", "zst", "mixed"};
  uint64_t number;
  int choice;
  if (strcmp(name, "--lake") == 0) return options->lake = value, *value != '\0' && strlen(value) < 3000;
  if (strcmp(name, "--transactions") == 0) return parse_number(value, 1, 1000000000, &options->n_transactions);
  if (strcmp(name, "--days") == 0 && parse_number(value, 1, 3650, &number))
    return options->n_days = (uint32_t)number, true;
  if (strcmp(name, "--seed") == 0) return parse_number(value, 0, UINT64_MAX, &options->seed);
  if (strcmp(name, "--start") == 0) return parse_date(value, &options->first_day);
  if (strcmp(name, "--defects") == 0 && parse_choice(value, on_off, 2, &choice)) return options->defects = choice, true;
  if (strcmp(name, "--threads") == 0 && parse_number(value, 1, 256, &number))
    return options->n_threads = (uint32_t)number, true;
  if (strcmp(name, "--format") == 0 && parse_choice(value, formats, 4, &choice))
    return options->format = (lg_format)choice, true;
  return false;
}

static int parse_options(lg_options *options, int argc, char **argv) {
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  *options = (lg_options){.n_transactions = 100000,
                          .n_days = 3,
                          .seed = 1,
                          .defects = true,
                          .format = LG_FORMAT_MIXED,
                          .n_threads = processors < 1     ? 1
                                       : processors > 256 ? 256
                                                          : (uint32_t)processors,
                          .first_day = lg_day_from_civil(2026, 3, 1)};
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 < argc && parse_option(options, argv[i], argv[i + 1])) continue;
    fprintf(stderr, "lakegen: cannot use %s %s\n\n%s", argv[i], i + 1 < argc ? argv[i + 1] : "(no value)", usage);
    return 2;
  }
  if (!options->lake) fprintf(stderr, "lakegen: --lake is missing\n\n%s", usage);
  return options->lake ? 0 : 2;
}

static bool holds_lake(const char *lake) {
  static const char *const parts[] = {"raw", "reference", "_lakegen.json"};
  char path[4096];
  struct stat status;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    snprintf(path, sizeof path, "%s/%s", lake, parts[i]);
    if (stat(path, &status) == 0) return true;
  }
  return false;
}

static double seconds(void) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int generate(const lg_options *options, lg_planted *planted) {
  lg_world world;
  int rc = lg_world_init(&world, options);
  if (rc == 0) rc = lg_make_dirs(options->lake);
  if (rc == 0) rc = lg_reference_write(&world, planted);
  if (rc == 0) rc = lg_jobs_run(&world, planted);
  if (rc == 0) rc = lg_planted_write(planted, options);
  lg_world_fini(&world);
  return rc;
}

int main(int argc, char **argv) {
  lg_options options;
  lg_planted planted = {0};
  if (argc == 2 && strcmp(argv[1], "--help") == 0) return fputs(usage, stdout) < 0;
  int rc = parse_options(&options, argc, argv);
  if (rc != 0) return rc;
  if (holds_lake(options.lake)) {
    fprintf(stderr,
            "lakegen: %s already holds a lake; give an empty directory or remove raw/, reference/ "
            "and _lakegen.json first\n",
            options.lake);
    return 1;
  }
  double start = seconds();
  if (generate(&options, &planted) != 0) return 1;
  printf("%llu transactions: %llu events, %llu fraud signals, %llu statement rows in %.2f s\n",
         (unsigned long long)options.n_transactions, (unsigned long long)planted.count[LG_TXN_EVENTS],
         (unsigned long long)planted.count[LG_SIGNALS], (unsigned long long)planted.count[LG_STATEMENTS],
         seconds() - start);
  return 0;
}
