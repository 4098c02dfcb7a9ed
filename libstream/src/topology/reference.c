/** @file reference.c  docs/YAML.md from the options table. */
#include "base/buf.h"
#include "topology/options.h"

/* A cell of a Markdown table. */
static void put_cell(ls_buf *out, const char *text) {
  for (; *text != 0; text++) {
    if (*text == '|') ls__buf_putc(out, '\\');
    ls__buf_putc(out, *text);
  }
}

static void put_type(ls_buf *out, const ls_option *option) {
  char text[LS_OPTION_TEXT_MAX];
  if (option->type != LS_OPTION_CHOICE) {
    ls__buf_puts(out, ls__option_value_text(option, text));
    return;
  }
  ls__buf_putc(out, '`');
  for (const char *c = option->range; *c != 0; c++) {
    if (*c == '|') {
      ls__buf_puts(out, "`, `");
    } else {
      ls__buf_putc(out, *c);
    }
  }
  ls__buf_putc(out, '`');
}

static void put_row(ls_buf *out, const ls_option *option) {
  ls__buf_printf(out, "| `%s` | ", option->key);
  put_type(out, option);
  ls__buf_puts(out, " | ");
  if (option->required) {
    ls__buf_puts(out, "required");
  } else if (option->fallback != NULL) {
    put_cell(out, option->fallback);
  }
  ls__buf_puts(out, " | ");
  put_cell(out, option->help);
  ls__buf_puts(out, " |\n");
}

static void put_section(ls_buf *out, const ls_section *section) {
  ls__buf_printf(out, "\n## %s\n\n", section->title);
  if (section->notes != NULL) ls__buf_printf(out, "%s\n\n", section->notes);
  ls__buf_puts(out, "| key | value | default | meaning |\n|---|---|---|---|\n");
  const ls_option *option;
  for (size_t i = 0; (option = ls__option_at(i)) != NULL; i++) {
    if (strcmp(option->section, section->path) == 0) put_row(out, option);
  }
}

int ls_topology_reference(char **out, ls_error *err) {
  (void)err;
  ls_buf text = LS_BUF_INIT;
  ls__buf_puts(&text, "# The topology language\n\n"
                      "<!-- Generated from libstream/src/topology/options.def; a test compares. -->\n\n"
                      "A topology is one YAML file that is checked as a whole before anything runs. "
                      "Editors can check it while it is written: `configs/libstream.schema.json` (installed: "
                      "`share/libstream/libstream.schema.json`) is "
                      "its JSON Schema. Expressions are described in EXPRESSIONS.md.\n");
  const ls_section *section;
  for (size_t i = 0; (section = ls__section_at(i)) != NULL; i++) put_section(&text, section);
  *out = text.ptr;
  return LS_OK;
}
