#!/usr/bin/env python3
"""House style as a test: python3 tools/tidy.py [--verbose] [path prefix...]

Reads every file that git knows or would add, and reports `path:line: rule: what is wrong`. Exit 1 on an error;
warnings only inform. The rules are the functions named check_*; a place that has to break one says so on the same
line or the line above (whole-file rules: in the first 20 lines), and the waiver is counted:

    /* tidy: allow <rule or banned word> because <reason> */        (# ... in scripts)
"""
import argparse
import os
import re
import subprocess
import sys
from collections import defaultdict

FILE_LINES_MAX = 800
FUNCTION_LINES_WARN = 70
FUNCTION_LINES_MAX = 100
README_LINES_MAX = 40
BLOB_BYTES_MAX = 200 * 1024

C_SUFFIXES = (".c", ".h", ".cc")
TEXT_SUFFIXES = C_SUFFIXES + (".py", ".sh", ".md", ".txt", ".cmake", ".yaml", ".yml", ".json", ".def", ".map", ".in",
                              ".tf", ".proto", "")
GENERATED = re.compile(r"\.pb-c\.[ch]$")

# Headers of the C library, POSIX and Linux; a C++ standard header has neither dot nor slash.
SYSTEM_HEADERS = set("""
assert.h ctype.h errno.h fcntl.h fenv.h float.h inttypes.h limits.h locale.h math.h signal.h stdalign.h stdarg.h
stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h string.h strings.h threads.h time.h wchar.h
dirent.h fnmatch.h ftw.h getopt.h glob.h libgen.h netdb.h poll.h pthread.h pwd.h regex.h sched.h semaphore.h spawn.h
syslog.h termios.h unistd.h utime.h endian.h execinfo.h malloc.h alloca.h immintrin.h
""".split())
SYSTEM_PREFIXES = ("sys/", "netinet/", "arpa/", "net/", "linux/")

# Third-party headers outside the rooms: which part of the tree may include what.
PART_OWNS = {"plugins/udf": ["openssl"], "tools/lakegen": ["zlib.h", "zstd.h"]}

# rule -> (calls, where it applies, where it is allowed, what to do instead)
ROOMS = "libstream/src/"
CODE = (ROOMS, "apps/", "plugins/", "tools/")
BANNED = {
    "heap": (r"malloc|calloc|realloc|free|strdup|strndup|asprintf|aligned_alloc|posix_memalign",
             (ROOMS,), (ROOMS + "base/",), "take an arena, or the wrappers of base"),
    "unbounded": (r"strcpy|strcat|sprintf|vsprintf|gets|alloca", CODE, (), "use the bounded form"),
    "number-parse": (r"atoi|atol|atoll|atof", CODE, (), "it hides errors: use the parsers of data"),
    "float-parse": (r"strtod|strtof|strtold", CODE, (ROOMS + "data/", ROOMS + "codec/"),
                    "money never passes through binary floating point"),
    "ambient": (r"time|rand|srand|random|localtime|localtime_r|setlocale|getenv", (ROOMS, "apps/", "plugins/"),
                (ROOMS + "runtime/", ROOMS + "edge/", "apps/"), "results depend on inputs alone: take a clock or an option"),
    "wall-clock": (r"clock_gettime|gettimeofday|timespec_get", (ROOMS, "plugins/"),
                   (ROOMS + "runtime/", ROOMS + "edge/", ROOMS + "base/"), "take the clock port"),
}
FLOAT_FREE = (ROOMS + "data/decimal.c", ROOMS + "node/", ROOMS + "store/")

WAIVER = re.compile(r"tidy: allow ([a-z_-]+)( because \S.*)?")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
MACHINE_PATH = re.compile(r"/" + r"(work/(main|shared|\.)|root/|home/[a-z]\w*/|tmp/bash_jobs)")
SECRET = re.compile(r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE " + r"KEY-----")
STRIP = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def strip_code(text):
    """Blanks comments and literals, keeping every line where it was."""
    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] * 2
        return "\n" * token.count("\n") or " "
    return STRIP.sub(blank, text)


