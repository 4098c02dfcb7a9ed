#!/usr/bin/env python3
"""Tests tools/tidy.py: each rule fires on a bad sample, keeps silent on a good one, and yields to a waiver."""
import unittest

import tidy

LAYERS = """
0 base - xxhash.h
1 data base -
2 store base,data rocksdb/c.h
3 task all lz4.h
"""
README = {f"libstream/src/{room}/README.md": "# room\n" for room in ("base", "data", "store", "task")}


def findings(sources):
    files = [tidy.File(path, text) for path, text in {**README, **sources}.items()]
    report = tidy.run_checks(files, LAYERS)
    return [line.split(": ")[1] for line in report.errors], [line.split(": ")[1] for line in report.warnings]


class TidyTest(unittest.TestCase):
    def errors(self, path, text):
        return findings({path: text})[0]

    def test_refuses_a_higher_room(self):
        self.assertEqual(self.errors("libstream/src/data/a.c", '#include "store/s.h"\n'), ["layers"])
        self.assertEqual(self.errors("libstream/src/store/a.c", '#include "data/s.h"\n'), [])

    def test_all_means_every_room_above(self):
        self.assertEqual(self.errors("libstream/src/task/a.c", '#include "store/s.h"\n'), [])

    def test_refuses_a_header_of_another_room(self):
        self.assertEqual(self.errors("libstream/src/data/a.c", "#include <rocksdb/c.h>\n"), ["third-party"])
        self.assertEqual(self.errors("apps/x/a.c", "#include <xxhash.h>\n"), ["third-party"])
        self.assertEqual(self.errors("libstream/src/store/a.c", "#include <rocksdb/c.h>\n"), [])

    def test_refuses_a_header_without_owner(self):
        self.assertEqual(self.errors("libstream/src/data/a.c", "#include <curl/curl.h>\n"), ["third-party"])

    def test_finds_an_include_cycle(self):
        errors, _ = findings({"libstream/src/data/a.h": '#include "data/b.h"\n',
                              "libstream/src/data/b.h": '#include "data/a.h"\n'})
        self.assertEqual(errors, ["layers"])

    def test_bans_calls_but_not_words(self):
        self.assertEqual(self.errors("libstream/src/data/a.c", "x = malloc(3);\n"), ["heap"])
        self.assertEqual(self.errors("libstream/src/base/a.c", "x = malloc(3);\n"), [])
        self.assertEqual(self.errors("libstream/src/data/a.c", "/* malloc(3) */ p->free(x); ls__free(y);\n"), [])
        self.assertEqual(self.errors("apps/x/a.c", 'sprintf(b, "x");\n'), ["unbounded"])
        self.assertEqual(self.errors("plugins/udf/x/a.c", "time(0);\n"), ["ambient"])

    def test_waiver_covers_and_needs_a_reason(self):
        good = "/* tidy: allow heap because the C API wants it */\nfree(x);\n"
        self.assertEqual(self.errors("libstream/src/store/a.c", good), [])
        by_word = "/* tidy: allow free because the C API wants it */\nfree(x);\n"
        self.assertEqual(self.errors("libstream/src/store/a.c", by_word), [])
        bare = "/* tidy: allow heap */\nfree(x);\n"
        self.assertEqual(self.errors("libstream/src/store/a.c", bare), ["waiver"])

    def test_unused_waiver_warns(self):
        _, warnings = findings({"libstream/src/store/a.c": "/* tidy: allow heap because of x */\nint a;\n"})
        self.assertEqual(warnings, ["waiver"])

    def test_measures_functions(self):
        body = "int f(int a,\n      int b) {\n" + "  a++;\n" * 110 + "}\n"
        self.assertEqual(self.errors("libstream/src/data/a.c", body), ["function-length"])
        table = "static const int t[] = {\n" + "  1,\n" * 110 + "};\n"
        self.assertEqual(self.errors("libstream/src/data/a.c", table), [])
        wrapped = 'extern "C" {\n' + "int f(void) {\n  return 1;\n}\n" * 60 + "}\n"
        self.assertEqual(self.errors("libstream/src/data/a.cc", wrapped), [])

    def test_measures_files(self):
        self.assertEqual(self.errors("libstream/src/data/a.c", "int a;\n" * 801), ["file-length"])

    def test_names_are_unique(self):
        self.assertEqual(findings({"apps/x/a.c": "", "apps/y/a.c": ""})[0], ["file-name"])
        self.assertEqual(findings({"apps/x/main.c": "", "apps/y/main.c": ""})[0], [])

    def test_a_room_header_may_repeat_its_public_name(self):
        pair = {"libstream/include/libstream/data.h": "", "libstream/src/data/data.h": ""}
        self.assertEqual(findings(pair)[0], [])

    def test_guards_are_unique(self):
        text = "#ifndef LS_X_H\n#define LS_X_H\n#endif\n"
        self.assertEqual(findings({"libstream/src/data/x.h": text, "libstream/src/data/y.h": text})[0], ["guard"])

    def test_room_wants_a_readme(self):
        files = [tidy.File("libstream/src/data/a.c", "")]
        self.assertEqual(len(tidy.run_checks(files, LAYERS).errors), 1)

    def test_finds_machine_paths_and_secrets(self):
        self.assertEqual(self.errors("docs/x.md", "see /" + "root/x\n"), ["machine-path"])
        self.assertEqual(self.errors("docs/x.md", "AKIA" + "A" * 16 + "\n"), ["secret"])

    def test_floats_stay_away_from_money(self):
        self.assertEqual(self.errors("libstream/src/store/a.c", "double x;\n"), ["float"])
        self.assertEqual(self.errors("libstream/src/data/a.c", "double x;\n"), [])

    def test_api_macro_stays_in_the_headers(self):
        self.assertEqual(self.errors("libstream/src/data/a.c", "LS_API int f(void);\n"), ["api"])


if __name__ == "__main__":
    unittest.main()
