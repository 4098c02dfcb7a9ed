/** @file parity_summary.c  What a parity check has found: JSON, and text for eyes. */
#include "runtime/parity.h"

#include <inttypes.h>

static const char *const kind_names[LS_PARITY_KINDS] = {"value", "order", "missing", "twice", "extra"};
static const char *const kind_texts[LS_PARITY_KINDS] = {"another value", "another order", "missing on the topic",
                                                        "twice on the topic", "not in the replay"};

static int64_t n_different(const ls_parity_output *output) {
  int64_t n = 0;
  for (int kind = 0; kind < LS_PARITY_KINDS; kind++) n += output->n_different[kind];
  return n;
}

static void put_json(ls_buf *out, const char *name, const char *value) {
  ls__buf_printf(out, ",\"%s\":", name);
  if (value == NULL) {
    ls__buf_puts(out, "null");
  } else {
    ls__buf_json_string(out, ls__slice_of(value));
  }
}

static void put_reasons(ls_buf *out, const ls_parity_output *output, int side) {
  ls__buf_printf(out, ",\"reasons_%s\":{", side == 0 ? "live" : "replayed");
  for (size_t i = 0; i < output->reasons[side].n; i++) {
    const ls_strmap_entry *reason = &output->reasons[side].entries[i];
    if (i > 0) ls__buf_putc(out, ',');
    ls__buf_json_string(out, ls__slice_of(reason->key));
    ls__buf_printf(out, ":%" PRId64, *(const int64_t *)reason->value);
  }
  ls__buf_putc(out, '}');
}

static void put_output(ls_buf *out, const ls_parity_output *output) {
  ls__buf_puts(out, "{\"topic\":");
  ls__buf_json_string(out, ls__slice_of(output->topic));
  put_json(out, output->schema != NULL ? "sink" : "dead_letters_of", output->name);
  ls__buf_printf(out, ",\"equal\":%s,\"live\":%" PRId64 ",\"replayed\":%" PRId64 ",\"keys\":%" PRId64,
                 n_different(output) == 0 ? "true" : "false", output->n_live, output->n_replayed, output->n_keys);
  for (int kind = 0; kind < LS_PARITY_KINDS; kind++)
    ls__buf_printf(out, ",\"keys_%s\":%" PRId64, kind_names[kind], output->n_different[kind]);
  ls__buf_printf(out, ",\"compacted_away\":%" PRId64, output->n_compacted);
  put_json(out, "last_row_only", output->last_only);
  ls__buf_printf(
      out, ",\"digest_live\":\"%016" PRIx64 "%016" PRIx64 "\",\"digest_replayed\":\"%016" PRIx64 "%016" PRIx64 "\"",
      output->digest_live[0], output->digest_live[1], output->digest_replayed[0], output->digest_replayed[1]);
  for (int side = 0; output->schema == NULL && side < 2; side++) put_reasons(out, output, side);
  ls__buf_putc(out, '}');
}

static void put_difference(ls_buf *out, const ls_parity_difference *at) {
  ls__buf_puts(out, "{\"topic\":");
  ls__buf_json_string(out, ls__slice_of(at->output->topic));
  put_json(out, "kind", kind_names[at->kind]);
  put_json(out, "key", at->key);
  ls__buf_printf(out, ",\"row\":%" PRId64, at->row);
  put_json(out, "column", at->column);
  put_json(out, "live", at->live);
  put_json(out, "replayed", at->replayed);
  ls__buf_putc(out, '}');
}

