/**
 * @file build_paths.c
 * What a run writes lies in directories of its own: no sink in that of another, or of dead letters, and no source reads there.
 * A re-run replaces what it wrote, so rows of another step in the same place would come and go, or be read as input.
 *
 * An expression in a path, {date} and {a,b} in a file pattern may be anything but a /, as * is.
 */
#include "topology/build.h"

#define SEGMENTS_MAX   64
#define NAME_BYTES_MAX 255 /* of a segment; no file system has longer ones */

typedef struct place {
  const char *text;                /* as written */
  const ls_yaml *at;               /* where errors are told */
  const char *who;                 /* "sink a" */
  ls_slice segments[SEGMENTS_MAX]; /* * stands for anything */
  uint32_t n;
} place;

size_t ls__build_path_close(const char *text, size_t len, size_t at) {
  size_t depth = 0;
  for (; at < len; at += ls__build_token(text, len, at)) {
    if (text[at] == '{') depth++;
    if (text[at] == '}' && --depth == 0) return at;
  }
  return len;
}

/* Segments without those that lead nowhere; what is deeper than any path is cut off. */
static void split(ls_build *b, place *out) {
  size_t len = strlen(out->text), n = 0;
  char *plain = LS_ARENA_ARRAY(b->arena, char, len + 2);
  for (size_t at = 0; at < len; at++) {
    size_t close = out->text[at] == '{' ? ls__build_path_close(out->text, len, at) : len;
    plain[n++] = close < len ? '*' : out->text[at];
    if (close < len) at = close;
  }
  for (size_t from = 0; from < n && out->n < SEGMENTS_MAX;) {
    const char *slash = memchr(plain + from, '/', n - from);
    size_t end = slash != NULL ? (size_t)(slash - plain) : n;
    bool empty = end == from || (end == from + 1 && plain[from] == '.');
    if (!empty) out->segments[out->n++] = (ls_slice){plain + from, end - from};
    from = end + 1;
  }
}

/* Whether some text fits both. reach[j]: what is left of a from here on can be that of z from j on. */
static bool may_be_same(ls_slice a, ls_slice z) {
  bool reach[NAME_BYTES_MAX + 1] = {false}, next[NAME_BYTES_MAX + 1];
  bool plain = memchr(a.ptr, '*', a.len) == NULL && memchr(z.ptr, '*', z.len) == NULL;
  if (plain || z.len > NAME_BYTES_MAX) return plain ? ls__slice_eq(a, z) : true;
  for (size_t i = a.len + 1; i-- > 0;) {
    memcpy(next, reach, z.len + 1);
    for (size_t j = z.len + 1; j-- > 0;) {
      bool a_any = i < a.len && a.ptr[i] == '*', z_any = j < z.len && z.ptr[j] == '*';
      if (i == a.len && j == z.len) {
        reach[j] = true;
      } else if (a_any || z_any) {
        bool skip_a = i < a.len && next[j], skip_z = j < z.len && reach[j + 1];
        reach[j] = (a_any && (skip_a || skip_z)) || (z_any && (skip_z || skip_a));
      } else {
        reach[j] = i < a.len && j < z.len && a.ptr[i] == z.ptr[j] && next[j + 1];
      }
    }
  }
  return reach[0];
}

/* Whether files right in or below `inner` may lie below `outer`, which has n segments or less of it. */
static bool is_within(const place *inner, uint32_t n_inner, const place *outer) {
  if (n_inner < outer->n) return false;
  for (uint32_t i = 0; i < outer->n; i++) {
    if (!may_be_same(inner->segments[i], outer->segments[i])) return false;
  }
  return true;
}

static bool add(ls_build *b, place *out, const ls_yaml *at, const char *text, const char *what, const ls_yaml *of) {
  if (at->poisoned || text[0] == '/') return false;
  *out = (place){.text = text, .at = at, .who = ls__arena_printf(b->arena, "%s %s", what, of->key->text)};
  split(b, out);
  return out->n > 0;
}

/* ---- the places of a file ---- */

