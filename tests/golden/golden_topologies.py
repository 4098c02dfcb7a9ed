#!/usr/bin/env python3
"""Golden topologies: each directory beside this file is a small lake, the topologies that run over it, and what they publish.

  case.json      {"runs": [{"topology": FILE, "options": [...]}], "gzip": [FILE, ...]}; FILE may start with @ for the project's root
  in/            the lake; files under "gzip" are compressed first
  out/           expected files, Parquet as lines of JSON (path + .jsonl)
  describe.txt   what `streamctl describe` says of each topology

Every case runs with 1, 2 and 7 threads and slices of 1, 7 and 1024 rows, and with its state in RocksDB: all published files are the
same, byte for byte.
golden_topologies.py [--update] [CASE...]
"""

import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

try:
    import pyarrow.parquet
except ImportError:
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = pathlib.Path(os.environ.get("SOURCE_DIR", HERE.parents[1]))
STREAMCTL = pathlib.Path(os.environ.get("BUILD_DIR", SOURCE / "build")) / "bin/streamctl"
ENVIRONMENT = {**os.environ, "RECON_MASK_KEY": "0123456789abcdef0123456789abcdef"}
THREADS, BATCH_ROWS = (1, 2, 7), (1, 7, 1024)


class Failed(Exception):
    pass


def streamctl(*arguments):
    done = subprocess.run([str(a) for a in (STREAMCTL, *arguments)], env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"exit {done.returncode}: streamctl {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")
    return done.stdout


def topology(case, run):
    name = run["topology"]
    return SOURCE / name[1:] if name.startswith("@") else case / name


def with_rocksdb(case, run, scratch):
    """The topology with its state in RocksDB, and options for it."""
    path = topology(case, run)
    if run["topology"].startswith("@"):
        return path, ["--set", "backend=rocksdb"]
    copy = pathlib.Path(scratch, path.name)
    copy.write_text(path.read_text() + "runtime: { state: { backend: rocksdb } }\n")
    return copy, []


def prepare(case, plan, lake):
    shutil.copytree(case / "in", lake)
    for name in plan.get("gzip", []):
        path = lake / name
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()
    return {path for path in lake.rglob("*") if path.is_file()}


def published(lake, given):
    """Relative path -> bytes of what the runs wrote, without the summaries, which tell durations."""
    files = sorted(path for path in lake.rglob("*") if path.is_file() and path not in given)
    return {str(path.relative_to(lake)): path.read_bytes() for path in files if path.name != "_summary.json"}


def value(item):
    return item if item is None or isinstance(item, (bool, int, float, str, list, dict)) else str(item)


def readable(files):
    """The same as text: Parquet as lines of JSON."""
    out = {}
    for path, data in files.items():
        if path.endswith(".parquet"):
            rows = pyarrow.parquet.read_table(pyarrow.BufferReader(data)).to_pylist()
            out[path + ".jsonl"] = "".join(json.dumps({k: value(v) for k, v in row.items()}, ensure_ascii=False) + "\n" for row in rows)
        else:
            out[path] = data.decode()
    return out


def run_all(case, plan, scratch, threads, batch_rows, rocksdb=False):
    lake = pathlib.Path(scratch, "lake")
    given = prepare(case, plan, lake)
    try:
        for run in plan["runs"]:
            path, more = with_rocksdb(case, run, scratch) if rocksdb else (topology(case, run), [])
            streamctl("run", path, *more, "--lake", lake, "--threads", threads, "--batch-rows", batch_rows, "--quiet",
                      "--as-of", "2026-04-01T00:00:00Z", *run.get("options", []))
        return published(lake, given)
    finally:
        shutil.rmtree(lake)


def describe(case, plan):
    texts = []
    for run in plan["runs"]:
        options = run.get("options", [])
        sets = [part for at, part in enumerate(options) if part == "--set" or (at > 0 and options[at - 1] == "--set")]
        texts.append(streamctl("describe", topology(case, run), *sets))
    return "\n".join(texts).replace(str(case) + "/", "").replace(str(SOURCE) + "/", "")


def compare(kind, expected, got):
    for path in sorted(expected.keys() | got.keys()):
        if expected.get(path) != got.get(path):
            raise Failed(f"{kind}: {path}\n--- expected\n{expected.get(path)}\n--- got\n{got.get(path)}")


def check(case, update):
    plan = json.loads((case / "case.json").read_text())
    with tempfile.TemporaryDirectory() as scratch:
        first = run_all(case, plan, scratch, THREADS[0], BATCH_ROWS[0])
        if not first:
            raise Failed("nothing was published")
        if update:
            shutil.rmtree(case / "out", ignore_errors=True)
            for path, text in readable(first).items():
                (case / "out" / path).parent.mkdir(parents=True, exist_ok=True)
                (case / "out" / path).write_bytes(text.encode())
            (case / "describe.txt").write_text(describe(case, plan))
        expected = {str(path.relative_to(case / "out")): path.read_bytes().decode() for path in (case / "out").rglob("*") if path.is_file()}
        compare("output", expected, readable(first))
        compare("describe", {"describe.txt": (case / "describe.txt").read_text()}, {"describe.txt": describe(case, plan)})
        for threads in THREADS:
            for batch_rows in BATCH_ROWS:
                compare(f"{threads} threads, slices of {batch_rows}", first, run_all(case, plan, scratch, threads, batch_rows))
        for batch_rows in BATCH_ROWS:
            compare(f"RocksDB, slices of {batch_rows}", first, run_all(case, plan, scratch, 2, batch_rows, rocksdb=True))


def main():
    names = [name for name in sys.argv[1:] if name != "--update"]
    cases = [HERE / name for name in names] or sorted(path.parent for path in HERE.glob("*/case.json"))
    failed = 0
    for case in cases:
        try:
            check(case, "--update" in sys.argv)
            print("passed:", case.name)
        except Failed as failure:
            failed += 1
            print("FAILED:", case.name, failure)
    print(f"{len(cases) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
