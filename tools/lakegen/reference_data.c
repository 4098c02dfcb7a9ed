/**
 * Merchants and policies. With defects: rows that a later row supersedes, broken rows in between,
 * inactive policies.
 */
#include "lakegen.h"

#include <inttypes.h>
#include <stdio.h>

enum { MERCHANT_FILES = 3, DOMAIN_REFERENCE = 60 };

typedef struct policy_row {
  const char *id, *type, *rule;
  bool active, defect; /* defect: only with --defects on */
} policy_row;

static const policy_row policy_rows[2][9] = {
    {{"pol_kyc_base", "KYC", "Identity check for high-risk merchants", false, true},
     {"pol_kyc_base", "KYC", "Identity check for high-risk merchants", true, false},
     {"pol_aml_eu", "AML", "Old anti-money-laundering rule (EU)", true, true},
     {"pol_aml_global", "AML", "Score of 0.8 and above waits for review", true, false},
     {"pol_limit_2025", "REGIONAL_LIMIT", "Limits of 2025", true, true},
     {"pol_limit_2026", "REGIONAL_LIMIT", "Limits of 2026 – per currency", true, false}},
    {{"pol_kyc_legacy", "KYC", "Withdrawn", false, false},
     {"pol_aml_eu", "AML", "Old anti-money-laundering rule (EU), withdrawn", false, true},
     {"pol_limit_2025", "REGIONAL_LIMIT", "Limits of 2025, replaced", false, true}},
};

static void put_record(const lg_world *world, lg_text *out, const lg_record *record, uint64_t salt, int bad_kind,
                       lg_planted *planted) {
  lg_rng rng = lg_rng_of(world->options->seed, DOMAIN_REFERENCE + (unsigned)bad_kind, salt);
  lg_line_json(out, record, &rng, LG_BREAK_NONE, planted);
  planted->count[bad_kind == LG_BAD_MERCHANTS ? LG_MERCHANTS : LG_POLICIES]++;
  if (world->options->defects) lg_line_defects(out, record, &rng, bad_kind, planted);
}

static int write_file(const lg_world *world, const char *folder, uint32_t number, lg_text *out) {
  char path[4096], directory[4000];
  snprintf(directory, sizeof directory, "%s/reference/%s", world->options->lake, folder);
  snprintf(path, sizeof path, "%s/part-%05" PRIu32 ".jsonl", directory, number);
  int rc = lg_make_dirs(directory);
  if (rc == 0) rc = lg_file_write(path, out, false);
  out->size = 0;
  return rc;
}

/* One merchant in fifty has an earlier row: in the same file, or in the file before. */
static uint32_t editions(const lg_world *world, uint32_t merchant) {
  lg_rng rng = lg_rng_of(world->options->seed, DOMAIN_REFERENCE, merchant);
  return world->options->defects && lg_chance(&rng, 0.02) ? 2 : 1;
}

static int write_merchants(const lg_world *world, lg_planted *planted) {
  lg_text out = {0};
  lg_record record = {0};
  int rc = 0;
  for (uint32_t file = 0; file < MERCHANT_FILES && rc == 0; file++) {
    for (uint32_t merchant = 0; merchant < world->n_merchants; merchant++) {
      uint32_t home = merchant % MERCHANT_FILES, n = editions(world, merchant);
      uint32_t early = home > 0 && merchant % 2 ? home - 1 : home;
      if (n == 2 && early == file) {
        lg_record_merchant(&record, world, merchant, 1);
        put_record(world, &out, &record, merchant * 2 + 1, LG_BAD_MERCHANTS, planted);
        planted->count[LG_SUPERSEDED]++;
      }
      if (home != file) continue;
      lg_record_merchant(&record, world, merchant, 0);
      put_record(world, &out, &record, merchant * 2, LG_BAD_MERCHANTS, planted);
    }
    rc = write_file(world, "merchants", file, &out);
  }
  lg_text_free(&out);
  lg_text_free(&record.text);
  return rc;
}

static int write_policies(const lg_world *world, lg_planted *planted) {
  lg_text out = {0};
  lg_record record = {0};
  int rc = 0;
  for (uint32_t file = 0; file < 2 && rc == 0; file++) {
    for (uint32_t i = 0; i < 9 && policy_rows[file][i].id; i++) {
      const policy_row *row = &policy_rows[file][i];
      if (row->defect && !world->options->defects) continue;
      lg_record_policy(&record, row->id, row->type, row->rule, row->active);
      put_record(world, &out, &record, file * 16 + i, LG_BAD_POLICIES, planted);
      planted->count[LG_INACTIVE_POLICY] += !row->active;
      planted->count[LG_SUPERSEDED] += row->defect && file == 0;
    }
    if (world->options->defects) { /* one broken row for certain, and last: the valid ones before it stand */
      lg_rng rng = lg_rng_of(world->options->seed, DOMAIN_REFERENCE + 1, file);
      lg_record_policy(&record, "pol_aml_global", "AML", "broken", false);
      lg_line_json(&out, &record, &rng, LG_BREAK_WRONG_TYPE, planted);
      planted->count[LG_BAD_POLICIES]++;
    }
    rc = write_file(world, "policies", file, &out);
  }
  lg_text_free(&out);
  lg_text_free(&record.text);
  return rc;
}

int lg_reference_write(const lg_world *world, lg_planted *planted) {
  int rc = write_merchants(world, planted);
  return rc == 0 ? write_policies(world, planted) : rc;
}
