#!/usr/bin/env python3
"""kill -9 at every fault point that the binary lists: what a reader sees is the old or the new file of each partition, never a
partial one, and a re-run gives exactly what an undisturbed run gives and leaves nothing behind."""

import pathlib
import shutil
import sys
import tempfile

import pyarrow.parquet as pq

import recon

DAY = "2026-03-02"
OPTIONS = ("--set", "memory=2MiB", "--set", "backend=rocksdb", "--batch-rows", "200")  # so that spills and commits happen


def index(lake, **options):
    return recon.index(lake, *OPTIONS, **options)


def batch(lake, **options):
    return recon.batch(lake, DAY, *OPTIONS, **options)


def after(job, before, scratch):
    lake = pathlib.Path(scratch, "after")
    shutil.copytree(before, lake)
    job(lake)
    files = recon.published(lake)
    shutil.rmtree(lake)
    return files


def unreadable(lake, old, new):
    """What is wrong with what a reader can see after the kill."""
    seen = recon.published(lake)
    for path, digest in seen.items():
        if digest not in (old.get(path), new.get(path)):
            return f"{path} is neither the old nor the new version"
        if path.endswith(".parquet"):
            pq.read_metadata(pathlib.Path(lake, path))
    gone = [path for path in old if path in new and path not in seen]
    return f"{gone[0]} is missing" if gone else None


def attempt(job, point, before, old, new, scratch):
    """'killed', 'not reached', or what went wrong."""
    lake = pathlib.Path(scratch, "lake")
    shutil.copytree(before, lake)
    try:
        done = job(lake, check=False, env=recon.environment(LS_FAULT=point))
        if done.returncode == 0:
            return "not reached"
        if done.returncode != -9:
            return f"exit {done.returncode}: {done.stderr[-500:]}"
        problem = unreadable(lake, old, new)
        if problem:
            return problem
        job(lake)
        wrong = recon.differences(new, recon.published(lake))
        left = list(lake.glob("_staging/*"))
        return f"the re-run differs in {wrong[:3]}" if wrong else f"left behind: {left}" if left else "killed"
    finally:
        shutil.rmtree(lake)


def scenarios(scratch):
    """(name, job, lake before): a first run, a re-run over other results, a batch re-run over other results."""
    raw, rerun, batches = (pathlib.Path(scratch, name) for name in ("raw", "rerun", "batches"))
    recon.make_lake(raw, 3000, 3, 5)
    shutil.copytree(raw, rerun)
    index(rerun)
    batch(rerun)
    victim = sorted(rerun.glob("raw/transactions/dt=2026-03-02/*.jsonl"))[0]
    victim.write_bytes(b"\n".join(victim.read_bytes().split(b"\n")[20:]))
    for kind in ("transactions", "fraud_signals"):  # and the last day's partitions have no rows any more
        for path in rerun.glob(f"raw/{kind}/dt=2026-03-03/*"):
            path.unlink()
        pathlib.Path(rerun, f"raw/{kind}/dt=2026-03-03/part-00000.jsonl").touch()
    shutil.copytree(rerun, batches)
    index(batches)
    return [("first index", index, raw), ("index again", index, rerun), ("batch again", batch, batches)]


def main():
    points = recon.run(recon.BIN / "streamctl", "faults").stdout.split()
    points = [point for point in points if not point.startswith(("stream.", "dlq."))]  # of live runs: it_stream_crash.py, it_stream_dlq.py
    assert len(points) >= 8, points
    reached, passed, failed = set(), 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        for name, job, before in scenarios(scratch):
            old, new = recon.published(before), after(job, before, scratch)
            assert name == "first index" or old != new, f"{name}: the re-run changes nothing"
            gone = [path for path in old if path not in new]
            assert name != "index again" or any(path.startswith("curated/streaming_index/dt=2026-03-03") for path in gone), gone
            for point in [f"{point}{nth}" for point in points for nth in ("", ":3")]:
                verdict = attempt(job, point, before, old, new, scratch)
                if verdict == "killed":
                    reached.add(point.split(":")[0])
                    passed += 1
                elif verdict != "not reached":
                    failed += 1
                    print(f"{name}, killed at {point}: {verdict}")
    for point in sorted(set(points) - reached):
        print(f"{point} was never reached")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
