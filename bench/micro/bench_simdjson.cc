/**
 * @file bench_simdjson.cc
 * What simdjson's on-demand API takes to walk the lines that bench_codec decodes: names compared, values handed over
 * as text, nothing converted, checked or stored. Figures for docs/adr/0006-json-decoder.md; not a test.
 * With a reference file (tests/unit/codec/json_reference.dat) as argument: where the two differ.
 */
#include <simdjson.h>
#include <time.h>

#include <cstdio>
#include <cstring>
#include <string>

using namespace simdjson;

static const char *const names[] = {"transaction_id", "merchant_id", "user_id",  "amount",
                                    "currency",       "status",      "timestamp"};
static const char *const statuses[] = {"PENDING", "APPROVED", "DECLINED", "REFUNDED"};

static double cpu_ns() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1e9 + now.tv_nsec;
}

/* Visits a value to its last leaf, so that nothing stays unread. */
static bool visit(ondemand::value value) {
  ondemand::json_type type;
  if (value.type().get(type)) return false;
  switch (type) {
  case ondemand::json_type::object: {
    ondemand::object object;
    if (value.get_object().get(object)) return false;
    for (auto field : object) {
      std::string_view key;
      ondemand::value member;
      if (field.unescaped_key().get(key) || field.value().get(member) || !visit(member)) return false;
    }
    return true;
  }
  case ondemand::json_type::array: {
    ondemand::array array;
    if (value.get_array().get(array)) return false;
    for (auto item : array) {
      ondemand::value member;
      if (item.get(member) || !visit(member)) return false;
    }
    return true;
  }
  case ondemand::json_type::string:
    return value.get_string().error() == SUCCESS;
  case ondemand::json_type::number:
    return value.get_double().error() == SUCCESS;
  case ondemand::json_type::boolean:
    return value.get_bool().error() == SUCCESS;
  default: {
    bool is_null = false;
    return !value.is_null().get(is_null) && is_null;
  }
  }
}

static bool accepts(ondemand::parser &parser, const padded_string &line, bool all) {
  ondemand::document document;
  ondemand::object object;
  if (parser.iterate(line).get(document) || document.get_object().get(object)) return false;
  for (auto field : object) {
    std::string_view key;
    ondemand::value value;
    if (field.unescaped_key().get(key) || field.value().get(value)) return false;
    if (all ? !visit(value) : value.raw_json_token().empty()) return false;
  }
  return document.current_location().error() != SUCCESS; /* nothing after the object */
}

/* Lines of tests/unit/codec/json_reference.dat on which simdjson and the reference differ. */
static int compare(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return 1;
  ondemand::parser parser;
  dom::parser dom_parser;
  int n = 0, wrong[3][2] = {{0}};
  char line[4096];
  while (fgets(line, sizeof line, file)) {
    size_t len = strcspn(line + 2, "\n");
    padded_string text(line + 2, len);
    const char *first = line + 2 + strspn(line + 2, " \t\r");
    if (*first != '{' || strlen(line + 2) <= len) continue; /* other roots; lines with a NUL */
    bool valid = line[0] == 'V';
    bool said[3] = {accepts(parser, text, false), accepts(parser, text, true),
                    dom_parser.parse(text).error() == SUCCESS};
    for (int i = 0; i < 3; i++) wrong[i][valid] += said[i] != valid;
    n++;
  }
  fclose(file);
  static const char *const what[] = {"on demand, fields read as needed", "on demand, every value visited", "DOM"};
  for (int i = 0; i < 3; i++) {
    printf("simdjson %s: of %d lines, %d broken ones accepted, %d whole ones refused\n", what[i], n, wrong[i][0],
           wrong[i][1]);
  }
  return 0;
}

/* Length of all texts, so that nothing is optimised away; 0: an error. */
static size_t walk(ondemand::object object, bool raw) {
  size_t total = 0, i = 0;
  for (auto field : object) {
    ondemand::raw_json_string key;
    std::string_view text;
    if (field.key().get(key) || i == 7 || !key.unsafe_is_equal(names[i++])) return 0;
    if (raw ? field.value().raw_json_token().get(text) : field.value().get_string().get(text)) return 0;
    total += text.size();
  }
  return total;
}

static size_t by_line(ondemand::parser &parser, const std::string &lines, size_t len, bool raw) {
  size_t total = 0;
  for (const char *p = lines.data(), *end = p + len; p < end;) {
    const char *newline = static_cast<const char *>(memchr(p, '\n', end - p));
    ondemand::document document;
    ondemand::object object;
    if (parser.iterate(p, newline - p, end + SIMDJSON_PADDING - p).get(document)) return 0;
    if (document.get_object().get(object)) return 0;
    total += walk(object, raw);
    p = newline + 1;
  }
  return total;
}

static size_t by_block(ondemand::parser &parser, const std::string &lines, size_t len) {
  size_t total = 0;
  ondemand::document_stream stream;
  if (parser.iterate_many(lines.data(), len, 1 << 20).get(stream)) return 0;
  for (auto it = stream.begin(); it != stream.end(); ++it) {
    ondemand::document_reference document;
    ondemand::object object;
    if ((*it).get(document) || document.get_object().get(object)) return 0;
    total += walk(object, false);
  }
  return total;
}

int main(int argc, char **argv) {
  if (argc > 1) return compare(argv[1]);
  const int n = 20000;
  std::string lines;
  for (int i = 0; i < n; i++) {
    char line[512];
    snprintf(line, sizeof line,
             "{\"transaction_id\":\"txn_%012d\",\"merchant_id\":\"mer_%06d\",\"user_id\":\"usr_%010d\","
             "\"amount\":\"%d.%02d\",\"currency\":\"USD\",\"status\":\"%s\",\"timestamp\":"
             "\"2026-03-01T09:%02d:%02d.%06dZ\"}\n",
             i, i % 9973, i * 31 % 1000003, i % 9999, i % 100, statuses[i & 3], i % 60, i % 59, i % 1000000);
    lines += line;
  }
  size_t len = lines.size();
  lines.resize(len + SIMDJSON_PADDING, ' ');
  ondemand::parser parser, stream_parser;
  double best[4] = {1e18, 1e18, 1e18, 1e18};
  size_t total = 1;
  for (int round = 0; round < 160; round++) {
    int which = round % 4;
    double start = cpu_ns();
    size_t got = which == 0   ? by_line(parser, lines, len, true)
                 : which == 1 ? by_line(parser, lines, len, false)
                 : which == 2 ? by_block(stream_parser, lines, len)
                              : validate_utf8(lines.data(), len);
    double took = (cpu_ns() - start) / n;
    if (took < best[which]) best[which] = took;
    if (got == 0) total = 0;
  }
  static const char *const what[] = {"iterate per line, raw tokens", "iterate per line, get_string",
                                     "iterate_many, get_string", "validate_utf8"};
  for (int i = 0; i < 4; i++) printf("simdjson %-32s %7.1f ns per record\n", what[i], best[i]);
  return total ? 0 : 1;
}