class File:
    def __init__(self, path, text):
        self.path, self.text, self.lines = path, text, text.splitlines()
        self.is_c = path.endswith(C_SUFFIXES) and not GENERATED.search(path)
        self.code = strip_code(text).splitlines() if self.is_c else []
        self.waivers = {}  # (line, rule) -> reason
        if path.endswith(TEXT_SUFFIXES):
            for number, line in enumerate(self.lines, 1):
                for match in WAIVER.finditer(line):
                    self.waivers[(number, match.group(1))] = match.group(2)

    @property
    def room(self):
        parts = self.path.split("/")
        return parts[2] if self.path.startswith(ROOMS) and len(parts) > 3 else None


class Report:
    def __init__(self):
        self.errors, self.warnings, self.used = [], [], set()

    def add(self, file, line, rule, message, warn=False, token=None):
        """Records a finding unless a waiver of the rule or of the banned word covers it; line 0 is the whole file."""
        for at in (range(1, 21) if line == 0 else (line, line - 1)):
            for name in (rule, token):
                if (at, name) in file.waivers:
                    self.used.add((file.path, at, name))
                    return
        (self.warnings if warn else self.errors).append(f"{file.path}:{max(line, 1)}: {rule}: {message}")


def read_layers(text):
    """LAYERS -> {room: set of rooms it may include}, {header prefix: rooms that own it}, in file order."""
    may, owners = {}, defaultdict(list)
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        _, room, includes, owns = line.split()
        lower = set(may) if includes == "all" else set(includes.split(",")) - {"-"}
        unknown = lower - set(may)
        if unknown:
            raise SystemExit(f"LAYERS: {room} may include {', '.join(sorted(unknown))}, which is not above it")
        may[room] = lower | {room}
        for prefix in owns.split(","):
            if prefix != "-":
                owners[prefix].append(room)
    return may, owners


def header_matches(header, prefix):
    return header == prefix or header.startswith(prefix.rstrip("/") + "/")


def is_system(header):
    return header in SYSTEM_HEADERS or header.startswith(SYSTEM_PREFIXES) or not re.search(r"[./]", header)


