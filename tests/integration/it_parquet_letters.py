#!/usr/bin/env python3
"""Values of a Parquet file that the declared type can't hold cost their row and no more: dead letters with reason, file and record
number, and counts that add up. The files are pyarrow's, with wider types than the topology declares."""

import decimal
import json
import pathlib
import sys
import tempfile

import pyarrow
import pyarrow.parquet

import recon

TOPOLOGY = """\
libstream: 1
name: letters
schemas:
  t:
    key: id
    fields:
      id: string
      amount: "decimal(8,2)"
      n: int64
      at: { type: timestamp, nullable: true }
      day: { type: date, nullable: true }
      kind: { type: string, nullable: true }
      secret: { type: string, nullable: true, sensitive: true }
      scores: { type: list<int64>, nullable: true }
sources:
  t: { schema: t, replay: { files: "raw/dt={date}/*.parquet" } }
steps:
  told: { from: t, filter: "secret <> 'x'" }
  rest: { from: told, select: { id: id, amount: amount, n: n, at: at, day: day, kind: kind, scores: scores } }
sinks:
  out: { from: rest, lake: { path: out, format: jsonl, summary: { sum: [amount] } } }
"""

ROWS = 5000
TOO_BIG = 2**63 + 5
BAD = {  # record number: what is put there instead, reason
    3: ({"amount": decimal.Decimal("1.005")}, "too_many_decimals", "amount"),
    4: ({"amount": decimal.Decimal("12345678.00")}, "too_many_digits", "amount"),
    7: ({"n": TOO_BIG}, "out_of_range", "n"),
    1000: ({"at": 1500}, "bad_timestamp", "at"),
    1001: ({"day": 2**31 - 1}, "bad_date", "day"),
    2500: ({"kind": b"\xff\xfe"}, "bad_utf8", "kind"),
    2501: ({"secret": b"caf\xe9"}, "bad_utf8", "secret"),
    4998: ({"scores": [1, TOO_BIG, 3]}, "out_of_range", "scores"),
    5000: ({"amount": decimal.Decimal("0.001"), "n": TOO_BIG, "kind": b"\xff"}, "too_many_decimals", "amount"),
}


def row(i):
    return {"id": f"r{i:05}", "amount": decimal.Decimal(i) / 100, "n": i, "at": i * 1000, "day": i % 9,
            "kind": "é" if i % 2 else None, "secret": b"hush", "scores": [i, i + 1]}


def table(rows, dictionary):
    text = pyarrow.binary()
    columns = {
        "id": pyarrow.array([r["id"] for r in rows]),
        "amount": pyarrow.array([r["amount"] for r in rows], pyarrow.decimal128(20, 3)),
        "n": pyarrow.array([r["n"] for r in rows], pyarrow.uint64()),
        "at": pyarrow.array([r["at"] for r in rows], pyarrow.timestamp("ns", "UTC")),
        "day": pyarrow.array([r["day"] for r in rows], pyarrow.int32()).view(pyarrow.date32()),
        # no validation of UTF-8 on the way: bytes that claim to be text
        "kind": pyarrow.array([r["kind"].encode() if isinstance(r["kind"], str) else r["kind"] for r in rows], text).view(pyarrow.utf8()),
        "secret": pyarrow.array([r["secret"] for r in rows], text).view(pyarrow.utf8()),
        "scores": pyarrow.array([r["scores"] for r in rows], pyarrow.list_(pyarrow.uint64())),
    }
    if dictionary:
        columns["kind"] = columns["kind"].dictionary_encode()
        columns["amount"] = columns["amount"].dictionary_encode()
    return pyarrow.table(columns)


def run(lake, *options, code=0):
    done = recon.run(recon.BIN / "streamctl", "run", lake / "t.yaml", "--lake", lake, "--quiet", "--output-format", "json", *options, check=False)
    assert done.returncode == code, (done.returncode, done.stdout[-600:], done.stderr[-600:])
    return json.loads(done.stdout.splitlines()[-1])


def make(lake, dictionary=False, bad=BAD):
    (lake / "raw/dt=2026-03-01").mkdir(parents=True, exist_ok=True)
    (lake / "t.yaml").write_text(TOPOLOGY)
    rows = [{**row(i), **bad.get(i, ({},))[0]} for i in range(1, ROWS + 1)]
    pyarrow.parquet.write_table(table(rows, dictionary), lake / "raw/dt=2026-03-01/x.parquet", row_group_size=1500)


def letters(lake):
    return [json.loads(line) for line in (lake / "dlq/t/dt=2026-03-01/part-00000.jsonl").read_text().splitlines()]


def check(lake, dictionary, threads):
    bad = BAD
    make(lake, dictionary)
    summary = run(lake, "--threads", threads)
    assert summary["status"] == "done" and summary["conservation"] is True
    assert summary["rows_in"]["t"] == ROWS and summary["bad_records"]["t"] == len(bad), summary
    assert summary["rows_out"]["out"] == ROWS - len(bad)
    good = [i for i in range(1, ROWS + 1) if i not in bad]
    assert next(iter(summary["totals"]["out"]["sums"].values()))["amount"] == f"{sum(decimal.Decimal(i) for i in good) / 100:.2f}", summary["totals"]
    out = [json.loads(line) for line in (lake / "out/part-00000.jsonl").read_text().splitlines()]
    assert [r["id"] for r in out] == [f"r{i:05}" for i in good]
    assert all(r["scores"] == [r["n"], r["n"] + 1] and r["amount"] == f"{r['n'] / 100:.2f}" for r in out)
    told = letters(lake)
    assert [(l["line"], l["reason"], l["field"]) for l in told] == [(i, b[1], b[2]) for i, b in sorted(bad.items())], told
    for letter in told:
        assert letter["file"] == "raw/dt=2026-03-01/x.parquet" and letter["source"] == "t"
        assert f"r{letter['line']:05}" in json.dumps(letter["payload"]), letter
        assert "hush" not in json.dumps(letter) and "caf" not in json.dumps(letter), letter
    return (lake / "out/part-00000.jsonl").read_bytes(), (lake / "dlq/t/dt=2026-03-01/part-00000.jsonl").read_bytes()


def main():
    seen = {}
    for dictionary in (False, True):
        for threads in (1, 2, 7):
            with tempfile.TemporaryDirectory() as directory:
                lake = pathlib.Path(directory)
                got = check(lake, dictionary, threads)
                rows, told = seen.setdefault("all", got)
                assert got[0] == rows, "other rows"
                print(f"{threads} threads{', dictionaries' if dictionary else ''}: {len(letters(lake))} dead letters")
                if threads > 1:
                    continue
                (lake / "t.yaml").write_text(TOPOLOGY.replace("name: letters\n", "name: letters\nruntime: { max_bad_records: 3 }\n"))
                run(lake, code=4)
                make(lake, dictionary, bad={})
                (lake / "t.yaml").write_text(TOPOLOGY)
                run(lake)
                assert not (lake / "dlq/t/dt=2026-03-01/part-00000.jsonl").exists()
    print("1 passed, 0 failed")


if __name__ == "__main__":
    try:
        main()
    except AssertionError as error:
        print(f"0 passed, 1 failed: {error!r}")
        raise
