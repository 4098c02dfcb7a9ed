/** @file letters.c  Dead letters counted by source, step and reason, some of them one by one; and replayed. */
#include "streamctl/letters.h"

#include "common/exit_code.h"

#include <libstream/libstream.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIMIT_DEFAULT 20
#define GROUPS_MAX    1000

typedef struct group {
  char *source, *node, *reason;
  int64_t n, first_us, last_us;
} group;

typedef struct report {
  group groups[GROUPS_MAX];
  size_t n_groups;
  int64_t n_shown, limit, n_ungrouped;
  bool json, replaying;
} report;

static char *duplicate(const char *text) {
  size_t n = strlen(text) + 1;
  char *copy = malloc(n);
  if (copy == NULL) abort();
  return memcpy(copy, text, n);
}

static group *find_group(report *r, const ls_dead_letter_note *letter) {
  for (size_t i = 0; i < r->n_groups; i++) {
    group *g = &r->groups[i];
    if (strcmp(g->source, letter->source) == 0 && strcmp(g->node, letter->node) == 0 &&
        strcmp(g->reason, letter->reason) == 0)
      return g;
  }
  if (r->n_groups == GROUPS_MAX) return NULL;
  group *g = &r->groups[r->n_groups++];
  *g = (group){duplicate(letter->source), duplicate(letter->node), duplicate(letter->reason), 0,
               letter->written_us,        letter->written_us};
  return g;
}

static const char *instant(char *out, size_t n_bytes, int64_t us) {
  time_t seconds = (time_t)(us / 1000000);
  struct tm parts;
  gmtime_r(&seconds, &parts);
  strftime(out, n_bytes, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return out;
}

/** Control characters of others' texts must not reach a terminal. */
static void print_plain(const char *text) {
  for (const char *c = text; *c != 0; c++) putchar((unsigned char)*c < 0x20 || *c == 0x7F ? ' ' : *c);
}

static void print_json(const char *name, const char *text) {
  printf("\"%s\":\"", name);
  for (const char *c = text; *c != 0; c++) {
    if (*c == '"' || *c == '\\') putchar('\\');
    if ((unsigned char)*c < 0x20)
      printf("\\u%04x", (unsigned)*c);
    else
      putchar(*c);
  }
  putchar('"');
}

static void show(const report *r, const ls_dead_letter_note *l, bool sent) {
  char when[32];
  instant(when, sizeof when, l->written_us);
  if (r->json) {
    printf("{\"letter\":{");
    print_json("topic", l->letter_topic);
    printf(",\"partition\":%d,\"offset\":%" PRId64 "},", l->letter_partition, l->letter_offset);
    print_json("topic", l->topic);
    printf(",\"partition\":%d,\"offset\":%" PRId64 ",", l->partition, l->offset);
    const char *const texts[][2] = {{"source", l->source}, {"node", l->node},   {"reason", l->reason},
                                    {"field", l->field},   {"error", l->error}, {"written", when}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
      print_json(texts[i][0], texts[i][1]);
      printf(r->replaying || i + 1 < sizeof texts / sizeof texts[0] ? "," : "}\n");
    }
    if (r->replaying) printf("\"sent\":%s}\n", sent ? "true" : "false");
    return;
  }
  if (r->replaying && !sent) printf("gone: ");
  printf("%s  %s/%d/%" PRId64 "  ", when, l->topic, l->partition, l->offset);
  print_plain(l->reason);
  printf("  ");
  print_plain(l->error);
  putchar('\n');
}

static int take(void *payload, const ls_dead_letter_note *letter, bool sent) {
  report *r = payload;
  group *g = find_group(r, letter);
  if (g == NULL) {
    r->n_ungrouped++;
  } else {
    g->n++;
    if (letter->written_us < g->first_us) g->first_us = letter->written_us;
    if (letter->written_us > g->last_us) g->last_us = letter->written_us;
  }
  if (r->n_shown++ < r->limit) show(r, letter, sent);
  return 0;
}

static void print_groups(const report *r) {
  if (r->n_groups > 0)
    printf("\n%8s  %-22s %-22s %-18s %-21s %s\n", "letters", "source", "step", "reason", "first", "last");
  for (size_t i = 0; i < r->n_groups; i++) {
    const group *g = &r->groups[i];
    char first[32], last[32];
    printf("%8" PRId64 "  %-22s %-22s %-18s %-21s %s\n", g->n, g->source, g->node[0] != 0 ? g->node : "-", g->reason,
           instant(first, sizeof first, g->first_us), instant(last, sizeof last, g->last_us));
  }
  if (r->n_ungrouped > 0) printf("%8" PRId64 "  of other kinds\n", r->n_ungrouped);
}

static void print_end(const report *r, const ls_letters_counts *counts, bool dry_run) {
  if (r->json && r->replaying) {
    printf("{\"letters\":%" PRId64 ",\"sent\":%" PRId64 ",\"gone\":%" PRId64 ",\"dry_run\":%s}\n", counts->letters,
           counts->sent, counts->gone, dry_run ? "true" : "false");
  } else if (r->json) {
    printf("{\"letters\":%" PRId64 "}\n", counts->letters);
  } else {
    print_groups(r);
    if (!r->replaying)
      printf("%s%" PRId64 " dead letters\n", counts->letters > 0 ? "\n" : "", counts->letters);
    else
      printf("%s%" PRId64 " dead letters: %" PRId64 " records %s, %" PRId64 " no longer there\n",
             counts->letters > 0 ? "\n" : "", counts->letters, counts->sent,
             dry_run ? "would be sent again" : "sent again", counts->gone);
  }
}

static int work(const app_command *command, app_options *options, bool replaying) {
  ls_topology *topology = NULL;
  ls_error err = LS_ERROR_INIT;
  int code = app_load(&topology, command, options, options->arguments[0]);
  if (code != APP_DONE) return code;
  report *r = calloc(1, sizeof *r);
  if (r == NULL) abort();
  r->limit = options->limit > 0 ? options->limit : LIMIT_DEFAULT;
  r->json = strcmp(options->output_format, "json") == 0;
  r->replaying = replaying;
  ls_letters_opts opts = LS_LETTERS_OPTS_INIT;
  opts.source = options->source;
  opts.dry_run = options->dry_run;
  opts.on_letter = take;
  opts.payload = r;
  ls_letters_counts counts;
  int rc = replaying ? ls_dead_letters_replay(&counts, topology, &opts, &err)
                     : ls_dead_letters_list(&counts, topology, &opts, &err);
  if (rc >= 0)
    print_end(r, &counts, options->dry_run);
  else
    fprintf(stderr, "%s: %s\n", command->name, err.message);
  for (size_t i = 0; i < r->n_groups; i++) {
    free(r->groups[i].source);
    free(r->groups[i].node);
    free(r->groups[i].reason);
  }
  free(r);
  ls_topology_free(topology);
  return rc < 0 ? app_exit_code(rc) : APP_DONE;
}

int dlq_list(const app_command *command, app_options *options) {
  return work(command, options, false);
}

int dlq_replay(const app_command *command, app_options *options) {
  return work(command, options, true);
}
