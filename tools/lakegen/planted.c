/** Counts of what was planted; written last, so that its presence says the lake is whole. */
#include "lakegen.h"

#include <stdio.h>

static const char *const kind_names[LG_N_PLANTED] = {
#define LG_X(kind, name) name,
    LG_PLANTED(LG_X)
#undef LG_X
};

static const char *const break_names[LG_N_BREAKS] = {"none",
#define LG_X(kind, name) name,
                                                     LG_BREAKS(LG_X)
#undef LG_X
};

void lg_planted_add(lg_planted *into, const lg_planted *other) {
  for (int i = 0; i < LG_N_PLANTED; i++) into->count[i] += other->count[i];
  for (int i = 0; i < LG_N_BREAKS; i++) into->broken[i] += other->broken[i];
}

static void put_count(lg_text *out, const char *prefix, const char *name, uint64_t count, bool last) {
  lg_puts(out, "    \"");
  lg_puts(out, prefix);
  lg_puts(out, name);
  lg_puts(out, "\": ");
  lg_put_u64(out, count, 1);
  lg_puts(out, last ? "\n" : ",\n");
}

int lg_planted_write(const lg_planted *planted, const lg_options *options) {
  static const char *const formats[] = {"jsonl", "gz", "zst", "mixed"};
  lg_text out = {0};
  lg_puts(&out, "{\n  \"transactions\": ");
  lg_put_u64(&out, options->n_transactions, 1);
  lg_puts(&out, ",\n  \"days\": ");
  lg_put_u64(&out, options->n_days, 1);
  lg_puts(&out, ",\n  \"first_day\": \"");
  lg_put_date(&out, options->first_day);
  lg_puts(&out, "\",\n  \"last_day\": \"");
  lg_put_date(&out, options->first_day + (int32_t)options->n_days - 1);
  lg_puts(&out, "\",\n  \"seed\": ");
  lg_put_u64(&out, options->seed, 1);
  lg_puts(&out, ",\n  \"defects\": ");
  lg_puts(&out, options->defects ? "true" : "false");
  lg_puts(&out, ",\n  \"format\": \"");
  lg_puts(&out, formats[options->format]);
  lg_puts(&out, "\",\n  \"planted\": {\n");
  for (int i = 0; i < LG_N_PLANTED; i++) put_count(&out, "", kind_names[i], planted->count[i], false);
  for (int i = 1; i < LG_N_BREAKS; i++)
    put_count(&out, "broken_", break_names[i], planted->broken[i], i == LG_N_BREAKS - 1);
  lg_puts(&out, "  }\n}\n");
  char path[4096];
  snprintf(path, sizeof path, "%s/_lakegen.json", options->lake);
  int rc = lg_file_write(path, &out, false);
  lg_text_free(&out);
  return rc;
}