void ls__parity_summary(ls_buf *out, const ls_runtime *run) {
  const ls_parity *parity = run->parity;
  ls__buf_puts(out, "{\"name\":");
  ls__buf_json_string(out, ls__slice_of(run->plan->name));
  put_json(out, "status", run->status);
  put_json(out, "group", run->plan->kafka.application_id);
  if (run->error_text[0] != 0) put_json(out, "error", run->error_text);
  ls__buf_printf(out, ",\"equal\":%s,\"records\":%" PRId64 ",\"duration_us\":%" PRId64 ",\"outputs\":[",
                 strcmp(run->status, "equal") == 0 ? "true" : "false", parity->n_records,
                 run->finished_us - run->started_us);
  for (uint32_t i = 0; i < parity->n_outputs; i++) {
    if (i > 0) ls__buf_putc(out, ',');
    put_output(out, &parity->outputs[i]);
  }
  ls__buf_puts(out, "],\"differences\":[");
  for (size_t i = 0; i < parity->n_differences; i++) {
    if (i > 0) ls__buf_putc(out, ',');
    put_difference(out, &parity->differences[i]);
  }
  ls__buf_puts(out, "],\"not_compared\":[");
  for (size_t i = 0; i < parity->n_not_compared; i++) {
    if (i > 0) ls__buf_putc(out, ',');
    ls__buf_json_string(out, ls__slice_of(parity->not_compared[i]));
  }
  ls__buf_puts(out, "]}");
}

/* ---- text ---- */

static void text_output(ls_buf *out, const ls_parity_output *output) {
  bool equal = n_different(output) == 0;
  ls__buf_printf(out, "  %-9s %-28s %s: %" PRId64 " records live, %" PRId64 " replayed, %" PRId64 " keys",
                 equal ? "equal" : "DIFFERENT", output->topic, output->schema != NULL ? "rows" : "dead letters",
                 output->n_live, output->n_replayed, output->n_keys);
  if (output->n_compacted > 0) ls__buf_printf(out, "; %" PRId64 " older ones are compacted away", output->n_compacted);
  ls__buf_putc(out, '\n');
  for (int kind = 0; kind < LS_PARITY_KINDS; kind++) {
    if (output->n_different[kind] > 0)
      ls__buf_printf(out, "            %" PRId64 " keys: %s\n", output->n_different[kind], kind_texts[kind]);
  }
  if (output->last_only != NULL) ls__buf_printf(out, "            of each key the last: %s\n", output->last_only);
  ls__buf_printf(out, "            digest %016" PRIx64 "%016" PRIx64, output->digest_live[0], output->digest_live[1]);
  if (!equal)
    ls__buf_printf(out, ", replayed %016" PRIx64 "%016" PRIx64, output->digest_replayed[0], output->digest_replayed[1]);
  ls__buf_putc(out, '\n');
  for (size_t i = 0; output->schema == NULL && i < output->reasons[1].n; i++) {
    const ls_strmap_entry *reason = &output->reasons[1].entries[i];
    const int64_t *live = ls__strmap_get(&output->reasons[0], reason->key);
    ls__buf_printf(out, "            %s: %" PRId64 " live, %" PRId64 " replayed\n", reason->key,
                   live != NULL ? *live : 0, *(const int64_t *)reason->value);
  }
}

static void text_difference(ls_buf *out, const ls_parity_difference *at) {
  ls__buf_printf(out, "  %s key %s, row %" PRId64 ": %s%s%s\n", at->output->topic, at->key[0] != 0 ? at->key : "(none)",
                 at->row, kind_texts[at->kind], at->column != NULL ? " in " : "", at->column != NULL ? at->column : "");
  ls__buf_printf(out, "    live     %s\n    replayed %s\n", at->live != NULL ? at->live : "-",
                 at->replayed != NULL ? at->replayed : "-");
}

void ls__parity_summary_text(ls_buf *out, const ls_runtime *run) {
  const ls_parity *parity = run->parity;
  ls__buf_printf(out, "parity of %s: %s after %.1f s\n", run->plan->kafka.application_id, run->status,
                 (double)(run->finished_us - run->started_us) / 1e6);
  if (run->error_text[0] != 0) return;
  ls__buf_printf(out, "  recorded  %" PRId64 " records, up to the offsets that the group has committed\n",
                 parity->n_records);
  for (uint32_t i = 0; i < parity->n_outputs; i++) text_output(out, &parity->outputs[i]);
  for (size_t i = 0; i < parity->n_not_compared; i++)
    ls__buf_printf(out, "  not compared: sink %s, which writes to no topic\n", parity->not_compared[i]);
  if (parity->n_differences > 0) ls__buf_printf(out, "the first %zu differences:\n", parity->n_differences);
  for (size_t i = 0; i < parity->n_differences; i++) text_difference(out, &parity->differences[i]);
}
