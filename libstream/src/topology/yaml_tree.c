/** @file yaml_tree.c  libyaml's events -> tree. */
#include "topology/yaml_tree.h"

#include <yaml.h>

#include "base/buf.h"

typedef struct parse {
  yaml_parser_t parser;
  ls_yaml_doc *doc;
  ls_arena *arena;
  ls_diag *diag;
  uint32_t n_nodes;
  size_t skipped; /* bytes before what libyaml reads */
  bool stopped;   /* after a syntax error or a limit: no event follows */
} parse;

static ls_mark mark_of(yaml_mark_t mark) {
  return (ls_mark){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

static bool is_tab_at(const parse *p, ls_mark mark) {
  size_t byte = ls__yaml_byte_of_mark(p->doc, mark);
  return byte < p->doc->len && p->doc->text[byte] == '\t';
}

static void report_syntax(parse *p) {
  const yaml_parser_t *parser = &p->parser;
  const char *problem = parser->problem != NULL ? parser->problem : "not readable";
  p->stopped = true;
  if (parser->error == YAML_READER_ERROR) {
    ls_mark mark = ls__yaml_mark_of_byte(p->doc, p->skipped + parser->problem_offset);
    ls__diag_add(p->diag, mark, "not YAML: %s; the file is text in UTF-8", problem);
    return;
  }
  ls_mark mark = mark_of(parser->problem_mark);
  if (is_tab_at(p, mark)) {
    ls__diag_add(p->diag, mark, "a tab; YAML is indented with spaces");
  } else if (parser->context != NULL) {
    ls__diag_add(p->diag, mark, "not YAML: %s (%s that begins in line %u)", problem, parser->context,
                 (unsigned)parser->context_mark.line + 1);
  } else {
    ls__diag_add(p->diag, mark, "not YAML: %s", problem);
  }
}

static bool next_event(parse *p, yaml_event_t *event) {
  if (p->stopped) return false;
  if (yaml_parser_parse(&p->parser, event)) return true;
  report_syntax(p);
  return false;
}

static ls_yaml_style style_of(yaml_scalar_style_t style) {
  switch (style) {
  case YAML_SINGLE_QUOTED_SCALAR_STYLE:
    return LS_YAML_SINGLE_QUOTED;
  case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
    return LS_YAML_DOUBLE_QUOTED;
  case YAML_LITERAL_SCALAR_STYLE:
    return LS_YAML_LITERAL;
  case YAML_FOLDED_SCALAR_STYLE:
    return LS_YAML_FOLDED;
  default:
    return LS_YAML_PLAIN;
  }
}

static void stop_at(parse *p, ls_mark mark, const char *what) {
  p->stopped = true;
  ls__diag_add(p->diag, mark, "%s", what);
}

/* Anchors would make a value appear where it is not written, tags would change what it means. */
static void refuse_extras(parse *p, const yaml_event_t *event) {
  const yaml_char_t *anchor = NULL, *tag = NULL;
  ls_mark mark = mark_of(event->start_mark);
  switch (event->type) {
  case YAML_SCALAR_EVENT:
    anchor = event->data.scalar.anchor;
    tag = event->data.scalar.tag;
    break;
  case YAML_SEQUENCE_START_EVENT:
    anchor = event->data.sequence_start.anchor;
    tag = event->data.sequence_start.tag;
    break;
  case YAML_MAPPING_START_EVENT:
    anchor = event->data.mapping_start.anchor;
    tag = event->data.mapping_start.tag;
    break;
  default:
    break;
  }
  if (anchor != NULL) {
    ls__diag_add(p->diag, mark,
                 "anchor &%.60s; anchors and aliases are not part of the language: "
                 "write the value out or use a parameter",
                 (const char *)anchor);
  }
  if (tag != NULL) {
    ls__diag_add(p->diag, mark, "tag %.60s; tags are not part of the language: leave it out", (const char *)tag);
  }
}

static ls_yaml *new_node(parse *p, const yaml_event_t *event, ls_yaml_kind kind, int depth) {
  ls_mark mark = mark_of(event->start_mark);
  if (++p->n_nodes > LS_YAML_NODES_MAX) {
    stop_at(p, mark, "more than 10000 YAML nodes; split the topology");
    return NULL;
  }
  if (depth > LS_YAML_DEPTH_MAX) {
    stop_at(p, mark, "nested deeper than 32 levels");
    return NULL;
  }
  refuse_extras(p, event);
  ls_yaml *node = LS_ARENA_NEW(p->arena, ls_yaml);
  node->kind = kind;
  node->mark = mark;
  return node;
}

static ls_yaml *new_scalar(parse *p, const yaml_event_t *event, int depth) {
  ls_yaml *node = new_node(p, event, LS_YAML_SCALAR, depth);
  if (node == NULL) return NULL;
  const char *value = (const char *)event->data.scalar.value;
  node->style = style_of(event->data.scalar.style);
  node->len = event->data.scalar.length;
  node->text = ls__arena_strndup(p->arena, value, node->len);
  if (memchr(value, 0, node->len) != NULL) {
    ls__diag_add(p->diag, node->mark, "a NUL character in a text; leave it out");
    node->bad = true;
    node->len = strlen(node->text);
  }
  node->raw = node->text;
  return node;
}

static ls_yaml *parse_node(parse *p, yaml_event_t *event, int depth);

static void append_child(ls_yaml *parent, ls_yaml **last, ls_yaml *child) {
  if (*last == NULL) {
    parent->first = child;
  } else {
    (*last)->next = child;
  }
  *last = child;
  parent->n_children++;
}

static void parse_list(parse *p, ls_yaml *list, int depth) {
  ls_yaml *last = NULL;
  yaml_event_t event;
  while (next_event(p, &event)) {
    if (event.type == YAML_SEQUENCE_END_EVENT) {
      yaml_event_delete(&event);
      return;
    }
    ls_yaml *child = parse_node(p, &event, depth);
    if (child != NULL) append_child(list, &last, child);
  }
}

static const ls_yaml *find_key(const ls_yaml *map, const char *key) {
  for (const ls_yaml *value = map->first; value != NULL; value = value->next) {
    if (strcmp(value->key->text, key) == 0) return value->key;
  }
  return NULL;
}

/* Takes the key; NULL when the pair is of no use (its value is parsed all the same). */
static const ls_yaml *check_key(parse *p, const ls_yaml *map, const ls_yaml *key) {
  if (key == NULL) return NULL;
  if (key->kind != LS_YAML_SCALAR) {
    ls__diag_add(p->diag, key->mark, "a key that is a list or a map; a key is a name");
    return NULL;
  }
  const ls_yaml *before = find_key(map, key->text);
  if (before != NULL) {
    ls__diag_add(p->diag, key->mark, "key %.60s is given twice, first in line %u; keep one", key->text,
                 (unsigned)before->mark.line);
    return NULL;
  }
  return key->bad ? NULL : key;
}

/* Brackets that text opens and does not close; below 0: closes more than it opens. */
static int open_brackets(const ls_yaml *node) {
  int n = 0;
  for (const char *at = node->text; *at != 0; at++) n += (*at == '(') - (*at == ')');
  return n;
}

static bool is_plain(const ls_yaml *node) {
  return node != NULL && node->kind == LS_YAML_SCALAR && node->style == LS_YAML_PLAIN;
}

/**
 * In braces a comma ends a value: {a: decimal(18,4)} is the value "decimal(18" and a key "4)" without a value. Joins such
 * keys to the value whose bracket is open; tells it once the bracket is closed. True: the pair was one of them.
 */
static bool join_cut_value(parse *p, ls_yaml *open, const ls_yaml *key, const ls_yaml *value) {
  if (!is_plain(open) || !is_plain(key) || !is_plain(value) || value->len > 0) return false;
  if (open_brackets(open) <= 0) return false;
  size_t from = ls__yaml_byte_of_mark(p->doc, open->mark);
  size_t to = ls__yaml_byte_of_mark(p->doc, key->mark) + key->len;
  open->text = ls__arena_strndup(p->arena, p->doc->text + from, to - from);
  open->bad = true;
  if (open_brackets(open) > 0) return true;
  ls__diag_add(p->diag, open->mark, "in braces a comma ends a value, so this one must be quoted: \"%.200s\"",
               open->text);
  return true;
}

static void parse_map(parse *p, ls_yaml *map, int depth) {
  ls_yaml *last = NULL;
  yaml_event_t event;
  while (next_event(p, &event)) {
    if (event.type == YAML_MAPPING_END_EVENT) {
      yaml_event_delete(&event);
      return;
    }
    const ls_yaml *written = parse_node(p, &event, depth);
    if (!next_event(p, &event)) return;
    ls_yaml *value = parse_node(p, &event, depth);
    if (join_cut_value(p, last, written, value)) continue;
    const ls_yaml *key = check_key(p, map, written);
    if (key == NULL || value == NULL) continue;
    value->key = key;
    append_child(map, &last, value);
  }
}

/* Consumes the event. */
static ls_yaml *parse_node(parse *p, yaml_event_t *event, int depth) {
  ls_yaml *node = NULL;
  yaml_event_type_t type = event->type;
  if (type == YAML_ALIAS_EVENT) {
    ls__diag_add(p->diag, mark_of(event->start_mark),
                 "alias *%.60s; anchors and aliases are not part of the language: write the value "
                 "out or use a parameter",
                 (const char *)event->data.alias.anchor);
  } else if (type == YAML_SCALAR_EVENT) {
    node = new_scalar(p, event, depth);
  } else if (type == YAML_SEQUENCE_START_EVENT) {
    node = new_node(p, event, LS_YAML_LIST, depth);
  } else if (type == YAML_MAPPING_START_EVENT) {
    node = new_node(p, event, LS_YAML_MAP, depth);
  }
  yaml_event_delete(event);
  if (type == YAML_SEQUENCE_START_EVENT && node != NULL) parse_list(p, node, depth + 1);
  if (type == YAML_MAPPING_START_EVENT && node != NULL) parse_map(p, node, depth + 1);
  return node;
}

static void parse_stream(parse *p) {
  yaml_event_t event;
  uint32_t n_documents = 0;
  while (next_event(p, &event)) {
    yaml_event_type_t type = event.type;
    if (type == YAML_DOCUMENT_START_EVENT && ++n_documents > 1) {
      ls_mark mark = mark_of(event.start_mark);
      yaml_event_delete(&event);
      stop_at(p, mark, "a second document; one file is one topology");
      return;
    }
    if (type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT ||
        type == YAML_ALIAS_EVENT) {
      p->doc->root = parse_node(p, &event, 1);
      continue;
    }
    yaml_event_delete(&event);
    if (type == YAML_STREAM_END_EVENT) return;
  }
}

/* Where the first character is that is not UTF-8. */
static size_t first_bad_byte(const ls_yaml_doc *doc) {
  size_t at = 0;
  while (at < doc->len) {
    unsigned char c = (unsigned char)doc->text[at];
    size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (n > doc->len - at || !ls__utf8_valid((ls_slice){doc->text + at, n})) break;
    at += n;
  }
  return at;
}

static bool check_bytes(const ls_yaml_doc *doc, ls_diag *diag) {
  if (doc->len > LS_YAML_BYTES_MAX) {
    ls__diag_add(diag, (ls_mark){1, 1}, "the file has %zu bytes; at most 1 MiB", doc->len);
    return false;
  }
  if (!ls__utf8_valid((ls_slice){doc->text, doc->len})) {
    ls__diag_add(diag, ls__yaml_mark_of_byte(doc, first_bad_byte(doc)), "not UTF-8; save the file as UTF-8");
    return false;
  }
  return true;
}

void ls__yaml_parse(ls_yaml_doc *doc, ls_slice text, ls_arena *arena, ls_diag *diag) {
  *doc = (ls_yaml_doc){text.ptr, text.len, NULL};
  if (!check_bytes(doc, diag)) return;
  parse p = {.doc = doc, .arena = arena, .diag = diag};
  if (!yaml_parser_initialize(&p.parser)) {
    ls__diag_add(diag, (ls_mark){1, 1}, "out of memory");
    return;
  }
  yaml_parser_set_encoding(&p.parser, YAML_UTF8_ENCODING);
  /* with the encoding given, libyaml takes a byte order mark for text */
  p.skipped = text.len >= 3 && memcmp(text.ptr, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
  yaml_parser_set_input_string(&p.parser, (const unsigned char *)text.ptr + p.skipped, text.len - p.skipped);
  parse_stream(&p);
  yaml_parser_delete(&p.parser);
  if (p.stopped) doc->root = NULL;
}

ls_yaml *ls__yaml_get(const ls_yaml *map, const char *key) {
  if (map == NULL || map->kind != LS_YAML_MAP) return NULL;
  for (ls_yaml *value = map->first; value != NULL; value = value->next) {
    if (strcmp(value->key->text, key) == 0) return value->bad ? NULL : value;
  }
  return NULL;
}

const char *ls__yaml_text(const ls_yaml *map, const char *key) {
  const ls_yaml *value = ls__yaml_get(map, key);
  return value != NULL && value->kind == LS_YAML_SCALAR ? value->text : NULL;
}
