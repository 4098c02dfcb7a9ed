#!/usr/bin/env python3
"""Runs the reconciliation and DuckDB's version of it in turn on one lake and prints both sides with their ratios as JSON and text.

Each job is a process of its own on both sides. Ours is timed from start to exit, DuckDB's inside the process, without the start
of Python. The batch day is the last one: all days of the lake are in its lookback.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = ROOT / "build/bin"
KEY = "0123456789abcdef0123456789abcdef"


def parse_options():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--transactions", type=int, default=1000000)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--lake", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    return parser.parse_args()


def measured(command):
    """Runs a command: wall seconds, CPU seconds, peak bytes, standard output."""
    started = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, env={**os.environ, "RECON_MASK_KEY": KEY})
    output = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return {"seconds": time.monotonic() - started, "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_bytes": usage.ru_maxrss * 1024, "output": output}


def ours(lake, last, backend):
    index = measured([BIN / "streaming_index", "--config", ROOT / "configs/streaming_index.yaml", "--lake", lake, "--set", f"backend={backend}",
                      "--output-format", "json", "--quiet"])
    batch = measured([BIN / "batch_recon", "--config", ROOT / "configs/batch_recon.yaml", "--lake", lake, "--date", last, "--as-of",
                      "2026-04-01T06:00:00Z", "--set", f"backend={backend}", "--output-format", "json", "--quiet"])
    records = {name: sum(json.loads(side["output"].strip().splitlines()[-1])["rows_in"].values()) for name, side in (("index", index), ("batch", batch))}
    return {"index": index, "batch": batch, "records": records}


def duckdb(lake, out, first, last, key):
    sides = {}
    for job, dates in (("index", f"{first}..{last}"), ("batch", last)):
        done = measured([sys.executable, ROOT / "bench/peers/duckdb/run.py", "--lake", lake, "--out", out, "--date", dates, "--key-file", key, "--job", job])
        report = json.loads(done["output"])
        sides[job] = {**(report["index"] if job == "index" else report["batch"][-1]), "peak_bytes": report["peak_memory_bytes"]}
    return sides


def median(values):
    return statistics.median(values)


def line(name, step, sides, peer):
    ours, theirs = ({key: median([side[step][key] for side in of]) for key in ("seconds", "cpu_seconds")} for of in (sides, peer))
    peak, peer_peak = (max(side[step]["peak_bytes"] for side in of) / 2**20 for of in (sides, peer))
    rate, ratio = sides[0]["records"][step] / ours["seconds"], theirs["seconds"] / ours["seconds"]
    print(f"{step:6} {name:8} {ours['seconds']:7.2f} s {ours['cpu_seconds']:7.2f} CPU s {rate:12,.0f} records/s {peak:7.0f} MiB   {ratio:5.2f} x DuckDB's speed "
          f"({theirs['seconds']:.2f} s, {theirs['cpu_seconds']:.2f} CPU s, {peer_peak:.0f} MiB)")
    return {**ours, "records_per_second": rate, "peak_mib": peak, "duckdb_seconds": theirs["seconds"], "duckdb_cpu_seconds": theirs["cpu_seconds"],
            "duckdb_peak_mib": peer_peak, "ratio": ratio}


def main():
    options = parse_options()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    lake = options.lake or scratch / "lake"
    key = scratch / "key"
    key.write_text(KEY)
    try:
        subprocess.run([BIN / "lakegen", "--lake", lake, "--transactions", str(options.transactions), "--days", str(options.days),
                        "--seed", "1", "--defects", "off", "--format", "jsonl"], check=True, stdout=subprocess.DEVNULL)
        dates = sorted(path.name[3:] for path in (lake / "raw/transactions").glob("dt=*"))
        first, last = dates[0], dates[options.days - 1]
        sides, peer = {"memory": [], "rocksdb": []}, []
        for _ in range(options.runs):
            for backend, results in sides.items():
                results.append(ours(lake, last, backend))
            peer.append(duckdb(lake, scratch / "duckdb", first, last, key))
        report = {f"{step}_{backend}": line(backend, step, results, peer) for step in ("index", "batch") for backend, results in sides.items()}
        if options.check:
            subprocess.run([sys.executable, ROOT / "tests/oracle/compare.py", "--lake", lake, "--oracle", scratch / "duckdb", "--date", f"{last}..{last}",
                            "--ignore", "reconciliation_timestamp"], check=True)
        print(json.dumps(report))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
