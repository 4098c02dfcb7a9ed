#!/usr/bin/env python3
"""Days of the lookback that have no file are named: on standard error, in the text and in the JSON summary; not so what was
before a source's first day. Names that only look like a day are told. The last day itself is still an input that is not there (3)."""

import json
import pathlib
import subprocess
import sys
import tempfile

import recon

TOPOLOGY = """\
libstream: 1
name: days
schemas: { t: { key: id, time: at, fields: { id: string, at: timestamp } } }
sources:
  a: { schema: t, replay: { files: "raw/a/dt={date}/*.jsonl{,.gz}", lookback: 6d, lookahead: 1d } }
  b: { schema: t, replay: { files: "raw/b/b-{date}.jsonl", lookback: forever } }
steps:
  all: { merge: [a, b] }
sinks:
  out: { from: all, lake: { path: "out/dt={date(at)}", format: jsonl } }
"""


def put(lake, source, day, name=None):
    path = lake / (f"raw/a/{name or f'dt={day}'}/x.jsonl" if source == "a" else f"raw/b/b-{name or day}.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"id": f"{source}{day}", "at": f"{day}T01:00:00Z"}) + "\n")


def run(lake, *options, code=0):
    base = (recon.BIN / "streamctl", "run", lake / "t.yaml", "--lake", lake, "--quiet")
    texts = [recon.run(*base, "--output-format", kind, *options, check=False) for kind in ("json", "text")]
    assert [done.returncode for done in texts] == [code, code], [(d.returncode, d.stderr) for d in texts]
    summary = json.loads(texts[0].stdout.splitlines()[-1])
    return summary, texts[1].stdout, texts[0].stderr


def day(n, month=3):
    return f"2026-{month:02}-{n:02}"


def check_nothing_missing(lake):
    for n in range(1, 11):
        put(lake, "a", day(n))
        put(lake, "b", day(n))
    summary, text, log = run(lake, "--date", day(10))
    assert "input_days" not in summary and "missing" not in text and "day" not in log, (summary, text, log)
    summary, _, log = run(lake)
    assert "input_days" not in summary and log == "", (summary, log)


def check_gaps(lake):
    for n in (2, 3, 9, 10):  # 4..8 are not there; lookback of the 10th is the 4th
        put(lake, "a", day(n))
    for n in (1, 4, 10):
        put(lake, "b", day(n))
    summary, text, log = run(lake, "--date", day(10))
    assert summary["status"] == "done"
    gaps = [day(n) for n in range(4, 9)]
    assert summary["input_days"]["a"] == {"missing": 5, "first_missing": gaps}, summary["input_days"]
    assert summary["input_days"]["b"] == {"missing": 7, "first_missing": [day(n) for n in (2, 3, 5, 6, 7)]}, summary["input_days"]
    assert "5 days without a file: " + ",".join(gaps) + "\n" in text, text
    assert "7 days without a file: 2026-03-02,2026-03-03,2026-03-05,2026-03-06,2026-03-07,...\n" in text, text
    assert log.count("days_without_files") == 2 and "source=a days=5 first=2026-03-04" in log, log


def check_beginning(lake):
    """A lake that begins later than the run looks back: told once, in the summary, and no reason to warn."""
    for n in (8, 9, 10):
        put(lake, "a", day(n))
        put(lake, "b", day(n))
    summary, text, log = run(lake, "--date", day(10))
    assert summary["input_days"] == {"a": {"missing": 0, "first_missing": [], "begins_at": day(8)}}, summary["input_days"]
    assert "2026-03-08, later than is looked back" in text and log == "", (text, log)
    (lake / "raw/a/dt=2026-03-09/x.jsonl").unlink()  # a directory alone is no day
    summary, _, log = run(lake, "--date", day(10))
    assert summary["input_days"]["a"] == {"missing": 1, "first_missing": [day(9)], "begins_at": day(8)}, summary["input_days"]
    assert "source=a days=1 first=2026-03-09" in log, log


def check_names_like_days(lake):
    for n in range(1, 11):
        put(lake, "a", day(n))
        put(lake, "b", day(n))
    for name in ("dt=2026-3-9", "dt=20260308", "dt=2026-02-30", "dt=2025-3-3", "dt=latest", "day=2026-03-03", "dt=2026"):
        put(lake, "a", day(9), name)
    put(lake, "b", day(9), "2026_03_09")
    summary, text, log = run(lake, "--date", day(10))
    assert summary["input_days"]["a"]["like_a_day"] == 3, summary["input_days"]  # 2025-3-3 is no day of this run
    assert summary["input_days"]["a"]["first_like_a_day"].startswith("raw/a/dt=2026"), summary["input_days"]
    assert summary["input_days"]["b"] == {"missing": 0, "first_missing": [], "like_a_day": 1, "first_like_a_day": "raw/b/b-2026_03_09.jsonl"}
    assert "3 names look like a day but are not written YYYY-MM-DD: raw/a/dt=2026" in text, text
    assert log.count("looks_like_a_day") == 2 and "days_without_files" not in log, log


def check_range_and_last_day(lake):
    for n in (1, 2, 3, 4, 5, 8):
        put(lake, "a", day(n))
        put(lake, "b", day(n))
    summary, _, _ = run(lake, "--date", f"{day(3)}..{day(8)}")
    assert summary["input_days"]["a"]["first_missing"] == [day(6), day(7)], summary["input_days"]
    assert summary["input_days"]["a"]["begins_at"] == day(1), summary["input_days"]
    _, _, log = run(lake, "--date", day(7), code=3)
    assert "are not there yet" in log, log


def main():
    failed, checks = 0, [check for name, check in globals().items() if name.startswith("check_")]
    for check in checks:
        with tempfile.TemporaryDirectory() as directory:
            lake = pathlib.Path(directory)
            (lake / "t.yaml").write_text(TOPOLOGY)
            try:
                check(lake)
                print(f"{check.__name__}: ok")
            except (AssertionError, subprocess.SubprocessError, KeyError) as error:
                failed += 1
                print(f"{check.__name__}: FAILED: {error!r}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