def check_includes(file, may, owners, report):
    """Room order, and one owner per third-party header."""
    in_public = file.path.startswith("libstream/include/")
    if not (file.room or in_public or file.path.startswith(tuple(PART_OWNS) + ("apps/",))):
        return
    for number, line in enumerate(file.lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, header = match.groups()
        if quote == '"':
            if file.room:
                check_room_include(file, number, header, may, report)
        elif header.startswith("libstream/"):
            continue
        else:
            check_foreign_include(file, number, header, owners, report)


def check_room_include(file, number, header, may, report):
    target = header.split("/")[0] if "/" in header else None
    if target not in may:
        report.add(file, number, "layers", f'"{header}": write it as "room/file.h"')
    elif file.room not in may:
        report.add(file, number, "layers", f"room {file.room} is not in LAYERS")
    elif target not in may[file.room]:
        report.add(file, number, "layers", f"{file.room} may not include {target} (src/LAYERS)")


def check_foreign_include(file, number, header, owners, report):
    rooms = [room for prefix, found in owners.items() if header_matches(header, prefix) for room in found]
    if rooms:
        if file.room not in rooms:
            report.add(file, number, "third-party", f"<{header}> belongs to {', '.join(rooms)}")
        return
    for part, prefixes in PART_OWNS.items():
        if file.path.startswith(part + "/") and any(header_matches(header, prefix) for prefix in prefixes):
            return
    if not is_system(header):
        report.add(file, number, "third-party", f"<{header}> has no owner; name one in src/LAYERS")


def check_include_cycles(files, report):
    """No two headers of the library include each other, by whatever way round."""
    graph, by_name = {}, {}
    for file in files:
        if file.room and file.path.endswith(".h"):
            name = file.path[len(ROOMS):]
            by_name[name] = file
            graph[name] = [m.group(2) for m in map(INCLUDE.match, file.lines) if m and m.group(1) == '"']
    done = set()

    def visit(name, trail):
        if name in trail:
            report.add(by_name[name], 0, "layers", "include cycle: " + " -> ".join(trail[trail.index(name):] + [name]))
        elif name not in done:
            for below in graph.get(name, ()):
                visit(below, trail + [name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])


def check_banned(file, report):
    for rule, (calls, where, allowed, instead) in BANNED.items():
        if not file.path.startswith(where) or (allowed and file.path.startswith(allowed)):
            continue
        pattern = re.compile(rf"(?<![\w.>])({calls})\s*\(")
        for number, line in enumerate(file.code, 1):
            match = pattern.search(line)
            if match:
                report.add(file, number, rule, f"{match.group(1)}() is banned here: {instead}", token=match.group(1))


def check_floats(file, report):
    if not file.path.startswith(FLOAT_FREE):
        return
    for number, line in enumerate(file.code, 1):
        match = re.search(r"\b(float|double)\b", line)
        if match:
            report.add(file, number, "float", f"{match.group(1)} next to money", token=match.group(1))


def check_api(file, report):
    if not file.path.startswith(ROOMS):
        return
    for number, line in enumerate(file.code, 1):
        if re.search(r"\bLS_API\b", line):
            report.add(file, number, "api", "LS_API belongs in libstream/include only")


def functions(file):
    """(first line, last line) of each function body, by brace depth; namespaces and extern "C" are seen through."""
    depth, begin, signature = 0, None, ""
    continues = False
    for number, line in enumerate(file.code, 1):
        was_directive, continues = continues or line.lstrip().startswith("#"), False
        if was_directive:
            continues = line.rstrip().endswith("\\")
            continue
        if line.startswith("}") and begin is None:
            depth, signature = 0, ""
            continue
        for char in line:
            if char == "{":
                if depth == 0 and re.search(r'(namespace(\s+[\w:]+)?|extern\s+"")\s*$', signature):
                    signature = ""
                    continue
                if depth == 0 and re.search(r"\)\s*(const|noexcept|override)?\s*$", signature):
                    begin = number
                depth += 1
            elif char == "}":
                depth = max(depth - 1, 0)
                if depth == 0:
                    if begin is not None:
                        yield begin, number
                    begin, signature = None, ""
            elif depth == 0:
                signature = "" if char == ";" else signature + char
        if depth == 0:
            signature += " "


def check_sizes(file, report):
    is_script = file.path.endswith((".py", ".sh"))
    if (file.is_c or is_script) and len(file.lines) > FILE_LINES_MAX:
        report.add(file, 0, "file-length", f"{len(file.lines)} lines, at most {FILE_LINES_MAX}")
    if not file.is_c:
        return
    in_test = file.path.startswith("tests/")
    for begin, end in functions(file):
        n_lines = end - begin + 1
        if n_lines > FUNCTION_LINES_MAX:
            report.add(file, begin, "function-length", f"{n_lines} lines, at most {FUNCTION_LINES_WARN}", warn=in_test)
        elif n_lines > FUNCTION_LINES_WARN and not in_test:
            report.add(file, begin, "function-length", f"{n_lines} lines, want {FUNCTION_LINES_WARN}", warn=True)


def check_text(file, report):
    if not file.path.endswith(TEXT_SUFFIXES):
        return
    for number, line in enumerate(file.lines, 1):
        if MACHINE_PATH.search(line):
            report.add(file, number, "machine-path", "a path of one machine")
        if SECRET.search(line):
            report.add(file, number, "secret", "looks like a credential")
        if "\t" in line and file.is_c:
            report.add(file, number, "tab", "indent with spaces")
    if file.is_c:
        for number, line in enumerate(file.lines, 1):
            if len(line) > 140:
                report.add(file, number, "line-length", f"{len(line)} columns, want 140", warn=True)


def check_docs(file, report):
    """A public function that can fail says how."""
    if not file.path.startswith("libstream/include/"):
        return
    for match in re.finditer(r"(/\*\*(?:(?!\*/).)*\*/)?\s*LS_API\s+int\s+(\w+)\([^;]*ls_error \*err\)", file.text, re.S):
        if "@errors" not in (match.group(1) or ""):
            line = file.text.count("\n", 0, match.start(2)) + 1
            report.add(file, line, "errors-doc", f"{match.group(2)} has no @errors", warn=True)


def is_public_pair(one, other):
    """A room's own header may have the name of its public one: <libstream/udf.h> and "udf/udf.h"."""
    stem = os.path.basename(one)[:-2]
    return {one, other} == {f"libstream/include/libstream/{stem}.h", f"{ROOMS}{stem}/{stem}.h"}


def check_guards(files, report):
    """Two headers with one guard: the second is silently empty."""
    seen = {}
    for file in files:
        match = re.search(r"^#ifndef (\w+)\s*\n#define \1\b", file.text, re.M) if file.path.endswith(".h") else None
        if match and match.group(1) in seen:
            report.add(file, 0, "guard", f"{match.group(1)} also guards {seen[match.group(1)]}")
        elif match:
            seen[match.group(1)] = file.path


def check_names(files, report):
    """Names are unique, so that a name in a log or a stack trace is one file."""
    seen = {}
    for file in files:
        name = os.path.basename(file.path)
        if not name.endswith(C_SUFFIXES) or name == "main.c":
            continue
        if name in seen and not is_public_pair(file.path, seen[name]):
            report.add(file, 0, "file-name", f"{name} is also {seen[name]}")
        seen.setdefault(name, file.path)


def check_readmes(files, may, report):
    paths = {file.path: file for file in files}
    for room in may:
        readme = paths.get(f"{ROOMS}{room}/README.md")
        if readme is None:
            if any(file.room == room for file in files):
                report.errors.append(f"{ROOMS}{room}: readme: the room has no README.md")
        elif len(readme.lines) > README_LINES_MAX:
            report.add(readme, 0, "readme", f"{len(readme.lines)} lines, want {README_LINES_MAX}", warn=True)


def check_waivers(files, report):
    for file in files:
        for (line, rule), reason in sorted(file.waivers.items()):
            if file.path.startswith("tools/tidy"):
                continue
            if not reason:
                report.errors.append(f"{file.path}:{line}: waiver: say why: tidy: allow {rule} because <reason>")
            elif (file.path, line, rule) not in report.used:
                report.warnings.append(f"{file.path}:{line}: waiver: covers nothing ({rule})")


def check_yaml(files, report):
    try:
        import yaml
    except ImportError:
        return
    for file in files:
        if file.path.startswith("configs/") and file.path.endswith((".yaml", ".yml")):
            try:
                list(yaml.safe_load_all(file.text))
            except yaml.YAMLError as error:
                mark = getattr(error, "problem_mark", None)
                report.add(file, mark.line + 1 if mark else 0, "yaml", str(error).replace("\n", " "))


def run_checks(files, layers_text):
    report = Report()
    may, owners = read_layers(layers_text)
    for file in files:
        check_text(file, report)
        if file.is_c:
            check_includes(file, may, owners, report)
            check_banned(file, report)
            check_floats(file, report)
            check_api(file, report)
            check_docs(file, report)
        check_sizes(file, report)
    check_include_cycles(files, report)
    check_names(files, report)
    check_guards(files, report)
    check_readmes(files, may, report)
    check_yaml(files, report)
    check_waivers(files, report)
    return report


def list_files(root):
    out = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"],
                         check=True, capture_output=True).stdout.decode()
    return sorted(path for path in out.split("\0") if path and os.path.isfile(os.path.join(root, path)))


