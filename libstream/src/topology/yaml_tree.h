/**
 * @file yaml_tree.h
 * A YAML document as a tree with positions. Only the part of YAML that a reader can take in at a
 * glance: no anchors, aliases, tags or second documents; bounded in bytes, depth and nodes.
 *
 * Invariants: keys of a map are scalars and differ from each other (a repeated one is reported and
 * left out); no scalar holds a NUL. Nodes live in the arena given to ls__yaml_parse.
 */
#ifndef LS_TOPOLOGY_YAML_TREE_H
#define LS_TOPOLOGY_YAML_TREE_H
#include "topology/diag.h"

#define LS_YAML_BYTES_MAX (1u << 20)
#define LS_YAML_DEPTH_MAX 32
#define LS_YAML_NODES_MAX 10000

typedef enum ls_yaml_kind { LS_YAML_SCALAR, LS_YAML_LIST, LS_YAML_MAP } ls_yaml_kind;
typedef enum ls_yaml_style {
  LS_YAML_PLAIN,
  LS_YAML_SINGLE_QUOTED,
  LS_YAML_DOUBLE_QUOTED,
  LS_YAML_LITERAL,
  LS_YAML_FOLDED
} ls_yaml_style;

/** A parameter put into a scalar: text[at, at + len) stands for raw[raw_at, raw_at + raw_len). */
typedef struct ls_yaml_splice {
  size_t at, len, raw_at, raw_len;
} ls_yaml_splice;

typedef struct ls_yaml ls_yaml;
struct ls_yaml {
  ls_yaml_kind kind;
  ls_yaml_style style;
  ls_mark mark;
  const ls_yaml *key;    /* values of a map: their key */
  ls_yaml *first, *next; /* children of a list or map; next sibling */
  uint32_t n_children;
  const char *text; /* scalar: value with parameters put in, NUL-terminated */
  size_t len;
  const char *raw; /* scalar: value as in the file */
  const ls_yaml_splice *splices;
  uint32_t n_splices;
  bool bad;      /* an error was reported here: treated as if it were not there */
  bool poisoned; /* holds a stand-in for a parameter without a value: no further errors */
};

typedef struct ls_yaml_doc {
  const char *text; /* borrowed */
  size_t len;
  ls_yaml *root; /* NULL: nothing usable */
} ls_yaml_doc;

/** Parses text; errors go to diag. doc->root is set as far as the text was readable: NULL after a
 *  syntax error. */
void ls__yaml_parse(ls_yaml_doc *doc, ls_slice text, ls_arena *arena, ls_diag *diag);
/** Value of a key of a map; NULL: map is NULL or no map, no such key, or its value is bad. */
ls_yaml *ls__yaml_get(const ls_yaml *map, const char *key);
/** Same, of a scalar's text; NULL as well when it is no scalar. */
const char *ls__yaml_text(const ls_yaml *map, const char *key);
/** Where byte `offset` of the scalar's text stands in the file. */
ls_mark ls__yaml_locate(const ls_yaml_doc *doc, const ls_yaml *scalar, size_t offset);
/** Position of a byte of the file. */
ls_mark ls__yaml_mark_of_byte(const ls_yaml_doc *doc, size_t byte);
/** Byte of the file at a position. */
size_t ls__yaml_byte_of_mark(const ls_yaml_doc *doc, ls_mark mark);
/** Length of the line break at text[at] as YAML sees it (CR LF, LF, CR, NEL, LS, PS); 0: none. */
size_t ls__yaml_break_len(ls_slice text, size_t at);
#endif
