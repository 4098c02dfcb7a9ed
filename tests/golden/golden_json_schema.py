#!/usr/bin/env python3
"""The JSON Schema and the parser agree: what editors underline is what `streamctl validate` refuses.

Each case is an edit of one topology that both accept. Topologies that are shipped and those of the golden cases are
accepted by both. YAML is read as editors read it (version 1.2's core schema): `on` is text, 2026-03-01 is text, and
`1.0` is no whole number.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

try:
    import jsonschema
    import yaml
except ImportError:
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = pathlib.Path(os.environ.get("SOURCE_DIR", HERE.parents[1]))
STREAMCTL = pathlib.Path(os.environ.get("BUILD_DIR", SOURCE / "build")) / "bin/streamctl"
ENVIRONMENT = {**os.environ, "RECON_MASK_KEY": "0123456789abcdef0123456789abcdef"}

BASE = """\
libstream: 1
name: t
parameters:
  back: { type: duration, default: 3d }
runtime: { memory: 64MiB, max_bad_records: 5%, parity: on, threads: 2, commit_interval: 100ms }
schemas:
  pay:
    key: id
    time: at
    fields: { id: string, amount: "decimal(18,4)", n: { type: int64, nullable: true }, at: timestamp, tags: list<string> }
  acc: { key: [id], fields: { id: string, owner: "struct<name: string, born: date>" } }