def load(root, report_errors):
    files = []
    for path in list_files(root):
        full = os.path.join(root, path)
        if os.path.getsize(full) > BLOB_BYTES_MAX:
            report_errors.append(f"{path}:1: blob: {os.path.getsize(full)} bytes, at most {BLOB_BYTES_MAX}")
            continue
        with open(full, "rb") as handle:
            files.append(File(path, handle.read().decode("utf-8", "replace")))
    return files


def main():
    parser = argparse.ArgumentParser(description="checks the house style of the whole repository")
    parser.add_argument("--verbose", action="store_true", help="list the waivers and warnings one by one")
    parser.add_argument("prefix", nargs="*", help="report only paths that begin so")
    args = parser.parse_args()
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    early = []
    files = load(root, early)
    with open(os.path.join(root, ROOMS, "LAYERS"), encoding="utf-8") as handle:
        report = run_checks(files, handle.read())
    wanted = tuple(args.prefix) or ("",)
    errors = [line for line in early + report.errors if line.startswith(wanted)]
    warnings = [line for line in report.warnings if line.startswith(wanted)]
    for line in warnings if args.verbose else ():
        print("warning:", line)
    if args.verbose:
        for path, line, rule in sorted(report.used):
            print(f"waived: {path}:{line}: {rule}")
    for line in errors:
        print(line)
    print(f"tidy: {len(files)} files, {len(errors)} errors, {len(warnings)} warnings, {len(report.used)} waivers"
          + ("" if args.verbose or not warnings else " (--verbose lists them)"))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