typedef struct places {
  place *written, *read;
  uint32_t n_written, n_read;
} places;

static const ls_yaml *first_of(const ls_build *b, const char *section, uint32_t *n) {
  const ls_yaml *map = ls__yaml_get(b->doc->root, section);
  *n = map != NULL && map->kind == LS_YAML_MAP ? map->n_children : 0;
  return *n > 0 ? map->first : NULL;
}

static void add_inputs(ls_build *b, places *p, const char *section, const char *what) {
  uint32_t n;
  for (const ls_yaml *map = first_of(b, section, &n); map != NULL; map = map->next) {
    const ls_yaml *files = ls__yaml_get(ls__yaml_get(map, "replay"), "files");
    const ls_yaml *letters = ls__yaml_get(ls__yaml_get(map, "dead_letters"), "lake");
    if (files == NULL) continue;
    p->n_read += add(b, &p->read[p->n_read], files, files->text, what, map);
    const char *otherwise = ls__arena_printf(b->arena, "dlq/%s", map->key->text);
    const char *of = ls__arena_printf(b->arena, "the dead letters of %s", what);
    p->n_written += add(b, &p->written[p->n_written], letters != NULL ? letters : map->key,
                        letters != NULL ? letters->text : otherwise, of, map);
  }
}

static void add_sinks(ls_build *b, places *p) {
  uint32_t n;
  for (const ls_yaml *map = first_of(b, "sinks", &n); map != NULL; map = map->next) {
    const ls_yaml *path = ls__yaml_get(ls__yaml_get(map, "lake"), "path");
    if (path != NULL) p->n_written += add(b, &p->written[p->n_written], path, path->text, "sink", map);
  }
}

static bool is_before(const place *a, const place *b) {
  return a->at->mark.line < b->at->mark.line ||
         (a->at->mark.line == b->at->mark.line && a->at->mark.column < b->at->mark.column);
}

/* Told once, at the later of the two. */
static void check_written(ls_build *b, const places *p, uint32_t k) {
  for (uint32_t i = 0; i < k; i++) {
    const place *first = &p->written[i], *second = &p->written[k];
    bool inside = is_within(second, second->n, first);
    if (!inside && !is_within(first, first->n, second)) continue;
    bool same = inside && first->n == second->n;
    if (is_before(second, first)) {
      const place *swap = first;
      first = second;
      second = swap;
      inside = !inside || same;
    }
    ls__diag_add(b->diag, second->at->mark,
                 "%s %s to %.80s, %s %.80s, where %s %s; what a step writes has a directory of "
                 "its own: give another path",
                 second->who, second->who[0] == 's' ? "writes" : "go", second->text,
                 same     ? "the same directory as"
                 : inside ? "which lies in"
                          : "in which lies",
                 first->text, first->who, first->who[0] == 's' ? "writes" : "go");
    return;
  }
}

void ls__build_check_paths(ls_build *b) {
  uint32_t n_sources, n_tables, n_sinks;
  (void)first_of(b, "sources", &n_sources);
  (void)first_of(b, "tables", &n_tables);
  (void)first_of(b, "sinks", &n_sinks);
  places p = {.written = LS_ARENA_ARRAY(b->arena, place, n_sources + n_tables + n_sinks + 1),
              .read = LS_ARENA_ARRAY(b->arena, place, n_sources + n_tables + 1)};
  add_inputs(b, &p, "sources", "source");
  add_inputs(b, &p, "tables", "table");
  add_sinks(b, &p);
  for (uint32_t k = 0; k < p.n_written; k++) {
    const place *to = &p.written[k];
    check_written(b, &p, k);
    for (uint32_t i = 0; i < p.n_read; i++) {
      const place *from = &p.read[i];
      if (!is_within(from, from->n - 1, to)) continue;
      ls__diag_add(b->diag, to->at->mark,
                   "%s %s to %.80s, from where %s reads %.80s; what a topology makes is not its "
                   "input: give another path",
                   to->who, to->who[0] == 's' ? "writes" : "go", to->text, from->who, from->text);
    }
  }
}