sources:
  pay: { schema: pay, live: { kafka: pay.v1, idle_after: never }, replay: { files: "raw/pay/dt={date}/*.jsonl{,.gz}", lookback: "${back}" } }
  sig: { schema: pay, replay: { files: raw/sig/*.parquet, format: parquet }, dead_letters: { lake: dlq/signals } }
tables:
  acc: { schema: acc, store: acc, replay: { files: raw/acc/*.csv } }
  ref: { schema: acc, global: true, replay: { files: raw/ref/*.csv } }
steps:
  big: { from: pay, filter: amount > 1 }
  wide: { from: big, extend: { one: 1, two: n + 1 } }
  joined: { from: wide, left_join: { with: sig, before: 1m, after: 0s, grace: 1m, emit: early, store: j, fanout_max: 9 } }
  owners: { from: joined, join: { with: acc } }
  refs: { from: owners, left_join: { with: ref, on: id } }
  parts: { from: refs, branch: { many: n > 3, few: otherwise } }
  all: { merge: [parts.many, parts.few] }
  sums: { from: all, aggregate: { by: [id], window: { tumbling: 1h30m, grace: 0s }, values: { s: sum(amount), n: count(*) }, store: s } }
  once: { from: all, deduplicate: { on: id, retention: forever, store: d } }
sinks:
  out: { from: sums, lake: { path: "out/dt={date(window_start)}", format: parquet } }
  once: { from: once, live: { kafka: once, compacted: true, create: { partitions: 3 } } }
"""

# (what is replaced, by what): none of them may pass, in neither place.
BAD = [
    ("libstream: 1\n", ""),
    ("libstream: 1", "libstream: 1.0"),
    ("libstream: 1", "libstream: 2"),
    ("libstream: 1", "libstream: true"),
    ("name: t\n", ""),
    ("name: t\n", "name: -t\n"),
    ("name: t\n", "name: my topology\n"),
    ("name: t\n", "name:\n"),
    ("name: t\n", "nam: t\n"),
    ("type: duration", "type: durations"),
    ("memory: 64MiB", "memory: 64MB"),
    ("memory: 64MiB", "memory: 0"),
    ("max_bad_records: 5%", "max_bad_records: -1"),
    ("max_bad_records: 5%", "max_bad_records: many"),
    ("parity: on", "parity: maybe"),
    ("threads: 2", "threads: 2.5"),
    ("threads: 2", "threads: 257"),
    ("commit_interval: 100ms", "commit_interval: 100"),
    ("commit_interval: 100ms", "commit_interval: 0s"),
    ("id: string, amount", "id: strings, amount"),
    ("id: string, amount", "id: String, amount"),
    ("id: string, amount", "id: 5, amount"),
    ("id: string, amount", "5id: string, amount"),
    ("decimal(18,4)", "decimal(18)"),
    ("decimal(18,4)", "decimal"),
    ("{ type: int64, nullable: true }", "{ type: int, nullable: true }"),
    ("{ type: int64, nullable: true }", "{ nullable: true }"),
    ("{ type: int64, nullable: true }", "{ type: int64, nullable: yes }"),
    ("{ type: int64, nullable: true }", "{ type: int64, nulable: true }"),
    ("list<string>", "list<strings>"),
    ("list<string>", "list<string"),
    ("list<string>", "list"),
    ("struct<name: string, born: date>", "struct<name: string, born: day>"),
    ("struct<name: string, born: date>", "struct<name, born: date>"),
    ("struct<name: string, born: date>", "struct<name: string, >"),
    ("key: [id], fields", "key: [], fields"),
    ("key: [id], fields", "key: [[id]], fields"),
    ("key: [id], fields: { id: string, owner: \"struct<name: string, born: date>\" }", "key: [id]"),
    ("{ kafka: pay.v1, idle_after: never }", "{ idle_after: never }"),
    ("kafka: pay.v1", "kafka: pay v1"),
    ("idle_after: never", "idle_after: sometimes"),
    ("idle_after: never", "idle_after: 0s"),
    ("files: raw/sig/*.parquet", "files: /raw/sig/*.parquet"),
    ("files: raw/sig/*.parquet", "files: raw/../../sig/*.parquet"),
    ("files: raw/sig/*.parquet", "files: raw/**/*.parquet"),
    ("files: raw/sig/*.parquet", "files: 'raw/sig/?.parquet'"),
    ("format: parquet }, dead", "format: parket }, dead"),
    ("lookback: \"${back}\"", "lookback: 3"),
    (", replay: { files: raw/sig/*.parquet, format: parquet }", ""),
    ("dlq/signals", "/dlq/signals"),
    ("store: acc, ", ""),
    ("global: true", "global: true, store: x"),
    ("global: true", "global: false"),
    ("store: acc, ", "store: a-b, "),
    ("from: pay, filter", "filter"),
    ("from: pay, filter", "from: [pay], filter"),
    ("from: pay, filter", "from: pay.a.b, filter"),
    ("from: pay, filter", "from: 'the pay', filter"),
    (", filter: amount > 1", ""),
    (", filter: amount > 1", ", filter:"),
    (", filter: amount > 1", ", filter: ''"),
    (", filter: amount > 1", ", filter: [amount > 1]"),
    (", filter: amount > 1", ", filtre: amount > 1"),
    (", filter: amount > 1", ", filter: amount > 1, select: { id: id }"),
    (", filter: amount > 1", ", filter: amount > 1, merge: [pay, sig]"),
    ("extend: { one: 1, two: n + 1 }", "extend: {}"),
    ("extend: { one: 1, two: n + 1 }", "extend: { one: 1, two: }"),
    ("extend: { one: 1, two: n + 1 }", "extend: { one: 1, the two: 2 }"),
    ("extend: { one: 1, two: n + 1 }", "extend: n + 1"),
    ("{ with: sig, before", "{ before"),
    ("before: 1m, after: 0s", "before: 1m"),
    ("before: 1m, after: 0s", "before: 1m, after: 0s, within: 1m"),
    ("before: 1m", "before: 1 minute"),
    ("emit: early", "emit: at once"),
    ("fanout_max: 9", "fanout_max: 0"),
    ("fanout_max: 9", "fanout_max: 9.5"),
    ("store: j", "store: a store"),
    ("merge: [parts.many, parts.few]", "merge: []"),
    ("merge: [parts.many, parts.few]", "merge: parts.many"),
    ("merge: [parts.many, parts.few]", "from: pay, merge: [parts.many, parts.few]"),
    ("tumbling: 1h30m", "tumbling: 0s"),
    ("tumbling: 1h30m, ", ""),
    ("values: { s: sum(amount), n: count(*) }, ", ""),
    ("retention: forever", "retention: never"),
    ("retention: forever", "retention: 0s"),
    ("{ from: sums, lake", "{ lake"),
    (", lake: { path: \"out/dt={date(window_start)}\", format: parquet }", ""),
    ("path: \"out/dt", "path: \"/out/dt"),
    ("path: \"out/dt", "path: \"../out/dt"),
    (", format: parquet } }\n  once", " } }\n  once"),
    ("format: parquet } }\n  once", "format: orc } }\n  once"),
    ("create: { partitions: 3 }", "create: { partitions: 0 }"),
    ("create: { partitions: 3 }", "create: {}"),
    ("create: { partitions: 3 }", "create: 3"),
]

# These pass in both.
GOOD = [
    ("libstream: 1", "libstream: '1'"),
    ("name: t\n", "name: '${name}'\n"),
    ("parity: on", "parity: off"),
    ("parity: on", "parity: 'on'"),
    ("memory: 64MiB", "memory: 67108864"),
    ("max_bad_records: 5%", "max_bad_records: 0"),
    ("list<string>", "' list < list<decimal( 3 , 2 )> > '"),
    ("list<string>", "'list<list<list<list<struct<a: list<int64>>>>>>'"),
    ("struct<name: string, born: date>", "struct<name: string, born: struct<day: date, at: list<timestamp>>>"),
    ("global: true", "global: 'true'"),
    ("before: 1m, after: 0s", "within: 1m"),
    ("fanout_max: 9", "fanout_max: 1000000000"),
    ("on: id }", "on: [id] }"),
    ("raw/sig/*.parquet", "'raw/s.ig/x..y/{a,b}*.parquet'"),
]

PARAMETERS = {"name: '${name}'\n": "  name: { type: string, default: t }\n"}


class Loader(yaml.SafeLoader):
    """YAML 1.2's core schema."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("tag:yaml.org,2002:bool", r"^(true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("tag:yaml.org,2002:int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("tag:yaml.org,2002:null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
):
    Loader.add_implicit_resolver(tag, re.compile(pattern), list(first))

whole = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda checker, value: isinstance(value, int) and not isinstance(value, bool)
)
Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=whole)


def schema_says(validator, text):
    """The first error, or None."""
    error = jsonschema.exceptions.best_match(validator.iter_errors(yaml.load(text, Loader)))
    return None if error is None else f"{error.json_path}: {error.message[:200]}"


def parser_says(path, *options):
    done = subprocess.run([STREAMCTL, "validate", path, *options], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode in (0, 2), (done.returncode, done.stderr)
    return None if done.returncode == 0 else done.stderr.strip()


def main():
    schema = json.loads(subprocess.run([STREAMCTL, "schema"], capture_output=True, text=True, check=True).stdout)
    Validator.check_schema(schema)
    validator, wrong = Validator(schema), []
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "t.yaml")

        def check(text, what, good):
            path.write_text(text)
            for who, said in (("parser", parser_says(path)), ("schema", schema_says(validator, text))):
                if (said is None) != good:
                    wrong.append(f"{what}: the {who} {'takes it' if said is None else 'says ' + said}")

        check(BASE, "the topology itself", True)
        for cases, good in ((BAD, False), (GOOD, True)):
            for old, new in cases:
                assert BASE.count(old) == 1, f"{old!r} is there {BASE.count(old)} times"
                text = BASE.replace(old, new)
                text = text.replace("parameters:\n", "parameters:\n" + PARAMETERS.get(new, ""))
                check(text, f"{old!r} -> {new!r}", good)
    shipped = [*SOURCE.glob("configs/*.yaml"), *SOURCE.glob("tests/golden/*/*.yaml"), *SOURCE.glob("tests/sdk/**/*.yaml")]
    assert len(shipped) > 5
    for path in shipped:
        said = schema_says(validator, path.read_text())
        if said is not None:
            wrong.append(f"{path.relative_to(SOURCE)}: the schema says {said}")
    print(f"{len(BAD)} bad, {len(GOOD) + 1} good and {len(shipped)} shipped topologies; {len(wrong)} judged otherwise")
    sys.exit("\n".join(wrong) if wrong else 0)


main()
