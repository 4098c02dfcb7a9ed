/**
 * @file udf_elf.c
 * Whether a file is a whole shared library. dlopen maps what the headers promise: of a file that was
 * cut short it reads pages that are not there, which ends the process (SIGBUS).
 */
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "udf/udf_internal.h"

typedef ElfW(Ehdr) elf_header;
typedef ElfW(Phdr) elf_segment;
typedef ElfW(Shdr) elf_section;

#define OWN_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)
#define OWN_DATA  (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB)

/** The file's bytes and how many there are. */
typedef struct elf_file {
  FILE *file;
  uint64_t n_bytes;
} elf_file;

static bool lies_within(const elf_file *in, uint64_t from, uint64_t n_bytes) {
  return from <= in->n_bytes && n_bytes <= in->n_bytes - from;
}

static bool read_at(const elf_file *in, uint64_t from, void *out, size_t n_bytes) {
  return lies_within(in, from, n_bytes) && fseek(in->file, (long)from, SEEK_SET) == 0 &&
         fread(out, 1, n_bytes, in->file) == n_bytes;
}

static bool segments_within(const elf_file *in, const elf_header *header) {
  if (header->e_phnum == 0 || header->e_phentsize != sizeof(elf_segment)) return false;
  for (unsigned i = 0; i < header->e_phnum; i++) {
    elf_segment segment;
    if (!read_at(in, header->e_phoff + (uint64_t)i * sizeof segment, &segment, sizeof segment)) return false;
    if (!lies_within(in, segment.p_offset, segment.p_filesz)) return false;
  }
  return true;
}

/** A stripped library may have no sections; those of others stand at the end, which is cut first. */
static bool sections_within(const elf_file *in, const elf_header *header) {
  if (header->e_shoff == 0) return true;
  if (header->e_shentsize != sizeof(elf_section)) return false;
  for (unsigned i = 0; i < header->e_shnum; i++) {
    elf_section section;
    if (!read_at(in, header->e_shoff + (uint64_t)i * sizeof section, &section, sizeof section)) return false;
    if (section.sh_type == SHT_NOBITS || section.sh_type == SHT_NULL) continue;
    if (!lies_within(in, section.sh_offset, section.sh_size)) return false;
  }
  return true;
}

/** NULL: whole. */
static const char *fault_of(const elf_file *in) {
  elf_header header;
  char magic[SELFMAG];
  if (!read_at(in, 0, magic, sizeof magic) || memcmp(magic, ELFMAG, SELFMAG) != 0)
    return "is not a shared object (no ELF header)";
  if (!read_at(in, 0, &header, sizeof header)) return "is not a whole shared library: it is cut short";
  if (header.e_ident[EI_CLASS] != OWN_CLASS || header.e_ident[EI_DATA] != OWN_DATA)
    return "is a shared object for another machine";
  if (header.e_type != ET_DYN) return "is an object file or a program, not a shared library";
  if (!segments_within(in, &header) || !sections_within(in, &header))
    return "is not a whole shared library: it is cut short";
  return NULL;
}

int ls__udf_check_elf(const ls_udf_plugin *plugin, ls_error *err) {
  elf_file in = {fopen(plugin->path, "rb"), 0};
  const char *fault = "can't be read";
  if (in.file != NULL && fseek(in.file, 0, SEEK_END) == 0) {
    long n_bytes = ftell(in.file);
    in.n_bytes = n_bytes > 0 ? (uint64_t)n_bytes : 0;
    fault = fault_of(&in);
  }
  if (in.file != NULL) fclose(in.file);
  if (fault == NULL) return LS_OK;
  return ls_error_set(err, LS_EPLUGIN, "plugin '%s': %s %s", plugin->name, plugin->path, fault);
}
